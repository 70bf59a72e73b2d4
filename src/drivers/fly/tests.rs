//! Orders against a model of Fly behind HTTP, whatever goes wrong with each request.

use std::net::IpAddr;

use nestling_domain::{
    fly::{self, Belief, Ensure, GaveUp, LetIn, Remove},
    ids::Kind,
    label::Slug,
};
use nestling_world::fly::{AddressKind, Fault, Model};

use super::*;

const SERVER: &str = "nestling-a1b2";
const IMAGE: &str = "registry.fly.io/nestling-runner:v1";
const TOLD: &str = "the runner's token and the app's secrets";

struct Town {
    model: Model,
    fly: Fly,
    app: AppName,
    environment: EnvironmentId,
    make: Make,
    confidential: Confidential,
    regions: Vec<String>,
}

impl Town {
    fn new() -> Self {
        let model = Model::start().unwrap();
        let token = model.act(|fly| {
            fly.create_organisation("acme");
            fly.limits.hold = false;
            fly.issue_token("acme")
        });
        let environment = EnvironmentId("app-pr-7".to_owned());
        let about = (&environment, &Slug::of("shop"), Kind::Preview(7));
        let app = AppName::of("nestling", SERVER, about).unwrap();
        let base = format!("{}/v1", model.base());
        let mut fly = Fly::new(&base, ("acme", Zeroizing::new(token)), SERVER).unwrap();
        fly.pace = Pace {
            seeing: Duration::from_millis(300),
            doing: Duration::from_millis(300),
            lease: 1,
            // In all a little longer than a lease.
            hurry: 100,
        };
        fly.limits = Limits::new(1_000);
        Town {
            model,
            fly,
            app,
            environment,
            make: Make {
                image: IMAGE.to_owned(),
                size: Size {
                    cpu_kind: fly::CpuKind::Shared,
                    cpus: 1,
                    memory_mib: 512,
                },
                env: [(
                    "NESTLING_URL".to_owned(),
                    "https://nestling.test".to_owned(),
                )]
                .into(),
            },
            confidential: Confidential(Zeroizing::new(TOLD.as_bytes().to_vec())),
            regions: vec!["ams".to_owned(), "fra".to_owned()],
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            app: &self.app,
            environment: &self.environment,
            make: &self.make,
            confidential: &self.confidential,
        }
    }

    async fn ensure(&self, belief: &mut Belief, generation: u32) -> Result<String, GaveUp> {
        let order = Ensure {
            server: SERVER,
            environment: &self.environment,
            generation: Generation(generation),
            regions: &self.regions,
            addresses: &[Address::SharedV4, Address::V6],
            disk: None,
        };
        let machine = self.carry_out(belief, &Order::Ensure(order)).await?;
        Ok(machine.unwrap().id)
    }

    async fn let_in(&self, belief: &mut Belief, generation: u32) -> Result<(), GaveUp> {
        let order = LetIn {
            server: SERVER,
            environment: &self.environment,
            generation: Generation(generation),
        };
        let ended = self.carry_out(belief, &Order::LetIn(order)).await;
        ended.map(drop)
    }

    /// Whether somebody in a network of the organisation reaches the machine of a generation, by the app's private address.
    fn is_reached(&self, from: &str, belief: &Belief, generation: u32) -> bool {
        let Some(IpAddr::V6(ip)) = belief.way_in() else {
            panic!("{belief:?}");
        };
        let port = service_port(Generation(generation));
        let from = ("acme", from);
        self.model.look(|fly| fly.leads(from, ip, port).is_some())
    }

    async fn carry_out(
        &self,
        belief: &mut Belief,
        order: &Order<'_>,
    ) -> Result<Option<fly::Machine>, GaveUp> {
        let never = std::future::pending();
        let subject = self.subject();
        let ended = self.fly.carry_out(&subject, belief, order, never);
        ended.await.unwrap()
    }

    async fn remove(&self, belief: &mut Belief, keep: &[u32], upto: u32) -> Result<(), GaveUp> {
        let keep: Vec<Generation> = keep.iter().copied().map(Generation).collect();
        let order = Remove {
            server: SERVER,
            environment: &self.environment,
            keep: &keep,
            upto: Generation(upto),
            all: keep.is_empty(),
        };
        self.carry_out(belief, &Order::Remove(order))
            .await
            .map(drop)
    }

    /// Says an order until Fly carries it out, as an environment does that owes it; the generation that came up.
    async fn insist(&self, belief: &mut Belief, mut generation: u32) -> u32 {
        let mut said = Vec::new();
        for _ in 0..20 {
            match self.ensure(belief, generation).await {
                Ok(_) => match self.let_in(belief, generation).await {
                    Ok(()) => return generation,
                    Err(GaveUp::Lost) => belief.look_again(),
                    Err(other) => said.push(other),
                },
                Err(GaveUp::Lost | GaveUp::Ended) => generation += 1,
                Err(other) => said.push(other),
            }
        }
        panic!("it never came up: {said:?}, {belief:?}");
    }

    /// Deployments are further apart than a lease lasts.
    fn leases_run_out(&self) {
        self.model.act(|fly| fly.clock.advance(1_000));
    }

    async fn insist_gone(&self, belief: &mut Belief, keep: &[u32], upto: u32) {
        let mut said = Vec::new();
        for _ in 0..20 {
            match self.remove(belief, keep, upto).await {
                Ok(()) => return,
                Err(why) => said.push(why),
            }
        }
        panic!("it never went: {said:?}, {belief:?}");
    }

    async fn starts(&self, machine: &str) {
        let started = |fly: &nestling_world::fly::State| {
            fly.machines[machine].phase == nestling_world::fly::Phase::Started
        };
        self.model.until("it started", started).await.unwrap();
    }

    /// How often Fly was asked.
    fn asked(&self) -> usize {
        self.model.look(|fly| fly.ledger.requests.len())
    }

    /// What Fly was asked since it had been asked so often.
    fn asked_since(&self, before: usize) -> Vec<String> {
        self.model.look(|fly| {
            let since = fly.ledger.requests.iter().skip(before);
            let told = since.map(|one| format!("{} {} {}", one.method, one.target, one.status));
            told.collect()
        })
    }

    /// Names of the machines that are there.
    fn machines(&self) -> Vec<String> {
        let name = self.app.as_str();
        let names = |fly: &nestling_world::fly::State| {
            let all = fly.machines_of(name).into_iter();
            let mut names: Vec<String> = all
                .filter(|one| one.phase != nestling_world::fly::Phase::Destroyed)
                .map(|one| one.name.clone())
                .collect();
            names.sort();
            names
        };
        self.model.look(names)
    }

    /// Nothing was changed that is not ours, without its lease, or otherwise than Fly describes it.
    fn finish(self) {
        let own = self.app.as_str().to_owned();
        self.model.look(|fly| {
            assert_eq!(fly.ledger.unleased_changes(), Vec::<String>::new());
            let foreign = fly.ledger.foreign_writes(|write| write.app == own);
            assert_eq!(foreign, Vec::<String>::new());
            fly.finish().unwrap();
        });
    }
}

#[tokio::test]
async fn a_preview_comes_up_is_replaced_and_leaves_nothing() {
    let town = Town::new();
    let mut belief = Belief::default();
    let machine = town.ensure(&mut belief, 1).await.unwrap();
    assert_eq!(town.asked(), 7);
    town.starts(&machine).await;
    assert!(!town.is_reached("default", &belief, 1));
    town.let_in(&mut belief, 1).await.unwrap();
    eprintln!("a preview comes up: {} calls of Fly", town.asked());
    assert!(town.asked() <= 10, "{}", town.asked());
    // By the server's network, and by no other: that of the app itself neither.
    assert!(town.is_reached("default", &belief, 1));
    assert!(!town.is_reached(town.app.network(), &belief, 1));
    assert!(!town.is_reached("default", &belief, 2));
    town.model.look(|fly| {
        let app = &fly.apps[town.app.as_str()];
        assert_eq!(app.secret_names(), ["NESTLING_GENERATION_1"]);
        let there = &fly.machines[&machine];
        assert_eq!(there.tag(SERVER_KEY), Some(SERVER));
        assert_eq!(there.tag("nestling_environment"), Some("app-pr-7"));
        assert_eq!(there.tag("nestling_generation"), Some("1"));
        let config = there.config.to_string();
        assert_eq!(there.config["processes"][0]["ignore_app_secrets"], true);
        assert!(!config.contains(TOLD) && !config.contains(&STANDARD.encode(TOLD)));
        let kinds: Vec<AddressKind> = app.addresses.iter().map(|one| one.kind).collect();
        assert_eq!(
            kinds,
            [
                AddressKind::PrivateV6,
                AddressKind::SharedV4,
                AddressKind::V6
            ]
        );
        assert_eq!(app.network, town.app.as_str());
    });
    // Said again, by the same server or by one that began anew: nothing more is made.
    assert_eq!(town.ensure(&mut belief, 1).await.as_ref(), Ok(&machine));
    let mut anew = Belief::default();
    assert_eq!(town.ensure(&mut anew, 1).await.as_ref(), Ok(&machine));

    let before = town.asked();
    let second = town.ensure(&mut belief, 2).await.unwrap();
    town.starts(&second).await;
    assert!(!town.is_reached("default", &belief, 2));
    town.let_in(&mut belief, 2).await.unwrap();
    assert!(town.is_reached("default", &belief, 1) && town.is_reached("default", &belief, 2));
    let made = town.asked() - before;
    let stale = town.let_in(&mut Belief::default(), 1).await;
    assert_eq!(stale, Err(GaveUp::Overtaken(Generation(2))));
    town.leases_run_out();
    let before = town.asked();
    town.remove(&mut belief, &[2], 2).await.unwrap();
    let asked = made + town.asked() - before;
    eprintln!("it is replaced: {asked} calls of Fly");
    assert!(asked <= 8, "{asked}");
    assert!(!town.is_reached("default", &belief, 1));
    assert_eq!(town.machines(), ["generation-2"]);
    let names = |fly: &nestling_world::fly::State| {
        let names = fly.apps[town.app.as_str()].secret_names();
        names.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(town.model.look(names), ["NESTLING_GENERATION_2"]);

    let before = town.asked();
    town.remove(&mut belief, &[], 2).await.unwrap();
    let asked = town.asked_since(before);
    eprintln!("it leaves: {} calls of Fly", asked.len());
    assert!(asked.len() <= 4, "{asked:#?}");
    let gone = |fly: &nestling_world::fly::State| fly.left_over("acme").is_empty();
    town.model.until("all of it gone", gone).await.unwrap();
    town.finish();
}

const SERVER_KEY: &str = "nestling_server";

/// What may go wrong with any request, by the table of `domain::fly::judge`.
const FAULTS: [Fault; 20] = [
    Fault::Status(400),
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(408),
    Fault::Status(409),
    Fault::Status(412),
    Fault::Status(422),
    Fault::Limited(None),
    Fault::Limited(Some(1)),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::StatusAfter(500),
    Fault::StatusAfter(504),
    Fault::Cut,
    Fault::LostAnswer,
    Fault::Hangs,
    Fault::HalfAnswer,
    Fault::Garbled,
];

/// A life with this fault at this request of it; the server may end right after it.
async fn life(fault: Fault, at: u32, ends: bool) -> bool {
    let town = Town::new();
    town.model.act(|fly| fly.faults.later("* /**", at, fault));
    let mut belief = Belief::default();
    let forgets = |belief: &mut Belief| {
        if ends && town.model.look(|fly| fly.faults.is_spent()) {
            *belief = Belief::default();
        }
    };
    let first = town.insist(&mut belief, 1).await;
    forgets(&mut belief);
    let second = town.insist(&mut belief, first + 1).await;
    forgets(&mut belief);
    town.leases_run_out();
    town.insist_gone(&mut belief, &[second], second).await;
    forgets(&mut belief);
    // What one look says is believed after another: an answer of absence may be wrong once.
    let mut anew = Belief::default();
    town.insist_gone(&mut anew, &[second], second).await;
    assert_eq!(
        town.machines(),
        [format!("generation-{second}")],
        "{fault:?} at {at}"
    );
    town.insist_gone(&mut anew, &[], second).await;
    town.insist_gone(&mut Belief::default(), &[], second).await;
    // Fly finds it no more, and takes it down.
    let gone = |fly: &nestling_world::fly::State| fly.left_over("acme").is_empty();
    let what = format!("all of it gone after {fault:?} at {at}");
    town.model.until(&what, gone).await.unwrap();
    let spent = town.model.look(|fly| fly.faults.is_spent());
    town.finish();
    spent
}

#[tokio::test]
async fn any_fault_at_any_request_ends_in_the_same_world_as_none() {
    let lives = async |fault: Fault, ends: bool| {
        let mut at = 0;
        while life(fault, at, ends).await {
            at += 1;
        }
        assert!(at >= 18, "{fault:?}: a life has more than {at} requests");
    };
    // Beside each other: most of the time somebody waits for an answer that does not come.
    let each = FAULTS
        .iter()
        .flat_map(|fault| [(*fault, false), (*fault, true)]);
    futures::future::join_all(each.map(|(fault, ends)| lives(fault, ends))).await;
}

#[tokio::test]
async fn what_fly_says_of_a_token_of_room_and_of_an_image_reaches_people() {
    let town = Town::new();
    town.model.act(|fly| {
        for region in ["ams", "fra"] {
            fly.set_capacity(region, Some(0)).unwrap();
        }
    });
    let none = town.ensure(&mut Belief::default(), 1).await;
    let Err(GaveUp::NoCapacity(said)) = &none else {
        panic!("{none:?}");
    };
    assert_eq!(said.len(), 2, "{said:?}");
    town.model.act(|fly| {
        fly.set_capacity("ams", None).unwrap();
        fly.remove_image(IMAGE);
    });
    let missing = town.ensure(&mut Belief::default(), 1).await;
    assert!(
        matches!(&missing, Err(GaveUp::Refused(Refusal::Invalid(said))) if said.contains("manifest")),
        "{missing:?}"
    );
    let stranger = town.model.act(|fly| {
        fly.create_organisation("other");
        fly.issue_token("other")
    });
    let base = format!("{}/v1", town.model.base());
    let theirs = Fly::new(&base, ("acme", Zeroizing::new(stranger)), SERVER).unwrap();
    let order = Ensure {
        server: SERVER,
        environment: &town.environment,
        generation: Generation(1),
        regions: &town.regions,
        addresses: &[],
        disk: None,
    };
    let (mut belief, order) = (Belief::default(), Order::Ensure(order));
    let never = std::future::pending();
    let refused = theirs
        .carry_out(&town.subject(), &mut belief, &order, never)
        .await;
    assert!(
        matches!(&refused, Some(Err(GaveUp::Refused(Refusal::NotAllowed(_))))),
        "{refused:?}"
    );
    assert!(!format!("{theirs:?}").contains(theirs.token.as_str()));
}
