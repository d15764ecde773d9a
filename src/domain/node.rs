//! What the pubsub node of a series is set to, beyond what the registration says (XEP-0060 §16.4.4).

use jid::BareJid;
use serde::{Deserialize, Serialize};

/// Settings of a node; each as the operator's default where it is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// Keep at most so many items (`pubsub#max_items`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u32>,
    /// Only those listed may subscribe and fetch (access model `whitelist`, XEP-0060 §4.5).
    #[serde(skip_serializing_if = "is_false")]
    pub whitelist: bool,
    /// Who is listed (affiliation `member`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<BareJid>,
    /// Who may do nothing here (affiliation `outcast`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcasts: Vec<BareJid>,
    /// Send as `headline`, which servers drop for accounts that are offline, or as `normal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<bool>,
    /// What it is about, in a sentence (`pubsub#description`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is in its items (`pubsub#type`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who made the node where that is not the person concerned: runs it, but decides nothing about who
    /// may have the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<BareJid>,
    /// Who runs the node beside them, by the wish of the person concerned (affiliation `owner`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<BareJid>,
    /// Which of the producers may publish and not read (affiliation `publish-only`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish_only: Vec<BareJid>,
    /// Anyone may publish (`pubsub#publish_model`).
    #[serde(skip_serializing_if = "is_false")]
    pub anyone_publishes: bool,
    /// Tell subscribers when the node is configured; no, unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_config: Option<bool>,
    /// Tell subscribers when the node goes; yes, unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_delete: Option<bool>,
    /// Tell subscribers when items go; yes, unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_retract: Option<bool>,
    /// Send the last item to whoever subscribes; yes, unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_last: Option<bool>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl NodeSettings {
    /// Whether nothing is set.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
