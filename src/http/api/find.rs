//! Finding what a path names, and pages of what was found.

use nestling_domain::{
    app::{App, RemovedApp, Repository},
    deployment::Shown,
    environment::Environment,
    ids::{Class, EnvironmentId, Kind, RepositoryId},
    label::Slug,
    record::PullRequestStatus,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{LONGEST_PAGE, PAGE, show};
use crate::{
    drivers::github::GitHubError,
    http::{Services, problem::Problem},
    messages::admission::{Look, Queue},
};

/// How much is repeated of a name that is not there.
const LONGEST_SHOWN: usize = 200;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Paging {
    /// How many items, at most 200; 50 when not said.
    limit: Option<usize>,
    /// The `next` of the page before.
    pub(super) after: Option<String>,
}

impl Paging {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE)
    }

    /// One page of a list that is at hand as a whole; `key` names an item in a cursor.
    pub(super) fn cut<T>(
        &self,
        items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let from = match &self.after {
            None => 0,
            Some(after) => items
                .iter()
                .position(|item| key(item) == *after)
                .map(|at| at + 1)
                .ok_or_else(|| bad_cursor(after))?,
        };
        let left = items.len().saturating_sub(from);
        let page: Vec<T> = items.into_iter().skip(from).take(self.limit()).collect();
        let next = (left > page.len()).then(|| page.last().map(&key)).flatten();
        Ok((page, next))
    }
}

pub(super) fn bad_cursor(after: &str) -> Problem {
    let shown: String = after.chars().take(80).collect();
    Problem::malformed(format!(
        "{shown:?} is not where a page of this list ends: send the `next` of the page before"
    ))
}

/// The app that a path names.
pub(crate) async fn app(services: &Services, owner: &str, slug: &str) -> Result<App, Problem> {
    let missing = || {
        Problem::not_found(format!(
            "there is no app {owner}/{slug}; GET /v1/apps lists those there are"
        ))
    };
    let wanted = Slug::of(slug);
    // What is not a slug itself names nothing.
    if wanted.as_str() != slug {
        return Err(missing());
    }
    if let Some(app) = services.store.app_by_slug(owner, &wanted).await? {
        return Ok(app);
    }
    let mut removed = services.store.removed_apps().await?.into_iter();
    let is_it = |one: &RemovedApp| one.app.owner == owner && one.app.slug == wanted;
    match removed.find(is_it) {
        None => Err(missing()),
        Some(RemovedApp { app, .. }) => {
            let repositories = services.store.repositories().await?;
            let repository = show::repository_of(&app, &repositories);
            let order = serde_json::json!({ "repository": repository, "root": app.root });
            Err(Problem::not_found(format!(
                "app {owner}/{slug} is removed: bring it back at the end of the page of apps, or by POST /v1/apps with {order}"
            )))
        }
    }
}

/// The repository that somebody names, by name or path as lists show it.
pub(crate) async fn repository(services: &Services, named: &str) -> Result<Repository, Problem> {
    let known = services.store.repositories().await?;
    let is_named = |one: &&Repository| {
        one.name == named
            || one.path.as_deref() == Some(named)
            || format!("{}/{}", one.owner, one.name) == named
    };
    let found: Vec<&Repository> = known.iter().filter(is_named).collect();
    let paths = |all: &[&Repository]| {
        let names = all.iter().map(|one| one.path.as_ref().unwrap_or(&one.name));
        names.cloned().collect::<Vec<_>>().join(", ")
    };
    match found[..] {
        [repository] => Ok(repository.clone()),
        [] => {
            if let Some(found) = on_github(services, named).await? {
                return Ok(found);
            }
            let shown: String = named.chars().take(LONGEST_SHOWN).collect();
            let all: Vec<&Repository> = known.iter().collect();
            let others = if services.github.is_some() {
                "and the App is not installed on it: name one as owner/name, and install the App there".to_owned()
            } else if all.is_empty() {
                "nor any other: add its folder with nestling up --repo".to_owned()
            } else {
                format!("only {}", paths(&all))
            };
            Err(Problem::not_found(format!(
                "no repository {shown:?} is watched, {others}"
            )))
        }
        _ => Err(Problem::unfit(format!(
            "more than one repository is called {named:?}: name it by its path: {}",
            paths(&found)
        ))),
    }
}

/// A repository on GitHub that the App covers and that was not heard of yet; it is recorded.
async fn on_github(services: &Services, named: &str) -> Result<Option<Repository>, Problem> {
    let (Some(github), Some((owner, name))) = (&services.github, named.split_once('/')) else {
        return Ok(None);
    };
    let unanswered = |error: GitHubError| Problem::unavailable(error.to_string());
    let installation = github
        .installation_of(owner, name)
        .await
        .map_err(unanswered)?;
    let Some(installation) = installation else {
        return Ok(None);
    };
    let found = github.repository_called(installation, owner, name).await;
    let found = found.map_err(unanswered)?;
    let Some(found) = found else {
        return Ok(None);
    };
    let repository = Repository {
        id: found.id,
        owner: found.owner,
        name: found.name,
        path: None,
        installation: Some(installation),
        default_branch: found.default_branch,
        trouble: None,
        left: false,
        suspended: false,
    };
    services.store.put_repository(&repository).await?;
    Ok(Some(repository))
}

/// The kind of environment that a path names.
pub(super) fn kind(name: &str) -> Result<Kind, Problem> {
    Kind::parse(name).ok_or_else(|| {
        Problem::not_found(format!(
            "{name:?} is not an environment: use `production`, or `pr-` and a number"
        ))
    })
}

/// The environment that a path names.
pub(crate) async fn environment(
    services: &Services,
    owner: &str,
    slug: &str,
    name: &str,
) -> Result<Environment, Problem> {
    let app = app(services, owner, slug).await?;
    let kind = kind(name)?;
    let id = EnvironmentId::derive(&app.id, kind);
    match services.store.environment(&id).await? {
        Some(environment) => Ok(environment),
        None => Err(no_environment(services, &app, kind).await?),
    }
}

/// What is said of an environment that there is not: it may be one that waits.
pub(super) async fn no_environment(
    services: &Services,
    app: &App,
    kind: Kind,
) -> Result<Problem, Problem> {
    let (owner, slug, name) = (&app.owner, &app.slug, kind.name());
    if standing(services, app.repository, kind).await? == Some(PullRequestStatus::Waiting) {
        return Ok(Problem::not_found(format!(
            "{owner}/{slug}/{name} waits, because the limit of open pull requests is reached: start it by `nestling start {owner}/{slug}/{name}` or POST /v1/apps/{owner}/{slug}/environments/{name}/start"
        )));
    }
    Ok(Problem::not_found(format!(
        "{owner}/{slug} has no environment {name}; GET /v1/apps/{owner}/{slug}/environments lists those there are"
    )))
}

/// How the pull request of an environment stands; none for production, and where no forge of ours numbers it.
pub(crate) async fn standing(
    services: &Services,
    repository: RepositoryId,
    kind: Kind,
) -> Result<Option<PullRequestStatus>, Problem> {
    let Some(number) = kind.pull_request() else {
        return Ok(None);
    };
    let known = services.store.pull_request(repository, number).await?;
    Ok(known.map(|known| known.status))
}

/// The kind that values belong to.
pub(crate) fn class(name: &str) -> Result<Class, Problem> {
    Class::parse(name).ok_or_else(|| {
        Problem::not_found(format!(
            "{name:?} is not a kind of environment: use `production` or `preview`"
        ))
    })
}

/// The queue for build slots; asked only while one of these environments waits in it, and empty else.
pub(crate) async fn queue<'r>(
    services: &Services,
    records: impl IntoIterator<Item = &'r Environment>,
) -> Result<Queue, Problem> {
    let waits = |record: &Environment| record.lifecycle.shown() == Shown::Queued;
    if records.into_iter().any(waits) {
        return Ok(services.admission.look.send(Look).await?);
    }
    Ok(Queue::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(limit: usize, after: Option<&str>) -> Paging {
        Paging {
            limit: Some(limit),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn pages_follow_each_other_without_gap_and_end() {
        let items: Vec<u32> = (1..=5).collect();
        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let (page, next) = paging(2, after.as_deref())
                .cut(items.clone(), u32::to_string)
                .unwrap();
            seen.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
        assert!(
            paging(2, Some("nonsense"))
                .cut(items, u32::to_string)
                .is_err()
        );
        assert_eq!(paging(0, None).limit(), 1);
        assert_eq!(paging(10_000, None).limit(), LONGEST_PAGE);
    }
}
