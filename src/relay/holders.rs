//! Whose the records of a pack are: by the tenures of all registrations that cover a series.
//!
//! Nearly every series has one holder without a beginning. Then nothing is done per record.

use std::borrow::Cow;

use jiff::Timestamp;

use super::pack::Pack;
use super::parties::Party;
use super::registration::Registration;
use super::rights::Found;
use crate::domain::access::{Affiliation, Setting, Situation};
use crate::domain::tenure::{Holding, Tenures, overlay};

/// Who held a series.
#[derive(Debug)]
pub(super) enum Holders {
    /// Always this one.
    One(Party),
    /// One after the other.
    Many(Tenures<Party>),
}

/// Records of one series that are of one tenure.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) holder: Holding<Party>,
    given_since: Option<Timestamp>,
    is_present: bool,
    /// A measuring time of theirs; what the node is set to is asked of it. `None`: it is always set alike.
    measured: Option<f64>,
    /// Which; `None`: all of the series.
    records: Option<Vec<u32>>,
}

/// The records of a series, by tenure.
#[derive(Debug)]
pub(super) enum Shares {
    /// All are of one tenure.
    One(Share),
    /// Not all.
    Many(Vec<Share>),
}

impl Shares {
    pub(super) fn as_slice(&self) -> &[Share] {
        match self {
            Shares::One(share) => std::slice::from_ref(share),
            Shares::Many(shares) => shares,
        }
    }
}

impl Share {
    /// Whether these are all the records of the series.
    pub(super) fn is_whole(&self) -> bool {
        self.records.is_none()
    }

    /// Its records.
    pub(super) fn records<'a>(
        &'a self,
        pack: &'a Pack,
        place: usize,
    ) -> impl Iterator<Item = u32> + Clone + 'a {
        let whole = self.is_whole().then(|| pack.records_of(place));
        whole.into_iter().flatten().chain(self.records.iter().flatten().copied())
    }

    /// What decides about them for this recipient.
    pub(super) fn situation(&self, found: &Found<'_>, who: Party) -> Situation<'_, Party> {
        let mut setting = match self.measured {
            None => found.registration().map_or(Setting::CLOSED, |series| series.setting(who, None)),
            Some(measured) => found.setting_at(who, measured),
        };
        if found.is_outcast_above(who, self.measured) {
            setting.affiliation = Affiliation::Outcast;
        }
        let (given_since, is_present) = (self.given_since, self.is_present);
        Situation { holder: self.holder.as_ref(), given_since, setting, is_present }
    }
}

impl Found<'_> {
    /// Who held the series when.
    pub(super) fn holders(&self) -> Holders {
        // A node that was created below a prefix only follows it.
        let mut covering = self.registrations_ever().skip_while(|series| series.kept.only_follows());
        let Some(first) = covering.next() else { return Holders::Many(Tenures::following()) };
        if first.kept.tenures().is_none() {
            return Holders::One(first.kept.holder());
        }
        let layers: Vec<Cow<'_, Tenures<Party>>> =
            std::iter::once(first).chain(covering).map(Registration::tenures).collect();
        let all = overlay(layers.iter().map(|tenures| &**tenures)).map(Cow::into_owned);
        Holders::Many(all.unwrap_or_else(Tenures::following))
    }

    /// The records of a pack that are of this series, by tenure.
    pub(super) fn shares(&self, pack: &Pack, place: usize, now: Timestamp) -> Shares {
        let tenures = match self.holders() {
            Holders::One(holder) => {
                return Shares::One(Share {
                    holder: Holding::Held(holder),
                    given_since: None,
                    is_present: true,
                    measured: None,
                    records: None,
                });
            }
            Holders::Many(tenures) => tenures,
        };
        let shift = self.stamped_late_by();
        let present = tenures.place_at(now.as_duration().as_secs_f64());
        let mut shares: Vec<(Option<usize>, Share)> = Vec::new();
        for record in pack.records_of(place) {
            let measured = pack.time(record as usize) - shift;
            let at = tenures.place_at(measured);
            match shares.iter_mut().find(|(held, _)| *held == at) {
                Some((_, share)) => share.records.get_or_insert_default().push(record),
                None => shares.push((at, self.share(&tenures, measured, present, vec![record]))),
            }
        }
        Shares::Many(shares.into_iter().map(|(_, share)| share).collect())
    }

    /// The share that a record of this measuring time would be of, alone.
    pub(super) fn share_at(&self, holders: &Holders, measured: f64, now: Timestamp) -> Share {
        match holders {
            Holders::One(holder) => Share {
                holder: Holding::Held(*holder),
                given_since: None,
                is_present: true,
                measured: None,
                records: None,
            },
            Holders::Many(tenures) => {
                let present = tenures.place_at(now.as_duration().as_secs_f64());
                self.share(tenures, measured, present, Vec::new())
            }
        }
    }

    fn share(
        &self,
        tenures: &Tenures<Party>,
        measured: f64,
        present: Option<usize>,
        records: Vec<u32>,
    ) -> Share {
        Share {
            holder: *tenures.at(measured),
            given_since: tenures.given_since(measured),
            is_present: tenures.place_at(measured) == present,
            measured: Some(measured),
            records: Some(records),
        }
    }

    /// By how many seconds the time of a record lies behind its measuring time.
    pub(super) fn stamped_late_by(&self) -> f64 {
        self.registration().map_or(0.0, |series| series.stamped_late_by())
    }

    fn setting_at(&self, who: Party, measured: f64) -> Setting {
        let mut covering = self.registrations_ever();
        covering.find_map(|series| series.setting_at(who, measured)).unwrap_or(Setting::CLOSED)
    }

    /// Whether this address was put off a node that the series lies below on a `/`.
    fn is_outcast_above(&self, who: Party, measured: Option<f64>) -> bool {
        self.registrations_above().any(|series| {
            let setting = match measured {
                // What was removed says something of its own time only.
                None if series.kept.is_removed() => None,
                None => Some(series.setting(who, None)),
                Some(measured) => series.setting_at(who, measured),
            };
            setting.is_some_and(|setting| setting.affiliation == Affiliation::Outcast)
        })
    }
}

impl<'a> Registration<'a> {
    fn tenures(self) -> Cow<'a, Tenures<Party>> {
        match self.kept.tenures() {
            Some(tenures) => Cow::Borrowed(tenures),
            None => Cow::Owned(Tenures::of(self.kept.holder())),
        }
    }
}

#[cfg(test)]
mod tests;
