//! What is wrong with what was filled in. The rooms below say it in English, with the details that whoever writes
//! a program wants; in French it is said here, by what the field is for.

use crate::desk::commands::texts::{
    BLANK, HIDDEN, MISSING, NO_MODE, NO_URL, WIDER, label, labelled, stands, state,
};
use crate::domain::consent::{ConsentError, PURPOSE_MAX, SCOPE_OCTETS_MAX, SCOPES_MAX, TEXT_MAX};
use crate::domain::data_need::NeedError;
use crate::domain::draft::DraftError;
use crate::domain::holding::NotHeld;
use crate::domain::language::{Language, Text, text};
use crate::domain::period::{TimeFault, point_in_time};
use crate::domain::wording::{Unreadable, beginning, one_line};

/// What a value of this field has to look like.
fn expected(var: &str, said: &str) -> Text {
    match var {
        "valid_from" | "valid_until" | "data_from" | "data_until" | "from"
            if point_in_time(said) == Err(TimeFault::TooFar) =>
        {
            text("", "« {value} » est trop loin ; le dernier jour est le 9999-12-30")
        }
        "valid_from" | "valid_until" | "data_from" | "data_until" | "from"
            if point_in_time(said) == Err(TimeFault::Offset) =>
        {
            text("", "« {value} » est à plus de 14 heures d’UTC ; écrivez un décalage comme +01:00, ou Z")
        }
        "valid_from" | "valid_until" | "data_from" | "data_until" | "from" => text(
            "",
            "« {value} » n’est pas une date ; écrivez par exemple 2027-01-01 ou 2027-01-01T12:00:00+01:00",
        ),
        "start_time" | "end_time" => text(
            "",
            "« {value} » n’est pas une heure avec décalage ; écrivez par exemple 2026-11-21T00:00:00+01:00",
        ),
        "retention" | "granularity" => text(
            "",
            "« {value} » n’est pas une durée ISO 8601 en nombres entiers ; écrivez par exemple P1Y, P30D ou PT30M",
        ),
        "recipient" => text(
            "",
            "« {value} » n’est pas une adresse XMPP nue ni un domaine ; écrivez par exemple camille@exemple.org, ou conseil.exemple.org pour un service",
        ),
        "producers" => {
            text("", "« {value} » n’est pas une adresse XMPP nue ; écrivez par exemple camille@exemple.org")
        }
        "subject" | "owner" => text(
            "",
            "« {value} » n’est ni l’adresse XMPP nue d’une personne (camille@exemple.org), ni ref: suivi d’une référence de 255 octets au plus",
        ),
        "source" => {
            text("", "« {value} » n’est pas une adresse XMPP ; écrivez par exemple mesures.exemple.org")
        }
        "scope" | "name" | "identifier" => text(
            "",
            "« {value} » n’est pas un nom de série : lettres, chiffres et - : . / _ seulement, une lettre ou un chiffre au début ; un préfixe se termine par *, qui ne va pas seul",
        ),
        "arrangement" | "id" => text(
            "'{value}' is not an id; write it as the lists show it, for example 0192f3c1-7f3a-7000-8000-00000000002a",
            "« {value} » n’est pas un identifiant ; écrivez-le tel que les listes le montrent, par exemple 0192f3c1-7f3a-7000-8000-00000000002a",
        ),
        _ => text("", "« {value} » n’est pas une valeur possible ici"),
    }
}

/// The most characters of a wrong value that are shown again.
pub(super) const SHOWN_MAX: usize = 200;

/// A value that was not understood, in the asker's language; `why` is what was said of it in English.
pub(crate) fn value(var: &str, value: &str, why: impl ToString, language: Language) -> String {
    let expected = expected(var, value);
    if expected.of(language).is_empty() {
        let why = why.to_string();
        return match value.chars().count() > SHOWN_MAX {
            true => why.replace(value, &beginning(value, SHOWN_MAX)),
            false => why,
        };
    }
    expected.fill(language, &[("value", &beginning(&one_line(value), SHOWN_MAX))])
}

/// The same behind the label of its field.
pub(crate) fn field(var: &str, said: &str, why: impl ToString, language: Language) -> String {
    labelled(label(var).of(language), &value(var, said, why, language), language)
}

const UNKNOWN_BASIS: Text = text("choose one of the list", "choisissez une des bases de la liste");

/// What is wrong with a line that people will read.
pub(crate) fn line(why: Unreadable) -> Text {
    match why {
        Unreadable::Hidden => HIDDEN,
        Unreadable::Blank => BLANK,
    }
}

/// What is wrong with a draft.
pub(crate) fn draft(error: &DraftError, language: Language) -> String {
    match error {
        DraftError::Missing(var) => labelled(label(var).of(language), MISSING.of(language), language),
        DraftError::TooFarAhead => labelled(
            label("valid_from").of(language),
            text(
                "this is too far ahead, later than a consent may last; choose an earlier beginning",
                "c’est trop loin, au-delà de la durée maximale d’un consentement ; choisissez un début plus proche",
            )
            .of(language),
            language,
        ),
        DraftError::Unreadable(var, why) => {
            labelled(label(var).of(language), line(*why).of(language), language)
        }
        DraftError::NoUrl => labelled(label("policy_url").of(language), NO_URL.of(language), language),
        DraftError::Basis => {
            labelled(label("lawful_basis").of(language), UNKNOWN_BASIS.of(language), language)
        }
        DraftError::Consent(error) => consent(error, language),
    }
}

/// What is wrong with a request by a data need.
pub(crate) fn need(error: &NeedError, language: Language) -> String {
    if language == Language::En {
        return error.to_string();
    }
    let fill = |fr: &'static str, values: &[(&str, &str)]| text("", fr).fill(language, values);
    match error {
        NeedError::NothingNamed { id, scope } => fill(
            "le besoin « {id} » porte sur {scope} ; nommez sous Séries ce qui remplace les accolades",
            &[("id", id), ("scope", scope)],
        ),
        NeedError::Named { id } => {
            fill("le besoin « {id} » dit lui-même ses séries ; laissez Séries vide", &[("id", id)])
        }
        NeedError::Whole { id, scope, name } => fill(
            "le besoin « {id} » porte sur {scope} ; nommez seulement ce qui remplace les accolades, pas « {name} »",
            &[("id", id), ("scope", scope), ("name", name)],
        ),
        NeedError::NoName { id, name, .. } => fill(
            "le besoin « {id} » : « {name} » n’est pas un nom de série ; nommez seulement ce qui remplace les accolades",
            &[("id", id), ("name", name)],
        ),
        NeedError::TooFar { id } => fill(
            "le besoin « {id} » va au-delà de la fin des temps ; choisissez un début plus proche",
            &[("id", id)],
        ),
        NeedError::NoneAtAll { id } => {
            fill("il n’y a pas de besoin « {id} » : aucun n’est prévu ici ; demandez sans", &[("id", id)])
        }
        NeedError::Unknown { id, others } => {
            fill("il n’y a pas de besoin « {id} » ; il y a {others}", &[("id", id), ("others", others)])
        }
    }
}

/// A series that the person concerned does not hold; whose it is, where that may be said.
fn not_held(why: &NotHeld, language: Language) -> String {
    let when = why.window_shown().map_or_else(String::new, |window| {
        text(" in the time measured ({window})", " pendant la période de mesure ({window})")
            .fill(language, &[("window", &window)])
    });
    let said = match (why.veiled, why.holders.is_empty()) {
        (true, _) => text(
            "{subject} does not hold {name}{when}; name series of their own",
            "{subject} ne détient pas {name}{when} ; nommez des séries qui lui appartiennent",
        ),
        (false, true) => text(
            "{subject} does not hold {name}{when}, and nobody else does; register it first (series-add)",
            "{subject} ne détient pas {name}{when}, ni personne d’autre ; enregistrez-la d’abord (series-add)",
        ),
        (false, false) => text(
            "{subject} does not hold {name}{when}: it is {holders}'s; record the consent of its holder, or correct the holder (series-edit)",
            "{subject} ne détient pas {name}{when} : elle est à {holders} ; enregistrez le consentement de son détenteur, ou corrigez le détenteur (series-edit)",
        ),
    };
    let (subject, holders) = (why.subject.to_string(), why.holders_shown());
    let values = [("subject", &*subject), ("name", &*why.name), ("when", &*when), ("holders", &*holders)];
    labelled(label("scope").of(language), &said.fill(language, &values), language)
}

/// What is wrong with a consent, in words: which field, by its label, and what to do.
pub(crate) fn consent(error: &ConsentError, language: Language) -> String {
    let of = |var: &str, said: Text, values: &[(&str, &str)]| {
        labelled(label(var).of(language), &said.fill(language, values), language)
    };
    let (text_max, purpose_max, scopes_max) =
        (TEXT_MAX.to_string(), PURPOSE_MAX.to_string(), SCOPES_MAX.to_string());
    match error {
        ConsentError::NoScope => of("scope", text("name at least one", "nommez-en au moins une"), &[]),
        ConsentError::TooManyScopes => of(
            "scope",
            text(
                "more than {max}; use a prefix ending in *, or several consents",
                "plus de {max} ; utilisez un préfixe terminé par *, ou plusieurs consentements",
            ),
            &[("max", &scopes_max)],
        ),
        ConsentError::ScopeTooLong => of(
            "scope",
            text(
                "the names are longer than {max} octets together; use a prefix ending in *, or several consents",
                "les noms dépassent {max} octets ensemble ; utilisez un préfixe terminé par *, ou plusieurs consentements",
            ),
            &[("max", &SCOPE_OCTETS_MAX.to_string())],
        ),
        ConsentError::Purpose => of(
            "purpose",
            text(
                "empty, or longer than {max} characters; say in a sentence what the data is for",
                "vide, ou plus de {max} caractères ; dites en une phrase à quoi servent les données",
            ),
            &[("max", &purpose_max)],
        ),
        ConsentError::Window { from, until } => of(
            "valid_until",
            text(
                "{until} is not after {from}, where delivery begins; choose a later end",
                "{until} n’est pas après le début ({from}) ; choisissez une fin plus tardive",
            ),
            &[("from", &from.to_string()), ("until", &until.to_string())],
        ),
        ConsentError::DataWindow { from, until } => of(
            "data_until",
            text(
                "{until} is not after {from}, where the measurements begin; choose a later end",
                "{until} n’est pas après le début des mesures ({from}) ; choisissez une fin plus tardive",
            ),
            &[("from", &from.to_string()), ("until", &until.to_string())],
        ),
        ConsentError::TooLong { maximum, latest } => of(
            "valid_until",
            text(
                "a consent may last at most {maximum}; choose {latest} or earlier",
                "un consentement dure au plus {maximum} ; au plus tard jusqu’au {latest}",
            ),
            &[("maximum", maximum), ("latest", &latest.to_string())],
        ),
        ConsentError::NoMode => of("modes", NO_MODE, &[]),
        ConsentError::Granularity(period) => of(
            "granularity",
            text(
                "'{period}' is no length of time; write for example PT1H or P1D, or leave it empty",
                "« {period} » n’est pas une durée utile ; écrivez par exemple PT1H ou P1D, ou laissez vide",
            ),
            &[("period", period.as_str())],
        ),
        ConsentError::TooCoarse { period, maximum } => of(
            "granularity",
            text(
                "'{period}' is longer than a consent may last ({maximum}); write for example PT1H or P1D",
                "« {period} » dépasse la durée maximale d’un consentement ({maximum}) ; écrivez par exemple PT1H ou P1D",
            ),
            &[("period", period.as_str()), ("maximum", maximum)],
        ),
        ConsentError::Retention(period) => of(
            "retention",
            text(
                "'{period}' is no length of time, or longer than a hundred years; write for example P1Y or P30D",
                "« {period} » n’est pas une durée utile, ou dépasse cent ans ; écrivez par exemple P1Y ou P30D",
            ),
            &[("period", period.as_str())],
        ),
        ConsentError::TooLongText(field) => of(
            field,
            text("longer than {max} characters; shorten it", "plus de {max} caractères ; raccourcissez"),
            &[("max", &text_max)],
        ),
        ConsentError::Over(until) => of(
            "valid_until",
            text(
                "{until} has passed already; choose a later end, or end the consent",
                "{until} est déjà passé ; choisissez une fin plus tardive, ou mettez fin au consentement",
            ),
            &[("until", &until.to_string())],
        ),
        ConsentError::Wider(field) => WIDER.fill(language, &[("field", label(field).of(language))]),
        ConsentError::Arrangement => of(
            "arrangement",
            text(
                "no consent between this person and this recipient has that arrangement; leave it empty, or take it from the consent to be renewed",
                "aucun consentement entre cette personne et ce destinataire n’a cet arrangement ; laissez-le vide, ou prenez celui du consentement à renouveler",
            ),
            &[],
        ),
        ConsentError::NotHeld(why) => not_held(why, language),
        ConsentError::Step { from, .. } => {
            stands(*from).fill(language, &[("state", state(*from).of(language))])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::State;
    use crate::domain::name::Scope;

    /// Label, what is wrong, what to do: in both languages.
    #[test]
    fn what_is_wrong_has_a_label_and_a_way_on() {
        let at = |text: &str| text.parse().unwrap();
        let (from, until) = (at("2027-01-02T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let period = || "PT0S".parse().unwrap();
        for (error, var) in [
            (ConsentError::NoScope, "scope"),
            (ConsentError::TooManyScopes, "scope"),
            (ConsentError::ScopeTooLong, "scope"),
            (ConsentError::Purpose, "purpose"),
            (ConsentError::Window { from, until }, "valid_until"),
            (ConsentError::DataWindow { from, until }, "data_until"),
            (ConsentError::TooLong { maximum: "P3Y".into(), latest: from }, "valid_until"),
            (ConsentError::NoMode, "modes"),
            (ConsentError::Granularity(period()), "granularity"),
            (ConsentError::TooCoarse { period: period(), maximum: "P3Y".into() }, "granularity"),
            (ConsentError::Retention(period()), "retention"),
            (ConsentError::TooLongText("recipient_name"), "recipient_name"),
            (ConsentError::Over(until), "valid_until"),
            (ConsentError::Wider("retention"), "retention"),
            (ConsentError::Arrangement, "arrangement"),
        ] {
            for language in [Language::En, Language::Fr] {
                let said = consent(&error, language);
                assert!(said.starts_with(label(var).of(language)), "{said}");
                assert!(!said.contains('{') && !said.contains("valid_"), "{said}");
            }
        }
        for state in State::ALL.iter().map(|(state, _)| *state) {
            let said = consent(&ConsentError::Step { from: state, to: state }, Language::En);
            assert!(said.contains("this is") || said.contains("this consent is"), "{said}");
        }
    }

    #[test]
    fn who_reads_french_reads_no_english() {
        let english = |text: &str| text.contains("is not") || text.contains("write");
        for var in ["valid_until", "retention", "recipient", "subject", "scope", "start_time", "max"] {
            let said = value(var, "x y", "'x y' is not right; write z", Language::Fr);
            assert!(said.contains("« x y »") && !english(&said), "{said}");
            assert!(english(&value(var, "x y", "'x y' is not right; write z", Language::En)));
        }
        let id = || "advice".to_owned();
        for why in [
            NeedError::NothingNamed { id: id(), scope: "urn:{}".into() },
            NeedError::Named { id: id() },
            NeedError::Whole { id: id(), scope: "urn:{}".into(), name: "urn:a".into() },
            NeedError::NoName { id: id(), name: "a b".into(), why: Scope::parse("a b").unwrap_err() },
            NeedError::TooFar { id: id() },
            NeedError::NoneAtAll { id: id() },
            NeedError::Unknown { id: id(), others: "heating".into() },
        ] {
            let said = need(&why, Language::Fr);
            assert!(said.contains("« advice »") && !english(&said) && !said.contains("data need"), "{said}");
            assert!(
                need(&why, Language::En).contains("the data need")
                    || matches!(why, NeedError::NoneAtAll { .. } | NeedError::Unknown { .. })
            );
        }
        let jargon = value("arrangement", "x", "invalid character: found `x` at 0", Language::En);
        assert!(jargon.starts_with("'x' is not an id"), "{jargon}");
        assert_eq!(draft(&DraftError::Missing("purpose"), Language::Fr), "Finalité : à remplir",);
        let long = "a".repeat(5000);
        for language in [Language::En, Language::Fr] {
            let said = value("valid_until", &long, format!("'{long}' is not a date"), language);
            assert!(said.chars().count() < 400 && said.contains("aaa…"), "{said}");
        }
        assert!(value("scope", &long, "", Language::Fr).chars().count() < 400);
    }
}
