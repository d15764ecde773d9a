//! Writes what one destination is owed of an item, as far as it may still leave: asked again at every send.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Deliveries, Published};
use super::disclosure;
use super::grant::Grant;
use super::intake;
use super::owed::{self, Basis, Owed, Selection};
use super::pack::Pack;
use super::postponed::PostponedDeliveries;
use super::rights::{Party, Rights};
use super::window::Entry;
use crate::domain::access::{self, Access, Affiliation, Situation};
use crate::domain::clock::Now;
use crate::domain::consent::Mode;
use crate::domain::decision::{self, Denial, Extent, Standing};
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
        // Nothing was registered otherwise since it was decided whose this is.
        let is_sure = entry.version == self.rights.version();
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
            let held = owed
                .in_reserve
                .then(|| self.left_over(&entry.pack, &entry.owed, place, subscriber.party, is_sure));
            if held == Some(Selection::Some(Vec::new())) || expired && owed.in_reserve {
                continue;
            }
            if expired {
                written.expired += 1;
                tell(entry, place, Why::Expired, &mut written);
                continue;
            }
            let records = held.as_ref().unwrap_or(&owed.records);
            let (terms, selection) =
                match self.permitted(&entry.pack, owed, records, subscriber.party, is_sure) {
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
    fn left_over(
        &self,
        pack: &Pack,
        list: &[Owed],
        place: usize,
        recipient: Party,
        is_sure: bool,
    ) -> Selection {
        let owed = &list[place];
        let mut left = pack.records(&owed.records);
        for before in list[..place].iter().filter(|before| before.subscription == owed.subscription) {
            let covered = pack.records(&before.records);
            if left.is_empty() || !left.iter().any(|record| covered.binary_search(record).is_ok()) {
                continue;
            }
            if let Ok((_, leaves)) = self.permitted(pack, before, &before.records, recipient, is_sure) {
                let leaves = pack.records(&leaves);
                left.retain(|record| leaves.binary_search(record).is_err());
            }
        }
        Selection::Some(left)
    }

    /// What of it may leave now, and under which terms. `is_sure`: whose it is and what the node is set to is as it
    /// was when it was decided; else that is asked again, of every record.
    fn permitted<'a, 'b>(
        &'a self,
        pack: &Pack,
        owed: &Owed,
        records: &'b Selection,
        recipient: Party,
        is_sure: bool,
    ) -> Result<(Terms<'a>, Cow<'b, Selection>), Why> {
        let (terms, selection, otherwise) = match owed.basis {
            Basis::Own | Basis::Open | Basis::Listed => {
                let terms = match owed.basis {
                    Basis::Own => Terms::Own,
                    Basis::Open => Terms::Open,
                    _ => Terms::Listed,
                };
                let permits = |situation: &Situation<'_, Party>| {
                    use access::Basis::{Listed, Open, Own};
                    let Some(Access::Permit(basis)) =
                        access::without_consent::<Grant>(&recipient, situation, Mode::Notify)
                    else {
                        return Err(Denial::NoneRegistered);
                    };
                    let is_the_same = match (owed.basis, basis) {
                        (Basis::Own, Own) | (Basis::Listed, Listed) => true,
                        (Basis::Open, Own | Listed | Open) => situation.setting.open,
                        _ => false,
                    };
                    if is_the_same { Ok(()) } else { Err(Denial::NoneRegistered) }
                };
                match is_sure {
                    true => (terms, Cow::Borrowed(records), Why::Ended),
                    false => {
                        (terms, self.asked_again(pack, records, recipient, false, permits).0, Why::Ended)
                    }
                }
            }
            Basis::Consent(_) => {
                let grant = self.rights.consent_behind(owed).ok_or(Why::Ended)?;
                let extent = grant.extent();
                if !extent.modes.notify {
                    return Err(Why::Withheld(Denial::NoneRegistered));
                }
                extent.may_leave_now(self.now.wall).map_err(Why::Withheld)?;
                let window = extent.is_windowed().then(|| (extent, self.stamped_late_by(pack)));
                // An edit may have narrowed it.
                let selection = narrowed(pack, records, window, |name| grant.covers(name));
                let why = Denial::OutsideDataWindow;
                self.still_of_its_giver(pack, grant, selection, recipient, is_sure, why)?
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
                let (terms, selection, why) = self.still_of_its_giver(
                    pack,
                    grant,
                    selection,
                    recipient,
                    is_sure,
                    Denial::NoneRegistered,
                )?;
                let ended = why == Why::Withheld(Denial::NoneRegistered);
                (terms, selection, if ended { Why::Ended } else { why })
            }
        };
        if *selection == Selection::Some(Vec::new()) { Err(otherwise) } else { Ok((terms, selection)) }
    }

    /// Of these records those that who gave the consent held; and why there are none, if there are none.
    #[allow(clippy::type_complexity)] // what `permitted` puts together
    fn still_of_its_giver<'a, 'b>(
        &self,
        pack: &Pack,
        grant: &'a Grant,
        records: Cow<'b, Selection>,
        recipient: Party,
        is_sure: bool,
        otherwise: Denial,
    ) -> Result<(Terms<'a>, Cow<'b, Selection>, Why), Why> {
        if is_sure {
            return Ok((grant.terms(), records, Why::Withheld(otherwise)));
        }
        let is_reduced = grant.coarse().is_some();
        let permits = |situation: &Situation<'_, Party>| match situation.setting.affiliation {
            Affiliation::Outcast => Err(Denial::Outcast),
            _ => decision::is_of_its_giver(grant, situation),
        };
        let (left, why) = self.asked_again(pack, &records, recipient, is_reduced, permits);
        let left = match left {
            Cow::Borrowed(_) => None,
            Cow::Owned(left) => Some(left),
        };
        Ok((grant.terms(), left.map_or(records, Cow::Owned), Why::Withheld(why.unwrap_or(otherwise))))
    }

    /// Of these records those whose situation permits them, and the first reason why others do not leave.
    /// `is_reduced`: their times are measuring times already.
    fn asked_again<'b>(
        &self,
        pack: &Pack,
        records: &'b Selection,
        recipient: Party,
        is_reduced: bool,
        permits: impl Fn(&Situation<'_, Party>) -> Result<(), Denial>,
    ) -> (Cow<'b, Selection>, Option<Denial>) {
        let series: Vec<_> = pack
            .names()
            .map(|name| {
                let found = self.rights.look_up(name);
                let shift = if is_reduced { 0.0 } else { found.stamped_late_by() };
                (found.holders(), shift, found)
            })
            .collect();
        let mut why = None;
        let list = pack.records(records);
        let stays = |record: &u32| {
            let (holders, shift, found) = &series[pack.name_of(*record as usize)];
            let share = found.share_at(holders, pack.time(*record as usize) - shift, self.now.wall);
            match permits(&share.situation(found, recipient)) {
                Ok(()) => true,
                Err(denial) => {
                    why.get_or_insert(denial);
                    false
                }
            }
        };
        let left: Vec<u32> = list.iter().copied().filter(stays).collect();
        match left.len() == list.len() {
            true => (Cow::Borrowed(records), None),
            false => (Cow::Owned(Selection::Some(left)), why),
        }
    }

    /// For each series of a pack, by how many seconds the times of its records lie behind their measuring times.
    fn stamped_late_by(&self, pack: &Pack) -> Vec<f64> {
        let shift = |name| self.rights.registration(name).map_or(0.0, |series| series.stamped_late_by());
        pack.names().map(shift).collect()
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
    window: Option<(Extent, Vec<f64>)>,
    stays: impl Fn(&str) -> bool,
) -> Cow<'a, Selection> {
    if window.is_none() && pack.names().all(&stays) {
        return Cow::Borrowed(records);
    }
    let names: Vec<bool> = pack.names().map(stays).collect();
    let stays = |record: &u32| {
        let place = *record as usize;
        let name = pack.name_of(place);
        let in_window =
            |(extent, shifts): &(Extent, Vec<f64>)| extent.in_data_window(pack.time(place) - shifts[name]);
        names[name] && window.as_ref().is_none_or(in_window)
    };
    let all = 0..pack.len() as u32;
    match records {
        Selection::All if all.clone().all(|record| stays(&record)) => Cow::Borrowed(records),
        Selection::All => Cow::Owned(Selection::Some(all.filter(stays).collect())),
        Selection::Some(list) => Cow::Owned(Selection::Some(list.iter().copied().filter(stays).collect())),
    }
}
