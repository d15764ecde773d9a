//! The pubsub service (XEP-0060), all but publishing, which the relay does.
//!
//! - `create`, `configure`, `remove`: nodes come, are set, and go.
//! - `subscribe`, `lists`, `affiliations`: who gets them, and who is what.
//! - `items`: what is kept; `archive`: the same by the time when it came (XEP-0313).
//! - `discovery`: what there is, for whoever may see it.
//! - `notices`: what subscribers are told besides items; `texts`: what people read when it is not done.
//!
//! A node is a series: it exists when it is registered itself or lies under a registered prefix, of which
//! those are listed that something was published to. What somebody may not see does not exist for them.

mod access_over;
mod affiliations;
pub(super) mod archive;
mod configure;
mod create;
pub(crate) mod discovery;
mod items;
mod lists;
pub(crate) mod node;
mod notices;
mod remove;
mod subscribe;
mod texts;

use std::sync::Mutex;

use jid::{BareJid, Jid};
use minidom::Element;

use self::node::Node;
use super::{Context, Outgoing, Request};
use crate::config::Pubsub;
use crate::domain::series::Series;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::form::Submitted;
use crate::protocol::ns;

/// A request as every operation gets it.
struct Asked<'a> {
    context: &'a Context,
    request: &'a Request,
    sender: &'a BareJid,
    pubsub: &'a Element,
    /// What is sent behind the answer.
    later: Mutex<Option<(Node, Jid, items::Last)>>,
}

impl Asked<'_> {
    /// Sends this event behind the answer.
    fn afterwards(&self, node: Node, to: Jid, last: items::Last) {
        if let Ok(mut later) = self.later.lock() {
            *later = Some((node, to, last));
        }
    }
}

/// Answers a `<pubsub/>` of either namespace.
pub(super) async fn serve(
    context: &Context,
    request: &Request,
    pubsub: &Element,
) -> Result<Outgoing, StanzaError> {
    let asked = Asked { context, request, sender: &request.sender, pubsub, later: Mutex::new(None) };
    let set = request.outside.type_ == "set";
    let owner = pubsub.ns() == ns::PUBSUB_OWNER;
    // In a request that names several, the one that is done comes first (XEP-0060 §8.1.3, §6.3.7).
    let Some(child) = pubsub.children().find(|child| child.ns() == pubsub.ns()) else {
        return Err(StanzaError::said(Condition::BadRequest, texts::EMPTY, &[]));
    };
    let content = match (owner, set, child.name()) {
        (false, true, "create") => create::create(&asked, child).await?,
        (false, true, "configure") if pubsub.has_child("create", ns::PUBSUB) => {
            match pubsub.get_child("create", ns::PUBSUB) {
                Some(create) => create::create(&asked, create).await?,
                None => return Err(unknown(child)),
            }
        }
        (false, true, "subscribe") => subscribe::subscribe(&asked, child).await?,
        (false, true, "unsubscribe") => subscribe::unsubscribe(&asked, child).await?,
        (false, _, "options") => match pubsub.get_child("subscribe", ns::PUBSUB) {
            Some(wish) if set => subscribe::subscribe(&asked, wish).await?,
            _ => subscribe::options(&asked, child, set).await?,
        },
        (false, true, "retract") => remove::retract(&asked, child).await?,
        (false, false, "items") => return items::retrieve(&asked, child).await,
        (false, false, "subscriptions") => lists::own_subscriptions(&asked, child).await?,
        (false, false, "affiliations") => lists::own_affiliations(&asked, child).await?,
        (false, false, "default") => subscribe::default_options(child.attr("node")),
        (true, false, "configure") => configure::show(&asked, child).await?,
        (true, true, "configure") => configure::set(&asked, child).await?,
        (true, false, "default") => configure::show_default(&asked)?,
        (true, true, "delete") => remove::delete(&asked, child).await?,
        (true, true, "purge") => remove::purge(&asked, child).await?,
        (true, false, "affiliations") => affiliations::affiliations(&asked, child).await?,
        (true, true, "affiliations") => affiliations::set_affiliations(&asked, child).await?,
        (true, false, "subscriptions") => lists::subscriptions(&asked, child).await?,
        (true, true, "subscriptions") => lists::set_subscriptions(&asked, child).await?,
        _ => return Err(unknown(child)),
    };
    let mut out = Vec::new();
    request.outside.reply().result(&mut out, &content);
    let later = asked.later.lock().ok().and_then(|mut later| later.take());
    if let Some((node, jid, last)) = later {
        context.send(out).await;
        notices::say_last(context, &node, &jid, last).await;
        return Ok(Outgoing::default());
    }
    Ok(out.into())
}

/// Whether a node is set as its publisher expects it to be (XEP-0060 §7.1.5).
pub fn check_options(usual: &Pubsub, series: &Series, options: &Element) -> Result<(), StanzaError> {
    match Submitted::within(options) {
        Some(form) => configure::meets(usual, series, &form),
        None => Ok(()),
    }
}

/// A feature of XEP-0060 that is not served, here or for this node.
fn unsupported(feature: &'static str) -> StanzaError {
    StanzaError::said(Condition::FeatureNotImplemented, texts::UNSUPPORTED, &[("feature", feature)])
        .because(Detail::Unsupported { feature })
}

fn unknown(child: &Element) -> StanzaError {
    match child.name() {
        "options" | "default" => unsupported("subscription-options"),
        "subscribe" | "unsubscribe" => StanzaError::said(Condition::BadRequest, texts::OF_TYPE_SET, &[]),
        "create" | "configure" | "publish" | "retract" | "items" | "subscriptions" | "affiliations"
        | "delete" | "purge" => {
            StanzaError::said(Condition::BadRequest, texts::OF_OTHER_TYPE, &[("name", child.name())])
        }
        "collection" | "associate" | "disassociate" => unsupported("collections"),
        name => {
            let name = node::cut(name);
            StanzaError::said(Condition::FeatureNotImplemented, texts::UNKNOWN, &[("name", &name)])
                .because(Detail::Unsupported { feature: "unknown" })
        }
    }
}
