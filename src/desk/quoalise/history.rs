//! `get_history`: what is kept of a time, of one series or of several, in one answer or in pages.

use jiff::Timestamp;

use super::identifier::Identifier;
use super::{identifier_form, not_authorized, wrong};
use crate::desk::commands::{Call, Coming, Command, Done, Failure, Turn, info};
use crate::desk::permit::{Asker, Tally, terms};
use crate::domain::language::{Text, text};
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::protocol::adhoc::{Note, NoteKind};
use crate::protocol::forms::{Field, Kind};
use crate::protocol::text::{escape, raw};
use crate::protocol::{description, ns, quoalise};
use crate::senml::Resolved;

const NAME: Text = text("Get history", "Obtenir l’historique");
const HOW: Text = text(
    "Measurements of a time, as far as they are kept and you may have them.",
    "Les mesures d’une période, pour autant qu’elles sont conservées et que vous y avez droit.",
);
const START: Text = text("From, included", "À partir de, inclus");
const END: Text = text("Until, not included", "Jusqu’à, non inclus");
const TIME_DESC: Text = text(
    "ISO 8601 with offset, such as 2026-11-21T00:00:00+01:00; empty: all that is kept",
    "ISO 8601 avec décalage, par exemple 2026-11-21T00:00:00+01:00 ; vide : tout ce qui est conservé",
);
const NOT_KEPT: Text = text(
    "Nothing of this time is kept. {series} keeps what came in the last {retention}.",
    "Rien de cette période n’est conservé. {series} garde ce qui est arrivé depuis {retention}.",
);
const KEEPS_NOTHING: Text = text("{series} keeps no history.", "{series} ne conserve pas d’historique.");
const MORE: Text = text(
    "This is not all: the answer would be too large. It ends before {time}; ask again from there, or page (XEP-0059).",
    "Ce n’est pas tout : la réponse serait trop grande. Elle s’arrête avant {time} ; redemandez à partir de là, ou page par page (XEP-0059).",
);

/// The most records that are put together for one answer.
const RECORDS_MAX: usize = 8192;

/// The largest answer: more is lost silently at some servers.
const ANSWER_MAX: usize = 185 * 1024;

/// The command.
#[derive(Debug)]
pub struct GetHistory;

impl Command for GetHistory {
    fn node(&self) -> &'static str {
        "get_history"
    }

    fn name(&self) -> Text {
        NAME
    }

    /// Existing clients send forms of a type of their own, or of none.
    fn form_type(&self) -> Option<String> {
        None
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                let mut form = identifier_form(call, NAME, HOW).await?;
                for (var, label) in [("start_time", START), ("end_time", END)] {
                    let mut field = Field::new(Kind::TextSingle, var, label.of(call.language));
                    field.desc = Some(TIME_DESC.of(call.language).to_owned());
                    form.fields.push(field);
                }
                return Ok(Turn::last(form));
            }
            answer(call).await
        })
    }
}

/// A time that was asked for, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Span {
    fn read(call: &Call<'_>) -> Result<Self, Failure> {
        let time = |var: &str| -> Result<Option<Timestamp>, Failure> {
            let Some(text) = call.answers.text(var) else { return Ok(None) };
            let shown: String = text.chars().take(100).collect();
            text.parse::<Timestamp>().map(Some).map_err(|_| {
                wrong(format!(
                    "{var} '{shown}' is not a time with an offset; write for example 2026-11-21T00:00:00+01:00"
                ))
            })
        };
        let span = Span { from: time("start_time")?, until: time("end_time")? };
        if let (Some(from), Some(until)) = (span.from, span.until)
            && until < from
        {
            return Err(wrong(format!("end_time ({until}) is before start_time ({from})")));
        }
        Ok(span)
    }

    fn start_seconds(&self) -> f64 {
        self.from.map_or(f64::MIN, |at| at.as_duration().as_secs_f64())
    }

    fn end_seconds(&self) -> f64 {
        self.until.map_or(f64::MAX, |at| at.as_duration().as_secs_f64())
    }
}

async fn answer(call: &Call<'_>) -> Result<Turn, Failure> {
    let identifier = Identifier::read(call.answers.text("identifier").unwrap_or_default()).map_err(wrong)?;
    let span = Span::read(call)?;
    let asker = Asker::find(call.context, call.asker).await?;
    let granted = identifier.granted(call.context, &asker).await?;
    let covered = asker.consents.iter().any(|(_, consent)| {
        consent.modes.history
            && consent.is_live(asker.now)
            && consent.scope.iter().any(|scope| match (scope, &identifier.exact) {
                (_, None) => identifier.means_all_of(scope),
                (scope @ Scope::Prefix(_), Some(name)) => scope.covers(name),
                (Scope::Exact(_), Some(_)) => false,
            })
    });
    if granted.is_empty() && !covered {
        return Err(not_authorized(identifier.as_str()).into());
    }
    let (start_at, mut from) = match call.page.and_then(|page| page.after.as_deref()) {
        Some(after) => {
            cursor(after).ok_or_else(|| wrong("there is no such place to go on from; begin again"))?
        }
        None => (String::new(), span.start_seconds()),
    };
    let most = call.page.and_then(|page| page.max).unwrap_or(RECORDS_MAX).clamp(1, RECORDS_MAX);
    let now = asker.now.as_millisecond();
    let mut gathered = Gathered::default();
    'series: for (name, series) in granted.iter().filter(|(name, _)| **name >= *start_at) {
        if **name != *start_at {
            from = span.start_seconds();
        }
        loop {
            let room = most - gathered.records.len();
            if room == 0 {
                gathered.rest = Some((name.clone(), from));
                break 'series;
            }
            let store = &call.context.store;
            let page = store.records_between(name, from, span.end_seconds(), room, now).await?;
            gathered.take(&asker, name, series, &page.records);
            match page.rest_from {
                Some(rest) => from = rest,
                None => break,
            }
        }
    }
    finish(call, &identifier, &asker, &granted, gathered).await
}

/// What goes into the answer so far.
#[derive(Default)]
struct Gathered {
    records: Resolved,
    tally: Tally,
    /// Where the next page begins.
    rest: Option<(String, f64)>,
}

impl Gathered {
    fn take(&mut self, asker: &Asker, name: &str, series: &Series, records: &Resolved) {
        let chosen = asker.select(name, series, records, &mut self.tally);
        chosen.iter().filter_map(|place| records.get(*place as usize)).for_each(|r| self.records.push(&r));
    }
}

async fn finish(
    call: &Call<'_>,
    identifier: &Identifier,
    asker: &Asker,
    granted: &[(String, Series)],
    mut gathered: Gathered,
) -> Result<Turn, Failure> {
    let (name, series) = match granted.first() {
        Some((name, series)) => (name.as_str(), Some(series)),
        None => (identifier.as_str(), None),
    };
    let meta = description::meta(name, series);
    let unwritable = |_| wrong("some of the records are of a time that cannot be written");
    let mut written = Vec::new();
    let mut count = gathered.records.len();
    loop {
        let chosen: Vec<u32> = (0..count as u32).collect();
        written.clear();
        let left_out =
            quoalise::write(&meta, gathered.records.select(&chosen), &mut written).map_err(unwritable)?;
        if left_out > 0 {
            tracing::debug!(left_out, "records without a number are not in an answer to a Quoalise client");
        }
        if written.len() <= ANSWER_MAX || count < 2 {
            break;
        }
        count = (count * ANSWER_MAX / written.len()).clamp(1, count - 1);
    }
    if let Some(first_left) = gathered.records.get(count) {
        gathered.rest = Some((first_left.name().to_owned(), first_left.time()));
    }
    let mut done = Done::default();
    raw(&mut done.content, "<x xmlns='jabber:x:data' type='result'/>");
    done.content.extend_from_slice(&written);
    let page_wanted = call.page.is_some();
    if let Some((name, time)) = &gathered.rest {
        let shown = Timestamp::from_millisecond((time * 1000.0) as i64).map(|at| at.to_string());
        let note = MORE.fill(call.language, &[("time", &shown.unwrap_or_default())]);
        done.notes.push(Note { kind: NoteKind::Warn, text: note });
        set(
            &mut done.content,
            gathered.records.get(0).map(|r| cursor_at(r.name(), r.time())),
            Some(cursor_at(name, *time)),
        );
    } else if page_wanted {
        set(&mut done.content, gathered.records.get(0).map(|r| cursor_at(r.name(), r.time())), None);
    }
    if gathered.records.is_empty()
        && let (name, Some(series)) = (name, series)
    {
        let usual = &call.context.config.pubsub.retention;
        let retention = series.retention.as_ref().unwrap_or(usual);
        let nothing = retention.nominal().is_zero();
        let text = if nothing { KEEPS_NOTHING } else { NOT_KEPT };
        let values = [("series", name), ("retention", retention.as_str())];
        done.notes.push(info(text.fill(call.language, &values)));
    }
    done.rests_on.clone_from(&gathered.tally.rests_on);
    for key in &done.rests_on {
        if let Some(consent) = asker.consent(*key) {
            terms(consent).write(&mut done.content);
        }
    }
    done.otherwise = Some(not_authorized(identifier.as_str()));
    gathered.tally.disclose(call.context, identifier.as_str(), "get_history").await?;
    Ok(Turn::Done(done))
}

/// Where a page begins: a series, and a time in it.
fn cursor_at(name: &str, time: f64) -> String {
    // Seventeen digits are as many as a number has.
    format!("{name} {time:?}")
}

fn cursor(text: &str) -> Option<(String, f64)> {
    let (name, time) = text.rsplit_once(' ')?;
    Some((name.to_owned(), time.parse().ok().filter(|time: &f64| time.is_finite())?))
}

fn set(out: &mut Vec<u8>, first: Option<String>, next: Option<String>) {
    raw(out, "<set xmlns='");
    raw(out, ns::RSM);
    raw(out, "'>");
    for (element, value) in [("first", first), ("last", next)] {
        if let Some(value) = value {
            raw(out, &format!("<{element}>"));
            escape(out, &value);
            raw(out, &format!("</{element}>"));
        }
    }
    raw(out, "</set>");
}
