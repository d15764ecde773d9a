//! The negotiation of XEP-0114: header, digest, answer; and what it means when it fails.
//!
//! tokio-xmpp speaks; this file asks it, then takes the socket back. Time limits are
//! [`super::connect`]'s.

use std::io;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rxml::{Event, Namespace, Parse, Parser};
use tokio::net::TcpStream;
use tokio_xmpp::xmlstream::{
    FallibleStreamElement, ReadError, StreamElementError, StreamHeader, Timeouts, XmppStream,
    XmppStreamElement, initiate_stream,
};
use xmpp_parsers::component::Handshake;
use xmpp_parsers::stream_error::{DefinedCondition, StreamError};

use super::secret::Secret;
use super::wire::Wire;
use super::{NS_COMPONENT, NS_STREAM};

/// Longest text of the server's that is shown.
const SHOWN: usize = 200;

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The server said so.
    Refused { condition: Refused, text: String },
    /// It closed without a word.
    Closed,
    /// What it said is no component stream.
    NotXmpp(String),
    /// The socket failed.
    Io(io::Error),
}

/// A stream error, as far as it matters here.
#[derive(Debug)]
pub(super) enum Refused {
    NotAuthorized,
    HostUnknown,
    Conflict,
    Other { condition: String, passing: bool },
}

/// A stream that is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) tcp: TcpStream,
    pub(super) buffered: Bytes,
    pub(super) stream_id: String,
    pub(super) lang: Option<String>,
}

/// Open the stream for `domain`.
pub(super) async fn handshake(wire: Wire, domain: &str, secret: &Secret) -> Result<Opened, HandshakeError> {
    let header = StreamHeader { to: Some(domain.into()), ..StreamHeader::default() };
    let mut pending =
        initiate_stream(wire, NS_COMPONENT, header, Timeouts::default()).await.map_err(of_io)?;
    let stream_id = pending.take_header().id.unwrap_or_default().into_owned();
    let mut stream: XmppStream<Wire> = pending.skip_features();

    // Without an id an error follows, and there is nothing to make a digest of.
    if !stream_id.is_empty() {
        let digest = Handshake::from_stream_id_and_password(stream_id.clone(), secret.expose());
        stream.send(&XmppStreamElement::ComponentHandshake(digest)).await.map_err(of_io)?;
    }
    loop {
        let element = match stream.next().await {
            None | Some(Err(ReadError::StreamFooterReceived)) => return Err(HandshakeError::Closed),
            Some(Err(ReadError::SoftTimeout)) => continue,
            Some(Err(ReadError::HardError(error))) => return Err(of_io(error)),
            Some(Err(ReadError::ParseError(error))) => {
                return Err(HandshakeError::NotXmpp(shown(&error.to_string())));
            }
            Some(Ok(element)) => element,
        };
        match element {
            FallibleStreamElement::Ok(XmppStreamElement::ComponentHandshake(_)) => break,
            FallibleStreamElement::Ok(XmppStreamElement::StreamError(error)) => {
                return Err(of_stream(error.0));
            }
            FallibleStreamElement::Err(StreamElementError::InvalidNonza { qname, error })
                if qname.0 == NS_STREAM && qname.1 == "error" =>
            {
                let condition = Refused::Other { condition: "unknown".to_owned(), passing: false };
                return Err(HandshakeError::Refused { condition, text: shown(&error.to_string()) });
            }
            _ => return Err(HandshakeError::NotXmpp("a stanza before the handshake's answer".to_owned())),
        }
    }
    let wire = stream.into_inner();
    let lang = header_lang(wire.remembered());
    let (tcp, buffered) = wire.into_parts();
    Ok(Opened { tcp, buffered, stream_id, lang })
}

/// The `xml:lang` of the server's header, which tokio-xmpp does not hand on.
fn header_lang(mut said: &[u8]) -> Option<String> {
    let mut parser = Parser::new();
    loop {
        match parser.parse(&mut said, false) {
            Ok(Some(Event::StartElement(_, _, mut attributes))) => {
                return attributes.remove(Namespace::xml(), "lang").filter(|lang| !lang.is_empty());
            }
            Ok(Some(_)) => {}
            _ => return None,
        }
    }
}

fn of_io(error: io::Error) -> HandshakeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => HandshakeError::Closed,
        io::ErrorKind::InvalidData => HandshakeError::NotXmpp(shown(&error.to_string())),
        _ => HandshakeError::Io(error),
    }
}

fn of_stream(error: StreamError) -> HandshakeError {
    let text = error.get_best_text(vec!["en"]).map(|(_, text)| shown(text)).unwrap_or_default();
    let condition = match error.condition {
        DefinedCondition::NotAuthorized => Refused::NotAuthorized,
        DefinedCondition::HostUnknown | DefinedCondition::HostGone => Refused::HostUnknown,
        DefinedCondition::Conflict => Refused::Conflict,
        other => Refused::Other {
            passing: matches!(
                other,
                DefinedCondition::ConnectionTimeout
                    | DefinedCondition::InternalServerError
                    | DefinedCondition::RemoteConnectionFailed
                    | DefinedCondition::Reset
                    | DefinedCondition::ResourceConstraint
                    | DefinedCondition::SystemShutdown
            ),
            condition: shown(&other.to_string()),
        },
    };
    HandshakeError::Refused { condition, text }
}

/// The server's words on one line of bounded length.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_headers_language() {
        let said = b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xml:lang='en' id='x' xmlns='jabber:component:accept'><handshake/>";
        assert_eq!(header_lang(said).as_deref(), Some("en"));
        assert_eq!(header_lang(b"<stream xml:lang=''>"), None);
        assert_eq!(header_lang(b"HTTP/1.1 400"), None);
    }

    #[test]
    fn the_servers_words_stay_on_one_line() {
        assert_eq!(shown("a\nb"), "a b");
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN);
    }
}
