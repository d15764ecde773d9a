//! SenML in XML (RFC 8428 §7): a strict, namespace-aware reader that feeds the [`Assembler`].
//!
//! Only what a pack needs is understood, but everything is checked: what is not well-formed XML 1.0 with
//! namespaces is refused wherever it stands, in ignored elements too. A document type declaration is refused,
//! so the only entities are the five that XML has itself.

use super::assembler::{Assembler, brief};
use super::error::{Invalid, Reason};
use super::octets::plain_in_attribute;
use super::xml_chars::{self, Name};
use super::xml_instruction;
use super::xml_plain;
use super::xml_scope::{NAMESPACE, Refused, Scope, Uri};

/// Feeds a whole pack to the assembler.
pub(super) fn read(text: &str, sink: &mut Assembler) -> Result<(), Invalid> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !xml_chars::all_characters(text) {
        return Err(Invalid::pack(Reason::Malformed, "a character that XML does not have"));
    }
    let mut xml = Xml::new();
    let mut at = 0;
    while at < text.len() {
        at = xml.step(text, at, sink)?;
    }
    xml.end()
}

/// Whether these octets look like XML in another encoding than UTF-8.
pub(super) fn other_encoding(octets: &[u8]) -> bool {
    octets.starts_with(&[0xff, 0xfe])
        || octets.starts_with(&[0xfe, 0xff])
        || octets.iter().take(4).any(|b| *b == 0)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Nothing was read.
    Start,
    /// Before the root element.
    Prolog,
    /// In it.
    Root,
    /// After it.
    Epilog,
}

#[derive(Clone, Copy, Debug)]
struct Attribute {
    name: Name,
    start: usize,
    end: usize,
    /// No reference and no white space to replace.
    plain: bool,
}

/// A document being read, token by token.
#[derive(Debug)]
pub(super) struct Xml {
    phase: Phase,
    scope: Scope,
    /// The root declares the namespace of SenML as the default one.
    in_senml: bool,
    attributes: Vec<Attribute>,
    value: String,
}

#[cold]
pub(super) fn malformed(at: usize, what: &str) -> Invalid {
    Invalid::pack(Reason::Malformed, format!("not well-formed XML at octet {at}: {what}"))
}

#[inline(always)]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

impl Xml {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Start,
            scope: Scope::new(),
            in_senml: false,
            attributes: Vec::with_capacity(8),
            value: String::new(),
        }
    }

    /// Reads one token, which must be complete, and gives the place after it.
    #[inline]
    pub(super) fn step(&mut self, text: &str, at: usize, sink: &mut Assembler) -> Result<usize, Invalid> {
        let bytes = text.as_bytes();
        if self.in_senml
            && self.scope.depth() == 1
            && let Some(end) = xml_plain::record(text, at, sink)?
        {
            return Ok(end);
        }
        let first = self.phase == Phase::Start;
        if first {
            self.phase = Phase::Prolog;
        }
        if bytes.get(at) != Some(&b'<') {
            return self.content(text, at);
        }
        match bytes.get(at + 1) {
            Some(b'/') => self.end_tag(text, at),
            Some(b'!') => self.declaration(text, at),
            Some(b'?') => xml_instruction::read(text, at, first),
            _ => self.start_tag(text, at, sink),
        }
    }

    /// Whether nothing was read yet.
    pub(super) fn is_new(&self) -> bool {
        self.phase == Phase::Start
    }

    /// The document ends.
    pub(super) fn end(&self) -> Result<(), Invalid> {
        if self.phase == Phase::Epilog {
            Ok(())
        } else {
            Err(Invalid::pack(Reason::Malformed, "the document ends before its root element does"))
        }
    }

    /// Text up to the next tag; ignored in a pack (decision A21).
    fn content(&self, text: &str, at: usize) -> Result<usize, Invalid> {
        let bytes = text.as_bytes();
        let rest = skip_space(bytes, at);
        if matches!(bytes.get(rest), None | Some(b'<')) {
            return Ok(rest);
        }
        if self.phase != Phase::Root {
            return Err(malformed(rest, "text outside the root element"));
        }
        let end = memchr::memchr(b'<', &bytes[rest..]).map_or(bytes.len(), |length| rest + length);
        let content = &bytes[rest..end];
        if memchr::memmem::find(content, b"]]>").is_some() {
            return Err(malformed(rest, "']]>' in text"));
        }
        for ampersand in memchr::memchr_iter(b'&', content) {
            if xml_chars::reference(&text[..end], rest + ampersand).is_none() {
                return Err(malformed(rest + ampersand, "an unknown reference"));
            }
        }
        Ok(end)
    }

    /// A comment, a CDATA section, or what is refused.
    fn declaration(&self, text: &str, at: usize) -> Result<usize, Invalid> {
        let rest = &text.as_bytes()[at..];
        let until = |skip: usize, end: &[u8]| {
            let found = rest.get(skip..).and_then(|content| memchr::memmem::find(content, end));
            found.map(|length| at + skip + length)
        };
        if rest.starts_with(b"<!--") {
            return match until(4, b"--") {
                Some(end) if text.as_bytes().get(end + 2) == Some(&b'>') => Ok(end + 3),
                _ => Err(malformed(at, "a comment that does not end well")),
            };
        }
        if rest.starts_with(b"<![CDATA[") && self.phase == Phase::Root {
            return until(9, b"]]>")
                .map(|end| end + 3)
                .ok_or_else(|| malformed(at, "an endless CDATA section"));
        }
        if rest.starts_with(b"<!DOCTYPE") {
            return Err(Invalid::pack(Reason::DtdForbidden, "a document type declaration"));
        }
        Err(malformed(at, "a declaration out of place"))
    }

    fn end_tag(&mut self, text: &str, at: usize) -> Result<usize, Invalid> {
        let name = Name::read(text, at + 2).ok_or_else(|| malformed(at, "an end tag without name"))?;
        let end = skip_space(text.as_bytes(), name.end);
        if text.as_bytes().get(end) != Some(&b'>') {
            return Err(malformed(end, "an end tag that does not end"));
        }
        if self.scope.pop(name.whole(text)).is_none() {
            return Err(malformed(at, "an end tag that closes no element"));
        }
        if self.scope.depth() == 0 {
            self.phase = Phase::Epilog;
        }
        Ok(end + 1)
    }

    #[inline]
    fn start_tag(&mut self, text: &str, at: usize, sink: &mut Assembler) -> Result<usize, Invalid> {
        let name = Name::read(text, at + 1).ok_or_else(|| malformed(at, "a tag without name"))?;
        let (end, empty, simple) = self.attributes(text, name.end)?;
        let outside = self.scope.mark();
        if !simple {
            self.namespaces(text, at)?;
        }
        let uri = match name.prefix(text) {
            None => self.scope.default(),
            Some("xmlns") => return Err(malformed(at, "an element with the prefix xmlns")),
            Some(prefix) => {
                self.scope.resolve(prefix).ok_or_else(|| malformed(at, "a prefix that was never declared"))?
            }
        };
        match self.scope.depth() {
            0 => self.root(text, at, name, uri)?,
            1 if uri == Uri::SENML && name.local(text) == "senml" => self.record(text, sink)?,
            depth if depth > sink.options().limits.depth => {
                return Err(Invalid::pack(Reason::TooDeep, format!("more than {depth} levels")));
            }
            _ => {}
        }
        if empty {
            self.scope.leave(outside);
            if self.scope.depth() == 0 {
                self.phase = Phase::Epilog;
            }
        } else {
            self.scope.push(name.whole(text), outside);
        }
        Ok(end)
    }

    /// Reads the attributes up to the end of the tag. Gives the place after it, whether the element is empty,
    /// and whether no attribute has to do with namespaces.
    #[inline]
    fn attributes(&mut self, text: &str, mut at: usize) -> Result<(usize, bool, bool), Invalid> {
        let bytes = text.as_bytes();
        self.attributes.clear();
        let mut simple = true;
        loop {
            let before = at;
            at = skip_space(bytes, at);
            match bytes.get(at) {
                Some(b'>') => {
                    at += 1;
                    break;
                }
                Some(b'/') if bytes.get(at + 1) == Some(&b'>') => {
                    self.once(text, at)?;
                    return Ok((at + 2, true, simple));
                }
                Some(_) if at > before => {}
                _ => return Err(malformed(at, "a tag that does not end")),
            }
            let name = Name::read(text, at).ok_or_else(|| malformed(at, "an attribute without name"))?;
            simple = simple && name.local == name.start && name.whole(text) != "xmlns";
            at = skip_space(bytes, name.end);
            if bytes.get(at) != Some(&b'=') {
                return Err(malformed(at, "an attribute without value"));
            }
            at = skip_space(bytes, at + 1);
            let quote = match bytes.get(at) {
                Some(quote @ (b'"' | b'\'')) => *quote,
                _ => return Err(malformed(at, "a value without quotes")),
            };
            let start = at + 1;
            let (end, plain) = value(text, start, quote)?;
            self.attributes.push(Attribute { name, start, end, plain });
            at = end + 1;
        }
        self.once(text, at)?;
        Ok((at, false, simple))
    }

    /// No attribute twice (XML 1.0 §3.1).
    #[inline]
    fn once(&self, text: &str, at: usize) -> Result<(), Invalid> {
        let all = self.attributes.as_slice();
        let twice = if all.len() <= 8 {
            all.iter()
                .enumerate()
                .any(|(i, one)| all[..i].iter().any(|other| one.name.whole(text) == other.name.whole(text)))
        } else {
            let mut names: Vec<&str> = all.iter().map(|one| one.name.whole(text)).collect();
            names.sort_unstable();
            names.windows(2).any(|pair| pair[0] == pair[1])
        };
        if twice { Err(malformed(at, "the same attribute twice")) } else { Ok(()) }
    }

    /// Declares namespaces and resolves the prefixes of attributes.
    #[cold]
    fn namespaces(&mut self, text: &str, at: usize) -> Result<(), Invalid> {
        for attribute in &self.attributes {
            let prefix = match (attribute.name.prefix(text), attribute.name.local(text)) {
                (None, "xmlns") => "",
                (Some("xmlns"), prefix) => prefix,
                _ => continue,
            };
            let raw = &text[attribute.start..attribute.end];
            let uri = if attribute.plain {
                raw
            } else {
                self.value.clear();
                xml_chars::normalize(raw, &mut self.value);
                &self.value
            };
            self.scope.declare(prefix, uri).map_err(|refused| match refused {
                Refused::Reserved => malformed(at, "a namespace declaration that cannot be"),
                Refused::TooMany => Invalid::pack(Reason::TooDeep, "too many namespace declarations"),
            })?;
        }
        let mut expanded: Vec<(Uri, &str)> = Vec::new();
        for attribute in &self.attributes {
            match attribute.name.prefix(text) {
                None | Some("xmlns") => {}
                Some(prefix) => {
                    let uri = self.scope.resolve(prefix);
                    let uri = uri.ok_or_else(|| malformed(at, "a prefix that was never declared"))?;
                    expanded.push((uri, attribute.name.local(text)));
                }
            }
        }
        expanded.sort_unstable();
        if expanded.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(malformed(at, "the same attribute twice, by different prefixes"));
        }
        Ok(())
    }

    fn root(&mut self, text: &str, at: usize, name: Name, uri: Uri) -> Result<(), Invalid> {
        if self.phase == Phase::Epilog {
            return Err(malformed(at, "a second root element"));
        }
        self.phase = Phase::Root;
        if name.local(text) != "sensml" {
            let root = brief(name.local(text));
            return Err(Invalid::pack(Reason::BadRoot, format!("the root is {root}, not sensml")));
        }
        if uri != Uri::SENML {
            let detail = format!("sensml is not in the namespace {NAMESPACE}");
            return Err(Invalid::pack(Reason::WrongNamespace, detail));
        }
        self.in_senml = self.scope.default() == Uri::SENML;
        for attribute in &self.attributes {
            if is_mandatory(text, attribute.name) {
                let name = brief(attribute.name.whole(text));
                let detail = format!("{name} on sensml must be understood and is not");
                return Err(Invalid::pack(Reason::UnknownMandatoryField, detail));
            }
        }
        Ok(())
    }

    /// The attributes of a `senml` element are the fields of a record.
    #[inline]
    fn record(&mut self, text: &str, sink: &mut Assembler) -> Result<(), Invalid> {
        sink.begin_record()?;
        for attribute in &self.attributes {
            let name = attribute.name;
            let Some(raw) = text.get(attribute.start..attribute.end) else { continue };
            if name.local != name.start {
                // Another vocabulary's (decision A16), unless it insists (decision A15).
                if is_mandatory(text, name) {
                    sink.unknown(name.whole(text))?;
                }
            } else if name.whole(text) == "xmlns" {
            } else if attribute.plain {
                sink.attribute(name.whole(text), raw)?;
            } else {
                self.value.clear();
                xml_chars::normalize(raw, &mut self.value);
                sink.attribute(name.whole(text), &self.value)?;
            }
        }
        sink.end_record().map(|_| ())
    }
}

/// Whether the name ends in `_` and is no namespace declaration (RFC 8428 §12.3.5).
fn is_mandatory(text: &str, name: Name) -> bool {
    name.whole(text).ends_with('_') && name.prefix(text) != Some("xmlns")
}

/// Reads an attribute's value up to its closing quote; whether it is plain.
#[inline]
fn value(text: &str, start: usize, quote: u8) -> Result<(usize, bool), Invalid> {
    let bytes = text.as_bytes();
    let mut at = start + plain_in_attribute(bytes.get(start..).unwrap_or_default(), quote);
    let mut plain = true;
    loop {
        match bytes.get(at) {
            Some(byte) if *byte == quote => return Ok((at, plain)),
            Some(b'&') => {
                let (_, end) =
                    xml_chars::reference(text, at).ok_or_else(|| malformed(at, "an unknown reference"))?;
                plain = false;
                at = end;
            }
            Some(b'<') => return Err(malformed(at, "'<' in a value")),
            Some(byte) => {
                plain = plain && *byte >= 0x20;
                at += 1;
            }
            None => return Err(malformed(at, "a value that does not end")),
        }
    }
}
