//! Machines that are made as their apps ask, and those whose apps ask for too much.

use nestling_domain::{
    app::App,
    policy::{Machine, Policy},
};
use serde_json::{Value, json};

use super::*;
use crate::{drivers::store::conformance::app, messages::machines::Made};

/// A server that gives one shared processor and 512 MiB in ams, and allows apps two, 1024 MiB and fra.
fn allowing() -> Plan {
    Plan {
        limits: Limits {
            volume_gib: 0,
            shared_cpus: 2,
            performance_cpus: 0,
            memory_mib: 1024,
            regions: vec!["fra".to_owned()],
        },
        ..plan()
    }
}

impl Town {
    /// The owners of the app ask for this from now on.
    async fn asks(&self, machine: Machine) {
        let record = self.store.environment(&self.environment).await.unwrap();
        let asking = App {
            id: record.unwrap().app,
            policy: Policy {
                machine,
                ..Policy::default()
            },
            ..app(1, "", "shop")
        };
        self.store.put_app(&asking).await.unwrap();
    }

    /// What Fly has of a generation: its size, and its region.
    fn has(&self, generation: u32) -> (Value, String) {
        let name = format!("generation-{generation}");
        self.model.look(|fly| {
            let mut all = fly.machines.values();
            let machine = all.find(|one| one.name == name).unwrap();
            (machine.config["guest"].clone(), machine.region.clone())
        })
    }

    async fn makes(&self, machines: &Handle, generation: u32) -> Made {
        let made = soon(machines.ensure.send(self.ensure(generation))).await;
        made.unwrap().unwrap()
    }
}

#[actix::test]
async fn a_machine_is_as_big_and_where_its_app_asks_and_a_change_comes_with_the_next_deployment() {
    let town = Town::new().await;
    let machines = town.machines_by(allowing());
    town.asks(Machine {
        cpus: Some(2),
        memory_mib: Some(1024),
        regions: vec!["fra".to_owned()],
        ..Machine::default()
    })
    .await;
    let made = town.makes(&machines, 1).await;
    assert_eq!(made.note, None);
    let asked = json!({ "cpu_kind": "shared", "cpus": 2, "memory_mb": 1024 });
    assert_eq!(town.has(1), (asked.clone(), "fra".to_owned()));

    // They change their mind: what runs stays as it is.
    town.asks(Machine::default()).await;
    assert_eq!(town.makes(&machines, 1).await, made);
    assert_eq!(town.has(1), (asked, "fra".to_owned()));
    town.makes(&machines, 2).await;
    let default = json!({ "cpu_kind": "shared", "cpus": 1, "memory_mb": 512 });
    assert_eq!(town.has(2), (default, "ams".to_owned()));
}

#[actix::test]
async fn an_app_that_asks_for_too_much_has_a_machine_as_by_default_and_is_told_as_often_as_it_asks()
{
    let town = Town::new().await;
    let machines = town.machines_by(allowing());
    town.asks(Machine {
        cpus: Some(2),
        memory_mib: Some(2048),
        regions: vec!["fra".to_owned()],
        ..Machine::default()
    })
    .await;
    let made = town.makes(&machines, 1).await;
    insta::assert_snapshot!(made.note.clone().unwrap(), @"its machine is made as by default, of 1 CPU (shared) and 512 MiB in ams, because [policy.machine] in nestling.toml asks for what this server does not allow: memory_mib is 2048, and may be 1024 at most (machines.fly.limits.memory_mib of the server)");
    let default = json!({ "cpu_kind": "shared", "cpus": 1, "memory_mb": 512 });
    assert_eq!(town.has(1), (default, "ams".to_owned()));
    // Who did not hear the answer asks again, also a server that has started since.
    assert_eq!(town.makes(&machines, 1).await, made);
    assert_eq!(town.makes(&town.machines_by(allowing()), 1).await, made);
    assert_eq!(town.made(), 1);
}

#[actix::test]
async fn an_app_whose_only_region_is_full_is_told_where_there_was_no_room() {
    let town = Town::new().await;
    let machines = town.machines_by(allowing());
    town.asks(Machine {
        regions: vec!["fra".to_owned()],
        ..Machine::default()
    })
    .await;
    town.model
        .act(|fly| fly.set_capacity("fra", Some(0)).unwrap());
    let full = soon(machines.ensure.send(town.ensure(1))).await.unwrap();
    let says = full.unwrap_err().to_string();
    assert!(says.contains("fra (") && !says.contains("ams ("), "{says}");
}
