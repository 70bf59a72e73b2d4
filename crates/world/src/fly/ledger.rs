//! What was asked and what was changed, in order: what the oracles of a story read.

use std::collections::{BTreeMap, VecDeque};

use super::action::Action;

/// Whether a request said the nonce of its machine's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nonce {
    /// It said none.
    None,
    /// It said that of the lease that holds.
    Right,
    /// It said one, and no lease with it holds.
    Wrong,
}

/// A request, and how it ended.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In milliseconds since 1970.
    pub at: i64,
    /// `GET` and so on.
    pub method: String,
    /// With its query, without `/v1`.
    pub target: String,
    /// What it is, if it is anything.
    pub action: Option<Action>,
    /// Name of the app that it is about, if any.
    pub app: Option<String>,
    /// Id of the machine that it is about, if any.
    pub machine: Option<String>,
    /// Slug of the organisation whose token asked, or `nobody`.
    pub who: String,
    /// What was answered. 0: nothing, by order of a story.
    pub status: u16,
    /// Whether it said the nonce of the machine's lease.
    pub nonce: Nonce,
    /// Whether somebody held a lease of the machine then.
    pub leased: bool,
}

/// Something that was changed.
#[derive(Clone, Debug)]
pub struct Write {
    /// In milliseconds since 1970.
    pub at: i64,
    /// Slug of the organisation whose token asked.
    pub who: String,
    /// How.
    pub action: Action,
    /// Name of the app.
    pub app: String,
    /// Name of the app's private network.
    pub network: String,
    /// Id of a machine or volume, an address, a hostname, or the app's name.
    pub what: String,
    /// Metadata of the machine before the change, or as it was created.
    pub metadata: BTreeMap<String, String>,
    /// Whether the request said the nonce of the machine's lease.
    pub nonce: Nonce,
}

/// All of it since the model started, or the last of it.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Requests, oldest first.
    pub requests: VecDeque<Asked>,
    /// Changes that had their effect, oldest first.
    pub writes: VecDeque<Write>,
    /// How many requests of each kind were answered with which status: complete, whatever is kept.
    pub counts: BTreeMap<(Action, u16), u64>,
    /// Where a request or an answer is not as Fly's own description says.
    pub violations: Vec<String>,
    kept: Option<usize>,
}

impl Ledger {
    /// Keeps the last so many requests and changes only: for stories of 100,000 environments.
    pub fn keep_last(&mut self, count: usize) {
        self.kept = Some(count);
        self.trim();
    }

    /// How many requests of this kind came, however they ended.
    pub fn count(&self, action: Action) -> u64 {
        let same = self.counts.iter().filter(|((of, _), _)| *of == action);
        same.map(|(_, count)| count).sum()
    }

    /// How many requests of this kind ended so.
    pub fn count_of(&self, action: Action, status: u16) -> u64 {
        self.counts.get(&(action, status)).copied().unwrap_or(0)
    }

    /// How many requests there were in all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Changes of machines that were made without their lease, in words: a creation needs none.
    pub fn unleased_changes(&self) -> Vec<String> {
        let bare = self
            .writes
            .iter()
            .filter(|write| write.action.changes_a_machine() && write.nonce != Nonce::Right);
        bare.map(|write| format!("{:?} of {} without its lease", write.action, write.what))
            .collect()
    }

    /// Changes of what a story does not recognise as its own, in words: there are none, ever.
    pub fn foreign_writes(&self, own: impl Fn(&Write) -> bool) -> Vec<String> {
        let foreign = self.writes.iter().filter(|write| !own(write));
        foreign
            .map(|write| {
                let Write {
                    action, what, app, ..
                } = write;
                format!("{action:?} of {what} of {app}, which is somebody else's")
            })
            .collect()
    }

    pub(crate) fn asked(&mut self, asked: Asked) {
        if let Some(action) = asked.action {
            *self.counts.entry((action, asked.status)).or_insert(0) += 1;
        }
        self.requests.push_back(asked);
        self.trim();
    }

    pub(crate) fn wrote(&mut self, write: Write) {
        self.writes.push_back(write);
        self.trim();
    }

    fn trim(&mut self) {
        let Some(kept) = self.kept else {
            return;
        };
        while self.requests.len() > kept {
            self.requests.pop_front();
        }
        while self.writes.len() > kept {
            self.writes.pop_front();
        }
    }
}
