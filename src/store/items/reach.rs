//! What an owner's hand reaches of what is kept: records of the holder's own tenures. An item of two holders loses only
//! one's own.

use std::borrow::Cow;
use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::read::decode;
use super::{CHUNK_BITS, measured_at};
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::period::Period;
use crate::domain::series::Series;
use crate::domain::tenure::{Tenures, overlay};
use crate::senml::{Format, Profile, Resolved, write};
use crate::store::series::layers;
use crate::store::{StoreError, timestamp};

/// Whose records may go, and what is known of the series so far.
pub(super) struct Reach<'a> {
    holder: Option<&'a Subject>,
    series: HashMap<String, Option<Whose>>,
}

/// Who held a series when.
struct Whose {
    tenures: Tenures,
    /// By so much the time of a record lies behind its measuring time, milliseconds.
    shift: i64,
}

/// Which part of a chunk is within reach.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    None,
    Some,
    All,
}

impl<'a> Reach<'a> {
    /// Of the tenures of this holder.
    pub(super) fn of(holder: Option<&'a Subject>) -> Self {
        Reach { holder, series: HashMap::new() }
    }

    /// Removes what of an item is within reach; the item goes when nothing is left of it. Returns whether anything was.
    pub(super) async fn item(&mut self, conn: &mut SqliteConnection, key: i64) -> Result<bool, StoreError> {
        let chunks = sqlx::query(
            "SELECT c.key, s.name, c.first, c.last, c.payload FROM history_chunk AS c \
             JOIN history_series AS s ON s.key = c.series WHERE c.key >= ? AND c.key < ? ORDER BY c.key",
        )
        .bind(key << CHUNK_BITS)
        .bind((key + 1) << CHUNK_BITS)
        .fetch_all(&mut *conn)
        .await?;
        let mut reached = false;
        for chunk in &chunks {
            reached |= self.chunk(conn, chunk).await?;
        }
        let gone = sqlx::query(
            "DELETE FROM history_item WHERE key = ?1 AND NOT EXISTS \
             (SELECT 1 FROM history_chunk WHERE key >= ?1 << 20 AND key < (?1 + 1) << 20)",
        )
        .bind(key)
        .execute(conn)
        .await?;
        Ok(reached || gone.rows_affected() > 0)
    }

    /// Removes what of a chunk is within reach, given as (key, series, first, last, payload).
    pub(super) async fn chunk(
        &mut self,
        conn: &mut SqliteConnection,
        row: &SqliteRow,
    ) -> Result<bool, StoreError> {
        let (key, name, first, last): (i64, &str, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        self.look_up(conn, name).await?;
        match self.part(name, first, last)? {
            Part::None => return Ok(false),
            Part::All => {
                sqlx::query("DELETE FROM history_chunk WHERE key = ?").bind(key).execute(conn).await?;
                return Ok(true);
            }
            Part::Some => {}
        }
        let records = decode(row.try_get(4)?)?;
        let mut kept = Resolved::default();
        for record in records.iter() {
            let at = measured_at(record.time());
            if self.part(name, at, at)? == Part::None {
                kept.push(&record);
            }
        }
        if kept.len() == records.len() {
            return Ok(false);
        }
        let (Some(begin), Some(end)) = (kept.get(0), kept.get(kept.len().saturating_sub(1))) else {
            sqlx::query("DELETE FROM history_chunk WHERE key = ?").bind(key).execute(conn).await?;
            return Ok(true);
        };
        let mut payload = Vec::new();
        write(Format::Cbor, Profile::Standard, kept.all(), &mut payload)
            .map_err(|e| StoreError::row(format!("kept records: {e}")))?;
        sqlx::query("UPDATE history_chunk SET first = ?, last = ?, payload = ? WHERE key = ?")
            .bind(measured_at(begin.time()))
            .bind(measured_at(end.time()))
            .bind(payload)
            .bind(key)
            .execute(conn)
            .await?;
        Ok(true)
    }

    async fn look_up(&mut self, conn: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
        if self.series.contains_key(name) {
            return Ok(());
        }
        let layers = layers(conn, &Scope::Exact(name.into())).await?;
        let shift = layers.iter().find(|series| !series.is_removed()).or(layers.first()).map_or(0, shift);
        let tenures = overlay(layers.iter().map(|series| &series.tenures)).map(Cow::into_owned);
        self.series.insert(name.to_owned(), tenures.map(|tenures| Whose { tenures, shift }));
        Ok(())
    }

    /// Which part of what was stamped from `first` to `last` (milliseconds) is within reach.
    fn part(&self, name: &str, first: i64, last: i64) -> Result<Part, StoreError> {
        // What nobody ever registered is nobody's.
        let Some(Some(whose)) = self.series.get(name) else { return Ok(Part::All) };
        let at = |millis: i64| {
            // Beyond the range of times, its end.
            timestamp(millis.saturating_sub(whose.shift)).or_else(|_| timestamp(millis.signum() * END))
        };
        let (from, until) = (at(first)?, at(last.saturating_add(1))?);
        let mut spans = 0;
        let mut theirs = 0;
        for span in whose.tenures.between(Some(from), Some(until)) {
            spans += 1;
            theirs += usize::from(self.holder.is_some() && span.tenure.holder.holder() == self.holder);
        }
        // Before the first tenure begins nobody holds it.
        let begins = whose.tenures.iter().next().and_then(|first| first.from);
        let whole = begins.is_none_or(|begins| begins <= from);
        Ok(match theirs {
            0 => Part::None,
            _ if theirs == spans && whole => Part::All,
            _ => Part::Some,
        })
    }
}

/// The last whole second that there is, in milliseconds.
const END: i64 = 253_402_207_200_000;

fn shift(series: &Series) -> i64 {
    let declared = |key: &str| series.meta.get(key).and_then(|value| value.as_str());
    let interval = match declared("stamp") {
        Some("end") => declared("sampling-interval").and_then(|text| text.parse::<Period>().ok()),
        _ => None,
    };
    interval.map_or(0, |period| i64::try_from(period.nominal().as_millis()).unwrap_or(i64::MAX))
}
