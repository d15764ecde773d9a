//! A simulated disk: the tables that matter, written whole batch by whole batch, as `store::journal` does.
//! What was not written is forgotten with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use courant::domain::consent::{Consent, ConsentKey, State};
use courant::domain::series::Series;
use courant::domain::subscription::{Format, Subscription, SubscriptionKey};
use courant::relay::rights::Update;
use courant::store::journal::{Batch, DeadLetter, Destination, Outline, Prune, Row};
use jid::BareJid;

/// What a person changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    Series(u64),
    Consent(u64),
    Subscription(u64),
}

/// One installation's database.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) rows: BTreeMap<u64, Row>,
    pub(crate) journal_end: u64,
    /// Up to here rows are there for dead letters alone.
    pub(crate) pruned: u64,
    pub(crate) destinations: BTreeMap<String, Destination>,
    pub(crate) dead: BTreeMap<u64, DeadLetter>,
    pub(crate) given_up: BTreeSet<(u64, u64)>,
    letters: u64,
    /// Running sums, by consent and series.
    pub(crate) reductions: BTreeMap<(u64, String), String>,
    pub(crate) people: People,
    pub(crate) changes: Vec<Changed>,
    /// Every (node, item) that ever was durable, with its numbers.
    pub(crate) ever: HashMap<(String, String), Vec<u64>>,
}

/// Series, consents, subscriptions: the store's, and what the relay was told of them.
#[derive(Debug, Default, Clone)]
pub(crate) struct People {
    pub(crate) series: BTreeMap<u64, Series>,
    pub(crate) consents: BTreeMap<u64, Consent>,
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
}

impl People {
    pub(crate) fn apply(&mut self, update: &Update) {
        match update {
            Update::Series(key, row) => set(&mut self.series, *key, row.as_deref()),
            Update::Consent(key, row) => set(&mut self.consents, key.0, row.as_deref()),
            Update::Subscription(key, row) => set(&mut self.subscriptions, key.0, row.as_ref()),
            // Nothing of it stands in any table.
            Update::Halted(_) => {}
        }
    }

    pub(crate) fn all(&self) -> Vec<Update> {
        let series = self.series.iter().map(|(k, s)| Update::Series(*k, Some(Box::new(s.clone()))));
        let standing = self.consents.iter().filter(|(_, c)| !c.state.is_end());
        let consents = standing.map(|(k, c)| Update::Consent(ConsentKey(*k), Some(Box::new(c.clone()))));
        let wishes = self.subscriptions.iter();
        let wishes = wishes.map(|(k, s)| Update::Subscription(SubscriptionKey(*k), Some(s.clone())));
        series.chain(consents).chain(wishes).collect()
    }

    pub(crate) fn consent(&self, id: &str) -> Option<&Consent> {
        self.consents.values().find(|consent| consent.id.to_string() == id)
    }
}

fn set<T: Clone>(map: &mut BTreeMap<u64, T>, key: u64, row: Option<&T>) {
    match row {
        Some(row) => map.insert(key, row.clone()),
        None => map.remove(&key),
    };
}

impl Disk {
    /// All or nothing, as one transaction.
    pub(crate) fn commit(&mut self, batch: &Batch) {
        for row in &batch.rows {
            assert!(row.seq > self.journal_end, "the number {} was handed out before", row.seq);
            self.journal_end = row.seq;
            self.ever.entry((row.node.to_string(), row.item.to_string())).or_default().push(row.seq);
            self.rows.insert(row.seq, row.clone());
        }
        for destination in &batch.destinations {
            self.destinations.insert(destination.domain.clone(), destination.clone());
        }
        for letter in &batch.dead_letters {
            self.letters += 1;
            let mut letter = letter.clone();
            letter.retry_at = letter.retry_at.filter(|_| self.rows.contains_key(&letter.seq));
            self.dead.insert(self.letters, letter);
        }
        for key in &batch.revived {
            if let Some(letter) = self.dead.remove(key) {
                self.given_up.insert((letter.seq, letter.subscription));
            }
        }
        for put in &batch.reductions {
            let key = (put.consent.0, put.series.to_string());
            match &put.state {
                Some(state) => self.reductions.insert(key, state.clone()),
                None => self.reductions.remove(&key),
            };
        }
        if let Some(prune) = batch.prune {
            let (after, upto) = match prune {
                Prune::First { upto } => (0, upto),
                Prune::Range { after, upto } => (after, upto),
            };
            self.pruned = self.pruned.max(upto);
            let kept: HashSet<u64> = self.dead.values().map(|letter| letter.seq).collect();
            self.rows.retain(|at, _| *at <= after || *at > upto || kept.contains(at));
            self.given_up.retain(|(at, _)| self.rows.contains_key(at));
        }
    }

    /// What rows of the journal must not deliver, as `Store::dead_deliveries` finds it.
    pub(crate) fn dead_deliveries(&self) -> impl Iterator<Item = (u64, u64)> {
        let letters = self.dead.values().map(|letter| (letter.seq, letter.subscription));
        letters.chain(self.given_up.iter().copied())
    }

    /// Until when deliveries wait, as `Store::postponed` finds it.
    pub(crate) fn postponed(&self) -> BTreeMap<(u64, String), i64> {
        let mut last = BTreeMap::new();
        for letter in self.dead.values() {
            if let Some(at) = letter.retry_at.filter(|_| self.rows.contains_key(&letter.seq)) {
                last.entry((letter.subscription, letter.jid.clone()))
                    .and_modify(|held: &mut i64| *held = at.max(*held))
                    .or_insert(at);
            }
        }
        last
    }

    pub(crate) fn outlines(&self) -> Vec<Outline> {
        let outline = |row: &Row| Outline {
            seq: row.seq,
            accepted_at: row.accepted_at,
            node: row.node.to_string(),
            item: row.item.to_string(),
            digest: row.digest,
            owed: row.owed.clone(),
        };
        self.rows.values().map(outline).collect()
    }

    pub(crate) fn read(&self, seqs: &[u64]) -> Vec<Row> {
        seqs.iter().filter_map(|seq| self.rows.get(seq).cloned()).collect()
    }

    /// Letters whose time to be tried again has come, as `Store::due_dead_letters` finds them.
    pub(crate) fn due(&self, now: i64, longest: i64) -> Vec<(u64, DeadLetter, Row)> {
        let due = |at: i64| at <= now || at > now + longest;
        let letters = self.dead.iter().filter(|(_, letter)| letter.retry_at.is_some_and(due));
        letters
            .filter_map(|(key, letter)| Some((*key, letter.clone(), self.rows.get(&letter.seq)?.clone())))
            .collect()
    }

    /// What changed since, as the follower reads it: each row as it is now.
    pub(crate) fn news(&self, since: usize) -> Vec<Update> {
        let people = &self.people;
        let read = |changed: &Changed| match *changed {
            Changed::Series(key) => Update::Series(key, people.series.get(&key).cloned().map(Box::new)),
            Changed::Consent(key) => {
                Update::Consent(ConsentKey(key), people.consents.get(&key).cloned().map(Box::new))
            }
            Changed::Subscription(key) => {
                Update::Subscription(SubscriptionKey(key), people.subscriptions.get(&key).cloned())
            }
        };
        self.changes[since..].iter().map(read).collect()
    }

    pub(crate) fn give(&mut self, key: u64, consent: Consent) {
        for scope in &consent.scope {
            self.subscribe(consent.recipient.clone(), scope.clone());
        }
        self.people.consents.insert(key, consent);
        self.changes.push(Changed::Consent(key));
    }

    pub(crate) fn subscribe(&mut self, who: BareJid, node: courant::domain::name::Scope) {
        let jid = jid::Jid::from(who);
        if self.people.subscriptions.values().any(|s| s.jid == jid && s.node == node) {
            return;
        }
        let taken = self.changes.iter().filter(|c| matches!(c, Changed::Subscription(_))).count();
        // As the counter of the store: never used twice.
        let key = 1 + taken as u64;
        let format = if jid.node().is_some() { Format::Pubsub } else { Format::Publish };
        self.people.subscriptions.insert(key, Subscription { jid, node, format });
        self.changes.push(Changed::Subscription(key));
    }

    pub(crate) fn unsubscribe(&mut self, key: u64) {
        self.people.subscriptions.remove(&key);
        self.changes.push(Changed::Subscription(key));
    }

    /// As `Store::end_consent`: with its subscriptions, unless another consent covers them.
    pub(crate) fn end(&mut self, key: u64, state: State) {
        let Some(consent) = self.people.consents.get_mut(&key) else { return };
        consent.state = state;
        let ended = consent.clone();
        self.changes.push(Changed::Consent(key));
        for scope in &ended.scope {
            let still = self.people.consents.values().any(|c| {
                c.recipient == ended.recipient
                    && !c.state.is_end()
                    && c.scope.iter().any(|other| other.covers_scope(scope))
            });
            let wish = self.people.subscriptions.iter();
            let wish = wish.filter(|(_, s)| s.jid.to_bare() == ended.recipient && s.node == *scope);
            let keys: Vec<u64> = if still { Vec::new() } else { wish.map(|(k, _)| *k).collect() };
            keys.into_iter().for_each(|key| self.unsubscribe(key));
        }
    }
}
