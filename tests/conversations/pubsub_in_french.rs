//! What is refused is said in the language of who asked: of the stanza, unless they chose another.

use super::pubsub_nodes::{JULIET, OWNER, PUBSUB, ROMEO, config, field, free};
use super::stage::nothing_else;
use crate::support::Peer;

/// What the answer says, and in which language.
async fn said(peer: &mut Peer, type_: &str, lang: &str, namespace: &str, child: &str) -> (String, String) {
    peer.send(&format!(
        "<iq type='{type_}' from='{JULIET}/1' to='energy.example.org' id='x' {lang}>
           <pubsub xmlns='{namespace}'>{child}</pubsub>
         </iq>"
    ))
    .await;
    let said = peer.recv().await;
    let (_, rest) = said.split_once("<text ").unwrap_or_else(|| panic!("{said}"));
    let (attributes, rest) = rest.split_once('>').expect("an end");
    let (_, lang) = attributes.split_once("xml:lang='").expect("a language");
    let (text, _) = rest.split_once("</text>").expect("an end");
    (lang.trim_end_matches('\'').to_owned(), text.to_owned())
}

#[tokio::test]
async fn who_writes_in_french_is_refused_in_french() {
    let (_stage, mut peer) = free().await;
    let create = "<create node='urn:x:1'/>";
    peer.ask(
        &format!(
            "<iq type='set' from='{ROMEO}/1' to='energy.example.org' id='x'>
               <pubsub xmlns='{PUBSUB}'>{create}</pubsub>
             </iq>"
        ),
        &format!("<iq type='result' from='energy.example.org' to='{ROMEO}/1' id='x'/>"),
    )
    .await;
    let form = config(&field("access_model", "roster"));
    let unseen = config(&field("title", "Cellar&#x202e;"));
    let option = format!("<x xmlns='jabber:x:data' type='submit'>{}</x>", field("digest", "1"));
    let subscribe = format!("<subscribe node='urn:x:3' jid='{JULIET}'/><options>{option}</options>");
    let payload = "<publish node='urn:x:1'><item/></publish>";
    for (type_, namespace, child, english, french) in [
        ("set", PUBSUB, create, "there is a node urn:x:1 already", "il y a déjà un nœud urn:x:1"),
        ("set", PUBSUB, "<create node='urn:x:*'/>", "does not end in", "ne finit pas par"),
        ("set", PUBSUB, "<create node='a b'/>", "cannot be a node", "ne peut pas nommer un nœud"),
        ("set", OWNER, "<delete node='urn:x:1'/>", "only the owner", "seul le propriétaire"),
        ("get", OWNER, "<configure/>", "names no node", "ne nomme aucun nœud"),
        (
            "get",
            PUBSUB,
            "<items node='urn:x:1'/>",
            "no consent gives you",
            "aucun consentement ne vous donne",
        ),
        (
            "set",
            PUBSUB,
            "<retract node='urn:x:1'><item id='1'/></retract>",
            "may retract it",
            "peuvent le retirer",
        ),
        ("set", PUBSUB, "<subscribe node='urn:x:1'/>", "names no jid", "ne nomme aucun jid"),
        ("set", PUBSUB, &subscribe, "not served here", "existe pas ici"),
        ("set", PUBSUB, "<dance/>", "not known here", "pas connue ici"),
        (
            "set",
            PUBSUB,
            &format!("<create node='urn:x:2'/><configure>{form}</configure>"),
            "choose one of",
            "choisissez parmi",
        ),
        (
            "set",
            PUBSUB,
            &format!("<create node='urn:x:2'/><configure>{unseen}</configure>"),
            "invisible marks",
            "signe invisible",
        ),
        // Of a publish too, which others look at.
        ("set", PUBSUB, payload, "you may not publish", "vous ne pouvez pas publier"),
    ] {
        for (lang, code, words) in
            [("xml:lang='fr-CA'", "fr", french), ("", "en", english), ("xml:lang='de'", "en", english)]
        {
            let (spoken, text) = said(&mut peer, type_, lang, namespace, child).await;
            assert!(spoken == code && text.contains(words), "{child}: {spoken}: {text}");
        }
    }
    nothing_else(&mut peer).await;
}
