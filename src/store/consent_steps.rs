//! How consents change. Each step is one transaction: the record, its event, the line of the disclosure
//! log, the subscriptions that come or go with it, and the note that the running service follows.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::consent_trail::{Told, all_told, keep_revision, tell, told};
use super::consents::{COLUMNS, ROWS_AT_ONCE, find, insert, read, same, update};
use super::notices::Place;
use super::unrecorded::is_asked_for;
use super::wishes::{end_subscriptions, not_subscribed, subscribe, subscribed, wished};
use super::write::Room;
use super::{Store, StoreError, arrangements, millis, next_key, next_keys, persons, subscriptions, wishes};
use crate::domain::consent::{Consent, ConsentError, ConsentKey, State, method};
use crate::domain::edit::Edit;
use crate::domain::name::Scope;
use crate::domain::period::Period;
use crate::domain::subscription::{Subscription, Wish};

/// What became of a wish to end a consent.
#[derive(Debug)]
pub enum Ended {
    /// It ended; these of the recipient's subscriptions ended with it.
    Done(Box<Consent>, Vec<Subscription>),
    /// There is none with this id.
    NotFound,
    /// The states do not allow the step.
    Refused(ConsentError),
}

/// What became of a wish to change a consent.
#[derive(Debug)]
pub enum Stepped {
    /// It is done; this is how the consent is now.
    Done(Box<Consent>),
    /// There is none with this id.
    NotFound,
    /// Neither the states nor the rules of narrowing allow it.
    Refused(ConsentError),
    /// Somebody else changed it meanwhile; this is how it is now.
    Stale(Box<Consent>),
}

/// How a request becomes a consent.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// What is narrower than what was asked.
    pub edit: Edit,
    /// How it was given.
    pub method: String,
    /// The language of the text that the person saw.
    pub text_lang: Option<String>,
    /// SHA-256 of that text, as hexadecimal digits.
    pub text_hash: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// New records.
    pub added: usize,
    /// Records that were there already, word for word.
    pub unchanged: usize,
}

impl Store {
    /// Records a consent with its first event. Where it is active its recipient is subscribed, if it says
    /// so, and what it renews ends. An id that is taken is [`StoreError::Exists`].
    pub async fn add_consent(
        &self,
        consent: &Consent,
        actor: &str,
        at: Timestamp,
    ) -> Result<ConsentKey, StoreError> {
        self.add_request(consent, None, actor, at).await
    }

    /// The same, for a request that may have been made by subscribing: what is wished is kept with it until it is
    /// answered.
    pub async fn add_request(
        &self,
        consent: &Consent,
        wish: Option<&Wish>,
        actor: &str,
        at: Timestamp,
    ) -> Result<ConsentKey, StoreError> {
        let mut tx = self.write().await?;
        if find(&mut tx, consent.id).await?.is_some() {
            return Err(StoreError::Exists { what: format!("the consent {}", consent.id) });
        }
        arrangements::check(&mut tx, consent).await?;
        let key = next_key(&mut tx, "consent").await?;
        insert(&mut tx, &[(key, consent)]).await?;
        told(&mut tx, key, None, consent, actor, None, at).await?;
        if consent.state == State::Requested {
            // Whoever is asked, and if nobody is: what is written is the same, so that asking takes as long.
            persons::assign_code(&mut tx, consent).await?;
            if let Some(wish) = wish {
                wishes::keep(&mut tx, key, wish).await?;
            }
        }
        subscribe(&mut tx, consent, &consent.scope, None, at).await?;
        // Who records at the desk what was agreed elsewhere has told those concerned there.
        if !matches!(&*consent.method, method::CLI | method::IMPORT) {
            tell(&mut tx, key, None, consent, &subscribed(consent, None), at).await?;
        }
        replace_older(&mut tx, key, consent, actor, at).await?;
        tx.commit().await?;
        Ok(ConsentKey(key.unsigned_abs()))
    }

    /// Takes a step of the states that changes nothing else: suspends, resumes, refuses, ends.
    pub async fn step_consent(
        &self,
        id: Uuid,
        next: State,
        actor: &str,
        note: Option<&str>,
        at: Timestamp,
    ) -> Result<Stepped, StoreError> {
        Ok(match self.end_consent(id, next, actor, note, at).await? {
            Ended::Done(consent, _) => Stepped::Done(consent),
            Ended::NotFound => Stepped::NotFound,
            Ended::Refused(why) => Stepped::Refused(why),
        })
    }

    /// The same, for an end: says which of the recipient's subscriptions ended with it.
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
        let outcome = match is_asked_for(next) {
            false => self.end_in(Room::Usual, id, next, actor, reason, at).await,
            true => match self.end_in(Room::Ends, id, next, actor, reason, at).await {
                Err(error) if error.wants_room() => {
                    self.end_in(Room::Reserve, id, next, actor, reason, at).await
                }
                outcome => outcome,
            },
        };
        match outcome {
            Ok(ended) => {
                self.unrecorded().recorded(&[id]);
                self.look_after_reserve();
                Ok(ended)
            }
            Err(cause) if is_asked_for(next) && cause.is_unavailable() => {
                // Nothing leaves under a request; and once it is given, that it was to be refused must not count.
                let halts = !matches!(next, State::Refused | State::Cancelled);
                Err(self.not_recorded(cause, if halts { vec![id] } else { Vec::new() }).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn end_in(
        &self,
        room: Room,
        id: Uuid,
        next: State,
        actor: &str,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Result<Ended, StoreError> {
        let mut tx = self.write_in(room).await?;
        let Some((key, before)) = find(&mut tx, id).await? else { return Ok(Ended::NotFound) };
        let mut consent = before.clone();
        // A request is answered, which is more than a step: see `grant_consent`.
        if before.state == State::Requested && next == State::Active {
            return Ok(Ended::Refused(ConsentError::Step { from: before.state, to: next }));
        }
        if let Err(refusal) = consent.become_state(next, at, actor, reason) {
            return Ok(Ended::Refused(refusal));
        }
        update(&mut tx, key, &consent).await?;
        told(&mut tx, key, Some(before.state), &consent, actor, reason, at).await?;
        let ended = match next.is_end() && before.state != State::Requested {
            true => end_subscriptions(&mut tx, &consent, &consent.scope, at).await?,
            false => Vec::new(),
        };
        let nodes = match before.state {
            State::Requested => {
                let wish = wishes::take(&mut tx, key).await?;
                not_subscribed(&mut tx, &consent, wish.as_ref()).await?
            }
            _ => ended.iter().map(Place::of).collect(),
        };
        tell(&mut tx, key, Some(before.state), &consent, &nodes, at).await?;
        tx.commit().await?;
        Ok(Ended::Done(Box::new(consent), ended))
    }

    /// Narrows a consent, or corrects its evidence. `revision` is the one that the editor saw: if it is not
    /// the last any more, nothing is changed.
    #[allow(clippy::too_many_arguments)] // who, what, why and when are each one thing
    pub async fn edit_consent(
        &self,
        id: Uuid,
        edit: &Edit,
        revision: Option<u32>,
        maximum: &Period,
        actor: &str,
        note: Option<&str>,
        at: Timestamp,
    ) -> Result<Stepped, StoreError> {
        let mut tx = self.write().await?;
        let Some((key, before)) = find(&mut tx, id).await? else { return Ok(Stepped::NotFound) };
        if revision.is_some_and(|seen| seen != before.revision) {
            return Ok(Stepped::Stale(Box::new(before)));
        }
        if before.state.is_end() {
            return Ok(Stepped::Refused(ConsentError::Step { from: before.state, to: before.state }));
        }
        let next = match edit.apply(&before, maximum) {
            Ok(next) if next.valid_until <= at && next.valid_until != before.valid_until => {
                return Ok(Stepped::Refused(ConsentError::Over(next.valid_until)));
            }
            Ok(next) => next,
            Err(refusal) => return Ok(Stepped::Refused(refusal)),
        };
        keep_revision(&mut tx, key, &before, at).await?;
        update(&mut tx, key, &next).await?;
        told(&mut tx, key, Some(before.state), &next, actor, note, at).await?;
        if next.state != State::Requested {
            let gone: Vec<Scope> = before.scope.iter().filter(|s| keeps_not(&next, s)).cloned().collect();
            let ended = end_subscriptions(&mut tx, &before, &gone, at).await?;
            let places: Vec<Place> = ended.iter().map(Place::of).collect();
            tell(&mut tx, key, Some(before.state), &next, &places, at).await?;
            for held in ended {
                let narrower: Vec<Scope> =
                    next.scope.iter().filter(|narrow| held.node.covers_scope(narrow)).cloned().collect();
                let wish = Wish { jid: held.jid, format: held.format };
                subscribe(&mut tx, &next, &narrower, Some(&wish), at).await?;
            }
        }
        tx.commit().await?;
        Ok(Stepped::Done(Box::new(next)))
    }

    /// Turns a request into a consent that begins now, narrowed as the grant says; its revision rises.
    pub async fn grant_consent(
        &self,
        id: Uuid,
        grant: &Grant,
        maximum: &Period,
        actor: &str,
        at: Timestamp,
    ) -> Result<Stepped, StoreError> {
        let mut tx = self.write().await?;
        let Some((key, before)) = find(&mut tx, id).await? else { return Ok(Stepped::NotFound) };
        if before.state != State::Requested {
            let refusal = ConsentError::Step { from: before.state, to: State::Active };
            return Ok(Stepped::Refused(refusal));
        }
        let edit = Edit {
            valid_from: grant.edit.valid_from.or(Some(at.max(before.valid_from))),
            ..grant.edit.clone()
        };
        let mut next = match edit.apply(&before, maximum) {
            Ok(next) => next,
            Err(refusal) => return Ok(Stepped::Refused(refusal)),
        };
        next.method.clone_from(&grant.method);
        next.text_lang.clone_from(&grant.text_lang);
        next.text_hash.clone_from(&grant.text_hash);
        if let Err(refusal) = next.become_state(State::Active, at, actor, None) {
            return Ok(Stepped::Refused(refusal));
        }
        keep_revision(&mut tx, key, &before, at).await?;
        update(&mut tx, key, &next).await?;
        told(&mut tx, key, Some(before.state), &next, actor, None, at).await?;
        let wish = wishes::take(&mut tx, key).await?;
        subscribe(&mut tx, &next, &next.scope, wish.as_ref(), at).await?;
        let nodes = subscribed(&next, wish.as_ref());
        tell(&mut tx, key, Some(before.state), &next, &nodes, at).await?;
        replace_older(&mut tx, key, &next, actor, at).await?;
        tx.commit().await?;
        self.unrecorded().recorded(&[id]);
        Ok(Stepped::Done(Box::new(next)))
    }

    /// Takes over many records at once, all or nothing. A record that is there already word for word is
    /// passed over; one that is there and says something else is [`StoreError::Exists`], one of an arrangement that
    /// these two never had [`ConsentError::Arrangement`].
    pub async fn import_consents(
        &self,
        consents: &[Consent],
        actor: &str,
        at: Timestamp,
    ) -> Result<Imported, StoreError> {
        let mut tx = self.write().await?;
        if !arrangements::refused(&mut tx, consents.iter()).await?.is_empty() {
            return Err(StoreError::Consent(ConsentError::Arrangement));
        }
        let mut done = Imported::default();
        for chunk in consents.chunks(ROWS_AT_ONCE) {
            let held = held(&mut tx, chunk).await?;
            let mut new = Vec::with_capacity(chunk.len());
            for consent in chunk {
                match held.iter().find(|held| held.id == consent.id) {
                    None => new.push(consent),
                    Some(held) if same(consent, held) => done.unchanged += 1,
                    Some(_) => {
                        return Err(StoreError::Exists { what: format!("another consent {}", consent.id) });
                    }
                }
            }
            let first = next_keys(&mut tx, "consent", new.len()).await?;
            let rows: Vec<(i64, &Consent)> = (first..).zip(new).collect();
            insert(&mut tx, &rows).await?;
            let steps: Vec<Told<'_>> =
                rows.iter().map(|(key, consent)| Told { key: *key, from: None, consent }).collect();
            all_told(&mut tx, &steps, actor, None, at).await?;
            let wishes: Vec<Subscription> =
                rows.iter().flat_map(|(_, consent)| wished(consent, &consent.scope, None)).collect();
            subscriptions::add_all(&mut tx, &wishes, at).await?;
            done.added += rows.len();
        }
        tx.commit().await?;
        Ok(done)
    }
}

/// Whether the consent does not keep this scope as it stands.
fn keeps_not(next: &Consent, scope: &Scope) -> bool {
    !next.modes.notify || !next.scope.iter().any(|kept| kept.covers_scope(scope))
}

/// Of these, the records that are there already.
async fn held(conn: &mut SqliteConnection, consents: &[Consent]) -> Result<Vec<Consent>, StoreError> {
    let marks = vec!["?"; consents.len()].join(", ");
    let sql = format!("{COLUMNS} WHERE id IN ({marks})");
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for consent in consents {
        query = query.bind(consent.id.to_string());
    }
    let rows = query.fetch_all(conn).await?;
    rows.iter().map(|row| read(row).map(|(_, consent)| consent)).collect()
}

/// Ends what this consent renews: all others of its arrangement that had begun. Nothing as long as it is not
/// active, or begins later, so that there is no gap.
pub(super) async fn replace_older(
    conn: &mut SqliteConnection,
    key: i64,
    newer: &Consent,
    actor: &str,
    at: Timestamp,
) -> Result<usize, StoreError> {
    if newer.state != State::Active || newer.valid_from > at {
        return Ok(0);
    }
    let sql = format!(
        "{COLUMNS} WHERE arrangement = ? AND key <> ? AND valid_from <= ? AND state IN ('active', 'suspended')"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(newer.arrangement.to_string())
        .bind(key)
        .bind(millis(at))
        .fetch_all(&mut *conn)
        .await?;
    let note = format!("renewed as {}", newer.id);
    for row in &rows {
        let (older, mut consent) = read(row)?;
        let before = consent.state;
        if consent.become_state(State::Replaced, at, actor, Some(&note)).is_ok() {
            let older = older.0.cast_signed();
            update(conn, older, &consent).await?;
            told(conn, older, Some(before), &consent, actor, Some(&note), at).await?;
            let ended = end_subscriptions(conn, &consent, &consent.scope, at).await?;
            let ended: Vec<Place> = ended.iter().map(Place::of).collect();
            tell(conn, older, Some(before), &consent, &ended, at).await?;
        }
    }
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::super::consents::Filter;
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
        store.add_consent(&consent, "admin", consent.since).await.unwrap();
        assert_eq!(store.consent(consent.id).await.unwrap().unwrap(), consent);
        assert_eq!(store.subscriptions(0, 10).await.unwrap().len(), 1);
        let again = store.add_consent(&consent, "admin", consent.since).await;
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
        second.arrangement = second.id;
        let at = first.since;
        for consent in [&first, &second] {
            store.add_consent(consent, "admin", at).await.unwrap();
        }
        let ended = store.end_consent(first.id, State::Revoked, "admin", Some("x"), at).await.unwrap();
        assert!(matches!(ended, Ended::Done(c, gone) if c.state == State::Revoked && gone.is_empty()));
        let ended = store.end_consent(second.id, State::Revoked, "admin", None, at).await.unwrap();
        assert!(
            matches!(ended, Ended::Done(_, gone) if gone.iter().map(|held| &held.node).eq(&second.scope))
        );
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
    async fn a_request_becomes_a_consent_that_says_no_more_than_was_asked() {
        let (_dir, store) = store().await;
        let mut request = sample();
        request.state = State::Requested;
        request.scope = vec![Scope::parse("urn:dev:prm:*").unwrap()];
        store.add_consent(&request, "app@coop.example", request.since).await.unwrap();
        assert!(store.subscriptions(0, 10).await.unwrap().is_empty());
        let maximum = "P3Y".parse().unwrap();
        let at = "2026-01-03T00:00:00Z".parse().unwrap();
        let wider = Grant {
            edit: Edit { scope: Some(vec![Scope::parse("urn:*").unwrap()]), ..Edit::default() },
            ..Grant::default()
        };
        let refused =
            store.grant_consent(request.id, &wider, &maximum, "ann@home.example", at).await.unwrap();
        assert!(matches!(refused, Stepped::Refused(ConsentError::Wider("scope"))), "{refused:?}");
        let one = vec![Scope::parse("urn:dev:prm:1").unwrap()];
        let grant = Grant {
            edit: Edit { scope: Some(one.clone()), ..Edit::default() },
            method: "ad-hoc".into(),
            text_lang: Some("fr".into()),
            text_hash: None,
        };
        let granted =
            store.grant_consent(request.id, &grant, &maximum, "ann@home.example", at).await.unwrap();
        let Stepped::Done(consent) = granted else { panic!("{granted:?}") };
        assert_eq!((consent.id, consent.revision, consent.state), (request.id, 2, State::Active));
        assert_eq!((&consent.scope, consent.valid_from), (&one, at), "it begins when it is given");
        let subscribed: Vec<_> =
            store.subscriptions(0, 10).await.unwrap().into_iter().map(|(_, s)| s.node).collect();
        assert_eq!(subscribed, one);
        let earlier = store.earlier_revisions(request.id).await.unwrap();
        assert_eq!(earlier.get(&1), Some(&request));
        let again = store.grant_consent(request.id, &grant, &maximum, "ann@home.example", at).await.unwrap();
        assert!(matches!(again, Stepped::Refused(ConsentError::Step { .. })));
    }

    #[tokio::test]
    async fn what_was_edited_stays_readable_and_cannot_be_rewritten() {
        let (_dir, store) = store().await;
        let consent = sample();
        store.add_consent(&consent, "admin", consent.since).await.unwrap();
        let edit = Edit {
            modes: Some(crate::domain::consent::Modes { notify: false, history: true }),
            ..Edit::default()
        };
        let maximum = "P3Y".parse().unwrap();
        let done = store
            .edit_consent(consent.id, &edit, Some(1), &maximum, "admin", Some("x"), consent.since)
            .await
            .unwrap();
        assert!(matches!(done, Stepped::Done(c) if c.revision == 2));
        assert!(store.subscriptions(0, 10).await.unwrap().is_empty(), "who is not to be notified is not");
        let stale = store
            .edit_consent(consent.id, &edit, Some(1), &maximum, "admin", None, consent.since)
            .await
            .unwrap();
        assert!(matches!(stale, Stepped::Stale(c) if c.revision == 2));
        for sql in ["DELETE FROM consent_revision", "UPDATE consent_revision SET record = '{}'"] {
            assert!(sqlx::query(sql).execute(store.pool()).await.is_err());
        }
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
