//! What leaves under consents with a granularity: not the records, but what they are reduced to, in whole
//! periods.
//!
//! There is a [`Reduction`] for each consent and series, whether or not somebody subscribes just now, so that
//! none has gaps that it does not know of. It changes with the pack that brought the records, in the same
//! commit; when that fails, it is what it was before. It begins anew when anything changes that it rests on:
//! granularity, data window, a suspension, the aggregation, the time zone.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::grant::{Coarse, Grant};
use super::holders::Holders;
use super::intake::hash;
use super::owed::{Basis, Near, Owed, Selection};
use super::pack::Pack;
use super::rights::{Found, Rights};
use crate::domain::access;
use crate::domain::aggregation::{Aggregation, sampling_interval};
use crate::domain::clock::Now;
use crate::domain::consent::{ConsentKey, Mode};
use crate::domain::decision::{Extent, Standing};
use crate::domain::granularity::Stretch;
use crate::domain::reduction::{Claim, Reduced, Reduction, Rule, Sample};
use crate::domain::series::Series;
use crate::protocol::publish::Payload;
use crate::store::reductions::PutReduction;

/// The most series under consents that are remembered; of others nothing leaves.
const HELD_MAX: usize = 1_000_000;

/// Times before this would be read as relative (RFC 8428 §4.5.3), seconds.
const RELATIVE: f64 = 268_435_456.0;

/// What is remembered under one consent, by series. Names are chosen by others, so that it must not be known how
/// they are hashed.
type OfConsent = HashMap<Arc<str>, Held>;

/// A series under a consent.
type Key = (ConsentKey, Arc<str>);

/// What is remembered of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Held {
    /// Of what it rests on.
    stamp: u64,
    state: Reduction,
}

/// What a series was, before what is to be committed now.
type Before = HashMap<Key, Option<Held>>;

/// See the module.
#[derive(Debug)]
pub struct Reductions {
    zone: TimeZone,
    held: FxHashMap<ConsentKey, OfConsent>,
    count: usize,
    /// Changed since the last group was handed out.
    changed: Before,
    /// Changed in the group that is being committed.
    committing: Before,
    /// To be deleted from the store.
    dropped: Vec<Key>,
    /// Being deleted.
    dropping: Vec<Key>,
}

impl Default for Reductions {
    fn default() -> Self {
        Reductions {
            zone: TimeZone::UTC,
            held: FxHashMap::default(),
            count: 0,
            changed: Before::default(),
            committing: Before::default(),
            dropped: Vec::new(),
            dropping: Vec::new(),
        }
    }
}

/// Periods of a series that are complete, under one consent.
#[derive(Debug)]
pub struct Finished {
    consent: ConsentKey,
    series: Arc<str>,
    token: u64,
    reduced: Vec<Reduced>,
}

impl Reductions {
    /// In which time zone days begin.
    pub fn set_time_zone(&mut self, zone: TimeZone) {
        self.zone = zone;
    }

    /// Takes in what the store knows; what nobody needs any more is deleted there.
    pub fn know(&mut self, rights: &Rights, consent: ConsentKey, series: &str, state: &str) {
        let held = serde_json::from_str::<Held>(state);
        let is_wanted =
            rights.consent(consent).is_some_and(|grant| grant.coarse().is_some() && grant.covers(series));
        match held {
            Ok(held) if is_wanted && self.count < HELD_MAX => {
                self.count += 1;
                self.held.entry(consent).or_default().insert(series.into(), held);
            }
            _ => self.dropped.push((consent, series.into())),
        }
    }

    /// A consent is not what it was: what it does not stand for any more is forgotten.
    pub fn consent_changed(&mut self, key: ConsentKey, grant: Option<&Grant>) {
        let Some(held) = self.held.get_mut(&key) else { return };
        let (dropped, count) = (&mut self.dropped, &mut self.count);
        held.retain(|series, _| {
            let stays = grant.is_some_and(|grant| grant.coarse().is_some() && grant.covers(series));
            if !stays {
                dropped.push((key, Arc::clone(series)));
                *count -= 1;
            }
            stays
        });
        if held.is_empty() {
            self.held.remove(&key);
        }
    }

    /// Counts the records of an accepted pack in, for every consent with a granularity that covers them.
    pub fn take(&mut self, rights: &Rights, pack: &Pack, now: Now) -> Vec<Finished> {
        let mut finished = Vec::new();
        if !rights.reduces_anything() || pack.is_foreign() {
            return finished;
        }
        for (place, name) in pack.names().enumerate() {
            let found = rights.look_up(name);
            let Some(registration) = found.registration() else { continue };
            let holders = found.holders();
            let mut whole: Option<Series> = None;
            let late = (registration.stamped_late_by() * 1000.0) as i64;
            for (_, grant) in found.consents() {
                let consent = grant.key();
                let Some(coarse) = grant.coarse() else { continue };
                let extent = grant.extent();
                if !extent.modes.notify || extent.stands_now(now.wall).is_err() {
                    continue;
                }
                let mine = spans(&holders, grant);
                if mine.is_empty() {
                    continue;
                }
                let samples = pack.samples_of(place).map(|sample| Sample { at: sample.at - late, ..sample });
                let Some(first) = samples.clone().next() else { continue };
                if whole.is_none() {
                    whole = registration.to_series();
                }
                let Some(series) = &whole else { continue };
                let rule = Rule {
                    granularity: &coarse.granularity,
                    zone: &self.zone,
                    aggregation: Aggregation::of(name, series, first.unit),
                    interval: sampling_interval(series),
                    window: window(extent),
                    now: now.wall.as_millisecond(),
                };
                let stamp = stamp(coarse, &rights.shown(*grant.subject()), &rule);
                let key = (consent, self.shared(consent, name));
                let Some(held) =
                    change(&mut self.held, &mut self.count, &mut self.changed, key.clone(), stamp)
                else {
                    continue;
                };
                for (from, until) in mine {
                    let is_within =
                        |at: i64| from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until);
                    let mut samples = samples.clone().filter(|sample| is_within(sample.at)).peekable();
                    if samples.peek().is_none() {
                        continue;
                    }
                    // A period that two people held a part of is nobody's, and does not leave.
                    let window = (from.max(rule.window.0), earlier(until, rule.window.1));
                    let mut reduced = held.state.take(&Rule { window, ..rule }, samples);
                    let is_whole = |period: Stretch| {
                        from.is_none_or(|from| period.start >= from)
                            && until.is_none_or(|until| period.end <= until)
                    };
                    reduced.retain(|reduced| is_whole(reduced.period));
                    if !reduced.is_empty() {
                        let series = Arc::clone(&key.1);
                        finished.push(Finished { consent, series, token: coarse.token, reduced });
                    }
                }
            }
        }
        finished
    }

    /// The name as it is held already, or new.
    fn shared(&self, consent: ConsentKey, name: &str) -> Arc<str> {
        let held = self.held.get(&consent).and_then(|held| held.get_key_value(name));
        held.map_or_else(|| name.into(), |(name, _)| Arc::clone(name))
    }

    /// What is to be written with the next group.
    pub fn take_changed(&mut self) -> Vec<PutReduction> {
        self.committing = std::mem::take(&mut self.changed);
        self.dropping = std::mem::take(&mut self.dropped);
        let gone = self.dropping.iter().map(|(consent, series)| (*consent, series, None));
        let changed = self.committing.keys().filter_map(|(consent, series)| {
            let held = self.held.get(consent)?.get(series)?;
            Some((*consent, series, serde_json::to_string(held).ok()))
        });
        let put = |(consent, series, state)| PutReduction { consent, series: Arc::clone(series), state };
        let mut all: Vec<PutReduction> = gone.chain(changed).map(put).collect();
        // What was forgotten, and has begun anew since, is written last.
        all.sort_by(|a, b| {
            (a.state.is_some(), a.consent, &a.series).cmp(&(b.state.is_some(), b.consent, &b.series))
        });
        all
    }

    /// The group was kept, or all of it is undone, with what came while it was being written.
    pub fn committed(&mut self, kept: bool) {
        let (committing, dropping) =
            (std::mem::take(&mut self.committing), std::mem::take(&mut self.dropping));
        if kept {
            return;
        }
        self.dropped.extend(dropping);
        let behind = std::mem::take(&mut self.changed);
        for ((consent, series), before) in behind.into_iter().chain(committing) {
            let Some(of_consent) = self.held.get_mut(&consent) else { continue };
            // What was forgotten meanwhile stays so.
            if !of_consent.contains_key(&series) {
                continue;
            }
            match before {
                Some(before) => {
                    of_consent.insert(series, before);
                }
                None => {
                    of_consent.remove(&series);
                    self.count -= 1;
                }
            }
        }
    }

    /// How many series under consents are remembered.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What is held of a series, to be changed; what it was is noted the first time. Nothing if there are too many.
fn change<'a>(
    held: &'a mut FxHashMap<ConsentKey, OfConsent>,
    count: &mut usize,
    changed: &mut Before,
    key: Key,
    stamp: u64,
) -> Option<&'a mut Held> {
    let of_consent = held.entry(key.0).or_default();
    let before = of_consent.get(&key.1);
    if before.is_none() && *count >= HELD_MAX {
        tracing::warn!(
            limit = HELD_MAX,
            "too many series under consents with a granularity; of others nothing leaves"
        );
        return None;
    }
    changed.entry(key.clone()).or_insert_with(|| before.cloned());
    *count += usize::from(before.is_none());
    let fresh = || Held { stamp, state: Reduction::default() };
    let held = of_consent.entry(key.1).or_insert_with(fresh);
    if held.stamp != stamp {
        *held = fresh();
    }
    Some(held)
}

/// Which measurements count, in milliseconds.
fn window(extent: Extent) -> (Option<i64>, Option<i64>) {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    (millis(extent.data_from), millis(extent.data_until))
}

/// The times over which who gave a consent holds the series, and that it covers: from, until before.
fn spans(holders: &Holders, grant: &Grant) -> Vec<(Option<i64>, Option<i64>)> {
    let tenures = match holders {
        Holders::One(holder) if holder == grant.subject() => return vec![(None, None)],
        Holders::One(_) => return Vec::new(),
        Holders::Many(tenures) => tenures,
    };
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let is_covered = |from: Option<Timestamp>| {
        let since = from.and_then(|from| tenures.given_since(from.as_duration().as_secs_f64()));
        since.is_none_or(|since| grant.given_at() >= since)
    };
    tenures
        .spans()
        .filter(|span| span.tenure.holder.holder() == Some(grant.subject()) && is_covered(span.tenure.from))
        .map(|span| (millis(span.tenure.from), millis(span.until)))
        .collect()
}

/// The earlier of two ends, of which either may be open.
pub fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Of all that a reduction rests on.
fn stamp(coarse: &Coarse, subject: &str, rule: &Rule<'_>) -> u64 {
    let Coarse { token, since, .. } = coarse;
    let (aggregation, interval, zone) = (rule.aggregation, rule.interval, rule.zone.iana_name());
    hash(format!("{token} {since} {subject} {aggregation:?} {interval:?} {zone:?}").as_bytes())
}

impl Finished {
    /// Who is owed these periods now: those of the recipient's subscriptions that get the series in no greater
    /// detail by another way.
    pub fn owed(&self, rights: &Rights, now: Timestamp) -> Vec<Owed> {
        let found = rights.look_up(&self.series);
        let (Some(grant), Some(first)) = (rights.consent(self.consent), self.reduced.first()) else {
            return Vec::new();
        };
        // All are of one tenure.
        let share = found.share_at(&found.holders(), first.period.start as f64 / 1000.0, now);
        let basis = Basis::Reduced { consent: self.consent, token: self.token };
        let places = 0u32..;
        let records: Vec<u32> = places
            .zip(&self.reduced)
            .filter(|(_, reduced)| !has_better(&found, grant, reduced.period, now))
            .map(|(place, _)| place)
            .collect();
        let records = match records.len() {
            0 => return Vec::new(),
            count if count == self.reduced.len() => Selection::All,
            _ => Selection::Some(records),
        };
        let mut served: Vec<&str> = Vec::new();
        let mut owed = Vec::new();
        for subscriber in found.subscribers().filter(|subscriber| subscriber.party == grant.party()) {
            let who = subscriber.party;
            // Who may have the records has them, and who may have nothing gets none of this either.
            let situation = share.situation(&found, who);
            if access::without_consent::<Grant>(&who, &situation, Mode::Notify).is_some() {
                break;
            }
            if !served.contains(&&**subscriber.address) {
                served.push(subscriber.address);
                owed.push(Owed {
                    subscription: subscriber.key,
                    basis,
                    records: records.clone(),
                    in_reserve: false,
                    near: Near { subscription: subscriber.place, ..Near::default() },
                });
            }
        }
        owed
    }

    /// The item that they are, and its id: the time that they are of, as an ISO 8601 interval.
    pub fn into_item(self) -> Option<(String, Pack)> {
        let start = self.reduced.first()?.period.start;
        let end = self.reduced.last()?.period.end;
        let shown = |at| Timestamp::from_millisecond(at).ok().map(|at| at.to_string());
        let records = self.reduced.iter().map(|r| (r.at as f64 / 1000.0, r.value, r.unit.as_deref()));
        let pack = Pack::read(&Payload::Json(json(&self.series, records)?), 0.0, usize::MAX).ok()?;
        Some((format!("{}/{}", shown(start)?, shown(end)?), pack))
    }
}

/// Records of a series (seconds since 1970, value, unit) as a pack of SenML JSON; nothing where there is a number
/// or a time among them that it cannot say.
pub fn json<'a>(series: &str, records: impl Iterator<Item = (f64, f64, Option<&'a str>)>) -> Option<String> {
    let record = |(at, value, unit): (f64, f64, Option<&str>)| {
        let value = serde_json::Number::from_f64(value)?;
        let mut record = serde_json::json!({ "n": series, "t": at, "v": value });
        if let Some(unit) = unit {
            record["u"] = serde_json::Value::from(unit);
        }
        (at >= RELATIVE).then_some(record)
    };
    let records: Option<Vec<serde_json::Value>> = records.map(record).collect();
    serde_json::to_string(&records?).ok()
}

/// Whether another consent gives the same recipient a period in more detail, or as much for longer.
fn has_better(found: &Found<'_>, grant: &Grant, period: Stretch, now: Timestamp) -> bool {
    let claim = |grant: &Grant| {
        let extent = grant.extent();
        Claim {
            detail: grant.coarse().map_or(0, |coarse| coarse.granularity.nominal()),
            until: extent.valid_until,
            id: grant.id(),
            from: Some(extent.valid_from.as_millisecond()),
            window: window(extent),
        }
    };
    let mine = claim(grant);
    found.consents().any(|(_, other)| {
        let extent = other.extent();
        other.party() == grant.party()
            && other.subject() == grant.subject()
            && extent.modes.notify
            && extent.stands_now(now).is_ok()
            && claim(other).outranks(&mine, period)
    })
}

#[cfg(test)]
mod tests;
