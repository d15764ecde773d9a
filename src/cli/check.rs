//! `courant check`: is everything in place? A line per problem with its remedy, or `ok`.

use std::path::Path;

use super::Failure;
use super::show::say;
use crate::app::control;
use crate::config::Config;
use crate::domain::language::Language;
use crate::domain::wording;
use crate::store::Store;
use crate::transport::connect::{ConnectConfig, connect};
use crate::transport::secret::Secret;

/// Consents that are named; of more, there are others.
const NAMED_MAX: usize = 50;

/// Looks at everything, says everything, and fails with the first kind of problem found.
pub(super) async fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(file)?;
    let mut problems = Vec::new();
    match Store::open(&config.store.url, config.delivery.durability).await {
        Ok(store) => {
            problems.extend(groundless(&store).await.err());
            store.close().await;
        }
        Err(error) => problems.push(Failure::Store(error)),
    }
    match config.secret() {
        Ok(secret) => problems.extend(server(&config, secret).await.err()),
        Err(error) => problems.push(error.into()),
    }
    if problems.is_empty() {
        say!("ok");
        return Ok(());
    }
    let last = problems.remove(0);
    for problem in problems {
        eprintln!("courant: {}", problem.text());
    }
    Err(last)
}

/// Names consents that stand and permit nothing, as their person holds nothing of what they name.
async fn groundless(store: &Store) -> Result<(), Failure> {
    let (mut found, mut place) = (Vec::new(), Some(0));
    while let Some(after) = place.filter(|_| found.len() <= NAMED_MAX) {
        let (more, next) = store.groundless_consents(after).await?;
        found.extend(more);
        place = next;
    }
    if found.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = found
        .iter()
        .take(NAMED_MAX)
        .map(|consent| {
            format!(
                "consent {} of {} for {} permits nothing: of {} nothing is or was theirs",
                consent.id,
                consent.subject,
                consent.recipient,
                wording::first_scopes(consent, Language::En)
            )
        })
        .collect();
    if found.len() > lines.len() {
        lines.push("and others".into());
    }
    lines.push(
        "end them (`courant consent revoke ID`), or say whose the series are (`courant series edit NAME --owner S`)"
            .into(),
    );
    Err(Failure::Refused(lines.join("\n")))
}

/// Reaches the server, or asks the service that runs: a second connection of one component would be
/// refused, or worse, be given stanzas.
async fn server(config: &Config, secret: Secret) -> Result<(), Failure> {
    let socket = control::path_of(&config.store.url);
    let running = match &socket {
        Some(socket) => control::status(socket).await.unwrap_or_default(),
        None => None,
    };
    match running.as_deref() {
        Some("connected") => Ok(()),
        Some(why) => Err(Failure::Server(format!("the running service is not connected: {why}"))),
        None => {
            let connection = ConnectConfig::new(config.jid(), &config.component.server, secret);
            connect(&connection).await.map(drop).map_err(|error| Failure::Server(error.to_string()))
        }
    }
}
