//! `series-add`, `series-list`, `series-edit`, `series-remove`: the operator registers what may be published, by whom,
//! and whose it is.

use jiff::Timestamp;

use super::consent_form::field;
use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, Who, listing, texts, wrong};
use crate::desk::hand_over::{self, Deed, Refused};
use crate::domain::language::{Language, Text};
use crate::domain::moving::Report;
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_bare};
use crate::domain::series::Series;
use crate::domain::tenure::Tenures;
use crate::protocol::forms::{Datatype, Field, Form, Kind, Table};
use crate::store::moving::NextHolder;
use crate::store::series::EditedSeries;

#[derive(Debug)]
pub(super) struct SeriesAdd;

#[derive(Debug)]
pub(super) struct SeriesList;

#[derive(Debug)]
pub(super) struct SeriesEdit;

#[derive(Debug)]
pub(super) struct SeriesRemove;

impl Command for SeriesAdd {
    fn node(&self) -> &'static str {
        "series-add"
    }

    fn name(&self) -> Text {
        texts::SERIES_ADD
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                let mut form = form(self.name().of(call.language), texts::SERIES_HOW.of(call.language));
                form.fields = vec![field(call, Kind::TextSingle, "name").required()];
                form.fields.extend(fields(call, None));
                return Ok(Turn::last(form));
            }
            let mut series = Series {
                name: name(call)?,
                tenures: Tenures::of(owner(call)?),
                producers: Vec::new(),
                open: false,
                retention: None,
                title: None,
                source: None,
                node: Default::default(),
                meta: Default::default(),
            };
            change(call, &mut series)?;
            let store = &call.context.store;
            let moved = match hand_over::register(store, &series, None, call.asker.as_str(), call.now).await {
                Ok(moved) => moved,
                Err(Refused::Exists(name)) => {
                    let name = name.to_string();
                    return Err(Failure::Wrong(texts::SERIES_EXISTS.fill(call.language, &[("name", &name)])));
                }
                Err(why) => return Err(refused(call, why)),
            };
            call.context.taken().await?;
            let mut note = texts::REGISTERED.of(call.language).to_owned();
            for line in
                moved.iter().flat_map(|report| hand_over::told(report, Deed::Added, call.now, call.language))
            {
                note.push('\n');
                note.push_str(&line);
            }
            Ok(Turn::Done(Done::table(table(call.language, &[series], call.now), Some(note))))
        })
    }
}

impl Command for SeriesList {
    fn node(&self) -> &'static str {
        "series-list"
    }

    fn name(&self) -> Text {
        texts::SERIES_LIST
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let mut all: Vec<Series> =
                call.context.store.all_series().await?.into_iter().map(|(_, series)| series).collect();
            let long = call.page.is_none() && all.len() > listing::USUAL;
            if call.turn == 0 && (call.in_one_step || long) {
                return Ok(Turn::last(filters(call)));
            }
            if let Some(owner) = call.answers.text("owner") {
                all.retain(|series| series.holder_shown(call.now) == owner);
            }
            if let Some(name) = call.answers.text("name") {
                let beginning = name.trim_end_matches('*');
                all.retain(|series| series.name.to_string().starts_with(beginning));
            }
            let total = all.len();
            let page = call.page;
            let max = page
                .and_then(|page| page.max)
                .or(call.answers.read("max").ok().flatten())
                .unwrap_or(listing::USUAL)
                .min(listing::MOST);
            let after = page.and_then(|page| page.after.as_deref()).or(call.answers.text("after"));
            let place = |name: &str| all.iter().position(|series| series.name.to_string() == name);
            let found = |name: &str| place(name).ok_or_else(|| listing::no_such_place(call));
            // What comes before a place ends there, be it less than was asked for.
            let (index, end) = match (after, page.and_then(|page| page.before.as_deref())) {
                (Some(after), _) => (found(after)? + 1, total),
                (None, Some("")) => (total.saturating_sub(max), total),
                (None, Some(before)) => {
                    let end = found(before)?;
                    (end.saturating_sub(max), end)
                }
                (None, None) => (0, total),
            };
            let shown = &all[index..end.min(index + max)];
            let ids: Vec<String> = shown.iter().map(|series| series.name.to_string()).collect();
            let table = table(call.language, shown, call.now);
            if call.turn == 0 && call.page.is_none() && !listing::fits(&table) {
                return Ok(Turn::last(filters(call)));
            }
            Ok(Turn::Done(listing::shown(call, table, &ids, index, total)))
        })
    }
}

fn filters(call: &Call<'_>) -> Form {
    let mut form = form(texts::SERIES_LIST.of(call.language), texts::FILTERS.of(call.language));
    form.fields = vec![field(call, Kind::TextSingle, "owner"), field(call, Kind::TextSingle, "name")];
    form.fields.extend(listing::fields(call));
    form
}

impl Command for SeriesEdit {
    fn node(&self) -> &'static str {
        "series-edit"
    }

    fn name(&self) -> Text {
        texts::SERIES_EDIT
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let store = &call.context.store;
            if call.turn == 0 {
                let mut form = form(self.name().of(call.language), "");
                form.fields = vec![field(call, Kind::TextSingle, "name").required()];
                return Ok(Turn::next(form));
            }
            let name = name(call)?;
            let missing = || {
                let name = name.to_string();
                Failure::Wrong(texts::NO_SUCH_SERIES.fill(call.language, &[("name", &name)]))
            };
            let (_, series) = store.series_named(&name.to_string()).await?.ok_or_else(missing)?;
            let holder = present_holder(call, &series).await?;
            if call.turn == 1 {
                let mut form = form(self.name().of(call.language), "");
                form.fields = fields(call, Some(&series));
                form.fields.splice(0..1, move_fields(call, &series, holder.as_ref()));
                return Ok(Turn::last(form));
            }
            let mut wanted = series.clone();
            change(call, &mut wanted)?;
            let moved = match next_holder(call, name.clone(), &series, holder.as_ref())? {
                Some(wish) => Some(hand_over(call, &wish).await?),
                None => None,
            };
            let edited = store
                .edit_series(
                    &name,
                    |held| {
                        held.producers = wanted.producers;
                        // What the former holder had set is not what was filled in.
                        if wanted.open != series.open {
                            held.open = wanted.open;
                        }
                        held.retention = wanted.retention;
                        held.title = wanted.title;
                        held.source = wanted.source;
                    },
                    call.now,
                )
                .await?;
            let EditedSeries::Done(both) = edited else { return Err(missing()) };
            call.context.taken().await?;
            let note = match &moved {
                Some(report) => hand_over::told(report, Deed::Moved, call.now, call.language).join("\n"),
                None => texts::SERIES_EDITED.of(call.language).to_owned(),
            };
            Ok(Turn::Done(Done::table(table(call.language, &[both.1], call.now), Some(note))))
        })
    }
}

impl Command for SeriesRemove {
    fn node(&self) -> &'static str {
        "series-remove"
    }

    fn name(&self) -> Text {
        texts::SERIES_REMOVE
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            if call.turn == 0 {
                let how = texts::SERIES_REMOVE_HOW.of(call.language);
                let mut form = form(self.name().of(call.language), how);
                form.fields = vec![field(call, Kind::TextSingle, "name").required()];
                return Ok(Turn::last(form));
            }
            let (store, actor) = (&call.context.store, call.asker.as_str());
            let removed = hand_over::remove(store, &name(call)?, false, actor, call.now).await;
            let report = removed.map_err(|why| refused(call, why))?;
            call.context.taken().await?;
            let lines = hand_over::told(&report, Deed::Removed, call.now, call.language);
            Ok(Turn::said(lines.join("\n")))
        })
    }
}

/// Who holds it now, be it by a wider registration.
async fn present_holder(call: &Call<'_>, series: &Series) -> Result<Option<Subject>, Failure> {
    let own = series.holder(call.now).cloned();
    let name = match &series.name {
        Scope::Exact(name) if series.follows() => name,
        _ => return Ok(own),
    };
    let tenures = call.context.store.tenures_of(name).await?;
    Ok(tenures.and_then(|tenures| tenures.present(call.now).holder().cloned()))
}

/// The fields about who holds a series.
fn move_fields(call: &Call<'_>, series: &Series, holder: Option<&Subject>) -> Vec<Field> {
    let mut owner =
        field(call, Kind::TextSingle, "owner").value(holder.map_or_else(String::new, ToString::to_string));
    owner.required = holder.is_some();
    vec![
        owner,
        field(call, Kind::Boolean, "vacant").value("false"),
        field(call, Kind::TextSingle, "from"),
        field(call, Kind::Boolean, "below").value("false"),
        // What was seen when the form was shown: who else decides meanwhile is not overruled.
        field(call, Kind::Hidden, "seen").value(seen(series)),
    ]
}

fn seen(series: &Series) -> String {
    let tenures = serde_json::to_string(&series.tenures).unwrap_or_default();
    crate::desk::receipt::hash(&tenures)
}

/// Who is to hold it, if that is to be somebody else.
fn next_holder(
    call: &Call<'_>,
    name: Scope,
    series: &Series,
    holder: Option<&Subject>,
) -> Result<Option<NextHolder>, Failure> {
    let vacant = call.answers.flag("vacant");
    let said = call.answers.text("owner").unwrap_or_default();
    let next = match (said, vacant) {
        ("", false) if holder.is_none() => None,
        ("", true) => None,
        _ => Some(owner(call)?),
    };
    if vacant && next.as_ref().is_some_and(|next| Some(next) != holder) {
        return Err(Failure::Wrong(texts::OWNER_OR_VACANT.of(call.language).to_owned()));
    }
    let next = next.filter(|_| !vacant);
    let is_vacant = !series.follows() && holder.is_none();
    if next.as_ref() == holder && (next.is_some() || is_vacant || !vacant) {
        return Ok(None);
    }
    if call.answers.text("seen").is_some_and(|shown| shown != seen(series)) {
        return Err(refused(call, Refused::ChangedMeanwhile(name)));
    }
    let from = call.answers.time("from").map_err(|why| {
        Failure::Wrong(wrong::field(
            "from",
            call.answers.text("from").unwrap_or_default(),
            why,
            call.language,
        ))
    })?;
    Ok(Some(NextHolder {
        series: name,
        holder: next,
        from,
        below: call.answers.flag("below"),
        keep_settings: false,
        seen: Some(series.tenures.clone()),
        dry_run: false,
    }))
}

async fn hand_over(call: &Call<'_>, wish: &NextHolder) -> Result<Report, Failure> {
    let moved = hand_over::hand_over(&call.context.store, wish, call.asker.as_str(), call.now).await;
    moved.map_err(|why| refused(call, why))
}

fn refused(call: &Call<'_>, why: Refused) -> Failure {
    match why {
        Refused::Store(error) => error.into(),
        why => Failure::Wrong(why.text(call.language)),
    }
}

fn name(call: &Call<'_>) -> Result<Scope, Failure> {
    let said = call.answers.text("name").unwrap_or_default();
    Scope::parse(said).map_err(|e| Failure::Wrong(wrong::field("name", said, e, call.language)))
}

fn owner(call: &Call<'_>) -> Result<Subject, Failure> {
    let said = call.answers.text("owner").unwrap_or_default();
    let wrong = |why: String| Failure::Wrong(wrong::field("owner", said, why, call.language));
    let missing = || {
        let label = texts::label("owner").of(call.language);
        Failure::Wrong(texts::labelled(label, texts::MISSING.of(call.language), call.language))
    };
    call.answers.person("owner").map_err(wrong)?.ok_or_else(missing)
}

fn fields(call: &Call<'_>, series: Option<&Series>) -> Vec<Field> {
    let text = |text: Option<String>| text.unwrap_or_default();
    let producers = series.map_or_else(Vec::new, |s| s.producers.iter().map(ToString::to_string).collect());
    vec![
        field(call, Kind::TextSingle, "owner")
            .value(text(series.map(|s| s.holder_shown(call.now))))
            .required(),
        field(call, Kind::JidMulti, "producers").values(producers),
        field(call, Kind::Boolean, "open").value(series.is_some_and(|s| s.open).to_string()),
        field(call, Kind::TextSingle, "retention_series")
            .datatype(Datatype::Duration)
            .value(text(series.and_then(|s| s.retention.as_ref()).map(ToString::to_string))),
        field(call, Kind::TextSingle, "title").value(text(series.and_then(|s| s.title.clone()))),
        field(call, Kind::JidSingle, "source")
            .value(text(series.and_then(|s| s.source.as_ref()).map(ToString::to_string))),
    ]
    .into_iter()
    .map(|mut field| {
        // The label differs from a consent's, the name of the field does not.
        if field.var == "retention_series" {
            "retention".clone_into(&mut field.var);
        }
        field
    })
    .collect()
}

fn change(call: &Call<'_>, series: &mut Series) -> Result<(), Failure> {
    let wrong = |var, said: &str, why: String| Failure::Wrong(wrong::field(var, said, why, call.language));
    series.producers = call
        .answers
        .lines_of("producers")
        .map(|jid| parse_bare(jid).map_err(|e| wrong("producers", jid, e)))
        .collect::<Result<_, _>>()?;
    series.open = call.answers.flag("open");
    series.retention = call
        .answers
        .read::<crate::domain::period::Period>("retention")
        .map_err(|e| wrong("retention", call.answers.text("retention").unwrap_or_default(), e))?
        .filter(|period| !period.nominal().is_zero());
    series.title = call.answers.text("title").map(str::to_owned);
    series.source = call
        .answers
        .read("source")
        .map_err(|e: String| wrong("source", call.answers.text("source").unwrap_or_default(), e))?;
    Ok(())
}

fn table(language: Language, series: &[Series], now: Timestamp) -> Table {
    let columns = ["name", "title", "owner", "producers", "open", "retention_series", "source"];
    let label = |var: &str| texts::label(var).of(language).to_owned();
    Table {
        title: texts::SERIES_LIST.of(language).to_owned(),
        columns: columns
            .map(|var| (if var == "retention_series" { "retention" } else { var }.to_owned(), label(var)))
            .into(),
        rows: series
            .iter()
            .map(|s| {
                vec![
                    s.name.to_string(),
                    s.title.clone().unwrap_or_default(),
                    s.holder_shown(now),
                    s.producers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                    s.open.to_string(),
                    s.retention.as_ref().map_or_else(String::new, ToString::to_string),
                    s.source.as_ref().map_or_else(String::new, ToString::to_string),
                ]
            })
            .collect(),
    }
}
