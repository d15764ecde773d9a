//! Strings kept once: names and units repeat from record to record, mostly in the same order.

use std::collections::HashMap;
use std::sync::Arc;

/// No string.
pub(super) const NONE: u32 = u32::MAX;

/// How many strings are looked through before a hash table pays.
const FEW: usize = 8;

/// A table of distinct strings, each with a small number.
#[derive(Clone, Debug, Default)]
pub(super) struct Interner {
    /// The only string, while there is no more: a pack of one series, read alone, needs no table.
    only: Option<Arc<str>>,
    last: u32,
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    strings: Vec<Arc<str>>,
    /// From the [`FEW`]th string on.
    index: Option<HashMap<Arc<str>, u32>>,
    /// The strings of an earlier pack, at their places: the next pack of the same sender has the same.
    earlier: Vec<Arc<str>>,
}

impl Interner {
    /// The number of this string, if it is known.
    #[inline]
    pub(super) fn find(&mut self, text: &str) -> Option<u32> {
        if self.more.is_some() {
            return self.find_among_more(text);
        }
        self.only.as_deref().is_some_and(|only| only == text).then_some(0)
    }

    fn find_among_more(&mut self, text: &str) -> Option<u32> {
        let more = self.more.as_ref()?;
        // Of many series, each has its turn.
        let next = if self.last as usize + 1 < more.strings.len() { self.last + 1 } else { 0 };
        if more.strings.get(next as usize).is_some_and(|known| **known == *text) {
            self.last = next;
            return Some(next);
        }
        let found = match &more.index {
            None => more.strings.iter().position(|known| **known == *text).map(|at| at as u32),
            Some(index) => index.get(text).copied(),
        }?;
        self.last = found;
        Some(found)
    }

    /// Adds a string that [`Self::find`] did not find.
    #[inline]
    pub(super) fn add(&mut self, text: &str) -> u32 {
        if self.more.is_some() || self.only.is_some() {
            return self.add_more(text);
        }
        self.only = Some(text.into());
        0
    }

    fn add_more(&mut self, text: &str) -> u32 {
        let only = self.only.take();
        let more = self.more.get_or_insert_default();
        more.strings.extend(only);
        let added = more.strings.len() as u32;
        let text: Arc<str> = match more.earlier.get(added as usize) {
            Some(earlier) if **earlier == *text => earlier.clone(),
            _ => text.into(),
        };
        if let Some(index) = &mut more.index {
            index.insert(text.clone(), added);
        }
        more.strings.push(text);
        if more.index.is_none() && more.strings.len() > FEW {
            more.index = Some(more.strings.iter().cloned().zip(0..).collect());
        }
        self.last = added;
        added
    }

    /// The number of this string, known or new.
    #[inline]
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        match self.find(text) {
            Some(known) => known,
            None => self.add(text),
        }
    }

    /// The string of this number; empty for one that was never given out.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &str {
        self.strings().get(number as usize).map_or("", |text| text)
    }

    /// Empties the table for another pack.
    pub(super) fn recycle(&mut self) {
        self.last = 0;
        if self.only.is_none() && self.more.is_none() {
            return;
        }
        let only = self.only.take();
        let more = self.more.get_or_insert_default();
        std::mem::swap(&mut more.strings, &mut more.earlier);
        more.earlier.extend(only);
        more.strings.clear();
        more.index = None;
    }

    /// All of them, each at its number.
    #[inline]
    pub(super) fn strings(&self) -> &[Arc<str>] {
        match &self.more {
            Some(more) => &more.strings,
            None => self.only.as_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_have_one_number_in_any_order() {
        let mut table = Interner::default();
        let mut dice: u32 = 3;
        for round in 0..3 {
            let mut known: Vec<String> = Vec::new();
            for _ in 0..400 {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let text = format!("urn:{}", (dice >> 16) % (round * 20 + 1));
                let place = known.iter().position(|other| *other == text);
                assert_eq!(table.find(&text), place.map(|place| place as u32));
                let number = table.intern(&text);
                assert_eq!(number as usize, place.unwrap_or(known.len()));
                if place.is_none() {
                    known.push(text);
                }
                assert!(table.strings().iter().map(|text| &**text).eq(known.iter().map(String::as_str)));
            }
            assert_eq!(table.get(known.len() as u32), "");
            table.recycle();
            assert!(table.strings().is_empty());
        }
    }
}
