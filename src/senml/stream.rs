//! Streams (SensML, RFC 8428 §4.8): records handed out as they arrive, in order of arrival.
//!
//! A stream may end anywhere; a record not yet complete is then no record. An error ends it for good, and the
//! records handed out before it stand (decision A31).

use super::assembler::Assembler;
use super::assembler_state::Purpose;
use super::cbor;
use super::cbor_item::{Head, Items, Scan};
use super::error::{Invalid, Reason};
use super::json;
use super::limits::Options;
use super::read::Format;
use super::resolved::Record;
use super::stream_ends::{JsonEnd, XmlEnd};
use super::xml::{self, Xml};
use super::xml_chars;

/// A stream being read.
#[derive(Debug)]
pub struct Stream {
    sink: Assembler,
    syntax: Syntax,
    /// What has arrived and is not read yet.
    pending: Vec<u8>,
    read: usize,
    failed: Option<Invalid>,
}

#[derive(Debug)]
enum Syntax {
    Json(JsonState, JsonEnd),
    Xml(Box<Xml>, XmlEnd),
    Cbor(CborState, Option<CborRecord>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum JsonState {
    /// Before the array.
    Start,
    /// A record or the end of the array comes.
    First,
    /// A comma or the end of the array comes.
    Between,
    /// A record comes.
    Record,
    /// The array is closed.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum CborState {
    Start,
    /// This many records to come; `None`: up to a break.
    Records(Option<u64>),
    Closed,
}

/// A CBOR record of which a part has arrived.
#[derive(Debug)]
struct CborRecord {
    scan: Scan,
    /// How far the scan has come in the pending octets.
    at: usize,
}

impl Stream {
    /// A new stream. In CBOR the array may be of definite length too (decision A11).
    pub fn new(format: Format, options: &Options) -> Self {
        Self {
            sink: Assembler::new(Purpose::Stream, 0.0, options),
            syntax: match format {
                Format::Json => Syntax::Json(JsonState::Start, JsonEnd::default()),
                Format::Xml => Syntax::Xml(Box::new(Xml::new()), XmlEnd::default()),
                Format::Cbor => Syntax::Cbor(CborState::Start, None),
            },
            pending: Vec::new(),
            read: 0,
            failed: None,
        }
    }

    /// Reads more octets, which arrived at `now` (seconds since 1970), and hands out each record that they
    /// complete. Once it has failed, it fails the same way for ever.
    pub fn feed(
        &mut self,
        octets: &[u8],
        now: f64,
        mut deliver: impl FnMut(Record<'_>),
    ) -> Result<(), Invalid> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.sink.set_now(now);
        self.pending.extend_from_slice(octets);
        let result = self.advance();
        self.pending.drain(..self.read.min(self.pending.len()));
        self.read = 0;
        self.sink.arrived().iter().for_each(&mut deliver);
        self.sink.forget();
        let limit = self.sink.options().limits.bytes;
        let result = match result {
            Ok(()) if self.pending.len() > limit => {
                Err(self.sink.refuse(Reason::TooLarge, format!("more than {limit} octets in a record")))
            }
            other => other,
        };
        if let Err(invalid) = &result {
            self.failed = Some(invalid.clone());
            self.pending = Vec::new();
        }
        result
    }

    fn advance(&mut self) -> Result<(), Invalid> {
        let Self { sink, syntax, pending, read, .. } = self;
        match syntax {
            Syntax::Json(state, end) => array(state, end, pending, read, sink),
            Syntax::Xml(xml, end) => markup(xml, end, pending, read, sink),
            Syntax::Cbor(state, record) => items(state, record, pending, read, sink),
        }
    }
}

fn array(
    state: &mut JsonState,
    end: &mut JsonEnd,
    pending: &[u8],
    read: &mut usize,
    sink: &mut Assembler,
) -> Result<(), Invalid> {
    loop {
        let rest = &pending[*read..];
        let Some(byte) = rest.first() else { return Ok(()) };
        if let b' ' | b'\t' | b'\n' | b'\r' = byte {
            *read += 1;
            continue;
        }
        if *state == JsonState::Start && *byte == 0xef {
            match "\u{feff}".as_bytes() {
                // A byte order mark, as a pack may have (decision A32).
                mark if rest.starts_with(mark) => *read += mark.len(),
                mark if mark.starts_with(rest) => return Ok(()),
                _ => return Err(Invalid::pack(Reason::Malformed, "not JSON")),
            }
            continue;
        }
        match (*state, byte) {
            (JsonState::Start, b'[') => *state = JsonState::First,
            (JsonState::Start, b'{' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                return Err(Invalid::pack(Reason::NotAnArray, "a stream is an array of records"));
            }
            (JsonState::First | JsonState::Between, b']') => *state = JsonState::Closed,
            (JsonState::Between, b',') => *state = JsonState::Record,
            (JsonState::First | JsonState::Record, b'{') => {
                let Some(length) = end.find(rest) else { return Ok(()) };
                let record = std::str::from_utf8(&rest[..length]);
                let record =
                    record.map_err(|_| Invalid::pack(Reason::Malformed, "octets that are not UTF-8"))?;
                json::read_record(record, sink)?;
                *end = JsonEnd::default();
                *state = JsonState::Between;
                *read += length;
                continue;
            }
            (JsonState::First | JsonState::Record, b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                sink.begin_record()?;
                return Err(sink.refuse(Reason::NotAnObject, "a record is an object"));
            }
            _ => return Err(Invalid::pack(Reason::Malformed, "not JSON between the records of a stream")),
        }
        *read += 1;
    }
}

fn markup(
    xml: &mut Xml,
    end: &mut XmlEnd,
    pending: &[u8],
    read: &mut usize,
    sink: &mut Assembler,
) -> Result<(), Invalid> {
    if *read == 0 && xml::other_encoding(pending) {
        return Err(Invalid::pack(Reason::BadEncoding, "XML that is not in UTF-8"));
    }
    loop {
        let rest = &pending[*read..];
        let Some(length) = end.find(rest) else {
            // After the root there is nothing but white space to wait for.
            return if rest.first() == Some(&b'<') || xml.end().is_err() || rest.trim_ascii().is_empty() {
                Ok(())
            } else {
                Err(Invalid::pack(Reason::Malformed, "text after the root element"))
            };
        };
        let token = std::str::from_utf8(&rest[..length]).ok();
        let Some(token) = token.filter(|token| xml_chars::all_characters(token)) else {
            return Err(Invalid::pack(Reason::Malformed, "octets that are no XML characters"));
        };
        let token = if xml.is_new() { token.trim_start_matches('\u{feff}') } else { token };
        let mut at = 0;
        while at < token.len() {
            at = xml.step(token, at, sink)?;
        }
        *end = XmlEnd::default();
        *read += length;
    }
}

fn items(
    state: &mut CborState,
    record: &mut Option<CborRecord>,
    pending: &[u8],
    read: &mut usize,
    sink: &mut Assembler,
) -> Result<(), Invalid> {
    loop {
        let rest = &pending[*read..];
        let Some(byte) = rest.first() else { return Ok(()) };
        match *state {
            CborState::Start => {
                let mut items = Items::new(rest);
                let count = match cbor::open(&mut items) {
                    Ok(Head::Array(count)) => count,
                    Ok(_) => {
                        return Err(Invalid::pack(Reason::NotAnArray, "a stream is an array of records"));
                    }
                    Err(broken) if broken.is_short() => return Ok(()),
                    Err(broken) => return Err(broken.whole()),
                };
                *read += items.at;
                *state = if count == Some(0) { CborState::Closed } else { CborState::Records(count) };
            }
            CborState::Records(None) if *byte == 0xff && record.is_none() => {
                *read += 1;
                *state = CborState::Closed;
            }
            CborState::Records(count) => {
                // A record is itself a level.
                let depth = sink.options().limits.depth.saturating_add(1);
                let part = record.get_or_insert_with(|| CborRecord { scan: Scan::new(depth), at: 0 });
                let mut items = Items { octets: rest, at: part.at };
                loop {
                    part.at = items.at;
                    match items.head().and_then(|head| part.scan.head(&mut items, head)) {
                        Ok(true) => break,
                        Ok(false) => {}
                        Err(broken) if broken.is_short() => return Ok(()),
                        Err(broken) => return Err(broken.whole()),
                    }
                }
                let length = items.at;
                cbor::record(&mut Items::new(&rest[..length]), sink)?;
                *record = None;
                *read += length;
                match count {
                    Some(1) => *state = CborState::Closed,
                    Some(count) => *state = CborState::Records(Some(count - 1)),
                    None => {}
                }
            }
            CborState::Closed => return Err(Invalid::pack(Reason::Malformed, "octets after the stream")),
        }
    }
}
