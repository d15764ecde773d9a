//! `courant run`: the service.

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::app::service::{self, ServiceError};
use crate::app::telemetry;
use crate::config::Config;

/// Runs until SIGTERM or SIGINT; a second one leaves at once.
pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    telemetry::start(config.service.log);
    service::run(config, asked_to_stop()).await.map_err(|error| match error {
        ServiceError::Config(error) => error.into(),
        ServiceError::Store(error) => Failure::Store(error),
        ServiceError::Refused(error) => Failure::Server(error.to_string()),
        ServiceError::Other(error) => Failure::Refused(format!("{error:#}")),
    })
}

async fn asked_to_stop() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        // What was acknowledged is in the journal, so leaving at once loses nothing.
        std::process::exit(0);
    });
}
