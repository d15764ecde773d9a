//! Who is who.
//!
//! Rights are held by bare addresses (RFC 6120 §1.4: `local@domain`, or a domain alone); resources come
//! and go. Addresses are compared in their prepared form (RFC 7622), so that `NoDe@Example` and
//! `node@example` are one party.

use std::fmt;
use std::str::FromStr;

use jid::{BareJid, Jid};

use super::wording::check_line;

/// The bare address of `jid`: what rights are looked up by.
pub fn bare(jid: &Jid) -> BareJid {
    jid.to_bare()
}

/// The most characters of a wrong address that are shown again.
const SHOWN_MAX: usize = 200;

/// Reads an address.
pub fn parse_jid(text: &str) -> Result<Jid, String> {
    Jid::new(text.trim()).map_err(|_| {
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        format!("'{}' is not an XMPP address; write for example meters.example.org", shown.escape_debug())
    })
}

/// Reads a bare address; one with a resource is refused, as a right is never held by one session.
pub fn parse_bare(text: &str) -> Result<BareJid, String> {
    let shown = || text.chars().take(SHOWN_MAX).collect::<String>().escape_debug().to_string();
    let jid = Jid::new(text.trim())
        .map_err(|_| format!("'{}' is not an XMPP address; write for example ann@home.example", shown()))?;
    if jid.resource().is_some() {
        return Err(format!("'{}' has a resource; give the bare address '{}'", shown(), jid.to_bare()));
    }
    Ok(jid.to_bare())
}

/// Reads whom somebody names as a recipient: a bare address, or by explicit choice a domain, which is a service. A
/// word alone is a slip more often than a domain, so a domain is written with a dot.
pub fn parse_recipient(text: &str) -> Result<BareJid, String> {
    let jid = parse_bare(text)?;
    if is_whole(&jid) {
        Ok(jid)
    } else {
        Err(format!(
            "'{text}' is neither an address nor a domain; write for example {text}@coop.example, or \
             advice.coop.example for a service"
        ))
    }
}

fn is_whole(jid: &BareJid) -> bool {
    jid.node().is_some() || jid.domain().as_str().contains(['.', ':'])
}

/// The person concerned: an address, or an opaque reference for a person without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person with an XMPP address.
    Jid(BareJid),
    /// A reference that means something to whoever recorded the consent (`ref:` in front when written).
    Reference(String),
}

impl Subject {
    /// The address, if the person has one.
    pub fn jid(&self) -> Option<&BareJid> {
        match self {
            Subject::Jid(jid) => Some(jid),
            Subject::Reference(_) => None,
        }
    }

    /// Whether this can be a person who is named anew: `local@domain`, or a reference that is what it shows. A word
    /// alone or a domain is none. Those that are written down already stay as they are.
    pub fn check_person(&self) -> Result<(), String> {
        match self {
            Subject::Jid(jid) if jid.node().is_some() => Ok(()),
            Subject::Jid(jid) => {
                let what = if is_whole(jid) { "a domain" } else { "a word alone" };
                Err(format!(
                    "'{jid}' is {what}, not the address of a person; write for example ann@home.example, or for a \
                     person without an address ref: and a reference of your own"
                ))
            }
            Subject::Reference(reference) => check_line(reference).map_err(|why| why.to_string()),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    /// `ref:TEXT` is a reference, a text with `@` or a plain domain an address.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("ref:") {
            Some("") => Err("the reference behind 'ref:' is empty".into()),
            Some(reference) if reference.len() > 255 => Err("a reference is at most 255 bytes long".into()),
            Some(reference) if reference.chars().any(char::is_control) => {
                Err("a reference holds no control characters".into())
            }
            Some(reference) => Ok(Subject::Reference(reference.to_owned())),
            None => parse_bare(text).map(Subject::Jid).map_err(|e| {
                format!("{e}; for a person without an address, write ref: and a reference of your own")
            }),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Jid(jid) => jid.fmt(f),
            Subject::Reference(reference) => write!(f, "ref:{reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_prepared_and_bare() {
        assert_eq!(parse_bare("NoDe@Example.ORG").unwrap(), parse_bare("node@example.org").unwrap());
        assert!(parse_bare("a@b/c").unwrap_err().contains("a@b"));
        assert!(parse_bare("@b").is_err());
    }

    #[test]
    fn a_word_is_no_recipient() {
        for (text, taken) in
            [("bob", false), ("bob@home.example", true), ("home.example", true), ("b@c", true)]
        {
            assert_eq!(parse_recipient(text).is_ok(), taken, "{text}");
        }
        assert!(parse_recipient("bob").unwrap_err().contains("bob@"));
    }

    #[test]
    fn a_person_has_an_address_or_a_reference() {
        for (text, word) in
            [("ann", "word alone"), ("home.example", "domain"), ("ref:a\u{202e}b", "invisible")]
        {
            let told = text.parse::<Subject>().unwrap().check_person().unwrap_err();
            assert!(told.contains(word), "{told}");
        }
        for text in ["ann@home.example", "ann@localhost", "ref:file 12"] {
            text.parse::<Subject>().unwrap().check_person().unwrap();
        }
    }

    #[test]
    fn a_subject_is_an_address_or_a_reference() {
        assert!(matches!("ref:file 12".parse(), Ok(Subject::Reference(r)) if r == "file 12"));
        assert!(matches!("ann@home.example".parse(), Ok(Subject::Jid(_))));
        assert!("ref:".parse::<Subject>().is_err());
        for text in ["ref:file 12", "ann@home.example"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
    }
}
