//! What of the past somebody may have under consents with a granularity: not the records, but what they are
//! reduced to, in whole periods.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::permit::{Asker, Tally};
use crate::domain::access::{self, Access};
use crate::domain::aggregation::{Aggregation, sampling_interval};
use crate::domain::consent::{Consent, ConsentKey, Mode};
use crate::domain::decision;
use crate::domain::disclosure::Ground;
use crate::domain::granularity::Granularity;
use crate::domain::reduction::{Claim, Reduction, Rule, Sample};
use crate::domain::whose::Whose;
use crate::relay::reductions::{earlier, json};
use crate::senml::{self, Format, Resolved};
use crate::store::items::measured_at;

/// One series, for one asker.
pub struct Reducing<'a> {
    asker: &'a Asker,
    name: &'a str,
    whose: &'a Whose,
    zone: &'a TimeZone,
    parts: Vec<Part<'a>>,
    /// The others, which give the records themselves.
    fine: Vec<Claim>,
    /// Some of it is had without a consent.
    is_free: bool,
}

/// Milliseconds since 1970: from, until before.
type Span = (Option<i64>, Option<i64>);

struct Part<'a> {
    key: ConsentKey,
    consent: &'a Consent,
    granularity: Granularity,
    /// The time over which its giver holds the series, milliseconds: from, until before.
    span: Span,
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
    pub fn of(asker: &'a Asker, name: &'a str, whose: &'a Whose, zone: &'a TimeZone) -> Option<Self> {
        let (mut parts, mut fine, mut is_free) = (Vec::new(), Vec::new(), false);
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
        for ((from, until), situation) in asker.situations(whose) {
            match access::without_consent::<Consent>(&asker.who, &situation, Mode::History) {
                Some(Access::Permit(_)) => is_free = true,
                Some(Access::Deny(_)) => {}
                None => {
                    for (key, consent) in &asker.consents {
                        let is_for_it = consent.recipient == asker.who
                            && consent.modes.history
                            && consent.covers(name)
                            && decision::is_of_its_giver(consent, &situation).is_ok()
                            && decision::stands_now(consent, asker.now).is_ok();
                        if !is_for_it {
                            continue;
                        }
                        // A period that two people held a part of is nobody's, and is not had.
                        let span = (millis(from), millis(until));
                        match &consent.granularity {
                            None => fine.push(claim(consent, span, 0)),
                            Some(period) => {
                                let granularity = Granularity::from(period);
                                let state = Reduction::default();
                                parts.push(Part { key: *key, consent, granularity, span, state });
                            }
                        }
                    }
                }
            }
        }
        (!parts.is_empty()).then_some(Reducing { asker, name, whose, zone, parts, fine, is_free })
    }

    /// Whether some of the records themselves may be had.
    pub fn has_fine(&self) -> bool {
        self.is_free || !self.fine.is_empty()
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
        // Records of these periods may say a later time than they were measured at.
        let late = self.whose.series().stamped_late_by();
        let mut reach = (from, until + late);
        for part in &self.parts {
            let period = |at: i64| part.granularity.period_of(at, self.zone);
            let before = period(measured_at(from)).and_then(|first| period(first.start - 1));
            let last = period(measured_at(until).saturating_sub(1));
            let behind = last.and_then(|last| period(last.end)).and_then(|next| period(next.end));
            reach.0 = before.map_or(f64::MIN, |before| seconds(before.start)).min(reach.0);
            reach.1 = behind.map_or(f64::MAX, |behind| seconds(behind.end) + late).max(reach.1);
        }
        reach
    }

    /// Up to where all is known of what stands for periods, once everything before this time was taken.
    pub fn settled(&self, until: f64) -> f64 {
        let until = self.whose.measured(until);
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
        let claims: Vec<Claim> = self
            .parts
            .iter()
            .map(|part| claim(part.consent, part.span, part.granularity.nominal()))
            .collect();
        for (place, part) in self.parts.iter_mut().enumerate() {
            let (from, until) = part.span;
            let numbers = records.iter().filter_map(|r| {
                let at = measured_at(self.whose.measured(r.time()));
                let is_within = from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until);
                is_within.then_some(Sample { at, value: r.number()?, unit: r.unit() })
            });
            let mut numbers = numbers.peekable();
            let Some(first) = numbers.peek() else { continue };
            let rule = Rule {
                granularity: &part.granularity,
                zone: self.zone,
                aggregation: Aggregation::of(self.name, self.whose.series(), first.unit),
                interval: sampling_interval(self.whose.series()),
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

fn claim(consent: &Consent, (from, until): Span, detail: i64) -> Claim {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    Claim {
        detail,
        until: consent.valid_until,
        id: consent.id,
        // What is kept may be older than the consent.
        from: None,
        window: (from.max(millis(consent.data_from)), earlier(until, millis(consent.data_until))),
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
