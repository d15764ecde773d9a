//! Forms filled in by somebody who means ill, or slips: every command that changes something says what is wrong, and
//! changes nothing.

use super::commands::{ADMIN, CAMILLE, command, filled, refused, run};
use super::long_lists::session_of;
use super::stage::{SERIES, Stage, nothing_else};
use crate::support::Peer;

const APP: &str = "app@coop.example/server";

/// All that commands could change.
fn everything(stage: &Stage) -> [String; 2] {
    [&["consent", "export"], &["series", "export"]].map(|arguments| stage.cli(arguments))
}

/// Somebody asks for Camille's load curve, and waits; gives the request's id.
async fn request(peer: &mut Peer) -> String {
    let fields = filled(&[("scope", SERIES), ("purpose", "energy advice")]);
    peer.send(&command(APP, "run", "request-access", "", &fields)).await;
    let mut heard = String::new();
    while !(heard.contains("status='completed'") && heard.contains("subscribe_authorization")) {
        heard += &peer.recv().await;
    }
    let id = heard.split("var='id'").nth(1).and_then(|rest| rest.split("<value>").nth(1));
    id.and_then(|rest| rest.get(..36)).expect("an id").to_owned()
}

#[tokio::test]
async fn what_is_wrong_is_said_in_every_command_and_changes_nothing() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let request = request(&mut peer).await;
    let before = everything(&stage);
    let given = [("recipient", "school@coop.example"), ("scope", SERIES), ("purpose", "advice")];
    let added = [&given[..], &[("subject", "camille@home.example")]].concat();
    let asked = [("scope", SERIES), ("purpose", "other advice")];
    let (edited, answered) = ([("id", &*consent)], [("id", &*request), ("answer", "yes")]);
    let consents = [
        (ADMIN, "consent-add", &added[..]),
        (CAMILLE, "give-consent", &given),
        (APP, "request-access", &asked),
        (ADMIN, "consent-edit", &edited),
        (CAMILLE, "pending-requests", &answered),
    ];
    // What is wrong; a word of the answer in English and in French.
    let ends_first = [("valid_from", "2027-06-02"), ("valid_until", "2027-06-01")];
    let wrong = [
        (&ends_first[..], "Delivery until: ", "Transmission jusqu’au : "),
        (
            &[("data_from", "2027-06-02"), ("data_until", "2027-06-01")],
            "Measurements until: ",
            "Mesures jusqu’au : ",
        ),
        (&[("scope", "")], "Series: ", "Séries : "),
        (&[("scope", "*")], "Series: ", "Séries : "),
        (&[("retention", "12 months")], "ISO 8601", "ISO 8601"),
        (&[("granularity", "P1")], "ISO 8601", "ISO 8601"),
        (&[("retention", "P-1Y")], "May be kept for: ", "Conservation autorisée : "),
    ];
    for (who, node, fields) in consents {
        for (slip, english, french) in &wrong {
            // What is asked for begins when it is given.
            if matches!(node, "request-access" | "pending-requests") && **slip == ends_first {
                continue;
            }
            told(&mut peer, who, node, fields, slip, english, french).await;
        }
    }
    let too_long: &[(&str, &str)] = &[("valid_until", "2099-01-01")];
    for (who, node, fields) in &consents[..3] {
        told(&mut peer, who, node, fields, too_long, "at most P3Y", "au plus P3Y").await;
        if *node != "request-access" {
            for recipient in ["a b@c d", "@", "app@coop.example/phone", "bob"] {
                let slip = [("recipient", recipient)];
                told(&mut peer, who, node, fields, &slip, "Recipient: ", "Destinataire : ").await;
            }
        }
    }
    for (who, node, fields) in &consents[3..] {
        told(&mut peer, who, node, fields, too_long, "Delivery until", "Transmission jusqu’au").await;
    }
    let registered =
        [("name", "urn:new"), ("owner", "camille@home.example"), ("producers", "gw@prod.example")];
    let changed = [("name", SERIES), ("owner", "camille@home.example"), ("producers", "gw@prod.example")];
    for (node, fields) in [("series-add", registered), ("series-edit", changed)] {
        for (slip, english, french) in [
            (("owner", "@"), "Person concerned: ", " : « @ » n’est ni"),
            (("owner", ""), "Person concerned: ", " : à remplir"),
            (("producers", "a b@c d"), "apos;a b@c d&apos; is not", " : « a b@c d » n’est pas"),
            (("retention", "12 months"), "ISO 8601", "ISO 8601"),
            (("name", "*"), "alone", " : « * » n’est pas"),
            (("title", "a\u{202e}b"), ": there is a line end", " : il contient une fin de ligne"),
        ] {
            told(&mut peer, ADMIN, node, &fields, &[slip], english, french).await;
        }
    }
    assert_eq!(everything(&stage), before);
    nothing_else(&mut peer).await;
}

/// One wrong answer, in both languages.
async fn told(
    peer: &mut Peer,
    who: &str,
    node: &str,
    fields: &[(&str, &str)],
    slip: &[(&str, &str)],
    english: &str,
    french: &str,
) {
    let mut fields = fields.to_vec();
    fields.retain(|(var, _)| slip.iter().all(|(wrong, _)| wrong != var));
    fields.extend(slip);
    for (language, words) in [("en", english), ("fr", french)] {
        let language = format!("xml:lang='{language}'");
        let answer = run(peer, who, node, &language, &filled(&fields)).await;
        assert!(answer.contains("<bad-payload"), "{node} {slip:?}: {answer}");
        assert!(answer.contains(words), "{node} {slip:?}: {words} in {answer}");
    }
}

#[tokio::test]
async fn the_form_of_another_command_changes_nothing() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let request = request(&mut peer).await;
    let before = everything(&stage);
    let another = ("FORM_TYPE", "urn:courant:0#ping");
    let given = [another, ("recipient", "school@coop.example"), ("scope", SERIES), ("purpose", "advice")];
    let added = [&given[..], &[("subject", "camille@home.example")]].concat();
    let series = [another, ("name", SERIES), ("owner", "mallory@evil.example")];
    let id = [another, ("id", &*consent), ("retention", "P1D")];
    let answer = [another, ("id", &*request), ("answer", "yes")];
    for (who, node, fields) in [
        (ADMIN, "consent-add", &added[..]),
        (ADMIN, "consent-edit", &id),
        (ADMIN, "consent-suspend", &id),
        (ADMIN, "consent-revoke", &id),
        (ADMIN, "series-add", &series),
        (ADMIN, "series-edit", &series),
        (CAMILLE, "give-consent", &given),
        (CAMILLE, "suspend-consent", &id),
        (CAMILLE, "withdraw-consent", &id),
        (CAMILLE, "pending-requests", &answer),
        ("adviser@coop.example/desk", "end-access", &id),
        (APP, "request-access", &given),
    ] {
        let told = run(&mut peer, who, node, "", &filled(fields)).await;
        assert!(told.contains("<bad-payload") && told.contains("form of another command"), "{node}: {told}");
    }
    assert_eq!(everything(&stage), before);
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn who_may_not_changes_nothing_with_any_form_or_session() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let request = request(&mut peer).await;
    let form = run(&mut peer, ADMIN, "consent-revoke", "", "").await;
    let admins = format!("sessionid='{}' action='complete'", session_of(&form));
    let form = run(&mut peer, CAMILLE, "withdraw-consent", "", "").await;
    let camilles = format!("sessionid='{}' action='complete'", session_of(&form));
    let before = everything(&stage);
    let mallory = "mallory@evil.example/1";
    let id = filled(&[("id", &consent), ("retention", "P1D")]);
    for node in ["consent-edit", "consent-suspend", "consent-revoke", "consent-show"] {
        for attributes in ["", &admins] {
            peer.ask(
                &command(mallory, "m", node, attributes, &id),
                &refused(mallory, "m", "forbidden", "auth", "en", ""),
            )
            .await;
        }
    }
    // Somebody else's session, and somebody else's consent or request.
    peer.ask(
        &command(mallory, "m", "withdraw-consent", &camilles, &id),
        &refused(mallory, "m", "bad-request", "modify", "en", "bad-sessionid"),
    )
    .await;
    for node in ["suspend-consent", "withdraw-consent", "end-access"] {
        let told = run(&mut peer, mallory, node, "", &id).await;
        assert!(told.contains("<bad-payload") && told.contains("no consent to choose from"), "{told}");
    }
    let yes = filled(&[("id", &request), ("answer", "yes")]);
    let told = run(&mut peer, mallory, "pending-requests", "", &yes).await;
    assert!(told.contains("Nobody waits for your answer"), "{told}");
    assert_eq!(everything(&stage), before);
    nothing_else(&mut peer).await;
}

/// The same part of a list, over and over: a session does not grow by it.
#[tokio::test]
async fn a_list_is_not_gone_on_with_for_ever() {
    let mut stage = Stage::home("").await;
    let consent = stage.consents("adviser@coop.example", &[SERIES], &[]);
    stage.consents("school@coop.example", &[SERIES], &[]);
    let mut peer = stage.start().await;
    let request = request(&mut peer).await;
    let before = everything(&stage);
    for (node, id) in [("withdraw-consent", &consent), ("pending-requests", &request)] {
        let form = run(&mut peer, CAMILLE, node, "", "").await;
        let on = format!("sessionid='{}'", session_of(&form));
        let others = filled(&[("id", &format!("after:{id}"))]);
        let mut refused = 0;
        for _ in 0..40 {
            let next = format!("{on} action='next'");
            let answer = run(&mut peer, CAMILLE, node, &next, &others).await;
            assert!(answer.contains("status='executing'"), "{node}: {answer}");
            refused += usize::from(answer.contains("<note type='error'>"));
        }
        assert_eq!(refused, 8, "{node}");
        let mut forms = 1;
        while run(&mut peer, CAMILLE, node, &format!("{on} action='prev'"), "").await.contains("<command") {
            forms += 1;
            assert!(forms <= 33, "{node}: {forms}");
        }
    }
    assert_eq!(everything(&stage), before);
    nothing_else(&mut peer).await;
}

/// Two clicks: the second finds its session gone, and what was done is done once.
#[tokio::test]
async fn submitted_twice_is_done_once() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    let form = run(&mut peer, ADMIN, "consent-add", "", "").await;
    let complete = format!("sessionid='{}' action='complete'", session_of(&form));
    let fields = filled(&[
        ("subject", "camille@home.example"),
        ("recipient", "school@coop.example"),
        ("scope", SERIES),
        ("purpose", "lesson"),
    ]);
    for id in ["one", "two"] {
        peer.send(&command(ADMIN, id, "consent-add", &complete, &fields)).await;
    }
    let mut heard = String::new();
    while !(heard.contains("id='one'") && heard.contains("id='two'")) {
        heard += &peer.recv().await;
    }
    assert_eq!(heard.matches("status='completed'").count(), 1, "{heard}");
    assert_eq!(heard.matches("<bad-sessionid").count(), 1, "{heard}");
    assert_eq!(stage.cli(&["consent", "export"]).matches("school@coop.example").count(), 1);
}

/// Ten thousand sessions of one person are a few, and nobody else's end by them.
#[tokio::test]
async fn ten_thousand_sessions_of_one_person_end_nobody_elses() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let before = everything(&stage);
    let form = run(&mut peer, CAMILLE, "withdraw-consent", "", "").await;
    let complete = format!("sessionid='{}' action='complete'", session_of(&form));
    let mallory = "mallory@evil.example/1";
    let mut first = String::new();
    for round in 0..100 {
        for _ in 0..100 {
            peer.send(&command(mallory, "m", "language", "", "")).await;
        }
        for _ in 0..100 {
            let form = peer.recv_iq().await;
            assert!(form.contains("status='executing'"), "{round}: {form}");
            if first.is_empty() {
                first = session_of(&form);
            }
        }
    }
    peer.ask(
        &command(mallory, "m", "language", &format!("sessionid='{first}'"), ""),
        &refused(mallory, "m", "bad-request", "modify", "en", "bad-sessionid"),
    )
    .await;
    assert_eq!(everything(&stage), before);
    let told = run(&mut peer, CAMILLE, "withdraw-consent", &complete, &filled(&[("id", &consent)])).await;
    assert!(told.contains("status='completed'") && told.contains("Withdrawn"), "{told}");
}
