//! Answers as bytes: results and errors, from the address that was written to.

use super::error::{Condition, StanzaError};
use super::outbox::Outbox;
use super::text::{attribute, raw};
use crate::domain::language::{Text, text};

/// To who asked for what no stanza carries.
const TOO_LARGE: Text = text(
    "the answer would be too large; ask for less at once",
    "la réponse serait trop grande ; demandez moins à la fois",
);

/// Which stanza is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IQ.
    Iq,
    /// A message.
    Message,
    /// A presence.
    Presence,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Iq => "iq",
            Kind::Message => "message",
            Kind::Presence => "presence",
        }
    }
}

/// To whom, from which of our addresses, about which stanza.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The stanza's kind.
    pub kind: Kind,
    /// Who wrote.
    pub to: &'a str,
    /// Whom they wrote to.
    pub from: &'a str,
    /// The stanza's id, if it had one.
    pub id: Option<&'a str>,
}

impl Reply<'_> {
    fn start(&self, out: &mut Vec<u8>, kind: &str) {
        raw(out, "<");
        raw(out, self.kind.name());
        attribute(out, "type", kind);
        attribute(out, "from", self.from);
        attribute(out, "to", self.to);
        if let Some(id) = self.id {
            attribute(out, "id", id);
        }
    }

    /// Appends a result holding `content`, which may be empty.
    pub fn result(&self, out: &mut Vec<u8>, content: &[u8]) {
        self.start(out, "result");
        if content.is_empty() {
            raw(out, "/>");
        } else {
            raw(out, ">");
            out.extend_from_slice(content);
            self.end(out);
        }
    }

    /// Appends an error.
    pub fn error(&self, out: &mut Vec<u8>, error: &StanzaError) {
        self.start(out, "error");
        raw(out, ">");
        error.write(out);
        self.end(out);
    }

    /// Has a result holding `content` written, or a refusal where that would be too large.
    pub fn result_in(&self, out: &mut Outbox, content: &[u8]) {
        if !out.stanza(|out| self.result(out, content)) {
            self.error_in(out, &too_large());
        }
    }

    /// Has an error written. One without its text always fits, whatever the length of the addresses and the id.
    pub fn error_in(&self, out: &mut Outbox, error: &StanzaError) {
        if !out.stanza(|out| self.error(out, error)) {
            let bare = StanzaError { text: String::new(), detail: None, ..error.clone() };
            let _fits = out.stanza(|out| self.error(out, &bare));
        }
    }

    fn end(&self, out: &mut Vec<u8>) {
        raw(out, "</");
        raw(out, self.kind.name());
        raw(out, ">");
    }
}

/// The refusal of a request whose answer no stanza carries.
pub fn too_large() -> StanzaError {
    StanzaError::said(Condition::PolicyViolation, TOO_LARGE, &[])
}

#[cfg(test)]
mod tests {
    use super::super::error::Detail;
    use super::*;

    #[test]
    fn errors_say_the_reason_and_the_record() {
        let reply = Reply { kind: Kind::Iq, to: "gw@x/1", from: "energy.x", id: Some("p'1") };
        let mut out = Vec::new();
        let detail = Detail::InvalidPack { reason: "no-value".into(), record: Some(17) };
        reply.error(&mut out, &StanzaError::with(Condition::BadRequest, "a < b", detail));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<iq type='error' from='energy.x' to='gw@x/1' id='p&apos;1'><error type='modify'>\
             <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>a &lt; b</text>\
             <invalid-pack xmlns='urn:courant:0' reason='no-value' record='17'/></error></iq>"
        );
        let mut out = Vec::new();
        reply.result(&mut out, b"");
        assert_eq!(out, b"<iq type='result' from='energy.x' to='gw@x/1' id='p&apos;1'/>");
    }
}
