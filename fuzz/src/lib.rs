//! What each fuzz target does with its octets: read them, and hold the reader to its word.

#[path = "../../src/senml/mod.rs"]
pub mod senml;

use senml::{Format, Options, Profile, Stream, Unwritable};

/// Reads octets as a pack and as a stream in pieces; what is accepted must be the same in both, and must come
/// back the same from every representation that it can be written in.
pub fn read(format: Format, octets: &[u8]) {
    let options = Options::default();
    let result = senml::read(format, octets, 1.7e9, &options);
    // Where the pieces end depends on the octets, so that a failure comes back.
    let size = 1 + octets.iter().fold(octets.len(), |sum, byte| sum.wrapping_mul(31) ^ usize::from(*byte)) % 16;
    let mut stream = Stream::new(format, &options);
    let mut streamed = 0;
    let fed = octets.chunks(size).try_for_each(|piece| stream.feed(piece, 1.7e9, |_| streamed += 1));
    let Ok(pack) = result else { return };
    assert!(fed.is_ok());
    assert_eq!(streamed, pack.len());
    for target in [Format::Json, Format::Xml, Format::Cbor] {
        let mut out = Vec::new();
        match senml::write(target, Profile::Standard, pack.all(), &mut out) {
            Ok(_) if pack.is_empty() => {}
            Ok(_) => {
                // Spelled out, a pack may be longer than the one that was read.
                let mut options = options;
                options.limits.bytes = usize::MAX;
                assert_eq!(Ok(&pack), senml::read(target, &out, 0.0, &options).as_ref());
            }
            Err(Unwritable::EarlyTime { .. }) => return,
            Err(Unwritable::NotXml { .. }) => assert_eq!(target, Format::Xml),
        }
    }
}
