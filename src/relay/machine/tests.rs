//! The relay as a whole, step by step.

use jid::BareJid;

use super::super::delivery::{Answer, Patience};
use super::super::pack::Pack;
use super::super::repetitions::Key;
use super::*;
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::subscription::Subscription;
use crate::protocol::publish::Payload;
use crate::store::journal::Prune;

/// An open series, a subscriber at `b.example`, a link.
pub(super) fn relay() -> Relay {
    let settings = Settings {
        jid: "energy.a.example".into(),
        own_server: "a.example".into(),
        installation: "i".into(),
        run: "r".into(),
        headline: false,
        publishes_per_second: 0,
        pack_records: 1000,
        queue_packs: 1000,
        repetitions: 1_000_000,
        repetition_key: Key([1; 16]),
        time_to_live: Duration::from_secs(1000),
        retention: Duration::ZERO,
        patience: Patience {
            ping: Duration::from_secs(30),
            retry_max: Duration::from_secs(300),
            first_contact: Duration::from_secs(900),
        },
    };
    let mut relay = Relay::new(settings, 0);
    relay.apply(series(true));
    let wish = Subscription {
        jid: jid::Jid::new("app@b.example").unwrap(),
        node: Scope::parse("urn:a").unwrap(),
        format: Default::default(),
    };
    relay.apply(Update::Subscription(SubscriptionKey(1), Some(wish)));
    relay.link_up();
    relay
}

fn series(open: bool) -> Update {
    let series = Series {
        name: Scope::parse("urn:a").unwrap(),
        tenures: crate::domain::tenure::Tenures::of("ref:1".parse().unwrap()),
        producers: vec![BareJid::new("gw@a.example").unwrap()],
        open,
        retention: None,
        title: None,
        source: None,
        meta: Default::default(),
        node: Default::default(),
    };
    Update::Series(1, Some(Box::new(series)))
}

pub(super) fn at(seconds: u64) -> Now {
    let wall = jiff::Timestamp::from_second(1_780_000_000 + seconds as i64).unwrap();
    Now { wall, mono: Duration::from_secs(seconds) }
}

fn publish(relay: &mut Relay, item: &str) {
    let reply_to =
        ReplyTo { from: "gw@a.example/1".into(), to: "energy.a.example".into(), id: None, is_iq: true };
    let pack = "<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='urn:a' bt='1.7e9' v='1'/></sensml>";
    let payload = Payload::Sensml(pack.as_bytes().to_vec().into());
    let publish = Publish {
        reply_to,
        sender: BareJid::new("gw@a.example").unwrap(),
        node: Some("urn:a".into()),
        items: vec![(Some(item.into()), payload)],
    };
    relay.publish(publish, at(1)).unwrap();
}

fn commit(relay: &mut Relay) -> Batch {
    let batch = relay.take_batch(at(1)).unwrap();
    relay.committed(true);
    batch
}

/// Everything written, and the loads asked for.
pub(super) fn pump(relay: &mut Relay) -> (String, Vec<Load>) {
    let mut out = Outbox::default();
    let loads = relay.pump(at(2), &mut out, usize::MAX);
    (String::from_utf8(out.to_vec()).unwrap(), loads)
}

#[test]
fn a_repetition_is_not_acknowledged_when_what_it_repeats_was_not_kept() {
    let mut relay = relay();
    publish(&mut relay, "1");
    assert!(relay.take_batch(at(1)).is_some());
    publish(&mut relay, "1");
    publish(&mut relay, "2");
    relay.committed(false);
    // It is tried again when time has passed.
    assert!(relay.take_batch(at(1)).is_none());
    relay.tick(at(1));
    let outcomes = relay.take_settled();
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(|settled| settled.outcome == Err(Refusal::Storage)), "{outcomes:?}");
    publish(&mut relay, "1");
    assert_eq!(commit(&mut relay).rows.len(), 1, "tried again, it is new");
    assert!(relay.take_settled()[0].outcome.is_ok());
}

#[test]
fn what_waits_for_the_journal_is_counted_until_it_is_kept() {
    let mut relay = relay();
    assert_eq!(relay.uncommitted_bytes(), 0);
    publish(&mut relay, "1");
    let one = relay.uncommitted_bytes();
    assert!(one > 100, "{one}");
    assert!(relay.take_batch(at(1)).is_some());
    publish(&mut relay, "2");
    assert_eq!(relay.uncommitted_bytes(), 2 * one, "while it is being written too");
    relay.committed(true);
    assert_eq!(relay.uncommitted_bytes(), one);
    assert!(relay.take_batch(at(1)).is_some());
    relay.committed(false);
    // It is tried again when time has passed.
    assert!(relay.take_batch(at(1)).is_none());
    relay.tick(at(1));
    assert_eq!(relay.uncommitted_bytes(), 0, "it was refused");
    // What is owed to many takes more, and so does what the log is told of it.
    for key in 2..=101 {
        let wish = Subscription {
            jid: jid::Jid::new(&format!("app{key}@b.example")).unwrap(),
            node: Scope::parse("urn:a").unwrap(),
            format: Default::default(),
        };
        relay.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
    }
    publish(&mut relay, "3");
    assert!(relay.uncommitted_bytes() > one + 100 * size_of::<Owed>(), "{}", relay.uncommitted_bytes());
}

#[test]
fn rows_that_do_not_fit_into_memory_together_are_sent_one_after_the_other() {
    let mut relay = relay();
    relay.limit_window(1);
    let rows: Vec<Row> = (1..=5)
        .flat_map(|item| {
            publish(&mut relay, &item.to_string());
            commit(&mut relay).rows
        })
        .collect();
    let mut written = String::new();
    for _ in 0..20 {
        let (text, loads) = pump(&mut relay);
        written += &text;
        if let Some(ping) = text.split("id='b-r-").nth(1) {
            let number = ping.split('\'').next().unwrap();
            relay.iq_answer(&format!("b-r-{number}"), "b.example", Answer::Taken, at(2));
        }
        for load in loads {
            let read = rows.iter().filter(|row| load.seqs.contains(&row.seq)).cloned().collect();
            relay.loaded(&load, read, at(2));
        }
        assert!(relay.in_memory().0 <= 1);
    }
    assert_eq!(relay.waiting(), 0);
    assert_eq!(written.matches("<message").count(), 5, "{written}");
}

#[test]
fn what_no_stanza_carries_is_set_aside_and_its_neighbours_leave() {
    let mut relay = relay();
    relay.limit_window(1);
    let mut rows: Vec<Row> = (1..=3)
        .flat_map(|item| {
            publish(&mut relay, &item.to_string());
            commit(&mut relay).rows
        })
        .collect();
    // From the journal of a version that took it.
    let text = "'".repeat(120_000);
    let json = format!(r#"[{{"n":"urn:a","t":1.7e9,"vs":"{text}"}}]"#);
    rows[1].payload = Pack::read(&Payload::Json(json), 1.7e9, 10).unwrap().to_bytes().unwrap();
    let (mut written, mut letters) = (String::new(), Vec::new());
    for _ in 0..20 {
        let (text, loads) = pump(&mut relay);
        written += &text;
        if let Some(ping) = text.split("id='b-r-").nth(1) {
            let number = ping.split('\'').next().unwrap();
            relay.iq_answer(&format!("b-r-{number}"), "b.example", Answer::Taken, at(2));
        }
        for load in loads {
            let read = rows.iter().filter(|row| load.seqs.contains(&row.seq)).cloned().collect();
            relay.loaded(&load, read, at(2));
        }
        if let Some(batch) = relay.take_batch(at(2)) {
            letters.extend(batch.dead_letters);
            relay.committed(true);
        }
    }
    assert_eq!((relay.waiting(), written.matches("<message").count()), (0, 2), "{written}");
    let letters: Vec<_> = letters.iter().map(|l| (l.seq, &*l.condition, l.retry_at)).collect();
    assert_eq!(letters, [(rows[1].seq, TOO_LARGE, None)]);
}

#[test]
fn nothing_is_left_in_the_window_behind_one_that_waits() {
    let mut relay = relay();
    let wish = Subscription {
        jid: jid::Jid::new("app@down.example").unwrap(),
        node: Scope::parse("urn:a").unwrap(),
        format: Default::default(),
    };
    relay.apply(Update::Subscription(SubscriptionKey(2), Some(wish)));
    publish(&mut relay, "first");
    commit(&mut relay);
    relay.apply(Update::Subscription(SubscriptionKey(2), None));
    for item in 0..100 {
        publish(&mut relay, &item.to_string());
        commit(&mut relay);
        let (text, _) = pump(&mut relay);
        for ping in text.split("to='b.example' id='b-r-").skip(1) {
            let number = ping.split('\'').next().unwrap();
            relay.iq_answer(&format!("b-r-{number}"), "b.example", Answer::Taken, at(2));
        }
    }
    assert!(relay.in_memory().0 <= 2, "{:?}", relay.in_memory());
}

#[test]
fn a_letter_that_nobody_waits_for_goes_even_if_the_first_commit_fails() {
    let mut relay = relay();
    publish(&mut relay, "1");
    let row = commit(&mut relay).rows.remove(0);
    relay.apply(Update::Subscription(SubscriptionKey(1), None));
    relay.revive(7, 1, row.clone(), true, at(1));
    assert_eq!(relay.take_batch(at(1)).unwrap().revived, [7]);
    // One that comes while that is being written fails with it.
    relay.revive(8, 1, row, true, at(1));
    relay.committed(false);
    // It is tried again when time has passed.
    assert!(relay.take_batch(at(1)).is_none());
    relay.tick(at(1));
    assert_eq!(relay.take_batch(at(1)).unwrap().revived, [7, 8]);
}

#[test]
fn open_data_goes_to_all_but_those_it_is_closed_to() {
    let mut relay = relay();
    publish(&mut relay, "1");
    commit(&mut relay);
    let Update::Series(key, Some(mut closed)) = series(true) else { panic!("a registration") };
    closed.node.outcasts.push("app@b.example".parse().unwrap());
    relay.apply(Update::Series(key, Some(closed)));
    assert!(!pump(&mut relay).0.contains("<message"), "not what waits");
    publish(&mut relay, "2");
    assert!(commit(&mut relay).rows[0].owed.is_empty(), "nor what comes");
}

#[test]
fn what_was_queued_of_a_series_stays_when_it_is_open_no_more() {
    let mut relay = relay();
    publish(&mut relay, "1");
    commit(&mut relay);
    relay.apply(series(false));
    assert_eq!(pump(&mut relay), (String::new(), vec![]));
    assert_eq!((relay.counts().withheld, relay.waiting()), (1, 0));
    relay.apply(series(true));
    publish(&mut relay, "2");
    commit(&mut relay);
    let (text, _) = pump(&mut relay);
    assert!(text.contains("basis='open'") && text.contains("<item id='2'"), "{text}");
}

#[test]
fn a_consent_that_stood_beside_the_ended_one_takes_over() {
    use crate::domain::consent::{ConsentKey, State, tests::sample};
    let mut relay = relay();
    relay.apply(series(false));
    let consent = |key: u64, until: &str, state| {
        let mut consent = sample();
        consent.id = uuid::Uuid::from_u128(key.into());
        consent.subject = "ref:1".parse().unwrap();
        consent.recipient = BareJid::new("app@b.example").unwrap();
        consent.scope = vec![Scope::parse("urn:a").unwrap()];
        consent.valid_until = until.parse().unwrap();
        consent.state = state;
        Update::Consent(ConsentKey(key), Some(Box::new(consent)))
    };
    relay.apply(consent(1, "2028-01-01T00:00:00Z", State::Active));
    relay.apply(consent(2, "2027-06-01T00:00:00Z", State::Active));
    publish(&mut relay, "1");
    let batch = commit(&mut relay);
    assert!(matches!(&batch.disclosures[..], [Line::Decided(_), Line::Reserve(_)]), "{batch:?}");
    // A third that is given only now must not have what came before it.
    relay.apply(consent(3, "2028-06-01T00:00:00Z", State::Active));
    relay.apply(consent(1, "2028-01-01T00:00:00Z", State::Withdrawn));
    let (text, _) = pump(&mut relay);
    assert_eq!(text.matches("<message").count(), 1, "{text}");
    assert!(text.contains("consent='00000000-0000-0000-0000-000000000002'"), "{text}");
    let batch = commit(&mut relay);
    let [Line::Dropped(dropped)] = &batch.disclosures[..] else { panic!("{batch:?}") };
    assert_eq!(dropped.consent, Some(ConsentKey(1)));
    // Sent again after the second has ended too: nothing is left that permits it.
    relay.link_down();
    relay.apply(consent(2, "2027-06-01T00:00:00Z", State::Withdrawn));
    relay.link_up();
    assert!(!pump(&mut relay).0.contains("<message"));
}

#[test]
fn a_bounce_of_an_item_that_never_was_means_nothing() {
    let mut relay = relay();
    publish(&mut relay, "1");
    commit(&mut relay);
    let (text, _) = pump(&mut relay);
    answer(&mut relay, &text, Answer::Taken);
    let bounce = |id: &str| Bounce {
        id: id.into(),
        from: "app@b.example".parse().unwrap(),
        condition: "remote-server-timeout".into(),
    };
    relay.bounced(&bounce("i-0-1"));
    assert_eq!(relay.waiting(), 0);
    publish(&mut relay, "2");
    assert!(!matches!(commit(&mut relay).prune, Some(Prune::Range { upto: 2.., .. })), "what is owed stays");
    relay.bounced(&bounce("i-1-1"));
    assert_eq!(relay.waiting(), 2, "what was sent may come back late");
}

/// Answers the ping that was written.
pub(super) fn answer(relay: &mut Relay, text: &str, answer: Answer) {
    let number = text.split("id='b-r-").nth(1).unwrap().split('\'').next().unwrap();
    relay.iq_answer(&format!("b-r-{number}"), "b.example", answer, at(2));
}

#[test]
fn what_is_owed_to_one_that_is_down_for_good_goes_when_its_time_is_over() {
    let mut relay = relay();
    let known = Destination { domain: "b.example".into(), answers_pings: true, ..Destination::default() };
    relay.know_destination(&known, at(1));
    publish(&mut relay, "1");
    let mut rows = commit(&mut relay).rows;
    let (text, _) = pump(&mut relay);
    answer(&mut relay, &text, Answer::NotReached);
    publish(&mut relay, "2");
    rows.extend(commit(&mut relay).rows);
    rows[1].accepted_at += 500_000;
    let look = |relay: &mut Relay, seconds: u64| {
        let mut out = Outbox::default();
        relay.tick(at(seconds));
        let loads = relay.pump(at(seconds), &mut out, usize::MAX);
        assert!(!String::from_utf8(out.to_vec()).unwrap().contains("<message"));
        loads
    };
    assert_eq!(look(&mut relay, 500), []);
    let loads = look(&mut relay, 700);
    assert_eq!(loads.len(), 1);
    relay.loaded(&loads[0], rows.clone(), at(700));
    assert_eq!((relay.waiting(), relay.counts().expired), (2, 0), "it is not over yet");
    assert_eq!(look(&mut relay, 1200), []);
    let loads = look(&mut relay, 1400);
    relay.loaded(&loads[0], rows.clone(), at(1400));
    assert_eq!((relay.waiting(), relay.counts().expired), (1, 1), "the first alone");
    let batch = relay.take_batch(at(1400)).unwrap();
    relay.committed(true);
    assert!(
        matches!(&batch.disclosures[..], [Line::Dropped(dropped)]
        if dropped.why == Why::Expired),
        "{batch:?}"
    );
    relay.tick(at(1401));
    let loads = look(&mut relay, 2100);
    relay.loaded(&loads[0], rows, at(2100));
    assert_eq!((relay.waiting(), relay.counts().expired), (0, 2));
    assert_eq!(relay.take_batch(at(2100)).unwrap().prune, None);
    relay.committed(true);
    relay.tick(at(2110));
    let first_alone = Some(Prune::First { upto: 1 });
    assert_eq!(relay.take_batch(at(2110)).unwrap().prune, first_alone, "ten minutes after its time was over");
}

#[test]
fn what_is_queued_under_a_consent_for_history_alone_stays() {
    use crate::domain::consent::{Modes, tests::sample};
    let mut relay = relay();
    relay.apply(series(false));
    let consent = |modes: Modes| {
        let mut consent = sample();
        consent.subject = "ref:1".parse().unwrap();
        consent.recipient = BareJid::new("app@b.example").unwrap();
        consent.scope = vec![Scope::parse("urn:a").unwrap()];
        consent.modes = modes;
        Update::Consent(ConsentKey(1), Some(Box::new(consent)))
    };
    relay.apply(consent(Modes::BOTH));
    publish(&mut relay, "1");
    assert!(!commit(&mut relay).rows[0].owed.is_empty());
    relay.apply(consent(Modes { notify: false, history: true }));
    assert!(!pump(&mut relay).0.contains("<message"));
    assert_eq!((relay.counts().withheld, relay.waiting()), (1, 0));
}

#[test]
fn what_waited_before_the_start_waits_for_its_turn() {
    let mut relay = relay();
    relay.know_postponed(1, "app@b.example", at(60).wall.as_millisecond(), at(1));
    publish(&mut relay, "2");
    commit(&mut relay);
    assert!(!pump(&mut relay).0.contains("<message"), "one before it came back");
    let batch = relay.take_batch(at(2)).unwrap();
    assert_eq!(batch.dead_letters.iter().map(|letter| &*letter.condition).collect::<Vec<_>>(), [BEHIND]);
}

#[test]
fn letters_taken_up_are_not_remembered_for_ever() {
    let mut relay = relay();
    publish(&mut relay, "1");
    let row = commit(&mut relay).rows.remove(0);
    relay.apply(Update::Subscription(SubscriptionKey(1), None));
    for letter in 1..=70_000 {
        relay.revive(letter, 1, row.clone(), true, at(1));
        if letter % 1000 == 0 {
            commit(&mut relay);
        }
    }
    assert!(relay.revived.len() <= 65_536 && relay.revived.contains(&70_000));
}

#[test]
fn what_is_confirmed_is_under_way_until_the_journal_knows() {
    let mut relay = relay();
    publish(&mut relay, "1");
    commit(&mut relay);
    let (text, _) = pump(&mut relay);
    answer(&mut relay, &text, Answer::Taken);
    assert!(relay.is_under_way(), "whoever stops now would send it again");
    relay.tick(at(3));
    assert_eq!(commit(&mut relay).destinations[0].confirmed, 1);
    assert!(!relay.is_under_way());
}
