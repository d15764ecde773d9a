//! What rxml makes of the same bytes, and inputs to ask both about: shared by the framer's tests and
//! fit to be called from a fuzz target (`agree` panics where the two differ).

#![allow(dead_code)] // each test takes what it needs

use courant::transport::framer::{Frame, Framer, FramerError, FramerLimits, Refusal};
use rxml::error::EndOrError;
use rxml::{Event, Parse, Parser, RawEvent, RawParser};

/// As a server's header declares it.
pub(crate) const HEADER: &[u8] = b"<stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams' id='1' from='energy.example.org'>";

/// rxml's answer about the next first-level element.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// An element that ends at this offset.
    Element(usize),
    StreamEnd(usize),
    /// Refused, having read this far.
    Error(String, usize),
    Unfinished,
}

/// Ask rxml about what `input` begins with, inside a stream.
pub(crate) fn rxml_says(input: &[u8]) -> Verdict {
    let mut parser = Parser::new();
    let mut header = HEADER;
    while !header.is_empty() {
        assert!(matches!(parser.parse(&mut header, false), Ok(Some(Event::StartElement(..)))));
    }
    let mut rest = input;
    let mut depth = 1;
    loop {
        // As tokio-xmpp does it: text between stanzas is seen at once.
        parser.set_text_buffering(depth > 1);
        let event = parser.parse(&mut rest, false);
        let at = input.len() - rest.len();
        match event {
            Ok(Some(Event::StartElement(..))) => depth += 1,
            Ok(Some(Event::EndElement(..))) => {
                depth -= 1;
                match depth {
                    0 => return Verdict::StreamEnd(at),
                    1 => return Verdict::Element(at),
                    _ => {}
                }
            }
            Ok(Some(Event::Text(_, text))) if depth == 1 => {
                if !text.bytes().all(|b| b" \t\r\n".contains(&b)) {
                    return Verdict::Error("text between stanzas".to_owned(), at);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return Verdict::Unfinished,
            Err(EndOrError::NeedMoreData) => return Verdict::Unfinished,
            Err(EndOrError::Error(error)) => return Verdict::Error(error.to_string(), at),
        }
    }
}

/// Whether a tag of this element declares the default namespace twice, which rxml lets pass.
fn declares_default_twice(element: &[u8]) -> bool {
    let mut parser = RawParser::new();
    let mut rest = element;
    let mut seen = 0;
    while let Ok(Some(event)) = parser.parse(&mut rest, true) {
        match event {
            RawEvent::ElementHeadOpen(..) => seen = 0,
            RawEvent::Attribute(_, (None, name), _) if name == "xmlns" => {
                seen += 1;
                if seen == 2 {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// The framer and rxml must say the same of every first-level element. Gives the number compared.
pub(crate) fn agree(input: &[u8]) -> usize {
    let mut framer = Framer::new(FramerLimits::default());
    framer.feed(input);
    let mut compared = 0;
    loop {
        let from = input.len() - framer.held();
        let frame = framer.next();
        let to = input.len() - framer.held();
        let rxml = rxml_says(&input[from..]);
        let shown = || String::from_utf8_lossy(&input[from..]).chars().take(600).collect::<String>();
        compared += 1;
        let ok = match &frame {
            Ok(Some(Frame::Stanza(bytes) | Frame::StreamError(bytes))) => {
                rxml == Verdict::Element(to - from) && input[..to].ends_with(bytes)
            }
            Ok(Some(Frame::StreamEnd)) => rxml == Verdict::StreamEnd(to - from),
            // The one thing refused that rxml lets pass; it may find something else further on.
            Ok(Some(Frame::Refused { why: Refusal::DuplicateAttribute, .. }))
                if declares_default_twice(input[from..to].trim_ascii_start()) =>
            {
                true
            }
            Ok(Some(Frame::Refused { why, .. })) => match rxml {
                // In a tag that breaks the grammar rxml may look for the end of a value further on.
                Verdict::Error(..) | Verdict::Unfinished if *why == Refusal::Malformed => true,
                Verdict::Error(_, at) => at <= to - from,
                // Well-formed, but against a limit of our own.
                Verdict::Element(end) if end == to - from => {
                    matches!(why, Refusal::TooLarge | Refusal::TooDeep | Refusal::TooManyAttributes)
                }
                _ => false,
            },
            // Skipping something that rxml refused, or waiting like it.
            Ok(None) => matches!(rxml, Verdict::Unfinished | Verdict::Error(..)),
            // What cannot be mended any more may still be unfinished for rxml.
            Err(_) if matches!(rxml, Verdict::Unfinished | Verdict::Error(..)) => true,
            // White space between stanzas, written as a reference or a CDATA section.
            Err(error) => {
                let rest = input[from..].trim_ascii_start();
                *error == FramerError::BetweenStanzas
                    && (rest.starts_with(b"&") || rest.starts_with(b"<![CDATA["))
            }
        };
        assert!(ok, "framer: {frame:?}\nrxml: {rxml:?}\nfrom {from} to {to}\ninput: {}", shown());
        if !matches!(frame, Ok(Some(_))) {
            return compared;
        }
    }
}

/// Everything that comes out when the input comes in these pieces; the last is the error, if any.
pub(crate) fn frames<'a>(
    limits: &FramerLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Frame, FramerError>> {
    let mut framer = Framer::new(limits.clone());
    let mut out = Vec::new();
    for piece in pieces {
        framer.feed(piece);
        loop {
            match framer.next() {
                Ok(Some(frame)) => out.push(Ok(frame)),
                Ok(None) => break,
                Err(error) => {
                    out.push(Err(error));
                    return out;
                }
            }
        }
    }
    out
}

/// A small generator of numbers (SplitMix64), the same from the same seed for ever.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Stanzas as servers send them.
pub(crate) const STANZAS: &[&[u8]] = &[
    b"<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:dev:prm:30001610071843_consumption/power/active/raw'><item id='2026-11-21'><sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='urn:dev:prm:30001610071843' bt='1763679600' bu='W' v='342'/><senml t='1800' v='311'/></sensml></item></publish></pubsub></iq>",
    "<message xml:lang='fr' type=\"chat\" from='marie@été.example/téléphone' to='energy.example.org' id='m&amp;1'><body>Déjà vu &lt;ici&gt; &#233; &#x1F600; ]] 😀</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>".as_bytes(),
    b"<presence from='a@b.example/c' to='energy.example.org'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://psi-im.org' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/><x xmlns='vcard-temp:x:update'><photo/></x></presence>",
    b"<iq id='g1' type='get' from='b.example' to='energy.example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    b"<message from='a@b' to='c'><json xmlns='urn:xmpp:json:0'><![CDATA[[{\"n\":\"urn:dev:1\",\"v\":[1,2]]]]]></json></message>",
    b"<c:message xmlns:c='jabber:component:accept' from='a@b' c:to='x' to='y'><c:body >a\r\nb</c:body\n></c:message>",
    b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>Given token does not match</text></stream:error>",
    b"<iq type='error' id='e' from='x.example' to='y'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    b" \n ",
    b"</stream:stream>",
];

/// What tends to break readers of XML.
const SNIPPETS: &[&[u8]] = &[
    b"<",
    b">",
    b"/",
    b"/>",
    b"'",
    b"\"",
    b"=",
    b"&",
    b";",
    b"<!--",
    b"-->",
    b"<!-- x -->",
    b"<?",
    b"?>",
    b"<?xml version='1.0'?>",
    b"<![CDATA[",
    b"]]>",
    b"]]",
    b"]",
    b"<!DOCTYPE a>",
    b"<!",
    b"<a>",
    b"</a>",
    b"<a/>",
    b"</message>",
    b"</iq>",
    b"<message>",
    b" ",
    b"\n",
    b"\r",
    b"\t",
    b"\r\n",
    b"\0",
    b"\x0b",
    b"\x1f",
    b"\x7f",
    b"\xc3",
    b"\xa9",
    b"\xff",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbd",
    b"\xed\xa0\x80",
    b"\xc0\xbc",
    b"\xf0\x9f\x98\x80",
    b"&amp;",
    b"&nbsp;",
    b"&#0;",
    b"&#13;",
    b"&#x9;",
    b"&#xFFFE;",
    b"&#xD800;",
    b"&#00000065;",
    b"&#000000065;",
    b"&#x110000;",
    b"&lt",
    b"&;",
    b"&#;",
    b"&#x;",
    b"&#X41;",
    b" a='1'",
    b" a=\"1\"",
    b" a='1' a='2'",
    b" a=1",
    b" a",
    b" a:b='1'",
    b" xmlns:a='u'",
    b" xmlns:a=''",
    b" xmlns=''",
    b" xmlns='u'",
    b" xmlns:xml='u'",
    b" xmlns:xmlns='u'",
    b" xmlns:b='http://www.w3.org/XML/1998/namespace'",
    b" xmlns:xml='http://www.w3.org/XML/1998/namespace'",
    b" xmlns='http://www.w3.org/XML/1998/namespace'",
    b" xmlns:xml='http://www.w3.org/XML/1998/n&#97;mespace'",
    b" xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'",
    b" xmlns:p='u' xmlns:q='v' p:x='1' q:x='2'",
    b" xmlns:p='u&#x31;' xmlns:q='u1' p:x='1' q:x='2'",
    b" xml:lang='de'",
    b" xml:lang='a' xml:lang='b'",
    b":",
    b"a:",
    b":a",
    b"a:b:c",
    b"-",
    b"1",
    b"xmlns:",
    b"xmlns:a",
    b"<xmlns:a/>",
    b"<p:a/>",
    b"<stream:a/>",
    b"<xml:a/>",
    b"<-a/>",
    b"<1a/>",
    b"<a:1/>",
    b"\xc3\xa9",
    b"<\xc3\xa9/>",
    b"<\xc3\x97/>",
    b"<a b='1'c='2'/>",
    b"<a b = '1' />",
    b"<a / >",
    b"</ a>",
    b"</a b>",
    b"<a b='<'/>",
    b"<a b='\r\r\n'/>",
    b"<a b='\r'/>",
    b"<a b='\rx'/>",
    b"<a b='\r&amp;'/>",
    b"<a b='\x01'/>",
    b"<a b='\"' c=\"'\"/>",
    b"<a b='\xc3'/>",
    b"<a b='\xef\xbf\xbf'/>",
    b"<error xmlns='http://etherx.jabber.org/streams'/>",
    b"<![CDATA[]]>",
    b"<![CDATA[ ]]>",
    b"&#32;",
    b"<![CDATA[]\x01]]>",
    b"<![CDATA[\r]]]>",
    b"<x><![CDATA[<!-- ]] > --> &bogus; </x>]]></x>",
];

/// Names and values around rxml's limit of 8192 bytes.
fn long_snippet(seeded: &mut Seeded) -> Vec<u8> {
    let about = 8185 + seeded.below(12);
    let plain = vec![b'a'; about];
    let tails: &[&[u8]] = &[
        b"",
        b"&amp;",
        b"&#233;",
        b"\t",
        b"\r",
        b"\r\n",
        b"\r\r\n",
        b"&#x1F600;a",
        b"\r\r\r\r\r\r\r\r",
        b"\xc3\xa9",
    ];
    let (before, after): (&[u8], &[u8]) = match seeded.below(5) {
        0 => (b" x='", b"'"),
        1 => (b" x=\"", b"\""),
        2 => (b"<", b"/>"),
        3 => (b" ", b"='1'"),
        _ => (b"", b""),
    };
    let tail: &[u8] = if before.ends_with(b"'") || before.ends_with(b"\"") || before.is_empty() {
        seeded.pick(tails)
    } else {
        b""
    };
    [before, &plain, tail, after].concat()
}

/// A few stanzas in a row, damaged in a few places.
pub(crate) fn damaged(seeded: &mut Seeded) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..1 + seeded.below(3) {
        input.extend_from_slice(seeded.pick(STANZAS));
    }
    // One in eight stays whole, most are damaged once or twice.
    let times = [0, 1, 1, 1, 1, 2, 2, 4][seeded.below(8)];
    for _ in 0..times {
        let at = seeded.below(input.len() + 1);
        let to = (at + seeded.below(12)).min(input.len());
        match seeded.below(10) {
            0 => drop(input.drain(at..to)),
            1 => {
                if let Some(b) = input.get_mut(at) {
                    *b = seeded.number() as u8;
                }
            }
            2 => {
                let copy = input[at..to].to_vec();
                input.splice(at..at, copy);
            }
            3 => {
                let from = seeded.below(input.len() + 1);
                let copy = input[from..(from + 40).min(input.len())].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                // In front of a tag's end or behind an attribute, where snippets mean most.
                let at = memchr::memchr_iter(b'>', &input).nth(seeded.below(6)).unwrap_or(at);
                let at = if at > 0 && input[at - 1] == b'/' { at - 1 } else { at };
                let snippet = seeded.pick(SNIPPETS);
                input.splice(at..at, snippet.iter().copied());
            }
            5 => {
                let at = memchr::memchr_iter(b'>', &input).nth(seeded.below(6)).map_or(at, |gt| gt + 1);
                let snippet = seeded.pick(SNIPPETS);
                input.splice(at..at, snippet.iter().copied());
            }
            6 => {
                let at = memchr::memchr3_iter(b'\'', b'=', b'<', &input).nth(seeded.below(12)).unwrap_or(at);
                let snippet = seeded.pick(SNIPPETS);
                let at = (at + 1).min(input.len());
                input.splice(at..at, snippet.iter().copied());
            }
            7 if seeded.below(4) == 0 => {
                let at = memchr::memchr_iter(b'>', &input).nth(seeded.below(6)).unwrap_or(at);
                let at = if at > 0 && input[at - 1] == b'/' { at - 1 } else { at };
                let snippet = long_snippet(seeded);
                input.splice(at..at, snippet);
            }
            _ => {
                let snippet = seeded.pick(SNIPPETS);
                let to = to.min(input.len());
                input.splice(at..to, snippet.iter().copied());
            }
        }
    }
    input
}
