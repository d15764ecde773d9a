//! One line of a file of records, and what is wrong with it in words of the person who made the file.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::wording::{Unreadable, check_line};

/// The longest part of a wrong value that is shown again.
const SHOWN_MAX: usize = 60;

/// What the records of a file look like.
#[derive(Debug)]
pub(super) struct Kind {
    /// Each field, and what it is to be.
    fields: &'static [(&'static str, &'static str)],
    /// Those without which it is no record, each with something that would do.
    least: fn() -> Value,
}

const TIME: &str = "a date or time, as 2027-01-01 or 2027-01-01T12:00:00Z";
const LENGTH: &str = "a duration, as P1Y, P30D or PT1H";
const ID: &str = "an id, as 0192f3c1-7f3a-7000-8000-00000000002a";
const TEXT: &str = "a text";
const YES_OR_NO: &str = "true or false";
const BARE: &str = "a bare XMPP address, as app@coop.example";
const PERSON: &str = "a bare XMPP address, or ref: and a reference of your own";

/// Consents (docs/CONSENT.md).
pub(super) const CONSENTS: Kind = Kind {
    least: || json!({}),
    fields: &[
        ("id", ID),
        ("arrangement", ID),
        ("revision", "a number from 1 on"),
        ("subject", PERSON),
        ("recipient", BARE),
        ("recipient_name", TEXT),
        ("recipient_contact", TEXT),
        ("policy_url", TEXT),
        ("scope", "a list of series, exact or a prefix ending in *"),
        ("purpose", TEXT),
        ("purpose_code", TEXT),
        ("lawful_basis", TEXT),
        ("valid_from", TIME),
        ("valid_until", TIME),
        ("data_from", TIME),
        ("data_until", TIME),
        ("granularity", LENGTH),
        ("modes", "a list of notify, history or both"),
        ("subscribe", YES_OR_NO),
        ("retention", LENGTH),
        ("onward", YES_OR_NO),
        ("method", TEXT),
        ("evidence", TEXT),
        ("text_lang", TEXT),
        ("text_hash", TEXT),
        (
            "state",
            "one of requested, active, suspended, refused, cancelled, timed-out, expired, withdrawn, revoked, \
             terminated, fulfilled, replaced",
        ),
        ("since", TIME),
        ("ended_by", TEXT),
        ("end_reason", TEXT),
    ],
};

/// Registrations (docs/DATA_MODEL.md).
pub(super) const SERIES: Kind = Kind {
    least: || json!({"name": "urn:a", "owner": "ref:a"}),
    fields: &[
        ("name", "the name of a series, or a prefix ending in *"),
        ("owner", PERSON),
        ("tenures", "a list of holder and from in the order of time, as `courant series export` writes it"),
        ("producers", "a list of bare XMPP addresses"),
        ("open", YES_OR_NO),
        ("retention", LENGTH),
        ("title", TEXT),
        ("source", "an XMPP address"),
        ("node", "the settings of the node, as `courant series export` writes them"),
        ("meta", "names and texts in braces, as {\"unit\":\"W\"}"),
    ],
};

/// A text of one line, as it was typed.
pub(super) fn plain(text: &str) -> Result<String, Unreadable> {
    check_line(text).map(|()| text.to_owned())
}

/// A person, as they were typed.
pub(super) fn person(text: &str) -> Result<Subject, String> {
    let person: Subject = text.parse()?;
    person.check_person()?;
    Ok(person)
}

/// Reads a line, or says what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(line: &[u8], kind: &Kind) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => explain::<T>(&fields, kind),
        Ok(other) => {
            format!("a record stands in braces, as {{\"{}\":…}}, not {}", kind.fields[0].0, shown(&other))
        }
        Err(_) if error.is_eof() => {
            "the record is cut off; every record stands in one line of its own".to_owned()
        }
        Err(syntax) => format!(
            "not JSON from character {} on; every record stands in one line of its own, in braces",
            syntax.column().max(1)
        ),
    })
}

fn explain<T: DeserializeOwned>(fields: &Map<String, Value>, kind: &Kind) -> String {
    let least = (kind.least)();
    let fits = |name: &str, value: &Value| {
        let mut record = least.clone();
        record[name] = value.clone();
        serde_json::from_value::<T>(record).is_ok()
    };
    for (name, value) in fields {
        let Some((_, expected)) = kind.fields.iter().find(|(known, _)| known == name) else {
            let known: Vec<&str> = kind.fields.iter().map(|(name, _)| *name).collect();
            return format!("there is no field {}; there are {}", shown(&json!(name)), known.join(", "));
        };
        if fits(name, value) {
            continue;
        }
        // Of a list the first that does not fit is named.
        let wrong = match value {
            Value::Array(list) => list.iter().find(|item| !fits(name, &json!([item]))).unwrap_or(value),
            value => value,
        };
        let why = match (&**name, wrong) {
            ("scope" | "name", Value::String(text)) => Scope::parse(text).err().map(|e| e.to_string()),
            ("subject" | "owner", Value::String(text)) => text.parse::<Subject>().err(),
            _ => None,
        };
        return match why {
            Some(why) => format!("{name}: {why}"),
            None => format!("{name}: {} is not {expected}", shown(wrong)),
        };
    }
    let missing = least.as_object().and_then(|least| least.keys().find(|name| !fields.contains_key(*name)));
    match missing {
        Some(name) => format!("{name} is missing"),
        None => "a field stands in it twice; leave one of them out".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("'{}'", text.escape_debug()),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::draft::Draft;
    use crate::domain::series::Series;

    #[test]
    fn what_is_wrong_is_named_by_its_field_in_plain_words() {
        for (line, said) in [
            (r#"{"purpose":5}"#, "purpose: 5 is not a text"),
            (r#"{"recipient":"a b@"}"#, "recipient: 'a b@' is not a bare XMPP address, as app@coop.example"),
            (r#"{"subject":"@b"}"#, "subject: '@b' is not an XMPP address"),
            (r#"{"arrangement":"x"}"#, "arrangement: 'x' is not an id"),
            (r#"{"scope":["urn:a","*"]}"#, "scope: "),
            (r#"{"scope":"urn:a"}"#, "scope: 'urn:a' is not a list"),
            (r#"{"purposes":"x"}"#, "there is no field 'purposes'; there are id, "),
            (r#"{"state":"given"}"#, "state: 'given' is not one of requested"),
            (r#"{"valid_from":"tomorrow"}"#, "valid_from: 'tomorrow' is not a date"),
            (r#"{"purpose":"x","purpose":"y"}"#, "a field stands in it twice"),
            ("[1]", "a record stands in braces"),
            ("{", "the record is cut off"),
            (r#"{"a" 1}"#, "not JSON from character 6"),
        ] {
            let told = read::<Draft>(line.as_bytes(), &CONSENTS).unwrap_err();
            assert!(told.starts_with(said), "{line}: {told}");
            for jargon in ["expected", "struct", "invalid type", "idna", "nodepart", " line 1"] {
                assert!(!told.contains(jargon), "{line}: {told}");
            }
        }
        for (line, said) in [
            (r#"{"name":"urn:a"}"#, "owner is missing"),
            (r#"{"name":"urn:a","owner":"ref:a","open":"yes"}"#, "open: 'yes' is not true or false"),
            (
                r#"{"name":"urn:a","owner":"ref:a","producers":["a@b","c@d/e"]}"#,
                "producers: 'c@d/e' is not a list",
            ),
        ] {
            let told = read::<Series>(line.as_bytes(), &SERIES).unwrap_err();
            assert!(told.starts_with(said), "{line}: {told}");
        }
    }
}
