//! Reading a whole pack: the octets of any format to a resolved pack, or the reason why not.

use super::assembler::Assembler;
use super::assembler_state::Purpose;
use super::error::{Invalid, Reason};
use super::limits::Options;
use super::resolved::Resolved;
use super::{cbor, json, xml};

/// The representations of RFC 8428. EXI (§8) is out of scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/senml+json`, §5.
    Json,
    /// `application/senml+xml`, §7.
    Xml,
    /// `application/senml+cbor`, §6.
    Cbor,
}

impl Format {
    /// The media type of a pack (RFC 8428 §12.3).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/senml+json",
            Self::Xml => "application/senml+xml",
            Self::Cbor => "application/senml+cbor",
        }
    }
}

/// Reads, checks and resolves a pack. `now`, in seconds since 1970, is what relative times are relative to.
///
/// Memory stays proportional to the pack and within [`Options::limits`]; nothing recurses. One bad record
/// refuses the whole pack (decision A31).
pub fn read(format: Format, octets: &[u8], now: f64, options: &Options) -> Result<Resolved, Invalid> {
    let mut sink = Assembler::new(Purpose::Pack, now, options);
    feed(format, octets, &mut sink)?;
    sink.take()
}

/// [`read`] in the room of a pack that is no longer needed, so that a relay that reads one small pack after
/// the other hardly allocates. Names and units that come again at the same places are shared with it.
///
/// The room only ever grows: drop a pack that was unusually large instead.
pub fn read_reusing(
    spare: Resolved,
    format: Format,
    octets: &[u8],
    now: f64,
    options: &Options,
) -> Result<Resolved, Invalid> {
    let mut sink = Assembler::reusing(spare, Purpose::Pack, now, options);
    feed(format, octets, &mut sink)?;
    sink.take()
}

/// Feeds a whole pack to an assembler.
pub(super) fn feed(format: Format, octets: &[u8], sink: &mut Assembler) -> Result<(), Invalid> {
    // Places in the text of a pack are kept in 32 bits.
    let limit = sink.options().limits.bytes.min(u32::MAX as usize);
    if octets.len() > limit {
        return Err(Invalid::pack(Reason::TooLarge, format!("more than {limit} octets")));
    }
    sink.expect(octets.len());
    if format == Format::Xml && xml::other_encoding(octets) {
        return Err(Invalid::pack(Reason::BadEncoding, "XML that is not in UTF-8"));
    }
    if format == Format::Cbor {
        return cbor::read(octets, sink);
    }
    let Ok(text) = std::str::from_utf8(octets) else {
        return Err(Invalid::pack(Reason::Malformed, "octets that are not UTF-8"));
    };
    match format {
        Format::Xml => xml::read(text, sink),
        _ => json::read(text, sink),
    }
}
