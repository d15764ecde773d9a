//! What the relay tells the disclosure log: counts, names and times, never values.

use std::sync::Arc;

use super::intake::Verdicts;
use super::owed::{Basis, Owed, Selection};
use super::pack::Pack;
use super::rights::{Rights, Subscriber};
use crate::domain::consent::ConsentKey;
use crate::domain::disclosure::{Decided, Dropped, Ground, Line, Verdict, Why};
use crate::domain::subscription::SubscriptionKey;
use crate::store::journal::Row;

/// What was decided about an item; nothing where nobody subscribes to it.
pub fn decided(rights: &Rights, pack: &Pack, row: &Row, verdicts: &Verdicts, again: bool) -> Option<Line> {
    let permitted = verdicts.owed.iter().filter(|owed| !owed.in_reserve);
    let permitted = permitted.filter_map(|owed| permission(rights, owed));
    let denied = verdicts.denied.iter().filter_map(|denied| {
        let ground = Ground::Denied(denied.reason);
        Some((rights.subscriber(denied.subscription)?, ground, &denied.records))
    });
    about(pack, row, permitted.chain(denied), again).map(Line::Decided)
}

/// What would be decided if the consents that it rests on ended; nothing where no other stands beside them.
pub fn in_reserve(rights: &Rights, pack: &Pack, row: &Row, verdicts: &Verdicts, again: bool) -> Option<Line> {
    let reserves = verdicts.owed.iter().filter(|owed| owed.in_reserve);
    let reserves = reserves.filter_map(|owed| permission(rights, owed));
    about(pack, row, reserves, again).map(Line::Reserve)
}

fn permission<'a>(rights: &'a Rights, owed: &'a Owed) -> Option<(Subscriber<'a>, Ground, &'a Selection)> {
    let ground = match owed.basis {
        Basis::Consent(key) | Basis::Reduced { consent: key, .. } => Ground::Consent(key),
        Basis::Own => Ground::Own,
        Basis::Open => Ground::Open,
        Basis::Listed => Ground::Listed,
    };
    Some((rights.subscriber_owed(owed)?, ground, &owed.records))
}

fn about<'a>(
    pack: &Pack,
    row: &Row,
    grounds: impl Iterator<Item = (Subscriber<'a>, Ground, &'a Selection)>,
    again: bool,
) -> Option<Decided> {
    let verdicts: Vec<Verdict> = grounds
        .filter_map(|(subscriber, ground, records)| verdict(pack, &row.node, &subscriber, ground, records))
        .collect();
    (!verdicts.is_empty()).then(|| Decided {
        seq: row.seq,
        publisher: Arc::clone(&row.publisher),
        node: Arc::clone(&row.node),
        item: Arc::clone(&row.item),
        again,
        verdicts,
    })
}

fn verdict(
    pack: &Pack,
    node: &str,
    subscriber: &Subscriber<'_>,
    ground: Ground,
    records: &Selection,
) -> Option<Verdict> {
    // Records are in the order of their times.
    let (count, first, last) = match records {
        Selection::All => (pack.len(), 0, pack.len().saturating_sub(1)),
        Selection::Some(list) => (list.len(), *list.first()? as usize, *list.last()? as usize),
    };
    Some(Verdict {
        subscription: subscriber.key,
        recipient: Arc::clone(subscriber.address),
        ground,
        series: series(pack, node, records),
        records: u32::try_from(count).unwrap_or(u32::MAX),
        first: millis(pack.time(first)),
        last: millis(pack.time(last)),
    })
}

/// About how much memory a line takes until it is written, in bytes.
pub fn footprint(line: &Line) -> usize {
    let of_verdict = |verdict: &Verdict| {
        size_of::<Verdict>() + verdict.series.iter().map(|name| name.len() + 32).sum::<usize>()
    };
    match line {
        Line::Decided(decided) | Line::Reserve(decided) | Line::Fetched(decided) => {
            size_of::<Line>() + decided.verdicts.iter().map(of_verdict).sum::<usize>()
        }
        Line::Dropped(_) | Line::Confirmed { .. } | Line::Consent(_) | Line::HandOver(_) => size_of::<Line>(),
    }
}

/// The series of these records; none where the node is the only one.
fn series(pack: &Pack, node: &str, records: &Selection) -> Vec<Arc<str>> {
    let mut names = pack.names();
    if pack.series_count() == 1 && names.next() == Some(node) {
        return Vec::new();
    }
    let mut held = vec![false; pack.series_count()];
    match records {
        Selection::All => held.fill(true),
        Selection::Some(list) => {
            for record in list {
                held[pack.name_of(*record as usize)] = true;
            }
        }
    }
    pack.names().zip(held).filter(|(_, held)| *held).map(|(name, _)| name.into()).collect()
}

/// Seconds as the log counts time. The cast saturates, as no time of a measurement is ever so far away.
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Something owed that will not be sent.
pub fn dropped(seq: u64, owed: &Owed, why: Why) -> Line {
    dropped_from(seq, owed.subscription, owed.consent(), why)
}

/// The same, where it may not be known what it rested on.
pub fn dropped_from(seq: u64, subscription: SubscriptionKey, consent: Option<ConsentKey>, why: Why) -> Line {
    Line::Dropped(Dropped { seq, subscription, consent, why })
}
