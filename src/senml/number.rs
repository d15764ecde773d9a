//! Numbers as written in JSON (RFC 8259 §6) and XML (`xsd:double`), read to the nearest double.
//!
//! Short numbers, nearly all that meters send, are read in one pass without leaving this file: a mantissa
//! below 2^53 and a power of ten up to 22 are both exact, so one multiplication or division rounds once.
//! Everything else goes to the standard library, after its spelling was checked.

use super::error::Reason;

/// Powers of ten that are exact as doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The largest integer up to which every integer is a double: 2^53.
pub(super) const EXACT: u64 = 1 << 53;

/// Reads a number from `text[start..]` and gives it with the place after it.
///
/// With `XSD`, the wider grammar of `xsd:double` (a plus sign, leading zeros, `5.`, `.5`), else that of JSON.
/// `None` when no number starts there. The number may be infinite when it is too large for a double.
#[inline(always)]
pub(super) fn scan<const XSD: bool>(text: &str, start: usize) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let negative = bytes.get(start) == Some(&b'-');
    let whole = start + usize::from(negative);
    let (mantissa, at) = read_digits(bytes, whole, 0);
    let sign = |size: f64| if negative { -size } else { size };
    // Up to fifteen digits are below 2^53.
    let plain = at > whole && at <= whole + 15 && (bytes.get(whole) != Some(&b'0') || at == whole + 1);
    match bytes.get(at) {
        _ if !plain => {}
        Some(b'.') => {
            let fraction = at + 1;
            let (mantissa, at) = read_digits(bytes, fraction, mantissa);
            if at > fraction
                && at <= whole + 16
                && !matches!(bytes.get(at), Some(b'e' | b'E'))
                && let Some(power) = POWERS.get(at - fraction)
            {
                return Some((sign(mantissa as i64 as f64 / power), at));
            }
        }
        Some(b'e' | b'E') => {}
        _ => return Some((sign(mantissa as i64 as f64), at)),
    }
    scan_any::<XSD>(text, start)
}

/// [`scan`] for numbers of every spelling, and where they are few.
pub(super) fn scan_any<const XSD: bool>(text: &str, start: usize) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut negative = false;
    match bytes.get(at) {
        Some(b'-') => {
            negative = true;
            at += 1;
        }
        Some(b'+') if XSD => at += 1,
        _ => {}
    }
    let whole = at;
    let (mut mantissa, mut at) = read_digits(bytes, at, 0);
    let mut digits = at - whole;
    if !XSD && (digits == 0 || (digits > 1 && bytes[whole] == b'0')) {
        return None;
    }
    let mut exponent: i32 = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let fraction = at;
        (mantissa, at) = read_digits(bytes, at, mantissa);
        if !XSD && at == fraction {
            return None;
        }
        digits += at - fraction;
        // Beyond 18 digits the slow path reads the text again, so a saturated count does no harm.
        exponent = -i32::try_from(at - fraction).unwrap_or(i32::MAX);
    }
    if digits == 0 {
        return None;
    }
    let mut short = digits <= 18;
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        let mut down = false;
        match bytes.get(at) {
            Some(b'-') => {
                down = true;
                at += 1;
            }
            Some(b'+') => at += 1,
            _ => {}
        }
        let first = at;
        let mut power: i32 = 0;
        while let Some(digit) = digit(bytes, at) {
            power = power.saturating_mul(10).saturating_add(digit as i32);
            at += 1;
        }
        if at == first {
            return None;
        }
        short = short && power < 1000;
        exponent = exponent.saturating_add(if down { -power } else { power });
    }
    if short && mantissa <= EXACT {
        let plain = mantissa as f64;
        let value = match exponent {
            0 => Some(plain),
            1..=22 => Some(plain * POWERS[exponent as usize]),
            -22..=-1 => Some(plain / POWERS[-exponent as usize]),
            _ => None,
        };
        if let Some(value) = value {
            return Some((if negative { -value } else { value }, at));
        }
    }
    // The spelling was checked above and is a subset of what the library reads.
    text.get(start..at)?.parse().ok().map(|value| (value, at))
}

/// Whether this is an integer up to 2^53, every one of which is a double.
#[inline]
pub(super) fn is_integer(value: f64) -> bool {
    // Cheaper than asking for the fraction, which is a call on older processors.
    value.abs() <= EXACT as f64 && value as i64 as f64 == value
}

/// Reads digits onto a mantissa, and gives it with the place after them. What overflows is not used.
#[inline(always)]
fn read_digits(bytes: &[u8], start: usize, mut mantissa: u64) -> (u64, usize) {
    let mut at = start;
    // Times have ten digits: eight at a time, then those that are left.
    if let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk)
        && let Some(number) = eight_digits(u64::from_le_bytes(*eight))
    {
        mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(number);
        at += 8;
    }
    while let Some(digit) = digit(bytes, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    (mantissa, at)
}

/// The number that eight digits stand for, the first in the lowest octet.
#[inline(always)]
fn eight_digits(word: u64) -> Option<u64> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The upper half of a digit is 3, also when 6 is added: of 0x30 to 0x39 only.
    if word & word.wrapping_add(EACH * 0x06) & (EACH * 0xf0) != EACH * 0x30 {
        return None;
    }
    // Neighbours are put together: digits to pairs, pairs to fours, fours to eight.
    let pairs = (word & (EACH * 0x0f)).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

#[inline(always)]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    match bytes.get(at) {
        Some(byte @ b'0'..=b'9') => Some(u64::from(byte - b'0')),
        _ => None,
    }
}

/// The white space that `xsd:double`, `xsd:int` and `xsd:boolean` collapse.
pub(super) fn collapse(text: &str) -> &str {
    text.trim_matches(['\t', '\n', '\r', ' '])
}

/// Reads an `xsd:double`: [`Reason::BadNumber`], or [`Reason::Nan`] for `NaN`, `INF`, `-INF`, or
/// [`Reason::NumberRange`] when it is beyond a double.
#[inline]
pub(super) fn from_xsd(text: &str) -> Result<f64, Reason> {
    match scan::<true>(text, 0) {
        Some((value, end)) if end == text.len() => return finite(value),
        _ => {}
    }
    let text = collapse(text);
    if matches!(text, "NaN" | "INF" | "-INF") {
        return Err(Reason::Nan);
    }
    match scan::<true>(text, 0) {
        Some((value, end)) if end == text.len() => finite(value),
        _ => Err(Reason::BadNumber),
    }
}

/// The number, unless it overflowed.
#[inline]
pub(super) fn finite(value: f64) -> Result<f64, Reason> {
    if value.is_finite() { Ok(value) } else { Err(Reason::NumberRange) }
}

/// Reads the `xsd:int` of a version: a sign and leading zeros are allowed, a point is not.
pub(super) fn version_from_xsd(text: &str) -> Option<f64> {
    let text = collapse(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library() {
        for text in [
            "0",
            "-0",
            "1",
            "1800",
            "1227032000",
            "9007199254740993",
            "0.1",
            "20.1",
            "1e22",
            "1e23",
            "8.41e21",
            "5e-324",
            "2.2250738585072011e-308",
            "123456789012345678901234567890",
            "0.30000000000000004",
            "1e400",
            "1e-400",
            "3.14159265358979323846264338327950288",
            "1.00000000000000011102230246251565404236316680908203125",
            "9999999999999999999e-5",
            "1e99999999999999999999",
            "0.000000000000000000000000000001",
        ] {
            let (value, end) = scan::<false>(text, 0).expect(text);
            assert_eq!(end, text.len());
            assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }

    #[test]
    fn grammars() {
        for text in ["", "-", "+1", ".5", "5.", "01", "1e", "1e+", "e5", "--1", "-.5"] {
            assert!(scan::<false>(text, 0).is_none_or(|(_, end)| end != text.len()), "{text}");
        }
        for text in ["+5", "5.", ".5", "-.25e+2", "1E3", "007", " 7\n"] {
            assert!(from_xsd(text).is_ok(), "{text}");
        }
        for text in ["", " ", ".", "+", "1e", "1 2", "0x1", "inf", "nan", "1_0", "٣", "1f", "+INF"] {
            assert_eq!(from_xsd(text), Err(Reason::BadNumber), "{text}");
        }
    }
}
