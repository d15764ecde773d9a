//! Use cases: what people and operators do with consents. One function each, whoever asks: a command, a line of text,
//! the command line.
//!
//! - [`record`]: what is recorded is its subject's to give.
//! - [`together`]: one act on all consents of a person, for a recipient, or between two.
//!
//! Errors are types: no XML, no SQL, and no sentence for people.

pub mod record;
pub mod together;
