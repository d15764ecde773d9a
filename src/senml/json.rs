//! SenML in JSON (RFC 8428 §5): the tokens of RFC 8259 straight into the [`Assembler`], in one pass.
//!
//! Stricter than many JSON parsers where SenML packs could be misread: the same label twice is an error, and
//! so are lone surrogates. Values of unknown labels are checked for their grammar and passed over, however
//! deep, without recursion.

use super::assembler::Assembler;
use super::error::{Invalid, Reason};
use super::json_text::{Broken, Json, unescape};
use super::label::{Label, Type};
use super::number;

/// Feeds a whole pack to the assembler.
pub(super) fn read(text: &str, sink: &mut Assembler) -> Result<(), Invalid> {
    // RFC 8259 §8.1 lets a parser ignore a byte order mark (decision A32).
    let mut json = Json::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    json.space();
    if json.peek() != Some(b'[') {
        json.value(sink.options().limits.depth).map_err(Broken::whole)?;
        json.end().map_err(Broken::whole)?;
        return Err(Invalid::pack(Reason::NotAnArray, "a pack is an array of records"));
    }
    json.at += 1;
    json.space();
    if json.peek() == Some(b']') {
        json.at += 1;
        return json.end().map_err(Broken::whole);
    }
    loop {
        record(&mut json, sink)?;
        json.space();
        match json.peek() {
            Some(b',') => json.at += 1,
            Some(b']') => {
                json.at += 1;
                return json.end().map_err(Broken::whole);
            }
            _ => return Err(json.malformed("',' or ']' after a record").at(sink)),
        }
        json.space();
    }
}

/// Feeds a text that is one record, of a stream.
pub(super) fn read_record(text: &str, sink: &mut Assembler) -> Result<(), Invalid> {
    let mut json = Json::new(text);
    record(&mut json, sink)?;
    json.end().map_err(Broken::whole)
}

impl Broken {
    #[cold]
    fn at(self, sink: &Assembler) -> Invalid {
        sink.refuse(self.0, self.1)
    }

    #[cold]
    fn whole(self) -> Invalid {
        Invalid::pack(self.0, self.1)
    }
}

/// Reads one record into the assembler.
fn record(json: &mut Json<'_>, sink: &mut Assembler) -> Result<(), Invalid> {
    sink.begin_record()?;
    if json.peek() != Some(b'{') {
        pass(json, sink)?;
        return Err(sink.refuse(Reason::NotAnObject, "a record is an object"));
    }
    json.at += 1;
    json.space();
    if json.peek() == Some(b'}') {
        json.at += 1;
    } else {
        loop {
            if !plain_member(json, sink) {
                member(json, sink)?;
            }
            json.space();
            match json.peek() {
                Some(b',') => json.at += 1,
                Some(b'}') => {
                    json.at += 1;
                    break;
                }
                _ => return Err(json.malformed("',' or '}'").at(sink)),
            }
            json.space();
        }
    }
    sink.end_record().map(|_| ())
}

/// A label and what is around it as one number, which is compared faster than four octets.
const fn four(octets: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*octets)
}

const V: u32 = four(br#""v":"#);
const T: u32 = four(br#""t":"#);
const N: u32 = four(br#""n":"#);
const U: u32 = four(br#""u":"#);
const S: u32 = four(br#""s":"#);
const BN: u32 = four(br#""bn""#);
const BT: u32 = four(br#""bt""#);
const BU: u32 = four(br#""bu""#);
const BV: u32 = four(br#""bv""#);
const VS: u32 = four(br#""vs""#);
const UT: u32 = four(br#""ut""#);

/// Reads a member as nearly all are: a number or a text without escapes, its label next to the colon. Gives
/// false, and reads nothing, where it is not one of these or anything is wrong with it.
#[inline(always)]
fn plain_member(json: &mut Json<'_>, sink: &mut Assembler) -> bool {
    let Some((first, rest)) = json.rest().split_first_chunk() else { return false };
    let colon = rest.first() == Some(&b':');
    let (label, length) = match four(first) {
        V => (Label::Value, 4),
        T => (Label::Time, 4),
        N => (Label::Name, 4),
        U => (Label::Unit, 4),
        S => (Label::Sum, 4),
        BN if colon => (Label::BaseName, 5),
        BT if colon => (Label::BaseTime, 5),
        BU if colon => (Label::BaseUnit, 5),
        BV if colon => (Label::BaseValue, 5),
        VS if colon => (Label::StringValue, 5),
        UT if colon => (Label::UpdateTime, 5),
        _ => return false,
    };
    let before = json.at;
    json.at += length;
    if json.peek() == Some(b' ') {
        json.at += 1;
    }
    let plain = if label.is_number() {
        number::scan::<false>(json.text, json.at).is_some_and(|(value, end)| {
            json.at = end;
            sink.plain_number(label, value)
        })
    } else {
        json.plain().is_some_and(|text| sink.plain_text(label, text))
    };
    if !plain {
        json.at = before;
    }
    plain
}

fn member(json: &mut Json<'_>, sink: &mut Assembler) -> Result<(), Invalid> {
    let name = json.quoted().map_err(|broken| broken.at(sink))?;
    json.colon().map_err(|broken| broken.at(sink))?;
    let spelled = json.slice(name);
    let unescaped;
    let name = if name.escaped {
        unescaped = unescape(spelled);
        &unescaped
    } else {
        spelled
    };
    match Label::from_name(name.as_bytes()) {
        Some(label) => field(label, json, sink),
        None => {
            pass(json, sink)?;
            sink.unknown(name)
        }
    }
}

#[inline]
fn field(label: Label, json: &mut Json<'_>, sink: &mut Assembler) -> Result<(), Invalid> {
    match label.kind() {
        Type::Number | Type::Version => {
            if let Some((value, end)) = number::scan_any::<false>(json.text, json.at) {
                json.at = end;
                return sink.number(label, value);
            }
        }
        Type::Text | Type::Data => {
            if let Some(text) = json.plain() {
                return sink.text(label, text);
            }
        }
        Type::Boolean => {}
    }
    other_field(label, json, sink)
}

/// A field that is not a number or a text without escapes, whether it should be or not.
fn other_field(label: Label, json: &mut Json<'_>, sink: &mut Assembler) -> Result<(), Invalid> {
    match (label.kind(), json.peek()) {
        (Type::Number | Type::Version, Some(b'-' | b'0'..=b'9')) => Err(json.malformed("a number").at(sink)),
        (Type::Text | Type::Data, Some(b'"')) => {
            let string = json.quoted().map_err(|broken| broken.at(sink))?;
            sink.text(label, &unescape(json.slice(string)))
        }
        (Type::Boolean, Some(letter @ (b't' | b'f'))) => {
            let boolean = letter == b't';
            json.word(if boolean { "true" } else { "false" }).map_err(|broken| broken.at(sink))?;
            sink.boolean(label, boolean)
        }
        (_, Some(b'n')) => {
            json.word("null").map_err(|broken| broken.at(sink))?;
            sink.null(label)
        }
        _ => {
            pass(json, sink)?;
            Err(sink.wrong_type(label))
        }
    }
}

/// Passes over a value.
fn pass(json: &mut Json<'_>, sink: &Assembler) -> Result<(), Invalid> {
    json.value(sink.options().limits.depth).map_err(|broken| broken.at(sink))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Options, read};

    /// Members right and wrong, of which records are made. The colon of each is its first one.
    const MEMBERS: [&str; 44] = [
        "'n':'a'",
        "'n':'/b'",
        "'n':''",
        "'n':'c d'",
        "'n':'\\u0061'",
        "'n':'é'",
        "'n':1",
        "'n':'a",
        "'v':1",
        "'v':-1.5e3",
        "'v':1e400",
        "'v':01",
        "'v':-",
        "'v':1.",
        "'v':'1'",
        "'v':null",
        "'v':true",
        "'v':12345678",
        "'v':123456789.5",
        "'v':0.1234567890123456",
        "'v':9007199254740993",
        "'v':1x",
        "'vs':'a b'",
        "'vs':'a\\n'",
        "'vs':''",
        "'vb':true",
        "'vd':'AQ'",
        "'vd':'A'",
        "'t':1700000000.125",
        "'t':-5",
        "'u':'W'",
        "'u':''",
        "'u':'MWh'",
        "'s':4",
        "'ut':3",
        "'bn':'urn:x:'",
        "'bt':1763679600",
        "'bu':'kWh'",
        "'bv':1e308",
        "'bs':1",
        "'bver':10",
        "'x':1",
        "'x_':1",
        "'\\u0076':1",
    ];

    #[test]
    fn a_space_before_the_colon_changes_nothing() {
        let options = Options::default();
        let pack = |colon: &str, first: &str, members: [&str; 3]| {
            let members = members.map(|member| member.replacen(':', colon, 1));
            let members: Vec<&str> =
                members.iter().map(String::as_str).filter(|member| !member.is_empty()).collect();
            let text =
                format!("[{{{first}}},{{{}}},{{'n':'q','v':2}}]", members.join(",")).replace('\'', "\"");
            // Places in the text differ by the spaces.
            read(Format::Json, text.as_bytes(), 1.8e9, &options).map_err(|i| (i.reason, i.record))
        };
        let mut taken = 0;
        for first in ["'n':'z','v':0", "'bn':'urn:a','bt':1763679600,'bu':'W','v':342", "'bs':3,'bv':2"] {
            for a in MEMBERS {
                for b in MEMBERS {
                    for c in ["", "'v':1", "'n':'/b'", "'t':60"] {
                        // Before its colon, a space is as good as none, but not plain.
                        let (plain, ordinary) = (pack(":", first, [a, b, c]), pack(" :", first, [a, b, c]));
                        assert_eq!(plain, ordinary, "{first}, {a} {b} {c}");
                        assert_eq!(plain, pack(": ", first, [a, b, c]), "{first}, {a} {b} {c}");
                        taken += usize::from(plain.is_ok());
                    }
                }
            }
        }
        assert!(taken > 1000, "{taken}");
    }
}
