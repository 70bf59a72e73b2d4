//! What the owners of an app want to run, decided from what is true of a pull request now.
//!
//! A policy is read from the app's settings and from `nestling.toml` of the base branch, never of the head: what a
//! stranger writes into a pull request must not decide whether it runs, or with which secrets.

mod machine;
mod paths;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use machine::Machine;
pub use paths::{NotAPattern, Paths};

use crate::{deployment::Trust, ids::Commit};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The label that wants a preview whatever else speaks against it, trust excepted.
pub const WANTED: &str = "preview";
/// The label that wants none.
pub const UNWANTED: &str = "no-preview";
/// The label that lets no age end a preview.
pub const KEPT: &str = "keep";
/// Whether this label changes what becomes of a pull request.
pub fn is_read(label: &str) -> bool {
    let read = [WANTED, UNWANTED, KEPT];
    read.iter().any(|known| known.eq_ignore_ascii_case(label))
}

/// Words in the title or in the head's message that want no preview; in brackets, in any case.
pub const SKIP_WORDS: [&str; 5] = [
    "[skip ci]",
    "[ci skip]",
    "[no ci]",
    "[skip preview]",
    "[preview skip]",
];

/// What the owners of an app want. The default is the one table of defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether drafts have previews.
    pub drafts: bool,
    /// Whether pull requests of programs have previews.
    pub bots: bool,
    /// What becomes of a pull request by somebody who may not write to the repository.
    pub outsiders: Outsiders,
    /// Whether an approved commit of an outsider sees the secrets of previews.
    pub fork_secrets: bool,
    /// The files that must change for a preview to be made; none given, any file.
    pub paths: Paths,
    /// How many previews the app has at once; the next one waits, and none is ended for it.
    pub previews: u32,
    /// After how many hours without a visit a preview sleeps.
    pub sleeps_after_hours: u32,
    /// After how many days without a push a preview ends, unless it is kept.
    pub ends_after_days: u32,
    /// What a push to the production branch does.
    pub production_deploys: Production,
    /// When a pull request gets a comment. Of several apps, the one that shows most decides.
    pub comment: Comments,
    /// How big its machines shall be and where, at Fly. Not written where nothing is asked for, so that an older server reads the record.
    #[serde(skip_serializing_if = "Machine::is_default")]
    pub machine: Machine,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            drafts: true,
            bots: false,
            outsiders: Outsiders::Approve,
            fork_secrets: false,
            paths: Paths::default(),
            previews: 10,
            sleeps_after_hours: 24,
            ends_after_days: 14,
            production_deploys: Production::OnPush,
            comment: Comments::Always,
            machine: Machine::default(),
        }
    }
}

/// What becomes of the commits of outsiders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outsiders {
    /// Nothing, ever.
    Off,
    /// They wait until somebody who may write approves this very commit.
    Approve,
    /// They run at once, and see no secret.
    WithoutSecrets,
}

/// When a pull request gets a comment; least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comments {
    /// Never, but to say why an order was not obeyed. One that is there is kept up to date.
    Off,
    /// Once something failed.
    Failures,
    /// As soon as there is an environment.
    Always,
}

/// What a push to the production branch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Production {
    /// It is deployed.
    OnPush,
    /// It waits for a person.
    Manual,
}

/// What is true of a pull request now, as the forge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullRequest<'a> {
    /// Its head.
    pub head: &'a Commit,
    /// Its title.
    pub title: &'a str,
    /// The message of its head.
    pub message: &'a str,
    /// Whether it is a draft.
    pub draft: bool,
    /// Its labels.
    pub labels: &'a [String],
    /// Whether its author is a program.
    pub bot: bool,
    /// Who stands behind its head.
    pub author: Author,
    /// The files that it changes; `None` when they are too many to be listed, which is any file.
    pub files: Option<&'a [String]>,
    /// The commit of it that somebody who may write has approved last.
    pub approved: Option<&'a Commit>,
    /// Whether a person who may write asked for this preview.
    pub asked_for: bool,
}

/// Who stands behind a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// Somebody who may write to the repository, in the repository itself.
    Member,
    /// Somebody who may not, or anybody from a fork.
    Outsider,
}

/// What is to become of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It may run.
    Run {
        /// What it may see and share.
        trust: Trust,
    },
    /// It may run once this commit is approved.
    Approval {
        /// The commit.
        commit: Commit,
    },
    /// It does not run.
    Skip {
        /// Why, for people, with what would change it.
        why: String,
    },
}

impl Policy {
    /// What is to become of the head of this pull request. Trust comes first, and nothing but an approval of the commit
    /// gets past it: a label can be set by people who have read nothing.
    pub fn verdict(&self, asked: &PullRequest<'_>) -> Verdict {
        let has = |wanted: &str| {
            asked
                .labels
                .iter()
                .any(|label| label.eq_ignore_ascii_case(wanted))
        };
        if has(UNWANTED) {
            return skip(format!(
                "it has the label `{UNWANTED}`: remove it to get a preview"
            ));
        }
        if asked.author == Author::Outsider && self.outsiders == Outsiders::Off {
            return skip(
                "it comes from somebody who may not write to this repository, and this app runs nothing of outsiders",
            );
        }
        if !(has(WANTED) || asked.asked_for)
            && let Some(why) = self.unwanted(asked)
        {
            return skip(format!(
                "{why}: the label `{WANTED}`, or the comment `/preview`, makes one all the same"
            ));
        }
        match (asked.author, self.outsiders) {
            (Author::Member, _) => runs(Trust::Member),
            (Author::Outsider, Outsiders::WithoutSecrets | Outsiders::Off) => runs(Trust::Outsider),
            (Author::Outsider, Outsiders::Approve) if asked.approved == Some(asked.head) => {
                runs(if self.fork_secrets {
                    Trust::OutsiderWithSecrets
                } else {
                    Trust::Outsider
                })
            }
            (Author::Outsider, Outsiders::Approve) => Verdict::Approval {
                commit: asked.head.clone(),
            },
        }
    }

    /// Why nobody wants this preview, if so.
    fn unwanted(&self, asked: &PullRequest<'_>) -> Option<String> {
        if asked.draft && !self.drafts {
            return Some("it is a draft, and drafts have no preview here".to_owned());
        }
        if asked.bot && !self.bots {
            return Some("it was opened by a program".to_owned());
        }
        for (text, place) in [(asked.title, "title"), (asked.message, "head's message")] {
            if let Some(word) = skip_word(text) {
                return Some(format!("its {place} says `{word}`"));
            }
        }
        match asked.files {
            Some(files) if !self.paths.concern(files) => Some(format!(
                "none of the files that it changes is of this app ({})",
                self.paths
            )),
            Some(_) | None => None,
        }
    }

    /// Whether a preview that nobody visited for so long is to sleep.
    pub fn sleeps(&self, unvisited: Duration) -> bool {
        unvisited >= HOUR * self.sleeps_after_hours
    }

    /// Whether a preview of these labels that nobody pushed to for so long is to end.
    pub fn has_aged(&self, unpushed: Duration, labels: &[String], kept: bool) -> bool {
        let kept = kept || labels.iter().any(|label| label.eq_ignore_ascii_case(KEPT));
        !kept && unpushed >= DAY * self.ends_after_days
    }
}

fn skip_word(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    SKIP_WORDS.into_iter().find(|word| text.contains(word))
}

fn runs(trust: Trust) -> Verdict {
    Verdict::Run { trust }
}

fn skip(why: impl Into<String>) -> Verdict {
    Verdict::Skip { why: why.into() }
}
