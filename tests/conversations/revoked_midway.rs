//! The consent ends while its data is on the way: what has not left stays.

use super::stage::{
    IMPATIENT, Stage, UNDER_CONSENT, accepted, barrier, end_is_told, event, nothing_else, pong, publish,
    watts,
};
use crate::support::{Peer, Pings};

const ADVISER: &str = "adviser@coop.example";

/// Publish one value and see it leave, its ping open; gives the delivery's id and the ping's.
async fn delivered(peer: &mut Peer, to: &str, item: &str, value: u32) -> (String, String) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    let delivery = peer.expect(&event(to, item, &watts(value), UNDER_CONSENT)).await;
    let ping = peer.expect(&barrier("coop.example")).await;
    (delivery["id"].clone(), ping["ping"].clone())
}

/// Publish, and nobody gets it now.
async fn nobody_gets(peer: &mut Peer, item: &str, value: u32) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    nothing_else(peer).await;
}

#[tokio::test]
async fn nothing_is_published_to_whom_was_revoked() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, ADVISER, "before", 1).await;
    peer.send(&pong("coop.example", &ping)).await;

    let said = stage.cli(&["consent", "revoke", &consent, "--reason", "moved house"]);
    assert!(said.contains(&consent), "{said}");
    end_is_told(&mut peer, ADVISER, &consent, "reason='moved house'").await;
    nobody_gets(&mut peer, "after", 2).await;
}

#[tokio::test]
async fn what_was_not_confirmed_is_not_sent_again() {
    let (stage, consent, mut peer) = Stage::with_an_adviser(IMPATIENT).await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, ADVISER, "zero", 0).await;
    peer.send(&pong("coop.example", &ping)).await;

    delivered(&mut peer, ADVISER, "held", 1).await;
    stage.cli(&["consent", "revoke", &consent]);
    end_is_told(&mut peer, ADVISER, &consent, "").await;

    // The pong never came. All that is said is whether the server is there; the pack stays here.
    let probe = peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &probe["ping"])).await;
    nothing_else(&mut peer).await;
    nobody_gets(&mut peer, "after", 2).await;
}

#[tokio::test]
async fn what_waited_in_the_queue_stays_there_even_if_it_is_given_again() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    let (_, ping) = delivered(&mut peer, ADVISER, "one", 1).await;
    nobody_gets(&mut peer, "two", 2).await;
    nobody_gets(&mut peer, "three", 3).await;

    stage.cli(&["consent", "revoke", &consent]);
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    let again = stage.consents(ADVISER, &["urn:dev:prm:30001610071843_consumption/power/active/raw"], &[]);
    assert_ne!(again, consent);

    // What was queued under the one that ended is not owed under the new one.
    peer.send(&pong("coop.example", &ping)).await;
    nothing_else(&mut peer).await;
    delivered(&mut peer, ADVISER, "four", 4).await;
}

#[tokio::test]
async fn another_recipient_is_not_concerned() {
    let mut stage = Stage::home("").await;
    let series = ["urn:dev:prm:30001610071843_consumption/power/active/raw"];
    let consent = stage.consents(ADVISER, &series, &[]);
    stage.consents("school@coop.example", &series, &[]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);

    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let school = event("school@coop.example", "one", &watts(1), UNDER_CONSENT);
    let both = peer.expect_all(&[&event(ADVISER, "one", &watts(1), UNDER_CONSENT), &school]).await;
    peer.expect(&barrier("coop.example")).await;
    stage.cli(&["consent", "revoke", &consent]);
    end_is_told(&mut peer, ADVISER, &consent, "").await;

    // The whole batch is sent again but for what may not leave any more.
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    let again = peer.expect(&school).await;
    assert_eq!(again["id"], both[1]["id"]);
    let ping = peer.expect(&barrier("coop.example")).await;
    peer.send(&pong("coop.example", &ping["ping"])).await;
    delivered(&mut peer, "school@coop.example", "two", 2).await;
}

#[tokio::test]
async fn revoked_while_the_server_is_away() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    delivered(&mut peer, ADVISER, "one", 1).await;
    nobody_gets(&mut peer, "two", 2).await;
    peer.drop_link().await;
    stage.cli(&["consent", "revoke", &consent]);

    // They are told as soon as there is somebody to tell it to.
    let mut peer = stage.server.accept().await;
    peer.pings(Pings::Received);
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    nobody_gets(&mut peer, "three", 3).await;
}

#[tokio::test]
async fn revoked_while_nothing_runs() {
    let (mut stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    delivered(&mut peer, ADVISER, "one", 1).await;
    nobody_gets(&mut peer, "two", 2).await;
    stage.courant.kill();
    stage.cli(&["consent", "revoke", &consent]);

    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    nobody_gets(&mut peer, "three", 3).await;
}

#[tokio::test]
async fn what_was_told_is_not_told_again() {
    let (mut stage, consent, mut peer) = Stage::with_an_adviser("").await;
    stage.cli(&["consent", "revoke", &consent]);
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    // Both servers have taken it; what the next process finds to tell, it tells before it answers.
    stage.courant.stop().await;
    drop(peer);
    let mut peer = stage.start().await;
    stage.consents(ADVISER, &["urn:dev:prm:30001610071843_consumption/power/active/raw"], &[]);
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_was_told_into_a_link_that_broke_is_told_again() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    nothing_else(&mut peer).await;
    // It is written, and nobody says that it was taken.
    peer.stop_answering_notices();
    stage.cli(&["consent", "revoke", &consent]);
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    end_is_told(&mut peer, ADVISER, &consent, "").await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn revoked_once_is_revoked() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    stage.cli(&["consent", "revoke", &consent, "--reason", "moved <out>"]);
    end_is_told(&mut peer, ADVISER, &consent, "reason='moved &lt;out>'").await;
    let complaint = stage.cli_fails(&["consent", "revoke", &consent], 1);
    assert!(complaint.contains("revoked"), "{complaint}");
    let shown = stage.cli(&["consent", "show", &consent]);
    assert!(shown.contains("revoked since") && shown.contains("moved <out>"), "{shown}");
    nothing_else(&mut peer).await;
}

/// Ten thousand packs wait for the adviser when Camille withdraws her consent by command: once the command is
/// completed, not one of them leaves.
#[tokio::test]
async fn ten_thousand_packs_stay_where_they_are() {
    const PACKS: usize = 10_000;
    let (_stage, consent, mut peer) = Stage::with_an_adviser("[limits]\npublishes_per_second = 0").await;
    peer.pings(Pings::Held);
    let (mut accepted, mut left) = (0, 0);
    for lot in 0..PACKS / 100 {
        for item in 0..100 {
            let item = format!("i{}", lot * 100 + item);
            peer.send(&publish(&item, &item, &watts(1))).await;
        }
        while accepted < (lot + 1) * 100 {
            let said = peer.recv().await;
            accepted += usize::from(said.contains("type='result'"));
            left += usize::from(said.contains("<items"));
        }
    }
    assert!(left < PACKS / 2, "most of them wait: {left} left");

    peer.send(&format!(
        "<iq type='set' from='camille@home.example/phone' to='energy.example.org' id='w'>
           <command xmlns='http://jabber.org/protocol/commands' node='withdraw-consent'>
             <x xmlns='jabber:x:data' type='submit'><field var='id'><value>{consent}</value></field></x>
           </command>
         </iq>"
    ))
    .await;
    while !peer.recv().await.contains("status='completed'") {}
    peer.pings(Pings::Answered);
    peer.answer_held().await;
    peer.send(&publish("last", "last", &watts(1))).await;
    // Those concerned are told as soon as the journal has it.
    let mut open = vec!["id='last'", "<ended", "to='camille@home.example'"];
    while !open.is_empty() {
        let said = peer.recv().await;
        assert!(!said.contains("<items"), "after the command was completed: {said}");
        open.retain(|words| !said.contains(words));
    }
    nothing_else(&mut peer).await;
}
