//! One TOML file (DESIGN §8), every key of which can be overridden by `COURANT_SECTION__KEY`.
//!
//! Defaults live here; `config/courant.example.toml` explains every key, and a test keeps the two in step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use jid::{BareJid, Jid};
use jiff::tz::TimeZone;
use serde::Deserialize;
use thiserror::Error;

use crate::domain::data_need::DataNeed;
use crate::domain::draft::Usual;
use crate::domain::period::Period;
use crate::store::Durability;
use crate::store::disclosures::checkpoint::key_file;
use crate::transport::secret::Secret;

/// Where the configuration is looked for when no file is named.
pub const DEFAULT_FILE: &str = "courant.toml";

/// And then there.
pub const SYSTEM_FILE: &str = "/etc/courant/courant.toml";

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No file.
    #[error(
        "there is no configuration: neither {DEFAULT_FILE} here nor {SYSTEM_FILE}; write one with 'courant init', or name yours with --config"
    )]
    NoFile,
    /// The named file is not there.
    #[error("the configuration {0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// A value is wrong.
    #[error("the configuration is not right: {0}")]
    Wrong(String),
}

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who we are, and which server we attach to.
    pub component: Component,
    /// Who may do what.
    #[serde(default)]
    pub access: Access,
    /// Where data is kept.
    pub store: StoreConfig,
    /// Defaults of nodes.
    #[serde(default)]
    pub pubsub: Pubsub,
    /// Defaults and bounds of consents.
    #[serde(default)]
    pub consent: ConsentConfig,
    /// Requests that may be named.
    #[serde(default)]
    pub data_needs: Vec<DataNeed>,
    /// The service itself.
    #[serde(default)]
    pub service: Service,
    /// How hard to try.
    #[serde(default)]
    pub delivery: Delivery,
    /// Sources that keep the history of their series themselves.
    #[serde(default)]
    pub upstream: Upstream,
    /// The disclosure log.
    #[serde(default)]
    pub audit: Audit,
    /// How much is too much.
    #[serde(default)]
    pub limits: Limits,
}

/// `[component]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The component's domain.
    pub jid: String,
    /// Host and port of the server's component listener (XEP-0114).
    pub server: String,
    /// The shared secret.
    #[serde(default, deserialize_with = "secret")]
    pub secret: Option<Secret>,
    /// Or a file that holds it.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The server's own domain; the parent of `jid` unless said.
    #[serde(default)]
    pub server_domain: Option<String>,
}

/// `[access]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Bare addresses of the operators.
    pub admins: Vec<BareJid>,
    /// Who may create nodes.
    pub create_nodes: CreateNodes,
}

impl Default for Access {
    fn default() -> Self {
        Access { admins: Vec::new(), create_nodes: CreateNodes::Producers }
    }
}

/// Who may create nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreateNodes {
    /// Producers, under what is registered for them, and admins.
    Producers,
    /// Anyone.
    Anyone,
    /// Admins alone.
    Admins,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:` and a path.
    pub url: String,
}

/// `[pubsub]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pubsub {
    /// Access model of new nodes.
    pub access_model: AccessModel,
    /// How long items of new nodes are kept.
    pub retention: Period,
    /// Type of the messages that leave.
    pub notification_type: NotificationType,
    /// Which payloads are taken.
    pub payloads: Payloads,
}

impl Default for Pubsub {
    fn default() -> Self {
        Pubsub {
            access_model: AccessModel::Authorize,
            retention: period("P0D"),
            notification_type: NotificationType::Normal,
            payloads: Payloads::Senml,
        }
    }
}

/// Access models (XEP-0060 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessModel {
    /// By consent.
    Authorize,
    /// Open data.
    Open,
    /// A list.
    Whitelist,
}

/// Message types of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationType {
    /// Kept by servers for accounts that are offline.
    Normal,
    /// Dropped by servers for accounts that are offline.
    Headline,
}

/// Which payloads are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payloads {
    /// SenML.
    Senml,
    /// Any, on open and whitelist nodes.
    Any,
}

/// `[consent]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentConfig {
    /// How long a recipient may keep what it got, unless the consent says otherwise.
    pub retention: Period,
    /// How long a consent runs, unless it says otherwise.
    pub duration: Period,
    /// How long a consent may run at most.
    pub maximum: Period,
    /// How long a request waits for an answer.
    pub request_timeout: Period,
    /// How many requests of one asker may wait.
    pub requests_max: usize,
    /// How long to wait for late measurements, once the data window is over, before a consent is fulfilled.
    pub fulfilled_after: Period,
    /// How long before its end the person is reminded; not, if zero.
    pub remind_before: Period,
    /// How often the person is reminded while it runs; not, if zero.
    pub remind_every: Period,
    /// Where days begin that measurements are reduced to: a name of the IANA time zone database.
    pub timezone: String,
}

impl ConsentConfig {
    /// What a consent says where it is silent.
    pub fn usual(&self) -> Usual {
        Usual {
            duration: self.duration.clone(),
            retention: self.retention.clone(),
            maximum: self.maximum.clone(),
        }
    }

    /// The time zone by which periods begin.
    pub fn time_zone(&self) -> Result<TimeZone, ConfigError> {
        let name = &self.timezone;
        TimeZone::get(name).map_err(|_| {
            ConfigError::Wrong(format!(
                "[consent] timezone '{name}' is not a name of the time zone database; write for example UTC or Europe/Paris"
            ))
        })
    }
}

impl Default for ConsentConfig {
    fn default() -> Self {
        ConsentConfig {
            retention: period("P1Y"),
            duration: period("P1Y"),
            maximum: period("P3Y"),
            request_timeout: period("P7D"),
            requests_max: 20,
            fulfilled_after: period("P2D"),
            remind_before: period("P14D"),
            remind_every: period("P90D"),
            timezone: "UTC".into(),
        }
    }
}

/// `[service]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// Language of those who did not choose: `en` or `fr`.
    pub language: String,
    /// `text` or `json`.
    pub log: LogFormat,
}

impl Default for Service {
    fn default() -> Self {
        Service { language: "en".into(), log: LogFormat::Text }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// What a commit survives.
    pub durability: Durability,
    /// How long to wait for the answer to a ping.
    pub ping_timeout: Period,
    /// Longest wait between tries for a domain that is down.
    pub retry_max: Period,
    /// How long an item is worth delivering.
    pub time_to_live: Period,
    /// How long a domain that has never answered is waited for before one's own server's answer counts.
    pub first_contact: Period,
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery {
            durability: Durability::Full,
            ping_timeout: period("PT30S"),
            retry_max: period("PT5M"),
            time_to_live: period("P7D"),
            first_contact: period("PT15M"),
        }
    }
}

/// `[upstream]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// How long whoever asks waits for the source's answer.
    pub timeout: Period,
    /// How many requests may wait for answers of sources, in all.
    pub questions: usize,
    /// How many of one bare address.
    pub questions_per_asker: usize,
}

impl Default for Upstream {
    fn default() -> Self {
        Upstream { timeout: period("PT25S"), questions: 64, questions_per_asker: 4 }
    }
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The key that signs checkpoints; beside the database unless said.
    pub key_file: Option<PathBuf>,
    /// How often the service signs, if something was added.
    pub checkpoint_every: Period,
}

impl Default for Audit {
    fn default() -> Self {
        Audit { key_file: None, checkpoint_every: period("PT10M") }
    }
}

/// `[limits]`; 0 switches one off.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Per sender, with a burst of ten times that.
    pub publishes_per_second: u32,
    /// Records in one pack.
    pub pack_records: usize,
    /// Bytes of one stanza.
    pub stanza_bytes: usize,
    /// Packs that may wait to be delivered, counted once per destination.
    pub queue_packs: usize,
    /// Items that are known again when they are published again, at most.
    pub repetitions: usize,
    /// Nodes that one address may make.
    pub nodes: usize,
    /// Subscriptions of one bare address.
    pub subscriptions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            publishes_per_second: 200,
            pack_records: 10_000,
            stanza_bytes: 1_048_576,
            queue_packs: 10_000_000,
            repetitions: 2_000_000,
            nodes: 10_000,
            subscriptions: 100_000,
        }
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.map(Secret::new))
}

/// A default, which is right by the test below.
fn period(text: &str) -> Period {
    text.parse().unwrap_or_else(|e| unreachable!("{e}"))
}

impl Config {
    /// Reads the file named, or the first of the usual ones; then the environment on top.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let path = match file {
            Some(path) => path.to_owned(),
            None => [DEFAULT_FILE, SYSTEM_FILE]
                .iter()
                .map(PathBuf::from)
                .find(|path| path.exists())
                .ok_or(ConfigError::NoFile)?,
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|e| ConfigError::Unreadable(path.clone(), e.to_string()))?;
        Self::read(&text, &path.display().to_string())
    }

    /// Reads a text as a configuration file, then the environment on top.
    pub fn read(text: &str, source: &str) -> Result<Self, ConfigError> {
        let environment = Env::prefixed("COURANT_").filter(|key| key.as_str().contains("__")).split("__");
        let config: Config = Figment::from(Toml::string(text))
            .merge(environment)
            .extract()
            .map_err(|e| ConfigError::Wrong(format!("{source}: {e}")))?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let wrong = |text: String| Err(ConfigError::Wrong(text));
        match Jid::new(&self.component.jid) {
            Ok(jid) if jid.node().is_none() && jid.resource().is_none() => {}
            _ => {
                let jid = &self.component.jid;
                return wrong(format!("[component] jid '{jid}' is not a domain such as energy.example.org"));
            }
        }
        if !self.component.server.contains(':') {
            let server = &self.component.server;
            return wrong(format!(
                "[component] server '{server}' has no port; write for example 127.0.0.1:5347"
            ));
        }
        if self.component.secret.is_none() && self.component.secret_file.is_none() {
            return wrong(
                "[component] needs secret_file (or secret): the secret that the server knows".into(),
            );
        }
        if !matches!(&*self.service.language, "en" | "fr") {
            return wrong(format!(
                "[service] language '{}' is not spoken; write en or fr",
                self.service.language
            ));
        }
        if self.delivery.ping_timeout.nominal() < Duration::from_secs(1) {
            return wrong("[delivery] ping_timeout is shorter than a second (PT1S)".into());
        }
        if self.upstream.timeout.nominal() < Duration::from_secs(1) {
            return wrong("[upstream] timeout is shorter than a second (PT1S)".into());
        }
        if self.upstream.questions == 0 || self.upstream.questions_per_asker == 0 {
            return wrong(
                "[upstream] questions and questions_per_asker are at least 1; without a limit, whoever asks \
                 could fill the memory with what waits"
                    .into(),
            );
        }
        self.consent.time_zone()?;
        for (place, need) in self.data_needs.iter().enumerate() {
            need.check().map_err(ConfigError::Wrong)?;
            if self.data_needs[..place].iter().any(|other| other.id == need.id) {
                return wrong(format!("[[data_needs]] there are two of id '{}'", need.id));
            }
        }
        if self.audit.checkpoint_every.nominal() < Duration::from_secs(1) {
            return wrong("[audit] checkpoint_every is shorter than a second (PT1S)".into());
        }
        Ok(())
    }

    /// The file of the key that signs the disclosure log: as said, or beside the database.
    pub fn audit_key_file(&self) -> Option<PathBuf> {
        self.audit.key_file.clone().or_else(|| key_file(&self.store.url))
    }

    /// The component's domain in its prepared form, which is what servers write into `to`.
    pub fn jid(&self) -> String {
        Jid::new(&self.component.jid).map_or_else(|_| self.component.jid.clone(), |jid| jid.to_string())
    }

    /// The secret, from the configuration or from its file; white space around it does not count.
    pub fn secret(&self) -> Result<Secret, ConfigError> {
        if let Some(secret) = &self.component.secret {
            return Ok(secret.clone());
        }
        let Some(path) = &self.component.secret_file else {
            return Err(ConfigError::Wrong("[component] secret_file is missing".into()));
        };
        let text = std::fs::read_to_string(path).map_err(|e| {
            ConfigError::Wrong(format!("[component] secret_file {} cannot be read: {e}", path.display()))
        })?;
        match text.trim() {
            "" => Err(ConfigError::Wrong(format!("[component] secret_file {} is empty", path.display()))),
            secret => Ok(Secret::new(secret)),
        }
    }

    /// The domain of one's own server: as said, or the parent of the component's.
    pub fn server_domain(&self) -> String {
        let own = self.jid();
        match &self.component.server_domain {
            Some(domain) => domain.clone(),
            None => own.split_once('.').map_or(own.clone(), |(_, parent)| parent.to_owned()),
        }
    }
}

/// A limit as the program uses it: none where it is 0.
pub fn limit(value: usize) -> usize {
    if value == 0 { usize::MAX } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "[component]\njid='energy.example.org'\nserver='127.0.0.1:5347'\nsecret='s3'\n\
                         [store]\nurl='sqlite:x.db'\n";

    const NEED: &str = "[[data_needs]]\nid='a'\npurpose='b'\nscope=['urn:a']\n";

    #[test]
    fn the_least_configuration_has_all_defaults() {
        let config = Config::read(LEAST, "test").unwrap();
        assert_eq!(config.server_domain(), "example.org");
        assert_eq!(config.delivery.time_to_live.nominal(), Duration::from_secs(7 * 86_400));
        assert_eq!(config.limits.stanza_bytes, 1_048_576);
        assert!(!format!("{config:?}").contains("s3"), "the secret never prints");
        assert_eq!(config.secret().unwrap().expose(), "s3");
    }

    #[test]
    fn the_example_says_what_the_defaults_are() {
        let text = include_str!("../config/courant.example.toml");
        let example = Config::read(text, "example").unwrap();
        // Commented-out keys show the defaults: with all of them in force nothing changes but the names.
        let all: String =
            text.lines().map(|line| line.strip_prefix("#= ").unwrap_or(line).to_owned() + "\n").collect();
        let spelled_out = Config::read(&all, "example").unwrap();
        let shown = |config: &Config| {
            format!(
                "{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
                config.access.create_nodes,
                config.pubsub,
                config.consent,
                config.service,
                config.delivery,
                config.upstream,
                config.audit,
                config.limits
            )
        };
        assert_eq!(shown(&example), shown(&spelled_out));
        assert_eq!(shown(&example), shown(&Config::read(LEAST, "test").unwrap()));
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, word) in [
            (LEAST.replace("energy.example.org", "a@b"), "jid"),
            (LEAST.replace(":5347", ""), "port"),
            (LEAST.replace("secret='s3'\n", ""), "secret_file"),
            (format!("{LEAST}[delivery]\nping_timeout='30'\n"), "ISO 8601"),
            (format!("{LEAST}[audit]\ncheckpoint_every='PT0S'\n"), "checkpoint_every"),
            (format!("{LEAST}[upstream]\ntimeout='PT0S'\n"), "timeout"),
            (format!("{LEAST}[upstream]\nquestions_per_asker=0\n"), "questions_per_asker"),
            (format!("{LEAST}[limit]\n"), "limit"),
            (format!("{LEAST}[service]\nlanguage='de'\n"), "language"),
            (format!("{LEAST}[consent]\ntimezone='Paris'\n"), "Europe/Paris"),
            (format!("{LEAST}{NEED}{NEED}"), "two of id 'a'"),
            (format!("{LEAST}{}", NEED.replace("urn:a", "*")), "scope"),
        ] {
            let error = Config::read(&text, "test").unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
