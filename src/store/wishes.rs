//! What recipients are subscribed to by their consents: from when one begins until none is left that covers it; and
//! which address asked by subscribing, and for which format, as long as the request waits.

use std::collections::HashMap;

use jid::{BareJid, Jid};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::notices::Place;
use super::series::covering;
use super::{Store, StoreError, subscriptions};
use crate::domain::consent::{Consent, State};
use crate::domain::name::Scope;
use crate::domain::subscription::{Format, Subscription, Wish};

/// Keeps it with the request of this number.
pub(super) async fn keep(conn: &mut SqliteConnection, consent: i64, wish: &Wish) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO subscription_wish (consent, jid, format) VALUES (?, ?, ?)")
        .bind(consent)
        .bind(wish.jid.to_string())
        .bind(wish.format.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes it from the request, which is answered.
pub(super) async fn take(conn: &mut SqliteConnection, consent: i64) -> Result<Option<Wish>, StoreError> {
    let row = sqlx::query("DELETE FROM subscription_wish WHERE consent = ? RETURNING jid, format")
        .bind(consent)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read).transpose()
}

impl Store {
    /// What goes with each of these requests, where they were made by subscribing.
    pub async fn wishes_of(&self, requests: &[Uuid]) -> Result<HashMap<Uuid, Wish>, StoreError> {
        if requests.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<String> = requests.iter().map(Uuid::to_string).collect();
        let list = serde_json::to_string(&ids).map_err(|e| StoreError::row(e.to_string()))?;
        let rows = sqlx::query(
            "SELECT w.jid, w.format, c.id FROM consent c JOIN subscription_wish w ON w.consent = c.key \
             WHERE c.id IN (SELECT value FROM json_each(?))",
        )
        .bind(list)
        .fetch_all(self.pool())
        .await?;
        let one = |row: &SqliteRow| {
            let id = Uuid::parse_str(row.try_get(2)?).map_err(|e| StoreError::row(e.to_string()))?;
            Ok((id, read(row)?))
        };
        rows.iter().map(one).collect()
    }

    /// What goes with this request, if it was made by subscribing.
    pub async fn wish_of(&self, request: Uuid) -> Result<Option<Wish>, StoreError> {
        Ok(self.wishes_of(&[request]).await?.remove(&request))
    }

    /// Changes what goes with a request. `false` if it is answered already.
    pub async fn change_wish(&self, request: Uuid, wish: &Wish) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE subscription_wish SET jid = ?, format = ? \
             WHERE consent = (SELECT key FROM consent WHERE id = ?)",
        )
        .bind(wish.jid.to_string())
        .bind(wish.format.as_str())
        .bind(request.to_string())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

fn read(row: &SqliteRow) -> Result<Wish, StoreError> {
    let jid: &str = row.try_get(0)?;
    Ok(Wish {
        jid: Jid::new(jid).map_err(|e| StoreError::row(format!("who asked: {e}")))?,
        format: row.try_get::<&str, _>(1)?.parse().map_err(StoreError::row)?,
    })
}

/// The nodes that its recipient is subscribed to when it begins.
pub(super) fn subscribed(consent: &Consent, wish: Option<&Wish>) -> Vec<Place> {
    match consent.subscribe && consent.modes.notify {
        true => consent.scope.iter().map(|node| Place::at(node, wish.map(|wish| &wish.jid))).collect(),
        false => Vec::new(),
    }
}

/// Subscribes the recipient to these nodes, as they wish, if the consent is active and says so.
pub(super) async fn subscribe(
    conn: &mut SqliteConnection,
    consent: &Consent,
    nodes: &[Scope],
    wish: Option<&Wish>,
    at: Timestamp,
) -> Result<(), StoreError> {
    for wished in wished(consent, nodes, wish) {
        subscriptions::add(conn, &wished, at).await?;
    }
    Ok(())
}

/// What its recipient is subscribed to of these nodes.
pub(super) fn wished<'c>(
    consent: &'c Consent,
    nodes: &'c [Scope],
    wish: Option<&'c Wish>,
) -> impl Iterator<Item = Subscription> + 'c {
    let wanted = consent.subscribe && consent.modes.notify && consent.state == State::Active;
    nodes.iter().filter(move |_| wanted).map(move |node| Subscription {
        jid: wish.map_or_else(|| Jid::from(consent.recipient.clone()), |wish| wish.jid.clone()),
        node: node.clone(),
        format: wish.map_or_else(Format::default, |wish| wish.format),
    })
}

/// The nodes of a request that its recipient is not subscribed to anyway, by something else.
pub(super) async fn not_subscribed(
    conn: &mut SqliteConnection,
    request: &Consent,
    wish: Option<&Wish>,
) -> Result<Vec<Place>, StoreError> {
    let jid = wish.map(|wish| &wish.jid);
    let rows = sqlx::query("SELECT node FROM subscription WHERE jid = ?")
        .bind(jid.map_or_else(|| request.recipient.to_string(), ToString::to_string))
        .fetch_all(conn)
        .await?;
    let mut held: Vec<Scope> = Vec::with_capacity(rows.len());
    for row in &rows {
        let node: &str = row.try_get(0)?;
        held.extend(Scope::parse(node).ok());
    }
    let is_held = |node: &&Scope| held.iter().any(|held| held.covers_scope(node));
    Ok(request.scope.iter().filter(|node| !is_held(node)).map(|node| Place::at(node, jid)).collect())
}

/// Ends the subscriptions to these nodes that rested on this consent and on no other that still stands, at the
/// recipient's bare address and at its resources.
pub(super) async fn end_subscriptions(
    conn: &mut SqliteConnection,
    rested: &Consent,
    nodes: &[Scope],
    at: Timestamp,
) -> Result<Vec<Subscription>, StoreError> {
    let mut gone = Vec::new();
    for node in nodes {
        if !is_covered(conn, &rested.recipient, node).await? {
            gone.extend(subscriptions::remove_all(conn, &rested.recipient, node, at).await?);
        }
    }
    Ok(gone)
}

/// Whether a consent that stands lets this recipient be sent all that is published at a node.
pub(super) async fn is_covered(
    conn: &mut SqliteConnection,
    who: &BareJid,
    node: &Scope,
) -> Result<bool, StoreError> {
    let (name, exact) = match node {
        Scope::Exact(name) => (name, true),
        Scope::Prefix(prefix) => (prefix, false),
    };
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM consent_scope s JOIN consent c ON c.key = s.consent \
         WHERE s.recipient = ?1 AND s.name IN (SELECT value FROM json_each(?2)) AND (?3 OR s.name LIKE '%*') \
         AND c.state <> 'requested' AND c.modes LIKE '%\"notify\"%')",
    )
    .bind(who.as_str())
    .bind(covering(name)?)
    .bind(exact)
    .fetch_one(conn)
    .await?;
    Ok(row.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::Modes;
    use crate::domain::consent::tests::sample;
    use crate::store::Durability;

    #[tokio::test]
    async fn what_covers_a_node_is_found_without_looking_at_all_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        let who = sample().recipient;
        let history = Modes { notify: false, history: true };
        for (scope, modes, state) in [
            ("urn:a", Modes::BOTH, State::Active),
            ("urn:b*", Modes::BOTH, State::Suspended),
            ("urn:c*", history, State::Active),
            ("urn:d*", Modes::BOTH, State::Requested),
        ] {
            let id = Uuid::now_v7();
            let scope = vec![Scope::parse(scope).unwrap()];
            let consent = Consent { id, arrangement: id, scope, modes, state, ..sample() };
            store.add_consent(&consent, "admin", consent.since).await.unwrap();
        }
        let mut conn = store.pool().acquire().await.unwrap();
        for (node, covered) in [
            ("urn:a", true),
            ("urn:a*", false),
            ("urn:ab", false),
            ("urn:b", true),
            ("urn:b/1*", true),
            ("urn*", false),
            ("urn:c1", false),
            ("urn:d1", false),
        ] {
            let node = Scope::parse(node).unwrap();
            assert_eq!(is_covered(&mut conn, &who, &node).await.unwrap(), covered, "{node}");
        }
    }
}
