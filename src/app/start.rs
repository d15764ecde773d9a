//! What is read from the store before anything is taken in.

use std::collections::VecDeque;

use crate::domain::clock::Now;
use crate::domain::consent::ConsentKey;
use crate::relay::rights::Update;
use crate::relay::{Relay, Settings};
use crate::store::journal::Outline;
use crate::store::{Store, StoreError};

/// Rows per query: a page of them is some hundred kilobytes for a moment.
const PAGE: u32 = 500;

/// Rows of the journal per query, of which less is read.
const OUTLINES: u32 = 2000;

/// Bytes of payloads that are read at once, where they are needed.
const PAYLOADS: u64 = 2 * 1024 * 1024;

/// A relay that knows what the store knows, and the number of the last change it knows of.
pub async fn relay(store: &Store, settings: Settings, now: Now) -> Result<(Relay, u64), StoreError> {
    // Read first: what changes while the tables are read is read again by the follower.
    let known = store.last_change().await?;
    let mut relay = Relay::new(settings, store.journal_end().await?);
    // A page at a time: a million rows at once would take ten times the memory of what is kept of them.
    let mut last = 0;
    loop {
        let page = store.registered_series(last, PAGE).await?;
        let Some((key, _)) = page.last() else { break };
        last = *key;
        for (key, series) in page {
            relay.apply(Update::Series(key, Some(Box::new(series))));
        }
    }
    let mut last = 0;
    loop {
        let page = store.standing_consents(last, PAGE).await?;
        let Some((key, _)) = page.last() else { break };
        last = key.0;
        for (key, consent) in page {
            relay.know_consent(key, consent);
        }
    }
    let mut last = 0;
    loop {
        let page = store.subscriptions(last, PAGE).await?;
        let Some((key, _)) = page.last() else { break };
        last = key.0;
        for (key, subscription) in page {
            relay.apply(Update::Subscription(key, Some(subscription)));
        }
    }
    let mut last = String::new();
    loop {
        let page = store.known_names(&last, PAGE).await?;
        let Some(name) = page.last() else { break };
        last.clone_from(name);
        page.iter().for_each(|name| relay.know_series(name));
    }
    let mut last = (ConsentKey(0), String::new());
    loop {
        let page = store.reductions_after(last.0, &last.1, PAGE).await?;
        let Some((consent, series, _)) = page.last() else { break };
        last = (*consent, series.clone());
        page.iter().for_each(|(consent, series, state)| relay.know_reduction(*consent, series, state));
    }
    for destination in store.destinations().await? {
        relay.know_destination(&destination, now);
    }
    for (domain, seq) in store.noticed().await? {
        relay.know_noticed(&domain, seq);
    }
    for (seq, subscription) in store.dead_deliveries().await? {
        relay.know_dead(seq, subscription);
    }
    for (subscription, address, until) in store.postponed().await? {
        relay.know_postponed(subscription, &address, until, now);
    }
    relay.know_pruned(store.pruned().await?);
    // What was retracted after an item came is forgotten behind it.
    let mut retracted = store.retracted().await?.into_iter().peekable();
    let mut page = store.journal_outlines(0, OUTLINES).await?;
    if let Some(first) = page.first() {
        relay.expect_rows(first.seq);
    }
    while let Some(last) = page.last().map(|outline| outline.seq) {
        // A million may wait: the next page is read while this one is taken in.
        let reader = store.clone();
        let next = tokio::spawn(async move { reader.journal_outlines(last, OUTLINES).await });
        know_again(store, &relay, &mut page).await?;
        for outline in &page {
            while let Some(gone) = retracted.next_if(|gone| gone.seq < outline.seq) {
                relay.forget(&gone.node, gone.item.as_deref());
            }
            relay.recover(outline);
        }
        page = next.await.map_err(|e| StoreError::row(e.to_string()))??;
    }
    retracted.for_each(|gone| relay.forget(&gone.node, gone.item.as_deref()));
    Ok((relay, known))
}

/// Rows of an earlier version do not say what their item is known again by: it is worked out of their payloads.
async fn know_again(store: &Store, relay: &Relay, page: &mut [Outline]) -> Result<(), StoreError> {
    let is_old = |outline: &Outline| outline.digest != 0 && outline.digest <= u64::MAX.into();
    let mut old: VecDeque<&mut Outline> = page.iter_mut().filter(|outline| is_old(outline)).collect();
    while !old.is_empty() {
        let seqs: Vec<u64> = old.iter().map(|outline| outline.seq).collect();
        let within = store.journal_rows_within(&seqs, PAYLOADS).await?;
        for row in store.journal_rows(&seqs[..within]).await? {
            if let Some(outline) = old.iter_mut().find(|outline| outline.seq == row.seq) {
                outline.digest = relay.digest_of(&row);
            }
        }
        old.drain(..within);
    }
    Ok(())
}
