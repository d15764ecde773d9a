//! Registered series.

use jid::BareJid;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::changes::{self, Kind};
use super::consents::ROWS_AT_ONCE;
use super::{Store, StoreError, millis, next_keys};
use crate::domain::consent::{Consent, SCOPES_MAX};
use crate::domain::name::{NAME_MAX, Scope};
use crate::domain::party::Subject;
use crate::domain::series::Series;
use crate::domain::tenure::Tenures;

pub(super) const COLUMNS: &str =
    "SELECT key, name, owner, producers, open, retention, title, source, node, meta FROM series";

/// What became of a wish to change a registration.
#[derive(Debug, PartialEq)]
pub enum EditedSeries {
    /// It is done: what it was, and what it is.
    Done(Box<(Series, Series)>),
    /// Nothing of that name is registered.
    NotFound,
}

impl Store {
    /// Registers a series. A name that is registered already is [`StoreError::Exists`].
    pub async fn add_series(&self, series: &Series, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let name = series.name.to_string();
        if sqlx::query("SELECT 1 FROM series WHERE name = ?")
            .bind(&name)
            .fetch_optional(&mut *tx)
            .await?
            .is_some()
        {
            return Err(StoreError::Exists { what: format!("the series {name}") });
        }
        insert(&mut tx, std::slice::from_ref(series), at).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Registers many series, all or none. None of the names may be registered already.
    pub async fn import_series(&self, series: &[Series], at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for rows in series.chunks(ROWS_AT_ONCE) {
            insert(&mut tx, rows, at).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Changes a registration as `change` says; its name stays.
    pub async fn edit_series(
        &self,
        name: &Scope,
        change: impl FnOnce(&mut Series),
        at: Timestamp,
    ) -> Result<EditedSeries, StoreError> {
        let mut tx = self.write().await?;
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ?"));
        let row = sqlx::query(sql).bind(name.to_string()).fetch_optional(&mut *tx).await?;
        let Some(row) = row else { return Ok(EditedSeries::NotFound) };
        let (key, before) = read(&row)?;
        let mut after = before.clone();
        change(&mut after);
        after.name = before.name.clone();
        update(&mut tx, &after).await?;
        changes::note(&mut tx, Kind::Series, key.cast_signed(), at).await?;
        tx.commit().await?;
        Ok(EditedSeries::Done(Box::new((before, after))))
    }

    /// All registrations, by name.
    pub async fn all_series(&self) -> Result<Vec<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY name"));
        sqlx::query(sql).fetch_all(self.pool()).await?.iter().map(read).collect()
    }

    /// The registration of exactly this name.
    pub async fn series_named(&self, name: &str) -> Result<Option<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ?"));
        let row = sqlx::query(sql).bind(name).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }

    /// The registrations that a series falls under, the most specific first.
    pub async fn registrations_of(&self, name: &str) -> Result<Vec<Series>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name IN (SELECT value FROM json_each(?))"));
        let rows = sqlx::query(sql).bind(covering(name)?).fetch_all(self.pool()).await?;
        let mut found = rows.iter().map(|row| Ok(read(row)?.1)).collect::<Result<Vec<_>, StoreError>>()?;
        found.sort_by_key(|series| match &series.name {
            Scope::Exact(_) => 0,
            Scope::Prefix(prefix) => usize::MAX - prefix.len(),
        });
        Ok(found)
    }

    /// Registrations that this address owns, publishes or is listed on, by name, at most `most`.
    pub async fn series_of(&self, who: &BareJid, most: u32) -> Result<Vec<Series>, StoreError> {
        self.series_about(who, false, most).await
    }

    /// These, and those that are open to anyone: there may be so many of them that one's own are not among the first.
    pub async fn series_of_and_open(&self, who: &BareJid, most: u32) -> Result<Vec<Series>, StoreError> {
        self.series_about(who, true, most).await
    }

    async fn series_about(&self, who: &BareJid, open: bool, most: u32) -> Result<Vec<Series>, StoreError> {
        let too = if open { "open OR " } else { "" };
        let sql = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE {too}owner = ?1 OR EXISTS \
             (SELECT 1 FROM json_each(producers) AS p WHERE p.value = ?1) \
             OR node IS NOT NULL AND instr(node, ?3) > 0 ORDER BY name LIMIT ?2"
        ));
        // As it stands in the settings: an address may have a backslash (XEP-0106), and be part of another one.
        let listed = json(&who.as_str())?;
        let rows = sqlx::query(sql).bind(who.as_str()).bind(most).bind(listed).fetch_all(self.pool()).await?;
        rows.iter().map(|row| Ok(read(row)?.1)).collect()
    }

    /// How many registrations this address owns or has made.
    pub async fn count_series_of(&self, who: &BareJid) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) FROM series WHERE owner = ?1 OR node IS NOT NULL AND node ->> 'creator' = ?1",
        )
        .bind(who.as_str())
        .fetch_one(self.pool())
        .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// Registrations whose names begin so, by name, at most `most`.
    pub async fn series_below(&self, prefix: &str, most: u32) -> Result<Vec<Series>, StoreError> {
        // Names are ASCII (RFC 8428 §4.5.1), so '~' comes after all that a name may hold.
        let sql = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE name >= ?1 AND name < ?1 || '~' ORDER BY name LIMIT ?2"
        ));
        let rows = sqlx::query(sql).bind(prefix).bind(most).fetch_all(self.pool()).await?;
        rows.iter().map(|row| Ok(read(row)?.1)).collect()
    }

    /// Of these names, what is somebody's own: names of series of theirs, and of a prefix that is not theirs the
    /// registrations below it that are.
    pub async fn own_part(
        &self,
        owner: &Subject,
        scope: &[Scope],
        now: Timestamp,
    ) -> Result<Vec<Scope>, StoreError> {
        let mut own: Vec<Scope> = Vec::new();
        for named in scope {
            let name = match named {
                Scope::Exact(name) => name,
                Scope::Prefix(prefix) => prefix,
            };
            let first = self.registrations_of(name).await?.into_iter().next();
            let mut found = match named {
                _ if first.is_some_and(|series| series.holder(now) == Some(owner)) => vec![named.clone()],
                Scope::Exact(_) => Vec::new(),
                Scope::Prefix(prefix) => self.owned_below(owner, prefix).await?,
            };
            // So many cannot be named in one consent; what is given by an answer covers one's own alone anyway.
            if found.len() > SCOPES_MAX {
                found = vec![named.clone()];
            }
            own.extend(found);
        }
        let mut kept: Vec<Scope> = Vec::with_capacity(own.len());
        for scope in own {
            if !kept.contains(&scope) {
                kept.push(scope);
            }
        }
        Ok(kept)
    }

    /// Has a request that was not granted name what is the asked person's own only: what else it names is not theirs
    /// to answer for. As it is where nothing of it is theirs any more.
    pub async fn narrow_request(&self, request: &mut Consent, now: Timestamp) -> Result<(), StoreError> {
        if !request.was_ever_given() {
            let own = self.own_part(&request.subject, &request.scope, now).await?;
            if !own.is_empty() {
                request.scope = own;
            }
        }
        Ok(())
    }

    async fn owned_below(&self, owner: &Subject, prefix: &str) -> Result<Vec<Scope>, StoreError> {
        let rows = sqlx::query(
            "SELECT name FROM series WHERE name >= ?1 AND name < ?1 || '~' AND owner = ?2 ORDER BY name LIMIT ?3",
        )
        .bind(prefix)
        .bind(owner.to_string())
        .bind(SCOPES_MAX as i64 + 1)
        .fetch_all(self.pool())
        .await?;
        let name = |row: &SqliteRow| {
            Scope::parse(row.try_get(0)?).map_err(|e| StoreError::row(format!("the name of a series: {e}")))
        };
        rows.iter().map(name).collect()
    }

    /// Writes what a registration has become, of which `seen` was read before. Its name stays. `false` if it is gone,
    /// or was changed since: who decided about what was seen has not decided about that.
    pub async fn update_series(
        &self,
        seen: &Series,
        series: &Series,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ?"));
        let row = sqlx::query(sql).bind(series.name.to_string()).fetch_optional(&mut *tx).await?;
        let Some(row) = row else { return Ok(false) };
        let (key, held) = read(&row)?;
        if held != *seen {
            return Ok(false);
        }
        update(&mut tx, series).await?;
        changes::note(&mut tx, Kind::Series, key.cast_signed(), at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a registration and the subscriptions to its name. `false` if it is gone.
    pub async fn remove_series(&self, name: &Scope, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let row = sqlx::query("DELETE FROM series WHERE name = ? RETURNING key")
            .bind(name.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(false) };
        changes::note(&mut tx, Kind::Series, row.try_get(0)?, at).await?;
        let ended = sqlx::query("DELETE FROM subscription WHERE node = ? RETURNING key")
            .bind(name.to_string())
            .fetch_all(&mut *tx)
            .await?;
        for row in ended {
            changes::note(&mut tx, Kind::Subscription, row.try_get(0)?, at).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// One registration, by its number.
    pub async fn series_by_key(&self, key: u64) -> Result<Option<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key = ?"));
        let row = sqlx::query(sql).bind(key.cast_signed()).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }
}

/// The names under which a series may be registered: its own, and every prefix. As a JSON list.
pub(super) fn covering(name: &str) -> Result<String, StoreError> {
    // A longer name is none, and its beginnings would be too many.
    let prefixes = (1..=name.len().min(NAME_MAX)).filter_map(|end| Some(format!("{}*", name.get(..end)?)));
    let names: Vec<String> = std::iter::once(name.to_owned()).chain(prefixes).collect();
    serde_json::to_string(&names).map_err(|e| StoreError::row(e.to_string()))
}

async fn insert(conn: &mut SqliteConnection, series: &[Series], at: Timestamp) -> Result<(), StoreError> {
    if series.is_empty() {
        return Ok(());
    }
    let first = next_keys(conn, "series", series.len()).await?;
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; series.len()].join(", ");
    let sql = format!(
        "INSERT INTO series (key, created_at, owner, producers, open, retention, title, source, node, meta, name) \
         VALUES {values}"
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for (key, series) in (first..).zip(series) {
        query = bind(query.bind(key).bind(millis(at)), series)?;
    }
    query.execute(&mut *conn).await?;
    let keys: Vec<i64> = (first..).take(series.len()).collect();
    changes::note_all(conn, Kind::Series, &keys, at).await
}

async fn update(conn: &mut SqliteConnection, series: &Series) -> Result<(), StoreError> {
    let query = sqlx::query(
        "UPDATE series SET owner = ?, producers = ?, open = ?, retention = ?, title = ?, source = ?, node = ?, \
         meta = ? WHERE name = ?",
    );
    bind(query, series)?.execute(conn).await?;
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// In the order of both statements above.
fn bind<'q>(query: Query<'q>, series: &'q Series) -> Result<Query<'q>, StoreError> {
    let meta = (!series.meta.is_empty()).then(|| json(&series.meta)).transpose()?;
    Ok(query
        .bind(holder(series)?)
        .bind(json(&series.producers)?)
        .bind(series.open)
        .bind(series.retention.as_ref().map(|r| r.as_str()))
        .bind(series.title.as_deref())
        .bind(series.source.as_ref().map(|source| source.as_str()))
        .bind(settings(series)?)
        .bind(meta)
        .bind(series.name.to_string()))
}

/// The one holder that is kept of a registration.
fn holder(series: &Series) -> Result<String, StoreError> {
    let holder = series.tenures.last().holder.holder();
    holder.map(ToString::to_string).ok_or_else(|| StoreError::row("a series without a holder"))
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::row(e.to_string()))
}

/// What the node is set to, as it is kept.
fn settings(series: &Series) -> Result<Option<String>, StoreError> {
    let usual = series.node.is_usual();
    (!usual)
        .then(|| serde_json::to_string(&series.node).map_err(|e| StoreError::row(e.to_string())))
        .transpose()
}

pub(super) fn read(row: &SqliteRow) -> Result<(u64, Series), StoreError> {
    let name: &str = row.try_get(1)?;
    let retention: Option<&str> = row.try_get(5)?;
    let (source, node): (Option<&str>, Option<&str>) = (row.try_get(7)?, row.try_get(8)?);
    let series = Series {
        name: Scope::parse(name).map_err(|e| StoreError::row(format!("series name: {e}")))?,
        tenures: Tenures::of(row.try_get::<&str, _>(2)?.parse().map_err(StoreError::row)?),
        producers: serde_json::from_str(row.try_get(3)?).map_err(|e| StoreError::row(e.to_string()))?,
        open: row.try_get(4)?,
        retention: retention.map(str::parse).transpose().map_err(StoreError::row)?,
        title: row.try_get(6)?,
        source: source.map(str::parse).transpose().map_err(|e| StoreError::row(format!("source: {e}")))?,
        node: match node {
            Some(json) => serde_json::from_str(json).map_err(|e| StoreError::row(e.to_string()))?,
            None => Default::default(),
        },
        meta: match row.try_get::<Option<&str>, _>(9)? {
            Some(json) => serde_json::from_str(json).map_err(|e| StoreError::row(e.to_string()))?,
            None => Default::default(),
        },
    };
    Ok((row.try_get::<i64, _>(0)?.unsigned_abs(), series))
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        (dir, Store::open(&url, Durability::Off).await.unwrap())
    }

    fn series(fields: serde_json::Value) -> Series {
        serde_json::from_value(fields).unwrap()
    }

    fn at() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    /// Two change a registration at the same moment: what the first one did is not undone by the second.
    #[tokio::test]
    async fn what_was_changed_since_it_was_seen_is_not_undone() {
        let (_dir, store) = store().await;
        let seen = series(serde_json::json!({
            "name": "urn:a", "owner": "ann@home.example", "open": true, "meta": {"unit": "W"},
        }));
        store.add_series(&seen, at()).await.unwrap();
        let titled = Series { title: Some("Balcony".into()), ..seen.clone() };
        assert!(store.update_series(&seen, &titled, at()).await.unwrap());
        store.edit_series(&seen.name, |series| series.open = false, at()).await.unwrap();
        let renamed = Series { title: Some("Roof".into()), ..titled.clone() };
        assert!(!store.update_series(&titled, &renamed, at()).await.unwrap());
        let (_, held) = store.series_named("urn:a").await.unwrap().unwrap();
        assert_eq!(held, Series { open: false, ..titled });
        store.remove_series(&seen.name, at()).await.unwrap();
        assert!(!store.update_series(&held, &held, at()).await.unwrap(), "it is gone");
    }

    #[tokio::test]
    async fn what_is_open_does_not_push_out_ones_own() {
        let (_dir, store) = store().await;
        let open = series(serde_json::json!({"name": "urn:a", "owner": "ref:town", "open": true}));
        let own = series(serde_json::json!({"name": "urn:b", "owner": "ann@home.example"}));
        store.import_series(&[open.clone(), own.clone()], at()).await.unwrap();
        let ann = BareJid::new("ann@home.example").unwrap();
        assert_eq!(store.series_of(&ann, 1).await.unwrap(), std::slice::from_ref(&own));
        assert_eq!(store.series_of_and_open(&ann, 2).await.unwrap(), [open, own]);
    }

    #[tokio::test]
    async fn who_is_listed_with_an_escaped_address_is_found() {
        let (_dir, store) = store().await;
        let artagnan = BareJid::new(r"d\27art@home.example").unwrap();
        let listed = series(serde_json::json!({
            "name": "urn:a", "owner": "ann@home.example",
            "node": {"members": [artagnan.as_str()], "description": "of \"joe@home.example\""},
        }));
        store.add_series(&listed, at()).await.unwrap();
        assert_eq!(store.series_of(&artagnan, 10).await.unwrap(), [listed]);
        for other in ["art@home.example", "joe@home.example"] {
            assert!(store.series_of(&BareJid::new(other).unwrap(), 10).await.unwrap().is_empty(), "{other}");
        }
    }
}
