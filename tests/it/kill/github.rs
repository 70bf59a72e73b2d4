//! GitHub as the forge: the server dies by `kill -9` while GitHub holds a call of it, or a machine is in the midst of something,
//! and what comes out is what comes out without a kill.
//!
//! No kill is a guess: GitHub says that it holds the call, or the machine shows that it waits, before the server is killed.
//! Half of the calls are held after GitHub has done what was asked, half before.

mod seen;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use nestling_world::github::{Change, Fault, Opening, State};

use super::{LOOK, TOO_LATE, kills};
use crate::{
    github::{SHOP, Team},
    server::{SOON, pause},
    sight::{self, Machine},
};

/// As many kills as `make test` makes in each of its stories.
const SHORT: usize = 20;
/// Says what it does, and waits in the midst of it when this commit is to be met there.
const APP: &str = r#"
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const here = (name) => path.join(__dirname, name);
const held = () => fs.readFileSync(here("hold.txt"), "utf8").trim();
function held_at(name, then) {
  if (held() !== name || fs.existsSync(here("go"))) return then();
  fs.writeFileSync(here(`at-${name}`), "");
  setTimeout(() => held_at(name, then), 10);
}
process.on("SIGTERM", () => held_at("stop", () => process.exit(0)));
const server = http.createServer((request, response) => response.end("shop"));
held_at("start", () => server.listen(process.env.PORT, () => fs.writeFileSync(here("listens"), "")));
"#;
const CONFIGURATION: &str = "[start]\nrun = \"node app.js\"\n";

/// What happens to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Opened,
    Pushed,
    Closed,
}

/// When the server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// GitHub holds a call of this route, after so many others of it.
    Held(&'static str, u32),
    /// The machine is made.
    Launch,
    /// The app is about to listen, and does while there is no server.
    Report,
    /// The app of the machine that goes is about to end.
    Removal,
}
use Moment::{Held, Launch, Removal, Report};

const READ: Moment = Held("GET /repos/*/*/pulls/*", 0);
const TOKEN: Moment = Held("POST /app/installations/*/access_tokens", 0);
const COMMENT: Moment = Held("PATCH /repos/*/*/issues/comments/*", 0);
const CHECK: Moment = Held("POST /repos/*/*/check-runs", 0);
const CHECK_ENDS: Moment = Held("PATCH /repos/*/*/check-runs/*", 0);
const DEPLOYMENT: Moment = Held("POST /repos/*/*/deployments", 0);
const STATUS: Moment = Held("POST /repos/*/*/deployments/*/statuses", 0);
const NEXT_STATUS: Moment = Held("POST /repos/*/*/deployments/*/statuses", 1);
const REFS: Moment = Held("GET /acme/shop.git/info/refs", 0);
const PACK: Moment = Held("POST /acme/shop.git/git-upload-pack", 0);

/// Git of a server that was killed goes on for 20 s, and its successor waits for it: one call of it in each story.
const OPENED: [Moment; 13] = [
    READ,
    TOKEN,
    REFS,
    Held("GET /repos/*/*/issues/*/comments", 0),
    Held("POST /repos/*/*/issues/*/comments", 0),
    COMMENT,
    CHECK,
    CHECK_ENDS,
    DEPLOYMENT,
    STATUS,
    NEXT_STATUS,
    Launch,
    Report,
];
const PUSHED: [Moment; 12] = [
    READ,
    TOKEN,
    PACK,
    COMMENT,
    CHECK,
    CHECK_ENDS,
    DEPLOYMENT,
    STATUS,
    NEXT_STATUS,
    Launch,
    Report,
    Removal,
];
const CLOSED: [Moment; 5] = [READ, TOKEN, COMMENT, STATUS, Removal];

/// A team whose server is killed.
struct Storm {
    team: Team,
    began: Instant,
    /// What a flow ends in where nobody is killed.
    expected: BTreeMap<Flow, Vec<String>>,
    met: BTreeMap<(Flow, Moment), u32>,
}

/// A pull request.
struct Pull {
    number: u64,
    branch: String,
    /// Oldest first; each was deployed once.
    commits: Vec<String>,
}

impl Pull {
    fn kind(&self) -> String {
        format!("pr-{}", self.number)
    }

    fn name(&self) -> String {
        format!("{SHOP}/{}", self.kind())
    }
}

#[test]
fn kill_while_a_pull_request_is_opened_and_closed_and_github_shows_the_same() {
    let mut storm = Storm::begin();
    let pull = storm.opened(None);
    storm.closed(&pull, None);
    for (number, (round, moment)) in rounds(&OPENED).enumerate() {
        let mut pull = storm.opened(Some((moment, round)));
        for _ in 1..TOO_LATE {
            if storm.has_met(Flow::Opened, moment) {
                break;
            }
            storm.closed(&pull, None);
            pull = storm.opened(Some((moment, round)));
        }
        let closes = rounds(&CLOSED).nth(number);
        storm.closed(&pull, closes.map(|(round, moment)| (moment, round)));
    }
    storm.ends(&[(Flow::Opened, &OPENED[..]), (Flow::Closed, &CLOSED[..])]);
}

#[test]
fn kill_while_a_commit_takes_the_place_of_another_and_github_shows_the_same() {
    let mut storm = Storm::begin();
    let mut pull = storm.opened(None);
    storm.pushed(&mut pull, None);
    for (round, moment) in rounds(&PUSHED) {
        for _ in 0..TOO_LATE {
            storm.pushed(&mut pull, Some((moment, round)));
            if storm.has_met(Flow::Pushed, moment) {
                break;
            }
        }
    }
    storm.closed(&pull, None);
    storm.ends(&[(Flow::Pushed, &PUSHED[..])]);
}

/// Each moment with a number that is odd every second time, and the other way round when a long run comes to it again.
fn rounds(moments: &[Moment]) -> impl Iterator<Item = (usize, Moment)> {
    let times = kills().div_ceil(SHORT);
    (0..times).flat_map(move |time| {
        let of_it = moments.iter().copied().enumerate();
        of_it.map(move |(at, moment)| (time + at, moment))
    })
}

impl Storm {
    /// An app that runs in production.
    fn begin() -> Self {
        let team = Team::new();
        team.act(|state| {
            state.allow_all_writes();
            Ok(())
        });
        let main = team.act(|state| state.push(SHOP, "main", "ann", &files("nothing", "main")));
        let (status, app) = team.add_app();
        assert_eq!((status, &app["kind"]), (201, &"any".into()), "{app}");
        team.serves(&format!("{SHOP}/production"), &main);
        Storm {
            team,
            began: Instant::now(),
            expected: BTreeMap::new(),
            met: BTreeMap::new(),
        }
    }

    /// A pull request is opened, until its preview runs.
    fn opened(&mut self, kill: Option<(Moment, usize)>) -> Pull {
        let branch = format!("side-{}", self.began.elapsed().as_nanos());
        let files = files(held_in(kill), &branch);
        self.order(kill);
        let (number, head) = self.team.act(|state| {
            let head = state.push(SHOP, &branch, "ann", &files)?;
            let number = state.open_pull_request(SHOP, Opening::of(&branch, "ann"))?;
            Ok((number, head))
        });
        let pull = Pull {
            number,
            branch,
            commits: vec![head],
        };
        self.dies(Flow::Opened, &pull, kill);
        self.comes_out_the_same(Flow::Opened, &pull);
        pull
    }

    /// A commit is pushed, until that runs.
    fn pushed(&mut self, pull: &mut Pull, kill: Option<(Moment, usize)>) {
        self.hold_the_end(pull, kill);
        let files = files(held_in(kill), &format!("{}", pull.commits.len()));
        self.order(kill);
        let head = self
            .team
            .act(|state| state.push(SHOP, &pull.branch, "ann", &files));
        pull.commits.push(head);
        self.dies(Flow::Pushed, pull, kill);
        self.comes_out_the_same(Flow::Pushed, pull);
    }

    /// A pull request is closed, until nothing of it is left.
    fn closed(&mut self, pull: &Pull, kill: Option<(Moment, usize)>) {
        self.hold_the_end(pull, kill);
        self.order(kill);
        self.team.act(|state| state.close(SHOP, pull.number, "ann"));
        self.dies(Flow::Closed, pull, kill);
        self.comes_out_the_same(Flow::Closed, pull);
    }

    /// GitHub is to hold the call, where it is one.
    fn order(&self, kill: Option<(Moment, usize)>) {
        let Some((Held(route, passed), round)) = kill else {
            return;
        };
        let fault = if round.is_multiple_of(2) {
            Fault::Hangs
        } else {
            Fault::NoAnswer
        };
        self.team.act(|state| {
            if route.contains("access_tokens") {
                state.revoke_tokens();
            }
            state.faults.later(route, passed, fault);
            Ok(())
        });
    }

    /// What runs waits when it is told to end.
    fn hold_the_end(&self, pull: &Pull, kill: Option<(Moment, usize)>) {
        if let Some((Removal, _)) = kill {
            let checkout = self.checkout(&self.machine(pull, pull.commits.len()));
            fs::write(checkout.join("hold.txt"), "stop").unwrap();
            // It may have waited at its start, and gone on.
            let _ = fs::remove_file(checkout.join("go"));
        }
    }

    /// The server dies at this moment, and starts again.
    fn dies(&mut self, flow: Flow, pull: &Pull, kill: Option<(Moment, usize)>) {
        let Some((moment, round)) = kill else {
            return;
        };
        let deployments = pull.commits.len();
        let new = self.machine(pull, deployments);
        let goes = match flow {
            Flow::Opened | Flow::Closed => new.clone(),
            Flow::Pushed => self.machine(pull, deployments - 1),
        };
        let deadline = Instant::now() + SOON;
        let mut met = false;
        // What is over without this call will not make it any more.
        while !met && !self.is_over(flow, pull) {
            assert!(
                Instant::now() < deadline,
                "{flow:?} is not over, nor at {moment:?}"
            );
            pause(LOOK);
            // Its environment has a folder from its first machine on.
            let new = self.machine(pull, deployments);
            met = match moment {
                Held(..) => self.team.github.look(|state| state.faults.is_spent()),
                Launch => sight::folder(&self.team.server.data, &new).exists(),
                Report => self.waits(&new, "start"),
                Removal => self.waits(&goes, "stop"),
            };
        }
        self.team.server.die();
        self.team.github.act(|state| state.faults.clear());
        let since = self.began.elapsed().as_secs_f32();
        let told = if met { "died" } else { "came too late" };
        println!(
            "{since:>6.1} s: {flow:?} of {}: {told} at {moment:?}",
            pull.kind()
        );
        *self.met.entry((flow, moment)).or_default() += u32::from(met);
        let new = self.machine(pull, deployments);
        let alone = round.is_multiple_of(2);
        if met && moment == Report {
            self.goes_on(&new);
            let listens = self.checkout(&new).join("listens");
            self.until("the app listens to nobody", |_| listens.exists());
        }
        if met && moment == Removal && alone {
            self.goes_on(&goes);
        }
        self.team.server.rise();
        self.team.server.until("it answers again", SOON, |server| {
            !server.view(&pull.name()).is_null() || flow == Flow::Opened
        });
        if met && moment == Removal && !alone {
            self.goes_on(&goes);
        }
    }

    fn has_met(&self, flow: Flow, moment: Moment) -> bool {
        self.met.get(&(flow, moment)).is_some_and(|met| *met > 0)
    }

    fn is_over(&self, flow: Flow, pull: &Pull) -> bool {
        let shown = self.on_github(pull);
        let expected = &self.expected[&flow];
        shown.iter().all(|line| expected.contains(line)) && shown.len() + 1 == expected.len()
    }

    /// The world is as it is where nobody was killed; the first to come so far says how that is.
    fn comes_out_the_same(&mut self, flow: Flow, pull: &Pull) {
        let Some(expected) = self.expected.get(&flow) else {
            self.until("the first is right", |storm| storm.is_right(flow, pull));
            let seen = self.seen(pull);
            println!("{flow:?}:\n{}", seen.join("\n"));
            self.expected.insert(flow, seen);
            return;
        };
        let deadline = Instant::now() + SOON;
        loop {
            let seen = self.seen(pull);
            if seen == *expected {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(
                !late,
                "expected\n{}\nfound\n{}",
                expected.join("\n"),
                seen.join("\n")
            );
            pause(LOOK);
        }
    }

    fn checkout(&self, machine: &Machine) -> PathBuf {
        sight::folder(&self.team.server.data, machine).join("work/app")
    }

    fn waits(&self, machine: &Machine, step: &str) -> bool {
        let checkout = self.checkout(machine);
        checkout.join(format!("at-{step}")).exists() && !checkout.join("go").exists()
    }

    /// What waits in this machine goes on; nothing where it has gone by itself.
    fn goes_on(&self, machine: &Machine) {
        let _ = fs::write(self.checkout(machine).join("go"), "");
    }

    fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !so(self) {
            assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
            pause(LOOK);
        }
    }

    /// Nothing is left, nothing was said twice, and each moment was met.
    fn ends(self, flows: &[(Flow, &[Moment])]) {
        self.until("what is closed is at rest", |storm| {
            let all = storm.team.server.environments();
            let closed = all.iter().filter(|one| one["environment"] != "production");
            let mut machines = sight::folders(&storm.team.server.data).into_iter();
            closed.into_iter().all(|one| one["status"] == "stopped")
                && machines.all(|(name, _)| name.ends_with("-production"))
        });
        let left = self.team.github.look(State::finish);
        left.unwrap();
        let doubled = self.team.github.look(State::doubled_comments);
        assert!(doubled.is_empty(), "{doubled:?}");
        let all = flows.iter();
        let all = all.flat_map(|(flow, moments)| moments.iter().map(|moment| (*flow, *moment)));
        let missed: Vec<_> = all
            .filter(|at| self.met.get(at).is_none_or(|met| *met == 0))
            .collect();
        let since = self.began.elapsed().as_secs_f32();
        println!("{since:>6.1} s: died at {:?}", self.met);
        assert!(missed.is_empty(), "the server never died at {missed:?}");
    }
}

/// In which step the app of a commit waits.
fn held_in(kill: Option<(Moment, usize)>) -> &'static str {
    match kill {
        Some((Report, _)) => "start",
        _ => "nothing",
    }
}

/// The app, and something that makes each commit another one.
fn files(held: &str, unlike: &str) -> [Change; 4] {
    [
        Change::file("unlike.txt", unlike),
        Change::file("hold.txt", held),
        Change::file("app.js", APP),
        Change::file("nestling.toml", CONFIGURATION),
    ]
}
