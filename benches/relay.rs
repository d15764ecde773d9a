//! Each step on the way of a publish, on its own: what a change to one of them gains, without a socket, a
//! neighbour or a disk in the way (but for the journal, which is on a real one). `cargo bench --bench relay`;
//! the way as a whole is measured by `benches/run.py`.

use std::sync::Arc;
use std::time::Duration;

use courant::domain::clock::Now;
use courant::domain::consent::{Consent, ConsentKey};
use courant::domain::name::Scope;
use courant::domain::series::Series;
use courant::domain::subscription::{Format, Subscription, SubscriptionKey};
use courant::domain::tenure::Tenures;
use courant::protocol::outbox::Outbox;
use courant::protocol::outside::Outside;
use courant::protocol::reply::Kind;
use courant::relay::delivery::{Answer, Patience};
use courant::relay::repetitions::Key;
use courant::relay::rights::Update;
use courant::relay::{Relay, Settings};
use courant::router::{self, Router};
use courant::store::commit::Committer;
use courant::store::journal::{Batch, Row};
use courant::store::{Durability, Store};
use courant::transport::envelope::Envelope;
use courant::transport::framer::{Frame, Framer, FramerLimits};
use courant::transport::parse::parse_element;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use jid::{BareJid, Jid};

const NODE: &str = "urn:dev:prm:30001000000000_consumption/power/active/raw";
const PACKS: [usize; 4] = [1, 10, 48, 336];

fn main() {
    divan::main();
}

/// A publish of so many records, as a server writes it.
fn publish(number: u64, records: usize) -> Vec<u8> {
    let tail: String = (1..records)
        .map(|place| format!("<senml t='{}' v='{}'/>", place * 1800, 100 + place * 61 % 900))
        .collect();
    format!(
        "<iq type='set' id='p{number}' from='meter@pub.localhost/gw' to='energy.localhost'>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{NODE}'><item id='{number}'>\
         <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='{NODE}' bt='1763679600' bu='W' v='342'/>{tail}\
         </sensml></item></publish></pubsub></iq>"
    )
    .into_bytes()
}

fn now() -> Now {
    Now { wall: "2026-06-01T12:00:00Z".parse().expect("a time"), mono: Duration::from_secs(60) }
}

/// A relay that knows one series with so many recipients, each with a consent.
fn relay(recipients: usize) -> Relay {
    let settings = Settings {
        jid: "energy.localhost".into(),
        own_server: "localhost".into(),
        installation: "0123456789".into(),
        run: "0123456789abcdef".into(),
        headline: false,
        publishes_per_second: 0,
        pack_records: 10_000,
        queue_packs: 10_000_000,
        repetitions: 1_000_000,
        repetition_key: Key([1; 16]),
        time_to_live: Duration::from_secs(7 * 86_400),
        retention: Duration::ZERO,
        patience: Patience {
            ping: Duration::from_secs(30),
            retry_max: Duration::from_secs(300),
            first_contact: Duration::from_secs(900),
        },
    };
    let mut relay = Relay::new(settings, 0);
    let scope = || Scope::parse(NODE).expect("a name");
    relay.apply(Update::Series(
        1,
        Some(Box::new(Series {
            name: scope(),
            tenures: Tenures::of("owner@home.localhost".parse().expect("a subject")),
            producers: vec![BareJid::new("meter@pub.localhost").expect("an address")],
            open: false,
            retention: None,
            title: None,
            source: None,
            meta: Default::default(),
            node: Default::default(),
        })),
    ));
    for number in 0..recipients {
        let recipient = format!("r{number}@sub.localhost");
        let key = number as u64 + 1;
        relay.apply(Update::Consent(ConsentKey(key), Some(Box::new(consent(&recipient)))));
        let wish = Subscription {
            jid: Jid::new(&recipient).expect("an address"),
            node: scope(),
            format: Format::default(),
        };
        relay.apply(Update::Subscription(SubscriptionKey(key), Some(wish)));
    }
    relay.link_up();
    relay
}

fn consent(recipient: &str) -> Consent {
    let json = serde_json::json!({
        "id": "01934000-0000-7000-8000-000000000001", "arrangement": "01934000-0000-7000-8000-000000000001",
        "revision": 1, "subject": "owner@home.localhost", "recipient": recipient, "scope": [NODE],
        "purpose": "energy advice", "lawful_basis": "consent", "valid_from": "2026-01-01T00:00:00Z",
        "valid_until": "2027-01-01T00:00:00Z", "modes": ["notify", "history"], "retention": "P1Y",
        "method": "cli", "state": "active", "since": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(json).expect("a consent")
}

fn outside(number: u64) -> Outside {
    Outside {
        kind: Kind::Iq,
        type_: "set".into(),
        id: Some(format!("p{number}")),
        from: "meter@pub.localhost/gw".into(),
        to: "energy.localhost".into(),
    }
}

/// The stream's bytes into stanzas.
#[divan::bench(args = PACKS)]
fn framer(bencher: Bencher, records: usize) {
    let stanza = publish(1, records);
    let mut framer = Framer::new(FramerLimits::default());
    bencher.counter(BytesCount::new(stanza.len())).bench_local(|| {
        framer.feed(&stanza);
        match framer.next() {
            Ok(Some(Frame::Stanza(stanza))) => stanza,
            other => panic!("{other:?}"),
        }
    });
}

/// Their outside.
#[divan::bench]
fn envelope(bencher: Bencher) {
    let stanza = publish(1, 48);
    bencher.bench_local(|| Envelope::read(black_box(&stanza)).map(|outside| outside.kind));
}

/// A stanza into a tree.
#[divan::bench(args = PACKS)]
fn element(bencher: Bencher, records: usize) {
    let stanza = publish(1, records);
    bencher
        .counter(BytesCount::new(stanza.len()))
        .bench_local(|| parse_element(black_box(&stanza), None).expect("well-formed"));
}

/// A tree through the router into the relay: rights, records, consent, and the row of the journal.
#[divan::bench(args = PACKS)]
fn intake(bencher: Bencher, records: usize) {
    let router = Router::new("energy.localhost");
    let mut relay = relay(1);
    let mut out = Outbox::default();
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            (outside(number), parse_element(&publish(number, records), None).expect("well-formed"))
        })
        .bench_local_values(|(outside, stanza)| {
            router.handle(outside, stanza, &mut relay, now(), &mut out);
            let batch = relay.take_batch(now());
            relay.committed(false); // nothing is to pile up
            relay.take_settled();
            assert!(out.is_empty(), "a publish was refused");
            batch.expect("a row")
        });
}

/// Everything but socket and disk: bytes in, groups of 64 publishes, bytes out, barriers answered.
#[divan::bench(args = [(1, 1), (48, 1), (48, 10), (336, 1)])]
fn whole_way_64(bencher: Bencher, (records, recipients): (usize, usize)) {
    const GROUP: u64 = 64;
    let router = Router::new("energy.localhost");
    let mut relay = relay(recipients);
    let mut framer = Framer::new(FramerLimits::default());
    let mut out = Outbox::default();
    let mut number = 0;
    bencher
        .counter(ItemsCount::new(GROUP as usize))
        .with_inputs(|| {
            let mut bytes = Vec::new();
            for _ in 0..GROUP {
                number += 1;
                bytes.extend_from_slice(&publish(number, records));
            }
            bytes
        })
        .bench_local_refs(|bytes| {
            out.clear();
            framer.feed(bytes);
            while let Ok(Some(Frame::Stanza(stanza))) = framer.next() {
                let envelope = Envelope::read(&stanza).expect("an envelope");
                let outside = Outside {
                    kind: Kind::Iq,
                    type_: envelope.type_.as_deref().unwrap_or_default().to_owned(),
                    id: envelope.id.as_deref().map(str::to_owned),
                    from: envelope.from.as_deref().unwrap_or_default().to_owned(),
                    to: envelope.to.as_deref().unwrap_or_default().to_owned(),
                };
                let element = parse_element(&stanza, None).expect("well-formed");
                router.handle(outside, element, &mut relay, now(), &mut out);
            }
            black_box(relay.take_batch(now()));
            relay.committed(true);
            for settled in relay.take_settled() {
                router::settle(&settled, &mut out);
            }
            while relay.waiting() > 0 {
                let from = out.len();
                relay.pump(now(), &mut out, usize::MAX);
                assert!(out.len() > from, "nothing to send, and something waiting");
                if let Some(id) = last_ping(&out[from..]) {
                    relay.iq_answer(&id, "sub.localhost", Answer::Taken, now());
                }
            }
            out.len()
        });
}

/// The id of the ping at the end.
fn last_ping(out: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(out).ok()?;
    let ping = &text[text.rfind("<iq type='get'")?..];
    let id = &ping[ping.find(" id='")? + 5..];
    Some(id[..id.find('\'')?].to_owned())
}

/// A store on the disk that the target directory is on, and the writer's connection.
struct Journal {
    runtime: tokio::runtime::Runtime,
    journal: Committer,
    seq: u64,
    _directory: tempfile::TempDir,
}

impl Journal {
    fn open(durability: Durability) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let url = format!("sqlite:{}/bench.db", directory.path().display());
        let journal = runtime.block_on(async {
            let store = Store::open(&url, durability).await.expect("a store");
            store.committer().await.expect("a connection")
        });
        Journal { runtime, journal, seq: 0, _directory: directory }
    }

    fn batch(&mut self, rows: usize) -> Batch {
        let first = self.seq + 1;
        self.seq += rows as u64;
        let row = |seq: u64| Row {
            seq,
            accepted_at: 1_780_000_000_000,
            publisher: "meter@pub.localhost".into(),
            node: Arc::from(NODE),
            item: seq.to_string().into(),
            digest: u128::from(seq).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
            owed: vec![1, 2, 0],
            payload: vec![7; 500],
        };
        Batch { rows: (first..=self.seq).map(row).collect(), ..Batch::default() }
    }
}

/// A group of 48-record packs for one recipient, committed.
#[divan::bench(args = [1, 64, 256], consts = [true, false], sample_count = 50, sample_size = 4)]
fn journal_commit<const FULL: bool>(bencher: Bencher, rows: usize) {
    let durability = if FULL { Durability::Full } else { Durability::Normal };
    let journal = std::cell::RefCell::new(Journal::open(durability));
    bencher.counter(ItemsCount::new(rows)).with_inputs(|| journal.borrow_mut().batch(rows)).bench_local_refs(
        |batch| {
            let Journal { runtime, journal, .. } = &mut *journal.borrow_mut();
            runtime.block_on(journal.commit(batch)).expect("a commit");
        },
    );
}
