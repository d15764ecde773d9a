//! What an installation from before tenures may hold: consents that stand for series that their person never held.
//! They permit nothing, and that is said at the start.

use crate::store::{Store, StoreError};

/// Consents named in the log; of more, `courant check` says.
const NAMED_MAX: usize = 20;

/// Looks through what stands.
pub async fn look(store: &Store) {
    match count(store).await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(
            count,
            "consents name nothing that their person holds or held, and permit nothing; `courant check` lists them and says what to do"
        ),
        Err(error) => {
            tracing::error!(%error, "consents could not be looked through; it is tried at the next start")
        }
    }
}

async fn count(store: &Store) -> Result<usize, StoreError> {
    let (mut count, mut place) = (0, Some(0));
    while let Some(after) = place {
        let (found, next) = store.groundless_consents(after).await?;
        for consent in &found {
            if count < NAMED_MAX {
                tracing::warn!(consent = %consent.id, "this consent names nothing that its person holds or held: it permits nothing");
            }
            count += 1;
        }
        place = next;
    }
    Ok(count)
}
