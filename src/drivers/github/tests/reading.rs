//! What is true now.

use super::*;

#[tokio::test]
async fn a_repository_is_read_with_its_branches_pull_requests_and_people() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    assert_eq!(client.app().await.unwrap().slug, "nestling");
    assert_eq!(
        client.installation_of("acme", "shop").await.unwrap(),
        Some(shop.installation)
    );
    assert_eq!(client.installation_of("acme", "other").await.unwrap(), None);
    let known = client.repositories(shop.installation).await.unwrap();
    assert_eq!(
        known.iter().map(|one| one.id).collect::<Vec<_>>(),
        [world.repository]
    );
    assert_eq!(
        client.repository(shop).await.unwrap().as_ref(),
        known.first()
    );
    let head = client.branch(shop, "feat/basket").await.unwrap().unwrap();
    assert_eq!(
        (&head.id, head.message.as_str()),
        (&world.head(), "Change basket.js")
    );
    let commit = client.commit(shop, &world.head()).await.unwrap().unwrap();
    assert_eq!(
        (commit.info, commit.message.as_str()),
        (head, "Change basket.js")
    );
    assert_eq!(client.branch(shop, "feat/none").await.unwrap(), None);
    let pull = client.pull_request(shop, 1).await.unwrap().unwrap();
    assert!(
        pull.open && !pull.fork && !pull.draft && !pull.bot,
        "{pull:?}"
    );
    assert_eq!(
        (pull.title.as_str(), pull.author.as_deref()),
        ("Add a basket", Some("ann"))
    );
    assert_eq!(client.open_pull_requests(shop).await.unwrap(), [pull]);
    assert_eq!(client.pull_request(shop, 7).await.unwrap(), None);
    let files = client.changed_files(shop, 1).await.unwrap();
    assert_eq!(files, Some(vec!["basket.js".to_owned()]));
    for (login, level) in [
        ("ann", Some(Level::Write)),
        ("acme", Some(Level::Admin)),
        ("nobody-at-all", None),
    ] {
        assert_eq!(
            client.permission(shop, login).await.unwrap(),
            level,
            "{login}"
        );
    }
}

#[tokio::test]
async fn a_renamed_repository_is_still_read() {
    let world = World::start();
    world
        .github
        .act(|state| state.rename(SHOP, "store", "ann"))
        .unwrap();
    let now = world.client.repository(&world.shop).await.unwrap().unwrap();
    assert_eq!((now.id, now.name.as_str()), (world.repository, "store"));
}

#[tokio::test]
async fn what_has_not_changed_is_said_in_no_words_and_counts_against_no_limit() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    let first = client.pull_request(shop, 1).await.unwrap();
    assert_eq!(client.pull_request(shop, 1).await.unwrap(), first);
    let statuses = || {
        world.github.look(|state| {
            let asked = state.ledger.requests.iter();
            let asked = asked.filter(|one| one.target.ends_with("/pulls/1"));
            asked.map(|one| one.status).collect::<Vec<_>>()
        })
    };
    assert_eq!(statuses(), [200, 304]);
    world
        .github
        .act(|state| state.retitle(SHOP, 1, "ann", "Another basket"))
        .unwrap();
    let changed = client.pull_request(shop, 1).await.unwrap().unwrap();
    assert_eq!(changed.title, "Another basket");
    assert_eq!(statuses(), [200, 304, 200]);
}
