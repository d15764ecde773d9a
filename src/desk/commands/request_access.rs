//! `request-access`: an application, or somebody, asks the person concerned for consent.

use super::consent_form::{Hand, draft, fields, in_time};
use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, texts, views, wrong};
use crate::desk::asking::{self, Asked};
use crate::domain::data_need;
use crate::domain::language::Text;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::forms::{Field, Kind};

#[derive(Debug)]
pub(super) struct RequestAccess;

impl Command for RequestAccess {
    fn node(&self) -> &'static str {
        "request-access"
    }

    fn name(&self) -> Text {
        texts::REQUEST_ACCESS
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let language = call.language;
            if call.turn == 0 {
                let mut form = form(self.name().of(language), texts::REQUEST_ACCESS_HOW.of(language));
                form.fields = fields(call, Hand::Recipient);
                form.fields.retain(|field| !matches!(&*field.var, "subject" | "valid_from"));
                prepared(call, &mut form.fields);
                return Ok(Turn::last(form));
            }
            let mut draft = draft(call)?;
            if let Some(id) = call.answers.text("need") {
                let needs = &call.context.config.data_needs;
                let filled = data_need::find(needs, id).and_then(|need| need.fill(draft, call.now));
                draft = filled.map_err(|why| Failure::Wrong(wrong::need(&why, language)))?;
            }
            in_time(call, &draft)?;
            let asked = asking::ask(call.context, call.asker, draft, None, call.now).await?;
            let (mut consent, text) = match asked {
                Asked::Pending(consent) | Asked::Waiting(consent) => (consent, texts::PENDING),
                Asked::Given(consent) => (consent, texts::GIVEN_ALREADY),
                Asked::Own => return Ok(Turn::said(texts::OWN_SERIES.of(language))),
                Asked::TooMany(most) => {
                    let most = most.to_string();
                    let text = texts::TOO_MANY_REQUESTS.fill(language, &[("most", &most)]);
                    return Err(StanzaError::new(Condition::ResourceConstraint, text)
                        .spoken(language)
                        .into());
                }
                Asked::Wrong(why) => return Err(Failure::Wrong(wrong::draft(&why, language))),
            };
            call.context.taken().await?;
            asking::veil(&mut consent);
            let note = text.fill(language, &[("id", &consent.id.to_string())]);
            Ok(Turn::Done(Done::record(&views::consent(call, &consent), Some(note))))
        })
    }
}

/// Where the operator has prepared requests, one of them may be chosen; it says for what and of which series.
fn prepared(call: &Call<'_>, fields: &mut Vec<Field>) {
    let needs = &call.context.config.data_needs;
    if needs.is_empty() {
        return;
    }
    for field in fields.iter_mut().filter(|field| matches!(&*field.var, "purpose" | "scope")) {
        field.required = false;
    }
    let options = needs.iter().map(|need| (need.title().to_owned(), need.id.clone()));
    fields.insert(0, super::consent_form::field(call, Kind::ListSingle, "need").options(options));
}
