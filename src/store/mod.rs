//! What must survive: SQLite in WAL mode, through sqlx, with embedded migrations.
//!
//! - [`Store`] opens and migrates the file, and hands out its rooms' functions.
//! - [`series`], [`consents`] (and [`consent_steps`], how they change; [`consent_acts`], many at
//!   once; `consent_trail`, what is written down of it;
//!   [`consent_sweep`], what time does to them; [`consent_scopes`], what they are for; `arrangements`, what renews
//!   what), [`subscriptions`]: the records people make; each write leaves a [`changes`] line, which the running
//!   service follows, whoever wrote.
//! - [`registering`], [`moving`]: new registrations, and series that change hands; `tenures`, who held them when;
//!   [`moved_parties`], `leaks`, [`move_notices`]: whom a move concerns, what left already, what they are told.
//! - [`overview`]: all of these, as a service reads them at its start.
//! - [`journal`]: accepted items and what is owed of them; [`commit`]: the one writer, in groups.
//! - [`items`]: what is kept of them for history, found by time of measurement.
//! - [`reductions`]: running sums of series whose detail may not leave.
//! - [`dead_letters`]: what will not be delivered by trying again, until the operator decides.
//! - [`notices`]: ends of consents that those concerned are still to be told.
//! - [`persons`]: what people chose for themselves.
//! - [`disclosures`]: the log of what was sent or refused, chained and signed.
//! - `write`: the transaction through which everything but the journal is written; `reserve`: the room that is kept for
//!   ends of consents when the disk is full; [`unrecorded`]: those that could not be written nevertheless.
//!
//! Rows stay inside: domain types go in and come out. What consent means is not decided here.

mod around;
mod arrangements;
pub mod changes;
pub mod commit;
pub mod consent_acts;
pub mod consent_scopes;
pub mod consent_steps;
pub mod consent_sweep;
mod consent_trail;
pub mod consents;
pub mod dead_letters;
pub mod disclosures;
pub mod error;
mod followers;
pub mod items;
pub mod journal;
mod leaks;
pub mod move_notices;
pub mod moved_parties;
pub mod moving;
pub mod notices;
pub mod overview;
pub mod persons;
pub mod reductions;
pub mod registering;
mod reserve;
pub mod series;
pub mod subscriptions;
mod tenures;
pub mod unrecorded;
pub mod whose;
pub mod wishes;
mod write;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row};
use tokio::sync::{Mutex, Semaphore};

use commit::Committer;
pub use error::StoreError;
use reserve::Reserve;
use unrecorded::Unrecorded;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How long to wait for another process that holds the database before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections in the pool: one that writes, others that read meanwhile. The journal has one of its own.
const CONNECTIONS: u32 = 3;

/// What a connection keeps of the file, in KiB: the kernel keeps it too, and there are four connections. A group
/// of commits fits in.
const PAGE_CACHE_KIB: u32 = 512;

/// What a commit survives, and what it costs (`[delivery] durability`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Every acknowledged pack survives a power cut: one fsync per group of commits.
    #[default]
    Full,
    /// Survives the end of the process at any moment; a power cut may take the last moments.
    Normal,
    /// Survives the end of the process; a power cut may damage the file.
    Off,
}

/// An open database.
#[derive(Debug, Clone)]
pub struct Store {
    options: SqliteConnectOptions,
    pool: SqlitePool,
    installation: String,
    /// Whose turn it is to write, in this process; see `write.rs`.
    turn: Arc<Semaphore>,
    /// Held by who closes all connections of the pool.
    closing: Arc<Mutex<()>>,
    reserve: Reserve,
    unrecorded: Unrecorded,
}

impl Store {
    /// Opens the database, creates it if it is not there, and brings its schema up to date.
    ///
    /// `url` is `sqlite:/path/to/file.db`.
    pub async fn open(url: &str, durability: Durability) -> Result<Self, StoreError> {
        if !url.starts_with("sqlite:") {
            return Err(StoreError::Url { url: url.to_owned() });
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::Url { url: url.to_owned() })?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::Full => SqliteSynchronous::Full,
                Durability::Normal => SqliteSynchronous::Normal,
                Durability::Off => SqliteSynchronous::Off,
            })
            .foreign_keys(true)
            .pragma("cache_size", format!("-{PAGE_CACHE_KIB}"))
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options.clone())
            .await
            .map_err(|e| StoreError::opening(url, e))?;
        MIGRATIONS.run(&pool).await.map_err(|e| StoreError::migrating(url, e))?;
        let installation = installation_id(&pool).await?;
        Ok(Store {
            reserve: Reserve::of(options.get_filename()),
            unrecorded: Unrecorded::default(),
            turn: Arc::new(Semaphore::new(1)),
            closing: Arc::default(),
            options,
            pool,
            installation,
        })
    }

    /// Opens the database for the end of a consent: where there is no room even for that, the room that is kept for
    /// it is let go.
    pub async fn open_for_an_end(url: &str, durability: Durability) -> Result<Self, StoreError> {
        match Self::open(url, durability).await {
            Err(StoreError::Open { .. } | StoreError::Full)
                if SqliteConnectOptions::from_str(url)
                    .is_ok_and(|options| Reserve::of(options.get_filename()).let_go()) =>
            {
                Self::open(url, durability).await
            }
            outcome => outcome,
        }
    }

    /// Keeps room beside the database for ends of consents when the disk is full: for the one that runs the service.
    pub fn keep_reserve(&self) {
        self.reserve.keep();
    }

    /// Sees whether that room is still there, and makes it anew when there is room for it.
    pub fn look_after_reserve(&self) {
        self.reserve.look();
    }

    /// Ends of consents that could not be written.
    pub fn unrecorded(&self) -> &Unrecorded {
        &self.unrecorded
    }

    /// A short text unlike any other installation's, so that ids made here are unlike any others.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// What published items are hashed with, so that nobody can make two that pass for one: a secret of the
    /// installation, made when it is asked for first.
    pub async fn repetition_key(&self) -> Result<[u8; 16], StoreError> {
        let known = "SELECT value FROM meta WHERE name = 'repetition_key'";
        if sqlx::query(known).fetch_optional(self.pool()).await?.is_none() {
            let mut fresh = [0; 16];
            getrandom::fill(&mut fresh).map_err(|e| StoreError::row(e.to_string()))?;
            let make =
                "INSERT INTO meta (name, value) VALUES ('repetition_key', ?) ON CONFLICT (name) DO NOTHING";
            let fresh = format!("{:032x}", u128::from_be_bytes(fresh));
            let mut write = self.write().await?;
            sqlx::query(make).bind(fresh).execute(&mut *write).await?;
            write.commit().await?;
        }
        let row = sqlx::query(known).fetch_one(self.pool()).await?;
        let key =
            u128::from_str_radix(row.try_get(0)?, 16).map_err(|_| StoreError::row("the repetition key"))?;
        Ok(key.to_be_bytes())
    }

    /// The one that writes the journal, on a connection of its own.
    pub async fn committer(&self) -> Result<Committer, StoreError> {
        Committer::start(self.clone()).await
    }

    /// A connection of one's own.
    #[cfg(test)]
    pub(crate) async fn connection(&self) -> Result<SqliteConnection, StoreError> {
        self.options.connect().await.map_err(StoreError::from)
    }

    /// For reading. Who writes takes [`Store::write`].
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes what is open; the write-ahead log is folded into the file.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

async fn installation_id(pool: &SqlitePool) -> Result<String, StoreError> {
    // Nothing is written where it is known: the database may be held, or the disk full.
    let known = "SELECT value FROM meta WHERE name = 'installation'";
    if let Some(row) = sqlx::query(known).fetch_optional(pool).await? {
        return Ok(row.try_get(0)?);
    }
    let fresh = uuid::Uuid::new_v4().simple().to_string();
    sqlx::query("INSERT INTO meta (name, value) VALUES ('installation', ?) ON CONFLICT (name) DO NOTHING")
        .bind(&fresh[..10])
        .execute(pool)
        .await?;
    let row = sqlx::query(known).fetch_one(pool).await?;
    Ok(row.try_get(0)?)
}

/// The next number of a kind, never used before.
pub(crate) async fn next_key(conn: &mut SqliteConnection, counter: &'static str) -> Result<i64, StoreError> {
    let row = sqlx::query("UPDATE counter SET value = value + 1 WHERE name = ? RETURNING value")
        .bind(counter)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// The first of `count` numbers in a row.
pub(crate) async fn next_keys(
    conn: &mut SqliteConnection,
    counter: &'static str,
    count: usize,
) -> Result<i64, StoreError> {
    let count = i64::try_from(count).map_err(|_| StoreError::row("a count"))?;
    let row = sqlx::query("UPDATE counter SET value = value + ?1 WHERE name = ?2 RETURNING value - ?1 + 1")
        .bind(count)
        .bind(counter)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// A point in time as the store keeps it: milliseconds since 1970.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A point in time from the store.
pub(crate) fn timestamp(millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|_| StoreError::row("a time out of range"))
}
