//! Stanza <-> domain, one file per vocabulary. No sockets, no store, no rights here.
//!
//! - [`ns`]: the namespaces.
//! - [`text`](mod@text): escaping.
//! - [`error`]: stanza errors (RFC 6120 §8.3) as values, and how they are written.
//! - [`outside`]: all that is needed to answer a stanza.
//! - [`reply`]: results and errors as bytes.
//! - [`outbox`]: what waits to be written: whole stanzas, none too large.
//! - [`publish`]: what a publish looks like (XEP-0060 §7.1), and payloads as direct children.
//! - [`direct`]: the publish that gateways send all day, read without a tree.
//! - [`event`]: what a delivery looks like.
//! - [`notice`]: what those concerned are told when a consent ends.
//! - [`fallback`]: what of a message its sender wrote (XEP-0461).
//! - [`forms`]: data forms (XEP-0004, XEP-0068, XEP-0122).
//! - [`adhoc`]: commands (XEP-0050); [`rsm`]: parts of long lists (XEP-0059).
//! - [`authorization`]: the form that asks the owner of a node (XEP-0060 §8.6).
//! - [`ping`]: the barrier (XEP-0199).
//! - [`description`]: what is known of what a series measures.
//! - [`form`]: data forms as pubsub needs them.
//! - [`record_size`]: whether a record fits into a stanza.
//! - [`quoalise`]: payloads of `urn:quoalise:0`, with their description.
//! - [`upstream`]: the history of a series asked of the source that keeps it.
//! - [`disco`]: who we are and what we have (XEP-0030, XEP-0092, XEP-0012).

pub mod adhoc;
pub mod authorization;
pub mod description;
pub mod direct;
pub mod disco;
pub mod error;
pub mod event;
pub mod fallback;
pub mod form;
pub mod forms;
pub mod notice;
pub mod ns;
pub mod outbox;
pub mod outside;
pub mod ping;
pub mod publish;
pub mod quoalise;
pub mod record_size;
pub mod reply;
pub mod rsm;
pub mod text;
pub mod upstream;
