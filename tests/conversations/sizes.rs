//! Nothing leaves that servers would not pass on: the
//! scripted server takes no stanza over 200 KiB, in any story.

use super::stage::{DOMAIN, SERIES, Stage, nothing_else, watts};
use crate::support::Peer;

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const GATEWAY: &str = "gw@prod.example";
const ADVISER: &str = "adviser@coop.example";

/// The largest stanza that leaves.
const STANZA_MAX: usize = 200 * 1024;

/// The next stanza, which begins so.
async fn next(peer: &mut Peer, beginning: &str) -> String {
    let stanza = peer.recv().await;
    assert!(stanza.starts_with(beginning), "{}", stanza.chars().take(400).collect::<String>());
    assert!(stanza.len() <= STANZA_MAX, "{} octets", stanza.len());
    stanza
}

/// The answer to this is a refusal, of this condition, that names this.
async fn is_refused(peer: &mut Peer, stanza: &str, condition: &str, names: &str) {
    peer.send(stanza).await;
    let kind = if stanza.starts_with("<iq") { "<iq type='error'" } else { "<message type='error'" };
    let answer = next(peer, kind).await;
    assert!(answer.contains(&format!("<{condition} ")) && answer.contains(names), "{answer}");
}

#[tokio::test]
async fn a_stanza_id_that_is_too_long_is_refused_under_it() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let id = "'".repeat(8000);
    let escaped = id.replace('\'', "&apos;");
    let sensml = format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>", watts(1));
    for content in [
        "<ping xmlns='urn:xmpp:ping'/>".to_owned(),
        "<query xmlns='http://jabber.org/protocol/disco#info'/>".to_owned(),
        "<query xmlns='http://jabber.org/protocol/disco#items'/>".to_owned(),
        format!("<pubsub xmlns='{PUBSUB}'><items node='{SERIES}'/></pubsub>"),
    ] {
        let get = format!("<iq type='get' from='{ADVISER}/1' to='{DOMAIN}' id=\"{id}\">{content}</iq>");
        is_refused(&mut peer, &get, "policy-violation", &format!("id='{escaped}'")).await;
    }
    for content in [
        format!(
            "<pubsub xmlns='{PUBSUB}'><publish node='{SERIES}'><item id='1'>{sensml}</item></publish></pubsub>"
        ),
        sensml,
    ] {
        let set = format!("<iq type='set' from='{GATEWAY}/1' to='{DOMAIN}' id=\"{id}\">{content}</iq>");
        is_refused(&mut peer, &set, "policy-violation", &format!("id='{escaped}'")).await;
    }
    nothing_else(&mut peer).await;
}
