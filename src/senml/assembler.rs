//! The one state machine behind all readers: fields in, resolved records out, every rule checked.
//!
//! A reader knows its syntax and nothing else. It calls [`Assembler::begin_record`], then one method per
//! field, then [`Assembler::end_record`]; base fields, relative times, names, versions and the must-understand
//! rule are seen to here, in one pass. In the common case a field costs no allocation.

use super::assembler_state::{Base, Current, Purpose, Selector, in_name};
use super::base64;
use super::error::{Invalid, Reason};
use super::intern::{Interner, NONE};
use super::label::{BASE, Label, SELECTING, Type, VALUES};
use super::limits::Options;
use super::number;
use super::resolved::{DEFAULT_VERSION, Entry, Resolved, Stored};

/// Times below this are relative to now (RFC 8428 §4.5.3): 2^28 s, in 1978.
pub(super) const ABSOLUTE: f64 = 268_435_456.0;

/// Resolves records as they are read.
#[derive(Debug)]
pub struct Assembler {
    out: Resolved,
    options: Options,
    purpose: Purpose,
    now: f64,
    base: Base,
    current: Current,
    begun: usize,
    selectors: Vec<Selector>,
}

impl Assembler {
    /// A new one. `now`, in seconds since 1970, is what relative times are relative to.
    pub fn new(purpose: Purpose, now: f64, options: &Options) -> Self {
        Self::reusing(Resolved::default(), purpose, now, options)
    }

    /// A new one in the room of a pack that is no longer needed.
    pub fn reusing(mut spare: Resolved, purpose: Purpose, now: f64, options: &Options) -> Self {
        spare.recycle();
        let base = Base::new(std::mem::take(&mut spare.scratch));
        Self {
            out: spare,
            options: *options,
            purpose,
            now,
            base,
            current: Current::default(),
            begun: 0,
            selectors: Vec::new(),
        }
    }

    /// Changes the time that records begun from now on are relative to.
    pub fn set_now(&mut self, now: f64) {
        self.now = now;
    }

    /// Makes room for as many records as this many octets are likely to hold.
    pub(super) fn expect(&mut self, octets: usize) {
        self.out.records.reserve((octets / 24).clamp(1, 512));
    }

    /// The index of the record being read, counted from 0.
    pub fn record(&self) -> usize {
        self.begun.saturating_sub(1)
    }

    /// The limits and features it works under.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// A refusal of the record being read.
    #[cold]
    pub fn refuse(&self, reason: Reason, detail: impl Into<String>) -> Invalid {
        Invalid::record(reason, self.record(), detail)
    }

    /// A new record begins. Fails with [`Reason::TooManyRecords`].
    #[inline]
    pub fn begin_record(&mut self) -> Result<(), Invalid> {
        if self.begun >= self.options.limits.records && self.purpose != Purpose::Stream {
            return Err(self.too_many());
        }
        self.begun += 1;
        self.current.clear();
        Ok(())
    }

    #[cold]
    fn too_many(&self) -> Invalid {
        let limit = self.options.limits.records;
        Invalid::pack(Reason::TooManyRecords, format!("more than {limit} records"))
    }

    /// A numeric field, or the version. Fails with [`Reason::BadType`], [`Reason::NumberRange`],
    /// [`Reason::Nan`], [`Reason::BadVersion`], [`Reason::UnsupportedVersion`] and
    /// [`Reason::DuplicateLabel`].
    #[inline]
    pub fn number(&mut self, label: Label, value: f64) -> Result<(), Invalid> {
        self.mark(label)?;
        if !value.is_finite() {
            let reason = if value.is_nan() { Reason::Nan } else { Reason::NumberRange };
            return Err(self.refuse(reason, format!("{} is beyond a double", label.name())));
        }
        match label {
            Label::Value => self.current.value = Stored::Number(value),
            Label::Time => self.current.time = value,
            Label::Sum => self.current.sum = value,
            Label::UpdateTime => self.current.update_time = value,
            Label::BaseTime => {
                self.base.time = value;
                self.base.timed = true;
            }
            Label::BaseValue => self.base.value = value,
            Label::BaseSum => self.base.sum = Some(value),
            Label::BaseVersion => return self.version(value),
            _ => return Err(self.wrong_type(label)),
        }
        Ok(())
    }

    /// A text field; for `vd`, base64url. Fails with [`Reason::BadType`], [`Reason::BadBase64`] and
    /// [`Reason::DuplicateLabel`].
    #[inline]
    pub fn text(&mut self, label: Label, text: &str) -> Result<(), Invalid> {
        self.mark(label)?;
        match label {
            Label::Name => {
                let base = &mut self.base;
                if base.name.get(base.name_start..) != Some(text) {
                    base.name.truncate(base.name_start);
                    base.name.push_str(text);
                    base.name_id = None;
                }
            }
            Label::Unit => self.current.unit = self.unit(text),
            Label::StringValue => {
                let start = self.out.text.len() as u32;
                self.out.text.push_str(text);
                self.current.value = Stored::Text { start, end: self.out.text.len() as u32 };
            }
            Label::DataValue => {
                let start = self.out.data.len() as u32;
                if base64::decode(text, &mut self.out.data).is_none() {
                    return Err(self.refuse(Reason::BadBase64, "vd is not base64url without padding"));
                }
                self.current.value = Stored::Data { start, end: self.out.data.len() as u32 };
            }
            Label::BaseName => {
                let base = &mut self.base;
                base.named = true;
                if base.name_start != text.len() || base.name.get(..base.name_start) != Some(text) {
                    // The name may have come before its base name.
                    base.name.replace_range(..base.name_start, text);
                    base.name_start = text.len();
                    base.name_id = None;
                }
            }
            Label::BaseUnit => self.base.unit = Some(self.unit(text)),
            Label::ContentFormat => self.current.format = self.out.formats.intern(text),
            Label::BaseContentFormat => self.base.format = Some(self.out.formats.intern(text)),
            _ => return Err(self.wrong_type(label)),
        }
        Ok(())
    }

    /// A boolean field. Fails with [`Reason::BadType`] and [`Reason::DuplicateLabel`].
    pub fn boolean(&mut self, label: Label, boolean: bool) -> Result<(), Invalid> {
        self.mark(label)?;
        if label != Label::BooleanValue {
            return Err(self.wrong_type(label));
        }
        self.current.value = Stored::Boolean(boolean);
        Ok(())
    }

    /// A field of octets, as CBOR has them. Fails with [`Reason::BadType`] and [`Reason::DuplicateLabel`].
    pub fn data(&mut self, label: Label, octets: &[u8]) -> Result<(), Invalid> {
        self.mark(label)?;
        if label != Label::DataValue {
            return Err(self.wrong_type(label));
        }
        let start = self.out.data.len() as u32;
        self.out.data.extend_from_slice(octets);
        self.current.value = Stored::Data { start, end: self.out.data.len() as u32 };
        Ok(())
    }

    /// A null, which is a removal in the `v` of a patch record and a wrong type everywhere else.
    pub fn null(&mut self, label: Label) -> Result<(), Invalid> {
        self.mark(label)?;
        if self.purpose != Purpose::Patch || label != Label::Value {
            return Err(self.wrong_type(label));
        }
        self.current.null = true;
        Ok(())
    }

    /// A field as XML spells it: the label and the attribute's value, its references replaced
    /// (RFC 8428 §7). Unknown labels are welcome. Fails as the typed methods do, and with
    /// [`Reason::BadNumber`] and [`Reason::BadBoolean`].
    #[inline]
    pub fn attribute(&mut self, name: &str, text: &str) -> Result<(), Invalid> {
        let Some(label) = Label::from_name(name.as_bytes()) else { return self.unknown(name) };
        match label.kind() {
            Type::Number => match number::from_xsd(text) {
                Ok(value) => self.number(label, value),
                Err(reason) => Err(self.not_a_number(label, reason)),
            },
            Type::Text | Type::Data => self.text(label, text),
            Type::Boolean => match number::collapse(text) {
                "true" | "1" => self.boolean(label, true),
                "false" | "0" => self.boolean(label, false),
                _ => Err(self.refuse(Reason::BadBoolean, format!("{} is not a boolean", label.name()))),
            },
            Type::Version => match number::version_from_xsd(text) {
                Some(value) => self.number(label, value),
                None => Err(self.refuse(Reason::BadVersion, "bver is not an integer")),
            },
        }
    }

    /// A field with a label not known here, whatever it holds. Fails with
    /// [`Reason::UnknownMandatoryField`], [`Reason::FetchExtraField`] and, when the record ends,
    /// [`Reason::DuplicateLabel`].
    pub fn unknown(&mut self, name: &str) -> Result<(), Invalid> {
        match self.purpose {
            Purpose::Pack | Purpose::Stream if name.ends_with('_') => {
                return Err(self.refuse(
                    Reason::UnknownMandatoryField,
                    format!("{} must be understood and is not", brief(name)),
                ));
            }
            Purpose::Fetch => {
                let detail = format!("{} in a fetch record", brief(name));
                return Err(self.refuse(Reason::FetchExtraField, detail));
            }
            _ => {}
        }
        // The octet in front keeps text labels apart from integer ones.
        self.remember(b't', name.as_bytes());
        Ok(())
    }

    /// A field with a CBOR integer label not known here. Fails as [`Self::unknown`] does.
    pub fn unknown_integer(&mut self, number: i128) -> Result<(), Invalid> {
        if self.purpose == Purpose::Fetch {
            return Err(self.refuse(Reason::FetchExtraField, format!("{number} in a fetch record")));
        }
        self.remember(b'i', &number.to_be_bytes());
        Ok(())
    }

    fn remember(&mut self, kind: u8, label: &[u8]) {
        let current = &mut self.current;
        current.unknown.push(kind);
        current.unknown.extend_from_slice(label);
        current.unknown_ends.push(current.unknown.len());
    }

    /// The record ends. Gives whether it is a measurement, which records of base fields alone are not
    /// (decision A2). Fails with the reasons of names, values and versions.
    #[inline]
    pub fn end_record(&mut self) -> Result<bool, Invalid> {
        let seen = self.current.seen;
        if self.current.unknown_ends.len() > 1 {
            self.unknown_twice()?;
        }
        if self.base.version.is_none() && matches!(self.purpose, Purpose::Pack | Purpose::Stream) {
            // The first record settles the version; another one later is a mixture. Fetch and patch records
            // have no default version (RFC 8790 §3).
            self.base.version = Some(DEFAULT_VERSION);
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
        let time = self.base.time + self.current.time;
        self.out.relative |= time < ABSOLUTE;
        let time = if time < ABSOLUTE { self.now + time } else { time };
        let value = match self.current.value {
            Stored::Number(number) => Stored::Number(self.base.value + number),
            other => other,
        };
        let sum = match self.base.sum {
            Some(base) => base + self.current.sum,
            None if seen & Label::Sum.bit() != 0 => self.current.sum,
            None => f64::NAN,
        };
        let overflow = matches!(value, Stored::Number(number) if !number.is_finite());
        if overflow || sum.is_infinite() || !time.is_finite() {
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
            update_time: self.current.update_time,
            value,
            name,
            unit,
            format,
            position: self.record() as u32,
        });
        if matches!(self.purpose, Purpose::Fetch | Purpose::Patch) {
            self.selectors.push(Selector {
                by_time: self.base.timed || seen & Label::Time.bit() != 0,
                by_unit: self.base.unit.is_some() || seen & Label::Unit.bit() != 0,
                removes: self.current.null,
            });
        }
        Ok(true)
    }

    /// The records resolved since the last [`Self::forget`], of which a stream hands them out. In order of
    /// arrival.
    pub fn arrived(&mut self) -> &Resolved {
        self.out.version = self.base.version;
        self.out.positions = self.begun;
        &self.out
    }

    /// Forgets the records that have arrived; what is in effect for later ones stays.
    pub fn forget(&mut self) {
        self.out.records.clear();
        self.out.text.clear();
        self.out.data.clear();
        let many = |table: &Interner| table.strings().len() > 4096;
        if many(&self.out.names) || many(&self.out.units) || many(&self.out.formats) {
            // A stream that never ends must not collect names for ever.
            let keep = |table: &mut Interner, kept: Option<u32>| {
                let old = std::mem::take(table);
                kept.map(|number| if number == NONE { NONE } else { table.intern(old.get(number)) })
            };
            self.out.names = Interner::default();
            self.base.name_id = None;
            self.base.unit = keep(&mut self.out.units, self.base.unit);
            self.base.format = keep(&mut self.out.formats, self.base.format);
        }
    }

    /// The pack is complete. Fails with [`Reason::EmptyPack`].
    pub fn finish(mut self) -> Result<Resolved, Invalid> {
        if self.begun == 0 && self.purpose != Purpose::Stream {
            return Err(Invalid::pack(Reason::EmptyPack, "a pack has one record or more"));
        }
        self.out.positions = self.begun;
        self.out.version = self.base.version;
        self.out.scratch = self.base.name;
        if self.purpose == Purpose::Pack {
            self.out.sort();
        }
        Ok(self.out)
    }

    /// The fetch or patch pack is complete: its records and what each of them selects by.
    pub(super) fn finish_exchange(mut self) -> Result<(Resolved, Vec<Selector>), Invalid> {
        let selectors = std::mem::take(&mut self.selectors);
        Ok((self.finish()?, selectors))
    }

    #[inline]
    fn mark(&mut self, label: Label) -> Result<(), Invalid> {
        if self.current.seen & label.bit() != 0 {
            return Err(self.refuse(Reason::DuplicateLabel, format!("{} twice", label.name())));
        }
        self.current.seen |= label.bit();
        Ok(())
    }

    /// Gives a refusal for a field of the wrong type.
    #[cold]
    pub(super) fn wrong_type(&self, label: Label) -> Invalid {
        let wanted = match label.kind() {
            Type::Number => "a number",
            Type::Version => "a positive integer",
            Type::Text => "a string",
            Type::Boolean => "a boolean",
            Type::Data => "data",
        };
        self.refuse(Reason::BadType, format!("{} is not {wanted}", label.name()))
    }

    /// Gives a refusal for a number that is none.
    #[cold]
    pub(super) fn not_a_number(&self, label: Label, reason: Reason) -> Invalid {
        self.refuse(reason, format!("{} is not a number in range", label.name()))
    }

    fn unit(&mut self, text: &str) -> u32 {
        if text.is_empty() { NONE } else { self.out.units.intern(text) }
    }

    /// Decision A1: 1 to 10 as they are, above that the reserved bits of RFC 9100 and known features only.
    #[cold]
    fn version(&mut self, value: f64) -> Result<(), Invalid> {
        if value < 1.0 || value >= number::EXACT as f64 || value.fract() != 0.0 {
            return Err(self.refuse(Reason::BadVersion, "bver is not a positive integer below 2^53"));
        }
        let version = value as u64;
        if version > DEFAULT_VERSION && (version & 0xf != 0b1010 || !self.options.features.cover(version)) {
            return Err(self.refuse(Reason::UnsupportedVersion, format!("version {version}")));
        }
        match self.base.version {
            Some(before) if before != version => {
                Err(self.refuse(Reason::MixedVersions, format!("version {version} after {before}")))
            }
            _ => {
                self.base.version = Some(version);
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
        if seen & Label::Name.bit() == 0 && base.name.len() > base.name_start {
            base.name.truncate(base.name_start);
            base.name_id = None;
        }
        if let Some(known) = base.name_id {
            return Ok(known);
        }
        let id = match self.out.names.find(&base.name) {
            Some(known) => known,
            None => self.new_name(seen)?,
        };
        self.base.name_id = Some(id);
        Ok(id)
    }

    fn new_name(&mut self, seen: u32) -> Result<u32, Invalid> {
        let name = self.base.name.as_str();
        let Some(first) = name.bytes().next() else {
            return Err(if seen & Label::Name.bit() != 0 || self.base.named {
                self.refuse(Reason::NameEmpty, "base name and name are empty")
            } else {
                self.refuse(Reason::MissingName, "neither name nor base name")
            });
        };
        if name.len() > self.options.limits.name_bytes {
            return Err(self.refuse(Reason::NameTooLong, format!("a name of {} octets", name.len())));
        }
        // Without an early end the loop is done many octets at a time.
        if !name.bytes().fold(true, |fine, byte| fine & in_name(byte)) {
            let bad = name.chars().find(|c| !c.is_ascii() || !in_name(*c as u8));
            let bad = bad.unwrap_or_default();
            return Err(self.refuse(Reason::BadNameChar, format!("{bad:?} in a name")));
        }
        if !first.is_ascii_alphanumeric() {
            return Err(self.refuse(Reason::BadNameStart, format!("a name starts with {:?}", first as char)));
        }
        Ok(self.out.names.add(&self.base.name))
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

/// A stranger's label, short enough for a log line.
pub(super) fn brief(label: &str) -> String {
    let mut short: String = label.chars().take(32).collect();
    if short.len() < label.len() {
        short.push('…');
    }
    format!("{short:?}")
}
