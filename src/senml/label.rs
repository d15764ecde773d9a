//! The labels of RFC 8428 §4.3 (Table 1) and §6 (Table 4), with `ct` and `bct` of RFC 9193.

/// A field's label. Registered labels of other documents (`vlo`) are unknown here (decision A27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Label {
    /// `v`, numeric value.
    Value,
    /// `t`, time, in seconds.
    Time,
    /// `s`, sum: the value integrated over time, in the unit times seconds.
    Sum,
    /// `ut`, update time, in seconds.
    UpdateTime,
    /// `bt`, base time, in seconds.
    BaseTime,
    /// `bv`, base value.
    BaseValue,
    /// `bs`, base sum.
    BaseSum,
    /// `bver`, version.
    BaseVersion,
    /// `bn`, base name.
    BaseName,
    /// `bu`, base unit.
    BaseUnit,
    /// `bct`, base content format (RFC 9193 §3).
    BaseContentFormat,
    /// `n`, name.
    Name,
    /// `u`, unit.
    Unit,
    /// `vs`, string value.
    StringValue,
    /// `vb`, boolean value.
    BooleanValue,
    /// `vd`, data value.
    DataValue,
    /// `ct`, content format of `vd` (RFC 9193 §3).
    ContentFormat,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A double.
    Number,
    /// A positive integer.
    Version,
    /// Text.
    Text,
    /// A boolean.
    Boolean,
    /// Octets: base64url in JSON and XML.
    Data,
}

impl Label {
    /// The label of this spelling, compared octet by octet. `None` for what is not known here.
    #[inline]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"v" => Self::Value,
            b"t" => Self::Time,
            b"n" => Self::Name,
            b"u" => Self::Unit,
            b"s" => Self::Sum,
            b"bn" => Self::BaseName,
            b"bt" => Self::BaseTime,
            b"bu" => Self::BaseUnit,
            b"bv" => Self::BaseValue,
            b"bs" => Self::BaseSum,
            b"vs" => Self::StringValue,
            b"vb" => Self::BooleanValue,
            b"vd" => Self::DataValue,
            b"ut" => Self::UpdateTime,
            b"ct" => Self::ContentFormat,
            b"bct" => Self::BaseContentFormat,
            b"bver" => Self::BaseVersion,
            _ => return None,
        })
    }

    /// The label of this CBOR integer (RFC 8428 §6).
    pub fn from_cbor(number: i64) -> Option<Self> {
        Some(match number {
            -1 => Self::BaseVersion,
            -2 => Self::BaseName,
            -3 => Self::BaseTime,
            -4 => Self::BaseUnit,
            -5 => Self::BaseValue,
            -6 => Self::BaseSum,
            0 => Self::Name,
            1 => Self::Unit,
            2 => Self::Value,
            3 => Self::StringValue,
            4 => Self::BooleanValue,
            5 => Self::Sum,
            6 => Self::Time,
            7 => Self::UpdateTime,
            8 => Self::DataValue,
            _ => return None,
        })
    }

    /// The integer that stands for it in CBOR. `None`: written as text (`ct`, `bct`).
    pub fn cbor(self) -> Option<i64> {
        Some(match self {
            Self::BaseVersion => -1,
            Self::BaseName => -2,
            Self::BaseTime => -3,
            Self::BaseUnit => -4,
            Self::BaseValue => -5,
            Self::BaseSum => -6,
            Self::Name => 0,
            Self::Unit => 1,
            Self::Value => 2,
            Self::StringValue => 3,
            Self::BooleanValue => 4,
            Self::Sum => 5,
            Self::Time => 6,
            Self::UpdateTime => 7,
            Self::DataValue => 8,
            Self::BaseContentFormat | Self::ContentFormat => return None,
        })
    }

    /// Its spelling in JSON and XML.
    pub fn name(self) -> &'static str {
        match self {
            Self::BaseName => "bn",
            Self::BaseTime => "bt",
            Self::BaseUnit => "bu",
            Self::BaseValue => "bv",
            Self::BaseSum => "bs",
            Self::BaseVersion => "bver",
            Self::BaseContentFormat => "bct",
            Self::Name => "n",
            Self::Unit => "u",
            Self::Value => "v",
            Self::StringValue => "vs",
            Self::BooleanValue => "vb",
            Self::DataValue => "vd",
            Self::Sum => "s",
            Self::Time => "t",
            Self::UpdateTime => "ut",
            Self::ContentFormat => "ct",
        }
    }

    /// What it holds.
    #[inline]
    pub fn kind(self) -> Type {
        match self {
            Self::BaseTime | Self::BaseValue | Self::BaseSum => Type::Number,
            Self::Value | Self::Sum | Self::Time | Self::UpdateTime => Type::Number,
            Self::BaseVersion => Type::Version,
            Self::BooleanValue => Type::Boolean,
            Self::DataValue => Type::Data,
            Self::BaseName | Self::BaseUnit | Self::BaseContentFormat => Type::Text,
            Self::Name | Self::Unit | Self::StringValue | Self::ContentFormat => Type::Text,
        }
    }

    /// Whether it holds a number, the version apart. Those labels come first, so they number a table.
    #[inline]
    pub(super) const fn is_number(self) -> bool {
        (self as u8) < NUMBERS as u8
    }

    /// Its place in a set of labels.
    #[inline]
    pub(super) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// How many labels hold numbers.
pub(super) const NUMBERS: usize = Label::BaseVersion as usize;

/// The base fields.
pub(super) const BASE: u32 = Label::BaseName.bit()
    | Label::BaseTime.bit()
    | Label::BaseUnit.bit()
    | Label::BaseValue.bit()
    | Label::BaseSum.bit()
    | Label::BaseVersion.bit()
    | Label::BaseContentFormat.bit();

/// The four value fields, of which a record has at most one.
pub(super) const VALUES: u32 =
    Label::Value.bit() | Label::StringValue.bit() | Label::BooleanValue.bit() | Label::DataValue.bit();

/// The fields by which a fetch record selects (RFC 8790 §3.1).
pub(super) const SELECTING: u32 = Label::BaseName.bit()
    | Label::BaseTime.bit()
    | Label::BaseUnit.bit()
    | Label::Name.bit()
    | Label::Unit.bit()
    | Label::Time.bit();
