//! `my-consents` and `my-access`: what somebody shares with whom and why, and what somebody may have of whom.
//! Ended ones are shown too.

use super::{Call, Coming, Command, Turn, listing, texts, views};
use crate::domain::language::Text;
use crate::domain::party::Subject;
use crate::store::consents::Filter;

#[derive(Debug)]
pub(super) struct MyConsents;

#[derive(Debug)]
pub(super) struct MyAccess;

impl Command for MyConsents {
    fn node(&self) -> &'static str {
        "my-consents"
    }

    fn name(&self) -> Text {
        texts::MY_CONSENTS
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        let subject = Some(Subject::Jid(call.asker.clone()));
        let filter = Filter { subject, ..Filter::default() };
        Box::pin(async move { list(call, texts::MY_CONSENTS, filter).await })
    }
}

impl Command for MyAccess {
    fn node(&self) -> &'static str {
        "my-access"
    }

    fn name(&self) -> Text {
        texts::MY_ACCESS
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        let filter = Filter { recipient: Some(call.asker.to_string()), ..Filter::default() };
        Box::pin(async move { list(call, texts::MY_ACCESS, filter).await })
    }
}

async fn list(call: &Call<'_>, title: Text, filter: Filter) -> Result<Turn, super::Failure> {
    let store = &call.context.store;
    if call.turn == 0 && call.page.is_none() && store.count_consents(&filter).await? > listing::MOST {
        let mut form = super::engine::form(title.of(call.language), "");
        form.fields.extend(listing::fields(call));
        return Ok(Turn::last(form));
    }
    let mut part = listing::part(call)?;
    if call.turn == 0 && call.page.is_none() {
        part.max = listing::MOST;
    }
    let (mut consents, index, total) = store.part_of_consents(&filter, &part).await?;
    // Who asks for what is not there learns nothing: a request names no person that the asker did not name.
    if filter.recipient.is_some() {
        consents.iter_mut().for_each(super::super::asking::veil);
    }
    let ids: Vec<String> = consents.iter().map(|consent| consent.id.to_string()).collect();
    let table = views::consents(call, title, &consents);
    Ok(Turn::Done(listing::shown(call, table, &ids, index, total)))
}
