//! What a complete look at a repository says that its environments have not heard.
//!
//! Webhooks are lost. What comes of a look are facts like those of webhooks: hints, after which each environment asks what is
//! true. So a look deletes nothing, and one that was wrong costs a question.

use std::collections::{BTreeMap, BTreeSet};

use super::Gone;
use crate::{
    environment::Environment,
    ids::{AppId, Commit, Kind, RepositoryId},
    lifecycle::{State, Trigger, Why},
    record::Fact,
};

/// A repository at one moment: all of it, never a part.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Whether GitHub shows the repository to the App at all: it may be deleted, or taken away from the App.
    pub there: bool,
    /// The default branch.
    pub branch: &'a str,
    /// Its head; `None` when there is no such branch, which changes nothing.
    pub head: Option<&'a Commit>,
    /// Every open pull request.
    pub open: &'a [Open],
}

/// An open pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub number: u32,
    /// The branch of its head as people read it.
    pub branch: String,
    /// Its title.
    pub title: String,
    /// Its head.
    pub head: Commit,
    /// Whether its title, base or labels are others, or whether it is a draft is another matter, than when an environment looked at it last: policy may decide anew.
    pub changed: bool,
}

/// What the environments of these apps of a repository must be told after a look at it, besides that they are [`gone`].
pub fn missed(apps: &[AppId], environments: &[Environment], listed: &Listed<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(head) = listed.head
        && any_lacks(apps, environments, Kind::Production, head)
    {
        facts.push(Fact::Production {
            branch: listed.branch.to_owned(),
            commit: head.clone(),
        });
    }
    let lives = |environment: &Environment| !environment.lifecycle.is_closed();
    if !listed.there && of(environments, Kind::Production).any(lives) {
        facts.push(Fact::Missing {
            branch: listed.branch.to_owned(),
        });
    }
    for one in listed.open {
        let kind = Kind::Preview(one.number);
        if any_lacks(apps, environments, kind, &one.head) {
            facts.push(told(one, Trigger::Push));
        }
        // A refresh reaches what a reopening should have reached, and asks anew for what waits.
        let rests = |environment: &Environment| match &environment.lifecycle.state {
            State::Stopped { why, .. } => matches!(why, Why::Closed | Why::Waits(_)),
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => false,
        };
        let mut ours = of(environments, kind);
        if ours.any(|environment| rests(environment) || one.changed) {
            facts.push(told(one, Trigger::Refresh));
        }
    }
    facts
}

/// The pull requests that a look at this repository did not find, with those environments of them that are not closed. One that
/// asks already whether it is closed need not be told.
pub fn gone(
    repository: RepositoryId,
    environments: &[Environment],
    listed: &Listed<'_>,
) -> Vec<Gone> {
    let open: BTreeSet<u32> = listed.open.iter().map(|one| one.number).collect();
    let mut gone: BTreeMap<u32, Gone> = BTreeMap::new();
    for environment in environments {
        let life = &environment.lifecycle;
        let asks = life
            .look
            .as_ref()
            .is_some_and(|look| look.closing.is_some());
        let number = environment.kind.pull_request();
        let Some(number) = number.filter(|number| !open.contains(number)) else {
            continue;
        };
        if life.is_closed() || asks {
            continue;
        }
        let of_it = gone.entry(number).or_insert_with(|| Gone {
            repository,
            number,
            environments: 0,
            fact: Fact::PullRequest {
                number,
                branch: environment.branch.clone(),
                title: environment.title.clone(),
                commit: None,
                trigger: Trigger::Close,
            },
        });
        of_it.environments += 1;
    }
    gone.into_values().collect()
}

/// Whether some app has no environment of this kind, or one that has heard of another head than this.
fn any_lacks(apps: &[AppId], environments: &[Environment], kind: Kind, head: &Commit) -> bool {
    apps.iter().any(|app| {
        let found = of(environments, kind).find(|environment| environment.app == *app);
        found.is_none_or(|environment| {
            let lifecycle = &environment.lifecycle;
            // No push reaches what a person stopped, or what is closed or waits. But one that was closed with the
            // App's installation is production again with the next.
            let rests = match &lifecycle.state {
                State::Stopped {
                    why: Why::Closed, ..
                } if kind == Kind::Production => return true,
                State::Stopped { why, .. } => {
                    !why.revived_by(Trigger::Push) || matches!(why, Why::Waits(_))
                }
                State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => false,
            };
            // One that looks hears it by itself.
            !rests
                && lifecycle.look.is_none()
                && lifecycle
                    .newest_commit()
                    .is_none_or(|newest| newest.id != *head)
                && lifecycle
                    .offered
                    .as_ref()
                    .is_none_or(|offered| offered.id != *head)
        })
    })
}

fn of(environments: &[Environment], kind: Kind) -> impl Iterator<Item = &Environment> {
    environments
        .iter()
        .filter(move |environment| environment.kind == kind)
}

fn told(one: &Open, trigger: Trigger) -> Fact {
    Fact::PullRequest {
        number: one.number,
        branch: one.branch.clone(),
        title: one.title.clone(),
        // A refresh names no commit, because that reaches even what a person or a policy has stopped.
        commit: (trigger != Trigger::Refresh).then(|| one.head.clone()),
        trigger,
    }
}
