//! Skipping a stanza that was refused: follows its tags to its end without keeping it.
//!
//! Judges nothing but the nesting. A `<` within a tag, an end tag that does not match or a document
//! type declaration mean that the end cannot be known, and so the end of the stream.

use memchr::{memchr, memchr2, memmem};

use super::FramerError;
use super::lexis::{NAME, is, run_of};

/// Names remembered while skipping; elements nested deeper are only counted.
const NAMED_DEPTH: usize = 4096;

#[derive(Debug, Clone, Copy)]
enum State {
    Text,
    TagName(u64),
    /// Inside a start tag: the open quote or 0, and whether the last byte was a `/`.
    InTag(u8, bool),
    EndName(u64),
    EndTag,
    Until(&'static [u8]),
}

/// Progress of a skip.
#[derive(Debug)]
pub(super) struct Skip {
    state: State,
    depth: usize,
    names: Vec<u64>,
}

/// How far a skip came: `used` bytes need not be kept.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) used: usize,
    /// Offset behind the first start tag that ended in these bytes.
    pub(super) tag_end: Option<usize>,
    pub(super) done: bool,
}

impl Skip {
    pub(super) fn new() -> Self {
        Skip { state: State::Text, depth: 0, names: Vec::new() }
    }

    /// Begin at a tag or in text, inside the elements of these names.
    pub(super) fn begin<'a>(&mut self, in_cdata: bool, open: impl Iterator<Item = &'a [u8]>) {
        self.state = if in_cdata { State::Until(b"]]>") } else { State::Text };
        self.names.clear();
        self.depth = 0;
        for name in open {
            self.open(mix(SEED, name));
        }
    }

    fn open(&mut self, name: u64) {
        self.depth += 1;
        if self.depth <= NAMED_DEPTH {
            self.names.push(name);
        }
    }

    /// True when the outermost element has ended.
    fn close(&mut self) -> bool {
        if self.depth <= NAMED_DEPTH {
            self.names.pop();
        }
        self.depth = self.depth.saturating_sub(1);
        self.depth == 0
    }

    /// Go on with these bytes.
    pub(super) fn step(&mut self, data: &[u8]) -> Result<Skipped, FramerError> {
        let mut at = 0;
        let mut tag_end = None;
        let more = |used, tag_end| Ok(Skipped { used, tag_end, done: false });
        loop {
            let rest = &data[at..];
            match self.state {
                State::Text => {
                    let Some(lt) = memchr(b'<', rest) else { return more(data.len(), tag_end) };
                    at += lt;
                    let rest = &rest[lt..];
                    let Some(&b) = rest.get(1) else { return more(at, tag_end) };
                    match b {
                        b'/' => {
                            self.state = State::EndName(SEED);
                            at += 2;
                        }
                        b'?' => {
                            self.state = State::Until(b"?>");
                            at += 2;
                        }
                        b'!' if rest.starts_with(b"<!--") => {
                            self.state = State::Until(b"-->");
                            at += 4;
                        }
                        b'!' if rest.starts_with(b"<![CDATA[") => {
                            self.state = State::Until(b"]]>");
                            at += 9;
                        }
                        b'!' if b"<!--".starts_with(rest) || b"<![CDATA[".starts_with(rest) => {
                            return more(at, tag_end);
                        }
                        b'!' => return Err(FramerError::Declaration),
                        b if is(b, NAME) => {
                            self.state = State::TagName(SEED);
                            at += 1;
                        }
                        _ => return Err(FramerError::StrayMarkup),
                    }
                }
                State::TagName(hash) => {
                    let length = run_of(rest, NAME);
                    let hash = mix(hash, &rest[..length.unwrap_or(rest.len())]);
                    let Some(length) = length else {
                        self.state = State::TagName(hash);
                        return more(data.len(), tag_end);
                    };
                    at += length;
                    self.open(hash);
                    self.state = State::InTag(0, false);
                }
                State::InTag(0, slash) => {
                    let Some(&b) = rest.first() else { return more(data.len(), tag_end) };
                    at += 1;
                    match b {
                        b'>' => {
                            self.state = State::Text;
                            tag_end = tag_end.or(Some(at));
                            if slash && self.close() {
                                return Ok(Skipped { used: at, tag_end, done: true });
                            }
                        }
                        b'<' => return Err(FramerError::StrayMarkup),
                        b'\'' | b'"' => self.state = State::InTag(b, false),
                        b => self.state = State::InTag(0, b == b'/'),
                    }
                }
                State::InTag(quote, _) => {
                    let Some(length) = memchr2(quote, b'<', rest) else { return more(data.len(), tag_end) };
                    if rest[length] == b'<' {
                        return Err(FramerError::StrayMarkup);
                    }
                    at += length + 1;
                    self.state = State::InTag(0, false);
                }
                State::EndName(hash) => {
                    let length = run_of(rest, NAME);
                    let hash = mix(hash, &rest[..length.unwrap_or(rest.len())]);
                    let Some(length) = length else {
                        self.state = State::EndName(hash);
                        return more(data.len(), tag_end);
                    };
                    at += length;
                    let matches = match self.depth {
                        0 => false,
                        depth if depth > NAMED_DEPTH => true,
                        _ => self.names.last() == Some(&hash),
                    };
                    if !matches {
                        return Err(FramerError::MismatchedEnd);
                    }
                    self.state = State::EndTag;
                }
                State::EndTag => {
                    let Some(length) = memchr2(b'>', b'<', rest) else { return more(data.len(), tag_end) };
                    if rest[length] == b'<' {
                        return Err(FramerError::StrayMarkup);
                    }
                    at += length + 1;
                    self.state = State::Text;
                    if self.close() {
                        return Ok(Skipped { used: at, tag_end, done: true });
                    }
                }
                State::Until(end) => {
                    let Some(length) = memmem::find(rest, end) else {
                        // The end may be cut in two.
                        return more(data.len().saturating_sub(end.len() - 1).max(at), tag_end);
                    };
                    at += length + end.len();
                    self.state = State::Text;
                }
            }
        }
    }
}

/// FNV-1a: names are only compared with names of the same stanza, and a clash costs no more than
/// an end tag taken for another.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
