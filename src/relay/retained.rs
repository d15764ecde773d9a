//! What of an item is kept for history: the records of those series that say so, each series on its own.

use std::sync::Arc;
use std::time::Duration;

use super::owed::Selection;
use super::pack::Pack;
use super::rights::Rights;
use crate::store::items::expiry::retention_millis;
use crate::store::items::{CHUNKS_MAX, Chunk, Retained, measured_at};
use crate::store::journal::Row;

/// The most records in a chunk: what is read and thrown away, at most, at either end of a query.
const CHUNK_RECORDS: usize = 1024;

/// The longest time between the first and the last record of a chunk, milliseconds.
const CHUNK_SPAN: i64 = 32 * 86_400_000;

/// What of this item is to be kept; nothing where no series in it says so, and all of them are known. `usual`
/// is how long series are kept that do not say.
pub fn retained(rights: &mut Rights, usual: Duration, pack: &Pack, row: &Row) -> Option<Retained> {
    let new_series: Vec<Arc<str>> =
        pack.names().filter(|name| rights.first_seen(name)).map(Into::into).collect();
    if usual.is_zero() && !rights.keeps_anything() && new_series.is_empty() {
        return None;
    }
    let mut chunks = Vec::new();
    for (place, name) in pack.names().enumerate() {
        let retention = rights.retention(name).unwrap_or(usual);
        if retention.is_zero() {
            continue;
        }
        let whole = pack.series_count() == 1;
        for records in runs(pack, place) {
            let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
            let (first, last) =
                (measured_at(pack.time(*first as usize)), measured_at(pack.time(*last as usize)));
            let payload = if whole && records.len() == pack.len() {
                row.payload.clone()
            } else {
                // Whole it was written to the journal, so any of it can be written.
                pack.bytes_of(&Selection::Some(records)).ok()?
            };
            let (series, retention) = (name.into(), retention_millis(retention));
            chunks.push(Chunk { series, retention, first, last, payload });
        }
    }
    // More records than a stanza has room for.
    chunks.truncate(CHUNKS_MAX);
    if chunks.is_empty() && new_series.is_empty() {
        return None;
    }
    Some(Retained {
        seq: row.seq,
        node: Arc::clone(&row.node),
        item: Arc::clone(&row.item),
        publisher: Arc::clone(&row.publisher),
        accepted_at: row.accepted_at,
        max_items: rights.registration(&row.node).and_then(|series| series.max_items()),
        chunks,
        new_series,
    })
}

/// The records of one series, in pieces that are neither long nor wide in time.
fn runs(pack: &Pack, place: usize) -> Vec<Vec<u32>> {
    let mut runs: Vec<Vec<u32>> = Vec::new();
    let mut begin = 0;
    for record in pack.records_of(place) {
        let at = measured_at(pack.time(record as usize));
        match runs.last_mut() {
            Some(run) if run.len() < CHUNK_RECORDS && at.saturating_sub(begin) <= CHUNK_SPAN => {
                run.push(record)
            }
            _ => {
                begin = at;
                runs.push(vec![record]);
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Scope;
    use crate::domain::series::Series;
    use crate::protocol::publish::Payload;
    use crate::relay::rights::Update;

    fn register(rights: &mut Rights, key: u64, name: &str, retention: Option<&str>) {
        let series = Series {
            name: Scope::parse(name).unwrap(),
            tenures: crate::domain::tenure::Tenures::of("ann@home.example".parse().unwrap()),
            producers: Vec::new(),
            open: false,
            retention: retention.map(|text| text.parse().unwrap()),
            title: None,
            source: None,
            meta: Default::default(),
            node: Default::default(),
        };
        rights.apply(Update::Series(key, Some(Box::new(series))));
    }

    fn kept(rights: &mut Rights, usual: u64, records: &str) -> Vec<(String, usize, i64, i64)> {
        let xml = format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>");
        let pack = Pack::read(&Payload::Sensml(xml.into_bytes().into()), 1.7e9, 10_000).unwrap();
        let row = Row {
            seq: 7,
            accepted_at: 5,
            publisher: "gw@prod.example".into(),
            node: "urn:a".into(),
            item: "1".into(),
            digest: 0,
            owed: Vec::new(),
            payload: pack.to_bytes().unwrap(),
        };
        let retained = retained(rights, Duration::from_secs(usual), &pack, &row);
        let chunks = retained.map(|retained| retained.chunks).unwrap_or_default();
        let length = |chunk: &Chunk| Pack::from_bytes(&chunk.payload).unwrap().len();
        chunks.iter().map(|c| (c.series.to_string(), length(c), c.first, c.last)).collect()
    }

    #[test]
    fn only_series_that_say_so_are_kept_each_on_its_own() {
        let mut rights = Rights::default();
        let pack = "<senml n='urn:a' bt='1.7e9' v='1'/><senml n='urn:a/b' t='0.0015' v='2'/>\
                    <senml n='urn:a' t='60' v='3'/>";
        assert!(kept(&mut rights, 0, pack).is_empty());
        register(&mut rights, 1, "urn:a*", None);
        assert!(kept(&mut rights, 0, pack).is_empty());
        register(&mut rights, 2, "urn:a/b", Some("P1D"));
        let b = ("urn:a/b".to_owned(), 1, 1_700_000_000_001, 1_700_000_000_001);
        assert_eq!(kept(&mut rights, 0, pack), std::slice::from_ref(&b));
        let a = ("urn:a".to_owned(), 2, 1_700_000_000_000, 1_700_000_060_000);
        assert_eq!(kept(&mut rights, 60, pack), [a, b.clone()], "the operator's default");
        register(&mut rights, 1, "urn:a*", Some("P0D"));
        assert_eq!(kept(&mut rights, 60, pack), [b], "zero is said, too");
    }

    #[test]
    fn a_series_under_a_prefix_is_made_known_once() {
        let mut rights = Rights::default();
        register(&mut rights, 1, "urn:a*", None);
        register(&mut rights, 2, "urn:a/b", None);
        assert!(rights.first_seen("urn:a") && !rights.first_seen("urn:a"));
        assert!(!rights.first_seen("urn:a/b"), "it has a registration of its own");
        rights.forget_seen();
        assert!(rights.first_seen("urn:a"));
    }

    #[test]
    fn chunks_are_neither_long_nor_wide() {
        let mut rights = Rights::default();
        register(&mut rights, 1, "urn:a", Some("P1Y"));
        let year: String = (0..5000).map(|n| format!("<senml t='{}' v='{n}'/>", n * 1800)).collect();
        let chunks = kept(&mut rights, 0, &format!("<senml bn='urn:a' bt='1.7e9' v='0'/>{year}"));
        assert_eq!(chunks.iter().map(|c| c.1).sum::<usize>(), 5001);
        assert!(chunks.iter().all(|c| c.1 <= CHUNK_RECORDS && c.3 - c.2 <= CHUNK_SPAN));
        let apart =
            kept(&mut rights, 0, "<senml n='urn:a' t='1.7e9' v='0'/><senml n='urn:a' t='1.8e9' v='0'/>");
        assert_eq!(apart.len(), 2);
    }
}
