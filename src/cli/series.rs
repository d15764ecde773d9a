//! `courant series`: what may be published, by whom, and whose it is.

use clap::{Args, Subcommand};
use jid::{BareJid, Jid};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::lines::{person, plain};
use super::series_edit::{Edit, Remove, print_move, refused};
use super::show::say;
use super::transfer::{Export, Import};
use super::{Failure, actor, open, show, tell_service, transfer};
use crate::config::Config;
use crate::desk::hand_over::{self, Deed};
use crate::domain::clock;
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_bare, parse_jid};
use crate::domain::period::{Period, read_time};
use crate::domain::series::Series;
use crate::domain::series_record::SeriesRecord;
use crate::domain::tenure::Tenures;

/// See and register series.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Register a series, or a prefix of series, and who may publish it
    Add(Box<Add>),
    /// List what is registered
    List(List),
    /// Show one registration
    Show(Show),
    /// Change who owns, publishes or keeps a series, or what it is called
    Edit(Box<Edit>),
    /// Remove a registration: its past stays whose it was
    Remove(Remove),
    /// Take over registrations from a file of JSON Lines, all or none
    Import(Import),
    /// Write all registrations as JSON Lines
    Export(Export),
}

/// Registers a series: until then, nobody may publish it.
#[derive(Debug, Args)]
pub struct Add {
    /// Its name, or a prefix ending in '*' for all series that begin so
    #[arg(value_parser = scope)]
    name: Scope,

    /// The person concerned: a bare address, or ref: and a reference of your own
    #[arg(long, value_name = "JID", value_parser = person)]
    owner: Subject,

    /// From which measuring time on they hold it; unless said from now on where a wider registration covers it
    /// already or it was registered before, and else without a beginning
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    from: Option<Timestamp>,

    /// Bare address that may publish; may be repeated
    #[arg(long = "producer", value_name = "JID", required = true, value_parser = parse_bare)]
    producers: Vec<BareJid>,

    /// How long items are kept for history, as P30D; none unless said
    #[arg(long, value_name = "DURATION")]
    retention: Option<Period>,

    /// Address that keeps the history itself: get_history is passed on there
    #[arg(long, value_name = "JID", value_parser = parse_jid)]
    source: Option<Jid>,

    /// Open data: no consent is needed, and recipients are told so
    #[arg(long)]
    open: bool,

    /// A name for people
    #[arg(long, value_parser = plain)]
    title: Option<String>,

    /// More about it, as unit=W, sampling-interval=PT30M or aggregation=last (docs/CONSENT.md); may be repeated
    #[arg(long, value_name = "KEY=TEXT", value_parser = key_value)]
    meta: Vec<(String, String)>,

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

/// Lists what is registered.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows one registration.
#[derive(Debug, Args)]
pub struct Show {
    /// Its name, as `courant series list` prints it
    #[arg(value_parser = scope)]
    name: Scope,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).map_err(|e| e.to_string())
}

impl Verb {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        match self {
            Verb::Add(add) => add.run(config).await,
            Verb::List(list) => list.run(config).await,
            Verb::Show(show) => show.run(config).await,
            Verb::Edit(edit) => edit.run(config).await,
            Verb::Remove(remove) => remove.run(config).await,
            Verb::Import(import) => transfer::import_series(import, config).await,
            Verb::Export(export) => transfer::export_series(export, config).await,
        }
    }
}

impl Add {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let series = Series {
            name: self.name,
            tenures: Tenures::of(self.owner),
            producers: self.producers,
            open: self.open,
            retention: self.retention,
            title: self.title,
            source: self.source,
            meta: meta(self.meta),
            node: Default::default(),
        };
        series.check().map_err(Failure::Refused)?;
        let now = clock::wall();
        let store = open(config).await?;
        let moved = hand_over::register(&store, &series, self.from, &actor(), now).await.map_err(refused)?;
        // With the tenure that it begins.
        let series = store.series_named(&series.name.to_string()).await?.map_or(series, |(_, held)| held);
        if self.json {
            show::json(&SeriesRecord::of(series, clock::wall()))?;
        } else {
            say!("Registered {}: {} may publish it.", series.name, names(&series.producers));
            if let Some(report) = &moved {
                print_move(report, Deed::Added, false, false, now)?;
            }
        }
        tell_service(config).await
    }
}

impl List {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let now = clock::wall();
        let all: Vec<Series> =
            open(config).await?.all_series().await?.into_iter().map(|(_, series)| series).collect();
        if self.json {
            let all: Vec<_> = all.into_iter().map(|series| SeriesRecord::of(series, now)).collect();
            return show::json(&all);
        }
        let rows = all.iter().map(|series| {
            let kept = series.retention.as_ref().map_or_else(|| "-".into(), ToString::to_string);
            let open = if series.open { "yes" } else { "no" };
            [series.name.to_string(), series.holder_shown(now), names(&series.producers), open.into(), kept]
        });
        let none = "No series is registered. Register one with `courant series add NAME --owner JID --producer JID`.";
        show::table(["SERIES", "OWNER", "PRODUCERS", "OPEN", "KEPT"], rows.collect(), none);
        Ok(())
    }
}

impl Show {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let found = open(config).await?.series_named(&self.name.to_string()).await?;
        let (_, series) = found.ok_or_else(|| not_found(&self.name))?;
        if self.json {
            return show::json(&SeriesRecord::of(series, clock::wall()));
        }
        print(&series);
        Ok(())
    }
}

pub(super) fn not_found(name: &Scope) -> Failure {
    Failure::Refused(format!("'{name}' is not registered; `courant series list` shows what is"))
}

pub(super) fn print(series: &Series) {
    let line = |name: &str, value: &str| say!("  {name:<12} {value}");
    line("series", &series.name.to_string());
    line("owner", &series.holder_shown(clock::wall()));
    line("producers", &names(&series.producers));
    line("open", if series.open { "yes" } else { "no" });
    line("kept", &series.retention.as_ref().map_or_else(|| "no".into(), ToString::to_string));
    if let Some(source) = &series.source {
        line("source", source.as_str());
    }
    if let Some(title) = &series.title {
        line("title", title);
    }
    for (key, value) in &series.meta {
        line(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str());
    }
}

/// Reads `unit=W`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=TEXT; write for example unit=W")),
    }
}

pub(super) fn meta(pairs: Vec<(String, String)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect()
}

fn names(producers: &[BareJid]) -> String {
    producers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
