//! The name of a record while it is put together: base name and name, one after the other (RFC 8428 §4.5.1).

use arrayvec::ArrayString;

/// Nearly all names fit in place, so that reading a small pack takes no room for them.
const PLACE: usize = 128;

/// A base name and a name. Both stay until they are replaced, so a record that repeats them costs a look.
#[derive(Debug, Default)]
pub(super) struct Joined {
    place: ArrayString<PLACE>,
    /// Instead, for names that are longer.
    heap: String,
    is_long: bool,
    /// Where the base name ends.
    base: usize,
}

impl Joined {
    /// Base name and name.
    #[inline]
    pub(super) fn whole(&self) -> &str {
        if self.is_long { &self.heap } else { &self.place }
    }

    /// Replaces the base name. Gives whether that changes anything.
    #[inline]
    pub(super) fn set_base(&mut self, base: &str) -> bool {
        if self.whole().is_empty() {
            self.append(base);
        } else if self.whole().get(..self.base) == Some(base) {
            return false;
        } else {
            // The name came before its base name, or is that of the record before.
            let name = self.whole().get(self.base..).unwrap_or_default().to_owned();
            self.clear();
            self.append(base);
            self.append(&name);
        }
        self.base = base.len();
        true
    }

    /// Replaces the name. Gives whether that changes anything.
    #[inline]
    pub(super) fn set_name(&mut self, name: &str) -> bool {
        if self.whole().get(self.base..) == Some(name) {
            return false;
        }
        if self.is_long {
            self.heap.truncate(self.base)
        } else {
            self.place.truncate(self.base)
        }
        self.append(name);
        true
    }

    fn clear(&mut self) {
        self.place.clear();
        self.heap.clear();
        self.is_long = false;
    }

    #[inline]
    fn append(&mut self, text: &str) {
        if self.is_long || self.place.try_push_str(text).is_err() {
            self.append_to_heap(text);
        }
    }

    #[cold]
    fn append_to_heap(&mut self, text: &str) {
        if !self.is_long {
            self.heap.push_str(&self.place);
            self.is_long = true;
        }
        self.heap.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_name_and_name_in_any_order_and_length() {
        let texts =
            [0, 1, 5, 60, 64, 127, 128, 129, 200].map(|length| "abcdefg"[length % 7..][..1].repeat(length));
        let mut joined = Joined::default();
        let (mut base, mut name) = ("", "");
        let mut dice: u32 = 1;
        for _ in 0..20_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let text = texts[(dice >> 20) as usize % texts.len()].as_str();
            if dice >> 31 == 0 {
                assert!(joined.set_base(text) || base == text);
                base = text;
            } else {
                assert_eq!(joined.set_name(text), name != text);
                name = text;
            }
            assert_eq!(joined.whole(), [base, name].concat());
        }
    }
}
