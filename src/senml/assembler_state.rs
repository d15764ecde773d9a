//! What the [`Assembler`](super::Assembler) remembers: the base fields in effect, and the record being read.

use super::intern::NONE;
use super::label::{Label, NUMBERS};
use super::name::Joined;
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

/// The numbers in effect, each at its label: those of the record being read, and the base ones. What is not
/// there counts as nothing; for an update time that is NaN.
#[derive(Debug)]
pub(super) struct Numbers([f64; NUMBERS]);

impl Default for Numbers {
    #[inline]
    fn default() -> Self {
        let mut numbers = Self([0.0; NUMBERS]);
        numbers.clear();
        numbers
    }
}

impl Numbers {
    /// Ready for the next record; base fields stay.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.0[..NO_NUMBERS.len()].copy_from_slice(&NO_NUMBERS);
    }

    /// Sets a number. Gives whether the label is one of a number.
    #[inline]
    pub(super) fn set(&mut self, label: Label, value: f64) -> bool {
        match self.0.get_mut(label as usize) {
            Some(number) => {
                *number = value;
                true
            }
            None => false,
        }
    }

    /// The number at this label.
    #[inline]
    pub(super) fn at(&self, label: Label) -> f64 {
        self.0.get(label as usize).copied().unwrap_or(f64::NAN)
    }
}

/// Value, time, sum and update time of a record that has none of them.
const NO_NUMBERS: [f64; 4] = [0.0, 0.0, 0.0, f64::NAN];

/// The base fields in effect.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The base name, then the name of this record or the one before: one that repeats both has its resolved
    /// name ready.
    pub(super) name: Joined,
    /// The number of the resolved name, if that is known.
    pub(super) name_id: Option<u32>,
    /// The labels of the base fields seen so far, as bits.
    pub(super) seen: u32,
    pub(super) unit: Option<u32>,
    pub(super) format: Option<u32>,
}

/// The record being read.
#[derive(Debug)]
pub(super) struct Current {
    /// The labels seen, as bits.
    pub(super) seen: u32,
    pub(super) unit: u32,
    /// Of another kind than a number.
    pub(super) value: Stored,
    pub(super) null: bool,
    pub(super) format: u32,
    /// Labels not known here, one after the other, to see one that comes twice.
    pub(super) unknown: Vec<u8>,
    pub(super) unknown_ends: Vec<usize>,
}

impl Default for Current {
    #[inline]
    fn default() -> Self {
        Self {
            seen: 0,
            unit: NONE,
            value: Stored::None,
            null: false,
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

/// Whether a name may have all of these octets.
#[inline]
pub(super) fn all_in_name(name: &[u8]) -> bool {
    // Without an early end, sixteen octets are looked at together.
    let all = |octets: &[u8; 16]| octets.iter().fold(true, |fine, byte| fine & in_name(*byte));
    match name.last_chunk::<16>() {
        // The last sixteen overlap with those before.
        Some(last) => name.as_chunks::<16>().0.iter().all(all) & all(last),
        None => name.iter().fold(true, |fine, byte| fine & in_name(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::{all_in_name, in_name};

    #[test]
    fn one_bad_octet_is_found_anywhere() {
        for length in 0..70 {
            let mut name = vec![b'a'; length];
            assert!(all_in_name(&name));
            for at in 0..length {
                name[at] = b' ';
                assert!(!all_in_name(&name), "{at} of {length}");
                name[at] = b'-';
            }
        }
    }

    #[test]
    fn the_characters_of_names() {
        for byte in 0..=255u8 {
            let wanted = byte.is_ascii_alphanumeric() || b"-:./_".contains(&byte);
            assert_eq!(in_name(byte), wanted, "{byte}");
        }
    }
}
