//! A recipient's subscription is set to none by an owner (XEP-0060 §8.8): its access is over, or nothing is changed.

use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, watts};
use crate::support::Peer;

const ADVISER: &str = "adviser@coop.example";
const CAMILLE: &str = "camille@home.example";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";

/// Camille's series keeps what comes; the adviser may have these.
async fn kept(scope: &str, more: &[&str]) -> (Stage, String, Peer) {
    let mut stage = Stage::empty("").await;
    let registered = ["--owner", CAMILLE, "--producer", "gw@prod.example", "--retention", "P30D"];
    stage.cli(&[&["series", "add", SERIES][..], &registered].concat());
    let consent = stage.consents(ADVISER, &[scope], more);
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    if more.is_empty() {
        peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    }
    (stage, consent, peer)
}

/// The answer to an IQ, and what came before it.
async fn asks(peer: &mut Peer, type_: &str, from: &str, namespace: &str, what: &str) -> String {
    let iq = format!(
        "<iq type='{type_}' from='{from}/1' to='energy.example.org' id='a'>
           <pubsub xmlns='{namespace}'>{what}</pubsub>
         </iq>"
    );
    peer.send(&iq).await;
    let mut heard = String::new();
    while !heard.contains("id='a'") {
        heard += &peer.recv().await;
    }
    heard
}

fn over(jids: &[&str]) -> String {
    let lines: String =
        jids.iter().map(|jid| format!("<subscription jid='{jid}' subscription='none'/>")).collect();
    format!("<subscriptions node='{SERIES}'>{lines}</subscriptions>")
}

async fn fetches(peer: &mut Peer) -> String {
    let items = format!("<items node='{SERIES}'/>");
    asks(peer, "get", ADVISER, "http://jabber.org/protocol/pubsub", &items).await
}

fn state(stage: &Stage, id: &str) -> String {
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", id, "--json"])).expect("JSON");
    record["state"].as_str().expect("a state").to_owned()
}

#[tokio::test]
async fn the_holder_withdraws_what_is_for_just_that_node() {
    for more in [&[][..], &["--no-subscribe"], &["--modes", "history"]] {
        let (stage, consent, mut peer) = kept(SERIES, more).await;
        assert!(fetches(&mut peer).await.contains("<item "));
        let mut said = asks(&mut peer, "set", CAMILLE, OWNER, &over(&[ADVISER])).await;
        assert!(said.contains("type='result'"), "{said}");
        assert_eq!(state(&stage, &consent), "withdrawn");
        while !(said.contains("state='withdrawn'") && said.contains("was withdrawn by you")) {
            said += &peer.recv().await;
        }
        assert_eq!(said.contains("subscription='none'"), more.is_empty(), "{said}");
        let items = fetches(&mut peer).await;
        assert!(items.contains("type='error'") && !items.contains("<item "), "{items}");
        peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
        nothing_else(&mut peer).await;
    }
}

#[tokio::test]
async fn a_wider_consent_is_named_and_nothing_is_done_by_halves() {
    let (stage, wider, mut peer) = kept("urn:dev:prm:30001610071843*", &[]).await;
    let grid = stage.consents("grid@coop.example", &[SERIES], &[]);
    for jids in [&[ADVISER][..], &["grid@coop.example", ADVISER]] {
        let said = asks(&mut peer, "set", CAMILLE, OWNER, &over(jids)).await;
        for word in ["<conflict ", &wider, "withdraw-consent", "stop adviser@coop.example"] {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
    assert_eq!([&wider, &grid].map(|id| state(&stage, id)), ["active", "active"]);
    assert!(fetches(&mut peer).await.contains("<item "));
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
    peer.expect_all(&[
        &event(ADVISER, "two", &watts(2), UNDER_CONSENT),
        &event("grid@coop.example", "two", &watts(2), UNDER_CONSENT),
    ])
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn another_owner_does_not_end_what_a_person_gave() {
    let (stage, consent, mut peer) = kept(SERIES, &[]).await;
    let share = format!(
        "<affiliations node='{SERIES}'><affiliation jid='boss@coop.example' affiliation='owner'/></affiliations>"
    );
    let said = asks(&mut peer, "set", CAMILLE, OWNER, &share).await;
    assert!(said.contains("type='result'"), "{said}");
    let said = asks(&mut peer, "set", "boss@coop.example", OWNER, &over(&[ADVISER])).await;
    assert!(said.contains("<forbidden "), "{said}");
    assert_eq!(state(&stage, &consent), "active");
    assert!(fetches(&mut peer).await.contains("<item "));
    // Where nothing was given, there is nothing to withdraw.
    let said = asks(&mut peer, "set", "boss@coop.example", OWNER, &over(&["nobody@coop.example"])).await;
    assert!(said.contains("type='result'"), "{said}");
}
