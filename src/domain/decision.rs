//! *Does a consent let this record leave?* The half of [`super::access`] that is about consents.

use jid::BareJid;
use jiff::Timestamp;
use uuid::Uuid;

use super::access::Situation;
use super::consent::{Consent, Mode, Modes, State};
use super::party::Subject;

/// What is asked: this record, for this recipient, in this way, now.
#[derive(Debug)]
pub struct Question<'a, R = BareJid> {
    /// The resolved name of the record (RFC 8428 §4.6).
    pub series: &'a str,
    /// The measuring time of the record, seconds since 1970.
    pub time: f64,
    /// Who would receive it.
    pub recipient: &'a R,
    /// Sent, or fetched.
    pub mode: Mode,
    /// The instant of sending.
    pub now: Timestamp,
    /// Asked of what records are reduced to, of the period that begins then: a granularity is kept.
    pub is_reduced: bool,
}

impl<R> Clone for Question<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Question<'_, R> {}

/// What stands for a consent: itself, or what the relay keeps of it.
pub trait Standing {
    /// How recipients are told apart.
    type Recipient: PartialEq;
    /// How persons concerned are told apart.
    type Subject: PartialEq;

    /// Whether a recipient is this person.
    fn is_person(recipient: &Self::Recipient, person: &Self::Subject) -> bool;
    /// The person concerned.
    fn subject(&self) -> &Self::Subject;
    /// When it was given: became active the first time.
    fn given_at(&self) -> Timestamp;
    /// The consent's id.
    fn id(&self) -> Uuid;
    /// Who may receive.
    fn recipient(&self) -> &Self::Recipient;
    /// Whether the series is in scope.
    fn covers(&self, series: &str) -> bool;
    /// In which state it is, and how far it reaches.
    fn extent(&self) -> Extent;
}

/// In which state a consent is, and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Where it stands.
    pub state: State,
    /// Sent, fetched, or both.
    pub modes: Modes,
    /// When delivery may happen: from here.
    pub valid_from: Timestamp,
    /// Until before here.
    pub valid_until: Timestamp,
    /// Which measurements: from here.
    pub data_from: Option<Timestamp>,
    /// Until before here.
    pub data_until: Option<Timestamp>,
    /// It has a granularity: only what is reduced to that may leave.
    pub is_coarse: bool,
}

impl Standing for Consent {
    type Recipient = BareJid;
    type Subject = Subject;

    fn is_person(recipient: &BareJid, person: &Subject) -> bool {
        person.jid() == Some(recipient)
    }

    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn given_at(&self) -> Timestamp {
        self.given_at()
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn recipient(&self) -> &BareJid {
        &self.recipient
    }

    fn covers(&self, series: &str) -> bool {
        self.covers(series)
    }

    fn extent(&self) -> Extent {
        Extent {
            state: self.state,
            modes: self.modes,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            data_from: self.data_from,
            data_until: self.data_until,
            is_coarse: self.granularity.is_some(),
        }
    }
}

impl Extent {
    /// Whether anything at all may leave at this instant, reduced to its granularity if it has one.
    pub fn stands_now(&self, now: Timestamp) -> Result<(), Denial> {
        match self.state {
            State::Active => {}
            State::Suspended => return Err(Denial::Suspended),
            State::Requested | State::Refused | State::Cancelled | State::TimedOut => {
                return Err(Denial::NoneRegistered);
            }
            State::Expired | State::Fulfilled | State::Replaced => return Err(Denial::NoLongerValid),
            State::Withdrawn | State::Revoked | State::Terminated => return Err(Denial::Withdrawn),
        }
        if now < self.valid_from {
            Err(Denial::NotValidYet)
        } else if now >= self.valid_until {
            Err(Denial::NoLongerValid)
        } else {
            Ok(())
        }
    }

    /// Whether records may leave at this instant as they were published: not if the consent has a granularity.
    pub fn may_leave_now(&self, now: Timestamp) -> Result<(), Denial> {
        self.stands_now(now)?;
        if self.is_coarse { Err(Denial::TooFine) } else { Ok(()) }
    }

    /// Whether it is active and its time has come and is not over.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == State::Active && self.valid_from <= now && now < self.valid_until
    }

    /// Whether only measurements of some time may leave.
    pub fn is_windowed(&self) -> bool {
        self.data_from.is_some() || self.data_until.is_some()
    }

    /// Whether a measurement of this time (seconds since 1970) was consented to; half-open.
    pub fn in_data_window(&self, time: f64) -> bool {
        self.data_from.is_none_or(|from| time >= from.as_duration().as_secs_f64())
            && self.data_until.is_none_or(|until| time < until.as_duration().as_secs_f64())
    }
}

/// Why a record stays behind: the reasons that people are shown.
///
/// In rising order of how near a consent came to permitting, so that the nearest is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// No consent covers the series for this recipient.
    NoneRegistered,
    /// A consent names the series, but its giver did not hold it when it was measured. People read *none registered*.
    AnotherHolders,
    /// The recipient was put off the node. People read *none registered*.
    Outcast,
    /// It was ended by someone.
    Withdrawn,
    /// Its time is over.
    NoLongerValid,
    /// Its time has not come.
    NotValidYet,
    /// It is paused.
    Suspended,
    /// The record is not of the time that was consented to.
    OutsideDataWindow,
    /// The record is finer than what was consented to.
    TooFine,
}

impl Denial {
    /// The reason in a few words, for the disclosure log.
    pub fn in_log(self) -> &'static str {
        match self {
            Denial::AnotherHolders => "another holder's",
            Denial::Outcast => "outcast",
            other => other.as_str(),
        }
    }

    /// The reason in a few words, for people: it does not tell them who else is concerned.
    pub fn as_str(self) -> &'static str {
        match self {
            Denial::NoneRegistered | Denial::AnotherHolders | Denial::Outcast => "none registered",
            Denial::Withdrawn => "withdrawn",
            Denial::NoLongerValid => "no longer valid",
            Denial::NotValidYet => "not valid yet",
            Denial::Suspended => "suspended",
            Denial::OutsideDataWindow => "outside the data window",
            Denial::TooFine => "finer than the granularity",
        }
    }
}

/// Answers one question from the consents given.
///
/// The order of `consents` does not matter: of several that permit, the one that runs longest is named,
/// and of equals the one with the smallest id; of several that deny, the nearest to permitting.
pub fn decide<'a, S: Standing>(
    consents: impl IntoIterator<Item = &'a S>,
    question: Question<'_, S::Recipient>,
    situation: &Situation<'_, S::Subject>,
) -> Result<&'a S, Denial> {
    let mut best: Option<(&S, Timestamp)> = None;
    let mut nearest = Denial::NoneRegistered;
    for consent in consents {
        match judge(consent, &question, situation) {
            Ok(until) => {
                let better = |(held, its): &(&S, Timestamp)| (until, held.id()) > (*its, consent.id());
                if best.as_ref().is_none_or(better) {
                    best = Some((consent, until));
                }
            }
            Err(denial) => nearest = nearest.max(denial),
        }
    }
    best.map(|(consent, _)| consent).ok_or(nearest)
}

/// Those that would permit as well as the one that [`decide`] named: should that one end while something waits
/// under it, they let it leave in this order, at most `most` of them.
pub fn in_reserve<'a, S: Standing>(
    consents: impl IntoIterator<Item = &'a S>,
    question: Question<'_, S::Recipient>,
    situation: &Situation<'_, S::Subject>,
    named: &S,
    most: usize,
) -> Vec<&'a S> {
    let mut others: Vec<(Timestamp, &S)> = consents
        .into_iter()
        .filter(|consent| consent.id() != named.id())
        .filter_map(|consent| judge(consent, &question, situation).ok().map(|until| (until, consent)))
        .collect();
    others.sort_unstable_by_key(|(until, consent)| (std::cmp::Reverse(*until), consent.id()));
    others.into_iter().take(most).map(|(_, consent)| consent).collect()
}

/// What one consent says to the question: until when it permits, or why not.
fn judge<S: Standing>(
    consent: &S,
    question: &Question<'_, S::Recipient>,
    situation: &Situation<'_, S::Subject>,
) -> Result<Timestamp, Denial> {
    let extent = consent.extent();
    if consent.recipient() != question.recipient
        || !extent.modes.allow(question.mode)
        || !consent.covers(question.series)
    {
        return Err(Denial::NoneRegistered);
    }
    let stands = extent.stands_now(question.now);
    if stands != Err(Denial::NoneRegistered) {
        is_of_its_giver(consent, situation)?;
    }
    stands?;
    if extent.is_coarse && !question.is_reduced {
        return Err(Denial::TooFine);
    }
    if extent.in_data_window(question.time) { Ok(extent.valid_until) } else { Err(Denial::OutsideDataWindow) }
}

/// Whether the record is of who gave the consent: a consent permits records of its own subject and of nobody else,
/// whatever its scope names and whoever recorded it.
pub fn is_of_its_giver<S: Standing>(
    consent: &S,
    situation: &Situation<'_, S::Subject>,
) -> Result<(), Denial> {
    if situation.holder.holder() != Some(&consent.subject()) {
        return Err(Denial::AnotherHolders);
    }
    match situation.given_since {
        Some(since) if consent.given_at() < since => Err(Denial::NoneRegistered),
        _ => Ok(()),
    }
}

/// Whether anything at all may leave under this consent at this instant, reduced to its granularity if it has one.
pub fn stands_now(consent: &impl Standing, now: Timestamp) -> Result<(), Denial> {
    consent.extent().stands_now(now)
}

#[cfg(test)]
mod tests {
    use super::super::access::Setting;
    use super::super::consent::tests::sample;
    use super::super::name::Scope;
    use super::super::tenure::Holding;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn held_by(holder: &Subject) -> Situation<'_, Subject> {
        let holder = Holding::Held(holder);
        Situation { holder, given_since: None, setting: Setting::CLOSED, is_present: true }
    }

    fn ask<'a>(consents: &'a [Consent], series: &str, time: &str, now: &str) -> Result<&'a Consent, Denial> {
        let recipient = BareJid::new("app@coop.example").unwrap();
        let question = Question {
            series,
            time: at(time).as_duration().as_secs_f64(),
            recipient: &recipient,
            mode: Mode::Notify,
            now: at(now),
            is_reduced: false,
        };
        decide(consents, question, &held_by(&sample().subject))
    }

    #[test]
    fn each_reason_and_each_boundary() {
        let mut windowed = sample();
        windowed.data_from = Some(at("2026-02-01T00:00:00Z"));
        windowed.data_until = Some(at("2026-03-01T00:00:00Z"));
        let in_state = |state| {
            let mut consent = sample();
            consent.state = state;
            consent
        };
        let mut history_only = sample();
        history_only.modes = Modes { notify: false, history: true };
        let mut coarse = sample();
        coarse.granularity = Some("PT1H".parse().unwrap());
        let mut prefix = sample();
        prefix.scope = vec![Scope::parse("urn:dev:other").unwrap(), Scope::parse("urn:dev:prm:*").unwrap()];
        let mut other = sample();
        other.recipient = BareJid::new("other@coop.example").unwrap();

        let one = "urn:dev:prm:1";
        let feb = "2026-02-10T00:00:00Z";
        let june = "2026-06-01T00:00:00Z";
        use Denial::*;
        type Case<'a> = (&'a str, Consent, &'a str, &'a str, &'a str, Result<(), Denial>);
        let table: Vec<Case<'_>> = vec![
            ("active", sample(), one, feb, june, Ok(())),
            ("finer than consented", coarse, one, feb, june, Err(TooFine)),
            ("first instant", sample(), one, feb, "2026-01-01T00:00:00Z", Ok(())),
            ("before the first", sample(), one, feb, "2025-12-31T23:59:59.999Z", Err(NotValidYet)),
            ("last instant", sample(), one, feb, "2026-12-31T23:59:59.999Z", Ok(())),
            ("the end itself", sample(), one, feb, "2027-01-01T00:00:00Z", Err(NoLongerValid)),
            ("other series", sample(), "urn:dev:prm:12", feb, june, Err(NoneRegistered)),
            ("below is not implied", sample(), "urn:dev:prm:1/a", feb, june, Err(NoneRegistered)),
            ("by prefix", prefix, "urn:dev:prm:12", feb, june, Ok(())),
            ("other recipient", other, one, feb, june, Err(NoneRegistered)),
            ("history only", history_only, one, feb, june, Err(NoneRegistered)),
            ("requested", in_state(State::Requested), one, feb, june, Err(NoneRegistered)),
            ("refused", in_state(State::Refused), one, feb, june, Err(NoneRegistered)),
            ("suspended", in_state(State::Suspended), one, feb, june, Err(Suspended)),
            ("withdrawn", in_state(State::Withdrawn), one, feb, june, Err(Withdrawn)),
            ("revoked", in_state(State::Revoked), one, feb, june, Err(Withdrawn)),
            ("terminated", in_state(State::Terminated), one, feb, june, Err(Withdrawn)),
            ("expired", in_state(State::Expired), one, feb, june, Err(NoLongerValid)),
            ("replaced", in_state(State::Replaced), one, feb, june, Err(NoLongerValid)),
            ("window opens", windowed.clone(), one, "2026-02-01T00:00:00Z", june, Ok(())),
            ("before it", windowed.clone(), one, "2026-01-31T23:59:59.999Z", june, Err(OutsideDataWindow)),
            ("inside", windowed.clone(), one, "2026-02-28T23:59:59.999Z", june, Ok(())),
            ("window closes", windowed, one, "2026-03-01T00:00:00Z", june, Err(OutsideDataWindow)),
        ];
        for (case, consent, series, time, now, expected) in table {
            let answer = ask(std::slice::from_ref(&consent), series, time, now).map(drop);
            assert_eq!(answer, expected, "{case}");
        }
        assert_eq!(ask(&[], one, feb, june), Err(NoneRegistered));
    }

    #[test]
    fn of_several_the_longest_is_named_whatever_the_order() {
        let mut longer = sample();
        longer.id = Uuid::from_u128(9);
        longer.valid_until = at("2028-01-01T00:00:00Z");
        let mut ended = sample();
        ended.id = Uuid::from_u128(3);
        ended.state = State::Withdrawn;
        let mut twin = sample();
        twin.id = Uuid::from_u128(5);
        let all = [sample(), longer.clone(), ended.clone(), twin.clone()];
        let series = "urn:dev:prm:1";
        for rotation in 0..all.len() {
            let mut list = all.clone();
            list.rotate_left(rotation);
            let Ok(consent) = ask(&list, series, "2026-02-10T00:00:00Z", "2026-06-01T00:00:00Z") else {
                panic!("denied")
            };
            assert_eq!(consent.id, longer.id);
        }
        let recipient = BareJid::new("app@coop.example").unwrap();
        let question = Question {
            series,
            time: at("2026-02-10T00:00:00Z").as_duration().as_secs_f64(),
            recipient: &recipient,
            mode: Mode::Notify,
            now: at("2026-06-01T00:00:00Z"),
            is_reduced: false,
        };
        let subject = sample().subject;
        let held = held_by(&subject);
        let reserve = in_reserve(&all, question, &held, &longer, 3);
        assert_eq!(reserve, [&sample(), &twin], "the others that permit, the longest first");
        assert_eq!(in_reserve(&all, question, &held, &longer, 1), [&sample()]);
        let twins = [twin, sample()];
        let Ok(consent) = ask(&twins, series, "2026-02-10T00:00:00Z", "2026-06-01T00:00:00Z") else {
            panic!("denied")
        };
        assert_eq!(consent.id, Uuid::from_u128(1));
        assert_eq!(
            ask(&[ended], series, "2026-02-10T00:00:00Z", "2026-06-01T00:00:00Z"),
            Err(Denial::Withdrawn)
        );
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        fn instant() -> impl Strategy<Value = Timestamp> {
            (1_767_225_600i64..1_798_761_600).prop_map(|s| Timestamp::from_second(s).unwrap())
        }

        fn consent() -> impl Strategy<Value = Consent> {
            let scope = prop::sample::select(vec!["urn:a", "urn:ab", "urn:a*", "urn:*", "urn:b"]);
            let state = prop::sample::select(State::ALL.map(|(state, _)| state).to_vec());
            (any::<u128>(), scope, state, instant(), 0i64..20_000_000, prop::option::of(instant())).prop_map(
                |(id, scope, state, from, length, data_from)| {
                    let mut consent = sample();
                    consent.id = Uuid::from_u128(id);
                    consent.scope = vec![Scope::parse(scope).unwrap()];
                    consent.state = state;
                    consent.valid_from = from;
                    consent.valid_until = from + jiff::SignedDuration::from_secs(1 + length);
                    consent.data_from = data_from;
                    consent
                },
            )
        }

        proptest! {
            #[test]
            fn nothing_is_permitted_but_by_one_that_is_live_and_covers_it(
                mut consents in prop::collection::vec(consent(), 0..6), now in instant(), time in instant(),
                series in prop::sample::select(vec!["urn:a", "urn:ab", "urn:abc", "urn:b", "urn:x"]), turn in 0usize..6,
            ) {
                let recipient = BareJid::new("app@coop.example").unwrap();
                let time = time.as_duration().as_secs_f64();
                let question = Question { series, time, recipient: &recipient, mode: Mode::Notify, now, is_reduced: false };
                let subject = sample().subject;
                let held = held_by(&subject);
                let answer = match decide(&consents, question, &held) {
                    Ok(consent) => {
                        prop_assert!(consent.is_live(now) && consent.covers(series));
                        prop_assert!(consent.data_from.is_none_or(|from| time >= from.as_duration().as_secs_f64()));
                        Ok(consent.id)
                    }
                    Err(why) => Err(why),
                };
                // The order does not matter.
                let places = consents.len().max(1);
                consents.rotate_left(turn % places);
                let again = match decide(&consents, question, &held) {
                    Ok(consent) => Ok(consent.id),
                    Err(why) => Err(why),
                };
                prop_assert_eq!(answer, again);
                // Withdrawing one never lets anything leave that stayed before.
                if let Some(first) = consents.first_mut() {
                    first.state = State::Withdrawn;
                }
                if answer.is_err() {
                    prop_assert!(decide(&consents, question, &held).is_err());
                }
            }
        }
    }
}
