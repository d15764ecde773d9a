//! How fast one sender may publish: a bucket for each, which leaks at the operator's rate.
//!
//! Kept is only when each bucket will be empty (the generic cell rate algorithm, GCRA). An empty bucket is
//! like none, so senders that pause are forgotten, and memory is bounded by those that publish at the time.

use std::collections::HashMap;
use std::time::Duration;

use jid::BareJid;

/// A burst may be so many times what comes in a second.
const BURST: u32 = 10;

/// Fewer senders than this are not looked through for idle ones.
const SWEEP_FROM: usize = 1024;

/// All buckets.
#[derive(Debug)]
pub struct Throttle {
    /// What one publish adds; none if there is no limit.
    drop: Option<Duration>,
    empty_at: HashMap<BareJid, Duration>,
    sweep_at: usize,
}

impl Throttle {
    /// So many publishes a second each, with a burst of ten times that; 0 for no limit.
    pub fn new(per_second: u32) -> Self {
        let drop = (per_second > 0).then(|| Duration::from_secs(1) / per_second);
        Throttle { drop, empty_at: HashMap::new(), sweep_at: SWEEP_FROM }
    }

    /// Whether this sender may publish now; if so, it counts.
    pub fn admit(&mut self, sender: &BareJid, now: Duration) -> bool {
        let Some(drop) = self.drop else { return true };
        let full = Duration::from_secs(u64::from(BURST));
        if let Some(empty_at) = self.empty_at.get_mut(sender) {
            let filled = (*empty_at).max(now) + drop;
            if filled > now + full {
                return false;
            }
            *empty_at = filled;
            return true;
        }
        if self.empty_at.len() >= self.sweep_at {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
            self.sweep_at = (self.empty_at.len() * 2).max(SWEEP_FROM);
        }
        self.empty_at.insert(sender.clone(), now + drop);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(number: usize) -> BareJid {
        BareJid::new(&format!("gw{number}@prod.example")).unwrap()
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let mut throttle = Throttle::new(4);
        let admitted =
            |throttle: &mut Throttle, at: Duration| (0..99).filter(|_| throttle.admit(&jid(1), at)).count();
        assert_eq!(admitted(&mut throttle, Duration::from_secs(100)), 40);
        assert!(throttle.admit(&jid(2), Duration::from_secs(100)), "others are not concerned");
        assert_eq!(admitted(&mut throttle, Duration::from_millis(100_500)), 2);
        assert_eq!(admitted(&mut throttle, Duration::from_secs(102)), 6);
        assert_eq!(
            admitted(&mut throttle, Duration::from_secs(1000)),
            40,
            "no more than a burst is saved up"
        );
    }

    #[test]
    fn none_is_no_limit() {
        let mut throttle = Throttle::new(0);
        assert!((0..10_000).all(|_| throttle.admit(&jid(1), Duration::ZERO)));
        assert!(throttle.empty_at.is_empty());
    }

    #[test]
    fn who_pauses_is_forgotten() {
        let mut throttle = Throttle::new(1);
        for number in 0..10 * SWEEP_FROM {
            assert!(throttle.admit(&jid(number), Duration::from_millis(number as u64 * 10)));
        }
        assert!(throttle.empty_at.len() <= SWEEP_FROM, "{}", throttle.empty_at.len());
    }
}
