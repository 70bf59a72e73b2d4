//! Machines at Fly: the server dies by `kill -9` while Fly holds a request of it, before or after Fly has done what was asked, and
//! what comes out is what comes out without a kill: the same deployment, one machine, and nothing of what is over.
//!
//! No kill is a guess: Fly says that it holds the request before the server is killed.

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use nestling_world::fly::{Fault, Model};

use super::{LOOK, is_long, number};
use crate::{
    fly::{There, first, fly, of_others, settings, there_of},
    server::{SOON, Server, commit, free_port, get, git, pause, quiet_site},
};

/// A request of this route, after so many others of it.
type Moment = (&'static str, u32);

/// The requests that make a preview, the most harmful first: `make test` tells the first two of each, `make kills` all.
const OPENED: [Moment; 7] = [
    ("POST /apps/*/machines", 0),
    ("POST /apps/*/secrets", 0),
    ("GET /apps/*", 0),
    ("POST /apps", 0),
    ("POST /apps/*/ip_assignments", 0),
    ("POST /apps/*/machines/*/lease", 0),
    ("POST /apps/*/machines/*/uncordon", 0),
];
/// Those that put another machine in the place of one: the second lease is that of the older machine, and the second request about
/// secrets removes its own.
const PUSHED: [Moment; 8] = [
    ("DELETE /apps/*/machines/*", 0),
    ("POST /apps/*/machines", 0),
    ("POST /apps/*/secrets", 0),
    ("POST /apps/*/machines/*/lease", 0),
    ("POST /apps/*/machines/*/uncordon", 0),
    ("POST /apps/*/machines/*/lease", 1),
    ("GET /apps/*/machines/*/wait", 0),
    ("POST /apps/*/secrets", 1),
];
/// Those that remove all of it, and see that it is gone.
const CLOSED: [Moment; 3] = [
    ("DELETE /apps/*", 0),
    ("GET /apps/*", 0),
    ("GET /apps/*/machines", 0),
];
/// How long it may take until nothing shows that the server died: a machine that does not show is listed again for a minute, and what
/// fails is tried again after 30 s.
const COMES_OUT: Duration = Duration::from_mins(2);

/// Between two looks at what comes out, which are requests of the server that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// At which request the server dies, and whether Fly has done it.
type Kill = (Moment, Fault);

/// A server on a site, with machines at Fly.
struct Storm {
    server: Server,
    fly: Model,
    /// What a developer works in.
    clone: PathBuf,
    port: u16,
    began: Instant,
    /// Pull requests so far.
    pulls: u32,
    _folder: tempfile::TempDir,
}

/// A pull request.
struct Pull {
    number: u32,
    /// Oldest first; each is deployed once.
    commits: Vec<String>,
}

/// What can be seen of a preview: from the server, and at Fly.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: String,
    serving: Option<u32>,
    commit: String,
    /// Nothing is on its way, and nothing has failed.
    is_quiet: bool,
    deployments: usize,
    at_fly: Option<There>,
}

impl Pull {
    fn branch(&self) -> String {
        format!("side-{}", self.number)
    }

    fn name(&self) -> String {
        format!("local/site/pr-{}", self.number)
    }

    /// The newest commit runs, as the only one, and none was deployed twice.
    fn running(&self) -> Seen {
        let count = self.commits.len();
        let machine = format!("generation-{count} started");
        let secret = format!("NESTLING_GENERATION_{count}");
        Seen {
            status: "running".to_owned(),
            serving: u32::try_from(count).ok(),
            commit: self.commits[count - 1].clone(),
            is_quiet: true,
            deployments: count,
            at_fly: first(&[&machine], &[&secret]),
        }
    }

    /// Nothing is left but its history.
    fn over(&self) -> Seen {
        Seen {
            status: "stopped".to_owned(),
            serving: None,
            commit: String::new(),
            is_quiet: true,
            deployments: self.commits.len(),
            at_fly: None,
        }
    }
}

#[test]
fn kill_while_fly_holds_a_request_and_the_same_machines_come_of_it() {
    let mut storm = Storm::begin();
    let theirs = of_others(&storm.fly);
    let (opened, pushed, closed) = (kills(&OPENED), kills(&PUSHED), kills(&CLOSED));
    let rounds = opened.len().max(pushed.len()).max(closed.len());
    for round in 0..rounds {
        let mut pull = storm.opened(opened.get(round));
        storm.pushed(&mut pull, pushed.get(round));
        storm.closed(&pull, closed.get(round));
    }
    assert_eq!(
        of_others(&storm.fly),
        theirs,
        "nothing of others is touched"
    );
    storm.fly.look(|fly| {
        let ours = fly.apps.keys().filter(|name| name.starts_with("nestling-"));
        let ours: Vec<&String> = ours.collect();
        assert!(
            ours.len() == 1 && ours[0].contains("-production-"),
            "{ours:?}"
        );
        assert_eq!(fly.ledger.unleased_changes(), Vec::<String>::new());
        fly.finish().unwrap();
    });
}

/// Each moment before and after Fly has done it; where there is no time for that the first after, and the second before.
fn kills(moments: &[Moment]) -> Vec<Kill> {
    let ways = [Fault::Hangs, Fault::NoAnswer];
    if is_long() {
        let each = moments
            .iter()
            .flat_map(|moment| ways.map(|way| (*moment, way)));
        return each.collect();
    }
    moments.iter().copied().zip(ways).collect()
}

impl Storm {
    /// A site that runs in production.
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (fly, token) = fly(folder.path());
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, token).unwrap();
        let repository = quiet_site(folder.path());
        let origin = repository.to_str().unwrap();
        git(folder.path(), &["clone", "--quiet", origin, "clone"]);
        let (data, port) = (folder.path().join("data"), free_port());
        let settings = settings(&fly, &token_file, port);
        let order = ["up", "--repo", origin];
        let server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
        server.until("production runs", SOON, |server| {
            server.status("local/site/production").0 == "running"
        });
        Storm {
            server,
            fly,
            clone: folder.path().join("clone"),
            port,
            began: Instant::now(),
            pulls: 0,
            _folder: folder,
        }
    }

    /// A pull request is opened, until its preview runs.
    fn opened(&mut self, kill: Option<&Kill>) -> Pull {
        self.pulls += 1;
        let mut pull = Pull {
            number: self.pulls,
            commits: Vec::new(),
        };
        let branch = pull.branch();
        let from_main = ["checkout", "--quiet", "-b", &branch, "origin/main"];
        git(&self.clone, &from_main);
        self.deployed(&mut pull, kill);
        pull
    }

    /// A commit is pushed, until that runs.
    fn pushed(&mut self, pull: &mut Pull, kill: Option<&Kill>) {
        self.deployed(pull, kill);
    }

    fn deployed(&mut self, pull: &mut Pull, kill: Option<&Kill>) {
        self.order(kill);
        let message = format!("Change {} of {}", pull.commits.len() + 1, pull.branch());
        pull.commits.push(commit(&self.clone, &message));
        git(&self.clone, &["push", "--quiet", "origin", &pull.branch()]);
        self.dies(pull, kill);
        self.comes_out(pull, &pull.running());
        let host = format!("pr-{}--site.localhost", pull.number);
        let page = get(&host, self.port, "/");
        assert_eq!(page, (200, "a quiet site".to_owned()));
    }

    /// Its branch is deleted, until nothing of it is left.
    fn closed(&mut self, pull: &Pull, kill: Option<&Kill>) {
        self.order(kill);
        let branch = pull.branch();
        git(
            &self.clone,
            &["push", "--quiet", "origin", "--delete", &branch],
        );
        self.dies(pull, kill);
        self.comes_out(pull, &pull.over());
    }

    /// Fly is to hold the request.
    fn order(&self, kill: Option<&Kill>) {
        if let Some(((route, passed), way)) = kill {
            self.fly.act(|fly| fly.faults.later(route, *passed, *way));
        }
    }

    /// The server dies while Fly holds the request, and starts again.
    fn dies(&mut self, pull: &Pull, kill: Option<&Kill>) {
        let Some(kill) = kill else {
            return;
        };
        let deadline = Instant::now() + SOON;
        while !self.fly.look(|fly| fly.faults.is_spent()) {
            let late = Instant::now() >= deadline;
            assert!(!late, "never at {kill:?}: {:?}", self.seen(pull));
            pause(LOOK);
        }
        self.server.die();
        let since = self.began.elapsed().as_secs_f32();
        println!("{since:>6.1} s: died at {kill:?} of {}", pull.name());
        self.server.rise();
        self.server.until("it answers again", SOON, |server| {
            server.text("/healthz").is_some()
        });
    }

    /// Until the preview is so, whatever happened to the server.
    fn comes_out(&self, pull: &Pull, expected: &Seen) {
        let deadline = Instant::now() + COMES_OUT;
        loop {
            let seen = self.seen(pull);
            if seen == *expected {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "expected\n{expected:#?}\nfound\n{seen:#?}");
            pause(LOOK_AGAIN);
        }
    }

    fn seen(&self, pull: &Pull) -> Seen {
        let view = self.server.view(&pull.name());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Seen {
            status: text(&view["status"]),
            serving: number(&view["serving"]),
            commit: text(&view["serving"]["commit"]["id"]),
            is_quiet: view["next"].is_null() && view["failure"].is_null(),
            deployments: self.server.deployments(&pull.name()).len(),
            at_fly: self.fly.look(|fly| there_of(fly, pull.number)),
        }
    }
}
