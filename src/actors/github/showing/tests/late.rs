//! What is over before GitHub has heard how it went.

use nestling_protocol::report::{Failure, Step};

use super::*;

const CHANGES: &str = "PATCH /repos/*/*/check-runs/*";

impl Town {
    /// A deployment that has begun comes to serve, whatever of that is shown.
    async fn serves_unseen(&self, generation: u32, head: &Commit) {
        for report in (1..).zip(phases()) {
            self.report(generation, report).await;
        }
        let id = EnvironmentId::derive(&self.shop.id, PREVIEW);
        until(&*self.store, &id, "serves", |one| serves(one, head)).await;
    }

    /// The pull request is closed, whatever of that is shown; then GitHub is well again and hears the rest.
    async fn closes_unseen(&self) {
        self.github.act(|state| state.close(SHOP, 1, ANN)).unwrap();
        self.notice().await;
        self.hint(&self.shop, Trigger::Refresh).await;
        let id = EnvironmentId::derive(&self.shop.id, PREVIEW);
        let closed = |one: &Environment| one.lifecycle.is_closed();
        until(&*self.store, &id, "is closed", closed).await;
        self.github.act(|state| state.faults.clear());
        self.shown(&self.shop, "is closed", closed).await;
    }

    /// The only check run on a commit: how it ended, and all that it says.
    fn check_run(&self, head: &Commit) -> (Option<String>, String) {
        let seen = |state: &State| state.see_check_runs(SHOP, head.as_str());
        let all = self.github.look(seen).unwrap();
        let [run] = &all[..] else {
            panic!("{all:?}");
        };
        (run.conclusion.clone(), format!("{:?}", run.output))
    }
}

#[actix::test]
async fn what_served_and_is_gone_before_github_heard_of_it_is_told_as_deployed() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.begin(&head).await;
    town.fault(CHANGES, Fault::Status(502), Times::Always);
    town.serves_unseen(1, &head).await;
    town.closes_unseen().await;
    let (ended, says) = town.check_run(&head);
    assert_eq!(ended.as_deref(), Some("success"), "{says}");
    assert!(
        !says.contains("preview.example"),
        "it leads nowhere: {says}"
    );
    town.finish();
}

#[actix::test]
async fn an_end_that_github_shows_and_nobody_knows_of_stays_as_it_is() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.begin(&head).await;
    town.fault(CHANGES, Fault::LostAnswer, Times::Only(1));
    town.fault(CHANGES, Fault::Status(502), Times::Always);
    town.serves_unseen(1, &head).await;
    let ended = |state: &State| {
        let all = state.see_check_runs(SHOP, head.as_str()).unwrap();
        all.iter().all(|run| run.conclusion.is_some())
    };
    town.github.until("its end is shown", ended).await.unwrap();
    let shown = town.check_run(&head);
    town.closes_unseen().await;
    assert_eq!(town.check_run(&head), shown);
    assert_eq!(shown.0.as_deref(), Some("success"));
    town.finish();
}

#[actix::test]
async fn what_failed_or_never_ended_before_a_newer_commit_came_is_told_so() {
    let town = Town::start().await;
    let first = town.notice().await;
    town.begin(&first).await;
    town.fault(CHANGES, Fault::Status(502), Times::Always);
    let failure = Failure {
        step: Step::Setup,
        reason: "it does not compile".into(),
        exit: None,
        tail: Vec::new(),
    };
    town.report(1, (1, Phase::Failed(failure))).await;
    let second = town.push("2").await;
    town.hint(&town.shop, Trigger::Push).await;
    let id = EnvironmentId::derive(&town.shop.id, PREVIEW);
    let next = |one: &Environment| {
        let next = one.lifecycle.next();
        next.is_some_and(|next| next.commit.id == second && next.phase.builds())
    };
    until(&*town.store, &id, "the second begins", next).await;
    let told = |state: &State| {
        let all = state.see_check_runs(SHOP, second.as_str());
        !all.unwrap().is_empty()
    };
    town.github.until("it is told", told).await.unwrap();
    let third = town.push("3").await;
    town.github.act(|state| state.faults.clear());
    town.hint(&town.shop, Trigger::Push).await;
    let generation = |one: &Environment| one.lifecycle.generation.0;
    let begun = |one: &Environment| {
        one.lifecycle
            .next()
            .is_some_and(|next| next.commit.id == third)
    };
    let latest = generation(&town.shown(&town.shop, "the third begins", begun).await);
    town.run(latest, &third).await;
    assert_eq!(town.checks(&first), ["Nestling / shop failure"]);
    assert_eq!(town.checks(&second), ["Nestling / shop cancelled"]);
    assert_eq!(town.checks(&third), ["Nestling / shop success"]);
    town.close().await;
    town.finish();
}
