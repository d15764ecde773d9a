//! What is known of what a series measures: as registered, else as its name says.

use std::collections::BTreeMap;

use super::quoalise::{Meta, NAMESPACE, Node};
use crate::domain::series::Series;
use crate::domain::wording::beginning;

/// The most characters of each that is known: it stands beside every pack.
const KNOWN_MAX: usize = 200;

/// The authority that gives French delivery points their numbers (`prm`, 14 digits).
const PRM: &str = "urn:dev:prm:";

/// The description of a series: `unit`, `quantity`, `direction`, `name`, `aggregation`, `sampling-interval`,
/// `device`, `identifier-authority`, `identifier-type`, `identifier`; what is not known is not there.
pub fn describe(name: &str, series: &Series) -> BTreeMap<String, String> {
    let mut known = from_name(name);
    for (key, value) in &series.meta {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        known.insert(key.clone(), beginning(&value, KNOWN_MAX));
    }
    known
}

/// The same as Quoalise writes it: one device, one measurement, plain attributes, since existing clients read
/// no other. Never empty.
pub fn meta(name: &str, series: Option<&Series>) -> Meta {
    let known = series.map_or_else(|| from_name(name), |series| describe(name, series));
    let node = |name: &str, attributes: &[(&str, &str)]| Node {
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        attributes: attributes
            .iter()
            .filter_map(|(attribute, key)| Some(((*attribute).to_owned(), known.get(*key)?.clone())))
            .collect(),
        ..Node::default()
    };
    let mut device = node("device", &[("type", "device")]);
    if device.attributes.is_empty() {
        device.attributes.push(("type".to_owned(), "unknown".to_owned()));
    }
    let identifier = node(
        "identifier",
        &[("authority", "identifier-authority"), ("type", "identifier-type"), ("value", "identifier")],
    );
    if !identifier.attributes.is_empty() {
        device.nodes.push(identifier);
    }
    let mut meta = Meta { nodes: vec![device] };
    let keys = ["name", "direction", "quantity", "type", "unit", "aggregation", "sampling-interval"];
    let measurement = node("measurement", &keys.map(|key| (key, key)));
    if !measurement.attributes.is_empty() {
        meta.nodes.push(measurement);
    }
    meta
}

/// What names of the form `urn:dev:prm:14 digits_direction/quantity/name/…` say.
fn from_name(name: &str) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    let Some(rest) = name.strip_prefix(PRM) else { return known };
    let (number, path) = rest.split_once('_').unwrap_or((rest, ""));
    if number.len() != 14 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return known;
    }
    let mut note = |key: &str, value: &str| known.insert(key.to_owned(), value.to_owned());
    note("device", "electricity-meter");
    note("identifier-authority", "enedis");
    note("identifier-type", "prm");
    note("identifier", number);
    let mut parts = path.split('/');
    if let Some(direction @ ("consumption" | "production")) = parts.next() {
        note("direction", direction);
    }
    if let Some(quantity @ ("power" | "energy" | "voltage" | "current")) = parts.next() {
        note("quantity", quantity);
        note("type", "electrical");
        match parts.next() {
            Some(kind @ ("active" | "reactive" | "apparent")) => {
                note("name", &format!("{kind}-{quantity}"));
                match (kind, quantity) {
                    ("active", "power") => note("unit", "W"),
                    ("apparent", "power") => note("unit", "VA"),
                    ("active", "energy") => note("unit", "Wh"),
                    _ => None,
                };
            }
            _ => {
                note("name", quantity);
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_french_meters_say_what_they_measure() {
        let known = from_name("urn:dev:prm:30001610071843_consumption/power/active/raw");
        for (key, value) in [
            ("device", "electricity-meter"),
            ("identifier", "30001610071843"),
            ("direction", "consumption"),
            ("quantity", "power"),
            ("name", "active-power"),
            ("unit", "W"),
        ] {
            assert_eq!(known.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert!(from_name("urn:dev:prm:3000_x").is_empty() && from_name("urn:dev:ow:1").is_empty());
    }
}
