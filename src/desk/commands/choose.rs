//! Choosing a consent: from a list where it is short, by its id where it is long.

use uuid::Uuid;

use super::listing::CHOICES;
use super::{Call, Failure, texts, views};
use crate::desk::asking;
use crate::domain::consent::{Consent, State};
use crate::protocol::forms::{Field, Kind};
use crate::store::StoreError;
use crate::store::consents::{Filter, Part};

/// From which consents.
#[derive(Debug, Clone)]
pub(super) struct Among {
    /// Of this person, or for this recipient, or all.
    pub(super) filter: Filter,
    /// Standing so; any state if none is named.
    pub(super) states: &'static [State],
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

    /// All of them, but no more than can be listed.
    pub(super) async fn consents(&self, call: &Call<'_>) -> Result<Option<Vec<Consent>>, StoreError> {
        let standing = !self.states.is_empty() && self.states.iter().all(|state| !state.is_end());
        let filter = Filter { standing, ..self.filter.clone() };
        let part = Part { max: CHOICES + 1, ..Part::default() };
        let (found, _, total) = call.context.store.part_of_consents(&filter, &part).await?;
        Ok((total <= CHOICES).then(|| found.into_iter().filter(|consent| self.fits(consent)).collect()))
    }

    /// The field to choose by; `None` if there is nothing to choose from.
    pub(super) async fn field(&self, call: &Call<'_>) -> Result<Option<Field>, StoreError> {
        let label = texts::CONSENT.of(call.language);
        let consents = self.consents(call).await?;
        // Who names one in one step is told why it is not to be chosen.
        let none = consents.as_ref().is_some_and(Vec::is_empty);
        if none && !call.in_one_step {
            return Ok(None);
        }
        Ok(match consents.filter(|_| !none) {
            Some(mut consents) => {
                // Who asks learns nothing of the person asked by looking at what to take back.
                if self.filter.recipient.is_some() {
                    consents.iter_mut().for_each(asking::veil);
                }
                let with_subject = self.filter.subject.is_none();
                let options = consents.iter().map(|c| views::choice(c, call.language, with_subject));
                Some(Field::new(Kind::ListSingle, "id", label).options(options).required())
            }
            None => Some(
                Field::new(Kind::TextSingle, "id", texts::label("id").of(call.language))
                    .desc(texts::ID_DESC.fill(call.language, &[("list", self.list())]))
                    .required(),
            ),
        })
    }

    /// The one that was chosen. What is not among them does not exist for the asker.
    pub(super) async fn chosen(&self, call: &Call<'_>) -> Result<Consent, Failure> {
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
