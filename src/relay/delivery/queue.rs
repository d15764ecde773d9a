//! What is owed, in batches.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::destination::{Destination, State};
use super::doubts::remember;
use super::{Deliveries, Step};

/// Items per batch: one barrier serves so many. Twice as many, again and again, as long as its ping is answered soon
/// and more is owed: an answer comes behind all that others send, and one batch waits for the one before it.
pub(super) const BATCH_ITEMS: usize = 512;

/// Bytes per batch: what may have to be sent again. Twice as many likewise.
const BATCH_BYTES: usize = 512 * 1024;

/// How often a batch doubles at most: to 32 MiB.
pub(super) const WIDEST: u32 = 6;

/// Items asked of the journal at once, when they are no longer in memory. Who reads them may bring fewer.
pub(super) const LOAD_ITEMS: usize = 512;

/// A destination that is owed so many items more than it was written is behind.
const BEHIND: usize = 4096;

impl Destination {
    /// What to read from the journal next.
    fn to_load(&self, is_in_memory: &impl Fn(u64) -> bool) -> Vec<u64> {
        let next = self.queue.iter().skip(self.flight).take(LOAD_ITEMS);
        next.copied().filter(|seq| !is_in_memory(*seq)).collect()
    }
}

impl Deliveries {
    /// This destination is owed this item. Items come in rising order.
    ///
    /// Returns whether it is news: what the destination has confirmed already is not.
    pub fn owe(&mut self, domain: &Arc<str>, seq: u64) -> bool {
        let destination = self.destination(domain);
        if seq <= destination.confirmed || destination.queue.back().is_some_and(|&last| last >= seq) {
            return false;
        }
        destination.queue.push_back(seq);
        let idle = destination.state == State::Idle;
        self.waiting += 1;
        if idle {
            self.list_ready(domain);
        }
        true
    }

    /// How many (item, destination) pairs wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The first item that somebody is still owed.
    pub fn floor(&self) -> Option<u64> {
        self.destinations.values().filter_map(|d| d.queue.front()).min().copied()
    }

    /// How many destinations there are.
    pub fn count(&self) -> usize {
        self.destinations.len()
    }

    /// Whether somebody is owed this item.
    pub fn is_owed(&self, seq: u64) -> bool {
        let spans = |queue: &VecDeque<u64>| {
            queue.front().is_some_and(|&first| first <= seq) && queue.back().is_some_and(|&last| last >= seq)
        };
        let mut queues = self.destinations.values().map(|destination| &destination.queue);
        queues.any(|queue| spans(queue) && queue.binary_search(&seq).is_ok())
    }

    /// What to write next, if anything. `is_in_memory` tells whether an item need not be loaded.
    pub fn next_step(&mut self, now: Duration, is_in_memory: impl Fn(u64) -> bool) -> Option<Step> {
        if !self.link {
            return None;
        }
        if self.is_trying() {
            let step = self.trial_step(now, &is_in_memory);
            if step.is_some() || self.is_trying() {
                return step;
            }
        }
        while let Some(domain) = self.ready.front().cloned() {
            if let Some(step) = self.begin_trial(&domain, now) {
                // The others have their turn before its next one.
                self.ready.rotate_left(1);
                return Some(step);
            }
            if let Some(step) = self.step_for(&domain, now, &is_in_memory) {
                return Some(step);
            }
            self.ready.pop_front();
            self.destination(&domain).listed_ready = false;
        }
        None
    }

    pub(super) fn step_for(
        &mut self,
        domain: &Arc<str>,
        now: Duration,
        is_in_memory: &impl Fn(u64) -> bool,
    ) -> Option<Step> {
        loop {
            let destination = self.destination(domain);
            let bytes = match &destination.state {
                State::Idle => 0,
                State::Filling { bytes } => *bytes,
                State::Backoff { until } if *until <= now => return Some(self.ping(domain, now, true)),
                State::Pinged(ping) | State::Probing(ping)
                    if destination.contact.is_over()
                        && !destination.answers_pings
                        && ping.fallback.is_none() =>
                {
                    return Some(self.fall_back(domain, now));
                }
                _ => return None,
            };
            let next = destination.queue.get(destination.flight).copied();
            let widened = destination.widened;
            let most = if destination.careful.is_some() { 1 } else { BATCH_ITEMS << widened };
            let full = destination.flight >= most || bytes >= BATCH_BYTES << widened;
            match next {
                Some(seq) if !full && is_in_memory(seq) => {
                    destination.state = State::Filling { bytes };
                    destination.wrote = Some(now);
                    return Some(Step::Item { domain: Arc::clone(domain), seq });
                }
                // An answer comes behind all that others send: what is read back fills the batch first.
                Some(_) if !full && bytes > 0 => {
                    let seqs = destination.to_load(is_in_memory);
                    destination.state = State::Refilling { bytes };
                    return Some(Step::Load { domain: Arc::clone(domain), seqs });
                }
                _ if bytes > 0 => return Some(self.ping(domain, now, false)),
                // All that was looked at had nothing to send any more: no barrier is needed.
                _ if destination.flight > 0 => self.confirm(domain),
                Some(_) => {
                    let seqs = destination.to_load(is_in_memory);
                    destination.state = State::Loading;
                    return Some(Step::Load { domain: Arc::clone(domain), seqs });
                }
                None => {
                    destination.state = State::Idle;
                    return None;
                }
            }
        }
    }

    /// An item was rendered for a destination: so many bytes were written for it, none if there was
    /// nothing to send.
    pub fn wrote(&mut self, domain: &Arc<str>, written: usize) {
        let destination = self.destination(domain);
        if let State::Filling { bytes } = &mut destination.state {
            *bytes = bytes.saturating_add(written);
            destination.flight += 1;
        }
    }

    /// The journal was read for a destination. `found` are the items that are there; the others are
    /// owed no more.
    pub fn loaded(&mut self, domain: &Arc<str>, asked: &[u64], found: &HashSet<u64>) {
        let destination = self.destination(domain);
        destination.state = match destination.state {
            State::Loading => State::Idle,
            State::Refilling { bytes } => State::Filling { bytes },
            _ => return,
        };
        let gone: HashSet<u64> = asked.iter().copied().filter(|seq| !found.contains(seq)).collect();
        // The queue may be long, and nearly always all is there.
        if !gone.is_empty() {
            let before = destination.queue.len();
            destination.queue.retain(|seq| !gone.contains(seq));
            let gone = before - destination.queue.len();
            self.waiting -= gone;
        }
        self.list_ready(domain);
    }

    /// Whether it is being looked whether the time of what a destination is owed is over.
    pub fn is_looking(&self, domain: &str) -> bool {
        self.destinations.get(domain).is_some_and(|d| matches!(d.state, State::Looking { .. }))
    }

    /// Of what a destination that is down is owed first, this is not worth delivering any more; `all` of what was
    /// looked at, so that there may be more. Returns what was let go.
    pub fn let_go(&mut self, domain: &Arc<str>, over: &[u64], all: bool) -> Vec<u64> {
        let destination = self.destination(domain);
        let State::Looking { until } = destination.state else { return Vec::new() };
        if all && !over.is_empty() {
            destination.looked = Duration::ZERO;
        }
        let first = destination.queue.iter().zip(over).take_while(|(held, over)| held == over);
        let gone: Vec<u64> = first.map(|(seq, _)| *seq).collect();
        destination.flight = gone.len();
        self.confirm(domain);
        self.destination(domain).state = State::Backoff { until };
        gone
    }

    /// The journal could not be read for a destination: try later. What is written of a batch is all of it then.
    pub fn load_failed(&mut self, domain: &Arc<str>, now: Duration) {
        let destination = self.destination(domain);
        if let State::Refilling { .. } = destination.state {
            destination.state = State::Filling { bytes: usize::MAX };
            self.list_ready(domain);
            return;
        }
        self.fail(domain, now);
    }

    /// Whether there is much to write to somebody at this moment.
    pub fn is_behind(&self) -> bool {
        let next = self.ready.front().and_then(|domain| self.destinations.get(domain));
        self.link && next.is_some_and(|next| next.queue.len() - next.flight >= BEHIND)
    }

    pub(super) fn confirm(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        let done: Vec<u64> = destination.queue.drain(..destination.flight).collect();
        let suspects = std::mem::take(&mut destination.suspects);
        destination.flight = 0;
        destination.state = State::Idle;
        let proof = destination.proof.take();
        (destination.strikes, destination.struck) = (0, 0);
        if let Some(&last) = done.last() {
            destination.reached = destination.reached.max(last);
            // What came back late lies far behind what is confirmed, and that far all is again.
            let next = destination.queue.front().map_or(u64::MAX, |next| next.saturating_sub(1));
            destination.confirmed = destination.reached.min(next);
            // Where nothing had to be sent, nobody says so.
            if let Some(proof) = proof {
                destination.told.retain(|(_, by)| *by != proof);
                destination.told.push((destination.confirmed, proof));
            }
            for delivery in suspects.keys() {
                remember(&mut destination.buried, *delivery);
            }
            destination.moved = true;
            if !destination.dead.is_empty() {
                destination.dead.retain(|(seq, _)| *seq > last);
            }
            if !destination.taken.is_empty() {
                destination.taken.retain(|published| published.seq > last);
            }
        }
        self.waiting -= done.len();
        self.released.extend(done);
        // Whatever the order in which they came back, the letters are in the order of the items.
        self.given_up.extend(suspects.into_values());
        self.take_back(domain);
        self.list_ready(domain);
    }
}
