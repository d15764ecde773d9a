//! Standard answers to standard questions, and the polite answer to all others.

use super::stage::{SERIES, Stage, end_is_told, nothing_else, refused_to};

/// Somebody asks the service something.
fn get(from: &str, id: &str, question: &str) -> String {
    format!("<iq type='get' from='{from}/1' to='energy.example.org' id='{id}'>{question}</iq>")
}

/// And has it answered.
fn result(to: &str, id: &str, answer: &str) -> String {
    format!("<iq type='result' from='energy.example.org' to='{to}/1' id='{id}'>{answer}</iq>")
}

/// What a node is, with what is known of it.
fn leaf(node: &str, known: &str) -> String {
    format!(
        "<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>
           <identity category='pubsub' type='leaf'/>
           <feature var='http://jabber.org/protocol/pubsub'/>
           <x xmlns='jabber:x:data' type='result'>
             <field var='FORM_TYPE' type='hidden'>
               <value>http://jabber.org/protocol/pubsub#meta-data</value>
             </field>
             <field var='pubsub#access_model' type='list-single' label='{{any}}'><value>authorize</value></field>
             <field var='pubsub#persist_items' type='boolean' label='{{any}}'><value>0</value></field>
             <field var='pubsub#item_expire' type='text-single' label='{{any}}'><value>0</value></field>
             <field var='pubsub#max_items' type='text-single' label='{{any}}'><value>max</value></field>
             {known}
           </x>
         </query>"
    )
}

/// One line of it, whose name is in Clark notation.
fn known(value: &str) -> String {
    format!("<field var='{{any}}' type='text-single' label='{{any}}'><value>{value}</value></field>")
}

#[tokio::test]
async fn who_are_you() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let anyone = "anyone@far.example";
    peer.ask(
        &get(anyone, "d1", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        &result(
            anyone,
            "d1",
            "<query xmlns='http://jabber.org/protocol/disco#info'>
               <identity category='pubsub' type='service' name='Courant'/>
               <identity category='automation' type='command-list' name='Courant'/>
               <feature var='http://jabber.org/protocol/disco#info'/>
               <feature var='http://jabber.org/protocol/disco#items'/>
               <feature var='urn:xmpp:ping'/>
               <feature var='jabber:iq:version'/>
               <feature var='jabber:iq:last'/>
               <feature var='http://jabber.org/protocol/commands'/>
               <feature var='jabber:x:data'/>
               <feature var='http://jabber.org/protocol/rsm'/>
               <feature var='http://jabber.org/protocol/pubsub'/>
               <feature var='http://jabber.org/protocol/pubsub#config-node'/>
               <feature var='http://jabber.org/protocol/pubsub#config-node-max'/>
               <feature var='http://jabber.org/protocol/pubsub#create-and-configure'/>
               <feature var='http://jabber.org/protocol/pubsub#create-nodes'/>
               <feature var='http://jabber.org/protocol/pubsub#delete-items'/>
               <feature var='http://jabber.org/protocol/pubsub#delete-nodes'/>
               <feature var='http://jabber.org/protocol/pubsub#get-pending'/>
               <feature var='http://jabber.org/protocol/pubsub#instant-nodes'/>
               <feature var='http://jabber.org/protocol/pubsub#item-ids'/>
               <feature var='http://jabber.org/protocol/pubsub#last-published'/>
               <feature var='http://jabber.org/protocol/pubsub#manage-subscriptions'/>
               <feature var='http://jabber.org/protocol/pubsub#member-affiliation'/>
               <feature var='http://jabber.org/protocol/pubsub#meta-data'/>
               <feature var='http://jabber.org/protocol/pubsub#modify-affiliations'/>
               <feature var='http://jabber.org/protocol/pubsub#multi-items'/>
               <feature var='http://jabber.org/protocol/pubsub#outcast-affiliation'/>
               <feature var='http://jabber.org/protocol/pubsub#persistent-items'/>
               <feature var='http://jabber.org/protocol/pubsub#publish'/>
               <feature var='http://jabber.org/protocol/pubsub#publish-only-affiliation'/>
               <feature var='http://jabber.org/protocol/pubsub#publish-options'/>
               <feature var='http://jabber.org/protocol/pubsub#publisher-affiliation'/>
               <feature var='http://jabber.org/protocol/pubsub#purge-nodes'/>
               <feature var='http://jabber.org/protocol/pubsub#retract-items'/>
               <feature var='http://jabber.org/protocol/pubsub#retrieve-affiliations'/>
               <feature var='http://jabber.org/protocol/pubsub#retrieve-default'/>
               <feature var='http://jabber.org/protocol/pubsub#retrieve-default-sub'/>
               <feature var='http://jabber.org/protocol/pubsub#retrieve-items'/>
               <feature var='http://jabber.org/protocol/pubsub#retrieve-subscriptions'/>
               <feature var='http://jabber.org/protocol/pubsub#rsm'/>
               <feature var='http://jabber.org/protocol/pubsub#subscribe'/>
               <feature var='http://jabber.org/protocol/pubsub#subscription-notifications'/>
               <feature var='http://jabber.org/protocol/pubsub#subscription-options'/>
               <feature var='http://jabber.org/protocol/pubsub#access-authorize'/>
             </query>",
        ),
    )
    .await;
    peer.ask(
        &get(anyone, "v1", "<query xmlns='jabber:iq:version'/>"),
        &result(
            anyone,
            "v1",
            "<query xmlns='jabber:iq:version'><name>Courant</name><version>{any}</version></query>",
        ),
    )
    .await;
    let up = peer
        .ask(
            &get(anyone, "l1", "<query xmlns='jabber:iq:last'/>"),
            &result(anyone, "l1", "<query xmlns='jabber:iq:last' seconds='{seconds}'/>"),
        )
        .await;
    assert!(up["seconds"].parse::<u64>().is_ok(), "{up:?}");
    peer.ask(&get(anyone, "p1", "<ping xmlns='urn:xmpp:ping'/>"), &result(anyone, "p1", "")).await;
}

#[tokio::test]
async fn a_series_is_seen_by_those_it_concerns_and_by_no_other() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    stage.cli(&[
        "series",
        "add",
        "urn:dev:town:temperature",
        "--owner",
        "town@city.example",
        "--producer",
        "station@city.example",
        "--open",
        "--title",
        "Roof of the town hall",
    ]);
    let list = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let open =
        "<item jid='energy.example.org' node='urn:dev:town:temperature' name='Roof of the town hall'/>";
    let seen =
        |own: &str| format!("<query xmlns='http://jabber.org/protocol/disco#items'>{own}{open}</query>");
    let camilles = format!("<item jid='energy.example.org' node='{SERIES}'/>");
    let question = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{SERIES}'/>");
    let measures = ["W", "power", "consumption", "electricity-meter", "30001610071843"];
    let leaf = leaf(SERIES, &measures.map(known).concat());
    for someone in ["camille@home.example", "gw@prod.example", "adviser@coop.example"] {
        peer.ask(&get(someone, "i1", list), &result(someone, "i1", &seen(&camilles))).await;
        peer.ask(&get(someone, "n1", &question), &result(someone, "n1", &leaf)).await;
    }
    let not_found = |to: &str, id| refused_to("iq", &format!("{to}/1"), id, "item-not-found", "cancel", "");
    for stranger in ["mallory@evil.example", "other@coop.example", "camille@evil.example"] {
        peer.ask(&get(stranger, "i1", list), &result(stranger, "i1", &seen(""))).await;
        // The same answer, with the same words, whether or not it exists.
        let there = peer.ask(&get(stranger, "n1", &question), &not_found(stranger, "n1")).await;
        let nowhere = "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:dev:nowhere'/>";
        let not_there = peer.ask(&get(stranger, "n2", nowhere), &not_found(stranger, "n2")).await;
        assert_eq!(there["text"], not_there["text"]);
    }

    stage.cli(&["consent", "revoke", &consent]);
    end_is_told(&mut peer, "adviser@coop.example", &consent, "").await;
    let adviser = "adviser@coop.example";
    peer.ask(&get(adviser, "i2", list), &result(adviser, "i2", &seen(""))).await;
    peer.ask(&get(adviser, "n2", &question), &not_found(adviser, "n2")).await;
}

#[tokio::test]
async fn a_series_below_a_registered_prefix_is_seen_by_whom_it_was_consented_to() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:meter:7*", "gw@prod.example");
    stage.consents("adviser@coop.example", &["urn:dev:meter:7/power"], &[]);
    let mut peer = stage.start().await;
    let question = |node| format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
    let (power, voltage) = ("urn:dev:meter:7/power", "urn:dev:meter:7/voltage");
    let adviser = "adviser@coop.example";
    peer.ask(&get(adviser, "n1", &question(power)), &result(adviser, "n1", &leaf(power, ""))).await;
    peer.ask(
        &get(adviser, "n2", &question(voltage)),
        &refused_to("iq", "adviser@coop.example/1", "n2", "item-not-found", "cancel", ""),
    )
    .await;
    let camille = "camille@home.example";
    peer.ask(&get(camille, "n3", &question(voltage)), &result(camille, "n3", &leaf(voltage, ""))).await;
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let pubsub = "http://jabber.org/protocol/pubsub";
    // Nothing is kept here, so there is nothing to fetch, nor to remove.
    for (type_, child) in [
        ("get", format!("<items node='{SERIES}'/>")),
        ("set", format!("<retract node='{SERIES}'><item id='1'/></retract>")),
    ] {
        peer.ask(
            &format!(
                "<iq type='{type_}' from='gw@prod.example/1' to='energy.example.org' id='x'>
                   <pubsub xmlns='{pubsub}'>{child}</pubsub>
                 </iq>"
            ),
            &refused_to(
                "iq",
                "gw@prod.example/1",
                "x",
                "feature-not-implemented",
                "cancel",
                "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='persistent-items'/>",
            ),
        )
        .await;
    }
    for (type_, child) in [("set", "<subscriptions/>"), ("get", "<create node='a'/>")] {
        peer.ask(
            &format!(
                "<iq type='{type_}' from='gw@prod.example/1' to='energy.example.org' id='x'>
                   <pubsub xmlns='{pubsub}'>{child}</pubsub>
                 </iq>"
            ),
            &refused_to("iq", "gw@prod.example/1", "x", "bad-request", "modify", ""),
        )
        .await;
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_not_known_is_unavailable() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    for (type_, child) in [
        ("get", "<query xmlns='jabber:iq:roster'/>"),
        ("set", "<query xmlns='jabber:iq:register'/>"),
        ("get", "<vCard xmlns='vcard-temp'/>"),
        ("get", "<time xmlns='urn:xmpp:time'/>"),
        // The right words in the wrong kind of request.
        ("set", "<ping xmlns='urn:xmpp:ping'/>"),
        ("set", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("get", "<sensml xmlns='urn:ietf:params:xml:ns:senml'/>"),
        ("get", "<query xmlns='urn:xmpp:ping'/>"),
    ] {
        peer.ask(
            &format!(
                "<iq type='{type_}' from='app@far.example/1' to='energy.example.org' id='x'>{child}</iq>"
            ),
            &refused_to("iq", "app@far.example/1", "x", "service-unavailable", "cancel", ""),
        )
        .await;
    }
    nothing_else(&mut peer).await;
}
