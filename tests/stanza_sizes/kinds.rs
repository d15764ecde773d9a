//! Every kind of stanza, as large as it gets.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use courant::desk::notices;
use courant::domain::consent::{Consent, ConsentKey, SCOPE_OCTETS_MAX, TEXT_MAX};
use courant::domain::language::Language;
use courant::domain::moving::Becomes;
use courant::domain::name::Scope;
use courant::domain::series::Series;
use courant::domain::state::State;
use courant::domain::tenure::Tenures;
use courant::protocol::error::{Condition, Detail, StanzaError};
use courant::protocol::event::{self, Envelope, Item, Terms};
use courant::protocol::outbox::{CONTENT_MAX, ID_MAX, Outbox};
use courant::protocol::outside::Outside;
use courant::protocol::record_size::first_too_large;
use courant::protocol::reply::{Kind, Reply};
use courant::protocol::upstream::Question;
use courant::protocol::{adhoc, description, disco, notice, ping, publish, quoalise, rsm};
use courant::senml::{Format, Options, read};
use courant::store::notices::{Bounded, Place, Step, Together, Untold};

use super::stanzas;

/// Where in the source a stanza begins, how often, and which rows of the table write it.
const WRITTEN_IN: [(&str, usize); 8] = [
    ("desk/pubsub/archive.rs", 1),
    ("desk/pubsub/notices.rs", 1),
    ("protocol/authorization.rs", 1),
    ("protocol/event.rs", 2),
    ("protocol/notice.rs", 2),
    ("protocol/ping.rs", 1),
    ("protocol/reply.rs", 1),
    ("protocol/upstream.rs", 1),
];

/// The longest text of one character that is written six times as long.
fn quotes(count: usize) -> String {
    "'".repeat(count)
}

/// The longest full address.
fn full() -> String {
    format!("{}@{}/{}", "a".repeat(ID_MAX), "d".repeat(ID_MAX), quotes(ID_MAX))
}

/// The longest bare one.
fn bare() -> String {
    format!("{}@{}", "a".repeat(ID_MAX), "d".repeat(ID_MAX))
}

/// The service's, with the longest resource that somebody may have written to.
fn ours() -> String {
    format!("{}/{}", "d".repeat(ID_MAX), quotes(ID_MAX))
}

fn name(number: usize) -> String {
    format!("urn:{number:04}{}", "n".repeat(ID_MAX - 8))
}

/// A consent all of whose texts are as long as may be.
fn consent(state: State) -> Consent {
    let scope: Vec<String> = (0..SCOPE_OCTETS_MAX / (ID_MAX + 2)).map(name).collect();
    let text = quotes(TEXT_MAX);
    let consent = serde_json::json!({
        "id": "01934000-0000-7000-8000-000000000001", "arrangement": "01934000-0000-7000-8000-000000000001",
        "revision": 4_000_000_000_u32, "subject": "camille@home.example",
        "recipient": format!("{}@coop.example", "r".repeat(ID_MAX)), "recipient_name": text,
        "recipient_contact": text, "policy_url": format!("https://x.example/{}", quotes(TEXT_MAX - 18)),
        "scope": scope, "purpose": text, "lawful_basis": "legitimate-interests",
        "valid_from": "2026-01-01T00:00:00.123456789Z", "valid_until": "2027-01-01T00:00:00.123456789Z",
        "data_from": "2026-01-01T00:00:00.123456789Z", "data_until": "2027-01-01T00:00:00.123456789Z",
        "granularity": "PT1H", "modes": ["notify", "history"], "retention": "P1Y2M3DT4H5M6S", "onward": true,
        "method": "cli", "evidence": text, "state": state.as_str(), "since": "2026-01-01T00:00:00Z",
        "ended_by": bare(), "end_reason": quotes(20_000),
    });
    serde_json::from_value(consent).expect("a consent")
}

fn terms(consent: &Consent) -> Terms<'_> {
    Terms::Consent {
        id: consent.id,
        purpose: &consent.purpose,
        retention: consent.retention.as_str(),
        expires: consent.valid_until,
        onward: true,
    }
}

fn series() -> Series {
    let keys = [
        "device",
        "identifier-authority",
        "identifier-type",
        "identifier",
        "name",
        "direction",
        "quantity",
        "type",
        "unit",
    ];
    Series {
        name: Scope::parse(&name(0)).expect("a name"),
        tenures: Tenures::of("ref:1".parse().expect("a reference")),
        producers: Vec::new(),
        open: false,
        retention: None,
        title: Some(quotes(1000)),
        source: None,
        node: Default::default(),
        meta: keys.map(|key| (key.to_owned(), quotes(10_000).into())).into_iter().collect(),
    }
}

/// Puts one in; says which it was if it does not fit.
fn put(out: &mut Outbox, what: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let mut size = 0;
    let fits = out.stanza(|out| {
        let before = out.len();
        write(out);
        size = out.len() - before;
    });
    assert!(fits, "{what}: {size} octets");
}

#[test]
fn deliveries_carry_the_largest_content_there_is() {
    let mut out = Outbox::default();
    let (consent, to, from) = (consent(State::Active), full(), "d".repeat(ID_MAX));
    // A payload of exactly what is accepted at most.
    let mut payload = b"<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml vs='".to_vec();
    payload.resize(CONTENT_MAX - 12, b'x');
    payload.extend_from_slice(b"'/></sensml>");
    let id = format!(
        "{}-ffffffffffffffff-ffffffffffffffff-ffffffffffffffff-ffffffffffffffff~10000",
        "i".repeat(16)
    );
    let (node, item, publisher) = (name(0), quotes(ID_MAX), bare());
    let item = Item { node: &node, id: &item, part: 9_999, publisher: &publisher };
    let mut contents = Vec::new();
    for publish in [false, true] {
        let mut content = Vec::new();
        match publish {
            true => event::publish(&mut content, &item, &payload),
            false => event::content(&mut content, &item, &payload),
        }
        contents.push(content);
    }
    // The description of the meter stands beside a record of the largest size.
    let unit = "u".repeat(CONTENT_MAX - 1_400);
    let json = format!(r#"[{{"n":"{node}","u":"{unit}","t":1.7e9,"v":1}}]"#);
    let pack = read(Format::Json, json.as_bytes(), 1.7e9, &Options::default()).expect("a pack");
    assert_eq!(first_too_large(&pack), None);
    let mut content = Vec::new();
    quoalise::write(&description::meta(&node, Some(&series())), pack.all(), &mut content).expect("written");
    contents.push(content);
    for content in &contents {
        for headline in [false, true] {
            let envelope = Envelope { from: &from, to: &to, id: &id, headline };
            put(&mut out, "a message", |out| event::write(out, &envelope, content, terms(&consent)));
            put(&mut out, "a publish", |out| event::write_publish(out, &envelope, content, terms(&consent)));
        }
    }
    for terms in [Terms::Open, Terms::Own, Terms::Listed] {
        let envelope = Envelope { from: &from, to: &to, id: &id, headline: false };
        put(&mut out, "open data", |out| event::write(out, &envelope, &contents[0], terms));
    }
    put(&mut out, "a ping", |out| ping::write(out, &from, &from, &id));
    assert_eq!(stanzas(&out).len(), 16);
}

#[test]
fn every_notice_is_told_in_either_language() {
    let from = "d".repeat(ID_MAX);
    for language in [Language::En, Language::Fr] {
        for step in [
            Step::Requested,
            Step::Given,
            Step::Suspended,
            Step::Resumed,
            Step::Edited,
            Step::Ended,
            Step::Reminder,
            Step::Bounded,
        ] {
            for (state, _) in State::ALL {
                for (subject, together) in
                    [("camille@home.example", false), ("camille@home.example", true), ("ref:house 1", false)]
                {
                    let mut consent = consent(state);
                    consent.subject = subject.parse().expect("a subject");
                    let place = || Place { node: Scope::parse(&name(1)).expect("a name"), jid: Some(full()) };
                    let news = Untold {
                        key: u64::MAX,
                        number: ConsentKey(u64::MAX),
                        step,
                        together: together
                            .then(|| Together { consents: vec![consent.clone(); 50], count: 1_000_000 }),
                        consent,
                        nodes: vec![place(), place()],
                        bounded: Some(Bounded {
                            series: Scope::parse(&name(0)).expect("a name"),
                            title: Some(quotes(1000)),
                            from: "2026-01-01T00:00:00Z".parse().expect("a time"),
                            becomes: Becomes::Bounded,
                        }),
                        at: "2026-01-01T00:00:00Z".parse().expect("a time"),
                        language: Some(language),
                        code: Some("abcdef".into()),
                        asked_from: Some(jid::Jid::new("app@coop.example/1").expect("an address")),
                    };
                    let admins = ["admin@example.org".parse().expect("an address")];
                    let mut out = Outbox::default();
                    for told in notices::notices(&news, &from, language, &admins) {
                        put(&mut out, &format!("{step:?} {state:?}"), |out| told.write(&"i".repeat(64), out));
                    }
                    stanzas(&out);
                }
            }
        }
        let mut out = Outbox::default();
        let body = "x".repeat(CONTENT_MAX);
        put(&mut out, "an answer in a chat", |out| {
            notice::to_chat(out, "normal", &ours(), &full(), &quotes(ID_MAX), language, &body);
        });
        assert_eq!(stanzas(&out).len(), 1);
    }
}

#[test]
fn every_answer_and_every_refusal_is_small_enough() {
    let mut out = Outbox::default();
    let (to, from, id) = (full(), ours(), quotes(ID_MAX));
    let reply = |kind| Reply { kind, to: &to, from: &from, id: Some(&id) };
    // A publish of so many items is answered without their ids.
    let ids: Vec<String> = (0..publish::ITEMS_MAX).map(|n| format!("{n:03}{}", quotes(ID_MAX - 3))).collect();
    let node = name(0);
    let results = [
        publish::result(ids.iter().map(|id| (&*node, &**id))),
        publish::result(ids.iter().take(26).map(|id| (&*node, &**id))),
        disco::info("authorize"),
        disco::version(),
        disco::uptime(Duration::MAX),
        disco::command_list(&quotes(100)),
        disco::command(&node, &quotes(100)),
        disco::node_info(&node, Some(&quotes(1000)), true, b""),
    ];
    assert!(results[0].is_empty() && !results[1].is_empty());
    for content in &results {
        put(&mut out, "a result", |out| reply(Kind::Iq).result(out, content));
    }
    // What a page holds, and what stands around it.
    let mut page = vec![b'x'; CONTENT_MAX];
    let last = quotes(ID_MAX);
    rsm::write(&mut page, Some((&last, usize::MAX)), Some(&last), usize::MAX);
    put(&mut out, "a page", |out| reply(Kind::Iq).result(out, &page));
    for language in [Language::En, Language::Fr] {
        let note = adhoc::Note { kind: adhoc::NoteKind::Error, text: quotes(4000) };
        let status = adhoc::Status::Executing { back: true, last: true };
        let mut command = Vec::new();
        let content = vec![b'x'; CONTENT_MAX - 24_000];
        adhoc::write(&mut command, "node", &"s".repeat(32), status, language, &[note], &content);
        put(&mut out, "a command", |out| reply(Kind::Iq).result(out, &command));
    }
    // Of a stranger's stanza everything is as long as the framer lets pass, and quoted back.
    let token = quotes(8192);
    for kind in [Kind::Iq, Kind::Message] {
        let outside = Outside {
            kind,
            type_: "set".into(),
            id: Some(token.clone()),
            from: token.clone(),
            to: token.clone(),
        };
        for language in [Language::En, Language::Fr] {
            for detail in details() {
                let error =
                    StanzaError { detail, ..StanzaError::new(Condition::BadRequest, quotes(1_000_000)) }
                        .or_in_french(quotes(1_000_000))
                        .told_in(language);
                put(&mut out, "a refusal", |out| outside.refuse(&error, out));
            }
        }
    }
    // What is put in by way of the reply fits whatever it is.
    let mut small = Outbox::default();
    let asker = Reply { kind: Kind::Iq, to: "a@x", from: "energy.x", id: Some("1") };
    asker.result_in(&mut small, &vec![b'x'; 10 * CONTENT_MAX]);
    let said = stanzas(&small);
    assert!(said.len() == 1 && said[0].contains("<policy-violation "), "{said:?}");
    let mut question = Question { identifier: node, start: Some(quotes(100)), end: Some(quotes(100)) };
    put(&mut out, "a question", |out| question.write(out, &from, &to, &id, Some(&quotes(1024))));
    question.start = None;
    assert!(stanzas(&out).len() > 20);
}

fn details() -> [Option<Detail>; 7] {
    let long = || quotes(1_000_000);
    [
        None,
        Some(Detail::InvalidPack { reason: long(), record: Some(usize::MAX) }),
        Some(Detail::Unsupported { feature: "persistent-items" }),
        Some(Detail::Pubsub("unsupported-access-model")),
        Some(Detail::Command("session-expired")),
        Some(Detail::Upstream { issuer: long(), code: String::new() }),
        Some(Detail::Upstream { issuer: long(), code: long() }),
    ]
}

/// Whoever adds a kind adds it to the table above.
#[test]
fn there_is_no_kind_that_is_not_in_the_table() {
    let mut found = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            // A stanza inside another one has a namespace of its own, and what is read is no longer written.
            let begins = |line: &&str| {
                let line = line.trim_start();
                let written = line.starts_with("raw(") || line.starts_with("if ");
                let stanza = ["\"<message", "\"<iq", "\"<presence"].iter().any(|tag| line.contains(tag));
                written && stanza && !line.contains("xmlns=")
            };
            let mut count = text.lines().filter(begins).count();
            // The name of what is answered.
            count += text.matches("raw(out, self.kind.name());\n        attribute").count();
            if count > 0 {
                let name = path.strip_prefix(&source).expect("below").to_string_lossy().into_owned();
                found.insert(name, count);
            }
        }
    }
    let table: BTreeMap<String, usize> =
        WRITTEN_IN.iter().map(|(file, count)| ((*file).to_owned(), *count)).collect();
    assert_eq!(found, table);
}
