//! One act on many consents: all that match take the step in one transaction, and each person concerned is told of it
//! once, however many of theirs it was.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::consent_trail::{Told, all_told};
use super::consents::{COLUMNS, Filter, bind_filter, matching, read};
use super::notices::{Note, Place, Step};
use super::unrecorded::is_asked_for;
use super::wishes::{end_subscriptions, not_subscribed};
use super::write::Room;
use super::{Store, StoreError, millis, notices, wishes};
use crate::domain::consent::{Consent, ConsentError, ConsentKey, State};
use crate::domain::party::Subject;

/// Consents of one transaction: more would keep publishers waiting for the writer's lock.
pub const TOGETHER_MAX: u32 = 2000;

/// Which consents one transaction is about.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// Exactly these; all of them can take the step, or none does.
    These(&'a [Uuid]),
    /// The first [`TOGETHER_MAX`] of those that match and come after this number.
    Matching(&'a Filter, u64),
}

/// A consent that cannot take part, and why; nothing where it is not there.
pub type Unfit = (Uuid, Option<ConsentError>);

/// What one transaction did.
#[derive(Debug, Default)]
pub struct Acted {
    /// The consents as they are now, in the order of their numbers.
    pub changed: Vec<Consent>,
    /// Those that cannot take the step: nothing was changed.
    pub unfit: Vec<Unfit>,
    /// Go on after this number; nothing there once all were looked at.
    pub next: Option<u64>,
}

/// Who has the step taken, what it is, why and when.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// What a consent in a state is to become.
    pub step: fn(State) -> State,
    /// Who.
    pub actor: &'a str,
    /// In their words.
    pub reason: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// A consent that took its step.
struct Stepped {
    key: i64,
    from: State,
    now: Consent,
}

impl Store {
    /// The consents that an act would be about: for who wants to know before.
    pub async fn would_step(&self, part: &Part<'_>, step: fn(State) -> State) -> Result<Acted, StoreError> {
        let mut conn = self.pool().acquire().await?;
        let (found, next) = find(&mut conn, part).await?;
        let mut acted = Acted { next, ..Acted::default() };
        for (_, consent) in found {
            match check(&consent, step) {
                Ok(_) => acted.changed.push(consent),
                Err(why) => acted.unfit.push((consent.id, Some(why))),
            }
        }
        missing(part, &mut acted);
        Ok(acted)
    }

    /// Has all of them take the step, in one transaction.
    pub async fn step_many(&self, part: &Part<'_>, act: &Act<'_>) -> Result<Acted, StoreError> {
        let is_end = is_asked_for((act.step)(State::Active));
        let outcome = match is_end {
            false => self.step_many_in(Room::Usual, part, act).await,
            true => match self.step_many_in(Room::Ends, part, act).await {
                Err(error) if error.wants_room() => self.step_many_in(Room::Reserve, part, act).await,
                outcome => outcome,
            },
        };
        match outcome {
            Ok(acted) => {
                let ids: Vec<Uuid> = acted.changed.iter().map(|consent| consent.id).collect();
                self.unrecorded().recorded(&ids);
                self.look_after_reserve();
                Ok(acted)
            }
            Err(cause) if is_end && cause.is_unavailable() => {
                let ids = self.standing_among(part, act.step).await;
                Err(self.not_recorded(cause, ids).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Of those that are meant, here and in the parts that follow, what was given: under the others nothing leaves, and
    /// once they are given, that they were to be refused must not count.
    async fn standing_among(&self, part: &Part<'_>, step: fn(State) -> State) -> Vec<Uuid> {
        let mut ids = Vec::new();
        let mut part = part.clone();
        loop {
            let acted = match (self.would_step(&part, step).await, &part) {
                (Ok(acted), _) => acted,
                (Err(_), Part::These(named)) => return named.to_vec(),
                (Err(error), Part::Matching(..)) => {
                    tracing::error!(%error, "consents that were to end cannot be read");
                    return ids;
                }
            };
            let stands = |consent: &&Consent| matches!(consent.state, State::Active | State::Suspended);
            ids.extend(acted.changed.iter().filter(stands).map(|consent| consent.id));
            match (part, acted.next) {
                (Part::Matching(filter, _), Some(next)) => part = Part::Matching(filter, next),
                _ => return ids,
            }
        }
    }

    async fn step_many_in(&self, room: Room, part: &Part<'_>, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.write_in(room).await?;
        let (found, next) = find(&mut tx, part).await?;
        let mut acted = Acted { next, ..Acted::default() };
        let mut stepped = Vec::with_capacity(found.len());
        for (key, mut now) in found {
            let from = now.state;
            let outcome =
                check(&now, act.step).and_then(|next| now.become_state(next, act.at, act.actor, act.reason));
            match outcome {
                Ok(()) => stepped.push(Stepped { key, from, now }),
                Err(why) => acted.unfit.push((now.id, Some(why))),
            }
        }
        acted.changed.extend(stepped.iter().map(|one| one.now.clone()));
        missing(part, &mut acted);
        if !acted.unfit.is_empty() {
            acted.changed.clear();
            return Ok(acted);
        }
        write(&mut tx, &stepped, act).await?;
        tx.commit().await?;
        Ok(acted)
    }
}

fn check(consent: &Consent, step: fn(State) -> State) -> Result<State, ConsentError> {
    let (from, to) = (consent.state, step(consent.state));
    // A request is answered, which is more than a step.
    let is_answer = from == State::Requested && to == State::Active;
    if from.may_become(to) && !is_answer { Ok(to) } else { Err(ConsentError::Step { from, to }) }
}

/// Of those that were named, what was not found.
fn missing(part: &Part<'_>, acted: &mut Acted) {
    if let Part::These(ids) = part {
        let is_known = |id: &Uuid| {
            acted.changed.iter().any(|held| held.id == *id) || acted.unfit.iter().any(|(held, _)| held == id)
        };
        let unknown: Vec<Unfit> = ids.iter().filter(|id| !is_known(id)).map(|id| (*id, None)).collect();
        acted.unfit.extend(unknown);
    }
}

async fn find(
    conn: &mut SqliteConnection,
    part: &Part<'_>,
) -> Result<(Vec<(i64, Consent)>, Option<u64>), StoreError> {
    let rows = match part {
        Part::These(ids) => {
            let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
            let list = serde_json::to_string(&ids).map_err(|e| StoreError::row(e.to_string()))?;
            let sql = format!("{COLUMNS} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY key");
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(list).fetch_all(conn).await?
        }
        Part::Matching(filter, after) => {
            let sql = format!("{COLUMNS} WHERE {} AND key > ?7 ORDER BY key LIMIT ?8", matching(filter));
            bind_filter(sqlx::query(sqlx::AssertSqlSafe(sql)), filter)
                .bind(after.cast_signed())
                .bind(TOGETHER_MAX)
                .fetch_all(conn)
                .await?
        }
    };
    let found = rows.iter().map(|row| read(row).map(|(key, consent)| (key.0.cast_signed(), consent)));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let is_full = matches!(part, Part::Matching(..)) && found.len() >= TOGETHER_MAX as usize;
    let next = found.last().filter(|_| is_full).map(|(key, _)| key.unsigned_abs());
    Ok((found, next))
}

async fn write(conn: &mut SqliteConnection, stepped: &[Stepped], act: &Act<'_>) -> Result<(), StoreError> {
    set_states(conn, stepped, act).await?;
    let steps: Vec<Told<'_>> =
        stepped.iter().map(|one| Told { key: one.key, from: Some(one.from), consent: &one.now }).collect();
    all_told(conn, &steps, act.actor, act.reason, act.at).await?;
    let mut places = Vec::with_capacity(stepped.len());
    for one in stepped {
        places.push(ended_places(conn, one, act.at).await?);
    }
    let together = together(stepped);
    let notes = stepped.iter().zip(&places).zip(&together).filter_map(|((one, nodes), together)| {
        Some(Note {
            step: Step::of(Some(one.from), one.now.state)?,
            consent: ConsentKey(one.key.unsigned_abs()),
            nodes,
            together: together.as_deref(),
        })
    });
    notices::note_all(conn, &notes.collect::<Vec<_>>(), act.at).await
}

/// Writes where they stand: nothing else of them changes.
async fn set_states(
    conn: &mut SqliteConnection,
    stepped: &[Stepped],
    act: &Act<'_>,
) -> Result<(), StoreError> {
    let mut by_state: HashMap<State, Vec<i64>> = HashMap::new();
    for one in stepped {
        by_state.entry(one.now.state).or_default().push(one.key);
    }
    for (state, keys) in by_state {
        let (by, why) = if state.is_end() { (Some(act.actor), act.reason) } else { (None, None) };
        let list = serde_json::to_string(&keys).map_err(|e| StoreError::row(e.to_string()))?;
        sqlx::query(
            "UPDATE consent SET state = ?1, since = ?2, ended_by = ?3, end_reason = ?4 \
             WHERE key IN (SELECT value FROM json_each(?5))",
        )
        .bind(state.as_str())
        .bind(millis(act.at))
        .bind(by)
        .bind(why)
        .bind(list)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// The subscriptions that end with it, once none of the others stands any more.
async fn ended_places(
    conn: &mut SqliteConnection,
    one: &Stepped,
    at: Timestamp,
) -> Result<Vec<Place>, StoreError> {
    if !one.now.state.is_end() {
        return Ok(Vec::new());
    }
    if one.from == State::Requested {
        let wish = wishes::take(conn, one.key).await?;
        return not_subscribed(conn, &one.now, wish.as_ref()).await;
    }
    let ended = end_subscriptions(conn, &one.now, &one.now.scope, at).await?;
    Ok(ended.iter().map(Place::of).collect())
}

/// For each: which consents its person is told of with it, if not of this one alone.
fn together(stepped: &[Stepped]) -> Vec<Option<Vec<i64>>> {
    let mut groups: HashMap<(&Subject, State), Vec<usize>> = HashMap::new();
    for (place, one) in stepped.iter().enumerate() {
        // Who says no is told nothing of it.
        if one.now.state != State::Refused {
            groups.entry((&one.now.subject, one.now.state)).or_default().push(place);
        }
    }
    let mut together = vec![None; stepped.len()];
    for places in groups.into_values().filter(|places| places.len() > 1) {
        for place in &places {
            together[*place] = Some(Vec::new());
        }
        together[places[0]] = Some(places.iter().map(|place| stepped[*place].key).collect());
    }
    together
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::super::disclosures::verify::{Expectation, Outcome};
    use super::*;
    use crate::domain::consent::tests::sample;
    use crate::domain::name::Scope;

    const STANDING: &[State] = &[State::Active, State::Suspended];

    fn revoke(_: State) -> State {
        State::Revoked
    }

    fn consent(number: u128, subject: &str, recipient: &str, state: State) -> Consent {
        let id = Uuid::from_u128(number);
        Consent {
            id,
            arrangement: id,
            subject: subject.parse().unwrap(),
            recipient: recipient.parse().unwrap(),
            scope: vec![
                Scope::parse(&format!("urn:dev:{number}")).unwrap(),
                Scope::parse("urn:shared").unwrap(),
            ],
            state,
            ..sample()
        }
    }

    async fn store(consents: &[Consent]) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        for consent in consents {
            store.add_consent(consent, "admin", consent.since).await.unwrap();
        }
        crate::store::notices::taken_over(
            &mut store.pool().acquire().await.unwrap(),
            &(0..100).collect::<Vec<_>>(),
        )
        .await
        .unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn all_of_a_person_end_together_and_are_told_once() {
        let (ann, bob) = ("ann@home.example", "bob@home.example");
        let (app, grid) = ("app@coop.example", "grid@coop.example");
        let (_dir, store) = store(&[
            consent(1, ann, app, State::Active),
            consent(2, ann, app, State::Suspended),
            consent(3, ann, grid, State::Active),
            consent(4, bob, app, State::Active),
            consent(5, ann, grid, State::Requested),
        ])
        .await;
        let filter = Filter { subject: Some(ann.parse().unwrap()), states: STANDING, ..Filter::default() };
        let act = Act { step: revoke, actor: "cli", reason: Some("moved"), at: sample().valid_until };
        let before = store.would_step(&Part::Matching(&filter, 0), revoke).await.unwrap();
        assert_eq!((before.changed.len(), before.next), (3, None));
        let acted = store.step_many(&Part::Matching(&filter, 0), &act).await.unwrap();
        assert_eq!((acted.changed.len(), acted.unfit.len(), acted.next), (3, 0, None));
        for changed in &acted.changed {
            assert_eq!(store.consent(changed.id).await.unwrap().as_ref(), Some(changed));
            assert_eq!((changed.state, changed.end_reason.as_deref()), (State::Revoked, Some("moved")));
            let events = store.events_of(changed.id).await.unwrap();
            assert_eq!(events.last().map(|event| (event.to, &*event.actor)), Some((State::Revoked, "cli")));
        }
        // What bob gave still covers what the two share.
        let left: Vec<String> = store
            .subscriptions(0, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|(_, s)| format!("{} {}", s.jid, s.node))
            .collect();
        assert_eq!(left, ["app@coop.example urn:shared", "app@coop.example urn:dev:4"]);
        let told = store.untold(0, 10).await.unwrap();
        let together: Vec<Option<usize>> =
            told.iter().map(|news| news.together.as_ref().map(|together| together.count)).collect();
        assert_eq!(together, [Some(3), Some(0), Some(0)]);
        let nodes: Vec<usize> = told.iter().map(|news| news.nodes.len()).collect();
        assert_eq!(nodes, [1, 0, 2], "of the second, suspended, nothing was subscribed");
        let verified = store.verify_disclosures(&Expectation::default()).await.unwrap();
        assert!(matches!(verified, Outcome::Sound(_)), "{verified:?}");
    }

    #[tokio::test]
    async fn of_those_that_are_named_all_end_or_none() {
        let (ann, app) = ("ann@home.example", "app@coop.example");
        let (_dir, store) =
            store(&[consent(1, ann, app, State::Active), consent(2, ann, app, State::Requested)]).await;
        let act = Act { step: revoke, actor: "cli", reason: None, at: sample().since };
        let ids = [1, 2, 77].map(Uuid::from_u128);
        let acted = store.step_many(&Part::These(&ids), &act).await.unwrap();
        assert!(acted.changed.is_empty());
        let unfit: Vec<(Uuid, bool)> = acted.unfit.iter().map(|(id, why)| (*id, why.is_some())).collect();
        assert_eq!(unfit, [(ids[1], true), (ids[2], false)]);
        assert_eq!(store.consent(ids[0]).await.unwrap().unwrap().state, State::Active);
        let acted = store.step_many(&Part::These(&ids[..1]), &act).await.unwrap();
        assert_eq!(acted.changed.len(), 1);
        let told = store.untold(0, 10).await.unwrap();
        assert!(matches!(&told[..], [news] if news.together.is_none()), "{told:?}");
    }

    #[tokio::test]
    async fn very_many_go_in_parts() {
        let count = TOGETHER_MAX as usize + 10;
        let (_dir, store) = store(&[]).await;
        let many: Vec<Consent> = (1..=count as u128)
            .map(|n| consent(n, &format!("p{n}@home.example"), "app@coop.example", State::Active))
            .collect();
        store.import_consents(&many, "cli", sample().since).await.unwrap();
        let filter =
            Filter { recipient: Some("app@coop.example".into()), states: STANDING, ..Filter::default() };
        let act = Act { step: revoke, actor: "cli", reason: None, at: sample().since };
        let first = store.step_many(&Part::Matching(&filter, 0), &act).await.unwrap();
        let next = first.next.expect("more");
        let second = store.step_many(&Part::Matching(&filter, next), &act).await.unwrap();
        assert_eq!((first.changed.len(), second.changed.len(), second.next), (count - 10, 10, None));
        assert!(store.subscriptions(0, 10).await.unwrap().is_empty());
    }
}
