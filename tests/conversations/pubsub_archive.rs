//! What a node keeps is asked for by the time when it came (XEP-0313), record by record under consent.

use super::pubsub_items::{ADVISER, CAMILLE, GATEWAY, PUBSUB, TERMS, item, kept, refused};
use super::stage::{SERIES, nothing_else, refused_to, watts};

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";

/// A query with these fields, and this `<set/>`.
fn query(from: &str, node: &str, fields: &[(&str, &str)], set: &str) -> String {
    let fields: String = [("FORM_TYPE", MAM)]
        .iter()
        .chain(fields)
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let set = if set.is_empty() { String::new() } else { format!("<set xmlns='{RSM}'>{set}</set>") };
    format!(
        "<iq type='set' from='{from}/1' to='energy.example.org' id='x'>
           <query xmlns='{MAM}' node='{node}' queryid='q'>
             <x xmlns='jabber:x:data' type='submit'>{fields}</x>{set}
           </query>
         </iq>"
    )
}

/// The message with one item.
fn found(to: &str, n: u32, terms: &str) -> String {
    let id = format!("i{n}");
    format!(
        "<message from='energy.example.org' to='{to}/1' id='{{any}}'>
           <result xmlns='{MAM}' queryid='q' id='{id}'>
             <forwarded xmlns='urn:xmpp:forward:0'>
               <delay xmlns='urn:xmpp:delay' stamp='{{any}}'/>
               <message xmlns='jabber:client' from='energy.example.org'>
                 <event xmlns='{PUBSUB}#event'><items node='{SERIES}'>{}</items></event>{terms}
               </message>
             </forwarded>
           </result>
         </message>",
        item(&id, &watts(n))
    )
}

/// The end: `ids` are the first and the last one.
fn fin(to: &str, complete: bool, ids: Option<(u32, u32)>) -> String {
    let ids =
        ids.map_or_else(String::new, |(first, last)| format!("<first>i{first}</first><last>i{last}</last>"));
    let complete = if complete { " complete='true'" } else { "" };
    format!(
        "<iq type='result' from='energy.example.org' to='{to}/1' id='x'>
           <fin xmlns='{MAM}'{complete}><set xmlns='{RSM}'>{ids}</set></fin>
         </iq>"
    )
}

#[tokio::test]
async fn what_is_kept_comes_as_it_was_sent_by_time_and_in_pages() {
    let (stage, mut peer) = kept(&["--no-subscribe"]).await;
    let all: &[(&str, &str)] = &[];
    for (who, fields, set, shown, complete) in [
        (ADVISER, all, "", 1..=5, true),
        (ADVISER, all, "<max>2</max>", 1..=2, false),
        (ADVISER, all, "<max>2</max><after>i2</after>", 3..=4, false),
        (ADVISER, all, "<max>2</max><after>i4</after>", 5..=5, true),
        (ADVISER, all, "<max>2</max><before/>", 4..=5, false),
        (ADVISER, all, "<max>3</max><before>i4</before>", 1..=3, true),
        (ADVISER, &[("start", "2020-01-01T00:00:00Z"), ("end", "2100-01-01T00:00:00Z")], "", 1..=5, true),
        (ADVISER, &[("with", GATEWAY)], "", 1..=5, true),
        (CAMILLE, all, "<max>1</max>", 1..=1, false),
    ] {
        let terms = if who == ADVISER { TERMS } else { "" };
        peer.send(&query(who, SERIES, fields, set)).await;
        let mut said: Vec<String> = shown.clone().map(|n| found(who, n, terms)).collect();
        said.push(fin(who, complete, Some((*shown.start(), *shown.end()))));
        for expected in said {
            peer.expect(&expected).await;
        }
    }
    for fields in [
        [("start", "2100-01-01T00:00:00Z")],
        [("end", "2020-01-01T00:00:00Z")],
        [("with", "other@prod.example")],
    ] {
        peer.ask(&query(ADVISER, SERIES, &fields, "<max>1</max>"), &fin(ADVISER, true, None)).await;
    }
    // It is in the log like what is fetched as items.
    let log = stage.cli(&["audit", "export"]);
    assert!(log.lines().any(|line| line.contains("\"fetch\"") && line.contains("archive")), "{log}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_cannot_be_asked_so_is_said_and_strangers_learn_nothing() {
    let (_stage, mut peer) = kept(&["--no-subscribe"]).await;
    let to = format!("{ADVISER}/1");
    for (fields, set, condition, type_) in [
        (vec![("start", "yesterday")], "", "bad-request", "modify"),
        (vec![("with", "@")], "", "bad-request", "modify"),
        (vec![("{urn:x}color", "red")], "", "feature-not-implemented", "cancel"),
        (vec![], "<after>nowhere</after>", "item-not-found", "cancel"),
    ] {
        peer.ask(&query(ADVISER, SERIES, &fields, set), &refused_to("iq", &to, "x", condition, type_, ""))
            .await;
    }
    let long =
        query(ADVISER, SERIES, &[], "").replace("queryid='q'", &format!("queryid='{}'", "q".repeat(300)));
    peer.ask(&long, &refused_to("iq", &to, "x", "bad-request", "modify", "")).await;
    for node in [SERIES, "urn:dev:nowhere"] {
        let mallory = "mallory@evil.example";
        peer.ask(
            &query(mallory, node, &[], ""),
            &refused(mallory, "not-authorized", "auth", "not-subscribed"),
        )
        .await;
    }
    peer.ask(
        &format!(
            "<iq type='get' from='{ADVISER}/1' to='energy.example.org' id='x'>
               <query xmlns='{MAM}' node='{SERIES}'/>
             </iq>"
        ),
        &format!(
            "<iq type='result' from='energy.example.org' to='{ADVISER}/1' id='x'>
               <query xmlns='{MAM}'>
                 <x xmlns='jabber:x:data' type='form'>
                   <field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>
                   <field var='with' type='jid-single' label='{{any}}'/>
                   <field var='start' type='text-single' label='{{any}}'/>
                   <field var='end' type='text-single' label='{{any}}'/>
                 </x>
               </query>
             </iq>"
        ),
    )
    .await;
}
