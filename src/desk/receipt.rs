//! What people are told of a consent, in a sentence of their language; and the hash of it, which is kept with
//! the consent as the proof of what they saw.

use sha2::{Digest, Sha256};

use crate::domain::consent::Consent;
use crate::domain::language::{Language, text};

/// What is shared with whom, why, how long and how fine.
pub fn summary(consent: &Consent, language: Language) -> String {
    let who = consent.recipient_shown();
    let scope = consent.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    let mut parts = vec![
        text(
            "{who} may have {scope} for this purpose: {purpose}. From {from} until {until}; they may keep it for {retention}.",
            "{who} peut recevoir {scope} pour cette finalité : {purpose}. Du {from} au {until} ; conservation autorisée : {retention}.",
        )
        .fill(
            language,
            &[
                ("who", &who),
                ("scope", &scope),
                ("purpose", &consent.purpose),
                ("from", &day(consent.valid_from)),
                ("until", &day(consent.valid_until)),
                ("retention", consent.retention.as_str()),
            ],
        ),
    ];
    if consent.data_from.is_some() || consent.data_until.is_some() {
        let window = |at: Option<jiff::Timestamp>| at.map_or_else(|| "…".to_owned(), day);
        let (from, until) = (window(consent.data_from), window(consent.data_until));
        let values = [("from", &*from), ("until", &*until)];
        parts.push(
            text("Measurements from {from} until {until}.", "Mesures du {from} au {until}.")
                .fill(language, &values),
        );
    }
    if let Some(granularity) = &consent.granularity {
        let values = [("granularity", granularity.as_str())];
        parts.push(
            text("Not finer than {granularity}.", "Pas plus fin que {granularity}.").fill(language, &values),
        );
    }
    if consent.onward {
        parts.push(
            text("They may pass it on.", "Le destinataire peut transmettre ces données à des tiers.")
                .of(language)
                .to_owned(),
        );
    }
    if let Some(policy) = &consent.policy_url {
        parts.push(
            text("Their data policy: {url}", "Leur politique de données : {url}")
                .fill(language, &[("url", policy)]),
        );
    }
    parts.join(" ")
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
        assert_eq!(
            summary(&consent, Language::En),
            "app@coop.example may have urn:dev:prm:1 for this purpose: advice. From 2026-01-01 until 2027-01-01; \
             they may keep it for P1Y. Not finer than PT1H. They may pass it on."
        );
        assert!(
            summary(&consent, Language::Fr).contains("cette finalité : advice. Du 2026-01-01 au 2027-01-01")
        );
        assert_eq!(hash("").len(), 64);
    }
}
