//! Brings what is to be told of consents from the store to the relay, which takes it over into its journal: beside the
//! service, so that nothing on the way of a stanza waits for it.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::relay::Relay;
use crate::store::Store;
use crate::store::move_notices::Notice;
use crate::store::notices::Step;

/// Notices taken over with one commit, at most.
const AT_ONCE: u32 = 256;

/// How long a request is held back before anybody hears of it: who asks is answered first, whether or not there
/// is somebody to ask, so that how long it takes does not tell.
const ANSWERED_FIRST: Duration = Duration::from_millis(100);

/// How long to wait when the store cannot be read or written.
const PAUSE: Duration = Duration::from_secs(2);

/// The service's end.
#[derive(Debug)]
pub struct NoticeKeeper {
    errands: mpsc::Sender<u64>,
    fetched: mpsc::Receiver<Vec<Notice>>,
    /// The store may have more.
    wanted: bool,
    /// They are being read.
    away: bool,
    /// The last one fetched.
    last: u64,
    /// Not before then, as what was fetched could not be written.
    until: Duration,
}

impl NoticeKeeper {
    /// Starts it; what earlier runs left in the store is fetched first. It ends when this end is dropped.
    pub fn start(store: Store) -> Self {
        let (errands, mut to_do) = mpsc::channel::<u64>(1);
        let (done, fetched) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(after) = to_do.recv().await {
                let mut failing = false;
                let untold = loop {
                    match store.notices_to_tell(after, AT_ONCE).await {
                        Ok(untold) => break untold,
                        Err(error) => {
                            if !std::mem::replace(&mut failing, true) {
                                tracing::error!(%error, "what is to be told of consents cannot be read; it is tried again");
                            }
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                };
                if untold.iter().any(is_request) {
                    tokio::time::sleep(ANSWERED_FIRST).await;
                }
                if done.send(untold).await.is_err() {
                    return;
                }
            }
        });
        NoticeKeeper { errands, fetched, wanted: true, away: false, last: 0, until: Duration::ZERO }
    }

    /// Something may have happened to a consent.
    pub fn look(&mut self) {
        self.wanted = true;
    }

    /// What was fetched could not be written: the store has it still.
    pub fn failed(&mut self, now: Duration) {
        self.wanted = true;
        self.last = 0;
        self.until = now + PAUSE;
    }

    /// Sends for what is next, once the journal has what came before.
    pub fn attend(&mut self, relay: &Relay, now: Duration) {
        if self.away || !self.wanted || self.until > now || relay.notices_uncommitted() > 0 {
            return;
        }
        // There is room, as one is under way at most.
        self.away = self.errands.try_send(self.last).is_ok();
        self.wanted = false;
    }

    /// What was fetched, once it is there.
    pub async fn fetched(&mut self) -> Vec<Notice> {
        let Some(untold) = self.fetched.recv().await else { return std::future::pending().await };
        self.away = false;
        self.wanted |= untold.len() >= AT_ONCE as usize;
        if let Some(end) = untold.last() {
            self.last = end.key();
        }
        untold
    }
}

fn is_request(notice: &Notice) -> bool {
    matches!(notice, Notice::Consent(step) if step.step == Step::Requested)
}
