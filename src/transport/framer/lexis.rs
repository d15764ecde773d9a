//! Letters, names and references as XML 1.0 spells them: what the framer and the envelope reader share.
//!
//! The verdicts are rxml's, down to its habits with carriage returns in attribute values, because
//! what passes here is later parsed by rxml. Knows nothing of tags.

use rxml::NameStr;

/// May stand in a name (judged by the byte; a name with bytes above ASCII is looked at closely later).
pub(crate) const NAME: u8 = 1;
/// White space (XML 1.0 §2.3).
pub(crate) const SPACE: u8 = 2;
/// May begin a name (ASCII only).
pub(crate) const NAME_START: u8 = 4;
/// The colon between a prefix and a name.
const COLON: u8 = 8;
/// Above ASCII.
const HIGH: u8 = 16;

/// What each byte may be, as a set of the bits above.
pub(crate) static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut b = 0usize;
    while b < 256 {
        let c = b as u8;
        let letter = c.is_ascii_alphabetic() || c == b'_' || c == b':';
        let mut bits = 0;
        if letter {
            bits |= NAME_START;
        }
        if letter || c.is_ascii_digit() || c == b'-' || c == b'.' || c >= 0x80 {
            bits |= NAME;
        }
        if matches!(c, b' ' | b'\t' | b'\n' | b'\r') {
            bits |= SPACE;
        }
        if c == b':' {
            bits |= COLON;
        }
        if c >= 0x80 {
            bits |= HIGH;
        }
        table[b] = bits;
        b += 1;
    }
    table
}

/// Whether the byte belongs to the class.
#[inline(always)]
pub(crate) fn is(b: u8, class: u8) -> bool {
    CLASS[b as usize] & class != 0
}

/// Length of the run at the beginning of `bytes` whose bytes belong to `class`; `None` if it has no end yet.
#[inline(always)]
pub(crate) fn run_of(bytes: &[u8], class: u8) -> Option<usize> {
    bytes.iter().position(|&b| CLASS[b as usize] & class == 0)
}

/// Length of the plain run at the beginning of an attribute value: up to its quote, `<`, `&` or a byte
/// below the space; all of `bytes` if none of them has come.
///
/// Eight bytes at a time: most of a pack is attribute values.
#[inline(always)]
pub(crate) fn plain_value(bytes: &[u8], quote: u8) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let ends = |b: u8| b < 0x20 || b == quote || b == b'<' || b == b'&';
    // The lowest high bit that is set marks the first such byte; those above it may be false alarms.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let found = zero(word ^ (ONES * u64::from(quote)))
            | zero(word ^ (ONES * u64::from(b'<')))
            | zero(word ^ (ONES * u64::from(b'&')))
            | (word.wrapping_sub(ONES * 0x20) & !word & TOPS);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + rest.iter().position(|&b| ends(b)).unwrap_or(rest.len())
}

/// Control characters that no XML document may hold (XML 1.0 §2.2).
#[inline(always)]
pub(crate) fn is_control(b: u8) -> bool {
    b < 0x20 && b != b'\t' && b != b'\n' && b != b'\r'
}

/// The name that `bytes` begin with, read in one pass.
pub(crate) struct Name {
    /// Its length; all of `bytes` if its end has not come yet.
    pub(crate) length: usize,
    /// Its last eight bytes, to tell most names apart at one glance.
    pub(crate) key: u64,
    /// As [`split_name`] has it, once the end has come.
    pub(crate) colon: Option<usize>,
}

/// Read a name (an empty one has no `colon`).
#[inline(always)]
pub(crate) fn name(bytes: &[u8]) -> Name {
    let mut key = 0u64;
    let mut seen = 0u8;
    let mut length = 0;
    for &b in bytes {
        let class = CLASS[b as usize];
        if class & NAME == 0 {
            break;
        }
        key = key << 8 | u64::from(b);
        seen |= class;
        length += 1;
    }
    let colon = match bytes.first() {
        Some(&first) if seen & (COLON | HIGH) == 0 => is(first, NAME_START).then_some(0),
        _ => split_name(&bytes[..length]),
    };
    Name { length, key, colon }
}

/// Where a qualified name splits: `Some(0)` without a prefix, else the place of its colon; `None` if it
/// is no qualified name (Namespaces in XML 1.0 §4).
#[cold]
pub(crate) fn split_name(name: &[u8]) -> Option<usize> {
    let (&first, _) = name.split_first()?;
    let mut colon = 0;
    let mut high = first;
    for (at, &b) in name.iter().enumerate() {
        high |= b;
        if b == b':' {
            if colon != 0 || at == 0 {
                return None;
            }
            colon = at;
        }
    }
    if high >= 0x80 {
        return split_unusual_name(name);
    }
    let local = if colon == 0 { first } else { *name.get(colon + 1)? };
    (is(first, NAME_START) && is(local, NAME_START)).then_some(colon)
}

/// The same for names beyond ASCII: rxml's own judgement, so that there is one table of letters.
#[cold]
fn split_unusual_name(name: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(name).ok()?;
    let name: &NameStr = text.try_into().ok()?;
    let (prefix, _) = name.split_name().ok()?;
    Some(prefix.map_or(0, |p| p.len()))
}

/// What a reference turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Its end has not come yet.
    Unfinished,
    /// It stands for this character and takes this many bytes, `&` and `;` among them.
    Char(char, usize),
    /// Neither one of the five entities nor a character that XML allows.
    Bad,
}

/// Longest name or number of a reference that rxml takes.
const REFERENCE_LENGTH: usize = 8;

/// Read the reference at the beginning of `bytes`, which begins with `&` (XML 1.0 §4.1).
pub(crate) fn reference(bytes: &[u8]) -> Reference {
    let (from, radix) = match bytes.get(1) {
        None => return Reference::Unfinished,
        Some(b'#') => match bytes.get(2) {
            None => return Reference::Unfinished,
            Some(b'x') => (3, 16),
            Some(_) => (2, 10),
        },
        Some(_) => (1, 0),
    };
    let rest = &bytes[from..];
    let belongs = |b: u8| match radix {
        16 => b.is_ascii_hexdigit(),
        10 => b.is_ascii_digit(),
        _ => is(b, NAME),
    };
    let length = rest.iter().take(REFERENCE_LENGTH + 1).take_while(|&&b| belongs(b)).count();
    if length > REFERENCE_LENGTH {
        return Reference::Bad;
    }
    match rest.get(length) {
        None => return Reference::Unfinished,
        Some(b';') if length > 0 => {}
        Some(_) => return Reference::Bad,
    }
    let body = &rest[..length];
    let character = match radix {
        0 => match body {
            b"amp" => Some('&'),
            b"lt" => Some('<'),
            b"gt" => Some('>'),
            b"apos" => Some('\''),
            b"quot" => Some('"'),
            _ => None,
        },
        radix => std::str::from_utf8(body)
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .and_then(char::from_u32)
            .filter(|&c| !(c < ' ' && is_control(c as u8)) && c != '\u{fffe}' && c != '\u{ffff}'),
    };
    match character {
        Some(c) => Reference::Char(c, from + length + 1),
        None => Reference::Bad,
    }
}

/// The text that a raw attribute value stands for, appended to `out` (XML 1.0 §3.3.3). References
/// that are none are left out: the framer has refused them before.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&b) = raw.get(at) {
        match b {
            b'&' => match reference(&raw[at..]) {
                Reference::Char(c, length) => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    at += length;
                    continue;
                }
                _ => at += 1,
            },
            b'\t' | b'\n' => out.push(b' '),
            // CR LF is one space; a lone CR comes through only before something that ends it.
            b'\r' => {
                if raw.get(at + 1) == Some(&b'\r') {
                    out.push(b' ');
                }
            }
            b => out.push(b),
        }
        at += 1;
    }
}

/// Whether these bytes are UTF-8 without the two code points that XML leaves out (U+FFFE, U+FFFF).
pub(crate) fn is_clean_utf8(bytes: &[u8]) -> bool {
    if bytes.is_ascii() {
        return true;
    }
    if std::str::from_utf8(bytes).is_err() {
        return false;
    }
    memchr::memmem::find_iter(bytes, b"\xef\xbf").all(|at| !matches!(bytes.get(at + 2), Some(0xbe | 0xbf)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_their_one_colon() {
        assert_eq!(split_name(b"iq"), Some(0));
        assert_eq!(split_name(b"stream:error"), Some(6));
        assert_eq!(split_name("é:ü".as_bytes()), Some(2));
        for bad in [&b""[..], b":a", b"a:", b"a:b:c", b"-a", b"a:-b", b"1", b"a\xff", b"\xc3\x97"] {
            assert_eq!(split_name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn references_are_five_entities_and_allowed_characters() {
        assert_eq!(reference(b"&amp;x"), Reference::Char('&', 5));
        assert_eq!(reference(b"&#xE9;"), Reference::Char('é', 6));
        assert_eq!(reference(b"&#00000065;"), Reference::Char('A', 11));
        for unfinished in [&b"&"[..], b"&a", b"&#", b"&#x", b"&#x4", b"&12345678"] {
            assert_eq!(reference(unfinished), Reference::Unfinished, "{unfinished:?}");
        }
        for bad in [
            &b"&;"[..],
            b"&nbsp;",
            b"&#0;",
            b"&#xfffe;",
            b"&#xd800;",
            b"&#x110000;",
            b"&#000000065;",
            b"& ",
            b"&#x;",
            b"&amp ",
        ] {
            assert_eq!(reference(bad), Reference::Bad, "{bad:?}");
        }
    }

    #[test]
    fn plain_values_end_where_they_should() {
        for at in 0..40 {
            for end in 0..=255u8 {
                let mut value = vec![b'a'; 40];
                value[20] = 0xc3;
                value[at] = end;
                let stops = end < 0x20 || matches!(end, b'\'' | b'<' | b'&');
                assert_eq!(plain_value(&value, b'\''), if stops { at } else { 40 });
                value[39] = b'<';
                assert_eq!(plain_value(&value, b'\''), if stops { at } else { 39 });
            }
        }
    }

    #[test]
    fn values_are_normalised() {
        let mut out = Vec::new();
        unescape(b"a&lt;b\tc\r\nd\r\re", &mut out);
        assert_eq!(out, b"a<b c d e");
    }
}
