//! Whole runs beside the same commands typed by hand, and second commits beside first ones. Runs of ours and runs by
//! hand alternate, so that what else the machine does meets both. Needs Node and the npm registry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    between_two_looks, commit, copy, head, median, note, repository, rounds, row, run, sample,
    server::Server, table, until,
};

/// With an install: at most this much longer than by hand.
const WITH_INSTALL: f64 = 1.10;
/// Without one: at most so many seconds longer.
const WITHOUT_INSTALL: f64 = 1.5;
/// A second commit, beside the first.
const SECOND: f64 = 0.35;
/// What the runner takes for apps that bring none of their own.
const WINGLANG: &str = "winglang@0.85.49";
/// The longest that an app may take until it answers.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let count = rounds("NESTLING_RUNS", 3);
    table(
        "Whole runs",
        &format!(
            "Clone, install, test, start, healthy: from the listing that shows the commit until it serves, by the server's log, beside the same commands without Nestling. Median of {count} pairs, npm's cache warm on both sides."
        ),
    );
    let only = std::env::var("NESTLING_RUNS_OF").unwrap_or_default();
    for sample in [wing(folder), node_with_install(folder), node(folder)] {
        if sample.name.contains(&only) {
            sample.measure(folder, count);
        }
    }
}

/// An app, and how it is run by hand in a clone.
struct Sample {
    name: &'static str,
    repository: PathBuf,
    environment: String,
    installs: bool,
    /// Installs, tests and starts it; answers the process once it is healthy.
    by_hand: fn(&Path, &Path) -> Child,
    /// Whether a second commit is measured, with caches empty before the first.
    second: bool,
}

impl Sample {
    fn measure(&self, folder: &Path, count: usize) {
        let (mut ours, mut hands, mut ratios, mut seconds) = (vec![], vec![], vec![], vec![]);
        let home = tempfile::tempdir().unwrap();
        let npm = folder.join("npm");
        // Not measured: it fills the cache of those who type.
        self.hand(&home.path().join("by-hand"), &npm);
        let mut cache = None;
        for round in 0..count {
            // Short, because the sockets of machines lie below.
            let data = home.path().join(round.to_string());
            if self.second || round == 0 {
                let cold = home.path().join(format!("c{round}"));
                let (first, second) = self.first_and_second(&cold);
                seconds.push((first, second));
                cache = Some(cold.join("machines/cache"));
            }
            if let Some(cache) = &cache {
                keep_only_downloads(cache, &home.path().join(format!("aside-{round}")));
                move_to(cache, &data.join("machines/cache"));
            }
            let mine = self.ours(&data);
            cache = Some(data.join("machines/cache"));
            let hand = self.hand(&home.path().join(format!("by-hand-{round}")), &npm);
            ratios.push(mine / hand);
            ours.push(mine);
            hands.push(hand);
        }
        let (mine, hand) = (median(&ours), median(&hands));
        if self.installs {
            let ratio = median(&ratios);
            let shown = format!("{ratio:.2} × ({mine:.1} s, {hand:.1} s)");
            row(
                self.name,
                &shown,
                &format!("≤ {WITH_INSTALL:.2} ×"),
                ratio <= WITH_INSTALL,
            );
        } else {
            let more = mine - hand;
            let shown = format!("{more:.2} s more ({mine:.2} s, {hand:.2} s)");
            row(
                self.name,
                &shown,
                &format!("≤ {WITHOUT_INSTALL} s more"),
                more <= WITHOUT_INSTALL,
            );
        }
        if self.second {
            let ratio = median(
                &seconds
                    .iter()
                    .map(|(first, second)| second / first)
                    .collect::<Vec<_>>(),
            );
            let first = median(&seconds.iter().map(|(first, _)| *first).collect::<Vec<_>>());
            let second = median(
                &seconds
                    .iter()
                    .map(|(_, second)| *second)
                    .collect::<Vec<_>>(),
            );
            row(
                &format!(
                    "{}: second commit beside the first, caches empty before",
                    self.name
                ),
                &format!("{ratio:.2} × ({second:.1} s, {first:.1} s)"),
                &format!("≤ {SECOND} ×"),
                ratio <= SECOND,
            );
        }
        let all = |values: &[f64]| {
            values
                .iter()
                .map(|value| format!("{value:.2}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        note(&format!("{}: all ratios", self.name), &all(&ratios));
    }

    /// One run of ours: seconds until it serves.
    fn ours(&self, data: &Path) -> f64 {
        let server = self.serve(data);
        server.runs(&self.environment, &head(&self.repository));
        run_seconds(&server, &self.environment, 1)
    }

    fn first_and_second(&self, data: &Path) -> (f64, f64) {
        let server = self.serve(data);
        server.runs(&self.environment, &head(&self.repository));
        std::fs::write(
            self.repository.join("NOTES.txt"),
            data.display().to_string(),
        )
        .unwrap();
        let second = commit(&self.repository, "a second commit");
        server.runs(&self.environment, &second);
        (
            run_seconds(&server, &self.environment, 1),
            run_seconds(&server, &self.environment, 2),
        )
    }

    fn serve(&self, data: &Path) -> Server {
        let server = Server::start(
            &["up", "--repo", self.repository.to_str().unwrap()],
            data,
            &[],
        );
        server.answers();
        server
    }

    /// One run by hand: seconds until it answers.
    fn hand(&self, clone: &Path, npm: &Path) -> f64 {
        let began = Instant::now();
        let from = format!("file://{}", self.repository.display());
        run(
            Path::new("/"),
            "git",
            &[
                "clone",
                "--quiet",
                "--depth",
                "1",
                &from,
                clone.to_str().unwrap(),
            ],
        );
        let mut app = (self.by_hand)(clone, npm);
        let took = began.elapsed().as_secs_f64();
        stop(&mut app);
        took
    }
}

/// From the moment the commit was seen until deployment `generation` served, by the server's log.
fn run_seconds(server: &Server, environment: &str, generation: u32) -> f64 {
    let log = server.log();
    let mut noticed = log
        .iter()
        .filter(|line| line.message.starts_with("noticed"));
    let seen = noticed
        .nth(generation as usize - 1)
        .expect("a commit was noticed");
    let seen_ms: f64 = seen.fields["seen_ms"]
        .to_string()
        .trim_matches('"')
        .parse()
        .unwrap();
    let wanted = format!("{environment}: deployment {generation} serves");
    let serves = log
        .iter()
        .find(|line| line.message == wanted)
        .expect("it serves");
    serves.at - (seen.at - seen_ms / 1000.0)
}

/// Puts what was installed aside; what was downloaded stays. Nothing is deleted before the end: for half a minute after
/// that, ext4 makes new files more slowly, and only the run that comes next would suffer.
fn keep_only_downloads(cache: &Path, aside: &Path) {
    for group in std::fs::read_dir(cache).unwrap() {
        for entry in std::fs::read_dir(group.unwrap().path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != "npm" {
                std::fs::create_dir_all(aside).unwrap();
                std::fs::rename(entry.path(), aside.join(entry.file_name())).unwrap();
            }
        }
    }
}

fn move_to(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(from, to).unwrap();
}

fn wing(folder: &Path) -> Sample {
    let place = folder.join("wing-shop");
    copy(&sample("wing-shop"), &place);
    repository(&place);
    Sample {
        name: "Wing sample",
        repository: place,
        environment: "local/wing-shop/production".to_owned(),
        installs: true,
        by_hand: |clone, npm| {
            npm_run(
                clone,
                npm,
                &["install", "--no-save", "--no-audit", "--no-fund", WINGLANG],
            );
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/runner/src/kinds");
            let node = |arguments: &[&str]| {
                let mut node = Command::new("node");
                node.arg(script.join("wing.mjs"))
                    .args(arguments)
                    .current_dir(clone)
                    .env("WING_DISABLE_ANALYTICS", "1")
                    .env("NESTLING_WING_HOME", clone)
                    .env("NESTLING_WING_PLATFORM", script.join("wing-platform.js"))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                node
            };
            let file = |name: &str| clone.join(name).display().to_string();
            let tested = node(&["test", &file("tests.jsonl"), &file("main.w")])
                .status()
                .unwrap();
            assert!(tested.success(), "the tests of the Wing sample run");
            let served = file("served.json");
            let app = node(&["serve", &served, &file("state"), &file("main.w")])
                .process_group(0)
                .spawn()
                .unwrap();
            until("the Wing console serves", STARTS_WITHIN, || {
                let text = std::fs::read_to_string(&served).ok()?;
                let served: serde_json::Value = serde_json::from_str(&text).ok()?;
                // The website; its API has nothing at `/`.
                let mut endpoints = served["endpoints"].as_array()?.iter();
                let website = endpoints.find(|endpoint| endpoint["browser"] == true)?;
                let port = website["port"].as_u64()?;
                answers(u16::try_from(port).ok()?)
            });
            app
        },
        second: true,
    }
}

fn node_with_install(folder: &Path) -> Sample {
    let place = folder.join("node-express");
    copy(&sample("node-notes"), &place);
    run(
        &place,
        "npm",
        &[
            "install",
            "--package-lock-only",
            "--no-audit",
            "--no-fund",
            "express@4.21.2",
            "eslint@9.18.0",
        ],
    );
    std::fs::write(place.join(".gitignore"), "node_modules\n").unwrap();
    repository(&place);
    Sample {
        name: "Node sample with 150 packages",
        repository: place,
        environment: "local/node-notes/production".to_owned(),
        installs: true,
        by_hand: |clone, npm| {
            npm_run(clone, npm, &["ci", "--no-audit", "--no-fund"]);
            test_and_start(clone, npm)
        },
        second: false,
    }
}

fn node(folder: &Path) -> Sample {
    let place = folder.join("node-notes");
    copy(&sample("node-notes"), &place);
    repository(&place);
    Sample {
        name: "Node sample, nothing to install",
        repository: place,
        environment: "local/node-notes/production".to_owned(),
        installs: false,
        by_hand: test_and_start,
        second: false,
    }
}

fn test_and_start(clone: &Path, npm: &Path) -> Child {
    npm_run(clone, npm, &["test"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let app = Command::new("npm")
        .arg("start")
        .current_dir(clone)
        .env("PORT", port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the Node sample answers", STARTS_WITHIN, || answers(port));
    app
}

fn npm_run(clone: &Path, cache: &Path, arguments: &[&str]) {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(clone)
        .env("npm_config_cache", cache)
        .output()
        .expect("npm is installed");
    assert!(
        output.status.success(),
        "npm {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn answers(port: u16) -> Option<()> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).ok()?;
    begin.ends_with(b"200").then_some(())
}

/// Ends an app with all that it has started: what goes on would be measured with the next.
fn stop(app: &mut Child) {
    let group = rustix::process::Pid::from_child(app);
    let tell = |signal| {
        let _ = rustix::process::kill_process_group(group, signal);
    };
    tell(rustix::process::Signal::TERM);
    let deadline = Instant::now() + Duration::from_secs(6);
    while app.try_wait().unwrap().is_none() && Instant::now() < deadline {
        between_two_looks();
    }
    tell(rustix::process::Signal::KILL);
    app.wait().unwrap();
}
