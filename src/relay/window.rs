//! The accepted items that are in memory, so that they need not be read from the journal: as many as there
//! is room for, the youngest.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::notice::Notice;
use super::owed::{Owed, Selection};
use super::pack::Pack;
use crate::domain::subscription::Format;

/// The contents of the messages that carry a selection.
pub(super) type Parts = Arc<[Vec<u8>]>;

/// One accepted item.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    /// Milliseconds since 1970.
    pub(super) accepted_at: i64,
    pub(super) publisher: Arc<str>,
    pub(super) node: Arc<str>,
    pub(super) item: Arc<str>,
    pub(super) owed: Vec<Owed>,
    pub(super) pack: Pack,
    /// What it tells, where it is no item.
    pub(super) notice: Option<Notice>,
    /// What was written of it, by selection and format: one serves all who are owed the same.
    pub(super) rendered: Vec<(Selection, Format, Parts)>,
    /// How many destinations still need it here.
    pub(super) wanted: usize,
    /// About how much memory it takes, in bytes.
    pub(super) size: usize,
    /// The dead letter that it revives.
    pub(super) letter: Option<u64>,
    /// What of `owed` the disclosure log was told not to be sent.
    pub(super) told: Vec<usize>,
    /// The count of changes of registrations at which it was decided (see
    /// [`Rights::version`](super::rights::Rights::version)); 0: not known.
    pub(super) version: u64,
    /// Its place in the order of the window.
    age: u64,
}

impl Entry {
    /// About how much memory an item takes before anything of it is written.
    pub(super) fn footprint(pack: &Pack, owed: &[Owed]) -> usize {
        pack.footprint() + owed.iter().map(Owed::footprint).sum::<usize>() + 400
    }

    /// An item that is nowhere yet.
    pub(super) fn new(
        seq: u64,
        accepted_at: i64,
        publisher: Arc<str>,
        node: Arc<str>,
        item: Arc<str>,
    ) -> Self {
        Entry {
            seq,
            accepted_at,
            publisher,
            node,
            item,
            owed: Vec::new(),
            pack: Pack::default(),
            notice: None,
            rendered: Vec::new(),
            wanted: 0,
            size: 0,
            letter: None,
            told: Vec::new(),
            version: 0,
            age: 0,
        }
    }

    /// The same, with what it holds and who is owed what of it.
    pub(super) fn holding(mut self, pack: Pack, owed: Vec<Owed>) -> Self {
        self.size = Self::footprint(&pack, &owed);
        self.pack = pack;
        self.owed = owed;
        self
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    entries: FxHashMap<u64, Entry>,
    /// What is in it, oldest first.
    order: BTreeMap<u64, u64>,
    last_age: u64,
    bytes: usize,
    /// How many bytes may be in it.
    pub(super) limit: usize,
}

impl Window {
    pub(super) fn new(limit: usize) -> Self {
        Window { entries: FxHashMap::default(), order: BTreeMap::new(), last_age: 0, bytes: 0, limit }
    }

    pub(super) fn holds(&self, seq: u64) -> bool {
        self.entries.contains_key(&seq)
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq)
    }

    /// How many items are in it, and how many bytes they are counted as.
    pub(super) fn size(&self) -> (usize, usize) {
        debug_assert_eq!(self.entries.len(), self.order.len());
        (self.entries.len(), self.bytes)
    }

    /// Takes an item in, as the youngest; the oldest make room.
    pub(super) fn keep(&mut self, mut entry: Entry) {
        self.last_age += 1;
        entry.age = self.last_age;
        self.bytes += entry.size;
        self.order.insert(entry.age, entry.seq);
        self.entries.insert(entry.seq, entry);
        while self.bytes > self.limit && self.entries.len() > 1 {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.remove(oldest);
        }
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Entry> {
        let entry = self.entries.remove(&seq)?;
        self.order.remove(&entry.age);
        self.bytes -= entry.size;
        Some(entry)
    }

    /// One destination less needs the item here.
    pub(super) fn release(&mut self, seq: u64) {
        if let Some(entry) = self.entries.get_mut(&seq) {
            entry.wanted = entry.wanted.saturating_sub(1);
            if entry.wanted == 0 {
                self.remove(seq);
            }
        }
    }

    /// Works with an item, which may change its size by it.
    pub(super) fn with<T>(&mut self, seq: u64, work: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&seq)?;
        let before = entry.size;
        let done = work(entry);
        self.bytes = self.bytes + entry.size - before;
        Some(done)
    }
}
