//! The one state machine behind all readers: fields in, resolved records out, every rule checked.
//!
//! A reader knows its syntax and nothing else. It calls [`Assembler::begin_record`], then one method per
//! field, then [`Assembler::end_record`]; base fields, relative times, names, versions and the must-understand
//! rule are seen to here, in one pass. In the common case a field costs no allocation.

use super::assembler_state::{Base, Current, Numbers, Purpose, Selector};
use super::base64;
use super::error::{Invalid, Reason};
use super::intern::{Interner, NONE};
use super::label::{Label, Type};
use super::limits::Options;
use super::number;
use super::resolved::{Resolved, Stored};
use super::unit_number::REGISTERED;

/// Resolves records as they are read.
#[derive(Debug)]
pub struct Assembler {
    pub(super) out: Resolved,
    pub(super) options: Options,
    pub(super) purpose: Purpose,
    pub(super) now: f64,
    pub(super) base: Base,
    pub(super) numbers: Numbers,
    pub(super) current: Current,
    pub(super) begun: usize,
    pub(super) selectors: Vec<Selector>,
}

impl Assembler {
    /// A new one. `now`, in seconds since 1970, is what relative times are relative to.
    pub fn new(purpose: Purpose, now: f64, options: &Options) -> Self {
        Self::with(Resolved::default(), purpose, now, options)
    }

    /// A new one in the room of a pack that is no longer needed.
    pub fn reusing(mut spare: Resolved, purpose: Purpose, now: f64, options: &Options) -> Self {
        spare.recycle();
        Self::with(spare, purpose, now, options)
    }

    #[inline]
    fn with(out: Resolved, purpose: Purpose, now: f64, options: &Options) -> Self {
        Self {
            out,
            options: *options,
            purpose,
            now,
            base: Base::default(),
            numbers: Numbers::default(),
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
        let likely = (octets / 24).clamp(1, 512);
        if self.out.records.capacity() == 0 {
            self.out.records = Vec::with_capacity(likely);
        } else {
            self.out.records.reserve(likely);
        }
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
        self.numbers.clear();
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
        if self.numbers.set(label, value) {
            Ok(())
        } else if label == Label::BaseVersion {
            self.version(value)
        } else {
            Err(self.wrong_type(label))
        }
    }

    /// A numeric field that is in order, for readers in a hurry. Gives false, and changes nothing, for what
    /// [`Self::number`] would look at twice.
    #[inline(always)]
    pub(super) fn plain_number(&mut self, label: Label, value: f64) -> bool {
        let plain =
            value.is_finite() && self.current.seen & label.bit() == 0 && self.numbers.set(label, value);
        if plain {
            self.current.seen |= label.bit();
        }
        plain
    }

    /// A text field; for `vd`, base64url. Fails with [`Reason::BadType`], [`Reason::BadBase64`] and
    /// [`Reason::DuplicateLabel`].
    #[inline]
    pub fn text(&mut self, label: Label, text: &str) -> Result<(), Invalid> {
        if self.plain_text(label, text) {
            return Ok(());
        }
        self.mark(label)?;
        match label {
            Label::DataValue => {
                let data = &mut self.out.more().data;
                let start = data.len() as u32;
                if base64::decode(text, data).is_none() {
                    return Err(self.refuse(Reason::BadBase64, "vd is not base64url without padding"));
                }
                self.current.value = Stored::Data { start, end: data.len() as u32 };
            }
            Label::ContentFormat => self.current.format = self.out.more().formats.intern(text),
            Label::BaseContentFormat => self.base.format = Some(self.out.more().formats.intern(text)),
            _ => return Err(self.wrong_type(label)),
        }
        Ok(())
    }

    /// A text field that cannot be wrong, for readers in a hurry. Gives false, and changes nothing, for others
    /// and for those seen before.
    #[inline]
    pub(super) fn plain_text(&mut self, label: Label, text: &str) -> bool {
        if self.current.seen & label.bit() != 0 {
            return false;
        }
        let base = &mut self.base;
        match label {
            Label::Name => {
                if base.name.set_name(text) {
                    base.name_id = None;
                }
            }
            Label::BaseName => {
                if base.name.set_base(text) {
                    base.name_id = None;
                }
            }
            Label::Unit => self.current.unit = self.out.unit_number(text),
            Label::BaseUnit => base.unit = Some(self.out.unit_number(text)),
            Label::StringValue => self.current.value = self.out.more().keep_text(text),
            _ => return false,
        }
        self.current.seen |= label.bit();
        true
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
        self.current.value = self.out.more().keep_data(octets);
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

    /// The records resolved since the last [`Self::forget`], of which a stream hands them out. In order of
    /// arrival.
    pub fn arrived(&mut self) -> &Resolved {
        self.out.positions = self.begun;
        &self.out
    }

    /// Forgets the records that have arrived; what is in effect for later ones stays.
    pub fn forget(&mut self) {
        self.out.records.clear();
        // A stream that never ends must not collect strings for ever.
        let many = |table: &Interner| table.strings().len() > 4096;
        if many(&self.out.names) {
            self.out.names = Interner::default();
            self.base.name_id = None;
        }
        let Some(more) = &mut self.out.more else { return };
        more.text.clear();
        more.data.clear();
        if many(&more.units) || many(&more.formats) {
            let old = std::mem::take(&mut **more);
            self.base.unit = self.base.unit.map(|unit| match unit.checked_sub(REGISTERED) {
                Some(place) if unit != NONE => REGISTERED + more.units.intern(old.units.get(place)),
                _ => unit,
            });
            self.base.format = self.base.format.map(|format| more.formats.intern(old.formats.get(format)));
        }
    }

    /// The pack is complete. Fails with [`Reason::EmptyPack`].
    pub fn finish(mut self) -> Result<Resolved, Invalid> {
        self.take()
    }

    /// [`Self::finish`] where it stands, which spares moving it; what is left behind is of no use.
    #[inline]
    pub(super) fn take(&mut self) -> Result<Resolved, Invalid> {
        if self.begun == 0 && self.purpose != Purpose::Stream {
            return Err(Invalid::pack(Reason::EmptyPack, "a pack has one record or more"));
        }
        self.out.positions = self.begun;
        if self.purpose == Purpose::Pack {
            self.out.sort();
        }
        Ok(std::mem::take(&mut self.out))
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
}

/// A stranger's label, short enough for a log line.
pub(super) fn brief(label: &str) -> String {
    let mut short: String = label.chars().take(32).collect();
    if short.len() < label.len() {
        short.push('…');
    }
    format!("{short:?}")
}
