//! The shapes of what GitHub answers: only the fields that are read, whatever else it holds.

use nestling_domain::{
    deployment::CommitInfo,
    ids::{Commit, RepositoryId},
};
use serde::Deserialize;

use super::reading::{Committed, Level, PullRequest, Repository};

/// How much of a commit's first line is kept, in characters.
const LONGEST_LINE: usize = 200;

#[derive(Deserialize)]
pub(super) struct NumberShown {
    pub(super) id: u64,
}

#[derive(Deserialize)]
pub(super) struct InstallationShown {
    pub(super) id: u64,
    pub(super) account: Option<AccountShown>,
    pub(super) suspended_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct AccountShown {
    pub(super) login: Option<String>,
    pub(super) slug: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RepositoryShown {
    pub(super) id: RepositoryId,
    pub(super) name: String,
    pub(super) owner: LoginShown,
    pub(super) default_branch: String,
}

#[derive(Deserialize)]
pub(super) struct LoginShown {
    pub(super) login: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RepositoriesShown {
    pub(super) repositories: Vec<RepositoryShown>,
}

#[derive(Deserialize)]
pub(super) struct BranchShown {
    pub(super) commit: CommitShown,
}

#[derive(Deserialize)]
pub(super) struct CommitShown {
    pub(super) sha: Commit,
    pub(super) commit: MessageShown,
}

#[derive(Deserialize)]
pub(super) struct MessageShown {
    pub(super) message: String,
    pub(super) author: Option<NameShown>,
}

#[derive(Deserialize)]
pub(super) struct NameShown {
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PullRequestShown {
    pub(super) number: u32,
    pub(super) state: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) labels: Vec<LabelShown>,
    pub(super) user: Option<LoginShown>,
    pub(super) head: HeadShown,
    pub(super) base: BaseShown,
}

#[derive(Deserialize)]
pub(super) struct LabelShown {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct HeadShown {
    pub(super) label: Option<String>,
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: Commit,
    /// None when the repository of the head is gone.
    pub(super) repo: Option<OwnShown>,
}

#[derive(Deserialize)]
pub(super) struct BaseShown {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) repo: OwnShown,
}

#[derive(Deserialize)]
pub(super) struct OwnShown {
    pub(super) id: RepositoryId,
}

#[derive(Deserialize)]
pub(super) struct FileShown {
    pub(super) filename: String,
    pub(super) previous_filename: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PermissionShown {
    pub(super) permission: Level,
}

impl From<RepositoryShown> for Repository {
    fn from(shown: RepositoryShown) -> Self {
        Repository {
            id: shown.id,
            owner: shown.owner.login,
            name: shown.name,
            default_branch: shown.default_branch,
        }
    }
}

impl From<CommitShown> for Committed {
    fn from(shown: CommitShown) -> Self {
        Committed {
            message: shown.commit.message.clone(),
            info: shown.into(),
        }
    }
}

impl From<CommitShown> for CommitInfo {
    fn from(shown: CommitShown) -> Self {
        let first = shown.commit.message.lines().next().unwrap_or_default();
        let author = shown.commit.author.and_then(|author| author.name);
        CommitInfo {
            id: shown.sha,
            message: first.chars().take(LONGEST_LINE).collect(),
            author: author
                .unwrap_or_default()
                .chars()
                .take(LONGEST_LINE)
                .collect(),
            trust: nestling_domain::deployment::Trust::Member,
        }
    }
}

impl From<PullRequestShown> for PullRequest {
    fn from(shown: PullRequestShown) -> Self {
        let repository = shown.base.repo.id;
        let head = shown.head.repo.as_ref().map(|repo| repo.id);
        PullRequest {
            number: shown.number,
            open: shown.state == "open",
            title: shown.title,
            fork: head != Some(repository),
            label: shown
                .head
                .label
                .unwrap_or_else(|| format!("unknown:{}", shown.head.branch)),
            branch: shown.head.branch,
            head: shown.head.sha,
            base: shown.base.branch,
            draft: shown.draft,
            labels: shown.labels.into_iter().map(|label| label.name).collect(),
            bot: shown
                .user
                .as_ref()
                .is_some_and(|user| user.kind.as_deref() == Some("Bot")),
            author: shown.user.map(|user| user.login),
        }
    }
}
