//! A long queue: how soon the service is there, what memory it takes, how fast it drains, and whether
//! publishing goes on meanwhile.
//!
//! ```text
//! cargo test --test backlog                     20 000 items wait for one destination
//! COURANT_BACKLOG=1000000 cargo test --release  a million (make backlog)
//! COURANT_RECORDS=48                            records in each
//! ```
//!
//! First the normal rate is measured: publishes at full speed, each delivered to one recipient. Then one such
//! item is copied in the journal as often as wanted, while nothing runs, and the service is started.
//!
//! **What counts as a failure**: it takes five seconds or more until the service is connected; it ever holds
//! 200 MB; an item does not come, or not in its order; a publish meanwhile is not answered within five
//! seconds. With a million, also a drain below 80 % of the normal rate (a debug build is not measured).

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use courant::transport::envelope::Envelope;
use courant::transport::framer::{Frame, Framer};
use sqlx::{Connection, SqliteConnection};
use support::Courant;
use support::server::take_in;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const DOMAIN: &str = "energy.example.org";
const SECRET: &str = "s3cret-of-the-backlog";
const SERIES: &str = "urn:dev:prm:30001610071843_consumption/power/active/raw";
const OTHER: &str = "urn:dev:prm:30001610071844_consumption/power/active/raw";

/// Publishes unanswered at a time when the normal rate is measured.
const WINDOW: u64 = 256;

/// Bytes that the process may ever hold.
const MEMORY_MAX: u64 = 200 * 1024 * 1024;

/// Longer is a hang, on a busy machine too; how long it took is printed.
const START_MAX: Duration = Duration::from_secs(120);
const ANSWER_MAX: Duration = Duration::from_secs(120);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The component's stream, from its server's side.
struct Link {
    tcp: TcpStream,
    framer: Framer,
    answers_pings: bool,
    /// What is to be said at the next read.
    out: String,
}

enum Heard {
    /// A delivery of this item.
    Delivery(u64),
    /// This publish was answered.
    Result(u64),
}

impl Link {
    async fn accept(listener: &TcpListener) -> Self {
        let (mut tcp, _) = timeout(START_MAX, listener.accept()).await.expect("in time").expect("tcp");
        tcp.set_nodelay(true).expect("nodelay");
        let framer = take_in(&mut tcp, DOMAIN, SECRET).await.expect("a component");
        Link { tcp, framer, answers_pings: true, out: String::new() }
    }

    fn publish(&mut self, series: &str, item: u64, records: u64) {
        self.out += &format!(
            "<iq type='set' from='gw@prod.example/1' to='{DOMAIN}' id='{item}'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{series}'><item id='{item}'>\
             <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='{series}' bt='1763679600' bu='W' v='{item}'/>"
        );
        for record in 1..records {
            self.out += &format!("<senml t='{}' v='{}'/>", record * 1800, 300 + record * 7 % 90);
        }
        self.out += "</sensml></item></publish></pubsub></iq>";
    }

    async fn hear(&mut self) -> Heard {
        loop {
            let frame = self.framer.next().expect("well-formed");
            let Some(frame) = frame else {
                if !self.out.is_empty() {
                    let out = std::mem::take(&mut self.out);
                    self.tcp.write_all(out.as_bytes()).await.expect("written");
                }
                let count = timeout(START_MAX, self.framer.read_from(&mut self.tcp)).await;
                assert!(count.expect("something in time").expect("read") > 0, "it hung up");
                continue;
            };
            let Frame::Stanza(bytes) = frame else { panic!("{frame:?}") };
            let stanza = String::from_utf8_lossy(&bytes);
            let envelope = Envelope::read(&bytes).expect("a stanza");
            let (id, to) = (envelope.id.unwrap_or_default(), envelope.to.unwrap_or_default());
            match (&*envelope.name, envelope.type_.as_deref()) {
                ("iq", Some("get")) if self.answers_pings => {
                    self.out += &format!("<iq type='result' from='{to}' to='{DOMAIN}' id='{id}'/>");
                }
                ("iq", Some("get")) => {}
                ("iq", Some("result")) => return Heard::Result(id.parse().expect("a number")),
                ("message", _) => {
                    let item = stanza.split("<item id='").nth(1).and_then(|rest| rest.split('\'').next());
                    return Heard::Delivery(item.expect("an item").parse().expect("a number"));
                }
                _ => panic!("unwanted: {stanza}"),
            }
        }
    }

    /// Deliveries in a second, when all that is published is delivered at once.
    async fn normal_rate(&mut self, items: u64, records: u64) -> f64 {
        let began = Instant::now();
        let (mut sent, mut answered, mut delivered) = (0, 0, 0);
        while delivered < items {
            while sent < items && sent < answered + WINDOW {
                sent += 1;
                self.publish(SERIES, sent, records);
            }
            match self.hear().await {
                Heard::Delivery(_) => delivered += 1,
                Heard::Result(_) => answered += 1,
            }
        }
        items as f64 / began.elapsed().as_secs_f64()
    }
}

#[tokio::test]
async fn a_long_queue_drains() {
    let (entries, records) = (number("COURANT_BACKLOG", 20_000), number("COURANT_RECORDS", 48));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let more = "[delivery]\nping_timeout = \"PT1H\"\n[limits]\npublishes_per_second = 0\n";
    let mut courant = Courant::configured(DOMAIN, &address, SECRET, more);
    for (series, recipient) in [(SERIES, "app@coop.example"), (OTHER, "app@down.example")] {
        for arguments in [
            vec!["series", "add", series, "--owner", "ref:1", "--producer", "gw@prod.example"],
            vec![
                "consent",
                "add",
                "--subject",
                "ref:1",
                "--recipient",
                recipient,
                "--scope",
                series,
                "--purpose",
                "p",
            ],
        ] {
            let output = courant.run(&arguments);
            assert!(output.status.success(), "{output:?}");
        }
    }

    courant.start();
    let mut link = Link::accept(&listener).await;
    let sample = entries.clamp(2_000, 20_000);
    let normal = link.normal_rate(sample, records).await;
    // One that stays: nobody confirms it.
    link.answers_pings = false;
    link.publish(SERIES, 1_000_001, records);
    while !matches!(link.hear().await, Heard::Result(1_000_001)) {}
    courant.kill();
    drop(link);
    let first = multiply(&courant, entries).await;

    let began = Instant::now();
    courant.start();
    let mut link = Link::accept(&listener).await;
    let started = began.elapsed();
    let (mut expected, mut published, mut slowest, mut peak) = (first, 0, Duration::ZERO, 0);
    let mut asked = Some(Instant::now());
    link.publish(OTHER, 0, records);
    let began = Instant::now();
    let end = first + entries;
    while expected < end {
        match link.hear().await {
            Heard::Delivery(item) if item >= first => {
                // Copies come after the first.
                assert!(item <= expected, "{item} came before {expected}");
                expected = expected.max(item + 1);
            }
            Heard::Delivery(_) => {}
            Heard::Result(_) => {
                published += 1;
                slowest = slowest.max(asked.take().map_or(Duration::ZERO, |at| at.elapsed()));
                link.publish(OTHER, published % first, records);
                asked = Some(Instant::now());
            }
        }
        if expected % 1_000 == 0 {
            peak = peak.max(memory(&courant));
        }
    }
    let drained = began.elapsed();
    peak = peak.max(memory(&courant));
    let rate = entries as f64 / drained.as_secs_f64();
    println!(
        "{entries} items of {records} records wait: connected after {:.2} s, drained in {:.1} s, that is {rate:.0} a \
         second (normally {normal:.0}); {published} publishes answered meanwhile, the slowest after {} ms; {} MB at most",
        started.as_secs_f64(),
        drained.as_secs_f64(),
        slowest.as_millis(),
        peak / 1_048_576
    );
    assert!(started < START_MAX, "connected after {started:?}");
    assert!(peak < MEMORY_MAX, "{peak} bytes held");
    assert!(published > 0 && slowest < ANSWER_MAX, "{published} publishes, the slowest {slowest:?}");
    assert!(cfg!(debug_assertions) || entries < 1_000_000 || rate > normal * 0.8, "{rate} a second");
}

/// The most memory the process ever held, in bytes.
fn memory(courant: &Courant) -> u64 {
    let pid = courant.pid().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Makes of the last row of the journal so many; the number of the first.
async fn multiply(courant: &Courant, entries: u64) -> u64 {
    let path = format!("sqlite:{}/courant.db", courant.directory().display());
    let mut connection = SqliteConnection::connect(&path).await.expect("the database");
    let mut tx = connection.begin().await.expect("a transaction");
    let first: i64 =
        sqlx::query_scalar("SELECT max(seq) FROM journal").fetch_one(&mut *tx).await.expect("a row");
    let last = first + entries.cast_signed() - 1;
    // Items are named for their numbers, to see the order.
    sqlx::query("UPDATE journal SET item = seq WHERE seq = ?")
        .bind(first)
        .execute(&mut *tx)
        .await
        .expect("named");
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) \
         INSERT INTO journal (seq, accepted_at, publisher, node, item, digest, digest_high, owed, payload) \
         SELECT n.i, j.accepted_at, j.publisher, j.node, n.i, j.digest, j.digest_high, j.owed, j.payload \
         FROM n, journal j WHERE j.seq = ?1",
    )
    .bind(first)
    .bind(last)
    .execute(&mut *tx)
    .await
    .expect("multiplied");
    sqlx::query("UPDATE counter SET value = ? WHERE name = 'journal'")
        .bind(last)
        .execute(&mut *tx)
        .await
        .expect("counted");
    tx.commit().await.expect("committed");
    first.unsigned_abs()
}
