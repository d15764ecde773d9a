//! What becomes of a consent after it was given: narrowed, paused, renewed, run out, taken elsewhere.

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::Value;

use super::stage::{
    SERIES, Stage, UNDER_CONSENT, accepted, event, event_of, nothing_else, publish, publish_to, watts,
};
use crate::support::Peer;

const ADVISER: &str = "adviser@coop.example";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Both sides are told of a change that is no end.
async fn both_are_told(peer: &mut Peer, consent: &str, state: &str, revision: u32, word: &str) {
    let told = peer
        .expect_all(&[
            &format!(
                "<message type='normal' from='energy.example.org' to='{ADVISER}' id='{{id}}'>
                   <consent xmlns='urn:courant:0' id='{consent}' state='{state}' revision='{revision}'/>
                 </message>"
            ),
            "<message type='normal' from='energy.example.org' to='camille@home.example' id='{id}' xml:lang='en'>
               <body>{body}</body>
             </message>",
        ])
        .await;
    assert!(told[1]["body"].contains(word), "{told:?}");
}

/// Publish, and the adviser gets it.
async fn leaves(peer: &mut Peer, item: &str, value: u32) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    peer.expect(&event(ADVISER, item, &watts(value), UNDER_CONSENT)).await;
}

/// Publish, and nobody gets it.
async fn stays(peer: &mut Peer, item: &str, value: u32) {
    peer.ask(&publish(item, item, &watts(value)), &accepted(item, item)).await;
    nothing_else(peer).await;
}

#[tokio::test]
async fn suspended_and_resumed() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    leaves(&mut peer, "one", 1).await;
    stage.cli(&["consent", "suspend", &consent, "--reason", "holidays"]);
    both_are_told(&mut peer, &consent, "suspended", 1, "is suspended").await;
    stays(&mut peer, "two", 2).await;
    let again = stage.cli_fails(&["consent", "suspend", &consent], 1);
    assert!(again.contains("is suspended already"), "{again}");

    // What was measured meanwhile is not sent later.
    stage.cli(&["consent", "resume", &consent]);
    both_are_told(&mut peer, &consent, "active", 1, "is resumed").await;
    leaves(&mut peer, "three", 3).await;
    nothing_else(&mut peer).await;
    let shown = stage.cli(&["consent", "show", &consent]);
    assert!(shown.contains("suspended by") && shown.contains("holidays"), "{shown}");
}

#[tokio::test]
async fn an_edit_narrows_and_what_was_queued_outside_stays() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:dev:meter:7*", "gw@prod.example");
    let consent = stage.consents(ADVISER, &["urn:dev:meter:7*"], &[]);
    let mut peer = stage.start().await;
    let (power, voltage) = ("urn:dev:meter:7/power", "urn:dev:meter:7/voltage");
    let record = |node: &str, value| format!("<senml bn='{node}' bt='1763679600' v='{value}'/>");
    let said = stage.cli(&["consent", "edit", &consent, "--scope", power, "--evidence", "letter of 3 May"]);
    assert!(said.contains("revision 2") && said.contains("letter of 3 May"), "{said}");
    let told = [peer.recv().await, peer.recv().await].join("\n");
    assert!(told.contains("revision='2'") && told.contains("was changed; it says now"), "{told}");

    peer.ask(
        &publish_to(voltage, "v1", "v1", &record(voltage, 230)),
        &super::stage::accepted_at(voltage, "v1", "v1"),
    )
    .await;
    peer.ask(
        &publish_to(power, "p1", "p1", &record(power, 1)),
        &super::stage::accepted_at(power, "p1", "p1"),
    )
    .await;
    peer.expect(&event_of(power, ADVISER, "p1", &record(power, 1), UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;

    // Wider is not an edit.
    let wider = stage.cli_fails(&["consent", "edit", &consent, "--scope", "urn:dev:meter:7*"], 1);
    assert!(wider.contains("widen") && wider.contains("scope") && wider.contains("arrangement"), "{wider}");
    let longer = stage.cli_fails(&["consent", "edit", &consent, "--valid-until", "2100-01-01"], 1);
    assert!(longer.contains("at most") || longer.contains("widen"), "{longer}");
    // Who looked at an older revision is told so, and nothing is changed.
    let stale = stage.cli_fails(&["consent", "edit", &consent, "--revision", "1", "--retention", "P1D"], 1);
    assert!(stale.contains("revision 2 now"), "{stale}");
    let record = json(&stage.cli(&["consent", "show", &consent, "--json"]));
    assert_eq!((&record["revision"], &record["retention"]), (&Value::from(2), &Value::from("P1Y")));
    assert_eq!(record["scope"], serde_json::json!([power]));
    let verified = stage.cli(&["audit", "verify"]);
    assert!(verified.contains("in order") || verified.contains("ok"), "{verified}");
}

#[tokio::test]
async fn a_granularity_is_kept_and_nothing_finer_leaves() {
    let mut stage = Stage::home("").await;
    let consent = stage.consents(ADVISER, &[SERIES], &["--granularity", "P1D"]);
    let record = json(&stage.cli(&["consent", "show", &consent, "--json"]));
    assert_eq!(record["granularity"], "P1D");
    let mut peer = stage.start().await;
    stays(&mut peer, "one", 1).await;
    let none = stage.cli_fails(
        &[
            "consent",
            "add",
            "--subject",
            "camille@home.example",
            "--recipient",
            ADVISER,
            "--scope",
            SERIES,
            "--purpose",
            "x",
            "--granularity",
            "P0D",
        ],
        1,
    );
    assert!(none.contains("granularity 'P0D'"), "{none}");
}

#[tokio::test]
async fn a_renewal_takes_the_place_of_what_it_renews() {
    let (stage, first, mut peer) = Stage::with_an_adviser("").await;
    let arrangement =
        json(&stage.cli(&["consent", "show", &first, "--json"]))["arrangement"].as_str().unwrap().to_owned();
    leaves(&mut peer, "one", 1).await;
    let second = stage.consents(ADVISER, &[SERIES], &["--arrangement", &arrangement, "--retention", "P2Y"]);
    // The recipient hears that the first ended; its subscription goes on.
    peer.expect(&format!(
        "<message type='normal' from='energy.example.org' to='{ADVISER}' id='{{id}}'>
           <ended xmlns='urn:courant:0' consent='{first}' state='replaced' reason='renewed as {second}'/>
         </message>"
    ))
    .await;
    let told = peer
        .expect(
            "<message type='normal' from='energy.example.org' to='camille@home.example' id='{id}' xml:lang='en'>
               <body>{sentence}</body>
             </message>",
        )
        .await;
    assert!(told["sentence"].contains("replaced by a newer one"), "{told:?}");
    peer.ask(&publish("two", "two", &watts(2)), &accepted("two", "two")).await;
    let terms = format!(
        "<terms xmlns='urn:courant:0' consent='{second}' purpose='advice' retention='P2Y' expires='{{any}}'/>"
    );
    peer.expect(&event(ADVISER, "two", &watts(2), &terms)).await;
    let stranger = stage.cli_fails(
        &[
            "consent",
            "add",
            "--subject",
            "camille@home.example",
            "--recipient",
            "other@coop.example",
            "--scope",
            SERIES,
            "--purpose",
            "x",
            "--arrangement",
            &arrangement,
        ],
        1,
    );
    assert!(stranger.contains("has that arrangement"), "{stranger}");
}

#[tokio::test]
async fn what_runs_out_is_told_by_the_service() {
    let mut stage = Stage::home("").await;
    // Recorded when its time was over already: the service finds it so when it starts.
    let consent =
        stage.consents(ADVISER, &[SERIES], &["--valid-from", "2020-01-01", "--valid-until", "2021-01-01"]);
    let mut peer = stage.start().await;
    peer.expect(&format!(
        "<message type='normal' from='energy.example.org' to='{ADVISER}' id='{{id}}'>
           <event xmlns='http://jabber.org/protocol/pubsub#event'>
             <subscription node='{SERIES}' jid='{ADVISER}' subscription='none'/>
           </event>
           <ended xmlns='urn:courant:0' consent='{consent}' state='expired'/>
         </message>"
    ))
    .await;
    peer.expect(
        "<message type='normal' from='energy.example.org' to='camille@home.example' id='{id}' xml:lang='en'>
           <body>{sentence}</body>
         </message>",
    )
    .await;
    let record = json(&stage.cli(&["consent", "show", &consent, "--json"]));
    assert_eq!((&record["state"], &record["ended_by"]), (&"expired".into(), &"courant".into()));
}

#[tokio::test]
async fn what_is_exported_can_be_imported_elsewhere() {
    let stage = Stage::home("").await;
    let active = stage.consents(ADVISER, &[SERIES], &["--granularity", "PT1H", "--no-subscribe"]);
    let ended = stage.consents("school@coop.example", &[SERIES], &[]);
    stage.cli(&["consent", "revoke", &ended, "--reason", "moved"]);
    let (consents, series) = (stage.cli(&["consent", "export"]), stage.cli(&["series", "export"]));
    assert_eq!(consents.lines().count(), 2, "{consents}");
    let first = json(consents.lines().next().unwrap());
    assert_eq!((&first["id"], &first["subscribe"]), (&active.into(), &false.into()));

    let mut other = Stage::empty("").await;
    let (file, list) =
        (other.courant.directory().join("consents.jsonl"), other.courant.directory().join("series.jsonl"));
    std::fs::write(&file, &consents).unwrap();
    std::fs::write(&list, &series).unwrap();
    let (file, list) = (file.to_str().unwrap(), list.to_str().unwrap());
    // Whose a series is comes first: until then its consent is nobody's to give.
    let output = other.courant.run(&["consent", "import", "--dry-run", file]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("line 1: scope: "), "{output:?}");
    other.cli(&["series", "import", list]);
    let tried = other.cli(&["consent", "import", "--dry-run", file]);
    assert!(tried.contains("2 lines are right"), "{tried}");
    assert_eq!(other.cli(&["consent", "export"]), "");
    let done = other.cli(&["consent", "import", file]);
    assert!(done.contains("Imported 2 consents; 0"), "{done}");
    assert_eq!(other.cli(&["consent", "export"]), consents);
    assert_eq!(other.cli(&["series", "export"]), series);
    // Once more is no harm.
    let again = other.cli(&["consent", "import", file]);
    assert!(again.contains("Imported 0 consents; 2"), "{again}");
    let verified = other.cli(&["audit", "verify"]);
    assert!(!verified.contains("wrong"), "{verified}");

    // What is wrong is told line by line, and all of it stays out.
    let good = r#"{"subject":"ref:12","recipient":"app@coop.example","scope":["urn:a"],"purpose":"advice"}"#;
    let bad = [
        good,
        r#"{"subject":"ref:12","recipient":"not a jid","scope":["urn:a"],"purpose":"advice"}"#,
        "",
        r#"{"subject":"ref:12","recipient":"app@coop.example","scope":["*"],"purpose":"advice"}"#,
        "{",
        r#"{"subject":"ref:12","recipient":"app@coop.example","scope":["urn:a"],"purpose":"advice","valid_until":"2001-01-01"}"#,
    ];
    std::fs::write(file, bad.join("\n")).unwrap();
    for arguments in [&["consent", "import", "--dry-run", file][..], &["consent", "import", file][..]] {
        let output = other.courant.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = said.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 2", "line 4", "line 5", "line 6"], "{said}");
    }
    assert_eq!(other.cli(&["consent", "export"]), consents);
    // The service that is started on it works with it.
    let mut peer = other.start().await;
    stays(&mut peer, "one", 1).await;
}

/// An arrangement is made by the consent whose id it is: in the store, or in the same file, in whatever order.
#[tokio::test]
async fn an_arrangement_that_nobody_has_made_is_not_imported() {
    let stage = Stage::home("").await;
    let held = stage.consents(ADVISER, &[SERIES], &[]);
    let file = stage.courant.directory().join("arrangements.jsonl");
    let record = |id: Option<&str>, arrangement: &str, recipient: &str| {
        let id = id.map_or_else(String::new, |id| format!(r#""id":"{id}","#));
        format!(
            r#"{{{id}"arrangement":"{arrangement}","subject":"camille@home.example","recipient":"{recipient}","scope":["{SERIES}"],"purpose":"advice"}}"#
        )
    };
    let (nobodys, first) = ("0192f3c1-7f3a-7000-8000-00000000002a", "0192f3c1-7f3a-7000-8000-000000000001");
    let stranger = "stranger@coop.example";
    let lines = [
        record(None, nobodys, ADVISER),
        record(None, &held, stranger),
        record(None, first, ADVISER),
        record(Some(first), first, ADVISER),
        record(None, first, stranger),
        record(None, &held, ADVISER),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let before = stage.cli(&["consent", "export"]);
    for arguments in [&["consent", "import", "--dry-run", file][..], &["consent", "import", file][..]] {
        let output = stage.courant.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        let wrong: Vec<&str> = said.lines().map(|line| line.split(": no consent").next().unwrap()).collect();
        assert_eq!(wrong, ["line 1: arrangement", "line 2: arrangement", "line 5: arrangement"], "{said}");
        assert!(said.contains("take it from the consent to be renewed"), "{said}");
    }
    assert_eq!(stage.cli(&["consent", "export"]), before);
    std::fs::write(file, [&*lines[2], &lines[3], &lines[5]].join("\n")).unwrap();
    let done = stage.cli(&["consent", "import", file]);
    assert!(done.contains("Imported 3 consents; 0"), "{done}");
}

#[tokio::test]
async fn many_lines_take_seconds() {
    let stage = Stage::empty("").await;
    let mut text = String::new();
    for number in 0..20_000 {
        let _ = writeln!(
            text,
            r#"{{"subject":"ref:home {number}","recipient":"app{}@coop.example","scope":["urn:dev:meter:{number}*"],"purpose":"advice"}}"#,
            number % 500
        );
    }
    let file = stage.courant.directory().join("many.jsonl");
    std::fs::write(&file, text).unwrap();
    let begun = Instant::now();
    stage.cli(&["consent", "import", file.to_str().unwrap()]);
    println!("20 000 lines: {:?}", begun.elapsed());
    let listed = stage.cli(&["consent", "export"]);
    assert_eq!(listed.lines().count(), 20_000);
}

#[tokio::test]
async fn a_series_is_edited() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    leaves(&mut peer, "one", 1).await;
    let edited = json(&stage.cli(&[
        "series",
        "edit",
        SERIES,
        "--json",
        "--title",
        "Load curve",
        "--meta",
        "unit=W",
        "--producer",
        "new@prod.example",
    ]));
    assert_eq!(edited["producers"], serde_json::json!(["new@prod.example"]));
    assert_eq!((&edited["title"], &edited["meta"]["unit"]), (&"Load curve".into(), &"W".into()));
    peer.ask(&publish("two", "two", &watts(2)), &super::stage::refused("two", "forbidden", "auth", "")).await;
    let shown = stage.cli(&["series", "show", SERIES]);
    assert!(shown.contains("Load curve") && shown.contains("new@prod.example"), "{shown}");
    let missing = stage.cli_fails(&["series", "edit", "urn:nowhere", "--open"], 1);
    assert!(missing.contains("not registered"), "{missing}");
}
