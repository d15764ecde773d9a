//! The disclosure log and the operator's queue, told with the real binary: what is written is found again,
//! what is changed behind its back is found and named, and what could not be delivered can be tried again.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};
use support::{Courant, Peer, ScriptedServer};

const DOMAIN: &str = "energy.example.org";
const SERIES: &str = "urn:dev:prm:1_consumption";
/// Stands in no other place.
const VALUE: &str = "73519.25";

/// A service with one series, one consent for `app@coop.test`, and a stranger's subscription.
async fn household(more: &str) -> (ScriptedServer, Courant, Peer, String) {
    let server = ScriptedServer::bind("s3cret").await;
    let mut courant = Courant::configured(DOMAIN, &server.address(), "s3cret", more);
    done(
        &courant,
        &["series", "add", "urn:dev:prm:1_*", "--owner", "ann@home.test", "--producer", "gw@prod.test"],
    );
    let consent = json(
        &courant,
        &[
            "consent",
            "add",
            "--subject",
            "ann@home.test",
            "--recipient",
            "app@coop.test",
            "--scope",
            SERIES,
            "--purpose",
            "advice",
            "--json",
        ],
    );
    // This one may not have what is measured from now on.
    done(
        &courant,
        &[
            "consent",
            "add",
            "--subject",
            "ann@home.test",
            "--recipient",
            "past@coop.test",
            "--scope",
            SERIES,
            "--purpose",
            "history",
            "--data-until",
            "2020-01-01",
        ],
    );
    courant.start();
    let peer = server.accept().await;
    (server, courant, peer, consent["id"].as_str().expect("an id").to_owned())
}

fn run(courant: &Courant, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = courant.run(arguments);
    let text = |bytes| String::from_utf8(bytes).expect("utf-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

#[track_caller]
fn done(courant: &Courant, arguments: &[&str]) -> String {
    let (code, out, err) = run(courant, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

#[track_caller]
fn json(courant: &Courant, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(courant, arguments)).expect("JSON")
}

#[track_caller]
fn export(courant: &Courant, arguments: &[&str]) -> Vec<Value> {
    let out = done(courant, &[&["audit", "export"], arguments].concat());
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn publish(id: &str) -> String {
    format!(
        "<iq type='set' from='gw@prod.test/1' to='{DOMAIN}' id='{id}'>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{SERIES}'><item id='{id}'>\
         <sensml xmlns='urn:ietf:params:xml:ns:senml'>\
         <senml bn='{SERIES}' bt='1763679600' bu='W' v='{VALUE}'/><senml t='1800' v='311'/></sensml>\
         </item></publish></pubsub></iq>"
    )
}

/// Publishes, and waits for the result and the delivery. Returns the delivery.
async fn relay(peer: &mut Peer, id: &str) -> String {
    peer.send(&publish(id)).await;
    let (mut delivered, mut answered) = (None, false);
    while delivered.is_none() || !answered {
        let stanza = peer.recv().await;
        if stanza.starts_with("<message") {
            delivered = Some(stanza);
        } else {
            assert!(stanza.contains("type='result'") || stanza.contains("type=\"result\""), "{stanza}");
            answered = true;
        }
    }
    delivered.expect("a delivery")
}

fn attribute(stanza: &str, name: &str) -> String {
    let at = stanza.find(&format!(" {name}=")).expect("the attribute") + name.len() + 2;
    let quote = stanza[at..].chars().next().expect("a quote");
    stanza[at + 1..].split(quote).next().expect("a value").to_owned()
}

async fn database(directory: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.join("courant.db"));
    SqliteConnection::connect_with(&options).await.expect("the database")
}

async fn sql(directory: &Path, statements: &str) {
    let mut database = database(directory).await;
    for statement in statements.split(";\n") {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut database).await.expect(statement);
    }
    database.close().await.expect("closed");
}

/// What whoever can write the file can do.
const NO_TRIGGERS: &str = "DROP TRIGGER disclosure_block_stays;\nDROP TRIGGER disclosure_block_is_final;\n\
    DROP TRIGGER audit_checkpoint_stays;\nDROP TRIGGER audit_checkpoint_is_final;\n\
    DROP TRIGGER consent_event_stays;\nDROP TRIGGER consent_event_is_final";

#[tokio::test]
async fn what_was_let_out_and_refused_is_told_without_values() {
    let (_server, mut courant, mut peer, consent) = household("").await;
    for id in ["p1", "p2"] {
        assert!(relay(&mut peer, id).await.contains(VALUE));
    }
    done(&courant, &["consent", "revoke", &consent, "--reason", "moved out"]);
    peer.send(&publish("p3")).await;
    courant.stop().await;

    let lines = export(&courant, &[]);
    let of = |outcome: &str| -> Vec<&Value> { lines.iter().filter(|l| l["outcome"] == outcome).collect() };
    let owed = of("owed");
    assert_eq!(owed.len(), 2, "{lines:#?}");
    assert_eq!(owed[0]["recipient"], "app@coop.test");
    assert_eq!(owed[0]["subject"], "ann@home.test");
    assert_eq!(owed[0]["consent"], consent);
    assert_eq!((&owed[0]["series"][0], &owed[0]["records"]), (&SERIES.into(), &2.into()));
    assert_eq!(owed[0]["readings_from"], "2025-11-20T23:00:00Z");
    assert_eq!(owed[0]["readings_until"], "2025-11-20T23:30:00Z");
    assert_eq!(owed[0]["item"], "p1");
    let denied = of("denied");
    assert!(denied.len() >= 2, "{lines:#?}");
    assert_eq!(denied[0]["recipient"], "past@coop.test");
    assert_eq!(denied[0]["reason"], "outside the data window");
    assert_eq!(of("revoked")[0]["reason"], "moved out");
    assert_eq!(of("active").len(), 2);
    assert!(!of("confirmed").is_empty());
    let past = export(&courant, &["--recipient", "past@coop.test"]);
    assert!(past.iter().all(|l| l["outcome"] != "owed") && past.iter().any(|l| l["outcome"] == "denied"));
    assert!(export(&courant, &["--subject", "other@home.test"]).is_empty());
    assert!(export(&courant, &["--since", "2990-01-01"]).is_empty());

    let answer = json(&courant, &["audit", "verify", "--json"]);
    assert_eq!((&answer["ok"], &answer["consent_steps"]), (&true.into(), &3.into()));
    assert_eq!(answer["signed_to"], answer["rows"], "signed at the end");

    let mut database = database(courant.directory()).await;
    let rows =
        sqlx::query("SELECT content FROM disclosure_block").fetch_all(&mut database).await.expect("rows");
    let number: f64 = VALUE.parse().expect("a number");
    for row in rows {
        let content: Vec<u8> = row.get(0);
        for form in [VALUE.as_bytes(), &number.to_be_bytes(), &number.to_le_bytes(), b"73519"] {
            assert!(!content.windows(form.len()).any(|part| part == form), "a measured value in the log");
        }
    }
}

#[tokio::test]
async fn what_is_changed_behind_its_back_is_found_and_named() {
    let (_server, mut courant, mut peer, consent) = household("").await;
    for number in 0..6 {
        relay(&mut peer, &format!("p{number}")).await;
        // Each in a commit of its own.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    courant.stop().await;
    let directory = courant.directory().to_owned();
    let sound = json(&courant, &["audit", "verify", "--json"]);
    let (last, head) = (sound["rows"].as_u64().expect("a number"), sound["head"].as_str().expect("a head"));
    assert!(last > 8, "{sound}");
    done(
        &courant,
        &["audit", "verify", "--expect", head, "--public-key", sound["keys"][0].as_str().expect("a key")],
    );

    let refused = |statement: &'static str| {
        let directory = directory.clone();
        async move {
            let mut database = database(&directory).await;
            let error =
                sqlx::query(statement).execute(&mut database).await.expect_err("append-only").to_string();
            assert!(error.contains("append-only"), "{error}");
        }
    };
    refused("DELETE FROM disclosure_block WHERE seq = 3").await;
    refused("UPDATE disclosure_block SET at = 0").await;
    refused("DELETE FROM consent_event").await;

    let copy = directory.join("sound.db");
    sql(&directory, &format!("VACUUM INTO '{}'", copy.display())).await;
    let truncated =
        "DELETE FROM disclosure_block WHERE seq > 4;\nUPDATE counter SET value = 4 WHERE name = 'disclosure'";
    let cut = format!("DELETE FROM disclosure_block WHERE seq = {last}");
    let renumbered = "DELETE FROM disclosure_block WHERE seq = 5;\n\
        UPDATE disclosure_block SET seq = seq - 1 WHERE seq = 6;\n\
        UPDATE disclosure_block SET seq = seq - 1 WHERE seq > 6";
    let revoked = format!("UPDATE consent SET state = 'revoked' WHERE id = '{consent}'");
    let widened = format!("UPDATE consent SET valid_until = valid_until + 1 WHERE id = '{consent}'");
    let flip = "UPDATE disclosure_block SET content = CAST(substr(content, 1, 9) || x'7f' || substr(content, 11) AS BLOB) WHERE seq = 5";
    let swap = "UPDATE disclosure_block SET seq = -1 WHERE seq = 4;\n\
        UPDATE disclosure_block SET seq = 4 WHERE seq = 7;\n\
        UPDATE disclosure_block SET seq = 7 WHERE seq = -1";
    let last_text = last.to_string();
    for (what, statements, row, fault) in [
        ("one byte", flip, "5", "changed"),
        ("the time", "UPDATE disclosure_block SET at = at + 1 WHERE seq = 6", "6", "changed"),
        ("one row gone", "DELETE FROM disclosure_block WHERE seq = 5", "5", "removed"),
        ("the first gone", "DELETE FROM disclosure_block WHERE seq = 1", "1", "removed"),
        ("one gone, the others moved up", renumbered, "5", "removed"),
        ("two swapped", swap, "4", "reordered"),
        ("the last gone", &cut, &last_text, "truncated"),
        ("the end gone", truncated, "5", "truncated"),
        ("the log gone", "DELETE FROM disclosure_block", "1", "truncated"),
        ("a signature", "UPDATE audit_checkpoint SET signature = zeroblob(64)", "", "signature"),
        ("what a checkpoint signs", "UPDATE audit_checkpoint SET at = at + 1", "", "signature"),
        ("an event", "UPDATE consent_event SET actor = 'nobody'", "1", "consent"),
        ("an event gone", "DELETE FROM consent_event WHERE key = 1", "1", "consent"),
        (
            "an event more",
            "INSERT INTO consent_event SELECT 2 + key, consent, at, from_state, to_state, actor, note \
            FROM consent_event WHERE key = 1;\nUPDATE counter SET value = 3 WHERE name = 'consent_event'",
            "",
            "consent",
        ),
        ("a consent's end", &widened, "1", "consent"),
        ("a consent's state", &revoked, "", "consent"),
    ] {
        restore(&copy, &directory);
        done(&courant, &["audit", "verify"]);
        sql(&directory, NO_TRIGGERS).await;
        sql(&directory, statements).await;
        let (code, _, err) = run(&courant, &["audit", "verify"]);
        assert_eq!(code, 1, "{what}: {err}");
        assert!(
            err.contains(&format!("row {row}")) && err.contains(&format!(": {fault}: ")),
            "{what}: {err}"
        );
        let (code, out, _) = run(&courant, &["audit", "verify", "--json"]);
        let answer: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, &answer["bad"]["fault"]), (1, &fault.into()), "{what}");
    }

    // A byte in the file, as a disk or an editor would flip it.
    restore(&copy, &directory);
    let path = directory.join("courant.db");
    let mut bytes = std::fs::read(&path).expect("the file");
    let needle = b"past@coop.test";
    let places: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|&at| &bytes[at..at + needle.len()] == needle).collect();
    let mut found = 0;
    for at in places {
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        let (code, _, err) = run(&courant, &["audit", "verify"]);
        found += usize::from(code == 1 && err.contains("changed"));
        bytes[at] ^= 1;
    }
    assert!(found >= 6, "{found}");

    // Another history, signed with another key.
    restore(&copy, &directory);
    std::fs::remove_file(directory.join("courant.db-audit.key")).expect("removed");
    sql(&directory, NO_TRIGGERS).await;
    sql(&directory, "DELETE FROM audit_checkpoint").await;
    done(&courant, &["audit", "verify", "--checkpoint"]);
    done(&courant, &["audit", "verify"]);
    let old = sound["keys"][0].as_str().expect("a key");
    let (code, _, err) = run(&courant, &["audit", "verify", "--public-key", old]);
    assert!(code == 1 && err.contains("another key"), "{err}");
    let wrong = format!("{last}:{}", "00".repeat(32));
    let (code, _, err) = run(&courant, &["audit", "verify", "--expect", &wrong]);
    assert!(code == 1 && err.contains("rewritten"), "{err}");
    assert_eq!(run(&courant, &["audit", "verify", "--expect", "nonsense"]).0, 2);
}

fn restore(copy: &Path, directory: &Path) {
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(directory.join(format!("courant.db{end}")));
    }
    std::fs::copy(copy, directory.join("courant.db")).expect("restored");
}

#[tokio::test]
async fn a_dead_letter_is_seen_replayed_and_dropped() {
    let (_server, mut courant, mut peer, consent) = household("").await;
    let other = json(
        &courant,
        &[
            "consent",
            "add",
            "--subject",
            "ann@home.test",
            "--recipient",
            "twin@coop.test",
            "--scope",
            SERIES,
            "--purpose",
            "advice",
            "--json",
        ],
    );
    assert_eq!(other["state"], "active");
    // Three items; what goes to app@coop.test comes back.
    peer.pings(support::Pings::Held);
    for id in ["p1", "p2", "p3"] {
        peer.send(&publish(id)).await;
    }
    let mut seen = 0;
    while seen < 6 {
        let Some(stanza) = peer.recv_within(std::time::Duration::from_millis(100)).await else {
            // What came back came back before the answer to the ping behind it.
            peer.answer_held().await;
            continue;
        };
        if !stanza.starts_with("<message") {
            continue;
        }
        seen += 1;
        if attribute(&stanza, "to") == "app@coop.test" {
            let id = attribute(&stanza, "id");
            peer.send(&format!(
                "<message type='error' from='app@coop.test' to='{DOMAIN}' id='{id}'><error type='cancel'>\
                 <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
            ))
            .await;
        }
    }
    let letters = loop {
        peer.answer_held().await;
        let letters = json(&courant, &["queue", "dead-letters", "--json"]);
        if letters.as_array().is_some_and(|list| list.len() == 3) {
            peer.pings(support::Pings::Answered);
            break letters;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(letters[0]["recipient"], "app@coop.test");
    assert_eq!(letters[0]["reason"], "service-unavailable");
    assert_eq!((&letters[0]["node"], &letters[0]["item"]), (&SERIES.into(), &"p1".into()));
    // The cursor is written at the next tick.
    let status = loop {
        let status = json(&courant, &["queue", "status", "--json"]);
        if status["waiting"] == 0 {
            break status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(status["dead_letters"], 3, "{status}");
    assert_eq!(status["destinations"][0]["domain"], "coop.test");

    // While the service runs: to this recipient alone.
    let first = letters[0]["id"].to_string();
    done(&courant, &["queue", "replay", &first]);
    let again = peer.recv().await;
    assert!(again.contains(VALUE) && again.contains("id='p1'") | again.contains("id=\"p1\""), "{again}");
    assert_eq!(attribute(&again, "to"), "app@coop.test");
    peer.expect_silence(std::time::Duration::from_millis(300)).await;
    assert_eq!(run(&courant, &["queue", "replay", &first]).0, 1, "it is gone");

    // While it does not: at its next start.
    courant.stop().await;
    let (second, third) = (letters[1]["id"].to_string(), letters[2]["id"].to_string());
    done(&courant, &["queue", "replay", &second]);
    assert_eq!(json(&courant, &["queue", "dead-letters", "--json"])[0]["replay"], true);
    courant.start();
    let mut peer = _server.accept().await;
    let again = peer.recv().await;
    assert!(again.contains("'p2'") || again.contains("\"p2\""), "{again}");
    peer.expect_silence(std::time::Duration::from_millis(300)).await;

    // What the consent does not permit any more stays, until it is dropped.
    done(&courant, &["consent", "revoke", &consent]);
    let (code, _, err) = run(&courant, &["queue", "replay", &third]);
    assert!(code == 1 && err.contains("not subscribed any more"), "{err}");
    done(&courant, &["queue", "drop", "--all"]);
    assert_eq!(json(&courant, &["queue", "dead-letters", "--json"]), Value::Array(Vec::new()));
    assert_eq!(run(&courant, &["queue", "drop", "77"]).0, 1);
    assert_eq!(run(&courant, &["queue", "drop"]).0, 2);
    courant.stop().await;
    let lines = export(&courant, &["--recipient", "app@coop.test"]);
    let count = |outcome: &str| lines.iter().filter(|l| l["outcome"] == outcome).count();
    assert_eq!(
        (count("owed"), count("undeliverable"), count("owed again"), count("discarded")),
        (3, 3, 2, 1)
    );
    done(&courant, &["audit", "verify"]);
}

#[tokio::test]
async fn who_publishes_too_fast_is_told_to_wait() {
    let (_server, courant, mut peer, _) = household("[limits]\npublishes_per_second = 1\n").await;
    let (mut taken, mut refused) = (0, 0);
    let mut all = String::new();
    for number in 0..15 {
        all.push_str(&publish(&format!("p{number}")));
    }
    peer.send(&all).await;
    while taken + refused < 15 {
        let stanza = peer.recv().await;
        if stanza.contains("resource-constraint") {
            assert!(stanza.contains("wait") && stanza.contains("1 times a second"), "{stanza}");
            refused += 1;
        } else if stanza.starts_with("<iq") {
            taken += 1;
        }
    }
    assert!((10..=12).contains(&taken), "{taken}");
    drop(courant);
}
