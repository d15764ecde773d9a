//! The publish that gateways send all day, read straight from its bytes, without a tree.
//!
//! Takes the one shape that servers pass on: one item with one `<sensml/>`, default namespaces, no
//! prefixes, no white space between the layers. Whatever looks different, even if it means the same, is
//! left to the ordinary way, which is also the one that explains refusals: this one only ever says *yes,
//! here it is*. The framer has seen to it that the stanza is well-formed.

use super::ns;

/// A publish of one pack, borrowed from the stanza. Nothing in it needs unescaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direct<'a> {
    /// As the server wrote it.
    pub from: &'a str,
    /// As the sender wrote it.
    pub to: &'a str,
    /// The stanza's id.
    pub id: &'a str,
    /// The node.
    pub node: &'a str,
    /// The item's id, if it has one.
    pub item: Option<&'a str>,
    /// `<sensml …>…</sensml>`, a document of its own.
    pub payload: &'a [u8],
}

const END: &[u8] = b"</sensml></item></publish></pubsub></iq>";
/// What of [`END`] belongs to the payload.
const PAYLOAD_END: usize = b"</sensml>".len();

/// Reads a stanza, if it is of that shape.
pub fn read(stanza: &[u8]) -> Option<Direct<'_>> {
    // Parsers differ over carriage returns, which no server passes on as they are.
    if memchr::memchr(b'\r', stanza).is_some() {
        return None;
    }
    let payload_end = stanza.len().checked_sub(END.len())? + PAYLOAD_END;
    if !stanza.ends_with(END) {
        return None;
    }
    let mut rest = stanza.strip_prefix(b"<iq ")?;
    let (mut from, mut to, mut id, mut set) = (None, None, None, false);
    loop {
        let (name, value, behind) = attribute(rest)?;
        match name {
            b"from" => from = Some(value),
            b"to" => to = Some(value),
            b"id" => id = Some(value),
            b"type" => set = value == "set",
            b"xml:lang" => {}
            _ => return None,
        }
        match behind.split_first()? {
            (b' ', more) => rest = more,
            (b'>', more) => {
                rest = more;
                break;
            }
            _ => return None,
        }
    }
    if !set {
        return None;
    }
    let (namespace, rest) = only_attribute(rest, b"<pubsub ", b"xmlns")?;
    if namespace != ns::PUBSUB {
        return None;
    }
    let (node, rest) = only_attribute(rest, b"<publish ", b"node")?;
    let (item, rest) = match rest.strip_prefix(b"<item>") {
        Some(rest) => (None, rest),
        None => {
            let (item, rest) = only_attribute(rest, b"<item ", b"id")?;
            (Some(item), rest)
        }
    };
    let start = stanza.len() - rest.len();
    let (name, namespace, behind) = attribute(rest.strip_prefix(b"<sensml ")?)?;
    if name != b"xmlns" || namespace != ns::SENML || !matches!(behind.first(), Some(b'>' | b' ')) {
        return None;
    }
    let payload = stanza.get(start..payload_end)?;
    Some(Direct { from: from?, to: to?, id: id?, node, item, payload })
}

/// A start tag with exactly this attribute: its value, and what comes behind the tag.
fn only_attribute<'a>(bytes: &'a [u8], start: &[u8], wanted: &[u8]) -> Option<(&'a str, &'a [u8])> {
    let (name, value, behind) = attribute(bytes.strip_prefix(start)?)?;
    let behind = behind.strip_prefix(b">")?;
    (name == wanted && !value.is_empty()).then_some((value, behind))
}

/// `name='value'` and what comes behind it, if the value stands for itself: no references, and no white
/// space that a parser would change.
fn attribute(bytes: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let equals = memchr::memchr(b'=', bytes.get(..bytes.len().min(32))?)?;
    let (name, rest) = bytes.split_at(equals);
    let (&quote, rest) = rest.get(1..)?.split_first()?;
    if !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let end = memchr::memchr(quote, rest)?;
    let (value, behind) = rest.split_at(end);
    if value.iter().any(|&b| b == b'&' || b < b' ') {
        return None;
    }
    Some((name, std::str::from_utf8(value).ok()?, &behind[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZA: &str = "<iq xml:lang='en' type='set' id='p1' from='gw@x/1' to=\"energy.x\">\
        <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a'><item id='7'>\
        <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='urn:a' v='1'/></sensml>\
        </item></publish></pubsub></iq>";

    #[test]
    fn the_usual_shape_is_read() {
        let direct = read(STANZA.as_bytes()).unwrap();
        assert_eq!((direct.from, direct.to, direct.id), ("gw@x/1", "energy.x", "p1"));
        assert_eq!((direct.node, direct.item), ("urn:a", Some("7")));
        let payload = std::str::from_utf8(direct.payload).unwrap();
        assert!(payload.starts_with("<sensml xmlns=") && payload.ends_with("</sensml>"));
        let without_id = STANZA.replace("<item id='7'>", "<item>");
        assert_eq!(read(without_id.as_bytes()).unwrap().item, None);
    }

    #[test]
    fn every_other_shape_is_left_alone() {
        for (from, to) in [
            ("type='set'", "type='get'"),
            ("type='set' ", ""),
            ("id='p1' ", ""),
            ("id='p1'", "id='p&amp;1'"),
            ("id='p1'", "id='p1' x:y='z'"),
            ("id='p1'", "id='p\t1'"),
            ("id='p1'", "id = 'p1'"),
            ("<iq ", "<iq xmlns='jabber:client' "),
            ("protocol/pubsub'", "protocol/pubsub#owner'"),
            ("<publish ", "<publish x='y' "),
            ("node='urn:a'", "node=''"),
            ("<item id='7'>", "<item id='7' publisher='z'>"),
            ("<item id='7'>", " <item id='7'>"),
            ("<sensml xmlns='urn:ietf:params:xml:ns:senml'", "<sensml xmlns='urn:other'"),
            ("</item>", "</item> "),
            ("<pubsub xmlns='http://jabber.org/protocol/pubsub'>", "<pubsub>"),
        ] {
            let other = STANZA.replacen(from, to, 1);
            assert_ne!(other, STANZA, "{from}");
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(read(b""), None);
        for cut in 0..STANZA.len() {
            let _ = read(&STANZA.as_bytes()[..cut]);
        }
    }
}
