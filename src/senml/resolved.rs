//! Resolved packs (RFC 8428 §4.6): every record stands alone, in chronological order.
//!
//! Names, units, text and data are kept once beside the records, so that a record is a few words and a pack
//! of a thousand records a handful of allocations.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::intern::{Interner, NONE};
use super::unit_number::{REGISTERED, registered, spelling};

/// The version that a pack without `bver` has (RFC 8428 §4.4).
pub const DEFAULT_VERSION: u64 = 10;

/// A resolved pack. Records of equal time keep the order they had in the pack.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub(super) records: Vec<Entry>,
    pub(super) names: Interner,
    /// What a pack of numbers in registered units does without.
    pub(super) more: Option<Box<More>>,
    pub(super) version: Option<NonZeroU64>,
    pub(super) positions: usize,
    pub(super) relative: bool,
}

/// What only some packs have.
#[derive(Clone, Debug, Default)]
pub(super) struct More {
    /// Units that are not registered; their numbers begin at [`REGISTERED`].
    pub(super) units: Interner,
    pub(super) formats: Interner,
    pub(super) text: String,
    pub(super) data: Vec<u8>,
}

impl More {
    /// Keeps a text.
    #[inline]
    pub(super) fn keep_text(&mut self, text: &str) -> Stored {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        Stored::Text { start, end: self.text.len() as u32 }
    }

    /// Keeps octets.
    pub(super) fn keep_data(&mut self, data: &[u8]) -> Stored {
        let start = self.data.len() as u32;
        self.data.extend_from_slice(data);
        Stored::Data { start, end: self.data.len() as u32 }
    }
}

/// One record as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) time: f64,
    /// NaN: none. So for `update_time`.
    pub(super) sum: f64,
    pub(super) update_time: f64,
    pub(super) value: Stored,
    pub(super) name: u32,
    pub(super) unit: u32,
    pub(super) format: u32,
    pub(super) position: u32,
}

/// One value as it is stored: a place in the text or the data of the pack, or the value itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stored {
    None,
    Number(f64),
    Boolean(bool),
    Text { start: u32, end: u32 },
    Data { start: u32, end: u32 },
}

/// The value of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `v`: in the record's unit, base value added. Always finite.
    Number(f64),
    /// `vs`.
    Text(&'a str),
    /// `vb`.
    Boolean(bool),
    /// `vd`: the octets themselves.
    Data(&'a [u8]),
}

/// A view of one resolved record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub(super) pack: &'a Resolved,
    pub(super) entry: &'a Entry,
}

impl Resolved {
    /// How many records there are. Records of base fields alone are none.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record of this index, in chronological order.
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.records.get(index).map(|entry| Record { pack: self, entry })
    }

    /// The records in chronological order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> + DoubleEndedIterator + Clone {
        self.records.iter().map(|entry| Record { pack: self, entry })
    }

    /// The version of the pack; [`DEFAULT_VERSION`] if it gave none.
    pub fn version(&self) -> u64 {
        self.version.map_or(DEFAULT_VERSION, NonZeroU64::get)
    }

    /// The distinct names, each at its [`Record::name_id`]. What is asked once per series needs no more than
    /// one look at each.
    pub fn names(&self) -> &[Arc<str>] {
        self.names.strings()
    }

    /// How many records the pack had as written, those of base fields alone included (RFC 8428 §9 counts
    /// them).
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Whether any time was relative to now (RFC 8428 §4.5.3), so that the pack resolves differently later.
    pub fn is_relative(&self) -> bool {
        self.relative
    }

    /// All records, for a writer.
    pub fn all(&self) -> Selection<'_> {
        Selection { pack: self, indices: None }
    }

    /// The records of these indices, in that order, for a writer. Indices beyond the end select nothing.
    pub fn select<'a>(&'a self, indices: &'a [u32]) -> Selection<'a> {
        Selection { pack: self, indices: Some(indices) }
    }

    /// Empties it for another pack, keeping its room.
    pub(super) fn recycle(&mut self) {
        self.records.clear();
        self.names.recycle();
        if let Some(more) = &mut self.more {
            more.units.recycle();
            more.formats.recycle();
            more.text.clear();
            more.data.clear();
        }
        self.version = None;
        self.positions = 0;
        self.relative = false;
    }

    /// What only some packs have, from now on this one too.
    #[inline]
    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The number of a unit; [`NONE`] for an empty one.
    #[inline]
    pub(super) fn unit_number(&mut self, unit: &str) -> u32 {
        if unit.is_empty() {
            return NONE;
        }
        registered(unit).unwrap_or_else(|| REGISTERED + self.more().units.intern(unit))
    }

    /// The unit of this number.
    fn unit(&self, number: u32) -> &str {
        match (spelling(number), &self.more) {
            (Some(unit), _) => unit,
            (None, Some(more)) => more.units.get(number - REGISTERED),
            (None, None) => "",
        }
    }

    /// Puts the records into chronological order; equal times keep theirs (decision A14).
    pub fn sort(&mut self) {
        if !self.records.is_sorted_by(|a, b| a.time <= b.time) {
            // Times are finite, so they always compare.
            self.records.sort_by(|a, b| a.time.partial_cmp(&b.time).unwrap_or(std::cmp::Ordering::Equal));
        }
    }
}

impl PartialEq for Resolved {
    /// Equal records in equal order, and the same version. Where in the pack they stood does not count.
    fn eq(&self, other: &Self) -> bool {
        self.version() == other.version() && self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<'a> Record<'a> {
    /// The resolved name.
    #[inline]
    pub fn name(&self) -> &'a str {
        self.pack.names.get(self.entry.name)
    }

    /// The place of the name in [`Resolved::names`]; equal names have equal numbers.
    #[inline]
    pub fn name_id(&self) -> usize {
        self.entry.name as usize
    }

    /// Absolute time in seconds since 1970-01-01T00:00Z.
    #[inline]
    pub fn time(&self) -> f64 {
        self.entry.time
    }

    /// The unit; `None` where there is none or an empty one (decision A20).
    pub fn unit(&self) -> Option<&'a str> {
        Some(self.entry.unit).filter(|unit| *unit != NONE).map(|unit| self.pack.unit(unit))
    }

    /// The value; `None` in a record of a sum alone.
    pub fn value(&self) -> Option<Value<'a>> {
        let more = self.pack.more.as_deref();
        Some(match self.entry.value {
            Stored::None => return None,
            Stored::Number(number) => Value::Number(number),
            Stored::Boolean(boolean) => Value::Boolean(boolean),
            Stored::Text { start, end } => {
                let text = more.and_then(|more| more.text.get(start as usize..end as usize));
                Value::Text(text.unwrap_or_default())
            }
            Stored::Data { start, end } => {
                let data = more.and_then(|more| more.data.get(start as usize..end as usize));
                Value::Data(data.unwrap_or_default())
            }
        })
    }

    /// The numeric value, if that is what it is.
    pub fn number(&self) -> Option<f64> {
        match self.entry.value {
            Stored::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The integrated sum, in the unit times seconds, base sum added.
    pub fn sum(&self) -> Option<f64> {
        Some(self.entry.sum).filter(|sum| !sum.is_nan())
    }

    /// The longest time in seconds until a next record may be expected.
    pub fn update_time(&self) -> Option<f64> {
        Some(self.entry.update_time).filter(|time| !time.is_nan())
    }

    /// The version, where it is not 10 and so stands in the resolved record (RFC 8428 §4.6).
    pub fn version(&self) -> Option<u64> {
        self.pack.version.map(NonZeroU64::get).filter(|version| *version != DEFAULT_VERSION)
    }

    /// The content format of a data value (RFC 9193).
    pub fn content_format(&self) -> Option<&'a str> {
        let more = self.pack.more.as_deref()?;
        Some(self.entry.format).filter(|format| *format != NONE).map(|format| more.formats.get(format))
    }

    /// The place of the record in the pack as written, counted from 0.
    pub fn position(&self) -> usize {
        self.entry.position as usize
    }
}

impl PartialEq for Record<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
            && self.time() == other.time()
            && self.unit() == other.unit()
            && self.value() == other.value()
            && self.sum() == other.sum()
            && self.update_time() == other.update_time()
            && self.content_format() == other.content_format()
    }
}

/// Some records of a pack, in the order in which they will be written.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    pack: &'a Resolved,
    indices: Option<&'a [u32]>,
}

impl<'a> Selection<'a> {
    /// The records.
    pub fn iter(self) -> impl Iterator<Item = Record<'a>> + Clone {
        let pack = self.pack;
        let chosen = self.indices.unwrap_or_default().iter().filter_map(|index| pack.get(*index as usize));
        let all = if self.indices.is_none() { pack.records.as_slice() } else { &[] };
        all.iter().map(move |entry| Record { pack, entry }).chain(chosen)
    }

    /// How many records at most.
    pub fn len(&self) -> usize {
        self.indices.map_or(self.pack.len(), <[u32]>::len)
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pack that they are of.
    pub fn pack(&self) -> &'a Resolved {
        self.pack
    }
}
