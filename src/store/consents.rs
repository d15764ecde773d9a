//! Consents, their events, and the subscriptions that come and go with them.

use jid::{BareJid, Jid};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::changes::{self, Kind};
use super::{Store, StoreError, disclosures, millis, next_key, notices, subscriptions, timestamp};
use crate::domain::consent::{Consent, ConsentError, ConsentKey, State};
use crate::domain::disclosure::{ConsentStep, Line};
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::subscription::{Format, Subscription};

const COLUMNS: &str = "SELECT key, id, arrangement, revision, subject, recipient, recipient_name, scope, \
    purpose, purpose_code, lawful_basis, valid_from, valid_until, data_from, data_until, modes, retention, \
    onward, method, evidence, state, since, ended_by, end_reason FROM consent";

/// Which consents to list; every given part must match.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The person concerned.
    pub subject: Option<Subject>,
    /// The recipient, a bare address.
    pub recipient: Option<String>,
    /// Where they stand.
    pub state: Option<State>,
}

/// What became of a wish to end a consent.
#[derive(Debug)]
pub enum Ended {
    /// It ended; these of the recipient's subscriptions ended with it.
    Done(Box<Consent>, Vec<Scope>),
    /// There is none with this id.
    NotFound,
    /// The states do not allow the step.
    Refused(ConsentError),
}

impl Store {
    /// Records a consent with its first event, and subscribes its recipient when it is active and
    /// `subscribe` says so. An id that is taken is [`StoreError::Exists`].
    pub async fn add_consent(
        &self,
        consent: &Consent,
        subscribe: bool,
        actor: &str,
        at: Timestamp,
    ) -> Result<ConsentKey, StoreError> {
        let mut tx = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let id = consent.id.to_string();
        if sqlx::query("SELECT 1 FROM consent WHERE id = ?")
            .bind(&id)
            .fetch_optional(&mut *tx)
            .await?
            .is_some()
        {
            return Err(StoreError::Exists { what: format!("the consent {id}") });
        }
        let key = next_key(&mut tx, "consent").await?;
        insert(&mut tx, key, consent).await?;
        let step = note_event(&mut tx, key, consent, at, None, actor, None).await?;
        disclosures::append(&mut tx, millis(at), &[step]).await?;
        changes::note(&mut tx, Kind::Consent, key, at).await?;
        if subscribe && consent.modes.notify && consent.state == State::Active {
            for scope in &consent.scope {
                let jid = Jid::from(consent.recipient.clone());
                let wish = Subscription { jid, node: scope.clone(), format: Format::default() };
                subscriptions::add(&mut tx, &wish, at).await?;
            }
        }
        tx.commit().await?;
        Ok(ConsentKey(key.unsigned_abs()))
    }

    /// Ends a consent: its state, its event and its subscriptions in one transaction.
    ///
    /// A subscription ends with it unless another consent of the recipient that has not ended covers
    /// the same node.
    pub async fn end_consent(
        &self,
        id: Uuid,
        next: State,
        actor: &str,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Result<Ended, StoreError> {
        let mut tx = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"));
        let Some(row) = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *tx).await? else {
            return Ok(Ended::NotFound);
        };
        let (key, mut consent) = read(&row)?;
        let before = consent.state;
        if let Err(refusal) = consent.become_state(next, at, actor, reason) {
            return Ok(Ended::Refused(refusal));
        }
        let key = key.0.cast_signed();
        sqlx::query("UPDATE consent SET state = ?, since = ?, ended_by = ?, end_reason = ? WHERE key = ?")
            .bind(consent.state.as_str())
            .bind(millis(consent.since))
            .bind(consent.ended_by.as_deref())
            .bind(consent.end_reason.as_deref())
            .bind(key)
            .execute(&mut *tx)
            .await?;
        let step = note_event(&mut tx, key, &consent, at, Some(before), actor, reason).await?;
        disclosures::append(&mut tx, millis(at), &[step]).await?;
        changes::note(&mut tx, Kind::Consent, key, at).await?;
        let ended = end_subscriptions(&mut tx, &consent, at).await?;
        if matches!(before, State::Active | State::Suspended) {
            notices::note(&mut tx, ConsentKey(key.unsigned_abs()), &ended, at).await?;
        }
        tx.commit().await?;
        Ok(Ended::Done(Box::new(consent), ended))
    }

    /// One consent, by its id.
    pub async fn consent(&self, id: Uuid) -> Result<Option<Consent>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.pool()).await?;
        Ok(row.as_ref().map(read).transpose()?.map(|(_, consent)| consent))
    }

    /// One consent, by its number.
    pub async fn consent_by_key(&self, key: u64) -> Result<Option<(ConsentKey, Consent)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key = ?"));
        let row = sqlx::query(sql).bind(key.cast_signed()).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }

    /// Up to `limit` consents that have not ended, after `key`, oldest first.
    pub async fn standing_consents(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE key > ? AND state IN ('requested', 'active', 'suspended') ORDER BY key LIMIT ?"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after.cast_signed())
            .bind(limit)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// What stands (requested, given, paused) for one recipient, oldest first.
    pub async fn consents_for(&self, recipient: &BareJid) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE recipient = ? AND state IN ('requested', 'active', 'suspended') ORDER BY key"
        );
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(recipient.as_str()).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect()
    }

    /// The consents that match, oldest first.
    pub async fn list_consents(&self, filter: &Filter) -> Result<Vec<Consent>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE (?1 IS NULL OR subject = ?1) AND (?2 IS NULL OR recipient = ?2) \
             AND (?3 IS NULL OR state = ?3) ORDER BY key"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(filter.subject.as_ref().map(ToString::to_string))
            .bind(filter.recipient.as_deref())
            .bind(filter.state.map(State::as_str))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| read(row).map(|(_, consent)| consent)).collect()
    }
}

async fn insert(conn: &mut SqliteConnection, key: i64, consent: &Consent) -> Result<(), StoreError> {
    let json = |e: serde_json::Error| StoreError::row(e.to_string());
    sqlx::query(
        "INSERT INTO consent (key, id, arrangement, revision, subject, recipient, recipient_name, scope, \
         purpose, purpose_code, lawful_basis, valid_from, valid_until, data_from, data_until, modes, retention, \
         onward, method, evidence, state, since, ended_by, end_reason) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key)
    .bind(consent.id.to_string())
    .bind(consent.arrangement.to_string())
    .bind(i64::from(consent.revision))
    .bind(consent.subject.to_string())
    .bind(consent.recipient.to_string())
    .bind(consent.recipient_name.as_deref())
    .bind(serde_json::to_string(&consent.scope).map_err(json)?)
    .bind(&consent.purpose)
    .bind(consent.purpose_code.as_deref())
    .bind(&consent.lawful_basis)
    .bind(millis(consent.valid_from))
    .bind(millis(consent.valid_until))
    .bind(consent.data_from.map(millis))
    .bind(consent.data_until.map(millis))
    .bind(serde_json::to_string(&consent.modes).map_err(json)?)
    .bind(consent.retention.as_str())
    .bind(consent.onward)
    .bind(&consent.method)
    .bind(consent.evidence.as_deref())
    .bind(consent.state.as_str())
    .bind(millis(consent.since))
    .bind(consent.ended_by.as_deref())
    .bind(consent.end_reason.as_deref())
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes a step of a consent, which stands where the step leads. The line is for the disclosure log, to be
/// appended in the same transaction.
async fn note_event(
    conn: &mut SqliteConnection,
    key: i64,
    consent: &Consent,
    at: Timestamp,
    from: Option<State>,
    actor: &str,
    note: Option<&str>,
) -> Result<Line, StoreError> {
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
    .execute(conn)
    .await?;
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

/// Ends the subscriptions that rested on a consent and on no other that still stands.
async fn end_subscriptions(
    conn: &mut SqliteConnection,
    ended: &Consent,
    at: Timestamp,
) -> Result<Vec<Scope>, StoreError> {
    let sql = format!("{COLUMNS} WHERE recipient = ? AND state IN ('active', 'suspended')");
    let others: Vec<(ConsentKey, Consent)> = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(ended.recipient.to_string())
        .fetch_all(&mut *conn)
        .await?
        .iter()
        .map(read)
        .collect::<Result<_, _>>()?;
    let jid = Jid::from(ended.recipient.clone());
    let mut gone = Vec::new();
    for scope in &ended.scope {
        let still =
            others.iter().any(|(_, c)| c.modes.notify && c.scope.iter().any(|s| s.covers_scope(scope)));
        if !still && subscriptions::remove(conn, &jid, scope, at).await? {
            gone.push(scope.clone());
        }
    }
    Ok(gone)
}

fn read(row: &SqliteRow) -> Result<(ConsentKey, Consent), StoreError> {
    let uuid = |text: &str| Uuid::parse_str(text).map_err(|e| StoreError::row(format!("consent id: {e}")));
    let json = |e: serde_json::Error| StoreError::row(e.to_string());
    let consent = Consent {
        id: uuid(row.try_get(1)?)?,
        arrangement: uuid(row.try_get(2)?)?,
        revision: u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| StoreError::row("a revision"))?,
        subject: row.try_get::<&str, _>(4)?.parse().map_err(StoreError::row)?,
        recipient: BareJid::new(row.try_get(5)?).map_err(|e| StoreError::row(format!("recipient: {e}")))?,
        recipient_name: row.try_get(6)?,
        scope: serde_json::from_str(row.try_get(7)?).map_err(json)?,
        purpose: row.try_get(8)?,
        purpose_code: row.try_get(9)?,
        lawful_basis: row.try_get(10)?,
        valid_from: timestamp(row.try_get(11)?)?,
        valid_until: timestamp(row.try_get(12)?)?,
        data_from: row.try_get::<Option<i64>, _>(13)?.map(timestamp).transpose()?,
        data_until: row.try_get::<Option<i64>, _>(14)?.map(timestamp).transpose()?,
        modes: serde_json::from_str(row.try_get(15)?).map_err(json)?,
        retention: row.try_get::<&str, _>(16)?.parse().map_err(StoreError::row)?,
        onward: row.try_get(17)?,
        method: row.try_get(18)?,
        evidence: row.try_get(19)?,
        state: row.try_get::<&str, _>(20)?.parse().map_err(StoreError::row)?,
        since: timestamp(row.try_get(21)?)?,
        ended_by: row.try_get(22)?,
        end_reason: row.try_get(23)?,
    };
    Ok((ConsentKey(row.try_get::<i64, _>(0)?.unsigned_abs()), consent))
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;
    use crate::domain::consent::tests::sample;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        (dir, Store::open(&url, Durability::Off).await.unwrap())
    }

    #[tokio::test]
    async fn a_consent_is_kept_whole_and_subscribes() {
        let (_dir, store) = store().await;
        let mut consent = sample();
        consent.data_from = Some(consent.valid_from);
        consent.evidence = Some("signed form 12".into());
        store.add_consent(&consent, true, "admin", consent.since).await.unwrap();
        assert_eq!(store.consent(consent.id).await.unwrap().unwrap(), consent);
        assert_eq!(store.subscriptions(0, 10).await.unwrap().len(), 1);
        let again = store.add_consent(&consent, true, "admin", consent.since).await;
        assert!(matches!(again, Err(StoreError::Exists { .. })));
        assert_eq!(store.changes_after(0).await.unwrap().len(), 2);
        assert_eq!(store.last_change().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn ending_one_of_two_keeps_the_subscription() {
        let (_dir, store) = store().await;
        let first = sample();
        let mut second = sample();
        second.id = Uuid::from_u128(2);
        let at = first.since;
        for consent in [&first, &second] {
            store.add_consent(consent, true, "admin", at).await.unwrap();
        }
        let ended = store.end_consent(first.id, State::Revoked, "admin", Some("x"), at).await.unwrap();
        assert!(matches!(ended, Ended::Done(c, gone) if c.state == State::Revoked && gone.is_empty()));
        let ended = store.end_consent(second.id, State::Revoked, "admin", None, at).await.unwrap();
        assert!(matches!(ended, Ended::Done(_, gone) if gone == second.scope));
        assert!(store.subscriptions(0, 10).await.unwrap().is_empty());
        assert!(matches!(
            store.end_consent(first.id, State::Revoked, "admin", None, at).await.unwrap(),
            Ended::Refused(_)
        ));
        assert!(matches!(
            store.end_consent(Uuid::from_u128(77), State::Revoked, "admin", None, at).await.unwrap(),
            Ended::NotFound
        ));
        assert!(store.standing_consents(0, 10).await.unwrap().is_empty());
        let revoked = Filter { state: Some(State::Revoked), ..Filter::default() };
        assert_eq!(store.list_consents(&revoked).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let text = "not a database, however you look at it".repeat(100);
        std::fs::write(&path, &text).unwrap();
        let e = Store::open(&format!("sqlite:{}", path.display()), Durability::Off).await.unwrap_err();
        assert!(matches!(e, StoreError::Damaged { .. }), "{e}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let e = Store::open("sqlite:/nowhere/at/all/t.db", Durability::Off).await.unwrap_err();
        assert!(matches!(e, StoreError::Open { .. }), "{e}");
        let e = Store::open("postgres://x", Durability::Off).await.unwrap_err();
        assert!(matches!(e, StoreError::Url { .. }), "{e}");
    }
}
