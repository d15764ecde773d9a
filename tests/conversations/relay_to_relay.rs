//! A recipient that is itself a service is sent each item as a publish, which it acknowledges.

use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, barrier, nothing_else, pong, publish, watts};
use crate::support::{Captures, PATIENCE, Peer, Pings};

const RELAY: &str = "energy.coop.example";

const IMPATIENT: &str = super::stage::IMPATIENT;

/// Camille's load curve is for another relay.
async fn two_relays(more: &str) -> (Stage, Peer) {
    let mut stage = Stage::home(more).await;
    stage.consents(RELAY, &[SERIES], &["--format", "publish"]);
    let peer = stage.start().await;
    (stage, peer)
}

/// A publish to the other relay; its id is captured as `id`.
fn handed_on(item: &str, records: &str) -> String {
    format!(
        "<iq type='set' from='energy.example.org' to='{RELAY}' id='{{id}}'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'>
             <publish node='{SERIES}'>
               <item id='{item}'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml></item>
             </publish>
             {UNDER_CONSENT}
             <origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
           </pubsub>
         </iq>"
    )
}

fn result(id: &str) -> String {
    format!("<iq type='result' from='{RELAY}' to='energy.example.org' id='{id}'/>")
}

fn error(id: &str, condition: &str, type_: &str) -> String {
    format!(
        "<iq type='error' from='{RELAY}' to='energy.example.org' id='{id}'>
           <error type='{type_}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
         </iq>"
    )
}

/// The gateway publishes one item; what the other relay gets of it.
async fn handed(peer: &mut Peer, item: &str, value: u32) -> Captures {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    peer.expect(&handed_on(item, &watts(value))).await
}

fn waiting(stage: &Stage) -> u64 {
    let status: serde_json::Value =
        serde_json::from_str(&stage.cli(&["queue", "status", "--json"])).expect("JSON");
    let waiting = status["destinations"].as_array().expect("a list").iter();
    waiting.map(|destination| destination["waiting"].as_u64().expect("a number")).sum()
}

/// What waits comes down to this, in a while.
async fn comes_down_to(stage: &Stage, wanted: u64) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if waiting(stage) == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{} wait, not {wanted}", waiting(stage));
}

fn letters(stage: &Stage) -> Vec<serde_json::Value> {
    serde_json::from_str(&stage.cli(&["queue", "dead-letters", "--json"])).expect("JSON")
}

#[tokio::test]
async fn a_result_and_not_the_ping_alone_says_that_it_is_there() {
    let (stage, mut peer) = two_relays("").await;
    // Pings are answered by themselves.
    let first = handed(&mut peer, "one", 1).await;
    nothing_else(&mut peer).await;
    // From somebody else it says nothing.
    peer.send(&result(&first["id"]).replace(RELAY, "energy.evil.example")).await;
    nothing_else(&mut peer).await;
    peer.ask(&publish("two", "two", &watts(2)), &accepted("two", "two")).await;
    // One batch is under way: the second comes behind the result of the first.
    nothing_else(&mut peer).await;
    assert_eq!(waiting(&stage), 2);
    let second = peer.ask(&result(&first["id"]), &handed_on("two", &watts(2))).await;
    assert_ne!(first["id"], second["id"]);
    peer.send(&result(&second["id"])).await;
    comes_down_to(&stage, 0).await;
    assert!(letters(&stage).is_empty());
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_a_dead_letter_and_the_next_one_goes() {
    let (stage, mut peer) = two_relays("").await;
    let first = handed(&mut peer, "one", 1).await;
    peer.send(&error(&first["id"], "forbidden", "auth")).await;
    let second = handed(&mut peer, "two", 2).await;
    peer.send(&result(&second["id"])).await;
    comes_down_to(&stage, 0).await;
    let letters = letters(&stage);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((&letters[0]["item"], &letters[0]["reason"]), (&"one".into(), &"forbidden".into()));
    // The operator has it tried again, under another id, as the same item.
    stage.cli(&["queue", "replay", "--all"]);
    let again = peer.expect(&handed_on("one", &watts(1))).await;
    peer.send(&result(&again["id"])).await;
    comes_down_to(&stage, 0).await;
    stage.cli(&["audit", "verify"]);
}

#[tokio::test]
async fn what_cannot_be_taken_just_now_is_tried_again() {
    let (stage, mut peer) = two_relays(IMPATIENT).await;
    let first = handed(&mut peer, "one", 1).await;
    peer.send(&error(&first["id"], "resource-constraint", "wait")).await;
    let again = peer.expect(&handed_on("one", &watts(1))).await;
    peer.send(&result(&again["id"])).await;
    comes_down_to(&stage, 0).await;
    assert!(letters(&stage).is_empty());
}

#[tokio::test]
async fn what_is_not_answered_is_sent_again_with_the_same_ids() {
    let (stage, mut peer) = two_relays(IMPATIENT).await;
    peer.pings(Pings::Held);
    let first = handed(&mut peer, "one", 1).await;
    peer.ask(&publish("two", "two", &watts(2)), &accepted("two", "two")).await;
    peer.pings(Pings::Answered);
    peer.answer_held().await;
    // The ping is answered, the publish is not.
    let again = peer.expect(&handed_on("one", &watts(1))).await;
    assert_eq!(first["id"], again["id"]);
    let second = peer.expect(&handed_on("two", &watts(2))).await;
    peer.send(&result(&second["id"])).await;
    // Nor is it now; the other one is there already.
    let third = peer.expect(&handed_on("one", &watts(1))).await;
    assert_eq!(first["id"], third["id"]);
    peer.send(&result(&third["id"])).await;
    comes_down_to(&stage, 0).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn across_a_restart_and_a_lost_link_the_ids_stay() {
    let (mut stage, mut peer) = two_relays("").await;
    let first = handed(&mut peer, "one", 1).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    let again = peer.expect(&handed_on("one", &watts(1))).await;
    assert_eq!(first["id"], again["id"]);
    stage.courant.kill();
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    let third = peer.expect(&handed_on("one", &watts(1))).await;
    assert_eq!(first["id"], third["id"]);
    let ping = peer.expect(&barrier(RELAY)).await;
    peer.send(&result(&third["id"])).await;
    peer.send(&pong(RELAY, &ping["ping"])).await;
    comes_down_to(&stage, 0).await;
}

#[tokio::test]
async fn a_service_chooses_it_when_it_subscribes_and_a_person_cannot() {
    let mut stage = Stage::home("").await;
    stage.consents(RELAY, &[SERIES], &["--no-subscribe"]);
    stage.consents("app@coop.example", &[SERIES], &[]);
    let why = stage.cli_fails(
        &[
            "consent",
            "add",
            "--subject",
            "camille@home.example",
            "--recipient",
            "app@coop.example",
            "--scope",
            SERIES,
            "--purpose",
            "advice",
            "--format",
            "publish",
        ],
        1,
    );
    assert!(why.contains("for services"), "{why}");
    let mut peer = stage.start().await;
    let subscribe = |from: &str| {
        format!(
            "<iq type='set' from='{from}' to='energy.example.org' id='s'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <subscribe node='{SERIES}' jid='{from}'/>
                 <options><x xmlns='jabber:x:data' type='submit'>
                   <field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#subscribe_options</value></field>
                   <field var='{{urn:courant:0}}format'><value>publish</value></field>
                 </x></options>
               </pubsub>
             </iq>"
        )
    };
    let detail = "<invalid-options xmlns='http://jabber.org/protocol/pubsub#errors'/>";
    let refusal = super::stage::refused_to("iq", "app@coop.example", "s", "bad-request", "modify", detail);
    let said = peer.ask(&subscribe("app@coop.example"), &refusal).await;
    assert!(said["text"].contains("for services"), "{said:?}");
    peer.send(&subscribe(RELAY)).await;
    let answer = peer.recv().await;
    assert!(answer.contains("subscription='subscribed'"), "{answer}");
    peer.ask(&publish("one", "one", &watts(1)), &accepted("one", "one")).await;
    // The adviser's own copy comes as ever.
    let patterns = [
        handed_on("one", &watts(1)),
        super::stage::event("app@coop.example", "one", &watts(1), UNDER_CONSENT),
    ];
    let found = peer.expect_all(&[&patterns[0], &patterns[1]]).await;
    peer.send(&result(&found[0]["id"])).await;
    comes_down_to(&stage, 0).await;
}
