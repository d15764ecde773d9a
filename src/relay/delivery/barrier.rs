//! The pings behind the batches, what their answers prove, and how long to wait for them.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::destination::{Ping, State};
use super::first_contact::Unanswered;
use super::queue::{LOAD_ITEMS, WIDEST};
use super::{Answer, Deliveries, PingTo, Step};
use crate::domain::disclosure::Proof;

/// How often a batch is sent again because deliveries came back although its ping was answered.
pub(super) const DOUBTS_MAX: usize = 3;

/// How long to wait for the first try after a failure.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(500);

/// A ping is answered soon within such a part of the time that it is waited for: a batch of twice the size is far from
/// being given up.
const SOON: u32 = 8;

impl Deliveries {
    pub(super) fn ping(&mut self, domain: &Arc<str>, now: Duration, probe: bool) -> Step {
        self.last_ping += 1;
        let number = self.last_ping;
        self.pings.insert(number, Arc::clone(domain));
        let ping = Ping::new(number, now);
        let destination = self.destination(domain);
        destination.state = if probe { State::Probing(ping) } else { State::Pinged(ping) };
        if !probe {
            destination.contact_begins(now);
        }
        Step::Ping { to: PingTo::Destination(Arc::clone(domain)), number }
    }

    /// Where the ping of this number went, if it is still open: only from there can its answer come.
    pub fn ping_target(&self, number: u64) -> Option<PingTo> {
        if self.is_trial_ping(number) {
            return Some(PingTo::OwnServer);
        }
        let domain = self.pings.get(&number)?;
        match &self.destinations.get(domain)?.state {
            State::Pinged(ping) | State::Probing(ping) if ping.fallback == Some(number) => {
                Some(PingTo::OwnServer)
            }
            _ => Some(PingTo::Destination(Arc::clone(domain))),
        }
    }

    /// A ping was answered. What it confirmed is in [`Self::take_released`].
    pub fn answered(&mut self, number: u64, answer: Answer, now: Duration) {
        if self.is_trial_ping(number) {
            return self.trial_answered(number, now);
        }
        let Some(domain) = self.pings.remove(&number) else { return };
        let soon = self.patience.ping / SOON;
        let destination = self.destination(&domain);
        let (ping, probing) = match &destination.state {
            State::Pinged(ping) => (ping.clone(), false),
            State::Probing(ping) => (ping.clone(), true),
            _ => return,
        };
        if !ping.is(number) {
            return;
        }
        if answer == Answer::NotReached {
            self.fail(&domain, now);
            return;
        }
        let own_server = ping.fallback == Some(number);
        if !own_server {
            destination.answers_now();
        } else if !probing {
            destination.contact_is_over(&domain);
        }
        destination.failures = 0;
        if ping.repeated == Some(number) {
            // It may have lost what came before the first.
            destination.land(State::Idle);
            self.forget_pings(&ping);
            self.take_back(&domain);
            self.list_ready(&domain);
            return;
        }
        destination.proof = Some(if own_server { Proof::OwnServer } else { Proof::RecipientServer });
        if !probing && ping.sent + soon >= now && destination.queue.len() > destination.flight {
            destination.widened = (destination.widened + 1).min(WIDEST);
        }
        self.forget_pings(&ping);
        let destination = self.destination(&domain);
        if probing {
            destination.state = State::Idle;
            self.list_ready(&domain);
            return;
        }
        if !destination.unanswered.is_empty() {
            destination.state = State::Publishing { since: now };
            return;
        }
        self.conclude(&domain, now);
    }

    /// All that can be known of the batch under way is: it is confirmed, or sent again.
    pub(super) fn conclude(&mut self, domain: &Arc<str>, now: Duration) {
        if self.puts_off(domain, now) {
            return;
        }
        let seed = self.seed ^ self.last_ping;
        let destination = self.destination(domain);
        if destination.doubts.is_empty() {
            destination.doubtful = 0;
        } else if destination.doubtful < DOUBTS_MAX {
            destination.doubtful += 1;
            let wait = wait_after(destination.doubtful - 1, RETRY_FIRST * 8, seed);
            destination.land(State::Backoff { until: now + wait });
            return;
        } else {
            destination.doubtful = 0;
            let doubts = std::mem::take(&mut destination.doubts);
            destination.suspects.extend(doubts);
        }
        self.confirm(domain);
    }

    /// This domain answered a ping of this run that nobody waits for any more: one's own server was faster, or
    /// the link broke. It confirms nothing, but from now on the domain's own word counts.
    ///
    /// The caller knows by the ping's id that it went to this domain.
    pub fn heard(&mut self, domain: &str, number: u64, answer: Answer) {
        let sent = number <= self.last_ping && answer == Answer::Taken;
        if let Some(destination) = self.destinations.get_mut(domain).filter(|_| sent) {
            destination.answers_now();
        }
    }

    pub(super) fn forget_pings(&mut self, ping: &Ping) {
        self.pings.remove(&ping.number);
        for number in [ping.repeated, ping.fallback].into_iter().flatten() {
            self.pings.remove(&number);
        }
    }

    pub(super) fn fail(&mut self, domain: &Arc<str>, now: Duration) {
        let (seed, retry_max) = (self.seed, self.patience.retry_max);
        let destination = self.destination(domain);
        let under_way = match &destination.state {
            State::Pinged(ping) | State::Probing(ping) => Some(ping.clone()),
            State::Backoff { .. } | State::Idle | State::Publishing { .. } => None,
            State::Looking { until } => {
                destination.state = State::Backoff { until: *until };
                return;
            }
            State::Filling { .. } | State::Refilling { .. } | State::Loading => Some(Ping::new(0, now)),
        };
        let Some(ping) = under_way else { return };
        destination.contact_breaks();
        let wait = wait_after(destination.failures, retry_max, seed ^ ping.number);
        destination.failures += 1;
        destination.land(State::Backoff { until: now + wait });
        self.forget_pings(&ping);
        self.take_back(domain);
    }

    /// Time passed: pings that went unanswered, waits that are over. Returns pings to write.
    pub fn tick(&mut self, now: Duration) -> Vec<Step> {
        self.tick_trial(now);
        let patience = self.patience.ping;
        let mut late = Vec::new();
        let (mut over, mut unanswered) = (Vec::new(), Vec::new());
        for (domain, destination) in &self.destinations {
            match &destination.state {
                State::Pinged(_) | State::Probing(_) => match self.unanswered(destination, now) {
                    Unanswered::Wait => {}
                    what => late.push((Arc::clone(domain), what)),
                },
                State::Publishing { since } if *since + patience <= now => {
                    unanswered.push(Arc::clone(domain))
                }
                State::Backoff { until } if *until <= now => over.push(Arc::clone(domain)),
                _ => {}
            }
        }
        let mut steps = Vec::new();
        for (domain, what) in late {
            match what {
                Unanswered::Wait => {}
                Unanswered::Fail => self.fail(&domain, now),
                Unanswered::Repeat => steps.push(self.repeat_ping(&domain, now)),
                Unanswered::AskOwnServer => steps.push(self.fall_back(&domain, now)),
                Unanswered::Send => {
                    self.land_probe(&domain);
                    self.list_ready(&domain);
                }
            }
        }
        for domain in over {
            self.list_ready(&domain);
        }
        for domain in unanswered {
            self.give_up_waiting(&domain, now);
        }
        steps.extend(self.look(now));
        steps
    }

    /// Has read, now and then, what destinations that are down are owed first: its time may be over, and as long as it
    /// is owed, nothing behind it leaves the journal.
    fn look(&mut self, now: Duration) -> Vec<Step> {
        if !self.link {
            return Vec::new();
        }
        let mut steps = Vec::new();
        for (domain, destination) in &mut self.destinations {
            let State::Backoff { until } = destination.state else { continue };
            if destination.failures > 0
                && !destination.queue.is_empty()
                && destination.looked + self.look <= now
            {
                destination.state = State::Looking { until };
                destination.looked = now;
                let seqs = destination.queue.iter().take(LOAD_ITEMS).copied().collect();
                steps.push(Step::Load { domain: Arc::clone(domain), seqs });
            }
        }
        steps
    }

    /// The ping that went ahead is not waited for any more.
    fn land_probe(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        if let State::Probing(ping) = &destination.state {
            let ping = ping.clone();
            destination.land(State::Idle);
            self.forget_pings(&ping);
        }
    }

    /// Asks one's own server instead: its answer proves that it took the batch, not that it arrived.
    pub(super) fn fall_back(&mut self, domain: &Arc<str>, now: Duration) -> Step {
        self.last_ping += 1;
        let number = self.last_ping;
        self.pings.insert(number, Arc::clone(domain));
        let destination = self.destination(domain);
        if let State::Pinged(ping) | State::Probing(ping) = &mut destination.state {
            ping.fallback = Some(number);
            ping.asked = now;
        }
        Step::Ping { to: PingTo::OwnServer, number }
    }
}

/// How long to wait after so many failures in a row: doubling, with jitter, up to `most`.
pub(in crate::relay) fn wait_after(failures: usize, most: Duration, seed: u64) -> Duration {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(most)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
        .nth(failures.min(40))
        .unwrap_or(most)
}
