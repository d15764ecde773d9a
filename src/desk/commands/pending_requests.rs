//! `pending-requests`, and the same as `http://jabber.org/protocol/pubsub#get-pending` (XEP-0060 §8.7): the inbox of
//! the person concerned, and of the operators for people without an address.

use super::choose::Among;
use super::consent_edit::{KEPT, edited, narrowing};
use super::engine::form;
use super::stepping::done;
use super::{Call, Coming, Command, Failure, Turn, texts, views};
use crate::desk::asking;
use crate::desk::notices::NOBODY;
use crate::desk::receipt;
use crate::domain::consent::{Consent, ConsentError, State, method};
use crate::domain::language::Text;
use crate::protocol::forms::{Field, Kind};
use crate::store::consent_steps::Stepped;

/// The standard's name for it.
const GET_PENDING: &str = "http://jabber.org/protocol/pubsub#get-pending";

/// Under one of its names.
#[derive(Debug)]
pub(super) struct PendingRequests {
    node: &'static str,
    name: Text,
}

pub(super) static PENDING_REQUESTS: PendingRequests =
    PendingRequests { node: "pending-requests", name: texts::PENDING_REQUESTS };
pub(super) static PUBSUB_PENDING: PendingRequests =
    PendingRequests { node: GET_PENDING, name: texts::PUBSUB_PENDING };

impl Command for PendingRequests {
    fn node(&self) -> &'static str {
        self.node
    }

    fn name(&self) -> Text {
        self.name
    }

    fn kept(&self) -> &'static [&'static str] {
        KEPT
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let waiting = waiting(call).await?;
            match call.turn {
                0 => {
                    let mut form = form(self.name().of(call.language), "");
                    if waiting.is_empty() {
                        return Ok(Turn::said(texts::NO_REQUESTS.of(call.language)));
                    }
                    let choice = |c: &Consent| views::choice(c, call.language, c.subject.jid().is_none());
                    let options = waiting.iter().map(choice);
                    let label = texts::label("request").of(call.language);
                    form.fields = vec![Field::new(Kind::ListSingle, "id", label).options(options).required()];
                    Ok(Turn::next(form))
                }
                1 => {
                    let request = chosen(call, &waiting)?;
                    let text = receipt::summary(request, call.language);
                    let text = texts::IF_AGREED.fill(call.language, &[("text", &text)]);
                    let mut form = form(self.name().of(call.language), text);
                    let answers = [("yes", texts::YES), ("no", texts::NO)];
                    let options =
                        answers.map(|(value, text)| (text.of(call.language).to_owned(), value.to_owned()));
                    let label = texts::label("answer").of(call.language);
                    form.fields =
                        vec![Field::new(Kind::ListSingle, "answer", label).options(options).required()];
                    form.fields.extend(
                        narrowing(call, request).into_iter().filter(|field| field.var != "valid_from"),
                    );
                    Ok(Turn::last(form))
                }
                _ => decide(call, chosen(call, &waiting)?).await,
            }
        })
    }
}

async fn waiting(call: &Call<'_>) -> Result<Vec<Consent>, Failure> {
    let mut found = Among::given_by(call, &[State::Requested]).consents(call).await?.unwrap_or_default();
    if call.context.is_admin(call.asker) {
        let store = &call.context.store;
        found.extend(store.requests_to_operators(NOBODY, super::listing::CHOICES).await?);
    }
    found.truncate(super::listing::CHOICES);
    for request in &mut found {
        call.context.store.narrow_request(request).await?;
    }
    Ok(found)
}

fn chosen<'w>(call: &Call<'_>, waiting: &'w [Consent]) -> Result<&'w Consent, Failure> {
    let id = call.answers.text("id").unwrap_or_default();
    waiting
        .iter()
        .find(|consent| consent.id.to_string() == id)
        .ok_or_else(|| Failure::Wrong(texts::NO_SUCH_REQUEST.of(call.language).to_owned()))
}

async fn decide(call: &Call<'_>, request: &Consent) -> Result<Turn, Failure> {
    let stepped = if call.answers.text("answer") == Some("yes") {
        let edit = edited(call, request, texts::LESS_ONLY)?;
        asking::grant(call.context, call.asker, request, edit, method::AD_HOC, call.language, call.now)
            .await?
    } else {
        let store = &call.context.store;
        store.step_consent(request.id, State::Refused, call.asker.as_str(), None, call.now).await?
    };
    if let Stepped::Refused(ConsentError::Wider(field)) = &stepped {
        let field = texts::label(field).of(call.language);
        return Err(Failure::Wrong(texts::LESS_ONLY.fill(call.language, &[("field", field)])));
    }
    let consent = done(call, stepped)?;
    call.context.taken().await?;
    if consent.subject.jid() != Some(call.asker) {
        return Ok(Turn::said(asking::told(&consent, call.asker, call.language)));
    }
    let text = if consent.state == State::Active { texts::GRANTED } else { texts::REFUSED };
    Ok(Turn::said(text.fill(call.language, &[("who", &views::recipient(&consent, call.language))])))
}
