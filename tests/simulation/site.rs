//! One installation: the production relay, driven as `app::service` drives it, and its disk.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use courant::domain::clock::Now;
use courant::domain::consent::{ConsentKey, State};
use courant::domain::disclosure::{Line, Proof};
use courant::protocol::outbox::Outbox;
use courant::protocol::publish::Payload;
use courant::relay::delivery::{Answer, Patience};
use courant::relay::intake::Refusal;
use courant::relay::machine::{Bounce, Load, Publish, ReplyTo};
use courant::relay::repetitions::Key;
use courant::relay::rights::Update;
use courant::relay::{Relay, Settings};
use courant::store::journal::{Batch, Row};
use uuid::Uuid;

use super::disk::{Disk, People};
use super::meter::{self, Meter};
use super::oracle::{self, Oracle, Owed, Snapshot};
use super::people;
use super::repeats::Repeats;
use super::story::{Millis, Point};
use super::wire::{self, Back, Message, Record, Stanza, domain_of};
use super::world::{ServerState, What, World, server_name};

/// The longest wait between tries.
const RETRY_MAX: Duration = Duration::from_secs(20);

/// How long a domain's first answer is waited for.
const FIRST_CONTACT: Duration = Duration::from_secs(12);

/// As the world counts.
const FIRST_CONTACT_MILLIS: Millis = 12_000;

/// Ways to break the relay from outside, to see that the simulation notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    /// The publisher is told before the commit.
    AckBeforeCommit,
    /// A batch counts as taken as soon as it is written.
    ConfirmBeforePong,
    /// A publish to a service counts as taken as soon as it is written.
    TakenBeforeAnswer,
    /// Sums of periods that are not complete are kept in memory only.
    SumsForgotten,
    /// What ended is noticed when something is queued, not when it is sent.
    ConsentOnlyWhenQueuing,
    /// Of each node the last eight items alone are known when they come again.
    LastEightKnown,
    /// One's own server's answer counts at once for a domain that has not answered yet.
    OwnServerAtOnce,
    /// What ends the stream is never set aside.
    NeverSetAside,
    /// Data goes on leaving under a consent whose end could not be recorded.
    UnrecordedEndsGoOn,
}

/// A stanza of the gateway's, as often as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) node: String,
    pub(crate) items: Vec<(String, Vec<Record>)>,
    pub(crate) acked: bool,
    pub(crate) refused: bool,
}

/// A running process.
pub(crate) struct Alive {
    relay: Relay,
    run: u64,
    started: Millis,
    /// Rendered, not written to the socket.
    out: VecDeque<Stanza>,
    writing: Option<Batch>,
    loads: Vec<Option<Load>>,
    /// Letters handed to the relay.
    taken_up: HashSet<u64>,
    known: usize,
}

/// An installation.
pub(crate) struct Site {
    site: usize,
    sabotage: Sabotage,
    pub(crate) disk: Disk,
    pub(crate) alive: Option<Alive>,
    runs: u64,
    pub(crate) link: Option<u64>,
    links: u64,
    pub(crate) last_heard: Millis,
    /// Items that its own server cannot bear.
    pub(crate) unbearable: HashSet<String>,
    /// The last link that the server ended for such a one: it reads nothing more of it.
    pub(crate) ended_link: Option<u64>,
    pub(crate) wall_offset: i64,
    pub(crate) wall_most: i64,
    pub(crate) crash_at: Option<(Point, usize, Millis)>,
    pub(crate) slow_until: Millis,
    pub(crate) failing_until: Millis,
    /// Consents whose ends this process could not record, as `store::unrecorded` keeps them.
    halted: HashSet<Uuid>,
    pub(crate) unreadable_until: Millis,
    /// What the relay was told of people, or read at its start.
    pub(crate) told: People,
    pub(crate) oracle: Oracle,
    pub(crate) requests: Vec<Request>,
    pub(crate) meter: Meter,
    pub(crate) repeats: Repeats,
    /// By item, when it was last taken in.
    taken_in: HashMap<(String, String), i64>,
    pub(crate) items: u64,
    pub(crate) consents: u64,
    order: u64,
    /// By (node, item), what was owed of it whenever this process took it in.
    snapshots: HashMap<(String, String), Vec<Snapshot>>,
    /// Domains that answered a ping, as far as this process can know.
    answered: BTreeMap<String, bool>,
    batches: BTreeMap<String, u64>,
    pub(crate) last_pings: BTreeMap<String, String>,
    pub(crate) last_messages: VecDeque<Message>,
    live: Vec<bool>,
    hung_since: Option<Millis>,
}

impl Site {
    pub(crate) fn new(site: usize, sabotage: Sabotage) -> Self {
        let mut disk = Disk::default();
        people::registrations(site, &mut disk);
        Site {
            site,
            sabotage,
            disk,
            alive: None,
            runs: 0,
            link: None,
            links: 0,
            last_heard: 0,
            unbearable: HashSet::new(),
            ended_link: None,
            wall_offset: 0,
            wall_most: 0,
            crash_at: None,
            slow_until: 0,
            failing_until: 0,
            halted: HashSet::new(),
            unreadable_until: 0,
            told: People::default(),
            oracle: Oracle::default(),
            requests: Vec::new(),
            meter: Meter::default(),
            repeats: Repeats::default(),
            taken_in: HashMap::new(),
            items: 0,
            consents: 0,
            order: 0,
            snapshots: HashMap::new(),
            answered: BTreeMap::new(),
            batches: BTreeMap::new(),
            last_pings: BTreeMap::new(),
            last_messages: VecDeque::new(),
            live: Vec::new(),
            hung_since: None,
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("energy.{}", server_name(self.site))
    }

    pub(crate) fn heal(&mut self) {
        self.crash_at = None;
        self.slow_until = 0;
        self.failing_until = 0;
        self.unreadable_until = 0;
    }

    /// Nothing waits any more, and the disk knows what was confirmed.
    pub(crate) fn is_at_rest(&self) -> bool {
        let Some(alive) = &self.alive else { return false };
        alive.relay.waiting() == 0
            && !alive.relay.is_under_way()
            && alive.relay.uncommitted() == 0
            && alive.writing.is_none()
            && alive.out.is_empty()
            && self.link.is_some()
            && self.disk.dead.values().all(|letter| letter.retry_at.is_none())
            && self.requests.iter().all(|request| request.acked || request.refused)
            && self.meter.is_at_rest()
    }

    /// What is in memory stays within its bounds, and is what it is counted as.
    pub(crate) fn check_memory(&self, window: usize) -> Result<(), String> {
        let Some(alive) = &self.alive else { return Ok(()) };
        let (items, bytes) = alive.relay.in_memory();
        // Written payloads are counted when they are there; an item is at most some kilobytes here.
        if items > 1 && bytes > 2 * window + 8_000 || items == 0 && bytes > 0 {
            return Err(format!(
                "{} holds {items} items of {bytes} bytes, with {window} allowed",
                self.name()
            ));
        }
        Ok(())
    }

    pub(crate) fn describe(&self) -> String {
        let Some(alive) = &self.alive else { return format!("{} is not running;", self.name()) };
        format!(
            "{}: {} wait, {} uncommitted, linked: {}, publishes unanswered: {}, owed to {:?};",
            self.name(),
            alive.relay.waiting(),
            alive.relay.uncommitted(),
            self.link.is_some(),
            self.requests.iter().filter(|r| !r.acked && !r.refused).count(),
            self.oracle.open_domains()
        )
    }

    /// A row of minutes, for the one who may have them, is on its way to the disk.
    fn owe_minutes(&mut self, row: &Row) -> Result<(), String> {
        let odd = || format!("a row of minutes for nobody: {row:?}");
        let (to, id) = (meter::recipient(self.site), self.disk.people.consents.get(&meter::CONSENT));
        let (records, id) = meter::expected(row).zip(id).ok_or_else(odd)?;
        let subscriptions = self.disk.people.subscriptions.iter();
        let mine = subscriptions.filter(|(_, s)| s.jid.as_str() == to).map(|(key, _)| *key);
        let with_basis = |record| (record, vec![id.id.to_string()]);
        let records: Vec<_> = records.into_iter().map(with_basis).collect();
        let owed = mine.map(|subscription| Owed { to: to.clone(), subscription, records: records.clone() });
        let snapshot =
            Snapshot { owed: owed.collect(), accepted_at: row.accepted_at, taken: true, order: self.order };
        self.oracle.row(row.seq, &row.node, &row.item, &snapshot);
        Ok(())
    }

    /// Rows that no dead letter names.
    pub(crate) fn rows_left(&self) -> Vec<u64> {
        let dead = |seq: &u64| self.disk.dead.values().any(|letter| letter.seq == *seq);
        self.disk.rows.keys().copied().filter(|seq| !dead(seq)).collect()
    }
}

impl World {
    fn now_of(&self, site: usize) -> Now {
        let started = self.sites[site].alive.as_ref().map_or(0, |alive| alive.started);
        Now { wall: self.wall(site), mono: Duration::from_millis(self.now - started) }
    }

    /// As `app::start` does.
    pub(crate) fn start(&mut self, site: usize) {
        if self.sites[site].alive.is_some() {
            return;
        }
        self.sites[site].runs += 1;
        let run = self.sites[site].runs;
        let mut settings = Settings {
            jid: self.sites[site].name(),
            own_server: server_name(site),
            installation: format!("n{site}"),
            run: format!("{:x}r{site}x{run}", self.story.seed),
            headline: false,
            publishes_per_second: 0,
            pack_records: 1000,
            queue_packs: self.story.queue_packs,
            repetitions: 1_000_000,
            repetition_key: Key([site as u8; 16]),
            time_to_live: Duration::from_millis(self.story.time_to_live),
            retention: Duration::ZERO,
            patience: Patience {
                ping: Duration::from_secs(4),
                retry_max: RETRY_MAX,
                first_contact: FIRST_CONTACT,
            },
        };
        if self.sites[site].sabotage == Sabotage::OwnServerAtOnce {
            settings.patience.first_contact = Duration::ZERO;
        }
        let now = self.now_of(site);
        let place = &mut self.sites[site];
        let mut relay = Relay::new(settings, place.disk.journal_end);
        relay.limit_window(self.story.window);
        // Stories are shorter than what a journal keeps, and have less come than what goes at once.
        let (keep, rows) = self.story.keeps();
        relay.keep_delivered(Duration::from_millis(keep), rows);
        for update in place.disk.people.all() {
            relay.apply(update);
        }
        let remembered = place.disk.reductions.iter().filter(|_| place.sabotage != Sabotage::SumsForgotten);
        for ((consent, series), state) in remembered {
            relay.know_reduction(ConsentKey(*consent), series, state);
        }
        for destination in place.disk.destinations.values() {
            relay.know_destination(destination, now);
        }
        for (seq, subscription) in place.disk.dead_deliveries() {
            relay.know_dead(seq, subscription);
        }
        for ((subscription, address), until) in place.disk.postponed() {
            relay.know_postponed(subscription, &address, until, now);
        }
        relay.know_pruned(place.disk.pruned);
        for outline in place.disk.outlines() {
            relay.recover(&outline);
        }
        place.told = place.disk.people.clone();
        place.halted.clear();
        let answers = place.disk.destinations.values();
        place.answered = answers.map(|d| (d.domain.clone(), d.answers_pings)).collect();
        let known = place.disk.changes.len();
        let (out, loads, started) = (VecDeque::new(), Vec::new(), self.now);
        place.alive =
            Some(Alive { relay, run, started, out, writing: None, loads, taken_up: HashSet::new(), known });
        let waiting = place.alive.as_ref().map_or(0, |alive| alive.relay.waiting());
        self.forget_all_but_eight(site);
        self.tell(|| format!("site {site} starts (run {run}), {waiting} wait"));
        self.reconsider(site);
        self.after(100, What::Connect { site, run });
        self.point(site, Point::Started);
    }

    /// The process is gone at once, with all it knew.
    pub(crate) fn crash(&mut self, site: usize, down: Millis) {
        let survives = self.rng.percent(50);
        let Some(mut alive) = self.sites[site].alive.take() else { return };
        if let Some(batch) = alive.writing.take() {
            self.write_or_forget(site, &batch, survives);
        }
        // What was taken in and did not get as far as the disk is gone; so is what it would have owed.
        self.sites[site].snapshots.clear();
        self.sites[site].repeats.lost();
        self.sites[site].link = None;
        let outcome = self.check_whole(site);
        self.fail(outcome);
        self.after(down, What::Start { site });
    }

    fn write_or_forget(&mut self, site: usize, batch: &Batch, kept: bool) {
        let now = self.now;
        let place = &mut self.sites[site];
        if kept {
            place.disk.commit(batch);
            for row in batch.rows.iter().filter(|row| row.digest != 0) {
                place.repeats.durable(&row.node, &row.item, row.seq, now);
            }
            let mut twice = Ok(());
            for known in batch.destinations.iter().filter(|known| known.proof() == Some(Proof::OwnServer)) {
                twice = twice.and(place.oracle.vouched(&known.domain, self.now, FIRST_CONTACT_MILLIS));
            }
            for line in &batch.disclosures {
                if let Line::Confirmed { domain, seq, proof } = line {
                    place.oracle.confirmed(domain, *seq, *proof == Proof::OwnServer);
                }
            }
            for row in batch.rows.iter().filter(|row| meter::is_reduced(row)) {
                if !place.meter.knows(row) {
                    twice = twice.and(place.meter.durable(row));
                    place.oracle.acknowledged(&row.node, &row.item, Some(row.seq));
                }
            }
            let in_anothers_name = batch.dead_letters.iter().find(|letter| letter.condition == "not-allowed");
            let innocent = batch.dead_letters.iter().find(|letter| {
                letter.condition == "stream-error" && !place.unbearable.contains(&letter.item)
            });
            if let Some(letter) = innocent {
                twice = Err(format!("what did not end the stream is set aside: {letter:?}"));
            }
            let why = in_anothers_name.map(|letter| format!("what nobody refused is given up: {letter:?}"));
            for letter in &batch.dead_letters {
                place.oracle.dead_letter(letter.seq, letter.subscription, letter.retry_at.is_some());
            }
            self.fail(why.map_or(twice, Err));
        } else {
            for row in &batch.rows {
                place.oracle.forget(row.seq, &row.node, &row.item);
            }
        }
        if batch.rows.is_empty() && batch.destinations.is_empty() && batch.dead_letters.is_empty() {
            return;
        }
        self.tell(|| {
            let rows: Vec<u64> = batch.rows.iter().map(|row| row.seq).collect();
            let to: Vec<(&str, u64)> =
                batch.destinations.iter().map(|d| (d.domain.as_str(), d.confirmed)).collect();
            format!(
                "site {site}: a batch is {}: rows {rows:?}, cursors {to:?}, {} dead, prune {:?}",
                if kept { "durable" } else { "gone" },
                batch.dead_letters.len(),
                batch.prune
            )
        });
    }

    /// Of a publish that was not acknowledged, all is there or nothing.
    fn check_whole(&self, site: usize) -> Result<(), String> {
        let place = &self.sites[site];
        for request in place.requests.iter().filter(|request| request.items.len() > 1) {
            let key = |item: &String| (request.node.clone(), item.clone());
            let there =
                request.items.iter().filter(|(item, _)| place.disk.ever.contains_key(&key(item))).count();
            if there != 0 && there != request.items.len() {
                return Err(format!("half a publish is on the disk: {request:?}"));
            }
        }
        Ok(())
    }

    pub(crate) fn connect(&mut self, site: usize, run: u64) {
        if self.servers[site].state != ServerState::Up {
            return self.after(500, What::Connect { site, run });
        }
        let place = &mut self.sites[site];
        let Some(alive) = place.alive.as_mut().filter(|alive| alive.run == run) else { return };
        if place.link.is_some() {
            return;
        }
        alive.relay.link_up();
        place.links += 1;
        place.link = Some(place.links);
        self.tell(|| format!("site {site} is connected"));
        self.settle(site);
    }

    pub(crate) fn cut_link(&mut self, site: usize, down: Millis) -> bool {
        let linked = self.sites[site].link.is_some();
        if linked {
            self.unlink_for(site, down);
        }
        linked
    }

    /// The site's own server ends the stream over which it was written something, with an error.
    pub(crate) fn end_stream(&mut self, site: usize, link: u64) {
        let now = self.now_of(site);
        let place = &mut self.sites[site];
        place.ended_link = Some(link);
        if place.link != Some(link) {
            return;
        }
        if let Some(alive) = place.alive.as_mut().filter(|_| place.sabotage != Sabotage::NeverSetAside) {
            alive.relay.stream_failed(now);
        }
        self.count("(streams ended with an error)");
        self.unlink(site);
    }

    pub(crate) fn unlink(&mut self, site: usize) {
        self.unlink_for(site, 300);
    }

    fn unlink_for(&mut self, site: usize, down: Millis) {
        if self.sites[site].link.take().is_none() {
            return;
        }
        self.tell(|| format!("site {site} lost its link"));
        let Some(alive) = &mut self.sites[site].alive else { return };
        alive.out.clear();
        alive.relay.link_down();
        let run = alive.run;
        self.after(down, What::Connect { site, run });
        self.settle(site);
    }

    /// The gateway sends a publish, or sends it again.
    pub(crate) fn republish(&mut self, site: usize, request: usize, unasked: bool) {
        let held = &self.sites[site].requests[request];
        let answered = held.acked || held.refused;
        if answered && !unasked {
            return;
        }
        if !answered {
            let wait = 3_000 + self.rng.below(5_000);
            self.after(wait, What::Republish { site, request, unasked: false });
        }
        self.hand_to_component(site, Back::Publish { request }, 10);
    }

    pub(crate) fn gateway_hears(&mut self, site: usize, number: usize, done: bool, again: bool) {
        let request = &mut self.sites[site].requests[number];
        request.acked |= done;
        request.refused |= !done && !again;
        if done {
            self.measured(site, number);
        }
    }

    pub(crate) fn component_hears(&mut self, site: usize, link: u64, back: Back) {
        if self.sites[site].link != Some(link) || self.sites[site].alive.is_none() {
            return;
        }
        match back {
            Back::Publish { request } => {
                // A row is known by when it came: one item comes once at a time.
                let wall = self.wall(site).as_millisecond();
                let place = &mut self.sites[site];
                let (node, items) = (&place.requests[request].node, &place.requests[request].items);
                let keys = items.iter().map(|(item, _)| (node.clone(), item.clone()));
                let before: Vec<_> = keys.map(|key| place.taken_in.insert(key, wall)).collect();
                if before.contains(&Some(wall)) {
                    return self.after(1, What::ComponentHears { site, link, back });
                }
                self.publish(site, request);
            }
            Back::Pong { id, from, answer } => {
                let now = self.now_of(site);
                self.tell(|| format!("site {site} hears {from} answer {id}: {answer:?}"));
                let place = &mut self.sites[site];
                let Some(alive) = &mut place.alive else { return };
                alive.relay.iq_answer(&id, &from, answer, now);
                // Another process's pings are nothing to this one.
                let own = alive.relay.is_ping(&id);
                if own && answer == Answer::Taken && place.last_pings.get(&from) == Some(&id) {
                    place.answered.insert(from, true);
                }
                if self.point(site, Point::Ponged) {
                    return;
                }
            }
            Back::Bounce { id, from, condition } => {
                self.tell(|| format!("site {site} hears that {id} came back from {from}: {condition}"));
                let Ok(from) = jid::BareJid::new(&from) else { return };
                let bounce = Bounce { id, from, condition: condition.to_owned() };
                if let Some(alive) = &mut self.sites[site].alive {
                    alive.relay.bounced(&bounce);
                }
            }
            Back::Answered { id, from, refused } => {
                let now = self.now_of(site);
                self.tell(|| {
                    format!(
                        "site {site} hears {from} answer {id}: {:?}",
                        refused.as_ref().map(|r| &r.condition)
                    )
                });
                if let Some(alive) = &mut self.sites[site].alive {
                    alive.relay.publish_answered(&id, &from, refused, now);
                }
                if self.point(site, Point::Ponged) {
                    return;
                }
            }
        }
        self.settle(site);
    }

    fn publish(&mut self, site: usize, number: usize) {
        let now = self.now_of(site);
        let request = self.sites[site].requests[number].clone();
        let sabotage = self.sites[site].sabotage;
        let reply_to = ReplyTo {
            from: format!("gw@{}/1", server_name(site)),
            to: self.sites[site].name(),
            id: Some(number.to_string()),
            is_iq: true,
        };
        let payloads = request.items.iter().map(|(item, records)| (Some(item.clone()), payload(records)));
        let publish = Publish {
            reply_to,
            sender: people::gateway(site),
            node: Some(request.node.clone()),
            items: payloads.collect(),
        };
        if sabotage == Sabotage::ConsentOnlyWhenQueuing {
            self.revive(site, false);
        }
        let (keep, _) = self.story.keeps();
        let moment = (self.now, keep);
        let place = &mut self.sites[site];
        let Some(alive) = &mut place.alive else { return };
        let before = alive.relay.uncommitted();
        let outcome = alive.relay.publish(publish, now);
        let rows = alive.relay.uncommitted() - before;
        let mut failure = Ok(());
        let mut new = vec![rows > 0; request.items.len()];
        if request.node != meter::NAME && outcome.is_ok() {
            let waits = |seq| place.oracle.waits(seq);
            match place.repeats.accepted(&request.node, &request.items, rows, moment, waits) {
                Ok(which) => new = which,
                Err(why) => failure = Err(why),
            }
        }
        for ((item, records), is_new) in request.items.iter().zip(new) {
            let key = (request.node.clone(), item.clone());
            if is_new {
                place.order += 1;
                let owed = oracle::owed_now(&place.told, records, now.wall);
                let accepted_at = now.wall.as_millisecond();
                let snapshot = Snapshot { owed, accepted_at, order: place.order, taken: false };
                place.snapshots.entry(key).or_default().push(snapshot);
            }
        }
        if sabotage == Sabotage::ConsentOnlyWhenQueuing {
            self.revive(site, true);
        }
        self.tell(|| {
            let items: Vec<&String> = request.items.iter().map(|(item, _)| item).collect();
            format!("site {site} is given {items:?} on {}: {outcome:?}", request.node)
        });
        self.fail(failure);
        match outcome {
            Err(refusal) => {
                let again = matches!(refusal, Refusal::QueueFull | Refusal::Storage);
                if again {
                    self.count("(publish refused for now)");
                }
                self.reply(site, number, false, again);
            }
            Ok(()) if sabotage == Sabotage::AckBeforeCommit => {
                self.acknowledged(site, number);
                self.reply(site, number, true, false);
            }
            Ok(()) => {}
        }
        self.point(site, Point::Published);
    }

    /// Sabotage: of each node what is on the disk behind the last eight items is forgotten.
    fn forget_all_but_eight(&mut self, site: usize) {
        let place = &mut self.sites[site];
        let Some(alive) = place.alive.as_mut().filter(|_| place.sabotage == Sabotage::LastEightKnown) else {
            return;
        };
        let mut last: HashMap<&str, usize> = HashMap::new();
        for row in place.disk.rows.values().rev().filter(|row| row.digest != 0) {
            let count = last.entry(&row.node).or_default();
            *count += 1;
            if *count > 8 {
                alive.relay.forget(&row.node, Some(&row.item));
            }
        }
    }

    /// Sabotage: consents that ended stand again, except while something is queued.
    fn revive(&mut self, site: usize, stands: bool) {
        let place = &mut self.sites[site];
        let Some(alive) = &mut place.alive else { return };
        for (key, consent) in place.told.consents.iter().filter(|(_, c)| c.state.is_end()) {
            let mut consent = consent.clone();
            if stands {
                consent.state = courant::domain::consent::State::Active;
            }
            alive.relay.apply(Update::Consent(ConsentKey(*key), Some(Box::new(consent))));
        }
    }

    fn acknowledged(&mut self, site: usize, number: usize) {
        let place = &mut self.sites[site];
        let request = place.requests[number].clone();
        for (item, _) in &request.items {
            let key = (request.node.clone(), item.clone());
            let durable = place.disk.ever.get(&key).and_then(|seqs| seqs.last()).copied();
            place.oracle.acknowledged(&request.node, item, durable);
        }
    }

    fn reply(&mut self, site: usize, request: usize, done: bool, again: bool) {
        if let Some(alive) = &mut self.sites[site].alive {
            alive.out.push_back(Stanza::Reply { request, done, again });
        }
    }

    pub(crate) fn commit_done(&mut self, site: usize, run: u64) {
        let failing = self.sites[site].failing_until > self.now;
        let Some(alive) = self.sites[site].alive.as_mut().filter(|alive| alive.run == run) else { return };
        let Some(batch) = alive.writing.take() else { return };
        if failing {
            self.count("(commit failed)");
        }
        self.write_or_forget(site, &batch, !failing);
        if self.point(site, Point::Durable) {
            return;
        }
        let place = &mut self.sites[site];
        if failing {
            place.repeats.lost();
        }
        if let Some(alive) = &mut place.alive {
            alive.relay.committed(!failing);
        }
        self.forget_all_but_eight(site);
        if self.point(site, Point::Committed) {
            return;
        }
        self.settle(site);
    }

    pub(crate) fn rows_read(&mut self, site: usize, run: u64, number: usize) {
        let now = self.now_of(site);
        let fails = self.sites[site].unreadable_until > self.now;
        let place = &mut self.sites[site];
        let Some(alive) = place.alive.as_mut().filter(|alive| alive.run == run) else { return };
        let Some(load) = alive.loads[number].take() else { return };
        if fails {
            alive.relay.load_failed(&load, now);
            self.count("(journal read failed)");
        } else {
            alive.relay.loaded(&load, place.disk.read(&load.seqs), now);
            self.count("(journal read)");
        }
        self.settle(site);
    }

    /// The follower tells what changed.
    pub(crate) fn news(&mut self, site: usize) {
        let place = &mut self.sites[site];
        let Some(alive) = &mut place.alive else { return };
        let updates = place.disk.news(alive.known);
        alive.known = place.disk.changes.len();
        for mut update in updates {
            if let Update::Consent(_, Some(consent)) = &mut update {
                if consent.state != State::Active {
                    place.halted.remove(&consent.id);
                } else if place.halted.contains(&consent.id) {
                    consent.state = State::Suspended;
                }
            }
            place.told.apply(&update);
            let ends = matches!(&update, Update::Consent(_, Some(c)) if c.state.is_end());
            if !(ends && place.sabotage == Sabotage::ConsentOnlyWhenQueuing) {
                alive.relay.apply(update);
            }
        }
        self.reconsider(site);
        if self.point(site, Point::Informed) {
            return;
        }
        self.settle(site);
    }

    /// The end of a consent cannot be recorded: nothing leaves under it all the same. Whether anybody was there to ask.
    pub(crate) fn halt(&mut self, site: usize, key: u64) -> bool {
        let place = &mut self.sites[site];
        let (Some(alive), Some(consent)) = (&mut place.alive, place.told.consents.get_mut(&key)) else {
            return false;
        };
        place.halted.insert(consent.id);
        if consent.state == State::Active {
            consent.state = State::Suspended;
        }
        let halted = Update::Halted(vec![consent.id]);
        if place.sabotage != Sabotage::UnrecordedEndsGoOn {
            alive.relay.apply(halted);
        }
        self.count("(ends that could not be recorded)");
        self.reconsider(site);
        self.settle(site);
        true
    }

    pub(crate) fn reconsider(&mut self, site: usize) {
        let wall = self.wall(site);
        let place = &mut self.sites[site];
        place.oracle.reconsider(&place.disk.people, wall, self.story.time_to_live);
        if place.alive.is_some() {
            place.oracle.reconsider(&place.told, wall, self.story.time_to_live);
        }
    }

    pub(crate) fn tick(&mut self, site: usize) {
        let (now, short) = (self.now_of(site), self.story.time_to_live < 86_400_000);
        let live: Vec<bool> =
            self.sites[site].disk.people.consents.values().map(|c| c.is_live(now.wall)).collect();
        if short || live != self.sites[site].live {
            self.sites[site].live = live;
            self.reconsider(site);
        }
        // The transport gives up a server that says nothing.
        let hung = self.servers[site].state == ServerState::Hung;
        let since = *self.sites[site].hung_since.get_or_insert(self.now);
        if !hung {
            self.sites[site].hung_since = None;
        } else if self.now - since > 9_000 {
            self.unlink(site);
        }
        let wall = now.wall.as_millisecond();
        let due = self.sites[site].disk.due(wall, 2 * RETRY_MAX.as_millis() as i64);
        let Some(alive) = &mut self.sites[site].alive else { return };
        alive.relay.tick(now);
        let mut revived = 0;
        for (key, letter, row) in due {
            if alive.taken_up.insert(key) {
                revived += 1;
                alive.relay.revive(key, letter.subscription, row, false, now);
            }
        }
        *self.counts.entry("(letters tried again)").or_default() += revived;
        self.settle(site);
    }

    /// As the service does after whatever happened.
    fn settle(&mut self, site: usize) {
        let now = self.now_of(site);
        let Some(alive) = &mut self.sites[site].alive else { return };
        let settled = alive.relay.take_settled();
        for one in settled {
            let number: usize = one.reply_to.id.as_deref().and_then(|id| id.parse().ok()).unwrap_or_default();
            let done = one.outcome.is_ok();
            if self.sites[site].sabotage == Sabotage::AckBeforeCommit {
                continue;
            }
            if done {
                self.acknowledged(site, number);
            }
            self.reply(site, number, done, !done);
        }
        if self.take_batch(site, now) || self.pump(site, now) {
            return;
        }
        self.write_socket(site);
    }

    /// Whether the process died.
    fn take_batch(&mut self, site: usize, now: Now) -> bool {
        let slow = self.sites[site].slow_until > self.now;
        let place = &mut self.sites[site];
        let Some(alive) = &mut place.alive else { return true };
        if alive.writing.is_some() {
            return false;
        }
        let Some(batch) = alive.relay.take_batch(now) else { return false };
        let run = alive.run;
        if self.point(site, Point::BatchTaken) {
            return true;
        }
        let mut failure = Ok(());
        let place = &mut self.sites[site];
        for row in &batch.rows {
            if meter::is_reduced(row) && !place.meter.knows(row) {
                failure = failure.and(place.owe_minutes(row));
                continue;
            }
            if row.digest == 0 {
                if !place.oracle.revived(row.seq, &row.node, &row.item, row.accepted_at, &row.owed) {
                    failure = Err(format!("a row that no letter stands for: {row:?}"));
                }
                continue;
            }
            let key = (row.node.to_string(), row.item.to_string());
            // The same item may be taken in twice within a moment, as if it were new.
            let mut known = place.snapshots.get_mut(&key).into_iter().flatten();
            match known.find(|s| s.accepted_at == row.accepted_at && !s.taken) {
                Some(snapshot) => {
                    snapshot.taken = true;
                    place.oracle.row(row.seq, &row.node, &row.item, snapshot);
                }
                None => failure = Err(format!("a row that nobody published: {row:?}")),
            }
        }
        if let Some(alive) = &mut place.alive {
            alive.writing = Some(batch);
        }
        self.fail(failure);
        // What ended since it was taken in.
        self.reconsider(site);
        if self.point(site, Point::Committing) {
            return true;
        }
        let wait = if slow { self.rng.within(200, 4_000) } else { self.rng.within(1, 30) };
        self.after(wait, What::CommitDone { site, run });
        false
    }

    /// Whether the process died.
    fn pump(&mut self, site: usize, now: Now) -> bool {
        let limit = self.story.pump_limit;
        let place = &mut self.sites[site];
        let Some(alive) = &mut place.alive else { return true };
        if place.link.is_none() {
            alive.out.clear();
            return false;
        }
        let mut bytes = Outbox::default();
        let loads = alive.relay.pump(now, &mut bytes, limit);
        let run = alive.run;
        for load in loads {
            let alive = self.sites[site].alive.as_mut();
            let Some(alive) = alive else { return true };
            alive.loads.push(Some(load));
            let number = alive.loads.len() - 1;
            let wait = self.rng.within(1, 300);
            self.after(wait, What::Loaded { site, run, number });
            if self.point(site, Point::Loading) {
                return true;
            }
        }
        if bytes.is_empty() {
            return false;
        }
        let stanzas = match wire::parse(&bytes) {
            Ok(stanzas) => stanzas,
            Err(why) => {
                self.fail(Err(why));
                return false;
            }
        };
        for stanza in stanzas {
            self.rendered(site, stanza, now);
        }
        self.point(site, Point::Pumped)
    }

    fn rendered(&mut self, site: usize, mut stanza: Stanza, now: Now) {
        let place = &mut self.sites[site];
        let (mut fabricated, mut imagined) = (None, None);
        let outcome = match &mut stanza {
            Stanza::Message(message) => {
                let domain = domain_of(&message.to).to_owned();
                message.batch = place.batches.get(&domain).copied().unwrap_or_default();
                message.weak = !place.answered.get(&domain).copied().unwrap_or_default();
                place.last_messages.push_back(message.clone());
                if place.last_messages.len() > 50 {
                    place.last_messages.pop_front();
                }
                if place.sabotage == Sabotage::TakenBeforeAnswer && message.answered {
                    imagined = Some((message.id.clone(), message.to.clone()));
                }
                if message.weak {
                    place.oracle.waits_for_first_answer(message, self.now);
                }
                place.oracle.written(&place.told, message, now.wall)
            }
            Stanza::Ping { id, to } => {
                *place.batches.entry(to.clone()).or_default() += 1;
                place.last_pings.insert(to.clone(), id.clone());
                if place.sabotage == Sabotage::ConfirmBeforePong {
                    fabricated = Some((id.clone(), to.clone()));
                }
                place.oracle.pinged(id)
            }
            Stanza::Reply { .. } => Ok(()),
        };
        self.fail(outcome);
        self.tell(|| match &stanza {
            Stanza::Message(m) => {
                format!("site {site} writes {} ({} of {}) to {}", m.id, m.item, m.node, m.to)
            }
            Stanza::Ping { id, to } => format!("site {site} pings {to}: {id}"),
            Stanza::Reply { .. } => String::new(),
        });
        if let Some(alive) = alive_of(self, site) {
            alive.out.push_back(stanza);
            if let Some((id, to)) = fabricated {
                alive.relay.iq_answer(&id, &to, Answer::Taken, now);
            }
            if let Some((id, to)) = imagined {
                alive.relay.publish_answered(&id, &to, None, now);
            }
        }
    }

    fn write_socket(&mut self, site: usize) {
        let Some(alive) = &mut self.sites[site].alive else { return };
        let out = std::mem::take(&mut alive.out);
        if out.is_empty() {
            return;
        }
        let Some(link) = self.sites[site].link else { return };
        let (server, epoch) = (site, self.servers[site].epoch);
        for stanza in out {
            self.after(3, What::ServerHears { server, epoch, link, stanza });
        }
        self.point(site, Point::Written);
    }
}

fn alive_of(world: &mut World, site: usize) -> Option<&mut Alive> {
    world.sites[site].alive.as_mut()
}

fn payload(records: &[Record]) -> Payload<'static> {
    let mut text = String::from("<sensml xmlns='urn:ietf:params:xml:ns:senml'>");
    for (name, time, value) in records {
        text += &format!("<senml n='{name}' t='{time}' v='{value}'/>");
    }
    text += "</sensml>";
    Payload::Sensml(text.into_bytes().into())
}
