//! Series under consents with a granularity: running sums of the periods that are not complete.
//!
//! Written with the items that changed them, in one transaction, so that after a crash each measurement has
//! been counted once. What a state means is the relay's business: it is text here.

use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::{Store, StoreError};
use crate::domain::consent::ConsentKey;

/// What a series under a consent has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutReduction {
    /// Under which consent.
    pub consent: ConsentKey,
    /// Which series.
    pub series: Arc<str>,
    /// What there is; `None` where it is forgotten.
    pub state: Option<String>,
}

/// Writes what changed, within a transaction.
pub(super) async fn write(conn: &mut SqliteConnection, changes: &[PutReduction]) -> Result<(), StoreError> {
    for PutReduction { consent, series, state } in changes {
        let query = match state {
            Some(state) => sqlx::query(
                "INSERT INTO reduction (consent, series, state) VALUES (?, ?, ?) \
                 ON CONFLICT (consent, series) DO UPDATE SET state = excluded.state",
            )
            .bind(consent.0.cast_signed())
            .bind(&**series)
            .bind(state),
            None => sqlx::query("DELETE FROM reduction WHERE consent = ? AND series = ?")
                .bind(consent.0.cast_signed())
                .bind(&**series),
        };
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

impl Store {
    /// Up to `limit` states after this consent and series, in order.
    pub async fn reductions_after(
        &self,
        consent: ConsentKey,
        series: &str,
        limit: u32,
    ) -> Result<Vec<(ConsentKey, String, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT consent, series, state FROM reduction WHERE (consent, series) > (?, ?) \
             ORDER BY consent, series LIMIT ?",
        )
        .bind(consent.0.cast_signed())
        .bind(series)
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok((ConsentKey(row.try_get::<i64, _>(0)?.unsigned_abs()), row.try_get(1)?, row.try_get(2)?))
            })
            .collect()
    }
}
