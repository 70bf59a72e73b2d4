//! Test results. The whole of them is an artifact; the record keeps the counts.

use serde::{Deserialize, Serialize};

/// The artifact that holds a deployment's test results, as the runner names it on upload.
pub const ARTIFACT: &str = "tests.json";

/// All results of one deployment: the content of [`ARTIFACT`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// One record per test, in the order in which they ran.
    pub tests: Vec<TestRecord>,
    /// Tests that ran, too, and are not among `tests`, because they are more than anybody reads.
    /// Those that failed are the last to be left out.
    #[serde(default, skip_serializing_if = "Counts::is_zero")]
    pub left_out: Counts,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Unique among the results, e.g. `root/Default/test:counts up`.
    pub path: String,
    /// What people read.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// Why it failed, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// What it logged.
    #[serde(default)]
    pub log: Vec<String>,
}

/// How a test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It did not run, on purpose.
    Skipped,
}

/// How many tests went how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that did not run, on purpose.
    pub skipped: u32,
}

impl Results {
    /// Counts the outcomes, those of tests that were left out included.
    pub fn counts(&self) -> Counts {
        let mut counts = self.left_out;
        for test in &self.tests {
            counts.add(test.outcome);
        }
        counts
    }
}

impl Counts {
    /// Counts one more test.
    pub fn add(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
        };
        *count = count.saturating_add(1);
    }

    /// All tests that were found.
    pub fn total(self) -> u32 {
        self.passed
            .saturating_add(self.failed)
            .saturating_add(self.skipped)
    }

    /// Whether no test was found.
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub fn is_zero(&self) -> bool {
        self.total() == 0
    }
}
