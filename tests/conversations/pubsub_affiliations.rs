//! Who is what to a node (XEP-0060 §4.1, §8.9): the person concerned decides it.

use super::pubsub_nodes::{
    JULIET, OWNER, PUBSUB, ROMEO, config, done, event, field, free, get, iq, refused, result, set,
};
use super::stage::{Stage, nothing_else};
use crate::support::Peer;

#[tokio::test]
async fn affiliations_are_changed_all_or_none() {
    let (_stage, mut peer) = free().await;
    set(&mut peer, ROMEO, PUBSUB, "<create node='urn:x:1'/>", &done(ROMEO)).await;
    let change = |lines: &str| format!("<affiliations node='urn:x:1'>{lines}</affiliations>");
    let publisher = "<affiliation jid='juliet@coop.example' affiliation='publisher'/>";
    let no_owner = "<affiliation jid='romeo@home.example' affiliation='none'/>";
    let refusal = refused(ROMEO, "not-acceptable", "modify", "");
    set(&mut peer, ROMEO, OWNER, &change(&format!("{publisher}{no_owner}")), &refusal).await;
    let listed = |lines: &str| {
        let owner = "<affiliation jid='romeo@home.example' affiliation='owner'/>";
        result(ROMEO, OWNER, &format!("<affiliations node='urn:x:1'>{owner}{lines}</affiliations>"))
    };
    let asked = "<affiliations node='urn:x:1'/>";
    get(&mut peer, ROMEO, OWNER, asked, &listed("")).await;
    set(&mut peer, ROMEO, OWNER, &change(publisher), &done(ROMEO)).await;
    get(&mut peer, ROMEO, OWNER, asked, &listed(publisher)).await;
    let outcast = "<affiliation jid='juliet@coop.example' affiliation='outcast'/>";
    set(&mut peer, ROMEO, OWNER, &change(outcast), &done(ROMEO)).await;
    get(&mut peer, ROMEO, OWNER, asked, &listed(outcast)).await;
    let wish = "<subscribe node='urn:x:1' jid='juliet@coop.example'/>";
    set(&mut peer, JULIET, PUBSUB, wish, &refused(JULIET, "forbidden", "auth", "")).await;
    let nothing = "<affiliation jid='juliet@coop.example' affiliation='none'/>";
    set(&mut peer, ROMEO, OWNER, &change(nothing), &done(ROMEO)).await;
    get(&mut peer, ROMEO, OWNER, asked, &listed("")).await;
    // Not more of them than can be looked through for each publish.
    let many = |from: usize| -> String {
        let line = |n| format!("<affiliation jid='a{n}@coop.example' affiliation='outcast'/>");
        change(&(from..from + 600).map(line).collect::<String>())
    };
    set(&mut peer, ROMEO, OWNER, &many(0), &done(ROMEO)).await;
    set(&mut peer, ROMEO, OWNER, &many(600), &refused(ROMEO, "policy-violation", "modify", "")).await;
    nothing_else(&mut peer).await;
}

const NODE: &str = "urn:x:1";

/// Romeo's node, with this access model.
async fn with_node(model: &str) -> (Stage, Peer) {
    let (stage, mut peer) = free().await;
    let create =
        format!("<create node='{NODE}'/><configure>{}</configure>", config(&field("access_model", model)));
    set(&mut peer, ROMEO, PUBSUB, &create, &done(ROMEO)).await;
    (stage, peer)
}

fn line(jid: &str, what: &str) -> String {
    format!("<affiliation jid='{jid}' affiliation='{what}'/>")
}

fn lines(lines: &[(&str, &str)]) -> String {
    let lines: String = lines.iter().map(|(jid, what)| line(jid, what)).collect();
    format!("<affiliations node='{NODE}'>{lines}</affiliations>")
}

fn item(id: &str) -> String {
    format!(
        "<publish node='{NODE}'>
           <item id='{id}'>
             <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='{NODE}' bt='1763679600' v='1'/></sensml>
           </item>
         </publish>"
    )
}

fn kept(id: &str) -> String {
    format!("<publish node='{NODE}'><item id='{id}'/></publish>")
}

fn subscription(jid: &str, state: &str) -> String {
    format!("<subscription node='{NODE}' jid='{jid}' subscription='{state}'/>")
}

#[tokio::test]
async fn publish_only_is_to_publish_and_not_to_read() {
    for model in ["open", "whitelist", "authorize"] {
        let (_stage, mut peer) = with_node(model).await;
        set(&mut peer, ROMEO, PUBSUB, &item("his"), &result(ROMEO, PUBSUB, &kept("his"))).await;
        let hers = [(JULIET, "publish-only")];
        set(&mut peer, ROMEO, OWNER, &lines(&hers), &done(ROMEO)).await;
        let all = result(ROMEO, OWNER, &lines(&[(ROMEO, "owner"), hers[0]]));
        get(&mut peer, ROMEO, OWNER, &lines(&[]), &all).await;
        let own =
            format!("<affiliations><affiliation node='{NODE}' affiliation='publish-only'/></affiliations>");
        get(&mut peer, JULIET, PUBSUB, "<affiliations/>", &result(JULIET, PUBSUB, &own)).await;

        let forbidden = refused(JULIET, "forbidden", "auth", "");
        let wish = format!("<subscribe node='{NODE}' jid='{JULIET}'/>");
        set(&mut peer, JULIET, PUBSUB, &wish, &forbidden).await;
        get(&mut peer, JULIET, PUBSUB, &format!("<items node='{NODE}'/>"), &forbidden).await;
        set(&mut peer, JULIET, PUBSUB, &item("hers"), &result(JULIET, PUBSUB, &kept("hers"))).await;
        // She takes back what is hers only.
        let retract = |id: &str| format!("<retract node='{NODE}'><item id='{id}'/></retract>");
        set(&mut peer, JULIET, PUBSUB, &retract("his"), &forbidden).await;
        set(&mut peer, JULIET, PUBSUB, &retract("hers"), &done(JULIET)).await;
        for child in ["purge", "delete"] {
            set(&mut peer, JULIET, OWNER, &format!("<{child} node='{NODE}'/>"), &forbidden).await;
        }
        nothing_else(&mut peer).await;
    }
}

/// Who read a node that was open to them, and is to publish only, is not subscribed any more.
#[tokio::test]
async fn who_becomes_publish_only_is_told_that_the_subscription_ended() {
    let (_stage, mut peer) = with_node("open").await;
    let wish = format!("<subscribe node='{NODE}' jid='{JULIET}'/>");
    let subscribed = result(JULIET, PUBSUB, &subscription(JULIET, "subscribed"));
    set(&mut peer, JULIET, PUBSUB, &wish, &subscribed).await;
    peer.send(&iq("set", ROMEO, OWNER, &lines(&[(JULIET, "publish-only")]))).await;
    peer.expect(&event(JULIET, &subscription(JULIET, "none"))).await;
    peer.expect(&done(ROMEO)).await;
    set(&mut peer, ROMEO, PUBSUB, &item("his"), &result(ROMEO, PUBSUB, &kept("his"))).await;
    // Nor is she subscribed by others; who is kept out neither.
    for what in ["publish-only", "outcast"] {
        set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, what)]), &done(ROMEO)).await;
        let put = format!(
            "<subscriptions node='{NODE}'><subscription jid='{JULIET}' subscription='subscribed'/></subscriptions>"
        );
        set(&mut peer, ROMEO, OWNER, &put, &refused(ROMEO, "not-acceptable", "modify", "")).await;
    }
    nothing_else(&mut peer).await;
}

/// Who is put off an open node finds it no more than one that is not there, and is not subscribed by any way.
#[tokio::test]
async fn an_outcast_does_not_see_what_is_open_to_others() {
    let (stage, mut peer) = with_node("open").await;
    let disco = |to: &str| {
        format!(
            "<iq type='get' from='{to}/1' to='energy.example.org' id='x'>
               <query xmlns='http://jabber.org/protocol/disco#info' node='{NODE}'/>
             </iq>"
        )
    };
    let subscribe = format!(
        "<iq type='set' from='{JULIET}/1' to='energy.example.org' id='x'>
           <command xmlns='http://jabber.org/protocol/commands' node='subscribe' action='execute'>
             <x xmlns='jabber:x:data' type='submit'>
               <field var='identifier'><value>{NODE}</value></field>
             </x>
           </command>
         </iq>"
    );
    peer.send(&disco(JULIET)).await;
    assert!(peer.recv().await.contains("type='leaf'"));
    set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, "outcast")]), &done(ROMEO)).await;
    peer.ask(&disco(JULIET), &refused(JULIET, "item-not-found", "cancel", "")).await;
    let forbidden = refused(JULIET, "forbidden", "auth", "");
    peer.ask(&subscribe, &forbidden).await;
    // A consent changes nothing of that.
    let consent = ["consent", "add", "--subject", ROMEO, "--recipient", JULIET, "--purpose", "advice"];
    stage.cli(&[&consent[..], &["--scope", NODE, "--no-subscribe"]].concat());
    peer.ask(&subscribe, &forbidden).await;
    let wish = format!("<subscribe node='{NODE}' jid='{JULIET}'/>");
    set(&mut peer, JULIET, PUBSUB, &wish, &forbidden).await;
    nothing_else(&mut peer).await;
}

/// Several run a node; whose data it is, and who decides about it, stays one.
#[tokio::test]
async fn a_second_owner_runs_the_node_and_the_person_concerned_decides() {
    let (_stage, mut peer) = with_node("open").await;
    let nurse = "nurse@home.example";
    set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, "owner")]), &done(ROMEO)).await;
    let both = [(ROMEO, "owner"), (JULIET, "owner")];
    for who in [ROMEO, JULIET] {
        get(&mut peer, who, OWNER, &lines(&[]), &result(who, OWNER, &lines(&both))).await;
    }
    set(&mut peer, JULIET, PUBSUB, &item("hers"), &result(JULIET, PUBSUB, &kept("hers"))).await;
    set(&mut peer, ROMEO, PUBSUB, &item("his"), &result(ROMEO, PUBSUB, &kept("his"))).await;
    let retract = format!("<retract node='{NODE}'><item id='his'/></retract>");
    set(&mut peer, JULIET, PUBSUB, &retract, &done(JULIET)).await;
    set(&mut peer, JULIET, OWNER, &format!("<purge node='{NODE}'/>"), &done(JULIET)).await;
    let configure = |name: &str, value: &str| {
        format!("<configure node='{NODE}'>{}</configure>", config(&field(name, value)))
    };
    set(&mut peer, JULIET, OWNER, &configure("title", "Balcony"), &done(JULIET)).await;
    // Who may have it is not hers to say: neither in the form nor in the list.
    let forbidden = refused(JULIET, "forbidden", "auth", "");
    set(&mut peer, JULIET, OWNER, &configure("access_model", "authorize"), &forbidden).await;
    // Nor who publishes it, one way or the other; as it is, it may be said again.
    set(&mut peer, JULIET, OWNER, &configure("publish_model", "open"), &forbidden).await;
    set(&mut peer, JULIET, OWNER, &configure("publish_model", "publishers"), &done(JULIET)).await;
    set(&mut peer, ROMEO, OWNER, &configure("publish_model", "open"), &done(ROMEO)).await;
    set(&mut peer, JULIET, OWNER, &configure("publish_model", "publishers"), &forbidden).await;
    set(&mut peer, ROMEO, OWNER, &configure("publish_model", "publishers"), &done(ROMEO)).await;
    for what in ["owner", "publisher", "publish-only", "member"] {
        set(&mut peer, JULIET, OWNER, &lines(&[(nurse, what)]), &forbidden).await;
    }
    // Who is to publish only is not let read on the way over keeping them out.
    set(&mut peer, ROMEO, OWNER, &lines(&[(nurse, "publish-only")]), &done(ROMEO)).await;
    for what in ["outcast", "none"] {
        set(&mut peer, JULIET, OWNER, &lines(&[(nurse, what)]), &forbidden).await;
    }
    set(&mut peer, ROMEO, OWNER, &lines(&[(nurse, "none")]), &done(ROMEO)).await;
    set(&mut peer, JULIET, OWNER, &lines(&[(nurse, "outcast")]), &done(JULIET)).await;
    // He stays what he is.
    for (who, what) in [(JULIET, "outcast"), (JULIET, "none"), (ROMEO, "publisher")] {
        let refusal = refused(who, "not-acceptable", "modify", "");
        set(&mut peer, who, OWNER, &lines(&[(ROMEO, what), (JULIET, "owner")]), &refusal).await;
    }
    get(
        &mut peer,
        ROMEO,
        OWNER,
        &lines(&[]),
        &result(ROMEO, OWNER, &lines(&[both[0], both[1], (nurse, "outcast")])),
    )
    .await;
    // She goes, comes back, and is sent away.
    set(&mut peer, JULIET, OWNER, &lines(&[(JULIET, "none")]), &done(JULIET)).await;
    get(&mut peer, JULIET, OWNER, &lines(&[]), &forbidden).await;
    set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, "owner")]), &done(ROMEO)).await;
    set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, "publisher")]), &done(ROMEO)).await;
    get(&mut peer, JULIET, OWNER, &lines(&[]), &forbidden).await;
    // Whom he lets run it may delete it as well.
    set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, "owner")]), &done(ROMEO)).await;
    set(&mut peer, JULIET, OWNER, &format!("<delete node='{NODE}'/>"), &done(JULIET)).await;
    nothing_else(&mut peer).await;
}

/// What exists by publishing is not taken over by another who may publish there.
#[tokio::test]
async fn who_publishes_beside_another_does_not_take_over_what_is_theirs() {
    let mut stage = Stage::empty("").await;
    let (first, second, camille) = ("gw@prod.example", "meter@prod.example", "camille@home.example");
    let producers = ["--producer", first, "--producer", second];
    let register = ["series", "add", "urn:x:*", "--owner", camille];
    stage.cli(&[&register[..], &producers].concat());
    stage.series("urn:y:*", first);
    let mut peer = stage.start().await;
    let at = |name: &str, text: String| text.replace(NODE, name);
    for name in ["urn:x:1", "urn:x:2", "urn:y:1"] {
        set(&mut peer, first, PUBSUB, &at(name, item("i")), &result(first, PUBSUB, &at(name, kept("i"))))
            .await;
    }
    let create = |name: &str| format!("<create node='{name}'/>");
    for who in [second, first] {
        set(&mut peer, who, PUBSUB, &create("urn:x:1"), &refused(who, "conflict", "cancel", "")).await;
    }
    set(&mut peer, second, PUBSUB, &create("urn:x:3"), &done(second)).await;
    // To the person concerned and to an operator it is theirs to have run; who publishes alone takes it from nobody.
    set(&mut peer, camille, PUBSUB, &create("urn:x:1"), &done(camille)).await;
    set(&mut peer, "admin@example.org", PUBSUB, &create("urn:x:2"), &done("admin@example.org")).await;
    set(&mut peer, first, PUBSUB, &create("urn:y:1"), &done(first)).await;
    nothing_else(&mut peer).await;
}

/// Who made a node under somebody's prefix runs it until that person says otherwise.
#[tokio::test]
async fn the_person_concerned_takes_a_node_from_who_made_it() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:x:*", "gw@prod.example");
    let mut peer = stage.start().await;
    let (gateway, camille) = ("gw@prod.example", "camille@home.example");
    let forbidden = refused(gateway, "forbidden", "auth", "");
    let anyone = config(&field("publish_model", "open"));
    let create = format!("<create node='{NODE}'/>");
    let open = format!("{create}<configure>{anyone}</configure>");
    set(&mut peer, gateway, PUBSUB, &open, &forbidden).await;
    set(&mut peer, gateway, PUBSUB, &create, &done(gateway)).await;
    set(&mut peer, camille, OWNER, &lines(&[(gateway, "publisher")]), &done(camille)).await;
    set(&mut peer, gateway, OWNER, &format!("<delete node='{NODE}'/>"), &forbidden).await;
    set(&mut peer, gateway, PUBSUB, &item("i"), &result(gateway, PUBSUB, &kept("i"))).await;
    nothing_else(&mut peer).await;
}

/// Who was put off a node has nothing of it by any way, whatever consents stand; nor of what is below it.
#[tokio::test]
async fn an_outcast_gets_nothing_by_any_way_whatever_consents_stand() {
    let (stage, mut peer) = with_node("authorize").await;
    let below = format!("{NODE}/power");
    set(&mut peer, ROMEO, PUBSUB, &format!("<create node='{below}'/>"), &done(ROMEO)).await;
    for node in [NODE, &below] {
        let keep = format!("<configure node='{node}'>{}</configure>", config(&field("persist_items", "1")));
        set(&mut peer, ROMEO, OWNER, &keep, &done(ROMEO)).await;
    }
    let consent = ["consent", "add", "--subject", ROMEO, "--recipient", JULIET, "--purpose", "advice"];
    stage.cli(&[&consent[..], &["--scope", "urn:x:*"]].concat());
    let publish = |node: &str, id: &str| {
        format!(
            "<publish node='{node}'>
               <item id='{id}'>
                 <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='{node}' bt='1763679600' v='1'/></sensml>
               </item>
             </publish>"
        )
    };
    let kept = |node: &str, id: &str| {
        result(ROMEO, PUBSUB, &format!("<publish node='{node}'><item id='{id}'/></publish>"))
    };
    for node in [NODE, &below] {
        set(&mut peer, ROMEO, PUBSUB, &publish(node, "before"), &kept(node, "before")).await;
        assert!(peer.recv().await.contains("id='before'"), "what is sent before");
    }
    set(&mut peer, ROMEO, OWNER, &lines(&[(JULIET, "outcast")]), &done(ROMEO)).await;
    // Nothing is sent,
    for node in [NODE, &below] {
        set(&mut peer, ROMEO, PUBSUB, &publish(node, "after"), &kept(node, "after")).await;
    }
    nothing_else(&mut peer).await;
    // nothing is fetched,
    let forbidden = refused(JULIET, "forbidden", "auth", "");
    for node in [NODE, &below] {
        get(&mut peer, JULIET, PUBSUB, &format!("<items node='{node}'/>"), &forbidden).await;
        let archive = format!(
            "<iq type='set' from='{JULIET}/1' to='energy.example.org' id='x'>
               <query xmlns='urn:xmpp:mam:2' node='{node}'/>
             </iq>"
        );
        peer.ask(&archive, &forbidden).await;
        let history = format!(
            "<iq type='set' from='{JULIET}/1' to='energy.example.org' id='h'>
               <command xmlns='http://jabber.org/protocol/commands' node='get_history' action='execute'>
                 <x xmlns='jabber:x:data' type='submit'><field var='identifier'><value>{node}</value></field></x>
               </command>
             </iq>"
        );
        peer.send(&history).await;
        let answer = peer.recv().await;
        assert!(!answer.contains("<senml"), "{answer}");
        // nor is it seen.
        let info = format!(
            "<iq type='get' from='{JULIET}/1' to='energy.example.org' id='x'>
               <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>
             </iq>"
        );
        peer.ask(&info, &refused(JULIET, "item-not-found", "cancel", "")).await;
        let wish = format!("<subscribe node='{node}' jid='{JULIET}'/>");
        set(&mut peer, JULIET, PUBSUB, &wish, &forbidden).await;
    }
    peer.send(&format!(
        "<iq type='get' from='{JULIET}/1' to='energy.example.org' id='x'>
           <query xmlns='http://jabber.org/protocol/disco#items'/>
         </iq>"
    ))
    .await;
    let seen = peer.recv().await;
    assert!(!seen.contains("urn:x:1"), "{seen}");
    nothing_else(&mut peer).await;
    let log = stage.cli(&["audit", "export"]);
    assert!(log.contains("outcast") && !log.contains("another holder"), "{log}");
}
