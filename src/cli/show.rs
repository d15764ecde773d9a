//! What people are shown: tables, times, JSON.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Failure;

/// Prints a table, or a sentence where there is nothing to show.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>, none: &str) {
    if rows.is_empty() {
        println!("{none}");
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles);
    for row in rows {
        table.add_row(row);
    }
    for line in table.lines() {
        println!("{}", line.trim());
    }
}

/// Prints a value as JSON, for programs.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Refused(e.to_string()))?;
    println!("{text}");
    Ok(())
}

/// Reads a point in time: `2027-01-01` (midnight UTC), or with time and offset.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    let wrong = || format!("'{text}' is not a date; write 2027-01-01 or 2027-01-01T12:00:00+01:00");
    let date: Date = text.parse().map_err(|_| wrong())?;
    if text.len() != 10 {
        return Err(wrong());
    }
    date.to_zoned(TimeZone::UTC).map(|z| z.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        assert_eq!(time("2027-01-01").unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(time("2027-01-01T01:00:00+01:00").unwrap().to_string(), "2027-01-01T00:00:00Z");
        for text in ["tomorrow", "2027-13-01", "2027-01-01T00:00:00", "2027"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
