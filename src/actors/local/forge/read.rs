//! Reading one repository: what a look sees, or the trouble with it.

use std::collections::{BTreeMap, BTreeSet};

use nestling_domain::{
    app::Repository,
    deployment::CommitInfo,
    ids::Commit,
    local_forge::{self, Branch, Known, Listing},
};
use tracing::info;

use super::{memory::Memory, watched::Watched};
use crate::drivers::{
    clock,
    git::{self, Fingerprint, GitError, NotOpened, Opened},
};

/// A repository, as one look saw it.
pub(super) struct Read {
    pub(super) opened: Opened,
    /// Its files of refs, just before.
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) listing: Listing,
    /// The head of its default branch; `None` while that is missing.
    pub(super) default: Option<CommitInfo>,
    /// The branches that cannot be followed, and why; `None` when all can.
    pub(super) left_out: Option<String>,
}

/// How many branches that are left out are named: enough to find one's own.
const NAMED: usize = 3;

/// The state of the files of refs; `None` when it proves nothing.
pub(super) async fn fingerprint(opened: &Opened) -> Option<Fingerprint> {
    let git_dir = opened.git_dir.clone();
    let look = tokio::task::spawn_blocking(move || git::fingerprint(&git_dir, clock::now())).await;
    look.ok()?.ok()
}

/// The trouble of a repository whose default branch is gone while nothing takes its place.
pub(super) fn no_default(path: &str, name: &str) -> String {
    format!(
        "branch `{name}` of {path}, which is production, does not exist any more, and no other branch is known to have taken its place: make it again with `git branch {name} …`; production stays as it is until then, and no pull request is opened"
    )
}

fn names(heads: &[git::Head]) -> Vec<&str> {
    heads.iter().map(|head| head.branch.as_str()).collect()
}

impl Watched {
    /// Lists the repository; an error is the trouble with it, for its page.
    pub(super) async fn read(&self, memory: &mut Memory) -> Result<Read, String> {
        let git = &self.tools.git;
        if memory.opened.is_none() {
            memory.opened = Some(
                git.open(self.path.as_ref())
                    .await
                    .map_err(|error| self.vanished(&error))?,
            );
        }
        let Some(opened) = memory.opened.clone() else {
            return Err(format!("{} was not opened", self.path));
        };
        let fingerprint = fingerprint(&opened).await;
        let git::Heads { heads, left_out } = match git.heads(&opened.git_dir).await {
            Ok(all) => all,
            // Looked at again from the start, because that says more.
            Err(error) => {
                return Err(match git.open(self.path.as_ref()).await {
                    Err(gone) => self.vanished(&gone),
                    Ok(_) => format!(
                        "{} cannot be read: {error}; `git fsck` may say more",
                        self.path
                    ),
                });
            }
        };
        let default = self
            .default_branch(memory, &opened, &heads, &left_out)
            .await?;
        let base = match &default {
            Some(default) => Some(default.id.clone()),
            None => self.last_head(memory, &opened).await?,
        };
        let ahead = match &base {
            Some(base) => self.ahead(memory, &opened, &heads, base).await?,
            None => BTreeMap::new(),
        };
        let branches = heads.into_iter().map(|head| Branch {
            // Compared with nothing, none is merged: what is open stays open.
            ahead: ahead
                .get(&head.commit.id)
                .copied()
                .unwrap_or(base.is_none()),
            name: head.branch,
            head: head.commit,
            committed_at: head.committed_at,
        });
        let listing = Listing {
            at: clock::now(),
            branches: branches.collect(),
        };
        let named = left_out.iter().take(NAMED).map(|one| {
            format!(
                "branch `{}` of {} is left out: {}",
                one.branch, self.path, one.why
            )
        });
        let named: Vec<String> = named.collect();
        let left_out = (!named.is_empty()).then(|| named.join("; "));
        Ok(Read {
            opened,
            fingerprint,
            listing,
            default,
            left_out,
        })
    }

    fn vanished(&self, error: &NotOpened) -> String {
        let until_then = "its environments stay as they are until then";
        if matches!(error, NotOpened::Missing(_)) {
            let path = &self.path;
            return format!(
                "{path} does not exist any more: put the repository back; {until_then}"
            );
        }
        format!("{error}; {until_then}")
    }

    /// The head of the default branch, which is decided at first sight, and anew once it is gone; `None` while it is
    /// missing and nothing has taken its place.
    async fn default_branch(
        &self,
        memory: &mut Memory,
        opened: &Opened,
        heads: &[git::Head],
        left_out: &[git::LeftOut],
    ) -> Result<Option<CommitInfo>, String> {
        let name = memory.repository.default_branch.clone();
        let head_of = |name: &str| {
            let found = heads.iter().find(|head| head.branch == name);
            found.map(|head| head.commit.clone())
        };
        if let Some(head) = head_of(&name) {
            return Ok(Some(head));
        }
        if heads.is_empty() {
            let path = &self.path;
            return Err(if name.is_empty() {
                format!("{path} has no commit yet: commit to a branch, and it is deployed")
            } else {
                format!(
                    "{path} has no branch any more: put `{name}`, which is production, back with `git branch {name} …`; all environments stay as they are until then"
                )
            });
        }
        let chosen = if name.is_empty() {
            self.first_sight(opened, heads).await?
        } else if left_out.iter().any(|one| one.branch == name) {
            // It is there, although it cannot be followed.
            None
        } else {
            self.successor(memory, opened, heads).await?
        };
        let Some(chosen) = chosen else {
            return Ok(None);
        };
        let decided = Repository {
            default_branch: chosen.clone(),
            ..memory.repository.clone()
        };
        self.tools
            .store
            .put_repository(&decided)
            .await
            .map_err(|error| error.to_string())?;
        memory.repository = decided;
        if !name.is_empty() {
            info!(repository.id = %self.id, "branch `{chosen}` of {} is production from now on, because `{name}` is gone", self.path);
            // Environments are told the branch although its head may be known to them.
            memory.known = None;
            memory.apps = None;
        }
        Ok(head_of(&chosen))
    }

    async fn first_sight(
        &self,
        opened: &Opened,
        heads: &[git::Head],
    ) -> Result<Option<String>, String> {
        let current = self.tools.git.current(&opened.git_dir).await;
        let current = current.map_err(|error| error.to_string())?;
        let (origin, head) = (current.origin.as_deref(), current.head.as_deref());
        Ok(local_forge::default_branch(origin, head, &names(heads)))
    }

    /// The branch that takes the place of a default branch that is gone.
    async fn successor(
        &self,
        memory: &Memory,
        opened: &Opened,
        heads: &[git::Head],
    ) -> Result<Option<String>, String> {
        let name = &memory.repository.default_branch;
        let known = memory.known.as_ref().map(|loaded| &loaded.known);
        let is_gone = |known: &&Known| local_forge::is_default_gone(known, name, clock::now());
        let Some(known) = known.filter(is_gone) else {
            return Ok(None);
        };
        let git = &self.tools.git;
        let failed = |error: GitError| format!("{} cannot be read: {error}", self.path);
        let current = git.current(&opened.git_dir).await.map_err(failed)?;
        let holding = match self.last_head(memory, opened).await? {
            Some(last) => git.holding(&opened.git_dir, &last).await.map_err(failed)?,
            None => BTreeSet::new(),
        };
        let holding: Vec<&str> = holding.iter().map(|(name, _)| name.as_str()).collect();
        let (origin, head) = (current.origin.as_deref(), current.head.as_deref());
        Ok(local_forge::successor(
            known,
            origin,
            head,
            &holding,
            &names(heads),
        ))
    }

    /// The head of production that was told last, if the repository still has it.
    async fn last_head(&self, memory: &Memory, opened: &Opened) -> Result<Option<Commit>, String> {
        let known = memory.known.as_ref();
        let Some(last) = known.and_then(|loaded| loaded.known.production.as_ref()) else {
            return Ok(None);
        };
        let is_there = self.tools.git.has_commit(&opened.git_dir, last).await;
        let is_there =
            is_there.map_err(|error| format!("{} cannot be read: {error}", self.path))?;
        Ok(is_there.then(|| last.clone()))
    }

    /// For every head whether it has commits that `base` lacks, which is the default branch's head.
    async fn ahead(
        &self,
        memory: &mut Memory,
        opened: &Opened,
        heads: &[git::Head],
        base: &Commit,
    ) -> Result<BTreeMap<Commit, bool>, String> {
        let pair = |head: &git::Head| (base.clone(), head.commit.id.clone());
        if heads
            .iter()
            .any(|head| !memory.ahead.contains_key(&pair(head)))
        {
            let merged = self.tools.git.merged(&opened.git_dir, base).await;
            let merged =
                merged.map_err(|error| format!("{} cannot be read: {error}", self.path))?;
            let is_merged =
                |head: &git::Head| merged.contains(&(head.branch.clone(), head.commit.id.clone()));
            // One that moved in between is listed again by the next look, because its files have changed.
            memory.ahead = heads
                .iter()
                .map(|head| (pair(head), !is_merged(head)))
                .collect();
        }
        let known = heads
            .iter()
            .filter_map(|head| Some((head.commit.id.clone(), *memory.ahead.get(&pair(head))?)));
        Ok(known.collect())
    }
}
