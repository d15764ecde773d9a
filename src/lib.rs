//! Courant relays energy measurements over XMPP, under the consent of the person concerned.
//!
//! A measurement enters through [`transport`], which cuts the component stream (XEP-0114) into stanzas;
//! [`router`] knows which stanza goes to which room; [`relay`] takes a publish in, asks for every record and
//! every recipient whether it may leave, and says what to send; [`store`] keeps what must survive.
//!
//! In reading order:
//!
//! - [`domain`]: what it is all about: series, consents, and *may this record leave?*
//! - [`senml`]: packs of measurements (RFC 8428), in JSON, XML and CBOR. Knows nobody.
//! - [`protocol`]: stanza <-> domain, one file per vocabulary.
//! - [`store`]: SQLite through sqlx.
//! - [`relay`]: the heart, a state machine without I/O.
//! - [`consents`]: what people and operators do with consents, one function each, whoever asks and by whatever way.
//! - [`desk`]: everything that people and their programs ask for beside it: commands, lists, consent.
//! - [`router`]: which stanza goes to which room, and the polite answer to all others.
//! - [`transport`]: the component stream; carries stanzas unread.
//! - [`app`]: builds the service from [`config`] and runs it.
//! - [`cli`]: one file per verb of the command line.
//!
//! Imports run downhill: `cli > app > router > desk > consents > relay > store | protocol > domain > senml`, and
//! `app > transport`.

pub mod app;
pub mod cli;
pub mod config;
pub mod consents;
pub mod desk;
pub mod domain;
pub mod protocol;
pub mod relay;
pub mod router;
pub mod senml;
pub mod store;
pub mod transport;
