//! What can go wrong with the database, in words that say what to do next.

use thiserror::Error;
use uuid::Uuid;

use crate::domain::consent::ConsentError;

/// Trouble with the store. Towards XMPP all of it is `internal-server-error` (wait).
#[derive(Debug, Error)]
pub enum StoreError {
    /// Not a URL that is understood.
    #[error(
        "[store] url '{url}' is not understood; write sqlite: and a path, as in sqlite:/var/lib/courant/courant.db"
    )]
    Url {
        /// What was given.
        url: String,
    },
    /// The file cannot be opened or created.
    #[error(
        "cannot open the database {url}: {cause}; check that the folder exists and that this user may write there ([store] url)"
    )]
    Open {
        /// What was given.
        url: String,
        /// What SQLite says.
        cause: String,
    },
    /// It is not a database, or damaged.
    #[error(
        "{url} is damaged or not a database: {cause}; nothing was changed. Put a backup in its place, or move it away to start anew"
    )]
    Damaged {
        /// What was given.
        url: String,
        /// What SQLite says.
        cause: String,
    },
    /// It was written by a newer program.
    #[error(
        "{url} was written by a newer version of courant (schema {version}); nothing was changed. Install that version or a later one"
    )]
    Newer {
        /// What was given.
        url: String,
        /// The schema found.
        version: i64,
    },
    /// Bringing the schema up to date failed.
    #[error("the schema of {url} could not be brought up to date: {cause}")]
    Migration {
        /// What was given.
        url: String,
        /// What sqlx says.
        cause: String,
    },
    /// There is something with this name already.
    #[error("{what} is there already")]
    Exists {
        /// Of what, by name.
        what: String,
    },
    /// What was to be recorded is against the rules of consents.
    #[error(transparent)]
    Consent(ConsentError),
    /// Held by another process for too long.
    #[error("the database is held by another process; try again when it is done")]
    Busy,
    /// No room left.
    #[error("the disk of the database is full; make room")]
    Full,
    /// It can be read only.
    #[error(
        "the database cannot be written to; check that this user may write the file and its folder, and that the file system is not mounted read-only"
    )]
    ReadOnly,
    /// The end of a consent could not be written.
    #[error("{cause}. This is not recorded: repeat it then")]
    NotRecorded {
        /// Why not.
        cause: Box<StoreError>,
        /// Of these consents; none where nothing leaves under what was to end anyway.
        ids: Vec<Uuid>,
        /// Nothing leaves under them all the same, as long as this process runs.
        halted: bool,
    },
    /// A row says something that this program never writes.
    #[error("the database holds something unexpected: {what}")]
    Row {
        /// What.
        what: String,
    },
    /// Anything else.
    #[error("the database failed: {0}")]
    Other(sqlx::Error),
}

impl StoreError {
    pub(crate) fn row(what: impl Into<String>) -> Self {
        StoreError::Row { what: what.into() }
    }

    /// Whether it is the database that cannot be written, and not what was to be written that is wrong.
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::Busy | StoreError::Full | StoreError::ReadOnly | StoreError::Other(_))
    }

    /// Whether room would help, as far as one can tell: where a quota is used up it is the file system that fails.
    pub(super) fn wants_room(&self) -> bool {
        match self {
            StoreError::Full => true,
            StoreError::Other(error) => matches!(code(error), Some(10 | 14)),
            _ => false,
        }
    }

    pub(super) fn opening(url: &str, e: sqlx::Error) -> Self {
        let url = url.to_owned();
        match code(&e) {
            Some(11 | 26) => StoreError::Damaged { url, cause: plain(&e) },
            Some(5 | 6) => StoreError::Busy,
            _ => StoreError::Open { url, cause: plain(&e) },
        }
    }

    pub(super) fn migrating(url: &str, e: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        let url = url.to_owned();
        match e {
            MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
                StoreError::Newer { url, version }
            }
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => match code(&e) {
                Some(11 | 26) => StoreError::Damaged { url, cause: plain(&e) },
                Some(5 | 6) => StoreError::Busy,
                Some(13) => StoreError::Full,
                _ => StoreError::Migration { url, cause: plain(&e) },
            },
            other => StoreError::Migration { url, cause: other.to_string() },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(e: sqlx::Error) -> Self {
        match code(&e) {
            Some(5 | 6) => StoreError::Busy,
            Some(8) => StoreError::ReadOnly,
            Some(13) => StoreError::Full,
            // Readers and writers share a small file beside the database, and it could not grow (IOERR_SHMSIZE).
            Some(10) if extended(&e) == Some(4874) => StoreError::Full,
            _ if matches!(e, sqlx::Error::PoolTimedOut) => StoreError::Busy,
            _ => StoreError::Other(e),
        }
    }
}

/// SQLite's primary result code (<https://sqlite.org/rescode.html>).
fn code(e: &sqlx::Error) -> Option<i32> {
    extended(e).map(|code| code & 0xff)
}

/// The whole of SQLite's result code.
fn extended(e: &sqlx::Error) -> Option<i32> {
    e.as_database_error()?.code()?.parse().ok()
}

/// What the database says, without the layers above it.
fn plain(e: &sqlx::Error) -> String {
    e.as_database_error().map_or_else(|| e.to_string(), |d| d.message().to_owned())
}
