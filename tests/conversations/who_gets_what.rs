//! One pack, several people: each gets the records that a consent covers, and no other.

use super::stage::{
    SERIES, Stage, UNDER_CONSENT, accepted, accepted_at, barrier, event, event_of, nothing_else, publish,
    publish_to, watts,
};
use crate::support::Pings;

#[tokio::test]
async fn each_recipient_gets_its_own_records() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:meter:7*", "gw@prod.example");
    let (power, voltage) = ("urn:dev:meter:7/power", "urn:dev:meter:7/voltage");
    stage.consents("adviser@coop.example", &[power], &[]);
    stage.consents("grid@coop.example", &[voltage], &[]);
    stage.consents("school@edu.example", &["urn:dev:meter:7/*"], &[]);
    stage.consents("neighbour@home.example", &["urn:dev:meter:8*"], &[]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);

    let records = "<senml bn='urn:dev:meter:7/' n='power' bt='1763679600' u='W' v='342'/>
                   <senml n='voltage' u='V' v='231'/>
                   <senml n='power' u='W' t='60' v='350'/>
                   <senml n='voltage' u='V' t='60' v='232'/>
                   <senml n='current' u='A' t='60' v='1.5'/>";
    let node = "urn:dev:meter:7";
    peer.ask(&publish_to(node, "p1", "one", records), &accepted_at(node, "p1", "one")).await;

    let to = |jid, records| event_of(node, jid, "one", records, UNDER_CONSENT);
    let of_power = format!("<senml bn='{power}' bt='1763679600' bu='W' v='342'/><senml t='60' v='350'/>");
    let of_voltage = format!("<senml bn='{voltage}' bt='1763679600' bu='V' v='231'/><senml t='60' v='232'/>");
    let of_all = "<senml bn='urn:dev:meter:7/' bt='1763679600' n='power' u='W' v='342'/>
                  <senml n='voltage' u='V' v='231'/>
                  <senml n='power' u='W' t='60' v='350'/>
                  <senml n='voltage' u='V' t='60' v='232'/>
                  <senml n='current' u='A' t='60' v='1.5'/>";
    // One barrier per domain; the two at coop.example share theirs.
    peer.expect_all(&[
        &to("adviser@coop.example", &of_power),
        &to("grid@coop.example", &of_voltage),
        &to("school@edu.example", of_all),
        &barrier("coop.example"),
        &barrier("edu.example"),
    ])
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn who_subscribes_to_a_node_gets_what_is_below_it() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:meter:7*", "gw@prod.example");
    let (node, adviser) = ("urn:dev:meter:7", "adviser@coop.example");
    // The consent reaches further than the subscription to the node.
    stage.consents(adviser, &["urn:dev:meter:*"], &["--no-subscribe"]);
    let mut peer = stage.start().await;
    peer.ask(
        &format!(
            "<iq type='set' from='{adviser}/1' to='energy.example.org' id='s1'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='{node}' jid='{adviser}'/></pubsub>
             </iq>"
        ),
        &format!(
            "<iq type='result' from='energy.example.org' to='{adviser}/1' id='s1'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <subscription node='{node}' jid='{adviser}' subscription='subscribed'/>
               </pubsub>
             </iq>"
        ),
    )
    .await;

    let records = "<senml bn='urn:dev:meter:7' bt='1763679600' bu='W' v='1'/>
                   <senml n='/power' v='2'/><senml n='/power/active' v='3'/>";
    peer.ask(&publish_to(node, "p1", "one", records), &accepted_at(node, "p1", "one")).await;
    peer.expect(&event_of(node, adviser, "one", records, UNDER_CONSENT)).await;

    // Below on a slash: the neighbour's name only begins the same way.
    let at = |name: &str| format!("<senml bn='{name}' bt='1763679600' bu='W' v='4'/>");
    let (below, beside) = ("urn:dev:meter:7/power", "urn:dev:meter:77");
    peer.ask(&publish_to(below, "p2", "two", &at(below)), &accepted_at(below, "p2", "two")).await;
    peer.expect(&event_of(below, adviser, "two", &at(below), UNDER_CONSENT)).await;
    peer.ask(&publish_to(beside, "p3", "three", &at(beside)), &accepted_at(beside, "p3", "three")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn records_outside_the_data_window_stay() {
    let mut stage = Stage::home("").await;
    // From 00:30 until before 01:30 UTC.
    stage.consents(
        "adviser@coop.example",
        &[SERIES],
        &["--data-from", "2025-11-21T00:30:00Z", "--data-until", "2025-11-21T02:30:00+01:00"],
    );
    let mut peer = stage.start().await;
    let day = format!(
        "<senml bn='{SERIES}' bt='1763683200' bu='W' v='1'/>
         <senml t='1799.5' v='2'/><senml t='1800' v='3'/><senml t='3600' v='4'/>
         <senml t='5399.5' v='5'/><senml t='5400' v='6'/>"
    );
    peer.ask(&publish("p1", "one", &day), &accepted("p1", "one")).await;
    let inside = format!(
        "<senml bn='{SERIES}' bt='1763685000' bu='W' v='3'/><senml t='1800' v='4'/><senml t='3599.5' v='5'/>"
    );
    peer.expect(&event("adviser@coop.example", "one", &inside, UNDER_CONSENT)).await;

    // Nothing inside: nothing leaves, not even an empty pack.
    let before = format!("<senml bn='{SERIES}' bt='1763683200' bu='W' v='1'/>");
    peer.ask(&publish("p2", "two", &before), &accepted("p2", "two")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn records_that_rest_on_different_consents_leave_in_different_stanzas() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:meter:7*", "gw@prod.example");
    let adviser = "adviser@coop.example";
    let first = stage.consents(adviser, &["urn:dev:meter:7/power"], &[]);
    let second = stage.consents(adviser, &["urn:dev:meter:7/voltage"], &["--retention", "P30D"]);
    let mut peer = stage.start().await;

    let node = "urn:dev:meter:7";
    let records =
        "<senml bn='urn:dev:meter:7/' n='power' bt='1763679600' v='342'/><senml n='voltage' v='231'/>";
    peer.ask(&publish_to(node, "p1", "one", records), &accepted_at(node, "p1", "one")).await;
    let under = |consent: &str, retention: &str| {
        format!(
            "<terms xmlns='urn:courant:0' consent='{consent}' purpose='advice' retention='{retention}'
               expires='{{any}}'/>"
        )
    };
    let both = peer
        .expect_all(&[
            &event_of(
                node,
                adviser,
                "one",
                "<senml bn='urn:dev:meter:7/power' bt='1763679600' v='342'/>",
                &under(&first, "P1Y"),
            ),
            &event_of(
                node,
                adviser,
                "one",
                "<senml bn='urn:dev:meter:7/voltage' bt='1763679600' v='231'/>",
                &under(&second, "P30D"),
            ),
        ])
        .await;
    assert_ne!(both[0]["id"], both[1]["id"]);
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_series_under_two_consents_is_sent_once() {
    let mut stage = Stage::home("[consent]\nmaximum = \"P100Y\"").await;
    let adviser = "adviser@coop.example";
    stage.consents(adviser, &[SERIES], &[]);
    let longer = stage.consents(adviser, &["urn:dev:prm:30001610071843*"], &["--valid-until", "2099-01-01"]);
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let terms = "<terms xmlns='urn:courant:0' consent='{consent}' purpose='advice' retention='P1Y'
                   expires='2099-01-01T00:00:00Z'/>";
    let delivery = peer.expect(&event(adviser, "one", &watts(1), terms)).await;
    assert_eq!(delivery["consent"], longer, "the one that runs longest is named");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn open_data_needs_no_consent_and_says_so() {
    let mut stage = Stage::empty("").await;
    stage.cli(&[
        "series",
        "add",
        SERIES,
        "--owner",
        "camille@home.example",
        "--producer",
        "gw@prod.example",
        "--open",
    ]);
    // Once asked for, it goes on when the consent has ended: none is needed.
    stage.consents("adviser@coop.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let open = "<terms xmlns='urn:courant:0' basis='open'/>";
    peer.expect(&event("adviser@coop.example", "one", &watts(1), open)).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_person_concerned_gets_what_is_theirs() {
    let mut stage = Stage::home("").await;
    stage.consents("camille@home.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let own = "<terms xmlns='urn:courant:0' basis='self'/>";
    peer.expect(&event("camille@home.example", "one", &watts(1), own)).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_consent_without_a_subscription_sends_nothing() {
    let mut stage = Stage::home("").await;
    stage.consents("adviser@coop.example", &[SERIES], &["--no-subscribe"]);
    stage.consents("archive@coop.example", &[SERIES], &["--modes", "history"]);
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_consent_begins_and_ends_by_the_clock() {
    let mut stage = Stage::home("").await;
    stage.consents(
        "later@coop.example",
        &[SERIES],
        &["--valid-from", "2100-01-01", "--valid-until", "2101-01-01"],
    );
    stage.consents(
        "once@coop.example",
        &[SERIES],
        &["--valid-from", "2020-01-01", "--valid-until", "2021-01-01"],
    );
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_consent_counts_from_the_moment_it_is_given() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    nothing_else(&mut peer).await;

    // While the service runs; what was accepted before is not sent under it.
    stage.consents("adviser@coop.example", &[SERIES], &[]);
    nothing_else(&mut peer).await;
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
    peer.expect(&event("adviser@coop.example", "two", &watts(2), UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_domain_may_be_a_recipient() {
    let mut stage = Stage::home("").await;
    stage.consents("coop.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    peer.pings(Pings::Received);
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event("coop.example", "one", &watts(1), UNDER_CONSENT)).await;
    peer.expect(&barrier("coop.example")).await;
    nothing_else(&mut peer).await;
}

/// Whether the recipient may pass it on is part of the terms, by every way in which data leaves.
#[tokio::test]
async fn the_terms_say_what_may_be_passed_on_by_every_way() {
    let mut stage = Stage::empty("").await;
    let (camille, gateway) = ("camille@home.example", "gw@prod.example");
    stage.cli(&["series", "add", SERIES, "--owner", camille, "--producer", gateway, "--retention", "P30D"]);
    stage.consents("relay@coop.example", &[SERIES], &["--onward"]);
    stage.consents("adviser@coop.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    // Also for a consent that the running service learns of.
    let late = stage.consents("late@coop.example", &[SERIES], &["--onward"]);
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let onward = UNDER_CONSENT.replace("/>", " onward='true'/>");
    peer.expect_all(&[
        &event("relay@coop.example", "one", &watts(1), &onward),
        &event("late@coop.example", "one", &watts(1), &onward),
        &event("adviser@coop.example", "one", &watts(1), UNDER_CONSENT),
    ])
    .await;
    let fetched = |set: &str, who: &str, what: &str| {
        format!("<iq type='{set}' from='{who}/1' to='energy.example.org' id='f'>{what}</iq>")
    };
    let items =
        format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{SERIES}'/></pubsub>");
    let archive = format!("<query xmlns='urn:xmpp:mam:2' node='{SERIES}'/>");
    let history = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='get_history' action='execute'>
           <x xmlns='jabber:x:data' type='submit'>
             <field var='identifier'><value>{SERIES}</value></field>
           </x>
         </command>"
    );
    for (who, passes_on) in
        [("relay@coop.example", true), ("late@coop.example", true), ("adviser@coop.example", false)]
    {
        for (set, what) in [("get", &items), ("set", &archive), ("set", &history)] {
            peer.send(&fetched(set, who, what)).await;
            let mut said = String::new();
            while !said.contains(" type='result'") {
                said += &peer.recv().await;
            }
            assert_eq!(said.matches("<terms ").count(), 1, "{said}");
            assert_eq!(said.contains(" onward='true'/>"), passes_on, "{who}: {said}");
        }
    }
    // What is edited so is not passed on any more.
    stage.cli(&["consent", "edit", &late, "--no-onward"]);
    let mut told = String::new();
    while !(told.contains("to='late@coop.example'") && told.contains("to='camille@home.example'")) {
        told += &peer.recv().await;
    }
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
    peer.expect_all(&[
        &event("relay@coop.example", "two", &watts(2), &onward),
        &event("late@coop.example", "two", &watts(2), UNDER_CONSENT),
        &event("adviser@coop.example", "two", &watts(2), UNDER_CONSENT),
    ])
    .await;
}
