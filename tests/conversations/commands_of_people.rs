//! What people do by command: see what they share, give, suspend, resume, withdraw; see and end what they have;
//! choose a language.

use super::commands::{CAMILLE, answered, command, filled, refused, run};
use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, refused_to, watts};
use crate::support::Peer;

const ADVISER: &str = "adviser@coop.example";
const ADVISERS_DESK: &str = "adviser@coop.example/desk";

/// Takes what comes until each of these words was in something, in any order.
async fn hears_all(peer: &mut Peer, words: &[&str]) -> String {
    let mut heard = String::new();
    while !words.iter().all(|word| heard.contains(word)) {
        heard += &peer.recv().await;
    }
    heard
}

#[tokio::test]
async fn both_sides_see_the_consent_and_no_other() {
    let (_stage, consent, mut peer) = Stage::with_an_adviser("").await;
    for (who, node) in [(CAMILLE, "my-consents"), (ADVISERS_DESK, "my-access")] {
        let list = run(&mut peer, who, node, "", "").await;
        for part in [&*consent, "active", "advice", SERIES, "type='result'"] {
            assert!(list.contains(part), "{part} in {list}");
        }
    }
    for (who, node) in
        [(CAMILLE, "my-access"), (ADVISERS_DESK, "my-consents"), ("mallory@evil.example/1", "my-consents")]
    {
        let list = run(&mut peer, who, node, "", "").await;
        assert!(list.contains("There is nothing to list") && !list.contains(&consent), "{list}");
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn given_suspended_resumed_and_withdrawn_by_the_person_concerned() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let form = run(&mut peer, CAMILLE, "give-consent", "xml:lang='fr'", "").await;
    assert!(
        form.contains("label='Destinataire'") && form.contains(&format!("<value>{SERIES}</value>")),
        "{form}"
    );
    assert!(!form.contains("var='subject'") && !form.contains("var='evidence'"), "{form}");

    let fields = filled(&[("recipient", ADVISER), ("scope", SERIES), ("purpose", "advice")]);
    peer.send(&command(CAMILLE, "run", "give-consent", "", &fields)).await;
    let heard = hears_all(&mut peer, &["status='completed'", "subscription='subscribed'", "You gave"]).await;
    assert!(heard.contains("<value>ad-hoc</value>") && heard.contains("Receipt: "), "{heard}");
    let id = heard.split("Receipt: ").nth(1).and_then(|rest| rest.get(..36)).expect("an id").to_owned();
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;

    for (node, state, leaves) in [
        ("suspend-consent", "state='suspended'", false),
        ("resume-consent", "state='active'", true),
        ("withdraw-consent", "state='withdrawn'", false),
    ] {
        // A form with a list to choose from; nothing happens by opening it.
        let form = run(&mut peer, CAMILLE, node, "", "").await;
        assert!(form.contains("type='list-single'") && form.contains(&id), "{form}");
        // Not somebody else's to do.
        let stranger = run(&mut peer, ADVISERS_DESK, node, "", &filled(&[("id", &id)])).await;
        assert!(stranger.contains("no consent to choose from"), "{stranger}");
        peer.send(&command(CAMILLE, "run", node, "", &filled(&[("id", &id)]))).await;
        hears_all(&mut peer, &[state, "status='completed'", "to='camille@home.example'"]).await;
        peer.ask(&publish(node, node, &watts(2)), &accepted(node, node)).await;
        if leaves {
            peer.expect(&event(ADVISER, node, &watts(2), UNDER_CONSENT)).await;
        }
        nothing_else(&mut peer).await;
    }
    let list = run(&mut peer, CAMILLE, "my-consents", "", "").await;
    assert!(list.contains("<value>withdrawn</value>"), "past ones are shown too: {list}");
}

/// What Camille gives below a prefix is hers: for Bob's below it he is asked, and a series that is not there is asked
/// for alike.
#[tokio::test]
async fn who_was_given_one_persons_may_ask_for_anothers() {
    let mut stage = Stage::home("").await;
    let bobs = "urn:dev:bob";
    stage.cli(&["series", "add", bobs, "--owner", "bob@home.example", "--producer", "gw@prod.example"]);
    let mut peer = stage.start().await;
    let fields = filled(&[("recipient", ADVISER), ("scope", "urn:dev:*"), ("purpose", "advice")]);
    peer.send(&command(CAMILLE, "run", "give-consent", "", &fields)).await;
    let heard = hears_all(&mut peer, &["status='completed'", "subscription='subscribed'", "You gave"]).await;
    let id = heard.split("Receipt: ").nth(1).and_then(|rest| rest.get(..36)).expect("an id");
    let to_bob = "to='bob@home.example'";
    let subscribes = |node: &str| {
        format!(
            "<iq type='set' from='{ADVISERS_DESK}' to='energy.example.org' id='s'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='{node}' jid='{ADVISER}'/></pubsub>
             </iq>"
        )
    };
    for (name, exists) in [("urn:dev:nowhere", false), (bobs, true)] {
        // By command with the same purpose, by subscribing, and as a beginning.
        let fields = filled(&[("scope", name), ("purpose", "advice")]);
        let said = run(&mut peer, ADVISERS_DESK, "request-access", "", &fields).await;
        assert!(said.contains("is pending"), "{said}");
        if exists {
            assert!(peer.recv().await.contains(to_bob));
        }
        for (at, node) in [name.to_owned(), format!("{name}*")].into_iter().enumerate() {
            peer.send(&subscribes(&node)).await;
            let said = peer.recv_iq().await;
            // The first is asked for already.
            let word = if at == 0 { "<pending-subscription" } else { "subscription='pending'" };
            assert!(said.contains(word), "{said}");
            if exists && at > 0 {
                assert!(peer.recv().await.contains(to_bob));
            }
        }
        let one = filled(&[("identifier", name)]);
        let said = run(&mut peer, ADVISERS_DESK, "subscribe", "", &one).await;
        assert!(said.contains("<not-authorized"), "{said}");
    }
    // What she gave, by its name, by what it was given as, and by what it lies below.
    for node in [SERIES, "urn:dev:*", "urn:dev:prm:30001610071843_consumption"] {
        peer.send(&subscribes(node)).await;
        let said = peer.recv().await;
        assert!(said.contains("subscription='subscribed'"), "{said}");
    }
    let given: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", id, "--json"])).expect("JSON");
    let until = given["valid_until"].as_str().expect("an end");
    let fields = filled(&[("scope", SERIES), ("purpose", "advice"), ("valid_until", until)]);
    let said = run(&mut peer, ADVISERS_DESK, "request-access", "", &fields).await;
    assert!(said.contains("You have this consent already"), "{said}");
    let one = filled(&[("identifier", SERIES)]);
    let said = run(&mut peer, ADVISERS_DESK, "subscribe", "", &one).await;
    assert!(said.contains("status='completed'"), "{said}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn nobody_gives_what_is_somebody_elses() {
    let mut stage = Stage::home("").await;
    stage.cli(&[
        "series",
        "add",
        "urn:dev:bob",
        "--owner",
        "bob@home.example",
        "--producer",
        "gw@prod.example",
    ]);
    let mut peer = stage.start().await;
    // What is not there and what is another's get the same words.
    let mut told = Vec::new();
    for scope in ["urn:dev:bob", "urn:dev:nowhere"] {
        let fields = filled(&[("recipient", ADVISER), ("scope", scope), ("purpose", "x")]);
        let said = peer
            .ask(
                &command(CAMILLE, "c", "give-consent", "", &fields),
                &refused(CAMILLE, "c", "bad-request", "modify", "en", "bad-payload"),
            )
            .await;
        told.push(said["text"].replace(scope, ""));
    }
    assert_eq!(told[0], told[1]);
    // A prefix that covers both: hers leaves, his does not.
    let fields = filled(&[("recipient", ADVISER), ("scope", "urn:dev:*"), ("purpose", "advice")]);
    peer.send(&command(CAMILLE, "run", "give-consent", "", &fields)).await;
    hears_all(&mut peer, &["status='completed'", "subscription='subscribed'", "You gave"]).await;
    let his = "<senml bn='urn:dev:bob' bt='1763679600' v='7'/>";
    peer.ask(
        &super::stage::publish_to("urn:dev:bob", "b", "b", his),
        &super::stage::accepted_at("urn:dev:bob", "b", "b"),
    )
    .await;
    nothing_else(&mut peer).await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    // Nor does anybody learn by it that his is there.
    let asks = |child: &str| {
        format!("<iq type='get' from='{ADVISERS_DESK}' to='energy.example.org' id='d'>{child}</iq>")
    };
    let items = "http://jabber.org/protocol/disco#items";
    peer.ask(
        &asks(&format!("<query xmlns='{items}'/>")),
        &format!(
            "<iq type='result' from='energy.example.org' to='{ADVISERS_DESK}' id='d'>
               <query xmlns='{items}'><item jid='energy.example.org' node='{SERIES}'/></query>
             </iq>"
        ),
    )
    .await;
    peer.ask(
        &asks("<query xmlns='http://jabber.org/protocol/disco#info' node='urn:dev:bob'/>"),
        &refused_to("iq", ADVISERS_DESK, "d", "item-not-found", "cancel", ""),
    )
    .await;
    // Who owns nothing has nothing to give.
    let none = run(&mut peer, ADVISERS_DESK, "give-consent", "", "").await;
    assert!(none.contains("No series of yours"), "{none}");
}

#[tokio::test]
async fn the_recipient_ends_its_access() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.send(&command(
        ADVISERS_DESK,
        "run",
        "end-access",
        "",
        &filled(&[("id", &consent), ("reason", "done")]),
    ))
    .await;
    let heard =
        hears_all(&mut peer, &["status='completed'", "state='terminated'", "was ended by the recipient"])
            .await;
    assert!(heard.contains("reason='done'"), "{heard}");
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    nothing_else(&mut peer).await;
    assert!(stage.cli(&["consent", "show", &consent]).contains("terminated since"));
}

#[tokio::test]
async fn a_language_is_chosen_and_kept() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let form = run(&mut peer, CAMILLE, "language", "", "").await;
    assert!(form.contains("<option label='Français'><value>fr</value></option>"), "{form}");
    peer.ask(
        &command(CAMILLE, "c", "language", "", &filled(&[("language", "fr")])),
        &answered(
            CAMILLE,
            "c",
            "language",
            "completed",
            "en",
            "<note type='info'>Désormais en français.</note>",
        ),
    )
    .await;
    // From any of her clients, whatever they stamp on their stanzas.
    peer.ask(
        &command("camille@home.example/other", "c", "ping", "xml:lang='en'", ""),
        &answered(
            "camille@home.example/other",
            "c",
            "ping",
            "completed",
            "fr",
            "<note type='info'>Le service est là.</note>",
        ),
    )
    .await;
    let help = run(&mut peer, CAMILLE, "help", "", "").await;
    assert!(help.contains("Ce service transmet"), "{help}");
    peer.ask(
        &command(CAMILLE, "c", "language", "", &filled(&[("language", "de")])),
        &refused(CAMILLE, "c", "bad-request", "modify", "fr", "bad-payload"),
    )
    .await;
}
