//! Packs as JSON (RFC 8428 §5).

use super::base64;
use super::number_write::{integer, number};
use super::resolved::{Record, Selection, Value};
use super::write::Plan;

pub(super) fn write(plan: &Plan<'_>, records: Selection<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (_, first, record) in plan.records(records) {
        out.extend_from_slice(if first { b"{" } else { b",{" });
        if first {
            if let Some(version) = plan.version {
                label("bver", out);
                integer(version, out);
            }
            if !plan.name.is_empty() {
                label("bn", out);
                string(plan.name, out);
            }
            if let Some(time) = plan.time {
                label("bt", out);
                number(time, out);
            }
            if let Some(unit) = plan.unit {
                label("bu", out);
                string(unit, out);
            }
        }
        let rest = Parts {
            name: plan.rest_of_name(&record),
            time: plan.rest_of_time(&record),
            unit: plan.rest_of_unit(&record),
        };
        fields(&record, &rest, out);
    }
    out.push(b']');
}

/// What stands in the record itself of name, time and unit.
struct Parts<'a> {
    name: Option<&'a str>,
    time: Option<f64>,
    unit: Option<&'a str>,
}

fn fields(record: &Record<'_>, parts: &Parts<'_>, out: &mut Vec<u8>) {
    if let Some(name) = parts.name {
        label("n", out);
        string(name, out);
    }
    if let Some(unit) = parts.unit {
        label("u", out);
        string(unit, out);
    }
    if let Some(time) = parts.time {
        label("t", out);
        number(time, out);
    }
    match record.value() {
        Some(Value::Number(value)) => {
            label("v", out);
            number(value, out);
        }
        Some(Value::Text(text)) => {
            label("vs", out);
            string(text, out);
        }
        Some(Value::Boolean(boolean)) => {
            label("vb", out);
            out.extend_from_slice(if boolean { b"true" } else { b"false" });
        }
        Some(Value::Data(data)) => {
            label("vd", out);
            out.push(b'"');
            base64::encode(data, out);
            out.push(b'"');
        }
        None => {}
    }
    if let Some(sum) = record.sum() {
        label("s", out);
        number(sum, out);
    }
    if let Some(time) = record.update_time() {
        label("ut", out);
        number(time, out);
    }
    if let Some(format) = record.content_format() {
        label("ct", out);
        string(format, out);
    }
    out.push(b'}');
}

/// Appends one record with nothing factored out: `n`, `u`, `t`, its value and what else it has, and `bver`
/// where it is not 10 (RFC 8428 §4.6). The content format stays out, which RFC 8428 does not know.
pub fn resolved(record: &Record<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'{');
    let parts = Parts { name: Some(record.name()), time: Some(record.time()), unit: record.unit() };
    let mut plain = *record;
    let entry = super::resolved::Entry { format: super::intern::NONE, ..*record.entry };
    plain.entry = &entry;
    fields(&plain, &parts, out);
    if let Some(version) = record.version() {
        out.truncate(out.len().max(start + 1) - 1);
        label("bver", out);
        integer(version, out);
        out.push(b'}');
    }
}

/// Appends a label, with a comma unless it is the first.
fn label(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends a string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..at]);
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(escape);
        }
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}
