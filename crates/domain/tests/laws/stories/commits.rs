//! A commit arrives, and what it does to the one before it.

use super::*;
use crate::world::{World, commit, endpoint};
use nestling_domain::{
    deployment::{Cause, Phase},
    ids::Generation,
    lifecycle::{Command, Effect, Event, Observation, State, Trigger},
};
use nestling_protocol::report::{Failure, Next, Phase as Report, Step as At};

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

/// Commit 2 serves as deployment 1, and commit 5 has failed as deployment 2.
fn failed_push() -> World {
    let mut world = queued(false);
    running(&mut world, 1);
    pushed(&mut world, 5);
    observed(&mut world, Observation::Admitted(Generation(2)));
    observed(&mut world, Observation::launched(Generation(2)));
    let failure = Failure {
        step: At::Setup,
        reason: "npm ci: lockfile out of date".into(),
        exit: None,
        tail: vec!["npm error".into()],
    };
    report(&mut world, 2, 1, Report::Failed(failure));
    world
}

#[test]
fn what_failed_stays_so_while_what_serves_is_started_again() {
    let mut world = failed_push();
    let lost = Observation::Lost {
        generation: Generation(1),
        reason: "its machine broke".into(),
        retry: true,
        exit: None,
        tail: Vec::new(),
    };
    observed(&mut world, lost);
    assert_eq!(world.record.next().unwrap().commit, commit(2));
    running(&mut world, 3);
    let failed = world.record.failure().unwrap();
    assert_eq!(failed.commit, commit(5));
    assert_eq!(world.record.newest_commit(), Some(&commit(5)));
}

#[test]
fn a_failed_push_is_shown_beside_what_serves_and_the_fix_replaces_it() {
    let mut world = failed_push();
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

#[test]
fn what_keeps_its_state_on_a_disk_gives_way_before_the_next_machine_is_made() {
    let mounts = |generation| Observation::Launched {
        generation: Generation(generation),
        address: None,
        note: None,
        volume: Some("vol_1".to_owned()),
    };
    let mut world = queued(false);
    running(&mut world, 1);
    observed(&mut world, mounts(1));
    assert_eq!(world.record.world.volume.as_deref(), Some("vol_1"));
    pushed(&mut world, 4);
    let admitted = |world: &mut World, generation| {
        observed(world, Observation::Admitted(Generation(generation)));
        let launch = Effect::Launch(Generation(generation));
        assert!(world.record.owed(world.now).contains(&launch));
    };
    admitted(&mut world, 2);
    observed(&mut world, Observation::Occupied(Generation(2)));
    assert!(world.record.serving().is_none());
    let owes = |world: &World| world.record.owed(world.now);
    let gone = |generation| Effect::Destroy {
        keep: vec![Generation(generation)],
        upto: Generation(generation),
        erase: false,
    };
    let waits = owes(&world);
    assert!(waits.contains(&Effect::Drain(Generation(1))), "{waits:?}");
    assert!(!waits.contains(&Effect::Launch(Generation(2))), "{waits:?}");
    observed(&mut world, Observation::Drained(Generation(1)));
    let waits = owes(&world);
    assert!(waits.contains(&gone(2)) && !waits.contains(&Effect::Launch(Generation(2))));
    let absent = |keep: u32| Observation::Absent {
        keep: vec![Generation(keep)],
        upto: Generation(keep),
        erased: false,
    };
    observed(&mut world, absent(2));
    assert!(owes(&world).contains(&Effect::Launch(Generation(2))));
    // It cannot be made: the commit before it comes back, once what may be there of it is gone.
    let refused = Observation::NotLaunched {
        generation: Generation(2),
        reason: "Fly refuses it".to_owned(),
        retry: false,
    };
    observed(&mut world, refused);
    let next = world.record.next().unwrap();
    assert_eq!((&next.commit, next.generation), (&commit(2), Generation(3)));
    admitted(&mut world, 3);
    observed(&mut world, Observation::Occupied(Generation(3)));
    assert!(!owes(&world).contains(&Effect::Launch(Generation(3))));
    observed(&mut world, absent(3));
    assert!(owes(&world).contains(&Effect::Launch(Generation(3))));
    // A late answer of the first try changes nothing.
    let before = world.record.clone();
    observed(&mut world, Observation::Occupied(Generation(2)));
    assert_eq!(world.record, before);
    // Closed and gone, it has no disk.
    world.apply(&Event::Command(Command::Delete));
    for _ in 0..2 {
        observed(
            &mut world,
            Observation::Absent {
                keep: vec![],
                upto: Generation(3),
                erased: true,
            },
        );
    }
    assert_eq!(world.record.world.volume, None);
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
