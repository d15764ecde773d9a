//! FETCH and PATCH (RFC 8790): selecting and changing records of a pack by name, time and unit.

use std::collections::HashMap;

use super::assembler::Assembler;
use super::assembler_state::{Purpose, Selector};
use super::error::{Invalid, Reason};
use super::intern::NONE;
use super::limits::Options;
use super::read::{Format, feed};
use super::resolved::{Entry, Record, Resolved, Value};

/// The records of `target` that a fetch pack asks for, each once, in the order of `target` (decision A28).
/// Nothing found is an empty pack (RFC 8790 §3.1).
///
/// A fetch record without time or base time matches every time, one without unit or base unit every unit.
pub fn fetch(
    target: &Resolved,
    format: Format,
    octets: &[u8],
    now: f64,
    options: &Options,
) -> Result<Resolved, Invalid> {
    let asked = Asked::read(Purpose::Fetch, format, octets, now, options)?;
    let by_name = asked.by_name();
    let mut found = target.clone();
    found.records = target
        .iter()
        .filter(|record| {
            let wanted = by_name.get(record.name()).map(Vec::as_slice).unwrap_or_default();
            wanted.iter().any(|(wanted, selector)| matches(wanted, selector, record))
        })
        .map(|record| *record.entry)
        .collect();
    Ok(found)
}

/// `target` with a patch pack applied, all of it or nothing: a matched record gets the new value, sum and
/// update time, or goes where the value is null; what matches nothing is added (RFC 8790 §3.2).
///
/// A patch record that matches several is refused ([`Reason::PatchAmbiguous`]), and the whole patch with it.
/// The must-understand rule does not hold in patch packs (RFC 8790 §5).
pub fn patch(
    target: &Resolved,
    format: Format,
    octets: &[u8],
    now: f64,
    options: &Options,
) -> Result<Resolved, Invalid> {
    let asked = Asked::read(Purpose::Patch, format, octets, now, options)?;
    let mut result = target.clone();
    for (change, selector) in asked.records.iter().zip(&asked.selectors) {
        let mut entry = result.adopt(&change);
        let matched: Vec<bool> = result
            .iter()
            .map(|record| record.name_id() == entry.name as usize && matches(&change, selector, &record))
            .collect();
        let count = matched.iter().filter(|matched| **matched).count();
        if count > 1 {
            let detail = format!("it matches {count} records: give a time, or a unit");
            return Err(Invalid::record(Reason::PatchAmbiguous, change.entry.position as usize, detail));
        }
        if selector.removes {
            let mut keep = matched.iter().map(|matched| !matched);
            result.records.retain(|_| keep.next().unwrap_or(true));
        } else if matched.contains(&true) {
            for (record, _) in result.records.iter_mut().zip(&matched).filter(|(_, matched)| **matched) {
                record.value = entry.value;
                record.sum = entry.sum;
                record.update_time = entry.update_time;
                record.format = entry.format;
            }
        } else {
            entry.position = u32::try_from(result.positions).unwrap_or(u32::MAX);
            result.positions += 1;
            result.records.push(entry);
        }
    }
    result.sort();
    Ok(result)
}

/// What a fetch or patch pack says.
struct Asked {
    records: Resolved,
    selectors: Vec<Selector>,
}

impl Asked {
    fn read(
        purpose: Purpose,
        format: Format,
        octets: &[u8],
        now: f64,
        options: &Options,
    ) -> Result<Self, Invalid> {
        let mut sink = Assembler::new(purpose, now, options);
        feed(format, octets, &mut sink)?;
        let (records, selectors) = sink.finish_exchange()?;
        Ok(Self { records, selectors })
    }

    fn by_name(&self) -> HashMap<&str, Vec<(Record<'_>, &Selector)>> {
        let mut by_name: HashMap<&str, Vec<(Record<'_>, &Selector)>> = HashMap::new();
        for (record, selector) in self.records.iter().zip(&self.selectors) {
            let same = by_name.entry(record.name()).or_default();
            // One that takes any time and unit makes the others of its name idle.
            if !same.iter().any(|(_, selector)| !selector.by_time && !selector.by_unit) {
                same.push((record, selector));
            }
        }
        by_name
    }
}

/// Whether a record, of the same name, is meant.
fn matches(wanted: &Record<'_>, selector: &Selector, record: &Record<'_>) -> bool {
    (!selector.by_time || wanted.time() == record.time())
        && (!selector.by_unit || wanted.unit() == record.unit())
}

impl Resolved {
    /// Adds a record of another pack at the end; [`Self::sort`] puts it where it belongs.
    pub fn push(&mut self, record: &Record<'_>) {
        let mut entry = self.adopt(record);
        entry.position = u32::try_from(self.positions).unwrap_or(u32::MAX);
        self.positions += 1;
        self.records.push(entry);
    }

    /// Takes over what a record of another pack refers to.
    fn adopt(&mut self, record: &Record<'_>) -> Entry {
        let entry = record.entry;
        let value = match record.value() {
            Some(Value::Text(text)) => self.more().keep_text(text),
            Some(Value::Data(data)) => self.more().keep_data(data),
            _ => entry.value,
        };
        Entry {
            value,
            name: self.names.intern(record.name()),
            unit: record.unit().map_or(NONE, |unit| self.unit_number(unit)),
            format: record.content_format().map_or(NONE, |format| self.more().formats.intern(format)),
            ..*entry
        }
    }
}
