//! Nobody's consent is recorded for what is somebody else's: by none of the doors by which one comes in. The operator
//! reads whose it is; others do not.

use super::asking::{APP, asks, hears, says};
use super::commands::{ADMIN, CAMILLE, filled, run};
use super::stage::{SERIES, Stage, accepted, nothing_else, publish, watts};

const BOB: &str = "bob@partner.example";
const CAMILLES: &str = "camille@home.example";
const BOBS: &str = "urn:dev:prm:30001610071843_consumption/power/active/raw/bob";

/// A subject that is nobody, and what is said of it.
const NOBODY: [(&str, &str); 2] = [("camille", "a word alone"), ("home.example", "a domain")];

fn add<'a>(subject: &'a str, scope: &'a str) -> [&'a str; 10] {
    [
        "consent",
        "add",
        "--subject",
        subject,
        "--recipient",
        "app@coop.example",
        "--scope",
        scope,
        "--purpose",
        "x",
    ]
}

fn consents(stage: &Stage) -> serde_json::Value {
    serde_json::from_str(&stage.cli(&["consent", "list", "--json"])).expect("JSON")
}

#[tokio::test]
async fn at_the_command_line() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let said = stage.cli_fails(&add(BOB, SERIES), 1);
    for word in [BOB, SERIES, CAMILLES, "courant series edit"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    for (nobody, word) in NOBODY {
        let said = stage.cli_fails(&add(nobody, SERIES), 2);
        assert!(said.contains(word) && said.contains("ref:"), "{said}");
        let said = stage
            .cli_fails(&["series", "add", "urn:x", "--owner", nobody, "--producer", "gw@prod.example"], 2);
        assert!(said.contains(word), "{said}");
        stage.cli_fails(&["series", "edit", SERIES, "--owner", nobody], 2);
    }
    let said = stage.cli_fails(&add(CAMILLES, "urn:dev:nowhere"), 1);
    assert!(
        said.contains("nobody else does") && said.contains("courant series add urn:dev:nowhere"),
        "{said}"
    );
    assert_eq!(consents(&stage), serde_json::json!([]));
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    nothing_else(&mut peer).await;

    // A prefix covers what of it the person holds; narrowed to what they do not, it is refused.
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&[&add(BOB, "urn:dev:prm:*")[..], &["--json"]].concat()))
            .expect("JSON");
    let id = record["id"].as_str().expect("an id");
    let said = stage.cli_fails(&["consent", "edit", id, "--scope", SERIES], 1);
    assert!(said.contains(SERIES) && said.contains(CAMILLES), "{said}");
    stage.cli(&["consent", "edit", id, "--scope", "urn:dev:prm:3*"]);
}

#[tokio::test]
async fn by_form() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let add = |subject: &str, scope: &str| {
        filled(&[("subject", subject), ("recipient", "app@coop.example"), ("scope", scope), ("purpose", "x")])
    };
    for (attributes, words) in [
        ("", ["does not hold", "it is camille@home.example&apos;s"]),
        ("xml:lang='fr'", ["ne détient pas", "elle est à camille@home.example"]),
    ] {
        let said = run(&mut peer, ADMIN, "consent-add", attributes, &add(BOB, SERIES)).await;
        assert!(said.contains("<bad-request") && said.contains(SERIES), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    }
    for (nobody, word) in NOBODY {
        let said = run(&mut peer, ADMIN, "consent-add", "", &add(nobody, SERIES)).await;
        assert!(said.contains("<bad-request") && said.contains(word), "{said}");
        let series = filled(&[("name", "urn:x"), ("owner", nobody), ("producers", "gw@prod.example")]);
        let said = run(&mut peer, ADMIN, "series-add", "", &series).await;
        assert!(said.contains("<bad-request") && said.contains(word), "{said}");
    }
    assert_eq!(consents(&stage), serde_json::json!([]));
    let said = run(&mut peer, ADMIN, "consent-add", "", &add(BOB, "urn:dev:prm:*")).await;
    let id = said.split("var='id'").nth(1).and_then(|f| f.split("<value>").nth(1)).expect("an id")[..36]
        .to_owned();
    let narrower = filled(&[("id", &id), ("scope", SERIES)]);
    let said = run(&mut peer, ADMIN, "consent-edit", "", &narrower).await;
    assert!(said.contains("<bad-request") && said.contains("camille@home.example"), "{said}");
}

#[tokio::test]
async fn by_file() {
    let stage = Stage::home("").await;
    let file = stage.courant.directory().join("consents.jsonl");
    let line = |subject: &str, scope: &str, more: &str| {
        format!(
            r#"{{"subject":"{subject}","recipient":"app@coop.example","scope":["{scope}"],"purpose":"x","valid_until":"2027-06-01"{more}}}"#
        )
    };
    let ended = r#","state":"withdrawn","since":"2026-06-01T00:00:00Z","ended_by":"x""#;
    let asked = r#","state":"requested""#;
    let lines = [
        line(CAMILLES, SERIES, ""),
        line(BOB, SERIES, ""),
        line(BOB, SERIES, ended),
        line(BOB, SERIES, asked),
        line(BOB, "urn:dev:prm:*", ""),
        line(CAMILLES, "urn:dev:nowhere", r#","state":"suspended""#),
        line(CAMILLES, SERIES, r#","data_until":"2020-01-01""#),
    ];
    std::fs::write(&file, lines.join("\n")).expect("a file");
    let name = file.to_str().expect("a name");
    for more in [&[][..], &["--dry-run"]] {
        let output = stage.courant.run(&[&["consent", "import", name], more].concat());
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stdout);
        let wrong: Vec<&str> = told.lines().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect();
        assert_eq!(wrong, ["2:", "6:"], "{told}");
        for word in ["scope: ", BOB, SERIES, CAMILLES, "urn:dev:nowhere"] {
            assert!(told.contains(word), "{word} in {told}");
        }
    }
    for (nobody, word) in NOBODY {
        std::fs::write(&file, format!("{}\n{}", line(nobody, SERIES, ""), line(nobody, SERIES, ended)))
            .expect("a file");
        let told =
            String::from_utf8_lossy(&stage.courant.run(&["consent", "import", name]).stdout).into_owned();
        assert!(
            told.starts_with("line 1: subject: ") && told.contains(word) && !told.contains("line 2"),
            "{told}"
        );
        let series = format!(r#"{{"name":"urn:x","owner":"{nobody}","producers":["gw@prod.example"]}}"#);
        std::fs::write(&file, series).expect("a file");
        let told =
            String::from_utf8_lossy(&stage.courant.run(&["series", "import", name]).stdout).into_owned();
        assert!(told.starts_with("line 1: owner: ") && told.contains(word), "{told}");
    }
    let right: Vec<&str> = [0, 2, 3, 4, 6].map(|place: usize| &*lines[place]).into();
    std::fs::write(&file, right.join("\n")).expect("a file");
    stage.cli(&["consent", "import", name]);
    // What is there word for word is passed over.
    let all = stage.cli(&["consent", "export"]);
    std::fs::write(&file, &all).expect("a file");
    let said = stage.cli(&["consent", "import", name]);
    assert!(said.contains("Imported 0 consents; 5 were there already"), "{said}");
}

/// Who held a series once consents to what was measured then, and to nothing of the next.
#[tokio::test]
async fn of_ones_own_time_alone() {
    let mut stage = Stage::home("").await;
    stage.cli(&["series", "edit", SERIES, "--owner", "carol@home.example", "--from", "2026-11-01T00:00:00Z"]);
    let mut peer = stage.start().await;
    let window = |from: &'static str, until: &'static str| {
        let mut more = Vec::new();
        more.extend((!from.is_empty()).then_some(["--data-from", from]).into_iter().flatten());
        more.extend((!until.is_empty()).then_some(["--data-until", until]).into_iter().flatten());
        more
    };
    for (subject, from, until, other) in [
        (CAMILLES, "2026-11-01T00:00:00Z", "", "carol@home.example"),
        ("carol@home.example", "", "2026-11-01T00:00:00Z", CAMILLES),
        (BOB, "2026-10-01", "2026-12-01", "carol@home.example"),
    ] {
        let said = stage.cli_fails(&[&add(subject, SERIES)[..], &window(from, until)].concat(), 1);
        assert!(
            said.contains(SERIES) && said.contains(other) && said.contains("in the time measured"),
            "{said}"
        );
    }
    for (subject, from, until) in
        [(CAMILLES, "", "2026-11-01T00:00:00Z"), ("carol@home.example", "2026-10-31", ""), (CAMILLES, "", "")]
    {
        stage.cli(&[&add(subject, SERIES)[..], &window(from, until)].concat());
    }
    // In person too, for what was measured then.
    let give = |more: (&str, &str)| {
        filled(&[("recipient", "school@edu.example"), ("scope", SERIES), ("purpose", "advice"), more])
    };
    let late = give(("data_from", "2026-11-02"));
    let said = run(&mut peer, CAMILLE, "give-consent", "", &late).await;
    assert!(
        said.contains("<bad-request") && said.contains("in the time measured") && !said.contains("carol"),
        "{said}"
    );
    let said = run(&mut peer, CAMILLE, "give-consent", "", &give(("data_until", "2026-11-01"))).await;
    assert!(said.contains("status='completed'"), "{said}");
}

#[tokio::test]
async fn by_whoever_gives_or_answers() {
    let mut stage = Stage::empty("").await;
    // Before what is above it: so he has always held it.
    stage.cli(&["series", "add", BOBS, "--owner", BOB, "--producer", "gw@prod.example"]);
    stage.series("urn:dev:prm:*", "gw@prod.example");
    let mut peer = stage.start().await;
    // Below what is hers, and his; what is hers; what is nobody's.
    for (scope, given) in [(BOBS, false), (SERIES, true), ("urn:elsewhere", false)] {
        let fields = filled(&[("recipient", "app@coop.example"), ("scope", scope), ("purpose", "advice")]);
        let said = run(&mut peer, CAMILLE, "give-consent", "", &fields).await;
        assert_eq!(said.contains("status='completed'"), given, "{said}");
        assert!(
            given || said.contains("<bad-request") && said.contains(scope) && !said.contains("bob@"),
            "{said}"
        );
    }
    while !peer.recv().await.contains("You gave") {}
    // Asking tells nothing, whatever is asked for; who is asked gives what is theirs.
    let both = format!("{BOBS}\n{SERIES}");
    let fields = filled(&[("purpose", "both")])
        .replace("</x>", &format!("<field var='scope'><value>{both}</value></field></x>"));
    let said = run(&mut peer, APP, "request-access", "", &fields).await;
    assert!(said.contains("is pending") && !said.contains("bob@") && !said.contains("camille@"), "{said}");
    let id = asks(&mut peer, APP, &[("scope", "urn:elsewhere"), ("purpose", "advice")]).await;
    assert_eq!(id.len(), 36);
    let asked = peer.recv().await;
    assert!(asked.contains("to='bob@partner.example'") && !asked.contains("camille"), "{asked}");
    let code: String = asked.split("&apos;yes ").nth(1).expect("a code").chars().take(4).collect();
    says(&peer, "bob@partner.example/phone", &format!("yes {code}")).await;
    let mut heard = String::new();
    while !(heard.contains("Thank you") && heard.contains("You gave")) {
        heard += &peer.recv().await;
    }
    assert!(
        heard.contains(&format!("node='{BOBS}'")) && !heard.contains(&format!("node='{SERIES}'")),
        "{heard}"
    );
    says(&peer, CAMILLE, "list").await;
    hears(&mut peer, CAMILLE, "en").await;
    nothing_else(&mut peer).await;
}
