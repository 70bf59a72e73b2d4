//! Real bare repositories, driven by git itself.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Not a commit: where a branch did not exist before or after a push.
pub(crate) const NOTHING: &str = "0000000000000000000000000000000000000000";

/// A bare repository in this folder.
#[derive(Clone, Debug)]
pub(crate) struct Bare(PathBuf);

/// What a push does to a file.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where, from the root of the tree.
    pub path: String,
    /// What it holds now; nothing if it is removed.
    pub content: Option<Vec<u8>>,
}

/// What git knows of a commit.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: String,
    pub(crate) message: String,
}

/// An entry of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) sha: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

/// A file that differs between two commits.
#[derive(Clone, Debug)]
pub(crate) struct Differing {
    pub(crate) status: &'static str,
    pub(crate) sha: Option<String>,
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
}

impl Bare {
    pub(crate) fn at(folder: PathBuf) -> Self {
        Bare(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn create(&self, default_branch: &str) -> Result<()> {
        let head = format!("--initial-branch={default_branch}");
        let mut init = plain_git();
        init.args(["init", "--quiet", "--bare", &head]).arg(&self.0);
        finish(&mut init, None)?;
        // As github.com: any commit by its id, partial clones, pushes over HTTP.
        for (key, value) in [
            ("uploadpack.allowAnySHA1InWant", "true"),
            ("uploadpack.allowFilter", "true"),
            ("http.receivepack", "true"),
            ("gc.auto", "0"),
        ] {
            self.run(&["config", key, value])?;
        }
        Ok(())
    }

    /// Makes a commit on a branch, whatever that branch was before, and moves it there.
    pub(crate) fn commit(
        &self,
        branch: &str,
        parent: Option<&str>,
        author: &str,
        at: i64,
        message: &str,
        changes: &[Change],
    ) -> Result<String> {
        let who = format!(
            "{author} <{author}@users.noreply.github.com> {} +0000",
            at / 1000
        );
        let mut stream = Vec::new();
        write!(
            stream,
            "commit refs/heads/{branch}\nauthor {who}\ncommitter {who}\n"
        )?;
        write!(stream, "data {}\n{message}\n", message.len())?;
        match parent {
            Some(parent) => writeln!(stream, "from {parent}")?,
            None => writeln!(stream, "deleteall")?,
        }
        for change in changes {
            let path = quoted(&change.path)?;
            match &change.content {
                Some(content) => {
                    write!(stream, "M 100644 inline {path}\ndata {}\n", content.len())?;
                    stream.extend_from_slice(content);
                    stream.push(b'\n');
                }
                None => writeln!(stream, "D {path}")?,
            }
        }
        // Without a parent fast-import would go on from where the branch stands.
        if parent.is_none() {
            self.delete(&format!("refs/heads/{branch}"))?;
        }
        let mut import = self.command(&["fast-import", "--quiet", "--force"]);
        finish(&mut import, Some(&stream))?;
        self.resolve(&format!("refs/heads/{branch}"))
            .with_context(|| format!("git made no branch {branch}"))
    }

    /// The commit that this names, or nothing.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        if name.starts_with('-') {
            return None;
        }
        let commit = format!("{name}^{{commit}}");
        let found = self.run(&[
            "rev-parse",
            "--quiet",
            "--verify",
            "--end-of-options",
            &commit,
        ]);
        found.ok().map(|sha| sha.trim().to_owned())
    }

    /// The commit that a person means: a branch, a tag or a commit.
    pub(crate) fn meant(&self, name: &str) -> Option<String> {
        let short = name.strip_prefix("refs/").unwrap_or(name);
        let whole = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if whole {
            return self.resolve(name);
        }
        let branch = short.strip_prefix("heads/").unwrap_or(short);
        let tag = short.strip_prefix("tags/").unwrap_or(short);
        self.resolve(&format!("refs/heads/{branch}"))
            .or_else(|| self.resolve(&format!("refs/tags/{tag}")))
            .or_else(|| self.resolve(&format!("refs/{short}")))
    }

    pub(crate) fn branch(&self, name: &str) -> Option<String> {
        self.resolve(&format!("refs/heads/{name}"))
    }

    /// Names and commits of all branches.
    pub(crate) fn branches(&self) -> Result<Vec<(String, String)>> {
        let format = "--format=%(refname:lstrip=2) %(objectname)";
        let listed = self.run(&["for-each-ref", format, "refs/heads/"])?;
        let pair = |line: &str| {
            let (name, sha) = line.rsplit_once(' ')?;
            Some((name.to_owned(), sha.to_owned()))
        };
        Ok(listed.lines().filter_map(pair).collect())
    }

    pub(crate) fn set(&self, name: &str, sha: &str) -> Result<()> {
        self.run(&["update-ref", name, sha]).map(drop)
    }

    pub(crate) fn set_head(&self, branch: &str) -> Result<()> {
        self.run(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")])
            .map(drop)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        self.run(&["update-ref", "-d", name]).map(drop)
    }

    /// Takes a commit over from another repository of the same family, under this name.
    pub(crate) fn take(&self, from: &Bare, sha: &str, name: &str) -> Result<()> {
        if self.0 != from.0 {
            let from = from.0.to_string_lossy().into_owned();
            self.run(&["fetch", "--quiet", "--no-tags", &from, sha])?;
        }
        self.set(name, sha)
    }

    /// Copies branches and tags, as a fork does.
    pub(crate) fn copy(&self, from: &Bare) -> Result<()> {
        let from = from.0.to_string_lossy().into_owned();
        let all = "+refs/heads/*:refs/heads/*";
        self.run(&["fetch", "--quiet", "--tags", &from, all])?;
        Ok(())
    }

    pub(crate) fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.run(&["merge-base", "--is-ancestor", old, new]).is_ok()
    }

    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Result<String> {
        let found = self.run(&["merge-base", one, other])?;
        Ok(found.trim().to_owned())
    }

    /// Merges one commit into another as GitHub's button does; the content of the head wins.
    pub(crate) fn merge(&self, base: &str, head: &str, by: &str, message: &str) -> Result<String> {
        let tree = self.run(&["merge-tree", "--write-tree", "-X", "theirs", base, head])?;
        let tree = tree.lines().next().unwrap_or_default().to_owned();
        let mut commit =
            self.command(&["commit-tree", &tree, "-p", base, "-p", head, "-m", message]);
        for role in ["AUTHOR", "COMMITTER"] {
            commit.env(format!("GIT_{role}_NAME"), by);
            commit.env(
                format!("GIT_{role}_EMAIL"),
                format!("{by}@users.noreply.github.com"),
            );
        }
        Ok(finish(&mut commit, None)?.trim().to_owned())
    }

    pub(crate) fn describe(&self, sha: &str) -> Result<Commit> {
        let format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%B";
        let shown = self.run(&["show", "--no-patch", format, sha])?;
        let mut fields = shown.splitn(7, '\0').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let (sha, tree, parents) = (next(), next(), next());
        let (name, email, at) = (next(), next(), next());
        let seconds: i64 = at.trim().parse().unwrap_or_default();
        Ok(Commit {
            sha,
            tree,
            parents: parents.split_whitespace().map(str::to_owned).collect(),
            name,
            email,
            at: super::clock::iso(seconds * 1000),
            message: next().trim_end().to_owned(),
        })
    }

    /// Commits that are new between two, oldest first.
    pub(crate) fn between(&self, old: Option<&str>, new: &str) -> Result<Vec<String>> {
        let range = old.map_or_else(|| new.to_owned(), |old| format!("{old}..{new}"));
        let listed = self.run(&["rev-list", "--reverse", &range])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    pub(crate) fn tree(&self, of: &str, path: Option<&str>, deep: bool) -> Result<Vec<Entry>> {
        let mut arguments = vec!["ls-tree", "-z", "--long", "--full-tree"];
        if deep {
            arguments.extend(["-r", "-t"]);
        }
        arguments.push(of);
        if let Some(path) = path {
            arguments.extend(["--", path]);
        }
        let listed = self.run(&arguments)?;
        let entry = |line: &str| {
            let (head, path) = line.split_once('\t')?;
            let mut fields = head.split_whitespace().map(str::to_owned);
            Some(Entry {
                mode: fields.next()?,
                kind: fields.next()?,
                sha: fields.next()?,
                size: fields.next()?.parse().ok(),
                path: path.to_owned(),
            })
        };
        Ok(listed.split('\0').filter_map(entry).collect())
    }

    pub(crate) fn blob(&self, sha: &str) -> Result<Vec<u8>> {
        output(&mut self.command(&["cat-file", "blob", sha]), None)
    }

    /// Files that differ, with renames found.
    pub(crate) fn differing(&self, old: &str, new: &str) -> Result<Vec<Differing>> {
        let raw = self.run(&["diff", "--raw", "-z", "-M", "--no-abbrev", old, new])?;
        let mut fields = raw.split('\0');
        let mut found = Vec::new();
        while let Some(head) = fields.next().filter(|head| head.starts_with(':')) {
            let mut parts = head.split(' ').skip(3);
            let sha = parts.next().unwrap_or_default().to_owned();
            let letter = parts.next().and_then(|letters| letters.chars().next());
            let path = fields.next().unwrap_or_default().to_owned();
            let (status, path, previous) = match letter {
                Some('A') => ("added", path, None),
                Some('D') => ("removed", path, None),
                Some('R') => {
                    let new = fields.next().unwrap_or_default().to_owned();
                    ("renamed", new, Some(path))
                }
                _ => ("modified", path, None),
            };
            let sha = (sha != NOTHING).then_some(sha);
            found.push(Differing {
                status,
                sha,
                path,
                previous,
            });
        }
        Ok(found)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = plain_git();
        command.arg("--git-dir").arg(&self.0).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        finish(&mut self.command(arguments), None)
    }
}

/// git without what the box or a story's own repository tells it.
pub(crate) fn plain_git() -> Command {
    let mut command = Command::new("git");
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
    ] {
        command.env_remove(name);
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0");
    command
}

fn finish(command: &mut Command, input: Option<&[u8]>) -> Result<String> {
    let bytes = output(command, input)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn output(command: &mut Command, input: Option<&[u8]>) -> Result<Vec<u8>> {
    let stdin = if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .context("git does not start: is it installed?")?;
    // git says nothing before it has read all, so this cannot wait for a full pipe.
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input).context("git stopped reading")?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(output.stdout)
}

/// A path as fast-import wants it.
fn quoted(path: &str) -> Result<String> {
    if path.is_empty() || path.starts_with('/') || path.contains('\0') {
        bail!("{path:?} is no path in a repository: it starts at the root, without a slash");
    }
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{}\"", escaped.replace('\n', "\\n")))
}
