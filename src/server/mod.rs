//! The server: opens what is stored, starts the actors, adopts what runs, listens, and stops in order.

mod actors;
pub(crate) mod adopt;
pub mod check;
mod chosen;
mod drivers;
mod house;
mod listeners;
pub mod progress;
mod standing;
mod store;
pub mod tables;
pub(crate) mod tls;
mod waiting;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

pub use house::House;

use crate::config::Config;

/// How long requests in flight may take to end once the server was told to stop.
pub(crate) const LAST_REQUESTS: Duration = Duration::from_secs(8);

/// How a server was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Ctrl-C in the terminal: what runs is stopped too, because nobody would see it any more.
    Interrupted,
    /// SIGTERM by a supervisor: what runs goes on, and is adopted by the next start.
    Terminated,
}

/// Runs a server until it is told to stop. `then` goes on beside it, once it listens; when it ends, the
/// server ends too, with its result.
pub async fn run<F, R>(
    config: Config,
    repositories: Vec<PathBuf>,
    then: F,
) -> anyhow::Result<anyhow::Result<Ending>>
where
    F: FnOnce(&House) -> R,
    R: Future<Output = anyhow::Result<Ending>>,
{
    let house = House::open(config).await?;
    for path in repositories {
        if let Err(error) = house.watch(path.clone()).await {
            // One that was watched before has vanished: its record says so, and the others have nothing to do with it.
            if !house.knows(&path).await? {
                return Err(error);
            }
            warn!("{error:#}; the others go on");
        }
    }
    let beside = then(&house);
    let ending = tokio::select! {
        ending = told() => ending,
        ended = beside => ended,
        other = house.replaced() => {
            // What runs is the other one's now.
            house.close(false).await;
            bail!("{other} acts on these tables now, and this server ends: it could not reach DynamoDB for too long");
        }
    };
    let stops_machines = !matches!(ending, Ok(Ending::Terminated));
    info!("stops: no new requests, and all that was acknowledged is stored");
    house.close(stops_machines).await;
    Ok(ending)
}

/// Waits until the process is told to end.
async fn told() -> anyhow::Result<Ending> {
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Ending::Interrupted),
        _ = terminate.recv() => Ok(Ending::Terminated),
    }
}
