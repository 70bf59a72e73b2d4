//! The first page: all apps, what waits, what is in trouble, what was removed, and how to begin. And the same of one owner.

mod show;

use nestling_domain::{
    announcement::{Status, status, tested},
    app::{App, RemovedApp, Repository},
    deployment::{CommitInfo, Tests},
    environment::Environment,
    ids::{Kind, RepositoryId, Timestamp},
    record::{PullRequest, PullRequestStatus},
};
use nestling_protocol::bundle;

use super::{Visit, github_app, parts::words, paths};
use crate::http::{Addresses, troubles};
pub(super) use show::count;
pub use show::{fragment, page, waiting};

/// What is known of one repository.
#[derive(Debug, Clone)]
pub struct RepositoryFacts<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Its apps, each with all of its environments.
    pub apps: Vec<(&'a App, Vec<&'a Environment>)>,
    /// Its apps that a person removed.
    pub removed: Vec<&'a RemovedApp>,
    /// Its pull requests.
    pub pull_requests: Vec<&'a PullRequest>,
    /// Why no app was found in it, when none was.
    pub nothing_found: Option<&'a str>,
}

/// The page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsView {
    /// The visit.
    pub visit: Visit,
    /// Whose apps; `None` for all.
    pub owner: Option<String>,
    /// What was searched for.
    pub query: String,
    /// The apps that match, by name.
    pub cards: Vec<Card>,
    /// Whether there is any app at all.
    pub any: bool,
    /// Pull requests that wait for a person.
    pub waiting: Vec<Waiting>,
    /// Repositories that cannot be read, or hold no app: name and reason.
    pub troubles: Vec<Trouble>,
    /// Apps that a person removed, by name.
    pub removed: Vec<Removed>,
    /// Repositories whose apps are recorded by people: name, and the page of what they hold.
    pub confirmed: Vec<(String, String)>,
    /// What is to be done about the GitHub App first, where GitHub is the forge.
    pub app: Option<github_app::Panel>,
}

/// An app on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its page.
    pub path: String,
    /// Its slug.
    pub name: String,
    /// What it is.
    pub kind: bundle::Kind,
    /// Its repository and folder.
    pub place: String,
    /// What people say about it.
    pub description: String,
    /// Where production stands; `None` before there is one.
    pub production: Option<Status>,
    /// Production's address, while something answers there.
    pub address: Option<String>,
    /// The newest commit of production, and since when.
    pub commit: Option<(CommitInfo, Timestamp)>,
    /// How the tests of production went.
    pub tests: Tests,
    /// How many previews are not removed.
    pub previews: usize,
}

/// A pull request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// In which repository.
    pub repository: RepositoryId,
    /// What people call that.
    pub place: String,
    /// Its number.
    pub number: u32,
    /// Its title.
    pub title: String,
    /// Its branch.
    pub branch: String,
}

impl Waiting {
    /// Those of a repository's pull requests that wait.
    pub fn of<'p>(
        repository: &Repository,
        pull_requests: impl IntoIterator<Item = &'p PullRequest>,
    ) -> Vec<Self> {
        let place = format!("{}/{}", repository.owner, repository.name);
        let waiting = pull_requests
            .into_iter()
            .filter(|one| one.status == PullRequestStatus::Waiting)
            .map(|one| Waiting {
                repository: repository.id,
                place: place.clone(),
                number: one.number,
                title: one.title.clone(),
                branch: one.branch.clone(),
            });
        waiting.collect()
    }
}

/// An app that a person removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Owner and slug.
    pub name: String,
    /// Its repository and folder.
    pub place: String,
    /// When it was removed.
    pub removed_at: Timestamp,
    /// Where it is brought back.
    pub path: String,
}

/// A repository that does not do what its owner may expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What people call it.
    pub place: String,
    /// Why, for people.
    pub reason: String,
    /// Whether it cannot be read; else it only holds no app.
    pub unreadable: bool,
}

impl AppsView {
    /// Puts together what is known. `query` keeps the apps whose name, place or description holds it.
    pub fn of(
        repositories: &[RepositoryFacts<'_>],
        query: &str,
        addresses: &Addresses,
        visit: Visit,
    ) -> Self {
        let mut cards = Vec::new();
        let mut waiting = Vec::new();
        let mut troubles = Vec::new();
        let mut removed = Vec::new();
        let mut confirmed = Vec::new();
        for facts in repositories {
            let place = format!("{}/{}", facts.repository.owner, facts.repository.name);
            cards.extend(facts.apps.iter().map(|(app, environments)| {
                Card::of(facts.repository, app, environments, addresses)
            }));
            waiting.extend(Waiting::of(
                facts.repository,
                facts.pull_requests.iter().copied(),
            ));
            let unreadable = facts.repository.trouble.as_deref();
            let none = facts.apps.is_empty() && facts.removed.is_empty();
            // Of one on GitHub nobody has looked yet which apps it holds.
            let is_local = facts.repository.path.is_some();
            let nothing = facts.nothing_found.filter(|_| none && is_local);
            if !is_local {
                confirmed.push((place.clone(), paths::apps_of(facts.repository.id)));
            }
            let of_repository = facts.removed.iter();
            removed.extend(of_repository.map(|one| Removed::of(facts.repository, one)));
            troubles.extend(unreadable.or(nothing).map(|reason| Trouble {
                place,
                reason: reason.to_owned(),
                unreadable: unreadable.is_some(),
            }));
        }
        let any = !cards.is_empty();
        let wanted = query.trim().to_lowercase();
        cards.retain(|card| card.searched().contains(&wanted));
        cards.sort_by(|a, b| a.name.cmp(&b.name));
        removed.sort_by(|a, b| a.name.cmp(&b.name));
        AppsView {
            visit,
            owner: None,
            query: query.trim().to_owned(),
            cards,
            any,
            waiting,
            troubles,
            removed,
            confirmed,
            app: None,
        }
    }

    /// The address of the page.
    fn path(&self) -> String {
        let owner = self.owner.as_deref();
        owner.map_or_else(|| paths::APPS.to_owned(), paths::owner)
    }

    /// Shows what concerns the whole server, before what concerns a repository.
    pub fn warn(&mut self, troubles: Vec<troubles::Trouble>) {
        let bad = |trouble: troubles::Trouble| Trouble {
            place: capital(&trouble.about),
            reason: trouble.reason,
            unreadable: true,
        };
        self.troubles.splice(0..0, troubles.into_iter().map(bad));
    }
}

/// A text that begins with a capital letter.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

impl Removed {
    fn of(repository: &Repository, removed: &RemovedApp) -> Self {
        let app = &removed.app;
        Removed {
            name: format!("{}/{}", app.owner, app.slug),
            place: words::place(repository, app),
            removed_at: removed.removed_at,
            path: paths::bring_back(&app.owner, app.slug.as_str()),
        }
    }
}

impl Card {
    fn of(
        repository: &Repository,
        app: &App,
        environments: &[&Environment],
        addresses: &Addresses,
    ) -> Self {
        let production = environments.iter().find(|one| one.kind == Kind::Production);
        Card {
            path: paths::app(&app.owner, app.slug.as_str()),
            name: app.slug.to_string(),
            kind: app.kind,
            place: words::place(repository, app),
            description: app.description.clone(),
            production: production.map(|one| status(&one.lifecycle, None)),
            address: production
                .filter(|one| one.lifecycle.answering().is_some())
                .map(|one| addresses.of(one.label().as_str())),
            commit: production
                .and_then(|one| Some((one.lifecycle.shown_commit()?.clone(), one.updated_at))),
            tests: production
                .and_then(|one| tested(&one.lifecycle))
                .map(|one| one.tests.clone())
                .unwrap_or_default(),
            previews: environments
                .iter()
                .filter(|one| one.kind != Kind::Production && !one.lifecycle.is_closed())
                .count(),
        }
    }

    fn searched(&self) -> String {
        format!("{} {} {}", self.name, self.place, self.description).to_lowercase()
    }
}
