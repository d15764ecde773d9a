//! What goes because somebody says so: an item replaced or retracted, a node purged or deleted, the oldest
//! of too many.

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::CHUNK_BITS;
use super::reach::Reach;
use crate::domain::party::Subject;
use crate::store::{Store, StoreError};

/// How many items go in one transaction, so that others get their turn.
const AT_ONCE: u32 = 1000;

/// Removes an item and its records.
pub(super) async fn remove_item(conn: &mut SqliteConnection, key: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM history_chunk WHERE key >= ? AND key < ?")
        .bind(key << CHUNK_BITS)
        .bind((key + 1) << CHUNK_BITS)
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM history_item WHERE key = ?").bind(key).execute(conn).await?;
    Ok(())
}

/// Keeps the newest `most` items of a node.
pub(super) async fn trim(conn: &mut SqliteConnection, node: i64, most: u32) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT key FROM history_item WHERE node = ? ORDER BY key DESC LIMIT -1 OFFSET ?")
        .bind(node)
        .bind(most)
        .fetch_all(&mut *conn)
        .await?;
    for row in rows {
        remove_item(conn, row.try_get(0)?).await?;
    }
    Ok(())
}

/// The most that is noted of what was retracted; of more, the oldest is known again after a restart.
const RETRACTED_MAX: i64 = 100_000;

/// Has these items be new when they come again, though the journal still has them; none is all of the node.
///
/// In the transaction that removes them, so that a restart knows of one as of the other.
async fn note_retracted(
    conn: &mut SqliteConnection,
    node: &str,
    items: Option<&[String]>,
) -> Result<(), StoreError> {
    // What the journal has no row of any more is new by itself.
    sqlx::query("DELETE FROM retracted WHERE seq < COALESCE((SELECT MIN(seq) FROM journal), seq + 1)")
        .execute(&mut *conn)
        .await?;
    let each: Vec<Option<&str>> = items.map_or(vec![None], |ids| ids.iter().map(|id| Some(&**id)).collect());
    for item in each {
        sqlx::query(
            "INSERT INTO retracted (seq, node, item) SELECT value, ?, ? FROM counter WHERE name = 'journal'",
        )
        .bind(node)
        .bind(item)
        .execute(&mut *conn)
        .await?;
    }
    // Rows that wait, or that a dead letter names, are old.
    sqlx::query("DELETE FROM retracted WHERE key <= (SELECT MAX(key) FROM retracted) - ?")
        .bind(RETRACTED_MAX)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Items that were retracted while the journal had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retracted {
    /// The end of the journal at that moment: what came later came after it.
    pub seq: u64,
    /// Of this node.
    pub node: String,
    /// This one, or all of them.
    pub item: Option<String>,
}

impl Store {
    /// What was retracted of what the journal has, in order.
    pub async fn retracted(&self) -> Result<Vec<Retracted>, StoreError> {
        let rows =
            sqlx::query("SELECT seq, node, item FROM retracted ORDER BY key").fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(Retracted {
                    seq: row.try_get::<i64, _>(0)?.unsigned_abs(),
                    node: row.try_get(1)?,
                    item: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// Removes of these items of a node what this holder's tenures have of them, of all or of none. `false` if one of
    /// them is not there, or has nothing of theirs, and then nothing happened.
    pub async fn retract(
        &self,
        node: &str,
        ids: &[String],
        holder: Option<&Subject>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let mut reach = Reach::of(holder);
        for id in ids {
            let found = sqlx::query(
                "SELECT i.key FROM history_item AS i JOIN history_series AS n ON n.key = i.node \
                 WHERE n.name = ? AND i.id = ?",
            )
            .bind(node)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = found else { return Ok(false) };
            if !reach.item(&mut tx, row.try_get(0)?).await? {
                return Ok(false);
            }
        }
        note_retracted(&mut tx, node, Some(ids)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes all that is kept of a node of this holder's tenures: its items, and what is kept of the series of that
    /// name.
    pub async fn purge(&self, node: &str, holder: Option<&Subject>) -> Result<(), StoreError> {
        let mut reach = Reach::of(holder);
        let (mut last_item, mut last_chunk) = (-1, -1);
        loop {
            let mut tx = self.write().await?;
            let items = sqlx::query(
                "SELECT i.key FROM history_item AS i JOIN history_series AS n ON n.key = i.node \
                 WHERE n.name = ? AND i.key > ? ORDER BY i.key LIMIT ?",
            )
            .bind(node)
            .bind(last_item)
            .bind(AT_ONCE)
            .fetch_all(&mut *tx)
            .await?;
            for row in &items {
                last_item = row.try_get(0)?;
                reach.item(&mut tx, last_item).await?;
            }
            let chunks = sqlx::query(
                "SELECT c.key, s.name, c.first, c.last, c.payload FROM history_chunk AS c \
                 JOIN history_series AS s ON s.key = c.series WHERE s.name = ? AND c.key > ? \
                 ORDER BY c.key LIMIT ?",
            )
            .bind(node)
            .bind(last_chunk)
            .bind(AT_ONCE)
            .fetch_all(&mut *tx)
            .await?;
            for row in &chunks {
                last_chunk = row.try_get(0)?;
                reach.chunk(&mut tx, row).await?;
            }
            let done = items.is_empty() && chunks.is_empty();
            if done {
                note_retracted(&mut tx, node, None).await?;
            }
            tx.commit().await?;
            if done {
                return Ok(());
            }
        }
    }

    /// Forgets a name that nothing is kept of any more.
    pub async fn forget_name(&self, name: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "DELETE FROM history_series WHERE name = ?1 \
             AND NOT EXISTS (SELECT 1 FROM history_item WHERE node = history_series.key) \
             AND NOT EXISTS (SELECT 1 FROM history_chunk WHERE series = history_series.key)",
        )
        .bind(name)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Keeps the newest `most` items of a node.
    pub async fn keep_newest(&self, node: &str, most: u32) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let key = sqlx::query("SELECT key FROM history_series WHERE name = ?")
            .bind(node)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = key {
            trim(&mut tx, row.try_get(0)?, most).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
