//! What comes in: a publish becomes rows of the journal, owed to whoever may have them.

use std::sync::Arc;

use super::super::disclosure;
use super::super::intake::{self, Refusal, Verdicts};
use super::super::notice::SUBSCRIPTION;
use super::super::owed::{self, Selection};
use super::super::pack::Pack;
use super::super::reductions::Finished;
use super::super::repetitions::Fingerprint;
use super::super::retained;
use super::super::window::Entry;
use super::{Publish, REVIVED, Relay, Settled};
use crate::domain::clock::Now;
use crate::domain::disclosure::Why;
use crate::domain::subscription::SubscriptionKey;
use crate::protocol::outbox::ID_MAX;
use crate::store::journal::Row;

/// How many dead letters that were taken up are remembered.
const REVIVED_MAX: usize = 65_536;

/// One item that was found right.
#[derive(Debug)]
struct Part {
    node: Arc<str>,
    item: Arc<str>,
    /// The records as they stand in the journal.
    payload: Vec<u8>,
    pack: Pack,
}

impl Part {
    fn new(node: Arc<str>, item: Arc<str>, pack: Pack) -> Result<Self, Refusal> {
        let payload = pack.to_bytes()?;
        pack.check_size(payload.len())?;
        Ok(Part { node, item, payload, pack })
    }

    /// Leaves records out, rising in order; `false` where nothing is left. It is known again by what it was.
    fn leave_out(&mut self, records: &[u32]) -> bool {
        let all = 0..u32::try_from(self.pack.len()).unwrap_or(u32::MAX);
        let rest: Vec<u32> = all.filter(|record| records.binary_search(record).is_err()).collect();
        let read = |bytes: Vec<u8>| Some((Pack::from_bytes(&bytes)?, bytes));
        let rest = (!rest.is_empty()).then(|| self.pack.bytes_of(&Selection::Some(rest)).ok()).flatten();
        match rest.and_then(read) {
            Some((pack, payload)) => {
                (self.pack, self.payload) = (pack, payload);
                true
            }
            None => false,
        }
    }
}

impl Relay {
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
            if id.as_ref().is_some_and(|id| id.len() > ID_MAX) {
                return Err(Refusal::ItemIdTooLong { limit: ID_MAX });
            }
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
            let content = part.pack.content(&part.payload);
            let item = self.repetitions.fingerprint(&part.node, &part.item, content);
            if self.repetitions.knows(&item) {
                self.counts.repeated += 1;
            } else {
                self.append(&publisher, part, &item, now);
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

    fn append(&mut self, publisher: &Arc<str>, mut part: Part, item: &Fingerprint, now: Now) {
        let vacant = intake::vacant(&self.rights, &part.pack, now);
        if !vacant.is_empty() && !part.leave_out(&vacant) {
            return;
        }
        let verdicts = intake::owed(&self.rights, &part.pack, now);
        let row = Row {
            seq: 0,
            accepted_at: now.wall.as_millisecond(),
            publisher: Arc::clone(publisher),
            node: part.node,
            item: part.item,
            digest: item.content(),
            owed: owed::encode(&verdicts.owed),
            payload: part.payload,
        };
        let finished = self.reductions.take(&self.rights, &part.pack, now);
        self.enter(row, part.pack, verdicts, None);
        self.repetitions.take_in(item, self.last_seq);
        self.next.published.push((*item, self.last_seq));
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
    pub(super) fn enter(&mut self, mut row: Row, pack: Pack, verdicts: Verdicts, letter: Option<u64>) {
        self.last_seq += 1;
        row.seq = self.last_seq;
        let again = letter.is_some();
        let decided = disclosure::decided(&self.rights, &pack, &row, &verdicts, again);
        let in_reserve = disclosure::in_reserve(&self.rights, &pack, &row, &verdicts, again);
        for line in decided.into_iter().chain(in_reserve) {
            self.next.bytes += disclosure::footprint(&line);
            self.next.batch.disclosures.push(line);
        }
        if row.digest != REVIVED {
            let kept = retained::retained(&mut self.rights, self.settings.retention, &pack, &row);
            self.next.batch.retained.extend(kept);
        }
        self.next.batch.revived.extend(letter);
        let (publisher, node, item) = (&row.publisher, &row.node, &row.item);
        let (publisher, node, item) = (Arc::clone(publisher), Arc::clone(node), Arc::clone(item));
        let mut entry =
            Entry::new(row.seq, row.accepted_at, publisher, node, item).holding(pack, verdicts.owed);
        // What is taken up again was decided long ago.
        entry.version = if letter.is_none() { self.rights.version() } else { 0 };
        entry.letter = letter;
        self.next.bytes += entry.size + row.payload.len() + row.owed.len();
        self.next.entries.push(entry);
        self.next.batch.rows.push(row);
    }

    /// Owes a dead letter again, to its recipient alone, as a new row of the journal. `row` is what it was
    /// in the journal.
    ///
    /// `anew`: its time to live begins again, as the operator wants it; else it was postponed.
    pub fn revive(&mut self, letter: u64, subscription: u64, mut row: Row, anew: bool, now: Now) {
        if !self.revived.insert(letter) {
            return;
        }
        if subscription == SUBSCRIPTION {
            return self.revive_notice(letter, row, anew, now);
        }
        let (Some(mut owed), Some(pack)) = (owed::decode(&row.owed), Pack::from_bytes(&row.payload)) else {
            tracing::warn!(seq = row.seq, "a row of the journal cannot be read and is passed over");
            return;
        };
        // Letters are numbered in order: the first ones are long gone from the store.
        if self.revived.len() > REVIVED_MAX {
            self.revived.pop_first();
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
}
