//! What was published, acknowledged and received, and what that must come to.

use std::collections::HashMap;

/// Items of a node that may be unanswered, and of the first node, whose gateway repeats as many when the component is
/// back, answered or not.
const WINDOW: u64 = 8;
const WIDE: u64 = 128;

fn window(series: usize) -> u64 {
    if series == 0 { WIDE } else { WINDOW }
}

/// Packs of a series, one after the other.
#[derive(Debug)]
struct Series {
    name: String,
    packs: Vec<Pack>,
    /// The first pack that is not acknowledged; the ones before all are.
    open: usize,
    next_item: u64,
    /// The number that each item was forwarded under.
    numbers: HashMap<u64, String>,
}

/// One publish of one or two items.
#[derive(Debug)]
struct Pack {
    first: u64,
    items: u64,
    acknowledged: bool,
}

/// What one recipient got of one series.
#[derive(Debug, Default)]
struct Track {
    /// By item: whether it came.
    got: Vec<bool>,
    /// The last first copy.
    last: Option<u64>,
}

/// How sure it is that a consent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not.
    Not,
    /// The command line may have ended it.
    Perhaps,
    /// It has, once another process runs: the running one did not say that it knows.
    WithTheNextProcess,
    /// It has, but what was written to the socket before may still be read.
    BehindMarker(u64),
    /// Nothing may come under it.
    Certain,
}

#[derive(Debug)]
pub(crate) struct Consent {
    pub(crate) id: String,
    pub(crate) recipient: String,
    pub(crate) series: usize,
    pub(crate) end: End,
    /// How often the recipient was told that it ended.
    pub(crate) told: u64,
    /// Items before this one were acknowledged before it was given.
    not_before: u64,
    /// From this item on, all that is acknowledged is owed.
    from: u64,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    series: Vec<Series>,
    pub(crate) consents: Vec<Consent>,
    by_id: HashMap<String, usize>,
    tracks: HashMap<(String, usize), Track>,
    pub(crate) closed: bool,
    pub(crate) packs: u64,
    pub(crate) first_copies: u64,
    pub(crate) duplicates: u64,
    pub(crate) repeated: u64,
}

impl Ledger {
    pub(crate) fn new(series: &[String]) -> Self {
        let series = series.iter().map(|name| Series {
            name: name.clone(),
            packs: Vec::new(),
            open: 0,
            next_item: 0,
            numbers: HashMap::new(),
        });
        Ledger { series: series.collect(), ..Ledger::default() }
    }

    /// All that is to be published on a fresh link: what was not answered (of the first series, all that was published
    /// last), then new packs.
    pub(crate) fn all_due(&mut self) -> String {
        let mut out = String::new();
        for number in 0..self.series.len() {
            let series = &self.series[number];
            let last = series.next_item.saturating_sub(WIDE);
            let first = match number {
                0 => series.packs.partition_point(|pack| pack.first < last),
                _ => series.open,
            };
            for pack in first..series.packs.len() {
                if number == 0 || !series.packs[pack].acknowledged {
                    self.repeated += 1;
                    out += &self.stanza(number, pack);
                }
            }
            out += &self.due(number);
        }
        out
    }

    /// New packs of a series, as many as may be unanswered.
    fn due(&mut self, number: usize) -> String {
        let mut out = String::new();
        loop {
            let series = &mut self.series[number];
            let oldest = series.packs.get(series.open).map_or(series.next_item, |pack| pack.first);
            let items = 1 + series.packs.len() as u64 % 3 / 2;
            if self.closed || series.next_item - oldest + items > window(number) {
                return out;
            }
            series.packs.push(Pack { first: series.next_item, items, acknowledged: false });
            series.next_item += items;
            let pack = series.packs.len() - 1;
            out += &self.stanza(number, pack);
        }
    }

    fn stanza(&self, number: usize, place: usize) -> String {
        let (series, pack) = (&self.series[number], &self.series[number].packs[place]);
        let name = &series.name;
        let mut out = format!(
            "<iq type='set' from='gw{number}@prod.example/1' to='energy.example.org' id='p-{number}-{place}'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{name}'>"
        );
        for item in pack.first..pack.first + pack.items {
            out += &format!(
                "<item id='{item}'><sensml xmlns='urn:ietf:params:xml:ns:senml'>\
                 <senml n='{name}' t='{}' u='W' v='{}'/></sensml></item>",
                1_763_679_600 + item,
                value(number, item)
            );
        }
        out + "</publish></pubsub></iq>"
    }

    /// A publish was answered; gives what is published next.
    pub(crate) fn acknowledged(&mut self, id: &str) -> Result<String, String> {
        let unknown = || format!("an answer to nothing: {id}");
        let (number, place) = id.split_once('-').ok_or_else(unknown)?;
        let number: usize = number.parse().map_err(|_| unknown())?;
        let place: usize = place.parse().map_err(|_| unknown())?;
        let series = self.series.get_mut(number).ok_or_else(unknown)?;
        let pack = series.packs.get_mut(place).ok_or_else(unknown)?;
        if !std::mem::replace(&mut pack.acknowledged, true) {
            self.packs += 1;
        }
        while series.packs.get(series.open).is_some_and(|pack| pack.acknowledged) {
            series.open += 1;
        }
        Ok(self.due(number))
    }

    /// Items acknowledged so far without a gap.
    pub(crate) fn acknowledged_before(&self, series: usize) -> u64 {
        let series = &self.series[series];
        series.packs.get(series.open).map_or(series.next_item, |pack| pack.first)
    }

    /// A consent was given: the command line began when `not_before` items were acknowledged, and has ended.
    pub(crate) fn given(&mut self, id: &str, recipient: &str, series: usize, not_before: u64) {
        self.by_id.insert(id.to_owned(), self.consents.len());
        self.consents.push(Consent {
            id: id.to_owned(),
            recipient: recipient.to_owned(),
            series,
            end: End::Not,
            told: 0,
            not_before,
            from: self.series[series].next_item,
        });
    }

    pub(crate) fn set_end(&mut self, id: &str, end: End) {
        if let Some(&place) = self.by_id.get(id) {
            self.consents[place].end = end;
        }
    }

    pub(crate) fn turn_ends(&mut self, turn: impl Fn(End) -> End) {
        for consent in &mut self.consents {
            consent.end = turn(consent.end);
        }
    }

    /// The recipient was told that a consent ended.
    pub(crate) fn told(&mut self, id: &str, to: &str) -> Result<(), String> {
        let place = *self.by_id.get(id).ok_or_else(|| format!("the end of an unknown consent {id}"))?;
        let consent = &mut self.consents[place];
        if consent.recipient != to || consent.end == End::Not {
            return Err(format!("{to} is told that {id} ended, which is not so: {consent:?}"));
        }
        consent.told += 1;
        Ok(())
    }

    /// The component wrote something under a consent.
    pub(crate) fn left(&self, consent: &str, to: &str) -> Result<(), String> {
        let held = self.by_id.get(consent).map(|&place| &self.consents[place]);
        match held {
            Some(held) if held.end == End::Certain => Err(format!("{to} is sent something under {held:?}")),
            _ => Ok(()),
        }
    }

    /// A recipient's server took a delivery, with this id.
    pub(crate) fn arrived(
        &mut self,
        id: &str,
        to: &str,
        node: &str,
        item: u64,
        v: u64,
        consent: &str,
    ) -> Result<(), String> {
        let held = self.by_id.get(consent).map(|&place| &self.consents[place]);
        let Some(held) = held else {
            return Err(format!("item {item} of {node} came to {to} under an unknown consent {consent}"));
        };
        let series = held.series;
        if held.recipient != to || self.series[series].name != node {
            return Err(format!("item {item} of {node} came to {to} under {held:?}"));
        }
        if item < held.not_before {
            return Err(format!("item {item} of {node} came to {to}, accepted before {held:?}"));
        }
        if v != value(series, item) || item >= self.series[series].next_item {
            return Err(format!("item {item} of {node} came to {to} with a foreign value"));
        }
        let number = id.split('-').nth(1).unwrap_or_default();
        let first = self.series[series].numbers.entry(item).or_insert_with(|| number.to_owned());
        if first != number {
            return Err(format!("item {item} of {node} was forwarded as {first}, and again as {number}"));
        }
        let track = self.tracks.entry((to.to_owned(), series)).or_default();
        let place = usize::try_from(item).map_err(|e| e.to_string())?;
        if track.got.len() <= place {
            track.got.resize(place + 1, false);
        }
        if std::mem::replace(&mut track.got[place], true) {
            self.duplicates += 1;
            return Ok(());
        }
        if let Some(last) = track.last.filter(|&last| last > item) {
            return Err(format!("item {item} of {node} came to {to} for the first time, after {last}"));
        }
        track.last = Some(item);
        self.first_copies += 1;
        Ok(())
    }

    /// Packs of several items that were not acknowledged.
    pub(crate) fn unacknowledged(&self) -> Vec<(String, Vec<u64>)> {
        let mut list = Vec::new();
        for series in &self.series {
            let open = series.packs[series.open..].iter().filter(|pack| !pack.acknowledged && pack.items > 1);
            list.extend(
                open.map(|pack| (series.name.clone(), (pack.first..pack.first + pack.items).collect())),
            );
        }
        list
    }

    /// What must come and has not, the first few things.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for series in &self.series {
            if series.open < series.packs.len() {
                missing.push(format!("an answer for pack {} of {}", series.open, series.name));
            }
        }
        for consent in &self.consents {
            if consent.end == End::Not {
                let got = self.tracks.get(&(consent.recipient.clone(), consent.series));
                let got = got.map_or(&[][..], |track| &track.got);
                let upto = self.series[consent.series].next_item;
                let lost =
                    (consent.from..upto).filter(|&i| !got.get(i as usize).copied().unwrap_or_default());
                missing.extend(lost.take(3).map(|item| {
                    format!("item {item} of {} for {}", self.series[consent.series].name, consent.recipient)
                }));
            } else if consent.told == 0 {
                missing.push(format!("{} was not told that {} ended", consent.recipient, consent.id));
            }
            if missing.len() > 10 {
                break;
            }
        }
        missing
    }
}

/// The value of an item, unlike those of others.
fn value(series: usize, item: u64) -> u64 {
    item * 16 + series as u64
}
