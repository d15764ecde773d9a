//! What a move has people told beside what happens to their consents: noted with the move itself, so that no crash and
//! no broken link takes it along. Numbers are those of [`super::notices`].

use jid::BareJid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::notices::{Place, Untold};
use super::{Store, StoreError, millis, next_key, timestamp};
use crate::domain::language::Language;
use crate::domain::name::Scope;

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MoveNews {
    /// They hold a series from some time on, or only held it until then.
    Held {
        /// The registration.
        series: Scope,
        /// Its name for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The border.
        from: Timestamp,
        /// Whether they hold it from then on.
        holder: bool,
    },
    /// These subscriptions of theirs ended.
    Unsubscribed {
        /// Where.
        places: Vec<Place>,
    },
    /// They are to erase what they received of a time that changed hands.
    Erase {
        /// What they confirm it by.
        id: Uuid,
        /// The series.
        node: String,
        /// Measured from here on,
        from: Timestamp,
        /// until before here.
        until: Timestamp,
    },
}

impl MoveNews {
    /// The series that it is about, as operators see it.
    pub fn about(&self) -> String {
        match self {
            MoveNews::Held { series, .. } => format!("series {series}"),
            MoveNews::Unsubscribed { places } => {
                places.first().map_or_else(String::new, |place| format!("series {}", place.node))
            }
            MoveNews::Erase { node, .. } => format!("series {node}"),
        }
    }
}

/// Something of it that is still to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct MoveNotice {
    /// Its number, rising.
    pub key: u64,
    /// Whom.
    pub recipient: BareJid,
    /// What.
    pub news: MoveNews,
    /// When it happened.
    pub at: Timestamp,
    /// The language that they chose.
    pub language: Option<Language>,
}

/// What is still to be told, of consents and of moves.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A step of a consent.
    Consent(Box<Untold>),
    /// What a move did beside.
    Move(Box<MoveNotice>),
}

impl Notice {
    /// Its number, rising.
    pub fn key(&self) -> u64 {
        match self {
            Notice::Consent(untold) => untold.key,
            Notice::Move(notice) => notice.key,
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Notice::Consent(untold) => untold.at,
            Notice::Move(notice) => notice.at,
        }
    }
}

/// Notes, in the transaction of the move, that it is to be told.
pub(super) async fn note(
    conn: &mut SqliteConnection,
    recipient: &BareJid,
    news: &MoveNews,
    at: Timestamp,
) -> Result<(), StoreError> {
    let key = next_key(conn, "notice").await?;
    sqlx::query("INSERT INTO move_notice (key, recipient, what, at) VALUES (?, ?, ?, ?)")
        .bind(key)
        .bind(recipient.as_str())
        .bind(serde_json::to_string(news).map_err(|e| StoreError::row(e.to_string()))?)
        .bind(millis(at))
        .execute(conn)
        .await?;
    Ok(())
}

impl Store {
    /// Up to `limit` notices after this number that are still to be told, in order.
    pub async fn notices_to_tell(&self, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let mut list: Vec<Notice> = self
            .untold(after, limit)
            .await?
            .into_iter()
            .map(|untold| Notice::Consent(Box::new(untold)))
            .collect();
        list.extend(
            self.move_notices(after, limit).await?.into_iter().map(|news| Notice::Move(Box::new(news))),
        );
        list.sort_unstable_by_key(Notice::key);
        list.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(list)
    }

    async fn move_notices(&self, after: u64, limit: u32) -> Result<Vec<MoveNotice>, StoreError> {
        let rows = sqlx::query(
            "SELECT key, recipient, what, at FROM move_notice WHERE key > ? ORDER BY key LIMIT ?",
        )
        .bind(after.cast_signed())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        let mut list = Vec::with_capacity(rows.len());
        for row in &rows {
            let recipient: BareJid = BareJid::new(row.try_get(1)?)
                .map_err(|e| StoreError::row(format!("who is told of a move: {e}")))?;
            list.push(MoveNotice {
                key: row.try_get::<i64, _>(0)?.unsigned_abs(),
                language: self.language_of(&recipient).await?,
                recipient,
                news: serde_json::from_str(row.try_get(2)?).map_err(|e| StoreError::row(e.to_string()))?,
                at: timestamp(row.try_get(3)?)?,
            });
        }
        Ok(list)
    }
}
