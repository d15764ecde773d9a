//! The lines of one commit as bytes, always the same bytes for the same lines: what the chain is made of.
//!
//! ```text
//! block    = version(1) strings lines
//! strings  = count { length utf-8 }        each text once, in the order of first use
//! lines    = count { tag length body }     a reader may pass over a tag that it does not know
//! decided  = seq publisher node item again count { verdict }                                    tag 1
//! verdict  = subscription recipient ground count { series } records first (last - first)
//! dropped  = seq subscription consent why                                                        tag 2
//! confirmed= domain seq                                                                          tag 3
//! fetched  = as decided                                                                          tag 5
//! reserve  = as decided                                                                          tag 6
//! handover = series from former holder actor left                                               tag 8
//! consent  = event key id[16] revision subject recipient terms[32] at from to actor note         tag 4
//! ```
//!
//! Numbers are LEB128, times zigzag LEB128, texts places in `strings`; an optional value is 0 or the value
//! plus one. `ground` is 0 own, 1 open, 2+n denied for reason n, 14 listed, 15 producer, 16+k consent k. Item ids stand in
//! `strings` like all other texts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::consent::{ConsentKey, State};
use crate::domain::decision::Denial;
use crate::domain::disclosure::{ConsentStep, Decided, Dropped, Ground, HandOver, Line, Proof, Verdict, Why};
use crate::domain::subscription::SubscriptionKey;

const VERSION: u64 = 1;
const DECIDED: u64 = 1;
const DROPPED: u64 = 2;
const CONFIRMED: u64 = 3;
const CONSENT: u64 = 4;
const FETCHED: u64 = 5;
const RESERVE: u64 = 6;
const CONFIRMED_BY_OWN: u64 = 7;
const HAND_OVER: u64 = 8;

/// The last grounds that are no consents; denials have what is between.
const LISTED: u64 = 14;
const PRODUCER: u64 = 15;

/// Grounds below are own, open and denials; from here on they are consents.
const CONSENTS_FROM: u64 = 16;

/// In the order of their numbers. Only ever add at the end.
const DENIALS: [Denial; 9] = [
    Denial::NoneRegistered,
    Denial::Withdrawn,
    Denial::NoLongerValid,
    Denial::NotValidYet,
    Denial::Suspended,
    Denial::OutsideDataWindow,
    Denial::TooFine,
    Denial::AnotherHolders,
    Denial::Outcast,
];

/// In the order of their numbers. Only ever add at the end.
const STATES: [State; 12] = [
    State::Requested,
    State::Active,
    State::Suspended,
    State::Refused,
    State::Cancelled,
    State::TimedOut,
    State::Expired,
    State::Withdrawn,
    State::Revoked,
    State::Terminated,
    State::Fulfilled,
    State::Replaced,
];

/// Writes a block.
pub fn encode(lines: &[Line]) -> Vec<u8> {
    let mut texts = Texts::default();
    let mut body = Vec::with_capacity(lines.len() * 48);
    let mut one = Vec::with_capacity(64);
    for line in lines {
        one.clear();
        let tag = match line {
            Line::Decided(decided) => put_decided(&mut one, &mut texts, decided),
            Line::Fetched(fetched) => {
                put_decided(&mut one, &mut texts, fetched);
                FETCHED
            }
            Line::Reserve(reserve) => {
                put_decided(&mut one, &mut texts, reserve);
                RESERVE
            }
            Line::Dropped(dropped) => put_dropped(&mut one, &mut texts, dropped),
            Line::Confirmed { domain, seq, proof } => {
                put(&mut one, texts.place(domain));
                put(&mut one, *seq);
                match proof {
                    Proof::RecipientServer => CONFIRMED,
                    Proof::OwnServer => CONFIRMED_BY_OWN,
                }
            }
            Line::Consent(step) => put_step(&mut one, &mut texts, step),
            Line::HandOver(moved) => put_hand_over(&mut one, &mut texts, moved),
        };
        put(&mut body, tag);
        put(&mut body, one.len() as u64);
        body.extend_from_slice(&one);
    }
    let mut out = Vec::with_capacity(texts.bytes + texts.list.len() * 2 + body.len() + 8);
    put(&mut out, VERSION);
    put(&mut out, texts.list.len() as u64);
    for text in texts.list {
        put(&mut out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    put(&mut out, lines.len() as u64);
    out.extend_from_slice(&body);
    out
}

/// Reads a block back; `None` if the bytes are not what [`encode`] writes. Lines of a kind that this
/// program does not know are passed over.
pub fn decode(bytes: &[u8]) -> Option<Vec<Line>> {
    let mut rest = Reader { bytes, texts: Vec::new() };
    if rest.number()? != VERSION {
        return None;
    }
    for _ in 0..rest.number()? {
        let length = usize::try_from(rest.number()?).ok()?;
        let text = std::str::from_utf8(rest.slice(length)?).ok()?;
        rest.texts.push(text.into());
    }
    let mut lines = Vec::new();
    for _ in 0..rest.number()? {
        let tag = rest.number()?;
        let length = usize::try_from(rest.number()?).ok()?;
        let after = rest.bytes.get(length..)?;
        rest.bytes = &rest.bytes[..length];
        let line = match tag {
            DECIDED => Some(Line::Decided(rest.decided()?)),
            FETCHED => Some(Line::Fetched(rest.decided()?)),
            RESERVE => Some(Line::Reserve(rest.decided()?)),
            DROPPED => Some(Line::Dropped(rest.dropped()?)),
            CONFIRMED => Some(rest.confirmed(Proof::RecipientServer)?),
            CONFIRMED_BY_OWN => Some(rest.confirmed(Proof::OwnServer)?),
            CONSENT => Some(Line::Consent(Box::new(rest.step()?))),
            HAND_OVER => Some(Line::HandOver(Box::new(rest.hand_over()?))),
            _ => None,
        };
        if line.is_some() && !rest.bytes.is_empty() {
            return None;
        }
        lines.extend(line);
        rest.bytes = after;
    }
    rest.bytes.is_empty().then_some(lines)
}

/// Texts of a block, each once.
#[derive(Default)]
struct Texts<'a> {
    list: Vec<&'a str>,
    places: HashMap<&'a str, u64, std::hash::BuildHasherDefault<xxhash_rust::xxh3::Xxh3>>,
    bytes: usize,
}

impl<'a> Texts<'a> {
    fn place(&mut self, text: &'a str) -> u64 {
        let next = self.list.len() as u64;
        let place = *self.places.entry(text).or_insert(next);
        if place == next {
            self.list.push(text);
            self.bytes += text.len();
        }
        place
    }
}

fn put_decided<'a>(out: &mut Vec<u8>, texts: &mut Texts<'a>, decided: &'a Decided) -> u64 {
    put(out, decided.seq);
    put(out, texts.place(&decided.publisher));
    put(out, texts.place(&decided.node));
    put(out, texts.place(&decided.item));
    put(out, u64::from(decided.again));
    put(out, decided.verdicts.len() as u64);
    for verdict in &decided.verdicts {
        put(out, verdict.subscription.0);
        put(out, texts.place(&verdict.recipient));
        put(out, ground_number(verdict.ground));
        put(out, verdict.series.len() as u64);
        for name in &verdict.series {
            put(out, texts.place(name));
        }
        put(out, u64::from(verdict.records));
        put(out, zigzag(verdict.first));
        put(out, zigzag(verdict.last.wrapping_sub(verdict.first)));
    }
    DECIDED
}

fn put_dropped<'a>(out: &mut Vec<u8>, texts: &mut Texts<'a>, dropped: &'a Dropped) -> u64 {
    put(out, dropped.seq);
    put(out, dropped.subscription.0);
    put(out, dropped.consent.map_or(0, |key| key.0 + 1));
    match &dropped.why {
        Why::Withheld(denial) => {
            put(out, 0);
            put(out, place(&DENIALS, *denial));
        }
        Why::Ended => put(out, 1),
        Why::Expired => put(out, 2),
        Why::Undeliverable(condition) => {
            put(out, 3);
            put(out, texts.place(condition));
        }
        Why::Discarded(actor) => {
            put(out, 4);
            put(out, texts.place(actor));
        }
    }
    DROPPED
}

fn put_step<'a>(out: &mut Vec<u8>, texts: &mut Texts<'a>, step: &'a ConsentStep) -> u64 {
    put(out, step.event);
    put(out, step.consent.0);
    out.extend_from_slice(step.id.as_bytes());
    put(out, u64::from(step.revision));
    put(out, texts.place(&step.subject));
    put(out, texts.place(&step.recipient));
    out.extend_from_slice(&step.terms);
    put(out, zigzag(step.at));
    put(out, step.from.map_or(0, |state| place(&STATES, state) + 1));
    put(out, place(&STATES, step.to));
    put(out, texts.place(&step.actor));
    put(out, step.note.as_ref().map_or(0, |note| texts.place(note) + 1));
    CONSENT
}

fn put_hand_over<'a>(out: &mut Vec<u8>, texts: &mut Texts<'a>, moved: &'a HandOver) -> u64 {
    put(out, texts.place(&moved.series));
    put(out, zigzag(moved.from));
    for who in [&moved.former, &moved.holder] {
        put(out, who.as_ref().map_or(0, |who| texts.place(who) + 1));
    }
    put(out, texts.place(&moved.actor));
    put(out, moved.left);
    HAND_OVER
}

fn ground_number(ground: Ground) -> u64 {
    match ground {
        Ground::Own => 0,
        Ground::Open => 1,
        Ground::Listed => LISTED,
        Ground::Producer => PRODUCER,
        Ground::Denied(denial) => 2 + place(&DENIALS, denial),
        Ground::Consent(key) => CONSENTS_FROM + key.0,
    }
}

/// Where something stands in a list that has all of its kind.
fn place<T: PartialEq>(list: &[T], value: T) -> u64 {
    list.iter().position(|held| *held == value).unwrap_or(list.len()) as u64
}

struct Reader<'a> {
    bytes: &'a [u8],
    texts: Vec<Arc<str>>,
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (slice, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(slice)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let place = self.number()?;
        self.text_at(place)
    }

    fn text_at(&self, place: u64) -> Option<Arc<str>> {
        self.texts.get(usize::try_from(place).ok()?).cloned()
    }

    fn time(&mut self) -> Option<i64> {
        self.number().map(unzigzag)
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(usize::try_from(self.number()?).ok()?).copied()
    }

    fn confirmed(&mut self, proof: Proof) -> Option<Line> {
        Some(Line::Confirmed { domain: self.text()?, seq: self.number()?, proof })
    }

    fn optional_text(&mut self) -> Option<Option<Arc<str>>> {
        match self.number()?.checked_sub(1) {
            None => Some(None),
            Some(place) => self.text_at(place).map(Some),
        }
    }

    fn hand_over(&mut self) -> Option<HandOver> {
        Some(HandOver {
            series: self.text()?,
            from: self.time()?,
            former: self.optional_text()?,
            holder: self.optional_text()?,
            actor: self.text()?,
            left: self.number()?,
        })
    }

    fn decided(&mut self) -> Option<Decided> {
        let seq = self.number()?;
        let (publisher, node, item) = (self.text()?, self.text()?, self.text()?);
        let again = self.one_of(&[false, true])?;
        let mut verdicts = Vec::new();
        for _ in 0..self.number()? {
            let subscription = SubscriptionKey(self.number()?);
            let recipient = self.text()?;
            let ground = match self.number()? {
                0 => Ground::Own,
                1 => Ground::Open,
                LISTED => Ground::Listed,
                PRODUCER => Ground::Producer,
                key @ CONSENTS_FROM.. => Ground::Consent(ConsentKey(key - CONSENTS_FROM)),
                denial => Ground::Denied(*DENIALS.get(usize::try_from(denial - 2).ok()?)?),
            };
            let mut series = Vec::new();
            for _ in 0..self.number()? {
                series.push(self.text()?);
            }
            let records = self.small()?;
            let first = self.time()?;
            let last = first.wrapping_add(self.time()?);
            verdicts.push(Verdict { subscription, recipient, ground, series, records, first, last });
        }
        Some(Decided { seq, publisher, node, item, again, verdicts })
    }

    fn dropped(&mut self) -> Option<Dropped> {
        let seq = self.number()?;
        let subscription = SubscriptionKey(self.number()?);
        let consent = self.number()?.checked_sub(1).map(ConsentKey);
        let why = match self.number()? {
            0 => Why::Withheld(self.one_of(&DENIALS)?),
            1 => Why::Ended,
            2 => Why::Expired,
            3 => Why::Undeliverable(self.text()?),
            4 => Why::Discarded(self.text()?),
            _ => return None,
        };
        Some(Dropped { seq, subscription, consent, why })
    }

    fn step(&mut self) -> Option<ConsentStep> {
        Some(ConsentStep {
            event: self.number()?,
            consent: ConsentKey(self.number()?),
            id: uuid::Uuid::from_bytes(self.array()?),
            revision: self.small()?,
            subject: self.text()?,
            recipient: self.text()?,
            terms: self.array()?,
            at: self.time()?,
            from: match self.number()? {
                0 => None,
                state => Some(*STATES.get(usize::try_from(state - 1).ok()?)?),
            },
            to: self.one_of(&STATES)?,
            actor: self.text()?,
            note: match self.number()? {
                0 => None,
                note => Some(self.text_at(note - 1)?),
            },
        })
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Arc<str>> {
        prop_oneof![Just("urn:a"), Just("app@coop.example"), Just(""), Just("é\u{1f50c}")].prop_map(Arc::from)
    }

    fn denial() -> impl Strategy<Value = Denial> {
        (0..DENIALS.len()).prop_map(|n| DENIALS[n])
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        let ground = prop_oneof![
            Just(Ground::Own),
            Just(Ground::Open),
            (0..u64::MAX - CONSENTS_FROM).prop_map(|key| Ground::Consent(ConsentKey(key))),
            denial().prop_map(Ground::Denied),
        ];
        let series = prop::collection::vec(text(), 0..3);
        (any::<u64>(), text(), ground, series, any::<u32>(), any::<i64>(), any::<i64>()).prop_map(
            |(subscription, recipient, ground, series, records, first, last)| Verdict {
                subscription: SubscriptionKey(subscription),
                recipient,
                ground,
                series,
                records,
                first,
                last,
            },
        )
    }

    fn line() -> impl Strategy<Value = Line> {
        let verdicts = prop::collection::vec(verdict(), 0..4);
        let decided = (any::<u64>(), text(), text(), text(), any::<bool>(), verdicts).prop_map(
            |(seq, publisher, node, item, again, verdicts)| {
                Line::Decided(Decided { seq, publisher, node, item, again, verdicts })
            },
        );
        let why = prop_oneof![
            denial().prop_map(Why::Withheld),
            Just(Why::Ended),
            Just(Why::Expired),
            text().prop_map(Why::Undeliverable),
            text().prop_map(Why::Discarded),
        ];
        let dropped = (any::<u64>(), any::<u64>(), prop::option::of(0..u64::MAX), why).prop_map(
            |(seq, subscription, consent, why)| {
                let consent = consent.map(ConsentKey);
                Line::Dropped(Dropped { seq, subscription: SubscriptionKey(subscription), consent, why })
            },
        );
        let proof = prop_oneof![Just(Proof::RecipientServer), Just(Proof::OwnServer)];
        let confirmed = (text(), any::<u64>(), proof).prop_map(|(domain, seq, proof)| Line::Confirmed {
            domain,
            seq,
            proof,
        });
        let state = || (0..STATES.len()).prop_map(|n| STATES[n]);
        let step = (
            (any::<u64>(), any::<u64>(), any::<u128>(), any::<u32>(), text(), text()),
            (any::<[u8; 32]>(), any::<i64>(), prop::option::of(state()), state(), text()),
            prop::option::of(text()),
        )
            .prop_map(
                |((event, consent, id, revision, subject, recipient), (terms, at, from, to, actor), note)| {
                    Line::Consent(Box::new(ConsentStep {
                        event,
                        consent: ConsentKey(consent),
                        id: uuid::Uuid::from_u128(id),
                        revision,
                        subject,
                        recipient,
                        terms,
                        at,
                        from,
                        to,
                        actor,
                        note,
                    }))
                },
            );
        let holders = (prop::option::of(text()), prop::option::of(text()));
        let moved = (text(), any::<i64>(), holders, text(), any::<u64>()).prop_map(
            |(series, from, (former, holder), actor, left)| {
                Line::HandOver(Box::new(HandOver { series, from, former, holder, actor, left }))
            },
        );
        prop_oneof![decided, dropped, confirmed, step, moved]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(lines in prop::collection::vec(line(), 0..8)) {
            let bytes = encode(&lines);
            prop_assert_eq!(decode(&bytes), Some(lines.clone()));
            prop_assert_eq!(encode(&lines), bytes);
        }

        #[test]
        fn damage_is_survived(lines in prop::collection::vec(line(), 1..4), at: prop::sample::Index, byte: u8) {
            let mut bytes = encode(&lines);
            let at = at.index(bytes.len());
            let _ = decode(&bytes[..at]);
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn all_reasons_and_states_have_a_number() {
        for (name, state) in STATES.iter().map(|s| (s.as_str(), *s)) {
            assert_eq!(name.parse::<State>().unwrap(), state);
        }
        assert_eq!(place(&STATES, State::Replaced), 11);
        assert_eq!(place(&DENIALS, Denial::OutsideDataWindow), 5);
        assert_eq!(place(&DENIALS, Denial::TooFine), 6);
    }

    #[test]
    fn a_line_of_an_unknown_kind_is_passed_over() {
        let mut bytes = vec![1, 0, 2, 99, 3, 1, 2, 3];
        bytes.extend([2, 4, 7, 8, 0, 1]);
        let expected = Dropped { seq: 7, subscription: SubscriptionKey(8), consent: None, why: Why::Ended };
        assert_eq!(decode(&bytes), Some(vec![Line::Dropped(expected)]));
    }

    #[test]
    fn a_common_line_is_short() {
        let lines: Vec<Line> = (0..100)
            .map(|n| {
                Line::Decided(Decided {
                    seq: 1_000_000 + n,
                    publisher: "gw@prod.example".into(),
                    node: "urn:dev:prm:30001610071843_consumption/power/active/raw".into(),
                    item: format!("2026-11-{n}").into(),
                    again: false,
                    verdicts: vec![Verdict {
                        subscription: SubscriptionKey(300),
                        recipient: "app@coop.example".into(),
                        ground: Ground::Consent(ConsentKey(300)),
                        series: Vec::new(),
                        records: 48,
                        first: 1_763_679_600_000,
                        last: 1_763_764_200_000,
                    }],
                })
            })
            .collect();
        let each = encode(&lines).len() / lines.len();
        assert!(each < 50, "{each} bytes");
    }
}
