//! A node, and what somebody is to it.

use jid::BareJid;
use jiff::Timestamp;

use super::texts;
use crate::desk::Context;
use crate::desk::permit::Asker;
pub(super) use crate::domain::access::Affiliation;
use crate::domain::access::Setting;
use crate::domain::name::{Scope, check_name};
use crate::domain::party::Subject;
use crate::domain::period::Period;
use crate::domain::series::Series;
use crate::domain::whose::Whose;
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
    /// All registrations around it.
    pub(crate) whose: Whose,
    /// When it was looked up: who holds it is asked as of then.
    pub(crate) now: Timestamp,
}

impl Node {
    /// The node of this name, if it exists.
    pub(crate) async fn find(context: &Context, name: &str) -> Result<Option<Self>, StanzaError> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let Some(whose) = context.whose(name).await? else { return Ok(None) };
        let now = context.clock.now().wall;
        Ok(Some(Node { name: name.to_owned(), series: whose.series().clone(), whose, now }))
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
        if self.is_held_by(who) {
            return Affiliation::Owner;
        }
        match self.whose.situation_now(who, self.now).setting.affiliation {
            Affiliation::Outcast => Affiliation::Outcast,
            _ => affiliation(&self.series, who),
        }
    }

    /// The present holder.
    pub(crate) fn holder(&self) -> Option<&Subject> {
        self.whose.holder(self.now)
    }

    /// Whether this address is of the present holder.
    pub(crate) fn is_held_by(&self, who: &BareJid) -> bool {
        self.whose.is_held_by(who, self.now)
    }

    /// Whether what is measured now is open data for this address.
    pub(crate) fn is_open_to(&self, who: &BareJid) -> bool {
        let setting = self.whose.situation_now(who, self.now).setting;
        setting.open && !matches!(setting.affiliation, Affiliation::Outcast | Affiliation::PublishOnly)
    }

    /// The same node, set otherwise.
    pub(super) fn with(&self, series: Series) -> Self {
        let whose = self.whose.with(series.clone());
        Node { name: self.name.clone(), series, whose, now: self.now }
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

    /// Whether somebody may know that it is there: who runs it, publishes or is listed, who may have something of it, and
    /// who held it.
    pub(crate) fn is_seen_by(&self, asker: &Asker) -> bool {
        match self.affiliation(&asker.who) {
            Affiliation::Outcast => self.whose.is_ever_held_by(&asker.who),
            Affiliation::None => {
                self.whose.is_ever_held_by(&asker.who) || asker.sees(&self.name, &self.whose)
            }
            _ => true,
        }
    }
}

/// What somebody who does not hold it is to the nodes of a registration.
pub(super) fn affiliation(series: &Series, who: &BareJid) -> Affiliation {
    if series.node.creator.as_ref() == Some(who) || series.node.owners.contains(who) {
        return Affiliation::Owner;
    }
    Setting::of(series, None, who).affiliation
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
