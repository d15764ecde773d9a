//! What operators do by command: consents recorded, narrowed, suspended, revoked; series; queue; audit.

use super::commands::{ADMIN, CAMILLE, command, filled, refused, run};
use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, watts};
use crate::support::{Peer, Pings};

const ADVISER: &str = "adviser@coop.example";

fn session_of(form: &str) -> String {
    form.split("sessionid='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a session").to_owned()
}

/// Takes what comes until each of these words was in something, in any order.
async fn hears_all(peer: &mut Peer, words: &[&str]) -> String {
    let mut heard = String::new();
    while !words.iter().all(|word| heard.contains(word)) {
        heard += &peer.recv().await;
    }
    heard
}

#[tokio::test]
async fn a_consent_is_recorded_step_by_step() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let form = run(&mut peer, ADMIN, "consent-add", "action='execute'", "").await;
    for part in [
        "status='executing'",
        "<actions execute='complete'><complete/></actions>",
        "<value>urn:courant:0#consent-add</value>",
        "var='recipient' type='jid-single'",
        "var='scope' type='text-multi'",
        "var='valid_until' type='text-single'",
        "datatype='xs:dateTime'",
        "<required/>",
    ] {
        assert!(form.contains(part), "{part} in {form}");
    }
    // Nothing has happened by opening it.
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));

    // Wrong values show the form again, and nothing has happened either.
    let session = session_of(&form);
    let go_on = format!("sessionid='{session}' action='complete'");
    let base = [("subject", "camille@home.example"), ("purpose", "advice")];
    for (wrong, word) in [
        (&[("recipient", "adviser@coop.example"), ("scope", "")][..], "Series"),
        (&[("recipient", "@"), ("scope", SERIES)], "Recipient"),
        (&[("recipient", ADVISER), ("scope", "*")], "alone"),
        (&[("recipient", ADVISER), ("scope", SERIES), ("valid_until", "2001-01-01")], "has passed already"),
        (&[("recipient", ADVISER), ("scope", SERIES), ("valid_until", "2099-01-01")], "at most P3Y"),
        (&[("recipient", ADVISER), ("scope", SERIES), ("retention", "12 months")], "ISO 8601"),
    ] {
        let fields: Vec<(&str, &str)> = base.iter().chain(wrong).copied().collect();
        let again = run(&mut peer, ADMIN, "consent-add", &go_on, &filled(&fields)).await;
        assert!(again.contains("status='executing'") && again.contains("<note type='error'>"), "{again}");
        assert!(again.contains(word), "{word} in {again}");
        let one = run(&mut peer, ADMIN, "consent-add", "", &filled(&fields)).await;
        assert!(one.contains("<bad-payload xmlns='http://jabber.org/protocol/commands'/>"), "{one}");
    }
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));

    let fields: Vec<(&str, &str)> = base
        .into_iter()
        .chain([("recipient", ADVISER), ("scope", SERIES), ("evidence", "form 12"), ("retention", "P1Y")])
        // What was filled in before stays; what is emptied is as usual.
        .chain([("valid_until", "")])
        .collect();
    peer.send(&command(ADMIN, "run", "consent-add", &go_on, &filled(&fields))).await;
    let heard =
        hears_all(&mut peer, &["status='completed'", "subscription='subscribed'", "You gave your consent"])
            .await;
    assert!(heard.contains("<value>form 12</value>") && heard.contains("<value>operator</value>"), "{heard}");
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
}

#[tokio::test]
async fn suspended_resumed_and_revoked() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    for (node, state, word, leaves) in [
        ("consent-suspend", "state='suspended'", "<note type='info'>Suspended", false),
        ("consent-resume", "state='active'", "<note type='info'>Resumed", true),
        ("consent-revoke", "state='revoked'", "<note type='info'>Revoked", false),
    ] {
        let fields = filled(&[("id", &consent), ("reason", "because")]);
        peer.send(&command(ADMIN, "run", node, "", &fields)).await;
        hears_all(&mut peer, &[state, word, "to='camille@home.example'"]).await;
        peer.ask(&publish(node, node, &watts(1)), &accepted(node, node)).await;
        if leaves {
            peer.expect(&event(ADVISER, node, &watts(1), UNDER_CONSENT)).await;
        }
        nothing_else(&mut peer).await;
        // Once more is not possible: in one step it is not among those to choose from.
        let again = run(&mut peer, ADMIN, node, "", &fields).await;
        assert!(again.contains("no consent to choose from") || again.contains("bad-payload"), "{again}");
    }
    assert!(stage.cli(&["consent", "show", &consent]).contains("because"));
}

#[tokio::test]
async fn two_operators_edit_the_same_revision() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let other = "admin@example.org/phone";
    let mut sessions = Vec::new();
    for who in [ADMIN, other] {
        let form = run(&mut peer, who, "consent-edit", "", "").await;
        let session = session_of(&form);
        let next = format!("sessionid='{session}' action='next'");
        let what = run(&mut peer, who, "consent-edit", &next, &filled(&[("id", &consent)])).await;
        assert!(
            what.contains("<prev/><complete/>") && what.contains("var='revision' type='hidden'"),
            "{what}"
        );
        // Back and forth again.
        let prev = format!("sessionid='{session}' action='prev'");
        let back = run(&mut peer, who, "consent-edit", &prev, "").await;
        assert!(back.contains("<next/>") && back.contains(&format!("<value>{consent}</value>")), "{back}");
        run(&mut peer, who, "consent-edit", &next, &filled(&[("id", &consent)])).await;
        sessions.push(session);
    }
    let complete = |session: &str| format!("sessionid='{session}' action='complete'");
    peer.send(&command(
        ADMIN,
        "run",
        "consent-edit",
        &complete(&sessions[0]),
        &filled(&[("retention", "P30D")]),
    ))
    .await;
    let heard =
        hears_all(&mut peer, &["status='completed'", "revision='2'", "was changed; it says now"]).await;
    assert!(heard.contains("<value>P1Y</value>") && heard.contains("<value>P30D</value>"), "{heard}");
    let told =
        run(&mut peer, other, "consent-edit", &complete(&sessions[1]), &filled(&[("retention", "P7D")]))
            .await;
    assert!(told.contains("status='executing'") && told.contains("somebody else changed it"), "{told}");
    assert!(told.contains("May be kept for: P1Y → P30D"), "{told}");
    // Wider is not an edit.
    peer.ask(
        &command(ADMIN, "c", "consent-edit", "", &filled(&[("id", &consent), ("retention", "P3Y")])),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "bad-payload"),
    )
    .await;
    let shown = stage.cli(&["consent", "show", &consent]);
    assert!(shown.contains("P30D") && shown.contains("revision       2"), "{shown}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_consent_is_shown_with_its_history() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let form = run(&mut peer, ADMIN, "consent-show", "xml:lang='fr'", "").await;
    assert!(
        form.contains("type='list-single'") && form.contains("adviser@coop.example : « advice »"),
        "{form}"
    );
    let shown = run(&mut peer, ADMIN, "consent-show", "xml:lang='fr'", &filled(&[("id", &consent)])).await;
    for part in ["type='result'", "label='Finalité'", "var='events'", "actif par cli", &consent] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let unknown = filled(&[("id", "0192f3c1-0000-7000-8000-000000000000")]);
    peer.ask(
        &command(ADMIN, "c", "consent-show", "", &unknown),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "bad-payload"),
    )
    .await;
    drop(stage);
}

#[tokio::test]
async fn series_are_registered_listed_and_changed() {
    let mut stage = Stage::empty("").await;
    let mut peer = stage.start().await;
    let fields = [
        ("name", SERIES),
        ("owner", "camille@home.example"),
        ("producers", "gw@prod.example"),
        ("retention", "P30D"),
        ("title", "Load curve"),
        ("source", "proxy@prod.example/1"),
    ];
    let added = run(&mut peer, ADMIN, "series-add", "", &filled(&fields)).await;
    assert!(added.contains("status='completed'") && added.contains("The series is registered"), "{added}");
    // At once: the gateway may publish.
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let again = run(&mut peer, ADMIN, "series-add", "", &filled(&fields)).await;
    assert!(again.contains("bad-payload") && again.contains("registered already"), "{again}");
    let list = run(&mut peer, ADMIN, "series-list", "", "").await;
    for part in ["<reported>", "Load curve", "P30D", "gw@prod.example", "proxy@prod.example/1", "1 to 1 of 1"]
    {
        assert!(list.contains(part), "{part} in {list}");
    }
    // Before the second there is one, however many were asked for; the last page ends with the last.
    stage.cli(&["series", "add", "urn:a", "--owner", "ref:1", "--producer", "gw@prod.example"]);
    let page = |set: &str| format!("<set xmlns='http://jabber.org/protocol/rsm'>{set}</set>");
    for (set, index, count) in [
        (format!("<max>10</max><before>{SERIES}</before>"), 0, 1),
        ("<max>10</max><before>urn:a</before>".to_owned(), 0, 0),
        ("<max>1</max><before/>".to_owned(), 1, 1),
        ("<max>1</max><after>urn:a</after>".to_owned(), 1, 1),
    ] {
        let part = run(&mut peer, ADMIN, "series-list", "", &page(&set)).await;
        assert_eq!(part.matches("<item>").count(), count, "{set}: {part}");
        assert_eq!(part.contains(&format!("<first index='{index}'>")), count > 0, "{set}: {part}");
        assert!(part.contains("<count>2</count>"), "{set}: {part}");
    }
    // What is said in one step counts, however short the list.
    let some = run(&mut peer, ADMIN, "series-list", "", &filled(&[("name", "urn:dev:prm:*")])).await;
    assert!(some.contains("status='completed'") && some.contains("Load curve"), "{some}");
    let none = run(&mut peer, ADMIN, "series-list", "", &filled(&[("name", "urn:other")])).await;
    assert!(none.contains("status='completed'") && !none.contains("Load curve"), "{none}");
    // Step by step: the second form has in it what there is.
    let form = run(&mut peer, ADMIN, "series-edit", "", "").await;
    let session = session_of(&form);
    let next = format!("sessionid='{session}' action='next'");
    let what = run(&mut peer, ADMIN, "series-edit", &next, &filled(&[("name", SERIES)])).await;
    assert!(
        what.contains("<value>Load curve</value>") && what.contains("<value>gw@prod.example</value>"),
        "{what}"
    );
    let complete = format!("sessionid='{session}' action='complete'");
    let changes = [("producers", "new@prod.example"), ("source", "other@prod.example")];
    let done = run(&mut peer, ADMIN, "series-edit", &complete, &filled(&changes)).await;
    assert!(done.contains("status='completed'") && done.contains("P30D"), "what was left out stays: {done}");
    assert!(done.contains("other@prod.example") && !done.contains("proxy@prod.example"), "{done}");
    peer.ask(&publish("p2", "two", &watts(2)), &super::stage::refused("p2", "forbidden", "auth", "")).await;
    let missing =
        run(&mut peer, ADMIN, "series-edit", "", &filled(&[("name", "urn:nowhere"), ("title", "x")])).await;
    assert!(missing.contains("bad-payload") && missing.contains("not registered"), "{missing}");
}

#[tokio::test]
async fn queue_dead_letters_and_audit() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.pings(Pings::Received);
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let delivery = peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    let ping = peer.expect(&super::stage::barrier("coop.example")).await;
    let queue = run(&mut peer, ADMIN, "queue-status", "", "").await;
    assert!(queue.contains("<value>coop.example</value>") && queue.contains("1 waiting, 0 dead"), "{queue}");
    let none = run(&mut peer, ADMIN, "dead-letters", "", "").await;
    assert!(none.contains("There are no dead letters"), "{none}");
    // The recipient's server refuses it for good.
    peer.send(&format!(
        "<message type='error' from='{ADVISER}' to='energy.example.org' id='{}'>
           <error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
         </message>",
        delivery["id"]
    ))
    .await;
    peer.send(&super::stage::pong("coop.example", &ping["ping"])).await;
    // Written with the next commit.
    let letters = loop {
        let letters = run(&mut peer, ADMIN, "dead-letters", "", "").await;
        if !letters.contains("There are no dead letters") {
            break letters;
        }
    };
    assert!(letters.contains("type='list-multi'") && letters.contains("forbidden"), "{letters}");
    let shown = run(&mut peer, ADMIN, "dead-letters", "", &filled(&[("do", "show")])).await;
    assert!(shown.contains("<reported>") && shown.contains(ADVISER), "{shown}");
    let dropped = run(&mut peer, ADMIN, "dead-letters", "", &filled(&[("do", "drop")])).await;
    assert!(dropped.contains("1 dropped"), "{dropped}");
    let audit = run(&mut peer, ADMIN, "audit-verify", "", "").await;
    assert!(audit.contains("The log is as it was written"), "{audit}");
}

#[tokio::test]
async fn nobody_else_runs_them() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    for node in [
        "consent-add",
        "consent-list",
        "consent-show",
        "consent-edit",
        "consent-suspend",
        "consent-resume",
        "consent-revoke",
        "series-add",
        "series-list",
        "series-edit",
        "series-remove",
        "queue-status",
        "dead-letters",
        "audit-verify",
    ] {
        peer.ask(&command(CAMILLE, "c", node, "", ""), &refused(CAMILLE, "c", "forbidden", "auth", "en", ""))
            .await;
    }
    // By nobody's language but the asker's.
    peer.ask(
        &command(CAMILLE, "c", "consent-add", "xml:lang='fr'", ""),
        &refused(CAMILLE, "c", "forbidden", "auth", "fr", ""),
    )
    .await;
}
