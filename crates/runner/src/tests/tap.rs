//! TAP, versions 13 and 14, with subtests.

mod details;

use nestling_protocol::test::{Outcome, TestRecord};

use super::{Told, failed, junit, record};
use details::{Details, Told as Detail};

/// Reads TAP; nothing where a text is none.
pub(super) fn parse(text: &str) -> Option<Told> {
    let any = |holds: fn(&str) -> bool| text.lines().any(holds);
    let versioned = any(is_version);
    let planned = any(|line| plan(line).is_some()) && any(|line| test(line).is_some());
    if !(versioned || planned) {
        return None;
    }
    let mut reading = Reading {
        versioned,
        ..Reading::default()
    };
    for line in text.lines() {
        reading.line(line);
    }
    Some(Told {
        tests: reading.finish(),
        broke_off: None,
    })
}

#[derive(Default)]
struct Reading {
    versioned: bool,
    /// Each test with how far its line is indented.
    tests: Vec<(usize, TestRecord)>,
    /// Whether what comes next, details or output, can be of the last of the tests.
    after_test: bool,
    /// The open block of details, and whether it is of the last of the tests.
    details: Option<(Details, bool)>,
    /// Tests whose subtests come after them, in braces.
    braced: Vec<(usize, TestRecord)>,
    /// Output that belongs to the next test.
    output: Vec<String>,
    planned: Option<u32>,
    counted: u32,
    bailed: Option<String>,
}

impl Reading {
    fn line(&mut self, line: &str) {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let content = content.trim_end();
        if let Some((details, _)) = &mut self.details {
            if details.holds(indent, content) {
                details.line(indent, line);
                return;
            }
            self.close_details();
            if content == "..." {
                return;
            }
        }
        if content == "---" && indent > 0 && !(self.tests.is_empty() && self.braced.is_empty()) {
            self.details = Some((Details::new(indent), self.after_test));
        } else if let Some(reason) = content.strip_prefix("Bail out!") {
            self.bailed = Some(reason.trim().to_owned());
        } else if let Some(test) = test(content) {
            self.point(indent, content, test);
        } else if content == "}"
            && let Some((at, test)) = self.braced.pop_if(|(at, _)| *at == indent)
        {
            self.test(at, test);
        } else if content == "{" && self.tests.last().is_some_and(|(at, _)| *at == indent) {
            self.counted -= u32::from(indent == 0);
            self.braced.extend(self.tests.pop());
        } else if let Some(planned) = plan(content) {
            // One run may write several reports, one after the other.
            if indent == 0 {
                *self.planned.get_or_insert(0) += planned;
            }
        } else if !is_version(content) {
            self.output(content);
        }
    }

    fn point(&mut self, indent: usize, content: &str, test: TestRecord) {
        if content.ends_with(" {") {
            self.braced.push((indent, test));
        } else {
            self.test(indent, test);
        }
    }

    /// A test, or the sum of the subtests that came just before it, further indented.
    fn test(&mut self, indent: usize, mut test: TestRecord) {
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
        self.after_test = !found || (test.outcome == Outcome::Failed && !failed);
        if self.after_test {
            test.log = std::mem::take(&mut self.output);
            self.tests.push((indent, test));
        } else if let Some((_, child)) = self.tests.last_mut() {
            child.log.append(&mut self.output);
        }
    }

    /// Node's reporter writes what a test prints before its result; those that write no details of a
    /// failure say in such lines, after it, what failed.
    fn output(&mut self, content: &str) {
        let text = content.strip_prefix('#').map_or(content, str::trim_start);
        if text.is_empty() || text.starts_with("Subtest: ") || content.starts_with("pragma ") {
            return;
        }
        match self.tests.last_mut() {
            Some((_, test)) if self.after_test && test.outcome == Outcome::Failed => {
                test.log.push(text.to_owned());
            }
            _ => self.output.push(text.to_owned()),
        }
    }

    fn close_details(&mut self) {
        let Some((details, of_last)) = self.details.take() else {
            return;
        };
        self.after_test = false;
        let Some((_, test)) = self.tests.last_mut().filter(|_| of_last) else {
            return;
        };
        let Detail { error, millis } = details.told();
        if let Some(millis) = millis {
            test.millis = millis;
        }
        if test.outcome == Outcome::Failed {
            test.error = error;
        }
    }

    fn finish(mut self) -> Vec<TestRecord> {
        self.close_details();
        let mut tests: Vec<TestRecord> = self
            .tests
            .into_iter()
            .chain(self.braced)
            .map(|(_, test)| test)
            .collect();
        let counted = self.counted;
        let broken = match (self.bailed, self.planned) {
            (Some(reason), _) => Some(("bail out", format!("the test run gave up: {reason}"))),
            (None, Some(planned)) if planned != counted => Some((
                "plan",
                format!(
                    "{planned} tests were planned, {counted} ran: the test run ended before its end"
                ),
            )),
            (None, None) if self.versioned => Some((
                "plan",
                format!(
                    "the report ends after {counted} tests without its plan (1..N): the test run ended before its end"
                ),
            )),
            (None, _) => None,
        };
        tests.extend(broken.map(|(name, error)| failed(name, error)));
        tests
    }
}

fn is_version(line: &str) -> bool {
    line.trim_start().starts_with("TAP version ")
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
    let rest = rest.trim_end_matches(" {");
    let (name, directive) = rest
        .rsplit_once(" # ")
        .or(rest.strip_prefix("# ").map(|directive| ("", directive)))
        .unwrap_or((rest, ""));
    let directive = directive.to_lowercase();
    let skipped = directive.starts_with("skip") || directive.starts_with("todo");
    let took = directive
        .strip_prefix("time=")
        .and_then(|time| details::millis(time.trim_end_matches("ms")));
    let name = if skipped || took.is_some() {
        name
    } else {
        rest
    };
    let name = name.trim().replace("\\#", "#");
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
    let mut test = record(name, outcome);
    test.millis = took.unwrap_or(0);
    Some(test)
}

#[cfg(test)]
mod tests;
