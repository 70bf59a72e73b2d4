//! The local forge's decisions: from listings of branches to pull requests, and to what environments are told.
//!
//! A local repository has no pull requests, so each branch beside the default one counts as one, for as long
//! as it has commits that the default branch lacks. [`notice`] compares what was known with one complete
//! listing. Nothing here reads a repository or a clock.
//!
//! - Age decides only what gets *opened* ([`OPENED_UP_TO`]): one that is open stays open however long nobody
//!   commits to it, because an environment that somebody looks at must not vanish overnight.
//! - At most [`MOST_OPEN`] are opened; the rest wait, newest activity first, until a place is free or a person
//!   starts one. One that a person started holds a place like any other.
//! - A branch is gone when two complete listings, [`GONE_AFTER`] apart, lack it: tools that rewrite branches
//!   delete and create them again within milliseconds.
//! - A listing without the default branch changes nothing for [`DEFAULT_GONE_AFTER`]. Then another branch takes its place where
//!   [`successor`] names one. Where it names none production stays as it is, and so does what is open: it is pushed to and
//!   closed, but nothing is opened, because what is new may be production under its new name.

mod production;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use crate::{
    deployment::CommitInfo,
    ids::{Commit, RepositoryId, Timestamp},
    lifecycle::{Refused, Trigger},
    record::{Fact, PullRequest, PullRequestStatus},
};

pub use production::{DEFAULT_GONE_AFTER, default_branch, is_default_gone, successor};

/// How many pull requests of one repository are opened without a person asking: a laptop carries ten previews.
pub const MOST_OPEN: usize = 10;
/// How old a head may be for its branch to be opened: older branches are forgotten work, not work under review.
pub const OPENED_UP_TO: Duration = Duration::from_hours(14 * 24);
/// How far apart two listings without a branch must be before it counts as gone.
pub const GONE_AFTER: Duration = Duration::from_secs(1);
/// One branch, as a listing saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// Its head.
    pub head: CommitInfo,
    /// When its head was committed, by the committer's clock.
    pub committed_at: Timestamp,
    /// Whether it has a commit that the default branch lacks; while that is missing, one that its last head lacks.
    pub ahead: bool,
}

/// All branches of a repository at one moment. Never a part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// When, by our clock.
    pub at: Timestamp,
    /// Every branch, in any order.
    pub branches: Vec<Branch>,
}

/// What is known of a repository from earlier listings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The head of the default branch that environments were told last.
    pub production: Option<Commit>,
    /// Its pull requests. One without a head has its number and nothing else yet.
    pub pull_requests: Vec<PullRequest>,
    /// Branches that the last listings lacked, and since when: those of pull requests, and the default one.
    pub missing: BTreeMap<String, Timestamp>,
}

/// What one listing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// What is known now.
    pub known: Known,
    /// The pull requests whose record changed, by number.
    pub changed: Vec<PullRequest>,
    /// What environments must be told: production, then closes, then the rest by number.
    pub facts: Vec<Fact>,
}

impl Listing {
    fn default(&self, name: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.name == name)
    }
}

impl Noticed {
    fn nothing(known: Known) -> Self {
        Noticed {
            known,
            changed: Vec::new(),
            facts: Vec::new(),
        }
    }
}

/// The branches that deserve a number and have none: oldest head first, so that numbers follow the work. None while the
/// default branch is missing.
pub fn unnumbered(known: &Known, default_branch: &str, listing: &Listing) -> Vec<String> {
    if listing.default(default_branch).is_none() {
        return Vec::new();
    }
    let numbered: BTreeSet<&str> = known
        .pull_requests
        .iter()
        .map(|row| row.branch.as_str())
        .collect();
    let mut fresh: Vec<&Branch> = listing
        .branches
        .iter()
        .filter(|branch| branch.name != default_branch && qualifies(branch, listing.at))
        .filter(|branch| !numbered.contains(&*branch.name))
        .collect();
    fresh.sort_by_key(|branch| (branch.committed_at, branch.name.clone()));
    fresh
        .into_iter()
        .map(|branch| branch.name.clone())
        .collect()
}

/// Compares a complete listing with what was known. Branches without a number are left alone:
/// see [`unnumbered`].
pub fn notice(known: &Known, default_branch: &str, listing: &Listing) -> Noticed {
    let default = listing.default(default_branch);
    let mut known = known.clone();
    if default.is_some() {
        known.missing.remove(default_branch);
    } else if listing.branches.is_empty() {
        // Nobody deletes all branches: something is wrong with the repository.
        return Noticed::nothing(known);
    } else {
        let since = known.missing.entry(default_branch.to_owned());
        since.or_insert(listing.at);
        if !is_default_gone(&known, default_branch, listing.at) {
            return Noticed::nothing(known);
        }
    }
    let mut table = Table::new(&known, default_branch, listing);
    table.close_and_push();
    let mut facts = Vec::new();
    if let Some(default) = default {
        table.open();
        if known.production.as_ref() != Some(&default.head.id) {
            facts.push(Fact::Production {
                branch: default.name.clone(),
                commit: default.head.id.clone(),
            });
        }
    }
    facts.append(&mut table.facts);
    let before: BTreeMap<u32, &PullRequest> = known
        .pull_requests
        .iter()
        .map(|row| (row.number, row))
        .collect();
    let changed = table
        .rows
        .iter()
        .filter(|row| before.get(&row.number) != Some(row))
        .cloned()
        .collect();
    Noticed {
        known: Known {
            production: default.map_or(known.production, |default| Some(default.head.id.clone())),
            pull_requests: table.rows,
            missing: table.missing,
        },
        changed,
        facts,
    }
}

/// A person starts a waiting pull request: its new record and what environments must be told. `None` when it
/// is open already.
pub fn start(pull_request: &PullRequest) -> Result<Option<(PullRequest, Fact)>, Refused> {
    match pull_request.status {
        PullRequestStatus::Open => Ok(None),
        PullRequestStatus::Waiting => {
            let opened = PullRequest {
                status: PullRequestStatus::Open,
                ..pull_request.clone()
            };
            let fact = told(&opened, Trigger::Reopen);
            Ok(Some((opened, fact)))
        }
        PullRequestStatus::Closed => Err(Refused(format!(
            "pull request {} is closed: branch `{}` is gone, is merged, is production now, or is older than {} days; commit to it to open it again",
            pull_request.number,
            pull_request.branch,
            OPENED_UP_TO.as_secs() / (24 * 60 * 60),
        ))),
    }
}

/// The id of the delivery that tells this, after `before` (the id of the one before it about the same branch, or
/// any text where there is none). The same news has the same id however often it is noticed; the same head
/// after a close and a reopen has another.
pub fn delivery_id(repository: RepositoryId, before: &str, fact: &Fact) -> String {
    let news = match fact {
        Fact::Production { branch, commit } => format!("production\0{branch}\0{commit}"),
        Fact::PullRequest {
            number,
            commit,
            trigger,
            ..
        } => {
            let commit = commit.as_ref().map_or("", Commit::as_str);
            format!("{number}\0{trigger:?}\0{commit}")
        }
        Fact::Preview { app, number, .. } => format!("preview\0{app}\0{number}"),
        Fact::Missing { branch } => format!("missing\0{branch}"),
        Fact::Returned { app, .. } => format!("returned\0{app}"),
        // GitHub gives its deliveries ids of its own.
        Fact::Webhook { event, .. } | Fact::Unreadable { event, .. } => event.clone(),
    };
    let digest = Sha256::digest(format!("{repository}\0{before}\0{news}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    format!("local-{:032x}", u128::from_be_bytes(bytes))
}

/// Whether two facts say the same news: titles may differ.
pub fn same_news(one: &Fact, other: &Fact) -> bool {
    let anywhere = RepositoryId(0);
    delivery_id(anywhere, "", one) == delivery_id(anywhere, "", other)
}

/// Why a waiting pull request waits, for people.
pub fn why_waiting() -> String {
    format!(
        "{MOST_OPEN} pull requests of this repository are open, which is the limit: start this one by hand, or delete or merge the branch of another"
    )
}

/// The pull requests while one listing is taken in.
struct Table<'a> {
    now: Timestamp,
    branches: BTreeMap<&'a str, &'a Branch>,
    rows: Vec<PullRequest>,
    missing: BTreeMap<String, Timestamp>,
    facts: Vec<Fact>,
}

impl<'a> Table<'a> {
    fn new(known: &Known, default_branch: &'a str, listing: &'a Listing) -> Self {
        let branches: BTreeMap<&str, &Branch> = listing
            .branches
            .iter()
            .filter(|branch| branch.name != default_branch)
            .map(|branch| (branch.name.as_str(), branch))
            .collect();
        let mut rows = known.pull_requests.clone();
        rows.sort_by_key(|row| row.number);
        // One that only has its number holds no place yet, whatever its record says.
        for row in rows.iter_mut().filter(|row| row.head.is_none()) {
            row.status = PullRequestStatus::Closed;
        }
        let missing = rows
            .iter()
            .filter(|row| row.status != PullRequestStatus::Closed)
            .filter(|row| row.branch != default_branch && !branches.contains_key(&*row.branch))
            .map(|row| {
                let since = known.missing.get(&row.branch).copied();
                (row.branch.clone(), since.unwrap_or(listing.at))
            })
            .chain(
                known
                    .missing
                    .get_key_value(default_branch)
                    .map(|(name, since)| (name.clone(), *since)),
            )
            .collect();
        Table {
            now: listing.at,
            branches,
            rows,
            missing,
            facts: Vec::new(),
        }
    }

    /// Everything but opening: what is gone or merged closes, what moved is told.
    fn close_and_push(&mut self) {
        let mut pushes = Vec::new();
        for row in &mut self.rows {
            let is = row.status;
            let branch = self.branches.get(&*row.branch);
            let closes = match (branch, is) {
                (Some(branch), PullRequestStatus::Open) => !branch.ahead,
                (Some(branch), _) => !qualifies(branch, self.now),
                (None, _) => self
                    .missing
                    .get(&row.branch)
                    .is_none_or(|since| self.now.since(*since) >= GONE_AFTER),
            };
            if closes {
                row.status = PullRequestStatus::Closed;
                self.missing.remove(&row.branch);
                if is != PullRequestStatus::Closed {
                    self.facts.push(closed(row));
                }
            } else if let (Some(branch), PullRequestStatus::Open) = (branch, is) {
                let moved = row.head.as_ref().map(|head| &head.id) != Some(&branch.head.id);
                show(row, branch);
                if moved {
                    pushes.push(told(row, Trigger::Push));
                }
            }
        }
        self.facts.append(&mut pushes);
    }

    /// Fills free places, newest activity first; what finds none waits.
    fn open(&mut self) {
        let is_open = |row: &&PullRequest| row.status == PullRequestStatus::Open;
        let mut places = MOST_OPEN.saturating_sub(self.rows.iter().filter(is_open).count());
        let mut candidates: Vec<(&mut PullRequest, &Branch)> = self
            .rows
            .iter_mut()
            .filter(|row| row.status != PullRequestStatus::Open)
            .filter_map(|row| {
                let branch = *self.branches.get(&*row.branch)?;
                qualifies(branch, self.now).then_some((row, branch))
            })
            .collect();
        // A clock that runs ahead must not win for ever: nothing is newer than now.
        candidates.sort_by_key(|(row, branch)| {
            let active = branch.committed_at.min(self.now);
            (std::cmp::Reverse(active), row.number)
        });
        let mut opened = Vec::new();
        for (row, branch) in candidates {
            let fresh = row.head.is_none();
            show(row, branch);
            if places == 0 {
                row.status = PullRequestStatus::Waiting;
                continue;
            }
            places -= 1;
            row.status = PullRequestStatus::Open;
            let trigger = if fresh {
                Trigger::Push
            } else {
                Trigger::Reopen
            };
            opened.push((row.number, told(row, trigger)));
        }
        opened.sort_by_key(|(number, _)| *number);
        self.facts.extend(opened.into_iter().map(|(_, fact)| fact));
    }
}

/// Whether a branch may be opened.
fn qualifies(branch: &Branch, now: Timestamp) -> bool {
    branch.ahead && now.since(branch.committed_at) <= OPENED_UP_TO
}

fn show(row: &mut PullRequest, branch: &Branch) {
    row.title.clone_from(&branch.head.message);
    row.head = Some(branch.head.clone());
}

/// It names no commit, because it reaches even what a person or a policy has stopped.
fn closed(row: &PullRequest) -> Fact {
    Fact::PullRequest {
        number: row.number,
        branch: row.branch.clone(),
        title: row.title.clone(),
        commit: None,
        trigger: Trigger::Close,
    }
}

fn told(row: &PullRequest, trigger: Trigger) -> Fact {
    Fact::PullRequest {
        number: row.number,
        branch: row.branch.clone(),
        title: row.title.clone(),
        commit: row.head.as_ref().map(|head| head.id.clone()),
        trigger,
    }
}
