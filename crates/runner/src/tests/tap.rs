//! TAP, versions 13 and 14, with subtests.

use nestling_protocol::test::{Outcome, Results, TestRecord};

use super::junit;

/// Reads TAP; nothing where a text is none.
pub(super) fn parse(text: &str) -> Option<Results> {
    let is_tap = text
        .lines()
        .take(50)
        .any(|line| line.starts_with("TAP version ") || plan(line).is_some());
    if !is_tap {
        return None;
    }
    let mut reading = Reading::default();
    for line in text.lines() {
        reading.line(line);
    }
    Some(reading.finish())
}

#[derive(Default)]
struct Reading {
    /// Each test with how far its line is indented.
    tests: Vec<(usize, TestRecord)>,
    /// How far the open block of details is indented.
    details: Option<usize>,
    planned: Option<u32>,
    counted: u32,
    bailed: Option<String>,
}

impl Reading {
    fn line(&mut self, line: &str) {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(block) = self.details {
            if content.trim_end() == "..." && indent <= block {
                self.details = None;
            } else {
                self.detail(content);
            }
        } else if content.trim_end() == "---" && indent > 0 && !self.tests.is_empty() {
            self.details = Some(indent);
        } else if let Some(reason) = content.strip_prefix("Bail out!") {
            self.bailed = Some(reason.trim().to_owned());
        } else if let Some(test) = test(content) {
            self.test(indent, test);
        } else if indent == 0
            && let Some(planned) = plan(content)
        {
            self.planned = Some(planned);
        }
    }

    /// A test, or the sum of the subtests that came just before it, further indented.
    fn test(&mut self, indent: usize, test: TestRecord) {
        self.counted += u32::from(indent == 0);
        let children = self
            .tests
            .iter_mut()
            .rev()
            .take_while(|(deeper, _)| *deeper > indent);
        let (mut found, mut failed) = (false, false);
        for (place, child) in children {
            child.path = format!("{} › {}", test.name, child.path);
            *place = indent;
            found = true;
            failed |= child.outcome == Outcome::Failed;
        }
        // A failing sum over passing parts says something of its own.
        if !found || (test.outcome == Outcome::Failed && !failed) {
            self.tests.push((indent, test));
        }
    }

    fn detail(&mut self, line: &str) {
        let Some((_, test)) = self.tests.last_mut() else {
            return;
        };
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim().trim_matches(['\'', '"']);
        match key {
            "duration_ms" => {
                let seconds = value
                    .parse::<f64>()
                    .map(|millis| (millis / 1000.0).to_string())
                    .unwrap_or_default();
                test.millis = junit::millis(&seconds).unwrap_or(0);
            }
            "error" | "message"
                if test.outcome == Outcome::Failed
                    && !value.is_empty()
                    && !value.starts_with('|') =>
            {
                test.error.get_or_insert_with(|| value.to_owned());
            }
            _ => {}
        }
    }

    fn finish(self) -> Results {
        let mut tests: Vec<TestRecord> = self.tests.into_iter().map(|(_, test)| test).collect();
        if let Some(reason) = self.bailed {
            tests.push(broken(
                "bail out",
                format!("the test run gave up: {reason}"),
            ));
        } else if let Some(planned) = self.planned.filter(|planned| *planned != self.counted) {
            tests.push(broken(
                "plan",
                format!("{planned} tests were planned, {} ran", self.counted),
            ));
        }
        Results { tests }
    }
}

/// The number of tests in `1..n`.
fn plan(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("1..")?;
    rest.split([' ', '#']).next()?.trim().parse().ok()
}

/// The test in `ok 1 - name # SKIP why`.
fn test(line: &str) -> Option<TestRecord> {
    let (passed, rest) = match (line.strip_prefix("ok"), line.strip_prefix("not ok")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let rest = rest.trim_start();
    let number = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(number);
    let rest = rest.trim_start().trim_start_matches("- ").trim();
    let (name, directive) = rest
        .rsplit_once(" # ")
        .or(rest.strip_prefix("# ").map(|directive| ("", directive)))
        .unwrap_or((rest, ""));
    let directive = directive.to_lowercase();
    let skipped = directive.starts_with("skip") || directive.starts_with("todo");
    let name = if skipped { name } else { rest };
    let name = name.trim().trim_end_matches(" {").replace("\\#", "#");
    let name = if name.is_empty() {
        format!("test {number}")
    } else {
        name
    };
    let outcome = match (skipped, passed) {
        (true, _) => Outcome::Skipped,
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::Failed,
    };
    Some(TestRecord {
        path: name.clone(),
        name,
        outcome,
        error: None,
        millis: 0,
        log: Vec::new(),
    })
}

fn broken(name: &str, error: String) -> TestRecord {
    TestRecord {
        path: name.into(),
        name: name.into(),
        outcome: Outcome::Failed,
        error: Some(error),
        millis: 0,
        log: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let tests = parse(text).unwrap().tests;
        tests
            .into_iter()
            .map(|test| {
                format!(
                    "{} {:?} {} {:?}",
                    test.path, test.outcome, test.millis, test.error
                )
            })
            .collect()
    }

    #[test]
    fn tap_of_both_versions_becomes_records() {
        let table = [
            (
                "TAP version 13\n1..2\nok 1 - one\nnot ok 2 - two\n  ---\n  error: 'no'\n  duration_ms: 1.6\n  ...\n",
                vec!["one Passed 0 None", "two Failed 2 Some(\"no\")"],
            ),
            (
                "ok 1 # skip later\nnot ok 2 - known # TODO fix\nok - C# works\n1..3\n",
                vec![
                    "test 1 Skipped 0 None",
                    "known Skipped 0 None",
                    "C# works Passed 0 None",
                ],
            ),
            // node --test: the comment stands beside its test
            (
                "TAP version 13\n# Subtest: adds\nok 1 - adds\n  ---\n  duration_ms: 0.4\n  ...\n# Subtest: suite\n    # Subtest: inner\n    ok 1 - inner\n      ---\n      duration_ms: 3\n      ...\n    1..1\nok 2 - suite\n1..2\n# tests 2\n",
                vec!["adds Passed 0 None", "suite › inner Passed 3 None"],
            ),
            (
                "TAP version 14\n1..3\nok 1 - one\nBail out! disk full\n",
                vec![
                    "one Passed 0 None",
                    "bail out Failed 0 Some(\"the test run gave up: disk full\")",
                ],
            ),
            (
                "TAP version 14\n1..3\nok 1 - one\n",
                vec![
                    "one Passed 0 None",
                    "plan Failed 0 Some(\"3 tests were planned, 1 ran\")",
                ],
            ),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(parse("all fine\nok then\n").is_none());
    }
}
