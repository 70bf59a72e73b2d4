//! Real repositories, driven by git itself.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Bare, Change, Commit, Differing, Entry, NOTHING};
use crate::github::clock::iso;

/// A bare repository in this folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Bare for Folder {
    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn create(&self, default_branch: &str) -> Result<()> {
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

    fn commit(
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

    fn resolve(&self, name: &str) -> Option<String> {
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

    fn branches(&self) -> Result<Vec<(String, String)>> {
        let format = "--format=%(refname:lstrip=2) %(objectname)";
        let listed = self.run(&["for-each-ref", format, "refs/heads/"])?;
        let pair = |line: &str| {
            let (name, sha) = line.rsplit_once(' ')?;
            Some((name.to_owned(), sha.to_owned()))
        };
        Ok(listed.lines().filter_map(pair).collect())
    }

    fn set(&self, name: &str, sha: &str) -> Result<()> {
        self.run(&["update-ref", name, sha]).map(drop)
    }

    fn set_head(&self, branch: &str) -> Result<()> {
        self.run(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")])
            .map(drop)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.run(&["update-ref", "-d", name]).map(drop)
    }

    fn take(&self, from: &dyn Bare, sha: &str, name: &str) -> Result<()> {
        let from = from.folder().context("a folder takes from a folder")?;
        if self.0 != from {
            let from = from.to_string_lossy();
            self.run(&["fetch", "--quiet", "--no-tags", &from, sha])?;
        }
        self.set(name, sha)
    }

    fn copy(&self, from: &dyn Bare) -> Result<()> {
        let from = from.folder().context("a folder copies a folder")?;
        let from = from.to_string_lossy();
        let all = "+refs/heads/*:refs/heads/*";
        self.run(&["fetch", "--quiet", "--tags", &from, all])?;
        Ok(())
    }

    fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.run(&["merge-base", "--is-ancestor", old, new]).is_ok()
    }

    fn merge_base(&self, one: &str, other: &str) -> Result<String> {
        let found = self.run(&["merge-base", one, other])?;
        Ok(found.trim().to_owned())
    }

    fn merge(&self, base: &str, head: &str, by: &str, at: i64, message: &str) -> Result<String> {
        let tree = self.run(&["merge-tree", "--write-tree", "-X", "theirs", base, head])?;
        let tree = tree.lines().next().unwrap_or_default().to_owned();
        let mut commit =
            self.command(&["commit-tree", &tree, "-p", base, "-p", head, "-m", message]);
        for role in ["AUTHOR", "COMMITTER"] {
            commit.env(format!("GIT_{role}_DATE"), format!("{} +0000", at / 1000));
            commit.env(format!("GIT_{role}_NAME"), by);
            commit.env(
                format!("GIT_{role}_EMAIL"),
                format!("{by}@users.noreply.github.com"),
            );
        }
        Ok(finish(&mut commit, None)?.trim().to_owned())
    }

    fn describe(&self, sha: &str) -> Result<Commit> {
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
            at: iso(seconds * 1000),
            message: next().trim_end().to_owned(),
        })
    }

    fn between(&self, old: Option<&str>, new: &str) -> Result<Vec<String>> {
        let range = old.map_or_else(|| new.to_owned(), |old| format!("{old}..{new}"));
        let listed = self.run(&["rev-list", "--reverse", &range])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    fn tree(&self, of: &str, path: Option<&str>, deep: bool) -> Result<Vec<Entry>> {
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

    fn blob(&self, sha: &str) -> Result<Vec<u8>> {
        output(&mut self.command(&["cat-file", "blob", sha]), None)
    }

    fn differing(&self, old: &str, new: &str) -> Result<Vec<Differing>> {
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
}

impl Folder {
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
