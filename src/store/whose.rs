//! Whose series are, for many names at once.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::series::{COLUMNS, read};
use super::{Store, StoreError};
use crate::domain::name::{NAME_MAX, Scope};
use crate::domain::tenure::{Tenures, overlay};

/// Names that are looked up together.
const NAMES_AT_ONCE: usize = 500;

/// From so many names on it is asked first which lengths of prefixes there are.
const MANY: usize = 50;

impl Store {
    /// Who holds each of these series over which time, by all registrations that it falls under; what falls under none
    /// is not among them.
    pub async fn tenures_of_all(&self, names: &[&str]) -> Result<HashMap<String, Tenures>, StoreError> {
        let mut conn = self.pool().acquire().await?;
        let lengths = match names.len() > MANY {
            true => Some(prefix_lengths(&mut conn).await?),
            false => None,
        };
        let mut found = HashMap::with_capacity(names.len());
        for names in names.chunks(NAMES_AT_ONCE) {
            find(&mut conn, names, lengths.as_deref(), &mut found).await?;
        }
        Ok(found)
    }
}

async fn find(
    conn: &mut SqliteConnection,
    names: &[&str],
    lengths: Option<&[usize]>,
    found: &mut HashMap<String, Tenures>,
) -> Result<(), StoreError> {
    let keys: HashSet<String> = names.iter().flat_map(|name| covering(name, lengths)).collect();
    let list = serde_json::to_string(&keys).map_err(|e| StoreError::row(e.to_string()))?;
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name IN (SELECT value FROM json_each(?))"));
    let rows = sqlx::query(sql).bind(list).fetch_all(conn).await?;
    let mut held: HashMap<Scope, Tenures> = HashMap::with_capacity(rows.len());
    for row in &rows {
        let (_, series) = read(row)?;
        held.insert(series.name, series.tenures);
    }
    for name in names {
        // The most specific first.
        let layers = covering(name, lengths).filter_map(|key| held.get(&Scope::parse(&key).ok()?));
        if let Some(tenures) = overlay(layers) {
            let tenures = tenures.into_owned();
            found.insert((*name).to_owned(), tenures);
        }
    }
    Ok(())
}

/// The names under which a series may be registered, the most specific first: its own, and every prefix of one of
/// these lengths.
fn covering<'n>(name: &'n str, lengths: Option<&'n [usize]>) -> impl Iterator<Item = String> + 'n {
    // A longer name is none.
    let most = name.len().min(NAME_MAX);
    let fits = move |end: &usize| lengths.is_none_or(|lengths| lengths.binary_search(end).is_ok());
    let prefixes =
        (1..=most).rev().filter(fits).filter_map(move |end| Some(format!("{}*", name.get(..end)?)));
    std::iter::once(name.to_owned()).chain(prefixes)
}

/// How long the registered prefixes are, without their `*`; in order.
async fn prefix_lengths(conn: &mut SqliteConnection) -> Result<Vec<usize>, StoreError> {
    let rows =
        sqlx::query("SELECT DISTINCT length(name) - 1 FROM series WHERE substr(name, -1) = '*' ORDER BY 1")
            .fetch_all(conn)
            .await?;
    rows.iter().map(|row| Ok(usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;
    use crate::domain::clock;
    use crate::domain::series::Series;

    #[tokio::test]
    async fn the_most_specific_registration_says_whose_it_is_for_few_names_and_for_many() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        // What is registered below another begins when it is: so the narrower ones come first.
        for (name, owner) in
            [("urn:a/1", "ref:one"), ("urn:a*", "ref:a"), ("urn:*", "ref:all"), ("other", "ref:o")]
        {
            let series: Series =
                serde_json::from_value(serde_json::json!({"name": name, "owner": owner})).unwrap();
            store.add_series(&series, clock::wall()).await.unwrap();
        }
        let many: Vec<String> = (0..2 * NAMES_AT_ONCE).map(|n| format!("urn:a/x{n}")).collect();
        for fill in [&many[..0], &many[..]] {
            let mut names = vec!["urn:a/1", "urn:a/2", "urn:b", "other", "other/below", "nothing"];
            names.extend(fill.iter().map(String::as_str));
            let found = store.tenures_of_all(&names).await.unwrap();
            let holder = |name: &str| found.get(name).and_then(|held| held.only()).map(ToString::to_string);
            let holders: Vec<Option<String>> = names[..6].iter().map(|name| holder(name)).collect();
            let said = |text: &str| Some(text.to_owned());
            assert_eq!(holders, [said("ref:one"), said("ref:a"), said("ref:all"), said("ref:o"), None, None]);
            assert!(fill.iter().all(|name| holder(name) == said("ref:a")));
        }
    }
}
