//! Nodes that follow a registration: they have no tenure of their own, and are set to something of their own all the
//! same. When the registration that they follow changes hands, what they are set to ends with its tenure too.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::changes::{self, Kind};
use super::series::{registered_below, update};
use super::{StoreError, tenures};
use crate::domain::moving::begin_anew;
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::tenure::{Holding, Settings, Tenure, Tenures};

/// Nodes below a prefix that are looked at.
const BELOW_MAX: u32 = 1_000_000;

/// How the registration that is followed changed hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    /// The registration, as it is now.
    pub(super) series: &'a Series,
    /// From which measuring time on.
    pub(super) border: Timestamp,
    /// What is set stays: the operator states that the next holder agreed.
    pub(super) keep_settings: bool,
}

/// Begins anew what the nodes are set to that follow this registration.
pub(super) async fn change_hands(
    conn: &mut SqliteConnection,
    change: Change<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (key, before) in of(conn, &change.series.name).await? {
        let begins = change.series.tenures.iter().any(|tenure| tenure.from == Some(change.border));
        if let Some(after) = next(&before, change, begins, now)? {
            write(conn, key, &after, now).await?;
        }
    }
    Ok(())
}

/// The border of a change that lay ahead has come.
pub(super) async fn take_effect(
    conn: &mut SqliteConnection,
    series: &Scope,
    border: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (key, before) in of(conn, series).await? {
        if let Some(after) = super::moving::taken_effect(&before, border)? {
            write(conn, key, &after, now).await?;
        }
    }
    Ok(())
}

async fn write(
    conn: &mut SqliteConnection,
    key: i64,
    series: &Series,
    now: Timestamp,
) -> Result<(), StoreError> {
    update(conn, key, series).await?;
    tenures::replace(conn, key, series).await?;
    changes::note(conn, Kind::Series, key, now).await
}

/// The nodes that follow this very registration, and none between.
async fn of(conn: &mut SqliteConnection, name: &Scope) -> Result<Vec<(i64, Series)>, StoreError> {
    let Scope::Prefix(prefix) = name else { return Ok(Vec::new()) };
    let below = registered_below(conn, prefix, BELOW_MAX).await?;
    let (following, own): (Vec<_>, Vec<_>) = below.into_iter().partition(|(_, series)| series.follows());
    // A name has few beginnings, and there may be many registrations.
    let between: std::collections::HashSet<String> = own
        .iter()
        .filter(|(_, series)| series.name != *name)
        .filter_map(|(_, series)| match &series.name {
            Scope::Prefix(prefix) => Some(prefix.to_string()),
            Scope::Exact(_) => None,
        })
        .collect();
    let follows_it = |series: &Series| {
        let text = series.name.to_string();
        let text = text.strip_suffix('*').unwrap_or(&text);
        series.name != *name
            && !(prefix.len()..=text.len())
                .any(|end| text.get(..end).is_some_and(|beginning| between.contains(beginning)))
    };
    Ok(following.into_iter().filter(|(_, series)| follows_it(series)).collect())
}

/// The node with what it is set to from the border on; nothing where that stays. `begins`: somebody's tenure begins at
/// the border, or one that was to begin there was a slip.
fn next(
    before: &Series,
    change: Change<'_>,
    begins: bool,
    now: Timestamp,
) -> Result<Option<Series>, StoreError> {
    let Change { border, keep_settings, .. } = change;
    let mut list: Vec<Tenure> = before.tenures.iter().cloned().collect();
    let mut after = before.clone();
    let mut present = Settings { open: before.open, node: before.node.clone() };
    let slip = list.pop_if(|last| last.from == Some(border));
    if let Some(slip) = &slip
        && slip.settings.is_none()
        && let Some(settings) = list.last_mut().and_then(|last| last.settings.take())
    {
        // As it was before the slip.
        present = *settings;
        (after.open, after.node) = (present.open, present.node.clone());
    }
    if list.last().is_none_or(|last| last.from >= Some(border)) {
        // It was made, or made anew, behind the border: it begins anew as a whole.
        let anew = begin_anew(&present);
        (after.open, after.node) = (anew.open, anew.node);
        return Ok((!keep_settings).then_some(after));
    }
    if begins && !keep_settings {
        let anew = begin_anew(&present);
        let mut tenure = Tenure::since(Holding::Unregistered, border, now);
        if border <= now {
            if let Some(last) = list.last_mut().filter(|last| last.settings.is_none()) {
                last.settings = Some(Box::new(present));
            }
            (after.open, after.node) = (anew.open, anew.node);
        } else {
            tenure.settings = Some(Box::new(anew));
        }
        list.push(tenure);
    } else if slip.is_none() {
        return Ok(None);
    }
    after.tenures = Tenures::new(list).map_err(|e| StoreError::row(e.to_string()))?;
    Ok(Some(after))
}
