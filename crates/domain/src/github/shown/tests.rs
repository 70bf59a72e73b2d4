//! What people read on GitHub, told as the life of a pull request.

mod ledger;
mod life;
mod texts;

use insta::assert_snapshot;
use nestling_protocol::test::Counts;

use super::*;
use crate::{
    announcement::sample::*,
    deployment::{Cause, CommitInfo, Deployment, Failed, Phase},
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind},
    lifecycle::{State, Waits, Why},
};

/// GitHub as far as we know it, and the setting of the app.
struct Page {
    ledger: Ledger,
    comments: Comments,
    head: Option<Commit>,
    next: u64,
}

impl Page {
    fn new() -> Self {
        Page {
            ledger: Ledger {
                complete: true,
                ..Ledger::default()
            },
            comments: Comments::Always,
            head: None,
            next: 1,
        }
    }

    fn wanted(&self, environment: &Environment) -> Wanted {
        let announcement = announcement(vec![section(environment)]);
        Wanted::of_pull_request(&announcement, self.head.as_ref(), self.comments, &SITE)
    }

    /// Writes all that is to be written; what that was, a line each.
    fn tell(&mut self, state: State) -> String {
        self.tell_of(&environment("shop", state))
    }

    fn tell_of(&mut self, environment: &Environment) -> String {
        let wanted = self.wanted(environment);
        self.write(&wanted)
    }

    fn write(&mut self, wanted: &Wanted) -> String {
        let writes = self.ledger.plan(wanted);
        self.ledger.begin(&writes);
        for write in &writes {
            if write.known() == Known::New {
                self.ledger.found(write, self.next);
                self.next += 1;
            }
            self.ledger.shows(write);
        }
        self.ledger.settle(wanted);
        assert_eq!(
            self.ledger.plan(wanted),
            [],
            "the same again writes nothing"
        );
        let lines: Vec<String> = writes.iter().map(line).collect();
        lines.join("\n")
    }

    fn outcome(&self, commit: char) -> Option<Outcome> {
        let mut checks = self.ledger.checks.iter();
        let check = checks.find(|check| check.head.as_str().starts_with(commit));
        check.unwrap().outcome
    }
}

fn line(write: &Write) -> String {
    let how = match write.known() {
        Known::Number(number) => format!("{number}:"),
        Known::Maybe => "perhaps".to_owned(),
        Known::New => "new".to_owned(),
    };
    match write {
        Write::Comment { body, .. } => {
            let row = body.lines().find(|line| line.starts_with("| [shop]"));
            let status = row.and_then(|row| row.split('|').nth(2));
            format!("{how} comment:{}", status.unwrap_or_default().trim_end())
        }
        Write::Check { run, .. } => {
            let (name, state) = (&run.name, run.state.name());
            let buttons = run.buttons.iter().map(|button| button.label.as_str());
            let buttons: Vec<&str> = buttons.collect();
            let (head, title) = (run.head.short(), &run.title);
            format!("{how} check {name} at {head}: {state}, {title} {buttons:?}")
        }
        Write::Deployment { deployed, .. } => {
            let Deployed { ours, stage, .. } = deployed;
            let (at, state) = (&stage.environment, deployed.state.name());
            format!("{how} deployment {ours} in {at}: {state}")
        }
        Write::Reaction { comment, reaction } => {
            format!("{how} reaction on comment {comment}: {}", reaction.name())
        }
    }
}

fn running(generation: u32, digit: char) -> State {
    State::Running {
        serving: Box::new(deployment(generation, digit, Phase::Serving)),
        failed: None,
    }
}

/// One whose tests passed.
fn green(generation: u32, digit: char) -> State {
    let passed = Counts {
        passed: 3,
        failed: 0,
        skipped: 0,
    };
    State::Running {
        serving: Box::new(Deployment {
            tests: Tests::Ran(passed),
            ..deployment(generation, digit, Phase::Serving)
        }),
        failed: None,
    }
}

fn restarting(serving: Option<Deployment>, next: Deployment) -> State {
    State::Restarting {
        serving: serving.map(Box::new),
        next: Box::new(next),
        rollback: None,
        failed: None,
    }
}

fn because(cause: Cause, generation: u32, digit: char) -> Deployment {
    Deployment {
        cause,
        ..deployment(generation, digit, Phase::Testing)
    }
}

fn check_of(state: State) -> CheckRun {
    let environment = environment("shop", state);
    let mut checks = check::checks(&section(&environment), None, &SITE);
    checks.remove(0).run
}
