//! What each destination was sent, and has confirmed.
//!
//! Neither component streams nor server-to-server links acknowledge anything, and both lose stanzas
//! silently. So every destination (a recipient's server domain) gets its own barrier: a batch of messages,
//! then a ping (XEP-0199) to that domain. Streams keep order per pair of domains, so the answer proves that
//! the server took the whole batch, and only then the destination's cursor moves. One batch is under way
//! per destination; what no answered ping covers is sent again, before anything later.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::store::journal::Destination as Known;

/// Items per batch: one barrier serves so many.
const BATCH_ITEMS: usize = 512;

/// Bytes per batch: what may have to be sent again.
const BATCH_BYTES: usize = 512 * 1024;

/// Items asked of the journal at once, when they are no longer in memory.
const LOAD_ITEMS: usize = 32;

/// How often a batch is sent again because deliveries came back although its ping was answered.
const DOUBTS_MAX: usize = 3;

/// How many deliveries may be owed again because they came back late, per destination and run.
const LATE_MAX: usize = 10_000;

/// How long to wait for the first try after a failure.
const RETRY_FIRST: Duration = Duration::from_millis(500);

/// What a destination is doing.
#[derive(Debug, Clone, PartialEq)]
enum State {
    /// Nothing under way.
    Idle,
    /// Its next items are being read from the journal.
    Loading,
    /// A batch is being written.
    Filling { bytes: usize },
    /// A batch is written, its ping not answered.
    Pinged(Ping),
    /// It is down; try again then.
    Backoff { until: Duration },
    /// One ping to see whether it is back.
    Probing(Ping),
}

#[derive(Debug, Clone, PartialEq)]
struct Ping {
    /// To the destination itself.
    number: u64,
    /// To one's own server, for a destination that has never answered.
    fallback: Option<u64>,
    sent: Duration,
}

/// One recipient's server domain.
#[derive(Debug)]
struct Destination {
    state: State,
    /// Everything up to this seq was taken.
    confirmed: u64,
    answers_pings: bool,
    /// It let a first ping go unanswered: ask one's own server beside it from then on.
    falls_back: bool,
    /// A ping that one's own server was faster to answer beside, and since when: should the destination
    /// answer it after all, its own word counts from then on.
    unheard: Option<(u64, Duration)>,
    /// What it is owed beyond that, rising. The first `flight` of them are in the batch under way.
    queue: VecDeque<u64>,
    flight: usize,
    failures: usize,
    /// Deliveries given up: (item, subscription).
    dead: HashSet<(u64, u64)>,
    /// Deliveries of the batch under way that came back for good, if the ping behind them is answered: a
    /// server that is stopping speaks in the destination's name too.
    suspects: Vec<Suspect>,
    /// Deliveries of the batch under way that came back as not reached.
    doubts: Vec<Suspect>,
    /// How often in a row a batch was answered for although deliveries came back.
    doubtful: usize,
    /// The last item ever confirmed in this run; `confirmed` may fall behind it.
    reached: u64,
    /// What came back only after it was confirmed, and was owed again.
    late: HashSet<(u64, u64)>,
    /// Of these, what waits for the batch under way to end.
    returned: Vec<u64>,
    listed_ready: bool,
    moved: bool,
}

/// A delivery that came back, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The item.
    pub seq: u64,
    /// Under which subscription.
    pub subscription: u64,
    /// The stanza error condition (RFC 6120 §8.3.3).
    pub condition: String,
}

impl Suspect {
    fn is_same(&self, other: &Suspect) -> bool {
        (self.seq, self.subscription) == (other.seq, other.subscription)
    }
}

impl Destination {
    /// Whether the item is in the batch under way.
    fn in_flight(&self, seq: u64) -> bool {
        self.queue.iter().take(self.flight).any(|&held| held == seq)
    }

    /// Nothing is under way any more; what was is owed as before.
    fn land(&mut self, state: State) {
        self.flight = 0;
        self.suspects.clear();
        self.doubts.clear();
        self.state = state;
    }
}

/// What the state machine wants written next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Render this item for this destination, then call [`Deliveries::wrote`].
    Item {
        /// The destination.
        domain: Arc<str>,
        /// The item.
        seq: u64,
    },
    /// Write a ping with this number.
    Ping {
        /// To this domain.
        to: PingTo,
        /// Its number, unlike any other of this process.
        number: u64,
    },
    /// These items are no longer in memory: read them from the journal, then call
    /// [`Deliveries::loaded`].
    Load {
        /// The destination that waits for them.
        domain: Arc<str>,
        /// Which.
        seqs: Vec<u64>,
    },
}

/// Where a ping goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingTo {
    /// The destination.
    Destination(Arc<str>),
    /// One's own server.
    OwnServer,
}

/// What came back for a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A result, or that domain's own word that it does not know pings: it took what came before.
    Taken,
    /// It was not reached, or somebody on the way spoke for it.
    NotReached,
}

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For the answer to a ping.
    pub ping: Duration,
    /// Between tries, at most.
    pub retry_max: Duration,
}

/// All destinations.
#[derive(Debug)]
pub struct Deliveries {
    patience: Patience,
    /// In order, so that the same events are followed by the same steps.
    destinations: BTreeMap<Arc<str>, Destination>,
    ready: VecDeque<Arc<str>>,
    pings: HashMap<u64, Arc<str>>,
    last_ping: u64,
    waiting: usize,
    released: Vec<u64>,
    given_up: Vec<Suspect>,
    link: bool,
    /// For jitter; the same seed gives the same waits.
    seed: u64,
}

impl Deliveries {
    /// None yet; the link is down.
    pub fn new(patience: Patience, seed: u64) -> Self {
        Deliveries {
            patience,
            destinations: BTreeMap::new(),
            ready: VecDeque::new(),
            pings: HashMap::new(),
            last_ping: 0,
            waiting: 0,
            released: Vec::new(),
            given_up: Vec::new(),
            link: false,
            seed,
        }
    }

    /// Takes in what the store knows of a destination.
    pub fn know(&mut self, known: &Known) {
        let destination = self.destination(&known.domain.as_str().into());
        destination.confirmed = known.confirmed;
        destination.answers_pings = known.answers_pings;
    }

    /// Notes a delivery that was given up before.
    pub fn know_dead(&mut self, domain: &Arc<str>, seq: u64, subscription: u64) {
        self.destination(domain).dead.insert((seq, subscription));
    }

    /// This destination is owed this item. Items come in rising order.
    ///
    /// Returns whether it is news: what the destination has confirmed already is not.
    pub fn owe(&mut self, domain: &Arc<str>, seq: u64) -> bool {
        let destination = self.destination(domain);
        if seq <= destination.confirmed || destination.queue.back().is_some_and(|&last| last >= seq) {
            return false;
        }
        destination.queue.push_back(seq);
        let idle = destination.state == State::Idle;
        self.waiting += 1;
        if idle {
            self.list_ready(domain);
        }
        true
    }

    /// How many (item, destination) pairs wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a batch is written and not yet confirmed.
    pub fn is_under_way(&self) -> bool {
        self.destinations.values().any(|d| matches!(d.state, State::Filling { .. } | State::Pinged(_)))
    }

    /// The first item that somebody is still owed.
    pub fn floor(&self) -> Option<u64> {
        self.destinations.values().filter_map(|d| d.queue.front()).min().copied()
    }

    /// Whether a delivery was given up.
    pub fn is_dead(&self, domain: &str, seq: u64, subscription: u64) -> bool {
        self.destinations.get(domain).is_some_and(|d| d.dead.contains(&(seq, subscription)))
    }

    /// The link to one's own server is there again: everything unconfirmed is sent again.
    pub fn link_up(&mut self) {
        self.link = true;
        let all: Vec<Arc<str>> = self.destinations.keys().cloned().collect();
        for domain in all {
            self.take_back(&domain);
            self.list_ready(&domain);
        }
    }

    /// The link is lost, and with it every batch under way.
    pub fn link_down(&mut self) {
        self.link = false;
        self.pings.clear();
        for destination in self.destinations.values_mut() {
            let state = match destination.state {
                State::Backoff { until } => State::Backoff { until },
                State::Loading => State::Loading,
                State::Probing(_) => State::Backoff { until: Duration::ZERO },
                _ => State::Idle,
            };
            destination.unheard = None;
            destination.land(state);
        }
    }

    /// What to write next, if anything. `is_in_memory` tells whether an item need not be loaded.
    pub fn next_step(&mut self, now: Duration, is_in_memory: impl Fn(u64) -> bool) -> Option<Step> {
        if !self.link {
            return None;
        }
        while let Some(domain) = self.ready.front().cloned() {
            if let Some(step) = self.step_for(&domain, now, &is_in_memory) {
                return Some(step);
            }
            self.ready.pop_front();
            self.destination(&domain).listed_ready = false;
        }
        None
    }

    fn step_for(
        &mut self,
        domain: &Arc<str>,
        now: Duration,
        is_in_memory: &impl Fn(u64) -> bool,
    ) -> Option<Step> {
        loop {
            let destination = self.destination(domain);
            let bytes = match &destination.state {
                State::Idle => 0,
                State::Filling { bytes } => *bytes,
                State::Backoff { until } if *until <= now => return Some(self.ping(domain, now, true)),
                State::Pinged(ping) | State::Probing(ping)
                    if destination.falls_back && !destination.answers_pings && ping.fallback.is_none() =>
                {
                    return Some(self.fall_back(domain, now));
                }
                _ => return None,
            };
            let next = destination.queue.get(destination.flight).copied();
            let full = destination.flight >= BATCH_ITEMS || bytes >= BATCH_BYTES;
            match next {
                Some(seq) if !full && is_in_memory(seq) => {
                    destination.state = State::Filling { bytes };
                    return Some(Step::Item { domain: Arc::clone(domain), seq });
                }
                _ if bytes > 0 => return Some(self.ping(domain, now, false)),
                // All that was looked at had nothing to send any more: no barrier is needed.
                _ if destination.flight > 0 => self.confirm(domain),
                Some(_) => {
                    let seqs: Vec<u64> = destination.queue.iter().take(LOAD_ITEMS).copied().collect();
                    destination.state = State::Loading;
                    return Some(Step::Load { domain: Arc::clone(domain), seqs });
                }
                None => {
                    destination.state = State::Idle;
                    return None;
                }
            }
        }
    }

    fn ping(&mut self, domain: &Arc<str>, now: Duration, probe: bool) -> Step {
        self.last_ping += 1;
        let number = self.last_ping;
        self.pings.insert(number, Arc::clone(domain));
        let ping = Ping { number, fallback: None, sent: now };
        let destination = self.destination(domain);
        destination.state = if probe { State::Probing(ping) } else { State::Pinged(ping) };
        Step::Ping { to: PingTo::Destination(Arc::clone(domain)), number }
    }

    /// An item was rendered for a destination: so many bytes were written for it, none if there was
    /// nothing to send.
    pub fn wrote(&mut self, domain: &Arc<str>, written: usize) {
        let destination = self.destination(domain);
        if let State::Filling { bytes } = &mut destination.state {
            *bytes += written;
            destination.flight += 1;
        }
    }

    /// The journal was read for a destination. `found` are the items that are there; the others are
    /// owed no more.
    pub fn loaded(&mut self, domain: &Arc<str>, asked: &[u64], found: &HashSet<u64>) {
        let destination = self.destination(domain);
        if destination.state != State::Loading {
            return;
        }
        destination.state = State::Idle;
        let before = destination.queue.len();
        destination.queue.retain(|seq| found.contains(seq) || !asked.contains(seq));
        let gone = before - destination.queue.len();
        self.waiting -= gone;
        self.list_ready(domain);
    }

    /// The journal could not be read for a destination: try later.
    pub fn load_failed(&mut self, domain: &Arc<str>, now: Duration) {
        self.fail(domain, now);
    }

    /// Where the ping of this number went, if it is still open: only from there can its answer come.
    pub fn ping_target(&self, number: u64) -> Option<PingTo> {
        let domain = self.pings.get(&number)?;
        match &self.destinations.get(domain)?.state {
            State::Pinged(ping) | State::Probing(ping) if ping.fallback == Some(number) => {
                Some(PingTo::OwnServer)
            }
            _ => Some(PingTo::Destination(Arc::clone(domain))),
        }
    }

    /// A ping was answered. What it confirmed is in [`Self::take_released`].
    pub fn answered(&mut self, number: u64, answer: Answer, now: Duration) {
        let Some(domain) = self.pings.remove(&number) else { return };
        let patience = self.patience.ping;
        let destination = self.destination(&domain);
        if destination.unheard.is_some_and(|(unheard, _)| unheard == number) {
            destination.unheard = None;
            if answer == Answer::Taken && !destination.answers_pings {
                destination.answers_pings = true;
                destination.moved = true;
            }
            return;
        }
        let (ping, probing) = match &destination.state {
            State::Pinged(ping) => (ping.clone(), false),
            State::Probing(ping) => (ping.clone(), true),
            _ => return,
        };
        if ping.number != number && ping.fallback != Some(number) {
            return;
        }
        if answer == Answer::NotReached {
            self.fail(&domain, now);
            return;
        }
        if ping.number == number && !destination.answers_pings {
            destination.answers_pings = true;
            destination.moved = true;
        }
        destination.failures = 0;
        // The oldest is kept, or under load none would be old enough to be answered.
        let listens = destination.unheard.is_none_or(|(_, since)| since + patience <= now);
        let unheard = if ping.fallback == Some(number) && !destination.answers_pings && listens {
            destination.unheard.replace((ping.number, now))
        } else {
            None
        };
        if let Some((forgotten, _)) = unheard {
            self.pings.remove(&forgotten);
        }
        self.forget_pings(&ping);
        let destination = self.destination(&domain);
        if probing {
            destination.state = State::Idle;
            self.list_ready(&domain);
            return;
        }
        if destination.doubts.is_empty() {
            destination.doubtful = 0;
        } else if destination.doubtful < DOUBTS_MAX {
            destination.doubtful += 1;
            let wait = wait_after(destination.doubtful - 1, RETRY_FIRST * 8, number);
            destination.land(State::Backoff { until: now + wait });
            return;
        } else {
            destination.doubtful = 0;
            let doubts = std::mem::take(&mut destination.doubts);
            destination.suspects.extend(doubts);
        }
        self.confirm(&domain);
    }

    fn forget_pings(&mut self, ping: &Ping) {
        let domain = self.pings.get(&ping.number);
        let held = domain.and_then(|domain| self.destinations.get(domain)).and_then(|d| d.unheard);
        if held.is_none_or(|(unheard, _)| unheard != ping.number) {
            self.pings.remove(&ping.number);
        }
        if let Some(fallback) = ping.fallback {
            self.pings.remove(&fallback);
        }
    }

    fn confirm(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        let done: Vec<u64> = destination.queue.drain(..destination.flight).collect();
        let suspects = std::mem::take(&mut destination.suspects);
        destination.flight = 0;
        destination.state = State::Idle;
        if let Some(&last) = done.last() {
            destination.confirmed = last;
            destination.reached = destination.reached.max(last);
            destination.moved = true;
            if !destination.dead.is_empty() {
                destination.dead.retain(|(seq, _)| *seq > last);
            }
        }
        self.waiting -= done.len();
        self.released.extend(done);
        self.given_up.extend(suspects);
        self.take_back(domain);
        self.list_ready(domain);
    }

    /// The items that a destination needs no more, once for each such destination.
    pub fn take_released(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.released)
    }

    /// A message to this destination came back because it was not reached.
    ///
    /// The ping behind it decides: if that is not answered either, the destination is down. If it is, the
    /// batch is sent again, a few times; then the delivery is given up, as nobody but its recipient can be
    /// the one who says so, and the others must not suffer from it.
    /// Where the bounce comes later than the answer, the item is owed again, once.
    pub fn not_reached(&mut self, domain: &Arc<str>, suspect: Suspect) {
        let destination = self.destination(domain);
        if destination.in_flight(suspect.seq) {
            if !destination.doubts.iter().any(|held| held.is_same(&suspect)) {
                destination.doubts.push(suspect);
            }
            return;
        }
        let foreign = suspect.seq > destination.reached || destination.late.len() >= LATE_MAX;
        if !foreign && destination.late.insert((suspect.seq, suspect.subscription)) {
            destination.returned.push(suspect.seq);
            self.take_back(domain);
        }
    }

    /// Puts what came back late into the queue again, once no batch is under way.
    fn take_back(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        if destination.flight > 0 || destination.returned.is_empty() {
            return;
        }
        let before = destination.queue.len();
        for seq in std::mem::take(&mut destination.returned) {
            if let Err(place) = destination.queue.binary_search(&seq) {
                destination.queue.insert(place, seq);
                destination.confirmed = destination.confirmed.min(seq - 1);
                destination.moved = true;
            }
        }
        self.waiting += destination.queue.len() - before;
        self.list_ready(domain);
    }

    /// A message came back for good, unless the ping behind it says that it never got there.
    pub fn came_back(&mut self, domain: &Arc<str>, suspect: Suspect) {
        let destination = self.destination(domain);
        let known = destination.suspects.iter().any(|held| held.is_same(&suspect));
        if destination.in_flight(suspect.seq) && !known {
            destination.suspects.push(suspect);
        }
    }

    /// Deliveries that are given up: to be kept as dead letters.
    pub fn take_given_up(&mut self) -> Vec<Suspect> {
        std::mem::take(&mut self.given_up)
    }

    fn fail(&mut self, domain: &Arc<str>, now: Duration) {
        let (seed, retry_max) = (self.seed, self.patience.retry_max);
        let destination = self.destination(domain);
        let under_way = match &destination.state {
            State::Pinged(ping) | State::Probing(ping) => Some(ping.clone()),
            State::Backoff { .. } | State::Idle => None,
            State::Filling { .. } | State::Loading => Some(Ping { number: 0, fallback: None, sent: now }),
        };
        let Some(ping) = under_way else { return };
        let wait = wait_after(destination.failures, retry_max, seed ^ ping.number);
        destination.failures += 1;
        destination.land(State::Backoff { until: now + wait });
        self.forget_pings(&ping);
        self.take_back(domain);
    }

    /// Time passed: pings that went unanswered, waits that are over. Returns pings to write.
    pub fn tick(&mut self, now: Duration) -> Vec<Step> {
        let patience = self.patience.ping;
        let mut late = Vec::new();
        let mut over = Vec::new();
        for (domain, destination) in &self.destinations {
            match &destination.state {
                State::Pinged(ping) | State::Probing(ping) if ping.sent + patience <= now => {
                    let fall_back = ping.fallback.is_none() && !destination.answers_pings;
                    late.push((Arc::clone(domain), fall_back));
                }
                State::Backoff { until } if *until <= now => over.push(Arc::clone(domain)),
                _ => {}
            }
        }
        let mut steps = Vec::new();
        for (domain, fall_back) in late {
            if fall_back {
                steps.push(self.fall_back(&domain, now));
            } else {
                self.fail(&domain, now);
            }
        }
        for domain in over {
            self.list_ready(&domain);
        }
        steps
    }

    /// Asks one's own server instead: its answer proves that it took the batch, not that it arrived.
    fn fall_back(&mut self, domain: &Arc<str>, now: Duration) -> Step {
        self.last_ping += 1;
        let number = self.last_ping;
        self.pings.insert(number, Arc::clone(domain));
        let destination = self.destination(domain);
        destination.falls_back = true;
        if let State::Pinged(ping) | State::Probing(ping) = &mut destination.state {
            ping.fallback = Some(number);
            ping.sent = now;
        }
        Step::Ping { to: PingTo::OwnServer, number }
    }

    /// The destinations that got further since the last call.
    pub fn take_moved(&mut self) -> Vec<Known> {
        let mut moved = Vec::new();
        for (domain, destination) in &mut self.destinations {
            if std::mem::take(&mut destination.moved) {
                moved.push(Known {
                    domain: domain.to_string(),
                    confirmed: destination.confirmed,
                    answers_pings: destination.answers_pings,
                });
            }
        }
        moved
    }

    /// What was taken by [`Self::take_moved`] could not be written: it is still news.
    pub fn put_back_moved(&mut self, moved: &[Known]) {
        for known in moved {
            self.destination(&known.domain.as_str().into()).moved = true;
        }
    }

    fn list_ready(&mut self, domain: &Arc<str>) {
        let destination = self.destination(domain);
        let nothing = destination.queue.is_empty() && destination.state == State::Idle;
        if !destination.listed_ready && !nothing {
            destination.listed_ready = true;
            self.ready.push_back(Arc::clone(domain));
        }
    }

    fn destination(&mut self, domain: &Arc<str>) -> &mut Destination {
        self.destinations.entry(Arc::clone(domain)).or_insert_with(|| Destination {
            state: State::Idle,
            confirmed: 0,
            answers_pings: false,
            falls_back: false,
            unheard: None,
            queue: VecDeque::new(),
            flight: 0,
            failures: 0,
            dead: HashSet::new(),
            suspects: Vec::new(),
            doubts: Vec::new(),
            doubtful: 0,
            reached: 0,
            late: HashSet::new(),
            returned: Vec::new(),
            listed_ready: false,
            moved: false,
        })
    }
}

/// How long to wait after so many failures in a row: doubling, with jitter, up to `most`.
fn wait_after(failures: usize, most: Duration, seed: u64) -> Duration {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(most)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
        .nth(failures.min(40))
        .unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn domain() -> Arc<str> {
        "b.example".into()
    }

    /// One destination that is owed the items 1 to `items`, on a link; `answers` if it is known to.
    fn deliveries(items: u64, answers: bool) -> Deliveries {
        let patience = Patience { ping: SECOND * 30, retry_max: SECOND * 300 };
        let mut deliveries = Deliveries::new(patience, 7);
        let known = Known { domain: "b.example".into(), confirmed: 0, answers_pings: answers };
        deliveries.know(&known);
        deliveries.link_up();
        for seq in 1..=items {
            assert!(deliveries.owe(&domain(), seq));
        }
        deliveries
    }

    /// Writes all that is due: the items, and the pings as (to whom, number).
    fn write(deliveries: &mut Deliveries, now: Duration) -> (Vec<u64>, Vec<(PingTo, u64)>) {
        let (mut items, mut pings) = (Vec::new(), Vec::new());
        while let Some(step) = deliveries.next_step(now, |_| true) {
            match step {
                Step::Item { domain, seq } => {
                    items.push(seq);
                    deliveries.wrote(&domain, 100);
                }
                Step::Ping { to, number } => pings.push((to, number)),
                Step::Load { .. } => panic!("everything is in memory"),
            }
        }
        (items, pings)
    }

    /// As [`write`], where exactly one ping is due.
    fn batch(deliveries: &mut Deliveries, now: Duration) -> (Vec<u64>, u64) {
        let (items, pings) = write(deliveries, now);
        let [(PingTo::Destination(to), number)] = &pings[..] else { panic!("{pings:?}") };
        assert_eq!(**to, *domain());
        (items, *number)
    }

    fn suspect(seq: u64, condition: &str) -> Suspect {
        Suspect { seq, subscription: 9, condition: condition.into() }
    }

    #[test]
    fn a_batch_is_confirmed_by_the_ping_behind_it_alone() {
        let mut deliveries = deliveries(3, true);
        let (items, ping) = batch(&mut deliveries, SECOND);
        assert_eq!(items, [1, 2, 3]);
        deliveries.owe(&domain(), 4);
        assert_eq!(write(&mut deliveries, SECOND), (vec![], vec![]), "one batch is under way");
        deliveries.answered(ping + 5, Answer::Taken, SECOND);
        assert_eq!((deliveries.waiting(), deliveries.floor()), (4, Some(1)));
        deliveries.answered(ping, Answer::Taken, SECOND);
        assert_eq!(deliveries.take_released(), [1, 2, 3]);
        assert_eq!(deliveries.take_moved()[0].confirmed, 3);
        deliveries.answered(ping, Answer::Taken, SECOND);
        assert_eq!((deliveries.waiting(), deliveries.floor()), (1, Some(4)), "twice says nothing more");
        assert_eq!(batch(&mut deliveries, SECOND).0, [4]);
    }

    #[test]
    fn what_is_unanswered_is_probed_for_and_sent_again() {
        let mut deliveries = deliveries(2, true);
        let (_, first) = batch(&mut deliveries, SECOND);
        assert!(deliveries.tick(SECOND * 30).is_empty());
        deliveries.tick(SECOND * 31);
        assert_eq!(write(&mut deliveries, SECOND * 31), (vec![], vec![]), "it waits");
        deliveries.tick(SECOND * 33);
        let (items, probe) = batch(&mut deliveries, SECOND * 33);
        assert!(items.is_empty() && probe != first, "one probe, and no message");
        deliveries.answered(first, Answer::Taken, SECOND * 34);
        assert_eq!(deliveries.waiting(), 2, "a late answer proves nothing");
        deliveries.answered(probe, Answer::Taken, SECOND * 34);
        assert_eq!(deliveries.waiting(), 2, "nor does a probe's");
        let (items, again) = batch(&mut deliveries, SECOND * 34);
        assert_eq!(items, [1, 2]);
        deliveries.answered(again, Answer::Taken, SECOND * 35);
        assert_eq!(deliveries.waiting(), 0);
    }

    #[test]
    fn waits_grow_and_stay_below_the_longest() {
        let waits: Vec<Duration> = (0..50).map(|n| wait_after(n, SECOND * 300, 3)).collect();
        assert!(waits[0] >= RETRY_FIRST && waits[0] <= RETRY_FIRST * 2);
        assert!(waits[6] > waits[0] * 8);
        assert!(waits.iter().all(|wait| *wait <= SECOND * 600), "{waits:?}");
    }

    #[test]
    fn who_never_answered_is_vouched_for_by_ones_own_server() {
        let mut deliveries = deliveries(1, false);
        let (_, ping) = batch(&mut deliveries, SECOND);
        let steps = deliveries.tick(SECOND * 31);
        let [Step::Ping { to: PingTo::OwnServer, number }] = steps[..] else { panic!("{steps:?}") };
        assert_eq!(deliveries.ping_target(number), Some(PingTo::OwnServer));
        assert_eq!(deliveries.ping_target(ping), Some(PingTo::Destination(domain())));
        deliveries.answered(number, Answer::Taken, SECOND * 31);
        assert_eq!(deliveries.waiting(), 0);
        let moved = deliveries.take_moved();
        assert!(moved[0].confirmed == 1 && !moved[0].answers_pings);
        deliveries.owe(&domain(), 2);
        let (_, pings) = write(&mut deliveries, SECOND * 32);
        assert_eq!(pings.len(), 2, "from then on both are asked at once");
    }

    #[test]
    fn a_pong_behind_that_of_ones_own_server_is_heard() {
        let mut deliveries = deliveries(1, false);
        let (_, ping) = batch(&mut deliveries, SECOND);
        let steps = deliveries.tick(SECOND * 31);
        let [Step::Ping { number, .. }] = steps[..] else { panic!("{steps:?}") };
        deliveries.answered(number, Answer::Taken, SECOND * 32);
        // Under load the next batch is under way by then.
        deliveries.owe(&domain(), 2);
        let (_, pings) = write(&mut deliveries, SECOND * 32);
        deliveries.answered(pings[1].1, Answer::Taken, SECOND * 32);
        assert_eq!(deliveries.ping_target(ping), Some(PingTo::Destination(domain())));
        deliveries.answered(ping, Answer::Taken, SECOND * 33);
        assert!(deliveries.take_moved()[0].answers_pings);
        deliveries.owe(&domain(), 3);
        let (items, ping) = batch(&mut deliveries, SECOND * 34);
        assert_eq!(items, [3], "its own word is waited for again");
        deliveries.answered(ping, Answer::Taken, SECOND * 35);
        assert!(deliveries.pings.is_empty(), "no ping is kept for nothing");
    }

    #[test]
    fn a_batch_that_was_not_reached_is_sent_again() {
        let mut deliveries = deliveries(2, true);
        let (_, ping) = batch(&mut deliveries, SECOND);
        deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
        deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
        deliveries.answered(ping, Answer::NotReached, SECOND);
        assert!(deliveries.take_given_up().is_empty(), "nobody there said so");
        deliveries.tick(SECOND * 3);
        let (_, probe) = batch(&mut deliveries, SECOND * 3);
        deliveries.answered(probe, Answer::Taken, SECOND * 3);
        assert_eq!(batch(&mut deliveries, SECOND * 3).0, [1, 2]);
    }

    #[test]
    fn what_comes_back_for_good_is_given_up_with_its_barrier() {
        let mut deliveries = deliveries(2, true);
        let (_, ping) = batch(&mut deliveries, SECOND);
        deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
        deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
        deliveries.came_back(&domain(), suspect(8, "service-unavailable"));
        deliveries.answered(ping, Answer::Taken, SECOND);
        assert_eq!(deliveries.take_given_up(), [suspect(1, "service-unavailable")]);
        deliveries.came_back(&domain(), suspect(2, "service-unavailable"));
        assert!(deliveries.take_given_up().is_empty(), "what was confirmed is not given up later");
    }

    #[test]
    fn a_doubt_is_given_up_only_after_some_tries() {
        let mut deliveries = deliveries(1, true);
        let mut now = SECOND;
        for _ in 0..DOUBTS_MAX {
            let (items, ping) = batch(&mut deliveries, now);
            assert_eq!(items, [1]);
            deliveries.not_reached(&domain(), suspect(1, "remote-server-timeout"));
            deliveries.answered(ping, Answer::Taken, now);
            assert_eq!((deliveries.waiting(), deliveries.take_given_up().len()), (1, 0));
            now += SECOND * 120;
            deliveries.tick(now);
            let (items, probe) = batch(&mut deliveries, now);
            assert!(items.is_empty());
            deliveries.answered(probe, Answer::Taken, now);
        }
        let (_, ping) = batch(&mut deliveries, now);
        deliveries.not_reached(&domain(), suspect(1, "remote-server-timeout"));
        deliveries.answered(ping, Answer::Taken, now);
        assert_eq!(deliveries.take_given_up(), [suspect(1, "remote-server-timeout")]);
        assert_eq!(deliveries.waiting(), 0);
    }

    #[test]
    fn what_comes_back_late_is_owed_again_once() {
        let mut deliveries = deliveries(3, true);
        let (_, ping) = batch(&mut deliveries, SECOND);
        deliveries.answered(ping, Answer::Taken, SECOND);
        deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
        assert_eq!((deliveries.waiting(), deliveries.floor()), (1, Some(2)));
        assert_eq!(deliveries.take_moved()[0].confirmed, 1, "on the disk too");
        deliveries.not_reached(&domain(), suspect(77, "remote-server-timeout"));
        let (items, ping) = batch(&mut deliveries, SECOND);
        assert_eq!(items, [2]);
        deliveries.answered(ping, Answer::Taken, SECOND);
        deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
        assert_eq!(deliveries.waiting(), 0);
    }

    #[test]
    fn a_lost_link_takes_the_batch_along() {
        let mut deliveries = deliveries(2, true);
        let (_, ping) = batch(&mut deliveries, SECOND);
        assert!(deliveries.is_under_way());
        deliveries.link_down();
        assert_eq!(write(&mut deliveries, SECOND), (vec![], vec![]));
        deliveries.answered(ping, Answer::Taken, SECOND);
        deliveries.link_up();
        let (items, again) = batch(&mut deliveries, SECOND);
        assert!(items == [1, 2] && again != ping);
    }

    #[test]
    fn given_up_before_the_start_stays_given_up_until_confirmed() {
        let mut deliveries = deliveries(1, true);
        deliveries.know_dead(&domain(), 1, 9);
        assert!(deliveries.is_dead("b.example", 1, 9) && !deliveries.is_dead("b.example", 1, 8));
        // There was nothing else to send, so no barrier is needed.
        let step = deliveries.next_step(SECOND, |_| true);
        assert!(matches!(step, Some(Step::Item { seq: 1, .. })));
        deliveries.wrote(&domain(), 0);
        assert_eq!(deliveries.next_step(SECOND, |_| true), None);
        assert_eq!((deliveries.waiting(), deliveries.is_dead("b.example", 1, 9)), (0, false));
    }

    #[test]
    fn what_is_not_in_memory_is_loaded() {
        let mut deliveries = deliveries(40, true);
        let step = deliveries.next_step(SECOND, |_| false);
        let Some(Step::Load { domain: at, seqs }) = step else { panic!("{step:?}") };
        assert_eq!((at, seqs.len()), (domain(), LOAD_ITEMS));
        assert_eq!(deliveries.next_step(SECOND, |_| false), None);
        deliveries.load_failed(&domain(), SECOND);
        deliveries.tick(SECOND * 3);
        let (_, probe) = batch(&mut deliveries, SECOND * 3);
        deliveries.answered(probe, Answer::Taken, SECOND * 3);
        assert!(matches!(deliveries.next_step(SECOND * 3, |_| false), Some(Step::Load { .. })));
        // All but the second are there.
        let found = seqs.iter().copied().filter(|seq| *seq != 2).collect();
        deliveries.loaded(&domain(), &seqs, &found);
        assert_eq!(deliveries.waiting(), 39);
        assert_eq!(write(&mut deliveries, SECOND * 3).0[..2], [1, 3]);
    }
}
