//! Why a pack is refused: one short code per reason, the record it concerns, and a sentence for people.

use std::fmt;

/// What is wrong with a pack. [`Display`](fmt::Display) gives the code that goes on the wire and into logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The octets are no JSON, XML or CBOR, or no valid UTF-8 (RFC 8259, XML 1.0, RFC 8949).
    Malformed,
    /// The pack is no array (RFC 8428 §5, §6).
    NotAnArray,
    /// A record is no object or map (RFC 8428 §5, §6).
    NotAnObject,
    /// A pack has one or more records (RFC 8428 §3).
    EmptyPack,
    /// The root element is not `sensml` (RFC 8428 §7).
    BadRoot,
    /// The root element is in another namespace (RFC 8428 §7).
    WrongNamespace,
    /// The document is in another encoding than UTF-8 (RFC 8428 §7).
    BadEncoding,
    /// A document type declaration, and so possibly entities.
    DtdForbidden,
    /// Neither name nor base name (RFC 8428 §4.5.1).
    MissingName,
    /// Name and base name together are empty (RFC 8428 §4.5.1).
    NameEmpty,
    /// A character that names cannot have (RFC 8428 §4.5.1).
    BadNameChar,
    /// A name starts with a letter or a digit (RFC 8428 §4.5.1).
    BadNameStart,
    /// A measurement without value and without sum (RFC 8428 §4.2).
    NoValue,
    /// More than one of `v`, `vs`, `vb`, `vd` (RFC 8428 §4.2).
    MultipleValues,
    /// A field holds another type than its label asks for (RFC 8428 §4.3).
    BadType,
    /// An attribute that is no `xsd:double` (RFC 8428 §7).
    BadNumber,
    /// An attribute that is no `xsd:boolean` (RFC 8428 §7).
    BadBoolean,
    /// Data that is not base64url without padding (RFC 8428 §4.3).
    BadBase64,
    /// A CBOR label that is neither integer nor text (RFC 8428 §6).
    BadLabel,
    /// The same label twice in a record.
    DuplicateLabel,
    /// An unknown label that ends in `_` (RFC 8428 §4.4).
    UnknownMandatoryField,
    /// A version that is no positive integer (RFC 8428 §4.1).
    BadVersion,
    /// A version that names features not implemented here (RFC 9100 §2).
    UnsupportedVersion,
    /// Versions that differ within a pack (RFC 8428 §4.4).
    MixedVersions,
    /// Not a number, or infinite; outside the data model.
    Nan,
    /// A number, or a sum of base and value, beyond a double.
    NumberRange,
    /// An array or string of indefinite length where a pack cannot have one (RFC 8428 §6).
    IndefiniteLength,
    /// A fragment identifier that is not RFC 8428 §9.
    BadFragment,
    /// A field that a fetch record cannot have (RFC 8790 §3.1).
    FetchExtraField,
    /// A patch record without value, sum or null (RFC 8790 §3.2).
    PatchNoValue,
    /// A patch record that matches more than one record of its target (RFC 8790 §3.2).
    PatchAmbiguous,
    /// More octets than [`Limits::bytes`](super::Limits::bytes).
    TooLarge,
    /// More records than [`Limits::records`](super::Limits::records).
    TooManyRecords,
    /// A resolved name longer than [`Limits::name_bytes`](super::Limits::name_bytes).
    NameTooLong,
    /// Deeper than [`Limits::depth`](super::Limits::depth).
    TooDeep,
}

impl Reason {
    /// The code, for the `reason` attribute of `<invalid-pack/>` and the like.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAnArray => "not-an-array",
            Self::NotAnObject => "not-an-object",
            Self::EmptyPack => "empty-pack",
            Self::BadRoot => "bad-root",
            Self::WrongNamespace => "wrong-namespace",
            Self::BadEncoding => "bad-encoding",
            Self::DtdForbidden => "dtd-forbidden",
            Self::MissingName => "missing-name",
            Self::NameEmpty => "name-empty",
            Self::BadNameChar => "bad-name-char",
            Self::BadNameStart => "bad-name-start",
            Self::NoValue => "no-value",
            Self::MultipleValues => "multiple-values",
            Self::BadType => "bad-type",
            Self::BadNumber => "bad-number",
            Self::BadBoolean => "bad-boolean",
            Self::BadBase64 => "bad-base64",
            Self::BadLabel => "bad-label",
            Self::DuplicateLabel => "duplicate-label",
            Self::UnknownMandatoryField => "unknown-mandatory-field",
            Self::BadVersion => "bad-version",
            Self::UnsupportedVersion => "unsupported-version",
            Self::MixedVersions => "mixed-versions",
            Self::Nan => "nan",
            Self::NumberRange => "number-range",
            Self::IndefiniteLength => "indefinite-length",
            Self::BadFragment => "bad-fragment",
            Self::FetchExtraField => "fetch-extra-field",
            Self::PatchNoValue => "patch-no-value",
            Self::PatchAmbiguous => "patch-ambiguous",
            Self::TooLarge => "too-large",
            Self::TooManyRecords => "too-many-records",
            Self::NameTooLong => "name-too-long",
            Self::TooDeep => "too-deep",
        }
    }

    /// Whether a limit of ours was passed, rather than a rule of the format broken.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::TooLarge | Self::TooManyRecords | Self::NameTooLong | Self::TooDeep)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A pack refused. Its `Display` reads `REASON (record N): detail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The rule that was broken.
    pub reason: Reason,
    /// The record, counted from 0; `None` where the pack as a whole is wrong.
    pub record: Option<usize>,
    /// A few words for the person who debugs the producer. Never a measured value.
    pub detail: String,
}

impl Invalid {
    /// A refusal of the pack as a whole.
    #[cold]
    pub fn pack(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, record: None, detail: detail.into() }
    }

    /// A refusal because of one record.
    #[cold]
    pub fn record(reason: Reason, record: usize, detail: impl Into<String>) -> Self {
        Self { reason, record: Some(record), detail: detail.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        if let Some(record) = self.record {
            write!(f, " (record {record})")?;
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for Invalid {}
