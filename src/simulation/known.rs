//! What the outside has seen and remembers, for the oracles: never the server's opinion of itself.

use std::collections::{BTreeMap, BTreeSet};

use nestling_domain::{
    deployment::CommitInfo,
    environment::Environment,
    github::shown::Ledger,
    ids::{Commit, EnvironmentId, Generation, Kind, Timestamp},
};

/// All of it.
#[derive(Default)]
pub(super) struct Known {
    /// What must never be and was.
    pub(super) violations: Vec<String>,
    /// The records as they are on the disk.
    pub(super) records: BTreeMap<EnvironmentId, Environment>,
    /// Every deployment ever recorded: when, and of which commit.
    pub(super) deployments: BTreeMap<(EnvironmentId, Generation), (Timestamp, Commit)>,
    /// The inputs that a save was for.
    pub(super) inputs: BTreeSet<(EnvironmentId, String)>,
    /// The inputs that some environment was asked about.
    pub(super) put: BTreeSet<String>,
    /// The webhooks that were answered with 202.
    pub(super) acknowledged: BTreeSet<String>,
    /// What is written down of what GitHub shows.
    pub(super) shown: BTreeMap<Kind, Ledger>,
    /// Whose announcement was begun last.
    pub(super) announcing: Option<EnvironmentId>,
    /// Until when no webhook gets through.
    pub(super) silence: Option<Timestamp>,
    /// Webhooks that not even GitHub's log knows.
    pub(super) forgotten: u32,
    /// When a listing was empty though it should not have been.
    pub(super) listed_nothing: Option<Timestamp>,
    /// When a pull request was closed last, as far as it is closed or was.
    pub(super) closed: BTreeMap<u32, Closed>,
    /// Commits of somebody who may not write.
    pub(super) of_outsiders: BTreeSet<String>,
    /// Commits that somebody who may write has approved.
    pub(super) approved: BTreeSet<String>,
    /// Pull requests about which people ordered a stop, a cancel or a start.
    pub(super) ordered: BTreeSet<u32>,
    /// Pull requests for which people asked for a preview beyond all limits.
    pub(super) asked_for: BTreeSet<u32>,
    /// Since when all has been as it should be, and nothing has gone wrong.
    pub(super) settled: Option<Timestamp>,
    /// How much of a flow was done.
    pub(super) acts: usize,
    /// From when on nothing goes wrong.
    pub(super) calm: Option<Timestamp>,
}

/// Whether a pull request is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is.
    Now,
    /// It was until this moment.
    Until(Timestamp),
}

impl Known {
    /// The word for where an environment stands.
    pub(super) fn state_of(&self, id: Option<&EnvironmentId>) -> &'static str {
        let record = id.and_then(|id| self.records.get(id));
        record.map_or("none", |record| record.lifecycle.state_name())
    }

    /// Why a commit must not run as it does (I13).
    pub(super) fn distrusts(&self, commit: &CommitInfo) -> Option<String> {
        let sha = commit.id.as_str();
        if !self.of_outsiders.contains(sha) {
            return None;
        }
        if !self.approved.contains(sha) {
            return Some(format!(
                "{} of an outsider runs unapproved",
                commit.id.short()
            ));
        }
        let sees = commit.trust.sees_secrets() || commit.trust.shares_caches();
        sees.then(|| format!("{} of an outsider sees what members see", commit.id.short()))
    }
}
