//! What is refused and why, what is accepted though it looks odd, and what a megabyte may cost.

use courant::senml::{Features, Format, Invalid, Limits, Options, Reason, Resolved, Value, read};

fn json(text: &str) -> Result<Resolved, Invalid> {
    read(Format::Json, text.as_bytes(), 1.7e9, &Options::default())
}

fn xml(records: &str) -> Result<Resolved, Invalid> {
    document(&format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>"))
}

fn document(text: &str) -> Result<Resolved, Invalid> {
    read(Format::Xml, text.as_bytes(), 1.7e9, &Options::default())
}

fn cbor(hex: &str) -> Result<Resolved, Invalid> {
    let digits: Vec<u8> = hex.bytes().map(|b| (b as char).to_digit(16).expect("hex") as u8).collect();
    let octets: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    read(Format::Cbor, &octets, 1.7e9, &Options::default())
}

fn reason(result: Result<Resolved, Invalid>) -> &'static str {
    result.map_or_else(|invalid| invalid.reason.code(), |_| "accepted")
}

#[test]
fn json_refused() {
    for (text, wanted) in [
        ("", "malformed"),
        (" ", "malformed"),
        ("[", "malformed"),
        ("\"x\"", "not-an-array"),
        ("{\"n\":", "malformed"),
        ("[1]", "not-an-object"),
        ("[null]", "not-an-object"),
        ("[{\"n\":\"a\",\"v\":1}", "malformed"),
        ("[{\"n\":\"a\",\"v\":1,}]", "malformed"),
        ("[{\"n\":\"a\" \"v\":1}]", "malformed"),
        ("[{\"n\":\"a\",v:1}]", "malformed"),
        ("[{'n':'a'}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":+1}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1.}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1e}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":-}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":00}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":Infinity}]", "malformed"),
        ("[{\"n\":\"a\",\"vb\":True}]", "malformed"),
        ("[{\"n\":\"a\",\"vb\":truely}]", "malformed"),
        ("[{\"n\":\"a\",\"vs\":\"a\nb\"}]", "malformed"),
        ("[{\"n\":\"a\",\"vs\":\"\\x41\"}]", "malformed"),
        ("[{\"n\":\"a\",\"vs\":\"\\u12g4\"}]", "malformed"),
        ("[{\"n\":\"a\",\"vs\":\"\\ud83d\\n\"}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1,\"x\":\"\\udead\"}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1,\"x\":[1,]}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1,\"x\":{1:2}}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1,\"x\":[}]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1}]]", "malformed"),
        ("[{\"n\":\"a\",\"v\":1}] // end", "malformed"),
        ("[{\"n\":\"a\",\"\\u006e\":\"b\",\"v\":1}]", "duplicate-label"),
        ("[{\"n\":\"a\",\"v\":1,\"x\":1,\"y\":2,\"\\u0078\":3}]", "duplicate-label"),
        ("[{\"n\":\"a\",\"v\":1,\"x\\u005f\":1}]", "unknown-mandatory-field"),
        ("[{\"n\":\"a\",\"v\":-1e309}]", "number-range"),
        ("[{\"n\":\"a\",\"t\":1e308,\"bt\":1e308,\"v\":1}]", "number-range"),
        ("[{\"n\":\"a\",\"bs\":1e308,\"s\":1e308}]", "number-range"),
        ("[{\"n\":\"a\",\"ut\":\"60\",\"v\":1}]", "bad-type"),
        ("[{\"n\":\"a\",\"v\":[1]}]", "bad-type"),
        ("[{\"n\":\"a\",\"vs\":null}]", "bad-type"),
        ("[{\"n\":\"a\",\"vd\":1}]", "bad-type"),
        ("[{\"n\":\"a\",\"bver\":-10,\"v\":1}]", "bad-version"),
        ("[{\"n\":\"a\",\"bver\":9007199254740992,\"v\":1}]", "bad-version"),
        ("[{\"n\":\"a\",\"bver\":27,\"v\":1}]", "unsupported-version"),
        ("[{\"n\":\"a\",\"bver\":58,\"v\":1}]", "unsupported-version"),
        ("[{\"bver\":26,\"n\":\"a\",\"v\":1},{\"bver\":10,\"n\":\"a\",\"v\":1}]", "mixed-versions"),
        ("[{\"bn\":\"a\"},{\"bver\":26,\"v\":1}]", "mixed-versions"),
        ("[{\"bn\":\"a\"},{}]", "no-value"),
        ("[{\"bn\":\"\",\"v\":1}]", "name-empty"),
        ("[{\"v\":1}]", "missing-name"),
        ("[{\"n\":\".a\",\"v\":1}]", "bad-name-start"),
        ("[{\"n\":\"a\\u0000\",\"v\":1}]", "bad-name-char"),
        ("[{\"n\":\"aé\",\"v\":1}]", "bad-name-char"),
        ("[{\"n\":\"a\",\"vd\":\"AAA\"},{\"n\":\"a\",\"vd\":\"AAB\"}]", "bad-base64"),
    ] {
        assert_eq!(reason(json(text)), wanted, "{text}");
    }
    assert_eq!(
        reason(read(Format::Json, b"[{\"n\":\"a\",\"vs\":\"\xff\"}]", 0.0, &Options::default())),
        "malformed"
    );
}

#[test]
fn json_accepted() {
    for text in [
        "[{\"n\":\"a\",\"v\":1,\"x\":1e999}]",
        "[{\"\\u006e\":\"a\",\"\\u0076\":1}]",
        "[{\"bn\":\"a\",\"x\":1},{\"v\":1}]",
        "[{\"n\":\"a\",\"v\":1e-400}]",
        "[{\"n\":\"a\",\"v\":0.0000000000000000000000000000000000000000001e43}]",
        "[{\"n\":\"a\",\"v\":1,\"\":0}]",
        "\u{feff}[{\"n\":\"a\",\"v\":1}]",
        "[{\"v\":1,\"n\":\"b\",\"bn\":\"a\"}]",
    ] {
        assert_eq!(reason(json(text)), "accepted", "{text}");
    }
    let pack = json("[{\"v\":1,\"n\":\"b\",\"bn\":\"a\"},{\"n\":\"c\",\"bn\":\"x\",\"v\":2},{\"v\":3}]")
        .expect("valid");
    let names: Vec<&str> = pack.iter().map(|record| record.name()).collect();
    assert_eq!(names, ["ab", "xc", "x"]);
    let deep = format!("[{{\"n\":\"a\",\"v\":1,\"x\":{}0{}}}]", "[{\"y\":".repeat(400), "}]".repeat(400));
    assert_eq!(reason(json(&deep)), "accepted");
    let deeper = format!("[{{\"n\":\"a\",\"v\":1,\"x\":{}{}}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(reason(json(&deeper)), "too-deep");
}

#[test]
fn xml_refused() {
    for (text, wanted) in [
        ("<senml n='a' v='1'><b></senml>", "malformed"),
        ("<senml n='a' v='1'/", "malformed"),
        ("<senml n='a' v=1/>", "malformed"),
        ("<senml n='a'v='1'/>", "malformed"),
        ("<senml n='a' v='1' n='b'/>", "malformed"),
        ("<senml n='a' v='1' x='<'/>", "malformed"),
        ("<senml n='a' v='1' x='&'/>", "malformed"),
        ("<senml n='a' v='1' x='&#0;'/>", "malformed"),
        ("<senml n='a' v='1' x='&#xD800;'/>", "malformed"),
        ("<senml n='a' v='1' x='&#xFFFE;'/>", "malformed"),
        ("<senml n='a' v='1' x='&#x110000;'/>", "malformed"),
        ("<senml n='a' v='1' x='&#4294967393;'/>", "malformed"),
        ("<senml n='a' v='1' x='\u{1}'/>", "malformed"),
        ("<senml n='a' v='1' x='\u{ffff}'/>", "malformed"),
        ("<senml n='a' v='1' 1x='y'/>", "malformed"),
        ("<senml n='a' v='1' x:y:z='y'/>", "malformed"),
        ("<senml n='a' v='1' p:y='y'/>", "malformed"),
        ("<senml n='a' v='1' xmlns:p=''/>", "malformed"),
        ("<senml n='a' v='1' xmlns:xml='urn:x'/>", "malformed"),
        ("<senml n='a' v='1' xmlns:xmlns='urn:x'/>", "malformed"),
        ("<senml n='a' v='1' xmlns:p='u' xmlns:q='u' p:x='' q:x=''/>", "malformed"),
        ("<senml n='a' v='1'>]]></senml>", "malformed"),
        ("<senml n='a' v='1'>&nbsp;</senml>", "malformed"),
        ("<senml n='a' v='1'/><!-- a -- b -->", "malformed"),
        ("<senml n='a' v='1'/><?xml version='1.0'?>", "malformed"),
        ("<senml n='a' v='1'/><![CDATA[", "malformed"),
        ("<senml n='a' v='1' vs=''/>", "multiple-values"),
        ("<senml n='a' t='+INF' v='1'/>", "bad-number"),
        ("<senml n='a' v='1e400'/>", "number-range"),
        ("<senml n='a' v='NaN'/>", "nan"),
        ("<senml n='a' v='1' bver=''/>", "bad-version"),
        ("<senml n='a' v='1' bver='-5'/>", "bad-version"),
        ("<senml n='a' v='1' bver='2147483650'/>", "unsupported-version"),
        ("<senml n='a' vb=''/>", "bad-boolean"),
        ("<senml n='a' v='1' _='x'/>", "unknown-mandatory-field"),
    ] {
        assert_eq!(reason(xml(text)), wanted, "{text}");
    }
    for (text, wanted) in [
        ("", "malformed"),
        ("x", "malformed"),
        ("<?xml version='1.0' encoding='UTF-16'?><sensml/>", "bad-encoding"),
        ("<?xml encoding='UTF-8'?><sensml/>", "malformed"),
        ("<?xml version='2.0'?><sensml/>", "malformed"),
        (" <?xml version='1.0'?><sensml/>", "malformed"),
        ("<!DOCTYPE sensml><sensml/>", "dtd-forbidden"),
        ("<Sensml xmlns='urn:ietf:params:xml:ns:senml'/>", "bad-root"),
        ("<sensml xmlns='urn:ietf:params:xml:ns:SENML'/>", "wrong-namespace"),
        ("<sensml xmlns='urn:ietf:params:xml:ns:senml' a='1' a='2'/>", "malformed"),
        ("<sensml xmlns='urn:ietf:params:xml:ns:senml'></sensml>x", "malformed"),
        ("<sensml xmlns='urn:ietf:params:xml:ns:senml'></sensml >&amp;", "malformed"),
    ] {
        assert_eq!(reason(document(text)), wanted, "{text}");
    }
    let utf16: Vec<u8> = "\u{feff}<sensml/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(reason(read(Format::Xml, &utf16, 0.0, &Options::default())), "bad-encoding");
}

#[test]
fn xml_accepted() {
    let value = |text: &str| match xml(text).expect(text).get(0).and_then(|record| record.value()) {
        Some(Value::Text(text)) => text.to_owned(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(value("<senml n='a' vs='a&#10;b\r\nc&quot;'/>"), "a\nb c\"");
    assert_eq!(value("<senml n='a' vs='&#x0000000000000000041;'/>"), "A");
    assert_eq!(value("<senml n = 'a'\n vs = \"'>\" ></senml\t>"), "'>");
    assert_eq!(value("<élan été='1'/><senml n='a' vs='x' é_é='y'/>"), "x");
    for text in [
        "\u{feff}<?xml version='1.1' standalone='yes' ?><sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='a' v='1'/></sensml>",
        "<sensml xmlns='urn:ietf:params:&#120;ml:ns:senml'><senml n='a' v='1'/></sensml>",
        "<a:sensml xmlns:a='urn:ietf:params:xml:ns:senml'><b:senml xmlns:b='urn:ietf:params:xml:ns:senml' n='a' v='1'/></a:sensml>",
        "<a:sensml xmlns:a='urn:ietf:params:xml:ns:senml' xmlns:b_='urn:b'><a:senml n='a' v='1'/></a:sensml>",
    ] {
        assert_eq!(reason(document(text)), "accepted", "{text}");
    }
}

#[test]
fn cbor_refused() {
    for (hex, wanted) in [
        ("", "malformed"),
        ("f6", "not-an-array"),
        ("9bffffffffffffffff", "malformed"),
        ("81bb8000000000000000", "malformed"),
        ("81", "malformed"),
        ("81a2006161020100", "malformed"),
        ("81a20061610200ff", "malformed"),
        ("81bf006161", "malformed"),
        ("81bf00616102ff", "malformed"),
        ("81a200616102f817", "malformed"),
        ("81a30061610201186307", "accepted"),
        ("81a400616102011863071863f6", "duplicate-label"),
        ("81a40061610201617807617808", "duplicate-label"),
        ("81a400616102011a000000630718635f4100ff", "duplicate-label"),
        ("81a300616102011863ff", "malformed"),
        ("81a30061610201186361ff", "malformed"),
        ("81a3006161020118637f4100ff", "malformed"),
        ("81a300616102011863bf00ff", "malformed"),
        ("81a200616102f97c00", "nan"),
        ("81a200616102fb7ff8000000000000", "nan"),
        ("81a200616102c482001bffffffffffffffff", "accepted"),
        ("81a200616102c482190200011b", "number-range"),
        ("81a200616102c4823b7fffffffffffffff01", "accepted"),
        ("81a200616102c49f2001ff", "accepted"),
        ("81a200616102c4820041ff", "bad-type"),
        ("81a200616102c482fb000000000000000001", "bad-type"),
        ("81a200616102c249010000000000000000", "bad-type"),
        ("81a200616104f6", "bad-type"),
        ("81a20061610400", "bad-type"),
        ("81a3206130006161", "bad-type"),
        ("81a32029006161", "bad-version"),
        ("81a1f502", "bad-label"),
        ("81a17f616eff6161", "bad-label"),
        ("81c1a20061610201", "not-an-object"),
    ] {
        assert_eq!(reason(cbor(hex)), wanted, "{hex}");
    }
    let pack = cbor("81a200616102c48221196ab3").expect("valid");
    assert_eq!(pack.get(0).and_then(|record| record.number()), Some(273.15));
    let mut deep = b"\x81\xa3\x00\x61a\x02\x01\x18\x63".to_vec();
    deep.extend(std::iter::repeat_n(0x81, 100_000));
    deep.push(0);
    assert_eq!(reason(read(Format::Cbor, &deep, 0.0, &Options::default())), "too-deep");
}

#[test]
fn limits_are_kept() {
    let limits = Limits { bytes: 60, records: 2, depth: 2, name_bytes: 4 };
    let options = Options { limits, features: Features::NONE };
    let refused = |text: &str| {
        let invalid = read(Format::Json, text.as_bytes(), 0.0, &options).expect_err(text);
        assert!(invalid.reason.is_limit(), "{invalid}");
        invalid.reason
    };
    assert_eq!(refused(&" ".repeat(61)), Reason::TooLarge);
    assert_eq!(refused("[{\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":1},{}]"), Reason::TooManyRecords);
    assert_eq!(refused("[{\"n\":\"abcde\",\"v\":1}]"), Reason::NameTooLong);
    assert_eq!(refused("[{\"n\":\"a\",\"v\":1,\"x\":[[[]]]}]"), Reason::TooDeep);
}

/// Inputs of a megabyte that would hurt a careless reader: each is answered, and the test ends.
#[test]
fn the_worst_megabyte() {
    const SIZE: usize = 1 << 20;
    let fill = |start: &str, piece: &str, end: &str| {
        let times = (SIZE - start.len() - end.len()) / piece.len();
        format!("{start}{}{end}", piece.repeat(times))
    };
    let numbered = |start: &str, piece: &dyn Fn(usize) -> String, end: &str| {
        let mut text = start.to_owned();
        let mut at = 0;
        while text.len() + 64 < SIZE {
            text.push_str(&piece(at));
            at += 1;
        }
        text + end
    };
    let ns = "<sensml xmlns='urn:ietf:params:xml:ns:senml'>";
    for text in [
        fill("[{\"n\":\"a\",\"v\":1,\"x\":", "[", ""),
        fill("[{\"n\":\"a\",\"v\":1,\"x\":", "{\"a\":", ""),
        fill("[{\"n\":\"a\",\"v\":", "9", "}]"),
        fill("[{\"n\":\"a\",\"v\":0.", "0", "1}]"),
        fill("[{\"n\":\"a\",\"v\":1e", "9", "}]"),
        fill("[{\"n\":\"a\",\"vs\":\"", "\\u00e9", "\"}]"),
        fill("[{\"n\":\"a\",\"vd\":\"", "AAAA", "\"}]"),
        fill("[{\"n\":\"", "a", "\",\"v\":1}]"),
        fill("[{\"bn\":\"a\",\"v\":1}", ",{\"v\":1}", "]"),
        numbered("[{\"n\":\"a\",\"v\":1", &|i| format!(",\"x{i}\":1"), "}]"),
        numbered("[{\"bn\":\"a\",\"v\":1}", &|i| format!(",{{\"n\":\"{i}\",\"u\":\"u{i}\",\"v\":1}}"), "]"),
        numbered(
            &format!("[{{\"bn\":\"{}\",\"v\":1}}", "a".repeat(2000)),
            &|i| format!(",{{\"n\":\"{i}\",\"v\":1}}"),
            "]",
        ),
    ] {
        let _ = reason(json(&text));
    }
    for text in [
        fill(ns, "<a>", ""),
        fill(ns, "<senml n='a' v='1'/>", "</sensml>"),
        fill(&format!("{ns}<senml n='a' v='1' x='"), "&amp;", "'/></sensml>"),
        fill(&format!("{ns}<senml n='a' v='1' x='"), "&", "'/></sensml>"),
        fill(ns, "&", "</sensml>"),
        fill(ns, "]]", "</sensml>"),
        fill(ns, "<!--", ""),
        numbered(&format!("{ns}<a"), &|i| format!(" a{i}=''"), "/></sensml>"),
        numbered(&format!("{ns}<a"), &|i| format!(" xmlns:a{i}='{i}'"), "/></sensml>"),
        numbered(&format!("{ns}<a xmlns:p='p'"), &|i| format!(" p:a{i}=''"), "/></sensml>"),
        numbered(ns, &|i| format!("<a xmlns:p{i}='{i}'>"), "</sensml>"),
        fill(&format!("{ns}<senml n='a' v='&#"), "0", "49;'/></sensml>"),
    ] {
        let _ = reason(document(&text));
    }
    for piece in [&[0x81u8][..], &[0x9f], &[0xbf, 0x00], &[0xc4], &[0xa1, 0x00], &[0x7f], &[0xd8, 0x20]] {
        let mut octets = b"\x81\xa3\x00\x61a\x02\x01\x18\x63".to_vec();
        while octets.len() < SIZE {
            octets.extend_from_slice(piece);
        }
        assert_ne!(reason(read(Format::Cbor, &octets, 0.0, &Options::default())), "accepted");
    }
    let mut bignum = b"\x81\xa2\x00\x61a\x02\xc4\x82\x20\xc2\x5a\x00\x0f\xff\x00".to_vec();
    bignum.resize(15 + 0x000f_ff00, 0xff);
    assert_eq!(reason(read(Format::Cbor, &bignum, 0.0, &Options::default())), "number-range");
}
