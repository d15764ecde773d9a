//! What is to be subscribed when a request is granted: which address asked by subscribing, and for which format.

use std::collections::HashMap;

use jid::Jid;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::subscription::Wish;

/// Keeps it with the request of this number.
pub(super) async fn keep(conn: &mut SqliteConnection, consent: i64, wish: &Wish) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO subscription_wish (consent, jid, format) VALUES (?, ?, ?)")
        .bind(consent)
        .bind(wish.jid.to_string())
        .bind(wish.format.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes it from the request, which is answered.
pub(super) async fn take(conn: &mut SqliteConnection, consent: i64) -> Result<Option<Wish>, StoreError> {
    let row = sqlx::query("DELETE FROM subscription_wish WHERE consent = ? RETURNING jid, format")
        .bind(consent)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read).transpose()
}

impl Store {
    /// What goes with each of these requests, where they were made by subscribing.
    pub async fn wishes_of(&self, requests: &[Uuid]) -> Result<HashMap<Uuid, Wish>, StoreError> {
        if requests.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<String> = requests.iter().map(Uuid::to_string).collect();
        let list = serde_json::to_string(&ids).map_err(|e| StoreError::row(e.to_string()))?;
        let rows = sqlx::query(
            "SELECT w.jid, w.format, c.id FROM consent c JOIN subscription_wish w ON w.consent = c.key \
             WHERE c.id IN (SELECT value FROM json_each(?))",
        )
        .bind(list)
        .fetch_all(self.pool())
        .await?;
        let one = |row: &SqliteRow| {
            let id = Uuid::parse_str(row.try_get(2)?).map_err(|e| StoreError::row(e.to_string()))?;
            Ok((id, read(row)?))
        };
        rows.iter().map(one).collect()
    }

    /// What goes with this request, if it was made by subscribing.
    pub async fn wish_of(&self, request: Uuid) -> Result<Option<Wish>, StoreError> {
        Ok(self.wishes_of(&[request]).await?.remove(&request))
    }

    /// Changes what goes with a request. `false` if it is answered already.
    pub async fn change_wish(&self, request: Uuid, wish: &Wish) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE subscription_wish SET jid = ?, format = ? \
             WHERE consent = (SELECT key FROM consent WHERE id = ?)",
        )
        .bind(wish.jid.to_string())
        .bind(wish.format.as_str())
        .bind(request.to_string())
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

fn read(row: &SqliteRow) -> Result<Wish, StoreError> {
    let jid: &str = row.try_get(0)?;
    Ok(Wish {
        jid: Jid::new(jid).map_err(|e| StoreError::row(format!("who asked: {e}")))?,
        format: row.try_get::<&str, _>(1)?.parse().map_err(StoreError::row)?,
    })
}
