//! `consent-list`: the operator looks at consents. A short list is shown at once, a long one after filters.

use super::engine::form;
use super::{Call, Coming, Command, Failure, Turn, Who, listing, texts, views, wrong};
use crate::domain::language::Text;
use crate::domain::party::Subject;
use crate::protocol::forms::{Field, Form, Kind};
use crate::store::consents::Filter;

#[derive(Debug)]
pub(super) struct ConsentList;

impl Command for ConsentList {
    fn node(&self) -> &'static str {
        "consent-list"
    }

    fn name(&self) -> Text {
        texts::CONSENT_LIST
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let store = &call.context.store;
            if call.turn == 0 && (call.in_one_step || call.page.is_none()) {
                let total = store.count_consents(&Filter::default()).await?;
                if call.in_one_step || total > listing::USUAL {
                    return Ok(Turn::last(filters(call)));
                }
            }
            let filter = filter(call)?;
            let part = listing::part(call)?;
            listing::is_there(call, &filter, &part).await?;
            let (consents, index, total) = store.part_of_consents(&filter, &part).await?;
            let ids: Vec<String> = consents.iter().map(|consent| consent.id.to_string()).collect();
            let table = views::consents(call, texts::CONSENT_LIST, &consents);
            if call.turn == 0 && call.page.is_none() && !listing::fits(&table) {
                return Ok(Turn::last(filters(call)));
            }
            Ok(Turn::Done(listing::shown(call, table, &ids, index, total)))
        })
    }
}

fn filters(call: &Call<'_>) -> Form {
    let language = call.language;
    let mut form = form(texts::CONSENT_LIST.of(language), texts::FILTERS.of(language));
    form.fields = vec![
        Field::new(Kind::TextSingle, "subject", texts::label("subject").of(language)),
        Field::new(Kind::JidSingle, "recipient", texts::label("recipient").of(language)),
        listing::states(call),
    ];
    form.fields.extend(listing::fields(call));
    form
}

fn filter(call: &Call<'_>) -> Result<Filter, Failure> {
    let wrong = |var: &'static str| {
        let said = call.answers.text(var).unwrap_or_default();
        move |why: String| Failure::Wrong(wrong::field(var, said, why, call.language))
    };
    Ok(Filter {
        subject: call.answers.read::<Subject>("subject").map_err(wrong("subject"))?,
        recipient: call.answers.jid("recipient").map_err(wrong("recipient"))?.map(|jid| jid.to_string()),
        state: call.answers.read("state").map_err(Failure::Wrong)?,
        ..Filter::default()
    })
}
