//! What of the past somebody may have: the same decision as for what is sent, in mode `history`, record by
//! record, and the line that the disclosure log is told of it.

use std::sync::Arc;

use jid::BareJid;
use jiff::Timestamp;

use super::Context;
use super::context::failed;
use crate::domain::consent::{Consent, ConsentKey, Mode};
use crate::domain::decision::{self, Decision, Denial, Question};
use crate::domain::disclosure::{Decided, Ground, Line, Verdict};
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::subscription::SubscriptionKey;
use crate::protocol::error::StanzaError;
use crate::protocol::event::Terms;
use crate::senml::Resolved;
use crate::store::items::measured_at;

/// Who asks, with all that stands for them.
#[derive(Debug)]
pub struct Asker {
    /// The bare address.
    pub who: BareJid,
    /// What was requested by, given to or paused for them.
    pub consents: Vec<(ConsentKey, Consent)>,
    /// The instant of asking.
    pub now: Timestamp,
}

/// The terms of a consent.
pub fn terms(consent: &Consent) -> Terms<'_> {
    Terms::Consent {
        id: consent.id,
        purpose: consent.purpose_code.as_ref().unwrap_or(&consent.purpose),
        retention: consent.retention.as_str(),
        expires: consent.valid_until,
        onward: consent.onward,
    }
}

/// How many octets they take, as they are written.
pub fn terms_len(asker: &Asker, key: ConsentKey) -> usize {
    let mut out = Vec::new();
    if let Some(consent) = asker.consent(key) {
        terms(consent).write(&mut out);
    }
    out.len()
}

/// Whether a consent that covers this name gives anything of it. What covers its giver's own series alone gives nothing
/// of somebody else's, and as little of what is not there: so nobody learns from it what is.
pub async fn gives(context: &Context, consent: &Consent, named: &Scope) -> Result<bool, StanzaError> {
    if !consent.covers_own_only() {
        return Ok(true);
    }
    let now = context.clock.now().wall;
    let below = match named {
        Scope::Prefix(_) => named.clone(),
        Scope::Exact(name) => {
            let found = context.store.registrations_of(name).await.map_err(|e| failed(&e))?;
            if let Some(series) = found.first() {
                return Ok(consent.is_about(series.holder(now)));
            }
            // It may be meant for what is below it.
            match Scope::parse(&format!("{name}/*")) {
                Ok(below) => below,
                Err(_) => return Ok(false),
            }
        }
    };
    let own = context.store.own_part(&consent.subject, &[below], now).await.map_err(|e| failed(&e))?;
    Ok(!own.is_empty())
}

/// What somebody may have of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All of it, for this reason.
    Whole(Ground),
    /// What consents cover.
    ByConsent,
    /// Nothing.
    Nothing(Denial),
}

/// Records of one answer, by reason.
#[derive(Debug, Default)]
pub struct Tally {
    verdicts: Vec<Verdict>,
    /// The consents that the answer rests on.
    pub rests_on: Vec<ConsentKey>,
}

impl Asker {
    /// Looks up what stands for them and has to do with this node: a series, with all below it, or a prefix
    /// ending in `*`. It costs as much as that is, and not as all that they hold.
    pub async fn about(context: &Context, who: &BareJid, node: &str) -> Result<Self, StanzaError> {
        let (beginning, below) = match node.strip_suffix('*') {
            Some(prefix) => (prefix, prefix.to_owned()),
            None => (node, format!("{node}/")),
        };
        let consents = context.store.consents_about(who, beginning, &below).await.map_err(|e| failed(&e))?;
        Ok(Asker { who: who.clone(), consents, now: context.clock.now().wall })
    }

    /// Looks up all that stands for them.
    pub async fn find(context: &Context, who: &BareJid) -> Result<Self, StanzaError> {
        let consents = context.store.consents_for(who).await.map_err(|e| failed(&e))?;
        Ok(Asker { who: who.clone(), consents, now: context.clock.now().wall })
    }

    /// What they may have of the series of this name, which falls under this registration.
    pub fn standing(&self, name: &str, series: &Series) -> Standing {
        if series.is_held_by(&self.who, self.now) {
            return Standing::Whole(Ground::Own);
        }
        if series.node.outcasts.contains(&self.who) {
            return Standing::Nothing(Denial::NoneRegistered);
        }
        // To whom nothing is open but to publish, there is still what they were given consent for.
        if !series.only_publishes(&self.who, self.now) {
            if series.producers.contains(&self.who) {
                return Standing::Whole(Ground::Producer);
            }
            if series.open {
                return Standing::Whole(Ground::Open);
            }
            if series.node.whitelist && series.node.members.contains(&self.who) {
                return Standing::Whole(Ground::Listed);
            }
        }
        let mut nearest = Denial::NoneRegistered;
        for (_, consent) in self.consents.iter().filter(|(_, c)| c.is_about(series.holder(self.now))) {
            // Which measurements, and in what detail, is asked of each record.
            let anytime = Consent { data_from: None, data_until: None, granularity: None, ..consent.clone() };
            match decision::decide([&anytime], self.question(name, 0.0)) {
                Decision::Permit(_) => return Standing::ByConsent,
                Decision::Deny(denial) => nearest = nearest.max(denial),
            }
        }
        Standing::Nothing(nearest)
    }

    /// The consent under which they are sent what is published in the series, if one stands.
    pub fn notified_of(&self, name: &str, series: &Series) -> Option<ConsentKey> {
        let stands = |consent: &Consent| {
            consent.modes.notify
                && consent.covers(name)
                && consent.is_about(series.holder(self.now))
                && decision::stands_now(consent, self.now).is_ok()
        };
        self.consents.iter().find(|(_, consent)| stands(consent)).map(|(key, _)| *key)
    }

    fn question<'a>(&'a self, series: &'a str, time: f64) -> Question<'a> {
        Question { series, time, recipient: &self.who, mode: Mode::History, now: self.now }
    }

    /// Which of these records, all of one series, they may have.
    pub fn select(&self, name: &str, series: &Series, records: &Resolved, tally: &mut Tally) -> Vec<u32> {
        let mut chosen = Vec::with_capacity(records.len());
        match self.standing(name, series) {
            Standing::Whole(ground) => {
                for (place, record) in (0u32..).zip(records.iter()) {
                    chosen.push(place);
                    tally.count(&self.who, name, ground, record.time());
                }
            }
            Standing::Nothing(denial) => {
                for record in records.iter() {
                    tally.count(&self.who, name, Ground::Denied(denial), record.time());
                }
            }
            Standing::ByConsent => {
                let covers = |c: &Consent| c.covers(name) && c.is_about(series.holder(self.now));
                let theirs: Vec<_> = self.consents.iter().filter(|(_, c)| covers(c)).collect();
                for (place, record) in (0u32..).zip(records.iter()) {
                    let question = self.question(name, record.time());
                    let ground = match decision::decide(theirs.iter().map(|(_, c)| c), question) {
                        Decision::Permit(consent) => {
                            let key = theirs.iter().find(|(_, c)| c.id == consent.id).map(|(key, _)| *key);
                            key.map_or(Ground::Denied(Denial::NoneRegistered), Ground::Consent)
                        }
                        Decision::Deny(reason) => Ground::Denied(reason),
                    };
                    if ground.permits() {
                        chosen.push(place);
                    }
                    tally.count(&self.who, name, ground, record.time());
                }
            }
        }
        chosen
    }

    /// The consent of this number.
    pub fn consent(&self, key: ConsentKey) -> Option<&Consent> {
        self.consents.iter().find(|(held, _)| *held == key).map(|(_, consent)| consent)
    }
}

impl Tally {
    /// Counts one record.
    pub fn count(&mut self, who: &BareJid, name: &str, ground: Ground, time: f64) {
        let at = measured_at(time);
        if let Ground::Consent(key) = ground
            && !self.rests_on.contains(&key)
        {
            self.rests_on.push(key);
        }
        let same = |v: &&mut Verdict| v.ground == ground && v.series.first().is_some_and(|s| **s == *name);
        match self.verdicts.iter_mut().rev().find(same) {
            Some(verdict) => {
                verdict.records = verdict.records.saturating_add(1);
                verdict.first = verdict.first.min(at);
                verdict.last = verdict.last.max(at);
            }
            None => self.verdicts.push(Verdict {
                subscription: SubscriptionKey(0),
                recipient: who.as_str().into(),
                ground,
                series: vec![name.into()],
                records: 1,
                first: at,
                last: at,
            }),
        }
    }

    /// Adds what another has counted.
    pub fn absorb(&mut self, other: Tally) {
        for key in other.rests_on {
            if !self.rests_on.contains(&key) {
                self.rests_on.push(key);
            }
        }
        for new in other.verdicts {
            let same = |v: &&mut Verdict| v.ground == new.ground && v.series == new.series;
            match self.verdicts.iter_mut().rev().find(same) {
                Some(held) => {
                    held.records = held.records.saturating_add(new.records);
                    held.first = held.first.min(new.first);
                    held.last = held.last.max(new.last);
                }
                None => self.verdicts.push(new),
            }
        }
    }

    /// Writes the line, before the answer leaves. `how`: in which way it was asked for.
    pub async fn disclose(self, context: &Context, asked: &str, how: &str) -> Result<(), StanzaError> {
        if self.verdicts.is_empty() {
            return Ok(());
        }
        let nobody: Arc<str> = "".into();
        let line = Line::Fetched(Decided {
            seq: 0,
            publisher: nobody,
            node: asked.into(),
            item: how.into(),
            again: false,
            verdicts: self.verdicts,
        });
        let at = context.clock.now().wall.as_millisecond();
        context.store.disclose(at, &[line]).await.map_err(|e| failed(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::method;
    use crate::domain::consent::tests::sample;

    #[test]
    fn what_is_given_in_person_opens_nobody_elses_past() {
        let mut consent = sample();
        consent.method = method::AD_HOC.into();
        consent.scope = vec![Scope::parse("urn:dev:prm:*").unwrap()];
        let series = |owner: &str| Series {
            name: Scope::parse("urn:dev:prm:1").unwrap(),
            tenures: crate::domain::tenure::Tenures::of(owner.parse().unwrap()),
            producers: Vec::new(),
            open: false,
            retention: None,
            title: None,
            source: None,
            meta: Default::default(),
            node: Default::default(),
        };
        let (own, bobs) = (series(&consent.subject.to_string()), series("bob@home.example"));
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let asker = Asker { who: consent.recipient.clone(), consents: vec![(ConsentKey(1), consent)], now };
        let records = br#"[{"n":"urn:dev:prm:1","t":1770000000,"v":1}]"#;
        let format = crate::senml::Format::Json;
        let records = crate::senml::read(format, records, 1.7e9, &Default::default()).unwrap();
        let chosen =
            |series: &Series| asker.select("urn:dev:prm:1", series, &records, &mut Tally::default()).len();
        assert_eq!((chosen(&own), chosen(&bobs)), (1, 0));
        assert_eq!(asker.standing("urn:dev:prm:1", &bobs), Standing::Nothing(Denial::NoneRegistered));
    }
}
