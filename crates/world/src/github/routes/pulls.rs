//! Pull requests, read.

use serde_json::Value;

use super::{Asking, contents::broken};
use crate::github::{
    state::{Access, PullRequest, Repository},
    wire::{Answer, Answered, page},
};

const READ: Access = Access::read(&["pull_requests"]);
/// GitHub lists no more files of one pull request.
const FILES: usize = 3_000;

impl Asking<'_> {
    pub(super) fn pulls(&self, id: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let all = repository.pull_requests.values();
        let mut wanted: Vec<&PullRequest> =
            all.filter(|pull| self.wants(repository, pull)).collect();
        let key = |pull: &PullRequest| match self.request.parameter("sort") {
            Some("updated") => pull.updated_at,
            _ => pull.created_at,
        };
        // Newest first, unless a sort is asked for without a direction.
        let down = match (
            self.request.parameter("sort"),
            self.request.parameter("direction"),
        ) {
            (_, Some(direction)) => direction == "desc",
            (Some("updated"), None) => false,
            _ => true,
        };
        wanted.sort_by_key(|pull| (key(pull), pull.number));
        if down {
            wanted.reverse();
        }
        let shown = wanted
            .into_iter()
            .map(|pull| self.state.show_pull_request(repository, pull));
        Ok(page(self.request, &self.state.base, shown.collect()).answer())
    }

    pub(super) fn pull(&self, id: u64, number: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let pull = repository
            .pull_requests
            .get(&number)
            .ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(
            self.state.show_full_pull_request(repository, pull),
        ))
    }

    pub(super) fn files(&self, id: u64, number: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let pull = repository
            .pull_requests
            .get(&number)
            .ok_or_else(Answer::not_found)?;
        let git = self.state.git(id);
        let from = git.merge_base(&pull.base, &pull.head).map_err(broken)?;
        let mut files = git.differing(&from, &pull.head).map_err(broken)?;
        files.truncate(FILES);
        let shown: Vec<Value> = files
            .iter()
            .map(|file| self.state.show_differing(repository, &pull.head, file))
            .collect();
        Ok(page(self.request, &self.state.base, shown).answer())
    }

    fn wants(&self, repository: &Repository, pull: &PullRequest) -> bool {
        let state = match self.request.parameter("state").unwrap_or("open") {
            "all" => true,
            "closed" => !pull.open,
            _ => pull.open,
        };
        let base = self
            .request
            .parameter("base")
            .is_none_or(|base| base == pull.base_branch);
        // `user:branch`; without a user GitHub looks in the repository's own account.
        let head = self
            .request
            .parameter("head")
            .is_none_or(|head| match head.split_once(':') {
                Some((owner, branch)) => owner == pull.head_owner && branch == pull.head_branch,
                None => head == pull.head_branch && pull.head_owner == repository.owner,
            });
        state && base && head
    }
}
