//! What no stanza can carry is refused before it is accepted, and nothing leaves that servers would not pass on: the
//! scripted server takes no stanza over 200 KiB, in any story.

use std::collections::BTreeSet;

use super::stage::{DOMAIN, SERIES, Stage, accepted, nothing_else, publish, watts};
use crate::support::Peer;

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const GATEWAY: &str = "gw@prod.example";
const ADVISER: &str = "adviser@coop.example";

/// The largest stanza that leaves.
const STANZA_MAX: usize = 200 * 1024;

/// The longest item id, in octets.
const ITEM_ID_MAX: usize = 1023;

/// A record of the load curve whose text is so many of these.
fn json(text: &str, count: usize) -> String {
    let text = text.repeat(count);
    format!(
        "<json xmlns='urn:xmpp:json:0'>[{{\"n\":\"{SERIES}\",\"t\":1763679600,\"vs\":\"{text}\"}}]</json>"
    )
}

fn items(id: &str, items: &str) -> String {
    format!(
        "<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id='{id}'>\
           <pubsub xmlns='{PUBSUB}'><publish node='{SERIES}'>{items}</publish></pubsub>\
         </iq>"
    )
}

fn small(item: &str, value: u32) -> String {
    format!("<item id='{item}'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml></item>", watts(value))
}

/// The next stanza, which begins so.
async fn next(peer: &mut Peer, beginning: &str) -> String {
    let stanza = peer.recv().await;
    assert!(stanza.starts_with(beginning), "{}", stanza.chars().take(400).collect::<String>());
    assert!(stanza.len() <= STANZA_MAX, "{} octets", stanza.len());
    stanza
}

/// The answer to this is a refusal, of this condition, that names this.
async fn is_refused(peer: &mut Peer, stanza: &str, condition: &str, names: &str) {
    peer.send(stanza).await;
    let kind = if stanza.starts_with("<iq") { "<iq type='error'" } else { "<message type='error'" };
    let answer = next(peer, kind).await;
    assert!(answer.contains(&format!("<{condition} ")) && answer.contains(names), "{answer}");
}

#[tokio::test]
async fn a_record_that_no_stanza_can_carry_is_refused_by_every_way_in() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    // What is written five or six times as long, and what JSON and XML both escape.
    for (text, count) in [("'", 120_000), ("<", 60_000), ("\\\"", 30_000), ("&amp;", 60_000), ("é", 90_000)]
    {
        let text = text.replace('<', "&lt;");
        let huge = json(&text, count);
        let item = format!("<item id='huge'>{huge}</item>");
        let both = format!("{}{item}", small("before", 1));
        for stanza in [
            items("p", &item),
            items("p", &both),
            format!("<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id='p'>{huge}</iq>"),
            format!("<message from='{GATEWAY}/1' to='{DOMAIN}' id='p'>{huge}</message>"),
        ] {
            is_refused(&mut peer, &stanza, "policy-violation", "163840").await;
        }
    }
    // Neighbours get theirs, and nobody anything else.
    peer.send(&publish("p1", "after", &watts(2))).await;
    peer.expect(&accepted("p1", "after")).await;
    assert!(next(&mut peer, "<message type='normal'").await.contains("<item id='after'"));
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn an_item_id_that_is_too_long_is_refused_by_every_way_in() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let id = "i".repeat(ITEM_ID_MAX + 1);
    let records = watts(1);
    let sensml = format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>");
    let direct = format!(
        "<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id='p'><pubsub xmlns='{PUBSUB}'>\
         <publish node='{SERIES}'><item id='{id}'>{sensml}</item></publish></pubsub></iq>"
    );
    let origin = format!(
        "<message from='{GATEWAY}/1' to='{DOMAIN}' id='p'>{sensml}<origin-id xmlns='urn:xmpp:sid:0' id='{id}'/>\
         </message>"
    );
    let both = items("p", &format!("{}{}", small("short", 1), small(&id, 2)));
    let retract = format!(
        "<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id='p'><pubsub xmlns='{PUBSUB}'>\
         <retract node='{SERIES}'><item id='{id}'/></retract></pubsub></iq>"
    );
    for stanza in [direct, publish("p", &id, &records), both, origin, retract] {
        is_refused(&mut peer, &stanza, "policy-violation", "1023").await;
    }
    // As long as may be, and of what is written six times as long.
    let id = "'".repeat(ITEM_ID_MAX);
    peer.send(&publish("p1", &id.replace('\'', "&apos;"), &records)).await;
    next(&mut peer, "<iq type='result'").await;
    next(&mut peer, "<message type='normal'").await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_retracted_is_told_in_as_many_messages_as_it_takes() {
    let mut stage = Stage::empty("").await;
    let producer = ["--owner", "camille@home.example", "--producer", GATEWAY, "--retention", "P30D"];
    stage.cli(&[&["series", "add", SERIES], &producer[..]].concat());
    stage.consents(ADVISER, &[SERIES], &[]);
    let mut peer = stage.start().await;
    let ids: Vec<String> = (0..110).map(|n| format!("{n:03}{}", "&apos;".repeat(ITEM_ID_MAX - 3))).collect();
    let all: String = ids.iter().map(|id| small(id, 7)).collect();
    peer.send(&items("p", &all)).await;
    // The ids would not fit.
    peer.expect(&format!("<iq type='result' from='{DOMAIN}' to='{GATEWAY}/1' id='p'/>")).await;
    for _ in &ids {
        next(&mut peer, "<message type='normal'").await;
    }
    let gone: String = ids.iter().map(|id| format!("<item id='{id}'/>")).collect();
    peer.send(&format!(
        "<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id='r'><pubsub xmlns='{PUBSUB}'>\
         <retract node='{SERIES}'>{gone}</retract></pubsub></iq>"
    ))
    .await;
    let mut told = BTreeSet::new();
    while told.len() < ids.len() {
        let message = next(&mut peer, "<message type='normal'").await;
        assert!(message.contains(&format!("<items node='{SERIES}'><retract ")), "{message}");
        for id in message.split("<retract id='").skip(1) {
            let id = id.split_once('\'').expect("an end").0;
            assert!(told.insert(id.to_owned()), "twice: {id}");
        }
    }
    assert!(ids.iter().all(|id| told.contains(id)));
    peer.expect(&format!("<iq type='result' from='{DOMAIN}' to='{GATEWAY}/1' id='r'/>")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_stanza_id_that_is_too_long_is_refused_under_it() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let id = "'".repeat(8000);
    let escaped = id.replace('\'', "&apos;");
    let sensml = format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>", watts(1));
    for content in [
        "<ping xmlns='urn:xmpp:ping'/>".to_owned(),
        "<query xmlns='http://jabber.org/protocol/disco#info'/>".to_owned(),
        "<query xmlns='http://jabber.org/protocol/disco#items'/>".to_owned(),
        format!("<pubsub xmlns='{PUBSUB}'><items node='{SERIES}'/></pubsub>"),
    ] {
        let get = format!("<iq type='get' from='{ADVISER}/1' to='{DOMAIN}' id=\"{id}\">{content}</iq>");
        is_refused(&mut peer, &get, "policy-violation", &format!("id='{escaped}'")).await;
    }
    for content in [
        format!(
            "<pubsub xmlns='{PUBSUB}'><publish node='{SERIES}'><item id='1'>{sensml}</item></publish></pubsub>"
        ),
        sensml,
    ] {
        let set = format!("<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id=\"{id}\">{content}</iq>");
        is_refused(&mut peer, &set, "policy-violation", &format!("id='{escaped}'")).await;
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_largest_record_that_is_taken_leaves_in_every_format() {
    let mut stage = Stage::home("").await;
    let purpose = "'".repeat(1000);
    let service = "relay.coop.example";
    for (who, format) in [
        (ADVISER, "pubsub"),
        ("json@coop.example", "json"),
        ("q@coop.example", "quoalise"),
        (service, "publish"),
    ] {
        let to =
            ["--subject", "camille@home.example", "--recipient", who, "--scope", SERIES, "--format", format];
        stage.cli(&[&["consent", "add", "--purpose", &purpose], &to[..]].concat());
    }
    let mut peer = stage.start().await;
    // Of quotation marks JSON in XML has seven octets, so this is just about all that goes.
    let most = (160 * 1024 - 400) / 7;
    let id = "&apos;".repeat(ITEM_ID_MAX);
    let item = |text: &str| format!("<item id='{id}'>{text}</item>");
    is_refused(&mut peer, &items("p", &item(&json("\\\"", most + 100))), "policy-violation", "163840").await;
    peer.send(&items("p", &item(&json("\\\"", most)))).await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        let stanza = peer.recv().await;
        assert!(stanza.len() <= STANZA_MAX && !stanza.starts_with("<!--"), "{}", &stanza[..200]);
        heard.push(stanza);
    }
    // The Quoalise format carries numbers alone.
    for wanted in ["<iq type='result'", "<message type='normal'", "<iq type='set'"] {
        assert!(heard.iter().any(|stanza| stanza.starts_with(wanted)), "{wanted}");
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn any_payload_is_as_large_as_a_stanza_carries() {
    let mut stage = Stage::empty("[pubsub]\npayloads = \"any\"").await;
    stage.cli(&["series", "add", SERIES, "--owner", "camille@home.example", "--producer", GATEWAY, "--open"]);
    let mut peer = stage.start().await;
    let entry = |count: usize| {
        format!(
            "<item id='1'><entry xmlns='http://www.w3.org/2005/Atom'>{}</entry></item>",
            "&gt;".repeat(count)
        )
    };
    is_refused(&mut peer, &items("p", &entry(45_000)), "policy-violation", "163840").await;
    peer.send(&items("p", &entry(40_000))).await;
    peer.expect(&accepted("p", "1")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn pages_of_long_ids_fit_into_their_answers() {
    let mut stage = Stage::empty("").await;
    let producer = ["--owner", "camille@home.example", "--producer", GATEWAY, "--retention", "P30D"];
    stage.cli(&[&["series", "add", SERIES], &producer[..]].concat());
    // Consents whose terms stand beside what rests on them.
    for n in 0..40 {
        let window = [
            "--data-from",
            &format!("2026-01-01T{:02}:{:02}:00Z", n / 60, n % 60),
            "--data-until",
            &format!("2026-01-01T{:02}:{:02}:00Z", (n + 1) / 60, (n + 1) % 60),
        ]
        .map(str::to_owned);
        let purpose = "'".repeat(1000);
        let mut arguments =
            vec!["consent", "add", "--subject", "camille@home.example", "--recipient", ADVISER];
        arguments.extend(["--scope", SERIES, "--no-subscribe", "--purpose", &purpose]);
        arguments.extend(window.iter().map(String::as_str));
        stage.cli(&arguments);
    }
    let mut peer = stage.start().await;
    let all: String = (0..40)
        .map(|n| {
            let id = format!("{n:03}{}", "&apos;".repeat(ITEM_ID_MAX - 3));
            let at = 1_767_225_600 + n * 60;
            format!(
                "<item id='{id}'><sensml xmlns='urn:ietf:params:xml:ns:senml'>\
                 <senml n='{SERIES}' t='{at}' v='1'/></sensml></item>"
            )
        })
        .collect();
    peer.send(&items("p", &all)).await;
    next(&mut peer, "<iq type='result'").await;
    // From page to page, by either way.
    for archive in [false, true] {
        let (mut seen, mut after) = (BTreeSet::new(), String::new());
        while seen.len() < 40 {
            let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{after}</set>");
            let content = match archive {
                true => format!("<query xmlns='urn:xmpp:mam:2' node='{SERIES}'>{set}</query>"),
                false => format!("<pubsub xmlns='{PUBSUB}'><items node='{SERIES}'/>{set}</pubsub>"),
            };
            let type_ = if archive { "set" } else { "get" };
            peer.send(&format!("<iq type='{type_}' from='{ADVISER}/1' to='{DOMAIN}' id='x'>{content}</iq>"))
                .await;
            let mut stanza = peer.recv().await;
            let before = seen.len();
            loop {
                assert!(stanza.len() <= STANZA_MAX && !stanza.starts_with("<!--"), "{}", &stanza[..300]);
                let found = stanza.split("<item id='").skip(1).filter_map(|rest| rest.split_once('\''));
                seen.extend(found.map(|(id, _)| id.to_owned()));
                if stanza.starts_with("<iq") {
                    break;
                }
                stanza = peer.recv().await;
            }
            assert!(stanza.starts_with("<iq type='result'"), "{stanza}");
            assert!(seen.len() > before, "a page of nothing");
            let last = stanza.split_once("<last>").and_then(|(_, rest)| rest.split_once("</last>"));
            after = format!("<after>{}</after>", last.expect("where to go on").0);
        }
    }
    nothing_else(&mut peer).await;
}
