//! Nodes are made, set, subscribed to and deleted (XEP-0060), by whoever may.

use super::stage::{SERIES, Stage, nothing_else, publish, refused_to, watts};
use crate::support::{Peer, matches};

pub(super) const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
pub(super) const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";

/// Everybody may make nodes here, and they keep their items.
const FREE: &str = "[pubsub]\nretention = \"P30D\"";

pub(super) fn iq(type_: &str, from: &str, namespace: &str, child: &str) -> String {
    format!(
        "<iq type='{type_}' from='{from}/1' to='energy.example.org' id='x'>
           <pubsub xmlns='{namespace}'>{child}</pubsub>
         </iq>"
    )
}

/// A result without content.
pub(super) fn done(to: &str) -> String {
    format!("<iq type='result' from='energy.example.org' to='{to}/1' id='x'/>")
}

pub(super) fn result(to: &str, namespace: &str, child: &str) -> String {
    format!(
        "<iq type='result' from='energy.example.org' to='{to}/1' id='x'>
           <pubsub xmlns='{namespace}'>{child}</pubsub>
         </iq>"
    )
}

pub(super) fn refused(to: &str, condition: &str, type_: &str, detail: &str) -> String {
    let detail = match detail {
        "" => String::new(),
        name => format!("<{name} xmlns='http://jabber.org/protocol/pubsub#errors'/>"),
    };
    refused_to("iq", &format!("{to}/1"), "x", condition, type_, &detail)
}

pub(super) fn event(to: &str, content: &str) -> String {
    format!(
        "<message type='normal' from='energy.example.org' to='{to}' id='{{id}}'>
           <event xmlns='http://jabber.org/protocol/pubsub#event'>{content}</event>
         </message>"
    )
}

pub(super) async fn set(peer: &mut Peer, from: &str, namespace: &str, child: &str, answer: &str) {
    peer.ask(&iq("set", from, namespace, child), answer).await;
}

pub(super) async fn get(peer: &mut Peer, from: &str, namespace: &str, child: &str, answer: &str) {
    peer.ask(&iq("get", from, namespace, child), answer).await;
}

pub(super) fn config(fields: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'>
           <field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>{fields}
         </x>"
    )
}

pub(super) fn field(name: &str, value: &str) -> String {
    format!("<field var='pubsub#{name}'><value>{value}</value></field>")
}

pub(super) async fn free() -> (Stage, Peer) {
    let mut stage = Stage::empty(FREE).await;
    stage.courant.set("COURANT_ACCESS__CREATE_NODES", "anyone");
    let peer = stage.start().await;
    (stage, peer)
}

pub(super) const ROMEO: &str = "romeo@home.example";
pub(super) const JULIET: &str = "juliet@coop.example";

#[tokio::test]
async fn a_node_lives_from_its_creation_to_its_deletion() {
    let (_stage, mut peer) = free().await;
    set(&mut peer, ROMEO, PUBSUB, "<create node='urn:x:1'/>", &done(ROMEO)).await;
    set(&mut peer, ROMEO, PUBSUB, "<create node='urn:x:1'/>", &refused(ROMEO, "conflict", "cancel", ""))
        .await;
    set(&mut peer, JULIET, PUBSUB, "<create node='urn:x:1'/>", &refused(JULIET, "conflict", "cancel", ""))
        .await;
    // Without a name, it is given one.
    let made = peer
        .ask(&iq("set", ROMEO, PUBSUB, "<create/>"), &result(ROMEO, PUBSUB, "<create node='{made}'/>"))
        .await;
    let affiliation = |node: &str| format!("<affiliation node='{node}' affiliation='owner'/>");
    let both = format!("{}{}", affiliation(&made["made"]), affiliation("urn:x:1"));
    get(
        &mut peer,
        ROMEO,
        PUBSUB,
        "<affiliations/>",
        &result(ROMEO, PUBSUB, &format!("<affiliations>{both}</affiliations>")),
    )
    .await;
    // Nobody but its owner runs it; whether it is there is nobody's business.
    for node in ["urn:x:1", "urn:x:nowhere"] {
        for (type_, child) in [
            ("get", format!("<configure node='{node}'/>")),
            ("get", format!("<affiliations node='{node}'/>")),
            ("get", format!("<subscriptions node='{node}'/>")),
            ("set", format!("<purge node='{node}'/>")),
            ("set", format!("<delete node='{node}'/>")),
        ] {
            peer.ask(&iq(type_, JULIET, OWNER, &child), &refused(JULIET, "forbidden", "auth", "")).await;
        }
    }
    set(&mut peer, ROMEO, OWNER, "<delete node='urn:x:1'/>", &done(ROMEO)).await;
    set(&mut peer, ROMEO, OWNER, "<delete node='urn:x:1'/>", &refused(ROMEO, "forbidden", "auth", "")).await;
    // To the operator, who sees every node, it is said as XEP-0060 has it.
    let admin = "admin@example.org";
    let gone = refused(admin, "item-not-found", "cancel", "");
    set(&mut peer, admin, OWNER, "<delete node='urn:x:1'/>", &gone).await;
    let bad = refused(ROMEO, "bad-request", "modify", "nodeid-required");
    set(&mut peer, ROMEO, OWNER, "<delete/>", &bad).await;
    set(
        &mut peer,
        ROMEO,
        PUBSUB,
        "<create node='urn:x:*'/>",
        &refused(ROMEO, "not-acceptable", "modify", ""),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn who_may_create_is_the_operators_choice() {
    // Producers under what is registered for them: who is concerned stays who it was.
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:home:*", "gw@prod.example");
    let mut peer = stage.start().await;
    let gateway = "gw@prod.example";
    for (who, node) in [(ROMEO, "urn:x:1"), (ROMEO, "urn:dev:home:1"), (gateway, "urn:x:1")] {
        let create = format!("<create node='{node}'/>");
        set(&mut peer, who, PUBSUB, &create, &refused(who, "forbidden", "auth", "")).await;
    }
    set(&mut peer, gateway, PUBSUB, "<create node='urn:dev:home:1'/>", &done(gateway)).await;
    let list = "<affiliations node='urn:dev:home:1'>
                  <affiliation jid='camille@home.example' affiliation='owner'/>
                  <affiliation jid='gw@prod.example' affiliation='owner'/>
                </affiliations>";
    let asked = "<affiliations node='urn:dev:home:1'/>";
    get(&mut peer, gateway, OWNER, asked, &result(gateway, OWNER, list)).await;
    // The gateway runs the node, but does not decide who may have Camille's data.
    let open =
        format!("<configure node='urn:dev:home:1'>{}</configure>", config(&field("access_model", "open")));
    set(&mut peer, gateway, OWNER, &open, &refused(gateway, "forbidden", "auth", "")).await;
    // Nor does it have her data kept, or kept for longer; less is fine.
    let keep = |value: &str| {
        let form = config(&field("item_expire", value));
        format!("<configure node='urn:dev:home:1'>{form}</configure>")
    };
    set(&mut peer, gateway, OWNER, &keep("86400"), &refused(gateway, "forbidden", "auth", "")).await;
    let persist =
        format!("<configure node='urn:dev:home:1'>{}</configure>", config(&field("persist_items", "1")));
    set(&mut peer, gateway, OWNER, &persist, &refused(gateway, "forbidden", "auth", "")).await;
    let camille = "camille@home.example";
    set(&mut peer, camille, OWNER, &keep("86400"), &done(camille)).await;
    set(&mut peer, gateway, OWNER, &keep("86401"), &refused(gateway, "forbidden", "auth", "")).await;
    set(&mut peer, gateway, OWNER, &keep("3600"), &done(gateway)).await;
    set(&mut peer, camille, OWNER, &open, &done(camille)).await;
}

#[tokio::test]
async fn a_node_is_set_by_a_form() {
    let (_stage, mut peer) = free().await;
    let wishes = [
        field("title", "Balcony"),
        field("max_items", "2"),
        field("item_expire", "3600"),
        field("access_model", "open"),
        field("nobody#knows", "1"),
    ];
    let create = format!("<create node='urn:x:1'/><configure>{}</configure>", config(&wishes.concat()));
    set(&mut peer, ROMEO, PUBSUB, &create, &done(ROMEO)).await;
    let shown = |title: &str, persist: &str, expire: &str| {
        format!(
            "<configure node='urn:x:1'>
               <x xmlns='jabber:x:data' type='form'>
                 <field var='FORM_TYPE' type='hidden'>
                   <value>http://jabber.org/protocol/pubsub#node_config</value>
                 </field>
                 <field var='pubsub#title' type='text-single' label='{{any}}'><value>{title}</value></field>
                 <field var='pubsub#description' type='text-single' label='{{any}}'/>
                 <field var='pubsub#type' type='text-single' label='{{any}}'/>
                 <field var='pubsub#access_model' type='list-single' label='{{any}}'><value>open</value>
                   <option label='authorize'><value>authorize</value></option>
                   <option label='open'><value>open</value></option>
                   <option label='whitelist'><value>whitelist</value></option>
                 </field>
                 <field var='pubsub#publish_model' type='list-single' label='{{any}}'><value>publishers</value>
                   <option label='publishers'><value>publishers</value></option>
                   <option label='open'><value>open</value></option>
                 </field>
                 <field var='pubsub#persist_items' type='boolean' label='{{any}}'><value>{persist}</value></field>
                 <field var='pubsub#item_expire' type='text-single' label='{{any}}'><value>{expire}</value></field>
                 <field var='pubsub#max_items' type='text-single' label='{{any}}'><value>2</value></field>
                 <field var='pubsub#notification_type' type='list-single' label='{{any}}'><value>normal</value>
                   <option label='normal'><value>normal</value></option>
                   <option label='headline'><value>headline</value></option>
                 </field>
                 <field var='pubsub#notify_config' type='boolean' label='{{any}}'><value>0</value></field>
                 <field var='pubsub#notify_delete' type='boolean' label='{{any}}'><value>1</value></field>
                 <field var='pubsub#notify_retract' type='boolean' label='{{any}}'><value>1</value></field>
                 <field var='pubsub#send_last_published_item' type='list-single' label='{{any}}'>
                   <value>on_sub</value>
                   <option label='on_sub'><value>on_sub</value></option>
                   <option label='never'><value>never</value></option>
                 </field>
                 <field var='pubsub#deliver_notifications' type='boolean' label='{{any}}'><value>1</value></field>
                 <field var='pubsub#deliver_payloads' type='boolean' label='{{any}}'><value>1</value></field>
               </x>
             </configure>"
        )
    };
    let asked = "<configure node='urn:x:1'/>";
    get(&mut peer, ROMEO, OWNER, asked, &result(ROMEO, OWNER, &shown("Balcony", "1", "3600"))).await;
    // What is not in the form stays; a boolean may be written out.
    let less = config(&[field("persist_items", "false"), field("title", "Roof")].concat());
    let less = format!("<configure node='urn:x:1'>{less}</configure>");
    set(&mut peer, ROMEO, OWNER, &less, &done(ROMEO)).await;
    get(&mut peer, ROMEO, OWNER, asked, &result(ROMEO, OWNER, &shown("Roof", "0", "0"))).await;
    for (name, value) in [
        ("access_model", "presence"),
        ("persist_items", "maybe"),
        ("max_items", "0"),
        ("item_expire", "soon"),
        ("deliver_payloads", "0"),
        ("publish_model", "subscribers"),
        ("notification_type", "chat"),
    ] {
        let wrong = format!("<configure node='urn:x:1'>{}</configure>", config(&field(name, value)));
        let detail = if name == "access_model" { "unsupported-access-model" } else { "" };
        set(&mut peer, ROMEO, OWNER, &wrong, &refused(ROMEO, "not-acceptable", "modify", detail)).await;
    }
    let form = config(&field("access_model", "roster"));
    let create = format!("<create node='urn:x:2'/><configure>{form}</configure>");
    let unsupported = refused(ROMEO, "not-acceptable", "modify", "unsupported-access-model");
    set(&mut peer, ROMEO, PUBSUB, &create, &unsupported).await;
    get(&mut peer, ROMEO, OWNER, asked, &result(ROMEO, OWNER, &shown("Roof", "0", "0"))).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn subscribing_and_what_is_told_of_a_node() {
    let (_stage, mut peer) = free().await;
    let open = config(&[field("access_model", "open"), field("notify_config", "1")].concat());
    let create = format!("<create node='urn:x:1'/><configure>{open}</configure>");
    set(&mut peer, ROMEO, PUBSUB, &create, &done(ROMEO)).await;
    let wish = "<subscribe node='urn:x:1' jid='juliet@coop.example'/>";
    let is = |state: &str| {
        result(
            JULIET,
            PUBSUB,
            &format!("<subscription node='urn:x:1' jid='juliet@coop.example' subscription='{state}'/>"),
        )
    };
    set(&mut peer, JULIET, PUBSUB, wish, &is("subscribed")).await;
    // Once more is the same one.
    set(&mut peer, JULIET, PUBSUB, wish, &is("subscribed")).await;
    let listed = |to: &str, namespace: &str, node: &str, line: &str| {
        result(to, namespace, &format!("<subscriptions{node}>{line}</subscriptions>"))
    };
    let of_hers = "<subscription node='urn:x:1' jid='juliet@coop.example' subscription='subscribed'/>";
    get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &listed(JULIET, PUBSUB, "", of_hers)).await;
    let hers = "<subscription jid='juliet@coop.example' subscription='subscribed'/>";
    get(
        &mut peer,
        ROMEO,
        OWNER,
        "<subscriptions node='urn:x:1'/>",
        &listed(ROMEO, OWNER, " node='urn:x:1'", hers),
    )
    .await;
    // For others, and as nobody.
    let as_romeo = "<subscribe node='urn:x:1' jid='romeo@home.example'/>";
    set(&mut peer, JULIET, PUBSUB, as_romeo, &refused(JULIET, "bad-request", "modify", "invalid-jid")).await;
    // Options that are not served are refused, and so is a request that nobody knows.
    let option = |name: &str, value: &str| {
        let form = format!("<x xmlns='jabber:x:data' type='submit'>{}</x>", field(name, value));
        format!("<options node='urn:x:1' jid='juliet@coop.example'>{form}</options>")
    };
    for (name, value) in [("digest", "1"), ("nobody_knows", "1"), ("deliver", "0")] {
        let invalid = refused(JULIET, "bad-request", "modify", "invalid-options");
        set(&mut peer, JULIET, PUBSUB, &option(name, value), &invalid).await;
    }
    set(&mut peer, JULIET, PUBSUB, &option("digest", "0"), &done(JULIET)).await;
    peer.send(&iq("get", JULIET, PUBSUB, "<options node='urn:x:1' jid='juliet@coop.example'/>")).await;
    let shown = peer.recv().await;
    assert!(shown.contains("{urn:courant:0}format") && !shown.contains("pubsub#deliver"), "{shown}");
    let detail = "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='unknown'/>";
    let unknown = refused_to("iq", "juliet@coop.example/1", "x", "feature-not-implemented", "cancel", detail);
    set(&mut peer, JULIET, PUBSUB, "<dance/>", &unknown).await;
    // A leaf has no nodes below it; what is not seen is not there.
    for (who, node, there) in [(JULIET, "urn:x:1", true), (JULIET, "urn:x:2", false)] {
        peer.send(&format!(
            "<iq type='get' from='{who}/1' to='energy.example.org' id='x'>
               <query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>
             </iq>"
        ))
        .await;
        let said = peer.recv().await;
        assert_eq!(
            (said.contains("type='result'"), said.contains("item-not-found")),
            (there, !there),
            "{said}"
        );
    }
    for touch in ["unsubscribe", "options"] {
        let as_romeo = format!("<{touch} node='urn:x:1' jid='romeo@home.example'/>");
        set(&mut peer, JULIET, PUBSUB, &as_romeo, &refused(JULIET, "forbidden", "auth", "")).await;
    }
    let nobody = "<subscribe node='urn:x:1'/>";
    set(&mut peer, JULIET, PUBSUB, nobody, &refused(JULIET, "bad-request", "modify", "jid-required")).await;
    let nowhere = "<subscribe jid='juliet@coop.example'/>";
    set(&mut peer, JULIET, PUBSUB, nowhere, &refused(JULIET, "bad-request", "modify", "nodeid-required"))
        .await;

    let roof = format!("<configure node='urn:x:1'>{}</configure>", config(&field("title", "Roof")));
    peer.send(&iq("set", ROMEO, OWNER, &roof)).await;
    peer.expect(&event(JULIET, "<configuration node='urn:x:1'/>")).await;
    peer.expect(&done(ROMEO)).await;
    peer.send(&iq("set", ROMEO, OWNER, "<purge node='urn:x:1'/>")).await;
    peer.expect(&event(JULIET, "<purge node='urn:x:1'/>")).await;
    peer.expect(&done(ROMEO)).await;

    let end = "<unsubscribe node='urn:x:1' jid='juliet@coop.example'/>";
    set(&mut peer, JULIET, PUBSUB, end, &is("none")).await;
    let gone = refused(JULIET, "unexpected-request", "cancel", "not-subscribed");
    set(&mut peer, JULIET, PUBSUB, end, &gone).await;
    set(&mut peer, JULIET, PUBSUB, wish, &is("subscribed")).await;
    // The owner ends it, and she is told.
    let ends = "<subscriptions node='urn:x:1'>
                  <subscription jid='juliet@coop.example' subscription='none'/>
                </subscriptions>";
    peer.send(&iq("set", ROMEO, OWNER, ends)).await;
    let told = "<subscription node='urn:x:1' jid='juliet@coop.example' subscription='none'/>";
    peer.expect(&event(JULIET, told)).await;
    peer.expect(&done(ROMEO)).await;
    set(&mut peer, JULIET, PUBSUB, wish, &is("subscribed")).await;
    peer.send(&iq("set", ROMEO, OWNER, "<delete node='urn:x:1'/>")).await;
    peer.expect(&event(JULIET, "<delete node='urn:x:1'/>")).await;
    peer.expect(&done(ROMEO)).await;
    get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &listed(JULIET, PUBSUB, "", "")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn without_consent_nobody_subscribes_and_nobody_learns_what_there_is() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let adviser = "adviser@coop.example";
    for (node, exists) in [("urn:dev:nowhere", false), (SERIES, true)] {
        let change = |what: &str| format!("<{what} node='{node}' jid='juliet@coop.example'/>");
        let is = |state: &str| {
            let line =
                format!("<subscription node='{node}' jid='juliet@coop.example' subscription='{state}'/>");
            result(JULIET, PUBSUB, &line)
        };
        peer.send(&iq("set", JULIET, PUBSUB, &change("subscribe"))).await;
        let mut said = vec![peer.recv().await];
        if exists {
            said.push(peer.recv().await);
        }
        assert!(said.iter().any(|stanza| matches(&is("pending"), stanza).is_ok()), "{said:?}");
        let asked = |stanza: &String| {
            stanza.contains("to='camille@home.example'") && stanza.contains("pubsub#subscribe_authorization")
        };
        assert_eq!(said.iter().any(asked), exists, "{said:?}");
        let waits = refused(JULIET, "not-authorized", "auth", "pending-subscription");
        set(&mut peer, JULIET, PUBSUB, &change("subscribe"), &waits).await;
        let line = format!("<subscription node='{node}' jid='juliet@coop.example' subscription='pending'/>");
        let listed = result(JULIET, PUBSUB, &format!("<subscriptions>{line}</subscriptions>"));
        get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &listed).await;
        // The request is taken back; those concerned are told of it in their turn.
        peer.send(&iq("set", JULIET, PUBSUB, &change("unsubscribe"))).await;
        loop {
            let stanza = peer.recv().await;
            if matches(&is("none"), &stanza).is_ok() {
                break;
            }
            assert!(stanza.starts_with("<message"), "{stanza}");
        }
    }
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    // With a consent one is subscribed, ends that, and begins again.
    let change = |what: &str| format!("<{what} node='{SERIES}' jid='adviser@coop.example'/>");
    let is = |state: &str| {
        let line =
            format!("<subscription node='{SERIES}' jid='adviser@coop.example' subscription='{state}'/>");
        result(adviser, PUBSUB, &line)
    };
    set(&mut peer, adviser, PUBSUB, &change("unsubscribe"), &is("none")).await;
    set(&mut peer, adviser, PUBSUB, &change("subscribe"), &is("subscribed")).await;
    nothing_else(&mut peer).await;
}

/// Waits until each of these was said, to whom and with which word, in whatever order and among others.
async fn until_said(peer: &mut Peer, wanted: &[(&str, &str)]) {
    let mut heard: Vec<String> = Vec::new();
    let said = |heard: &[String], (to, word): &(&str, &str)| {
        let to = format!("to='{to}'");
        heard.iter().any(|stanza| stanza.contains(&to) && stanza.contains(word))
    };
    while !wanted.iter().all(|one| said(&heard, one)) {
        assert!(heard.len() < 12, "{wanted:?} in {heard:?}");
        heard.push(peer.recv().await);
    }
}

#[tokio::test]
async fn the_owner_sees_who_waits_and_answers_in_the_list() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let (camille, nurse) = ("camille@home.example", "nurse@home.example");
    let line = |jid: &str, state: &str| format!("<subscription jid='{jid}' subscription='{state}'/>");
    let list = |lines: &str| format!("<subscriptions node='{SERIES}'>{lines}</subscriptions>");
    for jid in [JULIET, nurse] {
        let asks = format!("<subscribe node='{SERIES}' jid='{jid}'/>");
        peer.send(&iq("set", jid, PUBSUB, &asks)).await;
        let to = format!("{jid}/1");
        until_said(&mut peer, &[(&to, "pending"), (camille, "subscribe_authorization")]).await;
    }
    let both = line(JULIET, "pending") + &line(nurse, "pending");
    get(&mut peer, camille, OWNER, &list(""), &result(camille, OWNER, &list(&both))).await;
    // The gateway does not run the node; and an answer is a yes or a no.
    let gateway = "gw@prod.example";
    get(&mut peer, gateway, OWNER, &list(""), &refused(gateway, "forbidden", "auth", "")).await;
    let odd = list(&line(JULIET, "pending"));
    set(&mut peer, camille, OWNER, &odd, &refused(camille, "not-acceptable", "modify", "")).await;
    let answers = line(JULIET, "subscribed") + &line(nurse, "none");
    peer.send(&iq("set", camille, OWNER, &list(&answers))).await;
    let done_to = format!("{camille}/1");
    let told = [
        (&*done_to, "type='result'"),
        (JULIET, "subscription='subscribed'"),
        (nurse, "subscription='none'"),
        (camille, "juliet@coop.example"),
    ];
    until_said(&mut peer, &told).await;
    let only = list(&line(JULIET, "subscribed"));
    peer.send(&iq("get", camille, OWNER, &list(""))).await;
    loop {
        let said = peer.recv().await;
        if said.starts_with("<iq") {
            assert!(matches(&result(camille, OWNER, &only), &said).is_ok(), "{said}");
            break;
        }
    }
    peer.send(&publish("p1", "one", &watts(1))).await;
    until_said(&mut peer, &[(JULIET, "<item id='one'")]).await;
}

#[tokio::test]
async fn a_node_that_takes_anything() {
    let mut stage = Stage::empty("[pubsub]\nretention = \"P30D\"\npayloads = \"any\"").await;
    stage.courant.set("COURANT_ACCESS__CREATE_NODES", "anyone");
    let mut peer = stage.start().await;
    let entry =
        |title: &str| format!("<entry xmlns='http://www.w3.org/2005/Atom'><title>{title}</title></entry>");
    let publish = |entry: &str| format!("<publish node='urn:x:1'><item id='1'>{entry}</item></publish>");
    set(&mut peer, ROMEO, PUBSUB, "<create node='urn:x:1'/>", &done(ROMEO)).await;
    // Where consent rests on what is inside, it has to be understood.
    let detail = "<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='payload'/>";
    let refusal = refused_to("iq", &format!("{ROMEO}/1"), "x", "feature-not-implemented", "cancel", detail);
    set(&mut peer, ROMEO, PUBSUB, &publish(&entry("Soliloquy")), &refusal).await;
    let whitelist =
        format!("<configure node='urn:x:1'>{}</configure>", config(&field("access_model", "whitelist")));
    set(&mut peer, ROMEO, OWNER, &whitelist, &done(ROMEO)).await;
    let wish = "<subscribe node='urn:x:1' jid='juliet@coop.example'/>";
    set(&mut peer, JULIET, PUBSUB, wish, &refused(JULIET, "not-allowed", "cancel", "closed-node")).await;
    let listed = "<affiliations node='urn:x:1'>
                    <affiliation jid='juliet@coop.example' affiliation='member'/>
                  </affiliations>";
    set(&mut peer, ROMEO, OWNER, listed, &done(ROMEO)).await;
    let line = "<subscription node='urn:x:1' jid='juliet@coop.example' subscription='subscribed'/>";
    set(&mut peer, JULIET, PUBSUB, wish, &result(JULIET, PUBSUB, line)).await;
    let kept = "<publish node='urn:x:1'><item id='1'/></publish>";
    let item = |title: &str| {
        format!("<items node='urn:x:1'><item id='1' publisher='{ROMEO}'>{}</item></items>", entry(title))
    };
    for title in ["Soliloquy", "Soliloquy, corrected"] {
        set(&mut peer, ROMEO, PUBSUB, &publish(&entry(title)), &result(ROMEO, PUBSUB, kept)).await;
        peer.expect(&format!(
            "<message type='normal' from='energy.example.org' to='{JULIET}' id='{{id}}'>
               <event xmlns='http://jabber.org/protocol/pubsub#event'>{}</event>
               <terms xmlns='urn:courant:0' basis='listed'/>
               <origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
             </message>",
            item(title)
        ))
        .await;
    }
    let fetched = result(JULIET, PUBSUB, &item("Soliloquy, corrected"));
    get(&mut peer, JULIET, PUBSUB, "<items node='urn:x:1'/>", &fetched).await;
    get(&mut peer, JULIET, PUBSUB, "<items node='urn:x:1'><item id='1'/></items>", &fetched).await;
    // Off the list, it is over.
    let off = listed.replace("'member'", "'none'");
    peer.send(&iq("set", ROMEO, OWNER, &off)).await;
    let told = "<subscription node='urn:x:1' jid='juliet@coop.example' subscription='none'/>";
    peer.expect(&event(JULIET, told)).await;
    peer.expect(&done(ROMEO)).await;
    set(&mut peer, ROMEO, PUBSUB, &publish(&entry("Alone")), &result(ROMEO, PUBSUB, kept)).await;
    let closed = refused(JULIET, "not-allowed", "cancel", "closed-node");
    get(&mut peer, JULIET, PUBSUB, "<items node='urn:x:1'/>", &closed).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn nodes_and_subscriptions_are_bounded() {
    let mut stage = Stage::empty(FREE).await;
    stage.courant.set("COURANT_ACCESS__CREATE_NODES", "anyone");
    stage.courant.set("COURANT_LIMITS__NODES", "2");
    stage.courant.set("COURANT_LIMITS__SUBSCRIPTIONS", "1");
    let mut peer = stage.start().await;
    let create = |node: &str| {
        let open = config(&field("access_model", "open"));
        format!("<create node='{node}'/><configure>{open}</configure>")
    };
    for node in ["urn:x:1", "urn:x:2"] {
        set(&mut peer, ROMEO, PUBSUB, &create(node), &done(ROMEO)).await;
    }
    let refusal = refused(ROMEO, "policy-violation", "modify", "max-nodes-exceeded");
    set(&mut peer, ROMEO, PUBSUB, &create("urn:x:3"), &refusal).await;
    let wish = |node: &str, jid: &str| format!("<subscribe node='{node}' jid='{jid}'/>");
    let held = format!("<subscription node='urn:x:1' jid='{JULIET}' subscription='subscribed'/>");
    let subscribed = result(JULIET, PUBSUB, &held);
    set(&mut peer, JULIET, PUBSUB, &wish("urn:x:1", JULIET), &subscribed).await;
    let refusal = refused(JULIET, "policy-violation", "modify", "too-many-subscriptions");
    set(&mut peer, JULIET, PUBSUB, &wish("urn:x:2", JULIET), &refusal).await;
    set(&mut peer, JULIET, PUBSUB, &wish("urn:x:1", &format!("{JULIET}/1")), &refusal).await;
    // Again the same is not one more.
    set(&mut peer, JULIET, PUBSUB, &wish("urn:x:1", JULIET), &subscribed).await;
    nothing_else(&mut peer).await;
}

/// What lies under a prefix is made a node of its own by configuring it: that is creating one.
#[tokio::test]
async fn configuring_below_a_prefix_makes_no_more_nodes_than_creating_does() {
    let camille = "camille@home.example";
    let configure = |node: &str, title: &str| {
        format!("<configure node='{node}'>{}</configure>", config(&field("title", title)))
    };
    let mut stage = Stage::empty("").await;
    stage.courant.set("COURANT_LIMITS__NODES", "2");
    stage.series("urn:x:*", "gw@prod.example");
    let mut peer = stage.start().await;
    // The prefix is one of hers.
    set(&mut peer, camille, OWNER, &configure("urn:x:1", "One"), &done(camille)).await;
    let full = refused(camille, "policy-violation", "modify", "max-nodes-exceeded");
    set(&mut peer, camille, OWNER, &configure("urn:x:2", "Two"), &full).await;
    set(&mut peer, camille, PUBSUB, "<create node='urn:x:2'/>", &full).await;
    set(&mut peer, camille, OWNER, &configure("urn:x:1", "Uno"), &done(camille)).await;
    nothing_else(&mut peer).await;

    let mut stage = Stage::empty("").await;
    stage.courant.set("COURANT_ACCESS__CREATE_NODES", "admins");
    stage.series("urn:x:*", "gw@prod.example");
    stage.series("urn:x:1", "gw@prod.example");
    let mut peer = stage.start().await;
    let forbidden = refused(camille, "forbidden", "auth", "");
    set(&mut peer, camille, OWNER, &configure("urn:x:2", "Two"), &forbidden).await;
    set(&mut peer, camille, OWNER, &configure("urn:x:1", "One"), &done(camille)).await;
    nothing_else(&mut peer).await;
}

/// Who asks by subscribing is subscribed at the address that asked, in the format that was asked for.
#[tokio::test]
async fn the_address_that_asked_is_the_one_that_is_subscribed() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let (camille, full) = ("camille@home.example", "juliet@coop.example/ej");
    let options = |format: &str| {
        format!(
            "<x xmlns='jabber:x:data' type='submit'>
               <field var='{{urn:courant:0}}format'><value>{format}</value></field>
             </x>"
        )
    };
    let change = |what: &str, jid: &str| format!("<{what} node='{SERIES}' jid='{jid}'/>");
    let is = |state: &str| format!("<subscription node='{SERIES}' jid='{full}' subscription='{state}'/>");
    let asks = change("subscribe", full) + &format!("<options>{}</options>", options("quoalise"));
    peer.send(&iq("set", JULIET, PUBSUB, &asks)).await;
    let (mut answered, mut form) = (false, None);
    while !answered || form.is_none() {
        let said = peer.recv().await;
        if said.starts_with("<iq") {
            assert!(matches(&result(JULIET, PUBSUB, &is("pending")), &said).is_ok(), "{said}");
            answered = true;
        } else {
            let asker = format!(
                "<field var='pubsub#subscriber_jid' type='jid-single' label='Recipient'><value>{full}</value>"
            );
            assert!(said.contains(&asker), "{said}");
            form = Some(said);
        }
    }
    // It is listed under that address, and has options.
    let list = result(JULIET, PUBSUB, &format!("<subscriptions>{}</subscriptions>", is("pending")));
    get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &list).await;
    let asked = format!("<subscriptions node='{SERIES}'/>");
    let line = |state: &str| {
        let line = format!("<subscription jid='{full}' subscription='{state}'/>");
        result(camille, OWNER, &format!("<subscriptions node='{SERIES}'>{line}</subscriptions>"))
    };
    get(&mut peer, camille, OWNER, &asked, &line("pending")).await;
    peer.send(&iq("get", JULIET, PUBSUB, &change("options", full))).await;
    let shown = peer.recv().await;
    assert!(shown.contains("<value>quoalise</value><option"), "{shown}");
    let set_json = format!("<options node='{SERIES}' jid='{full}'>{}</options>", options("json"));
    set(&mut peer, JULIET, PUBSUB, &set_json, &done(JULIET)).await;
    let other = "juliet@coop.example/elsewhere";
    let gone = refused(JULIET, "unexpected-request", "cancel", "not-subscribed");
    set(&mut peer, JULIET, PUBSUB, &change("unsubscribe", other), &gone).await;
    // The form is answered for the address that it names.
    peer.send(&format!(
        "<message from='{camille}/1' to='energy.example.org' id='a'>
           <x xmlns='jabber:x:data' type='submit'>
             <field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#subscribe_authorization</value></field>
             <field var='pubsub#node'><value>{SERIES}</value></field>
             <field var='pubsub#subscriber_jid'><value>{full}</value></field>
             <field var='pubsub#allow'><value>1</value></field>
           </x>
         </message>"
    ))
    .await;
    let begins = |state: &str, about: &str| {
        format!(
            "<message type='normal' from='energy.example.org' to='{full}' id='{{id}}'>
               <event xmlns='http://jabber.org/protocol/pubsub#event'>{}</event>{about}
             </message>",
            is(state)
        )
    };
    let receipt = format!(
        "<message type='normal' from='energy.example.org' to='{camille}' id='{{id2}}' xml:lang='en'>
           <body>{{body}}</body>
         </message>"
    );
    let given = "<consent xmlns='urn:courant:0' id='{consent}' state='active' revision='2'/>";
    let told = peer.expect_all(&[&begins("subscribed", given), &receipt]).await;
    let consent = &told[0]["consent"];
    let list = result(JULIET, PUBSUB, &format!("<subscriptions>{}</subscriptions>", is("subscribed")));
    get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &list).await;
    get(&mut peer, camille, OWNER, &asked, &line("subscribed")).await;
    peer.send(&publish("p1", "one", &watts(1))).await;
    until_said(&mut peer, &[(full, "<json xmlns='urn:xmpp:json:0'>")]).await;
    // With the consent it ends, under the same address.
    stage.cli(&["consent", "revoke", consent]);
    let ended = format!("<ended xmlns='urn:courant:0' consent='{consent}' state='revoked'/>");
    peer.expect_all(&[&begins("none", &ended), &receipt]).await;
    // What waits is taken back under the same address too.
    peer.send(&iq("set", JULIET, PUBSUB, &asks)).await;
    until_said(&mut peer, &[("juliet@coop.example/1", "pending"), (camille, full)]).await;
    peer.send(&iq("set", JULIET, PUBSUB, &change("unsubscribe", full))).await;
    until_said(&mut peer, &[("juliet@coop.example/1", "subscription='none'"), (camille, "back")]).await;
}

/// A node that is closed ends the subscriptions of those who have no right to it, and they are told.
#[tokio::test]
async fn who_loses_the_right_to_a_node_is_not_subscribed_any_more() {
    for model in ["authorize", "whitelist"] {
        let mut stage = Stage::home("").await;
        stage.consents("nurse@home.example", &[SERIES], &["--no-subscribe"]);
        let mut peer = stage.start().await;
        let camille = "camille@home.example";
        let access = |model: &str| {
            format!("<configure node='{SERIES}'>{}</configure>", config(&field("access_model", model)))
        };
        set(&mut peer, camille, OWNER, &access("open"), &done(camille)).await;
        for jid in [JULIET, "nurse@home.example", camille] {
            let wish = format!("<subscribe node='{SERIES}' jid='{jid}'/>");
            let line = format!("<subscription node='{SERIES}' jid='{jid}' subscription='subscribed'/>");
            set(&mut peer, jid, PUBSUB, &wish, &result(jid, PUBSUB, &line)).await;
        }
        peer.send(&iq("set", camille, OWNER, &access(model))).await;
        let none = format!("<subscription node='{SERIES}' jid='{JULIET}' subscription='none'/>");
        peer.expect(&event(JULIET, &none)).await;
        peer.expect(&done(camille)).await;
        get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &result(JULIET, PUBSUB, "<subscriptions/>")).await;
        let lines = [camille, "nurse@home.example"]
            .map(|jid| format!("<subscription jid='{jid}' subscription='subscribed'/>"));
        let left = format!("<subscriptions node='{SERIES}'>{}</subscriptions>", lines.concat());
        let asked = format!("<subscriptions node='{SERIES}'/>");
        get(&mut peer, camille, OWNER, &asked, &result(camille, OWNER, &left)).await;
        nothing_else(&mut peer).await;
    }
}

/// What was asked for goes with the node: who waits is told, and nobody is to answer any more.
#[tokio::test]
async fn a_node_that_goes_takes_the_requests_for_it_along() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let (camille, full) = ("camille@home.example", "juliet@coop.example/ej");
    let asks = format!("<subscribe node='{SERIES}' jid='{full}'/>");
    peer.send(&iq("set", JULIET, PUBSUB, &asks)).await;
    until_said(&mut peer, &[("juliet@coop.example/1", "pending"), (camille, "subscribe_authorization")])
        .await;
    peer.send(&iq("set", camille, OWNER, &format!("<delete node='{SERIES}'/>"))).await;
    let to = format!("{camille}/1");
    let delete = format!("<delete node='{SERIES}'/>");
    let told =
        [(&*to, "type='result'"), (full, &*delete), (full, "subscription='none'"), (camille, "deleted")];
    until_said(&mut peer, &told).await;
    get(&mut peer, JULIET, PUBSUB, "<subscriptions/>", &result(JULIET, PUBSUB, "<subscriptions/>")).await;
    let list = stage.cli(&["consent", "list", "--json"]);
    assert!(list.contains("timed-out") && list.contains("the node was deleted"), "{list}");
    nothing_else(&mut peer).await;
}
