//! What every clerk works with.

use std::sync::Arc;

use jid::BareJid;
use tokio::sync::{mpsc, oneshot};

use super::upstream::Upstream;
use super::{Outgoing, Removed};
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::whose::Whose;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::store::{Store, StoreError};

/// Shared by all clerks.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where everything is kept.
    pub store: Store,
    /// The operator's choices.
    pub config: Arc<Config>,
    /// What time it is.
    pub clock: Clock,
    /// What is to be written to the socket, in order.
    pub out: mpsc::Sender<Outgoing>,
    /// Asks the relay to take all changes made so far, see [`Self::taken`].
    pub wishes: mpsc::Sender<oneshot::Sender<()>>,
    /// Questions that are put to others.
    pub upstream: Upstream,
}

impl Context {
    /// The component's address.
    pub fn jid(&self) -> String {
        self.config.jid()
    }

    /// Whether this is one of the operators.
    pub fn is_admin(&self, who: &BareJid) -> bool {
        self.config.access.admins.contains(who)
    }

    /// Whose the records of a series are, and what its node is set to; nothing where no registration covers it.
    pub async fn whose(&self, name: &str) -> Result<Option<Whose>, StanzaError> {
        self.store.whose(name).await.map_err(|e| failed(&e))
    }

    /// Waits until the relay has taken every change made so far: what is against them is not written to
    /// the socket any more.
    pub async fn taken(&self) -> Result<(), StanzaError> {
        let (taken, told) = oneshot::channel();
        let sent = self.wishes.send(taken).await.is_ok();
        if sent && told.await.is_ok() {
            return Ok(());
        }
        let text = "the change is stored, but the service has not taken it yet; it does within seconds";
        Err(StanzaError::new(Condition::InternalServerError, text).or_in_french(
            "la modification est enregistrée, mais le service ne l’a pas encore prise en compte ; ce sera fait dans quelques secondes",
        ))
    }

    /// Refuses so many more subscriptions of this address where that would be too many (XEP-0060 §6.1.3).
    pub async fn has_room(&self, who: &BareJid, more: usize) -> Result<(), StanzaError> {
        let most = self.config.limits.subscriptions;
        if most == 0 || more == 0 {
            return Ok(());
        }
        let held = self.store.count_subscriptions(who).await.map_err(|e| failed(&e))?;
        if held.saturating_add(more as u64) <= most as u64 {
            return Ok(());
        }
        let text =
            format!("you have {held} subscriptions, and {most} is the most; end some that are not needed");
        let detail = Detail::Pubsub("too-many-subscriptions");
        let french = format!(
            "vous avez {held} abonnements, et {most} est le maximum ; mettez fin à ceux qui ne servent plus"
        );
        Err(StanzaError::with(Condition::PolicyViolation, text, detail).or_in_french(french))
    }

    /// Has the relay forget items, before anything that is said later is written: who hears of the removal may
    /// publish the same again.
    pub async fn forget(&self, node: &str, items: Option<&[String]>) {
        let removed = |item| Removed { node: node.to_owned(), item };
        let removed = match items {
            Some(items) => items.iter().map(|item| removed(Some(item.clone()))).collect(),
            None => vec![removed(None)],
        };
        self.send(Outgoing { removed, ..Outgoing::default() }).await;
    }

    /// Writes stanzas that answer nothing: notices, forms to approve.
    pub async fn send(&self, stanzas: impl Into<Outgoing>) {
        // The other end only goes with the service.
        let _ = self.out.send(stanzas.into()).await;
    }
}

/// The end of a consent could not be recorded; `halted`: nothing leaves under it all the same.
fn not_recorded(halted: bool) -> StanzaError {
    let (text, french) = match halted {
        true => (
            "nothing is sent for now, but this is not recorded, because the service cannot store anything at the moment; repeat it in a few minutes",
            "plus rien n’est transmis pour l’instant, mais ce n’est pas enregistré, car le service ne peut rien enregistrer en ce moment ; recommencez dans quelques minutes",
        ),
        false => (
            "this is not recorded, because the service cannot store anything at the moment; repeat it in a few minutes",
            "ce n’est pas enregistré, car le service ne peut rien enregistrer en ce moment ; recommencez dans quelques minutes",
        ),
    };
    StanzaError::new(Condition::InternalServerError, text).or_in_french(french)
}

/// The store failed: nothing half done, try again.
pub fn failed(error: &StoreError) -> StanzaError {
    if let StoreError::NotRecorded { halted, .. } = error {
        return not_recorded(*halted);
    }
    tracing::error!(%error, "a request could not be answered from the store");
    StanzaError::new(Condition::InternalServerError, "the store does not answer; try again later")
        .or_in_french("la base de données ne répond pas ; réessayez plus tard")
}
