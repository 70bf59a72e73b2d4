//! What is kept of the results: masked, each with a path of its own, and not more than anybody reads.

use std::collections::BTreeMap;

use nestling_protocol::test::{Outcome, Results, TestRecord};

use crate::mask::Mask;

/// The most tests that are kept.
const RECORDS: usize = 10_000;
/// The most of their content, as JSON: what the server takes, with room for what stands around them.
const CONTENT: usize = 5 * 1024 * 1024 - 1024;
/// The longest path or name.
const NAME: usize = 2 * 1024;
/// The longest error.
const ERROR: usize = 16 * 1024;
/// Log lines kept with a test; the whole of them is in the deployment log.
const LOG_LINES: usize = 200;
/// How much of each.
const LOG_LINE: usize = 2 * 1024;
/// Said in the place of what was cut.
const CUT: &str = " … (cut)";

/// The results as they are kept: in their order, what failed first to be kept, the rest counted.
pub(super) fn of(results: Results, mask: &Mask) -> Results {
    let mut left_out = results.left_out;
    let mut ranked: Vec<(usize, TestRecord)> = results.tests.into_iter().enumerate().collect();
    ranked.sort_by_key(|(_, test)| test.outcome != Outcome::Failed);
    let mut room = CONTENT;
    let mut kept = Vec::new();
    for (place, test) in ranked {
        let outcome = test.outcome;
        let fits = (kept.len() < RECORDS)
            .then(|| fitted(tidy(test, mask), room))
            .flatten();
        if let Some((test, length)) = fits {
            room -= length;
            kept.push((place, test));
        } else {
            left_out.add(outcome);
        }
    }
    kept.sort_by_key(|(place, _)| *place);
    let mut tests: Vec<TestRecord> = kept.into_iter().map(|(_, test)| test).collect();
    make_paths_unique(&mut tests);
    Results { tests, left_out }
}

/// A test that fits into this room, else without its log, and how much it takes.
fn fitted(mut test: TestRecord, room: usize) -> Option<(TestRecord, usize)> {
    // The comma, and what makes its path unique.
    let length =
        |test: &TestRecord| serde_json::to_vec(test).map_or(usize::MAX, |it| it.len() + 16);
    if length(&test) > room {
        test.log.clear();
    }
    let length = length(&test);
    (length <= room).then_some((test, length))
}

fn tidy(mut test: TestRecord, mask: &Mask) -> TestRecord {
    // Masked before it is cut: half a secret is not recognised.
    test.path = cut(mask.whole(&test.path), NAME);
    test.name = cut(mask.whole(&test.name), NAME);
    test.error = test.error.map(|error| cut(mask.whole(&error), ERROR));
    test.log = mask.lines(&test.log);
    test.log.truncate(LOG_LINES);
    test.log = test
        .log
        .into_iter()
        .map(|line| cut(line, LOG_LINE))
        .collect();
    test
}

fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest - CUT.len()));
        text.push_str(CUT);
    }
    text
}

fn make_paths_unique(tests: &mut [TestRecord]) {
    let mut seen = BTreeMap::new();
    for test in tests {
        let times = seen.entry(test.path.clone()).or_insert(0_u32);
        *times += 1;
        if *times > 1 {
            test.path = format!("{} ({times})", test.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use nestling_protocol::test::Counts;

    use super::super::record;
    use super::*;

    fn kept(tests: Vec<TestRecord>) -> Results {
        let results = Results {
            tests,
            ..Results::default()
        };
        of(results, &Mask::new(["hunter2hunter2"]))
    }

    #[test]
    fn a_failure_after_ten_thousand_tests_that_passed_is_kept_and_all_are_counted() {
        let mut tests: Vec<TestRecord> = (0..60_000)
            .map(|n| record(format!("test {n}"), Outcome::Passed))
            .collect();
        tests[59_998].outcome = Outcome::Failed;
        let kept = kept(tests);
        assert_eq!(kept.tests.len(), RECORDS);
        assert_eq!(kept.tests[0].name, "test 0");
        assert_eq!(kept.tests[RECORDS - 1].name, "test 59998");
        let counts = Counts {
            passed: 59_999,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(kept.counts(), counts);
    }

    #[test]
    fn endless_errors_and_logs_leave_results_that_the_server_takes() {
        let test = |n: usize| TestRecord {
            error: Some("\"é".repeat(10_000)),
            log: vec!["x".repeat(100); 300],
            ..record(format!("test {n}"), Outcome::Failed)
        };
        let kept = kept((0..600).map(test).collect());
        let content = serde_json::to_vec(&kept).unwrap();
        assert!(content.len() <= 5 * 1024 * 1024, "{}", content.len());
        assert_eq!(kept.counts().failed, 600);
        assert_eq!(kept.tests[0].log.len(), LOG_LINES);
    }

    #[test]
    fn secrets_are_masked_and_paths_are_unique() {
        let tests = vec![record("a hunter2hunter2", Outcome::Passed); 2];
        let kept = kept(tests);
        assert!(!kept.tests[0].path.contains("hunter2"));
        assert_eq!(kept.tests[1].path, format!("{} (2)", kept.tests[0].path));
    }
}
