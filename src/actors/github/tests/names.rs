//! Names are lent: what a repository was called may be another one by now, of which nothing counts here.

use super::*;

/// The shop is called otherwise, and somebody has made another one under its name. Of that GitHub has told nobody.
async fn taken() -> (World, String) {
    let world = World::start().await;
    let number = world.act(|state| propose(state, "basket", "ann"));
    assert_eq!(number, 1);
    let ours = world.act(|state| {
        state.rename(SHOP, "store", "ann")?;
        let files = [("index.html", "<h1>Another shop</h1>")];
        state.create_repository(SHOP, true, &files)?;
        state.set_role(SHOP, "rita", Some(Role::Write))?;
        propose(state, "theirs", "rita")?;
        let found = state.see_branch("acme/store", "main")?;
        found.ok_or_else(|| anyhow::anyhow!("no main"))
    });
    (world, ours)
}

#[actix::test]
async fn production_runs_no_commit_of_what_has_its_repositorys_name_by_now() {
    let (world, ours) = taken().await;
    let Ok(Found::Open(head)) = world.head(Kind::Production).await else {
        panic!("production is open");
    };
    assert_eq!(head.id.as_str(), ours);
    assert_eq!(world.desk.list(Scope::All).await, None);
    assert_eq!(world.recorded().await.name, "store");
}

#[actix::test]
async fn a_preview_is_of_its_own_repositorys_pull_request_and_a_look_lists_no_other() {
    let (world, _) = taken().await;
    let Ok(Found::Open(head)) = world.head(Kind::Preview(1)).await else {
        panic!("it is open");
    };
    let basket = world
        .github
        .look(|state| state.see_branch("acme/store", "basket"));
    assert_eq!(Some(head.id.as_str()), basket.unwrap().as_deref());

    let (world, _) = taken().await;
    assert_eq!(world.desk.list(Scope::All).await, None);
    let told = world.store.pending(100).await.unwrap();
    let theirs =
        |fact: &Fact| matches!(fact, Fact::PullRequest { branch, .. } if branch == "theirs");
    assert!(!told.iter().any(|one| theirs(&one.fact)), "{told:?}");
}

#[actix::test]
async fn who_may_write_to_what_has_the_name_by_now_orders_nothing() {
    let (world, _) = taken().await;
    let repository = world.shop.repository;
    assert!(!world.desk.may_write(repository, "rita").await.unwrap());
    assert!(world.desk.may_write(repository, "ann").await.unwrap());
}

#[actix::test]
async fn an_app_is_found_in_the_repository_that_was_meant() {
    let (world, ours) = taken().await;
    let found = world.desk.find_apps(world.shop.repository).await.unwrap();
    assert_eq!(found.commit.as_str(), ours);
}
