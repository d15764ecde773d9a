//! resolve(write(resolve(x))) = resolve(x), for packs that nobody wrote by hand.

use courant::senml::{Assembler, Format, Label, Options, Profile, Purpose, Resolved, read, write};
use proptest::prelude::*;

/// A record to be, in the terms of its fields.
#[derive(Clone, Debug)]
struct Draft {
    name: String,
    unit: Option<&'static str>,
    time: f64,
    value: DraftValue,
    sum: Option<f64>,
    update_time: Option<f64>,
    content_format: bool,
}

#[derive(Clone, Debug)]
enum DraftValue {
    Number(f64),
    Text(String),
    Boolean(bool),
    Data(Vec<u8>),
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(f64::from),
        (any::<i32>(), 0..7i32).prop_map(|(n, places)| f64::from(n) / 10f64.powi(places)),
        any::<f64>().prop_filter("finite", |n| n.is_finite()),
        (-(1i64 << 53)..1i64 << 53).prop_map(|n| n as f64),
    ]
}

fn time() -> impl Strategy<Value = f64> {
    prop_oneof![
        (1_600_000_000..1_700_000_000u32).prop_map(f64::from),
        (1_600_000_000_000..1_600_000_100_000u64).prop_map(|ms| ms as f64 / 1000.0),
        268_435_456.0..1e12f64,
        Just(268_435_456.0),
        Just(1e300),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let value = prop_oneof![
        4 => number().prop_map(DraftValue::Number),
        // XML has no U+0000 and the like; write() refuses those.
        1 => "[\\PC\t\n\r]{0,12}".prop_map(DraftValue::Text),
        1 => any::<bool>().prop_map(DraftValue::Boolean),
        1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(DraftValue::Data),
    ];
    let name = prop_oneof![
        "urn:dev:(mac|prm):[0-9a-f]{2}_(power|energy/index|x)(/[abc])?",
        "[A-Za-z0-9][-A-Za-z0-9:./_]{0,20}",
    ];
    let unit =
        prop::option::weighted(0.8, prop::sample::select(vec!["W", "Wh", "Cel", "%RH", "é'<&\"", "/"]));
    let optional = |chance| prop::option::weighted(chance, number());
    (name, unit, time(), value, optional(0.1), optional(0.1), any::<bool>()).prop_map(
        |(name, unit, time, value, sum, update_time, content_format)| Draft {
            name,
            unit,
            time,
            value,
            sum,
            update_time,
            content_format,
        },
    )
}

fn assemble(drafts: &[Draft], version: Option<u64>) -> Resolved {
    let mut pack = Assembler::new(Purpose::Pack, 0.0, &Options::default());
    let mut add = || -> Result<(), courant::senml::Invalid> {
        for draft in drafts {
            pack.begin_record()?;
            if let Some(version) = version {
                pack.number(Label::BaseVersion, version as f64)?;
            }
            pack.text(Label::Name, &draft.name)?;
            pack.number(Label::Time, draft.time)?;
            if let Some(unit) = draft.unit {
                pack.text(Label::Unit, unit)?;
            }
            match &draft.value {
                DraftValue::Number(value) => pack.number(Label::Value, *value)?,
                DraftValue::Text(value) => pack.text(Label::StringValue, value)?,
                DraftValue::Boolean(value) => pack.boolean(Label::BooleanValue, *value)?,
                DraftValue::Data(value) => pack.data(Label::DataValue, value)?,
            }
            if let Some(sum) = draft.sum {
                pack.number(Label::Sum, sum)?;
            }
            if let Some(time) = draft.update_time {
                pack.number(Label::UpdateTime, time)?;
            }
            if draft.content_format {
                pack.text(Label::ContentFormat, "60")?;
            }
            assert!(pack.end_record()?);
        }
        Ok(())
    };
    add().expect("a valid pack");
    pack.finish().expect("records")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(
        drafts in prop::collection::vec(draft(), 1..20),
        version in prop::sample::select(vec![None, Some(5), Some(26)]),
    ) {
        let pack = assemble(&drafts, version);
        prop_assert_eq!(pack.len(), drafts.len());
        for format in [Format::Json, Format::Xml, Format::Cbor] {
            let mut out = Vec::new();
            prop_assert_eq!(write(format, Profile::Standard, pack.all(), &mut out), Ok(0));
            // Absolute times: now does not matter.
            let again = read(format, &out, 4e8, &Options::default());
            let again = again.map_err(|e| TestCaseError::fail(format!("{e}: {}", String::from_utf8_lossy(&out))))?;
            prop_assert_eq!(&again, &pack, "{:?} {}", format, String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn a_selection_is_what_was_selected(
        drafts in prop::collection::vec(draft(), 1..20),
        chosen in prop::collection::btree_set(0..24u32, 0..20),
    ) {
        let pack = assemble(&drafts, None);
        let chosen: Vec<u32> = chosen.into_iter().collect();
        let selection = pack.select(&chosen);
        for (format, profile) in [(Format::Json, Profile::Standard), (Format::Xml, Profile::Quoalise)] {
            let mut out = Vec::new();
            let left_out = write(format, profile, selection, &mut out).expect("written");
            let wanted: Vec<_> = selection
                .iter()
                .filter(|record| profile == Profile::Standard || record.number().is_some())
                .collect();
            prop_assert_eq!(selection.iter().count(), wanted.len() + left_out);
            match read(format, &out, 0.0, &Options::default()) {
                Ok(again) => prop_assert!(again.iter().eq(wanted.iter().copied())),
                Err(e) => prop_assert!(wanted.is_empty(), "{}", e),
            }
        }
    }
}
