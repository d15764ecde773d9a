//! Items that are kept, by the time when they came (XEP-0313 on a node): each as the message that subscribers were
//! sent, with the terms of the consents that it rests on. The archive is what the node keeps; an item's id is the id
//! in it. Who may have what of it is decided as for `<items/>`.

use jid::{BareJid, Jid};
use jiff::Timestamp;
use minidom::Element;
use uuid::Uuid;

use super::items::{ITEMS_MAX, fetched_by, had, nothing_for, turn_to};
use super::node::{cut, required};
use super::texts;
use crate::desk::commands::engine;
use crate::desk::context::failed;
use crate::desk::permit::{Asker, Tally, terms, terms_len};
use crate::desk::{Context, Outgoing, Request};
use crate::domain::subscription;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::form::{self, Field, Submitted};
use crate::protocol::ns;
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::rsm::{self, Page};
use crate::protocol::text::{attribute, instant, raw};
use crate::store::items::read::{Head, Window};

/// The most times that it is looked further for what is meant: some thousand items.
const ROUNDS_MAX: u32 = 20;

/// The longest `queryid`, in octets.
const QUERYID_MAX: usize = 256;

/// Answers a `<query/>` that names a node.
pub(crate) async fn serve(
    context: &Context,
    request: &Request,
    query: &Element,
) -> Result<Outgoing, StanzaError> {
    let name = required(query.attr("node"))?;
    let (node, asker) = fetched_by(context, &request.sender, name).await?;
    if request.outside.type_ != "set" {
        return Ok(fields(request).into());
    }
    let (now, from) = (asker.now.as_millisecond(), context.jid());
    let wanted = Wanted::read(query)?;
    // It is said again with each item.
    let queryid = query.attr("queryid");
    if queryid.is_some_and(|id| id.len() > QUERYID_MAX) {
        return Err(StanzaError::said(Condition::BadRequest, texts::QUERYID, &[]));
    }
    let paging = Page::read(query)?.unwrap_or_default();
    let most = paging.max.and_then(|max| u32::try_from(max).ok()).unwrap_or(ITEMS_MAX).min(ITEMS_MAX);
    // One more than is shown, since whether there are others is said.
    let mut window = Window::newest(most + 1);
    if let Some(start) = wanted.start {
        window.after = context.store.item_key_since(start).await.map_err(|e| failed(&e))? - 1;
    }
    if let Some(end) = wanted.end {
        window.before = context.store.item_key_since(end.saturating_add(1)).await.map_err(|e| failed(&e))?;
    }
    turn_to(context, name, &paging, &mut window, now).await?;
    let mut found: Vec<(Head, Vec<Vec<u8>>)> = Vec::new();
    let (mut tally, mut size) = (Tally::default(), 0);
    let mut rounds = 0;
    // What somebody else published, or nothing is left of, takes no room on the page: it goes on behind it.
    let complete = 'page: loop {
        rounds += 1;
        if rounds > ROUNDS_MAX && found.is_empty() {
            return Err(StanzaError::said(Condition::PolicyViolation, texts::TOO_MUCH_ELSE, &[]));
        }
        let heads = context.store.items_in(name, window, now).await.map_err(|e| failed(&e))?;
        let in_order: Vec<Head> = match window.newest {
            true => heads.into_iter().rev().collect(),
            false => heads,
        };
        // What is past its time and not removed yet is counted here, and not among the heads.
        let there = context.store.count_in(name, window).await.map_err(|e| failed(&e))?;
        let is_last = there < window.most as usize;
        let Some(furthest) = in_order.last().map(|head| head.key) else { break is_last };
        for head in in_order.into_iter().filter(|head| wanted.means(head)) {
            let mut had_of_it = Tally::default();
            let Some(had) = had(context, &node, &asker, &head, now, &mut had_of_it).await? else {
                tally.absorb(had_of_it);
                continue;
            };
            // The terms of one consent are counted in already.
            let terms = had_of_it.rests_on.iter().skip(1).map(|key| terms_len(&asker, *key)).sum();
            let most_of_one = CONTENT_MAX.saturating_sub(terms);
            let contents = had.written(&node, &head, subscription::Format::Pubsub, most_of_one)?;
            let message = |part| Forwarded { request, queryid, head: &head, part, from: &from };
            let messages: Vec<Vec<u8>> = contents
                .iter()
                .enumerate()
                .map(|(part, content)| message(part).write(content, &had_of_it, &asker))
                .collect();
            size += messages.iter().map(Vec::len).sum::<usize>();
            if found.len() == most as usize || size > CONTENT_MAX && !found.is_empty() {
                break 'page false;
            }
            tally.absorb(had_of_it);
            found.push((head, messages));
        }
        if is_last || rounds > ROUNDS_MAX {
            break is_last;
        }
        let end = if window.newest { &mut window.before } else { &mut window.after };
        *end = furthest;
        window.most = ITEMS_MAX;
    };
    if window.newest {
        found.reverse();
    }
    let mut fin = Vec::new();
    raw(&mut fin, "<fin xmlns='");
    raw(&mut fin, ns::MAM);
    raw(&mut fin, if complete { "' complete='true'>" } else { "'>" });
    let first = found.first().map(|(head, _)| (head.id.as_str(), None));
    rsm::write_known(&mut fin, first, found.last().map(|(head, _)| head.id.as_str()), None);
    raw(&mut fin, "</fin>");
    let mut end = Vec::new();
    request.outside.reply().result(&mut end, &fin);
    let mut outgoing = Outgoing { rests_on: tally.rests_on.clone(), ..Outgoing::default() };
    outgoing.stanzas.extend(found.into_iter().flat_map(|(_, messages)| messages));
    outgoing.stanzas.push(end);
    tally.disclose(context, name, "archive").await?;
    if !outgoing.rests_on.is_empty() {
        let language = engine::language(context, &request.sender, &request.stanza, &request.stanza).await;
        request.outside.refuse(&nothing_for(name).told_in(language), &mut outgoing.otherwise);
    }
    Ok(outgoing)
}

/// What is looked for: times in milliseconds since 1970, both included.
struct Wanted {
    with: Option<BareJid>,
    start: Option<i64>,
    end: Option<i64>,
}

impl Wanted {
    fn read(query: &Element) -> Result<Self, StanzaError> {
        let Some(form) = Submitted::within(query) else {
            return Ok(Wanted { with: None, start: None, end: None });
        };
        if let Some(var) = form.names().find(|var| !matches!(*var, "FORM_TYPE" | "with" | "start" | "end")) {
            let var = cut(var);
            return Err(StanzaError::said(
                Condition::FeatureNotImplemented,
                texts::NOT_A_FILTER,
                &[("var", &var)],
            ));
        }
        let with = form.one("with").filter(|text| !text.is_empty()).map(Jid::new).transpose();
        let with = with.map_err(|_| StanzaError::said(Condition::BadRequest, texts::NOT_AN_ADDRESS, &[]))?;
        Ok(Wanted {
            with: with.map(|jid| jid.to_bare()),
            start: time(&form, "start")?,
            end: time(&form, "end")?,
        })
    }

    fn means(&self, head: &Head) -> bool {
        self.with.as_ref().is_none_or(|who| *who.as_str() == head.publisher)
            && self.start.is_none_or(|start| head.accepted_at >= start)
            && self.end.is_none_or(|end| head.accepted_at <= end)
    }
}

fn time(form: &Submitted, var: &str) -> Result<Option<i64>, StanzaError> {
    let Some(text) = form.one(var).filter(|text| !text.is_empty()) else { return Ok(None) };
    let at = text.parse::<Timestamp>().map_err(|_| {
        let given = cut(text);
        StanzaError::said(Condition::BadRequest, texts::NOT_A_TIME, &[("var", var), ("given", &given)])
    })?;
    Ok(Some(at.as_millisecond()))
}

/// What can be asked (XEP-0313 §4.1.1).
fn fields(request: &Request) -> Vec<u8> {
    let mut query = Vec::new();
    raw(&mut query, "<query xmlns='");
    raw(&mut query, ns::MAM);
    raw(&mut query, "'>");
    let asked = [
        Field::new("with", "jid-single", "Published by", ""),
        Field::new("start", "text-single", "Came at this time or later", ""),
        Field::new("end", "text-single", "Came at this time or before", ""),
    ];
    form::write(&mut query, "form", ns::MAM, &asked);
    raw(&mut query, "</query>");
    let mut out = Vec::new();
    request.outside.reply().result(&mut out, &query);
    out
}

/// The message with one item (XEP-0297), or with a part of one, for who asked.
struct Forwarded<'a> {
    request: &'a Request,
    queryid: Option<&'a str>,
    head: &'a Head,
    part: usize,
    /// The service's address.
    from: &'a str,
}

impl Forwarded<'_> {
    fn write(&self, content: &[u8], tally: &Tally, asker: &Asker) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len() + 600);
        let outside = &self.request.outside;
        raw(&mut out, "<message");
        attribute(&mut out, "from", &outside.to);
        attribute(&mut out, "to", &outside.from);
        attribute(&mut out, "id", &Uuid::new_v4().simple().to_string());
        raw(&mut out, "><result xmlns='");
        raw(&mut out, ns::MAM);
        raw(&mut out, "'");
        if let Some(queryid) = self.queryid {
            attribute(&mut out, "queryid", queryid);
        }
        match self.part {
            0 => attribute(&mut out, "id", &self.head.id),
            part => attribute(&mut out, "id", &format!("{}~{}", self.head.id, part + 1)),
        }
        raw(&mut out, "><forwarded xmlns='");
        raw(&mut out, ns::FORWARD);
        raw(&mut out, "'>");
        if let Ok(came) = Timestamp::from_millisecond(self.head.accepted_at) {
            raw(&mut out, "<delay xmlns='");
            raw(&mut out, ns::DELAY);
            raw(&mut out, "' stamp='");
            instant(&mut out, came);
            raw(&mut out, "'/>");
        }
        raw(&mut out, "<message xmlns='");
        raw(&mut out, ns::CLIENT);
        raw(&mut out, "'");
        attribute(&mut out, "from", self.from);
        raw(&mut out, ">");
        out.extend_from_slice(content);
        for key in &tally.rests_on {
            if let Some(consent) = asker.consent(*key) {
                terms(consent).write(&mut out);
            }
        }
        raw(&mut out, "</message></forwarded></result></message>");
        out
    }
}
