//! What was published before, as a gateway may count on it: the last content of an item is known from its acceptance
//! until some time after it was delivered everywhere, and nothing else is.

use std::collections::{BTreeMap, HashMap};

use super::story::Millis;
use super::wire::Record;

/// Node and id.
type Item = (String, String);

/// An item, the records that were published under it, and whether it is a row for certain.
type Published = (Item, Vec<Record>, bool);

/// The last content of an item that is on the disk.
#[derive(Debug)]
struct Last {
    seq: u64,
    records: Vec<Record>,
    /// Since when it is there.
    since: Millis,
}

/// One installation's.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    kept: HashMap<Item, Last>,
    /// What was taken in and is not on the disk, in order.
    pending: Vec<Published>,
    /// When first copies of a number last arrived.
    arrived: BTreeMap<u64, Millis>,
    pub(crate) known: u64,
    pub(crate) corrections: u64,
}

impl Repeats {
    /// A publish was accepted, and so many of its items as new. `waits` says whether somebody is owed a number that
    /// did not arrive. Which items are new, or that it is wrong.
    pub(crate) fn accepted(
        &mut self,
        node: &str,
        items: &[(String, Vec<Record>)],
        new: usize,
        (now, keep): (Millis, Millis),
        waits: impl Fn(u64) -> bool,
    ) -> Result<Vec<bool>, String> {
        let before = self.pending.len();
        let mut fresh = Vec::new();
        let mut over = Vec::new();
        for (id, records) in items {
            let item = (node.to_owned(), id.clone());
            let pending = self.pending.iter().rev().find(|(held, ..)| *held == item);
            let kept = self.kept.get(&item);
            let last = pending.map(|(_, records, _)| records).or(kept.map(|last| &last.records));
            let is_over = match pending {
                Some((_, _, is_certain)) => !is_certain,
                None => kept.is_some_and(|last| {
                    let arrived = self.arrived.get(&last.seq).copied().unwrap_or_default();
                    !waits(last.seq) && last.since.max(arrived) + keep <= now
                }),
            };
            let is_new = last != Some(records);
            self.corrections += u64::from(is_new && last.is_some());
            self.known += u64::from(!is_new && !is_over);
            if is_new {
                self.pending.push((item, records.clone(), true));
            }
            fresh.push(is_new);
            over.push(!is_new && is_over);
        }
        let (least, most) = (self.pending.len() - before, over.iter().filter(|over| **over).count());
        if new < least || new > least + most {
            return Err(format!(
                "of {items:?} on {node} {new} became rows; new are {fresh:?}, and may be new again {over:?}"
            ));
        }
        if new > least {
            for (place, _) in over.iter().enumerate().filter(|(_, over)| **over) {
                let (id, records) = &items[place];
                // Of some of several that may be new again it is not said which.
                let is_certain = new == least + most;
                self.pending.push(((node.to_owned(), id.clone()), records.clone(), is_certain));
                fresh[place] = true;
            }
        }
        Ok(fresh)
    }

    /// A row is on the disk.
    pub(crate) fn durable(&mut self, node: &str, item: &str, seq: u64, since: Millis) {
        let item = (node.to_owned(), item.to_owned());
        let Some(place) = self.pending.iter().position(|(held, ..)| *held == item) else { return };
        let (item, records, _) = self.pending.remove(place);
        self.kept.insert(item, Last { seq, records, since });
    }

    /// What is not on the disk is nowhere.
    pub(crate) fn lost(&mut self) {
        self.pending.clear();
    }

    /// A copy arrived.
    pub(crate) fn arrived(&mut self, seq: u64, now: Millis) {
        self.arrived.insert(seq, now);
    }
}
