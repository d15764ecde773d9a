//! What those concerned are told when a consent ends (DESIGN §4): the recipient once for each subscription
//! that ended with it, the person concerned in a sentence.

use jiff::Timestamp;

use super::ns;
use super::text::{attribute, escape, raw};
use crate::domain::consent::{Consent, State};
pub use crate::domain::language::Language;
use crate::domain::moving::{MOVED, is_closed_by_move};
use crate::domain::wording;

/// What happened, as far as the recipient's program is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was given: subscribed to the node.
    Began,
    /// It ended: not subscribed any more.
    Ended,
    /// It is not as it was: suspended, resumed, narrowed.
    Other,
    /// It covers what was measured until then: a series of it changed hands.
    Bounded(Timestamp),
}

/// Appends the notice to the recipient, at the address that is or was subscribed: what happened to the consent, and with it to the subscription to
/// `node`, if one began or ended.
///
/// Like all that is said here but [`to_chat`], it is without an id: the delivery gives it one.
pub fn to_recipient(
    out: &mut Vec<u8>,
    (from, to): (&str, &str),
    consent: &Consent,
    change: Change,
    node: Option<&str>,
) {
    start(out, from, to);
    raw(out, ">");
    if let Some(node) = node {
        raw(out, "<event xmlns='");
        raw(out, ns::PUBSUB_EVENT);
        raw(out, "'><subscription");
        attribute(out, "node", node);
        attribute(out, "jid", to);
        attribute(out, "subscription", if change == Change::Began { "subscribed" } else { "none" });
        raw(out, "/></event>");
    }
    raw(out, if change == Change::Ended { "<ended" } else { "<consent" });
    raw(out, " xmlns='");
    raw(out, ns::COURANT);
    raw(out, "'");
    attribute(out, if change == Change::Ended { "consent" } else { "id" }, &consent.id.to_string());
    attribute(out, "state", consent.state.as_str());
    if change != Change::Ended {
        attribute(out, "revision", &consent.revision.to_string());
    }
    if let Change::Bounded(border) = change {
        attribute(out, "until", &border.to_string());
    }
    // Who asked is not to learn who moved where.
    if let Some(reason) = consent.reason().filter(|_| !is_closed_by_move(consent)) {
        attribute(out, "reason", &reason);
    }
    raw(out, "/></message>");
}

/// Appends to a recipient that a subscription ended, and nothing else.
pub fn unsubscribed(out: &mut Vec<u8>, (from, to): (&str, &str), node: &str) {
    start(out, from, to);
    raw(out, "><event xmlns='");
    raw(out, ns::PUBSUB_EVENT);
    raw(out, "'><subscription");
    attribute(out, "node", node);
    attribute(out, "jid", to);
    raw(out, " subscription='none'/></event></message>");
}

/// What is to be erased: records of a series, measured from some time until before another.
#[derive(Debug, Clone, Copy)]
pub struct Erase<'a> {
    /// What it is confirmed by.
    pub id: &'a str,
    /// The series.
    pub node: &'a str,
    /// The first measuring time.
    pub from: Timestamp,
    /// Behind the last.
    pub until: Timestamp,
    /// Why: erased, retracted, corrected, moved.
    pub reason: &'a str,
}

/// Appends to a recipient what it is to erase. It carries no value.
pub fn erase(out: &mut Vec<u8>, (from, to): (&str, &str), erase: &Erase<'_>) {
    start(out, from, to);
    raw(out, "><erase xmlns='");
    raw(out, ns::COURANT);
    raw(out, "'");
    attribute(out, "id", erase.id);
    attribute(out, "node", erase.node);
    attribute(out, "from", &erase.from.to_string());
    attribute(out, "until", &erase.until.to_string());
    attribute(out, "reason", erase.reason);
    raw(out, "/></message>");
}

/// Appends an answer to a line of text, as a message of the same type.
pub fn to_chat(
    out: &mut Vec<u8>,
    kind: &str,
    from: &str,
    to: &str,
    id: &str,
    language: Language,
    body: &str,
) {
    raw(out, "<message");
    attribute(out, "type", kind);
    attribute(out, "from", from);
    attribute(out, "to", to);
    attribute(out, "id", id);
    attribute(out, "xml:lang", language.code());
    raw(out, "><body>");
    escape(out, body);
    raw(out, "</body></message>");
}

/// Appends a sentence to somebody.
pub fn to_person(out: &mut Vec<u8>, from: &str, to: &str, language: Language, body: &str) {
    start(out, from, to);
    attribute(out, "xml:lang", language.code());
    raw(out, "><body>");
    escape(out, body);
    raw(out, "</body></message>");
}

fn start(out: &mut Vec<u8>, from: &str, to: &str) {
    raw(out, "<message type='normal'");
    attribute(out, "from", from);
    attribute(out, "to", to);
}

/// The end of a consent, in a sentence.
pub fn ended(consent: &Consent, language: Language) -> String {
    let (who, series) = (wording::recipient(consent, language), wording::scopes(consent));
    let purpose = wording::purpose(consent, language);
    let moved = consent.state == State::Fulfilled && consent.end_reason.as_deref() == Some(MOVED);
    let reason = |before: &str| match consent.reason().filter(|_| !moved) {
        Some(reason) => format!("{before}{}.", wording::quoted(&reason, language)),
        None => String::new(),
    };
    match language {
        Language::En => {
            let how = match consent.state {
                State::Expired => "has run out",
                State::Withdrawn => "was withdrawn by you",
                State::Revoked => "was ended by the operator of this service",
                State::Terminated => "was ended by the recipient",
                State::Fulfilled if moved => "has ended, as what it names is not yours any more",
                State::Fulfilled => "is fulfilled",
                State::Replaced => "was replaced by a newer one",
                _ => "has ended",
            };
            format!(
                "Your consent for {who} (purpose: {purpose}; data: {series}) {how}. Nothing is sent under it any more.{}",
                reason(" Reason: ")
            )
        }
        Language::Fr => {
            let how = match consent.state {
                State::Expired => "est arrivé à son terme",
                State::Withdrawn => "a été retiré par vous",
                State::Revoked => "a été arrêté par l’opérateur de ce service",
                State::Terminated => "a été arrêté par le destinataire",
                State::Fulfilled if moved => "a pris fin, puisque ce qu’il nomme n’est plus à vous",
                State::Fulfilled => "est accompli",
                State::Replaced => "a été remplacé par un plus récent",
                _ => "a pris fin",
            };
            format!(
                "Votre consentement pour {who} (finalité : {purpose} ; données : {series}) {how}. Plus rien n’est envoyé à ce titre.{}",
                reason(" Motif : ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::tests::sample;

    #[test]
    fn both_sides_are_told() {
        let mut consent = sample();
        consent.become_state(State::Revoked, consent.since, "cli", Some("moved <out>")).unwrap();
        let mut out = Vec::new();
        let to = consent.recipient.to_string();
        to_recipient(&mut out, ("energy.x", &to), &consent, Change::Ended, Some("urn:a"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<message type='normal' from='energy.x' to='app@coop.example'>\
             <event xmlns='http://jabber.org/protocol/pubsub#event'>\
             <subscription node='urn:a' jid='app@coop.example' subscription='none'/></event>\
             <ended xmlns='urn:courant:0' consent='00000000-0000-0000-0000-000000000001' state='revoked' \
             reason='moved &lt;out&gt;'/></message>"
        );
        for (language, word) in
            [(Language::En, "ended by the operator"), (Language::Fr, "arrêté par l’opérateur")]
        {
            let mut out = Vec::new();
            to_person(&mut out, "energy.x", "ann@home.example", language, &ended(&consent, language));
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(word) && text.contains("to='ann@home.example'"), "{text}");
        }
    }
}
