//! `consent-add`: the operator records what somebody agreed to.

use super::consent_form::{Hand, complete, draft, fields};
use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, Who, texts, views, wrong};
use crate::domain::consent::{Consent, method};
use crate::domain::language::Text;
use crate::store::StoreError;

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
            add(call, &consent).await?;
            let note = texts::RECORDED.of(call.language).to_owned();
            Ok(Turn::Done(Done::record(&views::consent(call, &consent), Some(note))))
        })
    }
}

/// Records a consent, and waits until the relay knows it.
pub(super) async fn add(call: &Call<'_>, consent: &Consent) -> Result<(), Failure> {
    match call.context.store.add_consent(consent, call.asker.as_str(), call.now).await {
        Ok(_) => {}
        Err(StoreError::Consent(why)) => {
            return Err(Failure::Wrong(wrong::consent(&why, call.language)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(call.context.taken().await?)
}
