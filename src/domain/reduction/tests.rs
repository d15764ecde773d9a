//! What leaves, and when, of records that come in every way.

use super::*;
use crate::domain::period::Period;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;
/// Midnight of some day, UTC.
const BEGIN: i64 = 20_000 * DAY;

struct Case {
    granularity: Granularity,
    aggregation: Aggregation,
    interval: Option<i64>,
    window: (Option<i64>, Option<i64>),
    reduction: Reduction,
}

impl Case {
    fn new(granularity: &str) -> Self {
        Case {
            granularity: Granularity::from(&granularity.parse::<Period>().unwrap()),
            aggregation: Aggregation::Mean,
            interval: None,
            window: (None, None),
            reduction: Reduction::default(),
        }
    }

    /// Takes (minute since [`BEGIN`], value); hands out (minute, value).
    fn take(&mut self, samples: &[(i64, f64)]) -> Vec<(i64, f64)> {
        let rule = Rule {
            granularity: &self.granularity,
            zone: &TimeZone::UTC,
            aggregation: self.aggregation,
            interval: self.interval,
            window: self.window,
            now: BEGIN + 100 * DAY,
        };
        // Through the store and back each time.
        let kept = serde_json::to_string(&self.reduction).unwrap();
        self.reduction = serde_json::from_str(&kept).unwrap();
        let samples = samples.iter().map(|(minute, value)| Sample {
            at: BEGIN + minute * MINUTE,
            value: *value,
            unit: Some("W"),
        });
        let done = self.reduction.take(&rule, samples);
        done.iter().map(|reduced| ((reduced.at - BEGIN) / MINUTE, reduced.value)).collect()
    }
}

/// Half-hours from one of them until before another, each with its own number as the value.
fn half_hours(from: i64, until: i64) -> Vec<(i64, f64)> {
    (from..until).map(|n| (n * 30, n as f64)).collect()
}

#[test]
fn a_whole_day_leaves_at_once_and_half_a_day_waits_for_the_rest() {
    let mut case = Case::new("P1D");
    assert_eq!(case.take(&half_hours(0, 48)), [(0, 23.5)]);
    assert_eq!(case.take(&half_hours(48, 72)), []);
    assert_eq!(case.take(&half_hours(72, 95)), []);
    assert_eq!(case.take(&half_hours(95, 96)), [(1440, 71.5)]);
    for (aggregation, value) in [(Aggregation::Last, 47.0), (Aggregation::Sum, 1128.0)] {
        let mut case = Case { aggregation, ..Case::new("P1D") };
        assert_eq!(case.take(&half_hours(0, 48)), [(0, value)]);
    }
}

#[test]
fn the_order_of_packs_makes_no_difference_nor_do_repetitions() {
    let mut case = Case::new("P1D");
    assert_eq!(case.take(&half_hours(24, 48)), []);
    assert_eq!(case.take(&half_hours(24, 48)), []);
    assert_eq!(case.take(&half_hours(10, 30)), []);
    assert_eq!(case.take(&half_hours(0, 10)), [(0, 23.5)]);
    let mut case = Case::new("P1D");
    assert_eq!(case.take(&half_hours(48, 60)), [], "the next day");
    assert_eq!(case.take(&half_hours(0, 48)), [(0, 23.5)], "a whole day that comes late");
    assert_eq!(case.take(&half_hours(60, 96)), [(1440, 71.5)]);
}

#[test]
fn a_period_that_was_not_seen_from_its_beginning_never_leaves() {
    let mut case = Case::new("P1D");
    assert_eq!(case.take(&half_hours(1, 48)), []);
    assert_eq!(case.take(&half_hours(48, 96)), [(1440, 71.5)]);
    assert_eq!(case.take(&half_hours(96, 200)).len(), 2);
    // At ten past each hour: nothing is missing before the first.
    let mut case = Case::new("P1D");
    let hours: Vec<(i64, f64)> = (0..24).map(|n| (n * 60 + 10, 1.0)).collect();
    assert_eq!(case.take(&hours), [(0, 1.0)]);
    // Irregular ones: only what began under our eyes.
    let mut case = Case::new("PT1H");
    assert_eq!(case.take(&[(7, 1.0), (31, 1.0), (58, 1.0)]), []);
    assert_eq!(case.take(&[(66, 2.0), (93, 4.0)]), []);
    assert_eq!(case.take(&[(121, 9.0)]), [(60, 3.0)]);
    assert_eq!(case.take(&[(130, 9.0), (301, 1.0)]), [(120, 9.0)]);
}

#[test]
fn what_misses_a_little_leaves_late_and_what_misses_much_or_is_a_sum_never() {
    let with_hole = |hole: std::ops::Range<i64>| -> Vec<(i64, f64)> {
        half_hours(0, 96).into_iter().filter(|(minute, _)| !hole.contains(&(minute / 30))).collect()
    };
    let mut case = Case::new("P1D");
    assert_eq!(case.take(&with_hole(20..22)).len(), 1, "the second day");
    assert_eq!(case.take(&half_hours(96, 97)).len(), 1, "the first, as the second is over");
    let mut case = Case::new("P1D");
    case.take(&with_hole(20..22));
    assert_eq!(case.take(&half_hours(20, 22)), [(0, 23.5)], "or filled");
    let mut case = Case::new("P1D");
    case.take(&with_hole(20..32));
    assert_eq!(case.take(&half_hours(96, 144)), [(2880, 119.5)]);
    let mut case = Case { aggregation: Aggregation::Sum, ..Case::new("P1D") };
    case.take(&with_hole(20..22));
    assert_eq!(case.take(&half_hours(96, 144)).len(), 1);
    let mut case = Case::new("P1D");
    case.take(&half_hours(0, 24));
    assert_eq!(
        case.take(&half_hours(48, 96)),
        [(1440, 71.5)],
        "half a day is none, though the next is there"
    );
    assert_eq!(case.take(&half_hours(96, 200)).len(), 2);
}

#[test]
fn what_is_declared_counts() {
    let mut case = Case { interval: Some(30 * MINUTE), ..Case::new("PT1H") };
    assert_eq!(case.take(&[(0, 1.0)]), []);
    assert_eq!(case.take(&[(30, 2.0)]), [(0, 1.5)], "two are enough");
    // As coarse already, or coarser: as it is, at once, at its own time.
    let mut case = Case { interval: Some(DAY), ..Case::new("P1D") };
    assert_eq!(case.take(&[(427, 7.0)]), [(427, 7.0)]);
    assert_eq!(case.take(&[(1867, 8.0)]), [(1867, 8.0)]);
    // Declared so, but finer.
    assert_eq!(case.take(&[(1868, 8.0), (1869, 8.0)]), []);
    assert_eq!(case.take(&[(1870, 8.0)]), []);
    let mut case = Case { interval: Some(DAY), ..Case::new("P1D") };
    let every_minute = (0..2880).map(|n| case.take(&[(n, 1.0)]).len()).sum::<usize>();
    assert_eq!(every_minute, 2, "one a day");
    let mut case = Case { interval: Some(DAY), ..Case::new("P1D") };
    assert_eq!(case.take(&[(7, 1.0), (1447, 1.0)]).len(), 2);
    assert_eq!(case.take(&[(7, 2.0)]), [(7, 2.0)], "corrected");
    assert_eq!(case.take(&[(-5000, 2.0)]), [(-5000, 2.0)], "late");
    // Daily, and nobody said so: the same values, when the distance is known or the next has come.
    let mut case = Case::new("P1D");
    assert_eq!(case.take(&[(0, 7.0)]), []);
    assert_eq!(case.take(&[(1440, 8.0)]), [(0, 7.0)]);
    assert_eq!(case.take(&[(2880, 9.0)]), [(1440, 8.0), (2880, 9.0)]);
    assert_eq!(case.take(&[(4320, 10.0)]), [(4320, 10.0)]);
}

#[test]
fn a_period_that_has_left_leaves_again_only_if_it_comes_whole() {
    let mut case = Case::new("P1D");
    case.take(&half_hours(0, 48));
    assert_eq!(case.take(&half_hours(40, 48)), []);
    assert_eq!(case.take(&[(47 * 30 + 15, 1e9)]), []);
    assert_eq!(case.take(&half_hours(48, 144)).len(), 2, "no value of the rests");
    let corrected: Vec<(i64, f64)> = half_hours(0, 48).iter().map(|(at, v)| (*at, v + 1.0)).collect();
    let mut case = Case::new("P1D");
    case.take(&half_hours(0, 48));
    assert_eq!(case.take(&corrected), [(0, 24.5)]);
}

#[test]
fn only_periods_within_the_window_leave() {
    let window = (Some(BEGIN + 60 * MINUTE), Some(BEGIN + 2 * DAY + MINUTE));
    let mut case = Case { window, ..Case::new("P1D") };
    assert_eq!(case.take(&half_hours(0, 200)), [(1440, 71.5)]);
}

#[test]
fn units_are_not_mixed_and_what_is_remembered_is_bounded() {
    let mut case = Case::new("P1D");
    let rule = Rule {
        granularity: &case.granularity.clone(),
        zone: &TimeZone::UTC,
        aggregation: Aggregation::Mean,
        interval: None,
        window: (None, None),
        now: BEGIN + 100 * DAY,
    };
    let sample = |(minute, value): &(i64, f64)| Sample {
        at: BEGIN + minute * MINUTE,
        value: *value,
        unit: Some(if *minute < 600 { "W" } else { "kW" }),
    };
    let half_hours = half_hours(0, 96);
    let done = case.reduction.take(&rule, half_hours.iter().map(sample));
    assert_eq!(done.iter().map(|d| d.period.start).collect::<Vec<_>>(), [BEGIN + DAY]);
    // A record now and then in a thousand days, none of them whole.
    let now_and_then: Vec<(i64, f64)> = (0..1000).rev().map(|n| (n * 1440 + n * n % 1000, 1.0)).collect();
    case.take(&now_and_then);
    assert!(case.reduction.open_periods() <= OPEN_MAX);
    assert!(serde_json::to_string(&case.reduction).unwrap().len() < 3000);
    // A clock that is wrong once does no harm to what is regular.
    let mut case = Case::new("P1D");
    case.take(&[(500 * 1440, 1.0)]);
    assert_eq!(case.take(&super::tests::half_hours(0, 48)), [(0, 23.5)]);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However a run of records is cut into packs, and in whatever order they come within a day, the sums
        /// of the whole days leave, each once, and nothing of the days that are not whole.
        #[test]
        fn sums_over_periods_are_sums_of_records(
            first in 0i64..100, length in 1i64..300, step in prop::sample::select(vec![10i64, 15, 30, 60]),
            cuts in prop::collection::vec(0i64..300, 0..8), values in prop::collection::vec(-1000i32..1000, 300),
            swap in any::<bool>(),
        ) {
            let records: Vec<(i64, f64)> =
                (first..first + length).map(|n| (n * step, f64::from(values[(n % 300) as usize]))).collect();
            let mut packs: Vec<Vec<(i64, f64)>> = Vec::new();
            let mut day = i64::MIN;
            for (place, record) in records.iter().enumerate() {
                let new_day = record.0.div_euclid(1440) != day;
                if new_day || cuts.contains(&(place as i64)) {
                    packs.push(Vec::new());
                }
                day = record.0.div_euclid(1440);
                packs.last_mut().unwrap().push(*record);
            }
            if swap {
                // Within each day the other way round.
                let day_of = |pack: &Vec<(i64, f64)>| pack[0].0.div_euclid(1440);
                packs = packs.chunk_by(|a, b| day_of(a) == day_of(b)).flat_map(|day| day.iter().rev().cloned()).collect();
            }
            let mut case = Case { aggregation: Aggregation::Sum, interval: Some(step * MINUTE), ..Case::new("P1D") };
            let mut done = Vec::new();
            for pack in &packs {
                done.extend(case.take(pack));
                // A repetition changes nothing.
                if pack.len() < (1440 / step) as usize {
                    prop_assert_eq!(case.take(pack), vec![]);
                }
            }
            let whole = |day: i64| records.iter().filter(|r| r.0.div_euclid(1440) == day).count() as i64 == 1440 / step;
            let expected: Vec<(i64, f64)> = (0..=(first + length) * step / 1440)
                .filter(|day| whole(*day))
                .map(|day| {
                    let of_day = records.iter().filter(|r| r.0.div_euclid(1440) == day);
                    (day * 1440, of_day.map(|r| r.1).sum::<f64>())
                })
                .collect();
            prop_assert_eq!(done, expected);
        }

        /// Whatever comes, in whatever order: a value that leaves is between the least and the greatest of the
        /// records of its period, and only a period that something came of leaves.
        #[test]
        fn a_mean_is_of_its_own_period(
            samples in prop::collection::vec((0i64..6000, -100i32..100), 1..200), pack in 1usize..20,
        ) {
            let mut case = Case::new("PT6H");
            let samples: Vec<(i64, f64)> = samples.iter().map(|(at, v)| (*at, f64::from(*v))).collect();
            for samples_of_pack in samples.chunks(pack) {
                for (at, value) in case.take(samples_of_pack) {
                    let of: Vec<f64> =
                        samples.iter().filter(|s| s.0.div_euclid(360) * 360 == at).map(|s| s.1).collect();
                    let least = of.iter().copied().fold(f64::MAX, f64::min);
                    let greatest = of.iter().copied().fold(f64::MIN, f64::max);
                    prop_assert!(least <= value && value <= greatest, "{value} of {of:?}");
                }
                prop_assert!(case.reduction.open_periods() <= OPEN_MAX);
            }
        }
    }
}
