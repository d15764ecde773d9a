//! What people are shown: tables, times, JSON.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

use super::Failure;

/// Prints a line, as `println!` does; where it cannot be printed, the process ends (see [`ended`]).
macro_rules! say {
    () => { $crate::cli::show::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::show::line(format_args!($($text)*)) };
}
pub(super) use say;

/// See [`say`].
pub(super) fn line(text: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}") {
        std::process::exit(ended(&error).into());
    }
}

/// The exit code where nothing can be printed any more: 0 if nobody reads on (`| head`), else 2, and why.
pub(super) fn ended(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::BrokenPipe {
        return 0;
    }
    let _ = writeln!(io::stderr(), "courant: standard output: {error}");
    2
}

/// Prints a table, or a sentence where there is nothing to show.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>, none: &str) {
    if rows.is_empty() {
        say!("{none}");
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles);
    for row in rows {
        table.add_row(row);
    }
    for line in table.lines() {
        say!("{}", line.trim());
    }
}

/// Prints a value as JSON, for programs.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Refused(e.to_string()))?;
    say!("{text}");
    Ok(())
}
