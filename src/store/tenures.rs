//! Tenures as rows: who held a series over which time.

use serde::Deserialize;
use sqlx::sqlite::SqliteConnection;

use super::{StoreError, millis, timestamp};
use crate::domain::series::Series;
use crate::domain::tenure::{Holding, Tenure, Tenures};

/// All tenures of the series in the row around it, as one text that [`read`] takes.
macro_rules! column {
    () => {
        "(SELECT json_group_array(json_array(place, holder, registered, begins, recorded, settings)) \
         FROM tenure WHERE tenure.series = series.key)"
    };
}
pub(super) use column;

/// Tenures per statement: SQLite binds 32 766 values at most.
const ROWS_AT_ONCE: usize = 1000;

/// As they stand in that text.
#[derive(Deserialize)]
struct Row(i64, Option<String>, u8, Option<i64>, Option<i64>, Option<String>);

/// Reads what [`column`] gives.
pub(super) fn read(text: &str) -> Result<Tenures, StoreError> {
    let json = |e: serde_json::Error| StoreError::row(format!("tenures: {e}"));
    let mut rows: Vec<Row> = serde_json::from_str(text).map_err(json)?;
    // An aggregate promises no order.
    rows.sort_unstable_by_key(|row| row.0);
    let tenure = |Row(_, holder, registered, begins, recorded, settings): Row| {
        Ok(Tenure {
            holder: match holder {
                Some(holder) => Holding::Held(holder.parse().map_err(StoreError::row)?),
                None if registered != 0 => Holding::Vacant,
                None => Holding::Unregistered,
            },
            from: begins.map(timestamp).transpose()?,
            recorded: recorded.map(timestamp).transpose()?,
            settings: settings.map(|text| serde_json::from_str(&text).map_err(json)).transpose()?,
        })
    };
    let list = rows.into_iter().map(tenure).collect::<Result<_, StoreError>>()?;
    Tenures::new(list).map_err(|e| StoreError::row(format!("tenures: {e}")))
}

/// Writes the tenures of registrations that have none yet.
pub(super) async fn insert(conn: &mut SqliteConnection, series: &[(i64, &Series)]) -> Result<(), StoreError> {
    let rows: Vec<(i64, i64, &Tenure)> = series
        .iter()
        .flat_map(|(key, series)| {
            (0..).zip(series.tenures.iter()).map(|(place, tenure)| (*key, place, tenure))
        })
        .collect();
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
        let sql = format!(
            "INSERT INTO tenure (series, place, holder, registered, begins, recorded, settings) VALUES {values}"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (key, place, tenure) in rows {
            let settings = tenure.settings.as_ref().map(serde_json::to_string).transpose();
            query = query
                .bind(*key)
                .bind(*place)
                .bind(tenure.holder.holder().map(ToString::to_string))
                .bind(tenure.holder != Holding::Unregistered)
                .bind(tenure.from.map(millis))
                .bind(tenure.recorded.map(millis))
                .bind(settings.map_err(|e| StoreError::row(e.to_string()))?);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Writes the tenures of a registration over those it had.
pub(super) async fn replace(
    conn: &mut SqliteConnection,
    key: i64,
    series: &Series,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tenure WHERE series = ?").bind(key).execute(&mut *conn).await?;
    insert(conn, &[(key, series)]).await
}
