//! What clients of `urn:quoalise:0` ask for and get, to the letter of what they read.

use super::stage::{
    SERIES, Stage, accepted, accepted_at, nothing_else, publish, publish_to, refused_to, watts,
};
use crate::support::{Captures, Peer};

const ADVISER: &str = "adviser@coop.example";
const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// Terms in an answer.
const TERMS: &str =
    "<terms xmlns='urn:courant:0' consent='{any}' purpose='advice' retention='P1Y' expires='{any}'/>";

/// What is known of Camille's meter.
const META: &str = "<meta>
    <device type='electricity-meter'><identifier authority='enedis' type='prm' value='30001610071843'/></device>
    <measurement name='active-power' direction='consumption' quantity='power' type='electrical' unit='W'/>
  </meta>";

fn ask(from: &str, node: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    format!(
        "<iq type='set' from='{from}/1' to='energy.example.org' id='c'>
           <command xmlns='{COMMANDS}' node='{node}' action='execute'>
             <x xmlns='jabber:x:data' type='submit'>{fields}</x>
           </command>
         </iq>"
    )
}

fn completed(to: &str, node: &str, content: &str) -> String {
    format!(
        "<iq type='result' from='energy.example.org' to='{to}/1' id='c'>
           <command xmlns='{COMMANDS}' node='{node}' sessionid='{{session}}' status='completed' xml:lang='en'>
             {content}
           </command>
         </iq>"
    )
}

fn data(records: &str) -> String {
    format!(
        "<quoalise xmlns='urn:quoalise:0'><data>{META}
           <sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>
         </data></quoalise>"
    )
}

fn history(to: &str, records: &str, terms: &str) -> String {
    completed(to, "get_history", &format!("<x xmlns='jabber:x:data' type='result'/>{}{terms}", data(records)))
}

async fn refused(
    peer: &mut Peer,
    from: &str,
    fields: &[(&str, &str)],
    condition: &str,
    type_: &str,
) -> Captures {
    let detail = match condition {
        "bad-request" => format!("<bad-payload xmlns='{COMMANDS}'/>"),
        _ => String::new(),
    };
    let answer = refused_to("iq", &format!("{from}/1"), "c", condition, type_, &detail);
    peer.ask(&ask(from, "get_history", fields), &answer).await
}

/// Two days of hours are kept, and the adviser may fetch them: 2025-11-21 and 22, from 0 W on.
async fn two_days() -> (Stage, Peer) {
    let mut stage = Stage::empty("").await;
    let (owner, producer) = ("camille@home.example", "gw@prod.example");
    stage.cli(&["series", "add", SERIES, "--owner", owner, "--producer", producer, "--retention", "P3Y"]);
    stage.consents(ADVISER, &[SERIES], &["--no-subscribe"]);
    let mut peer = stage.start().await;
    for day in 0..2 {
        let item = format!("day-{day}");
        peer.ask(&publish(&item, &item, &hours(day * 24..day * 24 + 24)), &accepted(&item, &item)).await;
    }
    (stage, peer)
}

/// Records of these hours from 2025-11-21T00:00+01:00 on.
fn hours(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("<senml n='{SERIES}' u='W' t='{}' v='{n}'/>", 1_763_679_600 + n * 3600)).collect()
}

#[tokio::test]
async fn history_is_answered_in_one_step_and_as_a_form() {
    let (stage, mut peer) = two_days().await;
    let day = [
        ("identifier", SERIES),
        ("start_time", "2025-11-22T00:00:00+01:00"),
        ("end_time", "2025-11-22T23:00:00Z"),
    ];
    peer.ask(&ask(ADVISER, "get_history", &day), &history(ADVISER, &hours(24..48), TERMS)).await;
    // Without times, all that is kept; by a beginning as well.
    let all = [("identifier", SERIES)];
    peer.ask(&ask(ADVISER, "get_history", &all), &history(ADVISER, &hours(0..48), TERMS)).await;
    let begins = [("identifier", "urn:dev:prm:30001610071843*")];
    peer.ask(&ask(ADVISER, "get_history", &begins), &history(ADVISER, &hours(0..48), TERMS)).await;
    let above = [("identifier", "urn:dev:prm:30001610071843_consumption")];
    peer.ask(&ask(ADVISER, "get_history", &above), &history(ADVISER, &hours(0..48), TERMS)).await;
    // The person's own needs no consent.
    let camille = "camille@home.example";
    peer.ask(&ask(camille, "get_history", &all), &history(camille, &hours(0..48), "")).await;

    // As a form: what may be seen is filled in already.
    let form = peer
        .ask(
            &format!(
                "<iq type='set' from='{ADVISER}/1' to='energy.example.org' id='c'>
                   <command xmlns='{COMMANDS}' node='get_history' action='execute'/>
                 </iq>"
            ),
            &format!(
                "<iq type='result' from='energy.example.org' to='{ADVISER}/1' id='c'>
                   <command xmlns='{COMMANDS}' node='get_history' sessionid='{{session}}' status='executing'
                     xml:lang='en'>
                     <actions execute='complete'><complete/></actions>
                     <x xmlns='jabber:x:data' type='form'>
                       <title>{{any}}</title><instructions>{{any}}</instructions>
                       <field var='FORM_TYPE' type='hidden'><value>urn:courant:0#get_history</value></field>
                       <field var='identifier' type='text-single' label='{{any}}'>
                         <desc>{{any}}</desc><required/><value>{SERIES}</value>
                       </field>
                       <field var='start_time' type='text-single' label='{{any}}'>
                         <desc>{{any}}</desc><value>{{from}}</value>
                       </field>
                       <field var='end_time' type='text-single' label='{{any}}'>
                         <desc>{{any}}</desc><value>{{until}}</value>
                       </field>
                     </x>
                   </command>
                 </iq>"
            ),
        )
        .await;
    // Yesterday, from midnight to midnight.
    for time in [&form["from"], &form["until"]] {
        assert!(time.ends_with("T00:00:00+00:00"), "{form:?}");
    }
    assert!(form["from"] < form["until"], "{form:?}");
    let session = &form["session"];
    peer.ask(
        &format!(
            "<iq type='set' from='{ADVISER}/1' to='energy.example.org' id='c'>
               <command xmlns='{COMMANDS}' node='get_history' sessionid='{session}' action='complete'>
                 <x xmlns='jabber:x:data' type='submit'>
                   <field var='identifier'><value>{SERIES}</value></field>
                   <field var='start_time'><value>2025-11-22T00:00:00+01:00</value></field>
                   <field var='end_time'><value>2025-11-22T02:00:00+01:00</value></field>
                 </x>
               </command>
             </iq>"
        ),
        &history(ADVISER, &hours(24..26), TERMS),
    )
    .await;
    stage.cli(&["audit", "verify"]);
    nothing_else(&mut peer).await;
}

/// As the clients that there are write it: to a resource of the service, fields with their types, lines and
/// blanks between the elements, times as Python prints them.
#[tokio::test]
async fn the_stanzas_of_existing_clients_are_taken_to_the_letter() {
    let (_stage, mut peer) = two_days().await;
    let asked = format!(
        r#"<iq type="set" to="energy.example.org/proxy" from="{ADVISER}/1" id="c" xml:lang="en">
            <command
              xmlns="{COMMANDS}"
              node="get_history"
              action="execute">
              <x xmlns="jabber:x:data" type="submit">
                <field var="identifier" type="text-single">
                  <value>{SERIES}</value>
                </field>

                <field var="start_time" type="text-single">
                  <value>2025-11-22T00:00:00+01:00</value>
                </field>

                <field var="end_time" type="text-single">
                  <value>2025-11-22T22:59:59.999999+00:00</value>
                </field>
              </x>
            </command>
           </iq>"#
    );
    let answer = history(ADVISER, &hours(24..48), TERMS)
        .replace("from='energy.example.org'", "from='energy.example.org/proxy'");
    peer.ask(&asked, &answer).await;
}

#[tokio::test]
async fn an_empty_period_is_an_empty_pack_with_a_word() {
    let (_stage, mut peer) = two_days().await;
    let asked = ask(
        ADVISER,
        "get_history",
        &[
            ("identifier", SERIES),
            ("start_time", "2020-01-01T00:00:00Z"),
            ("end_time", "2020-01-02T00:00:00Z"),
        ],
    );
    // An empty pack is none to compare records of.
    peer.send(&asked).await;
    let answer = peer.recv().await;
    for part in [
        "status='completed'",
        "<note type='info'>",
        "P3Y",
        "<x xmlns='jabber:x:data' type='result'/>",
        "<data><meta><device type='electricity-meter'>",
        "<sensml xmlns='urn:ietf:params:xml:ns:senml'",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    assert!(!answer.contains("<senml"), "{answer}");
}

#[tokio::test]
async fn each_wrong_question_has_an_answer_of_its_own() {
    let (_stage, mut peer) = two_days().await;
    let stranger = "mallory@evil.example";
    for series in [SERIES, "urn:dev:nowhere:1"] {
        let answer = refused(&mut peer, stranger, &[("identifier", series)], "not-authorized", "auth").await;
        assert!(answer["text"].contains(series), "{answer:?}");
    }
    // What can hardly have been meant is said to be malformed, by whoever it is asked.
    let digits = "urn:dev:prm:3000161007184_consumption/power/active/raw";
    for (malformed, word) in [("fdoes/not/exists", "URN"), (digits, "14 digits")] {
        for who in [stranger, ADVISER] {
            for command in ["get_history", "subscribe", "unsubscribe"] {
                let detail = format!("<bad-payload xmlns='{COMMANDS}'/>");
                let refusal = refused_to("iq", &format!("{who}/1"), "c", "bad-request", "modify", &detail);
                let fields = [("identifier", malformed)];
                let answer = peer.ask(&ask(who, command, &fields), &refusal).await;
                assert!(answer["text"].contains(word), "{answer:?}");
            }
        }
    }
    for (fields, word) in [
        (vec![("identifier", "not a urn")], "identifier"),
        (vec![("identifier", "urn:")], "URN"),
        (vec![("identifier", SERIES), ("start_time", "2025-11-21T00:00:00")], "offset"),
        (vec![("identifier", SERIES), ("end_time", "yesterday")], "end_time"),
        (
            vec![
                ("identifier", SERIES),
                ("start_time", "2025-11-22T00:00:00Z"),
                ("end_time", "2025-11-21T00:00:00Z"),
            ],
            "before",
        ),
    ] {
        let answer = refused(&mut peer, ADVISER, &fields, "bad-request", "modify").await;
        assert!(answer["text"].contains(word), "{answer:?}");
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn who_subscribes_is_sent_data_messages_until_they_unsubscribe() {
    let (_stage, mut peer) = two_days().await;
    let one = [("identifier", SERIES)];
    let note = "<note type='info'>{note}</note>";
    peer.ask(&ask(ADVISER, "subscribe", &one), &completed(ADVISER, "subscribe", note)).await;
    // As pubsub, as JSON or as Quoalise: it comes as the recipient wants it.
    for (n, payload) in [
        format!("<sensml xmlns='urn:ietf:params:xml:ns:senml'>{}</sensml>", watts(1)),
        format!("<json xmlns='urn:xmpp:json:0'>[{{\"bn\":\"{SERIES}\",\"bt\":1763679600,\"bu\":\"W\",\"v\":1}}]</json>"),
        data(&watts(1)),
    ]
    .iter()
    .enumerate()
    {
        let id = format!("p{n}");
        peer.send(&format!(
            "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='{id}'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <publish node='{SERIES}'><item id='{id}'>{payload}</item></publish>
               </pubsub>
             </iq>"
        ))
        .await;
        peer.expect(&accepted(&id, &id)).await;
        peer.expect(&format!(
            "<message type='normal' from='energy.example.org' to='{ADVISER}' id='{{id}}'>
               {}{TERMS}<origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
             </message>",
            data(&watts(1))
        ))
        .await;
    }
    peer.ask(&ask(ADVISER, "unsubscribe", &one), &completed(ADVISER, "unsubscribe", note)).await;
    let again = refused_to("iq", "adviser@coop.example/1", "c", "item-not-found", "cancel", "");
    peer.ask(&ask(ADVISER, "unsubscribe", &one), &again).await;
    peer.ask(&publish("p9", "p9", &watts(9)), &accepted("p9", "p9")).await;
    let nobody = refused_to("iq", "mallory@evil.example/1", "c", "not-authorized", "auth", "");
    peer.ask(&ask("mallory@evil.example", "subscribe", &one), &nobody).await;
    nothing_else(&mut peer).await;
}

/// Who has as many subscriptions as they may still chooses how what they have is sent.
#[tokio::test]
async fn what_is_subscribed_already_takes_no_room() {
    let mut stage = Stage::home("[limits]\nsubscriptions = 2").await;
    let [one, other] = ["urn:dev:prm:1/index", "urn:dev:prm:2/index"];
    for name in [one, other] {
        stage.series(name, "gw@prod.example");
    }
    stage.consents(ADVISER, &[SERIES], &[]);
    stage.consents(ADVISER, &["urn:dev:prm:1*", "urn:dev:prm:2*"], &["--no-subscribe"]);
    let mut peer = stage.start().await;
    let done = completed(ADVISER, "subscribe", "<note type='info'>{note}</note>");
    let detail = "<too-many-subscriptions xmlns='http://jabber.org/protocol/pubsub#errors'/>";
    let refusal = refused_to("iq", "adviser@coop.example/1", "c", "policy-violation", "modify", detail);
    let asked = |identifier: &str| ask(ADVISER, "subscribe", &[("identifier", identifier)]);
    // Two more at once are too many, one is not.
    peer.ask(&asked("urn:dev:prm:*"), &refusal).await;
    peer.ask(&asked(one), &done).await;
    for held in [SERIES, one] {
        peer.ask(&asked(held), &done).await;
    }
    peer.ask(&asked(other), &refusal).await;
    peer.ask(&publish("p1", "p1", &watts(1)), &accepted("p1", "p1")).await;
    let sent = peer.recv().await;
    assert!(sent.contains("<quoalise xmlns='urn:quoalise:0'>"), "{sent}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_subscription_may_ask_for_json() {
    let (_stage, mut peer) = two_days().await;
    let wish = |value: &str| {
        format!(
            "<iq type='set' from='{ADVISER}/1' to='energy.example.org' id='s'>
               <pubsub xmlns='http://jabber.org/protocol/pubsub'>
                 <subscribe node='{SERIES}' jid='{ADVISER}'/>
                 <options>
                   <x xmlns='jabber:x:data' type='submit'>
                     <field var='FORM_TYPE'>
                       <value>http://jabber.org/protocol/pubsub#subscribe_options</value>
                     </field>
                     <field var='{{urn:courant:0}}format'><value>{value}</value></field>
                   </x>
                 </options>
               </pubsub>
             </iq>"
        )
    };
    let detail = "<invalid-options xmlns='http://jabber.org/protocol/pubsub#errors'/>";
    let refusal = refused_to("iq", "adviser@coop.example/1", "s", "bad-request", "modify", detail);
    peer.ask(&wish("carrier-pigeon"), &refusal).await;
    peer.send(&wish("json")).await;
    let answer = peer.recv().await;
    assert!(answer.contains("subscription='subscribed'"), "{answer}");
    // The last item, which is sent at once.
    let last = peer.recv().await;
    assert!(last.contains("day-1"), "{last}");
    peer.ask(&publish("p1", "p1", &watts(7)), &accepted("p1", "p1")).await;
    let delivery = peer.recv().await;
    assert!(delivery.contains("<json xmlns='urn:xmpp:json:0'>[{&quot;"), "{delivery}");
    assert!(delivery.contains("<event") && delivery.contains("<terms") && !delivery.contains("<sensml"));
}

/// What was measured at one instant is on one page, be it more than was asked for.
#[tokio::test]
async fn pages_of_one_record_are_all_there_is() {
    let mut stage = Stage::empty("").await;
    let (owner, producer) = ("camille@home.example", "gw@prod.example");
    let (one, other) = (SERIES, "urn:dev:prm:30001610071843_production/power/active/raw");
    for name in [one, other] {
        stage.cli(&["series", "add", name, "--owner", owner, "--producer", producer, "--retention", "P3Y"]);
    }
    let mut peer = stage.start().await;
    for (name, item) in [(one, "i1"), (other, "i2")] {
        let records = "<senml u='V' v='230'/><senml t='1800' u='W' v='2'/><senml t='3600' u='W' v='3'/>";
        let pack = format!("<senml bn='{name}' bt='1763679600' u='W' v='1'/>{records}");
        peer.ask(&publish_to(name, item, item, &pack), &accepted_at(name, item, item)).await;
    }
    for (identifier, expected) in
        [(one, &[2, 1, 1][..]), ("urn:dev:prm:30001610071843*", &[2, 1, 1, 2, 1, 1])]
    {
        let (mut after, mut pages, mut values) = (String::new(), Vec::new(), Vec::new());
        loop {
            peer.send(&format!(
                "<iq type='set' from='{owner}/1' to='energy.example.org' id='c'>
                   <command xmlns='{COMMANDS}' node='get_history' action='execute'>
                     <x xmlns='jabber:x:data' type='submit'>
                       <field var='identifier'><value>{identifier}</value></field>
                     </x>
                     <set xmlns='http://jabber.org/protocol/rsm'><max>1</max>{after}</set>
                   </command>
                 </iq>"
            ))
            .await;
            let answer = peer.recv().await;
            pages.push(answer.matches("<senml ").count());
            assert!(pages.len() <= expected.len(), "{answer}");
            values.extend(
                answer.split(" v='").skip(1).filter_map(|rest| rest.split('\'').next()).map(str::to_owned),
            );
            let Some((_, rest)) = answer.split_once("<last>") else { break };
            let (last, _) = rest.split_once("</last>").expect("an end");
            after = format!("<after>{last}</after>");
        }
        assert_eq!(pages, expected);
        assert_eq!(values, ["1", "230", "2", "3"].repeat(expected.len() / 3));
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn a_long_answer_comes_in_pages() {
    let mut stage = Stage::empty("[limits]\npack_records = 20000").await;
    let (owner, producer) = ("camille@home.example", "gw@prod.example");
    stage.cli(&["series", "add", SERIES, "--owner", owner, "--producer", producer, "--retention", "P3Y"]);
    let mut peer = stage.start().await;
    // A year of half-hours.
    for month in 0..12u32 {
        let first = 1_735_689_600 + month * 1460 * 1800;
        let records: String = (1..1460).map(|n| format!("<senml t='{}' v='{n}.5'/>", n * 1800)).collect();
        let item = format!("m{month}");
        let pack = format!("<senml bn='{SERIES}' bt='{first}' bu='W' v='0'/>{records}");
        peer.ask(&publish(&item, &item, &pack), &accepted(&item, &item)).await;
    }
    let (mut after, mut records, mut pages) = (String::new(), 0, 0);
    loop {
        peer.send(&format!(
            "<iq type='set' from='{owner}/1' to='energy.example.org' id='c'>
               <command xmlns='{COMMANDS}' node='get_history' action='execute'>
                 <x xmlns='jabber:x:data' type='submit'>
                   <field var='identifier'><value>{SERIES}</value></field>
                 </x>
                 <set xmlns='http://jabber.org/protocol/rsm'>{after}</set>
               </command>
             </iq>"
        ))
        .await;
        let answer = peer.recv().await;
        assert!(answer.len() < 200 * 1024, "{}", answer.len());
        records += answer.matches("<senml ").count();
        pages += 1;
        let Some((_, rest)) = answer.split_once("<last>") else { break };
        let (last, _) = rest.split_once("</last>").expect("an end");
        after = format!("<after>{last}</after>");
    }
    assert_eq!(records, 17_520);
    assert!((2..10).contains(&pages), "{pages}");
}
