//! What orders lead to.

use std::time::Duration;

use nestling_domain::{
    fly::{Ask, Belief, GaveUp, Machine, MachineState, Outcome, Owner, Refusal, Seen},
    ids::{EnvironmentId, Generation},
};
use proptest::prelude::*;

use crate::world::{App, Fault, Fly, Order, SERVER, carry_out, environment, faults, regions};

pub(crate) fn close(upto: u32) -> Order {
    Order::Remove {
        keep: Vec::new(),
        upto,
        all: true,
    }
}

pub(crate) fn replace(by: u32) -> Order {
    Order::Remove {
        keep: vec![by],
        upto: by,
        all: false,
    }
}

/// Says an order until it is carried out, as an environment does that owes it; at last without faults.
pub(crate) fn insist(
    fly: &mut Fly,
    belief: &mut Belief,
    order: &Order,
) -> Result<Option<String>, GaveUp> {
    for _ in 0..40 {
        let came = carry_out(fly, belief, order, None).unwrap();
        match came {
            Err(GaveUp::Unsettled) => {}
            other => return other,
        }
    }
    panic!("Fly never came to an end with {order:?}");
}

/// Carries an order out, and says how many requests that took, and what lives then.
fn count(fly: &mut Fly, belief: &mut Belief, order: &Order) -> (usize, Vec<Generation>) {
    let before = fly.asked.len();
    carry_out(fly, belief, order, None).unwrap().unwrap();
    (fly.asked.len() - before, fly.living())
}

#[test]
fn a_whole_life_takes_few_requests() {
    let (mut fly, mut belief) = (Fly::default(), Belief::default());
    assert_eq!(
        count(&mut fly, &mut belief, &Order::Ensure(1)),
        (7, vec![Generation(1)])
    );
    assert_eq!(count(&mut fly, &mut belief, &Order::LetIn(1)).0, 2);
    for again in [Order::Ensure(1), Order::LetIn(1)] {
        assert_eq!(count(&mut fly, &mut belief, &again).0, 0);
    }
    let (restart, both) = count(&mut fly, &mut belief, &Order::Ensure(2));
    assert_eq!((restart, both.len()), (2, 2));
    assert_eq!(count(&mut fly, &mut belief, &Order::LetIn(2)).0, 2);
    // Deployments are further apart than a lease lasts.
    fly.passes(Duration::from_secs(30));
    assert_eq!(
        count(&mut fly, &mut belief, &replace(2)),
        (4, vec![Generation(2)])
    );
    assert_eq!(count(&mut fly, &mut belief, &close(2)), (3, vec![]));
    assert!(fly.app.is_none());

    // The same for a server that began anew before each.
    let mut fly = Fly::default();
    let orders = [
        (Order::Ensure(1), 7),
        (Order::LetIn(1), 4),
        (Order::Ensure(2), 5),
        (Order::LetIn(2), 4),
        (replace(2), 7),
        (close(2), 4),
    ];
    for (order, most) in orders {
        let (requests, _) = count(&mut fly, &mut Belief::default(), &order);
        assert_eq!(requests, most, "{order:?}");
        fly.passes(Duration::from_secs(30));
    }
}

/// Lets in until it is so; a machine that does not show yet is looked for anew, as the actor does.
fn insist_open(fly: &mut Fly, belief: &mut Belief, generation: u32) -> String {
    for _ in 0..20 {
        match insist(fly, belief, &Order::LetIn(generation)) {
            Ok(machine) => return machine.unwrap(),
            Err(GaveUp::Lost) => belief.look_again(),
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("{generation} was never let in");
}

#[test]
fn the_next_region_is_tried_and_when_none_has_room_each_is_named() {
    let mut fly = Fly::default();
    fly.full.insert("ams".to_owned());
    let mut belief = Belief::default();
    carry_out(&mut fly, &mut belief, &Order::Ensure(1), None)
        .unwrap()
        .unwrap();
    let tried = fly.asked.iter().filter_map(|ask| match ask {
        Ask::Create { region, .. } => Some(region.as_str()),
        _ => None,
    });
    assert_eq!(tried.collect::<Vec<_>>(), ["ams", "fra"]);
    fly.full.insert("fra".to_owned());
    let none = carry_out(&mut fly, &mut belief, &Order::Ensure(2), None).unwrap();
    let Err(GaveUp::NoCapacity(said)) = none else {
        panic!("{none:?}");
    };
    assert_eq!(
        said.iter().map(|(region, _)| region).collect::<Vec<_>>(),
        regions().iter().collect::<Vec<_>>()
    );
    // Another order tries them all again.
    fly.full.clear();
    assert!(
        carry_out(&mut fly, &mut belief, &Order::Ensure(2), None)
            .unwrap()
            .is_ok()
    );
}

#[test]
fn an_app_that_holds_what_is_not_ours_stays_and_so_does_that_machine() {
    let strangers = [
        None,
        Some(Owner {
            server: "another".to_owned(),
            environment: environment(),
            generation: Generation(1),
        }),
        Some(Owner {
            server: SERVER.to_owned(),
            environment: EnvironmentId("another".to_owned()),
            generation: Generation(1),
        }),
    ];
    for owner in strangers {
        let mut fly = Fly::default();
        let mut belief = Belief::default();
        carry_out(&mut fly, &mut belief, &Order::Ensure(1), None)
            .unwrap()
            .unwrap();
        fly.put("theirs", "web", owner);
        let mut belief = Belief::default();
        carry_out(&mut fly, &mut belief, &Order::Ensure(2), None)
            .unwrap()
            .unwrap();
        carry_out(&mut fly, &mut belief, &replace(2), None)
            .unwrap()
            .unwrap();
        let came = carry_out(&mut fly, &mut belief, &close(2), None).unwrap();
        assert_eq!(came, Err(GaveUp::Foreign("theirs".to_owned())));
        let app = fly.app.unwrap();
        assert_eq!(app.machines.len(), 2, "{:?}", app.machines);
        assert!(app.machines.contains_key("theirs"));
    }
}

#[test]
fn who_was_overtaken_makes_and_removes_nothing() {
    let (mut fly, mut belief) = (Fly::default(), Belief::default());
    carry_out(&mut fly, &mut belief, &Order::Ensure(3), None)
        .unwrap()
        .unwrap();
    for anew in [false, true] {
        for late in [Order::Ensure(2), Order::LetIn(2), close(2)] {
            let mut known = if anew {
                Belief::default()
            } else {
                belief.clone()
            };
            let came = carry_out(&mut fly, &mut known, &late, None).unwrap();
            assert_eq!(came, Err(GaveUp::Overtaken(Generation(3))), "{late:?}");
            assert_eq!(fly.living(), [Generation(3)]);
        }
    }
}

#[test]
fn what_fly_refuses_for_good_is_not_asked_again() {
    let mut belief = Belief::default();
    belief.begin(Generation(1));
    let refused = Outcome::Refused(Refusal::NotAllowed("token".to_owned()));
    belief.learn(&Ask::SeeApp, &refused, Seen::Nothing);
    let mut fly = Fly::default();
    // Until somebody orders it anew.
    let came = carry_out(&mut fly, &mut belief, &Order::Ensure(1), None).unwrap();
    assert!(came.is_ok());
}

#[test]
fn a_dead_host_keeps_its_machine_listed_until_it_is_gone() {
    let mut fly = Fly::default();
    let mut belief = Belief::default();
    carry_out(&mut fly, &mut belief, &Order::Ensure(1), None)
        .unwrap()
        .unwrap();
    let (_, machine) = fly
        .app
        .as_mut()
        .unwrap()
        .machines
        .values_mut()
        .next()
        .unwrap();
    machine.state = MachineState::Destroying;
    let mut anew = Belief::default();
    let came = carry_out(
        &mut fly,
        &mut anew,
        &Order::Remove {
            keep: vec![],
            upto: 1,
            all: false,
        },
        None,
    );
    assert_eq!(came, Some(Err(GaveUp::Unsettled)));
    // It came to its end, and Fly forgot it.
    fly.app.as_mut().unwrap().machines.clear();
    let came = carry_out(
        &mut fly,
        &mut anew,
        &Order::Remove {
            keep: vec![],
            upto: 1,
            all: false,
        },
        None,
    );
    assert_eq!(came, Some(Ok(None)));
}

#[test]
fn what_an_order_left_empty_is_seen_anew_when_it_is_ordered_again() {
    let mut fly = Fly::default();
    let mut belief = Belief::default();
    let close = Order::Remove {
        keep: vec![],
        upto: 1,
        all: true,
    };
    for order in [&Order::Ensure(1), &close] {
        carry_out(&mut fly, &mut belief, order, None)
            .unwrap()
            .unwrap();
    }
    belief.look_again();
    let asked = fly.asked.len();
    let came = carry_out(&mut fly, &mut belief, &close, None);
    assert_eq!(came, Some(Ok(None)));
    assert_eq!(fly.asked[asked..], [Ask::SeeApp]);
    // And what was ordered before is still known to be older.
    let came = carry_out(&mut fly, &mut belief, &Order::Ensure(0), None);
    assert_eq!(came, Some(Err(GaveUp::Overtaken(Generation(1)))));
}

#[test]
fn why_an_order_was_given_up_is_said_with_what_would_be_right() {
    let said = [
        GaveUp::NoCapacity(vec![
            ("ams".to_owned(), "no capacity".to_owned()),
            (
                "fra".to_owned(),
                "could not find a candidate host".to_owned(),
            ),
        ]),
        GaveUp::Refused(Refusal::NotAllowed("token validation error".to_owned())),
        GaveUp::Refused(Refusal::Invalid("failed to get manifest".to_owned())),
        GaveUp::Foreign("148e".to_owned()),
    ];
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "Fly has no room for its machine in any of its regions (machines.fly.regions, or those of [policy.machine]): ams (no capacity), fra (could not find a candidate host)",
            "Fly does not take machines.fly.token for machines.fly.organisation: token validation error; make one with `fly tokens create org`",
            "Fly refuses it: failed to get manifest; look at machines.fly.image, machines.fly.regions and the size of machines",
            "its app at Fly holds the machine 148e, which this Nestling has not made: remove that by hand, or move it elsewhere",
        ]
    );
    assert!(GaveUp::Lost.may_change() && !GaveUp::Foreign(String::new()).may_change());
}

fn bystander() -> Machine {
    Machine {
        id: "theirs".to_owned(),
        owner: None,
        state: MachineState::Lives,
        volume: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Whatever goes wrong, and whenever the server ends: a life of deployments ends with the newest machine alone, and with nothing
    /// once it is closed.
    #[test]
    fn a_life_ends_right_whatever_goes_wrong(
        faults in faults(),
        ends in prop::collection::vec(prop::option::of(0usize..12), 8),
        deployments in 1u32..4,
    ) {
        let mut fly = Fly { faults: faults.into(), ..Fly::default() };
        let mut belief = Belief::default();
        let mut ends = ends.into_iter();
        let mut generation = 0;
        for _ in 0..deployments {
            generation += 1;
            loop {
                let order = Order::Ensure(generation);
                if carry_out(&mut fly, &mut belief, &order, ends.next().flatten()).is_none() {
                    continue;
                }
                match insist(&mut fly, &mut belief, &order) {
                    Ok(machine) => {
                        let machine = machine.unwrap();
                        let app = fly.app.as_ref().unwrap();
                        prop_assert!(app.machines.contains_key(&machine), "done, and not there");
                        prop_assert!(app.secrets.contains(&Generation(generation)), "it cannot start");
                        prop_assert_eq!(app.addresses.len(), 3);
                        prop_assert!(belief.way_in().is_some(), "nobody knows the way to it");
                        // Let in once its runner is ready, or overtaken by nobody, and then it is open.
                        let order = Order::LetIn(generation);
                        if carry_out(&mut fly, &mut belief, &order, ends.next().flatten()).is_none() {
                            continue;
                        }
                        let opened = insist_open(&mut fly, &mut belief, generation);
                        prop_assert_eq!(&opened, &machine);
                        prop_assert!(fly.app.as_ref().unwrap().open.contains(&machine), "done, and shut");
                        break;
                    }
                    // As a failed launch that is tried again: another generation takes its place.
                    Err(GaveUp::Lost | GaveUp::NoCapacity(_) | GaveUp::Ended) => generation += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            let came = insist(&mut fly, &mut belief, &replace(generation));
            prop_assert_eq!(came, Ok(None));
        }
        // What landed late is taken away by the look that follows (twice, half a minute apart), without faults by then.
        fly.faults.clear();
        fly.passes(Duration::from_secs(30));
        let mut anew = Belief::default();
        prop_assert_eq!(insist(&mut fly, &mut anew, &replace(generation)), Ok(None));
        prop_assert_eq!(fly.living(), vec![Generation(generation)]);
        let secrets = fly.app.as_ref().unwrap().secrets.iter().copied();
        prop_assert_eq!(secrets.collect::<Vec<_>>(), vec![Generation(generation)]);
        prop_assert_eq!(insist(&mut fly, &mut anew, &close(generation)), Ok(None));
        prop_assert!(fly.app.is_none());
    }

    /// Nothing that is not ours is ever asked to go, nor what is to stay, nor what is newer than the order.
    #[test]
    fn nothing_is_removed_that_is_wanted_or_not_ours(
        faults in faults(),
        keep in prop::collection::vec(1u32..6, 0..3),
        upto in 1u32..6,
        all in any::<bool>(),
        there in prop::collection::btree_set(1u32..6, 0..5),
        foreign in any::<bool>(),
    ) {
        let mut fly = Fly { app: Some(App::default()), ..Fly::default() };
        for n in &there {
            let owner = Owner { server: SERVER.to_owned(), environment: environment(), generation: Generation(*n) };
            fly.put(&format!("g{n}"), &format!("generation-{n}"), Some(owner));
        }
        if foreign {
            let stranger = bystander();
            fly.put(&stranger.id, "web", stranger.owner.clone());
        }
        fly.faults = faults.into();
        // A listing that lies is no ground to remove a whole app: that is what the fence of what was ordered is for.
        fly.faults.retain(|fault| !all || !matches!(fault, Fault::Empty | Fault::Partial));
        let mut belief = Belief::default();
        let _ = carry_out(&mut fly, &mut belief, &Order::Remove { keep: keep.clone(), upto, all }, None);
        fly.passes(Duration::from_mins(1));
        let living = fly.living();
        for n in &there {
            if *n > upto || keep.contains(n) {
                prop_assert!(living.contains(&Generation(*n)), "{n} is gone: {:?}", fly.asked);
            }
        }
        if foreign {
            prop_assert!(fly.app.is_some_and(|app| app.machines.contains_key("theirs")));
        }
    }
}

/// `NESTLING_CASES`, as for all laws.
pub(crate) fn cases() -> u32 {
    let asked = std::env::var("NESTLING_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}
