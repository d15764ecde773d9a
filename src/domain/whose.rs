//! The registrations around a name, to be asked whose its records are and what the node was set to.

use std::borrow::Cow;

use jid::BareJid;
use jiff::Timestamp;

use super::access::{Affiliation, Setting, Situation};
use super::name::Scope;
use super::party::Subject;
use super::series::Series;
use super::tenure::{Holding, Tenures, overlay};

/// See the module.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The present registration that counts: the most specific one.
    series: Series,
    /// All that cover the name, removed ones too, the most specific first.
    covering: Vec<Series>,
    /// Those of the names that it lies below on a `/`.
    above: Vec<Series>,
    tenures: Tenures,
}

impl Whose {
    /// Of a series, or of all that begins so, by the registrations around it, removed ones too: those that cover it, and
    /// those of the names that it lies below on a `/`. Nothing where none covers it at present.
    pub fn of(around: Vec<Series>, scope: &Scope) -> Option<Self> {
        let (mut covering, mut above): (Vec<_>, Vec<_>) =
            around.into_iter().partition(|series| series.name.covers_scope(scope));
        covering.sort_by_key(|series| match &series.name {
            Scope::Exact(_) => 0,
            Scope::Prefix(prefix) => usize::MAX - prefix.len(),
        });
        above.retain(|series| matches!(series.name, Scope::Exact(_)));
        let series = covering.iter().find(|series| !series.is_removed())?.clone();
        let tenures = overlay(covering.iter().map(|series| &series.tenures)).map(Cow::into_owned)?;
        Some(Whose { series, covering, above, tenures })
    }

    /// The registration that counts at present.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The same, with the registration that counts set otherwise.
    pub fn with(&self, series: Series) -> Self {
        let mut other = self.clone();
        let mut held = other.covering.iter_mut().find(|held| held.name == series.name);
        if let Some(held) = held.as_mut() {
            held.clone_from(&series);
        } else {
            other.covering.insert(0, series.clone());
        }
        other.series = series;
        other
    }

    /// Who held it over which time.
    pub fn tenures(&self) -> &Tenures {
        &self.tenures
    }

    /// Who holds it at this instant.
    pub fn holder(&self, now: Timestamp) -> Option<&Subject> {
        self.tenures.present(now).holder()
    }

    /// Whether this address is of the present holder.
    pub fn is_held_by(&self, who: &BareJid, now: Timestamp) -> bool {
        self.holder(now).and_then(Subject::jid) == Some(who)
    }

    /// Whether this address is of somebody who holds it, held it or will.
    pub fn is_ever_held_by(&self, who: &BareJid) -> bool {
        self.tenures.holders().iter().any(|holder| holder.jid() == Some(who))
    }

    /// Whether this person holds it, held it or will.
    pub fn concerns(&self, person: &Subject) -> bool {
        self.tenures.is_ever_held_by(person)
    }

    /// The measuring time of a record of this time (seconds since 1970).
    pub fn measured(&self, time: f64) -> f64 {
        time - self.series.stamped_late_by()
    }

    /// What decides about a record of this measuring time for this recipient.
    pub fn situation(&self, who: &BareJid, measured: f64, now: Timestamp) -> Situation<'_, Subject> {
        let present = self.tenures.place_at(now.as_duration().as_secs_f64());
        let mut setting = setting_at(&self.covering, who, measured);
        if self
            .above
            .iter()
            .any(|series| setting_at([series], who, measured).affiliation == Affiliation::Outcast)
        {
            setting.affiliation = Affiliation::Outcast;
        }
        Situation {
            holder: self.tenures.at(measured).as_ref(),
            given_since: self.tenures.given_since(measured),
            setting,
            is_present: self.tenures.place_at(measured) == present,
        }
    }

    /// What decides about what is measured now.
    pub fn situation_now(&self, who: &BareJid, now: Timestamp) -> Situation<'_, Subject> {
        self.situation(who, now.as_duration().as_secs_f64(), now)
    }

    /// One situation for each tenure, with the measuring times that it is for: what may be had of any of them.
    pub fn situations<'a>(
        &'a self,
        who: &'a BareJid,
        now: Timestamp,
    ) -> impl Iterator<Item = ((Option<Timestamp>, Option<Timestamp>), Situation<'a, Subject>)> {
        self.tenures.spans().map(move |span| {
            let seconds = |at: Timestamp| at.as_duration().as_secs_f64();
            // Some time in it: its beginning, or for the first one some time before it ends.
            let within = match (span.tenure.from, span.until) {
                (Some(from), _) => seconds(from),
                (None, Some(until)) => seconds(until) - 1.0,
                (None, None) => seconds(now),
            };
            ((span.tenure.from, span.until), self.situation(who, within, now))
        })
    }
}

/// What the node was set to over the tenure of this time, by the most specific registration that was there.
fn setting_at<'a>(covering: impl IntoIterator<Item = &'a Series>, who: &BareJid, measured: f64) -> Setting {
    for series in covering {
        let Some(tenure) = series.tenures.tenure_at(measured) else { continue };
        let counts = match tenure.holder {
            Holding::Held(_) | Holding::Vacant => true,
            // A node without a tenure of its own is set differently all the same.
            Holding::Unregistered => !series.is_removed(),
        };
        if counts {
            return Setting::of(series, tenure.settings.as_deref(), who);
        }
    }
    Setting::CLOSED
}
