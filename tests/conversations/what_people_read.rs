//! What people are told, word by word: nothing that is not so, and nothing that is not theirs to know.

use super::commands::{filled, run};
use super::stage::{SERIES, Stage};

const STRANGER: &str = "stranger@far.example/1";

#[tokio::test]
async fn what_is_to_be_taken_back_does_not_tell_who_is_asked() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    for scope in [SERIES, "urn:dev:nowhere"] {
        let asked = filled(&[("scope", scope), ("purpose", "energy advice")]);
        peer.send(&super::commands::command(STRANGER, "r", "request-access", "", &asked)).await;
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
