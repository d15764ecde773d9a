//! What people chose for themselves.

use jid::BareJid;
use sqlx::Row;

use super::{Store, StoreError};
use crate::domain::language::Language;

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
        sqlx::query(
            "INSERT INTO person (jid, language) VALUES (?, ?) \
             ON CONFLICT (jid) DO UPDATE SET language = excluded.language",
        )
        .bind(who.as_str())
        .bind(language.code())
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
