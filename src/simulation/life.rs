//! One life of the server: from its start to its end, on a clock that jumps to whatever comes next.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{ids::Timestamp, lifecycle::Times};
use tokio::{runtime::Builder, time::Instant};

use super::{
    bugs::Bug,
    flows, letters,
    machines::SimulatedMachines,
    network, owner, runners, script, seams, settled,
    store::Doubtful,
    world::{Deed, HOOK, Scene, World},
};
use crate::{
    actors::{
        admission::Admission,
        environment::Neighbours,
        environments::Environments,
        github::{GitHubForge, Places, showing::Showing},
        intake::Intake,
        live::Live,
        rest::Rest,
    },
    drivers::{blobs::Blobs, clock, store::Store},
    http::{Addresses, world::Memory},
    messages::{
        environments,
        forge::{self, Arrived, People},
        machines::Size,
        routes::Routes,
    },
    server::adopt,
};

/// Builds at once: few, so that some wait.
const SLOTS: usize = 2;
/// How long a runner may take to say something: short, so that one that never does is noticed while things go wrong.
const LAUNCH: Duration = Duration::from_secs(40);
/// How often somebody looks whether all is as it should be, in milliseconds.
const LOOK: u64 = 5_000;
/// How long all must be so before a run ends.
const STAYS: u64 = 20_000;
/// Within which time all is as it should be once nothing goes wrong, in milliseconds: GitHub's log of webhooks is read every
/// minute, three tries of a deployment take two, and one that never began is given up after two.
const BY_THE_LOG: u64 = 6 * 60_000;
/// The same where GitHub's log lacks a webhook: everything is listed every quarter of an hour.
const BY_LISTING: u64 = 15 * 60_000 + BY_THE_LOG;
/// The same where the App was taken away: that is believed when it was seen twice, which two listings do.
const BY_TWO_LISTINGS: u64 = 15 * 60_000 + BY_LISTING;
/// The same where nothing went wrong but that webhooks did not get through.
const DEAF: u64 = 2 * 60_000;
/// The same where not even GitHub knows of them: the time between two listings, and that of a build.
const FORGOTTEN: u64 = 16 * 60_000;
/// How long a server is away between two lives, in milliseconds.
const AWAY: (u64, u64) = (50, 20_000);

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In the middle of whatever it did.
    Crashed,
    /// All has been told.
    Done,
}

/// The server, as the outside reaches it.
pub(super) struct House {
    pub(super) world: Arc<World>,
    pub(super) environments: environments::Handle,
    pub(super) intake: Addr<Intake>,
    pub(super) store: Arc<dyn Store>,
}

/// Runs the server until it ends.
pub(super) fn live(world: &Arc<World>) -> End {
    let paused = || {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let from = clock::now();
    let system = System::with_tokio_rt(paused);
    world.revive();
    let (end, until) = system.block_on(async {
        clock::simulated::run(from);
        let end = tokio::select! {
            biased;
            () = world.ended() => End::Crashed,
            end = whole(world) => end,
        };
        (end, clock::now())
    });
    clock::simulated::stand(until);
    // What it still does ends here, wherever it is.
    world.kill();
    drop(system);
    end
}

/// The server is away for a while, and the outside goes on.
pub(super) fn away(world: &Arc<World>) {
    let (least, most) = AWAY;
    let back = Timestamp(clock::now().0 + world.dice().span(least, most));
    while let Some(at) = world.next().filter(|at| *at <= back) {
        clock::simulated::stand(at.max(clock::now()));
        while let Some(deed) = world.due() {
            alone(world, deed);
        }
    }
    clock::simulated::stand(back);
    world.tell("the server starts");
}

async fn whole(world: &Arc<World>) -> End {
    let Some(house) = start(world).await else {
        world.tell("the server does not start: its store says nothing");
        return End::Crashed;
    };
    let (from, since) = (clock::now(), Instant::now());
    loop {
        let next = world.next();
        let until = next.map(|at| since + at.since(from));
        let passes = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = world.changed() => continue,
            () = passes => {}
        }
        while let Some(deed) = world.due() {
            if perform(&house, deed) {
                return End::Done;
            }
        }
    }
}

/// Does what is due; whether the run is over.
fn perform(house: &House, deed: Deed) -> bool {
    let world = &house.world;
    match deed {
        Deed::Letter(letter) => letters::take(house, letter),
        Deed::Turn(key, attempt) => runners::turn(house, key, attempt),
        Deed::Beat(key) => runners::beat(house, key),
        Deed::Echo(echo) => runners::echo(house, echo),
        Deed::Check => return check(world),
        deed @ (Deed::User | Deed::Meeting(_) | Deed::GivenUp(_) | Deed::Death(_) | Deed::Calm) => {
            alone(world, deed);
        }
    }
    false
}

/// Does what is due whether there is a server or not.
fn alone(world: &Arc<World>, deed: Deed) {
    match deed {
        Deed::User => script::act(world),
        Deed::Meeting(kind) => script::meets(world, kind),
        Deed::GivenUp(letter) => world.given_up(&letter),
        Deed::Death(key) if !world.is_calm() => world.end_machine(&key, "it broke"),
        Deed::Death(_) => {}
        Deed::Calm => {
            world.calm_down();
            owner::calms(world);
            world.known().calm = Some(clock::now());
            world.plan(LOOK, Deed::Check);
        }
        Deed::Letter(letter) => world.unanswered(&letter),
        Deed::Turn(key, attempt) => world.turn_alone(key, attempt),
        Deed::Beat(key) => world.beat_alone(key),
        Deed::Echo(_) => {}
        Deed::Check => world.plan(LOOK, Deed::Check),
    }
}

/// Whether all is as it should be, and has been for a while.
fn check(world: &Arc<World>) -> bool {
    let now = clock::now();
    let wrong = settled::unsettled(world);
    let mut known = world.known();
    let calm = known.calm.unwrap_or(now);
    if wrong.is_empty() {
        let since = *known.settled.get_or_insert(now);
        let stays = match world.scene {
            Scene::Flow(flow, _) => flows::stays(&known, flow),
            Scene::Trouble | Scene::Deaf | Scene::Forgotten => STAYS,
        };
        if now.0 - since.0 >= stays {
            drop(known);
            let Scene::Flow(flow, at) = world.scene else {
                return true;
            };
            if !flows::goes_on(world, flow, at) {
                return true;
            }
            world.plan(LOOK, Deed::Check);
            return false;
        }
    } else {
        known.settled = None;
    }
    let within = match world.scene {
        Scene::Deaf | Scene::Forgotten if known.taken.is_some() => BY_TWO_LISTINGS,
        Scene::Deaf if known.suspended.is_none() => DEAF,
        Scene::Deaf | Scene::Forgotten => FORGOTTEN,
        Scene::Flow(..) => BY_THE_LOG,
        Scene::Trouble if known.taken.is_some() => BY_TWO_LISTINGS,
        // While the App is suspended GitHub tells it nothing, and writes down nothing of it.
        Scene::Trouble if known.forgotten > 0 || known.suspended.is_some() => BY_LISTING,
        Scene::Trouble => BY_THE_LOG,
    };
    drop(known);
    if now.0 - calm.0 > within && !wrong.is_empty() {
        world.violate(format!("after {} s: {}", within / 1000, wrong.join("; ")));
    }
    world.plan(LOOK, Deed::Check);
    false
}

/// Everybody starts, as in a server whose forge is GitHub, and takes up what was left.
async fn start(world: &Arc<World>) -> Option<House> {
    let store: Arc<dyn Store> = Arc::new(Doubtful(world.clone()));
    let live = Live::new(1).start();
    let queue = Admission::new(SLOTS, store.clone(), live.clone().recipient()).start();
    let relay = Relay::default().start();
    let client = Arc::new(network::client(world));
    let places = Places {
        data: world.folder.clone(),
        web: "https://github.invalid".to_owned(),
        hook: Some(HOOK.to_owned()),
    };
    let told = relay.clone().recipient();
    let forge = GitHubForge::new(store.clone(), client.clone(), places, told);
    let forge = forge.unwrap().without_git().start();
    let addresses = Addresses {
        scheme: "https".to_owned(),
        dashboard: "nestling.example".to_owned(),
        preview_domain: "preview.example".to_owned(),
    };
    let blobs: Arc<dyn Blobs> = Arc::new(Memory::default());
    let records = (store.clone(), blobs);
    let queued = Admission::handle(&queue);
    let showing = Showing::new(
        client,
        records,
        queued,
        addresses,
        Arc::new(seams::Unsealed),
    )
    .start();
    let seam = seams::Seam {
        world: world.clone(),
        head: forge.clone().recipient(),
        announce: showing.clone().recipient(),
    };
    let seam = seam.start();
    let forge_handle = forge::Handle {
        head: seam.clone().recipient(),
        announce: seam.recipient(),
        pack: forge.clone().recipient(),
        apps_at: forge.clone().recipient(),
        find_apps: forge.clone().recipient(),
        start_waiting: forge.clone().recipient(),
    };
    let mut admission = Admission::handle(&queue);
    if world.has(Bug::PlaceForAll) {
        admission.take = seams::Generous.start().recipient();
    }
    let routes = Routes::default();
    let announce = forge_handle.announce.clone();
    let neighbours = Neighbours {
        store: store.clone(),
        machines: SimulatedMachines::start(world),
        forge: forge_handle,
        admission,
        live: Live::handle(&live),
        routes: routes.clone(),
        traffic: Arc::new(seams::Visitors(world.clone())),
        times: Times {
            launch: LAUNCH,
            ..Times::default()
        },
        reached: "http://*.localhost".to_owned(),
        size: Size {
            memory_mib: 64,
            processes: 10,
            files: 10,
            disk_mib: 10,
        },
        token: Box::new(|_, _| "token".to_owned()),
        places: Box::new(seams::nowhere),
    };
    let environments = Environments::new(neighbours).start();
    let environments = Environments::handle(&environments);
    adopt::adopt(&store, &routes, &seams::nowhere, &queue, &environments)
        .await
        .ok()?;
    let people = People {
        may_write: forge.clone().recipient(),
        see: forge.clone().recipient(),
        head: forge.clone().recipient(),
        announce,
        deleted: showing.clone().recipient(),
        show_again: showing.recipient(),
        look_at: forge.clone().recipient(),
    };
    let asked = (forge.recipient(), Some(people));
    let touch = live.recipient();
    let intake = Intake::new(store.clone(), environments.clone(), asked, touch).start();
    let queued = Admission::handle(&queue);
    Rest::new(store.clone(), environments.clone(), queued, routes).start();
    relay.do_send(To(intake.clone().recipient()));
    Some(House {
        world: world.clone(),
        environments,
        intake,
        store,
    })
}

/// Passes on that something arrived: the forge needs somebody to tell before there is an inbox.
#[derive(Default)]
struct Relay {
    to: Option<Recipient<Arrived>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct To(Recipient<Arrived>);

impl Actor for Relay {
    type Context = Context<Self>;
}

impl Handler<To> for Relay {
    type Result = ();

    fn handle(&mut self, To(recipient): To, _: &mut Self::Context) {
        self.to = Some(recipient);
    }
}

impl Handler<Arrived> for Relay {
    type Result = ();

    fn handle(&mut self, arrived: Arrived, _: &mut Self::Context) {
        if let Some(to) = &self.to {
            to.do_send(arrived);
        }
    }
}
