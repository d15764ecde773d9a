//! Any pack that is accepted leaves in stanzas that are small enough.

use std::collections::BTreeMap;
use std::time::Duration;

use courant::domain::clock::Now;
use courant::domain::consent::{Consent, ConsentKey};
use courant::domain::name::Scope;
use courant::domain::outline::ConsentOutline;
use courant::domain::series::Series;
use courant::domain::subscription::{Format, Subscription, SubscriptionKey};
use courant::domain::tenure::Tenures;
use courant::protocol::outbox::{CONTENT_MAX, ID_MAX, Outbox, STANZA_MAX};
use courant::protocol::publish::Payload;
use courant::relay::delivery::Patience;
use courant::relay::intake::Refusal;
use courant::relay::machine::{Publish, ReplyTo};
use courant::relay::repetitions::Key;
use courant::relay::rights::Update;
use courant::relay::{Relay, Settings};
use jid::Jid;

use super::stanzas;

const NODE: &str = "urn:a";

/// Whoever gets all of it, by format; the last one a part of it, under a consent.
const RECIPIENTS: [(&str, Format); 5] = [
    ("pubsub.example", Format::Pubsub),
    ("json.example", Format::Json),
    ("quoalise.example", Format::Quoalise),
    ("publish.example", Format::Publish),
    ("windowed.example", Format::Pubsub),
];

/// Where the data window of that one ends, in the middle of the packs.
const WINDOW_END: i64 = 1_780_000_100;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Small as often as large.
    fn length(&mut self, most: usize) -> usize {
        let bits = usize::BITS - most.leading_zeros();
        let most = most.min(1 << self.below(bits as usize + 1));
        self.below(most + 1)
    }
}

fn now() -> Now {
    Now { wall: jiff::Timestamp::from_second(1_780_000_000).expect("a time"), mono: Duration::from_secs(1) }
}

fn relay() -> Relay {
    let settings = Settings {
        jid: "energy.example".into(),
        own_server: "example".into(),
        installation: "installation".into(),
        run: "r".into(),
        headline: false,
        publishes_per_second: 0,
        pack_records: 10_000,
        queue_packs: usize::MAX,
        repetitions: 1_000_000,
        repetition_key: Key([1; 16]),
        time_to_live: Duration::from_secs(1000),
        retention: Duration::ZERO,
        patience: Patience {
            ping: Duration::from_secs(30),
            retry_max: Duration::from_secs(300),
            first_contact: Duration::from_secs(900),
        },
    };
    let mut relay = Relay::new(settings, 0);
    let series = |name: &str, open| Series {
        name: Scope::parse(name).expect("a name"),
        tenures: Tenures::of("ref:1".parse().expect("a reference")),
        producers: vec!["gw@prod.example".parse().expect("an address")],
        open,
        retention: None,
        title: None,
        source: None,
        node: Default::default(),
        meta: [("device".to_owned(), "'".repeat(10_000).into())].into_iter().collect(),
    };
    relay.apply(Update::Series(1, Some(Box::new(series("urn:a*", true)))));
    relay.apply(Update::Series(2, Some(Box::new(series("urn:a/closed*", false)))));
    let purpose = "'".repeat(1000);
    let consent = serde_json::json!({
        "id": "01934000-0000-7000-8000-000000000001", "arrangement": "01934000-0000-7000-8000-000000000001",
        "revision": 1, "subject": "ref:1", "recipient": "windowed.example", "scope": ["urn:a/closed*"],
        "purpose": purpose, "lawful_basis": "consent", "valid_from": "2026-01-01T00:00:00Z",
        "valid_until": "2027-01-01T00:00:00Z", "data_until": jiff::Timestamp::from_second(WINDOW_END).expect("a time").to_string(), "modes": ["notify"],
        "retention": "P1Y", "method": "cli", "state": "active", "since": "2026-01-01T00:00:00Z",
    });
    let consent: Consent = serde_json::from_value(consent).expect("a consent");
    relay.know_consent(ConsentKey(1), ConsentOutline::from(consent));
    for (key, (domain, format)) in (1..).zip(RECIPIENTS) {
        let jid = match format {
            Format::Publish => Jid::new(domain),
            _ => Jid::new(&format!("{domain}/{}", "'".repeat(ID_MAX))),
        };
        let wish = Subscription {
            jid: jid.expect("an address"),
            node: Scope::parse("urn:a*").expect("a prefix"),
            format,
        };
        relay.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
    }
    relay
}

/// A text as JSON writes it.
fn text(random: &mut Random, most: usize) -> String {
    const HOSTILE: [&str; 14] =
        ["'", "\\\"", "\\\\", "<", "&", ">", "\\n", "\\t", "a", "é", "€", "😀", "\\u0027", " "];
    let count = random.length(most);
    // Of one sort, or mixed.
    let one = (random.below(2) == 0).then(|| HOSTILE[random.below(HOSTILE.len())]);
    (0..count).map(|_| one.unwrap_or_else(|| HOSTILE[random.below(HOSTILE.len())])).collect()
}

/// A pack, as SenML JSON.
fn pack(random: &mut Random) -> String {
    let count = 1 + random.length(600);
    let most = (900_000 / count).min(170_000);
    let mut records = Vec::new();
    for number in 0..count {
        let name = match random.below(4) {
            0 => NODE.to_owned(),
            1 => format!("urn:a/closed/{}", "n".repeat(random.length(900))),
            _ => format!("urn:a/{}", "n".repeat(random.length(900))),
        };
        let time = 1_780_000_000 - 300 + number;
        let value = match random.below(5) {
            0 => format!("\"v\":{}", f64::from_bits(random.next() & !(1 << 62))),
            1 => format!("\"vd\":\"{}\"", "QUJD".repeat(random.length(most / 4))),
            2 => format!("\"vb\":true,\"s\":{number}.5"),
            _ => format!("\"vs\":\"{}\"", text(random, most)),
        };
        let unit = match random.below(6) {
            0 => format!(",\"u\":\"{}\"", text(random, most / 4)),
            1 => ",\"u\":\"W\"".to_owned(),
            _ => String::new(),
        };
        records.push(format!("{{\"n\":\"{name}\",\"t\":{time},{value}{unit}}}"));
    }
    format!("[{}]", records.join(","))
}

#[derive(Debug, Default)]
struct Seen {
    accepted: u64,
    too_large: u64,
    parted: u64,
    largest: usize,
}

fn try_one(seed: u64, seen: &mut Seen) {
    let mut random = Random(seed);
    let mut relay = relay();
    let json = pack(&mut random);
    let item = "'".repeat(if random.below(2) == 0 { ID_MAX } else { random.length(ID_MAX) });
    let publish = Publish {
        reply_to: ReplyTo {
            from: "gw@prod.example/1".into(),
            to: "energy.example".into(),
            id: None,
            is_iq: true,
        },
        sender: "gw@prod.example".parse().expect("an address"),
        node: Some(NODE.to_owned()),
        items: vec![(Some(item), Payload::Json(json.clone()))],
    };
    match relay.publish(publish, now()) {
        Ok(()) => {}
        Err(Refusal::RecordTooLarge { record, limit }) => {
            assert_eq!(limit, CONTENT_MAX);
            let records: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
            // Only what may well be that long.
            assert!(records[record].to_string().len() > CONTENT_MAX / 8, "seed {seed}, record {record}");
            seen.too_large += 1;
            return;
        }
        Err(other) => panic!("seed {seed}: {other:?}"),
    }
    seen.accepted += 1;
    relay.link_up();
    relay.take_batch(now()).expect("a row");
    relay.committed(true);
    let mut out = Outbox::default();
    assert!(relay.pump(now(), &mut out, usize::MAX).is_empty(), "seed {seed}: all is in memory");
    assert!(relay.take_batch(now()).is_none_or(|batch| batch.dead_letters.is_empty()), "seed {seed}");
    // Each record once to each who may have it, in however many stanzas.
    let written = stanzas(&out);
    seen.largest = seen.largest.max(written.iter().map(String::len).max().unwrap_or(0));
    let mut had: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for stanza in written.iter().filter(|stanza| !stanza.contains("<ping ")) {
        assert!(stanza.len() <= STANZA_MAX, "seed {seed}: {}", stanza.len());
        let (to, _) = RECIPIENTS
            .iter()
            .find(|(domain, _)| stanza.contains(&format!(" to='{domain}")))
            .expect("somebody known");
        let records = match *to {
            "json.example" => {
                stanza.matches("&quot;t&quot;:").count() + stanza.matches("&quot;bt&quot;:").count()
            }
            _ => stanza.matches("<senml ").count(),
        };
        let (stanzas, all) = had.entry(to).or_default();
        (*stanzas, *all) = (*stanzas + 1, *all + records);
    }
    let records: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
    let closed = |record: &&serde_json::Value| {
        record["n"].as_str().is_some_and(|name| name.starts_with("urn:a/closed"))
    };
    let open = records.iter().filter(|record| !closed(record)).count();
    for to in ["pubsub.example", "publish.example"] {
        assert_eq!(had.get(to).map_or(0, |(_, records)| *records), open, "seed {seed}: {to}");
    }
    let numbers = records.iter().filter(|r| !closed(r) && r.get("v").is_some()).count();
    assert_eq!(had.get("quoalise.example").map_or(0, |(_, records)| *records), numbers, "seed {seed}");
    let early = |r: &&serde_json::Value| closed(r) && r["t"].as_i64().is_some_and(|at| at < WINDOW_END);
    let windowed = open + records.iter().filter(early).count();
    assert_eq!(had.get("windowed.example").map_or(0, |(_, records)| *records), windowed, "seed {seed}");
    seen.parted += u64::from(had.values().any(|(stanzas, _)| *stanzas > 1));
}

#[test]
fn whatever_is_accepted_leaves_in_small_stanzas() {
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (from, count) = (number("COURANT_FROM", 0), number("COURANT_SEEDS", 150));
    let mut seen = Seen::default();
    for seed in from..from + count {
        try_one(seed, &mut seen);
    }
    println!("{seen:?}");
    if count >= 100 {
        assert!(seen.accepted > count / 3 && seen.too_large > 0 && seen.parted > 0, "{seen:?}");
        assert!(seen.largest > STANZA_MAX * 3 / 4, "{seen:?}");
    }
}
