//! `courant queue`: what waits to be delivered, and what cannot be.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::{Failure, actor, open, show, tell_service};
use crate::config::Config;
use crate::domain::clock;
use crate::domain::decision;
use crate::domain::subscription::SubscriptionKey;
use crate::relay::owed::{self, Basis};
use crate::store::dead_letters::Letter;
use crate::store::{Store, StoreError};

/// Rows of the journal per query.
const OUTLINES: u32 = 5000;

/// Dead letters per query, and per wish to the service: it takes one lot before the next is asked for.
const LETTERS: u32 = 1000;

/// See what waits, and decide about what cannot be delivered.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What waits for each destination server
    Status(Status),
    /// What was refused for good, and why
    DeadLetters(Status),
    /// Try dead letters again, each for its recipient alone and if the consent still permits
    Replay(Which),
    /// Drop dead letters for good
    Drop(Which),
}

/// How to print.
#[derive(Debug, Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct Which {
    /// Their numbers, as `courant queue dead-letters` prints them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<u64>,

    /// All of them
    #[arg(long)]
    all: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verb {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let store = open(config).await?;
        match self {
            Verb::Status(how) => status(&store, how.json).await,
            Verb::DeadLetters(how) => dead_letters(&store, how.json).await,
            Verb::Replay(which) => which.replay(config, &store).await,
            Verb::Drop(which) => which.drop(&store).await,
        }
    }
}

/// What is known of one destination.
#[derive(Debug, Clone, Default, Serialize)]
struct Destination {
    domain: String,
    /// Items that wait.
    waiting: u64,
    /// When the oldest of them was taken in.
    oldest: Option<Timestamp>,
    /// The last item, by its number, up to which its server has taken everything.
    confirmed: u64,
    /// It has answered a ping.
    answers_pings: bool,
    dead_letters: u64,
}

#[derive(Debug, Serialize)]
struct Queue {
    destinations: Vec<Destination>,
    /// Pairs of an item and a destination.
    waiting: u64,
    oldest: Option<Timestamp>,
    dead_letters: u64,
    /// The number of the last item taken in.
    last: u64,
}

async fn status(store: &Store, as_json: bool) -> Result<(), Failure> {
    let queue = queue(store).await?;
    if as_json {
        return show::json(&queue);
    }
    let rows = queue.destinations.iter().map(|d| {
        let pings = if d.answers_pings { "yes" } else { "not yet" };
        [
            d.domain.clone(),
            d.waiting.to_string(),
            d.oldest.map_or_else(|| "-".into(), |at| at.to_string()),
            d.confirmed.to_string(),
            pings.into(),
            d.dead_letters.to_string(),
        ]
    });
    let titles = ["DESTINATION", "WAITING", "OLDEST", "CONFIRMED", "ANSWERS PINGS", "DEAD LETTERS"];
    show::table(titles, rows.collect(), "Nothing was sent yet, and nothing waits.");
    println!("{} waiting, {} dead letters, last item {}.", queue.waiting, queue.dead_letters, queue.last);
    Ok(())
}

/// Reads the journal from the first item that somebody may wait for.
async fn queue(store: &Store) -> Result<Queue, StoreError> {
    let mut domains: BTreeMap<u64, String> = BTreeMap::new();
    for (key, subscription) in store.subscriptions(0, u32::MAX).await? {
        domains.insert(key.0, subscription.jid.domain().to_string());
    }
    let mut destinations: BTreeMap<String, Destination> = BTreeMap::new();
    for known in store.destinations().await? {
        let (confirmed, answers_pings) = (known.confirmed, known.answers_pings);
        let domain = known.domain;
        let destination =
            Destination { domain: domain.clone(), confirmed, answers_pings, ..Default::default() };
        destinations.insert(domain, destination);
    }
    let mut last = 0;
    loop {
        let page = store.journal_outlines(last, OUTLINES).await?;
        let Some(end) = page.last() else { break };
        last = end.seq;
        for outline in &page {
            let list = owed::decode(&outline.owed).ok_or_else(|| {
                StoreError::row(format!("row {} of the journal cannot be read", outline.seq))
            })?;
            let mut owed_to: Vec<&str> = list
                .iter()
                .filter_map(|owed| domains.get(&owed.subscription.0))
                .map(String::as_str)
                .collect();
            owed_to.sort_unstable();
            owed_to.dedup();
            for domain in owed_to {
                let destination = destinations
                    .entry(domain.to_owned())
                    .or_insert_with(|| Destination { domain: domain.to_owned(), ..Default::default() });
                if outline.seq > destination.confirmed {
                    destination.waiting += 1;
                    let at = Timestamp::from_millisecond(outline.accepted_at).ok();
                    destination.oldest = destination.oldest.or(at);
                }
            }
        }
    }
    let mut dead_letters = 0;
    for letter in all_letters(store).await? {
        dead_letters += 1;
        let domain = letter.jid.split('/').next().unwrap_or_default();
        let domain = domain.rsplit('@').next().unwrap_or_default();
        if let Some(destination) = destinations.get_mut(domain) {
            destination.dead_letters += 1;
        }
    }
    let destinations: Vec<Destination> = destinations.into_values().collect();
    Ok(Queue {
        waiting: destinations.iter().map(|d| d.waiting).sum(),
        oldest: destinations.iter().filter_map(|d| d.oldest).min(),
        dead_letters,
        last: store.journal_end().await?,
        destinations,
    })
}

async fn all_letters(store: &Store) -> Result<Vec<Letter>, StoreError> {
    let mut all: Vec<Letter> = Vec::new();
    loop {
        let page = store.dead_letters(all.last().map_or(0, |letter| letter.key), LETTERS).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// A dead letter as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    id: u64,
    time: Option<Timestamp>,
    recipient: String,
    node: String,
    item: String,
    /// The stanza error condition that the recipient's server answered with.
    reason: String,
    /// The number of the item.
    number: u64,
    /// It is to be tried again, but the service has not taken it up yet.
    replay: bool,
}

async fn dead_letters(store: &Store, as_json: bool) -> Result<(), Failure> {
    let all: Vec<Shown> = all_letters(store)
        .await?
        .into_iter()
        .map(|letter| Shown {
            id: letter.key,
            time: Timestamp::from_millisecond(letter.at).ok(),
            recipient: letter.jid,
            node: letter.node,
            item: letter.item,
            reason: letter.condition,
            number: letter.seq,
            replay: letter.replay,
        })
        .collect();
    if as_json {
        return show::json(&all);
    }
    let rows = all.into_iter().map(|letter| {
        let reason =
            if letter.replay { format!("{} (to be tried again)", letter.reason) } else { letter.reason };
        [
            letter.id.to_string(),
            letter.time.map_or_else(String::new, |at| at.to_string()),
            letter.recipient,
            letter.node,
            letter.item,
            reason,
        ]
    });
    let titles = ["ID", "SINCE", "RECIPIENT", "NODE", "ITEM", "REASON"];
    show::table(titles, rows.collect(), "There are no dead letters.");
    Ok(())
}

/// What became of the wish.
#[derive(Debug, Serialize)]
struct Done {
    done: u64,
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    id: u64,
    reason: String,
}

impl Which {
    async fn letters(&self, store: &Store) -> Result<(Vec<Letter>, Vec<Refused>), StoreError> {
        if self.all {
            return Ok((all_letters(store).await?, Vec::new()));
        }
        let (mut found, mut refused) = (Vec::new(), Vec::new());
        for &id in &self.ids {
            match store.dead_letter(id).await? {
                Some(letter) => found.push(letter),
                None => refused.push(Refused { id, reason: "there is no dead letter of this number".into() }),
            }
        }
        Ok((found, refused))
    }

    async fn replay(&self, config: &Config, store: &Store) -> Result<(), Failure> {
        let now = clock::wall();
        let (letters, mut refused) = self.letters(store).await?;
        let mut wanted = Vec::new();
        for letter in letters {
            match obstacle(store, &letter, now).await? {
                None => wanted.push(letter.key),
                Some(reason) => refused.push(Refused { id: letter.key, reason }),
            }
        }
        let mut done = 0;
        for lot in wanted.chunks(LETTERS as usize) {
            done += store.replay_dead_letters(lot, now).await?;
            tell_service(config).await?;
        }
        self.tell(Done { done, refused }, "to be tried again")
    }

    async fn drop(&self, store: &Store) -> Result<(), Failure> {
        let (letters, refused) = self.letters(store).await?;
        let keys: Vec<u64> = letters.iter().map(|letter| letter.key).collect();
        let mut done = 0;
        for lot in keys.chunks(LETTERS as usize) {
            done += store.drop_dead_letters(lot, &actor(), clock::wall()).await?;
        }
        self.tell(Done { done, refused }, "dropped")
    }

    /// Says what was done. It is a failure if something that was named could not be done.
    fn tell(&self, done: Done, word: &str) -> Result<(), Failure> {
        if self.json {
            show::json(&done)?;
        } else {
            println!("{} {word}.", done.done);
        }
        for refused in &done.refused {
            eprintln!("courant: {} stays: {}", refused.id, refused.reason);
        }
        match done.refused.len() {
            count if count > 0 && !self.all => Err(Failure::Refused(format!("{count} could not be done"))),
            _ => Ok(()),
        }
    }
}

/// Why a dead letter cannot be tried again, if so.
async fn obstacle(store: &Store, letter: &Letter, now: Timestamp) -> Result<Option<String>, StoreError> {
    let key = SubscriptionKey(letter.subscription);
    if store.subscription_by_key(key.0).await?.is_none() {
        return Ok(Some(format!("{} is not subscribed any more", letter.jid)));
    }
    let Some(row) = store.journal_rows(&[letter.seq]).await?.pop() else {
        return Ok(Some("its item is not in the journal any more".into()));
    };
    let mut nearest = None;
    for owed in owed::decode(&row.owed).unwrap_or_default() {
        if owed.subscription != key {
            continue;
        }
        let Basis::Consent(consent) = owed.basis else { return Ok(None) };
        let denial = match store.consent_by_key(consent.0).await? {
            Some((_, consent)) => decision::may_leave_now(&consent, now).err(),
            None => Some(decision::Denial::NoneRegistered),
        };
        match denial {
            None => return Ok(None),
            Some(denial) => nearest = nearest.max(Some(denial)),
        }
    }
    let why = nearest.map_or("nothing of it is owed to this recipient", decision::Denial::as_str);
    Ok(Some(format!("the consent does not permit it any more: {why}")))
}
