//! A gateway that saw no answer publishes again: it is answered, and nothing is forwarded a second time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::stage::{SERIES, Stage, accepted, publish, watts};
use crate::support::{Peer, Pings};

const ADVISER: &str = "adviser@coop.example";

/// Its consent begins after everything was published.
const LATER: &str = "later@coop.example";

/// Publishes under way when the link breaks.
const UNDER_WAY: u32 = 64;

/// Sends the items without waiting for answers, reads until the service has answered all of them, and gives what was delivered meanwhile, as (recipient, item, origin-id).
async fn publish_all(peer: &mut Peer, turn: u32, items: &[(String, u32)]) -> Vec<(String, String, String)> {
    let all: String =
        items.iter().map(|(item, value)| publish(&format!("{turn}-{item}"), item, &watts(*value))).collect();
    peer.send(&all).await;
    let mut delivered = Vec::new();
    let mut answered = Vec::new();
    let there = format!("there-{turn}");
    let mut is_there = false;
    while !is_there {
        let stanza = peer.recv().await;
        let attribute = |before: &str, name: &str| {
            let rest = stanza.split(before).nth(1)?.split(&format!("{name}='")).nth(1)?;
            rest.split('\'').next().map(str::to_owned)
        };
        if stanza.starts_with("<message") {
            let found =
                (attribute("<message", "to"), attribute("<item ", "id"), attribute("<origin-id", "id"));
            let (Some(to), Some(item), Some(origin)) = found else { panic!("{stanza}") };
            delivered.push((to, item, origin));
        } else if stanza.contains(&there) {
            is_there = true;
        } else if stanza.contains("type='get'") {
            // A ping to a recipient's server, which says nothing.
        } else {
            assert!(stanza.starts_with("<iq") && stanza.contains("type='result'"), "{stanza}");
            answered.extend(attribute("<iq", "id"));
            if answered.len() == items.len() {
                peer.send(&format!(
                    "<iq type='get' from='admin@example.org/desk' to='energy.example.org' id='{there}'>\
                     <ping xmlns='urn:xmpp:ping'/></iq>"
                ))
                .await;
            }
        }
    }
    let mut wanted: Vec<String> = items.iter().map(|(item, _)| format!("{turn}-{item}")).collect();
    wanted.sort();
    answered.sort();
    assert_eq!(answered, wanted);
    delivered
}

/// One origin-id for each item, whatever was delivered how often.
#[track_caller]
fn one_origin_each(delivered: &[(String, String, String)]) -> BTreeMap<&str, &str> {
    let mut origins = BTreeMap::new();
    for (to, item, origin) in delivered {
        assert_eq!(to, ADVISER, "item {item} was accepted before the consent began");
        let held = *origins.entry(item.as_str()).or_insert(origin.as_str());
        assert_eq!(held, origin, "item {item} was forwarded twice");
    }
    origins
}

fn items(count: u32) -> Vec<(String, u32)> {
    (1..=count).map(|n| (format!("i{n}"), n)).collect()
}

#[tokio::test]
async fn all_that_was_under_way_at_a_kill_is_known_again() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    let items = items(UNDER_WAY);
    let mut delivered = publish_all(&mut peer, 1, &items).await;
    // The gateway heard none of the answers.
    stage.courant.kill();
    stage.consents(LATER, &[SERIES], &[]);
    let mut peer = stage.start().await;
    delivered.extend(publish_all(&mut peer, 2, &items).await);
    stage.courant.kill();
    let mut peer = stage.start().await;
    delivered.extend(publish_all(&mut peer, 3, &items).await);
    assert_eq!(one_origin_each(&delivered).len(), items.len());
}

#[tokio::test]
async fn what_no_server_took_yet_is_known_again() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let items = items(UNDER_WAY);
    let mut delivered = publish_all(&mut peer, 1, &items).await;
    stage.courant.kill();
    stage.consents(LATER, &[SERIES], &[]);
    let mut peer = stage.start().await;
    delivered.extend(publish_all(&mut peer, 2, &items).await);
    delivered.extend(publish_all(&mut peer, 3, &items).await);
    assert_eq!(one_origin_each(&delivered).len(), items.len());
}

#[tokio::test]
async fn the_last_content_of_an_id_counts_after_a_restart_too() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    let mut turn = 0;
    let mut origins = Vec::new();
    // A, B, then A again: a correction back. Each time twice.
    for value in [1, 2, 1] {
        for _ in 0..2 {
            turn += 1;
            let one = [("day".to_owned(), value)];
            let delivered = publish_all(&mut peer, turn, &one).await;
            origins.extend(delivered.into_iter().map(|(_, _, origin)| origin));
            stage.courant.kill();
            peer = stage.start().await;
        }
    }
    turn += 1;
    origins.extend(publish_all(&mut peer, turn, &[("day".to_owned(), 1)]).await.into_iter().map(|d| d.2));
    origins.sort();
    origins.dedup();
    assert_eq!(origins.len(), 3);
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_of_the_busiest_node_is_new_again() {
    let (stage, _, mut peer) = Stage::with_an_adviser("[limits]\nrepetitions = 16").await;
    let mut delivered = publish_all(&mut peer, 1, &items(20)).await;
    peer.ask(&publish("again", "i20", &watts(20)), &accepted("again", "i20")).await;
    let last: Vec<_> = items(20).split_off(4);
    delivered.extend(publish_all(&mut peer, 2, &last).await);
    assert_eq!(one_origin_each(&delivered).len(), 20);
    let again = publish_all(&mut peer, 3, &items(1)).await;
    let first = &one_origin_each(&delivered)["i1"].to_owned();
    assert!(matches!(&again[..], [(_, item, origin)] if item == "i1" && origin != first), "{again:?}");
    stage.courant.log_says("[limits] repetitions is reached").await;
    // It is counted with the next commit.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !stage.cli(&["queue", "status"]).contains("5 items were forgotten before their time") {
        assert!(Instant::now() < deadline, "{}", stage.cli(&["queue", "status"]));
        sleep(Duration::from_millis(20)).await;
    }
}
