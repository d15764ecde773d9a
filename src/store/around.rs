//! The registrations around a name: those that cover it, and those of the names that it lies below.

use super::series::{COLUMNS, covering, read};
use super::{Store, StoreError};
use crate::domain::name::{NAME_MAX, Scope};
use crate::domain::series::Series;
use crate::domain::whose::Whose;

impl Store {
    /// Whose the records of a series are, and what its node is set to; nothing where no registration covers it.
    pub async fn whose(&self, name: &str) -> Result<Option<Whose>, StoreError> {
        Ok(Whose::of(self.registrations_around(name).await?, &Scope::Exact(name.into())))
    }

    /// The same of all that begins so, by the registrations that cover all of it.
    pub async fn whose_all(&self, scope: &Scope) -> Result<Option<Whose>, StoreError> {
        let name = match scope {
            Scope::Exact(name) | Scope::Prefix(name) => name,
        };
        Ok(Whose::of(self.registrations_around(name).await?, scope))
    }

    async fn registrations_around(&self, name: &str) -> Result<Vec<Series>, StoreError> {
        // A longer name is none.
        let above = name.match_indices('/').filter(|(at, _)| *at <= NAME_MAX).map(|(at, _)| &name[..at]);
        let above: Vec<&str> = above.collect();
        let above = serde_json::to_string(&above).map_err(|e| StoreError::row(e.to_string()))?;
        let sql = format!(
            "{COLUMNS} WHERE name IN (SELECT value FROM json_each(?1) UNION SELECT value FROM json_each(?2))"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(covering(name)?)
            .bind(above)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok(read(row)?.1)).collect()
    }
}
