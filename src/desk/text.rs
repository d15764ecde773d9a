//! Answers by a line of text, for clients without commands: `yes 4f7a`, `non 4f7a`, `stop 4f7a`, `list`, `aide`.

use std::collections::HashMap;
use std::time::Duration;

use jid::BareJid;

use super::notices::NOBODY;
use super::spoken::{self, Said, Spoken};
use super::{Context, asking, receipt};
use crate::consents::together::{self, Act, By, NotDone, Which};
use crate::domain::consent::{Consent, ConsentError, State, method};
use crate::domain::edit::Edit;
use crate::domain::language::{Language, text};
use crate::domain::party::Subject;
use crate::domain::wording;
use crate::protocol::error::StanzaError;
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::text::escaped_len;
use crate::store::StoreError;
use crate::store::consent_steps::Stepped;
use crate::store::consents::{Filter, Part};

/// Consents in one list.
const LIST_MAX: usize = 50;

/// What is not understood is answered always; two programs that talk to each other are slowed down. So often at once,
const HELPS_AT_ONCE: u32 = 20;

/// and then once in this time.
const HELP_EVERY: Duration = Duration::from_secs(10);

/// How many of those are remembered.
const CONFUSED_MAX: usize = 10_000;

/// Until when what somebody was told counts, one time behind the other; by the clock that only grows.
#[derive(Debug, Default)]
pub struct Confused(HashMap<BareJid, Duration>);

impl Confused {
    fn may_be_told(&mut self, who: &BareJid, now: Duration) -> bool {
        let counts = self.0.get(who).copied().unwrap_or_default().max(now) + HELP_EVERY;
        if counts > now + HELP_EVERY * HELPS_AT_ONCE {
            return false;
        }
        if self.0.len() >= CONFUSED_MAX {
            self.0.clear();
        }
        self.0.insert(who.clone(), counts);
        true
    }
}

/// Answers what somebody wrote, in which language too; nothing where it is better to keep silent.
pub async fn answer(
    context: &Context,
    confused: &mut Confused,
    who: &BareJid,
    body: &str,
    usual: Language,
) -> Result<Option<(Language, String)>, StanzaError> {
    let failed = |error: StoreError| super::context::failed(&error);
    let Some(Spoken { said, language }) = spoken::read(body) else {
        let told = confused.may_be_told(who, context.clock.now().mono);
        return Ok(told.then(|| (usual, help(usual))));
    };
    let language = language.unwrap_or(usual);
    if language != usual {
        // A word may end a consent, and that must not wait for a wish about the language.
        if let Err(error) = context.store.choose_language(who, language).await {
            tracing::warn!(%error, "the language that somebody speaks could not be noted");
        }
    }
    let mut answers = Vec::with_capacity(said.len());
    for said in &said {
        answers.push(match said {
            Said::Help => help(language),
            Said::List => list(context, who, language).await.map_err(failed)?,
            Said::Yes(code) => decide(context, who, Word::Yes, code, language).await?,
            Said::No(code) => decide(context, who, Word::No, code, language).await?,
            Said::Stop(code) => decide(context, who, Word::Stop, code, language).await?,
            Said::StopAll(recipient) => end_everything(context, who, recipient, language).await?,
            Said::WithoutCode => text(
                "Please add the code of the request, as in 'yes 4f7a'. 'list' shows what you share.",
                "Ajoutez le code de la demande, comme dans « oui 4f7a ». « liste » montre ce que vous partagez.",
            )
            .of(language)
            .to_owned(),
        });
    }
    Ok(Some((language, answers.join("\n"))))
}

/// Ends all that this person gave a recipient, and refuses what it asks them for.
async fn end_everything(
    context: &Context,
    who: &BareJid,
    recipient: &BareJid,
    language: Language,
) -> Result<String, StanzaError> {
    let which = Which::All { subject: Some(Subject::Jid(who.clone())), recipient: Some(recipient.clone()) };
    let by = By { actor: who.as_str(), reason: None, at: context.clock.now().wall };
    let count = match together::act(&context.store, &which, Act::EndEverything, by, |_| {}).await {
        Ok(count) => count,
        Err(NotDone::Store(error)) => return Err(super::context::failed(&error)),
        // All that match can take the step.
        Err(NotDone::Unfit(_)) => 0,
    };
    if count == 0 {
        let nothing = text(
            "You share nothing with {who}, and it asks for nothing. 'list' shows what you share.",
            "Vous ne partagez rien avec {who}, qui ne demande rien non plus. « liste » montre ce que vous partagez.",
        );
        return Ok(nothing.fill(language, &[("who", recipient.as_str())]));
    }
    context.taken().await?;
    let values = [("who", recipient.as_str()), ("count", &count.to_string())];
    Ok(super::commands::texts::ENDED_WITH.fill(language, &values))
}

fn help(language: Language) -> String {
    text(
        "This service sends energy data only to those you consented to. Write 'list' to see what you share, \
         'yes CODE' or 'no CODE' to answer a request, 'stop CODE' to withdraw a consent, 'stop ADDRESS' to end \
         everything with one recipient. Clients with commands (XEP-0050) offer more.",
        "Ce service n’envoie des données d’énergie qu’à ceux pour qui vous avez consenti. Écrivez « liste » pour \
         voir ce que vous partagez, « oui CODE » ou « non CODE » pour répondre à une demande, « stop CODE » pour \
         retirer un consentement, « stop ADRESSE » pour mettre fin à tout avec un destinataire. Les clients avec commandes (XEP-0050) en offrent davantage.",
    )
    .of(language)
    .to_owned()
}

async fn list(context: &Context, who: &BareJid, language: Language) -> Result<String, StoreError> {
    let now = context.clock.now().wall;
    let filter = Filter { subject: Some(Subject::Jid(who.clone())), standing: true, ..Filter::default() };
    let part = Part { max: LIST_MAX, last: true, ..Part::default() };
    let (consents, _, total) = context.store.part_of_consents(&filter, &part).await?;
    let for_others = match context.is_admin(who) {
        true => context.store.requests_to_operators(NOBODY, LIST_MAX).await?,
        false => Vec::new(),
    };
    if consents.is_empty() && for_others.is_empty() {
        return Ok(text(
            "You share nothing, and nobody asks.",
            "Vous ne partagez rien, et personne ne demande.",
        )
        .of(language)
        .to_owned());
    }
    let mut lines = Vec::new();
    let mut hidden = total + for_others.len();
    let mut room = CONTENT_MAX;
    for mut consent in consents.into_iter().chain(for_others) {
        context.store.narrow_request(&mut consent, now).await?;
        let code = context.store.ensure_code(&consent).await?.unwrap_or_default();
        let line = line(&consent, &code, language);
        let size = escaped_len(&line);
        if size > room {
            break;
        }
        room -= size;
        hidden -= 1;
        lines.push(line);
    }
    if hidden > 0 {
        let more = text(
            "… and {count} more; the command 'What I share' shows all.",
            "… et {count} de plus ; la commande « Ce que je partage » montre tout.",
        );
        lines.push(more.fill(language, &[("count", &hidden.to_string())]));
    }
    Ok(lines.join("\n"))
}

/// One of them: the code, where it stands, and what it says.
fn line(consent: &Consent, code: &str, language: Language) -> String {
    let state = super::commands::texts::state(consent.state).of(language);
    let says = match (consent.state, &consent.subject) {
        (State::Requested, Subject::Jid(_)) => text(
            "{code} ({state}) {who} asks. If you agree: {text}",
            "{code} ({state}) {who} demande. Si vous acceptez : {text}",
        ),
        (State::Requested, Subject::Reference(_)) => text(
            "{code} ({state}) {who} asks {subject}; answer what they said. If they agree: {text}",
            "{code} ({state}) {who} demande à {subject} ; répondez ce que cette personne a dit. Si elle accepte : {text}",
        ),
        _ => text("{code} ({state}) {text}", "{code} ({state}) {text}"),
    };
    let values = [
        ("code", code),
        ("state", state),
        ("who", &wording::recipient(consent, language)),
        ("subject", &wording::subject(consent)),
        ("text", &receipt::in_a_line(consent, language)),
    ];
    says.fill(language, &values)
}

/// What is to be done with what has a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Yes,
    No,
    Stop,
}

/// What this person means by a code: of what is theirs, or for an operator of what they answer for others.
async fn meant(context: &Context, who: &BareJid, code: &str) -> Result<Option<Consent>, StoreError> {
    let own = context.store.consent_by_code(&Subject::Jid(who.clone()), code).await?;
    if own.is_some() || !context.is_admin(who) {
        return Ok(own);
    }
    let found = context.store.consent_for_operators(code).await?;
    Ok(found.filter(|consent| asking::may_answer(context, who, consent)))
}

async fn decide(
    context: &Context,
    who: &BareJid,
    word: Word,
    code: &str,
    language: Language,
) -> Result<String, StanzaError> {
    let failed = |error: StoreError| super::context::failed(&error);
    let unknown = text(
        "Nothing of yours has the code {code}. 'list' shows what there is.",
        "Rien de ce qui vous concerne n’a le code {code}. « liste » montre ce qu’il y a.",
    )
    .fill(language, &[("code", &wording::one_line(code))]);
    let Some(consent) = meant(context, who, code).await.map_err(failed)? else { return Ok(unknown) };
    let now = context.clock.now().wall;
    let ended = match (consent.state, consent.subject.jid()) {
        (State::Requested, _) => State::Refused,
        (_, Some(_)) => State::Withdrawn,
        // What somebody else ends is not withdrawn by the person concerned.
        (_, None) => State::Revoked,
    };
    let store = &context.store;
    let stepped = match word {
        Word::Yes => {
            asking::grant(context, who, &consent, Edit::default(), method::TEXT, language, now).await
        }
        Word::No => store.step_consent(consent.id, State::Refused, who.as_str(), None, now).await,
        _ => store.step_consent(consent.id, ended, who.as_str(), None, now).await,
    };
    match stepped.map_err(failed)? {
        Stepped::Done(done) => {
            context.taken().await?;
            Ok(asking::told(&done, who, language))
        }
        Stepped::Refused(_) if matches!(consent.state, State::Active | State::Suspended) => {
            let state = super::commands::texts::state(consent.state).of(language);
            let text = text(
                "That is not possible: it was given, and is {state}. 'stop {code}' ends it.",
                "Ce n’est pas possible : il a été donné, et est {state}. « stop {code} » y met fin.",
            );
            Ok(text.fill(language, &[("state", state), ("code", code)]))
        }
        Stepped::Refused(ConsentError::Step { .. }) => {
            let state = super::commands::texts::state(consent.state).of(language);
            let text = text(
                "That is over: {state}. 'list' shows what there is.",
                "C’est terminé : {state}. « liste » montre ce qu’il y a.",
            );
            Ok(text.fill(language, &[("state", state)]))
        }
        Stepped::Refused(why) => Ok(super::commands::wrong::consent(&why, language)),
        Stepped::NotFound | Stepped::Stale(_) => Ok(unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_understood_is_told_so_and_two_programs_do_not_talk_for_ever() {
        let mut confused = Confused::default();
        let who = BareJid::new("a@b").unwrap();
        let mut told = |second: u64| confused.may_be_told(&who, Duration::from_secs(second));
        assert!((0..HELPS_AT_ONCE).all(|_| told(0)), "a person is answered every time");
        assert_eq!([0, 9, 10, 11, 29, 30].map(&mut told), [false, false, true, false, true, true]);
        assert_eq!((1000..2000).filter(|second| told(*second)).count(), 20 + 99);
    }
}
