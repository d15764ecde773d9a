//! Pings (XEP-0199): the barrier behind a batch, and the check that the link lives.

use super::ns;
use super::text::{attribute, raw};

/// Appends a ping.
pub fn write(out: &mut Vec<u8>, from: &str, to: &str, id: &str) {
    raw(out, "<iq type='get'");
    attribute(out, "from", from);
    attribute(out, "to", to);
    attribute(out, "id", id);
    raw(out, "><ping xmlns='");
    raw(out, ns::PING);
    raw(out, "'/></iq>");
}
