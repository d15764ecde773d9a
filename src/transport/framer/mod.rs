//! Cuts the component stream into whole stanzas, as byte slices and without parsing them.
//!
//! Works on the bytes behind the stream's header (XEP-0114 §3, RFC 6120 §4 and §11): refuses what
//! rxml would refuse when the slice is parsed later, and a little more (size, depth, number of
//! attributes). A stanza that is refused is skipped whole, and the router can still answer its
//! sender from its start tag; only what leaves no doubt where the next stanza begins is skipped, all
//! else ends the stream. Holds no more than one stanza and one read at a time.
//!
//! Differs from rxml on purpose in three places: `xmlns` given twice in one tag is a duplicate here
//! too; between stanzas there is white space and nothing else (rxml would also take it written as a
//! reference or a CDATA section); the limits of [`FramerLimits`] are the stream's own.

pub(crate) mod lexis;
mod scan;
mod skip;

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use lexis::{NAME, SPACE, is, run_of};
use scan::{Scan, Step};
use skip::Skip;

/// Largest stanza that may ever be asked for.
const STANZA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room made for each read.
const READ_BLOCK: usize = 64 * 1024;

/// What a stanza may measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramerLimits {
    /// Bytes of one stanza, from its `<` to its last `>`; 0 means the highest possible (64 MiB).
    pub stanza_bytes: usize,
    /// Elements within each other, the stanza itself among them: typed parsing recurses.
    pub depth: usize,
    /// Attributes of one element, declarations among them.
    pub attributes: usize,
    /// Bytes of a name or of an attribute's value; rxml's own limit, which cannot be raised.
    pub token_bytes: usize,
    /// Bytes kept of the start tag of a stanza that is refused.
    pub head_bytes: usize,
}

impl Default for FramerLimits {
    fn default() -> Self {
        FramerLimits {
            stanza_bytes: 1024 * 1024,
            depth: 128,
            attributes: 100,
            token_bytes: 8192,
            head_bytes: 16 * 1024,
        }
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A first-level element, whole and well-formed; most likely a stanza (RFC 6120 §8).
    ///
    /// Shares the memory that it was read into: copy what is to be kept for long.
    Stanza(Bytes),
    /// A first-level element that was skipped.
    Refused {
        /// Its start tag, as far as it was kept: enough to answer whoever sent it.
        head: Bytes,
        /// Why it was skipped.
        why: Refusal,
    },
    /// `<stream:error/>` (RFC 6120 §4.9); the stream's end follows.
    StreamError(Bytes),
    /// `</stream:stream>` (RFC 6120 §4.4).
    StreamEnd,
}

/// Why a stanza was skipped. The stream goes on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Larger than [`FramerLimits::stanza_bytes`].
    TooLarge,
    /// Elements nested deeper than [`FramerLimits::depth`].
    TooDeep,
    /// More attributes in one tag than [`FramerLimits::attributes`].
    TooManyAttributes,
    /// A name or an attribute's value longer than [`FramerLimits::token_bytes`].
    TokenTooLong,
    /// A prefix without a declaration.
    UndeclaredPrefix,
    /// A declaration that Namespaces in XML 1.0 §3 forbids.
    BadNamespace,
    /// The same attribute twice, by its expanded name.
    DuplicateAttribute,
    /// A reference that is neither one of the five entities nor a character.
    BadReference,
    /// A character that XML forbids, or bytes that are not UTF-8.
    InvalidCharacter,
    /// Something that is no name where one belongs.
    BadName,
    /// A comment (RFC 6120 §11.1).
    Comment,
    /// A processing instruction (RFC 6120 §11.1).
    ProcessingInstruction,
    /// Any other breach of XML's grammar.
    Malformed,
}

impl Refusal {
    /// Whether the stanza was well-formed and only beyond a limit: `policy-violation` rather than
    /// `bad-request` (RFC 6120 §8.3.3).
    pub fn is_policy(self) -> bool {
        matches!(self, Self::TooLarge | Self::TooDeep | Self::TooManyAttributes | Self::TokenTooLong)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the stanza is too large",
            Self::TooDeep => "its elements are nested too deep",
            Self::TooManyAttributes => "an element has too many attributes",
            Self::TokenTooLong => "a name or an attribute's value is too long",
            Self::UndeclaredPrefix => "a namespace prefix is not declared",
            Self::BadNamespace => "a namespace declaration is not allowed",
            Self::DuplicateAttribute => "an element has the same attribute twice",
            Self::BadReference => "an entity or character reference is not allowed",
            Self::InvalidCharacter => "it holds a character that XML does not allow, or is not UTF-8",
            Self::BadName => "an element's or attribute's name is not allowed",
            Self::Comment => "comments are not allowed in XMPP",
            Self::ProcessingInstruction => "processing instructions are not allowed in XMPP",
            Self::Malformed => "it is not well-formed XML",
        })
    }
}

/// Why the stream cannot go on: nobody could tell where the next stanza begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FramerError {
    /// Something between two stanzas that is not white space.
    #[error("the server sent something other than white space between two stanzas")]
    BetweenStanzas,
    /// An end tag of another name than the element that is open.
    #[error("the server sent an end tag that matches no open element")]
    MismatchedEnd,
    /// `<!` that begins neither a comment nor a CDATA section.
    #[error("the server sent a document type declaration, which XMPP does not allow")]
    Declaration,
    /// A `<` where none may be.
    #[error("the server sent a '<' inside a tag or in place of text, so tags cannot be told apart any more")]
    StrayMarkup,
}

#[derive(Debug)]
enum Mode {
    Between,
    Stanza,
    /// Skipping; the head is still being collected or not.
    Skip {
        why: Refusal,
        collecting: bool,
    },
    Dead(FramerError),
}

/// The framer: bytes in, [`Frame`]s out.
///
/// Read or feed, then call [`Framer::next`] until it has nothing more, then read again. The order of
/// frames never depends on how the bytes were cut.
#[derive(Debug)]
pub struct Framer {
    limits: FramerLimits,
    buffer: BytesMut,
    mode: Mode,
    scan: Scan,
    skip: Skip,
    head: Vec<u8>,
}

impl Framer {
    /// A framer for what comes behind the handshake.
    pub fn new(limits: FramerLimits) -> Self {
        let mut limits = limits;
        limits.stanza_bytes = match limits.stanza_bytes {
            0 => STANZA_BYTES_MAX,
            bytes => bytes.min(STANZA_BYTES_MAX),
        };
        Framer {
            limits,
            buffer: BytesMut::new(),
            mode: Mode::Between,
            scan: Scan::new(),
            skip: Skip::new(),
            head: Vec::new(),
        }
    }

    /// Append bytes that were read elsewhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Read once from the socket, straight into the framer's memory; 0 is the end of the stream.
    ///
    /// Cancelling it loses nothing.
    pub async fn read_from<R: AsyncRead + Unpin>(&mut self, socket: &mut R) -> io::Result<usize> {
        if self.buffer.capacity() - self.buffer.len() < READ_BLOCK / 4 {
            self.buffer.reserve(READ_BLOCK);
        }
        socket.read_buf(&mut self.buffer).await
    }

    /// Bytes held at this moment.
    pub fn held(&self) -> usize {
        self.buffer.len() + self.head.len()
    }

    /// The next frame, or `None` until more is read. An error is final.
    #[allow(clippy::should_implement_trait)] // lends nothing to iterators: reads come in between
    pub fn next(&mut self) -> Result<Option<Frame>, FramerError> {
        loop {
            let step = match self.mode {
                Mode::Between => self.between(),
                Mode::Stanza => self.stanza(),
                Mode::Skip { why, collecting } => self.skip(why, collecting),
                Mode::Dead(error) => Err(error),
            };
            match step {
                Ok(Next::Frame(frame)) => return Ok(Some(frame)),
                Ok(Next::More) => return Ok(None),
                Ok(Next::Again) => {}
                Err(error) => {
                    self.mode = Mode::Dead(error);
                    self.buffer = BytesMut::new();
                    return Err(error);
                }
            }
        }
    }

    fn between(&mut self) -> Result<Next, FramerError> {
        let spaces = run_of(&self.buffer, SPACE).unwrap_or(self.buffer.len());
        self.buffer.advance(spaces);
        match (self.buffer.first(), self.buffer.get(1)) {
            (None, _) => Ok(Next::More),
            (Some(b'<'), None) => Ok(Next::More),
            (Some(b'<'), Some(b'/')) => self.stream_end(),
            (Some(b'<'), Some(b'!')) => {
                let markup = &self.buffer[..];
                if b"<![CDATA[".starts_with(markup) || b"<!--".starts_with(markup) {
                    Ok(Next::More)
                } else if markup.starts_with(b"<![CDATA[") || markup.starts_with(b"<!--") {
                    Err(FramerError::BetweenStanzas)
                } else {
                    Err(FramerError::Declaration)
                }
            }
            (Some(b'<'), Some(&b)) if is(b, NAME) => {
                self.scan.reset();
                self.mode = Mode::Stanza;
                Ok(Next::Again)
            }
            _ => Err(FramerError::BetweenStanzas),
        }
    }

    fn stream_end(&mut self) -> Result<Next, FramerError> {
        const END: &[u8] = b"</stream:stream";
        let have = self.buffer.len().min(END.len());
        if self.buffer[..have] != END[..have] {
            return Err(FramerError::MismatchedEnd);
        }
        let rest = &self.buffer[have..];
        let Some(spaces) = run_of(rest, SPACE) else { return Ok(Next::More) };
        match rest[spaces] {
            b'>' => {
                self.buffer.advance(have + spaces + 1);
                Ok(Next::Frame(Frame::StreamEnd))
            }
            _ => Err(FramerError::MismatchedEnd),
        }
    }

    fn stanza(&mut self) -> Result<Next, FramerError> {
        let window = self.buffer.len().min(self.limits.stanza_bytes);
        match self.scan.step(&self.buffer[..window], &self.limits) {
            Step::Done(end) => {
                self.mode = Mode::Between;
                if !lexis::is_clean_utf8(&self.buffer[..end]) {
                    let kept = self.scan.head_end().unwrap_or(end).min(self.limits.head_bytes);
                    let head = Bytes::copy_from_slice(&self.buffer[..kept]);
                    self.buffer.advance(end);
                    return Ok(Next::Frame(Frame::Refused { head, why: Refusal::InvalidCharacter }));
                }
                let stanza = self.buffer.split_to(end).freeze();
                Ok(Next::Frame(match self.scan.is_stream_error() {
                    true => Frame::StreamError(stanza),
                    false => Frame::Stanza(stanza),
                }))
            }
            Step::More if self.buffer.len() > window => {
                self.begin_skip(Refusal::TooLarge);
                Ok(Next::Again)
            }
            Step::More => Ok(Next::More),
            Step::Refused(why) => {
                self.begin_skip(why);
                Ok(Next::Again)
            }
            Step::Fatal(error) => Err(error),
        }
    }

    fn begin_skip(&mut self, why: Refusal) {
        self.skip.begin(self.scan.in_cdata(), self.scan.open_names(&self.buffer));
        self.head.clear();
        let head_end = self.scan.head_end();
        if let Some(end) = head_end {
            self.head.extend_from_slice(&self.buffer[..end.min(self.limits.head_bytes)]);
        }
        self.buffer.advance(self.scan.skip_from());
        self.mode = Mode::Skip { why, collecting: head_end.is_none() };
    }

    fn skip(&mut self, why: Refusal, collecting: bool) -> Result<Next, FramerError> {
        let skipped = self.skip.step(&self.buffer)?;
        if collecting {
            let of_head = skipped.tag_end.unwrap_or(skipped.used);
            let room = self.limits.head_bytes - self.head.len();
            self.head.extend_from_slice(&self.buffer[..of_head.min(room)]);
        }
        self.buffer.advance(skipped.used);
        if skipped.done {
            self.mode = Mode::Between;
            let head = Bytes::from(std::mem::take(&mut self.head));
            return Ok(Next::Frame(Frame::Refused { head, why }));
        }
        self.mode = Mode::Skip { why, collecting: collecting && skipped.tag_end.is_none() };
        Ok(Next::More)
    }
}

enum Next {
    Frame(Frame),
    More,
    Again,
}
