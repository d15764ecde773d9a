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
