//! Links break, servers restart, processes are killed: what was acknowledged arrives.

use super::stage::{
    DOMAIN, IMPATIENT, SERIES, Stage, UNDER_CONSENT, accepted, barrier, end_is_told, event, nothing_else,
    pong, publish, refused, watts,
};
use crate::support::{Answer, Courant, GOODBYE, PATIENCE, Peer, Pings, ScriptedServer, matches};

const ADVISER: &str = "adviser@coop.example";

/// Publish one value and see it leave, its ping open; gives the delivery's id and the ping's.
async fn delivered(peer: &mut Peer, item: &str, value: u32) -> (String, String) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    leaves(peer, item, value).await
}

async fn leaves(peer: &mut Peer, item: &str, value: u32) -> (String, String) {
    let delivery = peer.expect(&event(ADVISER, item, &watts(value), UNDER_CONSENT)).await;
    let ping = peer.expect(&barrier("coop.example")).await;
    (delivery["id"].clone(), ping["ping"].clone())
}

/// The lines that the process ended with, without those of its log.
fn complaints(courant: &Courant) -> Vec<String> {
    courant.log().lines().filter(|line| line.starts_with("courant:")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_wrong_secret_ends_it_with_a_word_why() {
    let server = ScriptedServer::bind("right").await;
    let mut courant = Courant::started(DOMAIN, &server.address(), "wr0ng-secret", "");
    assert!(server.answer(Answer::Accept).await.is_none());
    let status = courant.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(4));
    let said = complaints(&courant);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("secret_file") && said[0].contains(DOMAIN), "{said:?}");
    assert!(!courant.log().contains("wr0ng-secret"));
}

#[tokio::test]
async fn a_domain_that_the_server_does_not_know_ends_it_too() {
    let server = ScriptedServer::bind("right").await;
    for answer in [Answer::HostUnknown, Answer::Refuse("conflict", "in use")] {
        let mut courant = Courant::started(DOMAIN, &server.address(), "right", "");
        assert!(server.answer(answer).await.is_none());
        assert_eq!(courant.ended(PATIENCE).await.code(), Some(4));
        assert_eq!(complaints(&courant).len(), 1, "{}", courant.log());
    }
}

#[tokio::test]
async fn a_server_that_is_starting_is_waited_for() {
    let mut stage = Stage::home("").await;
    stage.consents(ADVISER, &[SERIES], &[]);
    stage.courant.start();
    stage.server.answer(Answer::Close).await;
    stage.server.answer(Answer::Refuse("system-shutdown", "")).await;
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    delivered(&mut peer, "one", 1).await;
}

#[tokio::test]
async fn once_connected_it_tries_for_ever() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    // What would have been final at the start may be the server's own confusion now.
    stage.server.answer(Answer::Refuse("conflict", "Component already connected")).await;
    stage.server.answer(Answer::HostUnknown).await;
    stage.server.answer(Answer::Refuse("not-authorized", "")).await;
    let mut peer = stage.server.accept().await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_was_not_confirmed_is_sent_again_over_the_next_link() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, ping) = delivered(&mut peer, "one", 1).await;
    peer.ask(&publish("two", "two", &watts(2)), &accepted("two", "two")).await;
    peer.drop_link().await;

    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    let again = peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    assert_eq!(again["id"], first);
    let (second, next_ping) = leaves(&mut peer, "two", 2).await;
    assert_ne!(next_ping, ping);

    // A pong to the ping of the lost link proves nothing about this one.
    peer.send(&pong("coop.example", &ping)).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    let (again, ping) = leaves(&mut peer, "two", 2).await;
    assert_eq!(again, second);

    // Confirmed, it is not sent over any link.
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_result_is_lost_with_the_link() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "day", 1).await;
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;

    // The gateway never saw the result and publishes again: acknowledged, and not forwarded twice.
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    peer.ask(&publish("p2", "day", &watts(1)), &accepted("p2", "day")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_result_is_lost_with_the_process() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, _) = delivered(&mut peer, "day", 1).await;
    stage.courant.kill();

    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    let (again, _) = leaves(&mut peer, "day", 1).await;
    assert_eq!(again, first);
    peer.ask(&publish("p2", "day", &watts(1)), &accepted("p2", "day")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_publish_may_come_right_behind_the_handshake() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    let behind = "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p1'>
           <sensml xmlns='urn:ietf:params:xml:ns:senml'>
             <senml n='urn:dev:prm:30001610071843_consumption/power/active/raw' t='1763679600' u='W' v='1'/>
           </sensml></iq><iq type='ge";
    let mut peer = stage.server.answer(Answer::AcceptAnd(behind)).await.expect("a peer");
    peer.pings(Pings::Received);
    peer.expect(&accepted("p1", "{item}")).await;
    leaves(&mut peer, "{item}", 1).await;
    // And the stanza that was cut goes on.
    peer.ask(
        "t' from='a@b.example' to='energy.example.org' id='x'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='result' from='energy.example.org' to='a@b.example' id='x'/>",
    )
    .await;
}

#[tokio::test]
async fn the_server_ends_the_stream() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, _) = delivered(&mut peer, "one", 1).await;
    for end in [
        "<stream:error>
           <system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>
         </stream:error></stream:stream>",
        "</stream:stream>",
        // Nobody could tell where the next stanza begins.
        "<!DOCTYPE x>",
        "<message></iq>",
    ] {
        peer.send(end).await;
        peer = stage.server.accept().await;
        peer.pings(Pings::Received);
        let (again, _) = leaves(&mut peer, "one", 1).await;
        assert_eq!(again, first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_reading() {
    let mut stage = Stage::home("").await;
    let consent = stage.consents(ADVISER, &[SERIES], &[]);
    stage.consents("school@edu.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Held);
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let to_school = |item, value| event("school@edu.example", item, &watts(value), UNDER_CONSENT);
    peer.expect_all(&[&event(ADVISER, "one", &watts(1), UNDER_CONSENT), &to_school("one", 1)]).await;
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;

    // It reads no more but asks on, until the service reads no more either, rather than grow.
    peer.stop_reading().await;
    let id = "x".repeat(8000);
    peer.send_until_stuck(&format!(
        "<iq type='get' from='a@b.example' to='energy.example.org' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"
    ))
    .await;

    // A revocation cannot wait for such a server: what was rendered before it is given up with the link.
    tokio::task::block_in_place(|| stage.cli(&["consent", "revoke", &consent]));
    drop(peer);
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    peer.expect(&to_school("one", 1)).await;
    peer.expect(&to_school("two", 2)).await;
    peer.expect(&barrier("edu.example")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_domain_that_is_down_delays_no_other() {
    let mut stage = Stage::home(IMPATIENT).await;
    stage.consents(ADVISER, &[SERIES], &[]);
    stage.consents("school@edu.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    let to_school = |item: &str, value| event("school@edu.example", item, &watts(value), UNDER_CONSENT);
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let first = peer
        .expect_all(&[
            &event(ADVISER, "one", &watts(1), UNDER_CONSENT),
            &barrier("coop.example"),
            &to_school("one", 1),
            &barrier("edu.example"),
        ])
        .await;
    peer.send(&format!(
        "<iq type='error' from='coop.example' to='energy.example.org' id='{}'>
           <error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
         </iq>",
        first[1]["ping"]
    ))
    .await;
    let mut ping = first[3]["ping"].clone();
    for (item, value) in [("two", 2), ("three", 3)] {
        peer.send(&pong("edu.example", &ping)).await;
        peer.send(&publish(item, item, &watts(value))).await;
        // In between, the other one may be probed.
        let mut wanted = vec![accepted(item, item), to_school(item, value), barrier("edu.example")];
        wanted.reverse();
        while let Some(pattern) = wanted.last() {
            let stanza = peer.recv().await;
            match matches(pattern, &stanza) {
                Ok(found) => {
                    wanted.pop();
                    if let Some(next) = found.get("ping") {
                        ping.clone_from(next);
                    }
                }
                Err(error) => {
                    assert!(matches(&barrier("coop.example"), &stanza).is_ok(), "{error}: {stanza}");
                }
            }
        }
    }
}

#[tokio::test]
async fn killed_while_it_works_it_delivers_what_it_acknowledged() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Held);
    // A stream of publishes, as fast as it goes.
    let burst: String = (0..60).map(|n| publish(&format!("p{n}"), &format!("item-{n}"), &watts(n))).collect();
    peer.send(&burst).await;
    let mut acknowledged = 0;
    while acknowledged < 20 {
        let stanza = peer.recv().await;
        if matches(&accepted(&format!("p{acknowledged}"), &format!("item-{acknowledged}")), &stanza).is_ok() {
            acknowledged += 1;
        }
    }
    stage.courant.kill();
    for stanza in peer.wait_closed().await {
        if matches(&accepted(&format!("p{acknowledged}"), &format!("item-{acknowledged}")), &stanza).is_ok() {
            acknowledged += 1;
        }
    }

    // All of them, in their order; what was not acknowledged may come behind, and is published again.
    let mut peer = stage.start().await;
    for n in 0..acknowledged {
        peer.expect(&event(ADVISER, &format!("item-{n}"), &watts(n), UNDER_CONSENT)).await;
    }
    let last = publish("last", "last", &watts(99));
    peer.send(&last).await;
    let last = event(ADVISER, "last", &watts(99), UNDER_CONSENT);
    let mut behind = acknowledged;
    loop {
        let stanza = peer.recv().await;
        if matches(&last, &stanza).is_ok() {
            break;
        }
        if matches(&accepted("last", "last"), &stanza).is_err() {
            matches(&event(ADVISER, &format!("item-{behind}"), &watts(behind), UNDER_CONSENT), &stanza)
                .unwrap_or_else(|error| panic!("{error}: {stanza}"));
            behind += 1;
        }
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn asked_to_stop_it_says_goodbye() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;
    stage.courant.terminate();
    assert_eq!(peer.wait_closed().await, [GOODBYE]);
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(stage.courant.directory())
        .expect("its directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .filter(|name| name.contains("control"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn asked_to_stop_it_does_not_wait_for_ever() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, _) = delivered(&mut peer, "one", 1).await;
    stage.courant.terminate();
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
    assert_eq!(peer.wait_closed().await, [GOODBYE]);

    // What was not confirmed by then is sent again by the next process.
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    let (again, _) = leaves(&mut peer, "one", 1).await;
    assert_eq!(again, first);
}

#[tokio::test]
async fn asked_to_stop_it_takes_nothing_new() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "one", 1).await;
    stage.courant.terminate();
    stage.courant.log_says("stopping").await;
    let refusal = refused("p2", "resource-constraint", "wait", "");
    peer.ask(&publish("p2", "two", &watts(2)), &refusal).await;
    peer.send(&pong("coop.example", &ping)).await;
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
    assert_eq!(peer.wait_closed().await, [GOODBYE]);
}

#[tokio::test]
async fn asked_twice_to_stop_it_leaves_at_once() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, _) = delivered(&mut peer, "one", 1).await;
    stage.courant.terminate();
    stage.courant.log_says("stopping").await;
    stage.courant.terminate();
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
    // It did not wait for the ping's answer, nor say goodbye.
    assert!(peer.wait_closed().await.is_empty());

    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    let (again, _) = leaves(&mut peer, "one", 1).await;
    assert_eq!(again, first);
}

#[tokio::test]
async fn asked_to_stop_while_no_server_is_there() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    nothing_else(&mut peer).await;
    peer.drop_link().await;
    stage.courant.terminate();
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
}
