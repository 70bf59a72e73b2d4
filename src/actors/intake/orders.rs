//! What people order in comments on a pull request.
//!
//! Whoever writes a command must be able to write to the repository, which is asked of GitHub each time. The comment gets eyes
//! once it is read, then a rocket, or a confused face when something of it was not done; why is in the decision.

use std::time::Duration;

use nestling_domain::{
    app::Repository,
    environment::Environment,
    github::{Command, Says, Sender, Webhook, commands},
    hint::Hint,
    ids::{Commit, InputId, Kind},
    lifecycle::{self, Event, Trigger},
    orders::{Answer, Answered, Order},
    policy::Outsiders,
    record::{Delivery, PullRequestStatus},
};
use tokio::time::timeout;
use tracing::warn;

use super::{App, Apply, BTreeMap, Desk, NotApplied, ToTell, Waits, only};
use crate::messages::{
    environment::NOTHING,
    forge::{Announce, MayWrite, React, Reaction},
};

/// What came of one line: what is said of it, and whether it was done.
type Done = (String, bool);

/// A comment with commands.
pub(super) struct Commented<'a> {
    /// On which pull request.
    pub(super) number: u32,
    /// Which comment.
    pub(super) comment: u64,
    /// Its lines that may be commands.
    pub(super) lines: &'a [String],
    /// Who wrote it.
    pub(super) by: Option<&'a Sender>,
}

impl Desk {
    /// Does what a webhook says that somebody orders.
    pub(super) async fn of_order(
        &self,
        repository: &Repository,
        webhook: &Webhook,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let by = webhook.sender.as_ref();
        match &webhook.says {
            Says::Comment {
                number,
                comment,
                lines,
            } => {
                let commented = Commented {
                    number: *number,
                    comment: *comment,
                    lines,
                    by,
                };
                self.obey(repository, commented, delivery).await
            }
            Says::Check {
                external_id, ask, ..
            } => {
                self.pressed(repository, (external_id, ask), by, delivery)
                    .await
            }
            Says::ChecksAgain { head } => self.all_again(repository, head, by, delivery).await,
            Says::PullRequest { .. }
            | Says::Push { .. }
            | Says::BranchDeleted { .. }
            | Says::CommentDeleted { .. }
            | Says::RepositoryChanged
            | Says::RepositoryDeleted
            | Says::Installation { .. }
            | Says::Repositories { .. }
            | Says::Nothing { .. } => Ok(only("an order", "ignored: it orders nothing")),
        }
    }

    /// Who orders, when they may: nobody that is a program.
    pub(super) async fn allowed<'a>(
        &self,
        repository: &Repository,
        by: Option<&'a Sender>,
    ) -> Result<Option<&'a Sender>, Waits> {
        let Some(by) = by.filter(|by| !by.bot) else {
            return Ok(None);
        };
        Ok(self.may_write(repository, by).await?.then_some(by))
    }

    /// Does what a comment orders, in the order of its lines.
    pub(super) async fn obey(
        &self,
        repository: &Repository,
        commented: Commented<'_>,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let number = commented.number;
        let about = format!("{}/{} #{number}", repository.owner, repository.name);
        let Some(by) = commented.by.filter(|by| !by.bot) else {
            return Ok(only(&about, "ignored: programs order nothing"));
        };
        let lines = commented.lines.iter().map(String::as_str);
        let ordered = commands(lines);
        if !self.may_write(repository, by).await? {
            let confused = self.react(repository, &commented, Reaction::Confused);
            let why = format!(
                "refused: {} may not write to {}/{}",
                by.login, repository.owner, repository.name
            );
            let refused = ordered.iter().map(|(line, _)| answered(line, &why, false));
            self.answer(repository, &commented, by, refused.collect())
                .await?;
            confused.await;
            return Ok(only(&about, why));
        }
        let eyes = self.react(repository, &commented, Reaction::Eyes);
        let (mut told, mut decisions, mut lines) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (place, (line, command)) in ordered.into_iter().enumerate() {
            let input = format!("{}-{place}", delivery.id);
            let (said, done) = match command {
                Err(error) => (format!("refused: {error}"), false),
                Ok(command) => {
                    let (more, done) = self
                        .obey_one(repository, number, &command, (&by.login, &input))
                        .await?;
                    told.extend(more);
                    done
                }
            };
            lines.push(answered(line, &said, done));
            decisions.insert(format!("{about} line {}", place + 1), said);
        }
        let end = if lines.iter().all(|line| line.done) {
            Reaction::Rocket
        } else {
            Reaction::Confused
        };
        self.answer(repository, &commented, by, lines).await?;
        eyes.await;
        self.react(repository, &commented, end).await;
        Ok((told, decisions))
    }

    /// Records what came of a comment, and has it shown. When it is shown is nobody's business here: whatever is told of the
    /// pull request next tells it, too.
    async fn answer(
        &self,
        repository: &Repository,
        commented: &Commented<'_>,
        by: &Sender,
        lines: Vec<Answered>,
    ) -> Result<(), Waits> {
        let (id, number) = (repository.id, commented.number);
        let answer = Answer::new(commented.comment, &by.login, lines);
        let answered = self.store.order(id, number, &Order::Answer(answer)).await?;
        if let (Some(_), Some(people)) = (answered, &self.people) {
            people.announce.do_send(Announce {
                repository: id,
                kind: Kind::Preview(number),
                version: 0,
            });
        }
        Ok(())
    }

    async fn obey_one(
        &self,
        repository: &Repository,
        number: u32,
        command: &Command,
        from: (&str, &str),
    ) -> Result<(Vec<(Hint, App)>, Done), Waits> {
        let nothing = |done| Ok((Vec::new(), done));
        match command {
            Command::Redeploy { app } => {
                let order = lifecycle::Command::Redeploy;
                nothing(
                    self.order(repository, number, app.as_deref(), &order, from)
                        .await?,
                )
            }
            Command::Stop { app } => {
                let order = lifecycle::Command::Stop;
                nothing(
                    self.order(repository, number, app.as_deref(), &order, from)
                        .await?,
                )
            }
            Command::Start { app } => {
                let order = lifecycle::Command::Start;
                nothing(
                    self.order(repository, number, app.as_deref(), &order, from)
                        .await?,
                )
            }
            Command::Cancel { app } => {
                let order = lifecycle::Command::Cancel;
                nothing(
                    self.order(repository, number, app.as_deref(), &order, from)
                        .await?,
                )
            }
            Command::Preview => {
                let row = self.store.pull_request(repository.id, number).await?;
                if row.is_some_and(|row| row.status == PullRequestStatus::Closed) {
                    let why = "refused: this pull request is closed, as far as is known here: open it again";
                    return nothing((why.to_owned(), false));
                }
                self.note(
                    repository,
                    number,
                    &Order::Preview,
                    "a preview was asked for",
                )
                .await
            }
            Command::Keep => {
                let (_, done) = self
                    .note(repository, number, &Order::Keep, "no age ends its previews")
                    .await?;
                nothing(done)
            }
            Command::Approve { commit } => self.approve(repository, number, commit).await,
            Command::Logs => nothing((LOGS.to_owned(), true)),
            Command::Help => nothing((HELP.to_owned(), true)),
        }
    }

    /// Hands an order to the environments of a pull request: of one app, or of all.
    async fn order(
        &self,
        repository: &Repository,
        number: u32,
        app: Option<&str>,
        command: &lifecycle::Command,
        from: (&str, &str),
    ) -> Result<Done, Waits> {
        let found = self
            .store
            .environments_of_pull_request(repository.id, number)
            .await?;
        let meant = |one: &&Environment| app.is_none_or(|app| one.slug.as_str() == app);
        let found: Vec<&Environment> = found.iter().filter(meant).collect();
        if found.is_empty() {
            let whose = app.map_or("it".to_owned(), |app| format!("app {app}"));
            return Ok((format!("refused: there is no preview of {whose}"), false));
        }
        self.hand(&found, command, from).await
    }

    /// Hands a command to these environments.
    pub(super) async fn hand(
        &self,
        found: &[&Environment],
        command: &lifecycle::Command,
        (by, input): (&str, &str),
    ) -> Result<Done, Waits> {
        let (mut said, mut all_done) = (Vec::new(), true);
        for environment in found {
            let apply = Apply {
                event: Event::Command(command.clone()),
                by: by.to_owned(),
                input: Some(InputId(input.to_owned())),
                birth: None,
            };
            let applied = self.environments.apply(environment.id.clone(), apply).await;
            let what = match applied {
                Ok(applied) => {
                    // It was taken, and changes nothing: why stands in it.
                    all_done &= !applied.decision.starts_with(NOTHING);
                    applied.decision
                }
                Err(later @ (NotApplied::Busy(_) | NotApplied::Uncertain(_))) => {
                    return Err(later.into());
                }
                Err(refused) => {
                    all_done = false;
                    format!("refused: {refused}")
                }
            };
            said.push(format!("{}: {what}", environment.name()));
        }
        Ok((said.join("; "), all_done))
    }

    /// Approves the head, when it is this commit. A push that comes meanwhile is found by the look, and waits for an approval
    /// of its own.
    pub(super) async fn approve(
        &self,
        repository: &Repository,
        number: u32,
        commit: &Commit,
    ) -> Result<(Vec<(Hint, App)>, Done), Waits> {
        let row = self.store.pull_request(repository.id, number).await?;
        let apps = self.store.apps_of_repository(repository.id).await?;
        let runs_none = |app: &App| app.policy.outsiders == Outsiders::Off;
        if !apps.is_empty() && apps.iter().all(runs_none) {
            let why = "refused: `outsiders = \"off\"` lets nothing of outsiders run here, approved or not";
            return Ok((Vec::new(), (why.to_owned(), false)));
        }
        let head = row.and_then(|row| row.head).map(|head| head.id);
        if head.as_ref() != Some(commit) {
            let why = format!(
                "refused: {} is not the head of it, as far as is known here",
                commit.short()
            );
            return Ok((Vec::new(), (why, false)));
        }
        let said = format!("commit {} is approved", commit.short());
        let approved = Order::Approve(commit.clone());
        self.note(repository, number, &approved, &said).await
    }

    /// Records an order about a pull request; its environments look then, and are made where there are none.
    async fn note(
        &self,
        repository: &Repository,
        number: u32,
        order: &Order,
        said: &str,
    ) -> Result<(Vec<(Hint, App)>, Done), Waits> {
        let Some(row) = self.store.order(repository.id, number, order).await? else {
            let why = "refused: this pull request was not seen here yet, try again";
            return Ok((Vec::new(), (why.to_owned(), false)));
        };
        let hint = Hint {
            kind: Kind::Preview(number),
            branch: row.branch,
            title: row.title,
            commit: None,
            trigger: Trigger::Start,
            creates: true,
        };
        let (told, _) = self.for_all_apps(repository.id, &hint).await?;
        Ok((told, (said.to_owned(), true)))
    }

    async fn may_write(&self, repository: &Repository, by: &Sender) -> Result<bool, Waits> {
        let Some(people) = &self.people else {
            return Ok(false);
        };
        let asked = MayWrite {
            repository: repository.id,
            login: by.login.clone(),
        };
        Ok(people.may_write.send(asked).await??)
    }

    /// Begins to show on the comment what became of it; ends when that is shown, or cannot be. It is waited for before the
    /// delivery is settled: a server that ends before that reads the comment again, and shows it then.
    fn react(
        &self,
        repository: &Repository,
        commented: &Commented<'_>,
        reaction: Reaction,
    ) -> impl Future<Output = ()> + use<> {
        let react = React {
            repository: repository.id,
            comment: commented.comment,
            reaction,
        };
        let begun = self.people.as_ref().map(|people| people.react.send(react));
        async move {
            let Some(begun) = begun else { return };
            if timeout(REACTED, begun).await.is_err() {
                warn!("a comment shows no reaction yet: GitHub is slow");
            }
        }
    }
}

/// How long other deliveries wait until a comment shows its reaction: GitHub has answered a moment ago. Who is later is not
/// waited for.
const REACTED: Duration = Duration::from_secs(3);
/// What can be ordered.
const HELP: &str = "/preview, /redeploy [app], /stop [app], /start [app], /cancel [app], /logs, /approve <sha>, /keep, /help: each on a line of its own";
/// What `/logs` is answered with.
const LOGS: &str = "the name of each app in the table leads to its log";

fn answered(line: &str, outcome: &str, done: bool) -> Answered {
    Answered {
        order: line.to_owned(),
        outcome: outcome.to_owned(),
        done,
    }
}
