//! New registrations: one by one, many at once, and again after they were removed.

use std::collections::HashMap;

use jiff::Timestamp;

use super::changes::{self, Kind};
use super::moving::{Act, Step, hand_all, step};
use super::series::{ever_named, insert, layers, read, update};
use super::{Store, StoreError, millis, tenures, timestamp};
use crate::domain::moving::Report;
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::tenure::{Holding, Tenure, TenureError, Tenures};

/// Registrations per statement: SQLite binds 32 766 values at most.
const ROWS_AT_ONCE: usize = 500;

/// What became of a wish to register a series.
#[derive(Debug)]
pub enum Registered {
    /// It is done. Where somebody held it until then, by a wider registration, this is what the move did.
    Done(Option<Box<Report>>),
    /// It is registered already.
    Exists,
    /// It was registered before, and its last tenure began later than this.
    TooEarly(Timestamp),
    /// It has too many tenures.
    Refused(TenureError),
}

/// What an import of registrations did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportedSeries {
    /// New registrations.
    pub added: usize,
    /// Registrations that got other tenures.
    pub rewritten: usize,
}

impl Store {
    /// Registers a series. A name that is registered already is [`StoreError::Exists`].
    pub async fn add_series(&self, series: &Series, at: Timestamp) -> Result<(), StoreError> {
        match self.register(series, None, false, "courant", at).await? {
            Registered::Done(_) => Ok(()),
            Registered::Exists => Err(StoreError::Exists { what: format!("the series {}", series.name) }),
            Registered::TooEarly(_) => Err(StoreError::row("a tenure that begins in the future")),
            Registered::Refused(why) => Err(StoreError::row(why.to_string())),
        }
    }

    /// Registers a series. Its holder holds it from `from` on; unless said from now on where the name was somebody's
    /// before, by a wider registration or by one that was removed, and else without a beginning.
    pub async fn register(
        &self,
        series: &Series,
        from: Option<Timestamp>,
        dry_run: bool,
        actor: &str,
        at: Timestamp,
    ) -> Result<Registered, StoreError> {
        let mut tx = self.write().await?;
        let known = ever_named(&mut tx, &series.name).await?;
        if known.as_ref().is_some_and(|(_, held)| !held.is_removed()) {
            return Ok(Registered::Exists);
        }
        let was_somebodys = known.is_some() || !layers(&mut tx, &series.name).await?.is_empty();
        let from = from.or_else(|| was_somebodys.then_some(at));
        let border = timestamp(millis(from.unwrap_or(at)))?;
        let past = known.as_ref().map(|(_, held)| &held.tenures);
        let tenures = match begun(&series.tenures, past, from.map(|_| border), at) {
            Ok(tenures) => tenures,
            Err(TenureError::Order { .. }) => {
                let begins = past.and_then(|past| past.last().from).unwrap_or(border);
                return Ok(Registered::TooEarly(begins));
            }
            Err(why) => return Ok(Registered::Refused(why)),
        };
        let after = Series { tenures, ..series.clone() };
        let key = match &known {
            Some((key, _)) => {
                update(&mut tx, *key, &after).await?;
                tenures::replace(&mut tx, *key, &after).await?;
                changes::note(&mut tx, Kind::Series, *key, at).await?;
                *key
            }
            None => insert(&mut tx, &[&after], at).await?.first().copied().unwrap_or_default(),
        };
        let mut report = None;
        if was_somebodys && !after.follows() {
            let before = known.map_or_else(Tenures::following, |(_, held)| held.tenures);
            let before = Series { tenures: before, ..after.clone() };
            let step = step(&mut tx, key, before, after, border).await?;
            if step.moved.former.is_some() && step.moved.former != step.moved.holder {
                report = hand_all(&mut tx, vec![step], Act { actor, at }).await?.pop().map(Box::new);
            }
        }
        if !dry_run {
            tx.commit().await?;
        }
        Ok(Registered::Done(report))
    }

    /// Registers many series, all or none, with the tenures that they say. One that is registered already gets these
    /// tenures in place of its own, and else stays as it is.
    pub async fn import_series(
        &self,
        series: &[Series],
        actor: &str,
        at: Timestamp,
    ) -> Result<ImportedSeries, StoreError> {
        let act = Act { actor, at };
        let mut done = ImportedSeries::default();
        let mut rewritten: Vec<Step> = Vec::new();
        let mut tx = self.write().await?;
        for rows in series.chunks(ROWS_AT_ONCE) {
            let names: Vec<String> = rows.iter().map(|series| series.name.to_string()).collect();
            let names = serde_json::to_string(&names).map_err(|e| StoreError::row(e.to_string()))?;
            let sql = format!("{} WHERE name IN (SELECT value FROM json_each(?))", super::series::COLUMNS);
            let held = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(names).fetch_all(&mut *tx).await?;
            let mut held: HashMap<Scope, (u64, Series)> = held
                .iter()
                .map(|row| read(row).map(|(key, series)| (series.name.clone(), (key, series))))
                .collect::<Result<_, StoreError>>()?;
            let mut new = Vec::with_capacity(rows.len());
            for series in rows {
                let Some((key, before)) = held.remove(&series.name) else {
                    new.push(series);
                    continue;
                };
                let key = key.cast_signed();
                if before.is_removed() && !series.is_removed() {
                    done.added += 1;
                } else {
                    done.rewritten += usize::from(before.tenures != series.tenures);
                }
                // As it is there, but for whose it is; one that was removed is as the file says.
                let after = match before.is_removed() || series.is_removed() {
                    true => series.clone(),
                    false => Series { tenures: series.tenures.clone(), ..before.clone() },
                };
                update(&mut tx, key, &after).await?;
                tenures::replace(&mut tx, key, &after).await?;
                changes::note(&mut tx, Kind::Series, key, at).await?;
                if before.tenures != after.tenures {
                    let border = after.tenures.last().from.unwrap_or(Timestamp::UNIX_EPOCH);
                    rewritten.push(step(&mut tx, key, before, after, border).await?);
                }
            }
            insert(&mut tx, &new, at).await?;
            done.added += new.len();
        }
        rewritten.retain(|step| step.moved.former.is_some() && step.moved.former != step.moved.holder);
        hand_all(&mut tx, rewritten, act).await?;
        tx.commit().await?;
        Ok(done)
    }
}

/// The tenures of a new registration: what is past of the name, and who holds it from `from` on.
fn begun(
    wanted: &Tenures,
    past: Option<&Tenures>,
    from: Option<Timestamp>,
    at: Timestamp,
) -> Result<Tenures, TenureError> {
    let (Some(from), Some(last)) = (from, wanted.iter().next_back()) else { return Ok(wanted.clone()) };
    // Whole tenures, and those of a node that follows a wider registration, are taken as they are.
    let begins = match wanted.iter().len() {
        1 if last.from.is_none() => Tenure::since(last.holder.clone(), from, at),
        _ => last.clone(),
    };
    match past {
        Some(past) => {
            let mut tenures = past.clone();
            tenures.begin(begins)?;
            Ok(tenures)
        }
        None if last.holder == Holding::Unregistered => Ok(wanted.clone()),
        None => Tenures::new(vec![begins]),
    }
}
