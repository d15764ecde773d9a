//! What is published, and what must therefore arrive. Everything follows from the number of the publish,
//! so nothing of it has to be remembered; `benches/run.py` knows the same rules.

use std::io::Write as _;

/// Packs of one size come in so many variants of values.
const VARIANTS: u64 = 16;

/// Half an hour, in seconds.
const STEP: u64 = 1800;

/// 2025-11-21T00:00+01:00.
const BEGINNING: u64 = 1_763_679_600;

/// The series of this place.
pub(crate) fn series(place: u64) -> String {
    format!("urn:dev:prm:{}_consumption/power/active/raw", 30_001_000_000_000 + place)
}

/// Writes publishes.
pub(crate) struct Packs {
    domain: String,
    records: u64,
    series: u64,
    /// All records but the first, by variant.
    tails: Vec<Vec<u8>>,
}

impl Packs {
    pub(crate) fn new(domain: &str, records: usize, series: u64) -> Self {
        let records = records as u64;
        let tail = |variant| {
            let mut out = Vec::new();
            for record in 1..records {
                let (time, value) = (record * STEP, value(variant, record));
                write!(out, "<senml t='{time}' v='{value}'/>").expect("memory");
            }
            out.extend_from_slice(b"</sensml></item></publish></pubsub></iq>");
            out
        };
        Packs { domain: domain.to_owned(), records, series, tails: (0..VARIANTS).map(tail).collect() }
    }

    /// Which series a publish is for.
    pub(crate) fn series_of(&self, number: u64) -> u64 {
        (number - 1) % self.series
    }

    /// Appends the publish of this number.
    pub(crate) fn write(&self, number: u64, out: &mut Vec<u8>) {
        let node = series(self.series_of(number));
        let time = BEGINNING + (number - 1) / self.series % 1000 * self.records * STEP;
        let variant = number % VARIANTS;
        let first = value(variant, 0);
        write!(
            out,
            "<iq type='set' id='p{number}' from='meter@pub.localhost/gw' to='{}'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='{number}'>\
             <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='{node}' bt='{time}' bu='W' v='{first}'/>",
            self.domain
        )
        .expect("memory");
        out.extend_from_slice(&self.tails[variant as usize]);
    }

    /// How many records, the first value, and the last.
    pub(crate) fn expected(&self, number: u64) -> (usize, f64, f64) {
        let variant = number % VARIANTS;
        (self.records as usize, value(variant, 0) as f64, value(variant, self.records - 1) as f64)
    }
}

fn value(variant: u64, record: u64) -> u64 {
    100 + (variant * 37 + record * 61) % 900
}

/// The id of the consent that was seeded for this series and recipient.
pub(crate) fn consent(series: u64, recipients: usize, recipient: usize) -> String {
    format!("01934000-0000-7000-8000-{:012x}", series * recipients as u64 + recipient as u64)
}
