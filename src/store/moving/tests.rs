//! Moves against a real database: what is written, told and left alone.

use jid::BareJid;
use serde_json::{Value, json};

use super::super::consents::Filter;
use super::super::move_notices::{MoveNews, Notice};
use super::super::notices::Step;
use super::super::registering::Registered;
use super::super::{Durability, Store};
use super::*;
use crate::domain::consent::tests::sample;
use crate::domain::consent::{Consent, State};
use crate::domain::moving::{Becomes, MOVED};
use crate::domain::series_record::SeriesRecord;
use crate::domain::subscription::{Format, Subscription};

const ANN: &str = "ann@home.example";
const CAROL: &str = "carol@home.example";

struct Room {
    _dir: tempfile::TempDir,
    store: Store,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When everything here happens, unless said.
fn now() -> Timestamp {
    at("2026-06-01T12:00:00Z")
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn who(text: &str) -> Option<Subject> {
    Some(text.parse().unwrap())
}

async fn room(series: &[Value]) -> Room {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/t.db", dir.path().display());
    let store = Store::open(&url, Durability::Off).await.unwrap();
    let series: Vec<Series> =
        series.iter().map(|fields| serde_json::from_value(fields.clone()).unwrap()).collect();
    store.import_series(&series, "test", now()).await.unwrap();
    Room { _dir: dir, store }
}

fn to(series: &str, holder: Option<&str>) -> NextHolder {
    NextHolder {
        series: scope(series),
        holder: holder.map(|text| text.parse().unwrap()),
        from: None,
        below: false,
        keep_settings: false,
        seen: None,
        dry_run: false,
    }
}

fn from(text: &str, wish: NextHolder) -> NextHolder {
    NextHolder { from: Some(at(text)), ..wish }
}

impl Room {
    async fn moves(&self, wish: NextHolder) -> Report {
        match self.store.hand_over(&wish, "admin", now()).await.unwrap() {
            Handed::Done(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    async fn refuses(&self, wish: NextHolder) -> Handed {
        match self.store.hand_over(&wish, "admin", now()).await.unwrap() {
            Handed::Done(report) => panic!("{report:?}"),
            other => other,
        }
    }

    async fn consent(&self, number: u128, change: impl FnOnce(&mut Consent)) -> Consent {
        let id = uuid::Uuid::from_u128(number);
        let mut consent = Consent { id, arrangement: id, scope: vec![scope("urn:a")], ..sample() };
        change(&mut consent);
        self.store.add_consent(&consent, "test", consent.since).await.unwrap();
        consent
    }

    async fn now_is(&self, consent: &Consent) -> Consent {
        self.store.consent(consent.id).await.unwrap().unwrap()
    }

    async fn series(&self, name: &str) -> Series {
        self.store.series_named(name).await.unwrap().unwrap().1
    }

    async fn record(&self, name: &str) -> Value {
        serde_json::to_value(SeriesRecord::of(self.series(name).await, now())).unwrap()
    }

    async fn holder_at(&self, name: &str, time: &str) -> Option<String> {
        let tenures = self.store.tenures_of(name).await.unwrap()?;
        tenures.present(at(time)).holder().map(ToString::to_string)
    }

    /// What is to be told, as (whom, what); all of it is taken.
    async fn told(&self) -> Vec<(String, String)> {
        let notices = self.store.notices_to_tell(0, 1000).await.unwrap();
        let keys: Vec<u64> = notices.iter().map(Notice::key).collect();
        let mut conn = self.store.pool().acquire().await.unwrap();
        crate::store::notices::taken_over(&mut conn, &keys).await.unwrap();
        notices
            .into_iter()
            .map(|notice| match notice {
                Notice::Consent(step) => (step.consent.recipient.to_string(), format!("{:?}", step.step)),
                Notice::Move(moved) => (
                    moved.recipient.to_string(),
                    match moved.news {
                        MoveNews::Held { holder: true, .. } => "holds".into(),
                        MoveNews::Held { holder: false, .. } => "held".into(),
                        MoveNews::Unsubscribed { places } => format!("-{}", places[0].node),
                        MoveNews::Erase { node, .. } => format!("erase {node}"),
                    },
                ),
            })
            .collect()
    }
}

fn becomes(report: &Report) -> Vec<Becomes> {
    report.consents.iter().map(|consent| consent.becomes).collect()
}

#[tokio::test]
async fn a_move_bounds_what_was_given_and_tells_everybody() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN}), json!({"name": "urn:b", "owner": ANN})]).await;
    let only = room.consent(1, |_| {}).await;
    let both = room.consent(2, |c| c.scope.push(scope("urn:b"))).await;
    let wide = room.consent(3, |c| c.scope = vec![scope("urn:*")]).await;
    let paused = room.consent(4, |c| c.state = State::Suspended).await;
    let other = room.consent(5, |c| c.scope = vec![scope("urn:b")]).await;
    let bobs = room.consent(6, |c| c.subject = "bob@home.example".parse().unwrap()).await;
    room.told().await;
    let report = room.moves(to("urn:a", Some(CAROL))).await;
    assert_eq!((report.former.as_deref(), report.holder.as_deref()), (Some(ANN), Some(CAROL)));
    assert_eq!(
        becomes(&report),
        [Becomes::Fulfilled, Becomes::Bounded, Becomes::Bounded, Becomes::Fulfilled],
        "{report:?}"
    );
    for (before, bounded, until) in [
        (&only, true, Some(now())),
        (&both, true, None),
        (&wide, true, None),
        (&paused, true, Some(now())),
        (&other, false, None),
        (&bobs, false, None),
    ] {
        let after = room.now_is(before).await;
        assert_eq!(after.revision, 1 + u32::from(bounded), "{:?}", after.scope);
        assert_eq!((after.data_until, after.state), (until, before.state));
    }
    let told = room.told().await;
    let step =
        |who: &str| told.iter().filter(|(to, _)| to == who).map(|(_, what)| &**what).collect::<Vec<_>>();
    assert_eq!(step("app@coop.example"), vec!["Bounded"; 4]);
    assert_eq!((step(ANN), step(CAROL)), (vec!["held"], vec!["holds"]));
    let event = room.store.events_of(only.id).await.unwrap().pop().unwrap();
    assert_eq!((event.to, event.actor.as_str()), (State::Active, "admin"));
    assert_eq!(event.note.as_deref(), Some("moved: urn:a until 2026-06-01T12:00:00Z"));
    assert_eq!(room.store.earlier_revisions(only.id).await.unwrap()[&1], only);
    // Two days for what comes late, and to the instant.
    let ends = |before: &'static str| {
        let store = room.store.clone();
        async move { store.moved_consents(at(before), 10).await.unwrap().len() }
    };
    assert_eq!(ends("2026-06-01T11:59:59.999Z").await, 0);
    assert_eq!(ends("2026-06-01T12:00:00Z").await, 2);
}

#[tokio::test]
async fn who_comes_back_without_having_left_keeps_what_was_given() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN})]).await;
    let consent = room.consent(1, |_| {}).await;
    let report = room.moves(from("2026-06-01T00:00:00Z", to("urn:a", Some(CAROL)))).await;
    assert_eq!(becomes(&report), [Becomes::Fulfilled]);
    // It was a slip: Ann never left.
    room.moves(from("2026-06-01T00:00:00Z", to("urn:a", Some(ANN)))).await;
    assert_eq!(
        room.record("urn:a").await,
        json!({"name": "urn:a", "owner": ANN, "producers": [], "open": false})
    );
    assert!(room.store.moved_consents(at("2027-01-01T00:00:00Z"), 10).await.unwrap().is_empty());
    let restored = room.now_is(&consent).await;
    assert_eq!((restored.state, restored.revision, restored.data_until), (State::Active, 3, None));
    // She leaves, and comes back: what she gave before does not count for what is measured since.
    room.moves(from("2026-06-01T01:00:00Z", to("urn:a", Some(CAROL)))).await;
    room.moves(from("2026-06-01T02:00:00Z", to("urn:a", Some(ANN)))).await;
    assert_eq!(room.store.moved_consents(at("2027-01-01T00:00:00Z"), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn requests_of_every_state_and_kind() {
    let series = ["urn:a", "urn:b"].map(|name| json!({"name": name, "owner": ANN}));
    let room = room(&series).await;
    let asked = |scopes: &'static [&'static str]| {
        move |c: &mut Consent| {
            c.state = State::Requested;
            c.method = "request".into();
            c.scope = scopes.iter().map(|text| scope(text)).collect();
        }
    };
    let only = room.consent(1, asked(&["urn:a"])).await;
    let both = room.consent(2, asked(&["urn:a", "urn:b"])).await;
    let other = room.consent(3, asked(&["urn:b"])).await;
    let wide = room.consent(4, asked(&["urn:*"])).await;
    let carols = room
        .consent(5, |c| {
            asked(&["urn:a"])(c);
            c.subject = CAROL.parse().unwrap();
        })
        .await;
    for (number, state) in (10..).zip([
        State::Refused,
        State::Cancelled,
        State::TimedOut,
        State::Expired,
        State::Withdrawn,
        State::Revoked,
        State::Terminated,
        State::Fulfilled,
        State::Replaced,
    ]) {
        room.consent(number, |c| c.state = state).await;
    }
    let before = room.store.list_consents(&Filter::default()).await.unwrap();
    room.told().await;
    let report = room.moves(to("urn:a", Some(CAROL))).await;
    assert_eq!((&report.requests[..], report.consents.len()), (&[only.id][..], 0), "{report:?}");
    let after = room.now_is(&only).await;
    assert_eq!((after.state, after.end_reason.as_deref()), (State::Cancelled, Some(MOVED)));
    for waits in [&both, &other, &wide, &carols] {
        assert_eq!(&room.now_is(waits).await, waits);
    }
    let untouched = room.store.list_consents(&Filter::default()).await.unwrap();
    assert_eq!(before.iter().filter(|c| untouched.contains(c)).count(), before.len() - 1);
    let Some(Notice::Consent(step)) = room.store.notices_to_tell(0, 10).await.unwrap().into_iter().next()
    else {
        panic!("told")
    };
    assert_eq!((step.step, step.nodes.len()), (Step::Ended, 1));
    // The last of it moves too.
    let report = room.moves(to("urn:b", Some(CAROL))).await;
    assert_eq!(report.requests, [both.id, other.id, wide.id]);
}

#[tokio::test]
async fn settings_end_with_the_tenure_unless_they_are_kept() {
    let node = json!({"whitelist": true, "members": ["m@x.example"], "outcasts": ["o@x.example"],
        "owners": ["w@x.example"], "max_items": 7});
    let series = |name: &str| json!({"name": name, "owner": ANN, "open": true, "node": node, "producers": ["gw@x.example"]});
    let room = room(&[series("urn:a"), series("urn:b")]).await;
    room.moves(from("2026-05-01T00:00:00Z", to("urn:a", Some(CAROL)))).await;
    let record = room.record("urn:a").await;
    assert_eq!((&record["open"], &record["node"]), (&false.into(), &json!({"max_items": 7})));
    assert_eq!(record["producers"], json!(["gw@x.example"]));
    assert_eq!(record["tenures"][0]["settings"], json!({"open": true, "node": node}));
    assert_eq!(record["tenures"][1]["settings"], Value::Null);
    let held = room.series("urn:a").await;
    let settings_at = |time: &str| held.settings_at(at(time).as_duration().as_secs_f64());
    assert!(settings_at("2026-04-30T23:59:59Z").is_some_and(|settings| settings.open));
    assert!(settings_at("2026-05-01T00:00:00Z").is_none(), "what the registration says");
    room.moves(NextHolder { keep_settings: true, ..to("urn:b", Some(CAROL)) }).await;
    let record = room.record("urn:b").await;
    assert_eq!((&record["open"], &record["node"]), (&true.into(), &node));
}

#[tokio::test]
async fn a_border_ahead_counts_at_once_and_is_told_when_it_comes() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN, "open": true})]).await;
    let consent = room.consent(1, |_| {}).await;
    room.told().await;
    let (day_before, border) = ("2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z");
    let report = room.moves(from(border, to("urn:a", Some(CAROL)))).await;
    assert_eq!(becomes(&report), [Becomes::Fulfilled], "what it will do is said");
    assert_eq!(room.holder_at("urn:a", day_before).await.as_deref(), Some(ANN));
    assert_eq!(room.holder_at("urn:a", border).await.as_deref(), Some(CAROL));
    assert_eq!((room.now_is(&consent).await, room.told().await), (consent.clone(), vec![]));
    let held = room.series("urn:a").await;
    assert!(held.open, "what counts until then");
    let then = held.settings_at(at(border).as_duration().as_secs_f64()).expect("what counts from then on");
    assert!(!then.open);
    assert_eq!(room.store.moves_that_are_due(at(day_before)).await.unwrap(), 0);
    assert_eq!(room.store.moves_that_are_due(at(border)).await.unwrap(), 1);
    assert_eq!(room.store.moves_that_are_due(at(border)).await.unwrap(), 0);
    let after = room.now_is(&consent).await;
    assert_eq!((after.revision, after.data_until), (2, Some(at(border))));
    let told: Vec<_> = room.told().await.into_iter().map(|(_, what)| what).collect();
    assert_eq!(told, ["Bounded", "held", "holds"]);
    let held = room.series("urn:a").await;
    assert!(!held.open);
    assert!(held.settings_at(0.0).is_some_and(|settings| settings.open));
    assert!(held.settings_at(at(border).as_duration().as_secs_f64()).is_none());
}

#[tokio::test]
async fn a_border_ahead_is_taken_back_or_followed_by_another() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN, "open": true})]).await;
    let consent = room.consent(1, |_| {}).await;
    room.told().await;
    room.moves(from("2026-07-01T00:00:00Z", to("urn:a", Some(CAROL)))).await;
    room.moves(from("2026-07-01T00:00:00Z", to("urn:a", Some(ANN)))).await;
    assert_eq!(room.store.moves_that_are_due(at("2026-08-01T00:00:00Z")).await.unwrap(), 0);
    assert_eq!((room.now_is(&consent).await, room.told().await), (consent.clone(), vec![]));
    assert!(room.series("urn:a").await.open);
    // Carol from July on, Dave from August on.
    room.moves(from("2026-07-01T00:00:00Z", to("urn:a", Some(CAROL)))).await;
    room.moves(from("2026-08-01T00:00:00Z", to("urn:a", Some("dave@home.example")))).await;
    assert_eq!(room.store.moves_that_are_due(at("2026-09-01T00:00:00Z")).await.unwrap(), 2);
    let told = room.told().await;
    let of = |who: &str| told.iter().filter(|(to, _)| to == who).map(|(_, what)| &**what).collect::<Vec<_>>();
    assert_eq!(
        (of(ANN), of(CAROL), of("dave@home.example")),
        (vec!["held"], vec!["holds", "held"], vec!["holds"])
    );
}

#[tokio::test]
async fn borders_that_cannot_be_are_refused() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN})]).await;
    room.moves(from("2026-05-01T00:00:00Z", to("urn:a", Some(CAROL)))).await;
    let early = room.refuses(from("2026-04-30T23:59:59.999Z", to("urn:a", Some(ANN)))).await;
    assert!(
        matches!(early, Handed::TooEarly(_, begins) if begins == at("2026-05-01T00:00:00Z")),
        "{early:?}"
    );
    let same = room.refuses(from("2026-04-01T00:00:00Z", to("urn:a", Some(CAROL)))).await;
    assert!(matches!(same, Handed::TooEarly(..)), "the border does not move: {same:?}");
    let far = room.refuses(from("2027-06-01T12:00:01Z", to("urn:a", Some(ANN)))).await;
    assert!(matches!(far, Handed::TooFar(latest) if latest == at("2027-06-01T12:00:00Z")), "{far:?}");
    assert!(matches!(room.refuses(to("urn:b", Some(ANN))).await, Handed::NotFound));
    // Who decides about what is not so any more decides about nothing.
    let seen = Some(room.series("urn:a").await.tenures);
    room.moves(NextHolder { seen: seen.clone(), ..to("urn:a", Some("dave@home.example")) }).await;
    let stale = room.refuses(NextHolder { seen, ..to("urn:a", Some(ANN)) }).await;
    assert!(matches!(stale, Handed::ChangedMeanwhile), "{stale:?}");
    assert_eq!(room.holder_at("urn:a", "2026-06-02T00:00:00Z").await.as_deref(), Some("dave@home.example"));
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_does_nothing() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN})]).await;
    room.consent(1, |_| {}).await;
    room.told().await;
    let (before, changes) = (
        room.store.list_consents(&Filter::default()).await.unwrap(),
        room.store.last_change().await.unwrap(),
    );
    let dry = room.moves(NextHolder { dry_run: true, ..to("urn:a", Some(CAROL)) }).await;
    room.store.end_series(&scope("urn:a"), true, "admin", now()).await.unwrap().expect("a report");
    assert_eq!(room.store.list_consents(&Filter::default()).await.unwrap(), before);
    assert_eq!((room.told().await, room.store.last_change().await.unwrap()), (vec![], changes));
    assert_eq!(room.moves(to("urn:a", Some(CAROL))).await, dry);
}

#[tokio::test]
async fn what_is_registered_below_moves_only_if_that_is_said() {
    let series = [("urn:a*", ANN), ("urn:a/1", ANN), ("urn:a/2", "bob@home.example"), ("urn:b", ANN)];
    let room = room(&series.map(|(name, owner)| json!({"name": name, "owner": owner}))).await;
    let kept = room.consent(1, |c| c.scope = vec![scope("urn:a/1")]).await;
    let prefix = room.consent(2, |c| c.scope = vec![scope("urn:a*")]).await;
    let report = room.moves(to("urn:a*", Some(CAROL))).await;
    assert_eq!(report.unchanged, ["urn:a/1", "urn:a/2"]);
    assert_eq!(report.consents.iter().map(|consent| consent.id).collect::<Vec<_>>(), [prefix.id]);
    assert_eq!(room.now_is(&kept).await, kept);
    let later = "2026-06-02T00:00:00Z";
    for (name, holder) in [("urn:a/0", CAROL), ("urn:a/1", ANN), ("urn:a/2", "bob@home.example")] {
        assert_eq!(room.holder_at(name, later).await.as_deref(), Some(holder), "{name}");
    }
    let report = room.moves(NextHolder { below: true, ..to("urn:a*", Some("dave@home.example")) }).await;
    let below: Vec<_> =
        report.below.iter().map(|below| (below.series.as_str(), below.former.as_deref().unwrap())).collect();
    assert_eq!(below, [("urn:a/1", ANN), ("urn:a/2", "bob@home.example")]);
    assert_eq!(becomes(&report.below[0]), [Becomes::Fulfilled, Becomes::Bounded]);
    for name in ["urn:a/0", "urn:a/1", "urn:a/2"] {
        assert_eq!(room.holder_at(name, later).await.as_deref(), Some("dave@home.example"), "{name}");
    }
    assert_eq!(room.holder_at("urn:b", later).await.as_deref(), Some(ANN));
}

#[tokio::test]
async fn a_registration_below_begins_when_it_is_added_and_its_past_outlives_it() {
    let room = room(&[json!({"name": "urn:a*", "owner": ANN})]).await;
    let consent = room.consent(1, |c| c.scope = vec![scope("urn:a/1")]).await;
    let below = |owner: &str| -> Series {
        serde_json::from_value(json!({"name": "urn:a/1", "owner": owner, "producers": ["gw@x.example"]}))
            .unwrap()
    };
    let registered =
        room.store.register(&below(CAROL), Some(at("2026-06-01T10:00:00Z")), false, "admin", now()).await;
    let Registered::Done(Some(report)) = registered.unwrap() else { panic!("a move") };
    assert_eq!((report.former.as_deref(), becomes(&report)), (Some(ANN), vec![Becomes::Fulfilled]));
    assert_eq!(room.now_is(&consent).await.data_until, Some(at("2026-06-01T10:00:00Z")));
    let (before, between, after) = ("2026-06-01T09:59:59Z", "2026-06-01T11:00:00Z", "2026-06-03T00:00:00Z");
    assert_eq!(room.holder_at("urn:a/1", before).await.as_deref(), Some(ANN));
    assert_eq!(room.holder_at("urn:a/1", after).await.as_deref(), Some(CAROL));
    // Removed: Ann's prefix counts again from then on, and what was Carol's stays hers.
    let subscription = Subscription {
        jid: "app@coop.example".parse().unwrap(),
        node: scope("urn:a/1"),
        format: Format::default(),
    };
    room.store.subscribe(&subscription, now()).await.unwrap();
    room.told().await;
    let removed = room.store.end_series(&scope("urn:a/1"), false, "admin", at("2026-06-02T00:00:00Z")).await;
    let report = removed.unwrap().expect("a report");
    assert_eq!((report.former.as_deref(), report.holder.as_deref()), (Some(CAROL), Some(ANN)));
    assert_eq!(report.subscriptions, 1);
    assert!(room.told().await.contains(&("app@coop.example".into(), "-urn:a/1".into())));
    for (time, holder) in [(before, ANN), (between, CAROL), (after, ANN)] {
        assert_eq!(room.holder_at("urn:a/1", time).await.as_deref(), Some(holder), "{time}");
    }
    assert!(room.store.series_named("urn:a/1").await.unwrap().is_none());
    assert_eq!(room.store.registrations_of("urn:a/1").await.unwrap().len(), 1);
    assert!(room.store.end_series(&scope("urn:a/1"), false, "admin", now()).await.unwrap().is_none());
    // Registered again, with all its past.
    let daves = below("dave@home.example");
    let early = room.store.register(&daves, Some(at("2026-06-01T23:59:59Z")), false, "admin", now());
    assert!(
        matches!(early.await.unwrap(), Registered::TooEarly(begins) if begins == at("2026-06-02T00:00:00Z"))
    );
    let again = room.store.register(
        &daves,
        Some(at("2026-06-04T00:00:00Z")),
        false,
        "admin",
        at("2026-06-04T00:00:00Z"),
    );
    assert!(matches!(again.await.unwrap(), Registered::Done(Some(_))));
    for (time, holder) in
        [(before, ANN), (between, CAROL), (after, ANN), ("2026-06-04T00:00:00Z", "dave@home.example")]
    {
        assert_eq!(room.holder_at("urn:a/1", time).await.as_deref(), Some(holder), "{time}");
    }
    let exists = room.store.register(&below(ANN), None, false, "admin", now()).await.unwrap();
    assert!(matches!(exists, Registered::Exists));
}

#[tokio::test]
async fn a_node_that_follows_its_prefix_moves_with_it() {
    let mut series: Series =
        serde_json::from_value(json!({"name": "urn:a/1", "owner": ANN, "producers": ["gw@x.example"]}))
            .unwrap();
    series.tenures = Tenures::following();
    let room = room(&[json!({"name": "urn:a*", "owner": ANN})]).await;
    room.store.add_series(&series, now()).await.unwrap();
    assert!(room.series("urn:a/1").await.follows());
    let report = room.moves(to("urn:a*", Some(CAROL))).await;
    assert!(report.unchanged.is_empty(), "it has no tenure of its own: {report:?}");
    assert_eq!(room.holder_at("urn:a/1", "2026-06-02T00:00:00Z").await.as_deref(), Some(CAROL));
    // Removed and made again it follows still, and nothing is left of it.
    for _ in 0..2 {
        assert!(room.store.remove_series(&series.name, "gw@x.example", now()).await.unwrap());
        assert!(room.store.series_named("urn:a/1").await.unwrap().is_none());
        room.store.add_series(&series, now()).await.unwrap();
        assert!(room.series("urn:a/1").await.follows());
    }
    // With a holder of its own it does not, and its past stays when it is made again.
    room.moves(to("urn:a/1", Some("dave@home.example"))).await;
    let later = at("2026-06-05T00:00:00Z");
    assert!(room.store.remove_series(&series.name, "admin", later).await.unwrap());
    room.store.add_series(&series, at("2026-06-06T00:00:00Z")).await.unwrap();
    assert!(room.series("urn:a/1").await.follows());
    for (time, holder) in [
        ("2026-06-01T11:00:00Z", ANN),
        ("2026-06-02T00:00:00Z", "dave@home.example"),
        ("2026-06-07T00:00:00Z", CAROL),
    ] {
        assert_eq!(room.holder_at("urn:a/1", time).await.as_deref(), Some(holder), "{time}");
    }
}

/// What a node below a prefix is set to counts for the data of who held the prefix then.
#[tokio::test]
async fn what_a_following_node_is_set_to_ends_with_the_tenure() {
    let member: BareJid = "m@x.example".parse().unwrap();
    let follower = |name: &str, open: bool| {
        let mut series: Series =
            serde_json::from_value(json!({"name": name, "owner": ANN, "open": open})).unwrap();
        series.tenures = Tenures::following();
        (series.node.whitelist, series.node.members) = (!open, vec![member.clone()]);
        series
    };
    let room =
        room(&[json!({"name": "urn:a*", "owner": ANN}), json!({"name": "urn:a:b*", "owner": ANN})]).await;
    for (name, open) in [("urn:a:1", true), ("urn:a:2", false), ("urn:a:b:1", true)] {
        room.store.add_series(&follower(name, open), now()).await.unwrap();
    }
    let settings = |series: &Series, time: &str| {
        let then = at(time).as_duration().as_secs_f64();
        let set = series.settings_at(then).cloned();
        let set = set.unwrap_or(Settings { open: series.open, node: series.node.clone() });
        (set.open, set.node.whitelist, set.node.members.len())
    };
    let (past, later) = ("2026-05-01T00:00:00Z", "2026-06-02T00:00:00Z");
    room.moves(to("urn:a*", Some(CAROL))).await;
    for (name, then) in [("urn:a:1", (true, false, 1)), ("urn:a:2", (false, true, 1))] {
        let series = room.series(name).await;
        assert!(series.follows() && !series.is_removed(), "{name}");
        assert_eq!((settings(&series, past), settings(&series, later)), (then, (false, false, 0)), "{name}");
    }
    let other = room.series("urn:a:b:1").await;
    assert_eq!(settings(&other, later), (true, false, 1), "it follows a registration that did not move");
    // What the next holder sets says nothing of the former one's data.
    let seen = room.series("urn:a:2").await;
    room.store.update_series(&seen, &Series { open: true, ..seen.clone() }, now()).await.unwrap();
    let series = room.series("urn:a:2").await;
    assert_eq!((settings(&series, past), settings(&series, later)), ((false, true, 1), (true, false, 0)));
    // A border ahead counts for what is measured behind it, and is what is set when it comes.
    let ahead = "2026-07-01T00:00:00Z";
    room.moves(from(ahead, to("urn:a*", Some("dave@home.example")))).await;
    let series = room.series("urn:a:2").await;
    assert!(series.open);
    assert_eq!(settings(&series, later), (true, false, 0));
    assert_eq!(settings(&series, "2026-07-02T00:00:00Z"), (false, false, 0));
    assert_eq!(room.store.moves_that_are_due(at(ahead)).await.unwrap(), 1);
    let series = room.series("urn:a:2").await;
    assert!(!series.open);
    assert_eq!((settings(&series, past), settings(&series, later)), ((false, true, 1), (true, false, 0)));
    // Removed it is gone: it never had a tenure of its own.
    assert!(room.store.remove_series(&series.name, "admin", at(ahead)).await.unwrap());
    assert!(room.store.series_named("urn:a:2").await.unwrap().is_none());
}

/// A move that was a slip leaves following nodes as they were.
#[tokio::test]
async fn a_slip_is_taken_back_for_following_nodes_too() {
    let mut series: Series =
        serde_json::from_value(json!({"name": "urn:a:1", "owner": ANN, "open": true})).unwrap();
    series.tenures = Tenures::following();
    let room = room(&[json!({"name": "urn:a*", "owner": ANN})]).await;
    room.store.add_series(&series, now()).await.unwrap();
    let border = "2026-05-20T00:00:00Z";
    for next in [CAROL, "dave@home.example"] {
        room.moves(from(border, to("urn:a*", Some(next)))).await;
        assert!(!room.series("urn:a:1").await.open, "{next}");
    }
    room.moves(from(border, to("urn:a*", Some(ANN)))).await;
    let after = room.series("urn:a:1").await;
    assert_eq!((after.open, after.tenures), (true, Tenures::following()));
}

#[tokio::test]
async fn vacancy_has_no_holder_and_ends_with_the_next_one() {
    let room =
        room(&[json!({"name": "urn:a", "owner": ANN}), json!({"name": "urn:*", "owner": "ref:grid"})]).await;
    let report = room.moves(from("2026-05-01T00:00:00Z", to("urn:a", None))).await;
    assert_eq!((report.former.as_deref(), report.holder), (Some(ANN), None));
    assert_eq!(room.holder_at("urn:a", "2026-05-02T00:00:00Z").await, None, "not the wider one");
    assert_eq!(room.record("urn:a").await["owner"], Value::Null);
    let report = room.moves(to("urn:a", Some(CAROL))).await;
    assert_eq!((report.former, report.holder.as_deref()), (None, Some(CAROL)));
    assert!(report.consents.is_empty() && report.left.is_empty());
    for (time, holder) in [
        ("2026-04-01T00:00:00Z", Some(ANN)),
        ("2026-05-02T00:00:00Z", None),
        ("2026-06-02T00:00:00Z", Some(CAROL)),
    ] {
        assert_eq!(room.holder_at("urn:a", time).await.as_deref(), holder, "{time}");
    }
}

#[tokio::test]
async fn the_former_holder_is_not_sent_any_more_and_finds_what_was_theirs() {
    let series = ["urn:a", "urn:b"].map(|name| json!({"name": name, "owner": ANN}));
    let room = room(&series).await;
    let subscribed = |jid: &str, node: &str| Subscription {
        jid: jid.parse().unwrap(),
        node: scope(node),
        format: Format::default(),
    };
    for (jid, node) in [
        (ANN, "urn:a"),
        ("ann@home.example/phone", "urn:a"),
        (ANN, "urn:b"),
        (ANN, "urn:*"),
        ("ann@home.example.org", "urn:a"),
    ] {
        room.store.subscribe(&subscribed(jid, node), now()).await.unwrap();
    }
    let report = room.moves(to("urn:a", Some(CAROL))).await;
    assert_eq!(report.subscriptions, 2);
    let (ann, other) = (BareJid::new(ANN).unwrap(), BareJid::new("ann@home.example.org").unwrap());
    let nodes = |held: Vec<Subscription>| held.into_iter().map(|s| s.node.to_string()).collect::<Vec<_>>();
    assert_eq!(nodes(room.store.subscriptions_of(&ann, 10).await.unwrap()), ["urn:*", "urn:b"]);
    assert_eq!(room.store.subscriptions_of(&other, 10).await.unwrap().len(), 1);
    assert!(room.told().await.contains(&(ANN.into(), "-urn:a".into())));
    // What was theirs is still found.
    let names: Vec<_> =
        room.store.series_of(&ann, 10).await.unwrap().into_iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["urn:a", "urn:b"]);
    assert_eq!(room.store.count_series_of(&ann).await.unwrap(), 1, "of those they hold");
    assert_eq!(
        room.store.own_part(&who(ANN).unwrap(), &[scope("urn:*")], now()).await.unwrap(),
        [scope("urn:b")]
    );
}

#[tokio::test]
async fn three_holders_and_back_are_written_and_read_without_loss() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN, "open": true})]).await;
    for (time, holder) in [
        ("2026-01-01T00:00:00Z", Some(CAROL)),
        ("2026-02-01T00:00:00Z", None),
        ("2026-03-01T00:00:00Z", Some("ref:file 7")),
        ("2026-04-01T00:00:00Z", Some(ANN)),
    ] {
        room.moves(from(time, to("urn:a", holder))).await;
    }
    let record = room.record("urn:a").await;
    let holders: Vec<_> = record["tenures"].as_array().unwrap().iter().map(|t| t["holder"].clone()).collect();
    assert_eq!(holders, [json!(ANN), json!(CAROL), Value::Null, json!("ref:file 7"), json!(ANN)]);
    let series: Series = serde_json::from_value(record).unwrap();
    assert_eq!(series, room.series("urn:a").await);
    let page = room.store.registered_series(0, 10).await.unwrap();
    assert_eq!(page[0].1, series, "as the service reads it at its start");
    let other = self::room(&[]).await;
    other.store.import_series(std::slice::from_ref(&series), "test", now()).await.unwrap();
    assert_eq!(other.series("urn:a").await, series);
    // A whole history takes the place of another.
    let mut rewritten = series.clone();
    rewritten.tenures = Tenures::of("bob@home.example".parse().unwrap());
    let consent = other.consent(1, |_| {}).await;
    let done = other.store.import_series(std::slice::from_ref(&rewritten), "test", now()).await.unwrap();
    assert_eq!((done.added, done.rewritten), (0, 1));
    assert_eq!(other.series("urn:a").await.tenures, rewritten.tenures);
    assert_eq!(other.now_is(&consent).await.revision, 2, "what rested on it is bounded");
}

#[tokio::test]
async fn a_removed_registration_is_exported_and_read_back() {
    let room = room(&[json!({"name": "urn:a", "owner": ANN, "open": true, "meta": {"unit": "W"}})]).await;
    room.store.end_series(&scope("urn:a"), false, "admin", now()).await.unwrap();
    assert!(room.store.all_series().await.unwrap().is_empty());
    let ever = room.store.all_series_ever().await.unwrap();
    let [(key, removed)] = &ever[..] else { panic!("{ever:?}") };
    assert!(removed.is_removed() && !removed.open && removed.producers.is_empty());
    assert_eq!(room.store.series_by_key(*key).await.unwrap().unwrap().1, *removed);
    let record = serde_json::to_value(SeriesRecord::of(removed.clone(), now())).unwrap();
    let other = self::room(&[record]).await;
    assert_eq!(other.store.all_series_ever().await.unwrap()[0].1, *removed);
    assert!(other.store.all_series().await.unwrap().is_empty());
    assert_eq!(other.holder_at("urn:a", "2026-05-01T00:00:00Z").await.as_deref(), Some(ANN));
}

#[tokio::test]
async fn consents_that_permit_nothing_are_found() {
    let series = [("urn:a", ANN), ("urn:p*", ANN), ("urn:p/1", "bob@home.example")];
    let room = room(&series.map(|(name, owner)| json!({"name": name, "owner": owner}))).await;
    let named = |subject: &'static str, scopes: &'static [&'static str]| {
        move |c: &mut Consent| {
            c.subject = subject.parse().unwrap();
            c.scope = scopes.iter().map(|text| scope(text)).collect();
        }
    };
    room.consent(1, named(ANN, &["urn:a"])).await;
    let wrong = room.consent(2, named("bob@home.example", &["urn:a"])).await;
    room.consent(3, named("bob@home.example", &["urn:a", "urn:p/1"])).await;
    room.consent(4, named(ANN, &["urn:p/7"])).await;
    let theirs = room.consent(5, named(ANN, &["urn:p/1"])).await;
    room.consent(6, named("bob@home.example", &["urn:*"])).await;
    let nothing = room.consent(7, named("eve@home.example", &["urn:*"])).await;
    let ended = room.consent(8, named("bob@home.example", &["urn:a"])).await;
    room.store.step_consent(ended.id, State::Revoked, "admin", None, now()).await.unwrap();
    let found = room.store.groundless_consents(0).await.unwrap().0;
    let ids: Vec<_> = found.iter().map(|consent| consent.id).collect();
    assert_eq!(ids, [wrong.id, theirs.id, nothing.id]);
    // Of a former holder it is theirs that were.
    room.moves(to("urn:a", Some(CAROL))).await;
    let (found, next) = room.store.groundless_consents(0).await.unwrap();
    assert_eq!((found.len(), next), (3, None));
}

/// `COURANT_SERIES=100000 cargo test --lib many_series_with_tenures -- --nocapture`
#[tokio::test]
async fn many_series_with_tenures_are_imported_in_seconds() {
    let count: usize = std::env::var("COURANT_SERIES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let series: Vec<Series> = (0..count)
        .map(|number| {
            serde_json::from_value(json!({
                "name": format!("urn:dev:{number}_c/power"), "owner": CAROL, "producers": ["gw@x.example"],
                "tenures": [{"holder": ANN, "from": null}, {"holder": null, "from": "2026-01-01T00:00:00Z"},
                            {"holder": CAROL, "from": "2026-02-01T00:00:00Z"}],
            }))
            .unwrap()
        })
        .collect();
    let room = room(&[]).await;
    let begun = std::time::Instant::now();
    let done = room.store.import_series(&series, "test", now()).await.unwrap();
    println!("{count} imported in {:?}", begun.elapsed());
    assert_eq!((done.added, done.rewritten), (count, 0));
    let begun = std::time::Instant::now();
    assert_eq!(room.store.all_series().await.unwrap().len(), count);
    println!("all read in {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    let (mut last, mut read) = (0, 0);
    loop {
        let page = room.store.registered_series(last, 500).await.unwrap();
        let Some((key, _)) = page.last() else { break };
        last = *key;
        read += page.len();
    }
    println!("as the service reads them in {:?}", begun.elapsed());
    assert_eq!(read, count);
}
