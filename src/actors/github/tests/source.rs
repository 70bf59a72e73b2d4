//! What commits hold, and what the default branch says of apps.

use super::*;

#[actix::test]
async fn a_commit_is_packed_from_a_private_repository_and_a_rewritten_one_is_refused() {
    let world = World::start().await;
    let number = world.act(|state| propose(state, "basket", "ann"));
    let first = world
        .github
        .look(|state| state.see_branch(SHOP, "basket"))
        .unwrap()
        .unwrap();
    let bundle = world.pack(Kind::Preview(number), &first).await.unwrap();
    let heads = git_in(
        world.folder.path(),
        &["bundle", "list-heads", bundle.to_str().unwrap()],
    );
    assert!(heads.unwrap().contains(&first));

    let lost = world.act(|state| {
        let lost = state.push(SHOP, "basket", "ann", &[Change::file("a", "1")])?;
        state.force_push(SHOP, "basket", "ann", &[Change::file("b", "1")])?;
        Ok(lost)
    });
    let refused = world.pack(Kind::Preview(number), &lost).await.unwrap_err();
    let ForgeError::Rejected(why) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("deploy a newer one"), "{why}");
}

#[actix::test]
async fn the_apps_of_the_default_branch_are_found_with_the_open_pull_requests() {
    let world = World::start().await;
    let number = world.act(|state| {
        let files = [Change::file(
            "api/nestling.toml",
            "[start]\nrun = \"./api\"\n",
        )];
        state.push(SHOP, "main", "ann", &files)?;
        propose(state, "basket", "ann")
    });
    let asked = FindApps {
        repository: world.shop.repository,
    };
    let found = world.forge.send(asked).await.unwrap().unwrap();
    let roots: Vec<&str> = found.discovery.apps.iter().map(|app| &*app.root).collect();
    assert_eq!(roots, ["", "api"]);
    assert_eq!(found.place, "branch `main` of acme/shop");
    let row = world.desk.store.pull_request(world.shop.repository, number);
    assert_eq!(row.await.unwrap().unwrap().branch, "basket");
}

#[actix::test]
async fn a_policy_that_cannot_be_read_is_told_and_the_one_of_before_holds() {
    let world = World::start().await;
    let say = |policy: &str| {
        let file = format!("[start]\nrun = \"./shop\"\n[policy]\n{policy}\n");
        world.act(|state| state.push(SHOP, "main", "ann", &[Change::file("nestling.toml", &file)]))
    };
    let recorded = async || {
        let app = world.store.app(&world.shop.id).await.unwrap().unwrap();
        (app.policy.previews, world.recorded().await.trouble)
    };
    let read = async |commit: &str| {
        let commit = Commit::parse(commit).unwrap();
        let read = world.desk.take_in_once(world.shop.repository, &commit);
        read.await.unwrap();
    };
    read(&say("previews = 3")).await;
    assert_eq!(recorded().await, (3, None));
    read(&say("preview = 1000")).await;
    let (previews, trouble) = recorded().await;
    let trouble = trouble.unwrap();
    assert_eq!(previews, 3, "what was known holds");
    assert!(
        trouble.contains("nestling.toml") && trouble.contains("preview"),
        "{trouble}"
    );
    world.desk.list(Scope::All).await;
    let (_, still) = recorded().await;
    assert_eq!(still, Some(trouble), "a listing reads no policy");
    read(&say("previews = 4")).await;
    assert_eq!(recorded().await, (4, None));
}

#[actix::test]
async fn what_a_listing_could_not_see_is_looked_at_again_before_the_next_one() {
    // Each request is tried three times.
    let refused = |state: &mut State| {
        propose(state, "basket", "ann").unwrap();
        let pulls = "GET /repos/*/*/pulls";
        state.order(pulls, Fault::Status(502), Times::Only(3));
    };
    let soon = |forge: &mut GitHubForge| {
        let waits = &forge.list_again;
        assert!(waits[0] <= Duration::from_mins(1) && waits.is_sorted());
        assert!(waits.iter().sum::<Duration>() < LIST);
        forge.list_again = vec![Duration::from_millis(50)];
    };
    let world = World::arranged(refused, soon).await;
    let told = |one: &nestling_domain::record::Delivery| {
        matches!(&one.fact, Fact::PullRequest { number: 1, .. })
    };
    while !world.store.pending(10).await.unwrap().iter().any(told) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Only what was not seen is looked at again.
    let listings = |state: &State| state.ledger.count("GET", "/app/installations");
    assert_eq!(world.github.look(listings), 1);
}
