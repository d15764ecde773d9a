//! Whether the server is still there: after a silence it is asked (XEP-0199), and given up when it
//! does not answer.
//!
//! Plain logic on instants that are handed in. What is asked and how is the router's; any byte counts
//! as an answer (RFC 6120 §4.6).

use std::time::Duration;

use tokio::time::Instant;

/// What to do at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing yet.
    Nothing,
    /// Ping one's own server.
    Ping,
    /// Give the link up and connect again.
    Dead,
}

/// The silence of one link.
#[derive(Debug, Clone)]
pub struct Liveness {
    idle: Duration,
    ping_timeout: Duration,
    heard: Instant,
    pinged: Option<Instant>,
}

impl Liveness {
    /// Silence that is borne without asking.
    pub const IDLE: Duration = Duration::from_secs(60);

    /// A link that came up at `now`.
    pub fn new(now: Instant, ping_timeout: Duration) -> Self {
        Liveness { idle: Self::IDLE, ping_timeout, heard: now, pinged: None }
    }

    /// Something was read, whatever it was.
    pub fn on_bytes(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// What is due at `now`. `Ping` is said once per silence.
    pub fn on_tick(&mut self, now: Instant) -> Action {
        if now < self.deadline() {
            return Action::Nothing;
        }
        if self.pinged.is_some() {
            return Action::Dead;
        }
        self.pinged = Some(now);
        Action::Ping
    }

    /// When the next tick can say anything else than `Nothing`.
    pub fn deadline(&self) -> Instant {
        match self.pinged {
            Some(pinged) => pinged + self.ping_timeout,
            None => self.heard + self.idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_asked_about_once_and_then_believed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut link = Liveness::new(start, Duration::from_secs(30));
        assert_eq!(link.on_tick(at(59)), Action::Nothing);
        link.on_bytes(at(59));
        assert_eq!(link.on_tick(at(60)), Action::Nothing);
        assert_eq!(link.on_tick(at(119)), Action::Ping);
        assert_eq!(link.on_tick(at(120)), Action::Nothing);
        link.on_bytes(at(121));
        assert_eq!(link.on_tick(at(150)), Action::Nothing);
        assert_eq!(link.deadline(), at(181));
        assert_eq!(link.on_tick(at(181)), Action::Ping);
        assert_eq!(link.on_tick(at(210)), Action::Nothing);
        assert_eq!(link.on_tick(at(211)), Action::Dead);
    }
}
