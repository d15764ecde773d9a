//! `courant series edit`: changes a registration, and who holds it; the name stays. `courant series remove`.

use clap::Args;
use jid::{BareJid, Jid};
use jiff::Timestamp;

use super::lines::{person, plain};
use super::series::{key_value, meta, not_found, print, scope};
use super::show::say;
use super::{Failure, actor, open, show, tell_service};
use crate::config::Config;
use crate::desk::hand_over::{self, Deed, Refused};
use crate::domain::clock;
use crate::domain::language::Language;
use crate::domain::moving::Report;
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_bare, parse_jid};
use crate::domain::period::{Period, read_time};
use crate::domain::series::{Series, check_meta};
use crate::domain::series_record::SeriesRecord;
use crate::store::moving::NextHolder;
use crate::store::series::EditedSeries;

/// Changes a registration. With another holder the series changes hands: what the former one agreed to covers what was
/// measured before, and nothing from then on.
#[derive(Debug, Args)]
pub struct Edit {
    /// Its name, as `courant series list` prints it
    #[arg(value_parser = scope)]
    name: Scope,

    /// Who holds it from now on (or --from): a bare address, or ref: and a reference of your own
    #[arg(long, value_name = "JID", value_parser = person, conflicts_with = "vacant")]
    owner: Option<Subject>,

    /// Nobody holds it from now on (or --from): what is measured then is acknowledged, neither kept nor sent
    #[arg(long)]
    vacant: bool,

    /// From which measuring time on the next holder counts, in the past or at most a year ahead; now unless said
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    from: Option<Timestamp>,

    /// Registrations below this prefix that have tenures of their own move too
    #[arg(long)]
    below: bool,

    /// Open data, access, members, outcasts and further owners stay: the next holder agreed to them
    #[arg(long)]
    keep_settings: bool,

    /// Only say what the move would do; change nothing
    #[arg(long)]
    dry_run: bool,

    /// Bare address that may publish, in place of all others; may be repeated
    #[arg(long = "producer", value_name = "JID", value_parser = parse_bare)]
    producers: Vec<BareJid>,

    /// Bare address that may publish too; may be repeated
    #[arg(long, value_name = "JID", value_parser = parse_bare)]
    add_producer: Vec<BareJid>,

    /// Bare address that may not publish any more; may be repeated
    #[arg(long, value_name = "JID", value_parser = parse_bare)]
    remove_producer: Vec<BareJid>,

    /// How long items are kept for history, as P30D; P0D for not at all
    #[arg(long, value_name = "DURATION")]
    retention: Option<Period>,

    /// Address that keeps the history itself: get_history is passed on there
    #[arg(long, value_name = "JID", value_parser = parse_jid, conflicts_with = "no_source")]
    source: Option<Jid>,

    /// The history is kept here, if at all
    #[arg(long)]
    no_source: bool,

    /// Open data from now on: no consent is needed
    #[arg(long, conflicts_with = "no_open")]
    open: bool,

    /// No open data any more: consent is needed
    #[arg(long)]
    no_open: bool,

    /// A name for people; empty for none
    #[arg(long, value_parser = plain)]
    title: Option<String>,

    /// More about it, as unit=W; an empty text takes it out; may be repeated
    #[arg(long, value_name = "KEY=TEXT", value_parser = key_value)]
    meta: Vec<(String, String)>,

    /// Print the record, or with another holder what the move did, as JSON
    #[arg(long)]
    json: bool,
}

/// Removes a registration: its tenure ends, and its past stays whose it was. Nobody may publish it any more.
#[derive(Debug, Args)]
pub struct Remove {
    /// Its name, as `courant series list` prints it
    #[arg(value_parser = scope)]
    name: Scope,

    /// Only say what it would do; change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print what it did as JSON
    #[arg(long)]
    json: bool,
}

impl Remove {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let now = clock::wall();
        let store = open(config).await?;
        let report =
            hand_over::remove(&store, &self.name, self.dry_run, &actor(), now).await.map_err(refused)?;
        if !self.dry_run {
            tell_service(config).await?;
        }
        print_move(&report, Deed::Removed, self.dry_run, self.json, now)
    }
}

pub(super) fn refused(why: Refused) -> Failure {
    match why {
        Refused::Store(error) => Failure::Store(error),
        why => Failure::Refused(why.text(Language::En)),
    }
}

/// Prints what a move did, or would do.
pub(super) fn print_move(
    report: &Report,
    deed: Deed,
    dry_run: bool,
    as_json: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    if as_json {
        return show::json(report);
    }
    if dry_run {
        say!("Nothing was changed. This is what it would do:");
    }
    for line in hand_over::told(report, deed, now, Language::En) {
        say!("{line}");
    }
    Ok(())
}

impl Edit {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let (name, as_json, now) = (self.name.clone(), self.json, clock::wall());
        check_meta(&meta(self.meta.clone())).map_err(Failure::Refused)?;
        let moves = self.owner.is_some() || self.vacant;
        if !moves && (self.from.is_some() || self.below || self.keep_settings || self.dry_run) {
            return Err(Failure::Usage(
                "--from, --below, --keep-settings and --dry-run go with --owner or --vacant".into(),
            ));
        }
        let store = open(config).await?;
        if moves {
            // What stands now is what is decided about: who else decides meanwhile, or did, is not overruled.
            let (_, seen) = store.series_named(&name.to_string()).await?.ok_or_else(|| not_found(&name))?;
            let wish = NextHolder {
                series: name.clone(),
                holder: self.owner.clone(),
                from: self.from,
                below: self.below,
                keep_settings: self.keep_settings,
                seen: Some(seen.tenures),
                dry_run: self.dry_run,
            };
            let dry_run = self.dry_run;
            let report = hand_over::hand_over(&store, &wish, &actor(), now).await.map_err(refused)?;
            if !dry_run {
                if self.changes_more() {
                    store.edit_series(&name, |series| self.apply(series), now).await?;
                }
                tell_service(config).await?;
            }
            return print_move(&report, Deed::Moved, dry_run, as_json, now);
        }
        let edited = store.edit_series(&name, |series| self.apply(series), now).await?;
        let EditedSeries::Done(both) = edited else { return Err(not_found(&name)) };
        tell_service(config).await?;
        if as_json {
            return show::json(&SeriesRecord::of(both.1, clock::wall()));
        }
        print(&both.1);
        Ok(())
    }

    /// Whether anything is to be different beside the holder.
    fn changes_more(&self) -> bool {
        let lists = [&self.producers, &self.add_producer, &self.remove_producer];
        lists.iter().any(|list| !list.is_empty())
            || self.retention.is_some()
            || self.source.is_some()
            || self.no_source
            || self.open
            || self.no_open
            || self.title.is_some()
            || !self.meta.is_empty()
    }

    fn apply(self, series: &mut Series) {
        if !self.producers.is_empty() {
            series.producers = self.producers;
        }
        for producer in self.add_producer {
            if !series.producers.contains(&producer) {
                series.producers.push(producer);
            }
        }
        series.producers.retain(|producer| !self.remove_producer.contains(producer));
        if let Some(retention) = self.retention {
            series.retention = (!retention.nominal().is_zero()).then_some(retention);
        }
        if self.source.is_some() || self.no_source {
            series.source = self.source;
        }
        series.open = (series.open || self.open) && !self.no_open;
        if let Some(title) = self.title {
            series.title = (!title.is_empty()).then_some(title);
        }
        series.meta.extend(meta(self.meta));
        series.meta.retain(|_, value| value.as_str() != Some(""));
    }
}
