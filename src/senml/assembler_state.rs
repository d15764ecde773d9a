//! What the [`Assembler`](super::Assembler) remembers: the base fields in effect, and the record being read.

use super::intern::NONE;
use super::resolved::Stored;

/// What the records are for, which decides the fields they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A pack (RFC 8428): one record or more, sorted by time in the end.
    Pack,
    /// A stream (RFC 8428 §4.8): any number of records, in order of arrival.
    Stream,
    /// A fetch pack (RFC 8790 §3.1): names, times and units alone.
    Fetch,
    /// A patch pack (RFC 8790 §3.2): a value may be null.
    Patch,
}

/// What a fetch or patch record said about which records it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selector {
    pub(super) by_time: bool,
    pub(super) by_unit: bool,
    pub(super) removes: bool,
}

/// The base fields in effect.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The base name, then the name of this record or the one before: one that repeats both has its resolved
    /// name ready.
    pub(super) name: String,
    /// Where the base name ends.
    pub(super) name_start: usize,
    /// The number of the resolved name, if that is known.
    pub(super) name_id: Option<u32>,
    pub(super) named: bool,
    pub(super) time: f64,
    pub(super) timed: bool,
    pub(super) unit: Option<u32>,
    pub(super) value: f64,
    pub(super) sum: Option<f64>,
    pub(super) version: Option<u64>,
    pub(super) format: Option<u32>,
}

/// The record being read.
#[derive(Debug)]
pub(super) struct Current {
    /// The labels seen, as bits.
    pub(super) seen: u32,
    pub(super) unit: u32,
    pub(super) value: Stored,
    pub(super) null: bool,
    pub(super) time: f64,
    pub(super) sum: f64,
    pub(super) update_time: f64,
    pub(super) format: u32,
    /// Labels not known here, one after the other, to see one that comes twice.
    pub(super) unknown: Vec<u8>,
    pub(super) unknown_ends: Vec<usize>,
}

impl Base {
    /// Nothing in effect; names are put together in this room, and as a rule fit in it.
    pub(super) fn new(mut room: String) -> Self {
        room.clear();
        room.reserve(96);
        Self { name: room, ..Self::default() }
    }
}

impl Default for Current {
    fn default() -> Self {
        Self {
            seen: 0,
            unit: NONE,
            value: Stored::None,
            null: false,
            time: 0.0,
            sum: 0.0,
            update_time: f64::NAN,
            format: NONE,
            unknown: Vec::new(),
            unknown_ends: Vec::new(),
        }
    }
}

impl Current {
    /// Ready for the next record.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.seen = 0;
        self.unit = NONE;
        self.value = Stored::None;
        self.null = false;
        self.time = 0.0;
        self.sum = 0.0;
        self.update_time = f64::NAN;
        self.format = NONE;
        self.unknown.clear();
        self.unknown_ends.clear();
    }
}

/// Whether a name may have this octet (RFC 8428 §4.5.1). `-`, `.`, `/`, the digits and `:` are neighbours.
#[inline(always)]
pub(super) fn in_name(byte: u8) -> bool {
    (byte.wrapping_sub(b'-') < 14) | ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::in_name;

    #[test]
    fn the_characters_of_names() {
        for byte in 0..=255u8 {
            let wanted = byte.is_ascii_alphanumeric() || b"-:./_".contains(&byte);
            assert_eq!(in_name(byte), wanted, "{byte}");
        }
    }
}
