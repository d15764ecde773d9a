//! Writes what is kept, in a few statements for a whole group of items.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::{CHUNK_BITS, Retained};
use crate::store::StoreError;

/// Rows per statement, so that a group of any size is a few prepared statements.
const STEPS: [usize; 3] = [64, 8, 1];

/// Writes the items. One whose id is there already replaces it.
pub(in crate::store) async fn write(
    conn: &mut SqliteConnection,
    items: &[Retained],
) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    let series = series_keys(conn, items).await?;
    let key_of =
        |name: &str| series.get(name).copied().ok_or_else(|| StoreError::row("a series without a key"));
    // Of an item that is twice in the group, the later stays.
    let mut last: HashMap<(&str, &str), u64> = HashMap::new();
    for item in items.iter().filter(|item| !item.chunks.is_empty()) {
        last.insert((&item.node, &item.item), item.seq);
    }
    let mut standing = Vec::with_capacity(last.len());
    for item in items.iter().filter(|item| !item.chunks.is_empty()) {
        if last.get(&(&*item.node, &*item.item)) == Some(&item.seq) {
            standing.push((key_of(&item.node)?, item));
        }
    }
    forget_replaced(conn, &standing).await?;
    insert_items(conn, &standing).await?;
    let mut chunks = Vec::new();
    for (_, item) in &standing {
        for (place, chunk) in (0i64..).zip(&item.chunks) {
            chunks.push(((item.seq.cast_signed() << CHUNK_BITS) + place, key_of(&chunk.series)?, chunk));
        }
    }
    insert_chunks(conn, &chunks).await?;
    let limited: BTreeMap<i64, u32> =
        standing.iter().filter_map(|(node, item)| Some((*node, item.max_items?))).collect();
    for (node, most) in limited {
        super::removal::trim(conn, node, most).await?;
    }
    Ok(())
}

/// The numbers of all series and nodes in these items, made where they have none.
async fn series_keys(
    conn: &mut SqliteConnection,
    items: &[Retained],
) -> Result<HashMap<String, i64>, StoreError> {
    struct Seen {
        retention: Option<i64>,
        widest: i64,
        expires_at: Option<i64>,
    }
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    let none = || Seen { retention: None, widest: 0, expires_at: None };
    for item in items {
        if !item.chunks.is_empty() {
            seen.entry(&item.node).or_insert_with(none);
        }
        for name in &item.new_series {
            seen.entry(name).or_insert_with(none);
        }
        for chunk in &item.chunks {
            let entry = seen.entry(&chunk.series).or_insert_with(none);
            entry.retention = Some(chunk.retention);
            entry.widest = entry.widest.max(chunk.last.saturating_sub(chunk.first));
            let expires = item.accepted_at.saturating_add(chunk.retention);
            entry.expires_at = Some(entry.expires_at.map_or(expires, |held| held.min(expires)));
        }
    }
    let rows: Vec<Value> =
        seen.iter().map(|(name, s)| json!([name, s.retention, s.widest, s.expires_at])).collect();
    let rows = sqlx::query(
        "INSERT INTO history_series (name, retention, widest, expires_at) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true \
         ON CONFLICT (name) DO UPDATE SET retention = COALESCE(excluded.retention, retention), \
         widest = MAX(widest, excluded.widest), \
         expires_at = MIN(COALESCE(expires_at, excluded.expires_at), COALESCE(excluded.expires_at, expires_at)) \
         RETURNING name, key",
    )
    .bind(Value::from(rows).to_string())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn forget_replaced(
    conn: &mut SqliteConnection,
    standing: &[(i64, &Retained)],
) -> Result<(), StoreError> {
    let ids: Vec<Value> = standing.iter().map(|(node, item)| json!([node, &*item.item])).collect();
    let rows = sqlx::query(
        "SELECT i.key FROM json_each(?) AS j CROSS JOIN history_item AS i \
         ON i.node = j.value ->> 0 AND i.id = j.value ->> 1",
    )
    .bind(Value::from(ids).to_string())
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        super::removal::remove_item(conn, row.try_get(0)?).await?;
    }
    Ok(())
}

/// The longest step that these rows fill.
fn step(rows: usize) -> usize {
    STEPS.into_iter().find(|&step| step <= rows).unwrap_or(1)
}

async fn insert_items(conn: &mut SqliteConnection, items: &[(i64, &Retained)]) -> Result<(), StoreError> {
    let mut rest = items;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(step(rest.len()));
        let values = vec!["(?, ?, ?, ?, ?)"; now.len()].join(", ");
        let sql = format!("INSERT INTO history_item (key, node, id, publisher, accepted_at) VALUES {values}");
        let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (node, item) in now {
            insert = insert
                .bind(item.seq.cast_signed())
                .bind(node)
                .bind(&*item.item)
                .bind(&*item.publisher)
                .bind(item.accepted_at);
        }
        insert.execute(&mut *conn).await?;
        rest = later;
    }
    Ok(())
}

async fn insert_chunks(
    conn: &mut SqliteConnection,
    chunks: &[(i64, i64, &super::Chunk)],
) -> Result<(), StoreError> {
    let mut rest = chunks;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(step(rest.len()));
        let values = vec!["(?, ?, ?, ?, ?)"; now.len()].join(", ");
        let sql = format!("INSERT INTO history_chunk (key, series, first, last, payload) VALUES {values}");
        let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (key, series, chunk) in now {
            insert =
                insert.bind(key).bind(series).bind(chunk.first).bind(chunk.last).bind(&chunk.payload[..]);
        }
        insert.execute(&mut *conn).await?;
        rest = later;
    }
    Ok(())
}
