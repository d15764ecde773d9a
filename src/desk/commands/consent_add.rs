//! `consent-add`: the operator records what somebody agreed to.

use super::consent_form::{Hand, complete, draft, fields};
use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, Who, texts, views, wrong};
use crate::consents::record;
use crate::domain::consent::{Consent, State, method};
use crate::domain::language::Text;
use crate::domain::name::Scope;
use crate::store::StoreError;
use crate::store::consents::{Filter, Part};

/// Consents between two parties that are looked through at once.
const LOOKED_AT: usize = 1000;

#[derive(Debug)]
pub(super) struct ConsentAdd;

impl Command for ConsentAdd {
    fn node(&self) -> &'static str {
        "consent-add"
    }

    fn name(&self) -> Text {
        texts::CONSENT_ADD
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                let mut form = form(self.name().of(call.language), texts::CONSENT_ADD_HOW.of(call.language));
                form.fields = fields(call, Hand::Operator);
                return Ok(Turn::last(form));
            }
            let mut draft = draft(call)?;
            let recorded_by = texts::RECORDED_BY.fill(call.language, &[("who", call.asker.as_str())]);
            draft.evidence = draft.evidence.or(Some(recorded_by));
            let consent = complete(call, draft, method::OPERATOR)?;
            if let Some(there) = already(call, &consent).await? {
                return Ok(there);
            }
            add(call, &consent).await?;
            let note = texts::RECORDED.of(call.language).to_owned();
            Ok(Turn::Done(Done::record(&views::consent(call, &consent), Some(note))))
        })
    }
}

/// What to answer where the same stands already: once more would be of no use, and take two withdrawals to end.
pub(super) async fn already(call: &Call<'_>, consent: &Consent) -> Result<Option<Turn>, Failure> {
    let filter = Filter {
        subject: Some(consent.subject.clone()),
        recipient: Some(consent.recipient.to_string()),
        standing: true,
        ..Filter::default()
    };
    let part = Part { max: LOOKED_AT, last: true, ..Part::default() };
    let (standing, ..) = call.context.store.part_of_consents(&filter, &part).await?;
    let same =
        standing.iter().rev().find(|held| held.state != State::Requested && is_same(held, consent, call));
    Ok(same.map(|held| {
        let values = [("id", &*held.id.to_string()), ("state", texts::state(held.state).of(call.language))]
            .map(|(name, value)| (name, value.to_owned()));
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let note = texts::THERE_ALREADY.fill(call.language, &values);
        Turn::Done(Done::record(&views::consent(call, held), Some(note)))
    }))
}

/// Whether both say the same, however and whenever they were given; and are about the same series, as what a person
/// gave themselves is of what lies below a beginning only about their own.
fn is_same(held: &Consent, consent: &Consent, call: &Call<'_>) -> bool {
    let below = consent.scope.iter().any(|scope| matches!(scope, Scope::Prefix(_)));
    if below && held.covers_own_only() && !consent.covers_own_only() {
        return false;
    }
    let begun = consent.valid_from <= call.now && held.valid_from <= call.now;
    let as_held = Consent {
        id: held.id,
        arrangement: held.arrangement,
        revision: held.revision,
        valid_from: if begun { held.valid_from } else { consent.valid_from },
        method: held.method.clone(),
        evidence: held.evidence.clone(),
        text_lang: held.text_lang.clone(),
        text_hash: held.text_hash.clone(),
        state: held.state,
        since: held.since,
        ..consent.clone()
    };
    as_held == *held
}

/// Records a consent, and waits until the relay knows it.
pub(super) async fn add(call: &Call<'_>, consent: &Consent) -> Result<(), Failure> {
    match record::add(&call.context.store, consent, call.asker.as_str(), call.now).await {
        Ok(_) => {}
        Err(StoreError::Consent(why)) => {
            let why = why.told_to(call.context.is_admin(call.asker));
            return Err(Failure::Wrong(wrong::consent(&why, call.language)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(call.context.taken().await?)
}
