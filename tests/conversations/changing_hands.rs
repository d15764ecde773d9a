//! A meter changes hands: each holder has the data of their own time, by every way.

use super::stage::{
    DOMAIN, SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, refused_to,
};
use crate::support::Peer;

const PREFIX: &str = "urn:dev:prm:30001610071843_*";
const ANN: &str = "ann@home.example";
const CAROL: &str = "carol@home.example";
const APP: &str = "app@coop.example";

/// The border between Ann's tenure and Carol's.
const BORDER: i64 = 1_763_679_600;

/// A record so many seconds after the border.
fn at(seconds: i64) -> String {
    format!("<senml bn='{SERIES}' bt='{}' bu='W' v='1'/>", BORDER + seconds)
}

/// Ann's meter, kept for years, and running.
async fn annes_meter(prefix: &str) -> (Stage, Peer) {
    let mut stage = Stage::empty("").await;
    let producer = ["--producer", "gw@prod.example", "--retention", "P9Y"];
    stage.cli(&[&["series", "add", prefix, "--owner", ANN][..], &producer].concat());
    let peer = stage.start().await;
    (stage, peer)
}

fn consents(stage: &Stage, of: &str, scope: &str, more: &[&str]) -> String {
    let arguments = ["consent", "add", "--json", "--recipient", APP, "--purpose", "advice", "--subject", of];
    let record = stage.cli(&[&arguments[..], &["--scope", scope], more].concat());
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    record["id"].as_str().expect("an id").to_owned()
}

/// Carol holds it from the border on.
fn moves_in(stage: &Stage, prefix: &str) {
    stage.cli(&["series", "edit", prefix, "--owner", CAROL, "--from", "2025-11-20T23:00:00Z"]);
}

/// What somebody gets by each way of fetching, as one text: history, items, archive.
async fn fetched(peer: &mut Peer, who: &str) -> [String; 3] {
    let history = format!(
        "<iq type='set' from='{who}/1' to='{DOMAIN}' id='h'>
           <command xmlns='http://jabber.org/protocol/commands' node='get_history' action='execute'>
             <x xmlns='jabber:x:data' type='submit'><field var='identifier'><value>{SERIES}</value></field></x>
           </command>
         </iq>"
    );
    let items = format!(
        "<iq type='get' from='{who}/1' to='{DOMAIN}' id='i'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{SERIES}'/></pubsub>
         </iq>"
    );
    let archive = format!(
        "<iq type='set' from='{who}/1' to='{DOMAIN}' id='a'><query xmlns='urn:xmpp:mam:2' node='{SERIES}'/></iq>"
    );
    let mut all = [String::new(), String::new(), String::new()];
    for (asked, (id, text)) in [history, items, archive].iter().zip(["h", "i", "a"].into_iter().zip(&mut all))
    {
        peer.send(asked).await;
        loop {
            let came = peer.recv().await;
            // What people are told of a move comes in between.
            if came.contains(&format!("to='{who}/1'")) || came.contains(&format!("to=\"{who}/1\"")) {
                text.push_str(&came);
            }
            if came.starts_with("<iq") && came.contains(&format!("id='{id}'")) {
                break;
            }
        }
    }
    all
}

/// The times in an answer, from the border on.
fn times(text: &str) -> Vec<i64> {
    let numbers = |key: &str| -> Vec<(usize, i64)> {
        let pattern = format!("{key}='");
        text.match_indices(&pattern)
            .filter_map(|(place, _)| {
                let rest = &text[place + pattern.len()..];
                let number: f64 = rest[..rest.find('\'')?].parse().ok()?;
                Some((place, number as i64))
            })
            .collect()
    };
    let mut bases = numbers(" bt");
    bases.sort_unstable();
    let mut found = Vec::new();
    for (place, _) in text.match_indices("<senml ") {
        let end = place + text[place..].find('>').unwrap_or(0);
        let base = bases.iter().rev().find(|(at, _)| *at < end).map_or(0, |(_, base)| *base);
        let offset =
            numbers(" t").into_iter().find(|(at, _)| (place..end).contains(at)).map_or(0, |(_, t)| t);
        found.push(base + offset - BORDER);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// W1: a day of each, one item that holds both.
#[tokio::test]
async fn each_holder_has_the_days_of_their_own_tenure_by_every_way() {
    for prefix in [PREFIX, SERIES] {
        let (stage, mut peer) = annes_meter(prefix).await;
        peer.ask(&publish("1", "anns", &at(-7200)), &accepted("1", "anns")).await;
        moves_in(&stage, prefix);
        peer.send(&publish("2", "carols", &at(7200))).await;
        until_accepted(&mut peer, "2").await;
        let both = format!("{}<senml t='3600' v='2'/>", at(-1800));
        peer.send(&publish("3", "both", &both)).await;
        until_accepted(&mut peer, "3").await;
        let (anns, carols) = (vec![-7200, -1800], vec![1800, 7200]);
        for (who, right) in [(ANN, &anns), (CAROL, &carols)] {
            for text in fetched(&mut peer, who).await {
                assert_eq!(times(&text), *right, "{who}: {text}");
            }
        }
        // Nobody else has anything; an app has what who held it says yes to.
        for text in fetched(&mut peer, APP).await {
            assert!(times(&text).is_empty(), "{text}");
        }
        consents(&stage, CAROL, SERIES, &["--no-subscribe"]);
        for text in fetched(&mut peer, APP).await {
            assert_eq!(times(&text), carols, "{text}");
        }
        consents(&stage, ANN, SERIES, &["--no-subscribe", "--data-until", "2025-11-20T23:00:00Z"]);
        for text in fetched(&mut peer, APP).await {
            assert_eq!(times(&text), [-7200, -1800, 1800, 7200], "{text}");
        }
        // The gateway fetches what it published of the present tenure, and no more.
        for text in fetched(&mut peer, "gw@prod.example").await {
            assert_eq!(times(&text), carols, "{text}");
        }
    }
}

/// W2: a consent lets nothing out that its giver does not hold, also of what is queued already.
#[tokio::test]
async fn nothing_leaves_under_the_consent_of_who_moved_out() {
    for (prefix, scope) in [(SERIES, SERIES), (PREFIX, PREFIX), (PREFIX, SERIES)] {
        let (stage, mut peer) = annes_meter(prefix).await;
        consents(&stage, ANN, scope, &[]);
        peer.ask(&publish("1", "anns", &at(-7200)), &accepted("1", "anns")).await;
        peer.expect(&event(APP, "anns", &at(-7200), UNDER_CONSENT)).await;
        moves_in(&stage, prefix);
        peer.send(&publish("2", "carols", &at(7200))).await;
        until_accepted(&mut peer, "2").await;
        // Late data of Ann's still leaves.
        peer.send(&publish("3", "late", &at(-60))).await;
        let mut sent = Vec::new();
        while !sent.iter().any(|text: &String| text.contains("id='late'") && text.starts_with("<message")) {
            sent.push(peer.recv().await);
        }
        assert!(!sent.iter().any(|text| text.contains("'carols'")), "{sent:?}");
        nothing_else(&mut peer).await;
        let log = stage.cli(&["audit", "export"]);
        assert!(log.contains("another holder's"), "{log}");
    }
}

/// W6: what was open, or listed, is of the tenure of who said so.
#[tokio::test]
async fn what_the_former_holder_opened_is_not_open_of_the_next_one() {
    let (stage, mut peer) = annes_meter(SERIES).await;
    stage.cli(&["series", "edit", SERIES, "--open"]);
    peer.ask(&publish("1", "anns", &at(-7200)), &accepted("1", "anns")).await;
    moves_in(&stage, SERIES);
    peer.send(&publish("2", "carols", &at(7200))).await;
    until_accepted(&mut peer, "2").await;
    for text in fetched(&mut peer, "anyone@else.example").await {
        assert_eq!(times(&text), [-7200], "{text}");
    }
}

/// The same of a node that the gateway created below a prefix: it has no tenure of its own.
#[tokio::test]
async fn what_was_opened_of_a_node_below_a_prefix_is_not_open_of_the_next_holder() {
    let prefix = format!("{}*", &SERIES[..SERIES.len() - 3]);
    let (stage, mut peer) = annes_meter(&prefix).await;
    let create = format!(
        "<iq type='set' from='gw@prod.example/1' to='{DOMAIN}' id='c'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='{SERIES}'/></pubsub>
         </iq>"
    );
    peer.send(&create).await;
    until_accepted(&mut peer, "c").await;
    stage.cli(&["series", "edit", SERIES, "--open"]);
    peer.ask(&publish("1", "anns", &at(-7200)), &accepted("1", "anns")).await;
    for text in fetched(&mut peer, "anyone@else.example").await {
        assert_eq!(times(&text), [-7200], "{text}");
    }
    moves_in(&stage, &prefix);
    peer.send(&publish("2", "carols", &at(7200))).await;
    until_accepted(&mut peer, "2").await;
    for text in fetched(&mut peer, "anyone@else.example").await {
        assert_eq!(times(&text), [-7200], "{text}");
    }
}

/// What is measured while nobody holds it is acknowledged, and is nowhere.
#[tokio::test]
async fn what_nobody_holds_is_acknowledged_and_nowhere() {
    let (stage, mut peer) = annes_meter(SERIES).await;
    stage.cli(&["series", "edit", SERIES, "--vacant", "--from", "2025-11-20T23:00:00Z"]);
    peer.send(&publish("1", "empty", &at(60))).await;
    until_accepted(&mut peer, "1").await;
    let both = format!("{}<senml t='60' v='2'/>", at(-60));
    peer.send(&publish("2", "half", &both)).await;
    until_accepted(&mut peer, "2").await;
    for text in fetched(&mut peer, ANN).await {
        assert_eq!(times(&text), [-60], "{text}");
    }
    let gateway = "gw@prod.example/1";
    let items = format!(
        "<iq type='get' from='{gateway}' to='{DOMAIN}' id='i'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{SERIES}'/></pubsub>
         </iq>"
    );
    let detail = "<not-subscribed xmlns='http://jabber.org/protocol/pubsub#errors'/>";
    peer.ask(&items, &refused_to("iq", gateway, "i", "not-authorized", "auth", detail)).await;
}

/// Takes what comes until the gateway's publish is in safe hands.
async fn until_accepted(peer: &mut Peer, id: &str) {
    loop {
        let came = peer.recv().await;
        if came.starts_with("<iq") && came.contains(&format!("id='{id}'")) {
            assert!(came.contains("type='result'"), "{came}");
            return;
        }
    }
}
