//! Two lists of places, of consents and of subscriptions, that are nearly always short: nothing or one lies beside
//! each other, more in lists of their own.

/// What no place is: memory ends long before the numbers.
const NONE: u32 = u32::MAX;

/// Which of the two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Consents.
    Consent,
    /// Subscriptions.
    Subscription,
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Few {
    /// The only one of each sort, or [`NONE`]; not meant where there are more.
    only: [u32; 2],
    /// All of each sort, where one of them has two.
    more: Option<Box<[Vec<u32>; 2]>>,
}

impl Default for Few {
    fn default() -> Self {
        Few { only: [NONE; 2], more: None }
    }
}

impl Few {
    /// What is in a list, in the order in which it came.
    pub(super) fn list(&self, sort: Sort) -> &[u32] {
        match (&self.more, &self.only[sort as usize]) {
            (Some(lists), _) => &lists[sort as usize],
            (None, &NONE) => &[],
            (None, only) => std::slice::from_ref(only),
        }
    }

    /// Adds one at the end.
    pub(super) fn push(&mut self, sort: Sort, place: u32) {
        let only = &mut self.only[sort as usize];
        if self.more.is_none() && *only == NONE {
            *only = place;
            return;
        }
        let lists = match &mut self.more {
            Some(lists) => lists,
            more => {
                more.insert(Box::new(self.only.map(|only| Vec::from_iter((only != NONE).then_some(only)))))
            }
        };
        let list = &mut lists[sort as usize];
        if list.len() == list.capacity() {
            // There may be very many such lists, and few of them grow for long.
            list.reserve_exact(list.len() / 4 + 1);
        }
        list.push(place);
    }

    /// Takes out what is equal.
    pub(super) fn remove(&mut self, sort: Sort, place: u32) {
        let Some(lists) = &mut self.more else {
            let only = &mut self.only[sort as usize];
            if *only == place {
                *only = NONE;
            }
            return;
        };
        lists[sort as usize].retain(|held| *held != place);
        if lists.iter().all(|list| list.len() < 2) {
            self.only = [0, 1].map(|at: usize| lists[at].first().copied().unwrap_or(NONE));
            self.more = None;
        }
    }

    /// Whether there is nothing of any sort.
    pub(super) fn is_empty(&self) -> bool {
        self.more.is_none() && self.only == [NONE; 2]
    }
}

#[cfg(test)]
mod tests {
    use super::Sort::{Consent, Subscription};
    use super::*;

    #[test]
    fn lists_grow_and_shrink_in_order() {
        let mut few = Few::default();
        assert!(few.is_empty());
        for place in 0..20 {
            few.push(Consent, place);
            assert_eq!(few.list(Consent), (0..=place).collect::<Vec<_>>());
        }
        few.remove(Consent, 7);
        few.remove(Consent, 99);
        assert_eq!(few.list(Consent).len(), 19);
        (0..19).for_each(|place| few.remove(Consent, place));
        assert_eq!(few, Few { only: [19, NONE], more: None });
        few.remove(Consent, 1);
        few.remove(Consent, 19);
        assert_eq!(few, Few::default());
    }

    #[test]
    fn neither_list_is_in_the_way_of_the_other() {
        let mut few = Few::default();
        few.push(Subscription, 3);
        few.push(Consent, 3);
        assert!(few.more.is_none() && !few.is_empty());
        few.push(Subscription, 4);
        assert_eq!((few.list(Consent), few.list(Subscription)), (&[3][..], &[3, 4][..]));
        few.remove(Consent, 3);
        assert_eq!((few.list(Consent), few.list(Subscription)), (&[][..], &[3, 4][..]));
        few.push(Consent, 5);
        few.push(Consent, 6);
        few.remove(Subscription, 3);
        few.remove(Subscription, 4);
        assert_eq!((few.list(Consent), few.list(Subscription)), (&[5, 6][..], &[][..]));
        few.remove(Consent, 5);
        assert_eq!(few, Few { only: [6, NONE], more: None });
    }
}
