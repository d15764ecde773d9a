//! Whether a record fits into a stanza, in whichever format it leaves: measured as it is written, and escaped, before
//! it is accepted. A pack of several records is parted, a record is not.

use super::event;
use super::outbox::CONTENT_MAX;
use crate::senml::{Format, Profile, Record, Resolved, Selection, Unwritable, Value, write};

/// The most octets that one octet of a text becomes: a quotation mark is `\&quot;` as JSON in XML.
const LONGEST_ESCAPE: usize = 7;

/// More than all that stands around the texts of a record: elements, names of fields, numbers.
const AROUND: usize = 4 * 1024;

/// Whether no record of a pack can be too large, since none has more text than the whole, which takes so many octets.
///
/// This is so of nearly every pack that there is, and costs nothing.
pub fn always_fits(octets: usize) -> bool {
    octets.saturating_mul(LONGEST_ESCAPE).saturating_add(AROUND) <= CONTENT_MAX
}

/// The first record that no stanza carries, as it is counted in the pack.
pub fn first_too_large(pack: &Resolved) -> Option<usize> {
    let too_large = |(place, record): &(usize, Record<'_>)| {
        !always_fits(octets(record)) && written(pack, *place) > CONTENT_MAX
    };
    pack.iter().enumerate().find(too_large).map(|(_, record)| record.position())
}

/// How long the texts of a record are.
fn octets(record: &Record<'_>) -> usize {
    let value = match record.value() {
        Some(Value::Text(text)) => text.len(),
        // As base64, of which nothing is escaped, it is less than twice as long.
        Some(Value::Data(data)) => data.len(),
        _ => 0,
    };
    let others = [record.unit(), record.content_format()];
    record.name().len() + value + others.into_iter().flatten().map(str::len).sum::<usize>()
}

/// Writes records in some shape.
type Shape<'a> = dyn Fn(Selection<'_>, &mut Vec<u8>) -> Result<(), Unwritable> + 'a;

/// How many octets it takes where it takes most.
fn written(pack: &Resolved, place: usize) -> usize {
    let this = [u32::try_from(place).unwrap_or(u32::MAX)];
    let sensml = |profile| {
        move |record: Selection<'_>, out: &mut Vec<u8>| write(Format::Xml, profile, record, out).map(drop)
    };
    let size = |shape: &Shape<'_>| {
        let mut out = Vec::new();
        // What cannot be written in a format does not leave in it.
        shape(pack.select(&this), &mut out).map_or(0, |()| out.len())
    };
    size(&sensml(Profile::Standard)).max(size(&sensml(Profile::Quoalise))).max(size(&event::json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senml::{Options, read};

    fn pack(json: &str) -> Resolved {
        read(Format::Json, json.as_bytes(), 1.7e9, &Options::default()).unwrap()
    }

    #[test]
    fn the_largest_that_is_taken_is_exactly_as_large_as_may_be() {
        // Per octet of the text: where it is longest, and by how much.
        for (text, octets) in [("x", 1), ("'", 6), ("\\\"", 7), ("\\\\", 2), ("<", 4), ("\\n", 5), ("é", 2)]
        {
            let with = |count: usize| {
                pack(&format!(
                    r#"[{{"n":"a","t":1,"vs":"b"}},{{"n":"a","t":2e9,"vs":"{}"}}]"#,
                    text.repeat(count)
                ))
            };
            let (mut fits, mut not) = (1, CONTENT_MAX);
            while not - fits > 1 {
                let middle = usize::midpoint(fits, not);
                if first_too_large(&with(middle)).is_none() { fits = middle } else { not = middle }
            }
            let pack = with(fits);
            let largest = (0..2).map(|place| written(&pack, place)).max().unwrap();
            assert!(largest <= CONTENT_MAX && largest > CONTENT_MAX - octets, "{text}: {largest}");
            assert_eq!(first_too_large(&with(not)), Some(1), "{text}: as it stands in the pack");
        }
    }

    #[test]
    fn what_always_fits_does() {
        let most = (CONTENT_MAX - AROUND) / LONGEST_ESCAPE;
        assert!(always_fits(most) && !always_fits(most + 1));
        // All fields, and of the longest numbers.
        for text in ["\\\"", "'", "&"] {
            let numbers =
                r#""s":-1.2345678901234567e-300,"ut":-1.2345678901234567e300,"bt":1.234567890123e20"#;
            let part = text.repeat((most - 300) / 2 / text.len().min(1));
            let pack =
                pack(&format!(r#"[{{"n":"{}","u":"{part}","vs":"{part}",{numbers}}}]"#, "a".repeat(200)));
            let record = pack.iter().next().unwrap();
            assert!(octets(&record) <= most && octets(&record) + 600 > most, "{}", octets(&record));
            assert!(written(&pack, 0) <= CONTENT_MAX, "{}", written(&pack, 0));
        }
    }
}
