//! Environments: the record that is saved, and what is known about its pull request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AppId, EnvironmentId, Kind, RepositoryId, Timestamp, Version},
    label::{Label, Slug},
    lifecycle::{Event, Lifecycle, Refused, Step, Times},
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

    /// What `event` changes at `now`, as [`Lifecycle::step`]. Production is everybody's who may write, and the head that it runs
    /// is for its pushes and for people to choose: nobody is asked before it starts again.
    pub fn step(&self, event: &Event, now: Timestamp, times: &Times) -> Result<Step, Refused> {
        match self.kind {
            Kind::Preview(_) => self.lifecycle.step(event, now, times),
            Kind::Production => {
                let ask_first = Duration::ZERO;
                let times = Times {
                    ask_first,
                    ..times.clone()
                };
                self.lifecycle.step(event, now, &times)
            }
        }
    }

    /// What people call it: `local/shop/pr-12`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.owner, self.slug, self.kind.name())
    }
}
