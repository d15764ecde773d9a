//! The stream to one's own server: found, read stanza by stanza, lost, and found again.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Service;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::outside::Outside;
use crate::protocol::reply::Kind;
use crate::transport::connect::{ConnectConfig, ConnectError, Link, connect};
use crate::transport::envelope::{Envelope, StanzaKind};
use crate::transport::framer::{Frame, Framer, FramerLimits};
use crate::transport::liveness::Liveness;
use crate::transport::parse::parse_element;

/// The two halves of a live stream.
pub(super) struct Connected {
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    pub(super) framer: Framer,
    pub(super) lang: Option<String>,
    pub(super) liveness: Liveness,
    /// It cannot be written to any more, and why; whether a tick has passed since. The server may have said why
    /// before it hung up: that is still to be read.
    pub(super) broken: Option<(String, bool)>,
}

impl Service {
    pub(super) fn linked(&mut self, link: Link) {
        let now = self.clock.now();
        tracing::info!(server = %self.connection.server, "connected");
        self.link_state.send_replace("connected".into());
        self.was_connected = true;
        self.linked_since = now.mono;
        let mut framer = Framer::new(self.framer_limits.clone());
        framer.feed(&link.buffered);
        let (read, write) = link.stream.into_split();
        let liveness = Liveness::new(tokio::time::Instant::now(), self.ping_timeout);
        self.link = Some(Connected { read, write, framer, lang: link.lang, liveness, broken: None });
        self.relay.link_up();
        self.upstream.link_up();
        self.read();
    }

    /// The link is over, and with it all that was rendered but not written.
    pub(super) fn unlink(&mut self, why: &str) {
        if self.link.take().is_none() {
            return;
        }
        let lived = self.clock.now().mono.saturating_sub(self.linked_since);
        self.reconnect.link_ended(lived);
        self.give_up_writing();
        self.relay.link_down();
        self.upstream.link_down();
        self.try_again(why);
    }

    pub(super) fn try_again(&mut self, why: &str) {
        let wait = self.reconnect.next_wait();
        self.link_state.send_replace(why.to_owned());
        tracing::warn!("not connected: {why}; trying again in {:.1} s", wait.as_secs_f64());
        self.relink = Some(wait);
    }

    /// Nothing can be written any more: what the server said before is read until its end, or for a moment.
    pub(super) fn write_failed(&mut self, error: &std::io::Error) {
        if let Some(link) = &mut self.link {
            link.broken = Some((error.to_string(), false));
        }
    }

    /// A link that cannot be written to had its moment.
    pub(super) fn give_up_broken(&mut self) {
        let Some((why, waited)) = self.link.as_mut().and_then(|link| link.broken.as_mut()) else { return };
        if !std::mem::replace(waited, true) {
            return;
        }
        let why = std::mem::take(why);
        self.unlink(&why);
    }

    /// Everything that was read, stanza by stanza.
    pub(super) fn read(&mut self) {
        let now = self.clock.now();
        let Some(link) = &mut self.link else { return };
        link.liveness.on_bytes(tokio::time::Instant::now());
        let ended = loop {
            match link.framer.next() {
                Ok(None) => break None,
                Ok(Some(Frame::Stanza(stanza))) => {
                    if self.router.handle_direct(&stanza, &mut self.relay, now) {
                        continue;
                    }
                    let Some(outside) = Envelope::read(&stanza).as_ref().and_then(outside) else {
                        tracing::debug!("an element that is no stanza was passed over");
                        continue;
                    };
                    if self.router.handle_pong(&outside, &mut self.relay, now) {
                        continue;
                    }
                    match parse_element(&stanza, link.lang.as_deref()) {
                        Ok(element) => {
                            let Some(element) = self.upstream.take(&outside, element) else { continue };
                            let relay = &mut self.relay;
                            if let Some(request) =
                                self.router.handle(outside, element, relay, now, &mut self.out)
                                && let Err(back) = self.desk.put(request)
                            {
                                back.outside.refuse_in(&busy(), &mut self.out);
                            }
                        }
                        Err(error) => {
                            self.upstream.unreadable(&outside);
                            let error = StanzaError::new(Condition::BadRequest, error.to_string());
                            outside.refuse_in(&error, &mut self.out);
                        }
                    }
                }
                Ok(Some(Frame::Refused { head, why })) => {
                    if let Some(outside) = Envelope::read(&head).as_ref().and_then(outside) {
                        match why.is_policy() {
                            true => self.upstream.too_large(&outside),
                            false => self.upstream.unreadable(&outside),
                        }
                        let error = refusal(why, &self.framer_limits);
                        outside.refuse_in(&error, &mut self.out);
                    }
                }
                Ok(Some(Frame::StreamError(error))) => {
                    if !is_about_the_server(&error) {
                        self.relay.stream_failed(now);
                    }
                    break Some(stream_error(&error));
                }
                Ok(Some(Frame::StreamEnd)) => break Some("the server closed the stream".to_owned()),
                Err(error) => break Some(error.to_string()),
            }
        };
        if let Some(why) = ended {
            self.unlink(&why);
        }
    }
}

pub(super) async fn connect_after(wait: Duration, connection: ConnectConfig) -> Result<Link, ConnectError> {
    tokio::time::sleep(wait).await;
    connect(&connection).await
}

pub(super) async fn read_some(link: Option<(&mut Framer, &mut OwnedReadHalf)>) -> std::io::Result<usize> {
    match link {
        Some((framer, read)) => framer.read_from(read).await,
        None => std::future::pending().await,
    }
}

pub(super) async fn write_some(write: Option<&mut OwnedWriteHalf>, out: &[u8]) -> std::io::Result<usize> {
    match write {
        Some(write) => write.write(out).await,
        None => std::future::pending().await,
    }
}

/// What the router needs to know of a stanza's outside; nothing if it is no stanza.
fn outside(envelope: &Envelope<'_>) -> Option<Outside> {
    let kind = match envelope.kind {
        StanzaKind::Iq => Kind::Iq,
        StanzaKind::Message => Kind::Message,
        StanzaKind::Presence => Kind::Presence,
        StanzaKind::Other => return None,
    };
    let text = |part: &Option<std::borrow::Cow<'_, str>>| part.as_deref().unwrap_or_default().to_owned();
    Some(Outside {
        kind,
        type_: text(&envelope.type_),
        id: envelope.id.as_deref().map(str::to_owned),
        from: text(&envelope.from),
        to: text(&envelope.to),
    })
}

/// Whether a stream error is the server's own affair (RFC 6120 §4.9.3): it would have come whatever was written.
fn is_about_the_server(error: &[u8]) -> bool {
    const OWN: [&str; 6] =
        ["conflict", "connection-timeout", "host-gone", "reset", "see-other-host", "system-shutdown"];
    parse_element(error, None).is_ok_and(|error| error.children().any(|part| OWN.contains(&part.name())))
}

/// What the server says is wrong with the stream (RFC 6120 §4.9).
fn stream_error(bytes: &[u8]) -> String {
    let words = parse_element(bytes, None).ok().map(|error| {
        let parts: Vec<String> = error
            .children()
            .map(|part| if part.name() == "text" { part.text() } else { part.name().to_owned() })
            .collect();
        parts.join(": ")
    });
    format!("the server ended the stream ({})", words.unwrap_or_default())
}

/// Too many requests wait for the desk.
fn busy() -> StanzaError {
    let text = "too many requests are waiting to be answered; wait a moment, then ask again";
    StanzaError::new(Condition::ResourceConstraint, text)
}

fn refusal(why: crate::transport::framer::Refusal, limits: &FramerLimits) -> StanzaError {
    let condition = if why.is_policy() { Condition::PolicyViolation } else { Condition::BadRequest };
    let text = format!(
        "{why} (limits: {} bytes, {} levels, {} attributes of {} bytes); send less at once",
        limits.stanza_bytes, limits.depth, limits.attributes, limits.token_bytes
    );
    StanzaError::new(condition, if why.is_policy() { text } else { why.to_string() })
}
