//! Writing: what to factor out of the records, and the formats that put it into octets.
//!
//! What is written is read rightly by weak readers too: base fields stand in the first record only and are
//! never reset, no base value, no base sum, and never a base unit beside a unit.

use super::number::is_integer;
use super::read::Format;
use super::resolved::{Record, Selection};
use super::{write_cbor, write_json, write_xml};

/// For whom it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Any reader of RFC 8428.
    #[default]
    Standard,
    /// Existing clients of `urn:quoalise:0`: base name and base time always present, numbers only. Records
    /// without a number are left out and counted.
    Quoalise,
}

/// Why records cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// A time before 2^28 s (1978) reads as relative to now; RFC 8428 has no way to write it.
    EarlyTime {
        /// Which record of the selection, counted from 0.
        record: usize,
    },
    /// A text with characters that XML does not have, such as U+0000.
    NotXml {
        /// Which record of the selection, counted from 0.
        record: usize,
    },
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EarlyTime { record } => {
                write!(f, "record {record}: a time before 1978-07-04T21:24:16Z cannot be written")
            }
            Self::NotXml { record } => {
                write!(f, "record {record}: a text with characters that XML does not have")
            }
        }
    }
}

impl std::error::Error for Unwritable {}

/// Appends these records as one pack, and gives how many the profile left out.
///
/// `read(write(x))` gives x again, sorted by time. An empty selection is written as an empty pack, which
/// answers queries (RFC 8790 §3.1) and which readers of packs refuse (decision A12). On failure `out` is as
/// it was.
pub fn write(
    format: Format,
    profile: Profile,
    records: Selection<'_>,
    out: &mut Vec<u8>,
) -> Result<usize, Unwritable> {
    let before = out.len();
    let plan = Plan::new(profile, records)?;
    let written = match format {
        Format::Json => {
            write_json::write(&plan, records, out);
            Ok(())
        }
        Format::Xml => write_xml::write(&plan, records, out),
        Format::Cbor => {
            write_cbor::write(&plan, records, out);
            Ok(())
        }
    };
    if let Err(unwritable) = written {
        out.truncate(before);
        return Err(unwritable);
    }
    Ok(plan.left_out)
}

/// What the base fields say, and so what the records need not.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    profile: Profile,
    pub(super) version: Option<u64>,
    /// Empty: none.
    pub(super) name: &'a str,
    pub(super) time: Option<f64>,
    pub(super) unit: Option<&'a str>,
    /// How many records are written.
    pub(super) count: usize,
    left_out: usize,
}

impl<'a> Plan<'a> {
    fn new(profile: Profile, records: Selection<'a>) -> Result<Self, Unwritable> {
        let mut plan =
            Self { profile, version: None, name: "", time: None, unit: None, count: 0, left_out: 0 };
        let mut last_name = usize::MAX;
        let mut same_unit = true;
        let mut saved = 0;
        for (index, record) in records.iter().enumerate() {
            if !plan.takes(&record) {
                plan.left_out += 1;
                continue;
            }
            if record.time() < super::assembler_record::ABSOLUTE {
                return Err(Unwritable::EarlyTime { record: index });
            }
            if plan.count == 0 {
                plan.version = record.version();
                plan.name = record.name();
                plan.unit = record.unit();
                plan.time = Some(record.time().floor());
            } else {
                if record.name_id() != last_name {
                    // Names are ASCII, so any length is between characters.
                    let common =
                        plan.name.bytes().zip(record.name().bytes()).take_while(|(a, b)| a == b).count();
                    plan.name = plan.name.get(..common).unwrap_or_default();
                }
                same_unit = same_unit && record.unit() == plan.unit;
            }
            last_name = record.name_id();
            saved += 1;
            plan.count += 1;
            plan.time = plan.time.filter(|base| offset(*base, record.time()).is_some());
        }
        if !same_unit {
            plan.unit = None;
        }
        // A short common prefix costs more than it saves. Alone, a record reads best with a name.
        if profile == Profile::Standard && (plan.count < 2 || plan.name.len() * saved < 16) {
            plan.name = "";
        }
        Ok(plan)
    }

    /// Whether this record is written.
    pub(super) fn takes(&self, record: &Record<'_>) -> bool {
        self.profile == Profile::Standard || record.number().is_some()
    }

    /// The records that are written, each with whether it is the first and its index in the selection.
    pub(super) fn records<'b>(
        &'b self,
        records: Selection<'b>,
    ) -> impl Iterator<Item = (usize, bool, Record<'b>)> + 'b {
        let taken = records.iter().enumerate().filter(|(_, record)| self.takes(record));
        taken.enumerate().map(|(place, (index, record))| (index, place == 0, record))
    }

    /// The rest of the name after the base name.
    pub(super) fn rest_of_name<'b>(&self, record: &Record<'b>) -> Option<&'b str> {
        record.name().get(self.name.len()..).filter(|rest| !rest.is_empty())
    }

    /// The time after the base time. `None`: exactly that.
    pub(super) fn rest_of_time(&self, record: &Record<'_>) -> Option<f64> {
        match self.time {
            Some(base) => offset(base, record.time()).filter(|rest| *rest != 0.0),
            None => Some(record.time()),
        }
    }

    /// The unit where the base unit does not say it.
    pub(super) fn rest_of_unit<'b>(&self, record: &Record<'b>) -> Option<&'b str> {
        if self.unit.is_some() { None } else { record.unit() }
    }
}

/// What to add to `base` to get `time` exactly; with few digits, if that can be had.
fn offset(base: f64, time: f64) -> Option<f64> {
    let rest = time - base;
    if is_integer(rest) && base + rest == time {
        return Some(rest);
    }
    let rounded = [1e3, 1e6, 1e9].into_iter().map(|unit| (rest * unit).round() / unit);
    rounded.chain([rest]).find(|rest| base + rest == time)
}
