//! Keeps the relay's memory true to the store, whoever wrote there: looks for changes a few times a second,
//! and at once when a command line says so.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::domain::clock;
use crate::domain::consent::{Consent, ConsentKey, State};
use crate::relay::rights::Update;
use crate::store::changes::{Change, Kind};
use crate::store::dead_letters::Letter;
use crate::store::journal::Row;
use crate::store::{Store, StoreError};

/// How often to look unasked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Dead letters handed over at once: each brings its item along.
const REPLAYS: usize = 256;

/// Consents read at once.
const READ_AT_ONCE: usize = 1000;

/// Rows that are not what they were, in the order of their change.
#[derive(Debug)]
pub struct News {
    /// What they have become.
    pub updates: Vec<Update>,
    /// Dead letters that the operator wants tried again, with what they were in the journal.
    pub replays: Vec<(Letter, Row)>,
    /// To be told once nothing that is against them can be written to the socket any more.
    pub taken: Option<oneshot::Sender<()>>,
}

/// Someone wants to be told when the service has taken all changes made so far.
pub type Wish = oneshot::Sender<()>;

/// Looks for changes after `known`, until the service is gone. `retry_max`: as configured.
pub async fn follow(
    store: Store,
    mut known: u64,
    retry_max: Duration,
    mut wishes: mpsc::Receiver<Wish>,
    news: mpsc::Sender<News>,
) {
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    let mut halts = store.unrecorded().followed();
    // Asked for while no service ran.
    let mut wanted = store.wanted_dead_letters().await.unwrap_or_default();
    loop {
        let taken = tokio::select! {
            // Before all else, and whether or not anything can be read: somebody waits until nothing leaves any more.
            biased;
            Some((ids, taken)) = halts.recv() => {
                let halted = News { updates: vec![Update::Halted(ids)], replays: Vec::new(), taken: Some(taken) };
                if news.send(halted).await.is_err() {
                    return;
                }
                continue;
            }
            _ = timer.tick() => None,
            wish = wishes.recv() => match wish {
                Some(wish) => Some(wish),
                None => return,
            },
        };
        store.look_after_reserve();
        match changes(&store, known).await {
            Ok((last, updates, letters)) => {
                failing = false;
                known = last;
                wanted.extend(letters);
                // Jitter may double a wait.
                match store.due_dead_letters(clock::wall(), retry_max * 2, REPLAYS as u32).await {
                    Ok(due) => wanted.extend(due),
                    Err(error) => {
                        tracing::error!(%error, "dead letters cannot be read; they are tried again later")
                    }
                }
                wanted.sort_unstable();
                wanted.dedup();
                let Some(replays) = replay(&store, &mut wanted, &news).await else { return };
                if (!updates.is_empty() || !replays.is_empty() || taken.is_some())
                    && news.send(News { updates, replays, taken }).await.is_err()
                {
                    return;
                }
            }
            // Whoever wished is not told: the wish is dropped, and that is an answer too.
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "changes of consents cannot be read from the store");
                }
            }
        }
    }
}

/// Reads the dead letters that are to be tried again; all but the last of them are handed over at once, the
/// last come back. `None` when the service is gone.
async fn replay(
    store: &Store,
    wanted: &mut Vec<u64>,
    news: &mpsc::Sender<News>,
) -> Option<Vec<(Letter, Row)>> {
    let mut replays = Vec::new();
    for key in std::mem::take(wanted) {
        match store.dead_letter_to_replay(key).await {
            Ok(found) => replays.extend(found),
            Err(error) => {
                tracing::error!(%error, "a dead letter cannot be read; it is tried again later");
                wanted.push(key);
            }
        }
        if replays.len() >= REPLAYS {
            let replays = std::mem::take(&mut replays);
            news.send(News { updates: Vec::new(), replays, taken: None }).await.ok()?;
        }
    }
    Some(replays)
}

async fn changes(store: &Store, known: u64) -> Result<(u64, Vec<Update>, Vec<u64>), StoreError> {
    let changes = store.changes_after(known).await?;
    let mut consents = consents_of(store, &changes).await?;
    let mut updates = Vec::with_capacity(changes.len());
    let mut letters = Vec::new();
    let mut last = known;
    for change in changes {
        last = change.seq;
        updates.push(match change.kind {
            Kind::DeadLetter => {
                letters.push(change.key);
                continue;
            }
            Kind::Series => {
                let row = store.series_by_key(change.key).await?;
                Update::Series(change.key, row.map(|(_, series)| Box::new(series)))
            }
            Kind::Consent => {
                // What changed twice is as it is now the first time.
                let Some(consent) = consents.remove(&change.key) else { continue };
                let unrecorded = store.unrecorded();
                // Another process may have written what could not be written here.
                if let Some(consent) = consent.as_ref().filter(|consent| consent.state != State::Active) {
                    unrecorded.recorded(&[consent.id]);
                }
                let consent = consent.map(|consent| Box::new(unrecorded.applied(*consent)));
                Update::Consent(ConsentKey(change.key), consent)
            }
            Kind::Subscription => {
                let row = store.subscription_by_key(change.key).await?;
                let key = crate::domain::subscription::SubscriptionKey(change.key);
                Update::Subscription(key, row.map(|(_, subscription)| subscription))
            }
        });
    }
    Ok((last, updates, letters))
}

/// The consents that changed, as they are now: nothing for one that is not there. One act may change very many.
async fn consents_of(
    store: &Store,
    changes: &[Change],
) -> Result<HashMap<u64, Option<Box<Consent>>>, StoreError> {
    let keys: Vec<u64> =
        changes.iter().filter(|change| change.kind == Kind::Consent).map(|change| change.key).collect();
    let mut found: HashMap<u64, Option<Box<Consent>>> = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(READ_AT_ONCE) {
        let mut held = store.consents_by_keys(keys).await?;
        found.extend(keys.iter().map(|key| (*key, held.remove(key).map(Box::new))));
    }
    Ok(found)
}
