//! JUnit XML, as far as anyone writes it.

use nestling_protocol::test::{Outcome, TestRecord};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Told, record};

/// Deeper suites are not a report.
const DEPTH: usize = 64;

/// Reads a report: one record per `testcase`, in order, up to where it cannot be read.
pub(super) fn parse(text: &str) -> Told {
    let mut reader = Reader::from_str(text);
    let mut reading = Reading::default();
    let wrong = loop {
        match reader.read_event() {
            Ok(Event::Eof) => match reading.open.last() {
                Some(tag) => break format!("it ends within <{tag}>"),
                None if reading.any => return reading.told(None),
                None => break "it holds no element".to_owned(),
            },
            Ok(event) => {
                if let Err(wrong) = reading.event(&event) {
                    break wrong.to_owned();
                }
            }
            Err(error) => break format!("it is no well-formed XML: {error}"),
        }
    };
    let at = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
    let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    reading.told(Some(format!("line {line}: {wrong}")))
}

#[derive(Default)]
struct Reading {
    tests: Vec<TestRecord>,
    /// The names of the open tags, and of the suites among them.
    open: Vec<String>,
    suites: Vec<String>,
    case: Option<TestRecord>,
    /// The message of the open failure.
    message: Option<String>,
    /// The text of the open tag, which comes in pieces.
    text: String,
    /// Whether there was a tag.
    any: bool,
}

impl Reading {
    fn event(&mut self, event: &Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::Start(tag) => self.open(tag)?,
            Event::Empty(tag) => {
                self.open(tag)?;
                self.close();
            }
            Event::End(_) => self.close(),
            Event::Text(text) => self.text.push_str(text),
            Event::CData(text) => self.text.push_str(text),
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &**name);
                let meant = quick_xml::escape::unescape(&reference);
                self.text.push_str(&meant.unwrap_or_default());
            }
            Event::DocType(_) => {
                return Err("a document type is not read: it could name other files");
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), &'static str> {
        if self.open.len() >= DEPTH {
            return Err("it is nested too deeply");
        }
        let name = tag.name().as_ref().to_owned();
        match name.as_str() {
            "testsuite" => self.suites.push(attribute(tag, "name").unwrap_or_default()),
            "testcase" => self.case = Some(self.begin(tag)),
            "failure" | "error" => self.message = attribute(tag, "message"),
            "skipped" => {
                if let Some(case) = &mut self.case
                    && case.outcome == Outcome::Passed
                {
                    case.outcome = Outcome::Skipped;
                }
            }
            _ => {}
        }
        self.any = true;
        self.text.clear();
        self.open.push(name);
        Ok(())
    }

    fn begin(&self, tag: &BytesStart<'_>) -> TestRecord {
        let name = attribute(tag, "name").unwrap_or_default();
        // Node says "test" of all of them; others repeat the name of the suite or of the test.
        let class = attribute(tag, "classname").filter(|class| class != "test" && *class != name);
        let mut path = self.named_suites();
        path.extend(class.as_deref().filter(|class| path.last() != Some(class)));
        path.push(&name);
        path.retain(|part| !part.is_empty());
        let mut test = record(path.join(" › "), Outcome::Passed);
        test.name = name;
        test.millis = attribute(tag, "time")
            .as_deref()
            .and_then(millis)
            .unwrap_or(0);
        test
    }

    fn named_suites(&self) -> Vec<&str> {
        let suites = self.suites.iter().map(String::as_str);
        suites.filter(|suite| !suite.is_empty()).collect()
    }

    fn close(&mut self) {
        let text = std::mem::take(&mut self.text);
        match self.open.pop().as_deref() {
            Some("testsuite") => drop(self.suites.pop()),
            Some("testcase") => self.tests.extend(self.case.take()),
            Some("failure" | "error") => self.failed(&text),
            Some("system-out" | "system-err") => {
                if let Some(case) = &mut self.case {
                    let lines = text.lines().filter(|line| !line.trim().is_empty());
                    case.log.extend(lines.map(str::to_owned));
                }
            }
            _ => {}
        }
    }

    /// A failure of the open test, or of a suite beside its tests.
    fn failed(&mut self, text: &str) {
        let message = self.message.take();
        let error = error(message.as_deref().unwrap_or_default(), text);
        if let Some(case) = &mut self.case {
            case.outcome = Outcome::Failed;
            case.error = match case.error.take() {
                Some(first) => Some(format!("{first}\n{}", error.unwrap_or_default())),
                None => error,
            };
        } else {
            let suites = self.named_suites().join(" › ");
            let name = if suites.is_empty() { "suite" } else { &suites };
            let mut suite = record(name, Outcome::Failed);
            suite.error = error;
            self.tests.push(suite);
        }
    }

    /// What was read. Of a test within which a report breaks off, only a failure is known.
    fn told(mut self, broke_off: Option<String>) -> Told {
        let case = self.case.take();
        let failed = case.filter(|case| case.outcome == Outcome::Failed);
        self.tests.extend(failed);
        Told {
            tests: self.tests,
            broke_off,
        }
    }
}

/// The message, then the text, unless it begins with the message.
fn error(message: &str, text: &str) -> Option<String> {
    let (message, text) = (message.trim(), text.trim());
    // Attributes have lost their line breaks.
    let bare = |text: &str| -> String { text.split_whitespace().collect() };
    let doubled = bare(text).starts_with(&bare(message));
    match (message, text) {
        ("", "") => None,
        (_, "") => Some(message.to_owned()),
        _ if doubled => Some(text.to_owned()),
        _ => Some(format!("{message}\n{text}")),
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let raw = attribute.value.into_owned();
    Some(
        quick_xml::escape::unescape(&raw)
            .map(std::borrow::Cow::into_owned)
            .unwrap_or(raw),
    )
}

/// Seconds as they stand in a report, in milliseconds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded and not negative here"
)]
pub(super) fn millis(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.trim().replace(',', "").parse().ok()?;
    (0.0..1e9)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let Told { tests, broke_off } = parse(text);
        let tests = tests.into_iter().map(|test| {
            format!(
                "{} {:?} {} ms {:?} {:?}",
                test.path, test.outcome, test.millis, test.error, test.log
            )
        });
        tests.chain(broke_off).collect()
    }

    #[test]
    fn reports_of_common_tools_become_records() {
        let table = [
            // node --test
            (
                "<testsuites><testcase name=\"adds\" time=\"0.0016\" classname=\"test\"/></testsuites>",
                vec!["adds Passed 2 ms None []"],
            ),
            // pytest: the text shows the source, and its output stands beside it
            (
                "<?xml version=\"1.0\"?><testsuites><testsuite name=\"pytest\"><testcase classname=\"tests.test_a\" name=\"test_x\" time=\"1.5\"><failure message=\"assert 1 &lt; 0\">def test_x():\n&gt;       assert 1 &lt; 0\nE       assert 1 &lt; 0</failure><system-out>1 &lt; 2\nsecond</system-out></testcase></testsuite></testsuites>",
                vec![
                    r#"pytest › tests.test_a › test_x Failed 1500 ms Some("assert 1 < 0\ndef test_x():\n>       assert 1 < 0\nE       assert 1 < 0") ["1 < 2", "second"]"#,
                ],
            ),
            // jest-junit: no message, and the class is the name again
            (
                "<testsuites name=\"jest tests\"><testsuite name=\"cart\"><testcase classname=\"cart sums\" name=\"cart sums\" time=\"0.004\"><failure>Error: expect(received).toBe(expected)\n\nExpected: 3\n    at Object.toBe (cart.test.js:3:1)</failure></testcase></testsuite></testsuites>",
                vec![
                    r#"cart › cart sums Failed 4 ms Some("Error: expect(received).toBe(expected)\n\nExpected: 3\n    at Object.toBe (cart.test.js:3:1)") []"#,
                ],
            ),
            // surefire: the text begins with the message
            (
                "<testsuite name=\"A\"><testcase name=\"b\" classname=\"A\" time=\"1,000.5\"><skipped/></testcase><testcase name=\"c\" classname=\"A\"><error message=\"boom: now\">\nboom:\n now\n at A.c</error><system-out><![CDATA[one\n\ntwo]]></system-out></testcase></testsuite>",
                vec![
                    "A › b Skipped 1000500 ms None []",
                    "A › c Failed 0 ms Some(\"boom:\\n now\\n at A.c\") [\"one\", \"two\"]",
                ],
            ),
            // Two failures of one test, and one of a suite whose tests never ran.
            (
                "<testsuite name=\"A\"><testcase name=\"b\"><failure message=\"one\"/><failure message=\"two\"/><skipped/></testcase></testsuite><testsuite name=\"B\"><error message=\"no such file\"/></testsuite>",
                vec![
                    "A › b Failed 0 ms Some(\"one\\ntwo\") []",
                    "B Failed 0 ms Some(\"no such file\") []",
                ],
            ),
            ("<testsuites/>", vec![]),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_nodes_own_reporter_writes_becomes_records() {
        let Told { tests, broke_off } = parse(include_str!("samples/node-20.xml"));
        assert_eq!(broke_off, None);
        let told = |test: &TestRecord| {
            let error = test.error.as_deref().unwrap_or_default();
            let begins: Vec<&str> = error.lines().take(2).collect();
            format!("{} {:?} {begins:?}", test.path, test.outcome)
        };
        assert_eq!(
            tests.iter().map(told).collect::<Vec<_>>(),
            [
                r#"adds Failed ["Expected values to be strictly equal:2 !== 3", "Error [ERR_TEST_FAILURE]: Expected values to be strictly equal:"]"#,
                "quiet Passed []",
                "cart › sorts Passed []",
                r#"cart › sums: all # of it Failed ["one line", "Error [ERR_TEST_FAILURE]: one line"]"#,
                "cart › waits Skipped []",
                "cart › later Skipped []",
                r#"cart › deep › down Failed ["a string", "Error [ERR_TEST_FAILURE]: a string"]"#,
                r#"multi Failed ["firstthird: line  indented", "[Error [ERR_TEST_FAILURE]: first"]"#,
                "diag Passed []",
                "other file › sub Passed []",
            ]
        );
    }

    #[test]
    fn what_breaks_off_is_kept_with_the_place() {
        let table = [
            // Cut off within a tag, within a test that failed, and after one.
            (
                "<testsuite name=\"A\">\n<testcase name=\"b\"/>\n<testcase na",
                vec!["A › b Passed 0 ms None []", "line 3: it is no well-formed"],
            ),
            (
                "<testsuite name=\"A\"><testcase name=\"b\"><failure message=\"no\"/>",
                vec![
                    "A › b Failed 0 ms Some(\"no\") []",
                    "line 1: it ends within <testcase>",
                ],
            ),
            (
                "<testsuite name=\"A\"><testcase name=\"b\"/>",
                vec![
                    "A › b Passed 0 ms None []",
                    "line 1: it ends within <testsuite>",
                ],
            ),
            ("<a></b>", vec!["line 1: it is no well-formed XML"]),
            (
                "<!DOCTYPE x [<!ENTITY a SYSTEM \"/etc/passwd\">]><x/>",
                vec!["line 1: a document type is not read"],
            ),
            (&"<a>".repeat(100), vec!["line 1: it is nested too deeply"]),
            ("<!-- -->", vec!["line 1: it holds no element"]),
        ];
        for (text, expected) in table {
            let shown = shown(text);
            assert_eq!(shown.len(), expected.len(), "{shown:?}");
            for (shown, expected) in shown.iter().zip(expected) {
                assert!(shown.starts_with(expected), "{shown:?} of {text}");
            }
        }
    }
}
