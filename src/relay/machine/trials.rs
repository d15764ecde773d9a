//! What made one's own server end the stream: found, and set aside where the operator sees it.

use std::sync::Arc;

use super::super::notice::SUBSCRIPTION;
use super::Relay;
use super::terms::Lane;
use crate::domain::clock::Now;

/// The condition of what ended the stream, alone on the wire.
pub(super) const STREAM_ERROR: &str = "stream-error";

impl Relay {
    /// One's own server ended the stream with an error that may be about what it was written. Before
    /// [`Self::link_down`].
    pub fn stream_failed(&mut self, now: Now) {
        // What was tried was alone on the wire: then nothing else is to blame.
        let trying = self.deliveries.is_trying() || self.notices.deliveries.is_trying();
        for lane in [Lane::Items, Lane::Notices] {
            if !trying || self.lane(lane).is_trying() {
                self.lane(lane).stream_failed(now.mono);
            }
        }
        self.set_notices_aside(now);
        for (seq, owed) in self.deliveries.take_set_aside() {
            tracing::warn!(
                item = seq,
                deliveries = owed.len(),
                "our own server ended the stream when it was written this item; it is set aside: see `courant queue dead-letters`"
            );
            for (domain, subscription) in owed {
                if !self.deliveries.is_dead(&domain, seq, subscription) {
                    self.deliveries.know_dead(&domain, seq, subscription);
                    self.dead_letter(seq, subscription, STREAM_ERROR.to_owned(), false, now);
                }
            }
        }
    }

    /// Something that is no delivery was written to the socket.
    pub fn wrote_beside(&mut self) {
        self.deliveries.wrote_beside();
        self.notices.deliveries.wrote_beside();
    }

    /// An item is about to be written alone: notes who is owed something of it.
    pub(super) fn note_trial(&mut self, lane: Lane, domain: &Arc<str>, seq: u64) {
        if lane == Lane::Notices {
            return self.notices.deliveries.tries(seq, vec![(Arc::clone(domain), SUBSCRIPTION)]);
        }
        let Some(entry) = self.window.get(seq) else { return };
        self.tried = Some((seq, (Arc::clone(&entry.node), Arc::clone(&entry.item))));
        let mut owed: Vec<(Arc<str>, u64)> = Vec::new();
        for one in &entry.owed {
            if let Some(subscriber) = self.rights.subscriber_owed(one)
                && owed.last().is_none_or(|(_, last)| *last != one.subscription.0)
            {
                owed.push((Arc::clone(subscriber.domain), one.subscription.0));
            }
        }
        self.deliveries.tries(seq, owed);
    }
}
