//! The command line: one file per verb.
//!
//! Exit codes: 0 done, 1 refused or not found, 2 wrong usage or configuration, 3 store, 4 server not
//! reachable or not accepting.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::control::{self, Told};
use crate::config::{Config, ConfigError};
use crate::domain::clock::Clock;
use crate::store::{Store, StoreError};

pub mod audit;
pub mod check;
pub mod consent;
mod consent_add;
mod consent_edit;
mod consent_revoke;
pub mod init;
mod lines;
pub mod queue;
pub mod run;
pub mod senml;
pub mod series;
mod series_edit;
mod show;
mod transfer;

/// Relays energy measurements over XMPP, under the consent of the person concerned.
///
/// A first time: `courant init` writes a configuration and says what to add to the XMPP server,
/// `courant check` tells whether all is in place, `courant run` is the service.
#[derive(Debug, Parser)]
#[command(name = "courant", version, max_term_width = 100)]
pub struct Cli {
    /// The configuration; ./courant.toml, then /etc/courant/courant.toml unless said
    #[arg(long, global = true, value_name = "FILE", env = "COURANT_CONFIG")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a configuration, and print what to add to Prosody or ejabberd
    Init(init::Init),
    /// Say whether configuration, store and server are in order: a line per problem, or ok
    Check,
    /// Run the service, until SIGTERM or Ctrl-C
    Run,
    /// See and change consents
    #[command(subcommand)]
    Consent(consent::Verb),
    /// See and register series
    #[command(subcommand)]
    Series(series::Verb),
    /// See what waits to be delivered, and decide about what cannot be
    #[command(subcommand)]
    Queue(queue::Verb),
    /// Verify and export the log of what was sent or refused
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Check, resolve and convert SenML packs, for people who debug a gateway
    Senml(senml::SenmlArgs),
}

/// Why a verb did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// Refused, or not found: 1.
    Refused(String),
    /// Wrong usage or configuration: 2.
    Usage(String),
    /// The store: 3.
    Store(StoreError),
    /// The store could not take the end of a consent: 3.
    NotRecorded(String),
    /// The server: 4.
    Server(String),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Failure::Refused(_) | Failure::Store(StoreError::Exists { .. } | StoreError::Consent(_)) => 1,
            Failure::Usage(_) => 2,
            Failure::Store(_) | Failure::NotRecorded(_) => 3,
            Failure::Server(_) => 4,
        }
    }

    fn text(&self) -> String {
        match self {
            Failure::Refused(text)
            | Failure::Usage(text)
            | Failure::Server(text)
            | Failure::NotRecorded(text) => text.clone(),
            Failure::Store(error) => error.to_string(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Usage(error.to_string())
    }
}

/// Reads the command line, does what it says, and says in one line what went wrong if something did.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Verb::Senml(arguments) = &cli.verb {
        let now = Clock::start().now().seconds();
        return ExitCode::from(senml::run(arguments, now));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("courant: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("courant: {}", failure.text());
            ExitCode::from(failure.code())
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let file = cli.config.as_deref();
    match cli.verb {
        Verb::Init(init) => init.run(file),
        Verb::Check => check::run(file).await,
        Verb::Run => run::run(&Config::load(file)?).await,
        Verb::Consent(verb) => verb.run(&Config::load(file)?).await,
        Verb::Series(verb) => verb.run(&Config::load(file)?).await,
        Verb::Queue(verb) => verb.run(&Config::load(file)?).await,
        Verb::Audit(verb) => verb.run(&Config::load(file)?).await,
        Verb::Senml(_) => Ok(()), // done above, without a runtime
    }
}

async fn open(config: &Config) -> Result<Store, Failure> {
    Ok(Store::open(&config.store.url, config.delivery.durability).await?)
}

/// Waits until the running service, if there is one, has taken what was changed.
async fn tell_service(config: &Config) -> Result<(), Failure> {
    let Some(path) = control::path_of(&config.store.url) else { return Ok(()) };
    match control::tell(&path).await {
        Told::Taken | Told::NobodyThere => Ok(()),
        Told::NoAnswer(why) => Err(Failure::Refused(format!(
            "the change is recorded, but the running service did not confirm that it has taken it ({why}); \
             look at its log, or restart it to be sure"
        ))),
    }
}

async fn open_for_an_end(config: &Config) -> Result<Store, Failure> {
    Ok(Store::open_for_an_end(&config.store.url, config.delivery.durability).await?)
}

/// Where it was the end of a consent that could not be recorded, the running service, if there is one, sends nothing
/// more under it.
async fn not_recorded(config: &Config, error: StoreError) -> Failure {
    let StoreError::NotRecorded { cause, ids, .. } = error else { return error.into() };
    let told = match control::path_of(&config.store.url) {
        Some(path) => control::halt(&path, &ids).await,
        None => Told::NobodyThere,
    };
    let sent = match told {
        Told::Taken => "nothing is sent under it for now, which a restart of the service forgets".to_owned(),
        Told::NobodyThere => "nothing is sent as long as no service runs".to_owned(),
        Told::NoAnswer(why) => format!(
            "the running service did not confirm that it sends nothing more under it ({why}): stop it to be sure"
        ),
    };
    Failure::NotRecorded(format!("{cause}. This is not recorded: repeat it then; {sent}"))
}

/// Who acts, for the record: the operator at the command line.
fn actor() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    if user.is_empty() { "cli".into() } else { format!("cli:{user}") }
}
