//! Where the next piece of a stream ends: scanners that go on where the octets ran out.
//!
//! They look at each octet once, however small the pieces in which it comes, and leave judging to the readers.

/// Finds the end of a JSON object or array.
#[derive(Debug, Default)]
pub(super) struct JsonEnd {
    at: usize,
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl JsonEnd {
    /// The place after the value, once all of it is there. `octets` start at the value.
    pub(super) fn find(&mut self, octets: &[u8]) -> Option<usize> {
        while let Some(byte) = octets.get(self.at) {
            self.at += 1;
            if self.quoted {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.quoted = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.quoted = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Finds the end of an XML token: text up to the next `<`, or one piece of markup.
#[derive(Debug, Default)]
pub(super) struct XmlEnd {
    at: usize,
    quote: Option<u8>,
}

impl XmlEnd {
    /// The place after the token, once all of it is there. `octets` start at the token.
    pub(super) fn find(&mut self, octets: &[u8]) -> Option<usize> {
        if octets.first() != Some(&b'<') {
            let end = memchr::memchr(b'<', octets.get(self.at..)?);
            let found = end.map(|length| self.at + length);
            self.at = octets.len();
            return found;
        }
        for (opening, closing) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")] {
            if octets.starts_with(opening.as_bytes()) {
                return self.until(octets, opening.len(), closing.as_bytes());
            }
            if opening.as_bytes().starts_with(octets) {
                return None;
            }
        }
        if octets.starts_with(b"<!") {
            // Refused in any case: as soon as it can be told from a comment.
            return Some(octets.len()).filter(|length| *length >= b"<!DOCTYPE".len());
        }
        self.at = self.at.max(1);
        while let Some(byte) = octets.get(self.at) {
            self.at += 1;
            match (self.quote, byte) {
                (Some(quote), byte) if quote == *byte => self.quote = None,
                (None, b'"' | b'\'') => self.quote = Some(*byte),
                (None, b'>') => return Some(self.at),
                // Outside or inside quotes, no tag has one: the reader says so.
                (_, b'<') => return Some(self.at),
                _ => {}
            }
        }
        None
    }

    fn until(&mut self, octets: &[u8], skip: usize, closing: &[u8]) -> Option<usize> {
        // The closing may have come in two pieces.
        let from = self.at.saturating_sub(closing.len()).max(skip);
        let found = octets.get(from..).and_then(|rest| memchr::memmem::find(rest, closing));
        self.at = octets.len();
        found.map(|length| from + length + closing.len())
    }
}
