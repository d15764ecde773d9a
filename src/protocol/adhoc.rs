//! Commands as stanzas (XEP-0050).

use minidom::Element;

use super::error::{Condition, Detail, StanzaError};
use super::forms::Submission;
use super::ns;
use super::rsm::Page;
use super::text::{attribute, escape, raw};
use crate::domain::language::Language;

/// What to do with the command (XEP-0050 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on; so does who says nothing.
    Execute,
    /// Go on.
    Next,
    /// Go on, to the end.
    Complete,
    /// Back to the form before.
    Prev,
    /// No more of it.
    Cancel,
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// The command.
    pub node: String,
    /// The session, unless this opens one.
    pub session: Option<String>,
    /// What to do.
    pub action: Action,
    /// What was filled in.
    pub form: Option<Submission>,
    /// Which part of a long list is wanted (XEP-0059).
    pub page: Option<Page>,
}

impl Request {
    /// Reads `<command/>`.
    pub fn read(command: &Element) -> Result<Self, StanzaError> {
        let node = command.attr("node").unwrap_or_default().to_owned();
        let action = match command.attr("action").unwrap_or("execute") {
            "execute" | "" => Action::Execute,
            "next" => Action::Next,
            "complete" => Action::Complete,
            "prev" => Action::Prev,
            "cancel" => Action::Cancel,
            other => {
                let text = format!("'{other}' is no action of a command (XEP-0050)");
                let french = format!("« {other} » n’est pas une action de commande (XEP-0050)");
                let detail = Detail::Command("malformed-action");
                return Err(StanzaError::with(Condition::BadRequest, text, detail).or_in_french(french));
            }
        };
        let form = match command.get_child("x", ns::DATA_FORMS) {
            Some(x) => Some(Submission::read(x).ok_or_else(|| {
                bad_payload("the form is too long").or_in_french("le formulaire est trop long")
            })?),
            None => None,
        };
        Ok(Request {
            node,
            session: command.attr("sessionid").filter(|id| !id.is_empty()).map(str::to_owned),
            action,
            form,
            page: Page::read(command)?,
        })
    }
}

/// The form is not what was asked for.
pub fn bad_payload(text: impl Into<String>) -> StanzaError {
    StanzaError::with(Condition::BadRequest, text, Detail::Command("bad-payload"))
}

/// The session is not one of the asker's.
pub fn bad_session() -> StanzaError {
    let text = "there is no such session; begin the command again";
    StanzaError::with(Condition::BadRequest, text, Detail::Command("bad-sessionid"))
        .or_in_french("cette session n’existe pas ; recommencez la commande")
}

/// The session has timed out.
pub fn session_expired() -> StanzaError {
    let text = "this session has expired; begin the command again";
    StanzaError::with(Condition::NotAllowed, text, Detail::Command("session-expired"))
        .or_in_french("cette session a expiré ; recommencez la commande")
}

/// That action makes no sense here.
pub fn bad_action() -> StanzaError {
    let text = "that is not possible at this point of the command";
    StanzaError::with(Condition::BadRequest, text, Detail::Command("bad-action"))
        .or_in_french("ce n’est pas possible à cet endroit de la commande")
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A form is to be filled in; whether there is one before, and whether it is the last.
    Executing {
        /// There is a form before this one.
        back: bool,
        /// This form is the last.
        last: bool,
    },
    /// Done.
    Completed,
    /// Given up.
    Canceled,
}

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// To know.
    Info,
    /// To think of.
    Warn,
    /// It went wrong.
    Error,
}

/// A text beside the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How it is meant.
    pub kind: NoteKind,
    /// What it says.
    pub text: String,
}

/// Appends `<command/>` with what it holds besides: forms, results. All attributes are always there, since
/// strict clients read nothing without them.
pub fn write(
    out: &mut Vec<u8>,
    node: &str,
    session: &str,
    status: Status,
    language: Language,
    notes: &[Note],
    content: &[u8],
) {
    raw(out, "<command xmlns='");
    raw(out, ns::COMMANDS);
    raw(out, "'");
    attribute(out, "node", node);
    attribute(out, "sessionid", session);
    let name = match status {
        Status::Executing { .. } => "executing",
        Status::Completed => "completed",
        Status::Canceled => "canceled",
    };
    attribute(out, "status", name);
    attribute(out, "xml:lang", language.code());
    raw(out, ">");
    if let Status::Executing { back, last } = status {
        let forward = if last { "complete" } else { "next" };
        raw(out, "<actions");
        attribute(out, "execute", forward);
        raw(out, ">");
        if back {
            raw(out, "<prev/>");
        }
        raw(out, if last { "<complete/>" } else { "<next/>" });
        raw(out, "</actions>");
    }
    for note in notes {
        raw(out, "<note");
        let kind = match note.kind {
            NoteKind::Info => "info",
            NoteKind::Warn => "warn",
            NoteKind::Error => "error",
        };
        attribute(out, "type", kind);
        raw(out, ">");
        escape(out, &note.text);
        raw(out, "</note>");
    }
    out.extend_from_slice(content);
    raw(out, "</command>");
}
