//! Webhooks in words, for the log of deliveries.

use std::fmt;

use super::webhook::{CheckAsk, InstallationChange, Named, PullRequestChange, Says, Webhook};

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Named { owner, name, .. }) = &self.repository {
            write!(f, "{owner}/{name}: ")?;
        }
        self.says.fmt(f)
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Says::PullRequest {
                number,
                branch,
                head,
                change,
                ..
            } => {
                let what = change.words();
                write!(
                    f,
                    "pull request {number} ({branch}) at {} {what}",
                    head.short()
                )
            }
            Says::Push { branch, head } => write!(f, "branch {branch} is at {}", head.short()),
            Says::BranchDeleted { branch } => write!(f, "branch {branch} is gone"),
            Says::RepositoryChanged => {
                f.write_str("it has this name or another default branch now")
            }
            Says::RepositoryDeleted => f.write_str("it is gone"),
            Says::Installation { change } => match change {
                InstallationChange::Covers { repositories } => {
                    write!(f, "the App is installed for {}", counted(repositories))
                }
                InstallationChange::Deleted { repositories } => {
                    write!(f, "the App is uninstalled from {}", counted(repositories))
                }
                InstallationChange::Suspended => f.write_str("the App is suspended"),
                InstallationChange::Unsuspended => f.write_str("the App is no longer suspended"),
            },
            Says::Repositories { added, removed } => write!(
                f,
                "the App is installed for {} more, and for {} less",
                counted(added),
                counted(removed)
            ),
            Says::Comment { number, .. } => write!(f, "a comment with commands on {number}"),
            Says::CommentDeleted { number, .. } => write!(f, "a comment on {number} is deleted"),
            Says::Check { head, ask, .. } => match ask {
                CheckAsk::Again => write!(f, "a check on {} is asked for again", head.short()),
                CheckAsk::Pressed { .. } => {
                    write!(f, "a button of a check on {} was pressed", head.short())
                }
            },
            Says::ChecksAgain { head } => {
                write!(f, "all checks on {} are asked for again", head.short())
            }
            Says::Nothing { why } => f.write_str(why),
        }
    }
}

impl PullRequestChange {
    fn words(self) -> &'static str {
        match self {
            PullRequestChange::Opened => "was opened",
            PullRequestChange::Reopened => "was reopened",
            PullRequestChange::Pushed => "has a new head",
            PullRequestChange::Closed => "was closed",
            PullRequestChange::Described => "is described otherwise",
        }
    }
}

fn counted(repositories: &[Named]) -> String {
    match repositories {
        [Named { owner, name, .. }] => format!("{owner}/{name}"),
        several => format!("{} repositories", several.len()),
    }
}
