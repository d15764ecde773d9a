//! How much is read while more is owed than goes out.
//!
//! What comes in costs no less than what goes out. Were all read that is offered, a load above what the service can do
//! would leave hardly any time for deliveries, and the backlog would grow without end. So while deliveries are behind, the
//! socket is read only now and then, and the server's flow control tells the publishers.

/// While deliveries are behind, so many bytes are written between one read and the next.
const WRITE_BETWEEN: usize = 1024 * 1024;

/// So often is read between two ticks all the same: nobody waits for ever to be heard, nor do two sides that write wait
/// for one another.
const READS_PER_TICK: u32 = 8;

/// So many items are much to be owed while some of them are being read from the journal.
pub(super) const OWED_MUCH: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Balance {
    /// Destinations whose next items are being read from the journal.
    loading: usize,
    /// Bytes written since the last read.
    written: usize,
    /// How often may be read still before the next tick.
    reads_left: u32,
}

impl Balance {
    pub(super) fn new() -> Self {
        Balance { loading: 0, written: 0, reads_left: READS_PER_TICK }
    }

    /// Whether the socket is to be read. `is_behind`: there is much to write to somebody now; `waiting`: so many items
    /// are owed in all.
    pub(super) fn may_read(&self, is_behind: bool, waiting: usize) -> bool {
        let behind = is_behind || self.loading > 0 && waiting > OWED_MUCH;
        !behind || self.written >= WRITE_BETWEEN || self.reads_left > 0
    }

    pub(super) fn loads(&mut self) {
        self.loading += 1;
    }

    pub(super) fn loaded(&mut self) {
        self.loading = self.loading.saturating_sub(1);
    }

    pub(super) fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
    }

    pub(super) fn read(&mut self) {
        if self.written < WRITE_BETWEEN {
            self.reads_left = self.reads_left.saturating_sub(1);
        }
        self.written = 0;
    }

    pub(super) fn tick(&mut self) {
        self.reads_left = READS_PER_TICK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_deliveries_are_behind_it_is_read_now_and_then() {
        let mut balance = Balance::new();
        for _ in 0..READS_PER_TICK {
            assert!(balance.may_read(true, 0));
            balance.read();
        }
        assert!(!balance.may_read(true, 0) && balance.may_read(false, usize::MAX));
        balance.wrote(WRITE_BETWEEN - 1);
        assert!(!balance.may_read(true, 0));
        balance.wrote(1);
        assert!(balance.may_read(true, 0));
        balance.read();
        assert!(!balance.may_read(true, 0));
        balance.loads();
        assert!(!balance.may_read(false, OWED_MUCH + 1) && balance.may_read(false, OWED_MUCH));
        balance.loaded();
        assert!(balance.may_read(false, OWED_MUCH + 1));
        balance.tick();
        assert!(balance.may_read(true, 0), "whoever reads nothing is still heard");
    }
}
