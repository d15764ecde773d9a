//! What people and recipients are told of consents goes by the delivery's own machine: nobody's share of it holds
//! up another's, and what comes back is tried again, then shown to the operator.

use std::fs;
use std::panic::Location;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::asking::{ASKED, asks};
use super::commands::{ADMIN, command, filled};
use super::stage::{IMPATIENT, SERIES, Stage, barrier, nothing_else, pong};
use crate::support::{PATIENCE, Peer, Pings};

/// More than were ever held at a time.
const MANY: usize = 300;

/// Whoever is at this domain is not reached.
const GONE: &str = "gone.example";

/// What was heard: order is kept for each address, not between them.
#[derive(Default)]
struct Heard(Vec<String>);

impl Heard {
    /// The next stanza that holds all these words.
    #[track_caller]
    fn of<'a>(&'a mut self, peer: &'a mut Peer, words: &'a [&'a str]) -> impl Future<Output = String> + 'a {
        let caller = Location::caller();
        let is_it = move |said: &String| words.iter().all(|word| said.contains(word));
        async move {
            if let Some(place) = self.0.iter().position(is_it) {
                return self.0.remove(place);
            }
            loop {
                let Some(said) = peer.recv_within(PATIENCE).await else {
                    panic!("{caller}: {words:?} is never said; last came {:?}", self.0.last());
                };
                if is_it(&said) {
                    return said;
                }
                self.0.push(said);
            }
        }
    }
}

/// The next stanza that holds all these words; what comes before it is passed over.
#[track_caller]
fn hears<'a>(peer: &'a mut Peer, words: &'a [&'a str]) -> impl Future<Output = String> + 'a {
    let caller = Location::caller();
    async move {
        let mut last = None;
        loop {
            let Some(said) = peer.recv_within(PATIENCE).await else {
                panic!("{caller}: {words:?} is never said; last came {last:?}");
            };
            if words.iter().all(|word| said.contains(word)) {
                return said;
            }
            last = Some(said);
        }
    }
}

/// What is in a form's hidden field, or what else stands between these.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split(before).nth(1).expect("the beginning");
    rest.split(after).next().expect("the end")
}

/// A consent of Camille's is suspended and ended, and she is asked for another: she and the other sides hear of each.
async fn others_hear_of_everything(stage: &Stage, peer: &mut Peer, round: usize) {
    let adviser = format!("adviser{round}@coop.example");
    let mut heard = Heard::default();
    let consent = stage.consents(&adviser, &[SERIES], &[]);
    stage.cli(&["consent", "suspend", &consent]);
    heard.of(peer, &[&format!("to='{adviser}'"), &consent, "state='suspended'"]).await;
    heard.of(peer, &["to='camille@home.example'", "is suspended", &adviser]).await;
    stage.cli(&["consent", "revoke", &consent]);
    heard.of(peer, &[&format!("to='{adviser}'"), &consent, "<ended"]).await;
    heard.of(peer, &["to='camille@home.example'", "was ended by the operator", &adviser]).await;
    let asker = format!("app{round}@coop.example/x");
    peer.send(&command(&asker, "r", "request-access", "", &filled(ASKED))).await;
    let app = format!("app{round}@coop.example");
    heard.of(peer, &["to='camille@home.example'", "subscribe_authorization", &app]).await;
}

/// A file of so many consents of Camille's.
fn consents_file(stage: &Stage) -> String {
    let lines = (0..MANY).map(|number| {
        format!(
            "{{\"id\":\"00000000-0000-7000-8000-{number:012}\",\"subject\":\"camille@home.example\",\
             \"recipient\":\"app@{GONE}\",\"scope\":[\"{SERIES}\"],\"purpose\":\"purpose {number}\",\
             \"valid_until\":\"2027-10-01T00:00:00Z\"}}\n"
        )
    });
    let path = stage.courant.directory().join("consents.jsonl");
    fs::write(&path, lines.collect::<String>()).expect("a file");
    path.display().to_string()
}

/// The service is killed, and started again.
async fn killed_and_back(stage: &mut Stage, peer: Peer) -> Peer {
    stage.courant.kill();
    drop(peer);
    stage.start().await
}

#[tokio::test]
async fn consents_for_a_domain_that_is_gone_hold_up_nobody() {
    let mut stage = Stage::home("").await;
    stage.server.lose(GONE);
    let mut peer = stage.start().await;
    let mut last = String::new();
    for number in 0..MANY {
        last = format!("app{number}@{GONE}");
        let fields = [
            ("subject", "camille@home.example"),
            ("recipient", &last),
            ("scope", SERIES),
            ("purpose", "advice"),
        ];
        peer.send(&command(ADMIN, "add", "consent-add", "", &filled(&fields))).await;
        hears(&mut peer, &["<iq", "status='completed'"]).await;
    }
    hears(&mut peer, &["to='camille@home.example'", "You gave your consent", &last]).await;
    others_hear_of_everything(&stage, &mut peer, 1).await;
    let mut peer = killed_and_back(&mut stage, peer).await;
    others_hear_of_everything(&stage, &mut peer, 2).await;
    // Nothing was given up meanwhile: who was away hears of it all.
    stage.server.find(GONE);
    let mut heard = std::collections::HashSet::new();
    while heard.len() < MANY {
        let said = hears(&mut peer, &[&format!("@{GONE}'"), "state='active'"]).await;
        heard.insert(between(&said, "<consent", "/>").to_owned());
    }
}

#[tokio::test]
async fn requests_of_strangers_who_leave_hold_up_nobody() {
    let mut stage =
        Stage::home("[consent]\nrequest_timeout = \"PT1S\"\n[limits]\npublishes_per_second = 0").await;
    stage.server.lose(GONE);
    let mut peer = stage.start().await;
    for number in 0..MANY {
        let (from, scope) = (format!("s{number}@{GONE}/1"), format!("urn:dev:nowhere:{number}"));
        let fields = [("scope", &*scope), ("purpose", "curiosity")];
        peer.send(&command(&from, "r", "request-access", "", &filled(&fields))).await;
        hears(&mut peer, &[&format!("to='{from}'"), "status='completed'"]).await;
    }
    while !stage.cli(&["consent", "list", "--json"]).contains("timed-out") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    others_hear_of_everything(&stage, &mut peer, 1).await;
    let mut peer = killed_and_back(&mut stage, peer).await;
    others_hear_of_everything(&stage, &mut peer, 2).await;
}

#[tokio::test]
async fn ends_for_one_recipient_that_is_gone_hold_up_nobody() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    stage.cli(&["consent", "import", &consents_file(&stage)]);
    stage.server.lose(GONE);
    for number in 0..MANY {
        let id = format!("00000000-0000-7000-8000-{number:012}");
        let fields = [("id", &*id), ("end_reason", "over")];
        peer.send(&command(ADMIN, "revoke", "consent-revoke", "", &filled(&fields))).await;
        hears(&mut peer, &["<iq", "status='completed'"]).await;
    }
    others_hear_of_everything(&stage, &mut peer, 1).await;
    let mut peer = killed_and_back(&mut stage, peer).await;
    others_hear_of_everything(&stage, &mut peer, 2).await;
}

/// A message comes back, in the name of whom it was for.
fn comes_back(id: &str, from: &str, type_: &str, condition: &str) -> String {
    format!(
        "<message type='error' from='{from}' to='energy.example.org' id='{id}'><error type='{type_}'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
}

/// Camille is asked; gives the id of the message, and her server's word that it took it, which is still to be said.
async fn camille_is_asked(peer: &mut Peer) -> (String, String) {
    let form = hears(peer, &["to='camille@home.example'", "subscribe_authorization"]).await;
    let ping = peer.expect(&barrier("home.example")).await["ping"].clone();
    (between(&form, "id='", "'").to_owned(), pong("home.example", &ping))
}

/// What the operator sees, once there are so many.
async fn letters(stage: &Stage, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "there are never {count} letters");
        // Who plays the server lives on this thread too.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let said = stage.cli(&["queue", "dead-letters", "--json"]);
        let letters: Vec<Value> = serde_json::from_str(&said).expect("JSON");
        if letters.len() == count {
            return letters;
        }
    }
}

#[tokio::test]
async fn a_form_that_comes_back_is_shown_to_the_operator_and_sent_again() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    peer.notice_pings(Pings::Received);
    let request = asks(&mut peer, super::asking::APP, ASKED).await;
    let (first, taken) = camille_is_asked(&mut peer).await;
    // Her neighbour cannot say so.
    peer.send(&comes_back(&first, "mallory@home.example", "cancel", "service-unavailable")).await;
    peer.send(&comes_back(&first, "camille@home.example", "wait", "resource-constraint")).await;
    peer.send(&taken).await;
    let letter = letters(&stage, 1).await.remove(0);
    assert_eq!(letter["recipient"], "camille@home.example");
    assert_eq!(letter["reason"], "resource-constraint");
    assert!(letter["retry_at"].is_string(), "{letter}");
    let about = format!("{} {}", letter["node"], letter["item"]);
    assert!(about.contains("requested") && about.contains(&request), "{letter}");

    // The operator need not wait; refused for good it stays until somebody decides.
    stage.cli(&["queue", "replay", &letter["id"].to_string()]);
    let (second, taken) = camille_is_asked(&mut peer).await;
    assert_ne!(first, second);
    peer.send(&comes_back(&second, "camille@home.example", "cancel", "service-unavailable")).await;
    peer.send(&taken).await;
    let letter = letters(&stage, 1).await.remove(0);
    assert_eq!((&letter["reason"], &letter["retry_at"]), (&"service-unavailable".into(), &Value::Null));
    let listed = stage.cli(&["queue", "dead-letters"]);
    assert!(listed.contains("camille@home.example") && listed.contains("requested"), "{listed}");

    // Across a restart too.
    let mut peer = killed_and_back(&mut stage, peer).await;
    peer.notice_pings(Pings::Received);
    nothing_else(&mut peer).await;
    stage.cli(&["queue", "replay", &letter["id"].to_string()]);
    let (_, taken) = camille_is_asked(&mut peer).await;
    peer.send(&taken).await;
    assert!(letters(&stage, 0).await.is_empty());
    // Who asked saw nothing of all this.
    let access = super::commands::run(&mut peer, super::asking::APP, "my-access", "", "").await;
    assert!(access.contains("requested"), "{access}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_form_that_comes_back_for_now_is_sent_again_by_itself() {
    let mut stage = Stage::home(IMPATIENT).await;
    let mut peer = stage.start().await;
    peer.notice_pings(Pings::Received);
    asks(&mut peer, super::asking::APP, ASKED).await;
    for _ in 0..3 {
        let (id, taken) = camille_is_asked(&mut peer).await;
        peer.send(&comes_back(&id, "camille@home.example", "wait", "resource-constraint")).await;
        peer.send(&taken).await;
    }
    let (_, taken) = camille_is_asked(&mut peer).await;
    peer.send(&taken).await;
    assert!(letters(&stage, 0).await.is_empty());
}

#[tokio::test]
async fn a_letter_that_nobody_can_answer_any_more_is_not_sent() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    peer.notice_pings(Pings::Received);
    let request = asks(&mut peer, super::asking::APP, ASKED).await;
    let (id, taken) = camille_is_asked(&mut peer).await;
    peer.send(&comes_back(&id, "camille@home.example", "cancel", "service-unavailable")).await;
    peer.send(&taken).await;
    let letter = letters(&stage, 1).await.remove(0)["id"].to_string();
    peer.notice_pings(Pings::Answered);
    peer.send(&super::asking::allow("no", Some(&request), super::commands::CAMILLE, false)).await;
    while !stage.cli(&["consent", "show", &request]).contains("refused since") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let complaint = stage.cli_fails(&["queue", "replay", &letter], 1);
    assert!(complaint.contains("not waiting"), "{complaint}");
    stage.cli(&["queue", "drop", &letter]);
    assert!(letters(&stage, 0).await.is_empty());
}

/// So many notices are owed to a domain.
async fn wait_for(stage: &Stage, domain: &str, notices: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let queue: Value = serde_json::from_str(&stage.cli(&["queue", "status", "--json"])).expect("JSON");
        let all = queue["destinations"].as_array().expect("destinations");
        if all.iter().any(|d| d["domain"] == domain && d["notices"] == notices) {
            return;
        }
        assert!(Instant::now() < deadline, "{queue}");
    }
}

/// Every step of a consent is told, though the process is killed between the step and the sending.
#[tokio::test]
async fn no_step_is_lost_with_the_process() {
    let mut stage = Stage::home("[consent]\nremind_every = \"PT1S\"").await;
    let mut peer = stage.start().await;
    // It is written, and nobody says that it was taken.
    peer.stop_answering_notices();
    asks(&mut peer, super::asking::APP, ASKED).await;
    let form = hears(&mut peer, &["to='camille@home.example'", "subscribe_authorization"]).await;
    let mut peer = killed_and_back(&mut stage, peer).await;
    let again = hears(&mut peer, &["to='camille@home.example'", "subscribe_authorization"]).await;
    let id = |form: &str| between(form, "id='", "'").to_owned();
    assert_eq!(id(&form), id(&again), "it is known as a second copy");
    let consent = stage.consents("adviser@coop.example", &[SERIES], &["--retention", "P2Y"]);
    hears(&mut peer, &["to='camille@home.example'", "A reminder"]).await;

    // The recipient is not reached, and the process is killed behind each step.
    stage.server.lose("coop.example");
    let steps: [(&[&str], &str); 4] = [
        (&["consent", "suspend", &consent], "state='suspended'"),
        (&["consent", "resume", &consent], "state='active'"),
        (&["consent", "edit", &consent, "--retention", "P1Y"], "revision='2'"),
        (&["consent", "revoke", &consent], "<ended"),
    ];
    for (place, (verb, _)) in steps.iter().enumerate() {
        stage.cli(verb);
        wait_for(&stage, "coop.example", place + 1).await;
        peer = killed_and_back(&mut stage, peer).await;
    }
    stage.server.find("coop.example");
    for (_, said) in &steps {
        hears(&mut peer, &["to='adviser@coop.example'", &consent, said]).await;
    }
}
