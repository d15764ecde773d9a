//! A series changes hands: its tenures, and in the same transaction what rested on the former holder. What that is,
//! [`crate::domain::moving`] decides; where the border lies ahead, it is done when it comes.

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::changes::{self, Kind};
use super::followers::{self, Change};
use super::moved_parties::Done;
use super::series::{layers, named, update};
use super::{Store, StoreError, disclosures, leaks, millis, moved_parties, tenures, timestamp};
use crate::domain::disclosure::{HandOver, Line};
use crate::domain::moving::{Move, Report, begin_anew};
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::period::Period;
use crate::domain::series::Series;
use crate::domain::tenure::{Holding, Settings, Tenure, TenureError, Tenures, overlay};

/// How far ahead a border may lie.
const AHEAD_MAX: &str = "P1Y";

/// Registrations below a prefix that move with it, or are listed.
const BELOW_MAX: u32 = 100_000;

/// Who is to hold a series.
#[derive(Debug, Clone)]
pub struct NextHolder {
    /// The registration.
    pub series: Scope,
    /// Who; nobody where it is vacant.
    pub holder: Option<Subject>,
    /// From which measuring time on; from now unless said.
    pub from: Option<Timestamp>,
    /// Registrations below it that have tenures of their own go with it.
    pub below: bool,
    /// What the node is set to stays: the operator states that the next holder agreed.
    pub keep_settings: bool,
    /// The tenures that whoever decides this has seen: if they are not these any more, nothing is changed.
    pub seen: Option<Tenures>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What became of a wish that a series change hands.
#[derive(Debug)]
pub enum Handed {
    /// It is done, or would be.
    Done(Box<Report>),
    /// Nothing of that name is registered.
    NotFound,
    /// Somebody else changed it since it was looked at.
    ChangedMeanwhile,
    /// The border lies before the beginning of the last tenure of this registration.
    TooEarly(Scope, Timestamp),
    /// The border lies further ahead than this.
    TooFar(Timestamp),
    /// It has too many tenures.
    Refused(TenureError),
}

/// Who acts, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act<'a> {
    pub(super) actor: &'a str,
    pub(super) at: Timestamp,
}

/// A registration as it was, and as it is after the move.
pub(super) struct Step {
    key: i64,
    before: Series,
    after: Series,
    pub(super) moved: Move,
    /// Who removes a node tells those who hold it, ask for it or subscribe to it.
    quiet: bool,
    /// What is set stays.
    keep_settings: bool,
}

impl Store {
    /// Gives a series another holder, or none.
    pub async fn hand_over(
        &self,
        wish: &NextHolder,
        actor: &str,
        now: Timestamp,
    ) -> Result<Handed, StoreError> {
        let act = Act { actor, at: now };
        // To the millisecond, as it is kept.
        let border = timestamp(millis(wish.from.unwrap_or(now)))?;
        let latest = latest(now);
        if border > latest {
            return Ok(Handed::TooFar(latest));
        }
        let mut tx = self.write().await?;
        let Some((key, series)) = named(&mut tx, &wish.series).await? else { return Ok(Handed::NotFound) };
        if wish.seen.as_ref().is_some_and(|seen| *seen != series.tenures) {
            return Ok(Handed::ChangedMeanwhile);
        }
        let mut unchanged = Vec::new();
        let mut moving = vec![(key, series)];
        for (key, below) in own_below(&mut tx, &wish.series).await? {
            if wish.below {
                moving.push((key, below));
            } else if below.tenures.last().holder.holder() != wish.holder.as_ref() {
                unchanged.push(below.name.to_string());
            }
        }
        let mut steps = Vec::with_capacity(moving.len());
        for (key, before) in moving {
            let holder = wish.holder.clone().map_or(Holding::Vacant, Holding::Held);
            match next_tenure(&before, holder, border, act.at, wish.keep_settings) {
                Ok(Some(after)) => {
                    let step = step(&mut tx, key, before, after, border).await?;
                    steps.push(Step { keep_settings: wish.keep_settings, ..step });
                }
                // They hold it already.
                Ok(None) => {}
                Err(Refusal::TooEarly(begins)) => return Ok(Handed::TooEarly(before.name, begins)),
                Err(Refusal::Tenures(why)) => return Ok(Handed::Refused(why)),
            }
        }
        let done = hand_all(&mut tx, steps, act).await?;
        let mut report = joined(done, &wish.series, border, wish.holder.as_ref());
        report.unchanged = unchanged;
        if !wish.dry_run {
            tx.commit().await?;
        }
        Ok(Handed::Done(Box::new(report)))
    }

    /// Removes a registration and the subscriptions to its name: its tenure ends, and its past stays whose it was.
    /// Nothing where there is none of that name.
    pub async fn end_series(
        &self,
        name: &Scope,
        dry_run: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Option<Report>, StoreError> {
        self.end(name, true, dry_run, actor, now).await
    }

    async fn end(
        &self,
        name: &Scope,
        tell: bool,
        dry_run: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Option<Report>, StoreError> {
        let act = Act { actor, at: now };
        let border = timestamp(millis(now))?;
        let mut tx = self.write().await?;
        let Some((key, before)) = named(&mut tx, name).await? else { return Ok(None) };
        let after = removed(&before, border, now);
        let done = match after {
            Some(after) => {
                let step = Step { quiet: !tell, ..step(&mut tx, key, before, after, border).await? };
                hand_all(&mut tx, vec![step], act).await?
            }
            // It never had a tenure of its own: nothing of it is anybody's past.
            None => {
                sqlx::query("DELETE FROM tenure WHERE series = ?").bind(key).execute(&mut *tx).await?;
                sqlx::query("DELETE FROM series WHERE key = ?").bind(key).execute(&mut *tx).await?;
                changes::note(&mut tx, Kind::Series, key, now).await?;
                Vec::new()
            }
        };
        let mut report = joined(done, name, border, None);
        report.subscriptions += moved_parties::unsubscribe_all(&mut tx, name, tell, act).await?;
        if !dry_run {
            tx.commit().await?;
        }
        Ok(Some(report))
    }

    /// Removes a registration and the subscriptions to its name, whose subscribers are told otherwise. `false` if it
    /// is gone.
    pub async fn remove_series(&self, name: &Scope, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.end(name, false, false, actor, now).await?.is_some())
    }

    /// Does what moves do whose border has come. Returns how many there were.
    pub async fn moves_that_are_due(&self, now: Timestamp) -> Result<usize, StoreError> {
        // Looked at without the writer's lock: there is hardly ever one.
        const DUE: &str = "SELECT series, border, actor FROM move_ahead WHERE border <= ? ORDER BY border, series LIMIT 100";
        if sqlx::query(DUE).bind(millis(now)).fetch_optional(self.pool()).await?.is_none() {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let due = sqlx::query(DUE).bind(millis(now)).fetch_all(&mut *tx).await?;
        for row in &due {
            let (key, begins): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let actor: String = row.try_get(2)?;
            sqlx::query("DELETE FROM move_ahead WHERE series = ? AND border = ?")
                .bind(key)
                .bind(begins)
                .execute(&mut *tx)
                .await?;
            let border = timestamp(begins)?;
            let Some((_, before)) = super::series::by_key(&mut tx, key).await? else { continue };
            if let Some(after) = taken_effect(&before, border)? {
                update(&mut tx, key, &after).await?;
                tenures::replace(&mut tx, key, &after).await?;
                followers::take_effect(&mut tx, &after.name, border, now).await?;
                let moved = moved(&mut tx, &after, &after.tenures, border).await?;
                changes::note(&mut tx, Kind::Series, key, now).await?;
                let (act, mut done) = (Act { actor: &actor, at: now }, Done::default());
                moved_parties::concerned(&mut tx, &moved, &after, act, &mut done).await?;
            }
        }
        tx.commit().await?;
        Ok(due.len())
    }
}

/// The latest border that is taken.
pub fn latest(now: Timestamp) -> Timestamp {
    AHEAD_MAX.parse::<Period>().ok().and_then(|ahead| ahead.after(now)).unwrap_or(Timestamp::MAX)
}

/// The registrations within this one that have tenures of their own.
async fn own_below(conn: &mut SqliteConnection, name: &Scope) -> Result<Vec<(i64, Series)>, StoreError> {
    let Scope::Prefix(prefix) = name else { return Ok(Vec::new()) };
    let mut below = super::series::registered_below(conn, prefix, BELOW_MAX).await?;
    below.retain(|(_, series)| series.name != *name && !series.follows());
    Ok(below)
}

enum Refusal {
    TooEarly(Timestamp),
    Tenures(TenureError),
}

/// The registration with its next tenure; nothing where that holder has it already.
fn next_tenure(
    before: &Series,
    holder: Holding,
    border: Timestamp,
    now: Timestamp,
    keep_settings: bool,
) -> Result<Option<Series>, Refusal> {
    let mut list: Vec<Tenure> = before.tenures.iter().cloned().collect();
    if let Some(begins) = list.last().and_then(|last| last.from).filter(|begins| *begins > border) {
        return Err(Refusal::TooEarly(begins));
    }
    if list.last().is_some_and(|last| last.holder == holder) {
        return Ok(None);
    }
    let mut after = before.clone();
    let mut was = Settings { open: before.open, node: before.node.clone() };
    if list.last().is_some_and(|last| last.from == Some(border)) {
        // The last one was a slip: it never was.
        was = list.pop().and_then(|slip| slip.settings).map_or(was, |settings| *settings);
    }
    // What the last tenure is set to, if that is not what the registration says: it lies ahead.
    if let Some(settings) = list.last().and_then(|last| last.settings.clone()).filter(|_| border > now) {
        was = *settings;
    }
    let next = if keep_settings { was.clone() } else { begin_anew(&was) };
    if list.last().is_some_and(|last| last.holder == holder) {
        // As it was before the slip.
        if border <= now
            && let Some(settings) = list.last_mut().and_then(|last| last.settings.take())
        {
            (after.open, after.node) = (settings.open, settings.node);
        }
    } else if border <= now {
        if let Some(last) = list.last_mut().filter(|last| last.settings.is_none()) {
            last.settings = Some(Box::new(was));
        }
        (after.open, after.node) = (next.open, next.node);
        list.push(Tenure::since(holder, border, now));
    } else {
        let settings = Some(Box::new(next));
        list.push(Tenure { settings, ..Tenure::since(holder, border, now) });
    }
    after.tenures = Tenures::new(list).map_err(Refusal::Tenures)?;
    Ok(Some(after))
}

/// The registration as it is once it is removed; nothing where it has no tenure of its own.
fn removed(before: &Series, border: Timestamp, now: Timestamp) -> Option<Series> {
    let mut list: Vec<Tenure> = before
        .tenures
        .iter()
        .filter(|tenure| tenure.from.is_none_or(|from| from < border))
        .cloned()
        .collect();
    if before.follows() {
        // Removed once more: its past is what it was.
        let own = list.iter().rposition(|tenure| tenure.holder != Holding::Unregistered)?;
        list.truncate(own + 2);
    } else {
        let was = Settings { open: before.open, node: before.node.clone() };
        list.last_mut()?.settings.get_or_insert_with(|| Box::new(was));
        list.push(Tenure::since(Holding::Unregistered, border, now));
    }
    Some(Series {
        tenures: Tenures::new(list).ok()?,
        producers: Vec::new(),
        open: false,
        node: Default::default(),
        ..before.clone()
    })
}

/// The registration once the tenure that begins at this border is the present one; nothing where there is none.
pub(super) fn taken_effect(before: &Series, border: Timestamp) -> Result<Option<Series>, StoreError> {
    let mut list: Vec<Tenure> = before.tenures.iter().cloned().collect();
    let Some(place) = list.iter().position(|tenure| tenure.from == Some(border)) else { return Ok(None) };
    let mut after = before.clone();
    if let Some(settings) = list[place].settings.take() {
        let was = Settings { open: before.open, node: before.node.clone() };
        if let Some(former) = place.checked_sub(1).and_then(|place| list.get_mut(place)) {
            former.settings.get_or_insert_with(|| Box::new(was));
        }
        (after.open, after.node) = (settings.open, settings.node);
    }
    after.tenures = Tenures::new(list).map_err(|e| StoreError::row(e.to_string()))?;
    Ok(Some(after))
}

/// Who gives up what to whom at this border, given what the registration's own tenures were before.
async fn moved(
    conn: &mut SqliteConnection,
    after: &Series,
    before: &Tenures,
    border: Timestamp,
) -> Result<Move, StoreError> {
    let layers = layers(conn, &after.name).await?;
    let wider: Vec<&Tenures> =
        layers.iter().filter(|layer| layer.name != after.name).map(|layer| &layer.tenures).collect();
    let held = |own: &Tenures, at: Timestamp| {
        let all = overlay(std::iter::once(own).chain(wider.iter().copied()));
        all.and_then(|tenures| tenures.present(at).holder().cloned())
    };
    // The tenure before the border, also where it was recorded ahead and is there already.
    let until = border.checked_sub(SignedDuration::from_millis(1)).unwrap_or(border);
    let former = match before.iter().any(|tenure| tenure.from == Some(border)) && *before == after.tenures {
        true => held(before, until),
        false => held(before, border),
    };
    Ok(Move { series: after.name.clone(), from: border, former, holder: held(&after.tenures, border) })
}

pub(super) async fn step(
    conn: &mut SqliteConnection,
    key: i64,
    before: Series,
    after: Series,
    border: Timestamp,
) -> Result<Step, StoreError> {
    let moved = moved(conn, &after, &before.tenures, border).await?;
    Ok(Step { key, before, after, moved, quiet: false, keep_settings: false })
}

/// Writes the tenures of all, then does what each move does: who keeps what is seen when all have moved.
pub(super) async fn hand_all(
    conn: &mut SqliteConnection,
    steps: Vec<Step>,
    act: Act<'_>,
) -> Result<Vec<Report>, StoreError> {
    for step in &steps {
        update(conn, step.key, &step.after).await?;
        tenures::replace(conn, step.key, &step.after).await?;
        note_ahead(conn, step, act).await?;
        changes::note(conn, Kind::Series, step.key, act.at).await?;
    }
    for step in &steps {
        let (series, border, keep_settings) = (&step.after, step.moved.from, step.keep_settings);
        followers::change_hands(conn, Change { series, border, keep_settings }, act.at).await?;
    }
    let mut reports = Vec::with_capacity(steps.len());
    let mut done = Done::default();
    for step in &steps {
        done.quiet = step.quiet;
        let ahead = step.moved.from > act.at;
        if ahead {
            sqlx::query("SAVEPOINT ahead").execute(&mut *conn).await?;
        }
        if !step.after.tenures.iter().any(|tenure| tenure.from == Some(step.moved.from)) {
            // The tenure that was to begin there was a slip.
            moved_parties::restore(conn, &step.moved, act).await?;
        }
        let mut report = moved_parties::concerned(conn, &step.moved, &step.after, act, &mut done).await?;
        if ahead {
            // It is told and done when the border comes; this is what it would be now.
            sqlx::query("ROLLBACK TO ahead").execute(&mut *conn).await?;
            sqlx::query("RELEASE ahead").execute(&mut *conn).await?;
        } else {
            report.left = leaks::tell(conn, &step.moved, &step.before, act).await?;
        }
        let line = Line::HandOver(Box::new(HandOver {
            series: step.moved.series.to_string().into(),
            from: millis(step.moved.from),
            former: step.moved.former.as_ref().map(|who| who.to_string().into()),
            holder: step.moved.holder.as_ref().map(|who| who.to_string().into()),
            actor: act.actor.into(),
            left: report.left.iter().map(|left| left.records).sum(),
        }));
        disclosures::append(conn, millis(act.at), &[line]).await?;
        reports.push(report);
    }
    Ok(reports)
}

/// Keeps in mind which borders lie ahead.
async fn note_ahead(conn: &mut SqliteConnection, step: &Step, act: Act<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM move_ahead WHERE series = ? AND border >= ?")
        .bind(step.key)
        .bind(millis(step.moved.from))
        .execute(&mut *conn)
        .await?;
    let begins_then = step.after.tenures.last().from == Some(step.moved.from);
    if step.moved.from > act.at && begins_then {
        sqlx::query("INSERT INTO move_ahead (series, border, actor) VALUES (?, ?, ?)")
            .bind(step.key)
            .bind(millis(step.moved.from))
            .bind(act.actor)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// One report of all: the registration that was named, and the others below it.
fn joined(mut reports: Vec<Report>, name: &Scope, border: Timestamp, holder: Option<&Subject>) -> Report {
    let name = name.to_string();
    let place = reports.iter().position(|report| report.series == name);
    let mut first = match place {
        Some(place) => reports.remove(place),
        // It was that holder's already.
        None => Report {
            series: name,
            from: border,
            former: holder.map(ToString::to_string),
            holder: holder.map(ToString::to_string),
            requests: Vec::new(),
            consents: Vec::new(),
            subscriptions: 0,
            left: Vec::new(),
            unchanged: Vec::new(),
            below: Vec::new(),
        },
    };
    first.below = reports;
    first
}

#[cfg(test)]
mod tests;
