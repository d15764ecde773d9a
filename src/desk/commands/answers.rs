//! What was filled in, form after form, checked against what the forms asked for.

use std::collections::BTreeMap;
use std::str::FromStr;

use jid::BareJid;
use jiff::Timestamp;

use super::{texts, wrong as words};
use crate::domain::language::Language;
use crate::domain::party::{Subject, parse_bare};
use crate::domain::period::{Period, read_time};
use crate::domain::wording::{beginning, check_line};
use crate::protocol::forms::{Datatype, Field, Form, Kind, Submission, boolean};

/// The most characters of a line that are given back in a form: what is right is no longer, by any field.
const LINE_MAX: usize = 1024;

/// The most characters of what there is to choose from that are said beside a wrong choice.
const CHOICES_MAX: usize = 1000;

/// Values by the names of their fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Vec<String>>);

impl Answers {
    /// What was submitted, without a form to compare it with.
    pub fn of(submission: &Submission) -> Self {
        Answers(submission.values.clone())
    }

    /// Adds what was filled into this form; where nothing was said, what was in it: what was filled in before, if
    /// the form was shown again.
    pub fn take(&mut self, form: &Form, submission: &Submission) {
        for field in form.fields.iter().filter(|field| field.kind != Kind::Fixed) {
            match submission.values.get(&field.var) {
                Some(values) => drop(self.0.insert(field.var.clone(), values.clone())),
                None => drop(self.0.entry(field.var.clone()).or_insert_with(|| field.values.clone())),
            }
        }
    }

    /// Takes out what was filled into this form, and gives what is otherwise than the form had it: when the form
    /// is made anew, the rest is read anew. What is hidden was filled in by nobody.
    pub fn take_back(&mut self, form: &Form) -> Answers {
        let mut own = Answers::default();
        for field in form.fields.iter().filter(|field| field.kind != Kind::Fixed) {
            let Some(values) = self.0.remove(&field.var) else { continue };
            if field.kind != Kind::Hidden && !same(field.kind, &values, &field.values) {
                own.0.insert(field.var.clone(), values);
            }
        }
        own
    }

    /// Adds what was taken back before.
    pub fn put_back(&mut self, own: Answers) {
        self.0.extend(own.0);
    }

    /// Whether anything was said about one of the form's fields that people fill in.
    pub fn mention(&self, form: &Form) -> bool {
        form.fields.iter().any(|field| field.kind != Kind::Hidden && self.0.contains_key(&field.var))
    }

    /// The one value, without white space around it; none if it is empty.
    pub fn text(&self, var: &str) -> Option<&str> {
        self.list(var).next()
    }

    /// All values that are not empty.
    pub fn list(&self, var: &str) -> impl Iterator<Item = &str> {
        self.0.get(var).into_iter().flatten().map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// All lines that are not empty, where each is a name: a value of several lines is as many.
    pub fn lines_of(&self, var: &str) -> impl Iterator<Item = &str> {
        self.list(var).flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty())
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

    /// A person: an address, or a reference.
    pub fn person(&self, var: &str) -> Result<Option<Subject>, String> {
        let person: Option<Subject> = self.read(var)?;
        person.map(|person| person.check_person().map(|()| person)).transpose()
    }

    /// A bare address.
    pub fn jid(&self, var: &str) -> Result<Option<BareJid>, String> {
        self.text(var).map(parse_bare).transpose()
    }

    /// The form with these values in it, as far as they are of a length that anything may have.
    pub fn fill(&self, mut form: Form) -> Form {
        for field in &mut form.fields {
            if field.kind != Kind::Fixed
                && let Some(values) = self.0.get(&field.var)
            {
                field.values = values.iter().map(|value| shortened(value)).collect();
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
            let more = field.desc.as_ref().map_or_else(String::new, |desc| format!(" ({desc})"));
            return Err(wrong(format!("{}{more}", texts::MISSING.of(language))));
        }
        if !matches!(field.kind, Kind::JidMulti | Kind::ListMulti | Kind::TextMulti) && values.len() > 1 {
            return Err(wrong(texts::ONLY_ONE.of(language).to_owned()));
        }
        for value in values {
            match field.kind {
                Kind::Boolean if boolean(value).is_none() => {
                    return Err(wrong(texts::NO_BOOLEAN.of(language).to_owned()));
                }
                // An id is looked up by the command, which knows why it is not in the list.
                Kind::ListSingle if field.var == "id" => {}
                Kind::ListSingle | Kind::ListMulti if !field.options.iter().any(|(_, v)| v == value) => {
                    let options: Vec<&str> =
                        field.options.iter().map(|(_, value)| &**value).filter(|v| !v.is_empty()).collect();
                    let options = beginning(&options.join(", "), CHOICES_MAX);
                    let shown = beginning(value, words::SHOWN_MAX);
                    let values = [("value", &*shown), ("options", &*options)];
                    return Err(wrong(texts::NOT_IN_LIST.fill(language, &values)));
                }
                _ => {}
            }
            if field.kind == Kind::TextSingle
                && let Err(why) = check_line(value)
            {
                return Err(wrong(words::line(why).of(language).to_owned()));
            }
            match field.datatype {
                Some(Datatype::Time) => {
                    let said = |why| wrong(words::value(&field.var, value, why, language));
                    read_time(value).map(drop).map_err(said)?;
                }
                Some(Datatype::Duration) => {
                    let said = |why| wrong(words::value(&field.var, value, why, language));
                    let plain =
                        |period: &Period| period.as_str().bytes().all(|b| b"0123456789PYMWDTHS".contains(&b));
                    let whole = format!(
                        "'{value}' is not made of whole numbers and capitals; write for example P1Y, P30D or PT30M"
                    );
                    value.parse::<Period>().map_err(said)?;
                    value.parse().ok().filter(plain).map(drop).ok_or(whole).map_err(said)?;
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

/// Each line of a value, cut where it is longer than it may be: it is wrong, and answered with the form.
fn shortened(value: &str) -> String {
    let lines = value.split('\n').map(|line| beginning(line, LINE_MAX));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether two say the same: clients write `1` for `true`, and nothing for an empty text.
fn same(kind: Kind, said: &[String], held: &[String]) -> bool {
    let plain = |values: &[String]| -> Vec<String> {
        let plain = values.iter().map(|value| match boolean(value.trim()) {
            Some(yes) if kind == Kind::Boolean => yes.to_string(),
            _ => value.trim().to_owned(),
        });
        plain.filter(|value| !value.is_empty()).collect()
    };
    plain(said) == plain(held)
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

    /// What is wrong is said and given back, and not to be larger for that.
    #[test]
    fn what_is_too_long_is_not_said_again_in_full() {
        let long = "'".repeat(60_000);
        for var in ["state", "until", "kept"] {
            let mut values = vec![("until", "2027-01-01")];
            values.retain(|(other, _)| *other != var);
            values.push((var, long.as_str()));
            let answers = filled(&values);
            for language in [Language::En, Language::Fr] {
                let wrong = answers.check(&form(), language).unwrap_err();
                assert!(wrong.chars().count() < 500, "{wrong}");
            }
            let given_back = answers.fill(form());
            assert_eq!(given_back.field(var).unwrap().values[0].chars().count(), LINE_MAX + 1);
        }
        let lines = format!("{}\n{}", "a".repeat(1000), "b".repeat(2000));
        assert_eq!(shortened(&lines), format!("{}\n{}…", "a".repeat(1000), "b".repeat(1024)));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_label() {
        for (values, word) in [
            (&[("state", "a")][..], "Until: "),
            (&[("until", "tomorrow")], "Until: 'tomorrow'"),
            (&[("until", "2027-01-01"), ("state", "c")], "State: 'c'"),
            (&[("until", "2027-01-01"), ("kept", "1 year")], "Kept: '1 year'"),
            (&[("until", "2027-01-01"), ("kept", "PT0.5H")], "Kept: 'PT0.5H' is not made of whole"),
            (&[("until", "2027-01-01"), ("onward", "maybe")], "Onward: "),
            (&[("until", "2027-01-01"), ("max", "101")], "Max: "),
        ] {
            let wrong = filled(values).check(&form(), Language::En).unwrap_err();
            assert!(wrong.starts_with(word), "{wrong}");
        }
    }
}
