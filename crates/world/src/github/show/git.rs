//! Commits, branches, trees and files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::node;
use crate::github::{
    git::{Commit, Differing, Entry},
    state::{Repository, State},
};

/// As GitHub breaks the lines of a file.
const LINE: usize = 60;
/// A larger file is not in the answer; it is to be asked for as it is (1 MB in GitHub's words).
const INLINE: usize = 1_048_576;

impl State {
    pub(crate) fn show_commit(&self, repository: &Repository, commit: &Commit) -> Value {
        let api = self.api_url(repository);
        let html = self.html_url(repository);
        let sha = &commit.sha;
        let who = json!({ "name": commit.name, "email": commit.email, "date": commit.at });
        let parent = |sha: &String| {
            let url = format!("{api}/commits/{sha}");
            json!({ "sha": sha, "url": url, "html_url": format!("{html}/commit/{sha}") })
        };
        // GitHub knows an author by the address; the commits of this model carry logins.
        let account = self.known_account(&commit.name).ok();
        let account = account.map(|account| self.show_login(&account.login));
        json!({
            "sha": sha,
            "node_id": node("C_", repository.id),
            "url": format!("{api}/commits/{sha}"),
            "html_url": format!("{html}/commit/{sha}"),
            "comments_url": format!("{api}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"),
                "author": who,
                "committer": who,
                "message": commit.message,
                "tree": { "sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree) },
                "comment_count": 0,
                "verification": {
                    "verified": false,
                    "reason": "unsigned",
                    "signature": null,
                    "payload": null,
                    "verified_at": null,
                },
            },
            "author": account,
            "committer": account,
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn show_branch(
        &self,
        repository: &Repository,
        name: &str,
        commit: &Commit,
    ) -> Value {
        let api = self.api_url(repository);
        let url = format!("{api}/branches/{}", name.replace('/', "%2F"));
        json!({
            "name": name,
            "commit": self.show_commit(repository, commit),
            "_links": { "self": url, "html": format!("{}/tree/{name}", self.html_url(repository)) },
            "protected": false,
            "protection": { "enabled": false },
            "protection_url": format!("{url}/protection"),
        })
    }

    pub(crate) fn show_ref(&self, repository: &Repository, name: &str, sha: &str) -> Value {
        let api = self.api_url(repository);
        json!({
            "ref": name,
            "node_id": node("REF_", repository.id),
            "url": format!("{api}/git/{name}"),
            "object": { "type": "commit", "sha": sha, "url": format!("{api}/git/commits/{sha}") },
        })
    }

    pub(crate) fn show_tree_entry(&self, repository: &Repository, entry: &Entry) -> Value {
        let kind = if entry.kind == "tree" {
            "trees"
        } else {
            "blobs"
        };
        let url = format!("{}/git/{kind}/{}", self.api_url(repository), entry.sha);
        let mut shown = json!({
            "path": entry.path,
            "mode": entry.mode,
            "type": entry.kind,
            "sha": entry.sha,
            "url": url,
        });
        if let Some(size) = entry.size {
            shown["size"] = json!(size);
        }
        shown
    }

    /// A file or a folder as `contents` shows it; with its content if it is the one that was asked for.
    pub(crate) fn show_content(
        &self,
        repository: &Repository,
        reference: &str,
        entry: &Entry,
        content: Option<&[u8]>,
    ) -> Value {
        let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
            ("tree", _) => "dir",
            ("commit", _) => "submodule",
            (_, "120000") => "symlink",
            _ => "file",
        };
        let path = encoded(&entry.path);
        let of = encoded(reference);
        let url = format!("{}/contents/{path}?ref={of}", self.api_url(repository));
        let git = format!("{}/git/blobs/{}", self.api_url(repository), entry.sha);
        let html = format!("{}/blob/{of}/{path}", self.html_url(repository));
        let name = entry.path.rsplit('/').next();
        let mut shown = json!({
            "type": kind,
            "name": name,
            "path": entry.path,
            "sha": entry.sha,
            "size": entry.size.unwrap_or(0),
            "url": url,
            "git_url": git,
            "html_url": html,
            "download_url": format!("{}/raw/{of}/{path}", self.html_url(repository)),
            "_links": { "self": url, "git": git, "html": html },
        });
        if let Some(content) = content {
            let large = content.len() > INLINE;
            let text = if large {
                String::new()
            } else {
                lines(&STANDARD.encode(content))
            };
            shown["content"] = json!(text);
            shown["encoding"] = json!(if large { "none" } else { "base64" });
        }
        shown
    }

    pub(crate) fn show_differing(
        &self,
        repository: &Repository,
        head: &str,
        file: &Differing,
    ) -> Value {
        let (api, html) = (self.api_url(repository), self.html_url(repository));
        let path = encoded(&file.path);
        let mut shown = json!({
            "sha": file.sha,
            "filename": file.path,
            "status": file.status,
            // Counts of lines are not what anybody of ours reads.
            "additions": 0,
            "deletions": 0,
            "changes": 0,
            "blob_url": format!("{html}/blob/{head}/{path}"),
            "raw_url": format!("{html}/raw/{head}/{path}"),
            "contents_url": format!("{api}/contents/{path}?ref={head}"),
        });
        if let Some(previous) = &file.previous {
            shown["previous_filename"] = json!(previous);
        }
        shown
    }
}

fn lines(text: &str) -> String {
    let chunks = text.as_bytes().chunks(LINE);
    chunks
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect()
}

/// A path in an address, with its slashes.
fn encoded(path: &str) -> String {
    let parts = path.split('/');
    let each =
        parts.map(|part| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>());
    let joined: Vec<String> = each.collect();
    joined.join("/").replace('+', "%20")
}
