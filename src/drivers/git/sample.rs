//! Real repositories for tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use nestling_domain::ids::Commit;

/// A repository in a folder of its own, made with the git of this machine.
pub(crate) struct Sample {
    pub(crate) path: PathBuf,
}

impl Sample {
    /// An empty repository whose first branch will be `main`.
    pub(crate) fn empty(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        std::fs::create_dir_all(&path).unwrap();
        let sample = Sample { path };
        sample.git(&["init", "-q", "-b", "main"]);
        sample
    }

    /// A repository with a static app on `main`.
    pub(crate) fn with_app(path: impl Into<PathBuf>) -> Self {
        let sample = Sample::empty(path);
        sample.commit("index.html", "<h1>shop</h1>", "Open the shop");
        sample
    }

    /// Writes a file and commits it on the branch that is checked out.
    pub(crate) fn commit(&self, file: &str, content: &str, message: &str) -> Commit {
        let path = self.path.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.head("HEAD")
    }

    /// Commits to a branch, made from `main` where it is new; `main` stays checked out.
    pub(crate) fn commit_on(&self, branch: &str, content: &str) -> Commit {
        let known = self.try_git(&[
            "rev-parse",
            "-q",
            "--verify",
            &format!("refs/heads/{branch}"),
        ]);
        if known.is_ok() {
            self.git(&["checkout", "-q", branch]);
        } else {
            self.git(&["checkout", "-q", "-b", branch, "main"]);
        }
        let commit = self.commit("change.txt", content, &format!("Change to {content}"));
        self.git(&["checkout", "-q", "main"]);
        commit
    }

    pub(crate) fn head(&self, name: &str) -> Commit {
        Commit::parse(self.git(&["rev-parse", "--verify", name]).trim()).unwrap()
    }

    /// Runs git here; what it wrote.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.try_git(args)
            .unwrap_or_else(|error| panic!("git {args:?}: {error}"))
    }

    pub(crate) fn try_git(&self, args: &[&str]) -> Result<String, String> {
        git_in(&self.path, args)
    }
}

/// Runs git in a folder, as a user called Ada.
pub(crate) fn git_in(folder: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(folder)
        .envs([
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.com"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.com"),
        ])
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ])
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
