//! Stanzas, as far as servers and recipients need to know them, and a reader for what the relay writes.

use courant::relay::delivery::{Answer, Refused};
use courant::senml::{Format, Options, read};

/// One record as it arrives: series, time, value.
pub(crate) type Record = (String, f64, f64);

/// A delivery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) node: String,
    pub(crate) item: String,
    /// The consent named in the terms, else the basis.
    pub(crate) basis: String,
    pub(crate) records: Vec<Record>,
    /// How many pings to that domain went before it: the batch it belongs to.
    pub(crate) batch: u64,
    /// Its domain had not answered any ping as far as the relay can know.
    pub(crate) weak: bool,
    /// A publish, which is answered.
    pub(crate) answered: bool,
}

/// What an installation writes to its server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stanza {
    Message(Message),
    Ping {
        id: String,
        to: String,
    },
    /// To the gateway: this publish is settled.
    Reply {
        request: usize,
        done: bool,
        again: bool,
    },
}

/// What comes back to an installation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Back {
    Pong { id: String, from: String, answer: Answer },
    Bounce { id: String, from: String, condition: &'static str },
    Answered { id: String, from: String, refused: Option<Refused> },
    Publish { request: usize },
}

impl Message {
    /// It could not be taken; in whoever's name that is said.
    pub(crate) fn refused(self, condition: &'static str) -> Back {
        if !self.answered {
            return Back::Bounce { id: self.id, from: self.to, condition };
        }
        let waits = matches!(condition, "resource-constraint" | "remote-server-timeout");
        let refused = Some(Refused { condition: condition.to_owned(), waits });
        Back::Answered { id: self.id, from: self.to, refused }
    }
}

/// The domain of a bare address.
pub(crate) fn domain_of(jid: &str) -> &str {
    jid.split_once('@').map_or(jid, |(_, domain)| domain)
}

/// The server behind a domain: a service is connected to one.
pub(crate) fn server_of(domain: &str) -> &str {
    domain.strip_prefix("hub.").unwrap_or(domain)
}

/// Reads all that the relay rendered. What cannot be read is a failure of its own.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Stanza>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let mut rest = text;
    let mut stanzas = Vec::new();
    while !rest.is_empty() {
        let end = if rest.starts_with("<message ") { "</message>" } else { "</iq>" };
        let at = rest.find(end).ok_or_else(|| format!("half a stanza: {rest}"))? + end.len();
        stanzas.push(parse_one(&rest[..at]).ok_or_else(|| format!("an odd stanza: {}", &rest[..at]))?);
        rest = &rest[at..];
    }
    Ok(stanzas)
}

fn parse_one(text: &str) -> Option<Stanza> {
    let (id, to) = (attribute(text, "id")?, attribute(text, "to")?);
    if text.contains("<ping ") {
        return Some(Stanza::Ping { id, to });
    }
    let answered = text.starts_with("<iq ");
    let items = &text[text.find(if answered { "<publish " } else { "<items " })?..];
    let item = &items[items.find("<item ")?..];
    let terms = &text[text.find("<terms")?..];
    let origin = &text[text.find("<origin-id")?..];
    if attribute(origin, "id")? != id {
        return None;
    }
    let (start, end) = (item.find("<sensml")?, item.find("</item>")?);
    let pack = read(Format::Xml, &item.as_bytes()[start..end], 0.0, &Options::default()).ok()?;
    let records =
        pack.iter().map(|r| (r.name().to_owned(), r.time(), r.number().unwrap_or(f64::NAN))).collect();
    Some(Stanza::Message(Message {
        id,
        to,
        node: attribute(items, "node")?,
        item: attribute(item, "id")?,
        basis: attribute(terms, "consent").or_else(|| attribute(terms, "basis"))?,
        records,
        batch: 0,
        weak: false,
        answered,
    }))
}

fn attribute(text: &str, name: &str) -> Option<String> {
    let head = &text[..text.find('>')?];
    let start = head.find(&format!(" {name}='"))? + name.len() + 3;
    let end = head[start..].find('\'')? + start;
    Some(head[start..end].to_owned())
}
