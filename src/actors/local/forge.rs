//! The local forge: watches git repositories on this machine, and answers what environments ask of a forge.
//!
//! - It looks at each repository every [`POLL`], one look at a time per repository, all of them beside the
//!   mailbox. What changed enters as a delivery through the inbox, after the apps and pull requests it speaks of
//!   are recorded; then whoever works the inbox is nudged.
//! - A repository that cannot be read changes nothing: its record says why and what to do, its environments
//!   stay, and the first look that succeeds heals all.
//! - Repositories are never written to; what is packed for runners comes from our own mirror.

mod apps;
mod memory;
mod pack;
mod read;
#[cfg(test)]
mod tests;
mod watched;

use std::{
    collections::HashMap, io, panic::AssertUnwindSafe, path::PathBuf, sync::Arc, time::Duration,
};

use actix::prelude::*;
use futures::FutureExt as _;
use nestling_domain::{
    app::Repository,
    ids::{AppId, Kind, RepositoryId},
    lifecycle::Found,
};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::{
    actors::trees::{BUNDLES, MIRRORS, not_stored},
    drivers::{
        clock,
        git::{Git, NotOpened, prune_bundles, unused_mirrors},
        store::Store,
    },
    messages::forge::{
        Announce, AppsAt, Arrived, FindApps, ForgeError, FoundApps, Head, Pack, StartWaiting,
        WatchRepository,
    },
};
use watched::Watched;

/// Who owns every local repository.
pub const OWNER: &str = "local";
/// How often a repository is looked at: a commit must be noticed within a second.
const POLL: Duration = Duration::from_millis(500);
/// How long a repository rests after a look that panicked.
const REST: Duration = Duration::from_secs(5);
/// How often mirrors and bundles are tidied.
const TIDY: Duration = Duration::from_hours(1);

/// What every watched repository needs.
pub(super) struct Tools {
    store: Arc<dyn Store>,
    git: Git,
    data: PathBuf,
    arrived: Recipient<Arrived>,
}

/// The actor.
pub struct LocalForge {
    tools: Arc<Tools>,
    watched: HashMap<RepositoryId, Arc<Watched>>,
    polls: Vec<JoinHandle<()>>,
    announced: HashMap<(RepositoryId, Kind), u64>,
}

impl LocalForge {
    /// The local forge with its mirrors and bundles in `data`. It goes on watching every local repository that the
    /// store knows. `arrived` is told whenever there is something in the inbox. An error when `data` cannot be
    /// written to.
    pub fn new(
        store: Arc<dyn Store>,
        data: PathBuf,
        arrived: Recipient<Arrived>,
    ) -> io::Result<Self> {
        let git = Git::new(&data)?;
        let tools = Tools {
            store,
            git,
            data,
            arrived,
        };
        Ok(LocalForge {
            tools: Arc::new(tools),
            watched: HashMap::new(),
            polls: Vec::new(),
            announced: HashMap::new(),
        })
    }

    /// The repository of this number, from now on polled; the one that is polled already where there is one.
    fn watch(&mut self, repository: Repository) -> Arc<Watched> {
        if let Some(watched) = self.watched.get(&repository.id) {
            return watched.clone();
        }
        let id = repository.id;
        let watched = Arc::new(Watched::new(repository, self.tools.clone()));
        self.watched.insert(id, watched.clone());
        self.polls.push(actix::spawn(poll(watched.clone())));
        watched
    }

    fn find(&self, id: RepositoryId) -> Result<Arc<Watched>, ForgeError> {
        let unknown = || {
            ForgeError::Rejected(format!(
                "repository {id} is not watched: add its folder with --repo"
            ))
        };
        self.watched.get(&id).cloned().ok_or_else(unknown)
    }
}

impl Actor for LocalForge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let store = self.tools.store.clone();
        let load = async move { store.repositories().await };
        ctx.wait(load.into_actor(self).map(|loaded, actor, ctx| {
            match loaded {
                Ok(repositories) => {
                    for repository in repositories
                        .into_iter()
                        .filter(|known| known.path.is_some())
                    {
                        actor.watch(repository);
                    }
                }
                Err(error) => {
                    warn!(
                        "the local forge could not read its repositories and starts anew: {error}"
                    );
                    ctx.run_later(REST, |_, ctx| ctx.stop());
                }
            }
        }));
        ctx.run_interval(TIDY, |actor, ctx| {
            let tidy = tidy(
                actor.tools.clone(),
                actor.watched.values().cloned().collect(),
            );
            ctx.spawn(tidy.into_actor(actor));
        });
    }
}

impl Supervised for LocalForge {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.end_polls();
        self.watched.clear();
    }
}

impl LocalForge {
    fn end_polls(&mut self) {
        for poll in self.polls.drain(..) {
            poll.abort();
        }
    }
}

impl Drop for LocalForge {
    fn drop(&mut self) {
        self.end_polls();
    }
}

/// Looks at one repository for ever.
async fn poll(watched: Arc<Watched>) {
    loop {
        let looked = AssertUnwindSafe(watched.poll()).catch_unwind().await;
        if looked.is_err() {
            error!(
                "a look at {} panicked; the next one is in {REST:?}",
                watched.path
            );
            tokio::time::sleep(REST).await;
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn tidy(tools: Arc<Tools>, watched: Vec<Arc<Watched>>) {
    let bundles = tools.data.join(BUNDLES);
    let mirrors = tools.data.join(MIRRORS);
    // A folder that is not there yet holds nothing that could be too much.
    let or_none = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Ok(Vec::new());
        }
        Err(error)
    };
    let look = move || {
        let now = clock::now();
        prune_bundles(&bundles, now)
            .map(|()| Vec::new())
            .or_else(or_none)?;
        unused_mirrors(&mirrors, now).or_else(or_none)
    };
    let looked = tokio::task::spawn_blocking(look).await;
    match looked.map_err(io::Error::other).and_then(|looked| looked) {
        Ok(unused) => remove_mirrors(&watched, unused).await,
        Err(error) => warn!("could not prune bundles and mirrors: {error}"),
    }
    for repository in watched {
        repository.tidy().await;
    }
}

/// Removes mirrors, none of them while its repository packs from it.
async fn remove_mirrors(watched: &[Arc<Watched>], mirrors: Vec<PathBuf>) {
    for mirror in mirrors {
        let mut repositories = watched.iter();
        let packs = match repositories.find(|known| known.is_mirrored_in(&mirror)) {
            Some(repository) => Some(repository.packing.lock().await),
            None => None,
        };
        match tokio::fs::remove_dir_all(&mirror).await {
            Ok(()) => info!("removed {}, which was not used for long", mirror.display()),
            Err(error) => warn!("could not remove {}: {error}", mirror.display()),
        }
        drop(packs);
    }
}

impl Handler<WatchRepository> for LocalForge {
    type Result = ResponseActFuture<Self, Result<RepositoryId, ForgeError>>;

    fn handle(
        &mut self,
        WatchRepository { path }: WatchRepository,
        _: &mut Self::Context,
    ) -> Self::Result {
        let tools = self.tools.clone();
        let record = async move { record(&tools, &path).await };
        let first_look =
            |recorded: Result<Repository, ForgeError>, actor: &mut Self, _: &mut Context<Self>| {
                let watched = recorded.map(|repository| actor.watch(repository));
                let look = async move {
                    let watched = watched?;
                    // What is wrong with it is on its page, and is looked at again.
                    let _ = watched.look().await;
                    Ok(watched.id)
                };
                look.into_actor(actor)
            };
        Box::pin(record.into_actor(self).then(first_look))
    }
}

/// Opens a repository and ensures that it is recorded.
async fn record(tools: &Tools, path: &std::path::Path) -> Result<Repository, ForgeError> {
    let opened = tools.git.open(path).await.map_err(|error| {
        if let NotOpened::Git(error) = error {
            return ForgeError::Failed(format!("{}: {error}", path.display()));
        }
        ForgeError::Rejected(error.to_string())
    })?;
    let path = opened.path.to_string_lossy().into_owned();
    let id = RepositoryId::of_path(&path);
    if let Some(known) = tools.store.repository(id).await.map_err(not_stored)? {
        return Ok(known);
    }
    let repository = Repository {
        id,
        owner: OWNER.to_owned(),
        name: opened.name,
        path: Some(path),
        installation: None,
        // Not known before the first look; of an empty repository not before its first commit.
        default_branch: String::new(),
        trouble: None,
        left: false,
        suspended: false,
    };
    tools
        .store
        .put_repository(&repository)
        .await
        .map_err(not_stored)?;
    info!(repository.id = %id, "watching {}", opened.path.display());
    Ok(repository)
}

impl Handler<Head> for LocalForge {
    type Result = ResponseFuture<Result<Found, ForgeError>>;

    fn handle(&mut self, head: Head, _: &mut Self::Context) -> Self::Result {
        let watched = self.find(head.repository);
        Box::pin(async move { watched?.head(head.kind).await })
    }
}

impl Handler<Pack> for LocalForge {
    type Result = ResponseFuture<Result<PathBuf, ForgeError>>;

    fn handle(&mut self, pack: Pack, _: &mut Self::Context) -> Self::Result {
        let watched = self.find(pack.repository);
        Box::pin(async move { watched?.pack(&pack.commit).await })
    }
}

impl Handler<AppsAt> for LocalForge {
    type Result = ResponseFuture<Result<Vec<AppId>, ForgeError>>;

    fn handle(&mut self, asked: AppsAt, _: &mut Self::Context) -> Self::Result {
        let watched = self.find(asked.repository);
        Box::pin(async move { watched?.apps_at(&asked.commit).await })
    }
}

impl Handler<FindApps> for LocalForge {
    type Result = ResponseFuture<Result<FoundApps, ForgeError>>;

    fn handle(&mut self, asked: FindApps, _: &mut Self::Context) -> Self::Result {
        let watched = self.find(asked.repository);
        Box::pin(async move { watched?.find_apps().await })
    }
}

/// The announcement of a local pull request is a page that the dashboard renders from the records whenever
/// somebody opens it, so it is shown as soon as it is asked for; here only the version is kept.
impl Handler<Announce> for LocalForge {
    type Result = Result<(), ForgeError>;

    fn handle(&mut self, announce: Announce, _: &mut Self::Context) -> Self::Result {
        self.find(announce.repository)?;
        let shown = self
            .announced
            .entry((announce.repository, announce.kind))
            .or_default();
        *shown = announce.version.max(*shown);
        Ok(())
    }
}

impl Handler<StartWaiting> for LocalForge {
    type Result = ResponseFuture<Result<(), ForgeError>>;

    fn handle(&mut self, start: StartWaiting, _: &mut Self::Context) -> Self::Result {
        let watched = self.find(start.repository);
        Box::pin(async move { watched?.start_waiting(start.number).await })
    }
}
