//! How fast packs are read, checked and resolved, beside the same octets read without meaning.
//!
//! `cargo bench --bench senml` prints divan's tables (records/s), then the ratios that matter, all from one
//! run: our JSON reader to serde_json passing over the same octets, our XML reader to quick-xml giving mere
//! tokens, and both to Python's `json.loads` and `ElementTree` on the week of half hours (parsing alone), if
//! there is a `python3`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use courant::senml::{Format, Options, Profile, Resolved, read, read_reusing, write};
use divan::Bencher;
use divan::counter::ItemsCount;
use serde::de::IgnoredAny;

const SIZES: [usize; 4] = [1, 48, 336, 10_000];
const FORMATS: [Format; 3] = [Format::Json, Format::Xml, Format::Cbor];
const NOW: f64 = 1_700_000_000.0;

fn main() {
    divan::main();
    // `cargo test --benches` only wants to see that it runs.
    if !std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        ratios();
    }
}

/// Half hours of a load curve, spelled as the packs in `tests/packs` are.
fn pack(format: Format, records: usize) -> Vec<u8> {
    match (format, records) {
        (Format::Json, 336) => include_bytes!("../tests/packs/02-linky-load-curve-week.json").to_vec(),
        (Format::Xml, 336) => include_bytes!("../tests/packs/02-linky-load-curve-week.xml").to_vec(),
        (Format::Cbor, 336) => include_bytes!("../tests/packs/02-linky-load-curve-week.cbor").to_vec(),
        (Format::Json, _) => json(records).into_bytes(),
        (Format::Xml, _) => xml(records).into_bytes(),
        (Format::Cbor, _) => {
            let pack = read(Format::Json, json(records).as_bytes(), NOW, &Options::default()).expect("valid");
            let mut out = Vec::new();
            write(Format::Cbor, Profile::Standard, pack.all(), &mut out).expect("written");
            out
        }
    }
}

const NAME: &str = "urn:dev:prm:19111642617347_consumption/power/active/raw";

fn watts(record: usize) -> usize {
    400 + record * 7919 % 2000
}

fn json(records: usize) -> String {
    let mut text = format!("[\n{{\"bn\":\"{NAME}\",\"bt\":1705273200,\"bu\":\"W\",\"v\":{}}}", watts(0));
    for record in 1..records {
        text.push_str(&format!(",\n{{\"t\":{},\"v\":{}}}", record * 1800, watts(record)));
    }
    text + "\n]\n"
}

fn xml(records: usize) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sensml xmlns=\"urn:ietf:params:xml:ns:senml\">\n  \
         <senml bn=\"{NAME}\" bt=\"1705273200.0\" bu=\"W\" v=\"{}.0\"/>\n",
        watts(0)
    );
    for record in 1..records {
        text.push_str(&format!("  <senml t=\"{}.0\" v=\"{}.0\"/>\n", record * 1800, watts(record)));
    }
    text + "</sensml>\n"
}

fn resolved(format: Format, octets: &[u8]) -> usize {
    read(format, black_box(octets), NOW, &Options::default()).expect("valid").len()
}

/// As a relay reads: one pack after the other, in the same room.
fn again(spare: &mut Resolved, format: Format, octets: &[u8]) -> usize {
    let room = std::mem::take(spare);
    *spare = read_reusing(room, format, black_box(octets), NOW, &Options::default()).expect("valid");
    spare.len()
}

fn ignored(octets: &[u8]) {
    black_box(serde_json::from_slice::<IgnoredAny>(black_box(octets)).expect("JSON"));
}

fn tokens(octets: &[u8]) -> usize {
    let mut reader = quick_xml::Reader::from_reader(black_box(octets));
    let mut tokens = 0;
    loop {
        match reader.read_event().expect("XML") {
            quick_xml::events::Event::Eof => return tokens,
            event => {
                black_box(event);
                tokens += 1;
            }
        }
    }
}

#[divan::bench(args = SIZES)]
fn read_json(bencher: Bencher<'_, '_>, records: usize) {
    let octets = pack(Format::Json, records);
    bencher.counter(ItemsCount::new(records)).bench(|| resolved(Format::Json, &octets));
}

#[divan::bench(args = SIZES)]
fn read_xml(bencher: Bencher<'_, '_>, records: usize) {
    let octets = pack(Format::Xml, records);
    bencher.counter(ItemsCount::new(records)).bench(|| resolved(Format::Xml, &octets));
}

#[divan::bench(args = SIZES)]
fn read_cbor(bencher: Bencher<'_, '_>, records: usize) {
    let octets = pack(Format::Cbor, records);
    bencher.counter(ItemsCount::new(records)).bench(|| resolved(Format::Cbor, &octets));
}

#[divan::bench(args = SIZES)]
fn floor_json(bencher: Bencher<'_, '_>, records: usize) {
    let octets = pack(Format::Json, records);
    bencher.counter(ItemsCount::new(records)).bench(|| ignored(&octets));
}

#[divan::bench(args = SIZES)]
fn floor_xml(bencher: Bencher<'_, '_>, records: usize) {
    let octets = pack(Format::Xml, records);
    bencher.counter(ItemsCount::new(records)).bench(|| tokens(&octets));
}

#[divan::bench(args = ["json", "xml", "cbor"])]
fn write_336(bencher: Bencher<'_, '_>, format: &str) {
    let format = FORMATS[["json", "xml", "cbor"].iter().position(|name| *name == format).expect("a format")];
    let pack = read(format, &pack(format, 336), NOW, &Options::default()).expect("valid");
    bencher.counter(ItemsCount::new(336usize)).bench(|| {
        let mut out = Vec::new();
        write(format, Profile::Standard, pack.all(), &mut out).expect("written");
        out
    });
}

/// Seconds for one call of each: the median of rounds that take turns, so that a busy machine is as busy for
/// all.
fn turns<const N: usize>(mut acts: [&mut dyn FnMut(); N], round: Duration) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..21 {
        for (act, times) in acts.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let mut calls = 0u32;
            while start.elapsed() < round {
                for _ in 0..8 {
                    act();
                }
                calls += 8;
            }
            times.push(start.elapsed().as_secs_f64() / f64::from(calls));
        }
    }
    times.map(|mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn ratios() {
    println!("\nformat  records   packs/s  times the floor   in reused room, times the floor");
    let round = Duration::from_millis(20);
    let mut week = [0.0; 2];
    for (place, format) in [Format::Json, Format::Xml].into_iter().enumerate() {
        for records in SIZES {
            let octets = pack(format, records);
            let mut spare = Resolved::default();
            let [ours, reused, floor] = turns(
                [
                    &mut || _ = black_box(resolved(format, &octets)),
                    &mut || _ = black_box(again(&mut spare, format, &octets)),
                    &mut || match format {
                        Format::Json => ignored(&octets),
                        _ => _ = black_box(tokens(&octets)),
                    },
                ],
                round,
            );
            let packs = 1.0 / ours;
            println!("{format:?}\t{records:>7}  {packs:>8.0}  {:.2}\t{:.2}", ours / floor, reused / floor);
            if records == 336 {
                week[place] = packs;
            }
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/senml_peers.py");
    let Ok(output) = std::process::Command::new("python3").arg(script).output() else {
        println!("no python3: no comparison with it");
        return;
    };
    for (line, ours) in String::from_utf8_lossy(&output.stdout).lines().zip(week) {
        if let Some((what, packs)) = line.split_once('\t')
            && let Ok(packs) = packs.parse::<f64>()
        {
            println!(
                "{what}: {packs:.0} packs/s of 336 records; we read and resolve {:.1} times as many",
                ours / packs
            );
        }
    }
}
