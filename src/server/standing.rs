//! Of several servers on the same tables one acts. The others wait, say so to whoever asks, and follow when it is gone.

use std::{net::TcpListener, path::Path};

use actix_web::{App, HttpResponse, HttpServer, http::header, web};
use anyhow::Context as _;
use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};
use tracing::{info, warn};

use crate::drivers::store::dynamodb::{Owner, Standing};

/// The file that says of a data folder which one it is. Who holds its lock knows that an earlier server of it is gone.
const HOME: &str = "home";
/// What whoever is told to come back waits, in seconds.
const COME_BACK: &str = "5";

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

/// Waits until this server acts. Meanwhile whoever comes to `door` is told who does.
pub(super) async fn until_it_acts(
    mut owner: Owner,
    door: Option<&TcpListener>,
) -> anyhow::Result<Acting> {
    let (tell, told) = watch::channel(String::new());
    let mut waiting = None;
    loop {
        match owner.round().await {
            Ok(Standing::Acts(epoch)) => {
                info!("this server acts, as the number {epoch} of those that did");
                break;
            }
            Ok(Standing::Waits(other)) => {
                if *told.borrow() != other {
                    info!("{other} acts on these tables: this server waits until it is gone");
                    tell.send_replace(other);
                }
                if let (None, Some(door)) = (&waiting, door) {
                    waiting = Some(waiting_room(door, told.clone())?);
                }
            }
            Err(error) => warn!("could not see which server acts: {error}"),
        }
        sleep(owner.beat()).await;
    }
    if let Some(waiting) = waiting {
        waiting.stop(true).await;
    }
    Ok(Acting::begin(owner))
}

fn waiting_room(
    door: &TcpListener,
    told: watch::Receiver<String>,
) -> anyhow::Result<actix_web::dev::ServerHandle> {
    let server = HttpServer::new(move || {
        let told = told.clone();
        let refuse = move || {
            let says = format!(
                "{} acts on these tables, and this server waits until it is gone\n",
                told.borrow().as_str()
            );
            let later = (header::RETRY_AFTER, COME_BACK);
            async move {
                HttpResponse::ServiceUnavailable()
                    .insert_header(later)
                    .body(says)
            }
        };
        App::new()
            .route(
                "/healthz",
                web::get().to(|| async { HttpResponse::Ok().body("waits\n") }),
            )
            .default_service(web::to(refuse))
    })
    .workers(1)
    .disable_signals()
    .listen(door.try_clone()?)?
    .run();
    let handle = server.handle();
    actix::spawn(async move {
        if let Err(error) = server.await {
            warn!("the waiting room ended: {error}");
        }
    });
    Ok(handle)
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
