//! What a delivery looks like (DESIGN §3): an event (XEP-0060 §7.1.2) with the terms under which it may
//! be kept, and an origin id (XEP-0359) that stays the same however often it is sent.

use super::ns;
use super::text::{attribute, raw};
use crate::domain::consent::Consent;

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

/// What the recipient may do with it, and why it gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    attributes: Vec<(&'static str, String)>,
}

impl Terms {
    /// Under a consent.
    pub fn of(consent: &Consent) -> Self {
        let purpose = consent.purpose_code.as_ref().unwrap_or(&consent.purpose);
        Terms {
            attributes: vec![
                ("consent", consent.id.to_string()),
                ("purpose", purpose.clone()),
                ("retention", consent.retention.to_string()),
                ("expires", consent.valid_until.to_string()),
            ],
        }
    }

    /// Open data.
    pub fn open() -> Self {
        Terms { attributes: vec![("basis", "open".into())] }
    }

    /// The person's own.
    pub fn own() -> Self {
        Terms { attributes: vec![("basis", "self".into())] }
    }

    /// As an element.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(200);
        raw(&mut out, "<terms xmlns='");
        raw(&mut out, ns::COURANT);
        raw(&mut out, "'");
        for (name, value) in &self.attributes {
            attribute(&mut out, name, value);
        }
        raw(&mut out, "/>");
        out
    }
}

/// Appends one delivery. `payload` and `terms` are written elements.
pub fn write(out: &mut Vec<u8>, envelope: &Envelope<'_>, item: &Item<'_>, payload: &[u8], terms: &[u8]) {
    raw(out, if envelope.headline { "<message type='headline'" } else { "<message type='normal'" });
    attribute(out, "from", envelope.from);
    attribute(out, "to", envelope.to);
    attribute(out, "id", envelope.id);
    raw(out, "><event xmlns='");
    raw(out, ns::PUBSUB_EVENT);
    raw(out, "'><items");
    attribute(out, "node", item.node);
    raw(out, "><item");
    if item.part == 0 {
        attribute(out, "id", item.id);
    } else {
        attribute(out, "id", &format!("{}~{}", item.id, item.part + 1));
    }
    attribute(out, "publisher", item.publisher);
    raw(out, ">");
    out.extend_from_slice(payload);
    raw(out, "</item></items></event>");
    out.extend_from_slice(terms);
    raw(out, "<origin-id xmlns='");
    raw(out, ns::SID);
    raw(out, "'");
    attribute(out, "id", envelope.id);
    raw(out, "/></message>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::tests::sample;

    #[test]
    fn a_delivery_as_the_design_writes_it() {
        let mut consent = sample();
        consent.purpose = "advice & <more>".into();
        let mut out = Vec::new();
        write(
            &mut out,
            &Envelope { from: "energy.example.org", to: "app@coop.example", id: "i-1", headline: false },
            &Item { node: "urn:a", id: "2026", part: 1, publisher: "gw@prod.example" },
            b"<sensml/>",
            &Terms::of(&consent).write(),
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<message type='normal' from='energy.example.org' to='app@coop.example' id='i-1'>\
             <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:a'>\
             <item id='2026~2' publisher='gw@prod.example'><sensml/></item></items></event>\
             <terms xmlns='urn:courant:0' consent='00000000-0000-0000-0000-000000000001' \
             purpose='advice &amp; &lt;more&gt;' retention='P1Y' expires='2027-01-01T00:00:00Z'/>\
             <origin-id xmlns='urn:xmpp:sid:0' id='i-1'/></message>"
        );
        assert_eq!(Terms::open().write(), b"<terms xmlns='urn:courant:0' basis='open'/>");
        assert_eq!(Terms::own().write(), b"<terms xmlns='urn:courant:0' basis='self'/>");
    }
}
