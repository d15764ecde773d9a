//! The disclosure log: append-only, each row linked to the one before it, and signed now and then.
//!
//! - [`block`]: the lines of one commit as bytes.
//! - [`checkpoint`]: signatures over the chain so far.
//! - [`verify`]: reads it all again and tells the first thing that is not as it was written.
//!
//! Whoever changes something appends in the transaction of the change itself, so that neither can be
//! without the other; the head of the chain is in the database, so every process can.

pub mod block;
pub mod checkpoint;
pub mod verify;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Store, StoreError, next_key};
use crate::domain::consent::{Consent, State};
use crate::domain::disclosure::Line;

/// What a row's hash begins with: the name and the version of this way to link.
const DOMAIN: &[u8] = b"courant-log-1";

/// Lines per row: what a reader must hold in memory.
pub(super) const LINES_MAX: usize = 4096;

/// SHA-256.
pub type Hash = [u8; 32];

/// What stands before the first row.
pub const GENESIS: Hash = [0; 32];

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its place in the chain, from 1.
    pub seq: u64,
    /// When it was written, milliseconds since 1970.
    pub at: i64,
    /// Hash of the row before.
    pub previous: Vec<u8>,
    /// The lines, as [`block`] writes them.
    pub content: Vec<u8>,
    /// Of all this.
    pub hash: Vec<u8>,
}

/// The hash that links a row to the one before.
///
/// The row's number is not part of it: that a row stands elsewhere shows by what it is linked to.
pub fn link(previous: &[u8], at: i64, content: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(previous);
    hash.update(at.to_be_bytes());
    hash.update(content);
    hash.finalize().into()
}

/// Writes a row: seq, at, previous, content, hash.
pub(super) const PUT_BLOCK: &str =
    "INSERT INTO disclosure_block (seq, at, previous, content, hash) VALUES (?, ?, ?, ?, ?)";

/// The number of the last row, and what the next one is linked to. To be asked in the transaction of that one.
pub(super) async fn head(conn: &mut SqliteConnection) -> Result<(i64, Hash), StoreError> {
    // Should rows be missing, the next is linked to the last that is there: verifying tells the gap.
    let row = sqlx::query(
        "SELECT value, (SELECT hash FROM disclosure_block ORDER BY seq DESC LIMIT 1) \
         FROM counter WHERE name = 'disclosure'",
    )
    .fetch_one(conn)
    .await?;
    let hash: Option<Vec<u8>> = row.try_get(1)?;
    let hash = match hash {
        Some(hash) => hash.try_into().map_err(|_| StoreError::row("a link of another length"))?,
        None => GENESIS,
    };
    Ok((row.try_get(0)?, hash))
}

/// Appends lines, in the transaction of what they tell of.
pub(super) async fn append(conn: &mut SqliteConnection, at: i64, lines: &[Line]) -> Result<(), StoreError> {
    for lines in lines.chunks(LINES_MAX) {
        let (last, previous) = head(conn).await?;
        let seq = next_key(conn, "disclosure").await?;
        debug_assert_eq!(seq, last + 1);
        let content = block::encode(lines);
        let hash = link(&previous, at, &content);
        sqlx::query(PUT_BLOCK)
            .bind(seq)
            .bind(at)
            .bind(&previous[..])
            .bind(content)
            .bind(&hash[..])
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// SHA-256 of what was agreed to: the record as JSON, without where it stands.
///
/// Times count to the millisecond, as the store keeps them. A field that is added to consents later must
/// be left out of the JSON where it says nothing, or older records would seem changed.
pub fn terms(consent: &Consent) -> Result<Hash, StoreError> {
    let cut = |at: Timestamp| super::timestamp(super::millis(at));
    let mut terms = consent.clone();
    terms.state = State::Requested;
    terms.since = Timestamp::UNIX_EPOCH;
    terms.ended_by = None;
    terms.end_reason = None;
    terms.valid_from = cut(terms.valid_from)?;
    terms.valid_until = cut(terms.valid_until)?;
    terms.data_from = terms.data_from.map(cut).transpose()?;
    terms.data_until = terms.data_until.map(cut).transpose()?;
    let json = serde_json::to_vec(&terms).map_err(|e| StoreError::row(e.to_string()))?;
    Ok(Sha256::digest(json).into())
}

impl Store {
    /// Appends lines on their own: what was fetched leaves no other trace.
    pub async fn disclose(&self, at: i64, lines: &[Line]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        append(&mut tx, at, lines).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The number of the last row ever written.
    pub async fn disclosures_end(&self) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT value FROM counter WHERE name = 'disclosure'").fetch_one(self.pool()).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// Up to `limit` rows after `seq`, in order.
    pub async fn disclosure_blocks(&self, seq: u64, limit: u32) -> Result<Vec<Block>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, at, previous, content, hash FROM disclosure_block WHERE seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(seq.cast_signed())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

/// A row as it stands. What is not even of the right kind reads as empty, which fits no hash.
fn read(row: &SqliteRow) -> Result<Block, StoreError> {
    Ok(Block {
        seq: row.try_get::<i64, _>(0)?.unsigned_abs(),
        at: row.try_get(1).unwrap_or_default(),
        previous: row.try_get(2).unwrap_or_default(),
        content: row.try_get(3).unwrap_or_default(),
        hash: row.try_get(4).unwrap_or_default(),
    })
}
