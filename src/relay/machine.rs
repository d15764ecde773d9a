//! The relay: intake, journal, deliveries, joined. No I/O here; the service carries out what it says.

mod terms;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

pub use self::terms::{Bounce, Counts, ItemId, Load, Publish, ReplyTo, Settings, Settled};
use super::delivery::{Answer, Deliveries, PingTo, Published, Refused, Step, Suspect};
use super::disclosure;
use super::intake::{self, Refusal, Verdicts};
use super::notices::Notices;
use super::owed::{self, Owed};
use super::pack::Pack;
use super::postponed::PostponedDeliveries;
use super::recent::Recent;
use super::reductions::{Finished, Reductions};
use super::render::Renderer;
use super::retained;
use super::rights::{Rights, Update};
use super::throttle::Throttle;
use super::window::{Entry, Window};
use crate::domain::clock::Now;
use crate::domain::consent::ConsentKey;
use crate::domain::disclosure::{Line, Why};
use crate::domain::outline::ConsentOutline;
use crate::domain::subscription::SubscriptionKey;
use crate::protocol::ping;
use crate::store::journal::{Batch, DeadLetter, Destination, Outline, Row};

/// Rendered and resolved items kept in memory, in bytes; others are read from the journal in their turn.
const WINDOW_BYTES: usize = 24 * 1024 * 1024;

/// How long a delivered row stays, so that an item published again after a crash is known again.
const KEEP_DELIVERED: Duration = Duration::from_secs(600);

/// So many rows since the journal was pruned last are many.
const BUSY: u64 = 1000;

/// In place of a digest: this row was not published but revived, or made of others, so it says nothing of the
/// item's last content.
const REVIVED: u64 = 0;

/// The condition of what was not tried, as something before it for the same recipient came back.
const BEHIND: &str = "behind-one-that-came-back";

/// One item that was found right.
#[derive(Debug)]
struct Part {
    node: Arc<str>,
    item: Arc<str>,
    digest: u64,
    /// The records as they stand in the journal.
    payload: Vec<u8>,
    pack: Pack,
}

impl Part {
    fn new(node: Arc<str>, item: Arc<str>, pack: Pack) -> Result<Self, Refusal> {
        let payload = pack.to_bytes()?;
        Ok(Part { node, item, digest: pack.digest(&payload), payload, pack })
    }
}

#[derive(Debug, Default)]
struct Group {
    batch: Batch,
    entries: Vec<Entry>,
    settled: Vec<Settled>,
}

/// See the module.
#[derive(Debug)]
pub struct Relay {
    settings: Settings,
    rights: Rights,
    recent: Recent,
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
    /// What was settled without a commit of its own.
    settled: Vec<Settled>,
    /// When the journal was pruned last, in seconds, and what the last number was then.
    pruned: u64,
    pruned_at: u64,
    housekeeping: bool,
    steps: VecDeque<Step>,
    /// Dead letters taken up, so that none is revived twice.
    revived: HashSet<u64>,
    counts: Counts,
}

impl Relay {
    /// A relay that knows nothing yet; `last_seq` is the last number the journal handed out.
    pub fn new(settings: Settings, last_seq: u64) -> Self {
        let seed = intake::hash(settings.run.as_bytes());
        let deliveries = Deliveries::new(settings.patience.clone(), seed);
        let notices = Notices::new(settings.patience.clone());
        Relay {
            throttle: Throttle::new(settings.publishes_per_second),
            settings,
            rights: Rights::default(),
            recent: Recent::default(),
            reductions: Reductions::default(),
            deliveries,
            notices,
            postponed: PostponedDeliveries::default(),
            window: Window::new(WINDOW_BYTES),
            stopping: false,
            last_seq,
            next: Group::default(),
            committing: None,
            settled: Vec::new(),
            pruned: 0,
            pruned_at: last_seq,
            housekeeping: false,
            steps: VecDeque::new(),
            revived: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Keeps at most so many bytes of items in memory; what is over is read from the journal in its turn.
    pub fn limit_window(&mut self, bytes: usize) {
        self.window.limit = bytes;
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
            Update::Consent(key, _) => Some(*key),
            _ => None,
        };
        self.rights.apply(update);
        if let Some(key) = consent {
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
    pub fn know_destination(&mut self, known: &Destination) {
        self.deliveries.know(known);
    }

    /// Notes a delivery that was given up in an earlier run. Before [`Self::recover`].
    pub fn know_dead(&mut self, seq: u64, subscription: u64) {
        if let Some(subscriber) = self.rights.subscriber(SubscriptionKey(subscription)) {
            let domain = Arc::clone(subscriber.domain);
            self.deliveries.know_dead(&domain, seq, subscription);
        }
    }

    /// Takes in a row of the journal from an earlier run, in order.
    pub fn recover(&mut self, outline: &Outline) {
        self.last_seq = self.last_seq.max(outline.seq);
        if outline.digest != REVIVED {
            self.recent.note(&outline.node, &outline.item, outline.digest);
        }
        let Some(list) = owed::decode(&outline.owed) else {
            tracing::warn!(seq = outline.seq, "a row of the journal cannot be read and is passed over");
            return;
        };
        for domain in self.domains_of(&list) {
            self.deliveries.owe(&domain, outline.seq);
        }
    }

    /// An item was retracted, or all of a node: published again, it is new.
    pub fn forget(&mut self, node: &str, item: Option<&str>) {
        match item {
            Some(item) => self.recent.forget(node, item),
            None => self.recent.forget_all(node),
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

    /// Takes a publish in, or refuses it whole. What is taken in is settled by [`Self::committed`].
    pub fn publish(&mut self, publish: Publish<'_>, now: Now) -> Result<(), Refusal> {
        let outcome = self.try_publish(publish, now);
        if outcome.is_err() {
            self.counts.refused += 1;
        }
        outcome
    }

    /// As [`Self::publish`], for one who asks again in another way when it is refused.
    pub fn try_publish(&mut self, publish: Publish<'_>, now: Now) -> Result<(), Refusal> {
        let Publish { reply_to, sender, node, items } = publish;
        match &node {
            Some(node) => intake::may_publish(&self.rights, &sender, node)?,
            None if !self.rights.is_producer(&sender) => {
                return Err(Refusal::Forbidden { what: "here".into() });
            }
            None => {}
        }
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if !self.throttle.admit(&sender, now.mono) {
            return Err(Refusal::TooFast { per_second: self.settings.publishes_per_second });
        }
        if items.is_empty() {
            return Err(Refusal::Incomplete("there is no item in this publish"));
        }
        if self.deliveries.waiting() + self.uncommitted() >= self.settings.queue_packs {
            return Err(Refusal::QueueFull);
        }
        let mut parts = Vec::with_capacity(items.len());
        let mut records = 0;
        for (id, payload) in items {
            let pack = Pack::read(&payload, now.seconds(), self.settings.pack_records)?;
            records += pack.len();
            if records > self.settings.pack_records {
                return Err(Refusal::TooManyRecords { limit: self.settings.pack_records });
            }
            intake::check_records(&self.rights, &sender, node.as_deref(), &pack)?;
            let item: Arc<str> = match id.filter(|id| !id.is_empty()) {
                Some(id) => id.into(),
                None => self.new_item_id(parts.len()).into(),
            };
            match &node {
                Some(node) => parts.push(Part::new(node.as_str().into(), item, pack)?),
                None => {
                    for (name, pack) in pack.by_series()? {
                        parts.push(Part::new(name, Arc::clone(&item), pack)?);
                    }
                }
            }
        }
        let publisher: Arc<str> = sender.as_str().into();
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            kept.push((Arc::clone(&part.node), Arc::clone(&part.item)));
            if self.recent.knows(&part.node, &part.item, part.digest) {
                self.counts.repeated += 1;
            } else {
                self.recent.note(&part.node, &part.item, part.digest);
                self.append(&publisher, part, now);
            }
        }
        let settled = Settled { reply_to, outcome: Ok(kept) };
        if self.uncommitted() == 0 {
            self.settled.push(settled);
        } else {
            self.next.settled.push(settled);
        }
        Ok(())
    }

    fn append(&mut self, publisher: &Arc<str>, part: Part, now: Now) {
        let verdicts = intake::owed(&self.rights, &part.pack, now);
        let row = Row {
            seq: 0,
            accepted_at: now.wall.as_millisecond(),
            publisher: Arc::clone(publisher),
            node: part.node,
            item: part.item,
            digest: part.digest,
            owed: owed::encode(&verdicts.owed),
            payload: part.payload,
        };
        let finished = self.reductions.take(&self.rights, &part.pack, now);
        self.enter(row, part.pack, verdicts, None);
        for finished in finished {
            self.enter_reduced(finished, publisher, now);
        }
    }

    /// Puts what measurements were reduced to at the end of the journal, for those who may have that.
    fn enter_reduced(&mut self, finished: Finished, publisher: &Arc<str>, now: Now) {
        let owed = finished.owed(&self.rights, now.wall);
        if owed.is_empty() {
            return;
        }
        let Some((item, pack)) = finished.into_item() else { return };
        let Ok(payload) = pack.to_bytes() else { return };
        let Some(node) = pack.names().next().map(Arc::from) else { return };
        let row = Row {
            seq: 0,
            accepted_at: now.wall.as_millisecond(),
            publisher: Arc::clone(publisher),
            node,
            item: item.into(),
            digest: REVIVED,
            owed: owed::encode(&owed),
            payload,
        };
        self.enter(row, pack, Verdicts { owed, denied: Vec::new() }, None);
    }

    /// Puts a row at the end of the journal.
    fn enter(&mut self, mut row: Row, pack: Pack, verdicts: Verdicts, letter: Option<u64>) {
        self.last_seq += 1;
        row.seq = self.last_seq;
        let again = letter.is_some();
        let line = disclosure::decided(&self.rights, &pack, &row, &verdicts, again);
        self.next.batch.disclosures.extend(line);
        let line = disclosure::in_reserve(&self.rights, &pack, &row, &verdicts, again);
        self.next.batch.disclosures.extend(line);
        if row.digest != REVIVED {
            let kept = retained::retained(&mut self.rights, self.settings.retention, &pack, &row);
            self.next.batch.retained.extend(kept);
        }
        self.next.batch.revived.extend(letter);
        let (publisher, node, item) = (&row.publisher, &row.node, &row.item);
        let (publisher, node, item) = (Arc::clone(publisher), Arc::clone(node), Arc::clone(item));
        let mut entry =
            Entry::new(row.seq, row.accepted_at, publisher, node, item).holding(pack, verdicts.owed);
        entry.letter = letter;
        self.next.entries.push(entry);
        self.next.batch.rows.push(row);
    }

    /// Owes a dead letter again, to its recipient alone, as a new row of the journal. `row` is what it was
    /// in the journal.
    ///
    /// `anew`: its time to live begins again, as the operator wants it; else it was postponed.
    pub fn revive(&mut self, letter: u64, subscription: u64, mut row: Row, anew: bool, now: Now) {
        let (Some(mut owed), Some(pack)) = (owed::decode(&row.owed), Pack::from_bytes(&row.payload)) else {
            tracing::warn!(seq = row.seq, "a row of the journal cannot be read and is passed over");
            return;
        };
        if !self.revived.insert(letter) {
            return;
        }
        let key = SubscriptionKey(subscription);
        owed.retain(|owed| owed.subscription == key);
        if owed.is_empty() || self.rights.subscriber(key).is_none() {
            let line = disclosure::dropped_from(row.seq, key, None, Why::Ended);
            self.next.batch.disclosures.push(line);
            self.next.batch.revived.push(letter);
            return;
        }
        self.counts.revived += 1;
        self.postponed.take_up(subscription);
        if anew {
            row.accepted_at = now.wall.as_millisecond();
        }
        row.digest = REVIVED;
        row.owed = owed::encode(&owed);
        self.enter(row, pack, Verdicts { owed, denied: Vec::new() }, Some(letter));
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
        // A cursor travels with the next rows, or with the dead letters that it leaves behind, or at a tick.
        let due = std::mem::take(&mut self.housekeeping);
        if due || !self.next.batch.rows.is_empty() || !self.next.batch.dead_letters.is_empty() {
            self.next.batch.destinations = self.deliveries.take_moved();
            self.next.batch.prune = self.prune(now);
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
        batch.disclosures.extend(batch.destinations.iter().map(|destination| Line::Confirmed {
            domain: destination.domain.as_str().into(),
            seq: destination.confirmed,
        }));
        group.batch.destinations.clone_from(&batch.destinations);
        group.batch.dead_letters.clone_from(&batch.dead_letters);
        group.batch.revived.clone_from(&batch.revived);
        self.committing = Some(group);
        Some(batch)
    }

    fn prune(&mut self, now: Now) -> Option<(u64, i64)> {
        // Only what is committed is in the deliveries, so an idle relay may prune all that is.
        let committed = self.last_seq - self.next.entries.len() as u64;
        let upto = self.deliveries.floor().map_or(committed, |floor| floor - 1);
        let seconds = now.mono.as_secs();
        // Little is pruned at once, so often where much comes in; an idle service lets the disk sleep.
        let busy = self.last_seq - self.pruned_at > BUSY;
        if upto == 0 || seconds < self.pruned + if busy { 1 } else { 10 } {
            return None;
        }
        (self.pruned, self.pruned_at) = (seconds, self.last_seq);
        let before =
            now.wall.as_millisecond() - i64::try_from(KEEP_DELIVERED.as_millis()).unwrap_or(i64::MAX);
        Some((upto, before))
    }

    /// The commit of the last batch ended; with `false`, nothing of it was kept.
    pub fn committed(&mut self, kept: bool) {
        let Some(group) = self.committing.take() else { return };
        self.reductions.committed(kept);
        if !kept {
            self.rights.forget_seen();
            self.deliveries.put_back_moved(&group.batch.destinations);
            // What waits behind it may rest on it: an item that was repeated while it was being written
            // counts as known. So it fails too.
            let behind = std::mem::take(&mut self.next);
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
                match entry.letter {
                    Some(letter) => self.enter_again(entry, letter),
                    None => self.recent.forget(&entry.node, &entry.item),
                }
            }
            let failed = group.settled.into_iter().chain(behind.settled).map(|mut settled| {
                settled.outcome = Err(Refusal::Storage);
                settled
            });
            self.settled.extend(failed);
            return;
        }
        self.counts.accepted += group.entries.len() as u64;
        self.settled.extend(group.settled);
        for mut entry in group.entries {
            for domain in self.domains_of(&entry.owed) {
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
    fn enter_again(&mut self, entry: Entry, letter: u64) {
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
            if let Some(subscriber) = self.rights.subscriber(owed.subscription)
                && !domains.contains(subscriber.domain)
            {
                domains.push(Arc::clone(subscriber.domain));
            }
        }
        domains
    }

    fn release(&mut self) {
        for seq in self.deliveries.take_released() {
            self.window.release(seq);
        }
    }

    /// Whether a batch, or a notice, is written and not yet confirmed.
    pub fn is_under_way(&self) -> bool {
        self.deliveries.is_under_way() || self.notices.is_under_way()
    }

    /// The link to the server is there.
    pub fn link_up(&mut self) {
        self.deliveries.link_up();
        self.notices.link_up();
    }

    /// The link to the server is lost.
    pub fn link_down(&mut self) {
        self.steps.clear();
        self.deliveries.link_down();
        self.notices.link_down();
    }

    /// Has these stanzas written to their domains until their servers have taken them, once or more often:
    /// the end of this number that is to be told.
    pub fn tell(&mut self, key: u64, stanzas: Vec<(Arc<str>, Vec<u8>)>) {
        self.notices.tell(key, stanzas, |domain| self.deliveries.answers_pings(domain));
    }

    /// How many ends are being told.
    pub fn untold(&self) -> usize {
        self.notices.held()
    }

    /// The ends that were told, since the last call.
    pub fn take_told(&mut self) -> Vec<u64> {
        self.notices.take_done()
    }

    /// Time passed. To be called a few times a second.
    pub fn tick(&mut self, now: Now) {
        let steps = self.deliveries.tick(now.mono);
        self.steps.extend(steps);
        self.notices.tick(now.mono);
        self.bury(now);
        self.housekeeping = true;
    }

    /// Writes what is due to `out` until it holds `limit` bytes; returns what must be read from the
    /// journal first.
    pub fn pump(&mut self, now: Now, out: &mut Vec<u8>, limit: usize) -> Vec<Load> {
        let (settings, mut loads) = (&self.settings, Vec::new());
        self.notices.write(now.mono, out, |out, domain, number| {
            let to = domain.unwrap_or(&settings.own_server);
            ping::write(out, &settings.jid, to, &format!("n-{}-{number:x}", settings.run));
        });
        while out.len() < limit {
            let window = &self.window;
            let queued = self.steps.pop_front();
            let Some(step) = queued.or_else(|| self.deliveries.next_step(now.mono, |seq| window.holds(seq)))
            else {
                break;
            };
            match step {
                Step::Item { domain, seq } => {
                    let before = out.len();
                    self.write_item(&domain, seq, now, out);
                    self.deliveries.wrote(&domain, out.len() - before);
                }
                Step::Ping { to, number } => {
                    let to = match &to {
                        PingTo::Destination(domain) => domain,
                        PingTo::OwnServer => &*self.settings.own_server,
                    };
                    ping::write(out, &self.settings.jid, to, &self.ping_id(number, to));
                }
                Step::Load { domain, seqs } => loads.push(Load { domain, seqs }),
            }
            self.release();
        }
        loads
    }

    /// The mark tells later, when the number means nothing any more, to whom the ping went.
    fn ping_id(&self, number: u64, to: &str) -> String {
        format!("b-{}-{number:x}-{:x}", self.settings.run, ping_mark(to))
    }

    /// Writes all that one destination is owed of one item, as far as it may still leave.
    fn write_item(&mut self, domain: &Arc<str>, seq: u64, now: Now, out: &mut Vec<u8>) {
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
    }

    /// For an item that came without one: its number in the journal, unlike any other installation's.
    fn new_item_id(&self, place: usize) -> String {
        format!("{}-{:x}", self.settings.installation, self.last_seq + 1 + place as u64)
    }

    /// The item and subscription that a message id stands for.
    fn parse_message_id(&self, id: &str) -> Option<(u64, u64)> {
        let rest = id.strip_prefix(&*self.settings.installation)?.strip_prefix('-')?;
        let mut numbers = rest.split('-').map(|text| u64::from_str_radix(text, 16).ok());
        Some((numbers.next()??, numbers.next()??))
    }

    /// The publish that a stanza id stands for, if it can be one.
    fn parse_publish_id(&self, id: &str) -> Option<Published> {
        let (seq, subscription) = self.parse_message_id(id)?;
        let rest = id.strip_prefix(&*self.settings.installation)?;
        let (rest, part) = match rest.split_once('~') {
            Some((rest, part)) => (rest, part.parse::<usize>().ok()?.checked_sub(1)?),
            None => (rest, 0),
        };
        let mut numbers = rest.split('-').skip(3);
        let place = usize::from_str_radix(numbers.next()?, 16).ok()?;
        let mark = numbers.next().map_or(Some(0), |mark| u64::from_str_radix(mark, 16).ok())?;
        Some(Published { seq, subscription, place, mark, part })
    }

    /// Rows that were asked for arrived; those that are not among them are gone.
    ///
    /// As many are kept as there is memory for, the first ones: the others are asked for again in their
    /// turn. Were all kept, the last would drive the first out, and the same be asked for ever.
    pub fn loaded(&mut self, load: &Load, rows: Vec<Row>) {
        let mut found = HashSet::new();
        let mut kept = 0;
        for row in rows {
            let (Some(owed), Some(pack)) = (owed::decode(&row.owed), Pack::from_bytes(&row.payload)) else {
                tracing::warn!(seq = row.seq, "a row of the journal cannot be read and is passed over");
                continue;
            };
            found.insert(row.seq);
            let held = self.window.remove(row.seq);
            let fits = |size: usize| kept == 0 || kept + size <= self.window.limit;
            let entry = held.unwrap_or_else(|| {
                let entry = Entry::new(row.seq, row.accepted_at, row.publisher, row.node, row.item);
                let mut entry = entry.holding(pack, owed);
                entry.wanted = 1;
                entry
            });
            if fits(entry.size) {
                kept += entry.size;
                self.window.keep(entry);
            } else {
                kept = usize::MAX / 2;
            }
        }
        self.deliveries.loaded(&load.domain, &load.seqs, &found);
    }

    /// The journal could not be read.
    pub fn load_failed(&mut self, load: &Load, now: Now) {
        self.deliveries.load_failed(&load.domain, now.mono);
    }

    /// The number of a ping of this run with this id.
    fn ping_number(&self, id: &str, prefix: &str) -> Option<u64> {
        let rest = id.strip_prefix(prefix)?.strip_prefix(&*self.settings.run)?.strip_prefix('-')?;
        let number = rest.split_once('-').map_or(rest, |(number, _)| number);
        u64::from_str_radix(number, 16).ok()
    }

    /// Whether an id is that of a ping of this run.
    pub fn is_ping(&self, id: &str) -> bool {
        ["b-", "n-"].iter().any(|prefix| self.ping_number(id, prefix).is_some())
    }

    /// An IQ result or error came: if it answers one of our pings, the barrier is passed or failed.
    ///
    /// `from` must be where the ping went: an answer from elsewhere proves nothing.
    pub fn iq_answer(&mut self, id: &str, from: &str, answer: Answer, now: Now) {
        let numbered = |prefix| self.ping_number(id, prefix);
        if let Some(number) = numbered("n-") {
            let Some(target) = self.notices.ping_target(number) else { return };
            if target.as_deref().unwrap_or(&self.settings.own_server) == from {
                self.notices.answered(number, answer, now.mono);
            }
            return;
        }
        let Some(number) = numbered("b-") else { return };
        let expected = match self.deliveries.ping_target(number) {
            Some(PingTo::Destination(domain)) => domain,
            Some(PingTo::OwnServer) => Arc::from(self.settings.own_server.as_str()),
            None if id.ends_with(&format!("-{:x}", ping_mark(from))) => {
                return self.deliveries.heard(from, number, answer);
            }
            None => return,
        };
        if *expected == *from {
            self.deliveries.answered(number, answer, now.mono);
            self.bury(now);
            self.release();
        }
    }

    /// An IQ result or error came: if it answers one of our publishes, that one is settled. Only the address it
    /// was sent to can say so.
    pub fn publish_answered(&mut self, id: &str, from: &str, refused: Option<Refused>, now: Now) {
        let Some(published) = self.parse_publish_id(id) else { return };
        let Some(subscriber) = self.rights.subscriber(SubscriptionKey(published.subscription)) else {
            return;
        };
        if **subscriber.address != *from {
            return;
        }
        let domain = Arc::clone(subscriber.domain);
        self.deliveries.publish_answered(&domain, published, refused, now.mono);
        self.bury(now);
        self.release();
    }

    /// A message came back. Only the address it was sent to can say so.
    pub fn bounced(&mut self, bounce: &Bounce) {
        let Some((seq, subscription)) = self.parse_message_id(&bounce.id) else { return };
        let Some(subscriber) = self.rights.subscriber(SubscriptionKey(subscription)) else { return };
        if **subscriber.recipient != *bounce.from.as_str() {
            return;
        }
        let domain = Arc::clone(subscriber.domain);
        let condition = &*bounce.condition;
        let not_reached = matches!(condition, "remote-server-not-found" | "remote-server-timeout");
        // The recipient's own server may say that it cannot take it just now.
        let full = matches!(condition, "resource-constraint" | "recipient-unavailable");
        let transient = not_reached || full;
        let suspect = Suspect { seq, subscription, condition: condition.to_owned(), transient };
        if not_reached {
            self.deliveries.not_reached(&domain, suspect);
        } else {
            self.deliveries.came_back(&domain, suspect);
        }
    }

    /// What came back is kept where the operator can see it.
    fn bury(&mut self, now: Now) {
        for Suspect { seq, subscription, condition, transient } in self.deliveries.take_given_up() {
            self.dead_letter(seq, subscription, condition, transient, now);
        }
    }

    fn dead_letter(&mut self, seq: u64, subscription: u64, condition: String, transient: bool, now: Now) {
        let Some(subscriber) = self.rights.subscriber(SubscriptionKey(subscription)) else { return };
        self.counts.dead += 1;
        let entry = self.window.get(seq);
        let key = SubscriptionKey(subscription);
        let why = Why::Undeliverable(condition.as_str().into());
        let line = match entry.and_then(|e| e.owed.iter().find(|owed| owed.subscription == key)) {
            Some(owed) => disclosure::dropped(seq, owed, why),
            None => disclosure::dropped_from(seq, key, None, why),
        };
        self.next.batch.disclosures.push(line);
        let retry_max = self.settings.patience.retry_max;
        let wait = transient.then(|| self.postponed.postpone(subscription, now.mono, retry_max));
        let at = now.wall.as_millisecond();
        self.next.batch.dead_letters.push(DeadLetter {
            seq,
            subscription,
            jid: subscriber.address.to_string(),
            node: entry.map(|e| e.node.to_string()).unwrap_or_default(),
            item: entry.map(|e| e.item.to_string()).unwrap_or_default(),
            condition,
            at,
            retry_at: wait.map(|wait| at.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
        });
    }
}

fn ping_mark(to: &str) -> u32 {
    intake::hash(to.as_bytes()) as u32
}
