//! The answer to `get_history`: one `<data/>`, as large as may be, and where to go on.

use jiff::Timestamp;

use super::history::Wanted;
use super::not_authorized;
use super::pull::Pulled;
use crate::desk::commands::{Done, info};
use crate::desk::permit::{Asker, Tally, terms, terms_len};
use crate::domain::language::{Text, text};
use crate::domain::series::Series;
use crate::domain::whose::Whose;
use crate::protocol::adhoc::{Note, NoteKind};
use crate::protocol::error::StanzaError;
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::quoalise::Meta;
use crate::protocol::text::{escape, raw};
use crate::protocol::{adhoc, description, ns, quoalise};
use crate::senml::Resolved;

const NOT_KEPT: Text = text(
    "Nothing of this time is kept. {series} keeps what came in the last {retention}.",
    "Rien de cette période n’est conservé. {series} garde ce qui est arrivé depuis {retention}.",
);
const KEEPS_NOTHING: Text = text("{series} keeps no history.", "{series} ne conserve pas d’historique.");
const SOURCE_HAS_NOTHING: Text = text(
    "The source of {series} has nothing of this time that you may have.",
    "La source de {series} n’a rien de cette période à quoi vous ayez droit.",
);
const MORE: Text = text(
    "This is not all: the answer would be too large. It ends before {time}; ask again from there, or page (XEP-0059).",
    "Ce n’est pas tout : la réponse serait trop grande. Elle s’arrête avant {time} ; redemandez à partir de là, ou page par page (XEP-0059).",
);

/// The longest description that a source may give of a meter, in octets as it is written; another is not passed on.
const META_MAX: usize = 16 * 1024;

/// What goes into the answer so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) records: Resolved,
    pub(super) tally: Tally,
    /// Where the next page begins.
    pub(super) rest: Option<(String, f64)>,
}

impl Gathered {
    /// Takes of these records of one series what the asker may have.
    pub(super) fn take(&mut self, asker: &Asker, name: &str, whose: &Whose, records: &Resolved) {
        let chosen = asker.select(name, whose, records, None, &mut self.tally);
        chosen.iter().filter_map(|place| records.get(*place as usize)).for_each(|r| self.records.push(&r));
    }
}

/// Writes it, and the line of the disclosure log.
pub(super) async fn write(
    wanted: &Wanted,
    asker: &Asker,
    granted: &[(String, Whose)],
    mut gathered: Gathered,
    pulled: &Pulled,
) -> Result<Done, StanzaError> {
    let language = wanted.language;
    let (name, series) = match granted.first() {
        Some((name, whose)) => (name.as_str(), Some(whose.series())),
        None => (wanted.identifier.as_str(), None),
    };
    let registered = series.is_some_and(|series| !series.meta.is_empty());
    let is_short = |meta: &&Meta| {
        let mut out = Vec::new();
        quoalise::write(meta, gathered.records.select(&[]), &mut out).is_ok() && out.len() <= META_MAX
    };
    let meta = match pulled.meta_of(&gathered.records).filter(|_| !registered).filter(is_short) {
        Some(meta) => meta.clone(),
        None => description::meta(name, series),
    };
    // Their terms stand beside the data.
    let beside: usize = gathered.tally.rests_on.iter().map(|key| terms_len(asker, *key)).sum();
    let most = CONTENT_MAX.saturating_sub(beside);
    let mut written = Vec::new();
    let mut count = gathered.records.len();
    loop {
        let chosen: Vec<u32> = (0..count as u32).collect();
        written.clear();
        let left_out = quoalise::write(&meta, gathered.records.select(&chosen), &mut written)
            .map_err(|_| adhoc::bad_payload("some of the records are of a time that cannot be written"))?;
        if left_out > 0 {
            tracing::debug!(left_out, "records without a number are not in an answer to a Quoalise client");
        }
        if written.len() <= most || count < 2 {
            break;
        }
        count = (count * most / written.len()).clamp(1, count - 1);
        // The next page begins at a time.
        let place = |at: usize| gathered.records.get(at).map(|r| (r.name().to_owned(), r.time()));
        while count > 1 && place(count) == place(count - 1) {
            count -= 1;
        }
    }
    if let Some(first_left) = gathered.records.get(count) {
        gathered.rest = Some((first_left.name().to_owned(), first_left.time()));
    }
    let mut done = Done::default();
    raw(&mut done.content, "<x xmlns='jabber:x:data' type='result'/>");
    done.content.extend_from_slice(&written);
    if let Some((name, time)) = &gathered.rest {
        let shown = Timestamp::from_millisecond((time * 1000.0) as i64).map(|at| at.to_string());
        let note = MORE.fill(language, &[("time", &shown.unwrap_or_default())]);
        done.notes.push(Note { kind: NoteKind::Warn, text: note });
        set(
            &mut done.content,
            gathered.records.get(0).map(|r| cursor_at(r.name(), r.time())),
            Some(cursor_at(name, *time)),
        );
    } else if wanted.page.is_some() {
        set(&mut done.content, gathered.records.get(0).map(|r| cursor_at(r.name(), r.time())), None);
    }
    if gathered.records.is_empty() {
        done.notes.extend(why_empty(wanted, name, series, pulled).map(info));
    }
    done.rests_on.clone_from(&gathered.tally.rests_on);
    for key in &done.rests_on {
        if let Some(consent) = asker.consent(*key) {
            terms(consent).write(&mut done.content);
        }
    }
    done.otherwise = Some(not_authorized(wanted.identifier.as_str()));
    gathered.tally.disclose(&wanted.context, wanted.identifier.as_str(), "get_history").await?;
    Ok(done)
}

/// Why there is nothing.
fn why_empty(wanted: &Wanted, name: &str, series: Option<&Series>, pulled: &Pulled) -> Option<String> {
    if pulled.was_asked() || series.is_some_and(|series| series.source.is_some()) {
        return Some(SOURCE_HAS_NOTHING.fill(wanted.language, &[("series", name)]));
    }
    let usual = &wanted.context.config.pubsub.retention;
    let retention = series?.retention.as_ref().unwrap_or(usual);
    let text = if retention.nominal().is_zero() { KEEPS_NOTHING } else { NOT_KEPT };
    Some(text.fill(wanted.language, &[("series", name), ("retention", retention.as_str())]))
}

/// Where a page begins: a series, and a time in it.
fn cursor_at(name: &str, time: f64) -> String {
    // Seventeen digits are as many as a number has.
    format!("{name} {time:?}")
}

/// Reads it.
pub(super) fn cursor(text: &str) -> Option<(String, f64)> {
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
