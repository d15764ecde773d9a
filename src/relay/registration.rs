//! What the relay keeps of a registration: enough to decide, in little room, since there is one for each of a
//! hundred thousand meters. What is set on few of them is kept whole.

use std::time::Duration;

use jid::BareJid;
use jiff::Timestamp;

use super::parties::{Parties, Party};
use super::rows::Numbered;
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::tenure::Tenures;

/// As it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    key: u64,
    /// Where its name is filed.
    pub(super) name: u32,
    pub(super) holder: Party,
    /// Who alone may publish, or [`Party::NOBODY`].
    producer: Party,
    open: bool,
    /// What few have.
    more: Option<Box<More>>,
}

/// What is set on few registrations.
#[derive(Debug)]
struct More {
    /// All who may publish, where they are two or more.
    producers: Box<[Party]>,
    /// The registration as it is, where more of it is set than what is kept beside it.
    whole: Option<Box<Series>>,
}

impl Numbered for Kept {
    fn number(&self) -> u64 {
        self.key
    }
}

impl Kept {
    /// `name` is where its own is filed.
    pub(super) fn new(key: u64, series: Box<Series>, name: u32, parties: &mut Parties) -> Self {
        let is_usual = series.node.is_usual()
            && series.meta.is_empty()
            && series.title.is_none()
            && series.source.is_none()
            // Written back it must read the same.
            && series.retention.is_none();
        let mut producers: Vec<Party> = series.producers.iter().map(|who| parties.number(who)).collect();
        let producer =
            if producers.len() < 2 { producers.pop().unwrap_or(Party::NOBODY) } else { Party::NOBODY };
        let holder = series.tenures.last().holder.holder();
        let holder = holder.map_or(Party::NOBODY, |holder| parties.number_subject(holder));
        let open = series.open;
        let is_more = !is_usual || !producers.is_empty();
        let whole = (!is_usual).then_some(series);
        let more = is_more.then(|| Box::new(More { producers: producers.into(), whole }));
        Kept { key, name, holder, producer, open, more }
    }

    fn whole(&self) -> Option<&Series> {
        self.more.as_ref()?.whole.as_deref()
    }

    /// Whether items are kept.
    pub(super) fn keeps(&self) -> bool {
        self.retention().is_some_and(|retention| !retention.is_zero())
    }

    fn retention(&self) -> Option<Duration> {
        Some(self.whole()?.retention.as_ref()?.nominal())
    }

    /// Who may publish.
    pub(super) fn producers(&self) -> impl Iterator<Item = Party> {
        let only = (self.producer != Party::NOBODY).then_some(self.producer);
        only.into_iter().chain(self.more.iter().flat_map(|more| more.producers.iter().copied()))
    }
}

/// A registration, to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    pub(super) name: &'a Scope,
    pub(super) kept: &'a Kept,
    pub(super) parties: &'a Parties,
}

impl<'a> Registration<'a> {
    /// Exact, or a prefix.
    pub fn name(&self) -> &'a Scope {
        self.name
    }

    /// Who holds it.
    pub fn holder(&self) -> Party {
        self.kept.holder
    }

    /// Whether this is the person concerned.
    pub fn is_held_by(&self, who: Party) -> bool {
        self.kept.holder == who
    }

    /// Whether this address may publish here.
    pub fn may_publish(&self, sender: &BareJid) -> bool {
        match self.kept.whole() {
            Some(series) => series.may_publish(sender),
            None => self.parties.find(sender).is_some_and(|party| self.produces(party)),
        }
    }

    fn produces(&self, who: Party) -> bool {
        self.kept.producers().any(|producer| producer == who)
    }

    /// Whether this address is on the list of a node that has one.
    pub fn lists(&self, who: Party) -> bool {
        self.has_whitelist()
            && self.asked(who, |series, who| series.lists(who, Timestamp::UNIX_EPOCH)).unwrap_or(false)
    }

    /// Whether it is open data.
    pub fn is_open(&self) -> bool {
        self.kept.open
    }

    /// Whether it is open data for this address.
    pub fn is_open_to(&self, who: Party) -> bool {
        let some_are_out =
            |series: &Series| !(series.node.outcasts.is_empty() && series.node.publish_only.is_empty());
        self.kept.open
            && (!self.kept.whole().is_some_and(some_are_out)
                || self
                    .asked(who, |series, who| series.is_open_to(who, Timestamp::UNIX_EPOCH))
                    .unwrap_or(true))
    }

    /// What the registration says of an address, where it is kept whole.
    fn asked(&self, who: Party, ask: impl FnOnce(&Series, &BareJid) -> bool) -> Option<bool> {
        let series = self.kept.whole()?;
        // Who has no address is on no list, of whatever kind.
        let who = self.parties.address(who).and_then(|(text, _)| BareJid::new(text).ok());
        who.map(|who| ask(series, &who))
    }

    /// Whether its node has a list of those who may have it.
    pub fn has_whitelist(&self) -> bool {
        self.kept.whole().is_some_and(|series| series.node.whitelist)
    }

    /// Whether what is delivered of it is of type `headline`, where it says.
    pub fn headline(&self) -> Option<bool> {
        self.kept.whole()?.node.headline
    }

    /// How many items are kept at most, where it says.
    pub fn max_items(&self) -> Option<u32> {
        self.kept.whole()?.node.max_items
    }

    /// How long items are kept, where it says.
    pub fn retention(&self) -> Option<Duration> {
        self.kept.retention()
    }

    /// The registration as it was recorded.
    pub fn to_series(&self) -> Option<Series> {
        if let Some(series) = self.kept.whole() {
            return Some(series.clone());
        }
        let address = |party| self.parties.address(party).and_then(|(text, _)| BareJid::new(text).ok());
        Some(Series {
            name: self.name.clone(),
            tenures: Tenures::of(self.parties.subject(self.kept.holder)?),
            producers: self.kept.producers().filter_map(address).collect(),
            open: self.kept.open,
            retention: None,
            title: None,
            source: None,
            meta: serde_json::Map::default(),
            node: Default::default(),
        })
    }

    /// What more is recorded of what it measures, where there is anything.
    pub fn described(&self) -> Option<&'a Series> {
        self.kept.whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series {
            name: Scope::parse("urn:a").unwrap(),
            tenures: Tenures::of("ann@home.example".parse().unwrap()),
            producers: vec!["gw@prod.example".parse().unwrap(), "b@prod.example".parse().unwrap()],
            open: true,
            retention: None,
            title: None,
            source: None,
            meta: Default::default(),
            node: Default::default(),
        }
    }

    #[test]
    fn it_says_what_the_registration_says() {
        let now = Timestamp::UNIX_EPOCH;
        let mut changes: Vec<Series> = vec![series()];
        changes.push(Series { producers: vec![], ..series() });
        changes.push(Series { producers: vec!["gw@prod.example".parse().unwrap()], ..series() });
        changes.push(Series { tenures: Tenures::of("ref:file 7".parse().unwrap()), open: false, ..series() });
        changes.push(Series { retention: Some("P1D".parse().unwrap()), ..series() });
        let mut unusual = series();
        unusual.node.whitelist = true;
        unusual.node.members = vec!["app@coop.example".parse().unwrap()];
        unusual.node.outcasts = vec!["out@coop.example".parse().unwrap()];
        changes.push(unusual.clone());
        unusual.node.publish_only = vec!["gw@prod.example".parse().unwrap()];
        changes.push(unusual.clone());
        unusual.node.whitelist = false;
        changes.push(unusual);
        for series in changes {
            let mut parties = Parties::default();
            let names = ["ann@home.example", "gw@prod.example", "app@coop.example", "out@coop.example"];
            let people = names.map(|name| BareJid::new(name).unwrap());
            let numbers = people.clone().map(|who| parties.number(&who));
            assert!(size_of::<Option<Kept>>() <= 32, "{}", size_of::<Option<Kept>>());
            let kept = Kept::new(1, Box::new(series.clone()), 0, &mut parties);
            let registration = Registration { name: &series.name, kept: &kept, parties: &parties };
            assert_eq!(registration.to_series().as_ref(), Some(&series));
            for (who, party) in people.iter().zip(numbers) {
                assert_eq!(registration.is_held_by(party), series.is_held_by(who, now), "{who}");
                assert_eq!(registration.may_publish(who), series.may_publish(who), "{who}");
                assert_eq!(registration.lists(party), series.lists(who, now), "{who}");
                assert_eq!(registration.is_open_to(party), series.is_open_to(who, now), "{who}");
            }
            assert!(!registration.may_publish(&BareJid::new("x@y").unwrap()));
            let retention = series.retention.as_ref().map(|retention| retention.nominal());
            assert_eq!((registration.is_open(), registration.retention()), (series.open, retention));
        }
    }
}
