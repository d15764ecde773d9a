//! Characters, names and references of XML 1.0, each as strict as the recommendation.

/// In a name, and not at its start: letters' companions.
const NAME: u8 = 1;
/// At the start of a name.
const START: u8 = 2;

/// What ASCII octets may do in a name. The colon is neither: the caller looks for it.
static ASCII: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => START | NAME,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Whether every character is a `Char` of XML 1.0 §2.2. Text that comes from a `&str` has no surrogates.
pub(super) fn all_characters(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Without an early end the loop is done sixteen octets at a time.
    let bad =
        bytes.iter().fold(false, |bad, b| bad | (*b < 0x20) & (*b != b'\t') & (*b != b'\n') & (*b != b'\r'));
    !bad && (text.is_ascii()
        || memchr::memchr_iter(0xef, bytes)
            .all(|at| !matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf]))))
}

/// Whether this character is a `Char` of XML 1.0 §2.2.
pub(super) fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// A qualified name (Namespaces in XML §4) in the text: from where to where, and where its colon is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The place after the colon; `start` where there is none.
    pub(super) local: usize,
}

impl Name {
    /// Reads a qualified name at this place.
    #[inline]
    pub(super) fn read(text: &str, start: usize) -> Option<Self> {
        let local = Self::part(text, start)?;
        if text.as_bytes().get(local) != Some(&b':') {
            return Some(Self { start, end: local, local: start });
        }
        let end = Self::part(text, local + 1)?;
        Some(Self { start, end, local: local + 1 })
    }

    /// Reads a name without colon and gives its end.
    #[inline]
    fn part(text: &str, start: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = start;
        let mut wanted = START;
        loop {
            match bytes.get(at) {
                Some(byte) if *byte < 0x80 => {
                    if ASCII[*byte as usize] & wanted == 0 {
                        break;
                    }
                    at += 1;
                }
                Some(_) => {
                    let c = text.get(at..)?.chars().next()?;
                    if !is_name_start(c) && (wanted == START || !is_name_part(c)) {
                        break;
                    }
                    at += c.len_utf8();
                }
                None => break,
            }
            wanted = NAME;
        }
        (at > start).then_some(at)
    }

    /// The whole name.
    #[inline]
    pub(super) fn whole<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// The part after the colon, or all of it.
    #[inline]
    pub(super) fn local<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.local..self.end).unwrap_or_default()
    }

    /// The part before the colon.
    #[inline]
    pub(super) fn prefix<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.local == self.start { None } else { text.get(self.start..self.local - 1) }
    }
}

/// `NameStartChar` beyond ASCII (XML 1.0 §2.3).
fn is_name_start(c: char) -> bool {
    matches!(c,
        '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// `NameChar` beyond ASCII and [`is_name_start`].
fn is_name_part(c: char) -> bool {
    matches!(c, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Reads a reference at its ampersand: the character it stands for and the place after it. Only the five
/// entities and character references; there is no DTD that could declare others (decision A19).
pub(super) fn reference(text: &str, at: usize) -> Option<(char, usize)> {
    let rest = text.get(at + 1..)?;
    // No reference to a character is longer, leading zeros apart.
    let length = memchr::memchr(b';', rest.as_bytes())?;
    let name = rest.get(..length)?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            if digits.is_empty() {
                return None;
            }
            let mut code: u32 = 0;
            for digit in digits.chars() {
                // Saturated, it is no character either.
                code = code.saturating_mul(radix).saturating_add(digit.to_digit(radix)?);
            }
            char::from_u32(code).filter(|c| is_character(*c))?
        }
    };
    Some((c, at + length + 2))
}

/// Appends an attribute's value as XML 1.0 §3.3.3 reads it: white space to spaces, references replaced. The
/// references have been checked.
pub(super) fn normalize(raw: &str, out: &mut String) {
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = rest.find(['&', '\t', '\n', '\r']).unwrap_or(rest.len());
        out.push_str(&rest[..plain]);
        at += plain;
        match raw.as_bytes().get(at) {
            Some(b'&') => match reference(raw, at) {
                Some((c, end)) => {
                    out.push(c);
                    at = end;
                }
                None => at += 1,
            },
            Some(b'\r') if raw.as_bytes().get(at + 1) == Some(&b'\n') => {
                out.push(' ');
                at += 2;
            }
            Some(_) => {
                out.push(' ');
                at += 1;
            }
            None => {}
        }
    }
}
