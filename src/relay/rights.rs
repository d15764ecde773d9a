//! Who may publish, who subscribes, who consented: the records of the store, in memory, so that a
//! decision costs no query on the way of a stanza.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jid::BareJid;
use rustc_hash::FxHashMap;

use crate::domain::consent::{Consent, ConsentKey};
use crate::domain::name::{Scope, ScopeMap};
use crate::domain::series::Series;
use crate::domain::subscription::{Subscription, SubscriptionKey};

/// A row of the store that is not what it was; `None` where it is gone.
#[derive(Debug, Clone)]
pub enum Update {
    /// A registration, by its number.
    Series(u64, Option<Box<Series>>),
    /// A consent.
    Consent(ConsentKey, Option<Box<Consent>>),
    /// A subscription.
    Subscription(SubscriptionKey, Option<Subscription>),
}

/// What a subscription is to the relay.
#[derive(Debug)]
pub struct Subscriber {
    /// Its number.
    pub key: SubscriptionKey,
    /// What was wished.
    pub wish: Subscription,
    /// The recipient whose consent counts.
    pub recipient: BareJid,
    /// The same as a number, see [`Rights::party`].
    pub party: Party,
    /// Where its stanzas go: the domain of the address.
    pub domain: Arc<str>,
    /// The address as text, shared by all lines of the disclosure log that name it.
    pub address: Arc<str>,
}

/// A recipient's address as a number: the same number, the same recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(u32);

/// The index. Keys are numbers that the store handed out, so nobody can choose them to collide.
#[derive(Debug, Default)]
pub struct Rights {
    series: ScopeMap<u64>,
    series_by_key: FxHashMap<u64, Box<Series>>,
    consents: ScopeMap<Vec<ConsentKey>>,
    consents_by_key: FxHashMap<ConsentKey, (Party, Box<Consent>)>,
    subscriptions: ScopeMap<Vec<SubscriptionKey>>,
    subscribers: FxHashMap<SubscriptionKey, Subscriber>,
    domains: HashMap<Box<str>, Arc<str>>,
    parties: HashMap<BareJid, Party>,
    /// In how many registrations an address is named as a producer.
    producers: HashMap<BareJid, usize>,
    /// How many registrations keep items.
    keeping: usize,
    /// Series under a registered prefix that something was published of.
    seen: HashSet<Box<str>>,
}

impl Rights {
    /// Takes in what a row has become.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Series(key, series) => self.set_series(key, series),
            Update::Consent(key, consent) => self.set_consent(key, consent),
            Update::Subscription(key, subscription) => self.set_subscription(key, subscription),
        }
    }

    fn set_series(&mut self, key: u64, series: Option<Box<Series>>) {
        if let Some(old) = self.series_by_key.remove(&key) {
            self.series.remove(&old.name);
            self.keeping -= usize::from(keeps(&old));
            for producer in &old.producers {
                if let Some(count) = self.producers.get_mut(producer) {
                    *count -= 1;
                    if *count == 0 {
                        self.producers.remove(producer);
                    }
                }
            }
        }
        if let Some(series) = series {
            for producer in &series.producers {
                *self.producers.entry(producer.clone()).or_default() += 1;
            }
            self.keeping += usize::from(keeps(&series));
            self.series.insert(&series.name, key);
            self.series_by_key.insert(key, series);
        }
    }

    fn set_consent(&mut self, key: ConsentKey, consent: Option<Box<Consent>>) {
        if let Some((_, old)) = self.consents_by_key.remove(&key) {
            for scope in &old.scope {
                self.consents.take(scope, &key);
            }
        }
        // What has ended needs no place in memory: nothing leaves under it ever again.
        if let Some(consent) = consent.filter(|c| !c.state.is_end()) {
            for scope in &consent.scope {
                self.consents.push(scope, key);
            }
            let party = self.party(&consent.recipient);
            self.consents_by_key.insert(key, (party, consent));
        }
    }

    fn set_subscription(&mut self, key: SubscriptionKey, subscription: Option<Subscription>) {
        if let Some(old) = self.subscribers.remove(&key) {
            self.subscriptions.take(&old.wish.node, &key);
        }
        if let Some(wish) = subscription {
            let domain = self.domain(wish.jid.domain().as_str());
            self.subscriptions.push(&wish.node, key);
            let recipient = wish.jid.to_bare();
            let party = self.party(&recipient);
            let address = wish.jid.as_str().into();
            self.subscribers.insert(key, Subscriber { key, recipient, party, domain, address, wish });
        }
    }

    fn domain(&mut self, name: &str) -> Arc<str> {
        if let Some(held) = self.domains.get(name) {
            return Arc::clone(held);
        }
        let shared: Arc<str> = name.into();
        self.domains.insert(name.into(), Arc::clone(&shared));
        shared
    }

    /// The number of a recipient. It is never given to another one.
    fn party(&mut self, who: &BareJid) -> Party {
        if let Some(party) = self.parties.get(who) {
            return *party;
        }
        // A recipient is a few words at least: memory ends long before the numbers.
        let party = Party(self.parties.len() as u32);
        self.parties.insert(who.clone(), party);
        party
    }

    /// Whether this address may publish anything at all.
    pub fn is_producer(&self, who: &BareJid) -> bool {
        self.producers.contains_key(who)
    }

    /// The registration that a series falls under: the most specific one.
    pub fn registration(&self, name: &str) -> Option<&Series> {
        let key = self.series.matching(name).next()?;
        self.series_by_key.get(key).map(|s| &**s)
    }

    /// Notes a series that something is published of; whether it is new, so that the store should know it.
    /// One that is registered itself is known already.
    pub fn first_seen(&mut self, name: &str) -> bool {
        let exact = self.registration(name).is_none_or(|series| matches!(series.name, Scope::Exact(_)));
        !exact && !self.seen.contains(name) && self.seen.insert(name.into())
    }

    /// What was noted may not have been stored: note it again.
    pub fn forget_seen(&mut self) {
        self.seen.clear();
    }

    /// Whether any registration keeps items.
    pub fn keeps_anything(&self) -> bool {
        self.keeping > 0
    }

    /// How long items of this series are kept, as far as its registration says.
    pub fn retention(&self, name: &str) -> Option<Duration> {
        Some(self.registration(name)?.retention.as_ref()?.nominal())
    }

    /// All registrations, in no particular order.
    pub fn registrations(&self) -> impl Iterator<Item = &Series> {
        self.series_by_key.values().map(|s| &**s)
    }

    /// Who subscribes to this series, the most specific subscriptions first.
    pub fn subscribers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Subscriber> {
        self.subscriptions.matching(name).flatten().filter_map(|key| self.subscribers.get(key))
    }

    /// The consents that name this series, for any recipient. What a person gave in person covers their own
    /// series only, whoever else's lie below the same prefix.
    pub fn consents<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (ConsentKey, &'a Consent)> {
        self.parties_consents(name).map(|(_, key, consent)| (key, consent))
    }

    /// The same, each with its recipient.
    pub fn parties_consents<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (Party, ConsentKey, &'a Consent)> {
        let theirs = move |consent: &Consent| {
            !consent.was_given_in_person()
                || self.registration(name).is_some_and(|series| series.owner == consent.subject)
        };
        self.consents
            .matching(name)
            .flatten()
            .filter_map(|key| {
                self.consents_by_key.get(key).map(|(party, consent)| (*party, *key, &**consent))
            })
            .filter(move |(_, _, consent)| theirs(consent))
    }

    /// One consent that has not ended.
    pub fn consent(&self, key: ConsentKey) -> Option<&Consent> {
        self.consents_by_key.get(&key).map(|(_, consent)| &**consent)
    }

    /// One subscription.
    pub fn subscriber(&self, key: SubscriptionKey) -> Option<&Subscriber> {
        self.subscribers.get(&key)
    }

    /// Whether this address may know that the series of this name exists, which falls under this
    /// registration: its owner, its producers, those who have a consent that covers it, anyone if it is open.
    pub fn may_see(&self, who: &BareJid, name: &str, series: &Series, now: jiff::Timestamp) -> bool {
        series.open
            || series.is_owned_by(who)
            || series.may_publish(who)
            || self.consents(name).any(|(_, c)| c.recipient == *who && c.is_live(now))
    }
}

fn keeps(series: &Series) -> bool {
    series.retention.as_ref().is_some_and(|retention| !retention.nominal().is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::State;
    use crate::domain::consent::tests::sample;
    use crate::domain::name::Scope;
    use jid::Jid;

    fn series(name: &str) -> Box<Series> {
        Box::new(Series {
            name: Scope::parse(name).unwrap(),
            owner: "ann@home.example".parse().unwrap(),
            producers: vec![BareJid::new("gw@prod.example").unwrap()],
            open: false,
            retention: None,
            title: None,
            source: None,
            node: Default::default(),
            meta: Default::default(),
        })
    }

    #[test]
    fn the_most_specific_registration_counts() {
        let mut rights = Rights::default();
        rights.apply(Update::Series(1, Some(series("urn:dev:prm:*"))));
        rights.apply(Update::Series(2, Some(series("urn:dev:prm:1"))));
        assert_eq!(rights.registration("urn:dev:prm:1").unwrap().name.to_string(), "urn:dev:prm:1");
        assert_eq!(rights.registration("urn:dev:prm:2").unwrap().name.to_string(), "urn:dev:prm:*");
        rights.apply(Update::Series(2, None));
        assert_eq!(rights.registration("urn:dev:prm:1").unwrap().name.to_string(), "urn:dev:prm:*");
        assert!(rights.registration("urn:other").is_none());
    }

    #[test]
    fn an_ended_consent_is_gone() {
        let mut rights = Rights::default();
        let mut consent = sample();
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent.clone()))));
        assert_eq!(rights.consents("urn:dev:prm:1").count(), 1);
        consent.state = State::Revoked;
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent))));
        assert_eq!(rights.consents("urn:dev:prm:1").count(), 0);
        assert!(rights.consent(ConsentKey(1)).is_none());
    }

    #[test]
    fn who_gives_in_person_gives_what_is_theirs_alone() {
        let mut rights = Rights::default();
        let mut bobs = series("urn:dev:prm:2");
        bobs.owner = "bob@home.example".parse().unwrap();
        rights.apply(Update::Series(1, Some(series("urn:dev:prm:1"))));
        rights.apply(Update::Series(2, Some(bobs)));
        let mut consent = sample();
        consent.scope = vec![Scope::parse("urn:dev:prm:*").unwrap()];
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent.clone()))));
        assert_eq!(rights.consents("urn:dev:prm:2").count(), 1, "the operator answers for what is recorded");
        consent.method = crate::domain::consent::method::AD_HOC.into();
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent))));
        assert_eq!(rights.consents("urn:dev:prm:1").count(), 1);
        assert_eq!(rights.consents("urn:dev:prm:2").count(), 0);
    }

    #[test]
    fn a_series_is_seen_by_those_it_concerns() {
        let mut rights = Rights::default();
        rights.apply(Update::Series(1, Some(series("urn:dev:prm:1"))));
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let sees = |rights: &Rights, who: &str| {
            let listed = rights.registration("urn:dev:prm:1").unwrap();
            rights.may_see(&BareJid::new(who).unwrap(), "urn:dev:prm:1", listed, now)
        };
        assert!(sees(&rights, "ann@home.example") && sees(&rights, "gw@prod.example"));
        assert!(!sees(&rights, "app@coop.example"));
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(sample()))));
        assert!(sees(&rights, "app@coop.example"));
        assert!(!sees(&rights, "other@coop.example"));
    }

    #[test]
    fn subscribers_are_found_by_prefix_and_forgotten() {
        let mut rights = Rights::default();
        let wish = |node: &str| Subscription {
            jid: Jid::new("app@coop.example").unwrap(),
            node: Scope::parse(node).unwrap(),
            format: Default::default(),
        };
        rights.apply(Update::Subscription(SubscriptionKey(1), Some(wish("urn:dev:*"))));
        rights.apply(Update::Subscription(SubscriptionKey(2), Some(wish("urn:dev:prm:1"))));
        let keys: Vec<u64> = rights.subscribers("urn:dev:prm:1").map(|s| s.key.0).collect();
        assert_eq!(keys, [2, 1]);
        rights.apply(Update::Subscription(SubscriptionKey(2), None));
        assert_eq!(rights.subscribers("urn:dev:prm:1").count(), 1);
        assert_eq!(&*rights.subscriber(SubscriptionKey(1)).unwrap().domain, "coop.example");
    }
}
