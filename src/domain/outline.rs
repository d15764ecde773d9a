//! What of a consent decides whether something may leave, and under which terms: all that a running service
//! needs of a million of them.

use jid::BareJid;
use jiff::Timestamp;
use uuid::Uuid;

use super::consent::{Consent, Modes, State};
use super::name::Scope;
use super::party::Subject;
use super::period::Period;

/// See the module; the fields are those of [`Consent`].
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentOutline {
    /// Its id.
    pub id: Uuid,
    /// Who may receive.
    pub recipient: BareJid,
    /// The person concerned: it is about what is theirs alone.
    pub subject: Subject,
    /// Which series.
    pub scope: Vec<Scope>,
    /// The code of the purpose where there is one, else its text.
    pub purpose: Box<str>,
    /// How long the recipient may keep what it got, ISO 8601.
    pub retention: Box<str>,
    /// Delivery may happen from here,
    pub valid_from: Timestamp,
    /// until before here.
    pub valid_until: Timestamp,
    /// Measurements from here,
    pub data_from: Option<Timestamp>,
    /// until before here.
    pub data_until: Option<Timestamp>,
    /// The finest detail that may leave.
    pub granularity: Option<Period>,
    /// Be sent, fetch, or both.
    pub modes: Modes,
    /// Whether the recipient may pass it on.
    pub onward: bool,
    /// Where it stands,
    pub state: State,
    /// since when.
    pub since: Timestamp,
}

impl From<Consent> for ConsentOutline {
    fn from(consent: Consent) -> Self {
        ConsentOutline {
            id: consent.id,
            recipient: consent.recipient.clone(),
            subject: consent.subject.clone(),
            scope: consent.scope,
            purpose: consent.purpose_code.unwrap_or(consent.purpose).into(),
            retention: consent.retention.as_str().into(),
            valid_from: consent.valid_from,
            valid_until: consent.valid_until,
            data_from: consent.data_from,
            data_until: consent.data_until,
            granularity: consent.granularity,
            modes: consent.modes,
            onward: consent.onward,
            state: consent.state,
            since: consent.since,
        }
    }
}
