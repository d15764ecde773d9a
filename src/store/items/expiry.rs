//! What goes when its time is over, and what becomes of the time when a series says otherwise.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::CHUNK_BITS;
use crate::domain::period::Period;
use crate::store::{Store, StoreError};

/// Series looked at in one transaction.
const SERIES_AT_ONCE: u32 = 50;

/// Chunks of one series removed in one transaction.
const CHUNKS_AT_ONCE: u32 = 500;

/// A duration in milliseconds, with days of 24 hours, months of 30 and years of 365 days.
pub fn retention_millis(retention: Duration) -> i64 {
    i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// Removes some of what is past its time at `now` (milliseconds since 1970), and says how many chunks.
    /// What is due is gone when this has said 0.
    pub async fn expire_items(&self, now: i64) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let due = sqlx::query(
            "SELECT key, retention FROM history_series WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
        )
        .bind(now)
        .bind(SERIES_AT_ONCE)
        .fetch_all(&mut *tx)
        .await?;
        let mut removed = 0;
        for row in &due {
            let retention: Option<i64> = row.try_get(1)?;
            removed += expire_series(&mut tx, row.try_get(0)?, retention.unwrap_or(0), now).await?;
        }
        tx.commit().await?;
        // Series that turned out not to be due are not looked at again, so this ends.
        Ok(if removed == 0 { due.len() as u64 } else { removed })
    }

    /// The same for one name, at once.
    pub async fn refresh_name(&self, name: &str, usual: Duration) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let row = sqlx::query("SELECT key, name, retention FROM history_series WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = row {
            refresh(&mut tx, &row, usual).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Brings how long series are kept up to date with what is registered, for the series at and after a
    /// name; returns where to go on, nothing at the end. `usual` is for those that do not say.
    pub async fn refresh_retention(
        &self,
        after: &str,
        most: u32,
        usual: Duration,
    ) -> Result<Option<String>, StoreError> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "SELECT key, name, retention FROM history_series WHERE name > ? ORDER BY name LIMIT ?",
        )
        .bind(after)
        .bind(most)
        .fetch_all(&mut *tx)
        .await?;
        let mut last = None;
        for row in &rows {
            last = Some(refresh(&mut tx, row, usual).await?);
        }
        tx.commit().await?;
        Ok(last.filter(|_| rows.len() == most as usize))
    }
}

/// Removes chunks of one series, and notes when the next is due.
async fn expire_series(
    conn: &mut SqliteConnection,
    series: i64,
    retention: i64,
    now: i64,
) -> Result<u64, StoreError> {
    let chunks = oldest(conn, series, CHUNKS_AT_ONCE).await?;
    let over: Vec<i64> = chunks
        .iter()
        .take_while(|(_, accepted_at)| accepted_at.saturating_add(retention) <= now)
        .map(|(key, _)| *key)
        .collect();
    for key in &over {
        sqlx::query("DELETE FROM history_chunk WHERE key = ?").bind(key).execute(&mut *conn).await?;
        let item = key >> CHUNK_BITS;
        sqlx::query(
            "DELETE FROM history_item WHERE key = ?1 AND NOT EXISTS \
             (SELECT 1 FROM history_chunk WHERE key >= ?1 << 20 AND key < (?1 + 1) << 20)",
        )
        .bind(item)
        .execute(&mut *conn)
        .await?;
    }
    let next = match chunks.get(over.len()) {
        Some((_, accepted_at)) => Some(accepted_at.saturating_add(retention)),
        None => oldest(conn, series, 1).await?.first().map(|(_, at)| at.saturating_add(retention)),
    };
    sqlx::query("UPDATE history_series SET expires_at = ? WHERE key = ?")
        .bind(next)
        .bind(series)
        .execute(&mut *conn)
        .await?;
    Ok(over.len() as u64)
}

/// The chunks of a series that came first, and when they came.
async fn oldest(conn: &mut SqliteConnection, series: i64, most: u32) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.key, i.accepted_at FROM history_chunk AS c JOIN history_item AS i ON i.key = c.key >> 20 \
         WHERE c.series = ? ORDER BY c.key LIMIT ?",
    )
    .bind(series)
    .bind(most)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Brings one row up to date; says its name.
async fn refresh(
    conn: &mut SqliteConnection,
    row: &SqliteRow,
    usual: Duration,
) -> Result<String, StoreError> {
    let (key, name): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let held: Option<i64> = row.try_get(2)?;
    let registered = registered_retention(conn, &name, usual).await?;
    if registered.is_none() {
        forget_unused(conn, key).await?;
    }
    let retention = registered.unwrap_or(0);
    if held.is_some_and(|held| held != retention) {
        let due = oldest(conn, key, 1).await?.first().map(|(_, at)| at.saturating_add(retention));
        sqlx::query("UPDATE history_series SET retention = ?, expires_at = ? WHERE key = ?")
            .bind(retention)
            .bind(due)
            .bind(key)
            .execute(conn)
            .await?;
    }
    Ok(name)
}

/// Forgets a name that nothing is kept of.
async fn forget_unused(conn: &mut SqliteConnection, key: i64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM history_series WHERE key = ?1 \
         AND NOT EXISTS (SELECT 1 FROM history_item WHERE node = ?1) \
         AND NOT EXISTS (SELECT 1 FROM history_chunk WHERE series = ?1)",
    )
    .bind(key)
    .execute(conn)
    .await?;
    Ok(())
}

/// How long a series is kept by its most specific registration, milliseconds; nothing without one.
async fn registered_retention(
    conn: &mut SqliteConnection,
    name: &str,
    usual: Duration,
) -> Result<Option<i64>, StoreError> {
    let list = crate::store::series::covering(name)?;
    let rows =
        sqlx::query("SELECT name, retention FROM series WHERE name IN (SELECT value FROM json_each(?))")
            .bind(list)
            .fetch_all(conn)
            .await?;
    let mut best: Option<(usize, Option<String>)> = None;
    for row in &rows {
        let found: String = row.try_get(0)?;
        // The exact one before every prefix, a longer prefix before a shorter one.
        let rank = if found == name { usize::MAX } else { found.len() };
        if best.as_ref().is_none_or(|(held, _)| *held < rank) {
            best = Some((rank, row.try_get(1)?));
        }
    }
    let Some((_, retention)) = best else { return Ok(None) };
    let period: Option<Period> = retention.map(|text| text.parse()).transpose().map_err(StoreError::row)?;
    Ok(Some(retention_millis(period.map_or(usual, |period| period.nominal()))))
}
