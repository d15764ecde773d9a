//! A registered series, or a registered prefix under which its producers create series by publishing.

use jid::{BareJid, Jid};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::aggregation::{Aggregation, sampling_interval};
use super::name::Scope;
use super::node::NodeSettings;
use super::party::Subject;
use super::period::Period;
use super::series_record::SeriesRecord;
use super::tenure::{Holding, Settings, Tenures};
use super::wording::check_line;

/// A registration: who holds the series, who may publish it, whether it is kept, whether it is open.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "SeriesRecord")]
pub struct Series {
    /// Exact, or a prefix ending in `*`.
    pub name: Scope,
    /// The persons concerned, who give and withdraw consent: each for what was measured over their tenure.
    pub tenures: Tenures,
    /// Bare addresses that may publish.
    pub producers: Vec<BareJid>,
    /// Open data: no consent is needed, and the terms say so.
    pub open: bool,
    /// How long items are kept for history; where absent, as the operator says; nothing where zero.
    pub retention: Option<Period>,
    /// A name for people.
    pub title: Option<String>,
    /// Who keeps its history, if not Courant: what is asked of the past is passed on there.
    pub source: Option<Jid>,
    /// What its node is set to.
    pub node: NodeSettings,
    /// More for people and programs: unit, quantity, direction, aggregation, interval, device.
    pub meta: Map<String, Value>,
}

impl Series {
    /// Whether what it says of itself is understood, or what of it is not.
    pub fn check(&self) -> Result<(), String> {
        for holder in self.tenures.holders() {
            holder.check_person().map_err(|why| format!("owner: {why}"))?;
        }
        check_line(self.title.as_deref().unwrap_or_default()).map_err(|why| format!("title: {why}"))?;
        check_meta(&self.meta)?;
        match self.meta.get("stamp").and_then(Value::as_str) {
            Some("end") if sampling_interval(self).is_none() => {
                Err("meta: stamp is end, so that sampling-interval must be declared too, as PT30M".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether it has no tenure of its own now: who holds the next wider registration holds this one too.
    pub fn follows(&self) -> bool {
        self.tenures.last().holder == Holding::Unregistered && !self.is_removed()
    }

    /// Whether it was removed: it is not registered any more, and only says whose its past is. Registered again
    /// without a tenure of its own, it has a second tenure of nobody behind the first.
    pub fn is_removed(&self) -> bool {
        let mut latest = self.tenures.iter().rev().map(|tenure| tenure.holder == Holding::Unregistered);
        latest.next() == Some(true) && latest.next() == Some(false)
    }

    /// By how many seconds the time of a record lies behind its measuring time: with `meta stamp=end` by the sampling
    /// interval.
    pub fn stamped_late_by(&self) -> f64 {
        match self.meta.get("stamp").and_then(Value::as_str) {
            Some("end") => sampling_interval(self).map_or(0.0, |millis| millis as f64 / 1000.0),
            _ => 0.0,
        }
    }

    /// The present holder.
    pub fn holder(&self, now: Timestamp) -> Option<&Subject> {
        self.tenures.present(now).holder()
    }

    /// The present holder as people are shown it; empty while there is none.
    pub fn holder_shown(&self, now: Timestamp) -> String {
        self.holder(now).map(ToString::to_string).unwrap_or_default()
    }

    /// What a holder set over their tenure, if that is not what the registration says now.
    pub fn settings_at(&self, time: f64) -> Option<&Settings> {
        self.tenures.tenure_at(time)?.settings.as_deref()
    }

    /// Whether this address may publish here.
    pub fn may_publish(&self, sender: &BareJid) -> bool {
        (self.producers.contains(sender) || self.node.anyone_publishes)
            && !self.node.outcasts.contains(sender)
    }

    /// Whether this address may publish, and reads nothing for it (XEP-0060 §4.1, publish-only).
    pub fn only_publishes(&self, who: &BareJid, now: Timestamp) -> bool {
        self.node.publish_only.contains(who) && self.producers.contains(who) && !self.is_held_by(who, now)
    }

    /// Whether this address is on the list of a node that has one.
    pub fn lists(&self, who: &BareJid, now: Timestamp) -> bool {
        let list = &self.node;
        let producer = || self.producers.contains(who) && !self.only_publishes(who, now);
        list.whitelist && (list.members.contains(who) || producer())
    }

    /// Whether it is open data for this address: for all but those it was closed to (XEP-0060 §4.1, outcast).
    pub fn is_open_to(&self, who: &BareJid, now: Timestamp) -> bool {
        self.open && !self.node.outcasts.contains(who) && !self.only_publishes(who, now)
    }

    /// Whether this address runs the node: configures, purges and deletes it.
    pub fn is_run_by(&self, who: &BareJid, now: Timestamp) -> bool {
        self.is_held_by(who, now) || self.node.creator.as_ref() == Some(who) || self.node.owners.contains(who)
    }

    /// Whether this is the person concerned, at present.
    pub fn is_held_by(&self, who: &BareJid, now: Timestamp) -> bool {
        self.holder(now).and_then(Subject::jid) == Some(who)
    }
}

/// Whether what a registration declares is understood: what decides how values are reduced (docs/CONSENT.md).
pub fn check_meta(meta: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in meta {
        let text = value.as_str();
        for line in [key, text.unwrap_or_default()] {
            check_line(line).map_err(|why| format!("meta: {}: {why}", key.escape_debug()))?;
        }
        let understood = match &**key {
            // An edit empties what is to go.
            "aggregation" => text.is_some_and(|text| text.is_empty() || Aggregation::read(text).is_some()),
            "sampling-interval" => text.is_some_and(|text| {
                text.is_empty() || text.parse::<Period>().is_ok_and(|period| !period.nominal().is_zero())
            }),
            "stamp" => text.is_some_and(|text| matches!(text, "" | "start" | "end")),
            _ => true,
        };
        if !understood {
            let expected = match &**key {
                "stamp" => "start or end: of the time that a record is about",
                "aggregation" => "mean, last or sum",
                _ => "a duration, as PT30M",
            };
            return Err(format!("meta: {key} is {value}; it is to be {expected}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_how_values_are_reduced_is_understood() {
        let check = |meta: Value| check_meta(meta.as_object().unwrap());
        check(serde_json::json!({"unit": "W", "aggregation": "Last", "sampling-interval": "PT30M", "n": 7}))
            .unwrap();
        for (meta, word) in [
            (serde_json::json!({"aggregation": "median"}), "mean, last or sum"),
            (serde_json::json!({"aggregation": 7}), "mean, last or sum"),
            (serde_json::json!({"sampling-interval": "xx"}), "PT30M"),
            (serde_json::json!({"sampling-interval": "PT0S"}), "PT30M"),
            (serde_json::json!({"unit": "W\0"}), "control"),
        ] {
            let told = check(meta).unwrap_err();
            assert!(told.starts_with("meta: ") && told.contains(word), "{told}");
        }
    }
}
