//! Courant relays energy measurements over XMPP, under the consent of the person concerned.

pub mod cli;
pub mod senml;
pub mod transport;
