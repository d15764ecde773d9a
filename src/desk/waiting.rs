//! What waits to be delivered, and what cannot be: for the operator, at the command line and in a command.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::consent::State;
use crate::domain::decision;
use crate::domain::disclosure::Proof;
use crate::domain::subscription::SubscriptionKey;
use crate::relay::notice::{Addressee, Purpose};
use crate::relay::owed::{self, Basis};
use crate::store::dead_letters::{Letter, NOTICE};
use crate::store::{Store, StoreError};

/// Rows of the journal per query.
const OUTLINES: u32 = 5000;

/// Dead letters per query.
const LETTERS: u32 = 1000;

/// What is known of one destination.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Destination {
    /// Its address.
    pub domain: String,
    /// Items and notices that wait.
    pub waiting: u64,
    /// How many of them are notices to people and recipients, not data.
    pub notices: u64,
    /// When the oldest of them was taken in.
    pub oldest: Option<Timestamp>,
    /// The last item, by its number, up to which its server has taken everything.
    pub confirmed: u64,
    /// It has answered a ping.
    pub answers_pings: bool,
    /// Whose answer proves what it took; nobody's before its first contact is over.
    pub proof: Option<Proof>,
    /// What it refused for good.
    pub dead_letters: u64,
}

/// What waits for all of them.
#[derive(Debug, Serialize)]
pub struct Queue {
    /// Each of them.
    pub destinations: Vec<Destination>,
    /// Pairs of an item and a destination.
    pub waiting: u64,
    /// When the oldest item was taken in that waits.
    pub oldest: Option<Timestamp>,
    /// What was refused for good.
    pub dead_letters: u64,
    /// The number of the last item taken in.
    pub last: u64,
    /// Items forgotten before their time, since there were more than `[limits] repetitions`.
    pub repetitions_forgotten: u64,
}

/// Reads the journal from the first item that somebody may wait for.
pub async fn queue(store: &Store) -> Result<Queue, StoreError> {
    let mut domains: BTreeMap<u64, String> = BTreeMap::new();
    let mut last = 0;
    loop {
        let page = store.subscriptions(last, OUTLINES).await?;
        let Some((end, _)) = page.last() else { break };
        last = end.0;
        for (key, subscription) in page {
            domains.insert(key.0, subscription.jid.domain().to_string());
        }
    }
    let mut destinations: BTreeMap<String, Destination> = BTreeMap::new();
    for known in store.destinations().await? {
        let (confirmed, answers_pings, proof) = (known.confirmed, known.answers_pings, known.proof());
        let domain = known.domain;
        let destination =
            Destination { domain: domain.clone(), confirmed, answers_pings, proof, ..Default::default() };
        destinations.insert(domain, destination);
    }
    let noticed: HashMap<String, u64> = store.noticed().await?.into_iter().collect();
    let dead: HashSet<(u64, u64)> = store.dead_deliveries().await?.into_iter().collect();
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
            let at = Timestamp::from_millisecond(outline.accepted_at).ok();
            for domain in owed_to {
                let destination = destination(&mut destinations, domain);
                if outline.seq > destination.confirmed {
                    destination.waiting += 1;
                    destination.oldest = destination.oldest.or(at);
                }
            }
            if let Some(to) = Addressee::decode(&outline.owed) {
                let noticed = noticed.get(to.domain()).copied().unwrap_or_default();
                let destination = destination(&mut destinations, to.domain());
                if outline.seq > noticed && !dead.contains(&(outline.seq, NOTICE)) {
                    destination.waiting += 1;
                    destination.notices += 1;
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
        repetitions_forgotten: store.repetitions_forgotten().await?,
        destinations,
    })
}

fn destination<'d>(all: &'d mut BTreeMap<String, Destination>, domain: &str) -> &'d mut Destination {
    all.entry(domain.to_owned())
        .or_insert_with(|| Destination { domain: domain.to_owned(), ..Default::default() })
}

/// What was refused for good.
pub async fn all_letters(store: &Store) -> Result<Vec<Letter>, StoreError> {
    let mut all: Vec<Letter> = Vec::new();
    loop {
        let page = store.dead_letters(all.last().map_or(0, |letter| letter.key), LETTERS).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Why a notice cannot be tried again, if so.
async fn obstacle_to_notice(store: &Store, letter: &Letter) -> Result<Option<String>, StoreError> {
    let Some(row) = store.journal_rows(&[letter.seq]).await?.pop() else {
        return Ok(Some("the notice is not in the journal any more".into()));
    };
    let Some(to) = Addressee::decode(&row.owed).filter(|to| to.purpose == Purpose::Question) else {
        return Ok(None);
    };
    let request = store.consent_by_key(to.consent.0).await?;
    let waits = request.is_some_and(|(_, request)| request.state == State::Requested);
    Ok((!waits).then(|| "the request that it asks about is not waiting any more".into()))
}

/// Why a dead letter cannot be tried again, if so.
pub async fn obstacle(store: &Store, letter: &Letter, now: Timestamp) -> Result<Option<String>, StoreError> {
    let key = SubscriptionKey(letter.subscription);
    if letter.subscription == NOTICE {
        return obstacle_to_notice(store, letter).await;
    }
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
        let (Basis::Consent(consent) | Basis::Reduced { consent, .. }) = owed.basis else { return Ok(None) };
        let denial = match store.consent_by_key(consent.0).await? {
            Some((_, consent)) => decision::stands_now(&consent, now).err(),
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
