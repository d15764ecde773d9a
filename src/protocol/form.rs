//! Data forms (XEP-0004) as pubsub needs them: few fields, machine-readable, one FORM_TYPE (XEP-0068).

use std::collections::BTreeMap;

use minidom::Element;

use super::ns;
use super::text::{attribute, escape, raw};

/// The most fields of a form that are read.
const FIELDS_MAX: usize = 256;

/// A field to be shown.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// Its name.
    pub var: &'a str,
    /// Its type: `text-single`, `boolean`, `list-single`, `jid-multi`, …
    pub type_: &'a str,
    /// For people.
    pub label: &'a str,
    /// What it holds.
    pub values: Vec<String>,
    /// What may be chosen.
    pub options: &'a [&'a str],
}

impl<'a> Field<'a> {
    /// A field of one value; empty ones are left out.
    pub fn new(var: &'a str, type_: &'a str, label: &'a str, value: impl Into<String>) -> Self {
        let value = value.into();
        let values = if value.is_empty() { Vec::new() } else { vec![value] };
        Field { var, type_, label, values, options: &[] }
    }

    /// A yes or no.
    pub fn boolean(var: &'a str, label: &'a str, value: bool) -> Self {
        Self::new(var, "boolean", label, if value { "1" } else { "0" })
    }

    /// One of several.
    pub fn list(var: &'a str, label: &'a str, value: &str, options: &'a [&'a str]) -> Self {
        Field { options, ..Self::new(var, "list-single", label, value) }
    }
}

/// Appends a form of this type (`form`, `result`, `submit`).
pub fn write(out: &mut Vec<u8>, type_: &str, form_type: &str, fields: &[Field<'_>]) {
    raw(out, "<x xmlns='");
    raw(out, ns::DATA_FORMS);
    raw(out, "'");
    attribute(out, "type", type_);
    raw(out, "><field var='FORM_TYPE' type='hidden'><value>");
    escape(out, form_type);
    raw(out, "</value></field>");
    for field in fields {
        raw(out, "<field");
        attribute(out, "var", field.var);
        if type_ != "submit" {
            attribute(out, "type", field.type_);
            attribute(out, "label", field.label);
        }
        raw(out, ">");
        for value in &field.values {
            raw(out, "<value>");
            escape(out, value);
            raw(out, "</value>");
        }
        if type_ == "form" {
            for option in field.options {
                raw(out, "<option");
                attribute(out, "label", option);
                raw(out, "><value>");
                escape(out, option);
                raw(out, "</value></option>");
            }
        }
        raw(out, "</field>");
    }
    raw(out, "</x>");
}

/// What was filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// `submit`, `cancel`, …
    pub type_: String,
    fields: BTreeMap<String, Vec<String>>,
}

impl Submitted {
    /// Reads the form that is a child of `parent`, if there is one.
    pub fn within(parent: &Element) -> Option<Self> {
        parent.get_child("x", ns::DATA_FORMS).map(Self::read)
    }

    /// Reads an `<x/>`.
    pub fn read(x: &Element) -> Self {
        let mut fields = BTreeMap::new();
        for field in x.children().filter(|c| c.is("field", ns::DATA_FORMS)).take(FIELDS_MAX) {
            let values = field.children().filter(|c| c.is("value", ns::DATA_FORMS)).map(Element::text);
            if let Some(var) = field.attr("var") {
                fields.entry(var.to_owned()).or_insert_with(|| values.collect());
            }
        }
        Submitted { type_: x.attr("type").unwrap_or_default().to_owned(), fields }
    }

    /// The form's type, as it says itself.
    pub fn form_type(&self) -> Option<&str> {
        self.one("FORM_TYPE")
    }

    /// What was filled in, whatever it says.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// The only value of a field; the first, if there are more.
    pub fn one(&self, var: &str) -> Option<&str> {
        self.fields.get(var)?.first().map(|value| value.trim())
    }

    /// All values of a field; none if it is not there.
    pub fn all(&self, var: &str) -> &[String] {
        self.fields.get(var).map_or(&[], Vec::as_slice)
    }

    /// A yes or no; an error if it is something else.
    pub fn boolean(&self, var: &str) -> Result<Option<bool>, String> {
        match self.one(var) {
            None => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(other) => {
                Err(format!("{var} is 1 or 0, not '{}'", other.chars().take(50).collect::<String>()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        let fields = [Field::boolean("a", "A", true), Field::list("b", "B", "x", &["x", "y"])];
        write(&mut out, "form", "urn:test", &fields);
        let element: Element = String::from_utf8(out).unwrap().parse().unwrap();
        let read = Submitted::read(&element);
        assert_eq!(read.form_type(), Some("urn:test"));
        assert_eq!((read.boolean("a"), read.one("b"), read.one("c")), (Ok(Some(true)), Some("x"), None));
        assert!(read.boolean("b").is_err());
    }
}
