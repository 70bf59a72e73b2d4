//! The doctor: what a box has, and what it lacks.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    process::{Command, Output},
};

use crate::server::{Server, free_port};

fn check(data: &std::path::Path, port: u16, path: Option<&str>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nestling"));
    command
        .arg("check")
        .env("NESTLING__SERVER__DATA_DIR", data)
        .env("NESTLING__SERVER__LISTEN", format!("127.0.0.1:{port}"));
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap())
}

/// Per line what was looked at, and how it is.
fn verdicts(answer: &str) -> Vec<(&str, &str)> {
    let lines = answer.lines().filter(|line| line.len() > 25);
    lines
        .map(|line| (line[..16].trim(), line[17..25].trim()))
        .collect()
}

#[test]
fn a_box_that_runs_these_stories_is_well_also_beside_a_server_and_one_without_programs_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = free_port();
    let (is_well, answer) = check(&data, port, None);
    assert!(is_well, "{answer}");
    let needed = [
        "git",
        "node",
        "npm",
        "data folder",
        "free space",
        "sandbox",
        "port",
    ];
    for what in needed {
        assert!(verdicts(&answer).contains(&(what, "ok")), "{answer}");
    }
    let left = std::fs::read_dir(&data).unwrap().flatten();
    let left: BTreeSet<_> = left.map(|entry| entry.file_name()).collect();
    let expected = [".gitignore", "lock"].map(OsString::from);
    assert_eq!(left, expected.into(), "it cleans up");

    let repository = folder.path().join("empty");
    std::fs::create_dir(&repository).unwrap();
    crate::server::git(&repository, &["init", "--quiet"]);
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let server = Server::start(&order, &data, port);
    server.until("it answers", crate::server::SOON, |server| {
        server.text("/healthz").is_some()
    });
    let (is_well, answer) = check(&data, port, None);
    assert!(is_well, "{answer}");
    assert!(answer.contains("where a server runs now"), "{answer}");

    let (is_well, answer) = check(&data, port, Some("/nowhere"));
    assert!(!is_well, "{answer}");
    for what in ["git", "node", "npm"] {
        assert!(verdicts(&answer).contains(&(what, "MISSING")), "{answer}");
    }
    assert!(
        answer.contains("install it (Debian: apt-get install git)"),
        "{answer}"
    );
    let other = tempfile::tempdir().unwrap();
    let (is_well, answer) = check(other.path(), port, None);
    assert!(!is_well, "{answer}");
    assert!(
        answer.contains(&format!(
            "port {port} of 127.0.0.1 is taken by another program"
        )),
        "{answer}"
    );
}
