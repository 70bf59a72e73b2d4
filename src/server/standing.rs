//! Of several servers on the same tables one acts. The others wait, answer what is read, and follow when it is gone.

use std::path::Path;

use actix_web::dev::ServerHandle;
use anyhow::Context as _;
use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};
use tracing::{info, warn};

use crate::{
    drivers::store::dynamodb::{Owner, Standing},
    http::waiting::Waits,
};

/// The file that says of a data folder which one it is. Who holds its lock knows that an earlier server of it is gone.
const HOME: &str = "home";

/// A server that acts, for as long as it does.
pub(super) struct Acting {
    leave: Option<oneshot::Sender<()>>,
    /// Who acts in its place, once somebody does.
    replaced: watch::Receiver<Option<String>>,
    left: tokio::task::JoinHandle<()>,
}

/// What this start of a server is called: its machine, its process, and something that no other start has.
pub(super) fn name() -> anyhow::Result<String> {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (machine, process) = (machine.trim(), std::process::id());
    Ok(format!("{machine}, process {process} ({})", chance()?))
}

/// Which data folder this is; made when it has no name yet.
pub(super) fn home(folder: &Path) -> anyhow::Result<String> {
    let file = folder.join(HOME);
    if let Ok(home) = std::fs::read_to_string(&file) {
        return Ok(home.trim().to_owned());
    }
    let home = chance()?;
    std::fs::write(&file, &home).with_context(|| format!("could not write {}", file.display()))?;
    Ok(home)
}

fn chance() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Waits until this server acts. If another one does, what `open` opens answers meanwhile, and is told which.
pub(super) async fn until_it_acts(
    mut owner: Owner,
    open: impl Fn(Waits) -> anyhow::Result<ServerHandle>,
) -> anyhow::Result<Acting> {
    let (tell, acts) = watch::channel(String::new());
    let mut waiting = None;
    loop {
        match owner.round().await {
            Ok(Standing::Acts(epoch)) => {
                info!("this server acts, as the number {epoch} of those that did");
                break;
            }
            Ok(Standing::Waits(other)) => {
                if *acts.borrow() != other {
                    info!(
                        "{other} acts on these tables: this server answers what is read, and waits until it is gone"
                    );
                    tell.send_replace(other);
                }
                if waiting.is_none() {
                    waiting = Some(open(Waits::new(acts.clone()))?);
                }
            }
            Err(error) => warn!("could not see which server acts: {error}"),
        }
        sleep(owner.beat()).await;
    }
    // It has to go on saying that it acts, also while the last ones read.
    let acting = Acting::begin(owner);
    if let Some(waiting) = waiting {
        waiting.stop(true).await;
    }
    Ok(acting)
}

impl Acting {
    fn begin(mut owner: Owner) -> Self {
        let (leave, mut leaves) = oneshot::channel();
        let (replace, replaced) = watch::channel(None);
        let left = actix::spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut leaves => break,
                    () = sleep(owner.beat()) => {}
                }
                match owner.round().await {
                    Ok(Standing::Acts(_)) => {}
                    Ok(Standing::Waits(other)) => {
                        replace.send_replace(Some(other));
                        return;
                    }
                    // It may write until its time is over, and again once this gets through.
                    Err(error) => warn!("could not say that this server acts: {error}"),
                }
            }
            if let Err(error) = owner.leave().await {
                warn!(
                    "could not say that this server ends; another follows in some seconds: {error}"
                );
            }
        });
        Acting {
            leave: Some(leave),
            replaced,
            left,
        }
    }

    /// Waits until another server acts in its place, and answers which.
    pub(super) async fn replaced(&self) -> String {
        let mut replaced = self.replaced.clone();
        match replaced.wait_for(Option::is_some).await {
            Ok(other) => other.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Leaves in order, so that another follows at once.
    pub(super) async fn leave(mut self) {
        drop(self.leave.take());
        let _ = self.left.await;
    }
}
