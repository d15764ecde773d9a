//! Nothing that the program can write is larger than servers pass on (decisions/0023).
//!
//! - [`kinds`]: every kind of stanza there is, made as large as hostile texts can make it, in both languages; and a
//!   look into the source for a kind that is not in the table.
//! - [`packs`]: any pack that is accepted, of whatever texts, leaves in stanzas that are small enough, in every format
//!   and for any selection, and whole. `COURANT_SEEDS` sets how many are tried, `COURANT_FROM` where to begin.
//!
//! What the service answers when it is asked is looked at in the conversations, whose server takes no stanza that is
//! larger, in any story.

mod kinds;
mod packs;

use courant::protocol::outbox::{Outbox, STANZA_MAX};
use courant::transport::framer::{Frame, Framer, FramerLimits};

/// The stanzas in an outbox, each whole and well-formed.
fn stanzas(out: &Outbox) -> Vec<String> {
    let limits =
        FramerLimits { stanza_bytes: STANZA_MAX, token_bytes: STANZA_MAX, ..FramerLimits::default() };
    let mut framer = Framer::new(limits);
    framer.feed(out);
    let mut stanzas = Vec::new();
    while let Some(frame) = framer.next().expect("well-formed") {
        let Frame::Stanza(stanza) = frame else { panic!("{frame:?}") };
        stanzas.push(String::from_utf8(stanza.to_vec()).expect("UTF-8"));
    }
    assert_eq!(framer.held(), 0, "half a stanza");
    stanzas
}
