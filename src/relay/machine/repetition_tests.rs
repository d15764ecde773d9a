//! The same item published again: for how long, and after what, it is known.

use jid::BareJid;

use super::super::delivery::Answer;
use super::tests::{answer, at, pump, relay};
use super::*;
use crate::domain::name::Scope;
use crate::domain::subscription::Subscription;
use crate::protocol::publish::Payload;

/// Publishes one value, at this second; `node` or none for a pack that names its series.
fn send(relay: &mut Relay, node: Option<&str>, item: &str, value: u32, second: u64) {
    let reply_to =
        ReplyTo { from: "gw@a.example/1".into(), to: "energy.a.example".into(), id: None, is_iq: true };
    let pack = format!(
        "<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='urn:a' bt='1.7e9' v='{value}'/></sensml>"
    );
    let publish = Publish {
        reply_to,
        sender: BareJid::new("gw@a.example").unwrap(),
        node: node.map(str::to_owned),
        items: vec![(Some(item.into()), Payload::Sensml(pack.into_bytes().into()))],
    };
    relay.publish(publish, at(second)).unwrap();
}

/// Publishes one value; whether it became a row of the journal.
fn is_new(relay: &mut Relay, item: &str, value: u32, second: u64) -> bool {
    send(relay, Some("urn:a"), item, value, second);
    let rows = relay.take_batch(at(second)).map_or(0, |batch| batch.rows.len());
    relay.committed(true);
    assert!(relay.take_settled().iter().all(|settled| settled.outcome.is_ok()));
    rows == 1
}

/// What is to be written, and that its destinations have it.
fn deliver(relay: &mut Relay) {
    let (text, _) = pump(relay);
    answer(relay, &text, Answer::Taken);
}

/// Ticks of these seconds.
fn wait(relay: &mut Relay, seconds: std::ops::RangeInclusive<u64>) {
    for second in seconds {
        relay.tick(at(second));
        let _ = relay.take_batch(at(second));
        relay.committed(true);
    }
}

fn subscribe(relay: &mut Relay, key: u64, jid: &str) {
    let wish = Subscription {
        jid: jid::Jid::new(jid).unwrap(),
        node: Scope::parse("urn:a").unwrap(),
        format: Default::default(),
    };
    relay.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
}

#[test]
fn an_item_is_known_until_ten_minutes_after_its_delivery() {
    let mut relay = relay();
    assert!(is_new(&mut relay, "1", 1, 1));
    // It waits for an hour.
    wait(&mut relay, 2..=3600);
    assert!(!is_new(&mut relay, "1", 1, 3600));
    deliver(&mut relay);
    wait(&mut relay, 3601..=4200);
    assert!(!is_new(&mut relay, "1", 1, 4200));
    wait(&mut relay, 4201..=4203);
    assert!(is_new(&mut relay, "1", 1, 4203));
}

#[test]
fn what_nobody_is_owed_is_known_for_ten_minutes() {
    let mut relay = relay();
    relay.apply(Update::Subscription(SubscriptionKey(1), None));
    assert!(is_new(&mut relay, "1", 1, 1));
    wait(&mut relay, 2..=600);
    assert!(!is_new(&mut relay, "1", 1, 600));
    wait(&mut relay, 601..=603);
    assert!(is_new(&mut relay, "1", 1, 603));
}

#[test]
fn one_that_is_down_does_not_keep_others_items_known() {
    let mut relay = relay();
    subscribe(&mut relay, 2, "app@down.example");
    assert!(is_new(&mut relay, "for both", 1, 1));
    let (text, _) = pump(&mut relay);
    relay.apply(Update::Subscription(SubscriptionKey(2), None));
    assert!(is_new(&mut relay, "for one", 1, 1));
    let to_b = text.find("to='b.example' id='b-r-").unwrap();
    answer(&mut relay, &text[to_b..], Answer::Taken);
    deliver(&mut relay);
    wait(&mut relay, 2..=590);
    assert!(!is_new(&mut relay, "for one", 1, 590) && !is_new(&mut relay, "for both", 1, 590));
    wait(&mut relay, 591..=610);
    assert!(is_new(&mut relay, "for one", 1, 610));
    assert!(!is_new(&mut relay, "for both", 1, 610), "it is still owed");
}

#[test]
fn the_last_content_counts_though_a_commit_fails() {
    let mut relay = relay();
    assert!(is_new(&mut relay, "1", 1, 1));
    assert!(is_new(&mut relay, "1", 2, 1));
    assert!(!is_new(&mut relay, "1", 2, 1) && is_new(&mut relay, "1", 1, 1), "a correction back");
    send(&mut relay, Some("urn:a"), "1", 3, 1);
    assert!(relay.take_batch(at(1)).is_some());
    send(&mut relay, Some("urn:a"), "1", 1, 1);
    relay.committed(false);
    assert!(relay.take_settled().iter().all(|settled| settled.outcome == Err(Refusal::Storage)));
    relay.tick(at(1));
    assert!(!is_new(&mut relay, "1", 1, 1), "it never was anything else");
    assert!(is_new(&mut relay, "1", 3, 1));
}

#[test]
fn two_of_the_same_under_way_are_one() {
    let mut relay = relay();
    for value in [1, 1, 2, 2, 1, 1] {
        send(&mut relay, Some("urn:a"), "1", value, 1);
    }
    assert!(relay.take_settled().is_empty(), "nothing is answered before it is kept");
    let batch = relay.take_batch(at(1)).unwrap();
    assert_eq!(batch.rows.len(), 3, "a correction, and one back");
    send(&mut relay, Some("urn:a"), "1", 1, 1);
    assert!(relay.take_batch(at(1)).is_none());
    relay.committed(true);
    assert!(relay.take_batch(at(1)).is_none());
    assert_eq!(relay.take_settled().len(), 7);
}

#[test]
fn a_pack_that_names_its_series_is_known_by_its_id() {
    let mut relay = relay();
    for (id, rows) in [("o1", 1), ("o1", 0), ("o2", 1), ("o1", 0)] {
        send(&mut relay, None, id, 1, 1);
        assert_eq!(relay.take_batch(at(1)).map_or(0, |batch| batch.rows.len()), rows, "{id}");
        relay.committed(true);
    }
    assert!(!is_new(&mut relay, "o2", 1, 1), "on its node it is that item");
}

#[test]
fn what_the_journal_has_is_known_after_a_restart() {
    let mut first = relay();
    let mut outlines = Vec::new();
    for (item, value) in [("1", 1), ("2", 1), ("1", 2), ("3", 1)] {
        send(&mut first, Some("urn:a"), item, value, 1);
        let row = first.take_batch(at(1)).unwrap().rows.remove(0);
        first.committed(true);
        let (seq, accepted_at, digest, owed) = (row.seq, row.accepted_at, row.digest, row.owed);
        let (node, item) = (row.node.to_string(), row.item.to_string());
        outlines.push(Outline { seq, accepted_at, node, item, digest, owed });
    }
    let mut relay = relay();
    // The row of item 2 is only there since a dead letter names it.
    relay.know_pruned(2);
    outlines.iter().skip(1).for_each(|outline| relay.recover(outline));
    assert!(!is_new(&mut relay, "1", 2, 1) && !is_new(&mut relay, "3", 1, 1));
    assert!(is_new(&mut relay, "2", 1, 1));
    assert!(is_new(&mut relay, "1", 1, 1), "the last content counts");
}

#[test]
fn what_is_tried_again_is_known_until_it_is_delivered() {
    let mut relay = relay();
    send(&mut relay, Some("urn:a"), "1", 1, 1);
    let row = relay.take_batch(at(1)).unwrap().rows.remove(0);
    relay.committed(true);
    deliver(&mut relay);
    wait(&mut relay, 2..=500);
    // It came back: its recipient's account was full.
    relay.revive(1, 1, row, false, at(500));
    assert!(relay.take_batch(at(500)).is_some());
    relay.committed(true);
    wait(&mut relay, 501..=3000);
    assert!(!is_new(&mut relay, "1", 1, 3000));
    deliver(&mut relay);
    wait(&mut relay, 3001..=3700);
    assert!(is_new(&mut relay, "1", 1, 3700));
}

#[test]
fn a_row_of_an_earlier_version_is_known_by_its_payload() {
    let mut first = relay();
    send(&mut first, Some("urn:a"), "1", 1, 1);
    let row = first.take_batch(at(1)).unwrap().rows.remove(0);
    assert_eq!(first.digest_of(&Row { digest: 7, ..row.clone() }), row.digest);
}

#[test]
fn what_is_retracted_while_it_is_written_is_new() {
    let mut relay = relay();
    send(&mut relay, Some("urn:a"), "1", 1, 1);
    assert!(relay.take_batch(at(1)).is_some());
    relay.forget("urn:a", Some("1"));
    send(&mut relay, Some("urn:a"), "2", 1, 1);
    relay.committed(true);
    assert!(relay.take_batch(at(1)).is_some());
    relay.committed(true);
    assert!(!is_new(&mut relay, "2", 1, 1), "it was behind that");
    assert!(is_new(&mut relay, "1", 1, 1));
}
