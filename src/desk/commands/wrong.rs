//! What is wrong with what was filled in. The rooms below say it in English, with the details that whoever writes
//! a program wants; in French it is said here, by what the field is for.

use crate::desk::commands::texts::{MISSING, WIDER, label, labelled, state};
use crate::domain::consent::ConsentError;
use crate::domain::draft::DraftError;
use crate::domain::language::{Language, Text, text};

/// What a value of this field has to look like.
fn expected(var: &str) -> Text {
    match var {
        "valid_from" | "valid_until" | "data_from" | "data_until" => text(
            "",
            "« {value} » n’est pas une date ; écrivez par exemple 2027-01-01 ou 2027-01-01T12:00:00+01:00",
        ),
        "start_time" | "end_time" => text(
            "",
            "« {value} » n’est pas une heure avec décalage ; écrivez par exemple 2026-11-21T00:00:00+01:00",
        ),
        "retention" | "granularity" => {
            text("", "« {value} » n’est pas une durée ISO 8601 ; écrivez par exemple P1Y, P30D ou PT30M")
        }
        "recipient" => text(
            "",
            "« {value} » n’est pas une adresse XMPP nue ni un domaine ; écrivez par exemple camille@exemple.org, ou exemple.org pour tous ses membres",
        ),
        "producers" => {
            text("", "« {value} » n’est pas une adresse XMPP nue ; écrivez par exemple camille@exemple.org")
        }
        "subject" | "owner" => text(
            "",
            "« {value} » n’est ni une adresse XMPP nue, ni ref: suivi d’une référence de 255 octets au plus",
        ),
        "source" => {
            text("", "« {value} » n’est pas une adresse XMPP ; écrivez par exemple mesures.exemple.org")
        }
        "scope" | "name" | "identifier" => text(
            "",
            "« {value} » n’est pas un nom de série : lettres, chiffres et - : . / _ seulement, une lettre ou un chiffre au début ; un préfixe se termine par *, qui ne va pas seul",
        ),
        _ => text("", "« {value} » n’est pas une valeur possible ici"),
    }
}

/// The most characters of a wrong value that are shown again.
const SHOWN_MAX: usize = 200;

/// A value that was not understood, in the asker's language; `why` is what was said of it in English.
pub(crate) fn value(var: &str, value: &str, why: impl ToString, language: Language) -> String {
    match language {
        Language::En => why.to_string(),
        Language::Fr => {
            let shown: String = value.chars().take(SHOWN_MAX).collect();
            expected(var).fill(language, &[("value", &shown)])
        }
    }
}

/// The same behind the label of its field.
pub(crate) fn field(var: &str, said: &str, why: impl ToString, language: Language) -> String {
    labelled(label(var).of(language), &value(var, said, why, language), language)
}

/// What is wrong with a draft.
pub(crate) fn draft(error: &DraftError, language: Language) -> String {
    match error {
        DraftError::Missing(var) => labelled(label(var).of(language), MISSING.of(language), language),
        DraftError::TooFarAhead => text(
            "the validity begins too far ahead; choose an earlier 'delivery from'",
            "la validité commence trop tard ; choisissez un début plus proche",
        )
        .of(language)
        .to_owned(),
        DraftError::Consent(error) => consent(error, language),
    }
}

/// What is wrong with a consent, in words.
pub(crate) fn consent(error: &ConsentError, language: Language) -> String {
    if language == Language::En {
        return error.to_string();
    }
    let fill = |fr: &'static str, values: &[(&str, &str)]| text("", fr).fill(language, values);
    match error {
        ConsentError::NoScope => fill("aucune série n’est nommée ; nommez-en au moins une", &[]),
        ConsentError::TooManyScopes => fill("trop de séries ; utilisez un préfixe terminé par *", &[]),
        ConsentError::Purpose => {
            fill("la finalité est vide ou trop longue ; dites en une phrase à quoi servent les données", &[])
        }
        ConsentError::Window { from, until } => fill(
            "la fin ({until}) n’est pas après le début ({from})",
            &[("from", &from.to_string()), ("until", &until.to_string())],
        ),
        ConsentError::DataWindow { from, until } => fill(
            "la fin des mesures ({until}) n’est pas après leur début ({from})",
            &[("from", &from.to_string()), ("until", &until.to_string())],
        ),
        ConsentError::TooLong { maximum, latest } => fill(
            "un consentement dure au plus {maximum} ; au plus tard jusqu’au {latest}",
            &[("maximum", maximum), ("latest", &latest.to_string())],
        ),
        ConsentError::NoMode => fill("choisissez envoi, consultation ou les deux", &[]),
        ConsentError::Granularity(period) => fill(
            "« {period} » n’est pas une durée utile ; écrivez par exemple PT1H",
            &[("period", period.as_str())],
        ),
        ConsentError::TooLongText(field) => {
            fill("{field} est trop long", &[("field", label(field).of(language))])
        }
        ConsentError::Over(until) => {
            fill("la fin ({until}) est déjà passée", &[("until", &until.to_string())])
        }
        ConsentError::Wider(field) => WIDER.fill(language, &[("field", label(field).of(language))]),
        ConsentError::Arrangement => fill(
            "aucun consentement entre cette personne et ce destinataire n’a cet arrangement ; laissez-le vide, ou prenez celui du consentement à renouveler",
            &[],
        ),
        ConsentError::Step { from, to } => fill(
            "un consentement {from} ne peut pas devenir {to}",
            &[("from", state(*from).of(language)), ("to", state(*to).of(language))],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_french_reads_no_english() {
        let english = |text: &str| text.contains("is not") || text.contains("write");
        for var in ["valid_until", "retention", "recipient", "subject", "scope", "start_time", "max"] {
            let said = value(var, "x y", "'x y' is not right; write z", Language::Fr);
            assert!(said.contains("« x y »") && !english(&said), "{said}");
            assert!(english(&value(var, "x y", "'x y' is not right; write z", Language::En)));
        }
        assert_eq!(draft(&DraftError::Missing("purpose"), Language::Fr), "Finalité : à remplir",);
        assert!(value("scope", &"a".repeat(5000), "", Language::Fr).chars().count() < 400);
    }
}
