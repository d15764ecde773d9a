//! A notice as a row of the journal: one message to one address, about a step of a consent.
//!
//! It is delivered as an item is, but it rests on no consent: it is told after one ended too. In the journal it is
//! owed to an address in place of subscriptions; its payload is the message without an id, which it is given when it
//! is written.

use std::sync::Arc;

use super::owed::{put, take};
use crate::domain::consent::ConsentKey;

/// In place of a subscription, in what is owed of a row: an addressee follows. Subscriptions are counted from 1.
pub const SUBSCRIPTION: u64 = crate::store::dead_letters::NOTICE;

/// What a message begins with; its id comes behind it.
const START: &str = "<message";

/// What a notice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Tells of a step of a consent that was given.
    Step,
    /// Asks for an answer: worth sending as long as the request waits.
    Question,
    /// Tells whoever asked that nothing was given: a stranger decides how many there are.
    Unanswered,
}

impl Purpose {
    const ALL: [Purpose; 3] = [Purpose::Step, Purpose::Question, Purpose::Unanswered];
}

/// To whom a notice goes, and why: what is owed of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Why.
    pub purpose: Purpose,
    /// The consent that it is about.
    pub consent: ConsentKey,
    /// To whom, as it stands in the message.
    pub to: Arc<str>,
}

impl Addressee {
    /// Whether what is owed of a row is a notice.
    pub fn is_one(owed: &[u8]) -> bool {
        owed.first() == Some(&(SUBSCRIPTION as u8))
    }

    /// As it stands in the journal.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.to.len() + 12);
        put(&mut out, SUBSCRIPTION);
        put(&mut out, Purpose::ALL.iter().position(|purpose| *purpose == self.purpose).unwrap_or(0) as u64);
        put(&mut out, self.consent.0);
        out.extend_from_slice(self.to.as_bytes());
        out
    }

    /// Reads it back; nothing if it is no notice, or damaged.
    pub fn decode(mut owed: &[u8]) -> Option<Self> {
        if take(&mut owed)? != SUBSCRIPTION {
            return None;
        }
        let purpose = *Purpose::ALL.get(usize::try_from(take(&mut owed)?).ok()?)?;
        let consent = ConsentKey(take(&mut owed)?);
        let to = std::str::from_utf8(owed).ok().filter(|to| !to.is_empty())?;
        Some(Addressee { purpose, consent, to: to.into() })
    }

    /// The address without a resource: who may say that it came back.
    pub fn bare(&self) -> &str {
        self.to.split('/').next().unwrap_or_default()
    }

    /// The server that it goes to.
    pub fn domain(&self) -> &str {
        self.bare().rsplit('@').next().unwrap_or_default()
    }
}

/// A notice that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// To whom, and why.
    pub to: Addressee,
    /// The message, without an id.
    pub message: Vec<u8>,
}

impl Notice {
    /// Reads it back from a row of the journal; nothing if it is no notice, or damaged.
    pub fn read(owed: &[u8], payload: Vec<u8>) -> Option<Self> {
        let to = Addressee::decode(owed)?;
        payload.starts_with(START.as_bytes()).then_some(Notice { to, message: payload })
    }

    /// Appends the message under this id.
    pub fn write(&self, id: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(START.as_bytes());
        out.extend_from_slice(b" id='");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\'');
        out.extend_from_slice(&self.message[START.len()..]);
    }

    /// About how much memory it takes, in bytes.
    pub fn footprint(&self) -> usize {
        self.message.len() + self.to.to.len() + 400
    }
}

#[cfg(test)]
mod tests {
    use super::super::owed;
    use super::*;

    #[test]
    fn a_notice_survives_the_journal() {
        for purpose in Purpose::ALL {
            let to = Addressee { purpose, consent: ConsentKey(300), to: "ann@home.example/phone".into() };
            let owed = to.encode();
            assert_eq!(Addressee::decode(&owed).unwrap(), to);
            assert_eq!((to.bare(), to.domain()), ("ann@home.example", "home.example"));
            assert!(Addressee::is_one(&owed));
            assert_eq!(owed::decode(&owed).unwrap(), [], "no subscription is owed anything");
            for cut in 0..owed.len() {
                let _ = Addressee::decode(&owed[..cut]);
            }
        }
        assert_eq!(Addressee::decode(&[1, 1, 0]), None);
        assert!(!Addressee::is_one(&[]));
    }

    #[test]
    fn a_message_is_given_its_id() {
        let to = Addressee { purpose: Purpose::Step, consent: ConsentKey(1), to: "coop.example".into() };
        let notice = Notice::read(&to.encode(), b"<message to='coop.example'/>".to_vec()).unwrap();
        let mut out = Vec::new();
        notice.write("i-1-0", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "<message id='i-1-0' to='coop.example'/>");
        assert_eq!(to.domain(), "coop.example");
        assert_eq!(Notice::read(&to.encode(), b"nonsense".to_vec()), None);
    }
}
