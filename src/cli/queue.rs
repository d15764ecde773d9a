//! `courant queue`: what waits to be delivered, and what cannot be.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::show::say;
use super::{Failure, actor, open, show, tell_service};
use crate::config::Config;
use crate::desk::waiting::{all_letters, obstacle, queue};
use crate::domain::clock;
use crate::domain::disclosure::Proof;
use crate::store::dead_letters::Letter;
use crate::store::{Store, StoreError};

/// Dead letters per wish to the service: it takes one lot before the next is asked for.
const LETTERS: u32 = 1000;

/// See what waits, and decide about what cannot be delivered.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What waits for each destination server
    Status(Status),
    /// What came back, and why; what has a time behind `again at` is tried again by itself
    DeadLetters(Status),
    /// Try dead letters again, each for its recipient alone and if the consent still permits
    Replay(Which),
    /// Drop dead letters for good; --all takes those too that would be tried again by themselves
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

async fn status(store: &Store, as_json: bool) -> Result<(), Failure> {
    let queue = queue(store).await?;
    if as_json {
        return show::json(&queue);
    }
    let rows = queue.destinations.iter().map(|d| {
        let proof = d.proof.map_or("none yet", Proof::as_str);
        [
            d.domain.clone(),
            d.waiting.to_string(),
            d.oldest.map_or_else(|| "-".into(), |at| at.to_string()),
            d.confirmed.to_string(),
            proof.into(),
            d.dead_letters.to_string(),
        ]
    });
    let titles = ["DESTINATION", "WAITING", "OLDEST", "CONFIRMED", "PROOF", "DEAD LETTERS"];
    show::table(titles, rows.collect(), "Nothing was sent yet, and nothing waits.");
    say!("{} waiting, {} dead letters, last item {}.", queue.waiting, queue.dead_letters, queue.last);
    if queue.repetitions_forgotten > 0 {
        say!(
            "{} items were forgotten before their time: published again, they are forwarded again. Raise [limits] \
             repetitions if producers repeat more than that.",
            queue.repetitions_forgotten
        );
    }
    Ok(())
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
    /// When it is tried again by itself; not at all where it came back for good.
    retry_at: Option<Timestamp>,
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
            retry_at: letter.retry_at.and_then(|at| Timestamp::from_millisecond(at).ok()),
        })
        .collect();
    if as_json {
        return show::json(&all);
    }
    let rows = all.into_iter().map(|letter| {
        let reason = match (letter.replay, letter.retry_at) {
            (true, _) => format!("{} (to be tried again)", letter.reason),
            (false, Some(at)) => format!("{} (again at {at})", letter.reason),
            (false, None) => letter.reason,
        };
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
            say!("{} {word}.", done.done);
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
