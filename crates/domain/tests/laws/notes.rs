//! What a runner, or who made its machine, notes is kept with its deployment, and stops nothing.

use nestling_domain::{
    deployment::Phase,
    ids::Generation,
    lifecycle::{Event, Found, Happened, Observation, Step},
};
use nestling_protocol::report::{Next, Phase as Report};

use crate::world::{World, commit, endpoint};

fn observed(world: &mut World, observation: Observation) -> Step {
    world.apply(&Event::Observed(observation)).unwrap()
}

fn note(world: &mut World, seq: u64, text: &str) -> Step {
    let reported = Observation::Reported {
        generation: Generation(1),
        boot: "boot".into(),
        seq,
        phase: Report::Noted { text: text.into() },
    };
    observed(world, reported)
}

/// An environment whose first machine was launched.
fn launched() -> World {
    let mut world = World::new(false);
    let look = world.record.look.clone().unwrap().number;
    let found = Found::Open(commit(2));
    observed(&mut world, Observation::Found { look, found });
    observed(&mut world, Observation::Admitted(Generation(1)));
    observed(&mut world, Observation::launched(Generation(1)));
    world
}

#[test]
fn notes_are_said_once_each_eight_at_most_and_stop_nothing() {
    let mut world = launched();

    let step = note(&mut world, 1, "the lockfile is out of date");
    assert_eq!(step.answer, Some(Next::Go));
    assert!(matches!(&step.happened[..], [Happened::Noted { .. }]));
    let again = note(&mut world, 2, "the lockfile is out of date");
    assert!(again.happened.is_empty(), "{:?}", again.happened);
    for seq in 3..20 {
        note(&mut world, seq, &format!("note {seq}"));
    }
    let next = world.record.next().unwrap();
    assert_eq!(next.phase, Phase::Booting, "a note is no phase");
    assert_eq!(next.notes.len(), 8);
    assert_eq!(next.notes[0], "the lockfile is out of date");
}

#[test]
fn what_serves_may_note_something_too() {
    let mut world = launched();
    let running = Observation::Reported {
        generation: Generation(1),
        boot: "boot".into(),
        seq: 1,
        phase: Report::Running {
            endpoints: vec![endpoint()],
        },
    };
    observed(&mut world, running);
    observed(&mut world, Observation::Healthy(Generation(1)));

    let step = note(&mut world, 2, "it listens on PORT now");
    assert_eq!(step.answer, Some(Next::Go));
    assert!(matches!(&step.happened[..], [Happened::Noted { .. }]));
    let serving = world.record.serving().unwrap();
    assert_eq!(serving.notes, ["it listens on PORT now"]);
    assert_eq!(serving.phase, Phase::Serving);
}

#[test]
fn what_is_noted_of_how_a_machine_at_fly_was_made_is_said_once_also_when_its_runner_was_quicker() {
    let made = |note: &str| Observation::Launched {
        generation: Generation(1),
        address: None,
        note: Some(note.into()),
        volume: None,
    };
    let mut world = launched();
    note(&mut world, 1, "the lockfile is out of date");
    let step = observed(&mut world, made("it is smaller"));
    assert!(matches!(&step.happened[..], [Happened::Noted { .. }]));
    let again = observed(&mut world, made("it is smaller"));
    assert!(again.happened.is_empty(), "{:?}", again.happened);
    let next = world.record.next().unwrap();
    assert_eq!(next.notes, ["the lockfile is out of date", "it is smaller"]);
    assert_eq!(next.phase, Phase::Booting, "a note is no phase");
}
