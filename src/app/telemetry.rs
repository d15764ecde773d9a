//! Log lines: text for people or JSON for programs, on standard error. What is logged is the environment's
//! choice (`RUST_LOG`); never a measured value, a secret or a full address.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::prelude::*;

use crate::config::LogFormat;

/// Starts logging. To be called once.
///
/// `RUST_LOG` is a level (`debug`) or levels by module (`info,courant::relay=trace`); without it, `info`.
pub fn start(format: LogFormat) {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, error) = filter(&asked);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A subscriber that is there already (in a test) is left alone.
    let _ = match format {
        LogFormat::Text => {
            tracing_subscriber::registry().with(lines.with_target(false).with_filter(filter)).try_init()
        }
        LogFormat::Json => tracing_subscriber::registry().with(lines.json().with_filter(filter)).try_init(),
    };
    if let Some(error) = error {
        warn!(%error, "RUST_LOG is not understood, and info is logged: say a level (debug) or levels by module (info,courant::relay=trace)");
    }
}

/// What is to be logged, and what was wrong with what was asked for.
fn filter(asked: &str) -> (Targets, Option<ParseError>) {
    let usual = Targets::new().with_default(LevelFilter::INFO);
    match asked.trim() {
        "" => (usual, None),
        asked => match asked.parse() {
            Ok(filter) => (filter, None),
            Err(error) => (usual, Some(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_environment_says_what_is_logged() {
        let (usual, error) = filter(" ");
        assert!(error.is_none());
        assert!(usual.would_enable("courant::relay", &Level::INFO));
        assert!(!usual.would_enable("courant::relay", &Level::DEBUG));
        let (asked, error) = filter("warn,courant::relay=trace");
        assert!(error.is_none());
        assert!(asked.would_enable("courant::relay::machine", &Level::TRACE));
        assert!(!asked.would_enable("courant::desk", &Level::INFO));
        let (fallback, error) = filter("courant=loud");
        assert!(error.is_some());
        assert!(fallback.would_enable("courant", &Level::INFO));
    }
}
