//! What one answer from outside, or one order, makes of an environment.

use nestling_domain::{
    deployment::{Cause, Phase, Tests},
    ids::Generation,
    lifecycle::{Command, Event, Found, Happened, Observation, State, Trigger, Waits, Why},
};
use nestling_protocol::{VERSION, report::Phase as Report, test::Counts};

use crate::{
    stories::{deadline, found, observed, pushed, queued, report, running},
    world::{World, commit, endpoint},
};

/// Commit 2 on its way, its runner about to begin.
fn booting() -> World {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
    world
}

fn hint(world: &mut World, commit_of: Option<u8>, trigger: Trigger) {
    let commit = commit_of.map(|n| commit(n).id);
    world.apply(&Event::Hint { commit, trigger });
}

fn asked(world: &World) -> u32 {
    world.record.look.clone().unwrap().number
}

fn why(world: &World) -> &Why {
    match &world.record.state {
        State::Stopped { why, .. } => why,
        other => panic!("it is not stopped: {other:?}"),
    }
}

/// Commit 2 failed, and nothing serves.
fn failed() -> World {
    let mut world = booting();
    let protocol = VERSION + 1;
    report(&mut world, 1, 1, Report::Deploying { protocol });
    world
}

#[test]
fn a_runner_of_another_version_fails_its_deployment_with_what_to_do() {
    let world = failed();
    let Why::Failed(failed) = why(&world) else {
        panic!("{:?}", why(&world))
    };
    assert_eq!(
        failed.reason,
        format!(
            "its runner speaks protocol {} and this server {VERSION}: use the runner of this server's version",
            VERSION + 1
        )
    );
}

#[test]
fn a_runner_that_checked_out_another_commit_is_not_believed() {
    let mut world = booting();
    report(&mut world, 1, 1, Report::Deploying { protocol: VERSION });
    let other = commit(4).id.as_str().to_owned();
    report(&mut world, 1, 2, Report::Cloned { commit: other });
    let next = world.record.next().unwrap();
    assert_eq!(
        (next.generation, next.attempt),
        (Generation(2), 2),
        "it is tried again"
    );
}

#[test]
fn the_end_of_the_setup_gives_it_no_more_time() {
    let mut world = booting();
    report(&mut world, 1, 1, Report::Deploying { protocol: VERSION });
    let cloned = commit(2).id.as_str().to_owned();
    report(&mut world, 1, 2, Report::Cloned { commit: cloned });
    let before = deadline(&world).unwrap();
    world.now = world.now.plus(std::time::Duration::from_secs(5));
    report(&mut world, 1, 3, Report::SetUp { reused: false });
    assert!(deadline(&world).unwrap() < before);
}

#[test]
fn counts_of_tests_are_shown_before_the_app_is_up() {
    let mut world = booting();
    report(&mut world, 1, 1, Report::Deploying { protocol: VERSION });
    report(&mut world, 1, 2, Report::RunningTests);
    let counts = Counts {
        passed: 3,
        failed: 1,
        skipped: 0,
    };
    let edition = world.record.world.edition;
    report(&mut world, 1, 3, Report::Tested { counts });
    assert_eq!(world.record.next().unwrap().tests, Tests::Ran(counts));
    assert!(world.record.world.edition > edition, "people are told");
}

#[test]
fn a_policy_stops_what_runs_and_nothing_that_is_stopped_for_good() {
    let mut world = queued(false);
    running(&mut world, 1);
    let suspend = |world: &mut World, reason: &str| {
        world
            .apply(&Event::Command(Command::Suspend(reason.into())))
            .unwrap();
    };
    suspend(&mut world, "over budget");
    assert_eq!(why(&world), &Why::Policy("over budget".into()));
    suspend(&mut world, "expired");
    assert_eq!(
        why(&world),
        &Why::Policy("over budget".into()),
        "the first reason stays"
    );
    world.apply(&Event::Command(Command::Delete)).unwrap();
    suspend(&mut world, "expired");
    assert_eq!(why(&world), &Why::Closed);
}

#[test]
fn a_visit_asks_nothing_of_one_that_runs() {
    let mut world = queued(false);
    running(&mut world, 1);
    hint(&mut world, None, Trigger::Visit);
    assert_eq!(world.record.look, None);
}

#[test]
fn a_forge_that_does_not_answer_is_asked_again_later() {
    let mut world = queued(false);
    running(&mut world, 1);
    hint(&mut world, Some(4), Trigger::Push);
    let (number, at) = (asked(&world), world.record.look.clone().unwrap().at);
    let not_found = |look| Observation::NotFound {
        look,
        reason: "no answer".into(),
    };
    observed(&mut world, not_found(number + 1));
    assert_eq!(
        world.record.look.clone().unwrap().at,
        at,
        "an answer to another question"
    );
    observed(&mut world, not_found(number));
    let again = world.now.plus(world.times.forge_again);
    assert_eq!(world.record.look.clone().unwrap().at, again);
}

#[test]
fn yesterdays_head_is_asked_for_again_after_a_while_and_not_at_once() {
    let mut world = queued(false);
    running(&mut world, 1);
    hint(&mut world, Some(4), Trigger::Push);
    let number = asked(&world);
    found(&mut world, number, 2);
    let again = world.now.plus(world.times.look_again[0]);
    assert_eq!(world.record.look.clone().unwrap().at, again);
}

#[test]
fn why_an_app_is_not_healthy_yet_is_shown_only_while_it_is_asked() {
    let mut world = booting();
    let unhealthy = |world: &mut World| {
        observed(
            world,
            Observation::Unhealthy {
                generation: Generation(1),
                reason: "GET / answered 500".into(),
            },
        );
        world.record.next().unwrap().trouble.clone()
    };
    assert_eq!(unhealthy(&mut world), None, "it is not asked yet");
    report(&mut world, 1, 1, Report::Deploying { protocol: VERSION });
    let endpoints = vec![endpoint()];
    report(&mut world, 1, 2, Report::Running { endpoints });
    assert_eq!(world.record.next().unwrap().phase, Phase::Probing);
    assert_eq!(unhealthy(&mut world), Some("GET / answered 500".into()));
}

#[test]
fn one_beyond_the_limit_is_stopped_with_the_reason_unless_a_person_stopped_it() {
    let waits = |world: &mut World| {
        hint(world, None, Trigger::Reopen);
        let look = asked(world);
        let found = Found::Waiting("ten are open".into());
        observed(world, Observation::Found { look, found });
    };
    let mut world = queued(false);
    waits(&mut world);
    assert_eq!(why(&world), &Why::Waits("ten are open".into()));

    let mut world = queued(false);
    world.apply(&Event::Command(Command::Stop)).unwrap();
    waits(&mut world);
    assert_eq!(why(&world), &Why::Person);
}

#[test]
fn one_that_waits_hears_another_reason_and_runs_once_the_forge_says_so() {
    let answered = |world: &mut World, trigger, found| {
        hint(world, None, trigger);
        let look = asked(world);
        observed(world, Observation::Found { look, found });
    };
    let mut world = queued(false);
    let approval = |n| Waits {
        reason: "nobody approved it".into(),
        place: false,
        head: None,
        approval: Some(commit(n).id),
    };
    for waits in ["ten are open".into(), approval(1), approval(2)] {
        let edition = world.record.world.edition;
        answered(&mut world, Trigger::Push, Found::Waiting(waits.clone()));
        assert_eq!(why(&world), &Why::Waits(waits));
        assert!(world.record.world.edition > edition, "people are told");
    }
    let redeploy = Event::Command(Command::Redeploy);
    let refused = world.record.step(&redeploy, world.now, &world.times);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "it may not run now: nobody approved it"
    );
    let head = nestling_domain::deployment::CommitInfo {
        trust: nestling_domain::deployment::Trust::Outsider,
        ..commit(2)
    };
    answered(&mut world, Trigger::Refresh, Found::Open(head.clone()));
    assert_eq!(world.record.next().unwrap().commit, head);

    // Opened again by somebody whose commits must be approved.
    world.apply(&Event::Command(Command::Delete)).unwrap();
    answered(
        &mut world,
        Trigger::Reopen,
        Found::Waiting("nobody approved 2".into()),
    );
    assert_eq!(why(&world), &Why::Waits("nobody approved 2".into()));
    assert!(!world.record.is_closed());
}

#[test]
fn a_refresh_stands_for_the_push_that_was_lost_and_for_no_other() {
    let refreshed = |world: &mut World, n| {
        hint(world, None, Trigger::Refresh);
        let look = asked(world);
        found(world, look, n);
    };
    let mut world = failed();
    refreshed(&mut world, 2);
    assert_eq!(world.record.state_name(), "stopped", "the same commit");
    refreshed(&mut world, 4);
    let next = world.record.next().unwrap();
    assert_eq!((&next.commit, &next.cause), (&commit(4), &Cause::Push));

    let mut world = queued(false);
    world.apply(&Event::Command(Command::Stop)).unwrap();
    refreshed(&mut world, 4);
    assert_eq!(
        why(&world),
        &Why::Person,
        "a push would not start it either"
    );
}

#[test]
fn a_person_starts_what_they_stopped_also_at_a_newer_commit() {
    let mut world = queued(false);
    world.apply(&Event::Command(Command::Stop)).unwrap();
    world.apply(&Event::Command(Command::Start)).unwrap();
    let look = asked(&world);
    found(&mut world, look, 4);
    let next = world.record.next().unwrap();
    assert_eq!((&next.commit, &next.cause), (&commit(4), &Cause::Start));
}

#[test]
fn a_commit_that_failed_is_deployed_again_by_a_person_and_not_by_its_push() {
    let mut world = failed();
    pushed(&mut world, 2);
    assert_eq!(world.record.state_name(), "stopped");
    world.apply(&Event::Command(Command::Start)).unwrap();
    let look = asked(&world);
    found(&mut world, look, 2);
    let next = world.record.next().unwrap();
    assert_eq!((&next.commit, &next.cause), (&commit(2), &Cause::Start));
}

#[test]
fn a_slot_that_is_granted_twice_launches_once() {
    let mut world = booting();
    observed(&mut world, Observation::Admitted(Generation(1)));
    assert_eq!(world.record.next().unwrap().phase, Phase::Booting);
}

#[test]
fn what_is_closed_is_gone_with_the_second_look_that_finds_nothing() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Delete)).unwrap();
    let mut nothing = || {
        let absent = Observation::Absent {
            keep: vec![],
            upto: Generation(1),
            erased: true,
        };
        world.apply(&Event::Observed(absent)).unwrap().happened
    };
    assert!(!nothing().contains(&Happened::Removed));
    assert!(nothing().contains(&Happened::Removed));
}
