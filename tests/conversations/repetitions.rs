//! A gateway that saw no answer publishes again: it is answered, and nothing is forwarded a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::time::{Instant, sleep};

use super::stage::{SERIES, Stage, publish, watts};
use crate::support::{PATIENCE, Peer, Pings};

const ADVISER: &str = "adviser@coop.example";

/// Its consent begins after everything was published.
const LATER: &str = "later@coop.example";

/// Publishes under way when the link breaks.
const UNDER_WAY: u32 = 64;

/// Sends the items without waiting for answers, reads until the service has answered all of them, and gives what
/// was delivered meanwhile.
async fn publish_all(peer: &mut Peer, turn: u32, items: &[(String, u32)]) -> Vec<Delivery> {
    let all: String =
        items.iter().map(|(item, value)| publish(&format!("{turn}-{item}"), item, &watts(*value))).collect();
    peer.send(&all).await;
    let mut delivered = Vec::new();
    let mut answered = Vec::new();
    while answered.len() < items.len() {
        match hear(peer).await {
            Heard::Delivery(delivery) => delivered.push(delivery),
            Heard::Result(id) => answered.push(id),
        }
    }
    let mut wanted: Vec<String> = items.iter().map(|(item, _)| format!("{turn}-{item}")).collect();
    wanted.sort();
    answered.sort();
    assert_eq!(answered, wanted);
    delivered
}

/// (recipient, item, origin-id)
type Delivery = (String, String, String);

enum Heard {
    Delivery(Delivery),
    /// The publish of this id was answered.
    Result(String),
}

async fn hear(peer: &mut Peer) -> Heard {
    loop {
        let stanza = peer.recv().await;
        let attribute = |before: &str, name: &str| {
            let rest = stanza.split(before).nth(1)?.split(&format!("{name}='")).nth(1)?;
            rest.split('\'').next().map(str::to_owned)
        };
        if stanza.starts_with("<message") {
            let found =
                (attribute("<message", "to"), attribute("<item ", "id"), attribute("<origin-id", "id"));
            let (Some(to), Some(item), Some(origin)) = found else { panic!("{stanza}") };
            return Heard::Delivery((to, item, origin));
        }
        // A ping to a recipient's server goes unanswered.
        if !stanza.contains("type='get'") {
            assert!(stanza.starts_with("<iq") && stanza.contains("type='result'"), "{stanza}");
            return Heard::Result(attribute("<iq", "id").expect("an id"));
        }
    }
}

/// Reads on until so many origin-ids were delivered.
async fn until_delivered(peer: &mut Peer, delivered: &mut Vec<Delivery>, origins: usize) {
    let count = |delivered: &[Delivery]| delivered.iter().map(|d| &d.2).collect::<BTreeSet<_>>().len();
    while count(delivered) < origins {
        match hear(peer).await {
            Heard::Delivery(delivery) => delivered.push(delivery),
            Heard::Result(id) => panic!("nobody asked for {id}"),
        }
    }
    nothing_new(peer, delivered).await;
    assert_eq!(count(delivered), origins, "{delivered:?}");
}

/// Has the service answer, and takes what comes before.
async fn nothing_new(peer: &mut Peer, delivered: &mut Vec<Delivery>) {
    peer.send(
        "<iq type='get' from='admin@example.org/desk' to='energy.example.org' id='there'>\
         <ping xmlns='urn:xmpp:ping'/></iq>",
    )
    .await;
    while let Heard::Delivery(delivery) = hear(peer).await {
        delivered.push(delivery);
    }
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
    until_delivered(&mut peer, &mut delivered, items.len()).await;
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
    peer.pings(Pings::Received);
    for turn in 2..4 {
        delivered.extend(publish_all(&mut peer, turn, &items).await);
    }
    nothing_new(&mut peer, &mut delivered).await;
    assert!(!one_origin_each(&delivered).is_empty());
    let status = stage.cli(&["queue", "status"]);
    assert!(status.contains("64 waiting") && status.contains("last item 64"), "{status}");
}

#[tokio::test]
async fn the_last_content_of_an_id_counts_after_a_restart_too() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    let mut delivered = Vec::new();
    // A, B, then A again: a correction back. Each time twice.
    for (turn, value) in (1..).zip([1, 1, 2, 2, 1, 1]) {
        delivered.extend(publish_all(&mut peer, turn, &[("day".to_owned(), value)]).await);
        until_delivered(&mut peer, &mut delivered, turn.div_ceil(2) as usize).await;
        stage.courant.kill();
        peer = stage.start().await;
    }
    let known = [("day".to_owned(), 1)];
    delivered.extend(publish_all(&mut peer, 7, &known).await);
    until_delivered(&mut peer, &mut delivered, 3).await;
}

/// An earlier version hashed without a key, to half as many bits.
#[tokio::test]
async fn what_an_earlier_version_took_in_is_known_again() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    let items = items(UNDER_WAY);
    let mut delivered = publish_all(&mut peer, 1, &items).await;
    stage.courant.kill();
    let path = format!("sqlite:{}/courant.db", stage.courant.directory().display());
    let mut database = SqliteConnection::connect(&path).await.expect("the database");
    let older = "UPDATE journal SET digest = 1 + seq, digest_high = 0";
    sqlx::query(older).execute(&mut database).await.expect("rows");
    database.close().await.expect("closed");
    stage.consents(LATER, &[SERIES], &[]);
    let mut peer = stage.start().await;
    delivered.extend(publish_all(&mut peer, 2, &items).await);
    until_delivered(&mut peer, &mut delivered, items.len()).await;
    assert_eq!(one_origin_each(&delivered).len(), items.len());
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_of_the_busiest_node_is_new_again() {
    let (stage, _, mut peer) = Stage::with_an_adviser("[limits]\nrepetitions = 16").await;
    let mut delivered = publish_all(&mut peer, 1, &items(20)).await;
    delivered.extend(publish_all(&mut peer, 2, &items(20).split_off(4)).await);
    until_delivered(&mut peer, &mut delivered, 20).await;
    assert_eq!(one_origin_each(&delivered).len(), 20);
    delivered.extend(publish_all(&mut peer, 3, &items(1)).await);
    until_delivered(&mut peer, &mut delivered, 21).await;
    assert_eq!(delivered.last().map(|delivery| &*delivery.1), Some("i1"));
    stage.courant.log_says("[limits] repetitions is reached").await;
    // It is counted with the next commit.
    let deadline = Instant::now() + PATIENCE;
    while !stage.cli(&["queue", "status"]).contains("5 items were forgotten before their time") {
        assert!(Instant::now() < deadline, "{}", stage.cli(&["queue", "status"]));
        sleep(Duration::from_millis(20)).await;
    }
}
