//! Processing instructions, which have no meaning in a pack, and the XML declaration at its start.

use super::assembler::brief;
use super::error::{Invalid, Reason};
use super::xml::{malformed, skip_space};
use super::xml_chars::Name;

/// Reads an instruction, or the XML declaration if it is the first of all. Gives the place after it.
pub(super) fn read(text: &str, at: usize, first: bool) -> Result<usize, Invalid> {
    let bytes = text.as_bytes();
    let name = Name::read(text, at + 2).ok_or_else(|| malformed(at, "an instruction without target"))?;
    let mut end = name.end;
    loop {
        match memchr::memchr(b'?', bytes.get(end..).unwrap_or_default()) {
            Some(length) => end += length,
            None => return Err(malformed(at, "an endless instruction")),
        }
        if bytes.get(end + 1) == Some(&b'>') {
            break;
        }
        end += 1;
    }
    let content = bytes.get(name.end..end).unwrap_or_default();
    let target = name.whole(text);
    let spaced = matches!(content.first(), None | Some(b'\t' | b'\n' | b'\r' | b' '));
    let is_declaration = target == "xml" && first;
    if name.local != name.start || !spaced || (target.eq_ignore_ascii_case("xml") && !is_declaration) {
        return Err(malformed(at, "an instruction that cannot be"));
    }
    if is_declaration {
        declaration(content, at)?;
    }
    Ok(end + 2)
}

/// What a declaration says, in the order in which it may say it (XML 1.0 §2.8).
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Said {
    Nothing,
    Version,
    Encoding,
    Standalone,
}

/// `version`, then `encoding` and `standalone` if present.
fn declaration(content: &[u8], at: usize) -> Result<(), Invalid> {
    let wrong = || malformed(at, "an XML declaration that cannot be");
    let mut said = Said::Nothing;
    let mut place = 0;
    loop {
        let start = skip_space(content, place);
        let rest = content.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return if said == Said::Nothing { Err(wrong()) } else { Ok(()) };
        }
        let (what, length) = if rest.starts_with(b"version") {
            (Said::Version, 7)
        } else if rest.starts_with(b"encoding") {
            (Said::Encoding, 8)
        } else if rest.starts_with(b"standalone") {
            (Said::Standalone, 10)
        } else {
            return Err(wrong());
        };
        // The version comes first, and nothing twice.
        if start == place || what <= said || (said == Said::Nothing) != (what == Said::Version) {
            return Err(wrong());
        }
        let equals = skip_space(content, start + length);
        let opening = skip_space(content, equals + 1);
        let quote = *content.get(opening).ok_or_else(wrong)?;
        if content.get(equals) != Some(&b'=') || !matches!(quote, b'"' | b'\'') {
            return Err(wrong());
        }
        let value = content.get(opening + 1..).unwrap_or_default();
        let value = value.split(|byte| *byte == quote).next().unwrap_or_default();
        place = opening + 1 + value.len();
        if content.get(place) != Some(&quote) {
            return Err(wrong());
        }
        place += 1;
        let fine = match (what, value) {
            (Said::Version, [b'1', b'.', minor @ ..]) => {
                !minor.is_empty() && minor.iter().all(u8::is_ascii_digit)
            }
            (Said::Encoding, value) => {
                if !value.eq_ignore_ascii_case(b"utf-8") {
                    let detail = format!("encoding {}, not UTF-8", brief(&String::from_utf8_lossy(value)));
                    return Err(Invalid::pack(Reason::BadEncoding, detail));
                }
                true
            }
            (Said::Standalone, value) => matches!(value, b"yes" | b"no"),
            _ => false,
        };
        if !fine {
            return Err(wrong());
        }
        said = what;
    }
}
