//! One act on many consents: all of a person, all for a recipient, all between two, or those that are named.

use jid::BareJid;
use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::consent::{Consent, State};
use crate::domain::party::Subject;
use crate::store::consent_acts::{self, Acted, Part, Unfit};
use crate::store::consents::Filter;
use crate::store::{Store, StoreError};

/// Which consents are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Exactly these: all of them, or none.
    These(Vec<Uuid>),
    /// All that match: of this person, for this recipient.
    All {
        /// The person concerned; any, where none is named.
        subject: Option<Subject>,
        /// Who receives; any, where none is named.
        recipient: Option<BareJid>,
    },
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The person concerned pauses what was given.
    Suspend,
    /// The person concerned lets data leave again.
    Resume,
    /// The person concerned ends what was given.
    Withdraw,
    /// The same, and says no to what is asked: nothing of the recipient's goes on, and nothing waits.
    EndEverything,
    /// The operator ends what was given.
    Revoke,
}

impl Act {
    fn step(self) -> fn(State) -> State {
        match self {
            Act::Suspend => |_| State::Suspended,
            Act::Resume => |_| State::Active,
            Act::Withdraw => |_| State::Withdrawn,
            Act::EndEverything => |from| match from {
                State::Requested => State::Refused,
                _ => State::Withdrawn,
            },
            Act::Revoke => |_| State::Revoked,
        }
    }

    /// The states from which it leads on.
    fn from(self) -> &'static [State] {
        match self {
            Act::Suspend => &[State::Active],
            Act::Resume => &[State::Suspended],
            Act::Withdraw | Act::Revoke => &[State::Active, State::Suspended],
            Act::EndEverything => &[State::Requested, State::Active, State::Suspended],
        }
    }
}

/// Who acts, why and when.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a str,
    /// In their words.
    pub reason: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Of those that were named, these are not there or do not stand so that it can be done.
    #[error("of the consents that were named, some cannot take this step")]
    Unfit(Vec<Unfit>),
    /// The store failed. What was told of before has been done.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does it, in one transaction; where very many match, in several, each of which is whole. Every consent is handed
/// over as it is then. Returns how many there were.
pub async fn act(
    store: &Store,
    which: &Which,
    act: Act,
    by: By<'_>,
    each: impl FnMut(Consent),
) -> Result<usize, NotDone> {
    all(store, which, act, Some(by), each).await
}

/// What [`act`] would do, without doing it: the consents as they are before.
pub async fn would_act(
    store: &Store,
    which: &Which,
    act: Act,
    each: impl FnMut(Consent),
) -> Result<usize, NotDone> {
    all(store, which, act, None, each).await
}

async fn all(
    store: &Store,
    which: &Which,
    act: Act,
    by: Option<By<'_>>,
    mut each: impl FnMut(Consent),
) -> Result<usize, NotDone> {
    let filter = match which {
        Which::These(_) => Filter::default(),
        Which::All { subject, recipient } => {
            let recipient = recipient.as_ref().map(ToString::to_string);
            Filter { subject: subject.clone(), recipient, states: act.from(), ..Filter::default() }
        }
    };
    let (mut count, mut after) = (0, 0);
    loop {
        let part = match which {
            Which::These(ids) => Part::These(ids),
            Which::All { .. } => Part::Matching(&filter, after),
        };
        let acted = run(store, &part, act, by).await?;
        if !acted.unfit.is_empty() {
            return Err(NotDone::Unfit(acted.unfit));
        }
        count += acted.changed.len();
        acted.changed.into_iter().for_each(&mut each);
        match acted.next {
            Some(next) => after = next,
            None => return Ok(count),
        }
    }
}

async fn run(store: &Store, part: &Part<'_>, act: Act, by: Option<By<'_>>) -> Result<Acted, StoreError> {
    match by {
        Some(By { actor, reason, at }) => {
            let act = consent_acts::Act { step: act.step(), actor, reason, at };
            store.step_many(part, &act).await
        }
        None => store.would_step(part, act.step()).await,
    }
}
