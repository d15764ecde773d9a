//! Is this publish right, and what follows from it?
//!
//! The right to publish is checked before the content (strangers get no validation service); consent is
//! checked record by record on the resolved name, never on the node alone.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jid::BareJid;
use jiff::Timestamp;
use rustc_hash::FxHashMap;
use thiserror::Error;
use uuid::Uuid;

use super::grant::Grant;
use super::holders::{Share, Shares};
use super::owed::{Basis, Near, Owed, Selection};
use super::pack::Pack;
use super::rights::{Found, Party, Rights, Subscriber};
use super::rows::NOWHERE;
use crate::domain::access::{self, Access, Situation};
use crate::domain::clock::Now;
use crate::domain::consent::{ConsentKey, Mode};
use crate::domain::decision::{self, Denial, Question, Standing};
use crate::domain::subscription::SubscriptionKey;
use crate::domain::tenure::Holding;
use crate::senml::Invalid;

/// So many consents at most are noted beside the one that something rests on.
const RESERVES_MAX: usize = 3;

/// Why a publish is refused whole. The router turns it into a stanza error (DESIGN §2).
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// `forbidden`: the sender may not publish there.
    #[error("you may not publish {what}; the operator can register you as a producer of it")]
    Forbidden {
        /// What, as far as the sender named it.
        what: String,
    },
    /// `bad-request` with `<invalid-pack/>`.
    #[error("{}", .0.detail)]
    Invalid(Box<Invalid>),
    /// `bad-request`, reason `name-outside-node`.
    #[error("record {record} belongs to the series {name}, which is not at or below the node {node}")]
    OutsideNode {
        /// Which record, from 0.
        record: usize,
        /// Its resolved name.
        name: String,
        /// The node.
        node: String,
    },
    /// `bad-request`: nothing to publish.
    #[error("{0}")]
    Incomplete(&'static str),
    /// `policy-violation`.
    #[error("more than {limit} records in one stanza; send it in several")]
    TooManyRecords {
        /// The operator's limit.
        limit: usize,
    },
    /// `policy-violation`: no stanza carries it.
    #[error(
        "record {record} takes more than {limit} octets as it is written, and cannot be parted; send less in one record"
    )]
    RecordTooLarge {
        /// Which record, from 0.
        record: usize,
        /// How much a stanza carries.
        limit: usize,
    },
    /// `policy-violation`: an id that would be said again with every answer.
    #[error("the id of an item is longer than {limit} octets; give it a shorter one")]
    ItemIdTooLong {
        /// How long it may be.
        limit: usize,
    },
    /// `resource-constraint` (wait): faster than one sender may.
    #[error("you publish more than {per_second} times a second; wait a moment, then send again")]
    TooFast {
        /// The operator's limit.
        per_second: u32,
    },
    /// `resource-constraint` (wait): too much is waiting.
    #[error("too many packs are waiting to be delivered; try again later")]
    QueueFull,
    /// `resource-constraint` (wait): it drains what it has, and takes nothing new.
    #[error("the service is being stopped; send it again in a moment")]
    Stopping,
    /// `internal-server-error` (wait): the store failed, nothing was kept.
    #[error("the pack could not be stored; try again later")]
    Storage,
}

/// Whether a sender may publish to this series.
pub fn may_publish(rights: &Rights, sender: &BareJid, series: &str) -> Result<(), Refusal> {
    match rights.registration(series) {
        Some(registration) if registration.may_publish(sender) => Ok(()),
        _ => Err(Refusal::Forbidden { what: series.to_owned() }),
    }
}

/// Checks that every record lies at or below the node and is the sender's to publish.
pub fn check_records(
    rights: &Rights,
    sender: &BareJid,
    node: Option<&str>,
    pack: &Pack,
) -> Result<(), Refusal> {
    for (place, name) in pack.names().enumerate() {
        if let Some(node) = node
            && !is_at_or_below(name, node)
        {
            let record = pack.first_record_of(place);
            return Err(Refusal::OutsideNode { record, name: name.to_owned(), node: node.to_owned() });
        }
        if node != Some(name) {
            may_publish(rights, sender, name)?;
        }
    }
    Ok(())
}

fn is_at_or_below(name: &str, node: &str) -> bool {
    name.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What was decided about a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// What may leave.
    pub owed: Vec<Owed>,
    /// What stays behind, though somebody subscribes to it.
    pub denied: Vec<Denied>,
}

/// Records that stay behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Whose subscription they would have served.
    pub subscription: SubscriptionKey,
    /// Why they may not.
    pub reason: Denial,
    /// Which.
    pub records: Selection,
}

/// The records of a pack that are of a time over which nobody holds their series: they are acknowledged, neither kept
/// nor sent.
pub fn vacant(rights: &Rights, pack: &Pack, now: Now) -> Vec<u32> {
    let mut vacant = Vec::new();
    if !rights.has_vacancy() {
        return vacant;
    }
    for (place, name) in pack.names().enumerate() {
        let shares = rights.look_up(name).shares(pack, place, now.wall);
        for share in shares.as_slice().iter().filter(|share| share.holder == Holding::Vacant) {
            vacant.extend(share.records(pack, place));
        }
    }
    vacant.sort_unstable();
    vacant
}

/// Decides for every record and every subscriber what is owed of a pack.
///
/// Each recipient address gets a record once, under its most specific subscription.
pub fn owed(rights: &Rights, pack: &Pack, now: Now) -> Verdicts {
    let mut found = Collected { is_one_series: pack.series_count() == 1, ..Collected::default() };
    let mut served: Vec<(Party, &str)> = Vec::new();
    let mut grants: Vec<Placed<'_>> = Vec::new();
    for (place, name) in pack.names().enumerate() {
        let found_here = rights.look_up(name);
        let shares = found_here.shares(pack, place, now.wall);
        let is_open = matches!(shares, Shares::One(_))
            && found_here.registration().is_some_and(|series| series.is_open_to_all());
        served.clear();
        grants.clear();
        if !is_open {
            let is_of_a_holder = |grant: &Grant| {
                let subject = Holding::Held(*grant.subject());
                shares.as_slice().iter().any(|share| share.holder == subject)
            };
            grants.extend(found_here.consents().filter(|(_, grant)| is_of_a_holder(grant)));
            grants.sort_unstable_by_key(|(_, grant)| (grant.party(), grant.key()));
        }
        let series = OfSeries { pack, place, name, found: &found_here, now };
        for subscriber in found_here.subscribers() {
            let party = subscriber.party;
            if served.iter().any(|(other, address)| *other == party && **address == **subscriber.address) {
                continue;
            }
            served.push((party, subscriber.address));
            let from = grants.partition_point(|(_, grant)| grant.party() < party);
            let theirs = &grants[from..];
            let to = theirs.partition_point(|(_, grant)| grant.party() == party);
            for share in shares.as_slice() {
                found.share(&series, share, &theirs[..to], &subscriber);
            }
        }
    }
    found.into_verdicts(pack)
}

/// A series of the pack that is decided about.
struct OfSeries<'a> {
    pack: &'a Pack,
    place: usize,
    name: &'a str,
    found: &'a Found<'a>,
    now: Now,
}

/// A consent, and where it lies.
type Placed<'a> = (u32, &'a Grant);

/// What something may leave under, and where the consent lies, if it is one.
type Ground = (Basis, u32);

/// What was decided so far: records by subscription and basis or reason, in the order first seen.
#[derive(Default)]
struct Collected {
    /// All records are of the same series, so that what is owed to one subscription comes in one piece.
    is_one_series: bool,
    list: Vec<(Owed, usize)>,
    denied: Vec<Denied>,
    /// Where in the list, if there are several series.
    places: FxHashMap<(u64, Basis), usize>,
    /// In the order in which they would take over.
    reserves: BTreeMap<Turn, (ConsentKey, Vec<u32>)>,
}

/// When a consent in reserve takes over: of one subscription, the one that runs longest first.
type Turn = (u64, Reverse<Timestamp>, Uuid);

impl Collected {
    fn entry(&mut self, subscriber: &Subscriber<'_>, (basis, consent): Ground) -> &mut (Owed, usize) {
        let (next, subscription) = (self.list.len(), subscriber.key);
        let place = if self.is_one_series {
            let mut theirs = self.list.iter().rev().take_while(|(owed, _)| owed.subscription == subscription);
            theirs.position(|(owed, _)| owed.basis == basis).map_or(next, |back| next - 1 - back)
        } else {
            *self.places.entry((subscription.0, basis)).or_insert(next)
        };
        if place == next {
            let (records, near) =
                (Selection::Some(Vec::new()), Near { subscription: subscriber.place, consent });
            self.list.push((Owed { subscription, basis, records, in_reserve: false, near }, 0));
        }
        &mut self.list[place]
    }

    /// Decides for one subscriber about the records of one tenure. `theirs`: the consents that name the series for
    /// them.
    fn share(
        &mut self,
        series: &OfSeries<'_>,
        share: &Share,
        theirs: &[Placed<'_>],
        subscriber: &Subscriber<'_>,
    ) {
        let situation = share.situation(series.found, subscriber.party);
        let basis = match access::without_consent::<Grant>(&subscriber.party, &situation, Mode::Notify) {
            None => return self.under_consent(series, share, &situation, theirs, subscriber),
            Some(Access::Deny(reason)) => {
                return self.deny(subscriber, reason, share.records(series.pack, series.place));
            }
            Some(Access::Permit(basis)) => basis,
        };
        let basis = match basis {
            access::Basis::Own => Basis::Own,
            access::Basis::Open => Basis::Open,
            access::Basis::Listed => Basis::Listed,
            access::Basis::Consent(grant) => Basis::Consent(grant.key()),
            // Who published it has it.
            access::Basis::Producer => return,
        };
        self.whole_share(subscriber, (basis, NOWHERE), series, share);
    }

    fn whole_share(
        &mut self,
        subscriber: &Subscriber<'_>,
        ground: Ground,
        series: &OfSeries<'_>,
        share: &Share,
    ) {
        let only = self.is_one_series && share.is_whole();
        let (owed, count) = self.entry(subscriber, ground);
        if only {
            owed.records = Selection::All;
            *count = series.pack.len();
        } else {
            let Selection::Some(records) = &mut owed.records else { return };
            records.extend(share.records(series.pack, series.place));
            *count = records.len();
        }
    }

    fn under_consent(
        &mut self,
        series: &OfSeries<'_>,
        share: &Share,
        situation: &Situation<'_, Party>,
        theirs: &[Placed<'_>],
        subscriber: &Subscriber<'_>,
    ) {
        let (pack, place) = (series.pack, series.place);
        if theirs.is_empty() {
            let mut others = series.found.consents();
            let is_anothers = others.any(|(_, grant)| grant.party() == subscriber.party);
            let reason = if is_anothers { Denial::AnotherHolders } else { Denial::NoneRegistered };
            return self.deny(subscriber, reason, share.records(pack, place));
        }
        let placed = |named: &Grant| theirs.iter().copied().find(|(_, grant)| std::ptr::eq(*grant, named));
        let grants = || theirs.iter().map(|(_, grant)| *grant);
        let question = |time| Question {
            series: series.name,
            time,
            recipient: &subscriber.party,
            mode: Mode::Notify,
            now: series.now.wall,
            is_reduced: false,
        };
        let decide = |time| {
            let grant = decision::decide(grants(), question(time), situation)?;
            placed(grant).ok_or(Denial::NoneRegistered)
        };
        let in_reserve = |time, named: &Grant| match theirs.len() {
            1 => Vec::new(),
            _ => decision::in_reserve(grants(), question(time), situation, named, RESERVES_MAX),
        };
        let ground = |place, grant: &Grant| (Basis::Consent(grant.key()), place);
        // Without a data window the answer is the same for every record of the series.
        if theirs.iter().all(|(_, grant)| !grant.is_windowed()) {
            match decide(0.0) {
                Ok((at, grant)) => {
                    self.whole_share(subscriber, ground(at, grant), series, share);
                    self.hold(subscriber, in_reserve(0.0, grant), share.records(pack, place));
                }
                Err(reason) => self.deny(subscriber, reason, share.records(pack, place)),
            }
            return;
        }
        let shift = series.found.stamped_late_by();
        for record in share.records(pack, place) {
            let time = pack.time(record as usize) - shift;
            match decide(time) {
                Ok((at, grant)) => {
                    let (owed, count) = self.entry(subscriber, ground(at, grant));
                    if let Selection::Some(records) = &mut owed.records {
                        records.push(record);
                        *count += 1;
                    }
                    self.hold(subscriber, in_reserve(time, grant), std::iter::once(record));
                }
                Err(reason) => self.deny(subscriber, reason, std::iter::once(record)),
            }
        }
    }

    /// Holds consents in reserve for these records.
    fn hold(
        &mut self,
        subscriber: &Subscriber<'_>,
        reserves: Vec<&Grant>,
        records: impl Iterator<Item = u32> + Clone,
    ) {
        for grant in reserves {
            let order = (subscriber.key.0, Reverse(grant.extent().valid_until), grant.id());
            let (_, held) = self.reserves.entry(order).or_insert_with(|| (grant.key(), Vec::new()));
            held.extend(records.clone());
        }
    }

    fn deny(&mut self, subscriber: &Subscriber<'_>, reason: Denial, denied: impl Iterator<Item = u32>) {
        let subscription = subscriber.key;
        let held = self.denied.iter_mut().find(|d| d.subscription == subscription && d.reason == reason);
        match held.map(|held| &mut held.records) {
            Some(Selection::Some(records)) => records.extend(denied),
            _ => {
                self.denied.push(Denied { subscription, reason, records: Selection::Some(denied.collect()) })
            }
        }
    }

    fn into_verdicts(mut self, pack: &Pack) -> Verdicts {
        let whole = pack.len();
        for denied in &mut self.denied {
            if let Selection::Some(records) = &mut denied.records {
                records.sort_unstable();
            }
        }
        let in_reserve = self.reserves.into_iter().map(|((subscription, ..), (key, records))| {
            let (subscription, basis, count) =
                (SubscriptionKey(subscription), Basis::Consent(key), records.len());
            let (records, near) = (Selection::Some(records), Near::default());
            (Owed { subscription, basis, records, in_reserve: true, near }, count)
        });
        let owed = self
            .list
            .into_iter()
            .chain(in_reserve)
            .map(|(mut owed, count)| {
                if count == whole {
                    owed.records = Selection::All;
                } else if let Selection::Some(records) = &mut owed.records {
                    records.sort_unstable();
                }
                owed
            })
            .collect();
        Verdicts { owed, denied: self.denied }
    }
}

/// A hash that is the same in every process, as it stands in the journal.
pub fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_or_below_is_on_a_slash() {
        assert!(is_at_or_below("urn:a", "urn:a") && is_at_or_below("urn:a/b", "urn:a"));
        assert!(!is_at_or_below("urn:ab", "urn:a") && !is_at_or_below("urn:", "urn:a"));
    }

    #[test]
    fn what_is_denied_is_told_with_its_reason() {
        use super::super::disclosure;
        use super::super::rights::Update;
        use crate::domain::consent::tests::sample;
        use crate::domain::disclosure::{Ground, Line};
        use crate::domain::name::Scope;
        use crate::domain::subscription::Subscription;
        use crate::protocol::publish::Payload;
        use crate::store::journal::Row;

        let mut rights = Rights::default();
        let json = serde_json::json!({ "name": "urn:dev:prm:*", "owner": sample().subject.to_string() });
        rights.apply(Update::Series(1, Some(Box::new(serde_json::from_value(json).unwrap()))));
        let mut consent = sample();
        consent.data_until = Some("2026-06-01T00:00:00Z".parse().unwrap());
        rights.apply(Update::Consent(ConsentKey(4), Some(Box::new(consent))));
        for (key, jid) in [(1, "app@coop.example"), (2, "other@coop.example")] {
            let node = Scope::parse("urn:dev:prm:*").unwrap();
            let wish = Subscription { jid: jid.parse().unwrap(), node, format: Default::default() };
            rights.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
        }
        let xml = "<sensml xmlns='urn:ietf:params:xml:ns:senml'>\
                   <senml bn='urn:dev:prm:1' bt='1780271999' v='1'/><senml t='1' v='2'/><senml n='/b' v='3'/></sensml>";
        let pack = Pack::read(&Payload::Sensml(xml.as_bytes().to_vec().into()), 1.7e9, 10).unwrap();
        let now = Now { wall: "2026-06-02T00:00:00Z".parse().unwrap(), mono: Default::default() };
        let verdicts = owed(&rights, &pack, now);
        let row = Row {
            seq: 9,
            accepted_at: 0,
            publisher: "gw@prod.example".into(),
            node: "urn:dev:prm:1".into(),
            item: "i".into(),
            digest: 1,
            owed: Vec::new(),
            payload: Vec::new(),
        };
        let Some(Line::Decided(told)) = disclosure::decided(&rights, &pack, &row, &verdicts, false) else {
            panic!("nothing told")
        };
        let mut told: Vec<_> = told
            .verdicts
            .iter()
            .map(|v| (v.subscription.0, v.ground, v.series.len(), v.records, v.first, v.last))
            .collect();
        told.sort_by_key(|(subscription, ground, ..)| (*subscription, format!("{ground:?}")));
        let (first, last) = (1_780_271_999_000, 1_780_272_000_000);
        assert_eq!(
            told,
            [
                (1, Ground::Consent(ConsentKey(4)), 1, 1, first, first),
                (1, Ground::Denied(Denial::NoneRegistered), 1, 1, first, first),
                (1, Ground::Denied(Denial::OutsideDataWindow), 1, 1, last, last),
                (2, Ground::Denied(Denial::NoneRegistered), 2, 3, first, last),
            ]
        );
    }
}
