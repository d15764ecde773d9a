//! Meters, inverters, heat, charge points: the packs of `tests/packs` in three representations.
//!
//! Each resolves to what `tests/packs/resolved` says, and comes back the same from XML → JSON → CBOR → XML.

use std::path::{Path, PathBuf};

use courant::senml::{Format, Options, Profile, Resolved, Stream, Value, read, read_reusing, units, write};
use serde_json::Value as Json;

const FORMATS: [(Format, &str); 3] = [(Format::Json, "json"), (Format::Xml, "xml"), (Format::Cbor, "cbor")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs")
}

struct Pack {
    name: String,
    now: f64,
    records: usize,
}

fn packs() -> Vec<Pack> {
    let manifest = std::fs::read(folder().join("manifest.json")).expect("the manifest");
    let manifest: Json = serde_json::from_slice(&manifest).expect("JSON");
    let packs = manifest.as_array().expect("a list").iter().map(|pack| Pack {
        name: pack["name"].as_str().expect("a name").to_owned(),
        now: pack["now"].as_f64().expect("a time"),
        records: pack["records"].as_u64().expect("a count") as usize,
    });
    packs.collect()
}

fn octets(pack: &Pack, ending: &str) -> Vec<u8> {
    let file = folder().join(format!("{}.{ending}", pack.name));
    std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn resolve(format: Format, octets: &[u8], now: f64) -> Resolved {
    read(format, octets, now, &Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn written(format: Format, pack: &Resolved) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(write(format, Profile::Standard, pack.all(), &mut out), Ok(0));
    out
}

#[test]
fn each_resolves_to_what_it_means() {
    for pack in packs() {
        let file = std::fs::read(folder().join(format!("resolved/{}.json", pack.name))).expect("the result");
        let wanted: Json = serde_json::from_slice(&file).expect("JSON");
        let wanted = wanted.as_array().expect("records");
        for (format, ending) in FORMATS {
            let got = resolve(format, &octets(&pack, ending), pack.now);
            assert_eq!(got.len(), wanted.len(), "{}.{ending}", pack.name);
            assert_eq!(got.positions(), pack.records, "{}.{ending}", pack.name);
            for (record, wanted) in got.iter().zip(wanted) {
                let close = |a: Option<f64>, b: &Json| match (a, b.as_f64()) {
                    (Some(a), Some(b)) => (a - b).abs() <= f64::EPSILON * b.abs(),
                    (a, b) => a == b,
                };
                let at = format!("{}.{ending}, record {}: {wanted}", pack.name, record.position());
                assert_eq!(Some(record.name()), wanted["n"].as_str(), "{at}");
                assert_eq!(record.unit(), wanted["u"].as_str(), "{at}");
                assert!(close(Some(record.time()), &wanted["t"]), "{at}");
                assert!(close(record.number(), &wanted["v"]), "{at}");
                assert!(close(record.sum(), &wanted["s"]), "{at}");
                assert!(close(record.update_time(), &wanted["ut"]), "{at}");
                assert_eq!(record.version(), wanted["bver"].as_u64(), "{at}");
                match record.value() {
                    Some(Value::Text(text)) => assert_eq!(Some(text), wanted["vs"].as_str(), "{at}"),
                    Some(Value::Boolean(b)) => assert_eq!(Some(b), wanted["vb"].as_bool(), "{at}"),
                    Some(Value::Data(_)) => assert!(wanted["vd"].is_string(), "{at}"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn each_survives_all_representations() {
    for pack in packs() {
        let from_xml = resolve(Format::Xml, &octets(&pack, "xml"), pack.now);
        let json = written(Format::Json, &from_xml);
        let from_json = resolve(Format::Json, &json, 0.0);
        let cbor = written(Format::Cbor, &from_json);
        let from_cbor = resolve(Format::Cbor, &cbor, 0.0);
        let xml = written(Format::Xml, &from_cbor);
        let again = resolve(Format::Xml, &xml, 0.0);
        for other in [&from_json, &from_cbor, &again] {
            assert_eq!(&from_xml, other, "{}", pack.name);
        }
        assert!(json.len() > cbor.len(), "{}", pack.name);
    }
}

#[test]
fn a_day_of_half_hours_is_small() {
    let day = &packs()[0];
    let pack = resolve(Format::Xml, &octets(day, "xml"), day.now);
    assert_eq!(pack.len(), 48);
    let sizes = FORMATS.map(|(format, _)| written(format, &pack).len());
    assert!(sizes[0] < 1_300 && sizes[1] < 1_800 && sizes[2] < 600, "{sizes:?}");
}

#[test]
fn a_stream_of_any_pieces_gives_the_same_records() {
    for pack in packs() {
        for (format, ending) in FORMATS {
            let octets = octets(&pack, ending);
            let whole = resolve(format, &octets, pack.now);
            for size in [1, 7, 1000] {
                let mut stream = Stream::new(format, &Options::default());
                let mut seen: Vec<(String, f64, Option<f64>)> = Vec::new();
                for piece in octets.chunks(size) {
                    stream
                        .feed(piece, pack.now, |r| seen.push((r.name().to_owned(), r.time(), r.number())))
                        .unwrap_or_else(|e| panic!("{}.{ending}: {e}", pack.name));
                }
                let mut wanted: Vec<_> = whole
                    .iter()
                    .map(|r| (r.position(), (r.name().to_owned(), r.time(), r.number())))
                    .collect();
                wanted.sort_by_key(|(position, _)| *position);
                assert!(
                    wanted.into_iter().map(|(_, record)| record).eq(seen),
                    "{}.{ending} {size}",
                    pack.name
                );
            }
        }
    }
}

#[test]
fn parts_sum_to_the_total() {
    let index = packs().into_iter().find(|pack| pack.name.starts_with("04")).expect("the index");
    let pack = resolve(Format::Cbor, &octets(&index, "cbor"), index.now);
    let mut total = 0.0;
    for record in pack.iter() {
        let value = record.number().expect("a number");
        if record.name().ends_with("energy/index") { total += value } else { total -= value }
    }
    assert_eq!(total, 0.0);
    assert!(units::warnings(&pack).is_empty());
    assert!(units::primaries(&pack).all(|(unit, _)| unit == Some("J")));
}

#[test]
fn quoalise_clients_get_what_they_can_read() {
    let charge = packs().into_iter().find(|pack| pack.name.starts_with("07")).expect("the charge");
    let pack = resolve(Format::Json, &octets(&charge, "json"), charge.now);
    let mut out = Vec::new();
    let left_out = write(Format::Xml, Profile::Quoalise, pack.all(), &mut out).expect("written");
    assert_eq!(left_out, pack.iter().filter(|record| record.number().is_none()).count());
    let text = String::from_utf8(out).expect("text");
    assert!(text.contains(" bn=") && text.contains(" bt="));
    assert!(!text.contains(" bu=") || !text.contains(" u="), "a base unit beside units");
    for label in [" bv=", " bs=", " vs=", " vb=", " vd="] {
        assert!(!text.contains(label), "{label}");
    }
    let again = resolve(Format::Xml, text.as_bytes(), 0.0);
    assert_eq!(again.len() + left_out, pack.len());
}

#[test]
fn the_room_of_one_pack_does_for_the_next() {
    let mut spare = Resolved::default();
    for _ in 0..2 {
        for pack in packs() {
            for (format, ending) in FORMATS {
                let octets = octets(&pack, ending);
                spare = read_reusing(spare, format, &octets, pack.now, &Options::default()).expect("valid");
                assert_eq!(spare, resolve(format, &octets, pack.now), "{}.{ending}", pack.name);
                assert_eq!(spare.names().len(), resolve(format, &octets, pack.now).names().len());
            }
        }
    }
}
