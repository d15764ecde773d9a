//! The finest detail that may leave, and the periods that it cuts time into.
//!
//! Periods follow the calendar of a time zone: a day begins at midnight there, a week on Monday, a month on
//! its first day. They are half-open and leave no gap, daylight saving time or not:
//!
//! | granularity | its periods begin |
//! | --- | --- |
//! | `PnY`, `PnM` | with a month; counted from January of year 0, so that `P3M` are the quarters |
//! | `PnW`, `PnD` | at midnight; counted from Monday 1970-01-05, so that `P1W` and `P7D` begin on Mondays |
//! | hours that divide a day (`PT6H`) | at 0, 6, 12, 18 o'clock as clocks show it |
//! | what divides an hour (`PT1H`, `PT15M`) | with the hour as clocks show it |
//! | all else (`PT7H`, `P1M15D`) | counted from 1970-01-01T00:00Z, with nominal lengths |

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::period::Period;

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A granularity, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granularity {
    text: Box<str>,
    /// Milliseconds, with nominal months and years.
    nominal: i64,
    cut: Cut,
}

/// How time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Months(i64),
    Days(i64),
    /// Milliseconds that divide a day and are whole hours.
    Hours(i64),
    /// Milliseconds that divide an hour.
    Parts(i64),
    /// Milliseconds.
    Elapsed(i64),
}

/// From, and until before, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Stretch {
    /// Included.
    pub start: i64,
    /// Not included.
    pub end: i64,
}

impl Stretch {
    /// Whether the instant lies in it.
    pub fn contains(self, at: i64) -> bool {
        self.start <= at && at < self.end
    }

    /// How long it is, in milliseconds.
    pub fn length(self) -> i64 {
        self.end - self.start
    }
}

impl From<&Period> for Granularity {
    fn from(period: &Period) -> Self {
        let span = period.span();
        let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let nominal = i64::try_from(period.nominal().as_millis()).unwrap_or(i64::MAX).max(1);
        let time = nominal.saturating_sub(period.calendar_days().saturating_mul(DAY)).max(0);
        let cut = match (months, days, time) {
            (1.., 0, 0) => Cut::Months(months),
            (0, 1.., 0) => Cut::Days(days),
            (0, 0, DAY) => Cut::Days(1),
            (0, 0, time @ 1..) if HOUR % time == 0 => Cut::Parts(time),
            (0, 0, time @ 1..) if DAY % time == 0 && time % HOUR == 0 => Cut::Hours(time),
            _ => Cut::Elapsed(nominal),
        };
        Granularity { text: period.as_str().into(), nominal, cut }
    }
}

impl Granularity {
    /// As it was written: an ISO 8601 duration.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length in milliseconds, with months of 30 days and years of 365.
    pub fn nominal(&self) -> i64 {
        self.nominal
    }

    /// The period that an instant lies in (milliseconds since 1970), in this time zone; `None` beyond the
    /// years that can be counted.
    pub fn period_of(&self, at: i64, zone: &TimeZone) -> Option<Stretch> {
        let begin = |date: Date| instant(date.at(0, 0, 0, 0), zone);
        let local = || Some(zone.to_datetime(Timestamp::from_millisecond(at).ok()?));
        let found = match self.cut {
            Cut::Months(months) => {
                let date = local()?.date();
                let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
                let first = month.div_euclid(months) * months;
                Stretch { start: begin(first_of(first)?)?, end: begin(first_of(first + months)?)? }
            }
            Cut::Days(days) => {
                let date = local()?.date();
                let monday = Date::constant(1970, 1, 5);
                let day = i64::from(monday.until(date).ok()?.get_days());
                let first = monday.checked_add((day.div_euclid(days) * days).days()).ok()?;
                Stretch { start: begin(first)?, end: begin(first.checked_add(days.days()).ok()?)? }
            }
            Cut::Hours(length) => {
                let now = local()?;
                let hours = i8::try_from(length / HOUR).ok()?;
                let first = now.hour() / hours * hours;
                let next = match first + hours {
                    24 => now.date().tomorrow().ok()?.at(0, 0, 0, 0),
                    hour => now.date().at(hour, 0, 0, 0),
                };
                Stretch { start: instant(now.date().at(first, 0, 0, 0), zone)?, end: instant(next, zone)? }
            }
            Cut::Parts(length) => {
                let offset = zone.to_offset(Timestamp::from_millisecond(at).ok()?);
                let offset = i64::from(offset.seconds()) * SECOND;
                let start = (at + offset).div_euclid(length) * length - offset;
                Stretch { start, end: start + length }
            }
            Cut::Elapsed(length) => {
                let start = at.div_euclid(length).checked_mul(length)?;
                Stretch { start, end: start.checked_add(length)? }
            }
        };
        found.contains(at).then_some(found)
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first day of a month, counted from January of year 0.
fn first_of(month: i64) -> Option<Date> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    Date::new(year, i8::try_from(month.rem_euclid(12)).ok()? + 1, 1).ok()
}

/// When clocks show this: the first time, if they show it twice; when they jump over it, if they never do.
fn instant(at: DateTime, zone: &TimeZone) -> Option<i64> {
    use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
    let offset = match zone.to_ambiguous_timestamp(at).offset() {
        Unambiguous { offset } => offset,
        Fold { before, .. } => before,
        // Before the jump the clocks were behind: counted with that, this is the instant of the jump or after.
        Gap { before, .. } => {
            let after = before.to_timestamp(at).ok()?;
            let jump = zone.preceding(after.checked_add(1.second()).ok()?).next()?;
            return Some(jump.timestamp().as_millisecond());
        }
    };
    Some(offset.to_timestamp(at).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granularity(text: &str) -> Granularity {
        Granularity::from(&text.parse::<Period>().unwrap())
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn millis(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn period(text: &str, at: &str, zone: &TimeZone) -> (String, String) {
        let found = granularity(text).period_of(millis(at), zone).unwrap();
        let show = |at| Timestamp::from_millisecond(at).unwrap().to_string();
        (show(found.start), show(found.end))
    }

    #[test]
    fn periods_follow_the_calendar_of_the_place() {
        let (utc, paris, india) = (TimeZone::UTC, zone("Europe/Paris"), zone("Asia/Kolkata"));
        let table = [
            ("P1D", "2026-11-21T10:00:00Z", &utc, "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            ("PT24H", "2026-11-21T10:00:00Z", &utc, "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            ("P1D", "2026-11-21T23:30:00Z", &paris, "2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z"),
            // 25 hours, and 23.
            ("P1D", "2026-10-25T10:00:00Z", &paris, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("P1D", "2026-03-29T10:00:00Z", &paris, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("P1W", "2026-11-22T10:00:00Z", &utc, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("P7D", "1969-12-30T10:00:00Z", &utc, "1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z"),
            ("P1M", "2026-02-28T23:30:00Z", &paris, "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
            ("P3M", "2026-11-21T10:00:00Z", &utc, "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("P1Y", "2024-02-29T10:00:00Z", &utc, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("PT6H", "2026-10-25T01:30:00Z", &paris, "2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z"),
            ("PT2H", "2026-03-29T01:30:00Z", &paris, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
            ("PT1H", "2026-11-21T10:20:00Z", &india, "2026-11-21T09:30:00Z", "2026-11-21T10:30:00Z"),
            ("PT15M", "2026-11-21T10:20:00Z", &utc, "2026-11-21T10:15:00Z", "2026-11-21T10:30:00Z"),
            ("PT7H", "1970-01-01T08:00:00Z", &paris, "1970-01-01T07:00:00Z", "1970-01-01T14:00:00Z"),
        ];
        for (text, at, zone, start, end) in table {
            assert_eq!(period(text, at, zone), (start.to_owned(), end.to_owned()), "{text} {at}");
        }
    }

    #[test]
    fn beyond_the_years_there_is_no_period() {
        for text in ["P1D", "P1M", "PT1H", "PT6H", "PT7H"] {
            for at in [i64::MIN, i64::MIN / 2, i64::MAX / 2, i64::MAX] {
                let _ = granularity(text).period_of(at, &TimeZone::UTC);
            }
        }
        assert_eq!(granularity("P1D").period_of(i64::MAX, &TimeZone::UTC), None);
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn periods_leave_no_gap_and_do_not_overlap(
                text in prop::sample::select(vec![
                    "P1D", "P1W", "P3D", "P1M", "P2M", "P1Y", "PT1H", "PT15M", "PT2H", "PT3H", "PT6H", "PT12H", "PT7H",
                ]),
                name in prop::sample::select(vec![
                    "UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata",
                ]),
                // Near a change of the clocks as often as not.
                at in prop_oneof![
                    0i64..2_000_000_000_000,
                    1_774_740_000_000i64..1_774_840_000_000,
                    1_792_880_000_000i64..1_792_980_000_000,
                    1_325_200_000_000i64..1_325_300_000_000,
                ],
            ) {
                let (granularity, zone) = (granularity(text), zone(name));
                let one = granularity.period_of(at, &zone).unwrap();
                prop_assert!(one.contains(at) && one.length() > 0);
                for inside in [one.start, one.start + one.length() / 2, one.end - 1] {
                    prop_assert_eq!(granularity.period_of(inside, &zone).unwrap(), one);
                }
                prop_assert_eq!(granularity.period_of(one.end, &zone).unwrap().start, one.end);
                prop_assert_eq!(granularity.period_of(one.start - 1, &zone).unwrap().end, one.start);
            }
        }
    }
}
