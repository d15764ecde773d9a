//! The records of one item: read from a payload, kept in the journal as SenML CBOR, written as XML.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::intake::Refusal;
use super::owed::Selection;
use crate::domain::reduction::Sample;
use crate::protocol::outbox::CONTENT_MAX;
use crate::protocol::publish::Payload;
use crate::protocol::{quoalise, record_size};
use crate::senml::{Format, Invalid, Limits, Options, Profile, Reason, Resolved, Unwritable, read, write};
use crate::store::items::measured_at;

/// A moment to resolve relative times at when it does not matter when, seconds since 1970.
const ELSEWHERE: f64 = 2_000_000_000.0;

/// SHA-256.
type Digest = [u8; 32];

/// Writes some records in some shape.
pub type Shape<'a> = dyn Fn(crate::senml::Selection<'_>, &mut Vec<u8>) -> Result<(), Unwritable> + 'a;

/// Resolved records (RFC 8428 §4.6) that can be written and read again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pack {
    resolved: Resolved,
    /// Of a pack of relative times, a digest of it as it would be at another moment: sent again it is the same pack,
    /// though it resolves to other times.
    relative: Option<Digest>,
    /// Of a payload that is no SenML: the element. Its one record says only which series and when.
    foreign: Option<Arc<[u8]>>,
}

/// What such a payload begins with in the journal; a pack never does.
pub const FOREIGN: u8 = 0xf6;

impl Pack {
    /// Reads and checks a payload; `now` in seconds since 1970, for relative times.
    pub fn read(payload: &Payload<'_>, now: f64, records_max: usize) -> Result<Self, Refusal> {
        let (format, bytes) = match payload {
            Payload::Sensml(xml) => (Format::Xml, &xml[..]),
            Payload::Json(json) => (Format::Json, json.as_bytes()),
            Payload::Quoalise(xml) => return Self::read_quoalise(xml, now, records_max),
            Payload::Foreign(xml, node) => return Self::of_foreign(xml, node, now),
        };
        // The stanza that brought it was bounded already.
        let limits = Limits { bytes: usize::MAX, records: records_max, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let invalid = |invalid: Invalid| match invalid.reason {
            Reason::TooManyRecords => Refusal::TooManyRecords { limit: records_max },
            _ => Refusal::Invalid(Box::new(invalid)),
        };
        let resolved = read(format, bytes, now, &options).map_err(invalid)?;
        let mut pack = Pack { resolved, relative: None, foreign: None };
        if pack.resolved.is_relative() {
            let elsewhere = Pack {
                resolved: read(format, bytes, ELSEWHERE, &options).map_err(invalid)?,
                relative: None,
                foreign: None,
            };
            pack.relative = Some(digest(&elsewhere.to_bytes()?));
        }
        // What is accepted must be deliverable. A text that came as XML can go as XML; JSON strings may
        // hold what XML cannot.
        if format != Format::Xml {
            pack.written(Format::Xml, &Selection::All).map_err(unwritable)?;
        }
        Ok(pack)
    }

    /// A payload that is no SenML.
    fn of_foreign(xml: &[u8], node: &str, now: f64) -> Result<Self, Refusal> {
        // Names have no characters that JSON escapes.
        let json = format!(r#"[{{"n":"{node}","t":{now},"vs":""}}]"#);
        let resolved = read(Format::Json, json.as_bytes(), now, &Options::default())
            .map_err(|invalid| Refusal::Invalid(Box::new(invalid)))?;
        Ok(Pack { resolved, relative: Some(digest(xml)), foreign: Some(xml.into()) })
    }

    /// Whether this is no SenML.
    pub fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// Reads a Quoalise payload: all its packs as one.
    fn read_quoalise(xml: &[u8], now: f64, records_max: usize) -> Result<Self, Refusal> {
        let limits = Limits { bytes: usize::MAX, records: records_max, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let read = |now| -> Result<(Resolved, bool), Refusal> {
            let payload = quoalise::read(xml, now, &options).map_err(|refused| match refused {
                quoalise::Refused::Pack(invalid) if invalid.reason == Reason::TooManyRecords => {
                    Refusal::TooManyRecords { limit: records_max }
                }
                quoalise::Refused::Pack(invalid) => Refusal::Invalid(Box::new(invalid)),
                other => Refusal::Invalid(Box::new(Invalid::pack(Reason::Malformed, other.to_string()))),
            })?;
            let is_relative = payload.data.iter().any(|data| data.pack.is_relative());
            let mut all = Resolved::default();
            for record in payload.data.iter().flat_map(|data| data.pack.iter()) {
                all.push(&record);
            }
            if all.len() > records_max {
                return Err(Refusal::TooManyRecords { limit: records_max });
            }
            all.sort();
            Ok((all, is_relative))
        };
        let (resolved, is_relative) = read(now)?;
        let mut pack = Pack { resolved, relative: None, foreign: None };
        if is_relative {
            let elsewhere = Pack { resolved: read(ELSEWHERE)?.0, relative: None, foreign: None };
            pack.relative = Some(digest(&elsewhere.to_bytes()?));
        }
        Ok(pack)
    }

    /// As it stands in the journal, or why it cannot.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        let records = self.written(Format::Cbor, &Selection::All).map_err(unwritable)?;
        let Some(xml) = &self.foreign else { return Ok(records) };
        let mut out = Vec::with_capacity(records.len() + xml.len() + 5);
        out.push(FOREIGN);
        out.extend_from_slice(&(records.len() as u32).to_be_bytes());
        out.extend_from_slice(&records);
        out.extend_from_slice(xml);
        Ok(out)
    }

    /// Refuses a record that no stanza carries. `bytes` is how many [`Self::to_bytes`] wrote: no record has more text
    /// than that.
    pub fn check_size(&self, bytes: usize) -> Result<(), Refusal> {
        // What is no SenML was measured where it was read.
        if self.is_foreign() || record_size::always_fits(bytes) {
            return Ok(());
        }
        match record_size::first_too_large(&self.resolved) {
            Some(record) => Err(Refusal::RecordTooLarge { record, limit: CONTENT_MAX }),
            None => Ok(()),
        }
    }

    /// Some of the records as they stand in the journal.
    pub fn bytes_of(&self, records: &Selection) -> Result<Vec<u8>, Refusal> {
        self.written(Format::Cbor, records).map_err(unwritable)
    }

    /// What is the same for the same content alone, in whatever shape it comes. `bytes` are what [`Self::to_bytes`]
    /// wrote.
    pub fn content<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.relative.as_ref().map_or(bytes, |digest| &digest[..])
    }

    fn written(&self, format: Format, selection: &Selection) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::with_capacity(80 + self.len() * if format == Format::Cbor { 14 } else { 40 });
        write(format, Profile::Standard, self.select(selection), &mut out)?;
        Ok(out)
    }

    /// Back from the journal.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Some((&FOREIGN, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (records, xml) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            let pack = Self::from_bytes(records)?;
            return Some(Pack { foreign: Some(xml.into()), relative: Some(digest(xml)), ..pack });
        }
        let limits = Limits { bytes: usize::MAX, records: usize::MAX, ..Limits::default() };
        // Written times are absolute, so `now` counts for nothing.
        let resolved = read(Format::Cbor, bytes, 0.0, &Options { limits, ..Options::default() }).ok()?;
        Some(Pack { resolved, relative: None, foreign: None })
    }

    fn select<'a>(&'a self, selection: &'a Selection) -> crate::senml::Selection<'a> {
        match selection {
            Selection::All => self.resolved.all(),
            Selection::Some(records) => self.resolved.select(records),
        }
    }

    /// Writes a selection as `<sensml/>` elements of at most `most` bytes each, as far as records can be
    /// parted.
    pub fn write_parts(&self, selection: &Selection, most: usize) -> Vec<Vec<u8>> {
        // That it can be written was seen to when it was taken in.
        self.write_parts_as(selection, most, &|records, out| {
            write(Format::Xml, Profile::Standard, records, out).map(|_| ())
        })
    }

    /// The same in another shape.
    pub fn write_parts_as(&self, selection: &Selection, most: usize, shape: &Shape<'_>) -> Vec<Vec<u8>> {
        if let Some(xml) = &self.foreign {
            return vec![xml.to_vec()];
        }
        let mut whole = Vec::with_capacity(80 + self.len() * 40);
        if shape(self.select(selection), &mut whole).is_err() {
            return Vec::new();
        }
        if whole.len() <= most {
            return vec![whole];
        }
        let records: Vec<u32> = match selection {
            Selection::All => (0..self.len() as u32).collect(),
            Selection::Some(records) => records.clone(),
        };
        if records.len() < 2 {
            return vec![whole];
        }
        let (front, back) = records.split_at(records.len() / 2);
        let mut parts = self.write_parts_as(&Selection::Some(front.to_vec()), most, shape);
        parts.extend(self.write_parts_as(&Selection::Some(back.to_vec()), most, shape));
        parts
    }

    /// One pack for each series in it, with the series' name.
    pub fn by_series(self) -> Result<Vec<(Arc<str>, Pack)>, Refusal> {
        if self.series_count() == 1 {
            let name = Arc::clone(&self.resolved.names()[0]);
            return Ok(vec![(name, self)]);
        }
        let mut parts = Vec::with_capacity(self.series_count());
        for (place, name) in self.resolved.names().iter().enumerate() {
            let records = Selection::Some(self.records_of(place).collect());
            let bytes = self.written(Format::Cbor, &records).map_err(unwritable)?;
            parts.extend(Pack::from_bytes(&bytes).map(|mut pack| {
                pack.relative = self.relative;
                (Arc::clone(name), pack)
            }));
        }
        Ok(parts)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.resolved.len()
    }

    /// Whether there are none: a pack of base fields alone is valid (RFC 8428 §5.1.7).
    pub fn is_empty(&self) -> bool {
        self.resolved.is_empty()
    }

    /// How many series.
    pub fn series_count(&self) -> usize {
        self.resolved.names().len()
    }

    /// The names of the series, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.resolved.names().iter().map(|name| &**name)
    }

    /// Which of [`Self::names`] the record belongs to.
    pub fn name_of(&self, record: usize) -> usize {
        self.resolved.get(record).map_or(0, |record| record.name_id())
    }

    /// The numbers of one of [`Self::names`], rising in time.
    pub fn samples_of(&self, place: usize) -> impl Iterator<Item = Sample<'_>> + Clone {
        let of_it = self.resolved.iter().filter(move |r| r.name_id() == place);
        of_it.filter_map(|r| Some(Sample { at: measured_at(r.time()), value: r.number()?, unit: r.unit() }))
    }

    /// The record's time, seconds since 1970.
    pub fn time(&self, record: usize) -> f64 {
        self.resolved.get(record).map_or(0.0, |record| record.time())
    }

    /// The records of one of [`Self::names`], rising.
    pub fn records_of(&self, place: usize) -> impl Iterator<Item = u32> + Clone {
        self.resolved.iter().enumerate().filter(move |(_, r)| r.name_id() == place).map(|(i, _)| i as u32)
    }

    /// The places of the records of a selection, rising.
    pub fn records(&self, selection: &Selection) -> Vec<u32> {
        match selection {
            Selection::All => (0..self.len() as u32).collect(),
            Selection::Some(records) => records.clone(),
        }
    }

    /// Where the first record of that name stood in the pack as it was written, from 0.
    pub fn first_record_of(&self, place: usize) -> usize {
        self.resolved.iter().filter(|r| r.name_id() == place).map(|r| r.position()).min().unwrap_or(0)
    }

    /// About how much memory it takes, in bytes.
    pub fn footprint(&self) -> usize {
        200 + self.len() * 72 + self.resolved.names().iter().map(|name| name.len() + 40).sum::<usize>()
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn unwritable(why: Unwritable) -> Refusal {
    Refusal::Invalid(Box::new(Invalid::pack(Reason::NumberRange, why.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensml(records: &str) -> Payload<'static> {
        Payload::Sensml(
            format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>").into_bytes().into(),
        )
    }

    fn read(records: &str) -> Pack {
        Pack::read(&sensml(records), 1.7e9, 1000).unwrap()
    }

    #[test]
    fn a_pack_survives_the_journal() {
        let pack = read(
            "<senml bn='urn:a' bt='1763679600' bu='W' v='342'/><senml t='1800' v='311.5'/>\
             <senml n='/b' t='60' vs='on &amp; off'/>",
        );
        assert_eq!(Pack::from_bytes(&pack.to_bytes().unwrap()).unwrap(), pack);
        assert_eq!(pack.names().collect::<Vec<_>>(), ["urn:a", "urn:a/b"]);
        assert_eq!(pack.records_of(1).collect::<Vec<_>>(), [1], "in order of time");
        assert_eq!(pack.first_record_of(1), 2, "in order of the pack");
        assert!(Pack::from_bytes(b"nonsense").is_none());
    }

    #[test]
    fn the_same_content_is_known_in_whatever_shape() {
        let digest = |payload: Payload<'_>, now| {
            let pack = Pack::read(&payload, now, 10).unwrap();
            pack.content(&pack.to_bytes().unwrap()).to_vec()
        };
        let absolute = "<senml n='a' t='1763679600' v='1.50'/>";
        let json = || Payload::Json(r#"[ {"bn":"a","bt":1763679600,"v":1.5} ]"#.into());
        assert_eq!(digest(sensml(absolute), 1.7e9), digest(json(), 1.8e9));
        let relative = "<senml n='a' t='-5' v='1'/>";
        assert_eq!(digest(sensml(relative), 1.7e9), digest(sensml(relative), 1.8e9));
        assert_ne!(digest(sensml(relative), 1.7e9), digest(sensml("<senml n='a' t='-6' v='1'/>"), 1.7e9));
        assert_ne!(digest(sensml(absolute), 1.7e9), digest(sensml(relative), 1.7e9));
    }

    #[test]
    fn series_are_parted() {
        let pack = read("<senml n='a' bt='1.7e9' v='1'/><senml n='b' v='2'/><senml n='a' t='1' v='3'/>");
        let parts = pack.by_series().unwrap();
        assert_eq!(parts.iter().map(|(n, p)| (&**n, p.len())).collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    }

    #[test]
    fn large_packs_are_written_in_parts() {
        let records: String = (0..900).map(|i| format!("<senml t='{i}' v='{i}.25'/>")).collect();
        let pack = read(&format!("<senml bn='urn:a' bt='1763679600' v='0'/>{records}"));
        let parts = pack.write_parts(&Selection::All, 5000);
        assert!(parts.len() > 4 && parts.iter().all(|part| part.len() <= 5000));
        let again: usize = parts
            .into_iter()
            .map(|part| Pack::read(&Payload::Sensml(part.into()), 0.0, 1000).unwrap().len())
            .sum();
        assert_eq!(again, pack.len());
    }

    #[test]
    fn what_cannot_be_delivered_is_refused() {
        let json = Payload::Json(r#"[{"n":"a","t":1.7e9,"vs":"\u0000"}]"#.into());
        assert!(matches!(Pack::read(&json, 1.7e9, 10), Err(Refusal::Invalid(_))));
        let many = sensml(&"<senml n='a' v='1'/>".repeat(11));
        assert_eq!(Pack::read(&many, 1.7e9, 10), Err(Refusal::TooManyRecords { limit: 10 }));
    }
}
