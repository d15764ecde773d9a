//! Quoalise (`urn:quoalise:0`): what existing clients ask for by ad-hoc commands, answered as they read it.
//!
//! - `history`: the command `get_history`; `span`: the time it is about; `answer`: how it is answered.
//! - `pull`: what of it is passed on to the source that keeps a series itself.
//! - `subscribe`: the commands `subscribe` and `unsubscribe`.
//! - `identifier`: what an identifier means.
//!
//! Errors have the conditions that those clients know: `not-authorized` names what was asked for,
//! `bad-request` says what to write instead.

mod answer;
mod history;
mod identifier;
mod pull;
mod reduced;
mod span;
mod subscribe;

pub use history::GetHistory;
pub use subscribe::{Subscribe, Unsubscribe};

use self::identifier::Identifier;
use crate::desk::commands::{Call, Failure, engine, wrong as words};
use crate::desk::pubsub::discovery;
use crate::domain::language::{Language, Text, text};
use crate::protocol::adhoc;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::forms::{Field, Form, Kind};

const IDENTIFIER: Text = text("Identifier of the series", "Identifiant de la série");
const IDENTIFIER_DESC: Text = text(
    "Such as urn:dev:prm:30001610071843_consumption/power/active/raw; all below it with it, or a beginning and *",
    "Par exemple urn:dev:prm:30001610071843_consumption/power/active/raw ; avec ce qui est dessous, ou un début et *",
);

/// What is asked for where nobody says it yet: the one series that the asker may see, if there is one.
async fn identifier_form(call: &Call<'_>, title: Text, how: Text) -> Result<Form, Failure> {
    let mut form = engine::form(title.of(call.language), how.of(call.language));
    let mut field = Field::new(Kind::TextSingle, "identifier", IDENTIFIER.of(call.language)).required();
    field.desc = Some(IDENTIFIER_DESC.of(call.language).to_owned());
    let seen = discovery::seen_by(call.context, call.asker).await?;
    if seen.len() == 1 {
        field.values = seen.into_keys().collect();
    }
    form.fields.push(field);
    Ok(form)
}

/// Something in the form is wrong; existing clients know it as an error.
fn wrong(text: impl Into<String>, french: impl Into<String>) -> Failure {
    Failure::Error(adhoc::bad_payload(text).or_in_french(french))
}

/// The identifier that was filled in.
fn asked_for(call: &Call<'_>) -> Result<Identifier, Failure> {
    let said = call.answers.text("identifier").unwrap_or_default();
    Identifier::read(said).map_err(|why| {
        let french = words::value("identifier", said, "", Language::Fr);
        wrong(why, french)
    })
}

/// Nothing covers what was asked for; the same whether it exists or not. What can hardly have been meant is said to
/// be malformed.
fn not_authorized(identifier: &str) -> StanzaError {
    if let Some((text, french)) = Identifier::misread(identifier) {
        return adhoc::bad_payload(text).or_in_french(french);
    }
    let text =
        format!("you have no consent for {identifier}; ask the person concerned for it with request-access");
    let french = format!(
        "vous n’avez pas de consentement pour {identifier} ; demandez-le à la personne concernée avec request-access"
    );
    StanzaError::new(Condition::NotAuthorized, text).or_in_french(french)
}
