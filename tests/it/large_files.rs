//! A repository that keeps files in Git LFS: what is there arrives, what is not is named.

use std::{fs, path::Path, process::Command};

use crate::server::{SOON, Server, free_port, get, git, head};

const NAME: &str = "local/gallery/production";

/// A static site whose pictures are kept in Git LFS by the real program.
fn gallery(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("gallery");
    fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    git(&path, &["lfs", "install", "--local"]);
    git(&path, &["lfs", "track", "*.png"]);
    fs::write(path.join("index.html"), "<img src=bird.png>").unwrap();
    fs::write(path.join("bird.png"), "not really a picture").unwrap();
    commit(&path, ".", "Hang a picture");
    path
}

fn commit(repository: &Path, files: &str, message: &str) -> String {
    git(repository, &["add", files]);
    let arguments = ["commit", "--quiet", "--no-gpg-sign", "--message", message];
    git(repository, &arguments);
    head(repository)
}

#[test]
fn a_picture_in_git_lfs_is_shown_and_one_whose_content_is_absent_is_named() {
    let lfs = Command::new("git").args(["lfs", "version"]).output();
    assert!(
        lfs.unwrap().status.success(),
        "this story needs git-lfs: make tools"
    );
    let folder = tempfile::tempdir().unwrap();
    let repository = gallery(folder.path());
    let port = free_port();
    let data = folder.path().join("data");
    let server = Server::start(&["up", "--repo", repository.to_str().unwrap()], &data, port);
    server.until("it runs", SOON, |server| server.status(NAME).0 == "running");
    assert_eq!(
        get("gallery.localhost", port, "/bird.png"),
        (200, "not really a picture".to_owned())
    );

    // As where somebody without Git LFS goes on, in a clone that was made with GIT_LFS_SKIP_SMUDGE=1.
    git(&repository, &["lfs", "uninstall", "--local"]);
    fs::rename(
        repository.join(".git/lfs/objects"),
        repository.join(".git/lfs/elsewhere"),
    )
    .unwrap();
    fs::write(repository.join("index.html"), "<img src=bird.png alt=bird>").unwrap();
    let newest = commit(&repository, "index.html", "Say what it is");
    server.until("the failure is said", SOON, |server| {
        server.status(NAME).1 == newest && server.serving(NAME).1
    });
    let text = server.environments()[0]["failure"]["reason"].to_string();
    assert!(
        text.contains("bird.png is kept in Git LFS, and the content is not in the repository: run `git lfs fetch` there, then redeploy"),
        "{text}"
    );
    assert_eq!(
        get("gallery.localhost", port, "/bird.png").0,
        200,
        "the old one serves"
    );
}
