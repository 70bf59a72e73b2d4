//! What people order by the buttons of our check runs, and by asking for checks again.
//!
//! What is not done is said where they look: in the check run, in one line that the next deployment takes away. To people who may
//! not write it says the same whoever they are and whatever they press, so that only the first of them causes a write.

use std::collections::BTreeMap;

use nestling_domain::{
    app::Repository,
    environment::Environment,
    github::{
        CheckAsk, Sender,
        shown::{APPROVE, REDEPLOY, START, STOP, subject},
    },
    ids::{Commit, InputId},
    lifecycle::{self, Event, Observation},
    record::Delivery,
};

use super::{Apply, Desk, NotApplied, ToTell, Waits, only};

/// What somebody is told who may not press it.
const MAY_NOT: &str =
    "a button was pressed by somebody who may not write to the repository, so nothing was done";

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
        let Some(person) = by.filter(|by| !by.bot) else {
            return Ok(only(&about, "ignored: programs order nothing"));
        };
        if !self.may_write(repository, person).await? {
            let told = self
                .deny(repository, person, &[&environment], delivery)
                .await?;
            return Ok(only(&about, told));
        }
        let command = match ask {
            CheckAsk::Again => lifecycle::Command::Redeploy,
            CheckAsk::Pressed { button } if button == REDEPLOY => lifecycle::Command::Redeploy,
            CheckAsk::Pressed { button } if button == START => lifecycle::Command::Start,
            CheckAsk::Pressed { button } if button == STOP => lifecycle::Command::Stop,
            CheckAsk::Pressed { button } if button == APPROVE => {
                let Some(number) = environment.kind.pull_request() else {
                    return Ok(only(&about, "nothing: production needs no approval"));
                };
                let (told, (said, done)) = self.approve(repository, number, &commit).await?;
                if !done {
                    self.tell_refused(&environment, &said, delivery).await?;
                }
                return Ok((told, BTreeMap::from([(format!("{about} approval"), said)])));
            }
            CheckAsk::Pressed { .. } => {
                return Ok(only(&about, "ignored: it has no such button"));
            }
        };
        let from = (&*person.login, &*delivery.id);
        let (said, done) = self.hand(&[&environment], &command, from).await?;
        if !done {
            self.tell_refused(&environment, &said, delivery).await?;
        }
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
        let Some(by) = by.filter(|by| !by.bot) else {
            return Ok(only(&about, "ignored: programs order nothing"));
        };
        let mut found = Vec::new();
        for app in self.store.apps_of_repository(repository.id).await? {
            let environments = self.store.environments_of_app(&app.id).await?;
            found.extend(environments.into_iter().filter(|one| {
                let newest = one.lifecycle.newest_commit();
                newest.is_some_and(|newest| newest.id == *head)
            }));
        }
        if found.is_empty() {
            return Ok(only(
                &about,
                "nothing: no environment has this as its newest commit",
            ));
        }
        let found: Vec<&Environment> = found.iter().collect();
        if !self.may_write(repository, by).await? {
            let told = self.deny(repository, by, &found, delivery).await?;
            return Ok(only(&about, told));
        }
        let from = (&*by.login, &*delivery.id);
        let (said, _) = self
            .hand(&found, &lifecycle::Command::Redeploy, from)
            .await?;
        Ok(only(&about, said))
    }

    /// Refuses what somebody pressed who may not write; what the log says of it.
    async fn deny(
        &self,
        repository: &Repository,
        by: &Sender,
        found: &[&Environment],
        delivery: &Delivery,
    ) -> Result<String, Waits> {
        if !self.answers(repository, by) {
            return Ok(format!("refused in silence: {MAY_NOT}"));
        }
        for environment in found {
            self.tell_refused(environment, MAY_NOT, delivery).await?;
        }
        Ok(format!("refused: {MAY_NOT}"))
    }

    /// Has a check run say why nothing came of its button.
    async fn tell_refused(
        &self,
        environment: &Environment,
        reason: &str,
        delivery: &Delivery,
    ) -> Result<(), Waits> {
        let apply = Apply {
            event: Event::Observed(Observation::RefusedOrder {
                reason: reason.to_owned(),
            }),
            by: "github".to_owned(),
            input: Some(InputId(format!("{}-refused", delivery.id))),
            birth: None,
        };
        match self.environments.apply(environment.id.clone(), apply).await {
            Err(later @ (NotApplied::Busy(_) | NotApplied::Uncertain(_))) => Err(later.into()),
            // What is gone meanwhile shows nothing.
            Ok(_)
            | Err(
                NotApplied::Unknown(_) | NotApplied::Refused(_) | NotApplied::Quarantined { .. },
            ) => Ok(()),
        }
    }
}
