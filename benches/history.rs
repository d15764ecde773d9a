//! How long a question about the past takes: `cargo bench --bench history`.
//!
//! Two databases of generated data, on disk, with the schema of the service and written by its own commit:
//!
//! - one year of half-hours of one series, 17 520 records in 365 items;
//! - SERIES series with half-hours of as many days as RECORDS takes, in the order in which they would come:
//!   one item per series and day, all series of a day one after the other.
//!
//! Printed is the slowest and the median of 200 questions for one day, each for another series and day, and
//! the whole year in pages of 5000 records. `COURANT_HISTORY_RECORDS` sets RECORDS (default 10 million),
//! `COURANT_HISTORY_SERIES` SERIES (default 10 000), `COURANT_HISTORY_DIR` where (default: the temporary
//! directory). What is measured includes reading the records and putting them into one pack, not the XML.

use std::path::Path;
use std::time::{Duration, Instant};

use courant::senml::{Format, Options, Profile, read, write};
use courant::store::items::{Chunk, Retained, measured_at};
use courant::store::journal::Batch;
use courant::store::{Durability, Store};

const DAY: i64 = 86_400;
const HALF_HOURS: i64 = 48;

/// 2025-01-01T00:00Z, seconds since 1970.
const START: i64 = 1_735_689_600;

/// Long enough that nothing goes.
const RETENTION: i64 = 5 * 365 * DAY * 1000;

fn main() {
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let records = number("COURANT_HISTORY_RECORDS", 10_000_000);
    let series = number("COURANT_HISTORY_SERIES", 10_000).max(1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        measure(1, 365).await;
        measure(series, (records / series / HALF_HOURS.unsigned_abs()).max(1)).await;
    });
}

fn name(series: u64) -> String {
    format!("urn:dev:prm:{:014}_consumption/power/active/raw", 30_001_610_000_000 + series)
}

fn day_of(series: u64, day: u64) -> Retained {
    let name = name(series);
    let start = START + day.cast_signed() * DAY;
    let mut json = format!(r#"[{{"bn":"{name}","bt":{start},"bu":"W","v":{}}}"#, 200 + series % 1000);
    for n in 1..HALF_HOURS {
        let value = 200 + (series + day * 7 + n.unsigned_abs() * 31) % 3000;
        json += &format!(r#",{{"t":{},"v":{value}}}"#, n * 1800);
    }
    json.push(']');
    let pack = read(Format::Json, json.as_bytes(), 0.0, &Options::default()).expect("a pack");
    let mut payload = Vec::new();
    write(Format::Cbor, Profile::Standard, pack.all(), &mut payload).expect("a pack");
    let chunk = Chunk {
        series: name.as_str().into(),
        retention: RETENTION,
        first: measured_at(start as f64),
        last: measured_at((start + 47 * 1800) as f64),
        payload,
    };
    Retained {
        seq: 0,
        node: name.into(),
        item: format!("day-{day}").into(),
        publisher: "gw@prod.example".into(),
        accepted_at: (start + DAY) * 1000,
        max_items: None,
        chunks: vec![chunk],
        new_series: Vec::new(),
    }
}

async fn fill(store: &Store, series: u64, days: u64) -> Duration {
    let mut writer = store.committer().await.expect("a connection");
    let begin = Instant::now();
    let mut seq = 0;
    let mut group = Vec::new();
    for day in 0..days {
        for one in 0..series {
            seq += 1;
            group.push(Retained { seq, ..day_of(one, day) });
            if group.len() == 512 || (one + 1 == series && day + 1 == days) {
                let batch = Batch { retained: std::mem::take(&mut group), ..Batch::default() };
                writer.commit(&batch).await.expect("a commit");
            }
        }
    }
    begin.elapsed()
}

async fn measure(series: u64, days: u64) {
    let place = std::env::var("COURANT_HISTORY_DIR").map_or_else(|_| std::env::temp_dir(), Into::into);
    let dir = tempfile::tempdir_in(place).expect("a directory");
    let file = dir.path().join("history.db");
    let url = format!("sqlite:{}", file.display());
    let store = Store::open(&url, Durability::Off).await.expect("a store");
    let took = fill(&store, series, days).await;
    store.close().await;
    let size = size_of(&file);
    // Opened anew, so that nothing is in this process's memory. What the system has read stays with it.
    let store = Store::open(&url, Durability::Full).await.expect("a store");
    let now = (START + days.cast_signed() * DAY) * 1000;
    println!(
        "{series} series, {} records each, {} records in all: {:.0} MB on disk, written in {:.1} s",
        days * 48,
        series * days * 48,
        size as f64 / 1e6,
        took.as_secs_f64()
    );
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..200u64 {
        let (one, day) = (n * 7919 % series, n * 104_729 % days);
        let from = (START + day.cast_signed() * DAY) as f64;
        let begin = Instant::now();
        let page =
            store.records_between(&name(one), from, from + DAY as f64, 10_000, now).await.expect("a page");
        times.push(begin.elapsed());
        assert_eq!(page.records.len(), 48);
    }
    times.sort_unstable();
    println!("  one day:   median {:.2} ms, slowest {:.2} ms", ms(times[100]), ms(times[199]));
    let begin = Instant::now();
    let (mut from, mut count, mut pages) = (0.0, 0, 0);
    let mut slowest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let page = store.records_between(&name(0), from, 1e10, 5000, now).await.expect("a page");
        slowest = slowest.max(asked.elapsed());
        count += page.records.len();
        pages += 1;
        match page.rest_from {
            Some(rest) => from = rest,
            None => break,
        }
    }
    assert_eq!(count as u64, days * 48);
    println!(
        "  all of it: {count} records in {pages} pages, {:.1} ms together, slowest {:.1} ms",
        ms(begin.elapsed()),
        ms(slowest)
    );
    store.close().await;
}

fn size_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
