//! Signs the disclosure log now and then, and when the service ends.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::time::MissedTickBehavior;

use crate::domain::clock;
use crate::store::disclosures::checkpoint::Key;
use crate::store::{Store, StoreError};

/// The installation's key, made if there is none.
pub fn key(path: &Path) -> anyhow::Result<Key> {
    Key::open(path)
        .with_context(|| format!("the key of the disclosure log, {} ([audit] key_file)", path.display()))
}

/// Signs what was added, again and again, until it is dropped.
pub async fn sign_now_and_then(store: &Store, key: &Key, every: Duration) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if let Err(error) = sign(store, key).await {
            tracing::error!(%error, "the disclosure log could not be signed; it is tried again later");
        }
    }
}

/// Signs what was added, if something was.
pub async fn sign(store: &Store, key: &Key) -> Result<(), StoreError> {
    if let Some(checkpoint) = store.add_checkpoint(key, clock::wall().as_millisecond()).await? {
        tracing::debug!(seq = checkpoint.seq, "the disclosure log is signed");
    }
    Ok(())
}
