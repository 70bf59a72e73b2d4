//! The server dies by `kill -9` inside each phase of a deployment, and nothing is lost.
//!
//! No kill is a guess: each waits until the API tells the phase *and* the machine shows that it is in it, and
//! counts only if the machine is still in it once the server is dead.

mod aws;
mod fly;
mod github;
mod node;
mod requests;
mod wing;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    server::{FIRST, SOON, Server, commit, free_port, head, nestling, pause},
    sight::{self, Machine, Process},
};

/// How many kills, of both stories together: more by `NESTLING_KILLS`, for a long run.
fn kills() -> usize {
    std::env::var("NESTLING_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(20)
}

/// Whether this is a long run: somebody said how many.
fn is_long() -> bool {
    std::env::var_os("NESTLING_KILLS").is_some()
}

/// How long a kill that came too late may be tried again, in a row: the machine was quicker.
const TOO_LATE: u32 = 5;
/// Between two looks for the moment of a kill: the shortest of them lasts a hundred times longer.
const LOOK: Duration = Duration::from_millis(3);
/// How many deployments of an environment are kept.
const HISTORY: u64 = 50;
/// How many lines each step of a held app says: half of them before it may wait, half after.
const LINES: usize = 40;
/// Bytes of the file with which a clone takes long enough to be met. Random, or git would make little of it.
const BIG: usize = 24 * 1024 * 1024;

/// The phase that a server is killed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Clone,
    Install,
    Test,
    Start,
    /// The new deployment listens and is not proven yet.
    Switch,
    /// The old deployment still answers what it has begun.
    Drain,
    /// A person has stopped it.
    Stop,
    /// Its branch is deleted.
    Close,
}

/// A server on one repository, to be killed.
struct Storm {
    server: Server,
    repository: PathBuf,
    /// `local/node-notes`.
    app: &'static str,
    began: Instant,
    killed: BTreeMap<Moment, usize>,
    /// What each finished deployment must have said, to be looked for once more at the end.
    finished: BTreeSet<(String, u64)>,
    _folder: tempfile::TempDir,
}

/// What was so when the server died, and was not there to change it.
struct Died {
    /// Whether the machine was still in the phase once the server was dead.
    met: bool,
    alive: BTreeMap<Machine, BTreeSet<Process>>,
    serving: Option<u32>,
    next: Option<u32>,
}

impl Storm {
    fn begin(app: &'static str, prepare: impl FnOnce(&Path) -> PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = prepare(folder.path());
        commit(&repository, "Begin");
        let data = folder.path().join("data");
        let order = ["up", "--repo", repository.to_str().unwrap()];
        let server = Server::start(&order, &data, free_port());
        Storm {
            server,
            repository,
            app,
            began: Instant::now(),
            killed: BTreeMap::new(),
            finished: BTreeSet::new(),
            _folder: folder,
        }
    }

    fn production(&self) -> String {
        format!("{}/production", self.app)
    }

    /// Commits an app whose deployment waits in this step, until it is let go.
    fn commit_held(&self, step: &str) {
        fs::write(self.repository.join("hold.txt"), step).unwrap();
        commit(&self.repository, &format!("Hold {step}"));
    }

    /// Commits something that takes its time to clone.
    fn commit_big(&self) {
        let big = self.repository.join("big.bin");
        let mut random = fs::File::open("/dev/urandom").unwrap();
        let mut bytes = vec![0; BIG];
        std::io::Read::read_exact(&mut random, &mut bytes).unwrap();
        fs::write(&big, bytes).unwrap();
        fs::write(self.repository.join("hold.txt"), "clone").unwrap();
        commit(&self.repository, "Grow");
        // The next commit is small again.
        fs::remove_file(big).unwrap();
    }

    fn machine(&self, kind: &str, generation: u32) -> Machine {
        sight::machine(&self.server.data, kind, generation)
    }

    /// The checkout of a machine.
    fn checkout(&self, machine: &Machine) -> PathBuf {
        sight::folder(&self.server.data, machine).join("work/app")
    }

    /// Whether the machine waits in this step.
    fn waits(&self, machine: &Machine, step: &str) -> bool {
        let checkout = self.checkout(machine);
        checkout.join(format!("at-{step}")).exists() && !checkout.join("go").exists()
    }

    /// Whether the machine is in the midst of its clone.
    fn clones(&self, machine: &Machine) -> bool {
        let checkout = self.checkout(machine);
        checkout.join(".git").exists() && !checkout.join("hold.txt").exists()
    }

    fn lives(&self, machine: &Machine) -> bool {
        sight::alive(&self.server.data).contains_key(machine)
    }

    /// What waits in this machine goes on; nothing where it has gone by itself.
    fn let_go(&self, machine: &Machine) {
        let _ = fs::write(self.checkout(machine).join("go"), "");
    }

    /// `nestling stop`, `nestling start`.
    fn order(&self, what: &str, name: &str) {
        let data = self.server.data.to_str().unwrap();
        let output = nestling(&[what, name, "--data", data]);
        assert!(output.status.success(), "{output:?}");
    }

    /// The deployment of the newest commit, once the API names it as the one on its way.
    fn next(&self, name: &str) -> u32 {
        let newest = head(&self.repository);
        self.server.until("the commit is noticed", SOON, |server| {
            server.view(name)["next"]["commit"]["id"] == *newest
        });
        number(&self.server.view(name)["next"]).unwrap()
    }

    /// Kills the server once `told` is what the API says and `inside` is so.
    fn kill(
        &mut self,
        name: &str,
        moment: Moment,
        told: impl Fn(&Value) -> bool,
        inside: impl Fn(&Self) -> bool,
    ) -> Died {
        let deadline = Instant::now() + FIRST;
        let view = loop {
            let view = self.server.view(name);
            if told(&view) && inside(self) {
                break view;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "{moment:?} was never met: {view:#}");
            pause(LOOK);
        };
        self.server.die();
        let met = inside(self);
        let alive = sight::alive(&self.server.data);
        if met {
            *self.killed.entry(moment).or_default() += 1;
        }
        let since = self.began.elapsed().as_secs_f32();
        println!("{since:>6.1} s: died inside {moment:?} of {name}, met: {met}");
        Died {
            met,
            alive,
            serving: number(&view["serving"]),
            next: number(&view["next"]),
        }
    }

    fn rise(&mut self, name: &str) {
        self.server.rise();
        self.server.until("it answers again", SOON, |server| {
            !server.view(name).is_null()
        });
    }

    /// What served when the server died is untouched, and what was on its way is the same machine.
    fn adopted(&self, kind: &str, died: &Died) {
        let now = sight::alive(&self.server.data);
        for (generation, serves) in [(died.serving, true), (died.next, false)] {
            let Some(machine) = generation.map(|generation| self.machine(kind, generation)) else {
                continue;
            };
            let before = died.alive.get(&machine);
            let before = before.unwrap_or_else(|| panic!("{machine:?} died with the server"));
            let after = now.get(&machine).cloned().unwrap_or_default();
            // What is on its way goes from one command to the next; its runner stays.
            let stays: Vec<_> = before.intersection(&after).collect();
            assert!(!stays.is_empty(), "{machine:?} is another: {after:#?}");
            if serves {
                assert_eq!(&after, before, "{machine:?} serves and was touched");
            }
        }
    }

    /// The newest commit serves as this deployment and no other, and nothing else lives.
    fn converged(&mut self, name: &str, generation: u32) {
        let newest = head(&self.repository);
        let serves = |server: &Server| {
            let view = server.view(name);
            let commit = &view["serving"]["commit"]["id"];
            *commit == *newest && view["next"].is_null() && view["failure"].is_null()
        };
        let what = format!("{name} runs the newest commit as deployment {generation}");
        self.server.until(&what, SOON, serves);
        let serving = number(&self.server.view(name)["serving"]);
        let history = || format!("{:#?}", self.server.deployments(name));
        assert_eq!(
            serving,
            Some(generation),
            "a kill costs none: {}",
            history()
        );
        self.nothing_else_lives();
    }

    /// Every machine, dead or alive, is one that serves.
    fn nothing_else_lives(&self) {
        let expected: BTreeSet<Machine> = self
            .server
            .environments()
            .iter()
            .filter_map(|view| {
                let kind = view["environment"].as_str()?;
                Some(self.machine(kind, number(&view["serving"])?))
            })
            .collect();
        let deadline = Instant::now() + SOON;
        loop {
            let alive = sight::alive(&self.server.data);
            let folders = sight::folders(&self.server.data);
            if alive.keys().eq(&expected) && folders == expected {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(
                !late,
                "expected {expected:?}, found {folders:?} and {alive:#?}"
            );
            pause(LOOK);
        }
    }

    /// Every line of these steps is in the log of a deployment, once and in order.
    fn whole(&self, name: &str, number: u64, log: &str, steps: &[&str]) {
        let what = || format!("the {log} log of deployment {number} of {name} is whole");
        let is_whole = |server: &Server| {
            let lines = server.log(name, number, log);
            let numbered = lines.iter().map(|(n, _)| *n).eq(0..lines.len() as u64);
            numbered && steps.iter().all(|step| said(&lines, step))
        };
        let shown = |server: &Server| format!("{:#?}", server.log(name, number, log));
        let deadline = Instant::now() + SOON;
        while !is_whole(&self.server) {
            let late = Instant::now() >= deadline;
            assert!(!late, "not so: {}\n{}", what(), shown(&self.server));
            pause(LOOK);
        }
    }

    /// Once more at the end, when no line of them is in any memory: the server has died since. What is older than an
    /// environment's history has gone with it, as it should.
    fn kept(&mut self, deployment: &[&str], runtime: &[&str]) {
        self.server.die();
        self.rise(&self.production());
        for (name, number) in &self.finished {
            let newest = self.server.deployments(name)[0]["number"].as_u64();
            if number + HISTORY <= newest.unwrap() {
                continue;
            }
            self.whole(name, *number, "deployment", deployment);
            self.whole(name, *number, "runtime", runtime);
        }
        let since = self.began.elapsed().as_secs_f32();
        println!("{since:>6.1} s: killed inside {:?}", self.killed);
    }
}

/// Whether each line of a step was said, once and in order.
fn said(lines: &[(u64, String)], step: &str) -> bool {
    let start = format!("{step} line ");
    let found = lines.iter().filter_map(|(_, text)| {
        let at = text.find(&start)?;
        text[at + start.len()..].trim().parse::<usize>().ok()
    });
    found.eq(1..=LINES)
}

fn number(deployment: &Value) -> Option<u32> {
    deployment["number"].as_u64()?.try_into().ok()
}
