//! The record as nearly all gateways write it: `<senml t='1800' v='311'/>`, no prefixes, no references, no
//! label out of the ordinary. One look at each octet; whatever looks different is left to [`super::xml`],
//! which is also the one that explains what is wrong with the syntax.

use super::assembler::Assembler;
use super::error::Invalid;
use super::label::{Label, Type};
use super::number;
use super::octets::plain_in_attribute;

/// More fields than any plain record has.
const FIELDS: usize = 12;

/// Reads the record that begins at this place, in the namespace of SenML. Gives the place after it, or `None`
/// where nothing was read because it is not a plain one.
#[inline]
pub(super) fn record(text: &str, at: usize, sink: &mut Assembler) -> Result<Option<usize>, Invalid> {
    let mut fields = [(Label::Name, 0, 0); FIELDS];
    let Some((count, end)) = scan(text.as_bytes(), at, &mut fields) else { return Ok(None) };
    sink.begin_record()?;
    for &(label, start, end) in &fields[..count] {
        // Between quotes, so between characters.
        let value = text.get(start..end).unwrap_or_default();
        if label.kind() == Type::Number {
            match number::from_xsd(value) {
                Ok(value) => sink.number(label, value)?,
                Err(reason) => return Err(sink.not_a_number(label, reason)),
            }
        } else {
            sink.text(label, value)?;
        }
    }
    sink.end_record()?;
    Ok(Some(end))
}

/// Finds the fields: how many, and the place after the record.
#[inline]
fn scan(bytes: &[u8], at: usize, fields: &mut [(Label, usize, usize); FIELDS]) -> Option<(usize, usize)> {
    let mut rest = bytes.get(at..)?.strip_prefix(b"<senml")?;
    let (mut seen, mut count) = (0, 0);
    loop {
        rest = match rest {
            [b'/', b'>', behind @ ..] => return Some((count, bytes.len() - behind.len())),
            [b' ', behind @ ..] => behind,
            _ => return None,
        };
        let (label, behind) = match rest {
            [b'v', b'=', behind @ ..] => (Label::Value, behind),
            [b't', b'=', behind @ ..] => (Label::Time, behind),
            [b'n', b'=', behind @ ..] => (Label::Name, behind),
            [b'u', b'=', behind @ ..] => (Label::Unit, behind),
            [b's', b'=', behind @ ..] => (Label::Sum, behind),
            [b'b', b'n', b'=', behind @ ..] => (Label::BaseName, behind),
            [b'b', b't', b'=', behind @ ..] => (Label::BaseTime, behind),
            [b'b', b'u', b'=', behind @ ..] => (Label::BaseUnit, behind),
            [b'b', b'v', b'=', behind @ ..] => (Label::BaseValue, behind),
            [b'u', b't', b'=', behind @ ..] => (Label::UpdateTime, behind),
            [b'v', b's', b'=', behind @ ..] => (Label::StringValue, behind),
            _ => return None,
        };
        let (&quote, behind) = behind.split_first()?;
        if !matches!(quote, b'\'' | b'"') || seen & label.bit() != 0 {
            return None;
        }
        let length = plain_in_attribute(behind, quote);
        if behind.get(length) != Some(&quote) {
            return None;
        }
        let start = bytes.len() - behind.len();
        *fields.get_mut(count)? = (label, start, start + length);
        count += 1;
        seen |= label.bit();
        rest = &behind[length + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Options, read};

    /// Fields right and wrong, of which records are made.
    const FIELDS: [&str; 34] = [
        "n='a'",
        "n='/b'",
        "n='_'",
        "n=\"c d\"",
        "n=''",
        "v='1'",
        "v='-1.5e3'",
        "v='NaN'",
        "v='1e400'",
        "v=''",
        "v=' 7 '",
        "v='x'",
        "vs='a b'",
        "vs='&amp;'",
        "vs='\t'",
        "vs='é'",
        "vb='true'",
        "vd='AQ'",
        "t='1.7e9'",
        "t='-5'",
        "t='1e10'",
        "u='W'",
        "u=''",
        "s='4'",
        "ut='3'",
        "bn='urn:x:'",
        "bt='1763679600'",
        "bu='kWh'",
        "bv='10'",
        "bs='1'",
        "bver='10'",
        "ct='60'",
        "x='1'",
        "x_='1'",
    ];

    #[test]
    fn it_says_what_the_ordinary_way_says() {
        let options = Options::default();
        let pack = |space: &str, first: &str, records: [&str; 3]| {
            let [a, b, c] = records;
            let text = format!(
                "<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml{space}n='z'{first}/>\
                 <senml{space}{a} {b} {c}/><senml{space}n='q' v='2'/></sensml>"
            );
            // Places in the text differ by the spaces.
            read(Format::Xml, text.as_bytes(), 1.8e9, &options).map_err(|i| (i.reason, i.record))
        };
        let mut taken = 0;
        for first in [" v='0'", " bn='urn:a' bt='1763679600' bu='W' v='342'", " bs='3' bv='2'"] {
            for a in FIELDS {
                for b in FIELDS {
                    for c in ["", "v='1'", "n='/b'", "t='60'"] {
                        // Two spaces are as good as one, but not plain.
                        let (plain, ordinary) = (pack(" ", first, [a, b, c]), pack("  ", first, [a, b, c]));
                        assert_eq!(plain, ordinary, "{first}, {a} {b} {c}");
                        taken += usize::from(plain.is_ok());
                    }
                }
            }
        }
        assert!(taken > 1000, "{taken}");
    }
}
