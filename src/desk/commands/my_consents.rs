//! `my-consents` and `my-access`: what somebody shares with whom and why, and what somebody may have of whom.
//! Ended ones are shown too.

use super::{Call, Coming, Command, Turn, listing, texts, views};
use crate::domain::consent::State;
use crate::domain::language::Text;
use crate::domain::party::Subject;
use crate::protocol::forms::Form;
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

/// What people look for first.
fn rank(state: State) -> u8 {
    match state {
        State::Active => 0,
        State::Suspended => 1,
        State::Requested => 2,
        _ => 3,
    }
}

fn filters(call: &Call<'_>, title: Text) -> Form {
    let mut form = super::engine::form(title.of(call.language), texts::FILTERS.of(call.language));
    form.fields.push(listing::states(call));
    form.fields.extend(listing::fields(call));
    form
}

async fn list(call: &Call<'_>, title: Text, mut filter: Filter) -> Result<Turn, super::Failure> {
    let store = &call.context.store;
    let at_once = call.turn == 0 && call.page.is_none();
    let asks = call.in_one_step || (at_once && store.count_consents(&filter).await? > listing::MOST);
    if call.turn == 0 && asks {
        return Ok(Turn::last(filters(call, title)));
    }
    filter.state = call.answers.read("state").map_err(super::Failure::Wrong)?;
    let mut part = listing::part(call)?;
    if at_once {
        part.max = listing::MOST;
    }
    listing::is_there(call, &filter, &part).await?;
    let (mut consents, index, total) = store.part_of_consents(&filter, &part).await?;
    if filter.subject.is_some() {
        for consent in &mut consents {
            store.narrow_request(consent, call.now).await?;
        }
    }
    // Who asks for what is not there learns nothing: a request names no person that the asker did not name.
    if filter.recipient.is_some() {
        consents.iter_mut().for_each(super::super::asking::veil);
    }
    let fits = listing::fits(&views::consents(call, title, &consents));
    if at_once && !fits {
        return Ok(Turn::last(filters(call, title)));
    }
    // Where all are there, those that stand come first, and of them the newest; parts follow one another as they
    // were recorded.
    if fits && consents.len() == total {
        consents.reverse();
        consents.sort_by_key(|consent| rank(consent.state));
    }
    let ids: Vec<String> = consents.iter().map(|consent| consent.id.to_string()).collect();
    let table = views::consents(call, title, &consents);
    Ok(Turn::Done(listing::shown(call, table, &ids, index, total)))
}
