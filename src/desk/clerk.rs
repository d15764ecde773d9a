//! Takes one request after the other to its room, and answers whatever comes.

use std::time::Duration;

use tokio::sync::mpsc;

use super::commands::engine::{self, Engine};
use super::text::{self, Confused};
use super::{Context, Outgoing, Request, Said, asking, commands, pubsub};
use crate::domain::language::Language;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::outbox::STANZA_MAX;
use crate::protocol::outside::Outside;
use crate::protocol::reply::{Kind, too_large};
use crate::protocol::{fallback, notice, ns};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of several; each has its own people.
#[derive(Debug)]
pub struct Clerk {
    context: Context,
    commands: Engine,
    confused: Confused,
}

impl Clerk {
    /// A clerk with nothing on the table.
    pub fn new(context: Context) -> Self {
        Clerk { context, commands: Engine::default(), confused: Confused::default() }
    }

    /// Serves until nobody can come any more.
    pub async fn work(mut self, mut waiting: mpsc::Receiver<Request>) {
        while let Some(request) = waiting.recv().await {
            let answered = tokio::time::timeout(PATIENCE, self.serve(&request)).await;
            let answer = answered.unwrap_or_else(|_| {
                Err(StanzaError::new(
                    Condition::ResourceConstraint,
                    "that took too long; ask for less at once",
                )
                .or_in_french("cela a pris trop longtemps ; demandez moins à la fois"))
            });
            let said = match answer {
                Ok(said) => said,
                Err(error) => {
                    let (who, stanza) = (&request.sender, &request.stanza);
                    let language = engine::language(&self.context, who, stanza, stanza).await;
                    let mut out = Vec::new();
                    request.outside.refuse(&error.told_in(language), &mut out);
                    Said::Now(out.into())
                }
            };
            match said {
                Said::Now(outgoing) => {
                    let outgoing = bounded(&self.context, &request, outgoing).await;
                    if self.context.out.send(outgoing).await.is_err() {
                        return;
                    }
                }
                // Whoever is to be asked bounds how many of these there are.
                Said::Later(answer) => {
                    let context = self.context.clone();
                    tokio::spawn(async move {
                        let outgoing = bounded(&context, &request, answer.await).await;
                        context.out.send(outgoing).await
                    });
                }
            }
        }
    }

    /// The answer as whole stanzas.
    async fn serve(&mut self, request: &Request) -> Result<Said, StanzaError> {
        let outside = &request.outside;
        if outside.kind == Kind::Message {
            return Ok(self.message(request).await?.into());
        }
        let Some(child) = request.stanza.children().next() else {
            return Err(StanzaError::new(Condition::BadRequest, "the request is empty")
                .or_in_french("la demande est vide"));
        };
        let is_query = child.name() == "query" && outside.type_ == "get";
        match &*child.ns() {
            ns::PUBSUB | ns::PUBSUB_OWNER => Ok(pubsub::serve(&self.context, request, child).await?.into()),
            ns::MAM if child.name() == "query" && child.attr("node").is_some() => {
                pubsub::archive::serve(&self.context, request, child).await.map(Said::from)
            }
            ns::COMMANDS if child.name() == "command" && outside.type_ == "set" => {
                self.commands.serve(&self.context, request, child).await
            }
            ns::DISCO_ITEMS if is_query && child.attr("node") == Some(ns::COMMANDS) => {
                let list = engine::list(&self.context, request, child).await;
                Ok(result(outside, &list).into())
            }
            ns::DISCO_ITEMS if is_query => {
                let list = pubsub::discovery::items(&self.context, &request.sender, child).await?;
                Ok(result(outside, &list).into())
            }
            ns::DISCO_INFO
                if is_query
                    && let Some(node) = child.attr("node")
                    && node != ns::COMMANDS
                    && commands::find(node).is_none() =>
            {
                let info = pubsub::discovery::info(&self.context, &request.sender, node).await?;
                Ok(result(outside, &info).into())
            }
            ns::DISCO_INFO if is_query => {
                let node = child.attr("node").unwrap_or_default();
                let info = engine::info(&self.context, request, child, node).await?;
                Ok(result(outside, &info).into())
            }
            _ => Err(unknown()),
        }
    }
}

impl Clerk {
    /// Answers to requests: the form of XEP-0060 §8.6, or a line of text.
    async fn message(&mut self, request: &Request) -> Result<Outgoing, StanzaError> {
        let (context, stanza, who) = (&self.context, &request.stanza, &request.sender);
        // What is said in a room, or to many, is no answer of anybody's.
        if matches!(&*request.outside.type_, "groupchat" | "headline") {
            return Ok(Outgoing::default());
        }
        let language = engine::language(context, who, stanza, stanza).await;
        if stanza.has_child("x", ns::DATA_FORMS) {
            let taken = asking::take_form(context, who, stanza, language).await;
            let told = taken.map_err(|e| e.told_in(language))?;
            return Ok(said_to(context, request, language, told).into());
        }
        let body = stanza.children().find(|child| child.name() == "body").map(minidom::Element::text);
        // Services talk to services in other ways; what has no name at its domain is one.
        let Some(body) = body.filter(|_| who.node().is_some()) else { return Ok(Outgoing::default()) };
        let body = fallback::own_words(stanza, &body);
        let answer = text::answer(context, &mut self.confused, who, &body, language)
            .await
            .map_err(|error| error.told_in(language))?;
        Ok(answer
            .map_or_else(Vec::new, |(language, said)| said_to(context, request, language, Some(said)))
            .into())
    }
}

/// The answer, or a refusal where it is larger than servers take. Whether there is anything to be had is told to nobody
/// who may not have it, so what it rests on stays.
async fn bounded(context: &Context, request: &Request, mut outgoing: Outgoing) -> Outgoing {
    if outgoing.stanzas.iter().all(|stanza| stanza.len() <= STANZA_MAX) {
        return outgoing;
    }
    tracing::debug!("an answer was too large");
    let stanza = &request.stanza;
    let child = stanza.children().next().unwrap_or(stanza);
    let language = engine::language(context, &request.sender, child, stanza).await;
    let mut answer = Vec::new();
    request.outside.refuse(&too_large().told_in(language), &mut answer);
    outgoing.stanzas = vec![answer];
    outgoing
}

/// A message back, if there is something to say.
fn said_to(context: &Context, request: &Request, language: Language, said: Option<String>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(said) = said {
        let kind = if request.outside.type_ == "chat" { "chat" } else { "normal" };
        let id = uuid::Uuid::new_v4().simple().to_string();
        notice::to_chat(&mut out, kind, &context.jid(), &request.outside.from, &id, language, &said);
    }
    out
}

/// A result, at once.
fn result(outside: &Outside, content: &[u8]) -> Outgoing {
    let mut out = Vec::new();
    outside.reply().result(&mut out, content);
    out.into()
}

/// Nobody here knows what that is.
pub fn unknown() -> StanzaError {
    StanzaError::new(
        Condition::ServiceUnavailable,
        "this service does not know that request; disco#info lists what it does know",
    )
    .or_in_french("ce service ne connaît pas cette demande ; disco#info donne celles qu’il connaît")
}
