//! What time does to consents and series: they run out, requests are not answered, what was asked for is delivered,
//! renewals begin. Looked at every second; nothing depends on how soon, since the decision itself knows the
//! hour.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::ConsentConfig;
use crate::domain::clock::Clock;
use crate::domain::consent::{Consent, ConsentKey, State};
use crate::domain::moving::MOVED;
use crate::domain::period::Period;
use crate::relay::owed::{self, Basis};
use crate::store::{Store, StoreError};

/// Who acts, for the record.
pub const ACTOR: &str = "courant";

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(1);

/// In how many rounds what may be fulfilled is looked at once.
const AT_LEISURE: u64 = 60;

/// Consents looked at in one round, whether it is time to remind somebody: a million in a quarter of an hour,
/// by a query of a few milliseconds.
const REMINDED_AT_ONCE: u32 = 1000;

/// Consents ended at once; the rest a second later.
const AT_ONCE: u32 = 1000;

/// Rows of the journal read at once.
const PAGE: u32 = 5000;

/// Pages of it that are read every second; at leisure, all.
const IN_HASTE: usize = 2;

/// Looks again and again, until the service goes.
pub async fn sweep_now_and_then(store: &Store, clock: &Clock, config: &ConsentConfig) {
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    let mut reminded = 0;
    for round in 0u64.. {
        timer.tick().await;
        let now = clock.now().wall;
        // This looks at more, and nobody is in a hurry for it.
        let at_leisure =
            async { if round.is_multiple_of(AT_LEISURE) { fulfil(store, now, config).await } else { Ok(0) } };
        let swept: Result<usize, StoreError> = async {
            remind(store, now, config, &mut reminded).await?;
            Ok(sweep(store, now, config).await? + at_leisure.await?)
        }
        .await;
        match swept {
            Ok(0) => failing = false,
            Ok(count) => tracing::info!(count, "consents came to their end, or series to their next holder"),
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "consents that ran out could not be ended; nothing leaves under them");
                }
            }
        }
    }
}

/// Has people reminded of what they share, as far as it is time to: the next consents after the number `place`,
/// which moves on, and from the last to the first again. Returns how many are.
pub async fn remind(
    store: &Store,
    now: Timestamp,
    config: &ConsentConfig,
    place: &mut u64,
) -> Result<usize, StoreError> {
    let millis = |period: &Period| i64::try_from(period.nominal().as_millis()).unwrap_or(i64::MAX);
    let (before, every) = (millis(&config.remind_before), millis(&config.remind_every));
    let (count, next) = store.remind(now, before, every, (*place, REMINDED_AT_ONCE)).await?;
    *place = next.unwrap_or_default();
    Ok(count)
}

/// Ends what is to end at `now`. Returns how many consents did.
pub async fn sweep(store: &Store, now: Timestamp, config: &ConsentConfig) -> Result<usize, StoreError> {
    let mut count = store.moves_that_are_due(now).await? + store.replace_renewed(now).await?;
    let asked_before = before(now, &config.request_timeout);
    for consent in store.due_consents(now, asked_before, AT_ONCE).await? {
        let next = if consent.state == State::Requested { State::TimedOut } else { State::Expired };
        store.step_consent(consent.id, next, ACTOR, None, now).await?;
        count += 1;
    }
    Ok(count + end_moved(store, now, config, IN_HASTE).await?)
}

/// Ends the consents of a data window that is over, where nothing waits any more. Returns how many did.
pub async fn fulfil(store: &Store, now: Timestamp, config: &ConsentConfig) -> Result<usize, StoreError> {
    let mut count = 0;
    let mut fulfilled = store.fulfillable_consents(before(now, &config.fulfilled_after), AT_ONCE).await?;
    keep_delivered(store, &mut fulfilled, usize::MAX).await?;
    for (_, Consent { id, .. }) in fulfilled {
        store.step_consent(id, State::Fulfilled, ACTOR, None, now).await?;
        count += 1;
    }
    Ok(count + end_moved(store, now, config, usize::MAX).await?)
}

/// Ends the consents whose person holds nothing any more of what they name, once late records had their time to come
/// and nothing waits any more. Returns how many did.
async fn end_moved(
    store: &Store,
    now: Timestamp,
    config: &ConsentConfig,
    pages: usize,
) -> Result<usize, StoreError> {
    let mut moved = store.moved_consents(before(now, &config.fulfilled_after), AT_ONCE).await?;
    keep_delivered(store, &mut moved, pages).await?;
    for (_, Consent { id, .. }) in &moved {
        store.step_consent(*id, State::Fulfilled, ACTOR, Some(MOVED), now).await?;
    }
    Ok(moved.len())
}

/// So long before now; what cannot be counted back was never.
pub fn before(now: Timestamp, period: &Period) -> Timestamp {
    let length = jiff::SignedDuration::try_from(period.nominal()).unwrap_or(jiff::SignedDuration::MAX);
    now.checked_sub(length).unwrap_or(Timestamp::MIN)
}

/// Leaves those under which nothing waits any more: the server of their recipient has confirmed all that was owed.
/// Where so many pages of the journal do not tell, none is left.
async fn keep_delivered(
    store: &Store,
    consents: &mut Vec<(ConsentKey, Consent)>,
    pages: usize,
) -> Result<(), StoreError> {
    if consents.is_empty() {
        return Ok(());
    }
    let destinations = store.destinations().await?;
    let confirmed: HashMap<&str, u64> =
        destinations.iter().map(|known| (&*known.domain, known.confirmed)).collect();
    let confirmed =
        |consent: &Consent| confirmed.get(consent.recipient.domain().as_str()).copied().unwrap_or_default();
    let from = consents.iter().map(|(_, consent)| confirmed(consent)).min().unwrap_or_default();
    match last_owed(store, from, pages).await? {
        Some(owed) => {
            consents.retain(|(key, consent)| owed.get(key).is_none_or(|last| confirmed(consent) >= *last));
        }
        None => consents.clear(),
    }
    Ok(())
}

/// For each consent the last row of the journal after `from` that has something owed under it; nothing where that
/// takes more than so many pages.
async fn last_owed(
    store: &Store,
    from: u64,
    pages: usize,
) -> Result<Option<HashMap<ConsentKey, u64>>, StoreError> {
    let mut found = HashMap::new();
    let mut last = from;
    for _ in 0..pages {
        let page = store.journal_outlines(last, PAGE).await?;
        let Some(outline) = page.last() else { return Ok(Some(found)) };
        last = outline.seq;
        for outline in &page {
            for owed in owed::decode(&outline.owed).into_iter().flatten() {
                if let Basis::Consent(key) | Basis::Reduced { consent: key, .. } = owed.basis {
                    found.insert(key, outline.seq);
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::Modes;
    use crate::domain::consent::tests::sample;
    use crate::store::Durability;
    use uuid::Uuid;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        (dir, Store::open(&url, Durability::Off).await.unwrap())
    }

    async fn state(store: &Store, id: Uuid) -> State {
        store.consent(id).await.unwrap().unwrap().state
    }

    #[tokio::test]
    async fn time_ends_what_it_ends_and_nothing_else() {
        let (_dir, store) = store().await;
        let config = ConsentConfig::default();
        let with = |n: u128, change: &dyn Fn(&mut Consent)| {
            let mut consent = sample();
            consent.id = Uuid::from_u128(n);
            consent.arrangement = consent.id;
            change(&mut consent);
            consent
        };
        let active = with(1, &|_| {});
        let suspended = with(2, &|c| c.state = State::Suspended);
        let asked = with(3, &|c| c.state = State::Requested);
        let window = with(4, &|c| {
            c.data_until = Some(at("2026-02-01T00:00:00Z"));
            c.modes = Modes { notify: true, history: false };
        });
        let window_and_history = with(5, &|c| c.data_until = Some(at("2026-02-01T00:00:00Z")));
        for consent in [&active, &suspended, &asked, &window, &window_and_history] {
            store.add_consent(consent, "test", consent.since).await.unwrap();
        }
        // Asked for on 1 January: seven days, to the instant.
        assert_eq!(sweep(&store, at("2026-01-07T23:59:59.999Z"), &config).await.unwrap(), 0);
        assert_eq!(sweep(&store, at("2026-01-08T00:00:00Z"), &config).await.unwrap(), 1);
        assert_eq!(state(&store, asked.id).await, State::TimedOut);
        // The data window ended on 1 February: two days for what comes late.
        assert_eq!(fulfil(&store, at("2026-02-02T23:59:59.999Z"), &config).await.unwrap(), 0);
        assert_eq!(fulfil(&store, at("2026-02-03T00:00:00Z"), &config).await.unwrap(), 1);
        assert_eq!(fulfil(&store, at("2026-02-03T00:01:00Z"), &config).await.unwrap(), 0);
        assert_eq!(state(&store, window.id).await, State::Fulfilled);
        assert_eq!(sweep(&store, at("2026-12-31T23:59:59.999Z"), &config).await.unwrap(), 0);
        assert_eq!(sweep(&store, at("2027-01-01T00:00:00Z"), &config).await.unwrap(), 3);
        for id in [active.id, suspended.id, window_and_history.id] {
            assert_eq!(state(&store, id).await, State::Expired);
        }
        assert_eq!(store.events_of(active.id).await.unwrap().last().unwrap().actor, ACTOR);
        assert!(store.subscriptions(0, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn people_are_reminded_while_it_runs_and_before_it_ends() {
        let (_dir, store) = store().await;
        let config = ConsentConfig::default();
        let consent = sample();
        let mut short = sample();
        (short.id, short.arrangement) = (Uuid::from_u128(2), Uuid::from_u128(2));
        short.valid_until = at("2026-01-10T00:00:00Z");
        let mut nobody = sample();
        (nobody.id, nobody.arrangement) = (Uuid::from_u128(3), Uuid::from_u128(3));
        nobody.subject = "ref:file 7".parse().unwrap();
        for consent in [&consent, &short, &nobody] {
            store.add_consent(consent, "test", consent.since).await.unwrap();
        }
        // Given on 1 January for a year: every 90 days, and 14 days before the end.
        for (now, count) in [
            ("2026-01-09T00:00:00Z", 0),
            ("2026-03-31T23:59:59Z", 0),
            ("2026-04-01T00:00:00Z", 1),
            ("2026-04-01T00:01:00Z", 0),
            ("2026-06-30T00:00:00Z", 1),
            ("2026-09-28T00:00:00Z", 1),
            ("2026-12-17T23:59:59Z", 0),
            ("2026-12-18T00:00:00Z", 1),
            ("2026-12-31T00:00:00Z", 0),
        ] {
            let mut place = 0;
            assert_eq!(remind(&store, at(now), &config, &mut place).await.unwrap(), count, "{now}");
            assert_eq!(place, 0, "all were looked at");
        }
        // Two at a time: the third person is reached in the next step.
        let (soon, mut next, mut steps) = (at("2027-01-01T00:00:00Z"), Some(0), 0);
        while let Some(place) = next {
            (_, next) = store.remind(soon, 1, 1, (place, 2)).await.unwrap();
            steps += 1;
        }
        assert_eq!(steps, 2);
        let told = store.untold(0, 10).await.unwrap();
        assert!(told.iter().all(|t| t.step == crate::store::notices::Step::Reminder && t.consent == consent));
        assert_eq!(told.len(), 4);
    }

    #[tokio::test]
    async fn a_renewal_that_begins_later_takes_over_without_a_gap() {
        let (_dir, store) = store().await;
        let config = ConsentConfig::default();
        let first = sample();
        let mut renewal = sample();
        renewal.id = Uuid::from_u128(2);
        renewal.valid_from = at("2026-12-01T00:00:00Z");
        renewal.valid_until = at("2027-12-01T00:00:00Z");
        for consent in [&first, &renewal] {
            store.add_consent(consent, "test", first.since).await.unwrap();
        }
        assert_eq!(sweep(&store, at("2026-11-30T23:59:59Z"), &config).await.unwrap(), 0);
        assert_eq!(state(&store, first.id).await, State::Active);
        assert_eq!(sweep(&store, at("2026-12-01T00:00:00Z"), &config).await.unwrap(), 1);
        assert_eq!(state(&store, first.id).await, State::Replaced);
        assert_eq!(state(&store, renewal.id).await, State::Active);
        assert_eq!(store.subscriptions(0, 10).await.unwrap().len(), 1);
        assert_eq!(sweep(&store, at("2026-12-01T00:00:01Z"), &config).await.unwrap(), 0);
    }
}
