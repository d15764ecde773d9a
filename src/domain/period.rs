//! ISO 8601 durations such as `P1Y`, `P30D` or `PT30M`, kept as they were written; and points in time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Span, SpanRelativeTo, Timestamp, tz::TimeZone};

/// A duration as people write it: calendar units stay calendar units.
#[derive(Debug, Clone)]
pub struct Period {
    /// As it was written; that it can be read was seen to.
    text: Box<str>,
}

impl Period {
    /// `start` plus this period, counted in the UTC calendar; `None` past the end of time.
    pub fn after(&self, start: Timestamp) -> Option<Timestamp> {
        start.to_zoned(TimeZone::UTC).checked_add(self.span()).ok().map(|z| z.timestamp())
    }

    /// `end` minus this period, counted in the UTC calendar; `None` before the beginning of time.
    pub fn before(&self, end: Timestamp) -> Option<Timestamp> {
        end.to_zoned(TimeZone::UTC).checked_sub(self.span()).ok().map(|z| z.timestamp())
    }

    /// The length with days of 24 hours, months of 30 and years of 365 days.
    pub fn nominal(&self) -> Duration {
        let mut days = self.span();
        let long = i64::from(days.get_years()) * 365 + i64::from(days.get_months()) * 30;
        days = days.years(0).months(0);
        let rest = days
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .ok()
            .and_then(|d| Duration::try_from(d).ok())
            .unwrap_or_default();
        rest + Duration::from_secs(long.unsigned_abs() * 86_400)
    }

    /// How many of the nominal days are counted by the calendar: years, months, weeks, days.
    pub fn calendar_days(&self) -> i64 {
        let span = self.span();
        let months = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30;
        months + i64::from(span.get_weeks()) * 7 + i64::from(span.get_days())
    }

    /// Reading it again costs little, and keeping it in every consent a lot.
    pub fn span(&self) -> Span {
        self.text.parse().unwrap_or_default()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Period {}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not an ISO 8601 duration; write for example P1Y, P30D or PT30M");
        if !text.starts_with('P') {
            return Err(wrong());
        }
        let span: Span = text.parse().map_err(|_| wrong())?;
        if span.is_negative() {
            return Err(format!("the duration '{text}' is negative"));
        }
        Ok(Period { text: text.into() })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is no point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// It is none.
    NoDate,
    /// It lies behind the last that can be counted.
    TooFar,
    /// No clock on Earth is so far from UTC (XML Schema: 14 hours at most).
    Offset,
}

/// The last day that can be counted, in every offset.
pub const LAST_DAY: &str = "9999-12-30";

/// The hours that a clock is ahead of UTC, or behind it, at most.
const OFFSET_MAX: u32 = 14;

/// Reads a point in time: `2027-01-01` (midnight UTC), or with time and offset.
pub fn point_in_time(text: &str) -> Result<Timestamp, TimeFault> {
    let none = || match text.get(..10).and_then(|day| day.parse::<Date>().ok()) {
        Some(_) if text.get(..10).is_some_and(|day| day >= LAST_DAY) => TimeFault::TooFar,
        _ => TimeFault::NoDate,
    };
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        let hours = offset(text).map_or(0, |(hours, minutes)| hours + minutes.min(1));
        return if hours > OFFSET_MAX { Err(TimeFault::Offset) } else { Ok(timestamp) };
    }
    let date: Date = text.parse().map_err(|_| none())?;
    if text.len() != 10 {
        return Err(none());
    }
    date.to_zoned(TimeZone::UTC).map(|z| z.timestamp()).map_err(|_| none())
}

/// Hours and minutes of the offset, ahead or behind, where there is one.
fn offset(text: &str) -> Option<(u32, u32)> {
    let time = text.get(10..)?.split('[').next()?;
    let digits: String = time[time.rfind(['+', '-'])?..].chars().filter(char::is_ascii_digit).collect();
    let minutes = digits.get(2..4).and_then(|minutes| minutes.parse().ok()).unwrap_or(0);
    Some((digits.get(..2)?.parse().ok()?, minutes))
}

/// The same, with what is wrong in words.
pub fn read_time(text: &str) -> Result<Timestamp, String> {
    point_in_time(text).map_err(|fault| match fault {
        TimeFault::NoDate => {
            format!("'{text}' is not a date; write 2027-01-01 or 2027-01-01T12:00:00+01:00")
        }
        TimeFault::TooFar => format!("'{text}' is too far ahead; the last day is {LAST_DAY}"),
        TimeFault::Offset => {
            format!("'{text}' is more than {OFFSET_MAX} hours from UTC; write an offset as +01:00, or Z")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_kept() {
        let year: Period = "P1Y".parse().unwrap();
        let start: Timestamp = "2024-02-29T12:00:00Z".parse().unwrap();
        assert_eq!(year.after(start).unwrap().to_string(), "2025-02-28T12:00:00Z");
        assert_eq!(year.to_string(), "P1Y");
        assert_eq!("P7D".parse::<Period>().unwrap().nominal(), Duration::from_secs(7 * 86_400));
        assert_eq!("PT30S".parse::<Period>().unwrap().nominal(), Duration::from_secs(30));
        assert_eq!("P1M".parse::<Period>().unwrap().nominal(), Duration::from_secs(30 * 86_400));
        assert_eq!("P0D".parse::<Period>().unwrap().nominal(), Duration::ZERO);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "P", "1 year", "1y", "-P1D", "P-1D", "PT", "P1", "p1y x"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn dates_and_times_are_read() {
        assert_eq!(read_time("2027-01-01").unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(read_time("2027-01-01T01:00:00+01:00").unwrap().to_string(), "2027-01-01T00:00:00Z");
        for (text, fault) in [
            ("9999-12-31", TimeFault::TooFar),
            ("9999-12-31T23:59:59Z", TimeFault::TooFar),
            ("9999-13-31", TimeFault::NoDate),
            ("2027-03-28T02:30:00+25:00", TimeFault::Offset),
            ("2027-03-28T02:30:00-14:30", TimeFault::Offset),
        ] {
            assert_eq!(point_in_time(text), Err(fault), "{text}");
        }
        for text in ["9999-12-30", "2027-03-28T02:30:00+14:00", "2027-03-28T02:30:00-03:30"] {
            assert!(point_in_time(text).is_ok(), "{text}");
        }
        for text in ["tomorrow", "2027-13-01", "2027-01-01T00:00:00", "2027"] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }
}
