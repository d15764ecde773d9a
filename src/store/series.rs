//! Registered series.

use std::borrow::Cow;
use std::collections::HashSet;

use jid::BareJid;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::changes::{self, Kind};
use super::{Store, StoreError, millis, next_keys, tenures};
use crate::domain::consent::{Consent, SCOPE_OCTETS_MAX, SCOPES_MAX, octets};
use crate::domain::name::{NAME_MAX, Scope};
use crate::domain::party::Subject;
use crate::domain::series::Series;
use crate::domain::tenure::{Tenures, overlay};

/// The columns of [`read`], in its order.
pub(super) const COLUMNS: &str = concat!(
    "SELECT key, name, ",
    tenures::column!(),
    ", producers, open, retention, title, source, node, meta FROM series"
);

/// What became of a wish to change a registration.
#[derive(Debug, PartialEq)]
pub enum EditedSeries {
    /// It is done: what it was, and what it is.
    Done(Box<(Series, Series)>),
    /// Nothing of that name is registered.
    NotFound,
}

impl Store {
    /// Changes a registration as `change` says; its name and its tenures stay.
    pub async fn edit_series(
        &self,
        name: &Scope,
        change: impl FnOnce(&mut Series),
        at: Timestamp,
    ) -> Result<EditedSeries, StoreError> {
        let mut tx = self.write().await?;
        let Some((key, before)) = named(&mut tx, name).await? else { return Ok(EditedSeries::NotFound) };
        let mut after = before.clone();
        change(&mut after);
        after.name = before.name.clone();
        after.tenures = before.tenures.clone();
        update(&mut tx, key, &after).await?;
        changes::note(&mut tx, Kind::Series, key, at).await?;
        tx.commit().await?;
        Ok(EditedSeries::Done(Box::new((before, after))))
    }

    /// All registrations, by name.
    pub async fn all_series(&self) -> Result<Vec<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE NOT removed ORDER BY name"));
        sqlx::query(sql).fetch_all(self.pool()).await?.iter().map(read).collect()
    }

    /// All registrations, and those that were removed, by name: whose the past is, they say too.
    pub async fn all_series_ever(&self) -> Result<Vec<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY name"));
        sqlx::query(sql).fetch_all(self.pool()).await?.iter().map(read).collect()
    }

    /// The registration of exactly this name.
    pub async fn series_named(&self, name: &str) -> Result<Option<(u64, Series)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ? AND NOT removed"));
        let row = sqlx::query(sql).bind(name).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }

    /// The registrations that a series falls under, the most specific first.
    pub async fn registrations_of(&self, name: &str) -> Result<Vec<Series>, StoreError> {
        let mut found = self.registrations_ever_of(name).await?;
        found.retain(|series| !series.is_removed());
        Ok(found)
    }

    /// The registrations that a series falls under, those too that were removed, the most specific first: by them
    /// [`crate::domain::tenure::overlay`] says whose it was when.
    pub async fn registrations_ever_of(&self, name: &str) -> Result<Vec<Series>, StoreError> {
        let mut conn = self.pool().acquire().await?;
        layers(&mut conn, &Scope::Exact(name.into())).await
    }

    /// Who holds a series over which time, by all registrations that it falls under; nothing where there is none.
    pub async fn tenures_of(&self, name: &str) -> Result<Option<Tenures>, StoreError> {
        let layers = self.registrations_ever_of(name).await?;
        Ok(overlay(layers.iter().map(|series| &series.tenures)).map(Cow::into_owned))
    }

    /// Registrations that this address holds or held, publishes or is listed on, by name, at most `most`.
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
            "{COLUMNS} WHERE NOT removed AND ({too}key IN (SELECT series FROM tenure WHERE holder = ?1) OR EXISTS \
             (SELECT 1 FROM json_each(producers) AS p WHERE p.value = ?1) \
             OR node IS NOT NULL AND instr(node, ?3) > 0) ORDER BY name LIMIT ?2"
        ));
        // As it stands in the settings: an address may have a backslash (XEP-0106), and be part of another one.
        let listed = json(&who.as_str())?;
        let rows = sqlx::query(sql).bind(who.as_str()).bind(most).bind(listed).fetch_all(self.pool()).await?;
        rows.iter().map(|row| Ok(read(row)?.1)).collect()
    }

    /// How many registrations this address holds or has made: nodes below a prefix of theirs that nobody else made too.
    pub async fn count_series_of(&self, who: &BareJid) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) FROM series AS s WHERE NOT removed AND (node IS NOT NULL AND node ->> 'creator' = ?1 \
             OR key IN (SELECT t.series FROM tenure AS t WHERE t.holder = ?1 AND t.place = \
             (SELECT MAX(place) FROM tenure AS l WHERE l.series = t.series)) \
             OR key IN (SELECT b.key FROM tenure AS h JOIN series AS p ON p.key = h.series JOIN series AS b \
             ON b.name >= rtrim(p.name, '*') AND b.name < rtrim(p.name, '*') || '~' AND b.key <> p.key \
             WHERE h.holder = ?1 AND p.name LIKE '%*' AND NOT p.removed \
             AND (b.node IS NULL OR b.node ->> 'creator' IS NULL) \
             AND NOT (SELECT registered FROM tenure AS n WHERE n.series = b.key ORDER BY place DESC LIMIT 1)))",
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
            "{COLUMNS} WHERE name >= ?1 AND name < ?1 || '~' AND NOT removed ORDER BY name LIMIT ?2"
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
        let (mut own, mut seen): (Vec<Scope>, HashSet<Scope>) = Default::default();
        for named in scope {
            let name = match named {
                Scope::Exact(name) => name,
                Scope::Prefix(prefix) => prefix,
            };
            let tenures = self.tenures_of(name).await?;
            let mut found = match named {
                _ if tenures.is_some_and(|t| t.present(now).holder() == Some(owner)) => vec![named.clone()],
                Scope::Exact(_) => Vec::new(),
                Scope::Prefix(prefix) => self.held_below(owner, prefix, now).await?,
            };
            found.retain(|scope| seen.insert(scope.clone()));
            // So many cannot be named in one consent; what is given by an answer covers one's own alone anyway.
            let (count, length) = (own.len() + found.len(), octets(&own) + octets(&found));
            if found.len() > 1 && (count > SCOPES_MAX || length > SCOPE_OCTETS_MAX) {
                found = vec![named.clone()];
            }
            own.extend(found);
        }
        Ok(own)
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

    async fn held_below(
        &self,
        holder: &Subject,
        prefix: &str,
        now: Timestamp,
    ) -> Result<Vec<Scope>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE name >= ?1 AND name < ?1 || '~' AND NOT removed \
             AND key IN (SELECT series FROM tenure WHERE holder = ?2) ORDER BY name LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(prefix)
            .bind(holder.to_string())
            // Those among them that are only formerly theirs make it a few less.
            .bind(SCOPES_MAX as i64 + 1)
            .fetch_all(self.pool())
            .await?;
        let mut names = Vec::with_capacity(rows.len());
        for row in &rows {
            let (_, series) = read(row)?;
            if series.holder(now) == Some(holder) {
                names.push(series.name);
            }
        }
        Ok(names)
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
        let Some((key, held)) = named(&mut tx, &series.name).await? else { return Ok(false) };
        if held != *seen {
            return Ok(false);
        }
        // Who holds it is changed by a move alone.
        let series = Series { tenures: held.tenures, ..series.clone() };
        update(&mut tx, key, &series).await?;
        changes::note(&mut tx, Kind::Series, key, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// One registration, by its number; one that was removed too, since its past stays whose it was.
    pub async fn series_by_key(&self, key: u64) -> Result<Option<(u64, Series)>, StoreError> {
        let mut conn = self.pool().acquire().await?;
        Ok(by_key(&mut conn, key.cast_signed()).await?.map(|(key, series)| (key.unsigned_abs(), series)))
    }
}

/// One registration, by its number, within a transaction; one that was removed too.
pub(super) async fn by_key(
    conn: &mut SqliteConnection,
    key: i64,
) -> Result<Option<(i64, Series)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key = ?"));
    let row = sqlx::query(sql).bind(key).fetch_optional(conn).await?;
    row.as_ref().map(signed).transpose()
}

/// The registration of exactly this name, within a transaction.
pub(super) async fn named(
    conn: &mut SqliteConnection,
    name: &Scope,
) -> Result<Option<(i64, Series)>, StoreError> {
    Ok(ever_named(conn, name).await?.filter(|(_, series)| !series.is_removed()))
}

/// The same, also where it was removed.
pub(super) async fn ever_named(
    conn: &mut SqliteConnection,
    name: &Scope,
) -> Result<Option<(i64, Series)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ?"));
    let row = sqlx::query(sql).bind(name.to_string()).fetch_optional(conn).await?;
    row.as_ref().map(signed).transpose()
}

fn signed(row: &SqliteRow) -> Result<(i64, Series), StoreError> {
    read(row).map(|(key, series)| (key.cast_signed(), series))
}

/// The registrations that all of a scope falls under, removed ones too, the most specific first.
pub(super) async fn layers(conn: &mut SqliteConnection, scope: &Scope) -> Result<Vec<Series>, StoreError> {
    let name = match scope {
        Scope::Exact(name) | Scope::Prefix(name) => name,
    };
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name IN (SELECT value FROM json_each(?))"));
    let rows = sqlx::query(sql).bind(covering(name)?).fetch_all(conn).await?;
    let mut found = rows.iter().map(|row| Ok(read(row)?.1)).collect::<Result<Vec<_>, StoreError>>()?;
    found.retain(|series| series.name.covers_scope(scope));
    found.sort_by_key(|series| match &series.name {
        Scope::Exact(_) => 0,
        Scope::Prefix(prefix) => usize::MAX - prefix.len(),
    });
    Ok(found)
}

/// The registrations whose names begin so, by name, within a transaction.
pub(super) async fn registered_below(
    conn: &mut SqliteConnection,
    prefix: &str,
    most: u32,
) -> Result<Vec<(i64, Series)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE name >= ?1 AND name < ?1 || '~' AND NOT removed ORDER BY name LIMIT ?2"
    ));
    let rows = sqlx::query(sql).bind(prefix).bind(most).fetch_all(conn).await?;
    rows.iter().map(signed).collect()
}

/// The tenures of registrations whose names begin so, and that this person ever holds.
pub(super) async fn tenures_below(
    conn: &mut SqliteConnection,
    prefix: &str,
    holder: &Subject,
) -> Result<Vec<Tenures>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE name >= ?1 AND name < ?1 || '~' AND key IN (SELECT series FROM tenure WHERE holder = ?2)"
    ));
    let rows = sqlx::query(sql).bind(prefix).bind(holder.to_string()).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(read(row)?.1.tenures)).collect()
}

/// The names under which a series may be registered: its own, and every prefix. As a JSON list.
pub(super) fn covering(name: &str) -> Result<String, StoreError> {
    // A longer name is none, and its beginnings would be too many.
    let prefixes = (1..=name.len().min(NAME_MAX)).filter_map(|end| Some(format!("{}*", name.get(..end)?)));
    let names: Vec<String> = std::iter::once(name.to_owned()).chain(prefixes).collect();
    serde_json::to_string(&names).map_err(|e| StoreError::row(e.to_string()))
}

/// Inserts registrations with their tenures. Returns their numbers.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    series: &[&Series],
    at: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    if series.is_empty() {
        return Ok(Vec::new());
    }
    let first = next_keys(conn, "series", series.len()).await?;
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; series.len()].join(", ");
    let sql = format!(
        "INSERT INTO series (key, created_at, removed, producers, open, retention, title, source, node, meta, name) \
         VALUES {values}"
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for (key, series) in (first..).zip(series) {
        query = bind(query.bind(key).bind(millis(at)), series)?;
    }
    query.execute(&mut *conn).await?;
    let keys: Vec<i64> = (first..).take(series.len()).collect();
    let rows: Vec<(i64, &Series)> = keys.iter().copied().zip(series.iter().copied()).collect();
    tenures::insert(conn, &rows).await?;
    changes::note_all(conn, Kind::Series, &keys, at).await?;
    Ok(keys)
}

/// Writes a registration as it is now over what it was, but for its tenures.
pub(super) async fn update(conn: &mut SqliteConnection, key: i64, series: &Series) -> Result<(), StoreError> {
    let query = sqlx::query(
        "UPDATE series SET removed = ?, producers = ?, open = ?, retention = ?, title = ?, source = ?, node = ?, \
         meta = ?, name = ? WHERE key = ?",
    );
    bind(query, series)?.bind(key).execute(conn).await?;
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// In the order of both statements above.
fn bind<'q>(query: Query<'q>, series: &'q Series) -> Result<Query<'q>, StoreError> {
    let meta = (!series.meta.is_empty()).then(|| json(&series.meta)).transpose()?;
    Ok(query
        .bind(series.is_removed())
        .bind(json(&series.producers)?)
        .bind(series.open)
        .bind(series.retention.as_ref().map(|r| r.as_str()))
        .bind(series.title.as_deref())
        .bind(series.source.as_ref().map(|source| source.as_str()))
        .bind(settings(series)?)
        .bind(meta)
        .bind(series.name.to_string()))
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
        tenures: tenures::read(row.try_get(2)?)?,
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
        store.remove_series(&seen.name, "admin", at()).await.unwrap();
        assert!(!store.update_series(&held, &held, at()).await.unwrap(), "it is gone");
    }

    #[tokio::test]
    async fn what_is_open_does_not_push_out_ones_own() {
        let (_dir, store) = store().await;
        let open = series(serde_json::json!({"name": "urn:a", "owner": "ref:town", "open": true}));
        let own = series(serde_json::json!({"name": "urn:b", "owner": "ann@home.example"}));
        store.import_series(&[open.clone(), own.clone()], "test", at()).await.unwrap();
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
