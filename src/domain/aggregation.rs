//! What stands for many measurements of a series: their mean, the last of them, or their sum.
//!
//! The registration says it (`meta`: `aggregation`, one of `mean`, `last`, `sum`). Where it does not, the unit and
//! the name do:
//!
//! 1. an amount (`Wh`, `kWh`, `J`, `VAh`, `varh`, `Ah`, `m3`, `l`, `count`, …) that goes on counting, as the name or
//!    the `name`, `type` or `quantity` in `meta` says with a part that is `index`, `register`, `reading` or `total`: the
//!    last; so is what says so and has no unit;
//! 2. another amount is one per interval: the sum;
//! 3. all else (`W`, `V`, `Cel`, no unit): the mean.

use super::period::Period;
use super::series::Series;

/// What stands for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// The arithmetic mean: of a power, a voltage, a temperature.
    Mean,
    /// The last: of the reading of a meter.
    Last,
    /// The sum: of energy per interval.
    Sum,
}

/// Units of amounts.
const AMOUNTS: [&str; 26] = [
    "Wh", "kWh", "MWh", "GWh", "J", "kJ", "MJ", "GJ", "VAh", "kVAh", "VAs", "varh", "kvarh", "vars", "Ah",
    "C", "m3", "l", "kg", "g", "count", "beats", "B", "bit", "KiB", "GB",
];

/// Parts of names of what goes on counting.
const COUNTING: [&str; 5] = ["index", "register", "reading", "readings", "total"];

impl Aggregation {
    /// Of the series of this name, which falls under this registration; `unit` is that of the record.
    pub fn of(name: &str, series: &Series, unit: Option<&str>) -> Self {
        let meta = |key: &str| series.meta.get(key).and_then(|value| value.as_str());
        if let Some(said) = meta("aggregation").and_then(Self::read) {
            return said;
        }
        let unit = unit.or_else(|| meta("unit"));
        if unit.is_some_and(|unit| !AMOUNTS.contains(&unit)) {
            return Aggregation::Mean;
        }
        let about = [Some(name), meta("name"), meta("type"), meta("quantity")];
        let counts_on =
            about.into_iter().flatten().any(|text| parts(text).any(|part| COUNTING.contains(&part)));
        match (counts_on, unit) {
            (true, _) => Aggregation::Last,
            (false, Some(_)) => Aggregation::Sum,
            (false, None) => Aggregation::Mean,
        }
    }

    /// As it is written in `meta`.
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "mean" | "average" | "avg" => Aggregation::Mean,
            "last" | "index" | "latest" => Aggregation::Last,
            "sum" | "total" => Aggregation::Sum,
            _ => return None,
        })
    }
}

/// The parts of a name, between what is neither letter nor digit.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty())
}

/// How far apart measurements are, as the registration says (`meta`: `sampling-interval`), in milliseconds.
pub fn sampling_interval(series: &Series) -> Option<i64> {
    let said = series.meta.get("sampling-interval")?;
    let period = said.as_str()?.parse::<Period>().ok()?;
    i64::try_from(period.nominal().as_millis()).ok().filter(|millis| *millis > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Scope;
    use serde_json::{Map, Value, json};

    fn series(meta: Value) -> Series {
        Series {
            name: Scope::parse("urn:a*").unwrap(),
            tenures: crate::domain::tenure::Tenures::of("ref:1".parse().unwrap()),
            producers: Vec::new(),
            open: false,
            retention: None,
            title: None,
            source: None,
            meta: meta.as_object().cloned().unwrap_or_else(Map::new),
            node: Default::default(),
        }
    }

    #[test]
    fn it_is_said_or_known_by_name_and_unit() {
        use Aggregation::*;
        let table = [
            ("urn:dev:prm:30001610071843_consumption/power/active/raw", json!({}), Some("W"), Mean),
            ("urn:a", json!({}), Some("Wh"), Sum),
            ("urn:a", json!({"unit": "kWh"}), None, Sum),
            ("urn:a", json!({"unit": "kWh"}), Some("W"), Mean),
            ("urn:dev:prm:1_consumption/energy/index/distributor/hph", json!({}), Some("Wh"), Last),
            ("urn:indexes", json!({}), Some("Wh"), Sum),
            ("urn:a", json!({"name": "energy-index"}), Some("Wh"), Last),
            ("urn:a", json!({"aggregation": "Last"}), Some("Wh"), Last),
            ("urn:a/index", json!({"aggregation": "sum"}), Some("Wh"), Sum),
            ("urn:a", json!({"aggregation": "average"}), Some("Wh"), Mean),
            ("urn:a/index", json!({}), None, Last),
            ("urn:register/power", json!({}), Some("W"), Mean),
            ("urn:a", json!({"aggregation": "somehow"}), Some("Cel"), Mean),
            ("urn:a", json!({"aggregation": 7}), None, Mean),
        ];
        for (name, meta, unit, expected) in table {
            assert_eq!(
                Aggregation::of(name, &series(meta.clone()), unit),
                expected,
                "{name} {meta} {unit:?}"
            );
        }
    }

    #[test]
    fn the_interval_is_a_duration() {
        let of = |said: &str| sampling_interval(&series(json!({"sampling-interval": said})));
        assert_eq!((of("PT30M"), of("P1D")), (Some(1_800_000), Some(86_400_000)));
        assert_eq!((of("soon"), of("PT0S")), (None, None));
    }
}
