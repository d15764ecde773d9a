//! The one that commits: a whole group in one transaction, and in the usual case in one call.
//!
//! Every statement costs a hand-over to SQLite's thread and back, more than most statements cost themselves.
//! So what nearly every group has (rows, a destination or two, a row of the disclosure log) goes as one text
//! with several statements, of few different shapes, so that each stays prepared. What is rare goes before
//! it, in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::disclosures::{self, Hash, LINES_MAX, block};
use super::journal::{self, Batch, Destination, Row};
use super::write::READ_ONLY_AGAIN;
use super::{Store, StoreError};

/// Rows in one statement, at most.
const ROWS_MAX: usize = 64;

/// Columns of a row.
const COLUMNS: usize = 9;

/// Destinations in one text, at most.
const DESTINATIONS_MAX: usize = 2;

/// What one text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    /// It opens the transaction.
    begins: bool,
    /// So many rows, 0 or a power of two.
    rows: usize,
    destinations: usize,
    /// A row of the disclosure log.
    block: bool,
    /// It closes the transaction.
    commits: bool,
}

impl Shape {
    fn sql(self) -> String {
        let mut sql = String::new();
        if self.begins {
            sql += "BEGIN IMMEDIATE;";
        }
        if self.rows > 0 {
            // What is not needed of the shape is filled with NULLs, and passed over.
            sql += "INSERT INTO journal (seq, accepted_at, publisher, node, item, digest, digest_high, owed, payload) \
                    SELECT * FROM (VALUES ";
            sql += &vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?)"; self.rows].join(", ");
            sql += ") WHERE column1 IS NOT NULL;UPDATE counter SET value = ? WHERE name = 'journal';";
        }
        for _ in 0..self.destinations {
            sql += journal::PUT_DESTINATION;
            sql += ";";
        }
        if self.block {
            sql += disclosures::PUT_BLOCK;
            sql += ";UPDATE counter SET value = ? WHERE name = 'disclosure';";
        }
        if self.commits {
            sql += "COMMIT";
        }
        sql
    }

    /// How many statements that is.
    fn statements(self) -> usize {
        let Shape { begins, rows, destinations, block, commits } = self;
        usize::from(begins)
            + 2 * usize::from(rows > 0)
            + destinations
            + 2 * usize::from(block)
            + usize::from(commits)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    /// Used for nothing else. Thrown away after an error, unless a number was only taken: its transaction may have
    /// ended by itself (a full disk), or may not end, or it was opened while the file could not be written.
    connection: Option<SqliteConnection>,
    /// The end of the disclosure log, as far as known here; another process may have written meanwhile.
    head: Option<(i64, Hash)>,
    texts: HashMap<Shape, Arc<str>>,
}

impl Committer {
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        let connection = Some(store.options.connect().await?);
        Ok(Committer { store, connection, head: None, texts: HashMap::new() })
    }

    /// Writes a group, all of it or nothing.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if !self.store.reserve.is_whole() {
            return Err(StoreError::Full);
        }
        let known = self.head.is_some();
        match self.attempt(batch).await {
            // The place in the disclosure log was taken: somebody else wrote there.
            Err(StoreError::Other(error)) if known && is_conflict(&error) => self.attempt(batch).await,
            // It may be what other connections of this process saw of the file, earlier.
            Err(StoreError::ReadOnly) => {
                for _ in 0..READ_ONLY_AGAIN {
                    self.store.close_all().await;
                    match self.attempt(batch).await {
                        Err(StoreError::ReadOnly) => {}
                        outcome => return outcome,
                    }
                }
                Err(StoreError::ReadOnly)
            }
            outcome => outcome,
        }
    }

    async fn attempt(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.options.connect().await?,
        };
        match self.write(&mut connection, batch).await {
            Ok(()) => self.connection = Some(connection),
            Err(error) => {
                self.head = None;
                let taken_back = sqlx::query("ROLLBACK").execute(&mut connection).await.is_ok();
                match taken_back && matches!(&error, StoreError::Other(error) if is_conflict(error)) {
                    true => self.connection = Some(connection),
                    // Nothing rests on how it closes.
                    false => drop(connection.close().await),
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write(&mut self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        let early = batch.rows.len().saturating_sub(1) / ROWS_MAX * ROWS_MAX;
        let (early_rows, rows) = batch.rows.split_at(early);
        let most = batch.destinations.len().min(DESTINATIONS_MAX);
        let (destinations, more) = batch.destinations.split_at(most);
        let early = batch.disclosures.len().saturating_sub(1) / LINES_MAX * LINES_MAX;
        let (early_lines, lines) = batch.disclosures.split_at(early);
        let is_usual = early_rows.is_empty()
            && more.is_empty()
            && early_lines.is_empty()
            && !journal::has_rarities(batch)
            && (lines.is_empty() || self.head.is_some());
        if !is_usual {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            let shape =
                Shape { begins: false, rows: ROWS_MAX, destinations: 0, block: false, commits: false };
            for rows in early_rows.chunks(ROWS_MAX) {
                let mut values = SqliteArguments::default();
                bind_rows(&mut values, ROWS_MAX, rows)?;
                self.execute(connection, shape, values).await?;
            }
            journal::put_destinations(connection, more).await?;
            disclosures::append(connection, batch.at, early_lines).await?;
            journal::write_rarities(connection, batch).await?;
            if !lines.is_empty() {
                self.head = Some(disclosures::head(connection).await?);
            }
        }
        let shape = Shape {
            begins: is_usual,
            rows: if rows.is_empty() { 0 } else { rows.len().next_power_of_two() },
            destinations: destinations.len(),
            block: !lines.is_empty(),
            commits: true,
        };
        let mut values = SqliteArguments::default();
        bind_rows(&mut values, shape.rows, rows)?;
        for destination in destinations {
            bind_destination(&mut values, destination)?;
        }
        let mut head = self.head;
        if let (false, Some((last, previous))) = (lines.is_empty(), self.head) {
            let content = block::encode(lines);
            let hash = disclosures::link(&previous, batch.at, &content);
            let seq = last + 1;
            bind(&mut values, seq)?;
            bind(&mut values, batch.at)?;
            bind(&mut values, previous.to_vec())?;
            bind(&mut values, content)?;
            bind(&mut values, hash.to_vec())?;
            bind(&mut values, seq)?;
            head = Some((seq, hash));
        }
        self.execute(connection, shape, values).await?;
        self.head = head;
        Ok(())
    }

    async fn execute(
        &mut self,
        connection: &mut SqliteConnection,
        shape: Shape,
        values: SqliteArguments,
    ) -> Result<(), StoreError> {
        let sql = self.texts.entry(shape).or_insert_with(|| shape.sql().into());
        // Made of constants alone.
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), values);
        // Each statement says when it is done. That no more will follow is not worth waking up for again.
        let mut done = connection.execute_many(query).take(shape.statements());
        while done.try_next().await?.is_some() {}
        Ok(())
    }
}

fn bind_rows(values: &mut SqliteArguments, shape: usize, rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        bind(values, row.seq.cast_signed())?;
        bind(values, row.accepted_at)?;
        bind(values, Arc::clone(&row.publisher))?;
        bind(values, Arc::clone(&row.node))?;
        bind(values, Arc::clone(&row.item))?;
        bind(values, (row.digest as u64).cast_signed())?;
        bind(values, ((row.digest >> 64) as u64).cast_signed())?;
        bind(values, row.owed.clone())?;
        bind(values, row.payload.clone())?;
    }
    for _ in rows.len() * COLUMNS..shape * COLUMNS {
        bind(values, None::<i64>)?;
    }
    if let Some(last) = rows.last() {
        bind(values, last.seq.cast_signed())?;
    }
    Ok(())
}

fn bind_destination(values: &mut SqliteArguments, destination: &Destination) -> Result<(), StoreError> {
    bind(values, destination.domain.clone())?;
    bind(values, destination.confirmed.cast_signed())?;
    bind(values, destination.answers_pings)?;
    bind(values, destination.first_contact)?;
    bind(values, destination.own_server)
}

fn bind<'a, T>(values: &mut SqliteArguments, value: T) -> Result<(), StoreError>
where
    T: 'a + sqlx::Encode<'a, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    values.add(value).map_err(|error| StoreError::row(error.to_string()))
}

/// Whether a row of this number was there already.
fn is_conflict(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|e| e.is_unique_violation())
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;
    use crate::domain::disclosure::{Line, Proof};

    fn batch(first: u64, rows: usize, lines: usize) -> Batch {
        let row = |seq| Row {
            seq,
            accepted_at: 1,
            publisher: "gw@x".into(),
            node: "urn:a".into(),
            item: "i".into(),
            digest: 7,
            owed: vec![1],
            payload: vec![2],
        };
        let proof = Proof::RecipientServer;
        let line = |n: usize| Line::Confirmed { domain: "b.example".into(), seq: n as u64, proof };
        Batch {
            rows: (first..first + rows as u64).map(row).collect(),
            disclosures: (0..lines).map(line).collect(),
            at: 5,
            ..Batch::default()
        }
    }

    #[tokio::test]
    async fn groups_of_every_size_are_kept_and_linked() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        let mut committer = store.committer().await.unwrap();
        let mut next = 1;
        for (rows, lines) in
            [(0, 1), (1, 1), (3, 0), (64, 2), (65, 1), (129, LINES_MAX + 1), (2, 2 * LINES_MAX)]
        {
            committer.commit(&batch(next, rows, lines)).await.unwrap();
            next += rows as u64;
            assert_eq!(store.journal_end().await.unwrap(), next - 1);
        }
        let kept = store.journal_outlines(0, 1000).await.unwrap();
        assert_eq!(kept.iter().map(|o| o.seq).collect::<Vec<_>>(), (1..next).collect::<Vec<_>>());
        // Somebody else writes into the log; the next group is linked to that.
        let mut other = store.connection().await.unwrap();
        disclosures::append(&mut other, 6, &batch(0, 0, 1).disclosures).await.unwrap();
        committer.commit(&batch(next, 5, 1)).await.unwrap();
        let blocks = store.disclosure_blocks(0, 1000).await.unwrap();
        assert_eq!(blocks.len(), 10);
        let mut previous = disclosures::GENESIS.to_vec();
        for block in blocks {
            assert_eq!(block.previous, previous);
            assert_eq!(disclosures::link(&block.previous, block.at, &block.content).to_vec(), block.hash);
            previous = block.hash;
        }
    }

    #[tokio::test]
    async fn each_statement_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        let mut connection = store.connection().await.unwrap();
        let mut next = 1;
        for (begins, commits) in [(true, true), (false, false), (false, true)] {
            for (rows, destinations, block) in [(0, 1, true), (1, 0, false), (4, 2, true), (64, 0, false)] {
                next += 1;
                let shape = Shape { begins, rows, destinations, block, commits };
                if !begins {
                    sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
                }
                let batch = batch(next, rows, 0);
                next += rows as u64;
                let mut values = SqliteArguments::default();
                bind_rows(&mut values, rows, &batch.rows).unwrap();
                for _ in 0..destinations {
                    let destination = Destination { domain: "b.example".into(), ..Destination::default() };
                    bind_destination(&mut values, &destination).unwrap();
                }
                if block {
                    let seq = next.cast_signed();
                    bind(&mut values, seq).unwrap();
                    bind(&mut values, 5).unwrap();
                    for octets in [32, 1, 32] {
                        bind(&mut values, vec![0; octets]).unwrap();
                    }
                    bind(&mut values, seq).unwrap();
                }
                let query = sqlx::query_with(AssertSqlSafe(shape.sql()), values);
                let done: Vec<_> = connection.execute_many(query).try_collect().await.unwrap();
                assert_eq!(done.len(), shape.statements(), "{shape:?}");
                let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
            }
        }
    }

    #[tokio::test]
    async fn what_fails_leaves_nothing_and_the_next_group_goes_through() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        let mut committer = store.committer().await.unwrap();
        committer.commit(&batch(1, 2, 1)).await.unwrap();
        // The last of these is there already.
        let mut wrong = batch(3, 2, 1);
        wrong.rows.push(wrong.rows[0].clone());
        committer.commit(&wrong).await.unwrap_err();
        assert_eq!(store.journal_end().await.unwrap(), 2);
        assert_eq!(store.disclosures_end().await.unwrap(), 1);
        committer.commit(&batch(3, 2, 1)).await.unwrap();
        assert_eq!(store.journal_end().await.unwrap(), 4);
        assert_eq!(store.disclosures_end().await.unwrap(), 2);
    }
}
