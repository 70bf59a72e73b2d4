//! What people order about a pull request beside its environments.

use nestling_domain::{
    app::Repository,
    ids::RepositoryId,
    lifecycle::Trigger,
    orders::Order,
    record::{Delivery, Fact},
};

use super::{Desk, not_stored, place::Asked};
use crate::{
    drivers::{clock, github::Level},
    messages::forge::{Arrived, ForgeError, StartWaiting},
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
                self.client.permission(place, login).await
            })
            .await?;
        Ok(match answer {
            Asked::Answered(level, _) => level >= Level::Write,
            Asked::Nothing(_) | Asked::Gone => false,
        })
    }

    /// A person wants a preview of this pull request although policy would make none. Trust is another matter: an outsider's
    /// commit still waits for its approval. GitHub is asked for it, seen here or not. Of one app, no other one begins.
    pub(super) async fn start_waiting(
        &self,
        StartWaiting {
            repository,
            number,
            app,
        }: StartWaiting,
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
        let wish = Order::Preview { app: app.clone() };
        let ordered = self.store.order(repository, number, &wish).await;
        let row = ordered.map_err(not_stored)?.ok_or_else(unseen)?;
        let now = clock::now();
        let delivery = Delivery {
            id: format!("start-{repository}-{number}-{}", now.0),
            at: now,
            repository: Some(repository),
            fact: match app {
                Some(app) => Fact::Preview {
                    app,
                    number,
                    branch: row.branch,
                    title: row.title,
                },
                None => Fact::PullRequest {
                    number,
                    branch: row.branch,
                    title: row.title,
                    commit: None,
                    trigger: Trigger::Start,
                },
            },
        };
        self.store.receive(&delivery).await.map_err(not_stored)?;
        self.arrived.do_send(Arrived);
        Ok(())
    }
}
