//! `pending-requests`: the inbox of the person concerned, and of the operators for people without an address. And
//! `http://jabber.org/protocol/pubsub#get-pending` (XEP-0060 §8.7), which has the approval forms of a node sent
//! again.

use uuid::Uuid;

use super::choose;
use super::consent_edit::{KEPT, edited, narrowing};
use super::engine::form;
use super::listing::{self, CHOICES};
use super::stepping::done;
use super::{Call, Coming, Command, Failure, Turn, texts, views};
use crate::desk::asking;
use crate::desk::notices::{self, NOBODY};
use crate::desk::receipt;
use crate::domain::consent::{Consent, ConsentError, State, method};
use crate::domain::language::Text;
use crate::domain::party::Subject;
use crate::protocol::authorization;
use crate::protocol::forms::{Field, Kind};
use crate::store::consent_steps::Stepped;
use crate::store::consents::{Filter, Part};

/// The standard's name.
const GET_PENDING: &str = "http://jabber.org/protocol/pubsub#get-pending";

/// The one field of its form.
const NODE: &str = "pubsub#node";

/// Requests looked through, of a person's and of people without an address.
const WAITING_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct PendingRequests;

/// The standard's: its form has one field, and what it names is asked again in person.
#[derive(Debug)]
pub(super) struct GetPending;

impl Command for GetPending {
    fn node(&self) -> &'static str {
        GET_PENDING
    }

    fn name(&self) -> Text {
        texts::PUBSUB_PENDING
    }

    fn form_type(&self) -> Option<String> {
        Some(authorization::FORM_TYPE.to_owned())
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let mut waiting = waiting(call).await?;
            waiting.truncate(CHOICES);
            for request in &mut waiting {
                call.context.store.narrow_request(request, call.now).await?;
            }
            if call.turn == 0 {
                if waiting.is_empty() {
                    return Ok(Turn::said(texts::NO_REQUESTS.of(call.language)));
                }
                let mut nodes: Vec<String> =
                    waiting.iter().flat_map(|c| &c.scope).map(ToString::to_string).collect();
                nodes.sort();
                nodes.dedup();
                let mut options: Vec<_> = nodes.into_iter().map(|node| (node.clone(), node)).collect();
                listing::fit(&mut options);
                let label = texts::PENDING_NODE.of(call.language);
                let mut form = form(self.name().of(call.language), texts::PENDING_HOW.of(call.language));
                form.fields = vec![Field::new(Kind::ListSingle, NODE, label).options(options).required()];
                return Ok(Turn::last(form));
            }
            let node = call.answers.text(NODE).unwrap_or_default();
            let named = |c: &&Consent| c.scope.iter().any(|scope| scope.to_string() == node);
            let asked: Vec<&Consent> = waiting.iter().filter(named).collect();
            let ids: Vec<Uuid> = asked.iter().map(|request| request.id).collect();
            let store = &call.context.store;
            let wishes = store.wishes_of(&ids).await?;
            let from = call.context.jid();
            for request in &asked {
                let code = store.ensure_code(request).await?;
                let body = notices::question(request, code.as_deref(), call.language);
                let id = format!("a-{}", Uuid::new_v4().simple());
                let wish = wishes.get(&request.id).map(|wish| &wish.jid);
                let about = authorization::Asked { consent: request, from: wish };
                let mut out = Vec::new();
                authorization::write(&mut out, (&from, call.full), Some(&id), call.language, &about, &body);
                call.context.send(out).await;
            }
            let count = asked.len().to_string();
            Ok(Turn::said(texts::PENDING_SENT.fill(call.language, &[("count", &count)])))
        })
    }
}

impl Command for PendingRequests {
    fn node(&self) -> &'static str {
        "pending-requests"
    }

    fn name(&self) -> Text {
        texts::PENDING_REQUESTS
    }

    fn kept(&self) -> &'static [&'static str] {
        KEPT
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let waiting = waiting(call).await?;
            let after = choose::after(call);
            if call.turn == 0 || after.is_some() {
                return list(call, &waiting, after).await;
            }
            let request = chosen(call, waiting).await?;
            if call.answers.has("answer") {
                return decide(call, &request).await;
            }
            let text = receipt::summary(&request, call.language);
            let text = texts::IF_AGREED.fill(call.language, &[("text", &text)]);
            let mut form = form(self.name().of(call.language), text);
            let answers = [("yes", texts::YES), ("no", texts::NO)];
            let options = answers.map(|(value, text)| (text.of(call.language).to_owned(), value.to_owned()));
            let label = texts::label("answer").of(call.language);
            form.fields = vec![Field::new(Kind::ListSingle, "answer", label).options(options).required()];
            form.fields
                .extend(narrowing(call, &request).into_iter().filter(|field| field.var != "valid_from"));
            Ok(Turn::last(form))
        })
    }
}

/// A part of what waits, to choose from.
async fn list(call: &Call<'_>, waiting: &[Consent], after: Option<Uuid>) -> Result<Turn, Failure> {
    if waiting.is_empty() {
        return Ok(Turn::said(texts::NO_REQUESTS.of(call.language)));
    }
    // Where the last one shown was answered meanwhile, it begins again.
    let place = after.and_then(|id| waiting.iter().position(|request| request.id == id));
    let begin = place.map_or(0, |place| place + 1);
    let end = waiting.len().min(begin + CHOICES);
    let mut options = Vec::with_capacity(CHOICES);
    for request in &waiting[begin..end] {
        let request = narrowed(call, request.clone()).await?;
        options.push(views::choice(&request, call.language, request.subject.jid().is_none()));
    }
    let (field, _) = choose::list_of(call, texts::label("request"), options, end, waiting.len());
    let mut form = form(texts::PENDING_REQUESTS.of(call.language), "");
    form.fields = vec![field];
    Ok(Turn::next(form))
}

/// What waits for the asker's answer: their own, and those of people without an address where they are an operator.
async fn waiting(call: &Call<'_>) -> Result<Vec<Consent>, Failure> {
    let store = &call.context.store;
    let subject = Some(Subject::Jid(call.asker.clone()));
    let filter = Filter { subject, state: Some(State::Requested), ..Filter::default() };
    let part = Part { max: WAITING_MAX, ..Part::default() };
    let (mut found, ..) = store.part_of_consents(&filter, &part).await?;
    if call.context.is_admin(call.asker) {
        found.extend(store.requests_to_operators(NOBODY, WAITING_MAX).await?);
    }
    Ok(found)
}

/// The request as far as it is about what is the asked person's.
async fn narrowed(call: &Call<'_>, mut request: Consent) -> Result<Consent, Failure> {
    call.context.store.narrow_request(&mut request, call.now).await?;
    Ok(request)
}

async fn chosen(call: &Call<'_>, waiting: Vec<Consent>) -> Result<Consent, Failure> {
    let id = call.answers.text("id").unwrap_or_default();
    match waiting.into_iter().find(|consent| consent.id.to_string() == id) {
        Some(request) => narrowed(call, request).await,
        None => Err(Failure::Wrong(texts::NO_SUCH_REQUEST.of(call.language).to_owned())),
    }
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
