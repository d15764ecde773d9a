//! Stanzas compared as XML: order of attributes, quotes, prefixes and white space between elements
//! do not count. A pattern may hold `{any}`, which stands for anything but nothing, and `{word}`, which
//! is captured and must be the same wherever it stands again. Packs of measurements are compared by their
//! resolved records (RFC 8428 §4.6), in whatever base fields they are written.

use std::collections::BTreeMap;

use courant::senml::{self, Format, Options};
use courant::transport::parse::parse_element;
use minidom::{Element, Node};

/// What the words of a pattern stood for.
pub(crate) type Captures = BTreeMap<String, String>;

/// Compare a stanza with a pattern; the error says where they differ.
pub(crate) fn matches(pattern: &str, stanza: &str) -> Result<Captures, String> {
    let wanted = parse(pattern).map_err(|error| format!("the pattern: {error}"))?;
    let found = parse(stanza)?;
    let mut captures = Captures::new();
    element(&wanted, &found, &mut captures)?;
    captures.remove("any");
    Ok(captures)
}

fn parse(xml: &str) -> Result<Element, String> {
    let xml = xml.trim();
    parse_element(xml.as_bytes(), None).map_err(|error| format!("{error}: {xml}"))
}

fn element(wanted: &Element, found: &Element, captures: &mut Captures) -> Result<(), String> {
    let name = |e: &Element| format!("{{{}}}{}", e.ns(), e.name());
    if name(wanted) != name(found) {
        return Err(format!("wanted <{}>, found <{}>", name(wanted), name(found)));
    }
    if wanted.is("sensml", senml::NAMESPACE) {
        let (ours, theirs) = (records(wanted)?, records(found)?);
        return if ours == theirs { Ok(()) } else { Err(format!("wanted {ours}, found {theirs}")) };
    }
    let attributes = |e: &Element| {
        e.attrs()
            .iter()
            .map(|((ns, name), value)| (format!("{{{}}}{}", &**ns, name.as_str()), value.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let (ours, theirs) = (attributes(wanted), attributes(found));
    if !ours.keys().eq(theirs.keys()) {
        return Err(format!("<{}>: wanted attributes {ours:?}, found {theirs:?}", wanted.name()));
    }
    for (key, value) in &ours {
        text(value, &theirs[key], captures).map_err(|error| format!("<{}> {key}: {error}", wanted.name()))?;
    }
    let (ours, theirs) = (content(wanted), content(found));
    for at in 0..ours.len().max(theirs.len()) {
        match (ours.get(at), theirs.get(at)) {
            (Some(Part::Element(ours)), Some(Part::Element(theirs))) => element(ours, theirs, captures)?,
            (Some(Part::Text(ours)), Some(Part::Text(theirs))) => {
                text(ours.trim(), theirs.trim(), captures)
                    .map_err(|error| format!("text of <{}>: {error}", wanted.name()))?;
            }
            (ours, theirs) => {
                return Err(format!("in <{}>: wanted {ours:?}, found {theirs:?}", wanted.name()));
            }
        }
    }
    Ok(())
}

#[derive(Debug)]
enum Part<'a> {
    Element(&'a Element),
    Text(String),
}

/// Children, without white space on its own; a text is one, in however many pieces it was parsed.
fn content(e: &Element) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for node in e.nodes() {
        match (node, parts.last_mut()) {
            (Node::Element(element), _) => parts.push(Part::Element(element)),
            (Node::Text(more), Some(Part::Text(text))) => text.push_str(more),
            (Node::Text(text), _) => parts.push(Part::Text(text.clone())),
        }
    }
    parts.retain(|part| !matches!(part, Part::Text(text) if text.trim().is_empty()));
    parts
}

/// The resolved records of a pack, as JSON.
fn records(sensml: &Element) -> Result<String, String> {
    let mut xml = Vec::new();
    sensml.write_to(&mut xml).map_err(|error| error.to_string())?;
    // What leaves has absolute times, so `now` counts for nothing.
    let pack = senml::read(Format::Xml, &xml, 0.0, &Options::default())
        .map_err(|error| format!("no pack: {error:?}: {}", String::from_utf8_lossy(&xml)))?;
    let mut json = Vec::new();
    for record in pack.iter() {
        senml::write_resolved(&record, &mut json);
    }
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// Match a text with `{word}`s in it.
fn text(wanted: &str, found: &str, captures: &mut Captures) -> Result<(), String> {
    let differs = || format!("wanted {wanted:?}, found {found:?}");
    let Some((before, word, after)) = first_word(wanted) else {
        return if wanted == found { Ok(()) } else { Err(differs()) };
    };
    let rest = found.strip_prefix(before).ok_or_else(differs)?;
    // The shortest that lets the rest match.
    for (end, c) in rest.char_indices() {
        let end = end + c.len_utf8();
        let value = &rest[..end];
        if word != "any" && captures.get(word).is_some_and(|known| known != value) {
            continue;
        }
        let mut tried = captures.clone();
        tried.insert(word.to_owned(), value.to_owned());
        if text(after, &rest[end..], &mut tried).is_ok() {
            *captures = tried;
            return Ok(());
        }
    }
    Err(differs())
}

/// The first `{word}` of lower-case letters, digits and `_`, and what is around it.
fn first_word(pattern: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in pattern.match_indices('{') {
        let rest = &pattern[at + 1..];
        let length =
            rest.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_').count();
        if length > 0 && rest[length..].starts_with('}') {
            return Some((&pattern[..at], &rest[..length], &rest[length + 1..]));
        }
    }
    None
}
