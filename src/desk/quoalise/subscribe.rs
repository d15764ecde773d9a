//! `subscribe` and `unsubscribe`: data messages for whoever listens, at the bare address, so that they come
//! wherever the client is next time.

use jid::Jid;

use super::identifier::Identifier;
use super::{asked_for, identifier_form, not_authorized, wrong};
use crate::desk::commands::{Call, Coming, Command, Turn};
use crate::desk::permit::{Asker, gives};
use crate::desk::pubsub::node::{Node, excluded};
use crate::domain::decision;
use crate::domain::language::{Text, text};
use crate::domain::name::Scope;
use crate::domain::subscription::{Format, Subscription};
use crate::protocol::error::{Condition, StanzaError};

const SUBSCRIBE: Text = text("Subscribe to measurements", "S’abonner à des mesures");
const SUBSCRIBE_HOW: Text = text(
    "What is published from now on is sent to you, as far as you may have it.",
    "Ce qui est publié à partir de maintenant vous est envoyé, pour autant que vous y avez droit.",
);
const SUBSCRIBED: Text = text("You are subscribed to {what}.", "Vous êtes abonné à {what}.");
const UNSUBSCRIBE: Text = text("Unsubscribe from measurements", "Se désabonner de mesures");
const UNSUBSCRIBE_HOW: Text = text(
    "Nothing more is sent to you; the consent stays as it is.",
    "Rien de plus ne vous est envoyé ; le consentement reste comme il est.",
);
const UNSUBSCRIBED: Text =
    text("You are not subscribed to {what} any more.", "Vous n’êtes plus abonné à {what}.");

/// The most subscriptions that are looked at.
const LOOK_AT: u32 = 10_000;

/// The command `subscribe`.
#[derive(Debug)]
pub struct Subscribe;

/// The command `unsubscribe`.
#[derive(Debug)]
pub struct Unsubscribe;

impl Command for Subscribe {
    fn node(&self) -> &'static str {
        "subscribe"
    }

    fn name(&self) -> Text {
        SUBSCRIBE
    }

    fn takes_any_form(&self) -> bool {
        true
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                return Ok(Turn::last(identifier_form(call, SUBSCRIBE, SUBSCRIBE_HOW).await?));
            }
            let identifier = asked_for(call)?;
            let nodes = subscribable(call, &identifier).await?;
            if nodes.is_empty() {
                return Err(not_authorized(identifier.as_str()).into());
            }
            let jid = Jid::from(call.asker.clone());
            // What is held already only changes its format.
            let mut more = 0;
            for node in &nodes {
                more += usize::from(call.context.store.subscription(&jid, node).await?.is_none());
            }
            call.context.has_room(call.asker, more).await?;
            for node in &nodes {
                let wish = Subscription { jid: jid.clone(), node: node.clone(), format: Format::Quoalise };
                call.context.store.subscribe(&wish, call.now).await?;
            }
            call.context.taken().await?;
            let what = nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Ok(Turn::said(SUBSCRIBED.fill(call.language, &[("what", &what)])))
        })
    }
}

impl Command for Unsubscribe {
    fn node(&self) -> &'static str {
        "unsubscribe"
    }

    fn name(&self) -> Text {
        UNSUBSCRIBE
    }

    fn takes_any_form(&self) -> bool {
        true
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                return Ok(Turn::last(identifier_form(call, UNSUBSCRIBE, UNSUBSCRIBE_HOW).await?));
            }
            let identifier = asked_for(call)?;
            let store = &call.context.store;
            let mut ended = 0;
            for held in store.subscriptions_of(call.asker, LOOK_AT).await? {
                if identifier.means_all_of(&held.node)
                    && store.unsubscribe(&held.jid, &held.node, call.now).await?
                {
                    ended += 1;
                }
            }
            if ended == 0 {
                if let Some((text, french)) = Identifier::misread(identifier.as_str()) {
                    return Err(wrong(text, french));
                }
                let text = format!("you are not subscribed to {}", identifier.as_str());
                let french = format!("vous n’êtes pas abonné à {}", identifier.as_str());
                return Err(StanzaError::new(Condition::ItemNotFound, text).or_in_french(french).into());
            }
            call.context.taken().await?;
            Ok(Turn::said(UNSUBSCRIBED.fill(call.language, &[("what", identifier.as_str())])))
        })
    }
}

/// Whether the asker was put off this node, whatever consents say.
async fn is_kept_out(call: &Call<'_>, name: &str) -> Result<bool, StanzaError> {
    let node = Node::find(call.context, name).await?;
    Ok(node.is_some_and(|node| node.excludes(call.asker)))
}

/// What of the identifier the asker may be sent: the series itself, and what their consents name below it.
async fn subscribable(call: &Call<'_>, identifier: &Identifier) -> Result<Vec<Scope>, StanzaError> {
    let asker = Asker::about(call.context, call.asker, identifier.as_str()).await?;
    let mut nodes: Vec<Scope> = Vec::new();
    let whole = Scope::parse(identifier.as_str()).ok();
    if is_kept_out(call, identifier.as_str()).await? {
        return Err(excluded());
    }
    for (_, consent) in &asker.consents {
        if !consent.modes.notify || decision::stands_now(consent, asker.now).is_err() {
            continue;
        }
        for scope in &consent.scope {
            if let Some(whole) = &whole
                && scope.covers_scope(whole)
                && gives(call.context, consent, whole).await?
            {
                return Ok(vec![whole.clone()]);
            }
            if identifier.means_all_of(scope)
                && !nodes.contains(scope)
                && !is_kept_out(call, &scope.to_string()).await?
            {
                nodes.push(scope.clone());
            }
        }
    }
    // One's own, open data, and what one is on the list of, need no consent.
    for (name, whose) in identifier.granted(call.context, &asker).await? {
        let free = asker.is_sent_freely(&whose);
        if let (true, Ok(node)) = (free, Scope::parse(&name))
            && !nodes.iter().any(|held| held.covers_scope(&node))
        {
            nodes.push(node);
        }
    }
    Ok(nodes)
}
