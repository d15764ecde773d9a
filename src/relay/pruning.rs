//! When which rows of the journal go that nobody needs any more: little by little, as others come.
//!
//! A delivered row stays for a while (`KEEP`). Where much comes in as much goes out again; all rows of a second in one
//! commit would hold up everybody who waits for it. So each few hundred rows that come take as many with them, and twice
//! as many while there are more. What that passes over (rows that a dead letter names, or whose time lies ahead since
//! the clock was set back), and what is left when nothing comes any more, is looked for now and then from the first row
//! on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::clock::Now;
use crate::store::journal::Prune;

/// How long a delivered row stays unless it is said, so that an item published again after a crash is known again.
const KEEP: Duration = Duration::from_secs(600);

/// So many rows that came take others with them, unless it is said.
const OFTEN: u64 = 256;

/// At most so many go at once.
const AT_ONCE: u64 = 4096;

/// Seconds between two looks from the first row on.
const LOOK: u64 = 10;

/// Milliseconds that a look leaves to those that go with the others in their turn.
const IN_TURN: i64 = 5000;

/// Milliseconds of which one mark is kept.
const MARK: i64 = 1000;

/// The most marks; beyond, the last one stands for all that come.
const MARKS_MAX: usize = 4096;

/// Rows up to `seq` were all taken in at `until` or before (milliseconds since 1970), from about `began` on.
#[derive(Debug)]
struct Mark {
    began: i64,
    until: i64,
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
    /// Up to here all are old enough.
    due: u64,
    /// Up to here they went, and before the last time.
    done: u64,
    before: u64,
    /// The last number when rows went last.
    at: u64,
    /// When it was looked from the first row on, in seconds.
    looked: u64,
}

impl Pruning {
    /// Of a journal that handed out this number last.
    pub(super) fn new(last: u64) -> Self {
        Pruning { often: OFTEN, keep: KEEP, at: last, done: last, before: last, ..Pruning::default() }
    }

    /// Notes that rows up to this number came, the last of them at this time.
    pub(super) fn note(&mut self, at: i64, seq: u64) {
        // The first ones that the journal has from before.
        self.done = self.done.min(seq.saturating_sub(1));
        let is_full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some(mark) if seq <= mark.seq => {}
            Some(mark) if at < mark.began + MARK || is_full => {
                (mark.until, mark.seq) = (mark.until.max(at), seq);
            }
            _ => self.marks.push_back(Mark { began: at, until: at, seq }),
        }
    }

    /// What is to go with the next commit, if anything. `last` is the last number, `free` the last of which and of all
    /// before which nothing is owed.
    pub(super) fn next(&mut self, now: Now, last: u64, free: u64) -> Option<Prune> {
        let at = now.wall.as_millisecond();
        self.note(at, last);
        let before = at.saturating_sub(i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX));
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.until < before) {
            self.due = mark.seq;
        }
        let seconds = now.mono.as_secs();
        if free > 0 && seconds >= self.looked + LOOK {
            self.looked = seconds;
            return Some(Prune::First { upto: free, before: before.saturating_sub(IN_TURN) });
        }
        let came = last - self.at;
        let end = self.due.min(free).min(self.done + (2 * came).min(AT_ONCE));
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
        Some(Prune::Range { after: self.before, upto: end, before })
    }

    /// The commit that should have taken them failed.
    pub(super) fn failed(&mut self) {
        self.done = self.done.min(self.before);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(seconds: u64) -> Now {
        let wall = Timestamp::from_second(1_700_000_000 + seconds as i64).unwrap();
        Now { wall, mono: Duration::from_secs(seconds) }
    }

    fn keep_until(prune: &Prune) -> i64 {
        let (Prune::First { before, .. } | Prune::Range { before, .. }) = prune;
        *before / 1000 - 1_700_000_000
    }

    #[test]
    fn as_many_go_as_come_ten_minutes_later() {
        let mut pruning = Pruning::new(0);
        let (mut gone, mut last) = (0, 0);
        for second in 0..2000 {
            for _ in 0..20 {
                last += 300;
                match pruning.next(at(second), last, last - 300) {
                    Some(Prune::Range { after, upto, .. }) => {
                        assert_eq!(after, gone, "one range behind the other");
                        assert!(upto - after <= 2000, "{}", upto - after);
                        gone = upto;
                    }
                    Some(first) => assert_eq!(keep_until(&first), second as i64 - 605),
                    None => {}
                }
            }
            let of_ten_minutes = 600 * 6000;
            assert!(last - gone >= of_ten_minutes.min(last), "none goes too early");
            if second > 610 {
                assert!(last - gone <= of_ten_minutes + 3 * 6000, "{second}: {}", last - gone);
            }
        }
    }

    #[test]
    fn what_is_owed_stays_and_what_failed_goes_again() {
        let mut pruning = Pruning::new(0);
        pruning.note(at(0).wall.as_millisecond(), 1000);
        pruning.looked = 700;
        assert!(pruning.next(at(700), 1000, 0).is_none(), "all is owed");
        let range = |prune| match prune {
            Some(Prune::Range { after, upto, .. }) => (after, upto),
            other => panic!("{other:?}"),
        };
        assert_eq!(range(pruning.next(at(700), 1300, 400)), (0, 400));
        pruning.failed();
        assert_eq!(range(pruning.next(at(700), 1600, 900)), (0, 600));
        assert!(pruning.next(at(700), 1700, 900).is_none(), "few came");
        assert_eq!(range(pruning.next(at(700), 1900, 1900)), (600, 1000), "what came since is young");
    }

    #[test]
    fn an_idle_service_looks_from_the_first_row_on() {
        let mut pruning = Pruning::new(5);
        let looks: Vec<u64> = (1..=40).filter(|second| pruning.next(at(*second), 5, 5).is_some()).collect();
        assert_eq!(looks, [10, 20, 30, 40]);
        assert!(pruning.next(at(60), 5, 0).is_none());
    }

    #[test]
    fn marks_are_bounded_and_a_clock_set_back_does_no_harm() {
        let mut pruning = Pruning::new(0);
        for n in 1..=10_000 {
            pruning.note(n * MARK, n as u64);
        }
        assert_eq!(pruning.marks.len(), MARKS_MAX);
        assert_eq!(pruning.marks.back().map(|mark| (mark.until, mark.seq)), Some((10_000 * MARK, 10_000)));
        let mut pruning = Pruning::new(0);
        pruning.note(5_000, 1);
        pruning.note(1_000, 2);
        assert_eq!(pruning.marks.back().map(|mark| (mark.until, mark.seq)), Some((5_000, 2)));
    }
}
