//! The disk is full, the database is held by somebody else, or it is not what it should be.

use std::process::Command;

use sqlx::{Connection, SqliteConnection};

use super::full_disk::{inside, is_told_to_repeat, is_withdrawn, reaches};
use super::stage::{
    SERIES, Stage, UNDER_CONSENT, accepted, event, nothing_else, publish, publish_to, refused, watts,
};
use crate::support::{PATIENCE, matches};

const ADVISER: &str = "adviser@coop.example";

async fn database(stage: &Stage) -> SqliteConnection {
    let path = format!("sqlite:{}/courant.db", stage.courant.directory().display());
    SqliteConnection::connect(&path).await.expect("the database")
}

/// The service does not start: exit code 3, these words in one line, and the file is what it was.
async fn is_left_alone(stage: &mut Stage, words: &[&str]) {
    let path = stage.courant.directory().join("courant.db");
    let before = std::fs::read(&path).expect("the file");
    stage.courant.start();
    let status = stage.courant.ended(PATIENCE).await;
    let log = stage.courant.log();
    let said: Vec<&str> = log.lines().filter(|line| line.starts_with("courant:")).collect();
    assert_eq!((status.code(), said.len()), (Some(3), 1), "{log}");
    for word in words {
        assert!(said[0].contains(word), "{word} in {said:?}");
    }
    assert!(std::fs::read(&path).expect("the file") == before, "it was written to");
}

#[tokio::test]
async fn the_database_is_held_by_another_process() {
    let (mut stage, _, mut peer) = Stage::with_an_adviser("").await;
    let mut other = database(&stage).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    peer.send(&publish("p1", "one", &watts(1))).await;
    // It answers others meanwhile.
    nothing_else(&mut peer).await;
    let refusal = peer.recv_within(PATIENCE).await.expect("an answer");
    matches(&refused("p1", "internal-server-error", "wait", ""), &refusal).unwrap_or_else(|e| panic!("{e}"));
    lock.rollback().await.expect("rolled back");
    peer.ask(&publish("p2", "one", &watts(1)), &accepted("p2", "one")).await;
    peer.expect(&event(ADVISER, "one", &watts(1), UNDER_CONSENT)).await;
    nothing_else(&mut peer).await;

    // Asked to stop while it is held again, it does not wait for ever.
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    peer.send(&publish("p3", "three", &watts(3))).await;
    nothing_else(&mut peer).await;
    stage.courant.terminate();
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
    lock.rollback().await.expect("rolled back");
    drop(peer);

    // What was not acknowledged is not there; that the first one arrived could not be noted.
    let mut peer = stage.start().await;
    peer.send(&publish("p4", "three", &watts(3))).await;
    peer.expect_all(&[
        &event(ADVISER, "one", &watts(1), UNDER_CONSENT),
        &accepted("p4", "three"),
        &event(ADVISER, "three", &watts(3), UNDER_CONSENT),
    ])
    .await;
    nothing_else(&mut peer).await;
}

/// Who withdraws while another process holds the database is told that it is not recorded; it counts nevertheless.
#[tokio::test]
async fn a_consent_is_withdrawn_while_another_holds_the_database() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let mut other = database(&stage).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    is_told_to_repeat(&mut peer, "w1", &consent).await;
    let said = stage.cli_fails(&["consent", "revoke", &consent], 3);
    for word in ["held by another process", "nothing is sent", "not recorded", "repeat"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    lock.rollback().await.expect("rolled back");
    reaches(&mut peer, "two", &[]).await;
    is_withdrawn(&mut peer, "w2", &consent).await;
    reaches(&mut peer, "three", &[]).await;
    let events = stage.cli(&["consent", "show", &consent]);
    assert!(events.contains("withdrawn by camille@home.example"), "{events}");
}

#[tokio::test]
async fn asked_to_stop_while_another_holds_the_database() {
    let mut stage = Stage::home("").await;
    // The first start has something to write: the secrets of the installation.
    let first = stage.start().await;
    assert_eq!(stage.courant.stop().await.code(), Some(0));
    drop(first);
    let mut other = database(&stage).await;
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.expect("the lock");
    // Nothing is to be written of a database that is up to date: it starts, and answers.
    nothing_else(&mut stage.start().await).await;
    stage.courant.terminate();
    assert_eq!(stage.courant.ended(PATIENCE).await.code(), Some(0));
    lock.rollback().await.expect("rolled back");
    nothing_else(&mut stage.start().await).await;
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let mut stage = Stage::home("").await;
    let mut other = database(&stage).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut other)
    .await
    .expect("a later migration");
    other.close().await.expect("closed");
    is_left_alone(&mut stage, &["newer version", "9999", "nothing was changed"]).await;
}

#[tokio::test]
async fn a_damaged_file_is_left_alone() {
    let mut stage = Stage::home("").await;
    stage.consents(ADVISER, &[SERIES], &[]);
    let mut other = database(&stage).await;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut other).await.expect("folded");
    other.close().await.expect("closed");
    let path = stage.courant.directory().join("courant.db");
    let whole = std::fs::read(&path).expect("the file");
    // The whole beginning, as when something else was written over it; then all behind the first page.
    for damaged in [0..4096, 4096..whole.len()] {
        let mut bytes = whole.clone();
        bytes[damaged].fill(0xA5);
        std::fs::write(&path, &bytes).expect("damaged");
        let _ = std::fs::remove_file(stage.courant.directory().join("log"));
        is_left_alone(&mut stage, &["damaged", "backup", "nothing was changed"]).await;
    }
    // With a backup in its place all is well.
    std::fs::write(&path, &whole).expect("restored");
    stage.courant.start();
    nothing_else(&mut stage.server.accept().await).await;
}

/// A file system of its own, so small that it fills up; it goes with the namespace it is mounted in.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf, size: &str) -> Self {
        std::fs::create_dir_all(&at).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at);
        assert!(mount.status().expect("mount").success());
        SmallDisk(at)
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).status().expect("mount");
        assert!(done.success());
    }
}

#[tokio::test]
async fn the_disk_is_full() {
    if !inside("storage_trouble::the_disk_is_full") {
        return;
    }
    let mut stage = Stage::empty("").await;
    let disk = SmallDisk::mount(stage.courant.directory().join("disk"), "2m");
    stage.courant.set("COURANT_STORE__URL", &format!("sqlite:{}/courant.db", disk.0.display()));
    stage.series(SERIES, "gw@prod.example");
    stage.consents(ADVISER, &[SERIES], &[]);
    let mut peer = stage.start().await;
    // Until there is no room left.
    let filler: String =
        (0..2_000).map(|n| format!("<senml n='{SERIES}' t='{}' v='{n}.125'/>", 1_763_679_600 + n)).collect();
    let mut kept = 0;
    let refusal = loop {
        let (id, item) = (format!("p{kept}"), format!("item-{kept}"));
        peer.send(&publish_to(SERIES, &id, &item, &filler)).await;
        let answer = loop {
            let stanza = peer.recv_within(PATIENCE).await.expect("an answer");
            if stanza.starts_with("<iq") {
                break stanza;
            }
        };
        if matches(&accepted(&id, &item), &answer).is_err() {
            break answer;
        }
        kept += 1;
        assert!(kept < 1_000, "the disk never fills up");
    };
    let wanted = refused(&format!("p{kept}"), "internal-server-error", "wait", "");
    matches(&wanted, &refusal).unwrap_or_else(|e| panic!("{e}: {refusal}"));
    assert!(kept > 0, "not even one fits");
    stage.courant.log_says("full").await;

    // Room is made: it goes on by itself, and what was refused is taken as new.
    disk.resize("64m");
    let (id, item) = ("again".to_owned(), format!("item-{kept}"));
    peer.send(&publish_to(SERIES, &id, &item, &filler)).await;
    let (mut answered, mut delivered) = (false, false);
    while !(answered && delivered) {
        let stanza = peer.recv_within(PATIENCE).await.expect("it goes on");
        answered |= matches(&accepted(&id, &item), &stanza).is_ok();
        delivered |= stanza.starts_with("<message") && stanza.contains(&format!("<item id='{item}'"));
    }
    nothing_else(&mut peer).await;
    assert_eq!(stage.courant.stop().await.code(), Some(0));
    let mut store = SqliteConnection::connect(&format!("sqlite:{}/courant.db", disk.0.display()))
        .await
        .expect("the database");
    let whole: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut store).await.expect("checked");
    assert_eq!(whole, "ok");
    store.close().await.expect("closed");
    stage.cli(&["audit", "verify"]);
}
