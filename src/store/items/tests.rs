//! What is kept, found and forgotten, on a real database.

use std::time::Duration;

use super::read::Window;
use super::*;
use crate::domain::clock;
use crate::domain::series::Series;
use crate::senml::{Format, Options, Profile, Resolved, read, write as write_pack};
use crate::store::commit::Committer;
use crate::store::journal::Batch;
use crate::store::{Durability, Store};

const DAY: i64 = 86_400_000;

struct Room {
    store: Store,
    writer: Committer,
    seq: u64,
    _dir: tempfile::TempDir,
}

async fn room() -> Room {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}/t.db", dir.path().display()), Durability::Off).await.unwrap();
    let writer = store.committer().await.unwrap();
    Room { store, writer, seq: 0, _dir: dir }
}

fn chunk(series: &str, retention: i64, records: &[(i64, f64)]) -> Chunk {
    let text: Vec<String> = records
        .iter()
        .map(|(at, v)| format!(r#"{{"n":"{series}","t":{},"u":"W","v":{v}}}"#, *at as f64 / 1000.0))
        .collect();
    let json = format!("[{}]", text.join(","));
    let pack = read(Format::Json, json.as_bytes(), 0.0, &Options::default()).unwrap();
    let mut payload = Vec::new();
    write_pack(Format::Cbor, Profile::Standard, pack.all(), &mut payload).unwrap();
    let time = |place: usize| measured_at(pack.get(place).unwrap().time());
    Chunk { series: series.into(), retention, first: time(0), last: time(pack.len() - 1), payload }
}

impl Room {
    async fn keep(&mut self, node: &str, item: &str, at: i64, chunks: Vec<Chunk>) {
        self.keep_at_most(node, item, at, chunks, None).await;
    }

    async fn keep_at_most(&mut self, node: &str, item: &str, at: i64, chunks: Vec<Chunk>, most: Option<u32>) {
        self.seq += 1;
        let retained = Retained {
            seq: self.seq,
            node: node.into(),
            item: item.into(),
            publisher: "gw@prod.example".into(),
            accepted_at: at,
            max_items: most,
            chunks,
            new_series: Vec::new(),
        };
        self.writer.commit(&Batch { retained: vec![retained], ..Batch::default() }).await.unwrap();
    }

    async fn between(&self, series: &str, from: i64, until: i64, now: i64) -> Vec<(i64, f64)> {
        let (from, until) = (from as f64 / 1000.0, until as f64 / 1000.0);
        shown(&self.store.records_between(series, from, until, 100_000, now).await.unwrap().records)
    }

    async fn ids(&self, node: &str, window: Window, now: i64) -> Vec<String> {
        let items = self.store.items_in(node, window, now).await.unwrap();
        items.into_iter().map(|item| item.id).collect()
    }
}

fn shown(records: &Resolved) -> Vec<(i64, f64)> {
    records.iter().map(|r| (measured_at(r.time()), r.number().unwrap())).collect()
}

const T: i64 = 1_700_000_000_000;

#[tokio::test]
async fn records_are_found_by_when_they_were_measured() {
    let mut room = room().await;
    // The later measurements came first.
    room.keep("urn:a", "2", 10, vec![chunk("urn:a", DAY, &[(T + 2000, 3.0), (T + 3000, 4.0)])]).await;
    room.keep("urn:a", "1", 20, vec![chunk("urn:a", DAY, &[(T, 1.0), (T + 1000, 2.0)])]).await;
    room.keep("urn:b", "1", 20, vec![chunk("urn:b", DAY, &[(T, 9.0)])]).await;
    let all = [(T, 1.0), (T + 1000, 2.0), (T + 2000, 3.0), (T + 3000, 4.0)];
    assert_eq!(room.between("urn:a", 0, i64::MAX, 30).await, all);
    assert_eq!(room.between("urn:a", T + 1000, T + 3000, 30).await, all[1..3], "half-open");
    assert!(room.between("urn:a", T + 3001, i64::MAX, 30).await.is_empty());
    assert!(room.between("urn:c", 0, i64::MAX, 30).await.is_empty());
}

#[tokio::test]
async fn the_same_item_again_replaces_and_a_later_record_counts() {
    let mut room = room().await;
    room.keep("urn:a", "1", 10, vec![chunk("urn:a", DAY, &[(T, 1.0), (T + 1000, 2.0)])]).await;
    room.keep("urn:a", "1", 20, vec![chunk("urn:a", DAY, &[(T, 5.0)])]).await;
    assert_eq!(room.between("urn:a", 0, i64::MAX, 30).await, [(T, 5.0)], "all of the item is replaced");
    room.keep("urn:a", "2", 30, vec![chunk("urn:a", DAY, &[(T, 7.0)])]).await;
    assert_eq!(room.between("urn:a", 0, i64::MAX, 30).await, [(T, 7.0)]);
    assert_eq!(room.ids("urn:a", Window::newest(9), 30).await, ["1", "2"]);
    let first = room.store.item("urn:a", "1", 30).await.unwrap().unwrap();
    assert_eq!(shown(&room.store.item_records(first.key, None, 30).await.unwrap()), [(T, 5.0)]);
}

#[tokio::test]
async fn long_answers_come_in_pages_that_miss_nothing() {
    let mut room = room().await;
    // Single records, wide items that overlap, and some of the same instant.
    let mut expected = Vec::new();
    for n in 0..300 {
        room.keep("urn:a", &format!("s{n}"), n, vec![chunk("urn:a", DAY, &[(T + n * 1000, n as f64)])]).await;
        expected.push((T + n * 1000, n as f64));
    }
    for n in 0..5 {
        let records: Vec<_> = (0..60).map(|m| (T + (n * 60 + m) * 1000 + 500, m as f64)).collect();
        room.keep("urn:a", &format!("w{n}"), n, vec![chunk("urn:a", DAY, &records)]).await;
        expected.extend(records);
    }
    expected.sort_by_key(|(at, _)| *at);
    let (mut from, mut all, mut pages) = (0.0, Vec::new(), 0);
    loop {
        let page = room.store.records_between("urn:a", from, 2e9, 37, 400).await.unwrap();
        all.extend(shown(&page.records));
        pages += 1;
        match page.rest_from {
            Some(rest) => from = rest,
            None => break,
        }
    }
    assert_eq!(all, expected);
    assert!((600 / 37..60).contains(&pages), "{pages}");
}

#[tokio::test]
async fn a_pack_of_several_series_is_found_under_each() {
    let mut room = room().await;
    let chunks = vec![chunk("urn:a", DAY, &[(T, 1.0)]), chunk("urn:a/b", DAY, &[(T, 2.0)])];
    room.keep("urn:a", "1", 10, chunks).await;
    room.keep("urn:a", "2", 20, vec![chunk("urn:a", DAY, &[(T + 1, 3.0)])]).await;
    assert_eq!(room.between("urn:a/b", 0, i64::MAX, 30).await, [(T, 2.0)]);
    assert_eq!(room.ids("urn:a/b", Window::newest(9), 30).await, ["1"]);
    assert_eq!(room.ids("urn:a", Window::newest(9), 30).await, ["1", "2"]);
    assert!(room.store.item("urn:a/b", "1", 30).await.unwrap().is_some());
    assert!(room.store.item("urn:a/b", "2", 30).await.unwrap().is_none());
    assert_eq!(room.store.count_items("urn:a/b").await.unwrap(), 1);
    let below = room.store.kept_series("urn:a", "urn:a/", "", 9).await.unwrap();
    assert_eq!(below, ["urn:a", "urn:a/b"]);
    assert_eq!(room.store.kept_series("urn:a", "urn:a/", "urn:a", 9).await.unwrap(), ["urn:a/b"]);
}

#[tokio::test]
async fn windows_of_items() {
    let mut room = room().await;
    for n in 1..=6 {
        room.keep("urn:a", &n.to_string(), n, vec![chunk("urn:a", DAY, &[(T + n, 1.0)])]).await;
    }
    let window = |after, before, newest, most| Window { after, before, newest, most };
    assert_eq!(room.ids("urn:a", Window::newest(2), 9).await, ["5", "6"]);
    assert_eq!(room.ids("urn:a", window(2, 100, false, 2), 9).await, ["3", "4"]);
    assert_eq!(room.ids("urn:a", window(0, 4, true, 2), 9).await, ["2", "3"]);
}

#[tokio::test]
async fn what_is_past_its_time_is_not_there_and_goes() {
    let mut room = room().await;
    room.keep("urn:a", "1", 0, vec![chunk("urn:a", 100, &[(T, 1.0)]), chunk("urn:a/b", 500, &[(T, 2.0)])])
        .await;
    room.keep("urn:a", "2", 50, vec![chunk("urn:a", 100, &[(T + 1, 3.0)])]).await;
    assert_eq!(room.store.expire_items(99).await.unwrap(), 0);
    assert_eq!(room.between("urn:a", 0, i64::MAX, 99).await.len(), 2);
    assert_eq!(room.between("urn:a", 0, i64::MAX, 100).await, [(T + 1, 3.0)], "before it is removed");
    while room.store.expire_items(149).await.unwrap() > 0 {}
    assert_eq!(room.between("urn:a", 0, i64::MAX, 0).await, [(T + 1, 3.0)], "and after");
    assert_eq!(room.ids("urn:a", Window::newest(9), 149).await, ["1", "2"], "urn:a/b is still there");
    while room.store.expire_items(600).await.unwrap() > 0 {}
    assert!(room.ids("urn:a", Window::newest(9), 0).await.is_empty());
    assert!(room.store.kept_series("urn:a", "urn:a/", "", 9).await.unwrap().is_empty());
    assert_eq!(tables(&room.store).await, (0, 0, 2), "the names are known");
    room.store.refresh_retention("", 100, Duration::ZERO).await.unwrap();
    assert_eq!(tables(&room.store).await, (0, 0, 0), "until they are registered no more");
}

#[tokio::test]
async fn a_shorter_retention_counts_for_what_is_there() {
    let mut room = room().await;
    let mut series = Series {
        name: crate::domain::name::Scope::parse("urn:a*").unwrap(),
        tenures: crate::domain::tenure::Tenures::of("ref:1".parse().unwrap()),
        producers: Vec::new(),
        open: false,
        retention: Some("P1D".parse().unwrap()),
        title: None,
        source: None,
        meta: Default::default(),
        node: Default::default(),
    };
    room.store.add_series(&series, clock::wall()).await.unwrap();
    room.keep("urn:a1", "1", 0, vec![chunk("urn:a1", 7 * DAY, &[(T, 1.0)])]).await;
    room.keep("urn:z", "1", 0, vec![chunk("urn:z", 7 * DAY, &[(T, 1.0)])]).await;
    assert_eq!(room.between("urn:a1", 0, i64::MAX, 2 * DAY).await.len(), 1);
    room.store.refresh_retention("", 100, Duration::ZERO).await.unwrap();
    assert!(room.between("urn:a1", 0, i64::MAX, 2 * DAY).await.is_empty(), "as its prefix says now");
    assert_eq!(room.between("urn:a1", 0, i64::MAX, DAY - 1).await.len(), 1);
    assert!(room.between("urn:z", 0, i64::MAX, 1).await.is_empty(), "registered no more");
    // A more specific registration counts more.
    series.name = crate::domain::name::Scope::parse("urn:a1").unwrap();
    series.retention = Some("P30D".parse().unwrap());
    room.store.add_series(&series, clock::wall()).await.unwrap();
    assert_eq!(room.store.refresh_retention("", 1, Duration::ZERO).await.unwrap(), Some("urn:a1".into()));
    assert_eq!(room.between("urn:a1", 0, i64::MAX, 29 * DAY).await.len(), 1);
}

#[tokio::test]
async fn items_go_when_somebody_says_so() {
    let mut room = room().await;
    for n in 1..=5 {
        let one = vec![chunk("urn:a", DAY, &[(T + n, 1.0)])];
        room.keep("urn:a", &n.to_string(), n, one).await;
    }
    assert!(!room.store.retract("urn:a", &["2".into(), "9".into()], None).await.unwrap());
    assert_eq!(room.ids("urn:a", Window::newest(9), 9).await.len(), 5, "all or none");
    assert!(room.store.retract("urn:a", &["2".into(), "4".into()], None).await.unwrap());
    assert_eq!(room.ids("urn:a", Window::newest(9), 9).await, ["1", "3", "5"]);
    room.store.keep_newest("urn:a", 2).await.unwrap();
    assert_eq!(room.ids("urn:a", Window::newest(9), 9).await, ["3", "5"]);
    let one = vec![chunk("urn:a", DAY, &[(T + 6, 1.0)])];
    room.keep_at_most("urn:a", "6", 6, one, Some(2)).await;
    assert_eq!(room.ids("urn:a", Window::newest(9), 9).await, ["5", "6"]);
    room.store.purge("urn:a", None).await.unwrap();
    assert_eq!(tables(&room.store).await.1, 0);
}

async fn tables(store: &Store) -> (i64, i64, i64) {
    let count = |table: &'static str| async move {
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_scalar::<_, i64>(sql).fetch_one(store.pool()).await.unwrap()
    };
    (count("history_item").await, count("history_chunk").await, count("history_series").await)
}

/// An item of two holders loses only one's own.
#[tokio::test]
async fn an_owner_reaches_what_was_measured_over_their_tenures_alone() {
    use crate::domain::party::Subject;
    let border = 10_000 * DAY;
    let who = |text: &str| -> Subject { text.parse().unwrap() };
    let (ann, carol) = (who("ann@home.example"), who("carol@home.example"));
    let mut room = room().await;
    let series: Vec<Series> =
        [("urn:a", ""), ("urn:late", ",\"meta\":{\"stamp\":\"end\",\"sampling-interval\":\"P1D\"}")]
            .map(|(name, more)| {
                let text = format!(
                    "{{\"name\":\"{name}\",\"tenures\":[{{\"holder\":\"{ann}\",\"from\":null}},\
                 {{\"holder\":\"{carol}\",\"from\":\"1997-05-19T00:00:00Z\"}}]{more}}}"
                );
                serde_json::from_str(&text).unwrap()
            })
            .into();
    room.store.import_series(&series, "test", clock::wall()).await.unwrap();
    let records = |series: &str, days: &[i64]| {
        let records: Vec<(i64, f64)> = days.iter().map(|day| (border + day * DAY, *day as f64)).collect();
        chunk(series, 1000 * DAY, &records)
    };
    let now = 10_300 * DAY;
    room.keep("urn:a", "before", border + 1, vec![records("urn:a", &[-3, -2])]).await;
    room.keep("urn:a", "across", border + 2, vec![records("urn:a", &[-1, 0, 1])]).await;
    room.keep("urn:a", "behind", border + 3, vec![records("urn:a", &[2, 3])]).await;
    room.keep("urn:late", "across", border + 4, vec![records("urn:late", &[-1, 0, 1, 2])]).await;
    let kept = async |store: &Store, series: &str| -> Vec<f64> {
        let page = store.records_between(series, 0.0, 1e10, 100, now).await.unwrap();
        page.records.iter().map(|record| record.time() / 86_400.0 - 10_000.0).collect()
    };
    // Carol retracts: what is not hers is not there for her, and all or nothing happens.
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert!(!room.store.retract("urn:a", &ids(&["behind", "before"]), Some(&carol)).await.unwrap());
    assert_eq!(kept(&room.store, "urn:a").await, [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    assert!(room.store.retract("urn:a", &ids(&["across"]), Some(&carol)).await.unwrap());
    assert_eq!(kept(&room.store, "urn:a").await, [-3.0, -2.0, -1.0, 2.0, 3.0]);
    room.store.purge("urn:a", None).await.unwrap();
    assert_eq!(kept(&room.store, "urn:a").await.len(), 5, "over a vacancy nobody reaches anything");
    room.store.purge("urn:a", Some(&carol)).await.unwrap();
    assert_eq!(kept(&room.store, "urn:a").await, [-3.0, -2.0, -1.0]);
    assert_eq!(room.store.count_items("urn:a").await.unwrap(), 2);
    // What is stamped at its end was measured a day before.
    room.store.purge("urn:late", Some(&carol)).await.unwrap();
    assert_eq!(kept(&room.store, "urn:late").await, [-1.0, 0.0]);
    room.store.purge("urn:a", Some(&ann)).await.unwrap();
    assert_eq!(room.store.count_items("urn:a").await.unwrap(), 0);
    assert_eq!(kept(&room.store, "urn:a").await, [0.0; 0]);
}
