//! What people see when something goes wrong between us and GitHub.

use nestling_domain::github::shown::Ledger;

use super::*;

const COMMENTS: &str = "POST /repos/*/*/issues/*/comments";
const CHECKS: &str = "POST /repos/*/*/check-runs";
const DEPLOYMENTS: &str = "POST /repos/*/*/deployments";
const STATUSES: &str = "POST /repos/*/*/deployments/*/statuses";

#[actix::test]
async fn race_lost_answers_never_make_two() {
    let town = Town::start().await;
    for route in [COMMENTS, CHECKS, DEPLOYMENTS, STATUSES] {
        town.fault(route, Fault::LostAnswer, Times::Only(1));
    }
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    assert_eq!(town.comments().len(), 1);
    assert_eq!(town.checks(&head), ["Nestling / shop success"]);
    let deployments = town.deployments();
    assert_eq!(deployments.len(), 1);
    assert!(deployments[0].ends_with("success"), "{deployments:?}");
    town.close().await;
    town.finish();
}

#[actix::test]
async fn race_a_crash_between_the_comment_and_its_record_makes_no_second_one() {
    let town = Town::start().await;
    town.fault(COMMENTS, Fault::Hangs, Times::Only(1));
    let head = town.notice().await;
    town.hint(&town.shop, Trigger::Push).await;
    let made = |state: &State| !state.see_comments(SHOP, 1).unwrap().is_empty();
    town.github
        .until("the comment is made", made)
        .await
        .unwrap();
    let town = town.next_life().await;
    let so = |one: &Environment| serves(one, &head);
    town.shown(&town.shop, "serves", so).await;
    assert_eq!(town.comments().len(), 1);
    assert_eq!(town.checks(&head), ["Nestling / shop success"]);
    town.close().await;
    town.finish();
}

#[actix::test]
async fn a_server_that_lost_what_it_knew_finds_again_what_is_shown() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let nothing = Ledger::default();
    let put = town.store.put_shown(town.repository, PREVIEW, &nothing);
    put.await.unwrap();
    let second = town.push("2").await;
    town.deploy(&town.shop, &second).await;
    town.announce().await.unwrap();
    assert_eq!(town.comments().len(), 1);
    assert_eq!(town.checks(&second), ["Nestling / shop success"]);
    let put = town.store.put_shown(town.repository, PREVIEW, &nothing);
    put.await.unwrap();
    town.announce().await.unwrap();
    assert_eq!(town.comments().len(), 1);
    assert_eq!(town.checks(&second), ["Nestling / shop success"]);
    assert_eq!(town.deployments().len(), 2);
    let first = town
        .github
        .act(|state| state.see_deployments(SHOP))
        .unwrap()
        .remove(0);
    assert!(
        first.active(),
        "what nobody names and nobody remembers stays: {first:?}"
    );
}

#[actix::test]
async fn race_a_comment_that_a_person_deleted_comes_back_once() {
    let town = Town::start().await;
    let first = town.notice().await;
    town.deploy(&town.shop, &first).await;
    let id = town.comments()[0].id;
    let deleted = town.github.act(|state| state.delete_comment(SHOP, id, ANN));
    deleted.unwrap();
    let second = town.push("2").await;
    town.deploy(&town.shop, &second).await;
    let comments = town.comments();
    assert_eq!(comments.len(), 1);
    assert_ne!(comments[0].id, id);
    town.close().await;
    town.finish();
}

#[actix::test]
async fn a_comment_that_a_person_deletes_is_made_again_at_once_and_no_war_is_begun() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let told = async |comment: u64| {
        let deleted = CommentDeleted {
            repository: town.repository,
            number: 1,
            comment,
        };
        town.showing.send(deleted).await.unwrap();
        // One pass later.
        town.announce().await.unwrap();
    };
    told(town.comments()[0].id + 1_000).await;
    for _ in 0..3 {
        let id = town.comments()[0].id;
        let deleted = town.github.act(|state| state.delete_comment(SHOP, id, ANN));
        deleted.unwrap();
        told(id).await;
        let comments = town.comments();
        assert_eq!(comments.len(), 1, "it is there again, and once");
        assert_ne!(comments[0].id, id);
        assert!(comments[0].body.contains("✅ Running"), "{:?}", comments[0]);
    }
    let id = town.comments()[0].id;
    let deleted = town.github.act(|state| state.delete_comment(SHOP, id, ANN));
    deleted.unwrap();
    told(id).await;
    assert!(
        town.comments().is_empty(),
        "whoever deletes it four times wants none"
    );
    town.close().await;
    assert_eq!(town.comments().len(), 1, "until something changes");
    town.finish();
}

/// A preview that serves this head, and whose comments GitHub refuses.
async fn serving_uncommented() -> (Town, Commit) {
    let town = Town::start().await;
    town.fault(COMMENTS, Fault::Status(403), Times::Always);
    let head = town.notice().await;
    town.hint(&town.shop, Trigger::Push).await;
    let id = EnvironmentId::derive(&town.shop.id, PREVIEW);
    until(&*town.store, &id, "serves", |one| serves(one, &head)).await;
    (town, head)
}

#[actix::test]
async fn what_github_refused_is_shown_at_once_when_the_app_may_again() {
    let (town, _) = serving_uncommented().await;
    town.announce().await.unwrap_err();
    let refused = town.refused();
    let [(PREVIEW, why)] = &refused[..] else {
        panic!("{refused:?}");
    };
    assert!(why.contains("refuses a comment on pull request 1"), "{why}");
    town.github.act(|state| state.faults.clear());
    town.announce().await.unwrap_err();
    assert_eq!(town.refused(), refused, "it is still so");
    assert!(
        town.comments().is_empty(),
        "it is not asked again for a minute"
    );
    let repository = town.repository;
    town.showing.send(ShowAgain { repository }).await.unwrap();
    town.announce().await.unwrap();
    assert_eq!(town.comments().len(), 1);
    assert_eq!(town.refused(), []);
    town.close().await;
    town.finish();
}

impl Town {
    /// What people are told that GitHub refuses to show.
    fn refused(&self) -> Vec<(Kind, String)> {
        let all = self.not_shown.said().unwrap_or_default().into_iter();
        all.map(|one| (one.kind, one.reason)).collect()
    }
}

#[actix::test]
async fn the_trouble_of_one_keeps_no_other_from_being_shown() {
    let (town, head) = serving_uncommented().await;
    let shown = |state: &State| {
        let runs = state.see_check_runs(SHOP, head.as_str()).unwrap();
        let deployments = state.see_deployments(SHOP).unwrap();
        let checked = runs
            .iter()
            .any(|run| run.conclusion.as_deref() == Some("success"));
        checked
            && deployments
                .iter()
                .any(nestling_world::github::Deployment::active)
    };
    town.github
        .until("check and deployment", shown)
        .await
        .unwrap();
    assert_eq!(town.comments().len(), 0);

    // It is not asked for the comment again and again.
    let refused = town.announce().await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("refuses a comment on pull request 1"),
        "{refused}"
    );
    let before = town.calls();
    for _ in 0..5 {
        town.announce().await.unwrap_err();
    }
    assert_eq!(town.calls(), before);
    let made = |state: &State| state.ledger.count("POST", "/repos/acme/shop/issues");
    assert_eq!(town.github.look(made), 1);
    town.github.act(|state| state.close(SHOP, 1, ANN)).unwrap();
    town.notice().await;
    town.hint(&town.shop, Trigger::Refresh).await;
    let inactive = |state: &State| state.finish().is_ok();
    town.github.until("the end of all", inactive).await.unwrap();
    town.finish();
}

#[actix::test]
async fn race_a_limit_of_github_is_waited_for_without_asking() {
    let town = Town::start().await;
    town.house.outside.runners.set(false);
    town.fault("* /repos/**", Fault::SecondaryLimit(60), Times::Only(1));
    town.notice().await;
    town.hint(&town.shop, Trigger::Push).await;
    let id = EnvironmentId::derive(&town.shop.id, PREVIEW);
    let asked = |one: &Environment| {
        let next = one.lifecycle.next();
        next.is_some_and(|next| next.phase.builds()) && one.lifecycle.world.announce_at.is_some()
    };
    until(&*town.store, &id, "was not announced", asked).await;
    let limited = town.announce().await.unwrap_err();
    assert!(
        limited.to_string().starts_with("GitHub wants us to wait "),
        "{limited}"
    );
    let before = town.calls();
    town.announce().await.unwrap_err();
    assert_eq!(town.calls(), before);
    assert_eq!(town.comments().len(), 0);
    town.finish();
}

#[actix::test]
async fn no_more_is_written_than_the_budget_allows() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let known = town
        .store
        .repository(town.repository)
        .await
        .unwrap()
        .unwrap();
    let used_up = UseUp(known.installation.unwrap());
    town.showing.send(used_up).await.unwrap();
    let id = EnvironmentId::derive(&town.shop.id, PREVIEW);
    let before = town.calls();
    town.github.act(|state| state.close(SHOP, 1, ANN)).unwrap();
    town.notice().await;
    town.hint(&town.shop, Trigger::Refresh).await;
    let told =
        |one: &Environment| one.lifecycle.is_closed() && one.lifecycle.world.announce_at.is_some();
    until(&*town.store, &id, "was not announced", told).await;
    let full = town.announce().await.unwrap_err();
    assert!(
        full.to_string()
            .contains("as much was written through this installation"),
        "{full}"
    );
    assert_eq!(town.calls(), before);
    town.showing.send(UseUp(0)).await.unwrap();
    town.shown(&town.shop, "is closed", |one| one.lifecycle.is_closed())
        .await;
    town.finish();
}

#[actix::test]
async fn a_repository_that_the_app_does_not_reach_says_so_and_asks_nobody() {
    let town = Town::start().await;
    let mut known = town
        .store
        .repository(town.repository)
        .await
        .unwrap()
        .unwrap();
    known.installation = None;
    town.store.put_repository(&known).await.unwrap();
    town.announce().await.unwrap();
    town.hint(&town.shop, Trigger::Push).await;
    let refused = town.announce().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "acme/shop is reached through no installation of the GitHub App, so that nothing can be shown there: install the App on it"
    );
    assert_eq!(town.refused(), [(PREVIEW, refused.to_string())]);
    let unknown = Announce {
        repository: RepositoryId(1),
        kind: PREVIEW,
        version: 1,
    };
    let unknown = town.showing.send(unknown).await.unwrap().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "repository 1 is not known here, so that nothing of it can be shown"
    );
    assert_eq!(town.calls(), 0);
}

#[actix::test]
async fn a_suspended_installation_is_asked_once_in_a_while() {
    let town = Town::start().await;
    let known = town
        .store
        .repository(town.repository)
        .await
        .unwrap()
        .unwrap();
    let installation = known.installation.unwrap();
    town.github
        .act(|state| state.suspend(installation))
        .unwrap();
    let head = town.notice().await;
    town.hint(&town.shop, Trigger::Push).await;
    let id = EnvironmentId::derive(&town.shop.id, PREVIEW);
    until(&*town.store, &id, "serves", |one| serves(one, &head)).await;
    let refused = town.announce().await.unwrap_err();
    assert!(refused.to_string().contains("suspended"), "{refused}");
    let asked = |state: &State| state.ledger.requests.len();
    assert_eq!(town.github.look(asked), 1);
}

/// Uses up the budget of an installation; of none, gives all budgets back.
#[derive(Message)]
#[rtype(result = "()")]
struct UseUp(u64);

impl Handler<UseUp> for Showing {
    type Result = ();

    fn handle(&mut self, UseUp(installation): UseUp, _: &mut Self::Context) {
        let mut budgets = self.tools.budgets.borrow_mut();
        if installation == 0 {
            budgets.clear();
            return;
        }
        let budget = budgets.entry(installation).or_default();
        while budget
            .take(
                nestling_domain::github::shown::Weight::Content,
                clock::now(),
            )
            .is_ok()
        {}
    }
}
