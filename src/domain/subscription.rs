//! Where a recipient wants its data, and in which format. There is one subscription per address and node.

use std::fmt;
use std::str::FromStr;

use jid::Jid;

use super::name::Scope;

/// The number the store gave a subscription. Never used twice, so that what was queued under one that
/// ended can never be taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey(pub u64);

/// How a delivery is written (DESIGN §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// A pubsub event message with `<sensml/>` (XEP-0060 §7.1.2, RFC 8428 §7).
    #[default]
    Pubsub,
    /// The same with the payload as SenML JSON in a container (XEP-0335).
    Json,
    /// A data message of `urn:quoalise:0`.
    Quoalise,
    /// A publish to another service, acknowledged by its result (XEP-0060 §7.1).
    Publish,
}

impl Format {
    /// The words for all of them.
    pub const NAMES: [&'static str; 4] = ["pubsub", "json", "quoalise", "publish"];

    /// The word for it in the store and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Pubsub => "pubsub",
            Format::Json => "json",
            Format::Quoalise => "quoalise",
            Format::Publish => "publish",
        }
    }

    /// Whether this address can be sent that: only a service answers a publish, and what it does not answer
    /// holds up what else is for its domain.
    pub fn suits(self, jid: &Jid) -> Result<(), String> {
        if self == Format::Publish && jid.node().is_some() {
            return Err(format!(
                "the format publish is for services, which have an address without '@'; {jid} has one of {}",
                Self::NAMES.iter().filter(|name| **name != "publish").copied().collect::<Vec<_>>().join(", ")
            ));
        }
        Ok(())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pubsub" => Ok(Format::Pubsub),
            "json" => Ok(Format::Json),
            "quoalise" => Ok(Format::Quoalise),
            "publish" => Ok(Format::Publish),
            other => Err(format!("'{other}' is not a delivery format; choose {}", Self::NAMES.join(", "))),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// From where a request for consent was made by subscribing, and how what it is about is to be sent there.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// The address that is to be subscribed, an asker's own.
    pub jid: Jid,
    /// How to write it.
    pub format: Format,
}

/// A wish to be sent what is published in the series of `node`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Where to send: the address that subscribed.
    pub jid: Jid,
    /// Which series.
    pub node: Scope,
    /// How to write it.
    pub format: Format,
}
