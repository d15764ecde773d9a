//! What the framer hands out, case by case.

use courant::transport::envelope::{Envelope, StanzaKind};
use courant::transport::framer::{Frame, Framer, FramerError, FramerLimits, Refusal};

fn frames(input: &[u8]) -> Vec<Result<Frame, FramerError>> {
    let mut framer = Framer::new(FramerLimits::default());
    framer.feed(input);
    let mut out = Vec::new();
    loop {
        match framer.next() {
            Ok(Some(frame)) => out.push(Ok(frame)),
            Ok(None) => return out,
            Err(error) => {
                assert_eq!(framer.next(), Err(error), "an error is final");
                out.push(Err(error));
                return out;
            }
        }
    }
}

fn stanza(xml: &str) -> Result<Frame, FramerError> {
    Ok(Frame::Stanza(xml.to_owned().into()))
}

#[test]
fn stanzas_come_whole_and_keepalives_not_at_all() {
    assert_eq!(
        frames(b" <iq id='1'/>\n\n<message><body>a</body></message> <presence"),
        [stanza("<iq id='1'/>"), stanza("<message><body>a</body></message>")]
    );
    assert_eq!(frames(b"   \n\t"), []);
}

#[test]
fn the_streams_end_and_its_error_are_told_apart() {
    let error = "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    assert_eq!(
        frames(format!("{error}</stream:stream >").as_bytes()),
        [Ok(Frame::StreamError(error.to_owned().into())), Ok(Frame::StreamEnd)]
    );
    // The prefix may be another, or stand for something else.
    let other = "<error xmlns='http://etherx.jabber.org/streams'/>";
    assert_eq!(frames(other.as_bytes()), [Ok(Frame::StreamError(other.to_owned().into()))]);
    let none = "<stream:error xmlns:stream='urn:x'/>";
    assert_eq!(frames(none.as_bytes()), [stanza(none)]);
}

#[test]
fn what_is_refused_is_skipped_and_can_be_answered() {
    let head = "<iq type='set' from='a@b/c' to='e' id='1'>";
    let long = format!("<x a='{}'/>", "y".repeat(8193));
    let many: String = (0..101).map(|n| format!(" a{n}=''")).collect();
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    let cases: &[(&str, Refusal)] = &[
        ("<!-- a > b <c> -->", Refusal::Comment),
        ("<?php echo '</iq>' ?>", Refusal::ProcessingInstruction),
        ("a & b", Refusal::BadReference),
        ("&nbsp;", Refusal::BadReference),
        ("&#0;", Refusal::BadReference),
        ("\u{1}", Refusal::InvalidCharacter),
        ("\u{ffff}", Refusal::InvalidCharacter),
        ("<x a='\u{1}'/>", Refusal::InvalidCharacter),
        ("]]>", Refusal::Malformed),
        ("<x a=1/>", Refusal::Malformed),
        ("<x a='1'b='2'/>", Refusal::Malformed),
        ("<x a/>", Refusal::Malformed),
        ("<1/>", Refusal::BadName),
        ("<a:b:c/>", Refusal::BadName),
        ("<p:x/>", Refusal::UndeclaredPrefix),
        ("<x p:a=''/>", Refusal::UndeclaredPrefix),
        ("<x a='1' a='2'/>", Refusal::DuplicateAttribute),
        ("<x xmlns:p='u' xmlns:q='&#117;' p:a='' q:a=''/>", Refusal::DuplicateAttribute),
        ("<x xmlns='u' xmlns='v'/>", Refusal::DuplicateAttribute),
        ("<x xmlns:p=''/>", Refusal::BadNamespace),
        ("<x xmlns:xml='u'/>", Refusal::BadNamespace),
        (&long, Refusal::TokenTooLong),
        (&format!("<x{many}/>"), Refusal::TooManyAttributes),
        (&deep, Refusal::TooDeep),
    ];
    for (content, why) in cases {
        let input = format!("{head}<p>{content}<z a='<!--'><![CDATA[</iq>]]></z></p></iq><presence/>");
        let input = input.replace("a='<!--'", "a='>'");
        let expected =
            [Ok(Frame::Refused { head: head.to_owned().into(), why: *why }), stanza("<presence/>")];
        assert_eq!(frames(input.as_bytes()), expected, "{content}");
    }
    let not_utf8 = [head.as_bytes(), b"\xff</iq><presence/>"].concat();
    let expected = [
        Ok(Frame::Refused { head: head.to_owned().into(), why: Refusal::InvalidCharacter }),
        stanza("<presence/>"),
    ];
    assert_eq!(frames(&not_utf8), expected);
}

#[test]
fn a_stanza_refused_for_its_own_start_tag_can_be_answered() {
    let many: String = (0..200).map(|n| format!(" a{n}=''")).collect();
    let input = format!("<iq type='get' id='7' from='a@b'{many}><x/></iq><presence/>");
    let found = frames(input.as_bytes());
    let Ok(Frame::Refused { head, why: Refusal::TooManyAttributes }) = &found[0] else { panic!("{found:?}") };
    let envelope = Envelope::read(head).expect("a head");
    assert_eq!(
        (envelope.kind, envelope.id.as_deref(), envelope.from.as_deref()),
        (StanzaKind::Iq, Some("7"), Some("a@b"))
    );
    assert_eq!(found[1], stanza("<presence/>"));
    // Kept within bounds, and still of use.
    let input = format!("<iq type='get' id='7' a='{}'/><presence/>", "x".repeat(100_000));
    let found = frames(input.as_bytes());
    let Ok(Frame::Refused { head, why: Refusal::TokenTooLong }) = &found[0] else { panic!("{:?}", found[0]) };
    assert_eq!(head.len(), FramerLimits::default().head_bytes);
    assert_eq!(Envelope::read(head).expect("a head").id.as_deref(), Some("7"));
    assert_eq!(found[1], stanza("<presence/>"));
}

#[test]
fn what_leaves_doubt_ends_the_stream() {
    let cases: &[(&[u8], FramerError)] = &[
        (b"<iq><a></b></iq>", FramerError::MismatchedEnd),
        (b"<iq><!-- --><a></b></iq>", FramerError::MismatchedEnd),
        (b"</iq>", FramerError::MismatchedEnd),
        (b"<iq><!DOCTYPE x></iq>", FramerError::Declaration),
        (b"<!DOCTYPE x>", FramerError::Declaration),
        (b"<iq><a <b/></iq>", FramerError::StrayMarkup),
        (b"<iq a='<'/>", FramerError::StrayMarkup),
        (b"<iq>a < b</iq>", FramerError::StrayMarkup),
        (b"hello", FramerError::BetweenStanzas),
        (b"<!-- -->", FramerError::BetweenStanzas),
        (b"<?xml version='1.0'?>", FramerError::BetweenStanzas),
    ];
    for (input, error) in cases {
        let input = [&b"<presence/>"[..], input].concat();
        assert_eq!(
            frames(&input),
            [stanza("<presence/>"), Err(*error)],
            "{}",
            String::from_utf8_lossy(&input)
        );
    }
}

#[test]
fn an_oversize_stanza_is_never_held() {
    let limits = FramerLimits { stanza_bytes: 10_000, ..FramerLimits::default() };
    let mut framer = Framer::new(limits);
    framer.feed(b"<message from='a@b' id='big'><body>");
    let mut block = b"<x a='1'>text</x>".repeat(60);
    for _ in 0..2000 {
        framer.feed(&block);
        assert_eq!(framer.next(), Ok(None));
        assert!(framer.held() <= 10_000 + block.len() + 100, "{}", framer.held());
    }
    block.truncate(0);
    framer.feed(b"</body></message><presence/>");
    let head = "<message from='a@b' id='big'>".to_owned().into();
    assert_eq!(framer.next(), Ok(Some(Frame::Refused { head, why: Refusal::TooLarge })));
    assert!(Refusal::TooLarge.is_policy() && !Refusal::Comment.is_policy());
    assert_eq!(framer.next().map(|f| f.is_some()), Ok(true));
    assert_eq!(framer.held(), 0);
}

#[test]
fn a_stanza_of_just_the_limit_passes() {
    let limits = FramerLimits { stanza_bytes: 20, ..FramerLimits::default() };
    for (input, passes) in [("<iq>abcdefghijk</iq>", true), ("<iq>abcdefghijkl</iq>", false)] {
        let mut framer = Framer::new(limits.clone());
        framer.feed(input.as_bytes());
        assert_eq!(matches!(framer.next(), Ok(Some(Frame::Stanza(_)))), passes, "{input}");
    }
}

#[test]
fn everything_at_the_depth_limit_can_be_parsed() {
    let depth = FramerLimits::default().depth;
    let input = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let found = frames(input.as_bytes());
    let [Ok(Frame::Stanza(bytes))] = &found[..] else { panic!("{found:?}") };
    courant::transport::parse::parse_element(bytes, None).expect("an element");
}
