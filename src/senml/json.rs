//! SenML in JSON (RFC 8428 §5): the tokens of RFC 8259 straight into the [`Assembler`], in one pass.
//!
//! Stricter than many JSON parsers where SenML packs could be misread: the same label twice is an error, and
//! so are lone surrogates. Values of unknown labels are checked for their grammar and passed over, however
//! deep, without recursion.

use super::assembler::Assembler;
use super::error::{Invalid, Reason};
use super::label::{Label, Type};
use super::number;

/// Feeds a whole pack to the assembler.
pub(super) fn read(text: &str, sink: &mut Assembler) -> Result<(), Invalid> {
    // RFC 8259 §8.1 lets a parser ignore a byte order mark (decision A32).
    let mut json = Json::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    json.space();
    if json.peek() != Some(b'[') {
        json.value(sink.options().limits.depth).map_err(|broken| broken.whole())?;
        json.end()?;
        return Err(Invalid::pack(Reason::NotAnArray, "a pack is an array of records"));
    }
    json.at += 1;
    json.space();
    if json.peek() == Some(b']') {
        json.at += 1;
        return json.end();
    }
    loop {
        json.record(sink)?;
        json.space();
        match json.peek() {
            Some(b',') => json.at += 1,
            Some(b']') => {
                json.at += 1;
                return json.end();
            }
            _ => return Err(json.malformed("',' or ']' after a record").at(sink)),
        }
        json.space();
    }
}

/// What is wrong with the JSON itself, before it is known which record it is in.
pub(super) struct Broken(Reason, String);

impl Broken {
    #[cold]
    fn at(self, sink: &Assembler) -> Invalid {
        sink.refuse(self.0, self.1)
    }

    #[cold]
    fn whole(self) -> Invalid {
        Invalid::pack(self.0, self.1)
    }
}

/// A string as it stands in the text, between its quotes.
#[derive(Clone, Copy)]
struct Quoted {
    start: usize,
    end: usize,
    escaped: bool,
}

/// How many octets pass before a quote, a back slash or a control character; eight at a time.
#[inline]
fn plain(octets: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (eights, rest) = octets.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        // The lowest bit set marks the first octet that is zero after the subtraction's test.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let slash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | slash | control) & HIGH;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    eights.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// A place in a JSON text.
pub(super) struct Json<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where strings with escapes are written out; one for a label, one for its value.
    label: String,
    string: String,
}

impl<'a> Json<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, label: String::new(), string: String::new() }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Invalid> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.malformed("the end of the text").whole()) }
    }

    #[cold]
    fn malformed(&self, wanted: &str) -> Broken {
        let detail = if self.at < self.bytes.len() {
            format!("not JSON at octet {}: {wanted} expected", self.at)
        } else {
            format!("the text ends where {wanted} is expected")
        };
        Broken(Reason::Malformed, detail)
    }

    /// Reads one record into the assembler.
    pub(super) fn record(&mut self, sink: &mut Assembler) -> Result<(), Invalid> {
        sink.begin_record()?;
        if self.peek() != Some(b'{') {
            let depth = sink.options().limits.depth;
            self.value(depth).map_err(|broken| broken.at(sink))?;
            return Err(sink.refuse(Reason::NotAnObject, "a record is an object"));
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.member(sink)?;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.malformed("',' or '}'").at(sink)),
                }
                self.space();
            }
        }
        sink.end_record().map(|_| ())
    }

    #[inline]
    fn member(&mut self, sink: &mut Assembler) -> Result<(), Invalid> {
        // Nearly all labels are known and of one or two letters.
        let short = match &self.bytes[self.at..] {
            [b'"', one, b'"', ..] => Label::from_name(&[*one]).map(|label| (label, 3)),
            [b'"', one, two, b'"', ..] => Label::from_name(&[*one, *two]).map(|label| (label, 4)),
            _ => None,
        };
        if let Some((label, length)) = short {
            self.at += length;
            self.colon().map_err(|broken| broken.at(sink))?;
            return self.field(label, sink);
        }
        let name = self.quoted().map_err(|broken| broken.at(sink))?;
        self.colon().map_err(|broken| broken.at(sink))?;
        if name.escaped {
            self.label = unescape(self.slice(name), std::mem::take(&mut self.label));
        }
        let spelled = if name.escaped { self.label.as_bytes() } else { &self.bytes[name.start..name.end] };
        match Label::from_name(spelled) {
            Some(label) => self.field(label, sink),
            None => {
                let depth = sink.options().limits.depth;
                self.value(depth).map_err(|broken| broken.at(sink))?;
                sink.unknown(if name.escaped { &self.label } else { self.slice(name) })
            }
        }
    }

    #[inline]
    fn field(&mut self, label: Label, sink: &mut Assembler) -> Result<(), Invalid> {
        match (label.kind(), self.peek()) {
            (Type::Number | Type::Version, Some(b'-' | b'0'..=b'9')) => {
                match number::scan::<false>(self.text, self.at) {
                    Some((value, end)) => {
                        self.at = end;
                        sink.number(label, value)
                    }
                    None => Err(self.malformed("a number").at(sink)),
                }
            }
            (Type::Text | Type::Data, Some(b'"')) => {
                let string = self.quoted().map_err(|broken| broken.at(sink))?;
                if string.escaped {
                    self.string = unescape(self.slice(string), std::mem::take(&mut self.string));
                    sink.text(label, &self.string)
                } else {
                    sink.text(label, self.slice(string))
                }
            }
            (Type::Boolean, Some(b't' | b'f')) => {
                let boolean = self.peek() == Some(b't');
                self.word(if boolean { "true" } else { "false" }).map_err(|broken| broken.at(sink))?;
                sink.boolean(label, boolean)
            }
            (_, Some(b'n')) => {
                self.word("null").map_err(|broken| broken.at(sink))?;
                sink.null(label)
            }
            _ => {
                let depth = sink.options().limits.depth;
                self.value(depth).map_err(|broken| broken.at(sink))?;
                Err(sink.wrong_type(label))
            }
        }
    }

    #[inline]
    fn slice(&self, string: Quoted) -> &'a str {
        // Both ends are next to a quote, so they are between characters.
        self.text.get(string.start..string.end).unwrap_or_default()
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Broken> {
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.malformed("':'"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Broken> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.malformed("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A string, its escapes checked but not replaced.
    #[inline]
    fn quoted(&mut self) -> Result<Quoted, Broken> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed("a string"));
        }
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            self.at += plain(&self.bytes[self.at..]);
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
                Some(b'-' | b'0'..=b'9') => match number::scan::<false>(self.text, self.at) {
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
fn unescape(text: &str, mut out: String) -> String {
    out.clear();
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

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn the_plain_part_of_a_string() {
        let mut dice: u32 = 7;
        for length in 0..40 {
            for _ in 0..200 {
                let octets: Vec<u8> = (0..length)
                    .map(|_| {
                        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        match dice >> 24 {
                            0 => b'"',
                            1 => b'\\',
                            2 => 0x1f,
                            other => other as u8 | 0x20,
                        }
                    })
                    .collect();
                let slow = octets.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\');
                assert_eq!(plain(&octets), slow.unwrap_or(octets.len()), "{octets:?}");
            }
        }
    }
}
