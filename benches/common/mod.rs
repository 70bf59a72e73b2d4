//! What the benches share: the real server, git, figures, and the table that they print.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every bench is a program of its own and uses a part of this"
)]

pub mod server;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Who commits in the repositories of benches.
const AUTHOR: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Ann"),
    ("GIT_AUTHOR_EMAIL", "ann@nestling.invalid"),
    ("GIT_COMMITTER_NAME", "Ann"),
    ("GIT_COMMITTER_EMAIL", "ann@nestling.invalid"),
];

/// Begins the table of one bench, with how it was measured.
pub fn table(title: &str, how: &str) {
    println!("\n### {title}\n\n{how}\n");
    println!("| what | measured | bound | holds |\n|---|---|---|---|");
}

/// One line of the table.
pub fn row(what: &str, measured: &str, bound: &str, holds: bool) {
    println!(
        "| {what} | {measured} | {bound} | {} |",
        if holds { "yes" } else { "**no**" }
    );
}

/// One line that has no bound, and explains another.
pub fn note(what: &str, measured: &str) {
    println!("| {what} | {measured} | | |");
}

/// The value below which this share of all lies; the values need no order.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// How often something is measured: the variable's number, else this one.
pub fn rounds(variable: &str, usual: usize) -> usize {
    let told = std::env::var(variable).ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Looks again and again until there is something to see, and fails after `within`.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        between_two_looks();
    }
}

/// Between two looks at another process, which cannot be awaited.
#[allow(
    clippy::disallowed_methods,
    reason = "this looks at another process from outside"
)]
pub fn between_two_looks() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Runs a command that must succeed.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .envs(AUTHOR)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A new repository of what this folder holds.
pub fn repository(folder: &Path) {
    run(folder, "git", &["init", "--quiet", "--initial-branch=main"]);
    commit(folder, "begin");
}

/// Commits everything; answers the commit.
pub fn commit(folder: &Path, message: &str) -> String {
    run(folder, "git", &["add", "--all"]);
    run(
        folder,
        "git",
        &["commit", "--quiet", "--no-gpg-sign", "--message", message],
    );
    head(folder)
}

/// What is checked out.
pub fn head(folder: &Path) -> String {
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(folder)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The folder of a sample app.
pub fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
