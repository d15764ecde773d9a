//! `help`: what this service is and what can be done here.

use super::{Call, Coming, Command, Turn, texts};
use crate::domain::language::Text;

#[derive(Debug)]
pub(super) struct Help;

impl Command for Help {
    fn node(&self) -> &'static str {
        "help"
    }

    fn name(&self) -> Text {
        texts::HELP
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move { Ok(Turn::said(texts::HELP_TEXT.of(call.language))) })
    }
}
