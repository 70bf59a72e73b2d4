//! What an environment keeps on a volume, whatever Fly answers or keeps to itself.

use std::time::Duration;

use nestling_domain::{
    fly::{Ask, Belief, GaveUp},
    ids::Generation,
};
use proptest::prelude::*;

use crate::{
    orders::{cases, close, insist, replace},
    world::{Fault, Fly, Order, carry_out, faults},
};

fn on_disk() -> Fly {
    Fly {
        on_disk: true,
        ..Fly::default()
    }
}

fn come(fly: &mut Fly, order: &Order) -> Result<Option<String>, GaveUp> {
    carry_out(fly, &mut Belief::default(), order, None).unwrap()
}

/// The volumes that there are, and those that machines mount.
fn volumes(fly: &Fly) -> (Vec<String>, Vec<String>) {
    let app = fly.app.as_ref().unwrap();
    let mounted = app.machines.values();
    let mounted = mounted.filter_map(|(_, machine)| machine.volume.clone());
    (app.volumes.keys().cloned().collect(), mounted.collect())
}

#[test]
fn a_volume_goes_from_machine_to_machine_outlives_them_and_goes_with_the_app() {
    let mut fly = on_disk();
    come(&mut fly, &Order::Ensure(1)).unwrap();
    let disk = fly.disk.clone().unwrap();
    assert_eq!(volumes(&fly), (vec![disk.clone()], vec![disk.clone()]));
    // A second machine cannot mount it.
    let came = come(&mut fly, &Order::Ensure(2));
    assert_eq!(came, Err(GaveUp::Occupied(Generation(1))));
    come(&mut fly, &replace(2)).unwrap();
    come(&mut fly, &Order::Ensure(2)).unwrap();
    assert_eq!(fly.living(), [Generation(2)]);
    assert_eq!(volumes(&fly), (vec![disk.clone()], vec![disk.clone()]));
    // It sleeps, and wakes.
    let sleeps = Order::Remove {
        keep: vec![],
        upto: 2,
        all: false,
    };
    fly.passes(Duration::from_mins(1));
    come(&mut fly, &sleeps).unwrap();
    assert_eq!(volumes(&fly), (vec![disk.clone()], vec![]));
    come(&mut fly, &Order::Ensure(3)).unwrap();
    assert_eq!(volumes(&fly), (vec![disk.clone()], vec![disk]));
    come(&mut fly, &close(3)).unwrap();
    assert!(fly.app.is_none());
}

#[test]
fn a_volume_whose_answer_was_lost_is_found_again_and_made_once() {
    let mut fly = on_disk();
    let mut known = Belief::default();
    // The app, its addresses, its secrets; then the volume.
    let before = [Fault::None; 6];
    fly.faults = before.into_iter().chain([Fault::LostAfter]).collect();
    carry_out(&mut fly, &mut known, &Order::Ensure(1), None)
        .unwrap()
        .unwrap();
    let made = |ask: &&Ask| matches!(ask, Ask::CreateVolume { .. });
    assert_eq!(fly.asked.iter().filter(made).count(), 1, "{:?}", fly.asked);
    assert_eq!(volumes(&fly).0.len(), 1);
}

#[test]
fn a_volume_is_made_where_there_is_room_and_its_machines_go_nowhere_else() {
    let mut fly = on_disk();
    fly.full.insert("ams".to_owned());
    come(&mut fly, &Order::Ensure(1)).unwrap();
    let app = fly.app.as_ref().unwrap();
    assert_eq!(app.volumes.values().next().unwrap().region, "fra");
    // No region has room, and each is named.
    let mut full = on_disk();
    full.full.extend(["ams".to_owned(), "fra".to_owned()]);
    let Err(GaveUp::NoCapacity(said)) = come(&mut full, &Order::Ensure(1)) else {
        panic!("there was room");
    };
    assert_eq!(said.len(), 2);
    // The volume's region has none any more: elsewhere its machine would find nothing of what it kept.
    fly.full = ["fra".to_owned()].into();
    come(&mut fly, &replace(2)).unwrap();
    let Err(GaveUp::NoCapacity(said)) = come(&mut fly, &Order::Ensure(2)) else {
        panic!("there was room");
    };
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, "fra");
}

#[test]
fn a_volume_that_is_gone_or_where_machines_may_not_be_is_named_and_none_takes_its_place() {
    let mut fly = on_disk();
    come(&mut fly, &Order::Ensure(1)).unwrap();
    let disk = fly.disk.clone().unwrap();
    come(&mut fly, &replace(2)).unwrap();
    let volumes = |fly: &mut Fly| fly.app.as_mut().unwrap().volumes.clone();
    for volume in fly.app.as_mut().unwrap().volumes.values_mut() {
        "syd".clone_into(&mut volume.region);
    }
    let came = come(&mut fly, &Order::Ensure(2));
    let elsewhere = GaveUp::VolumeElsewhere(disk.clone(), "syd".to_owned());
    assert_eq!(came, Err(elsewhere.clone()));
    fly.app.as_mut().unwrap().volumes.clear();
    let came = come(&mut fly, &Order::Ensure(2));
    let missing = GaveUp::VolumeMissing(disk);
    assert_eq!(came, Err(missing.clone()));
    assert!(
        volumes(&mut fly).is_empty(),
        "what it kept is not replaced by nothing"
    );
    let said = [elsewhere, missing, GaveUp::Occupied(Generation(4))];
    insta::assert_snapshot!(said.map(|one| one.to_string()).join("\n"), @r"
    its volume v1 at Fly is in syd, where its machines may not be: name that region in machines.fly.regions (or in machines.fly.limits.regions and [policy.machine]), or close it to let its volume go
    its volume v1 at Fly does not show: whether it is gone, `fly volumes list` says; close it to begin with an empty one
    its volume is in use by generation 4, which has to go first
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Whatever goes wrong, and whenever the server ends: once a machine had a volume, each that follows has that one, and no two at once.
    #[test]
    fn what_is_kept_is_mounted_by_every_machine_that_follows(
        faults in faults(),
        ends in prop::collection::vec(prop::option::of(0usize..14), 8),
        deployments in 1u32..4,
    ) {
        let mut fly = Fly { faults: faults.into(), ..on_disk() };
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
                        let (_, there) = &fly.app.as_ref().unwrap().machines[&machine];
                        prop_assert!(fly.disk.is_some());
                        prop_assert_eq!(&there.volume, &fly.disk);
                        break;
                    }
                    // What serves is let go first.
                    Err(GaveUp::Occupied(older)) => {
                        prop_assert!(older < Generation(generation));
                        prop_assert_eq!(insist(&mut fly, &mut belief, &replace(generation)), Ok(None));
                    }
                    Err(GaveUp::Lost | GaveUp::NoCapacity(_) | GaveUp::Ended | GaveUp::VolumeMissing(_)) => generation += 1,
                    Err(other) => panic!("{other:?}"),
                }
                let (_, mut mounted) = volumes_if_any(&fly);
                let all = mounted.len();
                mounted.dedup();
                prop_assert_eq!(mounted.len(), all, "two machines mount it");
            }
        }
        fly.faults.clear();
        fly.passes(Duration::from_secs(30));
        prop_assert_eq!(insist(&mut fly, &mut Belief::default(), &close(generation)), Ok(None));
        prop_assert!(fly.app.is_none());
    }
}

fn volumes_if_any(fly: &Fly) -> (Vec<String>, Vec<String>) {
    if fly.app.is_some() {
        volumes(fly)
    } else {
        Default::default()
    }
}
