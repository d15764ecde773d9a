//! What each destination was sent, and has confirmed.
//!
//! Neither component streams nor server-to-server links acknowledge anything, and both lose stanzas
//! silently. So every destination (a recipient's server domain) gets its own barrier: a batch of messages,
//! then a ping (XEP-0199) to that domain. Streams keep order per pair of domains, so the answer proves that
//! the server took the whole batch, and only then the destination's cursor moves. One batch is under way
//! per destination; what no answered ping covers is sent again, before anything later.
//!
//! - `destination`: one recipient's server domain, and what it is doing.
//! - `queue`: what is owed, in batches.
//! - `barrier`: the pings behind them.
//! - `first_contact`: domains that have not answered any ping yet.
//! - `doubts`: what came back.
//! - `published`: what services acknowledge themselves.
//! - `trial`: what may have made one's own server end the stream.

mod barrier;
mod destination;
mod doubts;
mod first_contact;
mod published;
mod queue;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::barrier::wait_after;
use self::destination::{Destination, State};
pub use self::doubts::Suspect;
pub use self::published::{Published, Refused};
pub use self::trial::OwedTo;
use self::trial::Trials;
use crate::domain::clock::Now;
use crate::domain::disclosure::Proof;
use crate::store::journal::Destination as Known;

/// How often it is looked, at most, what destinations that are down are owed.
const LOOK: Duration = Duration::from_secs(600);

/// What the state machine wants written next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Render this item for this destination, then call [`Deliveries::wrote`].
    Item {
        /// The destination.
        domain: Arc<str>,
        /// The item.
        seq: u64,
    },
    /// Write a ping with this number.
    Ping {
        /// To this domain.
        to: PingTo,
        /// Its number, unlike any other of this process.
        number: u64,
    },
    /// These items are no longer in memory: read them from the journal, then call
    /// [`Deliveries::loaded`].
    Load {
        /// The destination that waits for them.
        domain: Arc<str>,
        /// Which.
        seqs: Vec<u64>,
    },
}

/// Where a ping goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingTo {
    /// The destination.
    Destination(Arc<str>),
    /// One's own server.
    OwnServer,
}

/// What came back for a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A result, or that domain's own word that it does not know pings: it took what came before.
    Taken,
    /// It was not reached, or somebody on the way spoke for it.
    NotReached,
}

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For the answer to a ping.
    pub ping: Duration,
    /// Between tries, at most.
    pub retry_max: Duration,
    /// For the first answer of a domain, before one's own server's counts instead.
    pub first_contact: Duration,
}

/// Up to which item a destination has taken everything, and who says so.
pub type Confirmed = (Arc<str>, u64, Proof);

/// All destinations.
#[derive(Debug)]
pub struct Deliveries {
    patience: Patience,
    /// In order, so that the same events are followed by the same steps.
    destinations: BTreeMap<Arc<str>, Destination>,
    ready: VecDeque<Arc<str>>,
    pings: HashMap<u64, Arc<str>>,
    last_ping: u64,
    waiting: usize,
    released: Vec<u64>,
    given_up: Vec<Suspect>,
    trials: Trials,
    link: bool,
    /// How often it is looked whether the time of what a destination that is down is owed is over.
    look: Duration,
    /// For jitter; the same seed gives the same waits.
    seed: u64,
}

impl Deliveries {
    /// None yet; the link is down.
    pub fn new(patience: Patience, seed: u64) -> Self {
        Deliveries {
            patience,
            destinations: BTreeMap::new(),
            ready: VecDeque::new(),
            pings: HashMap::new(),
            last_ping: 0,
            waiting: 0,
            released: Vec::new(),
            given_up: Vec::new(),
            trials: Trials::default(),
            link: false,
            look: LOOK,
            seed,
        }
    }

    /// What is owed is worth delivering for so long: what is older is looked for at destinations that are down.
    pub fn look_for_expired(&mut self, time_to_live: Duration) {
        self.look = time_to_live.clamp(Duration::from_secs(1), LOOK);
    }

    /// Takes in what the store knows of a destination; `wall` is now, in milliseconds since 1970.
    pub fn know(&mut self, known: &Known, wall: i64) {
        let destination = self.destination(&known.domain.as_str().into());
        destination.confirmed = known.confirmed;
        destination.reached = known.confirmed;
        destination.answers_pings = known.answers_pings;
        destination.contact.know(known, wall);
    }

    /// Takes in how far a destination is.
    pub fn know_confirmed(&mut self, domain: &Arc<str>, seq: u64) {
        let destination = self.destination(domain);
        destination.confirmed = seq;
        destination.reached = seq;
    }

    /// A destination is known to answer pings, from elsewhere.
    pub fn learn(&mut self, domain: &Arc<str>) {
        self.destination(domain).answers_now();
    }

    /// How much waits for a destination.
    pub fn owed_to(&self, domain: &str) -> usize {
        self.destinations.get(domain).map_or(0, |destination| destination.queue.len())
    }

    /// Forgets destinations of which nothing is owed, if there are more than so many.
    pub fn forget_idle(&mut self, most: usize) {
        if self.destinations.len() <= most {
            return;
        }
        let idle =
            |d: &Destination| d.queue.is_empty() && d.state == State::Idle && !d.moved && !d.listed_ready;
        let mut idle: Vec<(u64, Arc<str>)> = (self.destinations.iter())
            .filter(|(_, destination)| idle(destination))
            .map(|(domain, destination)| (destination.reached, Arc::clone(domain)))
            .collect();
        idle.sort_unstable();
        idle.truncate(self.destinations.len() - most / 2);
        for (_, domain) in idle {
            self.destinations.remove(&domain);
        }
    }

    /// Notes a delivery that was given up before.
    pub fn know_dead(&mut self, domain: &Arc<str>, seq: u64, subscription: u64) {
        self.destination(domain).dead.insert((seq, subscription));
    }

    /// The link to one's own server is there again: everything unconfirmed is sent again.
    pub fn link_up(&mut self) {
        self.link = true;
        let all: Vec<Arc<str>> = self.destinations.keys().cloned().collect();
        for domain in all {
            self.take_back(&domain);
            self.list_ready(&domain);
        }
    }

    /// The link is lost, and with it every batch under way.
    pub fn link_down(&mut self) {
        self.link = false;
        self.end_trial();
        self.pings.clear();
        for destination in self.destinations.values_mut() {
            let state = match destination.state {
                State::Backoff { until } | State::Looking { until } => State::Backoff { until },
                State::Loading | State::Refilling { .. } => State::Loading,
                State::Probing(_) => State::Backoff { until: Duration::ZERO },
                _ => State::Idle,
            };
            destination.land(state);
            // What one's own server held may be lost with it.
            destination.contact_breaks();
        }
    }

    /// Whether a domain has ever answered a ping of ours.
    pub fn answers_pings(&self, domain: &str) -> bool {
        self.destinations.get(domain).is_some_and(|d| d.answers_pings)
    }

    /// Whether a batch is written and not yet confirmed.
    pub fn is_under_way(&self) -> bool {
        self.destinations.values().any(|d| {
            !matches!(
                d.state,
                State::Idle
                    | State::Loading
                    | State::Backoff { .. }
                    | State::Looking { .. }
                    | State::Probing(_)
            )
        })
    }

    /// Whether any destination got further since [`Self::take_moved`].
    pub fn has_moved(&self) -> bool {
        self.destinations.values().any(|destination| destination.moved)
    }

    /// Whether any delivery to this destination was given up.
    pub fn has_dead(&self, domain: &str) -> bool {
        self.destinations.get(domain).is_some_and(|d| !d.dead.is_empty() || !d.buried.is_empty())
    }

    /// Whether a delivery was given up.
    pub fn is_dead(&self, domain: &str, seq: u64, subscription: u64) -> bool {
        let delivery = (seq, subscription);
        self.destinations
            .get(domain)
            .is_some_and(|d| d.dead.contains(&delivery) || d.buried.contains(&delivery))
    }

    /// The items that a destination needs no more, once for each such destination.
    pub fn take_released(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.released)
    }

    /// Deliveries that are given up: to be kept as dead letters.
    pub fn take_given_up(&mut self) -> Vec<Suspect> {
        std::mem::take(&mut self.given_up)
    }

    /// The destinations that got further since the last call.
    pub fn take_moved(&mut self, now: Now) -> Vec<Known> {
        let mut moved = Vec::new();
        for (domain, destination) in &mut self.destinations {
            if std::mem::take(&mut destination.moved) {
                moved.push(Known {
                    domain: domain.to_string(),
                    confirmed: destination.confirmed,
                    answers_pings: destination.answers_pings,
                    first_contact: destination.contact.began_at(now),
                    own_server: destination.contact.is_over(),
                });
            }
        }
        moved
    }

    /// What was taken by [`Self::take_moved`] could not be written: it is still news.
    pub fn put_back_moved(&mut self, moved: &[Known]) {
        for known in moved {
            self.destination(&known.domain.as_str().into()).moved = true;
        }
    }

    /// Up to where destinations have confirmed, since the last call.
    pub fn take_confirmed(&mut self) -> Vec<Confirmed> {
        let mut confirmed = Vec::new();
        for (domain, destination) in self.destinations.iter_mut().filter(|(_, d)| !d.told.is_empty()) {
            confirmed.extend(destination.told.drain(..).map(|(seq, proof)| (Arc::clone(domain), seq, proof)));
        }
        confirmed
    }

    /// What was taken by [`Self::take_confirmed`] could not be written: it is still news.
    pub fn put_back_confirmed(&mut self, confirmed: Vec<Confirmed>) {
        for (domain, seq, proof) in confirmed.into_iter().rev() {
            let told = &mut self.destination(&domain).told;
            // What the same one said later says this too.
            if told.first().is_none_or(|(_, first)| *first != proof) {
                told.insert(0, (seq, proof));
            }
        }
    }

    fn list_ready(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        let nothing = destination.queue.is_empty() && destination.state == State::Idle;
        if !destination.listed_ready && !nothing {
            destination.listed_ready = true;
            self.ready.push_back(Arc::clone(domain));
        }
    }

    fn destination(&mut self, domain: &Arc<str>) -> &mut Destination {
        self.destinations.entry(Arc::clone(domain)).or_default()
    }
}
