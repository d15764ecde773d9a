//! What a delivery looks like (DESIGN §3): an event (XEP-0060 §7.1.2) with the terms under which it may
//! be kept, and an origin id (XEP-0359) that stays the same however often it is sent. To services that want it
//! so, the same as a publish (XEP-0060 §7.1), which they acknowledge.

use jiff::Timestamp;
use uuid::Uuid;

use super::ns;
use super::text::{attribute, escape, instant, raw};
use crate::senml::{self, Profile, Selection, Unwritable};

/// From whom to whom, and the id, which is the origin id too.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The component.
    pub from: &'a str,
    /// The recipient.
    pub to: &'a str,
    /// Stable across retries.
    pub id: &'a str,
    /// Of type `headline` rather than `normal`.
    pub headline: bool,
}

/// Which item of which node.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The node it was published to.
    pub node: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Which part of it, where it was too large for one stanza; from 0.
    pub part: usize,
    /// Bare address of the publisher.
    pub publisher: &'a str,
}

impl Item<'_> {
    fn write_id(&self, out: &mut Vec<u8>) {
        if self.part == 0 {
            attribute(out, "id", self.id);
        } else {
            attribute(out, "id", &format!("{}~{}", self.id, self.part + 1));
        }
    }
}

/// What the recipient may do with it, and why it gets it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Terms<'a> {
    /// Under a consent.
    Consent {
        /// Its id.
        id: Uuid,
        /// The code of the purpose, else its text.
        purpose: &'a str,
        /// How long the recipient may keep it, ISO 8601.
        retention: &'a str,
        /// When the consent ends.
        expires: Timestamp,
        /// Whether the recipient may pass it on.
        onward: bool,
    },
    /// Open data.
    Open,
    /// The person's own.
    Own,
    /// The recipient is on the list of the node.
    Listed,
}

impl Terms<'_> {
    /// Appends the element.
    pub fn write(&self, out: &mut Vec<u8>) {
        raw(out, "<terms xmlns='");
        raw(out, ns::COURANT);
        match self {
            Terms::Open => raw(out, "' basis='open'/>"),
            Terms::Own => raw(out, "' basis='self'/>"),
            Terms::Listed => raw(out, "' basis='listed'/>"),
            Terms::Consent { id, purpose, retention, expires, onward } => {
                raw(out, "' consent='");
                out.extend_from_slice(id.hyphenated().encode_lower(&mut [0; 36]).as_bytes());
                raw(out, "'");
                attribute(out, "purpose", purpose);
                attribute(out, "retention", retention);
                raw(out, " expires='");
                instant(out, *expires);
                raw(out, if *onward { "' onward='true'/>" } else { "'/>" });
            }
        }
    }
}

/// Appends the `<event/>` element of an item. `payload` is a written element.
pub fn content(out: &mut Vec<u8>, item: &Item<'_>, payload: &[u8]) {
    raw(out, "<event xmlns='");
    raw(out, ns::PUBSUB_EVENT);
    raw(out, "'><items");
    attribute(out, "node", item.node);
    raw(out, "><item");
    item.write_id(out);
    attribute(out, "publisher", item.publisher);
    raw(out, ">");
    out.extend_from_slice(payload);
    raw(out, "</item></items></event>");
}

/// Appends records as SenML JSON in a container (XEP-0335).
pub fn json(records: Selection<'_>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let mut json = Vec::new();
    senml::write(senml::Format::Json, Profile::Standard, records, &mut json)?;
    raw(out, "<json xmlns='urn:xmpp:json:0'>");
    escape(out, &String::from_utf8_lossy(&json));
    raw(out, "</json>");
    Ok(())
}

/// Appends one delivery. `content` is a written element.
pub fn write(out: &mut Vec<u8>, envelope: &Envelope<'_>, content: &[u8], terms: Terms<'_>) {
    out.reserve(content.len() + 600);
    raw(out, if envelope.headline { "<message type='headline'" } else { "<message type='normal'" });
    attribute(out, "from", envelope.from);
    attribute(out, "to", envelope.to);
    attribute(out, "id", envelope.id);
    raw(out, ">");
    out.extend_from_slice(content);
    terms.write(out);
    write_origin(out, envelope.id);
    raw(out, "</message>");
}

fn write_origin(out: &mut Vec<u8>, id: &str) {
    raw(out, "<origin-id xmlns='");
    raw(out, ns::SID);
    raw(out, "'");
    attribute(out, "id", id);
    raw(out, "/>");
}

/// Appends the `<publish/>` element of an item. `payload` is a written element.
pub fn publish(out: &mut Vec<u8>, item: &Item<'_>, payload: &[u8]) {
    raw(out, "<publish");
    attribute(out, "node", item.node);
    raw(out, "><item");
    item.write_id(out);
    raw(out, ">");
    out.extend_from_slice(payload);
    raw(out, "</item></publish>");
}

/// Appends one delivery as a publish. `content` is a written [`publish()`]. An IQ has one child (RFC 6120
/// §8.2.3), so the terms and the origin id stand beside the publish in it.
pub fn write_publish(out: &mut Vec<u8>, envelope: &Envelope<'_>, content: &[u8], terms: Terms<'_>) {
    out.reserve(content.len() + 600);
    raw(out, "<iq type='set'");
    attribute(out, "from", envelope.from);
    attribute(out, "to", envelope.to);
    attribute(out, "id", envelope.id);
    raw(out, "><pubsub xmlns='");
    raw(out, ns::PUBSUB);
    raw(out, "'>");
    out.extend_from_slice(content);
    terms.write(out);
    write_origin(out, envelope.id);
    raw(out, "</pubsub></iq>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_as_the_design_writes_it() {
        let expires = "2027-01-01T00:00:00Z".parse().unwrap();
        let consent = |onward| Terms::Consent {
            id: Uuid::from_u128(1),
            purpose: "advice & <more>",
            retention: "P1Y",
            expires,
            onward,
        };
        let mut event = Vec::new();
        let item = Item { node: "urn:a", id: "2026", part: 1, publisher: "gw@prod.example" };
        content(&mut event, &item, b"<sensml/>");
        let mut out = Vec::new();
        let (from, to) = ("energy.example.org", "app@coop.example");
        let envelope = Envelope { from, to, id: "i-1", headline: false };
        write(&mut out, &envelope, &event, consent(false));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<message type='normal' from='energy.example.org' to='app@coop.example' id='i-1'>\
             <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:a'>\
             <item id='2026~2' publisher='gw@prod.example'><sensml/></item></items></event>\
             <terms xmlns='urn:courant:0' consent='00000000-0000-0000-0000-000000000001' \
             purpose='advice &amp; &lt;more&gt;' retention='P1Y' expires='2027-01-01T00:00:00Z'/>\
             <origin-id xmlns='urn:xmpp:sid:0' id='i-1'/></message>"
        );
        let (mut content, mut out) = (Vec::new(), Vec::new());
        publish(&mut content, &item, b"<sensml/>");
        let envelope = Envelope { to: "energy.coop.example", ..envelope };
        write_publish(&mut out, &envelope, &content, Terms::Open);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<iq type='set' from='energy.example.org' to='energy.coop.example' id='i-1'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a'>\
             <item id='2026~2'><sensml/></item></publish>\
             <terms xmlns='urn:courant:0' basis='open'/>\
             <origin-id xmlns='urn:xmpp:sid:0' id='i-1'/></pubsub></iq>"
        );
        let mut out = Vec::new();
        Terms::Open.write(&mut out);
        Terms::Own.write(&mut out);
        let terms = "<terms xmlns='urn:courant:0' basis='open'/><terms xmlns='urn:courant:0' basis='self'/>";
        assert_eq!(String::from_utf8(out).unwrap(), terms);
        let mut out = Vec::new();
        consent(true).write(&mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.ends_with(" expires='2027-01-01T00:00:00Z' onward='true'/>"), "{out}");
    }
}
