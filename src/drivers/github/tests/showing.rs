//! What people see, made once and found again.

use super::*;

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_unknown_and_is_found_by_its_marker() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    world.order(COMMENTS, Fault::LostAnswer, Times::Only(1));
    let body = format!("{MARKER}\nIt runs.");
    let unknown = client.create_comment(shop, 1, &body).await.unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    world
        .github
        .act(|state| state.comment(SHOP, 1, "ann", MARKER))
        .unwrap();
    let found = client.find_comment(shop, 1, MARKER).await.unwrap().unwrap();
    assert_eq!(found.body, body);
    client
        .change_comment(shop, found.id, &format!("{MARKER}\nIt is gone."))
        .await
        .unwrap();
    assert_eq!(
        world.comments(),
        [format!("{MARKER}\nIt is gone."), MARKER.to_owned()]
    );
    world
        .github
        .act(|state| state.delete_comment(SHOP, found.id, "ann"))
        .unwrap();
    let absent = client
        .change_comment(shop, found.id, "more")
        .await
        .unwrap_err();
    assert!(matches!(absent, GitHubError::Absent { .. }), "{absent}");
    assert_eq!(client.find_comment(shop, 1, MARKER).await.unwrap(), None);
}

#[tokio::test]
async fn a_check_run_is_made_found_again_and_ended() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    world.order(
        "POST /repos/*/*/check-runs",
        Fault::LostAnswer,
        Times::Only(1),
    );
    let queued = world.run(CheckState::Queued);
    let unknown = client.create_check_run(shop, &queued).await.unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    let found = client
        .find_check_run(shop, &world.head(), &queued.external_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        client
            .find_check_run(shop, &world.head(), "other")
            .await
            .unwrap(),
        None
    );
    client
        .change_check_run(shop, found.id, &world.run(CheckState::InProgress))
        .await
        .unwrap();
    let ended = world.run(CheckState::Completed(Outcome::Cancelled));
    client
        .change_check_run(shop, found.id, &ended)
        .await
        .unwrap();
    let head = world.head();
    let runs = world
        .github
        .look(|state| state.see_check_runs(SHOP, head.as_str()))
        .unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].conclusion.as_deref(), Some("cancelled"));
    assert_eq!(runs[0].actions.len(), 1);
}

#[tokio::test]
async fn a_deployment_is_made_found_again_and_told_how_it_is() {
    let world = World::start();
    let (client, shop, head) = (&world.client, &world.shop, world.head());
    world.order(
        "POST /repos/*/*/deployments",
        Fault::LostAnswer,
        Times::Only(1),
    );
    let unknown = client
        .create_deployment(shop, (&head, &stage()), "shop/pr-1/1")
        .await
        .unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    let found = client
        .find_deployment(shop, (&head, &stage()), "shop/pr-1/1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        client
            .find_deployment(shop, (&head, &stage()), "shop/pr-1/2")
            .await
            .unwrap(),
        None
    );
    let places = (
        Some("https://pr-1.example"),
        Some("https://nestling.example/logs"),
    );
    for state in [
        DeploymentState::Queued,
        DeploymentState::InProgress,
        DeploymentState::Success,
    ] {
        client
            .tell_deployment(shop, found, state, places)
            .await
            .unwrap();
    }
    let deployments = world
        .github
        .look(|state| state.see_deployments(SHOP))
        .unwrap();
    assert_eq!(deployments.len(), 1);
    assert!(
        deployments[0].transient && deployments[0].state() == "success",
        "{deployments:?}"
    );
    client
        .tell_deployment(shop, found, DeploymentState::Inactive, (None, None))
        .await
        .unwrap();
}
