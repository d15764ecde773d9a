//! A node, and what somebody is to it.

use jid::BareJid;
use jiff::Timestamp;

use super::texts;
use crate::desk::Context;
use crate::desk::context::failed;
use crate::domain::consent::{Consent, ConsentKey};
use crate::domain::name::{Scope, check_name};
use crate::domain::party::Subject;
use crate::domain::period::Period;
use crate::domain::series::Series;
use crate::protocol::error::{Condition, Detail, StanzaError};

/// How long a node keeps items that is told to keep some, but not how long.
pub(super) const KEEP: &str = "P1Y";

/// A series that exists: registered itself, or under a registered prefix.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// The registration that it falls under.
    pub(crate) series: Series,
    /// When it was looked up: who holds it is asked as of then.
    pub(crate) now: Timestamp,
}

/// What somebody is to a node (XEP-0060 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affiliation {
    Owner,
    Publisher,
    PublishOnly,
    Member,
    Outcast,
    None,
}

impl Affiliation {
    /// All of them.
    pub(super) const ALL: [Affiliation; 6] = [
        Affiliation::Owner,
        Affiliation::Publisher,
        Affiliation::PublishOnly,
        Affiliation::Member,
        Affiliation::Outcast,
        Affiliation::None,
    ];

    pub(super) fn as_str(self) -> &'static str {
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

impl Node {
    /// The node of this name, if it exists.
    pub(crate) async fn find(context: &Context, name: &str) -> Result<Option<Self>, StanzaError> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let registrations = context.store.registrations_of(name).await.map_err(|e| failed(&e))?;
        let Some(series) = registrations.into_iter().next() else { return Ok(None) };
        Ok(Some(Node { name: name.to_owned(), series, now: context.clock.now().wall }))
    }

    /// The node, if it is there and the asker runs it. Whether it is there is nobody else's business.
    pub(super) async fn run_by(context: &Context, name: &str, who: &BareJid) -> Result<Self, StanzaError> {
        match Self::find(context, name).await? {
            Some(node) if node.affiliation(who) == Affiliation::Owner => Ok(node),
            // Operators see every series, so nothing is given away.
            None if context.is_admin(who) => Err(no_node(name)),
            _ => Err(StanzaError::said(Condition::Forbidden, texts::OWNER_ONLY, &[("node", &cut(name))])),
        }
    }

    /// What somebody is to it.
    pub(super) fn affiliation(&self, who: &BareJid) -> Affiliation {
        affiliation(&self.series, who, self.now)
    }

    /// The present holder.
    pub(crate) fn holder(&self) -> Option<&Subject> {
        self.series.holder(self.now)
    }

    /// Whether it has a registration of its own, which can be changed without changing others.
    pub(super) fn is_registered_itself(&self) -> bool {
        matches!(&self.series.name, Scope::Exact(name) if **name == *self.name)
    }

    /// How long its items are kept.
    pub(crate) fn retention(&self, context: &Context) -> Period {
        self.series.retention.clone().unwrap_or_else(|| context.config.pubsub.retention.clone())
    }

    /// Whether its items are kept at all.
    pub(crate) fn keeps_items(&self, context: &Context) -> bool {
        !self.retention(context).nominal().is_zero()
    }

    /// Whether this address was put off it.
    pub(crate) fn excludes(&self, who: &BareJid) -> bool {
        self.affiliation(who) == Affiliation::Outcast
    }

    /// Whether somebody may know that it is there.
    pub(crate) fn is_seen_by(
        &self,
        who: &BareJid,
        consents: &[(ConsentKey, Consent)],
        now: Timestamp,
    ) -> bool {
        self.series.is_open_to(who, self.now)
            || !matches!(self.affiliation(who), Affiliation::None | Affiliation::Outcast)
            || consents
                .iter()
                .any(|(_, c)| c.covers(&self.name) && c.is_about(self.holder()) && c.is_live(now))
    }
}

/// What somebody is to the nodes of a registration.
pub(super) fn affiliation(series: &Series, who: &BareJid, now: Timestamp) -> Affiliation {
    if series.is_run_by(who, now) {
        Affiliation::Owner
    } else if series.only_publishes(who, now) {
        Affiliation::PublishOnly
    } else if series.producers.contains(who) {
        Affiliation::Publisher
    } else if series.node.outcasts.contains(who) {
        Affiliation::Outcast
    } else if series.node.members.contains(who) {
        Affiliation::Member
    } else {
        Affiliation::None
    }
}

/// The value of `node`, which the request must have.
pub(super) fn required(node: Option<&str>) -> Result<&str, StanzaError> {
    node.filter(|node| !node.is_empty()).ok_or_else(|| {
        StanzaError::said(Condition::BadRequest, texts::NO_NODE_NAMED, &[])
            .because(Detail::Pubsub("nodeid-required"))
    })
}

/// To who was put off a node.
pub(crate) fn excluded() -> StanzaError {
    StanzaError::said(Condition::Forbidden, texts::EXCLUDED, &[])
}

/// To who may publish to a node, and nothing else.
pub(super) fn publishes_only() -> StanzaError {
    StanzaError::said(Condition::Forbidden, texts::PUBLISHES_ONLY, &[])
}

/// To who may know that it is not there.
pub(super) fn no_node(name: &str) -> StanzaError {
    StanzaError::said(Condition::ItemNotFound, texts::NO_NODE, &[("node", &cut(name))])
}

/// To who changes what somebody else has changed since it was looked at.
pub(super) fn changed_meanwhile() -> StanzaError {
    StanzaError::said(Condition::ResourceConstraint, texts::CHANGED_MEANWHILE, &[])
}

/// Of a `jid` that is none.
pub(super) fn not_an_address() -> StanzaError {
    StanzaError::said(Condition::BadRequest, texts::NOT_AN_ADDRESS, &[])
        .because(Detail::Pubsub("invalid-jid"))
}

/// Foreign text in an answer is kept short.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
