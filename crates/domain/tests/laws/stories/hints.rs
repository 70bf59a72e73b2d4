//! Hints that come while a question to the forge stands.

use super::*;
use crate::world::{World, commit};
use nestling_domain::{
    deployment::Cause,
    lifecycle::{Command, Event, Found, Observation, Trigger},
};

fn hint(world: &mut World, announced: Option<u8>, trigger: Trigger) -> u32 {
    world.apply(&Event::Hint {
        commit: announced.map(|n| commit(n).id),
        trigger,
    });
    world.record.look.clone().unwrap().number
}

/// One that sleeps, with commit 2.
fn asleep() -> World {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Sleep));
    world
}

#[test]
fn what_was_read_before_a_hint_is_no_answer_to_it() {
    let mut world = queued(false);
    running(&mut world, 1);
    let first = hint(&mut world, None, Trigger::Refresh);
    // It is closed meanwhile, while the answer is on its way.
    let second = hint(&mut world, None, Trigger::Refresh);
    assert!(second > first);
    found(&mut world, first, 2);
    assert!(world.record.look.is_some(), "it is still asked");
    let closed = Observation::Found {
        look: second,
        found: Found::Closed,
    };
    observed(&mut world, closed);
    assert!(world.record.is_closed());
}

#[test]
fn what_was_told_while_the_forge_was_out_of_reach_is_told_once_more_when_it_is_back() {
    let mut world = queued(false);
    running(&mut world, 1);
    let edition = world.record.world.edition;
    observed(&mut world, Observation::Announced(edition));
    let owes = |world: &World| world.record.world.announced != world.record.world.edition;
    hint(&mut world, None, Trigger::Refresh);
    assert!(!owes(&world), "nothing else is to be read");
    hint(&mut world, None, Trigger::Return);
    assert!(owes(&world));
    let look = world.record.look.clone().unwrap();
    assert_eq!(look.trigger, Trigger::Refresh);
}

#[test]
fn a_push_that_is_told_twice_and_visits_are_one_question() {
    let mut world = queued(false);
    running(&mut world, 1);
    let push = hint(&mut world, Some(4), Trigger::Push);
    assert_eq!(hint(&mut world, Some(4), Trigger::Push), push);
    assert!(hint(&mut world, Some(6), Trigger::Push) > push);

    let mut world = asleep();
    let visit = hint(&mut world, None, Trigger::Visit);
    for _ in 0..3 {
        assert_eq!(hint(&mut world, None, Trigger::Visit), visit);
    }
}

#[test]
fn of_two_hints_the_one_that_brings_it_back_decides() {
    // A label is changed while somebody visits, in either order.
    for hints in [
        [Trigger::Visit, Trigger::Refresh],
        [Trigger::Refresh, Trigger::Visit],
    ] {
        let mut world = asleep();
        hint(&mut world, None, hints[0]);
        let look = hint(&mut world, None, hints[1]);
        found(&mut world, look, 2);
        assert_eq!(world.record.next().unwrap().cause, Cause::Visit);
    }
    // A person starts what another person stopped, and a label is changed.
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Stop));
    world.apply(&Event::Command(Command::Start));
    let look = hint(&mut world, None, Trigger::Refresh);
    found(&mut world, look, 2);
    assert_eq!(world.record.next().unwrap().cause, Cause::Start);
    // The same where the newest head was cancelled, and what runs is older.
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    world.apply(&Event::Command(Command::Cancel));
    world.apply(&Event::Command(Command::Start));
    let look = hint(&mut world, None, Trigger::Refresh);
    found(&mut world, look, 4);
    assert_eq!(world.record.next().unwrap().cause, Cause::Start);
    // A closed one is opened again, and pushed to before that is known.
    let mut world = queued(false);
    world.apply(&Event::Command(Command::Delete));
    let before = hint(&mut world, None, Trigger::Refresh);
    let look = hint(&mut world, Some(4), Trigger::Push);
    found(&mut world, before, 2);
    found(&mut world, look, 4);
    assert_eq!(world.record.next().unwrap().commit, commit(4));
}

#[test]
fn a_head_that_was_announced_is_waited_for_whatever_else_is_told() {
    let mut world = queued(false);
    running(&mut world, 1);
    hint(&mut world, Some(4), Trigger::Push);
    let look = hint(&mut world, None, Trigger::Refresh);
    // Yesterday's head.
    found(&mut world, look, 2);
    let look = world.record.look.clone().unwrap();
    assert_eq!((look.announced, look.asked), (Some(commit(4).id), 1));
    found(&mut world, look.number, 4);
    assert_eq!(world.record.next().unwrap().commit, commit(4));
}

#[test]
fn a_stop_of_what_failed_still_hears_that_it_was_closed() {
    let mut world = asleep();
    let look = hint(&mut world, None, Trigger::Refresh);
    world.apply(&Event::Command(Command::Stop));
    let closed = Observation::Found {
        look,
        found: Found::Closed,
    };
    observed(&mut world, closed);
    assert!(world.record.is_closed());
}
