//! What is kept is fetched (XEP-0060 §6.5), record by record under consent, and removed.

use super::stage::{SERIES, Stage, accepted, nothing_else, publish, refused_to, watts};
use crate::support::Peer;

pub(super) const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
pub(super) const ADVISER: &str = "adviser@coop.example";
pub(super) const CAMILLE: &str = "camille@home.example";
pub(super) const GATEWAY: &str = "gw@prod.example";

/// Terms in an answer.
pub(super) const TERMS: &str =
    "<terms xmlns='urn:courant:0' consent='{any}' purpose='advice' retention='P1Y' expires='{any}'/>";

fn iq(type_: &str, from: &str, namespace: &str, children: &str) -> String {
    format!(
        "<iq type='{type_}' from='{from}/1' to='energy.example.org' id='x'>
           <pubsub xmlns='{namespace}'>{children}</pubsub>
         </iq>"
    )
}

fn items(to: &str, items: &str, more: &str) -> String {
    format!(
        "<iq type='result' from='energy.example.org' to='{to}/1' id='x'>
           <pubsub xmlns='{PUBSUB}'><items node='{SERIES}'>{items}</items>{more}</pubsub>
         </iq>"
    )
}

pub(super) fn item(id: &str, records: &str) -> String {
    format!(
        "<item id='{id}' publisher='gw@prod.example'>
           <sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>
         </item>"
    )
}

pub(super) fn refused(to: &str, condition: &str, type_: &str, detail: &str) -> String {
    let detail = format!("<{detail} xmlns='http://jabber.org/protocol/pubsub#errors'/>");
    refused_to("iq", &format!("{to}/1"), "x", condition, type_, &detail)
}

/// A day that keeps what comes, and the adviser's consent for it: five items are there.
pub(super) async fn kept(more: &[&str]) -> (Stage, Peer) {
    let mut stage = Stage::empty("").await;
    stage.cli(&["series", "add", SERIES, "--owner", CAMILLE, "--producer", GATEWAY, "--retention", "P30D"]);
    stage.consents(ADVISER, &[SERIES], more);
    let mut peer = stage.start().await;
    for n in 1..=5 {
        let id = format!("i{n}");
        peer.send(&publish(&id, &id, &watts(n))).await;
        peer.expect_all(&[&accepted(&id, &id)]).await;
        if more.is_empty() {
            peer.recv().await;
        }
    }
    (stage, peer)
}

fn all(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|n| item(&format!("i{n}"), &watts(n))).collect()
}

#[tokio::test]
async fn items_are_fetched_under_consent_by_number_by_id_and_in_pages() {
    let (stage, mut peer) = kept(&["--no-subscribe"]).await;
    let ask = format!("<items node='{SERIES}'/>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(1..=5), TERMS)).await;
    // The person concerned, and who published, need no consent.
    peer.ask(&iq("get", CAMILLE, PUBSUB, &ask), &items(CAMILLE, &all(1..=5), "")).await;
    peer.ask(&iq("get", GATEWAY, PUBSUB, &ask), &items(GATEWAY, &all(1..=5), "")).await;
    let newest = format!("<items node='{SERIES}' max_items='2'/>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &newest), &items(ADVISER, &all(4..=5), TERMS)).await;
    let two = format!("<items node='{SERIES}'><item id='i2'/><item id='nowhere'/><item id='i4'/></items>");
    let these = format!("{}{}", all(2..=2), all(4..=4));
    peer.ask(&iq("get", ADVISER, PUBSUB, &two), &items(ADVISER, &these, TERMS)).await;

    let page = |set: &str| {
        format!("<items node='{SERIES}'/><set xmlns='http://jabber.org/protocol/rsm'><max>2</max>{set}</set>")
    };
    let set = |first: u32, last: u32| {
        format!(
            "<set xmlns='http://jabber.org/protocol/rsm'>
               <first index='{}'>i{first}</first><last>i{last}</last><count>5</count>
             </set>{TERMS}",
            first - 1
        )
    };
    for (asked, first, last) in [
        ("", 1, 2),
        ("<after>i2</after>", 3, 4),
        ("<after>i4</after>", 5, 5),
        ("<before/>", 4, 5),
        ("<before>i4</before>", 2, 3),
    ] {
        peer.ask(
            &iq("get", ADVISER, PUBSUB, &page(asked)),
            &items(ADVISER, &all(first..=last), &set(first, last)),
        )
        .await;
    }
    let count =
        format!("<items node='{SERIES}'/><set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set>");
    let only = "<set xmlns='http://jabber.org/protocol/rsm'><count>5</count></set>";
    peer.ask(&iq("get", ADVISER, PUBSUB, &count), &items(ADVISER, "", only)).await;
    peer.ask(
        &iq("get", ADVISER, PUBSUB, &page("<index>2</index>")),
        &refused_to("iq", "adviser@coop.example/1", "x", "feature-not-implemented", "cancel", ""),
    )
    .await;
    let plenty = format!("<items node='{SERIES}' max_items='99999999999999999999'/>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &plenty), &items(ADVISER, &all(1..=5), TERMS)).await;
    // The operator, who sees every series, is told what is not there.
    let nowhere = "<items node='urn:dev:nowhere'/>";
    peer.ask(
        &iq("get", "admin@example.org", PUBSUB, nowhere),
        &refused_to("iq", "admin@example.org/1", "x", "item-not-found", "cancel", ""),
    )
    .await;
    peer.ask(
        &iq("get", ADVISER, PUBSUB, &page("<after>nowhere</after>")),
        &refused_to("iq", "adviser@coop.example/1", "x", "item-not-found", "cancel", ""),
    )
    .await;

    // Strangers get the same answer whether or not it exists.
    for node in [SERIES, "urn:dev:nowhere"] {
        let mallory = "mallory@evil.example";
        peer.ask(
            &iq("get", mallory, PUBSUB, &format!("<items node='{node}'/>")),
            &refused(mallory, "not-authorized", "auth", "not-subscribed"),
        )
        .await;
    }
    // Everything that left, and everything that did not, is in the log.
    let log = stage.cli(&["audit", "export"]);
    assert!(log.lines().filter(|line| line.contains("\"fetch\"")).count() >= 10, "{log}");
    stage.cli(&["audit", "verify"]);
    nothing_else(&mut peer).await;
}

/// One that is larger than an answer may be is passed over with `after`, and keeps no other from being fetched.
#[tokio::test]
async fn an_item_that_fits_into_no_answer_is_refused() {
    let mut stage = Stage::empty("").await;
    stage.cli(&["series", "add", SERIES, "--owner", CAMILLE, "--producer", GATEWAY, "--retention", "P30D"]);
    let mut peer = stage.start().await;
    let records: String = (1..8000).map(|n| format!("<senml t='{n}' v='{n}.125'/>")).collect();
    let pack = format!("<senml bn='{SERIES}' bt='1763679600' bu='W' v='0'/>{records}");
    peer.ask(&publish("p1", "large", &pack), &accepted("p1", "large")).await;
    let ask = |within: &str, set: &str| {
        let rsm = "http://jabber.org/protocol/rsm";
        iq(
            "get",
            CAMILLE,
            PUBSUB,
            &format!("<items node='{SERIES}'>{within}</items><set xmlns='{rsm}'>{set}</set>"),
        )
    };
    let refusal = refused_to("iq", "camille@home.example/1", "x", "policy-violation", "modify", "");
    let told = peer.ask(&ask("", "<before/>"), &refusal).await;
    assert!(told["text"].contains("the item large alone is larger"), "{told:?}");
    peer.ask(&ask("<item id='large'/>", ""), &refusal).await;

    peer.ask(&publish("p2", "small", &watts(2)), &accepted("p2", "small")).await;
    let small = item("small", &watts(2));
    let set = "<set xmlns='http://jabber.org/protocol/rsm'>
                 <first index='1'>small</first><last>small</last><count>2</count>
               </set>";
    peer.ask(&ask("", "<before/>"), &items(CAMILLE, &small, set)).await;
    peer.ask(&ask("", "<max>10</max>"), &refusal).await;
    peer.ask(&ask("", "<max>10</max><after>large</after>"), &items(CAMILLE, &small, set)).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_outside_the_data_window_stays_behind() {
    let (_stage, mut peer) = kept(&[
        "--no-subscribe",
        "--data-from",
        "2025-11-22T00:00:00Z",
        "--data-until",
        "2025-12-01T00:00:00Z",
    ])
    .await;
    let ask = format!("<items node='{SERIES}'/>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, "", "")).await;
}

#[tokio::test]
async fn after_a_kill_what_was_acknowledged_is_kept() {
    let (mut stage, peer) = kept(&["--no-subscribe"]).await;
    stage.courant.kill();
    drop(peer);
    let mut peer = stage.start().await;
    let ask = format!("<items node='{SERIES}' max_items='1'/>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(5..=5), TERMS)).await;
    // A correction replaces, and is the newest.
    peer.ask(&publish("c", "i2", &watts(22)), &accepted("c", "i2")).await;
    let corrected = item("i2", &watts(22));
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &corrected, TERMS)).await;
    let ask = format!("<items node='{SERIES}'><item id='i2'/></items>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &corrected, TERMS)).await;
}

#[tokio::test]
async fn items_are_retracted_by_who_may_and_subscribers_are_told() {
    let (_stage, mut peer) = kept(&[]).await;
    let retract = |ids: &str| format!("<retract node='{SERIES}'>{ids}</retract>");
    let done = |to: &str| format!("<iq type='result' from='energy.example.org' to='{to}/1' id='x'/>");
    peer.ask(
        &iq("set", ADVISER, PUBSUB, &retract("<item id='i1'/>")),
        &refused_to("iq", "adviser@coop.example/1", "x", "forbidden", "auth", ""),
    )
    .await;
    peer.ask(
        &iq("set", GATEWAY, PUBSUB, &retract("<item id='i1'/><item id='i9'/>")),
        &refused_to("iq", "gw@prod.example/1", "x", "item-not-found", "cancel", ""),
    )
    .await;
    peer.ask(
        &iq("set", GATEWAY, PUBSUB, &retract("")),
        &refused(GATEWAY, "bad-request", "modify", "item-required"),
    )
    .await;
    let told = |content: &str| {
        format!(
            "<message type='normal' from='energy.example.org' to='{ADVISER}' id='{{id}}'>
               <event xmlns='http://jabber.org/protocol/pubsub#event'>{content}</event>
             </message>"
        )
    };
    peer.send(&iq("set", GATEWAY, PUBSUB, &retract("<item id='i1'/><item id='i2'/>"))).await;
    peer.expect(&told(&format!("<items node='{SERIES}'><retract id='i1'/><retract id='i2'/></items>"))).await;
    peer.expect(&done(GATEWAY)).await;
    let ask = format!("<items node='{SERIES}'/>");
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(3..=5), TERMS)).await;
    peer.send(&iq("set", CAMILLE, OWNER, &format!("<purge node='{SERIES}'/>"))).await;
    peer.expect(&told(&format!("<purge node='{SERIES}'/>"))).await;
    peer.expect(&done(CAMILLE)).await;
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, "", "")).await;
}

/// What was taken back and is published again, word for word, is no repetition.
#[tokio::test]
async fn a_retracted_item_is_new_when_it_comes_again() {
    let (_stage, mut peer) = kept(&["--no-subscribe"]).await;
    let done = |to: &str| format!("<iq type='result' from='energy.example.org' to='{to}/1' id='x'/>");
    let ask = format!("<items node='{SERIES}'/>");
    let retract = format!("<retract node='{SERIES}'><item id='i5'/></retract>");
    peer.ask(&iq("set", GATEWAY, PUBSUB, &retract), &done(GATEWAY)).await;
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(1..=4), TERMS)).await;
    peer.ask(&publish("p1", "i5", &watts(5)), &accepted("p1", "i5")).await;
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(1..=5), TERMS)).await;

    peer.ask(&iq("set", CAMILLE, OWNER, &format!("<purge node='{SERIES}'/>")), &done(CAMILLE)).await;
    for n in 1..=5 {
        let id = format!("i{n}");
        peer.ask(&publish(&id, &id, &watts(n)), &accepted(&id, &id)).await;
    }
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(1..=5), TERMS)).await;
}

/// The journal has retracted items for a while; a restart does not take what comes again for a repetition of them.
#[tokio::test]
async fn a_retracted_item_is_new_after_a_restart_too() {
    let (mut stage, mut peer) = kept(&["--no-subscribe"]).await;
    let done = |to: &str| format!("<iq type='result' from='energy.example.org' to='{to}/1' id='x'/>");
    let ask = format!("<items node='{SERIES}'/>");
    let retract = format!("<retract node='{SERIES}'><item id='i4'/><item id='i5'/></retract>");
    peer.ask(&iq("set", GATEWAY, PUBSUB, &retract), &done(GATEWAY)).await;
    // One of them comes again before; what is repeated of that one is a repetition.
    peer.ask(&publish("p1", "i4", &watts(4)), &accepted("p1", "i4")).await;
    stage.courant.kill();
    let mut peer = stage.start().await;
    peer.ask(&publish("p2", "i5", &watts(5)), &accepted("p2", "i5")).await;
    peer.ask(&publish("p3", "i4", &watts(4)), &accepted("p3", "i4")).await;
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(1..=5), TERMS)).await;

    peer.ask(&iq("set", CAMILLE, OWNER, &format!("<purge node='{SERIES}'/>")), &done(CAMILLE)).await;
    stage.courant.kill();
    let mut peer = stage.start().await;
    for n in 1..=5 {
        let id = format!("i{n}");
        peer.ask(&publish(&id, &id, &watts(n)), &accepted(&id, &id)).await;
    }
    peer.ask(&iq("get", ADVISER, PUBSUB, &ask), &items(ADVISER, &all(1..=5), TERMS)).await;
}

#[tokio::test]
async fn who_subscribes_is_sent_the_last_item() {
    let (_stage, mut peer) = kept(&["--no-subscribe"]).await;
    peer.send(&iq("set", ADVISER, PUBSUB, &format!("<subscribe node='{SERIES}' jid='{ADVISER}'/>"))).await;
    peer.expect(&format!(
        "<iq type='result' from='energy.example.org' to='{ADVISER}/1' id='x'>
           <pubsub xmlns='{PUBSUB}'>
             <subscription node='{SERIES}' jid='{ADVISER}' subscription='subscribed'/>
           </pubsub>
         </iq>"
    ))
    .await;
    peer.expect(&format!(
        "<message type='normal' from='energy.example.org' to='{ADVISER}' id='{{id}}'>
           <event xmlns='http://jabber.org/protocol/pubsub#event'>
             <items node='{SERIES}'>{}</items>
           </event>
           {TERMS}
           <origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
         </message>",
        item("i5", &watts(5))
    ))
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_publish_on_conditions_is_made_only_if_they_are_met() {
    let (_stage, mut peer) = kept(&["--no-subscribe"]).await;
    let on = |name: &str, value: &str| {
        format!(
            "<publish node='{SERIES}'>{}</publish>
             <publish-options>
               <x xmlns='jabber:x:data' type='submit'>
                 <field var='FORM_TYPE' type='hidden'>
                   <value>http://jabber.org/protocol/pubsub#publish-options</value>
                 </field>
                 <field var='pubsub#{name}'><value>{value}</value></field>
               </x>
             </publish-options>",
            item("i9", &watts(9)).replace("publisher='gw@prod.example'", "")
        )
    };
    for (name, value) in [("access_model", "open"), ("persist_items", "0"), ("nobody_knows", "1")] {
        peer.ask(
            &iq("set", GATEWAY, PUBSUB, &on(name, value)),
            &refused(GATEWAY, "conflict", "cancel", "precondition-not-met"),
        )
        .await;
    }
    peer.ask(&iq("set", GATEWAY, PUBSUB, &on("persist_items", "true")), &accepted("x", "i9")).await;
    nothing_else(&mut peer).await;
}

/// Whoever subscribes is sent the last item as it will be sent the next.
#[tokio::test]
async fn the_last_item_comes_in_the_format_that_was_asked_for_and_says_why() {
    let (_stage, mut peer) = kept(&["--no-subscribe"]).await;
    let wish = |who: &str, format: &str| {
        let options = format!(
            "<options><x xmlns='jabber:x:data' type='submit'>
               <field var='{{urn:courant:0}}format'><value>{format}</value></field>
             </x></options>"
        );
        iq("set", who, PUBSUB, &format!("<subscribe node='{SERIES}' jid='{who}'/>{options}"))
    };
    let subscribed = |who: &str| {
        let line = format!("<subscription node='{SERIES}' jid='{who}' subscription='subscribed'/>");
        format!(
            "<iq type='result' from='energy.example.org' to='{who}/1' id='x'>
               <pubsub xmlns='{PUBSUB}'>{line}</pubsub>
             </iq>"
        )
    };
    let message = |who: &str, content: &str, terms: &str| {
        format!(
            "<message type='normal' from='energy.example.org' to='{who}' id='{{id}}'>
               {content}{terms}<origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
             </message>"
        )
    };
    let event = |payload: &str| {
        format!(
            "<event xmlns='http://jabber.org/protocol/pubsub#event'>
               <items node='{SERIES}'><item id='i5' publisher='{GATEWAY}'>{payload}</item></items>
             </event>"
        )
    };
    let sensml =
        |value: u32| format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>", watts(value));
    let json = "<json xmlns='urn:xmpp:json:0'>{json}</json>";
    peer.ask(&wish(ADVISER, "json"), &subscribed(ADVISER)).await;
    let last = peer.expect(&message(ADVISER, &event(json), TERMS)).await;
    assert!(last["json"].contains("\"v\":5"), "{last:?}");
    let own = "<terms xmlns='urn:courant:0' basis='self'/>";
    peer.ask(&wish(CAMILLE, "quoalise"), &subscribed(CAMILLE)).await;
    let last = peer.recv().await;
    assert!(last.contains("<quoalise xmlns='urn:quoalise:0'><data><meta><device"), "{last}");
    assert!(last.contains(" v='5'") && last.contains("basis='self'") && !last.contains("<event"), "{last}");
    let again =
        |what: &str| iq("set", CAMILLE, PUBSUB, &format!("<{what} node='{SERIES}' jid='{CAMILLE}'/>"));
    peer.send(&again("unsubscribe")).await;
    assert!(peer.recv().await.contains("subscription='none'"));
    peer.ask(&again("subscribe"), &subscribed(CAMILLE)).await;
    peer.expect(&message(CAMILLE, &event(&sensml(5)), own)).await;
    // On a list, that is why.
    let whitelist = format!(
        "<configure node='{SERIES}'><x xmlns='jabber:x:data' type='submit'>
           <field var='pubsub#access_model'><value>whitelist</value></field>
         </x></configure>"
    );
    peer.send(&iq("set", CAMILLE, OWNER, &whitelist)).await;
    assert!(peer.recv().await.contains("type='result'"));
    let member = format!(
        "<affiliations node='{SERIES}'><affiliation jid='nurse@home.example' affiliation='member'/></affiliations>"
    );
    peer.send(&iq("set", CAMILLE, OWNER, &member)).await;
    assert!(peer.recv().await.contains("type='result'"));
    let listed = "<terms xmlns='urn:courant:0' basis='listed'/>";
    for who in ["nurse@home.example", GATEWAY] {
        peer.ask(&wish(who, "pubsub"), &subscribed(who)).await;
        peer.expect(&message(who, &event(&sensml(5)), listed)).await;
    }
    nothing_else(&mut peer).await;
}
