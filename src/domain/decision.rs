//! *May this record leave?* One pure function, with the instant as an argument.

use jid::BareJid;
use jiff::Timestamp;

use super::consent::{Consent, Mode, State};

/// What is asked: this record, for this recipient, in this way, now.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The resolved name of the record (RFC 8428 §4.6).
    pub series: &'a str,
    /// The resolved time of the record, seconds since 1970.
    pub time: f64,
    /// Who would receive it.
    pub recipient: &'a BareJid,
    /// Sent, or fetched.
    pub mode: Mode,
    /// The instant of sending.
    pub now: Timestamp,
}

/// Why a record stays behind: the reasons that people are shown.
///
/// In rising order of how near a consent came to permitting, so that the nearest is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// No consent covers the series for this recipient.
    NoneRegistered,
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
    /// The reason in a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Denial::NoneRegistered => "none registered",
            Denial::Withdrawn => "withdrawn",
            Denial::NoLongerValid => "no longer valid",
            Denial::NotValidYet => "not valid yet",
            Denial::Suspended => "suspended",
            Denial::OutsideDataWindow => "outside the data window",
            Denial::TooFine => "finer than the granularity",
        }
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision<'a> {
    /// It may leave, under this consent and its terms.
    Permit(&'a Consent),
    /// It stays.
    Deny(Denial),
}

/// Answers one question from the consents given.
///
/// The order of `consents` does not matter: of several that permit, the one that runs longest is named,
/// and of equals the one with the smallest id; of several that deny, the nearest to permitting.
pub fn decide<'a>(consents: impl IntoIterator<Item = &'a Consent>, question: Question<'_>) -> Decision<'a> {
    let mut best: Option<&Consent> = None;
    let mut nearest = Denial::NoneRegistered;
    for consent in consents {
        match judge(consent, question) {
            Ok(()) => {
                let better =
                    |held: &&Consent| (consent.valid_until, held.id) > (held.valid_until, consent.id);
                if best.as_ref().is_none_or(better) {
                    best = Some(consent);
                }
            }
            Err(denial) => nearest = nearest.max(denial),
        }
    }
    best.map_or(Decision::Deny(nearest), Decision::Permit)
}

/// What one consent says to the question.
pub fn judge(consent: &Consent, question: Question<'_>) -> Result<(), Denial> {
    if consent.recipient != *question.recipient
        || !consent.modes.allow(question.mode)
        || !consent.covers(question.series)
    {
        return Err(Denial::NoneRegistered);
    }
    may_leave_now(consent, question.now)?;
    if !in_data_window(consent, question.time) {
        return Err(Denial::OutsideDataWindow);
    }
    Ok(())
}

/// Whether anything at all may leave under this consent at this instant.
pub fn may_leave_now(consent: &Consent, now: Timestamp) -> Result<(), Denial> {
    match consent.state {
        State::Active => {}
        State::Suspended => return Err(Denial::Suspended),
        State::Requested | State::Refused | State::Cancelled | State::TimedOut => {
            return Err(Denial::NoneRegistered);
        }
        State::Expired | State::Fulfilled | State::Replaced => return Err(Denial::NoLongerValid),
        State::Withdrawn | State::Revoked | State::Terminated => return Err(Denial::Withdrawn),
    }
    if now < consent.valid_from {
        Err(Denial::NotValidYet)
    } else if now >= consent.valid_until {
        Err(Denial::NoLongerValid)
    } else if consent.granularity.is_some() {
        // Nothing is aggregated yet, and finer data than was consented to must not leave.
        Err(Denial::TooFine)
    } else {
        Ok(())
    }
}

/// Whether a measurement of this time (seconds since 1970) was consented to; half-open.
pub fn in_data_window(consent: &Consent, time: f64) -> bool {
    consent.data_from.is_none_or(|from| time >= from.as_duration().as_secs_f64())
        && consent.data_until.is_none_or(|until| time < until.as_duration().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::consent::{Modes, tests::sample};
    use super::super::name::Scope;
    use super::*;
    use uuid::Uuid;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ask<'a>(consents: &'a [Consent], series: &str, time: &str, now: &str) -> Decision<'a> {
        let recipient = BareJid::new("app@coop.example").unwrap();
        let question = Question {
            series,
            time: at(time).as_duration().as_secs_f64(),
            recipient: &recipient,
            mode: Mode::Notify,
            now: at(now),
        };
        decide(consents, question)
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
            let answer = match ask(std::slice::from_ref(&consent), series, time, now) {
                Decision::Permit(_) => Ok(()),
                Decision::Deny(reason) => Err(reason),
            };
            assert_eq!(answer, expected, "{case}");
        }
        assert_eq!(ask(&[], one, feb, june), Decision::Deny(NoneRegistered));
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
            let Decision::Permit(consent) =
                ask(&list, series, "2026-02-10T00:00:00Z", "2026-06-01T00:00:00Z")
            else {
                panic!("denied")
            };
            assert_eq!(consent.id, longer.id);
        }
        let twins = [twin, sample()];
        let Decision::Permit(consent) = ask(&twins, series, "2026-02-10T00:00:00Z", "2026-06-01T00:00:00Z")
        else {
            panic!("denied")
        };
        assert_eq!(consent.id, Uuid::from_u128(1));
        assert_eq!(
            ask(&[ended], series, "2026-02-10T00:00:00Z", "2026-06-01T00:00:00Z"),
            Decision::Deny(Denial::Withdrawn)
        );
    }
}
