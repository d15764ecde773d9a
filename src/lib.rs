//! Courant relays energy measurements over XMPP, under the consent of the person concerned.

pub mod cli;
pub mod domain;
pub mod senml;
pub mod store;
pub mod transport;
