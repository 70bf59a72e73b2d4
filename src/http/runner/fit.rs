//! What a runner may say: bounds on its reports and lines, and the cleaning of its texts. Pure.

use std::collections::BTreeSet;

use nestling_domain::text::{clean, tail};
use nestling_protocol::{
    log::Lines,
    report::{Address, Endpoint, Failure, Phase, Report, Step},
};

/// Endpoints of one deployment.
const MOST_ENDPOINTS: usize = 32;
/// An endpoint's name becomes the first part of a DNS label of at most 63.
const LONGEST_NAME: usize = 40;
/// What people read of an endpoint.
const LONGEST_LABEL: usize = 200;
/// A socket's file name: the path of a unix socket has 108 bytes in all.
const LONGEST_SOCKET: usize = 60;
/// A reason: one sentence, or a few.
const LONGEST_REASON: usize = 2 * 1024;
/// A commit's name in SHA-256; what is none is known by not being the one that was asked for.
const LONGEST_COMMIT: usize = 64;
/// The random part of a boot.
const LONGEST_BOOT: usize = 64;
/// One line of a log.
const LONGEST_LINE: usize = 16 * 1024;
/// The texts of one batch of lines.
const LONGEST_BATCH: usize = 64 * 1024;
/// Numbers that JSON readers hold exactly.
const HIGHEST: u64 = 1 << 53;

/// The report as it is believed: in bounds and with clean texts. What a deployment cannot be served with is
/// its failure, because whoever said so would say the same again; `Err` when it is no report at all.
pub(super) fn report(mut report: Report) -> Result<Report, String> {
    boot(&report.boot)?;
    if report.seq == 0 || report.seq > HIGHEST {
        return Err(format!(
            "seq {} is out of range: reports of a boot count from 1",
            report.seq
        ));
    }
    report.phase = phase(report.phase);
    Ok(report)
}

/// Whether this can be the random part of a boot.
pub(super) fn boot(boot: &str) -> Result<(), String> {
    let fits = (1..=LONGEST_BOOT).contains(&boot.len())
        && boot.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits {
        Ok(())
    } else {
        Err(format!(
            "a boot has 1 to {LONGEST_BOOT} letters, digits and hyphens"
        ))
    }
}

/// Whether these lines can be taken: consecutive, and in bounds.
pub(super) fn lines(lines: &Lines) -> Result<(), String> {
    let first = lines.lines.first().map_or(0, |line| line.n);
    if first > HIGHEST {
        return Err(format!("line {first} is out of range: lines count from 0"));
    }
    let mut bytes = 0;
    for (line, expected) in lines.lines.iter().zip(first..) {
        if line.n != expected {
            return Err(format!(
                "line {} stands where line {expected} belongs: a batch holds consecutive lines",
                line.n
            ));
        }
        if line.text.len() > LONGEST_LINE {
            return Err(format!(
                "line {} has {} bytes; the most is {LONGEST_LINE}",
                line.n,
                line.text.len()
            ));
        }
        bytes += line.text.len();
    }
    if bytes > LONGEST_BATCH {
        return Err(format!(
            "the batch has {bytes} bytes of text; the most is {LONGEST_BATCH}"
        ));
    }
    Ok(())
}

fn phase(phase: Phase) -> Phase {
    match phase {
        Phase::Cloned { commit } => Phase::Cloned {
            commit: clean(&commit, LONGEST_COMMIT),
        },
        Phase::TestsBroken { reason } => Phase::TestsBroken {
            reason: clean(&reason, LONGEST_REASON),
        },
        Phase::Noted { text } => Phase::Noted {
            text: clean(&text, LONGEST_REASON),
        },
        Phase::Running { endpoints } => match self::endpoints(endpoints) {
            Ok(endpoints) => Phase::Running { endpoints },
            Err(reason) => Phase::Failed(Failure {
                step: Step::Start,
                reason,
                exit: None,
                tail: Vec::new(),
            }),
        },
        Phase::Failed(failure) => Phase::Failed(self::failure(failure)),
        Phase::Deploying { .. }
        | Phase::SetUp { .. }
        | Phase::RunningTests
        | Phase::Tested { .. }
        | Phase::Prepared { .. }
        | Phase::Starting
        | Phase::Restarted { .. } => phase,
    }
}

fn failure(failure: Failure) -> Failure {
    Failure {
        reason: clean(&failure.reason, LONGEST_REASON),
        tail: tail(&failure.tail),
        step: failure.step,
        exit: failure.exit,
    }
}

fn endpoints(endpoints: Vec<Endpoint>) -> Result<Vec<Endpoint>, String> {
    if endpoints.len() > MOST_ENDPOINTS {
        return Err(format!(
            "{} endpoints were reported; the most is {MOST_ENDPOINTS}",
            endpoints.len()
        ));
    }
    let primary = endpoints.iter().filter(|endpoint| endpoint.primary).count();
    if primary != 1 {
        return Err(format!(
            "{primary} endpoints are primary; exactly one answers at the environment's own address"
        ));
    }
    let mut names = BTreeSet::new();
    for endpoint in &endpoints {
        name(&endpoint.name)?;
        if !names.insert(&endpoint.name) {
            return Err(format!("two endpoints are called {:?}", endpoint.name));
        }
        address(endpoint)?;
    }
    let cleaned = endpoints.into_iter().map(|endpoint| Endpoint {
        label: clean(&endpoint.label, LONGEST_LABEL),
        ..endpoint
    });
    Ok(cleaned.collect())
}

fn name(name: &str) -> Result<(), String> {
    let of_letters = (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if !of_letters {
        let shown = clean(name, LONGEST_NAME);
        return Err(format!(
            "an endpoint cannot be called {shown:?}: use a-z, 0-9 and single hyphens between them, at most {LONGEST_NAME}"
        ));
    }
    // It would be read as the address of a pull request's environment, or as an encoded name.
    let number = name.strip_prefix("pr-");
    if number.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())) || name == "xn" {
        return Err(format!(
            "an endpoint cannot be called {name:?}, which means something else in addresses"
        ));
    }
    Ok(())
}

fn address(endpoint: &Endpoint) -> Result<(), String> {
    let name = &endpoint.name;
    // A file of its own machine, and nothing else: one that could name any address could make the gateway ask it.
    let Address::Unix(file) = &endpoint.address;
    let fits = (1..=LONGEST_SOCKET).contains(&file.len())
        && file != "."
        && file != ".."
        && file
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits {
        Ok(())
    } else {
        Err(format!(
            "the socket of endpoint {name:?} must be a file name of at most {LONGEST_SOCKET} letters, digits, '.', '_' and '-'"
        ))
    }
}

#[cfg(test)]
mod tests {
    use nestling_protocol::{
        log::{Line, Log, Source},
        report::EndpointKind,
    };

    use super::*;

    fn endpoint(name: &str, primary: bool, address: Address) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: EndpointKind::App,
            primary,
            browser: true,
            address,
        }
    }

    fn socket(file: &str) -> Address {
        Address::Unix(file.to_owned())
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "only what has endpoints can be unfit"
    )]
    fn reported(endpoints: Vec<Endpoint>) -> Result<(), String> {
        match phase(Phase::Running { endpoints }) {
            Phase::Failed(failure) => Err(failure.reason),
            _ => Ok(()),
        }
    }

    #[test]
    fn endpoints_that_make_addresses_are_taken() {
        let fine = vec![
            endpoint("web", true, socket("web.sock")),
            endpoint("pr-review", false, socket("a_b-1.sock")),
        ];
        assert!(reported(fine).is_ok());
    }

    #[test]
    fn endpoints_that_could_be_read_as_something_else_are_refused_with_the_reason() {
        for (name, says) in [
            ("", "cannot be called"),
            ("Web", "cannot be called"),
            ("a--b", "cannot be called"),
            ("-a", "cannot be called"),
            ("a.b", "cannot be called"),
            ("pr-12", "means something else"),
            ("ü", "cannot be called"),
            (&"a".repeat(41), "cannot be called"),
        ] {
            let refused = reported(vec![endpoint(name, true, socket("s"))]).unwrap_err();
            assert!(refused.contains(says), "{name:?}: {refused}");
        }
        for file in [
            "",
            ".",
            "..",
            "../../other/app.sock",
            "/run/docker.sock",
            "a\0b",
            &"a".repeat(61),
        ] {
            let refused = reported(vec![endpoint("web", true, socket(file))]).unwrap_err();
            assert!(
                refused.contains("must be a file name"),
                "{file:?}: {refused}"
            );
        }
    }

    #[test]
    fn exactly_one_endpoint_is_primary_and_no_name_comes_twice() {
        let (a, b) = (socket("a"), socket("b"));
        for (endpoints, says) in [
            (vec![], "0 endpoints are primary"),
            (
                vec![endpoint("a", false, a.clone())],
                "0 endpoints are primary",
            ),
            (
                vec![
                    endpoint("a", true, a.clone()),
                    endpoint("b", true, b.clone()),
                ],
                "2 endpoints are primary",
            ),
            (
                vec![endpoint("a", true, a), endpoint("a", false, b)],
                "two endpoints are called",
            ),
            (
                (0..33)
                    .map(|n| endpoint(&format!("e{n}"), n == 0, socket("s")))
                    .collect(),
                "33 endpoints were reported",
            ),
        ] {
            let refused = reported(endpoints).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn texts_lose_what_moves_cursors_or_turns_the_direction_and_keep_their_end() {
        let failed = Phase::Failed(Failure {
            step: Step::Setup,
            reason: format!("\u{1b}[2Jno \u{202e}lockfile\n{}", "x".repeat(5_000)),
            exit: None,
            tail: (0..60).map(|n| format!("line {n}\r\u{7}")).collect(),
        });
        let Phase::Failed(failure) = phase(failed) else {
            unreachable!()
        };
        assert!(
            failure.reason.starts_with("[2Jno lockfile xxx"),
            "{}",
            failure.reason
        );
        assert_eq!(failure.reason.len(), LONGEST_REASON);
        assert_eq!(failure.tail.len(), 40);
        assert_eq!(failure.tail[39], "line 59");
        assert_eq!(clean("ééé", 5), "éé", "cut between characters");
    }

    #[test]
    fn a_batch_holds_consecutive_lines_within_its_bounds() {
        let line = |n: u64, text: &str| Line {
            n,
            at: 0,
            from: Source::Out,
            text: text.to_owned(),
        };
        let batch = |numbered: Vec<Line>| Lines {
            generation: 1,
            log: Log::Runtime,
            lines: numbered,
        };
        assert!(lines(&batch(vec![])).is_ok());
        assert!(lines(&batch(vec![line(7, "a"), line(8, "\u{1b}[31mred")])).is_ok());
        for (bad, says) in [
            (vec![line(7, "a"), line(9, "b")], "where line 8 belongs"),
            (vec![line(u64::MAX, "a")], "out of range"),
            (
                vec![line(0, &"x".repeat(16 * 1024 + 1))],
                "the most is 16384",
            ),
            (
                (0..5).map(|n| line(n, &"x".repeat(16 * 1024))).collect(),
                "the most is 65536",
            ),
        ] {
            let refused = lines(&batch(bad)).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
