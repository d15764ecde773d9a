//! The outside of a stanza: all that is needed to answer it.

use super::error::StanzaError;
use super::outbox::Outbox;
use super::reply::{Kind, Reply};

/// Addresses, id and type, as the server passed them on.
#[derive(Debug, Clone)]
pub struct Outside {
    /// What it is.
    pub kind: Kind,
    /// Its `type`, empty if it has none.
    pub type_: String,
    /// Its `id`.
    pub id: Option<String>,
    /// Its `from`, as the server wrote it.
    pub from: String,
    /// Its `to`.
    pub to: String,
}

impl Outside {
    /// Whether it may be answered at all: errors and results never are, an IQ of an unknown type is
    /// (RFC 6120 §8.3.3.1).
    pub fn wants_answer(&self) -> bool {
        match self.kind {
            Kind::Iq => !matches!(&*self.type_, "result" | "error"),
            Kind::Message => !matches!(&*self.type_, "error" | "groupchat" | "headline"),
            Kind::Presence => false,
        }
    }

    /// How to answer it.
    pub fn reply(&self) -> Reply<'_> {
        Reply { kind: self.kind, to: &self.from, from: &self.to, id: self.id.as_deref() }
    }

    /// Appends the error as the answer, if it wants one.
    pub fn refuse(&self, error: &StanzaError, out: &mut Vec<u8>) {
        if self.wants_answer() && !self.from.is_empty() {
            self.reply().error(out, error);
        }
    }

    /// The same, on its way.
    pub fn refuse_in(&self, error: &StanzaError, out: &mut Outbox) {
        if self.wants_answer() && !self.from.is_empty() {
            self.reply().error_in(out, error);
        }
    }
}
