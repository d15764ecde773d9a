//! What left of a time that changes hands: found in the disclosure log, listed, and to be erased by those who have it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jid::BareJid;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::disclosures::block;
use super::move_notices::{self, MoveNews};
use super::moving::Act;
use super::series::layers;
use super::{StoreError, millis, timestamp};
use crate::domain::disclosure::{Decided, Ground, Line};
use crate::domain::moving::{Left, Move};
use crate::domain::name::Scope;
use crate::domain::period::Period;
use crate::domain::series::Series;
use crate::domain::tenure::overlay;

/// Rows of the log read at once.
const PAGE: u32 = 200;

/// So much earlier than the border a record that is measured behind it may have come, milliseconds.
const AHEAD: i64 = 2 * 24 * 3600 * 1000;

/// The most series and recipients that are told apart: of more, the rest is in the log.
const TOLD_MAX: usize = 100_000;

/// What one subscription was owed of an item, or was given.
struct Sent {
    recipient: BareJid,
    series: Vec<Arc<str>>,
    records: u64,
    first: i64,
    last: i64,
}

/// Lists what left of what is not the former holder's any more, and has those who received it told to erase it.
pub(super) async fn tell(
    conn: &mut SqliteConnection,
    moved: &Move,
    series: &Series,
    act: Act<'_>,
) -> Result<Vec<Left>, StoreError> {
    // Where nobody held it until now, nothing left in anybody's name.
    if moved.former.is_none() || moved.from >= act.at {
        return Ok(Vec::new());
    }
    let mut found =
        Search { moved, shift: stamped_late_by(series), names: HashMap::new(), sent: BTreeMap::new() };
    found.read(conn).await?;
    let mut by_recipient: BTreeMap<BareJid, Left> = BTreeMap::new();
    let mut by_series: BTreeMap<(BareJid, Arc<str>), (i64, i64)> = BTreeMap::new();
    for sent in found.sent.into_values() {
        let first = sent.first.max(millis(moved.from));
        let until = sent.last.saturating_add(1);
        let (from, end) = (timestamp(first)?, timestamp(until)?);
        let left = by_recipient.entry(sent.recipient.clone()).or_insert_with(|| Left {
            recipient: sent.recipient.to_string(),
            from,
            until: end,
            records: 0,
        });
        left.from = left.from.min(from);
        left.until = left.until.max(end);
        left.records += sent.records;
        for name in sent.series {
            let known = by_series.len();
            let key = (sent.recipient.clone(), name);
            if known < TOLD_MAX || by_series.contains_key(&key) {
                let span = by_series.entry(key).or_insert((first, until));
                *span = (span.0.min(first), span.1.max(until));
            }
        }
    }
    for ((recipient, node), (from, until)) in by_series {
        let news = MoveNews::Erase {
            id: Uuid::now_v7(),
            node: node.to_string(),
            from: timestamp(from)?,
            until: timestamp(until)?,
        };
        move_notices::note(conn, &recipient, &news, act.at).await?;
    }
    Ok(by_recipient.into_values().collect())
}

/// By how much the time of a record lies behind its measuring time, in milliseconds.
fn stamped_late_by(series: &Series) -> i64 {
    let declared = |key: &str| series.meta.get(key).and_then(|value| value.as_str());
    let interval = match declared("stamp") {
        Some("end") => declared("sampling-interval").and_then(|text| text.parse::<Period>().ok()),
        _ => None,
    };
    interval.map_or(0, |period| i64::try_from(period.nominal().as_millis()).unwrap_or(i64::MAX))
}

struct Search<'a> {
    moved: &'a Move,
    /// By so much the time of a record lies behind its measuring time, milliseconds.
    shift: i64,
    /// Whether a series changed hands.
    names: HashMap<Arc<str>, bool>,
    /// By item and subscription, so that what was dropped after all can be taken out again. What was fetched has no
    /// item: the row and the line stand for it.
    sent: BTreeMap<(u64, u64, u64), Sent>,
}

impl Search<'_> {
    async fn read(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let mut last = first_row(conn, millis(self.moved.from).saturating_sub(AHEAD)).await?;
        loop {
            let rows =
                sqlx::query("SELECT seq, content FROM disclosure_block WHERE seq > ? ORDER BY seq LIMIT ?")
                    .bind(last)
                    .bind(PAGE)
                    .fetch_all(&mut *conn)
                    .await?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = end.try_get(0)?;
            for row in &rows {
                let seq = row.try_get::<i64, _>(0)?.unsigned_abs();
                // What cannot be read, `audit verify` tells.
                let lines = block::decode(row.try_get(1)?).unwrap_or_default();
                for (place, line) in (0u64..).zip(lines) {
                    match line {
                        Line::Decided(decided) => self.add(conn, &decided, None).await?,
                        Line::Fetched(fetched) => self.add(conn, &fetched, Some((seq, place))).await?,
                        Line::Dropped(dropped) => {
                            self.sent.remove(&(dropped.seq, dropped.subscription.0, 0));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    async fn add(
        &mut self,
        conn: &mut SqliteConnection,
        decided: &Decided,
        fetched: Option<(u64, u64)>,
    ) -> Result<(), StoreError> {
        let border = millis(self.moved.from);
        for (number, verdict) in (1u64..).zip(&decided.verdicts) {
            // Who published it has it by themselves.
            if !verdict.ground.permits()
                || verdict.ground == Ground::Producer
                || verdict.last.saturating_sub(self.shift) < border
            {
                continue;
            }
            let Some(recipient) = verdict.recipient.split('/').next().and_then(|who| BareJid::new(who).ok())
            else {
                continue;
            };
            if self.moved.holder.as_ref().and_then(|holder| holder.jid()) == Some(&recipient) {
                continue;
            }
            let named = match &verdict.series[..] {
                [] => std::slice::from_ref(&decided.node),
                names => names,
            };
            let mut series = Vec::with_capacity(named.len());
            for name in named {
                if self.changed_hands(conn, name).await? {
                    series.push(Arc::clone(name));
                }
            }
            if series.is_empty() {
                continue;
            }
            let key = match fetched {
                Some((row, place)) => (u64::MAX - row, place, number),
                None => (decided.seq, verdict.subscription.0, 0),
            };
            let (first, last) =
                (verdict.first.saturating_sub(self.shift), verdict.last.saturating_sub(self.shift));
            let records = u64::from(verdict.records);
            self.sent
                .entry(key)
                .and_modify(|sent| {
                    sent.records += records;
                    sent.first = sent.first.min(first);
                    sent.last = sent.last.max(last);
                })
                .or_insert(Sent { recipient, series, records, first, last });
        }
        Ok(())
    }

    /// Whether a series has the next holder from the border on: one below may have tenures of its own.
    async fn changed_hands(
        &mut self,
        conn: &mut SqliteConnection,
        name: &Arc<str>,
    ) -> Result<bool, StoreError> {
        if !self.moved.series.covers(name) {
            return Ok(false);
        }
        if let Some(changed) = self.names.get(name) {
            return Ok(*changed);
        }
        let layers = layers(conn, &Scope::Exact(Arc::clone(name))).await?;
        let tenures = overlay(layers.iter().map(|layer| &layer.tenures));
        let holder = tenures.and_then(|tenures| tenures.present(self.moved.from).holder().cloned());
        let changed = holder == self.moved.holder;
        self.names.insert(Arc::clone(name), changed);
        Ok(changed)
    }
}

/// The last row of the log that was written before this time, found by halves: rows rise as time goes on.
async fn first_row(conn: &mut SqliteConnection, at: i64) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(seq), 0) FROM disclosure_block").fetch_one(&mut *conn).await?;
    let (mut low, mut high) = (0i64, row.try_get::<i64, _>(0)?);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = sqlx::query("SELECT seq, at FROM disclosure_block WHERE seq > ? ORDER BY seq LIMIT 1")
            .bind(middle)
            .fetch_optional(&mut *conn)
            .await?;
        match row {
            Some(row) if row.try_get::<i64, _>(1)? < at => low = row.try_get(0)?,
            _ => high = middle,
        }
    }
    Ok(low)
}
