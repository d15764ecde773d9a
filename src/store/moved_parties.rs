//! Whom a move concerns: consents of the former holder are bounded, requests that wait with them are closed, their own
//! subscriptions end, and each is told. What becomes of which, [`crate::domain::moving`] decides.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jid::{BareJid, Jid};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::consent_trail::{keep_revision, tell_moved, told};
use super::consents::{COLUMNS, read, update};
use super::move_notices::{self, MoveNews};
use super::moving::Act;
use super::notices::{Bounded, Place};
use super::series::{layers, tenures_below};
use super::wishes::not_subscribed;
use super::{Store, StoreError, consent_trail, millis, subscriptions, timestamp, wishes};
use crate::domain::consent::{Consent, ConsentKey, State};
use crate::domain::moving::{Becomes, MOVED, Move, MovedConsent, Report};
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::series::Series;
use crate::domain::tenure::{Tenures, overlay};

/// What was done already in one act: with all that is registered below a prefix, a consent is bounded once, and a
/// person told once.
#[derive(Debug, Default)]
pub(super) struct Done {
    consents: HashSet<ConsentKey>,
    told: HashSet<(BareJid, bool)>,
    /// Requests are closed, and people told who holds it, by whoever acts.
    pub(super) quiet: bool,
}

/// Does what a move does, of which the tenures are written already, and says what that was.
pub(super) async fn concerned(
    conn: &mut SqliteConnection,
    moved: &Move,
    series: &Series,
    act: Act<'_>,
    done: &mut Done,
) -> Result<Report, StoreError> {
    let mut report = Report::of(moved);
    if moved.former == moved.holder {
        return Ok(report);
    }
    if let Some(former) = &moved.former {
        let mut kept = Kept { former, from: moved.from, names: HashMap::new() };
        if !done.quiet {
            close_requests(conn, moved, &mut kept, act, &mut report).await?;
        }
        bound_consents(conn, moved, series, &mut kept, act, (&mut report, done)).await?;
        end_subscriptions(conn, moved, series, &mut kept, act, &mut report).await?;
    }
    let news = |holder: bool| MoveNews::Held {
        series: moved.series.clone(),
        title: series.title.clone(),
        from: moved.from,
        holder,
    };
    for (who, holder) in [(&moved.former, false), (&moved.holder, true)] {
        if let Some(Subject::Jid(jid)) = who
            && !done.quiet
            && done.told.insert((jid.clone(), holder))
        {
            move_notices::note(conn, jid, &news(holder), act.at).await?;
        }
    }
    Ok(report)
}

/// What the former holder holds at the border or later.
struct Kept<'a> {
    former: &'a Subject,
    from: Timestamp,
    /// What was looked up.
    names: HashMap<Arc<str>, bool>,
}

impl Kept<'_> {
    fn is_theirs(&self, tenures: &Tenures) -> bool {
        tenures.between(Some(self.from), None).any(|span| span.tenure.holder.holder() == Some(self.former))
    }

    /// Whether this series is theirs.
    async fn name(&mut self, conn: &mut SqliteConnection, name: &Arc<str>) -> Result<bool, StoreError> {
        if let Some(kept) = self.names.get(name) {
            return Ok(*kept);
        }
        let kept = self.covering(conn, &Scope::Exact(Arc::clone(name))).await?;
        self.names.insert(Arc::clone(name), kept);
        Ok(kept)
    }

    async fn covering(&self, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, StoreError> {
        let layers = layers(conn, scope).await?;
        let all = overlay(layers.iter().map(|layer| &layer.tenures));
        Ok(all.is_some_and(|tenures| self.is_theirs(&tenures)))
    }

    /// Whether something of this scope is theirs.
    async fn scope(&mut self, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, StoreError> {
        let prefix = match scope {
            Scope::Exact(name) => return self.name(conn, name).await,
            Scope::Prefix(prefix) => prefix,
        };
        if self.covering(conn, scope).await? {
            return Ok(true);
        }
        for tenures in tenures_below(conn, prefix, self.former).await? {
            if self.is_theirs(&tenures) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The exact names of these scopes, looked up.
    async fn look_up(&mut self, conn: &mut SqliteConnection, scopes: &[Scope]) -> Result<(), StoreError> {
        for scope in scopes {
            if let Scope::Exact(name) = scope {
                self.name(conn, name).await?;
            }
        }
        Ok(())
    }

    fn keeps(&self, name: &str) -> bool {
        self.names.get(name).copied().unwrap_or(false)
    }
}

/// What of this person stands in one of these states.
async fn standing(
    conn: &mut SqliteConnection,
    subject: &Subject,
    states: &'static str,
) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
    let sql = format!("{COLUMNS} WHERE subject = ? AND state IN ({states}) ORDER BY key");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(subject.to_string()).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

async fn close_requests(
    conn: &mut SqliteConnection,
    moved: &Move,
    kept: &mut Kept<'_>,
    act: Act<'_>,
    report: &mut Report,
) -> Result<(), StoreError> {
    for (key, mut request) in standing(conn, kept.former, "'requested'").await? {
        let mut keeps = Vec::with_capacity(request.scope.len());
        for scope in &request.scope {
            if kept.scope(conn, scope).await? {
                keeps.push(scope.clone());
            }
        }
        if !moved.closes(&request, |scope| keeps.contains(scope)) {
            continue;
        }
        let key = key.0.cast_signed();
        if request.become_state(State::Cancelled, act.at, act.actor, Some(MOVED)).is_err() {
            continue;
        }
        update(conn, key, &request).await?;
        told(conn, key, Some(State::Requested), &request, act.actor, Some(MOVED), act.at).await?;
        let wish = wishes::take(conn, key).await?;
        let nodes = not_subscribed(conn, &request, wish.as_ref()).await?;
        consent_trail::tell(conn, key, Some(State::Requested), &request, &nodes, act.at).await?;
        report.requests.push(request.id);
    }
    Ok(())
}

async fn bound_consents(
    conn: &mut SqliteConnection,
    moved: &Move,
    series: &Series,
    kept: &mut Kept<'_>,
    act: Act<'_>,
    (report, done): (&mut Report, &mut Done),
) -> Result<(), StoreError> {
    for (key, consent) in standing(conn, kept.former, "'active', 'suspended'").await? {
        kept.look_up(conn, &consent.scope).await?;
        let Some(becomes) = moved.consent(&consent, |name| kept.keeps(name)) else { continue };
        if !done.consents.insert(key) {
            continue;
        }
        let key = key.0.cast_signed();
        let next = moved.bounded(&consent, becomes);
        keep_revision(conn, key, &consent, act.at).await?;
        update(conn, key, &next).await?;
        told(conn, key, Some(consent.state), &next, act.actor, Some(&moved.note()), act.at).await?;
        let told_of =
            Bounded { series: moved.series.clone(), title: series.title.clone(), from: moved.from, becomes };
        tell_moved(conn, key, &told_of, act.at).await?;
        if becomes == Becomes::Fulfilled {
            sqlx::query(
                "INSERT INTO moved_consent (consent, border) VALUES (?, ?) \
                 ON CONFLICT (consent) DO UPDATE SET border = MAX(border, excluded.border)",
            )
            .bind(key)
            .bind(millis(moved.from))
            .execute(&mut *conn)
            .await?;
            report.subscriptions += count_subscriptions(conn, &next).await?;
        }
        let recipient = next.recipient.to_string();
        report.consents.push(MovedConsent { id: next.id, recipient, becomes });
    }
    Ok(())
}

/// Gives back to consents what a move took that never was: who gave them has not given anything up.
pub(super) async fn restore(
    conn: &mut SqliteConnection,
    moved: &Move,
    act: Act<'_>,
) -> Result<(), StoreError> {
    let Some(holder) = &moved.holder else { return Ok(()) };
    let sql = format!(
        "{COLUMNS} WHERE subject = ?1 AND state IN ('active', 'suspended') AND data_until = ?2 \
         AND key IN (SELECT consent FROM moved_consent WHERE border = ?2)"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(holder.to_string())
        .bind(millis(moved.from))
        .fetch_all(&mut *conn)
        .await?;
    for row in &rows {
        let (key, consent) = read(row)?;
        if !consent.scope.iter().any(|scope| moved.series.covers_scope(scope)) {
            continue;
        }
        let key = key.0.cast_signed();
        let before = sqlx::query(
            "SELECT record FROM consent_revision WHERE consent = ? AND record ->> 'data_until' IS NOT ? \
             ORDER BY revision DESC LIMIT 1",
        )
        .bind(key)
        .bind(moved.from.to_string())
        .fetch_optional(&mut *conn)
        .await?;
        let Some(before) = before else { continue };
        let before: Consent =
            serde_json::from_str(before.try_get(0)?).map_err(|e| StoreError::row(e.to_string()))?;
        let revision = consent.revision.saturating_add(1);
        let next = Consent { data_until: before.data_until, revision, ..consent.clone() };
        keep_revision(conn, key, &consent, act.at).await?;
        update(conn, key, &next).await?;
        let note = format!("{} did not change hands", moved.series);
        told(conn, key, Some(consent.state), &next, act.actor, Some(&note), act.at).await?;
        consent_trail::tell(conn, key, Some(consent.state), &next, &[], act.at).await?;
        sqlx::query("DELETE FROM moved_consent WHERE consent = ?").bind(key).execute(&mut *conn).await?;
    }
    Ok(())
}

/// How many subscriptions of its recipient end with a consent, at most.
async fn count_subscriptions(conn: &mut SqliteConnection, consent: &Consent) -> Result<usize, StoreError> {
    let nodes: Vec<String> = consent.scope.iter().map(ToString::to_string).collect();
    let row = sqlx::query(
        "SELECT COUNT(*) FROM subscription WHERE (jid = ?1 OR jid > ?1 || '/' AND jid < ?1 || '0') \
         AND node IN (SELECT value FROM json_each(?2))",
    )
    .bind(consent.recipient.as_str())
    .bind(serde_json::to_string(&nodes).map_err(|e| StoreError::row(e.to_string()))?)
    .fetch_one(conn)
    .await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default())
}

/// Ends what the former holder was sent because it was theirs.
async fn end_subscriptions(
    conn: &mut SqliteConnection,
    moved: &Move,
    series: &Series,
    kept: &mut Kept<'_>,
    act: Act<'_>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let Some(who) = kept.former.jid().cloned() else { return Ok(()) };
    // What is open to all, or to a list with them on it, they may go on with.
    if series.open || series.node.whitelist && series.node.members.contains(&who) {
        return Ok(());
    }
    let held = subscriptions::held_by(conn, &who).await?;
    let mut ended = Vec::new();
    for subscription in held {
        if moved.ends_subscription(&subscription.node)
            && !kept.scope(conn, &subscription.node).await?
            && !wishes::is_covered(conn, &who, &subscription.node).await?
        {
            subscriptions::remove(conn, &subscription.jid, &subscription.node, act.at).await?;
            ended.push(Place::of(&subscription));
        }
    }
    tell_unsubscribed(conn, &who, ended, act, report).await
}

async fn tell_unsubscribed(
    conn: &mut SqliteConnection,
    who: &BareJid,
    places: Vec<Place>,
    act: Act<'_>,
    report: &mut Report,
) -> Result<(), StoreError> {
    report.subscriptions += places.len();
    if !places.is_empty() {
        move_notices::note(conn, who, &MoveNews::Unsubscribed { places }, act.at).await?;
    }
    Ok(())
}

/// Ends all subscriptions to exactly this name, which is not registered any more, and has them told if `tell`.
/// Returns how many there were.
pub(super) async fn unsubscribe_all(
    conn: &mut SqliteConnection,
    name: &Scope,
    tell: bool,
    act: Act<'_>,
) -> Result<usize, StoreError> {
    let mut by_person: HashMap<BareJid, Vec<Place>> = HashMap::new();
    let held = subscriptions::held_at(conn, name).await?;
    let count = held.len();
    for subscription in held {
        subscriptions::remove(conn, &subscription.jid, &subscription.node, act.at).await?;
        by_person.entry(Jid::to_bare(&subscription.jid)).or_default().push(Place::of(&subscription));
    }
    let mut by_person: Vec<_> = by_person.into_iter().collect();
    by_person.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (who, places) in by_person.into_iter().filter(|_| tell) {
        move_notices::note(conn, &who, &MoveNews::Unsubscribed { places }, act.at).await?;
    }
    Ok(count)
}

/// Consents looked at at once, whether their subject holds what they name.
const LOOKED_AT: u64 = 1000;

/// What no look-up by a registration of that very name decides.
const UNPROVED: &str = "state || '' IN ('active', 'suspended') AND NOT EXISTS (SELECT 1 FROM json_each(scope) AS named \
    JOIN series ON series.name = named.value JOIN tenure ON tenure.series = series.key \
    WHERE tenure.holder = consent.subject)";

impl Store {
    /// Of the consents whose number is behind `after`, a thousand at a time: those that stand, and name nothing that
    /// their subject ever holds, so that they permit nothing. And where to go on; nothing there at the end.
    pub async fn groundless_consents(&self, after: u64) -> Result<(Vec<Consent>, Option<u64>), StoreError> {
        let upto = after.saturating_add(LOOKED_AT);
        let mut conn = self.pool().acquire().await?;
        let last = sqlx::query("SELECT COALESCE(MAX(key), 0) FROM consent").fetch_one(&mut *conn).await?;
        let next = (upto < last.try_get::<i64, _>(0)?.unsigned_abs()).then_some(upto);
        let sql = format!("{COLUMNS} WHERE key > ? AND key <= ? AND {UNPROVED} ORDER BY key");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after.cast_signed())
            .bind(upto.cast_signed())
            .fetch_all(&mut *conn)
            .await?;
        let mut found = Vec::new();
        for row in &rows {
            let (_, consent) = read(row)?;
            let mut kept = Kept { former: &consent.subject, from: Timestamp::MIN, names: HashMap::new() };
            let mut held = false;
            for scope in &consent.scope {
                held = held || kept.scope(&mut conn, scope).await?;
            }
            if !held {
                found.push(consent);
            }
        }
        Ok((found, next))
    }

    /// Up to `limit` consents whose subject holds nothing any more of what they name, since a border before this time.
    /// Those whose subject holds it again as if nothing had been are not among them, nor looked at any more.
    pub async fn moved_consents(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        // Looked at without the writer's lock: there is hardly ever one.
        let sql = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE key IN (SELECT consent FROM moved_consent WHERE border <= ? ORDER BY border LIMIT ?)"
        ));
        let rows = sqlx::query(sql).bind(millis(before)).bind(limit).fetch_all(self.pool()).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let (key, consent) = read(row)?;
            let border = sqlx::query("SELECT border FROM moved_consent WHERE consent = ?")
                .bind(key.0.cast_signed())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(border) = border else { continue };
            let stands = matches!(consent.state, State::Active | State::Suspended);
            if stands && !still_covers(&mut tx, &consent, timestamp(border.try_get(0)?)?).await? {
                due.push((key, consent));
            } else {
                sqlx::query("DELETE FROM moved_consent WHERE consent = ?")
                    .bind(key.0.cast_signed())
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(due)
    }
}

/// Whether a consent covers something of what is measured from the border on after all: who gave it holds it without
/// having given it up.
async fn still_covers(
    conn: &mut SqliteConnection,
    consent: &Consent,
    border: Timestamp,
) -> Result<bool, StoreError> {
    for scope in &consent.scope {
        let layers = layers(conn, scope).await?;
        let Some(tenures) = overlay(layers.iter().map(|layer| &layer.tenures)) else { continue };
        let covered = tenures.between(Some(border), None).any(|span| {
            let begins = span.tenure.from.unwrap_or(border).max(border).as_duration().as_secs_f64();
            span.tenure.holder.holder() == Some(&consent.subject) && tenures.given_since(begins).is_none()
        });
        if covered {
            return Ok(true);
        }
    }
    Ok(false)
}
