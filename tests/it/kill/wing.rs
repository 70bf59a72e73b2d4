//! The Wing sample, whose state two instances cannot share: the older one goes before the new one starts. Its
//! deployments take seconds, so that one of them is killed in several phases.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
};

use super::{Died, Moment, Storm, TOO_LATE, kills, number};
use crate::{
    kept,
    server::{FIRST, SOON, sample},
    sight::{self, Machine},
};

/// How many of all kills are the Wing sample's: whole rounds of six, each of two deployments.
pub(super) fn share(kills: usize) -> usize {
    (kills * 3 / 10).div_ceil(6) * 6
}

/// The app prepares itself by this; it waits in the midst of it when this commit is to be met there.
const SETUP: &str = r#"
say() { n=$1; while [ "$n" -le "$2" ]; do echo "install line $n"; n=$((n + 1)); done; }
say 1 20
if [ "$(cat hold.txt)" = install ]; then touch at-install; while [ ! -e go ]; do sleep 0.02; done; fi
say 21 40
"#;

/// One more test, which says as much.
const TEST: &str = r#"
test "a test says its lines" {
  for n in 1..41 {
    log("test line {n}");
  }
}
"#;

fn repository(folder: &Path) -> PathBuf {
    let path = sample("wing-shop", folder);
    let main = fs::read_to_string(path.join("main.w")).unwrap();
    fs::write(path.join("main.w"), main + TEST).unwrap();
    fs::write(path.join("wing.sh"), SETUP).unwrap();
    fs::write(path.join("hold.txt"), "nothing").unwrap();
    path
}

#[test]
fn kill_inside_every_phase_of_the_wing_sample_and_nothing_is_lost() {
    let rounds = share(kills()) / 6;
    if rounds == 0 {
        return;
    }
    let mut storm = Storm::begin("local/wing-shop", repository);
    for round in 1..=rounds {
        storm.round(round, rounds);
    }
    storm.kept(&["install", "test"], &[]);
    for cache in fs::read_dir(storm.server.data.join("machines/cache")).unwrap() {
        kept::keep(&cache.unwrap().path());
    }
}

impl Storm {
    /// Six kills: three in a first deployment, two in the one that replaces it, one while that is stopped.
    fn round(&mut self, round: usize, rounds: usize) {
        let name = self.production();
        let first = self.begun(&name, round);
        let machine = self.machine("production", first);
        self.in_phase(Moment::Install, "deploying", &machine, |storm, machine| {
            storm.waits(machine, "install") || storm.runs(machine, "npm install")
        });
        if round > 1 {
            self.let_go(&machine);
        }
        self.in_phase(Moment::Test, "running-tests", &machine, |storm, machine| {
            storm.runs(machine, "wing.mjs test")
        });
        self.in_phase(Moment::Start, "starting", &machine, |storm, machine| {
            let served =
                sight::folder(&storm.server.data, machine).join("work/control/wing-served.json");
            storm.runs(machine, "wing.mjs serve") && !served.exists()
        });
        self.runs_whole(&name, first);
        let second = self.replaced(&name, first);
        let last = self.stopped_in_its_midst(&name, second);
        if round < rounds {
            self.order("start", &name);
            self.runs_whole(&name, last + 1);
        }
    }

    /// The first deployment of a round: at first it installs Wing itself, later it waits while it is set up.
    fn begun(&mut self, name: &str, round: usize) -> u32 {
        if round > 1 {
            self.commit_held("install");
            return self.next(name);
        }
        self.server
            .until("its first deployment begins", SOON, |server| {
                let folders = sight::folders(&server.data);
                number(&server.view(name)["next"]) == Some(1) && !folders.is_empty()
            });
        1
    }

    /// Kills in a phase; all that runs goes on under the next server.
    fn in_phase(
        &mut self,
        moment: Moment,
        status: &str,
        machine: &Machine,
        inside: impl Fn(&Self, &Machine) -> bool,
    ) {
        let name = self.production();
        let died = self.kill(
            &name,
            moment,
            |view| view["status"] == status,
            |storm| inside(storm, machine),
        );
        assert!(died.met, "{moment:?} was over before the server died");
        self.rise(&name);
        self.adopted("production", &died);
    }

    /// A second deployment takes the place of the first: killed while it is cloned, and while the older one
    /// still answers a request that does not end. The one that was met then.
    fn replaced(&mut self, name: &str, first: u32) -> u32 {
        let mut second = 0;
        let met = (0..TOO_LATE).any(|_| {
            self.commit_big();
            second = self.next(name);
            let new = self.machine("production", second);
            let died = self.kill(
                name,
                Moment::Clone,
                |view| view["status"] == "deploying",
                |storm| storm.clones(&new),
            );
            self.rise(name);
            self.adopted("production", &died);
            died.met
        });
        assert!(met, "each clone was over before the server died");
        let (mut older, mut newer) = (first, second);
        let met = (0..TOO_LATE).any(|turn| {
            if turn > 0 {
                self.commit_held("nothing");
                (older, newer) = (newer, self.next(name));
            }
            let died = self.killed_in_switch(name, older);
            self.runs_whole(name, newer);
            self.finished.insert((name.to_owned(), older.into()));
            died.met
        });
        assert!(met, "each switch was over before the server died");
        newer
    }

    fn killed_in_switch(&mut self, name: &str, older: u32) -> Died {
        let old = self.machine("production", older);
        let _unfinished = self.begin_order(name);
        let died = self.kill(
            name,
            Moment::Switch,
            |view| view["status"] == "starting" && view["serving"].is_null(),
            |storm| storm.lives(&old),
        );
        self.rise(name);
        died
    }

    /// Kills while a person's order to stop is obeyed: the console takes a moment to write what it holds. The
    /// deployment that was met then.
    fn stopped_in_its_midst(&mut self, name: &str, mut generation: u32) -> u32 {
        for _ in 0..TOO_LATE {
            let machine = self.machine("production", generation);
            let alive = sight::alive(&self.server.data).remove(&machine).unwrap();
            // The console may be gone before the order's answer is: it is not waited for.
            let mut order = self.server.begin(&["stop", name]);
            let died = self.kill(
                name,
                Moment::Stop,
                |view| view["status"] == "stopped",
                |_| alive.iter().any(sight::Process::lives),
            );
            let _ = order.wait();
            self.rise(name);
            self.nothing_else_lives();
            assert_eq!(self.server.view(name)["status"], "stopped");
            self.finished.insert((name.to_owned(), generation.into()));
            if died.met {
                return generation;
            }
            self.order("start", name);
            generation += 1;
            self.runs_whole(name, generation);
        }
        panic!("it had stopped each time before the server died");
    }

    fn runs_whole(&mut self, name: &str, generation: u32) {
        // A cold install may still be under way.
        self.server.until("it serves", FIRST, |server| {
            number(&server.view(name)["serving"]) == Some(generation)
        });
        self.converged(name, generation);
        self.whole(name, generation.into(), "deployment", &["install", "test"]);
    }

    /// A request to the shop's API that is never finished.
    fn begin_order(&self, name: &str) -> TcpStream {
        let view = self.server.view(name);
        let endpoints = view["endpoints"].as_array().unwrap();
        let api = endpoints
            .iter()
            .find(|endpoint| endpoint["name"].as_str().unwrap().contains("api"));
        let url = api.unwrap()["url"].as_str().unwrap();
        let label = url.trim_start_matches("http://").split('.').next().unwrap();
        self.server.begin_post(label, "/orders/mug")
    }

    fn runs(&self, machine: &Machine, command: &str) -> bool {
        let alive = sight::alive(&self.server.data);
        let processes = alive.get(machine).into_iter().flatten();
        let mut commands = processes.map(|process| &process.command);
        commands.any(|line| line.contains(command))
    }
}
