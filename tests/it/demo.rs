//! The main job: one command, two apps, four environments, a real browser; then a commit, then the end of a branch.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    kept,
    server::{FIRST, SOON, Server, free_port, git, head, processes_of},
};

#[test]
fn demo_brings_four_environments_to_life_in_a_real_browser_and_follows_its_branch() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&["demo"], &data, free_port());

    let all = [
        "local/shop/production",
        "local/shop/pr-1",
        "local/node-notes/production",
        "local/node-notes/pr-1",
    ];
    server.until("all four run", FIRST, |server| {
        all.iter().all(|name| server.status(name).0 == "running")
    });

    for cache in std::fs::read_dir(data.join("machines/cache")).unwrap() {
        kept::keep(&cache.unwrap().path());
    }

    drive("demo.mjs", &server);

    // A commit redeploys the environments of its branch, and no other.
    let repository = data.join("demo");
    let before = server.status("local/shop/production");
    git(&repository, &["switch", "--quiet", "try-a-new-greeting"]);
    std::fs::write(repository.join("notes/hello.txt"), "hello").unwrap();
    git(&repository, &["add", "--all"]);
    git(
        &repository,
        &[
            "commit",
            "--quiet",
            "--no-gpg-sign",
            "--message",
            "Say hello",
        ],
    );
    let head = head(&repository);
    git(&repository, &["switch", "--quiet", "main"]);
    let serves = |server: &Server, name: &str| server.serving(name) == (head.clone(), false);
    server.until("the pull request runs the new commit", FIRST, |server| {
        serves(server, all[1]) && serves(server, all[3])
    });
    assert_eq!(
        server.status("local/shop/production"),
        before,
        "production is none of that branch's business"
    );

    // A deleted branch leaves nothing; its state folders go too.
    git(
        &repository,
        &[
            "branch",
            "--quiet",
            "--delete",
            "--force",
            "try-a-new-greeting",
        ],
    );
    server.until("the previews are stopped", SOON, |server| {
        server.status(all[1]).0 == "stopped" && server.status(all[3]).0 == "stopped"
    });
    let machines = data.join("machines/environments");
    let previews = || -> Vec<PathBuf> {
        let folders = std::fs::read_dir(&machines)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        folders
            .filter(|path| path.to_str().unwrap().ends_with("-pr-1"))
            .collect()
    };
    server.until(
        "no process of the previews is left",
        Duration::from_secs(15),
        |_| {
            previews()
                .iter()
                .all(|folder| processes_of(folder).is_empty() && !folder.join("state").exists())
        },
    );
    assert_eq!(
        server.status("local/node-notes/production").0,
        "running",
        "what else runs goes on"
    );

    drop(server);
    assert_eq!(
        processes_of(&machines),
        Vec::<String>::new(),
        "Ctrl-C stops everything"
    );
}

/// Does in a real browser what this script says; screenshots are kept beside the other test output.
pub(crate) fn drive(script: &str, server: &Server) {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        browser.join("node_modules/playwright-core").is_dir(),
        "run `make tools` first: it installs what drives the browser"
    );
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    let output = Command::new("node")
        .arg(browser.join(script))
        .arg(&shots)
        .env("NESTLING_LINK", server.link())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
}
