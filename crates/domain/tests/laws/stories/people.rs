//! What people order, and what they see.

use super::*;
use crate::world::{World, commit};
use nestling_domain::{
    deployment::{Cause, Phase, Shown},
    ids::Generation,
    lifecycle::{Command, Effect, Event, Found, Happened, Observation, State, Trigger, Why},
};
use nestling_protocol::report::{Next, Phase as Report};
use std::time::Duration;

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

#[test]
fn a_visit_wakes_what_sleeps_and_no_push_counts_for_it() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Sleep));
    heard(&mut world, 2, Trigger::Visit);
    assert_eq!(world.record.next().unwrap().cause, Cause::Visit);
}

#[test]
fn a_push_to_what_is_stopped_is_shown_and_deployed_by_whoever_starts_it() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Stop));
    let edition = world.record.world.edition;
    let push = Event::Hint {
        commit: Some(commit(4).id),
        trigger: Trigger::Push,
    };
    let step = world.apply(&push).unwrap();
    assert!(step.skipped.unwrap().starts_with("it is stopped"));
    let look = world.record.look.clone().unwrap().number;
    found(&mut world, look, 4);
    assert_eq!(world.record.skipped, Some(commit(4)));
    assert_eq!(world.record.state_name(), "stopped");
    assert_eq!(world.record.world.edition, edition + 1, "people are told");
    // The branch is set back to what ran: nothing was left out.
    heard(&mut world, 2, Trigger::Refresh);
    assert_eq!(world.record.skipped, None);
    heard(&mut world, 4, Trigger::Refresh);
    assert_eq!(world.record.skipped, Some(commit(4)));
    heard(&mut world, 4, Trigger::Start);
    let next = world.record.next().unwrap();
    assert_eq!((&next.commit, &next.cause), (&commit(4), &Cause::Start));
    assert_eq!(world.record.skipped, None);
}

#[test]
fn a_push_brings_back_what_nobody_pushed_to_and_its_own_old_webhook_does_not() {
    for trigger in [Trigger::Push, Trigger::Refresh] {
        let mut world = queued(false);
        running(&mut world, 1);
        let expired = "nobody pushed to it for 14 days".to_owned();
        world.apply(&Event::Command(Command::Suspend(expired)));
        for late in [Trigger::Push, Trigger::Refresh] {
            heard(&mut world, 2, late);
            assert_eq!(world.record.state_name(), "stopped", "{late:?}");
        }
        heard(&mut world, 4, trigger);
        let next = world.record.next().unwrap();
        assert_eq!((&next.commit, &next.cause), (&commit(4), &Cause::Push));
    }
}

#[test]
fn what_came_while_it_was_stopped_is_no_news_of_what_ends_otherwise() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Stop));
    heard(&mut world, 4, Trigger::Push);
    assert_eq!(world.record.skipped, Some(commit(4)));
    world.apply(&Event::Command(Command::Delete));
    assert_eq!(world.record.skipped, None);
    // What sleeps or failed is no business of a refresh, and its next push is deployed.
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Sleep));
    heard(&mut world, 2, Trigger::Refresh);
    assert_eq!(world.record.skipped, None);
}

#[test]
fn a_push_to_what_was_stopped_is_left_out_no_more_once_it_waits() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Command(Command::Stop));
    heard(&mut world, 4, Trigger::Push);
    assert_eq!(world.record.skipped, Some(commit(4)));
    // A label keeps it from running while nobody wants it to.
    let waiting = |world: &mut World, trigger| {
        world.apply(&Event::Hint {
            commit: None,
            trigger,
        });
        let look = world.record.look.clone().unwrap().number;
        let found = Found::Waiting("it has the label `no-preview`".into());
        observed(world, Observation::Found { look, found });
    };
    waiting(&mut world, Trigger::Refresh);
    assert_eq!(world.record.skipped, Some(commit(4)), "a person stopped it");
    waiting(&mut world, Trigger::Start);
    let why = match &world.record.state {
        State::Stopped { why, .. } => why,
        other => panic!("{other:?}"),
    };
    assert!(matches!(why, Why::Waits(_)), "{why:?}");
    assert_eq!(world.record.skipped, None, "it waits with its newest head");
}

#[test]
fn whoever_starts_what_waits_hears_what_it_waits_for() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Hint {
        commit: None,
        trigger: Trigger::Refresh,
    });
    let look = world.record.look.clone().unwrap().number;
    let waits = Found::Waiting("it has the label `no-preview`".into());
    observed(&mut world, Observation::Found { look, found: waits });
    let step = world.apply(&Event::Command(Command::Start)).unwrap();
    let said = step.skipped.unwrap();
    assert!(said.ends_with("it has the label `no-preview`"), "{said}");
    // The forge is asked all the same: it may say otherwise by now.
    let look = world.record.look.clone().unwrap().number;
    found(&mut world, look, 2);
    assert_eq!(world.record.next().unwrap().cause, Cause::Start);
}

#[test]
fn a_report_counts_once_and_only_from_the_runner_that_began() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
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
fn people_see_each_phase_once_and_since_when() {
    let mut world = queued(false);
    let mut seen = Vec::new();
    let events = [
        Observation::Admitted(Generation(1)),
        Observation::launched(Generation(1)),
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
fn a_refused_order_is_news_once_and_gone_with_the_next_deployment() {
    let mut world = queued(false);
    running(&mut world, 1);
    let refuse = |world: &mut World| {
        let reason = "who pressed it may not write".to_owned();
        let before = world.record.world.edition;
        observed(world, Observation::RefusedOrder { reason });
        world.record.world.edition - before
    };
    assert_eq!(refuse(&mut world), 1);
    assert_eq!(refuse(&mut world), 0, "whoever presses again is not told");
    pushed(&mut world, 4);
    assert_eq!(world.record.refused, None);
}
