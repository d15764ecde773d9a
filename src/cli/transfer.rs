//! `courant consent|series import|export`: JSON Lines, one record a line, for who arrives with records from
//! elsewhere or leaves with them.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::show::say;
use super::{Failure, actor, lines, open, tell_service};
use crate::config::Config;
use crate::consents::record;
use crate::domain::clock;
use crate::domain::consent::{Consent, method};
use crate::domain::draft::Draft;
use crate::domain::series::Series;
use crate::domain::series_record::SeriesRecord;
use crate::domain::tenure::Tenure;

/// The longest line, in bytes: more is no record.
const LINE_MAX: u64 = 1024 * 1024;

/// Complaints printed; a file that is wrong in every line need not be told so a million times.
const COMPLAINTS_MAX: usize = 1000;

/// Consents read from the store at once.
const PAGE: u32 = 5000;

/// Takes over a file, all of it or nothing.
#[derive(Debug, Args)]
pub struct Import {
    /// The file, or - for standard input
    file: PathBuf,

    /// Only say line by line what is wrong; change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Writes all records, in every state.
#[derive(Debug, Args)]
pub struct Export {
    /// Where to; to standard output unless said
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn import_consents(import: Import, config: &Config) -> Result<(), Failure> {
    let now = clock::wall();
    let usual = config.consent.usual();
    let consents = read(&import.file, &lines::CONSENTS, |draft: Draft| {
        draft.check_taken_over(now)?;
        let consent = draft.complete(&usual, method::IMPORT, now).map_err(|e| e.to_string())?;
        Ok((consent.id, consent))
    })?;
    let store = open(config).await?;
    let known = store.other_consents(&consents).await?;
    refuse(known.iter().map(|(place, what)| (consents[*place].0, what.clone())).collect())?;
    let (lines, consents): (Vec<usize>, Vec<Consent>) = consents.into_iter().unzip();
    let others = record::all_not_held(&store, &consents).await?;
    refuse(others.into_iter().map(|(place, why)| (lines[place], format!("scope: {why}"))).collect())?;
    if import.dry_run {
        say!("All {} lines are right; nothing was changed.", consents.len());
        return Ok(());
    }
    let done = store.import_consents(&consents, &actor(), now).await?;
    tell_service(config).await?;
    say!("Imported {} consents; {} were there already.", done.added, done.unchanged);
    Ok(())
}

pub(super) async fn import_series(import: Import, config: &Config) -> Result<(), Failure> {
    let now = clock::wall();
    let series = read(&import.file, &lines::SERIES, |record: SeriesRecord| {
        let whole = record.says_tenures();
        let series = Series::try_from(record)?;
        series.check()?;
        Ok((series.name.clone(), (whole, series)))
    })?;
    let store = open(config).await?;
    let known: HashMap<_, _> =
        store.all_series_ever().await?.into_iter().map(|(_, held)| (held.name.clone(), held)).collect();
    let mut wrong = Vec::new();
    let mut wanted = Vec::new();
    let count = series.len();
    for (line, (whole, series)) in series {
        match merged(known.get(&series.name), series, whole, now) {
            Ok(merged) => wanted.extend(merged),
            Err(why) => wrong.push((line, why)),
        }
    }
    refuse(wrong)?;
    if import.dry_run {
        say!("All {count} lines are right; nothing was changed.");
        return Ok(());
    }
    let done = store.import_series(&wanted, &actor(), now).await?;
    tell_service(config).await?;
    say!("Imported {} series; {} were there already.", done.added, count - done.added - done.rewritten);
    if done.rewritten > 0 {
        say!("The tenures of {} were rewritten.", done.rewritten);
    }
    Ok(())
}

/// What is to be written of a line; nothing where it is there already. `whole`: it says all tenures.
fn merged(
    held: Option<&Series>,
    series: Series,
    whole: bool,
    now: Timestamp,
) -> Result<Option<Series>, String> {
    let Some(held) = held else { return Ok(Some(series)) };
    if *held == series {
        return Ok(None);
    }
    if held.is_removed() {
        if whole {
            return Ok(Some(series));
        }
        // Registered again: its past stays whose it was.
        let mut tenures = held.tenures.clone();
        let begins = Tenure::since(series.tenures.last().holder.clone(), now, now);
        tenures.begin(begins).map_err(|why| format!("tenures: {why}"))?;
        return Ok(Some(Series { tenures, ..series }));
    }
    let rewritten = Series { tenures: series.tenures.clone(), ..held.clone() };
    if whole && (rewritten == series || series.is_removed()) {
        return Ok(Some(series));
    }
    let name = &series.name;
    Err(format!("{name} is registered already, otherwise; change it with `courant series edit`"))
}

pub(super) async fn export_consents(export: Export, config: &Config) -> Result<(), Failure> {
    let store = open(config).await?;
    let mut out = output(export.output.as_deref())?;
    let mut last = 0;
    loop {
        let page = store.consents_after(last, PAGE).await?;
        let Some((key, _)) = page.last() else { break };
        last = key.0;
        for (_, consent) in &page {
            write(&mut out, consent)?;
        }
    }
    out.flush().map_err(|e| unwritable(&e))
}

pub(super) async fn export_series(export: Export, config: &Config) -> Result<(), Failure> {
    let now = clock::wall();
    let mut out = output(export.output.as_deref())?;
    // Those that were removed too: they say whose the past is.
    for (_, series) in open(config).await?.all_series_ever().await? {
        write(&mut out, &SeriesRecord::of(series, now))?;
    }
    out.flush().map_err(|e| unwritable(&e))
}

fn output(file: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    Ok(match file {
        Some(path) => {
            let file = File::create(path)
                .map_err(|e| Failure::Usage(format!("{} cannot be written: {e}", path.display())))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(io::stdout().lock())),
    })
}

fn write(out: &mut dyn Write, record: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, record).map_err(|e| Failure::Refused(e.to_string()))?;
    out.write_all(b"\n").map_err(|e| unwritable(&e))
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::Refused(format!("the export could not be written: {error}"))
}

/// Reads all records with the numbers of their lines, or says of every line that is wrong what is.
fn read<T: DeserializeOwned, K: Hash + Eq, R>(
    file: &Path,
    kind: &lines::Kind,
    check: impl Fn(T) -> Result<(K, R), String>,
) -> Result<Vec<(usize, R)>, Failure> {
    let unreadable = |e: io::Error| Failure::Usage(format!("{} cannot be read: {e}", file.display()));
    let mut input: Box<dyn BufRead> = match file {
        path if path == Path::new("-") => Box::new(io::stdin().lock()),
        path => Box::new(BufReader::new(File::open(path).map_err(unreadable)?)),
    };
    let mut records = Vec::new();
    let mut seen: HashMap<K, usize> = HashMap::new();
    let mut wrong = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        // One byte more than is allowed, to know that it is too long.
        if io::Read::take(&mut input, LINE_MAX + 1).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.len() as u64 > LINE_MAX {
            wrong.push((number, format!("the line is longer than {LINE_MAX} bytes")));
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match lines::read(line.trim_ascii(), kind).and_then(&check) {
            Ok((key, record)) => match seen.insert(key, number) {
                None => records.push((number, record)),
                Some(first) => wrong.push((number, format!("the same as in line {first}"))),
            },
            Err(why) => wrong.push((number, why)),
        }
    }
    refuse(wrong)?;
    Ok(records)
}

fn refuse(wrong: Vec<(usize, String)>) -> Result<(), Failure> {
    if wrong.is_empty() {
        return Ok(());
    }
    for (line, why) in wrong.iter().take(COMPLAINTS_MAX) {
        say!("line {line}: {why}");
    }
    Err(Failure::Refused(format!("{} lines are wrong; nothing was changed", wrong.len())))
}
