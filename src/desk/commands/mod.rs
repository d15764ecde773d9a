//! Ad-hoc commands (XEP-0050): what people and programs ask of the service from the client they have.
//!
//! - [`engine`]: sessions, steps, errors; knows no command.
//! - [`session`]: who is in the middle of which command; bounded, and forgotten in time.
//! - [`answers`]: what was filled in, checked against the form.
//! - [`texts`]: every word that people read, in English and French.
//! - One file per command; [`Command`] is what each of them is.
//!
//! A command is a row of turns. It is called with what was filled in so far and says what to ask next, or that
//! it is done. Nothing is ever done by opening one.

pub mod answers;
pub mod engine;
pub mod session;
pub mod texts;

mod choose;
mod clients;
mod consent_add;
mod consent_edit;
mod consent_form;
mod consent_list;
mod consent_show;
mod give_consent;
mod help;
mod language;
mod listing;
mod my_consents;
mod operations;
mod pending_requests;
mod ping;
mod request_access;
mod series;
mod stepping;
mod views;
pub(crate) mod wrong;

use std::fmt;
use std::pin::Pin;

use jid::BareJid;
use jiff::Timestamp;

use self::answers::Answers;
use super::{Context, quoalise};
use crate::domain::consent::ConsentKey;
use crate::domain::language::{Language, Text};
use crate::protocol::adhoc::{Note, NoteKind};
use crate::protocol::error::StanzaError;
use crate::protocol::forms::{Form, Record, Table};
use crate::protocol::rsm::Page;

/// Who may run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anyone: everybody may be a recipient or a person concerned.
    Anyone,
    /// The operators.
    Admins,
}

/// One call of a command.
#[derive(Debug)]
pub struct Call<'a> {
    /// Store, configuration, clock.
    pub context: &'a Context,
    /// Who asks.
    pub asker: &'a BareJid,
    /// The same with the resource, as the server wrote it.
    pub full: &'a str,
    /// What they are spoken to in.
    pub language: Language,
    /// The time.
    pub now: Timestamp,
    /// How many forms were filled in so far: 0 when the command is opened.
    pub turn: usize,
    /// What was filled in so far, and what the forms had in them where nothing was said.
    pub answers: &'a Answers,
    /// Which part of a long list is wanted, where the client can say so.
    pub page: Option<&'a Page>,
    /// It is opened with a form filled in already: whoever would ask nothing must ask all the
    /// same, or what was said counts for nothing.
    pub in_one_step: bool,
}

impl Call<'_> {
    /// How values are written for the client that asks.
    fn style(&self) -> clients::Style {
        clients::style(self.full)
    }
}

/// What comes next.
#[derive(Debug)]
pub enum Turn {
    /// A form is to be filled in; `last` if the command is done with it.
    Ask {
        /// The form.
        form: Form,
        /// Whether it is the last.
        last: bool,
        /// What is to be read beside it.
        notes: Vec<Note>,
    },
    /// It is done.
    Done(Done),
    /// Somebody else is asked first; then it is done.
    Later(Later),
}

/// What a command answers when somebody else has answered. It holds its place among the questions that may be
/// under way, see [`Upstream`](super::upstream::Upstream).
pub struct Later(pub Pin<Box<dyn Future<Output = Result<Done, StanzaError>> + Send>>);

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

/// What a command that is done answers.
#[derive(Debug, Default)]
pub struct Done {
    /// What is to be read.
    pub notes: Vec<Note>,
    /// A table, which not every client shows.
    pub table: Option<Table>,
    /// What stands in `<command/>` behind it: other results, payloads.
    pub content: Vec<u8>,
    /// The consents that the content rests on: they are looked at once more when it is written.
    pub rests_on: Vec<ConsentKey>,
    /// What to answer if one of them has ended by then.
    pub otherwise: Option<StanzaError>,
}

/// Why there is no next turn.
#[derive(Debug)]
pub enum Failure {
    /// What was filled in is wrong, and this is what to do about it: the form is shown again.
    Wrong(String),
    /// Something else.
    Error(StanzaError),
}

impl From<StanzaError> for Failure {
    fn from(error: StanzaError) -> Self {
        Failure::Error(error)
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        Failure::Error(super::context::failed(&error))
    }
}

/// A turn to come.
pub type Coming<'a> = Pin<Box<dyn Future<Output = Result<Turn, Failure>> + Send + 'a>>;

/// One command.
pub trait Command: fmt::Debug + Send + Sync {
    /// Its node.
    fn node(&self) -> &'static str;

    /// What people find it by.
    fn name(&self) -> Text;

    /// Who may run it, and see it in the list.
    fn who(&self) -> Who {
        Who::Anyone
    }

    /// The FORM_TYPE of its forms (XEP-0068), if they have one.
    fn form_type(&self) -> Option<String> {
        Some(format!("urn:courant:0#{}", self.node()))
    }

    /// Whether forms of any other type are taken as well, or of none: existing clients send them.
    fn takes_any_form(&self) -> bool {
        false
    }

    /// Fields of the record that it has no field for, and that are not to be passed over when somebody says them all
    /// the same: they would think that they are changed.
    fn kept(&self) -> &'static [&'static str] {
        &[]
    }

    /// The next turn. Whatever it changes, it has waited for the relay to take it (`Context::taken`) before
    /// it is done.
    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a>;
}

/// Every command there is, in the order of the list: what operators run stands first for them, as it is what they
/// come for, and nobody else sees it.
pub static COMMANDS: &[&dyn Command] = &[
    &consent_list::ConsentList,
    &consent_show::ConsentShow,
    &consent_add::ConsentAdd,
    &consent_edit::ConsentEdit,
    &stepping::OPERATOR_SUSPENDS,
    &stepping::OPERATOR_RESUMES,
    &stepping::OPERATOR_REVOKES,
    &series::SeriesList,
    &series::SeriesAdd,
    &series::SeriesEdit,
    &series::SeriesRemove,
    &operations::QueueStatus,
    &operations::DeadLetters,
    &operations::AuditVerify,
    &my_consents::MyConsents,
    &pending_requests::PendingRequests,
    &give_consent::GiveConsent,
    &stepping::SUSPEND,
    &stepping::RESUME,
    &stepping::WITHDRAW,
    &quoalise::GetHistory,
    &quoalise::Subscribe,
    &quoalise::Unsubscribe,
    &request_access::RequestAccess,
    &my_consents::MyAccess,
    &stepping::END_ACCESS,
    &language::Choose,
    &help::Help,
    &ping::Ping,
    &pending_requests::GetPending,
];

/// The command of this node.
pub fn find(node: &str) -> Option<&'static dyn Command> {
    COMMANDS.iter().copied().find(|command| command.node() == node)
}

impl Turn {
    /// The last form.
    pub fn last(form: Form) -> Self {
        Turn::Ask { form, last: true, notes: Vec::new() }
    }

    /// A form with another behind it.
    pub fn next(form: Form) -> Self {
        Turn::Ask { form, last: false, notes: Vec::new() }
    }

    /// Done, with a sentence.
    pub fn said(text: impl Into<String>) -> Self {
        Turn::Done(Done { notes: vec![info(text)], ..Done::default() })
    }
}

impl Done {
    /// With a table, and a sentence where there is something to say.
    pub fn table(table: Table, note: Option<String>) -> Self {
        Done { notes: note.into_iter().map(info).collect(), table: Some(table), ..Done::default() }
    }

    /// With a record.
    pub fn record(record: &Record, note: Option<String>) -> Self {
        let mut done = Done { notes: note.into_iter().map(info).collect(), ..Done::default() };
        record.write(&mut done.content);
        done
    }
}

/// A note to know.
pub fn info(text: impl Into<String>) -> Note {
    Note { kind: NoteKind::Info, text: text.into() }
}
