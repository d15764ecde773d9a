//! Stanzas out of bytes, attributes out of stanzas; no more XML than that. The components under load write
//! plain XML, and a sample of it gets a second, thorough opinion (`--sample`).

use memchr::{memchr, memmem};

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole stanza of this length.
    Iq(usize),
    Message(usize),
    /// Another element, of this length.
    Other(usize),
    /// `</stream:stream>`.
    End,
    /// Read more.
    More,
}

/// What stands at the beginning, behind white space that was skipped already.
pub(crate) fn next(bytes: &[u8]) -> Result<Found, String> {
    if bytes.len() < 10 {
        return Ok(Found::More);
    }
    if bytes.starts_with(b"</stream:") {
        return Ok(Found::End);
    }
    let (end_tag, found): (&[u8], fn(usize) -> Found) = match bytes {
        [b'<', b'i', b'q', b' ' | b'>' | b'/', ..] => (b"</iq>", Found::Iq),
        _ if bytes.starts_with(b"<message") => (b"</message>", Found::Message),
        _ if bytes.starts_with(b"<presence") => (b"</presence>", Found::Other),
        _ if bytes.starts_with(b"<stream:error") => return Err(format!("stream error: {}", shown(bytes))),
        _ => return Err(format!("not a stanza: {}", shown(bytes))),
    };
    let Some(close) = memchr(b'>', bytes) else { return Ok(Found::More) };
    if bytes[close - 1] == b'/' {
        return Ok(found(close + 1));
    }
    Ok(match memmem::find(&bytes[close..], end_tag) {
        Some(at) => found(close + at + end_tag.len()),
        None => Found::More,
    })
}

/// Some text of it, for people.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned()
}

/// The start tag at the beginning.
pub(crate) fn start_tag(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr(b'>', bytes).map_or(bytes.len(), |at| at + 1)]
}

/// The value of an attribute of a start tag, as written.
pub(crate) fn attribute<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut from = 0;
    while let Some(at) = memmem::find(&tag[from..], name) {
        let (start, end) = (from + at, from + at + name.len());
        from = end;
        if start == 0 || !tag[start - 1].is_ascii_whitespace() || tag.get(end) != Some(&b'=') {
            continue;
        }
        let quote = *tag.get(end + 1)?;
        let value = &tag[end + 2..];
        return memchr(quote, value).map(|length| &value[..length]);
    }
    None
}

/// The first element of this name (`<name`), from its `<` on, and where it stands.
pub(crate) fn element<'a>(bytes: &'a [u8], open: &[u8]) -> Option<(usize, &'a [u8])> {
    let mut from = 0;
    while let Some(at) = memmem::find(&bytes[from..], open) {
        let start = from + at;
        if matches!(bytes.get(start + open.len()), Some(b' ' | b'>' | b'/')) {
            return Some((start, &bytes[start..]));
        }
        from = start + open.len();
    }
    None
}

/// A number as XML writes it.
pub(crate) fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A whole number without sign.
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_cut() {
        assert_eq!(next(b"<iq id='1'/><iq"), Ok(Found::Iq(12)));
        assert_eq!(next(b"<iq id='1'><a/></iq><iq"), Ok(Found::Iq(20)));
        assert_eq!(next(b"<message to='a'>x</message>"), Ok(Found::Message(27)));
        assert_eq!(next(b"<message to='a'>x</messa"), Ok(Found::More));
        assert_eq!(next(b"</stream:stream>"), Ok(Found::End));
        assert!(next(b"garbage in front").is_err());
    }

    #[test]
    fn attributes_are_found_by_their_whole_name() {
        let tag = b"<senml bv='1' xv=\"2\" v='3'/>";
        assert_eq!(attribute(tag, b"v"), Some(&b"3"[..]));
        assert_eq!(attribute(tag, b"w"), None);
        assert_eq!(element(b"<items a=''><item b=''>", b"<item").map(|(at, _)| at), Some(12));
    }
}
