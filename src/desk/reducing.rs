//! What of the past somebody may have under consents with a granularity: not the records, but what they are
//! reduced to, in whole periods.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::permit::{Asker, Standing, Tally};
use crate::domain::aggregation::{Aggregation, sampling_interval};
use crate::domain::consent::{Consent, ConsentKey};
use crate::domain::decision::stands_now;
use crate::domain::disclosure::Ground;
use crate::domain::granularity::Granularity;
use crate::domain::reduction::{Claim, Reduction, Rule, Sample};
use crate::domain::series::Series;
use crate::relay::reductions::json;
use crate::senml::{self, Format, Resolved};
use crate::store::items::measured_at;

/// One series, for one asker.
pub struct Reducing<'a> {
    asker: &'a Asker,
    name: &'a str,
    series: &'a Series,
    zone: &'a TimeZone,
    parts: Vec<Part<'a>>,
    /// The others, which give the records themselves.
    fine: Vec<Claim>,
}

struct Part<'a> {
    key: ConsentKey,
    consent: &'a Consent,
    granularity: Granularity,
    state: Reduction,
}

/// What may be had.
#[derive(Debug, Clone, PartialEq)]
pub struct Had {
    /// Seconds since 1970.
    pub at: f64,
    /// What stands for the period, or was measured.
    pub value: f64,
    /// In which unit.
    pub unit: Option<Box<str>>,
    /// Under which consent it is had, unless that is counted already.
    pub consent: Option<ConsentKey>,
}

impl<'a> Reducing<'a> {
    /// Nothing where no consent with a granularity lets the asker have it.
    pub fn of(asker: &'a Asker, name: &'a str, series: &'a Series, zone: &'a TimeZone) -> Option<Self> {
        if asker.standing(name, series) != Standing::ByConsent {
            return None;
        }
        let (mut parts, mut fine) = (Vec::new(), Vec::new());
        for (key, consent) in &asker.consents {
            let is_for_it = consent.recipient == asker.who
                && consent.modes.history
                && consent.covers(name)
                && consent.is_about(series.holder(asker.now))
                && stands_now(consent, asker.now).is_ok();
            match &consent.granularity {
                _ if !is_for_it => {}
                None => fine.push(claim(consent, 0)),
                Some(period) => {
                    let granularity = Granularity::from(period);
                    parts.push(Part { key: *key, consent, granularity, state: Reduction::default() });
                }
            }
        }
        (!parts.is_empty()).then_some(Reducing { asker, name, series, zone, parts, fine })
    }

    /// Whether some of the records themselves may be had.
    pub fn has_fine(&self) -> bool {
        !self.fine.is_empty()
    }

    /// The asker.
    pub fn asker(&self) -> &'a Asker {
        self.asker
    }

    /// The series' name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Which records are needed to know what stands for the periods that begin in this time (seconds since 1970):
    /// one period more before it, since what was there tells that none of it is missing, and two behind it.
    pub fn reach(&self, (from, until): (f64, f64)) -> (f64, f64) {
        let mut reach = (from, until);
        for part in &self.parts {
            let period = |at: i64| part.granularity.period_of(at, self.zone);
            let before = period(measured_at(from)).and_then(|first| period(first.start - 1));
            let last = period(measured_at(until).saturating_sub(1));
            let behind = last.and_then(|last| period(last.end)).and_then(|next| period(next.end));
            reach.0 = before.map_or(f64::MIN, |before| seconds(before.start)).min(reach.0);
            reach.1 = behind.map_or(f64::MAX, |behind| seconds(behind.end)).max(reach.1);
        }
        reach
    }

    /// Up to where all is known of what stands for periods, once everything before this time was taken.
    pub fn settled(&self, until: f64) -> f64 {
        let settled = |part: &Part<'_>| {
            let period = |at: i64| part.granularity.period_of(at, self.zone);
            let now = period(measured_at(until))?;
            let before = period(now.start - 1)?;
            period(before.start - 1)
        };
        self.parts.iter().filter_map(settled).map(|period| seconds(period.start)).fold(until, f64::min)
    }

    /// Takes records of the series, in order of time; hands out what they make complete.
    pub fn take(&mut self, records: &Resolved) -> Vec<Had> {
        let mut had = Vec::new();
        let claims: Vec<Claim> =
            self.parts.iter().map(|part| claim(part.consent, part.granularity.nominal())).collect();
        for (place, part) in self.parts.iter_mut().enumerate() {
            let numbers = records.iter().filter_map(|r| {
                Some(Sample { at: measured_at(r.time()), value: r.number()?, unit: r.unit() })
            });
            let mut numbers = numbers.peekable();
            let Some(first) = numbers.peek() else { continue };
            let rule = Rule {
                granularity: &part.granularity,
                zone: self.zone,
                aggregation: Aggregation::of(self.name, self.series, first.unit),
                interval: sampling_interval(self.series),
                window: claims[place].window,
                now: self.asker.now.as_millisecond(),
            };
            for reduced in part.state.take(&rule, numbers) {
                let better = |claim: &Claim| claim.outranks(&claims[place], reduced.period);
                if !claims.iter().chain(&self.fine).any(better) {
                    let at = seconds(reduced.at);
                    let consent = Some(part.key);
                    had.push(Had { at, value: reduced.value, unit: reduced.unit, consent });
                }
            }
        }
        had
    }

    /// Counts what is had, and gives it as records.
    pub fn records(&self, had: &[Had], tally: &mut Tally) -> Option<Resolved> {
        let list = had.iter().map(|had| (had.at, had.value, had.unit.as_deref()));
        let json = json(self.name, list)?;
        let records = senml::read(Format::Json, json.as_bytes(), 0.0, &Default::default()).ok()?;
        for had in had {
            if let Some(key) = had.consent {
                tally.count(&self.asker.who, self.name, Ground::Consent(key), had.at);
            }
        }
        Some(records)
    }
}

fn claim(consent: &Consent, detail: i64) -> Claim {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    Claim {
        detail,
        until: consent.valid_until,
        id: consent.id,
        // What is kept may be older than the consent.
        from: None,
        window: (millis(consent.data_from), millis(consent.data_until)),
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
