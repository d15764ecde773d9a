//! A list of places that is nearly always short: nothing or one beside each other, more in a list of their own.

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Few {
    /// Nothing.
    #[default]
    None,
    /// One.
    One(u32),
    /// More.
    #[expect(clippy::box_collection, reason = "a list beside the others would make all of them larger")]
    Many(Box<Vec<u32>>),
}

impl Few {
    /// What is in it, in the order in which it came.
    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Few::None => &[],
            Few::One(only) => std::slice::from_ref(only),
            Few::Many(list) => list,
        }
    }

    /// Adds one at the end.
    pub(super) fn push(&mut self, place: u32) {
        match self {
            Few::None => *self = Few::One(place),
            Few::One(only) => *self = Few::Many(Box::new(vec![*only, place])),
            Few::Many(list) => {
                if list.len() == list.capacity() {
                    // There may be very many such lists, and few of them grow for long.
                    list.reserve_exact(list.len() / 4 + 2);
                }
                list.push(place);
            }
        }
    }

    /// Takes out what is equal.
    pub(super) fn remove(&mut self, place: u32) {
        match self {
            Few::None => {}
            Few::One(only) if *only == place => *self = Few::None,
            Few::One(_) => {}
            Few::Many(list) => {
                list.retain(|held| *held != place);
                match list.as_slice() {
                    [] => *self = Few::None,
                    &[only] => *self = Few::One(only),
                    _ => {}
                }
            }
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Few::None)
    }
}

impl FromIterator<u32> for Few {
    fn from_iter<I: IntoIterator<Item = u32>>(places: I) -> Self {
        let mut few = Few::None;
        places.into_iter().for_each(|place| few.push(place));
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_shrinks_in_order() {
        let mut few = Few::default();
        assert!(few.is_empty());
        for place in 0..20 {
            few.push(place);
            assert_eq!(few.as_slice(), (0..=place).collect::<Vec<_>>());
        }
        few.remove(7);
        few.remove(99);
        assert_eq!(few.as_slice().len(), 19);
        (0..19).for_each(|place| few.remove(place));
        assert_eq!(few, Few::One(19));
        few.remove(1);
        few.remove(19);
        assert_eq!(few, Few::None);
        assert_eq!([3, 4].into_iter().collect::<Few>().as_slice(), [3, 4]);
    }
}
