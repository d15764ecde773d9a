//! Who may publish what, and in which wrappings.

use super::stage::{
    SERIES, Stage, UNDER_CONSENT, accepted, accepted_at, event, event_of, nothing_else, publish, publish_to,
    refused, refused_to, watts,
};

const ADVISER: &str = "adviser@coop.example";

#[tokio::test]
async fn a_stranger_learns_nothing_about_what_it_sent() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let forbidden = |id: &str| refused_to("iq", "mallory@evil.example/1", id, "forbidden", "auth", "");
    // A good pack, a bad one, one that is none, and none at all: the answer is the same.
    for (id, item) in [
        (
            "p1",
            format!("<item id='x'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml></item>", watts(1)),
        ),
        (
            "p2",
            "<item id='x'><sensml xmlns='urn:ietf:params:xml:ns:senml'><senml v='twelve'/></sensml></item>"
                .into(),
        ),
        ("p3", "<item id='x'><entry xmlns='http://www.w3.org/2005/Atom'/></item>".into()),
        ("p4", String::new()),
    ] {
        let answer = peer
            .ask(
                &format!(
                    "<iq type='set' from='mallory@evil.example/1' to='energy.example.org' id='{id}'>
                       <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                         <publish node='{SERIES}'>{item}</publish>
                       </pubsub>
                     </iq>"
                ),
                &forbidden(id),
            )
            .await;
        assert!(answer["text"].contains("may not publish"), "{}", answer["text"]);
    }
    // Nor without a node, nor to a series that nobody registered.
    peer.ask(
        "<iq type='set' from='mallory@evil.example/1' to='energy.example.org' id='p5'>
           <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml v='twelve'/></sensml>
         </iq>",
        &forbidden("p5"),
    )
    .await;
    peer.ask(
        &publish_to("urn:dev:prm:none", "p6", "x", "<senml n='urn:dev:prm:none' v='1'/>"),
        &refused("p6", "forbidden", "auth", ""),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_record_outside_the_node_refuses_the_whole_pack() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    stage.series("urn:dev:prm:30001610071843_production", "gw@prod.example");
    // The second record belongs to another series, which the gateway may publish too.
    peer.ask(
        &publish(
            "p1",
            "x",
            "<senml bn='urn:dev:prm:30001610071843_' n='consumption/power/active/raw' bt='1763679600' v='1'/>
             <senml n='production' v='2'/>",
        ),
        &refused(
            "p1",
            "bad-request",
            "modify",
            "<invalid-pack xmlns='urn:courant:0' reason='name-outside-node' record='1'/>",
        ),
    )
    .await;
    // Below is on a slash: this one only begins alike.
    peer.ask(
        &publish("p2", "x", &format!("<senml n='{SERIES}er' t='1763679600' v='1'/>")),
        &refused(
            "p2",
            "bad-request",
            "modify",
            "<invalid-pack xmlns='urn:courant:0' reason='name-outside-node' record='0'/>",
        ),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_record_of_another_producer_refuses_the_whole_pack() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    stage.series(&format!("{SERIES}/phase"), "electrician@prod.example");
    let records = format!("{}<senml n='/phase' v='2'/>", watts(1));
    // At or below the node, and yet not the gateway's.
    peer.ask(&publish("p1", "x", &records), &refused("p1", "forbidden", "auth", "")).await;
    // The same without a node.
    peer.ask(
        &format!(
            "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p2'>
               <sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>
             </iq>"
        ),
        &refused("p2", "forbidden", "auth", ""),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_pack_may_come_without_a_node() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    let heat = "urn:dev:meter:7/heat";
    stage.series(heat, "gw@prod.example");
    stage.consents(ADVISER, &[heat], &[]);

    // One series: the result names its node, and the item's id that was made here.
    let kept = peer
        .ask(
            &format!(
                "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p1'>
                   <sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>
                 </iq>",
                watts(1)
            ),
            &accepted("p1", "{item}"),
        )
        .await;
    let delivery = peer.expect(&event(ADVISER, "{item}", &watts(1), UNDER_CONSENT)).await;
    assert_eq!(kept["item"], delivery["item"]);

    // Two: one item per series, under one id.
    peer.ask(
        &format!(
            "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p2'>
               <sensml xmlns='urn:ietf:params:xml:ns:senml'>
                 {}<senml bn='{heat}' bu='J' t='0' v='3'/>
               </sensml>
             </iq>",
            watts(2)
        ),
        "<iq type='result' from='energy.example.org' to='gw@prod.example/1' id='p2'/>",
    )
    .await;
    let joules = format!("<senml bn='{heat}' bt='1763679600' bu='J' v='3'/>");
    let both = peer
        .expect_all(&[
            &event(ADVISER, "{item}", &watts(2), UNDER_CONSENT),
            &event_of(heat, ADVISER, "{item}", &joules, UNDER_CONSENT),
        ])
        .await;
    assert_eq!(both[0]["item"], both[1]["item"]);
    assert_ne!(both[0]["item"], kept["item"]);
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_message_is_answered_only_when_it_is_refused() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    // Its origin id is the item's id; no acknowledgement.
    peer.send(&format!(
        "<message from='gw@prod.example/1' to='energy.example.org' id='m1'>
           <sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>
           <origin-id xmlns='urn:xmpp:sid:0' id='reading-17'/>
         </message>",
        watts(1)
    ))
    .await;
    peer.expect(&event(ADVISER, "reading-17", &watts(1), UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;

    peer.ask(
        &format!(
            "<message from='gw@prod.example/1' to='energy.example.org' id='m2'>
               <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='{SERIES}' v='12,5'/></sensml>
             </message>"
        ),
        &refused_to(
            "message",
            "gw@prod.example/1",
            "m2",
            "bad-request",
            "modify",
            "<invalid-pack xmlns='urn:courant:0' reason='bad-number' record='0'/>",
        ),
    )
    .await;
    peer.ask(
        &format!(
            "<message from='mallory@evil.example/1' to='energy.example.org' id='m3'>
               <sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>
             </message>",
            watts(1)
        ),
        &refused_to("message", "mallory@evil.example/1", "m3", "forbidden", "auth", ""),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn json_is_taken_in_its_container_and_leaves_as_xml() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let json = format!(r#"[{{"bn":"{SERIES}","bt":1763679600,"bu":"W","v":1}},{{"t":1800,"v":2.5}}]"#);
    let records = format!("{}<senml t='1800' v='2.5'/>", watts(1));
    peer.ask(
        &format!(
            "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p1'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <publish node='{SERIES}'>
                   <item id='one'><json xmlns='urn:xmpp:json:0'>{json}</json></item>
                 </publish>
               </pubsub>
             </iq>"
        ),
        &accepted("p1", "one"),
    )
    .await;
    peer.expect(&event(ADVISER, "one", &records, UNDER_CONSENT)).await;
    // And as the direct child.
    peer.send(&format!(
        "<message from='gw@prod.example/1' to='energy.example.org' id='m1'>
           <json xmlns='urn:xmpp:json:0'>{json}</json>
           <origin-id xmlns='urn:xmpp:sid:0' id='two'/>
         </message>"
    ))
    .await;
    peer.expect(&event(ADVISER, "two", &records, UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn several_items_are_taken_all_or_none() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let both = |id: &str, second: &str| {
        format!(
            "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='{id}'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <publish node='{SERIES}'>
                   <item id='one'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml></item>
                   <item id='two'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{second}</sensml></item>
                 </publish>
               </pubsub>
             </iq>",
            watts(1)
        )
    };
    peer.ask(
        &both("p1", "<senml v='2'/>"),
        &refused(
            "p1",
            "bad-request",
            "modify",
            "<invalid-pack xmlns='urn:courant:0' reason='missing-name' record='0'/>",
        ),
    )
    .await;
    nothing_else(&mut peer).await;

    // Nothing was kept of the first try: it is news now.
    peer.ask(
        &both("p2", &watts(2)),
        &format!(
            "<iq type='result' from='energy.example.org' to='gw@prod.example/1' id='p2'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <publish node='{SERIES}'><item id='one'/><item id='two'/></publish>
               </pubsub>
             </iq>"
        ),
    )
    .await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    peer.expect(&event(ADVISER, "two", &watts(2), UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_same_item_again_is_acknowledged_and_a_correction_is_forwarded() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.ask(&publish("p1", "day", &watts(1)), &accepted("p1", "day")).await;
    let first = peer.expect(&event(ADVISER, "day", &watts(1), UNDER_CONSENT)).await;

    peer.ask(&publish("p2", "day", &watts(1)), &accepted("p2", "day")).await;
    nothing_else(&mut peer).await;

    peer.ask(&publish("p3", "day", &watts(2)), &accepted("p3", "day")).await;
    let correction = peer.expect(&event(ADVISER, "day", &watts(2), UNDER_CONSENT)).await;
    assert_ne!(first["id"], correction["id"]);
    // Back to what it was is a correction too.
    peer.ask(&publish("p4", "day", &watts(1)), &accepted("p4", "day")).await;
    peer.expect(&event(ADVISER, "day", &watts(1), UNDER_CONSENT)).await;

    // The same id at another series is another item.
    let below = format!("{SERIES}/below");
    let record = format!("<senml bn='{below}' bt='1763679600' v='1'/>");
    peer.ask(&publish_to(&below, "p5", "day", &record), &refused("p5", "forbidden", "auth", "")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_missing_in_a_publish_is_named() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let sensml = format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>", watts(1));
    for (id, publish, detail) in [
        ("p1", "<publish/>".to_owned(), "nodeid-required"),
        ("p2", format!("<publish node='{SERIES}'/>"), "item-required"),
        ("p3", format!("<publish node='{SERIES}'><item id='x'/></publish>"), "payload-required"),
        (
            "p4",
            format!("<publish node='{SERIES}'><item id='x'>{sensml}{sensml}</item></publish>"),
            "invalid-payload",
        ),
    ] {
        peer.ask(
            &format!(
                "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='{id}'>
                   <pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>
                 </iq>"
            ),
            &refused(
                id,
                "bad-request",
                "modify",
                &format!("<{detail} xmlns='http://jabber.org/protocol/pubsub#errors'/>"),
            ),
        )
        .await;
    }
    // An item without an id gets one.
    let kept = peer
        .ask(
            &format!(
                "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='p5'>
                   <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                     <publish node='{SERIES}'><item>{sensml}</item></publish>
                   </pubsub>
                 </iq>"
            ),
            &accepted_at(SERIES, "p5", "{item}"),
        )
        .await;
    let delivery = peer.expect(&event(ADVISER, "{item}", &watts(1), UNDER_CONSENT)).await;
    assert_eq!(kept["item"], delivery["item"]);
    nothing_else(&mut peer).await;
}
