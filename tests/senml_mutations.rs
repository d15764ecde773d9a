//! Damaged packs: whatever is done to the octets, a reader answers, within its limits, and what it accepts
//! can be written and read again. Seeded, so that a failure comes back.

use courant::senml::{self, Format, Options, Profile, Stream, Unwritable};

/// A small generator; the seed is all it depends on.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % sides.max(1) as u64) as usize
    }
}

const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":null",
    b"1e999",
    b"-",
    b"<",
    b"&",
    b"]]>",
    b"<!--",
    b"xmlns:x=''",
    b"_",
    b"\xff",
    b"\x9f",
    b"\xc4\x82",
    b"\xbf",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\0",
    b"bver",
];

fn damage(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(octets.len() + 1);
        let to = (at + dice.roll(12)).min(octets.len());
        match dice.roll(6) {
            0 if at < octets.len() => octets[at] ^= 1 << dice.roll(8),
            1 if at < octets.len() => octets[at] = dice.roll(256) as u8,
            2 => {
                octets.drain(at..to);
            }
            3 => {
                let again = octets[at..to].to_vec();
                octets.splice(at..at, again);
            }
            4 => {
                octets.splice(at..to, PIECES[dice.roll(PIECES.len())].iter().copied());
            }
            _ => octets.truncate(at),
        }
    }
    octets
}

fn seeds(format: Format) -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let mut seeds = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("cases").map(|f| f.expect("a file").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let case: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).expect("a case")).expect("JSON");
        let input = case["input"].as_str().expect("an input");
        match (format, case["format"].as_str()) {
            (Format::Json, Some("json")) | (Format::Xml, Some("xml")) => {
                seeds.push(input.as_bytes().to_vec())
            }
            (Format::Cbor, Some("cbor-hex")) => {
                let digits: Vec<u8> =
                    input.bytes().filter_map(|b| (b as char).to_digit(16).map(|d| d as u8)).collect();
                seeds.push(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect());
            }
            _ => {}
        }
    }
    seeds
}

/// Reads it in one piece and in several, and writes what was accepted.
fn try_out(format: Format, octets: &[u8], dice: &mut Dice) -> bool {
    let options = Options::default();
    let result = senml::read(format, octets, 1.7e9, &options);
    let mut stream = Stream::new(format, &options);
    let mut streamed = 0;
    let mut rest = octets;
    let mut fed = Ok(());
    while fed.is_ok() && !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + dice.roll(9)).min(rest.len()));
        fed = stream.feed(piece, 1.7e9, |_| streamed += 1);
        rest = after;
    }
    let _ = senml::fetch(&Default::default(), format, octets, 1.7e9, &options);
    let _ = senml::patch(&Default::default(), format, octets, 1.7e9, &options);
    let Ok(pack) = result else { return false };
    let text = String::from_utf8_lossy(octets);
    assert!(fed.is_ok(), "valid as a pack, refused as a stream ({fed:?}): {text}");
    assert_eq!(streamed, pack.len(), "other records as a stream: {text}");
    for target in [Format::Json, Format::Xml, Format::Cbor] {
        let mut out = Vec::new();
        match senml::write(target, Profile::Standard, pack.all(), &mut out) {
            Ok(_) if pack.is_empty() => {}
            Ok(_) => {
                let again =
                    senml::read(target, &out, 0.0, &options).unwrap_or_else(|e| panic!("{e}: {text}"));
                assert_eq!(pack, again, "{text}");
            }
            Err(Unwritable::EarlyTime { .. }) => {}
            Err(Unwritable::NotXml { .. }) => assert_eq!(target, Format::Xml, "{text}"),
        }
    }
    true
}

fn run(format: Format, rounds: usize) {
    let seeds = seeds(format);
    let mut dice = Dice(42);
    let mut accepted = 0;
    for round in 0..rounds {
        let octets = damage(&seeds[round % seeds.len()], &mut dice);
        accepted += usize::from(try_out(format, &octets, &mut dice));
    }
    // A test that only ever sees refusals would prove little.
    assert!(accepted > rounds / 100, "{accepted} of {rounds}");
}

#[test]
fn json() {
    run(Format::Json, 40_000);
}

#[test]
fn xml() {
    run(Format::Xml, 40_000);
}

#[test]
fn cbor() {
    run(Format::Cbor, 40_000);
}
