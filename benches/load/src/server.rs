//! The server's end of a component stream (XEP-0114): handshake, then reading and writing without waiting.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use memchr::memmem;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::peer::Peer;
use crate::wire;

/// Read at once.
const BLOCK: usize = 256 * 1024;

/// A stanza larger than this is a mistake of somebody's.
const STANZA_MAX: usize = 8 * 1024 * 1024;

pub(crate) struct Server {
    socket: TcpStream,
    domain: String,
    input: Vec<u8>,
    /// Where what was not looked at yet begins.
    read: usize,
    pub(crate) output: Vec<u8>,
    written: usize,
    /// The component has said goodbye or hung up.
    pub(crate) ended: bool,
}

impl Server {
    /// Waits for the component and lets it in if it knows the secret.
    pub(crate) fn accept(
        listener: &TcpListener,
        domain: &str,
        secret: &str,
        peer: &mut Peer,
        patience: Duration,
    ) -> Result<Self, String> {
        let until = Instant::now() + patience;
        listener.set_nonblocking(true).map_err(text)?;
        let socket = loop {
            match listener.accept() {
                Ok((socket, _)) => break socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if let Some(status) = peer.ended() {
                        return Err(format!("the component ended before it connected: {status}"));
                    }
                    if Instant::now() > until {
                        return Err("the component did not connect".into());
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(text(error)),
            }
        };
        socket.set_nonblocking(false).map_err(text)?;
        socket.set_nodelay(true).map_err(text)?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).map_err(text)?;
        let mut server = Server {
            socket,
            domain: domain.to_owned(),
            input: Vec::new(),
            read: 0,
            output: Vec::new(),
            written: 0,
            ended: false,
        };
        server.handshake(secret)?;
        server.socket.set_nonblocking(true).map_err(text)?;
        Ok(server)
    }

    fn handshake(&mut self, secret: &str) -> Result<(), String> {
        let header = self.read_through(b"<stream:stream", b">")?;
        if memmem::find(&header, b"jabber:component:accept").is_none() {
            return Err(format!("no component stream: {}", wire::shown(&header)));
        }
        let id = format!("load-{}", std::process::id());
        let answer = format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:component:accept' from='{}' id='{id}'>",
            self.domain
        );
        self.socket.write_all(answer.as_bytes()).map_err(text)?;
        let handshake = self.read_through(b"<handshake", b"</handshake>")?;
        let digest = sha1_smol::Sha1::from(format!("{id}{secret}")).digest().to_string();
        if memmem::find(&handshake, digest.as_bytes()).is_none() {
            return Err("the component does not know the secret".into());
        }
        self.socket.write_all(b"<handshake/>").map_err(text)
    }

    /// Everything through the first `end` behind the first `begin`.
    fn read_through(&mut self, begin: &[u8], end: &[u8]) -> Result<Vec<u8>, String> {
        let mut block = [0; 4096];
        loop {
            if let Some(at) = memmem::find(&self.input, begin)
                && let Some(length) = memmem::find(&self.input[at..], end)
            {
                return Ok(self.input.drain(..at + length + end.len()).collect());
            }
            match self.socket.read(&mut block).map_err(|e| format!("during the handshake: {e}"))? {
                0 => return Err("the component hung up during the handshake".into()),
                count => self.input.extend_from_slice(&block[..count]),
            }
            if self.input.len() > 65536 {
                return Err("too much for a handshake".into());
            }
        }
    }

    /// Waits until there is something to read, or room for what is to be written, or so long.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Result<(), String> {
        let mut flags = PollFlags::IN;
        if self.written < self.output.len() {
            flags |= PollFlags::OUT;
        }
        let timeout = Timespec::try_from(at_most).map_err(text)?;
        match poll(&mut [PollFd::new(&self.socket, flags)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(text(error)),
        }
    }

    /// Writes what can be written.
    pub(crate) fn write(&mut self) -> Result<(), String> {
        while self.written < self.output.len() {
            match self.socket.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.ended => {
                    let _ = error; // Nobody reads any more.
                    break;
                }
                Err(error) => return Err(format!("writing: {error}")),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Bytes that wait to be written.
    pub(crate) fn unwritten(&self) -> usize {
        self.output.len() - self.written
    }

    /// Reads what is there, once.
    pub(crate) fn read(&mut self) -> Result<(), String> {
        if self.read > 0 {
            self.input.drain(..self.read);
            self.read = 0;
        }
        let held = self.input.len();
        if held > STANZA_MAX {
            return Err(format!("a stanza without end: {}", wire::shown(&self.input)));
        }
        self.input.resize(held + BLOCK, 0);
        let outcome = self.socket.read(&mut self.input[held..]);
        self.input.truncate(held + *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(0) => self.ended = true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
            Err(error) => return Err(format!("reading: {error}")),
            Ok(_) => {}
        }
        Ok(())
    }

    /// The next stanza that was read, if one is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Stanza<'_>>, String> {
        let rest = &self.input[self.read..];
        let spaces = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.read += spaces;
        let rest = &self.input[self.read..];
        match wire::next(rest)? {
            wire::Found::More => Ok(None),
            wire::Found::End => {
                self.ended = true;
                self.read = self.input.len();
                Ok(None)
            }
            wire::Found::Iq(length) => {
                self.read += length;
                Ok(Some(Stanza::Iq(&rest[..length])))
            }
            wire::Found::Message(length) => {
                self.read += length;
                Ok(Some(Stanza::Message(&rest[..length])))
            }
            wire::Found::Other(length) => {
                self.read += length;
                Ok(Some(Stanza::Other))
            }
        }
    }
}

pub(crate) enum Stanza<'a> {
    Iq(&'a [u8]),
    Message(&'a [u8]),
    Other,
}

/// What an ideal server answers at once in everybody's name: pings; and to all else that nobody is there.
pub(crate) fn answer(iq: &[u8], out: &mut Vec<u8>) {
    let tag = wire::start_tag(iq);
    let attribute = |name: &str| {
        String::from_utf8_lossy(wire::attribute(tag, name.as_bytes()).unwrap_or_default()).into_owned()
    };
    let (from, to, id) = (attribute("from"), attribute("to"), attribute("id"));
    let ping = memmem::find(iq, b"urn:xmpp:ping").is_some();
    let rest = if ping {
        "type='result'/>".to_owned()
    } else {
        "type='error'><error type='cancel'><service-unavailable \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            .to_owned()
    };
    out.extend_from_slice(format!("<iq id='{id}' from='{to}' to='{from}' {rest}").as_bytes());
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
