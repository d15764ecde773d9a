//! `consent-show`: the operator looks at one consent and what happened to it.

use std::ops::ControlFlow;

use super::choose::Among;
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
            let choice = Among::all(&[]).choice(call).await?;
            let consent = match choice.ask(call, self.name(), None, Vec::new) {
                ControlFlow::Continue(consent) => consent,
                ControlFlow::Break(turn) => return Ok(turn),
            };
            let mut record = views::consent(call, &consent);
            let events = call.context.store.events_of(consent.id).await?;
            let lines = events.iter().map(|event| views::event(event, call.language)).collect();
            record.fields.push(("events".into(), texts::label("events").of(call.language).into(), lines));
            Ok(Turn::Done(Done::record(&record, None)))
        })
    }
}
