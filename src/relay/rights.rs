//! Who may publish, who subscribes, who consented: the records of the store, in memory, so that a
//! decision costs no query on the way of a stanza.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jid::BareJid;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::few::Sort;
use super::filing::{Filed, Filing};
use super::grant::{Grant, Words};
use super::owed::Owed;
use super::parties::Parties;
pub use super::parties::Party;
use super::registration::{Kept, Registration};
use super::rows::{NOWHERE, Numbered, Rows};
use crate::domain::consent::{Consent, ConsentKey};
use crate::domain::decision::Standing as _;
use crate::domain::name::Scope;
use crate::domain::outline::ConsentOutline;
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
    /// The ends of the consents with these ids could not be written to the store: nothing leaves under them all the
    /// same.
    Halted(Vec<Uuid>),
}

/// What a subscription is to the relay.
#[derive(Debug, Clone, Copy)]
pub struct Subscriber<'a> {
    /// Its number.
    pub key: SubscriptionKey,
    /// Where it lies.
    pub(super) place: u32,
    /// Where to send.
    pub address: &'a Arc<str>,
    /// The recipient whose consent counts: the bare address.
    pub recipient: &'a Arc<str>,
    /// The same as a number.
    pub party: Party,
    /// Where its stanzas go: the domain of the address.
    pub domain: &'a Arc<str>,
    /// How to write it.
    pub format: Format,
}

/// A subscription as it is kept.
#[derive(Debug)]
struct Wish {
    key: SubscriptionKey,
    /// Where the name of what it subscribes to is filed.
    node: u32,
    party: Party,
    format: Format,
    /// Its address has a resource.
    is_full: bool,
}

impl Numbered for Wish {
    fn number(&self) -> u64 {
        self.key.0
    }
}

/// The index.
#[derive(Debug, Default)]
pub struct Rights {
    filing: Filing,
    registrations: Rows<Kept>,
    grants: Rows<Grant>,
    wishes: Rows<Wish>,
    /// The addresses of those with a resource.
    full: FxHashMap<SubscriptionKey, Arc<str>>,
    words: HashSet<Arc<Words>>,
    parties: Parties,
    /// In how many registrations an address is named as a producer.
    producers: FxHashMap<Party, usize>,
    /// How many registrations keep items.
    keeping: usize,
    /// How many of the registrations were removed, and only say whose their past is.
    removed: usize,
    /// In how many registrations nobody holds the series at some time.
    vacant: usize,
    /// In how many registrations somebody was put off the node.
    outcasts: usize,
    /// Counts the changes of registrations: what was decided at the same count is decided alike.
    version: u64,
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
            Update::Consent(key, consent) => self.set_consent(key, consent.map(|c| ConsentOutline::from(*c))),
            Update::Subscription(key, subscription) => self.set_subscription(key, subscription),
            Update::Halted(ids) => {
                self.halt(&ids);
            }
        }
    }

    /// Has nothing leave under these consents any more; the numbers of those that stand.
    pub fn halt(&mut self, ids: &[Uuid]) -> Vec<ConsentKey> {
        let ids: HashSet<&Uuid> = ids.iter().collect();
        let mut halted = Vec::new();
        for grant in self.grants.iter_mut().filter(|grant| ids.contains(&grant.id())) {
            grant.halt();
            halted.push(grant.key());
        }
        halted
    }

    /// Counts what is rare among registrations, so that nobody looks for it where there is none.
    fn count(&mut self, kept: &Kept, by: fn(usize, usize) -> usize) {
        for (count, is_one) in [
            (&mut self.keeping, kept.keeps()),
            (&mut self.removed, kept.is_removed()),
            (&mut self.vacant, kept.has_vacancy()),
            (&mut self.outcasts, kept.has_outcasts()),
        ] {
            *count = by(*count, usize::from(is_one));
        }
    }

    fn set_series(&mut self, key: u64, series: Option<Box<Series>>) {
        self.version += 1;
        if let Some((_, old)) = self.registrations.remove(key) {
            self.filing.change(old.name, |filed| filed.registration = None);
            self.count(&old, usize::wrapping_sub);
            for producer in old.producers() {
                if let Some(count) = self.producers.get_mut(&producer) {
                    *count -= 1;
                    if *count == 0 {
                        self.producers.remove(&producer);
                    }
                }
            }
        }
        // One that was removed only says whose its past is.
        if let Some(series) = series {
            let name = self.filing.place(series.name.clone());
            let kept = Kept::new(key, series, name, &mut self.parties);
            for producer in kept.producers() {
                *self.producers.entry(producer).or_default() += 1;
            }
            self.count(&kept, usize::wrapping_add);
            let place = self.registrations.insert(kept);
            self.filing.change(name, |filed| filed.registration = Some(place));
        }
    }

    /// Takes in what a consent has become; `None` where it is gone.
    pub fn set_consent(&mut self, key: ConsentKey, consent: Option<ConsentOutline>) {
        if let Some((place, old)) = self.grants.remove(key.0) {
            self.coarse -= usize::from(old.coarse().is_some());
            for scope in old.scope() {
                let filed = self.filing.place(scope.clone());
                self.filing.change(filed, |filed| filed.remove(Sort::Consent, place));
            }
        }
        // What has ended needs no place in memory: nothing leaves under it ever again.
        if let Some(mut consent) = consent.filter(|c| !c.state.is_end()) {
            let scope = std::mem::take(&mut consent.scope);
            let scope: Vec<Scope> = scope.into_iter().map(|scope| self.filing.shared(scope)).collect();
            let party = self.parties.number(&consent.recipient);
            let subject = self.parties.number_subject(&consent.subject);
            let words = self.words(Words::of(&mut consent));
            self.coarse += usize::from(consent.granularity.is_some());
            let grant = Grant::new(key, &consent, (party, subject), words, scope.clone());
            let place = self.grants.insert(grant);
            for scope in &scope {
                let filed = self.filing.place(scope.clone());
                self.filing.change(filed, |filed| {
                    // The same scope may be named twice.
                    if filed.list(Sort::Consent).last() != Some(&place) {
                        filed.push(Sort::Consent, place);
                    }
                });
            }
        }
    }

    fn set_subscription(&mut self, key: SubscriptionKey, subscription: Option<Subscription>) {
        if let Some((place, old)) = self.wishes.remove(key.0) {
            self.filing.change(old.node, |filed| filed.remove(Sort::Subscription, place));
            self.full.remove(&key);
        }
        if let Some(Subscription { jid, node, format }) = subscription {
            let node = self.filing.place(node);
            let party = self.parties.number(&jid.to_bare());
            let is_full = jid.resource().is_some();
            if is_full {
                self.full.insert(key, jid.as_str().into());
            }
            let place = self.wishes.insert(Wish { key, node, party, format, is_full });
            self.filing.change(node, |filed| filed.push(Sort::Subscription, place));
        }
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

    /// Whether this address may publish anything at all.
    pub fn is_producer(&self, who: &BareJid) -> bool {
        self.parties.find(who).is_some_and(|party| self.producers.contains_key(&party))
    }

    /// All that is filed for a series, to be asked several things.
    pub fn look_up<'a>(&'a self, name: &'a str) -> Found<'a> {
        let above = self.filing.above(name).filter(|filed| !filed.list(Sort::Subscription).is_empty());
        Found { rights: self, name, filed: self.filing.matching(name).collect(), above: above.collect() }
    }

    /// The registration that a series falls under: the most specific one.
    pub fn registration(&self, name: &str) -> Option<Registration<'_>> {
        let mut places = self.filing.matching(name).filter_map(|filed| filed.registration);
        places.find_map(|place| self.registration_at(place).filter(|series| !series.kept.is_removed()))
    }

    /// Counts the changes of registrations: what was decided at the same count is decided alike.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether nobody holds some series at some time.
    pub(super) fn has_vacancy(&self) -> bool {
        self.vacant > 0
    }

    /// A person as they are written.
    pub(super) fn shown(&self, person: Party) -> String {
        self.parties.subject(person).map(|subject| subject.to_string()).unwrap_or_default()
    }

    fn registration_at(&self, place: u32) -> Option<Registration<'_>> {
        let kept = self.registrations.at(place)?;
        Some(Registration { name: self.filing.scope(kept.name)?, kept, parties: &self.parties })
    }

    /// Notes a series that something is published of; whether it is new, so that the store should know it.
    /// One that is registered itself is known already.
    pub fn first_seen(&mut self, name: &str) -> bool {
        let exact = self.registration(name).is_none_or(|series| matches!(series.name(), Scope::Exact(_)));
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
        self.registration(name)?.retention()
    }

    /// How many registrations there are.
    pub fn registered(&self) -> usize {
        self.registrations.len() - self.removed
    }

    /// One consent that has not ended.
    pub fn consent(&self, key: ConsentKey) -> Option<&Grant> {
        self.grants.get(key.0)
    }

    /// One subscription.
    pub fn subscriber(&self, key: SubscriptionKey) -> Option<Subscriber<'_>> {
        self.subscriber_of(NOWHERE, self.wishes.get(key.0)?)
    }

    /// The subscription to which something is owed.
    pub fn subscriber_owed(&self, owed: &Owed) -> Option<Subscriber<'_>> {
        let place = owed.near.subscription;
        self.subscriber_of(place, self.wishes.near(place, owed.subscription.0)?)
    }

    /// The consent that what is owed rests on, if it has not ended; nothing where it rests on none.
    pub fn consent_behind(&self, owed: &Owed) -> Option<&Grant> {
        self.grants.near(owed.near.consent, owed.consent()?.0)
    }

    fn subscriber_of<'a>(&'a self, place: u32, wish: &'a Wish) -> Option<Subscriber<'a>> {
        let &Wish { key, party, format, is_full, .. } = wish;
        let (recipient, domain) = self.parties.address(party)?;
        let address = if is_full { self.full.get(&key)? } else { recipient };
        Some(Subscriber { key, place, address, recipient, party, domain, format })
    }
}

/// What is filed for a series, the most specific first.
#[derive(Debug)]
pub struct Found<'a> {
    rights: &'a Rights,
    name: &'a str,
    filed: Vec<&'a Filed>,
    /// Under the names that the series lies below: who subscribes to a node, subscribes to what is below it.
    above: Vec<&'a Filed>,
}

impl<'a> Found<'a> {
    /// The registration that the series falls under: the most specific one.
    pub fn registration(&self) -> Option<Registration<'a>> {
        self.registrations_ever().find(|series| !series.kept.is_removed())
    }

    /// All registrations that cover the series, removed ones too, the most specific first.
    pub(super) fn registrations_ever(&self) -> impl Iterator<Item = Registration<'a>> {
        let rights = self.rights;
        self.filed.iter().filter_map(move |filed| rights.registration_at(filed.registration?))
    }

    /// The registrations of nodes that the series lies below and that somebody may have been put off.
    pub(super) fn registrations_above(&self) -> impl Iterator<Item = Registration<'a>> {
        let (rights, some) = (self.rights, self.rights.outcasts > 0);
        let above = some.then(|| rights.filing.above(self.name)).into_iter().flatten();
        above.filter_map(move |filed| rights.registration_at(filed.registration?))
    }

    /// Who subscribes to it, the most specific subscriptions first.
    pub fn subscribers(&self) -> impl Iterator<Item = Subscriber<'a>> {
        let rights = self.rights;
        let (mut filed, mut above) = (self.filed.iter().peekable(), self.above.iter().peekable());
        let in_order = std::iter::from_fn(move || match (filed.peek(), above.peek()) {
            (Some(one), Some(other)) if one.len() <= other.len() => above.next(),
            (Some(_), _) => filed.next(),
            (None, _) => above.next(),
        });
        let places = in_order.flat_map(|filed| filed.list(Sort::Subscription));
        places.filter_map(|place| rights.subscriber_of(*place, rights.wishes.at(*place)?))
    }

    /// The consents that name it, for any recipient, and where they lie, whoever gave them.
    pub fn consents(&self) -> impl Iterator<Item = (u32, &'a Grant)> {
        let rights = self.rights;
        let places = self.filed.iter().flat_map(|filed| filed.list(Sort::Consent));
        places.filter_map(|place| Some((*place, rights.grants.at(*place)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::State;
    use crate::domain::consent::tests::sample;
    use crate::domain::name::Scope;
    use crate::domain::tenure::Tenures;
    use jid::Jid;

    fn series(name: &str) -> Box<Series> {
        Box::new(Series {
            name: Scope::parse(name).unwrap(),
            tenures: Tenures::of("ann@home.example".parse().unwrap()),
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
        assert_eq!(rights.registration("urn:dev:prm:1").unwrap().name().to_string(), "urn:dev:prm:1");
        assert_eq!(rights.registration("urn:dev:prm:2").unwrap().name().to_string(), "urn:dev:prm:*");
        rights.apply(Update::Series(2, None));
        assert_eq!(rights.registration("urn:dev:prm:1").unwrap().name().to_string(), "urn:dev:prm:*");
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
        assert!(size_of::<Option<Wish>>() <= 24, "{}", size_of::<Option<Wish>>());
    }

    #[test]
    fn what_is_owed_is_not_taken_for_what_lies_in_its_place_now() {
        use crate::relay::owed::{Basis, Near, Selection};
        let mut rights = Rights::default();
        let wish = |jid: &str| Subscription {
            jid: Jid::new(jid).unwrap(),
            node: Scope::parse("urn:dev:prm:1").unwrap(),
            format: Default::default(),
        };
        let give = |rights: &mut Rights, key, consent: Option<Consent>| {
            rights.apply(Update::Consent(ConsentKey(key), consent.map(Box::new)));
        };
        give(&mut rights, 1, Some(sample()));
        rights.apply(Update::Subscription(SubscriptionKey(1), Some(wish("app@coop.example"))));
        let owed = Owed {
            subscription: SubscriptionKey(1),
            basis: Basis::Consent(ConsentKey(1)),
            records: Selection::All,
            in_reserve: false,
            near: Near { subscription: 0, consent: 0 },
        };
        assert_eq!(rights.consent_behind(&owed).unwrap().key(), ConsentKey(1));
        assert_eq!(&**rights.subscriber_owed(&owed).unwrap().address, "app@coop.example");
        // Both end, and others come to lie where they lay.
        give(&mut rights, 1, None);
        give(&mut rights, 2, Some(sample()));
        rights.apply(Update::Subscription(SubscriptionKey(1), None));
        rights.apply(Update::Subscription(SubscriptionKey(2), Some(wish("other@coop.example"))));
        assert!(rights.grants.at(0).is_some() && rights.wishes.at(0).is_some());
        assert!(rights.consent_behind(&owed).is_none() && rights.subscriber_owed(&owed).is_none());
        // What comes back lies elsewhere, and is found.
        give(&mut rights, 1, Some(sample()));
        rights.apply(Update::Subscription(SubscriptionKey(1), Some(wish("app@coop.example"))));
        assert_eq!(rights.consent_behind(&owed).unwrap().key(), ConsentKey(1));
        assert_eq!(&**rights.subscriber_owed(&owed).unwrap().address, "app@coop.example");
    }

    #[test]
    fn a_subscription_of_one_client_goes_there() {
        let mut rights = Rights::default();
        let wish = |jid: &str| Subscription {
            jid: Jid::new(jid).unwrap(),
            node: Scope::parse("urn:a").unwrap(),
            format: Default::default(),
        };
        let key = SubscriptionKey(1);
        let address = |rights: &Rights| rights.subscriber(key).unwrap().address.to_string();
        rights.apply(Update::Subscription(key, Some(wish("app@coop.example/desk"))));
        assert_eq!(address(&rights), "app@coop.example/desk");
        assert_eq!(**rights.subscriber(key).unwrap().recipient, *"app@coop.example");
        rights.apply(Update::Subscription(key, Some(wish("app@coop.example"))));
        assert_eq!(address(&rights), "app@coop.example");
        assert!(rights.full.is_empty());
    }

    #[test]
    fn who_subscribes_to_a_node_subscribes_to_what_is_below_it() {
        let mut rights = Rights::default();
        for (key, node) in (1..).zip(["urn:a*", "urn:a/b", "urn:a/b/c", "urn:a/b/*", "urn:a", "urn:a/bc"]) {
            let wish = Subscription {
                jid: Jid::new("app@coop.example").unwrap(),
                node: Scope::parse(node).unwrap(),
                format: Default::default(),
            };
            rights.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
        }
        let keys = |name: &str| rights.look_up(name).subscribers().map(|s| s.key.0).collect::<Vec<_>>();
        assert_eq!(keys("urn:a/b/c"), [3, 4, 2, 5, 1], "the most specific first");
        assert_eq!(keys("urn:a/b/c/d"), [3, 4, 2, 5, 1]);
        assert_eq!(keys("urn:a/b"), [2, 5, 1]);
        assert_eq!(keys("urn:ab"), [1], "below is on a slash");
    }
}
