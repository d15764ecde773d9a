//! `queue-status`, `dead-letters`, `audit-verify`: the operator looks after the service.

use jiff::Timestamp;

use super::engine::form;
use super::{Call, Coming, Command, Done, Failure, Turn, Who, info, texts};
use crate::desk::waiting;
use crate::domain::disclosure::Proof;
use crate::domain::language::Text;
use crate::protocol::forms::{Field, Kind, Table};
use crate::store::dead_letters::Letter;
use crate::store::disclosures::checkpoint::hex;
use crate::store::disclosures::verify::{Expectation, Outcome};

/// Rows shown.
const ROWS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct QueueStatus;

#[derive(Debug)]
pub(super) struct DeadLetters;

#[derive(Debug)]
pub(super) struct AuditVerify;

impl Command for QueueStatus {
    fn node(&self) -> &'static str {
        "queue-status"
    }

    fn name(&self) -> Text {
        texts::QUEUE_STATUS
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let queue = waiting::queue(&call.context.store).await?;
            let table = table(
                call,
                texts::QUEUE_STATUS,
                &["destination", "waiting", "oldest", "confirmed", "proof", "dead_letters"],
                queue.destinations.iter().take(ROWS_MAX).map(|d| {
                    vec![
                        d.domain.clone(),
                        d.waiting.to_string(),
                        d.oldest.map_or_else(String::new, |at| at.to_string()),
                        d.confirmed.to_string(),
                        d.proof.map_or("", Proof::as_str).to_owned(),
                        d.dead_letters.to_string(),
                    ]
                }),
            );
            let numbers = [queue.waiting, queue.dead_letters].map(|n| n.to_string());
            let values = [("waiting", &*numbers[0]), ("dead", &*numbers[1])];
            let note = texts::QUEUE_SUM.fill(call.language, &values);
            Ok(Turn::Done(Done::table(table, Some(note))))
        })
    }
}

impl Command for DeadLetters {
    fn node(&self) -> &'static str {
        "dead-letters"
    }

    fn name(&self) -> Text {
        texts::DEAD_LETTERS
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    /// Looking costs nothing: the list is shown at once where there is nothing to decide.
    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let all = waiting::all_letters(&call.context.store).await?;
            if all.is_empty() {
                return Ok(Turn::said(texts::NO_DEAD_LETTERS.of(call.language)));
            }
            if call.turn == 0 {
                return Ok(Turn::last(decide(call, &all)));
            }
            let ids: Vec<u64> = match call.answers.text("ids") {
                Some(_) => call.answers.list("ids").filter_map(|id| id.parse().ok()).collect(),
                None => all.iter().map(|letter| letter.key).collect(),
            };
            let chosen: Vec<&Letter> = all.iter().filter(|letter| ids.contains(&letter.key)).collect();
            match call.answers.text("do") {
                Some("replay") => replay(call, &chosen).await,
                Some("drop") => {
                    let keys: Vec<u64> = chosen.iter().map(|letter| letter.key).collect();
                    let store = &call.context.store;
                    let count =
                        store.drop_dead_letters(&keys, call.asker.as_str(), call.now).await?.to_string();
                    Ok(Turn::said(texts::DROPPED.fill(call.language, &[("count", &count)])))
                }
                _ => Ok(Turn::Done(Done::table(letters(call, chosen.into_iter()), None))),
            }
        })
    }
}

fn decide(call: &Call<'_>, all: &[Letter]) -> crate::protocol::forms::Form {
    let label = |var| texts::label(var).of(call.language);
    let what = [("show", texts::SHOW), ("replay", texts::REPLAY), ("drop", texts::DROP)];
    let count = all.len().to_string();
    let mut form = form(
        texts::DEAD_LETTERS.of(call.language),
        texts::DEAD_LETTERS_HOW.fill(call.language, &[("count", &count)]),
    );
    let choices = all.iter().take(ROWS_MAX).map(|letter| {
        (
            format!("{} · {} · {} · {}", letter.key, letter.jid, letter.node, letter.condition),
            letter.key.to_string(),
        )
    });
    form.fields = vec![
        Field::new(Kind::ListSingle, "do", label("do"))
            .options(what.map(|(value, text)| (text.of(call.language).to_owned(), value.to_owned())))
            .value("show"),
        Field::new(Kind::ListMulti, "ids", label("ids")).options(choices),
    ];
    form
}

async fn replay(call: &Call<'_>, chosen: &[&Letter]) -> Result<Turn, Failure> {
    let store = &call.context.store;
    let (mut wanted, mut notes) = (Vec::new(), Vec::new());
    for letter in chosen {
        match waiting::obstacle(store, letter, call.now).await? {
            None => wanted.push(letter.key),
            Some(why) if notes.len() < 20 => notes.push(info(format!("{}: {why}", letter.key))),
            Some(_) => {}
        }
    }
    let count = store.replay_dead_letters(&wanted, call.now).await?.to_string();
    call.context.taken().await?;
    notes.insert(0, info(texts::TO_BE_TRIED.fill(call.language, &[("count", &count)])));
    Ok(Turn::Done(Done { notes, ..Done::default() }))
}

fn letters<'l>(call: &Call<'_>, letters: impl Iterator<Item = &'l Letter>) -> Table {
    table(
        call,
        texts::DEAD_LETTERS,
        &["id", "at", "recipient", "name", "item", "end_reason"],
        letters.take(ROWS_MAX).map(|letter| {
            vec![
                letter.key.to_string(),
                Timestamp::from_millisecond(letter.at).map_or_else(|_| String::new(), |at| at.to_string()),
                letter.jid.clone(),
                letter.node.clone(),
                letter.item.clone(),
                letter.condition.clone(),
            ]
        }),
    )
}

fn table(call: &Call<'_>, title: Text, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    Table {
        title: title.of(call.language).to_owned(),
        columns: columns
            .iter()
            .map(|var| ((*var).to_owned(), texts::label(var).of(call.language).to_owned()))
            .collect(),
        rows: rows.collect(),
    }
}

impl Command for AuditVerify {
    fn node(&self) -> &'static str {
        "audit-verify"
    }

    fn name(&self) -> Text {
        texts::AUDIT_VERIFY
    }

    fn who(&self) -> Who {
        Who::Admins
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let outcome = call.context.store.verify_disclosures(&Expectation::default()).await?;
            let text = match outcome {
                Outcome::Sound(report) => {
                    let head = format!("{}:{}", report.blocks, hex(&report.head));
                    let numbers = [report.blocks, report.lines, report.checkpoints].map(|n| n.to_string());
                    let values = [
                        ("rows", &*numbers[0]),
                        ("lines", &*numbers[1]),
                        ("signed", &*numbers[2]),
                        ("head", &*head),
                    ];
                    texts::AUDIT_SOUND.fill(call.language, &values)
                }
                Outcome::Broken(finding, _) => {
                    let row = finding.seq.to_string();
                    let values =
                        [("row", &*row), ("fault", finding.fault.as_str()), ("detail", &*finding.detail)];
                    let text = texts::AUDIT_BROKEN.fill(call.language, &values);
                    let note =
                        crate::protocol::adhoc::Note { kind: crate::protocol::adhoc::NoteKind::Error, text };
                    return Ok(Turn::Done(Done { notes: vec![note], ..Done::default() }));
                }
            };
            Ok(Turn::said(text))
        })
    }
}
