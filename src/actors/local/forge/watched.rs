//! One watched repository: the look at it, and what is answered from it.

use std::{sync::Arc, time::Duration};

use nestling_domain::{
    app::Repository,
    deployment::CommitInfo,
    ids::{AppId, Commit, Kind, RepositoryId},
    lifecycle::Found,
    local_forge::{self, GONE_AFTER},
    record::{Fact, PullRequest, PullRequestStatus},
};
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

use super::{
    Tools,
    apps::{self, Branch},
    memory::{Loaded, Memory, words},
    not_stored,
    read::{Read, fingerprint, no_default},
};
use crate::{
    drivers::{clock, git::Opened},
    messages::forge::{Arrived, ForgeError, FoundApps},
};

/// How often refs are listed although no file of refs has changed: a file system may not tell.
const LIST_ANYWAY: Duration = Duration::from_secs(5);
/// Heads of pull requests whose apps are remembered: reading them again takes two calls of git.
const HEADS: usize = 100;
/// How old a look may be to answer a question while no file of refs has changed since: two polls. A change that the
/// files do not show within that time is found by the next poll, which tells it as news.
const FRESH: Duration = Duration::from_secs(1);

/// Behind what starts machines, before what runs in them.
const PACKING_NICE: i32 = 5;

/// A repository that is watched.
pub(super) struct Watched {
    pub(super) id: RepositoryId,
    pub(super) path: String,
    pub(super) tools: Arc<Tools>,
    memory: Mutex<Memory>,
    /// Held while its mirror is written.
    pub(super) packing: Mutex<()>,
}

impl Watched {
    pub(super) fn new(repository: Repository, tools: Arc<Tools>) -> Self {
        Watched {
            id: repository.id,
            path: repository.path.clone().unwrap_or_default(),
            tools,
            memory: Mutex::new(Memory::new(repository)),
            packing: Mutex::new(()),
        }
    }

    /// Looks, unless nothing can have changed since the last look. What fails is logged once.
    pub(super) async fn poll(self: &Arc<Self>) {
        let mut memory = self.memory.lock().await;
        if self.is_unchanged(&memory).await {
            return;
        }
        let failed = self
            .look_with(&mut memory)
            .await
            .err()
            .map(|error| error.to_string());
        if failed != memory.logged {
            if let Some(reason) = failed
                .as_ref()
                .filter(|reason| memory.repository.trouble.as_ref() != Some(reason))
            {
                warn!(repository.id = %self.id, "could not take in {}: {reason}", self.path);
            }
            memory.logged = failed;
        }
    }

    /// Looks now. An error says why nothing can be known of the repository at the moment.
    pub(super) async fn look(self: &Arc<Self>) -> Result<(), ForgeError> {
        let mut memory = self.memory.lock().await;
        self.look_with(&mut memory).await
    }

    /// What is true now, asked of git and not of what is remembered.
    pub(super) async fn head(self: &Arc<Self>, kind: Kind) -> Result<Found, ForgeError> {
        let mut asked = Instant::now();
        loop {
            let mut memory = self.memory.lock().await;
            // Many environments ask at once; a look that began after the question answers it, and so does the one
            // that noticed what they ask about.
            let is_answered = memory.looked_at.is_some_and(|looked_at| looked_at >= asked);
            if !is_answered && !self.is_fresh(&memory).await {
                self.look_with(&mut memory).await?;
            }
            let found = answer(&memory, kind);
            drop(memory);
            if let Some(found) = found? {
                return Ok(found);
            }
            // Its branch is missing for the first time: the next look says whether it is gone.
            tokio::time::sleep(GONE_AFTER).await;
            asked = Instant::now();
        }
    }

    /// A person starts a waiting pull request.
    pub(super) async fn start_waiting(self: &Arc<Self>, number: u32) -> Result<(), ForgeError> {
        let mut memory = self.memory.lock().await;
        self.look_with(&mut memory).await?;
        let row = row(&memory, number)?;
        let started =
            local_forge::start(row).map_err(|refused| ForgeError::Rejected(refused.to_string()))?;
        let (Some((opened, fact)), Some(loaded)) = (started, &mut memory.known) else {
            return Ok(());
        };
        let rows = std::slice::from_ref(&opened);
        loaded
            .tell(&self.tools, self.id, std::slice::from_ref(&fact), rows)
            .await
            .map_err(not_stored)?;
        if let Some(row) = loaded
            .known
            .pull_requests
            .iter_mut()
            .find(|row| row.number == number)
        {
            *row = opened;
        }
        info!(repository.id = %self.id, "a person started pull request {number} of {}", self.path);
        self.tools.arrived.do_send(Arrived);
        self.prepare(&[fact]);
        Ok(())
    }

    async fn is_fresh(&self, memory: &Memory) -> bool {
        let (Some(before), Some(opened), Some(looked_at), Some(loaded)) = (
            memory.fingerprint,
            &memory.opened,
            memory.looked_at,
            &memory.known,
        ) else {
            return false;
        };
        if looked_at.elapsed() >= FRESH || !loaded.known.missing.is_empty() {
            return false;
        }
        let now = fingerprint(opened).await;
        now.is_some_and(|now| now.looks_like(&before))
    }

    async fn is_unchanged(&self, memory: &Memory) -> bool {
        let (Some(before), Some(opened), Some(looked_at)) =
            (memory.fingerprint, &memory.opened, memory.looked_at)
        else {
            return false;
        };
        let awaits = memory
            .known
            .as_ref()
            .is_none_or(|loaded| !loaded.known.missing.is_empty());
        if awaits || looked_at.elapsed() >= LIST_ANYWAY {
            return false;
        }
        let now = fingerprint(opened).await;
        now.is_some_and(|now| now.proves_unchanged_since(&before))
    }

    /// One complete look: list, decide, record, tell. Nothing is forgotten when it fails half-way: the next one
    /// decides the same again.
    async fn look_with(self: &Arc<Self>, memory: &mut Memory) -> Result<(), ForgeError> {
        memory.fingerprint = None;
        memory.looked_at = None;
        let began = Instant::now();
        self.load(memory).await?;
        match self.read(memory).await {
            Ok(read) => {
                let fingerprint = read.fingerprint;
                memory.default.clone_from(&read.default);
                memory.listed_at = read.listing.at;
                self.take_in(memory, read).await?;
                memory.fingerprint = fingerprint;
                memory.looked_at = Some(began);
                Ok(())
            }
            Err(trouble) => {
                memory.opened = None;
                let shown = Some(trouble.clone());
                memory
                    .trouble(&self.tools, shown)
                    .await
                    .map_err(not_stored)?;
                Err(ForgeError::Failed(trouble))
            }
        }
    }

    async fn load(&self, memory: &mut Memory) -> Result<(), ForgeError> {
        if memory.known.is_none() {
            let loaded = Loaded::load(&*self.tools.store, &memory.repository).await;
            memory.known = Some(loaded.map_err(not_stored)?);
        }
        Ok(())
    }

    /// Decides what a listing changes, records it and tells it.
    async fn take_in(self: &Arc<Self>, memory: &mut Memory, read: Read) -> Result<(), ForgeError> {
        let listed_at = read.listing.at;
        let default = memory.repository.default_branch.clone();
        // Forgotten where production has moved.
        self.load(memory).await?;
        let Some(mut loaded) = memory.known.take() else {
            return Ok(());
        };
        let taken = self.decide(memory, &mut loaded, &read, &default).await;
        let gone = local_forge::is_default_gone(&loaded.known, &default, listed_at)
            .then(|| no_default(&self.path, &default));
        memory.known = Some(loaded);
        let (facts, no_app) = taken?;
        let troubles = gone.into_iter().chain(no_app).chain(read.left_out);
        let troubles: Vec<String> = troubles.collect();
        let trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
        memory
            .trouble(&self.tools, trouble)
            .await
            .map_err(not_stored)?;
        if facts.is_empty() {
            return Ok(());
        }
        self.tools.arrived.do_send(Arrived);
        let now = clock::now();
        let after = read
            .fingerprint
            .map(|seen| now.since(seen.changed_at).as_millis());
        // How long ago it was seen: recording and telling it lies between.
        let seen = now.since(listed_at).as_millis();
        for fact in &facts {
            info!(repository.id = %self.id, after_ms = after, seen_ms = seen, "noticed {} in {}", words(fact), self.path);
        }
        self.prepare(&facts);
        Ok(())
    }

    /// What was told, and the trouble with its apps.
    async fn decide(
        &self,
        memory: &mut Memory,
        loaded: &mut Loaded,
        read: &Read,
        default: &str,
    ) -> Result<(Vec<Fact>, Option<String>), ForgeError> {
        let store = &*self.tools.store;
        for branch in local_forge::unnumbered(&loaded.known, default, &read.listing) {
            let row = store
                .number_pull_request(self.id, &branch)
                .await
                .map_err(not_stored)?;
            loaded.known.pull_requests.push(row);
        }
        let noticed = local_forge::notice(&loaded.known, default, &read.listing);
        let trouble = self
            .record_apps(memory, read, default, &noticed.facts)
            .await?;
        loaded
            .tell(&self.tools, self.id, &noticed.facts, &noticed.changed)
            .await
            .map_err(not_stored)?;
        loaded.known = noticed.known;
        Ok((noticed.facts, trouble))
    }

    /// Records the apps of the default branch, and those that were pushed beside it; what is wrong with those of production.
    async fn record_apps(
        &self,
        memory: &mut Memory,
        read: &Read,
        default: &str,
        facts: &[Fact],
    ) -> Result<Option<String>, ForgeError> {
        if let Some(CommitInfo { id: at, .. }) = &read.default
            && memory.apps.as_ref().is_none_or(|(known, _)| known != at)
        {
            let before = memory.apps.as_ref().map(|(_, apps)| apps);
            let branch = (Branch::Default(default), at);
            let (tools, repository) = (&self.tools, &memory.repository);
            let apps = apps::record(tools, repository, &read.opened, branch, before).await?;
            memory.apps = Some((at.clone(), apps));
        }
        for fact in facts {
            if let Fact::PullRequest {
                branch,
                commit: Some(commit),
                ..
            } = fact
            {
                self.record_apps_of_head(memory, &read.opened, branch, commit)
                    .await?;
            }
        }
        let of_default = memory.apps.as_ref();
        Ok(of_default.and_then(|(_, apps)| apps.trouble.clone()))
    }

    async fn record_apps_of_head(
        &self,
        memory: &mut Memory,
        opened: &Opened,
        branch: &str,
        commit: &Commit,
    ) -> Result<Vec<AppId>, ForgeError> {
        let at = (Branch::PullRequest(branch), commit);
        // Most branches hold the apps that the default branch holds.
        let before = memory.apps.as_ref().map(|(_, apps)| apps);
        let apps = apps::record(&self.tools, &memory.repository, opened, at, before).await?;
        if memory.apps_of_heads.len() >= HEADS {
            memory.apps_of_heads.clear();
        }
        let known = &mut memory.apps_of_heads;
        known.insert(commit.clone(), apps.ids.clone());
        Ok(apps.ids)
    }

    /// Which apps a commit holds.
    pub(super) async fn apps_at(&self, commit: &Commit) -> Result<Vec<AppId>, ForgeError> {
        let mut memory = self.memory.lock().await;
        if let Some((_, apps)) = memory.apps.as_ref().filter(|(known, _)| known == commit) {
            return Ok(apps.ids.clone());
        }
        if let Some(ids) = memory.apps_of_heads.get(commit) {
            return Ok(ids.clone());
        }
        let opened = self.tools.git.open(self.path.as_ref()).await;
        let opened = opened.map_err(|error| ForgeError::Failed(error.to_string()))?;
        self.record_apps_of_head(&mut memory, &opened, commit.short(), commit)
            .await
    }

    /// Which apps the default branch holds now.
    pub(super) async fn find_apps(self: &Arc<Self>) -> Result<FoundApps, ForgeError> {
        let mut memory = self.memory.lock().await;
        self.look_with(&mut memory).await?;
        let branch = memory.repository.default_branch.clone();
        // A look that succeeds has read them, unless the default branch is missing.
        let (commit, apps) = memory
            .apps
            .as_ref()
            .ok_or_else(|| ForgeError::Failed(no_default(&self.path, &branch)))?;
        Ok(FoundApps {
            branch,
            commit: commit.clone(),
            place: apps.place.clone(),
            discovery: apps.discovery.clone(),
        })
    }

    /// Packs what will be deployed in a moment, behind the start of its machine: that asks for the pack only once it has
    /// begun, and would begin later if both shared the processors evenly.
    fn prepare(self: &Arc<Self>, facts: &[Fact]) {
        let commits: Vec<Commit> = facts.iter().filter_map(commit_of).cloned().collect();
        if commits.is_empty() {
            return;
        }
        let watched = self.clone();
        let pack = move || {
            // Of this thread and of the programs that it starts. Refused, it costs the start some time and nothing else.
            let _ = rustix::process::nice(PACKING_NICE);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(async {
                    for commit in &commits {
                        watched.pack_ahead(commit).await;
                    }
                }),
                Err(error) => warn!("nothing is packed ahead: {error}"),
            }
        };
        let started = std::thread::Builder::new()
            .name("packs".to_owned())
            .spawn(pack);
        if let Err(error) = started {
            warn!("nothing is packed ahead: {error}");
        }
    }
}

/// The commit that a fact asks to be deployed.
fn commit_of(fact: &Fact) -> Option<&Commit> {
    match fact {
        Fact::Production { commit, .. } => Some(commit),
        Fact::PullRequest { commit, .. } | Fact::Returned { commit, .. } => commit.as_ref(),
        Fact::Missing { .. }
        | Fact::Preview { .. }
        | Fact::Webhook { .. }
        | Fact::Unreadable { .. } => None,
    }
}

/// What the last look says about this environment; `None` when the next one must say it.
fn answer(memory: &Memory, kind: Kind) -> Result<Option<Found>, ForgeError> {
    let Some(known) = memory.known.as_ref().map(|loaded| &loaded.known) else {
        return Ok(None);
    };
    let default = &memory.repository.default_branch;
    // For a moment nobody knows whether it moves, and with it what the others are compared with.
    if known.missing.contains_key(default)
        && !local_forge::is_default_gone(known, default, memory.listed_at)
    {
        return Ok(None);
    }
    let Kind::Preview(number) = kind else {
        let head = memory.default.clone().map(Found::Open);
        return head
            .map(Some)
            .ok_or_else(|| ForgeError::Failed(no_default(memory.path(), default)));
    };
    let row = row(memory, number)?;
    let missing = known.missing.contains_key(&row.branch);
    Ok(match (row.status, &row.head) {
        (PullRequestStatus::Open | PullRequestStatus::Waiting, _) if missing => None,
        (PullRequestStatus::Open, Some(head)) => Some(Found::Open(head.clone())),
        (PullRequestStatus::Waiting, _) => Some(Found::Waiting(local_forge::why_waiting().into())),
        (PullRequestStatus::Open, None) | (PullRequestStatus::Closed, _) => Some(Found::Closed),
    })
}

fn row(memory: &Memory, number: u32) -> Result<&PullRequest, ForgeError> {
    let rows = memory
        .known
        .iter()
        .flat_map(|loaded| &loaded.known.pull_requests);
    let mut rows = rows.filter(|row| row.number == number);
    rows.next().ok_or_else(|| {
        ForgeError::Rejected(format!("{} has no pull request {number}", memory.path()))
    })
}
