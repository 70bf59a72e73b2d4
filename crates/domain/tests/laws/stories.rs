//! Short stories of one environment, told to the pure machine.

use std::time::Duration;

use nestling_domain::{
    deployment::{Cause, Phase, Shown},
    ids::Generation,
    lifecycle::{Command, Effect, Event, Found, Happened, Observation, State, Trigger, Why},
};
use nestling_protocol::report::{Failure, Next, Phase as Report, Step as At};

use crate::world::{World, commit, endpoint};

/// A world in which commit 2 has been found and its deployment is queued.
pub(crate) fn queued(exclusive: bool) -> World {
    let mut world = World::new(exclusive);
    let look = world.record.look.clone().unwrap().number;
    found(&mut world, look, 2);
    world
}

pub(crate) fn found(world: &mut World, look: u32, n: u8) {
    observed(
        world,
        Observation::Found {
            look,
            found: Found::Open(commit(n)),
        },
    );
}

pub(crate) fn observed(world: &mut World, observation: Observation) -> Option<Next> {
    world.apply(&Event::Observed(observation)).unwrap().answer
}

pub(crate) fn pushed(world: &mut World, n: u8) {
    world.apply(&Event::Hint {
        commit: Some(commit(n).id),
        trigger: Trigger::Push,
    });
    let look = world.record.look.clone().unwrap().number;
    found(world, look, n);
}

pub(crate) fn report(world: &mut World, generation: u32, seq: u64, phase: Report) -> Next {
    let boot = format!("boot {generation}");
    observed(
        world,
        Observation::Reported {
            generation: Generation(generation),
            boot,
            seq,
            phase,
        },
    )
    .unwrap()
}

/// Takes the queued deployment up to `prepared`; answers what its runner is told.
pub(crate) fn prepared(world: &mut World, generation: u32) -> Next {
    let number = Generation(generation);
    observed(world, Observation::Admitted(number));
    observed(world, Observation::Launched(number));
    let commit = world.record.next().unwrap().commit.id.as_str().to_owned();
    assert_eq!(
        report(
            world,
            generation,
            1,
            Report::Deploying {
                protocol: nestling_protocol::VERSION
            }
        ),
        Next::Go
    );
    report(world, generation, 2, Report::Cloned { commit });
    report(world, generation, 3, Report::RunningTests);
    report(
        world,
        generation,
        4,
        Report::Prepared {
            exclusive: world.exclusive,
        },
    )
}

pub(crate) fn running(world: &mut World, generation: u32) {
    assert_eq!(prepared(world, generation), Next::Go);
    report(world, generation, 5, Report::Starting);
    report(
        world,
        generation,
        6,
        Report::Running {
            endpoints: vec![endpoint()],
        },
    );
    observed(world, Observation::Healthy(Generation(generation)));
    if let Some(draining) = world.record.world.draining {
        observed(world, Observation::Drained(draining));
    }
}

#[test]
fn a_commit_goes_through_its_phases_and_serves() {
    let mut world = queued(false);
    assert_eq!(world.record.state_name(), "creating");
    running(&mut world, 1);
    assert_eq!(world.record.state_name(), "running");
    assert_eq!(world.record.serving().unwrap().phase, Phase::Serving);
    assert_eq!(
        world.record.due_at().is_some(),
        world.record.world.announced != world.record.world.edition
    );
}

#[test]
fn the_old_deployment_serves_until_the_new_one_is_proven_and_then_drains_before_it_goes() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    assert_eq!(world.record.state_name(), "restarting");
    assert_eq!(world.record.serving().unwrap().generation, Generation(1));
    assert_eq!(prepared(&mut world, 2), Next::Go);
    report(&mut world, 2, 5, Report::Starting);
    report(
        &mut world,
        2,
        6,
        Report::Running {
            endpoints: vec![endpoint()],
        },
    );
    observed(&mut world, Observation::Healthy(Generation(2)));
    assert_eq!(world.record.serving().unwrap().generation, Generation(2));
    let owed = world.record.owed(world.now);
    assert!(owed.contains(&Effect::Drain(Generation(1))));
    assert!(
        !owed
            .iter()
            .any(|effect| matches!(effect, Effect::Destroy { .. })),
        "it is not destroyed while it drains"
    );
    observed(&mut world, Observation::Drained(Generation(1)));
    let gone = Effect::Destroy {
        keep: vec![Generation(2)],
        upto: Generation(2),
        erase: false,
    };
    assert!(world.record.owed(world.now).contains(&gone));
}

#[test]
fn an_exclusive_app_waits_until_the_older_machine_is_gone_and_rolls_back_once() {
    let mut world = queued(true);
    running(&mut world, 1);
    pushed(&mut world, 4);
    assert_eq!(prepared(&mut world, 2), Next::Wait);
    assert!(
        world.record.serving().is_none(),
        "the older one had to go first"
    );
    assert_eq!(
        world.record.answer(Generation(1)),
        Next::Go,
        "it finishes what it has begun to answer"
    );
    assert_eq!(
        world.record.owed(world.now)[0],
        Effect::Drain(Generation(1))
    );
    observed(&mut world, Observation::Drained(Generation(1)));
    assert_eq!(world.record.answer(Generation(1)), Next::Stop);
    observed(
        &mut world,
        Observation::Absent {
            keep: vec![Generation(2)],
            upto: Generation(2),
            erased: false,
        },
    );
    assert_eq!(
        report(&mut world, 2, 4, Report::Prepared { exclusive: true }),
        Next::Go
    );
    let failure = Failure {
        step: At::Start,
        reason: "it never listened".into(),
        exit: None,
        tail: vec![],
    };
    report(&mut world, 2, 5, Report::Failed(failure));
    let next = world.record.next().unwrap().clone();
    assert_eq!(
        (next.cause, next.commit),
        (Cause::RolledBack(Generation(2)), commit(2))
    );
    observed(
        &mut world,
        Observation::Absent {
            keep: vec![],
            upto: Generation(2),
            erased: false,
        },
    );
    running(&mut world, 3);
    assert!(
        matches!(&world.record.state, State::Running { failed: Some(failed), .. } if failed.generation == Generation(2))
    );
}

#[test]
fn two_quick_commits_build_only_the_last() {
    let mut world = queued(false);
    pushed(&mut world, 4);
    pushed(&mut world, 6);
    assert_eq!(world.record.next().unwrap().commit, commit(6));
    let admit: Vec<Effect> = world
        .record
        .owed(world.now)
        .into_iter()
        .filter(|e| matches!(e, Effect::Admit(_)))
        .collect();
    assert_eq!(admit, [Effect::Admit(Generation(3))]);
}

#[test]
fn yesterdays_head_is_asked_again_before_the_hint_is_spent() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Hint {
        commit: Some(commit(4).id),
        trigger: Trigger::Push,
    });
    for _ in 0..4 {
        let look = world.record.look.clone().unwrap();
        world.now = world.now.max(look.at);
        found(&mut world, look.number, 2);
    }
    let look = world.record.look.clone().unwrap();
    world.now = world.now.max(look.at);
    found(&mut world, look.number, 4);
    assert_eq!(world.record.next().unwrap().commit, commit(4));
}

#[test]
fn a_failed_push_is_shown_beside_what_serves_and_the_fix_replaces_it() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 5);
    observed(&mut world, Observation::Admitted(Generation(2)));
    observed(&mut world, Observation::Launched(Generation(2)));
    let failure = Failure {
        step: At::Setup,
        reason: "npm ci: lockfile out of date".into(),
        exit: None,
        tail: vec!["npm error".into()],
    };
    report(&mut world, 2, 1, Report::Failed(failure));
    assert_eq!(world.record.state_name(), "running");
    assert_eq!(
        world.record.failure().unwrap().reason,
        "npm ci: lockfile out of date"
    );
    assert_eq!(
        world.record.shown_commit(),
        Some(&commit(2)),
        "what runs is never said to be the commit that failed"
    );
    assert_eq!(world.record.newest_commit(), Some(&commit(5)));
    pushed(&mut world, 6);
    assert_eq!(world.record.next().unwrap().commit, commit(6));
    assert_eq!(world.record.shown_commit(), Some(&commit(6)));
}

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
fn a_reboot_starts_what_ran_again() {
    let mut world = queued(false);
    running(&mut world, 1);
    observed(
        &mut world,
        Observation::Lost {
            generation: Generation(1),
            reason: "the host was restarted".into(),
            retry: true,
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
fn deadlines_name_what_did_not_happen() {
    for (upto, word) in [
        (0, "could not be started"),
        (1, "has not reported"),
        (2, "took too long"),
    ] {
        let mut world = queued(false);
        observed(&mut world, Observation::Admitted(Generation(1)));
        if upto > 0 {
            observed(&mut world, Observation::Launched(Generation(1)));
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
    observed(&mut world, Observation::Launched(Generation(1)));
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
fn close_wins_over_everything_in_flight_and_is_believed_after_two_looks() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    observed(&mut world, Observation::Admitted(Generation(2)));
    world.apply(&Event::Hint {
        commit: None,
        trigger: Trigger::Refresh,
    });
    let look = world.record.look.clone().unwrap().number;
    observed(
        &mut world,
        Observation::Found {
            look,
            found: Found::Closed,
        },
    );
    assert!(matches!(
        &world.record.state,
        State::Stopped {
            why: Why::Closed,
            ..
        }
    ));
    let gone = Effect::Destroy {
        keep: vec![],
        upto: Generation(2),
        erase: true,
    };
    assert!(world.record.owed(world.now).contains(&gone));
    assert_eq!(
        report(
            &mut world,
            2,
            1,
            Report::Deploying {
                protocol: nestling_protocol::VERSION
            }
        ),
        Next::Stop
    );
    observed(
        &mut world,
        Observation::Absent {
            keep: vec![],
            upto: Generation(2),
            erased: true,
        },
    );
    assert!(
        !world.record.owed(world.now).contains(&gone),
        "the second look comes later"
    );
    world.now = world.now.plus(world.times.absent_again);
    assert!(world.record.owed(world.now).contains(&gone));
}

#[test]
fn orders_that_cannot_be_obeyed_say_why() {
    let mut world = World::new(false);
    let refused = |world: &World, command| {
        world
            .record
            .step(&Event::Command(command), world.now, &world.times)
            .unwrap_err()
            .0
    };
    assert_eq!(
        refused(&world, Command::Redeploy),
        "nothing was deployed yet, so there is nothing to deploy again"
    );
    assert_eq!(
        refused(&world, Command::Cancel),
        "no deployment is on its way, so there is nothing to cancel"
    );
    world.apply(&Event::Command(Command::Delete));
    assert_eq!(
        refused(&world, Command::Start),
        "its pull request is closed: open it again to deploy it"
    );
}

#[test]
fn cancel_gives_up_what_is_on_its_way_and_keeps_what_serves() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    world.apply(&Event::Command(Command::Cancel));
    assert_eq!(world.record.state_name(), "running");
    assert_eq!(world.record.serving().unwrap().generation, Generation(1));
}

#[test]
fn a_sleeping_preview_wakes_for_a_visit_and_a_stopped_one_does_not() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Stop));
    let step = world
        .apply(&Event::Hint {
            commit: None,
            trigger: Trigger::Visit,
        })
        .unwrap();
    assert!(step.skipped.is_some() && world.record.look.is_none());
    world.apply(&Event::Command(Command::Start));
    let look = world.record.look.clone().unwrap().number;
    found(&mut world, look, 2);
    assert_eq!(world.record.next().unwrap().cause, Cause::Start);
}

/// What is on its way, and until when.
pub(crate) fn deadline(world: &World) -> Option<Duration> {
    world
        .record
        .next()
        .unwrap()
        .deadline
        .map(|deadline| deadline.since(world.now))
}

#[test]
fn a_report_counts_once_and_only_from_the_runner_that_began() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::Launched(Generation(1)));
    let protocol = nestling_protocol::VERSION;
    report(&mut world, 1, 1, Report::Deploying { protocol });
    let commit = commit(2).id.as_str().to_owned();
    report(&mut world, 1, 2, Report::Cloned { commit });
    let phase = |world: &World| world.record.next().unwrap().phase;
    assert_eq!(phase(&world), Phase::SettingUp);

    // The numbers it has said already, whatever comes under them: its repetition may overtake what it said since.
    for seq in [1, 2] {
        let next = report(&mut world, 1, seq, Report::RunningTests);
        assert_eq!((next, phase(&world)), (Next::Go, Phase::SettingUp));
    }
    // A machine runs its runner once: another start of it, with a token that leaked, say, is told to stop.
    let other = Observation::Reported {
        generation: Generation(1),
        boot: "another".into(),
        seq: 9,
        phase: Report::RunningTests,
    };
    assert_eq!(observed(&mut world, other), Some(Next::Stop));
    assert_eq!(phase(&world), Phase::SettingUp);

    report(&mut world, 1, 3, Report::RunningTests);
    assert_eq!(phase(&world), Phase::Testing);
}

#[test]
fn what_people_read_gets_a_new_edition_each_time_it_changes() {
    let mut world = queued(false);
    let mut editions = vec![world.record.world.edition];
    observed(&mut world, Observation::Admitted(Generation(1)));
    editions.push(world.record.world.edition);
    pushed(&mut world, 3);
    editions.push(world.record.world.edition);
    assert!(
        editions.is_sorted_by(|one, next| one < next),
        "{editions:?}"
    );
}

#[test]
fn tests_have_their_own_limit_also_when_nothing_was_said_of_the_setup() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::Launched(Generation(1)));
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
    observed(&mut world, Observation::Launched(Generation(1)));
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
fn people_see_each_phase_once_and_since_when() {
    let mut world = queued(false);
    let mut seen = Vec::new();
    let events = [
        Observation::Admitted(Generation(1)),
        Observation::Launched(Generation(1)),
        Observation::Reported {
            generation: Generation(1),
            boot: "b".into(),
            seq: 1,
            phase: Report::Deploying {
                protocol: nestling_protocol::VERSION,
            },
        },
        Observation::Reported {
            generation: Generation(1),
            boot: "b".into(),
            seq: 2,
            phase: Report::RunningTests,
        },
        Observation::Reported {
            generation: Generation(1),
            boot: "b".into(),
            seq: 3,
            phase: Report::Prepared { exclusive: false },
        },
        Observation::Reported {
            generation: Generation(1),
            boot: "b".into(),
            seq: 4,
            phase: Report::Starting,
        },
    ];
    for event in events {
        world.now = world.now.plus(Duration::from_secs(1));
        let step = world.apply(&Event::Observed(event)).unwrap();
        for what in step.happened {
            if let Happened::Phase { phase, .. } = what {
                assert_eq!(
                    world.record.next().unwrap().since,
                    world.now,
                    "since when it is {phase:?}"
                );
                seen.push(phase);
            }
        }
    }
    assert_eq!(
        seen,
        [Shown::Deploying, Shown::RunningTests, Shown::Starting]
    );
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

#[test]
fn each_question_to_the_forge_has_its_own_number() {
    let mut world = queued(false);
    let first = world.record.looks;
    world.apply(&Event::Hint {
        commit: None,
        trigger: Trigger::Refresh,
    });
    assert_eq!(world.record.look.as_ref().unwrap().number, first + 1);
    world.apply(&Event::Hint {
        commit: Some(commit(4).id),
        trigger: Trigger::Push,
    });
    assert_eq!(world.record.look.as_ref().unwrap().number, first + 2);
    found(&mut world, first + 1, 9);
    assert_eq!(
        world.record.next().unwrap().commit,
        commit(2),
        "a late answer to an earlier question is no answer"
    );
}

#[test]
fn a_long_drain_delays_no_build_and_is_not_cut_short_by_the_next_switch() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    // As `running`, whose drain does not end here.
    assert_eq!(prepared(&mut world, 2), Next::Go);
    let listens = Report::Running {
        endpoints: vec![endpoint()],
    };
    report(&mut world, 2, 5, listens.clone());
    observed(&mut world, Observation::Healthy(Generation(2)));
    assert_eq!(world.record.world.draining, Some(Generation(1)));

    pushed(&mut world, 6);
    observed(&mut world, Observation::Admitted(Generation(3)));
    let owed = world.record.owed(world.now);
    let (drain, launch) = (Effect::Drain(Generation(1)), Effect::Launch(Generation(3)));
    assert!(owed.contains(&drain) && owed.contains(&launch), "{owed:?}");
    assert_ne!(drain.lane(), launch.lane(), "one would wait for the other");

    assert_eq!(prepared(&mut world, 3), Next::Go);
    report(&mut world, 3, 5, listens);
    let probe = Effect::Probe(Generation(3));
    assert!(!world.record.owed(world.now).contains(&probe));
    observed(&mut world, Observation::Drained(Generation(1)));
    assert!(world.record.owed(world.now).contains(&probe));
}

#[test]
fn an_app_that_becomes_exclusive_waits_for_a_drain_before_it_begins_another() {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 4);
    prepared(&mut world, 2);
    let listens = Report::Running {
        endpoints: vec![endpoint()],
    };
    report(&mut world, 2, 5, listens);
    observed(&mut world, Observation::Healthy(Generation(2)));
    world.exclusive = true;
    pushed(&mut world, 6);
    assert_eq!(prepared(&mut world, 3), Next::Wait);
    assert_eq!(world.record.serving().unwrap().generation, Generation(2));
    observed(&mut world, Observation::Drained(Generation(1)));
    assert_eq!(world.record.world.draining, Some(Generation(2)));
    assert!(world.record.serving().is_none());
}
