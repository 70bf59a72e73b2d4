//! Stories of a user with real repositories.

mod apps;
mod bad_input;
mod renamed;
mod stories;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use nestling_domain::{
    app::{App, Repository},
    ids::{Commit, Kind, RepositoryId},
    lifecycle::Found,
    record::{Fact, PullRequest, PullRequestStatus},
};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::drivers::{
    git::sample::Sample,
    store::{StoreError, sqlite::Sqlite},
};

/// Longer than anything here takes on a busy machine; nothing waits for it to pass.
const DEADLINE: Duration = Duration::from_secs(20);

/// Whoever works the inbox: counts how often it was nudged.
struct Inbox(Arc<AtomicUsize>);

impl Actor for Inbox {
    type Context = Context<Self>;
}

impl Handler<Arrived> for Inbox {
    type Result = ();
    fn handle(&mut self, _: Arrived, _: &mut Self::Context) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct World {
    folder: TempDir,
    store: Arc<Sqlite>,
    nudges: Arc<AtomicUsize>,
    forge: Addr<LocalForge>,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let nudges = Arc::new(AtomicUsize::new(0));
        let forge = start(&folder, &store, &nudges);
        World {
            folder,
            store,
            nudges,
            forge,
        }
    }

    /// As if the server were started again.
    async fn restart(&mut self) {
        self.forge.send(Stop).await.unwrap();
        self.forge = start(&self.folder, &self.store, &self.nudges);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    async fn watch(&self, name: &str) -> RepositoryId {
        self.try_watch(name).await.unwrap()
    }

    async fn try_watch(&self, name: &str) -> Result<RepositoryId, ForgeError> {
        self.forge
            .send(WatchRepository {
                path: self.path(name),
            })
            .await
            .unwrap()
    }

    async fn head(&self, repository: RepositoryId, kind: Kind) -> Result<Found, ForgeError> {
        self.forge
            .send(Head {
                repository,
                app: AppId::derive(repository, ""),
                kind,
                branch: String::new(),
                question: None,
            })
            .await
            .unwrap()
    }

    /// What was told so far, in words.
    fn told(&self) -> Vec<String> {
        let newest = at_once(self.store.deliveries(None, 10_000));
        let oldest_first = newest.iter().rev();
        oldest_first.map(|(told, _)| words(&told.fact)).collect()
    }

    fn repository(&self, id: RepositoryId) -> Repository {
        at_once(self.store.repository(id)).unwrap()
    }

    /// The trouble of a repository, with its place made short.
    fn trouble(&self, id: RepositoryId) -> Option<String> {
        let trouble = self.repository(id).trouble?;
        Some(self.shorten(&trouble))
    }

    fn shorten(&self, text: &str) -> String {
        text.replace(self.path("").to_str().unwrap(), "/repos/")
    }

    /// The apps in words.
    fn apps(&self) -> Vec<String> {
        let apps = at_once(self.store.apps());
        let words = |app: &App| format!("{:?} {} in {:?}", app.kind, app.slug, app.root);
        let mut apps: Vec<String> = apps.iter().map(words).collect();
        apps.sort();
        apps
    }

    fn pull_requests(&self) -> Vec<(u32, String, PullRequestStatus)> {
        let mut rows = Vec::new();
        for repository in at_once(self.store.repositories()) {
            rows.extend(at_once(self.store.pull_requests(repository.id)));
        }
        let words = |row: PullRequest| (row.number, row.branch, row.status);
        rows.into_iter().map(words).collect()
    }

    /// Waits until this is so.
    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !so(self) {
            assert!(
                Instant::now() < deadline,
                "not within {DEADLINE:?}: {what}; told {:#?}",
                self.told()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_told(&self, expected: &[String]) {
        self.until(&format!("told {expected:#?}"), |world| {
            world.told() == expected
        })
        .await;
    }
}

fn start(folder: &TempDir, store: &Arc<Sqlite>, nudges: &Arc<AtomicUsize>) -> Addr<LocalForge> {
    let inbox = Inbox(nudges.clone()).start().recipient();
    LocalForge::new(store.clone(), folder.path().join("data"), inbox)
        .unwrap()
        .start()
}

/// What a store in memory answers, which it does at once.
fn at_once<T>(answer: impl Future<Output = Result<T, StoreError>>) -> T {
    answer.now_or_never().unwrap().unwrap()
}

/// Ends the actor, as the end of a process would.
#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for LocalForge {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

fn words(fact: &Fact) -> String {
    match fact {
        Fact::Production { branch, commit } => production(branch, commit),
        Fact::PullRequest {
            number,
            branch,
            commit,
            trigger,
            ..
        } => {
            let commit = commit.as_ref().map_or("-", Commit::short);
            format!("pr-{number} {branch} {trigger:?} {commit}")
        }
        Fact::Preview { app, number, .. } => format!("preview of pr-{number} of {app}"),
        Fact::Returned { app, .. } => format!("returned {app}"),
        Fact::Missing { .. } | Fact::Webhook { .. } | Fact::Unreadable { .. } => {
            "of GitHub".to_owned()
        }
    }
}

fn production(branch: &str, commit: &Commit) -> String {
    format!("production {branch} {}", commit.short())
}

fn pushed(number: u32, branch: &str, commit: &Commit) -> String {
    format!("pr-{number} {branch} Push {}", commit.short())
}

fn open(found: Result<Found, ForgeError>) -> Commit {
    match found {
        Ok(Found::Open(head)) => head.id,
        other => panic!("not open: {other:?}"),
    }
}
