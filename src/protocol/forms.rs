//! Data forms (XEP-0004), their types (XEP-0068) and validation (XEP-0122), as values, read and written.

use std::collections::BTreeMap;

use minidom::Element;

use super::ns;
use super::text::{attribute, escape, raw};

/// The most bytes that are taken out of one submitted form.
pub const SUBMISSION_MAX: usize = 64 * 1024;

/// The most values that are taken out of one submitted form.
pub const VALUES_MAX: usize = 2048;

/// Kinds of fields (XEP-0004 §3.3), those used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Boolean,
    /// A text between fields.
    Fixed,
    /// Comes back as it went.
    Hidden,
    /// One address.
    JidSingle,
    /// Several addresses.
    JidMulti,
    /// Several of a list.
    ListMulti,
    /// One of a list.
    ListSingle,
    /// Lines.
    TextMulti,
    /// One line.
    TextSingle,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Boolean => "boolean",
            Kind::Fixed => "fixed",
            Kind::Hidden => "hidden",
            Kind::JidSingle => "jid-single",
            Kind::JidMulti => "jid-multi",
            Kind::ListMulti => "list-multi",
            Kind::ListSingle => "list-single",
            Kind::TextMulti => "text-multi",
            Kind::TextSingle => "text-single",
        }
    }
}

/// What a value must be like (XEP-0122); clients may not check, so it is checked here again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    /// `xs:dateTime`, and a date alone is taken too.
    Time,
    /// An ISO 8601 duration.
    Duration,
    /// A whole number in this range.
    Integer(u32, u32),
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub var: String,
    /// Its kind.
    pub kind: Kind,
    /// What people read.
    pub label: String,
    /// More of that.
    pub desc: Option<String>,
    /// Whether it must be filled in.
    pub required: bool,
    /// What it must be like.
    pub datatype: Option<Datatype>,
    /// What is in it.
    pub values: Vec<String>,
    /// What may be chosen: label and value.
    pub options: Vec<(String, String)>,
}

impl Field {
    /// An empty field.
    pub fn new(kind: Kind, var: impl Into<String>, label: impl Into<String>) -> Self {
        Field {
            var: var.into(),
            kind,
            label: label.into(),
            desc: None,
            required: false,
            datatype: None,
            values: Vec::new(),
            options: Vec::new(),
        }
    }

    /// With this in it.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.values = vec![value.into()];
        self
    }

    /// With these in it.
    pub fn values(mut self, values: impl IntoIterator<Item = String>) -> Self {
        self.values = values.into_iter().collect();
        self
    }

    /// To be filled in.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// With something to read about it.
    pub fn desc(mut self, desc: impl Into<String>) -> Self {
        self.desc = Some(desc.into());
        self
    }

    /// Of this type.
    pub fn datatype(mut self, datatype: Datatype) -> Self {
        self.datatype = Some(datatype);
        self
    }

    /// With these to choose from: label and value.
    pub fn options(mut self, options: impl IntoIterator<Item = (String, String)>) -> Self {
        self.options = options.into_iter().collect();
        self
    }

    fn write(&self, out: &mut Vec<u8>) {
        raw(out, "<field");
        if self.kind != Kind::Fixed {
            attribute(out, "var", &self.var);
        }
        attribute(out, "type", self.kind.as_str());
        if !self.label.is_empty() {
            attribute(out, "label", &self.label);
        }
        raw(out, ">");
        if let Some(desc) = &self.desc {
            element(out, "desc", desc);
        }
        if self.required {
            raw(out, "<required/>");
        }
        if let Some(datatype) = self.datatype {
            validate(out, datatype);
        }
        for value in &self.values {
            element(out, "value", value);
        }
        for (label, value) in &self.options {
            raw(out, "<option");
            attribute(out, "label", label);
            raw(out, ">");
            element(out, "value", value);
            raw(out, "</option>");
        }
        raw(out, "</field>");
    }
}

fn validate(out: &mut Vec<u8>, datatype: Datatype) {
    raw(out, "<validate xmlns='");
    raw(out, ns::VALIDATE);
    raw(out, "' datatype='");
    match datatype {
        Datatype::Time => raw(out, "xs:dateTime'><basic/>"),
        Datatype::Duration => raw(
            out,
            "xs:string'><regex>P(\\d+Y)?(\\d+M)?(\\d+W)?(\\d+D)?(T(\\d+H)?(\\d+M)?(\\d+S)?)?</regex>",
        ),
        Datatype::Integer(min, max) => {
            raw(out, "xs:integer'><range");
            attribute(out, "min", &min.to_string());
            attribute(out, "max", &max.to_string());
            raw(out, "/>");
        }
    }
    raw(out, "</validate>");
}

/// A form to be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// Its FORM_TYPE; none where the command before this one had none.
    pub form_type: Option<String>,
    /// Its title.
    pub title: String,
    /// What to do with it: lines, as an element of `instructions` holds no line end.
    pub instructions: Vec<String>,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Form {
    /// Appends the form.
    pub fn write(&self, out: &mut Vec<u8>) {
        start(out, "form", &self.title, &self.instructions);
        if let Some(form_type) = &self.form_type {
            Field::new(Kind::Hidden, "FORM_TYPE", "").value(form_type).write(out);
        }
        self.fields.iter().for_each(|field| field.write(out));
        raw(out, "</x>");
    }

    /// The field of this name.
    pub fn field(&self, var: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.var == var && field.kind != Kind::Fixed)
    }
}

/// Results as people read them: one record, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What it is.
    pub title: String,
    /// Name, label and values of each field.
    pub fields: Vec<(String, String, Vec<String>)>,
}

impl Record {
    /// Appends the result.
    pub fn write(&self, out: &mut Vec<u8>) {
        start(out, "result", &self.title, &[]);
        for (var, label, values) in &self.fields {
            let kind = if values.len() > 1 { Kind::TextMulti } else { Kind::TextSingle };
            Field::new(kind, var.as_str(), label.as_str()).values(values.iter().cloned()).write(out);
        }
        raw(out, "</x>");
    }
}

/// Results as a table (XEP-0004 §3.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// What it is.
    pub title: String,
    /// Name and label of each column.
    pub columns: Vec<(String, String)>,
    /// As many texts as columns in each row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Takes out the column that says the same in every row, where that is this text.
    pub fn drop_column_of(&mut self, text: &str) {
        let same =
            |index: usize| self.rows.iter().all(|row| row.get(index).is_some_and(|value| value == text));
        if self.rows.is_empty() {
            return;
        }
        if let Some(index) = (0..self.columns.len()).find(|index| same(*index)) {
            self.columns.remove(index);
            self.rows.iter_mut().for_each(|row| drop(row.remove(index)));
        }
    }

    /// Appends the table.
    pub fn write(&self, out: &mut Vec<u8>) {
        start(out, "result", &self.title, &[]);
        raw(out, "<reported>");
        for (var, label) in &self.columns {
            raw(out, "<field");
            attribute(out, "var", var);
            attribute(out, "type", "text-single");
            attribute(out, "label", label);
            raw(out, "/>");
        }
        raw(out, "</reported>");
        for row in &self.rows {
            raw(out, "<item>");
            for ((var, _), value) in self.columns.iter().zip(row) {
                raw(out, "<field");
                attribute(out, "var", var);
                raw(out, ">");
                element(out, "value", value);
                raw(out, "</field>");
            }
            raw(out, "</item>");
        }
        raw(out, "</x>");
    }
}

fn start(out: &mut Vec<u8>, kind: &str, title: &str, instructions: &[String]) {
    raw(out, "<x xmlns='");
    raw(out, ns::DATA_FORMS);
    raw(out, "' type='");
    raw(out, kind);
    raw(out, "'>");
    if !title.is_empty() {
        element(out, "title", title);
    }
    for line in instructions {
        element(out, "instructions", line);
    }
}

fn element(out: &mut Vec<u8>, name: &str, text: &str) {
    raw(out, "<");
    raw(out, name);
    raw(out, ">");
    escape(out, text);
    raw(out, "</");
    raw(out, name);
    raw(out, ">");
}

/// What somebody filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submission {
    /// `submit`, `cancel`, …
    pub kind: String,
    /// Its FORM_TYPE, if it has one.
    pub form_type: Option<String>,
    /// Values by the names of their fields, in order.
    pub values: BTreeMap<String, Vec<String>>,
}

impl Submission {
    /// Whether somebody wants none of it (XEP-0004 §3).
    pub fn is_canceled(&self) -> bool {
        self.kind == "cancel"
    }

    /// Reads `<x xmlns='jabber:x:data'/>`. `None` if it is longer than anybody fills in.
    pub fn read(x: &Element) -> Option<Self> {
        let mut submission =
            Submission { kind: x.attr("type").unwrap_or("submit").to_owned(), ..Submission::default() };
        let (mut bytes, mut count) = (0, 0);
        for field in x.children().filter(|child| child.is("field", ns::DATA_FORMS)) {
            let Some(var) = field.attr("var") else { continue };
            let values: Vec<String> = field
                .children()
                .filter(|child| child.is("value", ns::DATA_FORMS))
                .map(Element::text)
                .collect();
            bytes += var.len() + values.iter().map(String::len).sum::<usize>();
            count += 1 + values.len();
            if bytes > SUBMISSION_MAX || count > VALUES_MAX {
                return None;
            }
            if var == "FORM_TYPE" {
                submission.form_type = submission.form_type.or(values.into_iter().next());
            } else {
                // A field that is there twice has the values of both: too many, where it holds one.
                submission.values.entry(var.to_owned()).or_default().extend(values);
            }
        }
        Some(submission)
    }
}

/// Reads a boolean (XEP-0004 §3.3).
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_goes_out_and_what_was_filled_in_comes_back() {
        let form = Form {
            form_type: Some("urn:x".into()),
            title: "T <1>".into(),
            instructions: vec!["Do.".into()],
            fields: vec![
                Field::new(Kind::ListSingle, "state", "State")
                    .options([("active".into(), "a".into())])
                    .value("a")
                    .required(),
                Field::new(Kind::TextSingle, "retention", "Kept").datatype(Datatype::Duration),
            ],
        };
        let mut out = Vec::new();
        form.write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<x xmlns='jabber:x:data' type='form'><title>T &lt;1&gt;</title><instructions>Do.</instructions>\
             <field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>\
             <field var='state' type='list-single' label='State'><required/><value>a</value>\
             <option label='active'><value>a</value></option></field>\
             <field var='retention' type='text-single' label='Kept'>\
             <validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'>\
             <regex>P(\\d+Y)?(\\d+M)?(\\d+W)?(\\d+D)?(T(\\d+H)?(\\d+M)?(\\d+S)?)?</regex></validate></field></x>"
        );
        let filled: Element = "<x xmlns='jabber:x:data' type='submit'><title>ignored</title>\
             <field var='FORM_TYPE'><value>urn:x</value></field><field var='scope' type='text-multi'>\
             <value>a</value><value>b</value></field><field><value>lost</value></field></x>"
            .parse()
            .unwrap();
        let submission = Submission::read(&filled).unwrap();
        assert_eq!((&*submission.kind, submission.form_type.as_deref()), ("submit", Some("urn:x")));
        assert_eq!(submission.values.get("scope").unwrap(), &["a", "b"]);
        assert_eq!(submission.values.len(), 1);
    }

    #[test]
    fn nobody_fills_in_a_megabyte() {
        let long = format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='a'><value>{}</value></field></x>",
            "x".repeat(SUBMISSION_MAX)
        );
        assert_eq!(Submission::read(&long.parse().unwrap()), None);
        let many = format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='a'>{}</field></x>",
            "<value/>".repeat(VALUES_MAX)
        );
        assert_eq!(Submission::read(&many.parse().unwrap()), None);
    }

    #[test]
    fn a_table_has_its_columns_first() {
        let table = Table {
            title: String::new(),
            columns: vec![("id".into(), "Id".into())],
            rows: vec![vec!["1".into()], vec!["2".into()]],
        };
        let mut out = Vec::new();
        table.write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<x xmlns='jabber:x:data' type='result'><reported><field var='id' type='text-single' label='Id'/></reported>\
             <item><field var='id'><value>1</value></field></item><item><field var='id'><value>2</value></field></item></x>"
        );
    }
}
