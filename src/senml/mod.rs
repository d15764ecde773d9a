//! SenML (RFC 8428): measurements in packs, read from and written to JSON, XML and CBOR.
//!
//! The ground floor: it knows nobody else here, does no I/O, asks no clock (`now` is an argument) and could be
//! a crate of its own. What the RFCs leave open is decided in `docs/SENML.md`; EXI is out of scope.
//!
//! ```text
//! octets → read → json | xml | cbor → assembler → resolved → write → write_json | write_xml | write_cbor
//!          stream ↗  exchange ↗                     ↑ fragment, units
//! ```
//!
//! - [`read()`] takes a whole pack, [`Stream`] one that arrives in pieces, [`fetch`] and [`patch`] are RFC 8790.
//! - [`Assembler`] is the state machine behind them, open to callers who have records by other means: fields
//!   in, resolved records out, every rule of §4 checked.
//! - [`Resolved`] is what comes out (§4.6): absolute times, whole names, base fields applied, sorted by time.
//! - [`write()`] makes packs of any [`Selection`] of records, so that what may not leave stays behind.
//! - [`Invalid`] says why not: a [`Reason`] with a short code, and which record.
//! - [`units`] is the IANA registry with conversion to primary units; [`Fragment`] is §9.

mod assembler;
mod assembler_record;
mod assembler_state;
mod base64;
mod cbor;
mod cbor_item;
mod error;
mod exchange;
mod fragment;
mod intern;
mod json;
mod json_text;
mod label;
mod limits;
mod name;
mod number;
mod number_write;
mod octets;
mod read;
mod resolved;
mod stream;
mod stream_ends;
mod unit_number;
pub mod units;
mod write;
mod write_cbor;
mod write_json;
mod write_xml;
mod xml;
mod xml_chars;
mod xml_instruction;
mod xml_plain;
mod xml_scope;

pub use assembler::Assembler;
pub use assembler_state::Purpose;
pub use error::{Invalid, Reason};
pub use exchange::{fetch, patch};
pub use fragment::Fragment;
pub use label::{Label, Type};
pub use limits::{Features, Limits, Options};
pub use read::{Format, read, read_reusing};
pub use resolved::{DEFAULT_VERSION, Record, Resolved, Selection, Value};
pub use stream::Stream;
pub use write::{Profile, Unwritable, write};
pub use write_json::resolved as write_resolved;
pub use write_xml::escape as escape_xml;
pub use xml_scope::NAMESPACE;
