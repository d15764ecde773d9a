//! What is written on the outside of a stanza: enough to dispatch it, and to answer it even when
//! what is inside cannot be parsed.
//!
//! Reads one start tag and nothing behind it. Takes the tag of a refused stanza too, which may be cut
//! short or wrong in places: what can be read is read. Judges no address and no type.

use std::borrow::Cow;

use super::framer::lexis::{self, SPACE, is, plain_value, run_of};
use super::{NS_COMPONENT, NS_STREAM, NS_XML};

/// Which of the three stanzas it is (RFC 6120 §8.1), in the component's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StanzaKind {
    /// `<message/>`
    Message,
    /// `<presence/>`
    Presence,
    /// `<iq/>`
    Iq,
    /// Anything else, among them these names in another namespace.
    Other,
}

/// A stanza's own start tag. Attributes are as sent, references resolved; no attribute with a prefix
/// is among them but `xml:lang`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Which stanza it is.
    pub kind: StanzaKind,
    /// Local name of the element.
    pub name: Cow<'a, str>,
    /// Its namespace; empty where its prefix is not declared.
    pub namespace: Cow<'a, str>,
    /// `type` (RFC 6120 §8.1.4).
    pub type_: Option<Cow<'a, str>>,
    /// `id` (RFC 6120 §8.1.3).
    pub id: Option<Cow<'a, str>>,
    /// `from` (RFC 6120 §8.1.2), which the server vouches for.
    pub from: Option<Cow<'a, str>>,
    /// `to` (RFC 6120 §8.1.1).
    pub to: Option<Cow<'a, str>>,
    /// `xml:lang` (RFC 6120 §8.1.5).
    pub lang: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    /// Read what `stanza` begins with: a framed stanza, or the head of a refused one. `None` if that is
    /// not a start tag with a readable name.
    pub fn read(stanza: &'a [u8]) -> Option<Envelope<'a>> {
        let rest = stanza.strip_prefix(b"<")?;
        let name = lexis::name(rest);
        let colon = name.colon?;
        let prefix = &rest[..colon];
        let local = if colon > 0 { colon + 1 } else { 0 };
        let mut envelope = Envelope {
            kind: StanzaKind::Other,
            name: String::from_utf8_lossy(&rest[local..name.length]),
            namespace: match prefix {
                b"" => Cow::Borrowed(NS_COMPONENT),
                b"stream" => Cow::Borrowed(NS_STREAM),
                b"xml" => Cow::Borrowed(NS_XML),
                _ => Cow::Borrowed(""),
            },
            type_: None,
            id: None,
            from: None,
            to: None,
            lang: None,
        };
        let mut attributes = Attributes { rest: &rest[name.length..] };
        while let Some((attribute, value)) = attributes.next() {
            let slot = match attribute {
                b"type" => &mut envelope.type_,
                b"id" => &mut envelope.id,
                b"from" => &mut envelope.from,
                b"to" => &mut envelope.to,
                b"xml:lang" => &mut envelope.lang,
                b"xmlns" if prefix.is_empty() => {
                    envelope.namespace = text(value);
                    continue;
                }
                other => {
                    if !prefix.is_empty() && other.strip_prefix(b"xmlns:") == Some(prefix) {
                        envelope.namespace = text(value);
                    }
                    continue;
                }
            };
            if slot.is_none() {
                *slot = Some(text(value));
            }
        }
        if envelope.namespace == NS_COMPONENT {
            envelope.kind = match &*envelope.name {
                "message" => StanzaKind::Message,
                "presence" => StanzaKind::Presence,
                "iq" => StanzaKind::Iq,
                _ => StanzaKind::Other,
            };
        }
        Some(envelope)
    }

    /// Whether RFC 6120 §8.2.3 obliges us to answer: an `<iq/>` of type `get` or `set`.
    pub fn wants_answer(&self) -> bool {
        self.kind == StanzaKind::Iq && matches!(self.type_.as_deref(), Some("get" | "set"))
    }

    /// Whether it is an error, which nobody may answer with an error (RFC 6120 §8.3.1).
    pub fn is_error(&self) -> bool {
        self.type_.as_deref() == Some("error")
    }
}

/// The attributes of a tag one after the other, until something is not as it should be.
struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let rest = trim(self.rest);
        let length = lexis::name(rest).length;
        let (name, rest) = rest.split_at(length);
        let rest = trim(trim(rest).strip_prefix(b"=")?);
        let (&quote, rest) = rest.split_first()?;
        if name.is_empty() || !matches!(quote, b'\'' | b'"') {
            return None;
        }
        let length = memchr::memchr(quote, rest)?;
        self.rest = &rest[length + 1..];
        Some((name, &rest[..length]))
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    match bytes.first() {
        Some(&b) if is(b, SPACE) => &bytes[run_of(bytes, SPACE).unwrap_or(bytes.len())..],
        _ => bytes,
    }
}

fn text(raw: &[u8]) -> Cow<'_, str> {
    if plain_value(raw, b'&') == raw.len() {
        return String::from_utf8_lossy(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    lexis::unescape(raw, &mut out);
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_router_needs() {
        let e = Envelope::read(
            b"<iq  type = 'set'\n id=\"a&amp;'b\" from='gw@prod.example/1' to='energy.example.org' xml:lang='fr'><x from='no'/></iq>",
        )
        .unwrap();
        assert_eq!(e.kind, StanzaKind::Iq);
        assert_eq!((&*e.name, &*e.namespace), ("iq", NS_COMPONENT));
        assert_eq!(e.type_.as_deref(), Some("set"));
        assert_eq!(e.id.as_deref(), Some("a&'b"));
        assert_eq!(e.from.as_deref(), Some("gw@prod.example/1"));
        assert!(matches!(e.from, Some(Cow::Borrowed(_))));
        assert_eq!(e.to.as_deref(), Some("energy.example.org"));
        assert_eq!(e.lang.as_deref(), Some("fr"));
        assert!(e.wants_answer() && !e.is_error());
    }

    #[test]
    fn is_not_fooled_by_prefixes_and_namespaces() {
        let e = Envelope::read(b"<message xmlns:x='u' x:from='a' x:id='1' from='b'/>").unwrap();
        assert_eq!((e.from.as_deref(), e.id), (Some("b"), None));
        let e = Envelope::read(b"<message xmlns='jabber:client' from='b'/>").unwrap();
        assert_eq!((e.kind, &*e.namespace), (StanzaKind::Other, "jabber:client"));
        let e = Envelope::read(b"<c:iq xmlns='u' xmlns:c='jabber:component:accept' type='get'/>").unwrap();
        assert_eq!(e.kind, StanzaKind::Iq);
        let e = Envelope::read(b"<c:iq xmlns='jabber:component:accept' type='get'/>").unwrap();
        assert_eq!((e.kind, &*e.namespace), (StanzaKind::Other, ""));
        let e = Envelope::read(b"<stream:error/>").unwrap();
        assert_eq!((&*e.name, &*e.namespace), ("error", NS_STREAM));
    }

    #[test]
    fn reads_a_head_that_is_cut_or_wrong() {
        let e = Envelope::read(b"<iq type='get' id='1' from='a@b' to='c' long='aaaa").unwrap();
        assert_eq!((e.id.as_deref(), e.to.as_deref()), (Some("1"), Some("c")));
        let e = Envelope::read(b"<iq type='get' id='\xff1' id='2' bad=3 from='a'/>").unwrap();
        assert_eq!((e.id.as_deref(), e.from), (Some("\u{fffd}1"), None));
        assert_eq!(Envelope::read(b"<"), None);
        assert_eq!(Envelope::read(b"iq"), None);
    }
}
