//! What people chose for themselves.

use jid::BareJid;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::consent::Consent;
use crate::domain::language::Language;
use crate::domain::party::Subject;

impl Store {
    /// The language that somebody chose.
    pub async fn language_of(&self, who: &BareJid) -> Result<Option<Language>, StoreError> {
        let row = sqlx::query("SELECT language FROM person WHERE jid = ?")
            .bind(who.as_str())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get::<String, _>(0)).transpose()?.and_then(|code| Language::known(&code)))
    }

    /// Somebody chooses a language.
    pub async fn choose_language(&self, who: &BareJid, language: Language) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO person (jid, language) VALUES (?, ?) \
             ON CONFLICT (jid) DO UPDATE SET language = excluded.language",
        )
        .bind(who.as_str())
        .bind(language.code())
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// The code by which somebody answers for a consent by text.
    pub async fn code_of(&self, consent: &Consent) -> Result<Option<String>, StoreError> {
        let mut conn = self.pool().acquire().await?;
        code_of(&mut conn, consent).await
    }

    /// The code of a consent, a new one if it has none.
    pub async fn ensure_code(&self, consent: &Consent) -> Result<Option<String>, StoreError> {
        // Nearly always it is there, and nobody need wait for the writer's lock.
        if let Some(code) = self.code_of(consent).await? {
            return Ok(Some(code));
        }
        let mut tx = self.write().await?;
        let code = assign_code(&mut tx, consent).await?;
        tx.commit().await?;
        Ok(code)
    }

    /// Gives a consent this code, unless it has one. `false` if another that still stands has it.
    pub async fn give_code(&self, id: Uuid, code: &str) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let given = give_code(&mut tx, id, code).await?;
        tx.commit().await?;
        Ok(given)
    }

    /// What somebody means by a code: the last consent of theirs that was given it.
    pub async fn consent_by_code(
        &self,
        subject: &Subject,
        code: &str,
    ) -> Result<Option<Consent>, StoreError> {
        let row = sqlx::query(
            "SELECT c.id FROM request_code r JOIN consent c ON c.key = r.consent \
             WHERE r.code = ? AND c.subject = ? ORDER BY c.key DESC LIMIT 1",
        )
        .bind(code)
        .bind(subject.to_string())
        .fetch_optional(self.pool())
        .await?;
        self.named(row).await
    }

    /// What an operator means by a code: the last consent of a person without an address that was given it.
    pub async fn consent_for_operators(&self, code: &str) -> Result<Option<Consent>, StoreError> {
        let row = sqlx::query(
            "SELECT c.id FROM request_code r JOIN consent c ON c.key = r.consent \
             WHERE r.code = ? AND c.subject LIKE 'ref:%' ORDER BY c.key DESC LIMIT 1",
        )
        .bind(code)
        .fetch_optional(self.pool())
        .await?;
        self.named(row).await
    }

    async fn named(&self, row: Option<SqliteRow>) -> Result<Option<Consent>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let id = Uuid::parse_str(row.try_get(0)?).map_err(|e| StoreError::row(format!("consent id: {e}")))?;
        self.consent(id).await
    }
}

async fn code_of(conn: &mut SqliteConnection, consent: &Consent) -> Result<Option<String>, StoreError> {
    let row =
        sqlx::query("SELECT r.code FROM request_code r JOIN consent c ON c.key = r.consent WHERE c.id = ?")
            .bind(consent.id.to_string())
            .fetch_optional(conn)
            .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Four characters are enough for what one person has at a time; where not, a few more. Operators answer for all
/// people without an address, beside what is their own: those have six.
pub(super) async fn assign_code(
    conn: &mut SqliteConnection,
    consent: &Consent,
) -> Result<Option<String>, StoreError> {
    let lengths = match &consent.subject {
        Subject::Jid(_) => [4, 4, 4, 4, 6, 8, 32],
        Subject::Reference(_) => [6, 6, 6, 6, 8, 8, 32],
    };
    for length in lengths {
        // Somebody else may give it one at the same moment.
        if let Some(code) = code_of(conn, consent).await? {
            return Ok(Some(code));
        }
        let code = Uuid::new_v4().simple().to_string()[..length].to_owned();
        if give_code(conn, consent.id, &code).await? {
            return Ok(Some(code));
        }
    }
    code_of(conn, consent).await
}

async fn give_code(conn: &mut SqliteConnection, id: Uuid, code: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO request_code (consent, code) SELECT c.key, ?2 FROM consent c WHERE c.id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM request_code r JOIN consent o ON o.key = r.consent WHERE r.code = ?2 \
         AND (o.subject = c.subject OR o.subject LIKE 'ref:%' AND c.subject LIKE 'ref:%') \
         AND o.state IN ('requested', 'active', 'suspended')) \
         ON CONFLICT (consent) DO NOTHING",
    )
    .bind(id.to_string())
    .bind(code)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}
