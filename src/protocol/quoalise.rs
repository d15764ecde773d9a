//! `<quoalise xmlns='urn:quoalise:0'>`: packs with a description of the meter and of what it measures.
//!
//! ```xml
//! <quoalise xmlns='urn:quoalise:0'><data>
//!   <meta>
//!     <device type='electricity-meter'><identifier authority='enedis' type='prm' value='30001610071843'/></device>
//!     <measurement name='active-power' direction='consumption' quantity='power' unit='W'
//!                  sampling-interval='PT30M'/>
//!   </meta>
//!   <sensml xmlns='urn:ietf:params:xml:ns:senml'>…</sensml>
//! </data></quoalise>
//! ```
//!
//! The description is kept whole, whatever is in it; [`Meta::device`] and [`Meta::measurements`] are typed views
//! of the parts that are known. The packs are read by [`crate::senml`]; the octets are those of a stanza, which
//! the transport has found to be strict XML.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use thiserror::Error;

use crate::senml::{
    self, Assembler, Format, Invalid, Options, Profile, Purpose, Resolved, Selection, Unwritable, escape_xml,
};

/// The namespace.
pub const NAMESPACE: &str = "urn:quoalise:0";

/// Levels of a description; real ones have two.
const DEPTH: usize = 32;

/// Why a payload is refused; each is `bad-request` (modify).
#[derive(Debug, Error)]
pub enum Refused {
    /// The pack is not SenML: goes on as `<invalid-pack/>`.
    #[error(transparent)]
    Pack(#[from] Invalid),
    /// Not the elements that a payload has.
    #[error("not a quoalise payload: {0}")]
    Shape(&'static str),
    /// Not XML.
    #[error("not XML: {0}")]
    Xml(String),
}

/// What a `<quoalise/>` carries: one or more descriptions with their packs.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// In the order of the document.
    pub data: Vec<Data>,
}

/// One `<data/>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The description; empty where there is none.
    pub meta: Meta,
    /// The measurements.
    pub pack: Resolved,
}

/// A description: the content of `<meta/>`, kept whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The elements, in order.
    pub nodes: Vec<Node>,
}

/// An element of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name without prefix.
    pub name: String,
    /// Its namespace, normally [`NAMESPACE`].
    pub namespace: String,
    /// Its attributes in order, as they are written (those with a prefix of another vocabulary are left out).
    pub attributes: Vec<(String, String)>,
    /// Its elements, in order.
    pub nodes: Vec<Node>,
    /// Its text, all of it together.
    pub text: String,
}

/// The meter: a view of `<device/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// `type`, such as `electricity-meter`.
    pub kind: Option<&'a str>,
    /// How it is known to whom.
    pub identifiers: Vec<Identifier<'a>>,
}

/// A view of `<identifier/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier<'a> {
    /// `authority`, who gave it: `enedis`.
    pub authority: Option<&'a str>,
    /// `type`: `prm`.
    pub kind: Option<&'a str>,
    /// `value`.
    pub value: Option<&'a str>,
}

/// What is measured: a view of `<measurement/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement<'a> {
    /// `name`: `active-power`.
    pub name: Option<&'a str>,
    /// `direction`: `consumption`, `production`.
    pub direction: Option<&'a str>,
    /// `quantity`: `power`, `energy`.
    pub quantity: Option<&'a str>,
    /// `type`: `electrical`.
    pub kind: Option<&'a str>,
    /// `unit`, a SenML unit.
    pub unit: Option<&'a str>,
    /// `aggregation`: `mean`.
    pub aggregation: Option<&'a str>,
    /// `sampling-interval`, an ISO 8601 duration.
    pub sampling_interval: Option<&'a str>,
}

impl Node {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The elements of this name within.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.is(name))
    }

    fn is(&self, name: &str) -> bool {
        self.name == name && self.namespace == NAMESPACE
    }
}

impl Meta {
    /// The meter, if it is described.
    pub fn device(&self) -> Option<Device<'_>> {
        let device = self.nodes.iter().find(|node| node.is("device"))?;
        let identifiers = device.named("identifier").map(|node| Identifier {
            authority: node.attribute("authority"),
            kind: node.attribute("type"),
            value: node.attribute("value"),
        });
        Some(Device { kind: device.attribute("type"), identifiers: identifiers.collect() })
    }

    /// What is measured, wherever in the description it says so.
    pub fn measurements(&self) -> Vec<Measurement<'_>> {
        let mut found = Vec::new();
        let mut rest: Vec<&Node> = self.nodes.iter().rev().collect();
        while let Some(node) = rest.pop() {
            if node.is("measurement") {
                found.push(Measurement {
                    name: node.attribute("name"),
                    direction: node.attribute("direction"),
                    quantity: node.attribute("quantity"),
                    kind: node.attribute("type"),
                    unit: node.attribute("unit"),
                    aggregation: node.attribute("aggregation"),
                    sampling_interval: node.attribute("sampling-interval"),
                });
            }
            rest.extend(node.nodes.iter().rev());
        }
        found
    }
}

/// Reads a `<quoalise/>` element. `now`, in seconds since 1970, is what relative times are relative to.
pub fn read(octets: &[u8], now: f64, options: &Options) -> Result<Payload, Refused> {
    if octets.len() > options.limits.bytes {
        return Err(Invalid::pack(senml::Reason::TooLarge, "a payload beyond the limit").into());
    }
    let mut reader = NsReader::from_reader(octets);
    let mut walk = Walk { now, options: *options, payload: Payload { data: Vec::new() }, open: Vec::new() };
    let mut ended = false;
    loop {
        let (namespace, event) =
            reader.read_resolved_event().map_err(|error| Refused::Xml(error.to_string()))?;
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.as_ref().to_owned(),
            _ => String::new(),
        };
        match event {
            Event::Start(tag) if !ended => walk.begin(&tag, namespace)?,
            Event::Empty(tag) if !ended => {
                walk.begin(&tag, namespace)?;
                walk.end()?;
                ended = walk.open.is_empty();
            }
            Event::End(_) => {
                walk.end()?;
                ended = walk.open.is_empty();
            }
            Event::Text(text) => walk.text(&text)?,
            Event::GeneralRef(reference) => {
                let entity = format!("&{};", &*reference);
                let text = quick_xml::escape::unescape(&entity).map_err(|e| Refused::Xml(e.to_string()))?;
                walk.text(&text)?;
            }
            Event::CData(text) => walk.text(&text)?,
            Event::Eof if ended => break,
            Event::Eof => return Err(Refused::Shape("it ends too early")),
            Event::Comment(_) => {}
            _ => return Err(Refused::Shape("markup that a stanza does not have")),
        }
    }
    if walk.payload.data.is_empty() {
        return Err(Refused::Shape("no data"));
    }
    Ok(walk.payload)
}

/// The elements that are open, from the outside in.
#[derive(Debug)]
enum Open {
    Payload,
    Data {
        meta: Option<Meta>,
        pack: Option<Box<Resolved>>,
    },
    Meta(Meta),
    Node(Node),
    Pack(Box<Assembler>),
    /// Ignored, with what is in it: a vocabulary not known here.
    Other,
}

#[derive(Debug)]
struct Walk {
    now: f64,
    options: Options,
    payload: Payload,
    open: Vec<Open>,
}

impl Walk {
    fn begin(&mut self, tag: &BytesStart<'_>, namespace: String) -> Result<(), Refused> {
        if self.open.len() >= DEPTH {
            return Err(Refused::Shape("too deep"));
        }
        let name = tag.local_name().as_ref().to_owned();
        let ours = namespace == NAMESPACE;
        let next = match self.open.last_mut() {
            None if ours && name == "quoalise" => Open::Payload,
            None => return Err(Refused::Shape("the root is not quoalise")),
            Some(Open::Payload) if ours && name == "data" => Open::Data { meta: None, pack: None },
            Some(Open::Data { meta, .. }) if ours && name == "meta" => match meta {
                None => Open::Meta(Meta::default()),
                Some(_) => return Err(Refused::Shape("two descriptions of the same data")),
            },
            Some(Open::Data { pack, .. }) if namespace == senml::NAMESPACE && name == "sensml" => {
                match pack {
                    None => Open::Pack(Box::new(Assembler::new(Purpose::Pack, self.now, &self.options))),
                    Some(_) => return Err(Refused::Shape("two packs in the same data")),
                }
            }
            Some(Open::Pack(pack)) if namespace == senml::NAMESPACE && name == "senml" => {
                record(pack, tag)?;
                Open::Other
            }
            Some(Open::Meta(_) | Open::Node(_)) => {
                let attributes = attributes(tag)?;
                Open::Node(Node { name, namespace, attributes, ..Node::default() })
            }
            _ => Open::Other,
        };
        self.open.push(next);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some(ended) = self.open.pop() else { return Err(Refused::Shape("an end without beginning")) };
        match (ended, self.open.last_mut()) {
            (Open::Data { meta, pack }, _) => {
                let pack = *pack.ok_or(Refused::Shape("data without a pack"))?;
                self.payload.data.push(Data { meta: meta.unwrap_or_default(), pack });
            }
            (Open::Meta(ended), Some(Open::Data { meta, .. })) => *meta = Some(ended),
            (Open::Pack(ended), Some(Open::Data { pack, .. })) => *pack = Some(Box::new(ended.finish()?)),
            (Open::Node(ended), Some(Open::Meta(meta))) => meta.nodes.push(ended),
            (Open::Node(ended), Some(Open::Node(node))) => node.nodes.push(ended),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Refused> {
        if let Some(Open::Node(node)) = self.open.last_mut() {
            node.text.push_str(text);
        } else if self.open.is_empty() && !text.trim_ascii().is_empty() {
            return Err(Refused::Shape("text outside the element"));
        }
        Ok(())
    }
}

fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, Refused> {
    let mut found = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| Refused::Xml(error.to_string()))?;
        let name: &str = attribute.key.as_ref();
        if name == "xmlns" || name.contains(':') {
            continue;
        }
        found.push((name.to_owned(), unescaped(&attribute.value)?));
    }
    Ok(found)
}

/// The attributes of a `senml` element are the fields of a record.
fn record(pack: &mut Assembler, tag: &BytesStart<'_>) -> Result<(), Refused> {
    pack.begin_record()?;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| Refused::Xml(error.to_string()))?;
        let name: &str = attribute.key.as_ref();
        if name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        if name.contains(':') {
            if name.ends_with('_') {
                pack.unknown(name)?;
            }
            continue;
        }
        pack.attribute(name, &unescaped(&attribute.value)?)?;
    }
    pack.end_record()?;
    Ok(())
}

/// The value of an attribute: references replaced, white space to spaces.
fn unescaped(raw: &str) -> Result<String, Refused> {
    let raw = raw.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
    match quick_xml::escape::unescape(&raw) {
        Ok(value) => Ok(value.into_owned()),
        Err(error) => Err(Refused::Xml(error.to_string())),
    }
}

/// Appends a `<quoalise/>` with one `<data/>`, as existing clients read it, and gives how many records without
/// a number were left out. A description is never empty: those clients fail on one.
pub fn write(meta: &Meta, records: Selection<'_>, out: &mut Vec<u8>) -> Result<usize, Unwritable> {
    let before = out.len();
    out.extend_from_slice(b"<quoalise xmlns='urn:quoalise:0'><data>");
    write_meta(meta, out);
    match senml::write(Format::Xml, Profile::Quoalise, records, out) {
        Ok(left_out) => {
            out.extend_from_slice(b"</data></quoalise>");
            Ok(left_out)
        }
        Err(unwritable) => {
            out.truncate(before);
            Err(unwritable)
        }
    }
}

/// Appends the `<meta/>` element.
fn write_meta(meta: &Meta, out: &mut Vec<u8>) {
    if meta.nodes.is_empty() {
        out.extend_from_slice(b"<meta><device type='unknown'/></meta>");
        return;
    }
    /// A node to open, or the name of one to close.
    enum Step<'a> {
        Open(&'a Node),
        Close(&'a str),
    }
    out.extend_from_slice(b"<meta>");
    // Each node with the namespace around it.
    let mut steps: Vec<(Step<'_>, &str)> =
        meta.nodes.iter().rev().map(|node| (Step::Open(node), NAMESPACE)).collect();
    while let Some((step, around)) = steps.pop() {
        match step {
            Step::Close(name) => out.extend_from_slice(format!("</{name}>").as_bytes()),
            Step::Open(node) => {
                out.push(b'<');
                out.extend_from_slice(node.name.as_bytes());
                if node.namespace != around {
                    out.extend_from_slice(b" xmlns='");
                    escape_xml(&node.namespace, out);
                    out.push(b'\'');
                }
                for (name, value) in &node.attributes {
                    out.push(b' ');
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(b"='");
                    escape_xml(value, out);
                    out.push(b'\'');
                }
                let text = if node.nodes.is_empty() { node.text.as_str() } else { node.text.trim() };
                if node.nodes.is_empty() && text.is_empty() {
                    out.extend_from_slice(b"/>");
                    continue;
                }
                out.push(b'>');
                escape_xml(text, out);
                steps.push((Step::Close(&node.name), around));
                steps.extend(
                    node.nodes.iter().rev().map(|child| (Step::Open(child), node.namespace.as_str())),
                );
            }
        }
    }
    out.extend_from_slice(b"</meta>");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = "<quoalise xmlns='urn:quoalise:0'><data><meta>\
        <device type='electricity-meter' colour='green'>\
        <identifier authority='enedis' type='prm' value='30001610071843'/></device>\
        <measurement name='active-power' direction='consumption' quantity='power' type='electrical' unit='W' \
        aggregation='mean' sampling-interval='PT30M'/>\
        <note xmlns='urn:x' lang='fr'>caf&#233; &amp; th&#233;</note></meta>\
        <s:sensml xmlns:s='urn:ietf:params:xml:ns:senml'><s:senml bn='m' bt='1700000000' bu='W' v='1'/>\
        <s:senml t='60' v='&#50;'/><s:senml t='90' vs='x'/></s:sensml></data></quoalise>";

    #[test]
    fn the_description_is_kept_whole() {
        let payload = read(PAYLOAD.as_bytes(), 0.0, &Options::default()).unwrap();
        let [data] = payload.data.as_slice() else { panic!("{payload:?}") };
        let device = data.meta.device().unwrap();
        assert_eq!(device.kind, Some("electricity-meter"));
        assert_eq!(device.identifiers[0].value, Some("30001610071843"));
        let measurements = data.meta.measurements();
        let [measurement] = measurements.as_slice() else { panic!("{data:?}") };
        assert_eq!((measurement.unit, measurement.sampling_interval), (Some("W"), Some("PT30M")));
        assert_eq!(data.meta.nodes[0].attribute("colour"), Some("green"));
        assert_eq!(data.meta.nodes[2].text, "café & thé");
        assert_eq!(data.pack.iter().filter_map(|r| r.number()).collect::<Vec<_>>(), [1.0, 2.0]);

        let mut out = Vec::new();
        assert_eq!(write(&data.meta, data.pack.all(), &mut out), Ok(1));
        let again = read(&out, 0.0, &Options::default()).unwrap();
        assert_eq!(again.data[0].meta, data.meta);
        assert_eq!(again.data[0].pack.len(), 2);
    }

    #[test]
    fn several_data_and_an_empty_description() {
        let pack = "<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='a' v='1'/></sensml>";
        let two = format!(
            "<quoalise xmlns='urn:quoalise:0'><data>{pack}</data><data><meta/>{pack}</data></quoalise>"
        );
        let payload = read(two.as_bytes(), 0.0, &Options::default()).unwrap();
        assert_eq!(payload.data.len(), 2);
        let mut out = Vec::new();
        write(&Meta::default(), payload.data[0].pack.select(&[]), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("<meta><device type='unknown'/></meta><sensml xmlns="), "{text}");
    }

    #[test]
    fn refused() {
        for wrong in [
            "<data xmlns='urn:quoalise:0'/>",
            "<quoalise xmlns='urn:quoalise:0'/>",
            "<quoalise xmlns='urn:quoalise:1'><data/></quoalise>",
            "<quoalise xmlns='urn:quoalise:0'><data><meta/></data></quoalise>",
            "<quoalise xmlns='urn:quoalise:0'><data><sensml xmlns='urn:ietf:params:xml:ns:senml'/></data></quoalise>",
            "<quoalise xmlns='urn:quoalise:0'><data>",
        ] {
            assert!(read(wrong.as_bytes(), 0.0, &Options::default()).is_err(), "{wrong}");
        }
        let bad = PAYLOAD.replace("v='1'", "v='one'");
        let refused = read(bad.as_bytes(), 0.0, &Options::default());
        assert!(matches!(refused, Err(Refused::Pack(Invalid { record: Some(0), .. }))), "{refused:?}");
    }
}
