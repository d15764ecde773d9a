//! Courant relays energy measurements over XMPP, under the consent of the person concerned.

pub mod cli;
/// Stanzas and what they mean.
pub mod protocol {
    pub mod quoalise;
}
pub mod senml;
pub mod transport;
