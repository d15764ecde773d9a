//! The real binary, with its configuration and store in a directory of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::server::PATIENCE;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory with a configuration, and the service while it runs. Both end when it is dropped.
#[derive(Debug)]
pub(crate) struct Courant {
    directory: PathBuf,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Courant {
    /// Write a configuration for a component at this server; `more` is TOML that comes behind the
    /// sections `[component]`, `[access]` and `[store]`. Nothing runs yet.
    pub(crate) fn configured(domain: &str, server: &str, secret: &str, more: &str) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("courant-test-{}-{count}", std::process::id()));
        // Left over from a process of the same number.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("secret"), secret).expect("the secret");
        let at = directory.display();
        let config = format!(
            "[component]\njid = \"{domain}\"\nserver = \"{server}\"\nsecret_file = \"{at}/secret\"\n\n\
             [access]\nadmins = [\"admin@example.org\"]\n\n[store]\nurl = \"sqlite:{at}/courant.db\"\n\n{more}\n"
        );
        fs::write(directory.join("courant.toml"), config).expect("the configuration");
        Courant { directory, environment: Vec::new(), child: None }
    }

    /// The same, and running.
    pub(crate) fn started(domain: &str, server: &str, secret: &str, more: &str) -> Self {
        let mut courant = Self::configured(domain, server, secret, more);
        courant.start();
        courant
    }

    /// A variable of the environment of all that is run from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Start the service, for the first time or again, with the same files.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.directory.join("log")).expect("a log");
        let child = self
            .command(&["run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary");
        self.child = Some(child);
    }

    /// Run another verb with the same configuration, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().expect("the binary")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_courant"));
        command.arg("--config").arg(self.directory.join("courant.toml")).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Wait until its log says so.
    pub(crate) async fn log_says(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "its log never says {words:?}:\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Ask it to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        let pid = self.pid().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success(), "no process {pid}");
    }

    /// Ask it to end (SIGTERM) and wait.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.ended(PATIENCE).await
    }

    /// End it as a crash would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Wait for its end.
    pub(crate) async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            let child = self.child.as_mut().expect("it runs");
            if let Some(status) = child.try_wait().expect("wait") {
                self.child = None;
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {patience:?}:\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Courant {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.directory.display(), self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
