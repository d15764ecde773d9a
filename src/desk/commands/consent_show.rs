//! `consent-show`: the operator looks at one consent and what happened to it.

use super::choose::Among;
use super::engine::form;
use super::{Call, Coming, Command, Done, Turn, Who, texts, views};
use crate::domain::language::Text;

#[derive(Debug)]
pub(super) struct ConsentShow;

impl Command for ConsentShow {
    fn node(&self) -> &'static str {
        "consent-show"
    }

    fn name(&self) -> Text {
        texts::CONSENT_SHOW
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let among = Among::all(&[]);
            if call.turn == 0 {
                let mut form = form(texts::CONSENT_SHOW.of(call.language), "");
                let Some(field) = among.field(call).await? else {
                    return Ok(Turn::said(texts::NO_CONSENT.of(call.language)));
                };
                form.fields.push(field);
                return Ok(Turn::last(form));
            }
            let consent = among.chosen(call).await?;
            let mut record = views::consent(call, &consent);
            let events = call.context.store.events_of(consent.id).await?;
            let lines = events.iter().map(|event| views::event(event, call.language)).collect();
            record.fields.push(("events".into(), texts::label("events").of(call.language).into(), lines));
            Ok(Turn::Done(Done::record(&record, None)))
        })
    }
}
