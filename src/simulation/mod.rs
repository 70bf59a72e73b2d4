//! The simulation: the real domain, actors, client and store in simulated time, while GitHub, machines and the disk go wrong and
//! the server ends wherever it may end. Everything follows from a seed (ADR 27).
//!
//! - [`world`] is what outlives the server: time, GitHub, machines, the disk. [`life`] is one life of the server.
//! - [`network`], [`store`], [`machines`], [`seams`] stand between both; there things go wrong, and bugs are planted.
//! - [`script`] is what people do ([`acts`] how often), [`owner`] what is done with the App, [`letters`] what becomes of webhooks,
//!   [`runners`] what happens in machines.
//! - [`oracles`] and [`settled`] read the ledgers of the outside; [`crashes`] says where the server ends.
//! - [`flows`] end it at every single boundary of a story without chance; [`outcome`] is what the world is like afterwards.

mod acts;
mod bugs;
mod crashes;
pub(crate) mod dice;
mod flows;
mod known;
mod letters;
mod life;
mod machines;
mod network;
mod oracles;
mod outcome;
mod owner;
mod runners;
mod saves;
mod script;
mod seams;
mod settled;
mod store;
mod story;
mod tests;
mod world;

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Mutex, Once, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bugs::Bug;
use life::End;
use tempfile::TempDir;
use world::{Scene, World};

use crate::drivers::chance;

/// Lives of a server in one run at most: one more than it can end, and starts that fail.
const LIVES: u32 = 40;

/// What came of one seed.
struct Run {
    seed: u64,
    hash: u64,
    lines: Vec<String>,
    violations: Vec<String>,
    hits: BTreeMap<crashes::Cell, u32>,
    /// The boundaries of a flow that were passed, in order.
    passed: Vec<String>,
    /// What the world is like at the end of a flow.
    end: Vec<String>,
}

impl Run {
    /// For people: what went wrong, and all that led to it.
    fn told(&self) -> String {
        format!(
            "{}\nThe story of seed {}, in seconds since its beginning (`make sim SEED={1}` tells it again):\n{}",
            self.in_short(),
            self.seed,
            self.lines.join("\n"),
        )
    }

    fn in_short(&self) -> String {
        format!(
            "seed {} goes wrong: {}",
            self.seed,
            self.violations.join("; ")
        )
    }
}

/// All that went wrong in short, and the first of it with its story.
fn told(failed: &[Run]) -> String {
    let short: Vec<String> = failed.iter().map(Run::in_short).collect();
    let Some(first) = failed.first().map(Run::told) else {
        return String::new();
    };
    format!("{}\n\n{first}", short.join("\n"))
}

thread_local! {
    /// How often something has panicked on this thread: actors bury it.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |what| {
            PANICS.set(PANICS.get() + 1);
            tell(what);
        }));
    });
}

/// Runs one seed.
fn run(seed: u64, bug: Option<Bug>, scene: Scene) -> Run {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| TempDir::new().unwrap());
    count_panics();
    let panics = PANICS.get();
    chance::simulated::begin(seed);
    let world = World::new(seed, bug, scene, folder.path().to_owned());
    let world = futures::executor::block_on(world);
    script::begin(&world);
    let mut done = false;
    for _ in 0..LIVES {
        done = life::live(&world) == End::Done;
        if done || !world.known().violations.is_empty() {
            break;
        }
        life::away(&world);
    }
    let mut violations = std::mem::take(&mut world.known().violations);
    if !done && violations.is_empty() {
        violations.push(format!("it did not end within {LIVES} lives"));
    }
    // Only where this seed is one of those that are held against GitHub's description.
    violations.append(&mut world.github().ledger.violations);
    if PANICS.get() != panics {
        violations.push("something panicked".to_owned());
    }
    let (hash, lines) = {
        let story = world.story();
        (story.hash(), story.lines().to_vec())
    };
    let hits = std::mem::take(&mut world.crashes().hits);
    let passed = std::mem::take(&mut world.crashes().passed);
    let end = match scene {
        Scene::Flow(..) => outcome::outcome(&world),
        Scene::Trouble | Scene::Deaf | Scene::Forgotten => Vec::new(),
    };
    Run {
        seed,
        hash,
        lines,
        violations,
        hits,
        passed,
        end,
    }
}

/// Failing seeds of which a run tells at most.
const TOLD: usize = 8;

/// What came of many seeds.
struct Runs {
    /// How often the server ended where.
    hits: BTreeMap<crashes::Cell, u32>,
    /// The first seeds that went wrong.
    failed: Vec<Run>,
}

/// Runs seeds on every core.
fn run_all(seeds: u64, scene: Scene) -> Runs {
    let next = AtomicU64::new(0);
    let all = Mutex::new(Runs {
        hits: BTreeMap::new(),
        failed: Vec::new(),
    });
    let work = || {
        while all.lock().unwrap().failed.len() < TOLD {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let run = run(seed, None, scene);
            let mut all = all.lock().unwrap();
            for (cell, count) in &run.hits {
                *all.hits.entry(*cell).or_default() += count;
            }
            if !run.violations.is_empty() {
                all.failed.push(run);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut all = all.into_inner().unwrap();
    all.failed.sort_by_key(|run| run.seed);
    all
}
