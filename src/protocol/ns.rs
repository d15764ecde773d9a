//! Namespaces.

/// XEP-0114.
pub const COMPONENT: &str = "jabber:component:accept";
/// RFC 6120 §8.3.3.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// XEP-0060.
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060, for owners.
pub const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// XEP-0060, notifications.
pub const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0060, application conditions.
pub const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// RFC 8428 §7.
pub const SENML: &str = "urn:ietf:params:xml:ns:senml";
/// XEP-0059.
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// XEP-0313.
pub const MAM: &str = "urn:xmpp:mam:2";
/// XEP-0297.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// RFC 6120 §4.8.2: of a stanza that is forwarded, whatever stream it goes through.
pub const CLIENT: &str = "jabber:client";
/// XEP-0335.
pub const JSON: &str = "urn:xmpp:json:0";
/// XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0030.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0092.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0012.
pub const LAST: &str = "jabber:iq:last";
/// XEP-0359.
pub const SID: &str = "urn:xmpp:sid:0";
/// XEP-0050.
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0004.
pub const DATA_FORMS: &str = "jabber:x:data";
/// Terms, reasons, ends: what is Courant's own.
pub const COURANT: &str = "urn:courant:0";
/// XEP-0122.
pub const VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
