//! `language`: somebody chooses what they are spoken to in.

use super::engine::form;
use super::{Call, Coming, Command, Turn, texts};
use crate::domain::language::{Language, Text};
use crate::protocol::forms::{Field, Kind};

#[derive(Debug)]
pub(super) struct Choose;

impl Command for Choose {
    fn node(&self) -> &'static str {
        "language"
    }

    fn name(&self) -> Text {
        texts::LANGUAGE
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                let mut form = form(self.name().of(call.language), "");
                let options = [("English", "en"), ("Français", "fr")];
                form.fields = vec![
                    Field::new(Kind::ListSingle, "language", texts::label("language").of(call.language))
                        .options(options.map(|(label, value)| (label.to_owned(), value.to_owned())))
                        .value(call.language.code())
                        .required(),
                ];
                return Ok(Turn::last(form));
            }
            let language = Language::of(call.answers.text("language").unwrap_or_default());
            call.context.store.choose_language(call.asker, language).await?;
            Ok(Turn::said(texts::LANGUAGE_CHOSEN.of(language)))
        })
    }
}
