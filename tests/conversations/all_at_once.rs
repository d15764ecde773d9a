//! Ending much with one act: at the command line, by command, by a line of text; and told once to those concerned.

use super::asking::{APP, ASKED, asks, hears, says};
use super::commands::{CAMILLE, command, filled, run};
use super::stage::{
    SERIES, Stage, UNDER_CONSENT, accepted, accepted_at, event, nothing_else, publish, publish_to, watts,
};
use crate::support::Peer;

const APP_BARE: &str = "app@coop.example";
const GRID: &str = "grid@coop.example";
const OTHER: &str = "urn:dev:prm:30001610071843_consumption/voltage";

/// Takes what comes until each of these words was in something, in any order; gives it stanza by stanza.
async fn hears_all(peer: &mut Peer, words: &[&str]) -> Vec<String> {
    let mut heard: Vec<String> = Vec::new();
    while !words.iter().all(|word| heard.iter().any(|said| said.contains(word))) {
        heard.push(peer.recv().await);
    }
    heard
}

/// What Camille is told, of what was heard.
fn to_camille(heard: &[String]) -> Vec<&String> {
    heard
        .iter()
        .filter(|said| said.starts_with("<message") && said.contains("to='camille@home.example'"))
        .collect()
}

fn state(stage: &Stage, id: &str) -> String {
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", id, "--json"])).expect("JSON");
    record["state"].as_str().expect("a state").to_owned()
}

/// Two consents for the app and one for the grid, and the service runs.
async fn three() -> (Stage, [String; 3], Peer) {
    let mut stage = Stage::home("").await;
    stage.series(OTHER, "gw@prod.example");
    let ids = [
        stage.consents(APP_BARE, &[SERIES], &[]),
        stage.consents(APP_BARE, &[OTHER], &[]),
        stage.consents(GRID, &[SERIES], &[]),
    ];
    let peer = stage.start().await;
    (stage, ids, peer)
}

#[tokio::test]
async fn the_operator_ends_all_of_a_person_with_one_act() {
    let (stage, ids, mut peer) = three().await;
    let camille = "camille@home.example";
    // Not what is misspelt, nor nothing at all, nor two ways at once.
    let said = stage.cli_fails(&["consent", "revoke", "--subject", "camile@home.example"], 1);
    assert!(said.contains("no consent of camile@home.example stands"), "{said}");
    stage.cli_fails(&["consent", "revoke"], 2);
    stage.cli_fails(&["consent", "revoke", &ids[0], "--subject", camille], 2);
    let said = stage.cli(&["consent", "revoke", "--subject", camille, "--dry-run"]);
    assert!(
        ids.iter().all(|id| said.contains(id)) && said.contains("3 would end; nothing was changed"),
        "{said}"
    );
    assert!(ids.iter().all(|id| state(&stage, id) == "active"));
    nothing_else(&mut peer).await;

    let said = stage.cli(&["consent", "revoke", "--subject", camille, "--reason", "moved out", "--json"]);
    let records: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(records.as_array().map(Vec::len), Some(3), "{said}");
    assert!(ids.iter().all(|id| state(&stage, id) == "revoked"));
    let ended = ids.clone().map(|id| {
        format!("<ended xmlns='urn:courant:0' consent='{id}' state='revoked' reason='moved out'/>")
    });
    let heard =
        hears_all(&mut peer, &[&ended[0], &ended[1], &ended[2], "3 of your consents were ended"]).await;
    let told = to_camille(&heard);
    assert_eq!(told.len(), 1, "{told:?}");
    for word in [APP_BARE, GRID, SERIES, OTHER, "moved out", "Nothing is sent under them any more"] {
        assert!(told[0].contains(word), "{word} in {told:?}");
    }
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    nothing_else(&mut peer).await;
    let said = stage.cli_fails(&["consent", "revoke", "--subject", camille], 1);
    assert!(said.contains("no consent of camille@home.example stands"), "{said}");
}

#[tokio::test]
async fn of_several_ids_all_end_or_none_and_a_recipients_all() {
    let (stage, ids, mut peer) = three().await;
    let nobody = "0192f3c1-7f3a-7000-8000-00000000002a";
    let said = stage.cli_fails(&["consent", "revoke", &ids[0], nobody], 1);
    assert!(said.contains(nobody) && said.contains("nothing was changed"), "{said}");
    assert_eq!(state(&stage, &ids[0]), "active");
    let said = stage.cli(&["consent", "revoke", &ids[2], "--json"]);
    assert!(said.trim_start().starts_with('{'), "one id is one record: {said}");
    hears_all(&mut peer, &["<ended ", "was ended by the operator"]).await;
    // A request that waits is named: it is not the operator's to answer.
    asks(&mut peer, APP, ASKED).await;
    hears_all(&mut peer, &["asks for your consent"]).await;
    let said = stage.cli(&["consent", "revoke", "--recipient", APP_BARE]);
    assert!(said.contains("Revoked 2") && said.contains("1 requests wait still"), "{said}");
    let heard = hears_all(&mut peer, &["2 of your consents were ended"]).await;
    assert_eq!(to_camille(&heard).len(), 1);
    for id in &ids {
        assert_eq!(state(&stage, id), "revoked");
    }
}

#[tokio::test]
async fn a_person_ends_everything_with_one_recipient_by_text() {
    let (stage, ids, mut peer) = three().await;
    let request = asks(&mut peer, APP, ASKED).await;
    hears_all(&mut peer, &["asks for your consent"]).await;
    // Somebody else's word ends nothing of hers.
    says(&peer, "mallory@evil.example/1", &format!("stop {APP_BARE}")).await;
    let said = hears(&mut peer, "mallory@evil.example/1", "en").await;
    assert!(said.contains(&format!("You share nothing with {APP_BARE}")), "{said}");
    says(&peer, CAMILLE, &format!("> Your adviser wrote\n« Stop {APP_BARE} ! »")).await;
    let heard =
        hears_all(&mut peer, &["Ended with app@coop.example: 3", "You withdrew 2 of your consents"]).await;
    assert_eq!(to_camille(&heard).len(), 1, "{heard:?}");
    assert_eq!(
        [&ids[0], &ids[1], &ids[2], &request].map(|id| state(&stage, id)),
        ["withdrawn", "withdrawn", "active", "refused"]
    );
    nothing_else(&mut peer).await;
    peer.ask(&publish("p1", "one", &watts(1)), &accepted("p1", "one")).await;
    peer.expect(&event(GRID, "one", &watts(1), UNDER_CONSENT)).await;
    let volts = watts(2).replace(SERIES, OTHER);
    peer.ask(&publish_to(OTHER, "p2", "two", &volts), &accepted_at(OTHER, "p2", "two")).await;
    nothing_else(&mut peer).await;
}

/// T4: as a reply with the quoted fallback, with a mark behind it, between the quotes of the service's own message.
#[tokio::test]
async fn a_withdrawal_is_understood_however_it_is_written() {
    for (number, body) in
        ["> Answer 'stop {code}'\nstop {code}", "Stop {code} !", "« stop {code} »", "stop {code}, please"]
            .iter()
            .enumerate()
    {
        let (stage, ids, mut peer) = three().await;
        says(&peer, CAMILLE, "list").await;
        let list = hears(&mut peer, CAMILLE, "en").await;
        let code = list.lines().find(|line| line.contains(GRID)).expect("a line")[..4].to_owned();
        let body = body.replace("{code}", &code);
        if number == 0 {
            let end = body.find('\n').expect("two lines") + 1;
            let escaped = body.replace('>', "&gt;").replace('\'', "&apos;");
            peer.send(&format!(
                "<message type='chat' from='{CAMILLE}' to='energy.example.org' id='r'>
                   <body>{escaped}</body>
                   <reply xmlns='urn:xmpp:reply:0' to='energy.example.org' id='q'/>
                   <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='{end}'/></fallback>
                 </message>"
            ))
            .await;
        } else {
            says(&peer, CAMILLE, &body).await;
        }
        hears_all(&mut peer, &["Withdrawn: nothing is sent", "state='withdrawn'", "was withdrawn by you"])
            .await;
        assert_eq!(state(&stage, &ids[2]), "withdrawn", "{body}");
        // What is not understood is answered, each time.
        for odd in ["stop it", "?", "yes, but only for a week", "¿qué?", "stop"] {
            says(&peer, CAMILLE, odd).await;
            hears(&mut peer, CAMILLE, "en").await;
        }
    }
}

#[tokio::test]
async fn by_command_all_of_them_or_all_with_one_recipient() {
    let (stage, ids, mut peer) = three().await;
    let form = run(&mut peer, CAMILLE, "withdraw-consent", "", "").await;
    assert!(form.contains("<option label='all of them'><value>*</value></option>"), "{form}");
    assert!(form.contains("var='recipient'"), "{form}");
    let said =
        run(&mut peer, CAMILLE, "withdraw-consent", "", &filled(&[("recipient", "nobody@coop.example")]))
            .await;
    assert!(
        said.contains("<bad-request") && said.contains("you share nothing with nobody@coop.example"),
        "{said}"
    );
    let said =
        run(&mut peer, CAMILLE, "withdraw-consent", "", &filled(&[("recipient", APP_BARE), ("id", &ids[2])]))
            .await;
    assert!(said.contains("<bad-request") && said.contains("not both"), "{said}");
    let said = run(&mut peer, CAMILLE, "withdraw-consent", "", &filled(&[("reason", "x")])).await;
    assert!(said.contains("<bad-request"), "{said}");
    assert!(ids.iter().all(|id| state(&stage, id) == "active"));

    for (node, now, word) in [
        ("suspend-consent", "suspended", "3 of your consents are suspended"),
        ("resume-consent", "active", "3 of your consents are resumed"),
    ] {
        peer.send(&command(CAMILLE, "run", node, "", &filled(&[("id", "*")]))).await;
        let heard = hears_all(&mut peer, &["status='completed'", word, GRID]).await;
        assert_eq!(to_camille(&heard).len(), 1, "{heard:?}");
        assert!(ids.iter().all(|id| state(&stage, id) == now));
    }
    peer.send(&command(CAMILLE, "run", "withdraw-consent", "", &filled(&[("recipient", APP_BARE)]))).await;
    hears_all(&mut peer, &["Ended with app@coop.example: 2", "You withdrew 2 of your consents"]).await;
    assert_eq!(ids.clone().map(|id| state(&stage, &id)), ["withdrawn", "withdrawn", "active"]);
    peer.send(&command(CAMILLE, "run", "withdraw-consent", "", &filled(&[("id", "*")]))).await;
    hears_all(&mut peer, &["Withdrawn: all 1", "was withdrawn by you"]).await;
    assert_eq!(state(&stage, &ids[2]), "withdrawn");
}

/// A step is no answer: an operator does not make a consent of a request by resuming it.
#[tokio::test]
async fn a_request_is_not_resumed() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let request = asks(&mut peer, APP, ASKED).await;
    let said = stage.cli_fails(&["consent", "resume", &request], 1);
    assert!(said.contains("before the person concerned has answered"), "{said}");
    assert_eq!(state(&stage, &request), "requested");
}
