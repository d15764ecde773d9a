//! `courant consent`: what people agreed to, recorded by the operator on their word or their paper.

use clap::{Args, Subcommand};
use jid::BareJid;
use jiff::Timestamp;
use uuid::Uuid;

use super::consent_add::Add;
use super::consent_edit::Edit;
use super::consent_revoke::Revoke;
use super::lines::plain;
use super::show::say;
use super::transfer::{Export, Import};
use super::{Failure, actor, not_recorded, open, open_for_an_end, show, tell_service, transfer};
use crate::config::Config;
use crate::domain::clock;
use crate::domain::consent::{Consent, State};
use crate::domain::party::{Subject, parse_bare};
use crate::domain::wording::one_line;
use crate::store::Store;
use crate::store::consent_steps::Stepped;
use crate::store::consents::Filter;

/// See and change consents.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Record a consent that a person gave; it takes effect at once
    Add(Box<Add>),
    /// List consents
    List(List),
    /// Show one consent and what happened to it
    Show(Show),
    /// Narrow a consent, or correct its evidence
    Edit(Box<Edit>),
    /// Pause a consent; nothing leaves under it until it is resumed
    Suspend(Step),
    /// Let data leave again under a consent that was suspended
    Resume(Step),
    /// End consents: those named, or all of a person or for a recipient; when this command ends, nothing leaves under
    /// them any more
    Revoke(Revoke),
    /// Take over consents from a file of JSON Lines, all or none
    Import(Import),
    /// Write all consents as JSON Lines
    Export(Export),
}

/// Lists consents; every filter given must match.
#[derive(Debug, Args)]
pub struct List {
    /// Of this person
    #[arg(long, value_name = "JID")]
    subject: Option<Subject>,

    /// For this recipient
    #[arg(long, value_name = "JID", value_parser = parse_bare)]
    recipient: Option<BareJid>,

    /// In this state: active, suspended, withdrawn, revoked, …
    #[arg(long)]
    state: Option<State>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows one consent.
#[derive(Debug, Args)]
pub struct Show {
    /// Its id, as `courant consent list` prints it
    #[arg(value_parser = id)]
    id: Uuid,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Changes where one consent stands.
#[derive(Debug, Args)]
pub struct Step {
    /// Its id, as `courant consent list` prints it
    #[arg(value_parser = id)]
    id: Uuid,

    /// Why, for the record and for those concerned
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    reason: Option<String>,

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

impl Verb {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        match self {
            Verb::Add(add) => add.run(config).await,
            Verb::List(list) => list.run(config).await,
            Verb::Show(show) => show.run(config).await,
            Verb::Edit(edit) => edit.run(config).await,
            Verb::Suspend(step) => step.run(config, State::Suspended).await,
            Verb::Resume(step) => step.run(config, State::Active).await,
            Verb::Revoke(revoke) => revoke.run(config).await,
            Verb::Import(import) => transfer::import_consents(import, config).await,
            Verb::Export(export) => transfer::export_consents(export, config).await,
        }
    }
}

impl List {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let filter = Filter {
            subject: self.subject,
            recipient: self.recipient.map(|jid| jid.to_string()),
            state: self.state,
            ..Filter::default()
        };
        let all = open(config).await?.list_consents(&filter).await?;
        if self.json {
            return show::json(&all);
        }
        let rows = all.iter().map(|consent| {
            [
                consent.id.to_string(),
                consent.state.to_string(),
                consent.subject.to_string(),
                consent.recipient.to_string(),
                scopes(consent),
                one_line(&consent.purpose),
                day(consent.valid_until),
            ]
        });
        let titles = ["ID", "STATE", "SUBJECT", "RECIPIENT", "SERIES", "PURPOSE", "UNTIL"];
        show::table(titles, rows.collect(), "No consent matches.");
        Ok(())
    }
}

impl Show {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let store = open(config).await?;
        let consent = store.consent(self.id).await?.ok_or_else(|| not_found(self.id))?;
        if self.json {
            return show::json(&consent);
        }
        print(&consent);
        history(&store, self.id).await
    }
}

async fn history(store: &Store, id: Uuid) -> Result<(), Failure> {
    let mut revisions = store.earlier_revisions(id).await?.len();
    say!();
    for event in store.events_of(id).await? {
        let what = match event.from {
            Some(from) if from == event.to && revisions > 0 => {
                revisions -= 1;
                "edited".to_owned()
            }
            _ => event.to.to_string(),
        };
        let note = event.note.map_or_else(String::new, |note| format!(": {note}"));
        say!("  {} {what} by {}{note}", event.at, event.actor);
    }
    Ok(())
}

impl Step {
    async fn run(self, config: &Config, next: State) -> Result<(), Failure> {
        let store = match next {
            State::Active => open(config).await?,
            _ => open_for_an_end(config).await?,
        };
        let stepped =
            store.step_consent(self.id, next, &actor(), self.reason.as_deref(), clock::wall()).await;
        let stepped = match stepped {
            Err(error) => return Err(not_recorded(config, error).await),
            Ok(stepped) => stepped,
        };
        let consent = done(self.id, stepped)?;
        // Before a word is said: who reads it may rely on it.
        tell_service(config).await?;
        if self.json {
            return show::json(&consent);
        }
        match next {
            State::Active => say!("Resumed {}: what is published from now on leaves again.", consent.id),
            _ => say!("Suspended {}: nothing leaves under it until resumed.", consent.id),
        }
        Ok(())
    }
}

/// The consent as it is now, or why not.
pub(super) fn done(id: Uuid, stepped: Stepped) -> Result<Consent, Failure> {
    match stepped {
        Stepped::Done(consent) => Ok(*consent),
        Stepped::NotFound => Err(not_found(id)),
        Stepped::Refused(why) => Err(Failure::Refused(why.to_string())),
        Stepped::Stale(now) => Err(Failure::Refused(format!(
            "somebody else changed it meanwhile: it is at revision {} now. Look at it with \
             `courant consent show {id}` and try again",
            now.revision
        ))),
    }
}

/// An id, as it was typed.
pub(super) fn id(text: &str) -> Result<Uuid, String> {
    let shown: String = text.chars().take(60).collect();
    Uuid::parse_str(text.trim())
        .map_err(|_| format!("'{}' is not an id; `courant consent list` shows them", shown.escape_debug()))
}

pub(super) fn not_found(id: Uuid) -> Failure {
    Failure::Refused(format!("there is no consent {id}; `courant consent list` shows all"))
}

pub(super) fn scopes(consent: &Consent) -> String {
    consent.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

pub(super) fn print(consent: &Consent) {
    let line = |name: &str, value: &str| say!("  {name:<14} {value}");
    let window = |from: Option<Timestamp>, until: Option<Timestamp>| {
        let text = |at: Option<Timestamp>| at.map_or_else(|| "…".into(), |at| at.to_string());
        format!("{} to {}", text(from), text(until))
    };
    line("id", &consent.id.to_string());
    line("state", &format!("{} since {}", consent.state, consent.since));
    line("revision", &consent.revision.to_string());
    line("subject", &consent.subject.to_string());
    line("recipient", &consent.recipient.to_string());
    let text = |name: &str, value: &Option<String>| {
        value.iter().for_each(|value| line(name, &one_line(value)));
    };
    text("  name", &consent.recipient_name);
    text("  contact", &consent.recipient_contact);
    text("  policy", &consent.policy_url);
    line("series", &scopes(consent));
    line("purpose", &one_line(&consent.purpose));
    text("purpose code", &consent.purpose_code);
    line("lawful basis", &consent.lawful_basis);
    line("delivery", &window(Some(consent.valid_from), Some(consent.valid_until)));
    if consent.data_from.is_some() || consent.data_until.is_some() {
        line("measured", &window(consent.data_from, consent.data_until));
    }
    if let Some(granularity) = &consent.granularity {
        line("not finer than", granularity.as_str());
    }
    let modes: Vec<&str> = [("notify", consent.modes.notify), ("history", consent.modes.history)]
        .iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| *name)
        .collect();
    line("modes", &modes.join(", "));
    line("may be kept", &consent.retention.to_string());
    line("passed on", if consent.onward { "yes" } else { "no" });
    line("given by", &consent.method);
    line("evidence", &consent.evidence.as_deref().map_or_else(|| "none".to_owned(), one_line));
    text("text shown in", &consent.text_lang);
    text("  its SHA-256", &consent.text_hash);
    line("arrangement", &consent.arrangement.to_string());
    if let Some(by) = &consent.ended_by {
        line("ended by", by);
    }
    if let Some(reason) = &consent.end_reason {
        line("because", &one_line(reason));
    }
}
