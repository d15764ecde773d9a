//! `get_history` the other way round: asked of the source that keeps a series itself, and its answer read.
//!
//! ```xml
//! <iq type='set' from='energy.example.org' to='proxy@prod.example/1' id='up-…'>
//!   <command xmlns='http://jabber.org/protocol/commands' node='get_history' action='execute'>
//!     <x xmlns='jabber:x:data' type='submit'>
//!       <field var='identifier' type='text-single'><value>urn:dev:prm:…</value></field>
//!       <field var='start_time' type='text-single'><value>2026-11-21T00:00:00+01:00</value></field>
//!       <field var='end_time' type='text-single'><value>2026-11-22T00:00:00+01:00</value></field>
//!     </x>
//!   </command>
//! </iq>
//! ```
//!
//! The form is the only child of the command: existing sources take the form by its place. They answer at once
//! (`completed`), or show the form first (`executing`); then it is submitted under their session.

use minidom::Element;

use super::ns;
use super::quoalise::{self, Meta, Node};
use super::text::{attribute, escape, raw};
use crate::senml::Options;

/// The longest issuer or code that is passed on.
const CODE_MAX: usize = 100;

/// The longest text that is passed on.
const TEXT_MAX: usize = 300;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// A series, and all below it; or a beginning and `*`.
    pub identifier: String,
    /// ISO 8601 with offset, included.
    pub start: Option<String>,
    /// ISO 8601 with offset, not included.
    pub end: Option<String>,
}

impl Question {
    /// Appends the IQ; `session` where the source has shown its form.
    pub fn write(&self, out: &mut Vec<u8>, from: &str, to: &str, id: &str, session: Option<&str>) {
        raw(out, "<iq type='set'");
        attribute(out, "from", from);
        attribute(out, "to", to);
        attribute(out, "id", id);
        raw(out, "><command xmlns='");
        raw(out, ns::COMMANDS);
        raw(out, "' node='get_history'");
        match session {
            Some(session) => {
                attribute(out, "sessionid", session);
                attribute(out, "action", "complete");
            }
            None => attribute(out, "action", "execute"),
        }
        raw(out, "><x xmlns='");
        raw(out, ns::DATA_FORMS);
        raw(out, "' type='submit'>");
        let times = [("start_time", self.start.as_deref()), ("end_time", self.end.as_deref())];
        for (var, value) in [("identifier", Some(&*self.identifier))].into_iter().chain(times) {
            let Some(value) = value else { continue };
            raw(out, "<field");
            attribute(out, "var", var);
            raw(out, " type='text-single'><value>");
            escape(out, value);
            raw(out, "</value></field>");
        }
        raw(out, "</x></command></iq>");
    }
}

/// What a source answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Packs, with what the source says of them; none if it has nothing of that time.
    Data(Vec<quoalise::Data>),
    /// The form is to be submitted under this session.
    Form(String),
}

/// Why there is nothing of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose error it is, if the source says so; else it is the source's own.
    pub issuer: Option<String>,
    /// For programs: the source's code, the condition of its error, or what is wrong with its answer.
    pub code: String,
    /// The source's own words.
    pub text: Option<String>,
}

impl Failure {
    /// One that is noticed here.
    pub fn here(code: &str) -> Self {
        Failure { issuer: None, code: code.to_owned(), text: None }
    }

    /// The answer cannot be understood.
    fn malformed(why: impl Into<String>) -> Self {
        let why: String = why.into();
        Failure { text: Some(why.chars().take(TEXT_MAX).collect()), ..Self::here("malformed-answer") }
    }
}

/// Reads an IQ of type result or error. `now`, in seconds since 1970, is what relative times are relative to.
pub fn read(iq: &Element, now: f64, options: &Options) -> Result<Answer, Failure> {
    if iq.attr("type") != Some("result") {
        return Err(refused(iq));
    }
    let command = iq
        .get_child("command", ns::COMMANDS)
        .ok_or_else(|| Failure::malformed("there is no command in the answer"))?;
    match command.attr("status") {
        Some("completed") => {}
        Some("executing") => {
            let session = command.attr("sessionid").filter(|id| !id.is_empty() && id.len() <= 1024);
            let session =
                session.ok_or_else(|| Failure::malformed("the command goes on, but has no session"))?;
            return Ok(Answer::Form(session.to_owned()));
        }
        other => {
            let why =
                format!("the command is neither completed nor executing, but '{}'", other.unwrap_or(""));
            return Err(Failure::malformed(why));
        }
    }
    let Some(payload) = command.get_child("quoalise", quoalise::NAMESPACE) else {
        // A command that failed is completed with a note (XEP-0050 §4.3).
        let note = command.children().find(|c| c.is("note", ns::COMMANDS) && c.attr("type") == Some("error"));
        return Err(match note {
            Some(note) => Failure { text: words(&note.text()), ..Failure::here("failed") },
            None => Failure::malformed("there is no data in the answer"),
        });
    };
    let mut found = Vec::new();
    let (mut count, mut empty) = (0, Element::bare("quoalise", quoalise::NAMESPACE));
    for data in payload.children().filter(|c| c.is("data", quoalise::NAMESPACE)) {
        count += 1;
        let pack = data
            .get_child("sensml", ns::SENML)
            .ok_or_else(|| Failure::malformed("there is data without a pack"))?;
        // Nothing of that time: no pack by RFC 8428 §3, but what sources say.
        if pack.children().next().is_none() {
            continue;
        }
        empty.append_child(data.clone());
        let octets = octets(&empty)?;
        let read = quoalise::read(&octets, now, options).map_err(|e| Failure::malformed(e.to_string()))?;
        found.extend(read.data.into_iter().map(|data| quoalise::Data { meta: known(data.meta), ..data }));
        empty = Element::bare("quoalise", quoalise::NAMESPACE);
    }
    if count == 0 {
        return Err(Failure::malformed("there is no data in the answer"));
    }
    Ok(Answer::Data(found))
}

fn octets(element: &Element) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    element.write_to(&mut octets).map_err(|e| Failure::malformed(e.to_string()))?;
    Ok(octets)
}

/// What of a description is passed on: the meter and what it measures, in the words of the vocabulary.
/// Whatever else a source may say of a person is none of the recipient's business.
fn known(meta: Meta) -> Meta {
    let ours = |node: &Node, names: &[&str]| {
        node.namespace == quoalise::NAMESPACE && names.contains(&node.name.as_str())
    };
    let nodes = meta.nodes.into_iter().filter(|node| ours(node, &["device", "measurement"]));
    let nodes = nodes.map(|mut node| {
        node.nodes.retain(|child| ours(child, &["identifier"]));
        node.nodes.iter_mut().for_each(|child| child.nodes.clear());
        node
    });
    Meta { nodes: nodes.collect() }
}

/// Reads the error of a source: its own issuer and code where it gives them, else the condition.
fn refused(iq: &Element) -> Failure {
    let Some(error) = iq.children().find(|child| child.name() == "error") else {
        return Failure::malformed("the answer is an error without a reason");
    };
    let condition = error.children().find(|c| c.ns() == ns::STANZA_ERRORS && c.name() != "text");
    let text = error.get_child("text", ns::STANZA_ERRORS).and_then(|text| words(&text.text()));
    let cut = |value: &str| value.chars().take(CODE_MAX).collect::<String>();
    let upstream = error.get_child("upstream-error", quoalise::NAMESPACE);
    let code = upstream.and_then(|e| e.attr("code")).filter(|code| !code.is_empty()).map(cut);
    Failure {
        issuer: upstream.and_then(|e| e.attr("issuer")).filter(|issuer| !issuer.is_empty()).map(cut),
        code: code.unwrap_or_else(|| cut(condition.map_or("undefined-condition", |c| c.name()))),
        text,
    }
}

fn words(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content: &str) -> Result<Answer, Failure> {
        let iq = format!("<iq xmlns='jabber:component:accept' type='result'>{content}</iq>");
        read(&iq.parse().unwrap(), 1.7e9, &Options::default())
    }

    fn completed(content: &str) -> Result<Answer, Failure> {
        answer(&format!("<command xmlns='{}' status='completed'>{content}</command>", ns::COMMANDS))
    }

    fn data(content: &str) -> String {
        format!("<quoalise xmlns='urn:quoalise:0'>{content}</quoalise>")
    }

    const PACK: &str = "<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='a' t='1.6e9' v='1'/></sensml>";

    #[test]
    fn records_and_the_meter_are_read_and_nothing_else_of_the_person() {
        let meta = "<meta><device type='electricity-meter'><identifier value='3'><x/></identifier><owner name='Zoé'/>\
                    </device><customer name='Zoé'/><measurement unit='W'/></meta>";
        let read = completed(&data(&format!("<data>{meta}{PACK}</data><data><meta/>{PACK}</data>"))).unwrap();
        let Answer::Data(read) = read else { panic!("{read:?}") };
        assert_eq!(read.iter().map(|data| data.pack.len()).collect::<Vec<_>>(), [1, 1]);
        let mut out = Vec::new();
        quoalise::write(&read[0].meta, read[0].pack.all(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("<identifier value='3'/>") && text.contains("<measurement unit='W'/>"),
            "{text}"
        );
        assert!(!text.contains("Zoé"), "{text}");
    }

    #[test]
    fn an_empty_pack_is_nothing_of_that_time() {
        let pack = "<sensml xmlns='urn:ietf:params:xml:ns:senml'/>";
        assert_eq!(completed(&data(&format!("<data><meta/>{pack}</data>"))), Ok(Answer::Data(vec![])));
    }

    #[test]
    fn a_form_is_gone_on_with() {
        let form = "<command xmlns='http://jabber.org/protocol/commands' status='executing' sessionid='s'/>";
        assert_eq!(answer(form), Ok(Answer::Form("s".into())));
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (wrong, code) in [
            (answer(""), "malformed-answer"),
            (
                answer("<command xmlns='http://jabber.org/protocol/commands' status='canceled'/>"),
                "malformed-answer",
            ),
            (
                answer("<command xmlns='http://jabber.org/protocol/commands' status='executing'/>"),
                "malformed-answer",
            ),
            (completed(""), "malformed-answer"),
            (completed(&data("")), "malformed-answer"),
            (completed(&data("<data><meta/></data>")), "malformed-answer"),
            (
                completed(&data(&format!("<data>{}</data>", PACK.replace("v='1'", "v='one'")))),
                "malformed-answer",
            ),
            (completed("<note type='error'>no such meter</note>"), "failed"),
        ] {
            let failure = wrong.unwrap_err();
            assert_eq!(failure.code, code);
            assert!(failure.text.is_some_and(|text| !text.is_empty()));
        }
    }

    #[test]
    fn errors_keep_their_issuer_and_code() {
        let error = |inside: &str| {
            let iq = format!(
                "<iq xmlns='jabber:component:accept' type='error'><error type='cancel'>\
                 <undefined-condition xmlns='{0}'/><text xmlns='{0}'>not in contract</text>{inside}</error></iq>",
                ns::STANZA_ERRORS
            );
            read(&iq.parse().unwrap(), 0.0, &Options::default()).unwrap_err()
        };
        let text = Some("not in contract".to_owned());
        let given = error("<upstream-error xmlns='urn:quoalise:0' issuer='grid' code='E55'/>");
        assert_eq!(given, Failure { issuer: Some("grid".into()), code: "E55".into(), text: text.clone() });
        assert_eq!(error(""), Failure { issuer: None, code: "undefined-condition".into(), text });
    }
}
