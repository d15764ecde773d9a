//! Every case under `tests/vectors/`, and under the folder that `COURANT_EXTRA_VECTORS` names, if any.
//!
//! A case passes when the library gives what it expects and, for resolving, `courant senml resolve` too: the
//! code behind the verb always, the program itself once it has the verb. Prints `N passed, N failed`, and for
//! each failure its id, what was expected and what came. `tests/vectors/README.md` describes a case.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use courant::cli::senml::{SenmlArgs, run_with};
use courant::senml::{
    self, Features, Format, Fragment, Invalid, Options, Record, Resolved, Stream, Value, units,
};
use serde_json::{Map, Value as Json, json};

fn main() -> ExitCode {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")];
    folders.extend(std::env::var_os("COURANT_EXTRA_VECTORS").map(PathBuf::from));
    let program = has_verb();
    if !program {
        println!("courant has no verb senml yet: the code behind it is tested without the program");
    }
    let (mut passed, mut failed) = (0, 0);
    for file in folders.iter().flat_map(|folder| files(folder)) {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let cases: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        // One case to a file, or a list of them.
        let cases = match cases {
            Json::Array(cases) => cases,
            case => vec![case],
        };
        for case in cases.iter().filter(|case| case["kind"].is_string() || case["input"].is_string()) {
            match Case(case).run(program) {
                Ok(()) => passed += 1,
                Err(failure) => {
                    failed += 1;
                    println!("FAILED {}: {failure}", case["id"].as_str().unwrap_or("?"));
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0 || passed == 0))
}

/// All cases below a folder, in order of name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

type Outcome = Result<(), String>;

/// FETCH or PATCH.
type Exchange = fn(&Resolved, Format, &[u8], f64, &Options) -> Result<Resolved, Invalid>;

struct Case<'a>(&'a Json);

impl Case<'_> {
    fn run(&self, program: bool) -> Outcome {
        match self.0["kind"].as_str().unwrap_or("resolve") {
            "resolve" => {
                self.resolve()?;
                if self.0.get("features").is_none() {
                    self.command_line().map_err(|e| format!("by the verb: {e}"))?;
                    if program {
                        self.program().map_err(|e| format!("by the program: {e}"))?;
                    }
                }
                Ok(())
            }
            "stream" => self.stream(),
            "fragment" => self.fragment(),
            "fetch" => self.exchange(senml::fetch),
            "patch" => self.exchange(senml::patch),
            other => Err(format!("an unknown kind {other}")),
        }
    }

    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    fn now(&self) -> f64 {
        self.0["now"].as_f64().unwrap_or_default()
    }

    fn format(&self) -> Format {
        match self.text("format") {
            "json" => Format::Json,
            "xml" => Format::Xml,
            _ => Format::Cbor,
        }
    }

    fn octets(&self, input: &str) -> Vec<u8> {
        if self.format() == Format::Cbor { unhex(input) } else { input.as_bytes().to_vec() }
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        if let Some(features) = self.0["features"].as_array() {
            let codes: Vec<u8> = features.iter().filter_map(|code| code.as_u64()?.try_into().ok()).collect();
            options.features = Features::new(&codes);
        }
        options
    }

    fn resolve(&self) -> Outcome {
        let input = self.octets(self.text("input"));
        let result = senml::read(self.format(), &input, self.now(), &self.options());
        let Some(pack) = self.judge(result)? else { return Ok(()) };
        self.records(&shown(pack.iter()))?;
        if let Some(order) = self.0["order"].as_array() {
            let got: Vec<Json> = pack.iter().map(|record| json!(record.position())).collect();
            same("order", &Json::from(order.clone()), &Json::from(got))?;
        }
        if let Some(octets) = self.0["octets"].as_array() {
            let data = pack.iter().filter_map(|record| match record.value() {
                Some(Value::Data(data)) => Some(Json::from(hex(data))),
                _ => None,
            });
            same("octets", &Json::from(octets.clone()), &data.collect())?;
        }
        if let Some(formats) = self.0["ext"]["ct"].as_array() {
            let got: Json = pack.iter().map(|record| json!(record.content_format())).collect();
            same("ct", &Json::from(formats.clone()), &got)?;
        }
        if let Some(warnings) = self.0["warn"].as_array() {
            let mut wanted: Vec<&str> = warnings.iter().filter_map(Json::as_str).collect();
            let found = units::warnings(&pack);
            let mut got: Vec<&str> = found.iter().map(units::Warning::code).collect();
            for list in [&mut wanted, &mut got] {
                list.sort_unstable();
                list.dedup();
            }
            same("warn", &json!(wanted), &json!(got))?;
        }
        if let Some(primary) = self.0["primary"].as_array() {
            for (wanted, (unit, value)) in primary.iter().zip(units::primaries(&pack)) {
                let same_unit = wanted["u"].as_str() == unit;
                let close = match (wanted["v"].as_f64(), value) {
                    (Some(wanted), Some(got)) => (wanted - got).abs() <= 1e-12 * wanted.abs(),
                    (wanted, got) => wanted == got,
                };
                if !same_unit || !close {
                    return Err(format!("primary: expected {wanted}, got {unit:?} {value:?}"));
                }
            }
        }
        Ok(())
    }

    fn stream(&self) -> Outcome {
        let chunks: Vec<Vec<u8>> = match self.0["chunks"].as_array() {
            Some(chunks) => chunks.iter().filter_map(Json::as_str).map(|chunk| self.octets(chunk)).collect(),
            None => vec![self.octets(self.text("input"))],
        };
        let now = |chunk: usize| self.0["nows"][chunk].as_f64().unwrap_or(self.now());
        let mut stream = Stream::new(self.format(), &self.options());
        let mut records: Vec<Json> = Vec::new();
        let mut result = Ok(());
        for (index, chunk) in chunks.iter().enumerate() {
            let fed = stream.feed(chunk, now(index), |record| records.push(show(&record)));
            if result.is_ok() {
                result = fed;
            }
            if let Some(after) = self.0["after"][index].as_u64()
                && after != records.len() as u64
            {
                return Err(format!("after piece {index}: expected {after} records, got {}", records.len()));
            }
        }
        self.judge(result)?;
        self.records(&Json::from(records))?;
        if self.0["nows"].is_null() {
            // However small the pieces, the records are the same.
            let mut stream = Stream::new(self.format(), &self.options());
            let mut records: Vec<Json> = Vec::new();
            for octet in chunks.concat() {
                let _ = stream.feed(&[octet], self.now(), |record| records.push(show(&record)));
            }
            self.records(&Json::from(records)).map_err(|e| format!("octet by octet: {e}"))?;
        }
        Ok(())
    }

    fn fragment(&self) -> Outcome {
        let input = self.octets(self.text("input"));
        let pack = senml::read(self.format(), &input, self.now(), &self.options());
        let both =
            pack.and_then(|pack| Fragment::parse(self.text("fragment")).map(|fragment| (pack, fragment)));
        let Some((pack, fragment)) = self.judge(both)? else { return Ok(()) };
        let positions: Vec<usize> = fragment.positions(pack.positions()).collect();
        same("positions", &self.0["positions"], &json!(positions))?;
        self.records(&shown(fragment.of(&pack)))
    }

    fn exchange(&self, act: Exchange) -> Outcome {
        let options = self.options();
        let target = senml::read(Format::Json, self.text("target").as_bytes(), self.now(), &options);
        let target = target.map_err(|e| format!("the target is refused: {e}"))?;
        let input = self.octets(self.text("input"));
        let result = act(&target, self.format(), &input, self.now(), &options);
        let Some(pack) = self.judge(result)? else { return Ok(()) };
        // RFC 8790 asks for no order of the answer beyond that of the target.
        let by_time = |records: &Json| {
            let mut records = records.as_array().cloned().unwrap_or_default();
            records.sort_by(|a, b| a["t"].as_f64().partial_cmp(&b["t"].as_f64()).expect("times compare"));
            Json::from(records)
        };
        compare(&by_time(&self.0["resolved"]), &by_time(&shown(pack.iter())), self.exact())
    }

    /// Whether it was refused for one of the reasons, or accepted, as it should.
    fn judge<T>(&self, result: Result<T, Invalid>) -> Result<Option<T>, String> {
        match (self.0["valid"].as_bool() != Some(false), result) {
            (true, Ok(value)) => Ok(Some(value)),
            (true, Err(invalid)) => Err(format!("expected it to be valid, got {invalid}")),
            (false, Ok(_)) => Err(format!("expected {}, got it accepted", self.0["why"])),
            (false, Err(invalid)) => self.reason(invalid.reason.code()).map(|()| None),
        }
    }

    fn reason(&self, got: &str) -> Outcome {
        let any = self.0["why_any"].as_array();
        let fits =
            self.0["why"].as_str() == Some(got) || any.is_some_and(|any| any.iter().any(|why| why == got));
        if fits {
            Ok(())
        } else {
            Err(format!("expected {} {}, got {got}", self.0["why"], self.0["why_any"]))
        }
    }

    fn exact(&self) -> bool {
        self.0["exact"].as_bool() != Some(false)
    }

    fn records(&self, got: &Json) -> Outcome {
        match &self.0["resolved"] {
            Json::Null => Ok(()),
            wanted => compare(wanted, got, self.exact()),
        }
    }

    fn from(&self) -> &'static str {
        match self.format() {
            Format::Json => "json",
            Format::Xml => "xml",
            Format::Cbor => "cbor",
        }
    }

    fn command_line(&self) -> Outcome {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            senml: SenmlArgs,
        }
        let now = self.now().to_string();
        let line = Line::try_parse_from(["senml", "resolve", "--from", self.from(), "--now", &now]);
        let line = line.map_err(|e| e.to_string())?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut input = self.octets(self.text("input"));
        let code = run_with(&line.senml, 0.0, &mut input.as_slice(), &mut out, &mut err);
        input.clear();
        self.printed(i32::from(code), &out, &err)
    }

    fn program(&self) -> Outcome {
        let now = self.now().to_string();
        let output = run_program(
            &["senml", "resolve", "--from", self.from(), "--now", &now],
            &self.octets(self.text("input")),
        );
        let output = output.map_err(|e| e.to_string())?;
        self.printed(output.status.code().unwrap_or(-1), &output.stdout, &output.stderr)
    }

    /// What the verb printed, against the case.
    fn printed(&self, code: i32, out: &[u8], err: &[u8]) -> Outcome {
        let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
        if self.0["valid"].as_bool() != Some(false) {
            if code != 0 {
                return Err(format!("expected exit 0, got {code} and {err}"));
            }
            let got: Json = serde_json::from_str(&out).map_err(|e| format!("no JSON ({e}): {out}"))?;
            return self.records(&got);
        }
        let line = err.strip_prefix("invalid: ").unwrap_or_default();
        if code != 1 || line.lines().count() != 1 || !out.is_empty() {
            return Err(format!("expected exit 1 and one line, got {code}, {err}{out}"));
        }
        self.reason(line.split([' ', ':', '\n']).next().unwrap_or_default())
    }
}

fn has_verb() -> bool {
    let line = ["senml", "resolve", "--from", "json", "--now", "0"];
    run_program(&line, br#"[{"n":"a","v":1}]"#).is_ok_and(|output| output.stdout.starts_with(b"["))
}

fn run_program(line: &[&str], input: &[u8]) -> std::io::Result<std::process::Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courant"));
    command.args(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that has made up its mind need not read on.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output()
}

fn shown<'a>(records: impl Iterator<Item = Record<'a>>) -> Json {
    records.map(|record| show(&record)).collect()
}

/// A record with the keys of the cases; one that is absent is an absent field.
fn show(record: &Record<'_>) -> Json {
    let mut shown = Map::new();
    let mut put = |key: &str, value: Json| shown.insert(key.to_owned(), value);
    put("n", record.name().into());
    put("t", record.time().into());
    if let Some(unit) = record.unit() {
        put("u", unit.into());
    }
    match record.value() {
        Some(Value::Number(value)) => put("v", value.into()),
        Some(Value::Text(value)) => put("vs", value.into()),
        Some(Value::Boolean(value)) => put("vb", value.into()),
        Some(Value::Data(value)) => put("vd", base64url(value).into()),
        None => None,
    };
    if let Some(sum) = record.sum() {
        put("s", sum.into());
    }
    if let Some(time) = record.update_time() {
        put("ut", time.into());
    }
    if let Some(version) = record.version() {
        put("bver", version.into());
    }
    shown.into()
}

fn compare(wanted: &Json, got: &Json, exact: bool) -> Outcome {
    let empty = Vec::new();
    let (all, others) = (wanted.as_array().unwrap_or(&empty), got.as_array().unwrap_or(&empty));
    if all.len() != others.len() {
        return Err(format!("expected {wanted}, got {got}"));
    }
    for (one, other) in all.iter().zip(others) {
        let (one, other) = (one.as_object(), other.as_object());
        let equal = match (one, other) {
            (Some(one), Some(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .all(|(key, value)| other.get(key).is_some_and(|got| alike(value, got, exact)))
            }
            _ => false,
        };
        if !equal {
            return Err(format!("expected {one:?}, got {other:?}"));
        }
    }
    Ok(())
}

/// Equal; numbers as doubles, or within one unit in the last place.
fn alike(one: &Json, other: &Json, exact: bool) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => {
            one == other || (!exact && (one.next_up() == other || one.next_down() == other))
        }
        _ => one == other,
    }
}

fn same(what: &str, wanted: &Json, got: &Json) -> Outcome {
    if wanted == got { Ok(()) } else { Err(format!("{what}: expected {wanted}, got {got}")) }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter_map(|b| (b as char).to_digit(16).map(|d| d as u8)).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Written apart from the library's own, bit by bit.
fn base64url(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> =
        octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect();
    let letters = bits.chunks(6).map(|six| {
        let value = (0..6).fold(0usize, |value, bit| value << 1 | usize::from(*six.get(bit).unwrap_or(&0)));
        ALPHABET[value] as char
    });
    letters.collect()
}
