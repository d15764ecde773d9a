//! Consents by what they are for.

use jid::BareJid;

use super::consents::COLUMNS;
use super::series::covering;
use super::{Store, StoreError};
use crate::domain::consent::{Consent, ConsentKey};

impl Store {
    /// Of what stands for one recipient, oldest first, what is for this series, for a prefix of it, or for anything whose name begins with `below`.
    /// `beginning`: the series' name, or a prefix without its `*`.
    pub async fn consents_about(
        &self,
        recipient: &BareJid,
        beginning: &str,
        below: &str,
    ) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        // Names are ASCII (RFC 8428 §4.5.1), so '~' comes after all that a name may hold.
        let sql = format!(
            "{COLUMNS} WHERE key IN ( \
             SELECT consent FROM consent_scope \
             WHERE recipient = ?1 AND name IN (SELECT value FROM json_each(?2)) \
             UNION SELECT consent FROM consent_scope \
             WHERE recipient = ?1 AND name >= ?3 AND name < ?3 || '~') ORDER BY key"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(recipient.as_str())
            .bind(covering(beginning)?)
            .bind(below)
            .fetch_all(self.pool())
            .await?;
        self.read_to_decide(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock;
    use crate::domain::consent::State;
    use crate::domain::consent::tests::sample;
    use crate::domain::name::Scope;
    use crate::store::Durability;
    use crate::store::consent_steps::Stepped;

    async fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("c.db").display());
        (directory, Store::open(&url, Durability::Off).await.unwrap())
    }

    fn consent(recipient: &str, scopes: &[&str]) -> Consent {
        let now = clock::wall();
        let id = uuid::Uuid::now_v7();
        Consent {
            id,
            arrangement: id,
            recipient: recipient.parse().unwrap(),
            scope: scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect(),
            valid_from: now,
            valid_until: now + jiff::SignedDuration::from_hours(24),
            since: now,
            ..sample()
        }
    }

    async fn about(store: &Store, beginning: &str, below: &str) -> Vec<String> {
        let who = BareJid::new("app@coop.example").unwrap();
        let found = store.consents_about(&who, beginning, below).await.unwrap();
        found.iter().flat_map(|(_, c)| c.scope.iter().map(ToString::to_string)).collect()
    }

    #[tokio::test]
    async fn what_covers_a_series_or_lies_below_it_is_found_and_nothing_else() {
        let (_directory, store) = store().await;
        let scopes = ["urn:a", "urn:a/b", "urn:a*", "urn:*", "urn:a/b/c*", "urn:ab", "urn:b"];
        let consents: Vec<Consent> =
            scopes.iter().map(|scope| consent("app@coop.example", &[scope])).collect();
        for consent in &consents {
            store.add_consent(consent, "cli", clock::wall()).await.unwrap();
        }
        let other = consent("other@coop.example", &["urn:a"]);
        store.add_consent(&other, "cli", clock::wall()).await.unwrap();
        assert_eq!(
            about(&store, "urn:a", "urn:a/").await,
            ["urn:a", "urn:a/b", "urn:a*", "urn:*", "urn:a/b/c*"]
        );
        assert_eq!(about(&store, "urn:a/b", "urn:a/b/").await, ["urn:a/b", "urn:a*", "urn:*", "urn:a/b/c*"]);
        let all_that_begin_so = about(&store, "urn:a", "urn:a").await;
        assert_eq!(all_that_begin_so, ["urn:a", "urn:a/b", "urn:a*", "urn:*", "urn:a/b/c*", "urn:ab"]);
        assert_eq!(about(&store, "urn:b/x", "urn:b/x/").await, ["urn:*"]);
        assert!(about(&store, "x", "x/").await.is_empty());
        assert_eq!(about(&store, &"urn:a".repeat(100_000), "z").await, ["urn:a*", "urn:*"], "bounded");
        // What ends is not there any more.
        let ended = store.step_consent(consents[0].id, State::Revoked, "cli", None, clock::wall()).await;
        assert!(matches!(ended, Ok(Stepped::Done(_))), "{ended:?}");
        assert_eq!(about(&store, "urn:a", "urn:a/").await, ["urn:a/b", "urn:a*", "urn:*", "urn:a/b/c*"]);
    }

    #[tokio::test]
    async fn it_costs_little_however_many_there_are() {
        let count = std::env::var("COURANT_CONSENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
        let (_directory, store) = store().await;
        let consents: Vec<Consent> =
            (0..count).map(|n| consent("app@coop.example", &[&format!("urn:dev:{n}_c/power")])).collect();
        let started = std::time::Instant::now();
        store.import_consents(&consents, "cli", clock::wall()).await.unwrap();
        println!("{count} imported in {:?}", started.elapsed());
        let who = BareJid::new("app@coop.example").unwrap();
        let started = std::time::Instant::now();
        assert_eq!(store.consents_for(&who).await.unwrap().len(), count);
        println!("all of them in {:?}", started.elapsed());
        let started = std::time::Instant::now();
        assert_eq!(about(&store, "urn:dev:7_c/power", "urn:dev:7_c/power/").await.len(), 1);
        println!("those about one in {:?}", started.elapsed());
    }
}
