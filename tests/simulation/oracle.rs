//! What must be, and what must never be: kept beside the relays, from what is seen outside of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use courant::domain::name::Scope;
use courant::domain::series::Series;
use courant::relay::owed;
use jiff::Timestamp;

use super::disk::People;
use super::story::Millis;
use super::wire::{Message, Record, domain_of};

/// So many consents beside the one that something rests on may take over from it.
const RESERVES_MAX: usize = 3;

/// A delivery that is owed: known by the item's number and the subscription.
type Key = (u64, u64);

/// What one subscription is owed of an item.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    pub(crate) to: String,
    pub(crate) subscription: u64,
    /// Each with what lets it leave: the first of these that still does when it is sent.
    pub(crate) records: Vec<(Record, Vec<String>)>,
}

/// What is owed of an item, as it stood when it was taken in.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) owed: Vec<Owed>,
    pub(crate) accepted_at: i64,
    pub(crate) order: u64,
    /// A row stands for it.
    pub(crate) taken: bool,
}

/// A record on its way to one subscription.
#[derive(Debug, Clone)]
struct Tracked {
    record: Record,
    bases: Vec<String>,
    /// Something the recipient's side did, or ended: it need not arrive any more.
    excused: bool,
    arrived: bool,
    /// It waits as a letter to be tried again: the row that revives it owes it from then on.
    postponed: bool,
}

#[derive(Debug, Clone)]
struct Delivery {
    node: String,
    item: String,
    to: String,
    records: Vec<Tracked>,
    accepted_at: i64,
    acked: bool,
}

impl Delivery {
    fn is_open(&self) -> bool {
        self.acked && self.records.iter().any(|tracked| !tracked.arrived && !tracked.excused)
    }
}

/// One installation's book.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    deliveries: BTreeMap<Key, Delivery>,
    by_item: HashMap<(String, String), Vec<u64>>,
    /// Items of which not everything has arrived that must.
    open: HashSet<Key>,
    /// Acknowledged, though nothing durable was seen of it.
    unbacked: HashMap<(String, String), String>,
    pings: HashSet<String>,
    /// Per origin id what it stood for.
    origins: HashMap<String, (String, String, String, String)>,
    /// Per node and recipient: the first copies that arrived, as (number, batch).
    firsts: HashMap<(String, String), Vec<(u64, u64)>>,
    /// Deliveries of which a copy came back on the way, with its batch.
    returned: HashSet<(Key, u64)>,
    /// Deliveries that came back when only one's own server could vouch for them: later ones may have passed.
    vouched: HashSet<Key>,
    orders: BTreeMap<(String, u64), u64>,
    /// By domain that has not answered yet: items written and not confirmed, and when they were last.
    unproved: HashMap<String, BTreeMap<u64, Millis>>,
    /// What was lost on the way to such domains, and is not confirmed.
    lost: Vec<Message>,
    /// Domains whose first contact is over.
    vouched_for: HashSet<String>,
    pub(crate) duplicates: u64,
    pub(crate) delivered: u64,
    pub(crate) owed_count: u64,
    /// Messages under a consent in reserve.
    pub(crate) taken_over: u64,
}

/// Who is owed what of a pack at this moment, worked out plainly.
pub(crate) fn owed_now(people: &People, records: &[Record], wall: Timestamp) -> Vec<Owed> {
    let mut jids: Vec<String> = people.subscriptions.values().map(|s| s.jid.to_string()).collect();
    jids.sort();
    jids.dedup();
    let mut list: Vec<Owed> = Vec::new();
    for jid in jids {
        for record in records {
            let mine = people.subscriptions.iter().filter(|(_, s)| s.jid.to_string() == jid);
            let covering = mine.filter(|(_, s)| reaches(&s.node, &record.0));
            let Some((&subscription, _)) = covering.max_by_key(|(_, s)| specific(&s.node)) else { continue };
            let bases = bases(people, record, &jid, wall);
            if bases.is_empty() {
                continue;
            }
            let one = (record.clone(), bases);
            match list.iter_mut().find(|o| o.subscription == subscription) {
                Some(owed) => owed.records.push(one),
                None => list.push(Owed { to: jid.clone(), subscription, records: vec![one] }),
            }
        }
    }
    list
}

/// Who subscribes to a node, subscribes to what is below it on a `/`.
fn reaches(node: &Scope, name: &str) -> bool {
    let below = match node {
        Scope::Exact(node) => name.strip_prefix(&**node).is_some_and(|rest| rest.starts_with('/')),
        Scope::Prefix(_) => false,
    };
    below || node.covers(name)
}

fn specific(scope: &Scope) -> (usize, bool) {
    match scope {
        Scope::Exact(name) => (name.len(), true),
        Scope::Prefix(prefix) => (prefix.len(), false),
    }
}

/// What lets a record leave, in the order in which one takes over from the other.
fn bases(people: &People, record: &Record, jid: &str, wall: Timestamp) -> Vec<String> {
    let series = people.series.values().find(|s| s.name.covers(&record.0));
    if series.is_some_and(|s| {
        s.tenures.last().holder.holder().and_then(|s| s.jid()).is_some_and(|owner| owner.as_str() == jid)
    }) {
        return vec!["self".into()];
    }
    if series.is_some_and(|s| s.open) {
        return vec!["open".into()];
    }
    let consents = people.consents.values().filter(|c| c.recipient.as_str() == jid && c.is_live(wall));
    let consents = consents.filter(|c| c.granularity.is_none() && is_of_its_giver(c, series));
    let mut covering: Vec<_> = consents.filter(|c| c.covers(&record.0) && in_window(c, record.1)).collect();
    covering.sort_by_key(|c| (std::cmp::Reverse(c.valid_until), c.id));
    covering.iter().take(1 + RESERVES_MAX).map(|c| c.id.to_string()).collect()
}

/// Whether who gave a consent holds the series: it permits nothing of others.
fn is_of_its_giver(consent: &courant::domain::consent::Consent, series: Option<&Series>) -> bool {
    series.and_then(|series| series.tenures.only()) == Some(&consent.subject)
}

fn in_window(consent: &courant::domain::consent::Consent, time: f64) -> bool {
    let seconds = |at: Timestamp| at.as_millisecond() as f64 / 1000.0;
    consent.data_from.is_none_or(|from| time >= seconds(from))
        && consent.data_until.is_none_or(|until| time < seconds(until))
}

/// What lets this record leave now, as a place among its bases.
fn still(people: &People, key: Key, to: &str, tracked: &Tracked, wall: Timestamp) -> Option<usize> {
    if people.subscriptions.get(&key.1).is_none_or(|s| s.jid.to_string() != to) {
        return None;
    }
    let record = &tracked.record;
    let permits = |basis: &String| match &**basis {
        "self" | "open" => {
            let series = people.series.values().find(|s| s.name.covers(&record.0));
            series.is_some_and(|s| match &**basis {
                "open" => s.open,
                _ => s
                    .tenures
                    .last()
                    .holder
                    .holder()
                    .and_then(|s| s.jid())
                    .is_some_and(|owner| owner.as_str() == to),
            })
        }
        id => people.consent(id).is_some_and(|c| {
            c.recipient.as_str() == to && c.is_live(wall) && c.covers(&record.0) && in_window(c, record.1)
        }),
    };
    tracked.bases.iter().position(permits)
}

impl Oracle {
    /// A row went to the disk: what it owes is fixed.
    pub(crate) fn row(&mut self, seq: u64, node: &str, item: &str, snapshot: &Snapshot) {
        for Owed { to, subscription, records } in &snapshot.owed {
            let track = |(record, bases): &(Record, Vec<String>)| Tracked {
                record: record.clone(),
                bases: bases.clone(),
                excused: false,
                arrived: false,
                postponed: false,
            };
            let delivery = Delivery {
                node: node.to_owned(),
                item: item.to_owned(),
                to: to.clone(),
                records: records.iter().map(track).collect(),
                accepted_at: snapshot.accepted_at,
                acked: false,
            };
            self.deliveries.insert((seq, *subscription), delivery);
        }
        self.by_item.entry((node.to_owned(), item.to_owned())).or_default().push(seq);
        self.orders.insert((node.to_owned(), seq), snapshot.order);
    }

    /// The row did not become durable.
    pub(crate) fn forget(&mut self, seq: u64, node: &str, item: &str) {
        self.deliveries.retain(|key, _| key.0 != seq);
        self.open.retain(|key| key.0 != seq);
        if let Some(seqs) = self.by_item.get_mut(&(node.to_owned(), item.to_owned())) {
            seqs.retain(|held| *held != seq);
        }
        self.orders.remove(&(node.to_owned(), seq));
    }

    /// The publisher was told that this item is taken: from now on it must arrive.
    pub(crate) fn acknowledged(&mut self, node: &str, item: &str, durable: Option<u64>) {
        let Some(seq) = durable else {
            let why = "acknowledged, and then it was nowhere".to_owned();
            self.unbacked.insert((node.to_owned(), item.to_owned()), why);
            return;
        };
        for (key, delivery) in self.deliveries.range_mut((seq, 0)..(seq + 1, 0)) {
            self.owed_count += u64::from(!delivery.acked);
            delivery.acked = true;
            if delivery.is_open() {
                self.open.insert(*key);
            }
        }
    }

    /// Whether somebody waits for this number whose server is known to say when it has it.
    pub(crate) fn waits(&self, seq: u64) -> bool {
        let waits = |delivery: &Delivery| {
            !self.vouched_for.contains(domain_of(&delivery.to))
                && delivery.records.iter().any(|tracked| !tracked.arrived && !tracked.excused)
        };
        self.deliveries.range((seq, 0)..(seq + 1, 0)).any(|(_, delivery)| waits(delivery))
    }

    /// The relay, or the world, is not what it was: what may not leave any more need not arrive.
    pub(crate) fn reconsider(&mut self, people: &People, wall: Timestamp, time_to_live: Millis) {
        for (key, delivery) in &mut self.deliveries {
            let age = wall.as_millisecond() - delivery.accepted_at;
            let too_old = age >= time_to_live as i64;
            for tracked in delivery.records.iter_mut().filter(|t| !t.arrived && !t.excused) {
                tracked.excused = too_old || still(people, *key, &delivery.to, tracked, wall).is_none();
            }
        }
        self.open.retain(|key| self.deliveries.get(key).is_some_and(Delivery::is_open));
    }

    /// Something was written to a domain that has not answered yet.
    pub(crate) fn waits_for_first_answer(&mut self, message: &Message, now: Millis) {
        let Some((seq, _)) = numbers(&message.id) else { return };
        self.unproved.entry(domain_of(&message.to).to_owned()).or_default().insert(seq, now);
    }

    /// A copy was lost without a word, or came back late, on the way to a domain that had not answered yet: it need
    /// not come once one's own server vouched for it, and must until then.
    pub(crate) fn lost(&mut self, message: &Message) {
        if self.vouched_for.contains(domain_of(&message.to)) {
            self.mark(message, |tracked| std::mem::replace(&mut tracked.excused, true));
        } else {
            self.lost.push(message.clone());
        }
    }

    /// The disk knows that one's own server is believed for a domain: no sooner than a whole first contact after the
    /// first of what is not confirmed was written, for the last time.
    pub(crate) fn vouched(&mut self, domain: &str, now: Millis, first_contact: Millis) -> Result<(), String> {
        let first = self.unproved.get(domain).and_then(|written| written.values().min().copied());
        match first {
            Some(first) if self.vouched_for.insert(domain.to_owned()) && first + first_contact > now => {
                Err(format!("{domain} is vouched for {} ms after what it was sent", now - first))
            }
            _ => Ok(()),
        }
    }

    /// The disk knows how far a destination is, and who said so.
    pub(crate) fn confirmed(&mut self, domain: &str, upto: u64, own_server: bool) {
        let unproved = self.unproved.entry(domain.to_owned()).or_default();
        *unproved = unproved.split_off(&(upto + 1));
        if !own_server {
            return;
        }
        let theirs =
            |m: &Message| domain_of(&m.to) == domain && numbers(&m.id).is_some_and(|(n, _)| n <= upto);
        let (gone, left): (Vec<Message>, _) = std::mem::take(&mut self.lost).into_iter().partition(theirs);
        self.lost = left;
        for message in &gone {
            self.mark(message, |tracked| std::mem::replace(&mut tracked.excused, true));
        }
    }

    /// Changes the records of a message; whether all of them had been so before.
    fn mark(&mut self, message: &Message, change: impl Fn(&mut Tracked) -> bool) -> Option<bool> {
        let key = numbers(&message.id)?;
        let delivery = self.deliveries.get_mut(&key)?;
        let theirs = delivery.records.iter_mut().filter(|t| message.records.contains(&t.record));
        let before: Vec<bool> = theirs.map(change).collect();
        if !delivery.is_open() {
            self.open.remove(&key);
        }
        Some(before.into_iter().all(|before| before))
    }

    /// Given up, where the operator sees it; or for now.
    pub(crate) fn dead_letter(&mut self, seq: u64, subscription: u64, again: bool) {
        if let Some(delivery) = self.deliveries.get_mut(&(seq, subscription)) {
            for tracked in &mut delivery.records {
                tracked.postponed = again && !tracked.excused;
                tracked.excused = true;
            }
            self.open.remove(&(seq, subscription));
        }
    }

    /// A row that owes again what a letter stands for; whether there is such a one.
    pub(crate) fn revived(
        &mut self,
        seq: u64,
        node: &str,
        item: &str,
        accepted_at: i64,
        list: &[u8],
    ) -> bool {
        let list = owed::decode(list).unwrap_or_default();
        let wanted = |subscription: u64| list.iter().any(|owed| owed.subscription.0 == subscription);
        let stands = |(key, d): (&Key, &Delivery)| {
            let same = (&*d.node, &*d.item, d.accepted_at) == (node, item, accepted_at);
            (same && key.0 < seq && wanted(key.1)).then(|| (*key, d.clone()))
        };
        let mut found = BTreeMap::new();
        for ((_, subscription), delivery) in self.deliveries.iter().filter_map(stands) {
            // The last one counts.
            found.insert((seq, subscription), delivery);
        }
        let any = !found.is_empty();
        for (key, mut delivery) in found {
            for tracked in &mut delivery.records {
                tracked.excused = !std::mem::take(&mut tracked.postponed);
                tracked.arrived = false;
            }
            if delivery.is_open() {
                self.open.insert(key);
            }
            self.deliveries.insert(key, delivery);
        }
        self.by_item.entry((node.to_owned(), item.to_owned())).or_default().push(seq);
        any
    }

    /// Something was rendered: may it leave, and was it owed?
    pub(crate) fn written(
        &mut self,
        people: &People,
        message: &Message,
        wall: Timestamp,
    ) -> Result<(), String> {
        let Some((seq, subscription)) = numbers(&message.id) else {
            return Err(format!("an id of no known kind: {}", message.id));
        };
        let key = (seq, subscription);
        let of_item = || format!("item {} of {} was written to", message.item, message.node);
        let Some(delivery) = self.deliveries.get(&key) else {
            return Err(format!("{} {}, who was owed nothing of it", of_item(), message.to));
        };
        if (&*delivery.node, &*delivery.item, &*delivery.to) != (&*message.node, &*message.item, &*message.to)
        {
            return Err(format!("{} is another delivery now: {message:?}", message.id));
        }
        // What rests on this consent from the first, and what it takes over, leave apart.
        let first = |tracked: &&Tracked| tracked.bases[0] == message.basis;
        let named = |tracked: &&Tracked| message.records.contains(&tracked.record);
        let from_the_first = delivery.records.iter().filter(named).all(|tracked| first(&tracked));
        let permitted: Vec<&Record> = delivery
            .records
            .iter()
            .filter(|tracked| first(tracked) == from_the_first)
            .filter(|tracked| {
                let place = still(people, key, &delivery.to, tracked, wall);
                place.is_some_and(|place| tracked.bases[place] == message.basis)
            })
            .map(|tracked| &tracked.record)
            .collect();
        if let Some(more) = message.records.iter().find(|record| !permitted.contains(record)) {
            return Err(format!(
                "{} {} under {}: the record {more:?} may not leave so",
                of_item(),
                message.to,
                message.basis
            ));
        }
        if message.records.len() < permitted.len() {
            return Err(format!("records are missing in {message:?}, owed are {permitted:?}"));
        }
        self.taken_over += u64::from(!from_the_first);
        let stands_for =
            (message.to.clone(), message.node.clone(), message.item.clone(), message.basis.clone());
        let held = self.origins.entry(message.id.clone()).or_insert_with(|| stands_for.clone());
        if *held != stands_for {
            return Err(format!("the origin id {} stood for {held:?}, now for {stands_for:?}", message.id));
        }
        Ok(())
    }

    /// A ping was written; its id was never used before, in this run or another.
    pub(crate) fn pinged(&mut self, id: &str) -> Result<(), String> {
        let fresh = self.pings.insert(id.to_owned());
        if fresh { Ok(()) } else { Err(format!("the ping id {id} was used before")) }
    }

    /// A copy came back as not reached.
    pub(crate) fn came_back(&mut self, message: &Message) {
        let Some(key) = numbers(&message.id) else { return };
        self.returned.insert((key, message.batch));
        if message.weak {
            self.vouched.insert(key);
        }
    }

    /// The recipient's server took a copy.
    pub(crate) fn arrived(&mut self, message: &Message) -> Result<(), String> {
        let Some(key) = numbers(&message.id) else { return Ok(()) };
        let seq = key.0;
        match self.mark(message, |tracked| std::mem::replace(&mut tracked.arrived, true)) {
            Some(true) => self.duplicates += 1,
            Some(false) => self.delivered += 1,
            None => {}
        }
        let firsts = self.firsts.entry((message.node.clone(), message.to.clone())).or_default();
        if firsts.iter().any(|(held, _)| *held == seq) {
            return Ok(());
        }
        // Within one batch a stream that breaks lets the later ones overtake; never beyond it.
        let withheld = self.deliveries.get(&key).is_some_and(|delivery| {
            let mut theirs = delivery.records.iter().filter(|t| message.records.contains(&t.record));
            theirs.all(|tracked| tracked.excused)
        });
        let overtaken =
            firsts.iter().find(|(later, batch)| *later > seq && !self.returned.contains(&(key, *batch)));
        if let Some((later, _)) = overtaken
            && !message.weak
            && !self.vouched.contains(&key)
            && !withheld
        {
            return Err(format!(
                "item {} ({seq}) of {} came to {} for the first time after the later one ({later})",
                message.item, message.node, message.to
            ));
        }
        firsts.push((seq, message.batch));
        Ok(())
    }

    /// At the end, everything healed and drained.
    pub(crate) fn finish(&self, ever: &HashMap<(String, String), Vec<u64>>) -> Result<(), String> {
        if let Some(key) = self.open.iter().min() {
            let delivery = &self.deliveries[key];
            return Err(format!(
                "item {} of {} (number {}) was acknowledged and owed to {} under {}, and never came ({} such)",
                delivery.item,
                delivery.node,
                key.0,
                delivery.to,
                delivery.records.iter().map(|t| t.bases.join(" or ")).collect::<Vec<_>>().join(", "),
                self.open.len()
            ));
        }
        let lost = self.unbacked.iter().find(|(item, _)| !ever.contains_key(*item));
        if let Some(((node, item), why)) = lost {
            return Err(format!("item {item} of {node}: {why}"));
        }
        let mut last: HashMap<&str, u64> = HashMap::new();
        for ((node, seq), order) in &self.orders {
            let before = last.insert(node, *order).unwrap_or(0);
            if before > *order {
                return Err(format!("the numbers on {node} do not rise as the items came (at {seq})"));
            }
        }
        Ok(())
    }

    /// The domains that are owed something, for a report.
    pub(crate) fn open_domains(&self) -> Vec<String> {
        let mut domains: Vec<String> =
            self.open.iter().map(|key| domain_of(&self.deliveries[key].to).to_owned()).collect();
        domains.sort();
        domains.dedup();
        domains
    }
}

/// The item's number and the subscription's, from a message id.
pub(crate) fn numbers(id: &str) -> Option<(u64, u64)> {
    let mut parts = id.split('-').skip(1).map(|text| u64::from_str_radix(text, 16).ok());
    Some((parts.next()??, parts.next()??))
}
