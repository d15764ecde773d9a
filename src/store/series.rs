//! Registered series.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::changes::{self, Kind};
use super::{Store, StoreError, millis, next_key};
use crate::domain::name::Scope;
use crate::domain::series::Series;

const COLUMNS: &str = "SELECT key, name, owner, producers, open, retention, title, source, node FROM series";

impl Store {
    /// Registers a series. A name that is registered already is [`StoreError::Exists`].
    pub async fn add_series(&self, series: &Series, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let name = series.name.to_string();
        if sqlx::query("SELECT 1 FROM series WHERE name = ?")
            .bind(&name)
            .fetch_optional(&mut *tx)
            .await?
            .is_some()
        {
            return Err(StoreError::Exists { what: format!("the series {name}") });
        }
        let key = next_key(&mut tx, "series").await?;
        let producers =
            serde_json::to_string(&series.producers).map_err(|e| StoreError::row(e.to_string()))?;
        sqlx::query(
            "INSERT INTO series (key, name, owner, producers, open, retention, title, created_at, \
             source, node) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key)
        .bind(&name)
        .bind(series.owner.to_string())
        .bind(producers)
        .bind(series.open)
        .bind(series.retention.as_ref().map(|r| r.as_str()))
        .bind(series.title.as_deref())
        .bind(millis(at))
        .bind(series.source.as_ref().map(|source| source.as_str()))
        .bind(settings(series)?)
        .execute(&mut *tx)
        .await?;
        changes::note(&mut tx, Kind::Series, key, at).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All registrations, by name.
    pub async fn all_series(&self) -> Result<Vec<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY name"));
        sqlx::query(sql).fetch_all(self.pool()).await?.iter().map(read).collect()
    }

    /// One registration, by its number.
    pub async fn series_by_key(&self, key: u64) -> Result<Option<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key = ?"));
        let row = sqlx::query(sql).bind(key.cast_signed()).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }
}

/// What the node is set to, as it is kept.
fn settings(series: &Series) -> Result<Option<String>, StoreError> {
    let usual = series.node.is_usual();
    (!usual)
        .then(|| serde_json::to_string(&series.node).map_err(|e| StoreError::row(e.to_string())))
        .transpose()
}

fn read(row: &SqliteRow) -> Result<(u64, Series), StoreError> {
    let name: &str = row.try_get(1)?;
    let retention: Option<&str> = row.try_get(5)?;
    let (source, node): (Option<&str>, Option<&str>) = (row.try_get(7)?, row.try_get(8)?);
    let series = Series {
        name: Scope::parse(name).map_err(|e| StoreError::row(format!("series name: {e}")))?,
        owner: row.try_get::<&str, _>(2)?.parse().map_err(StoreError::row)?,
        producers: serde_json::from_str(row.try_get(3)?).map_err(|e| StoreError::row(e.to_string()))?,
        open: row.try_get(4)?,
        retention: retention.map(str::parse).transpose().map_err(StoreError::row)?,
        title: row.try_get(6)?,
        source: source.map(str::parse).transpose().map_err(|e| StoreError::row(format!("source: {e}")))?,
        node: match node {
            Some(json) => serde_json::from_str(json).map_err(|e| StoreError::row(e.to_string()))?,
            None => Default::default(),
        },
    };
    Ok((row.try_get::<i64, _>(0)?.unsigned_abs(), series))
}
