//! What changed, in order. Every write to series, consents and subscriptions, and every wish to try a dead
//! letter again, leaves a line here in the same transaction; the running service reads the lines behind the last one it knows.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::consents::ROWS_AT_ONCE;
use super::{Store, StoreError, millis, next_key, next_keys};

/// Which table a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A registration.
    Series,
    /// A consent.
    Consent,
    /// A subscription.
    Subscription,
    /// A dead letter that the operator wants tried again.
    DeadLetter,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Series => "series",
            Kind::Consent => "consent",
            Kind::Subscription => "subscription",
            Kind::DeadLetter => "dead-letter",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "series" => Ok(Kind::Series),
            "consent" => Ok(Kind::Consent),
            "subscription" => Ok(Kind::Subscription),
            "dead-letter" => Ok(Kind::DeadLetter),
            other => Err(StoreError::row(format!("a change of kind '{other}'"))),
        }
    }
}

/// One line: this row is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order.
    pub seq: u64,
    /// In which table.
    pub kind: Kind,
    /// Which row.
    pub key: u64,
}

/// Leaves a line, in the transaction of the write itself.
pub(super) async fn note(
    conn: &mut SqliteConnection,
    kind: Kind,
    key: i64,
    at: Timestamp,
) -> Result<(), StoreError> {
    let seq = next_key(conn, "change").await?;
    sqlx::query("INSERT INTO change (seq, kind, key, at) VALUES (?, ?, ?, ?)")
        .bind(seq)
        .bind(kind.as_str())
        .bind(key)
        .bind(millis(at))
        .execute(conn)
        .await?;
    Ok(())
}

/// Leaves many lines of a kind.
pub(super) async fn note_all(
    conn: &mut SqliteConnection,
    kind: Kind,
    keys: &[i64],
    at: Timestamp,
) -> Result<(), StoreError> {
    for keys in keys.chunks(ROWS_AT_ONCE) {
        let first = next_keys(conn, "change", keys.len()).await?;
        let values = vec!["(?, ?, ?, ?)"; keys.len()].join(", ");
        let sql = format!("INSERT INTO change (seq, kind, key, at) VALUES {values}");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (seq, key) in (first..).zip(keys) {
            query = query.bind(seq).bind(kind.as_str()).bind(*key).bind(millis(at));
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

impl Store {
    /// The number of the last change.
    pub async fn last_change(&self) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT value FROM counter WHERE name = 'change'").fetch_one(self.pool()).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// The changes after `seq`, oldest first.
    pub async fn changes_after(&self, seq: u64) -> Result<Vec<Change>, StoreError> {
        let rows = sqlx::query("SELECT seq, kind, key FROM change WHERE seq > ? ORDER BY seq")
            .bind(i64::try_from(seq).unwrap_or(i64::MAX))
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Change {
                    seq: row.try_get::<i64, _>(0)?.unsigned_abs(),
                    kind: Kind::read(row.try_get(1)?)?,
                    key: row.try_get::<i64, _>(2)?.unsigned_abs(),
                })
            })
            .collect()
    }
}
