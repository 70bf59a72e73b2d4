//! What our reporter for Node's own test runner says while tests run, see `node-progress.mjs`.

use nestling_protocol::test::{Outcome, TestRecord};
use serde::Deserialize;

use super::{junit, record};

/// More that has begun and not ended is not followed: nobody runs as many tests at once.
const OPEN: usize = 1000;

/// How far a test run came.
#[derive(Default)]
pub(super) struct Progress {
    /// The tests that ended.
    pub(super) tests: Vec<TestRecord>,
    /// Those that began and did not end, as they failed by that.
    pub(super) unfinished: Vec<TestRecord>,
}

/// Reads what was said; a line that is none of our reporter's is left out.
pub(super) fn parse(text: &str) -> Progress {
    let mut reading = Reading::default();
    for line in text.lines() {
        if let Ok(Line { what, ended }) = serde_json::from_str(line) {
            reading.line(what, ended);
        }
    }
    reading.finish()
}

#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    what: What,
    /// Nothing where it begins.
    ended: Option<Ended>,
}

/// A test, a suite, or a file, which Node runs as a test.
#[derive(Deserialize, PartialEq, Eq)]
struct What {
    name: String,
    nesting: usize,
    file: Option<String>,
}

#[derive(Deserialize)]
struct Ended {
    passed: bool,
    skipped: bool,
    #[serde(default)]
    millis: f64,
    error: Option<String>,
}

/// What has begun.
struct Begun {
    what: What,
    path: String,
    /// Whether something began within it, and whether something of that failed.
    holds: bool,
    failed: bool,
}

impl What {
    fn is_file(&self) -> bool {
        let before = self
            .file
            .as_ref()
            .and_then(|file| file.strip_suffix(&self.name));
        self.nesting == 0 && before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }

    /// Whether this is what the other began in.
    fn holds(&self, other: &What) -> bool {
        self.file == other.file
            && if self.is_file() {
                other.nesting == 0 && !other.is_file()
            } else {
                other.nesting == self.nesting + 1
            }
    }
}

impl Begun {
    fn record(&self, outcome: Outcome) -> TestRecord {
        TestRecord {
            name: self.what.name.clone(),
            ..record(self.path.clone(), outcome)
        }
    }
}

#[derive(Default)]
struct Reading {
    open: Vec<Begun>,
    tests: Vec<TestRecord>,
}

impl Reading {
    fn line(&mut self, what: What, ended: Option<Ended>) {
        let Some(ended) = ended else {
            if self.open.len() < OPEN {
                let begun = self.begin(what);
                self.open.push(begun);
            }
            return;
        };
        let begun = match self.open.iter().position(|begun| begun.what == what) {
            Some(place) => self.open.remove(place),
            None => self.begin(what),
        };
        self.end(&begun, ended);
    }

    fn begin(&mut self, what: What) -> Begun {
        let path = match self.around(&what) {
            Some(around) => {
                around.holds = true;
                if around.what.is_file() {
                    what.name.clone()
                } else {
                    format!("{} › {}", around.path, what.name)
                }
            }
            None => what.name.clone(),
        };
        Begun {
            what,
            path,
            holds: false,
            failed: false,
        }
    }

    fn around(&mut self, what: &What) -> Option<&mut Begun> {
        let mut open = self.open.iter_mut().rev();
        open.find(|begun| begun.what.holds(what))
    }

    fn end(&mut self, begun: &Begun, ended: Ended) {
        let outcome = match (ended.skipped, ended.passed) {
            (true, _) => Outcome::Skipped,
            (false, true) => Outcome::Passed,
            (false, false) => Outcome::Failed,
        };
        let failed = outcome == Outcome::Failed;
        if failed && let Some(around) = self.around(&begun.what) {
            around.failed = true;
        }
        // The sum of what it holds, unless it failed for a reason of its own.
        if begun.holds && (!failed || begun.failed) {
            return;
        }
        self.tests.push(TestRecord {
            error: ended.error.filter(|_| failed),
            millis: junit::millis(&(ended.millis / 1000.0).to_string()).unwrap_or_default(),
            ..begun.record(outcome)
        });
    }

    fn finish(self) -> Progress {
        let holds_open = |begun: &Begun| {
            let mut others = self.open.iter();
            others.any(|other| {
                other.what.file == begun.what.file
                    && (begun.what.is_file() && !other.what.is_file()
                        || other.path.starts_with(&format!("{} › ", begun.path)))
            })
        };
        let mut unfinished: Vec<&Begun> = self
            .open
            .iter()
            .filter(|begun| !begun.what.is_file() && !holds_open(begun))
            .collect();
        if unfinished.is_empty() {
            // Every test that began has ended, and the file of the last one has not. Node before 20 does not say that of
            // any file that holds tests.
            unfinished.extend(self.open.last());
        }
        let unfinished = unfinished.into_iter();
        Progress {
            unfinished: unfinished
                .map(|begun| begun.record(Outcome::Failed))
                .collect(),
            tests: self.tests,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Node tells it, `>` where something begins and `<` where it ends: the file, how deep, and the name.
    fn shown(lines: &[(&str, &str, usize, &str)]) -> Vec<String> {
        let line = |(sign, file, nesting, name): &(&str, &str, usize, &str)| {
            let ended = match *sign {
                ">" => None,
                sign => Some(serde_json::json!({
                    "passed": sign == "<", "skipped": sign == "-", "millis": 1.6, "error": (sign == "!").then_some("no"),
                })),
            };
            let file = format!("/app/{file}");
            serde_json::json!({"name": name, "nesting": nesting, "file": file, "ended": ended})
                .to_string()
        };
        let lines: Vec<String> = lines.iter().map(line).collect();
        let Progress { tests, unfinished } = parse(&lines.join("\n"));
        let told = tests.iter().map(|test| {
            let error = test.error.as_deref().unwrap_or_default();
            format!("{} {:?} {error}", test.path, test.outcome)
        });
        let open = unfinished
            .iter()
            .map(|test| format!("{} is open", test.path));
        told.chain(open).collect()
    }

    #[test]
    fn what_ended_is_told_and_what_did_not_is_named() {
        let table = [
            // A suite is the sum of what it holds, and one test within it hangs.
            (
                vec![
                    (">", "a.js", 0, "a.js"),
                    (">", "a.js", 0, "cart"),
                    (">", "a.js", 1, "sums"),
                    ("<", "a.js", 1, "sums"),
                    (">", "a.js", 1, "sorts"),
                    ("!", "a.js", 1, "sorts"),
                    (">", "a.js", 1, "later"),
                    ("-", "a.js", 1, "later"),
                    (">", "a.js", 1, "waits"),
                ],
                vec![
                    "cart › sums Passed ",
                    "cart › sorts Failed no",
                    "cart › later Skipped ",
                    "cart › waits is open",
                ],
            ),
            // Everything within ended, and so did its sum; the next file, told by its whole path, hangs before its first test.
            (
                vec![
                    (">", "a.js", 0, "/app/a.js"),
                    (">", "a.js", 0, "cart"),
                    ("!", "a.js", 1, "sorts"),
                    ("!", "a.js", 0, "cart"),
                    ("!", "a.js", 0, "/app/a.js"),
                    (">", "b.js", 0, "/app/b.js"),
                ],
                vec!["cart › sorts Failed no", "/app/b.js is open"],
            ),
            // What two files run at once is told apart; a suite that fails over a passing part says something of its own.
            (
                vec![
                    (">", "a.js", 0, "a.js"),
                    (">", "b.js", 0, "b.js"),
                    (">", "a.js", 0, "one"),
                    (">", "b.js", 0, "one"),
                    (">", "b.js", 1, "part"),
                    ("<", "b.js", 1, "part"),
                    ("!", "b.js", 0, "one"),
                    ("!", "b.js", 0, "b.js"),
                ],
                vec!["one › part Passed ", "one Failed no", "one is open"],
            ),
            // All tests ended, and something keeps their file from ending.
            (
                vec![
                    (">", "a.js", 0, "a.js"),
                    (">", "a.js", 0, "opens"),
                    ("<", "a.js", 0, "opens"),
                ],
                vec!["opens Passed ", "a.js is open"],
            ),
        ];
        for (lines, expected) in table {
            assert_eq!(shown(&lines), expected);
        }
    }

    #[test]
    fn lines_of_others_are_left_out() {
        let text = "{\"name\":1}\nhello\n{\"name\":\"a\",\"nesting\":0}\n{\"name\":\"b\",\"nes";
        let Progress { tests, unfinished } = parse(text);
        assert_eq!((tests.len(), unfinished.len()), (0, 1));
    }
}
