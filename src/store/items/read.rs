//! Reads what is kept: the records of a series by time of measurement, the items of a node by order of
//! arrival. What is past its time is not there, whether it was removed already or not.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{CHUNK_BITS, measured_at};
use crate::senml::{Format, Limits, Options, Record, Resolved, Value, read};
use crate::store::{Store, StoreError};

/// Chunks per query.
const CHUNKS_AT_ONCE: u32 = 64;

/// Records of one series, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In chronological order.
    pub records: Resolved,
    /// The time of the first record that is not in it, if there are more: the next page begins there.
    pub rest_from: Option<f64>,
}

/// An item of a node, without its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number, rising in the order of arrival.
    pub key: i64,
    /// The node it was published to.
    pub node: String,
    /// Its id there.
    pub id: String,
    /// Bare address of who published it.
    pub publisher: String,
    /// Milliseconds since 1970.
    pub accepted_at: i64,
}

/// Which items of a node: a window between two numbers, both excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Only what came after this item.
    pub after: i64,
    /// Only what came before this item.
    pub before: i64,
    /// The newest of the window, not the oldest.
    pub newest: bool,
    /// At most so many.
    pub most: u32,
}

impl Window {
    /// The newest so many.
    pub fn newest(most: u32) -> Self {
        Window { after: -1, before: i64::MAX >> CHUNK_BITS, newest: true, most }
    }
}

/// What is known of a series that something is kept of.
struct Kept {
    key: i64,
    /// Only what came after this is within its time, milliseconds since 1970.
    since: i64,
    widest: i64,
}

impl Store {
    async fn kept(&self, series: &str, now: i64) -> Result<Option<Kept>, StoreError> {
        let row = sqlx::query("SELECT key, retention, widest FROM history_series WHERE name = ?")
            .bind(series)
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        // A node that is no series has no records of its own.
        let retention: Option<i64> = row.try_get(1)?;
        let since = retention.map_or(i64::MIN, |retention| now.saturating_sub(retention));
        Ok(Some(Kept { key: row.try_get(0)?, since, widest: row.try_get(2)? }))
    }

    /// Series that something is kept of: this one, and those whose names begin with `below`, by name after
    /// `after`, at most `most`.
    pub async fn kept_series(
        &self,
        exact: &str,
        below: &str,
        after: &str,
        most: u32,
    ) -> Result<Vec<String>, StoreError> {
        // Names are ASCII (RFC 8428 §4.5.1), so '~' comes after all that a name may hold.
        let rows = sqlx::query(
            "SELECT name FROM history_series WHERE (name = ?1 OR name >= ?2 AND name < ?2 || '~') \
             AND name > ?3 AND expires_at IS NOT NULL ORDER BY name LIMIT ?4",
        )
        .bind(exact)
        .bind(below)
        .bind(after)
        .bind(most)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// All names that something was ever kept of or published to under a prefix, after `after`.
    pub async fn known_names(&self, after: &str, most: u32) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT name FROM history_series WHERE name > ? ORDER BY name LIMIT ?")
            .bind(after)
            .bind(most)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Those of them that begin so, at most `most`.
    pub async fn known_names_below(&self, prefix: &str, most: u32) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT name FROM history_series WHERE name >= ?1 AND name < ?1 || '~' ORDER BY name LIMIT ?2",
        )
        .bind(prefix)
        .bind(most)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The records of a series measured from `from` until before `until` (seconds since 1970), about `most`
    /// of them. `now` in milliseconds since 1970.
    ///
    /// Where an item that came later has a record of the same time and unit, that one counts.
    pub async fn records_between(
        &self,
        series: &str,
        from: f64,
        until: f64,
        most: usize,
        now: i64,
    ) -> Result<Page, StoreError> {
        let Some(kept) = self.kept(series, now).await? else { return Ok(Page::default()) };
        let mut found = Found::default();
        let mut cursor = (measured_at(from), i64::MIN, i64::MIN);
        loop {
            let rows = sqlx::query(
                "SELECT c.key, c.first, c.last, c.payload, i.accepted_at \
                 FROM history_chunk AS c JOIN history_item AS i ON i.key = c.key >> 20 \
                 WHERE c.series = ?1 AND (c.last, c.first, c.key) > (?2, ?3, ?4) AND c.last <= ?5 \
                 AND c.first < ?6 ORDER BY c.last, c.first, c.key LIMIT ?7",
            )
            .bind(kept.key)
            .bind(cursor.0)
            .bind(cursor.1)
            .bind(cursor.2)
            .bind(measured_at(until).saturating_add(kept.widest).saturating_add(1))
            .bind(measured_at(until).saturating_add(1))
            .bind(CHUNKS_AT_ONCE)
            .fetch_all(self.pool())
            .await?;
            for row in &rows {
                if row.try_get::<i64, _>(4)? > kept.since {
                    found.add(row.try_get(0)?, row.try_get(3)?, from, until)?;
                }
            }
            let Some(end) = rows.last().filter(|_| rows.len() == CHUNKS_AT_ONCE as usize) else { break };
            cursor = (end.try_get(2)?, end.try_get(1)?, end.try_get(0)?);
            // What was not read yet ends later, so it begins no earlier than this.
            let complete = (cursor.0.saturating_sub(kept.widest)) as f64 / 1000.0;
            if found.count_before(complete) > most {
                return Ok(found.page(most, complete));
            }
        }
        Ok(found.page(most, f64::INFINITY))
    }

    /// The number that items have which came at this time or later, in milliseconds since 1970: found by halves, since
    /// numbers rise as time goes on. Where the clock was set back, it is that of about then.
    pub async fn item_key_since(&self, at: i64) -> Result<i64, StoreError> {
        let row =
            sqlx::query("SELECT COALESCE(MAX(key), -1) FROM history_item").fetch_one(self.pool()).await?;
        let (mut low, mut high) = (0, row.try_get::<i64, _>(0)? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let row =
                sqlx::query("SELECT key, accepted_at FROM history_item WHERE key >= ? ORDER BY key LIMIT 1")
                    .bind(middle)
                    .fetch_optional(self.pool())
                    .await?;
            match row {
                Some(row) if row.try_get::<i64, _>(1)? < at => low = row.try_get::<i64, _>(0)? + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// An item of a node by its id. What was published at a node above is an item of this one too, as far
    /// as it has records of the series of this name.
    pub async fn item(&self, node: &str, id: &str, now: i64) -> Result<Option<Head>, StoreError> {
        for candidate in at_and_above(node) {
            let row = sqlx::query(
                "SELECT i.key, n.name, i.id, i.publisher, i.accepted_at FROM history_series AS n \
                 CROSS JOIN history_item AS i ON i.node = n.key WHERE n.name = ? AND i.id = ?",
            )
            .bind(candidate)
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
            let Some(item) = row.as_ref().map(head).transpose()? else { continue };
            let series = (candidate != node).then_some(node);
            if !self.item_records(item.key, series, now).await?.is_empty()
                || series.is_none() && self.foreign_payload(item.key, now).await?.is_some()
            {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Items of a node, oldest first: those published there, and those published above that have records of
    /// the series of this name.
    pub async fn items_in(&self, node: &str, window: Window, now: i64) -> Result<Vec<Head>, StoreError> {
        let mut keys = self.keys_in(node, window).await?;
        let mut heads = Vec::with_capacity(keys.len());
        keys.sort_unstable();
        for key in keys {
            let row = sqlx::query(
                "SELECT i.key, n.name, i.id, i.publisher, i.accepted_at FROM history_item AS i \
                 JOIN history_series AS n ON n.key = i.node WHERE i.key = ? AND EXISTS \
                 (SELECT 1 FROM history_chunk AS c JOIN history_series AS s ON s.key = c.series \
                  WHERE c.key >= ?1 << 20 AND c.key < (?1 + 1) << 20 AND i.accepted_at > ?2 - s.retention)",
            )
            .bind(key)
            .bind(now)
            .fetch_optional(self.pool())
            .await?;
            heads.extend(row.as_ref().map(head).transpose()?);
        }
        Ok(heads)
    }

    /// How many items a window has, those past their time among them; no more than it is wide.
    pub async fn count_in(&self, node: &str, window: Window) -> Result<usize, StoreError> {
        Ok(self.keys_in(node, window).await?.len())
    }

    /// The numbers of the items in a window, those past their time among them.
    async fn keys_in(&self, node: &str, window: Window) -> Result<Vec<i64>, StoreError> {
        let Some(kept) = self.kept(node, 0).await? else { return Ok(Vec::new()) };
        let sql = if window.newest {
            "SELECT key FROM history_item WHERE node = ? AND key > ? AND key < ? ORDER BY key DESC LIMIT ?"
        } else {
            "SELECT key FROM history_item WHERE node = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"
        };
        let rows = sqlx::query(sql)
            .bind(kept.key)
            .bind(window.after)
            .bind(window.before)
            .bind(window.most)
            .fetch_all(self.pool())
            .await?;
        let mut keys: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        // From item to item of the series, not from chunk to chunk.
        let sql = if window.newest {
            "WITH RECURSIVE held (item) AS ( \
             SELECT (SELECT MAX(key) >> 20 FROM history_chunk WHERE series = ?1 AND key < ?3 << 20) \
             UNION ALL \
             SELECT (SELECT MAX(key) >> 20 FROM history_chunk WHERE series = ?1 AND key < held.item << 20) \
             FROM held WHERE held.item > ?2) \
             SELECT item FROM held WHERE item > ?2 LIMIT ?4"
        } else {
            "WITH RECURSIVE held (item) AS ( \
             SELECT (SELECT MIN(key) >> 20 FROM history_chunk WHERE series = ?1 AND key >= (?2 + 1) << 20) \
             UNION ALL \
             SELECT (SELECT MIN(key) >> 20 FROM history_chunk WHERE series = ?1 AND key >= (held.item + 1) << 20) \
             FROM held WHERE held.item < ?3) \
             SELECT item FROM held WHERE item < ?3 LIMIT ?4"
        };
        let rows = sqlx::query(sql)
            .bind(kept.key)
            .bind(window.after)
            .bind(window.before)
            .bind(window.most)
            .fetch_all(self.pool())
            .await?;
        for row in &rows {
            keys.push(row.try_get(0)?);
        }
        keys.sort_unstable();
        keys.dedup();
        let most = window.most as usize;
        if window.newest {
            keys.drain(..keys.len().saturating_sub(most));
        } else {
            keys.truncate(most);
        }
        Ok(keys)
    }

    /// How many items a node has, those among them that are about to go.
    pub async fn count_items(&self, node: &str) -> Result<u64, StoreError> {
        let Some(kept) = self.kept(node, 0).await? else { return Ok(0) };
        let row = sqlx::query(
            "SELECT COUNT(*) FROM (SELECT key FROM history_item WHERE node = ?1 \
             UNION SELECT key >> 20 FROM history_chunk WHERE series = ?1)",
        )
        .bind(kept.key)
        .fetch_one(self.pool())
        .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// How many of them came before this one.
    pub async fn count_items_before(&self, node: &str, key: i64) -> Result<u64, StoreError> {
        let Some(kept) = self.kept(node, 0).await? else { return Ok(0) };
        let row = sqlx::query(
            "SELECT COUNT(*) FROM (SELECT key FROM history_item WHERE node = ?1 AND key < ?2 \
             UNION SELECT key >> 20 FROM history_chunk WHERE series = ?1 AND key < ?2 << 20)",
        )
        .bind(kept.key)
        .bind(key)
        .fetch_one(self.pool())
        .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// The payload of an item that is no SenML, if it is one, and within its time.
    pub async fn foreign_payload(&self, key: i64, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query(
            "SELECT c.payload FROM history_chunk AS c JOIN history_series AS s ON s.key = c.series \
             JOIN history_item AS i ON i.key = c.key >> 20 \
             WHERE c.key >= ?1 << 20 AND c.key < (?1 + 1) << 20 AND i.accepted_at > ?2 - s.retention LIMIT 1",
        )
        .bind(key)
        .bind(now)
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let payload: &[u8] = row.try_get(0)?;
        let Some((&FOREIGN, rest)) = payload.split_first() else { return Ok(None) };
        let xml = rest.split_first_chunk::<4>().and_then(|(length, rest)| {
            Some(rest.split_at_checked(u32::from_be_bytes(*length) as usize)?.1.to_vec())
        });
        xml.map(Some).ok_or_else(|| StoreError::row("a kept payload that is cut off"))
    }

    /// The records of an item that are within their time, of all series or of one.
    pub async fn item_records(
        &self,
        key: i64,
        series: Option<&str>,
        now: i64,
    ) -> Result<Resolved, StoreError> {
        let rows = sqlx::query(
            "SELECT c.payload FROM history_chunk AS c JOIN history_series AS s ON s.key = c.series \
             JOIN history_item AS i ON i.key = c.key >> 20 \
             WHERE c.key >= ?1 << 20 AND c.key < (?1 + 1) << 20 AND i.accepted_at > ?2 - s.retention \
             AND (?3 IS NULL OR s.name = ?3) ORDER BY c.key",
        )
        .bind(key)
        .bind(now)
        .bind(series)
        .fetch_all(self.pool())
        .await?;
        let mut records = Resolved::default();
        for row in &rows {
            for record in decode(row.try_get(0)?)?.iter() {
                records.push(&record);
            }
        }
        records.sort();
        Ok(records)
    }
}

/// The node itself, and those above it: a pack may hold series at and below its node.
fn at_and_above(node: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(node), |name| name.rsplit_once('/').map(|(above, _)| above))
}

/// What a payload that is no SenML begins with; then come the length of what says which series and when,
/// that itself, and the element.
const FOREIGN: u8 = 0xf6;

pub(super) fn decode(payload: &[u8]) -> Result<Resolved, StoreError> {
    if payload.first() == Some(&FOREIGN) {
        return Ok(Resolved::default());
    }
    let limits = Limits { bytes: usize::MAX, records: usize::MAX, ..Limits::default() };
    // Written times are absolute, so the instant counts for nothing.
    read(Format::Cbor, payload, 0.0, &Options { limits, ..Options::default() })
        .map_err(|e| StoreError::row(format!("kept records: {}", e.reason)))
}

/// Chunks of one series that were read so far.
#[derive(Default)]
struct Found {
    chunks: Vec<Resolved>,
    /// (time, item, chunk, record), of what lies in the time asked for.
    places: Vec<(f64, i64, u32, u32)>,
}

impl Found {
    fn add(&mut self, key: i64, payload: &[u8], from: f64, until: f64) -> Result<(), StoreError> {
        let records = decode(payload)?;
        let chunk = self.chunks.len() as u32;
        let wanted = records.iter().enumerate().filter(|(_, r)| r.time() >= from && r.time() < until);
        let before = self.places.len();
        self.places.extend(wanted.map(|(place, r)| (r.time(), key >> CHUNK_BITS, chunk, place as u32)));
        if self.places.len() > before {
            self.chunks.push(records);
        }
        Ok(())
    }

    fn count_before(&self, complete: f64) -> usize {
        self.places.iter().filter(|(time, ..)| *time < complete).count()
    }

    /// About `most` records of those before `complete`; never only some of one instant.
    fn page(mut self, most: usize, complete: f64) -> Page {
        self.places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
        let ready = self.places.partition_point(|(time, ..)| *time < complete);
        let mut end = ready.min(most);
        if end > 0 {
            let last = self.places[end - 1].0;
            end += self.places[end..ready].iter().take_while(|(time, ..)| *time == last).count();
        }
        let rest_from = self.places.get(end).map(|(time, ..)| *time);
        let mut records = Resolved::default();
        for instant in self.places[..end].chunk_by(|a, b| a.0 == b.0) {
            for record in self.latest(instant) {
                records.push(&record);
            }
        }
        Page { records, rest_from }
    }

    /// Of the records of one instant, those that no later item replaced.
    fn latest(&self, instant: &[(f64, i64, u32, u32)]) -> Vec<Record<'_>> {
        let record = |place: &(f64, i64, u32, u32)| self.chunks.get(place.2 as usize)?.get(place.3 as usize);
        let mut newest: HashMap<(Option<&str>, u8), i64> = HashMap::new();
        if instant.len() > 1 {
            for place in instant {
                if let Some(record) = record(place) {
                    let item = newest.entry(sort_of(&record)).or_insert(place.1);
                    *item = (*item).max(place.1);
                }
            }
        }
        let stands = |place: &&(f64, i64, u32, u32)| {
            let Some(record) = record(place) else { return false };
            newest.get(&sort_of(&record)).is_none_or(|item| *item == place.1)
        };
        instant.iter().filter(stands).filter_map(record).collect()
    }
}

/// What a record replaces: the same unit, the same type of value.
fn sort_of<'a>(record: &Record<'a>) -> (Option<&'a str>, u8) {
    let kind = match record.value() {
        None => 0,
        Some(Value::Number(_)) => 1,
        Some(Value::Text(_)) => 2,
        Some(Value::Boolean(_)) => 3,
        Some(Value::Data(_)) => 4,
    };
    (record.unit(), kind)
}

fn head(row: &SqliteRow) -> Result<Head, StoreError> {
    Ok(Head {
        key: row.try_get(0)?,
        node: row.try_get(1)?,
        id: row.try_get(2)?,
        publisher: row.try_get(3)?,
        accepted_at: row.try_get(4)?,
    })
}
