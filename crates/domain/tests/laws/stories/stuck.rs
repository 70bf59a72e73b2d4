//! A forge that does not answer, and what cannot be removed: people are told, and it is tried for ever.

use super::*;
use nestling_domain::{
    announcement::{Mark, Status, status},
    ids::Timestamp,
    lifecycle::{Effect, Leftover, Lifecycle, STUCK},
};

fn hint(world: &mut World, trigger: Trigger) {
    let commit = None;
    world.apply(&Event::Hint { commit, trigger }).unwrap();
}

/// The forge is asked, and does not answer.
fn no_answer(world: &mut World) {
    let look = world.record.look.as_ref().unwrap();
    world.now = world.now.max(look.at);
    let (look, reason) = (look.number, "it gives no reason (503)".to_owned());
    observed(world, Observation::NotFound { look, reason });
}

/// For this long the forge is asked in vain.
fn silent_for(world: &mut World, span: Duration) {
    let until = world.now.plus(span);
    while world.now < until {
        no_answer(world);
        world.pass(world.times.forge_again);
    }
    no_answer(world);
}

fn closed(world: &mut World) {
    let look = world.record.look.as_ref().unwrap().number;
    let found = Found::Closed;
    observed(world, Observation::Found { look, found });
}

fn says(world: &World) -> String {
    let Status { word, detail, .. } = status(&world.record, None);
    format!("{word}: {}", detail.unwrap_or_default())
}

/// A world in which deployment 1 serves.
fn serving() -> World {
    let mut world = queued(false);
    running(&mut world, 1);
    world
}

#[test]
fn a_preview_that_waits_for_the_forge_says_so_and_its_pull_request_once_that_lasts() {
    let mut world = World::new(false);
    let edition = world.record.world.edition;
    no_answer(&mut world);
    assert_eq!(
        says(&world),
        "Queued: asks the repository what to deploy; what is true now could not be found out yet (it gives no reason (503)): asked again until it is"
    );
    assert_eq!(world.record.world.edition, edition, "short, and no news");
    let lasts = world.times.silence;
    silent_for(&mut world, lasts);
    assert_eq!(world.record.world.edition, edition + 1);
    silent_for(&mut world, 10 * lasts);
    assert_eq!(world.record.world.edition, edition + 1, "told once");
    let look = world.record.look.as_ref().unwrap().number;
    found(&mut world, look, 2);
    assert_eq!(says(&world), "Queued: waits for a build slot");
}

#[test]
fn what_runs_past_its_close_says_so_and_is_listed_as_stuck_until_the_forge_confirms_it() {
    let mut world = serving();
    hint(&mut world, Trigger::Close);
    assert_eq!(says(&world), "Running: ", "it is asked just now");
    let (since, edition) = (world.now, world.record.world.edition);
    no_answer(&mut world);
    assert!(world.record.stuck(world.now).is_none());
    assert_eq!(
        says(&world),
        "Running: its pull request was said to be closed, which could not be confirmed yet (it gives no reason (503)): asked again until it is"
    );
    assert_eq!(status(&world.record, None).mark, Mark::Troubled);
    silent_for(&mut world, STUCK);
    assert_eq!(world.record.world.edition, edition + 1);
    // What else is told meanwhile changes nothing about that.
    hint(&mut world, Trigger::Push);
    let stuck = world.record.stuck(world.now).unwrap();
    assert_eq!((stuck.since, stuck.left), (since, Leftover::Close));
    assert_eq!(stuck.reason, Some("it gives no reason (503)"));
    closed(&mut world);
    assert!(world.record.stuck(world.now).is_none());
    assert_eq!(says(&world), "Removed: ");
}

#[test]
fn a_close_that_the_forge_denies_or_a_reopening_ends_leaves_nothing_to_say() {
    for denies in [true, false] {
        let mut world = serving();
        hint(&mut world, Trigger::Close);
        silent_for(&mut world, STUCK);
        assert!(world.record.stuck(world.now).is_some());
        if denies {
            let look = world.record.look.as_ref().unwrap().number;
            found(&mut world, look, 2);
            assert_eq!(says(&world), "Running: ");
        } else {
            hint(&mut world, Trigger::Reopen);
        }
        assert!(world.record.stuck(world.now).is_none());
    }
}

/// What the record owes its machines is tried, and fails.
fn not_removed(world: &mut World) -> Timestamp {
    let owes = |effect: &Effect| matches!(effect, Effect::Destroy { .. });
    assert!(world.record.owed(world.now).iter().any(owes));
    let reason = "shop/pr-1/state: permission denied".to_owned();
    observed(world, Observation::NotAbsent { reason });
    assert!(
        !world.record.owed(world.now).iter().any(owes),
        "not at once"
    );
    world.record.world.observe_at.unwrap()
}

#[test]
fn what_cannot_be_removed_is_not_called_removed_and_is_tried_for_ever() {
    let mut world = serving();
    hint(&mut world, Trigger::Close);
    closed(&mut world);
    let (since, edition) = (world.now, world.record.world.edition);
    let mut waits = Vec::new();
    for _ in 0..300 {
        let again = not_removed(&mut world);
        waits.push(again.since(world.now).as_secs());
        world.now = again;
    }
    assert_eq!(waits[..6], [5, 10, 20, 40, 60, 60]);
    assert_eq!(
        says(&world),
        "Closing: the machine of deployment 1 and its state folder may still be there (shop/pr-1/state: permission denied): tried again until it is gone"
    );
    assert_eq!(world.record.world.edition, edition + 1, "told once");
    // Another process knows it from the record.
    let stored = serde_json::to_string(&world.record).unwrap();
    let kept: Lifecycle = serde_json::from_str(&stored).unwrap();
    assert!(kept.due_at().is_some());
    let stuck = kept.stuck(world.now).unwrap();
    assert_eq!(stuck.since, since);
    let left = Leftover::Outside {
        machines: vec![Generation(1)],
        folder: true,
    };
    assert_eq!(stuck.left, left);
    // Somebody puts the folder's rights right.
    let absent = |world: &mut World| {
        let absent = Observation::Absent {
            keep: vec![],
            upto: Generation(1),
            erased: true,
        };
        observed(world, absent);
    };
    absent(&mut world);
    assert_eq!(says(&world), "Removed: ");
    world.pass(world.times.absent_again);
    absent(&mut world);
    assert!(world.record.stuck(world.now).is_none());
}

#[test]
fn a_machine_that_was_superseded_and_does_not_go_is_listed_too() {
    let mut world = serving();
    pushed(&mut world, 3);
    running(&mut world, 2);
    observed(&mut world, Observation::Drained(Generation(1)));
    let again = not_removed(&mut world);
    world.now = again.plus(STUCK);
    let stuck = world.record.stuck(world.now).unwrap();
    let left = Leftover::Outside {
        machines: vec![Generation(1)],
        folder: false,
    };
    assert_eq!(stuck.left, left);
    assert_eq!(
        says(&world),
        "Running: ",
        "which is nothing to its visitors"
    );
}
