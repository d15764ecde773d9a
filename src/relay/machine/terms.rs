//! What goes into the relay and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use jid::BareJid;

use super::super::delivery::Patience;
use super::super::intake::Refusal;
use super::super::repetitions::Key;
use crate::protocol::publish::Payload;

/// What the relay needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The component's address, `from` of all that leaves.
    pub jid: String,
    /// The domain of one's own server.
    pub own_server: String,
    /// Unlike any other installation's; part of stanza ids.
    pub installation: String,
    /// Unlike any other run's of this installation; part of ping ids.
    pub run: String,
    /// Deliveries are of type `headline`, which servers drop for accounts that are offline.
    pub headline: bool,
    /// How often one sender may publish in a second; 0 for no limit.
    pub publishes_per_second: u32,
    /// The most records in one pack.
    pub pack_records: usize,
    /// The most (item, destination) pairs that may wait.
    pub queue_packs: usize,
    /// The most items that are known again when they are published again.
    pub repetitions: usize,
    /// What they are hashed with.
    pub repetition_key: Key,
    /// How long an item is worth delivering.
    pub time_to_live: Duration,
    /// How long items of series are kept that do not say.
    pub retention: Duration,
    /// How long to wait for what.
    pub patience: Patience,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The sender's full address, as it came.
    pub from: String,
    /// The address it wrote to.
    pub to: String,
    /// The stanza's id, if it has one.
    pub id: Option<String>,
    /// An IQ is answered always, a message only when it is refused.
    pub is_iq: bool,
}

/// A publish as the router hands it over.
#[derive(Debug)]
pub struct Publish<'a> {
    /// Where the answer goes.
    pub reply_to: ReplyTo,
    /// The bare address that the server vouches for.
    pub sender: BareJid,
    /// The node; none for a pack whose records name their series.
    pub node: Option<String>,
    /// Item ids and payloads. Without a node, one payload.
    pub items: Vec<(Option<String>, Payload<'a>)>,
}

/// A node and an item on it.
pub type ItemId = (Arc<str>, Arc<str>);

/// A publish whose fate is known.
#[derive(Debug, PartialEq)]
pub struct Settled {
    /// Where the answer goes.
    pub reply_to: ReplyTo,
    /// The items kept, as (node, item id), or why not.
    pub outcome: Result<Vec<ItemId>, Refusal>,
}

/// What came back for a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    /// The id of the message.
    pub id: String,
    /// From whom: the address it was sent to.
    pub from: BareJid,
    /// The stanza error condition (RFC 6120 §8.3.3).
    pub condition: String,
}

/// What goes its own way to each destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lane {
    /// Items.
    #[default]
    Items,
    /// Notices to people and recipients.
    Notices,
}

impl Lane {
    /// What the ids of its pings begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Lane::Items => "b-",
            Lane::Notices => "n-",
        }
    }
}

/// Rows to read from the journal for a destination.
#[derive(Debug, PartialEq)]
pub struct Load {
    /// For what of it.
    pub lane: Lane,
    /// Who waits for them.
    pub domain: Arc<str>,
    /// Which.
    pub seqs: Vec<u64>,
}

/// What the relay has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items accepted and kept.
    pub accepted: u64,
    /// Items that were known already.
    pub repeated: u64,
    /// Publishes refused.
    pub refused: u64,
    /// Messages written, again ones too.
    pub sent: u64,
    /// Deliveries that came back for good.
    pub dead: u64,
    /// Deliveries dropped because their time to live was over.
    pub expired: u64,
    /// Deliveries dropped because the consent or the subscription had ended.
    pub withheld: u64,
    /// Dead letters owed again.
    pub revived: u64,
}
