//! JSON texts (RFC 8259) as tokens: strict, without recursion, and nothing copied that has no escapes.

use super::error::Reason;
use super::number;
use super::octets::plain_in_json;

/// What is wrong with the JSON itself, before it is known which record it is in.
pub(super) struct Broken(pub(super) Reason, pub(super) String);

/// A string as it stands in the text, between its quotes.
#[derive(Clone, Copy)]
pub(super) struct Quoted {
    start: usize,
    end: usize,
    pub(super) escaped: bool,
}

/// A place in a JSON text.
pub(super) struct Json<'a> {
    pub(super) text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Json<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// The next octet.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The octets from here on.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Passes over white space.
    #[inline(always)]
    pub(super) fn space(&mut self) {
        if matches!(self.peek(), Some(0..=b' ')) {
            self.some_space();
        }
    }

    fn some_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.malformed("the end of the text")) }
    }

    #[cold]
    pub(super) fn malformed(&self, wanted: &str) -> Broken {
        let detail = if self.at < self.bytes.len() {
            format!("not JSON at octet {}: {wanted} expected", self.at)
        } else {
            format!("the text ends where {wanted} is expected")
        };
        Broken(Reason::Malformed, detail)
    }

    /// A string as it stands in the text.
    #[inline]
    pub(super) fn slice(&self, string: Quoted) -> &'a str {
        // Both ends are next to a quote, so they are between characters.
        self.text.get(string.start..string.end).unwrap_or_default()
    }

    /// The colon after a label, and the white space around it.
    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Broken> {
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.malformed("':'"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Broken> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.malformed("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A string without escapes, as nearly all are. `None`, and nothing read, where there is no such string.
    #[inline]
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        let [b'"', rest @ ..] = self.rest() else { return None };
        let length = plain_in_json(rest);
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        self.at = start + length + 1;
        self.text.get(start..start + length)
    }

    /// A string, its escapes checked but not replaced.
    pub(super) fn quoted(&mut self) -> Result<Quoted, Broken> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed("a string"));
        }
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            self.at += plain_in_json(self.rest());
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Quoted { start, end, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.malformed("the rest of a string")),
            }
        }
    }

    /// One escape sequence; a high surrogate takes its low one along (decision A24).
    fn escape(&mut self) -> Result<(), Broken> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = hex4(self.bytes, self.at + 2).ok_or_else(|| self.malformed("four hex digits"))?;
                match unit {
                    0xd800..=0xdbff => {
                        let low = match self.bytes.get(self.at + 6..self.at + 8) {
                            Some(b"\\u") => hex4(self.bytes, self.at + 8),
                            _ => None,
                        };
                        if !matches!(low, Some(0xdc00..=0xdfff)) {
                            return Err(self.malformed("a low surrogate"));
                        }
                        self.at += 12;
                    }
                    0xdc00..=0xdfff => return Err(self.malformed("a character, no lone surrogate")),
                    _ => self.at += 6,
                }
            }
            _ => return Err(self.malformed("an escape")),
        }
        Ok(())
    }

    /// Passes over a value of any kind. The stack is a bit per level.
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Broken> {
        let mut open = Levels::default();
        loop {
            self.space();
            match self.peek() {
                Some(byte @ (b'{' | b'[')) => {
                    self.at += 1;
                    if open.len >= depth {
                        return Err(Broken(Reason::TooDeep, format!("more than {depth} levels")));
                    }
                    open.push(byte == b'{');
                    self.space();
                    let close = if byte == b'{' { b'}' } else { b']' };
                    if self.peek() == Some(close) {
                        self.at += 1;
                        open.pop();
                    } else {
                        if byte == b'{' {
                            self.quoted()?;
                            self.colon()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => {
                    self.quoted()?;
                }
                Some(b'-' | b'0'..=b'9') => match number::scan_any::<false>(self.text, self.at) {
                    Some((_, end)) => self.at = end,
                    None => return Err(self.malformed("a number")),
                },
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return Err(self.malformed("a value")),
            }
            // A value is complete: close what it was the last of.
            loop {
                let Some(object) = open.top() else { return Ok(()) };
                self.space();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.space();
                            self.quoted()?;
                            self.colon()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.at += 1,
                    Some(b']') if !object => self.at += 1,
                    _ => return Err(self.malformed("',' or the end of an array or object")),
                }
                open.pop();
            }
        }
    }
}

/// Which of the open levels are objects, a bit each.
#[derive(Default)]
struct Levels {
    words: Vec<u64>,
    len: usize,
}

impl Levels {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.len / 64, self.len % 64);
        if word == self.words.len() {
            self.words.push(0);
        }
        self.words[word] = self.words[word] & !(1 << bit) | u64::from(object) << bit;
        self.len += 1;
    }

    fn pop(&mut self) {
        self.len -= 1;
    }

    fn top(&self) -> Option<bool> {
        let last = self.len.checked_sub(1)?;
        Some(self.words[last / 64] >> (last % 64) & 1 == 1)
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.iter().try_fold(0, |unit, byte| Some(unit << 4 | (*byte as char).to_digit(16)?))
}

/// Replaces escapes that [`Json::quoted`] has checked.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let bytes = escape.as_bytes();
        let mut used = 1;
        let letter = match bytes.first() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                used = 5;
                let unit = hex4(bytes, 1).unwrap_or_default();
                let code = if let 0xd800..=0xdbff = unit {
                    used = 11;
                    let low = hex4(bytes, 7).unwrap_or_default();
                    0x10000 + ((unit & 0x3ff) << 10 | low & 0x3ff)
                } else {
                    unit
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(other) => *other as char,
            None => break,
        };
        out.push(letter);
        rest = escape.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
