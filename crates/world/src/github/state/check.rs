//! Check runs.

/// A button below a check run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// As people read it; at most 20 characters.
    pub label: String,
    /// At most 40 characters.
    pub description: String,
    /// What the App is told when it is pressed; at most 20 characters.
    pub identifier: String,
}

/// What a check run says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// One line.
    pub title: Option<String>,
    /// Markdown.
    pub summary: Option<String>,
    /// Markdown, below the summary.
    pub text: Option<String>,
}

/// A check of one commit by one App.
#[derive(Clone, Debug)]
pub struct CheckRun {
    /// Never changes.
    pub id: u64,
    /// The App's id.
    pub app: u64,
    /// As people read it.
    pub name: String,
    /// Which commit.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended; set if and only if it is completed.
    pub conclusion: Option<String>,
    /// What the App calls it.
    pub external_id: Option<String>,
    /// Where its name leads.
    pub details_url: Option<String>,
    /// What it says.
    pub output: Output,
    /// At most three.
    pub actions: Vec<Button>,
    /// Groups the runs of one App on one commit.
    pub suite: u64,
    /// In milliseconds since 1970.
    pub started_at: Option<i64>,
    /// In milliseconds since 1970.
    pub completed_at: Option<i64>,
}
