//! Wing as one story has installed it, for those after it: an install takes half a minute of the processor, and what the registry
//! and npm do is proven by the demo and by the kills, which always install it themselves (ADR 40).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How the folders of tools begin that a runner installs into the cache of an app; one that is being made has a `~`.
const WING: &str = "wing-";

/// Where it is kept between stories and runs: `cargo clean` removes it.
fn place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept")
}

/// Every version of it in a folder.
fn versions(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_whole = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(WING) && !name.contains('~')
    };
    paths.filter(is_whole).collect()
}

/// Keeps what an app's cache has of it.
#[allow(dead_code, reason = "not every story that takes it gives it")]
pub(crate) fn keep(cache: &Path) {
    for version in versions(cache) {
        let kept = place().join(version.file_name().unwrap());
        if kept.exists() {
            continue;
        }
        let making = place().join(format!("~{}", std::process::id()));
        copy(&version, &making);
        // Where another story was quicker, its copy stands.
        if fs::rename(&making, &kept).is_err() {
            fs::remove_dir_all(&making).unwrap();
        }
    }
}

/// Puts what is kept of it into an app's cache; nothing when no story has installed it yet.
pub(crate) fn lend(cache: &Path) {
    for version in versions(&place()) {
        copy(&version, &cache.join(version.file_name().unwrap()));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp")
        .args(["--archive", "--no-target-directory", "--reflink=auto"])
        .args([from, to])
        .status();
    assert!(
        copied.unwrap().success(),
        "{} was not copied",
        from.display()
    );
}
