//! The repository that a test deploys, and the bundle that says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use nestling_protocol::bundle::{App, Bundle, Environment, Kind, Limits, SUBMODULES, Source};

use super::GENERATION;

pub(super) fn bundle(kind: Kind, commit: String) -> Bundle {
    Bundle {
        protocol: nestling_protocol::VERSION,
        generation: GENERATION,
        app: App {
            name: "shop".into(),
            kind,
            root: String::new(),
            base_config: None,
        },
        environment: Environment {
            kind: "preview".into(),
            branch: "feat/x".into(),
            pull_request: Some(12),
            url: "http://pr-12--shop.localhost:4100".into(),
            endpoint_url: "http://{endpoint}--pr-12--shop.localhost:4100".into(),
        },
        source: Source::Bundle { commit },
        variables: BTreeMap::new(),
        secrets: BTreeMap::new(),
        digest_key: "only this app's runners know it".into(),
        limits: Limits {
            setup: 300,
            test: 60,
            start: 60,
        },
    }
}

pub fn commit(repository: &Path, files: &[(&str, &str)]) -> (String, Vec<u8>) {
    for (name, content) in files {
        let path = repository.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    git(repository, &["add", "-A"]);
    git(
        repository,
        &[
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "Change",
        ],
    );
    pack(repository)
}

/// The newest commit, and a bundle of it and of the submodules' commits that are there.
pub(super) fn pack(repository: &Path) -> (String, Vec<u8>) {
    let file = repository.join(".git/source.bundle");
    let to = file.to_str().unwrap();
    let create = ["bundle", "create", "--quiet", to, "HEAD"];
    let all = format!("--glob={SUBMODULES}*");
    git(repository, &[&create[..], &[&all]].concat());
    (
        git(repository, &["rev-parse", "HEAD"]).trim().to_owned(),
        std::fs::read(file).unwrap(),
    )
}

pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
