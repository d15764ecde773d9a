//! `courant consent edit`: narrows a consent, or corrects its evidence; the id stays.

use clap::Args;
use jiff::Timestamp;
use uuid::Uuid;

use super::consent::{done, id};
use super::consent_add::mode;
use super::lines::plain;
use super::series::scope;
use super::show::say;
use super::{Failure, actor, open, show, tell_service};
use crate::config::Config;
use crate::consents::record;
use crate::domain::clock;
use crate::domain::consent::{Mode, Modes};
use crate::domain::edit::{self, differences};
use crate::domain::name::Scope;
use crate::domain::period::{Period, read_time};

/// Narrows a consent, or corrects its evidence. What is wider is a new consent under the same arrangement.
#[derive(Debug, Args)]
pub struct Edit {
    /// Its id, as `courant consent list` prints it
    #[arg(value_parser = id)]
    id: Uuid,

    /// The revision that you saw; refused if somebody else changed it since
    #[arg(long)]
    revision: Option<u32>,

    /// The series that are left, or a prefix ending in '*'; may be repeated
    #[arg(long, value_name = "NAME", value_parser = scope)]
    scope: Vec<Scope>,

    /// Delivery begins later
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    valid_from: Option<Timestamp>,

    /// Delivery ends earlier
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    valid_until: Option<Timestamp>,

    /// Measurements from here on only
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    data_from: Option<Timestamp>,

    /// Measurements before here only
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    data_until: Option<Timestamp>,

    /// Coarser, as P1D
    #[arg(long, value_name = "DURATION")]
    granularity: Option<Period>,

    /// What is left of notify and history
    #[arg(long, value_name = "MODE", value_parser = mode)]
    modes: Vec<Mode>,

    /// Kept by the recipient for a shorter time, as P6M
    #[arg(long, value_name = "DURATION")]
    retention: Option<Period>,

    /// The recipient may not pass it on any more
    #[arg(long)]
    no_onward: bool,

    /// Where the proof is kept
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    evidence: Option<String>,

    /// Where the recipient can be asked
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    recipient_contact: Option<String>,

    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    reason: Option<String>,

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let (id, revision, as_json, reason) = (self.id, self.revision, self.json, self.reason.clone());
        let edit = self.edit()?;
        if edit.is_empty() {
            return Err(Failure::Usage(
                "nothing to change; `courant consent edit --help` lists what can be".into(),
            ));
        }
        let store = open(config).await?;
        let before = store.consent(id).await?;
        let maximum = &config.consent.maximum;
        let (name, note) = (actor(), reason.as_deref());
        let stepped = record::edit(&store, id, &edit, revision, maximum, &name, note, clock::wall()).await?;
        let consent = done(id, stepped)?;
        tell_service(config).await?;
        if as_json {
            return show::json(&consent);
        }
        say!("Edited {}: revision {}.", consent.id, consent.revision);
        for change in before.iter().flat_map(|before| differences(before, &consent)) {
            say!("  {:<14} {} -> {}", change.field, change.before, change.after);
        }
        Ok(())
    }

    fn edit(self) -> Result<edit::Edit, Failure> {
        let modes = (!self.modes.is_empty()).then(|| Modes::try_from(self.modes));
        Ok(edit::Edit {
            scope: (!self.scope.is_empty()).then_some(self.scope),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            data_from: self.data_from,
            data_until: self.data_until,
            granularity: self.granularity,
            modes: modes.transpose().map_err(|e| Failure::Refused(e.to_string()))?,
            retention: self.retention,
            onward: self.no_onward.then_some(false),
            evidence: self.evidence,
            recipient_contact: self.recipient_contact,
        })
    }
}
