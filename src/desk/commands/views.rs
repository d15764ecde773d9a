//! How consents and series are shown: tables, records, one-line choices.

use jiff::Timestamp;

use super::texts;
use crate::domain::consent::Consent;
use crate::domain::language::{Language, Text};
use crate::protocol::forms::{Record, Table};
use crate::store::consents::Event;

/// A day, as people read it.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The names of the series.
pub(super) fn scopes(consent: &Consent) -> String {
    consent.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The recipient's name and address.
pub(super) fn recipient(consent: &Consent) -> String {
    match &consent.recipient_name {
        Some(name) => format!("{name} <{}>", consent.recipient),
        None => consent.recipient.to_string(),
    }
}

/// Where it stands, in words.
pub(super) fn state(consent: &Consent, language: Language) -> String {
    texts::state(consent.state).of(language).to_owned()
}

/// A table of consents.
pub(super) fn consents(language: Language, title: Text, consents: &[Consent]) -> Table {
    let columns = ["id", "state", "subject", "recipient", "scope", "purpose", "valid_until"];
    Table {
        title: title.of(language).to_owned(),
        columns: columns
            .iter()
            .map(|var| ((*var).to_owned(), texts::label(var).of(language).to_owned()))
            .collect(),
        rows: consents
            .iter()
            .map(|consent| {
                vec![
                    consent.id.to_string(),
                    consent.state.as_str().to_owned(),
                    consent.subject.to_string(),
                    recipient(consent),
                    scopes(consent),
                    consent.purpose.clone(),
                    consent.valid_until.to_string(),
                ]
            })
            .collect(),
    }
}

/// One consent, in a line to choose it by.
pub(super) fn choice(consent: &Consent, language: Language, with_subject: bool) -> (String, String) {
    let who = match with_subject {
        true => format!("{} → {}", consent.subject, recipient(consent)),
        false => recipient(consent),
    };
    let label = texts::CHOICE.fill(
        language,
        &[
            ("who", &who),
            ("purpose", &consent.purpose),
            ("scope", &scopes(consent)),
            ("until", &day(consent.valid_until)),
            ("state", &state(consent, language)),
        ],
    );
    (label, consent.id.to_string())
}

/// One consent, field by field. The names of the fields are the record's.
pub(super) fn consent(consent: &Consent, language: Language) -> Record {
    let mut fields = Vec::new();
    let mut add = |var: &str, values: Vec<String>| {
        fields.push((var.to_owned(), texts::label(var).of(language).to_owned(), values));
    };
    let one = |text: &dyn ToString| vec![text.to_string()];
    add("id", one(&consent.id));
    add("state", one(&consent.state));
    add("since", one(&consent.since));
    add("revision", one(&consent.revision));
    add("arrangement", one(&consent.arrangement));
    add("subject", one(&consent.subject));
    add("recipient", one(&consent.recipient));
    let texts = [
        ("recipient_name", &consent.recipient_name),
        ("recipient_contact", &consent.recipient_contact),
        ("policy_url", &consent.policy_url),
    ];
    for (var, text) in texts {
        text.iter().for_each(|text| add(var, one(text)));
    }
    add("scope", consent.scope.iter().map(ToString::to_string).collect());
    add("purpose", one(&consent.purpose));
    consent.purpose_code.iter().for_each(|code| add("purpose_code", one(code)));
    add("lawful_basis", one(&consent.lawful_basis));
    add("valid_from", one(&consent.valid_from));
    add("valid_until", one(&consent.valid_until));
    consent.data_from.iter().for_each(|at| add("data_from", one(at)));
    consent.data_until.iter().for_each(|at| add("data_until", one(at)));
    consent.granularity.iter().for_each(|period| add("granularity", one(period)));
    let modes = [("notify", consent.modes.notify), ("history", consent.modes.history)];
    add("modes", modes.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()).collect());
    add("retention", one(&consent.retention));
    add("onward", one(&consent.onward));
    add("method", one(&consent.method));
    consent.evidence.iter().for_each(|text| add("evidence", one(text)));
    consent.ended_by.iter().for_each(|text| add("ended_by", one(text)));
    consent.end_reason.iter().for_each(|text| add("end_reason", one(text)));
    Record { title: texts::CONSENT.of(language).to_owned(), fields }
}

/// Something that happened to a consent, in a line.
pub(super) fn event(event: &Event, language: Language) -> String {
    let what = match event.from {
        Some(from) if from == event.to => texts::EDITED,
        _ => texts::state(event.to),
    };
    let at = event.at.to_string();
    let line =
        texts::EVENT.fill(language, &[("at", &at), ("what", what.of(language)), ("actor", &event.actor)]);
    match &event.note {
        Some(note) => format!("{line} ({note})"),
        None => line,
    }
}
