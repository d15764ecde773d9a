//! Removes what is past its time, in small steps beside the work of the service.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::domain::clock;
use crate::store::changes::Kind;
use crate::store::{Store, StoreError};

/// How often to look: items go at most so much later than their time. Who asks does not see them any more
/// from that moment on.
const EVERY: Duration = Duration::from_secs(30);

/// Between two steps, for others who want to write.
const PAUSE: Duration = Duration::from_millis(20);

/// Series whose registration is looked up in one step.
const SERIES_AT_ONCE: u32 = 100;

/// Looks again and again, until it is dropped. `usual` is how long series are kept that do not say.
pub async fn keep_to_it(store: &Store, usual: Duration) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Nothing is known of what changed while no service ran.
    let mut known = None;
    let mut failing = false;
    loop {
        timer.tick().await;
        match sweep(store, usual, &mut known, clock::wall().as_millisecond()).await {
            Ok(0) => failing = false,
            Ok(chunks) => {
                failing = false;
                tracing::debug!(chunks, "what was past its time is removed");
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "what is past its time could not be removed; it is tried again");
                }
            }
        }
    }
}

/// Takes in what registrations say since the change `known`, and removes what is past its time at `now`
/// (milliseconds since 1970); says how many pieces.
pub async fn sweep(
    store: &Store,
    usual: Duration,
    known: &mut Option<u64>,
    now: i64,
) -> Result<u64, StoreError> {
    let last = store.last_change().await?;
    let registered = match known {
        Some(known) if *known == last => false,
        Some(known) => store.changes_after(*known).await?.iter().any(|change| change.kind == Kind::Series),
        None => true,
    };
    if registered {
        let mut after = String::new();
        while let Some(next) = store.refresh_retention(&after, SERIES_AT_ONCE, usual).await? {
            after = next;
            tokio::time::sleep(PAUSE).await;
        }
    }
    *known = Some(last);
    let mut removed = 0;
    loop {
        match store.expire_items(now).await? {
            0 => return Ok(removed),
            chunks => removed += chunks,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
