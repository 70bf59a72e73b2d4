//! What a look at everything ends, and what it leaves running until another look has found the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use nestling_domain::{
    budget::most,
    environment::Environment,
    github::{Ending, Gone, ending},
    ids::RepositoryId,
    record::Fact,
};
use tracing::warn;

use super::Desk;

/// How many pull requests are named to people; the rest is counted.
const NAMED: usize = 5;

/// What one look has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    repositories: BTreeSet<RepositoryId>,
    gone: Vec<Gone>,
    /// Environments that are not closed.
    live: usize,
}

impl Seen {
    /// A repository with these environments was looked at, and this is gone there.
    pub(super) fn at(&mut self, id: RepositoryId, environments: &[Environment], gone: Vec<Gone>) {
        let live = environments.iter().filter(|one| !one.lifecycle.is_closed());
        self.live += live.count();
        self.repositories.insert(id);
        self.gone.extend(gone);
    }
}

impl Desk {
    /// Makes what is gone ask whether it is closed, as far as one look may; answers where the rest is, to be looked at again.
    pub(super) async fn end(&self, seen: Seen) -> BTreeSet<RepositoryId> {
        let Seen {
            repositories,
            gone,
            live,
        } = seen;
        let before = self.held().clone();
        let Ending { now, held } = ending(gone, &before, live);
        let mut facts: BTreeMap<RepositoryId, Vec<Fact>> = BTreeMap::new();
        for one in now {
            facts.entry(one.repository).or_default().push(one.fact);
        }
        for (id, facts) in facts {
            let many = facts.len();
            if let Err(error) = self.tell(id, "gone", facts).await {
                warn!(repository.id = %id, "{many} pull requests are gone, which could not be told: {error}");
            }
        }
        // What was not looked at is as it was.
        let unseen = before
            .into_iter()
            .filter(|(repository, _)| !repositories.contains(repository));
        let all: BTreeSet<_> = unseen.chain(held.iter().map(Gone::name)).collect();
        let words = self.words(&all, most(live)).await;
        if let Some(words) = words.as_ref().filter(|_| !held.is_empty()) {
            warn!("{words}");
        }
        self.held_back.say(words);
        *self.held() = all;
        held.into_iter().map(|one| one.repository).collect()
    }

    /// What is held back, for people.
    async fn words(&self, held: &BTreeSet<(RepositoryId, u32)>, most: usize) -> Option<String> {
        if held.is_empty() {
            return None;
        }
        let mut names: BTreeMap<RepositoryId, String> = BTreeMap::new();
        let mut named = Vec::new();
        for (id, number) in held.iter().take(NAMED) {
            if !names.contains_key(id) {
                let repository = self.store.repository(*id).await.ok().flatten();
                let name = repository.map(|one| format!("{}/{}", one.owner, one.name));
                names.insert(*id, name.unwrap_or_else(|| format!("repository {id}")));
            }
            named.push(format!("{}#{number}", names[id]));
        }
        let more = held.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!(" and {more} more"));
        Some(format!(
            "a look at GitHub did not find pull requests {}{} among the open ones. One look ends {most} environments at most: these run on, and the next looks end them if they find the same",
            named.join(", "),
            more.unwrap_or_default()
        ))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeSet<(RepositoryId, u32)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
