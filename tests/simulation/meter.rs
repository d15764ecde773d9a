//! A meter that is read every ten seconds, and a recipient who may have minutes.
//!
//! The gateway sends one pack after the other, the next when the one before is acknowledged: so each minute is
//! complete, whatever happens, and what each must come to is known beforehand.

use std::collections::BTreeSet;

use courant::domain::consent::Consent;
use courant::domain::name::Scope;
use courant::domain::series::Series;
use courant::domain::tenure::Tenures;
use courant::store::journal::Row;
use jiff::Timestamp;

use super::disk::Disk;
use super::people;
use super::site::Request;
use super::wire::Record;
use super::world::{What, World};

/// The key of the consent to minutes: out of the way of those that come and go.
pub(crate) const CONSENT: u64 = 1_000_000;

/// The series, and the node.
pub(crate) const NAME: &str = "urn:dev:meter";

/// When the first measurement is from: seconds since 1970, a full minute.
const BEGIN: i64 = 1_779_000_000;

/// Between two measurements, seconds.
const INTERVAL: i64 = 10;

/// In a pack; unlike in a minute.
const RECORDS: i64 = 4;

/// Measurements in a minute.
const PER_MINUTE: i64 = 60 / INTERVAL;

/// What one installation's meter has sent, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Packs still to be sent.
    due: usize,
    /// Sent so far.
    sent: i64,
    /// The request that is not answered.
    open: Option<usize>,
    /// Minutes, counted from the first, that are on the disk for the recipient.
    minutes: BTreeSet<i64>,
}

/// Who may have minutes.
pub(crate) fn recipient(site: usize) -> String {
    people::recipient(site, 0).replace("u0@", "minutes@")
}

/// The registration of the meter, and the consent to its minutes.
pub(crate) fn settle_in(disk: &mut Disk, site: usize, gateway: &str, mut consent: Consent) {
    let mut series = Series {
        name: Scope::Exact(NAME.into()),
        tenures: Tenures::of("ann@home.test".parse().unwrap_or_else(|e: String| panic!("{e}"))),
        producers: Vec::new(),
        open: false,
        retention: None,
        title: None,
        source: None,
        meta: Default::default(),
        node: Default::default(),
    };
    series.producers.push(jid::BareJid::new(gateway).unwrap_or_else(|e| panic!("{gateway}: {e}")));
    series.meta.insert("sampling-interval".into(), format!("PT{INTERVAL}S").into());
    disk.people.series.insert(CONSENT, series);
    consent.recipient = jid::BareJid::new(&recipient(site)).unwrap_or_else(|e| panic!("{e}"));
    consent.scope = vec![Scope::Exact(NAME.into())];
    consent.granularity = Some("PT1M".parse().unwrap_or_else(|_| panic!("a minute")));
    disk.give(CONSENT, consent);
}

impl Meter {
    /// All is sent and answered.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.due == 0 && self.open.is_none()
    }

    /// A row of minutes became durable: none comes twice.
    pub(crate) fn durable(&mut self, row: &Row) -> Result<(), String> {
        let minutes = minutes(&row.item).ok_or_else(|| format!("no minutes: {row:?}"))?;
        match minutes.into_iter().find(|minute| !self.minutes.insert(*minute)) {
            Some(minute) => Err(format!("minute {minute} is owed twice: {row:?}")),
            None => Ok(()),
        }
    }

    /// Whether this row was durable before: what stands in it is owed again.
    pub(crate) fn knows(&self, row: &Row) -> bool {
        minutes(&row.item).is_some_and(|minutes| minutes.iter().all(|minute| self.minutes.contains(minute)))
    }

    /// Minutes that left.
    pub(crate) fn count(&self) -> u64 {
        self.minutes.len() as u64
    }

    /// At the end: each minute of which all was acknowledged is there, and no other.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let complete = self.sent * RECORDS / PER_MINUTE;
        let due: BTreeSet<i64> = (0..complete).collect();
        if self.minutes == due {
            return Ok(());
        }
        let differ: Vec<&i64> = self.minutes.symmetric_difference(&due).take(5).collect();
        Err(format!("of {complete} complete minutes these are missing, or too many: {differ:?}"))
    }
}

/// Whether a row is of minutes, not of what somebody published.
pub(crate) fn is_reduced(row: &Row) -> bool {
    row.item.contains('/')
}

/// The minutes that an item is of, by its id: an interval.
fn minutes(item: &str) -> Option<Vec<i64>> {
    let (start, end) = item.split_once('/')?;
    let minute = |text: &str| {
        let at = text.parse::<Timestamp>().ok()?.as_second() - BEGIN;
        (at % 60 == 0).then_some(at / 60)
    };
    Some((minute(start)?..minute(end)?).collect())
}

/// What a row of minutes must hold: the mean of each.
pub(crate) fn expected(row: &Row) -> Option<Vec<Record>> {
    let mean = |minute: i64| (minute * PER_MINUTE) as f64 + (PER_MINUTE - 1) as f64 / 2.0;
    let minutes = minutes(&row.item)?.into_iter();
    Some(minutes.map(|minute| (NAME.to_owned(), (BEGIN + minute * 60) as f64, mean(minute))).collect())
}

impl World {
    /// The meter has so many more packs to send.
    pub(crate) fn measure(&mut self, site: usize, packs: usize) {
        self.sites[site].meter.due += packs;
        self.send_measured(site);
    }

    /// The gateway was answered.
    pub(crate) fn measured(&mut self, site: usize, request: usize) {
        if self.sites[site].meter.open == Some(request) {
            self.sites[site].meter.open = None;
            self.send_measured(site);
        }
    }

    fn send_measured(&mut self, site: usize) {
        let place = &mut self.sites[site];
        if place.meter.open.is_some() || place.meter.due == 0 {
            return;
        }
        place.meter.due -= 1;
        let first = place.meter.sent * RECORDS;
        place.meter.sent += 1;
        let record = |n: i64| (NAME.to_owned(), (BEGIN + n * INTERVAL) as f64, n as f64);
        let records: Vec<Record> = (first..first + RECORDS).map(record).collect();
        let items = vec![(format!("p{first}"), records)];
        place.requests.push(Request { node: NAME.into(), items, acked: false, refused: false });
        let request = place.requests.len() - 1;
        place.meter.open = Some(request);
        self.after(0, What::Republish { site, request, unasked: false });
    }
}
