//! Thousands of environments at a Fly of whose answers every fifth is wrong, with a server that ends now and then: in the end there is what is wanted, and
//! nothing else; and nothing that was wanted ever went.

mod bug;
mod life;
mod sky;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nestling_domain::ids::Timestamp;
use tokio::{runtime::Builder, select, task::JoinHandle, time::sleep};

use self::{
    life::{End, House, Life},
    sky::{DAWN, Line, Sky},
};
use super::*;
use crate::{
    drivers::{clock, store::sqlite::Sqlite},
    simulation::dice::Dice,
};

/// Environments of every run of the tests.
const ENVIRONMENTS: u32 = 2_000;
/// How many of a hundred answers are wrong.
const WRONG: u8 = 20;
/// How many environments begin in a minute: Fly lets an organisation remove a hundred apps in one.
const A_MINUTE: u32 = 60;
/// How long a server lives, in milliseconds.
const LIVES: (u64, u64) = (20 * 60_000, 90 * 60_000);
/// How long nothing is wrong any more before all is looked at: as long as the sweeper needs, which looks into few apps at a time.
const CALM: Duration = Duration::from_mins(45);

/// The identity of all servers of a run: they follow each other.
const SERVER: &str = "nestling-a1b2";

/// A server: it ends, and another one follows.
struct Server {
    cut: Arc<AtomicBool>,
}

impl Server {
    fn start(sky: &Arc<Sky>, store: &Arc<dyn Store>, keys: &Arc<RunnerKeys>) -> (Self, Handle) {
        let cut = Arc::new(AtomicBool::new(false));
        let line = Line {
            sky: sky.clone(),
            cut: cut.clone(),
        };
        let token = Zeroizing::new(sky.token.clone());
        let base = "http://fly.invalid/v1";
        let fly = Arc::new(Fly::over(Box::new(line), base, ("acme", token), SERVER));
        let machines = FlyMachines::new(fly.clone(), plan(), store.clone(), keys.clone());
        let handle = FlyMachines::handle(&machines.start());
        Sweeping::new(Sweeper::new(fly, plan(), store.clone(), true)).start();
        (Server { cut }, handle)
    }

    /// Whatever still works in it hears nothing of Fly any more, and waits for ever.
    fn ends(self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    wrong: Vec<String>,
    /// So many serve, are closed, and were lost by the store.
    ends: [usize; 3],
    /// So many servers lived.
    servers: u32,
    requests: u64,
}

async fn run(seed: u64, environments: u32) -> Came {
    clock::simulated::run(Timestamp(DAWN.unsigned_abs()));
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(RunnerKeys::open(folder.path()).unwrap());
    let sky = Arc::new(Sky::new(seed, WRONG));
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
    let (mut server, handle) = Server::start(&sky, &store, &keys);
    let house = Rc::new(House {
        sky: sky.clone(),
        store: store.clone(),
        machines: RefCell::new(handle),
        server: SERVER.to_owned(),
        serving: RefCell::default(),
    });
    let minutes = u64::from(environments.div_ceil(A_MINUTE));
    let all = (1..=environments).map(|number| Life::new(house.clone(), number, seed));
    let all: Vec<_> = all.map(|life| actix::spawn(life.live(minutes))).collect();
    let mut dice = Dice::new(seed, 0);
    let mut servers = 1;
    let (least, most) = LIVES;
    let mut follows = || {
        let (next, handle) = Server::start(&sky, &store, &keys);
        std::mem::replace(&mut server, next).ends();
        house.follows(handle);
        servers += 1;
    };
    let ended = select! {
        biased;
        ended = to_their_ends(all) => ended,
        () = async {
            loop {
                sleep(Duration::from_millis(dice.span(least, most))).await;
                follows();
            }
        } => Vec::new(),
    };
    sky.fly().faults.storm(0, seed);
    follows();
    sleep(CALM).await;
    for life in &ended {
        life.is_as_it_should();
    }
    sky.strangers_are_there();
    let count = |is: fn(&End) -> bool| ended.iter().filter(|life| is(&life.end)).count();
    Came {
        wrong: sky.wrong(),
        ends: [
            count(|end| matches!(end, End::Serves(_))),
            count(|end| *end == End::Closed),
            count(|end| *end == End::Lost),
        ],
        servers,
        requests: sky.fly().ledger.total(),
    }
}

async fn to_their_ends(lives: Vec<JoinHandle<Life>>) -> Vec<Life> {
    let mut ended = Vec::new();
    for life in lives {
        ended.push(life.await.unwrap());
    }
    ended
}

/// Lets something happen on a clock that jumps to whatever comes next.
fn on_its_own_clock<T>(what: impl Future<Output = T>) -> T {
    let paused = || {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(paused).block_on(what)
}

/// A number that whoever runs this has asked for.
fn asked(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_fleet_at_a_fly_that_is_often_wrong_is_what_is_wanted_and_nothing_else() {
    let environments = asked("NESTLING_FLEET").unwrap_or(ENVIRONMENTS);
    let seed = asked("NESTLING_SEED").unwrap_or(1);
    let came = on_its_own_clock(run(u64::from(seed), environments));
    eprintln!(
        "{environments} environments, {} servers, {} requests to Fly; serving, closed and lost: {:?}",
        came.servers, came.requests, came.ends
    );
    assert!(
        came.wrong.is_empty(),
        "seed {seed}: {}",
        came.wrong.join("\n")
    );
    assert!(came.ends.iter().all(|count| *count > 0), "{:?}", came.ends);
}

#[test]
fn the_same_fleet_fares_the_same() {
    let once = || on_its_own_clock(run(7, 30));
    assert_eq!(once(), once());
}
