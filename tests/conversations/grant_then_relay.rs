//! A consent is given, a day is published, and the adviser has it: once her server has said so.

use courant::store::Store;
use sqlx::{Connection, SqliteConnection};
use tokio::time::{Duration, sleep};

use super::stage::{
    IMPATIENT, SERIES, Stage, UNDER_CONSENT, accepted, barrier, event, nothing_else, pong, publish, refused,
    watts,
};
use crate::support::{PATIENCE, Peer, Pings};

const ADVISER: &str = "adviser@coop.example";

#[tokio::test]
async fn a_day_of_half_hours_arrives_under_its_terms() {
    let (_stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);

    // Midnight, and 47 half-hours behind it.
    let half_hours: String =
        (1..48).map(|n| format!("<senml t='{}' v='{}.5'/>", n * 1800, 300 + n)).collect();
    let day = format!(
        "<senml bn='urn:dev:prm:30001610071843_consumption/power/active/raw' bt='1763679600' bu='W' v='342'/>
         {half_hours}"
    );
    peer.send(&format!(
        "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p1'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'>
             <publish node='urn:dev:prm:30001610071843_consumption/power/active/raw'>
               <item id='2025-11-21'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{day}</sensml></item>
             </publish>
           </pubsub>
         </iq>"
    ))
    .await;
    peer.expect(
        "<iq type='result' from='energy.example.org' to='gw@prod.example/1' id='p1'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'>
             <publish node='urn:dev:prm:30001610071843_consumption/power/active/raw'>
               <item id='2025-11-21'/>
             </publish>
           </pubsub>
         </iq>",
    )
    .await;
    let delivery = peer
        .expect(&format!(
            "<message type='normal' from='energy.example.org' to='adviser@coop.example' id='{{id}}'>
               <event xmlns='http://jabber.org/protocol/pubsub#event'>
                 <items node='urn:dev:prm:30001610071843_consumption/power/active/raw'>
                   <item id='2025-11-21' publisher='gw@prod.example'>
                     <sensml xmlns='urn:ietf:params:xml:ns:senml'>{day}</sensml>
                   </item>
                 </items>
               </event>
               <terms xmlns='urn:courant:0' consent='{{consent}}' purpose='advice' retention='P1Y'
                 expires='{{expires}}'/>
               <origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
             </message>"
        ))
        .await;
    assert_eq!(delivery["consent"], consent);
    let ping = peer
        .expect(
            "<iq type='get' from='energy.example.org' to='coop.example' id='{ping}'>
               <ping xmlns='urn:xmpp:ping'/>
             </iq>",
        )
        .await;
    let ping = &ping["ping"];
    peer.send(&format!("<iq type='result' from='coop.example' to='energy.example.org' id='{ping}'/>")).await;
    nothing_else(&mut peer).await;
}

/// Publish one value and see it leave, with the barrier behind it; gives the delivery's id and the ping's.
async fn delivered(peer: &mut Peer, item: &str, value: u32) -> (String, String) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    leaves(peer, item, value).await
}

async fn leaves(peer: &mut Peer, item: &str, value: u32) -> (String, String) {
    let delivery = peer.expect(&event(ADVISER, item, &watts(value), UNDER_CONSENT)).await;
    let ping = peer.expect(&barrier("coop.example")).await;
    (delivery["id"].clone(), ping["ping"].clone())
}

/// Publish one value that has to wait.
async fn queued(peer: &mut Peer, item: &str, value: u32) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    nothing_else(peer).await;
}

#[tokio::test]
async fn the_next_batch_waits_for_the_pong() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);

    let (first, ping) = delivered(&mut peer, "one", 1).await;
    queued(&mut peer, "two", 2).await;
    queued(&mut peer, "three", 3).await;

    // Both leave behind one barrier, in their order.
    peer.send(&pong("coop.example", &ping)).await;
    let second = peer.expect(&event(ADVISER, "two", &watts(2), UNDER_CONSENT)).await;
    let third = peer.expect(&event(ADVISER, "three", &watts(3), UNDER_CONSENT)).await;
    let next_ping = peer.expect(&barrier("coop.example")).await;
    assert!(first != second["id"] && second["id"] != third["id"] && ping != next_ping["ping"]);

    // A pong that is said again confirms nothing more.
    peer.send(&pong("coop.example", &ping)).await;
    queued(&mut peer, "four", 4).await;
    peer.send(&pong("coop.example", &next_ping["ping"])).await;
    leaves(&mut peer, "four", 4).await;
}

#[tokio::test]
async fn what_no_pong_covers_is_sent_again_before_anything_later() {
    let (_stage, _, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "zero", 0).await;
    peer.send(&pong("coop.example", &ping)).await;

    let (first, late) = delivered(&mut peer, "one", 1).await;
    queued(&mut peer, "two", 2).await;

    // No answer for a second: is it there at all?
    let probe = peer.expect(&barrier("coop.example")).await;
    // The late answer proves nothing any more: that server may have lost the batch with its memory.
    peer.send(&pong("coop.example", &late)).await;
    nothing_else(&mut peer).await;

    peer.send(&pong("coop.example", &probe["ping"])).await;
    let again = peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    assert_eq!(again["id"], first, "the same origin id, so that the receiver knows it");
    let (_, ping) = leaves(&mut peer, "two", 2).await;
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
}

/// A ping comes back.
fn ping_error(ping: &str, condition: &str, type_: &str) -> String {
    format!(
        "<iq type='error' from='coop.example' to='energy.example.org' id='{ping}'>
           <error type='{type_}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
         </iq>"
    )
}

#[tokio::test]
async fn a_server_that_does_not_know_pings_has_answered_too() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "one", 1).await;
    peer.send(&ping_error(&ping, "service-unavailable", "cancel")).await;
    let (_, ping) = delivered(&mut peer, "two", 2).await;
    peer.send(&ping_error(&ping, "feature-not-implemented", "cancel")).await;
    delivered(&mut peer, "three", 3).await;
}

#[tokio::test]
async fn a_server_that_is_stopping_does_not_speak_for_another() {
    let (_stage, _, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (first, ping) = delivered(&mut peer, "one", 1).await;
    // As Prosody says it in the other's name while it stops: neither message nor ping ever left.
    peer.send(&bounce(ADVISER, &first, "not-allowed", "cancel")).await;
    peer.send(&ping_error(&ping, "not-allowed", "cancel")).await;
    let probe = peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &probe["ping"])).await;
    let (again, _) = leaves(&mut peer, "one", 1).await;
    assert_eq!(again, first);
}

/// A delivery comes back.
fn bounce(from: &str, id: &str, condition: &str, type_: &str) -> String {
    format!(
        "<message type='error' from='{from}' to='energy.example.org' id='{id}'>
           <error type='{type_}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
         </message>"
    )
}

#[tokio::test]
async fn a_server_that_is_not_reached_is_tried_again() {
    let (_stage, _, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (first, ping) = delivered(&mut peer, "one", 1).await;

    // The message and the ping come back, as a server does that finds no other end. Their types lie.
    peer.send(&bounce(ADVISER, &first, "remote-server-not-found", "cancel")).await;
    peer.send(&ping_error(&ping, "remote-server-not-found", "cancel")).await;

    // Only a ping asks whether it is back, and again.
    let probe = peer.expect(&barrier("coop.example")).await;
    peer.send(&ping_error(&probe["ping"], "remote-server-timeout", "wait")).await;
    let probe = peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &probe["ping"])).await;

    // The message comes back although the ping is answered: the batch is sent again.
    let (again, ping) = leaves(&mut peer, "one", 1).await;
    assert_eq!(again, first);
    peer.send(&bounce(ADVISER, &first, "remote-server-timeout", "wait")).await;
    peer.send(&pong("coop.example", &ping)).await;
    let probe = peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &probe["ping"])).await;
    let (again, ping) = leaves(&mut peer, "one", 1).await;
    assert_eq!(again, first);
    peer.send(&pong("coop.example", &ping)).await;
    delivered(&mut peer, "two", 2).await;
}

#[tokio::test]
async fn a_delivery_that_comes_back_for_good_is_a_dead_letter() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, ping) = delivered(&mut peer, "one", 1).await;
    peer.send(&bounce(ADVISER, &first, "service-unavailable", "cancel")).await;
    queued(&mut peer, "two", 2).await;
    // The ping behind it got there, and so did it: it is not tried again.
    peer.send(&pong("coop.example", &ping)).await;
    leaves(&mut peer, "two", 2).await;
    dead_letters(&stage, 1).await;

    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    leaves(&mut peer, "two", 2).await;
}

#[tokio::test]
async fn only_the_recipients_own_address_can_give_a_delivery_up() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (first, ping) = delivered(&mut peer, "one", 1).await;
    for stranger in ["mallory@coop.example", "mallory@evil.example", "evil.example", "coop.example"] {
        peer.send(&bounce(stranger, &first, "service-unavailable", "cancel")).await;
        peer.send(&bounce(stranger, &first, "remote-server-not-found", "cancel")).await;
    }
    peer.send(&bounce(ADVISER, "of-another", "service-unavailable", "cancel")).await;
    // Believed, they would have it sent again, or given up.
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    delivered(&mut peer, "two", 2).await;
    dead_letters(&stage, 0).await;
}

#[tokio::test]
async fn only_the_domain_itself_can_answer_its_ping() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "one", 1).await;
    for stranger in ["evil.example", "adviser@coop.example", "coop.example/x", "example.org"] {
        peer.send(&pong(stranger, &ping)).await;
        peer.send(&format!(
            "<iq type='error' from='{stranger}' to='energy.example.org' id='{ping}'>
               <error type='cancel'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
             </iq>"
        ))
        .await;
    }
    peer.send(&pong("coop.example", "b-0-1")).await;
    queued(&mut peer, "two", 2).await;
    peer.send(&pong("coop.example", &ping)).await;
    leaves(&mut peer, "two", 2).await;
}

#[tokio::test]
async fn a_large_pack_leaves_in_parts() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    // 320 000 bytes: larger than what all servers let through.
    let note = "x".repeat(8000);
    let notes = |from: u32, until: u32| {
        (from..until)
            .map(|n| format!("<senml n='{SERIES}' t='{}' vs='{n} {note}'/>", 1_763_679_600 + n))
            .collect::<String>()
    };
    peer.ask(&publish("p1", "big", &notes(0, 40)), &accepted("p1", "big")).await;
    let part = |item: &str, id: &str, records: &str| {
        event(ADVISER, item, records, UNDER_CONSENT).replace("{id}", id)
    };
    let first = peer.expect(&part("big", "{id}", &notes(0, 20))).await;
    peer.expect(&part("big~2", &format!("{}~2", first["id"]), &notes(20, 40))).await;
    peer.expect(&barrier("coop.example")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_full_queue_asks_to_wait() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("[limits]\nqueue_packs = 2").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "one", 1).await;
    queued(&mut peer, "two", 2).await;
    peer.ask(&publish("p3", "three", &watts(3)), &refused("p3", "resource-constraint", "wait", "")).await;

    peer.send(&pong("coop.example", &ping)).await;
    leaves(&mut peer, "two", 2).await;
    queued(&mut peer, "three", 3).await;
}

#[tokio::test]
async fn what_is_not_worth_delivering_any_more_is_not() {
    let more = format!("{IMPATIENT}\ntime_to_live = \"PT1S\"");
    let (_stage, _, mut peer) = Stage::with_an_adviser(&more).await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, "zero", 0).await;
    peer.send(&pong("coop.example", &ping)).await;

    // When its server is found again, more than a second has passed.
    delivered(&mut peer, "one", 1).await;
    let probe = peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &probe["ping"])).await;
    nothing_else(&mut peer).await;
    delivered(&mut peer, "two", 2).await;
}

#[tokio::test]
async fn deliveries_may_be_headlines() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("[pubsub]\nnotification_type = \"headline\"").await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let headline = event(ADVISER, "one", &watts(1), UNDER_CONSENT).replace("'normal'", "'headline'");
    peer.expect(&headline).await;
}

#[tokio::test]
async fn a_store_that_fails_refuses_and_keeps_nothing() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let mut database = SqliteConnection::connect(&books(&stage)).await.expect("the database");
    sqlx::query("ALTER TABLE journal RENAME TO away").execute(&mut database).await.expect("rename");
    let answer =
        peer.ask(&publish("p1", "one", &watts(1)), &refused("p1", "internal-server-error", "wait", "")).await;
    assert!(answer["text"].contains("try again"), "{}", answer["text"]);
    nothing_else(&mut peer).await;

    sqlx::query("ALTER TABLE away RENAME TO journal").execute(&mut database).await.expect("rename");
    database.close().await.expect("close");
    // The same again is no repetition.
    delivered(&mut peer, "one", 1).await;
}

fn books(stage: &Stage) -> String {
    format!("sqlite:{}/courant.db", stage.courant.directory().display())
}

/// As many deliveries were given up, by the books.
async fn dead_letters(stage: &Stage, count: usize) {
    let store = Store::open(&books(stage), Default::default()).await.expect("the store");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let dead = store.dead_deliveries().await.expect("dead letters");
        if dead.len() == count {
            store.close().await;
            return;
        }
        // Written with the next commit.
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the books do not show {count} dead letters");
}
