//! The form of a consent: its fields, and what was filled into them.

use jiff::Timestamp;

use super::{Call, Failure, texts, wrong};
use crate::domain::consent::{Consent, Mode};
use crate::domain::draft::{Draft, DraftError};
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_recipient};
use crate::protocol::forms::{Datatype, Field, Kind};

/// Whose hand fills it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    /// The operator records what somebody agreed to.
    Operator,
    /// The person concerned gives.
    Subject,
    /// The recipient asks.
    Recipient,
}

pub(super) fn field(call: &Call<'_>, kind: Kind, var: &str) -> Field {
    let field = Field::new(kind, var, texts::label(var).of(call.language));
    match texts::description(var) {
        Some(text) => field.desc(text.of(call.language)),
        None => field,
    }
}

/// All fields, with what is usual in them.
pub(super) fn fields(call: &Call<'_>, hand: Hand) -> Vec<Field> {
    let usual = call.context.config.consent.usual();
    let until = usual.duration.after(call.now).map(midnight).unwrap_or_default();
    let time = |var| field(call, Kind::TextSingle, var).datatype(Datatype::Time);
    let length = |var| field(call, Kind::TextSingle, var).datatype(Datatype::Duration);
    let text = |var| field(call, Kind::TextSingle, var);
    let mut fields = Vec::new();
    if hand != Hand::Subject {
        let subject = text("subject");
        fields.push(if hand == Hand::Operator { subject.required() } else { subject });
    }
    if hand != Hand::Recipient {
        fields.push(field(call, Kind::JidSingle, "recipient").required());
    }
    fields.push(text("recipient_name"));
    fields.push(field(call, Kind::TextMulti, "scope").required());
    fields.push(text("purpose").required());
    fields.push(time("valid_until").value(until));
    fields.push(length("retention").value(usual.retention.as_str()));
    fields.push(time("valid_from"));
    fields.push(time("data_from"));
    fields.push(time("data_until"));
    fields.push(length("granularity"));
    fields.push(modes(call));
    fields.push(field(call, Kind::Boolean, "subscribe").value("true"));
    fields.push(field(call, Kind::Boolean, "onward").value("false"));
    fields.push(text("recipient_contact"));
    fields.push(text("policy_url"));
    fields.push(text("purpose_code"));
    if hand == Hand::Operator {
        fields.push(lawful_basis(call));
        fields.push(text("evidence"));
    }
    fields.push(text("arrangement"));
    fields
}

/// How the recipient gets it.
pub(super) fn modes(call: &Call<'_>) -> Field {
    let names = ["notify", "history"];
    let options = names.map(|name| (texts::mode(name).of(call.language).to_owned(), name.to_owned()));
    field(call, Kind::ListMulti, "modes").options(options).values(names.map(str::to_owned))
}

fn lawful_basis(call: &Call<'_>) -> Field {
    let names =
        ["consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"];
    let options = names.map(|name| (texts::basis(name).of(call.language).to_owned(), name.to_owned()));
    field(call, Kind::ListSingle, "lawful_basis").options(options).value("consent")
}

/// A day's beginning, as a time field shows it.
pub(super) fn midnight(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT00:00:00Z").to_string()
}

/// The names of the series.
pub(super) fn scope(call: &Call<'_>) -> Result<Vec<Scope>, Failure> {
    call.answers
        .lines_of("scope")
        .map(|name| {
            Scope::parse(name).map_err(|e| Failure::Wrong(wrong::field("scope", name, e, call.language)))
        })
        .collect()
}

/// What was filled in.
pub(super) fn draft(call: &Call<'_>) -> Result<Draft, Failure> {
    let answers = call.answers;
    let wrong = |var: &'static str| {
        let said = answers.text(var).unwrap_or_default();
        move |why: String| Failure::Wrong(wrong::field(var, said, why, call.language))
    };
    let text = |var: &str| answers.lines(var);
    let flag = |var: &str| answers.has(var).then(|| answers.flag(var));
    // To empty it is not to leave it out: then it would be everything.
    if answers.has("modes") && answers.list("modes").next().is_none() {
        return Err(Failure::Wrong(texts::labelled_of("modes", texts::NO_MODE, call.language)));
    }
    let mut modes = Vec::new();
    for name in answers.list("modes") {
        modes.push(if name == "notify" { Mode::Notify } else { Mode::History });
    }
    Ok(Draft {
        arrangement: answers.read("arrangement").map_err(wrong("arrangement"))?,
        subject: answers.person("subject").map_err(wrong("subject"))?,
        recipient: answers.text("recipient").map(parse_recipient).transpose().map_err(wrong("recipient"))?,
        recipient_name: text("recipient_name"),
        recipient_contact: text("recipient_contact"),
        policy_url: text("policy_url"),
        scope: scope(call)?,
        purpose: text("purpose"),
        purpose_code: text("purpose_code"),
        lawful_basis: text("lawful_basis"),
        valid_from: answers.time("valid_from").map_err(wrong("valid_from"))?,
        valid_until: answers.time("valid_until").map_err(wrong("valid_until"))?,
        data_from: answers.time("data_from").map_err(wrong("data_from"))?,
        data_until: answers.time("data_until").map_err(wrong("data_until"))?,
        granularity: answers.read("granularity").map_err(wrong("granularity"))?,
        modes,
        subscribe: flag("subscribe"),
        retention: answers.read("retention").map_err(wrong("retention"))?,
        onward: flag("onward"),
        evidence: text("evidence"),
        ..Draft::default()
    })
}

/// What is over already is of no use; what begins later than a consent may last was a slip.
pub(super) fn in_time(call: &Call<'_>, draft: &Draft) -> Result<(), Failure> {
    if draft.valid_until.is_some_and(|until| until <= call.now) {
        let said = texts::labelled_of("valid_until", texts::OVER_ALREADY, call.language);
        return Err(Failure::Wrong(said));
    }
    let latest = call.context.config.consent.maximum.after(call.now);
    match draft.valid_from.zip(latest) {
        Some((from, latest)) if from > latest => {
            Err(Failure::Wrong(wrong::draft(&DraftError::TooFarAhead, call.language)))
        }
        _ => Ok(()),
    }
}

/// The consent that a draft makes, or what is wrong with it.
pub(super) fn complete(call: &Call<'_>, draft: Draft, method: &str) -> Result<Consent, Failure> {
    let wrong = |var: &str, said| Failure::Wrong(texts::labelled_of(var, said, call.language));
    in_time(call, &draft)?;
    if let Some(recipient) = &draft.recipient {
        if draft.subject.as_ref().and_then(Subject::jid) == Some(recipient) {
            return Err(wrong("recipient", texts::TO_THEMSELVES));
        }
        if recipient.as_str() == call.context.jid() {
            return Err(wrong("recipient", texts::TO_THE_SERVICE));
        }
    }
    draft
        .complete(&call.context.config.consent.usual(), method, call.now)
        .map_err(|error| Failure::Wrong(super::wrong::draft(&error, call.language)))
}
