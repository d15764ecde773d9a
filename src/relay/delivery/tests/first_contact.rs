//! Domains that have not answered any ping yet.

use super::*;

#[test]
fn a_first_contact_repeats_the_ping_and_nothing_else() {
    let mut deliveries = deliveries(2, false);
    let (items, first) = batch(&mut deliveries, SECOND);
    assert_eq!(items, [1, 2]);
    deliveries.owe(&domain(), 3);
    let (mut now, mut repeats) = (SECOND, 0);
    while now < SECOND * 900 {
        now += SECOND;
        for step in deliveries.tick(now) {
            let Step::Ping { to: PingTo::Destination(_), number } = step else { panic!("{step:?}") };
            assert!(number > first);
            repeats += 1;
        }
        assert_eq!(write(&mut deliveries, now), (vec![], vec![]));
    }
    assert!((4..=8).contains(&repeats), "{repeats}");
    assert!(deliveries.pings.len() == 2, "the first and the last: {:?}", deliveries.pings);
    let own = own_server_is_asked(&mut deliveries, SECOND * 901);
    deliveries.answered(own, Answer::Taken, SECOND * 902);
    assert_eq!(deliveries.take_confirmed(), [(domain(), 2, Proof::OwnServer)]);
    assert!(deliveries.pings.is_empty());
    let (items, pings) = write(&mut deliveries, SECOND * 903);
    assert_eq!((items, pings.len()), (vec![3], 2), "from then on both are asked at once");
}

#[test]
fn the_answer_to_a_repeated_ping_has_the_batch_sent_again() {
    let mut deliveries = deliveries(2, false);
    let (_, first) = batch(&mut deliveries, SECOND);
    let steps = deliveries.tick(SECOND * 31);
    let [Step::Ping { to: PingTo::Destination(_), number }] = steps[..] else { panic!("{steps:?}") };
    assert_eq!(deliveries.ping_target(number), Some(PingTo::Destination(domain())));
    deliveries.answered(number, Answer::Taken, SECOND * 32);
    assert_eq!((deliveries.waiting(), deliveries.take_confirmed()), (2, vec![]));
    let (items, again) = batch(&mut deliveries, SECOND * 32);
    assert_eq!(items, [1, 2], "that server may have lost it");
    deliveries.answered(first, Answer::Taken, SECOND * 32);
    assert_eq!(deliveries.waiting(), 2);
    deliveries.answered(again, Answer::Taken, SECOND * 32);
    assert_eq!(deliveries.take_confirmed(), [(domain(), 2, Proof::RecipientServer)]);
}

#[test]
fn the_first_ping_of_a_first_contact_may_be_answered_late() {
    let mut deliveries = deliveries(2, false);
    let (_, first) = batch(&mut deliveries, SECOND);
    (31..800).for_each(|at| drop(deliveries.tick(SECOND * at)));
    deliveries.answered(first, Answer::Taken, SECOND * 800);
    assert_eq!(deliveries.take_confirmed(), [(domain(), 2, Proof::RecipientServer)]);
    assert!(deliveries.pings.is_empty());
}

#[test]
fn what_breaks_a_first_contact_begins_it_anew() {
    type Break = fn(&mut Deliveries, u64);
    let breaks: [Break; 3] = [
        |deliveries, _| {
            deliveries.link_down();
            deliveries.link_up();
        },
        |deliveries, ping| deliveries.answered(ping, Answer::NotReached, SECOND * 890),
        |deliveries, _| {
            deliveries.not_reached(&domain(), suspect(1, "remote-server-not-found"));
            deliveries.tick(SECOND * 890);
            deliveries.let_go(&domain(), &[], false);
        },
    ];
    for (which, breaks) in breaks.into_iter().enumerate() {
        let mut deliveries = deliveries(1, false);
        let (_, ping) = batch(&mut deliveries, SECOND);
        (2..890).for_each(|at| drop(deliveries.tick(SECOND * at)));
        breaks(&mut deliveries, ping);
        assert_eq!(moved(&mut deliveries, SECOND * 890)[0].first_contact, None);
        // Whatever goes ahead, it is sent again, and waited for as long again.
        let (mut now, mut sent) = (SECOND * 1190, None);
        let asked = loop {
            now += SECOND;
            let (items, _) = write(&mut deliveries, now);
            if items == [1] {
                assert_eq!(sent.replace(now), None, "sent once ({which})");
            }
            let own = |step: &Step| matches!(step, Step::Ping { to: PingTo::OwnServer, .. });
            let steps = deliveries.tick(now);
            if steps.iter().any(own) {
                break now;
            }
            if steps.iter().any(|step| matches!(step, Step::Load { .. })) {
                // Nothing of what it is owed is too old.
                deliveries.let_go(&domain(), &[], false);
            }
            assert!(now < SECOND * 9000, "it is never asked ({which})");
        };
        assert_eq!(sent.map(|sent| asked - sent), Some(SECOND * 900), "{which}");
    }
}

#[test]
fn a_first_contact_goes_on_in_the_next_run() {
    let mut known = Known { domain: "b.example".into(), ..Known::default() };
    let waits = |known: &Known, wall: u64| {
        let mut deliveries = deliveries(1, false);
        deliveries.know(known, wall as i64 * 1000);
        batch(&mut deliveries, SECOND);
        let began = moved(&mut deliveries, SECOND)[0].first_contact;
        let own = |step: &Step| matches!(step, Step::Ping { to: PingTo::OwnServer, .. });
        let after = (1..2000).find(|at| deliveries.tick(SECOND + SECOND * *at).iter().any(own)).unwrap();
        (after, began)
    };
    assert_eq!(waits(&known, 5_000), (900, Some(1_000)));
    known.first_contact = Some(4_500_000);
    assert_eq!(waits(&known, 5_000), (400, Some(-499_000)), "it had 500 s before");
    known.first_contact = Some(0);
    assert_eq!(waits(&known, 5_000).0, 120, "what does not come about comes back by then");
    known.first_contact = Some(9_000_000);
    assert_eq!(waits(&known, 5_000).0, 900, "a clock that steps back shortens nothing");
}

#[test]
fn once_a_first_contact_is_over_it_stays_so_until_the_domain_answers() {
    let mut deliveries = deliveries(1, false);
    batch(&mut deliveries, SECOND);
    let own = own_server_is_asked(&mut deliveries, SECOND * 901);
    deliveries.link_down();
    deliveries.link_up();
    deliveries.answered(own, Answer::Taken, SECOND * 902);
    assert!(!moved(&mut deliveries, SECOND)[0].own_server, "the link broke before it was answered");
    batch(&mut deliveries, SECOND * 902);
    let own = own_server_is_asked(&mut deliveries, SECOND * 1802);
    deliveries.answered(own, Answer::Taken, SECOND * 1803);
    let known = moved(&mut deliveries, SECOND).remove(0);
    assert!(known.own_server && !known.answers_pings && known.confirmed == 1);
    assert_eq!(known.proof(), Some(Proof::OwnServer));
    deliveries.owe(&domain(), 2);
    write(&mut deliveries, SECOND * 1804);
    deliveries.link_down();
    deliveries.link_up();
    let (items, pings) = write(&mut deliveries, SECOND * 1804);
    assert_eq!((items, pings.len()), (vec![2], 2), "a break does not change that");
    deliveries.answered(pings[0].1, Answer::Taken, SECOND * 1805);
    let known = moved(&mut deliveries, SECOND).remove(0);
    assert!(known.answers_pings && !known.own_server);
    deliveries.owe(&domain(), 3);
    batch(&mut deliveries, SECOND * 1806);
}

#[test]
fn a_pong_behind_that_of_ones_own_server_is_heard() {
    let mut deliveries = deliveries(1, false);
    let (_, ping) = batch(&mut deliveries, SECOND);
    let number = own_server_is_asked(&mut deliveries, SECOND * 901);
    deliveries.answered(number, Answer::Taken, SECOND * 902);
    // Under load the next batch is under way by then.
    deliveries.owe(&domain(), 2);
    let (_, pings) = write(&mut deliveries, SECOND * 902);
    deliveries.answered(pings[1].1, Answer::Taken, SECOND * 902);
    assert_eq!(deliveries.ping_target(ping), None, "nothing waits for it any more");
    deliveries.heard("b.example", ping, Answer::NotReached);
    deliveries.heard("b.example", pings[1].1 + 1, Answer::Taken);
    deliveries.heard("c.example", ping, Answer::Taken);
    assert!(!deliveries.answers_pings("b.example"), "not reached, never sent, from elsewhere");
    moved(&mut deliveries, SECOND);
    deliveries.heard("b.example", pings[0].1, Answer::Taken);
    assert!(moved(&mut deliveries, SECOND)[0].answers_pings, "to whichever of the pings it is");
    deliveries.owe(&domain(), 3);
    let (items, ping) = batch(&mut deliveries, SECOND * 904);
    assert_eq!(items, [3], "its own word is waited for again");
    deliveries.answered(ping, Answer::Taken, SECOND * 905);
    assert!(deliveries.pings.is_empty(), "no ping is kept for nothing");
}
