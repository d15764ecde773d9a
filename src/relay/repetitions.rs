//! Which items were published, and with what content, so that the same one published again is known again.
//!
//! Gateways have hundreds of publishes under way when a link breaks, and repeat them all. An item is known from its
//! acceptance until some time after it was delivered everywhere (`relay::pruning`), however many came between. What
//! is kept of one is the hash of its node and id, the 128-bit hash of its content, and where it stands in the journal;
//! hashes are keyed with a secret of the installation, so that nobody can make two contents that pass for one.
//!
//! - What is not committed yet is known too, for as long as its commit may succeed.
//! - The last content of an id counts. A, B, A is a correction back to A.
//! - There are at most so many. Beyond that the oldest of the node that has most is forgotten, so that one busy node
//!   does not make others forget.
//! - What is over is not known at once, and taken out little by little ([`Repetitions::pass`]).

mod table;

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::hash::Hasher;
use std::num::NonZeroU64;
use std::time::Duration;

use rustc_hash::FxHashMap;
use siphasher::sip128::{Hasher128, SipHasher13};

use self::table::Table;
use super::rows::{NOWHERE, Numbered, Rows};

/// The most items that can be remembered, whatever is configured.
const MOST: usize = 1 << 30;

/// The nodes with most items that are looked for at once.
const CROWD: usize = 64;

/// All remembered items are looked through once in so many calls of [`Repetitions::pass`].
const ROUND: u32 = 512;

/// Places that are looked at in one call, at least.
const LOOK_MIN: u32 = 64;

/// Set where the rest is no number in the journal, but the time since which nobody is owed the item.
const SINCE: u32 = 1 << 31;

/// Set where an earlier number in the journal may be owed too, so that the item is over when all up to its number is.
const AGAIN: u32 = 1 << 30;

/// The secret that hashes are keyed with: the same in every run of an installation, and nowhere else.
#[derive(Clone)]
pub struct Key(pub [u8; 16]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// An item and its content, as keyed hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    node: NonZeroU64,
    /// Of node and id.
    item: NonZeroU64,
    content: [u64; 2],
}

impl Fingerprint {
    /// Of node, id and content: never 0, and never below 2^64.
    pub fn content(&self) -> u128 {
        u128::from(self.content[1]) << 64 | u128::from(self.content[0])
    }
}

/// What is delivered by now.
#[derive(Debug, Clone, Copy)]
pub struct Delivered {
    /// Up to here in the journal, long enough ago for all to be over.
    pub over: u64,
    /// Up to here.
    pub free: u64,
    /// What nobody was owed any more at this time is over too.
    pub since: Option<Duration>,
    /// How often to ask, at most, whether somebody is owed what comes behind `free`.
    pub questions: usize,
}

/// What is kept of an item.
#[derive(Debug)]
struct Known {
    item: NonZeroU64,
    content: [u64; 2],
    /// Its node's place.
    node: u32,
    /// The places of the one before and the one behind it on the same node.
    before: u32,
    after: u32,
    when: When,
}

/// The last bits of its number in the journal ([`AGAIN`] beside them), or since when nobody is owed it ([`SINCE`], in
/// seconds).
#[derive(Debug, Clone, Copy)]
struct When(u32);

/// A node that items are known of.
#[derive(Debug)]
struct Node {
    name: NonZeroU64,
    /// Its oldest item, and its newest.
    first: u32,
    last: u32,
    count: u32,
    /// When its oldest item came.
    oldest: When,
}

impl Numbered for Node {
    fn number(&self) -> u64 {
        self.name.get()
    }
}

/// An item that is not committed yet.
#[derive(Debug)]
struct Pending {
    node: NonZeroU64,
    content: [u64; 2],
    seq: u64,
}

/// A node, or an item, that was retracted while the journal was being written up to there.
#[derive(Debug)]
struct Struck {
    name: NonZeroU64,
    upto: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Repetitions {
    key: Key,
    most: usize,
    items: Table,
    nodes: Rows<Node>,
    pending: FxHashMap<u64, Pending>,
    struck: Vec<Struck>,
    /// The last number in the journal that is known of.
    last: u64,
    /// Up to here all is over.
    over: u64,
    /// Since this second nobody is owed what is over by now.
    over_since: u32,
    /// Where [`Self::pass`] goes on.
    place: u32,
    /// The nodes with most items, when they were looked for, and how often they are good for.
    crowd: Vec<u32>,
    crowd_lasts: usize,
    forgotten: u64,
}

impl Repetitions {
    /// Remembers nothing yet, and never more than so many.
    pub fn new(key: Key, most: usize) -> Self {
        Repetitions {
            key,
            most: most.clamp(1, MOST),
            items: Table::new(),
            nodes: Rows::default(),
            pending: FxHashMap::default(),
            struck: Vec::new(),
            last: 0,
            over: 0,
            over_since: 0,
            place: 0,
            crowd: Vec::new(),
            crowd_lasts: 0,
            forgotten: 0,
        }
    }

    /// Makes room at once for so many that are to be remembered.
    pub fn reserve(&mut self, more: usize) {
        self.items.reserve(more.min(self.most - self.items.len().min(self.most)));
    }

    /// Of an item as it came. `content` is the same for the same content alone ([`super::pack::Pack::content`]).
    pub fn fingerprint(&self, node: &str, item: &str, content: &[u8]) -> Fingerprint {
        let (mut hasher, node, item) = self.name(node, item);
        hasher.write(content);
        let content = hasher.finish128();
        Fingerprint { node, item, content: [content.h1, content.h2.max(1)] }
    }

    /// Of an item as the journal has it.
    pub fn recorded(&self, node: &str, item: &str, content: u128) -> Fingerprint {
        let (_, node, item) = self.name(node, item);
        Fingerprint { node, item, content: [content as u64, (content >> 64) as u64] }
    }

    /// What was hashed of node and item, and what it came to.
    fn name(&self, node: &str, item: &str) -> (SipHasher13, NonZeroU64, NonZeroU64) {
        let mut hasher = SipHasher13::new_with_key(&self.key.0);
        hasher.write(node.as_bytes());
        let node = some(hasher.finish());
        // No name has such an octet.
        hasher.write(&[0xff]);
        hasher.write(item.as_bytes());
        hasher.write(&[0xff]);
        let item = some(hasher.finish());
        (hasher, node, item)
    }

    /// Whether this very content was published last under this id.
    pub fn knows(&self, item: &Fingerprint) -> bool {
        if let Some(pending) = self.pending.get(&item.item.get()) {
            return pending.content == item.content;
        }
        let known = self.items.find(item.item).and_then(|at| self.items.at(at));
        known.is_some_and(|known| known.content == item.content && !self.is_over(known.when))
    }

    /// An item was taken in under this number, and is known unless its commit fails.
    pub fn take_in(&mut self, item: &Fingerprint, seq: u64) {
        let pending = Pending { node: item.node, content: item.content, seq };
        self.pending.insert(item.item.get(), pending);
    }

    /// An item is in the journal, behind all that were.
    pub fn keep(&mut self, item: &Fingerprint, seq: u64) {
        if let Entry::Occupied(pending) = self.pending.entry(item.item.get())
            && pending.get().seq == seq
        {
            pending.remove();
        }
        self.last = self.last.max(seq);
        let struck = |struck: &Struck| seq <= struck.upto && [item.item, item.node].contains(&struck.name);
        if self.struck.iter().any(struck) {
            return;
        }
        if let Some(at) = self.items.find(item.item) {
            self.unlink(at);
            if let Some(known) = self.items.at_mut(at) {
                (known.content, known.when) = (item.content, When::number(seq));
            }
            return self.link(at, item.node);
        }
        if self.items.len() >= self.most {
            self.make_room();
        }
        let known = Known {
            item: item.item,
            content: item.content,
            node: NOWHERE,
            before: NOWHERE,
            after: NOWHERE,
            when: When::number(seq),
        };
        let at = self.items.insert(known);
        self.link(at, item.node);
    }

    /// An item that is known is owed again, under this number.
    pub fn renew(&mut self, node: &str, item: &str, seq: u64) {
        self.last = self.last.max(seq);
        let (_, _, id) = self.name(node, item);
        let Some(known) = self.items.find(id).and_then(|at| self.items.at(at)) else { return };
        if !self.is_over(known.when) {
            let (node, content) = (known.node, known.content);
            let Some(node) = self.nodes.at(node).map(|row| row.name) else { return };
            self.keep(&Fingerprint { node, item: id, content }, seq);
            // Others may still be owed it under its first number.
            if let Some(known) = self.items.find(id).and_then(|at| self.items.at_mut(at)) {
                known.when = When(When::number(seq).0 | AGAIN);
            }
        }
    }

    /// The commit ended; `kept` items were told to [`Self::keep`] before, and without nothing of what was taken in is
    /// left.
    pub fn committed(&mut self, kept: bool) {
        self.struck.clear();
        if !kept {
            self.pending.clear();
        }
    }

    /// An item was retracted, or all of a node: published again, it is new. `upto` is the last number that the journal
    /// has, or may have by now.
    pub fn forget(&mut self, node: &str, item: Option<&str>, upto: u64) {
        let (_, node, id) = self.name(node, item.unwrap_or_default());
        match item {
            Some(_) => self.items.find(id).into_iter().for_each(|at| self.remove(at)),
            None => {
                while let Some(first) = self.nodes.get(node.get()).map(|node| node.first) {
                    self.remove(first);
                }
            }
        }
        if self.pending.is_empty() {
            return;
        }
        let name = if item.is_some() { id } else { node };
        let is_struck = |id: u64, held: &Pending| held.seq <= upto && (id == name.get() || held.node == name);
        self.pending.retain(|id, held| !is_struck(*id, held));
        self.struck.push(Struck { name, upto });
    }

    /// Time passed. `is_owed` tells whether somebody is owed an item of the journal.
    pub fn pass(&mut self, now: Duration, delivered: &Delivered, is_owed: impl Fn(u64) -> bool) {
        let Delivered { over, free, since, mut questions } = *delivered;
        self.over = self.over.max(over);
        self.over_since = since.map_or(0, seconds);
        let span = self.items.end();
        for _ in 0..(span / ROUND).max(LOOK_MIN).min(span) {
            if self.place >= self.items.end() {
                self.place = 0;
            }
            let at = self.place;
            self.place += 1;
            let Some(when) = self.items.at(at).map(|known| known.when) else { continue };
            if self.is_over(when) {
                self.remove(at);
            } else if let Some(seq) = when.seq(self.last).filter(|seq| *seq > free && !when.is_again()) {
                if questions == 0 {
                    self.place = at;
                    return;
                }
                questions -= 1;
                if !is_owed(seq)
                    && let Some(known) = self.items.at_mut(at)
                {
                    known.when = When(SINCE | seconds(now));
                }
            }
        }
    }

    /// How many items are remembered.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.items.len() == 0
    }

    /// How many were forgotten before their time, since there were too many; since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    fn is_over(&self, when: When) -> bool {
        match when.seq(self.last) {
            Some(seq) => seq <= self.over,
            None => when.0 & !SINCE < self.over_since,
        }
    }

    fn make_room(&mut self) {
        let Some(node) = self.busiest() else { return };
        let Some(first) = self.nodes.at(node).map(|node| node.first) else { return };
        let Some(when) = self.items.at(first).map(|known| known.when) else { return };
        if !self.is_over(when) {
            self.forgotten += 1;
        }
        self.remove(first);
    }

    /// The place of the node that has most items; of several, the one whose oldest is the oldest. Of many nodes, those
    /// that have most are looked for now and then.
    fn busiest(&mut self) -> Option<u32> {
        let last = self.last;
        let size = |place: &u32| {
            let row = self.nodes.at(*place)?;
            Some((row.count, Reverse(row.oldest.seq(last))))
        };
        if self.crowd_lasts == 0 || self.crowd.iter().all(|place| size(place).is_none()) {
            self.crowd = (0..self.nodes.end()).filter(|place| size(place).is_some()).collect();
            if self.crowd.len() > CROWD {
                self.crowd.select_nth_unstable_by_key(CROWD - 1, |place| Reverse(size(place)));
                self.crowd.truncate(CROWD);
            }
            self.crowd_lasts = self.nodes.len() / CROWD;
        }
        self.crowd_lasts = self.crowd_lasts.saturating_sub(1);
        self.crowd.iter().copied().max_by_key(size)
    }

    fn remove(&mut self, at: u32) {
        self.unlink(at);
        self.items.remove(at);
    }

    /// Puts an item behind the others of its node.
    fn link(&mut self, at: u32, name: NonZeroU64) {
        let Some(oldest) = self.items.at(at).map(|known| known.when) else { return };
        let node = match self.nodes.place_of(name.get()) {
            Some(node) => node,
            None => self.nodes.insert(Node { name, first: at, last: NOWHERE, count: 0, oldest }),
        };
        let Some(row) = self.nodes.at_mut(node) else { return };
        let before = std::mem::replace(&mut row.last, at);
        row.count += 1;
        if let Some(known) = self.items.at_mut(before) {
            known.after = at;
        }
        if let Some(known) = self.items.at_mut(at) {
            (known.node, known.before, known.after) = (node, before, NOWHERE);
        }
    }

    /// Takes an item out of the row of its node.
    fn unlink(&mut self, at: u32) {
        let Some(known) = self.items.at(at) else { return };
        let (node, before, after) = (known.node, known.before, known.after);
        if let Some(known) = self.items.at_mut(before) {
            known.after = after;
        }
        let mut next = None;
        if let Some(known) = self.items.at_mut(after) {
            known.before = before;
            next = Some(known.when);
        }
        let Some(row) = self.nodes.at_mut(node) else { return };
        row.count -= 1;
        if row.first == at {
            row.first = after;
            row.oldest = next.unwrap_or(row.oldest);
        }
        if row.last == at {
            row.last = before;
        }
        if row.count == 0 {
            let name = row.name.get();
            self.nodes.remove(name);
        }
    }
}

impl When {
    fn number(seq: u64) -> Self {
        When(seq as u32 & (AGAIN - 1))
    }

    fn is_again(self) -> bool {
        self.0 & (SINCE | AGAIN) == AGAIN
    }

    /// Its number in the journal, which is not behind `last`, unless it is a time.
    fn seq(self, last: u64) -> Option<u64> {
        let back = (last as u32).wrapping_sub(self.0) & (AGAIN - 1);
        (self.0 & SINCE == 0).then(|| last.saturating_sub(back.into()))
    }
}

fn seconds(at: Duration) -> u32 {
    at.as_secs() as u32 & !SINCE
}

fn some(hash: u64) -> NonZeroU64 {
    NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests;
