//! People, applications, gateways as numbers: the same number, the same party.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use jid::BareJid;

use super::rows::grow;
use crate::domain::party::Subject;

/// A party as a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(pub(super) u32);

impl Party {
    /// The number that none has: memory ends long before.
    pub(super) const NOBODY: Party = Party(u32::MAX);
}

/// What stands for the domain of a person without an address.
const NOWHERE: u32 = u32::MAX;

/// What is known of a party.
#[derive(Debug)]
struct Address {
    text: Arc<str>,
    domain: u32,
}

/// All parties that are named anywhere. A number is never given to another one.
#[derive(Debug, Default)]
pub(super) struct Parties {
    addresses: Vec<Address>,
    places: HashTable<u32>,
    domains: Vec<Arc<str>>,
    by_domain: HashMap<Arc<str>, u32>,
    /// Addresses are chosen by others, so that it must not be known how they are hashed.
    hasher: RandomState,
}

impl Parties {
    /// The number of an address, if it is named anywhere.
    pub(super) fn find(&self, who: &BareJid) -> Option<Party> {
        self.look(who.as_str(), true)
    }

    fn look(&self, text: &str, is_address: bool) -> Option<Party> {
        let same = |place: &u32| {
            let held = &self.addresses[*place as usize];
            *held.text == *text && (held.domain != NOWHERE) == is_address
        };
        self.places.find(self.hasher.hash_one(text), same).map(|place| Party(*place))
    }

    /// The number of an address, a new one if it has none yet.
    pub(super) fn number(&mut self, who: &BareJid) -> Party {
        if let Some(party) = self.find(who) {
            return party;
        }
        let domain = match self.by_domain.get(who.domain().as_str()) {
            Some(domain) => *domain,
            None => {
                let (text, domain): (Arc<str>, _) = (who.domain().as_str().into(), self.domains.len() as u32);
                self.domains.push(Arc::clone(&text));
                self.by_domain.insert(text, domain);
                domain
            }
        };
        self.add(who.as_str(), domain)
    }

    /// The number of a person concerned, a new one if there is none yet.
    pub(super) fn number_subject(&mut self, who: &Subject) -> Party {
        match who {
            Subject::Jid(jid) => self.number(jid),
            Subject::Reference(text) => self.look(text, false).unwrap_or_else(|| self.add(text, NOWHERE)),
        }
    }

    fn add(&mut self, text: &str, domain: u32) -> Party {
        // An address is dozens of bytes: memory ends long before the numbers.
        let place = self.addresses.len() as u32;
        grow(&mut self.addresses);
        self.addresses.push(Address { text: text.into(), domain });
        let (addresses, hasher) = (&self.addresses, &self.hasher);
        let again = |place: &u32| hasher.hash_one(&*addresses[*place as usize].text);
        self.places.insert_unique(hasher.hash_one(text), place, again);
        Party(place)
    }

    /// The address, and its domain; nothing for a person without one.
    pub(super) fn address(&self, party: Party) -> Option<(&Arc<str>, &Arc<str>)> {
        let Address { text, domain } = self.addresses.get(party.0 as usize)?;
        Some((text, self.domains.get(*domain as usize)?))
    }

    /// The person concerned.
    pub(super) fn subject(&self, party: Party) -> Option<Subject> {
        let Address { text, domain } = self.addresses.get(party.0 as usize)?;
        match *domain {
            NOWHERE => Some(Subject::Reference(text.to_string())),
            _ => BareJid::new(text).ok().map(Subject::Jid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_party_has_the_same_number() {
        let mut parties = Parties::default();
        let jid = |text: &str| BareJid::new(text).unwrap();
        let ann = parties.number(&jid("ann@home.example"));
        let bob = parties.number(&jid("bob@home.example"));
        assert_ne!(ann, bob);
        assert_eq!(parties.number(&jid("ann@home.example")), ann);
        assert_eq!((parties.find(&jid("bob@home.example")), parties.find(&jid("x@y"))), (Some(bob), None));
        let (text, domain) = parties.address(bob).unwrap();
        assert_eq!((&**text, &**domain), ("bob@home.example", "home.example"));
        assert!(Arc::ptr_eq(domain, parties.address(ann).unwrap().1));
        // A reference is nobody's address, whatever it reads like.
        let named = parties.number_subject(&Subject::Reference("bob@home.example".into()));
        assert_ne!(named, bob);
        assert_eq!(parties.number_subject(&Subject::Reference("bob@home.example".into())), named);
        assert!(parties.address(named).is_none());
        for subject in ["ref:bob@home.example", "ann@home.example"] {
            let subject: Subject = subject.parse().unwrap();
            let party = parties.number_subject(&subject);
            assert_eq!(parties.subject(party), Some(subject));
        }
        for number in 0..1000 {
            let party = parties.number(&jid(&format!("m{number}@home.example")));
            assert_eq!(party.0, number + 3);
        }
    }
}
