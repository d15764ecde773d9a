//! Reaching the server and becoming its component (XEP-0114).
//!
//! One attempt, with limits on its time, and for each way to fail a sentence that says what to do.
//! When to try again is [`super::backoff`]'s to say.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::handshake::{HandshakeError, Opened, Refused, handshake};
use super::secret::Secret;
use super::wire::Wire;

/// What the system holds of what the server says until it is read, in bytes (Linux makes twice as much of it). Left to
/// itself it grows to many megabytes, and the answer to a ping, or a withdrawal, would stand behind all that.
const RECEIVE_BUFFER: u32 = 256 * 1024;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct ConnectConfig {
    /// The component's domain (`[component] jid`).
    pub domain: String,
    /// `host:port` of the server's component port (`[component] server`).
    pub server: String,
    /// What both sides know (`[component] secret_file`).
    pub secret: Secret,
    /// For finding the address and for TCP.
    pub connect_timeout: Duration,
    /// For the whole negotiation: Prosody leaves some mistakes without any answer.
    pub handshake_timeout: Duration,
}

impl ConnectConfig {
    /// With the usual limits of time, 10 s each.
    pub fn new(domain: impl Into<String>, server: impl Into<String>, secret: Secret) -> Self {
        ConnectConfig {
            domain: domain.into(),
            server: server.into(),
            secret,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// A component stream that is open, at the first byte behind the handshake.
#[derive(Debug)]
pub struct Link {
    /// The socket, with `TCP_NODELAY`.
    pub stream: TcpStream,
    /// What had already been read behind the handshake: feed it to the framer first.
    pub buffered: Bytes,
    /// The server's name for the stream (RFC 6120 §4.7.3).
    pub stream_id: String,
    /// The `xml:lang` of the server's header (RFC 6120 §4.7.4).
    pub lang: Option<String>,
}

/// Why there is no link, in words for whoever runs the component.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// `server` is not `host:port`.
    #[error("`{server}` is no address: set `[component] server` to host:port, for instance 127.0.0.1:5347")]
    ServerAddress {
        /// As configured.
        server: String,
    },
    /// The name has no address.
    #[error(
        "the name in `{server}` has no address ({source}): correct `[component] server`, or the name service"
    )]
    NameNotResolved {
        /// As configured.
        server: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// Nobody listens there, or no way leads there.
    #[error(
        "cannot reach {server} ({source}): start the XMPP server, or set `[component] server` to the port where it takes components"
    )]
    Unreachable {
        /// As configured.
        server: String,
        /// What TCP says.
        source: io::Error,
    },
    /// No TCP connection in time.
    #[error(
        "{server} did not answer within {after:?}: check that `[component] server` is right and no firewall is in between"
    )]
    ConnectTimedOut {
        /// As configured.
        server: String,
        /// The limit.
        after: Duration,
    },
    /// Connected, and not a word.
    #[error(
        "{server} took the connection but said nothing within {after:?}: set `[component] server` to the port where the server takes components, not clients"
    )]
    Silent {
        /// As configured.
        server: String,
        /// The limit.
        after: Duration,
    },
    /// It began and did not finish.
    #[error(
        "{server} began the handshake for {domain} but did not finish it within {after:?}: look into the server's log, and check `[component] jid` and `server`"
    )]
    HandshakeTimedOut {
        /// As configured.
        server: String,
        /// As configured.
        domain: String,
        /// The limit.
        after: Duration,
    },
    /// `not-authorized`; ejabberd says it of an unknown domain too.
    #[error(
        "the server refused the secret for {domain}{}: make `[component] secret_file` hold the same secret as the server's configuration, and check that `[component] jid` is a component there (ejabberd refuses an unknown domain with the same words)",
        quoted(text)
    )]
    WrongSecret {
        /// As configured.
        domain: String,
        /// The server's words.
        text: String,
    },
    /// `host-unknown`, `host-gone`.
    #[error(
        "the server has no component {domain}{}: add it to the server's configuration, or correct `[component] jid`",
        quoted(text)
    )]
    HostUnknown {
        /// As configured.
        domain: String,
        /// The server's words.
        text: String,
    },
    /// `conflict`.
    #[error(
        "{domain} is in use at the server{}: stop the other process that is connected as `[component] jid`, or choose a `[component] jid` that is no host of the server itself",
        quoted(text)
    )]
    Conflict {
        /// As configured.
        domain: String,
        /// The server's words.
        text: String,
    },
    /// Any other stream error (RFC 6120 §4.9.3).
    #[error(
        "the server ended the stream with {condition}{}: look into its log, and check `[component] jid` and `server`",
        quoted(text)
    )]
    StreamError {
        /// The condition's name.
        condition: String,
        /// The server's words.
        text: String,
        /// Whether it passes by itself.
        passing: bool,
    },
    /// Closed without a word.
    #[error(
        "{server} closed the connection without a word: it may be starting or stopping; if it goes on, check that `[component] server` is its component port"
    )]
    Closed {
        /// As configured.
        server: String,
    },
    /// Something else answered.
    #[error(
        "what answers at {server} does not speak the component protocol ({detail}): set `[component] server` to the port where the server takes components"
    )]
    NotXmpp {
        /// As configured.
        server: String,
        /// What was wrong with it.
        detail: String,
    },
    /// The socket failed midway.
    #[error("the connection to {server} broke ({source}): check the network and the server")]
    Io {
        /// As configured.
        server: String,
        /// What the system says.
        source: io::Error,
    },
}

impl ConnectError {
    /// Whether a first attempt that ends so is not worth repeating: the server refused, or the
    /// configuration is wrong. Once a link has been up, everything is tried again.
    pub fn is_final_at_start(&self) -> bool {
        match self {
            Self::ServerAddress { .. }
            | Self::WrongSecret { .. }
            | Self::HostUnknown { .. }
            | Self::Conflict { .. }
            | Self::NotXmpp { .. } => true,
            Self::StreamError { passing, .. } => !passing,
            Self::NameNotResolved { .. }
            | Self::Unreachable { .. }
            | Self::ConnectTimedOut { .. }
            | Self::Silent { .. }
            | Self::HandshakeTimedOut { .. }
            | Self::Closed { .. }
            | Self::Io { .. } => false,
        }
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" (\"{text}\")") }
}

/// Connect and negotiate, once.
pub async fn connect(config: &ConnectConfig) -> Result<Link, ConnectError> {
    let server = || config.server.clone();
    let tcp = timeout(config.connect_timeout, reach(&config.server))
        .await
        .map_err(|_| ConnectError::ConnectTimedOut { server: server(), after: config.connect_timeout })??;
    // Without it each small stanza waits for the acknowledgement of the one before (44 ms).
    tcp.set_nodelay(true).map_err(|source| ConnectError::Io { server: server(), source })?;

    let heard = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(tcp, Arc::clone(&heard));
    let after = config.handshake_timeout;
    match timeout(config.handshake_timeout, handshake(wire, &config.domain, &config.secret)).await {
        Ok(Ok(Opened { tcp, buffered, stream_id, lang })) => {
            Ok(Link { stream: tcp, buffered, stream_id, lang })
        }
        Ok(Err(error)) => Err(in_words(error, config)),
        Err(_) if heard.load(Ordering::Relaxed) => {
            Err(ConnectError::HandshakeTimedOut { server: server(), domain: config.domain.clone(), after })
        }
        Err(_) => Err(ConnectError::Silent { server: server(), after }),
    }
}

async fn reach(server: &str) -> Result<TcpStream, ConnectError> {
    let named = || server.to_owned();
    let is_address =
        server.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_address {
        return Err(ConnectError::ServerAddress { server: named() });
    }
    let addresses = lookup_host(server)
        .await
        .map_err(|source| ConnectError::NameNotResolved { server: named(), source })?;
    let mut failure = None;
    for address in addresses {
        match connect_to(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => failure = Some(error),
        }
    }
    Err(match failure {
        Some(source) => ConnectError::Unreachable { server: named(), source },
        None => ConnectError::NameNotResolved { server: named(), source: io::ErrorKind::NotFound.into() },
    })
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(address).await
}

fn in_words(error: HandshakeError, config: &ConnectConfig) -> ConnectError {
    let server = config.server.clone();
    let domain = config.domain.clone();
    match error {
        HandshakeError::Refused { condition, text } => match condition {
            Refused::NotAuthorized => ConnectError::WrongSecret { domain, text },
            Refused::HostUnknown => ConnectError::HostUnknown { domain, text },
            Refused::Conflict => ConnectError::Conflict { domain, text },
            Refused::Other { condition, passing } => ConnectError::StreamError { condition, text, passing },
        },
        HandshakeError::Closed => ConnectError::Closed { server },
        HandshakeError::NotXmpp(detail) => ConnectError::NotXmpp { server, detail },
        HandshakeError::Io(source) => ConnectError::Io { server, source },
    }
}
