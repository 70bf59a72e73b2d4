//! Apps that end and are started again in their machine.

use nestling_domain::{
    announcement::status,
    deployment::{Cause, Shown},
    history::History,
    ids::{EnvironmentId, Generation, Timestamp},
    lifecycle::{Effect, Happened, Observation},
};
use nestling_protocol::report::{Exit, Next, Phase as Report};

use crate::{
    stories::{observed, prepared, pushed, queued, report, running},
    world::{World, commit, endpoint},
};

/// The app of what serves has ended, and its runner starts it again.
fn ended(world: &mut World, seq: u64) -> Next {
    let exit = Exit::Memory;
    report(world, 1, seq, Report::Restarted { exit, times: 1 })
}

fn listens_again(world: &mut World, seq: u64) {
    let endpoints = vec![endpoint()];
    report(world, 1, seq, Report::Running { endpoints });
}

#[test]
fn an_app_that_is_started_again_is_said_to_and_serves_once_it_is_proven() {
    let mut world = queued(false);
    running(&mut world, 1);
    assert_eq!(ended(&mut world, 7), Next::Go);
    assert_eq!(
        (world.record.shown(), world.record.answering()),
        (Shown::Starting, None)
    );
    let told = status(&world.record, None);
    assert_eq!(
        (told.word, told.detail.as_deref()),
        (
            "Starting",
            Some(
                "its app ended (used more memory than it may) and is started again (restart 1 of 3 in 5 minutes)"
            )
        )
    );
    observed(&mut world, Observation::Healthy(Generation(1)));
    assert_eq!(world.record.shown(), Shown::Starting, "an answer of before");
    listens_again(&mut world, 8);
    assert_eq!(
        world.record.owed(world.now),
        [
            Effect::Probe(Generation(1)),
            Effect::Announce(world.record.world.edition)
        ]
    );
    observed(&mut world, Observation::Healthy(Generation(1)));
    assert_eq!(world.record.shown(), Shown::Running);
    let serving = world.record.answering().unwrap();
    assert_eq!((serving.generation, serving.again), (Generation(1), None));
}

#[test]
fn a_runner_that_says_once_more_that_its_app_runs_interrupts_nobody() {
    let mut world = queued(false);
    running(&mut world, 1);
    listens_again(&mut world, 7);
    assert_eq!(world.record.shown(), Shown::Running);
    assert!(world.record.answering().is_some());
}

#[test]
fn an_app_that_is_started_again_and_does_not_answer_in_time_has_failed() {
    for (listens, reason) in [
        (false, "it was started again and did not listen in time"),
        (
            true,
            "it was started again and listens, but did not answer well within 60 s: 500. Let it do so in time, or raise limits.healthy (NESTLING__LIMITS__HEALTHY of the server) and redeploy",
        ),
    ] {
        let mut world = queued(false);
        running(&mut world, 1);
        ended(&mut world, 7);
        if listens {
            listens_again(&mut world, 8);
            let generation = Generation(1);
            let reason = "500".to_owned();
            observed(&mut world, Observation::Unhealthy { generation, reason });
        }
        let deadline = world.record.serving().unwrap().deadline.unwrap();
        world.pass(deadline.since(world.now));
        let failed = world.record.failure().unwrap();
        assert_eq!(
            (failed.reason.as_str(), failed.phase),
            (reason, Shown::Starting)
        );
        assert_eq!(world.record.shown(), Shown::Failed);
    }
}

#[test]
fn a_server_that_comes_back_gives_an_app_that_is_started_again_its_time() {
    let mut world = queued(false);
    running(&mut world, 1);
    ended(&mut world, 7);
    let deadline = world.record.serving().unwrap().deadline.unwrap();
    let resumed = world.record.clone().resumed(deadline, &world.times);
    let given = resumed.serving().unwrap().deadline.unwrap();
    assert_eq!(given, deadline.plus(world.times.grace));
}

#[test]
fn a_commit_that_arrives_while_the_app_is_started_again_takes_over_from_it() {
    let mut world = queued(false);
    running(&mut world, 1);
    ended(&mut world, 7);
    pushed(&mut world, 4);
    let told = status(&world.record, None).detail.unwrap();
    assert!(
        told.contains("deployment 1 (0000000): its app ended"),
        "{told}"
    );
    running(&mut world, 2);
    let serving = world.record.answering().unwrap();
    assert_eq!((serving.generation, serving.again), (Generation(2), None));
}

#[test]
fn an_app_that_ends_before_it_is_proven_is_probed_on() {
    let mut world = queued(false);
    prepared(&mut world, 1);
    report(&mut world, 1, 5, Report::Starting);
    listens_again(&mut world, 6);
    ended(&mut world, 7);
    let told = status(&world.record, None).detail.unwrap();
    assert!(told.contains("is started again"), "{told}");
    listens_again(&mut world, 8);
    observed(&mut world, Observation::Healthy(Generation(1)));
    assert!(
        world
            .record
            .answering()
            .is_some_and(|serving| serving.again.is_none())
    );
}

#[test]
fn a_record_of_an_app_that_is_started_again_for_ever_stays_short() {
    let (id, life) = (EnvironmentId("shop".into()), queued(false).record);
    let generation = Generation(1);
    let phase = |phase| Happened::Phase { generation, phase };
    let mut history = History::default();
    let begun = [
        Happened::Queued {
            generation,
            commit: commit(2),
            cause: Cause::Push,
        },
        phase(Shown::Deploying),
        phase(Shown::RunningTests),
        phase(Shown::Starting),
        Happened::Serving { generation },
    ];
    history.keep_up(&id, &life, &begun, Timestamp(1));
    let again = [phase(Shown::Starting), Happened::Serving { generation }];
    let mut records = Vec::new();
    for at in 2..100 {
        records = history.keep_up(&id, &life, &again, Timestamp(at));
    }
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(record.phases.len(), 65);
    assert!(record.phases[..5].iter().all(|(_, at)| *at == Timestamp(1)));
    let newest = [Shown::Starting, Shown::Running].map(|shown| (shown, Timestamp(99)));
    assert_eq!(record.phases[63..], newest);
}
