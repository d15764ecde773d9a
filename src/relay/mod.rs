//! Take a measurement in, ask consent, record, say what to send.
//!
//! A state machine without I/O and without a clock of its own: the service calls [`Relay`] with what
//! happened and carries out what it answers, so a whole exchange runs in a test without a socket.
//!
//! ```text
//! publish ─ intake ─ decide (rights) ─ journal batch ─▶ store ─ committed ─▶ reply
//!                                                                   │
//!              socket ◀─ render ─ delivery (a cursor per destination) ◀┘ ─ barrier ping ─ confirmed
//! ```
//!
//! - [`rights`]: who may publish, who subscribes, who consented: in memory, following the store.
//! - [`grant`], [`registration`]: what is kept there of a consent and of a registration.
//! - `holders`: whose the records of a pack are.
//! - `filing`, `rows`, `few`, `parties`: how: little of each, and what belongs together close to each other.
//! - [`pack`]: the records of one item, and how they are kept.
//! - [`owed`]: who is owed what of an item, as it stands in the journal.
//! - [`throttle`]: how fast one sender may publish.
//! - [`intake`]: is this publish right, and what follows from it?
//! - [`repetitions`]: the same item, published again.
//! - [`reductions`]: what leaves under consents with a granularity, instead of the records themselves.
//! - [`retained`]: what of an item is kept for history.
//! - [`disclosure`]: what the disclosure log is told of it.
//! - [`delivery`]: what each destination was sent and has confirmed.
//! - `window`: the accepted items that are in memory.
//! - `render`: what one destination is owed of an item, as bytes.
//! - [`notice`]: what people are told beside their data, as a row of the journal.
//! - `postponed`: deliveries that came back, and may succeed later.
//! - `pruning`: when rows of the journal go that nobody needs any more.
//! - [`machine`]: the [`Relay`] itself, which joins them.

pub mod delivery;
pub mod disclosure;
mod few;
mod filing;
pub mod grant;
mod holders;
pub mod intake;
pub mod machine;
pub mod notice;
pub mod owed;
pub mod pack;
mod parties;
mod postponed;
mod pruning;
pub mod reductions;
pub mod registration;
mod render;
pub mod repetitions;
pub mod retained;
pub mod rights;
mod rows;
pub mod throttle;
mod window;

pub use machine::{Relay, Settings};
