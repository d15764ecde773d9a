//! Series whose source keeps their history itself: what of a question is passed on there, and what of the
//! answer is taken.
//!
//! The source is told which series and which time, narrowed to what the consents cover, and not who asks. What
//! it answers is not believed further than it was asked: a record outside the identifier, the time, or the
//! series that are registered with this very source, is not there.

use std::collections::{BTreeMap, HashSet};

use jid::Jid;
use jiff::{SignedDuration, Timestamp};

use super::history::Wanted;
use super::span::Span;
use crate::desk::context::failed;
use crate::desk::permit::{Asker, Span as Window};
use crate::desk::upstream::{Came, Seat};
use crate::domain::access::{self, Access};
use crate::domain::consent::{Consent, Mode};
use crate::domain::decision;
use crate::domain::language::{Language, Text, text};
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::whose::Whose;
use crate::protocol::adhoc;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::quoalise::{Data, Meta};
use crate::protocol::record_size::first_too_large;
use crate::protocol::upstream::{self, Answer, Failure};
use crate::relay::reductions::earlier;
use crate::senml::{Limits, Options, Resolved};
use crate::store::items::read::Page;

/// The most registrations that are looked at.
const SERIES_MAX: u32 = 1000;

/// The most sources that are asked for one answer.
const QUESTIONS_MAX: usize = 8;

const NONE_KNOWN: Text = text(
    "'{what}' is kept by its source, which is asked for one series at a time, and none of these is known here yet; \
     name the whole series",
    "« {what} » est conservé par sa source, que l’on interroge une série à la fois, et aucune de celles-ci n’est \
     encore connue ici ; nommez la série entière",
);

/// How often a source may show a form before it answers.
const FORMS_MAX: usize = 1;

const FAILED: Text = text(
    "The source {source} could not answer ({code}): {words}",
    "La source {source} n’a pas pu répondre ({code}) : {words}",
);
const NO_WORDS: Text = text("it gives no reason", "elle ne donne pas de raison");
const NOTHING_CAME: Text =
    text("no answer came in time; ask again later", "pas de réponse à temps ; redemandez plus tard");
const TOO_LARGE: Text = text(
    "its answer is too large; ask for a shorter time",
    "sa réponse est trop grande ; demandez une période plus courte",
);
const UNREADABLE: Text = text("its answer cannot be read", "sa réponse est illisible");
const ASKS_ON: Text = text(
    "it shows one form after the other and never an answer",
    "elle montre un formulaire après l’autre et jamais de réponse",
);
const LINK_LOST: Text = text(
    "The connection to the server was lost while the source was asked; ask again.",
    "La connexion au serveur a été perdue pendant que la source était interrogée ; redemandez.",
);

/// A question to one source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    source: Jid,
    /// A series, by its whole name: existing sources know no `*`, and answer it with an error.
    what: String,
    /// The data windows of the consents together; nothing where it is open.
    window: (Option<Timestamp>, Option<Timestamp>),
}

impl Question {
    /// Whether whoever answers this one answers the other as well: a source takes an identifier to mean all
    /// below it.
    fn includes(&self, other: &Question) -> bool {
        let rest = other.what.strip_prefix(&*self.what);
        self.source == other.source && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn widen(&mut self, window: (Option<Timestamp>, Option<Timestamp>)) {
        self.window.0 = self.window.0.zip(window.0).map(|(a, b)| a.min(b));
        self.window.1 = self.window.1.zip(window.1).map(|(a, b)| a.max(b));
    }
}

/// Questions, and the time that each is about.
pub(super) type Questions = Vec<(Question, Option<Span>)>;

/// Whom to ask what for this asker; nobody if no source keeps anything that they may have of it. Where the
/// consents leave nothing of the time there is no time to ask for.
pub(super) async fn questions(wanted: &Wanted, asker: &Asker) -> Result<Questions, StanzaError> {
    let (store, identifier) = (&wanted.context.store, &wanted.identifier);
    let whole = Scope::parse(identifier.as_str()).map_err(|e| adhoc::bad_payload(e.to_string()))?;
    let beginning = match &whole {
        Scope::Exact(name) | Scope::Prefix(name) => name,
    };
    let mut registered = store.registrations_of(beginning).await.map_err(|e| failed(&e))?;
    registered.retain(|series| series.name.covers_scope(&whole));
    // Of those around it, the most specific counts; of those below, each.
    registered.truncate(1);
    let below = store.series_below(identifier.below(), SERIES_MAX).await.map_err(|e| failed(&e))?;
    registered.extend(below);
    let mut questions: Vec<Question> = Vec::new();
    let mut unnamed: Vec<(&Jid, Scope)> = Vec::new();
    for series in &registered {
        let Some(source) = &series.source else { continue };
        let about = if series.name.covers_scope(&whole) { &whole } else { &series.name };
        let Some(whose) = store.whose_all(about).await.map_err(|e| failed(&e))? else { continue };
        let parts = parts(asker, &whose, about, |scope| identifier.means_all_of(scope));
        let named = parts.iter().filter_map(|(what, _)| match what {
            Scope::Exact(name) => Some(name.to_string()),
            Scope::Prefix(_) => None,
        });
        let mut names: Vec<String> = named.collect();
        for (what, _) in &parts {
            if let Scope::Prefix(prefix) = what {
                names.extend(known_below(wanted, series, prefix).await?);
                unnamed.push((source, what.clone()));
            }
        }
        for (what, window) in parts {
            for name in names.iter().filter(|name| what.covers(name)) {
                add(&mut questions, Question { source: source.clone(), what: name.clone(), window });
            }
        }
    }
    let nothing_of = |(source, what): &(&Jid, Scope)| {
        !questions.iter().any(|question| question.source == **source && what.covers(&question.what))
    };
    if let Some((_, what)) = unnamed.iter().find(|unnamed| nothing_of(unnamed)) {
        let what = what.to_string();
        let said = |language| NONE_KNOWN.fill(language, &[("what", &what)]);
        return Err(adhoc::bad_payload(said(Language::En)).or_in_french(said(Language::Fr)));
    }
    if questions.len() > QUESTIONS_MAX {
        let text = format!(
            "that concerns {} series that their sources keep, and {QUESTIONS_MAX} is the most that can be asked at \
             once; ask for fewer series",
            questions.len()
        );
        return Err(adhoc::bad_payload(text));
    }
    let narrowed = questions.into_iter().map(|question| {
        let span = wanted.span.within(question.window.0, question.window.1);
        (question, span)
    });
    Ok(narrowed.collect())
}

/// The series of a registration that begin so and that are known by name: something was published of them.
async fn known_below(wanted: &Wanted, series: &Series, prefix: &str) -> Result<Vec<String>, StanzaError> {
    let store = &wanted.context.store;
    let mut names = Vec::new();
    for name in store.known_names_below(prefix, SERIES_MAX).await.map_err(|e| failed(&e))? {
        let registered = store.registrations_of(&name).await.map_err(|e| failed(&e))?;
        // A more specific registration may be somebody else's, and is looked at by itself.
        if registered.first().is_some_and(|registered| registered.name == series.name) {
            names.push(name);
        }
        // More than can be asked is said below.
        if names.len() > QUESTIONS_MAX {
            break;
        }
    }
    Ok(names)
}

type Part = (Scope, Window);

/// What of it the asker may have anything of, and of which time.
fn parts(asker: &Asker, whose: &Whose, about: &Scope, means: impl Fn(&Scope) -> bool) -> Vec<Part> {
    let mut parts = Vec::new();
    for ((from, until), situation) in asker.situations(whose) {
        match access::without_consent::<Consent>(&asker.who, &situation, Mode::History) {
            Some(Access::Permit(_)) => parts.push((about.clone(), stamped(whose, (from, until)))),
            Some(Access::Deny(_)) => {}
            None => {
                for (_, consent) in &asker.consents {
                    if !consent.modes.history
                        || decision::stands_now(consent, asker.now).is_err()
                        || decision::is_of_its_giver(consent, &situation).is_err()
                    {
                        continue;
                    }
                    let window = (from.max(consent.data_from), earlier(until, consent.data_until));
                    if matches!(window, (Some(from), Some(until)) if until <= from) {
                        continue;
                    }
                    let window = stamped(whose, window);
                    for scope in &consent.scope {
                        if scope.covers_scope(about) {
                            parts.push((about.clone(), window));
                        } else if means(scope)
                            && (whose.series().name.covers_scope(scope) || about.covers_scope(scope))
                        {
                            parts.push((scope.clone(), window));
                        }
                    }
                }
            }
        }
    }
    parts
}

/// Measuring times as the times that records say.
fn stamped(whose: &Whose, (from, until): Window) -> Window {
    let late = SignedDuration::try_from_secs_f64(whose.series().stamped_late_by()).unwrap_or_default();
    let later = |at: Option<Timestamp>| at.and_then(|at| at.checked_add(late).ok());
    (later(from), later(until))
}

/// Adds a question, or widens one that includes it.
fn add(questions: &mut Vec<Question>, mut new: Question) {
    if let Some(held) = questions.iter_mut().find(|held| held.includes(&new)) {
        return held.widen(new.window);
    }
    questions.retain(|held| {
        let included = new.includes(held);
        if included {
            new.widen(held.window);
        }
        !included
    });
    questions.push(new);
}

/// What came from sources.
#[derive(Debug, Default)]
pub(super) struct Pulled {
    series: BTreeMap<String, (Whose, Resolved)>,
    metas: Vec<(Meta, HashSet<String>)>,
    asked: bool,
}

impl Pulled {
    /// Whether any source was asked.
    pub(super) fn was_asked(&self) -> bool {
        self.asked
    }

    /// The series that something came of, with their registrations.
    pub(super) fn series(&self) -> impl Iterator<Item = (String, Whose)> {
        self.series.iter().map(|(name, (whose, _))| (name.clone(), whose.clone()))
    }

    /// The records of a series of this time, at most `most`.
    pub(super) fn records_between(&self, name: &str, from: f64, until: f64, most: usize) -> Page {
        let mut page = Page::default();
        let Some((_, records)) = self.series.get(name) else { return page };
        let mut between = records.iter().filter(|r| (from..until).contains(&r.time())).peekable();
        let mut last = None;
        for record in between.by_ref().take(most) {
            last = Some(record.time());
            page.records.push(&record);
        }
        // A page begins at a time, so that none may end in the middle of one.
        while let Some(record) = between.next_if(|record| Some(record.time()) == last) {
            page.records.push(&record);
        }
        page.rest_from = between.peek().map(|record| record.time());
        page
    }

    /// What a source says of the meter that one of these records comes from.
    pub(super) fn meta_of(&self, records: &Resolved) -> Option<&Meta> {
        let told = |names: &HashSet<String>| records.names().iter().any(|name| names.contains(&**name));
        self.metas.iter().find(|(meta, names)| !meta.nodes.is_empty() && told(names)).map(|(meta, _)| meta)
    }

    /// Takes of an answer what was asked of this source and is its to answer.
    async fn take(
        &mut self,
        wanted: &Wanted,
        source: &Jid,
        span: Span,
        answer: Vec<Data>,
    ) -> Result<(), StanzaError> {
        let mut strange = 0;
        for Data { meta, pack } in answer {
            let mut told = HashSet::new();
            for record in pack.iter() {
                let name = record.name();
                if !wanted.identifier.means(name) || !span.contains(record.time()) {
                    strange += 1;
                    continue;
                }
                if !self.series.contains_key(name) {
                    let registered = wanted.context.whose(name).await?;
                    let theirs = registered.filter(|whose| whose.series().source.as_ref() == Some(source));
                    match theirs {
                        Some(whose) if self.series.len() < SERIES_MAX as usize => {
                            self.series.insert(name.to_owned(), (whose, Resolved::default()));
                        }
                        _ => {
                            strange += 1;
                            continue;
                        }
                    }
                }
                if let Some((whose, records)) = self.series.get_mut(name)
                    && whose.series().source.as_ref() == Some(source)
                {
                    records.push(&record);
                    told.insert(name.to_owned());
                }
            }
            self.metas.push((meta, told));
        }
        self.series.values_mut().for_each(|(_, records)| records.sort());
        if strange > 0 {
            tracing::debug!(strange, "records that a source was not asked for were passed over");
        }
        Ok(())
    }
}

/// Asks them all, one after the other; one that fails is the end of it.
pub(super) async fn ask(wanted: &Wanted, seat: &Seat, questions: Questions) -> Result<Pulled, StanzaError> {
    let mut pulled = Pulled { asked: true, ..Pulled::default() };
    for (question, span) in questions {
        let Some(span) = span else { continue };
        let answer = ask_one(wanted, seat, &question, span).await;
        let answer = answer.map_err(|failure| failure.told(&question.source, wanted.language))?;
        pulled.take(wanted, &question.source, span, answer).await?;
    }
    Ok(pulled)
}

/// Why a source gives nothing.
enum NoAnswer {
    Failed(Failure),
    LinkLost,
    Itself,
}

impl NoAnswer {
    fn here(code: &str, words: Text, language: Language) -> Self {
        NoAnswer::Failed(Failure { text: Some(words.of(language).to_owned()), ..Failure::here(code) })
    }

    fn told(self, source: &Jid, language: Language) -> StanzaError {
        let failure = match self {
            NoAnswer::LinkLost => {
                let text = LINK_LOST.of(language);
                return StanzaError::new(Condition::ResourceConstraint, text).spoken(language);
            }
            NoAnswer::Itself => Failure {
                text: Some("the series names this service as its own source".into()),
                ..Failure::here("loop")
            },
            NoAnswer::Failed(failure) => failure,
        };
        let source = source.to_bare().to_string();
        let words = failure.text.unwrap_or_else(|| NO_WORDS.of(language).to_owned());
        let values = [("source", source.as_str()), ("code", &failure.code), ("words", &words)];
        let text = FAILED.fill(language, &values);
        let issuer = failure.issuer.unwrap_or(source);
        let detail = Detail::Upstream { issuer, code: failure.code };
        StanzaError::with(Condition::Undefined, text, detail).spoken(language)
    }
}

async fn ask_one(
    wanted: &Wanted,
    seat: &Seat,
    question: &Question,
    span: Span,
) -> Result<Vec<Data>, NoAnswer> {
    let (context, language, us) = (&wanted.context, wanted.language, wanted.context.jid());
    if question.source.node().is_none() && question.source.domain().as_str() == us {
        return Err(NoAnswer::Itself);
    }
    let [start, end] = span.write();
    let said = upstream::Question { identifier: question.what.clone(), start, end };
    let limits = Limits { bytes: usize::MAX, records: usize::MAX, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let mut session: Option<String> = None;
    for _ in 0..=FORMS_MAX {
        let whom = question.source.to_string();
        let write = |out: &mut Vec<u8>, id: &str| said.write(out, &us, &whom, id, session.as_deref());
        let came = match seat.ask(&context.out, &question.source, write).await {
            Came::Answer(iq) => upstream::read(&iq, context.clock.now().seconds(), &options),
            Came::TooLarge => return Err(NoAnswer::here("too-large", TOO_LARGE, language)),
            Came::Unreadable => return Err(NoAnswer::here("malformed-answer", UNREADABLE, language)),
            Came::Nothing => return Err(NoAnswer::here("timeout", NOTHING_CAME, language)),
            Came::LinkLost => return Err(NoAnswer::LinkLost),
        };
        match came.map_err(NoAnswer::Failed)? {
            // Before anything of it is taken: nobody could be sent such a record.
            Answer::Data(data) if data.iter().any(|data| first_too_large(&data.pack).is_some()) => {
                return Err(NoAnswer::here("too-large", TOO_LARGE, language));
            }
            Answer::Data(data) => return Ok(data),
            Answer::Form(id) => session = Some(id),
        }
    }
    Err(NoAnswer::here("malformed-answer", ASKS_ON, language))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(what: &str, from: Option<&str>) -> Question {
        let window = (from.map(|at| at.parse().unwrap()), None);
        Question { source: Jid::new("p@x/1").unwrap(), what: what.to_owned(), window }
    }

    #[test]
    fn what_another_question_includes_is_not_asked_twice() {
        for (one, other, kept) in [
            ("urn:a", "urn:a/b", vec!["urn:a"]),
            ("urn:a/b", "urn:a", vec!["urn:a"]),
            ("urn:a", "urn:a", vec!["urn:a"]),
            ("urn:a", "urn:ab", vec!["urn:a", "urn:ab"]),
            ("urn:a/b", "urn:a/c", vec!["urn:a/b", "urn:a/c"]),
        ] {
            let mut questions = Vec::new();
            add(&mut questions, question(one, None));
            add(&mut questions, question(other, None));
            let asked: Vec<String> = questions.iter().map(|q| q.what.to_string()).collect();
            assert_eq!(asked, kept, "{one} {other}");
        }
    }

    #[test]
    fn windows_are_put_together() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z");
        for (one, other, from) in
            [(Some(early), Some(late), Some(early)), (Some(late), None, None), (None, Some(early), None)]
        {
            let mut questions = Vec::new();
            add(&mut questions, question("urn:a/b", one));
            add(&mut questions, question("urn:a", other));
            assert_eq!(questions, [question("urn:a", from)]);
        }
    }
}
