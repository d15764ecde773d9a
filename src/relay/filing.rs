//! What is filed under each scope: a registration, consents, subscriptions; by their places, found by the name
//! of a series.
//!
//! A look-up reads the name once; on the way it asks at most once for each *distinct length* of prefix, however
//! many prefixes there are.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use super::few::{Few, Sort};
use super::rows::grow;
use crate::domain::name::Scope;

/// What is filed under one scope.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) scope: Scope,
    pub(super) registration: Option<u32>,
    lists: Few,
}

impl Filed {
    /// How much of a name it says, in octets.
    pub(super) fn len(&self) -> usize {
        text_of(&self.scope).len()
    }

    fn is_empty(&self) -> bool {
        self.registration.is_none() && self.lists.is_empty()
    }

    /// The places of consents or subscriptions, in the order in which they came.
    pub(super) fn list(&self, sort: Sort) -> &[u32] {
        self.lists.list(sort)
    }

    /// Files one more.
    pub(super) fn push(&mut self, sort: Sort, place: u32) {
        self.lists.push(sort, place);
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, sort: Sort, place: u32) {
        self.lists.remove(sort, place);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Filing {
    filed: Vec<Option<Filed>>,
    free: Vec<u32>,
    exact: HashTable<u32>,
    /// How many of the exact names have so many octets: what has a length that none has is not looked for.
    exact_lengths: Vec<u32>,
    prefixes: HashTable<u32>,
    /// The lengths that prefixes have, ascending.
    lengths: Vec<Length>,
    /// Names are chosen by others, so that it must not be known how they are hashed.
    hasher: RandomState,
}

/// The prefixes of one length.
#[derive(Debug)]
struct Length {
    octets: usize,
    /// How many there are.
    prefixes: usize,
    /// The last octets that any of them had: a name with another one there lies under none of them.
    last: [u64; 4],
}

impl Length {
    fn of(octets: usize) -> Self {
        Length { octets, prefixes: 0, last: [0; 4] }
    }

    fn add(&mut self, prefix: &str) {
        self.prefixes += 1;
        if let Some(last) = prefix.as_bytes().last() {
            self.last[usize::from(last / 64)] |= 1 << (last % 64);
        }
    }

    /// Whether a prefix of this length may cover the name, which is at least as long.
    fn may_cover(&self, name: &[u8]) -> bool {
        let last = name[self.octets - 1];
        self.last[usize::from(last / 64)] >> (last % 64) & 1 == 1
    }
}

impl Filing {
    /// All that is filed under scopes that cover `name`, the most specific first.
    pub(super) fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Filed> {
        let mut way = Way::along(name, &self.hasher);
        let mut prefixes = Vec::new();
        let not_longer = self.lengths.iter().take_while(|length| length.octets <= name.len());
        for length in not_longer.filter(|length| length.may_cover(name.as_bytes())) {
            let text = &name.as_bytes()[..length.octets];
            prefixes.extend(self.find_hashed(&self.prefixes, way.hash_at(length.octets), text));
        }
        let exact = self.find_hashed(&self.exact, way.hash_at(name.len()), name.as_bytes());
        exact.into_iter().chain(prefixes.into_iter().rev()).filter_map(|place| self.at(place))
    }

    /// All that is filed under the exact names that `name` lies below, on a `/`, the nearest first.
    pub(super) fn above<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Filed> {
        let cuts = memchr::memrchr_iter(b'/', name.as_bytes());
        let cuts = cuts.filter(|cut| self.exact_lengths.get(*cut).is_some_and(|names| *names > 0));
        cuts.filter_map(|cut| self.find(&self.exact, &name[..cut])).filter_map(|place| self.at(place))
    }

    fn find(&self, table: &HashTable<u32>, text: &str) -> Option<u32> {
        self.find_hashed(table, hash(text, &self.hasher), text.as_bytes())
    }

    fn find_hashed(&self, table: &HashTable<u32>, hash: u64, text: &[u8]) -> Option<u32> {
        let is_it =
            |place: &u32| self.at(*place).is_some_and(|filed| text_of(&filed.scope).as_bytes() == text);
        table.find(hash, is_it).copied()
    }

    fn at(&self, place: u32) -> Option<&Filed> {
        self.filed.get(place as usize)?.as_ref()
    }

    /// The same scope, sharing its text with what is filed under it.
    pub(super) fn shared(&self, scope: Scope) -> Scope {
        let place = self.find(self.table(&scope), text_of(&scope));
        place.and_then(|place| self.at(place)).map_or(scope, |filed| filed.scope.clone())
    }

    /// The scope of this place; it is there as long as something is filed under it.
    pub(super) fn scope(&self, place: u32) -> Option<&Scope> {
        self.at(place).map(|filed| &filed.scope)
    }

    fn table(&self, scope: &Scope) -> &HashTable<u32> {
        match scope {
            Scope::Exact(_) => &self.exact,
            Scope::Prefix(_) => &self.prefixes,
        }
    }

    /// Where what is of exactly this scope is filed: a new place if nothing is yet, which is to be filled at once.
    pub(super) fn place(&mut self, scope: Scope) -> u32 {
        match self.find(self.table(&scope), text_of(&scope)) {
            Some(place) => place,
            None => self.open(scope),
        }
    }

    /// Changes what is filed there; the place goes when nothing is left.
    pub(super) fn change(&mut self, place: u32, change: impl FnOnce(&mut Filed)) {
        let Some(Some(filed)) = self.filed.get_mut(place as usize) else { return };
        change(filed);
        if filed.is_empty() {
            self.close(place);
        }
    }

    fn open(&mut self, scope: Scope) -> u32 {
        let place = match self.free.pop() {
            Some(place) => place,
            // A scope is dozens of bytes: memory ends long before the numbers.
            None => {
                grow(&mut self.filed);
                self.filed.push(None);
                (self.filed.len() - 1) as u32
            }
        };
        match &scope {
            Scope::Prefix(prefix) => {
                let at = self.length(prefix).unwrap_or_else(|at| {
                    self.lengths.insert(at, Length::of(prefix.len()));
                    at
                });
                self.lengths[at].add(prefix);
            }
            Scope::Exact(name) => {
                if self.exact_lengths.len() <= name.len() {
                    self.exact_lengths.resize(name.len() + 1, 0);
                }
                self.exact_lengths[name.len()] += 1;
            }
        }
        let hash = hash(text_of(&scope), &self.hasher);
        let is_exact = matches!(scope, Scope::Exact(_));
        self.filed[place as usize] = Some(Filed { scope, registration: None, lists: Few::default() });
        let (filed, hasher) = (&self.filed, &self.hasher);
        let again = |place: &u32| {
            filed[*place as usize].as_ref().map_or(0, |filed| self::hash(text_of(&filed.scope), hasher))
        };
        let table = if is_exact { &mut self.exact } else { &mut self.prefixes };
        table.insert_unique(hash, place, again);
        place
    }

    /// Where the length of a prefix is, or belongs.
    fn length(&self, prefix: &str) -> Result<usize, usize> {
        self.lengths.binary_search_by_key(&prefix.len(), |length| length.octets)
    }

    fn close(&mut self, place: u32) {
        let Some(Filed { scope, .. }) = self.filed[place as usize].take() else { return };
        let hash = hash(text_of(&scope), &self.hasher);
        let table = match &scope {
            Scope::Exact(_) => &mut self.exact,
            Scope::Prefix(_) => &mut self.prefixes,
        };
        if let Ok(entry) = table.find_entry(hash, |held| *held == place) {
            entry.remove();
        }
        match &scope {
            Scope::Prefix(prefix) => {
                if let Ok(at) = self.length(prefix) {
                    self.lengths[at].prefixes -= 1;
                    if self.lengths[at].prefixes == 0 {
                        self.lengths.remove(at);
                    }
                }
            }
            Scope::Exact(name) => self.exact_lengths[name.len()] -= 1,
        }
        self.free.push(place);
    }
}

/// A name hashed from its beginning on, with a halt at any length.
struct Way<'a> {
    name: &'a [u8],
    /// Has taken all words before `at`.
    hasher: DefaultHasher,
    at: usize,
}

impl<'a> Way<'a> {
    fn along(name: &'a str, hasher: &RandomState) -> Self {
        Way { name: name.as_bytes(), hasher: hasher.build_hasher(), at: 0 }
    }

    /// The hash of the first `length` octets; no halt may be before the last one, nor beyond the end.
    fn hash_at(&mut self, length: usize) -> u64 {
        let (words, rest) = self.name[self.at..length].as_chunks::<8>();
        for word in words {
            self.hasher.write_u64(u64::from_le_bytes(*word));
        }
        self.at += 8 * words.len();
        let mut whole = self.hasher.clone();
        whole.write(rest);
        whole.finish()
    }
}

fn hash(text: &str, hasher: &RandomState) -> u64 {
    Way::along(text, hasher).hash_at(text.len())
}

fn text_of(scope: &Scope) -> &Arc<str> {
    match scope {
        Scope::Exact(text) | Scope::Prefix(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn found(filing: &Filing, name: &str) -> Vec<String> {
        filing.matching(name).map(|filed| filed.scope.to_string()).collect()
    }

    fn change(filing: &mut Filing, text: &str, change: impl FnOnce(&mut Filed)) {
        let place = filing.place(scope(text));
        filing.change(place, change);
    }

    #[test]
    fn the_most_specific_comes_first_and_what_is_empty_goes() {
        let mut filing = Filing::default();
        for (place, text) in ["urn:a*", "urn:ab*", "urn:abc", "urn:x*", "urn:abc*"].into_iter().enumerate() {
            change(&mut filing, text, |filed| filed.push(Sort::Consent, place as u32));
        }
        assert_eq!(found(&filing, "urn:abc"), ["urn:abc", "urn:abc*", "urn:ab*", "urn:a*"]);
        assert_eq!(found(&filing, "urn:abd"), ["urn:ab*", "urn:a*"]);
        assert!(found(&filing, "urn:b").is_empty());
        change(&mut filing, "urn:ab*", |filed| filed.push(Sort::Subscription, 9));
        change(&mut filing, "urn:ab*", |filed| filed.remove(Sort::Consent, 1));
        assert_eq!(found(&filing, "urn:abd"), ["urn:ab*", "urn:a*"], "the subscription is still there");
        change(&mut filing, "urn:ab*", |filed| filed.remove(Sort::Subscription, 9));
        change(&mut filing, "urn:abc", |filed| filed.remove(Sort::Consent, 2));
        change(&mut filing, "urn:never", |_| {});
        assert_eq!(found(&filing, "urn:abc"), ["urn:abc*", "urn:a*"]);
        assert_eq!(filing.free.len(), 2, "what was never there takes no place");
        change(&mut filing, "urn:abc", |filed| filed.registration = Some(1));
        assert_eq!(found(&filing, "urn:abc"), ["urn:abc", "urn:abc*", "urn:a*"]);
        assert_eq!(filing.free.len(), 1, "places are taken again");
    }

    #[test]
    fn prefixes_of_every_length_are_found_in_one_walk() {
        let name = "urn:dev:mac:0024befffe804ff1:cellar/power/a";
        let mut filing = Filing::default();
        let ends: Vec<usize> = (5..=name.len()).collect();
        for &end in &ends {
            change(&mut filing, &format!("{}*", &name[..end]), |filed| filed.push(Sort::Consent, end as u32));
        }
        let lengths: Vec<usize> = filing.matching(name).map(Filed::len).collect();
        assert_eq!(lengths, ends.iter().rev().copied().collect::<Vec<_>>());
        // One that differs in its last octet shares all but the longest.
        let other = format!("{}b", &name[..name.len() - 1]);
        assert_eq!(filing.matching(&other).count(), ends.len() - 1);
    }

    #[test]
    fn exact_names_are_found_from_below_as_long_as_they_are_there() {
        let mut filing = Filing::default();
        let above = |filing: &Filing, name: &str| filing.above(name).map(Filed::len).collect::<Vec<_>>();
        for text in ["urn:a", "urn:b", "urn:a/b/c", "urn:a/*"] {
            change(&mut filing, text, |filed| filed.push(Sort::Subscription, 1));
        }
        assert_eq!(above(&filing, "urn:a/b/c/d"), [9, 5]);
        assert_eq!(above(&filing, "urn:b/c"), [5]);
        assert!(above(&filing, "urn:c/d").is_empty() && above(&filing, "urn:a").is_empty());
        change(&mut filing, "urn:a", |filed| filed.remove(Sort::Subscription, 1));
        assert!(above(&filing, "urn:a/b").is_empty());
        assert_eq!(above(&filing, "urn:b/c"), [5], "another one of its length");
        change(&mut filing, "urn:a", |filed| filed.push(Sort::Subscription, 2));
        assert_eq!(above(&filing, "urn:a/b"), [5]);
    }

    #[test]
    fn texts_are_shared() {
        let mut filing = Filing::default();
        change(&mut filing, "urn:a", |filed| filed.push(Sort::Consent, 1));
        let (Scope::Exact(first), Scope::Exact(second)) =
            (filing.shared(scope("urn:a")), filing.shared(scope("urn:a")))
        else {
            panic!("exact ones")
        };
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(filing.shared(scope("urn:a*")), scope("urn:a*"));
    }

    #[test]
    fn there_may_be_many() {
        assert!(size_of::<Option<Filed>>() <= 48, "{}", size_of::<Option<Filed>>());
        let mut filing = Filing::default();
        for number in 0..1000 {
            change(&mut filing, &format!("urn:{number}"), |filed| filed.push(Sort::Consent, number));
        }
        for number in 0..1000 {
            let name = format!("urn:{number}");
            let consents: Vec<u32> =
                filing.matching(&name).flat_map(|filed| filed.list(Sort::Consent)).copied().collect();
            assert_eq!(consents, [number]);
        }
    }
}
