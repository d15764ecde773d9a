//! How consents and series are shown: tables, records, one-line choices.

use jiff::Timestamp;

use super::clients::Style;
use super::{Call, texts};
use crate::desk::asking::VEILED;
use crate::domain::consent::Consent;
use crate::domain::language::{Language, Text};
use crate::domain::party::Subject;
use crate::domain::wording;
use crate::protocol::forms::{Record, Table};
use crate::store::consents::Event;

/// A day, as people read it.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A minute, as people read it.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The names of the series, as far as there is room for them.
pub(super) fn scopes(consent: &Consent, language: Language) -> String {
    wording::first_scopes(consent, language)
}

/// The recipient's name and address.
pub(super) fn recipient(consent: &Consent, language: Language) -> String {
    wording::recipient(consent, language)
}

/// The person concerned, where whoever reads may know.
pub(super) fn subject(consent: &Consent, language: Language) -> String {
    match &consent.subject {
        Subject::Reference(reference) if reference == VEILED => texts::NOT_TOLD.of(language).to_owned(),
        _ => wording::subject(consent),
    }
}

/// Where it stands, in words.
pub(super) fn state(consent: &Consent, language: Language) -> String {
    texts::state(consent.state).of(language).to_owned()
}

/// A table of consents: first what people look for, last what programs and paging need.
pub(super) fn consents(call: &Call<'_>, title: Text, consents: &[Consent]) -> Table {
    let columns = ["recipient", "subject", "state", "purpose", "valid_until", "scope", "id"];
    let language = call.language;
    let row = |consent: &Consent| {
        let (stands, until) = match call.style() {
            Style::Codes => (consent.state.as_str().to_owned(), consent.valid_until.to_string()),
            Style::Words => (state(consent, language), day(consent.valid_until)),
        };
        vec![
            recipient(consent, language),
            subject(consent, language),
            stands,
            match call.style() {
                Style::Codes => consent.purpose.clone(),
                Style::Words => wording::purpose(consent, language),
            },
            until,
            scopes(consent, language),
            consent.id.to_string(),
        ]
    };
    let mut table = Table {
        title: title.of(language).to_owned(),
        columns: columns
            .iter()
            .map(|var| ((*var).to_owned(), texts::label(var).of(language).to_owned()))
            .collect(),
        rows: consents.iter().map(row).collect(),
    };
    if call.style() == Style::Words {
        table.drop_column_of(call.asker.as_str());
    }
    table
}

/// One consent, in a line to choose it by.
pub(super) fn choice(consent: &Consent, language: Language, with_subject: bool) -> (String, String) {
    let who = match with_subject {
        true => format!("{} → {}", subject(consent, language), recipient(consent, language)),
        false => recipient(consent, language),
    };
    let label = texts::CHOICE.fill(
        language,
        &[
            ("who", &who),
            ("purpose", &wording::purpose(consent, language)),
            ("scope", &scopes(consent, language)),
            ("until", &day(consent.valid_until)),
            ("state", &state(consent, language)),
        ],
    );
    (label, consent.id.to_string())
}

/// One consent, field by field. The names of the fields are the record's.
pub(super) fn consent(call: &Call<'_>, consent: &Consent) -> Record {
    let (language, style) = (call.language, call.style());
    let mut fields = Vec::new();
    let mut add = |var: &str, mut values: Vec<String>| {
        // Where people read, what others wrote keeps to its line.
        if style == Style::Words {
            values.iter_mut().for_each(|value| *value = wording::one_line(value));
        }
        fields.push((var.to_owned(), texts::label(var).of(language).to_owned(), values));
    };
    let one = |text: &dyn ToString| vec![text.to_string()];
    let coded = |code: &str, word: Text| match style {
        Style::Codes => code.to_owned(),
        Style::Words => word.of(language).to_owned(),
    };
    let time = |at: Timestamp| match style {
        Style::Codes => at.to_string(),
        Style::Words => minute(at),
    };
    add("state", vec![coded(consent.state.as_str(), texts::state(consent.state))]);
    add("subject", vec![subject(consent, language)]);
    add("recipient", one(&consent.recipient));
    let optional = [
        ("recipient_name", &consent.recipient_name),
        ("recipient_contact", &consent.recipient_contact),
        ("policy_url", &consent.policy_url),
    ];
    for (var, text) in optional {
        text.iter().for_each(|text| add(var, one(text)));
    }
    add("scope", consent.scope.iter().map(ToString::to_string).collect());
    add("purpose", one(&consent.purpose));
    consent.purpose_code.iter().for_each(|code| add("purpose_code", one(code)));
    add("valid_from", vec![time(consent.valid_from)]);
    add("valid_until", vec![time(consent.valid_until)]);
    consent.data_from.iter().for_each(|at| add("data_from", vec![time(*at)]));
    consent.data_until.iter().for_each(|at| add("data_until", vec![time(*at)]));
    consent.granularity.iter().for_each(|period| add("granularity", one(period)));
    let modes = [("notify", consent.modes.notify), ("history", consent.modes.history)];
    let modes = modes.iter().filter(|(_, on)| *on).map(|(name, _)| coded(name, texts::mode(name)));
    add("modes", modes.collect());
    add("retention", one(&consent.retention));
    let yes_or_no = if consent.onward { texts::PLAIN_YES } else { texts::PLAIN_NO };
    add("onward", vec![coded(&consent.onward.to_string(), yes_or_no)]);
    add("lawful_basis", vec![coded(&consent.lawful_basis, texts::basis(&consent.lawful_basis))]);
    add("method", vec![coded(&consent.method, texts::method(&consent.method))]);
    consent.evidence.iter().for_each(|text| add("evidence", one(text)));
    add("since", vec![time(consent.since)]);
    consent.ended_by.iter().for_each(|text| add("ended_by", one(text)));
    consent.end_reason.iter().for_each(|text| add("end_reason", one(text)));
    add("id", one(&consent.id));
    add("revision", one(&consent.revision));
    add("arrangement", one(&consent.arrangement));
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
        Some(note) => format!("{line} ({})", wording::quoted(note, language)),
        None => line,
    }
}
