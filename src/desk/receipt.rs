//! What people are told of a consent, in sentences of their language; and the hash of them, which is kept with
//! the consent as the proof of what they saw.

use sha2::{Digest, Sha256};

use crate::domain::consent::Consent;
use crate::domain::language::{Language, text};
use crate::domain::wording;

/// What is shared with whom, why, how long, in which way and how fine: all that the recipient may do.
pub fn summary(consent: &Consent, language: Language) -> String {
    sentences(consent, language, &wording::scopes(consent))
}

/// The same for a line of a list: not every one of many series is named.
pub fn in_a_line(consent: &Consent, language: Language) -> String {
    sentences(consent, language, &wording::first_scopes(consent, language))
}

fn sentences(consent: &Consent, language: Language, scopes: &str) -> String {
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    let mut parts = vec![
        text(
            "{who} may have {scope} for this purpose: {purpose}. From {from} until {until}: {modes}. They may keep it for {retention}.",
            "{who} peut recevoir {scope} pour cette finalité : {purpose}. Du {from} au {until} : {modes}. Conservation autorisée : {retention}.",
        )
        .fill(
            language,
            &[
                ("who", &wording::recipient(consent, language)),
                ("scope", scopes),
                ("purpose", &wording::purpose(consent, language)),
                ("from", &day(consent.valid_from)),
                ("until", &day(consent.valid_until)),
                ("modes", wording::modes(consent, language)),
                ("retention", consent.retention.as_str()),
            ],
        ),
    ];
    let (from, until) = (consent.data_from.map(day), consent.data_until.map(day));
    let window = match (&from, &until) {
        (Some(_), Some(_)) => Some(text(
            "Only measurements from {from} until {until}.",
            "Seulement les mesures du {from} au {until}.",
        )),
        (Some(_), None) => {
            Some(text("Only measurements from {from} on.", "Seulement les mesures à partir du {from}."))
        }
        (None, Some(_)) => {
            Some(text("Only measurements before {until}.", "Seulement les mesures d’avant le {until}."))
        }
        (None, None) => None,
    };
    if let Some(window) = window {
        let values = [("from", &*from.unwrap_or_default()), ("until", &*until.unwrap_or_default())];
        parts.push(window.fill(language, &values));
    }
    if let Some(granularity) = &consent.granularity {
        let values = [("granularity", granularity.as_str())];
        parts.push(
            text("Not finer than {granularity}.", "Pas plus fin que {granularity}.").fill(language, &values),
        );
    }
    let onward = match consent.onward {
        true => text("They may pass it on.", "Le destinataire peut transmettre ces données à des tiers."),
        false => text("They may not pass it on.", "Le destinataire ne peut pas les transmettre à des tiers."),
    };
    parts.push(onward.of(language).to_owned());
    if let Some(contact) = &consent.recipient_contact {
        parts.push(
            text("Their contact: {contact}.", "Leur contact : {contact}.")
                .fill(language, &[("contact", &wording::quoted(contact, language))]),
        );
    }
    if let Some(policy) = &consent.policy_url {
        parts.push(
            text("Their data policy: {url}.", "Leur politique de données : {url}.")
                .fill(language, &[("url", &wording::url(policy))]),
        );
    }
    parts.join(" ")
}

/// What was asked for, where nothing is given.
pub fn asked(consent: &Consent, language: Language) -> String {
    text(
        "{who} asked for {scope} for this purpose: {purpose}.",
        "{who} a demandé {scope} pour cette finalité : {purpose}.",
    )
    .fill(
        language,
        &[
            ("who", &wording::recipient(consent, language)),
            ("scope", &wording::scopes(consent)),
            ("purpose", &wording::purpose(consent, language)),
        ],
    )
}

/// SHA-256 of a text, in hexadecimal digits.
pub fn hash(text: &str) -> String {
    crate::store::disclosures::checkpoint::hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::tests::sample;

    #[test]
    fn a_sentence_says_it_all() {
        let mut consent = sample();
        consent.granularity = Some("PT1H".parse().unwrap());
        consent.onward = true;
        consent.data_from = Some(consent.valid_from);
        consent.recipient_contact = Some("dpo@coop.example".into());
        consent.policy_url = Some("https://coop.example/p".into());
        assert_eq!(
            summary(&consent, Language::En),
            "app@coop.example may have urn:dev:prm:1 for this purpose: “advice”. From 2026-01-01 until 2027-01-01: \
             sent as it is published, and the past on request. They may keep it for P1Y. Only measurements from \
             2026-01-01 on. Not finer than PT1H. They may pass it on. Their contact: “dpo@coop.example”. Their data \
             policy: <https://coop.example/p>."
        );
        assert!(
            summary(&consent, Language::Fr)
                .contains("cette finalité : « advice ». Du 2026-01-01 au 2027-01-01 :")
        );
        let both = summary(&consent, Language::En);
        consent.modes.history = false;
        assert_ne!(summary(&consent, Language::En), both, "an edit of the modes is seen");
        assert_eq!(hash("").len(), 64);
    }
}
