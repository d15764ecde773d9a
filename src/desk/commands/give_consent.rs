//! `give-consent`: the person concerned lets somebody have series of theirs.

use super::consent_add::{add, already};
use super::consent_form::{Hand, complete, draft, fields};
use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, texts, views, wrong};
use crate::consents::record;
use crate::desk::receipt;
use crate::domain::consent::method;
use crate::domain::language::Text;
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::store::StoreError;

/// Registrations looked at.
const SERIES_MAX: u32 = 10_000;

/// Names of series that are shown to choose from.
const SHOWN_MAX: usize = 50;

#[derive(Debug)]
pub(super) struct GiveConsent;

impl Command for GiveConsent {
    fn node(&self) -> &'static str {
        "give-consent"
    }

    fn name(&self) -> Text {
        texts::GIVE_CONSENT
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let own = own_series(call).await?;
            if call.turn == 0 {
                if own.is_empty() {
                    return Ok(Turn::said(texts::NO_SERIES.of(call.language)));
                }
                let mut form = form(self.name().of(call.language), texts::GIVE_CONSENT_HOW.of(call.language));
                form.fields = fields(call, Hand::Subject);
                for field in form.fields.iter_mut().filter(|field| field.var == "scope") {
                    // What is given away is chosen, unless there is nothing to choose.
                    if let [only] = &*own {
                        field.values = vec![only.to_string()];
                    }
                    let usual = field.desc.take().unwrap_or_default();
                    field.desc = Some(texts::YOURS.fill(
                        call.language,
                        &[("usual", &usual), ("names", &few(own.iter().map(ToString::to_string)))],
                    ));
                }
                return Ok(Turn::last(form));
            }
            let mut draft = draft(call)?;
            draft.subject = Some(Subject::Jid(call.asker.clone()));
            let mut consent = complete(call, draft, method::AD_HOC)?;
            // Every record is looked at again: a consent covers what its giver holds alone.
            let refused = record::not_held(&call.context.store, &consent).await?;
            if let Some(why) = refused.as_ref().filter(|why| why.window.is_some()) {
                let why = why.clone().veiled().into();
                return Err(Failure::Wrong(wrong::consent(&why, call.language)));
            }
            let beginnings = consent.scope.iter().filter(|scope| matches!(scope, Scope::Prefix(_)));
            let other = beginnings.into_iter().find(|scope| !is_own(&own, scope)).map(ToString::to_string);
            if let Some(name) = refused.map(|why| why.name).or(other) {
                return Err(Failure::Wrong(texts::NOT_YOURS.fill(call.language, &[("name", &name)])));
            }
            if let Some(there) = already(call, &consent).await? {
                return Ok(there);
            }
            let text = receipt::summary(&consent, call.language);
            consent.text_hash = Some(receipt::hash(&text));
            consent.text_lang = Some(call.language.code().to_owned());
            add(call, &consent).await?;
            let id = consent.id.to_string();
            let note = texts::GIVEN.fill(call.language, &[("text", &text), ("id", &id)]);
            Ok(Turn::Done(Done::record(&views::consent(call, &consent), Some(note))))
        })
    }
}

/// The first of them, and a sign where there are more.
fn few(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.take(SHOWN_MAX + 1).collect();
    if names.len() > SHOWN_MAX {
        "…".clone_into(&mut names[SHOWN_MAX]);
    }
    names.join(", ")
}

async fn own_series(call: &Call<'_>) -> Result<Vec<Scope>, StoreError> {
    let series = call.context.store.series_of(call.asker, SERIES_MAX).await?;
    // Who held a series once may give what is kept of that time.
    let who = Subject::Jid(call.asker.clone());
    Ok(series
        .into_iter()
        .filter(|series| series.tenures.is_ever_held_by(&who))
        .map(|series| series.name)
        .collect())
}

/// Whether something of the asker's is meant by it.
fn is_own(own: &[Scope], scope: &Scope) -> bool {
    own.iter().any(|mine| mine.covers_scope(scope) || scope.covers_scope(mine))
}
