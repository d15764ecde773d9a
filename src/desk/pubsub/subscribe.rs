//! Subscriptions of one's own (XEP-0060 §6.1 to §6.3). There is one per address and node, and no `subid`.

use jid::Jid;
use minidom::Element;
use uuid::Uuid;

use super::node::{Affiliation, Node, cut, excluded, not_an_address, publishes_only, required};
use super::{Asked, items, texts};
use crate::desk::asking;
use crate::desk::context::failed;
use crate::desk::permit::{Asker, gives};
use crate::domain::consent::State;
use crate::domain::decision;
use crate::domain::draft::Draft;
use crate::domain::language::Text;
use crate::domain::name::Scope;
use crate::domain::subscription::{Format, Subscription, Wish};
use crate::domain::wording::NOT_STATED;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::form::{self, Field, Submitted};
use crate::protocol::ns;
use crate::protocol::text::{attribute, raw};
use crate::store::consent_steps::Stepped;

/// The form's type.
const SUBSCRIBE_OPTIONS: &str = "http://jabber.org/protocol/pubsub#subscribe_options";

/// In which format to send; Clark notation, as XEP-0068 wants it of fields from elsewhere.
const FORMAT: &str = "{urn:courant:0}format";

/// What for, where the person concerned has to be asked.
const PURPOSE: &str = "{urn:courant:0}purpose";

/// Subscribes an address of the sender's.
pub(super) async fn subscribe(asked: &Asked<'_>, subscribe: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(subscribe.attr("node"))?);
    let jid = own_address(asked, subscribe.attr("jid"), false)?;
    let scope = Scope::parse(name).map_err(|_| no_name(name))?;
    let format = match asked.pubsub.get_child("options", ns::PUBSUB).and_then(Submitted::within) {
        Some(form) => format_of(&form, &jid)?,
        None => None,
    };
    let held = context.store.subscription(&jid, &scope).await.map_err(|e| failed(&e))?;
    let node = Node::find(context, name).await?;
    if !permitted(asked, name, &scope, node.as_ref()).await? {
        ask(asked, scope, Wish { jid: jid.clone(), format: format.unwrap_or_default() }).await?;
        return Ok(subscription(&jid, name, "pending"));
    }
    if held.is_none() {
        context.has_room(asked.sender, 1).await?;
    }
    let format = format.or(held.as_ref().map(|held| held.format)).unwrap_or_default();
    let wish = Subscription { jid: jid.clone(), node: scope, format };
    context.store.subscribe(&wish, context.clock.now().wall).await.map_err(|e| failed(&e))?;
    context.taken().await?;
    if let Some(node) = node
        && held.is_none()
        && node.keeps_items(context)
        && node.series.node.send_last.unwrap_or(true)
        && let Some(last) = items::last(asked, &node, format).await?
    {
        asked.afterwards(node, jid.clone(), last);
    }
    Ok(subscription(&jid, name, "subscribed"))
}

/// Asks the person concerned. For what does not exist it is the same, so that nobody learns what does.
async fn ask(asked: &Asked<'_>, scope: Scope, wish: Wish) -> Result<(), StanzaError> {
    let context = asked.context;
    let said = asked.pubsub.get_child("options", ns::PUBSUB).and_then(Submitted::within);
    let purpose = said.as_ref().and_then(|form| form.one(PURPOSE)).filter(|text| !text.is_empty());
    let draft = Draft {
        scope: vec![scope],
        purpose: Some(purpose.unwrap_or(NOT_STATED).to_owned()),
        subscribe: Some(true),
        ..Draft::default()
    };
    let now = context.clock.now().wall;
    match asking::ask(context, asked.sender, draft, Some(&wish), now).await.map_err(|e| failed(&e))? {
        asking::Asked::Pending(_) => context.taken().await,
        asking::Asked::Waiting(_) => Err(waits()),
        asking::Asked::TooMany(most) => {
            let most = most.to_string();
            Err(StanzaError::said(Condition::ResourceConstraint, texts::TOO_MANY_WAIT, &[("most", &most)]))
        }
        asking::Asked::Wrong(why) => Err(asking::wrong(&why)),
        // What was given does not include being sent it.
        asking::Asked::Given(_) | asking::Asked::Own => {
            Err(StanzaError::said(Condition::NotAuthorized, texts::NO_NOTIFICATIONS, &[]))
        }
    }
}

fn waits() -> StanzaError {
    StanzaError::said(Condition::NotAuthorized, texts::WAITS, &[])
        .because(Detail::Pubsub("pending-subscription"))
}

/// Whether what is wished may be subscribed to; `false` where the person concerned is to be asked.
async fn permitted(
    asked: &Asked<'_>,
    name: &str,
    scope: &Scope,
    node: Option<&Node>,
) -> Result<bool, StanzaError> {
    let asker = Asker::about(asked.context, asked.sender, name).await?;
    let mut only_publishes = false;
    if let Some(node) = node {
        match node.affiliation(asked.sender) {
            Affiliation::Outcast => return Err(excluded()),
            // What they were given consent for is theirs all the same.
            Affiliation::PublishOnly => only_publishes = true,
            _ if asker.is_sent_freely(&node.whose) => return Ok(true),
            _ if node.series.node.whitelist => {
                return Err(StanzaError::said(Condition::NotAllowed, texts::CLOSED, &[])
                    .because(Detail::Pubsub("closed-node")));
            }
            _ => {}
        }
    } else if let Scope::Prefix(_) = scope {
        // One's own, or open data, by the prefix under which it is registered.
        let whose = asked.context.store.whose_all(scope).await.map_err(|e| failed(&e))?;
        if whose.is_some_and(|whose| asker.is_sent_freely(&whose)) {
            return Ok(true);
        }
    }
    let mut pending = false;
    for (_, consent) in &asker.consents {
        if !consent.scope.iter().any(|given| given.covers_scope(scope)) || !consent.modes.notify {
            continue;
        }
        let stands = decision::stands_now(consent, asker.now).is_ok() || consent.state == State::Suspended;
        if stands && gives(asked.context, consent, scope).await? {
            return Ok(true);
        }
        pending |= consent.state == State::Requested;
    }
    match (pending, only_publishes) {
        (true, _) => Err(waits()),
        (false, true) => Err(publishes_only()),
        (false, false) => Ok(false),
    }
}

/// What cannot be the name of a series: nobody can be asked for it.
fn no_name(name: &str) -> StanzaError {
    StanzaError::said(Condition::NotAuthorized, texts::NO_SERIES, &[("name", &cut(name))])
}

/// Ends a subscription; of a prefix, all that are at and below it.
pub(super) async fn unsubscribe(asked: &Asked<'_>, unsubscribe: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(unsubscribe.attr("node"))?);
    let jid = own_address(asked, unsubscribe.attr("jid"), true)?;
    no_subid(unsubscribe)?;
    let scope = Scope::parse(name).map_err(|_| not_subscribed())?;
    let now = context.clock.now().wall;
    let mut ended = false;
    for held in context.store.subscriptions_of(&jid.to_bare(), u32::MAX).await.map_err(|e| failed(&e))? {
        if held.jid == jid && scope.covers_scope(&held.node) {
            ended |= context.store.unsubscribe(&jid, &held.node, now).await.map_err(|e| failed(&e))?;
        }
    }
    // What was asked for by subscribing is taken back.
    let asker = Asker::about(context, &jid.to_bare(), name).await?;
    for (_, request) in &asker.consents {
        if request.state == State::Requested && request.scope == [scope.clone()] {
            let wish = context.store.wish_of(request.id).await.map_err(|e| failed(&e))?;
            let from_elsewhere = wish.is_some_and(|wish| wish.jid != jid);
            if from_elsewhere && jid.resource().is_some() {
                continue;
            }
            let who = asker.who.as_str();
            let step = context.store.step_consent(request.id, State::Cancelled, who, None, now);
            ended |= matches!(step.await.map_err(|e| failed(&e))?, Stepped::Done(_));
        }
    }
    if !ended {
        return Err(not_subscribed());
    }
    context.taken().await?;
    Ok(subscription(&jid, name, "none"))
}

/// The request that this address made by subscribing, and what goes with it.
async fn waiting_from(
    asked: &Asked<'_>,
    jid: &Jid,
    scope: &Scope,
) -> Result<Option<(Uuid, Wish)>, StanzaError> {
    let asker = Asker::about(asked.context, asked.sender, &scope.to_string()).await?;
    for (_, request) in asker.consents {
        if request.state == State::Requested && request.scope == [scope.clone()] {
            let wish = asked.context.store.wish_of(request.id).await.map_err(|e| failed(&e))?;
            if let Some(wish) = wish.filter(|wish| wish.jid == *jid) {
                return Ok(Some((request.id, wish)));
            }
        }
    }
    Ok(None)
}

/// Shows or sets the options of a subscription, or of one that is asked for.
pub(super) async fn options(asked: &Asked<'_>, options: &Element, set: bool) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(options.attr("node"))?);
    let jid = own_address(asked, options.attr("jid"), true)?;
    no_subid(options)?;
    let scope = Scope::parse(name).map_err(|_| not_subscribed())?;
    let held = context.store.subscription(&jid, &scope).await.map_err(|e| failed(&e))?;
    let (mut held, waiting) = match held {
        Some(held) => (held, None),
        None => {
            let (request, wish) = waiting_from(asked, &jid, &scope).await?.ok_or_else(not_subscribed)?;
            (Subscription { jid: jid.clone(), node: scope, format: wish.format }, Some(request))
        }
    };
    if set {
        let Some(form) = Submitted::within(options) else {
            return Err(invalid_options(texts::NO_FORM, &[]));
        };
        if form.type_ != "cancel"
            && let Some(format) = format_of(&form, &jid)?
        {
            held.format = format;
            if let Some(request) = waiting {
                let wish = Wish { jid, format };
                return match context.store.change_wish(request, &wish).await.map_err(|e| failed(&e))? {
                    true => Ok(Vec::new()),
                    false => Err(not_subscribed()),
                };
            }
            context.store.subscribe(&held, context.clock.now().wall).await.map_err(|e| failed(&e))?;
            context.taken().await?;
        }
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    raw(&mut out, "<pubsub xmlns='");
    raw(&mut out, ns::PUBSUB);
    raw(&mut out, "'><options");
    attribute(&mut out, "node", name);
    attribute(&mut out, "jid", jid.as_str());
    raw(&mut out, ">");
    form::write(&mut out, "form", SUBSCRIBE_OPTIONS, &fields(held.format));
    raw(&mut out, "</options></pubsub>");
    Ok(out)
}

/// Shows the options of a new subscription.
pub(super) fn default_options(node: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "<pubsub xmlns='");
    raw(&mut out, ns::PUBSUB);
    raw(&mut out, "'><default");
    if let Some(node) = node {
        attribute(&mut out, "node", node);
    }
    raw(&mut out, ">");
    form::write(&mut out, "form", SUBSCRIBE_OPTIONS, &fields(Format::default()));
    raw(&mut out, "</default></pubsub>");
    out
}

fn fields(format: Format) -> Vec<Field<'static>> {
    vec![Field::list(FORMAT, "In which format to send", format.as_str(), &Format::NAMES)]
}

fn format_of(form: &Submitted, jid: &Jid) -> Result<Option<Format>, StanzaError> {
    for var in form.names() {
        let value = form.one(var).unwrap_or_default();
        let known = match var {
            "FORM_TYPE" => value == SUBSCRIBE_OPTIONS,
            "pubsub#deliver" | FORMAT | PURPOSE => true,
            // What is not to be had, as long as it is not asked for.
            "pubsub#digest" | "pubsub#include_body" => matches!(value, "0" | "false"),
            "pubsub#subscription_type" => value == "items",
            _ => false,
        };
        if !known {
            return Err(invalid_options(texts::NO_OPTION, &[("option", &cut(var))]));
        }
    }
    let boolean = |_| invalid_options(texts::NO_OPTION, &[("option", "pubsub#deliver")]);
    if form.boolean("pubsub#deliver").map_err(boolean)? == Some(false) {
        return Err(invalid_options(texts::SENDS_NOTHING, &[]));
    }
    let Some(wanted) = form.one(FORMAT) else { return Ok(None) };
    let format: Format = wanted.parse().map_err(|_| {
        let (given, known) = (cut(wanted), Format::NAMES.join(", "));
        invalid_options(texts::CHOICE, &[("var", FORMAT), ("given", &given), ("known", &known)])
    })?;
    format.suits(jid).map_err(|_| invalid_options(texts::FOR_SERVICES, &[("jid", jid.as_str())]))?;
    Ok(Some(format))
}

fn invalid_options(words: Text, values: &[(&str, &str)]) -> StanzaError {
    StanzaError::said(Condition::BadRequest, words, values).because(Detail::Pubsub("invalid-options"))
}

fn not_subscribed() -> StanzaError {
    StanzaError::said(Condition::UnexpectedRequest, texts::NOT_SUBSCRIBED, &[])
        .because(Detail::Pubsub("not-subscribed"))
}

/// The address that is meant, which must be the sender's own, with or without a resource. Whose is somebody else's
/// is `held`: forbidden to touch (XEP-0060 §6.2.3.3, §6.3.4.1); or is none that could be subscribed (§6.1.3.1).
fn own_address(asked: &Asked<'_>, jid: Option<&str>, held: bool) -> Result<Jid, StanzaError> {
    let Some(jid) = jid else {
        return Err(StanzaError::said(Condition::BadRequest, texts::NO_JID, &[])
            .because(Detail::Pubsub("jid-required")));
    };
    let jid = Jid::new(jid).map_err(|_| not_an_address())?;
    if jid.to_bare() != *asked.sender {
        let (condition, detail) = match held {
            true => (Condition::Forbidden, None),
            false => (Condition::BadRequest, Some(Detail::Pubsub("invalid-jid"))),
        };
        return Err(StanzaError { detail, ..StanzaError::said(condition, texts::OWN_ADDRESS_ONLY, &[]) });
    }
    Ok(jid)
}

fn no_subid(element: &Element) -> Result<(), StanzaError> {
    match element.attr("subid") {
        Some(subid) if !subid.is_empty() => {
            Err(StanzaError::said(Condition::NotAcceptable, texts::NO_SUBID, &[])
                .because(Detail::Pubsub("invalid-subid")))
        }
        _ => Ok(()),
    }
}

fn subscription(jid: &Jid, node: &str, state: &str) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "<pubsub xmlns='");
    raw(&mut out, ns::PUBSUB);
    raw(&mut out, "'>");
    write_subscription(&mut out, jid, Some(node), state);
    raw(&mut out, "</pubsub>");
    out
}

/// Appends a `<subscription/>`.
pub(super) fn write_subscription(out: &mut Vec<u8>, jid: &Jid, node: Option<&str>, state: &str) {
    raw(out, "<subscription");
    if let Some(node) = node {
        attribute(out, "node", node);
    }
    attribute(out, "jid", jid.as_str());
    attribute(out, "subscription", state);
    raw(out, "/>");
}
