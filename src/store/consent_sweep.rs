//! What time alone does to consents: which have come to their end, and what a renewal that begins later replaces.

use jiff::Timestamp;

use super::consent_steps::replace_older;
use super::consents::{COLUMNS, find, read};
use super::{Store, StoreError, millis};
use crate::domain::consent::{Consent, ConsentKey, State};

impl Store {
    /// Up to `limit` consents whose end has come: run out, or asked for before `asked_before` and not
    /// answered.
    pub async fn due_consents(
        &self,
        at: Timestamp,
        asked_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Consent>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE state IN ('active', 'suspended') AND valid_until <= ?1 \
             UNION ALL {COLUMNS} WHERE state = 'requested' AND (since <= ?2 OR valid_until <= ?1) LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(millis(at))
            .bind(millis(asked_before))
            .bind(limit)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| read(row).map(|(_, consent)| consent)).collect()
    }

    /// Up to `limit` consents that are to be fulfilled once all is delivered: only notified, with a data
    /// window that ended before `ended_before`.
    pub async fn fulfillable_consents(
        &self,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        let sql = format!("{COLUMNS} WHERE {FULFILLABLE} LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(millis(ended_before))
            .bind(limit)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// Ends what was renewed by a consent that begins only now. Returns how many ended.
    pub async fn replace_renewed(&self, at: Timestamp) -> Result<usize, StoreError> {
        // Looked at without the writer's lock: there is hardly ever anything to do.
        let sql = format!("{COLUMNS} AS newer WHERE {RENEWING} LIMIT 1000");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(millis(at)).fetch_all(self.pool()).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        rows.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
        let mut tx = self.write().await?;
        let mut count = 0;
        for (key, seen) in rows {
            // Of several the newest stays, and somebody may have ended it meanwhile.
            if let Some((_, now)) =
                find(&mut tx, seen.id).await?.filter(|(_, now)| now.state == State::Active)
            {
                count += replace_older(&mut tx, key.0.cast_signed(), &now, "courant", at).await?;
            }
        }
        tx.commit().await?;
        Ok(count)
    }
}

/// What is to be fulfilled, of a data window that ended before the first value. Few have one, and nearly all
/// are active: an expression keeps the index by state out of the way.
const FULFILLABLE: &str =
    "data_until <= ? AND state || '' IN ('active', 'suspended') AND modes = '[\"notify\"]'";

/// What takes the place of something older at the instant that is the first value. Few renew anything: so that
/// neither the index by end nor that by state is taken, there is an expression, and no order.
const RENEWING: &str = "state = 'active' AND arrangement <> id AND valid_from <= ?1 AND valid_until + 0 > ?1 \
    AND EXISTS (SELECT 1 FROM consent AS older WHERE older.arrangement = newer.arrangement \
    AND older.key < newer.key AND older.valid_from <= ?1 AND older.state IN ('active', 'suspended'))";

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn the_sweep_looks_at_a_handful_among_many() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, crate::store::Durability::Off).await.unwrap();
        for (sql, index) in [
            (format!("{COLUMNS} WHERE {FULFILLABLE} LIMIT 10"), "consent_by_data_end"),
            (format!("{COLUMNS} AS newer WHERE {RENEWING} LIMIT 10"), "consent_renewal"),
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).bind(0).fetch_all(store.pool()).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get(3).unwrap()).collect();
            assert!(plan[0].contains(index), "{plan:?}");
        }
    }
}
