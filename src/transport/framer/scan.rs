//! The strict pass over one stanza: finds its end and everything in it that rxml would refuse.
//!
//! Works on the bytes where they lie and can stop at any of them: what comes later is scanned from
//! where it stopped. Stacks are reused from stanza to stanza, so that a stanza costs no allocation.
//! Leaves skipping what was refused to [`super::skip`].

use memchr::{memchr, memchr2, memmem};

use super::lexis::{self, NAME, Reference, SPACE, is, is_control, plain_value, run_of};
use super::{FramerError, FramerLimits, Refusal};

/// `xmlns:xml`, bound for ever (Namespaces in XML 1.0 §3).
const NS_XML: &[u8] = b"http://www.w3.org/XML/1998/namespace";
/// What the prefix `stream` stands for; the stream's header declared it (RFC 6120 §4.8.1).
const NS_STREAM: &[u8] = b"http://etherx.jabber.org/streams";

/// How far a scan came.
#[derive(Debug)]
pub(super) enum Step {
    /// All bytes are read and the stanza goes on.
    More,
    /// The stanza ends before this offset.
    Done(usize),
    /// The stanza is to be skipped; its tags can still be told apart.
    Refused(Refusal),
    /// What follows cannot be told apart any more.
    Fatal(FramerError),
}

/// Why a scan stops early.
enum Stop {
    More,
    Refused(Refusal),
    Fatal(FramerError),
}

impl From<Refusal> for Stop {
    fn from(why: Refusal) -> Self {
        Stop::Refused(why)
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Character data or the beginning of markup.
    Content,
    /// Inside `<![CDATA[`.
    Cdata,
    /// Inside a start tag, between attributes; `spaced` once white space was seen.
    InTag { spaced: bool },
    /// Behind an attribute's name.
    AfterName,
    /// Behind its `=`.
    BeforeValue,
    /// Inside its value: `length` counts what it stands for, `cr` that the last byte was a CR.
    Value { quote: u8, start: usize, length: usize, cr: bool, plain: bool },
    /// Behind an end tag's name.
    EndTag,
}

/// An element that is open: where its name is, and how many declarations were in force outside it.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: usize,
    end: usize,
    bindings: usize,
}

/// An attribute of the tag being read.
#[derive(Debug, Clone, Copy)]
struct Attribute {
    start: usize,
    end: usize,
    /// Place of the colon within the name, 0 without a prefix.
    colon: usize,
    /// The name's last eight bytes, to tell most names apart at one glance.
    key: u64,
}

/// A namespace declaration in force: a prefix (empty for the default) in the stanza, a name in `names`.
#[derive(Debug, Clone, Copy)]
struct Binding {
    prefix: (usize, usize),
    name: (usize, usize),
}

/// The strict scanner's memory between two calls.
#[derive(Debug)]
pub(super) struct Scan {
    state: State,
    pos: usize,
    /// Where the tag being read begins.
    tag: usize,
    tag_colon: usize,
    tag_name_end: usize,
    /// Where the stanza's own start tag ends; 0 before that.
    head_end: usize,
    stack: Vec<Open>,
    attributes: Vec<Attribute>,
    /// Attributes of this tag with a prefix other than `xmlns`.
    prefixed: usize,
    bindings: Vec<Binding>,
    /// Declarations in force outside the tag being read.
    outer: usize,
    names: Vec<u8>,
    stream_error: bool,
}

impl Scan {
    pub(super) fn new() -> Self {
        Scan {
            state: State::Content,
            pos: 0,
            tag: 0,
            tag_colon: 0,
            tag_name_end: 0,
            head_end: 0,
            stack: Vec::new(),
            attributes: Vec::new(),
            prefixed: 0,
            bindings: Vec::new(),
            outer: 0,
            names: Vec::new(),
            stream_error: false,
        }
    }

    /// Forget the last stanza.
    pub(super) fn reset(&mut self) {
        self.state = State::Content;
        self.pos = 0;
        self.head_end = 0;
        self.stack.clear();
        self.attributes.clear();
        self.bindings.clear();
        self.names.clear();
        self.stream_error = false;
    }

    /// Where the stanza's own start tag ends, once it is read.
    pub(super) fn head_end(&self) -> Option<usize> {
        (self.head_end > 0).then_some(self.head_end)
    }

    /// Whether the stanza is a stream error (RFC 6120 §4.9).
    pub(super) fn is_stream_error(&self) -> bool {
        self.stream_error
    }

    /// Whether the scan stopped inside a CDATA section.
    pub(super) fn in_cdata(&self) -> bool {
        matches!(self.state, State::Cdata)
    }

    /// Where skipping has to begin: at the tag being read, or where the text was left.
    pub(super) fn skip_from(&self) -> usize {
        match self.state {
            State::Content | State::Cdata => self.pos,
            _ => self.tag,
        }
    }

    /// The names of the elements that are open, outermost first.
    pub(super) fn open_names<'a>(&'a self, data: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.stack.iter().map(|open| &data[open.start..open.end])
    }

    /// Go on with the stanza that `data` begins with.
    pub(super) fn step(&mut self, data: &[u8], limits: &FramerLimits) -> Step {
        match self.run(data, limits) {
            Ok(end) => Step::Done(end),
            Err(Stop::More) => Step::More,
            Err(Stop::Refused(why)) => Step::Refused(why),
            Err(Stop::Fatal(error)) => Step::Fatal(error),
        }
    }

    fn run(&mut self, data: &[u8], limits: &FramerLimits) -> Result<usize, Stop> {
        loop {
            let done = match self.state {
                State::Content => self.content(data, limits)?,
                State::Cdata => self.cdata(data)?,
                State::InTag { spaced } => self.in_tag(data, limits, spaced)?,
                State::AfterName => self.after_name(data)?,
                State::BeforeValue => self.before_value(data)?,
                State::Value { quote, start, length, cr, plain } => {
                    self.value(data, limits, quote, start, length, cr, plain)?
                }
                State::EndTag => self.end_tag(data)?,
            };
            if done {
                return Ok(self.pos);
            }
        }
    }

    /// Character data up to the next markup, and what that is.
    #[inline]
    fn content(&mut self, data: &[u8], limits: &FramerLimits) -> Result<bool, Stop> {
        let rest = &data[self.pos..];
        let &first = rest.first().ok_or(Stop::More)?;
        if first != b'<' && first != b'&' {
            let Some(length) = memchr2(b'<', b'&', rest) else {
                check_text(rest)?;
                // `]]>` may be cut in two: its beginning is looked at again.
                self.pos = data.len() - rest.iter().rev().take(2).take_while(|&&b| b == b']').count();
                return Err(Stop::More);
            };
            check_text(&rest[..length])?;
            self.pos += length;
            return Ok(false);
        }
        if first == b'&' {
            return match lexis::reference(rest) {
                Reference::Unfinished => Err(Stop::More),
                Reference::Bad => Err(Refusal::BadReference.into()),
                Reference::Char(_, length) => {
                    self.pos += length;
                    Ok(false)
                }
            };
        }
        match *rest.get(1).ok_or(Stop::More)? {
            b'/' => self.end_name(data, limits),
            b'!' => {
                const CDATA: &[u8] = b"<![CDATA[";
                if rest.starts_with(CDATA) {
                    self.pos += CDATA.len();
                    self.state = State::Cdata;
                    Ok(false)
                } else if rest.starts_with(b"<!--") {
                    Err(Refusal::Comment.into())
                } else if CDATA.starts_with(rest) || b"<!--".starts_with(rest) {
                    Err(Stop::More)
                } else {
                    Err(Stop::Fatal(FramerError::Declaration))
                }
            }
            b'?' => Err(Refusal::ProcessingInstruction.into()),
            b if is(b, NAME) => self.tag_name(data, limits),
            _ => Err(Stop::Fatal(FramerError::StrayMarkup)),
        }
    }

    fn cdata(&mut self, data: &[u8]) -> Result<bool, Stop> {
        let rest = &data[self.pos..];
        let end = memmem::find(rest, b"]]>");
        if rest[..end.unwrap_or(rest.len())].iter().any(|&b| is_control(b)) {
            return Err(Refusal::InvalidCharacter.into());
        }
        let Some(end) = end else {
            self.pos = data.len() - rest.iter().rev().take(2).take_while(|&&b| b == b']').count();
            return Err(Stop::More);
        };
        self.pos += end + 3;
        self.state = State::Content;
        Ok(false)
    }

    /// A start tag's name.
    fn tag_name(&mut self, data: &[u8], limits: &FramerLimits) -> Result<bool, Stop> {
        let start = self.pos + 1;
        let lexis::Name { length, colon, .. } = name_in(&data[start..], limits)?;
        let colon = colon.ok_or(Refusal::BadName)?;
        if self.stack.len() >= limits.depth {
            return Err(Refusal::TooDeep.into());
        }
        self.tag = self.pos;
        self.tag_colon = colon;
        self.tag_name_end = start + length;
        self.attributes.clear();
        self.prefixed = 0;
        self.outer = self.bindings.len();
        self.pos = start + length;
        self.state = State::InTag { spaced: false };
        Ok(false)
    }

    /// Between attributes, and through all those that need no second look.
    fn in_tag(&mut self, data: &[u8], limits: &FramerLimits, mut spaced: bool) -> Result<bool, Stop> {
        let mut at = self.pos;
        loop {
            while let Some(&b) = data.get(at)
                && is(b, SPACE)
            {
                spaced = true;
                at += 1;
            }
            self.pos = at;
            self.state = State::InTag { spaced };
            let rest = &data[at..];
            match *rest.first().ok_or(Stop::More)? {
                b'>' => {
                    self.pos += 1;
                    self.finish_tag(data)?;
                    self.stack.push(Open {
                        start: self.tag + 1,
                        end: self.tag_name_end,
                        bindings: self.outer,
                    });
                    self.state = State::Content;
                    return Ok(false);
                }
                b'/' => {
                    return match *rest.get(1).ok_or(Stop::More)? {
                        b'>' => {
                            self.pos += 2;
                            self.finish_tag(data)?;
                            self.state = State::Content;
                            self.forget_bindings(self.outer);
                            Ok(self.stack.is_empty())
                        }
                        b'<' => Err(Stop::Fatal(FramerError::StrayMarkup)),
                        _ => Err(Refusal::Malformed.into()),
                    };
                }
                b'<' => return Err(Stop::Fatal(FramerError::StrayMarkup)),
                b if spaced && is(b, NAME) => {}
                _ => return Err(Refusal::Malformed.into()),
            }
            let lexis::Name { length, key, colon } = name_in(rest, limits)?;
            if self.attributes.len() >= limits.attributes {
                return Err(Refusal::TooManyAttributes.into());
            }
            let name = &rest[..length];
            let colon = colon.ok_or(Refusal::BadName)?;
            if colon > 0 && &name[..colon] != b"xmlns" {
                self.prefixed += 1;
            }
            self.attributes.push(Attribute { start: at, end: at + length, colon, key });

            // Nearly always `='value'` follows at once, whole and without references.
            if let [b'=', quote @ (b'\'' | b'"'), value @ ..] = &rest[length..] {
                let plain = plain_value(value, *quote);
                if value.get(plain) == Some(quote) && plain <= limits.token_bytes {
                    let start = at + length + 2;
                    at = start + plain + 1;
                    if name[0] == b'x' {
                        self.finish_attribute(data, start, start + plain, true)?;
                    }
                    spaced = false;
                    continue;
                }
            }
            self.pos = at + length;
            self.state = State::AfterName;
            return Ok(false);
        }
    }

    #[inline]
    fn after_name(&mut self, data: &[u8]) -> Result<bool, Stop> {
        self.skip_space(data);
        match *data.get(self.pos).ok_or(Stop::More)? {
            b'=' => {
                self.pos += 1;
                self.state = State::BeforeValue;
                Ok(false)
            }
            b'<' => Err(Stop::Fatal(FramerError::StrayMarkup)),
            _ => Err(Refusal::Malformed.into()),
        }
    }

    #[inline]
    fn before_value(&mut self, data: &[u8]) -> Result<bool, Stop> {
        self.skip_space(data);
        let quote = match *data.get(self.pos).ok_or(Stop::More)? {
            quote @ (b'\'' | b'"') => quote,
            b'<' => return Err(Stop::Fatal(FramerError::StrayMarkup)),
            _ => return Err(Refusal::Malformed.into()),
        };
        self.pos += 1;
        self.state = State::Value { quote, start: self.pos, length: 0, cr: false, plain: true };
        Ok(false)
    }

    #[allow(clippy::too_many_arguments)] // the fields of State::Value, taken apart
    #[inline]
    fn value(
        &mut self,
        data: &[u8],
        limits: &FramerLimits,
        quote: u8,
        start: usize,
        mut length: usize,
        mut cr: bool,
        mut plain: bool,
    ) -> Result<bool, Stop> {
        loop {
            let rest = &data[self.pos..];
            if !cr {
                let plain_bytes = plain_value(rest, quote);
                length += plain_bytes;
                if length > limits.token_bytes {
                    return Err(Refusal::TokenTooLong.into());
                }
                self.pos += plain_bytes;
            }
            let Some(&b) = data.get(self.pos) else {
                self.state = State::Value { quote, start, length, cr, plain };
                return Err(Stop::More);
            };
            match b {
                b if b == quote => {
                    let end = self.pos;
                    self.pos += 1;
                    self.state = State::InTag { spaced: false };
                    self.finish_attribute(data, start, end, plain)?;
                    return Ok(false);
                }
                b'<' => return Err(Stop::Fatal(FramerError::StrayMarkup)),
                b'&' => match lexis::reference(&data[self.pos..]) {
                    Reference::Unfinished => {
                        self.state = State::Value { quote, start, length, cr, plain };
                        return Err(Stop::More);
                    }
                    Reference::Bad => return Err(Refusal::BadReference.into()),
                    Reference::Char(c, bytes) => {
                        length += c.len_utf8();
                        self.pos += bytes;
                        cr = false;
                        plain = false;
                    }
                },
                b'\t' | b'\n' => {
                    length += 1;
                    self.pos += 1;
                    cr = false;
                    plain = false;
                }
                b'\r' => {
                    length += usize::from(cr);
                    self.pos += 1;
                    cr = true;
                    plain = false;
                }
                // A control character, or, as rxml has it, anything else behind a lone CR.
                _ => return Err(Refusal::InvalidCharacter.into()),
            }
        }
    }

    /// Take down a namespace declaration; other attributes need nothing more.
    #[inline]
    fn finish_attribute(&mut self, data: &[u8], start: usize, end: usize, plain: bool) -> Result<(), Stop> {
        let Some(attribute) = self.attributes.last() else { return Ok(()) };
        let name = &data[attribute.start..attribute.end];
        if !name.starts_with(b"xmlns") || (attribute.colon != 5 && name.len() != 5) {
            return Ok(());
        }
        let prefix = (attribute.start + name.len().min(6), attribute.end);
        let from = self.names.len();
        if plain {
            self.names.extend_from_slice(&data[start..end]);
        } else {
            lexis::unescape(&data[start..end], &mut self.names);
        }
        let bound = &self.names[from..];
        let allowed = match &data[prefix.0..prefix.1] {
            b"xmlns" => false,
            b"xml" => bound == NS_XML,
            b"" => bound != NS_XML,
            _ => bound != NS_XML && !bound.is_empty(),
        };
        if !allowed {
            return Err(Refusal::BadNamespace.into());
        }
        self.bindings.push(Binding { prefix, name: (from, self.names.len()) });
        Ok(())
    }

    /// What can only be judged once the tag is whole: prefixes, and attributes given twice.
    #[inline]
    fn finish_tag(&mut self, data: &[u8]) -> Result<(), Stop> {
        for (at, one) in self.attributes.iter().enumerate().skip(1) {
            for other in &self.attributes[..at] {
                if one.key == other.key && data[one.start..one.end] == data[other.start..other.end] {
                    return Err(Refusal::DuplicateAttribute.into());
                }
            }
        }
        let name = self.tag + 1;
        if self.tag_colon > 0 {
            self.lookup(data, name, name + self.tag_colon).ok_or(Refusal::UndeclaredPrefix)?;
        }
        if self.prefixed > 0 {
            self.check_prefixed(data)?;
        }
        if self.head_end == 0 {
            self.head_end = self.pos;
            self.stream_error = self.tag_is_stream_error(data);
        }
        Ok(())
    }

    /// Attributes with a prefix: declared, and no two of the same expanded name (Namespaces in XML 1.0 §6.3).
    #[cold]
    fn check_prefixed(&self, data: &[u8]) -> Result<(), Stop> {
        let of = |a: &Attribute| a.colon > 0 && &data[a.start..a.start + a.colon] != b"xmlns";
        for (at, one) in self.attributes.iter().enumerate() {
            if !of(one) {
                continue;
            }
            let ns = self.lookup(data, one.start, one.start + one.colon).ok_or(Refusal::UndeclaredPrefix)?;
            let local = &data[one.start + one.colon + 1..one.end];
            for other in self.attributes[..at].iter().filter(|a| of(a)) {
                if &data[other.start + other.colon + 1..other.end] == local
                    && self.lookup(data, other.start, other.start + other.colon) == Some(ns)
                {
                    return Err(Refusal::DuplicateAttribute.into());
                }
            }
        }
        Ok(())
    }

    /// What a prefix stands for here.
    fn lookup(&self, data: &[u8], start: usize, end: usize) -> Option<&[u8]> {
        let prefix = &data[start..end];
        if prefix == b"xml" {
            return Some(NS_XML);
        }
        let declared = self.bindings.iter().rev().find(|b| &data[b.prefix.0..b.prefix.1] == prefix);
        match declared {
            Some(binding) => Some(&self.names[binding.name.0..binding.name.1]),
            None if prefix == b"stream" => Some(NS_STREAM),
            None => None,
        }
    }

    fn tag_is_stream_error(&self, data: &[u8]) -> bool {
        let name = self.tag + 1;
        let local = if self.tag_colon > 0 { name + self.tag_colon + 1 } else { name };
        if &data[local..self.tag_name_end] != b"error" {
            return false;
        }
        // The empty prefix finds the default declaration, if the tag has one.
        self.lookup(data, name, name + self.tag_colon) == Some(NS_STREAM)
    }

    fn end_name(&mut self, data: &[u8], limits: &FramerLimits) -> Result<bool, Stop> {
        let start = self.pos + 2;
        let length = name_in(&data[start..], limits)?.length;
        let open = self.stack.last().map(|open| &data[open.start..open.end]);
        if open != Some(&data[start..start + length]) {
            return Err(Stop::Fatal(FramerError::MismatchedEnd));
        }
        self.tag = self.pos;
        self.pos = start + length;
        self.state = State::EndTag;
        Ok(false)
    }

    fn end_tag(&mut self, data: &[u8]) -> Result<bool, Stop> {
        self.skip_space(data);
        match *data.get(self.pos).ok_or(Stop::More)? {
            b'>' => {
                self.pos += 1;
                self.state = State::Content;
                if let Some(open) = self.stack.pop() {
                    self.forget_bindings(open.bindings);
                }
                Ok(self.stack.is_empty())
            }
            b'<' => Err(Stop::Fatal(FramerError::StrayMarkup)),
            _ => Err(Refusal::Malformed.into()),
        }
    }

    fn forget_bindings(&mut self, left: usize) {
        if let Some(first) = self.bindings.get(left) {
            self.names.truncate(first.name.0);
            self.bindings.truncate(left);
        }
    }

    #[inline]
    fn skip_space(&mut self, data: &[u8]) {
        let rest = &data[self.pos..];
        self.pos += run_of(rest, SPACE).unwrap_or(rest.len());
    }
}

/// The name at the beginning of `rest`, once its end is there.
#[inline(always)]
fn name_in(rest: &[u8], limits: &FramerLimits) -> Result<lexis::Name, Stop> {
    let name = lexis::name(rest);
    if name.length > limits.token_bytes {
        return Err(Refusal::TokenTooLong.into());
    }
    if name.length == rest.len() { Err(Stop::More) } else { Ok(name) }
}

/// Character data holds no control characters and no `]]>` (XML 1.0 §2.4).
#[inline]
fn check_text(text: &[u8]) -> Result<(), Stop> {
    let control = text.iter().fold(false, |found, &b| found | is_control(b));
    if !control && memchr(b']', text).is_none() {
        return Ok(());
    }
    // Whichever comes first, so that the answer does not depend on how the bytes came.
    let control = text.iter().position(|&b| is_control(b)).unwrap_or(usize::MAX);
    let end = memmem::find(text, b"]]>").unwrap_or(usize::MAX);
    match (control, end) {
        (usize::MAX, usize::MAX) => Ok(()),
        (control, end) if control < end => Err(Refusal::InvalidCharacter.into()),
        _ => Err(Refusal::Malformed.into()),
    }
}
