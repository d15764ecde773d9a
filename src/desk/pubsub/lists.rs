//! One's own subscriptions and affiliations (XEP-0060 §5.6, §5.7), and the subscriptions to a node for its owner
//! (§8.8).

use jid::Jid;
use minidom::Element;
use uuid::Uuid;

use super::node::{Affiliation, Node, affiliation, not_an_address, required};
use super::subscribe::write_subscription;
use super::{Asked, access_over, notices, texts};
use crate::desk::asking;
use crate::desk::commands::engine;
use crate::desk::context::failed;
use crate::domain::consent::{Consent, State};
use crate::domain::name::Scope;
use crate::domain::subscription::Subscription;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::ns;
use crate::protocol::text::{attribute, raw};

/// The most lines of a list.
pub(super) const LINES_MAX: u32 = 1000;

/// One's own subscriptions, to one node or all.
pub(super) async fn own_subscriptions(
    asked: &Asked<'_>,
    subscriptions: &Element,
) -> Result<Vec<u8>, StanzaError> {
    let node = subscriptions.attr("node").filter(|node| !node.is_empty());
    let held = asked.context.store.subscriptions_of(asked.sender, LINES_MAX).await.map_err(|e| failed(&e))?;
    let mut out = start(ns::PUBSUB, "subscriptions", node);
    for subscription in &held {
        let name = subscription.node.to_string();
        if node.is_none_or(|node| node == name) {
            write_subscription(&mut out, &subscription.jid, Some(&name), "subscribed");
        }
    }
    // What was asked for and not answered yet.
    let consents = asked.context.store.consents_for(asked.sender).await.map_err(|e| failed(&e))?;
    let waiting = || consents.iter().filter(|(_, c)| c.state == State::Requested && c.modes.notify);
    let ids: Vec<Uuid> = waiting().map(|(_, consent)| consent.id).collect();
    let wishes = asked.context.store.wishes_of(&ids).await.map_err(|e| failed(&e))?;
    for (_, consent) in waiting() {
        let jid = wishes.get(&consent.id).map(|wish| wish.jid.clone());
        let jid = jid.unwrap_or_else(|| Jid::from(consent.recipient.clone()));
        for scope in &consent.scope {
            let name = scope.to_string();
            let is_held = held.iter().any(|held| held.node == *scope && held.jid == jid);
            if !is_held && node.is_none_or(|node| node == name) {
                write_subscription(&mut out, &jid, Some(&name), "pending");
            }
        }
    }
    end(&mut out, "subscriptions");
    Ok(out)
}

/// One's own affiliations, to one node or all.
pub(super) async fn own_affiliations(
    asked: &Asked<'_>,
    affiliations: &Element,
) -> Result<Vec<u8>, StanzaError> {
    let node = affiliations.attr("node").filter(|node| !node.is_empty());
    let mut out = start(ns::PUBSUB, "affiliations", node);
    let now = asked.context.clock.now().wall;
    let series: Vec<(String, Affiliation)> = match node {
        Some(name) => {
            let node = Node::find(asked.context, name).await?;
            node.into_iter().map(|node| (node.name.clone(), node.affiliation(asked.sender))).collect()
        }
        None => {
            let all = asked.context.store.series_of(asked.sender, LINES_MAX).await.map_err(|e| failed(&e))?;
            let mut named = Vec::with_capacity(all.len());
            for series in all {
                // Of a prefix there is no node: what somebody is to all below it counts.
                let whose = asked.context.store.whose_all(&series.name).await.map_err(|e| failed(&e))?;
                let held = whose.is_some_and(|whose| whose.is_held_by(asked.sender, now));
                let what = if held { Affiliation::Owner } else { affiliation(&series, asked.sender) };
                named.push((series.name.to_string(), what));
            }
            named
        }
    };
    for (name, what) in series {
        if what != Affiliation::None {
            raw(&mut out, "<affiliation");
            attribute(&mut out, "node", &name);
            attribute(&mut out, "affiliation", what.as_str());
            raw(&mut out, "/>");
        }
    }
    end(&mut out, "affiliations");
    Ok(out)
}

/// Who subscribes to a node.
pub(super) async fn subscriptions(asked: &Asked<'_>, list: &Element) -> Result<Vec<u8>, StanzaError> {
    let node = Node::run_by(asked.context, required(list.attr("node"))?, asked.sender).await?;
    let mut out = start(ns::PUBSUB_OWNER, "subscriptions", Some(&node.name));
    if let Ok(scope) = Scope::parse(&node.name) {
        let all = asked.context.store.subscribers_of(&scope, LINES_MAX).await.map_err(|e| failed(&e))?;
        for held in all {
            write_subscription(&mut out, &held.jid, None, "subscribed");
        }
    }
    let requests = match node.holder() {
        Some(holder) => asking::requests_for(asked.context, asked.sender, holder, &node.name).await?,
        None => Vec::new(),
    };
    let ids: Vec<Uuid> = requests.iter().map(|request| request.id).collect();
    let mut wishes = asked.context.store.wishes_of(&ids).await.map_err(|e| failed(&e))?;
    for request in requests {
        let jid = wishes.remove(&request.id).map(|wish| wish.jid);
        let jid = jid.unwrap_or_else(|| Jid::from(request.recipient));
        write_subscription(&mut out, &jid, None, "pending");
    }
    end(&mut out, "subscriptions");
    Ok(out)
}

/// What becomes of a subscription.
enum Change {
    Ends,
    Begins,
    /// The request for it is answered.
    Answered(Box<Consent>, bool),
}

/// Ends subscriptions to a node, answers requests for it, or subscribes others to one that is open.
pub(super) async fn set_subscriptions(asked: &Asked<'_>, list: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(list.attr("node"))?);
    let node = Node::run_by(context, name, asked.sender).await?;
    let Ok(scope) = Scope::parse(name) else {
        return Err(StanzaError::said(Condition::NotAcceptable, texts::NOT_A_NODE, &[]));
    };
    let mut requests = match node.holder() {
        Some(holder) => asking::requests_for(context, asked.sender, holder, name).await?,
        None => Vec::new(),
    };
    let (mut changes, mut withdrawn) = (Vec::new(), Vec::new());
    for change in list.children().filter(|c| c.is("subscription", ns::PUBSUB_OWNER)).take(LINES_MAX as usize)
    {
        let jid = change.attr("jid").and_then(|jid| Jid::new(jid).ok()).ok_or_else(not_an_address)?;
        let wanted = change.attr("subscription").unwrap_or_default();
        let place = requests.iter().position(|request| request.recipient == jid.to_bare());
        match (wanted, place) {
            ("subscribed" | "none", Some(place)) => {
                let request = Box::new(requests.swap_remove(place));
                changes.push((jid, Change::Answered(request, wanted == "subscribed")));
            }
            ("none", None) => {
                withdrawn.extend(access_over::to_withdraw(asked, &node, &scope, &jid.to_bare()).await?);
                changes.push((jid, Change::Ends));
            }
            ("subscribed", None) if node.is_open_to(&jid.to_bare()) => changes.push((jid, Change::Begins)),
            ("subscribed", None) => {
                return Err(StanzaError::said(Condition::NotAcceptable, texts::GIVE_CONSENT, &[]));
            }
            _ => {
                return Err(StanzaError::said(Condition::NotAcceptable, texts::NOT_A_STATE, &[]));
            }
        }
    }
    withdrawn.sort_unstable();
    withdrawn.dedup();
    access_over::withdraw(asked, withdrawn).await?;
    let now = context.clock.now().wall;
    let stanza = &asked.request.stanza;
    let language = engine::language(context, asked.sender, stanza, stanza).await;
    for (jid, change) in changes {
        let held = context.store.subscription(&jid, &scope).await.map_err(|e| failed(&e))?;
        match (change, held) {
            (Change::Answered(request, allow), _) => {
                asking::answer_request(context, asked.sender, &request, allow, language).await?;
            }
            (Change::Ends, Some(held)) => end_subscription(asked, &node, &held).await?,
            (Change::Begins, None) => {
                let wish = Subscription { jid: jid.clone(), node: scope.clone(), format: Default::default() };
                context.store.subscribe(&wish, now).await.map_err(|e| failed(&e))?;
                tell_state(asked, &node, &jid, "subscribed").await;
            }
            _ => {}
        }
    }
    context.taken().await?;
    Ok(Vec::new())
}

/// Ends a subscription, and tells who had it.
pub(super) async fn end_subscription(
    asked: &Asked<'_>,
    node: &Node,
    held: &Subscription,
) -> Result<(), StanzaError> {
    let now = asked.context.clock.now().wall;
    asked.context.store.unsubscribe(&held.jid, &held.node, now).await.map_err(|e| failed(&e))?;
    tell_state(asked, node, &held.jid, "none").await;
    Ok(())
}

/// Tells a subscriber what others made of its subscription (XEP-0060 §8.8.4).
async fn tell_state(asked: &Asked<'_>, node: &Node, jid: &Jid, state: &str) {
    let mut content = Vec::new();
    write_subscription(&mut content, jid, Some(&node.name), state);
    notices::say(asked.context, node, std::slice::from_ref(jid), &content).await;
}

pub(super) fn start(namespace: &str, element: &str, node: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "<pubsub xmlns='");
    raw(&mut out, namespace);
    raw(&mut out, "'><");
    raw(&mut out, element);
    if let Some(node) = node {
        attribute(&mut out, "node", node);
    }
    raw(&mut out, ">");
    out
}

pub(super) fn end(out: &mut Vec<u8>, element: &str) {
    raw(out, "</");
    raw(out, element);
    raw(out, "></pubsub>");
}
