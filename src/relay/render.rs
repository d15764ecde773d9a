//! Writes what one destination is owed of an item, as far as it may still leave: asked again at every send.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Deliveries, Published};
use super::disclosure;
use super::intake;
use super::owed::{self, Basis, Owed, Selection};
use super::pack::Pack;
use super::postponed::PostponedDeliveries;
use super::registration::Registration;
use super::rights::{Party, Rights};
use super::window::Entry;
use crate::domain::clock::Now;
use crate::domain::decision::{Denial, Extent, Standing};
use crate::domain::disclosure::{Line, Why};
use crate::domain::subscription::Format;
use crate::protocol::event::{self, Terms};
use crate::protocol::outbox::{CONTENT_MAX, Outbox};
use crate::protocol::{description, quoalise, text};

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Messages written.
    pub(super) sent: u64,
    /// Deliveries whose time to live is over.
    pub(super) expired: u64,
    /// Deliveries whose consent or subscription is over.
    pub(super) withheld: u64,
    /// What the disclosure log is told of what was not sent.
    pub(super) lines: Vec<Line>,
    /// Subscriptions whose deliveries wait behind one that came back.
    pub(super) postponed: Vec<u64>,
    /// Subscriptions of which something is larger than a stanza may be, and was not written.
    pub(super) too_large: Vec<u64>,
    /// What was written as a publish, to be answered.
    pub(super) published: Vec<Published>,
}

/// What stays the same from item to item.
pub(super) struct Renderer<'a> {
    pub(super) rights: &'a Rights,
    pub(super) deliveries: &'a Deliveries,
    pub(super) postponed: &'a PostponedDeliveries,
    /// The component's address.
    pub(super) from: &'a str,
    pub(super) installation: &'a str,
    pub(super) headline: bool,
    pub(super) time_to_live: Duration,
    pub(super) now: Now,
}

impl Renderer<'_> {
    /// Appends all messages of one item to one destination.
    pub(super) fn write(&self, entry: &mut Entry, domain: &str, out: &mut Outbox) -> Written {
        let expired = self.now.is_later_by(entry.accepted_at, self.time_to_live);
        let set = self.rights.registration(&entry.node).and_then(|series| series.headline());
        let headline = set.unwrap_or(self.headline);
        let some_are_dead = self.deliveries.has_dead(domain);
        let some_wait = !self.postponed.is_empty();
        let mut written = Written::default();
        let mut id = String::new();
        for place in 0..entry.owed.len() {
            let owed = &entry.owed[place];
            let Some(subscriber) = self.rights.subscriber_owed(owed) else {
                tell(entry, place, Why::Ended, &mut written);
                continue;
            };
            if **subscriber.domain != *domain
                || some_are_dead && self.deliveries.is_dead(domain, entry.seq, owed.subscription.0)
            {
                continue;
            }
            let held =
                owed.in_reserve.then(|| self.left_over(&entry.pack, &entry.owed, place, subscriber.party));
            if held == Some(Selection::Some(Vec::new())) || expired && owed.in_reserve {
                continue;
            }
            if expired {
                written.expired += 1;
                tell(entry, place, Why::Expired, &mut written);
                continue;
            }
            let records = held.as_ref().unwrap_or(&owed.records);
            let (terms, selection) = match self.permitted(&entry.pack, owed, records, subscriber.party) {
                Ok((terms, selection)) => (terms, selection.into_owned()),
                Err(why) => {
                    written.withheld += 1;
                    tell(entry, place, why, &mut written);
                    continue;
                }
            };
            if some_wait && self.postponed.holds(owed.subscription.0, self.now.mono) {
                written.postponed.push(owed.subscription.0);
                continue;
            }
            let (format, subscription) = (subscriber.format, owed.subscription.0);
            id.clear();
            id.push_str(self.installation);
            for number in [entry.seq, subscription, place as u64] {
                id.push('-');
                text::hex(&mut id, number);
            }
            let mut mark = 0;
            if let (true, Selection::Some(records)) = (owed.in_reserve, &selection) {
                // What is left over may grow, and an id must not stand for something else the next time.
                mark = intake::hash(&owed::encode_records(records));
                id.push('-');
                text::hex(&mut id, mark);
            }
            let whole = id.len();
            for (part, content) in self.rendered(entry, selection, format).iter().enumerate() {
                if part > 0 {
                    id.truncate(whole);
                    let _ = write!(id, "~{}", part + 1);
                }
                let (from, to) = (self.from, &**subscriber.address);
                let envelope = event::Envelope { from, to, id: &id, headline };
                if format == Format::Publish {
                    let published = Published { seq: entry.seq, subscription, place, mark, part };
                    // What was acknowledged need not be sent again with what was not.
                    if self.deliveries.is_taken(domain, published) {
                        continue;
                    }
                    if out.stanza(|out| event::write_publish(out, &envelope, content, terms)) {
                        written.published.push(published);
                        written.sent += 1;
                        continue;
                    }
                } else if out.stanza(|out| event::write(out, &envelope, content, terms)) {
                    written.sent += 1;
                    continue;
                }
                written.too_large.push(subscription);
                break;
            }
        }
        written
    }

    /// What of the records at this place in the list nothing before it lets leave to the same subscription.
    fn left_over(&self, pack: &Pack, list: &[Owed], place: usize, recipient: Party) -> Selection {
        let owed = &list[place];
        let mut left = pack.records(&owed.records);
        for before in list[..place].iter().filter(|before| before.subscription == owed.subscription) {
            let covered = pack.records(&before.records);
            if left.is_empty() || !left.iter().any(|record| covered.binary_search(record).is_ok()) {
                continue;
            }
            if let Ok((_, leaves)) = self.permitted(pack, before, &before.records, recipient) {
                let leaves = pack.records(&leaves);
                left.retain(|record| leaves.binary_search(record).is_err());
            }
        }
        Selection::Some(left)
    }

    /// What of it may leave now, and under which terms: asked again of open data and of people's own series
    /// too.
    fn permitted<'a, 'b>(
        &'a self,
        pack: &Pack,
        owed: &Owed,
        records: &'b Selection,
        recipient: Party,
    ) -> Result<(Terms<'a>, Cow<'b, Selection>), Why> {
        let series = |permits: &dyn Fn(Registration<'_>) -> bool| {
            narrowed(pack, records, None, |name| self.rights.registration(name).is_some_and(permits))
        };
        let (terms, selection, otherwise) = match owed.basis {
            Basis::Own => (Terms::Own, series(&|series| series.is_held_by(recipient)), Why::Ended),
            Basis::Open => (Terms::Open, series(&|series| series.is_open_to(recipient)), Why::Ended),
            Basis::Listed => (Terms::Listed, series(&|series| series.lists(recipient)), Why::Ended),
            Basis::Consent(_) => {
                let grant = self.rights.consent_behind(owed).ok_or(Why::Ended)?;
                let extent = grant.extent();
                if !extent.modes.notify {
                    return Err(Why::Withheld(Denial::NoneRegistered));
                }
                extent.may_leave_now(self.now.wall).map_err(Why::Withheld)?;
                let window = extent.is_windowed().then_some(extent);
                // An edit may have narrowed it.
                let selection = narrowed(pack, records, window, |name| grant.covers(name));
                (grant.terms(), selection, Why::Withheld(Denial::OutsideDataWindow))
            }
            Basis::Reduced { token, .. } => {
                let grant = self.rights.consent_behind(owed).ok_or(Why::Ended)?;
                if !grant.extent().modes.notify {
                    return Err(Why::Withheld(Denial::NoneRegistered));
                }
                grant.extent().stands_now(self.now.wall).map_err(Why::Withheld)?;
                // It may have become coarser, or its window narrower, since this was reduced.
                if grant.coarse().is_some_and(|coarse| coarse.token != token) {
                    return Err(Why::Withheld(Denial::TooFine));
                }
                let selection = narrowed(pack, records, None, |name| grant.covers(name));
                (grant.terms(), selection, Why::Ended)
            }
        };
        if *selection == Selection::Some(Vec::new()) { Err(otherwise) } else { Ok((terms, selection)) }
    }
}

impl Renderer<'_> {
    /// The content of the messages that carry a selection, written once, cut into parts that are small
    /// enough to arrive.
    fn rendered(&self, entry: &mut Entry, selection: Selection, format: Format) -> Arc<[Vec<u8>]> {
        let held = entry.rendered.iter().find(|(of, its, _)| *of == selection && *its == format);
        if let Some((_, _, parts)) = held {
            return Arc::clone(parts);
        }
        let most = CONTENT_MAX;
        let payloads = match format {
            Format::Pubsub | Format::Publish => entry.pack.write_parts(&selection, most),
            Format::Json => entry.pack.write_parts_as(&selection, most, &event::json),
            Format::Quoalise if entry.pack.is_foreign() => Vec::new(),
            Format::Quoalise => {
                let registration = self.rights.registration(&entry.node);
                let meta = description::meta(&entry.node, registration.and_then(|series| series.described()));
                entry.pack.write_parts_as(&selection, most, &|records, out| {
                    let before = out.len();
                    // A data message of no numbers says nothing.
                    if quoalise::write(&meta, records, out)? == records.len() {
                        out.truncate(before);
                    }
                    Ok(())
                })
            }
        };
        let parts: Arc<[Vec<u8>]> = match format {
            Format::Quoalise => payloads.into_iter().filter(|payload| !payload.is_empty()).collect(),
            Format::Pubsub | Format::Json | Format::Publish => payloads
                .iter()
                .enumerate()
                .map(|(part, payload)| {
                    let (node, id, publisher) = (&*entry.node, &*entry.item, &*entry.publisher);
                    let item = event::Item { node, id, part, publisher };
                    let mut content = Vec::with_capacity(payload.len() + node.len() + id.len() + 240);
                    match format {
                        Format::Publish => event::publish(&mut content, &item, payload),
                        _ => event::content(&mut content, &item, payload),
                    }
                    content
                })
                .collect(),
        };
        entry.size += parts.iter().map(Vec::len).sum::<usize>();
        entry.rendered.push((selection, format, Arc::clone(&parts)));
        parts
    }
}

/// Tells the disclosure log that something is not sent, once.
fn tell(entry: &mut Entry, place: usize, why: Why, written: &mut Written) {
    if !entry.told.contains(&place) {
        entry.told.push(place);
        written.lines.push(disclosure::dropped(entry.seq, &entry.owed[place], why));
    }
}

/// The records of a selection whose series is among those that stay, and that lie in the data window.
fn narrowed<'a>(
    pack: &Pack,
    records: &'a Selection,
    window: Option<Extent>,
    stays: impl Fn(&str) -> bool,
) -> Cow<'a, Selection> {
    if window.is_none() && pack.names().all(&stays) {
        return Cow::Borrowed(records);
    }
    let names: Vec<bool> = pack.names().map(stays).collect();
    let stays = |record: &u32| {
        let place = *record as usize;
        names[pack.name_of(place)] && window.is_none_or(|extent| extent.in_data_window(pack.time(place)))
    };
    let all = 0..pack.len() as u32;
    match records {
        Selection::All if all.clone().all(|record| stays(&record)) => Cow::Borrowed(records),
        Selection::All => Cow::Owned(Selection::Some(all.filter(stays).collect())),
        Selection::Some(list) => Cow::Owned(Selection::Some(list.iter().copied().filter(stays).collect())),
    }
}
