//! Which instants were counted already, as arithmetic progressions: a day of half-hours is one of them.

use serde::{Deserialize, Serialize};

/// The most progressions kept; with more, the oldest are sealed.
pub const RUNS_MAX: usize = 32;

/// Instants at a constant distance, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first of them.
    pub first: i64,
    /// The distance; 0 where there is one only.
    pub step: i64,
    /// How many.
    pub count: i64,
}

impl Run {
    fn one(at: i64) -> Self {
        Run { first: at, step: 0, count: 1 }
    }

    /// The last of them.
    pub fn last(&self) -> i64 {
        self.first + self.step * (self.count - 1)
    }

    fn holds(&self, at: i64) -> bool {
        self.first <= at && at <= self.last() && (self.step == 0 || (at - self.first) % self.step == 0)
    }

    /// This and the next as one, if the distance is the same throughout.
    fn join(&self, next: &Run) -> Option<Run> {
        let step = next.first - self.last();
        let fits = |run: &Run| run.count == 1 || run.step == step;
        (fits(self) && fits(next)).then(|| Run { first: self.first, step, count: self.count + next.count })
    }
}

/// A set of instants, exact as long as it is not too irregular.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// In order, apart from each other.
    list: Vec<Run>,
    /// What is not after this counts as being in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<i64>,
}

impl Runs {
    /// Puts an instant in. `false` if it was in already, or may have been.
    pub fn insert(&mut self, at: i64) -> bool {
        if self.sealed.is_some_and(|sealed| at <= sealed) {
            return false;
        }
        let place = self.list.partition_point(|run| run.first <= at);
        if let Some(before) = place.checked_sub(1)
            && let Some(run) = self.list.get(before).copied()
        {
            if run.holds(at) {
                return false;
            }
            if at < run.last() {
                // Between two of it.
                let left = (at - run.first) / run.step + 1;
                let front = Run { count: left, step: if left == 1 { 0 } else { run.step }, ..run };
                let right = run.count - left;
                let first = run.first + run.step * left;
                let back = Run { first, step: if right == 1 { 0 } else { run.step }, count: right };
                self.list.splice(before..place, [front, Run::one(at), back]);
                self.join_around(place);
                return true;
            }
        }
        self.list.insert(place, Run::one(at));
        self.join_around(place);
        if self.list.len() > RUNS_MAX {
            let oldest = self.list.remove(0);
            self.sealed = Some(oldest.last());
        }
        true
    }

    /// Joins what stands at a place with what stands beside it, the nearer first.
    fn join_around(&mut self, mut place: usize) {
        loop {
            let joined = |left: usize| {
                let (one, next) = (self.list.get(left)?, self.list.get(left + 1)?);
                Some((next.first - one.last(), left, one.join(next)?))
            };
            let before = place.checked_sub(1).and_then(joined);
            let Some((_, left, run)) = before.into_iter().chain(joined(place)).min_by_key(|found| found.0)
            else {
                return;
            };
            self.list.splice(left..left + 2, [run]);
            place = left;
        }
    }

    /// All of it, if it is one progression.
    pub fn only(&self) -> Option<Run> {
        match (&self.list[..], self.sealed) {
            ([run], None) => Some(*run),
            _ => None,
        }
    }

    /// The first of all, unless that is forgotten.
    pub fn first(&self) -> Option<i64> {
        self.sealed.is_none().then(|| self.list.first().map(|run| run.first))?
    }

    /// The distance that three or more instants in a row keep, the smallest there is.
    pub fn step(&self) -> Option<i64> {
        self.list.iter().filter(|run| run.count >= 3).map(|run| run.step).min()
    }

    /// How much of the time from `start` until `end` is missing, in milliseconds: more between two instants than
    /// the distance that either keeps with its others, or than the one that is declared. `None` where most keep
    /// no distance, so that nobody can say.
    pub fn missing(&self, start: i64, end: i64, declared: Option<i64>) -> Option<i64> {
        let instants = |least: i64| -> i64 {
            self.list.iter().map(|run| run.count).filter(|count| *count >= least).sum()
        };
        if declared.is_none() && instants(3) * 2 < instants(1) {
            return None;
        }
        let smallest = self.step();
        // Two instants make a distance, but no habit.
        let usual = |runs: &[Run]| {
            let kept = runs.iter().filter(|run| run.count >= 3).map(|run| run.step).max().or(smallest);
            declared.into_iter().chain(kept).min().unwrap_or(0)
        };
        let inside = self.list.iter().map(|run| (run.count - 1) * (run.step - usual(&[*run])).max(0));
        let between = self.list.windows(2).map(|pair| pair[1].first - pair[0].last() - usual(pair));
        // The first may stand for what begins just before its end.
        let before = self.list.first().filter(|_| self.sealed.is_none());
        let before = before.map(|run| run.first - start + 1 - usual(&[*run]));
        let after = self.list.last().map(|run| end - run.last() - usual(&[*run]));
        Some(inside.chain(between).chain(before).chain(after).map(|missing| missing.max(0)).sum())
    }

    /// The first instant of it that is not before `start`, if it is before `end`; `start` where that is
    /// forgotten.
    pub fn within(&self, start: i64, end: i64) -> Option<i64> {
        if self.sealed.is_some_and(|sealed| start <= sealed) {
            return Some(start);
        }
        let run = self.list.iter().find(|run| run.last() >= start)?;
        let steps = if run.first >= start { 0 } else { (start - run.first + run.step - 1) / run.step };
        Some(run.first + steps * run.step).filter(|at| *at < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(instants: &[i64]) -> Runs {
        let mut runs = Runs::default();
        instants.iter().for_each(|at| assert!(runs.insert(*at), "{at} in {instants:?}"));
        runs
    }

    #[test]
    fn what_is_regular_is_one_progression_whatever_the_order() {
        for order in
            [&[0, 30, 60, 90][..], &[90, 60, 30, 0], &[0, 60, 90, 30], &[60, 0, 90, 30], &[0, 90, 30, 60]]
        {
            assert_eq!(of(order).only(), Some(Run { first: 0, step: 30, count: 4 }), "{order:?}");
        }
        assert_eq!(of(&[0, 60, 120, 150]).step(), Some(60));
        assert_eq!(of(&[0, 60, 120, 150]).only(), None);
        assert_eq!(of(&[7]).only(), Some(Run { first: 7, step: 0, count: 1 }));
    }

    #[test]
    fn what_is_far_ahead_does_not_spoil_it() {
        let mut instants: Vec<i64> = (0..24).map(|n| n * 30).collect();
        instants.push(2000);
        instants.extend((24..48).map(|n| n * 30));
        let runs = of(&instants);
        assert_eq!(runs.list.len(), 2, "{runs:?}");
        assert_eq!(runs.step(), Some(30));
    }

    #[test]
    fn what_was_in_is_known() {
        let mut runs = of(&[0, 30, 60, 75, 200]);
        for known in [0, 30, 60, 75, 200] {
            assert!(!runs.insert(known), "{known}");
        }
        assert!(runs.insert(45) && !runs.insert(45));
        assert_eq!(
            [(0, 5), (1, 30), (1, 31), (60, 70), (61, 70), (76, 300), (201, 900)]
                .map(|(a, b)| runs.within(a, b)),
            [Some(0), None, Some(30), Some(60), None, Some(200), None]
        );
    }

    #[test]
    fn what_is_missing_is_known_where_a_distance_is_kept() {
        assert_eq!(of(&[0, 10, 20, 30]).missing(0, 40, None), Some(0));
        assert_eq!(of(&[5, 15, 25, 35]).missing(0, 40, None), Some(0), "not from the beginning on");
        assert_eq!(of(&[0, 10, 20, 40, 50, 60]).missing(0, 70, None), Some(10));
        assert_eq!(of(&[10, 20, 30]).missing(0, 60, None), Some(21), "10 and a little before, 20 after");
        assert_eq!(of(&[0, 10, 20, 30, 90, 150, 210]).missing(0, 270, None), Some(0), "two distances");
        assert_eq!(of(&[0, 7, 9, 28, 31]).missing(0, 40, None), None);
        assert_eq!(of(&[0, 60]).missing(0, 120, Some(10)), Some(100));
        assert_eq!(of(&[0]).missing(0, 20, Some(10)), Some(10));
    }

    #[test]
    fn what_is_too_irregular_is_sealed_from_its_beginning() {
        let squares: Vec<i64> = (1..200).map(|n| n * n * n).collect();
        let mut runs = of(&squares);
        assert!(runs.list.len() <= RUNS_MAX);
        assert!(squares.iter().all(|at| !runs.insert(*at)), "nothing counts twice");
        assert!(!runs.insert(2), "nor what may have been there");
        assert_eq!((runs.only(), runs.first()), (None, None));
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;
        use std::collections::BTreeSet;

        proptest! {
            #[test]
            fn nothing_goes_in_twice(instants in prop::collection::vec(0i64..60, 0..120)) {
                let mut runs = Runs::default();
                let mut held = BTreeSet::new();
                for at in instants {
                    let new = runs.insert(at);
                    // With so few, nothing is sealed.
                    prop_assert_eq!(new, held.insert(at));
                    prop_assert_eq!(runs.list.iter().map(|run| run.count).sum::<i64>(), held.len() as i64);
                    prop_assert!(runs.list.windows(2).all(|pair| pair[0].last() < pair[1].first));
                }
            }
        }
    }
}
