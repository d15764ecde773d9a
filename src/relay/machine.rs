//! The relay: intake, journal, deliveries, joined. No I/O here; the service carries out what it says.

mod answers;
mod notices;
mod remembering;
#[cfg(test)]
mod repetition_tests;
mod taking;
mod terms;
#[cfg(test)]
mod tests;
mod trials;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use self::notices::Notices;
pub use self::notices::Telling;
pub use self::terms::{Bounce, Counts, ItemId, Lane, Load, Publish, ReplyTo, Settings, Settled};
use super::delivery::{Confirmed, Deliveries, PingTo, Step};
use super::disclosure;
use super::intake::{self, Refusal, Verdicts};
use super::notice::SUBSCRIPTION;
use super::owed::{self, Owed};
use super::postponed::PostponedDeliveries;
use super::pruning::Pruning;
use super::reductions::Reductions;
use super::render::Renderer;
use super::repetitions::{Fingerprint, Repetitions};
use super::rights::{Rights, Update};
use super::throttle::Throttle;
use super::window::{Entry, Window};
use crate::domain::clock::Now;
use crate::domain::consent::ConsentKey;
use crate::domain::disclosure::{Line, Why};
use crate::domain::outline::ConsentOutline;
use crate::domain::subscription::SubscriptionKey;
use crate::protocol::outbox::Outbox;
use crate::protocol::ping;
use crate::store::journal::{Batch, Destination, Outline, Row};

/// Rendered and resolved items kept in memory, in bytes; others are read from the journal in their turn.
const WINDOW_BYTES: usize = 24 * 1024 * 1024;

/// In place of a digest: this row was not published but revived, or made of others, so it says nothing of the
/// item's last content.
const REVIVED: u128 = 0;

/// So many batches of notices go before one of items.
const NOTICES_AHEAD: usize = 16;

/// The condition of what was not tried, as something before it for the same recipient came back.
const BEHIND: &str = "behind-one-that-came-back";

/// The condition of what no stanza carries, which should not have been taken in.
const TOO_LARGE: &str = "policy-violation";

#[derive(Debug, Default)]
struct Group {
    batch: Batch,
    entries: Vec<Entry>,
    settled: Vec<Settled>,
    /// What was confirmed since the last one.
    confirmed: Vec<Confirmed>,
    /// What it makes known, by number.
    published: Vec<(Fingerprint, u64)>,
    /// About how much memory its rows and entries take.
    bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Relay {
    settings: Settings,
    rights: Rights,
    repetitions: Repetitions,
    reductions: Reductions,
    throttle: Throttle,
    deliveries: Deliveries,
    notices: Notices,
    postponed: PostponedDeliveries,
    window: Window,
    stopping: bool,
    last_seq: u64,
    next: Group,
    /// What the store is writing.
    committing: Option<Group>,
    /// The last commit failed; the next is tried when time has passed.
    resting: bool,
    /// What was settled without a commit of its own.
    settled: Vec<Settled>,
    pruning: Pruning,
    /// How far that had come when the relay started.
    pruned: u64,
    /// Items forgotten before their time that the log was not told of, and when it was last told.
    unsaid: u64,
    said: Option<Duration>,
    housekeeping: bool,
    /// The node and id of the item that was last written alone.
    tried: Option<(u64, ItemId)>,
    steps: VecDeque<(Lane, Step)>,
    /// How many batches of notices were written since one of items was.
    ahead: usize,
    /// Dead letters taken up, so that none is revived twice.
    revived: BTreeSet<u64>,
    counts: Counts,
}

impl Relay {
    /// A relay that knows nothing yet; `last_seq` is the last number the journal handed out.
    pub fn new(settings: Settings, last_seq: u64) -> Self {
        let seed = intake::hash(settings.run.as_bytes());
        let mut deliveries = Deliveries::new(settings.patience.clone(), seed);
        deliveries.look_for_expired(settings.time_to_live);
        let notices = Notices::new(settings.patience.clone(), seed, settings.time_to_live);
        let repetitions = Repetitions::new(settings.repetition_key.clone(), settings.repetitions);
        Relay {
            throttle: Throttle::new(settings.publishes_per_second),
            settings,
            rights: Rights::default(),
            repetitions,
            reductions: Reductions::default(),
            deliveries,
            notices,
            postponed: PostponedDeliveries::default(),
            window: Window::new(WINDOW_BYTES),
            stopping: false,
            last_seq,
            next: Group::default(),
            committing: None,
            resting: false,
            settled: Vec::new(),
            pruning: Pruning::new(last_seq),
            pruned: 0,
            unsaid: 0,
            said: None,
            housekeeping: false,
            steps: VecDeque::new(),
            tried: None,
            ahead: 0,
            revived: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// Keeps at most so many bytes of items in memory; what is over is read from the journal in its turn.
    pub fn limit_window(&mut self, bytes: usize) {
        self.window.limit = bytes;
    }

    /// Has delivered rows stay in the journal so long, and then go with each so many that come.
    pub fn keep_delivered(&mut self, keep: Duration, rows: u64) {
        (self.pruning.keep, self.pruning.often) = (keep, rows);
    }

    /// From now on no publish is taken; what was taken goes on its way.
    pub fn stop_taking(&mut self) {
        self.stopping = true;
    }

    /// In which time zone days begin, for consents with a granularity; UTC unless it is said.
    pub fn set_time_zone(&mut self, zone: TimeZone) {
        self.reductions.set_time_zone(zone);
    }

    /// Takes in what a row of the store has become.
    pub fn apply(&mut self, update: Update) {
        let consent = match &update {
            Update::Consent(key, consent) => Some((*key, consent.as_ref().map(|consent| consent.state))),
            Update::Halted(ids) => {
                for key in self.rights.halt(ids) {
                    self.reductions.consent_changed(key, self.rights.consent(key));
                }
                return;
            }
            _ => None,
        };
        self.rights.apply(update);
        if let Some((key, state)) = consent {
            self.notices.consent_is(key, state);
            self.reductions.consent_changed(key, self.rights.consent(key));
        }
    }

    /// Takes in what was reduced of a series so far. After all consents, before the first publish.
    pub fn know_reduction(&mut self, consent: ConsentKey, series: &str, state: &str) {
        self.reductions.know(&self.rights, consent, series, state);
    }

    /// Takes in a consent that has not ended. Before the first publish.
    pub fn know_consent(&mut self, key: ConsentKey, consent: ConsentOutline) {
        self.rights.set_consent(key, Some(consent));
    }

    /// Takes in a series under a prefix that something was published of. Before the first publish.
    pub fn know_series(&mut self, name: &str) {
        self.rights.first_seen(name);
    }

    /// Takes in what the store knows of a destination. Before [`Self::recover`].
    pub fn know_destination(&mut self, known: &Destination, now: Now) {
        self.deliveries.know(known, now.wall.as_millisecond());
        let notices = Destination { confirmed: 0, ..known.clone() };
        self.notices.deliveries.know(&notices, now.wall.as_millisecond());
    }

    /// Notes a delivery that was given up in an earlier run. Before [`Self::recover`].
    pub fn know_dead(&mut self, seq: u64, subscription: u64) {
        if subscription == SUBSCRIPTION {
            self.know_dead_notice(seq);
        } else if let Some(subscriber) = self.rights.subscriber(SubscriptionKey(subscription)) {
            let domain = Arc::clone(subscriber.domain);
            self.deliveries.know_dead(&domain, seq, subscription);
        }
    }

    /// Notes that deliveries under a subscription, or notices to an address, wait since an earlier run, until then
    /// (milliseconds since 1970). Before [`Self::recover`].
    pub fn know_postponed(&mut self, subscription: u64, address: &str, until: i64, now: Now) {
        let left = Duration::from_millis(
            u64::try_from(until.saturating_sub(now.wall.as_millisecond())).unwrap_or(0),
        );
        let most = self.settings.patience.retry_max;
        match subscription {
            SUBSCRIPTION => self.notices.know_postponed(address, left, now.mono, most),
            _ => self.postponed.know(subscription, left, now.mono, most),
        }
    }

    /// Takes in a row of the journal from an earlier run, in order.
    pub fn recover(&mut self, outline: &Outline) {
        self.last_seq = self.last_seq.max(outline.seq);
        self.pruning.know(outline.seq, self.pruned);
        // What is left before that is there for a dead letter; a later content may have gone.
        if outline.digest != REVIVED && outline.seq > self.pruned {
            let item = self.repetitions.recorded(&outline.node, &outline.item, outline.digest);
            self.repetitions.keep(&item, outline.seq);
        }
        if self.recover_notice(outline) {
            return;
        }
        let Some(list) = owed::decode(&outline.owed) else {
            tracing::warn!(seq = outline.seq, "a row of the journal cannot be read and is passed over");
            return;
        };
        for domain in self.domains_of(&list) {
            self.deliveries.owe(&domain, outline.seq);
        }
    }

    /// The records in memory.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many (item, destination) pairs wait.
    pub fn waiting(&self) -> usize {
        self.deliveries.waiting()
    }

    /// How many items are in memory, and how many bytes they are counted as.
    pub fn in_memory(&self) -> (usize, usize) {
        self.window.size()
    }

    /// How much waits to be written to the journal, in items.
    pub fn uncommitted(&self) -> usize {
        self.next.entries.len() + self.committing.as_ref().map_or(0, |group| group.entries.len())
    }

    /// About how much memory that takes, in bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.next.bytes + self.committing.as_ref().map_or(0, |group| group.bytes)
    }

    /// What to write to the journal next; nothing while a commit is under way.
    pub fn take_batch(&mut self, now: Now) -> Option<Batch> {
        if self.committing.is_some() {
            return None;
        }
        if self.next.batch.rows.is_empty() {
            // Nothing new to wait for.
            self.settled.append(&mut self.next.settled);
        }
        if self.resting {
            return None;
        }
        // A cursor travels with the next rows, or with the dead letters that it leaves behind, or at a tick.
        let due = std::mem::take(&mut self.housekeeping);
        if due || !self.next.batch.rows.is_empty() || !self.next.batch.dead_letters.is_empty() {
            self.next.batch.destinations = self.deliveries.take_moved(now);
            self.next.confirmed = self.deliveries.take_confirmed();
            self.next.batch.noticed = self.notices.deliveries.take_moved(now);
            // The log is of data.
            self.notices.deliveries.take_confirmed();
            self.next.batch.prune = self.pruning.next(now.mono, self.last_seq);
        }
        if due {
            self.count_forgotten(now);
        }
        self.next.batch.reductions = self.reductions.take_changed();
        if self.next.batch.is_empty() {
            return None;
        }
        let mut group = std::mem::take(&mut self.next);
        let mut batch = std::mem::take(&mut group.batch);
        batch.at = now.wall.as_millisecond();
        let dropped = batch.disclosures.iter().filter(|line| matches!(line, Line::Dropped(_)));
        group.batch.disclosures = dropped.cloned().collect();
        let line = |(domain, seq, proof): &Confirmed| Line::Confirmed {
            domain: Arc::clone(domain),
            seq: *seq,
            proof: *proof,
        };
        batch.disclosures.extend(group.confirmed.iter().map(line));
        group.batch.destinations.clone_from(&batch.destinations);
        group.batch.noticed.clone_from(&batch.noticed);
        group.batch.over.clone_from(&batch.over);
        group.batch.dead_letters.clone_from(&batch.dead_letters);
        group.batch.revived.clone_from(&batch.revived);
        group.batch.forgotten = batch.forgotten;
        self.committing = Some(group);
        Some(batch)
    }

    /// The commit of the last batch ended; with `false`, nothing of it was kept.
    pub fn committed(&mut self, kept: bool) {
        let Some(group) = self.committing.take() else { return };
        self.reductions.committed(kept);
        self.resting = !kept;
        if !kept {
            self.rights.forget_seen();
            self.pruning.failed();
            self.deliveries.put_back_moved(&group.batch.destinations);
            self.deliveries.put_back_confirmed(group.confirmed);
            self.notices.deliveries.put_back_moved(&group.batch.noticed);
            // The store has them still.
            self.notices.settled(0);
            let over = group.batch.over.into_iter().chain(std::mem::take(&mut self.next.batch.over));
            over.for_each(|seq| self.notices.over_again(seq));
            // What waits behind it may rest on it: an item that was repeated while it was being written
            // counts as known. So it fails too.
            let behind = std::mem::take(&mut self.next);
            self.next.batch.forgotten = group.batch.forgotten + behind.batch.forgotten;
            self.next.batch.dead_letters = group.batch.dead_letters;
            self.next.batch.dead_letters.extend(behind.batch.dead_letters);
            self.next.batch.disclosures = group.batch.disclosures;
            let dropped = behind.batch.disclosures.into_iter().filter(|l| matches!(l, Line::Dropped(_)));
            self.next.batch.disclosures.extend(dropped);
            let entries: Vec<Entry> = group.entries.into_iter().chain(behind.entries).collect();
            // Letters that nobody waits for; the others are taken up with their rows.
            let has_row = |letter: &u64| entries.iter().any(|entry| entry.letter == Some(*letter));
            let revived = group.batch.revived.into_iter().chain(behind.batch.revived);
            self.next.batch.revived = revived.filter(|letter| !has_row(letter)).collect();
            for entry in entries {
                if let Some(letter) = entry.letter {
                    self.enter_again(entry, letter);
                }
            }
            self.repetitions.committed(false);
            let failed = group.settled.into_iter().chain(behind.settled).map(|mut settled| {
                settled.outcome = Err(Refusal::Storage);
                settled
            });
            self.settled.extend(failed);
            return;
        }
        self.notices.settled(self.next.batch.notices.len());
        self.counts.accepted += group.entries.iter().filter(|entry| entry.notice.is_none()).count() as u64;
        self.settled.extend(group.settled);
        for (item, seq) in &group.published {
            self.repetitions.keep(item, *seq);
        }
        self.repetitions.committed(true);
        for mut entry in group.entries {
            if let Some(notice) = &entry.notice {
                entry.wanted = usize::from(self.owe_notice(&notice.to, entry.seq));
            } else if entry.letter.is_some() {
                self.repetitions.renew(&entry.node, &entry.item, entry.seq);
            }
            for domain in self.domains_of(&entry.owed) {
                // What a notice found out holds for items too.
                if !self.deliveries.answers_pings(&domain) && self.notices.deliveries.answers_pings(&domain) {
                    self.deliveries.learn(&domain);
                }
                if self.deliveries.owe(&domain, entry.seq) {
                    entry.wanted += 1;
                }
            }
            if entry.wanted > 0 {
                self.window.keep(entry);
            }
        }
    }

    /// A revived row that could not be written: nobody else would ask for it again.
    fn enter_again(&mut self, mut entry: Entry, letter: u64) {
        if let Some(notice) = entry.notice.take() {
            return self.enter_notice_again(&entry, notice, letter);
        }
        // It came from the journal, so it can be written there.
        let Ok(payload) = entry.pack.to_bytes() else { return };
        let row = Row {
            seq: 0,
            accepted_at: entry.accepted_at,
            publisher: entry.publisher,
            node: entry.node,
            item: entry.item,
            digest: REVIVED,
            owed: owed::encode(&entry.owed),
            payload,
        };
        self.enter(row, entry.pack, Verdicts { owed: entry.owed, denied: Vec::new() }, Some(letter));
    }

    /// Publishes whose fate is known by now.
    pub fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    fn domains_of(&self, list: &[Owed]) -> Vec<Arc<str>> {
        let mut domains: Vec<Arc<str>> = Vec::new();
        for owed in list {
            if let Some(subscriber) = self.rights.subscriber_owed(owed)
                && !domains.contains(subscriber.domain)
            {
                domains.push(Arc::clone(subscriber.domain));
            }
        }
        domains
    }

    fn release(&mut self, now: Now) {
        for seq in self.deliveries.take_released() {
            self.window.release(seq);
        }
        for seq in self.notices.deliveries.take_released() {
            self.window.release(seq);
            self.notices.told(seq, now);
        }
    }

    /// What each destination was sent of this and has confirmed.
    fn lane(&mut self, lane: Lane) -> &mut Deliveries {
        match lane {
            Lane::Items => &mut self.deliveries,
            Lane::Notices => &mut self.notices.deliveries,
        }
    }

    /// Whether a batch, or a notice, is written and not yet confirmed, or is confirmed and the journal does not know
    /// it yet.
    pub fn is_under_way(&self) -> bool {
        let notices = &self.notices.deliveries;
        self.deliveries.is_under_way()
            || self.deliveries.has_moved()
            || notices.is_under_way()
            || notices.has_moved()
    }

    /// The link to the server is there.
    pub fn link_up(&mut self) {
        self.deliveries.link_up();
        self.notices.deliveries.link_up();
    }

    /// The link to the server is lost.
    pub fn link_down(&mut self) {
        self.steps.clear();
        self.deliveries.link_down();
        self.notices.deliveries.link_down();
    }

    /// Time passed. To be called a few times a second.
    pub fn tick(&mut self, now: Now) {
        for lane in [Lane::Items, Lane::Notices] {
            let steps = self.lane(lane).tick(now.mono);
            self.steps.extend(steps.into_iter().map(|step| (lane, step)));
        }
        self.notices.tidy_up();
        self.bury(now);
        self.note_delivered(now);
        self.housekeeping = true;
        self.resting = false;
    }

    /// Writes what is due to `out` until it holds `limit` bytes; returns what must be read from the
    /// journal first.
    pub fn pump(&mut self, now: Now, out: &mut Outbox, limit: usize) -> Vec<Load> {
        let mut loads = Vec::new();
        while out.len() < limit {
            let queued = self.steps.pop_front();
            let Some((lane, step)) = queued.or_else(|| self.next_step(now)) else { break };
            match step {
                Step::Item { domain, seq } => {
                    let before = out.len();
                    if self.lane(lane).is_trial() {
                        self.note_trial(lane, &domain, seq);
                    }
                    match lane {
                        Lane::Items => self.write_item(&domain, seq, now, out),
                        Lane::Notices => self.write_notice(&domain, seq, now, out),
                    }
                    self.lane(lane).wrote(&domain, out.len() - before);
                }
                Step::Ping { to, number } => {
                    let to = match &to {
                        PingTo::Destination(domain) => domain,
                        PingTo::OwnServer => &*self.settings.own_server,
                    };
                    let id = self.ping_id(lane, number, to);
                    let _fits = out.stanza(|out| ping::write(out, &self.settings.jid, to, &id));
                    self.ahead = if lane == Lane::Notices { self.ahead + 1 } else { 0 };
                }
                Step::Load { domain, seqs } => loads.push(Load { lane, domain, seqs }),
            }
            self.release(now);
        }
        loads
    }

    /// What is written next: a notice, if there is one, as people wait for it. But a flood of them does not keep items
    /// back.
    fn next_step(&mut self, now: Now) -> Option<(Lane, Step)> {
        let lanes = match self.ahead < NOTICES_AHEAD {
            true => [Lane::Notices, Lane::Items],
            false => [Lane::Items, Lane::Notices],
        };
        // What is tried is alone on the wire.
        if let Some(lane) = lanes.into_iter().find(|lane| self.lane(*lane).is_trying()) {
            let step = self.step_of(lane, now);
            if step.is_some() || self.lane(lane).is_trying() {
                return step;
            }
        }
        lanes.into_iter().find_map(|lane| self.step_of(lane, now))
    }

    fn step_of(&mut self, lane: Lane, now: Now) -> Option<(Lane, Step)> {
        let window = &self.window;
        let deliveries = match lane {
            Lane::Items => &mut self.deliveries,
            Lane::Notices => &mut self.notices.deliveries,
        };
        Some((lane, deliveries.next_step(now.mono, |seq| window.holds(seq))?))
    }

    /// The mark tells later, when the number means nothing any more, to whom the ping went.
    fn ping_id(&self, lane: Lane, number: u64, to: &str) -> String {
        format!("{}{}-{number:x}-{:x}", lane.prefix(), self.settings.run, ping_mark(to))
    }

    /// Writes all that one destination is owed of one item, as far as it may still leave.
    fn write_item(&mut self, domain: &Arc<str>, seq: u64, now: Now, out: &mut Outbox) {
        let renderer = Renderer {
            rights: &self.rights,
            deliveries: &self.deliveries,
            postponed: &self.postponed,
            from: &self.settings.jid,
            installation: &self.settings.installation,
            headline: self.settings.headline,
            time_to_live: self.settings.time_to_live,
            now,
        };
        let written = self.window.with(seq, |entry| renderer.write(entry, domain, out));
        let Some(mut written) = written else { return };
        self.counts.sent += written.sent;
        self.counts.expired += written.expired;
        self.counts.withheld += written.withheld;
        self.next.batch.disclosures.append(&mut written.lines);
        self.deliveries.expect(domain, written.published);
        for subscription in written.postponed {
            self.deliveries.know_dead(domain, seq, subscription);
            self.dead_letter(seq, subscription, BEHIND.to_owned(), true, now);
        }
        for subscription in written.too_large {
            self.deliveries.know_dead(domain, seq, subscription);
            self.dead_letter(seq, subscription, TOO_LARGE.to_owned(), false, now);
        }
    }

    /// For an item that came without one: its number in the journal, unlike any other installation's.
    fn new_item_id(&self, place: usize) -> String {
        format!("{}-{:x}", self.settings.installation, self.last_seq + 1 + place as u64)
    }

    /// Rows that were asked for arrived; those that are not among them are gone.
    ///
    /// As many are kept as there is memory for, the first ones: the others are asked for again in their
    /// turn. Were all kept, the last would drive the first out, and the same be asked for ever.
    pub fn loaded(&mut self, load: &Load, rows: Vec<Row>, now: Now) {
        if self.lane(load.lane).is_looking(&load.domain) {
            self.let_expire(load, &rows, now);
            return self.release(now);
        }
        let mut found = HashSet::new();
        let mut kept = 0;
        for row in rows {
            let seq = row.seq;
            let read = match load.lane {
                Lane::Items => Entry::of_item(row),
                Lane::Notices => Entry::of_notice(row),
            };
            let Some(mut entry) = read else {
                tracing::warn!(seq, "a row of the journal cannot be read and is passed over");
                continue;
            };
            entry.wanted = 1;
            found.insert(seq);
            let entry = self.window.remove(seq).unwrap_or(entry);
            let fits = |size: usize| kept == 0 || kept + size <= self.window.limit;
            if fits(entry.size) {
                kept += entry.size;
                self.window.keep(entry);
            } else {
                kept = usize::MAX / 2;
            }
        }
        self.lane(load.lane).loaded(&load.domain, &load.seqs, &found);
    }

    /// Of what was read for a destination that is down, the first whose time is over are owed no more.
    fn let_expire(&mut self, load: &Load, rows: &[Row], now: Now) {
        let rows: HashMap<u64, &Row> = rows.iter().map(|row| (row.seq, row)).collect();
        let long = self.settings.time_to_live;
        // What is not there is owed no more either.
        let is_over = |seq: &&u64| rows.get(*seq).is_none_or(|row| now.is_later_by(row.accepted_at, long));
        let over: Vec<u64> = load.seqs.iter().take_while(is_over).copied().collect();
        for seq in self.lane(load.lane).let_go(&load.domain, &over, over.len() == load.seqs.len()) {
            match (rows.get(&seq), load.lane) {
                (Some(row), Lane::Items) => self.expire(&load.domain, row),
                (Some(row), Lane::Notices) => self.expire_notice(row, now),
                (None, _) => {}
            }
        }
    }

    /// Tells what of a row is not sent to a destination because its time is over.
    fn expire(&mut self, domain: &Arc<str>, row: &Row) {
        let Some(list) = owed::decode(&row.owed) else {
            tracing::warn!(seq = row.seq, "a row of the journal cannot be read and is passed over");
            return;
        };
        for owed in list.iter().filter(|owed| !owed.in_reserve) {
            let why = match self.rights.subscriber_owed(owed) {
                None => Why::Ended,
                Some(subscriber) if subscriber.domain != domain => continue,
                Some(_) if self.deliveries.is_dead(domain, row.seq, owed.subscription.0) => continue,
                Some(_) => {
                    self.counts.expired += 1;
                    Why::Expired
                }
            };
            self.next.batch.disclosures.push(disclosure::dropped(row.seq, owed, why));
        }
    }

    /// Whether there is much to write to somebody at this moment.
    pub fn is_behind(&self) -> bool {
        self.deliveries.is_behind()
    }

    /// The journal could not be read.
    pub fn load_failed(&mut self, load: &Load, now: Now) {
        self.lane(load.lane).load_failed(&load.domain, now.mono);
    }
}

fn ping_mark(to: &str) -> u32 {
    intake::hash(to.as_bytes()) as u32
}
