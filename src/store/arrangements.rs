//! Whose an arrangement is. It is made by the consent whose id it is, and renewed by those two whose it is; whether
//! others have it is told to nobody.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use crate::domain::consent::{Consent, ConsentError};

/// Refuses an arrangement that is neither the consent's own nor one that its person and its recipient have had.
pub(super) async fn check(conn: &mut SqliteConnection, consent: &Consent) -> Result<(), StoreError> {
    match is_theirs(conn, consent, false).await? {
        true => Ok(()),
        false => Err(StoreError::Consent(ConsentError::Arrangement)),
    }
}

/// Of records that come together, the places of those to be refused so. Which one of them makes an arrangement may
/// stand anywhere among them.
pub(super) async fn refused<'c>(
    conn: &mut SqliteConnection,
    consents: impl Iterator<Item = &'c Consent> + Clone,
) -> Result<Vec<usize>, StoreError> {
    let made: HashMap<_, _> = consents
        .clone()
        .filter(|consent| consent.arrangement == consent.id)
        .map(|consent| (consent.id, consent))
        .collect();
    let mut refused = Vec::new();
    for (place, consent) in consents.enumerate() {
        let maker = made.get(&consent.arrangement);
        let is_made = maker.is_some_and(|m| m.subject == consent.subject && m.recipient == consent.recipient);
        if maker.is_some() && !is_made || !is_theirs(conn, consent, is_made).await? {
            refused.push(place);
        }
    }
    Ok(refused)
}

/// `is_made`: by a record that comes with it.
async fn is_theirs(
    conn: &mut SqliteConnection,
    consent: &Consent,
    is_made: bool,
) -> Result<bool, StoreError> {
    if consent.arrangement == consent.id {
        return Ok(true);
    }
    let row = sqlx::query(
        "SELECT count(*), coalesce(sum(subject = ? AND recipient = ?), 0) FROM consent WHERE arrangement = ?",
    )
    .bind(consent.subject.to_string())
    .bind(consent.recipient.to_string())
    .bind(consent.arrangement.to_string())
    .fetch_one(conn)
    .await?;
    let (all, theirs): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((theirs > 0 || is_made) && theirs == all)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{Durability, Store};
    use super::*;
    use crate::domain::consent::tests::sample;

    #[tokio::test]
    async fn an_arrangement_is_ones_own_or_one_of_the_two() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        let first = sample();
        store.add_consent(&first, "admin", first.since).await.unwrap();
        let next = Consent { id: Uuid::now_v7(), arrangement: first.arrangement, ..sample() };
        let nobodys = Consent { id: Uuid::now_v7(), arrangement: Uuid::now_v7(), ..next.clone() };
        let strangers = Consent { recipient: "other@coop.example".parse().unwrap(), ..next.clone() };
        for refused in [&nobodys, &strangers] {
            let told = store.add_consent(refused, "admin", first.since).await;
            assert!(matches!(told, Err(StoreError::Consent(ConsentError::Arrangement))), "{told:?}");
            let told = store.import_consents(std::slice::from_ref(refused), "admin", first.since).await;
            assert!(matches!(told, Err(StoreError::Consent(ConsentError::Arrangement))), "{told:?}");
        }
        let maker = Consent { id: nobodys.arrangement, arrangement: nobodys.arrangement, ..sample() };
        store.import_consents(&[nobodys, maker], "admin", first.since).await.unwrap();
        store.add_consent(&next, "admin", first.since).await.unwrap();
    }
}
