//! What was asked and what was written, in order: what the oracles of a story read.

use serde_json::Value;

/// A request, and how it ended.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In milliseconds since 1970.
    pub at: i64,
    /// `GET` and so on.
    pub method: String,
    /// With its query.
    pub target: String,
    /// `app 1`, `installation 2` or `nobody`.
    pub who: String,
    /// What was answered. 0: nothing, by order of a story.
    pub status: u16,
}

/// Something that people see was written by an App.
#[derive(Clone, Debug)]
pub struct Write {
    /// In milliseconds since 1970.
    pub at: i64,
    /// `app 1`, `installation 2` or `nobody`.
    pub who: String,
    /// Id of the repository.
    pub repository: u64,
    /// Whether it was the writer's own, and not somebody else's.
    pub own: bool,
    /// `comment created`, `check run changed` and so on.
    pub what: String,
    /// Id of what was written.
    pub id: u64,
    /// As it was sent.
    pub body: Value,
}

/// All of it since the model started.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every request, oldest first.
    pub requests: Vec<Asked>,
    /// Every content write that had its effect, oldest first.
    pub writes: Vec<Write>,
    /// Where a request or an answer is not as GitHub's own description says.
    pub violations: Vec<String>,
}

impl Ledger {
    /// Writes that changed or deleted what somebody else had written, in words: there are none, ever.
    pub fn foreign_writes(&self) -> Vec<String> {
        let foreign = self.writes.iter().filter(|write| !write.own);
        let words = foreign.map(|write| {
            let Write { who, what, id, .. } = write;
            format!("{who}: {what}: {id}, which is somebody else's")
        });
        words.collect()
    }

    /// How many requests of this method went to a path that starts so.
    pub fn count(&self, method: &str, start: &str) -> usize {
        let same = |asked: &&Asked| asked.method == method && asked.target.starts_with(start);
        self.requests.iter().filter(same).count()
    }
}
