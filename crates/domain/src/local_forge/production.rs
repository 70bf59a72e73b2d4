//! Which branch is production, at first sight and once that one is gone.

use std::time::Duration;

use super::Known;
use crate::{ids::Timestamp, record::PullRequestStatus};

/// How far apart two listings without the default branch must be before another takes its place: production moves once
/// and does not move back, and who deletes a branch to fetch it again waits for a network in between.
pub const DEFAULT_GONE_AFTER: Duration = Duration::from_secs(5);

/// Which branch is production, at first sight: the one that `origin/HEAD` names, `main`, `master`, the one that
/// is checked out, or the first by name. Only a branch that is there counts; `None` when there is none at all.
pub fn default_branch(
    origin_head: Option<&str>,
    current: Option<&str>,
    branches: &[&str],
) -> Option<String> {
    [origin_head, Some("main"), Some("master"), current]
        .into_iter()
        .flatten()
        .find(|name| branches.contains(name))
        .or_else(|| branches.iter().min().copied())
        .map(str::to_owned)
}

/// Whether listings have lacked the default branch for so long that another takes its place.
pub fn is_default_gone(known: &Known, default_branch: &str, now: Timestamp) -> bool {
    let since = known.missing.get(default_branch);
    since.is_some_and(|since| now.since(*since) >= DEFAULT_GONE_AFTER)
}

/// Which branch is production once the default branch is gone: the one that `origin/HEAD` names; else the one that it was
/// renamed to; else `main`, else `master`. Only a branch that is there counts; `None` when that names none.
///
/// A renamed branch still holds the last head of production (`holding`, in any order) and is no open pull request. Of several
/// it is the one that is checked out, or nobody knows. It comes before `main` and `master`: beside a branch that was
/// renamed, those are what nobody has used for long.
pub fn successor(
    known: &Known,
    origin_head: Option<&str>,
    current: Option<&str>,
    holding: &[&str],
    branches: &[&str],
) -> Option<String> {
    let is_pull_request = |name: &str| {
        let mut rows = known.pull_requests.iter();
        rows.any(|row| row.branch == name && row.status != PullRequestStatus::Closed)
    };
    let renamed: Vec<&str> = holding
        .iter()
        .copied()
        .filter(|name| !is_pull_request(name))
        .collect();
    let renamed = match renamed[..] {
        [one] => Some(one),
        _ => current.filter(|name| renamed.contains(name)),
    };
    [origin_head, renamed, Some("main"), Some("master")]
        .into_iter()
        .flatten()
        .find(|name| branches.contains(name))
        .map(str::to_owned)
}
