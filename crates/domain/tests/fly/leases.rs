//! What is done with a lease, and what a request that needs one may hear.

use std::time::Duration;

use nestling_domain::{
    fly::{Ask, Belief, Next, Outcome, Refusal, Remove, Seen, remove},
    ids::Generation,
};

use crate::world::{Fault, Fly, Order, SERVER, carry_out, environment};

#[test]
fn a_lease_is_used_at_once_however_long_it_was_waited_for() {
    let (mut fly, mut belief) = (Fly::default(), Belief::default());
    for generation in [1, 2] {
        let made = carry_out(&mut fly, &mut belief, &Order::Ensure(generation), None);
        made.unwrap().unwrap();
    }
    let order = Remove {
        server: SERVER,
        environment: &environment(),
        keep: &[Generation(2)],
        upto: Generation(2),
        all: false,
    };
    belief.begin(Generation(2));
    let held = Outcome::Refused(Refusal::Leased);
    let mut waited = Vec::new();
    for _ in 0..4 {
        let Next::Ask(lease @ Ask::Lease { .. }, wait) = remove(&belief, &order) else {
            panic!("{belief:?}");
        };
        waited.push(wait.as_secs());
        belief.learn(&lease, &held, Seen::Nothing);
    }
    assert_eq!(waited, [0, 1, 2, 5]);
    let Next::Ask(lease, wait) = remove(&belief, &order) else {
        panic!("{belief:?}");
    };
    assert_eq!(wait, Duration::from_secs(10));
    belief.learn(&lease, &Outcome::Done, Seen::Nonce("ours".to_owned()));
    let next = remove(&belief, &order);
    let at_once = matches!(next, Next::Ask(Ask::Destroy { .. }, Duration::ZERO));
    assert!(at_once, "{next:?}");
}

#[test]
fn a_machine_that_fly_does_not_know_everywhere_yet_is_let_in_a_moment_later() {
    let (mut fly, mut belief) = (Fly::default(), Belief::default());
    let made = carry_out(&mut fly, &mut belief, &Order::Ensure(1), None);
    made.unwrap().unwrap();
    fly.faults.push_back(Fault::Lags);
    let came = carry_out(&mut fly, &mut belief, &Order::LetIn(1), None);
    assert!(came.unwrap().is_ok());
    assert_eq!(fly.app.unwrap().open.len(), 1);
}
