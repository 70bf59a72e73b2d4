//! Branches, commits, trees and files.

use serde_json::{Value, json};

use super::Asking;
use crate::github::{
    git::{Bare, Entry},
    state::Access,
    wire::{Answer, Answered, page},
};

const READ: Access = Access::read(&["contents"]);
/// A larger tree is cut short.
const TREE: usize = 100_000;

impl Asking<'_> {
    pub(super) fn branches(&self, id: u64) -> Answered {
        let git = self.read(id)?;
        let api = self.state.api_url(self.at(id)?);
        let all = git
            .branches()
            .map_err(broken)?
            .into_iter()
            .map(|(name, sha)| {
                json!({
                    "name": name,
                    "commit": { "sha": sha, "url": format!("{api}/commits/{sha}") },
                    "protected": false,
                })
            });
        Ok(page(self.request, &self.state.base, all.collect()).answer())
    }

    pub(super) fn branch(&self, id: u64, name: &str) -> Answered {
        let git = self.read(id)?;
        let sha = git.branch(name);
        let sha = sha.ok_or_else(|| Answer::error(404, "Branch not found"))?;
        let commit = git.describe(&sha).map_err(broken)?;
        Ok(Answer::ok(self.state.show_branch(
            self.at(id)?,
            name,
            &commit,
        )))
    }

    pub(super) fn git_ref(&self, id: u64, name: &str) -> Answered {
        let git = self.read(id)?;
        let whole = format!("refs/{name}");
        let sha = git.resolve(&whole).ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(self.state.show_ref(self.at(id)?, &whole, &sha)))
    }

    pub(super) fn commit(&self, id: u64, of: &str) -> Answered {
        let git = self.read(id)?;
        let sha = git.meant(of).ok_or_else(|| no_commit(of))?;
        let commit = git.describe(&sha).map_err(broken)?;
        let mut shown = self.state.show_commit(self.at(id)?, &commit);
        shown["stats"] = json!({ "total": 0, "additions": 0, "deletions": 0 });
        shown["files"] = json!([]);
        Ok(Answer::ok(shown))
    }

    pub(super) fn tree(&self, id: u64, of: &str) -> Answered {
        let git = self.read(id)?;
        let deep = self.request.parameter("recursive").is_some();
        let named = git.meant(of).unwrap_or_else(|| of.to_owned());
        if named.starts_with('-') {
            return Err(Answer::not_found());
        }
        let mut entries = git
            .tree(&named, None, deep)
            .map_err(|_| Answer::not_found())?;
        let truncated = entries.len() > TREE;
        entries.truncate(TREE);
        let repository = self.at(id)?;
        let each = entries
            .iter()
            .map(|entry| self.state.show_tree_entry(repository, entry));
        let sha = git
            .describe(&named)
            .map_or(named.clone(), |commit| commit.tree);
        Ok(Answer::ok(json!({
            "sha": sha,
            "url": format!("{}/git/trees/{sha}", self.state.api_url(repository)),
            "tree": each.collect::<Vec<_>>(),
            "truncated": truncated,
        })))
    }

    pub(super) fn contents(&self, id: u64, path: &str) -> Answered {
        let git = self.read(id)?;
        let repository = self.at(id)?;
        let reference = self
            .request
            .parameter("ref")
            .unwrap_or(&repository.default_branch);
        let no_ref = || Answer::error(404, &format!("No commit found for the ref {reference}"));
        let sha = git.meant(reference).ok_or_else(no_ref)?;
        let path = path.trim_matches('/');
        let show = |entry: &Entry, content: Option<&[u8]>| {
            self.state
                .show_content(repository, reference, entry, content)
        };
        let folder = |inside: Option<&str>| -> Answered {
            let entries = git.tree(&sha, inside, false).map_err(broken)?;
            let shown: Vec<Value> = entries.iter().map(|entry| show(entry, None)).collect();
            Ok(Answer::ok(Value::Array(shown)))
        };
        if path.is_empty() {
            return folder(None);
        }
        let found = git.tree(&sha, Some(path), false).map_err(broken)?;
        let entry = found
            .iter()
            .find(|entry| entry.path == path)
            .ok_or_else(Answer::not_found)?;
        if entry.kind == "tree" {
            return folder(Some(&format!("{path}/")));
        }
        let content = git.blob(&entry.sha).map_err(broken)?;
        let raw = self
            .request
            .header("accept")
            .is_some_and(|kind| kind.contains("raw"));
        if raw {
            return Ok(Answer::other("application/vnd.github.raw+json", content));
        }
        Ok(Answer::ok(show(entry, Some(&content))))
    }

    fn read(&self, id: u64) -> Result<Box<dyn Bare>, Answer> {
        self.admit(id, READ)?;
        Ok(self.state.git(id))
    }
}

/// What GitHub says of a commit that is not there.
pub(super) fn no_commit(of: &str) -> Answer {
    Answer::unprocessable(&format!("No commit found for SHA: {of}"))
}

/// git itself failed: nothing that a request can cause.
pub(super) fn broken(error: anyhow::Error) -> Answer {
    Answer::error(500, &format!("the model's git failed: {error:#}"))
}
