//! What people order about a pull request beside its environments.

use nestling_domain::{
    app::Repository,
    ids::RepositoryId,
    lifecycle::Trigger,
    orders::Order,
    record::{Delivery, Fact},
};

use tracing::warn;

use super::{Desk, not_stored, place::Asked};
use crate::{
    drivers::{clock, github::Level},
    messages::forge::{Arrived, ForgeError, React, Reaction},
};

impl Desk {
    /// Whether somebody may write to a repository.
    pub(super) async fn may_write(
        &self,
        repository: RepositoryId,
        login: &str,
    ) -> Result<bool, ForgeError> {
        let answer = self
            .ask(repository, async |place, _| {
                self.client.permission(place, login).await.map(Some)
            })
            .await?;
        Ok(match answer {
            Asked::Answered(level, _) => level >= Level::Write,
            Asked::Nothing(_) | Asked::Gone => false,
        })
    }

    /// Shows on a comment what becomes of what it orders.
    pub(super) async fn react(&self, react: &React) {
        let content = match react.reaction {
            Reaction::Eyes => "eyes",
            Reaction::Rocket => "rocket",
            Reaction::Confused => "confused",
        };
        let reacted = self.ask(react.repository, async |place, _| {
            self.client
                .react(place, react.comment, content)
                .await
                .map(Some)
        });
        if let Err(error) = reacted.await {
            warn!("{error}");
        }
    }

    /// A person wants a preview of this pull request although policy would make none. Trust is another matter: an outsider's
    /// commit still waits for its approval. GitHub is asked for it, seen here or not.
    pub(super) async fn start_waiting(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<(), ForgeError> {
        let answer = self
            .ask(repository, async |place, _| {
                self.client.pull_request(place, number).await
            })
            .await?;
        let refused = |why: String| Err(ForgeError::Rejected(why));
        let (pull_request, known) = match answer {
            Asked::Answered(pull_request, known) => (pull_request, known),
            Asked::Nothing(Repository { owner, name, .. }) => {
                return refused(format!("{owner}/{name} has no pull request {number}"));
            }
            Asked::Gone => {
                return refused(
                    "its repository is gone, or the App is not installed on it any more".to_owned(),
                );
            }
        };
        // It may never have been told of: the App hears of what happens, and this happened before.
        self.see(&known, &pull_request, None).await?;
        if !pull_request.open {
            return refused(format!(
                "pull request {number} of {}/{} is closed: open it again on GitHub",
                known.owner, known.name
            ));
        }
        let unseen =
            || ForgeError::Failed(format!("pull request {number} was forgotten, try again"));
        let ordered = self.store.order(repository, number, &Order::Preview).await;
        let row = ordered.map_err(not_stored)?.ok_or_else(unseen)?;
        let now = clock::now();
        let delivery = Delivery {
            id: format!("start-{repository}-{number}-{}", now.0),
            at: now,
            repository: Some(repository),
            fact: Fact::PullRequest {
                number,
                branch: row.branch,
                title: row.title,
                commit: None,
                trigger: Trigger::Start,
            },
        };
        self.store.receive(&delivery).await.map_err(not_stored)?;
        self.arrived.do_send(Arrived);
        Ok(())
    }
}
