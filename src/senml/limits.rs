//! What a reader may spend, and which RFC 9100 features it speaks. All of it is the caller's to say.

/// Bounds on one pack, so that a stranger's octets cost no more than they are worth.
///
/// `usize::MAX` switches a bound off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the pack; in a stream, of one record still incomplete. Default 1 MiB.
    pub bytes: usize,
    /// Records of the pack. Streams have no such bound. Default 10 000.
    pub records: usize,
    /// Levels of arrays, objects or elements below a record. Reading never recurses; a level costs a few
    /// octets. Default 1024.
    pub depth: usize,
    /// Octets of a resolved name, base name included. What a pack can make of a long base name is
    /// `records * name_bytes` octets at worst. Default 2048.
    pub name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, records: 10_000, depth: 1024, name_bytes: 2048 }
    }
}

/// The features of RFC 9100 that the receiver implements, as bits of the version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u64);

impl Features {
    /// Feature 4: secondary units (RFC 8798).
    pub const SECONDARY_UNITS: u8 = 4;
    /// None beyond RFC 8428 itself.
    pub const NONE: Self = Self(0);

    /// These feature codes; codes outside 4..=52 are passed over, RFC 9100 §2 has no others.
    pub fn new(codes: &[u8]) -> Self {
        Self(codes.iter().filter(|c| (4..=52).contains(*c)).fold(0, |bits, c| bits | 1 << c))
    }

    /// Whether every feature bit of this version is implemented. The four low bits are not features.
    pub(super) fn cover(self, version: u64) -> bool {
        version & !0xf & !self.0 == 0
    }
}

impl Default for Features {
    /// What this module implements: secondary units.
    fn default() -> Self {
        Self::new(&[Self::SECONDARY_UNITS])
    }
}

/// How to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bounds on size.
    pub limits: Limits,
    /// Features implemented by whoever uses the pack.
    pub features: Features,
}
