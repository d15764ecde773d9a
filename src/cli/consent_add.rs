//! `courant consent add`: records a consent on the operator's word or paper.

use clap::Args;
use jid::{BareJid, Jid};
use jiff::Timestamp;
use uuid::Uuid;

use super::consent::{id, print};
use super::lines::person;
use super::series::scope;
use super::show::say;
use super::{Failure, actor, open, show, tell_service};
use crate::config::Config;
use crate::consents::record;
use crate::domain::clock;
use crate::domain::consent::{Mode, method};
use crate::domain::data_need;
use crate::domain::draft::Draft;
use crate::domain::name::Scope;
use crate::domain::party::{Subject, parse_recipient};
use crate::domain::period::{Period, read_time};
use crate::domain::subscription::{Format, Subscription};

/// Records a consent: this recipient may have these series of this person, for this purpose, in this time.
#[derive(Debug, Args)]
pub struct Add {
    /// The person concerned: a bare address, or ref: and a reference of your own
    #[arg(long, value_name = "JID", value_parser = person)]
    subject: Subject,

    /// Who may receive: a bare address, or a domain
    #[arg(long, value_name = "JID", value_parser = parse_recipient)]
    recipient: BareJid,

    /// A series, or a prefix ending in '*'; may be repeated
    #[arg(long, value_name = "NAME", required_unless_present = "need", value_parser = scope)]
    scope: Vec<Scope>,

    /// A request prepared in the configuration (data_needs): what it says counts, and --scope is what stands
    /// for {} in it
    #[arg(long, value_name = "ID")]
    need: Option<String>,

    /// What the data is for, in words that the person understands
    #[arg(long, value_name = "TEXT", required_unless_present = "need")]
    purpose: Option<String>,

    /// The purpose as a term of the Data Privacy Vocabulary, as dpv:ServiceProvision
    #[arg(long, value_name = "TERM")]
    purpose_code: Option<String>,

    /// GDPR article 6: consent, contract, legal-obligation, …
    #[arg(long, value_name = "BASIS", default_value = "consent")]
    lawful_basis: String,

    /// Delivery begins; now unless said
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    valid_from: Option<Timestamp>,

    /// Delivery ends; after a year unless said here or in the configuration
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    valid_until: Option<Timestamp>,

    /// Measurements from here on only
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    data_from: Option<Timestamp>,

    /// Measurements before here only
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    data_until: Option<Timestamp>,

    /// The finest detail that may leave, as PT1H or P1D; as published unless said
    #[arg(long, value_name = "DURATION")]
    granularity: Option<Period>,

    /// notify or history; both unless said; may be repeated
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

    /// Where the recipient can be asked, as mailto:dpo@coop.example
    #[arg(long, value_name = "TEXT")]
    recipient_contact: Option<String>,

    /// Where the recipient says what it does with data
    #[arg(long, value_name = "URL")]
    policy_url: Option<String>,

    /// The arrangement of the consent that this one renews; that one ends once this one is active
    #[arg(long, value_name = "UUID", value_parser = id)]
    arrangement: Option<Uuid>,

    /// Where the proof is kept, as "signed form 2026-117"
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,

    /// Do not subscribe the recipient; it will do so itself
    #[arg(long)]
    no_subscribe: bool,

    /// How the recipient is sent what is published: pubsub (unless said), json, quoalise, or publish, which a
    /// service acknowledges; the recipient may change it
    #[arg(long, value_name = "FORMAT", conflicts_with = "no_subscribe")]
    format: Option<Format>,

    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "notify" => Ok(Mode::Notify),
        "history" => Ok(Mode::History),
        other => Err(format!("'{other}' is not a mode; write notify or history")),
    }
}

impl Add {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let now = clock::wall();
        let (as_json, format) = (self.json, self.format);
        let need = self.need.as_deref().map(|id| data_need::find(&config.data_needs, id)).transpose();
        let need = need.map_err(|why| Failure::Refused(why.to_string()))?;
        let mut draft = self.draft();
        if let Some(need) = need {
            draft = need.fill(draft, now).map_err(|why| Failure::Refused(why.to_string()))?;
        }
        let consent = draft
            .complete(&config.consent.usual(), method::CLI, now)
            .map_err(|e| Failure::Refused(e.to_string()))?;
        if consent.recipient.as_str() == config.jid() {
            let why =
                "the recipient is this service itself, which sends nothing to itself; name another recipient";
            return Err(Failure::Refused(why.into()));
        }
        if let Some(format) = format {
            format.suits(&consent.recipient.clone().into()).map_err(Failure::Refused)?;
        }
        let store = open(config).await?;
        record::add(&store, &consent, &actor(), now).await?;
        if let Some(format) = format.filter(|_| consent.modes.notify) {
            let jid = Jid::from(consent.recipient.clone());
            for node in &consent.scope {
                let wish = Subscription { jid: jid.clone(), node: node.clone(), format };
                store.subscribe(&wish, now).await?;
            }
        }
        if as_json {
            show::json(&consent)?;
        } else {
            say!("Recorded consent {}.", consent.id);
            print(&consent);
        }
        tell_service(config).await
    }

    fn draft(self) -> Draft {
        Draft {
            subject: Some(self.subject),
            recipient: Some(self.recipient),
            recipient_name: self.recipient_name,
            recipient_contact: self.recipient_contact,
            policy_url: self.policy_url,
            arrangement: self.arrangement,
            scope: self.scope,
            purpose: self.purpose,
            purpose_code: self.purpose_code,
            lawful_basis: Some(self.lawful_basis),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            data_from: self.data_from,
            data_until: self.data_until,
            granularity: self.granularity,
            modes: self.modes,
            subscribe: Some(!self.no_subscribe),
            retention: self.retention,
            onward: Some(self.onward),
            evidence: self.evidence,
            ..Draft::default()
        }
    }
}
