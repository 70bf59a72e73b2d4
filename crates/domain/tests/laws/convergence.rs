//! However events, effects, faults and crashes interleave: once debts are paid, the world holds exactly
//! what the record says, and the record says what the forge says.

use std::time::Duration;

use proptest::prelude::*;

use crate::world::{Fate, World};

#[derive(Debug, Clone)]
enum Move {
    Push(u8, bool),
    Open(bool, bool),
    Command(u8),
    Arrive(usize, bool),
    Perform(usize, Fate),
    Run(usize),
    EndApp(usize),
    Die(usize),
    Crash,
    Reach(u8),
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Move> {
    let fate = prop_oneof![
        4 => Just(Fate::Done),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Failed),
        1 => Just(Fate::AnswerLost),
    ];
    prop_oneof![
        2 => (2u8..12, prop::bool::weighted(0.8)).prop_map(|(n, told)| Move::Push(n, told)),
        1 => (any::<bool>(), prop::bool::weighted(0.8)).prop_map(|(open, told)| Move::Open(open, told)),
        1 => any::<u8>().prop_map(Move::Command),
        12 => (0usize..8, prop::bool::weighted(0.1)).prop_map(|(n, keep)| Move::Arrive(n, keep)),
        12 => (0usize..4, fate).prop_map(|(n, fate)| Move::Perform(n, fate)),
        12 => (0usize..4).prop_map(Move::Run),
        1 => (0usize..4).prop_map(Move::EndApp),
        1 => (0usize..4).prop_map(Move::Die),
        1 => Just(Move::Crash),
        1 => (0u8..2).prop_map(Move::Reach),
        2 => (0u64..40_000).prop_map(Move::Pass),
    ]
}

fn play((exclusive, on_disk): (bool, bool), moves: Vec<Move>) {
    let mut world = World::new(exclusive);
    world.on_disk = on_disk;
    make(&mut world, moves);
    world.settle();
    world.check();
}

/// The same, of moves of which all are told: nothing else need look.
fn play_told((exclusive, on_disk): (bool, bool), moves: Vec<Move>) {
    let mut world = World::new(exclusive);
    world.on_disk = on_disk;
    let told = moves.into_iter().map(|step| match step {
        Move::Push(n, _) => Move::Push(n, true),
        Move::Open(open, _) => Move::Open(open, true),
        other => other,
    });
    make(&mut world, told);
    world.settle_by_hints();
    world.check();
}

fn make(world: &mut World, moves: impl IntoIterator<Item = Move>) {
    for step in moves {
        match step {
            Move::Push(n, told) => world.push(n, told),
            Move::Open(open, told) => world.set_open(open, told),
            Move::Command(n) => world.command(n),
            Move::Arrive(n, keep) => world.arrive(n, keep),
            Move::Perform(n, fate) => world.perform(n, fate),
            Move::Run(n) => world.run(n),
            Move::EndApp(n) => world.end_app(n),
            Move::Die(n) => world.die(n),
            Move::Crash => world.crash(),
            Move::Reach(port) => world.reach(port),
            Move::Pass(millis) => world.pass(Duration::from_millis(millis)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(4_000)))]

    #[test]
    fn the_world_converges_on_the_record(shares: (bool, bool), moves in prop::collection::vec(moves(), 0..160)) {
        play(shares, moves);
    }

    #[test]
    fn no_hint_is_answered_by_what_was_read_before_it(shares: (bool, bool), moves in prop::collection::vec(moves(), 0..160)) {
        play_told(shares, moves);
    }
}

/// More by `NESTLING_CASES`, for a long run.
pub(crate) fn cases(default: u32) -> u32 {
    std::env::var("NESTLING_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(default)
}
