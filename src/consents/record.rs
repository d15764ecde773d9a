//! Recording a consent, and narrowing one: whoever does it, and by whatever way, what it names exactly is held by its
//! subject at some time of its data window.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::consent::{Consent, ConsentError, ConsentKey};
use crate::domain::edit::Edit;
use crate::domain::holding::{self, NotHeld};
use crate::domain::name::Scope;
use crate::domain::period::Period;
use crate::store::consent_steps::Stepped;
use crate::store::{Store, StoreError};

/// Records a consent, with what comes with it: see [`Store::add_consent`]. One that names what its subject does not
/// hold is refused.
pub async fn add(
    store: &Store,
    consent: &Consent,
    actor: &str,
    at: Timestamp,
) -> Result<ConsentKey, StoreError> {
    if let Some(why) = not_held(store, consent).await? {
        return Err(StoreError::Consent(why.into()));
    }
    store.add_consent(consent, actor, at).await
}

/// Narrows a consent, or corrects its evidence: see [`Store::edit_consent`]. What it names is looked at again where
/// series or the data window are other ones.
#[allow(clippy::too_many_arguments)] // who, what, why and when are each one thing
pub async fn edit(
    store: &Store,
    id: Uuid,
    edit: &Edit,
    revision: Option<u32>,
    maximum: &Period,
    actor: &str,
    note: Option<&str>,
    at: Timestamp,
) -> Result<Stepped, StoreError> {
    let looks = edit.scope.is_some() || edit.data_from.is_some() || edit.data_until.is_some();
    if looks
        && let Some(before) = store.consent(id).await?
        && let Ok(next) = edit.apply(&before, maximum)
        && let Some(why) = not_held(store, &next).await?
    {
        return Ok(Stepped::Refused(why.into()));
    }
    store.edit_consent(id, edit, revision, maximum, actor, note, at).await
}

/// The first series that a consent names and its subject does not hold.
pub async fn not_held(store: &Store, consent: &Consent) -> Result<Option<NotHeld>, StoreError> {
    if !holding::is_to_be_held(consent) {
        return Ok(None);
    }
    let tenures = store.tenures_of_all(&exact_names(std::slice::from_ref(consent))).await?;
    Ok(holding::first_not_held(consent, |name| tenures.get(name)))
}

/// Of records that come together, the places of those that name what their subjects do not hold, and what that is. What
/// is there word for word is passed over, whatever it says.
pub async fn all_not_held(store: &Store, consents: &[Consent]) -> Result<Vec<(usize, NotHeld)>, StoreError> {
    let tenures = store.tenures_of_all(&exact_names(consents)).await?;
    let mut refused: Vec<(usize, NotHeld)> = Vec::new();
    for (place, consent) in consents.iter().enumerate().filter(|(_, c)| holding::is_to_be_held(c)) {
        refused.extend(holding::first_not_held(consent, |name| tenures.get(name)).map(|why| (place, why)));
    }
    let ids: Vec<Uuid> = refused.iter().map(|(place, _)| consents[*place].id).collect();
    let there: HashSet<Uuid> = store.consents_there(&ids).await?;
    refused.retain(|(place, _)| !there.contains(&consents[*place].id));
    Ok(refused)
}

/// Of these names, for a person who answers a request, what they hold in its data window: exact series that they do not
/// hold are left out. Where nothing is left, the first that is not theirs.
pub async fn held_part(
    store: &Store,
    request: &Consent,
    scope: Vec<Scope>,
) -> Result<Result<Vec<Scope>, NotHeld>, StoreError> {
    let asked = Consent { scope, ..request.clone() };
    let tenures = store.tenures_of_all(&exact_names(std::slice::from_ref(&asked))).await?;
    let window = (asked.data_from, asked.data_until);
    let is_held = |scope: &Scope| match scope {
        Scope::Exact(name) => holding::holds(tenures.get(&**name), &asked.subject, window),
        Scope::Prefix(_) => true,
    };
    let held: Vec<Scope> = asked.scope.iter().filter(|scope| is_held(scope)).cloned().collect();
    match holding::first_not_held(&asked, |name| tenures.get(name)) {
        Some(why) if held.is_empty() => Ok(Err(why)),
        _ => Ok(Ok(held)),
    }
}

fn exact_names(consents: &[Consent]) -> Vec<&str> {
    let to_be_held = consents.iter().filter(|c| holding::is_to_be_held(c) || consents.len() == 1);
    let names = to_be_held.flat_map(|consent| &consent.scope).filter_map(|scope| match scope {
        Scope::Exact(name) => Some(&**name),
        Scope::Prefix(_) => None,
    });
    names.collect::<HashSet<_>>().into_iter().collect()
}

impl From<NotHeld> for ConsentError {
    fn from(why: NotHeld) -> Self {
        ConsentError::NotHeld(Box::new(why))
    }
}
