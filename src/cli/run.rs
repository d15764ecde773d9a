//! `courant run`: the service.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Failure;
use crate::app::service::{self, ServiceError};
use crate::app::telemetry;
use crate::config::Config;

/// How long the service may take to stop in order.
const INSIST: Duration = Duration::from_secs(9);

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

/// Resolves at the first signal. From then on a second one ends the process at once, and so does time: what was
/// acknowledged is in the journal, so nothing is lost by it.
fn asked_to_stop() -> impl Future<Output = ()> {
    // Now, and not when the service first asks: it may take a while to open its store.
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (asked, heard) = oneshot::channel();
    tokio::spawn(async move {
        let (Ok(mut term), Ok(mut int)) = signals else { return std::future::pending().await };
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        let _ = asked.send(());
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = tokio::time::sleep(INSIST) => {
                tracing::warn!("something does not finish; leaving nevertheless, what was acknowledged is kept");
            }
        }
        std::process::exit(0);
    });
    async {
        if heard.await.is_err() {
            std::future::pending().await
        }
    }
}
