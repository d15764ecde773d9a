//! The record a person gives: this recipient may have these series, for this purpose, in this time.
//!
//! The fields follow EU 2023/1162 (objects H, I, K), ISO/IEC TS 27560 and ESPI's two windows: *when
//! delivery may happen* (`valid_*`) and *which measurements* (`data_*`).

use std::time::Duration;

use jid::BareJid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::holding::NotHeld;
use super::name::Scope;
use super::party::Subject;
use super::period::Period;
pub use super::state::State;

/// The longest purpose, in characters.
pub const PURPOSE_MAX: usize = 1000;

/// The most scopes one consent may name.
pub const SCOPES_MAX: usize = 1000;

/// The most octets that the names in its scope have together: who is asked reads all of them, and in one stanza.
pub const SCOPE_OCTETS_MAX: usize = 64 * 1024;

/// The longest name, contact, policy address or evidence, in characters.
pub const TEXT_MAX: usize = 1000;

/// The lawful bases of GDPR article 6.
pub const LAWFUL_BASES: [&str; 6] =
    ["consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"];

/// How a consent was given.
pub mod method {
    /// By an ad-hoc command of the person concerned.
    pub const AD_HOC: &str = "ad-hoc";
    /// By the approval form of XEP-0060 §8.6.
    pub const APPROVAL_FORM: &str = "approval-form";
    /// By a line of text.
    pub const TEXT: &str = "text-command";
    /// Recorded by an operator, by a command.
    pub const OPERATOR: &str = "operator";
    /// By the answer of an operator to what a person without an address was asked.
    pub const OPERATOR_ANSWER: &str = "operator-answer";
    /// Recorded by an operator, at the command line.
    pub const CLI: &str = "cli";
    /// Taken over from another system, or from paper.
    pub const IMPORT: &str = "import";
    /// Asked for, and not given yet.
    pub const REQUEST: &str = "request";
    /// By the web page of another service.
    pub const WEB: &str = "web";

    /// Every one.
    pub const ALL: [&str; 9] =
        [AD_HOC, APPROVAL_FORM, TEXT, OPERATOR, OPERATOR_ANSWER, CLI, IMPORT, WEB, REQUEST];
}

/// The number the store gave a consent revision. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsentKey(pub u64);

/// What a recipient may do with a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Be sent what is published from now on.
    Notify,
    /// Fetch what is retained.
    History,
}

/// Which modes a consent gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Mode>", into = "Vec<Mode>")]
pub struct Modes {
    /// Be sent what is published.
    pub notify: bool,
    /// Fetch what is retained.
    pub history: bool,
}

impl Modes {
    /// Both, as is usual.
    pub const BOTH: Modes = Modes { notify: true, history: true };

    /// Whether the mode is among them.
    pub fn allow(self, mode: Mode) -> bool {
        match mode {
            Mode::Notify => self.notify,
            Mode::History => self.history,
        }
    }
}

impl TryFrom<Vec<Mode>> for Modes {
    type Error = ConsentError;

    fn try_from(list: Vec<Mode>) -> Result<Self, ConsentError> {
        let modes = Modes { notify: list.contains(&Mode::Notify), history: list.contains(&Mode::History) };
        if modes.notify || modes.history { Ok(modes) } else { Err(ConsentError::NoMode) }
    }
}

impl From<Modes> for Vec<Mode> {
    fn from(modes: Modes) -> Self {
        let notify = modes.notify.then_some(Mode::Notify);
        notify.into_iter().chain(modes.history.then_some(Mode::History)).collect()
    }
}

/// The longest time that a recipient may keep what it gets: a hundred years, as [`Period::nominal`] counts them.
const RETENTION_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Why a consent cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConsentError {
    /// No series named.
    #[error("the scope is empty; name at least one series")]
    NoScope,
    /// More than [`SCOPES_MAX`] series named.
    #[error("more than {SCOPES_MAX} scopes; use a prefix ending in '*', or several consents")]
    TooManyScopes,
    /// Names that have more than [`SCOPE_OCTETS_MAX`] octets together.
    #[error(
        "the names in the scope have more than {SCOPE_OCTETS_MAX} octets together; use a prefix ending in '*', or several consents"
    )]
    ScopeTooLong,
    /// No purpose, or too long a one.
    #[error(
        "the purpose is empty or longer than {PURPOSE_MAX} characters; say in a sentence what the data is for"
    )]
    Purpose,
    /// The end is not after the beginning.
    #[error("valid_until ({until}) is not after valid_from ({from})")]
    Window {
        /// The beginning.
        from: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// The data window is empty.
    #[error("data_until ({until}) is not after data_from ({from})")]
    DataWindow {
        /// The beginning.
        from: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// Longer than the operator allows.
    #[error("a consent may last at most {maximum}; valid_until is too far ahead (latest: {latest})")]
    TooLong {
        /// The operator's maximum.
        maximum: String,
        /// The latest end that would do.
        latest: Timestamp,
    },
    /// Neither notify nor history.
    #[error("modes is empty; give notify, history or both")]
    NoMode,
    /// Kept for no time, or for longer than anybody can promise.
    #[error(
        "retention '{0}' is no length of time, or longer than a hundred years (P100Y); write for example P1Y or P30D"
    )]
    Retention(Period),
    /// A granularity in which a consent has no value.
    #[error(
        "granularity '{period}' is longer than a consent may last ({maximum}); write for example PT1H or P1D"
    )]
    TooCoarse {
        /// What was said.
        period: Period,
        /// The operator's maximum.
        maximum: String,
    },
    /// A granularity of nothing.
    #[error("granularity '{0}' is no length of time; write for example PT1H or P1D, or leave it out")]
    Granularity(Period),
    /// A text about the recipient or the evidence that is too long.
    #[error("{0} is longer than {TEXT_MAX} characters")]
    TooLongText(&'static str),
    /// Over before it begins.
    #[error("valid_until ({0}) has passed already; to end a consent, revoke it")]
    Over(Timestamp),
    /// An edit or a grant that would give more than was given or asked.
    #[error(
        "this would widen the consent ({0}); what is wider is a new consent under the same arrangement, \
         which the person concerned gives again"
    )]
    Wider(&'static str),
    /// Somebody else's arrangement.
    #[error(
        "no consent between this person and this recipient has that arrangement; leave it out, or take it from the consent to be renewed"
    )]
    Arrangement,
    /// Somebody else's series.
    #[error("{0}")]
    NotHeld(Box<NotHeld>),
    /// A step that the states do not allow.
    #[error("{}", no_step(*from, *to))]
    Step {
        /// Where it stands.
        from: State,
        /// What was asked.
        to: State,
    },
}

impl ConsentError {
    /// The same for who is told: whose a series is instead, operators alone.
    pub fn told_to(self, operator: bool) -> Self {
        match self {
            ConsentError::NotHeld(why) if !operator => ConsentError::NotHeld(Box::new(why.veiled())),
            other => other,
        }
    }
}

fn no_step(from: State, to: State) -> String {
    match from {
        _ if from == to => format!("the consent is {from} already; nothing was changed"),
        _ if from.is_end() => {
            format!(
                "the consent is {from}, which is for good: it cannot become {to}. Another one may be given"
            )
        }
        State::Requested => {
            format!("the consent is {from}, and cannot become {to} before the person concerned has answered")
        }
        _ => format!("a consent that is {from} cannot become {to}"),
    }
}

/// One consent record (DESIGN §4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// UUIDv7; also the receipt's id.
    pub id: Uuid,
    /// Stays the same across renewals and amendments.
    pub arrangement: Uuid,
    /// 1, 2, … with each edit.
    pub revision: u32,
    /// The person concerned.
    #[serde(with = "as_text")]
    pub subject: Subject,
    /// Who may receive: a bare address, or a domain.
    pub recipient: BareJid,
    /// The recipient's name, as shown to the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_name: Option<String>,
    /// Where the recipient can be asked about it, as shown to the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_contact: Option<String>,
    /// Where the recipient says what it does with data, as shown to the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_url: Option<String>,
    /// Which series.
    pub scope: Vec<Scope>,
    /// What for, in words.
    pub purpose: String,
    /// What for, as a term of the Data Privacy Vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_code: Option<String>,
    /// GDPR article 6: `consent`, `contract`, `legal-obligation`, …
    pub lawful_basis: String,
    /// Delivery may happen from here,
    pub valid_from: Timestamp,
    /// until before here.
    pub valid_until: Timestamp,
    /// Measurements from here,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_from: Option<Timestamp>,
    /// until before here, compared with the resolved time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_until: Option<Timestamp>,
    /// The finest detail that may leave; as published, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<Period>,
    /// Be sent, fetch, or both.
    pub modes: Modes,
    /// Whether the recipient is subscribed when it becomes active.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub subscribe: bool,
    /// How long the recipient may keep what it got: its obligation.
    pub retention: Period,
    /// Whether the recipient may pass it on.
    #[serde(default)]
    pub onward: bool,
    /// How it was given: `ad-hoc`, `approval-form`, `text-command`, `import`, `cli`, …
    pub method: String,
    /// Who recorded it, and the reference of the proof they hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The language of the text that the subject saw (BCP 47),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_lang: Option<String>,
    /// and its SHA-256, as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
    /// Where it stands,
    pub state: State,
    /// since when,
    pub since: Timestamp,
    /// by whom it was ended,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<String>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_yes(value: &bool) -> bool {
    *value
}

impl Consent {
    /// Why it ended, as far as it is said to anybody.
    pub fn reason(&self) -> Option<String> {
        self.end_reason.as_deref().map(|reason| super::wording::beginning(reason, TEXT_MAX))
    }
}

/// How long these names are together, with what stands between them.
pub fn octets(scope: &[Scope]) -> usize {
    scope.iter().map(|scope| scope.octets() + 2).sum()
}

impl Consent {
    /// Checks what can be checked on the record alone.
    ///
    /// `maximum` is the longest time a consent may run, as the operator set it.
    pub fn validate(&self, maximum: &Period) -> Result<(), ConsentError> {
        if self.scope.is_empty() {
            return Err(ConsentError::NoScope);
        }
        if self.scope.len() > SCOPES_MAX {
            return Err(ConsentError::TooManyScopes);
        }
        if octets(&self.scope) > SCOPE_OCTETS_MAX {
            return Err(ConsentError::ScopeTooLong);
        }
        if self.purpose.trim().is_empty() || self.purpose.chars().count() > PURPOSE_MAX {
            return Err(ConsentError::Purpose);
        }
        if self.valid_until <= self.valid_from {
            return Err(ConsentError::Window { from: self.valid_from, until: self.valid_until });
        }
        if let (Some(from), Some(until)) = (self.data_from, self.data_until)
            && until <= from
        {
            return Err(ConsentError::DataWindow { from, until });
        }
        if let Some(granularity) = &self.granularity
            && granularity.nominal().is_zero()
        {
            return Err(ConsentError::Granularity(granularity.clone()));
        }
        if let Some(granularity) = &self.granularity
            && granularity.nominal() > maximum.nominal()
        {
            let (period, maximum) = (granularity.clone(), maximum.to_string());
            return Err(ConsentError::TooCoarse { period, maximum });
        }
        let kept = self.retention.nominal();
        if kept.is_zero() || kept > RETENTION_MAX {
            return Err(ConsentError::Retention(self.retention.clone()));
        }
        for (name, text) in [
            ("recipient_name", &self.recipient_name),
            ("recipient_contact", &self.recipient_contact),
            ("policy_url", &self.policy_url),
            ("purpose_code", &self.purpose_code),
            ("evidence", &self.evidence),
            ("text_lang", &self.text_lang),
            ("text_hash", &self.text_hash),
        ] {
            if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_MAX) {
                return Err(ConsentError::TooLongText(name));
            }
        }
        match maximum.after(self.valid_from) {
            Some(latest) if self.valid_until > latest => {
                Err(ConsentError::TooLong { maximum: maximum.to_string(), latest })
            }
            _ => Ok(()),
        }
    }

    /// Takes a step, if the states allow it.
    pub fn become_state(
        &mut self,
        next: State,
        at: Timestamp,
        by: &str,
        reason: Option<&str>,
    ) -> Result<(), ConsentError> {
        if !self.state.may_become(next) {
            return Err(ConsentError::Step { from: self.state, to: next });
        }
        self.state = next;
        self.since = at;
        if next.is_end() {
            self.ended_by = Some(by.to_owned());
            self.end_reason = reason.map(str::to_owned);
        }
        Ok(())
    }

    /// Whether it is more than a request, answered by no or not at all.
    pub fn was_ever_given(&self) -> bool {
        !matches!(self.state, State::Requested | State::Refused | State::Cancelled | State::TimedOut)
    }

    /// Whether it can only be about what is the person's own, see [`covers_own_only`].
    pub fn covers_own_only(&self) -> bool {
        covers_own_only(&self.method)
    }

    /// Whether the series of this holder are meant: what a person gave in person, or an operator answered for
    /// them, covers their own alone, whoever else's lie below the same prefix.
    pub fn is_about(&self, holder: Option<&Subject>) -> bool {
        !self.covers_own_only() || holder == Some(&self.subject)
    }

    /// When it was given, as far as its id says: it was recorded or asked for then. Else when it begins.
    pub fn given_at(&self) -> Timestamp {
        given_at(self.id).unwrap_or(self.valid_from)
    }

    /// Whether the series is in scope.
    pub fn covers(&self, series: &str) -> bool {
        self.scope.iter().any(|scope| scope.covers(series))
    }

    /// Whether data may leave now: active, and within the validity (half-open).
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == State::Active && self.valid_from <= now && now < self.valid_until
    }
}

/// When an id was made, where it says so (UUIDv7, RFC 9562 §5.7): a consent is not older than its id.
pub fn given_at(id: Uuid) -> Option<Timestamp> {
    if id.get_version_num() != 7 {
        return None;
    }
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

/// Whether what is given in this way covers the person's own series alone: they gave it in person, or were asked
/// and an operator gave their answer, which speaks for nobody else either. What an operator or an import records
/// names what was agreed elsewhere.
pub fn covers_own_only(method: &str) -> bool {
    matches!(method, method::AD_HOC | method::APPROVAL_FORM | method::TEXT | method::OPERATOR_ANSWER)
}

/// Serde by `Display` and `FromStr`.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<T, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A consent to start a test from: active, one year, one series.
    pub(crate) fn sample() -> Consent {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Consent {
            id: Uuid::from_u128(1),
            arrangement: Uuid::from_u128(1),
            revision: 1,
            subject: "ann@home.example".parse().unwrap(),
            recipient: BareJid::new("app@coop.example").unwrap(),
            recipient_name: None,
            recipient_contact: None,
            policy_url: None,
            scope: vec![Scope::parse("urn:dev:prm:1").unwrap()],
            purpose: "advice".into(),
            purpose_code: None,
            lawful_basis: "consent".into(),
            valid_from: from,
            valid_until: "2027-01-01T00:00:00Z".parse().unwrap(),
            data_from: None,
            data_until: None,
            granularity: None,
            modes: Modes::BOTH,
            subscribe: true,
            retention: "P1Y".parse().unwrap(),
            onward: false,
            method: "cli".into(),
            evidence: None,
            text_lang: None,
            text_hash: None,
            state: State::Active,
            since: from,
            ended_by: None,
            end_reason: None,
        }
    }

    fn three_years() -> Period {
        "P3Y".parse().unwrap()
    }

    #[test]
    fn a_sound_record_passes_and_survives_json() {
        let consent = sample();
        consent.validate(&three_years()).unwrap();
        let json = serde_json::to_string(&consent).unwrap();
        assert!(
            json.contains(r#""state":"active""#) && json.contains(r#""modes":["notify","history"]"#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Consent>(&json).unwrap(), consent);
    }

    #[test]
    fn unsound_records_are_refused() {
        let limit = three_years();
        let with = |change: fn(&mut Consent)| {
            let mut consent = sample();
            change(&mut consent);
            consent.validate(&limit).unwrap_err()
        };
        assert_eq!(with(|c| c.scope.clear()), ConsentError::NoScope);
        assert_eq!(with(|c| c.purpose = "  ".into()), ConsentError::Purpose);
        assert_eq!(with(|c| c.purpose = "x".repeat(1001)), ConsentError::Purpose);
        assert!(matches!(with(|c| c.valid_until = c.valid_from), ConsentError::Window { .. }));
        assert!(matches!(
            with(|c| c.valid_until = "2029-01-01T00:00:01Z".parse().unwrap()),
            ConsentError::TooLong { .. }
        ));
        assert!(matches!(
            with(|c| {
                c.data_from = Some(c.valid_from);
                c.data_until = Some(c.valid_from);
            }),
            ConsentError::DataWindow { .. }
        ));
    }

    #[test]
    fn who_answers_for_a_person_gives_what_is_that_persons_alone() {
        let bob: Subject = "bob@home.example".parse().unwrap();
        let town: Subject = "ref:town".parse().unwrap();
        for (method, wide) in [
            (method::AD_HOC, false),
            (method::OPERATOR_ANSWER, false),
            (method::OPERATOR, true),
            (method::CLI, true),
            (method::IMPORT, true),
        ] {
            let consent = Consent { subject: town.clone(), method: method.into(), ..sample() };
            assert!(consent.is_about(Some(&town)));
            assert_eq!(consent.is_about(Some(&bob)), wide, "{method}");
        }
    }

    #[test]
    fn an_end_says_who_and_why_and_is_final() {
        let mut consent = sample();
        let at = "2026-06-01T00:00:00Z".parse().unwrap();
        consent.become_state(State::Revoked, at, "admin@x", Some("moved out")).unwrap();
        assert_eq!(consent.ended_by.as_deref(), Some("admin@x"));
        assert_eq!(consent.end_reason.as_deref(), Some("moved out"));
        assert!(consent.become_state(State::Active, at, "x", None).is_err());
        assert!(!consent.is_live(at));
    }
}
