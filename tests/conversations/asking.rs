//! Asking for consent and answering it: by the form of XEP-0060, by a command, by a line of text.

use super::commands::{ADMIN, CAMILLE, command, filled, refused, run};
use super::stage::{SERIES, Stage, accepted, event, nothing_else, publish, watts};
use crate::support::Peer;

pub(super) const APP: &str = "app@coop.example/server";
const TERMS: &str =
    "<terms xmlns='urn:courant:0' consent='{any}' purpose='energy advice' retention='P1Y' expires='{any}'/>";

/// The application asks; gives the id of the request.
pub(super) async fn asks(peer: &mut Peer, from: &str, fields: &[(&str, &str)]) -> String {
    peer.send(&command(from, "r", "request-access", "", &filled(fields))).await;
    // Who is asked may hear of it before who asks is told so.
    let said = peer.recv_iq().await;
    assert!(said.contains("status='completed'") && said.contains("is pending"), "{said}");
    id_in(&said)
}

/// The id in a record that is shown.
fn id_in(said: &str) -> String {
    let value = said.split("var='id'").nth(1).and_then(|field| field.split("<value>").nth(1));
    value.and_then(|value| value.get(..36)).expect("an id").to_owned()
}

/// Camille is asked; gives the id of the message and the code to answer by.
async fn is_asked(peer: &mut Peer, request: &str, lang: &str) -> (String, String) {
    let asked = peer
        .expect(&format!(
            "<message type='normal' from='energy.example.org' to='camille@home.example' id='{{id}}' xml:lang='{lang}'>
               <body>{{body}}</body>
               <x xmlns='jabber:x:data' type='form'>
                 <title>{{title}}</title>
                 <instructions>{{instructions}}</instructions>
                 <field var='FORM_TYPE' type='hidden'>
                   <value>http://jabber.org/protocol/pubsub#subscribe_authorization</value>
                 </field>
                 <field var='{{{{urn:courant:0}}}}consent' type='hidden'><value>{request}</value></field>
                 <field var='pubsub#node' type='text-single' label='{{l1}}'><value>{SERIES}</value></field>
                 <field var='pubsub#subscriber_jid' type='jid-single' label='{{l2}}'>
                   <value>app@coop.example</value>
                 </field>
                 <field var='{{{{urn:courant:0}}}}purpose' type='text-single' label='{{l3}}'><value>energy advice</value></field>
                 <field var='{{{{urn:courant:0}}}}valid_until' type='text-single' label='{{l4}}'><value>{{until}}</value></field>
                 <field var='{{{{urn:courant:0}}}}retention' type='text-single' label='{{l5}}'><value>P1Y</value></field>
                 <field var='{{{{urn:courant:0}}}}modes' type='text-single' label='{{l7}}'><value>{{modes}}</value></field>
                 <field var='{{{{urn:courant:0}}}}onward' type='text-single' label='{{l8}}'><value>{{onward}}</value></field>
                 <field var='pubsub#allow' type='boolean' label='{{l6}}'><value>false</value></field>
               </x>
             </message>"
        ).replace("{{", "{").replace("}}", "}").replace("{urn:courant:0}", "{any}"))
        .await;
    let body = &asked["body"];
    assert!(
        body.contains("app@coop.example") && body.contains("energy advice") && body.contains(SERIES),
        "{body}"
    );
    let word = if lang == "fr" { "oui " } else { "yes " };
    let code = body.split(word).nth(1).expect("a code")[..4].to_owned();
    (asked["id"].clone(), code)
}

pub(super) fn allow(id: &str, request: Option<&str>, from: &str, yes: bool) -> String {
    let request = request.map_or_else(String::new, |request| {
        format!("<field var='{{urn:courant:0}}consent'><value>{request}</value></field>")
    });
    format!(
        "<message from='{from}' to='energy.example.org' id='{id}'>
           <x xmlns='jabber:x:data' type='submit'>
             <field var='FORM_TYPE' type='hidden'>
               <value>http://jabber.org/protocol/pubsub#subscribe_authorization</value>
             </field>{request}
             <field var='pubsub#node'><value>{SERIES}</value></field>
             <field var='pubsub#subscriber_jid'><value>app@coop.example</value></field>
             <field var='pubsub#allow'><value>{yes}</value></field>
           </x>
         </message>"
    )
}

/// The application is told that it is subscribed, and Camille what she gave.
async fn both_are_told_of_the_grant(peer: &mut Peer, request: &str, lang: &str) {
    peer.expect_all(&[
        &format!(
            "<message type='normal' from='energy.example.org' to='app@coop.example' id='{{id}}'>
               <event xmlns='http://jabber.org/protocol/pubsub#event'>
                 <subscription node='{SERIES}' jid='app@coop.example' subscription='subscribed'/>
               </event>
               <consent xmlns='urn:courant:0' id='{request}' state='active' revision='2'/>
             </message>"
        ),
        &format!(
            "<message type='normal' from='energy.example.org' to='camille@home.example' id='{{id2}}' xml:lang='{lang}'>
               <body>{{body}}</body>
             </message>"
        ),
    ])
    .await;
}

pub(super) async fn says(peer: &Peer, from: &str, line: &str) {
    peer.send(&format!(
        "<message type='chat' from='{from}' to='energy.example.org' id='t'><body>{line}</body></message>"
    ))
    .await;
}

/// Somebody is answered in a line.
pub(super) async fn hears(peer: &mut Peer, to: &str, lang: &str) -> String {
    let heard = peer
        .expect(&format!(
            "<message type='chat' from='energy.example.org' to='{to}' id='{{id}}' xml:lang='{lang}'>
               <body>{{body}}</body>
             </message>"
        ))
        .await;
    heard["body"].clone()
}

pub(super) const ASKED: &[(&str, &str)] = &[("scope", SERIES), ("purpose", "energy advice")];

#[tokio::test]
async fn asked_approved_by_form_delivered_and_withdrawn() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    let (id, _) = is_asked(&mut peer, &request, "en").await;

    // Pending: nothing leaves; asked again it is the same request, and nobody is asked twice.
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    assert_eq!(asks(&mut peer, APP, ASKED).await, request);
    nothing_else(&mut peer).await;

    // A form from somebody else is passed over, and one that only closes the window.
    peer.send(&allow(&id, Some(&request), "mallory@evil.example/1", true)).await;
    peer.send(&allow(&id, Some(&request), APP, true)).await;
    peer.send(&allow(&id, Some(&request), CAMILLE, true).replace("type='submit'", "type='cancel'")).await;
    nothing_else(&mut peer).await;
    assert!(stage.cli(&["consent", "show", &request]).contains("requested since"));

    // Camille's own counts, also from a client that gives back only what the standard knows.
    peer.send(&allow(&id, None, CAMILLE, true)).await;
    both_are_told_of_the_grant(&mut peer, &request, "en").await;
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
    peer.expect(&event("app@coop.example", "two", &watts(2), TERMS)).await;
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", &request, "--json"])).unwrap();
    assert_eq!((&record["method"], &record["text_lang"]), (&"approval-form".into(), &"en".into()));
    assert_eq!(record["text_hash"].as_str().unwrap().len(), 64);

    // Withdrawn by command: it is completed once nothing more can leave.
    let done = run(&mut peer, CAMILLE, "withdraw-consent", "", &filled(&[("id", &request)])).await;
    let mut said = vec![done];
    for _ in 0..2 {
        said.push(peer.recv().await);
    }
    let all = said.join("\n");
    assert!(all.contains("<note type='info'>Withdrawn"), "{all}");
    assert!(all.contains("subscription='none'") && all.contains("state='withdrawn'"), "{all}");
    assert!(all.contains("was withdrawn by you"), "{all}");
    peer.ask(&publish("p3", "three", &watts(3)), &accepted("p3", "three")).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn answered_by_text_in_french() {
    let mut stage = Stage::home("[service]\nlanguage = \"fr\"").await;
    let mut peer = stage.start().await;
    let request = asks_in_french(&mut peer).await;
    let (_, code) = is_asked(&mut peer, &request, "fr").await;
    says(&peer, CAMILLE, "bonjour").await;
    assert!(hears(&mut peer, CAMILLE, "fr").await.contains("oui CODE"));
    says(&peer, "mallory@evil.example/1", &format!("oui {code}")).await;
    let told = hears(&mut peer, "mallory@evil.example/1", "fr").await;
    assert!(told.contains("Rien de ce qui vous concerne"), "{told}");

    says(&peer, CAMILLE, &format!("Oui {code}")).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(peer.recv().await);
    }
    let all = heard.join("\n");
    assert!(all.contains("Merci. app@coop.example") && all.contains("subscription='subscribed'"), "{all}");
    assert!(all.contains("Vous avez donné votre consentement"), "{all}");
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
    peer.expect(&event("app@coop.example", "two", &watts(2), TERMS)).await;

    says(&peer, CAMILLE, &format!("oui {code}")).await;
    let twice = hears(&mut peer, CAMILLE, "fr").await;
    assert!(twice.contains("est actif") && twice.contains(&format!("stop {code}")), "{twice}");

    says(&peer, CAMILLE, "liste").await;
    let list = hears(&mut peer, CAMILLE, "fr").await;
    assert!(list.contains(&code) && list.contains("actif") && list.contains("energy advice"), "{list}");
    says(&peer, CAMILLE, &format!("stop {code}")).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(peer.recv().await);
    }
    let all = heard.join("\n");
    assert!(all.contains("Retiré : plus rien") && all.contains("state='withdrawn'"), "{all}");
    says(&peer, CAMILLE, &format!("oui {code}")).await;
    assert!(hears(&mut peer, CAMILLE, "fr").await.contains("retiré"));
    nothing_else(&mut peer).await;
}

async fn asks_in_french(peer: &mut Peer) -> String {
    peer.send(&command(APP, "r", "request-access", "", &filled(ASKED))).await;
    let said = peer.recv().await;
    assert!(said.contains("est en attente"), "{said}");
    id_in(&said)
}

#[tokio::test]
async fn refused_and_taken_back() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    let (_, code) = is_asked(&mut peer, &request, "en").await;
    says(&peer, CAMILLE, &format!("no {code}")).await;
    let mut heard = vec![peer.recv().await, peer.recv().await];
    heard.sort();
    assert!(heard.iter().any(|said| said.contains("Refused: app@coop.example gets nothing")), "{heard:?}");
    assert!(
        heard.iter().any(|said| said.contains("subscription='none'") && said.contains("state='refused'")),
        "{heard:?}"
    );

    let again = asks(&mut peer, APP, ASKED).await;
    assert_ne!(again, request);
    is_asked(&mut peer, &again, "en").await;
    let done = run(&mut peer, APP, "end-access", "", &filled(&[("id", &again)])).await;
    let told = peer.recv().await;
    let all = format!("{done}{told}");
    assert!(all.contains("status='completed'") && all.contains("was taken back"), "{all}");
    assert!(stage.cli(&["consent", "show", &again]).contains("cancelled since"));
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn answered_by_command_and_narrowed() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:meter:7*", "gw@prod.example");
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, &[("scope", "urn:dev:meter:7*"), ("purpose", "energy advice")]).await;
    let form = peer.recv().await;
    assert!(form.contains("subscribe_authorization"), "{form}");

    // The inbox, and the standard's.
    let inbox = run(&mut peer, CAMILLE, "pending-requests", "", "").await;
    assert!(inbox.contains(&request) && inbox.contains("type='list-single'"), "{inbox}");
    let pending = "http://jabber.org/protocol/pubsub#get-pending";
    let nodes = run(&mut peer, CAMILLE, pending, "", "").await;
    let only = "<value>http://jabber.org/protocol/pubsub#subscribe_authorization</value></field>\
                <field var='pubsub#node' type='list-single'";
    assert!(nodes.contains(only) && nodes.matches("<field").count() == 2, "{nodes}");
    assert!(nodes.contains("<option label='urn:dev:meter:7*'><value>urn:dev:meter:7*</value>"), "{nodes}");
    let chosen = filled(&[("pubsub#node", "urn:dev:meter:7*")]);
    peer.send(&command(CAMILLE, "r", pending, "", &chosen)).await;
    let again = peer.recv().await;
    assert!(again.contains(&format!("to='{CAMILLE}'")) && again.contains(&request), "{again}");
    assert!(again.contains("pubsub#allow") && again.contains("<body>"), "{again}");
    let sent = peer.recv().await;
    assert!(sent.contains("status='completed'") && sent.contains("to answer: 1."), "{sent}");
    let none = run(&mut peer, "mallory@evil.example/1", pending, "", "").await;
    assert!(none.contains("Nobody waits for your answer") && !none.contains("urn:dev"), "{none}");
    let inbox = run(&mut peer, "mallory@evil.example/1", "pending-requests", "", "").await;
    assert!(inbox.contains("Nobody waits for your answer") && !inbox.contains(&request), "{inbox}");

    // Step by step, and wider than was asked: told so, and nothing changed.
    let inbox = run(&mut peer, CAMILLE, "pending-requests", "", "").await;
    let session = inbox.split("sessionid='").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let next = format!("sessionid='{session}' action='next'");
    let details = run(&mut peer, CAMILLE, "pending-requests", &next, &filled(&[("id", &request)])).await;
    assert!(details.contains("<prev/><complete/>") && details.contains("urn:dev:meter:7*"), "{details}");
    let complete = format!("sessionid='{session}' action='complete'");
    let wider = filled(&[("answer", "yes"), ("scope", "urn:dev:*")]);
    let told = run(&mut peer, CAMILLE, "pending-requests", &complete, &wider).await;
    assert!(
        told.contains("status='executing'") && told.contains("type='error'") && told.contains("not more"),
        "{told}"
    );
    let narrower = filled(&[("answer", "yes"), ("scope", "urn:dev:meter:7/power"), ("retention", "P30D")]);
    let done = run(&mut peer, CAMILLE, "pending-requests", &complete, &narrower).await;
    let all = [done, peer.recv().await, peer.recv().await].join("\n");
    assert!(all.contains("Given: app@coop.example") && all.contains("node='urn:dev:meter:7/power'"), "{all}");
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", &request, "--json"])).unwrap();
    assert_eq!((&record["retention"], &record["state"]), (&"P30D".into(), &"active".into()));
    assert_eq!(record["scope"], serde_json::json!(["urn:dev:meter:7/power"]));
}

#[tokio::test]
async fn asking_tells_a_stranger_nothing() {
    let mut stage = Stage::home("[consent]\nrequests_max = 2").await;
    let mut peer = stage.start().await;
    let stranger = "stranger@far.example/1";
    let shape = |said: &str| {
        // What is one's own differs: ids, times, the name that was asked for.
        let said = said.replace(SERIES, "SERIES").replace("urn:dev:nowhere", "SERIES");
        let fields: Vec<String> =
            said.split("<field").map(|f| f.split("<value>").next().unwrap().to_owned()).collect();
        (fields, said.contains("is pending"), said.contains("camille"))
    };
    peer.send(&command(stranger, "r", "request-access", "", &filled(ASKED))).await;
    let there = peer.recv().await;
    peer.recv().await; // Camille is asked.
    let nowhere = [("scope", "urn:dev:nowhere"), ("purpose", "energy advice")];
    peer.send(&command(stranger, "r", "request-access", "", &filled(&nowhere))).await;
    let not_there = peer.recv().await;
    assert_eq!(shape(&there).0[1..], shape(&not_there).0[1..], "{there}\n{not_there}");
    assert!(shape(&there).1 && shape(&not_there).1 && !shape(&there).2);
    let list = run(&mut peer, stranger, "my-access", "", "").await;
    assert!(!list.contains("camille") && !list.contains("nobody"), "{list}");
    assert_eq!(list.matches("requested").count(), 2, "{list}");
    // The third is one too many, whether or not it is there.
    let third = [("scope", "urn:dev:elsewhere"), ("purpose", "energy advice")];
    peer.ask(
        &command(stranger, "r", "request-access", "", &filled(&third)),
        &refused(stranger, "r", "resource-constraint", "wait", "en", ""),
    )
    .await;
    // What is wrong in itself is told, and nothing is held.
    for (fields, word) in [
        (&[("scope", "*"), ("purpose", "x")][..], "alone"),
        (&[("scope", ""), ("purpose", "x")], "Series"),
        (&[("scope", "urn:a"), ("purpose", "x"), ("valid_until", "2001-01-01")], "has passed already"),
        (&[("scope", "urn:a"), ("purpose", "x"), ("retention", "a year")], "ISO 8601"),
        (&[("scope", "urn:a"), ("purpose", "x"), ("valid_until", "2099-01-01")], "at most P3Y"),
    ] {
        let told = peer
            .ask(
                &command("other@far.example/1", "r", "request-access", "", &filled(fields)),
                &refused("other@far.example/1", "r", "bad-request", "modify", "en", "bad-payload"),
            )
            .await;
        assert!(told["text"].contains(word), "{told:?}");
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn for_a_person_without_an_address_the_operator_answers() {
    let mut stage = Stage::empty("").await;
    stage.cli(&["series", "add", SERIES, "--owner", "ref:file 12", "--producer", "gw@prod.example"]);
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    let form = peer.recv().await;
    assert!(form.contains("to='admin@example.org'") && form.contains("subscribe_authorization"), "{form}");
    assert!(form.contains("asks for the consent of ref:file 12"), "{form}");
    peer.send(&allow("x", Some(&request), CAMILLE, true)).await;
    peer.send(&allow("x", Some(&request), ADMIN, true)).await;
    let told = [peer.recv().await, peer.recv().await].join("\n");
    assert!(told.contains("subscription='subscribed'"), "{told}");
    assert!(
        told.contains("Recorded: ref:file 12 agreed") && told.contains(&format!("to='{ADMIN}'")),
        "{told}"
    );
    peer.ask(&publish("p2", "two", &watts(2)), &accepted("p2", "two")).await;
    peer.expect(&event("app@coop.example", "two", &watts(2), TERMS)).await;
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", &request, "--json"])).unwrap();
    assert_eq!(record["method"], "operator-answer");
    let evidence = record["evidence"].as_str().expect("evidence");
    assert!(evidence.contains("admin@example.org") && evidence.contains("by the form"), "{evidence}");
}

#[tokio::test]
async fn nobody_answers_in_time() {
    let mut stage = Stage::home("[consent]\nrequest_timeout = \"PT2S\"").await;
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    is_asked(&mut peer, &request, "en").await;
    let heard = [peer.recv().await, peer.recv().await].join("\n");
    assert!(heard.contains("state='timed-out'") && heard.contains("subscription='none'"), "{heard}");
    assert!(heard.contains("not answered in time"), "{heard}");
    let late = allow("x", Some(&request), CAMILLE, true);
    peer.send(&late).await;
    nothing_else(&mut peer).await;
}

/// A request that the operator has prepared.
const NEED: &str = "[[data_needs]]
id = \"advice\"
title = \"Daily means for advice\"
purpose = \"energy advice\"
scope = [\"urn:dev:prm:{}_consumption/power/active/raw\"]
granularity = \"P1D\"
retention = \"P30D\"
duration = \"P6M\"
";

#[tokio::test]
async fn a_prepared_request_is_named_and_says_all() {
    let mut stage = Stage::home(NEED).await;
    let mut peer = stage.start().await;
    peer.send(&command(APP, "r", "request-access", "", "")).await;
    let form = peer.recv().await;
    let choice = "<option label='Daily means for advice'><value>advice</value></option>";
    assert!(form.contains("var='need' type='list-single'") && form.contains(choice), "{form}");

    let fields = [("need", "advice"), ("scope", "30001610071843"), ("retention", "P9Y")];
    peer.send(&command(APP, "r2", "request-access", "", &filled(&fields))).await;
    let (mut answered, mut asked) = (String::new(), String::new());
    for _ in 0..2 {
        let said = peer.recv().await;
        match said.starts_with("<iq") {
            true => answered = said,
            false => asked = said,
        }
    }
    assert!(
        answered.contains("status='completed'") && answered.contains("<value>requested</value>"),
        "{answered}"
    );
    for word in ["energy advice", SERIES, "P1D", "P30D"] {
        assert!(asked.contains(word) && asked.contains("camille@home.example"), "{word} in {asked}");
    }
    assert!(!asked.contains("P9Y"), "{asked}");

    for (fields, word) in
        [(vec![("need", "other"), ("scope", "1")], "option"), (vec![("need", "advice")], "name in scope")]
    {
        peer.send(&command(APP, "w", "request-access", "", &filled(&fields))).await;
        let said = peer.recv().await;
        assert!(said.contains("type='error'") && said.contains("bad-request"), "{word}: {said}");
    }
    // At the command line.
    let by_need =
        ["consent", "add", "--subject", "camille@home.example", "--recipient", "school@edu.example"];
    let with = |more: &[&'static str]| [&by_need[..], more].concat();
    let record = stage.cli(&with(&["--need", "advice", "--scope", "30001610071843", "--json"]));
    assert!(
        record.contains("\"granularity\": \"P1D\"") || record.contains("\"granularity\":\"P1D\""),
        "{record}"
    );
    let none = stage.cli_fails(&with(&["--need", "other", "--scope", "1"]), 1);
    assert!(none.contains("there are advice"), "{none}");
}
