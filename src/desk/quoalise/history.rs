//! `get_history`: what is kept of a time, of one series or of several, in one answer or in pages.

use jid::BareJid;
use jiff::tz::TimeZone;

use super::answer::{self, Gathered, cursor};
use super::identifier::Identifier;
use super::pull::{self, Pulled, Questions};
use super::reduced;
use super::span::Span;
use super::{asked_for, identifier_form, not_authorized, wrong};
use crate::desk::Context;
use crate::desk::commands::{Call, Coming, Command, Done, Failure, Later, Turn};
use crate::desk::context::failed;
use crate::desk::permit::Asker;
use crate::desk::reducing::Reducing;
use crate::domain::language::{Language, Text, text};
use crate::domain::name::Scope;
use crate::domain::whose::Whose;
use crate::protocol::error::StanzaError;
use crate::protocol::forms::{Field, Kind};
use crate::protocol::rsm::Page;
use crate::store::items::read as records;

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
/// The most records that are put together for one answer.
const RECORDS_MAX: usize = 8192;

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

    fn takes_any_form(&self) -> bool {
        true
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                let mut form = identifier_form(call, NAME, HOW).await?;
                let times = [("start_time", START), ("end_time", END)];
                for ((var, label), time) in times.into_iter().zip(yesterday(call)) {
                    let mut field = Field::new(Kind::TextSingle, var, label.of(call.language));
                    // Who says all in one step means what they leave out.
                    field.values.extend(time.filter(|_| !call.in_one_step));
                    field.desc = Some(TIME_DESC.of(call.language).to_owned());
                    form.fields.push(field);
                }
                return Ok(Turn::last(form));
            }
            Wanted::read(call)?.answer().await
        })
    }
}

/// From when to when yesterday was, where people live.
fn yesterday(call: &Call<'_>) -> [Option<String>; 2] {
    let zone = call.context.config.consent.time_zone().unwrap_or(TimeZone::UTC);
    let today = call.now.to_zoned(zone).start_of_day().ok();
    let before = today.as_ref().and_then(|today| today.yesterday().ok()?.start_of_day().ok());
    [before, today].map(|day| Some(day?.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()))
}

/// What is asked for, by whom: all that outlives the clerk's attention.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) context: Context,
    pub(super) who: BareJid,
    pub(super) language: Language,
    pub(super) page: Option<Page>,
    pub(super) identifier: Identifier,
    pub(super) span: Span,
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, Failure> {
        let identifier = asked_for(call)?;
        let times = [call.answers.text("start_time"), call.answers.text("end_time")];
        let span = Span::read(times).map_err(|(text, french)| wrong(text, french))?;
        if let Some(after) = call.page.and_then(|page| page.after.as_deref()) {
            cursor(after).ok_or_else(|| {
                wrong(
                    "there is no such place to go on from; begin again",
                    "il n’y a pas de tel endroit d’où continuer ; recommencez",
                )
            })?;
        }
        Ok(Wanted {
            context: call.context.clone(),
            who: call.asker.clone(),
            language: call.language,
            page: call.page.cloned(),
            identifier,
            span,
        })
    }

    async fn answer(self) -> Result<Turn, Failure> {
        let asker = Asker::about(&self.context, &self.who, self.identifier.as_str()).await?;
        let (granted, questions) = self.granted(&asker).await?;
        if questions.iter().all(|(_, span)| span.is_none()) {
            return Ok(Turn::Done(self.gather(&asker, &granted, Pulled::default()).await?));
        }
        let seat = self.context.upstream.seat(&self.who)?;
        Ok(Turn::Later(Later(Box::pin(async move {
            let pulled = pull::ask(&self, &seat, questions).await?;
            // Consents may have changed while the sources thought: what stands now counts.
            let asker = Asker::about(&self.context, &self.who, self.identifier.as_str()).await?;
            let (granted, _) = self.granted(&asker).await?;
            self.gather(&asker, &granted, pulled).await
        }))))
    }

    /// The series that the asker may have something of, and what is to be asked of sources; refused where there
    /// is neither, and no consent is for anything that may come.
    async fn granted(&self, asker: &Asker) -> Result<(Vec<(String, Whose)>, Questions), StanzaError> {
        let identifier = &self.identifier;
        let granted = identifier.granted(&self.context, asker).await?;
        let questions = pull::questions(self, asker).await?;
        let covered = asker.consents.iter().any(|(_, consent)| {
            consent.modes.history
                && consent.is_live(asker.now)
                && consent.scope.iter().any(|scope| match (scope, &identifier.exact) {
                    (_, None) => identifier.means_all_of(scope),
                    (scope @ Scope::Prefix(_), Some(name)) => scope.covers(name),
                    (Scope::Exact(_), Some(_)) => false,
                })
        });
        if granted.is_empty() && questions.is_empty() && !covered {
            return Err(not_authorized(identifier.as_str()));
        }
        Ok((granted, questions))
    }

    /// What is kept here and what came from sources, series by series, as far as the asker may have it.
    async fn gather(
        &self,
        asker: &Asker,
        granted: &[(String, Whose)],
        pulled: Pulled,
    ) -> Result<Done, StanzaError> {
        let page = self.page.as_ref();
        let after = page.and_then(|page| page.after.as_deref()).and_then(cursor);
        let (start_at, mut from) = after.unwrap_or_else(|| (String::new(), self.span.start_seconds()));
        let most = page.and_then(|page| page.max).unwrap_or(RECORDS_MAX).clamp(1, RECORDS_MAX);
        let now = asker.now.as_millisecond();
        let mut series: Vec<(String, Whose)> =
            granted.iter().filter(|(_, whose)| whose.series().source.is_none()).cloned().collect();
        series.extend(pulled.series());
        series.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut gathered = Gathered::default();
        let zone = self.context.config.consent.time_zone().unwrap_or(TimeZone::UTC);
        'series: for (name, whose) in series.iter().filter(|(name, _)| **name >= *start_at) {
            if **name != *start_at {
                from = self.span.start_seconds();
            }
            if let Some(reducing) = Reducing::of(asker, name, whose, &zone) {
                let room = most.saturating_sub(gathered.records.len());
                let (read, time) =
                    (Read { wanted: self, whose, pulled: &pulled }, (from, self.span.end_seconds()));
                if let Some(rest) = reduced::gather(reducing, read, time, room, &mut gathered).await? {
                    gathered.rest = Some((name.clone(), rest));
                    break;
                }
                continue;
            }
            loop {
                // All of one instant come at once, be they more than were asked for.
                let room = most.saturating_sub(gathered.records.len());
                if room == 0 {
                    gathered.rest = Some((name.clone(), from));
                    break 'series;
                }
                let read = Read { wanted: self, whose, pulled: &pulled };
                let page = read.between(name, (from, self.span.end_seconds()), room, now).await?;
                gathered.take(asker, name, whose, &page.records);
                match page.rest_from {
                    Some(rest) => from = rest,
                    None => break,
                }
            }
        }
        answer::write(self, asker, granted, gathered, &pulled).await
    }
}

/// Where records of a series are read from: what is kept here, or what its source said.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) whose: &'a Whose,
    pub(super) pulled: &'a Pulled,
}

impl Read<'_> {
    /// The records of this time, about `most` of them.
    pub(super) async fn between(
        &self,
        name: &str,
        (from, until): (f64, f64),
        most: usize,
        now: i64,
    ) -> Result<records::Page, StanzaError> {
        match self.whose.series().source {
            Some(_) => Ok(self.pulled.records_between(name, from, until, most)),
            None => {
                let store = &self.wanted.context.store;
                store.records_between(name, from, until, most, now).await.map_err(|e| failed(&e))
            }
        }
    }
}
