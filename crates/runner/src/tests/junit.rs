//! JUnit XML, as far as anyone writes it.

use nestling_protocol::test::{Outcome, Results, TestRecord};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deeper suites are not a report.
const DEPTH: usize = 64;

/// Why a text is no JUnit report.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotJunit {
    #[error("not well-formed XML: {0}")]
    Xml(String),
    #[error("a document type is not read: it could name other files")]
    DocType,
    #[error("nested too deeply")]
    Deep,
}

/// Reads a report: one record per `testcase`, in order.
pub(super) fn parse(text: &str) -> Result<Results, NotJunit> {
    let mut reader = Reader::from_str(text);
    let mut reading = Reading::default();
    loop {
        match reader
            .read_event()
            .map_err(|error| NotJunit::Xml(error.to_string()))?
        {
            Event::Start(tag) => reading.open(&tag)?,
            Event::Empty(tag) => {
                reading.open(&tag)?;
                reading.close();
            }
            Event::End(_) => reading.close(),
            Event::Text(text) => reading.text(&text),
            Event::CData(text) => reading.text(&text),
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &*name);
                reading.text(&quick_xml::escape::unescape(&reference).unwrap_or_default());
            }
            Event::DocType(_) => return Err(NotJunit::DocType),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => {
                return Ok(Results {
                    tests: reading.tests,
                });
            }
        }
    }
}

#[derive(Default)]
struct Reading {
    tests: Vec<TestRecord>,
    /// The names of the open tags, and of the suites among them.
    open: Vec<String>,
    suites: Vec<String>,
    case: Option<TestRecord>,
}

impl Reading {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), NotJunit> {
        if self.open.len() >= DEPTH {
            return Err(NotJunit::Deep);
        }
        let name = tag.name().as_ref().to_owned();
        match name.as_str() {
            "testsuite" => self.suites.push(attribute(tag, "name").unwrap_or_default()),
            "testcase" => self.case = Some(self.begin(tag)),
            "failure" | "error" => self.outcome(Outcome::Failed, attribute(tag, "message")),
            "skipped" => self.outcome(Outcome::Skipped, None),
            _ => {}
        }
        self.open.push(name);
        Ok(())
    }

    fn begin(&self, tag: &BytesStart<'_>) -> TestRecord {
        let name = attribute(tag, "name").unwrap_or_default();
        let class =
            attribute(tag, "classname").filter(|class| !class.is_empty() && class != "test");
        let mut path: Vec<&str> = self
            .suites
            .iter()
            .map(String::as_str)
            .filter(|suite| !suite.is_empty())
            .collect();
        path.extend(class.as_deref().filter(|class| path.last() != Some(class)));
        path.push(&name);
        let path = path.join(" › ");
        let millis = attribute(tag, "time")
            .as_deref()
            .and_then(millis)
            .unwrap_or(0);
        TestRecord {
            path,
            name,
            outcome: Outcome::Passed,
            error: None,
            millis,
            log: Vec::new(),
        }
    }

    fn outcome(&mut self, outcome: Outcome, message: Option<String>) {
        if let Some(case) = &mut self.case {
            case.outcome = outcome;
            case.error = case
                .error
                .take()
                .or(message.filter(|_| outcome == Outcome::Failed));
        }
    }

    fn text(&mut self, text: &str) {
        let (Some(case), Some(tag)) = (&mut self.case, self.open.last()) else {
            return;
        };
        match tag.as_str() {
            "failure" | "error" => {
                let error = case.error.get_or_insert_default();
                if !error.is_empty() && !error.ends_with('\n') && text.starts_with('\n') {
                    error.push('\n');
                }
                error.push_str(text.trim_start_matches('\n'));
            }
            "system-out" | "system-err" => case.log.extend(
                text.lines()
                    .filter(|line| !line.trim().is_empty())
                    .map(str::to_owned),
            ),
            _ => {}
        }
    }

    fn close(&mut self) {
        match self.open.pop().as_deref() {
            Some("testsuite") => drop(self.suites.pop()),
            Some("testcase") => self.tests.extend(self.case.take().map(trimmed)),
            _ => {}
        }
    }
}

fn trimmed(mut case: TestRecord) -> TestRecord {
    case.error = case.error.map(|error| error.trim().to_owned());
    case
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
        parse(text)
            .unwrap()
            .tests
            .into_iter()
            .map(|test| {
                format!(
                    "{} {:?} {} ms {:?} {:?}",
                    test.path, test.outcome, test.millis, test.error, test.log
                )
            })
            .collect()
    }

    #[test]
    fn reports_of_common_tools_become_records() {
        let table = [
            // node --test
            (
                "<testsuites><testcase name=\"adds\" time=\"0.0016\" classname=\"test\"/></testsuites>",
                vec!["adds Passed 2 ms None []"],
            ),
            // pytest
            (
                "<?xml version=\"1.0\"?><testsuites><testsuite name=\"pytest\"><testcase classname=\"tests.test_a\" name=\"test_x\" time=\"1.5\"><failure message=\"assert 1 &lt; 0\">long &amp; text</failure></testcase></testsuite></testsuites>",
                vec![
                    "pytest › tests.test_a › test_x Failed 1500 ms Some(\"assert 1 < 0long & text\") []",
                ],
            ),
            // surefire
            (
                "<testsuite name=\"A\"><testcase name=\"b\" classname=\"A\" time=\"1,000.5\"><skipped/></testcase><testcase name=\"c\" classname=\"A\"><error message=\"boom\"/><system-out><![CDATA[one\n\ntwo]]></system-out></testcase></testsuite>",
                vec![
                    "A › b Skipped 1000500 ms None []",
                    "A › c Failed 0 ms Some(\"boom\") [\"one\", \"two\"]",
                ],
            ),
            ("<testsuites/>", vec![]),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(matches!(
            parse("<!DOCTYPE x [<!ENTITY a SYSTEM \"/etc/passwd\">]><x/>"),
            Err(NotJunit::DocType)
        ));
        assert!(matches!(parse("<a></b>"), Err(NotJunit::Xml(_))));
        assert!(matches!(parse(&"<a>".repeat(100)), Err(NotJunit::Deep)));
    }
}
