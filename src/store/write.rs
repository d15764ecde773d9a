//! The one way to write: a transaction that has the writer's lock from its first moment.
//!
//! SQLite ends a transaction by itself when the disk is full, when a read or write of the file fails, or when
//! memory runs out. Whoever believes that it is still there then asks in vain, for ever. So a connection whose
//! transaction cannot be taken back in the usual way is thrown away, and so is one that was opened while the
//! file could not be written: it would never write, also when the file can be written again.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::OwnedSemaphorePermit;

use super::{BUSY_TIMEOUT, CONNECTIONS, Store, StoreError};

/// Takes the writer's lock. SQLite gives a connection that cannot write a reader's instead, without a word; the
/// second statement, which changes nothing, finds that out.
const BEGIN: &str = "BEGIN IMMEDIATE; UPDATE counter SET value = value WHERE FALSE";

/// How often to close all connections and try again where the file cannot be written: others may open one meanwhile.
pub(super) const READ_ONLY_AGAIN: usize = 3;

/// On what room of the disk a transaction may count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// What there is, as long as the reserve is there beside it.
    Usual,
    /// Whatever there is: it is the end of a consent.
    Ends,
    /// The reserve, which is let go for it.
    Reserve,
}

/// A transaction under way. Dropped without [`Write::commit`], it is taken back.
#[derive(Debug)]
pub(crate) struct Write {
    connection: Option<PoolConnection<Sqlite>>,
    /// One transaction of this process at a time, so that readers find a connection while others wait for the lock.
    turn: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Begins to write, as soon as nobody else does.
    pub(crate) async fn write(&self) -> Result<Write, StoreError> {
        self.write_in(Room::Usual).await
    }

    /// Begins to write, and in which room.
    pub(super) async fn write_in(&self, room: Room) -> Result<Write, StoreError> {
        if room == Room::Usual && !self.reserve.is_whole() {
            return Err(StoreError::Full);
        }
        let write = self.write_within(BUSY_TIMEOUT).await?;
        // Only now, as nobody else can take the room any more.
        if room == Room::Reserve && !self.reserve.let_go() {
            return Err(StoreError::Full);
        }
        Ok(write)
    }

    async fn write_within(&self, patience: Duration) -> Result<Write, StoreError> {
        let turn = tokio::time::timeout(patience, std::sync::Arc::clone(&self.turn).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let mut write = Write { connection: None, turn: Some(turn) };
        for _ in 0..READ_ONLY_AGAIN {
            match self.begin(&mut write).await {
                Err(StoreError::ReadOnly) => self.close_all().await,
                outcome => return outcome.map(|()| write),
            }
        }
        self.begin(&mut write).await.map(|()| write)
    }

    async fn begin(&self, write: &mut Write) -> Result<(), StoreError> {
        write.connection = Some(self.pool().acquire().await?);
        let begun = sqlx::query(BEGIN).execute(&mut **write).await;
        if begun.is_err() {
            write.throw_away().await;
        }
        begun.map(drop).map_err(StoreError::from)
    }

    /// Closes the pool's connections, as soon as those that use one are done. The file could not be written: each of
    /// them may have been opened at such a time, and as long as one is open all others of the process share its view
    /// of the file.
    pub(super) async fn close_all(&self) {
        let _alone = self.closing.lock().await;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.extend(self.pool().acquire().await);
        }
        // At once, so that who waits for one finds none of them open any more.
        join_all(held.into_iter().map(PoolConnection::close)).await;
    }
}

impl Write {
    /// Keeps all that was written. An error means that nothing of it is.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        self.connection = None;
        Ok(())
    }

    async fn throw_away(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Nothing rests on how it closes: whatever it had under way is taken back.
            let _ = connection.close().await;
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let turn = self.turn.take();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.close_on_drop();
            return;
        };
        runtime.spawn(async move {
            if sqlx::query("ROLLBACK").execute(&mut *connection).await.is_err() {
                let _ = connection.close().await;
            } else {
                drop(connection);
            }
            drop(turn);
        });
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        // It is there from the beginning until the end.
        self.connection.as_ref().expect("a transaction under way")
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a transaction under way")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CONNECTIONS, Durability, Store, StoreError};
    use crate::domain::clock;
    use crate::domain::consent::State;
    use crate::domain::consent::tests::sample;
    use crate::domain::language::Language;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        (dir, Store::open(&url, Durability::Off).await.unwrap())
    }

    /// Has every connection of the pool do this.
    async fn everywhere(store: &Store, pragma: &'static str) {
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = store.pool().acquire().await.unwrap();
            sqlx::query(pragma).fetch_all(&mut *connection).await.unwrap();
            held.push(connection);
        }
    }

    async fn is_written_to(store: &Store) {
        for _ in 0..=CONNECTIONS {
            store.choose_language(&"ann@home.example".parse().unwrap(), Language::Fr).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_to_again() {
        let (_dir, store) = store().await;
        let consent = sample();
        store.add_consent(&consent, "admin", consent.since).await.unwrap();
        // The file may not grow, for those connections: SQLite ends the transaction by itself.
        everywhere(&store, "PRAGMA max_page_count = 1").await;
        let mut full = 0;
        for n in 0..1000 {
            let id = uuid::Uuid::from_u128(100 + n);
            let more = crate::domain::consent::Consent { id, arrangement: id, ..sample() };
            match store.add_consent(&more, "admin", consent.since).await {
                Ok(_) => assert!(full < CONNECTIONS, "room there is, as no connection is left that has none"),
                Err(StoreError::Full) => full += 1,
                Err(other) => panic!("{other:?}"),
            }
            if full == CONNECTIONS {
                break;
            }
        }
        assert_eq!(full, CONNECTIONS);
        is_written_to(&store).await;
        store.end_consent(consent.id, State::Withdrawn, "ann", None, clock::wall()).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_was_read_only_is_written_to_again() {
        let (_dir, store) = store().await;
        everywhere(&store, "PRAGMA query_only = 1").await;
        is_written_to(&store).await;
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing_and_holds_nobody_up() {
        let (_dir, store) = store().await;
        for _ in 0..3 {
            let mut write = store.write().await.unwrap();
            sqlx::query("UPDATE counter SET value = 77").execute(&mut *write).await.unwrap();
            drop(write);
        }
        is_written_to(&store).await;
        let (largest,): (i64,) =
            sqlx::query_as("SELECT MAX(value) FROM counter").fetch_one(store.pool()).await.unwrap();
        assert!(largest < 77);
    }

    #[tokio::test]
    async fn readers_find_a_connection_while_many_want_to_write() {
        let (_dir, store) = store().await;
        let held = store.write().await.unwrap();
        let impatient = Duration::from_millis(1);
        for _ in 0..10 {
            assert!(matches!(store.write_within(impatient).await, Err(StoreError::Busy)));
        }
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.write().await.unwrap().commit().await })
            })
            .collect();
        store.language_of(&"ann@home.example".parse().unwrap()).await.unwrap();
        drop(held);
        for done in waiting {
            done.await.unwrap().unwrap();
        }
    }

    /// Everything that writes goes by one of the two places that know what to do when it fails.
    #[test]
    fn there_is_no_other_way_to_write() {
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("store/write.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for (number, line) in text.split("#[cfg(test)]").next().unwrap().lines().enumerate() {
                        let writes =
                            ["begin_with(", "pool().begin(", ".execute(self.pool())", "pool.execute("];
                        if writes.iter().any(|way| line.contains(way)) {
                            found.push(format!("{}:{}: use Store::write", path.display(), number + 1));
                        }
                    }
                }
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    }
}
