//! What the relay keeps of a consent that stands: enough to decide and to write the terms, in little room,
//! since there may be a million of them.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::intake::hash;
use super::parties::Party;
use super::rows::Numbered;
use crate::domain::consent::{ConsentKey, Modes, State, given_at};
use crate::domain::decision::{Extent, Standing};
use crate::domain::granularity::Granularity;
use crate::domain::name::Scope;
use crate::domain::outline::ConsentOutline;
use crate::domain::period::Period;
use crate::protocol::event::Terms;

/// What many consents have in common word by word.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Words {
    /// The code of the purpose where there is one, else its text.
    purpose: Box<str>,
    /// ISO 8601.
    retention: Box<str>,
}

impl Words {
    /// Those of a consent, taken out of it.
    pub fn of(consent: &mut ConsentOutline) -> Self {
        let (purpose, retention) = (&mut consent.purpose, &mut consent.retention);
        Words { purpose: std::mem::take(purpose), retention: std::mem::take(retention) }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Grant {
    key: ConsentKey,
    id: Uuid,
    words: Arc<Words>,
    scope: Scopes,
    /// Milliseconds since 1970, as the store keeps them.
    valid_from: i64,
    valid_until: i64,
    /// What few have.
    rare: Option<Box<Rare>>,
    /// The person concerned: it permits what is theirs, and nobody else's.
    subject: Party,
    party: Party,
    state: State,
    modes: Modes,
    onward: bool,
}

/// What is set in few consents.
#[derive(Debug)]
struct Rare {
    /// From and until, where there is a window.
    data: (Option<i64>, Option<i64>),
    coarse: Option<Coarse>,
}

impl Numbered for Grant {
    fn number(&self) -> u64 {
        self.key.0
    }
}

/// What a consent with a granularity adds.
#[derive(Debug)]
pub struct Coarse {
    /// The finest that may leave.
    pub granularity: Granularity,
    /// The same as long as granularity and data window are: what was reduced under another is not sent.
    pub token: u64,
    /// Since when it stands as it does, milliseconds: what it missed while it did not is not complete.
    pub since: i64,
}

impl Coarse {
    fn of(consent: &ConsentOutline, period: &Period) -> Self {
        let (from, until) = (consent.data_from, consent.data_until);
        Coarse {
            granularity: Granularity::from(period),
            token: hash(format!("{period} {from:?} {until:?}").as_bytes()),
            since: consent.since.as_millisecond(),
        }
    }
}

#[derive(Debug)]
enum Scopes {
    One(Scope),
    Many(Box<[Scope]>),
}

impl Grant {
    /// Of a consent to this party, and by this person; `scope` is its own, sharing text with others where it can.
    pub fn new(
        key: ConsentKey,
        consent: &ConsentOutline,
        (party, subject): (Party, Party),
        words: Arc<Words>,
        mut scope: Vec<Scope>,
    ) -> Self {
        let millis = |at: Option<Timestamp>| at.map(|at| at.as_millisecond());
        let data = (millis(consent.data_from), millis(consent.data_until));
        let coarse = consent.granularity.as_ref().map(|period| Coarse::of(consent, period));
        let is_rare = data != (None, None) || coarse.is_some();
        Grant {
            key,
            id: consent.id,
            party,
            state: consent.state,
            modes: consent.modes,
            onward: consent.onward,
            rare: is_rare.then(|| Box::new(Rare { data, coarse })),
            words,
            scope: match (scope.pop(), scope.is_empty()) {
                (Some(only), true) => Scopes::One(only),
                (last, _) => {
                    scope.extend(last);
                    Scopes::Many(scope.into())
                }
            },
            valid_from: consent.valid_from.as_millisecond(),
            valid_until: consent.valid_until.as_millisecond(),
            subject,
        }
    }

    /// Who may receive.
    pub fn party(&self) -> Party {
        self.party
    }

    /// Nothing leaves under it any more, until the store says more of it.
    pub fn halt(&mut self) {
        self.state = State::Suspended;
    }

    /// Its number in the store.
    pub fn key(&self) -> ConsentKey {
        self.key
    }

    /// What is in scope.
    pub fn scope(&self) -> &[Scope] {
        match &self.scope {
            Scopes::One(scope) => std::slice::from_ref(scope),
            Scopes::Many(scope) => scope,
        }
    }

    /// Whether only measurements of some time may leave.
    pub fn is_windowed(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.data != (None, None))
    }

    /// To what is reduced what leaves under it.
    pub fn coarse(&self) -> Option<&Coarse> {
        self.rare.as_ref()?.coarse.as_ref()
    }

    /// The terms under which a recipient may keep what it gets.
    pub fn terms(&self) -> Terms<'_> {
        Terms::Consent {
            id: self.id,
            purpose: &self.words.purpose,
            retention: &self.words.retention,
            expires: time(self.valid_until),
            onward: self.onward,
        }
    }
}

impl Standing for Grant {
    type Recipient = Party;
    type Subject = Party;

    fn is_person(recipient: &Party, person: &Party) -> bool {
        recipient == person
    }

    fn subject(&self) -> &Party {
        &self.subject
    }

    fn given_at(&self) -> Timestamp {
        given_at(self.id).unwrap_or_else(|| time(self.valid_from))
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn recipient(&self) -> &Party {
        &self.party
    }

    fn covers(&self, series: &str) -> bool {
        self.scope().iter().any(|scope| scope.covers(series))
    }

    fn extent(&self) -> Extent {
        let (data_from, data_until) = self.rare.as_ref().map(|rare| rare.data).unwrap_or_default();
        Extent {
            state: self.state,
            modes: self.modes,
            valid_from: time(self.valid_from),
            valid_until: time(self.valid_until),
            data_from: data_from.map(time),
            data_until: data_until.map(time),
            is_coarse: self.coarse().is_some(),
        }
    }
}

/// It came from a timestamp, so it fits into one.
fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::tests::sample;

    #[test]
    fn it_decides_as_the_consent_does_and_takes_little_room() {
        let mut consent = sample();
        consent.data_from = Some("2026-02-01T00:00:00Z".parse().unwrap());
        consent.scope.push(Scope::parse("urn:dev:other:*").unwrap());
        let mut outline = ConsentOutline::from(consent.clone());
        let words = Arc::new(Words::of(&mut outline));
        let scope = consent.scope.clone();
        let grant = Grant::new(ConsentKey(1), &outline, (Party::default(), Party::default()), words, scope);
        assert_eq!(grant.extent(), Standing::extent(&consent));
        assert!(grant.is_windowed());
        assert_eq!(grant.scope(), consent.scope);
        assert!(grant.covers("urn:dev:other:7") && !grant.covers("urn:dev:third"));
        assert!(size_of::<Option<Grant>>() <= 96, "{}", size_of::<Option<Grant>>());
    }
}
