//! Brings the ends that are to be told from the store to the relay, and notes there what was told: beside
//! the service, so that nothing on the way of a stanza waits for it.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::relay::Relay;
use crate::store::move_notices::Notice;
use crate::store::notices::Step;
use crate::store::{Store, StoreError};

/// Notices held in memory at a time.
const HELD_MAX: usize = 256;

/// How long a request is held back before anybody hears of it: who asks is answered first, whether or not there
/// is somebody to ask, so that how long it takes does not tell.
const ANSWERED_FIRST: Duration = Duration::from_millis(100);

/// How long to wait when the store cannot be read or written.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Errand {
    told: Vec<u64>,
    after: u64,
    room: u32,
}

/// The service's end.
#[derive(Debug)]
pub struct NoticeKeeper {
    errands: mpsc::Sender<Errand>,
    fetched: mpsc::Receiver<Vec<Notice>>,
    /// The store may have more.
    wanted: bool,
    /// An errand is under way.
    away: bool,
    /// The last one fetched.
    last: u64,
    room: usize,
}

impl NoticeKeeper {
    /// Starts it; what earlier runs left untold is fetched first. It ends when this end is dropped.
    pub fn start(store: Store) -> Self {
        let (errands, mut to_do) = mpsc::channel::<Errand>(1);
        let (done, fetched) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(errand) = to_do.recv().await {
                let mut failing = false;
                let untold = loop {
                    match run(&store, &errand).await {
                        Ok(untold) => break untold,
                        Err(error) => {
                            if !std::mem::replace(&mut failing, true) {
                                tracing::error!(%error, "ends of consents that are to be told cannot be read or noted");
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
        NoticeKeeper { errands, fetched, wanted: true, away: false, last: 0, room: 0 }
    }

    /// A consent may have ended.
    pub fn look(&mut self) {
        self.wanted = true;
    }

    /// Whether something that was told is being noted.
    pub fn is_noting(&self) -> bool {
        self.away
    }

    /// Sends for what the relay has room for, and notes what it has told.
    pub fn attend(&mut self, relay: &mut Relay) {
        if self.away {
            return;
        }
        let told = relay.take_told();
        let room = HELD_MAX.saturating_sub(relay.untold());
        if told.is_empty() && (!self.wanted || room == 0) {
            return;
        }
        self.room = room;
        let errand = Errand { told, after: self.last, room: u32::try_from(room).unwrap_or(u32::MAX) };
        // There is room, as one is under way at most.
        self.away = self.errands.try_send(errand).is_ok();
        self.wanted = false;
    }

    /// What was fetched, once an errand is done.
    pub async fn fetched(&mut self) -> Vec<Notice> {
        let Some(untold) = self.fetched.recv().await else { return std::future::pending().await };
        self.away = false;
        self.wanted |= untold.len() >= self.room;
        if let Some(end) = untold.last() {
            self.last = end.key();
        }
        untold
    }
}

fn is_request(notice: &Notice) -> bool {
    matches!(notice, Notice::Consent(step) if step.step == Step::Requested)
}

async fn run(store: &Store, errand: &Errand) -> Result<Vec<Notice>, StoreError> {
    if !errand.told.is_empty() {
        store.told(&errand.told).await?;
    }
    store.notices_to_tell(errand.after, errand.room).await
}
