//! `courant consent`: what people agreed to, recorded by the operator on their word or their paper.

use clap::{Args, Subcommand};
use jid::BareJid;
use jiff::Timestamp;
use uuid::Uuid;

use super::series::scope;
use super::{Failure, actor, open, show, tell_service};
use crate::config::Config;
use crate::domain::clock;
use crate::domain::consent::{Consent, Mode, Modes, State};
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_bare};
use crate::domain::period::Period;
use crate::store::consents::{Ended, Filter};

/// See and change consents.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Record a consent that a person gave; it takes effect at once
    Add(Box<Add>),
    /// List consents
    List(List),
    /// Show one consent
    Show(Show),
    /// End a consent; when this command ends, nothing leaves under it any more
    Revoke(Revoke),
}

/// Records a consent: this recipient may have these series of this person, for this purpose, in this time.
#[derive(Debug, Args)]
pub struct Add {
    /// The person concerned: a bare address, or ref: and a reference of your own
    #[arg(long, value_name = "JID")]
    subject: Subject,

    /// Who may receive: a bare address, or a domain
    #[arg(long, value_name = "JID", value_parser = parse_bare)]
    recipient: BareJid,

    /// A series, or a prefix ending in '*'; may be repeated
    #[arg(long, value_name = "NAME", required = true, value_parser = scope)]
    scope: Vec<Scope>,

    /// What the data is for, in words that the person understands
    #[arg(long, value_name = "TEXT")]
    purpose: String,

    /// The purpose as a term of the Data Privacy Vocabulary, as dpv:ServiceProvision
    #[arg(long, value_name = "TERM")]
    purpose_code: Option<String>,

    /// GDPR article 6: consent, contract, legal-obligation, …
    #[arg(long, value_name = "BASIS", default_value = "consent")]
    lawful_basis: String,

    /// Delivery begins; now unless said
    #[arg(long, value_name = "TIME", value_parser = show::time)]
    valid_from: Option<Timestamp>,

    /// Delivery ends; after a year unless said here or in the configuration
    #[arg(long, value_name = "TIME", value_parser = show::time)]
    valid_until: Option<Timestamp>,

    /// Measurements from here on only
    #[arg(long, value_name = "TIME", value_parser = show::time)]
    data_from: Option<Timestamp>,

    /// Measurements before here only
    #[arg(long, value_name = "TIME", value_parser = show::time)]
    data_until: Option<Timestamp>,

    /// notify, history; both unless said
    #[arg(long, value_name = "MODE", value_parser = mode)]
    modes: Vec<Mode>,

    /// How long the recipient may keep what it gets, as P1Y
    #[arg(long, value_name = "DURATION")]
    retention: Option<Period>,

    /// The recipient may pass it on
    #[arg(long)]
    onward: bool,

    /// The recipient's name
    #[arg(long, value_name = "TEXT")]
    recipient_name: Option<String>,

    /// Where the proof is kept, as "signed form 2026-117"
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,

    /// Do not subscribe the recipient; it will do so itself
    #[arg(long)]
    no_subscribe: bool,

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
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
    id: Uuid,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Ends one consent for good.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Its id, as `courant consent list` prints it
    id: Uuid,

    /// Why, for the record and for those concerned
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "notify" => Ok(Mode::Notify),
        "history" => Ok(Mode::History),
        other => Err(format!("'{other}' is not a mode; write notify or history")),
    }
}

impl Verb {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        match self {
            Verb::Add(add) => add.run(config).await,
            Verb::List(list) => list.run(config).await,
            Verb::Show(show) => show.run(config).await,
            Verb::Revoke(revoke) => revoke.run(config).await,
        }
    }
}

impl Add {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let now = clock::wall();
        let (subscribe, as_json) = (!self.no_subscribe, self.json);
        let consent = self.consent(config, now)?;
        consent.validate(&config.consent.maximum).map_err(|e| Failure::Refused(e.to_string()))?;
        open(config).await?.add_consent(&consent, subscribe, &actor(), now).await?;
        if as_json {
            show::json(&consent)?;
        } else {
            println!("Recorded consent {}.", consent.id);
            print(&consent);
        }
        tell_service(config).await
    }

    fn consent(self, config: &Config, now: Timestamp) -> Result<Consent, Failure> {
        let valid_from = self.valid_from.unwrap_or(now);
        let valid_until = match self.valid_until {
            Some(until) => until,
            None => config
                .consent
                .duration
                .after(valid_from)
                .ok_or_else(|| Failure::Refused("valid_from lies too far ahead".into()))?,
        };
        let modes = if self.modes.is_empty() {
            Modes::BOTH
        } else {
            Modes::try_from(self.modes).map_err(|e| Failure::Refused(e.to_string()))?
        };
        let id = Uuid::now_v7();
        Ok(Consent {
            id,
            arrangement: id,
            revision: 1,
            subject: self.subject,
            recipient: self.recipient,
            recipient_name: self.recipient_name,
            scope: self.scope,
            purpose: self.purpose,
            purpose_code: self.purpose_code,
            lawful_basis: self.lawful_basis,
            valid_from,
            valid_until,
            data_from: self.data_from,
            data_until: self.data_until,
            modes,
            retention: self.retention.unwrap_or_else(|| config.consent.retention.clone()),
            onward: self.onward,
            method: "cli".into(),
            evidence: self.evidence,
            state: State::Active,
            since: now,
            ended_by: None,
            end_reason: None,
        })
    }
}

impl List {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let filter = Filter {
            subject: self.subject,
            recipient: self.recipient.map(|jid| jid.to_string()),
            state: self.state,
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
                consent.purpose.clone(),
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
        let consent = open(config).await?.consent(self.id).await?.ok_or_else(|| not_found(self.id))?;
        if self.json {
            return show::json(&consent);
        }
        print(&consent);
        Ok(())
    }
}

impl Revoke {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let ended = open(config)
            .await?
            .end_consent(self.id, State::Revoked, &actor(), self.reason.as_deref(), clock::wall())
            .await?;
        let consent = match ended {
            Ended::Done(consent, _) => consent,
            Ended::NotFound => return Err(not_found(self.id)),
            Ended::Refused(why) => return Err(Failure::Refused(why.to_string())),
        };
        // Before a word is said: who reads it may rely on it.
        tell_service(config).await?;
        if self.json {
            show::json(&consent)
        } else {
            println!("Revoked {}: nothing leaves under it any more.", consent.id);
            Ok(())
        }
    }
}

fn not_found(id: Uuid) -> Failure {
    Failure::Refused(format!("there is no consent {id}; `courant consent list` shows all"))
}

fn scopes(consent: &Consent) -> String {
    consent.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn print(consent: &Consent) {
    let line = |name: &str, value: &str| println!("  {name:<12} {value}");
    let window = |from: Option<Timestamp>, until: Option<Timestamp>| {
        let text = |at: Option<Timestamp>| at.map_or_else(|| "…".into(), |at| at.to_string());
        format!("{} to {}", text(from), text(until))
    };
    line("id", &consent.id.to_string());
    line("state", &format!("{} since {}", consent.state, consent.since));
    line("subject", &consent.subject.to_string());
    line("recipient", &consent.recipient.to_string());
    line("series", &scopes(consent));
    line("purpose", &consent.purpose);
    line("delivery", &window(Some(consent.valid_from), Some(consent.valid_until)));
    if consent.data_from.is_some() || consent.data_until.is_some() {
        line("measured", &window(consent.data_from, consent.data_until));
    }
    line("may be kept", &consent.retention.to_string());
    if let Some(evidence) = &consent.evidence {
        line("evidence", evidence);
    }
    if let Some(by) = &consent.ended_by {
        line("ended by", by);
    }
    if let Some(reason) = &consent.end_reason {
        line("because", reason);
    }
}
