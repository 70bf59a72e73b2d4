//! What goes wrong, and what is said of it.

use super::*;

#[tokio::test]
async fn an_installation_that_is_suspended_or_gone_is_said() {
    let world = World::start();
    world
        .github
        .act(|state| state.suspend(world.shop.installation))
        .unwrap();
    let refused = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    assert!(
        matches!(&refused, GitHubError::Refused { status: 403, said, .. } if said.contains("suspended")),
        "{refused}"
    );
    world
        .github
        .act(|state| state.uninstall(world.shop.installation))
        .unwrap();
    // An App that was taken away learns nothing of pull requests: least of all that there are none.
    let gone = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    let words = format!(
        "GitHub refuses a token of installation {}: the App is not installed there any more (404)",
        world.shop.installation
    );
    assert_eq!(gone.to_string(), words);
}

#[tokio::test]
async fn a_read_is_made_again_and_a_creation_is_not() {
    let world = World::start();
    world.order("GET /repos/*/*/pulls/*", Fault::Status(502), Times::Only(1));
    world.order("GET /repos/*/*/pulls/*", Fault::LostAnswer, Times::Only(1));
    assert!(
        world
            .client
            .pull_request(&world.shop, 1)
            .await
            .unwrap()
            .is_some()
    );
    world.order("GET /repos/*/*/pulls/*", Fault::Status(500), Times::Always);
    let failed = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    assert!(matches!(failed, GitHubError::Failed { .. }), "{failed}");
    world.order(COMMENTS, Fault::Status(502), Times::Only(1));
    let unknown = world
        .client
        .create_comment(&world.shop, 1, MARKER)
        .await
        .unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    assert_eq!(world.asked("POST", "/repos/acme/shop/issues/1/comments"), 1);
}

#[tokio::test]
async fn whoever_is_not_answered_does_not_wait_for_ever() {
    let world = World::start();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    world.order(COMMENTS, Fault::NoAnswer, Times::Only(1));
    let asking = world.client.create_comment(&world.shop, 1, MARKER);
    let passing = async {
        let heard = |state: &State| {
            state
                .ledger
                .count("POST", "/repos/acme/shop/issues/1/comments")
                == 1
        };
        world.github.until("the comment", heard).await.unwrap();
        // From here on nothing happens but the passing of time.
        tokio::time::pause();
    };
    let (unknown, ()) = futures::future::join(asking, passing).await;
    let words = "it is not known whether GitHub did a comment on pull request 1 of acme/shop: no answer within 12 s";
    assert_eq!(unknown.unwrap_err().to_string(), words);
}

#[tokio::test]
async fn a_limit_is_waited_for_and_nothing_is_asked_until_then() {
    let world = World::start();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    assert_eq!(
        world
            .client
            .quota(world.shop.installation)
            .unwrap()
            .remaining,
        4999
    );
    world.order(COMMENTS, Fault::SecondaryLimit(53), Times::Only(1));
    let limited = world
        .client
        .create_comment(&world.shop, 1, MARKER)
        .await
        .unwrap_err();
    assert_eq!(
        limited.to_string(),
        "GitHub wants us to wait 53 s before a comment on pull request 1 of acme/shop"
    );
    // What is to be shown waits, and what decides whether a preview runs does not.
    let before = world.asked("POST", "/repos");
    let comment = world.client.create_comment(&world.shop, 1, MARKER).await;
    let limited = comment.unwrap_err();
    assert!(matches!(limited, GitHubError::Limited { .. }), "{limited}");
    assert_eq!(world.asked("POST", "/repos"), before);
    world.client.pull_request(&world.shop, 1).await.unwrap();

    world.order("GET /repos/**", Fault::SecondaryLimit(53), Times::Only(1));
    world.client.pull_request(&world.shop, 1).await.unwrap_err();
    let before = world.asked("GET", "/repos");
    let limited = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    assert!(matches!(limited, GitHubError::Limited { .. }), "{limited}");
    assert_eq!(world.asked("GET", "/repos"), before);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(53)).await;
    tokio::time::resume();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    let comment = world.client.create_comment(&world.shop, 1, MARKER).await;
    comment.unwrap();
}

#[tokio::test]
async fn a_key_or_an_address_that_is_none_is_said_at_once() {
    let none = |address: &str, key: &[u8]| GitHub::new(address, 1, key).err().unwrap();
    assert!(matches!(
        none("https://api.github.com", b"no key"),
        NotUsable::Key
    ));
    let key = World::start()
        .github
        .act(|state| state.private_key(state.apps.keys().next().copied().unwrap()))
        .unwrap();
    let odd = none("not an address", key.as_bytes());
    assert_eq!(
        odd.to_string(),
        "\"not an address\" is no address of GitHub's API: give one like https://api.github.com"
    );
}
