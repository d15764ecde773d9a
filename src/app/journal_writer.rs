//! The one that commits: batches in, outcomes out, one at a time, on a connection of its own.

use tokio::sync::mpsc;

use crate::store::journal::{self, Batch};
use crate::store::{Store, StoreError};

/// The service's end.
#[derive(Debug)]
pub struct JournalWriter {
    batches: mpsc::Sender<Batch>,
    outcomes: mpsc::Receiver<bool>,
}

impl JournalWriter {
    /// Starts the writer. It ends when this end is dropped.
    pub async fn start(store: &Store) -> Result<Self, StoreError> {
        let mut connection = store.connection().await?;
        let (batches, mut to_write) = mpsc::channel::<Batch>(1);
        let (done, outcomes) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut failing = false;
            while let Some(batch) = to_write.recv().await {
                let kept = match journal::commit(&mut connection, &batch).await {
                    Ok(()) => {
                        if std::mem::take(&mut failing) {
                            tracing::info!("the store takes packs again");
                        }
                        true
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::error!(%error, "packs cannot be stored; publishers are told to try later");
                        }
                        false
                    }
                };
                if done.send(kept).await.is_err() {
                    break;
                }
            }
        });
        Ok(JournalWriter { batches, outcomes })
    }

    /// Hands a batch over. There is room: the relay gives the next only when the last is done.
    pub async fn write(&self, batch: Batch) {
        // The writer only ends when this end does.
        let _ = self.batches.send(batch).await;
    }

    /// Whether the batch under way was kept.
    pub async fn outcome(&mut self) -> bool {
        self.outcomes.recv().await.unwrap_or(false)
    }
}
