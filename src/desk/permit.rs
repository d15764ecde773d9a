//! What of the past somebody may have: the same decision as for what is sent, in mode `history`, record by
//! record, and the line that the disclosure log is told of it.

use std::sync::Arc;

use jid::BareJid;
use jiff::Timestamp;

use super::Context;
use super::context::failed;
use crate::domain::access::{self, Access, Basis, Situation};
use crate::domain::consent::{Consent, ConsentKey, Mode};
use crate::domain::decision::{self, Denial, Question};
use crate::domain::disclosure::{Decided, Ground, Line, Verdict};
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::subscription::SubscriptionKey;
use crate::domain::whose::Whose;
use crate::protocol::error::StanzaError;
use crate::protocol::event::Terms;
use crate::senml::Resolved;
use crate::store::items::measured_at;

/// From, and until before.
pub type Span = (Option<Timestamp>, Option<Timestamp>);

/// Who asks, with all that stands for them.
#[derive(Debug)]
pub struct Asker {
    /// The bare address.
    pub who: BareJid,
    /// What was requested by, given to or paused for them.
    pub consents: Vec<(ConsentKey, Consent)>,
    /// The instant of asking.
    pub now: Timestamp,
    /// It is sent to them without their asking: what they published themselves they have.
    pub is_sent: bool,
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

/// Whether a consent that covers this name gives anything of it: something of it is, or was over the time of its data
/// window, the giver's. As little of somebody else's as of what is not there: so nobody learns from it what is.
pub async fn gives(context: &Context, consent: &Consent, named: &Scope) -> Result<bool, StanzaError> {
    let below = match named {
        Scope::Prefix(_) => named.clone(),
        Scope::Exact(name) => {
            if let Some(whose) = context.whose(name).await? {
                let mut spans = whose.tenures().between(consent.data_from, consent.data_until);
                return Ok(spans.any(|span| span.tenure.holder.holder() == Some(&consent.subject)));
            }
            // It may be meant for what is below it.
            match Scope::parse(&format!("{name}/*")) {
                Ok(below) => below,
                Err(_) => return Ok(false),
            }
        }
    };
    let now = context.clock.now().wall;
    let own = context.store.own_part(&consent.subject, &[below], now).await.map_err(|e| failed(&e))?;
    Ok(!own.is_empty())
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
        Ok(Asker { who: who.clone(), consents, now: context.clock.now().wall, is_sent: false })
    }

    /// Looks up all that stands for them.
    pub async fn find(context: &Context, who: &BareJid) -> Result<Self, StanzaError> {
        let consents = context.store.consents_for(who).await.map_err(|e| failed(&e))?;
        Ok(Asker { who: who.clone(), consents, now: context.clock.now().wall, is_sent: false })
    }

    /// Whether they may know that this series is there: for something of it, of whatever time, they need no consent, or
    /// one stands.
    pub fn sees(&self, name: &str, whose: &Whose) -> bool {
        whose.situations(&self.who, self.now).any(|(_, situation)| {
            match access::without_consent::<Consent>(&self.who, &situation, Mode::History) {
                Some(answer) => matches!(answer, Access::Permit(_)),
                None => self.consents.iter().any(|(_, consent)| {
                    consent.covers(name)
                        && consent.is_live(self.now)
                        && decision::is_of_its_giver(consent, &situation).is_ok()
                }),
            }
        })
    }

    /// Whether they may fetch anything of this series, of whatever time and in whatever detail; or the reason that came
    /// nearest to it.
    pub fn may_fetch(&self, name: &str, whose: &Whose) -> Result<(), Denial> {
        let mut nearest = Denial::NoneRegistered;
        for (_, situation) in whose.situations(&self.who, self.now) {
            match access::without_consent::<Consent>(&self.who, &situation, Mode::History) {
                Some(Access::Permit(_)) => return Ok(()),
                Some(Access::Deny(denial)) => nearest = nearest.max(denial),
                None => {
                    for (_, consent) in &self.consents {
                        // Which measurements, and in what detail, is asked of each record.
                        let anytime = Consent { data_from: None, data_until: None, ..consent.clone() };
                        let question = Question { is_reduced: true, ..self.question(name, 0.0) };
                        match decision::decide([&anytime], question, &situation) {
                            Ok(_) => return Ok(()),
                            Err(denial) => nearest = nearest.max(denial),
                        }
                    }
                }
            }
        }
        Err(nearest)
    }

    /// Whether all that is measured now is theirs without a consent: their own, open, or of a node that lists them.
    pub fn is_sent_freely(&self, whose: &Whose) -> bool {
        let situation = whose.situation_now(&self.who, self.now);
        let answer = access::without_consent::<Consent>(&self.who, &situation, Mode::Notify);
        matches!(answer, Some(Access::Permit(_)))
    }

    /// What decides about records of this measuring time, fetched by them. `publisher`: who published these.
    fn situation<'a>(
        &self,
        whose: &'a Whose,
        measured: f64,
        publisher: Option<&str>,
    ) -> Situation<'a, Subject> {
        let mut situation = whose.situation(&self.who, measured, self.now);
        let producers = &whose.series().producers;
        // Where it is not known who did, who alone publishes did.
        let published = publisher.map_or(producers.len() < 2, |publisher| *self.who.as_str() == *publisher);
        situation.is_present &= published && !self.is_sent;
        situation
    }

    /// One situation for each tenure, with the measuring times that it is for.
    pub fn situations<'a>(
        &'a self,
        whose: &'a Whose,
    ) -> impl Iterator<Item = (Span, Situation<'a, Subject>)> {
        let published = whose.series().producers.len() < 2 && !self.is_sent;
        whose.situations(&self.who, self.now).map(move |(span, mut situation)| {
            situation.is_present &= published;
            (span, situation)
        })
    }

    /// Whether records of this time leave whole, without a consent, and why.
    pub fn freely(&self, whose: &Whose, time: f64, publisher: Option<&str>) -> Option<Ground> {
        let situation = self.situation(whose, whose.measured(time), publisher);
        match access::without_consent::<Consent>(&self.who, &situation, Mode::History) {
            Some(Access::Permit(basis)) => Some(self.ground(basis)),
            _ => None,
        }
    }

    fn ground(&self, basis: Basis<'_, Consent>) -> Ground {
        match basis {
            Basis::Own => Ground::Own,
            Basis::Producer => Ground::Producer,
            Basis::Listed => Ground::Listed,
            Basis::Open => Ground::Open,
            Basis::Consent(named) => {
                let key =
                    self.consents.iter().find(|(_, consent)| consent.id == named.id).map(|(key, _)| *key);
                key.map_or(Ground::Denied(Denial::NoneRegistered), Ground::Consent)
            }
        }
    }

    fn question<'a>(&'a self, series: &'a str, time: f64) -> Question<'a> {
        let (recipient, mode, now) = (&self.who, Mode::History, self.now);
        Question { series, time, recipient, mode, now, is_reduced: false }
    }

    /// Which of these records, all of one series, they may have. `publisher`: who published them, where that is known.
    pub fn select(
        &self,
        name: &str,
        whose: &Whose,
        records: &Resolved,
        publisher: Option<&str>,
        tally: &mut Tally,
    ) -> Vec<u32> {
        let mut chosen = Vec::with_capacity(records.len());
        let theirs: Vec<_> = self.consents.iter().filter(|(_, c)| c.covers(name)).collect();
        // Records are in the order of time, so that the tenure is nearly always that of the one before.
        let mut held: Option<(Option<usize>, Situation<'_, Subject>)> = None;
        for (place, record) in (0u32..).zip(records.iter()) {
            let measured = whose.measured(record.time());
            let tenure = whose.tenures().place_at(measured);
            let situation = match &held {
                Some((of, situation)) if *of == tenure => *situation,
                _ => {
                    let situation = self.situation(whose, measured, publisher);
                    held = Some((tenure, situation));
                    situation
                }
            };
            let question = self.question(name, measured);
            let ground = match access::decide(theirs.iter().map(|(_, c)| c), question, &situation) {
                Access::Permit(basis) => self.ground(basis),
                Access::Deny(reason) => Ground::Denied(reason),
            };
            if ground.permits() {
                chosen.push(place);
            }
            tally.count(&self.who, name, ground, record.time());
        }
        chosen
    }

    /// The consent of this number.
    pub fn consent(&self, key: ConsentKey) -> Option<&Consent> {
        self.consents.iter().find(|(held, _)| *held == key).map(|(_, consent)| consent)
    }
}

impl Tally {
    /// The one reason for which all leaves that does; nothing where there are several, or nothing leaves.
    pub fn only_ground(&self) -> Option<Ground> {
        let mut grounds =
            self.verdicts.iter().map(|verdict| verdict.ground).filter(|ground| ground.permits());
        let first = grounds.next()?;
        grounds.all(|ground| ground == first).then_some(first)
    }

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
    use crate::domain::consent::tests::sample;

    #[test]
    fn a_consent_opens_nobody_elses_past() {
        let mut consent = sample();
        consent.scope = vec![Scope::parse("urn:dev:prm:*").unwrap()];
        let series = |owner: &str| -> Whose {
            let json = serde_json::json!({ "name": "urn:dev:prm:1", "owner": owner });
            Whose::of(vec![serde_json::from_value(json).unwrap()], &Scope::parse("urn:dev:prm:1").unwrap())
                .unwrap()
        };
        let (own, bobs) = (series(&consent.subject.to_string()), series("bob@home.example"));
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let who = consent.recipient.clone();
        let asker = Asker { who, consents: vec![(ConsentKey(1), consent)], now, is_sent: false };
        let records = br#"[{"n":"urn:dev:prm:1","t":1770000000,"v":1}]"#;
        let format = crate::senml::Format::Json;
        let records = crate::senml::read(format, records, 1.7e9, &Default::default()).unwrap();
        let chosen =
            |whose: &Whose| asker.select("urn:dev:prm:1", whose, &records, None, &mut Tally::default()).len();
        assert_eq!((chosen(&own), chosen(&bobs)), (1, 0));
        assert_eq!(asker.may_fetch("urn:dev:prm:1", &own), Ok(()));
        assert_eq!(asker.may_fetch("urn:dev:prm:1", &bobs), Err(Denial::AnotherHolders));
        assert!(asker.sees("urn:dev:prm:1", &own) && !asker.sees("urn:dev:prm:1", &bobs));
    }
}
