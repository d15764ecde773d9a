//! What there is, for whoever may see it (XEP-0030, XEP-0060 §5.2 to §5.4), with paging (XEP-0059).

use std::collections::{BTreeMap, BTreeSet};

use jid::BareJid;
use minidom::Element;

use super::configure::{access, fields};
use super::node::Node;
use super::texts;
use crate::desk::Context;
use crate::desk::commands;
use crate::desk::context::failed;
use crate::desk::permit::Asker;
use crate::domain::name::Scope;
use crate::domain::wording::beginning;
use crate::protocol::disco;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::form::{self, Field};
use crate::protocol::ns;
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::rsm::{self, Page};
use crate::protocol::text::{attribute, raw};

/// The most nodes in one answer.
const NODES_MAX: usize = 1000;

/// The most registrations that are looked at for one answer.
const LOOK_AT: u32 = 100_000;

/// The most characters of a title in a list.
const TITLE_MAX: usize = 1000;

/// The form's type.
const META_DATA: &str = "http://jabber.org/protocol/pubsub#meta-data";

/// What a node is.
pub(crate) async fn info(context: &Context, who: &BareJid, name: &str) -> Result<Vec<u8>, StanzaError> {
    let node = seen_node(context, who, name).await?;
    let mut form = Vec::new();
    form::write(&mut form, "result", META_DATA, &meta_data(context, &node));
    Ok(disco::node_info(name, node.series.title.as_deref(), node.keeps_items(context), &form))
}

/// The node, if it is there and they may know so.
async fn seen_node(context: &Context, who: &BareJid, name: &str) -> Result<Node, StanzaError> {
    let asker = Asker::about(context, who, name).await?;
    let node = Node::find(context, name).await?;
    node.filter(|node| node.is_seen_by(&asker))
        .ok_or_else(|| StanzaError::said(Condition::ItemNotFound, texts::NO_SUCH_NODE, &[]))
}

fn meta_data(context: &Context, node: &Node) -> Vec<Field<'static>> {
    let series = &node.series;
    let mut list =
        vec![Field::new("pubsub#access_model", "list-single", "Who may subscribe", access(series))];
    let wanted = [
        "pubsub#title",
        "pubsub#description",
        "pubsub#type",
        "pubsub#persist_items",
        "pubsub#item_expire",
        "pubsub#max_items",
    ];
    list.extend(fields(&context.config.pubsub, series).into_iter().filter(|f| wanted.contains(&f.var)));
    list.retain(|field| !field.values.is_empty());
    for (var, key, label) in MEASURES {
        if let Some(value) = crate::protocol::description::describe(&node.name, series).get(key) {
            list.push(Field::new(var, "text-single", label, value.clone()));
        }
    }
    list
}

/// What is known of what a series measures: field, key, label.
const MEASURES: [(&str, &str, &str); 7] = [
    ("{urn:courant:0}unit", "unit", "Unit"),
    ("{urn:courant:0}quantity", "quantity", "What is measured"),
    ("{urn:courant:0}direction", "direction", "In which direction"),
    ("{urn:courant:0}aggregation", "aggregation", "How values are made"),
    ("{urn:courant:0}sampling-interval", "sampling-interval", "From value to value"),
    ("{urn:courant:0}device", "device", "Which kind of device"),
    ("{urn:courant:0}identifier", "identifier", "Of which device"),
];

/// The nodes that the asker may see.
pub(crate) async fn items(context: &Context, who: &BareJid, query: &Element) -> Result<Vec<u8>, StanzaError> {
    let asked = query.attr("node");
    let nodes = match asked {
        // A leaf; its items are asked for in another way. A command has none.
        Some(name) => {
            if commands::find(name).is_none() {
                seen_node(context, who, name).await?;
            }
            BTreeMap::new()
        }
        None => seen_by(context, who).await?,
    };
    let total = nodes.len();
    let set = Page::read(query)?;
    let paging = set.clone().unwrap_or_default();
    let most = paging.max.unwrap_or(NODES_MAX).min(NODES_MAX);
    let names: Vec<String> = nodes.keys().cloned().collect();
    let from_the_end = paging.after.is_none() && paging.before.is_some();
    let mut page: Vec<(String, Option<String>)> = match (paging.after, paging.before) {
        (Some(after), _) => nodes.into_iter().filter(|(name, _)| *name > after).collect(),
        (None, Some(before)) => {
            let all: Vec<_> =
                nodes.into_iter().filter(|(name, _)| before.is_empty() || *name < before).collect();
            all.get(all.len().saturating_sub(most)..).unwrap_or_default().to_vec()
        }
        (None, None) => nodes.into_iter().collect(),
    };
    let before = page.len();
    page.truncate(most);
    let jid = context.jid();
    fit(&mut page, &jid, from_the_end);
    let cut = page.len() < before;
    let mut more = Vec::new();
    if set.is_some() || cut {
        let first = page.first().map(|(name, _)| (name.as_str(), names.partition_point(|n| n < name)));
        rsm::write(&mut more, first, page.last().map(|(name, _)| name.as_str()), total);
    }
    let mut out = Vec::new();
    raw(&mut out, "<query xmlns='");
    raw(&mut out, ns::DISCO_ITEMS);
    raw(&mut out, "'");
    if let Some(node) = asked {
        attribute(&mut out, "node", node);
    }
    raw(&mut out, ">");
    for (node, title) in &page {
        write_item(&mut out, &jid, node, title.as_deref());
    }
    out.extend_from_slice(&more);
    raw(&mut out, "</query>");
    Ok(out)
}

fn write_item(out: &mut Vec<u8>, jid: &str, node: &str, title: Option<&str>) {
    raw(out, "<item");
    attribute(out, "jid", jid);
    attribute(out, "node", node);
    if let Some(title) = title {
        attribute(out, "name", &beginning(title, TITLE_MAX));
    }
    raw(out, "/>");
}

/// Leaves out of a page what does not go into one answer: from its end, or from its beginning where it is the end of
/// the list that was asked for.
fn fit(page: &mut Vec<(String, Option<String>)>, jid: &str, from_the_end: bool) {
    let mut room = CONTENT_MAX;
    let mut fits = |(node, title): &&(String, Option<String>)| {
        let mut item = Vec::new();
        write_item(&mut item, jid, node, title.as_deref());
        let fits = item.len() <= room;
        room = room.saturating_sub(item.len());
        fits
    };
    match from_the_end {
        true => {
            let shown = page.iter().rev().take_while(|line| fits(line)).count();
            page.drain(..page.len() - shown);
        }
        false => {
            let shown = page.iter().take_while(|line| fits(line)).count();
            page.truncate(shown);
        }
    }
}

/// The nodes that somebody may see, with their titles: by name.
pub(crate) async fn seen_by(
    context: &Context,
    who: &BareJid,
) -> Result<BTreeMap<String, Option<String>>, StanzaError> {
    let asker = Asker::find(context, who).await?;
    let mut names: BTreeSet<String> = BTreeSet::new();
    let store = &context.store;
    let mut scopes: Vec<Scope> = asker
        .consents
        .iter()
        .filter(|(_, consent)| consent.is_live(asker.now))
        .flat_map(|(_, consent)| consent.scope.clone())
        .collect();
    let concerning = store.series_of_and_open(who, LOOK_AT).await.map_err(|e| failed(&e))?;
    scopes.extend(concerning.into_iter().map(|series| series.name));
    scopes.sort_unstable_by_key(ToString::to_string);
    scopes.dedup();
    for scope in scopes {
        match scope {
            Scope::Exact(name) => {
                names.insert(name.to_string());
            }
            Scope::Prefix(prefix) => {
                names.extend(store.known_names_below(&prefix, LOOK_AT).await.map_err(|e| failed(&e))?);
                let below = store.series_below(&prefix, LOOK_AT).await.map_err(|e| failed(&e))?;
                names.extend(below.into_iter().filter_map(|series| match series.name {
                    Scope::Exact(name) => Some(name.to_string()),
                    Scope::Prefix(_) => None,
                }));
            }
        }
    }
    let mut seen = BTreeMap::new();
    for name in names {
        // A more specific registration may be somebody else's.
        if let Some(node) = Node::find(context, &name).await?.filter(|node| node.is_seen_by(&asker)) {
            seen.insert(name, node.series.title);
        }
    }
    Ok(seen)
}
