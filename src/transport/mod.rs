//! The component stream (XEP-0114): carries stanzas between the server and the router, unread.
//!
//! In reading order: [`connect`] reaches the server and negotiates, [`framer`] cuts what follows into
//! stanzas, [`envelope`] reads their outside, [`parse`] turns one into an element for those who need
//! more; [`backoff`] and [`liveness`] say when to connect again and when a silent link is dead. The loop
//! that joins them is the application's, and what a stanza means is the router's.

pub mod backoff;
pub mod connect;
pub mod envelope;
pub mod framer;
mod handshake;
pub mod liveness;
pub mod parse;
pub mod secret;
mod wire;

/// The namespace of everything on the stream (XEP-0114 §3).
pub const NS_COMPONENT: &str = "jabber:component:accept";
/// The namespace of the stream itself (RFC 6120 §4.8.1).
pub const NS_STREAM: &str = "http://etherx.jabber.org/streams";
/// What the prefix `xml` stands for (Namespaces in XML 1.0 §3).
pub const NS_XML: &str = "http://www.w3.org/XML/1998/namespace";
