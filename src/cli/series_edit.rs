//! `courant series edit`: changes a registration; the name stays.

use clap::Args;
use jid::{BareJid, Jid};

use super::lines::{person, plain};
use super::series::{key_value, meta, not_found, print, scope};
use super::{Failure, open, show, tell_service};
use crate::config::Config;
use crate::domain::clock;
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_bare, parse_jid};
use crate::domain::period::Period;
use crate::domain::series::{Series, check_meta};
use crate::domain::series_record::SeriesRecord;
use crate::domain::tenure::Tenures;
use crate::store::series::EditedSeries;

/// Changes a registration. Consents are not touched: who hands a meter on ends them.
#[derive(Debug, Args)]
pub struct Edit {
    /// Its name, as `courant series list` prints it
    #[arg(value_parser = scope)]
    name: Scope,

    /// The person concerned: a bare address, or ref: and a reference of your own
    #[arg(long, value_name = "JID", value_parser = person)]
    owner: Option<Subject>,

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

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let (name, as_json) = (self.name.clone(), self.json);
        check_meta(&meta(self.meta.clone())).map_err(Failure::Refused)?;
        let edited =
            open(config).await?.edit_series(&name, |series| self.apply(series), clock::wall()).await?;
        let EditedSeries::Done(both) = edited else { return Err(not_found(&name)) };
        tell_service(config).await?;
        if as_json {
            return show::json(&SeriesRecord::of(both.1, clock::wall()));
        }
        print(&both.1);
        Ok(())
    }

    fn apply(self, series: &mut Series) {
        if let Some(owner) = self.owner {
            series.tenures = Tenures::of(owner);
        }
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
