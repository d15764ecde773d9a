//! A recipient's domain that has not answered a ping yet: what one's own server says counts only after
//! `[delivery] first_contact`, and is told apart.

use super::stage::{
    IMPATIENT, Stage, UNDER_CONSENT, accepted, barrier, event, nothing_else, pong, publish, watts,
};
use crate::support::{PATIENCE, Peer, Pings, matches};

const ADVISER: &str = "adviser@coop.example";

/// Short enough for a test; the ping that is repeated comes before it is over.
const SHORT: &str = "[delivery]\nping_timeout = \"PT1S\"\nretry_max = \"PT1S\"\nfirst_contact = \"PT3S\"";

async fn delivered(peer: &mut Peer, item: &str, value: u32) -> (String, String) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    leaves(peer, item, value).await
}

async fn leaves(peer: &mut Peer, item: &str, value: u32) -> (String, String) {
    let delivery = peer.expect(&event(ADVISER, item, &watts(value), UNDER_CONSENT)).await;
    let ping = peer.expect(&barrier("coop.example")).await;
    (delivery["id"].clone(), ping["ping"].clone())
}

/// The proof that `queue status` names for the adviser's server.
fn proof(stage: &Stage) -> serde_json::Value {
    let status: serde_json::Value =
        serde_json::from_str(&stage.cli(&["queue", "status", "--json"])).expect("JSON");
    let all = status["destinations"].as_array().expect("a list").clone();
    let ours = all.into_iter().find(|d| d["domain"] == "coop.example").expect("the adviser's server");
    assert_eq!(ours["answers_pings"], serde_json::Value::Bool(ours["proof"] == "recipient-server"));
    ours["proof"].clone()
}

/// Answers what one's own server is asked; the next ping to it must be answered before this ends.
async fn own_server_vouches(peer: &mut Peer) {
    loop {
        let stanza = peer.recv().await;
        if let Ok(own) = matches(&barrier("example.org"), &stanza) {
            peer.send(&pong("example.org", &own["ping"])).await;
            return;
        }
        // Meanwhile the domain itself is asked again and again; nothing is sent again.
        matches(&barrier("coop.example"), &stanza).unwrap_or_else(|error| panic!("{error}: {stanza}"));
    }
}

#[tokio::test]
async fn nothing_is_lost_when_ones_own_server_dies_before_the_first_answer() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (first, ping) = delivered(&mut peer, "one", 1).await;
    peer.ask(&publish("two", "two", &watts(2)), &accepted("two", "two")).await;

    // Nobody there says a word: only the ping is repeated, and one's own server is not asked.
    let again = peer.expect(&barrier("coop.example")).await;
    assert_ne!(again["ping"], ping);
    peer.expect(&barrier("coop.example")).await;
    assert!(proof(&stage).is_null());

    // One's own server dies with what it held: all of it again, before anything later.
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    let once_more = peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    assert_eq!(once_more["id"], first);
    leaves(&mut peer, "two", 2).await;

    // And so does this process.
    stage.courant.kill();
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    let (_, ping) = leaves(&mut peer, "two", 2).await;
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    nothing_else(&mut peer).await;
    assert_eq!(proof(&stage), "recipient-server");
}

#[tokio::test]
async fn the_answer_to_a_ping_that_was_repeated_does_not_stand_for_the_first() {
    let (stage, _, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (first, _) = delivered(&mut peer, "one", 1).await;
    let again = peer.expect(&barrier("coop.example")).await;
    // It may have lost what came before: it is there, and gets it again.
    peer.send(&pong("coop.example", &again["ping"])).await;
    let (once_more, ping) = leaves(&mut peer, "one", 1).await;
    assert_eq!(once_more, first);
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_first_ping_may_be_answered_late() {
    let (stage, _, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "one", 1).await;
    peer.expect(&barrier("coop.example")).await;
    peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn after_the_first_contact_ones_own_server_is_believed_until_the_domain_answers() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser(SHORT).await;
    peer.pings(Pings::Received);
    delivered(&mut peer, "one", 1).await;
    own_server_vouches(&mut peer).await;

    // From now on both are asked at once, by the next process too.
    delivered(&mut peer, "two", 2).await;
    let own = peer.expect(&barrier("example.org")).await;
    peer.send(&pong("coop.example", &own["ping"])).await;
    peer.ask(&publish("three", "three", &watts(3)), &accepted("three", "three")).await;
    peer.send(&pong("example.org", &own["ping"])).await;
    leaves(&mut peer, "three", 3).await;
    peer.expect(&barrier("example.org")).await;
    assert_eq!(proof(&stage), "own-server");
    stage.courant.kill();
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    // It may not have written down how far that was.
    let ping = loop {
        let stanza = peer.recv().await;
        if let Ok(ping) = matches(&barrier("coop.example"), &stanza) {
            break ping["ping"].clone();
        }
        let (two, three) = (
            event(ADVISER, "two", &watts(2), UNDER_CONSENT),
            event(ADVISER, "three", &watts(3), UNDER_CONSENT),
        );
        assert!(matches(&two, &stanza).is_ok() || matches(&three, &stanza).is_ok(), "{stanza}");
    };
    let own = peer.expect(&barrier("example.org")).await;

    // Its own word comes first this time, and from then on alone.
    peer.send(&pong("coop.example", &ping)).await;
    peer.send(&pong("example.org", &own["ping"])).await;
    let (_, ping) = delivered(&mut peer, "four", 4).await;
    nothing_else(&mut peer).await;
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    stage.courant.terminate();
    stage.courant.ended(PATIENCE).await;
    assert_eq!(proof(&stage), "recipient-server");

    // The log tells them apart.
    let log = stage.cli(&["audit", "export"]);
    let taken: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("\"confirmed\""))
        .map(|line| if line.contains("taken by our own server") { "own" } else { "recipient" })
        .collect();
    assert_eq!((taken.first(), taken.last()), (Some(&"own"), Some(&"recipient")), "{log}");
    assert!(taken.is_sorted(), "{log}");
}
