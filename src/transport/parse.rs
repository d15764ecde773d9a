//! From a framed slice to an element that xmpp-parsers' types can be made of.
//!
//! A slice cut out of the stream has lost what the stream's header declared. It is parsed behind that
//! header again, so that what the stanza itself declares can only ever come second. Expects what
//! [`super::framer`] let through; its limits keep the tree small.

use minidom::Element;
use rxml::error::EndOrError;
use rxml::xml_lang::XmlLangStack;
use rxml::{Event, Namespace, Parse, Parser};
use thiserror::Error;
use xso::error::FromEventsError;
use xso::{Context, FromEventsBuilder, FromXml};

/// What every component stream declares (XEP-0114 §3, RFC 6120 §4.8).
const HEADER: &[u8] =
    b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>";

/// Why a slice is no element.
#[derive(Debug, Error)]
pub enum ParseError {
    /// Not well-formed; the framer would have refused it.
    #[error("not well-formed: {0}")]
    Xml(#[from] rxml::Error),
    /// It ends too early, or goes on behind its end.
    #[error("not exactly one element")]
    NotOneElement,
    /// The element could not be built.
    #[error("cannot be read: {0}")]
    Build(#[from] xso::error::Error),
}

/// Parse one framed stanza. `stream_lang` is the `xml:lang` of the server's header; it becomes the
/// stanza's own if it has none (RFC 6120 §8.1.5).
///
/// Typed stanzas are made with `try_from` from what comes back.
pub fn parse_element(slice: &[u8], stream_lang: Option<&str>) -> Result<Element, ParseError> {
    let mut parser = Parser::new();
    let mut header = HEADER;
    while !header.is_empty() {
        next(&mut parser, &mut header)?;
    }
    let mut rest = slice;
    let mut languages = XmlLangStack::new();
    let Event::StartElement(metrics, name, mut attributes) = next(&mut parser, &mut rest)? else {
        return Err(ParseError::NotOneElement);
    };
    if let Some(lang) = stream_lang
        && !attributes.contains_key(Namespace::xml(), "lang")
    {
        attributes.insert(Namespace::XML, rxml::xml_ncname!("lang").to_owned(), lang.to_owned());
    }
    let start = Event::StartElement(metrics, name.clone(), attributes.clone());
    languages.handle_event(&start);
    let context = Context::empty().with_language(languages.current());
    let mut builder = match Element::from_events(name, attributes, &context) {
        Ok(builder) => builder,
        Err(FromEventsError::Invalid(error)) => return Err(error.into()),
        // An element of any name is one.
        Err(FromEventsError::Mismatch { .. }) => return Err(ParseError::NotOneElement),
    };
    loop {
        let event = next(&mut parser, &mut rest)?;
        languages.handle_event(&event);
        let context = Context::empty().with_language(languages.current());
        if let Some(element) = builder.feed(event, &context)? {
            return if rest.is_empty() { Ok(element) } else { Err(ParseError::NotOneElement) };
        }
    }
}

fn next(parser: &mut Parser, bytes: &mut &[u8]) -> Result<Event, ParseError> {
    match parser.parse(bytes, false) {
        Ok(Some(event)) => Ok(event),
        Ok(None) | Err(EndOrError::NeedMoreData) => Err(ParseError::NotOneElement),
        Err(EndOrError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{NS_COMPONENT, NS_STREAM};
    use tokio_xmpp::Stanza;
    use xmpp_parsers::iq::Iq;
    use xmpp_parsers::message::{Lang, Message};

    #[test]
    fn gives_back_what_the_header_declared() {
        let e = parse_element(b"<iq id='1' type='get'><stream:x/><ping xmlns='urn:xmpp:ping'/></iq>", None)
            .unwrap();
        assert_eq!(e.ns(), NS_COMPONENT);
        assert_eq!(e.children().next().unwrap().ns(), NS_STREAM);
        assert_eq!(e.attr_ns(&Namespace::XML, "lang"), None);
    }

    #[test]
    fn a_stanza_keeps_its_own_declarations() {
        let e = parse_element(b"<iq xmlns='u' xmlns:stream='v'><stream:x/></iq>", None).unwrap();
        assert_eq!(e.ns(), "u");
        assert_eq!(e.children().next().unwrap().ns(), "v");
        // Words in a value declare nothing.
        let e = parse_element(b"<iq id=' xmlns=\"u\" '/>", None).unwrap();
        assert_eq!(e.ns(), NS_COMPONENT);
    }

    #[test]
    fn typed_stanzas_come_out_of_it() {
        let e = parse_element(
            b"<iq type='get' id='1' from='a@b.example/c' to='energy.example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
            Some("en"),
        )
        .unwrap();
        assert!(matches!(Iq::try_from(e.clone()), Ok(Iq::Get { .. })));
        assert!(matches!(Stanza::try_from(e), Ok(Stanza::Iq(_))));
    }

    #[test]
    fn the_streams_language_counts_where_the_stanza_has_none() {
        let bodies = |xml: &[u8]| {
            Message::try_from(parse_element(xml, Some("fr")).unwrap())
                .unwrap()
                .bodies
                .into_keys()
                .collect::<Vec<_>>()
        };
        assert_eq!(bodies(b"<message><body>a</body></message>"), [Lang("fr".to_owned())]);
        assert_eq!(bodies(b"<message xml:lang='de'><body>a</body></message>"), [Lang("de".to_owned())]);
    }

    #[test]
    fn exactly_one_element() {
        for bad in [&b""[..], b"<a>", b"<a/><b/>", b"<a/> ", b"a", b"<a><!-- --></a>", b"</stream:stream>"] {
            assert!(parse_element(bad, None).is_err(), "{bad:?}");
        }
    }
}
