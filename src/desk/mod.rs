//! The desk: everything that is not a publish and takes a look into the store. A few clerks beside the
//! relay's loop, so that nobody who asks for a list holds up a meter.
//!
//! - [`Desk`] hands each request to the clerk of its sender: what one person sends is done in order, and
//!   what belongs to them alone (the sessions of their commands) needs no lock.
//! - [`context`]: what every clerk works with, and how to be sure that the relay has taken a change.
//! - [`commands`]: ad-hoc commands (XEP-0050).
//! - [`asking`]: requests, and how they are answered; [`text`](mod@text): by a line of text,
//!   read by [`spoken`];
//!   [`notices`] and [`receipt`]: what people are told.
//! - [`hand_over`]: a series changes hands, by command or command line.
//! - [`move_notices`]: what people are told of a series that changed hands.
//! - [`waiting`]: what waits to be delivered, and what cannot be.
//! - [`pubsub`]: the pubsub service, all but publishing.
//! - [`permit`]: what of the past somebody may have; [`reducing`]: of it, reduced to periods.
//! - [`quoalise`]: the commands of Quoalise.
//! - [`upstream`]: questions that are put to others, and their answers.
//! - [`clerk`]: which request goes to which room of the desk.

pub mod asking;
pub mod clerk;
pub mod commands;
pub mod context;
pub mod hand_over;
pub mod move_notices;
pub mod notices;
pub mod permit;
pub mod pubsub;
pub mod quoalise;
pub mod receipt;
pub mod reducing;
pub mod spoken;
pub mod text;
pub mod upstream;
pub mod waiting;

use std::pin::Pin;

use jid::BareJid;
use minidom::Element;
use tokio::sync::mpsc;

use crate::domain::consent::ConsentKey;
use crate::protocol::outside::Outside;
use crate::relay::intake;
use clerk::Clerk;
pub use context::Context;

/// How many clerks there are.
const CLERKS: u64 = 4;

/// How many requests may wait for one clerk.
const QUEUE: usize = 256;

/// A stanza for the desk.
#[derive(Debug)]
pub struct Request {
    /// Addresses, id and type.
    pub outside: Outside,
    /// The bare address that the server vouches for.
    pub sender: BareJid,
    /// The whole stanza.
    pub stanza: Element,
}

/// An item that was retracted, or all of a node.
#[derive(Debug)]
pub struct Removed {
    /// The node.
    pub node: String,
    /// The item; none for all of them.
    pub item: Option<String>,
}

/// What the desk wants written.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Whole stanzas, in order.
    pub stanzas: Vec<Vec<u8>>,
    /// The consents that what is in it rests on: they are looked at once more in the moment it is written.
    pub rests_on: Vec<ConsentKey>,
    /// What to write if one of them has ended.
    pub otherwise: Vec<u8>,
    /// What was removed: published again, it is new.
    pub removed: Vec<Removed>,
}

/// An answer that comes later.
pub type Later = Pin<Box<dyn Future<Output = Outgoing> + Send>>;

/// What becomes of a request.
pub enum Said {
    /// This is to be written.
    Now(Outgoing),
    /// Somebody else is asked first; meanwhile the clerk goes on.
    Later(Later),
}

impl From<Outgoing> for Said {
    fn from(outgoing: Outgoing) -> Self {
        Said::Now(outgoing)
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(stanza: Vec<u8>) -> Self {
        let stanzas = if stanza.is_empty() { Vec::new() } else { vec![stanza] };
        Outgoing { stanzas, ..Outgoing::default() }
    }
}

/// The service's end.
#[derive(Debug)]
pub struct Desk {
    clerks: Vec<mpsc::Sender<Request>>,
}

impl Desk {
    /// Seats the clerks. They leave when this end is dropped.
    pub fn open(context: &Context) -> Self {
        let clerks = (0..CLERKS).map(|_| {
            let (requests, waiting) = mpsc::channel(QUEUE);
            tokio::spawn(Clerk::new(context.clone()).work(waiting));
            requests
        });
        Desk { clerks: clerks.collect() }
    }

    /// Hands a request over, or back if too many wait.
    pub fn put(&self, request: Request) -> Result<(), Box<Request>> {
        let place = intake::hash(request.sender.as_str().as_bytes()) % CLERKS;
        let Some(clerk) = self.clerks.get(place as usize) else { return Err(Box::new(request)) };
        clerk.try_send(request).map_err(|back| match back {
            mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request) => {
                Box::new(request)
            }
        })
    }
}
