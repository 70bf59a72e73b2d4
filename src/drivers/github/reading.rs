//! What is true now: the App, repositories, branches, pull requests and people.

use std::collections::BTreeMap;

use nestling_domain::{
    deployment::CommitInfo,
    ids::{Commit, RepositoryId},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    GitHub, GitHubError, Place, Unreachable,
    limits::Who,
    paths::path,
    request::Asked,
    shapes::{
        BranchShown, CommitShown, FileShown, InstallationShown, NumberShown, PermissionShown,
        PullRequestShown, RepositoriesShown, RepositoryShown,
    },
};

/// Items of a page, the most that GitHub gives.
const PAGE: usize = 100;
/// Pages of one listing that are read: ten thousand repositories, pull requests or comments.
pub(super) const MOST_PAGES: usize = 100;
/// GitHub lists so many files of a pull request, and not one more.
const MOST_FILES: usize = 3000;

/// The App itself, as its page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppShown {
    /// Its name in addresses, and of its bot: `{slug}[bot]`.
    pub slug: String,
    /// What it may do, by GitHub's names: `contents` to `read`.
    pub permissions: BTreeMap<String, String>,
    /// Which events it is sent.
    pub events: Vec<String>,
}

/// A repository. The number is for ever; everything else changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its number.
    pub id: RepositoryId,
    /// The login of its owner.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// The branch whose environment is production.
    pub default_branch: String,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u32,
    /// Whether it is open.
    pub open: bool,
    /// Its title.
    pub title: String,
    /// The branch of its head, in the repository of the head.
    pub branch: String,
    /// The same with its owner, `ann:fix`, as GitHub shows the branch of a fork.
    pub label: String,
    /// Its head.
    pub head: Commit,
    /// Whether the head is in another repository, or in one that is gone.
    pub fork: bool,
    /// The branch that it is to be merged into.
    pub base: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// The login of who opened it; none when they are gone.
    pub author: Option<String>,
    /// Whether that is a program.
    pub bot: bool,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// What is remembered of it.
    pub info: CommitInfo,
    /// All of its message.
    pub message: String,
}

/// What somebody may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing, or what everybody may.
    None,
    /// Read and triage.
    Read,
    /// Write and maintain.
    Write,
    /// Everything.
    Admin,
}

/// An installation of the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// Where it is: the login of a person or an organisation.
    pub account: String,
    /// Whether its owner stopped it for a while: nothing can be asked of it.
    pub suspended: bool,
}

/// An enterprise has no login.
/// Of a repository, its number.
impl GitHub {
    /// The App itself: the first thing to ask, because it shows that the key is the right one.
    pub async fn app(&self) -> Result<AppShown, GitHubError> {
        let asked = Asked::get("the App".to_owned(), path(&["app"]));
        self.ask(None, &asked).await
    }

    /// All installations of the App.
    pub async fn installations(&self) -> Result<Vec<Installation>, GitHubError> {
        let what = "the installations of the App".to_owned();
        let route = path(&["app", "installations"]);
        let pages: Vec<Vec<InstallationShown>> = self.pages(None, what, &route, "").await?;
        let all = pages.into_iter().flatten().map(|shown| {
            let account = shown.account.and_then(|one| one.login.or(one.slug));
            Installation {
                id: shown.id,
                account: account.unwrap_or_else(|| format!("installation {}", shown.id)),
                suspended: shown.suspended_at.is_some(),
            }
        });
        let all: Vec<Installation> = all.collect();
        for one in &all {
            if one.suspended {
                self.reach.not_reached(one.id, Unreachable::Suspended);
            } else {
                self.reach.reached(one.id);
            }
        }
        Ok(all)
    }

    /// The installation that covers this repository, if there is one.
    pub async fn installation_of(
        &self,
        owner: &str,
        name: &str,
    ) -> Result<Option<u64>, GitHubError> {
        let asked = Asked::get(
            format!("the installation on {owner}/{name}"),
            path(&["repos", owner, name, "installation"]),
        );
        let found: Result<NumberShown, _> = self.ask(None, &asked).await;
        found
            .map(|found| Some(found.id))
            .or_else(GitHubError::or_none)
    }

    /// All repositories that an installation covers.
    pub async fn repositories(&self, installation: u64) -> Result<Vec<Repository>, GitHubError> {
        let what = format!("the repositories of installation {installation}");
        let route = path(&["installation", "repositories"]);
        let pages: Vec<RepositoriesShown> =
            self.pages(Some(installation), what, &route, "").await?;
        let all = pages.into_iter().flat_map(|page| page.repositories);
        Ok(all.map(Repository::from).collect())
    }

    /// What is called so now; none when it is gone or the App is not let in.
    pub async fn repository_called(
        &self,
        installation: u64,
        owner: &str,
        name: &str,
    ) -> Result<Option<Repository>, GitHubError> {
        let asked = Asked::get(format!("{owner}/{name}"), path(&["repos", owner, name]));
        let found: Result<RepositoryShown, _> = self.ask(Some(installation), &asked).await;
        found
            .map(|found| Some(found.into()))
            .or_else(GitHubError::or_none)
    }

    /// The repository as it is now; none when it is gone or the App is not let in.
    pub async fn repository(&self, at: &Place) -> Result<Option<Repository>, GitHubError> {
        let asked = Asked::get(at.to_string(), at.path(&[]));
        let found: Result<RepositoryShown, _> = self.ask(at.who(), &asked).await;
        found
            .map(|found| Some(found.into()))
            .or_else(GitHubError::or_none)
    }

    /// The head of a branch; none when there is no such branch.
    pub async fn branch(
        &self,
        at: &Place,
        branch: &str,
    ) -> Result<Option<CommitInfo>, GitHubError> {
        let what = format!("branch {branch} of {at}");
        let asked = Asked::get(what, at.path(&["branches", branch]));
        let found: Result<BranchShown, _> = self.ask(at.who(), &asked).await;
        found
            .map(|found| Some(found.commit.into()))
            .or_else(GitHubError::or_none)
    }

    /// A commit with its message and author; none when the repository has none such.
    pub async fn commit(
        &self,
        at: &Place,
        commit: &Commit,
    ) -> Result<Option<Committed>, GitHubError> {
        let what = format!("commit {} of {at}", commit.short());
        let asked = Asked::get(what, at.path(&["commits", commit.as_str()]));
        let found: Result<CommitShown, _> = self.ask(at.who(), &asked).await;
        found
            .map(|found| Some(found.into()))
            .or_else(GitHubError::or_none)
    }

    /// A pull request; none when there never was one of this number.
    pub async fn pull_request(
        &self,
        at: &Place,
        number: u32,
    ) -> Result<Option<PullRequest>, GitHubError> {
        let what = format!("pull request {number} of {at}");
        let asked = Asked::get(what, at.path(&["pulls", &number.to_string()]));
        let found: Result<PullRequestShown, _> = self.ask(at.who(), &asked).await;
        found
            .map(|found| Some(found.into()))
            .or_else(GitHubError::or_none)
    }

    /// All open pull requests.
    pub async fn open_pull_requests(&self, at: &Place) -> Result<Vec<PullRequest>, GitHubError> {
        let what = format!("the open pull requests of {at}");
        let route = at.path(&["pulls"]);
        let pages: Vec<Vec<PullRequestShown>> =
            self.pages(at.who(), what, &route, "&state=open").await?;
        Ok(pages.into_iter().flatten().map(PullRequest::from).collect())
    }

    /// The files that a pull request changes, with the old names of those that it moves; none when they are more than
    /// GitHub lists.
    pub async fn changed_files(
        &self,
        at: &Place,
        number: u32,
    ) -> Result<Option<Vec<String>>, GitHubError> {
        let what = format!("the files of pull request {number} of {at}");
        let route = at.path(&["pulls", &number.to_string(), "files"]);
        let pages: Vec<Vec<FileShown>> = self.pages(at.who(), what, &route, "").await?;
        let files: Vec<FileShown> = pages.into_iter().flatten().collect();
        if files.len() >= MOST_FILES {
            return Ok(None);
        }
        let names = files
            .into_iter()
            .flat_map(|file| [Some(file.filename), file.previous_filename]);
        Ok(Some(names.flatten().collect()))
    }

    /// What somebody may do in the repository: asked of GitHub, because no webhook says it. `None` of an account that is gone, and
    /// of a repository that is not shown to the App.
    pub async fn permission(&self, at: &Place, login: &str) -> Result<Option<Level>, GitHubError> {
        let asked = Asked::get(
            format!("what {login} may do in {at}"),
            at.path(&["collaborators", login, "permission"]),
        );
        let found: Result<PermissionShown, _> = self.ask(at.who(), &asked).await;
        found
            .map(|found| Some(found.permission))
            .or_else(GitHubError::or_none)
    }

    /// All pages of a listing, in GitHub's order; `query` is what is asked beside the page.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        who: Who,
        what: String,
        route: &str,
        query: &str,
    ) -> Result<Vec<T>, GitHubError> {
        let mut pages = Vec::new();
        while pages.len() < MOST_PAGES {
            let number = pages.len() + 1;
            let route = format!("{route}?per_page={PAGE}&page={number}{query}");
            let asked = Asked::get(what.clone(), route);
            let reply = self.request(who, &asked).await?;
            pages.push(reply.read(&asked)?);
            if !reply.has_next() {
                return Ok(pages);
            }
        }
        // An incomplete listing must not pass for a complete one.
        Err(GitHubError::Unreadable {
            asked: what,
            why: format!("there are more than {}", MOST_PAGES * PAGE),
        })
    }
}

impl Place {
    pub(super) fn who(&self) -> Who {
        Some(self.installation)
    }

    pub(super) fn path(&self, rest: &[&str]) -> String {
        let number = self.repository.to_string();
        let mut whole = vec!["repositories", &*number];
        whole.extend(rest);
        path(&whole)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}
