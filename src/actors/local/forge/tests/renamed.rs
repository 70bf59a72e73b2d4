//! A default branch that is renamed or deleted: production moves where that is certain, and the previews live on.

use super::*;

/// A repository with an app on `main`, a pull request `topic`, and what was told of them.
async fn shop(world: &World) -> (Sample, RepositoryId, Vec<String>) {
    let shop = Sample::with_app(world.path("shop"));
    shop.commit_on("topic", "1");
    let id = world.watch("shop").await;
    let told = vec![
        production("main", &shop.head("main")),
        pushed(1, "topic", &shop.head("topic")),
    ];
    assert_eq!(world.told(), told);
    (shop, id, told)
}

#[actix::test]
async fn production_follows_a_default_branch_that_is_renamed() {
    let mut world = World::new();
    let (shop, id, mut told) = shop(&world).await;
    shop.git(&["branch", "-m", "main", "trunk"]);
    // Asked in between, it waits until it knows.
    assert_eq!(
        open(world.head(id, Kind::Production).await),
        shop.head("trunk")
    );
    told.push(production("trunk", &shop.head("trunk")));
    world.until_told(&told).await;
    assert_eq!(world.repository(id).default_branch, "trunk");
    assert_eq!(world.trouble(id), None);

    let second = shop.commit("index.html", "<h1>sale</h1>", "Begin the sale");
    told.push(production("trunk", &second));
    world.until_told(&told).await;
    shop.git(&["checkout", "-q", "topic"]);
    let change = shop.commit("change.txt", "2", "Change to 2");
    told.push(pushed(1, "topic", &change));
    world.until_told(&told).await;

    // The old name is a name like any other, also for the next process.
    world.restart().await;
    shop.git(&["checkout", "-q", "-b", "main", "trunk"]);
    let old = shop.commit("old.txt", "old", "Go on under the old name");
    told.push(pushed(2, "main", &old));
    world.until_told(&told).await;
    assert_eq!(open(world.head(id, Kind::Production).await), second);
}

#[actix::test]
async fn production_follows_a_branch_that_was_renamed_and_committed_to_while_nobody_looked() {
    let mut world = World::new();
    let (shop, id, mut told) = shop(&world).await;
    world.forge.send(Stop).await.unwrap();
    // A branch that nobody uses any more is not what production is called now.
    shop.git(&["branch", "-m", "main", "trunk"]);
    shop.git(&["checkout", "-q", "--orphan", "master"]);
    shop.commit("index.html", "<h1>old</h1>", "Begin with another shop");
    shop.git(&["checkout", "-q", "trunk"]);
    let second = shop.commit("index.html", "<h1>sale</h1>", "Begin the sale");
    world.forge = start(&world.folder, &world.store, &world.nudges);
    world
        .until("moved", |world| {
            world.told().contains(&production("trunk", &second))
        })
        .await;
    told.push(production("trunk", &second));
    assert_eq!(world.told()[..3], told);
    assert_eq!(world.repository(id).default_branch, "trunk");
    assert_eq!(
        open(world.head(id, Kind::Preview(1)).await),
        shop.head("topic")
    );
}

#[actix::test]
async fn a_default_branch_that_is_back_at_once_stays_production() {
    let world = World::new();
    let (shop, id, told) = shop(&world).await;
    shop.git(&["branch", "-m", "main", "trunk"]);
    shop.git(&["branch", "-m", "trunk", "main"]);
    let head = shop.head("main");
    assert_eq!(open(world.head(id, Kind::Production).await), head);
    assert_eq!(
        open(world.head(id, Kind::Preview(1)).await),
        shop.head("topic")
    );
    assert_eq!(world.told(), told);
    assert_eq!(world.repository(id).default_branch, "main");
}

#[actix::test]
async fn a_pull_request_that_becomes_production_is_closed_as_one() {
    let world = World::new();
    let (shop, id, mut told) = shop(&world).await;
    let at = [
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/topic",
    ];
    shop.git(&at);
    shop.git(&["checkout", "-q", "topic"]);
    shop.git(&["branch", "-D", "main"]);
    told.push(production("topic", &shop.head("topic")));
    told.push("pr-1 topic Close -".to_owned());
    world.until_told(&told).await;
    assert_eq!(world.head(id, Kind::Preview(1)).await, Ok(Found::Closed));
    let started = StartWaiting {
        repository: id,
        number: 1,
        app: None,
    };
    let refused = world.forge.send(started).await.unwrap().unwrap_err();
    insta::assert_snapshot!(refused.to_string(), @"pull request 1 is closed: branch `topic` is gone, is merged, is production now, or is older than 14 days; commit to it to open it again");
}

#[actix::test]
async fn previews_live_on_while_nothing_has_taken_the_place_of_a_deleted_default_branch() {
    let mut world = World::new();
    let (shop, id, mut told) = shop(&world).await;
    let main = shop.head("main");
    let second = shop.commit_on("second", "2");
    told.push(pushed(2, "second", &second));
    world.until_told(&told).await;
    shop.git(&["checkout", "-q", "topic"]);
    shop.git(&["branch", "-D", "main"]);
    world
        .until("trouble", |world| world.trouble(id).is_some())
        .await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @"branch `main` of /repos/shop, which is production, does not exist any more, and no other branch is known to have taken its place: make it again with `git branch main …`; production stays as it is until then, and no pull request is opened");
    let failed = world.head(id, Kind::Production).await.unwrap_err();
    assert_eq!(
        failed,
        ForgeError::Failed(world.repository(id).trouble.unwrap())
    );

    for restarted in [false, true] {
        if restarted {
            world.restart().await;
        }
        let text = format!("{restarted}");
        let change = shop.commit("change.txt", &text, "Change");
        told.push(pushed(1, "topic", &change));
        world.until_told(&told).await;
        assert_eq!(open(world.head(id, Kind::Preview(1)).await), change);
    }
    shop.git(&["branch", "-D", "second"]);
    told.push("pr-2 second Close -".to_owned());
    world.until_told(&told).await;
    assert_eq!(world.head(id, Kind::Preview(2)).await, Ok(Found::Closed));

    shop.git(&["branch", "main", main.as_str()]);
    world
        .until("healed", |world| world.trouble(id).is_none())
        .await;
    assert_eq!(open(world.head(id, Kind::Production).await), main);
    assert_eq!(world.told(), told);
}
