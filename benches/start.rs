//! From the moment at which the forge sees a commit until the runner of its deployment has begun: what Nestling
//! adds before anything of the app's own is done. Idle, and with 50 environments in the middle of their tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    commit, copy, head, note, quantile, repository, rounds, row, sample,
    server::{Line, Server},
    table, until,
};

/// Bounds of the 99th percentile, in milliseconds.
const IDLE_MS: f64 = 30.0;
const BUSY_MS: f64 = 200.0;
/// How many environments are busy.
const NEIGHBOURS: usize = 50;
/// Apps of one repository.
const APPS: usize = 10;
/// Each of them says something this often.
const BUSY_APP: &str =
    "[test]\nrun = \"while :; do echo still busy; sleep 0.2; done\"\n[start]\nrun = \"true\"\n";
const SITE: &str = "local/site/production";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    copy(&sample("static-site"), &site);
    repository(&site);
    let busy: Vec<PathBuf> = (0..NEIGHBOURS / APPS)
        .map(|n| folder.path().join(format!("many-{n}")))
        .collect();
    for (n, place) in busy.iter().enumerate() {
        for app in 0..APPS {
            let app = place.join(format!("busy-{n}-{app}"));
            std::fs::create_dir_all(&app).unwrap();
            std::fs::write(app.join("nestling.toml"), BUSY_APP).unwrap();
        }
        repository(place);
    }
    let (idle_rounds, busy_rounds) = (
        rounds("NESTLING_STARTS", 100),
        rounds("NESTLING_BUSY_STARTS", 50),
    );
    table(
        "Detected commit → runner started",
        &format!(
            "From the listing that shows the commit to the runner's first request, by the server's log; the static site, {idle_rounds} commits idle and {busy_rounds} busy."
        ),
    );
    let idle = measure(&folder.path().join("idle"), &site, &[], idle_rounds);
    say("idle", &idle, IDLE_MS);
    let loaded = measure(&folder.path().join("loaded"), &site, &busy, busy_rounds);
    say(
        "50 environments in the middle of their tests",
        &loaded,
        BUSY_MS,
    );
}

fn say(when: &str, measured: &[f64], bound: f64) {
    let p99 = quantile(measured, 0.99);
    row(
        &format!("{when}, p99"),
        &format!("{p99:.1} ms"),
        &format!("≤ {bound} ms"),
        p99 <= bound,
    );
    let spread = format!(
        "{:.1} ms, {:.1} ms",
        quantile(measured, 0.5),
        quantile(measured, 0.9)
    );
    note(&format!("{when}, p50 and p90"), &spread);
}

/// Milliseconds of each of so many commits.
fn measure(data: &Path, site: &Path, busy: &[PathBuf], rounds: usize) -> Vec<f64> {
    let mut command = vec!["up", "--repo", site.to_str().unwrap()];
    for place in busy {
        command.extend(["--repo", place.to_str().unwrap()]);
    }
    // A slot for everybody: waiting for one is not what is measured.
    let slots = (NEIGHBOURS + 4).to_string();
    let server = Server::start(&command, data, &[("NESTLING__BUILDS__AT_ONCE", &slots)]);
    server.answers();
    server.runs(SITE, &head(site));
    if !busy.is_empty() {
        until("all neighbours test", Duration::from_mins(2), || {
            let log = server.log();
            let testing = log.iter().filter(|line| {
                line.message.starts_with("local/busy-")
                    && line.message.ends_with("is running-tests")
            });
            (testing.count() >= NEIGHBOURS).then_some(())
        });
    }
    let before = server.log().len();
    for n in 0..rounds {
        std::fs::write(site.join("change.txt"), n.to_string()).unwrap();
        server.runs(SITE, &commit(site, &format!("change {n}")));
        // The removal of the deployment before would be measured else: a launch waits for it.
        until(
            "the machine before has ended",
            Duration::from_mins(1),
            || {
                let log = server.log().split_off(before);
                let ended = |line: &&Line| {
                    line.message.starts_with("the machine of") && line.message.contains(" ended: ")
                };
                (log.iter().filter(ended).count() > n).then_some(())
            },
        );
    }
    let log = server.log().split_off(before);
    let starts = starts(&log);
    assert_eq!(starts.len(), rounds, "each commit was noticed and started");
    starts
}

/// Pairs each commit that was noticed with the start of its runner.
fn starts(log: &[Line]) -> Vec<f64> {
    let mut seen = None;
    let mut all = Vec::new();
    for line in log {
        if line.message.starts_with("noticed") && line.message.ends_with("/site") {
            let seen_ms: f64 = line.fields["seen_ms"]
                .to_string()
                .trim_matches('"')
                .parse()
                .unwrap();
            seen = Some(line.at - seen_ms / 1000.0);
        }
        if line
            .message
            .starts_with(&format!("the runner of {SITE} has begun"))
        {
            all.extend(seen.take().map(|seen| (line.at - seen) * 1000.0));
        }
    }
    all
}
