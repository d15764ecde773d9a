//! Packs as CBOR (RFC 8428 §6): definite lengths, integer labels, the shortest number that loses nothing.

use super::label::Label;
use super::number::is_integer;
use super::resolved::{Selection, Value};
use super::write::Plan;

pub(super) fn write(plan: &Plan<'_>, records: Selection<'_>, out: &mut Vec<u8>) {
    head(4, plan.count as u64, out);
    for (_, first, record) in plan.records(records) {
        let map = out.len();
        // No record has 24 fields, so the head of its map is one octet, set when they are counted.
        out.push(0xa0);
        let mut fields = Fields { count: 0, out };
        if first {
            if let Some(version) = plan.version {
                head(0, version, fields.label(Label::BaseVersion));
            }
            if !plan.name.is_empty() {
                text(plan.name, fields.label(Label::BaseName));
            }
            if let Some(time) = plan.time {
                number(time, fields.label(Label::BaseTime));
            }
            if let Some(unit) = plan.unit {
                text(unit, fields.label(Label::BaseUnit));
            }
        }
        if let Some(name) = plan.rest_of_name(&record) {
            text(name, fields.label(Label::Name));
        }
        if let Some(unit) = plan.rest_of_unit(&record) {
            text(unit, fields.label(Label::Unit));
        }
        if let Some(time) = plan.rest_of_time(&record) {
            number(time, fields.label(Label::Time));
        }
        match record.value() {
            Some(Value::Number(value)) => number(value, fields.label(Label::Value)),
            Some(Value::Text(value)) => text(value, fields.label(Label::StringValue)),
            Some(Value::Boolean(value)) => {
                fields.label(Label::BooleanValue).push(if value { 0xf5 } else { 0xf4 });
            }
            Some(Value::Data(value)) => {
                let out = fields.label(Label::DataValue);
                head(2, value.len() as u64, out);
                out.extend_from_slice(value);
            }
            None => {}
        }
        if let Some(sum) = record.sum() {
            number(sum, fields.label(Label::Sum));
        }
        if let Some(time) = record.update_time() {
            number(time, fields.label(Label::UpdateTime));
        }
        if let Some(format) = record.content_format() {
            text(format, fields.label(Label::ContentFormat));
        }
        let count = fields.count;
        if let Some(head) = out.get_mut(map) {
            *head += count;
        }
    }
}

struct Fields<'a> {
    count: u8,
    out: &'a mut Vec<u8>,
}

impl Fields<'_> {
    /// Appends a label, and gives where its value goes.
    fn label(&mut self, label: Label) -> &mut Vec<u8> {
        self.count += 1;
        match label.cbor() {
            Some(number @ 0..) => head(0, number.unsigned_abs(), self.out),
            Some(number) => head(1, (-1 - number).unsigned_abs(), self.out),
            None => text(label.name(), self.out),
        }
        self.out
    }
}

/// A head with its argument in the shortest form.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    if argument < 24 {
        out.push(major | argument as u8);
    } else if let Ok(short) = u8::try_from(argument) {
        out.extend_from_slice(&[major | 24, short]);
    } else if let Ok(short) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(short) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    head(3, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// An integer up to 2^53, else a float of 32 bits where that is exact, else of 64.
fn number(value: f64, out: &mut Vec<u8>) {
    let integral = is_integer(value);
    if integral && value >= 0.0 && value.is_sign_positive() {
        head(0, value as u64, out);
    } else if integral && value < 0.0 {
        head(1, (-1.0 - value) as u64, out);
    } else if f64::from(value as f32) == value {
        out.push(0xfa);
        out.extend_from_slice(&(value as f32).to_be_bytes());
    } else {
        out.push(0xfb);
        out.extend_from_slice(&value.to_be_bytes());
    }
}
