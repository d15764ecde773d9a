//! Series names and scopes.
//!
//! A series is named by its resolved SenML name (RFC 8428 §4.5.1), normally a URN as in RFC 9039.
//! A scope names one series exactly, or all whose names begin with a prefix when it ends in `*`;
//! nothing else is implied.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest name or scope accepted, in bytes.
pub const NAME_MAX: usize = 1023;

/// Why a text is not a series name or a scope.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`NAME_MAX`].
    #[error("the name is longer than {NAME_MAX} bytes")]
    TooLong,
    /// RFC 8428 §4.5.1: names begin with a letter or digit.
    #[error("a name begins with a letter or a digit, not '{0}'")]
    Start(char),
    /// RFC 8428 §4.5.1: `A-Z a-z 0-9 - : . / _` only.
    #[error("'{0}' cannot be in a name (letters, digits and - : . / _ only)")]
    Char(char),
    /// `*` alone would share everything.
    #[error("'*' alone would cover every series; name at least the beginning, as in 'urn:dev:prm:30001*'")]
    Everything,
}

/// Whether `name` is a valid resolved SenML name (RFC 8428 §4.5.1).
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.len() > NAME_MAX {
        return Err(NameError::TooLong);
    }
    let first = name.chars().next().ok_or(NameError::Empty)?;
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::Start(first));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '/' | '_'))) {
        Some(c) => Err(NameError::Char(c)),
        None => Ok(()),
    }
}

/// Which series are meant: one exactly, or all that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// One series.
    Exact(Arc<str>),
    /// Every series whose name begins with this text (written with a `*` behind it).
    Prefix(Arc<str>),
}

impl Scope {
    /// How long it is as it is written.
    pub fn octets(&self) -> usize {
        match self {
            Scope::Exact(name) => name.len(),
            Scope::Prefix(prefix) => prefix.len() + 1,
        }
    }

    /// Reads `urn:…/raw` or `urn:…*`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.strip_suffix('*') {
            Some("") => Err(NameError::Everything),
            Some(prefix) => check_name(prefix).map(|()| Scope::Prefix(prefix.into())),
            None => check_name(text).map(|()| Scope::Exact(text.into())),
        }
    }

    /// Whether the series of this name is meant.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Scope::Exact(exact) => **exact == *name,
            Scope::Prefix(prefix) => name.starts_with(&**prefix),
        }
    }

    /// Whether everything that `other` means is meant here too.
    pub fn covers_scope(&self, other: &Scope) -> bool {
        match (self, other) {
            (_, Scope::Exact(name)) => self.covers(name),
            (Scope::Prefix(mine), Scope::Prefix(theirs)) => theirs.starts_with(&**mine),
            (Scope::Exact(_), Scope::Prefix(_)) => false,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Exact(name) => f.write_str(name),
            Scope::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Scope::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Values filed under scopes, found by series name.
///
/// A look-up costs one hash for the exact name and one per *distinct length* of prefix, however many
/// prefixes there are.
#[derive(Debug, Clone)]
pub struct ScopeMap<T> {
    exact: HashMap<Arc<str>, T>,
    prefixes: HashMap<Arc<str>, T>,
    /// How many prefixes there are of each length.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for ScopeMap<T> {
    fn default() -> Self {
        ScopeMap { exact: HashMap::new(), prefixes: HashMap::new(), lengths: BTreeMap::new() }
    }
}

impl<T> ScopeMap<T> {
    /// All values whose scope covers `name`, the most specific first.
    pub fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a T> {
        let prefixes = self
            .lengths
            .range(..=name.len())
            .rev()
            .filter(|&(&length, _)| name.is_char_boundary(length))
            .filter_map(|(&length, _)| self.prefixes.get(&name[..length]));
        self.exact.get(name).into_iter().chain(prefixes)
    }

    /// What is filed under exactly this scope.
    pub fn get(&self, scope: &Scope) -> Option<&T> {
        match scope {
            Scope::Exact(name) => self.exact.get(name),
            Scope::Prefix(prefix) => self.prefixes.get(prefix),
        }
    }

    /// The same scope, sharing its text with what is filed under it.
    pub fn shared(&self, scope: &Scope) -> Option<Scope> {
        match scope {
            Scope::Exact(name) => {
                self.exact.get_key_value(name).map(|(held, _)| Scope::Exact(Arc::clone(held)))
            }
            Scope::Prefix(prefix) => {
                self.prefixes.get_key_value(prefix).map(|(held, _)| Scope::Prefix(Arc::clone(held)))
            }
        }
    }

    /// What is filed under exactly this scope, put there if there is nothing.
    pub fn entry(&mut self, scope: &Scope) -> &mut T
    where
        T: Default,
    {
        match scope {
            Scope::Exact(name) => self.exact.entry(Arc::clone(name)).or_default(),
            Scope::Prefix(prefix) => self.prefixes.entry(Arc::clone(prefix)).or_insert_with(|| {
                *self.lengths.entry(prefix.len()).or_default() += 1;
                T::default()
            }),
        }
    }

    /// Files a value under a scope and returns what was there.
    pub fn insert(&mut self, scope: &Scope, value: T) -> Option<T> {
        match scope {
            Scope::Exact(name) => self.exact.insert(name.clone(), value),
            Scope::Prefix(prefix) => {
                let old = self.prefixes.insert(prefix.clone(), value);
                if old.is_none() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                old
            }
        }
    }

    /// Takes out what is filed under exactly this scope.
    pub fn remove(&mut self, scope: &Scope) -> Option<T> {
        match scope {
            Scope::Exact(name) => self.exact.remove(name),
            Scope::Prefix(prefix) => {
                let old = self.prefixes.remove(prefix)?;
                if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&prefix.len());
                    }
                }
                Some(old)
            }
        }
    }

    /// All values, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.prefixes.values())
    }
}

impl<T> ScopeMap<Vec<T>> {
    /// Adds to the list filed under a scope.
    pub fn push(&mut self, scope: &Scope, value: T) {
        let list = match scope {
            Scope::Exact(name) => self.exact.get_mut(name),
            Scope::Prefix(prefix) => self.prefixes.get_mut(prefix),
        };
        match list {
            Some(list) => list.push(value),
            None => {
                self.insert(scope, vec![value]);
            }
        }
    }
}

impl<T: PartialEq> ScopeMap<Vec<T>> {
    /// Takes one value off the list filed under a scope.
    pub fn take(&mut self, scope: &Scope, value: &T) {
        let list = match scope {
            Scope::Exact(name) => self.exact.get_mut(name),
            Scope::Prefix(prefix) => self.prefixes.get_mut(prefix),
        };
        if let Some(list) = list {
            list.retain(|held| held != value);
            if list.is_empty() {
                self.remove(scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read() {
        assert_eq!(Scope::parse("urn:dev:x").unwrap(), Scope::Exact("urn:dev:x".into()));
        assert_eq!(Scope::parse("urn:dev:*").unwrap(), Scope::Prefix("urn:dev:".into()));
        assert_eq!(Scope::parse("*"), Err(NameError::Everything));
        assert_eq!(Scope::parse(""), Err(NameError::Empty));
        assert_eq!(Scope::parse("/x"), Err(NameError::Start('/')));
        assert_eq!(Scope::parse("a b"), Err(NameError::Char(' ')));
        assert_eq!(Scope::parse("a*b"), Err(NameError::Char('*')));
        assert_eq!(Scope::parse(&"a".repeat(1024)), Err(NameError::TooLong));
    }

    #[test]
    fn a_prefix_implies_nothing_about_slashes() {
        let scope = Scope::parse("urn:a*").unwrap();
        assert!(scope.covers("urn:a") && scope.covers("urn:abc") && scope.covers("urn:a/b"));
        assert!(!scope.covers("urn:b"));
        assert!(!Scope::parse("urn:a").unwrap().covers("urn:a/b"));
    }

    #[test]
    fn scopes_within_scopes() {
        let wide = Scope::parse("urn:a*").unwrap();
        let narrow = Scope::parse("urn:ab*").unwrap();
        let one = Scope::parse("urn:abc").unwrap();
        assert!(wide.covers_scope(&narrow) && narrow.covers_scope(&one));
        assert!(!narrow.covers_scope(&wide) && !one.covers_scope(&narrow));
    }

    #[test]
    fn a_map_finds_the_most_specific_first_and_forgets() {
        let mut map = ScopeMap::default();
        for text in ["urn:a*", "urn:ab*", "urn:abc", "urn:x*"] {
            map.push(&Scope::parse(text).unwrap(), text);
        }
        let found: Vec<_> = map.matching("urn:abc").flatten().copied().collect();
        assert_eq!(found, ["urn:abc", "urn:ab*", "urn:a*"]);
        map.take(&Scope::parse("urn:ab*").unwrap(), &"urn:ab*");
        let found: Vec<_> = map.matching("urn:abc").flatten().copied().collect();
        assert_eq!(found, ["urn:abc", "urn:a*"]);
        assert!(map.matching("urn").next().is_none());
        assert!(map.get(&Scope::parse("urn:ab*").unwrap()).is_none());
    }
}
