//! `request-access`: an application, or somebody, asks the person concerned for consent.

use super::consent_form::{Hand, draft, fields};
use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, texts, views, wrong};
use crate::desk::asking::{self, Asked};
use crate::domain::language::Text;
use crate::protocol::error::{Condition, StanzaError};

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
                return Ok(Turn::last(form));
            }
            let asked = asking::ask(call.context, call.asker, draft(call)?, call.now).await?;
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
