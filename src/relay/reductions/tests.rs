//! What is counted, for whom, and what a failed commit undoes.

use super::*;
use crate::domain::consent::tests::sample;
use crate::domain::consent::{Consent, State};
use crate::domain::name::Scope;
use crate::domain::subscription::{Subscription, SubscriptionKey};
use crate::relay::rights::Update;
use serde_json::json;

const SERIES: &str = "urn:dev:prm:1";
/// 2026-02-01T00:00Z.
const BEGIN: i64 = 1_769_904_000;

fn now() -> Now {
    Now { wall: "2026-06-01T00:00:00Z".parse().unwrap(), mono: Default::default() }
}

fn consent(granularity: Option<&str>) -> Consent {
    Consent { granularity: granularity.map(|text| text.parse().unwrap()), ..sample() }
}

fn give(rights: &mut Rights, key: u64, consent: Consent) {
    rights.apply(Update::Consent(ConsentKey(key), Some(Box::new(consent))));
}

/// A registration, a consent to `app@coop.example` by the hour, a subscription of it.
fn rights() -> Rights {
    let mut rights = Rights::default();
    register(&mut rights, json!({}));
    give(&mut rights, 1, consent(Some("PT1H")));
    let wish = Subscription {
        jid: "app@coop.example".parse().unwrap(),
        node: Scope::parse(SERIES).unwrap(),
        format: Default::default(),
    };
    rights.apply(Update::Subscription(SubscriptionKey(1), Some(wish)));
    rights
}

fn register(rights: &mut Rights, meta: serde_json::Value) {
    let series = json!({ "name": SERIES, "owner": "ann@home.example", "meta": meta });
    rights.apply(Update::Series(1, Some(Box::new(serde_json::from_value(series).unwrap()))));
}

/// Ten minutes apart, from one of them until before another, each with its number as the value.
fn pack(from: i64, until: i64) -> Pack {
    let record = |n: i64| json!({ "n": SERIES, "u": "W", "t": BEGIN + n * 600, "v": n });
    let records: Vec<serde_json::Value> = (from..until).map(record).collect();
    Pack::read(&Payload::Json(serde_json::Value::from(records).to_string()), 1.7e9, 1000).unwrap()
}

fn take(
    reductions: &mut Reductions,
    rights: &Rights,
    from: i64,
    until: i64,
) -> Vec<(String, Vec<Owed>, Pack)> {
    let finished = reductions.take(rights, &pack(from, until), now());
    let whole = |finished: Finished| {
        let owed = finished.owed(rights, now().wall);
        let (item, pack) = finished.into_item().unwrap();
        (item, owed, pack)
    };
    finished.into_iter().map(whole).collect()
}

#[test]
fn an_hour_leaves_once_it_is_whole_to_whom_it_was_given() {
    let (mut reductions, rights) = (Reductions::default(), rights());
    assert!(take(&mut reductions, &rights, 0, 5).is_empty());
    let done = take(&mut reductions, &rights, 5, 13);
    let [(item, owed, pack)] = &done[..] else { panic!("{done:?}") };
    assert_eq!(item, "2026-02-01T00:00:00Z/2026-02-01T02:00:00Z");
    assert_eq!(
        (owed.len(), owed[0].subscription, &owed[0].records),
        (1, SubscriptionKey(1), &Selection::All)
    );
    assert_eq!(
        pack.samples_of(0).map(|s| (s.at / 1000 - BEGIN, s.value, s.unit)).collect::<Vec<_>>(),
        [(0, 2.5, Some("W")), (3600, 8.5, Some("W")),]
    );
}

#[test]
fn what_is_not_committed_was_never_counted() {
    let (mut reductions, rights) = (Reductions::default(), rights());
    take(&mut reductions, &rights, 0, 3);
    assert_eq!(reductions.take_changed().len(), 1);
    reductions.committed(true);
    let before = reductions.held.clone();
    for _ in 0..2 {
        take(&mut reductions, &rights, 3, 5);
        assert!(reductions.take_changed()[0].state.is_some());
        // More comes while that is being written.
        assert_eq!(take(&mut reductions, &rights, 5, 6).len(), 1);
        reductions.committed(false);
        assert_eq!(reductions.held, before);
        assert!(reductions.take_changed().is_empty());
    }
    assert_eq!(take(&mut reductions, &rights, 3, 6).len(), 1);
    let mut fresh = Reductions::default();
    take(&mut fresh, &rights, 0, 3);
    fresh.take_changed();
    fresh.committed(false);
    assert!(fresh.is_empty());
}

#[test]
fn what_is_stored_goes_on_after_a_restart() {
    let (mut reductions, rights) = (Reductions::default(), rights());
    take(&mut reductions, &rights, 0, 3);
    let [put] = &reductions.take_changed()[..] else { panic!("one state") };
    let mut again = Reductions::default();
    again.know(&rights, put.consent, &put.series, put.state.as_ref().unwrap());
    assert_eq!(again.held, reductions.held);
    assert_eq!(take(&mut again, &rights, 3, 6).len(), 1);
    // What cannot be read, or nobody needs, is deleted.
    let mut again = Reductions::default();
    again.know(&rights, ConsentKey(9), SERIES, put.state.as_ref().unwrap());
    again.know(&rights, ConsentKey(1), SERIES, "{");
    assert_eq!(again.len(), 0);
    assert!(again.take_changed().iter().all(|put| put.state.is_none()));
}

#[test]
fn it_begins_anew_with_what_it_rests_on_and_ends_with_the_consent() {
    let change = |change: &dyn Fn(&mut Rights, &mut Reductions)| {
        let (mut reductions, mut rights) = (Reductions::default(), rights());
        take(&mut reductions, &rights, 0, 3);
        change(&mut rights, &mut reductions);
        take(&mut reductions, &rights, 3, 6).len()
    };
    let edited = |consent: Consent| {
        move |rights: &mut Rights, reductions: &mut Reductions| {
            give(rights, 1, consent.clone());
            reductions.consent_changed(ConsentKey(1), rights.consent(ConsentKey(1)));
        }
    };
    assert_eq!(change(&|_, _| ()), 1);
    assert_eq!(change(&edited(Consent { purpose: "another word".into(), ..consent(Some("PT1H")) })), 1);
    assert_eq!(change(&edited(consent(Some("PT30M")))), 1, "a half-hour has begun");
    assert_eq!(change(&edited(consent(Some("PT60M")))), 0);
    let since = "2026-02-02T00:00:00Z".parse().unwrap();
    assert_eq!(change(&edited(Consent { since, ..consent(Some("PT1H")) })), 0, "suspended and resumed");
    assert_eq!(change(&|rights, _| register(rights, json!({"aggregation": "sum"}))), 0);
    assert_eq!(change(&|rights, _| register(rights, json!({"device": "another"}))), 1);
    assert_eq!(change(&|_, reductions| reductions.set_time_zone(TimeZone::get("Europe/Paris").unwrap())), 0);

    let (mut reductions, mut rights) = (Reductions::default(), rights());
    take(&mut reductions, &rights, 0, 3);
    reductions.take_changed();
    give(&mut rights, 1, Consent { state: State::Withdrawn, ..consent(Some("PT1H")) });
    reductions.consent_changed(ConsentKey(1), rights.consent(ConsentKey(1)));
    assert!(reductions.is_empty());
    // The commit that wrote it fails: it is forgotten all the same.
    reductions.committed(false);
    assert!(reductions.is_empty() && take(&mut reductions, &rights, 3, 6).is_empty());
    let put = reductions.take_changed();
    assert_eq!(put, [PutReduction { consent: ConsentKey(1), series: SERIES.into(), state: None }]);
}

#[test]
fn nothing_leaves_while_the_consent_does_not_stand_nor_what_it_did_not_see() {
    let (mut reductions, mut rights) = (Reductions::default(), rights());
    give(&mut rights, 1, Consent { state: State::Suspended, ..consent(Some("PT1H")) });
    assert!(take(&mut reductions, &rights, 0, 3).is_empty() && reductions.is_empty());
    give(&mut rights, 1, consent(Some("PT1H")));
    assert!(take(&mut reductions, &rights, 3, 6).is_empty());
    assert_eq!(take(&mut reductions, &rights, 6, 12)[0].0, "2026-02-01T01:00:00Z/2026-02-01T02:00:00Z");
}

#[test]
fn of_several_consents_the_one_of_the_most_detail_serves() {
    let served = |others: Vec<Consent>| {
        let (mut reductions, mut rights) = (Reductions::default(), rights());
        for (key, other) in (2..).zip(others) {
            give(&mut rights, key, other);
        }
        let mut served: Vec<u64> = Vec::new();
        for (_, owed, _) in take(&mut reductions, &rights, 0, 6) {
            for owed in owed {
                let Basis::Reduced { consent, .. } = owed.basis else { panic!("{owed:?}") };
                served.push(consent.0);
            }
        }
        served
    };
    let other = |granularity, change: fn(&mut Consent)| {
        let mut other = consent(granularity);
        other.id = uuid::Uuid::from_u128(77);
        change(&mut other);
        other
    };
    assert_eq!(served(vec![]), [1]);
    assert_eq!(served(vec![other(None, |_| ())]), [] as [u64; 0], "they get the records themselves");
    assert_eq!(served(vec![other(None, |c| c.state = State::Suspended)]), [1]);
    assert_eq!(served(vec![other(None, |c| c.modes.notify = false)]), [1]);
    assert_eq!(served(vec![other(None, |c| c.recipient = "b@b.example".parse().unwrap())]), [1]);
    let late = |c: &mut Consent| c.data_from = Some("2026-02-01T00:30:00Z".parse().unwrap());
    assert_eq!(served(vec![other(None, late)]), [1], "but not of all of it");
    assert_eq!(served(vec![other(Some("PT30M"), |_| ())]), [2]);
    assert_eq!(served(vec![other(Some("PT1H"), |_| ())]), [1]);
    let longer = |c: &mut Consent| c.valid_until = "2027-06-01T00:00:00Z".parse().unwrap();
    assert_eq!(served(vec![other(Some("PT1H"), longer)]), [2]);
}
