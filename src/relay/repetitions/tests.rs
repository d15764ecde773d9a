//! What is known, for how long, and what makes room.

use super::*;

fn table(most: usize) -> Repetitions {
    Repetitions::new(Key([7; 16]), most)
}

impl Repetitions {
    fn print(&self, node: &str, item: u64, content: u64) -> Fingerprint {
        self.fingerprint(node, &item.to_string(), &content.to_le_bytes())
    }

    fn has(&self, node: &str, item: u64, content: u64) -> bool {
        self.knows(&self.print(node, item, content))
    }

    fn put(&mut self, node: &str, item: u64, content: u64, seq: u64) {
        let print = self.print(node, item, content);
        self.keep(&print, seq);
    }

    fn go_on(&mut self, over: u64, since: Option<Duration>, now: Duration, is_owed: impl Fn(u64) -> bool) {
        self.pass(now, &Delivered { over, free: over, since, questions: usize::MAX }, is_owed);
    }

    /// What lies where is what is counted.
    fn check(&self) {
        let mut count = 0;
        for place in 0..self.nodes.end() {
            let Some(row) = self.nodes.at(place) else { continue };
            let (mut at, mut before, mut items) = (row.first, NOWHERE, 0);
            while let Some(known) = self.items.at(at) {
                assert_eq!((known.before, known.node), (before, place));
                (before, at, items) = (at, known.after, items + 1);
            }
            assert_eq!((row.last, row.count), (before, items));
            assert!(items > 0);
            count += items as usize;
        }
        assert_eq!(count, self.items.len());
        assert_eq!((0..self.items.end()).filter(|at| self.items.at(*at).is_some()).count(), count);
    }
}

#[test]
fn items_are_known_however_many_came_between() {
    let mut table = table(1_000_000);
    for item in 1..=50_000 {
        assert!(!table.has("n", item, 5), "the same content under another id is another item");
        table.put("n", item, 5, item);
    }
    assert!((1..=50_000).all(|item| table.has("n", item, 5)));
    assert!(!table.has("n", 1, 6) && !table.has("m", 1, 5) && !table.has("n", 50_001, 5));
    assert_eq!((table.len(), table.take_forgotten()), (50_000, 0));
    table.check();
}

#[test]
fn the_last_content_counts() {
    let mut table = table(10);
    table.put("n", 1, 1, 1);
    table.put("n", 1, 2, 2);
    assert!(table.has("n", 1, 2) && !table.has("n", 1, 1));
    table.put("n", 1, 1, 3);
    assert!(table.has("n", 1, 1) && !table.has("n", 1, 2));
    assert_eq!(table.len(), 1);
    table.check();
}

#[test]
fn an_item_that_is_tried_again_is_known_while_others_are_owed_its_first_number() {
    let mut table = table(10);
    table.put("n", 1, 1, 1);
    table.renew("n", "1", 2);
    let second = Duration::from_secs(1);
    // Nobody is owed the second row any more; somebody whose server is down is owed the first.
    for passed in 1..1000 {
        let now = second * passed;
        let delivered = Delivered { over: 0, free: 0, since: Some(now), questions: usize::MAX };
        table.pass(now, &delivered, |seq| seq == 1);
    }
    assert!(table.has("n", 1, 1));
    table.go_on(1, Some(second * 1000), second * 1000, |_| false);
    assert!(table.has("n", 1, 1), "the second row is not over yet");
    table.go_on(2, Some(second * 1001), second * 1001, |_| false);
    assert!(!table.has("n", 1, 1));
    table.check();
}

#[test]
fn what_is_not_committed_is_known_until_its_commit_fails() {
    let mut table = table(10);
    table.put("n", 1, 1, 1);
    let (second, third) = (table.print("n", 1, 2), table.print("n", 1, 3));
    table.take_in(&second, 2);
    assert!(table.knows(&second) && !table.has("n", 1, 1), "a correction is under way");
    table.committed(false);
    assert!(!table.knows(&second) && table.has("n", 1, 1), "it came to nothing");
    table.take_in(&second, 3);
    table.take_in(&third, 4);
    table.keep(&second, 3);
    table.committed(true);
    assert!(table.knows(&third) && !table.knows(&second), "a correction of the correction is under way");
    table.committed(false);
    assert!(table.knows(&second) && !table.knows(&third));
    table.check();
}

#[test]
fn the_busiest_node_makes_room() {
    let mut table = table(100);
    for item in 1..=30 {
        table.put("quiet", item, 0, item);
    }
    for item in 1..=500 {
        table.put("busy", item, 0, 30 + item);
    }
    assert!((1..=30).all(|item| table.has("quiet", item, 0)));
    assert!((431..=500).all(|item| table.has("busy", item, 0)) && !table.has("busy", 430, 0));
    assert_eq!((table.len(), table.take_forgotten()), (100, 430));
    table.check();
    // Of two that have as many, the one with the oldest.
    let mut table = super::tests::table(4);
    for (seq, node) in (1..).zip(["a", "b", "b", "a", "c"]) {
        table.put(node, seq, 0, seq);
    }
    assert!(!table.has("a", 1, 0) && table.has("b", 2, 0), "a's came first");
}

#[test]
fn of_many_nodes_the_busiest_ones_make_room() {
    let mut table = table(3000);
    for round in 0..4 {
        for node in 0..1000 {
            let seq = round * 2000 + 2 * node;
            let name = format!("n{node}");
            table.put(&name, round, 0, seq + 1);
            // A tenth of them twice as busy.
            if node % 10 == 0 {
                table.put(&name, 100 + round, 0, seq + 2);
            }
        }
    }
    assert_eq!(table.len(), 3000);
    table.check();
    let most = (0..table.nodes.end()).filter_map(|place| table.nodes.at(place)).map(|row| row.count).max();
    assert!(most.is_some_and(|most| most <= 5), "{most:?}");
    assert!((0..1000).filter(|n| n % 10 != 0).all(|node| table.has(&format!("n{node}"), 3, 0)));
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_is_over_is_not_known_and_makes_room_by_and_by() {
    let mut table = table(1_000_000);
    for item in 1..=20_000 {
        table.put(if item % 3 == 0 { "a" } else { "b" }, item, 5, item);
    }
    table.go_on(15_000, None, at(1), |_| true);
    assert!(!table.has("a", 15_000, 5) && table.has("b", 15_001, 5));
    assert!(table.len() > 15_000, "little by little");
    for _ in 0..2 * ROUND {
        table.go_on(15_000, None, at(1), |_| true);
    }
    assert_eq!(table.len(), 5_000);
    table.check();
    for _ in 0..2 * ROUND {
        table.go_on(20_000, None, at(1), |_| true);
    }
    assert!(table.is_empty() && table.nodes.len() == 0);
    assert!(table.items.end() == 0, "its room is given back");
}

#[test]
fn behind_one_that_waits_items_are_over_by_themselves() {
    let mut table = table(1000);
    for item in 1..=10 {
        table.put("n", item, 5, item);
    }
    let is_owed = |seq: u64| seq == 1 || seq > 8;
    for second in 100..=110 {
        table.go_on(0, None, at(second), is_owed);
    }
    assert!((1..=10).all(|item| table.has("n", item, 5)));
    for second in 700..=720 {
        table.go_on(0, Some(at(second - 600)), at(second), is_owed);
    }
    assert!((2..=8).all(|item| !table.has("n", item, 5)));
    assert!([1, 9, 10].iter().all(|item| table.has("n", *item, 5)));
    assert_eq!(table.len(), 3);
    table.check();
}

#[test]
fn it_is_asked_as_often_as_it_may_and_goes_on_there() {
    let mut table = table(1000);
    for item in 1..=100 {
        table.put("n", item, 5, item);
    }
    let asked = std::cell::RefCell::new(Vec::new());
    let is_owed = |seq| {
        asked.borrow_mut().push(seq);
        true
    };
    for _ in 0..10 {
        table.pass(at(1), &Delivered { over: 0, free: 20, since: None, questions: 8 }, is_owed);
    }
    assert_eq!(*asked.borrow(), (21..=100).collect::<Vec<_>>());
}

#[test]
fn what_is_retracted_is_new() {
    let mut table = table(1000);
    for item in 1..=10 {
        table.put("n", item, 5, item);
        table.put("m", item, 5, 10 + item);
    }
    table.forget("n", Some("3"), 20);
    assert!(!table.has("n", 3, 5) && table.has("n", 4, 5) && table.has("m", 3, 5));
    table.forget("n", None, 20);
    assert!((1..=10).all(|item| !table.has("n", item, 5) && table.has("m", item, 5)));
    table.check();
    // While it is written, and behind that.
    for (node, item) in [("m", Some("1")), ("m", None)] {
        let (written, behind) = (table.print("m", 1, 6), table.print("m", 1, 7));
        table.take_in(&written, 21);
        table.forget(node, item, 21);
        assert!(!table.knows(&written));
        table.take_in(&behind, 22);
        table.forget(node, item, 21);
        assert!(table.knows(&behind), "it came after that");
        table.keep(&written, 21);
        table.committed(true);
        table.keep(&behind, 22);
        table.committed(true);
        assert!(table.knows(&behind));
    }
    table.check();
}

#[test]
fn numbers_go_on_beyond_what_is_kept_of_them() {
    let mut table = table(1000);
    for seq in [(1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) + 5] {
        table.put("n", seq, 5, seq);
        table.go_on(seq - 1, None, at(1), |_| true);
        assert!(table.has("n", seq, 5));
        table.go_on(seq, None, at(1), |_| true);
        assert!(!table.has("n", seq, 5));
    }
}

#[test]
fn hashes_are_the_same_in_every_run_and_in_no_other_installation() {
    let (one, again, other) = (table(1), table(1), Repetitions::new(Key([8; 16]), 1));
    let print = one.print("n", 1, 5);
    assert_eq!(print, again.print("n", 1, 5));
    assert_eq!(print, one.recorded("n", "1", print.content()));
    assert_ne!(print.content(), other.print("n", 1, 5).content());
    assert_ne!(one.fingerprint("a", "b", b"").item, one.fingerprint("ab", "", b"").item);
    assert!(!format!("{one:?}").contains("7, 7"), "the key is secret");
    assert!(size_of::<Option<Known>>() <= 40 && size_of::<Option<Node>>() <= 24);
}

/// A seed's worth of everything, against a plain list.
#[test]
fn it_knows_what_a_list_would_know() {
    let mut state = 1_u64;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut table = table(1_000_000);
    let mut list: Vec<(u64, u64, u64, u64)> = Vec::new();
    let mut over = 0;
    for seq in 1..=20_000 {
        let (node, item, content) = (below(5), below(300), below(3));
        match below(20) {
            0 => {
                table.forget(&node.to_string(), Some(&item.to_string()), seq);
                list.retain(|held| (held.0, held.1) != (node, item));
            }
            1 if below(50) == 0 => {
                table.forget(&node.to_string(), None, seq);
                list.retain(|held| held.0 != node);
            }
            2 => {
                over = seq.saturating_sub(below(3000)).max(over);
                table.go_on(over, None, at(seq), |_| true);
            }
            _ => {
                list.retain(|held| held.3 > over);
                let known = list.iter().any(|held| (held.0, held.1, held.2) == (node, item, content));
                assert_eq!(table.has(&node.to_string(), item, content), known, "at {seq}");
                if !known {
                    table.put(&node.to_string(), item, content, seq);
                    list.retain(|held| (held.0, held.1) != (node, item));
                    list.push((node, item, content, seq));
                }
            }
        }
        if seq % 1000 == 0 {
            table.check();
        }
    }
}
