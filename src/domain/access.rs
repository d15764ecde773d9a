//! *Who may have this record?* One function for all ways out: notification, last item, items, archive, history, what a
//! source answers, discovery.
//!
//! ```text
//! the holder of that time                        own
//! outcast of the node, or of one above it        nothing, by any way
//! nobody held it                                 nothing
//! publish-only                                   what consents permit
//! publisher, fetching what it published          producer (of the present tenure)
//! member or publisher of a whitelist node        listed
//! anyone, where it is open data                  open
//! all others                                     what consents permit: of the holder of that time alone
//! ```
//!
//! Who held a record, and what the node was set to, is asked of its *measuring time*: settings end with the tenure of
//! who made them.

use jiff::Timestamp;

use super::consent::Mode;
use super::decision::{self, Denial, Question, Standing};
use super::node::NodeSettings;
use super::series::Series;
use super::tenure::{Holding, Settings};

/// What an address is to a node (XEP-0060 §4.1), as far as it decides who may have its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affiliation {
    /// Runs the node; that alone gives no data.
    Owner,
    /// Publishes.
    Publisher,
    /// Publishes, and reads nothing for it.
    PublishOnly,
    /// Is on the list.
    Member,
    /// Was put off it.
    Outcast,
    /// Nothing in particular.
    None,
}

impl Affiliation {
    /// All of them.
    pub const ALL: [Affiliation; 6] = [
        Affiliation::Owner,
        Affiliation::Publisher,
        Affiliation::PublishOnly,
        Affiliation::Member,
        Affiliation::Outcast,
        Affiliation::None,
    ];

    /// As XEP-0060 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Affiliation::Owner => "owner",
            Affiliation::Publisher => "publisher",
            Affiliation::PublishOnly => "publish-only",
            Affiliation::Member => "member",
            Affiliation::Outcast => "outcast",
            Affiliation::None => "none",
        }
    }
}

/// What a node is set to over the time of a record, and what the recipient is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// What the recipient is.
    pub affiliation: Affiliation,
    /// Open data.
    pub open: bool,
    /// Only those listed.
    pub whitelist: bool,
}

impl Setting {
    /// Of a node that nothing is set of, for who is nothing to it.
    pub const CLOSED: Setting = Setting { affiliation: Affiliation::None, open: false, whitelist: false };

    /// For this address. `settings`: of the tenure, where they are not what the registration says now.
    pub fn of(series: &Series, settings: Option<&Settings>, who: &jid::BareJid) -> Self {
        let (open, node) = match settings {
            Some(settings) => (settings.open, &settings.node),
            None => (series.open, &series.node),
        };
        let affiliation = affiliation(series, node, who);
        Setting { affiliation, open, whitelist: node.whitelist }
    }
}

fn affiliation(series: &Series, node: &NodeSettings, who: &jid::BareJid) -> Affiliation {
    let produces = series.producers.contains(who);
    if node.outcasts.contains(who) {
        Affiliation::Outcast
    } else if produces && node.publish_only.contains(who) {
        Affiliation::PublishOnly
    } else if produces {
        Affiliation::Publisher
    } else if node.members.contains(who) {
        Affiliation::Member
    } else if node.owners.contains(who) || node.creator.as_ref() == Some(who) {
        Affiliation::Owner
    } else {
        Affiliation::None
    }
}

/// What decides about a record beside consents: whose it is, and what the node was set to.
#[derive(Debug, PartialEq)]
pub struct Situation<'a, S> {
    /// Who held the series when it was measured.
    pub holder: Holding<&'a S>,
    /// Consents of the holder that were given before do not cover it (see
    /// [`given_since`](super::tenure::Tenures::given_since)).
    pub given_since: Option<Timestamp>,
    /// What the node was set to then.
    pub setting: Setting,
    /// It was measured over the tenure that is the present one.
    pub is_present: bool,
}

impl<S> Clone for Situation<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Situation<'_, S> {}

/// Why a record may leave.
#[derive(Debug, PartialEq)]
pub enum Basis<'a, C> {
    /// It is the recipient's own.
    Own,
    /// The recipient published it.
    Producer,
    /// The recipient is on the list of the node.
    Listed,
    /// It is open data.
    Open,
    /// The holder consented: under its terms, in no finer detail than it says.
    Consent(&'a C),
}

impl<C> Clone for Basis<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Basis<'_, C> {}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Access<'a, C> {
    /// It may leave.
    Permit(Basis<'a, C>),
    /// It stays.
    Deny(Denial),
}

/// What is permitted without a consent; nothing where a consent is needed.
pub fn without_consent<'a, C: Standing>(
    recipient: &C::Recipient,
    situation: &Situation<'_, C::Subject>,
    mode: Mode,
) -> Option<Access<'a, C>> {
    use Affiliation::{Member, Outcast, PublishOnly, Publisher};
    let permit = |basis| Some(Access::Permit(basis));
    let Setting { affiliation, open, whitelist } = situation.setting;
    if let Holding::Held(holder) = situation.holder
        && C::is_person(recipient, holder)
    {
        return permit(Basis::Own);
    }
    match (affiliation, situation.holder) {
        (Outcast, _) => Some(Access::Deny(Denial::Outcast)),
        (_, Holding::Vacant | Holding::Unregistered) => Some(Access::Deny(Denial::NoneRegistered)),
        (PublishOnly, _) => None,
        (Publisher, _) if mode == Mode::History && situation.is_present => permit(Basis::Producer),
        (Publisher | Member, _) if whitelist => permit(Basis::Listed),
        _ if open => permit(Basis::Open),
        _ => None,
    }
}

/// Answers one question; see the module. Of several consents that permit, one is named as [`decision::decide`] says.
pub fn decide<'a, C: Standing>(
    consents: impl IntoIterator<Item = &'a C>,
    question: Question<'_, C::Recipient>,
    situation: &Situation<'_, C::Subject>,
) -> Access<'a, C> {
    if let Some(answer) = without_consent(question.recipient, situation, question.mode) {
        return answer;
    }
    match decision::decide(consents, question, situation) {
        Ok(consent) => Access::Permit(Basis::Consent(consent)),
        Err(denial) => Access::Deny(denial),
    }
}

#[cfg(test)]
mod tests;
