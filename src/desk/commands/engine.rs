//! The engine of commands: opens them, carries what was filled in from form to form, and answers as XEP-0050
//! wants it. What a command does is its own.

use jid::BareJid;
use minidom::Element;

use super::answers::Answers;
use super::clients::{self, Style};
use super::session::{Found, Session, Sessions};
use super::{COMMANDS, Call, Command, Done, Failure, Turn, Who, find, texts};
use crate::desk::{Context, Outgoing, Request, Said};
use crate::domain::language::Language;
use crate::domain::wording::beginning;
use crate::protocol::adhoc::{self, Action, Note, NoteKind, Status};
use crate::protocol::disco;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::forms::{Form, Submission};
use crate::protocol::outside::Outside;

/// The most forms that one command fills in at once.
const TURNS_MAX: usize = 8;

/// The most characters of what is said to be wrong: it may name what was filled in.
const WRONG_MAX: usize = 4000;

/// One clerk's engine.
#[derive(Debug, Default)]
pub struct Engine {
    sessions: Sessions,
}

impl Engine {
    /// Answers a `<command/>`.
    pub async fn serve(
        &mut self,
        context: &Context,
        request: &Request,
        command: &Element,
    ) -> Result<Said, StanzaError> {
        let language = language(context, &request.sender, command, &request.stanza).await;
        self.serve_in(context, request, command, language).await.map_err(|error| error.told_in(language))
    }

    async fn serve_in(
        &mut self,
        context: &Context,
        request: &Request,
        command: &Element,
        language: Language,
    ) -> Result<Said, StanzaError> {
        let asked = adhoc::Request::read(command)?;
        let Some(command) = find(&asked.node) else {
            return Err(StanzaError::new(Condition::ItemNotFound, texts::NO_SUCH_COMMAND.of(language))
                .spoken(language));
        };
        if !may_run(context, command, &request.sender) {
            return Err(
                StanzaError::new(Condition::Forbidden, texts::FORBIDDEN.of(language)).spoken(language)
            );
        }
        let visit = Visit { context, request, command, language };
        match &asked.session {
            Some(id) => self.go_on(&visit, id, &asked).await,
            None => self.open(&visit, &asked).await,
        }
    }

    async fn open(&mut self, visit: &Visit<'_>, asked: &adhoc::Request) -> Result<Said, StanzaError> {
        if matches!(asked.action, Action::Prev | Action::Cancel) {
            return Err(adhoc::bad_action());
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mut session = visit.session();
        let Some(submission) = &asked.form else {
            let turn = visit.turn(&session, asked).await.map_err(|failure| visit.in_one_step(failure))?;
            return Ok(self.answer(visit, id, session, turn));
        };
        if submission.is_canceled() {
            return Ok(visit.say(&id, Status::Canceled, &[], &[]).into());
        }
        // In one step: as long as something was said about the next form, it is filled in at once.
        visit.check_type(submission)?;
        let said = Answers::of(submission);
        let mut turn = visit.turn(&session, asked).await.map_err(|failure| visit.in_one_step(failure))?;
        for round in 0..TURNS_MAX {
            let (form, last) = match &turn {
                Turn::Ask { form, last, .. } if round == 0 || said.mention(form) => (form.clone(), *last),
                _ => break,
            };
            session.answers.take(&form, submission);
            session.answers.check(&form, visit.language).map_err(|why| visit.bad_payload(why))?;
            session.forms.push((form, last));
            turn = visit.turn(&session, asked).await.map_err(|failure| visit.in_one_step(failure))?;
        }
        Ok(self.answer(visit, id, session, turn))
    }

    async fn go_on(
        &mut self,
        visit: &Visit<'_>,
        id: &str,
        asked: &adhoc::Request,
    ) -> Result<Said, StanzaError> {
        let now = visit.context.clock.now().mono;
        let full = &visit.request.outside.from;
        let mut session = match self.sessions.take(id, full, visit.command.node(), now) {
            Found::Open(session) => *session,
            Found::Expired => return Err(adhoc::session_expired()),
            Found::Unknown => return Err(adhoc::bad_session()),
        };
        session.used = now;
        // To cancel the form (XEP-0004) is to cancel the command, whatever button was pressed with it.
        let canceled = asked.form.as_ref().is_some_and(Submission::is_canceled);
        match asked.action {
            Action::Cancel => return Ok(visit.say(id, Status::Canceled, &[], &[]).into()),
            _ if canceled => return Ok(visit.say(id, Status::Canceled, &[], &[]).into()),
            Action::Prev if session.forms.len() < 2 => {
                self.sessions.put(id.to_owned(), session);
                return Err(adhoc::bad_action());
            }
            Action::Prev | Action::Execute | Action::Next | Action::Complete => {}
        }
        let nothing = Submission::default();
        let submission = asked.form.as_ref().unwrap_or(&nothing);
        if let Err(error) = visit.check_type(submission) {
            self.sessions.put(id.to_owned(), session);
            return Err(error);
        }
        let Some((form, _)) = session.forms.last().cloned() else { return Err(adhoc::bad_session()) };
        session.answers.take(&form, submission);
        if asked.action == Action::Prev {
            session.forms.pop();
            let own = session.answers.take_back(&form);
            session.left.push((session.answers.clone(), own));
            return Ok(self.show(visit, id, session, &[]).into());
        }
        let outcome = match session.answers.check(&form, visit.language) {
            Ok(()) => visit.turn(&session, asked).await,
            Err(why) => Err(Failure::Wrong(why)),
        };
        match outcome {
            Ok(turn) => Ok(self.answer(visit, id.to_owned(), session, turn)),
            Err(Failure::Wrong(text)) => {
                let note = Note { kind: NoteKind::Error, text: beginning(&text, WRONG_MAX) };
                Ok(self.show(visit, id, session, &[note]).into())
            }
            Err(Failure::Error(error)) => {
                // What passes can be tried again with what was filled in.
                if error.condition.passes() {
                    self.sessions.put(id.to_owned(), session);
                }
                Err(error)
            }
        }
    }

    fn answer(&mut self, visit: &Visit<'_>, id: String, mut session: Session, turn: Turn) -> Said {
        match turn {
            Turn::Ask { form, last, notes } => {
                session.forms.push((form, last));
                // Somebody comes forward again to a form that was left: with what was filled in, unless what comes
                // before it is another now.
                match session.left.pop() {
                    Some((before, own)) if before == session.answers => session.answers.put_back(own),
                    _ => session.left.clear(),
                }
                self.show(visit, &id, session, &notes).into()
            }
            Turn::Done(done) => visit.slip().done(&id, done).into(),
            Turn::Later(later) => {
                let slip = visit.slip();
                Said::Later(Box::pin(async move {
                    match later.0.await {
                        Ok(done) => slip.done(&id, done),
                        Err(error) => slip.refuse(&error.told_in(slip.language)),
                    }
                }))
            }
        }
    }

    /// Shows the last form, with what was filled in, and waits.
    fn show(&mut self, visit: &Visit<'_>, id: &str, session: Session, notes: &[Note]) -> Outgoing {
        let Some((form, last)) = session.forms.last() else { return Outgoing::default() };
        let mut filled = session.answers.fill(form.clone());
        filled.form_type = visit.command.form_type();
        let mut content = Vec::new();
        filled.write(&mut content);
        let status = Status::Executing { back: session.forms.len() > 1, last: *last };
        let outgoing = visit.say(id, status, notes, &content);
        self.sessions.put(id.to_owned(), session);
        outgoing
    }
}

/// One request at one command.
struct Visit<'a> {
    context: &'a Context,
    request: &'a Request,
    command: &'static dyn Command,
    language: Language,
}

impl Visit<'_> {
    fn session(&self) -> Session {
        Session {
            full: self.request.outside.from.clone(),
            bare: self.request.sender.clone(),
            node: self.command.node(),
            forms: Vec::new(),
            answers: Answers::default(),
            left: Vec::new(),
            used: self.context.clock.now().mono,
        }
    }

    async fn turn(&self, session: &Session, asked: &adhoc::Request) -> Result<Turn, Failure> {
        let call = Call {
            context: self.context,
            asker: &self.request.sender,
            full: &self.request.outside.from,
            language: self.language,
            now: self.context.clock.now().wall,
            turn: session.forms.len(),
            answers: &session.answers,
            page: asked.page.as_ref(),
            in_one_step: session.forms.is_empty() && asked.form.is_some(),
        };
        self.command.turn(&call).await
    }

    /// A form of another command is not taken, nor one that nobody submits, nor what the command does not change.
    fn check_type(&self, submission: &Submission) -> Result<(), StanzaError> {
        if !matches!(&*submission.kind, "submit" | "cancel" | "") {
            let values = [("type", &*submission.kind)];
            return Err(self.bad_payload(texts::NOT_SUBMITTED.fill(self.language, &values)));
        }
        if let Some(var) = self.command.kept().iter().find(|var| submission.values.contains_key(**var)) {
            return Err(self.bad_payload(texts::labelled_of(var, texts::KEPT, self.language)));
        }
        match (&submission.form_type, self.command.form_type()) {
            (Some(given), Some(own)) if *given != own && !self.command.takes_any_form() => {
                Err(self.bad_payload(texts::OTHER_FORM.of(self.language)))
            }
            _ => Ok(()),
        }
    }

    /// Who asks in one step has no form to be shown again.
    fn in_one_step(&self, failure: Failure) -> StanzaError {
        match failure {
            Failure::Wrong(why) => self.bad_payload(why),
            Failure::Error(error) => error,
        }
    }

    fn bad_payload(&self, why: impl Into<String>) -> StanzaError {
        let why: String = why.into();
        adhoc::bad_payload(beginning(&why, WRONG_MAX)).spoken(self.language)
    }

    fn say(&self, id: &str, status: Status, notes: &[Note], content: &[u8]) -> Outgoing {
        self.slip().say(id, status, notes, content)
    }

    fn slip(&self) -> Slip {
        let outside = self.request.outside.clone();
        Slip { outside, node: self.command.node(), language: self.language }
    }
}

/// All that is needed to answer, now or later.
struct Slip {
    outside: Outside,
    node: &'static str,
    language: Language,
}

impl Slip {
    fn say(&self, id: &str, status: Status, notes: &[Note], content: &[u8]) -> Outgoing {
        let mut command = Vec::new();
        adhoc::write(&mut command, self.node, id, status, self.language, notes, content);
        let mut out = Vec::new();
        self.outside.reply().result(&mut out, &command);
        out.into()
    }

    fn refuse(&self, error: &StanzaError) -> Outgoing {
        let mut out = Vec::new();
        self.outside.refuse(error, &mut out);
        out.into()
    }

    fn done(&self, id: &str, done: Done) -> Outgoing {
        let mut content = Vec::new();
        if let Some(table) = &done.table {
            match clients::style(&self.outside.from) {
                Style::Codes => table.write(&mut content),
                Style::Words => clients::row_by_row(table, self.language).write(&mut content),
            }
        }
        content.extend_from_slice(&done.content);
        let mut outgoing = self.say(id, Status::Completed, &done.notes, &content);
        if let Some(error) = &done.otherwise {
            self.outside.refuse(error, &mut outgoing.otherwise);
        }
        outgoing.rests_on = done.rests_on;
        outgoing
    }
}

/// What somebody is spoken to in.
pub async fn language(context: &Context, who: &BareJid, child: &Element, stanza: &Element) -> Language {
    let chosen = context.store.language_of(who).await.unwrap_or_default();
    let lang = |element: &Element| {
        element.attr_ns("http://www.w3.org/XML/1998/namespace", "lang").map(str::to_owned)
    };
    let said = lang(child).or_else(|| lang(stanza));
    Language::choose(chosen, said.as_deref(), Language::of(&context.config.service.language))
}

fn may_run(context: &Context, command: &dyn Command, who: &BareJid) -> bool {
    match command.who() {
        Who::Anyone => true,
        Who::Admins => context.is_admin(who),
    }
}

/// The answer to `disco#items` on the node of commands: those that this person may run.
pub async fn list(context: &Context, request: &Request, query: &Element) -> Vec<u8> {
    let language = language(context, &request.sender, query, &request.stanza).await;
    let jid = context.jid();
    let items = COMMANDS
        .iter()
        .filter(|command| may_run(context, **command, &request.sender))
        .map(|command| (command.node().to_owned(), Some(command.name().of(language))));
    disco::items(&jid, Some(crate::protocol::ns::COMMANDS), items)
}

/// The answer to `disco#info` on a command, or on the node of them all.
pub async fn info(
    context: &Context,
    request: &Request,
    query: &Element,
    node: &str,
) -> Result<Vec<u8>, StanzaError> {
    let language = language(context, &request.sender, query, &request.stanza).await;
    if node == crate::protocol::ns::COMMANDS {
        return Ok(disco::command_list(texts::COMMANDS.of(language)));
    }
    match find(node).filter(|command| may_run(context, *command, &request.sender)) {
        Some(command) => Ok(disco::command(node, command.name().of(language))),
        None => Err(StanzaError::new(Condition::ItemNotFound, "there is no such node")),
    }
}

/// A form without its type, which the engine knows.
pub fn form(title: impl Into<String>, instructions: impl Into<String>) -> Form {
    let instructions = instructions.into();
    Form {
        form_type: None,
        title: title.into(),
        instructions: if instructions.is_empty() { Vec::new() } else { vec![instructions] },
        fields: Vec::new(),
    }
}
