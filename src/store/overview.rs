//! What a service reads at its start: all that stands, a page at a time.
//!
//! A page comes as one text: a row of its own for each costs ten times as much, and there may be a million.

use std::borrow::Cow;
use std::collections::HashMap;

use jid::{BareJid, Jid};
use serde::Deserialize;
use sqlx::Row;

use super::{Store, StoreError, tenures, timestamp};
use crate::domain::consent::ConsentKey;
use crate::domain::name::Scope;
use crate::domain::outline::ConsentOutline;
use crate::domain::series::Series;
use crate::domain::subscription::{Subscription, SubscriptionKey};

type Text<'a> = Option<Cow<'a, str>>;

/// The columns of a consent, in the order of the query.
#[derive(Deserialize)]
struct ConsentRow<'a>(
    i64,
    &'a str,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Text<'a>,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    #[serde(borrow)] Cow<'a, str>,
    &'a str,
    Option<&'a str>,
    &'a str,
    i64,
    u8,
);

/// The columns of a registration.
#[derive(Deserialize)]
struct SeriesRow<'a>(
    i64,
    &'a str,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    u8,
    Option<&'a str>,
    #[serde(borrow)] Text<'a>,
    #[serde(borrow)] Text<'a>,
    #[serde(borrow)] Text<'a>,
    #[serde(borrow)] Text<'a>,
);

/// The columns of a subscription.
#[derive(Deserialize)]
struct SubscriptionRow<'a>(i64, #[serde(borrow)] Cow<'a, str>, &'a str, &'a str);

impl Store {
    async fn page(&self, query: &'static str, after: u64, limit: u32) -> Result<String, StoreError> {
        let row = sqlx::query(query).bind(after.cast_signed()).bind(limit).fetch_one(self.pool()).await?;
        Ok(row.try_get(0)?)
    }

    /// Up to `limit` consents that have not ended, after `after`, in the order of their numbers.
    pub async fn standing_consents(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(ConsentKey, ConsentOutline)>, StoreError> {
        let text = self.page(CONSENTS, after, limit).await?;
        let mut known = HashMap::new();
        read(&text, |row: ConsentRow<'_>| {
            let millis = |at: Option<i64>| at.map(timestamp).transpose();
            let ConsentRow(key, id, subject, recipient, scope, purpose, code, from, until, ..) = row;
            let ConsentRow(.., data_from, data_until, modes, retention, granularity, state, since, onward) =
                row;
            let outline = ConsentOutline {
                id: id.parse().map_err(|_| StoreError::row("a consent's id"))?,
                recipient: bare(&recipient, &mut known)?,
                subject: subject.parse().map_err(StoreError::row)?,
                scope: json(&scope)?,
                purpose: code.unwrap_or(purpose).into(),
                retention: retention.into(),
                valid_from: timestamp(from)?,
                valid_until: timestamp(until)?,
                data_from: millis(data_from)?,
                data_until: millis(data_until)?,
                granularity: granularity.map(str::parse).transpose().map_err(StoreError::row)?,
                modes: json(&modes)?,
                onward: onward != 0,
                state: state.parse().map_err(StoreError::row)?,
                since: timestamp(since)?,
            };
            Ok((ConsentKey(key.unsigned_abs()), outline))
        })
    }

    /// Up to `limit` registrations after `after`, in the order of their numbers.
    pub async fn registered_series(&self, after: u64, limit: u32) -> Result<Vec<(u64, Series)>, StoreError> {
        let text = self.page(SERIES, after, limit).await?;
        read(&text, |SeriesRow(key, name, tenures, producers, open, retention, title, source, node, meta)| {
            let series = Series {
                name: Scope::parse(name).map_err(|e| StoreError::row(format!("series name: {e}")))?,
                tenures: tenures::read(&tenures)?,
                producers: json(&producers)?,
                open: open != 0,
                retention: retention.map(str::parse).transpose().map_err(StoreError::row)?,
                title: title.map(Cow::into_owned),
                source: source.map(|source| source.parse()).transpose().map_err(address)?,
                node: node.map(|node| json(&node)).transpose()?.unwrap_or_default(),
                meta: meta.map(|meta| json(&meta)).transpose()?.unwrap_or_default(),
            };
            Ok((key.unsigned_abs(), series))
        })
    }

    /// Up to `limit` subscriptions after `after`, in the order of their numbers.
    pub async fn subscriptions(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, StoreError> {
        let text = self.page(SUBSCRIPTIONS, after, limit).await?;
        let mut known = HashMap::new();
        read(&text, |SubscriptionRow(key, jid, node, format)| {
            let jid = match bare(&jid, &mut known) {
                Ok(bare) => Jid::from(bare),
                Err(_) => Jid::new(&jid).map_err(address)?,
            };
            let node = Scope::parse(node).map_err(|e| StoreError::row(format!("subscription: {e}")))?;
            let format = format.parse().map_err(StoreError::row)?;
            Ok((SubscriptionKey(key.unsigned_abs()), Subscription { jid, node, format }))
        })
    }
}

// The expression keeps the index by state out of the way: every page would sort all the rest.
const CONSENTS: &str = "SELECT json_group_array(json_array(key, id, subject, recipient, scope, purpose, \
    purpose_code, valid_from, valid_until, data_from, data_until, modes, retention, granularity, state, since, \
    onward)) \
    FROM (SELECT * FROM consent WHERE key > ? AND state || '' IN ('requested', 'active', 'suspended') \
    ORDER BY key LIMIT ?)";

// Those that were removed too: whose the past is, they say.
const SERIES: &str = concat!(
    "SELECT json_group_array(json_array(key, name, ",
    tenures::column!(),
    // As a text: what is JSON already would stand there as it is.
    " || '', producers, open, retention, title, source, node, meta)) \
     FROM (SELECT * FROM series WHERE key > ? ORDER BY key LIMIT ?) AS series"
);

const SUBSCRIPTIONS: &str = "SELECT json_group_array(json_array(key, jid, node, format)) \
    FROM (SELECT * FROM subscription WHERE key > ? ORDER BY key LIMIT ?)";

/// Rows of a text, in the order of their keys: an aggregate promises none.
fn read<'a, R: Deserialize<'a>, K: Ord + Copy, T>(
    text: &'a str,
    read: impl FnMut(R) -> Result<(K, T), StoreError>,
) -> Result<Vec<(K, T)>, StoreError> {
    let rows: Vec<R> = json(text)?;
    let mut list = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    list.sort_unstable_by_key(|(key, _)| *key);
    Ok(list)
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::row(e.to_string()))
}

/// An address that many rows name is read once.
fn bare(text: &str, known: &mut HashMap<Box<str>, BareJid>) -> Result<BareJid, StoreError> {
    if let Some(jid) = known.get(text) {
        return Ok(jid.clone());
    }
    let jid = BareJid::new(text).map_err(address)?;
    known.insert(text.into(), jid.clone());
    Ok(jid)
}

fn address(error: jid::Error) -> StoreError {
    StoreError::row(format!("an address: {error}"))
}
