//! What is outstanding, what came back, what is right and what is wrong.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use memchr::memmem::Finder;

use crate::histogram::Histogram;
use crate::options::Options;
use crate::pack::{self, Packs};
use crate::wire;

/// Wrong things that are shown in full.
const SHOWN: usize = 5;

/// Messages written down for a second opinion.
const SAMPLES: u64 = 2000;

/// One publish under way.
#[derive(Debug)]
struct Open {
    since: Instant,
    measured: bool,
    result: bool,
    /// One bit for each recipient that has its message.
    arrived: u128,
}

/// Counts of what happened; all but the first four must stay zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) results: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Never came.
    pub(crate) missing: u64,
    /// Came twice, or for nobody, or for nothing that was published.
    pub(crate) extra: u64,
    /// Not what was published, or under other terms.
    pub(crate) wrong: u64,
    /// A later item of the same series before an earlier one.
    pub(crate) disordered: u64,
    /// Error stanzas.
    pub(crate) errors: u64,
}

pub(crate) struct Ledger {
    packs: Packs,
    recipients: usize,
    all: u128,
    terms: bool,
    /// Publishes under way, from number `base` on; `None` once complete.
    open: VecDeque<Option<Open>>,
    base: u64,
    outstanding: usize,
    /// The last item of each series and recipient.
    last: Vec<u32>,
    pub(crate) counts: Counts,
    pub(crate) complete: u64,
    pub(crate) latencies: Histogram,
    /// Since it was last taken.
    pub(crate) interval: Histogram,
    pub(crate) complaints: Vec<String>,
    senml: Finder<'static>,
    sample: Option<BufWriter<File>>,
    sample_every: u64,
    sampled: u64,
}

impl Ledger {
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let sample = match &options.sample {
            Some(path) => {
                let file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
                Some(BufWriter::new(file))
            }
            None => None,
        };
        Ok(Ledger {
            packs: Packs::new(&options.domain, options.records, options.series),
            recipients: options.recipients,
            all: u128::MAX >> (128 - options.recipients),
            terms: options.terms,
            open: VecDeque::new(),
            base: options.first,
            outstanding: 0,
            last: vec![0; options.series as usize * options.recipients],
            counts: Counts::default(),
            complete: 0,
            latencies: Histogram::default(),
            interval: Histogram::default(),
            complaints: Vec::new(),
            senml: Finder::new(b"<senml"),
            sample,
            sample_every: options.sample_every,
            sampled: 0,
        })
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Publishes the next one.
    pub(crate) fn publish(&mut self, since: Instant, measured: bool, out: &mut Vec<u8>) {
        let number = self.base + self.open.len() as u64;
        self.packs.write(number, out);
        self.open.push_back(Some(Open { since, measured, result: false, arrived: 0 }));
        self.outstanding += 1;
        self.counts.sent += 1;
    }

    /// An IQ answer came.
    pub(crate) fn result(&mut self, iq: &[u8], type_: &[u8], now: Instant) {
        if type_ == b"error" {
            self.counts.errors += 1;
            self.complain("an error", iq);
            return;
        }
        let tag = wire::start_tag(iq);
        let number = wire::attribute(tag, b"id").and_then(|id| wire::whole(id.strip_prefix(b"p")?));
        let to_meter = wire::attribute(tag, b"to") == Some(b"meter@pub.localhost/gw");
        match number.filter(|_| to_meter).and_then(|number| self.find(number).map(|open| (number, open))) {
            Some((number, open)) if !open.result => {
                open.result = true;
                self.counts.results += 1;
                self.settle(number, now);
            }
            _ => {
                self.counts.extra += 1;
                self.complain("a result that nobody waits for", iq);
            }
        }
    }

    /// A message came.
    pub(crate) fn message(&mut self, message: &[u8], now: Instant) {
        let tag = wire::start_tag(message);
        if wire::attribute(tag, b"type") == Some(b"error") {
            self.counts.errors += 1;
            self.complain("an error", message);
            return;
        }
        self.counts.bytes += message.len() as u64;
        let Some((recipient, number)) = self.whose(tag, message) else {
            self.counts.extra += 1;
            self.complain("a message to nobody, or with no item", message);
            return;
        };
        let bit = 1u128 << recipient;
        match self.find(number) {
            Some(open) if open.arrived & bit == 0 => open.arrived |= bit,
            _ => {
                self.counts.extra += 1;
                self.complain("a message that came already, or of nothing that was published", message);
                return;
            }
        }
        self.counts.messages += 1;
        if let Err(why) = self.check(message, number, recipient) {
            self.counts.wrong += 1;
            self.complain(why, message);
        }
        self.check_order(message, number, recipient);
        if number % self.sample_every == 0 && self.sampled < SAMPLES {
            self.write_down(message);
        }
        self.settle(number, now);
    }

    /// For which recipient, of which publish.
    fn whose(&self, tag: &[u8], message: &[u8]) -> Option<(usize, u64)> {
        let to = wire::attribute(tag, b"to")?;
        let digits = to.strip_prefix(b"r")?.strip_suffix(b"@sub.localhost")?;
        let recipient = usize::try_from(wire::whole(digits)?).ok().filter(|r| *r < self.recipients)?;
        let (_, item) = wire::element(message, b"<item")?;
        Some((recipient, wire::whole(wire::attribute(wire::start_tag(item), b"id")?)?))
    }

    fn find(&mut self, number: u64) -> Option<&mut Open> {
        let place = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.open.get_mut(place)?.as_mut()
    }

    fn check(&self, message: &[u8], number: u64, recipient: usize) -> Result<(), &'static str> {
        let series = self.packs.series_of(number);
        let node = pack::series(series);
        let items = wire::element(message, b"<items").ok_or("a message without items")?.1;
        if wire::attribute(wire::start_tag(items), b"node") != Some(node.as_bytes()) {
            return Err("a message of another node");
        }
        let (count, first, last) = self.packs.expected(number);
        let (mut seen, mut first_at, mut last_at) = (0, 0, 0);
        for at in self.senml.find_iter(message) {
            first_at = if seen == 0 { at } else { first_at };
            last_at = at;
            seen += 1;
        }
        if seen != count {
            return Err("a message with another number of records");
        }
        let value = |at: usize| {
            wire::attribute(wire::start_tag(&message[at..]), b"v").and_then(wire::number).unwrap_or(f64::NAN)
        };
        if value(first_at) != first || value(last_at) != last {
            return Err("a message with other values");
        }
        if self.terms {
            let terms = wire::element(&message[last_at..], b"<terms").ok_or("a message without terms")?.1;
            let consent = wire::attribute(wire::start_tag(terms), b"consent");
            if consent != Some(pack::consent(series, self.recipients, recipient).as_bytes()) {
                return Err("a message under another consent");
            }
            if wire::element(&terms[1..], b"<terms").is_some() {
                return Err("a message with terms twice");
            }
        }
        Ok(())
    }

    fn check_order(&mut self, message: &[u8], number: u64, recipient: usize) {
        let place = self.packs.series_of(number) as usize * self.recipients + recipient;
        // Numbers of one run differ by less than 2^32.
        let number = (number - 1) as u32 + 1;
        if std::mem::replace(&mut self.last[place], number) >= number {
            self.counts.disordered += 1;
            self.complain("a message after a later one of its series", message);
        }
    }

    /// Whether everything of this publish is there.
    fn settle(&mut self, number: u64, now: Instant) {
        let all = self.all;
        let Some(open) = self.find(number) else { return };
        if !open.result || open.arrived != all {
            return;
        }
        let (latency, measured) = (now.duration_since(open.since), open.measured);
        if measured {
            self.latencies.add(latency);
        }
        self.interval.add(latency);
        self.complete += 1;
        self.outstanding -= 1;
        let place = (number - self.base) as usize;
        self.open[place] = None;
        while matches!(self.open.front(), Some(None)) {
            self.open.pop_front();
            self.base += 1;
        }
    }

    fn write_down(&mut self, message: &[u8]) {
        let Some(sample) = &mut self.sample else { return };
        self.sampled += 1;
        if sample.write_all(message).and_then(|()| sample.write_all(b"\n")).is_err() {
            self.sample = None;
        }
    }

    /// What has not come by now never will.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        let mut missing = 0;
        let mut named = Vec::new();
        for (place, open) in self.open.iter().enumerate() {
            let Some(open) = open else { continue };
            let messages = self.recipients - open.arrived.count_ones() as usize;
            missing += messages as u64 + u64::from(!open.result);
            if named.len() < SHOWN {
                let number = self.base + place as u64;
                let result = if open.result { "" } else { ", and its result" };
                named.push(format!("missing of publish {number}: {messages} messages{result}"));
            }
        }
        self.counts.missing = missing;
        self.complaints.extend(named);
        match &mut self.sample {
            Some(sample) => sample.flush().map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }

    pub(crate) fn complain(&mut self, what: &str, stanza: &[u8]) {
        if self.complaints.len() < SHOWN {
            self.complaints.push(format!("{what}: {}", wire::shown(stanza)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with publish 1 under way, of 2 records to 2 recipients, with terms.
    fn ledger() -> Ledger {
        let options = Options { records: 2, series: 1, recipients: 2, terms: true, ..Options::default() };
        let mut ledger = Ledger::new(&options).expect("a ledger");
        ledger.publish(Instant::now(), true, &mut Vec::new());
        ledger
    }

    fn message(recipient: usize) -> String {
        let (node, consent) = (pack::series(0), pack::consent(0, 2, recipient));
        format!(
            "<message to='r{recipient}@sub.localhost'><event><items node='{node}'><item id='1'><sensml>\
             <senml bn='{node}' v='137'/><senml t='1800' v='198'/></sensml></item></items></event>\
             <terms consent='{consent}'/></message>"
        )
    }

    fn counts(messages: &[String]) -> Counts {
        let mut ledger = ledger();
        for message in messages {
            ledger.message(message.as_bytes(), Instant::now());
        }
        ledger.result(b"<iq type='result' id='p1' to='meter@pub.localhost/gw'/>", b"result", Instant::now());
        ledger.close().expect("closed");
        ledger.counts
    }

    #[test]
    fn what_is_right_is_complete() {
        let held = counts(&[message(0), message(1)]);
        assert_eq!((held.results, held.messages), (1, 2));
        assert_eq!((held.missing, held.extra, held.wrong, held.disordered, held.errors), (0, 0, 0, 0, 0));
    }

    #[test]
    fn what_is_amiss_is_counted() {
        assert_eq!(counts(&[message(0)]).missing, 1);
        assert_eq!(counts(&[message(0), message(0), message(1)]).extra, 1);
        assert_eq!(counts(&[message(0), message(1), message(0)]).extra, 1, "after it was complete");
        assert_eq!(counts(&[message(0), message(2)]).extra, 1, "nobody of that name");
        for (from, to) in [
            ("v='198'", "v='199'"),
            ("v='137'", "v='138'"),
            ("<senml t='1800' v='198'/>", ""),
            ("node='urn", "node='arn"),
            ("consent='0", "consent='1"),
            ("<terms", "<other"),
        ] {
            let held = counts(&[message(0).replace(from, to), message(1)]);
            assert_eq!(held.wrong, 1, "{from}");
        }
        let error = "<message type='error' to='r0@sub.localhost'/>".to_owned();
        assert_eq!(counts(&[error, message(0), message(1)]).errors, 1);
    }

    #[test]
    fn a_later_item_first_is_out_of_order() {
        let mut ledger = ledger();
        ledger.publish(Instant::now(), true, &mut Vec::new());
        ledger.message(message(0).replace("id='1'", "id='2'").as_bytes(), Instant::now());
        ledger.message(message(0).as_bytes(), Instant::now());
        assert_eq!(ledger.counts.disordered, 1);
    }
}
