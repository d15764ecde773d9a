//! A registered series, or a registered prefix under which its producers create series by publishing.

use jid::{BareJid, Jid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::Scope;
use super::node::NodeSettings;
use super::party::Subject;
use super::period::Period;

/// A registration: who owns the series, who may publish it, whether it is kept, whether it is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Exact, or a prefix ending in `*`.
    pub name: Scope,
    /// The person concerned, who gives and withdraws consent.
    #[serde(with = "super::consent::as_text")]
    pub owner: Subject,
    /// Bare addresses that may publish.
    #[serde(default)]
    pub producers: Vec<BareJid>,
    /// Open data: no consent is needed, and the terms say so.
    #[serde(default)]
    pub open: bool,
    /// How long items are kept for history; where absent, as the operator says; nothing where zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Period>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who keeps its history, if not Courant: what is asked of the past is passed on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Jid>,
    /// What its node is set to.
    #[serde(default, skip_serializing_if = "NodeSettings::is_usual")]
    pub node: NodeSettings,
    /// More for people and programs: unit, quantity, direction, aggregation, interval, device.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

impl Series {
    /// Whether this address may publish here.
    pub fn may_publish(&self, sender: &BareJid) -> bool {
        (self.producers.contains(sender) || self.node.anyone_publishes)
            && !self.node.outcasts.contains(sender)
    }

    /// Whether this address is on the list of a node that has one.
    pub fn lists(&self, who: &BareJid) -> bool {
        let list = &self.node;
        list.whitelist && (list.members.contains(who) || self.producers.contains(who))
    }

    /// Whether it is open data for this address: for all but those it was closed to (XEP-0060 §4.1, outcast).
    pub fn is_open_to(&self, who: &BareJid) -> bool {
        self.open && !self.node.outcasts.contains(who)
    }

    /// Whether this is the person concerned.
    pub fn is_owned_by(&self, who: &BareJid) -> bool {
        self.owner.jid() == Some(who)
    }
}
