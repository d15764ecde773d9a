//! Looking for the end of a text, eight octets at a time.

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many octets pass before a quote, a back slash or a control character: the plain part of a JSON string.
#[inline]
pub(super) fn plain_in_json(octets: &[u8]) -> usize {
    // With one bit turned, the quote is next to the control characters, and the space is not.
    let stops = |word: u64| below(word ^ (EACH * 0x02), 0x21) | equal(word, b'\\');
    pass(octets, stops, |octet| octet < 0x20 || matches!(octet, b'"' | b'\\'))
}

/// How many octets pass before this quote, an ampersand, a `<` or a control character: the plain part of an
/// attribute's value.
#[inline]
pub(super) fn plain_in_attribute(octets: &[u8], quote: u8) -> usize {
    let stops = |word: u64| below(word, 0x20) | equal(word, quote) | equal(word, b'&') | equal(word, b'<');
    pass(octets, stops, |octet| octet < 0x20 || octet == quote || matches!(octet, b'&' | b'<'))
}

/// How many octets pass before one that stops.
#[inline(always)]
fn pass(octets: &[u8], stops: impl Fn(u64) -> u64, stop: impl Fn(u8) -> bool) -> usize {
    let (eights, rest) = octets.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        let found = stops(word) & !word & HIGH;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    eights.len() * 8 + rest.iter().position(|octet| stop(*octet)).unwrap_or(rest.len())
}

/// Marks, by its highest bit, the first octet below this one. Octets after it, and those that are not ASCII,
/// may be marked too.
#[inline(always)]
fn below(word: u64, octet: u8) -> u64 {
    word.wrapping_sub(EACH * u64::from(octet))
}

/// Marks the first octet that equals this one, as [`below`] does.
#[inline(always)]
fn equal(word: u64, octet: u8) -> u64 {
    below(word ^ (EACH * u64::from(octet)), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_stop_where_a_slow_look_does() {
        let mut dice: u32 = 7;
        for length in 0..40 {
            for _ in 0..400 {
                let octets: Vec<u8> = (0..length)
                    .map(|_| {
                        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        match dice >> 24 {
                            which @ 0..8 => *b"\"\\'&<\x1f\x7f ".get(which as usize).unwrap(),
                            other => other as u8 | 0x20,
                        }
                    })
                    .collect();
                let first = |stops: &[u8]| {
                    let slow = octets.iter().position(|b| *b < 0x20 || stops.contains(b));
                    slow.unwrap_or(octets.len())
                };
                assert_eq!(plain_in_json(&octets), first(b"\"\\"), "{octets:?}");
                assert_eq!(plain_in_attribute(&octets, b'\''), first(b"'&<"), "{octets:?}");
                assert_eq!(plain_in_attribute(&octets, b'"'), first(b"\"&<"), "{octets:?}");
            }
        }
    }
}
