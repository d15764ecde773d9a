//! Long lists, a part at a time: by RSM (XEP-0059) where the client can, by a field of the form where not.

use uuid::Uuid;

use super::answers::Answers;
use super::{Call, Done, Failure, texts};
use crate::domain::consent::State;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::forms::{Datatype, Field, Kind, Table};
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::rsm;
use crate::protocol::text::escaped_len;
use crate::store::consents::{Filter, Part};

/// Rows shown unless said otherwise.
pub(super) const USUAL: usize = 50;

/// The most rows shown at once.
pub(super) const MOST: usize = 200;

/// Choices offered in one list.
pub(super) const CHOICES: usize = 100;

/// Which part of a list of consents is wanted.
pub(super) fn part(call: &Call<'_>) -> Result<Part, Failure> {
    let id = |text: &str| Uuid::parse_str(text).map_err(|_| no_such_place(call));
    let mut part = Part { after: None, before: None, last: false, max: USUAL };
    match call.page {
        Some(page) => {
            part.max = page.max.unwrap_or(USUAL).min(MOST);
            part.after = page.after.as_deref().map(id).transpose()?;
            match page.before.as_deref() {
                Some("") => part.last = true,
                Some(before) => part.before = Some(id(before)?),
                None => {}
            }
        }
        None => {
            part.after = after(call.answers).map(id).transpose()?;
            part.max = call.answers.read::<usize>("max").ok().flatten().unwrap_or(USUAL).min(MOST);
        }
    }
    Ok(part)
}

/// Refuses a part that begins at something that is not in the list (XEP-0059 §2.3).
pub(super) async fn is_there(call: &Call<'_>, filter: &Filter, part: &Part) -> Result<(), Failure> {
    let Some(id) = part.after.or(part.before) else { return Ok(()) };
    if call.context.store.is_among(filter, id).await? { Ok(()) } else { Err(no_such_place(call)) }
}

pub(super) fn no_such_place(call: &Call<'_>) -> Failure {
    let said = StanzaError::new(Condition::ItemNotFound, texts::NO_SUCH_PLACE.of(call.language));
    Failure::Error(said.spoken(call.language))
}

fn after(answers: &Answers) -> Option<&str> {
    answers.text("after")
}

/// The field that says where they are to stand.
pub(super) fn states(call: &Call<'_>) -> Field {
    let language = call.language;
    let any = (texts::ANY.of(language).to_owned(), String::new());
    let states = State::ALL
        .iter()
        .map(|(state, name)| (texts::state(*state).of(language).to_owned(), (*name).to_owned()));
    Field::new(Kind::ListSingle, "state", texts::label("state").of(language))
        .options(std::iter::once(any).chain(states))
        .value("")
}

/// The fields that say so in a form.
pub(super) fn fields(call: &Call<'_>) -> [Field; 2] {
    let most = u32::try_from(MOST).unwrap_or(u32::MAX);
    [
        Field::new(Kind::TextSingle, "max", texts::MAX.of(call.language))
            .value(USUAL.to_string())
            .datatype(Datatype::Integer(1, most)),
        Field::new(Kind::TextSingle, "after", texts::AFTER.of(call.language))
            .desc(texts::AFTER_DESC.of(call.language)),
    ]
}

fn size(table: &Table) -> usize {
    let mut out = Vec::new();
    table.write(&mut out);
    out.len()
}

/// Whether the whole table goes into one answer.
pub(super) fn fits(table: &Table) -> bool {
    size(table) <= CONTENT_MAX
}

/// Takes out rows until the others go into one answer, from the end or from the beginning: how many there were.
fn cut(table: &mut Table, from_the_end: bool) -> usize {
    let all = table.rows.len();
    loop {
        let (rows, size) = (table.rows.len(), size(table));
        if size <= CONTENT_MAX || rows < 2 {
            return all - rows;
        }
        let left = (rows * CONTENT_MAX / size).clamp(1, rows - 1);
        match from_the_end {
            true => table.rows.truncate(left),
            false => drop(table.rows.drain(..rows - left)),
        }
    }
}

/// Takes out the last choices until the others go into one form.
pub(super) fn fit(options: &mut Vec<(String, String)>) {
    let mut room = CONTENT_MAX;
    let fits = |(label, value): &&(String, String)| {
        // What stands around them.
        let size = escaped_len(label) + escaped_len(value) + 50;
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    let count = options.iter().take_while(fits).count();
    options.truncate(count.max(1));
}

/// The answer: a table, its place in the whole, and a sentence where more is to come. `ids` name the rows. What does
/// not go into it comes with the next part.
pub(super) fn shown(
    call: &Call<'_>,
    mut table: Table,
    mut ids: &[String],
    mut index: usize,
    total: usize,
) -> Done {
    // A part that ends somewhere goes on before its first row.
    if call.page.is_some_and(|page| page.after.is_none() && page.before.is_some()) {
        let out = cut(&mut table, false);
        ids = ids.get(out..).unwrap_or_default();
        index += out;
    } else {
        let out = cut(&mut table, true);
        ids = ids.get(..ids.len() - out).unwrap_or_default();
    }
    let mut done = Done::table(table, None);
    let end = index + ids.len();
    let (from, to, of) = ((index + 1).to_string(), end.to_string(), total.to_string());
    let last = ids.last().map(String::as_str);
    let note = match last {
        None if total > 0 => texts::NO_MORE_TO_LIST.fill(call.language, &[("of", &of)]),
        None => texts::NOTHING_TO_LIST.of(call.language).to_owned(),
        Some(last) if end < total => {
            let values = [("from", &*from), ("to", &*to), ("of", &*of), ("last", last)];
            texts::MORE_TO_LIST.fill(call.language, &values)
        }
        Some(_) => texts::LISTED.fill(call.language, &[("from", &from), ("to", &to), ("of", &of)]),
    };
    done.notes.push(super::info(note));
    if call.page.is_some() {
        let first = ids.first().map(|id| (id.as_str(), index));
        rsm::write(&mut done.content, first, last, total);
    }
    done
}
