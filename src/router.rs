//! Which stanza goes to which room, and the polite answer to all others.
//!
//! The sender is who the server says; everything else in a stanza is hostile. No IQ of type get or set
//! stays without an answer, and no stanza ends the connection.

mod texts;

use std::collections::HashMap;
use std::time::Duration;

use jid::{BareJid, Jid};
use minidom::Element;
use xmpp_parsers::stanza_error::DefinedCondition;

use crate::config::{AccessModel, Payloads, Pubsub};
use crate::desk::{self, Request};
use crate::domain::clock::Now;
use crate::domain::language::Language;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::outbox::{ID_MAX, Outbox};
use crate::protocol::outside::Outside;
use crate::protocol::publish::{self, Payload};
use crate::protocol::reply::{Kind, Reply};
use crate::protocol::{direct, disco, ns};
use crate::relay::Relay;
use crate::relay::delivery::{Answer, Refused};
use crate::relay::intake::Refusal;
use crate::relay::machine::{Bounce, Publish, ReplyTo, Settled};

/// What became of a stanza.
enum Routed {
    /// The content of its result.
    Answered(Vec<u8>),
    /// The answer comes later, or not at all.
    Done,
    /// It takes a look into the store.
    Desk,
}

/// Knows who we are.
#[derive(Debug, Clone)]
pub struct Router {
    /// The component's domain.
    domain: String,
    senders: Senders,
    /// What nodes are set to that do not say.
    usual: Pubsub,
}

/// The last senders in their prepared form: preparing an address anew for every stanza costs more than
/// looking it up.
#[derive(Debug, Clone, Default)]
struct Senders {
    known: HashMap<Box<str>, BareJid>,
}

impl Senders {
    /// How many are remembered; then all are forgotten.
    const MAX: usize = 16_384;

    fn bare(&mut self, full: &str) -> Option<BareJid> {
        if let Some(bare) = self.known.get(full) {
            return Some(bare.clone());
        }
        let bare = Jid::new(full).ok()?.to_bare();
        if self.known.len() >= Self::MAX {
            self.known.clear();
        }
        self.known.insert(full.into(), bare.clone());
        Some(bare)
    }
}

impl Router {
    /// For the component of this domain.
    pub fn new(domain: &str) -> Self {
        Router { domain: domain.to_owned(), senders: Senders::default(), usual: Pubsub::default() }
    }

    /// With the operator's defaults for nodes.
    pub fn with_usual(self, usual: &Pubsub) -> Self {
        Router { usual: usual.clone(), ..self }
    }

    /// The component's domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Takes the publish that gateways send all day, if that is what the stanza is and nothing is to be
    /// said against it. Otherwise nothing happened, and [`Self::handle`] is to be asked.
    pub fn handle_direct(&mut self, stanza: &[u8], relay: &mut Relay, now: Now) -> bool {
        let Some(direct) = direct::read(stanza) else { return false };
        if direct.to != self.domain || direct.id.len() > ID_MAX {
            return false;
        }
        let Some(sender) = self.senders.bare(direct.from) else { return false };
        let publish = Publish {
            reply_to: ReplyTo {
                from: direct.from.to_owned(),
                to: direct.to.to_owned(),
                id: Some(direct.id.to_owned()),
                is_iq: true,
            },
            sender,
            node: Some(direct.node.to_owned()),
            items: vec![(direct.item.map(str::to_owned), Payload::Sensml(direct.payload.into()))],
        };
        relay.try_publish(publish, now).is_ok()
    }

    /// Takes the result of one of the relay's pings, in which there is nothing to read. Otherwise nothing
    /// happened.
    pub fn handle_pong(&self, outside: &Outside, relay: &mut Relay, now: Now) -> bool {
        let (Kind::Iq, "result", Some(id)) = (outside.kind, &*outside.type_, &outside.id) else {
            return false;
        };
        let Ok(sender) = Jid::new(&outside.from) else { return false };
        if !relay.is_ping(id) {
            return false;
        }
        relay.iq_answer(id, sender.as_str(), Answer::Taken, now);
        true
    }

    /// Takes one stanza where it belongs; answers go to `out`. What comes back is for the desk.
    pub fn handle(
        &self,
        outside: Outside,
        stanza: Element,
        relay: &mut Relay,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Request> {
        let Ok(sender) = Jid::new(&outside.from) else {
            let text = "the sender's address is not one";
            outside.refuse_in(&StanzaError::new(Condition::BadRequest, text), out);
            return None;
        };
        if outside.wants_answer() && outside.id.as_ref().is_some_and(|id| id.len() > ID_MAX) {
            outside.refuse_in(&texts::id_too_long().told_in(spoken(&stanza)), out);
            return None;
        }
        match self.route(&outside, &stanza, &sender, relay, now) {
            Ok(Routed::Answered(content)) => outside.reply().result_in(out, &content),
            Ok(Routed::Done) => {}
            Ok(Routed::Desk) => return Some(Request { outside, sender: sender.to_bare(), stanza }),
            Err(error) => outside.refuse_in(&error.told_in(spoken(&stanza)), out),
        }
        None
    }

    fn route(
        &self,
        outside: &Outside,
        stanza: &Element,
        sender: &Jid,
        relay: &mut Relay,
        now: Now,
    ) -> Result<Routed, StanzaError> {
        match (outside.kind, &*outside.type_) {
            (Kind::Iq, "result" | "error") => {
                let Some(id) = &outside.id else { return Ok(Routed::Done) };
                if relay.is_ping(id) {
                    relay.iq_answer(id, sender.as_str(), answer(stanza, &outside.type_), now);
                } else {
                    let refused = (outside.type_ == "error").then(|| refusal(stanza));
                    relay.publish_answered(id, sender.as_str(), refused, now);
                }
                Ok(Routed::Done)
            }
            (Kind::Message, "error") => {
                if let Some(id) = outside.id.clone() {
                    let condition = condition(stanza).unwrap_or_else(|| "undefined-condition".into());
                    relay.bounced(&Bounce { id, from: sender.to_bare(), condition });
                }
                Ok(Routed::Done)
            }
            (Kind::Iq, type_ @ ("get" | "set")) => {
                self.check_address(outside)?;
                self.iq(outside, type_ == "set", stanza, &sender.to_bare(), relay, now)
            }
            (Kind::Iq, _) => Err(StanzaError::new(
                Condition::BadRequest,
                "an iq is of type get, set, result or error (RFC 6120 §8.2.3)",
            )),
            (Kind::Message, _) => self.message(outside, stanza, &sender.to_bare(), relay, now),
            (Kind::Presence, _) => Ok(Routed::Done),
        }
    }

    /// Only the domain itself, with or without a resource, is somebody here.
    fn check_address(&self, outside: &Outside) -> Result<(), StanzaError> {
        match Jid::new(&outside.to) {
            Ok(to) if to.node().is_none() && to.domain().as_str() == self.domain => Ok(()),
            _ => Err(StanzaError::new(
                Condition::ItemNotFound,
                format!("there is nobody of that name here; write to {}", self.domain),
            )),
        }
    }

    fn iq(
        &self,
        outside: &Outside,
        set: bool,
        stanza: &Element,
        sender: &BareJid,
        relay: &mut Relay,
        now: Now,
    ) -> Result<Routed, StanzaError> {
        let mut children = stanza.children();
        let (Some(child), None) = (children.next(), children.next()) else {
            let text = "an iq of type get or set holds exactly one child (RFC 6120 §8.2.3)";
            return Err(StanzaError::new(Condition::BadRequest, text));
        };
        if set && let Some(payload) = publish::payload(child) {
            return self.publish(outside, sender, None, vec![(None, payload)], relay, now);
        }
        match (&*child.ns(), child.name(), set) {
            (ns::PUBSUB, "pubsub", true) => self.pubsub(outside, child, sender, relay, now),
            (ns::PING, "ping", false) => Ok(Routed::Answered(Vec::new())),
            (ns::VERSION, "query", false) => Ok(Routed::Answered(disco::version())),
            (ns::LAST, "query", false) => Ok(Routed::Answered(disco::uptime(uptime(now)))),
            (ns::DISCO_INFO, "query", false) if child.attr("node").is_none() => {
                let model = match self.usual.access_model {
                    AccessModel::Authorize => "authorize",
                    AccessModel::Open => "open",
                    AccessModel::Whitelist => "whitelist",
                };
                Ok(Routed::Answered(disco::info(model)))
            }
            _ => Ok(Routed::Desk),
        }
    }

    fn pubsub(
        &self,
        outside: &Outside,
        pubsub: &Element,
        sender: &BareJid,
        relay: &mut Relay,
        now: Now,
    ) -> Result<Routed, StanzaError> {
        let Some(publish) = pubsub.get_child("publish", ns::PUBSUB) else {
            return Ok(Routed::Desk);
        };
        // Who may not publish learns so before anything is said about what they sent.
        if let Some(node) = publish.attr("node").filter(|node| !node.is_empty()) {
            crate::relay::intake::may_publish(relay.rights(), sender, node).map_err(|r| refused(&r))?;
        }
        if let Some(options) = pubsub.get_child("publish-options", ns::PUBSUB)
            && let Some(series) = publish
                .attr("node")
                .and_then(|node| relay.rights().registration(node))
                .and_then(|series| series.to_series())
        {
            desk::pubsub::check_options(&self.usual, &series, options)?;
        }
        let any = self.usual.payloads == Payloads::Any
            && publish
                .attr("node")
                .and_then(|node| relay.rights().registration(node))
                .is_some_and(|series| series.rests_on_no_consent());
        let request = publish::read_any(publish, any)?;
        self.publish(outside, sender, request.node, request.items, relay, now)
    }

    fn publish(
        &self,
        outside: &Outside,
        sender: &BareJid,
        node: Option<String>,
        items: Vec<(Option<String>, Payload<'_>)>,
        relay: &mut Relay,
        now: Now,
    ) -> Result<Routed, StanzaError> {
        let publish = Publish { reply_to: reply_to(outside), sender: sender.clone(), node, items };
        relay.publish(publish, now).map(|()| Routed::Done).map_err(|refusal| refused(&refusal))
    }

    fn message(
        &self,
        outside: &Outside,
        stanza: &Element,
        sender: &BareJid,
        relay: &mut Relay,
        now: Now,
    ) -> Result<Routed, StanzaError> {
        let payload = stanza.children().find_map(publish::payload);
        let is_for_people =
            stanza.has_child("x", ns::DATA_FORMS) || stanza.children().any(|c| c.name() == "body");
        if payload.is_none() && !is_for_people {
            // Receipts, chat states, events of other services: nothing to say to them.
            return Ok(Routed::Done);
        }
        self.check_address(outside)?;
        let Some(payload) = payload else { return Ok(Routed::Desk) };
        let id =
            stanza.get_child("origin-id", ns::SID).and_then(|origin| origin.attr("id")).map(str::to_owned);
        self.publish(outside, sender, None, vec![(id, payload)], relay, now)
    }
}

/// What the relay settled, as the answer to who published.
pub fn settle(settled: &Settled, out: &mut Outbox) {
    let to = &settled.reply_to;
    let kind = if to.is_iq { Kind::Iq } else { Kind::Message };
    let reply = Reply { kind, to: &to.from, from: &to.to, id: to.id.as_deref() };
    match &settled.outcome {
        Ok(items) if to.is_iq => {
            reply.result_in(out, &publish::result(items.iter().map(|(node, id)| (&**node, &**id))));
        }
        Ok(_) => {}
        Err(refusal) => reply.error_in(out, &refused(refusal)),
    }
}

/// How long the service has been up; its own clock starts with it.
fn uptime(now: Now) -> Duration {
    now.mono
}

fn reply_to(outside: &Outside) -> ReplyTo {
    ReplyTo {
        from: outside.from.clone(),
        to: outside.to.clone(),
        id: outside.id.clone(),
        is_iq: outside.kind == Kind::Iq,
    }
}

/// A refusal of the relay as a stanza error (DESIGN §2).
fn refused(refusal: &Refusal) -> StanzaError {
    let mut error = refused_in_english(refusal);
    if let Some((words, values)) = texts::words(refusal) {
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, &**value)).collect();
        error.french = Some(words.fill(Language::Fr, &values));
    }
    error
}

fn refused_in_english(refusal: &Refusal) -> StanzaError {
    let text = refusal.to_string();
    match refusal {
        Refusal::Forbidden { .. } => StanzaError::new(Condition::Forbidden, text),
        Refusal::Invalid(invalid) => {
            let detail = Detail::InvalidPack { reason: invalid.reason.to_string(), record: invalid.record };
            StanzaError::with(Condition::BadRequest, invalid.to_string(), detail)
        }
        Refusal::OutsideNode { record, .. } => {
            let detail = Detail::InvalidPack { reason: "name-outside-node".into(), record: Some(*record) };
            StanzaError::with(Condition::BadRequest, text, detail)
        }
        Refusal::Incomplete(_) => StanzaError::new(Condition::BadRequest, text),
        Refusal::TooManyRecords { .. } | Refusal::RecordTooLarge { .. } | Refusal::ItemIdTooLong { .. } => {
            StanzaError::new(Condition::PolicyViolation, text)
        }
        Refusal::TooFast { .. } | Refusal::QueueFull | Refusal::Stopping => {
            StanzaError::new(Condition::ResourceConstraint, text)
        }
        Refusal::Storage => StanzaError::new(Condition::InternalServerError, text),
    }
}

/// The language of a stanza: what somebody chose is not looked up on the way of a publish.
fn spoken(stanza: &Element) -> Language {
    let lang = stanza.attr_ns("http://www.w3.org/XML/1998/namespace", "lang");
    Language::choose(None, lang, Language::En)
}

/// Whether an IQ answer proves that its sender was reached.
///
/// Of errors, only the words of a server that does not know pings prove it: whoever could not pass a ping
/// on answers in the destination's name, and not with `remote-server-not-found` alone (a Prosody that is
/// stopping says `not-allowed`).
fn answer(stanza: &Element, type_: &str) -> Answer {
    match condition(stanza).as_deref() {
        _ if type_ == "result" => Answer::Taken,
        Some("service-unavailable" | "feature-not-implemented") => Answer::Taken,
        _ => Answer::NotReached,
    }
}

/// Why a publish of ours was refused.
fn refusal(stanza: &Element) -> Refused {
    let waits = stanza.children().any(|child| child.name() == "error" && child.attr("type") == Some("wait"));
    Refused { condition: condition(stanza).unwrap_or_else(|| "undefined-condition".into()), waits }
}

/// The condition of a stanza error (RFC 6120 §8.3.3). Another name is nobody's word for anything, and is kept nowhere.
fn condition(stanza: &Element) -> Option<String> {
    let error = stanza.children().find(|child| child.name() == "error")?;
    let condition = error.children().find(|c| c.ns() == ns::STANZA_ERRORS && c.name() != "text")?;
    DefinedCondition::try_from(condition.clone()).is_ok().then(|| condition.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_conditions_there_are_are_kept() {
        let said = |name: &str| {
            let text = format!(
                "<message xmlns='jabber:component:accept' type='error'><error type='cancel'>\
                 <{name} xmlns='{ns}'/><text xmlns='{ns}'>no</text></error></message>",
                ns = ns::STANZA_ERRORS
            );
            condition(&text.parse().unwrap())
        };
        for name in ["service-unavailable", "remote-server-timeout", "gone", "resource-constraint"] {
            assert_eq!(said(name).as_deref(), Some(name));
        }
        assert_eq!(said(&"x".repeat(8000)), None);
    }
}
