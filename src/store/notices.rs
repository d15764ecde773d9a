//! What happened to consents and those concerned are still to be told: noted with the step itself, by whatever process
//! takes it, until the service has it in its journal ([`super::journal`]), from where it is delivered.

use jid::Jid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::changes::{self, Kind};
use super::consents::ROWS_AT_ONCE;
use super::{Store, StoreError, millis, next_key, next_keys, timestamp};
use crate::domain::consent::{Consent, ConsentKey, State};
use crate::domain::language::Language;
use crate::domain::moving::Becomes;
use crate::domain::name::Scope;
use crate::domain::subscription::Subscription;

/// What there is to tell of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody asks for it.
    Requested,
    /// It was given.
    Given,
    /// Nothing leaves under it for now.
    Suspended,
    /// Data leaves again.
    Resumed,
    /// It was narrowed, or its evidence corrected.
    Edited,
    /// It ended, or the request did.
    Ended,
    /// It still runs, or is about to run out.
    Reminder,
    /// A series of it changed hands.
    Bounded,
}

impl Step {
    const ALL: [(Step, &'static str); 8] = [
        (Step::Requested, "requested"),
        (Step::Given, "given"),
        (Step::Suspended, "suspended"),
        (Step::Resumed, "resumed"),
        (Step::Edited, "edited"),
        (Step::Ended, "ended"),
        (Step::Reminder, "reminder"),
        (Step::Bounded, "bounded"),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(step, _)| *step == self).map_or("", |(_, name)| name)
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(step, _)| *step).ok_or_else(|| StoreError::row(format!("a notice of '{text}'")))
    }

    /// What a step of the states is to those concerned; nothing where there is nothing to tell.
    pub fn of(from: Option<State>, to: State) -> Option<Self> {
        match (from, to) {
            (_, to) if to.is_end() => from.map(|_| Step::Ended),
            (Some(from), to) if from == to => Some(Step::Edited),
            (Some(State::Suspended), State::Active) => Some(Step::Resumed),
            (_, State::Active) => Some(Step::Given),
            (Some(_), State::Suspended) => Some(Step::Suspended),
            (None, State::Requested) => Some(Step::Requested),
            _ => None,
        }
    }
}

/// Where a subscription began or ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Place {
    /// To which node.
    pub node: Scope,
    /// At which address, where it is not the recipient's bare one.
    pub jid: Option<String>,
}

/// As it stands in the store.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Node(Scope),
    At(Scope, String),
}

impl From<Written> for Place {
    fn from(written: Written) -> Self {
        match written {
            Written::Node(node) => Place { node, jid: None },
            Written::At(node, jid) => Place { node, jid: Some(jid) },
        }
    }
}

impl From<Place> for Written {
    fn from(place: Place) -> Self {
        match place.jid {
            None => Written::Node(place.node),
            Some(jid) => Written::At(place.node, jid),
        }
    }
}

impl Place {
    /// A node, for an address.
    pub fn at(node: &Scope, jid: Option<&Jid>) -> Self {
        let full = jid.filter(|jid| jid.resource().is_some());
        Place { node: node.clone(), jid: full.map(ToString::to_string) }
    }

    /// Of this subscription.
    pub fn of(held: &Subscription) -> Self {
        Place::at(&held.node, Some(&held.jid))
    }
}

/// What a consent was bounded by: a series that changed hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// The registration.
    pub series: Scope,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The measuring time from which another holds it.
    pub from: Timestamp,
    /// Whether the consent goes on for other series.
    pub becomes: Becomes,
}

/// Something that is still to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Untold {
    /// Its number, rising.
    pub key: u64,
    /// What happened.
    pub step: Step,
    /// The number of the consent that it happened to.
    pub number: ConsentKey,
    /// The consent.
    pub consent: Consent,
    /// All that the person concerned is told of in one message, where it is not this consent alone.
    pub together: Option<Together>,
    /// The nodes of the recipient's subscriptions that began or ended with it.
    pub nodes: Vec<Place>,
    /// When.
    pub at: Timestamp,
    /// The language that the person concerned chose.
    pub language: Option<Language>,
    /// What the person concerned answers it by.
    pub code: Option<String>,
    /// The address that asked by subscribing, as long as the request waits.
    pub asked_from: Option<Jid>,
    /// What it was bounded by.
    pub bounded: Option<Bounded>,
}

/// The most consents that are named in one message.
const NAMED_MAX: usize = 50;

/// Consents of one person that took the same step by one act.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// The first of them.
    pub consents: Vec<Consent>,
    /// How many; 0 where another notice tells of them.
    pub count: usize,
}

/// One of many notices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note<'n> {
    /// What happened.
    pub(super) step: Step,
    /// To which consent.
    pub(super) consent: ConsentKey,
    /// The nodes of the recipient's subscriptions that ended with it.
    pub(super) nodes: &'n [Place],
    /// The consents that its person is told of with it, see [`Untold::together`].
    pub(super) together: Option<&'n [i64]>,
}

/// The same as [`note`] for many.
pub(super) async fn note_all(
    conn: &mut SqliteConnection,
    notes: &[Note<'_>],
    at: Timestamp,
) -> Result<(), StoreError> {
    let json = |e: serde_json::Error| StoreError::row(e.to_string());
    for notes in notes.chunks(ROWS_AT_ONCE) {
        let first = next_keys(conn, "notice", notes.len()).await?;
        let values = vec!["(?, ?, ?, ?, ?, ?)"; notes.len()].join(", ");
        let sql = format!("INSERT INTO notice (key, consent, nodes, at, step, together) VALUES {values}");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (key, note) in (first..).zip(notes) {
            query = query
                .bind(key)
                .bind(note.consent.0.cast_signed())
                .bind(serde_json::to_string(note.nodes).map_err(json)?)
                .bind(millis(at))
                .bind(note.step.as_str())
                .bind(note.together.map(serde_json::to_string).transpose().map_err(json)?);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Notes, in the transaction of the end, that it is to be told.
pub(super) async fn note(
    conn: &mut SqliteConnection,
    step: Step,
    consent: ConsentKey,
    nodes: &[Place],
    at: Timestamp,
) -> Result<(), StoreError> {
    let key = next_key(conn, "notice").await?;
    let nodes = serde_json::to_string(nodes).map_err(|e| StoreError::row(e.to_string()))?;
    sqlx::query("INSERT INTO notice (key, consent, nodes, at, step) VALUES (?, ?, ?, ?, ?)")
        .bind(key)
        .bind(consent.0.cast_signed())
        .bind(nodes)
        .bind(millis(at))
        .bind(step.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes, in the transaction of the move, that a consent was bounded.
pub(super) async fn note_bounded(
    conn: &mut SqliteConnection,
    consent: ConsentKey,
    bounded: &Bounded,
    at: Timestamp,
) -> Result<(), StoreError> {
    let key = next_key(conn, "notice").await?;
    let moved = serde_json::to_string(bounded).map_err(|e| StoreError::row(e.to_string()))?;
    sqlx::query("INSERT INTO notice (key, consent, nodes, at, step, moved) VALUES (?, ?, '[]', ?, ?, ?)")
        .bind(key)
        .bind(consent.0.cast_signed())
        .bind(millis(at))
        .bind(Step::Bounded.as_str())
        .bind(moved)
        .execute(conn)
        .await?;
    Ok(())
}

/// The consents of these numbers (after, up to) whose people are to be reminded.
async fn to_remind(
    conn: &mut SqliteConnection,
    now: Timestamp,
    (before, every): (i64, i64),
    (after, upto): (u64, u64),
) -> Result<Vec<SqliteRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.key FROM consent c LEFT JOIN consent_reminder r ON r.consent = c.key \
         WHERE c.key > ?4 AND c.key <= ?5 \
         AND c.state = 'active' AND c.valid_until > ?1 AND c.valid_from <= ?1 AND c.subject NOT LIKE 'ref:%' \
         AND (?2 > 0 AND c.valid_until - ?2 <= ?1 AND MAX(c.since, COALESCE(r.at, c.since)) < c.valid_until - ?2 \
           OR ?3 > 0 AND MAX(c.since, COALESCE(r.at, c.since)) <= ?1 - ?3)",
    )
    .bind(millis(now))
    .bind(before)
    .bind(every)
    .bind(after.cast_signed())
    .bind(upto.cast_signed())
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

impl Store {
    /// Has people reminded of what they share: `before` its end, and `every` so often while it runs (both in
    /// milliseconds, 0 for not). Who gave it within that time was told then.
    ///
    /// Looks at the `limit` numbers after `after` only: an index would have to know the calendar, and to look
    /// at a million consents at once would hold up all who write. Returns how many people are reminded, and
    /// where to go on; nothing there once all were looked at.
    pub async fn remind(
        &self,
        now: Timestamp,
        before: i64,
        every: i64,
        (after, limit): (u64, u32),
    ) -> Result<(usize, Option<u64>), StoreError> {
        let upto = after.saturating_add(u64::from(limit));
        let (last, due) = {
            let mut conn = self.pool().acquire().await?;
            let last = sqlx::query("SELECT COALESCE(MAX(key), 0) FROM consent").fetch_one(&mut *conn).await?;
            (last.try_get::<i64, _>(0)?, to_remind(&mut conn, now, (before, every), (after, upto)).await?)
        };
        let next = (upto < last.unsigned_abs()).then_some(upto);
        // The writer's lock is taken only where there is something to write, and then asked again.
        if due.is_empty() {
            return Ok((0, next));
        }
        let mut tx = self.write().await?;
        let rows = to_remind(&mut tx, now, (before, every), (after, upto)).await?;
        for row in &rows {
            let key: i64 = row.try_get(0)?;
            sqlx::query(
                "INSERT INTO consent_reminder (consent, at) VALUES (?, ?) \
                 ON CONFLICT (consent) DO UPDATE SET at = excluded.at",
            )
            .bind(key)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
            note(&mut tx, Step::Reminder, ConsentKey(key.unsigned_abs()), &[], now).await?;
            // So that the service looks.
            changes::note(&mut tx, Kind::Consent, key, now).await?;
        }
        tx.commit().await?;
        Ok((rows.len(), next))
    }

    /// Up to `limit` ends after this number that are still to be told, in order.
    pub async fn untold(&self, after: u64, limit: u32) -> Result<Vec<Untold>, StoreError> {
        let rows = sqlx::query(
            "SELECT key, consent, nodes, at, step, together, moved FROM notice WHERE key > ? ORDER BY key LIMIT ?",
        )
        .bind(after.cast_signed())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        let mut list = Vec::with_capacity(rows.len());
        for row in rows {
            let number = ConsentKey(row.try_get::<i64, _>(1)?.unsigned_abs());
            // Consents never go away, and the row names one that is there.
            let Some((_, mut consent)) = self.consent_by_key(number.0).await? else { continue };
            let at = timestamp(row.try_get(3)?)?;
            self.narrow_request(&mut consent, at).await?;
            let step = Step::read(row.try_get(4)?)?;
            let language = match consent.subject.jid() {
                Some(jid) => self.language_of(jid).await?,
                None => None,
            };
            // Who asked is still at it, or was killed at it: without a code nobody could answer by text.
            let code = match step {
                Step::Requested => self.ensure_code(&consent).await?,
                _ => self.code_of(&consent).await?,
            };
            let asked_from = match step {
                Step::Requested => self.wish_of(consent.id).await?.map(|wish| wish.jid),
                _ => None,
            };
            let together = match row.try_get::<Option<&str>, _>(5)? {
                Some(list) => Some(self.together(list).await?),
                None => None,
            };
            let bounded = row.try_get::<Option<&str>, _>(6)?.map(serde_json::from_str).transpose();
            list.push(Untold {
                together,
                bounded: bounded.map_err(|e| StoreError::row(e.to_string()))?,
                asked_from,
                step,
                language,
                code,
                number,
                key: row.try_get::<i64, _>(0)?.unsigned_abs(),
                consent,
                nodes: serde_json::from_str(row.try_get(2)?).map_err(|e| StoreError::row(e.to_string()))?,
                at,
            });
        }
        Ok(list)
    }

    async fn together(&self, list: &str) -> Result<Together, StoreError> {
        let keys: Vec<u64> = serde_json::from_str(list).map_err(|e| StoreError::row(e.to_string()))?;
        let named = &keys[..keys.len().min(NAMED_MAX)];
        let mut held = self.consents_by_keys(named).await?;
        Ok(Together {
            consents: named.iter().filter_map(|key| held.remove(key)).collect(),
            count: keys.len(),
        })
    }
}

/// The journal holds these from now on; in its transaction.
pub(super) async fn taken_over(conn: &mut SqliteConnection, keys: &[u64]) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let list = serde_json::to_string(keys).map_err(|e| StoreError::row(e.to_string()))?;
    for sql in [
        "DELETE FROM notice WHERE key IN (SELECT value FROM json_each(?))",
        "DELETE FROM move_notice WHERE key IN (SELECT value FROM json_each(?))",
    ] {
        sqlx::query(sql).bind(&list).execute(&mut *conn).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;
    use crate::domain::consent::tests::sample;

    #[tokio::test]
    async fn an_end_is_noted_until_it_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite:{}/t.db", dir.path().display()), Durability::Off).await.unwrap();
        let consent = sample();
        store.add_consent(&consent, "admin", consent.since).await.unwrap();
        assert!(store.untold(0, 10).await.unwrap().is_empty());
        store.end_consent(consent.id, State::Revoked, "admin", Some("x"), consent.since).await.unwrap();
        let untold = store.untold(0, 10).await.unwrap();
        let [end] = &untold[..] else { panic!("{untold:?}") };
        assert_eq!((end.consent.state, end.at), (State::Revoked, consent.since));
        assert!(end.nodes.iter().map(|place| &place.node).eq(&consent.scope));
        assert!(store.untold(end.key, 10).await.unwrap().is_empty());
        taken_over(&mut store.pool().acquire().await.unwrap(), &[end.key]).await.unwrap();
        assert!(store.untold(0, 10).await.unwrap().is_empty());
    }

    /// Whoever asked may be killed before the request has its code, or be slower than who tells of it.
    #[tokio::test]
    async fn a_request_is_told_with_a_code_whatever_became_of_who_asked() {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite:{}/t.db", dir.path().display()), Durability::Off).await.unwrap();
        let method = crate::domain::consent::method::REQUEST.to_owned();
        let request = Consent { state: State::Requested, method, ..sample() };
        store.add_consent(&request, "app@coop.example", request.since).await.unwrap();
        let untold = store.untold(0, 10).await.unwrap();
        let [asked] = &untold[..] else { panic!("{untold:?}") };
        let code = asked.code.clone().expect("a code");
        assert_eq!(store.ensure_code(&request).await.unwrap(), Some(code));
    }
}
