//! The real binary, killed and cut off at random moments while publishers go at full speed.
//!
//! ```text
//! cargo test --test crash                20 times killed
//! COURANT_KILLS=200 cargo test …         so often (make crash-test)
//! COURANT_SEED=1234                      with these moments; the last run's are printed
//! ```
//!
//! It begins when each recipient's server has answered one ping: until then one's own server vouches for it
//! (docs/OPERATING.md), and what a server loses in silence before it ever answered is lost.
//!
//! The other end of the component's stream is a server in this process. It publishes for several gateways,
//! each with a few packs unanswered at a time, one with 128 items, and repeats what was not answered when the component
//! is back, as gateways do; that one repeats its last 128 items whether they were answered or not. It takes deliveries for the recipients, messages and (for one that is a service itself)
//! publishes, and answers these and the pings to their servers. Meanwhile the process is killed (`kill -9`), its
//! link is cut with all that is under way on it, recipients' servers hang and then lose what they held, and
//! consents are ended and given at the command line.
//!
//! **What counts as a failure**
//!
//! - A pack was acknowledged, and a recipient whose consent began before it was sent and never ended did not
//!   get each of its items.
//! - A first copy comes after the first copy of a later item of the same series.
//! - Anything comes under a consent of which the command line said that it has ended, or that was accepted
//!   before its consent was given; or with other content than was published.
//! - An item that was published again is forwarded under another number, or is twice in the journal: then it is owed to
//!   whom a consent was given since.
//! - After a kill, some but not all items of an unacknowledged pack are in the journal.
//! - An end is never told to the recipient.
//! - `courant audit verify` or SQLite's own check finds fault; the process ends by itself; a publish is refused.
//!
//! **What does not**: duplicates; what was under way when its consent ended and did not arrive.
//!
//! The moments are from the seed, what happens at them is not: another run with the same seed is another run.

mod ledger;
mod people;
mod server;

#[allow(dead_code)] // the simulation takes the rest
#[path = "../simulation/rng.rs"]
mod rng;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};
use tokio::time::{Instant, sleep};

use rng::Rng;
use server::Server;
use support::Courant;

const DOMAIN: &str = "energy.example.org";
const SECRET: &str = "s3cret-of-the-crash-test";

/// Short, so that what was lost is sent again while the test runs.
const CONFIGURATION: &str = "[delivery]\nping_timeout = \"PT1S\"\nretry_max = \"PT1S\"\n\
                             [limits]\npublishes_per_second = 0\n";

/// How long to wait for the next thing to arrive, once nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(300);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_it_loses_nothing() {
    let kills = number("COURANT_KILLS").unwrap_or(20);
    let seed = number("COURANT_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("COURANT_SEED={seed} COURANT_KILLS={kills}");
    let began = Instant::now();
    let mut rng = Rng::new(seed, 1);
    let server = Server::start(SECRET).await;
    let mut courant = Courant::configured(DOMAIN, &server.address(), SECRET, CONFIGURATION);
    let people = people::People::new(courant.directory(), server.clone(), Rng::new(seed, 2));
    let people = tokio::task::spawn_blocking(move || people.settle_in()).await.expect("consents");
    get_acquainted(&mut courant, &server).await;
    let stop = people.stop_handle();
    let mind_changes = tokio::task::spawn_blocking(move || people.change_their_minds());

    for kill in 0..kills {
        let links = server.links();
        courant.start();
        let life = match rng.below(10) {
            // While it starts, and reads what is owed.
            0..=2 => rng.below(200),
            linked => {
                let began = Instant::now();
                while server.links() == links {
                    sleep(Duration::from_millis(5)).await;
                    assert!(courant.is_running(), "it ended by itself in life {kill}");
                    assert!(began.elapsed() < PATIENCE, "it does not connect in life {kill}");
                }
                if linked < 9 { rng.below(900) } else { rng.within(900, 2_500) }
            }
        };
        let mut moments: Vec<u64> = Vec::new();
        for _ in 0..3 {
            if rng.percent(40) {
                moments.push(rng.below(life + 1));
            }
        }
        moments.sort_unstable();
        let mut lived = 0;
        for moment in moments {
            sleep(Duration::from_millis(moment - lived)).await;
            lived = moment;
            if rng.percent(60) {
                server.cut();
            } else {
                server.hang(rng.below(10), Duration::from_millis(rng.within(200, 2_500)), rng.percent(60));
            }
        }
        sleep(Duration::from_millis(life - lived)).await;
        assert!(courant.is_running(), "it ended by itself in life {kill}");
        courant.kill();
        server.killed();
        server.check();
        if rng.percent(25) {
            whole_or_not_at_all(&courant, &server).await;
            once_each(&courant).await;
        }
    }

    // Nobody does it any harm any more.
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    mind_changes.await.expect("the command line");
    server.close();
    courant.start();
    let mut last = (server.progress(), Instant::now());
    while !server.is_complete() {
        sleep(Duration::from_millis(50)).await;
        server.check();
        assert!(courant.is_running(), "it ended by itself");
        let progress = server.progress();
        if progress != last.0 {
            last = (progress, Instant::now());
        }
        if last.1.elapsed() >= PATIENCE {
            panic!("never came: {} (destinations: {})", server.missing(), destinations(&courant).await);
        }
    }
    let status = courant.stop().await;
    assert_eq!(status.code(), Some(0), "after SIGTERM");
    server.check();
    whole_or_not_at_all(&courant, &server).await;
    once_each(&courant).await;
    assert_eq!(one_text(&courant, "PRAGMA integrity_check").await, "ok");
    let verified = courant.run(&["audit", "verify"]);
    assert!(verified.status.success(), "audit verify: {verified:?}");
    println!("{}", String::from_utf8_lossy(&verified.stdout).trim());
    println!("{kills} kills in {:.0} s; {}", began.elapsed().as_secs_f64(), server.summary());
}

async fn open(courant: &Courant) -> SqliteConnection {
    let path = format!("sqlite:{}/courant.db", courant.directory().display());
    SqliteConnection::connect(&path).await.expect("the database")
}

/// Lets each of the recipients' servers answer a ping, once.
async fn get_acquainted(courant: &mut Courant, server: &Server) {
    courant.start();
    let began = Instant::now();
    let known = "SELECT cast(count(*) AS TEXT) FROM destination WHERE answers_pings";
    while one_text(courant, known).await != server::DOMAINS.len().to_string() {
        assert!(began.elapsed() < PATIENCE, "no answer from all: {}", destinations(courant).await);
        sleep(Duration::from_millis(20)).await;
    }
    courant.kill();
    server.killed();
}

/// What the store knows of the recipients' servers.
async fn destinations(courant: &Courant) -> String {
    let all = "SELECT coalesce(group_concat(domain || ' ' || answers_pings, ', '), '') FROM destination";
    one_text(courant, all).await
}

async fn one_text(courant: &Courant, sql: &'static str) -> String {
    let mut connection = open(courant).await;
    let row = sqlx::query(sql).fetch_one(&mut connection).await.expect("a row");
    row.get(0)
}

/// No item is twice in the journal; it has all of ten minutes, and all that waits. Notices, and what is tried again, have
/// no digest.
async fn once_each(courant: &Courant) {
    let twice = "SELECT coalesce(group_concat(node || ' ' || item || ': ' || seqs, '; '), '') FROM \
                 (SELECT node, item, group_concat(seq) AS seqs FROM journal WHERE digest <> 0 GROUP BY node, item \
                  HAVING count(*) > 1 LIMIT 10)";
    assert_eq!(one_text(courant, twice).await, "", "published again, and taken in again");
}

/// Of each pack that was not acknowledged, all items are in the journal or none.
async fn whole_or_not_at_all(courant: &Courant, server: &Server) {
    let mut connection = open(courant).await;
    for (series, items) in server.unacknowledged() {
        let mut found = 0;
        for item in &items {
            let rows = sqlx::query("SELECT seq FROM journal WHERE node = ? AND item = ?")
                .bind(&series)
                .bind(item.to_string())
                .fetch_all(&mut connection)
                .await
                .expect("the journal");
            found += usize::from(!rows.is_empty());
        }
        assert!(found == 0 || found == items.len(), "half a pack: {items:?} of {series}, {found} there");
    }
}
