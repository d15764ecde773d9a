//! Deliveries that will not succeed by trying again, until the operator has them tried again or drops them.
//!
//! The item itself stays in the journal as long as a dead letter names it.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::changes::{self, Kind};
use super::journal::Row;
use super::{Store, StoreError, disclosures, millis};
use crate::domain::disclosure::{Dropped, Line, Why};
use crate::domain::subscription::SubscriptionKey;

/// In place of a subscription: the letter is a notice, to its address alone.
pub const NOTICE: u64 = 0;

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number, by which the operator names it.
    pub key: u64,
    /// The item's number in the journal.
    pub seq: u64,
    /// The subscription it was for.
    pub subscription: u64,
    /// To whom.
    pub jid: String,
    /// From which node.
    pub node: String,
    /// Which item of it.
    pub item: String,
    /// The stanza error condition (RFC 6120 §8.3.3).
    pub condition: String,
    /// When it was given up, milliseconds since 1970.
    pub at: i64,
    /// The operator asked that it be tried again, and the service has not taken it up yet.
    pub replay: bool,
    /// When it is tried again by itself, milliseconds since 1970; not at all where it came back for good.
    pub retry_at: Option<i64>,
    /// Whether the item is still in the journal, so that it can be tried again.
    pub kept: bool,
}

const COLUMNS: &str = "SELECT d.key, d.seq, d.subscription, d.jid, COALESCE(j.node, d.node), \
    COALESCE(j.item, d.item), d.condition, d.at, d.replay, j.seq IS NOT NULL, d.retry_at \
    FROM dead_letter d LEFT JOIN journal j ON j.seq = d.seq";

impl Store {
    /// Up to `limit` dead letters after number `key`, in order.
    pub async fn dead_letters(&self, key: u64, limit: u32) -> Result<Vec<Letter>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE d.key > ? ORDER BY d.key LIMIT ?"));
        let rows = sqlx::query(sql).bind(key.cast_signed()).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect()
    }

    /// One dead letter.
    pub async fn dead_letter(&self, key: u64) -> Result<Option<Letter>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE d.key = ?"));
        let row = sqlx::query(sql).bind(key.cast_signed()).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }

    /// Asks for these to be tried again; the service takes them up. Returns how many there were.
    pub async fn replay_dead_letters(&self, keys: &[u64], at: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let mut count = 0;
        for key in keys {
            let key = key.cast_signed();
            let done = sqlx::query("UPDATE dead_letter SET replay = TRUE WHERE key = ?")
                .bind(key)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() > 0 {
                changes::note(&mut tx, Kind::DeadLetter, key, at).await?;
                count += 1;
            }
        }
        tx.commit().await?;
        Ok(count)
    }

    /// Drops these for good. Returns how many there were.
    pub async fn drop_dead_letters(
        &self,
        keys: &[u64],
        actor: &str,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let (mut lines, mut count) = (Vec::new(), 0);
        for key in keys {
            if let Some((seq, subscription)) = remove(&mut tx, *key).await? {
                count += 1;
                // The log is of data; a notice is none.
                if subscription == NOTICE {
                    continue;
                }
                lines.push(Line::Dropped(Dropped {
                    seq,
                    subscription: SubscriptionKey(subscription),
                    consent: None,
                    why: Why::Discarded(actor.into()),
                }));
            }
        }
        disclosures::append(&mut tx, millis(at), &lines).await?;
        tx.commit().await?;
        Ok(count)
    }

    /// Which dead letters the operator wants tried again.
    pub async fn wanted_dead_letters(&self) -> Result<Vec<u64>, StoreError> {
        let rows = sqlx::query("SELECT key FROM dead_letter WHERE replay ORDER BY key")
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok(row.try_get::<i64, _>(0)?.unsigned_abs())).collect()
    }

    /// Up to `limit` dead letters whose time to be tried again has come, in order.
    ///
    /// `longest`: one that would have to wait longer was written before the clock stepped back, and is due.
    pub async fn due_dead_letters(
        &self,
        now: Timestamp,
        longest: Duration,
        limit: u32,
    ) -> Result<Vec<u64>, StoreError> {
        let now = millis(now);
        let latest = now.saturating_add(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX));
        let rows = sqlx::query(
            "SELECT d.key FROM dead_letter d JOIN journal j ON j.seq = d.seq \
             WHERE d.retry_at <= ?1 OR d.retry_at > ?2 ORDER BY d.key LIMIT ?3",
        )
        .bind(now)
        .bind(latest)
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| Ok(row.try_get::<i64, _>(0)?.unsigned_abs())).collect()
    }

    /// A dead letter that is to be tried again, with its item; nothing if it is gone.
    pub async fn dead_letter_to_replay(&self, key: u64) -> Result<Option<(Letter, Row)>, StoreError> {
        let wanted = |letter: &Letter| letter.replay || letter.retry_at.is_some();
        let Some(letter) = self.dead_letter(key).await?.filter(wanted) else {
            return Ok(None);
        };
        let row = self.journal_rows(&[letter.seq]).await?.pop();
        Ok(row.map(|row| (letter, row)))
    }
}

/// Removes a dead letter, noting that its row does not deliver it: the item and the subscription it named.
pub(super) async fn remove(conn: &mut SqliteConnection, key: u64) -> Result<Option<(u64, u64)>, StoreError> {
    let row = sqlx::query("DELETE FROM dead_letter WHERE key = ? RETURNING seq, subscription")
        .bind(key.cast_signed())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (seq, subscription): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    // A letter may be all that is left of its row; then there is nothing to note.
    sqlx::query(
        "INSERT INTO given_up (seq, subscription) SELECT seq, ?2 FROM journal WHERE seq = ?1 \
         ON CONFLICT DO NOTHING",
    )
    .bind(seq)
    .bind(subscription)
    .execute(&mut *conn)
    .await?;
    Ok(Some((seq.unsigned_abs(), subscription.unsigned_abs())))
}

fn read(row: &SqliteRow) -> Result<Letter, StoreError> {
    Ok(Letter {
        key: row.try_get::<i64, _>(0)?.unsigned_abs(),
        seq: row.try_get::<i64, _>(1)?.unsigned_abs(),
        subscription: row.try_get::<i64, _>(2)?.unsigned_abs(),
        jid: row.try_get(3)?,
        node: row.try_get(4)?,
        item: row.try_get(5)?,
        condition: row.try_get(6)?,
        at: row.try_get(7)?,
        replay: row.try_get(8)?,
        kept: row.try_get(9)?,
        retry_at: row.try_get(10)?,
    })
}
