//! Why a deployment failed, in the words that page, `ps`, API and log share: thing, place and remedy.

use nestling_protocol::report::{Exit, Failure, Step};

use crate::deployment::Shown;

/// How much of what a command said last stands in a reason, in characters: it stays one sentence.
const SAID_SHOWN: usize = 200;
/// Where a machine holds the checkout: what comes before a file's name in a repository.
const CHECKOUT: &str = "/work/app/";
/// Before what is wrong, npm and its like say who says it, and of what kind it is.
const SPEAKERS: [&str; 3] = ["npm error", "npm ERR!", "notarget"];
/// What stands in lines that name a cause.
const CAUSES: [&str; 14] = [
    "error:",
    "error [",
    "error ts",
    "not found",
    "cannot find",
    "can't open",
    "no such file",
    "permission denied",
    "fatal:",
    "panicked at",
    "no matching version found",
    "err_pnpm_",
    "integrity check failed",
    "could not resolve",
];
/// What begins lines that name none, although they come last.
const NOISE: [&str; 14] = [
    "at ",
    "Node.js v",
    "A complete log of this run",
    "code ",
    "code:",
    "path ",
    "command ",
    "requireStack:",
    // A command that is about to run, and where a report of it lies in a machine that nobody enters.
    "> ",
    "/cache/",
    "For a full report",
    // What comes after a cause.
    "info Visit ",
    "In most cases you or one of your dependencies",
    "fatal: Could not read from remote repository",
];

/// The reason of a failure as its runner reported it: what ended and how, what it said last, and what would
/// be right. A failure that no process ended, or that a limit did, says its remedy itself.
pub(crate) fn reason(failure: &Failure) -> String {
    let reason = failure.reason.trim_end_matches('.');
    match failure.exit {
        None | Some(Exit::Timeout) => failure.reason.clone(),
        Some(Exit::Memory) => {
            format!(
                "{reason}: look for what grows, or raise machines.local.memory_mib and redeploy"
            )
        }
        // It wrote more than the disk holds.
        Some(Exit::Signal(25)) => {
            format!("{reason}: let it write less, or raise machines.local.disk_mib and redeploy")
        }
        Some(Exit::Code(_) | Exit::Signal(_)) => match said(&failure.tail) {
            Some(said) => {
                let remedy = remedy(failure.step, &said);
                format!("{reason}: {}. {remedy}", shown(&said))
            }
            None => format!("{reason}. {}", by_hand(failure.step)),
        },
    }
}

/// What comes after a failure, for whoever has read its reason.
pub fn then(phase: Shown) -> &'static str {
    match phase {
        Shown::Queued | Shown::Failed | Shown::Superseded | Shown::Stopped => {
            "Nothing of the app ran. Redeploy to try again; if it fails alike, the server's log says more."
        }
        Shown::Deploying | Shown::RunningTests | Shown::Starting | Shown::Running => {
            "The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy."
        }
    }
}

/// What the lines say in the end: the last one that names a cause, else the last one that says anything.
fn said(tail: &[String]) -> Option<String> {
    let lines: Vec<String> = tail
        .iter()
        .map(|line| bare(line))
        .filter(|line| says_something(line))
        .collect();
    let names_cause = |line: &String| {
        let line = line.to_lowercase();
        CAUSES.iter().any(|cause| line.contains(cause))
    };
    let Some(at) = lines.iter().rposition(names_cause) else {
        return lines.last().cloned();
    };
    // What ends in a colon says the rest on the next line.
    let cause = lines.get(at)?;
    let rest = lines.get(at + 1).filter(|_| cause.ends_with(':'));
    Some(rest.map_or_else(|| cause.clone(), |rest| format!("{cause} {rest}")))
}

/// A line without colours and without who says it.
fn bare(line: &str) -> String {
    let mut bare = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('[') {
        let (before, sequence) = rest.split_at(at);
        let length = sequence[1..].find(|c: char| !(c.is_ascii_digit() || c == ';'));
        let colour = length.filter(|length| sequence[1 + length..].starts_with('m'));
        bare.push_str(before.trim_end_matches('\u{1b}'));
        rest = if let Some(length) = colour {
            &sequence[length + 2..]
        } else {
            bare.push('[');
            &sequence[1..]
        };
    }
    bare.push_str(rest);
    let mut bare = bare.trim();
    for speaker in SPEAKERS {
        bare = bare.strip_prefix(speaker).unwrap_or(bare).trim_start();
    }
    bare.chars().filter(|c| !c.is_control()).collect()
}

fn says_something(line: &str) -> bool {
    line.chars().any(char::is_alphabetic) && !NOISE.iter().any(|noise| line.starts_with(noise))
}

fn shown(line: &str) -> String {
    let line = line.trim_end_matches('.');
    if line.chars().count() <= SAID_SHOWN {
        return line.to_owned();
    }
    let kept: String = line.chars().take(SAID_SHOWN).collect();
    format!("{kept} …")
}

/// What would be right, as far as the last words name it.
fn remedy(step: Step, said: &str) -> String {
    let quoted = [
        "Cannot find module '",
        "Cannot find package '",
        "can't open file '",
    ];
    let missing = quoted.iter().find_map(|words| {
        said.split_once(words)?
            .1
            .split_once('\'')
            .map(|(name, _)| name)
    });
    match missing {
        Some(path) if path.starts_with(['/', '.']) => {
            let file = path.split_once(CHECKOUT).map_or(path, |(_, file)| file);
            format!(
                "Commit {file}, or let the command name a file that the repository holds or its build makes"
            )
        }
        Some(package) => format!(
            "Add {package} to the dependencies in package.json, and commit it with its lockfile"
        ),
        None => by_hand(step).to_owned(),
    }
}

fn by_hand(step: Step) -> &'static str {
    match step {
        Step::Clone | Step::Setup | Step::Test => {
            "Run the same command in a fresh clone to see it fail, and push what mends it"
        }
        Step::Start | Step::Run => {
            "Start it the same way in a fresh clone to see it fail, and push what mends it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(step: Step, exit: Exit, tail: &[&str]) -> String {
        reason(&Failure {
            step,
            reason: "app shop: `it` ended".to_owned(),
            exit: Some(exit),
            tail: tail.iter().map(|line| (*line).to_owned()).collect(),
        })
    }

    #[test]
    fn a_reason_says_what_the_command_said_last_and_what_would_be_right() {
        let npm = [
            "npm error code 1",
            "npm error path /work/app",
            "npm error command sh -c node make.js",
            "npm error Error: Cannot find module '/work/app/make.js'",
            "npm error     at Module._load (node:internal/modules/cjs/loader:1)",
            "npm error   code: 'MODULE_NOT_FOUND',",
            "npm error }",
            "npm error",
            "npm error Node.js v20.20.2",
            "npm error A complete log of this run can be found in: /work/home/x.log",
        ];
        let registry = [
            "npm error code E404",
            "npm error 404 Not Found - GET https://registry.npmjs.org/no-such - Not found",
            "npm error 404",
            "npm error 404  'no-such@1.0.0' is not in this registry.",
            "npm error 404 Note that you can also install from a",
            "npm error A complete log of this run can be found in: /work/home/x.log",
        ];
        let clone = "Run the same command in a fresh clone to see it fail, and push what mends it";
        let start = "Start it the same way in a fresh clone to see it fail, and push what mends it";
        let file = "Commit make.js, or let the command name a file that the repository holds or its build makes";
        let peers = [
            "npm error code ERESOLVE",
            "npm error ERESOLVE unable to resolve dependency tree",
            "npm error While resolving: shop@1.0.0",
            "npm error Could not resolve dependency:",
            "npm error peer react@\"^18.2.0\" from react-dom@18.2.0",
            "npm error node_modules/react-dom",
            "npm error Fix the upstream dependency conflict, or retry",
            "npm error For a full report see:",
            "npm error /cache/npm/_logs/x-eresolve-report.txt",
        ];
        let version = [
            "npm error code ETARGET",
            "npm error notarget No matching version found for ms@2.1.99.",
            "npm error notarget In most cases you or one of your dependencies are requesting",
            "npm error notarget a package version that doesn't exist.",
        ];
        let ssh = [
            "npm error ssh: Could not resolve hostname github.com: Temporary failure in name resolution",
            "npm error fatal: Could not read from remote repository.",
        ];
        let pnpm = [
            " ERR_PNPM_UNEXPECTED_PKG_CONTENT_IN_STORE  Package name mismatch",
            "If you want to ignore this issue, set the strict-store-pkg-content-check to false.",
        ];
        let yarn = [
            "error https://registry.yarnpkg.com/ms/-/ms-2.1.3.tgz: Integrity check failed for \"ms\"",
            "info Visit https://yarnpkg.com/en/docs/cli/install for documentation about this command.",
        ];
        let table: [(Step, &[&str], String); 14] = [
            (Step::Setup, &peers, format!(": Could not resolve dependency: peer react@\"^18.2.0\" from react-dom@18.2.0. {clone}")),
            (Step::Setup, &version, format!(": No matching version found for ms@2.1.99. {clone}")),
            (Step::Setup, &ssh, format!(": ssh: Could not resolve hostname github.com: Temporary failure in name resolution. {clone}")),
            (Step::Setup, &pnpm, format!(": ERR_PNPM_UNEXPECTED_PKG_CONTENT_IN_STORE  Package name mismatch. {clone}")),
            (Step::Setup, &yarn, format!(": error https://registry.yarnpkg.com/ms/-/ms-2.1.3.tgz: Integrity check failed for \"ms\". {clone}")),
            (Step::Setup, &["> shop@1.0.0 postinstall", "> node gone.js"], format!(". {clone}")),
            (Step::Setup, &npm, format!(": Error: Cannot find module '/work/app/make.js'. {file}")),
            (Step::Setup, &registry, format!(": 404 Not Found - GET https://registry.npmjs.org/no-such - Not found. {clone}")),
            (Step::Setup, &["\u{1b}[31ma.ts(1,1): error TS2304: no x.\u{1b}[0m", "Found 1 error."], format!(": a.ts(1,1): error TS2304: no x. {clone}")),
            (Step::Setup, &["[31msh: 1: vite: not found[0m"], format!(": sh: 1: vite: not found. {clone}")),
            (Step::Start, &["Error: Cannot find module 'express'", "Require stack:", "- /work/app/a.js"], ": Error: Cannot find module 'express'. Add express to the dependencies in package.json, and commit it with its lockfile".to_owned()),
            (Step::Start, &["python3: can't open file '/work/app/web/a.py': [Errno 2] No such file or directory"], ": python3: can't open file '/work/app/web/a.py': [Errno 2] No such file or directory. Commit web/a.py, or let the command name a file that the repository holds or its build makes".to_owned()),
            (Step::Run, &["listening", "bye [1, 2]", "}"], format!(": bye [1, 2]. {start}")),
            (Step::Start, &["", "  }"], format!(". {start}")),
        ];
        for (step, tail, expected) in table {
            let told = told(step, Exit::Code(1), tail);
            assert_eq!(told, format!("app shop: `it` ended{expected}"));
        }
    }

    #[test]
    fn an_end_by_a_limit_says_which() {
        let of = |exit| told(Step::Start, exit, &["Error: x"]);
        assert!(of(Exit::Memory).ends_with("machines.local.memory_mib and redeploy"));
        assert!(of(Exit::Signal(25)).ends_with("machines.local.disk_mib and redeploy"));
        assert_eq!(of(Exit::Timeout), "app shop: `it` ended");
    }

    #[test]
    fn an_endless_line_stays_one_sentence() {
        let told = told(Step::Run, Exit::Code(1), &[&"é".repeat(5_000)]);
        assert!(told.chars().count() < SAID_SHOWN + 150, "{told}");
    }
}
