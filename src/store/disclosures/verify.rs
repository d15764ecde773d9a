//! Reads the whole log again, row by row, and tells the first thing that is not as it was written.
//!
//! What is held in memory is a page of rows, whatever the length of the log.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::super::{Store, StoreError};
use super::checkpoint::{Checkpoint, hex};
use super::{Block, GENESIS, Hash, block, link, terms};
use crate::domain::consent::State;
use crate::domain::disclosure::{ConsentStep, Line};

/// Rows per query.
const PAGE: u32 = 16;

/// What a verifier knows from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// The keys that may have signed; any if empty.
    pub keys: Vec<[u8; 32]>,
    /// Rows that were noted elsewhere: number and hash.
    pub heads: Vec<(u64, Hash)>,
}

/// What was found in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows.
    pub blocks: u64,
    /// Lines in them.
    pub lines: u64,
    /// Of these, items decided about, things dropped, and steps of consents.
    pub decided: u64,
    /// Things dropped.
    pub dropped: u64,
    /// Steps of consents.
    pub consents: u64,
    /// Signatures.
    pub checkpoints: u64,
    /// The last row that is signed; what comes after is linked, but could be cut off.
    pub signed_to: u64,
    /// The hash of the last row, to be noted elsewhere.
    pub head: Hash,
    /// The keys that signed, in hexadecimal.
    pub keys: BTreeSet<String>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A row does not say what it said.
    Changed,
    /// Rows are missing.
    Removed,
    /// Rows do not stand where they stood.
    Reordered,
    /// The end is missing.
    Truncated,
    /// A signature is not right, or not of a key that may sign.
    Signature,
    /// The log was written anew: another hash than the one noted.
    Rewritten,
    /// The tables of consents do not say what the log says.
    Consent,
}

impl Fault {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Changed => "changed",
            Fault::Removed => "removed",
            Fault::Reordered => "reordered",
            Fault::Truncated => "truncated",
            Fault::Signature => "signature",
            Fault::Rewritten => "rewritten",
            Fault::Consent => "consent",
        }
    }
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the row.
    pub seq: u64,
    /// What.
    pub fault: Fault,
    /// In words.
    pub detail: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it was written.
    Sound(Report),
    /// It is not; the report says how far it was.
    Broken(Finding, Report),
}

impl Store {
    /// Verifies the log up to the last row written when it begins.
    pub async fn verify_disclosures(&self, expected: &Expectation) -> Result<Outcome, StoreError> {
        let mut report = Report { head: GENESIS, ..Report::default() };
        Ok(match self.walk(expected, &mut report).await? {
            None => Outcome::Sound(report),
            Some(finding) => Outcome::Broken(finding, report),
        })
    }

    async fn walk(&self, expected: &Expectation, report: &mut Report) -> Result<Option<Finding>, StoreError> {
        // In this order: what is added meanwhile is in the log at least.
        let events = self.last_event().await?;
        let end = self.disclosures_end().await?;
        let mut checkpoint = self.next_checkpoint(0).await?;
        let mut first_event = None;
        'pages: loop {
            let page = self.disclosure_blocks(report.blocks, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                if row.seq > end {
                    break 'pages;
                }
                let lines = match self.check(&row, report).await? {
                    Ok(lines) => lines,
                    Err(finding) => return Ok(Some(finding)),
                };
                report.blocks = row.seq;
                report.head.copy_from_slice(&row.hash);
                for line in &lines {
                    report.lines += 1;
                    match line {
                        Line::Decided(_) | Line::Reserve(_) | Line::Fetched(_) => report.decided += 1,
                        Line::Dropped(_) => report.dropped += 1,
                        Line::Confirmed { .. } | Line::HandOver(_) => {}
                        Line::Consent(step) => {
                            report.consents += 1;
                            first_event = first_event.or(Some(step.event));
                            if let Some(detail) = self.differs(step).await? {
                                return Ok(Some(Finding { seq: row.seq, fault: Fault::Consent, detail }));
                            }
                        }
                    }
                }
                if let Some((seq, hash)) = expected.heads.iter().find(|(seq, _)| *seq == row.seq)
                    && *hash != report.head
                {
                    let detail = format!("its hash is {}, noted was {}", hex(&row.hash), hex(hash));
                    return Ok(Some(Finding { seq: *seq, fault: Fault::Rewritten, detail }));
                }
                if let Some(signed) = checkpoint.take_if(|signed| signed.seq == row.seq) {
                    if let Some(finding) = self.check_signature(&signed, &row, expected, report) {
                        return Ok(Some(finding));
                    }
                    checkpoint = self.next_checkpoint(signed.seq).await?;
                }
            }
        }
        let signed = checkpoint.map_or(0, |signed| signed.seq);
        let noted = expected.heads.iter().map(|(seq, _)| *seq).max().unwrap_or(0);
        let longest = end.max(signed).max(noted);
        if longest > report.blocks {
            let why = match longest {
                _ if signed > report.blocks => format!("a checkpoint was signed at row {signed}"),
                _ if noted > report.blocks => format!("row {noted} was noted elsewhere"),
                _ => format!("row {end} was written once"),
            };
            let seq = report.blocks + 1;
            let detail = format!("the end is missing from here on: {why}");
            return Ok(Some(Finding { seq, fault: Fault::Truncated, detail }));
        }
        self.count_events(first_event, events, report).await
    }

    /// Checks one row by itself and against the one before.
    async fn check(&self, row: &Block, report: &Report) -> Result<Result<Vec<Line>, Finding>, StoreError> {
        let next = report.blocks + 1;
        if row.seq > next {
            let detail = match row.seq - 1 {
                only if only == next => format!("row {next} is missing"),
                last => format!("rows {next} to {last} are missing"),
            };
            return Ok(Err(Finding { seq: next, fault: Fault::Removed, detail }));
        }
        let found = |fault, detail: &str| Finding { seq: row.seq, fault, detail: detail.to_owned() };
        if link(&row.previous, row.at, &row.content)[..] != row.hash[..] {
            return Ok(Err(found(Fault::Changed, "its content does not fit its hash")));
        }
        if row.previous[..] != report.head[..] {
            let elsewhere = sqlx::query("SELECT seq FROM disclosure_block WHERE hash = ?")
                .bind(&row.previous)
                .fetch_optional(self.pool())
                .await?;
            return Ok(Err(match elsewhere {
                Some(place) => {
                    let place: i64 = place.try_get(0)?;
                    let detail = format!("it follows what is now row {place}, not row {}", row.seq - 1);
                    found(Fault::Reordered, &detail)
                }
                None if row.previous[..] == GENESIS[..] => {
                    found(Fault::Reordered, "it is the first of all, by what it is linked to")
                }
                None => found(Fault::Removed, "the row that it follows is not there any more"),
            }));
        }
        Ok(block::decode(&row.content).ok_or_else(|| found(Fault::Changed, "its lines cannot be read")))
    }

    fn check_signature(
        &self,
        signed: &Checkpoint,
        row: &Block,
        expected: &Expectation,
        report: &mut Report,
    ) -> Option<Finding> {
        let finding =
            |detail: &str| Some(Finding { seq: row.seq, fault: Fault::Signature, detail: detail.to_owned() });
        if !signed.is_signed(self.installation()) {
            return finding("the signature of its checkpoint is not right");
        }
        if signed.hash != row.hash {
            return finding("its checkpoint was signed over another content");
        }
        if !expected.keys.is_empty() && !expected.keys.iter().any(|key| key[..] == signed.public_key[..]) {
            return finding(&format!(
                "its checkpoint was signed by another key, {}",
                hex(&signed.public_key)
            ));
        }
        report.checkpoints += 1;
        report.signed_to = signed.seq;
        report.keys.insert(hex(&signed.public_key));
        None
    }

    async fn last_event(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT value FROM counter WHERE name = 'consent_event'")
            .fetch_one(self.pool())
            .await?;
        Ok(row.try_get(0)?)
    }

    /// What the tables say of a step otherwise than the log does.
    async fn differs(&self, step: &ConsentStep) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT consent, at, from_state, to_state, actor, note FROM consent_event WHERE key = ?",
        )
        .bind(step.event.cast_signed())
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else {
            return Ok(Some(format!(
                "event {} of consent {} is not in its table any more",
                step.event, step.id
            )));
        };
        let same = row.try_get::<i64, _>(0)?.unsigned_abs() == step.consent.0
            && row.try_get::<i64, _>(1)? == step.at
            && row.try_get::<Option<String>, _>(2)?.as_deref() == step.from.map(State::as_str)
            && row.try_get::<String, _>(3)? == step.to.as_str()
            && row.try_get::<String, _>(4)? == *step.actor
            && row.try_get::<Option<String>, _>(5)?.as_deref() == step.note.as_deref();
        if !same {
            return Ok(Some(format!("event {} of consent {} says something else now", step.event, step.id)));
        }
        let Some((_, consent)) = self.consent_by_key(step.consent.0).await? else {
            return Ok(Some(format!("consent {} is not in its table any more", step.id)));
        };
        if consent.id != step.id {
            return Ok(Some(format!("consent {} has another id now, {}", step.id, consent.id)));
        }
        // A later revision has a step, and a digest, of its own.
        if consent.revision == step.revision && terms(&consent)? != step.terms {
            return Ok(Some(format!("consent {} says something else now than when it was given", step.id)));
        }
        Ok(None)
    }

    /// Every event since the log began is in the log.
    async fn count_events(
        &self,
        first: Option<u64>,
        last: i64,
        report: &Report,
    ) -> Result<Option<Finding>, StoreError> {
        let first = first.map_or(i64::MAX, u64::cast_signed);
        let row = sqlx::query("SELECT COUNT(*) FROM consent_event WHERE key BETWEEN ? AND ?")
            .bind(first)
            .bind(last)
            .fetch_one(self.pool())
            .await?;
        let there = row.try_get::<i64, _>(0)?.unsigned_abs();
        let detail = format!("there are {there} events of consents, and {} in the log", report.consents);
        if there > report.consents {
            return Ok(Some(Finding { seq: report.blocks, fault: Fault::Consent, detail }));
        }
        // Where a consent stands is what its last event says.
        let row = sqlx::query(
            "SELECT c.id, c.state, e.to_state FROM consent c JOIN consent_event e ON e.consent = c.key \
             WHERE e.to_state <> c.state AND e.key = (SELECT MAX(key) FROM consent_event WHERE consent = c.key) \
             LIMIT 1",
        )
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, is, became): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let detail = format!("consent {id} became {became}, and is {is} in its table");
        Ok(Some(Finding { seq: report.blocks, fault: Fault::Consent, detail }))
    }
}
