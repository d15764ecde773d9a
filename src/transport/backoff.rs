//! How long to wait before the next attempt to connect: for ever, ever less often, never all at once.
//!
//! A policy only: it neither sleeps nor knows the time.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Shortest wait before jitter.
const FIRST: Duration = Duration::from_millis(200);
/// Longest wait, jitter included.
const LONGEST: Duration = Duration::from_secs(30);
/// A link that lived this long was a good one: the next attempt is a first one again.
const GOOD_LINK: Duration = Duration::from_secs(60);

/// The waits between attempts.
///
/// A link that ends early does not count as success, so that two processes of the same domain that
/// drive each other out (`conflict`) do so ever more slowly.
#[derive(Debug)]
pub struct Reconnect {
    seed: u64,
    resets: u64,
    waits: ExponentialBackoff,
}

impl Reconnect {
    /// A policy whose jitter comes from `seed`: any number in service, a fixed one in tests.
    pub fn new(seed: u64) -> Self {
        Reconnect { seed, resets: 0, waits: waits(seed) }
    }

    /// How long to wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        // The iterator has no end; if it had, its last wait would go on.
        self.waits.next().unwrap_or(LONGEST).min(LONGEST)
    }

    /// A link ended that had lived so long (from the end of its handshake).
    pub fn link_ended(&mut self, lived: Duration) {
        if lived >= GOOD_LINK {
            self.resets += 1;
            self.waits = waits(self.seed.wrapping_add(self.resets));
        }
    }
}

fn waits(seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST)
        // Jitter adds up to as much again.
        .with_max_delay(LONGEST / 2)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_go_on_for_ever() {
        let mut policy = Reconnect::new(7);
        let waits: Vec<_> = (0..1000).map(|_| policy.next_wait()).collect();
        assert!(waits[0] >= FIRST && waits[0] <= FIRST * 2, "{:?}", waits[0]);
        assert!(waits[8..].iter().all(|&w| w >= LONGEST / 2 && w <= LONGEST));
        assert_ne!(waits[20], waits[21], "jitter");
        let mut same = Reconnect::new(7);
        assert!(waits.iter().all(|&w| w == same.next_wait()));
    }

    #[test]
    fn only_a_link_that_lived_resets_them() {
        let mut policy = Reconnect::new(1);
        for _ in 0..10 {
            policy.next_wait();
        }
        policy.link_ended(Duration::from_secs(2));
        assert!(policy.next_wait() > Duration::from_secs(10));
        policy.link_ended(GOOD_LINK);
        assert!(policy.next_wait() <= FIRST * 2);
    }
}
