//! The IANA registry of SenML units: primary (RFC 8428 §12.1) and secondary ones (RFC 8798), as of 2026-02-02.
//!
//! Resolving never converts a unit; [`to_primary`] does, when asked. Unit names are case-sensitive, and what
//! is not registered (`MWh`, `kwh`) is let through with a warning (decision A13).

use super::limits::Features;
use super::resolved::{Resolved, Value};
use super::unit_number::registered;

/// A secondary unit: primary = secondary * `times` / `over` + `offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Secondary {
    /// The name.
    pub unit: &'static str,
    /// The primary unit it converts to.
    pub primary: &'static str,
    /// The numerator of the scale.
    pub times: f64,
    /// The denominator of the scale, so that 1/1000 stays exact.
    pub over: f64,
    /// What is added after scaling.
    pub offset: f64,
}

/// The primary units.
#[rustfmt::skip]
pub const PRIMARY: [&str; 67] = [
    "m", "kg", "g", "s", "A", "K", "cd", "mol", "Hz", "rad", "sr", "N", "Pa", "J", "W", "C", "V", "F",
    "Ohm", "S", "Wb", "T", "H", "Cel", "lm", "lx", "Bq", "Gy", "Sv", "kat", "m2", "m3", "l", "m/s", "m/s2",
    "m3/s", "l/s", "W/m2", "cd/m2", "bit", "bit/s", "lat", "lon", "pH", "dB", "dBW", "Bspl", "count", "/",
    "%", "%RH", "%EL", "EL", "1/s", "1/min", "beat/min", "beats", "S/m", "B", "VA", "VAs", "var", "vars",
    "J/m", "kg/m3", "deg", "NTU",
];

/// The secondary units.
#[rustfmt::skip]
pub const SECONDARY: [Secondary; 39] = [
    secondary("ms", "s", 1.0, 1000.0, 0.0),
    secondary("min", "s", 60.0, 1.0, 0.0),
    secondary("h", "s", 3600.0, 1.0, 0.0),
    secondary("MHz", "Hz", 1000000.0, 1.0, 0.0),
    secondary("kW", "W", 1000.0, 1.0, 0.0),
    secondary("kVA", "VA", 1000.0, 1.0, 0.0),
    secondary("kvar", "var", 1000.0, 1.0, 0.0),
    secondary("Ah", "C", 3600.0, 1.0, 0.0),
    secondary("Wh", "J", 3600.0, 1.0, 0.0),
    secondary("kWh", "J", 3600000.0, 1.0, 0.0),
    secondary("varh", "vars", 3600.0, 1.0, 0.0),
    secondary("kvarh", "vars", 3600000.0, 1.0, 0.0),
    secondary("kVAh", "VAs", 3600000.0, 1.0, 0.0),
    secondary("Wh/km", "J/m", 18.0, 5.0, 0.0),
    secondary("KiB", "B", 1024.0, 1.0, 0.0),
    secondary("GB", "B", 1000000000.0, 1.0, 0.0),
    secondary("Mbit/s", "bit/s", 1000000.0, 1.0, 0.0),
    secondary("B/s", "bit/s", 8.0, 1.0, 0.0),
    secondary("MB/s", "bit/s", 8000000.0, 1.0, 0.0),
    secondary("mV", "V", 1.0, 1000.0, 0.0),
    secondary("mA", "A", 1.0, 1000.0, 0.0),
    secondary("dBm", "dBW", 1.0, 1.0, -30.0),
    secondary("ug/m3", "kg/m3", 1.0, 1000000000.0, 0.0),
    secondary("mm/h", "m/s", 1.0, 3600000.0, 0.0),
    secondary("m/h", "m/s", 1.0, 3600.0, 0.0),
    secondary("ppm", "/", 1.0, 1000000.0, 0.0),
    secondary("/100", "/", 1.0, 100.0, 0.0),
    secondary("/1000", "/", 1.0, 1000.0, 0.0),
    secondary("hPa", "Pa", 100.0, 1.0, 0.0),
    secondary("mm", "m", 1.0, 1000.0, 0.0),
    secondary("cm", "m", 1.0, 100.0, 0.0),
    secondary("km", "m", 1000.0, 1.0, 0.0),
    secondary("km/h", "m/s", 5.0, 18.0, 0.0),
    secondary("ppb", "/", 1.0, 1000000000.0, 0.0),
    secondary("ppt", "/", 1.0, 1000000000000.0, 0.0),
    secondary("VAh", "VAs", 3600.0, 1.0, 0.0),
    secondary("mg/l", "kg/m3", 1.0, 1000.0, 0.0),
    secondary("ug/l", "kg/m3", 1.0, 1000000.0, 0.0),
    secondary("g/l", "kg/m3", 1.0, 1.0, 0.0),
];

const fn secondary(
    unit: &'static str,
    primary: &'static str,
    times: f64,
    over: f64,
    offset: f64,
) -> Secondary {
    Secondary { unit, primary, times, over, offset }
}

/// The secondary unit of this name.
pub fn find_secondary(unit: &str) -> Option<&'static Secondary> {
    let number = registered(unit)? as usize;
    number.checked_sub(PRIMARY.len()).and_then(|number| SECONDARY.get(number))
}

/// Whether this is a primary unit.
pub fn is_primary(unit: &str) -> bool {
    registered(unit).is_some_and(|number| (number as usize) < PRIMARY.len())
}

/// The value in the primary unit, with that unit (RFC 8798 §3). What is primary or unknown stays as it is.
///
/// Only for values: an offset has no place in a sum.
pub fn to_primary(unit: &str, value: f64) -> (&str, f64) {
    match find_secondary(unit) {
        Some(found) => (found.primary, value * found.times / found.over + found.offset),
        None => (unit, value),
    }
}

/// What a checker should say about a pack that is nevertheless valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Warning {
    /// A secondary unit in a pack whose version does not announce them (RFC 8798 §3, RFC 9100).
    SecondaryUnitWithoutFeature(String),
    /// A unit that is not registered.
    UnknownUnit(String),
}

impl Warning {
    /// Its code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SecondaryUnitWithoutFeature(_) => "secondary-unit-without-feature",
            Self::UnknownUnit(_) => "unknown-unit",
        }
    }

    /// The unit it is about.
    pub fn unit(&self) -> &str {
        match self {
            Self::SecondaryUnitWithoutFeature(unit) | Self::UnknownUnit(unit) => unit,
        }
    }
}

/// The warnings of a pack, each unit once, in order of appearance in the resolved records.
pub fn warnings(pack: &Resolved) -> Vec<Warning> {
    let announced = pack.version() & 1 << Features::SECONDARY_UNITS != 0;
    let mut seen: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for unit in pack.iter().filter_map(|record| record.unit()) {
        if seen.contains(&unit) {
            continue;
        }
        seen.push(unit);
        if is_primary(unit) {
        } else if find_secondary(unit).is_none() {
            found.push(Warning::UnknownUnit(unit.to_owned()));
        } else if !announced {
            found.push(Warning::SecondaryUnitWithoutFeature(unit.to_owned()));
        }
        // A pack that makes up its units gets the point.
        if found.len() >= 100 {
            break;
        }
    }
    found
}

/// The unit and value of each resolved record after conversion; `None` as a value where it is no number.
pub fn primaries(pack: &Resolved) -> impl Iterator<Item = (Option<&str>, Option<f64>)> {
    pack.iter().map(|record| match (record.unit(), record.value()) {
        (Some(unit), Some(Value::Number(value))) => {
            let (unit, value) = to_primary(unit, value);
            (Some(unit), Some(value))
        }
        (Some(unit), _) => (Some(to_primary(unit, 0.0).0), None),
        (None, value) => (None, if let Some(Value::Number(value)) = value { Some(value) } else { None }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secondary_unit_has_a_primary_one() {
        for secondary in &SECONDARY {
            assert!(is_primary(secondary.primary), "{}", secondary.unit);
            assert!(!is_primary(secondary.unit), "{}", secondary.unit);
        }
    }

    #[test]
    fn scale_first_then_offset() {
        assert_eq!(to_primary("dBm", 10.0), ("dBW", -20.0));
        assert_eq!(to_primary("ms", 100.0), ("s", 0.1));
        assert_eq!(to_primary("km/h", 90.0), ("m/s", 25.0));
        assert_eq!(to_primary("MWh", 1.0), ("MWh", 1.0));
    }
}
