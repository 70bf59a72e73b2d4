//! The actor over the model of Fly: who gives an order may leave, and may change his mind.

mod fleet;
mod sizes;
mod sweep;

use std::{net::IpAddr, path::Path, time::Duration};

use nestling_domain::{
    fly::{self, CpuKind},
    ids::Kind,
};
use nestling_world::fly::{Action, AddressKind, Fault, Model, Phase, Times};
use tokio::time::timeout;

use super::*;
use crate::{
    drivers::store::{
        conformance::{preview, save_first},
        sqlite::Sqlite,
    },
    messages::machines::{Size, Spec},
};

/// Longer than any order of these stories takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Town {
    model: Model,
    token: String,
    environment: EnvironmentId,
    store: Arc<dyn Store>,
    folder: tempfile::TempDir,
}

impl Town {
    /// Fly, and a server with the record of a preview.
    async fn new() -> Self {
        let model = Model::start().unwrap();
        let token = model.act(|fly| {
            fly.create_organisation("acme");
            fly.issue_token("acme")
        });
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("records")).unwrap());
        let record = preview("shop", 7);
        assert_eq!(record.kind, Kind::Preview(7));
        save_first(&store, &record).await;
        Town {
            model,
            token,
            environment: record.id,
            store,
            folder,
        }
    }

    /// The actor, as it is after a start of the server.
    fn machines(&self) -> Handle {
        self.machines_with(&self.token)
    }

    fn machines_with(&self, token: &str) -> Handle {
        self.machines_of(self.folder.path(), token)
    }

    /// The same, of the server whose keys are in this folder.
    fn machines_of(&self, folder: &Path, token: &str) -> Handle {
        self.machines_of_plan(folder, token, plan())
    }

    /// The actor of a server that makes machines by this plan.
    fn machines_by(&self, plan: Plan) -> Handle {
        self.machines_of_plan(self.folder.path(), &self.token, plan)
    }

    fn machines_of_plan(&self, folder: &Path, token: &str, plan: Plan) -> Handle {
        let keys = RunnerKeys::open(folder).unwrap();
        let fly = self.fly(&keys, token);
        let store = self.store.clone();
        FlyMachines::handle(&FlyMachines::new(fly, plan, store, Arc::new(keys)).start())
    }

    fn fly(&self, keys: &RunnerKeys, token: &str) -> Arc<Fly> {
        let base = format!("{}/v1", self.model.base());
        let token = Zeroizing::new(token.to_owned());
        Arc::new(Fly::new(&base, ("acme", token), &keys.identity()).unwrap())
    }

    fn ensure(&self, generation: u32) -> Ensure {
        ensure(&self.environment, generation)
    }

    fn close(&self, upto: u32) -> Destroy {
        Destroy {
            environment: self.environment.clone(),
            keep: Vec::new(),
            upto: Generation(upto),
            erase: true,
        }
    }

    /// How many machines were ever made.
    fn made(&self) -> u64 {
        self.model
            .look(|fly| fly.ledger.count_of(Action::CreateMachine, 200))
    }
}

fn ensure(environment: &EnvironmentId, generation: u32) -> Ensure {
    Ensure {
        environment: environment.clone(),
        generation: Generation(generation),
        spec: Spec {
            token: "a token".to_owned(),
            cache: "shop".to_owned(),
            size: Size {
                memory_mib: 512,
                processes: 64,
                files: 64,
                disk_mib: 64,
            },
        },
    }
}

fn plan() -> Plan {
    Plan {
        volume_gib: 0,
        prefix: "nestling".to_owned(),
        make: Make {
            image: "registry.fly.io/nestling-runner:v1".to_owned(),
            size: fly::Size {
                cpu_kind: CpuKind::Shared,
                cpus: 1,
                memory_mib: 512,
            },
            env: std::collections::BTreeMap::new(),
        },
        regions: vec!["ams".to_owned()],
        limits: Limits::default(),
        addresses: vec![Address::SharedV4],
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.unwrap()
}

#[actix::test]
async fn whoever_gives_up_and_asks_again_finds_the_machine_that_was_made_meanwhile() {
    let town = Town::new().await;
    let machines = town.machines();
    town.model.act(|fly| {
        fly.faults
            .answer("POST /apps/*/machines", Fault::Late(500), Times::Only(1));
    });
    let asked = machines.ensure.send(town.ensure(1));
    assert!(timeout(Duration::from_millis(200), asked).await.is_err());
    let found = soon(machines.ensure.send(town.ensure(1))).await.unwrap();
    let address = town.model.look(|fly| {
        let all: Vec<_> = fly.machines.values().collect();
        assert_eq!(all.len(), 1);
        let app = fly.apps.values().next().unwrap();
        let mut all = app.addresses.iter();
        all.find(|one| one.kind == AddressKind::PrivateV6)
            .unwrap()
            .ip
    });
    let found = found.map(|made| made.address);
    assert_eq!(found, Ok(Some(address)));
    // A server that knows nothing finds it, too, and makes no other.
    let anew = town.machines();
    let again = soon(anew.ensure.send(town.ensure(1))).await.unwrap();
    assert_eq!(again.map(|made| made.address), Ok(Some(address)));
    assert_eq!(town.made(), 1);
    assert_eq!(
        soon(anew.list.send(ListMachines)).await.unwrap(),
        [(town.environment.clone(), Generation(1))]
    );
}

#[actix::test]
async fn who_changes_his_mind_does_not_wait_for_what_he_wanted_before() {
    let town = Town::new().await;
    let machines = town.machines();
    town.model.act(|fly| {
        fly.faults.answer(
            "POST /apps/*/machines",
            Fault::StatusAfter(504),
            Times::Always,
        );
        fly.manners.delays.list = 60_000;
    });
    let wanted = machines.ensure.send(town.ensure(1));
    let wanted = actix::spawn(wanted);
    let asked = |fly: &nestling_world::fly::State| fly.ledger.count(Action::CreateMachine) > 0;
    town.model
        .until("a machine asked for", asked)
        .await
        .unwrap();
    // Fly has made a machine and lists none: it would be looked for during a minute.
    let closed = soon(machines.destroy.send(town.close(1))).await.unwrap();
    assert_eq!(closed, Ok(()));
    let overtaken = soon(wanted).await.unwrap().unwrap();
    assert!(
        matches!(overtaken, Err(MachineError::Failed(_))),
        "{overtaken:?}"
    );
    assert_eq!(
        town.model.look(|fly| fly.left_over("acme")),
        Vec::<String>::new()
    );
    // Closed again, it is looked whether that is so.
    let asked = town.model.look(|fly| fly.ledger.count(Action::GetApp));
    let closed = soon(machines.destroy.send(town.close(1))).await.unwrap();
    assert_eq!(closed, Ok(()));
    assert_eq!(
        town.model.look(|fly| fly.ledger.count(Action::GetApp)),
        asked + 1
    );
}

#[actix::test]
async fn older_machines_go_with_their_secrets_and_what_fly_refuses_is_told() {
    let town = Town::new().await;
    let machines = town.machines();
    for generation in [1, 2] {
        let made = soon(machines.ensure.send(town.ensure(generation))).await;
        assert!(made.unwrap().is_ok());
    }
    let others = Destroy {
        keep: vec![Generation(2)],
        erase: false,
        ..town.close(2)
    };
    assert_eq!(soon(machines.destroy.send(others)).await.unwrap(), Ok(()));
    town.model.look(|fly| {
        let there = fly.machines.values();
        let there = there.filter(|one| one.phase != Phase::Destroyed);
        let names: Vec<&str> = there.map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["generation-2"]);
        let app = fly.apps.values().next().unwrap();
        assert_eq!(app.secret_names(), ["NESTLING_GENERATION_2"]);
        assert_eq!(fly.ledger.unleased_changes(), Vec::<String>::new());
        fly.finish().unwrap();
    });
    let stale = soon(machines.ensure.send(town.ensure(1))).await.unwrap();
    assert!(matches!(stale, Err(MachineError::Rejected(_))), "{stale:?}");
    let refused = town.machines_with("wrong").ensure.send(town.ensure(3));
    let refused = soon(refused).await.unwrap().unwrap_err();
    let says = refused.to_string();
    assert!(
        says.starts_with("Fly does not take machines.fly.token"),
        "{says}"
    );
}

#[actix::test]
async fn traffic_is_let_in_once_and_never_to_a_machine_that_was_overtaken() {
    let town = Town::new().await;
    let machines = town.machines();
    let let_in = |machines: &Handle, generation: u32| {
        let order = LetIn {
            environment: town.environment.clone(),
            generation: Generation(generation),
        };
        let let_in = machines.let_in.clone().unwrap();
        async move { soon(let_in.send(order)).await.unwrap() }
    };
    let leads_to = |port: u16| {
        town.model.look(|fly| {
            let mut addresses = fly.apps.values().next().unwrap().addresses.iter();
            let private = addresses.find(|one| one.kind == AddressKind::PrivateV6);
            let IpAddr::V6(ip) = private.unwrap().ip else {
                panic!("{addresses:?}");
            };
            let (machine, _) = fly.leads(("acme", "default"), ip, port)?;
            Some(fly.machines[machine].name.clone())
        })
    };
    let asked = || {
        town.model
            .look(|fly| fly.ledger.count(Action::UncordonMachine))
    };
    // Fly's proxy leads to none that has not started.
    let starts = async |generation: u32| {
        let made = soon(machines.ensure.send(town.ensure(generation))).await;
        made.unwrap().unwrap();
        let started = |fly: &nestling_world::fly::State| {
            let mut all = fly.machines.values();
            all.any(|one| {
                one.name == format!("generation-{generation}") && one.phase == Phase::Started
            })
        };
        town.model.until("it started", started).await.unwrap();
    };
    starts(1).await;
    assert_eq!(leads_to(10_001), None, "nobody let it in");
    town.model.act(|fly| {
        let route = "POST /apps/*/machines/*/uncordon";
        fly.faults.later(route, 0, Fault::LostAnswer);
    });
    assert_eq!(let_in(&machines, 1).await, Ok(()));
    assert_eq!(leads_to(10_001).as_deref(), Some("generation-1"));
    let once = asked();
    assert_eq!(let_in(&machines, 1).await, Ok(()));
    assert_eq!(asked(), once);
    // A newer one is made: nobody lets in an older one any more, whoever does not know that it was.
    starts(2).await;
    let anew = town.machines();
    let stale = let_in(&anew, 1).await;
    assert!(matches!(stale, Err(MachineError::Rejected(_))), "{stale:?}");
    assert_eq!((leads_to(10_002), asked()), (None, once));
    assert_eq!(let_in(&anew, 2).await, Ok(()));
    assert_eq!(leads_to(10_002).as_deref(), Some("generation-2"));
}
