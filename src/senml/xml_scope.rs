//! The open elements of an XML document, and the namespaces in scope in each (Namespaces in XML 1.0).

/// The namespace of SenML (RFC 8428 §7).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:senml";

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// How many declarations may be in scope at a time. Each prefixed name looks through them.
const DECLARATIONS: usize = 256;

/// A namespace, by number. Those beyond [`Uri::XML_NAMESPACE`] are numbered as they are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Uri(u32);

impl Uri {
    /// No namespace.
    pub(super) const NONE: Self = Self(0);
    /// That of SenML.
    pub(super) const SENML: Self = Self(1);
    /// That of `xml:lang` and the like.
    pub(super) const XML_NAMESPACE: Self = Self(2);
}

/// Why a declaration is refused.
pub(super) enum Refused {
    /// It breaks a namespace constraint.
    Reserved,
    /// There are too many.
    TooMany,
}

#[derive(Debug)]
struct Open {
    /// Where its name starts among the names.
    name: usize,
    outside: Mark,
}

/// What was in scope before an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    bindings: usize,
    uris: usize,
}

#[derive(Debug)]
struct Binding {
    /// Empty: the default namespace.
    prefix: Box<str>,
    uri: Uri,
}

/// Open elements and what is declared in them.
#[derive(Debug)]
pub(super) struct Scope {
    names: String,
    open: Vec<Open>,
    bindings: Vec<Binding>,
    uris: Vec<Box<str>>,
    default: Uri,
}

impl Scope {
    pub(super) fn new() -> Self {
        Self {
            names: String::new(),
            open: Vec::new(),
            bindings: Vec::new(),
            uris: Vec::new(),
            default: Uri::NONE,
        }
    }

    /// How many elements are open.
    #[inline]
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// What is in scope now, to come back to.
    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { bindings: self.bindings.len(), uris: self.uris.len() }
    }

    /// Declares a prefix, or with an empty one the default namespace.
    pub(super) fn declare(&mut self, prefix: &str, uri: &str) -> Result<(), Refused> {
        let reserved = match prefix {
            "xmlns" => true,
            "xml" => uri != XML,
            "" => uri == XML || uri == XMLNS,
            _ => uri.is_empty() || uri == XML || uri == XMLNS,
        };
        if reserved {
            return Err(Refused::Reserved);
        }
        if self.bindings.len() >= DECLARATIONS {
            return Err(Refused::TooMany);
        }
        let uri = match uri {
            "" => Uri::NONE,
            NAMESPACE => Uri::SENML,
            XML => Uri::XML_NAMESPACE,
            _ => {
                let known = self.uris.iter().position(|known| **known == *uri);
                let place = known.unwrap_or_else(|| {
                    self.uris.push(uri.into());
                    self.uris.len() - 1
                });
                Uri(place as u32 + 3)
            }
        };
        if prefix.is_empty() {
            self.default = uri;
        }
        self.bindings.push(Binding { prefix: prefix.into(), uri });
        Ok(())
    }

    /// The namespace that elements without prefix are in.
    #[inline]
    pub(super) fn default(&self) -> Uri {
        self.default
    }

    /// The namespace of a prefix. `None`: never declared.
    pub(super) fn resolve(&self, prefix: &str) -> Option<Uri> {
        if prefix == "xml" {
            return Some(Uri::XML_NAMESPACE);
        }
        self.bindings.iter().rev().find(|binding| *binding.prefix == *prefix).map(|binding| binding.uri)
    }

    /// Opens an element, given what was in scope before its declarations.
    pub(super) fn push(&mut self, name: &str, outside: Mark) {
        self.open.push(Open { name: self.names.len(), outside });
        self.names.push_str(name);
    }

    /// Closes the innermost element. `None` when it has another name, or there is none.
    pub(super) fn pop(&mut self, name: &str) -> Option<()> {
        let open = self.open.last()?;
        if self.names.get(open.name..) != Some(name) {
            return None;
        }
        self.names.truncate(open.name);
        let outside = open.outside;
        self.open.pop();
        self.leave(outside);
        Some(())
    }

    /// Leaves an element that was never opened because it is empty.
    #[inline]
    pub(super) fn leave(&mut self, outside: Mark) {
        if self.bindings.len() > outside.bindings {
            self.bindings.truncate(outside.bindings);
            self.uris.truncate(outside.uris);
            let default = self.bindings.iter().rev().find(|binding| binding.prefix.is_empty());
            self.default = default.map_or(Uri::NONE, |binding| binding.uri);
        }
    }
}
