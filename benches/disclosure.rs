//! What the disclosure log costs on the way of a publish: `cargo bench --bench disclosure`.
//!
//! One item of 48 records for one recipient, in commits of 64 items: what the relay does (`decide` with and
//! without the line), and what the writer does (`encode_and_link`), each per publish.

use std::sync::Arc;

use courant::domain::clock::Now;
use courant::domain::consent::{Consent, ConsentKey};
use courant::domain::disclosure::Line;
use courant::domain::subscription::{Subscription, SubscriptionKey};
use courant::protocol::publish::Payload;
use courant::relay::pack::Pack;
use courant::relay::rights::{Rights, Update};
use courant::relay::{disclosure, intake};
use courant::store::disclosures::{GENESIS, block, link};
use courant::store::journal::Row;

const SERIES: &str = "urn:dev:prm:30001610071843_consumption/power/active/raw";

/// Items in one commit.
const GROUP: u64 = 64;

fn main() {
    divan::main();
}

fn now() -> Now {
    let wall = "2026-11-21T00:00:00Z".parse().expect("a time");
    Now { wall, mono: std::time::Duration::from_secs(5) }
}

fn rights() -> Rights {
    let consent: Consent = serde_json::from_value(serde_json::json!({
        "id": "0192f3c1-0000-7000-8000-000000000001", "arrangement": "0192f3c1-0000-7000-8000-000000000001",
        "revision": 1, "subject": "ann@home.example", "recipient": "app@coop.example", "scope": [SERIES],
        "purpose": "advice", "lawful_basis": "consent", "valid_from": "2026-01-01T00:00:00Z",
        "valid_until": "2027-01-01T00:00:00Z", "modes": ["notify"], "retention": "P1Y", "method": "cli",
        "state": "active", "since": "2026-01-01T00:00:00Z"
    }))
    .expect("a consent");
    let wish = Subscription {
        jid: consent.recipient.clone().into(),
        node: consent.scope[0].clone(),
        format: Default::default(),
    };
    let mut rights = Rights::default();
    rights.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent))));
    rights.apply(Update::Subscription(SubscriptionKey(1), Some(wish)));
    rights
}

fn pack() -> Pack {
    let rest: String = (1..48).map(|n| format!("<senml t='{}' v='{n}.5'/>", n * 1800)).collect();
    let xml = format!(
        "<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='{SERIES}' bt='1763679600' bu='W' v='342'/>{rest}</sensml>"
    );
    Pack::read(&Payload::Sensml(xml.into_bytes().into()), 1.7e9, 1000).expect("a pack")
}

fn row(seq: u64) -> Row {
    Row {
        seq,
        accepted_at: 0,
        publisher: "gw@prod.example".into(),
        node: SERIES.into(),
        item: format!("{seq}").into(),
        digest: 1,
        owed: Vec::new(),
        payload: Vec::new(),
    }
}

/// Who is owed what: part of every publish, log or no log.
#[divan::bench]
fn decide(bencher: divan::Bencher<'_, '_>) {
    let (rights, pack, now) = (rights(), pack(), now());
    bencher.bench_local(|| intake::owed(&rights, &pack, now));
}

/// The line for it.
#[divan::bench]
fn line(bencher: divan::Bencher<'_, '_>) {
    let (rights, pack, now, row) = (rights(), pack(), now(), row(7));
    let verdicts = intake::owed(&rights, &pack, now);
    bencher.bench_local(|| disclosure::decided(&rights, &pack, &row, &verdicts, false));
}

/// Of a whole commit, one series for all items.
#[divan::bench]
fn encode_and_link_64(bencher: divan::Bencher<'_, '_>) {
    let lines = lines(|_| Arc::from(SERIES));
    bencher.bench_local(|| link(&GENESIS, 0, &block::encode(&lines)));
}

/// Of a whole commit, another series for each item.
#[divan::bench]
fn encode_and_link_64_series(bencher: divan::Bencher<'_, '_>) {
    let lines = lines(|seq| format!("{SERIES}{seq}").into());
    bencher.bench_local(|| link(&GENESIS, 0, &block::encode(&lines)));
}

fn lines(node: impl Fn(u64) -> Arc<str>) -> Vec<Line> {
    let (rights, pack) = (rights(), pack());
    let verdicts = intake::owed(&rights, &pack, now());
    let line = |seq| {
        let line = disclosure::decided(&rights, &pack, &row(seq), &verdicts, false);
        let Some(Line::Decided(mut decided)) = line else { panic!("a line") };
        decided.node = node(seq);
        Line::Decided(decided)
    };
    (0..GROUP).map(line).collect()
}
