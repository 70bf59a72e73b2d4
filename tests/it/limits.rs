//! Apps that want more than their machine has.

use std::{fs, path::Path, process::Stdio, time::Instant};

use crate::{
    server::{SOON, Server, commit, free_port, git, pause},
    sight,
};

/// How many numbered lines an app says before it takes too much: many more than its last words have.
const LINES: usize = 300;

/// A server on one app that is started by this script.
fn server(folder: &Path, script: &str, settings: &[(&str, &str)]) -> Server {
    let repository = folder.join("greedy");
    fs::create_dir(&repository).unwrap();
    fs::write(repository.join("app.sh"), script).unwrap();
    let start = "[start]\nrun = \"sh app.sh\"\n";
    fs::write(repository.join("nestling.toml"), start).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    commit(&repository, "Begin");
    let settings: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let data = folder.join("data");
    Server::start_with(&order, &data, free_port(), &settings, Stdio::inherit())
}

/// The texts of a log, whose lines are numbered without a gap and without a repeat.
fn texts(server: &Server, name: &str, number: u64, log: &str) -> Vec<String> {
    let lines = server.log(name, number, log);
    let numbers = lines.iter().map(|(n, _)| *n);
    assert!(numbers.eq(0..lines.len() as u64), "{lines:#?}");
    lines.into_iter().map(|(_, text)| text).collect()
}

/// The numbered lines among them.
fn said(texts: &[String]) -> Vec<usize> {
    let numbers = texts.iter().filter_map(|text| text.strip_prefix("line "));
    numbers.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn the_last_lines_of_a_machine_that_a_limit_ended_outlive_the_server() {
    const NAME: &str = "local/greedy/production";
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "seq -f 'line %g' {LINES}\nfor n in 1 2 3 4 5 6; do head -c 8M /dev/zero >$NESTLING_STATE/$n; done\nsleep 600\n"
    );
    let disk = [("NESTLING__MACHINES__LOCAL__DISK_MIB", "24")];
    let mut server = server(folder.path(), &script, &disk);
    let deadline = Instant::now() + SOON;
    // Condemned, and dead within milliseconds: nobody has put its last lines yet.
    let condemned = || {
        let all = sight::folders(&server.data);
        all.iter().any(|machine| {
            sight::folder(&server.data, machine)
                .join("verdict")
                .exists()
        })
    };
    while !condemned() {
        assert!(Instant::now() < deadline, "its limit has not ended it");
        pause(std::time::Duration::from_millis(2));
    }
    server.die();

    // Twice: whatever was in a memory is gone.
    for _ in 0..2 {
        server.rise();
        server.until("it failed", SOON, |server| {
            server.status(NAME).0 == "failed"
        });
        let lines = said(&texts(&server, NAME, 1, "runtime"));
        assert!(lines.iter().copied().eq(1..=LINES), "{lines:?}");
        let failure = server.view(NAME)["failure"].clone();
        let tail = failure["tail"].as_array().unwrap();
        assert_eq!(tail.last().unwrap(), &format!("line {LINES}"), "{failure}");
        assert!(
            failure["reason"]
                .as_str()
                .unwrap()
                .contains("24 MiB of disk"),
            "{failure}"
        );
        server.die();
    }
    server.rise();
}
