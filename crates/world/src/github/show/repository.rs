//! Repositories.

use serde_json::{Value, json};

use super::node;
use crate::github::{
    clock::iso,
    state::{Repository, State},
};

/// Addresses of a repository that end like their name; braces mark what a reader fills in.
const ADDRESSES: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

impl State {
    /// `https://api.github.com/repos/owner/name`.
    pub(crate) fn api_url(&self, repository: &Repository) -> String {
        format!("{}/repos/{}", self.base, repository.full_name())
    }

    /// `https://github.com/owner/name`.
    pub(crate) fn html_url(&self, repository: &Repository) -> String {
        format!("{}/{}", self.base, repository.full_name())
    }

    /// As it stands inside other things.
    pub(crate) fn show_repository(&self, repository: &Repository) -> Value {
        let html = self.html_url(repository);
        let host = self.base.trim_start_matches("http://");
        let open = repository.pull_requests.values().filter(|pull| pull.open);
        let open = open.count() + repository.issues.len();
        let forks = self.repositories.values();
        let forks = forks
            .filter(|fork| fork.parent == Some(repository.id))
            .count();
        let mut shown = json!({
            "id": repository.id,
            "node_id": node("R_", repository.id),
            "name": repository.name,
            "full_name": repository.full_name(),
            "owner": self.show_login(&repository.owner),
            "private": repository.private,
            "visibility": if repository.private { "private" } else { "public" },
            "html_url": html,
            "description": null,
            "fork": repository.parent.is_some(),
            "clone_url": format!("{html}.git"),
            "git_url": format!("git://{host}/{}.git", repository.full_name()),
            "ssh_url": format!("git@{host}:{}.git", repository.full_name()),
            "svn_url": html,
            "mirror_url": null,
            "homepage": null,
            "language": null,
            "license": null,
            "default_branch": repository.default_branch,
            "archived": false,
            "disabled": false,
            "allow_forking": true,
            "is_template": false,
            "web_commit_signoff_required": false,
            "topics": [],
            "custom_properties": {},
            "has_issues": true,
            "has_projects": true,
            "has_wiki": true,
            "has_pages": false,
            "has_downloads": true,
            "has_discussions": false,
        });
        let counted = [
            ("forks", forks),
            ("forks_count", forks),
            ("open_issues", open),
            ("open_issues_count", open),
            ("size", 1),
            ("stargazers_count", 0),
            ("watchers", 0),
            ("watchers_count", 0),
        ];
        for (name, count) in counted {
            shown[name] = json!(count);
        }
        for (name, at) in [
            ("created_at", repository.created_at),
            ("updated_at", repository.pushed_at),
            ("pushed_at", repository.pushed_at),
        ] {
            shown[name] = json!(iso(at));
        }
        let api = self.api_url(repository);
        for (name, end) in ADDRESSES {
            shown[name] = json!(format!("{api}{end}"));
        }
        shown
    }

    /// As `GET /repos/{owner}/{repo}` answers.
    pub(crate) fn show_full_repository(&self, repository: &Repository) -> Value {
        let mut shown = self.show_repository(repository);
        shown["network_count"] = shown["forks"].clone();
        shown["subscribers_count"] = json!(0);
        let parent = repository.parent.and_then(|id| self.repositories.get(&id));
        if let Some(parent) = parent {
            shown["parent"] = self.show_repository(parent);
            shown["source"] = self.show_repository(parent);
        }
        shown
    }

    /// As a push event has it: with moments as numbers.
    pub(crate) fn show_pushed_repository(&self, repository: &Repository) -> Value {
        let mut shown = self.show_repository(repository);
        shown["created_at"] = json!(repository.created_at / 1000);
        shown["pushed_at"] = json!(repository.pushed_at / 1000);
        shown["url"] = json!(self.html_url(repository));
        shown["stargazers"] = json!(0);
        shown["master_branch"] = json!(repository.default_branch);
        shown["owner"]["name"] = json!(repository.owner);
        shown["owner"]["email"] = json!(null);
        shown
    }
}

/// As events of installations list them.
pub(crate) fn show_listed_repository(repository: &Repository) -> Value {
    json!({
        "id": repository.id,
        "node_id": node("R_", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "private": repository.private,
    })
}
