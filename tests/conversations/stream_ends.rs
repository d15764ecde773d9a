//! A server that ends the stream with an error whenever it is written a certain thing: that is found and set aside, and
//! all else arrives.

use std::collections::BTreeSet;

use super::stage::{SERIES, Stage, barrier, pong, publish, watts};
use crate::support::{Peer, Pings, matches};

/// One's own server, as it reads what the component writes: in order, and no further than what it cannot bear.
struct Server<'a> {
    stage: &'a mut Stage,
    peer: Peer,
    /// What it cannot bear: a piece of it.
    bad: &'a [&'a str],
    /// How often it ended the stream.
    ended: usize,
    /// Items that were taken, with the recipient.
    taken: BTreeSet<(String, String)>,
    /// Publishes that were answered.
    answered: BTreeSet<String>,
}

impl<'a> Server<'a> {
    async fn start(stage: &'a mut Stage, bad: &'a [&'a str]) -> Self {
        let peer = stage.start().await;
        peer.pings(Pings::Received);
        Server { stage, peer, bad, ended: 0, taken: BTreeSet::new(), answered: BTreeSet::new() }
    }

    /// Reads one stanza.
    async fn read(&mut self) {
        let stanza = self.peer.recv().await;
        if self.bad.iter().any(|bad| stanza.contains(bad)) {
            self.ended += 1;
            assert!(self.ended < 30, "it is written again and again: {stanza}");
            let end = "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                       </stream:error></stream:stream>";
            self.peer.send(end).await;
            let next = self.stage.server.accept().await;
            std::mem::replace(&mut self.peer, next).drop_link().await;
            self.peer.pings(Pings::Received);
            return;
        }
        for domain in ["coop.example", "edu.example", "example.org"] {
            if let Ok(ping) = matches(&barrier(domain), &stanza) {
                self.peer.send(&pong(domain, &ping["ping"])).await;
                return;
            }
        }
        let between = |from: &str, to: &str| Some(stanza.split_once(from)?.1.split_once(to)?.0.to_owned());
        if stanza.starts_with("<message") {
            let item = between("<item id='", "'").expect("an item");
            self.taken.insert((between(" to='", "'").expect("a recipient"), item));
        } else {
            self.answered.insert(between(" id='", "'").expect("an id"));
        }
    }

    async fn publish(&mut self, items: &[&str]) {
        let all: String = items.iter().map(|item| publish(item, item, &watts(7))).collect();
        self.peer.send(&all).await;
    }

    /// Until each of these recipients has each of these items.
    async fn until_taken(&mut self, recipients: &[&str], items: &[&str]) {
        let has = |taken: &BTreeSet<(String, String)>| {
            let mut all = recipients.iter().flat_map(|to| items.iter().map(move |item| (*to, *item)));
            all.all(|(to, item)| taken.contains(&(to.to_owned(), item.to_owned())))
        };
        while !has(&self.taken) {
            self.read().await;
        }
    }

    /// The dead letters, as (recipient, item, reason).
    fn letters(&self) -> Vec<(String, String, String)> {
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&self.stage.cli(&["queue", "dead-letters", "--json"])).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        all.iter()
            .map(|letter| (text(&letter["recipient"]), text(&letter["item"]), text(&letter["reason"])))
            .collect()
    }

    /// Until as many letters are there.
    async fn until_letters(&mut self, count: usize) -> Vec<(String, String, String)> {
        loop {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            // It answers, so that time passes for it too; unless the stream ends over that.
            let tick = "<iq type='get' from='a@b.example' to='energy.example.org' id='tick'>\
                        <ping xmlns='urn:xmpp:ping'/></iq>";
            self.peer.send(tick).await;
            self.answered.remove("tick");
            let ended = self.ended;
            while !self.answered.contains("tick") && self.ended == ended {
                self.read().await;
            }
        }
    }
}

const ADVISER: &str = "adviser@coop.example";
const NEIGHBOUR: &str = "neighbour@coop.example";
const SCHOOL: &str = "school@edu.example";

async fn stage() -> Stage {
    let stage = Stage::home("").await;
    for recipient in [ADVISER, NEIGHBOUR, SCHOOL] {
        stage.consents(recipient, &[SERIES], &[]);
    }
    stage
}

fn letter(to: &str, item: &str) -> (String, String, String) {
    (to.into(), item.into(), "stream-error".into())
}

#[tokio::test]
async fn an_item_that_ends_the_stream_is_set_aside_and_all_else_arrives() {
    let mut stage = stage().await;
    let mut server = Server::start(&mut stage, &["<item id='bad'"]).await;
    server.publish(&["one", "two", "bad", "three"]).await;
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &["one", "two", "three"]).await;
    assert!(server.ended <= 6, "{}", server.ended);
    let letters = server.until_letters(3).await;
    assert_eq!(letters, [letter(ADVISER, "bad"), letter(NEIGHBOUR, "bad"), letter(SCHOOL, "bad")]);

    // And so it stays in the next run; all is as fast as before.
    let ended = server.ended;
    server.stage.courant.kill();
    server.peer = server.stage.start().await;
    server.peer.pings(Pings::Received);
    server.publish(&["four", "five"]).await;
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &["four", "five"]).await;
    assert_eq!(server.ended, ended);

    // The operator may have it tried again: it is set aside again, and nobody else is any worse for it.
    let all: serde_json::Value =
        serde_json::from_str(&server.stage.cli(&["queue", "dead-letters", "--json"])).expect("JSON");
    server.stage.cli(&["queue", "replay", &all[0]["id"].to_string()]);
    server.publish(&["six"]).await;
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &["six"]).await;
    assert_eq!(server.until_letters(3).await.len(), 3);
}

#[tokio::test]
async fn killed_before_it_was_found_it_is_found_by_the_next_process() {
    let mut stage = stage().await;
    let mut server = Server::start(&mut stage, &["<item id='bad'"]).await;
    server.publish(&["bad", "one"]).await;
    while server.ended < 2 {
        server.read().await;
    }
    server.stage.courant.kill();
    server.peer = server.stage.start().await;
    server.peer.pings(Pings::Received);
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &["one"]).await;
    assert!(server.ended <= 8, "{}", server.ended);
}

#[tokio::test]
async fn of_what_one_recipient_alone_is_sent_the_others_have_theirs() {
    let mut stage = stage().await;
    let mut server = Server::start(&mut stage, &["to='school@edu.example'"]).await;
    server.publish(&["one", "two"]).await;
    server.until_taken(&[ADVISER, NEIGHBOUR], &["one", "two"]).await;
    let letters = server.until_letters(2).await;
    assert_eq!(letters, [letter(SCHOOL, "one"), letter(SCHOOL, "two")]);
    assert!(server.ended <= 6, "{}", server.ended);
}

#[tokio::test]
async fn an_answer_that_ends_the_stream_is_written_once() {
    let mut stage = stage().await;
    let mut server = Server::start(&mut stage, &["id='odd'"]).await;
    server.publish(&["one", "two"]).await;
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &["one", "two"]).await;
    for times in 1..6 {
        let ask = "<iq type='get' from='a@b.example' to='energy.example.org' id='odd'>\
                   <query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
        server.peer.send(ask).await;
        while server.ended < times {
            server.read().await;
        }
    }
    // It is not said again by itself, and nothing else suffered.
    server.publish(&["three"]).await;
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &["three"]).await;
    assert_eq!((server.ended, server.letters()), (5, vec![]));
}

#[tokio::test]
async fn the_answer_to_a_publish_is_not_taken_for_what_is_delivered() {
    let mut stage = stage().await;
    let mut server = Server::start(&mut stage, &["id='odd'"]).await;
    // The publisher repeats what was not answered, beside what is delivered.
    server.publish(&["odd-one", "two"]).await;
    for times in 1..5 {
        let odd = publish("odd", &format!("item-{times}"), &watts(1));
        server.peer.send(&odd).await;
        while server.ended < times {
            server.read().await;
        }
    }
    let items = ["odd-one", "two", "item-1", "item-2", "item-3", "item-4"];
    server.until_taken(&[ADVISER, NEIGHBOUR, SCHOOL], &items).await;
    assert_eq!(server.letters(), []);
}
