//! Environments: the record that is saved, and what is known about its pull request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AppId, EnvironmentId, Kind, RepositoryId, Timestamp, Version},
    label::{Label, Slug},
    lifecycle::{Command, Event, Lifecycle, Refused, Step, Times, Trigger},
};

/// A space with a stable address where an instance of an app is deployed. Written as a whole, under a
/// condition on its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// A function of app, kind and pull request number.
    pub id: EnvironmentId,
    /// The app.
    pub app: AppId,
    /// Who owns the app.
    pub owner: String,
    /// The app's slug; copied here because it never changes.
    pub slug: Slug,
    /// The repository.
    pub repository: RepositoryId,
    /// Production, or the preview of which pull request.
    pub kind: Kind,
    /// The branch that it tracks.
    pub branch: String,
    /// The pull request's title; the branch for production.
    pub title: String,
    /// Its life.
    pub lifecycle: Lifecycle,
    /// Counts the saves, from 1; 0 before the first.
    pub version: Version,
    /// When it was recorded first.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Environment {
    /// The label of its own address, where its primary endpoint answers.
    pub fn label(&self) -> Label {
        Label::environment(&self.slug, self.kind)
    }

    /// The label of a further endpoint's address.
    pub fn endpoint_label(&self, endpoint: &str) -> Label {
        Label::endpoint(endpoint, &self.slug, self.kind)
    }

    /// What `asked` changes at `now`, as [`Lifecycle::step`]. Production is everybody's who may write, and the head that it runs
    /// is for its pushes and for people to choose: nobody is asked before it starts again. It has no pull request that could be
    /// opened again: one that was closed, because its repository could not be reached any more, comes back with the next push
    /// and whenever a person wants it.
    pub fn step(&self, asked: &Event, now: Timestamp, times: &Times) -> Result<Step, Refused> {
        match self.kind {
            Kind::Preview(_) => self.lifecycle.step(asked, now, times),
            Kind::Production => {
                let ask_first = Duration::ZERO;
                let times = Times {
                    ask_first,
                    ..times.clone()
                };
                let again = self.lifecycle.is_closed().then(|| reopening(asked));
                let event = again.flatten();
                let event = event.as_ref().unwrap_or(asked);
                self.lifecycle.step(event, now, &times)
            }
        }
    }

    /// What people call it: `local/shop/pr-12`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.owner, self.slug, self.kind.name())
    }
}

/// What brings a closed production back, as the reopening that it is.
fn reopening(event: &Event) -> Option<Event> {
    let commit = match event {
        Event::Hint {
            commit,
            trigger: Trigger::Push | Trigger::Start,
        } => commit.clone(),
        Event::Command(Command::Start | Command::Redeploy) => None,
        Event::Hint { .. } | Event::Command(_) | Event::Observed(_) | Event::Tick => return None,
    };
    Some(Event::Hint {
        commit,
        trigger: Trigger::Reopen,
    })
}
