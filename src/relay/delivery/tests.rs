//! Deliveries, step by step.

use super::barrier::{DOUBTS_MAX, RETRY_FIRST, wait_after};
use super::published::TRIES_MAX;
use super::queue::{BATCH_ITEMS, LOAD_ITEMS, WIDEST};
use super::*;

mod first_contact;
mod trial;

const SECOND: Duration = Duration::from_secs(1);

fn domain() -> Arc<str> {
    "b.example".into()
}

/// One destination that is owed the items 1 to `items`, on a link; `answers` if it is known to.
fn deliveries(items: u64, answers: bool) -> Deliveries {
    let patience = Patience { ping: SECOND * 30, retry_max: SECOND * 300, first_contact: SECOND * 900 };
    let mut deliveries = Deliveries::new(patience, 7);
    let known = Known { domain: "b.example".into(), answers_pings: answers, ..Known::default() };
    deliveries.know(&known, 0);
    deliveries.link_up();
    for seq in 1..=items {
        assert!(deliveries.owe(&domain(), seq));
    }
    deliveries
}

/// Writes all that is due: the items, and the pings as (to whom, number).
fn write(deliveries: &mut Deliveries, now: Duration) -> (Vec<u64>, Vec<(PingTo, u64)>) {
    let (mut items, mut pings) = (Vec::new(), Vec::new());
    while let Some(step) = deliveries.next_step(now, |_| true) {
        match step {
            Step::Item { domain, seq } => {
                items.push(seq);
                deliveries.wrote(&domain, 100);
            }
            Step::Ping { to, number } => pings.push((to, number)),
            Step::Load { .. } => panic!("everything is in memory"),
        }
    }
    (items, pings)
}

/// The destinations that got further, at a moment of the wall clock that is `now` too.
fn moved(deliveries: &mut Deliveries, now: Duration) -> Vec<Known> {
    let wall = jiff::Timestamp::from_second(now.as_secs() as i64).unwrap();
    deliveries.take_moved(Now { wall, mono: now })
}

/// Lets a first contact be over: the number of the ping to one's own server, long after a batch was written.
fn own_server_is_asked(deliveries: &mut Deliveries, now: Duration) -> u64 {
    let mut steps = deliveries.tick(now);
    let Some(Step::Ping { to: PingTo::OwnServer, number }) = steps.pop() else { panic!("{steps:?}") };
    assert!(steps.is_empty());
    number
}

/// As [`write`], where exactly one ping is due.
fn batch(deliveries: &mut Deliveries, now: Duration) -> (Vec<u64>, u64) {
    let (items, pings) = write(deliveries, now);
    let [(PingTo::Destination(to), number)] = &pings[..] else { panic!("{pings:?}") };
    assert_eq!(**to, *domain());
    (items, *number)
}

fn suspect(seq: u64, condition: &str) -> Suspect {
    Suspect { seq, subscription: 9, condition: condition.into(), transient: condition.starts_with("remote") }
}

#[test]
fn a_batch_is_confirmed_by_the_ping_behind_it_alone() {
    let mut deliveries = deliveries(3, true);
    let (items, ping) = batch(&mut deliveries, SECOND);
    assert_eq!(items, [1, 2, 3]);
    deliveries.owe(&domain(), 4);
    assert_eq!(write(&mut deliveries, SECOND), (vec![], vec![]), "one batch is under way");
    deliveries.answered(ping + 5, Answer::Taken, SECOND);
    assert_eq!((deliveries.waiting(), deliveries.floor()), (4, Some(1)));
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!(deliveries.take_released(), [1, 2, 3]);
    assert_eq!(moved(&mut deliveries, SECOND)[0].confirmed, 3);
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!((deliveries.waiting(), deliveries.floor()), (1, Some(4)), "twice says nothing more");
    assert_eq!(batch(&mut deliveries, SECOND).0, [4]);
}

#[test]
fn what_is_unanswered_is_probed_for_and_sent_again() {
    let mut deliveries = deliveries(2, true);
    let (_, first) = batch(&mut deliveries, SECOND);
    assert!(deliveries.tick(SECOND * 30).is_empty());
    deliveries.tick(SECOND * 31);
    assert_eq!(write(&mut deliveries, SECOND * 31), (vec![], vec![]), "it waits");
    deliveries.tick(SECOND * 33);
    let (items, probe) = batch(&mut deliveries, SECOND * 33);
    assert!(items.is_empty() && probe != first, "one probe, and no message");
    deliveries.answered(first, Answer::Taken, SECOND * 34);
    assert_eq!(deliveries.waiting(), 2, "a late answer proves nothing");
    deliveries.answered(probe, Answer::Taken, SECOND * 34);
    assert_eq!(deliveries.waiting(), 2, "nor does a probe's");
    let (items, again) = batch(&mut deliveries, SECOND * 34);
    assert_eq!(items, [1, 2]);
    deliveries.answered(again, Answer::Taken, SECOND * 35);
    assert_eq!(deliveries.waiting(), 0);
}

#[test]
fn waits_grow_and_stay_below_the_longest() {
    let waits: Vec<Duration> = (0..50).map(|n| wait_after(n, SECOND * 300, 3)).collect();
    assert!(waits[0] >= RETRY_FIRST && waits[0] <= RETRY_FIRST * 2);
    assert!(waits[6] > waits[0] * 8);
    assert!(waits.iter().all(|wait| *wait <= SECOND * 600), "{waits:?}");
}

#[test]
fn a_batch_that_was_not_reached_is_sent_again() {
    let mut deliveries = deliveries(2, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
    deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
    deliveries.answered(ping, Answer::NotReached, SECOND);
    assert!(deliveries.take_given_up().is_empty(), "nobody there said so");
    deliveries.tick(SECOND * 3);
    let (_, probe) = batch(&mut deliveries, SECOND * 3);
    deliveries.answered(probe, Answer::Taken, SECOND * 3);
    assert_eq!(batch(&mut deliveries, SECOND * 3).0, [1, 2]);
}

#[test]
fn what_comes_back_for_good_is_given_up_with_its_barrier() {
    let mut deliveries = deliveries(2, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
    deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
    deliveries.came_back(&domain(), suspect(8, "service-unavailable"));
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!(deliveries.take_given_up(), [suspect(1, "service-unavailable")]);
    deliveries.came_back(&domain(), suspect(2, "service-unavailable"));
    assert!(deliveries.take_given_up().is_empty(), "what was confirmed is not given up later");
}

#[test]
fn a_doubt_is_given_up_only_after_some_tries() {
    let mut deliveries = deliveries(1, true);
    let mut now = SECOND;
    for _ in 0..DOUBTS_MAX {
        let (items, ping) = batch(&mut deliveries, now);
        assert_eq!(items, [1]);
        deliveries.not_reached(&domain(), suspect(1, "remote-server-timeout"));
        deliveries.answered(ping, Answer::Taken, now);
        assert_eq!((deliveries.waiting(), deliveries.take_given_up().len()), (1, 0));
        now += SECOND * 120;
        deliveries.tick(now);
        let (items, probe) = batch(&mut deliveries, now);
        assert!(items.is_empty());
        deliveries.answered(probe, Answer::Taken, now);
    }
    let (_, ping) = batch(&mut deliveries, now);
    deliveries.not_reached(&domain(), suspect(1, "remote-server-timeout"));
    deliveries.answered(ping, Answer::Taken, now);
    assert_eq!(deliveries.take_given_up(), [suspect(1, "remote-server-timeout")]);
    assert_eq!(deliveries.waiting(), 0);
}

#[test]
fn what_comes_back_late_is_owed_again_once() {
    let mut deliveries = deliveries(3, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.answered(ping, Answer::Taken, SECOND);
    deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
    assert_eq!((deliveries.waiting(), deliveries.floor()), (1, Some(2)));
    assert_eq!(moved(&mut deliveries, SECOND)[0].confirmed, 1, "on the disk too");
    deliveries.not_reached(&domain(), suspect(77, "remote-server-timeout"));
    let (items, ping) = batch(&mut deliveries, SECOND);
    assert_eq!(items, [2]);
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!(moved(&mut deliveries, SECOND)[0].confirmed, 3, "all is as before");
    assert!(deliveries.take_given_up().is_empty());
    deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
    deliveries.not_reached(&domain(), suspect(2, "remote-server-timeout"));
    assert_eq!(deliveries.waiting(), 0);
    assert_eq!(deliveries.take_given_up(), [suspect(2, "remote-server-timeout")], "not lost, and once");
}

#[test]
fn who_never_answered_may_say_late_that_it_is_for_good() {
    let mut deliveries = deliveries(1, false);
    batch(&mut deliveries, SECOND);
    let number = own_server_is_asked(&mut deliveries, SECOND * 901);
    deliveries.answered(number, Answer::Taken, SECOND * 902);
    assert_eq!(deliveries.waiting(), 0);
    deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
    deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
    deliveries.came_back(&domain(), suspect(2, "service-unavailable"));
    assert_eq!(deliveries.take_given_up(), [suspect(1, "service-unavailable")]);
}

#[test]
fn what_comes_back_in_the_next_run_is_owed_again() {
    let mut deliveries = deliveries(0, true);
    let known = Known { domain: "b.example".into(), confirmed: 5, answers_pings: true, ..Known::default() };
    deliveries.know(&known, 0);
    deliveries.not_reached(&domain(), suspect(6, "remote-server-timeout"));
    assert_eq!(deliveries.waiting(), 0);
    deliveries.not_reached(&domain(), suspect(4, "remote-server-timeout"));
    assert_eq!((deliveries.waiting(), deliveries.floor()), (1, Some(4)));
}

#[test]
fn a_lost_link_takes_the_batch_along() {
    let mut deliveries = deliveries(2, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    assert!(deliveries.is_under_way());
    deliveries.link_down();
    assert_eq!(write(&mut deliveries, SECOND), (vec![], vec![]));
    deliveries.answered(ping, Answer::Taken, SECOND);
    deliveries.link_up();
    let (items, again) = batch(&mut deliveries, SECOND);
    assert!(items == [1, 2] && again != ping);
}

#[test]
fn given_up_before_the_start_stays_given_up_until_confirmed() {
    let mut deliveries = deliveries(1, true);
    deliveries.know_dead(&domain(), 1, 9);
    assert!(deliveries.is_dead("b.example", 1, 9) && !deliveries.is_dead("b.example", 1, 8));
    // There was nothing else to send, so no barrier is needed.
    let step = deliveries.next_step(SECOND, |_| true);
    assert!(matches!(step, Some(Step::Item { seq: 1, .. })));
    deliveries.wrote(&domain(), 0);
    assert_eq!(deliveries.next_step(SECOND, |_| true), None);
    assert_eq!((deliveries.waiting(), deliveries.is_dead("b.example", 1, 9)), (0, false));
}

#[test]
fn what_is_not_in_memory_is_loaded() {
    let mut deliveries = deliveries(LOAD_ITEMS as u64 + 8, true);
    let step = deliveries.next_step(SECOND, |_| false);
    let Some(Step::Load { domain: at, seqs }) = step else { panic!("{step:?}") };
    assert_eq!((at, seqs.len()), (domain(), LOAD_ITEMS));
    assert_eq!(deliveries.next_step(SECOND, |_| false), None);
    deliveries.load_failed(&domain(), SECOND);
    deliveries.tick(SECOND * 3);
    let (_, probe) = batch(&mut deliveries, SECOND * 3);
    deliveries.answered(probe, Answer::Taken, SECOND * 3);
    assert!(matches!(deliveries.next_step(SECOND * 3, |_| false), Some(Step::Load { .. })));
    // All but the second are there.
    let found = seqs.iter().copied().filter(|seq| *seq != 2).collect();
    deliveries.loaded(&domain(), &seqs, &found);
    assert_eq!(deliveries.waiting(), LOAD_ITEMS + 7);
    assert_eq!(write(&mut deliveries, SECOND * 3).0[..2], [1, 3]);
}

#[test]
fn a_batch_goes_on_while_more_of_it_is_read() {
    let all = 3 * LOAD_ITEMS as u64 / 2;
    let half = LOAD_ITEMS as u64;
    let mut deliveries = deliveries(all, true);
    // The first are in memory, up to `upto`.
    let write = |deliveries: &mut Deliveries, upto: u64| {
        let mut written = 0;
        loop {
            match deliveries.next_step(SECOND, |seq| seq <= upto) {
                Some(Step::Item { domain, .. }) => {
                    deliveries.wrote(&domain, 1);
                    written += 1;
                }
                step => return (written, step),
            }
        }
    };
    let (written, step) = write(&mut deliveries, 100);
    let Some(Step::Load { seqs, .. }) = step else { panic!("{step:?}") };
    assert_eq!((written, seqs[0], seqs.len()), (100, 101, LOAD_ITEMS));
    assert_eq!(write(&mut deliveries, 100), (0, None), "no ping, as long as it is read");
    deliveries.loaded(&domain(), &seqs, &seqs.iter().copied().collect());
    let (written, step) = write(&mut deliveries, half + 100);
    assert_eq!(written, LOAD_ITEMS - 100, "it is full");
    let Some(Step::Ping { number, .. }) = step else { panic!("{step:?}") };
    deliveries.answered(number, Answer::Taken, SECOND);
    assert_eq!(deliveries.take_confirmed(), [(domain(), half, Proof::RecipientServer)]);

    // What cannot be read ends the batch; what was written of it counts.
    let (written, step) = write(&mut deliveries, half + 100);
    assert!(written == 100 && matches!(step, Some(Step::Load { .. })), "{step:?}");
    deliveries.load_failed(&domain(), SECOND);
    let (_, step) = write(&mut deliveries, half + 100);
    let Some(Step::Ping { number, .. }) = step else { panic!("{step:?}") };
    deliveries.answered(number, Answer::Taken, SECOND);
    assert_eq!(deliveries.take_confirmed(), [(domain(), half + 100, Proof::RecipientServer)]);

    // A link that breaks meanwhile takes the batch along, not what is read.
    let (_, step) = write(&mut deliveries, half + 110);
    let Some(Step::Load { seqs, .. }) = step else { panic!("{step:?}") };
    deliveries.link_down();
    deliveries.link_up();
    assert_eq!(write(&mut deliveries, half + 110), (0, None));
    deliveries.loaded(&domain(), &seqs, &seqs.iter().copied().collect());
    let (written, step) = write(&mut deliveries, all);
    assert_eq!(written as u64, all - half - 100);
    assert!(matches!(step, Some(Step::Ping { .. })));
}

#[test]
fn who_is_owed_much_now_is_behind() {
    let mut deliveries = deliveries(4095, true);
    assert!(!deliveries.is_behind());
    deliveries.owe(&domain(), 4096);
    assert!(deliveries.is_behind());
    let (_, ping) = batch(&mut deliveries, SECOND);
    assert!(!deliveries.is_behind(), "nothing can be written before its answer is read");
    deliveries.answered(ping, Answer::NotReached, SECOND);
    (4097..9000).for_each(|seq| assert!(deliveries.owe(&domain(), seq)));
    assert!(!deliveries.is_behind(), "it is down");
}

fn published(seq: u64) -> Published {
    Published { seq, subscription: 9, place: 0, mark: 0, part: 0 }
}

/// As [`batch`], with every item published; those that were taken already are not.
fn publishes(deliveries: &mut Deliveries, now: Duration) -> (Vec<u64>, u64) {
    let (mut items, mut ping) = (Vec::new(), 0);
    while let Some(step) = deliveries.next_step(now, |_| true) {
        match step {
            Step::Item { domain, seq } => {
                let due = !deliveries.is_taken(&domain, published(seq));
                items.extend(due.then_some(seq));
                deliveries.expect(&domain, due.then(|| published(seq)).into_iter().collect());
                deliveries.wrote(&domain, if due { 100 } else { 0 });
            }
            Step::Ping { number, .. } => ping = number,
            Step::Load { .. } => panic!("everything is in memory"),
        }
    }
    (items, ping)
}

fn refused(condition: &str, waits: bool) -> Option<Refused> {
    Some(Refused { condition: condition.into(), waits })
}

#[test]
fn what_is_published_is_confirmed_by_its_result_and_the_ping() {
    let mut deliveries = deliveries(2, true);
    let (items, ping) = publishes(&mut deliveries, SECOND);
    assert_eq!(items, [1, 2]);
    deliveries.publish_answered(&domain(), published(1), None, SECOND);
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!((deliveries.waiting(), deliveries.is_under_way()), (2, true), "one result is missing");
    deliveries.publish_answered(&domain(), published(7), None, SECOND);
    assert_eq!(deliveries.waiting(), 2, "that was never published");
    deliveries.publish_answered(&domain(), published(2), None, SECOND);
    assert_eq!((deliveries.waiting(), moved(&mut deliveries, SECOND)[0].confirmed), (0, 2));
    assert!(!deliveries.is_taken("b.example", published(1)), "nothing is kept for nothing");
    // The results may come before the pong.
    deliveries.owe(&domain(), 3);
    let (_, ping) = publishes(&mut deliveries, SECOND);
    deliveries.publish_answered(&domain(), published(3), None, SECOND);
    assert_eq!(deliveries.waiting(), 1);
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!(deliveries.waiting(), 0);
}

/// The batch under way was put off: time goes by, the destination is there, and the batch is written again.
fn next_try(deliveries: &mut Deliveries, now: &mut Duration) -> (Vec<u64>, u64) {
    *now += SECOND * 601;
    deliveries.tick(*now);
    let (items, probe) = publishes(deliveries, *now);
    assert!(items.is_empty() && probe > 0, "first whether it is there");
    deliveries.answered(probe, Answer::Taken, *now);
    publishes(deliveries, *now)
}

#[test]
fn what_is_not_answered_is_sent_again_and_what_is_acknowledged_is_not() {
    let mut deliveries = deliveries(3, true);
    let mut now = SECOND;
    let (_, ping) = publishes(&mut deliveries, now);
    deliveries.publish_answered(&domain(), published(2), None, now);
    deliveries.answered(ping, Answer::Taken, now);
    for _ in 0..TRIES_MAX {
        now += SECOND * 30;
        deliveries.tick(now);
        let (items, ping) = next_try(&mut deliveries, &mut now);
        assert_eq!(items, [1, 3]);
        deliveries.answered(ping, Answer::Taken, now);
    }
    assert!(deliveries.take_given_up().is_empty());
    now += SECOND * 30;
    deliveries.tick(now);
    let given_up = deliveries.take_given_up();
    assert_eq!(given_up.iter().map(|s| s.seq).collect::<Vec<_>>(), [1, 3], "others are taken, these are not");
    assert!(given_up.iter().all(|s| s.transient && s.condition == "no-answer"), "they are tried again later");
    assert_eq!(deliveries.waiting(), 0);
}

#[test]
fn a_service_that_takes_nothing_is_waited_for() {
    for condition in ["service-unavailable", "resource-constraint", "remote-server-timeout"] {
        let mut deliveries = deliveries(2, true);
        let mut now = SECOND;
        let (_, mut ping) = publishes(&mut deliveries, now);
        for _ in 0..5 * TRIES_MAX {
            deliveries.publish_answered(&domain(), published(1), refused(condition, false), now);
            deliveries.answered(ping, Answer::Taken, now);
            deliveries.publish_answered(&domain(), published(2), refused(condition, false), now);
            let items;
            (items, ping) = next_try(&mut deliveries, &mut now);
            assert_eq!(items, [1, 2]);
        }
        assert!(deliveries.take_given_up().is_empty());
        deliveries.publish_answered(&domain(), published(1), None, now);
        deliveries.publish_answered(&domain(), published(2), None, now);
        deliveries.answered(ping, Answer::Taken, now);
        assert_eq!(deliveries.waiting(), 0);
    }
}

#[test]
fn a_publish_that_is_refused_for_good_is_given_up() {
    for condition in ["forbidden", "item-not-found", "bad-request"] {
        let mut deliveries = deliveries(2, true);
        let (_, ping) = publishes(&mut deliveries, SECOND);
        deliveries.answered(ping, Answer::Taken, SECOND);
        deliveries.publish_answered(&domain(), published(1), refused(condition, false), SECOND);
        assert!(deliveries.take_given_up().is_empty(), "the batch is not answered yet");
        deliveries.publish_answered(&domain(), published(2), None, SECOND);
        assert_eq!(deliveries.take_given_up(), [suspect(1, condition)]);
        assert_eq!(deliveries.waiting(), 0);
    }
}

#[test]
fn what_alone_cannot_be_taken_is_given_up_for_now_after_some_tries() {
    let mut deliveries = deliveries(2, true);
    let mut now = SECOND;
    let (_, ping) = publishes(&mut deliveries, now);
    deliveries.answered(ping, Answer::Taken, now);
    deliveries.publish_answered(&domain(), published(2), None, now);
    for _ in 0..TRIES_MAX {
        deliveries.publish_answered(&domain(), published(1), refused("internal-server-error", true), now);
        let (items, ping) = next_try(&mut deliveries, &mut now);
        assert_eq!(items, [1]);
        deliveries.answered(ping, Answer::Taken, now);
    }
    deliveries.publish_answered(&domain(), published(1), refused("internal-server-error", true), now);
    let given_up = deliveries.take_given_up();
    assert!(matches!(&given_up[..], [Suspect { seq: 1, transient: true, .. }]), "{given_up:?}");
    assert_eq!(deliveries.waiting(), 0);
}

#[test]
fn a_publish_that_did_not_get_there_is_sent_again() {
    let mut deliveries = deliveries(1, true);
    let (_, ping) = publishes(&mut deliveries, SECOND);
    deliveries.publish_answered(&domain(), published(1), refused("remote-server-timeout", true), SECOND);
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!((deliveries.waiting(), deliveries.take_given_up().len()), (1, 0));
    let mut now = SECOND;
    assert_eq!(next_try(&mut deliveries, &mut now).0, [1]);
    // A link that breaks takes along what was not answered, and only that.
    deliveries.publish_answered(&domain(), published(1), None, now);
    deliveries.link_down();
    deliveries.link_up();
    assert_eq!(publishes(&mut deliveries, now), (vec![], 0));
    assert_eq!(deliveries.waiting(), 0);
}

#[test]
fn what_comes_back_late_is_known_however_much_did() {
    let mut deliveries = deliveries(0, false);
    let (mut now, mut given_up) = (SECOND, 0);
    for seq in 1..=10_001 {
        deliveries.owe(&domain(), seq);
        let (_, pings) = write(&mut deliveries, now);
        let own = pings.iter().find(|(to, _)| *to == PingTo::OwnServer).map(|(_, number)| *number);
        let own = own.unwrap_or_else(|| {
            now += SECOND * 900;
            own_server_is_asked(&mut deliveries, now)
        });
        deliveries.answered(own, Answer::Taken, now);
        deliveries.came_back(&domain(), suspect(seq, "service-unavailable"));
        given_up += deliveries.take_given_up().len();
    }
    assert_eq!(given_up, 10_001);
    for seq in [1, 2, 10_001] {
        deliveries.came_back(&domain(), suspect(seq, "service-unavailable"));
    }
    assert!(deliveries.take_given_up().is_empty(), "each once");
}

#[test]
fn another_copy_of_what_came_back_late_says_nothing_new() {
    let mut deliveries = deliveries(1, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.answered(ping, Answer::Taken, SECOND);
    deliveries.owe(&domain(), 2);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.not_reached(&domain(), suspect(1, "remote-server-timeout"));
    deliveries.not_reached(&domain(), suspect(1, "remote-server-timeout"));
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert!(deliveries.take_given_up().is_empty());
    assert_eq!(batch(&mut deliveries, SECOND).0, [1]);
}

#[test]
fn who_was_given_up_is_not_sent_what_somebody_else_sends_back_late() {
    let mut deliveries = deliveries(1, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.came_back(&domain(), suspect(1, "service-unavailable"));
    deliveries.answered(ping, Answer::Taken, SECOND);
    assert_eq!(deliveries.take_given_up().len(), 1);
    let neighbour = Suspect { subscription: 10, ..suspect(1, "remote-server-timeout") };
    deliveries.not_reached(&domain(), neighbour);
    assert_eq!(deliveries.waiting(), 1);
    assert!(deliveries.has_dead("b.example") && deliveries.is_dead("b.example", 1, 9));
    assert!(!deliveries.is_dead("b.example", 1, 10));
}

#[test]
fn what_is_too_old_leaves_the_queue_of_one_that_is_down() {
    let mut deliveries = deliveries(3, true);
    let (_, ping) = batch(&mut deliveries, SECOND);
    deliveries.answered(ping, Answer::NotReached, SECOND);
    let look = |deliveries: &mut Deliveries, now| {
        let steps = deliveries.tick(now);
        let [Step::Load { seqs, .. }] = &steps[..] else { panic!("{steps:?}") };
        assert!(deliveries.is_looking("b.example"));
        seqs.clone()
    };
    assert_eq!(look(&mut deliveries, SECOND * 601), [1, 2, 3]);
    assert_eq!(deliveries.let_go(&domain(), &[1, 2], false), [1, 2]);
    assert_eq!((deliveries.waiting(), deliveries.floor()), (1, Some(3)));
    assert_eq!((deliveries.take_released(), moved(&mut deliveries, SECOND)[0].confirmed), (vec![1, 2], 2));
    assert!(deliveries.let_go(&domain(), &[3], true).is_empty(), "an answer of before");
    let (items, probe) = batch(&mut deliveries, SECOND * 601);
    assert!(items.is_empty(), "it is still down");
    deliveries.answered(probe, Answer::NotReached, SECOND * 602);
    assert!(deliveries.tick(SECOND * 603).is_empty(), "it was looked a moment ago");
    look(&mut deliveries, SECOND * 1300);
    deliveries.link_down();
    assert!(!deliveries.is_looking("b.example"));
    deliveries.link_up();
    look(&mut deliveries, SECOND * 2000);
    assert!(deliveries.let_go(&domain(), &[2], true).is_empty(), "which is not what it is owed");
    look(&mut deliveries, SECOND * 2001);
    assert_eq!(deliveries.let_go(&domain(), &[3], true), [3]);
    assert_eq!(deliveries.floor(), None);
}

#[test]
fn batches_grow_while_they_are_answered_for_soon() {
    let mut deliveries = deliveries(200_000, true);
    let mut now = SECOND;
    for widened in (0..=WIDEST).chain([WIDEST]) {
        let (items, ping) = batch_of_small(&mut deliveries, now);
        assert_eq!(items, BATCH_ITEMS << widened);
        now += SECOND;
        deliveries.answered(ping, Answer::Taken, now);
    }
    let (_, ping) = batch_of_small(&mut deliveries, now);
    deliveries.answered(ping, Answer::NotReached, now);
    now += SECOND * 2;
    let (items, probe) = batch_of_small(&mut deliveries, now);
    assert_eq!(items, 0);
    deliveries.answered(probe, Answer::Taken, now);
    let (items, ping) = batch_of_small(&mut deliveries, now);
    assert_eq!(items, BATCH_ITEMS, "small again");
    now += SECOND * 20;
    deliveries.answered(ping, Answer::Taken, now);
    assert_eq!(batch_of_small(&mut deliveries, now).0, BATCH_ITEMS, "that took long");
}

/// As [`batch`], of items of one octet: how many.
fn batch_of_small(deliveries: &mut Deliveries, now: Duration) -> (usize, u64) {
    let mut items = 0;
    loop {
        match deliveries.next_step(now, |_| true) {
            Some(Step::Item { domain, .. }) => {
                items += 1;
                deliveries.wrote(&domain, 1);
            }
            Some(Step::Ping { number, .. }) => return (items, number),
            step => panic!("{step:?}"),
        }
    }
}
