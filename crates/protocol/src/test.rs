//! Test results. The whole of them is an artifact; the record keeps the counts.

use serde::{Deserialize, Serialize};

/// The artifact that holds a deployment's test results, as the runner names it on upload.
pub const ARTIFACT: &str = "tests.json";

/// All results of one deployment: the content of [`ARTIFACT`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// One record per test, in the order in which they ran.
    pub tests: Vec<TestRecord>,
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
    /// Counts the outcomes.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for test in &self.tests {
            match test.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::Skipped => counts.skipped += 1,
            }
        }
        counts
    }
}

impl Counts {
    /// All tests that were found.
    pub fn total(self) -> u32 {
        self.passed + self.failed + self.skipped
    }
}
