//! The only place that asks what time it is; everything else gets the instant as an argument.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One reading of both clocks.
///
/// `wall` is the civil time that consents and measurements are compared with; it may step.
/// `mono` only grows, and is what waiting and retrying are measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Civil time, UTC.
    pub wall: Timestamp,
    /// Time since the process started.
    pub mono: Duration,
}

impl Now {
    /// Seconds since 1970-01-01T00:00Z, as SenML counts them (RFC 8428 §4.5.3).
    pub fn seconds(&self) -> f64 {
        self.wall.as_duration().as_secs_f64()
    }

    /// Whether it is at least so long since then (milliseconds since 1970). A clock that stepped back makes things
    /// look younger, never too old.
    pub fn is_later_by(&self, then: i64, long: Duration) -> bool {
        let age = self.wall.as_millisecond().saturating_sub(then);
        u64::try_from(age).is_ok_and(|age| u128::from(age) >= long.as_millis())
    }
}

/// Reads the machine's clocks.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose `mono` starts at zero now.
    pub fn start() -> Self {
        Clock { started: Instant::now() }
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        Now { wall: wall(), mono: self.started.elapsed() }
    }
}

/// Civil time, for one-shot commands that have no service around them.
///
/// Cut to the millisecond, which is what the store keeps.
#[allow(clippy::disallowed_methods)] // the one place
pub fn wall() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
