//! New nodes (XEP-0060 §8.1), configured at once if asked (§8.1.3).

use jid::BareJid;
use minidom::Element;

use super::node::{Affiliation, Node, affiliation, cut};
use super::{Asked, configure, texts};
use crate::config::{AccessModel, CreateNodes};
use crate::desk::Context;
use crate::desk::context::failed;
use crate::domain::name::Scope;
use crate::domain::node::NodeSettings;
use crate::domain::party::Subject;
use crate::domain::series::Series;
use crate::domain::tenure::Tenures;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::form::Submitted;
use crate::protocol::ns;
use crate::protocol::text::{attribute, raw};
use crate::store::StoreError;

/// Makes a node. Whoever makes it owns it, unless it lies under somebody's registration: then that person
/// stays the one concerned, and the maker runs the node.
pub(super) async fn create(asked: &Asked<'_>, create: &Element) -> Result<Vec<u8>, StanzaError> {
    let context = asked.context;
    let (name, instant) = match create.attr("node").filter(|name| !name.is_empty()) {
        Some(name) => (name.to_owned(), false),
        None => (format!("node-{}", uuid::Uuid::new_v4().simple()), true),
    };
    let scope = match Scope::parse(&name) {
        Ok(scope @ Scope::Exact(_)) => scope,
        Ok(Scope::Prefix(_)) => {
            return Err(StanzaError::said(Condition::NotAcceptable, texts::NOT_A_PREFIX, &[]));
        }
        Err(error) => {
            tracing::debug!(%error, "a name that is none");
            return Err(StanzaError::said(
                Condition::NotAcceptable,
                texts::BAD_NAME,
                &[("name", &cut(&name))],
            ));
        }
    };
    let (mut series, is_holder) = template(context, asked.sender, &name, scope).await?;
    has_room(context, asked.sender).await?;
    if let Some(form) = asked.pubsub.get_child("configure", ns::PUBSUB).and_then(Submitted::within)
        && form.type_ != "cancel"
    {
        configure::apply(&mut series, &form, is_holder)?;
    }
    match context.store.add_series(&series, context.clock.now().wall).await {
        Ok(()) => {}
        Err(StoreError::Exists { .. }) => return Err(taken(&name)),
        Err(error) => return Err(failed(&error)),
    }
    context.taken().await?;
    let mut out = Vec::new();
    if instant {
        raw(&mut out, "<pubsub xmlns='");
        raw(&mut out, ns::PUBSUB);
        raw(&mut out, "'><create");
        attribute(&mut out, "node", &name);
        raw(&mut out, "/></pubsub>");
    }
    Ok(out)
}

/// Whether one more registration may be made for this address.
async fn has_room(context: &Context, sender: &BareJid) -> Result<(), StanzaError> {
    let most = context.config.limits.nodes;
    if most == 0 || context.is_admin(sender) {
        return Ok(());
    }
    let made = context.store.count_series_of(sender).await.map_err(|e| failed(&e))?;
    if made < most as u64 {
        return Ok(());
    }
    let values = [("made", &*made.to_string()), ("most", &*most.to_string())];
    let refused = StanzaError::said(Condition::PolicyViolation, texts::TOO_MANY_NODES, &values);
    Err(refused.because(Detail::Pubsub("max-nodes-exceeded")))
}

/// Makes ready to register a node of its own out of one that lies under a prefix, for who runs both: what creating it
/// takes, configuring it takes too. Who is not the person concerned becomes its maker, as if they had created it.
pub(super) async fn out_of_a_prefix(
    context: &Context,
    sender: &BareJid,
    node: &Node,
    series: &mut Series,
) -> Result<(), StanzaError> {
    if context.config.access.create_nodes == CreateNodes::Admins && !context.is_admin(sender) {
        return Err(StanzaError::said(Condition::Forbidden, texts::MAY_NOT_CREATE, &[]));
    }
    has_room(context, sender).await?;
    series.node.creator = (!node.is_held_by(sender)).then(|| sender.clone());
    series.tenures = Tenures::following();
    Ok(())
}

/// The registration as it would be without further wishes, if the asker may make it.
async fn template(
    context: &Context,
    sender: &BareJid,
    name: &str,
    scope: Scope,
) -> Result<(Series, bool), StanzaError> {
    let now = context.clock.now().wall;
    let policy = context.config.access.create_nodes;
    let admin = context.is_admin(sender);
    let whose = context.whose(name).await?;
    let is_holder = whose.as_ref().is_some_and(|whose| whose.is_held_by(sender, now));
    let above = whose.map(|whose| whose.series().clone());
    let may = match (&above, policy) {
        _ if admin => true,
        (_, CreateNodes::Admins) => false,
        (Some(above), _) => above.producers.contains(sender) || is_holder,
        (None, policy) => policy == CreateNodes::Anyone,
    };
    if !may {
        let is_taken = above.is_some_and(|above| matches!(above.name, Scope::Exact(_)));
        if is_taken && policy == CreateNodes::Anyone {
            // Who may create sees that it is not to be had.
            return Err(taken(name));
        }
        return Err(StanzaError::said(Condition::Forbidden, texts::MAY_NOT_CREATE, &[]));
    }
    let Some(above) = above else {
        let model = context.config.pubsub.access_model;
        let series = Series {
            name: scope,
            tenures: Tenures::of(Subject::Jid(sender.clone())),
            producers: vec![sender.clone()],
            open: model == AccessModel::Open,
            retention: None,
            title: None,
            source: None,
            meta: Default::default(),
            node: NodeSettings { whitelist: model == AccessModel::Whitelist, ..NodeSettings::default() },
        };
        return Ok((series, true));
    };
    if matches!(above.name, Scope::Exact(_)) {
        return Err(taken(name));
    }
    // What somebody published to is there already, and who made it so may be another publisher.
    let alone = !above.node.anyone_publishes && above.producers.iter().all(|producer| producer == sender);
    if !admin
        && !is_holder
        && affiliation(&above, sender) != Affiliation::Owner
        && !alone
        && is_known(context, name).await?
    {
        return Err(taken(name));
    }
    // It has no tenure of its own: who holds the prefix holds it.
    let mut series = Series { name: scope, tenures: Tenures::following(), ..above };
    if !series.producers.contains(sender) {
        series.producers.push(sender.clone());
    }
    series.node.creator = (!is_holder).then(|| sender.clone());
    Ok((series, is_holder))
}

/// Whether something was published there.
async fn is_known(context: &Context, name: &str) -> Result<bool, StanzaError> {
    let first = context.store.known_names_below(name, 1).await.map_err(|e| failed(&e))?;
    Ok(first.first().is_some_and(|known| known == name))
}

fn taken(name: &str) -> StanzaError {
    StanzaError::said(Condition::Conflict, texts::TAKEN, &[("name", &cut(name))])
}
