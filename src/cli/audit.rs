//! `courant audit`: is the disclosure log as it was written, and what does it say?

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jid::BareJid;
use jiff::Timestamp;
use serde::Serialize;

use super::show::say;
use super::{Failure, open, show};
use crate::config::Config;
use crate::domain::clock;
use crate::domain::disclosure::{Decided, Dropped, Ground, Line, Proof, Why};
use crate::domain::name::ScopeMap;
use crate::domain::party::{Subject, parse_bare};
use crate::domain::period::read_time;
use crate::store::Store;
use crate::store::disclosures::checkpoint::{Key, hex, unhex};
use crate::store::disclosures::verify::{Expectation, Finding, Outcome, Report};
use crate::store::disclosures::{Hash, block};

/// Rows per query.
const PAGE: u32 = 16;

/// Verify and export the disclosure log.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Read the whole log and tell the first row that is not as it was written
    Verify(Verify),
    /// Write what the log says as JSON Lines, one object a line
    Export(Export),
}

/// Verifies the log: each row against the one before, the signatures, and the consents it tells of.
#[derive(Debug, Args)]
pub struct Verify {
    /// A row and its hash, noted elsewhere, as this command prints them; may be repeated
    #[arg(long, value_name = "ROW:HASH", value_parser = head)]
    expect: Vec<(u64, Hash)>,

    /// A key that may have signed, in hexadecimal; may be repeated. The installation's own unless said
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    public_key: Vec<Hash>,

    /// Sign the log as it stands, if it is found in order
    #[arg(long)]
    checkpoint: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes the log for people and programs.
#[derive(Debug, Args)]
pub struct Export {
    /// To this file; to standard output unless said
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Only what concerns this person's data; not `confirmed` and `discarded`, which name nobody
    #[arg(long, value_name = "JID")]
    subject: Option<Subject>,

    /// Only what concerns this recipient
    #[arg(long, value_name = "JID", value_parser = parse_bare)]
    recipient: Option<BareJid>,

    /// Only what was written from here on
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    since: Option<Timestamp>,

    /// Only what was written before here
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    until: Option<Timestamp>,
}

fn head(text: &str) -> Result<(u64, Hash), String> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, unhex(hash)?)));
    parsed.ok_or_else(|| format!("'{text}' is not a row's number, a colon and 64 hexadecimal digits"))
}

fn public_key(text: &str) -> Result<Hash, String> {
    unhex(text).ok_or_else(|| format!("'{text}' is not a key of 64 hexadecimal digits"))
}

impl Verb {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        match self {
            Verb::Verify(verify) => verify.run(config).await,
            Verb::Export(export) => export.run(config).await,
        }
    }
}

/// The answer as programs read it.
#[derive(Debug, Serialize)]
struct Answer {
    ok: bool,
    rows: u64,
    lines: u64,
    decided: u64,
    dropped: u64,
    consent_steps: u64,
    checkpoints: u64,
    signed_to: u64,
    head: String,
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bad: Option<Bad>,
}

#[derive(Debug, Serialize)]
struct Bad {
    row: u64,
    fault: &'static str,
    detail: String,
}

impl Answer {
    fn new(report: Report, finding: Option<&Finding>) -> Self {
        Answer {
            ok: finding.is_none(),
            head: format!("{}:{}", report.blocks, hex(&report.head)),
            rows: report.blocks,
            lines: report.lines,
            decided: report.decided,
            dropped: report.dropped,
            consent_steps: report.consents,
            checkpoints: report.checkpoints,
            signed_to: report.signed_to,
            keys: report.keys.into_iter().collect(),
            bad: finding.map(|f| Bad { row: f.seq, fault: f.fault.as_str(), detail: f.detail.clone() }),
        }
    }
}

impl Verify {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let store = open(config).await?;
        let mut keys = self.public_key;
        if keys.is_empty()
            && let Some(path) = config.audit_key_file()
        {
            match Key::read(&path) {
                Ok(key) => keys.push(key.public()),
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    eprintln!(
                        "courant: no key at {}: whose signatures they are is not checked",
                        path.display()
                    );
                }
                Err(e) => return Err(unusable(&path, &e)),
            }
        }
        let expected = Expectation { keys, heads: self.expect };
        let (report, finding) = match store.verify_disclosures(&expected).await? {
            Outcome::Sound(report) => (report, None),
            Outcome::Broken(finding, report) => (report, Some(finding)),
        };
        let mut answer = Answer::new(report, finding.as_ref());
        if self.checkpoint && answer.ok {
            let path =
                config.audit_key_file().ok_or_else(|| Failure::Usage("there is no key file".into()))?;
            let key = Key::open(&path).map_err(|e| unusable(&path, &e))?;
            if let Some(signed) = store.add_checkpoint(&key, clock::wall().as_millisecond()).await? {
                answer.checkpoints += 1;
                answer.signed_to = signed.seq;
            }
        }
        if self.json {
            show::json(&answer)?;
        } else if answer.ok {
            say!(
                "ok: {} rows, {} lines ({} items decided about, {} deliveries dropped, {} steps of consents), \
                 {} checkpoints, signed to row {}",
                answer.rows,
                answer.lines,
                answer.decided,
                answer.dropped,
                answer.consent_steps,
                answer.checkpoints,
                answer.signed_to
            );
            say!("head {}", answer.head);
            for key in &answer.keys {
                say!("key  {key}");
            }
        }
        match answer.bad {
            None => Ok(()),
            Some(bad) => Err(Failure::Refused(format!(
                "the disclosure log is not as it was written: row {}: {}: {}",
                bad.row, bad.fault, bad.detail
            ))),
        }
    }
}

fn unusable(path: &std::path::Path, e: &io::Error) -> Failure {
    Failure::Usage(format!("the key {} ([audit] key_file): {e}", path.display()))
}

/// One line of the export. What does not apply is left out.
#[derive(Debug, Default, Serialize)]
struct Entry {
    /// When it was written.
    time: Option<Timestamp>,
    /// `decision`, `delivery` or `consent`.
    kind: &'static str,
    /// What came of it.
    outcome: &'static str,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    series: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    /// What it rests on: `consent`, `own` or `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readings_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readings_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Arc<str>>,
    /// The item's number: by it, a decision and what became of it belong together.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<u64>,
    /// Who took the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Arc<str>>,
    /// The row of the log.
    row: u64,
}

/// What later lines name by number only. It grows with consents and subscriptions, not with the log.
#[derive(Default)]
struct Known {
    consents: HashMap<u64, (uuid::Uuid, Arc<str>, Arc<str>)>,
    subscribers: HashMap<u64, Arc<str>>,
    owners: ScopeMap<Arc<str>>,
}

impl Known {
    async fn from(store: &Store) -> Result<Self, Failure> {
        let mut known = Known::default();
        for (_, series) in store.all_series().await? {
            known.owners.insert(&series.name, series.holder_shown(clock::wall()).into());
        }
        Ok(known)
    }

    /// The line as it is written, one entry for each verdict.
    fn entries(&mut self, line: Line) -> Vec<Entry> {
        match line {
            Line::Decided(decided) => self.decided(&decided, "decision"),
            Line::Reserve(reserve) => self.decided(&reserve, "reserve"),
            Line::Fetched(fetched) => self.decided(&fetched, "fetch"),
            Line::Dropped(dropped) => vec![self.dropped(dropped)],
            Line::Confirmed { domain, seq, proof } => {
                let reason = match proof {
                    Proof::RecipientServer => "taken by the server, with all items before it",
                    Proof::OwnServer => "taken by our own server, with all items before it",
                };
                let reason = Some(reason.into());
                vec![Entry {
                    kind: "delivery",
                    outcome: "confirmed",
                    reason,
                    recipient: Some(domain),
                    number: Some(seq),
                    ..Entry::default()
                }]
            }
            Line::HandOver(moved) => {
                // One entry for each of them: neither is told who the other is.
                let held = [("held until", &moved.former), ("holds from", &moved.holder)];
                held.into_iter()
                    .filter_map(|(outcome, who)| Some((outcome, Arc::clone(who.as_ref()?))))
                    .map(|(outcome, who)| Entry {
                        kind: "move",
                        outcome,
                        series: vec![Arc::clone(&moved.series)],
                        subject: Some(who),
                        readings_from: Timestamp::from_millisecond(moved.from).ok(),
                        actor: Some(Arc::clone(&moved.actor)),
                        ..Entry::default()
                    })
                    .collect()
            }
            Line::Consent(step) => {
                let parties = (step.id, Arc::clone(&step.subject), Arc::clone(&step.recipient));
                self.consents.insert(step.consent.0, parties);
                vec![Entry {
                    kind: "consent",
                    outcome: step.to.as_str(),
                    reason: step.note.as_deref().map(str::to_owned),
                    subject: Some(step.subject),
                    recipient: Some(step.recipient),
                    consent: Some(step.id),
                    revision: Some(step.revision),
                    actor: Some(step.actor),
                    ..Entry::default()
                }]
            }
        }
    }

    fn decided(&mut self, decided: &Decided, kind: &'static str) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(decided.verdicts.len());
        for verdict in &decided.verdicts {
            if kind == "decision" {
                self.subscribers.insert(verdict.subscription.0, Arc::clone(&verdict.recipient));
            }
            let series = match &verdict.series[..] {
                [] => vec![Arc::clone(&decided.node)],
                names => names.to_vec(),
            };
            let consent = match verdict.ground {
                Ground::Consent(key) => self.consents.get(&key.0),
                _ => None,
            };
            let owner = || series.first().and_then(|name| self.owners.matching(name).next()).cloned();
            entries.push(Entry {
                kind,
                outcome: match verdict.ground {
                    Ground::Denied(_) => "denied",
                    _ if kind == "fetch" => "given",
                    _ if kind == "reserve" => "in reserve",
                    _ if decided.again => "owed again",
                    _ => "owed",
                },
                reason: match verdict.ground {
                    Ground::Denied(denial) => Some(denial.in_log().to_owned()),
                    _ => None,
                },
                basis: match verdict.ground {
                    Ground::Consent(_) => Some("consent"),
                    Ground::Own => Some("own"),
                    Ground::Open => Some("open"),
                    Ground::Listed => Some("listed"),
                    Ground::Producer => Some("producer"),
                    Ground::Denied(_) => None,
                },
                subject: consent.map(|(_, subject, _)| Arc::clone(subject)).or_else(owner),
                consent: consent.map(|(id, ..)| *id),
                recipient: Some(Arc::clone(&verdict.recipient)),
                records: Some(verdict.records),
                readings_from: Timestamp::from_millisecond(verdict.first).ok(),
                readings_until: Timestamp::from_millisecond(verdict.last).ok(),
                publisher: Some(Arc::clone(&decided.publisher)).filter(|publisher| !publisher.is_empty()),
                node: Some(Arc::clone(&decided.node)),
                item: Some(Arc::clone(&decided.item)),
                number: Some(decided.seq),
                subscription: Some(verdict.subscription.0),
                series,
                ..Entry::default()
            });
        }
        entries
    }

    fn dropped(&self, dropped: Dropped) -> Entry {
        let consent = dropped.consent.and_then(|key| self.consents.get(&key.0));
        let (outcome, reason, actor) = match dropped.why {
            Why::Withheld(denial) => ("withheld", Some(denial.in_log().to_owned()), None),
            Why::Ended => ("withheld", Some("the consent or the subscription had ended".into()), None),
            Why::Expired => ("expired", None, None),
            Why::Undeliverable(condition) => ("undeliverable", Some(condition.to_string()), None),
            Why::Discarded(actor) => ("discarded", None, Some(actor)),
        };
        let subscriber = self.subscribers.get(&dropped.subscription.0).cloned();
        Entry {
            kind: "delivery",
            outcome,
            reason,
            subject: consent.map(|(_, subject, _)| Arc::clone(subject)),
            recipient: subscriber.or_else(|| consent.map(|(_, _, recipient)| Arc::clone(recipient))),
            consent: consent.map(|(id, ..)| *id),
            number: Some(dropped.seq),
            subscription: Some(dropped.subscription.0),
            actor,
            ..Entry::default()
        }
    }
}

impl Export {
    async fn run(self, config: &Config) -> Result<(), Failure> {
        let store = open(config).await?;
        let outcome = match &self.output {
            Some(path) => {
                let file = File::create(path)
                    .map_err(|e| Failure::Usage(format!("{} cannot be written: {e}", path.display())))?;
                self.write(&store, BufWriter::new(file)).await?
            }
            None => self.write(&store, BufWriter::new(io::stdout())).await?,
        };
        match outcome {
            // Who reads has had enough.
            Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::Refused(format!("the export could not be written: {e}")))
            }
            _ => Ok(()),
        }
    }

    async fn write(&self, store: &Store, mut out: impl Write) -> Result<io::Result<()>, Failure> {
        let subject = self.subject.as_ref().map(ToString::to_string);
        let (since, until) =
            (self.since.map(Timestamp::as_millisecond), self.until.map(Timestamp::as_millisecond));
        let mut known = Known::from(store).await?;
        let mut last = 0;
        loop {
            let page = store.disclosure_blocks(last, PAGE).await?;
            let Some(end) = page.last() else { break };
            last = end.seq;
            for row in page {
                let lines = block::decode(&row.content).ok_or_else(|| {
                    Failure::Refused(format!("row {} cannot be read; see courant audit verify", row.seq))
                })?;
                let wanted = since.is_none_or(|at| row.at >= at) && until.is_none_or(|at| row.at < at);
                for line in lines {
                    // Of what is not wanted, too, later lines may speak.
                    for mut entry in known.entries(line) {
                        let of_subject = subject.is_none() || entry.subject.as_deref() == subject.as_deref();
                        if !wanted || !of_subject || !self.is_for_recipient(&entry) {
                            continue;
                        }
                        entry.time = Timestamp::from_millisecond(row.at).ok();
                        entry.row = row.seq;
                        if let Err(e) = serde_json::to_writer(&mut out, &entry)
                            .map_err(io::Error::from)
                            .and_then(|()| out.write_all(b"\n"))
                        {
                            return Ok(Err(e));
                        }
                    }
                }
            }
        }
        Ok(out.flush())
    }

    fn is_for_recipient(&self, entry: &Entry) -> bool {
        let Some(wanted) = &self.recipient else { return true };
        let Some(recipient) = entry.recipient.as_deref() else { return false };
        let bare = recipient.split('/').next().unwrap_or_default();
        // What a server confirmed, it confirmed for all its accounts.
        bare == wanted.as_str() || entry.outcome == "confirmed" && bare == wanted.domain().as_str()
    }
}
