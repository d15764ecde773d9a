//! Whatever comes, it gets its answer, and the service goes on serving.

use super::stage::{
    SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, refused, refused_to, watts,
};
use crate::support::Peer;

const NS: &str = "xmlns='urn:ietf:params:xml:ns:senml'";

/// After all that, a good pack still arrives.
async fn still_serves(peer: &mut Peer) {
    nothing_else(peer).await;
    peer.ask(&publish("good", "good", &watts(1)), &accepted("good", "good")).await;
    peer.expect(&event("adviser@coop.example", "good", &watts(1), UNDER_CONSENT)).await;
    nothing_else(peer).await;
}

/// An IQ set of the gateway's, holding this.
fn set(id: &str, content: &str) -> String {
    format!("<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='{id}'>{content}</iq>")
}

#[tokio::test]
async fn packs_that_are_not_valid_senml() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let head = format!("n='{SERIES}' t='1763679600'");
    for (records, reason, record) in [
        (format!("<senml {head} v='12,5'/>"), "bad-number", Some(0)),
        (format!("<senml {head} v='INF'/>"), "nan", Some(0)),
        (format!("<senml {head} u='W'/>"), "no-value", Some(0)),
        (format!("<senml {head} v='1' vs='one'/>"), "multiple-values", Some(0)),
        (format!("<senml {head} vb='maybe'/>"), "bad-boolean", Some(0)),
        (format!("<senml {head} v='1' need_='1'/>"), "unknown-mandatory-field", Some(0)),
        (format!("<senml {head} v='1'/><senml v='2'/>"), "missing-name", Some(1)),
        (format!("<senml {head} v='1'/><senml n='a b' v='2'/>"), "bad-name-char", Some(1)),
        (format!("<senml {head} bver='99' v='1'/>"), "unsupported-version", Some(0)),
        (String::new(), "empty-pack", None),
    ] {
        let record = record.map(|record| format!("record='{record}'")).unwrap_or_default();
        let detail = format!("<invalid-pack xmlns='urn:courant:0' reason='{reason}' {record}/>");
        peer.ask(&publish("p", "x", &records), &refused("p", "bad-request", "modify", &detail)).await;
        nothing_else(&mut peer).await;
    }
    for (json, where_) in [
        ("", "reason='malformed'"),
        ("[", "reason='malformed' record='0'"),
        ("{}", "reason='not-an-array'"),
        (r#"[{"n":"a","v":1}"#, "reason='malformed' record='0'"),
        (r#"[{"n":"a","v":1}] []"#, "reason='malformed'"),
    ] {
        peer.ask(
            &set("p", &format!("<json xmlns='urn:xmpp:json:0'>{json}</json>")),
            &refused(
                "p",
                "bad-request",
                "modify",
                &format!("<invalid-pack xmlns='urn:courant:0' {where_}/>"),
            ),
        )
        .await;
    }
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn payloads_that_are_not_understood() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    for payload in [
        format!("<sensml xmlns='urn:x'><senml n='{SERIES}' v='1'/></sensml>"),
        format!("<sensml><senml n='{SERIES}' v='1'/></sensml>"),
        format!("<senml {NS} n='{SERIES}' v='1'/>"),
        "<entry xmlns='http://www.w3.org/2005/Atom'><title>342 W</title></entry>".to_owned(),
    ] {
        peer.ask(
            &set(
                "p",
                &format!(
                    "<pubsub xmlns='http://jabber.org/protocol/pubsub'>
                       <publish node='{SERIES}'><item id='x'>{payload}</item></publish>
                     </pubsub>"
                ),
            ),
            &refused(
                "p",
                "feature-not-implemented",
                "cancel",
                "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='{any}'/>",
            ),
        )
        .await;
    }
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn limits_are_named() {
    let limits = "[limits]\nstanza_bytes = 20000\npack_records = 10";
    let (_stage, _, mut peer) = Stage::with_an_adviser(limits).await;

    let eleven = format!("{}{}", watts(1), "<senml t='1' v='2'/>".repeat(10));
    let answer =
        peer.ask(&publish("p1", "x", &eleven), &refused("p1", "policy-violation", "modify", "")).await;
    assert!(answer["text"].contains("10"), "{}", answer["text"]);
    // Ten are taken; so are they in ten items, but not eleven.
    let items = |count: usize| {
        let items: String = (0..count)
            .map(|n| format!("<item id='i{n}'><sensml {NS}><senml n='{SERIES}' v='{n}'/></sensml></item>"))
            .collect();
        format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{SERIES}'>{items}</publish></pubsub>"
        )
    };
    peer.ask(&set("p2", &items(11)), &refused("p2", "policy-violation", "modify", "")).await;

    for (id, content) in [
        // 5 MB, cut up by TCP as it likes; a little too much; too many and too long attributes; too deep.
        ("p3", "x".repeat(5_000_000)),
        ("p4", "x".repeat(20_000)),
        ("p5", format!("<a {}/>", (0..101).map(|n| format!("a{n}='' ")).collect::<String>())),
        ("p6", format!("<a a='{}'/>", "x".repeat(8193))),
        ("p7", format!("{}{}", "<a>".repeat(1000), "</a>".repeat(1000))),
    ] {
        let answer = peer.ask(&set(id, &content), &refused(id, "policy-violation", "modify", "")).await;
        assert!(answer["text"].contains("20000"), "{}", answer["text"]);
        nothing_else(&mut peer).await;
    }
    // A message is answered too, an answer never.
    peer.ask(
        &format!(
            "<message from='gw@prod.example/1' to='energy.example.org' id='m1'><body>{}</body></message>",
            "x".repeat(30_000)
        ),
        &refused_to("message", "gw@prod.example/1", "m1", "policy-violation", "modify", ""),
    )
    .await;
    for kind in ["result", "error"] {
        peer.send(&format!(
            "<iq type='{kind}' from='gw@prod.example/1' to='energy.example.org' id='x'><a b='{}'/></iq>",
            "x".repeat(30_000)
        ))
        .await;
    }
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn xml_that_xmpp_does_not_allow() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    for content in [
        "<ping xmlns='urn:xmpp:ping'><!-- hello --></ping>",
        "<?php echo 1 ?><ping xmlns='urn:xmpp:ping'/>",
        "<x:ping/>",
        "<ping xmlns='urn:xmpp:ping'>&nbsp;</ping>",
        "<ping xmlns='urn:xmpp:ping'>&#0;</ping>",
        "<ping xmlns='urn:xmpp:ping' a='1' a='2'/>",
        "<ping xmlns='urn:xmpp:ping' a=1/>",
        "<ping xmlns='urn:xmpp:ping'>\u{1}</ping>",
        "<ping xmlns='urn:xmpp:ping' xmlns:xml='urn:x'/>",
        "<1ping/>",
    ] {
        peer.ask(&set("x", content), &refused("x", "bad-request", "modify", "")).await;
        nothing_else(&mut peer).await;
    }
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn requests_that_are_none() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    for (what, content) in [
        ("no child", String::new()),
        ("text alone", "hello".to_owned()),
        ("two children", ping.repeat(2)),
        ("an empty pubsub", "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>".to_owned()),
    ] {
        let answer = peer.ask(&set("x", &content), &refused("x", "bad-request", "modify", "")).await;
        assert!(!answer["text"].is_empty(), "{what}");
    }
    for type_ in ["get", "set"] {
        peer.ask(
            &format!(
                "<iq type='{type_}' from='gw@prod.example/1' to='energy.example.org' id='x'>
                   <weather xmlns='urn:example:weather'/>
                 </iq>"
            ),
            &refused("x", "service-unavailable", "cancel", ""),
        )
        .await;
    }
    // RFC 6120 §8.3.3.1: an unrecognized type is a bad request; and so is none.
    for type_ in ["type='subscribe'", "type=''", ""] {
        peer.ask(
            &format!("<iq {type_} from='gw@prod.example/1' to='energy.example.org' id='x'>{ping}</iq>"),
            &refused("x", "bad-request", "modify", ""),
        )
        .await;
    }
    // Without an id it is answered without one.
    peer.ask(
        &format!("<iq type='get' from='gw@prod.example/1' to='energy.example.org'>{ping}</iq>"),
        "<iq type='result' from='energy.example.org' to='gw@prod.example/1'/>",
    )
    .await;
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn addresses_that_are_nobodys() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    // There is nobody at the domain but itself, by whatever resource.
    peer.ask(
        &format!("<iq type='get' from='gw@prod.example/1' to='energy.example.org/proxy' id='x'>{ping}</iq>"),
        "<iq type='result' from='energy.example.org/proxy' to='gw@prod.example/1' id='x'/>",
    )
    .await;
    for to in ["nobody@energy.example.org", "nobody@energy.example.org/1"] {
        peer.ask(
            &format!("<iq type='get' from='gw@prod.example/1' to='{to}' id='x'>{ping}</iq>"),
            &format!(
                "<iq type='error' from='{to}' to='gw@prod.example/1' id='x'>
                   <error type='cancel'>
                     <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
                     <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>{{any}}</text>
                   </error>
                 </iq>"
            ),
        )
        .await;
        peer.ask(
            &format!("<message from='gw@prod.example/1' to='{to}' id='m'><body>hello</body></message>"),
            &format!(
                "<message type='error' from='{to}' to='gw@prod.example/1' id='m'>
                   <error type='cancel'>
                     <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
                     <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>{{any}}</text>
                   </error>
                 </message>"
            ),
        )
        .await;
    }
    // A sender that no server should let through: answered where there is something to answer to.
    peer.ask(
        &format!("<iq type='get' from='@@' to='energy.example.org' id='x'>{ping}</iq>"),
        &refused_to("iq", "@@", "x", "bad-request", "modify", ""),
    )
    .await;
    for stanza in [
        format!("<iq type='get' to='energy.example.org' id='x'>{ping}</iq>"),
        format!("<iq type='get' from='' to='energy.example.org' id='x'>{ping}</iq>"),
        "<message to='energy.example.org'><body>hello</body></message>".to_owned(),
        format!("<message to='energy.example.org'><sensml {NS}>{}</sensml></message>", watts(1)),
    ] {
        peer.send(&stanza).await;
        nothing_else(&mut peer).await;
    }
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn what_wants_no_answer_gets_none() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let from_to = "from='gw@prod.example/1' to='energy.example.org'";
    for stanza in [
        format!("<iq type='result' {from_to} id='nobody-asked'/>"),
        format!("<iq type='error' {from_to} id='nobody-asked'><error/></iq>"),
        format!("<iq type='result' {from_to}/>"),
        format!("<message type='error' {from_to} id='b1'><error/></message>"),
        format!("<message type='error' {from_to}/>"),
        format!("<message type='error' {from_to}><sensml {NS}><senml v='x'/></sensml></message>"),
        format!("<message type='error' {from_to}><body>hello</body></message>"),
        format!("<message {from_to}/>"),
        format!("<message {from_to}><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"),
        format!("<message {from_to}><received xmlns='urn:xmpp:receipts' id='1'/></message>"),
        format!("<presence {from_to}/>"),
        format!("<presence type='unavailable' {from_to}/>"),
        format!("<presence type='error' {from_to}><error/></presence>"),
        "<a xmlns='urn:x'/>".to_owned(),
        "<iq xmlns='jabber:client' type='get' from='a@b.example' to='energy.example.org' id='1'/>".to_owned(),
        " \n ".to_owned(),
    ] {
        peer.send(&stanza).await;
        nothing_else(&mut peer).await;
    }
    still_serves(&mut peer).await;
}

#[tokio::test]
async fn a_text_message_is_told_what_is_read_here() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.ask(
        "<message type='chat' from='gw@prod.example/1' to='energy.example.org' id='m1'>
           <body>342 W</body>
         </message>",
        "<message type='chat' from='energy.example.org' to='gw@prod.example/1' id='{id}' xml:lang='en'>
           <body>{how}</body>
         </message>",
    )
    .await;
    // Each time, as far as a person writes; never what has no name: two programs must not talk for ever.
    for from in ["bot.example"].into_iter().chain(["gw@prod.example/1"; 30]) {
        peer.send(&format!(
            "<message type='chat' from='{from}' to='energy.example.org' id='m2'><body>342 W</body></message>"
        ))
        .await;
    }
    for _ in 0..19 {
        assert!(peer.recv().await.contains("to='gw@prod.example/1'"));
    }
    still_serves(&mut peer).await;
}
