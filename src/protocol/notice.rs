//! What those concerned are told when a consent ends (DESIGN §4): the recipient once for each subscription
//! that ended with it, the person concerned in a sentence.

use super::ns;
use super::text::{attribute, escape, raw};
use crate::domain::consent::{Consent, State};
pub use crate::domain::language::Language;

/// Appends the notice to the recipient: that the consent ended, and with it the subscription to `node`, if
/// one did.
pub fn to_recipient(out: &mut Vec<u8>, from: &str, id: &str, consent: &Consent, node: Option<&str>) {
    let to = consent.recipient.to_string();
    start(out, from, &to, id);
    raw(out, ">");
    if let Some(node) = node {
        raw(out, "<event xmlns='");
        raw(out, ns::PUBSUB_EVENT);
        raw(out, "'><subscription");
        attribute(out, "node", node);
        attribute(out, "jid", &to);
        raw(out, " subscription='none'/></event>");
    }
    raw(out, "<ended xmlns='");
    raw(out, ns::COURANT);
    raw(out, "'");
    attribute(out, "consent", &consent.id.to_string());
    attribute(out, "state", consent.state.as_str());
    if let Some(reason) = &consent.end_reason {
        attribute(out, "reason", reason);
    }
    raw(out, "/></message>");
}

/// Appends the confirmation to the person concerned, if it has an address.
pub fn to_subject(out: &mut Vec<u8>, from: &str, id: &str, consent: &Consent, language: Language) {
    let Some(subject) = consent.subject.jid() else { return };
    start(out, from, subject.as_str(), id);
    attribute(out, "xml:lang", language.code());
    raw(out, "><body>");
    escape(out, &sentence(consent, language));
    raw(out, "</body></message>");
}

fn start(out: &mut Vec<u8>, from: &str, to: &str, id: &str) {
    raw(out, "<message type='normal'");
    attribute(out, "from", from);
    attribute(out, "to", to);
    attribute(out, "id", id);
}

fn sentence(consent: &Consent, language: Language) -> String {
    let who = consent.recipient_name.clone().unwrap_or_else(|| consent.recipient.to_string());
    let series = consent.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let purpose = &consent.purpose;
    let reason =
        |before: &str| consent.end_reason.as_ref().map_or_else(String::new, |r| format!("{before}{r}"));
    match language {
        Language::En => {
            let how = match consent.state {
                State::Expired => "has run out",
                State::Withdrawn => "was withdrawn by you",
                State::Revoked => "was ended by the operator of this service",
                State::Terminated => "was ended by the recipient",
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
        to_recipient(&mut out, "energy.x", "n-1", &consent, Some("urn:a"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<message type='normal' from='energy.x' to='app@coop.example' id='n-1'>\
             <event xmlns='http://jabber.org/protocol/pubsub#event'>\
             <subscription node='urn:a' jid='app@coop.example' subscription='none'/></event>\
             <ended xmlns='urn:courant:0' consent='00000000-0000-0000-0000-000000000001' state='revoked' \
             reason='moved &lt;out&gt;'/></message>"
        );
        for (language, word) in
            [(Language::En, "ended by the operator"), (Language::Fr, "arrêté par l’opérateur")]
        {
            let mut out = Vec::new();
            to_subject(&mut out, "energy.x", "n-2", &consent, language);
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(word) && text.contains("to='ann@home.example'"), "{text}");
        }
        consent.subject = "ref:file 7".parse().unwrap();
        let mut out = Vec::new();
        to_subject(&mut out, "energy.x", "n-3", &consent, Language::En);
        assert!(out.is_empty(), "a person without an address is told by whoever recorded the consent");
    }
}
