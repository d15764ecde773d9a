//! What came back, and what that means.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Deliveries;
use crate::domain::disclosure::Proof;

/// How many deliveries that came back late are remembered, per destination.
const LATE_MAX: usize = 10_000;

/// Remembers a delivery; the oldest makes room. Whether it is news: what is older than all that is remembered is not,
/// so that nobody has the same owed again for ever.
pub(super) fn remember(held: &mut BTreeSet<(u64, u64)>, delivery: (u64, u64)) -> bool {
    if held.len() >= LATE_MAX {
        if held.first().is_some_and(|first| delivery < *first) || held.contains(&delivery) {
            return false;
        }
        held.pop_first();
    }
    held.insert(delivery)
}

/// A delivery that came back, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The item.
    pub seq: u64,
    /// Under which subscription.
    pub subscription: u64,
    /// The stanza error condition (RFC 6120 §8.3.3).
    pub condition: String,
    /// It may succeed later.
    pub transient: bool,
}

impl Suspect {
    pub(super) fn delivery(&self) -> (u64, u64) {
        (self.seq, self.subscription)
    }
}

impl Deliveries {
    /// A message to this destination came back because it was not reached.
    ///
    /// The ping behind it decides: if that is not answered either, the destination is down. If it is, the
    /// batch is sent again, a few times; then the delivery is postponed, as nobody but its recipient can be
    /// the one who says so, and the others must not suffer from it.
    /// Where the bounce comes later than the answer, the item is owed again, once; then it is postponed too.
    pub fn not_reached(&mut self, domain: &Arc<str>, suspect: Suspect) {
        let destination = self.destination(domain);
        if destination.in_flight(suspect.seq) {
            destination.doubts.entry(suspect.delivery()).or_insert(suspect);
            return;
        }
        let (delivery, seq) = (suspect.delivery(), suspect.seq);
        if seq > destination.reached || destination.buried.contains(&delivery) {
            return;
        }
        let is_owed = destination.returned.contains(&seq) || destination.queue.binary_search(&seq).is_ok();
        if is_owed && destination.late.contains(&delivery) {
            // Another copy of it: it goes out again anyway.
            return;
        }
        if remember(&mut destination.late, delivery) {
            destination.returned.insert(seq);
            self.take_back(domain);
        } else if remember(&mut destination.buried, delivery) {
            self.given_up.push(suspect);
        }
    }

    /// Puts what came back late into the queue again, once no batch is under way.
    pub(super) fn take_back(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        if destination.flight > 0 || destination.returned.is_empty() {
            return;
        }
        let before = destination.queue.len();
        for seq in std::mem::take(&mut destination.returned) {
            if let Err(place) = destination.queue.binary_search(&seq) {
                destination.queue.insert(place, seq);
                destination.confirmed = destination.confirmed.min(seq.saturating_sub(1));
                destination.moved = true;
                // That the end moved back is told as it was told before.
                let proof = if destination.answers_pings { Proof::RecipientServer } else { Proof::OwnServer };
                destination.told.retain(|(_, by)| *by != proof);
                destination.told.push((destination.confirmed, proof));
            }
        }
        self.waiting += destination.queue.len() - before;
        self.list_ready(domain);
    }

    /// A message came back from where it was sent, unless the ping behind it says that it never got there.
    ///
    /// A server that answers pings says so before its answer; what comes later is not believed. One that never
    /// answered any is vouched for by one's own server, which knows nothing of this: then it is.
    pub fn came_back(&mut self, domain: &Arc<str>, suspect: Suspect) {
        let destination = self.destination(domain);
        if destination.in_flight(suspect.seq) {
            destination.suspects.entry(suspect.delivery()).or_insert(suspect);
            return;
        }
        let late = !destination.answers_pings && suspect.seq <= destination.reached;
        let delivery = suspect.delivery();
        if late && remember(&mut destination.buried, delivery) {
            self.given_up.push(suspect);
        }
    }
}
