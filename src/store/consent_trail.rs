//! What is written down when a consent changes, in the same transaction: what it said before, the event, the line of
//! the disclosure log, the note that the running service follows, and whom to tell.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::changes::{self, Kind};
use super::consents::ROWS_AT_ONCE;
use super::notices::{Bounded, Place, Step};
use super::{StoreError, disclosures, millis, next_key, next_keys, notices};
use crate::domain::consent::{Consent, ConsentKey, State};
use crate::domain::disclosure::{ConsentStep, Line};

/// Keeps what a consent said, before it says something else.
pub(super) async fn keep_revision(
    conn: &mut SqliteConnection,
    key: i64,
    before: &Consent,
    at: Timestamp,
) -> Result<(), StoreError> {
    let record = serde_json::to_string(before).map_err(|e| StoreError::row(e.to_string()))?;
    sqlx::query("INSERT INTO consent_revision (consent, revision, until, record) VALUES (?, ?, ?, ?)")
        .bind(key)
        .bind(i64::from(before.revision))
        .bind(millis(at))
        .bind(record)
        .execute(conn)
        .await?;
    Ok(())
}

/// Tells of a step where it is to be read: the events, the disclosure log, the running service.
pub(super) async fn told(
    conn: &mut SqliteConnection,
    key: i64,
    from: Option<State>,
    consent: &Consent,
    actor: &str,
    note: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let event = next_key(conn, "consent_event").await?;
    sqlx::query(
        "INSERT INTO consent_event (key, consent, at, from_state, to_state, actor, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(event)
    .bind(key)
    .bind(millis(at))
    .bind(from.map(State::as_str))
    .bind(consent.state.as_str())
    .bind(actor)
    .bind(note)
    .execute(&mut *conn)
    .await?;
    let line = line(event, key, from, consent, actor, note, at)?;
    disclosures::append(conn, millis(at), &[line]).await?;
    changes::note(conn, Kind::Consent, key, at).await
}

/// Has those concerned told.
pub(super) async fn tell(
    conn: &mut SqliteConnection,
    key: i64,
    from: Option<State>,
    consent: &Consent,
    nodes: &[Place],
    at: Timestamp,
) -> Result<(), StoreError> {
    match Step::of(from, consent.state) {
        Some(step) => notices::note(conn, step, ConsentKey(key.unsigned_abs()), nodes, at).await,
        None => Ok(()),
    }
}

/// One of many steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'c> {
    /// The number of the consent.
    pub(super) key: i64,
    /// Where it stood; nowhere if it is new.
    pub(super) from: Option<State>,
    /// As it is now.
    pub(super) consent: &'c Consent,
}

/// Has those concerned told that a series of a consent changed hands.
pub(super) async fn tell_moved(
    conn: &mut SqliteConnection,
    key: i64,
    bounded: &Bounded,
    at: Timestamp,
) -> Result<(), StoreError> {
    notices::note_bounded(conn, ConsentKey(key.unsigned_abs()), bounded, at).await
}

/// The same as [`told`] for many.
pub(super) async fn all_told(
    conn: &mut SqliteConnection,
    steps: &[Told<'_>],
    actor: &str,
    note: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    for steps in steps.chunks(ROWS_AT_ONCE) {
        let first = next_keys(conn, "consent_event", steps.len()).await?;
        let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; steps.len()].join(", ");
        let sql = format!(
            "INSERT INTO consent_event (key, consent, at, from_state, to_state, actor, note) VALUES {values}"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        let mut lines = Vec::with_capacity(steps.len());
        for (event, step) in (first..).zip(steps) {
            query = query
                .bind(event)
                .bind(step.key)
                .bind(millis(at))
                .bind(step.from.map(State::as_str))
                .bind(step.consent.state.as_str())
                .bind(actor)
                .bind(note);
            lines.push(line(event, step.key, step.from, step.consent, actor, note, at)?);
        }
        query.execute(&mut *conn).await?;
        disclosures::append(conn, millis(at), &lines).await?;
    }
    let keys: Vec<i64> = steps.iter().map(|step| step.key).collect();
    changes::note_all(conn, Kind::Consent, &keys, at).await
}

fn line(
    event: i64,
    key: i64,
    from: Option<State>,
    consent: &Consent,
    actor: &str,
    note: Option<&str>,
    at: Timestamp,
) -> Result<Line, StoreError> {
    Ok(Line::Consent(Box::new(ConsentStep {
        event: event.unsigned_abs(),
        consent: ConsentKey(key.unsigned_abs()),
        id: consent.id,
        revision: consent.revision,
        subject: consent.subject.to_string().into(),
        recipient: consent.recipient.as_str().into(),
        terms: disclosures::terms(consent)?,
        at: millis(at),
        from,
        to: consent.state,
        actor: actor.into(),
        note: note.map(Into::into),
    })))
}
