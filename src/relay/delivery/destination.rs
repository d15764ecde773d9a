//! One recipient's server domain, and what it is doing.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use super::doubts::Suspect;
use super::first_contact::FirstContact;
use super::published::Published;
use crate::domain::disclosure::Proof;

/// What a destination is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum State {
    /// Nothing under way.
    #[default]
    Idle,
    /// Its next items are being read from the journal.
    Loading,
    /// A batch is being written.
    Filling { bytes: usize },
    /// A batch is being written, and the next items for it are being read from the journal.
    Refilling { bytes: usize },
    /// A batch is written, its ping not answered.
    Pinged(Ping),
    /// The ping behind the batch is answered; of what was published in it, not all is.
    Publishing { since: Duration },
    /// It is down; try again then.
    Backoff { until: Duration },
    /// The same, while what it is owed first is being read: its time may be over.
    Looking { until: Duration },
    /// One ping to see whether it is back.
    Probing(Ping),
}

/// A ping that is out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ping {
    /// To the destination itself.
    pub(super) number: u64,
    /// The last one that repeats it, to a destination that has never answered: its answer says that somebody is
    /// there, not that the batch was taken.
    pub(super) repeated: Option<u64>,
    /// To one's own server, for a destination that has never answered.
    pub(super) fallback: Option<u64>,
    pub(super) sent: Duration,
    /// When the last of them was sent.
    pub(super) asked: Duration,
    /// How often it was repeated.
    pub(super) repeats: u32,
}

impl Ping {
    pub(super) fn new(number: u64, now: Duration) -> Self {
        Ping { number, repeated: None, fallback: None, sent: now, asked: now, repeats: 0 }
    }

    pub(super) fn is(&self, number: u64) -> bool {
        self.number == number || self.repeated == Some(number) || self.fallback == Some(number)
    }
}

/// What came back, once each, by item and subscription: a batch may have tens of thousands.
pub(super) type Suspects = BTreeMap<(u64, u64), Suspect>;

/// One recipient's server domain.
#[derive(Debug, Default)]
pub(super) struct Destination {
    pub(super) state: State,
    /// Everything up to this seq was taken.
    pub(super) confirmed: u64,
    pub(super) answers_pings: bool,
    /// How it stands with a domain that has never answered.
    pub(super) contact: FirstContact,
    /// Whose answer the batch under way got.
    pub(super) proof: Option<Proof>,
    /// Up to where it has confirmed since that was written down, and who said so.
    pub(super) told: Vec<(u64, Proof)>,
    /// What it is owed beyond that, rising. The first `flight` of them are in the batch under way.
    pub(super) queue: VecDeque<u64>,
    pub(super) flight: usize,
    /// How often the size of a batch was doubled.
    pub(super) widened: u32,
    pub(super) failures: usize,
    /// When it was last looked whether the time of what it is owed is over.
    pub(super) looked: Duration,
    /// Deliveries given up: (item, subscription).
    pub(super) dead: HashSet<(u64, u64)>,
    /// Deliveries of the batch under way that came back for good, if the ping behind them is answered: a
    /// server that is stopping speaks in the destination's name too.
    pub(super) suspects: Suspects,
    /// Deliveries of the batch under way that came back as not reached.
    pub(super) doubts: Suspects,
    /// What was published in the batch under way and is not answered.
    pub(super) unanswered: HashSet<Published>,
    /// What was published and acknowledged, of what is not confirmed as a batch: not to be sent again.
    pub(super) taken: HashSet<Published>,
    /// What was published in the batch under way and cannot be taken just now.
    pub(super) put_off: Suspects,
    /// How often in a row the batch was sent again for that.
    pub(super) tries: usize,
    /// How often in a row a batch was answered for although deliveries came back.
    pub(super) doubtful: usize,
    /// The last item ever confirmed in this run; `confirmed` may fall behind it.
    pub(super) reached: u64,
    /// What came back only after it was confirmed, and was owed again.
    pub(super) late: BTreeSet<(u64, u64)>,
    /// What was given up of what is confirmed, so that it is given up once, and not sent again with what came back
    /// late of the same item.
    pub(super) buried: BTreeSet<(u64, u64)>,
    /// Of what came back late, what waits for the batch under way to end.
    pub(super) returned: BTreeSet<u64>,
    /// When something was last written to it.
    pub(super) wrote: Option<Duration>,
    /// How often in a row the stream was ended soon after its batch was written.
    pub(super) strikes: u32,
    /// Up to this item it is sent one at a time.
    pub(super) careful: Option<u64>,
    /// How often in a row its next item ended the stream with something beside it.
    pub(super) struck: u32,
    pub(super) listed_ready: bool,
    pub(super) moved: bool,
}

impl Destination {
    /// Whether the item is in the batch under way.
    pub(super) fn in_flight(&self, seq: u64) -> bool {
        self.queue.binary_search(&seq).is_ok_and(|place| place < self.flight)
    }

    /// Nothing is under way any more; what was is owed as before.
    pub(super) fn land(&mut self, state: State) {
        self.flight = 0;
        self.widened = 0;
        self.suspects.clear();
        self.doubts.clear();
        self.unanswered.clear();
        self.put_off.clear();
        self.proof = None;
        self.state = state;
    }
}
