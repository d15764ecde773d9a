//! `courant check`: is everything in place? A line per problem with its remedy, or `ok`.

use std::path::Path;

use super::Failure;
use crate::config::Config;
use crate::store::Store;
use crate::transport::connect::{ConnectConfig, connect};

/// Looks at everything, says everything, and fails with the first kind of problem found.
pub(super) async fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(file)?;
    let mut problems = Vec::new();
    match Store::open(&config.store.url, config.delivery.durability).await {
        Ok(store) => store.close().await,
        Err(error) => problems.push(Failure::Store(error)),
    }
    match config.secret() {
        Ok(secret) => {
            let connection = ConnectConfig::new(config.jid(), &config.component.server, secret);
            if let Err(error) = connect(&connection).await {
                problems.push(Failure::Server(error.to_string()));
            }
        }
        Err(error) => problems.push(error.into()),
    }
    if problems.is_empty() {
        println!("ok");
        return Ok(());
    }
    let last = problems.remove(0);
    for problem in problems {
        eprintln!("courant: {}", problem.text());
    }
    Err(last)
}
