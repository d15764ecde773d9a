//! Where recipients want their data.

use std::collections::HashSet;

use jid::{BareJid, Jid};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::changes::{self, Kind};
use super::consents::ROWS_AT_ONCE;
use super::{Store, StoreError, millis, next_key, next_keys};
use crate::domain::name::Scope;
use crate::domain::subscription::{Subscription, SubscriptionKey};

/// Subscribes within a transaction, unless the address is subscribed to that node already.
pub(super) async fn add(
    conn: &mut SqliteConnection,
    subscription: &Subscription,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (jid, node) = (subscription.jid.to_string(), subscription.node.to_string());
    let held = sqlx::query("SELECT 1 FROM subscription WHERE jid = ? AND node = ?")
        .bind(&jid)
        .bind(&node)
        .fetch_optional(&mut *conn)
        .await?;
    if held.is_some() {
        return Ok(());
    }
    let key = next_key(conn, "subscription").await?;
    sqlx::query("INSERT INTO subscription (key, jid, node, format, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(key)
        .bind(jid)
        .bind(node)
        .bind(subscription.format.as_str())
        .bind(millis(at))
        .execute(&mut *conn)
        .await?;
    changes::note(conn, Kind::Subscription, key, at).await
}

/// The same for many at once.
pub(super) async fn add_all(
    conn: &mut SqliteConnection,
    wishes: &[Subscription],
    at: Timestamp,
) -> Result<(), StoreError> {
    for wishes in wishes.chunks(ROWS_AT_ONCE) {
        let mut new: Vec<(String, String, &'static str)> = Vec::with_capacity(wishes.len());
        let mut seen = HashSet::with_capacity(wishes.len());
        let marks = vec!["(?, ?)"; wishes.len()].join(", ");
        let sql = format!("SELECT jid, node FROM subscription WHERE (jid, node) IN (VALUES {marks})");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for wish in wishes {
            query = query.bind(wish.jid.to_string()).bind(wish.node.to_string());
        }
        for row in query.fetch_all(&mut *conn).await? {
            seen.insert((row.try_get(0)?, row.try_get(1)?));
        }
        for wish in wishes {
            let (jid, node) = (wish.jid.to_string(), wish.node.to_string());
            if seen.insert((jid.clone(), node.clone())) {
                new.push((jid, node, wish.format.as_str()));
            }
        }
        if new.is_empty() {
            continue;
        }
        let first = next_keys(conn, "subscription", new.len()).await?;
        let marks = vec!["(?, ?, ?, ?, ?)"; new.len()].join(", ");
        let sql = format!("INSERT INTO subscription (key, jid, node, format, created_at) VALUES {marks}");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        let keys: Vec<i64> = (first..).take(new.len()).collect();
        for (key, (jid, node, format)) in keys.iter().zip(new) {
            query = query.bind(*key).bind(jid).bind(node).bind(format).bind(millis(at));
        }
        query.execute(&mut *conn).await?;
        changes::note_all(conn, Kind::Subscription, &keys, at).await?;
    }
    Ok(())
}

/// Ends a subscription within a transaction. Returns whether there was one.
pub(super) async fn remove(
    conn: &mut SqliteConnection,
    jid: &Jid,
    node: &Scope,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let row = sqlx::query("DELETE FROM subscription WHERE jid = ? AND node = ? RETURNING key")
        .bind(jid.to_string())
        .bind(node.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    match row {
        Some(row) => {
            changes::note(conn, Kind::Subscription, row.try_get(0)?, at).await?;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Ends the subscriptions of a bare address and of its resources to this node, within a transaction. Gives what
/// ended.
pub(super) async fn remove_all(
    conn: &mut SqliteConnection,
    who: &BareJid,
    node: &Scope,
    at: Timestamp,
) -> Result<Vec<Subscription>, StoreError> {
    let rows = sqlx::query(
        "DELETE FROM subscription WHERE (jid = ?1 OR jid > ?1 || '/' AND jid < ?1 || '0') AND node = ?2 \
         RETURNING key, jid, node, format",
    )
    .bind(who.as_str())
    .bind(node.to_string())
    .fetch_all(&mut *conn)
    .await?;
    let mut gone = Vec::with_capacity(rows.len());
    for row in &rows {
        let (key, held) = read(row)?;
        changes::note(conn, Kind::Subscription, key.0.cast_signed(), at).await?;
        gone.push(held);
    }
    gone.sort_by(|a, b| a.jid.cmp(&b.jid));
    Ok(gone)
}

/// The subscriptions of a bare address and of its resources, within a transaction.
pub(super) async fn held_by(
    conn: &mut SqliteConnection,
    who: &BareJid,
) -> Result<Vec<Subscription>, StoreError> {
    // '0' is what comes after '/'.
    let rows = sqlx::query(
        "SELECT key, jid, node, format FROM subscription WHERE jid = ?1 OR jid > ?1 || '/' AND jid < ?1 || '0' \
         ORDER BY node, jid",
    )
    .bind(who.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok(read(row)?.1)).collect()
}

/// The subscriptions to exactly this node, within a transaction.
pub(super) async fn held_at(
    conn: &mut SqliteConnection,
    node: &Scope,
) -> Result<Vec<Subscription>, StoreError> {
    let rows = sqlx::query("SELECT key, jid, node, format FROM subscription WHERE node = ? ORDER BY jid")
        .bind(node.to_string())
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Ok(read(row)?.1)).collect()
}

impl Store {
    /// Subscribes, or changes the format of the subscription that is there.
    pub async fn subscribe(&self, wish: &Subscription, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        add(&mut tx, wish, at).await?;
        let changed = sqlx::query(
            "UPDATE subscription SET format = ?3 WHERE jid = ?1 AND node = ?2 AND format <> ?3 RETURNING key",
        )
        .bind(wish.jid.to_string())
        .bind(wish.node.to_string())
        .bind(wish.format.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = changed {
            changes::note(&mut tx, Kind::Subscription, row.try_get(0)?, at).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends one subscription. Returns whether there was one.
    pub async fn unsubscribe(&self, jid: &Jid, node: &Scope, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let found = remove(&mut tx, jid, node, at).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// The subscription of this address to this node.
    pub async fn subscription(&self, jid: &Jid, node: &Scope) -> Result<Option<Subscription>, StoreError> {
        let row = sqlx::query("SELECT key, jid, node, format FROM subscription WHERE jid = ? AND node = ?")
            .bind(jid.to_string())
            .bind(node.to_string())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.as_ref().map(read).transpose()?.map(|(_, subscription)| subscription))
    }

    /// The subscriptions of a bare address and of its resources, at most `most`.
    pub async fn subscriptions_of(&self, who: &BareJid, most: u32) -> Result<Vec<Subscription>, StoreError> {
        // '0' is what comes after '/'.
        let rows = sqlx::query(
            "SELECT key, jid, node, format FROM subscription \
             WHERE jid = ?1 OR jid > ?1 || '/' AND jid < ?1 || '0' ORDER BY node, jid LIMIT ?2",
        )
        .bind(who.as_str())
        .bind(most)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok(read(row)?.1)).collect()
    }

    /// How many subscriptions a bare address and its resources have.
    pub async fn count_subscriptions(&self, who: &BareJid) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) FROM subscription WHERE jid = ?1 OR jid > ?1 || '/' AND jid < ?1 || '0'",
        )
        .bind(who.as_str())
        .fetch_one(self.pool())
        .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// The subscriptions to exactly this node, at most `most`.
    pub async fn subscribers_of(&self, node: &Scope, most: u32) -> Result<Vec<Subscription>, StoreError> {
        let rows = sqlx::query(
            "SELECT key, jid, node, format FROM subscription WHERE node = ? ORDER BY jid LIMIT ?",
        )
        .bind(node.to_string())
        .bind(most)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok(read(row)?.1)).collect()
    }

    /// One subscription, by its number.
    pub async fn subscription_by_key(
        &self,
        key: u64,
    ) -> Result<Option<(SubscriptionKey, Subscription)>, StoreError> {
        let row = sqlx::query("SELECT key, jid, node, format FROM subscription WHERE key = ?")
            .bind(key.cast_signed())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &SqliteRow) -> Result<(SubscriptionKey, Subscription), StoreError> {
    let jid: &str = row.try_get(1)?;
    let subscription = Subscription {
        jid: Jid::new(jid).map_err(|e| StoreError::row(format!("subscriber: {e}")))?,
        node: Scope::parse(row.try_get(2)?).map_err(|e| StoreError::row(format!("subscription: {e}")))?,
        format: row.try_get::<&str, _>(3)?.parse().map_err(StoreError::row)?,
    };
    Ok((SubscriptionKey(row.try_get::<i64, _>(0)?.unsigned_abs()), subscription))
}
