//! Who is what to a node, for who runs it (XEP-0060 §8.9).
//!
//! The person concerned decides who else runs the node, and who may have the data: so it is they alone who make
//! somebody an owner, a publisher, publish-only or a member, and who is one of these stays so until they say
//! otherwise. Whoever runs the node may keep others out of it, and may go.

use jid::{BareJid, Jid};
use minidom::Element;

use super::configure::end_without_right;
use super::lists::{LINES_MAX, end, end_subscription, start};
use super::node::{Affiliation, Node, affiliation, changed_meanwhile, not_an_address, required};
use super::{Asked, texts};
use crate::desk::context::failed;
use crate::domain::party::Subject;
use crate::domain::series::Series;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::ns;
use crate::protocol::text::{attribute, raw};

/// The most affiliations of one node: they are in memory, and looked through for each publish.
const LISTED_MAX: usize = 1000;

/// Who is affiliated with a node.
pub(super) async fn affiliations(asked: &Asked<'_>, list: &Element) -> Result<Vec<u8>, StanzaError> {
    let node = Node::run_by(asked.context, required(list.attr("node"))?, asked.sender).await?;
    let mut out = start(ns::PUBSUB_OWNER, "affiliations", Some(&node.name));
    let settings = &node.series.node;
    let owners =
        node.holder().and_then(Subject::jid).into_iter().chain(&settings.creator).chain(&settings.owners);
    let everybody = owners.chain(&node.series.producers).chain(&settings.members).chain(&settings.outcasts);
    let mut listed: Vec<&BareJid> = Vec::new();
    for who in everybody {
        if !listed.contains(&who) {
            listed.push(who);
            raw(&mut out, "<affiliation");
            attribute(&mut out, "jid", who.as_str());
            attribute(&mut out, "affiliation", node.affiliation(who).as_str());
            raw(&mut out, "/>");
        }
    }
    end(&mut out, "affiliations");
    Ok(out)
}

/// Changes who is affiliated with a node, all or nothing.
pub(super) async fn set_affiliations(asked: &Asked<'_>, list: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(list.attr("node"))?);
    let node = Node::run_by(context, name, asked.sender).await?;
    if !node.is_registered_itself() {
        return Err(StanzaError::said(Condition::NotAllowed, texts::CONFIGURE_FIRST, &[]));
    }
    let mut series = node.series.clone();
    let (mut excluded, mut narrowed) = (Vec::new(), false);
    for change in list.children().filter(|c| c.is("affiliation", ns::PUBSUB_OWNER)).take(LINES_MAX as usize) {
        let who = change.attr("jid").and_then(|jid| Jid::new(jid).ok()).map(|jid| jid.to_bare());
        let who = who.ok_or_else(not_an_address)?;
        let wanted = change.attr("affiliation").unwrap_or_default();
        if held_or(&node, affiliation(&series, &who), &who).as_str() == wanted {
            continue;
        }
        let wanted = read(wanted)?;
        may_change(&node, &series, asked.sender, &who, wanted)?;
        put(&mut series, &who, wanted);
        narrowed |= matches!(wanted, Affiliation::None | Affiliation::PublishOnly);
        if wanted == Affiliation::Outcast {
            excluded.push(who);
        }
    }
    let on = &series.node;
    let listed = series.producers.len() + on.members.len() + on.outcasts.len() + on.owners.len();
    if listed > LISTED_MAX {
        let most = LISTED_MAX.to_string();
        return Err(StanzaError::said(
            Condition::PolicyViolation,
            texts::TOO_MANY_LISTED,
            &[("most", &most)],
        ));
    }
    let now = context.clock.now().wall;
    if !context.store.update_series(&node.series, &series, now).await.map_err(|e| failed(&e))? {
        return Err(changed_meanwhile());
    }
    let node = node.with(series);
    for who in excluded {
        for held in context.store.subscriptions_of(&who, LINES_MAX).await.map_err(|e| failed(&e))? {
            if held.node.to_string() == name {
                end_subscription(asked, &node, &held).await?;
            }
        }
    }
    context.taken().await?;
    if narrowed && (node.series.open || node.series.node.whitelist) {
        end_without_right(asked, &node).await?;
    }
    Ok(Vec::new())
}

/// What somebody is, be it as the holder.
fn held_or(node: &Node, otherwise: Affiliation, who: &BareJid) -> Affiliation {
    if node.is_held_by(who) { Affiliation::Owner } else { otherwise }
}

fn read(wanted: &str) -> Result<Affiliation, StanzaError> {
    Affiliation::ALL
        .into_iter()
        .find(|known| known.as_str() == wanted)
        .ok_or_else(|| StanzaError::said(Condition::NotAcceptable, texts::NOT_AN_AFFILIATION, &[]))
}

/// Whether this is for the asker to change.
fn may_change(
    node: &Node,
    series: &Series,
    asker: &BareJid,
    who: &BareJid,
    wanted: Affiliation,
) -> Result<(), StanzaError> {
    if node.is_held_by(who) {
        return Err(StanzaError::said(Condition::NotAcceptable, texts::OWNER_STAYS, &[]));
    }
    let leaves = asker == who && matches!(wanted, Affiliation::None);
    // Of who may publish only, either would take what the person concerned said of reading: who is kept out is
    // nothing in particular once they are let in again.
    let narrows = matches!(wanted, Affiliation::Outcast | Affiliation::None)
        && !matches!(affiliation(series, who), Affiliation::Owner | Affiliation::PublishOnly);
    if node.is_held_by(asker) || narrows || leaves {
        return Ok(());
    }
    Err(StanzaError::said(Condition::Forbidden, texts::NOT_YOURS_TO_DECIDE, &[]))
}

fn put(series: &mut Series, who: &BareJid, wanted: Affiliation) {
    let on = &mut series.node;
    for list in
        [&mut series.producers, &mut on.members, &mut on.outcasts, &mut on.owners, &mut on.publish_only]
    {
        list.retain(|held| held != who);
    }
    on.creator.take_if(|creator| creator == who);
    let also = match wanted {
        Affiliation::None => return,
        Affiliation::Member => &mut on.members,
        Affiliation::Outcast => &mut on.outcasts,
        Affiliation::Publisher => return series.producers.push(who.clone()),
        Affiliation::PublishOnly => &mut on.publish_only,
        Affiliation::Owner => &mut on.owners,
    };
    also.push(who.clone());
    if matches!(wanted, Affiliation::PublishOnly | Affiliation::Owner) {
        series.producers.push(who.clone());
    }
}
