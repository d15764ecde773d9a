//! When which rows of the journal go that nobody needs any more: little by little, as others come.
//!
//! A row stays for a while (`KEEP`) after all before it and it were delivered, and its item is known so long
//! ([`super::repetitions`]). Where much comes in as much goes out again; all rows of a second in one commit would hold
//! up everybody who waits for it. So each few hundred rows that come take as many with them, and twice as many while
//! there are more. What that passes over (rows that a dead letter names), and what is left when nothing comes any more,
//! is looked for now and then from the first row on.
//!
//! Time is counted from the start, whatever the clock on the wall says: what an earlier run delivered is taken for
//! delivered at the start.

use std::collections::VecDeque;
use std::time::Duration;

use crate::store::journal::Prune;

/// How long a delivered row stays unless it is said, so that an item published again is known again.
const KEEP: Duration = Duration::from_secs(600);

/// So many rows that came take others with them, unless it is said.
const OFTEN: u64 = 256;

/// At most so many go at once.
const AT_ONCE: u64 = 4096;

/// Between two looks from the first row on.
const LOOK: Duration = Duration::from_secs(10);

/// Time of which one mark is kept.
const MARK: Duration = Duration::from_secs(1);

/// The most marks; beyond, the last one stands for all that come.
const MARKS_MAX: usize = 4096;

/// Rows up to `seq` were all delivered at `until` or before, from about `began` on.
#[derive(Debug)]
struct Mark {
    began: Duration,
    until: Duration,
    seq: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pruning {
    /// So many rows that came take others with them.
    pub(super) often: u64,
    /// How long a delivered row stays.
    pub(super) keep: Duration,
    marks: VecDeque<Mark>,
    /// Up to here all were delivered.
    free: u64,
    /// Up to here all were delivered long enough ago.
    due: u64,
    /// The same at the last look: a look leaves the others to those that go with them in their turn.
    due_before: u64,
    /// Up to here they went, and before the last time.
    done: u64,
    before: u64,
    /// The last number when rows went last.
    at: u64,
    /// When it was looked from the first row on.
    looked: Duration,
}

impl Pruning {
    /// Of a journal that handed out this number last.
    pub(super) fn new(last: u64) -> Self {
        Pruning { often: OFTEN, keep: KEEP, at: last, done: last, before: last, ..Pruning::default() }
    }

    /// Up to here all is over: what a dead letter does not name goes, and is not known any more.
    pub(super) fn over(&self) -> u64 {
        self.due.min(self.free)
    }

    /// The journal has this row from before; rows up to `pruned` were over then.
    pub(super) fn know(&mut self, seq: u64, pruned: u64) {
        self.done = self.done.min(seq.saturating_sub(1));
        (self.due, self.free) = (self.due.max(pruned), self.free.max(pruned));
    }

    /// Notes that by now all is delivered up to `free`. What came back may be owed again.
    pub(super) fn delivered(&mut self, at: Duration, free: u64) {
        self.free = free;
        while self.marks.back().is_some_and(|mark| mark.seq > free) {
            self.marks.pop_back();
        }
        let is_full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some(mark) if free <= mark.seq => {}
            Some(mark) if at < mark.began + MARK || is_full => (mark.until, mark.seq) = (at, free),
            _ if free <= self.due => {}
            _ => self.marks.push_back(Mark { began: at, until: at, seq: free }),
        }
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.until + self.keep <= at) {
            self.due = mark.seq;
        }
    }

    /// What is to go with the next commit, if anything. `last` is the last number.
    pub(super) fn next(&mut self, at: Duration, last: u64) -> Option<Prune> {
        let over = self.over();
        if at >= self.looked + LOOK {
            self.looked = at;
            let upto = self.due_before.min(over);
            self.due_before = over;
            if upto > 0 {
                return Some(Prune::First { upto });
            }
        }
        let came = last - self.at;
        let end = over.min(self.done + (2 * came).min(AT_ONCE));
        if came < self.often {
            return None;
        }
        if end <= self.done {
            // What came while nothing was old enough makes no haste later.
            self.at = last - self.often;
            return None;
        }
        self.at = last;
        self.before = self.done;
        self.done = end;
        Some(Prune::Range { after: self.before, upto: end })
    }

    /// The commit that should have taken them failed.
    pub(super) fn failed(&mut self) {
        self.done = self.done.min(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn as_many_go_as_come_ten_minutes_later() {
        let mut pruning = Pruning::new(0);
        let (mut gone, mut last) = (0, 0);
        for second in 0..2000 {
            for _ in 0..20 {
                last += 300;
                pruning.delivered(at(second), last - 300);
                match pruning.next(at(second), last) {
                    Some(Prune::Range { after, upto }) => {
                        assert_eq!(after, gone, "one range behind the other");
                        assert!(upto - after <= 2000, "{}", upto - after);
                        gone = upto;
                    }
                    Some(Prune::First { upto }) => {
                        let of_ten_minutes = 610 * 6000;
                        assert!(last - upto >= of_ten_minutes - 6000, "those go in their turn");
                    }
                    None => {}
                }
            }
            let of_ten_minutes = 600 * 6000;
            assert!(last - gone >= of_ten_minutes.min(last), "none goes too early");
            if second > 610 {
                assert!(last - gone <= of_ten_minutes + 4 * 6000, "{second}: {}", last - gone);
            }
        }
    }

    #[test]
    fn what_is_owed_stays_and_what_failed_goes_again() {
        let mut pruning = Pruning::new(0);
        pruning.looked = at(1700);
        pruning.delivered(at(0), 0);
        assert!(pruning.next(at(700), 1000).is_none(), "all is owed");
        let range = |prune| match prune {
            Some(Prune::Range { after, upto }) => (after, upto),
            other => panic!("{other:?}"),
        };
        pruning.delivered(at(700), 400);
        pruning.delivered(at(710), 1000);
        assert!(pruning.next(at(1299), 1300).is_none(), "accepted long ago, delivered just now");
        pruning.delivered(at(1300), 1300);
        assert_eq!(range(pruning.next(at(1300), 1600)), (0, 400));
        pruning.failed();
        pruning.delivered(at(1310), 1600);
        assert_eq!(range(pruning.next(at(1310), 1900)), (0, 600));
        assert!(pruning.next(at(1310), 2000).is_none(), "few came");
        assert_eq!(range(pruning.next(at(1310), 2200)), (600, 1000), "what came since is young");
    }

    #[test]
    fn what_is_owed_again_stays_as_long_again() {
        let mut pruning = Pruning::new(0);
        pruning.delivered(at(0), 10);
        pruning.delivered(at(5), 20);
        pruning.delivered(at(300), 15);
        pruning.delivered(at(400), 20);
        pruning.delivered(at(600), 20);
        assert_eq!(pruning.over(), 10);
        pruning.delivered(at(899), 20);
        assert_eq!(pruning.over(), 10);
        pruning.delivered(at(1000), 20);
        assert_eq!(pruning.over(), 20);
        pruning.delivered(at(1001), 12);
        assert_eq!(pruning.over(), 12, "what is owed is never over");
    }

    #[test]
    fn an_idle_service_looks_from_the_first_row_on() {
        let mut pruning = Pruning::new(5);
        let mut looks = Vec::new();
        for second in 1..=640 {
            pruning.delivered(at(second), 5);
            looks.extend(pruning.next(at(second), 5).map(|prune| (second, prune)));
        }
        assert_eq!(
            looks,
            [
                (620, Prune::First { upto: 5 }),
                (630, Prune::First { upto: 5 }),
                (640, Prune::First { upto: 5 })
            ]
        );
    }

    #[test]
    fn marks_are_bounded() {
        let mut pruning = Pruning::new(0);
        pruning.keep = at(1_000_000);
        for n in 1..=10_000 {
            pruning.delivered(at(2 * n), n);
        }
        assert_eq!(pruning.marks.len(), MARKS_MAX);
        assert_eq!(pruning.marks.back().map(|mark| (mark.until, mark.seq)), Some((at(20_000), 10_000)));
    }
}
