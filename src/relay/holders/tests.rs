use super::super::intake;
use super::super::owed::{Basis, Selection};
use super::super::rights::{Rights, Update};
use super::*;
use crate::domain::clock::Now;
use crate::domain::consent::ConsentKey;
use crate::domain::consent::tests::sample;
use crate::domain::decision::Denial;
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::subscription::{Subscription, SubscriptionKey};
use crate::protocol::publish::Payload;

const NAME: &str = "urn:x:1";

/// The border between two tenures, seconds since 1970.
const BORDER: i64 = 1_780_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(BORDER + second).unwrap()
}

fn now() -> Now {
    Now { wall: at(100_000), mono: Default::default() }
}

/// Registrations as JSON, by their places.
fn registered(list: serde_json::Value) -> Rights {
    let list: Vec<Series> = serde_json::from_value(list).unwrap();
    let mut rights = Rights::default();
    for (key, series) in (1..).zip(list) {
        rights.apply(Update::Series(key, Some(Box::new(series))));
    }
    rights
}

/// Ann, then carol.
fn moved() -> serde_json::Value {
    serde_json::json!({"name": NAME, "tenures": [
        {"holder": "ann@home.example", "from": null},
        {"holder": "carol@home.example", "from": at(0), "recorded": at(0)},
    ]})
}

fn subscribe(rights: &mut Rights, key: u64, who: &str) {
    let node = Scope::parse("urn:x:*").unwrap();
    let wish = Subscription {
        jid: format!("{who}@home.example").parse().unwrap(),
        node,
        format: Default::default(),
    };
    rights.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
}

fn consent(rights: &mut Rights, key: u64, of: &str, to: &str) {
    let mut consent = sample();
    consent.id = uuid::Uuid::from_u128(key.into());
    consent.subject = format!("{of}@home.example").parse().unwrap();
    consent.recipient = format!("{to}@home.example").parse().unwrap();
    consent.scope = vec![Scope::parse("urn:x:*").unwrap()];
    consent.valid_until = at(1_000_000);
    rights.apply(Update::Consent(ConsentKey(key), Some(Box::new(consent))));
}

/// A pack with a record at each of these seconds around the border.
fn pack(name: &str, seconds: &[i64]) -> Pack {
    let records: String =
        seconds.iter().map(|s| format!("<senml n='{name}' t='{}' v='1'/>", BORDER + s)).collect();
    let xml = format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>");
    Pack::read(&Payload::Sensml(xml.into_bytes().into()), 1.7e9, 1000).unwrap()
}

fn some(records: &[u32]) -> Selection {
    Selection::Some(records.to_vec())
}

type Decided = (Vec<(u64, Basis, Selection)>, Vec<(u64, Denial, Selection)>);

fn decided(rights: &Rights, pack: &Pack) -> Decided {
    let verdicts = intake::owed(rights, pack, now());
    let mut owed: Vec<_> =
        verdicts.owed.into_iter().map(|owed| (owed.subscription.0, owed.basis, owed.records)).collect();
    owed.sort_by_key(|(key, basis, _)| (*key, format!("{basis:?}")));
    let denied = verdicts.denied.into_iter().map(|d| (d.subscription.0, d.reason, d.records));
    let mut denied: Vec<_> = denied.collect();
    denied.sort_by_key(|(key, reason, _)| (*key, *reason));
    (owed, denied)
}

#[test]
fn each_holder_has_the_records_of_their_own_tenure() {
    let mut rights = registered(serde_json::json!([moved()]));
    for (key, who) in [(1, "ann"), (2, "carol"), (3, "app"), (4, "other")] {
        subscribe(&mut rights, key, who);
    }
    consent(&mut rights, 7, "ann", "app");
    consent(&mut rights, 8, "carol", "app");
    consent(&mut rights, 9, "ann", "other");
    let (owed, denied) = decided(&rights, &pack(NAME, &[-1, 0, 1]));
    assert_eq!(
        owed,
        [
            (1, Basis::Own, some(&[0])),
            (2, Basis::Own, some(&[1, 2])),
            (3, Basis::Consent(ConsentKey(7)), some(&[0])),
            (3, Basis::Consent(ConsentKey(8)), some(&[1, 2])),
            (4, Basis::Consent(ConsentKey(9)), some(&[0])),
        ]
    );
    assert_eq!(
        denied,
        [
            (1, Denial::NoneRegistered, some(&[1, 2])),
            (2, Denial::NoneRegistered, some(&[0])),
            (4, Denial::AnotherHolders, some(&[1, 2])),
        ]
    );
    // All of one tenure leaves as one piece.
    let (owed, _) = decided(&rights, &pack(NAME, &[5, 6]));
    assert_eq!(owed, [(2, Basis::Own, Selection::All), (3, Basis::Consent(ConsentKey(8)), Selection::All)]);
}

#[test]
fn a_consent_whose_giver_holds_nothing_of_it_permits_nothing() {
    let mut rights = registered(serde_json::json!([{"name": NAME, "owner": "carol@home.example"}]));
    subscribe(&mut rights, 1, "app");
    consent(&mut rights, 7, "ann", "app");
    assert_eq!(decided(&rights, &pack(NAME, &[0])), (vec![], vec![(1, Denial::AnotherHolders, some(&[0]))]));
}

#[test]
fn what_nobody_holds_is_neither_kept_nor_sent() {
    let mut rights = registered(serde_json::json!([{"name": NAME, "open": true, "tenures": [
        {"holder": "ann@home.example", "from": null},
        {"holder": null, "from": at(0)},
        {"holder": "carol@home.example", "from": at(10)},
    ]}]));
    subscribe(&mut rights, 1, "app");
    let pack = pack(NAME, &[-1, 0, 9, 10]);
    assert_eq!(intake::vacant(&rights, &pack, now()), [1, 2]);
    let (owed, denied) = decided(&rights, &pack);
    assert_eq!(owed, [(1, Basis::Open, some(&[0, 3]))]);
    assert_eq!(denied, [(1, Denial::NoneRegistered, some(&[1, 2]))]);
}

#[test]
fn what_was_removed_says_whose_its_past_is() {
    let removed = serde_json::json!({"name": NAME, "tenures": [
        {"holder": "dora@home.example", "from": null},
        {"holder": null, "from": at(0), "registered": false},
    ]});
    let prefix =
        serde_json::json!({"name": "urn:x:*", "owner": "ann@home.example", "producers": ["gw@x.example"]});
    let mut rights = registered(serde_json::json!([removed, prefix]));
    for (key, who) in [(1, "ann"), (2, "dora")] {
        subscribe(&mut rights, key, who);
    }
    let (owed, _) = decided(&rights, &pack(NAME, &[-1, 0]));
    assert_eq!(owed, [(1, Basis::Own, some(&[1])), (2, Basis::Own, some(&[0]))]);
    assert_eq!(rights.registration(NAME).unwrap().name().to_string(), "urn:x:*");
    assert_eq!(rights.registered(), 1);
    // Gone for good, and all is the prefix's.
    rights.apply(Update::Series(1, None));
    assert_eq!(decided(&rights, &pack(NAME, &[-1, 0])).0, [(1, Basis::Own, Selection::All)]);
}

#[test]
fn a_series_below_a_prefix_is_its_own_holders_from_when_it_was_added() {
    let below =
        serde_json::json!({"name": NAME, "tenures": [{"holder": "dora@home.example", "from": at(0)}]});
    let prefix = serde_json::json!({"name": "urn:x:*", "owner": "ann@home.example"});
    for list in [serde_json::json!([below, prefix]), serde_json::json!([prefix, below])] {
        let mut rights = registered(list);
        for (key, who) in [(1, "ann"), (2, "dora")] {
            subscribe(&mut rights, key, who);
        }
        let (owed, _) = decided(&rights, &pack(NAME, &[-1, 0]));
        assert_eq!(owed, [(1, Basis::Own, some(&[0])), (2, Basis::Own, some(&[1]))]);
    }
}

#[test]
fn a_created_node_follows_its_prefix_and_is_set_by_itself() {
    let node = serde_json::json!({"name": NAME, "open": true, "node": {"outcasts": ["eve@home.example"]},
        "tenures": [{"holder": null, "from": null, "registered": false}]});
    for prefix in [
        serde_json::json!({"name": "urn:x:*", "owner": "ann@home.example"}),
        serde_json::json!({"name": "urn:x:*", "tenures": [
            {"holder": "zoe@home.example", "from": null}, {"holder": "ann@home.example", "from": at(-10)},
        ]}),
    ] {
        let mut rights = registered(serde_json::json!([node, prefix]));
        for (key, who) in [(1, "ann"), (2, "app"), (3, "eve")] {
            subscribe(&mut rights, key, who);
        }
        let (owed, denied) = decided(&rights, &pack(NAME, &[0]));
        assert_eq!(owed, [(1, Basis::Own, Selection::All), (2, Basis::Open, Selection::All)]);
        assert_eq!(denied, [(3, Denial::Outcast, some(&[0]))]);
    }
}

#[test]
fn an_outcast_is_owed_nothing_of_the_node_and_of_all_below_it() {
    let node = |name: &str, more: serde_json::Value| {
        let mut json = serde_json::json!({"name": name, "owner": "ann@home.example"});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json
    };
    let outcast = serde_json::json!({"node": {"outcasts": ["app@home.example"]}});
    let open = serde_json::json!({"open": true});
    let list =
        serde_json::json!([node(NAME, outcast), node("urn:x:1/power", open.clone()), node("urn:x:12", open)]);
    let mut rights = registered(list);
    subscribe(&mut rights, 1, "app");
    consent(&mut rights, 7, "ann", "app");
    for (name, is_out) in [(NAME, true), ("urn:x:1/power", true), ("urn:x:12", false)] {
        let (owed, denied) = decided(&rights, &pack(name, &[0]));
        assert_eq!(owed.is_empty(), is_out, "{name}");
        assert_eq!(denied, if is_out { vec![(1, Denial::Outcast, some(&[0]))] } else { vec![] }, "{name}");
    }
}

#[test]
fn with_stamps_of_the_end_the_border_is_that_of_the_measuring_time() {
    let mut series = moved();
    series["meta"] = serde_json::json!({"stamp": "end", "sampling-interval": "PT60S"});
    let mut rights = registered(serde_json::json!([series]));
    for (key, who) in [(1, "ann"), (2, "carol")] {
        subscribe(&mut rights, key, who);
    }
    let (owed, _) = decided(&rights, &pack(NAME, &[0, 59, 60]));
    assert_eq!(owed, [(1, Basis::Own, some(&[0, 1])), (2, Basis::Own, some(&[2]))]);
}

#[test]
fn an_ordinary_registration_takes_no_more_room_and_no_list() {
    let rights = registered(serde_json::json!([{"name": NAME, "owner": "ann@home.example"}]));
    let found = rights.look_up(NAME);
    assert!(matches!(found.holders(), Holders::One(_)));
    assert!(
        matches!(found.shares(&pack(NAME, &[0, 1]), 0, now().wall), Shares::One(share) if share.is_whole())
    );
}
