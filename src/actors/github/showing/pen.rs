//! Writes one thing, whatever of it is there already.

use std::time::Duration;

use nestling_domain::{
    github::shown::{CheckRun, Known, Ledger, Weight, Write},
    orders::Reaction,
};

use super::{Tools, page::Refusal, pass::refusal};
use crate::drivers::{
    clock,
    github::{FoundCheckRun, GitHubError, Place},
};

/// Writes in one place, and keeps the ledger true.
pub(super) struct Pen<'a> {
    pub(super) tools: &'a Tools,
    pub(super) place: &'a Place,
    /// The pull request below which comments go, and the marker of ours.
    pub(super) below: Option<(u32, String)>,
    pub(super) ledger: Ledger,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWritten {
    #[error("as much was written through this installation as GitHub allows; the next write is in {} s", .0.as_secs() + 1)]
    Budget(Duration),
    #[error(transparent)]
    GitHub(#[from] GitHubError),
}

impl NotWritten {
    /// Whether it is a refusal.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            NotWritten::Budget(_) => None,
            NotWritten::GitHub(error) => refusal(error),
        }
    }
}

impl Pen<'_> {
    /// Makes GitHub show what `write` says: changes what is there, and makes it where there is none.
    pub(super) async fn ensure(&mut self, write: &Write) -> Result<(), NotWritten> {
        if let Write::Reaction { comment, reaction } = write {
            self.react(*comment, *reaction).await?;
            self.ledger.shows(write);
            return Ok(());
        }
        let number = match (write, write.known()) {
            (_, Known::Number(number)) => Some(number),
            (Write::Check { run, past, .. }, Known::Maybe) => {
                let found = self.find_check_run(run).await?;
                if let Some(found) = found.filter(|_| *past)
                    && let Some(outcome) = found.ended
                {
                    self.ledger.ended(run, found.id, outcome);
                    return Ok(());
                }
                found.map(|found| found.id)
            }
            (_, Known::Maybe) => self.find(write).await?,
            (_, Known::New) => None,
        };
        if let Some(number) = number
            && self.change_or_miss(write, number).await?
        {
            self.ledger.shows(write);
            return Ok(());
        }
        self.ledger.absent(write);
        if !write.makes() {
            return Ok(());
        }
        self.ledger.begin(std::slice::from_ref(write));
        let number = self.create(write).await?;
        self.ledger.found(write, number);
        if let Write::Deployment { .. } = write {
            self.change(write, number).await?;
        }
        self.ledger.shows(write);
        Ok(())
    }

    /// Changes what has this number; whether it was there.
    ///
    /// GitHub answers alike that somebody deleted it and that the App may not see it, because it was taken away for a moment or for
    /// good. So it counts as deleted only where GitHub shows us all that is there, and it is not among that.
    async fn change_or_miss(&mut self, write: &Write, number: u64) -> Result<bool, NotWritten> {
        self.ledger.found(write, number);
        let changed = self.change(write, number).await;
        let Err(NotWritten::GitHub(GitHubError::Absent { .. })) = changed else {
            return changed.map(|()| true);
        };
        let Some(number) = self.find(write).await? else {
            return Ok(false);
        };
        self.ledger.found(write, number);
        self.change(write, number).await?;
        Ok(true)
    }

    async fn find(&self, write: &Write) -> Result<Option<u64>, NotWritten> {
        let (github, at) = (&self.tools.github, self.place);
        Ok(match write {
            Write::Comment { .. } => match &self.below {
                Some((number, marker)) => {
                    let found = github.find_comment(at, *number, marker).await?;
                    found.map(|found| found.id)
                }
                None => None,
            },
            Write::Check { run, .. } => self.find_check_run(run).await?.map(|found| found.id),
            Write::Deployment { deployed, .. } => {
                let of = (&deployed.commit, &deployed.stage);
                github.find_deployment(at, of, &deployed.ours).await?
            }
            Write::Reaction { .. } => None,
        })
    }

    async fn find_check_run(&self, run: &CheckRun) -> Result<Option<FoundCheckRun>, NotWritten> {
        let github = &self.tools.github;
        let found = github.find_check_run(self.place, &run.head, &run.external_id);
        Ok(found.await?)
    }

    /// On a comment that somebody deleted there is nothing to show.
    async fn react(&self, comment: u64, reaction: Reaction) -> Result<(), NotWritten> {
        self.take_from_budget(Weight::Reaction)?;
        let github = &self.tools.github;
        match github.react(self.place, comment, reaction.name()).await {
            Ok(()) | Err(GitHubError::Absent { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn change(&self, write: &Write, number: u64) -> Result<(), NotWritten> {
        self.take_from_budget(Weight::Content)?;
        let (github, at) = (&self.tools.github, self.place);
        match write {
            Write::Comment { body, .. } => github.change_comment(at, number, body).await?,
            Write::Check { run, .. } => github.change_check_run(at, number, run).await?,
            Write::Deployment { deployed, .. } => {
                let places = (deployed.address.as_deref(), deployed.log.as_deref());
                let state = deployed.state;
                github.tell_deployment(at, number, state, places).await?;
            }
            Write::Reaction { .. } => {}
        }
        Ok(())
    }

    async fn create(&self, write: &Write) -> Result<u64, NotWritten> {
        self.take_from_budget(Weight::Content)?;
        let (github, at) = (&self.tools.github, self.place);
        Ok(match write {
            Write::Comment { body, .. } => {
                let below = self.below.as_ref().map_or(0, |(number, _)| *number);
                github.create_comment(at, below, body).await?
            }
            Write::Check { run, .. } => github.create_check_run(at, run).await?,
            Write::Deployment { deployed, .. } => {
                let of = (&deployed.commit, &deployed.stage);
                github.create_deployment(at, of, &deployed.ours).await?
            }
            // It is known by its comment.
            Write::Reaction { comment, .. } => *comment,
        })
    }

    fn take_from_budget(&self, weight: Weight) -> Result<(), NotWritten> {
        let mut budgets = self.tools.budgets.borrow_mut();
        let budget = budgets.entry(self.place.installation).or_default();
        budget
            .take(weight, clock::now())
            .map_err(NotWritten::Budget)
    }
}
