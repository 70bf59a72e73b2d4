//! Comments, reactions, and pull requests as the issues that they are, too.

use serde_json::{Value, json};

use super::{moment, node, people::association};
use crate::github::{
    clock::iso,
    state::{Author, Comment, Reaction, Repository, State},
};

/// What a reaction can say.
pub(crate) const REACTIONS: [&str; 8] = [
    "+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes",
];

impl State {
    pub(crate) fn show_comment(&self, repository: &Repository, comment: &Comment) -> Value {
        let api = self.api_url(repository);
        let page = self.html_url(repository);
        let below = if repository.pull_requests.contains_key(&comment.number) {
            "pull"
        } else {
            "issues"
        };
        let url = format!("{api}/issues/comments/{}", comment.id);
        json!({
            "id": comment.id,
            "node_id": node("IC_", comment.id),
            "url": url,
            "html_url": format!("{page}/{below}/{}#issuecomment-{}", comment.number, comment.id),
            "issue_url": format!("{api}/issues/{}", comment.number),
            "user": self.show_author(&comment.author),
            "author_association": association(repository, &comment.author),
            "body": comment.body,
            "created_at": iso(comment.created_at),
            "updated_at": iso(comment.updated_at),
            "performed_via_github_app": self.show_through(&comment.author),
            "reactions": reactions(&url, &comment.reactions),
        })
    }

    pub(crate) fn show_reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": node("REA_", reaction.id),
            "user": self.show_author(&reaction.author),
            "content": reaction.content,
            "created_at": iso(reaction.created_at),
        })
    }

    /// The App that something was written through.
    pub(crate) fn show_through(&self, author: &Author) -> Value {
        match author {
            Author::App(id) => self
                .apps
                .get(id)
                .map_or(Value::Null, |app| self.show_app(app)),
            Author::Person(_) => Value::Null,
        }
    }

    /// A pull request or an issue, as events of comments have it.
    pub(crate) fn show_issue(&self, repository: &Repository, number: u64) -> Value {
        let pull = repository.pull_requests.get(&number);
        let title = pull
            .map(|pull| &pull.title)
            .or_else(|| repository.issues.get(&number));
        let author = pull.map_or(Author::Person(repository.owner.clone()), |pull| {
            pull.author.clone()
        });
        let url = format!("{}/issues/{number}", self.api_url(repository));
        let page = if pull.is_some() { "pull" } else { "issues" };
        let html = format!("{}/{page}/{number}", self.html_url(repository));
        let labels = pull.map(|pull| &pull.labels).into_iter().flatten();
        let labels = labels.map(|label| self.show_label(repository, label));
        let comments = repository.comments.values();
        let comments = comments.filter(|comment| comment.number == number).count();
        let created = pull.map_or(repository.created_at, |pull| pull.created_at);
        let id = pull.map_or(repository.id + number, |pull| pull.id);
        let mut shown = json!({
            "id": id,
            "node_id": node("I_", id),
            "number": number,
            "title": title,
            "body": pull.and_then(|pull| pull.body.clone()),
            "user": self.show_author(&author),
            "author_association": association(repository, &author),
            "state": if pull.is_none_or(|pull| pull.open) { "open" } else { "closed" },
            "state_reason": null,
            "locked": false,
            "active_lock_reason": null,
            "labels": labels.collect::<Vec<_>>(),
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "comments": comments,
            "created_at": iso(created),
            "updated_at": iso(pull.map_or(created, |pull| pull.updated_at)),
            "closed_at": moment(pull.and_then(|pull| pull.closed_at)),
            "performed_via_github_app": null,
            "url": url,
            "repository_url": self.api_url(repository),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"),
            "html_url": html,
            "reactions": reactions(&url, &[]),
        });
        if let Some(pull) = pull {
            shown["draft"] = json!(pull.draft);
            shown["pull_request"] = json!({
                "url": format!("{}/pulls/{number}", self.api_url(repository)),
                "html_url": html,
                "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"),
                "merged_at": moment(pull.merge_commit.as_ref().and(pull.closed_at)),
            });
        }
        shown
    }
}

fn reactions(url: &str, all: &[Reaction]) -> Value {
    let mut shown = json!({ "url": format!("{url}/reactions"), "total_count": all.len() });
    for content in REACTIONS {
        let same = all.iter().filter(|reaction| reaction.content == content);
        shown[content] = json!(same.count());
    }
    shown
}
