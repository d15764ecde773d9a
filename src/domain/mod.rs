//! The things the service is about, in plain Rust: no I/O, no clock of its own.
//!
//! - [`name`]: series names and scopes (exact, or a prefix ending in `*`).
//! - [`party`]: who is who (data subject, recipient, producer) as bare addresses.
//! - [`series`]: a registered series and who may publish it.
//! - [`tenure`]: who held a series over which time; [`series_record`]: a registration in JSON.
//! - [`node`]: what the pubsub node of a series is set to.
//! - [`consent`]: the record a person gives; [`state`]: where it stands, and which steps lead from there.
//! - [`draft`]: a consent as somebody writes it down, and what is usual where it says nothing.
//! - [`data_need`]: requests that the operator has prepared.
//! - [`holding`]: whether the subject of a consent holds what it names.
//! - [`edit`]: what may become of a consent under the same id: narrower, never wider.
//! - [`subscription`]: where a recipient wants its data, and in which format.
//! - [`access`]: *who may have this record?*, one function for all ways out; [`decision`]: the half of it that is about
//!   consents; [`whose`]: the registrations around a name, to be asked whose its records are.
//! - [`language`]: the languages that people are spoken to in.
//! - [`period`]: ISO 8601 durations.
//! - [`granularity`]: the finest detail that may leave, and the periods that it cuts time into.
//! - [`aggregation`]: what stands for many measurements of a series: mean, last or sum.
//! - [`reduction`]: measurements reduced to periods as they come; [`runs`]: which instants were counted.
//! - [`clock`]: the only place that asks what time it is.

pub mod access;
pub mod aggregation;
pub mod clock;
pub mod consent;
pub mod data_need;
pub mod decision;
pub mod disclosure;
pub mod draft;
pub mod edit;
pub mod granularity;
pub mod holding;
pub mod language;
pub mod moving;
pub mod name;
pub mod node;
pub mod outline;
pub mod party;
pub mod period;
pub mod reduction;
pub mod runs;
pub mod series;
pub mod series_record;
pub mod state;
pub mod subscription;
pub mod tenure;
pub mod whose;
pub mod wording;
