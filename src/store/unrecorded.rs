//! Ends of consents that could not be written, because the disk is full, or the database held or read-only. In this
//! process they count all the same, from that moment until one is written: who reads consents to decide what may
//! leave finds them suspended here, and the relay is told.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::consent::{Consent, State};

/// How long the relay may take to stop sending.
const PATIENCE: Duration = Duration::from_secs(10);

/// Consents under which nothing is to leave, and whom to tell once nothing does.
pub type Halt = (Vec<Uuid>, oneshot::Sender<()>);

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Unrecorded(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    ids: HashSet<Uuid>,
    relay: Option<mpsc::Sender<Halt>>,
}

impl Unrecorded {
    /// What the relay is to be told of, from now on.
    pub fn followed(&self) -> mpsc::Receiver<Halt> {
        let (relay, halts) = mpsc::channel(16);
        self.inner().relay = Some(relay);
        halts
    }

    /// Has nothing leave under these consents any more, and waits until nothing does. `false` where nobody here sends,
    /// or whoever does says nothing.
    pub async fn halt(&self, ids: &[Uuid]) -> bool {
        let relay = {
            let mut inner = self.inner();
            inner.ids.extend(ids);
            inner.relay.clone()
        };
        let Some(relay) = relay else { return false };
        let (taken, told) = oneshot::channel();
        let halting = async { relay.send((ids.to_vec(), taken)).await.is_ok() && told.await.is_ok() };
        tokio::time::timeout(PATIENCE, halting).await.unwrap_or(false)
    }

    /// A step of these consents was written: that counts from now on.
    pub fn recorded(&self, ids: &[Uuid]) {
        let mut inner = self.inner();
        for id in ids {
            inner.ids.remove(id);
        }
    }

    /// The consent as it counts here.
    pub fn applied(&self, mut consent: Consent) -> Consent {
        // That there are any is rare, and the lock is held for an instant.
        if consent.state == State::Active && self.inner().ids.contains(&consent.id) {
            consent.state = State::Suspended;
        }
        consent
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Store {
    /// What is said of ends that could not be written, of these consents: nothing leaves under them all the same.
    pub(super) async fn not_recorded(&self, cause: StoreError, ids: Vec<Uuid>) -> StoreError {
        tracing::error!(error = %cause, "the end of a consent could not be recorded; whoever asked for it is told to ask again");
        let halted = ids.is_empty() || self.unrecorded().halt(&ids).await;
        StoreError::NotRecorded { cause: Box::new(cause), ids, halted }
    }
}

/// Whether somebody asks for this end or pause, and not time: it is recorded on a full disk too, and counts even if it
/// cannot be.
pub(super) fn is_asked_for(next: State) -> bool {
    use State::{Cancelled, Refused, Revoked, Suspended, Terminated, Withdrawn};
    matches!(next, Suspended | Refused | Cancelled | Withdrawn | Revoked | Terminated)
}
