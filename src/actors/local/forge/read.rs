//! Reading one repository: what a look sees, or the trouble with it.

use std::collections::BTreeMap;

use nestling_domain::{
    app::Repository,
    deployment::CommitInfo,
    ids::Commit,
    local_forge::{self, Branch, Listing},
};

use super::{memory::Memory, watched::Watched};
use crate::drivers::{
    clock,
    git::{self, Fingerprint, NotOpened, Opened},
};

/// A repository, as one look saw it.
pub(super) struct Read {
    pub(super) opened: Opened,
    /// Its files of refs, just before.
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) listing: Listing,
    /// The head of its default branch.
    pub(super) default: CommitInfo,
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
        let default = self.default_branch(memory, &opened, &heads).await?;
        let ahead = self.ahead(memory, &opened, &heads, &default).await?;
        let branches = heads.into_iter().map(|head| Branch {
            ahead: ahead.get(&head.commit.id).copied().unwrap_or(false),
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

    /// The default branch with its head; decided at first sight, for ever.
    async fn default_branch(
        &self,
        memory: &mut Memory,
        opened: &Opened,
        heads: &[git::Head],
    ) -> Result<CommitInfo, String> {
        if memory.repository.default_branch.is_empty() {
            if heads.is_empty() {
                return Err(format!(
                    "{} has no commit yet: commit to a branch, and it is deployed",
                    self.path
                ));
            }
            let current = self
                .tools
                .git
                .current(&opened.git_dir)
                .await
                .map_err(|error| error.to_string())?;
            let names: Vec<&str> = heads.iter().map(|head| head.branch.as_str()).collect();
            let chosen = local_forge::default_branch(
                current.origin.as_deref(),
                current.head.as_deref(),
                &names,
            );
            let decided = Repository {
                default_branch: chosen.unwrap_or_default(),
                ..memory.repository.clone()
            };
            self.tools
                .store
                .put_repository(&decided)
                .await
                .map_err(|error| error.to_string())?;
            memory.repository = decided;
        }
        let name = &memory.repository.default_branch;
        let found = heads.iter().find(|head| head.branch == *name);
        found.map(|head| head.commit.clone()).ok_or_else(|| format!(
            "branch `{name}` of {}, which is production, does not exist any more: make it again with `git branch {name} …`; all environments stay as they are until then",
            self.path
        ))
    }

    /// For every head whether it has commits that the default branch lacks.
    async fn ahead(
        &self,
        memory: &mut Memory,
        opened: &Opened,
        heads: &[git::Head],
        default: &CommitInfo,
    ) -> Result<BTreeMap<Commit, bool>, String> {
        let pair = |head: &git::Head| (default.id.clone(), head.commit.id.clone());
        if heads
            .iter()
            .any(|head| !memory.ahead.contains_key(&pair(head)))
        {
            let merged = self.tools.git.merged(&opened.git_dir, &default.id).await;
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
