//! What makes one's own server end the stream.

use super::*;

/// Whether something else is written beside what is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// It is, and the ping between is answered before the stream ends.
    Answered,
    /// It is, and that answer gets lost.
    Deaf,
}

/// What is written until nothing more is due, with every ping answered as it is written; ends with the stream when
/// `bad` is. Whether it was.
fn link(
    deliveries: &mut Deliveries,
    now: Duration,
    beside: Beside,
    bad: impl Fn(&str, u64) -> bool,
) -> (Vec<(Arc<str>, u64)>, bool) {
    deliveries.link_up();
    let mut written = Vec::new();
    while let Some(step) = deliveries.next_step(now, |_| true) {
        match step {
            Step::Item { domain, seq } => {
                if deliveries.is_trial() {
                    let all = ["a.example", "b.example", "c.example"];
                    deliveries.tries(seq, all.map(|domain| (Arc::from(domain), 9)).to_vec());
                }
                let dead = deliveries.is_dead(&domain, seq, 9);
                if !dead {
                    written.push((Arc::clone(&domain), seq));
                }
                deliveries.wrote(&domain, if dead { 0 } else { 100 });
                if !dead && bad(&domain, seq) {
                    // It was written with all that was due, and read no further than that.
                    while deliveries.next_step(now, |_| true).map(|step| rest(deliveries, step)).is_some() {}
                    deliveries.stream_failed(now + SECOND);
                    for (seq, owed) in deliveries.take_set_aside() {
                        owed.iter().for_each(|(domain, who)| deliveries.know_dead(domain, seq, *who));
                    }
                    deliveries.link_down();
                    return (written, true);
                }
            }
            Step::Ping { number, .. } => {
                if !(beside == Beside::Deaf && deliveries.is_trial()) {
                    deliveries.answered(number, Answer::Taken, now);
                }
                if beside != Beside::Nothing {
                    deliveries.wrote_beside();
                }
            }
            Step::Load { .. } => panic!("everything is in memory"),
        }
    }
    (written, false)
}

fn rest(deliveries: &mut Deliveries, step: Step) {
    if let Step::Item { domain, .. } = step {
        deliveries.wrote(&domain, 100);
    }
}

/// Three destinations that answer pings, owed the items 1 to 6 each; the link is down.
fn three() -> Deliveries {
    let mut deliveries = deliveries(0, true);
    for domain in ["a.example", "b.example", "c.example"] {
        let known = Known { domain: domain.into(), answers_pings: true, ..Known::default() };
        deliveries.know(&known, 0);
        (1..=6).for_each(|seq| assert!(deliveries.owe(&domain.into(), seq)));
    }
    deliveries.link_down();
    deliveries
}

/// How often the stream ends until nothing waits.
fn until_delivered(deliveries: &mut Deliveries, bad: impl Fn(&str, u64) -> bool + Copy) -> usize {
    for ended in 0..20 {
        if !link(deliveries, SECOND * (10 * ended + 1), Beside::Nothing, bad).1 {
            assert_eq!(deliveries.waiting(), 0);
            return ended as usize;
        }
    }
    panic!("it is written again and again");
}

#[test]
fn what_ends_the_stream_is_found_for_each_destination_and_nothing_else() {
    let mut deliveries = three();
    assert_eq!(until_delivered(&mut deliveries, |_, seq| seq == 3), 5, "three strikes, and two destinations");
    let mut deliveries = three();
    assert_eq!(until_delivered(&mut deliveries, |to, seq| to == "b.example" && seq > 4), 5);
    for domain in ["a.example", "c.example"] {
        (1..=6).for_each(|seq| assert!(!deliveries.is_dead(domain, seq, 9)));
    }
    // Afterwards all is as before: in one batch.
    deliveries.owe(&"b.example".into(), 7);
    deliveries.owe(&"b.example".into(), 8);
    assert_eq!(link(&mut deliveries, SECOND * 900, Beside::Nothing, |_, _| false).0.len(), 2);
    assert!(!deliveries.is_trying());
}

#[test]
fn others_wait_while_an_item_is_alone_on_the_wire() {
    let mut deliveries = three();
    for at in [1, 11, 21] {
        assert!(link(&mut deliveries, SECOND * at, Beside::Nothing, |_, seq| seq == 3).1);
    }
    deliveries.link_up();
    let mut steps = Vec::new();
    while let Some(step) = deliveries.next_step(SECOND * 31, |_| true) {
        steps.push(step);
    }
    let [Step::Ping { to: PingTo::OwnServer, number }] = steps[..] else { panic!("{steps:?}") };
    deliveries.answered(number, Answer::NotReached, SECOND * 31);
    let mut steps = Vec::new();
    while let Some(step) = deliveries.next_step(SECOND * 31, |_| true) {
        if let Step::Item { domain, .. } = &step {
            deliveries.wrote(domain, 100);
        }
        steps.push(step);
    }
    let [
        Step::Item { domain, .. },
        Step::Ping { to: PingTo::Destination(to), .. },
        Step::Ping { to: PingTo::OwnServer, .. },
    ] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!(domain, to);
    // A server that does not answer for itself is not waited for any longer than it is blamed.
    deliveries.tick(SECOND * 36);
    assert!(deliveries.next_step(SECOND * 36, |_| true).is_some());
    // And an end of the stream after that is nobody's.
    assert!(deliveries.take_set_aside().is_empty());
}

#[test]
fn what_something_was_written_beside_is_tried_more_than_once() {
    for (beside, many) in [(Beside::Answered, 5), (Beside::Deaf, 11)] {
        let mut deliveries = three();
        let ended =
            (0..20).find(|at| !link(&mut deliveries, SECOND * (10 * at + 1), beside, |_, seq| seq == 1).1);
        // Three strikes, and for each of two destinations one try, or three and two of the last; then it is clear.
        assert_eq!((ended, deliveries.waiting()), (Some(many), 0));
    }
}

#[test]
fn an_end_of_the_stream_long_after_a_write_is_nobodys() {
    let mut deliveries = three();
    for at in 0..9 {
        let now = SECOND * (10 * at + 1);
        deliveries.link_up();
        while let Some(step) = deliveries.next_step(now, |_| true) {
            rest(&mut deliveries, step);
        }
        deliveries.stream_failed(now + SECOND * 5);
        deliveries.link_down();
    }
    deliveries.link_up();
    let step = deliveries.next_step(SECOND * 100, |_| true);
    assert!(matches!(step, Some(Step::Item { .. })), "{step:?}");
}
