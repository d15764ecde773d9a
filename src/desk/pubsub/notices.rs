//! What subscribers are told of a node besides its items (XEP-0060 §7.2.2.1, §8.2.5, §8.4.1, §8.5.3).
//!
//! Told to those who may know of the node at this moment. They are not journaled: who is away learns of it
//! when they look.

use jid::Jid;

use super::items::Last;
use super::node::Node;
use crate::config::NotificationType;
use crate::desk::context::failed;
use crate::desk::permit::Asker;
use crate::desk::{Context, Outgoing};
use crate::domain::name::Scope;
use crate::domain::subscription::Format;
use crate::protocol::error::StanzaError;
use crate::protocol::event::{self, Envelope};
use crate::protocol::ns;
use crate::protocol::text::{attribute, raw};

/// The most subscribers that are told.
pub(super) const SUBSCRIBERS_MAX: u32 = 10_000;

/// Sends an event holding `content` to the subscribers of the node.
pub(super) async fn tell(context: &Context, node: &Node, content: &[u8]) -> Result<(), StanzaError> {
    let to = subscribers(context, node).await?;
    say(context, node, &to, content).await;
    Ok(())
}

/// Who is subscribed to the node and may know of it.
pub(super) async fn subscribers(context: &Context, node: &Node) -> Result<Vec<Jid>, StanzaError> {
    let Ok(scope) = Scope::parse(&node.name) else { return Ok(Vec::new()) };
    let now = context.clock.now().wall;
    let all = context.store.subscribers_of(&scope, SUBSCRIBERS_MAX).await.map_err(|e| failed(&e))?;
    let mut to = Vec::with_capacity(all.len());
    for subscription in all {
        let who = subscription.jid.to_bare();
        let consents = context.store.consents_about(&who, &node.name, &node.name).await;
        let consents = consents.map_err(|e| failed(&e))?;
        if node.is_seen_by(&Asker { who, consents, now, is_sent: false }) {
            to.push(subscription.jid);
        }
    }
    Ok(to)
}

/// Sends an event holding `content` to these.
pub(super) async fn say(context: &Context, node: &Node, to: &[Jid], content: &[u8]) {
    for recipient in to {
        let out = event(context, node, recipient, content);
        context.send(out).await;
    }
}

/// Sends the last item, as long as the consents that it rests on stand.
pub(super) async fn say_last(context: &Context, node: &Node, to: &Jid, last: Last) {
    let from = context.jid();
    let headline = is_headline(context, node);
    let stanza = |content: &Vec<u8>| {
        let mut out = Vec::new();
        let envelope = Envelope { from: &from, to: to.as_str(), id: &new_id(), headline };
        match last.format {
            Format::Publish => event::write_publish(&mut out, &envelope, content, last.under.terms()),
            _ => event::write(&mut out, &envelope, content, last.under.terms()),
        }
        out
    };
    let stanzas = last.contents.iter().map(stanza).collect();
    context.send(Outgoing { stanzas, rests_on: last.rests_on, ..Outgoing::default() }).await;
}

fn is_headline(context: &Context, node: &Node) -> bool {
    let usual = context.config.pubsub.notification_type == NotificationType::Headline;
    node.series.node.headline.unwrap_or(usual)
}

fn new_id() -> String {
    format!("n-{}", uuid::Uuid::new_v4().simple())
}

/// An event.
fn event(context: &Context, node: &Node, to: &Jid, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 400);
    raw(
        &mut out,
        if is_headline(context, node) { "<message type='headline'" } else { "<message type='normal'" },
    );
    attribute(&mut out, "from", &context.jid());
    attribute(&mut out, "to", to.as_str());
    attribute(&mut out, "id", &new_id());
    raw(&mut out, "><event xmlns='");
    raw(&mut out, ns::PUBSUB_EVENT);
    raw(&mut out, "'>");
    out.extend_from_slice(content);
    raw(&mut out, "</event></message>");
    out
}
