//! A consent as somebody writes it down: what is left out has its usual value.

use jid::BareJid;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use uuid::Uuid;

use super::consent::{Consent, ConsentError, LAWFUL_BASES, Mode, Modes, State, method};
use super::name::Scope;
use super::party::Subject;
use super::period::{Period, read_time};
use super::wording::{self, Unreadable};

/// What is usual here, and what is too much.
#[derive(Debug, Clone)]
pub struct Usual {
    /// How long a consent runs.
    pub duration: Period,
    /// How long the recipient may keep what it got.
    pub retention: Period,
    /// How long a consent may run at most.
    pub maximum: Period,
}

/// Why a draft is no consent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DraftError {
    /// A field without which there is no consent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The validity begins later than makes sense, or ends after the end of time.
    #[error("valid_from lies too far ahead; choose an earlier one")]
    TooFarAhead,
    /// A text that could say something else than it shows.
    #[error("{0}: {1}")]
    Unreadable(&'static str, Unreadable),
    /// What is to be the address of a page is none.
    #[error("policy_url: this is no address of a page; write for example https://coop.example/data")]
    NoUrl,
    /// None of [`LAWFUL_BASES`].
    #[error("lawful_basis is none of {}", LAWFUL_BASES.join(", "))]
    Basis,
    /// The record as a whole is not right.
    #[error(transparent)]
    Consent(#[from] ConsentError),
}

/// The fields of [`Consent`], each of which may be absent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // each is described at Consent
pub struct Draft {
    pub id: Option<Uuid>,
    pub arrangement: Option<Uuid>,
    pub revision: Option<u32>,
    #[serde(deserialize_with = "subject")]
    pub subject: Option<Subject>,
    pub recipient: Option<BareJid>,
    pub recipient_name: Option<String>,
    pub recipient_contact: Option<String>,
    pub policy_url: Option<String>,
    pub scope: Vec<Scope>,
    pub purpose: Option<String>,
    pub purpose_code: Option<String>,
    pub lawful_basis: Option<String>,
    #[serde(deserialize_with = "time")]
    pub valid_from: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub valid_until: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub data_from: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub data_until: Option<Timestamp>,
    pub granularity: Option<Period>,
    #[serde(deserialize_with = "modes")]
    pub modes: Vec<Mode>,
    pub subscribe: Option<bool>,
    pub retention: Option<Period>,
    pub onward: Option<bool>,
    pub method: Option<String>,
    pub evidence: Option<String>,
    pub text_lang: Option<String>,
    pub text_hash: Option<String>,
    pub state: Option<State>,
    #[serde(deserialize_with = "time")]
    pub since: Option<Timestamp>,
    pub ended_by: Option<String>,
    pub end_reason: Option<String>,
}

impl Draft {
    /// The consent, checked. `method` is how it came here, unless the draft says so itself.
    pub fn complete(self, usual: &Usual, method: &str, now: Timestamp) -> Result<Consent, DraftError> {
        self.check_texts()?;
        let subject = self.subject.ok_or(DraftError::Missing("subject"))?;
        let recipient = self.recipient.ok_or(DraftError::Missing("recipient"))?;
        let valid_from = self.valid_from.unwrap_or(now);
        let valid_until = match self.valid_until {
            Some(until) => until,
            None => usual.duration.after(valid_from).ok_or(DraftError::TooFarAhead)?,
        };
        let modes = if self.modes.is_empty() { Modes::BOTH } else { Modes::try_from(self.modes)? };
        let id = self.id.unwrap_or_else(Uuid::now_v7);
        let mut scope: Vec<Scope> = Vec::with_capacity(self.scope.len());
        for named in self.scope {
            if !scope.contains(&named) {
                scope.push(named);
            }
        }
        let consent = Consent {
            id,
            arrangement: self.arrangement.unwrap_or(id),
            revision: self.revision.unwrap_or(1).max(1),
            subject,
            recipient,
            recipient_name: self.recipient_name,
            recipient_contact: self.recipient_contact,
            policy_url: self.policy_url,
            scope,
            purpose: self.purpose.ok_or(DraftError::Missing("purpose"))?,
            purpose_code: self.purpose_code,
            lawful_basis: self.lawful_basis.unwrap_or_else(|| "consent".into()),
            valid_from,
            valid_until,
            data_from: self.data_from,
            data_until: self.data_until,
            granularity: self.granularity,
            modes,
            subscribe: self.subscribe.unwrap_or(true),
            retention: self.retention.unwrap_or_else(|| usual.retention.clone()),
            onward: self.onward.unwrap_or(false),
            method: self.method.unwrap_or_else(|| method.to_owned()),
            evidence: self.evidence,
            text_lang: self.text_lang,
            text_hash: self.text_hash,
            state: self.state.unwrap_or(State::Active),
            since: self.since.unwrap_or(now),
            ended_by: self.ended_by,
            end_reason: self.end_reason,
        };
        consent.validate(&usual.maximum)?;
        Ok(consent)
    }

    fn check_texts(&self) -> Result<(), DraftError> {
        for (name, text) in [
            ("recipient_name", &self.recipient_name),
            ("recipient_contact", &self.recipient_contact),
            ("policy_url", &self.policy_url),
            ("purpose", &self.purpose),
            ("purpose_code", &self.purpose_code),
            ("lawful_basis", &self.lawful_basis),
            ("method", &self.method),
            ("evidence", &self.evidence),
            ("text_lang", &self.text_lang),
            ("text_hash", &self.text_hash),
            ("ended_by", &self.ended_by),
            ("end_reason", &self.end_reason),
        ] {
            let checked = text.as_deref().map_or(Ok(()), wording::check_line);
            checked.map_err(|why| DraftError::Unreadable(name, why))?;
        }
        if self.policy_url.as_ref().is_some_and(|url| !wording::is_url(url)) {
            return Err(DraftError::NoUrl);
        }
        match &self.lawful_basis {
            Some(basis) if !LAWFUL_BASES.contains(&&**basis) => Err(DraftError::Basis),
            _ => Ok(()),
        }
    }

    /// Checks what only a record from elsewhere says itself: ids, how it was given and shown, where it stands and
    /// since when.
    pub fn check_taken_over(&self, now: Timestamp) -> Result<(), String> {
        if let Some(subject) = &self.subject {
            // What has ended is taken as it was.
            let has_ended = self.state.is_some_and(State::is_end) && subject.jid().is_some();
            if !has_ended {
                subject.check_person().map_err(|why| format!("subject: {why}"))?;
            }
        }
        if let Some(id) = self.id.filter(|id| id.get_version_num() != 7) {
            return Err(format!("id: {id} is no UUID of version 7; leave it out to have one made"));
        }
        if self.arrangement.is_some_and(|arrangement| arrangement.is_nil()) {
            return Err("arrangement: all zeros name none; leave it out where nothing is renewed".to_owned());
        }
        if self.revision == Some(0) {
            return Err("revision: the first is 1; leave it out for that".to_owned());
        }
        if let Some(method) = self.method.as_deref().filter(|method| !method::ALL.contains(method)) {
            let all = method::ALL.join(", ");
            return Err(format!("method: '{}' is none of {all}", method.escape_debug()));
        }
        let hex = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if self.text_hash.as_deref().is_some_and(|hash| !hex(hash)) {
            return Err(
                "text_hash: not a SHA-256, which is 64 hexadecimal digits; leave it out if there is none"
                    .to_owned(),
            );
        }
        let tag = |lang: &str| {
            let mut parts = lang.split('-');
            let first = parts.next().is_some_and(|part| {
                matches!(part.len(), 2..=8) && part.bytes().all(|b| b.is_ascii_alphabetic())
            });
            first
                && parts.all(|part| {
                    matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric())
                })
        };
        if self.text_lang.as_deref().is_some_and(|lang| !tag(lang)) {
            return Err("text_lang: not a language tag; write for example fr or en-GB".to_owned());
        }
        if let Some(since) = self.since.filter(|since| *since > now) {
            return Err(format!("since: {since} is still to come; say when it came to stand so"));
        }
        match self.state {
            Some(state) if state.is_end() && self.since.is_none() => {
                Err(format!("state: {state} is an end; say in since when it ended"))
            }
            Some(State::Replaced) if self.arrangement.is_none() => {
                Err("state: what is replaced shares its arrangement with what replaced it; say which in arrangement".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What is left out is usual; an empty list is none, and not both.
fn modes<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Mode>, D::Error> {
    let modes = Vec::<Mode>::deserialize(d)?;
    if modes.is_empty() {
        return Err(serde::de::Error::custom(ConsentError::NoMode));
    }
    Ok(modes)
}

fn subject<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Subject>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| text.parse()).transpose().map_err(serde::de::Error::custom)
}

/// Dates alone are taken too: who arrives with consents on paper has no hours.
fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| read_time(&text)).transpose().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::super::consent::tests::sample;
    use super::*;

    pub(crate) fn usual() -> Usual {
        Usual {
            duration: "P1Y".parse().unwrap(),
            retention: "P6M".parse().unwrap(),
            maximum: "P3Y".parse().unwrap(),
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T00:00:00.123Z".parse().unwrap()
    }

    #[test]
    fn what_is_left_out_is_usual() {
        let line = r#"{"subject":"ref:file 7","recipient":"app@coop.example","scope":["urn:a","urn:a"],
                       "purpose":"advice","valid_until":"2027-06-01"}"#;
        let consent =
            serde_json::from_str::<Draft>(line).unwrap().complete(&usual(), "import", now()).unwrap();
        assert_eq!((consent.scope.len(), consent.revision, consent.arrangement), (1, 1, consent.id));
        assert_eq!(consent.valid_from, now());
        assert_eq!(consent.valid_until.to_string(), "2027-06-01T00:00:00Z");
        assert_eq!((consent.retention.as_str(), &*consent.method), ("P6M", "import"));
        assert!(consent.state == State::Active && consent.subscribe && !consent.onward);
    }

    #[test]
    fn what_was_exported_comes_back_as_it_was() {
        let mut consent = sample();
        consent.granularity = Some("PT1H".parse().unwrap());
        consent.subscribe = false;
        consent.revision = 4;
        consent.become_state(State::Withdrawn, now(), "ann@home.example", Some("moved")).unwrap();
        let line = serde_json::to_string(&consent).unwrap();
        let draft: Draft = serde_json::from_str(&line).unwrap();
        assert_eq!(draft.complete(&usual(), "import", now()).unwrap(), consent);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            (r#"{"recipient":"a@b.example","scope":["urn:a"],"purpose":"x"}"#, "subject is missing"),
            (r#"{"subject":"a@b.example","scope":["urn:a"],"purpose":"x"}"#, "recipient is missing"),
            (r#"{"subject":"a@b.example","recipient":"r.example","scope":[],"purpose":"x"}"#, "scope"),
            (r#"{"subject":"a@b.example","recipient":"r.example","scope":["*"],"purpose":"x"}"#, "'*' alone"),
            (
                r#"{"subject":"a@b.example","recipient":"r.example","scope":["urn:a"],"purpose":"x","valid_until":"2031-01-01"}"#,
                "at most P3Y",
            ),
            (
                r#"{"subject":"a@b.example","recipient":"r.example","scope":["urn:a"],"purpose":"x","retention":"P0D"}"#,
                "retention 'P0D'",
            ),
            (
                r#"{"subject":"a@b.example","recipient":"r.example","scope":["urn:a"],"purpose":"x","granularity":"P10000Y"}"#,
                "longer than a consent may last (P3Y)",
            ),
            (r#"{"subject":"a@b.example","retention":"1 year"}"#, "ISO 8601"),
            (r#"{"subject":"a@b.example","purposes":"x"}"#, "unknown field"),
            (r#"{"subject":"a@b.example","state":"given"}"#, "given"),
            (r#"{"subject":"ref:1","modes":[]}"#, "modes is empty"),
            (r#"{"subject":"a@b/c"}"#, "resource"),
            (r#"{"subject":"ref:1","valid_from":"yesterday"}"#, "not a date"),
        ] {
            let error = match serde_json::from_str::<Draft>(line) {
                Ok(draft) => draft.complete(&usual(), "import", now()).unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn a_record_from_elsewhere_says_nothing_that_cannot_be() {
        let good = serde_json::json!({
            "subject": "ref:1", "recipient": "app@coop.example", "scope": ["urn:a"], "purpose": "advice",
            "id": "0192f3c1-7f3a-7000-8000-00000000002a", "method": "web", "text_lang": "fr",
            "text_hash": "a".repeat(64), "since": "2026-01-01", "state": "active",
        });
        let check = |draft: Draft| {
            draft.check_taken_over(now())?;
            draft.complete(&usual(), "import", now()).map_err(|e| e.to_string())
        };
        check(serde_json::from_value(good.clone()).unwrap()).unwrap();
        for (field, value) in [
            ("lawful_basis", "because"),
            ("method", "telepathy"),
            ("text_hash", "x"),
            ("text_lang", "fr!"),
            ("state", "replaced"),
            ("since", "2030-01-01"),
            ("id", "00000000-0000-0000-0000-000000000000"),
            ("id", "5e5c7a60-1a3b-11f0-8b3c-0242ac120002"),
            ("arrangement", "00000000-0000-0000-0000-000000000000"),
            ("purpose", "a\0b"),
            ("evidence", "a\nb"),
            ("recipient_name", "a\u{85}b"),
            ("recipient_name", "Coop\u{202e}"),
            ("recipient_name", "\u{3164}"),
            ("purpose", "ad\u{200b}vice"),
            ("policy_url", "javascript:alert(1)"),
            ("policy_url", "https://coop.example@evil.example/"),
            ("subject", "ref:1\u{2066}"),
        ] {
            let mut record = good.clone();
            record[field] = value.into();
            let told = check(serde_json::from_value(record).unwrap()).unwrap_err();
            assert!(told.contains(field), "{field} {value:?}: {told}");
        }
        let mut record = good.clone();
        record["revision"] = 0.into();
        assert!(check(serde_json::from_value(record).unwrap()).unwrap_err().contains("revision"));
    }
}
