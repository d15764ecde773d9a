//! What may have made one's own server end the stream.
//!
//! A server that is written what it cannot bear ends the stream with an error, and what was under way is sent again over
//! the next one: with the same end, for ever and for everybody. So a stream error soon after a write counts against what
//! was written. After three, a destination is sent one item at a time, with nothing else on the wire: a ping to one's
//! own server before it, so that all that was written earlier is read, and one behind it, while all others wait. If the
//! stream ends then, it was that item.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::destination::State;
use super::{Deliveries, PingTo, Step};

/// A stream error within so long of a write counts against what was written.
const BLAME: Duration = Duration::from_secs(5);

/// After so many, a destination is sent one item at a time.
const STRIKES: u32 = 3;

/// So often an item is tried beside which something else was written, before it is set aside nevertheless.
const TRIES: u32 = 3;

/// An item that was set aside for so many destinations is not tried with the others.
const ENOUGH: u32 = 2;

/// Items of which that is remembered.
const REMEMBERED: usize = 1000;

/// Who is owed something of an item: domains and subscriptions.
pub type OwedTo = Vec<(Arc<str>, u64)>;

/// One destination's next item, alone on the wire.
#[derive(Debug)]
pub(super) struct Trial {
    domain: Arc<str>,
    /// When this part of it began.
    since: Duration,
    part: Part,
    /// Something that is no delivery was written between the ping before it and the item.
    beside: bool,
    /// Then there is another ping between that and the item, and whether it was answered: that comes ahead of the end of
    /// the stream if the item is what it ends over.
    ahead: Option<(u64, bool)>,
}

#[derive(Debug)]
enum Part {
    /// One's own server is asked whether it has read all that was written before: by this ping.
    Before(u64),
    /// It has: the item may be written.
    Clear,
    /// It is written, and the ping to its domain behind it.
    Written(Tried),
    /// So is the one to one's own server.
    Behind(u64, Tried),
}

impl Trial {
    /// The ping whose answer it waits for.
    fn waits_for(&self) -> Option<u64> {
        match self.part {
            Part::Before(number) | Part::Behind(number, _) => Some(number),
            Part::Clear | Part::Written(_) => None,
        }
    }
}

/// What is on the wire.
#[derive(Debug, Clone, Default)]
struct Tried {
    seq: u64,
    owed: OwedTo,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Trials {
    now: Option<Trial>,
    /// What is being written for it.
    writing: Tried,
    /// How often items were set aside.
    aside: BTreeMap<u64, u32>,
    /// What is to become dead letters.
    found: Vec<(u64, OwedTo)>,
}

impl Deliveries {
    /// One's own server ended the stream with an error that may be about what it was written. Before
    /// [`Self::link_down`].
    pub fn stream_failed(&mut self, now: Duration) {
        match self.trials.now.take() {
            Some(Trial {
                domain,
                since,
                part: Part::Written(tried) | Part::Behind(_, tried),
                beside,
                ahead,
            }) => {
                if since + BLAME > now {
                    let alone = !beside || ahead.is_some_and(|(_, answered)| answered);
                    self.blame_one(&domain, &tried, alone);
                }
            }
            Some(Trial { part: Part::Clear, .. }) => {}
            _ => self.blame_all(now),
        }
    }

    /// What was found to end the stream: items, and whose deliveries of them are given up.
    pub fn take_set_aside(&mut self) -> Vec<(u64, OwedTo)> {
        std::mem::take(&mut self.trials.found)
    }

    /// Something that is no delivery was written.
    pub fn wrote_beside(&mut self) {
        if let Some(trial) = &mut self.trials.now {
            trial.beside |= matches!(trial.part, Part::Before(_) | Part::Clear);
        }
    }

    /// Whether what is written now is alone on the wire; then [`Self::tries`] is to be told who is owed it.
    pub fn is_trial(&self) -> bool {
        self.trials.now.as_ref().is_some_and(|trial| matches!(trial.part, Part::Clear))
    }

    /// Who is owed something of the item that is being written alone.
    pub fn tries(&mut self, seq: u64, owed: OwedTo) {
        self.trials.writing = Tried { seq, owed };
    }

    fn blame_all(&mut self, now: Duration) {
        for destination in self.destinations.values_mut() {
            let last = destination.flight.checked_sub(1).and_then(|place| destination.queue.get(place));
            let Some(&last) = last else { continue };
            if destination.wrote.is_none_or(|wrote| wrote + BLAME <= now) {
                continue;
            }
            destination.strikes += 1;
            if destination.strikes >= STRIKES {
                destination.careful = Some(last);
            }
        }
    }

    fn blame_one(&mut self, domain: &Arc<str>, tried: &Tried, alone: bool) {
        let destination = self.destination(domain);
        destination.struck += 1;
        if !alone && destination.struck < TRIES {
            return;
        }
        destination.struck = 0;
        let trials = &mut self.trials;
        if trials.aside.len() >= REMEMBERED {
            trials.aside.pop_first();
        }
        let often = trials.aside.entry(tried.seq).or_default();
        *often += 1;
        let enough = *often >= ENOUGH;
        let mut owed = tried.owed.clone();
        let waits = |to: &Arc<str>| {
            self.destinations.get(to).is_some_and(|d| d.queue.binary_search(&tried.seq).is_ok())
        };
        owed.retain(|(to, _)| to == domain || enough && waits(to));
        self.trials.found.push((tried.seq, owed));
    }

    /// What the trial under way has written next. `None` while it is waited for.
    pub(super) fn trial_step(&mut self, now: Duration, is_in_memory: &impl Fn(u64) -> bool) -> Option<Step> {
        let trial = self.trials.now.as_mut()?;
        match &trial.part {
            Part::Before(_) | Part::Behind(..) => None,
            Part::Written(tried) => {
                let tried = tried.clone();
                self.last_ping += 1;
                trial.part = Part::Behind(self.last_ping, tried);
                Some(Step::Ping { to: PingTo::OwnServer, number: self.last_ping })
            }
            Part::Clear if trial.beside && trial.ahead.is_none() => {
                self.last_ping += 1;
                trial.ahead = Some((self.last_ping, false));
                Some(Step::Ping { to: PingTo::OwnServer, number: self.last_ping })
            }
            Part::Clear => {
                let domain = Arc::clone(&trial.domain);
                let step = self.step_for(&domain, now, is_in_memory);
                match &step {
                    Some(Step::Ping { .. }) => {
                        let tried = std::mem::take(&mut self.trials.writing);
                        if let Some(trial) = &mut self.trials.now {
                            (trial.part, trial.since) = (Part::Written(tried), now);
                        }
                    }
                    Some(Step::Item { .. }) => {}
                    // There is nothing to try, or not yet.
                    Some(Step::Load { .. }) | None => self.trials.now = None,
                }
                step
            }
        }
    }

    /// Begins a trial if this destination's next item must be alone on the wire.
    pub(super) fn begin_trial(&mut self, domain: &Arc<str>, now: Duration) -> Option<Step> {
        let destination = self.destination(domain);
        if !destination.is_careful() || destination.state != State::Idle || destination.queue.is_empty() {
            return None;
        }
        self.last_ping += 1;
        let (part, domain) = (Part::Before(self.last_ping), Arc::clone(domain));
        self.trials.now = Some(Trial { domain, since: now, part, beside: false, ahead: None });
        Some(Step::Ping { to: PingTo::OwnServer, number: self.last_ping })
    }

    /// Whether a trial is under way: nobody else is written anything.
    pub fn is_trying(&self) -> bool {
        self.trials.now.is_some()
    }

    /// Whether this ping to one's own server is one of the trial under way.
    pub(super) fn is_trial_ping(&self, number: u64) -> bool {
        self.trials.now.as_ref().is_some_and(|trial| {
            trial.ahead.is_some_and(|(ahead, _)| ahead == number) || trial.waits_for() == Some(number)
        })
    }

    /// One's own server has read all that was written before this ping; whatever it says, the stream lives.
    pub(super) fn trial_answered(&mut self, number: u64, now: Duration) {
        let Some(trial) = &mut self.trials.now else { return };
        match &mut trial.ahead {
            Some((ahead, answered)) if *ahead == number => *answered = true,
            _ => self.trial_goes_on(now),
        }
    }

    fn trial_goes_on(&mut self, now: Duration) {
        match &mut self.trials.now {
            Some(trial) if matches!(trial.part, Part::Before(_)) => {
                (trial.part, trial.since) = (Part::Clear, now);
            }
            _ => self.trials.now = None,
        }
    }

    /// A server that leaves pings to itself unanswered has had its time.
    pub(super) fn tick_trial(&mut self, now: Duration) {
        let over = |trial: &&mut Trial| trial.since + BLAME <= now;
        if let Some(trial) = self.trials.now.as_mut().filter(over) {
            // What was written before may not have been read, and be what the stream ends over.
            trial.beside |= matches!(trial.part, Part::Before(_));
            self.trial_goes_on(now);
        }
    }

    /// The link is lost, and with it the trial.
    pub(super) fn end_trial(&mut self) {
        self.trials.now = None;
    }
}

impl super::destination::Destination {
    /// Whether its next item must be alone on the wire.
    pub(super) fn is_careful(&mut self) -> bool {
        if self.careful.is_some_and(|last| self.queue.front().is_none_or(|next| *next > last)) {
            self.careful = None;
        }
        self.careful.is_some()
    }
}
