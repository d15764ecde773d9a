//! Who consents, and who changes their mind: the command line, beside the service.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ledger::End;
use super::rng::Rng;
use super::server::{DOMAINS, SERIES, SERVICE, Server, series_name};

/// Recipients at each server.
const RECIPIENTS: usize = 2;

/// Whether a consent stands from the beginning to the end.
fn is_steady(recipient: &str, series: usize) -> bool {
    recipient.starts_with("r0@") || recipient == SERVICE && series.is_multiple_of(2)
}

pub(crate) struct People {
    configuration: PathBuf,
    server: Server,
    rng: Rng,
    stop: Arc<AtomicBool>,
}

impl People {
    pub(crate) fn new(directory: &Path, server: Server, rng: Rng) -> Self {
        let configuration = directory.join("courant.toml");
        People { configuration, server, rng, stop: Arc::default() }
    }

    /// Set it, and nobody changes their mind any more.
    pub(crate) fn stop_handle(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// What is there from the beginning.
    pub(crate) fn settle_in(self) -> Self {
        for series in 0..SERIES {
            let (name, gateway) = (series_name(series), format!("gw{series}@prod.example"));
            let arguments =
                ["series", "add", &name, "--owner", "camille@home.example", "--producer", &gateway];
            let output = self.cli(&arguments);
            assert!(output.status.success(), "{output:?}");
            self.give(SERVICE, series);
            for domain in DOMAINS.into_iter().filter(|domain| *domain != SERVICE) {
                for recipient in 0..RECIPIENTS {
                    // Not everybody has everything.
                    if recipient == 0 || series % 2 == 0 {
                        self.give(&format!("r{recipient}@{domain}"), series);
                    }
                }
            }
        }
        self
    }

    /// Ends a consent now and then, and gives it anew, until told to stop.
    pub(crate) fn change_their_minds(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(self.rng.within(50, 1_500)));
            let standing: Vec<(String, String, usize)> = self.server.book(|book| {
                let standing = book.consents.iter().filter(|c| c.end == End::Not);
                let standing = standing.filter(|c| !is_steady(&c.recipient, c.series));
                standing.map(|c| (c.id.clone(), c.recipient.clone(), c.series)).collect()
            });
            let Some((id, recipient, series)) =
                standing.get(self.rng.below(100) as usize % standing.len().max(1))
            else {
                return;
            };
            self.end(id);
            if self.rng.percent(80) {
                self.give(recipient, *series);
            }
        }
    }

    fn give(&self, recipient: &str, series: usize) {
        let before = self.server.book(|book| book.acknowledged_before(series));
        let name = series_name(series);
        let format = if recipient == SERVICE { "publish" } else { "pubsub" };
        let output = self.cli(&[
            "consent",
            "add",
            "--json",
            "--subject",
            "camille@home.example",
            "--recipient",
            recipient,
            "--purpose",
            "advice",
            "--scope",
            &name,
            "--format",
            format,
        ]);
        let record: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        let id = record.as_ref().and_then(|record| record["id"].as_str());
        match id {
            Some(id) if output.status.success() => {
                self.server.book(|book| book.given(id, recipient, series, before));
            }
            // It is recorded, but the service was killed before it said that it knows. Which id it has, is
            // not said; so it is looked up.
            _ => {
                assert!(is_recorded(&output), "{output:?}");
                let list =
                    self.cli(&["consent", "list", "--json", "--recipient", recipient, "--state", "active"]);
                let list: serde_json::Value = serde_json::from_slice(&list.stdout).expect("a list");
                let fresh = list.as_array().into_iter().flatten().filter(|c| c["scope"][0] == *name);
                let fresh: Vec<&str> = fresh.filter_map(|c| c["id"].as_str()).collect();
                let [id] = fresh[..] else { panic!("not one consent for {recipient} and {name}: {list}") };
                self.server.book(|book| book.given(id, recipient, series, before));
            }
        }
    }

    fn end(&self, id: &str) {
        self.server.book(|book| book.set_end(id, End::Perhaps));
        let output = self.cli(&["consent", "revoke", id]);
        if output.status.success() {
            self.server.ended(id);
        } else {
            assert!(is_recorded(&output), "{output:?}");
            self.server.book(|book| book.set_end(id, End::WithTheNextProcess));
        }
    }

    fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_courant"));
        command.arg("--config").arg(&self.configuration).args(arguments).output().expect("the binary")
    }
}

fn is_recorded(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("the change is recorded")
}
