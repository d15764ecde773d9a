//! What goes: items (XEP-0060 §7.2), all items of a node (§8.5), the node (§8.4).

use minidom::Element;

use super::node::{Affiliation, Node, required};
use super::{Asked, notices, texts, unsupported};
use crate::desk::asking;
use crate::desk::context::failed;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::ns;
use crate::protocol::outbox::{CONTENT_MAX, ID_MAX};
use crate::protocol::text::{attribute, raw};

/// The most items in one request.
const ITEMS_MAX: usize = 256;

/// Deletes a node, what is kept of it, the subscriptions to it, and the requests for it.
pub(super) async fn delete(asked: &Asked<'_>, delete: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(delete.attr("node"))?);
    let node = Node::run_by(context, name, asked.sender).await?;
    if !node.is_registered_itself() {
        return Err(StanzaError::said(Condition::NotAllowed, texts::PURGE_INSTEAD, &[]));
    }
    let mut to = notices::subscribers(context, &node).await?;
    context
        .store
        .remove_series(&node.series.name, asked.sender.as_str(), context.clock.now().wall)
        .await
        .map_err(|e| failed(&e))?;
    context.store.purge(name, node.holder()).await.map_err(|e| failed(&e))?;
    context.store.forget_name(name).await.map_err(|e| failed(&e))?;
    context.forget(name, None).await;
    let waited = match node.holder() {
        Some(holder) => {
            asking::close_requests(context, asked.sender, holder, name).await.map_err(|e| failed(&e))?
        }
        None => Vec::new(),
    };
    for jid in waited {
        if !to.contains(&jid) {
            to.push(jid);
        }
    }
    context.taken().await?;
    if node.series.node.notify_delete.unwrap_or(true) {
        let mut content = Vec::new();
        raw(&mut content, "<delete");
        attribute(&mut content, "node", name);
        let redirect = delete.children().find(|c| c.name() == "redirect").and_then(|c| c.attr("uri"));
        match redirect.filter(|uri| uri.len() <= 1024) {
            Some(uri) => {
                raw(&mut content, "><redirect");
                attribute(&mut content, "uri", uri);
                raw(&mut content, "/></delete>");
            }
            None => raw(&mut content, "/>"),
        }
        notices::say(context, &node, &to, &content).await;
    }
    Ok(Vec::new())
}

/// Removes all items of a node.
pub(super) async fn purge(asked: &Asked<'_>, purge: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(purge.attr("node"))?);
    let node = Node::run_by(context, name, asked.sender).await?;
    if !node.keeps_items(context) {
        return Err(unsupported("persistent-items"));
    }
    context.store.purge(name, node.holder()).await.map_err(|e| failed(&e))?;
    context.forget(name, None).await;
    if node.series.node.notify_retract.unwrap_or(true) {
        let mut content = Vec::new();
        raw(&mut content, "<purge");
        attribute(&mut content, "node", name);
        raw(&mut content, "/>");
        notices::tell(context, &node, &content).await?;
    }
    Ok(Vec::new())
}

/// Removes items: the owner any, a publisher its own.
pub(super) async fn retract(asked: &Asked<'_>, retract: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(retract.attr("node"))?);
    let forbidden = || StanzaError::said(Condition::Forbidden, texts::NOT_YOURS_TO_RETRACT, &[]);
    let node = Node::find(context, name).await?.ok_or_else(forbidden)?;
    let affiliation = node.affiliation(asked.sender);
    if affiliation != Affiliation::Owner && !node.series.may_publish(asked.sender) {
        return Err(forbidden());
    }
    let items: Vec<&Element> = retract.children().filter(|c| c.is("item", ns::PUBSUB)).collect();
    let ids: Vec<String> = items.iter().filter_map(|item| item.attr("id")).map(str::to_owned).collect();
    if ids.is_empty() || ids.len() < items.len() {
        return Err(StanzaError::said(Condition::BadRequest, texts::NO_ITEM, &[])
            .because(Detail::Pubsub("item-required")));
    }
    if ids.iter().any(|id| id.len() > ID_MAX) {
        let most = [("most", &*ID_MAX.to_string())];
        return Err(StanzaError::said(Condition::PolicyViolation, texts::ITEM_ID_TOO_LONG, &most));
    }
    if ids.len() > ITEMS_MAX {
        let most = ITEMS_MAX.to_string();
        return Err(StanzaError::said(
            Condition::PolicyViolation,
            texts::TOO_MANY_RETRACTED,
            &[("most", &most)],
        ));
    }
    if !node.keeps_items(context) {
        return Err(unsupported("persistent-items"));
    }
    let now = context.clock.now().wall.as_millisecond();
    for id in &ids {
        let item = context.store.item(name, id, now).await.map_err(|e| failed(&e))?;
        let item = item.filter(|item| item.node == name).ok_or_else(not_there)?;
        if affiliation != Affiliation::Owner && item.publisher != asked.sender.as_str() {
            return Err(forbidden());
        }
    }
    if !context.store.retract(name, &ids, node.holder()).await.map_err(|e| failed(&e))? {
        return Err(not_there());
    }
    context.forget(name, Some(&ids)).await;
    let notify = match retract.attr("notify") {
        Some("1" | "true") => true,
        Some("0" | "false") => false,
        _ => node.series.node.notify_retract.unwrap_or(true),
    };
    if notify {
        let to = notices::subscribers(context, &node).await?;
        for content in retractions(name, &ids) {
            notices::say(context, &node, &to, &content).await;
        }
    }
    Ok(Vec::new())
}

/// The `<items/>` that say so, in as many parts as it takes: each is small enough for one message.
fn retractions(node: &str, ids: &[String]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for id in ids {
        let mut retract = Vec::new();
        raw(&mut retract, "<retract");
        attribute(&mut retract, "id", id);
        raw(&mut retract, "/>");
        match parts.last_mut().filter(|part| part.len() + retract.len() <= CONTENT_MAX) {
            Some(part) => part.extend_from_slice(&retract),
            None => {
                let mut part = Vec::new();
                raw(&mut part, "<items");
                attribute(&mut part, "node", node);
                raw(&mut part, ">");
                part.extend_from_slice(&retract);
                parts.push(part);
            }
        }
    }
    parts.iter_mut().for_each(|part| raw(part, "</items>"));
    parts
}

fn not_there() -> StanzaError {
    StanzaError::said(Condition::ItemNotFound, texts::NO_SUCH_ITEM, &[])
}
