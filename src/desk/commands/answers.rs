//! What was filled in, form after form, checked against what the forms asked for.

use std::collections::BTreeMap;
use std::str::FromStr;

use jid::BareJid;
use jiff::Timestamp;

use super::{texts, wrong as words};
use crate::domain::language::Language;
use crate::domain::party::parse_bare;
use crate::domain::period::{Period, read_time};
use crate::protocol::forms::{Datatype, Field, Form, Kind, Submission, boolean};

/// Values by the names of their fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Vec<String>>);

impl Answers {
    /// What was submitted, without a form to compare it with.
    pub fn of(submission: &Submission) -> Self {
        Answers(submission.values.clone())
    }

    /// Adds what was filled into this form; where nothing was said, what was in it.
    pub fn take(&mut self, form: &Form, submission: &Submission) {
        for field in form.fields.iter().filter(|field| field.kind != Kind::Fixed) {
            let values = submission.values.get(&field.var).unwrap_or(&field.values);
            self.0.insert(field.var.clone(), values.clone());
        }
    }

    /// Whether anything was said about one of the form's fields that people fill in.
    pub fn mention(&self, form: &Form) -> bool {
        form.fields.iter().any(|field| field.kind != Kind::Hidden && self.0.contains_key(&field.var))
    }

    /// The one value, without white space around it; none if it is empty.
    pub fn text(&self, var: &str) -> Option<&str> {
        self.0.get(var)?.first().map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// All values that are not empty.
    pub fn list(&self, var: &str) -> impl Iterator<Item = &str> {
        self.0.get(var).into_iter().flatten().map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Lines that belong together.
    pub fn lines(&self, var: &str) -> Option<String> {
        let lines: Vec<&str> = self.0.get(var)?.iter().map(String::as_str).collect();
        let text = lines.join("\n").trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// A boolean; no where nothing is said.
    pub fn flag(&self, var: &str) -> bool {
        self.text(var).and_then(boolean).unwrap_or(false)
    }

    /// Whether the field was there at all.
    pub fn has(&self, var: &str) -> bool {
        self.0.contains_key(var)
    }

    /// The value as something else, if there is one.
    pub fn read<T: FromStr>(&self, var: &str) -> Result<Option<T>, String>
    where
        T::Err: ToString,
    {
        self.text(var).map(|text| text.parse().map_err(|e: T::Err| e.to_string())).transpose()
    }

    /// A point in time.
    pub fn time(&self, var: &str) -> Result<Option<Timestamp>, String> {
        self.text(var).map(read_time).transpose()
    }

    /// A bare address.
    pub fn jid(&self, var: &str) -> Result<Option<BareJid>, String> {
        self.text(var).map(parse_bare).transpose()
    }

    /// The form with these values in it.
    pub fn fill(&self, mut form: Form) -> Form {
        for field in &mut form.fields {
            if field.kind != Kind::Fixed
                && let Some(values) = self.0.get(&field.var)
            {
                field.values.clone_from(values);
            }
        }
        form
    }

    /// What is wrong with the values of this form: what clients ought to have seen.
    pub fn check(&self, form: &Form, language: Language) -> Result<(), String> {
        form.fields.iter().try_for_each(|field| self.check_field(field, language))
    }

    fn check_field(&self, field: &Field, language: Language) -> Result<(), String> {
        let label = if field.label.is_empty() { &field.var } else { &field.label };
        let wrong = |why: String| texts::labelled(label, &why, language);
        let values: Vec<&str> = self.list(&field.var).collect();
        if field.required && values.is_empty() {
            return Err(wrong(texts::MISSING.of(language).to_owned()));
        }
        if !matches!(field.kind, Kind::JidMulti | Kind::ListMulti | Kind::TextMulti) && values.len() > 1 {
            return Err(wrong(texts::ONLY_ONE.of(language).to_owned()));
        }
        for value in values {
            match field.kind {
                Kind::Boolean if boolean(value).is_none() => {
                    return Err(wrong(texts::NO_BOOLEAN.of(language).to_owned()));
                }
                Kind::ListSingle | Kind::ListMulti if !field.options.iter().any(|(_, v)| v == value) => {
                    return Err(wrong(texts::NOT_IN_LIST.fill(language, &[("value", value)])));
                }
                _ => {}
            }
            match field.datatype {
                Some(Datatype::Time) => {
                    let said = |why| wrong(words::value(&field.var, value, why, language));
                    read_time(value).map(drop).map_err(said)?;
                }
                Some(Datatype::Duration) => {
                    let said = |why| wrong(words::value(&field.var, value, why, language));
                    value.parse::<Period>().map(drop).map_err(said)?;
                }
                Some(Datatype::Integer(min, max)) => match value.parse::<u32>() {
                    Ok(number) if (min..=max).contains(&number) => {}
                    _ => {
                        let (min, max) = (min.to_string(), max.to_string());
                        let range = [("min", &*min), ("max", &*max)];
                        return Err(wrong(texts::NOT_IN_RANGE.fill(language, &range)));
                    }
                },
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let choice = |v: &str| (v.to_uppercase(), v.to_owned());
        Form {
            fields: vec![
                Field::new(Kind::ListSingle, "state", "State").options(["a", "b"].map(choice)).value("a"),
                Field::new(Kind::TextSingle, "until", "Until").datatype(Datatype::Time).required(),
                Field::new(Kind::TextSingle, "kept", "Kept").datatype(Datatype::Duration).value("P1Y"),
                Field::new(Kind::Boolean, "onward", "Onward"),
                Field::new(Kind::TextSingle, "max", "Max").datatype(Datatype::Integer(1, 100)),
            ],
            ..Form::default()
        }
    }

    fn filled(values: &[(&str, &str)]) -> Answers {
        let values = values.iter().map(|(var, value)| ((*var).to_owned(), vec![(*value).to_owned()]));
        let mut answers = Answers::default();
        answers.take(&form(), &Submission { values: values.collect(), ..Submission::default() });
        answers
    }

    #[test]
    fn what_is_left_out_keeps_its_value_and_what_is_emptied_is_empty() {
        let answers = filled(&[("until", " 2027-01-01 "), ("kept", ""), ("unknown", "x")]);
        answers.check(&form(), Language::En).unwrap();
        assert_eq!((answers.text("state"), answers.text("kept")), (Some("a"), None));
        assert_eq!(answers.time("until").unwrap().unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert!(!answers.flag("onward") && !answers.has("unknown"));
        assert_eq!(answers.fill(form()).fields[2].values, [""]);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_label() {
        for (values, word) in [
            (&[("state", "a")][..], "Until: "),
            (&[("until", "tomorrow")], "Until: 'tomorrow'"),
            (&[("until", "2027-01-01"), ("state", "c")], "State: 'c'"),
            (&[("until", "2027-01-01"), ("kept", "1 year")], "Kept: '1 year'"),
            (&[("until", "2027-01-01"), ("onward", "maybe")], "Onward: "),
            (&[("until", "2027-01-01"), ("max", "101")], "Max: "),
        ] {
            let wrong = filled(values).check(&form(), Language::En).unwrap_err();
            assert!(wrong.starts_with(word), "{wrong}");
        }
    }
}
