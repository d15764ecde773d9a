//! What is kept of accepted items, where a series says so.
//!
//! - `write`: in the commit of the journal, so that an item is kept when its publisher gets the result.
//! - [`read`]: by time of measurement, and by item.
//! - [`expiry`]: what goes when its time is over.
//! - [`removal`]: what goes because somebody says so; `reach`: of it, what is theirs.
//!
//! Each series of an item stands in chunks of its own (`migrations/0004_history.sql`), so that a day of one
//! series costs the same beside ten thousand others.

pub mod expiry;
mod reach;
pub mod read;
pub mod removal;
mod write;

use std::sync::Arc;

pub(super) use write::write;

/// Chunks are numbered within their item from `item << CHUNK_BITS` on. No stanza that is taken in has as many
/// records.
const CHUNK_BITS: u32 = 20;

/// The most chunks of one item.
pub const CHUNKS_MAX: usize = 1 << CHUNK_BITS;

/// What is kept of one accepted item.
#[derive(Debug, Clone, PartialEq)]
pub struct Retained {
    /// Its number in the journal.
    pub seq: u64,
    /// The node it was published to.
    pub node: Arc<str>,
    /// Its id there.
    pub item: Arc<str>,
    /// Bare address of who published it.
    pub publisher: Arc<str>,
    /// Milliseconds since 1970.
    pub accepted_at: i64,
    /// The node keeps at most so many items.
    pub max_items: Option<u32>,
    /// The records; none where only the names are to be known.
    pub chunks: Vec<Chunk>,
    /// Series that nothing was published of before, under a registered prefix.
    pub new_series: Vec<Arc<str>>,
}

/// Records of one series, in chronological order.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Their resolved name.
    pub series: Arc<str>,
    /// How long they are kept, milliseconds.
    pub retention: i64,
    /// Time of measurement of the first record, milliseconds since 1970, rounded down.
    pub first: i64,
    /// Of the last.
    pub last: i64,
    /// The records as SenML CBOR.
    pub payload: Vec<u8>,
}

/// A time of measurement (seconds since 1970) as chunks are found by it: in milliseconds, rounded down.
pub fn measured_at(seconds: f64) -> i64 {
    // Beyond the range of an integer, the end of the range.
    (seconds * 1000.0).floor() as i64
}

#[cfg(test)]
mod tests;
