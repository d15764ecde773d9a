//! Who may publish, who subscribes, who consented: the records of the store, in memory, so that a
//! decision costs no query on the way of a stanza.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jid::BareJid;
use rustc_hash::FxHashMap;

use super::grant::{Grant, Words};
use crate::domain::consent::{Consent, ConsentKey};
use crate::domain::decision::Standing;
use crate::domain::name::{Scope, ScopeMap};
use crate::domain::series::Series;
use crate::domain::subscription::{Format, Subscription, SubscriptionKey};

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
#[derive(Debug, Clone, Copy)]
pub struct Subscriber<'a> {
    /// Its number.
    pub key: SubscriptionKey,
    /// Where to send.
    pub address: &'a Arc<str>,
    /// The recipient whose consent counts: the bare address.
    pub recipient: &'a BareJid,
    /// The same as a number.
    pub party: Party,
    /// Where its stanzas go: the domain of the address.
    pub domain: &'a Arc<str>,
    /// How to write it.
    pub format: Format,
}

/// A recipient's address as a number: the same number, the same recipient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(u32);

/// What is known of a party.
#[derive(Debug)]
struct Address {
    bare: BareJid,
    text: Arc<str>,
    domain: Arc<str>,
}

/// A subscription as it is kept.
#[derive(Debug)]
struct Wish {
    party: Party,
    format: Format,
    /// With its resource, if it has one.
    full: Option<Arc<str>>,
    node: Scope,
}

/// What is filed under one scope.
#[derive(Debug, Default)]
struct Filed {
    series: Option<u64>,
    consents: Vec<ConsentKey>,
    subscriptions: Vec<SubscriptionKey>,
}

impl Filed {
    fn is_empty(&self) -> bool {
        self.series.is_none() && self.consents.is_empty() && self.subscriptions.is_empty()
    }
}

/// The index. Keys are numbers that the store handed out, so nobody can choose them to collide.
#[derive(Debug, Default)]
pub struct Rights {
    filed: ScopeMap<Filed>,
    series: FxHashMap<u64, Box<Series>>,
    grants: FxHashMap<ConsentKey, Box<Grant>>,
    wishes: FxHashMap<SubscriptionKey, Box<Wish>>,
    words: HashSet<Arc<Words>>,
    domains: HashSet<Arc<str>>,
    parties: HashMap<BareJid, Party>,
    addresses: Vec<Address>,
    /// In how many registrations an address is named as a producer.
    producers: HashMap<BareJid, usize>,
    /// How many registrations keep items.
    keeping: usize,
    /// How many consents have a granularity.
    coarse: usize,
    /// Series under a registered prefix that something was published of.
    seen: HashSet<Box<str>>,
}

/// Different texts of purposes and retentions that are kept once; with more, each consent has its own.
const WORDS_MAX: usize = 10_000;

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
        if let Some(old) = self.series.remove(&key) {
            self.unfile(&old.name, |filed| filed.series = None);
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
            let mut series = series;
            series.name = self.share(series.name);
            self.filed.entry(&series.name).series = Some(key);
            self.series.insert(key, series);
        }
    }

    fn set_consent(&mut self, key: ConsentKey, consent: Option<Box<Consent>>) {
        if let Some(old) = self.grants.remove(&key) {
            self.coarse -= usize::from(old.coarse().is_some());
            for scope in old.scope() {
                self.unfile(scope, |filed| filed.consents.retain(|held| *held != key));
            }
        }
        // What has ended needs no place in memory: nothing leaves under it ever again.
        if let Some(mut consent) = consent.filter(|c| !c.state.is_end()) {
            let scope = std::mem::take(&mut consent.scope);
            let scope: Vec<Scope> = scope.into_iter().map(|scope| self.share(scope)).collect();
            for scope in &scope {
                let filed = self.filed.entry(scope);
                filed.consents.reserve_exact(1);
                filed.consents.push(key);
            }
            let party = self.party(&consent.recipient);
            let words = self.words(Words::of(&consent));
            self.coarse += usize::from(consent.granularity.is_some());
            self.grants.insert(key, Box::new(Grant::new(&consent, party, words, scope)));
        }
    }

    fn set_subscription(&mut self, key: SubscriptionKey, subscription: Option<Subscription>) {
        if let Some(old) = self.wishes.remove(&key) {
            self.unfile(&old.node, |filed| filed.subscriptions.retain(|held| *held != key));
        }
        if let Some(Subscription { jid, node, format }) = subscription {
            let node = self.share(node);
            let filed = self.filed.entry(&node);
            filed.subscriptions.reserve_exact(1);
            filed.subscriptions.push(key);
            let party = self.party(&jid.to_bare());
            let full = jid.resource().is_some().then(|| jid.as_str().into());
            self.wishes.insert(key, Box::new(Wish { party, format, full, node }));
        }
    }

    fn unfile(&mut self, scope: &Scope, change: impl FnOnce(&mut Filed)) {
        let filed = self.filed.entry(scope);
        change(filed);
        if filed.is_empty() {
            self.filed.remove(scope);
        }
    }

    /// The same scope, sharing its text with what is filed under it.
    fn share(&self, scope: Scope) -> Scope {
        self.filed.shared(&scope).unwrap_or(scope)
    }

    fn words(&mut self, words: Words) -> Arc<Words> {
        if let Some(held) = self.words.get(&words) {
            return Arc::clone(held);
        }
        let words = Arc::new(words);
        if self.words.len() < WORDS_MAX {
            self.words.insert(Arc::clone(&words));
        }
        words
    }

    /// The number of a recipient. It is never given to another one.
    fn party(&mut self, who: &BareJid) -> Party {
        if let Some(party) = self.parties.get(who) {
            return *party;
        }
        let domain = match self.domains.get(who.domain().as_str()) {
            Some(held) => Arc::clone(held),
            None => {
                let shared: Arc<str> = who.domain().as_str().into();
                self.domains.insert(Arc::clone(&shared));
                shared
            }
        };
        // A recipient is a few words at least: memory ends long before the numbers.
        let party = Party(self.addresses.len() as u32);
        self.addresses.push(Address { bare: who.clone(), text: who.as_str().into(), domain });
        self.parties.insert(who.clone(), party);
        party
    }

    /// Whether this address may publish anything at all.
    pub fn is_producer(&self, who: &BareJid) -> bool {
        self.producers.contains_key(who)
    }

    /// All that is filed for a series, to be asked several things.
    pub fn look_up<'a>(&'a self, name: &'a str) -> Found<'a> {
        Found { rights: self, filed: self.filed.matching(name).collect() }
    }

    /// The registration that a series falls under: the most specific one.
    pub fn registration(&self, name: &str) -> Option<&Series> {
        let key = self.filed.matching(name).find_map(|filed| filed.series)?;
        self.series.get(&key).map(|s| &**s)
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

    /// Whether any consent has a granularity.
    pub fn reduces_anything(&self) -> bool {
        self.coarse > 0
    }

    /// How long items of this series are kept, as far as its registration says.
    pub fn retention(&self, name: &str) -> Option<Duration> {
        Some(self.registration(name)?.retention.as_ref()?.nominal())
    }

    /// All registrations, in no particular order.
    pub fn registrations(&self) -> impl Iterator<Item = &Series> {
        self.series.values().map(|s| &**s)
    }

    /// One consent that has not ended.
    pub fn consent(&self, key: ConsentKey) -> Option<&Grant> {
        self.grants.get(&key).map(|grant| &**grant)
    }

    /// One subscription.
    pub fn subscriber(&self, key: SubscriptionKey) -> Option<Subscriber<'_>> {
        let wish = self.wishes.get(&key)?;
        let Address { bare, text, domain } = self.addresses.get(wish.party.0 as usize)?;
        let address = wish.full.as_ref().unwrap_or(text);
        Some(Subscriber { key, address, recipient: bare, party: wish.party, domain, format: wish.format })
    }

    /// Whether this address may know that the series of this name exists, which falls under this
    /// registration: its owner, its producers, those who have a consent that covers it, anyone if it is open.
    pub fn may_see(&self, who: &BareJid, name: &str, series: &Series, now: jiff::Timestamp) -> bool {
        series.open
            || series.is_owned_by(who)
            || series.may_publish(who)
            || self.parties.get(who).is_some_and(|party| {
                let found = self.look_up(name);
                let live = |grant: &Grant| grant.extent().is_live(now);
                found.consents().any(|(_, grant)| grant.party() == *party && live(grant))
            })
    }
}

/// What is filed for a series, the most specific first.
#[derive(Debug)]
pub struct Found<'a> {
    rights: &'a Rights,
    filed: Vec<&'a Filed>,
}

impl<'a> Found<'a> {
    /// The registration that the series falls under: the most specific one.
    pub fn registration(&self) -> Option<&'a Series> {
        let key = self.filed.iter().find_map(|filed| filed.series)?;
        self.rights.series.get(&key).map(|s| &**s)
    }

    /// Who subscribes to it, the most specific subscriptions first.
    pub fn subscribers(&self) -> impl Iterator<Item = Subscriber<'a>> {
        let (rights, filed) = (self.rights, &self.filed);
        filed.iter().flat_map(|filed| &filed.subscriptions).filter_map(|key| rights.subscriber(*key))
    }

    /// The consents that name it, for any recipient. What a person gave in person covers their own series
    /// only, whoever else's lie below the same prefix.
    pub fn consents(&self) -> impl Iterator<Item = (ConsentKey, &'a Grant)> {
        let (rights, filed) = (self.rights, &self.filed);
        let owner = self.registration().map(|series| &series.owner);
        filed
            .iter()
            .flat_map(|filed| &filed.consents)
            .filter_map(|key| rights.consent(*key).map(|grant| (*key, grant)))
            .filter(move |(_, grant)| grant.is_about(owner))
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
            meta: Default::default(),
            node: Default::default(),
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
        assert_eq!(rights.look_up("urn:dev:prm:1").consents().count(), 1);
        consent.state = State::Revoked;
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent))));
        assert_eq!(rights.look_up("urn:dev:prm:1").consents().count(), 0);
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
        assert_eq!(
            rights.look_up("urn:dev:prm:2").consents().count(),
            1,
            "the operator answers for what is recorded"
        );
        consent.method = crate::domain::consent::method::AD_HOC.into();
        rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent))));
        assert_eq!(rights.look_up("urn:dev:prm:1").consents().count(), 1);
        assert_eq!(rights.look_up("urn:dev:prm:2").consents().count(), 0);
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
        let keys: Vec<u64> = rights.look_up("urn:dev:prm:1").subscribers().map(|s| s.key.0).collect();
        assert_eq!(keys, [2, 1]);
        rights.apply(Update::Subscription(SubscriptionKey(2), None));
        assert_eq!(rights.look_up("urn:dev:prm:1").subscribers().count(), 1);
        assert_eq!(**rights.subscriber(SubscriptionKey(1)).unwrap().domain, *"coop.example");
    }
}
