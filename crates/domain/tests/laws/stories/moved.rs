//! The server's port or domain is changed: what runs was told the old addresses.

use nestling_domain::{
    announcement::status,
    deployment::Cause,
    ids::Generation,
    lifecycle::{Command, Event, Observation, State},
};
use nestling_protocol::report::{Failure, Next, Phase as Report, Step as At};

use crate::{
    stories::{observed, prepared, pushed, queued, report, running},
    world::{World, commit, reached},
};

fn moved() -> Cause {
    Cause::Moved {
        from: reached(0),
        to: reached(1),
    }
}

/// A world whose server answers at the first port, with this much of a deployment.
fn at_first(begin: impl FnOnce(&mut World)) -> World {
    let mut world = queued(false);
    world.reach(0);
    begin(&mut world);
    world
}

#[test]
fn a_server_that_answers_where_it_did_deploys_nothing_again() {
    let mut world = at_first(|world| running(world, 1));
    let before = world.record.clone();
    world.reach(0);
    assert_eq!(world.record, before);
}

#[test]
fn what_runs_is_deployed_again_and_answers_meanwhile() {
    let mut world = at_first(|world| running(world, 1));
    world.reach(1);
    let next = world.record.next().unwrap();
    assert_eq!(
        (next.generation, &next.commit, &next.cause),
        (Generation(2), &commit(2), &moved())
    );
    assert_eq!(world.record.answering().unwrap().generation, Generation(1));
    assert_eq!(
        status(&world.record, None).detail.unwrap(),
        "asks first whether it still may run; the addresses of this server changed from http://*.localhost:4100 to http://*.localhost:4101; deployment 1 (0000000) still answers"
    );
    let before = world.record.clone();
    world.reach(1);
    assert_eq!(world.record, before, "once is enough");
    running(&mut world, 2);
    assert_eq!(world.record.state_name(), "running");
}

#[test]
fn what_is_on_its_way_begins_anew_unless_its_machine_was_not_asked_for() {
    let mut world = at_first(|_| {});
    world.reach(1);
    assert_eq!(
        world.record.next().unwrap().generation,
        Generation(1),
        "it waits in the queue, and is told where it is"
    );
    assert_eq!(prepared(&mut world, 1), Next::Go);
    world.reach(0);
    let next = world.record.next().unwrap();
    assert_eq!((next.generation, &next.commit), (Generation(2), &commit(2)));
    assert!(world.record.named(Generation(1)).is_none());
    running(&mut world, 2);
}

#[test]
fn a_commit_that_failed_stays_the_newest_news_through_a_move() {
    let mut world = at_first(|world| running(world, 1));
    pushed(&mut world, 5);
    observed(&mut world, Observation::Admitted(Generation(2)));
    observed(&mut world, Observation::launched(Generation(2)));
    let failure = Failure {
        step: At::Setup,
        reason: "npm ci: lockfile out of date".into(),
        exit: None,
        tail: vec![],
    };
    report(&mut world, 2, 1, Report::Failed(failure));
    world.reach(1);
    assert_eq!(
        world.record.next().unwrap().commit,
        commit(2),
        "what ran runs again, not what failed"
    );
    running(&mut world, 3);
    assert!(
        matches!(&world.record.state, State::Running { failed: Some(failed), .. } if failed.commit == commit(5))
    );
    assert_eq!(world.record.newest_commit(), Some(&commit(5)));
}

#[test]
fn what_is_stopped_stays_so_and_what_never_knew_only_learns() {
    let mut world = at_first(|world| running(world, 1));
    world.apply(&Event::Command(Command::Stop));
    world.reach(1);
    assert_eq!(world.record.state_name(), "stopped");

    // A record of a server that did not write down where it answers.
    let mut world = queued(false);
    running(&mut world, 1);
    world.reach(1);
    assert_eq!(world.record.generation, Generation(1));
    assert_eq!(world.record.world.reached, Some(reached(1)));
}
