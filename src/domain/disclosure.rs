//! The lines of the disclosure log: what was sent or refused, to whom, under which consent, when.
//!
//! A line names series, parties, counts and times. There is no field for a measured value, so none can
//! get in.

use std::sync::Arc;

use super::consent::{ConsentKey, State};
use super::decision::Denial;
use super::subscription::SubscriptionKey;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An item was taken in: who is to have what of it, and who is not.
    Decided(Decided),
    /// Written beside [`Line::Decided`] where several consents permit the same: what lets the records leave
    /// should the consent named there end before they did. It counts where the log tells of that end.
    Reserve(Decided),
    /// Somebody fetched records that are kept, or was refused them. `node` is what was asked for, `item` in
    /// which way; nobody published, and no subscription is named.
    Fetched(Decided),
    /// What one subscription was to have of an item will not be sent (again).
    Dropped(Dropped),
    /// A recipient's server has taken everything that it was to have of the items up to this one.
    Confirmed {
        /// The server's domain.
        domain: Arc<str>,
        /// The last item, by its number in the journal. A lower number than before means that later items
        /// came back after all, and are sent again.
        seq: u64,
        /// Who said so.
        proof: Proof,
    },
    /// A consent was recorded, or its state changed.
    Consent(Box<ConsentStep>),
    /// A series changed hands.
    HandOver(Box<HandOver>),
}

/// Whose answer proves that what was sent was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// That of the recipient's server.
    RecipientServer,
    /// That of one's own server, as the recipient's has never answered: it took what was sent, and did not bring it
    /// back.
    OwnServer,
}

impl Proof {
    /// As it is named in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::RecipientServer => "recipient-server",
            Proof::OwnServer => "own-server",
        }
    }
}

/// What was decided when an item was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Its number in the journal.
    pub seq: u64,
    /// Bare address of who published it.
    pub publisher: Arc<str>,
    /// The node it was published to.
    pub node: Arc<str>,
    /// Its id there.
    pub item: Arc<str>,
    /// The operator sent it again, after it had been given up.
    pub again: bool,
    /// One for each subscription and reason.
    pub verdicts: Vec<Verdict>,
}

/// What was decided for one subscription, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The subscription's number.
    pub subscription: SubscriptionKey,
    /// The address that subscribed.
    pub recipient: Arc<str>,
    /// Whether it may leave, and why.
    pub ground: Ground,
    /// The series of the records; empty where the node is the only one.
    pub series: Vec<Arc<str>>,
    /// How many records.
    pub records: u32,
    /// The time of the first of them, milliseconds since 1970.
    pub first: i64,
    /// The time of the last of them.
    pub last: i64,
}

/// Why records may leave, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// They may, under this consent.
    Consent(ConsentKey),
    /// They may: they are the recipient's own.
    Own,
    /// They may: the series is open data.
    Open,
    /// They may: the recipient is on the list of the node.
    Listed,
    /// They may: the recipient published them.
    Producer,
    /// They may not.
    Denied(Denial),
}

/// Something owed that is owed no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The item's number in the journal.
    pub seq: u64,
    /// The subscription.
    pub subscription: SubscriptionKey,
    /// The consent it rested on, if it was one.
    pub consent: Option<ConsentKey>,
    /// Why.
    pub why: Why,
}

/// Why something owed was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The consent did not permit it any more at the moment of sending.
    Withheld(Denial),
    /// The consent, or the subscription, had ended.
    Ended,
    /// Its time to live was over.
    Expired,
    /// The recipient's server refused it for good, with this condition (RFC 6120 §8.3.3).
    Undeliverable(Arc<str>),
    /// The operator dropped it from the dead letters.
    Discarded(Arc<str>),
}

/// A step of a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentStep {
    /// The number of the event.
    pub event: u64,
    /// The consent's number, by which other lines name it.
    pub consent: ConsentKey,
    /// Its id.
    pub id: uuid::Uuid,
    /// Its revision.
    pub revision: u32,
    /// The person concerned.
    pub subject: Arc<str>,
    /// Who may receive.
    pub recipient: Arc<str>,
    /// SHA-256 of what was agreed to: the record without its state.
    pub terms: [u8; 32],
    /// When, milliseconds since 1970.
    pub at: i64,
    /// Where it stood before; nowhere, if it is new.
    pub from: Option<State>,
    /// Where it stands now.
    pub to: State,
    /// Who did it.
    pub actor: Arc<str>,
    /// In their words.
    pub note: Option<Arc<str>>,
}

/// A series that changed hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// The registration.
    pub series: Arc<str>,
    /// The measuring time from which the next holder counts, milliseconds since 1970.
    pub from: i64,
    /// Who held it until then.
    pub former: Option<Arc<str>>,
    /// Who holds it from then on.
    pub holder: Option<Arc<str>>,
    /// Who recorded it.
    pub actor: Arc<str>,
    /// How many records of the time that changed hands had left already.
    pub left: u64,
}

impl Ground {
    /// Whether it permits.
    pub fn permits(self) -> bool {
        !matches!(self, Ground::Denied(_))
    }
}
