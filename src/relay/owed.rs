//! Who is owed what of an item, as it stands beside it in the journal: a few bytes each.

use super::notice::Addressee;
use super::rows::NOWHERE;
use crate::domain::consent::ConsentKey;
use crate::domain::subscription::SubscriptionKey;

/// More records than any item ever holds: a damaged row must not cost memory.
const RECORDS_MAX: u32 = 1 << 24;

/// In place of a consent: one with a granularity follows, and its token.
const REDUCED: u64 = u64::MAX - 2;

/// Why something may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basis {
    /// A consent, checked again at the moment of sending.
    Consent(ConsentKey),
    /// The person's own series.
    Own,
    /// Open data.
    Open,
    /// The recipient is on the list of the node.
    Listed,
    /// A consent with a granularity: what is owed is reduced already.
    Reduced {
        /// Which.
        consent: ConsentKey,
        /// As which it stood then (see [`super::grant::Coarse`]).
        token: u64,
    },
}

/// Which records of the item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selection {
    /// All of them.
    All,
    /// These, by their place in the resolved pack, rising.
    Some(Vec<u32>),
}

/// Where in memory subscription and consent lay when it was decided: there they are looked for first. It says nothing
/// of what is owed, so that all are equal.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    pub(super) subscription: u32,
    pub(super) consent: u32,
}

impl Default for Near {
    /// Nowhere that is known.
    fn default() -> Self {
        Near { subscription: NOWHERE, consent: NOWHERE }
    }
}

impl PartialEq for Near {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Near {}

/// One thing owed: to this subscription, for this reason, these records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// To whom.
    pub subscription: SubscriptionKey,
    /// Why.
    pub basis: Basis,
    /// What.
    pub records: Selection,
    /// Only what nothing before it in the list lets leave any more at the moment of sending: this consent
    /// stood beside that one when the item was taken in.
    pub in_reserve: bool,
    /// Where to look first for what is named here.
    pub near: Near,
}

impl Owed {
    /// The consent that it rests on.
    pub fn consent(&self) -> Option<ConsentKey> {
        match self.basis {
            Basis::Consent(key) | Basis::Reduced { consent: key, .. } => Some(key),
            Basis::Own | Basis::Open | Basis::Listed => None,
        }
    }

    /// About how much memory it takes, in bytes.
    pub fn footprint(&self) -> usize {
        let records = match &self.records {
            Selection::All => 0,
            Selection::Some(records) => size_of_val(records.as_slice()),
        };
        size_of::<Self>() + records
    }
}

/// In place of a basis: the next one is in reserve.
const RESERVE: u64 = u64::MAX - 1;

/// Writes the list. Numbers are LEB128; records are (gap, length) runs, no runs meaning all.
pub fn encode(list: &[Owed]) -> Vec<u8> {
    let mut out = Vec::with_capacity(list.len() * 6);
    for owed in list {
        put(&mut out, owed.subscription.0);
        if owed.in_reserve {
            put(&mut out, RESERVE);
        }
        match owed.basis {
            Basis::Own => put(&mut out, 0),
            Basis::Open => put(&mut out, 1),
            // Consents never get so far, nor to RESERVE or REDUCED.
            Basis::Listed => put(&mut out, u64::MAX),
            Basis::Reduced { consent, token } => {
                put(&mut out, REDUCED);
                put(&mut out, consent.0);
                put(&mut out, token);
            }
            Basis::Consent(key) => put(&mut out, key.0 + 1),
        }
        match &owed.records {
            Selection::All => put(&mut out, 0),
            Selection::Some(records) => put_records(&mut out, records),
        }
    }
    out
}

/// Writes some records, the same bytes for the same ones.
pub fn encode_records(records: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    put_records(&mut out, records);
    out
}

fn put_records(out: &mut Vec<u8>, records: &[u32]) {
    let runs = runs(records);
    put(out, runs.len() as u64);
    let mut end = 0;
    for (start, length) in runs {
        put(out, u64::from(start - end));
        put(out, u64::from(length));
        end = start + length;
    }
}

/// Reads the list back; `None` if the bytes are not what [`encode`] writes.
///
/// Of a notice, nothing is owed to any subscription ([`super::notice::Addressee`]).
pub fn decode(mut bytes: &[u8]) -> Option<Vec<Owed>> {
    let mut list = Vec::new();
    if Addressee::is_one(bytes) {
        return Some(list);
    }
    while !bytes.is_empty() {
        let subscription = SubscriptionKey(take(&mut bytes)?);
        let mut basis = take(&mut bytes)?;
        let in_reserve = basis == RESERVE;
        if in_reserve {
            basis = take(&mut bytes)?;
        }
        let basis = match basis {
            0 => Basis::Own,
            1 => Basis::Open,
            u64::MAX => Basis::Listed,
            REDUCED => Basis::Reduced { consent: ConsentKey(take(&mut bytes)?), token: take(&mut bytes)? },
            key => Basis::Consent(ConsentKey(key - 1)),
        };
        let count = take(&mut bytes)?;
        let mut records = Vec::new();
        let mut end = 0u32;
        for _ in 0..count {
            let start = end.checked_add(u32::try_from(take(&mut bytes)?).ok()?)?;
            end = start.checked_add(u32::try_from(take(&mut bytes)?).ok()?)?;
            if end > RECORDS_MAX {
                return None;
            }
            records.extend(start..end);
        }
        let records = if count == 0 { Selection::All } else { Selection::Some(records) };
        list.push(Owed { subscription, basis, records, in_reserve, near: Near::default() });
    }
    Some(list)
}

fn runs(records: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &record in records {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == record => *length += 1,
            _ => runs.push((record, 1)),
        }
    }
    runs
}

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        // Consent keys start at 1 (the store counts from there), so 0 and 1 are free for the others.
        let list = vec![
            Owed {
                subscription: SubscriptionKey(1),
                basis: Basis::Own,
                records: Selection::All,
                in_reserve: false,
                near: Near::default(),
            },
            Owed {
                subscription: SubscriptionKey(1_000_000),
                basis: Basis::Consent(ConsentKey(1)),
                records: Selection::Some(vec![0, 1, 2, 7, 9, 10]),
                in_reserve: true,
                near: Near { subscription: 3, consent: 4 },
            },
            Owed {
                subscription: SubscriptionKey(300),
                basis: Basis::Open,
                records: Selection::Some(vec![5]),
                in_reserve: false,
                near: Near::default(),
            },
            Owed {
                subscription: SubscriptionKey(u64::MAX),
                basis: Basis::Consent(ConsentKey(u64::MAX - 4)),
                records: Selection::All,
                in_reserve: false,
                near: Near::default(),
            },
            Owed {
                subscription: SubscriptionKey(7),
                basis: Basis::Reduced { consent: ConsentKey(9), token: u64::MAX },
                records: Selection::All,
                in_reserve: false,
                near: Near::default(),
            },
        ];
        let bytes = encode(&list);
        assert_eq!(decode(&bytes).unwrap(), list);
        assert_eq!(encode(&list[..1]).len(), 3);
        for cut in 1..bytes.len() {
            let _ = decode(&bytes[..cut]);
        }
        assert_eq!(decode(&[0x80; 20]), None);
        assert_eq!(decode(&[]), Some(vec![]));
    }
}
