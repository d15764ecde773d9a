//! What people are shown: tables, times, JSON.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
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
