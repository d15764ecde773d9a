//! A series whose source keeps its history itself: `get_history` is passed on there, and what comes back goes
//! through the same consent as anything else.

use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, nothing_else, publish, watts};
use crate::support::{Captures, Peer};

const ADVISER: &str = "adviser@coop.example";
const SOURCE: &str = "proxy@prod.example/meters";
const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// 2025-11-21T00:00+01:00.
const MIDNIGHT: u32 = 1_763_679_600;

const DAY: [(&str, &str); 3] = [
    ("identifier", SERIES),
    ("start_time", "2025-11-21T00:00:00+01:00"),
    ("end_time", "2025-11-22T00:00:00+01:00"),
];

/// What a source says of Camille's meter.
const META: &str = "<meta>
    <device type='electricity-meter'><identifier authority='enedis' type='prm' value='30001610071843'/></device>
    <measurement name='active-power' direction='consumption' quantity='power' type='electrical' unit='W'
      aggregation='mean' sampling-interval='PT30M'/>
  </meta>";

/// Camille's load curve, kept by its source, and the adviser who may fetch it.
async fn proxied(more: &str, consent: &[&str]) -> (Stage, String, Peer) {
    let mut stage = Stage::empty(more).await;
    let (owner, producer) = ("camille@home.example", "gw@prod.example");
    stage.cli(&["series", "add", SERIES, "--owner", owner, "--producer", producer, "--source", SOURCE]);
    let id = stage.consents(ADVISER, &[SERIES], &[&["--no-subscribe"], consent].concat());
    let peer = stage.start().await;
    (stage, id, peer)
}

fn ask(from: &str, id: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    format!(
        "<iq type='set' from='{from}/1' to='energy.example.org' id='{id}'>
           <command xmlns='{COMMANDS}' node='get_history' action='execute'>
             <x xmlns='jabber:x:data' type='submit'>{fields}</x>
           </command>
         </iq>"
    )
}

/// The question as the source gets it; its id is captured as `up`.
fn passed_on(fields: &[(&str, &str)], go_on: &str) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}' type='text-single'><value>{value}</value></field>"))
        .collect();
    format!(
        "<iq type='set' from='energy.example.org' to='{SOURCE}' id='{{up}}'>
           <command xmlns='{COMMANDS}' node='get_history' {go_on}>
             <x xmlns='jabber:x:data' type='submit'>{fields}</x>
           </command>
         </iq>"
    )
}

const EXECUTE: &str = "action='execute'";

fn hours(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("<senml n='{SERIES}' u='W' t='{}' v='{n}'/>", MIDNIGHT + n * 3600)).collect()
}

/// What the source answers.
fn answered(id: &str, from: &str, content: &str) -> String {
    format!(
        "<iq type='result' from='{from}' to='energy.example.org' id='{id}'>
           <command xmlns='{COMMANDS}' node='get_history' sessionid='theirs' status='completed'>{content}</command>
         </iq>"
    )
}

fn data(records: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='result'><field var='result' type='fixed'><value>Success</value></field></x>
         <quoalise xmlns='urn:quoalise:0'>
           <data>{META}<sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml></data>
         </quoalise>"
    )
}

/// What the adviser gets.
fn history(to: &str, id: &str, records: &str, terms: &str) -> String {
    format!(
        "<iq type='result' from='energy.example.org' to='{to}/1' id='{id}'>
           <command xmlns='{COMMANDS}' node='get_history' sessionid='{{session}}' status='completed' xml:lang='en'>
             <x xmlns='jabber:x:data' type='result'/>
             <quoalise xmlns='urn:quoalise:0'><data>{META}
               <sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>
             </data></quoalise>
             {terms}
           </command>
         </iq>"
    )
}

/// The adviser is refused; the sentence is captured as `text`.
fn refused(id: &str, condition: &str, type_: &str, detail: &str) -> String {
    super::stage::refused_to("iq", &format!("{ADVISER}/1"), id, condition, type_, detail)
}

fn upstream_error(id: &str, issuer: &str, code: &str) -> String {
    let detail = format!("<upstream-error xmlns='urn:quoalise:0' issuer='{issuer}' code='{code}'/>");
    refused(id, "undefined-condition", "cancel", &detail)
}

/// The adviser asks for the day, the source answers so, and this comes of it.
async fn day(peer: &mut Peer, content: &str, wanted: &str) -> Captures {
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    peer.ask(&answered(&question["up"], SOURCE, content), wanted).await
}

#[tokio::test]
async fn what_the_source_keeps_comes_through_the_consent() {
    let window = ["--data-from", "2025-11-21T05:00:00Z", "--data-until", "2025-11-21T08:00:00Z"];
    let (stage, _, mut peer) = proxied("", &window).await;
    // The source is asked for no more than the consent covers, in the asker's own offset where that stays.
    let narrowed = [
        ("identifier", SERIES),
        ("start_time", "2025-11-21T05:00:00+00:00"),
        ("end_time", "2025-11-21T08:00:00+00:00"),
    ];
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&narrowed, EXECUTE)).await;
    // It answers with a whole day and with somebody else's meter: neither is passed on.
    let all =
        format!("{}<senml n='urn:dev:prm:30001610071844_consumption' t='{MIDNIGHT}' v='9'/>", hours(0..24));
    peer.ask(
        &answered(&question["up"], SOURCE, &data(&all)),
        &history(ADVISER, "c", &hours(6..9), UNDER_CONSENT),
    )
    .await;
    // Only the end is cut.
    let open = [("identifier", SERIES), ("start_time", "2025-11-21T08:00:00+01:00")];
    let asked = [open[0], open[1], ("end_time", "2025-11-21T08:00:00+00:00")];
    let question = peer.ask(&ask(ADVISER, "c", &open), &passed_on(&asked, EXECUTE)).await;
    peer.ask(
        &answered(&question["up"], SOURCE, &data(&hours(8..9))),
        &history(ADVISER, "c", &hours(8..9), UNDER_CONSENT),
    )
    .await;
    // What lies outside is not asked for at all.
    let before = [("identifier", SERIES), ("end_time", "2025-11-20T00:00:00Z")];
    peer.send(&ask(ADVISER, "c", &before)).await;
    let answer = peer.recv().await;
    assert!(
        answer.contains("nothing of this time that you may have") && !answer.contains("<senml "),
        "{answer}"
    );
    // The person concerned asks for all of it.
    let camille = "camille@home.example";
    let question = peer.ask(&ask(camille, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    peer.ask(
        &answered(&question["up"], SOURCE, &data(&hours(0..24))),
        &history(camille, "c", &hours(0..24), ""),
    )
    .await;
    nothing_else(&mut peer).await;
    // It is in the log like anything else that was fetched.
    let log = stage.cli(&["audit", "export"]);
    let fetched: Vec<&str> = log.lines().filter(|line| line.contains("get_history")).collect();
    assert_eq!(fetched.len(), 3, "{log}");
    assert!(fetched[0].contains(ADVISER) && fetched[0].contains("\"records\":3"), "{}", fetched[0]);
    stage.cli(&["audit", "verify"]);
}

#[tokio::test]
async fn without_consent_nobody_is_asked() {
    let (_stage, _, mut peer) = proxied("", &[]).await;
    for series in [SERIES, "urn:dev:nowhere:1"] {
        let fields = [("identifier", series)];
        let answer =
            super::stage::refused_to("iq", "mallory@evil.example/1", "c", "not-authorized", "auth", "");
        peer.ask(&ask("mallory@evil.example", "c", &fields), &answer).await;
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_consent_that_ends_while_the_source_thinks_lets_nothing_through() {
    let (stage, consent, mut peer) = proxied("", &[]).await;
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    stage.cli(&["consent", "revoke", &consent]);
    peer.send(&answered(&question["up"], SOURCE, &data(&hours(0..24)))).await;
    let refusal = refused("c", "not-authorized", "auth", "");
    let mut refusals = 0;
    for _ in 0..3 {
        // Those concerned are told, in whatever order.
        let said = peer.recv().await;
        assert!(!said.contains("<senml"), "{said}");
        refusals += usize::from(crate::support::matches(&refusal, &said).is_ok());
    }
    assert_eq!(refusals, 1);
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn nobody_but_the_source_answers_and_nobody_waits_for_it() {
    let (_stage, _, mut peer) = proxied("", &[]).await;
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    let up = &question["up"];
    for impostor in
        ["proxy@prod.example", "proxy@prod.example/other", "prod.example", "mallory@evil.example/1"]
    {
        peer.send(&answered(up, impostor, &data(&hours(0..24)))).await;
    }
    peer.send(&answered("up-0", SOURCE, &data(&hours(0..24)))).await;
    // Meanwhile the same clerk serves the same person.
    let list = "<iq type='get' from='adviser@coop.example/1' to='energy.example.org' id='l'>
           <query xmlns='http://jabber.org/protocol/disco#items'/>
         </iq>";
    peer.send(list).await;
    let items = peer.recv().await;
    assert!(items.contains("id='l'") && items.contains(SERIES), "{items}");
    peer.ask(&answered(up, SOURCE, &data(&hours(0..2))), &history(ADVISER, "c", &hours(0..2), UNDER_CONSENT))
        .await;
    // A second answer is none.
    peer.send(&answered(up, SOURCE, &data(&hours(0..24)))).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_source_that_shows_its_form_first_gets_it_back() {
    let (_stage, _, mut peer) = proxied("", &[]).await;
    let form = |id: &str| {
        format!(
            "<iq type='result' from='{SOURCE}' to='energy.example.org' id='{id}'>
               <command xmlns='{COMMANDS}' node='get_history' sessionid='theirs' status='executing'>
                 <actions><complete/></actions>
                 <x xmlns='jabber:x:data' type='form'><field var='identifier'/></x>
               </command>
             </iq>"
        )
    };
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    let go_on = passed_on(&DAY, "sessionid='theirs' action='complete'");
    let second = peer.ask(&form(&question["up"]), &go_on).await;
    peer.ask(
        &answered(&second["up"], SOURCE, &data(&hours(0..2))),
        &history(ADVISER, "c", &hours(0..2), UNDER_CONSENT),
    )
    .await;
    // One that shows another after that is given up.
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    let second = peer.ask(&form(&question["up"]), &go_on).await;
    let failed = upstream_error("c", "proxy@prod.example", "malformed-answer");
    peer.ask(&form(&second["up"]), &failed).await;
}

#[tokio::test]
async fn each_way_to_fail_has_its_answer() {
    let (_stage, _, mut peer) = proxied("[limits]\nstanza_bytes = 20000", &[]).await;
    let error = |id: &str, condition: &str, detail: &str| {
        format!(
            "<iq type='error' from='{SOURCE}' to='energy.example.org' id='{id}'>
               <error type='cancel'>
                 <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>not in the contract</text>{detail}
               </error>
             </iq>"
        )
    };
    for (condition, detail, issuer, code) in [
        (
            "undefined-condition",
            "<upstream-error xmlns='urn:quoalise:0' issuer='enedis-data-connect' code='ADAM-ERR0055'/>",
            "enedis-data-connect",
            "ADAM-ERR0055",
        ),
        ("not-authorized", "", "proxy@prod.example", "not-authorized"),
        ("remote-server-not-found", "", "proxy@prod.example", "remote-server-not-found"),
        ("service-unavailable", "", "proxy@prod.example", "service-unavailable"),
    ] {
        let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
        let told =
            peer.ask(&error(&question["up"], condition, detail), &upstream_error("c", issuer, code)).await;
        assert!(told["text"].contains("not in the contract"), "{told:?}");
    }
    let malformed = upstream_error("c", "proxy@prod.example", "malformed-answer");
    for (content, word) in [
        ("", "no data"),
        ("<quoalise xmlns='urn:quoalise:0'/>", "no data"),
        ("<quoalise xmlns='urn:quoalise:0'><data/></quoalise>", "pack"),
        (&*data("<senml n='urn:x' v='many'/>"), "record 0"),
    ] {
        let told = day(&mut peer, content, &malformed).await;
        assert!(told["text"].contains(word), "{told:?}");
    }
    // XML that is none is skipped by the reader of the stream, and the question ends with it.
    let told = day(&mut peer, "<x:y/>", &malformed).await;
    assert!(told["text"].contains("cannot be read"), "{told:?}");
    let large = "<senml/>".repeat(3000);
    let told = day(&mut peer, &large, &upstream_error("c", "proxy@prod.example", "too-large")).await;
    assert!(told["text"].contains("shorter time"), "{told:?}");
    let noted = day(
        &mut peer,
        "<note type='error'>the meter is gone</note>",
        &upstream_error("c", "proxy@prod.example", "failed"),
    )
    .await;
    assert!(noted["text"].contains("the meter is gone"), "{noted:?}");
    // Nothing of that time is no failure.
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    peer.send(&answered(&question["up"], SOURCE, &data(""))).await;
    let answer = peer.recv().await;
    for part in ["status='completed'", "<note type='info'>The source of", "<sensml xmlns="] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_source_that_says_nothing_is_given_up() {
    let (_stage, _, mut peer) = proxied("[upstream]\ntimeout = \"PT1S\"", &[]).await;
    let question = peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    let told = peer.expect(&upstream_error("c", "proxy@prod.example", "timeout")).await;
    assert!(told["text"].contains("ask again later"), "{told:?}");
    // Too late.
    peer.send(&answered(&question["up"], SOURCE, &data(&hours(0..24)))).await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn so_many_questions_at_once_and_no_more() {
    let (_stage, _, mut peer) = proxied("[upstream]\nquestions = 3\nquestions_per_asker = 2", &[]).await;
    let mut asked = Vec::new();
    for id in ["c1", "c2"] {
        asked.push(peer.ask(&ask(ADVISER, id, &DAY), &passed_on(&DAY, EXECUTE)).await["up"].clone());
    }
    let full = peer.ask(&ask(ADVISER, "c3", &DAY), &refused("c3", "resource-constraint", "wait", "")).await;
    assert!(full["text"].contains("of yours"), "{full:?}");
    let (camille, gateway) = ("camille@home.example", "gw@prod.example");
    peer.ask(&ask(camille, "c4", &DAY), &passed_on(&DAY, EXECUTE)).await;
    let to = format!("{gateway}/1");
    let full = super::stage::refused_to("iq", &to, "c5", "resource-constraint", "wait", "");
    peer.ask(&ask(gateway, "c5", &DAY), &full).await;
    // An answer makes room.
    peer.ask(
        &answered(&asked[0], SOURCE, &data(&hours(0..1))),
        &history(ADVISER, "c1", &hours(0..1), UNDER_CONSENT),
    )
    .await;
    peer.ask(&ask(ADVISER, "c6", &DAY), &passed_on(&DAY, EXECUTE)).await;
}

#[tokio::test]
async fn a_link_that_breaks_is_said_when_there_is_one_again() {
    let (stage, _, mut peer) = proxied("", &[]).await;
    peer.ask(&ask(ADVISER, "c", &DAY), &passed_on(&DAY, EXECUTE)).await;
    peer.drop_link().await;
    let mut peer = stage.server.accept().await;
    let told = peer.expect(&refused("c", "resource-constraint", "wait", "")).await;
    assert!(told["text"].contains("ask again"), "{told:?}");
    day(&mut peer, &data(&hours(0..2)), &history(ADVISER, "c", &hours(0..2), UNDER_CONSENT)).await;
}

#[tokio::test]
async fn a_prefix_is_asked_for_by_what_the_consents_name() {
    let mut stage = Stage::empty("").await;
    let (owner, producer) = ("camille@home.example", "gw@prod.example");
    let all = "urn:dev:prm:30001610071843_*";
    // Bob's meter has the same source, and is none of the adviser's business. It was there first: added below Camille's,
    // it would be his from then on only.
    let bobs = "urn:dev:prm:30001610071843_consumption/bobs";
    stage.cli(&[
        "series",
        "add",
        bobs,
        "--owner",
        "bob@x.example",
        "--producer",
        producer,
        "--source",
        SOURCE,
    ]);
    stage.cli(&["series", "add", all, "--owner", owner, "--producer", producer, "--source", SOURCE]);
    stage.consents(ADVISER, &[SERIES], &["--no-subscribe"]);
    let mut peer = stage.start().await;
    let above = "urn:dev:prm:30001610071843_consumption";
    let question = peer
        .ask(&ask(ADVISER, "c", &[("identifier", above)]), &passed_on(&[("identifier", SERIES)], EXECUTE))
        .await;
    let more =
        format!("{}<senml n='{above}/energy' t='{MIDNIGHT}' v='1'/><senml n='{bobs}' v='1'/>", hours(0..2));
    peer.ask(
        &answered(&question["up"], SOURCE, &data(&more)),
        &history(ADVISER, "c", &hours(0..2), UNDER_CONSENT),
    )
    .await;
    // All of it is Camille's to fetch, but for Bob's. Sources know no '*': they are asked for what is known by name.
    let begins = [("identifier", "urn:dev:prm:30001610071843_c*")];
    let detail = format!("<bad-payload xmlns='{COMMANDS}'/>");
    let to = format!("{owner}/1");
    let unnamed = super::stage::refused_to("iq", &to, "c", "bad-request", "modify", &detail);
    let told = peer.ask(&ask(owner, "c", &begins), &unnamed).await;
    assert!(told["text"].contains("name the whole series"), "{told:?}");
    peer.ask(&publish("p", "i", &watts(1)), &accepted("p", "i")).await;
    let question = peer.ask(&ask(owner, "c", &begins), &passed_on(&[("identifier", SERIES)], EXECUTE)).await;
    peer.ask(
        &answered(&question["up"], SOURCE, &data(&format!("{}<senml n='{bobs}' v='1'/>", hours(0..2)))),
        &history(owner, "c", &hours(0..2), ""),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_long_answer_of_a_source_is_handed_on_in_pages() {
    let (stage, _, mut peer) = proxied("", &[]).await;
    // The command line changes it, and the service asks the other one from then on.
    stage.cli(&["series", "edit", SERIES, "--no-source"]);
    stage.cli(&["series", "edit", SERIES, "--source", SOURCE]);
    let (mut after, mut records, mut pages) = (String::new(), 0, 0);
    let pack: String = (0..8_000)
        .map(|n| match n {
            0 => format!("<senml bn='{SERIES}' bt='{MIDNIGHT}' bu='W' v='0'/>"),
            n => format!("<senml t='{}' v='{n}'/>", n * 60),
        })
        .collect();
    loop {
        peer.send(&format!(
            "<iq type='set' from='camille@home.example/1' to='energy.example.org' id='c'>
               <command xmlns='{COMMANDS}' node='get_history' action='execute'>
                 <x xmlns='jabber:x:data' type='submit'>
                   <field var='identifier'><value>{SERIES}</value></field>
                 </x>
                 <set xmlns='http://jabber.org/protocol/rsm'>{after}</set>
               </command>
             </iq>"
        ))
        .await;
        let question = peer.expect(&passed_on(&[("identifier", SERIES)], EXECUTE)).await;
        peer.send(&answered(&question["up"], SOURCE, &data(&pack))).await;
        let answer = peer.recv().await;
        assert!(answer.len() < 200 * 1024, "{}", answer.len());
        records += answer.matches("<senml ").count();
        pages += 1;
        let Some((_, rest)) = answer.split_once("<last>") else { break };
        let (last, _) = rest.split_once("</last>").expect("an end");
        after = format!("<after>{last}</after>");
    }
    assert_eq!(records, 8_000);
    assert!((2..10).contains(&pages), "{pages}");
}
