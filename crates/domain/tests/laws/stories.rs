//! Short stories of one environment, told to the pure machine; here is what they are told with.

mod again;
mod asked;
mod cancelled;
mod commits;
mod hints;
mod moved;
mod people;
mod stuck;
mod trouble;

use std::time::Duration;

use nestling_domain::{
    ids::Generation,
    lifecycle::{Event, Found, Observation, Trigger},
};
use nestling_protocol::report::{Next, Phase as Report};

use crate::world::{World, commit, endpoint};

/// A world in which commit 2 has been found and its deployment is queued.
pub(crate) fn queued(exclusive: bool) -> World {
    let mut world = World::new(exclusive);
    let look = world.record.look.clone().unwrap().number;
    found(&mut world, look, 2);
    world
}

/// The branch has this head, as whoever asks finds out.
fn heard(world: &mut World, head: u8, trigger: Trigger) {
    world.apply(&Event::Hint {
        commit: None,
        trigger,
    });
    let look = world.record.look.clone().unwrap().number;
    found(world, look, head);
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

/// The forge is asked whether what is on its way still may run, and says so.
pub(crate) fn confirmed(world: &mut World) {
    let (Some(look), Some(head)) = (&world.record.look, world.record.newest_commit()) else {
        return;
    };
    let (look, found) = (look.number, Found::Open(head.clone()));
    observed(world, Observation::Found { look, found });
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
    confirmed(world);
    observed(world, Observation::Admitted(number));
    observed(world, Observation::launched(number));
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

/// What is on its way, and until when.
pub(crate) fn deadline(world: &World) -> Option<Duration> {
    world
        .record
        .next()
        .unwrap()
        .deadline
        .map(|deadline| deadline.since(world.now))
}
