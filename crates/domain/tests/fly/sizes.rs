use nestling_domain::{
    fly::{CpuKind, Limits, Offer, Size},
    policy::Machine,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn names(regions: &[&str]) -> Vec<String> {
    regions.iter().map(|&one| one.to_owned()).collect()
}

/// A server that gives one shared processor and 1024 MiB in two regions, and allows four, 4096 MiB and a third region.
fn offer() -> Offer {
    Offer {
        size: Size {
            cpu_kind: CpuKind::Shared,
            cpus: 1,
            memory_mib: 1024,
        },
        volume_gib: 0,
        regions: names(&["ams", "fra"]),
        limits: Limits {
            volume_gib: 10,
            shared_cpus: 4,
            performance_cpus: 0,
            memory_mib: 4096,
            regions: names(&["lhr"]),
        },
    }
}

#[test]
fn an_app_gets_from_fly_what_it_asks_for_and_the_rest_as_by_default() {
    let asked = Machine {
        cpus: Some(2),
        regions: names(&["lhr", "ams"]),
        ..Machine::default()
    };
    let given = offer().to(&asked);
    assert_eq!(given.size.to_string(), "2 CPU (shared) and 1024 MiB");
    assert_eq!(given.regions, ["lhr", "ams"]);
    assert_eq!(given.note, None);
    // Less is no more than is allowed.
    let asked = Machine {
        memory_mib: Some(256),
        ..Machine::default()
    };
    assert_eq!(offer().to(&asked).size.memory_mib, 256);
}

#[test]
fn an_app_that_asks_fly_for_too_much_gets_the_default_and_each_reason() {
    let too_much = Machine {
        cpu_kind: Some(CpuKind::Shared),
        cpus: Some(8),
        memory_mib: Some(8192),
        volume_gib: Some(20),
        regions: names(&["ams", "syd"]),
    };
    let own = Machine {
        cpu_kind: Some(CpuKind::Performance),
        ..Machine::default()
    };
    let told = |offer: &Offer, asked: &Machine| {
        let given = offer.to(asked);
        assert_eq!((given.size, &given.regions), (offer.size, &offer.regions));
        given.note.unwrap()
    };
    let mut four = offer();
    (four.size.cpus, four.limits.performance_cpus) = (4, 2);
    let notes = [
        told(&offer(), &too_much),
        told(&offer(), &own),
        told(&four, &own),
    ];
    insta::assert_snapshot!(notes.join("\n"), @r#"
    its machine is made as by default, of 1 CPU (shared) and 1024 MiB in ams, fra, because [policy.machine] in nestling.toml asks for what this server does not allow: cpus is 8, and of cpu_kind "shared" there may be 4 at most (machines.fly.limits.shared_cpus of the server); memory_mib is 8192, and may be 4096 at most (machines.fly.limits.memory_mib of the server); volume_gib is 20, and may be 10 at most (machines.fly.limits.volume_gib of the server); regions names "syd", and may name ams, fra, lhr (machines.fly.regions and machines.fly.limits.regions of the server)
    its machine is made as by default, of 1 CPU (shared) and 1024 MiB in ams, fra, because [policy.machine] in nestling.toml asks for what this server does not allow: cpu_kind is "performance", and may only be "shared" (machines.fly.limits.performance_cpus of the server)
    its machine is made as by default, of 4 CPU (shared) and 1024 MiB in ams, fra, because [policy.machine] in nestling.toml asks for what this server does not allow: cpus is 4 by default, and of cpu_kind "performance" there may be 2 at most (machines.fly.limits.performance_cpus of the server)
    "#);
}

#[test]
fn where_the_server_allows_nothing_more_fly_is_asked_for_nothing_more() {
    let server = Offer {
        limits: Limits::default(),
        ..offer()
    };
    let asks = [
        Machine {
            cpus: Some(2),
            ..Machine::default()
        },
        Machine {
            memory_mib: Some(1280),
            ..Machine::default()
        },
        Machine {
            volume_gib: Some(1),
            ..Machine::default()
        },
        Machine {
            regions: names(&["lhr"]),
            ..Machine::default()
        },
    ];
    for asked in asks {
        assert!(server.to(&asked).note.is_some(), "{asked:?}");
    }
    let chosen = Machine {
        regions: names(&["fra"]),
        ..Machine::default()
    };
    assert_eq!(server.to(&chosen).regions, ["fra"]);
}

fn kind() -> impl Strategy<Value = CpuKind> {
    select(vec![CpuKind::Shared, CpuKind::Performance])
}

fn regions(least: usize) -> impl Strategy<Value = Vec<String>> {
    vec(
        select(names(&["ams", "fra", "lhr", "syd", "iad"])),
        least..4,
    )
}

prop_compose! {
    fn offers()(
        cpu_kind in kind(),
        cpus in 1u32..9,
        memory in 1u32..33,
        regions_ in regions(1),
        limits in (0u32..17, 0u32..17, 0u32..65, 0u32..9, regions(0)),
        volume_gib in 0u32..5,
    ) -> Offer {
        let (shared_cpus, performance_cpus, most_memory, most_volume, others) = limits;
        Offer {
            size: Size { cpu_kind, cpus, memory_mib: memory * 256 },
            volume_gib,
            regions: regions_,
            limits: Limits { shared_cpus, performance_cpus, memory_mib: most_memory * 256, volume_gib: most_volume, regions: others },
        }
    }
}

prop_compose! {
    fn wishes()(
        cpu_kind in option::of(kind()),
        cpus in option::of(1u32..20),
        memory in option::of(1u32..70),
        volume_gib in option::of(0u32..12),
        regions in regions(0),
    ) -> Machine {
        Machine { cpu_kind, cpus, memory_mib: memory.map(|steps| steps * 256), volume_gib, regions }
    }
}

proptest! {
    /// Whatever is asked for, no machine is bigger or elsewhere than the server's keys say, read by themselves.
    #[test]
    fn no_machine_at_fly_is_above_the_limits(offer in offers(), asked in wishes()) {
        let given = offer.to(&asked);
        let (size, default, limits) = (given.size, offer.size, &offer.limits);
        let allowed = match size.cpu_kind {
            CpuKind::Shared => limits.shared_cpus,
            CpuKind::Performance => limits.performance_cpus,
        };
        let as_by_default = size.cpu_kind == default.cpu_kind && size.cpus <= default.cpus;
        prop_assert!(as_by_default || size.cpus <= allowed);
        prop_assert!(size.memory_mib <= default.memory_mib.max(limits.memory_mib));
        prop_assert!(given.volume_gib <= offer.volume_gib.max(limits.volume_gib));
        prop_assert!(!given.regions.is_empty());
        for region in &given.regions {
            prop_assert!(offer.regions.contains(region) || limits.regions.contains(region));
        }
    }

    /// A machine is as it was asked for, or as by default and somebody is told.
    #[test]
    fn no_machine_at_fly_is_anything_between_what_is_asked_for_and_the_default(offer in offers(), asked in wishes()) {
        let given = offer.to(&asked);
        if given.note.is_some() {
            prop_assert_eq!((given.size, given.volume_gib), (offer.size, offer.volume_gib));
            prop_assert_eq!(given.regions, offer.regions);
        } else {
            let size = given.size;
            prop_assert_eq!(size.cpu_kind, asked.cpu_kind.unwrap_or(offer.size.cpu_kind));
            prop_assert_eq!(size.cpus, asked.cpus.unwrap_or(offer.size.cpus));
            prop_assert_eq!(size.memory_mib, asked.memory_mib.unwrap_or(offer.size.memory_mib));
            prop_assert_eq!(given.volume_gib, asked.volume_gib.unwrap_or(offer.volume_gib));
            let regions = if asked.regions.is_empty() { offer.regions } else { asked.regions };
            prop_assert_eq!(given.regions, regions);
        }
    }

    #[test]
    fn who_asks_for_nothing_gets_the_default_at_fly_and_is_told_nothing(offer in offers()) {
        let given = offer.to(&Machine::default());
        prop_assert_eq!((given.size, given.regions, given.note), (offer.size, offer.regions, None));
    }
}
