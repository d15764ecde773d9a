//! A registration as it stands in JSON: imported, exported and shown.

use jid::{BareJid, Jid};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::Scope;
use super::node::NodeSettings;
use super::party::Subject;
use super::period::Period;
use super::series::Series;
use super::tenure::Tenures;

/// See the module; the fields are those of [`Series`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesRecord {
    name: Scope,
    /// The present holder; `null` while there is none. Read alone, it is one tenure without a beginning.
    #[serde(default, with = "holder")]
    owner: Option<Subject>,
    /// All tenures, where there is more than one or the one has a beginning. Where they stand, they count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenures: Option<Tenures>,
    #[serde(default)]
    producers: Vec<BareJid>,
    #[serde(default)]
    open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention: Option<Period>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Jid>,
    #[serde(default, skip_serializing_if = "NodeSettings::is_usual")]
    node: NodeSettings,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
}

impl SeriesRecord {
    /// Whether it says all tenures, and not only who the owner is.
    pub fn says_tenures(&self) -> bool {
        self.tenures.is_some()
    }

    /// What is written of a registration at this instant, which decides who is named as the owner.
    pub fn of(series: Series, now: Timestamp) -> Self {
        let owner = series.holder(now).cloned();
        let Series { name, tenures, producers, open, retention, title, source, node, meta } = series;
        let tenures = tenures.only().is_none().then_some(tenures);
        SeriesRecord { name, owner, tenures, producers, open, retention, title, source, node, meta }
    }
}

impl TryFrom<SeriesRecord> for Series {
    type Error = &'static str;

    fn try_from(record: SeriesRecord) -> Result<Self, Self::Error> {
        let SeriesRecord { name, owner, tenures, producers, open, retention, title, source, node, meta } =
            record;
        let tenures = match (tenures, owner) {
            (Some(tenures), _) => tenures,
            (None, Some(owner)) => Tenures::of(owner),
            (None, None) => return Err("owner is missing"),
        };
        Ok(Series { name, tenures, producers, open, retention, title, source, node, meta })
    }
}

/// A person as a text, or `null`.
mod holder {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::domain::party::Subject;

    pub(super) fn serialize<S: Serializer>(value: &Option<Subject>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(subject) => s.collect_str(subject),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Subject>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenure_without_a_beginning_is_an_owner() {
        let now = "2026-12-01T00:00:00Z".parse().unwrap();
        let written = |text: &str| {
            let series: Series = serde_json::from_str(text).unwrap();
            serde_json::to_string(&SeriesRecord::of(series, now)).unwrap()
        };
        let plain = r#"{"name":"urn:a","owner":"ann@home.example","producers":[],"open":false}"#;
        assert_eq!(written(plain), plain);
        let moved = r#"{"name":"urn:a","owner":"carol@home.example","tenures":[{"holder":"ann@home.example","from":null},{"holder":"carol@home.example","from":"2026-12-01T00:00:00Z"},{"holder":null,"from":"2027-01-01T00:00:00Z"}],"producers":[],"open":false}"#;
        assert_eq!(written(moved), moved);
        let vacant = moved.replacen("carol@home.example", "x@y", 1).replace("2026-12", "2026-13");
        assert!(serde_json::from_str::<Series>(&vacant).is_err());
        let none = r#"{"name":"urn:a","owner":null,"tenures":[{"holder":null,"from":null}],"producers":[],"open":false}"#;
        assert_eq!(written(none), none);
        assert!(serde_json::from_str::<Series>(r#"{"name":"urn:a","owner":null}"#).is_err());
    }
}
