//! What the outside has seen and remembers, for the oracles: never the server's opinion of itself.

use std::collections::{BTreeMap, BTreeSet};

use nestling_domain::{
    deployment::CommitInfo,
    environment::Environment,
    github::shown::Ledger,
    ids::{Commit, EnvironmentId, Generation, Kind, Timestamp},
};

/// Characters of a webhook's number.
const GUID: usize = 36;

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
    /// How often somebody did something because an environment was in the right state for it.
    pub(super) meetings: u32,
    /// What each webhook tells, by its number: one of [`EVENTS`](super::crashes::EVENTS).
    pub(super) told: BTreeMap<String, &'static str>,
    /// Whether the App is taken away, or was.
    pub(super) taken: Option<Closed>,
    /// Whether the App is suspended, or was.
    pub(super) suspended: Option<Closed>,
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

/// Whether a way is closed: a pull request, or the App's to the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is.
    Now { since: Timestamp },
    /// It was until this moment.
    Until(Timestamp),
}

impl Closed {
    /// Whether it is, or was so a moment ago that an answer from then may still be on its way.
    pub(super) fn lately(self, now: Timestamp, stale: u64) -> bool {
        match self {
            Closed::Now { .. } => true,
            Closed::Until(at) => now.0 - at.0 <= stale,
        }
    }
}

impl Known {
    /// Which webhook an input came by, if any: its number is the input's, with the place of an order behind it.
    pub(super) fn told_by(&self, input: &str) -> Option<&'static str> {
        let number = input.get(..GUID).unwrap_or(input);
        self.told.get(number).copied()
    }

    /// Whether the App stays away.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.taken, Some(Closed::Now { .. }))
    }

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
