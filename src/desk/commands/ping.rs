//! `ping`: is the service there?

use super::{Call, Coming, Command, Turn, texts};
use crate::domain::language::Text;

#[derive(Debug)]
pub(super) struct Ping;

impl Command for Ping {
    fn node(&self) -> &'static str {
        "ping"
    }

    fn name(&self) -> Text {
        texts::PING
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move { Ok(Turn::said(texts::PONG.of(call.language))) })
    }
}
