//! A recipient's subscription is set to `none` by an owner of the node (XEP-0060 §8.8): its access is over. What was
//! given for just that node is withdrawn; nothing is done by halves.

use jid::BareJid;
use uuid::Uuid;

use super::node::Node;
use super::{Asked, texts};
use crate::consents::together::{self, Act, By, NotDone, Which};
use crate::desk::context::failed;
use crate::domain::consent::Consent;
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::protocol::error::{Condition, StanzaError};

/// The consents to withdraw so that this recipient gets nothing of the node any more. `conflict` where one of them is
/// for more than the node, `forbidden` where one stands and the asker is not who gave it.
pub(super) async fn to_withdraw(
    asked: &Asked<'_>,
    node: &Node,
    scope: &Scope,
    recipient: &BareJid,
) -> Result<Vec<Uuid>, StanzaError> {
    let Some(holder) = node.holder() else { return Ok(Vec::new()) };
    let beginning = match scope {
        Scope::Exact(name) => name,
        Scope::Prefix(prefix) => prefix,
    };
    let store = &asked.context.store;
    let found = store.consents_about(recipient, beginning, &node.name).await.map_err(|e| failed(&e))?;
    let stands = |consent: &&Consent| {
        consent.was_ever_given()
            && consent.subject == *holder
            && consent.scope.iter().any(|wide| wide.covers_scope(scope))
    };
    let standing: Vec<&Consent> = found.iter().map(|(_, consent)| consent).filter(stands).collect();
    let is_holder = matches!(holder, Subject::Jid(jid) if jid == asked.sender);
    if !is_holder && !standing.is_empty() {
        return Err(StanzaError::said(Condition::Forbidden, texts::HOLDER_WITHDRAWS, &[]));
    }
    if let Some(wider) = standing.iter().find(|consent| consent.scope.iter().any(|named| named != scope)) {
        let (id, who) = (wider.id.to_string(), recipient.to_string());
        let values = [("id", &*id), ("who", &*who)];
        return Err(StanzaError::said(Condition::Conflict, texts::WIDER_CONSENT, &values));
    }
    Ok(standing.iter().map(|consent| consent.id).collect())
}

/// Withdraws them, all or none.
pub(super) async fn withdraw(asked: &Asked<'_>, ids: Vec<Uuid>) -> Result<(), StanzaError> {
    if ids.is_empty() {
        return Ok(());
    }
    let by = By { actor: asked.sender.as_str(), reason: None, at: asked.context.clock.now().wall };
    match together::act(&asked.context.store, &Which::These(ids), Act::Withdraw, by, |_| {}).await {
        Ok(_) => Ok(()),
        Err(NotDone::Store(error)) => Err(failed(&error)),
        // One of them ended in this very moment.
        Err(NotDone::Unfit(_)) => Err(StanzaError::said(Condition::Conflict, texts::ENDED_MEANWHILE, &[])),
    }
}
