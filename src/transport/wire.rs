//! The socket as the negotiation uses it: gives back what it read too far, and hears the server out.
//!
//! Only for the handshake; afterwards the socket is the framer's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of the server's side of the handshake that are remembered, for its header's attributes.
const REMEMBERED: usize = 4096;

/// A socket with a read buffer.
///
/// A write that fails says nothing: the server may have said why before it closed, and reading finds
/// that first. Reading then finds the closed socket too.
#[derive(Debug)]
pub(super) struct Wire {
    tcp: TcpStream,
    buffer: BytesMut,
    remembered: Vec<u8>,
    heard: Arc<AtomicBool>,
    deaf: bool,
}

impl Wire {
    /// `heard` turns true with the first byte read.
    pub(super) fn new(tcp: TcpStream, heard: Arc<AtomicBool>) -> Self {
        Wire { tcp, buffer: BytesMut::new(), remembered: Vec::new(), heard, deaf: false }
    }

    /// What the server said first, as far as it was kept.
    pub(super) fn remembered(&self) -> &[u8] {
        &self.remembered
    }

    /// The socket, and what was read but not used.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.tcp, self.buffer.freeze())
    }
}

impl AsyncBufRead for Wire {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.buffer.is_empty() {
            let mut block = [0u8; 8192];
            let mut read = ReadBuf::new(&mut block);
            ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                // Plainer than what the parser makes of it.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let first = !this.heard.swap(true, Ordering::Relaxed);
            // An XML parser would wait for the end of a text that is none of XMPP's.
            if first && read.trim_ascii_start().first().is_some_and(|&b| b != b'<') {
                let error = io::Error::new(io::ErrorKind::InvalidData, "it does not begin with '<'");
                return Poll::Ready(Err(error));
            }
            this.buffer.extend_from_slice(read);
            let room = REMEMBERED - this.remembered.len();
            this.remembered.extend_from_slice(&read[..read.len().min(room)]);
        }
        Poll::Ready(Ok(&this.buffer))
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        self.get_mut().buffer.advance(bytes);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let have = ready!(self.as_mut().poll_fill_buf(cx))?;
        let take = have.len().min(out.remaining());
        out.put_slice(&have[..take]);
        self.consume(take);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        match ready!(Pin::new(&mut this.tcp).poll_write(cx, bytes)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(_) => {
                this.deaf = true;
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf { Poll::Ready(Ok(())) } else { Pin::new(&mut this.tcp).poll_flush(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
