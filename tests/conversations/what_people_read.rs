//! What people are told, word by word: nothing that is not so, and nothing that is not theirs to know.

use super::asking::{APP, ASKED, allow, asks, hears, says};
use super::commands::{ADMIN, CAMILLE, command, filled, run};
use super::stage::{
    SERIES, Stage, accepted, accepted_at, event, event_of, nothing_else, publish, publish_to, watts,
};
use crate::support::Peer;

const STRANGER: &str = "stranger@far.example/1";

#[tokio::test]
async fn what_is_to_be_taken_back_does_not_tell_who_is_asked() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    for scope in [SERIES, "urn:dev:nowhere"] {
        let asked = filled(&[("scope", scope), ("purpose", "energy advice")]);
        peer.send(&command(STRANGER, "r", "request-access", "", &asked)).await;
        assert!(peer.recv_iq().await.contains("is pending"));
    }
    peer.recv().await; // Camille is asked.
    let choice = run(&mut peer, STRANGER, "end-access", "", "").await;
    assert_eq!(choice.matches("<option label='not told → stranger@far.example").count(), 2, "{choice}");
    let list = run(&mut peer, STRANGER, "my-access", "xml:lang='fr'", "").await;
    assert_eq!(list.matches("<value>non communiqué</value>").count(), 2, "{list}");
    for said in [choice, list] {
        assert!(!said.contains("camille") && !said.contains("nobody") && !said.contains("ref:"), "{said}");
    }
}

/// The next word to this address, and what came before it.
async fn word_to(peer: &mut Peer, address: &str) -> String {
    loop {
        let said = peer.recv().await;
        if said.contains(&format!(" to='{address}'")) && said.starts_with("<message") {
            return said;
        }
    }
}

/// The code in what somebody was told, behind this word.
fn code_behind(word: &str, said: &str) -> String {
    let rest = said.split(&format!("{word} ")).nth(1).expect("a code");
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

/// The record at the command line.
fn record(stage: &Stage, id: &str) -> serde_json::Value {
    serde_json::from_str(&stage.cli(&["consent", "show", id, "--json"])).expect("JSON")
}

#[tokio::test]
async fn a_request_that_ends_does_not_say_that_what_still_flows_has_ended() {
    let mut stage = Stage::home("").await;
    stage.consents("app@coop.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    let asked = word_to(&mut peer, "camille@home.example").await;
    says(&peer, CAMILLE, &format!("no {}", code_behind("&apos;no", &asked))).await;
    let both = [peer.recv().await, peer.recv().await];
    let (told, heard) = if both[0].contains("<ended") { (&both[0], &both[1]) } else { (&both[1], &both[0]) };
    assert!(told.contains(&format!("consent='{request}' state='refused'")), "{told}");
    assert!(!told.contains("subscription"), "it is subscribed as before: {told}");
    assert!(heard.contains("gets nothing by this request"), "{heard}");
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    let given =
        "<terms xmlns='urn:courant:0' consent='{any}' purpose='advice' retention='P1Y' expires='{any}'/>";
    peer.expect(&event("app@coop.example", "one", &watts(1), given)).await;
}

#[tokio::test]
async fn each_is_asked_for_what_is_theirs_alone() {
    let mut stage = Stage::empty("").await;
    stage.series("urn:mix:cam/1", "gw@prod.example");
    for (name, owner) in [("urn:mix:bob/1", "bob@home.example"), ("urn:mix:file/1", "ref:file 12")] {
        stage.cli(&["series", "add", name, "--owner", owner, "--producer", "gw@prod.example"]);
    }
    let mut peer = stage.start().await;
    for (scope, answer) in
        [("urn:mix:cam/1\nurn:mix:bob/1\nurn:mix:none", "yes"), ("urn:mix:cam*\nurn:mix:*", "form")]
    {
        let lines: String = scope.split('\n').map(|name| format!("<value>{name}</value>")).collect();
        let fields = filled(&[("purpose", answer)])
            .replace("</x>", &format!("<field var='scope'>{lines}</field></x>"));
        peer.send(&command(APP, "r", "request-access", "", &fields)).await;
        let said = peer.recv_iq().await;
        // Who asks is shown what was asked: nothing tells what is there, or whose.
        for name in scope.split('\n') {
            assert!(said.contains(name) && said.contains("not told"), "{name} in {said}");
        }
        let id = said.split("var='id'").nth(1).and_then(|f| f.split("<value>").nth(1)).expect("an id")[..36]
            .to_owned();
        let asked = word_to(&mut peer, "camille@home.example").await;
        assert!(
            asked.contains("urn:mix:cam/1") && !asked.contains("bob") && !asked.contains("none"),
            "{asked}"
        );
        let inbox = run(&mut peer, CAMILLE, "pending-requests", "", "").await;
        assert!(inbox.contains("(urn:mix:cam/1)") && !inbox.contains("bob"), "{inbox}");
        if answer == "yes" {
            says(&peer, CAMILLE, &format!("yes {}", code_behind("&apos;yes", &asked))).await;
        } else {
            let form = allow("f", Some(&id), CAMILLE, true).replace(SERIES, "urn:mix:cam/1");
            peer.send(&form).await;
        }
        let mut heard = String::new();
        while !(heard.contains("state='active'") && heard.contains("You gave")) {
            heard += &peer.recv().await;
        }
        assert!(heard.contains("node='urn:mix:cam/1'") && !heard.contains("bob"), "{heard}");
        assert_eq!(record(&stage, &id)["scope"], serde_json::json!(["urn:mix:cam/1"]));
    }
    // An operator answers for the person without an address, and for nobody else.
    let id = asks(&mut peer, APP, &[("scope", "urn:mix:file*"), ("purpose", "x")]).await;
    word_to(&mut peer, "admin@example.org").await;
    peer.send(&allow("f", Some(&id), ADMIN, true).replace(SERIES, "urn:mix:file/1")).await;
    word_to(&mut peer, "app@coop.example").await;
    assert_eq!(record(&stage, &id)["scope"], serde_json::json!(["urn:mix:file/1"]));
}

#[tokio::test]
async fn an_operator_answers_by_text_for_who_has_no_address() {
    let mut stage = Stage::empty("").await;
    stage.cli(&["series", "add", SERIES, "--owner", "ref:file 12", "--producer", "gw@prod.example"]);
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    let asked = word_to(&mut peer, "admin@example.org").await;
    assert!(asked.contains("Somebody asks for the data of ref:file 12"), "{asked}");
    for wrong in ["your data", "your consent", "Your consent"] {
        assert!(!asked.contains(wrong), "{wrong} in {asked}");
    }
    let code = code_behind("&apos;yes", &asked);
    says(&peer, ADMIN, "list").await;
    let list = hears(&mut peer, ADMIN, "en").await;
    assert!(list.contains(&code) && list.contains("asks ref:file 12; answer what they said"), "{list}");
    // Nobody else's to answer.
    says(&peer, CAMILLE, &format!("yes {code}")).await;
    assert!(hears(&mut peer, CAMILLE, "en").await.contains("Nothing of yours"));
    says(&peer, ADMIN, &format!("oui {code}")).await;
    let mut heard = String::new();
    while !(heard.contains("subscription='subscribed'")
        && heard.contains("Enregistré : ref:file 12 a accepté"))
    {
        heard += &peer.recv().await;
    }
    let kept = record(&stage, &request);
    assert_eq!((&kept["method"], &kept["state"]), (&"operator-answer".into(), &"active".into()));
    assert_eq!(kept["evidence"], "réponse de admin@example.org pour ref:file 12, par une ligne de texte");
    says(&peer, ADMIN, &format!("stop {code}")).await;
    let mut heard = String::new();
    while !(heard.contains("state='revoked'") && heard.contains("Terminé pour ref:file 12")) {
        heard += &peer.recv().await;
    }
}

/// Below a prefix of theirs there may be somebody else's, which nobody answered for.
#[tokio::test]
async fn an_operators_answer_gives_what_is_that_persons_alone() {
    let mut stage = Stage::empty("").await;
    let (lamp, bobs) = ("urn:area:lamp", "urn:area:bob/p");
    // Bob's was there first: added below the prefix, it would be his from then on only.
    for (name, owner) in [(bobs, "bob@home.example"), ("urn:area:*", "ref:town")] {
        let kept = ["--producer", "gw@prod.example", "--retention", "P3Y"];
        stage.cli(&[&["series", "add", name, "--owner", owner][..], &kept].concat());
    }
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, &[("scope", "urn:area:*"), ("purpose", "energy advice")]).await;
    let asked = word_to(&mut peer, "admin@example.org").await;
    says(&peer, ADMIN, &format!("yes {}", code_behind("&apos;yes", &asked))).await;
    let mut heard = String::new();
    while !(heard.contains("subscription='subscribed'") && heard.contains("Recorded: ref:town agreed")) {
        heard += &peer.recv().await;
    }
    assert_eq!(record(&stage, &request)["method"], "operator-answer");
    // As it is taken in, and as it is read at the next start.
    for round in ["1", "2"] {
        for (name, id, leaves) in [(bobs, format!("b{round}"), false), (lamp, format!("l{round}"), true)] {
            let records = format!("<senml bn='{name}' bt='176367960{round}' bu='W' v='1'/>");
            peer.ask(&publish_to(name, &id, &id, &records), &accepted_at(name, &id, &id)).await;
            if leaves {
                let terms = "<terms xmlns='urn:courant:0' consent='{any}' purpose='energy advice' retention='P1Y' expires='{any}'/>";
                peer.expect(&event_of(name, "app@coop.example", &id, &records, terms)).await;
            }
            let past = run(&mut peer, APP, "get_history", "", &filled(&[("identifier", name)])).await;
            assert_eq!(past.contains(name) && past.contains("v='1'"), leaves, "{past}");
            // Below the prefix his is as empty as what is not there.
            assert!(past.contains("status='completed'") && (leaves || !past.contains(name)), "{past}");
        }
        nothing_else(&mut peer).await;
        stage.courant.stop().await;
        peer = stage.start().await;
    }
}

#[tokio::test]
async fn what_is_asked_for_is_shown_whole_and_cannot_look_like_the_service() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let fields = [
        ("scope", SERIES),
        ("purpose", "advice” 4f7a (active) bank@x.example may have"),
        ("recipient_name", "Courant"),
        ("recipient_contact", "dpo@coop.example"),
        ("policy_url", "https://coop.example/p"),
        ("data_from", "2026-01-01"),
        ("modes", "history"),
        ("onward", "true"),
    ];
    let id = asks(&mut peer, APP, &fields).await;
    let asked = word_to(&mut peer, "camille@home.example").await;
    for part in [
        "“Courant” &lt;app@coop.example&gt; asks for your consent",
        "“advice&apos; 4f7a (active) bank@x.example may have”",
        "on request only",
        "They may pass it on",
        "“dpo@coop.example”",
        "&lt;https://coop.example/p&gt;. Answer",
        "Only measurements from 2026-01-01 on. ",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    for field in ["recipient_name", "recipient_contact", "policy_url", "data_from", "modes", "onward"] {
        assert!(asked.contains(&format!("var='{{urn:courant:0}}{field}'")), "{field} in {asked}");
    }
    says(&peer, CAMILLE, "list").await;
    let list = hears(&mut peer, CAMILLE, "en").await;
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains("asks. If you agree: “Courant”"), "{list}");
    // In a room, or to many, nobody answers.
    let code = list[..4].to_owned();
    for kind in ["groupchat", "headline"] {
        peer.send(&format!(
            "<message type='{kind}' from='{CAMILLE}' to='energy.example.org' id='t'><body>no {code}</body></message>"
        ))
        .await;
    }
    nothing_else(&mut peer).await;
    assert_eq!(record(&stage, &id)["state"], "requested");
    // Taken back: nothing was had, and nothing is said to be.
    let done = run(&mut peer, APP, "end-access", "", &filled(&[("id", &id)])).await;
    assert!(done.contains("Taken back: your request"), "{done}");
    let told = word_to(&mut peer, "camille@home.example").await;
    assert!(told.contains("nothing was given") && !told.contains("app@coop.example&gt; may have"), "{told}");
}

#[tokio::test]
async fn a_consent_that_another_covers_ends_without_saying_that_all_does() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    stage.consents("adviser@coop.example", &[SERIES], &["--evidence", "paper"]);
    let desk = "adviser@coop.example/desk";
    peer.send(&command(desk, "r", "end-access", "", &filled(&[("id", &consent)]))).await;
    let done = peer.recv_iq().await;
    assert!(done.contains("under it. Another consent of yours covers"), "{done}");
}

#[tokio::test]
async fn a_receipt_is_in_the_language_of_what_was_read() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let fields = filled(&[("recipient", "school@edu.example"), ("scope", SERIES), ("purpose", "cours")]);
    let done = run(&mut peer, CAMILLE, "give-consent", "xml:lang='fr'", &fields).await;
    let told = word_to(&mut peer, "camille@home.example").await;
    for said in [done, told] {
        assert!(said.contains("school@edu.example peut recevoir") && !said.contains("may have"), "{said}");
    }
    // Asked for by subscribing: that no purpose was stated is said in French too.
    peer.send(&format!(
        "<iq type='set' from='{STRANGER}' to='energy.example.org' id='s'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'>
             <subscribe node='{SERIES}' jid='stranger@far.example'/>
           </pubsub>
         </iq>"
    ))
    .await;
    word_to(&mut peer, "camille@home.example").await;
    says(&peer, CAMILLE, "liste").await;
    let list = hears(&mut peer, CAMILLE, "fr").await;
    assert!(list.contains("non indiquée") && !list.contains("not stated"), "{list}");
}

#[tokio::test]
async fn a_place_that_is_not_in_a_list_is_said_so_and_the_end_is_no_empty_list() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let elsewhere = stage.consents("school@edu.example", &[SERIES], &[]);
    let desk = "adviser@coop.example/desk";
    let page =
        |after: &str| format!("<set xmlns='http://jabber.org/protocol/rsm'><after>{after}</after></set>");
    let end = run(&mut peer, desk, "my-access", "", &page(&consent)).await;
    assert!(end.contains("There is nothing more: 1 in all") && end.contains("<count>1</count>"), "{end}");
    for after in [&*elsewhere, "0192f3c1-0000-7000-8000-000000000000"] {
        let none = run(&mut peer, desk, "my-access", "", &page(after)).await;
        assert!(none.contains("item-not-found"), "{none}");
    }
    let none = run(&mut peer, ADMIN, "series-list", "", &page("urn:nowhere")).await;
    assert!(none.contains("item-not-found"), "{none}");
}

#[tokio::test]
async fn what_is_wrong_in_a_file_is_named_by_line_and_field_in_plain_words() {
    let stage = Stage::home("").await;
    let record = |more: &str| {
        format!(
            r#"{{"subject":"ref:12","recipient":"app@coop.example","scope":["urn:a"],"purpose":"advice"{more}}}"#
        )
    };
    let wrong = [
        (r#","lawful_basis":"because""#, "lawful_basis"),
        (r#","method":"telepathy""#, "method"),
        (r#","text_hash":"x""#, "text_hash"),
        (r#","revision":0"#, "revision"),
        (r#","state":"replaced""#, "state"),
        (r#","since":"2030-01-01""#, "since"),
        (r#","id":"00000000-0000-0000-0000-000000000000""#, "id"),
        (r#","id":"5e5c7a60-1a3b-11f0-8b3c-0242ac120002""#, "id"),
        (r#","evidence":"a\u0000b""#, "evidence"),
        (
            r#","recipient_name":"Coop\u202e""#,
            "recipient_name: there is a line end, a control character or an",
        ),
        (r#","recipient_name":"\u3164""#, "recipient_name: there is nothing to read in it"),
        (r#","policy_url":"javascript:alert(1)""#, "policy_url: this is no address of a page"),
        (r#","onward":"x""#, "onward: 'x' is not true or false"),
    ];
    let file = stage.courant.directory().join("wrong.jsonl");
    let told = |lines: &[String], what: &str| {
        std::fs::write(&file, lines.join("\n")).expect("write");
        let output = stage.courant.run(&[what, "import", "--dry-run", file.to_str().expect("a path")]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).expect("text")
    };
    let lines: Vec<String> = wrong.iter().map(|(more, _)| record(more)).collect();
    let said = told(&lines, "consent");
    assert_eq!(said.lines().count(), wrong.len(), "{said}");
    for (number, (line, (_, word))) in said.lines().zip(wrong).enumerate() {
        assert!(line.starts_with(&format!("line {}: {word}", number + 1)), "{line}");
    }
    let series = ["median", "mean"].map(|aggregation| {
        format!(r#"{{"name":"urn:{aggregation}","owner":"ref:1","meta":{{"aggregation":"{aggregation}"}}}}"#)
    });
    let said = told(&series, "series");
    assert_eq!(said.trim_end(), "line 1: meta: aggregation is \"median\"; it is to be mean, last or sum");
    let series = [("owner", "ref:1\u{2066}"), ("title", "a\u{200b}b")].map(|(key, text)| {
        let mut series = serde_json::json!({"name": format!("urn:{key}"), "owner": "ref:1"});
        series[key] = text.into();
        series.to_string()
    });
    let said = told(&series, "series");
    assert!(said.contains("line 1: owner: there is") && said.contains("line 2: title: there is"), "{said}");
    // What is recorded one by one is looked at alike.
    let one = ["consent", "add", "--subject", "ref:1", "--recipient", "app@coop.example", "--scope", "urn:a"];
    for (more, word) in
        [(["--purpose", "a\u{1}b"], "control character"), (["--purpose", "x\ny"], "invisible mark")]
    {
        let complaint = stage.cli_fails(&[&one[..], &more[..]].concat(), 1);
        assert!(complaint.contains(word), "{complaint}");
    }
    let id = stage.consents(
        APP.split('/').next().expect("bare"),
        &[SERIES],
        &["--recipient-name", "App", "--evidence", "form 7"],
    );
    let complaint = stage.cli_fails(&["consent", "edit", &id, "--evidence", "a\u{1b}[2J"], 2);
    assert!(complaint.contains("control character"), "{complaint}");
    let complaint = stage.cli_fails(&["consent", "edit", &id, "--evidence", "a\u{202e}b"], 2);
    assert!(complaint.contains("invisible mark"), "{complaint}");
    let url = ["--purpose", "x", "--policy-url", "http://coop.example@evil.example"];
    let complaint = stage.cli_fails(&[&one[..], &url[..]].concat(), 1);
    assert!(complaint.contains("policy_url: this is no address of a page"), "{complaint}");
    let complaint = stage.cli_fails(&["series", "edit", SERIES, "--owner", "ref:a\u{200b}"], 2);
    assert!(complaint.contains("invisible mark"), "{complaint}");
    let complaint = stage.cli_fails(&["consent", "show", "x"], 2);
    assert!(complaint.contains("'x' is not an id; `courant consent list` shows them"), "{complaint}");
    let shown = stage.cli(&["consent", "show", &id]);
    for word in ["App", "modes", "notify, history", "passed on", "form 7", "lawful basis"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
}
