//! Deliveries that came back although their server answers pings, and that may succeed later: kept as dead
//! letters that are tried again by themselves, ever less often, as long as the item is worth delivering.
//!
//! The others at the same server must not wait for such a recipient, nor be sent everything again because of
//! it. So what comes later for the same subscription is not tried before: it joins the letters, in order.

use std::collections::HashMap;
use std::time::Duration;

use super::delivery::wait_after;

/// Subscriptions remembered.
const KEPT: usize = 10_000;

/// The first wait is as if so many tries had failed: several have.
const TRIED: usize = 4;

/// After so long without a postponement it is the first one again.
const FORGET: Duration = Duration::from_secs(86_400);

/// Within so long after a start what is due is taken up.
const SOON: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Postponed {
    until: Duration,
    tries: usize,
    /// Its letters were taken up again.
    taken_up: bool,
}

/// Whose deliveries wait.
#[derive(Debug, Default)]
pub(super) struct PostponedDeliveries {
    by_subscription: HashMap<u64, Postponed>,
}

impl PostponedDeliveries {
    /// Whether deliveries under this subscription are to join the letters.
    pub(super) fn holds(&self, subscription: u64, now: Duration) -> bool {
        self.by_subscription.get(&subscription).is_some_and(|held| !held.taken_up && now < held.until)
    }

    /// Whether nobody's wait.
    pub(super) fn is_empty(&self) -> bool {
        self.by_subscription.is_empty()
    }

    /// One waits since an earlier run, for so long still; no longer than any, should the clock have stepped.
    pub(super) fn know(&mut self, subscription: u64, left: Duration, now: Duration, most: Duration) {
        if self.by_subscription.len() < KEPT {
            let until = now + left.clamp(SOON, most.saturating_mul(2).saturating_add(SOON));
            self.by_subscription.insert(subscription, Postponed { until, tries: 1, taken_up: false });
        }
    }

    /// Another one waits; gives how long.
    pub(super) fn postpone(&mut self, subscription: u64, now: Duration, most: Duration) -> Duration {
        if self.by_subscription.len() >= KEPT {
            self.by_subscription.retain(|_, held| held.until + FORGET > now);
        }
        if self.by_subscription.len() >= KEPT && !self.by_subscription.contains_key(&subscription) {
            return most;
        }
        let fresh = Postponed { until: now, tries: 0, taken_up: true };
        let held = self.by_subscription.entry(subscription).or_insert(fresh);
        if held.taken_up || held.until <= now {
            if held.until + FORGET <= now {
                held.tries = 0;
            }
            held.until = now + wait_after(held.tries + TRIED, most, subscription ^ now.as_secs());
            held.tries += 1;
            held.taken_up = false;
        }
        held.until.saturating_sub(now)
    }

    /// Its letters are tried again.
    pub(super) fn take_up(&mut self, subscription: u64) {
        if let Some(held) = self.by_subscription.get_mut(&subscription) {
            held.taken_up = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_the_later_ones_join() {
        let mut postponed = PostponedDeliveries::default();
        let (most, mut now) = (Duration::from_secs(300), Duration::from_secs(1));
        assert!(!postponed.holds(7, now));
        let first = postponed.postpone(7, now, most);
        assert!(postponed.holds(7, now) && !postponed.holds(8, now));
        now += Duration::from_secs(1);
        assert_eq!(postponed.postpone(7, now, most), first - Duration::from_secs(1), "one joins the other");
        postponed.take_up(7);
        assert!(!postponed.holds(7, now), "they are on their way");
        let second = postponed.postpone(7, now, most);
        assert!(second > first, "{first:?} {second:?}");
        for _ in 0..20 {
            now += Duration::from_secs(700);
            assert!(!postponed.holds(7, now));
            assert!(postponed.postpone(7, now, most) <= most * 2);
        }
        now += FORGET * 2;
        assert!(postponed.postpone(7, now, most) < second);
    }
}
