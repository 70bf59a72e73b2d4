//! What starts because of no answer of the forge asks it first, and what the forge does not take is offered less and less often.

use super::*;
use nestling_domain::{
    announcement::status,
    deployment::{Cause, CommitInfo, Trust},
    environment::Environment,
    ids::{AppId, EnvironmentId, Kind, RepositoryId, Version},
    label::Slug,
    lifecycle::{Command, Effect, State, Times, Waits, Why},
};
use std::time::Duration;

/// A preview that runs commit 2, and whose machine is lost, or which a person wants again.
fn about_to_start(cause: &Cause) -> World {
    let mut world = queued(false);
    running(&mut world, 1);
    match cause {
        Cause::Lost(generation) => {
            let lost = Observation::Lost {
                generation: *generation,
                reason: "the host was restarted".into(),
                retry: true,
                exit: None,
                tail: Vec::new(),
            };
            observed(&mut world, lost);
        }
        _ => {
            world.apply(&Event::Command(Command::Redeploy)).unwrap();
        }
    }
    assert_eq!(world.record.next().unwrap().cause, *cause);
    world
}

const CAUSES: [Cause; 2] = [Cause::Redeploy, Cause::Lost(Generation(1))];

fn starts(world: &World) -> bool {
    let owed = world.record.owed(world.now);
    owed.iter().any(|effect| matches!(effect, Effect::Admit(_)))
}

fn answered(world: &mut World, found: Found) {
    let look = world.record.look.clone().unwrap();
    assert!(look.at <= world.now, "it is asked at once");
    let look = look.number;
    observed(world, Observation::Found { look, found });
}

#[test]
fn a_redeploy_and_a_lost_machine_start_once_the_forge_says_that_they_may() {
    for cause in CAUSES {
        let mut world = about_to_start(&cause);
        assert!(!starts(&world), "{cause:?}");
        let says = status(&world.record, None).detail.unwrap();
        assert!(
            says.starts_with("asks first whether it still may run"),
            "{says}"
        );
        let outsider = CommitInfo {
            trust: Trust::Outsider,
            ..commit(2)
        };
        answered(&mut world, Found::Open(outsider.clone()));
        assert!(starts(&world), "{cause:?}");
        let next = world.record.next().unwrap();
        assert_eq!(next.commit, outsider, "its author may not write any more");
        assert_eq!(world.record.generation, Generation(2));
        running(&mut world, 2);
    }
}

#[test]
fn what_was_closed_or_may_not_run_any_more_does_not_start_again() {
    for cause in CAUSES {
        let mut world = about_to_start(&cause);
        answered(&mut world, Found::Closed);
        assert!(world.record.is_closed());
        assert!(!starts(&world));

        let mut world = about_to_start(&cause);
        let waits: Waits = "nobody wants it".into();
        answered(&mut world, Found::Waiting(waits.clone()));
        let stopped = matches!(&world.record.state, State::Stopped { why: Why::Waits(why), .. } if *why == waits);
        assert!(stopped && !starts(&world), "{:?}", world.record.state);

        // A push of which nobody told.
        let mut world = about_to_start(&cause);
        answered(&mut world, Found::Open(commit(3)));
        let next = world.record.next().unwrap();
        assert_eq!((&next.commit, &next.cause), (&commit(3), &Cause::Push));
        assert!(starts(&world));
    }
}

#[test]
fn what_waits_to_be_tried_again_waits_on_whatever_the_forge_says() {
    let mut world = queued(false);
    observed(&mut world, Observation::Admitted(Generation(1)));
    let not_launched = Observation::NotLaunched {
        generation: Generation(1),
        reason: "no capacity".into(),
        retry: true,
    };
    observed(&mut world, not_launched);
    let until = world.record.next().unwrap().not_before;
    assert!(until.is_some());
    let says = status(&world.record, None).detail.unwrap();
    assert!(says.starts_with("waits a moment"), "{says}");
    world.apply(&hint(Trigger::Refresh)).unwrap();
    answered(&mut world, Found::Open(commit(2)));
    assert_eq!(world.record.next().unwrap().not_before, until);
}

#[test]
fn a_forge_that_does_not_answer_keeps_nothing_down() {
    for cause in CAUSES {
        let mut world = about_to_start(&cause);
        let no_answer = |world: &mut World| {
            let look = world.record.look.clone().unwrap().number;
            let reason = "no answer".into();
            observed(world, Observation::NotFound { look, reason });
        };
        no_answer(&mut world);
        let almost = world
            .times
            .ask_first
            .saturating_sub(Duration::from_millis(1));
        world.pass(almost);
        assert!(!starts(&world));
        world.pass(Duration::from_millis(1));
        assert!(starts(&world), "with the trust that it had");
        // It is asked on, and its answer still counts.
        no_answer(&mut world);
        world.pass(world.times.forge_again);
        answered(&mut world, Found::Closed);
        assert!(world.record.is_closed());
    }
}

#[test]
fn what_is_asked_already_is_not_asked_twice() {
    let mut world = queued(false);
    running(&mut world, 1);
    world.apply(&Event::Hint {
        commit: Some(commit(4).id),
        trigger: Trigger::Push,
    });
    let look = world.record.look.clone();
    world.apply(&Event::Command(Command::Redeploy)).unwrap();
    assert_eq!(
        world.record.look, look,
        "the commit that was announced is waited for"
    );
    answered(&mut world, Found::Open(commit(4)));
    assert_eq!(world.record.next().unwrap().commit, commit(4));
}

/// The production of which this is the record.
fn production(world: &World) -> Environment {
    let app = AppId::derive(RepositoryId(1), "");
    Environment {
        id: EnvironmentId::derive(&app, Kind::Production),
        app,
        owner: "acme".into(),
        slug: Slug::of("shop"),
        repository: RepositoryId(1),
        kind: Kind::Production,
        branch: "main".into(),
        title: "main".into(),
        lifecycle: world.record.clone(),
        version: Version(1),
        created_at: world.now,
        updated_at: world.now,
    }
}

fn hint(trigger: Trigger) -> Event {
    Event::Hint {
        commit: None,
        trigger,
    }
}

#[test]
fn production_that_was_closed_comes_back_with_a_push_and_when_a_person_wants_it() {
    let events = [
        hint(Trigger::Push),
        hint(Trigger::Start),
        Event::Command(Command::Start),
        Event::Command(Command::Redeploy),
    ];
    for event in events {
        let mut world = queued(false);
        running(&mut world, 1);
        world.apply(&hint(Trigger::Refresh)).unwrap();
        answered(&mut world, Found::Closed);
        let environment = production(&world);
        let step = environment.step(&event, world.now, &world.times).unwrap();
        world.record = step.next;
        answered(&mut world, Found::Open(commit(3)));
        assert_eq!(world.record.next().unwrap().commit, commit(3), "{event:?}");
        // A visitor brings nothing back, and no preview comes back like this.
        let visit = hint(Trigger::Visit);
        let step = environment.step(&visit, world.now, &world.times).unwrap();
        assert_eq!(step.next.look, None);
        let preview = Environment {
            kind: Kind::Preview(1),
            ..environment
        };
        let step = preview.step(&event, world.now, &world.times);
        assert!(step.is_err() || step.is_ok_and(|step| step.next.look.is_none()));
    }
}

/// What sleeps, and what failed: a push would start it.
fn at_rest() -> [World; 2] {
    let mut asleep = queued(false);
    running(&mut asleep, 1);
    asleep.apply(&Event::Command(Command::Sleep)).unwrap();
    let mut failed = queued(false);
    observed(&mut failed, Observation::Admitted(Generation(1)));
    let not_launched = Observation::NotLaunched {
        generation: Generation(1),
        reason: "no such image".into(),
        retry: false,
    };
    observed(&mut failed, not_launched);
    assert_eq!(failed.record.shown().name(), "failed");
    [asleep, failed]
}

fn waits(world: &World) -> bool {
    let why = match &world.record.state {
        State::Stopped { why, .. } => why,
        other => panic!("it runs: {other:?}"),
    };
    matches!(why, Why::Waits(_))
}

#[test]
fn a_push_that_has_to_be_approved_is_said_although_it_sleeps_or_has_failed() {
    let approval = |n| Waits {
        approval: Some(commit(n).id),
        ..Waits::from("somebody who may write has to approve it")
    };
    for (trigger, n, is_said) in [
        (Trigger::Push, 3, true),
        (Trigger::Refresh, 3, true),
        (Trigger::Refresh, 2, false),
    ] {
        for mut world in at_rest() {
            world.apply(&hint(trigger)).unwrap();
            answered(&mut world, Found::Waiting(approval(n)));
            assert_eq!(waits(&world), is_said, "{trigger:?} {n}");
        }
    }
    let [mut asleep, _] = at_rest();
    asleep.apply(&hint(Trigger::Visit)).unwrap();
    answered(&mut asleep, Found::Waiting("nobody wants it".into()));
    assert!(waits(&asleep), "its visitor is told");
}

#[test]
fn what_a_person_stops_while_nothing_of_it_runs_starts_for_nobody_else() {
    let [asleep, failed] = at_rest();
    let mut waiting = queued(false);
    running(&mut waiting, 1);
    waiting.apply(&hint(Trigger::Refresh)).unwrap();
    answered(&mut waiting, Found::Waiting("no place is free".into()));
    assert!(waits(&waiting));
    for mut world in [asleep, failed, waiting] {
        world.apply(&Event::Command(Command::Stop)).unwrap();
        for trigger in [Trigger::Visit, Trigger::Push, Trigger::Refresh] {
            world.apply(&hint(trigger)).unwrap();
            if world.record.look.is_some() {
                answered(&mut world, Found::Open(commit(2)));
            }
            let stopped =
                matches!(&world.record.state, State::Stopped { why, .. } if *why == Why::Person);
            assert!(stopped, "{trigger:?}: {:?}", world.record.state);
        }
    }
}

#[test]
fn production_starts_again_without_asking() {
    let mut world = queued(false);
    running(&mut world, 1);
    let environment = production(&world);
    let redeploy = Event::Command(Command::Redeploy);
    let step = environment
        .step(&redeploy, world.now, &world.times)
        .unwrap();
    assert_eq!(step.next.look, None);
    world.record = step.next;
    assert!(starts(&world));
    let preview = Environment {
        kind: Kind::Preview(1),
        ..environment
    };
    let step = preview.step(&redeploy, world.now, &world.times).unwrap();
    assert!(step.next.look.is_some());
}

#[test]
fn what_the_forge_does_not_take_is_offered_less_and_less_often_and_news_at_once() {
    let mut world = queued(false);
    let refused = |world: &mut World| {
        let reason = "no permission".into();
        observed(world, Observation::NotAnnounced { reason });
        world.record.world.announce_at.unwrap().since(world.now)
    };
    let waits = Times::default().announce_again;
    assert!(waits.is_sorted() && waits.len() > 3);
    let last = *waits.last().unwrap();
    for wait in waits.into_iter().chain([last, last]) {
        assert_eq!(refused(&mut world), wait);
        assert_eq!(refused(&mut world), wait, "said twice");
        world.now = world.now.plus(wait);
    }
    observed(&mut world, Observation::Admitted(Generation(1)));
    let edition = world.record.world.edition;
    let announces = Effect::Announce(edition);
    assert!(world.record.owed(world.now).contains(&announces), "news");
    assert_eq!(refused(&mut world), last, "it refuses still");
    observed(&mut world, Observation::Announced(edition));
    assert_eq!(world.record.world.not_announced, 0);
}
