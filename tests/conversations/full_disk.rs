//! The disk is full, or cannot be written to, and then it can: whoever ends a consent meanwhile is served all the same.
//!
//! Each story has a small disk of its own, in a mount namespace of its own, so that nothing stays behind. Who is not
//! root needs user namespaces for that; where there are none, the stories are skipped, and say so.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::commands::{CAMILLE, command, filled};
use super::stage::{SERIES, Stage, UNDER_CONSENT, accepted, event, publish, refused, refused_to, watts};
use crate::support::{PATIENCE, Peer, matches};

const ADVISER: &str = "adviser@coop.example";
const LANDLORD: &str = "landlord@house.example";

/// Set where a story is told inside its namespace.
const INSIDE: &str = "COURANT_TEST_INSIDE_A_NAMESPACE";

/// Tells this story in a mount namespace of its own: true inside, where it is to be told.
pub(super) fn inside(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ways = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| {
        let mut probe = Command::new("unshare");
        probe.args(**way).args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"]);
        probe.output().is_ok_and(|done| done.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        // Said on the terminal itself, as a test that passes says nothing.
        let skipped = format!("SKIPPED: {story} needs a mount namespace (run as root)\n");
        eprint!("{skipped}");
        let _ = std::fs::write("/dev/tty", skipped);
        return false;
    };
    let done = Command::new("unshare")
        .args(*way)
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("conversations::{story}"), "--nocapture"])
        .env(INSIDE, "yes")
        .output()
        .expect("unshare");
    let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(done.status.success() && said.contains("1 passed"), "{story}, inside: {said}");
    false
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().expect(program);
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A file system of its own, mounted where it is filled, and where the service uses it.
struct Disk {
    /// Here it can be written to always.
    beneath: PathBuf,
    used: PathBuf,
}

impl Disk {
    fn mount(at: &Path) -> Self {
        let (beneath, used) = (at.join("beneath"), at.join("disk"));
        for folder in [&beneath, &used] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        let [beneath_path, used_path] = [&beneath, &used].map(|folder| folder.to_str().expect("a path"));
        run("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs", beneath_path]);
        run("mount", &["--bind", beneath_path, used_path]);
        Disk { beneath, used }
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut filler =
            std::fs::File::options().create(true).append(true).open(self.filler()).expect("a filler");
        let failure = std::io::copy(&mut std::io::repeat(7), &mut filler).expect_err("it never ends");
        assert_eq!(failure.kind(), std::io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> PathBuf {
        self.beneath.join("filler")
    }

    /// The reserve's length, and what it takes of the disk.
    fn reserve(&self) -> (u64, u64) {
        let about = self.used.join("courant.db-reserve").symlink_metadata().expect("a reserve");
        assert_eq!(about.mode() & 0o7777, 0o600);
        (about.len(), about.blocks() * 512)
    }

    /// The reserve is gone, and its room too.
    fn use_up_the_reserve(&self) {
        let file = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.beneath.join("courant.db-reserve"));
        file.and_then(|file| file.set_len(0)).expect("a reserve");
        self.fill();
    }

    /// From now on what is opened can be read only; what is open already is not affected.
    fn becomes_read_only(&self) {
        let [beneath, used] = [&self.beneath, &self.used].map(|folder| folder.to_str().expect("a path"));
        run("mount", &["--bind", beneath, used]);
        run("mount", &["-o", "remount,bind,ro", used]);
    }

    fn can_be_written_again(&self) {
        run("umount", &["--lazy", self.used.to_str().expect("a path")]);
    }
}

/// Camille's home on a small disk, with consents of the adviser and of the landlord.
async fn home() -> (Stage, Disk, [String; 2], Peer) {
    let mut stage = Stage::empty("").await;
    let disk = Disk::mount(stage.courant.directory());
    stage.courant.set("COURANT_STORE__URL", &format!("sqlite:{}/courant.db", disk.used.display()));
    stage.series(SERIES, "gw@prod.example");
    let consents = [ADVISER, LANDLORD].map(|who| stage.consents(who, &[SERIES], &[]));
    let peer = stage.start().await;
    (stage, disk, consents, peer)
}

/// Takes what comes until each of these has come; besides, people may be told of consents, but nothing be sent.
async fn hears(peer: &mut Peer, wanted: &[String]) {
    let mut missing: Vec<&String> = wanted.iter().collect();
    while !missing.is_empty() {
        let said = peer.recv().await;
        match missing.iter().position(|wanted| matches(wanted, &said).is_ok()) {
            Some(place) => drop(missing.remove(place)),
            None => assert!(is_notice(&said), "{said}\nwanted {missing:#?}"),
        }
    }
}

/// Whether people are told what became of a consent.
fn is_notice(said: &str) -> bool {
    said.starts_with("<message")
        && !said.contains("<items")
        && ["<ended", "<consent", "<body"].iter().any(|part| said.contains(part))
}

/// The gateway publishes, and these hear of it, and nobody else.
pub(super) async fn reaches(peer: &mut Peer, item: &str, whom: &[&str]) {
    peer.send(&publish(item, item, &watts(7))).await;
    let mut wanted = vec![accepted(item, item)];
    wanted.extend(whom.iter().map(|who| event(who, item, &watts(7), UNDER_CONSENT)));
    hears(peer, &wanted).await;
    let ping = "<iq type='get' from='admin@example.org/d' to='energy.example.org' id='there'>
                  <ping xmlns='urn:xmpp:ping'/></iq>";
    peer.send(ping).await;
    let pong = "<iq type='result' from='energy.example.org' to='admin@example.org/d' id='there'/>";
    hears(peer, &[pong.to_owned()]).await;
}

async fn is_refused(peer: &mut Peer, item: &str) {
    peer.send(&publish(item, item, &watts(7))).await;
    hears(peer, &[refused(item, "internal-server-error", "wait", "")]).await;
}

fn withdrawal(id: &str, consent: &str) -> String {
    command(CAMILLE, id, "withdraw-consent", "", &filled(&[("id", consent)]))
}

/// Camille withdraws, and it cannot be recorded.
pub(super) async fn is_told_to_repeat(peer: &mut Peer, id: &str, consent: &str) {
    peer.send(&withdrawal(id, consent)).await;
    // Ten seconds where somebody else holds the database.
    let said = peer.recv_within(PATIENCE).await.expect("an answer");
    let wanted = refused_to("iq", CAMILLE, id, "internal-server-error", "wait", "");
    let words = matches(&wanted, &said).unwrap_or_else(|e| panic!("{e}: {said}"));
    for word in ["nothing is sent for now", "not recorded", "repeat"] {
        assert!(words["text"].contains(word), "{word} in {said}");
    }
}

pub(super) async fn is_withdrawn(peer: &mut Peer, id: &str, consent: &str) {
    peer.send(&withdrawal(id, consent)).await;
    let said = peer.recv_iq().await;
    assert!(said.contains("status='completed'"), "{said}");
}

/// The recipient is told of the end, sooner or later.
async fn is_told(peer: &mut Peer, consent: &str) {
    loop {
        let said = peer.recv().await;
        assert!(is_notice(&said), "{said}");
        if said.contains(&format!("<ended xmlns='urn:courant:0' consent='{consent}'")) {
            return;
        }
    }
}

fn state(stage: &Stage, consent: &str) -> String {
    let shown: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", consent, "--json"])).expect("JSON");
    shown["state"].as_str().expect("a state").to_owned()
}

/// All there is to be written is written, and the log holds.
async fn all_is_well(stage: &mut Stage, mut peer: Peer) {
    stage.cli(&["series", "edit", SERIES, "--title", "Kitchen"]);
    let language = command(CAMILLE, "l", "language", "", &filled(&[("language", "fr")]));
    peer.send(&language).await;
    let said = peer.recv_iq().await;
    assert!(said.contains("status='completed'"), "{said}");
    assert_eq!(stage.courant.stop().await.code(), Some(0));
    drop(peer);
    stage.cli(&["audit", "verify"]);
}

#[tokio::test]
async fn an_end_is_recorded_on_a_full_disk() {
    if !inside("full_disk::an_end_is_recorded_on_a_full_disk") {
        return;
    }
    let (mut stage, disk, [advisers, landlords], mut peer) = home().await;
    assert!(disk.reserve().1 >= 1024 * 1024, "really allocated: {:?}", disk.reserve());
    reaches(&mut peer, "before", &[ADVISER, LANDLORD]).await;
    disk.fill();
    is_refused(&mut peer, "full").await;
    is_withdrawn(&mut peer, "w1", &advisers).await;
    assert_eq!(state(&stage, &advisers), "withdrawn");
    assert_eq!(disk.reserve().0, 0, "the reserve was let go");
    // What it gave is kept for others who end one.
    is_refused(&mut peer, "still-full").await;
    stage.cli(&["consent", "suspend", &landlords]);
    assert_eq!(state(&stage, &landlords), "suspended");
    is_refused(&mut peer, "still-full").await;

    // There is room again: the reserve is made anew before anything else is taken.
    disk.make_room();
    reaches(&mut peer, "after", &[]).await;
    assert!(disk.reserve().1 >= 1024 * 1024, "{:?}", disk.reserve());
    stage.cli(&["consent", "resume", &landlords]);
    reaches(&mut peer, "resumed", &[LANDLORD]).await;
    all_is_well(&mut stage, peer).await;
}

#[tokio::test]
async fn an_end_that_cannot_be_recorded_counts_nevertheless() {
    if !inside("full_disk::an_end_that_cannot_be_recorded_counts_nevertheless") {
        return;
    }
    let (mut stage, disk, [advisers, landlords], mut peer) = home().await;
    reaches(&mut peer, "before", &[ADVISER, LANDLORD]).await;
    disk.fill();
    disk.use_up_the_reserve();
    is_refused(&mut peer, "full").await;
    is_told_to_repeat(&mut peer, "w1", &advisers).await;
    let said = stage.cli_fails(&["consent", "suspend", &landlords], 3);
    for word in ["full", "nothing is sent", "not recorded", "repeat"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert_eq!([state(&stage, &advisers), state(&stage, &landlords)], ["active", "active"]);

    // There is room again, and what is published is taken; neither gets it, nor asks for it in vain by another way.
    disk.make_room();
    reaches(&mut peer, "room", &[]).await;
    let not_subscribed = "<not-subscribed xmlns='http://jabber.org/protocol/pubsub#errors'/>";
    for (who, asked) in [(ADVISER, "a"), (LANDLORD, "l")] {
        peer.ask(
            &format!(
                "<iq type='get' from='{who}/desk' to='energy.example.org' id='{asked}'>
                   <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{SERIES}'/></pubsub>
                 </iq>"
            ),
            &refused_to("iq", &format!("{who}/desk"), asked, "not-authorized", "auth", not_subscribed),
        )
        .await;
    }
    // It is recorded when it is repeated, and stays so.
    is_withdrawn(&mut peer, "w2", &advisers).await;
    is_told(&mut peer, &advisers).await;
    stage.cli(&["consent", "suspend", &landlords]);
    stage.cli(&["consent", "resume", &landlords]);
    reaches(&mut peer, "resumed", &[LANDLORD]).await;
    assert_eq!([state(&stage, &advisers), state(&stage, &landlords)], ["withdrawn", "active"]);
    all_is_well(&mut stage, peer).await;
}

/// SQLite opens a file that cannot be written for reading alone, and never looks again whether it can.
#[tokio::test]
async fn a_disk_that_was_full_and_read_only_is_written_to_again() {
    if !inside("full_disk::a_disk_that_was_full_and_read_only_is_written_to_again") {
        return;
    }
    let (mut stage, disk, [advisers, landlords], mut peer) = home().await;
    disk.fill();
    disk.use_up_the_reserve();
    disk.becomes_read_only();
    // What was open is closed when it fails, and opened anew for reading.
    for round in 0..5 {
        is_refused(&mut peer, &format!("full-{round}")).await;
        is_told_to_repeat(&mut peer, &format!("w-{round}"), &advisers).await;
    }
    disk.make_room();
    for round in 0..5 {
        is_refused(&mut peer, &format!("read-only-{round}")).await;
        is_told_to_repeat(&mut peer, &format!("r-{round}"), &advisers).await;
    }
    let said = stage.cli_fails(&["consent", "revoke", &landlords], 3);
    assert!(said.contains("read-only") && said.contains("not recorded"), "{said}");
    disk.can_be_written_again();
    reaches(&mut peer, "room", &[]).await;
    is_withdrawn(&mut peer, "again", &advisers).await;
    stage.cli(&["consent", "revoke", &landlords]);
    is_told(&mut peer, &landlords).await;
    reaches(&mut peer, "over", &[]).await;
    all_is_well(&mut stage, peer).await;
}

/// No service runs, so the files that readers and writers share must be made too.
#[tokio::test]
async fn an_operator_ends_one_on_a_full_disk_while_no_service_runs() {
    if !inside("full_disk::an_operator_ends_one_on_a_full_disk_while_no_service_runs") {
        return;
    }
    let (mut stage, disk, [advisers, landlords], peer) = home().await;
    assert_eq!(stage.courant.stop().await.code(), Some(0));
    drop(peer);
    disk.fill();
    stage.cli(&["consent", "revoke", &advisers]);
    assert_eq!(disk.reserve().0, 0);
    disk.fill();
    let said = stage.cli_fails(&["consent", "revoke", &landlords], 3);
    assert!(said.contains("full") || said.contains("cannot open"), "{said}");
    disk.make_room();
    assert_eq!([state(&stage, &advisers), state(&stage, &landlords)], ["revoked", "active"]);
    let mut peer = stage.start().await;
    is_told(&mut peer, &advisers).await;
    assert!(disk.reserve().1 >= 1024 * 1024, "made anew: {:?}", disk.reserve());
    reaches(&mut peer, "after", &[LANDLORD]).await;
    all_is_well(&mut stage, peer).await;
}
