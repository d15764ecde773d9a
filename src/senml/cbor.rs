//! SenML in CBOR (RFC 8428 §6): maps of integer labels straight into the [`Assembler`].

use super::assembler::Assembler;
use super::cbor_item::{Broken, Head, Items};
use super::error::{Invalid, Reason};
use super::label::{Label, Type};

/// The tag that says "this is CBOR" (RFC 8949 §3.4.6).
const SELF_DESCRIBED: u64 = 55_799;

/// The largest bignum mantissa of a decimal fraction, in octets. What is beyond a double in more than this is
/// refused as out of range, even if an exponent would bring it back.
const BIGNUM: u64 = 256;

impl Broken {
    #[cold]
    fn at(self, sink: &Assembler) -> Invalid {
        sink.refuse(self.0, self.1)
    }

    #[cold]
    pub(super) fn whole(self) -> Invalid {
        Invalid::pack(self.0, self.1)
    }
}

/// Feeds a whole pack to the assembler.
pub(super) fn read(octets: &[u8], sink: &mut Assembler) -> Result<(), Invalid> {
    let mut items = Items::new(octets);
    let count = match open(&mut items).map_err(Broken::whole)? {
        Head::Array(Some(count)) => count,
        Head::Array(None) => {
            return Err(Invalid::pack(Reason::IndefiniteLength, "a pack is an array of definite length"));
        }
        other => {
            items.skip(other, sink.options().limits.depth).map_err(Broken::whole)?;
            return Err(Invalid::pack(Reason::NotAnArray, "a pack is an array of records"));
        }
    };
    for _ in 0..count {
        record(&mut items, sink)?;
    }
    if items.at_end() { Ok(()) } else { Err(Invalid::pack(Reason::Malformed, "octets after the pack")) }
}

/// The head of the pack, a self-description in front of it passed over.
pub(super) fn open(items: &mut Items<'_>) -> Result<Head, Broken> {
    match items.head()? {
        Head::Tag(SELF_DESCRIBED) => items.head(),
        head => Ok(head),
    }
}

/// Reads one record into the assembler.
pub(super) fn record(items: &mut Items<'_>, sink: &mut Assembler) -> Result<(), Invalid> {
    sink.begin_record()?;
    let depth = sink.options().limits.depth;
    let head = items.head().map_err(|broken| broken.at(sink))?;
    let Head::Map(pairs) = head else {
        items.skip(head, depth).map_err(|broken| broken.at(sink))?;
        return Err(sink.refuse(Reason::NotAnObject, "a record is a map"));
    };
    let mut left = pairs;
    loop {
        match &mut left {
            Some(0) => break,
            Some(pairs) => *pairs -= 1,
            None => {}
        }
        match items.head().map_err(|broken| broken.at(sink))? {
            Head::Break if left.is_none() => break,
            label => member(items, label, sink)?,
        }
    }
    sink.end_record().map(|_| ())
}

#[inline]
fn member(items: &mut Items<'_>, label: Head, sink: &mut Assembler) -> Result<(), Invalid> {
    let known = match label {
        Head::Unsigned(number) => i64::try_from(number).ok().and_then(Label::from_cbor),
        Head::Negative(number) => i64::try_from(number).ok().and_then(|number| Label::from_cbor(-1 - number)),
        Head::Text(Some(length)) => {
            let name = items.text(length).map_err(|broken| broken.at(sink))?;
            match Label::from_name(name.as_bytes()) {
                None => {
                    pass(items, sink)?;
                    return sink.unknown(name);
                }
                known => known,
            }
        }
        other => {
            items.skip(other, sink.options().limits.depth).map_err(|broken| broken.at(sink))?;
            return Err(sink.refuse(Reason::BadLabel, "a label is an integer or a text of definite length"));
        }
    };
    match (known, label) {
        (Some(label), _) => field(items, label, sink),
        (None, Head::Negative(number)) => {
            pass(items, sink)?;
            sink.unknown_integer(-1 - i128::from(number))
        }
        (None, Head::Unsigned(number)) => {
            pass(items, sink)?;
            sink.unknown_integer(i128::from(number))
        }
        _ => pass(items, sink),
    }
}

/// Passes over the value of an unknown label.
fn pass(items: &mut Items<'_>, sink: &Assembler) -> Result<(), Invalid> {
    let depth = sink.options().limits.depth;
    items.head().and_then(|head| items.skip(head, depth)).map_err(|broken| broken.at(sink))
}

#[inline]
fn field(items: &mut Items<'_>, label: Label, sink: &mut Assembler) -> Result<(), Invalid> {
    let head = items.head().map_err(|broken| broken.at(sink))?;
    match (label.kind(), head) {
        (Type::Number | Type::Version, Head::Unsigned(number)) => sink.number(label, number as f64),
        // -1 - n, rounded once.
        (Type::Number, Head::Negative(number)) => sink.number(label, -((u128::from(number) + 1) as f64)),
        (Type::Number, Head::Float(number)) if number.is_finite() => sink.number(label, number),
        (Type::Number, Head::Float(_)) => {
            Err(sink.refuse(Reason::Nan, format!("{} is not finite", label.name())))
        }
        (Type::Number, Head::Tag(4)) => match decimal(items).map_err(|broken| broken.at(sink))? {
            Some(number) if number.is_finite() => sink.number(label, number),
            Some(_) => {
                let detail = format!("{} is beyond a double", label.name());
                Err(sink.refuse(Reason::NumberRange, detail))
            }
            None => Err(sink.wrong_type(label)),
        },
        (Type::Version, Head::Negative(_) | Head::Float(_) | Head::Tag(4)) => {
            Err(sink.refuse(Reason::BadVersion, "bver is not an unsigned integer"))
        }
        (Type::Text, Head::Text(Some(length))) => {
            let text = items.text(length).map_err(|broken| broken.at(sink))?;
            sink.text(label, text)
        }
        (Type::Data, Head::Bytes(Some(length))) => {
            let octets = items.bytes(length).map_err(|broken| broken.at(sink))?;
            sink.data(label, octets)
        }
        (Type::Text, Head::Text(None)) | (Type::Data, Head::Bytes(None)) => {
            let detail = format!("{} comes in chunks", label.name());
            Err(sink.refuse(Reason::IndefiniteLength, detail))
        }
        (Type::Boolean, Head::Simple(20 | 21)) => sink.boolean(label, head == Head::Simple(21)),
        (_, Head::Simple(22)) => sink.null(label),
        (_, other) => {
            items.skip(other, sink.options().limits.depth).map_err(|broken| broken.at(sink))?;
            Err(sink.wrong_type(label))
        }
    }
}

/// A decimal fraction (RFC 8949 §3.4.4) after its tag: exponent and mantissa. `None` where it is none.
///
/// It is put into decimal notation and read as any other, which rounds once and never computes a power.
fn decimal(items: &mut Items<'_>) -> Result<Option<f64>, Broken> {
    let pair = match items.head()? {
        Head::Array(Some(2)) => true,
        Head::Array(None) => false,
        _ => return Ok(None),
    };
    // Further out than this, a mantissa of some hundred digits changes nothing.
    const FAR: i64 = 100_000;
    let exponent = match items.head()? {
        Head::Unsigned(number) => i64::try_from(number).unwrap_or(FAR).min(FAR),
        Head::Negative(number) => -1 - i64::try_from(number).unwrap_or(FAR).min(FAR),
        _ => return Ok(None),
    };
    let (negative, digits) = match items.head()? {
        Head::Unsigned(number) => (false, number.to_string()),
        Head::Negative(number) => (true, (u128::from(number) + 1).to_string()),
        Head::Tag(tag @ (2 | 3)) => match items.head()? {
            Head::Bytes(Some(length)) => {
                let octets = items.bytes(length)?;
                let zeros = octets.iter().take_while(|octet| **octet == 0).count();
                let octets = &octets[zeros..];
                if octets.len() as u64 > BIGNUM {
                    return Ok(Some(f64::INFINITY));
                }
                (tag == 3, bignum(octets, tag == 3))
            }
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    if !pair && items.head()? != Head::Break {
        return Ok(None);
    }
    let value: f64 = format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN);
    Ok(Some(if negative { -value } else { value }))
}

/// The digits of a bignum of at most [`BIGNUM`] octets; of a negative one, those of n + 1.
fn bignum(octets: &[u8], negative: bool) -> String {
    // Nine digits to a limb, the lowest first.
    let mut limbs: Vec<u32> = vec![0];
    let mut add = |times: u64, plus: u64| {
        let mut carry = plus;
        for limb in &mut limbs {
            let sum = u64::from(*limb) * times + carry;
            *limb = (sum % 1_000_000_000) as u32;
            carry = sum / 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    };
    for octet in octets {
        add(256, u64::from(*octet));
    }
    if negative {
        add(1, 1);
    }
    let mut digits = String::new();
    for (place, limb) in limbs.iter().rev().enumerate() {
        digits.push_str(&if place == 0 { format!("{limb}") } else { format!("{limb:09}") });
    }
    digits
}
