//! Accepted items and what is owed of them: one row per item, and per destination how far it confirmed.
//!
//! One writer commits whole groups ([`super::commit`]); an acknowledgement never precedes its commit. What a row
//! means is the relay's business: `owed` and `payload` are bytes here.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::items::{self, Retained};
use super::reductions::{self, PutReduction};
use super::{Store, StoreError, notices};
use crate::domain::disclosure::{Line, Proof};

/// One accepted item.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub accepted_at: i64,
    /// Bare address of who published it.
    pub publisher: Arc<str>,
    /// The node it was published to.
    pub node: Arc<str>,
    /// The item id on that node.
    pub item: Arc<str>,
    /// Of node, id and content as it came, to know the same item again; 0 where it says nothing of that.
    pub digest: u128,
    /// Who is owed what of it.
    pub owed: Vec<u8>,
    /// The records.
    pub payload: Vec<u8>,
}

impl Row {
    /// Whether it is a notice: owed to an address, not to subscriptions.
    pub fn is_notice(&self) -> bool {
        self.owed.first() == Some(&0)
    }
}

/// A row without its payload, as read at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Its place in the journal.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub accepted_at: i64,
    /// The node it was published to.
    pub node: String,
    /// The item id on that node.
    pub item: String,
    /// Of node, id and content as it came.
    pub digest: u128,
    /// Who is owed what of it.
    pub owed: Vec<u8>,
}

/// What is known of a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// The recipient's server domain.
    pub domain: String,
    /// Everything owed to it up to this seq was taken by its server.
    pub confirmed: u64,
    /// It has answered a ping of ours at least once.
    pub answers_pings: bool,
    /// Since when it leaves the pings of its first contact unanswered, milliseconds since 1970.
    pub first_contact: Option<i64>,
    /// Its first contact is over: one's own server's answer counts until it answers itself.
    pub own_server: bool,
}

impl Destination {
    /// Whose answer counts for it; nobody's before its first contact is over.
    pub fn proof(&self) -> Option<Proof> {
        match (self.answers_pings, self.own_server) {
            (true, _) => Some(Proof::RecipientServer),
            (false, true) => Some(Proof::OwnServer),
            (false, false) => None,
        }
    }
}

/// A delivery that will not succeed by trying again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which item.
    pub seq: u64,
    /// Under which subscription.
    pub subscription: u64,
    /// To whom.
    pub jid: String,
    /// From which node.
    pub node: String,
    /// Which item of it.
    pub item: String,
    /// The stanza error condition (RFC 6120 §8.3.3).
    pub condition: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// When it is tried again by itself, milliseconds since 1970; not at all where it came back for good.
    pub retry_at: Option<i64>,
}

/// What one commit writes, all or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// New items.
    pub rows: Vec<Row>,
    /// What of them is kept for history, in the order of `rows`.
    pub retained: Vec<Retained>,
    /// What the measurements of series under consents with a granularity have become.
    pub reductions: Vec<PutReduction>,
    /// Destinations that got further.
    pub destinations: Vec<Destination>,
    /// How far destinations got with notices: `confirmed` is the last one taken.
    pub noticed: Vec<Destination>,
    /// Notices, by number, that are owed in `rows` from now on.
    pub notices: Vec<u64>,
    /// Rows that are notices and are over.
    pub over: Vec<u64>,
    /// Deliveries given up.
    pub dead_letters: Vec<DeadLetter>,
    /// Dead letters, by number, that are owed again in `rows`.
    pub revived: Vec<u64>,
    /// What the disclosure log is told of all this.
    pub disclosures: Vec<Line>,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// Rows that nobody is owed any more.
    pub prune: Option<Prune>,
    /// How many items were forgotten before their time, since there were too many.
    pub forgotten: u64,
}

/// Which rows are to go: those that no dead letter names. What is left up to the last one is over ([`Store::pruned`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Of the first rows, up to this seq.
    First {
        /// The last one.
        upto: u64,
    },
    /// Of these.
    Range {
        /// Behind this seq.
        after: u64,
        /// The last one.
        upto: u64,
    },
}

impl Prune {
    /// The last of them.
    pub fn upto(self) -> u64 {
        let (Prune::First { upto } | Prune::Range { upto, .. }) = self;
        upto
    }
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.destinations.is_empty()
            && self.noticed.is_empty()
            && self.notices.is_empty()
            && self.over.is_empty()
            && self.dead_letters.is_empty()
            && self.revived.is_empty()
            && self.reductions.is_empty()
            && self.disclosures.is_empty()
            && self.prune.is_none()
            && self.forgotten == 0
    }
}

/// Notes how far a destination is: its domain, the seq, whether it answers pings, its first contact.
pub(super) const PUT_DESTINATION: &str = "INSERT INTO destination \
    (domain, confirmed, answers_pings, first_contact, own_server) VALUES (?, ?, ?, ?, ?) \
    ON CONFLICT (domain) DO UPDATE SET confirmed = excluded.confirmed, answers_pings = excluded.answers_pings, \
    first_contact = excluded.first_contact, own_server = excluded.own_server";

/// Notes how far destinations are.
pub(super) async fn put_destinations(
    conn: &mut SqliteConnection,
    destinations: &[Destination],
) -> Result<(), StoreError> {
    for destination in destinations {
        sqlx::query(PUT_DESTINATION)
            .bind(&destination.domain)
            .bind(destination.confirmed.cast_signed())
            .bind(destination.answers_pings)
            .bind(destination.first_contact)
            .bind(destination.own_server)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Notes how far destinations are with notices.
async fn put_noticed(conn: &mut SqliteConnection, destinations: &[Destination]) -> Result<(), StoreError> {
    for destination in destinations {
        sqlx::query(
            // Where there is data too, its first contact counts.
            "INSERT INTO destination (domain, confirmed, answers_pings, noticed, first_contact, own_server) \
             VALUES (?, 0, ?, ?, ?, ?) ON CONFLICT (domain) DO UPDATE SET noticed = excluded.noticed, \
             answers_pings = MAX(answers_pings, excluded.answers_pings), \
             first_contact = CASE WHEN confirmed = 0 THEN excluded.first_contact ELSE first_contact END, \
             own_server = CASE WHEN confirmed = 0 THEN excluded.own_server ELSE own_server END",
        )
        .bind(&destination.domain)
        .bind(destination.answers_pings)
        .bind(destination.confirmed.cast_signed())
        .bind(destination.first_contact)
        .bind(destination.own_server)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Notes which rows are notices, and which of them are over.
async fn note_notices(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let new: Vec<u64> = batch.rows.iter().filter(|row| row.is_notice()).map(|row| row.seq).collect();
    for (sql, seqs) in [
        ("INSERT INTO journal_notice (seq) SELECT value FROM json_each(?)", &new),
        ("DELETE FROM journal_notice WHERE seq IN (SELECT value FROM json_each(?))", &batch.over),
    ] {
        if !seqs.is_empty() {
            let list = serde_json::to_string(seqs).map_err(|e| StoreError::row(e.to_string()))?;
            sqlx::query(sql).bind(list).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

/// How many of the first rows are looked at when rows are pruned, beside those that dead letters name: a long
/// queue that has drained must not hold up the commit that prunes it.
const PRUNED_AT_ONCE: i64 = 8192;

/// Whether there is something in the batch that most batches do not have.
pub(super) fn has_rarities(batch: &Batch) -> bool {
    !batch.retained.is_empty()
        || !batch.reductions.is_empty()
        || !batch.noticed.is_empty()
        || !batch.notices.is_empty()
        || !batch.over.is_empty()
        || batch.rows.iter().any(Row::is_notice)
        || !batch.dead_letters.is_empty()
        || !batch.revived.is_empty()
        || batch.prune.is_some()
        || batch.forgotten > 0
}

/// Writes that.
pub(super) async fn write_rarities(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    items::write(conn, &batch.retained).await?;
    reductions::write(conn, &batch.reductions).await?;
    put_noticed(conn, &batch.noticed).await?;
    notices::taken_over(conn, &batch.notices).await?;
    note_notices(conn, batch).await?;
    for letter in &batch.dead_letters {
        let key = super::next_key(conn, "dead_letter").await?;
        sqlx::query(
            // What came back only when its item was gone cannot be tried again.
            "INSERT INTO dead_letter (key, seq, subscription, jid, node, item, condition, at, retry_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, \
             CASE WHEN EXISTS (SELECT 1 FROM journal WHERE seq = ?2) THEN ?9 END)",
        )
        .bind(key)
        .bind(letter.seq.cast_signed())
        .bind(letter.subscription.cast_signed())
        .bind(&letter.jid)
        .bind(&letter.node)
        .bind(&letter.item)
        .bind(&letter.condition)
        .bind(letter.at)
        .bind(letter.retry_at)
        .execute(&mut *conn)
        .await?;
    }
    for key in &batch.revived {
        super::dead_letters::remove(conn, *key).await?;
    }
    match batch.prune {
        None => {}
        Some(Prune::First { upto }) => {
            sqlx::query(
                "DELETE FROM journal WHERE seq IN (SELECT seq FROM \
                 (SELECT seq FROM journal WHERE seq <= ? ORDER BY seq \
                  LIMIT ? + (SELECT count(*) FROM dead_letter) + (SELECT count(*) FROM journal_notice)) \
                 WHERE seq NOT IN (SELECT seq FROM dead_letter) \
                 AND seq NOT IN (SELECT seq FROM journal_notice))",
            )
            .bind(upto.cast_signed())
            .bind(PRUNED_AT_ONCE)
            .execute(&mut *conn)
            .await?;
        }
        Some(Prune::Range { after, upto }) => {
            sqlx::query(
                "DELETE FROM journal WHERE seq > ? AND seq <= ? \
                 AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.seq = journal.seq) \
                 AND NOT EXISTS (SELECT 1 FROM journal_notice n WHERE n.seq = journal.seq)",
            )
            .bind(after.cast_signed())
            .bind(upto.cast_signed())
            .execute(&mut *conn)
            .await?;
        }
    }
    if batch.forgotten > 0 {
        sqlx::query("UPDATE counter SET value = value + ? WHERE name = 'repetitions_forgotten'")
            .bind(batch.forgotten.cast_signed())
            .execute(&mut *conn)
            .await?;
    }
    if let Some(prune) = batch.prune {
        let upto = prune.upto().cast_signed();
        sqlx::query("UPDATE counter SET value = ?1 WHERE name = 'pruned' AND value < ?1")
            .bind(upto)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

impl Store {
    /// The last seq handed out.
    pub async fn journal_end(&self) -> Result<u64, StoreError> {
        self.counter("journal").await
    }

    /// Up to here what is left of the journal is over: it is there for dead letters, and does not make an item known.
    pub async fn pruned(&self) -> Result<u64, StoreError> {
        self.counter("pruned").await
    }

    /// How many items were ever forgotten before their time, since there were too many.
    pub async fn repetitions_forgotten(&self) -> Result<u64, StoreError> {
        self.counter("repetitions_forgotten").await
    }

    async fn counter(&self, name: &'static str) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT value FROM counter WHERE name = ?").bind(name).fetch_one(self.pool()).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// All destinations known.
    pub async fn destinations(&self) -> Result<Vec<Destination>, StoreError> {
        let rows = sqlx::query(
            "SELECT domain, confirmed, answers_pings, first_contact, own_server FROM destination",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Destination {
                    domain: row.try_get(0)?,
                    confirmed: row.try_get::<i64, _>(1)?.unsigned_abs(),
                    answers_pings: row.try_get(2)?,
                    first_contact: row.try_get(3)?,
                    own_server: row.try_get(4)?,
                })
            })
            .collect()
    }

    /// How far destinations are with notices: the last one that each has taken.
    pub async fn noticed(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query("SELECT domain, noticed FROM destination WHERE noticed > 0")
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs()))).collect()
    }

    /// Up to `limit` outlines after `seq`, in order.
    ///
    /// They come as one text: a row of its own for each costs ten times as much, and a million may wait.
    pub async fn journal_outlines(&self, seq: u64, limit: u32) -> Result<Vec<Outline>, StoreError> {
        let row = sqlx::query(
            "SELECT json_group_array(json_array(seq, accepted_at, node, item, digest, digest_high, hex(owed))) FROM \
             (SELECT seq, accepted_at, node, item, digest, digest_high, owed FROM journal WHERE seq > ? ORDER BY seq LIMIT ?)",
        )
        .bind(seq.cast_signed())
        .bind(limit)
        .fetch_one(self.pool())
        .await?;
        let list: Vec<(i64, i64, String, String, i64, i64, &str)> =
            serde_json::from_str(row.try_get(0)?).map_err(|e| StoreError::row(e.to_string()))?;
        let mut outlines = Vec::with_capacity(list.len());
        for (seq, accepted_at, node, item, low, high, owed) in list {
            outlines.push(Outline {
                seq: seq.unsigned_abs(),
                accepted_at,
                node,
                item,
                digest: digest(low, high),
                owed: from_hex(owed).ok_or_else(|| StoreError::row("who is owed an item"))?,
            });
        }
        // An aggregate promises no order.
        outlines.sort_unstable_by_key(|outline| outline.seq);
        Ok(outlines)
    }

    /// The rows of these numbers that are still there, in order.
    pub async fn journal_rows(&self, seqs: &[u64]) -> Result<Vec<Row>, StoreError> {
        let list = serde_json::to_string(seqs).map_err(|e| StoreError::row(e.to_string()))?;
        let rows = sqlx::query(
            "SELECT seq, accepted_at, publisher, node, item, digest, digest_high, owed, payload FROM journal \
             WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
        )
        .bind(list)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// How many of these numbers, from the first on, have payloads of no more than so many bytes together; at
    /// least one.
    pub async fn journal_rows_within(&self, seqs: &[u64], bytes: u64) -> Result<usize, StoreError> {
        let list = serde_json::to_string(seqs).map_err(|e| StoreError::row(e.to_string()))?;
        let rows = sqlx::query(
            "SELECT seq, length(payload) FROM journal WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
        )
        .bind(list)
        .fetch_all(self.pool())
        .await?;
        let mut sum = 0;
        for row in rows {
            sum += row.try_get::<i64, _>(1)?.unsigned_abs();
            if sum > bytes {
                let over = row.try_get::<i64, _>(0)?.unsigned_abs();
                return Ok(seqs.iter().take_while(|seq| **seq < over).count().max(1));
            }
        }
        Ok(seqs.len())
    }

    /// Deliveries given up, of items after `seq`: (item, subscription).
    pub async fn dead_deliveries(&self) -> Result<Vec<(u64, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, subscription FROM dead_letter UNION SELECT seq, subscription FROM given_up",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let (seq, subscription): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                Ok((seq.unsigned_abs(), subscription.unsigned_abs()))
            })
            .collect()
    }

    /// Until when deliveries under a subscription, or notices to an address, wait, in milliseconds since 1970.
    pub async fn postponed(&self) -> Result<Vec<(u64, String, i64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT d.subscription, d.jid, MAX(d.retry_at) FROM dead_letter d JOIN journal j ON j.seq = d.seq \
             WHERE d.retry_at IS NOT NULL GROUP BY d.subscription, d.jid",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let (subscription, at): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
                Ok((subscription.unsigned_abs(), row.try_get(1)?, at))
            })
            .collect()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn read(row: &SqliteRow) -> Result<Row, StoreError> {
    Ok(Row {
        seq: row.try_get::<i64, _>(0)?.unsigned_abs(),
        accepted_at: row.try_get(1)?,
        publisher: row.try_get::<&str, _>(2)?.into(),
        node: row.try_get::<&str, _>(3)?.into(),
        item: row.try_get::<&str, _>(4)?.into(),
        digest: digest(row.try_get(5)?, row.try_get(6)?),
        owed: row.try_get(7)?,
        payload: row.try_get(8)?,
    })
}

fn digest(low: i64, high: i64) -> u128 {
    u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;

    fn row(seq: u64) -> Row {
        Row {
            seq,
            accepted_at: seq.cast_signed() * 10,
            publisher: "gw@x".into(),
            node: "urn:a".into(),
            item: seq.to_string().into(),
            digest: u128::MAX - u128::from(seq),
            owed: vec![1, 2],
            payload: vec![3; 5],
        }
    }

    #[tokio::test]
    async fn a_group_is_written_read_and_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite:{}/t.db", dir.path().display()), Durability::Off).await.unwrap();
        let mut journal = store.committer().await.unwrap();
        let batch = Batch {
            rows: (1..=130).map(row).collect(),
            destinations: vec![Destination {
                domain: "b.example".into(),
                confirmed: 5,
                first_contact: Some(77),
                ..Destination::default()
            }],
            dead_letters: vec![DeadLetter {
                seq: 3,
                subscription: 9,
                jid: "x@b.example".into(),
                node: "urn:a".into(),
                item: "3".into(),
                condition: "service-unavailable".into(),
                at: 1,
                retry_at: None,
            }],
            ..Batch::default()
        };
        journal.commit(&batch).await.unwrap();
        assert_eq!(store.journal_end().await.unwrap(), 130);
        assert_eq!(store.journal_rows(&[2, 64, 130, 131]).await.unwrap(), [row(2), row(64), row(130)]);
        assert_eq!(store.destinations().await.unwrap(), batch.destinations);
        assert_eq!(store.dead_deliveries().await.unwrap(), [(3, 9)]);

        let later = Batch {
            destinations: vec![Destination {
                domain: "b.example".into(),
                confirmed: 7,
                own_server: true,
                ..Destination::default()
            }],
            prune: Some(Prune::First { upto: 9 }),
            ..Batch::default()
        };
        journal.commit(&later).await.unwrap();
        let outlines = store.journal_outlines(3, 2).await.unwrap();
        assert_eq!((outlines.len(), outlines[0].seq, outlines[1].seq), (2, 10, 11));
        let (wanted, found) = (row(11), &outlines[1]);
        assert_eq!((&*found.node, &*found.item), (&*wanted.node, &*wanted.item));
        assert_eq!(
            (found.accepted_at, found.digest, &found.owed),
            (wanted.accepted_at, wanted.digest, &wanted.owed)
        );
        assert!(store.journal_outlines(130, 2).await.unwrap().is_empty());
        let left: Vec<u64> = store.journal_outlines(0, 200).await.unwrap().iter().map(|o| o.seq).collect();
        assert_eq!(left[..3], [3, 10, 11], "all but the dead letter's");
        assert_eq!(store.destinations().await.unwrap(), later.destinations);
        assert_eq!(store.journal_end().await.unwrap(), 130);

        // Of what came back when its item was gone there is nothing to try again.
        let late = |seq| DeadLetter { seq, retry_at: Some(5), ..batch.dead_letters[0].clone() };
        journal.commit(&Batch { dead_letters: vec![late(4), late(11)], ..Batch::default() }).await.unwrap();
        let letters = store.dead_letters(1, 9).await.unwrap();
        assert_eq!(
            letters.iter().map(|l| (l.seq, l.retry_at)).collect::<Vec<_>>(),
            [(4, None), (11, Some(5))]
        );
        journal.commit(&Batch { revived: vec![2, 3], ..Batch::default() }).await.unwrap();

        let revived = Batch { revived: vec![1], ..Batch::default() };
        journal.commit(&revived).await.unwrap();
        assert!(store.dead_letters(0, 9).await.unwrap().is_empty());
        let dead = store.dead_deliveries().await.unwrap();
        assert!(dead.contains(&(3, 9)), "its first row does not deliver it again: {dead:?}");
        journal.commit(&Batch { prune: Some(Prune::First { upto: 9 }), ..Batch::default() }).await.unwrap();
        assert_eq!(store.dead_deliveries().await.unwrap(), [(11, 9)], "until that is pruned");

        journal.commit(&Batch { dead_letters: vec![late(12)], ..Batch::default() }).await.unwrap();
        let some = Prune::Range { after: 9, upto: 15 };
        journal.commit(&Batch { prune: Some(some), ..Batch::default() }).await.unwrap();
        let left: Vec<u64> = store.journal_outlines(0, 200).await.unwrap().iter().map(|o| o.seq).collect();
        assert_eq!(left[..3], [12, 16, 17], "all but the dead letter's");
    }
}
