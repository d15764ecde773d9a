//! Asking for consent, and answering: a request waits at the person concerned, who answers by the form of
//! XEP-0060, by a command, or by a line of text.
//!
//! Who asks for a series that does not exist gets the same answer, and waits as long. Who may answer is the
//! person concerned alone, or for one without an address the operators.

use jid::BareJid;
use jiff::Timestamp;
use minidom::Element;
use uuid::Uuid;

use super::notices::NOBODY;
use super::{Context, receipt};
use crate::domain::consent::{Consent, ConsentError, State, method};
use crate::domain::draft::{Draft, DraftError};
use crate::domain::edit::Edit;
use crate::domain::language::Language;
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::protocol::authorization::Answer;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::forms::Submission;
use crate::protocol::ns;
use crate::store::StoreError;
use crate::store::consent_steps::{Grant, Stepped};
use crate::store::consents::{Filter, Part};

/// The most requests of one asker that are looked through.
const LOOKED_AT: usize = 1000;

/// What became of asking.
#[derive(Debug)]
pub enum Asked {
    /// It waits for an answer, from now on.
    Pending(Box<Consent>),
    /// The same was asked before, and waits.
    Waiting(Box<Consent>),
    /// It was given before.
    Given(Box<Consent>),
    /// The asker needs no consent: it is their own.
    Own,
    /// So many of the asker's requests wait already.
    TooMany(usize),
    /// Something is wrong with the request itself.
    Wrong(DraftError),
}

/// Asks for consent, in the name of `asker`. Of the draft, its recipient, subject, state and method are passed
/// over. The person is told once it is stored.
pub async fn ask(
    context: &Context,
    asker: &BareJid,
    mut draft: Draft,
    now: Timestamp,
) -> Result<Asked, StoreError> {
    let store = &context.store;
    let owner = owner_of(context, &draft.scope).await?;
    if owner.as_ref().is_some_and(|owner| owner.jid() == Some(asker)) {
        return Ok(Asked::Own);
    }
    draft.subject = Some(owner.unwrap_or_else(|| Subject::Reference(NOBODY.to_owned())));
    draft.recipient = Some(asker.clone());
    draft.state = Some(State::Requested);
    draft.method = Some(method::REQUEST.to_owned());
    (draft.id, draft.revision, draft.since) = (None, None, None);
    let request = match draft.complete(&context.config.consent.usual(), method::REQUEST, now) {
        Ok(request) if request.valid_until <= now => {
            return Ok(Asked::Wrong(ConsentError::Over(request.valid_until).into()));
        }
        Ok(request) => request,
        Err(why) => return Ok(Asked::Wrong(why)),
    };
    let filter = Filter { recipient: Some(asker.to_string()), standing: true, ..Filter::default() };
    let part = Part { max: LOOKED_AT, last: true, ..Part::default() };
    let (theirs, ..) = store.part_of_consents(&filter, &part).await?;
    if let Some(same) = theirs.iter().find(|held| is_same(held, &request)) {
        let same = Box::new(same.clone());
        return Ok(if same.state == State::Requested { Asked::Waiting(same) } else { Asked::Given(same) });
    }
    let waiting = theirs.iter().filter(|held| held.state == State::Requested).count();
    let most = context.config.consent.requests_max;
    if most > 0 && waiting >= most {
        return Ok(Asked::TooMany(most));
    }
    match store.add_consent(&request, asker.as_str(), now).await {
        Ok(_) => {}
        Err(StoreError::Consent(why)) => return Ok(Asked::Wrong(why.into())),
        Err(error) => return Err(error),
    }
    give_code(context, &request).await?;
    Ok(Asked::Pending(Box::new(request)))
}

/// Whether a request asks for no more than another of the same asker's.
fn is_same(held: &Consent, request: &Consent) -> bool {
    held.purpose == request.purpose
        && request.scope.iter().all(|scope| held.scope.iter().any(|wide| wide.covers_scope(scope)))
        && held.granularity.as_ref().map(ToString::to_string)
            == request.granularity.as_ref().map(ToString::to_string)
        && (held.state == State::Requested || request.valid_until <= held.valid_until)
}

/// Whose series these are: of the first that is there.
async fn owner_of(context: &Context, scope: &[Scope]) -> Result<Option<Subject>, StoreError> {
    for named in scope {
        let (name, below) = match named {
            Scope::Exact(name) => (name, false),
            Scope::Prefix(prefix) => (prefix, true),
        };
        if let Some(series) = context.store.registrations_of(name).await?.into_iter().next() {
            return Ok(Some(series.owner));
        }
        if below && let Some(series) = context.store.series_below(name, 1).await?.into_iter().next() {
            return Ok(Some(series.owner));
        }
    }
    Ok(None)
}

/// A code of a few characters to answer by, unless the consent has one.
pub async fn give_code(context: &Context, consent: &Consent) -> Result<Option<String>, StoreError> {
    context.store.ensure_code(consent).await
}

/// Hides from the recipient who is asked: whether anybody is, tells whether the series is there.
pub fn veil(consent: &mut Consent) {
    if matches!(consent.state, State::Requested | State::TimedOut | State::Cancelled) {
        consent.subject = Subject::Reference("-".to_owned());
    }
}

/// Whether this person may answer for the subject of a consent.
pub fn may_answer(context: &Context, who: &BareJid, consent: &Consent) -> bool {
    match &consent.subject {
        Subject::Jid(subject) => subject == who,
        Subject::Reference(reference) => reference != NOBODY && context.is_admin(who),
    }
}

/// The request is granted, narrowed as the edit says.
pub async fn grant(
    context: &Context,
    who: &BareJid,
    request: &Consent,
    edit: Edit,
    method: &str,
    language: Language,
    now: Timestamp,
) -> Result<Stepped, StoreError> {
    let text = receipt::summary(request, language);
    let grant = Grant {
        edit,
        method: method.to_owned(),
        text_lang: Some(language.code().to_owned()),
        text_hash: Some(receipt::hash(&text)),
    };
    context.store.grant_consent(request.id, &grant, &context.config.consent.maximum, who.as_str(), now).await
}

/// How somebody answered.
fn answer_method(
    context: &Context,
    who: &BareJid,
    request: &Consent,
    in_person: &'static str,
) -> &'static str {
    match request.subject.jid() == Some(who) {
        true => in_person,
        // Who answers for somebody else has evidence of it.
        false if context.is_admin(who) => method::OPERATOR,
        false => in_person,
    }
}

/// Takes the form of XEP-0060 §8.6. One from somebody who may not answer, or about nothing that waits, is passed
/// over without a word.
pub async fn take_form(
    context: &Context,
    who: &BareJid,
    stanza: &Element,
    language: Language,
) -> Result<(), StanzaError> {
    let Some(answer) = stanza
        .get_child("x", ns::DATA_FORMS)
        .and_then(Submission::read)
        .and_then(|submission| Answer::read(&submission))
    else {
        return Ok(());
    };
    let failed = |error: StoreError| super::context::failed(&error);
    let Some(request) = meant(context, who, &answer).await.map_err(failed)? else { return Ok(()) };
    if answer_request(context, who, &request, answer.allow, language).await? {
        context.taken().await?;
    }
    Ok(())
}

/// Answers a request as it was asked, by one of the ways of XEP-0060. Whether it still waited for an answer.
pub async fn answer_request(
    context: &Context,
    who: &BareJid,
    request: &Consent,
    allow: bool,
    language: Language,
) -> Result<bool, StanzaError> {
    let now = context.clock.now().wall;
    let stepped = if allow {
        let method = answer_method(context, who, request, method::APPROVAL_FORM);
        grant(context, who, request, Edit::default(), method, language, now).await
    } else {
        context.store.step_consent(request.id, State::Refused, who.as_str(), None, now).await
    };
    match stepped.map_err(|e| super::context::failed(&e))? {
        Stepped::Done(_) => Ok(true),
        Stepped::Refused(why) => {
            let french = super::commands::wrong::consent(&why, Language::Fr);
            Err(StanzaError::new(Condition::BadRequest, why.to_string()).or_in_french(french))
        }
        Stepped::NotFound | Stepped::Stale(_) => Ok(false),
    }
}

/// The requests for exactly this node of this owner that this person may answer and that ask to be subscribed,
/// oldest first.
pub async fn requests_for(
    context: &Context,
    who: &BareJid,
    owner: &Subject,
    node: &str,
) -> Result<Vec<Consent>, StanzaError> {
    let filter = Filter { subject: Some(owner.clone()), state: Some(State::Requested), ..Filter::default() };
    let part = Part { max: LOOKED_AT, ..Part::default() };
    let found = context.store.part_of_consents(&filter, &part).await;
    let (mut found, ..) = found.map_err(|e| super::context::failed(&e))?;
    found.retain(|request| {
        request.modes.notify
            && may_answer(context, who, request)
            && request.scope.iter().any(|scope| scope.to_string() == node)
    });
    Ok(found)
}

async fn meant(context: &Context, who: &BareJid, answer: &Answer) -> Result<Option<Consent>, StoreError> {
    let fits = |consent: &Consent| {
        consent.state == State::Requested
            && may_answer(context, who, consent)
            && consent.recipient.as_str() == answer.subscriber
            && consent.scope.iter().any(|scope| scope.to_string() == answer.node)
    };
    if let Some(id) = answer.request.as_deref().and_then(|id| Uuid::parse_str(id).ok()) {
        return Ok(context.store.consent(id).await?.filter(fits));
    }
    let filter = Filter {
        recipient: Some(answer.subscriber.clone()),
        state: Some(State::Requested),
        ..Filter::default()
    };
    let part = Part { max: LOOKED_AT, last: true, ..Part::default() };
    let (found, ..) = context.store.part_of_consents(&filter, &part).await?;
    Ok(found.into_iter().find(fits))
}
