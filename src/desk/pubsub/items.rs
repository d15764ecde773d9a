//! Items that are kept (XEP-0060 §6.5), with paging (XEP-0059). What the asker may not have of an item stays
//! behind, and an item of which nothing is left is not there.

use std::num::IntErrorKind;

use jid::BareJid;
use jiff::tz::TimeZone;
use minidom::Element;

use super::node::{Affiliation, Node, cut, no_node, publishes_only, required};
use super::{Asked, texts};
use crate::desk::commands::engine;
use crate::desk::context::failed;
use crate::desk::permit::{Asker, Tally, terms, terms_len};
use crate::desk::reducing::Reducing;
use crate::desk::{Context, Outgoing};
use crate::domain::consent::{Consent, ConsentKey};
use crate::domain::disclosure::Ground;
use crate::domain::subscription;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::event::{self, Terms};
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::rsm::{self, Page};
use crate::protocol::text::{attribute, raw};
use crate::protocol::{description, ns, quoalise};
use crate::senml::{Format, Profile, Resolved, Unwritable, write};
use crate::store::items::read::{Head, Window};

/// The most items in one answer.
pub(super) const ITEMS_MAX: u32 = 256;

/// The largest item that is answered with: as large as a record may be, and what stands around it. A page of several
/// holds less ([`CONTENT_MAX`]).
const ITEM_MAX: usize = 180 * 1024;

/// Answers with items.
pub(super) async fn retrieve(asked: &Asked<'_>, items: &Element) -> Result<Outgoing, StanzaError> {
    let (context, name) = (asked.context, required(items.attr("node"))?);
    let (node, asker) = fetched_by(context, asked.sender, name).await?;
    let now = asker.now.as_millisecond();
    let ids: Vec<&str> =
        items.children().filter(|c| c.is("item", ns::PUBSUB)).filter_map(|c| c.attr("id")).collect();
    let paging = Page::read(asked.pubsub)?;
    let mut answer = Answer::new(&node);
    if !ids.is_empty() {
        for id in ids.into_iter().take(ITEMS_MAX as usize) {
            let head = context.store.item(name, id, now).await.map_err(|e| failed(&e))?;
            let Some(head) = head else { continue };
            if !answer.add(context, &asker, &head, now).await? {
                return Err(StanzaError::said(Condition::PolicyViolation, texts::TOO_LARGE, &[]));
            }
        }
        return answer.finish(asked, &asker, None, "items").await;
    }
    let wanted = match items.attr("max_items").map(str::parse::<u32>) {
        Some(Ok(most)) if most > 0 => Some(most),
        // More than can be counted is all there is.
        Some(Err(why)) if *why.kind() == IntErrorKind::PosOverflow => Some(u32::MAX),
        Some(_) => {
            return Err(StanzaError::said(Condition::BadRequest, texts::MAX_ITEMS_ASKED, &[]));
        }
        None => None,
    };
    let count = context.store.count_items(name).await.map_err(|e| failed(&e))?;
    let most = paging
        .as_ref()
        .and_then(|p| p.max)
        .and_then(|max| u32::try_from(max).ok())
        .or(wanted)
        .unwrap_or(ITEMS_MAX)
        .min(ITEMS_MAX);
    let mut window = Window::newest(most);
    if let Some(paging) = &paging {
        turn_to(context, name, paging, &mut window, now).await?;
    }
    let mut heads = if most == 0 {
        Vec::new()
    } else {
        context.store.items_in(name, window, now).await.map_err(|e| failed(&e))?
    };
    // What does not fit is cut off where the next page would begin.
    if window.newest {
        heads.reverse();
    }
    let mut complete = true;
    for head in &heads {
        if !answer.add(context, &asker, head, now).await? {
            complete = false;
            break;
        }
    }
    if window.newest {
        answer.items.reverse();
    }
    let tell = paging.is_some() || !complete || (wanted.is_none() && count > u64::from(ITEMS_MAX));
    answer.finish(asked, &asker, tell.then_some(count), "items").await
}

/// The node, if it keeps items and they may have any of them.
pub(super) async fn fetched_by(
    context: &Context,
    who: &BareJid,
    name: &str,
) -> Result<(Node, Asker), StanzaError> {
    let asker = Asker::about(context, who, name).await?;
    let Some(node) = Node::find(context, name).await? else {
        // Operators see every series, so nothing is given away.
        return Err(match context.is_admin(who) {
            true => no_node(name),
            false => nothing_for(name),
        });
    };
    may_ask(&node, &asker)?;
    if !node.keeps_items(context) {
        return Err(super::unsupported("persistent-items"));
    }
    Ok((node, asker))
}

/// The last item as an event or what else the subscription asked for, its terms, and the consents that it rests
/// on.
pub(super) struct Last {
    /// Of an item that no stanza carries, its parts.
    pub(super) contents: Vec<Vec<u8>>,
    pub(super) format: subscription::Format,
    pub(super) under: Under,
    pub(super) rests_on: Vec<ConsentKey>,
}

/// Why it is sent.
pub(super) enum Under {
    Own,
    Open,
    Listed,
    Consent(Box<Consent>),
}

impl Under {
    pub(super) fn terms(&self) -> Terms<'_> {
        match self {
            Under::Own => Terms::Own,
            Under::Open => Terms::Open,
            Under::Listed => Terms::Listed,
            Under::Consent(consent) => terms(consent),
        }
    }
}

/// The last item, as it is sent to whoever subscribes, in the format that they asked for.
pub(super) async fn last(
    asked: &Asked<'_>,
    node: &Node,
    format: subscription::Format,
) -> Result<Option<Last>, StanzaError> {
    let context = asked.context;
    let mut asker = Asker::about(context, asked.sender, &node.name).await?;
    // Who published it may fetch it without consent, but is not sent it without.
    asker.is_sent = true;
    let now = asker.now.as_millisecond();
    let newest = Window::newest(1);
    let heads = context.store.items_in(&node.name, newest, now).await.map_err(|e| failed(&e))?;
    let Some(head) = heads.first() else { return Ok(None) };
    let mut tally = Tally::default();
    let Some(had) = had(context, node, &asker, head, now, &mut tally).await? else { return Ok(None) };
    let contents = had.written(node, head, format, CONTENT_MAX)?;
    if contents.is_empty() {
        return Ok(None);
    }
    // One stanza has one set of terms; what rests on several consents is there to be fetched.
    let under = match tally.only_ground() {
        Some(Ground::Own) => Under::Own,
        Some(Ground::Open) => Under::Open,
        Some(Ground::Listed) => Under::Listed,
        Some(Ground::Consent(key)) => match asker.consent(key) {
            Some(consent) => Under::Consent(Box::new(consent.clone())),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let rests_on = tally.rests_on.clone();
    tally.disclose(context, &node.name, "last-item").await?;
    Ok(Some(Last { contents, format, under, rests_on }))
}

/// Narrows the window to what a page may show, and says from which end (XEP-0059 §2).
pub(super) async fn turn_to(
    context: &Context,
    node: &str,
    paging: &Page,
    window: &mut Window,
    now: i64,
) -> Result<(), StanzaError> {
    window.newest = paging.after.is_none() && paging.before.is_some();
    if let Some(after) = &paging.after {
        window.after = window.after.max(place(context, node, after, now).await?);
    } else if let Some(before) = paging.before.as_ref().filter(|id| !id.is_empty()) {
        window.before = window.before.min(place(context, node, before, now).await?);
    }
    Ok(())
}

/// Where an item is in the order in which they came.
async fn place(context: &Context, node: &str, id: &str, now: i64) -> Result<i64, StanzaError> {
    let head = context.store.item(node, id, now).await.map_err(|e| failed(&e))?;
    head.map(|head| head.key).ok_or_else(|| StanzaError::said(Condition::ItemNotFound, texts::NO_PAGE, &[]))
}

/// Whether the asker may have anything at all of the node, or of what lies below it.
fn may_ask(node: &Node, asker: &Asker) -> Result<(), StanzaError> {
    if node.affiliation(&asker.who) == Affiliation::Outcast && !node.whose.is_ever_held_by(&asker.who) {
        return Err(StanzaError::said(Condition::Forbidden, texts::EXCLUDED, &[]));
    }
    let below = format!("{}/", node.name);
    let something_below = asker.consents.iter().any(|(_, consent)| {
        consent.is_live(asker.now)
            && consent.modes.history
            && consent.scope.iter().any(|scope| scope.to_string().starts_with(&below))
    });
    match asker.may_fetch(&node.name, &node.whose) {
        Ok(()) => Ok(()),
        Err(_) if something_below => Ok(()),
        Err(_) if node.affiliation(&asker.who) == Affiliation::PublishOnly => Err(publishes_only()),
        Err(_) if node.series.node.whitelist => {
            Err(StanzaError::said(Condition::NotAllowed, texts::CLOSED_ITEMS, &[])
                .because(Detail::Pubsub("closed-node")))
        }
        Err(_) => Err(nothing_for(&node.name)),
    }
}

/// The same whether there is such a node or not.
pub(super) fn nothing_for(name: &str) -> StanzaError {
    StanzaError::said(Condition::NotAuthorized, texts::NO_CONSENT, &[("node", &cut(name))])
        .because(Detail::Pubsub("not-subscribed"))
}

/// What somebody may have of an item.
pub(super) enum Had {
    /// What is not understood here is had whole.
    Foreign(Vec<u8>),
    /// These records.
    Records(Resolved, Vec<u32>),
}

/// What the asker may have of an item, if anything.
pub(super) async fn had(
    context: &Context,
    node: &Node,
    asker: &Asker,
    head: &Head,
    now: i64,
    tally: &mut Tally,
) -> Result<Option<Had>, StanzaError> {
    if let Some(payload) = context.store.foreign_payload(head.key, now).await.map_err(|e| failed(&e))? {
        let at = head.accepted_at as f64 / 1000.0;
        let ground = asker.freely(&node.whose, at, Some(&head.publisher));
        let (Some(ground), true) = (ground, head.node == node.name) else {
            return Ok(None);
        };
        tally.count(&asker.who, &head.node, ground, at);
        return Ok(Some(Had::Foreign(payload)));
    }
    let series = (head.node != node.name).then_some(node.name.as_str());
    let kept = context.store.item_records(head.key, series, now).await.map_err(|e| failed(&e))?;
    let mut chosen = Vec::new();
    let zone = context.config.consent.time_zone().unwrap_or(TimeZone::UTC);
    let mut reduced: Vec<Resolved> = Vec::new();
    for (place, name) in kept.names().iter().enumerate() {
        let of_this: Vec<u32> =
            (0u32..).zip(kept.iter()).filter(|(_, r)| r.name_id() == place).map(|(i, _)| i).collect();
        let Some(whose) = context.whose(name).await? else { continue };
        let mut records = Resolved::default();
        of_this.iter().filter_map(|i| kept.get(*i as usize)).for_each(|r| records.push(&r));
        if let Some(mut reducing) = Reducing::of(asker, name, &whose, &zone) {
            let had = reducing.take(&records);
            reduced.extend(reducing.records(&had, tally));
        }
        let picked = asker.select(name, &whose, &records, Some(&head.publisher), tally);
        chosen.extend(picked.iter().filter_map(|i| of_this.get(*i as usize)));
    }
    chosen.sort_unstable();
    let mut kept = kept;
    if reduced.iter().any(|records| !records.is_empty()) {
        let mut all = Resolved::default();
        kept.select(&chosen).iter().for_each(|record| all.push(&record));
        reduced.iter().flat_map(Resolved::iter).for_each(|record| all.push(&record));
        all.sort();
        chosen = (0..all.len() as u32).collect();
        kept = all;
    }
    Ok((!chosen.is_empty()).then_some(Had::Records(kept, chosen)))
}

impl Had {
    /// As the payload of an item in this format, or as those of its parts, where that is larger than `most` and can be
    /// parted.
    fn payloads(&self, format: subscription::Format, most: usize) -> Result<Vec<Vec<u8>>, StanzaError> {
        match self {
            Had::Foreign(payload) => Ok(vec![payload.clone()]),
            Had::Records(records, chosen) => parted(chosen, most, &|chosen, out| match format {
                subscription::Format::Json => event::json(records.select(chosen), out),
                _ => write(Format::Xml, Profile::Standard, records.select(chosen), out).map(drop),
            }),
        }
    }

    /// As it is sent in this format, in one or several parts; none where there is no such thing.
    pub(super) fn written(
        &self,
        node: &Node,
        head: &Head,
        format: subscription::Format,
        most: usize,
    ) -> Result<Vec<Vec<u8>>, StanzaError> {
        match (format, self) {
            (subscription::Format::Quoalise, Had::Foreign(_)) => Ok(Vec::new()),
            (subscription::Format::Quoalise, Had::Records(records, chosen)) => {
                let meta = description::meta(&node.name, Some(&node.series));
                let mut parts = parted(chosen, most, &|chosen, out| {
                    let before = out.len();
                    // A data message of no numbers says nothing.
                    if quoalise::write(&meta, records.select(chosen), out)? == chosen.len() {
                        out.truncate(before);
                    }
                    Ok(())
                })?;
                parts.retain(|part| !part.is_empty());
                Ok(parts)
            }
            _ => {
                let payloads = self.payloads(format, most)?;
                let content = |(part, payload): (usize, &Vec<u8>)| {
                    let (node, id, publisher) = (&*node.name, &*head.id, &*head.publisher);
                    let item = event::Item { node, id, part, publisher };
                    let mut out = Vec::with_capacity(payload.len() + 400);
                    match format {
                        subscription::Format::Publish => event::publish(&mut out, &item, payload),
                        _ => event::content(&mut out, &item, payload),
                    }
                    out
                };
                Ok(payloads.iter().enumerate().map(content).collect())
            }
        }
    }
}

/// Writes the records of these places in some shape.
type Shape<'a> = dyn Fn(&[u32], &mut Vec<u8>) -> Result<(), Unwritable> + 'a;

/// Records in some shape, in as many parts as it takes for each to have at most so many octets.
fn parted(chosen: &[u32], most: usize, shape: &Shape<'_>) -> Result<Vec<Vec<u8>>, StanzaError> {
    let mut whole = Vec::new();
    shape(chosen, &mut whole).map_err(|e| unwritable(&e))?;
    if whole.len() <= most || chosen.len() < 2 {
        return Ok(vec![whole]);
    }
    let (front, back) = chosen.split_at(chosen.len() / 2);
    let mut parts = parted(front, most, shape)?;
    parts.extend(parted(back, most, shape)?);
    Ok(parts)
}

fn unwritable(why: &Unwritable) -> StanzaError {
    tracing::warn!(error = %why, "a kept item cannot be written");
    StanzaError::said(Condition::InternalServerError, texts::UNWRITABLE, &[])
}

struct Answer<'a> {
    node: &'a Node,
    items: Vec<(Head, Vec<u8>)>,
    size: usize,
    tally: Tally,
}

impl<'a> Answer<'a> {
    fn new(node: &'a Node) -> Self {
        Answer { node, items: Vec::new(), size: 0, tally: Tally::default() }
    }

    /// Adds what the asker may have of an item. `false` if it does not fit any more; one that fits into no answer
    /// is refused, as what is too large ends the link.
    async fn add(
        &mut self,
        context: &Context,
        asker: &Asker,
        head: &Head,
        now: i64,
    ) -> Result<bool, StanzaError> {
        let mut tally = Tally::default();
        match had(context, self.node, asker, head, now, &mut tally).await? {
            Some(had) => {
                let payload = had.payloads(subscription::Format::Pubsub, usize::MAX)?.concat();
                self.put(asker, head, &payload, tally)
            }
            None => {
                self.tally.absorb(tally);
                Ok(true)
            }
        }
    }

    /// Puts an item into the answer. `false` if it does not fit any more.
    fn put(&mut self, asker: &Asker, head: &Head, payload: &[u8], tally: Tally) -> Result<bool, StanzaError> {
        let mut item = Vec::with_capacity(payload.len() + 200);
        raw(&mut item, "<item");
        attribute(&mut item, "id", &head.id);
        attribute(&mut item, "publisher", &head.publisher);
        raw(&mut item, ">");
        item.extend_from_slice(payload);
        raw(&mut item, "</item>");
        // With it come the terms of what it rests on.
        let new = tally.rests_on.iter().filter(|key| !self.tally.rests_on.contains(key));
        let size = item.len() + new.map(|key| terms_len(asker, *key)).sum::<usize>();
        let alone = self.items.is_empty();
        if size > ITEM_MAX && alone {
            let id = [("id", &*cut(&head.id))];
            return Err(StanzaError::said(Condition::PolicyViolation, texts::ITEM_TOO_LARGE, &id));
        }
        if self.size + size > CONTENT_MAX && !alone {
            return Ok(false);
        }
        self.size += size;
        self.tally.absorb(tally);
        self.items.push((head.clone(), item));
        Ok(true)
    }

    async fn finish(
        self,
        asked: &Asked<'_>,
        asker: &Asker,
        count: Option<u64>,
        how: &str,
    ) -> Result<Outgoing, StanzaError> {
        let mut content = Vec::with_capacity(self.size + 500);
        raw(&mut content, "<pubsub xmlns='");
        raw(&mut content, ns::PUBSUB);
        raw(&mut content, "'><items");
        attribute(&mut content, "node", &self.node.name);
        raw(&mut content, ">");
        for (_, item) in &self.items {
            content.extend_from_slice(item);
        }
        raw(&mut content, "</items>");
        if let Some(count) = count {
            let first = match self.items.first() {
                Some((head, _)) => {
                    let before = asked.context.store.count_items_before(&self.node.name, head.key).await;
                    let index = usize::try_from(before.map_err(|e| failed(&e))?).unwrap_or(usize::MAX);
                    Some((head.id.as_str(), index))
                }
                None => None,
            };
            let last = self.items.last().map(|(head, _)| head.id.as_str());
            rsm::write(&mut content, first, last, usize::try_from(count).unwrap_or(usize::MAX));
        }
        let rests_on = self.tally.rests_on.clone();
        for key in &rests_on {
            if let Some(consent) = asker.consent(*key) {
                terms(consent).write(&mut content);
            }
        }
        raw(&mut content, "</pubsub>");
        let name = self.node.name.clone();
        self.tally.disclose(asked.context, &name, how).await?;
        let mut answer = Vec::new();
        asked.request.outside.reply().result(&mut answer, &content);
        let mut outgoing = Outgoing { rests_on, ..Outgoing::from(answer) };
        if !outgoing.rests_on.is_empty() {
            let stanza = &asked.request.stanza;
            let language = engine::language(asked.context, asked.sender, stanza, stanza).await;
            let otherwise = nothing_for(&name).told_in(language);
            asked.request.outside.refuse(&otherwise, &mut outgoing.otherwise);
        }
        Ok(outgoing)
    }
}
