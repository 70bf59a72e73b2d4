//! What people see of an App that is taken away and given back.

use super::*;

impl Town {
    async fn recorded(&self) -> Repository {
        let recorded = self.store.repository(self.repository).await.unwrap();
        recorded.unwrap()
    }

    async fn uninstall(&self) {
        let installation = self.recorded().await.installation.unwrap();
        let gone = self.github.act(|state| state.uninstall(installation));
        gone.unwrap();
    }

    fn install(&self) -> u64 {
        let installation = self.github.act(|state| {
            let app = *state.apps.keys().next().unwrap();
            state.install(app, "acme", Selection::All)
        });
        installation.unwrap()
    }

    /// The forge learns through which installation it is reached now, and all is shown again.
    async fn is_found_at(&self, installation: u64) {
        let known = Repository {
            installation: Some(installation),
            ..self.recorded().await
        };
        self.store.put_repository(&known).await.unwrap();
        let repository = self.repository;
        self.showing.send(ShowAgain { repository }).await.unwrap();
        self.announce().await.unwrap();
    }

    /// Its pull request is seen to be closed.
    async fn ends(&self) {
        *self.house.outside.head.borrow_mut() = None;
        self.hint(&self.shop, Trigger::Refresh).await;
        let closed = |one: &Environment| one.lifecycle.is_closed();
        let id = EnvironmentId::derive(&self.shop.id, PREVIEW);
        until(&*self.store, &id, "is closed", closed).await;
    }
}

#[actix::test]
async fn race_what_ends_because_the_app_was_uninstalled_is_told_to_nobody_and_owed_no_more() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    town.uninstall().await;
    *town.house.outside.head.borrow_mut() = None;
    town.hint(&town.shop, Trigger::Refresh).await;
    let closed = |one: &Environment| one.lifecycle.is_closed();
    town.shown(&town.shop, "is closed", closed).await;
    let says = |word: &str| town.comments()[0].body.contains(word);
    assert!(says("✅ Running"), "nobody could say anything else");
    // And it is installed again.
    let installation = town.install();
    town.is_found_at(installation).await;
    assert!(says("🗑 Removed"), "{:?}", town.comments());
    town.finish();
}

#[actix::test]
async fn what_ends_while_the_app_is_there_under_another_number_is_owed_until_it_is_told() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    town.uninstall().await;
    let installation = town.install();
    // Nobody has heard of either yet.
    town.ends().await;
    town.announce().await.unwrap_err();
    town.is_found_at(installation).await;
    assert!(town.comments()[0].body.contains("🗑 Removed"));
    town.finish();
}

#[actix::test]
async fn what_github_does_not_show_for_a_moment_is_not_made_a_second_time() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.begin(&head).await;
    town.announce().await.unwrap();
    for changed in [
        "PATCH /repos/*/*/issues/comments/*",
        "PATCH /repos/*/*/check-runs/*",
    ] {
        town.fault(changed, Fault::Status(404), Times::Only(1));
    }
    town.run(1, &head).await;
    town.announce().await.unwrap();
    assert_eq!(town.comments().len(), 1);
    assert_eq!(town.checks(&head), ["Nestling / shop success"]);
    town.close().await;
    town.finish();
}
