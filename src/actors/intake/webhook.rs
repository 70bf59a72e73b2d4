//! What webhooks make environments do. What each means is decided in [`nestling_domain::github`].

use std::collections::BTreeSet;

use nestling_domain::{
    app::Repository,
    environment::Environment,
    github::{Meaning, Named, Webhook, meaning},
    record::{Delivery, PullRequestStatus},
};

use crate::messages::forge::{CommentDeleted, LookAt, ShowAgain};

use super::{App, BTreeMap, Commit, Desk, Hint, Kind, RepositoryId, ToTell, Trigger, Waits, only};

impl Desk {
    /// What the environments are told that a webhook concerns, and why others are told nothing.
    pub(super) async fn of_webhook(
        &self,
        webhook: &Webhook,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let recorded = match &webhook.repository {
            Some(named) => self.store.repository(named.id).await?,
            None => None,
        };
        match (meaning(webhook, recorded.as_ref()), recorded) {
            (Meaning::Nothing(why), _) => Ok(only(&subject(webhook), why)),
            (
                Meaning::Covers {
                    installation,
                    repositories,
                },
                _,
            ) => self.covers(installation, &repositories).await,
            (Meaning::Everything { repositories }, _) => {
                self.leave(&repositories).await?;
                let told = self.in_all_of(&repositories).await?;
                if told.is_empty() {
                    return Ok(only(
                        &subject(webhook),
                        "nothing: nothing of it stands here",
                    ));
                }
                Ok((told, BTreeMap::new()))
            }
            (Meaning::Suspended { installation, is }, _) => self.suspended(installation, is).await,
            (Meaning::CommentDeleted { number, comment }, Some(recorded)) => {
                Ok(self.comment_deleted(&recorded, number, comment))
            }
            (Meaning::Order, Some(recorded)) => self.of_order(&recorded, webhook, delivery).await,
            (Meaning::EachApp(hint), Some(recorded)) => self.for_all_apps(recorded.id, &hint).await,
            (
                Meaning::Previews {
                    branch,
                    commit,
                    trigger,
                },
                Some(recorded),
            ) => {
                let hint = |record| again(record, commit.clone(), trigger);
                let told = self.on_branch(recorded.id, &branch, hint).await?;
                if told.is_empty() {
                    let about = format!("{} on {branch}", subject(webhook));
                    return Ok(only(&about, "nothing: no open preview follows this branch"));
                }
                Ok((told, BTreeMap::new()))
            }
            (
                Meaning::Recorded {
                    repository,
                    production,
                },
                Some(recorded),
            ) => self.record(&recorded, &repository, production).await,
            (
                Meaning::EachApp(_)
                | Meaning::Previews { .. }
                | Meaning::Recorded { .. }
                | Meaning::CommentDeleted { .. }
                | Meaning::Order,
                None,
            ) => Ok(only(
                &subject(webhook),
                "nothing: this repository is not recorded here",
            )),
        }
    }

    /// The previews that follow a branch of the repository itself and are not closed.
    async fn on_branch(
        &self,
        repository: RepositoryId,
        branch: &str,
        hint: impl Fn(Environment) -> Hint,
    ) -> Result<Vec<(Hint, App)>, Waits> {
        let mut told = Vec::new();
        for app in self.store.apps_of_repository(repository).await? {
            let mut found = self.store.environments_of_branch(&app.id, branch).await?;
            found.retain(|one| one.kind != Kind::Production && !one.lifecycle.is_closed());
            told.extend(found.into_iter().map(|one| (hint(one), app.clone())));
        }
        Ok(told)
    }

    /// Whatever is not closed in these repositories.
    async fn in_all_of(&self, repositories: &[RepositoryId]) -> Result<Vec<(Hint, App)>, Waits> {
        let mut told = Vec::new();
        for repository in repositories {
            for app in self.store.apps_of_repository(*repository).await? {
                let mut found = self.store.environments_of_app(&app.id).await?;
                found.retain(|one| !one.lifecycle.is_closed());
                let hint = |one| (again(one, None, Trigger::Refresh), app.clone());
                told.extend(found.into_iter().map(hint));
            }
        }
        Ok(told)
    }

    /// Records repositories that an installation covers; what else is known of one stays.
    async fn covers(&self, installation: u64, repositories: &[Named]) -> Result<ToTell, Waits> {
        let (mut told, mut decisions) = (Vec::new(), BTreeMap::new());
        for Named {
            id,
            owner,
            name,
            default_branch,
        } in repositories
        {
            let known = self.store.repository(*id).await?;
            let branch = known.as_ref().map(|known| known.default_branch.clone());
            let now = Repository {
                id: *id,
                owner: owner.clone(),
                name: name.clone(),
                path: None,
                installation: Some(installation),
                default_branch: default_branch.clone().or(branch).unwrap_or_default(),
                trouble: known.as_ref().and_then(|known| known.trouble.clone()),
                left: false,
                suspended: false,
            };
            let is_known = known.as_ref() == Some(&now);
            if !is_known {
                self.store.put_repository(&now).await?;
            }
            let back = self.back(*id).await?;
            let decision = match (back.is_empty(), is_known) {
                (false, _) => {
                    "recorded: what stands here looks what is true now, and is shown again"
                }
                (true, true) => "nothing: it is recorded like this already",
                (true, false) => "recorded: add the apps that are to be deployed",
            };
            told.extend(back);
            decisions.insert(format!("{owner}/{name}"), decision.to_owned());
        }
        if decisions.is_empty() {
            let about = format!("installation {installation}");
            decisions.insert(about, "nothing: it names no repository".to_owned());
        }
        Ok((told, decisions))
    }

    /// An installation is suspended, or goes on: then whatever it covers looks at once.
    async fn suspended(&self, installation: u64, is: bool) -> Result<ToTell, Waits> {
        let mut covered = self.store.repositories().await?;
        covered.retain(|one| one.installation == Some(installation));
        let (mut told, mut decisions) = (Vec::new(), BTreeMap::new());
        for known in covered {
            let name = format!("{}/{}", known.owner, known.name);
            let id = known.id;
            if known.suspended != is {
                let now = Repository {
                    suspended: is,
                    ..known
                };
                self.store.put_repository(&now).await?;
            }
            let decision = if is {
                "recorded: what runs goes on while the App is suspended, and nothing new begins"
            } else {
                told.extend(self.back(id).await?);
                "recorded: what stands here looks what is true now, and is shown again"
            };
            decisions.insert(name, decision.to_owned());
        }
        if decisions.is_empty() {
            let about = format!("installation {installation}");
            decisions.insert(about, "nothing: nothing of it stands here".to_owned());
        }
        Ok((told, decisions))
    }

    /// A repository can be asked and told of again: everything of it looks, is shown again, and what was never told of is listed.
    async fn back(&self, repository: RepositoryId) -> Result<Vec<(Hint, App)>, Waits> {
        let mut told = self.in_all_of(&[repository]).await?;
        told.extend(self.closed_in(repository).await?);
        for (hint, _) in &mut told {
            hint.trigger = Trigger::Return;
        }
        let has_apps = !self.store.apps_of_repository(repository).await?.is_empty();
        if let Some(people) = self.people.as_ref().filter(|_| has_apps) {
            people.show_again.do_send(ShowAgain { repository });
            people.look_at.do_send(LookAt(BTreeSet::from([repository])));
        }
        Ok(told)
    }

    fn comment_deleted(&self, repository: &Repository, number: u32, comment: u64) -> ToTell {
        if let Some(people) = &self.people {
            people.deleted.do_send(CommentDeleted {
                repository: repository.id,
                number,
                comment,
            });
        }
        let about = format!("{}/{} #{number}", repository.owner, repository.name);
        only(
            &about,
            "recorded: if the comment was ours, it is made again",
        )
    }

    /// What was closed when the App was taken away: production, and previews of pull requests that nobody told us are closed.
    async fn closed_in(&self, repository: RepositoryId) -> Result<Vec<(Hint, App)>, Waits> {
        let rows = self.store.pull_requests(repository).await?;
        let is_open = |number| {
            let mut of_it = rows.iter().filter(|row| row.number == number);
            of_it.any(|row| row.status == PullRequestStatus::Open)
        };
        let mut told = Vec::new();
        for app in self.store.apps_of_repository(repository).await? {
            let mut found = self.store.environments_of_app(&app.id).await?;
            found.retain(|one| {
                one.lifecycle.is_closed() && one.kind.pull_request().is_none_or(is_open)
            });
            let hint = |one| (again(one, None, Trigger::Refresh), app.clone());
            told.extend(found.into_iter().map(hint));
        }
        Ok(told)
    }

    /// Records that these are not there for us any more, as far as was told. Whether that is so is asked.
    async fn leave(&self, repositories: &[RepositoryId]) -> Result<(), Waits> {
        for id in repositories {
            if let Some(known) = self.store.repository(*id).await? {
                let left = Repository {
                    left: true,
                    ..known
                };
                self.store.put_repository(&left).await?;
            }
        }
        Ok(())
    }

    /// Records what a repository is called now. The ids of its apps come from its number, so they and their addresses stay.
    async fn record(
        &self,
        before: &Repository,
        now: &Repository,
        production: Option<Hint>,
    ) -> Result<ToTell, Waits> {
        // The App may not be installed where it went, and nothing says that it was taken away.
        let given_away = before.owner != now.owner;
        let kept = Repository {
            left: given_away,
            ..now.clone()
        };
        self.store.put_repository(&kept).await?;
        let (mut told, mut decisions) = match production {
            Some(hint) => self.for_all_apps(now.id, &hint).await?,
            None => (Vec::new(), BTreeMap::new()),
        };
        if given_away {
            let mut all = self.in_all_of(&[now.id]).await?;
            all.retain(|(hint, _)| hint.kind != Kind::Production);
            told.extend(all);
        }
        let called = |one: &Repository| {
            let (owner, name, branch) = (&one.owner, &one.name, &one.default_branch);
            format!("{owner}/{name} with default branch {branch}")
        };
        let decision = if before == now {
            "nothing: it is recorded like this already".to_owned()
        } else {
            format!("recorded: it was {}", called(before))
        };
        decisions.insert(called(now), decision);
        Ok((told, decisions))
    }
}

/// An environment that stands is told to look.
fn again(record: Environment, commit: Option<Commit>, trigger: Trigger) -> Hint {
    Hint {
        kind: record.kind,
        branch: record.branch,
        title: record.title,
        commit,
        trigger,
        creates: false,
    }
}

/// What a webhook speaks of, for people.
fn subject(webhook: &Webhook) -> String {
    match (&webhook.repository, webhook.installation) {
        (Some(Named { owner, name, .. }), _) => format!("{owner}/{name}"),
        (None, Some(installation)) => format!("installation {installation}"),
        (None, None) => "the App".to_owned(),
    }
}
