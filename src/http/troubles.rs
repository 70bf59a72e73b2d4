//! What stands in the way of a whole repository, or of the server itself: the same words on every page, in the
//! API and in `ps`. What concerns one deployment stands in its environment's record instead.

pub mod removals;
#[cfg(test)]
mod tests;

use std::time::Duration;

use nestling_domain::{
    announcement, app::Repository, environment::Environment, fly::Cost, github::Unheard,
    ids::Timestamp, record::Content,
};

use super::{Services, problem::Problem};
use crate::{
    drivers::{clock, github::Unreachable},
    http::dashboard::paths,
    messages::{
        admission::Look,
        environments::Quarantined,
        forge::Unshown,
        github_app::{Standing, Which},
    },
};

/// For how long what GitHub refused to show counts as refused: what is owed is tried again each minute.
const STILL_REFUSED: Duration = Duration::from_mins(10);

/// Something that people should know and can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it concerns: `this server`, `builds`, `secrets`, `logs`, `removals`, `webhooks`, `GitHub`, `GitHub at acme`, `Fly`, an app there, `names`, a name, an environment, or a repository such as `local/shop`.
    pub about: String,
    /// What is wrong, where, and what to do.
    pub reason: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// What it has cost since then, where that is known; the reason says so, too.
    pub cost: Option<Cost>,
}

impl Trouble {
    fn of(about: impl Into<String>, reason: impl Into<String>) -> Self {
        Trouble {
            about: about.into(),
            reason: reason.into(),
            since: None,
            cost: None,
        }
    }

    /// Something that costs since then.
    fn costing(
        about: String,
        reason: String,
        (since, cost): (Option<Timestamp>, Option<Cost>),
    ) -> Self {
        let costs = cost.map(|cost| format!(". Since then its machines have cost {cost}, if they run: at the prices of Fly's cheapest regions"));
        Trouble {
            about,
            reason: reason + &costs.unwrap_or_default(),
            since,
            cost,
        }
    }
}

/// All there is.
pub async fn all(services: &Services) -> Result<Vec<Trouble>, Problem> {
    let mut troubles = of_server(services).await?;
    troubles.extend(of_app(services).await?);
    let repositories = services.store.repositories().await?;
    troubles.extend(repositories.iter().filter_map(of_repository));
    troubles.extend(of_github(services).await?);
    Ok(troubles)
}

/// That of the server itself.
pub async fn of_server(services: &Services) -> Result<Vec<Trouble>, Problem> {
    let waits = services.waits.as_ref();
    let waits = waits.map(|waits| Trouble::of("this server", waits.reason()));
    let paused = services.admission.look.send(Look).await?.paused;
    let paused = paused.map(|reason| {
        let reason = format!("no build is begun: {reason}. What runs goes on");
        Trouble::of("builds", reason)
    });
    let secrets = services.keys.trouble().map(|reason| {
        let reason = format!("{reason}. What runs, and every app without secrets, goes on");
        Trouble::of("secrets", reason)
    });
    let logs = services.blobs.trouble().map(|reason| {
        let reason = format!("no log and no test results are kept: {reason}. What runs goes on, and machines hold theirs until they can be kept");
        Trouble::of("logs", reason)
    });
    let forge = services.forge_trouble.as_ref();
    let forge = forge.map(|reason| Trouble::of("GitHub", &**reason));
    let held_back = services.held_back.said();
    let held_back = held_back.map(|reason| Trouble::of("removals", reason));
    let not_heard = services.not_heard.said().map(of_webhooks);
    let mut troubles: Vec<Trouble> = waits
        .into_iter()
        .chain(paused)
        .chain(secrets)
        .chain(logs)
        .chain(forge)
        .chain(held_back)
        .chain(not_heard)
        .collect();
    let left = services.left_behind.said().into_iter();
    troubles.extend(
        left.map(|left| Trouble::costing(left.about, left.reason, (left.since, left.cost))),
    );
    let unnamed = services.unnamed.said().unwrap_or_default();
    troubles.extend(unnamed.into_iter().map(|one| Trouble {
        since: Some(one.since),
        ..Trouble::of(one.about, one.reason)
    }));
    let now = clock::now();
    for record in removals::stuck(&*services.store, now).await? {
        troubles.extend(record.lifecycle.stuck(now).map(|removal| {
            let price = services.price;
            let cost = price.and_then(|price| price.of_removal(&removal, now));
            let reason = announcement::stuck(&removal);
            Trouble::costing(record.name(), reason, (Some(removal.since), cost))
        }));
    }
    for (id, reason) in services.environments.quarantined.send(Quarantined).await? {
        let record = services.store.environment(&id).await?;
        troubles.push(Trouble::of(
            record.map_or_else(|| id.to_string(), |record| record.name()),
            format!(
                "quarantined, as its actor failed repeatedly ({reason}). What runs stays as it is, and nothing else is done until somebody redeploys, starts or stops it"
            ),
        ));
    }
    Ok(troubles)
}

/// Webhooks that do not get through, and what is found without them.
fn of_webhooks(unheard: Unheard) -> Trouble {
    let (waiting, how) = (unheard.waiting, unheard.how());
    let them = if waiting == 1 {
        "one waits"
    } else {
        "they wait"
    };
    let reason = if unheard.silent {
        format!(
            "GitHub gets no webhook through to this server ({how}): {waiting} in its log, of which some are asked for again each minute, and all once one comes. A look every 15 minutes finds pushes and pull requests meanwhile; what people order in comments and by buttons waits"
        )
    } else {
        format!(
            "GitHub could not deliver {waiting} of its webhooks, though others come ({how}): {them} in its log, and are asked for again for three days, at most an hour apart. The server's log says why they were not taken"
        )
    };
    Trouble {
        since: Some(unheard.since),
        ..Trouble::of("webhooks", reason)
    }
}

/// That of the GitHub App that the server is; pages show what to do about it themselves.
async fn of_app(services: &Services) -> Result<Option<Trouble>, Problem> {
    let Some(app) = &services.app else {
        return Ok(None);
    };
    let reason = match app.which.send(Which).await? {
        Standing::Configured { .. } | Standing::Made(_) => return Ok(None),
        Standing::Lost(lost) => lost.reason,
        Standing::None => format!(
            "there is no GitHub App yet: make one at {}{}",
            services.addresses.dashboard(),
            paths::GITHUB_APP
        ),
    };
    Ok(Some(Trouble::of("GitHub", reason)))
}

/// Where GitHub lets the App do nothing, as far as something of there is deployed.
pub async fn of_github(services: &Services) -> Result<Vec<Trouble>, Problem> {
    let mut troubles: Vec<Trouble> = Vec::new();
    let Some(github) = &services.github else {
        return Ok(troubles);
    };
    troubles.extend(github.not_taken_for().map(|said| {
        let reason =
            format!("{said} What runs goes on, and nothing new is heard of, deployed or shown");
        Trouble::of("GitHub", reason)
    }));
    let unshown = unshown(services);
    for repository in services.store.repositories().await? {
        let Some(reason) = not_reached(services, &repository) else {
            troubles.extend(not_shown(&repository, &unshown));
            continue;
        };
        let about = format!("GitHub at {}", repository.owner);
        let said = troubles.iter().any(|one| one.about == about);
        let apps = services.store.apps_of_repository(repository.id).await?;
        if !said && !apps.is_empty() {
            troubles.push(Trouble::of(about, reason));
        }
    }
    Ok(troubles)
}

/// What GitHub refused to show so lately that it is still so.
fn unshown(services: &Services) -> Vec<Unshown> {
    let now = clock::now();
    let mut all = services.not_shown.said().unwrap_or_default();
    all.retain(|one| now.since(one.last) < STILL_REFUSED);
    all
}

/// What GitHub refuses to show of a repository: for one of its pull requests in its words, and for how many more.
fn not_shown(repository: &Repository, unshown: &[Unshown]) -> Option<Trouble> {
    let mut of_it: Vec<&Unshown> = unshown
        .iter()
        .filter(|one| one.repository == repository.id)
        .collect();
    of_it.sort_by_key(|one| one.kind);
    let (first, more) = of_it.split_first()?;
    let of = match first.kind.pull_request() {
        Some(number) => format!("pull request {number}"),
        None => "production".to_owned(),
    };
    let more = match more.len() {
        0 => String::new(),
        more => format!(", nor of {more} more"),
    };
    let Repository { owner, name, .. } = repository;
    Some(Trouble {
        since: of_it.iter().map(|one| one.since).min(),
        ..Trouble::of(
            format!("GitHub at {owner}/{name}"),
            format!(
                "what is to be shown of {of} is not{more}: {}. What runs goes on, and it is tried again after at most 10 minutes",
                first.reason
            ),
        )
    })
}

/// What concerns this environment and does not stand in its record; why builds pause is shown where one waits.
pub async fn of_environment(
    services: &Services,
    environment: &Environment,
) -> Result<Vec<String>, Problem> {
    let repository = services.store.repository(environment.repository).await?;
    let installed = repository
        .as_ref()
        .and_then(|found| not_reached(services, found));
    let trouble = repository.and_then(|found| found.trouble);
    let subject = (environment.repository, environment.kind);
    let unshown = unshown(services)
        .into_iter()
        .find(|one| (one.repository, one.kind) == subject);
    let unshown = unshown.map(|one| format!("Not all of this is shown on GitHub: {}", one.reason));
    let unnamed = services.unnamed.said().unwrap_or_default();
    let unnamed = unnamed
        .into_iter()
        .filter(|one| one.environment.as_ref() == Some(&environment.id))
        .map(|one| format!("{} does not lead here: {}", one.about, one.reason));
    let mut reasons: Vec<String> = trouble
        .into_iter()
        .chain(installed)
        .chain(unshown)
        .chain(unnamed)
        .collect();
    if let Some(reason) = services.keys.trouble() {
        let class = environment.kind.class();
        let values = services.store.values(&environment.app, class).await?;
        if values
            .iter()
            .any(|value| matches!(value.content, Content::Secret { .. }))
        {
            reasons.push(format!("Its secrets cannot be used: {reason}"));
        }
    }
    Ok(reasons)
}

fn of_repository(repository: &Repository) -> Option<Trouble> {
    let about = format!("{}/{}", repository.owner, repository.name);
    Some(Trouble::of(about, repository.trouble.clone()?))
}

/// Why GitHub lets the App do nothing in a repository, as far as it said so: in a webhook, after which nobody asks it anything, or in an
/// answer.
fn not_reached(services: &Services, repository: &Repository) -> Option<String> {
    let github = services.github.as_ref()?;
    let Repository { owner, .. } = repository;
    let installation = repository.installation?;
    let told = repository.suspended.then_some(Unreachable::Suspended);
    Some(match github.unreachable(installation).or(told)? {
        Unreachable::Suspended => format!(
            "the GitHub App is suspended at {owner}: what runs goes on, and nothing new is deployed or shown until an owner of {owner} lets it go on, in the settings there under \"GitHub Apps\""
        ),
        Unreachable::Removed => format!(
            "the GitHub App is not installed at {owner} any more: install it there again, or remove here what was deployed from there"
        ),
    })
}
