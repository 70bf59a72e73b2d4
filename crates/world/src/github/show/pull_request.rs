//! Pull requests.

use serde_json::{Value, json};

use super::{moment, node, people::association};
use crate::github::{
    clock::iso,
    state::{Label, PullRequest, Repository, State},
};

impl State {
    /// As lists show it.
    pub(crate) fn show_pull_request(&self, repository: &Repository, pull: &PullRequest) -> Value {
        let api = self.api_url(repository);
        let html = format!("{}/pull/{}", self.html_url(repository), pull.number);
        let url = format!("{api}/pulls/{}", pull.number);
        let issue = format!("{api}/issues/{}", pull.number);
        let statuses = format!("{api}/statuses/{}", pull.head);
        let review_comment = format!("{api}/pulls/comments{{/number}}");
        let labels = pull
            .labels
            .iter()
            .map(|label| self.show_label(repository, label));
        let merged_at = pull.merge_commit.as_ref().and(pull.closed_at);
        json!({
            "id": pull.id,
            "node_id": node("PR_", pull.id),
            "number": pull.number,
            "state": if pull.open { "open" } else { "closed" },
            "locked": false,
            "title": pull.title,
            "body": pull.body,
            "user": self.show_author(&pull.author),
            "author_association": association(repository, &pull.author),
            "draft": pull.draft,
            "labels": labels.collect::<Vec<_>>(),
            "head": self.show_head(pull),
            "base": {
                "label": format!("{}:{}", repository.owner, pull.base_branch),
                "ref": pull.base_branch,
                "sha": pull.base,
                "user": self.show_login(&repository.owner),
                "repo": self.show_repository(repository),
            },
            "created_at": iso(pull.created_at),
            "updated_at": iso(pull.updated_at),
            "closed_at": moment(pull.closed_at),
            "merged_at": moment(merged_at),
            "merge_commit_sha": pull.merge_commit,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "milestone": null,
            "auto_merge": null,
            "active_lock_reason": null,
            "url": url,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "issue_url": issue,
            "commits_url": format!("{url}/commits"),
            "comments_url": format!("{issue}/comments"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": review_comment,
            "statuses_url": statuses,
            "_links": {
                "self": { "href": url },
                "html": { "href": html },
                "issue": { "href": issue },
                "comments": { "href": format!("{issue}/comments") },
                "review_comments": { "href": format!("{url}/comments") },
                "review_comment": { "href": review_comment },
                "commits": { "href": format!("{url}/commits") },
                "statuses": { "href": statuses },
            },
        })
    }

    /// As it stands alone, and in events.
    pub(crate) fn show_full_pull_request(
        &self,
        repository: &Repository,
        pull: &PullRequest,
    ) -> Value {
        let mut shown = self.show_pull_request(repository, pull);
        let git = self.git(repository.id);
        let files = git
            .merge_base(&pull.base, &pull.head)
            .and_then(|from| git.differing(&from, &pull.head))
            .map_or(0, |files| files.len());
        let commits = git.between(Some(&pull.base), &pull.head);
        let comments = repository.comments.values();
        let comments = comments
            .filter(|comment| comment.number == pull.number)
            .count();
        let more = json!({
            "merged": pull.merge_commit.is_some(),
            "mergeable": pull.open.then_some(true),
            "rebaseable": pull.open.then_some(true),
            "mergeable_state": if pull.open { "clean" } else { "unknown" },
            "merged_by": pull.merged_by.as_ref().map(|by| self.show_author(by)),
            "comments": comments,
            "review_comments": 0,
            "maintainer_can_modify": false,
            "commits": commits.map_or(0, |commits| commits.len()),
            "additions": files,
            "deletions": 0,
            "changed_files": files,
        });
        if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
            shown.extend(more);
        }
        shown
    }

    /// As a check run names it.
    pub(crate) fn show_minimal_pull_request(
        &self,
        repository: &Repository,
        pull: &PullRequest,
    ) -> Value {
        let side = |of: &Repository, branch: &str, sha: &str| {
            let repo = json!({ "id": of.id, "url": self.api_url(of), "name": of.name });
            json!({ "ref": branch, "sha": sha, "repo": repo })
        };
        json!({
            "id": pull.id,
            "number": pull.number,
            "url": format!("{}/pulls/{}", self.api_url(repository), pull.number),
            "head": side(repository, &pull.head_branch, &pull.head),
            "base": side(repository, &pull.base_branch, &pull.base),
        })
    }

    pub(crate) fn show_label(&self, repository: &Repository, label: &Label) -> Value {
        json!({
            "id": label.id,
            "node_id": node("LA_", label.id),
            "url": format!("{}/labels/{}", self.api_url(repository), label.name.replace(' ', "%20")),
            "name": label.name,
            "description": "",
            "color": "ededed",
            "default": false,
        })
    }

    fn show_head(&self, pull: &PullRequest) -> Value {
        let from = pull
            .head_repository
            .and_then(|id| self.repositories.get(&id));
        json!({
            "label": format!("{}:{}", pull.head_owner, pull.head_branch),
            "ref": pull.head_branch,
            "sha": pull.head,
            "user": self.show_login(&pull.head_owner),
            // Nothing once the fork is deleted, whatever the description says.
            "repo": from.map(|from| self.show_repository(from)),
        })
    }
}
