//! What the forge remembers of one repository, and how it tells what changed.

use std::collections::{BTreeMap, HashMap};

use nestling_domain::{
    app::Repository,
    deployment::CommitInfo,
    ids::{AppId, Commit, EnvironmentId, Kind, RepositoryId, Timestamp},
    lifecycle::Trigger,
    local_forge::{Known, delivery_id, same_news},
    record::{Delivery, Fact, PullRequest},
};
use tracing::{info, warn};

use super::{Tools, apps::Apps};
use crate::drivers::{
    clock,
    git::{Fingerprint, Opened},
    store::{Store, StoreError},
};
use crate::messages::forge::Arrived;

/// How far back the inbox is read for what was told last: further back only a restart after a busy week looks,
/// and what it misses is told a second time, which changes nothing.
const INBOX_READ_BACK: usize = 1_000;

/// What is remembered of one repository between two looks. All of it but caches is in the store.
pub(super) struct Memory {
    /// Its record.
    pub(super) repository: Repository,
    /// Where it was found; `None` while it cannot be read.
    pub(super) opened: Option<Opened>,
    /// What listings have shown, and what was told; `None` before it is loaded.
    pub(super) known: Option<Loaded>,
    /// Whether a head has commits that the default branch lacks, by the two heads.
    pub(super) ahead: HashMap<(Commit, Commit), bool>,
    /// The files of refs just before the last complete look.
    pub(super) fingerprint: Option<Fingerprint>,
    /// When the last complete look began.
    pub(super) looked_at: Option<tokio::time::Instant>,
    /// The head of the default branch at the last look; `None` when it was missing.
    pub(super) default: Option<CommitInfo>,
    /// When the last complete look listed the branches.
    pub(super) listed_at: Timestamp,
    /// The apps of the default branch, and at which commit.
    pub(super) apps: Option<(Commit, Apps)>,
    /// The apps of heads of pull requests.
    pub(super) apps_of_heads: HashMap<Commit, Vec<AppId>>,
    /// The failure that was logged last, so that each is logged once.
    pub(super) logged: Option<String>,
}

/// What was loaded from the store.
pub(super) struct Loaded {
    pub(super) known: Known,
    told: Told,
}

/// The newest delivery about each branch: the number of its pull request, or none for production.
struct Told {
    newest: BTreeMap<Subject, (String, Fact)>,
    /// Stands for the delivery before the first that is known.
    since: Timestamp,
}

impl Memory {
    pub(super) fn new(repository: Repository) -> Self {
        Memory {
            repository,
            opened: None,
            known: None,
            ahead: HashMap::new(),
            fingerprint: None,
            looked_at: None,
            default: None,
            listed_at: Timestamp(0),
            apps: None,
            apps_of_heads: HashMap::new(),
            logged: None,
        }
    }

    /// Its path, for people.
    pub(super) fn path(&self) -> &str {
        self.repository
            .path
            .as_deref()
            .unwrap_or(&self.repository.name)
    }

    /// Records this trouble, or that there is none any more.
    pub(super) async fn trouble(
        &mut self,
        tools: &Tools,
        trouble: Option<String>,
    ) -> Result<(), StoreError> {
        if self.repository.trouble == trouble {
            return Ok(());
        }
        if let Some(trouble) = &trouble {
            warn!(repository.id = %self.repository.id, "{trouble}");
        } else {
            info!(repository.id = %self.repository.id, "{} is well again", self.path());
        }
        let repository = Repository {
            trouble,
            ..self.repository.clone()
        };
        tools.store.put_repository(&repository).await?;
        self.repository = repository;
        // Whoever looks at a page is shown it.
        tools.arrived.do_send(Arrived);
        Ok(())
    }
}

impl Loaded {
    /// Reads what was known when this or an earlier process looked last.
    pub(super) async fn load(
        store: &dyn Store,
        repository: &Repository,
    ) -> Result<Self, StoreError> {
        let id = repository.id;
        let mut newest = BTreeMap::new();
        for (delivery, _) in store.deliveries(None, INBOX_READ_BACK).await? {
            if delivery.repository == Some(id)
                && let Some(subject) = subject(&delivery.fact)
            {
                newest
                    .entry(subject)
                    .or_insert((delivery.id, delivery.fact));
            }
        }
        let production = match newest.get(&None) {
            // Of another branch: production has moved since, and was not told yet.
            Some((_, Fact::Production { commit, branch })) => {
                Some(commit.clone()).filter(|_| *branch == repository.default_branch)
            }
            Some(_) | None => deployed(store, id).await?,
        };
        let pull_requests = store.pull_requests(id).await?;
        let known = Known {
            production,
            pull_requests,
            missing: BTreeMap::new(),
        };
        let told = Told {
            newest,
            since: clock::now(),
        };
        Ok(Loaded { known, told })
    }

    /// Tells environments these facts, then records these pull requests. A try that failed in between is made up
    /// for by the next one: the same news keeps its id, and what was told is not told again.
    pub(super) async fn tell(
        &mut self,
        tools: &Tools,
        repository: RepositoryId,
        facts: &[Fact],
        changed: &[PullRequest],
    ) -> Result<(), StoreError> {
        for fact in facts {
            self.told.tell(tools, repository, fact).await?;
        }
        for row in changed {
            tools.store.put_pull_request(row).await?;
        }
        Ok(())
    }
}

impl Told {
    async fn tell(
        &mut self,
        tools: &Tools,
        repository: RepositoryId,
        fact: &Fact,
    ) -> Result<(), StoreError> {
        let Some(subject) = subject(fact) else {
            return Ok(());
        };
        let newest = self.newest.get(&subject);
        if newest.is_some_and(|(_, told)| same_news(told, fact)) {
            return Ok(());
        }
        let first = format!("since {}", self.since.0);
        let before = newest.map_or(first.as_str(), |(id, _)| id.as_str());
        let id = delivery_id(repository, before, fact);
        let delivery = Delivery {
            id: id.clone(),
            at: clock::now(),
            repository: Some(repository),
            fact: fact.clone(),
        };
        tools.store.receive(&delivery).await?;
        self.newest.insert(subject, (id, fact.clone()));
        Ok(())
    }
}

/// The branch that a fact is about: the number of its pull request, or none for production.
type Subject = Option<u32>;

/// What a fact is about; `None` when it says nothing of a branch.
fn subject(fact: &Fact) -> Option<Subject> {
    match fact {
        Fact::Production { .. } => Some(None),
        Fact::PullRequest { number, .. } | Fact::Preview { number, .. } => Some(Some(*number)),
        Fact::Missing { .. }
        | Fact::Returned { .. }
        | Fact::Webhook { .. }
        | Fact::Unreadable { .. } => None,
    }
}

/// A fact for people: what happened to which branch.
pub(super) fn words(fact: &Fact) -> String {
    match fact {
        Fact::Production { branch, commit } => {
            format!("{} on {branch}, which is production", commit.short())
        }
        Fact::PullRequest {
            number,
            branch,
            commit,
            trigger,
            ..
        } => {
            let what = match (trigger, commit) {
                (Trigger::Refresh | Trigger::Close | Trigger::Return, _) | (_, None) => {
                    "the end".to_owned()
                }
                (Trigger::Push, Some(commit)) => commit.short().to_owned(),
                (Trigger::Reopen | Trigger::Visit | Trigger::Start, Some(commit)) => {
                    format!("the start at {}", commit.short())
                }
            };
            format!("{what} of {branch}, which is pull request {number}")
        }
        Fact::Preview { app, number, .. } => {
            format!("the wish for a preview of app {app}, of pull request {number}")
        }
        Fact::Missing { .. } => "that the repository is not shown".to_owned(),
        Fact::Returned { app, .. } => format!("the return of app {app}"),
        Fact::Webhook { event, .. } | Fact::Unreadable { event, .. } => event.clone(),
    }
}

/// The commit that all production environments of a repository know already, when its inbox has been pruned.
async fn deployed(
    store: &dyn Store,
    repository: RepositoryId,
) -> Result<Option<Commit>, StoreError> {
    let mut deployed: Option<Commit> = None;
    for app in store.apps_of_repository(repository).await? {
        let commit = production_commit(store, &app.id).await?;
        match (&deployed, commit) {
            (_, None) => return Ok(None),
            (None, Some(commit)) => deployed = Some(commit),
            (Some(other), Some(commit)) if *other != commit => return Ok(None),
            (Some(_), Some(_)) => {}
        }
    }
    Ok(deployed)
}

async fn production_commit(store: &dyn Store, app: &AppId) -> Result<Option<Commit>, StoreError> {
    let id = EnvironmentId::derive(app, Kind::Production);
    let environment = store.environment(&id).await?;
    let commit = environment.and_then(|found| {
        found
            .lifecycle
            .newest_commit()
            .map(|commit| commit.id.clone())
    });
    Ok(commit)
}
