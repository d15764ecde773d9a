//! What a publish looks like: XEP-0060 §7.1, or a payload as the direct child of an IQ or a message.

use std::borrow::Cow;

use minidom::Element;

use super::error::{Condition, Detail, StanzaError};
use super::ns;
use super::outbox::CONTENT_MAX;
use super::text::{attribute, raw};
use crate::domain::language::{Text, text};

/// The items one publish may hold: it is all or nothing, and is answered in one stanza.
pub const ITEMS_MAX: usize = 256;

/// A SenML pack as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload<'a> {
    /// `<sensml/>` (RFC 8428 §7), as a document of its own.
    Sensml(Cow<'a, [u8]>),
    /// SenML JSON in a container (XEP-0335).
    Json(String),
    /// `<quoalise/>`, as a document of its own.
    Quoalise(Vec<u8>),
    /// Anything else, for a node that takes anything: the element, and the node, which is its series.
    Foreign(Vec<u8>, String),
}

/// What is to be published where.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The node; none for a payload that is the direct child of its stanza.
    pub node: Option<String>,
    /// Item ids and payloads.
    pub items: Vec<(Option<String>, Payload<'static>)>,
}

const NO_NODE: Text = text("the publish names no node", "la publication ne nomme aucun nœud");
const NO_ITEM: Text = text("the publish holds no item", "la publication ne contient aucun élément");
const TWO_PAYLOADS: Text = text(
    "the item holds more than one payload; give each an item of its own",
    "l’élément a plus d’un contenu ; donnez à chacun son propre élément",
);
const UNWRITABLE: Text = text(
    "the payload cannot be written again as it came",
    "le contenu ne peut pas être récrit tel qu’il est venu",
);
const NO_PAYLOAD: Text = text("the item holds no payload", "l’élément ne contient rien");
const TOO_MANY_ITEMS: Text = text(
    "more than {most} items in one publish; send it in several",
    "plus de {most} éléments dans une publication ; envoyez-les en plusieurs",
);
const TOO_LARGE: Text = text(
    "the payload takes more than {most} octets as it is written, which not every server passes on; send less at once",
    "le contenu dépasse {most} octets tel qu’il est écrit, ce que tous les serveurs ne transmettent pas ; envoyez-en moins à la fois",
);
const NOT_UNDERSTOOD: Text = text(
    "the payload <{name} xmlns='{namespace}'/> is not understood here; send <sensml xmlns='{senml}'/>",
    "le contenu <{name} xmlns='{namespace}'/> n’est pas compris ici ; envoyez <sensml xmlns='{senml}'/>",
);

/// Reads the `<publish/>` of a `<pubsub/>`.
pub fn read(publish: &Element) -> Result<Request, StanzaError> {
    read_any(publish, false)
}

/// The same, for a node that may take `any` payload.
pub fn read_any(publish: &Element, any: bool) -> Result<Request, StanzaError> {
    let bad = |words: Text, detail| {
        StanzaError::said(Condition::BadRequest, words, &[]).because(Detail::Pubsub(detail))
    };
    let node = publish.attr("node").filter(|node| !node.is_empty());
    let node = node.ok_or_else(|| bad(NO_NODE, "nodeid-required"))?;
    let mut items = Vec::new();
    for item in publish.children().filter(|child| child.is("item", ns::PUBSUB)) {
        if items.len() == ITEMS_MAX {
            let most = ITEMS_MAX.to_string();
            return Err(StanzaError::said(Condition::PolicyViolation, TOO_MANY_ITEMS, &[("most", &most)])
                .because(Detail::Unsupported { feature: "multi-items" }));
        }
        let mut payloads = item.children();
        let element = payloads.next().ok_or_else(|| bad(NO_PAYLOAD, "payload-required"))?;
        if payloads.next().is_some() {
            return Err(bad(TWO_PAYLOADS, "invalid-payload"));
        }
        let payload = match payload(element) {
            Some(payload) => payload,
            None if any => foreign(element, node)?,
            None => return Err(unknown(element)),
        };
        items.push((item.attr("id").map(str::to_owned), payload));
    }
    if items.is_empty() {
        return Err(bad(NO_ITEM, "item-required"));
    }
    Ok(Request { node: Some(node.to_owned()), items })
}

/// Reads an element as a payload, if it is one that is understood.
pub fn payload(element: &Element) -> Option<Payload<'static>> {
    if element.is("sensml", ns::SENML) {
        let mut bytes = Vec::new();
        element.write_to(&mut bytes).ok()?;
        Some(Payload::Sensml(bytes.into()))
    } else if element.is("quoalise", super::quoalise::NAMESPACE) {
        let mut bytes = Vec::new();
        element.write_to(&mut bytes).ok()?;
        Some(Payload::Quoalise(bytes))
    } else if element.is("json", ns::JSON) {
        Some(Payload::Json(element.text()))
    } else {
        None
    }
}

/// Any other element, as it is.
fn foreign(element: &Element, node: &str) -> Result<Payload<'static>, StanzaError> {
    let mut bytes = Vec::new();
    if element.write_to(&mut bytes).is_err() {
        return Err(StanzaError::said(Condition::BadRequest, UNWRITABLE, &[])
            .because(Detail::Pubsub("invalid-payload")));
    }
    // It cannot be parted.
    if bytes.len() > CONTENT_MAX {
        let most = CONTENT_MAX.to_string();
        return Err(StanzaError::said(Condition::PolicyViolation, TOO_LARGE, &[("most", &most)])
            .because(Detail::Pubsub("payload-too-big")));
    }
    Ok(Payload::Foreign(bytes, node.to_owned()))
}

/// The refusal of a payload that is not understood (DESIGN §2).
fn unknown(element: &Element) -> StanzaError {
    let (name, namespace) = (cut(element.name()), cut(&element.ns()));
    let values = [("name", &*name), ("namespace", &*namespace), ("senml", ns::SENML)];
    StanzaError::said(Condition::FeatureNotImplemented, NOT_UNDERSTOOD, &values)
        .because(Detail::Unsupported { feature: "payload" })
}

/// Foreign text in an answer is kept short.
fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The content of the result: which items were kept where (XEP-0060 §7.1.2). Items of several nodes, as a
/// direct pack makes them, have no form there, and the result stays empty, as it does for ids that would not fit.
pub fn result<'a>(items: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut items = items.into_iter().peekable();
    let Some(&(node, _)) = items.peek() else { return out };
    raw(&mut out, "<pubsub xmlns='");
    raw(&mut out, ns::PUBSUB);
    raw(&mut out, "'><publish");
    attribute(&mut out, "node", node);
    raw(&mut out, ">");
    for (other, id) in items {
        if other != node {
            return Vec::new();
        }
        raw(&mut out, "<item");
        attribute(&mut out, "id", id);
        raw(&mut out, "/>");
    }
    raw(&mut out, "</publish></pubsub>");
    if out.len() > CONTENT_MAX { Vec::new() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(inner: &str) -> Result<Request, StanzaError> {
        let xml = format!("<publish xmlns='{}' {inner}</publish>", ns::PUBSUB);
        read(&xml.parse().unwrap())
    }

    #[test]
    fn items_are_read_with_their_payloads() {
        let request = publish(
            "node='urn:a'><item id='1'><sensml xmlns='urn:ietf:params:xml:ns:senml'><senml v='1'/></sensml></item>\
             <item><json xmlns='urn:xmpp:json:0'>[]</json></item>",
        )
        .unwrap();
        assert_eq!(request.node.as_deref(), Some("urn:a"));
        assert_eq!(request.items[0].0.as_deref(), Some("1"));
        assert!(matches!(&request.items[0].1, Payload::Sensml(xml) if xml.starts_with(b"<sensml")));
        assert_eq!(request.items[1], (None, Payload::Json("[]".into())));
    }

    #[test]
    fn what_is_missing_is_named() {
        let detail = |inner| publish(inner).unwrap_err().detail;
        assert_eq!(detail(">"), Some(Detail::Pubsub("nodeid-required")));
        assert_eq!(detail("node='a'>"), Some(Detail::Pubsub("item-required")));
        assert_eq!(detail("node='a'><item/>"), Some(Detail::Pubsub("payload-required")));
        assert_eq!(
            detail("node='a'><item><a xmlns='x'/><b xmlns='x'/></item>"),
            Some(Detail::Pubsub("invalid-payload"))
        );
        assert_eq!(
            detail("node='a'><item><a xmlns='x'/></item>"),
            Some(Detail::Unsupported { feature: "payload" })
        );
        let many = "<item><json xmlns='urn:xmpp:json:0'/></item>".repeat(257);
        let error = publish(&format!("node='a'>{many}")).unwrap_err();
        assert_eq!(error.condition, Condition::PolicyViolation);
    }

    #[test]
    fn the_result_names_what_was_kept() {
        let out = String::from_utf8(result([("urn:a", "1"), ("urn:a", "2")])).unwrap();
        assert_eq!(
            out,
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a'><item id='1'/><item id='2'/>\
             </publish></pubsub>"
        );
        assert!(result([("a", "1"), ("b", "1")]).is_empty());
    }
}
