//! Who we are and what we have: service discovery (XEP-0030), version (XEP-0092), uptime (XEP-0012).

use std::time::Duration;

use super::ns;
use super::text::{attribute, escape, raw};

/// The features really served.
pub const FEATURES: [&str; 41] = [
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::PING,
    ns::VERSION,
    ns::LAST,
    ns::COMMANDS,
    ns::DATA_FORMS,
    ns::RSM,
    ns::PUBSUB,
    "http://jabber.org/protocol/pubsub#config-node",
    "http://jabber.org/protocol/pubsub#config-node-max",
    "http://jabber.org/protocol/pubsub#create-and-configure",
    "http://jabber.org/protocol/pubsub#create-nodes",
    "http://jabber.org/protocol/pubsub#delete-items",
    "http://jabber.org/protocol/pubsub#delete-nodes",
    "http://jabber.org/protocol/pubsub#get-pending",
    "http://jabber.org/protocol/pubsub#instant-nodes",
    "http://jabber.org/protocol/pubsub#item-ids",
    "http://jabber.org/protocol/pubsub#last-published",
    "http://jabber.org/protocol/pubsub#manage-subscriptions",
    "http://jabber.org/protocol/pubsub#member-affiliation",
    "http://jabber.org/protocol/pubsub#meta-data",
    "http://jabber.org/protocol/pubsub#modify-affiliations",
    "http://jabber.org/protocol/pubsub#multi-items",
    "http://jabber.org/protocol/pubsub#outcast-affiliation",
    "http://jabber.org/protocol/pubsub#persistent-items",
    "http://jabber.org/protocol/pubsub#publish",
    "http://jabber.org/protocol/pubsub#publish-only-affiliation",
    "http://jabber.org/protocol/pubsub#publish-options",
    "http://jabber.org/protocol/pubsub#publisher-affiliation",
    "http://jabber.org/protocol/pubsub#purge-nodes",
    "http://jabber.org/protocol/pubsub#retract-items",
    "http://jabber.org/protocol/pubsub#retrieve-affiliations",
    "http://jabber.org/protocol/pubsub#retrieve-default",
    "http://jabber.org/protocol/pubsub#retrieve-default-sub",
    "http://jabber.org/protocol/pubsub#retrieve-items",
    "http://jabber.org/protocol/pubsub#retrieve-subscriptions",
    "http://jabber.org/protocol/pubsub#rsm",
    "http://jabber.org/protocol/pubsub#subscribe",
    "http://jabber.org/protocol/pubsub#subscription-notifications",
    "http://jabber.org/protocol/pubsub#subscription-options",
];

/// The answer to `disco#info` on the service.
///
/// `access` is the access model of new nodes.
pub fn info(access: &str) -> Vec<u8> {
    let mut out = start_query(ns::DISCO_INFO, None);
    raw(&mut out, "<identity category='pubsub' type='service' name='Courant'/>");
    raw(&mut out, "<identity category='automation' type='command-list' name='Courant'/>");
    for feature in FEATURES {
        raw(&mut out, "<feature");
        attribute(&mut out, "var", feature);
        raw(&mut out, "/>");
    }
    raw(&mut out, "<feature");
    attribute(&mut out, "var", &format!("{}#access-{access}", ns::PUBSUB));
    raw(&mut out, "/></query>");
    out
}

/// The answer to `disco#info` on the node of commands (XEP-0050 §2.2).
pub fn command_list(name: &str) -> Vec<u8> {
    automation(ns::COMMANDS, "command-list", name)
}

/// The answer to `disco#info` on a command (XEP-0050 §2.3).
pub fn command(node: &str, name: &str) -> Vec<u8> {
    automation(node, "command-node", name)
}

fn automation(node: &str, kind: &str, name: &str) -> Vec<u8> {
    let mut out = start_query(ns::DISCO_INFO, Some(node));
    raw(&mut out, "<identity category='automation'");
    attribute(&mut out, "type", kind);
    attribute(&mut out, "name", name);
    raw(&mut out, "/>");
    for feature in [ns::COMMANDS, ns::DATA_FORMS] {
        raw(&mut out, "<feature");
        attribute(&mut out, "var", feature);
        raw(&mut out, "/>");
    }
    raw(&mut out, "</query>");
    out
}

/// The answer to `disco#info` on a series that the asker may see.
/// `form` is what else is known of it (XEP-0128); `archived` says that it can be asked for by time (XEP-0313).
pub fn node_info(node: &str, title: Option<&str>, archived: bool, form: &[u8]) -> Vec<u8> {
    let mut out = start_query(ns::DISCO_INFO, Some(node));
    raw(&mut out, "<identity category='pubsub' type='leaf'");
    if let Some(title) = title {
        attribute(&mut out, "name", title);
    }
    raw(&mut out, "/>");
    for feature in [Some(ns::PUBSUB), archived.then_some(ns::MAM)].into_iter().flatten() {
        raw(&mut out, "<feature");
        attribute(&mut out, "var", feature);
        raw(&mut out, "/>");
    }
    out.extend_from_slice(form);
    raw(&mut out, "</query>");
    out
}

/// The answer to `disco#items`: nodes (name and title) of this service.
pub fn items<'a>(
    jid: &str,
    asked: Option<&str>,
    nodes: impl Iterator<Item = (String, Option<&'a str>)>,
) -> Vec<u8> {
    let mut out = start_query(ns::DISCO_ITEMS, asked);
    for (node, title) in nodes {
        raw(&mut out, "<item");
        attribute(&mut out, "jid", jid);
        attribute(&mut out, "node", &node);
        if let Some(title) = title {
            attribute(&mut out, "name", title);
        }
        raw(&mut out, "/>");
    }
    raw(&mut out, "</query>");
    out
}

/// The answer to `jabber:iq:version`. The operating system is nobody's business.
pub fn version() -> Vec<u8> {
    let mut out = start_query(ns::VERSION, None);
    raw(&mut out, "<name>Courant</name><version>");
    escape(&mut out, env!("CARGO_PKG_VERSION"));
    raw(&mut out, "</version></query>");
    out
}

/// The answer to `jabber:iq:last`, which of a service is how long it has been up.
pub fn uptime(up: Duration) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "<query xmlns='");
    raw(&mut out, ns::LAST);
    raw(&mut out, "'");
    attribute(&mut out, "seconds", &up.as_secs().to_string());
    raw(&mut out, "/>");
    out
}

fn start_query(namespace: &str, node: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "<query xmlns='");
    raw(&mut out, namespace);
    raw(&mut out, "'");
    if let Some(node) = node {
        attribute(&mut out, "node", node);
    }
    raw(&mut out, ">");
    out
}
