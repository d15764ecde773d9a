//! What is delivered as a publish is acknowledged by its result, stanza by stanza.
//!
//! The barrier stays: it keeps the order and bounds what is under way, and a destination that is down is noticed
//! by it. But a batch is confirmed only when all that was published in it is answered too. What is not answered
//! in time, or cannot be taken just now, is sent again with the batch, under the same ids; what was acknowledged
//! is not. A service that takes nothing at all is waited for like a server that is down.

use std::sync::Arc;
use std::time::Duration;

use super::destination::State;
use super::{Deliveries, Suspect, wait_after};

/// The condition of what a service did not answer.
const NO_ANSWER: &str = "no-answer";

/// How often a batch is sent again for what a service cannot take just now, while it takes others.
pub(super) const TRIES_MAX: usize = 8;

/// One publish: an item, or a part of it, for one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Published {
    /// The item.
    pub seq: u64,
    /// Under which subscription.
    pub subscription: u64,
    /// Which of the deliveries owed of the item: one for each consent that it rests on.
    pub place: usize,
    /// Which of its records, where they are what a consent in reserve took over; else 0.
    pub mark: u64,
    /// Which part of it, from 0.
    pub part: usize,
}

/// Why a publish was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The stanza error condition (RFC 6120 §8.3.3).
    pub condition: String,
    /// The error is of type `wait`: the same may be taken later.
    pub waits: bool,
}

impl Refused {
    /// `service-unavailable` says that there is no service at the moment.
    fn is_transient(&self) -> bool {
        let later = [
            "recipient-unavailable",
            "remote-server-not-found",
            "remote-server-timeout",
            "resource-constraint",
            "service-unavailable",
        ];
        self.waits || later.contains(&&*self.condition)
    }
}

impl Deliveries {
    /// These were written for a destination, as part of the item that [`Deliveries::wrote`] is told of next.
    pub fn expect(&mut self, domain: &Arc<str>, published: Vec<Published>) {
        if !published.is_empty() {
            self.destination(domain).unanswered.extend(published);
        }
    }

    /// Whether a publish was acknowledged, although its batch is not confirmed.
    pub fn is_taken(&self, domain: &str, published: Published) -> bool {
        self.destinations.get(domain).is_some_and(|d| d.taken.contains(&published))
    }

    /// A publish was answered, by the service that it was sent to or in its name. What nobody waits for changes
    /// nothing.
    pub fn publish_answered(
        &mut self,
        domain: &Arc<str>,
        published: Published,
        refused: Option<Refused>,
        now: Duration,
    ) {
        let destination = self.destination(domain);
        if !destination.unanswered.remove(&published) {
            return;
        }
        let Published { seq, subscription, .. } = published;
        match refused {
            None => {
                destination.taken.insert(published);
            }
            Some(refused) => {
                let transient = refused.is_transient();
                let suspect = Suspect { seq, subscription, condition: refused.condition, transient };
                let list = if transient { &mut destination.put_off } else { &mut destination.suspects };
                list.entry(suspect.delivery()).or_insert(suspect);
            }
        }
        let destination = self.destination(domain);
        if matches!(destination.state, State::Publishing { .. }) && destination.unanswered.is_empty() {
            self.conclude(domain, now);
        }
    }

    /// The destination is there, but does not answer what was published.
    pub(super) fn give_up_waiting(&mut self, domain: &Arc<str>, now: Duration) {
        let destination = self.destination(domain);
        for Published { seq, subscription, .. } in std::mem::take(&mut destination.unanswered) {
            let condition = NO_ANSWER.to_owned();
            let suspect = Suspect { seq, subscription, condition, transient: true };
            destination.put_off.entry(suspect.delivery()).or_insert(suspect);
        }
        self.conclude(domain, now);
    }

    /// What could not be taken just now: the batch is sent again for it, or it is given up for now. Whether the
    /// batch waits.
    pub(super) fn puts_off(&mut self, domain: &Arc<str>, now: Duration) -> bool {
        let (seed, retry_max) = (self.seed ^ self.last_ping, self.patience.retry_max);
        let destination = self.destination(domain);
        if destination.put_off.is_empty() {
            destination.tries = 0;
            return false;
        }
        // As long as it takes nothing, it is not the item that it cannot take.
        if destination.taken.is_empty() || destination.tries < TRIES_MAX {
            let wait = wait_after(destination.tries, retry_max, seed);
            destination.tries += 1;
            destination.land(State::Backoff { until: now + wait });
            return true;
        }
        destination.tries = 0;
        let given_up = std::mem::take(&mut destination.put_off);
        destination.suspects.extend(given_up);
        false
    }
}
