//! Fragment identifiers (RFC 8428 §9): `rec=3`, `rec=3-5`, `rec=9-*`, and lists of these.

use super::error::{Invalid, Reason};
use super::resolved::{Record, Resolved};

/// Which records of a pack, by their place as written. Places count from 1 and include records of base
/// fields alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// First and last, the last included; `usize::MAX` for `*`. In ascending order, without overlap.
    ranges: Vec<(usize, usize)>,
}

impl Fragment {
    /// Reads the part of a URI after `#`. Position 0, reversed ranges and other schemes are
    /// [`Reason::BadFragment`] (decision A25).
    pub fn parse(fragment: &str) -> Result<Self, Invalid> {
        let refuse =
            || Invalid::pack(Reason::BadFragment, "rec= with places from 1, ranges a-b or a-*, commas");
        let list = fragment.strip_prefix("rec=").ok_or_else(refuse)?;
        let mut ranges = Vec::new();
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = place(first).ok_or_else(refuse)?;
            let last = if last == "*" { usize::MAX } else { place(last).ok_or_else(refuse)? };
            if first > last {
                return Err(refuse());
            }
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Ok(Self { ranges: merged })
    }

    /// Whether it selects this place, counted from 1.
    pub fn selects(&self, place: usize) -> bool {
        let next = self.ranges.partition_point(|(first, _)| *first <= place);
        next.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|(_, last)| place <= *last)
    }

    /// The places, counted from 1, that it selects of a pack with so many records.
    pub fn positions(&self, records: usize) -> impl Iterator<Item = usize> + '_ {
        self.ranges.iter().flat_map(move |(first, last)| *first..=(*last).min(records))
    }

    /// The records that it selects of a resolved pack.
    pub fn of<'a>(&'a self, pack: &'a Resolved) -> impl Iterator<Item = Record<'a>> + 'a {
        pack.iter().filter(|record| self.selects(record.position() + 1))
    }
}

/// A positive integer in digits alone. One too large for any pack is as good as the largest.
fn place(text: &str) -> Option<usize> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let place = text.bytes().fold(0usize, |n, b| n.saturating_mul(10).saturating_add(usize::from(b - b'0')));
    (place > 0).then_some(place.min(usize::MAX - 1))
}
