//! A time that is asked for: ISO 8601 with an offset, as it was said.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use crate::desk::commands::wrong as words;
use crate::domain::language::Language;

/// What is wrong, in English and in French.
type Wrong = (String, String);

/// From when, included, until when, not included; either may be left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    from: Option<Edge>,
    until: Option<Edge>,
}

/// An instant, in the offset it was said in: sources cut days where their readers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    at: Timestamp,
    offset: Offset,
}

impl Edge {
    fn read(var: &str, text: &str) -> Result<Self, Wrong> {
        let read = || {
            let at: Timestamp = text.parse().ok()?;
            let offset = Pieces::parse(text).ok()?.to_numeric_offset()?;
            Some(Edge { at, offset })
        };
        read().ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            let english = format!(
                "{var} '{shown}' is not a time with an offset; write for example 2026-11-21T00:00:00+01:00"
            );
            (english, format!("{var} : {}", words::value(var, &shown, "", Language::Fr)))
        })
    }

    /// Never with a `Z`, which the readers of older sources do not know.
    fn write(&self) -> String {
        let there = self.at.to_zoned(self.offset.to_time_zone());
        let format = if self.at.subsec_nanosecond() == 0 {
            "%Y-%m-%dT%H:%M:%S%:z"
        } else {
            "%Y-%m-%dT%H:%M:%S.%6f%:z"
        };
        there.strftime(format).to_string()
    }
}

impl Span {
    /// Reads `start_time` and `end_time`; the error says what to write instead.
    pub(super) fn read([start, end]: [Option<&str>; 2]) -> Result<Self, Wrong> {
        let from = start.map(|text| Edge::read("start_time", text)).transpose()?;
        let until = end.map(|text| Edge::read("end_time", text)).transpose()?;
        if let (Some(from), Some(until)) = (from, until)
            && until.at < from.at
        {
            let (until, from) = (until.at, from.at);
            return Err((
                format!("end_time ({until}) is before start_time ({from})"),
                format!("end_time ({until}) est avant start_time ({from})"),
            ));
        }
        Ok(Span { from, until })
    }

    /// What of it lies between these, where they are given; nothing if that is no time at all.
    pub(super) fn within(self, from: Option<Timestamp>, until: Option<Timestamp>) -> Option<Self> {
        let edge = |at| Edge { at, offset: Offset::UTC };
        // Of equals the last is the latest and the first the earliest: what was said stays as it was said.
        let later = [from.map(edge), self.from].into_iter().flatten().max_by_key(|edge| edge.at);
        let earlier = [self.until, until.map(edge)].into_iter().flatten().min_by_key(|edge| edge.at);
        match (later, earlier) {
            (Some(from), Some(until)) if until.at <= from.at => None,
            (from, until) => Some(Span { from, until }),
        }
    }

    /// Where it begins, in seconds since 1970.
    pub(super) fn start_seconds(&self) -> f64 {
        self.from.map_or(f64::MIN, |edge| edge.at.as_duration().as_secs_f64())
    }

    /// Where it ends, in seconds since 1970.
    pub(super) fn end_seconds(&self) -> f64 {
        self.until.map_or(f64::MAX, |edge| edge.at.as_duration().as_secs_f64())
    }

    /// Whether this time, in seconds since 1970, lies in it.
    pub(super) fn contains(&self, time: f64) -> bool {
        (self.start_seconds()..self.end_seconds()).contains(&time)
    }

    /// As it is said to a source.
    pub(super) fn write(&self) -> [Option<String>; 2] {
        [self.from, self.until].map(|edge| edge.map(|edge| edge.write()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: &str, end: &str) -> Span {
        let [start, end] = [start, end].map(|text| (!text.is_empty()).then_some(text));
        Span::read([start, end]).unwrap()
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn what_was_said_stays_as_it_was_said() {
        let day = span("2026-11-21T00:00:00+01:00", "2026-11-22T00:00:00Z");
        let said = ["2026-11-21T00:00:00+01:00", "2026-11-22T00:00:00+00:00"];
        assert_eq!(day.write().map(Option::unwrap), said);
        assert_eq!(day.within(None, None), Some(day));
        assert_eq!(
            day.within(at("2026-11-20T23:00:00Z"), None).unwrap().write().map(Option::unwrap)[1],
            said[1]
        );
        let fine = span("2026-11-21T00:00:00.25-00:30", "");
        assert_eq!(fine.write(), [Some("2026-11-21T00:00:00.250000-00:30".into()), None]);
    }

    #[test]
    fn a_window_narrows_it() {
        let day = span("2026-11-21T00:00:00+01:00", "2026-11-22T00:00:00+01:00");
        let narrow = day.within(at("2026-11-21T12:00:00Z"), at("2027-01-01T00:00:00Z")).unwrap();
        let said = ["2026-11-21T12:00:00+00:00", "2026-11-22T00:00:00+01:00"];
        assert_eq!(narrow.write().map(Option::unwrap), said);
        assert_eq!(day.within(at("2026-12-01T00:00:00Z"), None), None);
        assert_eq!(day.within(None, at("2026-11-20T23:00:00Z")), None);
        assert!(narrow.contains(1_795_262_400.0) && !narrow.contains(1_795_262_399.0));
        let open = span("", "").within(at("2026-11-21T12:00:00Z"), None).unwrap();
        assert_eq!(open.write(), [Some("2026-11-21T12:00:00+00:00".into()), None]);
    }

    #[test]
    fn times_without_offset_are_none() {
        for text in ["2026-11-21T00:00:00", "yesterday", "2026-11-21"] {
            assert!(Span::read([Some(text), None]).unwrap_err().0.contains("offset"), "{text}");
        }
        let wrong = Span::read([Some("2026-11-22T00:00:00Z"), Some("2026-11-21T00:00:00Z")]);
        assert!(wrong.unwrap_err().0.contains("before"));
    }
}
