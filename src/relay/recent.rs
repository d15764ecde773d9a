//! The last items of each node, so that the same item published again is known again.

use std::num::NonZeroU64;

use super::intake::hash;
use super::rows::{Numbered, Rows};

/// The last items of each node, as hashes: a gateway that lost an acknowledgement repeats what it sent last.
#[derive(Debug, Default)]
pub struct Recent {
    nodes: Rows<Node>,
}

/// What is remembered of a node. There may be hundreds of thousands, so it takes little room.
#[derive(Debug)]
struct Node {
    /// A hash of its name.
    name: NonZeroU64,
    /// The last two items.
    last: [Item; 2],
    /// Those before, where there are any.
    before: Option<Box<[Item; Recent::KEPT - 2]>>,
}

impl Numbered for Node {
    fn number(&self) -> u64 {
        self.name.get()
    }
}

/// 16 bits of a hash of its id, 48 of one of id and content; none is 0. Where two ids are taken for one, the earlier
/// item is forgotten sooner, so that it would be forwarded again. The same content under another id is another item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Item(u64);

impl Item {
    fn of(id: &str, digest: u64) -> Self {
        let id = hash(id.as_bytes());
        let both = hash((u128::from(id) << 64 | u128::from(digest)).to_le_bytes().as_slice());
        Item(id & !(u64::MAX >> 16) | (both & (u64::MAX >> 16)).max(1))
    }

    fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether it was published under the same id.
    fn is_of(self, other: Item) -> bool {
        !self.is_none() && (self.0 ^ other.0) >> 48 == 0
    }
}

impl Node {
    /// The last one first.
    fn items(&self) -> [Item; Recent::KEPT] {
        let mut items = [Item::default(); Recent::KEPT];
        let (last, before) = items.split_at_mut(2);
        last.copy_from_slice(&self.last);
        if let Some(held) = &self.before {
            before.copy_from_slice(&**held);
        }
        items
    }

    fn set(&mut self, items: [Item; Recent::KEPT]) {
        let [first, second, before @ ..] = items;
        self.last = [first, second];
        match &mut self.before {
            Some(held) => **held = before,
            None if before[0].is_none() => {}
            None => self.before = Some(Box::new(before)),
        }
    }
}

impl Recent {
    /// How many items of a node are remembered.
    pub const KEPT: usize = 8;

    /// Whether this very content was published under this id before.
    pub fn knows(&self, node: &str, item: &str, digest: u64) -> bool {
        let item = Item::of(item, digest);
        self.nodes.get(name(node).get()).is_some_and(|node| node.items().contains(&item))
    }

    /// Remembers an item; what was known of the same id is replaced.
    pub fn note(&mut self, node: &str, item: &str, digest: u64) {
        let (name, item) = (name(node), Item::of(item, digest));
        let Some(node) = self.nodes.get_mut(name.get()) else {
            self.nodes.insert(Node { name, last: [item, Item::default()], before: None });
            return;
        };
        let mut items = node.items();
        let place = items.iter().position(|held| held.is_of(item)).unwrap_or(Self::KEPT - 1);
        items[..=place].rotate_right(1);
        items[0] = item;
        node.set(items);
    }

    /// Forgets all items of a node.
    pub fn forget_all(&mut self, node: &str) {
        self.nodes.remove(name(node).get());
    }

    /// Forgets an item, because it was not kept after all.
    pub fn forget(&mut self, node: &str, item: &str) {
        let item = Item::of(item, 0);
        if let Some(node) = self.nodes.get_mut(name(node).get()) {
            let mut items = node.items();
            if let Some(place) = items.iter().position(|held| held.is_of(item)) {
                items[place..].rotate_left(1);
                items[Self::KEPT - 1] = Item::default();
                node.set(items);
            }
        }
    }
}

fn name(node: &str) -> NonZeroU64 {
    NonZeroU64::new(hash(node.as_bytes())).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_items_are_known_until_others_came() {
        let mut recent = Recent::default();
        recent.note("n", "1", 11);
        assert!(recent.knows("n", "1", 11));
        assert!(!recent.knows("n", "1", 12) && !recent.knows("m", "1", 11));
        recent.note("n", "1", 12);
        assert!(recent.knows("n", "1", 12) && !recent.knows("n", "1", 11));
        for item in 2..9 {
            recent.note("n", &item.to_string(), 5);
        }
        assert!(recent.knows("n", "1", 12));
        recent.note("n", "9", 5);
        assert!(!recent.knows("n", "1", 12));
        recent.forget("n", "9");
        assert!(!recent.knows("n", "9", 5));
        assert!((2..9).all(|item| recent.knows("n", &item.to_string(), 5)), "the others stay");
        recent.note("n", "1", 12);
        assert!((2..9).all(|item| recent.knows("n", &item.to_string(), 5)), "there was room for one");
        recent.forget_all("n");
        assert!((1..9).all(|item| !recent.knows("n", &item.to_string(), 5)));
    }

    #[test]
    fn the_same_content_under_other_ids_is_other_items() {
        let mut recent = Recent::default();
        // A meter that stands still says the same every time.
        for item in 0..200_000 {
            let item = item.to_string();
            assert!(!recent.knows("n", &item, 5), "{item}");
            recent.note("n", &item, 5);
        }
    }

    #[test]
    fn what_is_repeated_moves_to_the_front() {
        let mut recent = Recent::default();
        for item in 0..8 {
            recent.note("n", &item.to_string(), 5);
        }
        recent.note("n", "0", 5);
        recent.note("n", "8", 5);
        assert!(recent.knows("n", "0", 5) && !recent.knows("n", "1", 5));
        assert!(size_of::<Option<Node>>() <= 32, "{}", size_of::<Option<Node>>());
    }
}
