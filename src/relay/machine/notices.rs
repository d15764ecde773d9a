//! Notices: taken over from the store into the journal, and delivered from there in a lane of their own.
//!
//! The lane is a second [`Deliveries`], the same machine as that of the items: at each destination it has a batch, a
//! barrier and a cursor of its own, so that a person's notice does not wait behind somebody's queue of items. A row
//! of a notice is owed to one address; nothing that is owed to one destination holds up another's.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::delivery::{Deliveries, Patience, Suspect};
use super::super::intake;
use super::super::notice::{Addressee, Notice, Purpose, SUBSCRIPTION};
use super::super::pack::Pack;
use super::super::postponed::PostponedDeliveries;
use super::super::window::Entry;
use super::trials::STREAM_ERROR;
use super::{BEHIND, Bounce, REVIVED, Relay, TOO_LARGE};
use crate::domain::clock::Now;
use crate::domain::consent::{ConsentKey, State};
use crate::domain::decision::Standing;
use crate::protocol::outbox::Outbox;
use crate::store::journal::{DeadLetter, Outline, Row};

/// The condition of what was not taken in its time.
const EXPIRED: &str = "time-to-live-over";

/// How many notices are told apart by their address when they come back.
const ADDRESSEES_MAX: usize = 65_536;

/// Of what strangers cause, so much may wait for one destination, and so many letters be kept of it: what is over is
/// not told.
pub(super) const UNANSWERED_MAX: usize = 1000;

/// So many notices are over at once.
const OVER_AT_ONCE: usize = 512;

/// Destinations that are remembered though nothing waits for them.
const IDLE_MAX: usize = 10_000;

/// What is known of notices.
#[derive(Debug)]
pub(super) struct Notices {
    /// The lane.
    pub(super) deliveries: Deliveries,
    pub(super) postponed: PostponedDeliveries,
    /// To whom notices that may come back went.
    addressees: BTreeMap<u64, Addressee>,
    /// Given up in an earlier run.
    dead: HashSet<u64>,
    /// Requests that wait and of which the journal has a question.
    questions: HashSet<ConsentKey>,
    /// Letters of what strangers caused, by destination, in this run.
    unanswered: HashMap<Arc<str>, usize>,
    /// Not owed any more, since when: as long as a row of the journal stays, what comes back late is sent again.
    told: VecDeque<(Duration, u64)>,
    /// Taken over, not committed.
    taking: usize,
}

/// What the store has to tell: its number, what it is about, and what is to be sent.
#[derive(Debug)]
pub struct Telling {
    /// Its number in the store, from which it goes with the commit.
    pub key: u64,
    /// When it happened, milliseconds since 1970.
    pub at: i64,
    /// The consent that it is about, as operators see it.
    pub about: Arc<str>,
    /// What happened to it.
    pub step: Arc<str>,
    /// To whom what is said.
    pub notices: Vec<Notice>,
}

impl Notices {
    pub(super) fn new(patience: Patience, seed: u64, time_to_live: Duration) -> Self {
        let mut deliveries = Deliveries::new(patience, seed ^ 1);
        deliveries.look_for_expired(time_to_live);
        Notices {
            deliveries,
            postponed: PostponedDeliveries::default(),
            addressees: BTreeMap::new(),
            dead: HashSet::new(),
            questions: HashSet::new(),
            unanswered: HashMap::new(),
            told: VecDeque::new(),
            taking: 0,
        }
    }

    fn remember(&mut self, seq: u64, to: &Addressee) {
        if self.addressees.len() >= ADDRESSEES_MAX && !self.addressees.contains_key(&seq) {
            self.addressees.pop_first();
        }
        self.addressees.insert(seq, to.clone());
    }

    /// Notices to an address wait since an earlier run, for so long still.
    pub(super) fn know_postponed(&mut self, address: &str, left: Duration, now: Duration, most: Duration) {
        self.postponed.know(person(address), left, now, most);
    }

    /// A request was answered, or is over: to be asked for an answer is no use any more.
    pub(super) fn consent_is(&mut self, key: ConsentKey, state: Option<State>) {
        if state != Some(State::Requested) {
            self.questions.remove(&key);
        }
    }

    /// It is not owed any more.
    pub(super) fn told(&mut self, seq: u64, now: Now) {
        self.told.push_back((now.mono, seq));
    }

    /// That it is over could not be written.
    pub(super) fn over_again(&mut self, seq: u64) {
        self.told.push_front((Duration::ZERO, seq));
    }

    fn is_pointless(&self, to: &Addressee) -> bool {
        to.purpose == Purpose::Question && !self.questions.contains(&to.consent)
    }

    /// How much of what is taken over is not committed is known no more: it is in the journal now, or still in the
    /// store.
    pub(super) fn settled(&mut self, taking: usize) {
        self.taking = taking;
    }

    /// Its own destinations are remembered without end, but for those that strangers made up.
    pub(super) fn tidy_up(&mut self) {
        self.deliveries.forget_idle(IDLE_MAX);
    }
}

/// Whose notices wait behind one that came back.
fn person(address: &str) -> u64 {
    intake::hash(address.split('/').next().unwrap_or_default().as_bytes())
}

impl Relay {
    /// Takes a notice over: with the next commit the journal has it, and the store no more.
    pub fn take_notice(&mut self, telling: Telling) {
        let Telling { key, at, about, step, notices } = telling;
        self.next.batch.notices.push(key);
        self.notices.taking += 1;
        for notice in notices {
            let waiting = self.notices.deliveries.owed_to(notice.to.domain());
            if notice.to.purpose == Purpose::Unanswered && waiting >= UNANSWERED_MAX {
                self.counts.withheld += 1;
                tracing::debug!("too much waits for a destination; what was not given is not told there");
                continue;
            }
            if notice.to.purpose == Purpose::Question {
                self.notices.questions.insert(notice.to.consent);
            }
            let row = Row {
                seq: 0,
                accepted_at: at,
                publisher: self.settings.jid.as_str().into(),
                node: Arc::clone(&about),
                item: Arc::clone(&step),
                digest: REVIVED,
                owed: notice.to.encode(),
                payload: notice.message.clone(),
            };
            self.enter_notice(row, notice, None);
        }
    }

    /// How much was taken over that is not committed.
    pub fn notices_uncommitted(&self) -> usize {
        self.notices.taking
    }

    /// How many notices wait.
    pub fn untold(&self) -> usize {
        self.notices.deliveries.waiting()
    }

    /// Takes in how far a destination is with notices. Before [`Self::recover`].
    pub fn know_noticed(&mut self, domain: &str, seq: u64) {
        self.notices.deliveries.know_confirmed(&domain.into(), seq);
    }

    /// Notes a notice that was given up in an earlier run. Before [`Self::recover`].
    pub(super) fn know_dead_notice(&mut self, seq: u64) {
        self.notices.dead.insert(seq);
    }

    /// Takes in a notice of the journal from an earlier run. Whether it is one.
    pub(super) fn recover_notice(&mut self, outline: &Outline) -> bool {
        if !Addressee::is_one(&outline.owed) {
            return false;
        }
        let Some(to) = Addressee::decode(&outline.owed) else {
            tracing::warn!(seq = outline.seq, "a notice in the journal cannot be read and is passed over");
            return true;
        };
        let waits = self.rights.consent(to.consent).is_some_and(|c| c.extent().state == State::Requested);
        if to.purpose == Purpose::Question && waits {
            self.notices.questions.insert(to.consent);
        }
        self.notices.remember(outline.seq, &to);
        if self.notices.dead.contains(&outline.seq) || !self.owe_notice(&to, outline.seq) {
            self.notices.told.push_back((Duration::ZERO, outline.seq));
        }
        true
    }

    /// Of notices that are not owed any more, the rows go like those of items.
    pub(super) fn note_told(&mut self, now: Now) {
        let since = now.mono.checked_sub(self.pruning.keep);
        for _ in 0..OVER_AT_ONCE {
            let over = |(told, _): &mut (Duration, u64)| since.is_some_and(|since| *told <= since);
            let Some((_, seq)) = self.notices.told.pop_front_if(over) else { return };
            // It may have come back late.
            match self.notices.deliveries.is_owed(seq) {
                true => self.notices.told.push_back((now.mono, seq)),
                false => self.next.batch.over.push(seq),
            }
        }
    }

    /// The lane owes a notice from now on.
    pub(super) fn owe_notice(&mut self, to: &Addressee, seq: u64) -> bool {
        let domain: Arc<str> = to.domain().into();
        if self.deliveries.answers_pings(&domain) {
            self.notices.deliveries.learn(&domain);
        }
        self.notices.deliveries.owe(&domain, seq)
    }

    /// Puts a notice at the end of the journal.
    pub(super) fn enter_notice(&mut self, mut row: Row, notice: Notice, letter: Option<u64>) {
        self.last_seq += 1;
        row.seq = self.last_seq;
        self.next.batch.revived.extend(letter);
        let (publisher, node, item) = (&row.publisher, &row.node, &row.item);
        let (publisher, node, item) = (Arc::clone(publisher), Arc::clone(node), Arc::clone(item));
        let mut entry = Entry::new(row.seq, row.accepted_at, publisher, node, item).telling(notice);
        entry.letter = letter;
        self.next.bytes += entry.size + row.payload.len() + row.owed.len();
        self.next.entries.push(entry);
        self.next.batch.rows.push(row);
    }

    /// A notice that was taken up again could not be written: nobody else would ask for it.
    pub(super) fn enter_notice_again(&mut self, entry: &Entry, notice: Notice, letter: u64) {
        let row = Row {
            seq: 0,
            accepted_at: entry.accepted_at,
            publisher: Arc::clone(&entry.publisher),
            node: Arc::clone(&entry.node),
            item: Arc::clone(&entry.item),
            digest: REVIVED,
            owed: notice.to.encode(),
            payload: notice.message.clone(),
        };
        self.enter_notice(row, notice, Some(letter));
    }

    /// Writes a notice to its destination, if it is still worth telling.
    pub(super) fn write_notice(&mut self, domain: &Arc<str>, seq: u64, now: Now, out: &mut Outbox) {
        if self.notices.deliveries.is_dead(domain, seq, SUBSCRIPTION) {
            return;
        }
        let Some(entry) = self.window.get(seq) else { return };
        let Some(notice) = &entry.notice else { return };
        if self.notices.is_pointless(&notice.to) {
            self.counts.withheld += 1;
            return;
        }
        self.notices.remember(seq, &notice.to);
        let expired = now.is_later_by(entry.accepted_at, self.settings.time_to_live);
        let waits = self.notices.postponed.holds(person(&notice.to.to), now.mono);
        if !expired && !waits {
            let id = format!("{}-{seq:x}-{SUBSCRIPTION}", self.settings.installation);
            if out.stanza(|out| notice.write(&id, out)) {
                self.counts.sent += 1;
                return;
            }
            self.notices.deliveries.know_dead(domain, seq, SUBSCRIPTION);
            return self.notice_dead(seq, TOO_LARGE.to_owned(), false, now);
        }
        self.notices.deliveries.know_dead(domain, seq, SUBSCRIPTION);
        if expired {
            self.counts.expired += 1;
            self.notice_dead(seq, EXPIRED.to_owned(), false, now);
        } else {
            self.notice_dead(seq, BEHIND.to_owned(), true, now);
        }
    }

    /// The time of a notice is over that a destination that is down was owed.
    pub(super) fn expire_notice(&mut self, row: &Row, now: Now) {
        let Some(to) = Addressee::decode(&row.owed) else { return };
        self.counts.expired += 1;
        if !self.notices.is_pointless(&to) {
            self.notices.remember(row.seq, &to);
            self.notice_dead(row.seq, EXPIRED.to_owned(), false, now);
        }
    }

    /// A notice came back. Only the address it was sent to can say so.
    pub(super) fn notice_bounced(&mut self, seq: u64, bounce: &Bounce, not_reached: bool, transient: bool) {
        let Some(to) = self.notices.addressees.get(&seq) else { return };
        if to.bare() != bounce.from.as_str() {
            return;
        }
        let domain: Arc<str> = to.domain().into();
        let condition = bounce.condition.clone();
        let suspect = Suspect { seq, subscription: SUBSCRIPTION, condition, transient };
        if not_reached {
            self.notices.deliveries.not_reached(&domain, suspect);
        } else {
            self.notices.deliveries.came_back(&domain, suspect);
        }
    }

    /// What came back is kept where the operator can see it.
    pub(super) fn bury_notices(&mut self, now: Now) {
        for Suspect { seq, condition, transient, .. } in self.notices.deliveries.take_given_up() {
            self.notice_dead(seq, condition, transient, now);
        }
    }

    /// What ended the stream is set aside.
    pub(super) fn set_notices_aside(&mut self, now: Now) {
        for (seq, owed) in self.notices.deliveries.take_set_aside() {
            tracing::warn!(
                seq,
                "our own server ended the stream when it was written this notice; it is set aside: see `courant queue dead-letters`"
            );
            for (domain, _) in owed {
                if !self.notices.deliveries.is_dead(&domain, seq, SUBSCRIPTION) {
                    self.notices.deliveries.know_dead(&domain, seq, SUBSCRIPTION);
                    self.notice_dead(seq, STREAM_ERROR.to_owned(), false, now);
                }
            }
        }
    }

    fn notice_dead(&mut self, seq: u64, condition: String, transient: bool, now: Now) {
        self.counts.dead += 1;
        let Some(to) = self.notices.addressees.get(&seq) else {
            tracing::warn!(
                seq,
                condition,
                "a notice came back, and it is not known any more for whom it was"
            );
            return;
        };
        if to.purpose == Purpose::Unanswered {
            let letters = self.notices.unanswered.entry(to.domain().into()).or_default();
            if *letters >= UNANSWERED_MAX {
                tracing::debug!(
                    seq,
                    condition,
                    "too many notices to strangers came back from one destination"
                );
                return;
            }
            *letters += 1;
        }
        let retry_max = self.settings.patience.retry_max;
        let wait = transient.then(|| self.notices.postponed.postpone(person(&to.to), now.mono, retry_max));
        let at = now.wall.as_millisecond();
        let entry = self.window.get(seq);
        self.next.batch.dead_letters.push(DeadLetter {
            seq,
            subscription: SUBSCRIPTION,
            jid: to.to.to_string(),
            node: entry.map(|e| e.node.to_string()).unwrap_or_default(),
            item: entry.map(|e| e.item.to_string()).unwrap_or_default(),
            condition,
            at,
            retry_at: wait.map(|wait| at.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
        });
    }

    /// Owes a letter of a notice again, as a new row of the journal; one whose time is over waits for the operator from
    /// now on.
    pub(super) fn revive_notice(&mut self, letter: u64, mut row: Row, anew: bool, now: Now) {
        let Some(notice) = Notice::read(&row.owed, std::mem::take(&mut row.payload)) else {
            tracing::warn!(seq = row.seq, "a notice in the journal cannot be read and is passed over");
            return;
        };
        if notice.to.purpose == Purpose::Unanswered
            && let Some(letters) = self.notices.unanswered.get_mut(notice.to.domain())
        {
            *letters = letters.saturating_sub(1);
        }
        if self.notices.is_pointless(&notice.to) {
            self.next.batch.revived.push(letter);
            return;
        }
        self.notices.postponed.take_up(person(&notice.to.to));
        if !anew && now.is_later_by(row.accepted_at, self.settings.time_to_live) {
            self.counts.expired += 1;
            self.next.batch.revived.push(letter);
            self.notices.remember(row.seq, &notice.to);
            return self.notice_dead(row.seq, EXPIRED.to_owned(), false, now);
        }
        self.counts.revived += 1;
        if anew {
            row.accepted_at = now.wall.as_millisecond();
        }
        row.payload.clone_from(&notice.message);
        self.enter_notice(row, notice, Some(letter));
    }
}

impl Entry {
    /// The same, with what it tells.
    fn telling(mut self, notice: Notice) -> Self {
        self.size = notice.footprint();
        self.notice = Some(notice);
        self
    }

    /// A notice of the journal; nothing if the row is none that can be read.
    pub(super) fn of_notice(row: Row) -> Option<Self> {
        let notice = Notice::read(&row.owed, row.payload)?;
        Some(Entry::new(row.seq, row.accepted_at, row.publisher, row.node, row.item).telling(notice))
    }

    /// An item of the journal; nothing if the row is none that can be read.
    pub(super) fn of_item(row: Row) -> Option<Self> {
        let (owed, pack) = (super::owed::decode(&row.owed)?, Pack::from_bytes(&row.payload)?);
        let entry = Entry::new(row.seq, row.accepted_at, row.publisher, row.node, row.item);
        Some(entry.holding(pack, owed))
    }
}
