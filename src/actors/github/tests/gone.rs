//! When GitHub is believed that a repository is gone.

use super::*;

#[actix::test]
async fn what_github_cannot_say_closes_nothing_and_what_it_says_twice_does() {
    let world = World::start().await;
    let number = world.act(|state| propose(state, "basket", "ann"));
    let (production, preview) = (Kind::Production, Kind::Preview(number));
    for fault in [Fault::Status(500), Fault::Status(403)] {
        world
            .github
            .act(|state| state.order("GET /repos/**", fault, Times::Always));
        for kind in [production, preview] {
            let failed = world.head(kind).await;
            assert!(matches!(failed, Err(ForgeError::Failed(_))), "{failed:?}");
        }
        world.github.act(|state| state.faults.clear());
    }
    world.act(|state| state.suspend(world.installation));
    let failed = world.head(preview).await;
    assert!(matches!(failed, Err(ForgeError::Failed(_))), "{failed:?}");
    world.act(|state| state.unsuspend(world.installation));
    assert_eq!(world.runs(number).await, Trust::Member);

    world.act(|state| state.uninstall(world.installation));
    for kind in [production, preview] {
        let failed = world.head(kind).await;
        assert!(
            matches!(failed, Err(ForgeError::Failed(_))),
            "once: {failed:?}"
        );
    }
    let seen_since = |minutes| {
        let long_ago = Instant::now().checked_sub(Duration::from_mins(minutes));
        let seen = (world.shop.repository, long_ago.unwrap());
        world.desk.gone.lock().unwrap().extend([seen]);
    };
    // Nobody told of it, so GitHub may be wrong for as long as one of its failures lasts.
    seen_since(9);
    let failed = world.head(production).await;
    assert!(matches!(failed, Err(ForgeError::Failed(_))), "{failed:?}");
    seen_since(11);
    for kind in [production, preview] {
        assert_eq!(world.head(kind).await, Ok(Found::Closed), "still so");
    }
}

#[actix::test]
async fn what_github_does_not_show_for_a_moment_counts_for_nothing_later() {
    let world = World::start().await;
    let number = world.act(|state| propose(state, "basket", "ann"));
    // A while ago GitHub showed nothing of it.
    let long_ago = Instant::now().checked_sub(Duration::from_mins(9)).unwrap();
    let seen = (world.shop.repository, long_ago);
    world.desk.gone.lock().unwrap().extend([seen]);
    assert_eq!(world.runs(number).await, Trust::Member);
    assert!(world.desk.gone.lock().unwrap().is_empty(), "it answered");
}

#[actix::test]
async fn what_somebody_may_do_is_no_answer_of_a_repository_that_github_does_not_show() {
    let world = World::start().await;
    world.act(|state| {
        let installation = state.installations.get_mut(&world.installation).unwrap();
        installation.selection = Selection::Selected([].into());
        Ok(())
    });
    for asked in ["once", "and again"] {
        let failed = world.desk.may_write(world.shop.repository, "ann").await;
        assert!(matches!(failed, Err(ForgeError::Failed(_))), "{asked}");
    }
    let gone = world.desk.gone.lock().unwrap();
    assert!(!gone.is_empty(), "what was seen missing still counts");
}
