//! What is known of items that were published before: from when on, and until when.

use std::time::Duration;

use super::super::pack::Pack;
use super::super::repetitions::Delivered;
use super::{REVIVED, Relay};
use crate::domain::clock::Now;
use crate::store::journal::Row;

/// How many destinations are asked in one tick, together, what they are owed.
const QUESTIONS: usize = 50_000;

/// Items that they are asked of, at least.
const QUESTIONS_MIN: usize = 8;

/// Between two words to the log on what was forgotten.
const SAY_AGAIN: Duration = Duration::from_secs(60);

impl Relay {
    /// Notes that up to this number the journal has nothing any more that was not over. Before [`Self::recover`].
    pub fn know_pruned(&mut self, upto: u64) {
        self.pruned = upto;
    }

    /// Notes that rows of the journal from this one on are to be taken in. Before [`Self::recover`].
    pub fn expect_rows(&mut self, first: u64) {
        let rows = self.last_seq.saturating_sub(first.max(self.pruned + 1)) + 1;
        self.repetitions.reserve(usize::try_from(rows).unwrap_or(usize::MAX));
    }

    /// What an item is known again by, of a row that an earlier version wrote: no row of a pack of relative times, which
    /// does not tell any more how it came.
    pub fn digest_of(&self, row: &Row) -> u128 {
        let Some(pack) = Pack::from_bytes(&row.payload) else { return REVIVED };
        self.repetitions.fingerprint(&row.node, &row.item, pack.content(&row.payload)).content()
    }

    /// An item was retracted, or all of a node: published again, it is new.
    pub fn forget(&mut self, node: &str, item: Option<&str>) {
        let upto = self.last_seq - self.next.entries.len() as u64;
        self.repetitions.forget(node, item, upto);
    }

    /// How many items are known again when they are published again.
    pub fn remembered(&self) -> usize {
        self.repetitions.len()
    }

    /// Notes how far all is delivered, and forgets what was, long enough ago.
    pub(super) fn note_delivered(&mut self, now: Now) {
        // Only what is committed is in the deliveries, so an idle relay may prune all that is.
        let committed = self.last_seq - self.uncommitted() as u64;
        let free = self.deliveries.floor().map_or(committed, |floor| floor.saturating_sub(1));
        self.note_told(now);
        self.pruning.delivered(now.mono, free);
        let since = now.mono.checked_sub(self.pruning.keep);
        let questions = (QUESTIONS / (1 + self.deliveries.count())).max(QUESTIONS_MIN);
        let delivered = Delivered { over: self.pruning.over(), free, since, questions };
        self.repetitions.pass(now.mono, &delivered, |seq| self.deliveries.is_owed(seq));
    }

    /// Tells of items that were forgotten before their time.
    pub(super) fn count_forgotten(&mut self, now: Now) {
        let forgotten = self.repetitions.take_forgotten();
        self.next.batch.forgotten += forgotten;
        self.unsaid += forgotten;
        if self.unsaid > 0 && self.said.is_none_or(|said| said + SAY_AGAIN <= now.mono) {
            tracing::warn!(
                forgotten = self.unsaid,
                "[limits] repetitions is reached: the oldest items of the busiest nodes are forgotten, and forwarded \
                 again if they are published again"
            );
            (self.unsaid, self.said) = (0, Some(now.mono));
        }
    }
}
