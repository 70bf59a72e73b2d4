//! What fails, dies or takes too long.

use super::*;
use crate::world::{World, commit, endpoint};
use nestling_domain::{
    deployment::{Cause, Phase},
    ids::Generation,
    lifecycle::{Command, Effect, Event, Found, Happened, Observation, State, Trigger, Why},
};
use nestling_protocol::report::{Exit, Failure, Next, Phase as Report, Step as At};
use std::time::Duration;

#[test]
fn what_fails_through_no_fault_of_the_app_is_tried_three_times() {
    let mut world = queued(false);
    for attempt in 1..=3 {
        assert_eq!(world.record.next().unwrap().attempt, attempt);
        world.now = world.record.next().unwrap().not_before.unwrap_or(world.now);
        observed(&mut world, Observation::Admitted(Generation(attempt)));
        observed(
            &mut world,
            Observation::NotLaunched {
                generation: Generation(attempt),
                reason: "no capacity".into(),
                retry: true,
            },
        );
    }
    assert!(
        matches!(&world.record.state, State::Stopped { why: Why::Failed(failed), .. } if failed.reason == "no capacity")
    );
}

#[test]
fn where_a_machine_is_stays_known_also_when_its_runner_was_quicker() {
    let address = Some("fdaa:0:1::3".parse().unwrap());
    let located = |generation| Observation::Launched {
        generation: Generation(generation),
        address,
        note: None,
        volume: None,
    };
    let mut world = queued(false);
    running(&mut world, 1);
    assert_eq!(world.record.serving().unwrap().address, None);
    observed(&mut world, located(1));
    assert_eq!(world.record.serving().unwrap().address, address);
    // Nobody moves it by saying less, or of another generation.
    observed(&mut world, Observation::launched(Generation(1)));
    let before = world.record.clone();
    observed(&mut world, located(7));
    assert_eq!(world.record, before);
    assert_eq!(world.record.serving().unwrap().address, address);
}

#[test]
fn a_reboot_starts_what_ran_again() {
    let mut world = queued(false);
    running(&mut world, 1);
    observed(
        &mut world,
        Observation::Lost {
            generation: Generation(1),
            reason: "the host was restarted".into(),
            retry: true,
            exit: None,
            tail: Vec::new(),
        },
    );
    assert_eq!(
        world.record.next().unwrap().cause,
        Cause::Lost(Generation(1))
    );
    running(&mut world, 2);
    assert_eq!(world.record.state_name(), "running");
}

#[test]
fn a_machine_that_is_lost_while_it_builds_is_said_with_its_last_words() {
    let lost = |generation| Observation::Lost {
        generation: Generation(generation),
        reason: "it used more disk than it may".into(),
        retry: false,
        exit: Some(Exit::Signal(9)),
        tail: vec!["writing on".into()],
    };
    let mut world = queued(false);
    observed(&mut world, lost(1));
    assert_eq!(
        world.record.next().unwrap().phase,
        Phase::Queued,
        "what has no machine yet cannot lose it"
    );
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
    observed(&mut world, lost(1));
    let State::Stopped {
        why: Why::Failed(failed),
        ..
    } = &world.record.state
    else {
        panic!("it goes on: {:?}", world.record.state);
    };
    assert_eq!(failed.reason, "it used more disk than it may");
    assert_eq!(failed.exit, Some(Exit::Signal(9)));
    assert_eq!(failed.tail, ["writing on"]);
}

#[test]
fn a_machine_that_dies_again_and_again_ends_as_failed() {
    let mut world = queued(false);
    running(&mut world, 1);
    for generation in 1..=3 {
        observed(
            &mut world,
            Observation::Lost {
                generation: Generation(generation),
                reason: "it ended".into(),
                retry: true,
                exit: None,
                tail: Vec::new(),
            },
        );
        if generation < 3 {
            running(&mut world, generation + 1);
        }
    }
    assert!(matches!(
        &world.record.state,
        State::Stopped {
            why: Why::Failed(_),
            ..
        }
    ));
}

#[test]
fn a_first_deployment_that_is_tried_again_says_why_until_a_push_takes_its_place() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    let (generation, reason, retry) = (Generation(1), "no room".to_owned(), true);
    observed(
        &mut world,
        Observation::NotLaunched {
            generation,
            reason,
            retry,
        },
    );
    let again = world.record.next().unwrap();
    assert_eq!(
        (again.generation, again.phase),
        (Generation(2), Phase::Queued)
    );
    assert!(world.record.failure().unwrap().reason.contains("no room"));
    let look = asked(&mut world, Trigger::Push);
    found(&mut world, look, 3);
    assert_eq!(world.record.next().unwrap().generation, Generation(3));
    assert_eq!(world.record.failure(), None);
}

#[test]
fn deadlines_name_what_did_not_happen() {
    for (upto, word) in [
        (0, "could not be started"),
        (1, "has not reported"),
        (2, "took too long"),
    ] {
        let mut world = queued(false);
        observed(&mut world, Observation::Admitted(Generation(1)));
        if upto > 0 {
            observed(&mut world, Observation::launched(Generation(1)));
        }
        if upto > 1 {
            report(
                &mut world,
                1,
                1,
                Report::Deploying {
                    protocol: nestling_protocol::VERSION,
                },
            );
        }
        let deadline = world.record.next().unwrap().deadline.unwrap();
        world.now = deadline;
        let step = world.apply(&Event::Tick).unwrap();
        assert!(
            format!("{:?}", step.happened).contains(word),
            "{word} in {:?}",
            step.happened
        );
    }
}

#[test]
fn a_deadline_on_the_outside_is_given_grace_after_our_own_absence() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
    world.now = world.now.plus(Duration::from_mins(10));
    world.record = world.record.clone().resumed(world.now, &world.times);
    assert!(
        world.apply(&Event::Tick).unwrap().happened.is_empty(),
        "down for ten minutes is not a mass redeploy"
    );
    assert_eq!(
        report(
            &mut world,
            1,
            1,
            Report::Deploying {
                protocol: nestling_protocol::VERSION
            }
        ),
        Next::Go
    );
}

#[test]
fn tests_have_their_own_limit_also_when_nothing_was_said_of_the_setup() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
    let protocol = nestling_protocol::VERSION;
    report(&mut world, 1, 1, Report::Deploying { protocol });
    report(&mut world, 1, 2, Report::RunningTests);
    assert_eq!(
        deadline(&world),
        Some(world.times.test + world.times.margin)
    );
}

#[test]
fn every_phase_has_its_own_deadline_and_clone_and_setup_share_one() {
    let mut world = queued(false);
    let times = world.times.clone();
    let tick = |world: &mut World| world.now = world.now.plus(Duration::from_secs(1));
    assert_eq!(
        deadline(&world),
        None,
        "a place in the queue has no deadline"
    );
    observed(&mut world, Observation::Admitted(Generation(1)));
    assert_eq!(deadline(&world), Some(times.launch));
    tick(&mut world);
    observed(&mut world, Observation::launched(Generation(1)));
    assert_eq!(
        deadline(&world),
        Some(times.launch),
        "from the start of its machine anew"
    );
    report(
        &mut world,
        1,
        1,
        Report::Deploying {
            protocol: nestling_protocol::VERSION,
        },
    );
    assert_eq!(deadline(&world), Some(times.setup + times.margin));
    tick(&mut world);
    report(
        &mut world,
        1,
        2,
        Report::Cloned {
            commit: commit(2).id.as_str().to_owned(),
        },
    );
    assert_eq!(
        deadline(&world),
        Some(
            (times.setup + times.margin)
                .checked_sub(Duration::from_secs(1))
                .unwrap()
        ),
        "the clock is not set back"
    );
    report(&mut world, 1, 3, Report::RunningTests);
    assert_eq!(deadline(&world), Some(times.test + times.margin));
    report(&mut world, 1, 4, Report::Prepared { exclusive: false });
    assert_eq!(deadline(&world), Some(times.prepared));
    report(&mut world, 1, 5, Report::Starting);
    assert_eq!(deadline(&world), Some(times.start + times.margin));
    report(
        &mut world,
        1,
        6,
        Report::Running {
            endpoints: vec![endpoint()],
        },
    );
    assert_eq!(deadline(&world), Some(times.probe));
    observed(&mut world, Observation::Healthy(Generation(1)));
    assert_eq!(world.record.serving().unwrap().deadline, None);
}

#[test]
fn a_repair_supersedes_nobody_and_waits_its_time() {
    let mut world = queued(false);
    let retry = world.times.retry.clone();
    for (generation, wait) in (1..).zip(retry) {
        world.now = world.record.next().unwrap().not_before.unwrap_or(world.now);
        observed(&mut world, Observation::Admitted(Generation(generation)));
        let refused = Observation::NotLaunched {
            generation: Generation(generation),
            reason: "no capacity".into(),
            retry: true,
        };
        let step = world.apply(&Event::Observed(refused)).unwrap();
        assert!(
            !step
                .happened
                .iter()
                .any(|what| matches!(what, Happened::Superseded { .. })),
            "{:?}",
            step.happened
        );
        let next = world.record.next().unwrap();
        assert_eq!(next.not_before, Some(world.now.plus(wait)));
        let admits = |world: &World| {
            world
                .record
                .owed(world.now)
                .iter()
                .any(|effect| matches!(effect, Effect::Admit(_)))
        };
        assert!(!admits(&world), "not before its time");
        world.now = world.now.plus(wait);
        assert!(admits(&world));
    }
}

/// A webhook makes it look, for this reason; the number of the question.
fn asked(world: &mut World, trigger: Trigger) -> u32 {
    let hint = Event::Hint {
        commit: None,
        trigger,
    };
    world.apply(&hint).unwrap();
    world.record.look.as_ref().unwrap().number
}

#[test]
fn a_close_is_heard_although_what_is_on_its_way_fails_while_it_is_asked_for() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
    let look = asked(&mut world, Trigger::Refresh);
    let failure = Failure {
        step: At::Setup,
        reason: "npm ci: lockfile out of date".into(),
        exit: None,
        tail: vec![],
    };
    report(&mut world, 1, 1, Report::Failed(failure));
    assert_eq!(world.record.state_name(), "stopped");
    let found = Found::Closed;
    observed(&mut world, Observation::Found { look, found });
    assert!(world.record.is_closed());
}

#[test]
fn what_was_asked_before_an_order_to_stop_starts_nothing_and_still_closes() {
    let mut world = queued(false);
    running(&mut world, 1);
    let look = asked(&mut world, Trigger::Start);
    world.apply(&Event::Command(Command::Stop)).unwrap();
    found(&mut world, look, 2);
    assert!(matches!(
        &world.record.state,
        State::Stopped {
            why: Why::Person,
            ..
        }
    ));

    let mut world = queued(false);
    running(&mut world, 1);
    let look = asked(&mut world, Trigger::Refresh);
    world.apply(&Event::Command(Command::Stop)).unwrap();
    let found = Found::Closed;
    observed(&mut world, Observation::Found { look, found });
    assert!(world.record.is_closed());
}
