//! Where a record ends: the rules that need all of its fields, and what it resolves to (RFC 8428 §4.5, §4.6).

use std::num::NonZeroU64;

use super::assembler::Assembler;
use super::assembler_state::{Purpose, Selector, all_in_name, in_name};
use super::error::{Invalid, Reason};
use super::intern::NONE;
use super::label::{BASE, Label, SELECTING, VALUES};
use super::number;
use super::resolved::{DEFAULT_VERSION, Entry, Stored};

/// Times below this are relative to now (RFC 8428 §4.5.3): 2^28 s, in 1978.
pub(super) const ABSOLUTE: f64 = 268_435_456.0;

/// The version of packs with secondary units (RFC 9100 §3, RFC 8798).
const SECONDARY: u64 = 26;

impl Assembler {
    /// The record ends. Gives whether it is a measurement, which records of base fields alone are not
    /// (decision A2). Fails with the reasons of names, values and versions.
    #[inline]
    pub fn end_record(&mut self) -> Result<bool, Invalid> {
        let seen = self.current.seen;
        self.base.seen |= seen & BASE;
        if self.current.unknown_ends.len() > 1 {
            self.unknown_twice()?;
        }
        if self.out.version.is_none() && matches!(self.purpose, Purpose::Pack | Purpose::Stream) {
            // The first record settles the version; another one later is a mixture. Fetch and patch records
            // have no default version (RFC 8790 §3).
            self.out.version = NonZeroU64::new(DEFAULT_VERSION);
        }
        if self.purpose == Purpose::Fetch && seen & !SELECTING != 0 {
            return Err(self.refuse(Reason::FetchExtraField, "only names, times and units select records"));
        }
        let values = seen & VALUES;
        if values & values.wrapping_sub(1) != 0 {
            return Err(self.refuse(Reason::MultipleValues, "more than one of v, vs, vb, vd"));
        }
        if values == 0 && seen & Label::Sum.bit() == 0 {
            if seen & !BASE == 0 && seen != 0 && self.purpose != Purpose::Fetch {
                return Ok(false);
            }
            self.valueless()?;
        }
        let name = self.resolved_name(seen)?;
        let time = self.numbers.at(Label::BaseTime) + self.numbers.at(Label::Time);
        self.out.relative |= time < ABSOLUTE;
        let time = if time < ABSOLUTE { self.now + time } else { time };
        let number = self.numbers.at(Label::BaseValue) + self.numbers.at(Label::Value);
        let has_number = seen & Label::Value.bit() != 0 && !self.current.null;
        let value = if has_number { Stored::Number(number) } else { self.current.value };
        let sum = if (seen | self.base.seen) & (Label::Sum.bit() | Label::BaseSum.bit()) != 0 {
            self.numbers.at(Label::BaseSum) + self.numbers.at(Label::Sum)
        } else {
            f64::NAN
        };
        if (has_number && !number.is_finite()) || sum.is_infinite() || !time.is_finite() {
            return Err(self.refuse(Reason::NumberRange, "a base field makes the sum overflow"));
        }
        let unit = match self.base.unit {
            Some(unit) if seen & Label::Unit.bit() == 0 => unit,
            _ => self.current.unit,
        };
        let format = match self.current.value {
            Stored::Data { .. } if self.current.format != NONE => self.current.format,
            Stored::Data { .. } => self.base.format.unwrap_or(NONE),
            _ => NONE,
        };
        self.out.records.push(Entry {
            time,
            sum,
            update_time: self.numbers.at(Label::UpdateTime),
            value,
            name,
            unit,
            format,
            position: self.record() as u32,
        });
        if matches!(self.purpose, Purpose::Fetch | Purpose::Patch) {
            self.selectors.push(Selector {
                by_time: (seen | self.base.seen) & (Label::Time.bit() | Label::BaseTime.bit()) != 0,
                by_unit: (seen | self.base.seen) & (Label::Unit.bit() | Label::BaseUnit.bit()) != 0,
                removes: self.current.null,
            });
        }
        Ok(true)
    }

    /// Decision A1: 1 to 10 as they are, above that the reserved bits of RFC 9100 and known features only.
    #[cold]
    pub(super) fn version(&mut self, value: f64) -> Result<(), Invalid> {
        if self.purpose == Purpose::Fetch {
            return Err(self.refuse(Reason::FetchExtraField, "bver in a fetch record"));
        }
        let integer = value < number::EXACT as f64 && value.fract() == 0.0;
        let Some(wanted) = NonZeroU64::new(value as u64).filter(|_| integer) else {
            return Err(self.refuse(Reason::BadVersion, "bver is not a positive integer below 2^53"));
        };
        let version = wanted.get();
        if version > DEFAULT_VERSION && (version & 0xf != 0b1010 || !self.options.features.cover(version)) {
            let more = if self.options.features.cover(SECONDARY) { " and 26" } else { "" };
            let detail = format!("version {version} is not understood, 1 to 10{more} are");
            return Err(self.refuse(Reason::UnsupportedVersion, detail));
        }
        match self.out.version {
            Some(before) if before != wanted => {
                Err(self.refuse(Reason::MixedVersions, format!("version {version} after {before}")))
            }
            _ => {
                self.out.version = Some(wanted);
                Ok(())
            }
        }
    }

    #[cold]
    fn unknown_twice(&self) -> Result<(), Invalid> {
        let current = &self.current;
        let mut start = 0;
        let mut labels: Vec<&[u8]> = Vec::with_capacity(current.unknown_ends.len());
        for end in &current.unknown_ends {
            labels.push(current.unknown.get(start..*end).unwrap_or_default());
            start = *end;
        }
        labels.sort_unstable();
        if labels.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.refuse(Reason::DuplicateLabel, "an unknown label twice"));
        }
        Ok(())
    }

    /// The name of the record: base name and name, one after the other, checked when it is new.
    #[inline]
    fn resolved_name(&mut self, seen: u32) -> Result<u32, Invalid> {
        let base = &mut self.base;
        if seen & Label::Name.bit() == 0 && base.name.set_name("") {
            base.name_id = None;
        }
        if let Some(known) = base.name_id {
            return Ok(known);
        }
        let id = match self.out.names.find(base.name.whole()) {
            Some(known) => known,
            None => self.new_name(seen)?,
        };
        self.base.name_id = Some(id);
        Ok(id)
    }

    fn new_name(&mut self, seen: u32) -> Result<u32, Invalid> {
        let name = self.base.name.whole();
        let Some(first) = name.bytes().next() else {
            return Err(if seen & Label::Name.bit() != 0 || self.base.seen & Label::BaseName.bit() != 0 {
                self.refuse(Reason::NameEmpty, "base name and name are empty")
            } else {
                self.refuse(Reason::MissingName, "neither name nor base name")
            });
        };
        if name.len() > self.options.limits.name_bytes {
            return Err(self.refuse(Reason::NameTooLong, format!("a name of {} octets", name.len())));
        }
        if !all_in_name(name.as_bytes()) || !first.is_ascii_alphanumeric() {
            return Err(self.bad_name());
        }
        Ok(self.out.names.add(name))
    }

    #[cold]
    fn bad_name(&self) -> Invalid {
        let name = self.base.name.whole();
        match name.chars().find(|c| !c.is_ascii() || !in_name(*c as u8)) {
            Some(bad) => self.refuse(Reason::BadNameChar, format!("{bad:?} in a name")),
            None => {
                let first = name.chars().next().unwrap_or_default();
                self.refuse(Reason::BadNameStart, format!("a name starts with {first:?}"))
            }
        }
    }

    /// A record without value: the business of fetch packs, an error elsewhere.
    fn valueless(&self) -> Result<(), Invalid> {
        match self.purpose {
            Purpose::Fetch => Ok(()),
            Purpose::Patch => Err(self.refuse(Reason::PatchNoValue, "neither value, sum nor null")),
            Purpose::Pack | Purpose::Stream => Err(self.refuse(Reason::NoValue, "neither value nor sum")),
        }
    }
}
