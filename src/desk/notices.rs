//! What those concerned are told of a step of a consent: the recipient for its program, the person concerned in
//! a sentence.

use jid::BareJid;

use super::receipt;
use crate::domain::consent::{Consent, State};
use crate::domain::language::{Language, Text, text};
use crate::domain::moving::{Becomes, is_closed_by_move};
use crate::domain::party::Subject;
use crate::domain::wording;
use crate::protocol::authorization;
use crate::protocol::notice::{self, Change};
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::text::escaped_len;
use crate::relay::notice::{Addressee, Notice, Purpose};
use crate::store::notices::{Bounded, Step, Together, Untold};

/// Whose series a request is about that names none there is: nobody is asked, and nobody learns so.
pub const NOBODY: &str = "nobody";

/// Why a request is closed whose node is gone.
pub const DELETED: &str = "the node was deleted";

/// What is told to whom.
pub fn notices(news: &Untold, from: &str, usual: Language, admins: &[BareJid]) -> Vec<Notice> {
    let consent = &news.consent;
    // Who chose no language is spoken to in that of what they saw when they gave it.
    let seen = consent.text_lang.as_deref().and_then(Language::known);
    let language = news.language.or(seen).unwrap_or(usual);
    let mut notices = Vec::new();
    let mut put = |purpose, to: &str, message| {
        notices.push(Notice { to: Addressee { purpose, consent: news.number, to: to.into() }, message });
    };
    // Who took a request back knows; who asked where somebody moved out does not.
    let cancelled = consent.state == State::Cancelled && !is_closed_by_move(consent);
    if !matches!(news.step, Step::Requested | Step::Reminder) && !cancelled {
        let change = match news.step {
            Step::Ended => Change::Ended,
            Step::Given => Change::Began,
            _ => news.bounded.as_ref().map_or(Change::Other, |bounded| Change::Bounded(bounded.from)),
        };
        let given = !matches!(consent.state, State::Refused | State::TimedOut);
        let purpose = if given { Purpose::Step } else { Purpose::Unanswered };
        let bare = consent.recipient.as_str();
        let nodes = news
            .nodes
            .iter()
            .map(|place| (place.jid.as_deref().unwrap_or(bare), Some(place.node.to_string())));
        let alone = news.nodes.is_empty() || !matches!(change, Change::Began | Change::Ended);
        for (to, node) in nodes.filter(|_| !alone).chain(alone.then_some((bare, None))) {
            let mut stanza = Vec::new();
            notice::to_recipient(&mut stanza, (from, to), consent, change, node.as_deref());
            put(purpose, to, stanza);
        }
    }
    let mut tell = |to: &BareJid, body: &str, form: bool| {
        let mut stanza = Vec::new();
        if form {
            let asked = authorization::Asked { consent, from: news.asked_from.as_ref() };
            authorization::write(&mut stanza, (from, to.as_str()), None, language, &asked, body);
        } else {
            notice::to_person(&mut stanza, from, to.as_str(), language, body);
        }
        put(if form { Purpose::Question } else { Purpose::Step }, to.as_str(), stanza);
    };
    match (&consent.subject, news.step) {
        // Answered already, or over: there is nothing to ask any more.
        (_, Step::Requested) if consent.state != State::Requested => {}
        (Subject::Jid(jid), Step::Requested) => {
            tell(jid, &question(consent, news.code.as_deref(), language), true);
        }
        (Subject::Reference(reference), Step::Requested) if reference != NOBODY => {
            for admin in admins {
                tell(admin, &question(consent, news.code.as_deref(), language), true);
            }
        }
        (Subject::Jid(jid), _) => {
            let body = match &news.together {
                Some(together) if together.count == 0 => None,
                Some(together) => all_of(news.step, together, language),
                None => sentence(news, language),
            };
            if let Some(body) = body {
                tell(jid, &body, false);
            }
        }
        (Subject::Reference(_), _) => {}
    }
    notices
}

/// The request as a sentence, and how to answer it.
pub fn question(consent: &Consent, code: Option<&str>, language: Language) -> String {
    let (asks, how) = match &consent.subject {
        Subject::Jid(_) => (
            text(
                "{who} asks for your consent. If you agree: {text}",
                "{who} demande votre consentement. Si vous acceptez : {text}",
            ),
            text(
                "Answer 'yes {code}' or 'no {code}'; 'stop {code}' withdraws it later.",
                "Répondez « oui {code} » ou « non {code} » ; « stop {code} » le retire plus tard.",
            ),
        ),
        // Who is asked is the operator.
        Subject::Reference(_) => (
            text(
                "{who} asks for the consent of {subject}, who has no address: answer what they said. If they agree: {text}",
                "{who} demande le consentement de {subject}, sans adresse : répondez ce que cette personne a dit. Si elle accepte : {text}",
            ),
            text(
                "If they agree, answer 'yes {code}', else 'no {code}'; 'stop {code}' ends it later.",
                "Si elle accepte, répondez « oui {code} », sinon « non {code} » ; « stop {code} » y met fin plus tard.",
            ),
        ),
    };
    let (who, subject) = (wording::recipient(consent, language), wording::subject(consent));
    let summary = receipt::summary(consent, language);
    let asked = asks.fill(language, &[("who", &who), ("subject", &subject), ("text", &summary)]);
    match code {
        Some(code) => format!("{asked} {}", how.fill(language, &[("code", code)])),
        None => asked,
    }
}

/// What one act did to several consents: one message, with a line for each.
fn all_of(step: Step, together: &Together, language: Language) -> Option<String> {
    let first = together.consents.first()?;
    let said = match (step, first.state) {
        (Step::Suspended, _) => text(
            "{count} of your consents are suspended: nothing is sent under them until they are resumed.",
            "{count} de vos consentements sont suspendus : rien n’est envoyé à ce titre jusqu’à leur reprise.",
        ),
        (Step::Resumed, _) => text(
            "{count} of your consents are resumed: data is sent again under them.",
            "{count} de vos consentements ont repris : les données sont de nouveau envoyées à ce titre.",
        ),
        (_, State::Withdrawn) => text(
            "You withdrew {count} of your consents. Nothing is sent under them any more.",
            "Vous avez retiré {count} de vos consentements. Plus rien n’est envoyé à ce titre.",
        ),
        (_, State::Revoked) => text(
            "{count} of your consents were ended by the operator of this service. Nothing is sent under them any more.",
            "{count} de vos consentements ont été arrêtés par l’opérateur de ce service. Plus rien n’est envoyé à ce titre.",
        ),
        _ => text(
            "{count} of your consents have ended. Nothing is sent under them any more.",
            "{count} de vos consentements ont pris fin. Plus rien n’est envoyé à ce titre.",
        ),
    };
    let mut body = said.fill(language, &[("count", &together.count.to_string())]);
    if let Some(reason) = first.reason() {
        let because = text(" Reason: {reason}.", " Motif : {reason}.");
        body += &because.fill(language, &[("reason", &wording::quoted(&reason, language))]);
    }
    let (mut shown, mut room) = (0, CONTENT_MAX);
    for consent in &together.consents {
        let line = text(
            "\n– {who} (purpose: {purpose}; data: {scope})",
            "\n– {who} (finalité : {purpose} ; données : {scope})",
        )
        .fill(
            language,
            &[
                ("who", &wording::recipient(consent, language)),
                ("purpose", &wording::purpose(consent, language)),
                ("scope", &wording::first_scopes(consent, language)),
            ],
        );
        let size = escaped_len(&line);
        if size > room {
            break;
        }
        room -= size;
        shown += 1;
        body += &line;
    }
    if together.count > shown {
        let more = text("\n… and {count} more", "\n… et {count} de plus");
        body += &more.fill(language, &[("count", &(together.count - shown).to_string())]);
    }
    Some(body)
}

fn bounded_by(consent: &Consent, bounded: &Bounded, stop: &str, language: Language) -> String {
    let rest = match bounded.becomes {
        Becomes::Fulfilled => text(
            " As it names nothing else that is yours, it ends by itself soon after.",
            " Comme il ne nomme rien d’autre qui soit à vous, il prendra fin de lui-même peu après.",
        ),
        Becomes::Bounded => text(
            " For what else it names it goes on as before.{stop}",
            " Pour le reste de ce qu’il nomme, rien ne change.{stop}",
        ),
    };
    text(
        "From {from} on, {series} is not yours any more. Your consent for {who} (purpose: {purpose}) covers what was measured before, and nothing from then on.{rest}",
        "À partir du {from}, {series} n’est plus à vous. Votre consentement pour {who} (finalité : {purpose}) porte sur ce qui a été mesuré avant, et sur rien de ce qui l’est ensuite.{rest}",
    )
    .fill(
        language,
        &[
            ("from", &wording::moment(bounded.from, language)),
            ("series", &wording::series(&bounded.series.to_string(), bounded.title.as_deref(), language)),
            ("who", &wording::recipient(consent, language)),
            ("purpose", &wording::purpose(consent, language)),
            ("rest", &rest.fill(language, &[("stop", stop)])),
        ],
    )
}

fn sentence(news: &Untold, language: Language) -> Option<String> {
    let consent = &news.consent;
    let (summary, asked) = (receipt::summary(consent, language), receipt::asked(consent, language));
    let stop = news.code.as_deref().map_or_else(String::new, |code| {
        text(" Answer 'stop {code}' to withdraw it.", " Répondez « stop {code} » pour le retirer.")
            .fill(language, &[("code", code)])
    });
    let say =
        |words: Text| Some(words.fill(language, &[("text", &summary), ("asked", &asked), ("stop", &stop)]));
    match news.step {
        Step::Given => say(text(
            "You gave your consent. {text}{stop}",
            "Vous avez donné votre consentement. {text}{stop}",
        )),
        Step::Suspended => say(text(
            "This consent is suspended: nothing is sent under it until it is resumed. It says: {text}{stop}",
            "Ce consentement est suspendu : rien n’est envoyé à ce titre jusqu’à sa reprise. Il dit : {text}{stop}",
        )),
        Step::Resumed => say(text(
            "This consent is resumed: data is sent again under it. {text}{stop}",
            "Ce consentement a repris : les données sont de nouveau envoyées à ce titre. {text}{stop}",
        )),
        Step::Edited => say(text(
            "This consent was changed; it says now: {text}{stop}",
            "Ce consentement a été modifié ; il dit maintenant : {text}{stop}",
        )),
        Step::Bounded => news.bounded.as_ref().map(|bounded| bounded_by(consent, bounded, &stop, language)),
        Step::Reminder => say(text(
            "A reminder of what you share: {text}{stop}",
            "Rappel de ce que vous partagez : {text}{stop}",
        )),
        Step::Ended => match consent.state {
            // Who said no knows.
            State::Refused => None,
            State::Cancelled if is_closed_by_move(consent) => say(text(
                "This request is closed, as what it asks for is not yours any more; nothing was given, and there is nothing to answer. {asked}",
                "Cette demande est close, car ce qu’elle demande n’est plus à vous ; rien n’a été donné, et il n’y a rien à répondre. {asked}",
            )),
            State::Cancelled => say(text(
                "This request was taken back by who asked; nothing was given, and there is nothing to answer any more. {asked}",
                "Cette demande a été retirée par qui l’avait faite ; rien n’a été donné, et il n’y a plus rien à répondre. {asked}",
            )),
            State::TimedOut if consent.end_reason.as_deref() == Some(DELETED) => say(text(
                "This request is closed, as the series was deleted: nothing is given by it. {asked}",
                "Cette demande est close, la série ayant été supprimée : rien n’est donné à ce titre. {asked}",
            )),
            State::TimedOut => say(text(
                "This request was not answered in time and is closed: nothing is given by it. {asked}",
                "Cette demande est restée sans réponse et est close : rien n’est donné à ce titre. {asked}",
            )),
            _ => Some(notice::ended(consent, language)),
        },
        Step::Requested => None,
    }
}
