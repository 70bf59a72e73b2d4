//! What a person cancels, and what is said of it afterwards.

use super::*;
use crate::world::{World, commit};
use nestling_domain::{
    ids::Generation,
    lifecycle::{Command, Event, Observation, Trigger},
};

#[test]
fn cancel_gives_up_what_is_on_its_way_and_keeps_what_serves() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    world.apply(&Event::Command(Command::Cancel));
    assert_eq!(world.record.state_name(), "running");
    assert_eq!(world.record.serving().unwrap().generation, Generation(1));
}

/// An environment that serves commit 2 while its branch has commit 4, whose deployment a person cancelled.
fn cancelled() -> World {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    world.apply(&Event::Command(Command::Cancel));
    world
}

#[test]
fn what_was_cancelled_stays_so_while_what_serves_is_started_again() {
    let mut world = cancelled();
    let lost = Observation::Lost {
        generation: Generation(1),
        reason: "the host was restarted".into(),
        retry: true,
        exit: None,
        tail: Vec::new(),
    };
    observed(&mut world, lost);
    assert_eq!(world.record.next().unwrap().commit, commit(2));
    assert_eq!(world.record.cancelled, Some(commit(4)));
}

fn detail(world: &World) -> Option<String> {
    nestling_domain::announcement::status(&world.record, None).detail
}

#[test]
fn what_was_cancelled_is_said_and_stays_cancelled_until_a_person_wants_it() {
    let said = "0000000 was cancelled by a person; deployment 1 (0000000) still answers";
    let mut world = cancelled();
    assert_eq!(detail(&world).as_deref(), Some(said));
    assert_eq!(world.record.newest_commit(), Some(&commit(4)));
    assert_eq!(world.record.shown_commit(), Some(&commit(2)));
    // Whatever looks finds the head that was cancelled.
    for trigger in [Trigger::Push, Trigger::Refresh] {
        heard(&mut world, 4, trigger);
        assert_eq!(detail(&world).as_deref(), Some(said), "{trigger:?}");
    }
    for order in [Command::Redeploy, Command::Start] {
        let mut world = cancelled();
        world.apply(&Event::Command(order.clone()));
        if let Some(look) = world.record.look.clone() {
            found(&mut world, look.number, 4);
        }
        let next = world.record.next().map(|next| next.commit.clone());
        assert_eq!(next, Some(commit(4)), "{order:?}");
        assert_eq!(world.record.cancelled, None);
    }
}

#[test]
fn a_branch_that_leaves_what_was_cancelled_speaks_of_it_no_more() {
    // Set back to what serves.
    let mut world = cancelled();
    heard(&mut world, 2, Trigger::Push);
    assert_eq!(world.record.state_name(), "running");
    assert_eq!(detail(&world), None);
    // A newer commit.
    let mut world = cancelled();
    pushed(&mut world, 5);
    assert_eq!(world.record.next().unwrap().commit, commit(5));
    assert_eq!(world.record.cancelled, None);
    // Stopped, it names the head that is to come back.
    let mut world = cancelled();
    world.apply(&Event::Command(Command::Stop));
    assert_eq!(world.record.newest_commit(), Some(&commit(4)));
    assert_eq!(world.record.cancelled, None);
}

#[test]
fn a_replacement_that_is_cancelled_is_said_while_the_commit_before_it_starts_again() {
    let mut world = queued(true);
    running(&mut world, 1);
    pushed(&mut world, 4);
    prepared(&mut world, 2);
    observed(&mut world, Observation::Drained(Generation(1)));
    world.apply(&Event::Command(Command::Cancel));
    let said = "0000000 was cancelled by a person, so the commit before it starts again";
    assert!(detail(&world).unwrap().contains(said));
    heard(&mut world, 4, Trigger::Refresh);
    assert_eq!(world.record.next().unwrap().commit, commit(2));
    observed(
        &mut world,
        Observation::Absent {
            keep: vec![],
            upto: Generation(2),
            erased: false,
        },
    );
    running(&mut world, 3);
    let said = "0000000 was cancelled by a person; deployment 3 (0000000) still answers";
    assert_eq!(detail(&world).as_deref(), Some(said));
}

#[test]
fn a_redeploy_of_what_serves_that_is_cancelled_leaves_nothing_to_say() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Redeploy));
    world.apply(&Event::Command(Command::Cancel));
    assert_eq!(world.record.cancelled, None);
    assert_eq!(detail(&world), None);
}
