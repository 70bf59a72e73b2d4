//! What a webhook means for what is recorded: which environments look, and why others do not.

use super::webhook::{InstallationChange, Named, PullRequestChange, Says, Webhook};
use crate::{
    app::Repository,
    hint::Hint,
    ids::{Commit, Kind, RepositoryId},
    lifecycle::Trigger,
};

/// What a webhook means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The environment of this kind of each app of the repository is told this.
    EachApp(Hint),
    /// The previews that track this branch and are not closed look.
    Previews {
        /// The branch, of the repository itself and never of a fork.
        branch: String,
        /// Its head, if it has one.
        commit: Option<Commit>,
        /// What it was.
        trigger: Trigger,
    },
    /// The repository is recorded like this from now on; then the production of each app is told this.
    Recorded {
        /// How.
        repository: Repository,
        /// What production is told.
        production: Option<Hint>,
    },
    /// These repositories are recorded as ones that this installation covers. Nothing is deployed before somebody confirms an
    /// app of them.
    Covers {
        /// The installation.
        installation: u64,
        /// Them.
        repositories: Vec<Named>,
    },
    /// Nothing can be asked or said through this installation from now on, or all of it can again: whatever it covers looks then.
    Suspended {
        /// The installation.
        installation: u64,
        /// Whether it is, or is no longer.
        is: bool,
    },
    /// Whatever is not closed in these repositories looks, which finds out whether it may go on.
    Everything {
        /// Which.
        repositories: Vec<RepositoryId>,
    },
    /// A comment was deleted; if it is ours it is made again.
    CommentDeleted {
        /// Below which pull request.
        number: u32,
        /// Which.
        comment: u64,
    },
    /// Somebody orders something; whether they may is asked of the forge first.
    Order,
    /// No environment is told anything: why, for people.
    Nothing(String),
}

/// What a webhook means, when this is what is recorded of the repository that it speaks of.
///
/// A webhook may be older than what is recorded. For environments that does not matter, because they look; names may be set
/// back, until the repository is read the next time.
pub fn meaning(webhook: &Webhook, recorded: Option<&Repository>) -> Meaning {
    match (&webhook.says, recorded) {
        (Says::Nothing { why }, _) => Meaning::Nothing(format!("ignored: {why}")),
        (Says::Installation { change }, _) => of_installation(change, webhook.installation),
        (Says::Repositories { added, removed }, _) => {
            of_repositories(added, removed, webhook.installation)
        }
        (_, None) => Meaning::Nothing("nothing: this repository is not recorded here".to_owned()),
        (says, Some(recorded)) => of_repository(says, webhook, recorded),
    }
}

fn of_repository(says: &Says, webhook: &Webhook, recorded: &Repository) -> Meaning {
    let default_branch = default_branch(webhook, recorded);
    match says {
        Says::PullRequest {
            number,
            branch,
            title,
            head,
            change,
            ..
        } => of_pull_request(*change, |trigger| Hint {
            kind: Kind::Preview(*number),
            branch: branch.clone(),
            title: title.clone(),
            // A refresh names no commit, because that reaches even what a person or a policy has stopped.
            commit: (!trigger.refreshes()).then(|| head.clone()),
            trigger,
            creates: !trigger.refreshes(),
        }),
        Says::Push { branch, head } if branch == default_branch => {
            Meaning::EachApp(Hint::of_production(branch, Some(head)))
        }
        Says::Push { branch, head } => Meaning::Previews {
            branch: branch.clone(),
            commit: Some(head.clone()),
            trigger: Trigger::Push,
        },
        Says::BranchDeleted { branch } if branch == default_branch => Meaning::EachApp(Hint {
            trigger: Trigger::Refresh,
            creates: false,
            ..Hint::of_production(branch, None)
        }),
        Says::BranchDeleted { branch } => Meaning::Previews {
            branch: branch.clone(),
            commit: None,
            trigger: Trigger::Refresh,
        },
        Says::RepositoryChanged => renamed(webhook, recorded),
        Says::RepositoryDeleted => Meaning::Everything {
            repositories: vec![recorded.id],
        },
        Says::Comment { .. } | Says::Check { .. } | Says::ChecksAgain { .. } => Meaning::Order,
        Says::CommentDeleted { number, comment } => Meaning::CommentDeleted {
            number: *number,
            comment: *comment,
        },
        Says::Installation { change } => of_installation(change, webhook.installation),
        Says::Repositories { added, removed } => {
            of_repositories(added, removed, webhook.installation)
        }
        Says::Nothing { why } => Meaning::Nothing(format!("ignored: {why}")),
    }
}

/// The branch of production. An installation names its repositories without their branches: until one was read, whatever comes
/// of it says its own.
fn default_branch<'a>(webhook: &'a Webhook, recorded: &'a Repository) -> &'a str {
    let named = webhook.repository.as_ref();
    let named = named.and_then(|one| one.default_branch.as_deref());
    match recorded.default_branch.as_str() {
        "" => named.unwrap_or_default(),
        known => known,
    }
}

fn of_pull_request(change: PullRequestChange, hint: impl FnOnce(Trigger) -> Hint) -> Meaning {
    let trigger = match change {
        PullRequestChange::Opened | PullRequestChange::Pushed => Trigger::Push,
        PullRequestChange::Reopened => Trigger::Reopen,
        // What policy makes of a title, a label or a draft is found by the look.
        PullRequestChange::Described => Trigger::Refresh,
        PullRequestChange::Closed => Trigger::Close,
    };
    Meaning::EachApp(hint(trigger))
}

/// Production looks even if nothing that is recorded differs: a first try may have recorded it, and no more.
fn renamed(webhook: &Webhook, recorded: &Repository) -> Meaning {
    let Some(named) = &webhook.repository else {
        return Meaning::Nothing("nothing: it names no repository".to_owned());
    };
    let branch = named.default_branch.as_ref();
    let production = branch.map(|branch| Hint {
        trigger: Trigger::Refresh,
        ..Hint::of_production(branch, None)
    });
    Meaning::Recorded {
        repository: Repository {
            owner: named.owner.clone(),
            name: named.name.clone(),
            installation: webhook.installation.or(recorded.installation),
            default_branch: branch.unwrap_or(&recorded.default_branch).clone(),
            ..recorded.clone()
        },
        production,
    }
}

fn of_installation(change: &InstallationChange, installation: Option<u64>) -> Meaning {
    match change {
        InstallationChange::Deleted { repositories } => everything(repositories),
        InstallationChange::Covers { repositories } => covers(repositories, installation),
        InstallationChange::Suspended => suspended(true, installation),
        InstallationChange::Unsuspended => suspended(false, installation),
    }
}

fn of_repositories(added: &[Named], removed: &[Named], installation: Option<u64>) -> Meaning {
    match (added, removed) {
        (_, [_, ..]) => everything(removed),
        ([_, ..], []) => covers(added, installation),
        ([], []) => Meaning::Nothing("nothing: it names no repository".to_owned()),
    }
}

fn covers(repositories: &[Named], installation: Option<u64>) -> Meaning {
    match installation {
        Some(installation) => Meaning::Covers {
            installation,
            repositories: repositories.to_vec(),
        },
        None => Meaning::Nothing("nothing: it names no installation".to_owned()),
    }
}

fn suspended(is: bool, installation: Option<u64>) -> Meaning {
    match installation {
        Some(installation) => Meaning::Suspended { installation, is },
        None => Meaning::Nothing("nothing: it names no installation".to_owned()),
    }
}

fn everything(repositories: &[Named]) -> Meaning {
    Meaning::Everything {
        repositories: repositories.iter().map(|named| named.id).collect(),
    }
}
