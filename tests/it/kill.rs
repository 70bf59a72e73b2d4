//! The server dies at any moment, and nothing is lost.

use std::{fs, path::Path};

use crate::server::{SOON, Server, free_port, git, head, processes_of};

/// More by `NESTLING_KILLS`, for a long run.
fn kills() -> usize {
    std::env::var("NESTLING_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(10)
}

/// A small app whose tests and start take long enough to be met in them.
fn repository(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("slow");
    fs::create_dir_all(&path).unwrap();
    let package = r#"{"name":"slow","private":true,"scripts":{"build":"node -e \"setTimeout(()=>0,300)\"","test":"node -e \"setTimeout(()=>0,300)\"","start":"node server.js"}}"#;
    fs::write(path.join("package.json"), package).unwrap();
    let server = r#"setTimeout(() => require("http").createServer((_, r) => r.end(process.env.NESTLING_COMMIT)).listen(process.env.PORT, "127.0.0.1"), 300);"#;
    fs::write(path.join("server.js"), server).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    git(&path, &["add", "--all"]);
    git(
        &path,
        &["commit", "--quiet", "--no-gpg-sign", "--message", "Begin"],
    );
    path
}

#[test]
fn kill_at_any_phase_and_the_next_server_converges_on_the_newest_commit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let repository = repository(folder.path());
    let path = repository.to_str().unwrap().to_owned();
    let start = || Server::start(&["up", "--repo", &path], &data, free_port());
    let name = "local/slow/production";
    let mut server = start();
    server.until("it runs", SOON, |server| server.status(name).0 == "running");

    let phases = [
        "queued",
        "deploying",
        "running-tests",
        "starting",
        "running",
    ];
    for kill in 0..kills() {
        git(
            &repository,
            &[
                "commit",
                "--quiet",
                "--allow-empty",
                "--no-gpg-sign",
                "--message",
                &format!("Change {kill}"),
            ],
        );
        let newest = head(&repository);
        let phase = phases[kill % phases.len()];
        // Met in this phase, or past it: both are moments at which a server may die.
        server.until("the commit is on its way", SOON, |server| {
            let (status, commit) = server.status(name);
            commit == newest && (status == phase || status == "running")
        });
        server.kill();
        server = start();
        server.until(
            &format!("it runs the newest commit after kill {kill} while {phase}"),
            SOON,
            |server| server.serving(name) == (newest.clone(), false),
        );
    }
    let machines = data.join("machines/environments");
    server.until("one machine is left", SOON, |_| {
        machines_of(&machines).len() == 1
    });
    drop(server);
    assert_eq!(
        processes_of(&machines),
        Vec::<String>::new(),
        "Ctrl-C stops everything"
    );
}

/// The folders of machines, by environment and generation.
fn machines_of(machines: &Path) -> Vec<std::path::PathBuf> {
    let environments = fs::read_dir(machines)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let inside = environments.flat_map(|path| {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    });
    inside
        .filter(|path| {
            path.is_dir()
                && path
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .parse::<u32>()
                    .is_ok()
        })
        .collect()
}
