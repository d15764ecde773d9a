//! Domains that have not answered any ping yet.
//!
//! Such a one is not one that never will: its server may be about to answer, or hold all in a connection that does not
//! come about. So its first batch is sent once and only the ping repeated. Where pings stay unanswered for a long time,
//! and nothing came back and one's own link did not break, one's own server's answer counts instead, until the domain
//! answers itself.

use std::sync::Arc;
use std::time::Duration;

use super::destination::{Destination, State};
use super::{Deliveries, Known, PingTo, Step};
use crate::domain::clock::Now;

/// In each run it is waited for at least so long, or the whole first contact where that is shorter: servers give up a
/// connection that does not come about within 90 s, and bring back what it was for.
const AT_LEAST: Duration = Duration::from_secs(120);

/// How it stands with one domain.
#[derive(Debug, Default)]
pub(super) struct FirstContact {
    /// Since when pings stay unanswered, in this run.
    since: Option<Duration>,
    /// How long they had before, in the last run.
    before: Duration,
    over: bool,
}

impl FirstContact {
    /// One's own server's answer counts, until it answers itself.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn know(&mut self, known: &Known, wall: i64) {
        let ago = |began: i64| Duration::from_millis(u64::try_from(wall.saturating_sub(began)).unwrap_or(0));
        self.before = known.first_contact.map_or(Duration::ZERO, ago);
        self.over = known.own_server;
    }

    /// When it began, in milliseconds since 1970.
    pub(super) fn began_at(&self, now: Now) -> Option<i64> {
        let long = now.mono.saturating_sub(self.since?).saturating_add(self.before);
        Some(now.wall.as_millisecond().saturating_sub(i64::try_from(long.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long this run waits, of so long in all.
    fn left(&self, in_all: Duration) -> Duration {
        in_all.saturating_sub(self.before).max(in_all.min(AT_LEAST))
    }
}

impl Destination {
    /// It has not answered yet, and nobody else's answer counts.
    pub(super) fn is_first_contact(&self) -> bool {
        !self.answers_pings && !self.contact.over
    }

    /// The ping behind its first batch is written.
    pub(super) fn contact_begins(&mut self, now: Duration) {
        if self.is_first_contact() {
            self.contact.since = Some(now);
            self.moved = true;
        }
    }

    /// Something came back, or one's own link broke: all begins anew.
    pub(super) fn contact_breaks(&mut self) {
        self.moved |= self.contact.since.is_some();
        self.contact.since = None;
        self.contact.before = Duration::ZERO;
    }

    /// It answered a ping itself.
    pub(super) fn answers_now(&mut self) {
        self.moved |= !self.answers_pings;
        self.answers_pings = true;
        self.contact = FirstContact::default();
    }

    /// One's own server answered for it.
    pub(super) fn contact_is_over(&mut self, domain: &str) {
        if !self.contact.over {
            tracing::warn!(
                domain,
                "this server has never answered a ping; what is sent there counts as taken when our own server took it, until it answers itself"
            );
            self.contact = FirstContact { since: None, before: Duration::ZERO, over: true };
            self.moved = true;
        }
    }
}

/// What a ping that stays unanswered leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nothing yet.
    Wait,
    /// The domain is down.
    Fail,
    /// It is asked again; what was sent stays sent.
    Repeat,
    /// One's own server is asked.
    AskOwnServer,
    /// Nothing came back for the ping that went ahead: the batch is sent.
    Send,
}

impl Deliveries {
    /// What the open ping of a destination leads to now.
    pub(super) fn unanswered(&self, destination: &Destination, now: Duration) -> Unanswered {
        let (ping, probing) = match &destination.state {
            State::Pinged(ping) => (ping, false),
            State::Probing(ping) => (ping, true),
            _ => return Unanswered::Wait,
        };
        let late = ping.asked + self.patience.ping <= now;
        if destination.answers_pings || ping.fallback.is_some() {
            return if late { Unanswered::Fail } else { Unanswered::Wait };
        }
        if destination.contact.over {
            return if late { Unanswered::AskOwnServer } else { Unanswered::Wait };
        }
        if probing {
            return if late { Unanswered::Send } else { Unanswered::Wait };
        }
        if late && !destination.doubts.is_empty() {
            return Unanswered::Fail;
        }
        if ping.sent + destination.contact.left(self.patience.first_contact) <= now {
            return Unanswered::AskOwnServer;
        }
        let wait = self.patience.ping.saturating_mul(1 << ping.repeats.min(16));
        let wait = wait.min(self.patience.retry_max.max(self.patience.ping));
        if ping.asked + wait <= now { Unanswered::Repeat } else { Unanswered::Wait }
    }

    /// Asks the domain again, behind the same batch.
    pub(super) fn repeat_ping(&mut self, domain: &Arc<str>, now: Duration) -> Step {
        self.last_ping += 1;
        let number = self.last_ping;
        let mut former = None;
        if let State::Pinged(ping) = &mut self.destination(domain).state {
            former = ping.repeated.replace(number);
            ping.asked = now;
            ping.repeats += 1;
        }
        // Its answer is still heard, as that of any ping of this run.
        if let Some(former) = former {
            self.pings.remove(&former);
        }
        self.pings.insert(number, Arc::clone(domain));
        Step::Ping { to: PingTo::Destination(Arc::clone(domain)), number }
    }
}
