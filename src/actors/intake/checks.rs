//! What people order by the buttons of our check runs, and by asking for checks again.

use std::collections::BTreeMap;

use nestling_domain::{
    app::Repository,
    environment::Environment,
    github::{
        CheckAsk, Sender,
        shown::{APPROVE, REDEPLOY, START, STOP, subject},
    },
    ids::Commit,
    lifecycle,
    record::Delivery,
};

use super::{Desk, ToTell, Waits, only};

impl Desk {
    /// Does what somebody asks of one of our check runs.
    pub(super) async fn pressed(
        &self,
        repository: &Repository,
        (external_id, ask): (&str, &CheckAsk),
        by: Option<&Sender>,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let named = subject(external_id);
        let (environment, commit) = match named {
            Some((id, commit)) => (self.store.environment(&id).await?, commit),
            None => return Ok(only("a check run", "ignored: it is none of ours")),
        };
        // Its name is ours, and came back through GitHub: it may name nothing of another repository.
        let Some(environment) = environment.filter(|one| one.repository == repository.id) else {
            return Ok(only(
                "a check run",
                "ignored: there is no such environment here",
            ));
        };
        let about = environment.name();
        let Some(by) = self.allowed(repository, by).await? else {
            return Ok(only(
                &about,
                "refused: whoever pressed it may not write to the repository",
            ));
        };
        let command = match ask {
            CheckAsk::Again => lifecycle::Command::Redeploy,
            CheckAsk::Pressed { button } if button == REDEPLOY => lifecycle::Command::Redeploy,
            CheckAsk::Pressed { button } if button == START => lifecycle::Command::Start,
            CheckAsk::Pressed { button } if button == STOP => lifecycle::Command::Stop,
            CheckAsk::Pressed { button } if button == APPROVE => {
                let Some(number) = environment.kind.pull_request() else {
                    return Ok(only(&about, "nothing: production needs no approval"));
                };
                let (told, (said, _)) = self.approve(repository, number, &commit).await?;
                return Ok((told, BTreeMap::from([(format!("{about} approval"), said)])));
            }
            CheckAsk::Pressed { .. } => {
                return Ok(only(&about, "ignored: it has no such button"));
            }
        };
        let from = (&*by.login, &*delivery.id);
        let (said, _) = self.hand(&[&environment], &command, from).await?;
        Ok(only(&about, said))
    }

    /// Deploys whatever of a repository tried this commit last once more.
    pub(super) async fn all_again(
        &self,
        repository: &Repository,
        head: &Commit,
        by: Option<&Sender>,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let about = format!("{}/{} {}", repository.owner, repository.name, head.short());
        let Some(by) = self.allowed(repository, by).await? else {
            return Ok(only(
                &about,
                "refused: whoever asks may not write to the repository",
            ));
        };
        let mut found = Vec::new();
        for app in self.store.apps_of_repository(repository.id).await? {
            let environments = self.store.environments_of_app(&app.id).await?;
            found.extend(environments.into_iter().filter(|one| {
                let newest = one.lifecycle.newest_commit();
                newest.is_some_and(|newest| newest.id == *head)
            }));
        }
        let found: Vec<&Environment> = found.iter().collect();
        let from = (&*by.login, &*delivery.id);
        let (said, _) = self
            .hand(&found, &lifecycle::Command::Redeploy, from)
            .await?;
        Ok(only(&about, said))
    }
}
