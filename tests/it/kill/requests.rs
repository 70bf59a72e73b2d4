//! The server dies by `kill -9` while somebody whom it asks holds a request of it, before or after what was asked is done.
//!
//! No kill is a guess: whoever is asked says that it holds the request before the server is killed.

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use nestling_world::{
    aws::{
        self, ACCESS_KEY, Model as Aws, SECRET_KEY,
        dynamodb::{self, Model as Tables, Times},
    },
    fly::{self, Model as Fly},
};

use super::{LOOK, is_long, number};
use crate::{
    aws::{account, nestling},
    fly::{There, first, of_others, settings, there_of},
    server::{SOON, Server, commit, free_port, get, git, pause, quiet_site},
};

/// How long it may take until nothing shows that the server died: a machine that does not show is listed again for a minute, and what
/// fails is tried again after 30 s.
const COMES_OUT: Duration = Duration::from_mins(2);

/// Between two looks at what comes out, which are requests of the server that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What previews know in the cloud, so that a key of KMS is asked for.
const SECRET: &str = "/v1/apps/local/site/secrets/preview/TILL";

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
enum Of {
    Fly,
    Records,
    SecretsAndBlobs,
}

/// A request, after so many others like it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    of: Of,
    request: &'static str,
    passed: u32,
}

/// A request to Fly of this route.
pub(super) const fn fly(request: &'static str, passed: u32) -> Moment {
    let of = Of::Fly;
    Moment {
        of,
        request,
        passed,
    }
}

/// A request to `DynamoDB` for this operation.
pub(super) const fn records(request: &'static str, passed: u32) -> Moment {
    let of = Of::Records;
    Moment {
        of,
        request,
        passed,
    }
}

/// A request to S3 or KMS for this action.
pub(super) const fn aws(request: &'static str, passed: u32) -> Moment {
    let of = Of::SecretsAndBlobs;
    Moment {
        of,
        request,
        passed,
    }
}

/// At which request the server dies, and whether that has been done.
#[derive(Debug, Clone, Copy)]
struct Kill {
    moment: Moment,
    is_done: bool,
}

/// A server on a site, with machines at Fly.
pub(super) struct Storm {
    server: Server,
    fly: Fly,
    /// Where records, secrets and blobs are, unless they are on this box.
    aws: Option<(Aws, Tables)>,
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

/// Each moment before and after it is done; where there is no time for that the first after, and the second before.
fn kills(moments: &[Moment]) -> Vec<Kill> {
    let ways = [true, false];
    let kill = |moment: Moment, is_done| Kill { moment, is_done };
    if is_long() {
        let each = moments.iter();
        return each
            .flat_map(|moment| ways.map(|is_done| kill(*moment, is_done)))
            .collect();
    }
    let first = moments.iter().zip(ways);
    first
        .map(|(moment, is_done)| kill(*moment, is_done))
        .collect()
}

impl Storm {
    /// A site that runs in production, with machines at Fly and all else on this box.
    pub(super) fn at_fly() -> Self {
        Storm::begin(None)
    }

    /// One of which nothing is on this box. Its previews have a secret.
    pub(super) fn in_the_cloud() -> Self {
        let storm = Storm::begin(Some((account(), Tables::start().unwrap())));
        let put = storm
            .server
            .answer("PUT", SECRET, r#"{"value": "hunter2-hunter2"}"#);
        assert_eq!(put.map(|(status, _)| status), Some(204));
        storm
    }

    fn begin(aws: Option<(Aws, Tables)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (fly, token) = crate::fly::fly(folder.path());
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, token).unwrap();
        let repository = quiet_site(folder.path());
        let origin = repository.to_str().unwrap();
        git(folder.path(), &["clone", "--quiet", origin, "clone"]);
        let (data, port) = (folder.path().join("data"), free_port());
        let mut settings = settings(&fly, &token_file, port);
        if let Some((aws, tables)) = &aws {
            settings.extend(cloud(aws, tables));
            let (is_well, says) = nestling(&["tables", "create"], &settings);
            assert!(is_well, "{says}");
        }
        let order = ["up", "--repo", origin];
        let server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
        server.until("production runs", SOON, |server| {
            server.status("local/site/production").0 == "running"
        });
        Storm {
            server,
            fly,
            aws,
            clone: folder.path().join("clone"),
            port,
            began: Instant::now(),
            pulls: 0,
            _folder: folder,
        }
    }

    /// Pull requests that are opened, pushed to and closed, until the server has died at each of these requests.
    pub(super) fn lives_and_dies(
        &mut self,
        opened: &[Moment],
        pushed: &[Moment],
        closed: &[Moment],
    ) {
        let theirs = of_others(&self.fly);
        let (opened, pushed, closed) = (kills(opened), kills(pushed), kills(closed));
        let rounds = opened.len().max(pushed.len()).max(closed.len());
        for round in 0..rounds {
            let mut pull = self.opened(opened.get(round));
            self.pushed(&mut pull, pushed.get(round));
            self.closed(&pull, closed.get(round));
        }
        assert_eq!(of_others(&self.fly), theirs, "nothing of others is touched");
        self.nothing_is_left();
    }

    /// Of all of them nothing is at Fly, and whatever was changed there was changed under a lease.
    fn nothing_is_left(&self) {
        self.fly.look(|fly| {
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

    /// Whoever is asked is to hold the request.
    fn order(&self, kill: Option<&Kill>) {
        let Some(Kill { moment, is_done }) = kill else {
            return;
        };
        let Moment {
            of,
            request,
            passed,
        } = moment;
        match (of, &self.aws) {
            (Of::Fly, _) => {
                let way = if *is_done {
                    fly::Fault::Hangs
                } else {
                    fly::Fault::NoAnswer
                };
                self.fly.act(|fly| fly.faults.later(request, *passed, way));
            }
            (Of::SecretsAndBlobs, Some((aws, _))) => {
                let way = if *is_done {
                    aws::Fault::Hangs
                } else {
                    aws::Fault::Silence
                };
                aws.act(|aws| aws.faults.later(request, *passed, way));
            }
            (Of::Records, Some((_, tables))) => {
                let way = if *is_done {
                    dynamodb::Fault::Hangs
                } else {
                    dynamodb::Fault::Silence
                };
                let once = Times::Only(1);
                tables.act(|tables| tables.faults.later(request, *passed, way, once));
            }
            (Of::Records | Of::SecretsAndBlobs, None) => panic!("nobody is asked that: {kill:?}"),
        }
    }

    /// Whether the request is held.
    fn is_held(&self) -> bool {
        let aws = self.aws.as_ref().is_none_or(|(aws, tables)| {
            aws.act(|aws| aws.faults.is_spent()) && tables.act(|tables| tables.faults.is_spent())
        });
        aws && self.fly.look(|fly| fly.faults.is_spent())
    }

    /// The server dies while the request is held, and starts again.
    fn dies(&mut self, pull: &Pull, kill: Option<&Kill>) {
        let Some(kill) = kill else {
            return;
        };
        let deadline = Instant::now() + SOON;
        while !self.is_held() {
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

/// What the server's environment says of records, secrets and blobs.
fn cloud(aws: &Aws, tables: &Tables) -> Vec<(String, String)> {
    let settings = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_ENDPOINT_URL", &aws.base()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &tables.base()),
        ("NESTLING__AWS__REGION", "eu-central-1"),
        ("NESTLING__STORE__DRIVER", "dynamodb"),
        ("NESTLING__KEYS__DRIVER", "kms"),
        ("NESTLING__KEYS__KMS__KEY_ID", "alias/nestling"),
        ("NESTLING__BLOBS__DRIVER", "s3"),
        ("NESTLING__BLOBS__S3__LOGS_BUCKET", "nestling-logs"),
        (
            "NESTLING__BLOBS__S3__ARTIFACTS_BUCKET",
            "nestling-artifacts",
        ),
    ];
    let owned = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.into()
}
