//! The last items of each node, so that the same item published again is known again.

use rustc_hash::FxHashMap;

use super::intake::hash;

/// The last items of each node, as hashes: a gateway that lost an acknowledgement repeats what it sent last.
///
/// Nodes are many, so each takes little: an item is half a hash of its id and a hash of its content.
#[derive(Debug, Default)]
pub struct Recent {
    nodes: FxHashMap<u64, Vec<[u32; 3]>>,
}

impl Recent {
    /// How many items of a node are remembered.
    pub const KEPT: usize = 8;

    /// Whether this very content was published under this id before.
    pub fn knows(&self, node: &str, item: &str, digest: u64) -> bool {
        let entry = entry(item, digest);
        self.nodes.get(&hash(node.as_bytes())).is_some_and(|kept| kept.contains(&entry))
    }

    /// Remembers an item; what was known of the same id is replaced.
    pub fn note(&mut self, node: &str, item: &str, digest: u64) {
        let entry = entry(item, digest);
        let kept = self.nodes.entry(hash(node.as_bytes())).or_default();
        match kept.iter().position(|held| held[0] == entry[0]) {
            Some(place) => kept[..=place].rotate_right(1),
            None if kept.len() < Self::KEPT => {
                kept.reserve_exact(1);
                kept.insert(0, entry);
            }
            None => kept.rotate_right(1),
        }
        kept[0] = entry;
    }

    /// Forgets all items of a node.
    pub fn forget_all(&mut self, node: &str) {
        self.nodes.remove(&hash(node.as_bytes()));
    }

    /// Forgets an item, because it was not kept after all.
    pub fn forget(&mut self, node: &str, item: &str) {
        let [id, ..] = entry(item, 0);
        if let Some(kept) = self.nodes.get_mut(&hash(node.as_bytes())) {
            kept.retain(|held| held[0] != id);
        }
    }
}

fn entry(item: &str, digest: u64) -> [u32; 3] {
    [hash(item.as_bytes()) as u32, (digest >> 32) as u32, digest as u32]
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
    }
}
