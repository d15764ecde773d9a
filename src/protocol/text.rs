//! Escaping for attribute values and character data (XML 1.0 §2.4).

/// Appends `text`, escaped so that it may stand in a single- or double-quoted attribute or as content.
///
/// Characters that XML cannot hold are left out; tabs and line ends become references, so that an
/// attribute keeps them (XML 1.0 §3.3.3).
pub fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let special = |b: u8| {
        (b < 0x20) | (b == b'&') | (b == b'<') | (b == b'>') | (b == b'\'') | (b == b'"') | (b == 0xef)
    };
    // Without an early end the loop is done many bytes at a time.
    if !bytes.iter().fold(false, |found, &b| found | special(b)) {
        out.extend_from_slice(bytes);
        return;
    }
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '\'' => out.extend_from_slice(b"&apos;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\t' => out.extend_from_slice(b"&#9;"),
            '\n' => out.extend_from_slice(b"&#10;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Appends ` name='value'`, escaped.
pub fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape(out, value);
    out.push(b'\'');
}

/// Appends text as it is.
pub fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_from_an_attribute() {
        let mut out = Vec::new();
        attribute(&mut out, "a", "x'\"<>&\n\u{1}é\u{ffff}");
        assert_eq!(String::from_utf8(out).unwrap(), " a='x&apos;&quot;&lt;&gt;&amp;&#10;é'");
        let mut out = Vec::new();
        escape(&mut out, "plain é");
        assert_eq!(out, "plain é".as_bytes());
    }
}
