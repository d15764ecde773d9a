//! A list to choose from that is longer than a list may be.

use super::commands::{ADMIN, CAMILLE, filled, run};
use super::stage::Stage;

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

/// Camille's, one to each of so many.
fn import(stage: &Stage, count: usize, state: &str) {
    let lines: String = (0..count)
        .map(|number| {
            format!(
                r#"{{"subject":"camille@home.example","recipient":"r{number}@coop.example","recipient_name":"Coop {number}","scope":["urn:load:{number}"],"purpose":"x","state":"{state}"}}"#
            ) + "\n"
        })
        .collect();
    let file = stage.courant.directory().join("many.jsonl");
    std::fs::write(&file, lines).expect("write");
    stage.cli(&["consent", "import", file.to_str().expect("a path")]);
}

pub(crate) fn session_of(form: &str) -> String {
    form.split("sessionid='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a session").to_owned()
}
