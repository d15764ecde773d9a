//! What an identifier means: a series and everything below it on a `/`, or all that begin alike.

use crate::desk::Context;
use crate::desk::context::failed;
use crate::desk::permit::Asker;
use crate::domain::name::{Scope, check_name};
use crate::domain::whose::Whose;
use crate::protocol::error::StanzaError;

/// A French delivery point is named by so many digits.
const POINT_DIGITS: usize = 14;

const EXAMPLE: &str = "urn:dev:prm:30001610071843_consumption/power/active/raw";

/// The most series in one answer.
const SERIES_MAX: u32 = 1000;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier {
    text: String,
    /// The series itself; none where all that begin alike are meant.
    pub(super) exact: Option<String>,
    /// How the names of the others begin.
    below: String,
}

impl Identifier {
    /// Reads one; the error says what to write instead.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let malformed = |why: String| {
            format!("'{}' is not an identifier: {why}", text.chars().take(200).collect::<String>())
        };
        if let Some(prefix) = text.strip_suffix('*') {
            check_name(prefix).map_err(|e| malformed(e.to_string()))?;
            return Ok(Identifier { text: text.to_owned(), exact: None, below: prefix.to_owned() });
        }
        check_name(text).map_err(|e| malformed(e.to_string()))?;
        if text.strip_prefix("urn:").is_some_and(|rest| !rest.contains(':') || rest.contains("::")) {
            return Err(malformed("a URN is urn:, a namespace, ':' and a name (RFC 8141)".to_owned()));
        }
        Ok(Identifier { text: text.to_owned(), exact: Some(text.to_owned()), below: format!("{text}/") })
    }

    /// What is wrong with one that nothing is had of, so that it was hardly meant: it is no URN, or one of a
    /// delivery point without its fourteen digits. The same whether or not there is such a series.
    pub(super) fn misread(text: &str) -> Option<(String, String)> {
        let shown: String = text.chars().take(200).collect();
        if !text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            return Some((
                format!("'{shown}' is not a URN; an identifier is one, such as {EXAMPLE}"),
                format!("« {shown} » n’est pas un URN ; un identifiant en est un, par exemple {EXAMPLE}"),
            ));
        }
        let (whole, point) = (!text.ends_with('*'), text.strip_prefix("urn:dev:prm:")?);
        let end = point.find(|c: char| !c.is_ascii_digit()).unwrap_or(point.len());
        let begins_only = !whole && end + 1 == point.len();
        if end == POINT_DIGITS || begins_only && end < POINT_DIGITS {
            return None;
        }
        Some((
            format!(
                "'{shown}' is malformed: urn:dev:prm: is followed by {POINT_DIGITS} digits, as in {EXAMPLE}"
            ),
            format!(
                "« {shown} » est mal formé : urn:dev:prm: est suivi de {POINT_DIGITS} chiffres, comme dans {EXAMPLE}"
            ),
        ))
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// How the names of all that lies below begin.
    pub(super) fn below(&self) -> &str {
        &self.below
    }

    /// Whether it means this series.
    pub(super) fn means(&self, name: &str) -> bool {
        self.exact.as_deref() == Some(name) || name.starts_with(&self.below)
    }

    /// Whether it means everything that a scope means.
    pub(super) fn means_all_of(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Exact(name) => self.means(name),
            Scope::Prefix(prefix) => prefix.starts_with(&self.below),
        }
    }

    /// The series that are meant and that the asker may have something of, with their registrations.
    pub(super) async fn granted(
        &self,
        context: &Context,
        asker: &Asker,
    ) -> Result<Vec<(String, Whose)>, StanzaError> {
        let store = &context.store;
        let mut names: Vec<String> = self.exact.iter().cloned().collect();
        names.extend(store.known_names_below(&self.below, SERIES_MAX).await.map_err(|e| failed(&e))?);
        for series in store.series_below(&self.below, SERIES_MAX).await.map_err(|e| failed(&e))? {
            if let Scope::Exact(name) = series.name {
                names.push(name.to_string());
            }
        }
        names.sort();
        names.dedup();
        let mut granted = Vec::new();
        for name in names {
            let Some(whose) = context.whose(&name).await? else { continue };
            if asker.may_fetch(&name, &whose).is_ok() {
                granted.push((name, whose));
            }
        }
        Ok(granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read() {
        let one = Identifier::read("urn:dev:prm:30001610071843_consumption").unwrap();
        assert!(one.means("urn:dev:prm:30001610071843_consumption"));
        assert!(one.means("urn:dev:prm:30001610071843_consumption/power"));
        assert!(!one.means("urn:dev:prm:30001610071843_consumption2"));
        let all = Identifier::read("urn:dev:prm:30001610071843*").unwrap();
        assert!(all.means("urn:dev:prm:30001610071843_production/power"));
        assert!(all.means_all_of(&Scope::parse("urn:dev:prm:30001610071843_c*").unwrap()));
        assert!(!one.means_all_of(&Scope::parse("urn:dev:prm:30001610071843_c*").unwrap()));
        for text in ["fdoes/not/exists", "urn:dev:prm:3000161007184_c/p", "urn:dev:prm:300016100718431_c*"] {
            assert!(Identifier::misread(text).is_some(), "{text}");
        }
        for text in ["urn:x:y", "URN:x:y", "urn:dev:prm:30001610071843", "urn:dev:prm:3000*", "urn:dev:prm:*"]
        {
            assert_eq!(Identifier::misread(text), None, "{text}");
        }
        for text in ["", "*", "a b", "/x", "urn:", "urn:dev", "urn:dev::x", "é"] {
            assert!(Identifier::read(text).is_err(), "{text}");
        }
    }
}
