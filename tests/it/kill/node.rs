//! The Node sample, which is proven beside the older one and then takes its place.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Moment, Storm, TOO_LATE, kills, number};
use crate::{
    server::{SOON, git, head, sample},
    sight,
};

const MOMENTS: [Moment; 8] = [
    Moment::Clone,
    Moment::Install,
    Moment::Test,
    Moment::Start,
    Moment::Switch,
    Moment::Drain,
    Moment::Stop,
    Moment::Close,
];

/// A step says its lines, and waits in their midst when this commit is to be met in it.
const STEP: &str = r#"
const fs = require("node:fs");
const path = require("node:path");
const here = (name) => path.join(__dirname, name);
const held = fs.readFileSync(here("hold.txt"), "utf8").trim();
const waits = (name) => {
  if (held !== name || fs.existsSync(here("go"))) return false;
  fs.writeFileSync(here(`at-${name}`), "");
  return true;
};
const say = (name, from, to) => { for (let n = from; n <= to; n++) console.log(`${name} line ${n}`); };
async function step(name) {
  say(name, 1, 20);
  while (waits(name)) await new Promise((done) => setTimeout(done, 10));
  say(name, 21, 40);
}
module.exports = { step, waits };
if (require.main === module) step(process.argv[2]);
"#;

/// The sample's server, which says when it starts and stops, and can be unwell.
const START: &str = r#"
const http = require("node:http");
const { step, waits } = require("./step.js");
const create = http.createServer;
http.createServer = (answer) => create((request, response) => {
  if (request.url !== "/" || !waits("switch")) return answer(request, response);
  response.writeHead(503);
  response.end();
});
const exit = process.exit;
process.exit = (code) => step("stop").then(() => exit(code));
step("start").then(() => require("./server.js"));
"#;

fn repository(folder: &Path) -> PathBuf {
    let path = sample("node-notes", folder);
    let package = fs::read_to_string(path.join("package.json")).unwrap();
    let mut package: serde_json::Value = serde_json::from_str(&package).unwrap();
    let scripts = package["scripts"].as_object_mut().unwrap();
    for (name, script) in [("pretest", "node step.js test"), ("start", "node start.js")] {
        scripts.insert(name.to_owned(), script.into());
    }
    fs::write(path.join("package.json"), package.to_string()).unwrap();
    fs::write(path.join("step.js"), STEP).unwrap();
    fs::write(path.join("start.js"), START).unwrap();
    fs::write(path.join("hold.txt"), "nothing").unwrap();
    path
}

#[test]
fn kill_inside_every_phase_of_the_node_sample_and_nothing_is_lost() {
    let mut storm = Storm::begin("local/node-notes", repository);
    let name = storm.production();
    storm.converged(&name, 1);
    let count = kills() - super::wing::share(kills());
    for kill in 0..count {
        let moment = MOMENTS[kill % MOMENTS.len()];
        // Half of the time the app goes on while there is no server.
        let alone = (kill / MOMENTS.len() + kill).is_multiple_of(2);
        let met = (0..TOO_LATE).any(|_| match moment {
            Moment::Stop => storm.stopped(alone),
            Moment::Close => storm.closed(alone),
            Moment::Clone
            | Moment::Install
            | Moment::Test
            | Moment::Start
            | Moment::Switch
            | Moment::Drain => storm.deployed(moment, alone),
        });
        assert!(met, "{moment:?} was over each time before the server died");
    }
    storm.kept(&["test"], &["start", "stop"]);
}

impl Storm {
    /// Kills inside a deployment of a new commit; whether it was met.
    fn deployed(&mut self, moment: Moment, alone: bool) -> bool {
        let name = self.production();
        let old = self.machine(
            "production",
            number(&self.server.view(&name)["serving"]).unwrap(),
        );
        let _unfinished =
            (moment == Moment::Drain).then(|| self.server.begin_post("node-notes", "/api"));
        if moment == Moment::Clone {
            self.commit_big();
        } else {
            self.install_by(moment == Moment::Install);
            self.commit_held(&format!("{moment:?}").to_lowercase());
        }
        let generation = self.next(&name);
        let new = self.machine("production", generation);
        let status = match moment {
            Moment::Clone | Moment::Install => "deploying",
            Moment::Test => "running-tests",
            Moment::Drain => "running",
            Moment::Start | Moment::Switch | Moment::Stop | Moment::Close => "starting",
        };
        let step = format!("{moment:?}").to_lowercase();
        let inside = {
            let (old, new) = (old.clone(), new.clone());
            move |storm: &Self| match moment {
                Moment::Clone => storm.clones(&new),
                Moment::Drain => storm.lives(&old),
                Moment::Install
                | Moment::Test
                | Moment::Start
                | Moment::Switch
                | Moment::Stop
                | Moment::Close => storm.waits(&new, &step),
            }
        };
        let died = self.kill(&name, moment, |view| view["status"] == status, inside);
        if alone {
            self.let_go(&new);
        }
        self.rise(&name);
        if !alone {
            self.adopted("production", &died);
            self.let_go(&new);
        }
        self.converged(&name, generation);
        self.finished.insert((name.clone(), old.1.into()));
        let steps: &[&str] = if moment == Moment::Install {
            &["install", "test"]
        } else {
            &["test"]
        };
        self.whole(&name, generation.into(), "deployment", steps);
        self.whole(&name, generation.into(), "runtime", &["start"]);
        died.met
    }

    /// Whether the next commit runs a script of its own when npm installs it: npm alone takes as long as the rest.
    fn install_by(&self, script: bool) {
        let path = self.repository.join("package.json");
        let package = fs::read_to_string(&path).unwrap();
        let mut package: serde_json::Value = serde_json::from_str(&package).unwrap();
        let scripts = package["scripts"].as_object_mut().unwrap();
        scripts.remove("install");
        if script {
            scripts.insert("install".to_owned(), "node step.js install".into());
        }
        fs::write(path, package.to_string()).unwrap();
    }

    /// Kills while a person's order to stop is obeyed.
    fn stopped(&mut self, alone: bool) -> bool {
        let name = self.production();
        self.commit_held("stop");
        let generation = self.next(&name);
        self.converged(&name, generation);
        self.order("stop", &name);
        let met = self.ended(&name, Moment::Stop, ("production", generation), alone);
        self.order("start", &name);
        self.converged(&name, generation + 1);
        // It runs the same commit, which would wait again when it is replaced.
        self.let_go(&self.machine("production", generation + 1));
        met
    }

    /// Kills while what a deleted branch had is removed.
    fn closed(&mut self, alone: bool) -> bool {
        let name = format!("{}/pr-1", self.app);
        git(&self.repository, &["switch", "--quiet", "--create", "side"]);
        self.commit_held("stop");
        let newest = head(&self.repository);
        self.server.until("the branch is served", SOON, |server| {
            server.serving(&name).0 == newest
        });
        let generation = number(&self.server.view(&name)["serving"]).unwrap();
        git(&self.repository, &["switch", "--quiet", "main"]);
        let order = ["branch", "--quiet", "--delete", "--force", "side"];
        git(&self.repository, &order);
        let met = self.ended(&name, Moment::Close, ("pr-1", generation), alone);
        let machine = sight::folder(&self.server.data, &self.machine("pr-1", generation));
        let state = machine.with_file_name("state");
        self.server
            .until("its data is gone", SOON, |_| !state.exists());
        met
    }

    /// Kills while the app of a stopped environment says its last lines; whether it was met.
    fn ended(
        &mut self,
        name: &str,
        moment: Moment,
        (kind, generation): (&str, u32),
        alone: bool,
    ) -> bool {
        let machine = self.machine(kind, generation);
        let waits = |storm: &Self| storm.waits(&machine, "stop") && storm.lives(&machine);
        let died = self.kill(name, moment, |view| view["status"] == "stopped", waits);
        if alone {
            self.let_go(&machine);
        }
        self.rise(name);
        self.let_go(&machine);
        self.nothing_else_lives();
        assert_eq!(self.server.view(name)["status"], "stopped");
        self.finished.insert((name.to_owned(), generation.into()));
        died.met
    }
}
