//! The demo: a sample repository of two apps with a default branch and one open pull request.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// The branch of the demo's open pull request.
const BRANCH: &str = "try-a-new-greeting";
/// Who commits in the demo's repository; nobody's own identity is needed or used.
const AUTHOR: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Nestling Demo"),
    ("GIT_AUTHOR_EMAIL", "demo@nestling.invalid"),
    ("GIT_COMMITTER_NAME", "Nestling Demo"),
    ("GIT_COMMITTER_EMAIL", "demo@nestling.invalid"),
];

/// A file of the sample, by its path in the repository.
type File = (&'static str, &'static [u8]);

include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// How many environments the demo runs: two apps, each in production and in the pull request.
pub const ENVIRONMENTS: usize = 4;

/// Makes the sample repository in `folder`, unless it is there already; answers its path.
pub async fn repository(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("demo");
    if path.join(".git").exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(&path)
        .with_context(|| format!("could not make the folder {}", path.display()))?;
    git(&path, &["init", "--quiet", "--initial-branch=main"]).await?;
    write(&path, BASE)?;
    commit(&path, "Open the shop and its notes").await?;
    git(&path, &["switch", "--quiet", "--create", BRANCH]).await?;
    write(&path, CHANGE)?;
    commit(&path, "Try a new greeting").await?;
    git(&path, &["switch", "--quiet", "main"]).await?;
    Ok(path)
}

fn write(root: &Path, files: &[File]) -> anyhow::Result<()> {
    for (name, content) in files {
        let path = root.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("could not make the folder {}", folder.display()))?;
        }
        std::fs::write(&path, content)
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

async fn commit(path: &Path, message: &str) -> anyhow::Result<()> {
    git(path, &["add", "--all"]).await?;
    git(
        path,
        &["commit", "--quiet", "--no-gpg-sign", "--message", message],
    )
    .await
}

async fn git(path: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .arg("-C")
        .arg(path)
        .args(arguments)
        .envs(AUTHOR)
        .output()
        .await
        .context("could not run git: install it (apt-get install git)")?;
    ensure!(
        output.status.success(),
        "git {} failed in {}: {}",
        arguments.first().unwrap_or(&""),
        path.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
