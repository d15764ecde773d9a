//! Numbers as text: the shortest digits that read back the same double, an exponent only where a plain
//! number would be long.

use std::io::Write;

use super::number::is_integer;

/// Up to here integers are written digit by digit: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Numbers with at most this many digits have no shorter spelling: fifteen digits survive a double.
const SHORT: f64 = 1e15;

/// Appends a finite number; JSON and `xsd:double` read it alike.
///
/// Never an exponent from 1e-7 up to below 1e21, so `1227032000` stays `1227032000`.
pub(super) fn number(value: f64, out: &mut Vec<u8>) {
    if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
        return;
    }
    let size = value.abs();
    if value < 0.0 {
        out.push(b'-');
    }
    if size < EXACT && is_integer(size) {
        return integer(size as u64, out);
    }
    // The decimals that meters send: an integer, shifted by a few places.
    for (places, power) in [(1, 1e1), (2, 1e2), (3, 1e3), (4, 1e4)] {
        // The nearest integer; the cast cuts off.
        let shifted = (size * power + 0.5) as u64;
        if (shifted as f64) < SHORT && shifted as f64 / power == size {
            let (whole, fraction) = (shifted / power as u64, shifted % power as u64);
            integer(whole, out);
            // Writing into memory does not fail.
            let _ = write!(out, ".{fraction:0places$}");
            return;
        }
    }
    let _ = if (1e-7..1e21).contains(&size) { write!(out, "{size}") } else { write!(out, "{size:e}") };
}

/// Appends an integer.
pub(super) fn integer(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        number(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_where_plain_is_readable() {
        for (value, text) in [
            (1_227_032_000.0, "1227032000"),
            (-0.0, "-0"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (-42.5, "-42.5"),
            (0.1, "0.1"),
            (1_700_000_000.123_456_7, "1700000000.1234567"),
            (1_276_020_071.001, "1276020071.001"),
            (0.000_001, "0.000001"),
            (1e20, "100000000000000000000"),
            (1e21, "1e21"),
            (5e-324, "5e-324"),
            (1e300, "1e300"),
            (0.30000000000000004, "0.30000000000000004"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn reads_back() {
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        for round in 0..200_000u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round | 1);
            let any = f64::from_bits(seed);
            let short = (seed >> 40) as f64 / 1000.0;
            for value in [any, short] {
                if value.is_finite() {
                    let text = written(value);
                    assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
                    assert!(text.len() <= format!("{value:e}").len().max(format!("{value}").len()));
                }
            }
        }
    }
}
