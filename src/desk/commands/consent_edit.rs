//! `consent-edit`: the operator narrows a consent, or corrects its evidence.

use std::ops::ControlFlow;

use super::choose::Among;
use super::consent_form::{draft, field, modes};
use super::engine::form;
use super::stepping::done;
use super::{Call, Coming, Command, Done, Failure, Turn, Who, texts};
use crate::consents::record;
use crate::domain::consent::{Consent, Modes, State};
use crate::domain::edit::{Edit, differences};
use crate::domain::language::Text;
use crate::domain::wording::one_line;
use crate::protocol::forms::{Datatype, Field, Form, Kind, Table};
use crate::store::consent_steps::Stepped;

#[derive(Debug)]
pub(super) struct ConsentEdit;

impl Command for ConsentEdit {
    fn node(&self) -> &'static str {
        "consent-edit"
    }

    fn name(&self) -> Text {
        texts::CONSENT_EDIT
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn kept(&self) -> &'static [&'static str] {
        KEPT
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let choice = Among::all(&[State::Active, State::Suspended]).choice(call).await?;
            match choice.ask(call, self.name(), Some(texts::CONSENT_EDIT_HOW), Vec::new) {
                // Another form follows the list in any case.
                ControlFlow::Break(Turn::Ask { form, .. }) => Ok(Turn::next(form)),
                ControlFlow::Break(turn) => Ok(turn),
                ControlFlow::Continue(consent) if !call.answers.has("revision") => {
                    Ok(Turn::last(what(call, &consent)))
                }
                ControlFlow::Continue(consent) => edit(call, &consent).await,
            }
        })
    }
}

/// The form with what the consent says in it, and the revision that the editor sees.
fn what(call: &Call<'_>, consent: &Consent) -> Form {
    let mut form = form(texts::CONSENT_EDIT.of(call.language), texts::CONSENT_EDIT_HOW.of(call.language));
    form.fields = narrowing(call, consent);
    form.fields
        .push(field(call, Kind::TextSingle, "recipient_contact").value(text(&consent.recipient_contact)));
    form.fields.push(field(call, Kind::TextSingle, "evidence").value(text(&consent.evidence)));
    form.fields.push(field(call, Kind::TextSingle, "reason"));
    form.fields.push(Field::new(Kind::Hidden, "revision", "").value(consent.revision.to_string()));
    form
}

/// What a consent says that no edit changes: another purpose or recipient is another consent.
pub(super) const KEPT: &[&str] = &[
    "subject",
    "recipient",
    "recipient_name",
    "policy_url",
    "purpose",
    "purpose_code",
    "lawful_basis",
    "subscribe",
    "arrangement",
    "method",
    "text_lang",
    "text_hash",
    "state",
    "since",
    "ended_by",
    "end_reason",
];

fn text(text: &Option<impl ToString>) -> String {
    text.as_ref().map_or_else(String::new, ToString::to_string)
}

/// The fields by which a consent can be narrowed, with what it says in them.
pub(super) fn narrowing(call: &Call<'_>, consent: &Consent) -> Vec<Field> {
    let time = |var| field(call, Kind::TextSingle, var).datatype(Datatype::Time);
    let length = |var| field(call, Kind::TextSingle, var).datatype(Datatype::Duration);
    let names = [("notify", consent.modes.notify), ("history", consent.modes.history)];
    let given = names.iter().filter(|(_, given)| *given).map(|(name, _)| (*name).to_owned());
    vec![
        field(call, Kind::TextMulti, "scope")
            .values(consent.scope.iter().map(ToString::to_string))
            .required(),
        time("valid_from").value(consent.valid_from.to_string()),
        time("valid_until").value(consent.valid_until.to_string()).required(),
        time("data_from").value(text(&consent.data_from)),
        time("data_until").value(text(&consent.data_until)),
        length("granularity").value(text(&consent.granularity)),
        modes(call).values(given),
        length("retention").value(consent.retention.to_string()).required(),
        field(call, Kind::Boolean, "onward").value(consent.onward.to_string()),
    ]
}

/// What was filled in otherwise than the consent says.
pub(super) fn edited(call: &Call<'_>, consent: &Consent, wider: Text) -> Result<Edit, Failure> {
    fn other<T: PartialEq>(said: Option<T>, held: &T) -> Option<T> {
        said.filter(|said| said != held)
    }
    let draft = draft(call)?;
    // What is emptied would be wider: it was not asked for, or it was a slip.
    let emptied = |var: &str, held: bool| held && call.answers.has(var) && call.answers.text(var).is_none();
    for (var, held) in [
        ("data_from", consent.data_from.is_some()),
        ("data_until", consent.data_until.is_some()),
        ("granularity", consent.granularity.is_some()),
    ] {
        if emptied(var, held) {
            let name = texts::label(var).of(call.language);
            return Err(Failure::Wrong(wider.fill(call.language, &[("field", name)])));
        }
    }
    let modes = match draft.modes.is_empty() {
        true => None,
        false => Modes::try_from(draft.modes).ok(),
    };
    let kept = |held: &Option<String>| held.clone().unwrap_or_default();
    let changed = |var: &str, held: &Option<String>| {
        call.answers
            .has(var)
            .then(|| call.answers.lines(var).unwrap_or_default())
            .filter(|said| *said != kept(held))
    };
    Ok(Edit {
        scope: (!draft.scope.is_empty()).then_some(draft.scope).filter(|scope| *scope != consent.scope),
        valid_from: other(draft.valid_from, &consent.valid_from),
        valid_until: other(draft.valid_until, &consent.valid_until),
        data_from: draft.data_from.filter(|at| Some(*at) != consent.data_from),
        data_until: draft.data_until.filter(|at| Some(*at) != consent.data_until),
        granularity: draft.granularity.filter(|period| Some(period) != consent.granularity.as_ref()),
        modes: other(modes, &consent.modes),
        retention: other(draft.retention, &consent.retention),
        onward: other(draft.onward, &consent.onward),
        evidence: changed("evidence", &consent.evidence),
        recipient_contact: changed("recipient_contact", &consent.recipient_contact),
    })
}

async fn edit(call: &Call<'_>, consent: &Consent) -> Result<Turn, Failure> {
    let store = &call.context.store;
    let said = call.answers.text("revision").unwrap_or_default();
    let wrong = |_| Failure::Wrong(texts::labelled_of("revision", texts::NO_REVISION, call.language));
    let revision = call.answers.read::<u32>("revision").map_err(wrong)?.unwrap_or(consent.revision);
    if revision > consent.revision || revision == 0 {
        let held = consent.revision.to_string();
        let values = [("said", said), ("revision", &*held)];
        return Err(Failure::Wrong(texts::OTHER_REVISION.fill(call.language, &values)));
    }
    if revision != consent.revision {
        return Err(stale(call, consent, revision).await?);
    }
    let edit = edited(call, consent, texts::WIDER)?;
    if edit.is_empty() {
        return Err(Failure::Wrong(texts::NOTHING_CHANGED.of(call.language).to_owned()));
    }
    let maximum = &call.context.config.consent.maximum;
    let stepped = record::edit(
        store,
        consent.id,
        &edit,
        Some(revision),
        maximum,
        call.asker.as_str(),
        call.answers.text("reason"),
        call.now,
    )
    .await?;
    if let Stepped::Stale(now) = &stepped {
        return Err(stale(call, now, revision).await?);
    }
    let next = done(call, stepped)?;
    call.context.taken().await?;
    let columns = ["field", "before", "after"];
    let table = Table {
        title: texts::CONSENT_EDIT.of(call.language).to_owned(),
        columns: columns.map(|var| (var.to_owned(), texts::label(var).of(call.language).to_owned())).into(),
        rows: differences(consent, &next).into_iter().map(|d| vec![d.field, d.before, d.after]).collect(),
    };
    let revision = next.revision.to_string();
    let note = texts::EDITED_TO.fill(call.language, &[("revision", &revision)]);
    Ok(Turn::Done(Done::table(table, Some(note))))
}

/// Somebody else was faster: what they changed.
async fn stale(call: &Call<'_>, now: &Consent, seen: u32) -> Result<Failure, Failure> {
    let earlier = call.context.store.earlier_revisions(now.id).await?;
    let changes = earlier.get(&seen).map_or_else(Vec::new, |before| differences(before, now));
    let lines: Vec<String> = changes
        .iter()
        .map(|d| {
            let change = format!("{} → {}", one_line(&d.before), one_line(&d.after));
            texts::labelled(texts::name_of(&d.field, call.language), &change, call.language)
        })
        .collect();
    let revision = now.revision.to_string();
    let text = texts::STALE.fill(call.language, &[("revision", &revision)]);
    Ok(Failure::Wrong(format!("{text} {}", lines.join("; "))))
}
