//! A consent says "not finer than a day": whole days leave, as one value each, and nothing else.

use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, barrier, event, nothing_else, pong, publish};
use crate::support::{Peer, Pings};

const ADVISER: &str = "adviser@coop.example";

/// Days begin in France.
const PARIS: &str = "[consent]\ntimezone = \"Europe/Paris\"";

/// Half-hours from 2025-11-21T00:00+01:00 on, each with its number as the value.
fn half_hours(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("<senml n='{SERIES}' u='W' t='{}' v='{n}'/>", 1_763_679_600 + n * 1800)).collect()
}

/// A day, counted from the first.
fn day(number: u32, watts: &str) -> (String, String) {
    let id = match number {
        0 => "2025-11-20T23:00:00Z/2025-11-21T23:00:00Z",
        _ => "2025-11-21T23:00:00Z/2025-11-22T23:00:00Z",
    };
    let at = 1_763_679_600 + number * 86_400;
    (id.to_owned(), format!("<senml bn='{SERIES}' bt='{at}' bu='W' v='{watts}'/>"))
}

fn daily(number: u32, watts: &str) -> String {
    let (id, record) = day(number, watts);
    event(ADVISER, &id, &record, UNDER_CONSENT)
}

async fn publishes(peer: &mut Peer, item: &str, range: std::ops::Range<u32>) {
    peer.ask(&publish(item, item, &half_hours(range)), &accepted(item, item)).await;
}

#[tokio::test]
async fn a_whole_day_leaves_at_once_and_others_get_every_half_hour() {
    let mut stage = Stage::home(PARIS).await;
    stage.consents(ADVISER, &[SERIES], &["--granularity", "P1D"]);
    stage.consents("school@edu.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    publishes(&mut peer, "day", 0..48).await;
    peer.expect_all(&[
        &event("school@edu.example", "day", &half_hours(0..48), UNDER_CONSENT),
        &daily(0, "23.5"),
        &barrier("coop.example"),
        &barrier("edu.example"),
    ])
    .await;
    // The same item again is known, and counts for nothing.
    publishes(&mut peer, "day", 0..48).await;
    nothing_else(&mut peer).await;
    let log = stage.cli(&["audit", "export"]);
    let of_adviser: Vec<&str> = log.lines().filter(|line| line.contains(ADVISER)).collect();
    assert!(of_adviser.iter().any(|line| line.contains("finer than the granularity")), "{log}");
    stage.cli(&["audit", "verify"]);
}

#[tokio::test]
async fn half_a_day_stays_until_the_rest_came_though_the_service_was_killed_between() {
    let mut stage = Stage::home(PARIS).await;
    stage.consents(ADVISER, &[SERIES], &["--granularity", "P1D"]);
    let mut peer = stage.start().await;
    publishes(&mut peer, "morning", 0..24).await;
    nothing_else(&mut peer).await;
    stage.courant.kill();
    drop(peer);
    let mut peer = stage.start().await;
    // The gateway is not sure whether it was taken, and repeats it.
    publishes(&mut peer, "morning", 0..24).await;
    publishes(&mut peer, "noon", 24..25).await;
    nothing_else(&mut peer).await;
    stage.courant.kill();
    drop(peer);
    let mut peer = stage.start().await;
    // Under other ids, and some of it twice: every half-hour counts once.
    publishes(&mut peer, "again", 20..30).await;
    publishes(&mut peer, "evening", 30..48).await;
    peer.expect(&daily(0, "23.5")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_day_that_began_before_the_consent_never_leaves() {
    let mut stage = Stage::home(PARIS).await;
    let mut peer = stage.start().await;
    publishes(&mut peer, "night", 0..10).await;
    let consent = stage.consents(ADVISER, &[SERIES], &["--granularity", "P1D"]);
    publishes(&mut peer, "rest", 10..48).await;
    publishes(&mut peer, "tomorrow", 48..95).await;
    nothing_else(&mut peer).await;
    // Nor does one that has a part in which nothing was shared.
    stage.cli(&["consent", "suspend", &consent]);
    two_are_told(&mut peer).await;
    publishes(&mut peer, "last", 95..96).await;
    stage.cli(&["consent", "resume", &consent]);
    two_are_told(&mut peer).await;
    publishes(&mut peer, "next-day", 96..143).await;
    nothing_else(&mut peer).await;
    publishes(&mut peer, "its-last", 143..144).await;
    let record = format!("<senml bn='{SERIES}' bt='1763852400' bu='W' v='119.5'/>");
    let id = "2025-11-22T23:00:00Z/2025-11-23T23:00:00Z";
    peer.expect(&event(ADVISER, id, &record, UNDER_CONSENT)).await;
}

/// Both sides hear of a change of the consent.
async fn two_are_told(peer: &mut Peer) {
    for _ in 0..2 {
        let told = peer.recv().await;
        assert!(told.starts_with("<message") && !told.contains("<event"), "{told}");
    }
}

#[tokio::test]
async fn what_waits_of_a_consent_that_has_become_coarser_stays() {
    let mut stage = Stage::home(PARIS).await;
    let consent = stage.consents(ADVISER, &[SERIES], &["--granularity", "PT1H"]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    publishes(&mut peer, "one", 0..3).await;
    let hour = format!("<senml bn='{SERIES}' bt='1763679600' bu='W' v='0.5'/>");
    let id = "2025-11-20T23:00:00Z/2025-11-21T00:00:00Z";
    peer.expect(&event(ADVISER, id, &hour, UNDER_CONSENT)).await;
    let ping = peer.expect(&barrier("coop.example")).await;
    publishes(&mut peer, "two", 3..4).await;
    stage.cli(&["consent", "edit", &consent, "--granularity", "P1D"]);
    two_are_told(&mut peer).await;
    peer.send(&pong("coop.example", &ping["ping"])).await;
    nothing_else(&mut peer).await;
    let log = stage.cli(&["audit", "export"]);
    assert!(
        log.lines().any(|line| line.contains("withheld") && line.contains("finer than the granularity")),
        "{log}"
    );
    // A longer time is counted from its beginning.
    publishes(&mut peer, "rest", 4..48).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn it_is_written_as_the_recipient_wants_it() {
    let mut stage = Stage::home(PARIS).await;
    stage.consents(ADVISER, &[SERIES], &["--granularity", "P1D", "--no-subscribe"]);
    let mut peer = stage.start().await;
    let commands = "http://jabber.org/protocol/commands";
    peer.ask(
        &format!(
            "<iq type='set' from='{ADVISER}/1' to='energy.example.org' id='c'>
               <command xmlns='{commands}' node='subscribe' action='execute'>
                 <x xmlns='jabber:x:data' type='submit'>
                   <field var='identifier'><value>{SERIES}</value></field>
                 </x>
               </command>
             </iq>"
        ),
        &format!(
            "<iq type='result' from='energy.example.org' to='{ADVISER}/1' id='c'>
               <command xmlns='{commands}' node='subscribe' sessionid='{{any}}' status='completed' xml:lang='en'>
                 <note type='info'>{{note}}</note>
               </command>
             </iq>"
        ),
    )
    .await;
    publishes(&mut peer, "day", 0..48).await;
    let told = peer.recv().await;
    assert!(told.contains("urn:quoalise:0") && told.contains("v='23.5'"), "{told}");
    assert!(told.contains("<terms xmlns='urn:courant:0'"), "{told}");
    assert!(!told.contains("1763681400"), "{told}");
}

/// The first day, half of the second and the third are kept; so much of them may the adviser have.
async fn kept(granularity: &str) -> (Stage, Peer) {
    let mut stage = Stage::empty(PARIS).await;
    let (owner, producer) = ("camille@home.example", "gw@prod.example");
    stage.cli(&["series", "add", SERIES, "--owner", owner, "--producer", producer, "--retention", "P3Y"]);
    stage.consents(ADVISER, &[SERIES], &["--granularity", granularity, "--no-subscribe"]);
    let mut peer = stage.start().await;
    for (item, range) in [("one", 0..48), ("two", 48..72), ("three", 96..144)] {
        publishes(&mut peer, item, range).await;
    }
    (stage, peer)
}

async fn history(peer: &mut Peer, fields: &[(&str, &str)], records: &str) {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let commands = "http://jabber.org/protocol/commands";
    peer.send(&format!(
        "<iq type='set' from='{ADVISER}/1' to='energy.example.org' id='c'>
           <command xmlns='{commands}' node='get_history' action='execute'>
             <x xmlns='jabber:x:data' type='submit'>
               <field var='identifier'><value>{SERIES}</value></field>{fields}
             </x>
           </command>
         </iq>"
    ))
    .await;
    let said = peer.recv().await;
    let (_, rest) = said.split_once("<sensml").unwrap_or_else(|| panic!("no records: {said}"));
    let rest = rest.split_once('>').map_or("", |(_, rest)| rest);
    let got = rest.split_once("</sensml>").map_or("", |(records, _)| records);
    assert_eq!(numbers(got), numbers(records), "{said}");
    assert!(said.contains("<terms xmlns='urn:courant:0'") || got.is_empty(), "{said}");
}

/// Times and values, of records that say both or go on from the first.
fn numbers(records: &str) -> Vec<(f64, f64)> {
    let number = |record: &str, name: &str| -> Option<f64> {
        let (_, rest) = record.split_once(&format!(" {name}='"))?;
        rest.split_once('\'')?.0.parse().ok()
    };
    let mut base = 0.0;
    let of = |record: &str| {
        base = number(record, "bt").unwrap_or(base);
        (base + number(record, "t").unwrap_or(0.0), number(record, "v").unwrap_or(f64::NAN))
    };
    records.split("<senml").skip(1).map(of).collect()
}

#[tokio::test]
async fn history_is_of_whole_periods_that_begin_in_the_time_asked_for() {
    let (stage, mut peer) = kept("P1D").await;
    let of = |days: &[(u32, f64)]| -> String {
        days.iter()
            .map(|(day, v)| format!("<senml bt='{}' v='{v}'/>", 1_763_679_600 + day * 86_400))
            .collect()
    };
    history(&mut peer, &[], &of(&[(0, 23.5), (2, 119.5)])).await;
    // A period counts where it begins, however little of it was asked for.
    let first = [("start_time", "2025-11-21T00:00:00+01:00"), ("end_time", "2025-11-21T00:30:00+01:00")];
    history(&mut peer, &first, &of(&[(0, 23.5)])).await;
    let behind = [("start_time", "2025-11-21T00:30:00+01:00"), ("end_time", "2025-11-22T12:00:00+01:00")];
    history(&mut peer, &behind, "").await;
    // The rest of the second day comes.
    publishes(&mut peer, "rest", 72..96).await;
    history(&mut peer, &[], &of(&[(0, 23.5), (1, 71.5), (2, 119.5)])).await;
    // A correction counts here, though what was sent stays as it was.
    let corrected = half_hours(0..1).replace("v='0'", "v='48'");
    peer.ask(&publish("fix", "fix", &corrected), &accepted("fix", "fix")).await;
    history(&mut peer, &first, &of(&[(0, 24.5)])).await;
    let log = stage.cli(&["audit", "export"]);
    assert!(!log.lines().any(|line| line.contains("\"fetch\"") && line.contains("\"denied\"")), "{log}");
}

#[tokio::test]
async fn history_is_paged_and_by_the_hour() {
    let (_stage, mut peer) = kept("PT1H").await;
    let hours = |hours: std::ops::Range<u32>| -> String {
        let hour = |n: u32| format!("<senml bt='{}' v='{}'/>", 1_763_679_600 + n * 3600, 2 * n) + "";
        hours.filter(|n| !(36..48).contains(n)).map(|n| hour(n).replace("'/>", ".5'/>")).collect()
    };
    history(&mut peer, &[], &hours(0..72)).await;
    let some = [("start_time", "2025-11-21T06:00:00+01:00"), ("end_time", "2025-11-21T09:00:00+01:00")];
    history(&mut peer, &some, &hours(6..9)).await;
}

#[tokio::test]
async fn items_hold_the_whole_periods_that_are_in_them() {
    let (_stage, mut peer) = kept("P1D").await;
    peer.send(&format!(
        "<iq type='get' from='{ADVISER}/1' to='energy.example.org' id='i'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{SERIES}'/></pubsub>
         </iq>"
    ))
    .await;
    let said = peer.recv().await;
    assert!(said.contains("<item id='one'") && said.contains("v='23.5'"), "{said}");
    assert!(said.contains("<item id='three'") && said.contains("v='119.5'"), "{said}");
    assert!(!said.contains("<item id='two'") && said.matches("<senml").count() == 2, "{said}");
}
