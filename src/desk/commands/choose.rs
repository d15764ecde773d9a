//! Choosing a consent: from a list where it is short; where it is long, by what it says and part by part. Programs
//! name its id.

use std::ops::ControlFlow;

use uuid::Uuid;

use super::engine::form;
use super::listing::{self, CHOICES};
use super::{Call, Failure, Turn, texts, views};
use crate::desk::asking;
use crate::domain::consent::{Consent, State};
use crate::domain::language::Text;
use crate::protocol::forms::{Field, Form, Kind};
use crate::store::consents::{Filter, Part, Saying};

/// What stands in a list in place of those that come after this id.
pub(super) const AFTER: &str = "after:";

/// What stands for all of them.
pub(super) const ALL: &str = "*";

/// Forms after which a list is not gone on with: each is kept, to go back to.
const PARTS_MAX: usize = 32;

/// From which consents.
#[derive(Debug, Clone)]
pub(super) struct Among {
    /// Of this person, or for this recipient, or all.
    pub(super) filter: Filter,
    /// Standing so; any state if none is named.
    pub(super) states: &'static [State],
}

/// The fields by which one is looked for, and those of a consent that they look into: not of the same names, since
/// what is filled in here changes nothing.
pub(super) const FIND: [(&str, &str); 3] =
    [("find_subject", "subject"), ("find_recipient", "recipient"), ("find_scope", "scope")];

/// Where the part of the list begins that was asked for, if it was another than the first. After so many forms none
/// is offered, and what is not offered is no choice: the same part could be asked for without end.
pub(super) fn after(call: &Call<'_>) -> Option<Uuid> {
    if call.turn > PARTS_MAX {
        return None;
    }
    call.answers.text("id")?.strip_prefix(AFTER)?.parse().ok()
}

/// A part of a list, up to place `end` of `total` or as far as it goes into a form, and how to see the next one;
/// whether it is the last.
pub(super) fn list_of(
    call: &Call<'_>,
    label: Text,
    mut options: Vec<(String, String)>,
    end: usize,
    total: usize,
) -> (Field, bool) {
    let all = options.len();
    listing::fit(&mut options);
    let end = end - (all - options.len());
    let shown = options.last().filter(|_| end < total && call.turn < PARTS_MAX).map(|(_, id)| id.clone());
    let is_last = shown.is_none();
    if let Some(id) = shown {
        let (to, of) = (end.to_string(), total.to_string());
        let label = texts::FURTHER.fill(call.language, &[("to", &to), ("of", &of)]);
        options.push((label, format!("{AFTER}{id}")));
    }
    let field = Field::new(Kind::ListSingle, "id", label.of(call.language)).options(options).required();
    (field, is_last)
}

/// What comes of looking for one.
#[derive(Debug)]
pub(super) enum Choice {
    /// There is none.
    Nothing,
    /// Too many: what does it say?
    Narrow(Form),
    /// One of these; `last` if no others follow.
    List { field: Field, last: bool },
    /// This one.
    Made(Box<Consent>),
}

impl Choice {
    /// Offers all of them as a choice too, where there are several and all are shown: among those that were looked for
    /// it would say something else. `optional`: something else may be filled in instead.
    pub(super) fn offer_all(&mut self, call: &Call<'_>, optional: bool) {
        let fields = match self {
            Choice::List { field, .. } => std::slice::from_mut(field),
            Choice::Narrow(form) => form.fields.as_mut_slice(),
            Choice::Nothing | Choice::Made(_) => return,
        };
        let all = texts::ALL_OF_THEM.of(call.language);
        for field in fields.iter_mut().filter(|field| field.var == "id") {
            field.required &= !optional;
            if field.options.len() > 1 && call.turn == 0 {
                field.options.insert(0, (all.to_owned(), ALL.to_owned()));
            } else if let Some(desc) = &mut field.desc {
                desc.push_str(&texts::OR_ALL.fill(call.language, &[("all", all)]));
            }
        }
    }

    /// As a form of this title, whose list has these other fields beside it; or the one.
    pub(super) fn ask(
        self,
        call: &Call<'_>,
        title: Text,
        how: Option<Text>,
        beside: impl FnOnce() -> Vec<Field>,
    ) -> ControlFlow<Turn, Box<Consent>> {
        let title = title.of(call.language);
        match self {
            Choice::Nothing => ControlFlow::Break(Turn::said(texts::NO_CONSENT.of(call.language))),
            Choice::Narrow(mut form) => {
                title.clone_into(&mut form.title);
                form.fields.extend(beside());
                ControlFlow::Break(Turn::next(form))
            }
            Choice::List { field, last } => {
                let mut form = form(title, how.map_or("", |how| how.of(call.language)));
                form.fields.push(field);
                form.fields.extend(beside());
                ControlFlow::Break(Turn::Ask { form, last, notes: Vec::new() })
            }
            Choice::Made(consent) => ControlFlow::Continue(consent),
        }
    }
}

impl Among {
    /// All there are: for operators.
    pub(super) fn all(states: &'static [State]) -> Self {
        Among { filter: Filter::default(), states }
    }

    /// What the asker gives as the person concerned.
    pub(super) fn given_by(call: &Call<'_>, states: &'static [State]) -> Self {
        let subject = Some(crate::domain::party::Subject::Jid(call.asker.clone()));
        Among { filter: Filter { subject, ..Filter::default() }, states }
    }

    /// What the asker has as the recipient.
    pub(super) fn held_by(call: &Call<'_>, states: &'static [State]) -> Self {
        let recipient = Some(call.asker.to_string());
        Among { filter: Filter { recipient, ..Filter::default() }, states }
    }

    fn fits(&self, consent: &Consent) -> bool {
        (self.states.is_empty() || self.states.contains(&consent.state))
            && self.filter.subject.as_ref().is_none_or(|subject| *subject == consent.subject)
            && self.filter.recipient.as_ref().is_none_or(|recipient| recipient == consent.recipient.as_str())
    }

    /// What is to be filled in next, or the one that was chosen. Where there are too many for a list, it is first
    /// asked what the one that is meant says; and what is still too long is gone through part by part.
    pub(super) async fn choice(&self, call: &Call<'_>) -> Result<Choice, Failure> {
        let store = &call.context.store;
        let after = after(call);
        if call.answers.text("id").is_some() && after.is_none() {
            return Ok(Choice::Made(Box::new(self.chosen(call).await?)));
        }
        let text = |(var, _)| call.answers.text(var).map(str::to_owned);
        let [subject, recipient, scope] = FIND.map(text);
        let saying = Saying { subject, recipient, scope };
        let filter = Filter { states: self.states, saying, ..self.filter.clone() };
        let part = Part { after, max: CHOICES, ..Part::default() };
        let (mut found, index, total) = store.part_of_consents(&filter, &part).await?;
        let end = index + found.len();
        if call.turn == 0 {
            match (total, call.in_one_step) {
                (0, false) => return Ok(Choice::Nothing),
                // Who names one in one step is told why it is not to be chosen.
                (0, true) => return Ok(Choice::List { field: self.id(call).required(), last: true }),
                (1..=CHOICES, _) => {}
                _ => return Ok(Choice::Narrow(self.narrow(call, total))),
            }
        }
        if found.is_empty() {
            return Err(Failure::Wrong(texts::NONE_SAYS_SO.of(call.language).to_owned()));
        }
        // Who asks learns nothing of the person asked by looking at what to take back.
        if self.filter.recipient.is_some() {
            found.iter_mut().for_each(asking::veil);
        }
        let with_subject = self.filter.subject.is_none();
        let options = found.iter().map(|c| views::choice(c, call.language, with_subject)).collect();
        let (field, last) = list_of(call, texts::CONSENT, options, end, total);
        Ok(Choice::List { field, last })
    }

    /// The field of who knows the id.
    fn id(&self, call: &Call<'_>) -> Field {
        Field::new(Kind::TextSingle, "id", texts::label("id").of(call.language))
            .desc(texts::ID_DESC.fill(call.language, &[("list", self.list())]))
    }

    /// What the one that is meant says. A recipient is not asked whose it is: that would tell who was asked.
    fn narrow(&self, call: &Call<'_>, total: usize) -> Form {
        let how = texts::TOO_MANY_TO_LIST.fill(call.language, &[("of", &total.to_string())]);
        let mut form = form("", how);
        let asked = [
            self.filter.subject.is_none() && self.filter.recipient.is_none(),
            self.filter.recipient.is_none(),
            true,
        ];
        for ((var, of), _) in FIND.into_iter().zip(asked).filter(|(_, asked)| *asked) {
            form.fields.push(Field::new(Kind::TextSingle, var, texts::label(of).of(call.language)));
        }
        form.fields.push(self.id(call));
        form
    }

    /// The one that was chosen. What is not among them does not exist for the asker.
    async fn chosen(&self, call: &Call<'_>) -> Result<Consent, Failure> {
        let id = call.answers.text("id").and_then(|id| Uuid::parse_str(id).ok());
        let found = match id {
            Some(id) => call.context.store.consent(id).await?,
            None => None,
        };
        match found {
            Some(consent) if self.fits(&consent) => Ok(consent),
            // Theirs, but it stands otherwise.
            Some(consent) if (Among { states: &[], ..self.clone() }).fits(&consent) => {
                let state = texts::state(consent.state).of(call.language);
                Err(Failure::Wrong(texts::stands(consent.state).fill(call.language, &[("state", state)])))
            }
            _ => {
                let values = [("list", self.list())];
                Err(Failure::Wrong(texts::NO_SUCH_CONSENT.fill(call.language, &values)))
            }
        }
    }

    /// The command that lists those that are meant, with their ids.
    fn list(&self) -> &'static str {
        match (&self.filter.subject, &self.filter.recipient) {
            (Some(_), _) => "my-consents",
            (None, Some(_)) => "my-access",
            (None, None) => "consent-list",
        }
    }
}
