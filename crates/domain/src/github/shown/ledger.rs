//! What GitHub shows of ours, as far as we know.

use serde::{Deserialize, Serialize};

use super::{CheckRun, Deployed, DeploymentState, Outcome, Stage, Wanted, Write};
use crate::{announcement::digest, ids::Commit, orders::Reaction};

/// Ended check runs that are remembered: of ten apps the last ten commits.
const CHECKS_KEPT: usize = 100;

/// What GitHub shows of a pull request or of production, as far as we know. What stands here without a number was about
/// to be made when it was last heard of: it may be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Whether GitHub shows nothing that does not stand here. If it may, everything is looked for before it is made.
    pub complete: bool,
    /// The comment.
    pub comment: Option<CommentShown>,
    /// The check runs, oldest first.
    pub checks: Vec<CheckShown>,
    /// The deployments that are not over, oldest first.
    pub deployments: Vec<DeploymentShown>,
    /// What comments of people show of their orders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<(u64, Reaction)>,
}

/// A comment that GitHub shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentShown {
    /// GitHub's number for it.
    pub number: Option<u64>,
    /// Of the text that it shows, see [`digest`]; `None` before it shows any of ours.
    pub digest: Option<u64>,
}

/// A check run that GitHub shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckShown {
    /// Our name for it.
    pub external_id: String,
    /// What people read.
    pub name: String,
    /// Its commit.
    pub head: Commit,
    /// GitHub's number for it.
    pub number: Option<u64>,
    /// Of everything that it shows; `None` before it shows anything.
    pub digest: Option<u64>,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// Whether it tells of an order that was refused.
    #[serde(default)]
    pub refuses: bool,
}

/// A deployment that GitHub shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentShown {
    /// Our name for it.
    pub ours: String,
    /// Its commit.
    pub commit: Commit,
    /// Where GitHub lists it.
    pub stage: Stage,
    /// GitHub's number for it.
    pub number: Option<u64>,
    /// What was last said about it.
    pub state: Option<DeploymentState>,
}

impl Ledger {
    /// Notes what is about to be written, before it is: whatever is made and not heard of is looked for.
    pub fn begin(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Comment { .. } => {
                    self.comment();
                }
                Write::Check { run, .. } => {
                    let shown = self.check(run);
                    // It begins anew: who does not hear whether it has must not believe that it is over.
                    if shown.outcome.is_some() && shown.outcome != run.state.outcome() {
                        shown.outcome = None;
                        shown.digest = None;
                    }
                }
                Write::Deployment { deployed, .. } => {
                    self.deployment(deployed);
                }
                Write::Reaction { .. } => {}
            }
        }
    }

    /// Notes the number of what was made or found, before it is known to show what it shall.
    pub fn found(&mut self, write: &Write, number: u64) {
        let number = Some(number);
        match write {
            Write::Comment { .. } => self.comment().number = number,
            Write::Check { run, .. } => self.check(run).number = number,
            Write::Deployment { deployed, .. } => self.deployment(deployed).number = number,
            Write::Reaction { .. } => {}
        }
    }

    /// Notes that GitHub knows no such thing any more, or never did.
    pub fn absent(&mut self, write: &Write) {
        match write {
            Write::Comment { .. } => self.comment = None,
            Write::Check { run, .. } => {
                let other = |shown: &CheckShown| shown.external_id != run.external_id;
                self.checks.retain(other);
            }
            Write::Deployment { deployed, .. } => {
                let other = |shown: &DeploymentShown| shown.ours != deployed.ours;
                self.deployments.retain(other);
            }
            Write::Reaction { .. } => {}
        }
    }

    /// Notes that GitHub shows what this write says.
    pub fn shows(&mut self, write: &Write) {
        match write {
            Write::Comment { body, .. } => self.comment().digest = Some(digest(body)),
            Write::Check { run, .. } => {
                let shown = self.check(run);
                shown.digest = Some(of_check(run));
                shown.outcome = run.state.outcome();
                shown.refuses = run.refuses;
            }
            Write::Deployment { deployed, .. } => {
                self.deployment(deployed).state = Some(deployed.state);
            }
            Write::Reaction { comment, reaction } => self.reactions.push((*comment, *reaction)),
        }
    }

    /// Notes that GitHub shows this end of a check run already, in whatever words.
    pub fn ended(&mut self, run: &CheckRun, number: u64, outcome: Outcome) {
        let shown = self.check(run);
        shown.number = Some(number);
        shown.outcome = Some(outcome);
    }

    /// Forgets what nobody will ask for again, after all of `wanted` is shown.
    pub fn settle(&mut self, wanted: &Wanted) {
        self.complete = true;
        // A generation that the record does not name any more is never named again.
        let is_wanted = |shown: &DeploymentShown| {
            let mut wanted = wanted.deployments.iter();
            wanted.any(|deployed| deployed.ours == shown.ours)
        };
        let over = [DeploymentState::Inactive, DeploymentState::Failure].map(Some);
        self.deployments
            .retain(|shown| is_wanted(shown) || !over.contains(&shown.state));
        // Comments come no more that are not remembered.
        self.reactions.retain(|one| wanted.reactions.contains(one));
        // A commit may come back, so that its check run is looked for then.
        let surplus = self.checks.len().saturating_sub(CHECKS_KEPT);
        let ended = |shown: &CheckShown| {
            let mut wanted = wanted.checks.iter();
            shown.outcome.is_some()
                && !wanted.any(|check| check.run.external_id == shown.external_id)
        };
        for _ in 0..surplus {
            if let Some(oldest) = self.checks.iter().position(ended) {
                self.checks.remove(oldest);
                self.complete = false;
            }
        }
    }

    fn comment(&mut self) -> &mut CommentShown {
        self.comment.get_or_insert(CommentShown {
            number: None,
            digest: None,
        })
    }

    fn check(&mut self, run: &CheckRun) -> &mut CheckShown {
        let is_it = |shown: &CheckShown| shown.external_id == run.external_id;
        let place = self.checks.iter().position(is_it).unwrap_or_else(|| {
            self.checks.push(CheckShown {
                external_id: run.external_id.clone(),
                name: run.name.clone(),
                head: run.head.clone(),
                number: None,
                digest: None,
                outcome: None,
                refuses: false,
            });
            self.checks.len() - 1
        });
        &mut self.checks[place]
    }

    fn deployment(&mut self, deployed: &Deployed) -> &mut DeploymentShown {
        let is_it = |shown: &DeploymentShown| shown.ours == deployed.ours;
        let place = self.deployments.iter().position(is_it);
        let place = place.unwrap_or_else(|| {
            self.deployments.push(DeploymentShown {
                ours: deployed.ours.clone(),
                commit: deployed.commit.clone(),
                stage: deployed.stage.clone(),
                number: None,
                state: None,
            });
            self.deployments.len() - 1
        });
        &mut self.deployments[place]
    }
}

/// A short name of everything that a check run shows, the same on every machine and in every version.
pub(super) fn of_check(run: &CheckRun) -> u64 {
    let buttons = run.buttons.iter();
    let buttons: Vec<&str> = buttons.map(|button| button.identifier.as_str()).collect();
    let url = run.details_url.as_deref().unwrap_or_default();
    let buttons = buttons.join(" ");
    let all = [run.state.name(), &run.title, &run.summary, url, &buttons];
    digest(&all.join("\0"))
}
