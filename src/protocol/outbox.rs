//! What waits to be written to the socket: whole stanzas, none of them larger than servers pass on.
//!
//! Prosody ends a component's stream over a stanza of 512 KiB and more; a smaller one that the recipient's server
//! does not take is lost on the way, with its neighbours, and without a word. So there is one bound, and one way to
//! the socket, which has it: nothing gets in here but by [`Outbox::stanza`]. Who writes something that may be too
//! large measures before; what comes here all the same is left out, and whoever wrote it learns so.

use std::ops::Deref;

/// The largest stanza that leaves, in octets as it is written: it fits into the 256 KiB that servers take of clients,
/// with room for what they add.
pub const STANZA_MAX: usize = 200 * 1024;

/// How much of it what is carried may take: a record, a part of a pack, a page of a list. The rest is for what stands
/// around it: addresses, ids, the terms.
pub const CONTENT_MAX: usize = 160 * 1024;

/// The longest id of an item, and of a stanza that is answered under it, in octets. Written, it may be six times as
/// long.
pub const ID_MAX: usize = 1023;

/// Whole stanzas, one behind the other.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
}

impl Outbox {
    /// Puts the stanza that `write` appends behind what waits. `false` if it is too large: then nothing happened but
    /// a line in the log, which says nothing of what is in it.
    #[must_use = "a stanza that is too large is not written, and somebody may wait for it"]
    pub fn stanza(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let before = self.bytes.len();
        write(&mut self.bytes);
        let size = self.bytes.len() - before;
        if size <= STANZA_MAX {
            return true;
        }
        let kind = kind(&self.bytes[before..]);
        tracing::error!(kind, bytes = size, limit = STANZA_MAX, "a stanza is too large and was not written");
        self.bytes.truncate(before);
        false
    }

    /// The first so many octets were written.
    pub fn wrote(&mut self, count: usize) {
        self.bytes.drain(..count);
    }

    /// Nothing waits any more.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// To be written, and to be looked at; not to be added to.
impl Deref for Outbox {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What sort of stanza it is.
fn kind(stanza: &[u8]) -> &'static str {
    match stanza {
        [b'<', b'm', ..] => "message",
        [b'<', b'i', ..] => "iq",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_left_out_and_its_neighbours_are_not() {
        let mut outbox = Outbox::default();
        assert!(outbox.stanza(|out| out.extend_from_slice(b"<iq/>")));
        assert!(outbox.stanza(|out| out.resize(out.len() + STANZA_MAX, b'x')));
        assert!(!outbox.stanza(|out| out.resize(out.len() + STANZA_MAX + 1, b'y')));
        assert!(outbox.stanza(|out| out.extend_from_slice(b"<message/>")));
        assert_eq!(outbox.len(), STANZA_MAX + 15);
        assert!(outbox.ends_with(b"x<message/>"));
        outbox.wrote(5 + STANZA_MAX);
        assert_eq!(&*outbox, b"<message/>");
    }
}
