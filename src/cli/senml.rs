//! `courant senml check|resolve|convert`: look at a pack from a file or from standard input.
//!
//! For people who debug a gateway. Exit code 0: done; 1: the pack is refused or cannot be written, with one
//! line on standard error; 2: the input cannot be read, or the output not be written.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::show;
use crate::senml::{self, Format, Invalid, Limits, Options, Profile, Resolved, units};

/// The most that is read, in octets.
const INPUT_MAX: u64 = 256 << 20;

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

/// [`run`] with the three standard streams given.
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
            let _ = writeln!(stderr, "courant: {error}");
            return 2;
        }
    };
    let pack = match input.read(&octets, now) {
        Ok(pack) => pack,
        Err(invalid) => {
            let _ = writeln!(stderr, "invalid: {invalid}{}", input.hint(&octets));
            return 1;
        }
    };
    let mut out = Vec::new();
    match &args.verb {
        Verb::Check { .. } => check(&pack, octets.len(), &mut out),
        Verb::Resolve { .. } => resolve(&pack, &mut out),
        Verb::Convert { to, quoalise, .. } => {
            let profile = if *quoalise { Profile::Quoalise } else { Profile::Standard };
            match senml::write((*to).into(), profile, pack.all(), &mut out) {
                Ok(left_out) if left_out == pack.len() => {
                    let why = if left_out == 0 { "no measurement" } else { "no measurement with a number" };
                    let _ = writeln!(stderr, "cannot be written: there is {why} in it");
                    return 1;
                }
                Ok(left_out) => {
                    if left_out > 0 {
                        let _ = writeln!(stderr, "{} without a number left out", count(left_out, "record"));
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
    match stdout.write_all(&out).and_then(|()| stdout.flush()) {
        Ok(()) => 0,
        Err(error) => show::ended(&error),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Input {
    fn octets(&self, stdin: &mut dyn Read) -> Result<Vec<u8>, String> {
        match &self.file {
            Some(file) if file.as_os_str() != "-" => {
                let octets = File::open(file).and_then(|mut file| bounded(&mut file));
                octets.map_err(|error| format!("cannot read {}: {error}", file.display()))
            }
            _ => bounded(stdin).map_err(|error| format!("cannot read standard input: {error}")),
        }
    }

    /// What may help one whose pack is refused: that it was taken for something else than it is.
    fn hint(&self, octets: &[u8]) -> String {
        if octets.trim_ascii().is_empty() {
            return " (the input is empty)".into();
        }
        let guessed = guess(octets);
        let name = |format| match format {
            Format::Json => "JSON",
            Format::Xml => "XML",
            Format::Cbor => "CBOR",
        };
        match self.from.map(Format::from) {
            None if guessed == Format::Cbor && octets.first().is_none_or(|head| head >> 5 != 4) => {
                " (read as CBOR, as it begins neither as JSON nor as XML does; --from says otherwise)".into()
            }
            Some(from) if from != guessed => {
                format!(" (read as {}; it looks like {})", name(from), name(guessed))
            }
            _ => String::new(),
        }
    }

    fn read(&self, octets: &[u8], now: f64) -> Result<Resolved, Invalid> {
        let format = self.from.map_or_else(|| guess(octets), Format::from);
        // Whoever reads their own file may read a large one; `check` says what a service would say of it.
        let mut options = Options::default();
        options.limits.bytes = usize::MAX;
        options.limits.records = usize::MAX;
        senml::read(format, octets, self.now.unwrap_or(now), &options)
    }
}

/// All there is to read, if it is not more than [`INPUT_MAX`].
fn bounded(input: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    if input.take(INPUT_MAX + 1).read_to_end(&mut octets)? as u64 > INPUT_MAX {
        return Err(std::io::Error::other(format!("it has more than {} MiB", INPUT_MAX >> 20)));
    }
    Ok(octets)
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

fn check(pack: &Resolved, size: usize, out: &mut Vec<u8>) {
    let usual = Limits::default();
    if size > usual.bytes {
        let _ = writeln!(out, "warning: too-large: {size} octets; most readers take {}", usual.bytes);
    }
    if pack.len() > usual.records {
        let _ = writeln!(
            out,
            "warning: too-many-records: {}; most readers take {}",
            count(pack.len(), "record"),
            usual.records
        );
    }
    for warning in units::warnings(pack) {
        let hint = match warning {
            units::Warning::SecondaryUnitWithoutFeature(_) => "is a secondary unit: give the pack bver 26",
            units::Warning::UnknownUnit(_) => "is not a registered unit",
        };
        let _ = writeln!(out, "warning: {}: {:?} {hint}", warning.code(), warning.unit());
    }
    let _ = writeln!(out, "ok: {}, {} series", count(pack.len(), "record"), pack.names().len());
}

fn resolve(pack: &Resolved, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, record) in pack.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        senml::write_resolved(&record, out);
    }
    out.extend_from_slice(if pack.is_empty() { b"]\n" } else { b"\n]\n" });
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind, Result};

    use clap::Parser;

    use super::*;

    /// The arguments alone.
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: SenmlArgs,
    }

    /// Where nothing can be written.
    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> Result<usize> {
            Err(Error::from(self.0))
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn run(line: &[&str], input: &str, stdout: &mut dyn Write) -> (u8, String) {
        let line = Line::parse_from(std::iter::once(&"senml").chain(line));
        let mut stderr = Vec::new();
        let code = run_with(&line.arguments, 0.0, &mut input.as_bytes(), stdout, &mut stderr);
        (code, String::from_utf8(stderr).unwrap())
    }

    #[test]
    fn what_may_help_stands_behind_the_refusal() {
        let refused = |line: &[&str], input| {
            let (code, words) = run(line, input, &mut Vec::new());
            assert_eq!((code, words.lines().count()), (1, 1), "{words}");
            words
        };
        assert!(refused(&["check"], " \n").ends_with("(the input is empty)\n"));
        let words = refused(&["check"], "time,value\n");
        assert!(words.contains("(read as CBOR, as it begins neither as JSON nor as XML does"), "{words}");
        let words = refused(&["check", "--from", "cbor"], "[]");
        assert!(words.ends_with("(read as CBOR; it looks like JSON)\n"), "{words}");
        assert_eq!(refused(&["check"], "[]"), "invalid: empty-pack: a pack has one record or more\n");
    }

    #[test]
    fn a_pack_without_a_measurement_is_not_written() {
        for (line, input, why) in [
            (&["convert", "--to", "xml"][..], r#"[{"bn":"a"}]"#, "no measurement"),
            (
                &["convert", "--to", "json", "--quoalise"],
                r#"[{"n":"a","vs":"x"}]"#,
                "no measurement with a number",
            ),
        ] {
            let mut out = Vec::new();
            let (code, words) = run(line, input, &mut out);
            assert_eq!((code, &*out), (1, &b""[..]));
            assert_eq!(words, format!("cannot be written: there is {why} in it\n"));
        }
    }

    #[test]
    fn a_disk_that_is_full_is_not_passed_over() {
        let line = ["resolve"];
        let pack = r#"[{"n":"a","v":1}]"#;
        assert_eq!(run(&line, pack, &mut Closed(ErrorKind::StorageFull)).0, 2);
        assert_eq!(run(&line, pack, &mut Closed(ErrorKind::BrokenPipe)).0, 0, "nobody reads on");
    }

    #[test]
    fn check_says_what_a_service_would_say_of_the_size() {
        let many = vec![r#"{"n":"a","v":1}"#; 10_001].join(",");
        let mut out = Vec::new();
        assert_eq!(run(&["check"], &format!("[{many}]"), &mut out).0, 0);
        let out = String::from_utf8(out).unwrap();
        assert!(
            out.starts_with("warning: too-many-records: 10001 records; most readers take 10000\n"),
            "{out}"
        );
        assert!(out.ends_with("ok: 10001 records, 1 series\n"), "{out}");
    }
}
