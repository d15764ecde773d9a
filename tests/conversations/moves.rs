//! A series changes hands: what was agreed to before does not go on, and each of those concerned is told.

use serde_json::{Value, json};

use super::asking::{APP, asks};
use super::commands::{ADMIN, filled, run};
use super::stage::{DOMAIN, SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, watts};
use crate::support::Peer;

const ADVISER: &str = "adviser@coop.example";
const CAROL: &str = "carol@home.example";

/// Before and after the records of [`watts`] were measured.
const BEFORE: &str = "2025-11-20T22:00:00Z";
const AFTER: &str = "2025-11-21T00:00:00Z";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn edit<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["series", "edit", SERIES][..], more].concat()
}

/// To a program: the consent is bounded.
fn bounded(consent: &str, until: &str) -> String {
    format!(
        "<message type='normal' from='{DOMAIN}' to='{ADVISER}' id='{{id}}'>
           <consent xmlns='urn:courant:0' id='{consent}' state='active' revision='2' until='{until}'/>
         </message>"
    )
}

/// To a person.
fn sentence(to: &str) -> String {
    format!(
        "<message type='normal' from='{DOMAIN}' to='{to}' id='{{id}}' xml:lang='en'><body>{{body}}</body></message>"
    )
}

/// What people are told, each by a part of it, in any order.
async fn are_told(peer: &mut Peer, programs: &[&str], people: &[(&str, &[&str])]) {
    let sentences: Vec<String> = people.iter().map(|(to, _)| sentence(to)).collect();
    let patterns: Vec<&str> = programs.iter().copied().chain(sentences.iter().map(String::as_str)).collect();
    let heard = peer.expect_all(&patterns).await;
    let said: Vec<&str> =
        heard.iter().filter_map(|captures| captures.get("body")).map(String::as_str).collect();
    for (to, words) in people {
        assert!(
            said.iter().any(|body| words.iter().all(|word| body.contains(word))),
            "{to} is to hear {words:?}, not {said:?}"
        );
    }
}

#[tokio::test]
async fn who_moves_in_shares_nothing_that_who_moved_out_agreed_to() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    let moved = json(&stage.cli(&edit(&["--owner", CAROL, "--from", AFTER, "--json"])));
    assert_eq!(
        moved,
        json!({
            "series": SERIES, "from": AFTER, "former": "camille@home.example", "holder": CAROL, "requests": [],
            "consents": [{"id": consent, "recipient": ADVISER, "becomes": "fulfilled"}],
            "subscriptions": 1, "left": [],
        })
    );
    // The border lies so far back that the consent ends at once.
    are_told(
        &mut peer,
        &[
            &bounded(&consent, AFTER),
            &format!(
                "<message type='normal' from='{DOMAIN}' to='{ADVISER}' id='{{id}}'>
                   <event xmlns='http://jabber.org/protocol/pubsub#event'>
                     <subscription node='{SERIES}' jid='{ADVISER}' subscription='none'/>
                   </event>
                   <ended xmlns='urn:courant:0' consent='{consent}' state='fulfilled' reason='moved'/>
                 </message>"
            ),
        ],
        &[
            (
                "camille@home.example",
                &["21 November 2025", "is not yours any more", "advice", ADVISER, "ends by itself"],
            ),
            ("camille@home.example", &["is not yours any more. What was measured before stays yours"]),
            ("camille@home.example", &["has ended, as what it names is not yours any more"]),
            (CAROL, &["21 November 2025", SERIES, "is yours"]),
        ],
    )
    .await;
    let behind = format!("<senml bn='{SERIES}' bt='1763683200' bu='W' v='2'/>");
    peer.ask(&publish("p2", "two", &behind), &accepted("p2", "two")).await;
    nothing_else(&mut peer).await;
    let shown = json(&stage.cli(&["consent", "show", &consent, "--json"]));
    assert_eq!((&shown["state"], &shown["end_reason"]), (&"fulfilled".into(), &"moved".into()));
    assert_eq!(shown["data_until"], AFTER);
    stage.cli(&["audit", "verify"]);
    let record = json(&stage.cli(&["series", "show", SERIES, "--json"]));
    assert_eq!(record["owner"], CAROL);
    assert_eq!(record["tenures"][0]["holder"], "camille@home.example");
}

#[tokio::test]
async fn what_left_of_a_time_that_changes_hands_is_to_be_erased() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let two = format!("{}<senml t='1800' v='2'/>", watts(1));
    peer.ask(&publish("p1", "one", &two), &accepted("p1", "one")).await;
    peer.recv().await;
    let dry = json(&stage.cli(&edit(&["--owner", CAROL, "--from", BEFORE, "--dry-run", "--json"])));
    nothing_else(&mut peer).await;
    let moved = json(&stage.cli(&edit(&["--owner", CAROL, "--from", BEFORE, "--json"])));
    assert_eq!(dry, moved);
    let (from, until) = ("2025-11-20T23:00:00Z", "2025-11-20T23:30:00.001Z");
    assert_eq!(moved["left"], json!([{"recipient": ADVISER, "from": from, "until": until, "records": 2}]));
    are_told(
        &mut peer,
        &[
            &bounded(&consent, BEFORE),
            &format!(
                "<message type='normal' from='{DOMAIN}' to='{ADVISER}' id='{{id}}'>
                   <erase xmlns='urn:courant:0' id='{{any}}' node='{SERIES}' from='{from}' until='{until}' reason='moved'/>
                 </message>"
            ),
            &format!(
                "<message type='normal' from='{DOMAIN}' to='{ADVISER}' id='{{id}}'>
                   <event xmlns='http://jabber.org/protocol/pubsub#event'>
                     <subscription node='{SERIES}' jid='{ADVISER}' subscription='none'/>
                   </event>
                   <ended xmlns='urn:courant:0' consent='{consent}' state='fulfilled' reason='moved'/>
                 </message>"
            ),
        ],
        &[
            ("camille@home.example", &["ends by itself"]),
            ("camille@home.example", &["stays yours"]),
            ("camille@home.example", &["has ended"]),
            (CAROL, &["is yours"]),
        ],
    )
    .await;
    nothing_else(&mut peer).await;
    let log = stage.cli(&["audit", "export"]);
    for entry in [
        format!(
            "\"kind\":\"move\",\"outcome\":\"held until\",\"series\":[\"{SERIES}\"],\"subject\":\"camille@home.example\""
        ),
        format!(
            "\"kind\":\"move\",\"outcome\":\"holds from\",\"series\":[\"{SERIES}\"],\"subject\":\"{CAROL}\""
        ),
    ] {
        assert!(log.contains(&entry), "{entry} in {log}");
    }
}

#[tokio::test]
async fn a_request_that_waits_is_closed_without_saying_why() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, &[("scope", SERIES), ("purpose", "energy advice")]).await;
    peer.recv().await;
    stage.cli(&edit(&["--owner", CAROL]));
    are_told(
        &mut peer,
        &[&format!(
            "<message type='normal' from='{DOMAIN}' to='app@coop.example' id='{{id}}'>
               <event xmlns='http://jabber.org/protocol/pubsub#event'>
                 <subscription node='{SERIES}' jid='app@coop.example' subscription='none'/>
               </event>
               <ended xmlns='urn:courant:0' consent='{request}' state='cancelled'/>
             </message>"
        )],
        &[
            (
                "camille@home.example",
                &["is closed, as what it asks for is not yours any more", "energy advice"],
            ),
            ("camille@home.example", &["stays yours"]),
            (CAROL, &["is yours"]),
        ],
    )
    .await;
    let shown = json(&stage.cli(&["consent", "show", &request, "--json"]));
    assert_eq!((&shown["state"], &shown["end_reason"]), (&"cancelled".into(), &"moved".into()));
    // Who asked learns no more by looking.
    let access = run(&mut peer, APP, "my-access", "", "").await;
    assert!(!access.contains("moved"), "{access}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_was_open_is_not_open_for_the_next_holder() {
    let mut stage = Stage::empty("").await;
    let add = [
        "series",
        "add",
        SERIES,
        "--owner",
        "camille@home.example",
        "--producer",
        "gw@prod.example",
        "--open",
    ];
    stage.cli(&add);
    let mut peer = stage.start().await;
    let subscribe = format!(
        "<iq type='set' from='school@edu.example/1' to='{DOMAIN}' id='s1'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='{SERIES}' jid='school@edu.example'/></pubsub>
         </iq>"
    );
    peer.send(&subscribe).await;
    assert!(peer.recv().await.contains("subscription='subscribed'"));
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    assert!(peer.recv().await.contains("basis='open'"));
    stage.cli(&edit(&["--owner", CAROL, "--from", AFTER]));
    are_told(&mut peer, &[], &[("camille@home.example", &["stays yours"]), (CAROL, &["is yours"])]).await;
    let behind = format!("<senml bn='{SERIES}' bt='1763683200' bu='W' v='2'/>");
    peer.ask(&publish("p2", "two", &behind), &accepted("p2", "two")).await;
    nothing_else(&mut peer).await;
    let record = json(&stage.cli(&["series", "show", SERIES, "--json"]));
    assert_eq!((&record["open"], &record["tenures"][0]["settings"]["open"]), (&false.into(), &true.into()));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let stage = Stage::home("").await;
    stage.cli(&edit(&["--owner", CAROL, "--from", "2026-01-01"]));
    for (words, code, hint) in [
        (&["--owner", "dave@home.example", "--from", "2025-12-31"][..], 1, "begins at 2026-01-01T00:00:00Z"),
        (&["--owner", "dave@home.example", "--from", "2099-01-01"], 1, "at most a year ahead"),
        (&["--owner", "dave@home.example", "--vacant"], 2, "--vacant"),
        (&["--from", "2026-02-01"], 2, "--owner or --vacant"),
        (&["--dry-run", "--title", "x"], 2, "--owner or --vacant"),
        (&["--owner", "dave@home.example", "--from", "yesterday"], 2, "2027-01-01"),
    ] {
        let complaint = stage.cli_fails(&edit(words), code);
        assert!(complaint.contains(hint), "{words:?}: {complaint}");
    }
    let missing = stage.cli_fails(&["series", "edit", "urn:nowhere", "--owner", CAROL], 1);
    assert!(missing.contains("not registered"), "{missing}");
    let missing = stage.cli_fails(&["series", "remove", "urn:nowhere"], 1);
    assert!(missing.contains("not registered"), "{missing}");
    // The holder that it has is no move.
    let same = stage.cli(&edit(&["--owner", CAROL]));
    assert!(same.contains("holds it already"), "{same}");
    let tenures =
        json(&stage.cli(&["series", "show", SERIES, "--json"]))["tenures"].as_array().unwrap().len();
    assert_eq!(tenures, 2);
}

#[tokio::test]
async fn a_removed_series_keeps_its_past_and_goes_along_in_an_export() {
    let stage = Stage::home("").await;
    let dry = stage.cli(&["series", "remove", SERIES, "--dry-run"]);
    assert!(dry.contains("Nothing was changed") && dry.contains("Its past stays theirs"), "{dry}");
    stage.cli(&["series", "show", SERIES]);
    let said = stage.cli(&["series", "remove", SERIES]);
    assert!(said.contains("is not registered any more") && said.contains("camille@home.example"), "{said}");
    assert!(stage.cli_fails(&["series", "show", SERIES], 1).contains("not registered"));
    assert_eq!(stage.cli(&["series", "list", "--json"]).trim(), "[]");
    let exported = stage.cli(&["series", "export"]);
    let line = json(&exported);
    assert_eq!(line["owner"], Value::Null);
    assert_eq!(line["tenures"][0]["holder"], "camille@home.example");
    assert_eq!(line["tenures"][1]["registered"], false);
    let other = Stage::empty("").await;
    let file = other.courant.directory().join("series.jsonl");
    std::fs::write(&file, &exported).expect("a file");
    let file = file.to_str().expect("a path");
    let done = other.cli(&["series", "import", file]);
    assert!(done.contains("Imported 1 series"), "{done}");
    assert_eq!(other.cli(&["series", "export"]), exported, "octet for octet");
    assert!(other.cli(&["series", "import", file]).contains("1 were there already"));
    // Registered again, its past stays Camille's.
    let add = ["series", "add", SERIES, "--owner", CAROL, "--producer", "gw@prod.example", "--json"];
    let again = json(&other.cli(&add));
    assert_eq!(again["owner"], CAROL);
    assert_eq!(again["tenures"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_whole_history_is_rewritten_by_import() {
    let stage = Stage::home("").await;
    let mut line = json(&stage.cli(&["series", "show", SERIES, "--json"]));
    line["tenures"] = json!([
        {"holder": "camille@home.example", "from": null},
        {"holder": null, "from": "2026-01-01T00:00:00Z"},
        {"holder": CAROL, "from": "2026-02-01T00:00:00Z"},
    ]);
    let file = stage.courant.directory().join("series.jsonl");
    let import = |line: &Value| std::fs::write(&file, line.to_string()).expect("a file");
    import(&line);
    let file = file.to_str().expect("a path").to_owned();
    let done = stage.cli(&["series", "import", &file]);
    assert!(done.contains("The tenures of 1 were rewritten"), "{done}");
    let shown = json(&stage.cli(&["series", "show", SERIES, "--json"]));
    assert_eq!((&shown["owner"], &shown["tenures"]), (&CAROL.into(), &line["tenures"]));
    // What else is there is not changed by an import.
    line["title"] = "other".into();
    import(&line);
    let refused = stage.cli_fails(&["series", "import", &file], 1);
    assert!(refused.contains("nothing was changed"), "{refused}");
    line["tenures"][1]["from"] = "2026-03-01T00:00:00Z".into();
    import(&line);
    let refused = stage.courant.run(&["series", "import", &file]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("tenures") && said.contains("line 1"), "{said}");
}

#[tokio::test]
async fn operators_move_people_by_command() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let form = run(&mut peer, ADMIN, "series-edit", "", "").await;
    let session =
        form.split("sessionid='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a session");
    let next = format!("sessionid='{session}' action='next'");
    let what = run(&mut peer, ADMIN, "series-edit", &next, &filled(&[("name", SERIES)])).await;
    for field in
        ["var='owner'", "var='from'", "var='below'", "var='vacant'", "<value>camille@home.example</value>"]
    {
        assert!(what.contains(field), "{field} in {what}");
    }
    // Somebody else decides while the form is open.
    stage.cli(&edit(&["--owner", "dave@home.example", "--from", BEFORE]));
    are_told(
        &mut peer,
        &[],
        &[("camille@home.example", &["stays yours"]), ("dave@home.example", &["is yours"])],
    )
    .await;
    let complete = format!("sessionid='{session}' action='complete'");
    let stale = run(&mut peer, ADMIN, "series-edit", &complete, &filled(&[("owner", CAROL)])).await;
    assert!(stale.contains("somebody else has just changed"), "{stale}");
    // In one step.
    let both = [("name", SERIES), ("owner", CAROL), ("vacant", "true")];
    let both = run(&mut peer, ADMIN, "series-edit", "", &filled(&both)).await;
    assert!(both.contains("bad-payload") && both.contains("either somebody"), "{both}");
    let early = [("name", SERIES), ("owner", CAROL), ("from", "2025-01-01")];
    let early = run(&mut peer, ADMIN, "series-edit", "", &filled(&early)).await;
    assert!(early.contains("begins at 2025-11-20T22:00:00Z"), "{early}");
    let moved = [("name", SERIES), ("owner", CAROL), ("from", AFTER)];
    let moved = run_heard(&mut peer, "series-edit", &moved).await;
    assert!(moved.contains("status='completed'") && moved.contains(CAROL), "{moved}");
    let vacant = run_heard(&mut peer, "series-edit", &[("name", SERIES), ("vacant", "true")]).await;
    assert!(vacant.contains("nobody holds it"), "{vacant}");
    let removed = run_heard(&mut peer, "series-remove", &[("name", SERIES)]).await;
    assert!(removed.contains("is not registered any more"), "{removed}");
    let missing = run(&mut peer, ADMIN, "series-remove", "", &filled(&[("name", SERIES)])).await;
    assert!(missing.contains("not registered"), "{missing}");
    let exported = json(&stage.cli(&["series", "export"]));
    let holders: Vec<_> =
        exported["tenures"].as_array().unwrap().iter().map(|t| t["holder"].clone()).collect();
    assert_eq!(
        holders,
        [json!("camille@home.example"), json!("dave@home.example"), json!(CAROL), Value::Null, Value::Null]
    );
}

/// Runs a command in one step; what people are told meanwhile is passed over.
async fn run_heard(peer: &mut Peer, node: &str, fields: &[(&str, &str)]) -> String {
    peer.send(&super::commands::command(ADMIN, "h", node, "", &filled(fields))).await;
    loop {
        let stanza = peer.recv().await;
        if stanza.starts_with("<iq") {
            return stanza;
        }
        assert!(stanza.contains("<body>") || stanza.contains("subscription='none'"), "{stanza}");
    }
}

#[tokio::test]
async fn check_names_consents_that_permit_nothing() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    assert_eq!(stage.cli(&["check"]), "ok\n");
    // As it may stand from before.
    let line = json!({
        "name": SERIES, "producers": ["gw@prod.example"], "tenures": [{"holder": "bob@home.example", "from": null}],
    });
    let file = stage.courant.directory().join("series.jsonl");
    std::fs::write(&file, line.to_string()).expect("a file");
    stage.cli(&["series", "import", file.to_str().expect("a path")]);
    let complaint = stage.cli_fails(&["check"], 1);
    for word in [&*consent, SERIES, "camille@home.example", ADVISER, "consent revoke"] {
        assert!(complaint.contains(word), "{word} in {complaint}");
    }
    peer.recv().await;
}
