//! Build the service from its configuration and run it.
//!
//! - [`service`]: the loop that joins socket, relay and journal.
//! - [`start`]: what is read from the store before anything is taken in.
//! - [`journal_writer`]: the one that commits.
//! - [`follow`]: keeps the relay's memory true to the store, whoever wrote there.
//! - [`notices`]: brings ends of consents that are to be told.
//! - [`checkpoints`]: signs the disclosure log now and then.
//! - [`retention`]: removes what is past its time.
//! - [`sweep`]: what time does to consents.
//! - [`control`]: how a command line tells the running service, and hears that it has taken a change.
//! - [`telemetry`]: log lines.

pub mod checkpoints;
pub mod control;
pub mod first_look;
pub mod follow;
pub mod journal_writer;
pub mod notices;
pub mod retention;
pub mod service;
pub mod start;
pub mod sweep;
pub mod telemetry;
