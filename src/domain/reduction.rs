//! Measurements of one series, reduced to periods as they come; only complete periods leave.
//!
//! Of each period there are running sums, and which instants were counted (see [`super::runs`]), not the
//! measurements. A period is complete
//!
//! - at once, when the sampling interval is known and nothing is missing: the instants counted are one
//!   progression that begins less than an interval after the period and reaches its end. The interval is the
//!   smallest of the one that is declared and the one that three or more instants in a row keep;
//! - else when a record at or after its end was taken, and there was one before it began (or at its first
//!   instant), so that no part of it went by unseen. Where an interval is known and some of the period is
//!   missing, that waits until the next period is over too, and it leaves only if no more than a tenth is
//!   missing; a sum never does.
//!
//! A measurement of an instant that was counted is not counted again, whatever it says. What comes for a
//! period that has left is a period of its own: it leaves again, as a correction, if it is complete by itself.
//! Of a period that a single measurement stood for, only that instant can be corrected: else one after the
//! other would leave of a series that is declared to be coarser than it is.

use std::cmp::Reverse;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::aggregation::Aggregation;
use super::granularity::{Granularity, Stretch};
use super::runs::Runs;

/// The most periods that are open at once; with more, the oldest is given up.
const OPEN_MAX: usize = 8;

/// Measurements of the future, beyond so many milliseconds, say nothing about periods before them.
const AHEAD: i64 = 86_400_000;

/// How a series is reduced.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// To which periods.
    pub granularity: &'a Granularity,
    /// Of which place.
    pub zone: &'a TimeZone,
    /// To what.
    pub aggregation: Aggregation,
    /// The distance of measurements that is declared, in milliseconds.
    pub interval: Option<i64>,
    /// Which measurements count, in milliseconds since 1970: from, and until before. A period that is not
    /// wholly in it is never complete.
    pub window: (Option<i64>, Option<i64>),
    /// The instant, in milliseconds since 1970.
    pub now: i64,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// Milliseconds since 1970.
    pub at: i64,
    /// What was measured,
    pub value: f64,
    /// in which unit.
    pub unit: Option<&'a str>,
}

/// What stands for the measurements of a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// Of which period.
    pub period: Stretch,
    /// When, milliseconds since 1970: the beginning of the period, but for a measurement that is declared to be
    /// as coarse already.
    pub at: i64,
    /// What,
    pub value: f64,
    /// in which unit.
    pub unit: Option<Box<str>>,
}

/// What gives a recipient the periods of a series: one consent of several.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The length of its periods in milliseconds; 0 where it gives the measurements themselves.
    pub detail: i64,
    /// When it ends, and its id: of equals, the one that runs longest counts.
    pub until: Timestamp,
    /// See `until`.
    pub id: Uuid,
    /// From when on it gives anything, milliseconds since 1970.
    pub from: Option<i64>,
    /// Which measurements it is for.
    pub window: (Option<i64>, Option<i64>),
}

impl Claim {
    /// Whether this one gives the whole of a period in more detail than another, or as much of it for longer.
    pub fn outranks(&self, other: &Claim, period: Stretch) -> bool {
        let rank = |claim: &Claim| (claim.detail, Reverse(claim.until), claim.id);
        let (from, until) = self.window;
        rank(self) < rank(other)
            && self.from.is_none_or(|from| from <= period.start)
            && from.is_none_or(|from| from <= period.start)
            && until.is_none_or(|until| period.end <= until)
    }
}

/// What is remembered of a series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reduction {
    /// The latest instant taken.
    high: Option<i64>,
    /// Periods that end before have been open, and are not opened again but for a correction.
    closed: Option<i64>,
    /// The distance that instants kept lately, and how often.
    pace: Option<(i64, u8)>,
    /// In order of time.
    open: Vec<Open>,
    /// The instants that stood for a period alone.
    #[serde(default)]
    alone: Runs,
}

/// A period that is not complete yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Open {
    period: Stretch,
    /// It was opened by a measurement later than all before.
    in_order: bool,
    /// Something before it began was taken.
    seen_before: bool,
    runs: Runs,
    count: i64,
    #[serde(with = "exact")]
    sum: f64,
    /// What adding has rounded off so far.
    #[serde(with = "exact")]
    rest: f64,
    last_at: i64,
    #[serde(with = "exact")]
    last: f64,
    unit: Option<Box<str>>,
    /// Its measurements cannot be put together.
    mixed: bool,
}

impl Reduction {
    /// Takes measurements in, and hands out what is complete by them, in order of time.
    pub fn take<'a>(
        &mut self,
        rule: &Rule<'_>,
        samples: impl IntoIterator<Item = Sample<'a>>,
    ) -> Vec<Reduced> {
        let mut done = Vec::new();
        for sample in samples {
            self.add(rule, sample, &mut done);
        }
        self.close(rule, &mut done);
        done.sort_by_key(|reduced| reduced.period);
        done
    }

    fn add(&mut self, rule: &Rule<'_>, sample: Sample<'_>, done: &mut Vec<Reduced>) {
        let Sample { at, value, unit } = sample;
        let (high, ahead) = (self.high, at > rule.now.saturating_add(AHEAD));
        let is_latest = high.is_none_or(|high| at > high);
        if is_latest && !ahead {
            if let Some(high) = high {
                let step = at - high;
                self.pace = match self.pace {
                    Some((held, times)) if held == step => Some((held, times.saturating_add(1))),
                    _ => Some((step, 1)),
                };
            }
            self.high = Some(at);
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.period.contains(at)) {
            return open.count_in(at, value, unit);
        }
        let Some(period) = rule.granularity.period_of(at, rule.zone) else { return };
        let (from, until) = rule.window;
        if from.is_some_and(|from| period.start < from) || until.is_some_and(|until| period.end > until) {
            return;
        }
        self.close(rule, done);
        if self.open.len() >= OPEN_MAX {
            let given_up = self.open.remove(0);
            self.closed = self.closed.max(Some(given_up.period.end));
        }
        let in_order = is_latest && !ahead && self.closed.is_none_or(|closed| period.start >= closed);
        let mut open = Open {
            period,
            in_order,
            seen_before: in_order && high.is_some_and(|high| high < period.start),
            runs: Runs::default(),
            count: 0,
            sum: 0.0,
            rest: 0.0,
            last_at: at,
            last: value,
            unit: unit.map(Into::into),
            mixed: false,
        };
        open.count_in(at, value, unit);
        let place = self.open.partition_point(|held| held.period < period);
        self.open.insert(place, open);
    }

    /// Takes out what is complete.
    fn close(&mut self, rule: &Rule<'_>, done: &mut Vec<Reduced>) {
        let steady = self.pace.filter(|(_, times)| *times >= 2).map(|(step, _)| step);
        let (high, closed, alone) = (self.high, &mut self.closed, &mut self.alone);
        self.open.retain(|open| {
            let Stretch { start, end } = open.period;
            let repeats = open.count > 1 || alone.within(start, end).is_none_or(|at| at == open.last_at);
            let complete =
                !open.mixed && repeats && (open.is_covered(rule, steady) || open.is_over(rule, high));
            if complete {
                if open.count == 1 {
                    alone.insert(open.last_at);
                }
                if open.in_order {
                    *closed = (*closed).max(Some(open.period.end));
                }
                done.push(open.reduced(rule));
            }
            !complete
        });
    }

    /// How many periods are open.
    pub fn open_periods(&self) -> usize {
        self.open.len()
    }
}

impl Open {
    fn count_in(&mut self, at: i64, value: f64, unit: Option<&str>) {
        if !self.runs.insert(at) {
            return;
        }
        self.mixed |= self.unit.as_deref() != unit;
        self.count += 1;
        // Neumaier's sum: the order of the measurements makes no difference worth mentioning.
        let sum = self.sum + value;
        self.rest +=
            if self.sum.abs() >= value.abs() { self.sum - sum + value } else { value - sum + self.sum };
        self.sum = sum;
        if at >= self.last_at {
            (self.last_at, self.last) = (at, value);
        }
    }

    /// The distance of measurements, as far as it is known here.
    fn step(&self, rule: &Rule<'_>) -> Option<i64> {
        rule.interval.into_iter().chain(self.runs.step()).min()
    }

    /// Whether a measurement is declared to stand for as much as a whole period, or more.
    fn is_coarse(&self, rule: &Rule<'_>) -> bool {
        self.count == 1 && rule.interval.is_some_and(|interval| interval >= rule.granularity.nominal())
    }

    /// Whether nothing of it is missing, for all that is known of the distance.
    fn is_covered(&self, rule: &Rule<'_>, steady: Option<i64>) -> bool {
        if self.is_coarse(rule) {
            return true;
        }
        let Some(run) = self.runs.only() else { return false };
        let Some(step) = self.step(rule).or(steady) else { return false };
        let inside = run.count == 1 || run.step <= step;
        let step = if run.count == 1 { step } else { step.min(run.step) };
        inside && run.first - self.period.start < step && run.last().saturating_add(step) >= self.period.end
    }

    /// Whether it went by, and enough of it is there.
    fn is_over(&self, rule: &Rule<'_>, high: Option<i64>) -> bool {
        let Some(high) = high.filter(|_| self.in_order) else { return false };
        let step = self.step(rule);
        let begun = self.seen_before
            || self.runs.first().is_some_and(|first| {
                first == self.period.start || step.is_some_and(|step| first - self.period.start < step)
            });
        if !begun || high < self.period.end {
            return false;
        }
        let Stretch { start, end } = self.period;
        match self.runs.missing(start, end, rule.interval) {
            None | Some(0) => true,
            Some(missing) => {
                let next_is_over = high >= end.saturating_add(self.period.length());
                next_is_over
                    && rule.aggregation != Aggregation::Sum
                    && missing.saturating_mul(10) <= self.period.length()
            }
        }
    }

    fn reduced(&self, rule: &Rule<'_>) -> Reduced {
        let sum = self.sum + self.rest;
        let value = match rule.aggregation {
            Aggregation::Mean => sum / self.count as f64,
            Aggregation::Last => self.last,
            Aggregation::Sum => sum,
        };
        let at = if self.is_coarse(rule) { self.last_at } else { self.period.start };
        Reduced { period: self.period, at, value, unit: self.unit.clone() }
    }
}

/// Numbers to the last bit, whatever writes and reads them.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
    pub(super) fn serialize<S: Serializer>(number: &f64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(number.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        u64::deserialize(d).map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests;
