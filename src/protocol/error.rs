//! Stanza errors (RFC 6120 §8.3): a condition that programs act on, a text that people act on, and where
//! it helps an application condition that names the reason.

use super::ns;
use super::text::{attribute, escape, raw};
use crate::domain::language::{Language, Text};
use crate::domain::wording::beginning;

/// The most characters of a text: it may quote what the sender wrote.
const TEXT_MAX: usize = 4000;

/// The most characters of what else is quoted.
const QUOTED_MAX: usize = 200;

/// RFC 6120 §8.3.3, those used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The stanza cannot be understood.
    BadRequest,
    /// Not allowed, whoever asks again.
    Forbidden,
    /// There is no such thing, or not for the asker.
    ItemNotFound,
    /// No consent covers it.
    NotAuthorized,
    /// Known, but not done here.
    FeatureNotImplemented,
    /// Not known.
    ServiceUnavailable,
    /// There is one already, or a precondition is not met.
    Conflict,
    /// Understood, but not to be had so.
    NotAcceptable,
    /// Nobody may, or not in this state.
    NotAllowed,
    /// Not at this time: something else has to come first.
    UnexpectedRequest,
    /// None of the others; the application condition says it.
    Undefined,
    /// A limit of the operator.
    PolicyViolation,
    /// Too much at the moment.
    ResourceConstraint,
    /// It failed here.
    InternalServerError,
}

impl Condition {
    /// The element name, and the type that goes with it.
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Condition::BadRequest => ("bad-request", "modify"),
            Condition::Forbidden => ("forbidden", "auth"),
            Condition::ItemNotFound => ("item-not-found", "cancel"),
            Condition::NotAuthorized => ("not-authorized", "auth"),
            Condition::FeatureNotImplemented => ("feature-not-implemented", "cancel"),
            Condition::ServiceUnavailable => ("service-unavailable", "cancel"),
            Condition::Conflict => ("conflict", "cancel"),
            Condition::NotAcceptable => ("not-acceptable", "modify"),
            Condition::NotAllowed => ("not-allowed", "cancel"),
            Condition::UnexpectedRequest => ("unexpected-request", "cancel"),
            Condition::Undefined => ("undefined-condition", "cancel"),
            Condition::PolicyViolation => ("policy-violation", "modify"),
            Condition::ResourceConstraint => ("resource-constraint", "wait"),
            Condition::InternalServerError => ("internal-server-error", "wait"),
        }
    }
}

impl Condition {
    /// Whether the same request may be granted later (RFC 6120 §8.3.2, `wait`).
    pub fn passes(self) -> bool {
        self.parts().1 == "wait"
    }
}

/// The application condition beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// `<invalid-pack xmlns='urn:courant:0'/>`: the reason, and the record from 0.
    InvalidPack {
        /// A reason of the SenML room, or `name-outside-node`.
        reason: String,
        /// Absent where the pack as a whole is wrong.
        record: Option<usize>,
    },
    /// `<unsupported xmlns='http://jabber.org/protocol/pubsub#errors'/>` (XEP-0060 §4).
    Unsupported {
        /// The feature's short name.
        feature: &'static str,
    },
    /// `<item-required/>`, `<payload-required/>`, `<invalid-payload/>`, … (XEP-0060 §7.1.3).
    Pubsub(&'static str),
    /// `<bad-payload/>`, `<bad-sessionid/>`, `<session-expired/>`, … (XEP-0050 §4.3).
    Command(&'static str),
    /// `<upstream-error xmlns='urn:quoalise:0'/>`: a source behind could not answer.
    Upstream {
        /// Who says so.
        issuer: String,
        /// What, for programs.
        code: String,
    },
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    /// For programs.
    pub condition: Condition,
    /// For people: what is wrong and what to do next.
    pub text: String,
    /// The language of that text.
    pub language: Language,
    /// The same in French, where it is known and not chosen yet.
    pub french: Option<String>,
    /// Why exactly.
    pub detail: Option<Detail>,
}

impl StanzaError {
    /// Without an application condition.
    pub fn new(condition: Condition, text: impl Into<String>) -> Self {
        StanzaError { condition, text: text.into(), language: Language::En, french: None, detail: None }
    }

    /// With one.
    pub fn with(condition: Condition, text: impl Into<String>, detail: Detail) -> Self {
        StanzaError { detail: Some(detail), ..Self::new(condition, text) }
    }

    /// In every language, with `{name}`s filled in; which one it is told in is chosen later.
    pub fn said(condition: Condition, words: Text, values: &[(&str, &str)]) -> Self {
        Self::new(condition, words.fill(Language::En, values)).or_in_french(words.fill(Language::Fr, values))
    }

    /// The same, with an application condition.
    pub fn because(mut self, detail: Detail) -> Self {
        self.detail = Some(detail);
        self
    }

    /// The same, its text being in this language.
    pub fn spoken(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// The same, which who reads French is told so.
    pub fn or_in_french(mut self, text: impl Into<String>) -> Self {
        self.french = Some(text.into());
        self
    }

    /// The same for who is spoken to in this language. A text that is known in English only stays as it is, and
    /// says that it is English.
    pub fn told_in(mut self, language: Language) -> Self {
        if let (Language::Fr, Some(french)) = (language, self.french.take()) {
            self.text = french;
            self.language = Language::Fr;
        }
        self
    }

    /// Appends the `<error/>` element.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (condition, kind) = self.condition.parts();
        raw(out, "<error");
        attribute(out, "type", kind);
        raw(out, "><");
        raw(out, condition);
        raw(out, " xmlns='");
        raw(out, ns::STANZA_ERRORS);
        raw(out, "'/><text xmlns='");
        raw(out, ns::STANZA_ERRORS);
        raw(out, "'");
        attribute(out, "xml:lang", self.language.code());
        raw(out, ">");
        escape(out, &beginning(&self.text, TEXT_MAX));
        raw(out, "</text>");
        match &self.detail {
            Some(Detail::InvalidPack { reason, record }) => {
                raw(out, "<invalid-pack xmlns='");
                raw(out, ns::COURANT);
                raw(out, "'");
                attribute(out, "reason", &beginning(reason, QUOTED_MAX));
                if let Some(record) = record {
                    attribute(out, "record", &record.to_string());
                }
                raw(out, "/>");
            }
            Some(Detail::Unsupported { feature }) => {
                raw(out, "<unsupported xmlns='");
                raw(out, ns::PUBSUB_ERRORS);
                raw(out, "'");
                attribute(out, "feature", feature);
                raw(out, "/>");
            }
            Some(Detail::Pubsub(name)) => empty(out, name, ns::PUBSUB_ERRORS),
            Some(Detail::Command(name)) => empty(out, name, ns::COMMANDS),
            Some(Detail::Upstream { issuer, code }) => {
                raw(out, "<upstream-error xmlns='");
                raw(out, super::quoalise::NAMESPACE);
                raw(out, "'");
                attribute(out, "issuer", &beginning(issuer, QUOTED_MAX));
                attribute(out, "code", &beginning(code, QUOTED_MAX));
                raw(out, "/>");
            }
            None => {}
        }
        raw(out, "</error>");
    }
}

fn empty(out: &mut Vec<u8>, name: &str, namespace: &str) {
    raw(out, "<");
    raw(out, name);
    raw(out, " xmlns='");
    raw(out, namespace);
    raw(out, "'/>");
}
