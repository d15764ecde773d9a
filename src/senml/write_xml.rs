//! Packs as XML (RFC 8428 §7), fit to stand in a stanza: no XML declaration, everything escaped.

use super::base64;
use super::number_write::{integer, number};
use super::resolved::{Selection, Value};
use super::write::{Plan, Unwritable};
use super::xml_chars;
use super::xml_scope::NAMESPACE;

pub(super) fn write(plan: &Plan<'_>, records: Selection<'_>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    out.extend_from_slice(b"<sensml xmlns='");
    out.extend_from_slice(NAMESPACE.as_bytes());
    if plan.count == 0 {
        out.extend_from_slice(b"'/>");
        return Ok(());
    }
    out.extend_from_slice(b"'>");
    for (index, first, record) in plan.records(records) {
        let fit = |text: &str| {
            if xml_chars::all_characters(text) { Ok(()) } else { Err(Unwritable::NotXml { record: index }) }
        };
        out.extend_from_slice(b"<senml");
        if first {
            if let Some(version) = plan.version {
                label(" bver='", out);
                integer(version, out);
                out.push(b'\'');
            }
            if !plan.name.is_empty() {
                text(" bn='", plan.name, out);
            }
            if let Some(time) = plan.time {
                numeric(" bt='", time, out);
            }
            if let Some(unit) = plan.unit {
                fit(unit)?;
                text(" bu='", unit, out);
            }
        }
        if let Some(name) = plan.rest_of_name(&record) {
            text(" n='", name, out);
        }
        if let Some(unit) = plan.rest_of_unit(&record) {
            fit(unit)?;
            text(" u='", unit, out);
        }
        if let Some(time) = plan.rest_of_time(&record) {
            numeric(" t='", time, out);
        }
        match record.value() {
            Some(Value::Number(value)) => numeric(" v='", value, out),
            Some(Value::Text(value)) => {
                fit(value)?;
                text(" vs='", value, out);
            }
            Some(Value::Boolean(true)) => label(" vb='true'", out),
            Some(Value::Boolean(false)) => label(" vb='false'", out),
            Some(Value::Data(data)) => {
                label(" vd='", out);
                base64::encode(data, out);
                out.push(b'\'');
            }
            None => {}
        }
        if let Some(sum) = record.sum() {
            numeric(" s='", sum, out);
        }
        if let Some(time) = record.update_time() {
            numeric(" ut='", time, out);
        }
        if let Some(format) = record.content_format() {
            fit(format)?;
            text(" ct='", format, out);
        }
        out.extend_from_slice(b"/>");
    }
    out.extend_from_slice(b"</sensml>");
    Ok(())
}

fn label(opening: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(opening.as_bytes());
}

fn numeric(opening: &str, value: f64, out: &mut Vec<u8>) {
    label(opening, out);
    number(value, out);
    out.push(b'\'');
}

fn text(opening: &str, value: &str, out: &mut Vec<u8>) {
    label(opening, out);
    escape(value, out);
    out.push(b'\'');
}

/// Appends text so that it can stand in an attribute or between tags and is read back as it was, white space
/// included. Characters that XML does not have are the caller's to keep out.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'\'' => b"&apos;",
            b'"' => b"&quot;",
            b'\t' => b"&#9;",
            b'\n' => b"&#10;",
            b'\r' => b"&#13;",
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(escape);
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
}
