//! What each command does that somebody who may write has put into a comment.

use std::time::Duration;

use futures::future::join_all;
use nestling_domain::{
    app::Repository,
    environment::Environment,
    github::Command,
    hint::Hint,
    ids::{AppId, Commit, InputId, Kind, RepositoryId, Timestamp},
    lifecycle::{self, Event, Found, State, Trigger, Waits as Held},
    orders::Order,
    policy::Outsiders,
    record::{PullRequest, PullRequestStatus},
};

use tokio::time::timeout;

use super::{App, Apply, Desk, NotApplied, Waits};
use crate::{
    drivers::clock,
    messages::{
        environment::NOTHING,
        forge::{ForgeError, Head, See},
    },
};

/// How long an order waits for the preview that it is about, when that is on its way: its pull request was opened a moment ago,
/// and GitHub is asked about it, again after 5 s if it does not answer. Who waits longer is told what is known.
const ON_ITS_WAY: Duration = Duration::from_mins(1);
/// How long the forge may take to say whether a preview that was asked for may run: who does not hear it at once sees it in the table.
const SAID_AT_ONCE: Duration = Duration::from_secs(10);
/// What can be ordered.
const HELP: &str = "/preview [app], /redeploy [app], /stop [app], /start [app], /cancel [app], /logs, /approve <sha>, /keep, /help: each on a line of its own";
/// What `/logs` is answered with.
const LOGS: &str = "the name of each app in the table leads to its log";

/// What came of one line: what is said of it, and whether it was done.
pub(super) type Done = (String, bool);
/// What environments are told, beside what came of one line.
type Told = (Vec<(Hint, App)>, Done);

/// Where a command comes from.
pub(super) struct Asked<'a> {
    /// In which repository.
    pub(super) repository: &'a Repository,
    /// About which pull request, as it is recorded.
    pub(super) row: &'a PullRequest,
    /// The login of who orders it.
    pub(super) by: &'a str,
    /// Its name, the same by whatever way it came.
    pub(super) input: String,
    /// When it came.
    pub(super) at: Timestamp,
}

impl Desk {
    pub(super) async fn obey_one(
        &self,
        asked: &Asked<'_>,
        command: &Command,
    ) -> Result<Told, Waits> {
        let (repository, number) = (asked.repository, asked.row.number);
        let to_environments = async |app: &Option<String>, order| {
            let done = self.order(asked, app.as_deref(), &order).await?;
            Ok((Vec::new(), done))
        };
        match command {
            Command::Redeploy { app } => to_environments(app, lifecycle::Command::Redeploy).await,
            Command::Stop { app } => to_environments(app, lifecycle::Command::Stop).await,
            Command::Start { app } => to_environments(app, lifecycle::Command::Start).await,
            Command::Cancel { app } => to_environments(app, lifecycle::Command::Cancel).await,
            Command::Preview { app } => self.preview(asked, app.as_deref()).await,
            Command::Keep => {
                let kept = "no age ends its previews";
                let (_, done) = self.note(asked.row, &Order::Keep, kept).await?;
                Ok((Vec::new(), done))
            }
            Command::Approve { commit } => self.approve(repository, number, commit).await,
            Command::Logs => Ok((Vec::new(), (LOGS.to_owned(), true))),
            Command::Help => Ok((Vec::new(), (HELP.to_owned(), true))),
        }
    }

    /// Lifts what policy has against previews of a pull request: of one app, or of all.
    async fn preview(&self, asked: &Asked<'_>, app: Option<&str>) -> Result<Told, Waits> {
        if asked.row.status == PullRequestStatus::Closed {
            return Ok(refused(
                "this pull request is closed, as far as is known here: open it again",
            ));
        }
        let Some(name) = app else {
            let all = Order::Preview { app: None };
            let noted = self.note(asked.row, &all, "a preview was asked for");
            let (told, done) = noted.await?;
            let done = self.as_it_stands(asked.row, &told, done).await;
            return Ok((told, done));
        };
        let apps = self.store.apps_of_repository(asked.repository.id).await?;
        let Some(app) = apps.into_iter().find(|one| one.slug.as_str() == name) else {
            return Ok(refused(&format!("this repository has no app {name} here")));
        };
        let one = Order::Preview {
            app: Some(app.id.clone()),
        };
        let said = format!("a preview of {name} was asked for");
        let (mut told, done) = self.note(asked.row, &one, &said).await?;
        told.retain(|(_, other)| other.id == app.id);
        let done = self.as_it_stands(asked.row, &told, done).await;
        Ok((told, done))
    }

    /// What is said of previews that were asked for: that they were, unless the forge knows what stands in their way all the same. Nobody
    /// is told that it was done when nothing can come of it.
    async fn as_it_stands(
        &self,
        row: &PullRequest,
        told: &[(Hint, App)],
        (said, done): Done,
    ) -> Done {
        let Some(people) = self.people.as_ref().filter(|_| done) else {
            return (said, done);
        };
        let asked = told.iter().map(async |(hint, app)| {
            let head = Head {
                repository: row.repository,
                app: app.id.clone(),
                kind: hint.kind,
                branch: hint.branch.clone(),
                question: None,
            };
            let found = timeout(SAID_AT_ONCE, people.head.send(head)).await;
            match found {
                Ok(Ok(Ok(Found::Waiting(waits)))) if !waits.place => Some((app, waits)),
                _ => None,
            }
        });
        let waiting: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        let why = |(app, waits): &(&App, Held)| format!("{}: {}", app.slug, waits.reason);
        let whys: Vec<String> = waiting.iter().map(why).collect();
        let refused = waiting.iter().filter(|(_, why)| why.approval.is_none());
        match refused.count() {
            _ if waiting.is_empty() => (said, done),
            all if all == told.len() => (format!("refused: {}", whys.join("; ")), false),
            some => (
                format!("{said}, and waits ({})", whys.join("; ")),
                some == 0,
            ),
        }
    }

    /// Hands an order to the environments of a pull request: of one app, or of all.
    async fn order(
        &self,
        asked: &Asked<'_>,
        app: Option<&str>,
        command: &lifecycle::Command,
    ) -> Result<Done, Waits> {
        let Asked {
            repository, row, ..
        } = asked;
        let found = self
            .store
            .environments_of_pull_request(repository.id, row.number)
            .await?;
        let meant = |slug: &str| app.is_none_or(|app| slug == app);
        let found: Vec<&Environment> = found
            .iter()
            .filter(|one| meant(one.slug.as_str()))
            .collect();
        let unborn =
            |one: &&Environment| matches!(one.lifecycle.state, State::Creating { next: None, .. });
        let is_new =
            row.status == PullRequestStatus::Open && clock::now().since(asked.at) < ON_ITS_WAY;
        if is_new && (found.is_empty() || found.iter().any(unborn)) {
            let apps = self.store.apps_of_repository(repository.id).await?;
            if apps.iter().any(|one| meant(one.slug.as_str())) {
                return Err(Waits::Unborn(row.number));
            }
        }
        if found.is_empty() {
            let whose = app.map_or("it".to_owned(), |app| format!("app {app}"));
            return Ok((format!("refused: there is no preview of {whose}"), false));
        }
        self.hand(&found, command, (asked.by, &asked.input)).await
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

    /// Approves the head, when it is this commit: GitHub is asked, since a push may have come that nobody told of yet. One that
    /// comes meanwhile is found by the look, and waits for an approval of its own.
    pub(super) async fn approve(
        &self,
        repository: &Repository,
        number: u32,
        commit: &Commit,
    ) -> Result<Told, Waits> {
        let apps = self.store.apps_of_repository(repository.id).await?;
        let runs_none = |app: &App| app.policy.outsiders == Outsiders::Off;
        if !apps.is_empty() && apps.iter().all(runs_none) {
            return Ok(refused(
                "`outsiders = \"off\"` lets nothing of outsiders run here, approved or not",
            ));
        }
        let Some(row) = self.see(repository.id, number).await? else {
            return Ok(refused("GitHub shows no such pull request"));
        };
        if row.status == PullRequestStatus::Closed {
            return Ok(refused("this pull request is closed: open it again"));
        }
        let head = row.head.as_ref().map(|head| &head.id);
        if head != Some(commit) {
            let short = commit.short();
            return Ok(refused(&match head {
                Some(head) => {
                    format!("{short} is not its head, which is {head} now: read that one")
                }
                None => format!("{short} is not its head, as far as is known here"),
            }));
        }
        let said = format!("commit {} is approved", commit.short());
        let approved = Order::Approve {
            commit: commit.clone(),
            at: clock::now(),
        };
        self.note(&row, &approved, &said).await
    }

    /// Records an order about a pull request; its environments look then, and are made where there are none.
    async fn note(&self, row: &PullRequest, order: &Order, said: &str) -> Result<Told, Waits> {
        let (repository, number) = (row.repository, row.number);
        let Some(row) = self.store.order(repository, number, order).await? else {
            return Ok(refused("this pull request was forgotten, try again"));
        };
        let hint = Hint {
            kind: Kind::Preview(number),
            branch: row.branch,
            title: row.title,
            commit: None,
            trigger: Trigger::Start,
            creates: true,
        };
        let (told, _) = self.for_all_apps(repository, &hint).await?;
        Ok((told, (said.to_owned(), true)))
    }

    /// What the environment of one app is told whose preview somebody asked for.
    pub(super) async fn for_one_app(
        &self,
        app: &AppId,
        hint: Hint,
    ) -> Result<super::ToTell, Waits> {
        Ok(match self.store.app(app).await? {
            Some(app) => (vec![(hint, app)], super::BTreeMap::new()),
            None => super::only(&format!("app {app}"), "nothing: a person removed it"),
        })
    }

    /// A pull request as it is recorded; one that was not seen here yet is asked for.
    pub(super) async fn seen(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Option<PullRequest>, Waits> {
        match self.store.pull_request(repository, number).await? {
            Some(row) => Ok(Some(row)),
            None => self.see(repository, number).await,
        }
    }

    /// A pull request as GitHub shows it now.
    async fn see(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Option<PullRequest>, Waits> {
        let Some(people) = &self.people else {
            return Ok(None);
        };
        match people.see.send(See { repository, number }).await? {
            Ok(row) => Ok(row),
            Err(ForgeError::Rejected(_)) => Ok(None),
            Err(failed @ ForgeError::Failed(_)) => Err(failed.into()),
        }
    }
}

fn refused(why: &str) -> Told {
    (Vec::new(), (format!("refused: {why}"), false))
}
