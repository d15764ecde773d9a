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
    strings: Vec<Arc<str>>,
    last: u32,
    /// What a pack of one series, read alone, does without.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    /// Which string came after this one the last time: in a pack of many series, the next one too. Filled from
    /// the second string on, as is the index from the [`FEW`]th.
    follower: Vec<u32>,
    index: Option<HashMap<Arc<str>, u32>>,
    /// The strings of an earlier pack, at their places: the next pack of the same sender has the same.
    earlier: Vec<Arc<str>>,
}

impl Interner {
    /// The number of this string, if it is known.
    #[inline]
    pub(super) fn find(&mut self, text: &str) -> Option<u32> {
        let Some(more) = &self.more else {
            let found = self.strings.iter().position(|known| **known == *text)?;
            self.last = found as u32;
            return Some(found as u32);
        };
        if let Some(guess) = more.follower.get(self.last as usize).copied()
            && self.strings.get(guess as usize).is_some_and(|known| **known == *text)
        {
            self.last = guess;
            return Some(guess);
        }
        let found = match &more.index {
            None => self.strings.iter().position(|known| **known == *text).map(|at| at as u32),
            Some(index) => index.get(text).copied(),
        }?;
        self.step(found);
        Some(found)
    }

    /// Adds a string that [`Self::find`] did not find.
    pub(super) fn add(&mut self, text: &str) -> u32 {
        let added = self.strings.len() as u32;
        let earlier = self.more.as_ref().and_then(|more| more.earlier.get(added as usize));
        let text: Arc<str> = match earlier {
            Some(earlier) if **earlier == *text => earlier.clone(),
            _ => text.into(),
        };
        if self.strings.is_empty() {
            self.strings.reserve_exact(1);
        }
        self.strings.push(text.clone());
        if added > 0 {
            let more = self.more.get_or_insert_default();
            more.follower.resize(self.strings.len(), added);
            match &mut more.index {
                Some(index) => {
                    index.insert(text, added);
                }
                None if self.strings.len() > FEW => {
                    more.index = Some(self.strings.iter().cloned().zip(0..).collect());
                }
                None => {}
            }
        }
        self.step(added);
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

    fn step(&mut self, to: u32) {
        if let Some(more) = &mut self.more
            && let Some(follower) = more.follower.get_mut(self.last as usize)
        {
            *follower = to;
        }
        self.last = to;
    }

    /// The string of this number; empty for one that was never given out.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &str {
        self.strings.get(number as usize).map_or("", |text| text)
    }

    /// Empties the table for another pack.
    pub(super) fn recycle(&mut self) {
        self.last = 0;
        if self.strings.is_empty() && self.more.is_none() {
            return;
        }
        let more = self.more.get_or_insert_default();
        std::mem::swap(&mut self.strings, &mut more.earlier);
        self.strings.clear();
        more.follower.clear();
        more.index = None;
    }

    /// All of them, each at its number.
    pub(super) fn strings(&self) -> &[Arc<str>] {
        &self.strings
    }
}
