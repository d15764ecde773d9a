//! The operator's side: what each verb prints, refuses and leaves behind.

use std::fs;
use std::path::Path;

use super::stage::{
    DOMAIN, SECRET, SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, refused, watts,
};
use crate::support::{Answer, Courant, ScriptedServer};

const ADVISER: &str = "adviser@coop.example";

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn a_consent_from_its_beginning_to_its_end() {
    let stage = Stage::home("").await;
    let given = json(&stage.cli(&[
        "consent",
        "add",
        "--json",
        "--subject",
        "camille@home.example",
        "--recipient",
        ADVISER,
        "--scope",
        SERIES,
        "--scope",
        "urn:dev:meter:7*",
        "--purpose",
        "advice on heating",
        "--purpose-code",
        "dpv:ServiceProvision",
        "--valid-from",
        "2026-01-01",
        "--valid-until",
        "2027-01-01T00:00:00+01:00",
        "--data-from",
        "2025-01-01",
        "--retention",
        "P30D",
        "--evidence",
        "form 117",
    ]));
    let id = given["id"].as_str().expect("an id");
    for (field, value) in [
        ("state", "active"),
        ("subject", "camille@home.example"),
        ("recipient", ADVISER),
        ("purpose", "advice on heating"),
        ("purpose_code", "dpv:ServiceProvision"),
        ("lawful_basis", "consent"),
        ("valid_from", "2026-01-01T00:00:00Z"),
        ("valid_until", "2026-12-31T23:00:00Z"),
        ("data_from", "2025-01-01T00:00:00Z"),
        ("retention", "P30D"),
        ("evidence", "form 117"),
        ("method", "cli"),
    ] {
        assert_eq!(given[field], value, "{field} in {given}");
    }
    assert_eq!(given["revision"], 1);
    assert_eq!(given["scope"], serde_json::json!([SERIES, "urn:dev:meter:7*"]));
    assert_eq!(given["modes"], serde_json::json!(["notify", "history"]));
    assert_eq!(json(&stage.cli(&["consent", "show", id, "--json"])), given);
    let shown = stage.cli(&["consent", "show", id]);
    for word in [id, "camille@home.example", ADVISER, "advice on heating", "P30D", "form 117", "active"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }

    let other = stage.consents("school@edu.example", &[SERIES], &[]);
    let ids = |arguments: &[&str]| {
        let list = json(&stage.cli(&[&["consent", "list", "--json"], arguments].concat()));
        let ids = list.as_array().expect("a list").iter();
        ids.map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[]), [id, &other]);
    assert_eq!(ids(&["--recipient", ADVISER]), [id]);
    assert_eq!(ids(&["--subject", "someone@else.example"]), [""; 0]);
    let table = stage.cli(&["consent", "list", "--recipient", "school@edu.example"]);
    assert!(table.contains(&other) && table.contains("active") && !table.contains(id), "{table}");

    let ended = json(&stage.cli(&["consent", "revoke", id, "--reason", "moved house", "--json"]));
    assert_eq!((&ended["state"], &ended["end_reason"]), (&"revoked".into(), &"moved house".into()));
    assert!(ended["ended_by"].as_str().is_some_and(|by| by.starts_with("cli")), "{ended}");
    assert_eq!(ids(&["--state", "active"]), [other]);
    assert_eq!(ids(&["--state", "revoked"]), [id]);
    assert!(stage.cli(&["consent", "list", "--state", "suspended"]).contains("No consent"));
}

#[tokio::test]
async fn series_are_registered_once() {
    let stage = Stage::empty("").await;
    assert!(stage.cli(&["series", "list"]).contains("courant series add"), "says what to do first");
    assert_eq!(stage.cli(&["series", "list", "--json"]).trim(), "[]");
    let added = json(&stage.cli(&[
        "series",
        "add",
        "urn:dev:meter:7*",
        "--owner",
        "ref:flat 12",
        "--producer",
        "gw@prod.example",
        "--producer",
        "Spare@Prod.Example",
        "--retention",
        "P30D",
        "--title",
        "Heat meter",
        "--json",
    ]));
    assert_eq!(added["name"], "urn:dev:meter:7*");
    assert_eq!(added["owner"], "ref:flat 12");
    assert_eq!(added["producers"], serde_json::json!(["gw@prod.example", "spare@prod.example"]));
    assert_eq!((&added["open"], &added["retention"]), (&false.into(), &"P30D".into()));
    assert_eq!(json(&stage.cli(&["series", "list", "--json"])), serde_json::json!([added]));

    let again = ["series", "add", "urn:dev:meter:7*", "--owner", "x@y.example", "--producer", "x@y.example"];
    let complaint = stage.cli_fails(&again, 1);
    assert!(complaint.contains("urn:dev:meter:7*") && complaint.contains("already"), "{complaint}");
    let table = stage.cli(&["series", "list"]);
    assert!(table.contains("ref:flat 12") && !table.contains("x@y.example"), "{table}");
}

#[tokio::test]
async fn wrong_words_are_named() {
    let stage = Stage::home("").await;
    let consent = |flag: &'static str, value: &'static str| {
        let mut words = vec!["consent", "add"];
        for (known, usual) in [
            ("--subject", "camille@home.example"),
            ("--recipient", ADVISER),
            ("--scope", SERIES),
            ("--purpose", "advice"),
        ] {
            words.extend([known, if known == flag { value } else { usual }]);
        }
        if !words.contains(&flag) {
            words.extend([flag, value]);
        }
        words
    };
    for (words, hint) in [
        (consent("--valid-until", "tomorrow"), "2027-01-01"),
        (consent("--valid-until", "2027-02-30"), "2027-02-30"),
        (consent("--data-from", "2027-01-01T00:00:00"), "2027-01-01T12:00:00+01:00"),
        (consent("--retention", "1 year"), "P1Y"),
        (
            vec!["series", "add", SERIES, "--owner", "a@b", "--producer", "a@b", "--retention=-P1Y"],
            "ISO 8601",
        ),
        (consent("--recipient", "adviser@coop.example/phone"), "resource"),
        (consent("--recipient", "@coop.example"), "@coop.example"),
        (consent("--subject", "@"), "ref:"),
        (consent("--scope", "*"), "every series"),
        (consent("--scope", "urn dev"), "' '"),
        (consent("--scope", "/power"), "letter or a digit"),
        (consent("--modes", "push"), "notify or history"),
        (vec!["consent", "add"], "--subject"),
        (vec!["consent", "show", "17"], "17"),
        (vec!["consent", "list", "--state", "asleep"], "asleep"),
        (vec!["series", "add", SERIES, "--owner", "camille@home.example"], "--producer"),
        (vec!["series", "add", SERIES, "--owner", "a@b", "--producer", "a@b/c"], "a@b/c"),
        (vec!["series", "add", "*", "--owner", "a@b", "--producer", "a@b"], "every series"),
        (vec!["serve"], "serve"),
        (vec![], "courant"),
    ] {
        let complaint = stage.cli_fails(&words, 2);
        assert!(complaint.contains(hint), "{words:?}: {complaint}");
    }
    // Understood, and refused.
    for (words, hint) in [
        (consent("--valid-until", "2020-01-01"), "valid_until"),
        (consent("--valid-until", "2999-01-01"), "P3Y"),
        (consent("--purpose", " "), "purpose"),
        (vec!["consent", "show", "01890000-0000-7000-8000-000000000000"], "consent list"),
        (vec!["consent", "revoke", "01890000-0000-7000-8000-000000000000"], "consent list"),
    ] {
        let complaint = stage.cli_fails(&words, 1);
        assert!(complaint.contains(hint), "{words:?}: {complaint}");
    }
    assert_eq!(stage.cli(&["consent", "list", "--json"]).trim(), "[]", "nothing was recorded");
}

/// Change the configuration by hand.
fn edit(stage: &Stage, change: impl Fn(&str) -> String) {
    let file = stage.courant.directory().join("courant.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    fs::write(file, change(&text)).expect("the configuration");
}

#[tokio::test]
async fn a_wrong_configuration_is_code_2() {
    for (from, to, hint) in [
        ("jid = \"energy.example.org\"", "jid = \"me@energy.example.org\"", "[component] jid"),
        ("server = \"127.0.0.1:", "server = \"127.0.0.1;", "port"),
        ("[access]", "[acess]", "acess"),
        ("admins = [\"admin@example.org\"]", "admins = [\"@\"]", "admins"),
        ("[store]", "[delivery]\nping_timeout = \"30\"\n[store]", "ISO 8601"),
        ("[store]", "[limits]\npack_records = -1\n[store]", "pack_records"),
        ("[store]", "[service]\nlanguage = \"tlh\"\n[store]", "language"),
        ("url =", "path =", "path"),
        ("/secret\"", "/no-such-secret\"", "no-such-secret"),
        ("[component]", "[component", "courant.toml"),
    ] {
        let stage = Stage::empty("").await;
        edit(&stage, |text| text.replace(from, to));
        for verb in ["check", "run"] {
            let complaint = stage.cli_fails(&[verb], 2);
            assert!(complaint.contains(hint), "{verb} with {to}: {complaint}");
        }
    }
    let stage = Stage::empty("").await;
    fs::write(stage.courant.directory().join("secret"), " \n").expect("the secret");
    assert!(stage.cli_fails(&["run"], 2).contains("empty"));
    fs::remove_file(stage.courant.directory().join("courant.toml")).expect("the configuration");
    assert!(stage.cli_fails(&["consent", "list"], 2).contains("courant.toml"));
}

#[tokio::test]
async fn the_environment_has_the_last_word() {
    let mut stage = Stage::home("").await;
    stage.courant.set("COURANT_LIMITS__PACK_RECORDS", "1");
    let mut peer = stage.start().await;
    let two = format!("{}<senml t='1' v='2'/>", watts(1));
    peer.ask(&publish("p1", "x", &two), &refused("p1", "policy-violation", "modify", "")).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_code_3() {
    let verbs: [&[&str]; 4] = [&["check"], &["run"], &["consent", "list"], &["series", "list"]];
    let stage = Stage::empty("").await;
    let database = stage.courant.directory().join("courant.db");
    fs::write(&database, "this is no database, and long enough to be taken for one".repeat(100))
        .expect("write");
    for verb in verbs {
        let complaint = stage.cli_fails(verb, 3);
        assert!(complaint.contains("damaged"), "{verb:?}: {complaint}");
    }
    let kept = fs::read_to_string(&database).expect("text");
    assert!(kept.starts_with("this is no database"), "nothing was changed");

    let stage = Stage::empty("").await;
    edit(&stage, |text| text.replace("/courant.db", "/no/such/folder/courant.db"));
    for verb in verbs {
        let complaint = stage.cli_fails(verb, 3);
        assert!(complaint.contains("folder"), "{verb:?}: {complaint}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_code_4() {
    let mut stage = Stage::empty("").await;
    stage.server = ScriptedServer::bind("elsewhere").await;
    // The port of the configuration is nobody's now.
    let complaint = stage.cli_fails(&["check"], 4);
    assert!(complaint.contains("cannot reach"), "{complaint}");
}

#[tokio::test]
async fn one_service_per_database() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    let complaint = stage.cli_fails(&["run"], 1);
    assert!(complaint.contains("another courant runs"), "{complaint}");
    // The first one was not disturbed, nor was its line to the command line.
    stage.consents("school@edu.example", &[SERIES], &[]);
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect_all(&[
        &event(ADVISER, "one", &watts(1), UNDER_CONSENT),
        &event("school@edu.example", "one", &watts(1), UNDER_CONSENT),
    ])
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_writes_check_accepts() {
    let mut server = ScriptedServer::bind("not known yet").await;
    let address = server.address();
    let courant = Courant::configured(DOMAIN, "", "", "");
    let folder = courant.directory().to_owned();
    for file in ["courant.toml", "secret"] {
        fs::remove_file(folder.join(file)).expect("an empty folder");
    }
    let init: [&str; 7] = ["init", "--jid", DOMAIN, "--server", &address, "--admin", "admin@example.org"];
    let output = courant.run(&init);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let secret = fs::read_to_string(folder.join("courant.secret")).expect("a secret").trim().to_owned();
    for word in ["Prosody", "ejabberd", "component_secret", DOMAIN, &secret, "courant check", "courant run"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert_eq!(mode(&folder.join("courant.secret")), 0o600);

    let waiting = tokio::spawn({
        let secret = secret.clone();
        async move {
            server.learn(&secret);
            server.answer(Answer::Accept).await.expect("the secret of init");
            server
        }
    });
    let checked = tokio::task::block_in_place(|| courant.run(&["check"]));
    assert_eq!(
        (checked.status.code(), &*checked.stdout, &*checked.stderr),
        (Some(0), &b"ok\n"[..], &b""[..])
    );
    let mut server = waiting.await.expect("the server");

    // A second time it keeps what is there.
    let output = courant.run(&init);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("--force") && complaint.contains("nothing was changed"), "{complaint}");
    assert_eq!(fs::read_to_string(folder.join("courant.secret")).expect("a secret").trim(), secret);
    assert_eq!(courant.run(&[&init[..], &["--force"]].concat()).status.code(), Some(0));
    assert_ne!(fs::read_to_string(folder.join("courant.secret")).expect("a secret").trim(), secret);
    assert_eq!(courant.run(&["init", "--force", "--jid", "me@energy.example.org"]).status.code(), Some(2));

    // The server still knows the first one.
    server.learn(&secret);
    let waiting = tokio::spawn(async move { server.answer(Answer::Accept).await.is_none() });
    let checked = tokio::task::block_in_place(|| courant.run(&["check"]));
    assert_eq!(checked.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("secret_file"));
    assert!(waiting.await.expect("the server"));
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).expect("the file").permissions().mode() & 0o777
}

#[tokio::test]
async fn neither_secrets_nor_measurements_are_logged() {
    let mut stage = Stage::home("").await;
    stage.consents(ADVISER, &[SERIES], &[]);
    stage.courant.set("RUST_LOG", "trace");
    let mut peer = stage.start().await;
    peer.ask(&publish("p1", "one", &watts(918_273)), &accepted("p1", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(918_273), UNDER_CONSENT)).await;
    let bad = "<senml n='918274' v='918275x'/>";
    peer.ask(
        &publish("p2", "x", bad),
        &refused(
            "p2",
            "bad-request",
            "modify",
            "<invalid-pack xmlns='urn:courant:0' reason='bad-number' record='0'/>",
        ),
    )
    .await;
    nothing_else(&mut peer).await;
    assert!(stage.courant.stop().await.success());
    let log = stage.courant.log();
    assert!(log.contains("connected") && log.contains("stopped"), "{log}");
    for private in [SECRET, "918273", "918275", "gw@prod", "adviser@", "camille@"] {
        assert!(!log.contains(private), "{private} is logged");
    }
}
