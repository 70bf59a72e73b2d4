//! What people order about a pull request beside its environments.

use nestling_domain::{
    ids::RepositoryId,
    lifecycle::Trigger,
    orders::Order,
    record::{Delivery, Fact, PullRequestStatus},
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
    /// commit still waits for its approval.
    pub(super) async fn start_waiting(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<(), ForgeError> {
        let unseen =
            || ForgeError::Rejected(format!("pull request {number} was not seen here yet"));
        let row = self.store.pull_request(repository, number).await;
        let row = row.map_err(not_stored)?.ok_or_else(unseen)?;
        if row.status == PullRequestStatus::Closed {
            return Err(ForgeError::Rejected(format!(
                "pull request {number} is closed: open it again on GitHub"
            )));
        }
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
