//! What is to be written: the difference between what GitHub shall show and what it shows.

use super::{
    Check, CheckRun, CheckState, Comment, Deployed, DeploymentState, Ledger, Outcome, Wanted,
    ledger::{CheckShown, DeploymentShown, of_check},
};
use crate::{announcement::digest, orders::Reaction};

/// One thing to make or to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The comment.
    Comment {
        /// What is known of it.
        known: Known,
        /// Its whole text.
        body: String,
    },
    /// A check run.
    Check {
        /// What is known of it.
        known: Known,
        /// As it shall be.
        run: CheckRun,
        /// Whether it is over: an end that GitHub shows already stays, and none is made.
        past: bool,
    },
    /// A deployment.
    Deployment {
        /// What is known of it.
        known: Known,
        /// As it shall be.
        deployed: Deployed,
    },
    /// A face on a comment of somebody: one more of the same changes nothing, so it need not be looked for.
    Reaction {
        /// GitHub's number of the comment.
        comment: u64,
        /// What it shows.
        reaction: Reaction,
    },
}

/// What is known of something that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// GitHub shows it, under this number.
    Number(u64),
    /// GitHub may show it: it is looked for.
    Maybe,
    /// GitHub does not show it.
    New,
}

impl Write {
    /// What is known of it.
    pub fn known(&self) -> Known {
        match self {
            Write::Comment { known, .. }
            | Write::Check { known, .. }
            | Write::Deployment { known, .. } => *known,
            Write::Reaction { .. } => Known::New,
        }
    }

    /// Whether it is made when GitHub does not show it: not only to say that it is over.
    pub fn makes(&self) -> bool {
        match self {
            Write::Comment { .. } | Write::Reaction { .. } => true,
            Write::Check { run, past, .. } => {
                !past && run.state != CheckState::Completed(Outcome::Cancelled)
            }
            Write::Deployment { deployed, .. } => deployed.state != DeploymentState::Inactive,
        }
    }
}

/// Whether these writes may wait a few seconds for more to be told: nothing began or ended, only the comment's words about
/// something under way differ, or what comments of people show.
pub fn is_patient(writes: &[Write]) -> bool {
    let words = |write: &Write| {
        matches!(
            write,
            Write::Comment {
                known: Known::Number(_),
                ..
            } | Write::Reaction { .. }
        )
    };
    writes.iter().all(words)
}

impl Ledger {
    /// What is to be written, in order. Empty when GitHub shows all that it shall.
    pub fn plan(&self, wanted: &Wanted) -> Vec<Write> {
        let comment = wanted.comment.iter();
        let comment = comment.filter_map(|comment| self.for_comment(comment));
        let checks = wanted.checks.iter();
        let checks = checks.filter_map(|check| self.for_check(check));
        let ending = self.checks.iter();
        let ending = ending.filter_map(|shown| for_unwanted_check(shown, wanted));
        let deployments = wanted.deployments.iter();
        let deployments = deployments.filter_map(|deployed| self.for_deployment(deployed));
        let gone = self.deployments.iter();
        let gone = gone.filter_map(|shown| for_unwanted_deployment(shown, wanted));
        let all = comment.chain(checks).chain(ending).chain(deployments);
        // Last: whoever only wrote a comment waits for what everybody reads.
        let reactions = wanted.reactions.iter();
        let reactions = reactions.filter(|reaction| !self.reactions.contains(*reaction));
        let reactions = reactions.map(|(comment, reaction)| Write::Reaction {
            comment: *comment,
            reaction: *reaction,
        });
        all.chain(gone).chain(reactions).collect()
    }

    fn for_comment(&self, wanted: &Comment) -> Option<Write> {
        let write = |known| Write::Comment {
            known,
            body: wanted.body.clone(),
        };
        match &self.comment {
            Some(shown) if shown.digest == Some(digest(&wanted.body)) => None,
            Some(shown) => Some(write(maybe(shown.number))),
            None => wanted.makes.then(|| write(self.unheard_of())),
        }
    }

    fn for_check(&self, wanted: &Check) -> Option<Write> {
        let write = |known, run| Write::Check {
            known,
            run,
            past: false,
        };
        let is_it = |shown: &&CheckShown| shown.external_id == wanted.run.external_id;
        match self.checks.iter().find(is_it) {
            Some(shown) => {
                let run = to_be(shown, wanted)?;
                let differs = shown.digest != Some(of_check(&run));
                differs.then(|| write(maybe(shown.number), run))
            }
            None => wanted
                .makes
                .then(|| write(self.unheard_of(), wanted.run.clone())),
        }
    }

    fn for_deployment(&self, wanted: &Deployed) -> Option<Write> {
        let write = |known| Write::Deployment {
            known,
            deployed: wanted.clone(),
        };
        let is_it = |shown: &&DeploymentShown| shown.ours == wanted.ours;
        match self.deployments.iter().find(is_it) {
            Some(shown) if shown.state == Some(wanted.state) => None,
            Some(shown) => Some(write(maybe(shown.number))),
            None => Some(write(self.unheard_of())),
        }
    }

    /// The check runs that nothing names any more, and of whose end nobody knows whether GitHub shows it: our names for them.
    pub fn untold(&self, wanted: &Wanted) -> Vec<String> {
        let all = self.checks.iter();
        let untold =
            all.filter(|shown| shown.outcome.is_none() && !wanted.names(&shown.external_id));
        untold.map(|shown| shown.external_id.clone()).collect()
    }

    /// What is known of something that does not stand here.
    fn unheard_of(&self) -> Known {
        if self.complete {
            Known::New
        } else {
            Known::Maybe
        }
    }
}

impl Wanted {
    fn names(&self, external_id: &str) -> bool {
        let mut named = self.checks.iter();
        named.any(|check| check.run.external_id == external_id)
    }
}

/// As a check run shall be that GitHub shows; `None` when it stays as it is. How a commit was deployed and tested stays so,
/// whatever becomes of its app later, and only a push or a person begins it anew; its words and buttons are those of now.
fn to_be(shown: &CheckShown, wanted: &Check) -> Option<CheckRun> {
    let run = || Some(wanted.run.clone());
    let Some(ended) = shown.outcome else {
        return run();
    };
    // It went as it went, and a line about an order that was refused comes or goes.
    if shown.refuses != wanted.run.refuses && wanted.run.state.outcome() == Some(ended) {
        return run();
    }
    if !wanted.news {
        return None;
    }
    match (ended, wanted.run.state.outcome()) {
        (Outcome::Success | Outcome::Failure, None) if wanted.asked => run(),
        // Nobody asked for it, and it is over in a moment.
        (Outcome::Success | Outcome::Failure, None) => None,
        // Its approval is gone: whoever may give another one is asked here.
        (Outcome::Success | Outcome::Failure, Some(Outcome::ActionRequired)) => run(),
        (Outcome::Success, Some(Outcome::Failure)) if !wanted.asked => Some(keeping(ended, wanted)),
        (Outcome::Success | Outcome::Failure, Some(Outcome::Success | Outcome::Failure)) => run(),
        (Outcome::Success | Outcome::Failure, Some(Outcome::Cancelled | Outcome::Skipped)) => {
            Some(keeping(ended, wanted))
        }
        (Outcome::Cancelled | Outcome::ActionRequired | Outcome::Skipped, _) => run(),
    }
}

/// How the commit was deployed, and where it stands now.
fn keeping(ended: Outcome, wanted: &Check) -> CheckRun {
    let was = match ended {
        Outcome::Success => "It was deployed",
        Outcome::Failure | Outcome::Cancelled | Outcome::ActionRequired | Outcome::Skipped => {
            "It failed"
        }
    };
    let now = &wanted.run.title;
    let first: String = now.chars().take(1).flat_map(char::to_lowercase).collect();
    let rest: String = now.chars().skip(1).collect();
    CheckRun {
        state: CheckState::Completed(ended),
        title: format!("{was}; now: {first}{rest}"),
        ..wanted.run.clone()
    }
}

/// A check run that nothing names any more ends. So does one that waits for an approval which would help no more.
fn for_unwanted_check(shown: &CheckShown, wanted: &Wanted) -> Option<Write> {
    let ended = !matches!(shown.outcome, None | Some(Outcome::ActionRequired));
    if ended || wanted.names(&shown.external_id) {
        return None;
    }
    let mut past = wanted.past.iter();
    let past = past.find(|run| run.external_id == shown.external_id);
    if let Some(run) = past.filter(|_| shown.outcome.is_none()) {
        return Some(Write::Check {
            known: Known::Maybe,
            run: run.clone(),
            past: true,
        });
    }
    let mut newer = wanted.checks.iter();
    let newer = newer.find(|check| check.run.name == shown.name);
    let summary = match newer {
        Some(newer) => {
            let goes_on = newer.run.head.short();
            format!("It ended before it was through: its environment went on with `{goes_on}`.")
        }
        None => "It ended before it was through: its environment was removed.".to_owned(),
    };
    Some(Write::Check {
        known: maybe(shown.number),
        run: CheckRun {
            name: shown.name.clone(),
            head: shown.head.clone(),
            external_id: shown.external_id.clone(),
            state: CheckState::Completed(Outcome::Cancelled),
            title: "Cancelled".to_owned(),
            summary,
            details_url: None,
            buttons: Vec::new(),
            refuses: false,
        },
        past: false,
    })
}

fn for_unwanted_deployment(shown: &DeploymentShown, wanted: &Wanted) -> Option<Write> {
    let mut named = wanted.deployments.iter();
    let over = [DeploymentState::Inactive, DeploymentState::Failure].map(Some);
    if named.any(|deployed| deployed.ours == shown.ours) || over.contains(&shown.state) {
        return None;
    }
    Some(Write::Deployment {
        known: maybe(shown.number),
        deployed: Deployed {
            ours: shown.ours.clone(),
            commit: shown.commit.clone(),
            stage: shown.stage.clone(),
            state: DeploymentState::Inactive,
            address: None,
            log: None,
        },
    })
}

fn maybe(number: Option<u64>) -> Known {
    number.map_or(Known::Maybe, Known::Number)
}
