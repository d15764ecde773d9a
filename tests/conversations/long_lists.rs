//! A list to choose from that is longer than a list may be.

use super::commands::{ADMIN, CAMILLE, filled, run};
use super::stage::{Stage, nothing_else, refused_to};

/// Servers end the link over more than 512 KiB, and answers stay well below.
const LARGE: usize = 250 * 1024;

/// Whatever a person gave can be ended from a client that shows lists: by what it says, or part by part.
#[tokio::test]
async fn each_of_many_consents_can_be_chosen() {
    let (stage, adviser, mut peer) = Stage::with_an_adviser("").await;
    import(&stage, 150, "active");
    let form = run(&mut peer, CAMILLE, "withdraw-consent", "", "").await;
    assert!(form.contains("There are 151 to choose from") && form.contains("<next/>"), "{form}");
    assert!(form.contains("var='find_recipient'") && form.contains("var='find_scope'"), "{form}");
    assert!(!form.contains("var='find_subject'") && !form.contains("<option"), "{form}");
    let session = session_of(&form);
    let on = format!("sessionid='{session}'");

    // By a part of the name, whatever its letters; what nobody has is said.
    let none = run(&mut peer, CAMILLE, "withdraw-consent", &on, &filled(&[("find_recipient", "r9%")])).await;
    assert!(none.contains("there is none that says so") && none.contains("var='find_recipient'"), "{none}");
    let named = filled(&[("find_recipient", "COOP 14")]);
    let some = run(&mut peer, CAMILLE, "withdraw-consent", &on, &named).await;
    assert_eq!(some.matches("<option").count(), 11, "{some}");
    assert!(some.contains("<complete/>") && !some.contains("after:"), "{some}");

    // Back, and part by part: the last one too.
    let back = format!("{on} action='prev'");
    run(&mut peer, CAMILLE, "withdraw-consent", &back, "").await;
    let all = filled(&[("find_recipient", "")]);
    let first = run(&mut peer, CAMILLE, "withdraw-consent", &on, &all).await;
    assert_eq!(first.matches("<option").count(), 101, "{first}");
    assert!(first.contains("others (100 of 151 so far)") && !first.contains("<complete/>"), "{first}");
    assert!(first.contains(&adviser) && !first.contains("r149@coop.example"), "{first}");
    let others = format!("after:{}", first.split("after:").nth(1).unwrap().split('<').next().unwrap());
    let second = run(&mut peer, CAMILLE, "withdraw-consent", &on, &filled(&[("id", &others)])).await;
    assert_eq!(second.matches("<option").count(), 51, "{second}");
    assert!(second.contains("r149@coop.example") && second.contains("<complete/>"), "{second}");
    let id = second.split("<option label=").last().unwrap().split("<value>").nth(1).unwrap();
    let id = id.split('<').next().unwrap();
    let done = run(&mut peer, CAMILLE, "withdraw-consent", &on, &filled(&[("id", id)])).await;
    assert!(done.contains("status='completed'") && done.contains("r149@coop.example"), "{done}");

    // Who knows the id names it, step by step and at once.
    let form = run(&mut peer, CAMILLE, "suspend-consent", "", "").await;
    let on = format!("sessionid='{}'", session_of(&form));
    let named = filled(&[("id", &adviser), ("reason", "holidays")]);
    let two = run(&mut peer, CAMILLE, "suspend-consent", &on, &named).await;
    assert!(two.contains("status='completed'") && two.contains("adviser@coop.example"), "{two}");
    let one = run(&mut peer, CAMILLE, "withdraw-consent", "", &filled(&[("id", &adviser)])).await;
    assert!(one.contains("status='completed'") && one.contains("adviser@coop.example"), "{one}");
}

/// Requests are there to be answered, however much else stands and however many they are.
#[tokio::test]
async fn each_of_many_requests_can_be_answered() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    import(&stage, 150, "requested");
    let first = run(&mut peer, CAMILLE, "pending-requests", "", "").await;
    assert_eq!(first.matches("<option").count(), 101, "{first}");
    let on = format!("sessionid='{}'", session_of(&first));
    let others = format!("after:{}", first.split("after:").nth(1).unwrap().split('<').next().unwrap());
    let second = run(&mut peer, CAMILLE, "pending-requests", &on, &filled(&[("id", &others)])).await;
    assert_eq!(second.matches("<option").count(), 50, "{second}");
    let id = second.split("<option label=").last().unwrap().split("<value>").nth(1).unwrap();
    let id = id.split('<').next().unwrap();
    let question = run(&mut peer, CAMILLE, "pending-requests", &on, &filled(&[("id", id)])).await;
    assert!(question.contains("var='answer'") && question.contains("r149@coop.example"), "{question}");
    let told = run(&mut peer, CAMILLE, "pending-requests", &on, &filled(&[("answer", "no")])).await;
    assert!(told.contains("status='completed'") && told.contains("r149@coop.example"), "{told}");
}

/// An edit of one of many is an edit of what it says, not of what it was found by.
#[tokio::test]
async fn what_is_looked_for_is_not_what_is_changed() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    import(&stage, 150, "active");
    let form = run(&mut peer, ADMIN, "consent-edit", "", "").await;
    assert!(form.contains("var='find_subject'"), "{form}");
    let on = format!("sessionid='{}'", session_of(&form));
    let found = filled(&[("find_recipient", "r7@"), ("find_scope", "LOAD"), ("find_subject", "camille")]);
    let list = run(&mut peer, ADMIN, "consent-edit", &on, &found).await;
    assert_eq!(list.matches("<option").count(), 1, "{list}");
    let id = list.split("<option label=").last().unwrap().split("<value>").nth(1).unwrap();
    let id = id.split('<').next().unwrap();
    let form = run(&mut peer, ADMIN, "consent-edit", &on, &filled(&[("id", id)])).await;
    assert!(form.contains("urn:load:7") && !form.contains("LOAD") && form.contains("<complete/>"), "{form}");
    let done = run(&mut peer, ADMIN, "consent-edit", &on, &filled(&[("evidence", "form 7")])).await;
    assert!(done.contains("status='completed'") && done.contains("form 7"), "{done}");
    assert!(stage.cli(&["consent", "show", id, "--json"]).contains("urn:load:7"));
}

/// Whatever a stranger asks for, no answer is so large that it costs everybody the link.
#[tokio::test]
async fn no_answer_is_larger_than_servers_take() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let mallory = "mallory@evil.example/1";
    // A wrong value is said and given back, as far as it is of use.
    let long = "'".repeat(60_000);
    let form = run(&mut peer, mallory, "language", "", "").await;
    let on = format!("sessionid='{}'", session_of(&form));
    for (language, words) in [("en", "is not in the list"), ("fr", "n’est pas dans la liste")] {
        let on = format!("{on} xml:lang='{language}'");
        let again = run(&mut peer, mallory, "language", &on, &filled(&[("language", &long)])).await;
        assert!(again.contains("status='executing'") && again.contains(words), "{again}");
        assert!(again.len() < 20_000, "{}", again.len());
    }
    let one = run(&mut peer, mallory, "language", "", &filled(&[("language", &long)])).await;
    assert!(one.contains("<bad-payload") && one.len() < 5000, "{one}");

    // Many requests for many long names are listed, and taken back.
    for number in 0..20 {
        let name = |n: u32| format!("urn:{number:02}:{n:02}:{}", "a".repeat(985));
        let names: String = (0..60).map(|n| format!("<value>{}</value>", name(n))).collect();
        let fields = format!(
            "<x xmlns='jabber:x:data' type='submit'>
               <field var='scope'>{names}</field><field var='purpose'><value>x</value></field>
             </x>"
        );
        let told = run(&mut peer, mallory, "request-access", "", &fields).await;
        assert!(told.contains("is pending") && told.len() < LARGE, "{told}");
    }
    let access = run(&mut peer, mallory, "my-access", "", "").await;
    assert!(access.contains("status='completed'") && access.len() < LARGE, "{}", access.len());
    assert_eq!(access.matches("aaa … and 59 more</value>").count(), 20);
    let form = run(&mut peer, mallory, "end-access", "xml:lang='fr'", "").await;
    assert_eq!(form.matches("aaa … et 59 autres").count(), 20, "{}", form.len());
    let id = form.split("<option label=").last().unwrap().split("<value>").nth(1).unwrap();
    let told = run(&mut peer, mallory, "end-access", "", &filled(&[("id", &id[..36])])).await;
    assert!(told.contains("Taken back") && told.len() < 5000, "{told}");
    let subscriptions = |node: &str| {
        format!(
            "<iq type='get' from='{mallory}' to='energy.example.org' id='x'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions {node}/></pubsub>
             </iq>"
        )
    };
    let refusal = refused_to("iq", mallory, "x", "policy-violation", "modify", "");
    let told = peer.ask(&subscriptions(""), &refusal).await;
    assert!(told["text"].contains("ask for less"), "{told:?}");
    let node = format!("node='urn:00:00:{}'", "a".repeat(985));
    peer.send(&subscriptions(&node)).await;
    let one = peer.recv().await;
    assert_eq!(one.matches("subscription='pending'").count(), 1, "{one}");
    nothing_else(&mut peer).await;
}

/// What does not go into an answer comes with the next part: forwards, backwards, and to choose from.
#[tokio::test]
async fn long_rows_are_fewer_at_once() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    import_saying(&stage, 150, "active", &"'".repeat(1000));
    let form = run(&mut peer, CAMILLE, "my-consents", "", "").await;
    assert!(form.contains("status='executing'") && form.contains("var='after'"), "{form}");
    let ids = |table: &str| -> Vec<String> {
        let cells = table.split("<field var='id'><value>").skip(1);
        cells.map(|cell| cell.split('<').next().unwrap_or_default().to_owned()).collect()
    };
    let mut all: Vec<String> = Vec::new();
    while all.len() < 151 {
        let after = all.last().cloned().unwrap_or_default();
        let part = run(&mut peer, CAMILLE, "my-consents", "", &filled(&[("after", &after)])).await;
        let shown = ids(&part);
        assert!(part.len() < LARGE && (1..50).contains(&shown.len()), "{} in {}", shown.len(), part.len());
        let place = format!("{} to {} of 151.", all.len() + 1, all.len() + shown.len());
        assert!(part.contains(&place), "{place}");
        all.extend(shown);
    }
    // Backwards, by pages.
    let (mut before, mut back) = (String::new(), Vec::new());
    while back.len() < 151 {
        let set = format!(
            "<set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before>{before}</before></set>"
        );
        let part = run(&mut peer, CAMILLE, "my-consents", "", &set).await;
        let shown = ids(&part);
        assert!(part.len() < LARGE && (1..50).contains(&shown.len()), "{} in {}", shown.len(), part.len());
        let index = format!("<first index='{}'>{}</first>", 151 - back.len() - shown.len(), shown[0]);
        assert!(part.contains(&index), "{index}");
        before.clone_from(&shown[0]);
        back.extend(shown.into_iter().rev());
    }
    back.reverse();
    assert_eq!(back, all);

    // To choose from.
    let form = run(&mut peer, CAMILLE, "withdraw-consent", "", "").await;
    let on = format!("sessionid='{}'", session_of(&form));
    let mut list = run(&mut peer, CAMILLE, "withdraw-consent", &on, &filled(&[("find_scope", "")])).await;
    let mut chosen = 0;
    loop {
        assert!(list.len() < LARGE, "{}", list.len());
        // What was chosen in the form before stands in this one, the choice at the end.
        if !list.contains(" so far)") {
            break;
        }
        let rest = list.rsplit("after:").next().unwrap_or_default();
        chosen += list.matches("<option").count() - 1;
        let so_far = list.split(" so far)").next().and_then(|label| label.rsplit('(').next());
        assert_eq!(so_far, Some(&*format!("{chosen} of 151")));
        let others = format!("after:{}", rest.split('<').next().unwrap_or_default());
        list = run(&mut peer, CAMILLE, "withdraw-consent", &on, &filled(&[("id", &others)])).await;
    }
    assert_eq!(chosen + list.matches("<option").count(), 151);

    // By a line of text.
    peer.send(&format!(
        "<message type='chat' from='{CAMILLE}' to='energy.example.org' id='m'><body>list</body></message>"
    ))
    .await;
    let told = loop {
        let heard = peer.recv().await;
        if heard.contains("(active)") {
            break heard;
        }
    };
    assert!(told.len() < LARGE && told.contains("more; the command"), "{}", told.len());
}

/// Camille's, one to each of so many.
fn import(stage: &Stage, count: usize, state: &str) {
    import_saying(stage, count, state, "x");
}

/// The same, for this purpose.
fn import_saying(stage: &Stage, count: usize, state: &str, purpose: &str) {
    let lines: String = (0..count)
        .map(|number| {
            format!(
                r#"{{"subject":"camille@home.example","recipient":"r{number}@coop.example","recipient_name":"Coop {number}","scope":["urn:load:{number}"],"purpose":"{purpose}","state":"{state}"}}"#
            ) + "\n"
        })
        .collect();
    let file = stage.courant.directory().join("many.jsonl");
    std::fs::write(&file, lines).expect("write");
    // Hers, and registered once.
    let owner = ["--owner", "camille@home.example", "--producer", "gw@prod.example"];
    let _ = stage.courant.run(&[&["series", "add", "urn:load:*"][..], &owner].concat());
    stage.cli(&["consent", "import", file.to_str().expect("a path")]);
}

pub(crate) fn session_of(form: &str) -> String {
    form.split("sessionid='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a session").to_owned()
}
