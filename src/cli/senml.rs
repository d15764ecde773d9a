//! `courant senml check|resolve|convert`: look at a pack from a file or from standard input.
//!
//! For people who debug a gateway. Exit code 0: done; 1: the pack is refused or cannot be written, with one
//! line on standard error; 2: the file cannot be read.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::senml::{self, Format, Invalid, Options, Profile, Resolved, units};

/// `courant senml …`
#[derive(Clone, Debug, Args)]
pub struct SenmlArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Say whether a pack is valid, and what is doubtful about it
    Check {
        #[command(flatten)]
        input: Input,
    },
    /// Print the resolved records as a JSON array
    Resolve {
        #[command(flatten)]
        input: Input,
    },
    /// Write a pack in another representation
    Convert {
        #[command(flatten)]
        input: Input,
        /// The representation to write
        #[arg(long, value_enum)]
        to: Representation,
        /// Write numbers only, as existing Quoalise clients read them
        #[arg(long)]
        quoalise: bool,
    },
}

#[derive(Clone, Debug, Args)]
struct Input {
    /// The representation of the input; guessed from its first octet if not given
    #[arg(long, value_enum)]
    from: Option<Representation>,
    /// What relative times are relative to, in seconds since 1970-01-01T00:00Z; the present if not given
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    now: Option<f64>,
    /// The pack; standard input if not given, or `-`
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Representation {
    Json,
    Xml,
    Cbor,
}

impl From<Representation> for Format {
    fn from(representation: Representation) -> Self {
        match representation {
            Representation::Json => Self::Json,
            Representation::Xml => Self::Xml,
            Representation::Cbor => Self::Cbor,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds.is_finite() { Ok(seconds) } else { Err("not a finite number of seconds".to_owned()) }
}

/// Runs the verb and gives the exit code. `now`, in seconds since 1970, is the present.
pub fn run(args: &SenmlArgs, now: f64) -> u8 {
    run_with(args, now, &mut std::io::stdin(), &mut std::io::stdout(), &mut std::io::stderr())
}

/// [`run`] with the three standard streams given. What cannot be written is passed over: nobody listens.
pub fn run_with(
    args: &SenmlArgs,
    now: f64,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let (Verb::Check { input } | Verb::Resolve { input } | Verb::Convert { input, .. }) = &args.verb;
    let octets = match input.octets(stdin) {
        Ok(octets) => octets,
        Err(error) => {
            let _ = writeln!(stderr, "{error}");
            return 2;
        }
    };
    let pack = match input.read(&octets, now) {
        Ok(pack) => pack,
        Err(invalid) => {
            let _ = writeln!(stderr, "invalid: {invalid}");
            return 1;
        }
    };
    let mut out = Vec::new();
    match &args.verb {
        Verb::Check { .. } => check(&pack, &mut out),
        Verb::Resolve { .. } => resolve(&pack, &mut out),
        Verb::Convert { to, quoalise, .. } => {
            let profile = if *quoalise { Profile::Quoalise } else { Profile::Standard };
            match senml::write((*to).into(), profile, pack.all(), &mut out) {
                Ok(left_out) => {
                    if left_out > 0 {
                        let _ = writeln!(stderr, "{left_out} records without a number left out");
                    }
                    if !matches!(to, Representation::Cbor) {
                        out.push(b'\n');
                    }
                }
                Err(unwritable) => {
                    let _ = writeln!(stderr, "cannot be written: {unwritable}");
                    return 1;
                }
            }
        }
    }
    let _ = stdout.write_all(&out).and_then(|()| stdout.flush());
    0
}

impl Input {
    fn octets(&self, stdin: &mut dyn Read) -> Result<Vec<u8>, String> {
        match &self.file {
            Some(file) if file.as_os_str() != "-" => {
                std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
            }
            _ => {
                let mut octets = Vec::new();
                stdin.read_to_end(&mut octets).map_err(|error| format!("standard input: {error}"))?;
                Ok(octets)
            }
        }
    }

    fn read(&self, octets: &[u8], now: f64) -> Result<Resolved, Invalid> {
        let format = self.from.map_or_else(|| guess(octets), Format::from);
        // Whoever reads their own file may read a large one.
        let mut options = Options::default();
        options.limits.bytes = usize::MAX;
        options.limits.records = usize::MAX;
        senml::read(format, octets, self.now.unwrap_or(now), &options)
    }
}

/// XML begins with `<`, JSON with `[`, after white space and a byte order mark; everything else is CBOR.
fn guess(octets: &[u8]) -> Format {
    let text = octets.strip_prefix("\u{feff}".as_bytes()).unwrap_or(octets).trim_ascii_start();
    match text.first() {
        Some(b'<') => Format::Xml,
        Some(b'[' | b'{' | b'"') => Format::Json,
        _ => Format::Cbor,
    }
}

fn check(pack: &Resolved, out: &mut Vec<u8>) {
    for warning in units::warnings(pack) {
        let hint = match warning {
            units::Warning::SecondaryUnitWithoutFeature(_) => "is a secondary unit: give the pack bver 26",
            units::Warning::UnknownUnit(_) => "is not a registered unit",
        };
        let _ = writeln!(out, "warning: {}: {:?} {hint}", warning.code(), warning.unit());
    }
    let _ = writeln!(out, "ok: {} records, {} series", pack.len(), pack.names().len());
}

fn resolve(pack: &Resolved, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, record) in pack.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        senml::write_resolved(&record, out);
    }
    out.extend_from_slice(if pack.is_empty() { b"]\n" } else { b"\n]\n" });
}
