//! `courant init`: writes a configuration and a secret, and prints what to add to the XMPP server.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use jid::{BareJid, Jid};

use super::Failure;
use super::show::say;
use crate::config::DEFAULT_FILE;

/// Writes courant.toml (or the file named with --config) and a secret beside it.
#[derive(Debug, Args)]
pub struct Init {
    /// The component's domain, a subdomain of your server's
    #[arg(long, value_name = "DOMAIN", default_value = "energy.example.org")]
    jid: String,

    /// Where your server listens for components
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5347")]
    server: String,

    /// Bare address of an operator; may be repeated
    #[arg(long, value_name = "JID", value_parser = crate::domain::party::parse_bare)]
    admin: Vec<BareJid>,

    /// The database; courant.db beside the configuration unless said
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,

    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn run(&self, file: Option<&Path>) -> Result<(), Failure> {
        match Jid::new(&self.jid) {
            Ok(jid) if jid.node().is_none() && jid.resource().is_none() => {}
            _ => {
                return Err(Failure::Usage(format!(
                    "'{}' is not a domain such as energy.example.org",
                    self.jid
                )));
            }
        }
        let port = self.server.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(Failure::Usage(format!(
                "--server '{}' has no port; write for example 127.0.0.1:5347",
                self.server
            )));
        }
        let file = file.unwrap_or(Path::new(DEFAULT_FILE));
        let folder = absolute(file.parent().unwrap_or(Path::new("")))?;
        let secret_file = folder.join("courant.secret");
        let database = match &self.database {
            Some(path) => absolute(path)?,
            None => folder.join("courant.db"),
        };
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let config = self.config(&secret_file, &database);
        if !self.force {
            [file, &secret_file].into_iter().try_for_each(not_there)?;
        }
        self.write(file, &config, 0o644)?;
        self.write(&secret_file, &format!("{secret}\n"), 0o600)?;
        self.explain(file, &secret_file, &secret);
        Ok(())
    }

    fn config(&self, secret_file: &Path, database: &Path) -> String {
        let admins: Vec<String> = self.admin.iter().map(|jid| quoted(jid.as_str())).collect();
        format!(
            "# Courant. Every key with its default is explained in courant.example.toml.\n\n\
             [component]\njid = {}\nserver = {}\nsecret_file = {}\n\n\
             [access]\nadmins = [{}]\n\n\
             [store]\nurl = {}\n",
            quoted(&self.jid),
            quoted(&self.server),
            quoted(&secret_file.display().to_string()),
            admins.join(", "),
            quoted(&format!("sqlite:{}", database.display())),
        )
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        options.write(true).mode(mode);
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let done = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        done.map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => there_already(path),
            _ => Failure::Refused(format!("{} cannot be written: {e}", path.display())),
        })
    }

    fn explain(&self, file: &Path, secret_file: &Path, secret: &str) {
        let (jid, port) = (&self.jid, self.server.rsplit(':').next().unwrap_or("5347"));
        say!("Written: {} and {}.\n", file.display(), secret_file.display());
        say!(
            "Add to Prosody (prosody.cfg.lua), then restart it (a reload does not start a new component):\n"
        );
        say!("    Component \"{jid}\"\n        component_secret = \"{secret}\"\n");
        say!("Or to ejabberd (ejabberd.yml, under `listen:`), then run `ejabberdctl reload_config`:\n");
        say!("    -\n      port: {port}\n      ip: \"127.0.0.1\"\n      module: ejabberd_service");
        say!("      access: all\n      hosts:\n        {jid}:\n          password: \"{secret}\"\n");
        say!("People on other servers reach {jid} if its name resolves to your server (DNS).");
        say!("Then: `courant check`, and `courant run`.");
    }
}

/// Before either file is written: one without the other would be of no use.
fn not_there(path: &Path) -> Result<(), Failure> {
    if path.exists() { Err(there_already(path)) } else { Ok(()) }
}

fn there_already(path: &Path) -> Failure {
    Failure::Refused(format!(
        "{} is there already; nothing was changed. Give --config a file in a folder of its own, or --force to overwrite \
         what is there (the server must be told the new secret too)",
        path.display()
    ))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// A TOML basic string; JSON strings are just that.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
