//! base64url without padding (RFC 4648 §5), as strict as decision A8: no white space, no left-over bits.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const NONE: u8 = 0xff;

/// The six bits of each octet, or `NONE`.
static REVERSE: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Appends the octets that `text` stands for. `None` where it is not strict base64url; `out` may then have
/// a part of them.
pub(super) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (whole, rest) = text.as_bytes().as_chunks::<4>();
    for group in whole {
        let [a, b, c, d] = group.map(|byte| REVERSE[byte as usize]);
        if (a | b | c | d) & 0x80 != 0 {
            return None;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    let bits = |byte: u8| Some(REVERSE[byte as usize]).filter(|bits| *bits != NONE);
    match *rest {
        [] => Some(()),
        [a, b] => {
            let (a, b) = (bits(a)?, bits(b)?);
            out.push(a << 2 | b >> 4);
            (b & 0x0f == 0).then_some(())
        }
        [a, b, c] => {
            let (a, b, c) = (bits(a)?, bits(b)?, bits(c)?);
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
            (c & 0x03 == 0).then_some(())
        }
        _ => None,
    }
}

/// Appends the text that stands for these octets.
pub(super) fn encode(octets: &[u8], out: &mut Vec<u8>) {
    for group in octets.chunks(3) {
        let (a, b, c) = (group[0], group.get(1).copied(), group.get(2).copied());
        let (second, third) = (b.unwrap_or(0), c.unwrap_or(0));
        let sextets = [a >> 2, (a & 3) << 4 | second >> 4, (second & 15) << 2 | third >> 6, third & 63];
        let letters = sextets.map(|bits| ALPHABET[bits as usize]);
        out.extend_from_slice(&letters[..group.len() + 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for length in 0..20u8 {
            let octets: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37) ^ 0xa5).collect();
            let (mut text, mut again) = (Vec::new(), Vec::new());
            encode(&octets, &mut text);
            decode(std::str::from_utf8(&text).unwrap(), &mut again).unwrap();
            assert_eq!(octets, again);
        }
    }

    #[test]
    fn refused() {
        for text in ["A", "aGkgC", "aGkgCh", "_w==", "aGkg Cg", "+//+", "AAA=", "AB", "AAF", "é", "AAAA\n"] {
            assert!(decode(text, &mut Vec::new()).is_none(), "{text}");
        }
    }
}
