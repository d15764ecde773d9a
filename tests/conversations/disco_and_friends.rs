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
               <feature var='http://jabber.org/protocol/pubsub'/>
               <feature var='http://jabber.org/protocol/pubsub#publish'/>
               <feature var='http://jabber.org/protocol/pubsub#multi-items'/>
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
    let leaf = format!(
        "<query xmlns='http://jabber.org/protocol/disco#info' node='{SERIES}'>
           <identity category='pubsub' type='leaf'/>
           <feature var='http://jabber.org/protocol/pubsub'/>
         </query>"
    );
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
    let leaf = |node| {
        format!(
            "<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>
               <identity category='pubsub' type='leaf'/>
               <feature var='http://jabber.org/protocol/pubsub'/>
             </query>"
        )
    };
    let (power, voltage) = ("urn:dev:meter:7/power", "urn:dev:meter:7/voltage");
    let adviser = "adviser@coop.example";
    peer.ask(&get(adviser, "n1", &question(power)), &result(adviser, "n1", &leaf(power))).await;
    peer.ask(
        &get(adviser, "n2", &question(voltage)),
        &refused_to("iq", "adviser@coop.example/1", "n2", "item-not-found", "cancel", ""),
    )
    .await;
    let camille = "camille@home.example";
    peer.ask(&get(camille, "n3", &question(voltage)), &result(camille, "n3", &leaf(voltage))).await;
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let pubsub = "http://jabber.org/protocol/pubsub";
    let owner = "http://jabber.org/protocol/pubsub#owner";
    for (type_, namespace, child, feature) in [
        ("set", pubsub, "<create node='urn:a'/>", "create-nodes"),
        ("set", pubsub, "<subscribe node='urn:a' jid='a@b.example'/>", "subscribe"),
        ("set", pubsub, "<unsubscribe node='urn:a' jid='a@b.example'/>", "subscribe"),
        ("get", pubsub, "<items node='urn:a'/>", "retrieve-items"),
        ("set", pubsub, "<retract node='urn:a'><item id='1'/></retract>", "retract-items"),
        ("get", pubsub, "<subscriptions/>", "retrieve-subscriptions"),
        ("get", pubsub, "<affiliations/>", "retrieve-affiliations"),
        ("get", pubsub, "<options node='urn:a' jid='a@b.example'/>", "subscription-options"),
        ("get", owner, "<configure node='urn:a'/>", "config-node"),
        ("set", owner, "<delete node='urn:a'/>", "delete-nodes"),
        ("set", owner, "<purge node='urn:a'/>", "purge-nodes"),
        ("get", owner, "<subscriptions node='urn:a'/>", "manage-subscriptions"),
        ("get", owner, "<affiliations node='urn:a'/>", "modify-affiliations"),
    ] {
        peer.ask(
            &format!(
                "<iq type='{type_}' from='app@far.example/1' to='energy.example.org' id='x'>
                   <pubsub xmlns='{namespace}'>{child}</pubsub>
                 </iq>"
            ),
            &refused_to(
                "iq",
                "app@far.example/1",
                "x",
                "feature-not-implemented",
                "cancel",
                &format!(
                    "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='{feature}'/>"
                ),
            ),
        )
        .await;
    }
    // A publish on conditions is not made without them.
    peer.ask(
        &format!(
            "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='x'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <publish node='{SERIES}'>
                   <item><sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='{SERIES}' v='1'/></sensml></item>
                 </publish>
                 <publish-options/>
               </pubsub>
             </iq>"
        ),
        &refused_to(
            "iq",
            "gw@prod.example/1",
            "x",
            "feature-not-implemented",
            "cancel",
            "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='publish-options'/>",
        ),
    )
    .await;
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
