//! The one that commits: a batch in, its outcome out, one at a time, on a connection of its own.

use std::future::Future;
use std::pin::Pin;

use crate::store::commit::Committer;
use crate::store::journal::Batch;
use crate::store::{Store, StoreError};

type Writing = Pin<Box<dyn Future<Output = (Committer, bool)> + Send>>;

/// Idle, or writing one batch. It writes while [`Self::outcome`] is awaited, in the service's own task: one
/// hand-over to the database's thread, and one back.
pub struct JournalWriter {
    idle: Option<Committer>,
    writing: Option<Writing>,
    failing: bool,
}

impl JournalWriter {
    /// A writer with nothing to do.
    pub async fn start(store: &Store) -> Result<Self, StoreError> {
        let idle = Some(store.committer().await?);
        Ok(JournalWriter { idle, writing: None, failing: false })
    }

    /// Whether a batch is under way.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Takes a batch; the relay gives the next only when the last is done.
    pub fn write(&mut self, batch: Batch) {
        let Some(mut committer) = self.idle.take() else { return };
        let failing = self.failing;
        self.writing = Some(Box::pin(async move {
            let kept = match committer.commit(&batch).await {
                Ok(()) => {
                    if failing {
                        tracing::info!("the store takes packs again");
                    }
                    true
                }
                Err(error) => {
                    if !failing {
                        tracing::error!(%error, "packs cannot be stored; publishers are told to try later");
                    }
                    false
                }
            };
            (committer, kept)
        }));
    }

    /// Whether the batch under way was kept. May be given up waiting for and asked again.
    pub async fn outcome(&mut self) -> bool {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let (committer, kept) = writing.await;
        self.idle = Some(committer);
        self.writing = None;
        self.failing = !kept;
        kept
    }
}
