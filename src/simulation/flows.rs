//! The flows create, restart and stop, without anything that goes wrong but one end of the server: at each boundary in turn. The
//! world is the same afterwards as where the server never ended.

use anyhow::Result;
use nestling_world::github::{Change, Opening, State};

use super::{
    known::Known,
    run, script,
    world::{Scene, World},
};
use crate::drivers::clock;

/// The seed of every flow: how long things take.
const SEED: u64 = 1;
/// How long all must be as it should be before the next thing is done, in milliseconds.
const BETWEEN: u64 = 20_000;
/// The same after the last: longer than the time between two looks at GitHub's log of webhooks and two times ten seconds of
/// patience, so that whatever was left is taken up.
const AFTERWARDS: u64 = 100_000;

/// A story of one pull request. Its last act is the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is opened, until its preview runs.
    Create,
    /// A new commit, until that runs.
    Push,
    /// A person orders the same commit again, until that runs.
    Redeploy,
    /// It is closed, until nothing of it is left.
    Close,
    /// A person orders an end, until nothing runs.
    Stop,
    /// A person orders a start after that, until it runs again.
    Start,
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Opens,
    Pushes,
    Closes,
    Says(&'static str),
}

impl Flow {
    fn acts(self) -> &'static [Act] {
        match self {
            Flow::Create => &[Act::Opens],
            Flow::Push => &[Act::Opens, Act::Pushes],
            Flow::Redeploy => &[Act::Opens, Act::Says("/redeploy")],
            Flow::Close => &[Act::Opens, Act::Closes],
            Flow::Stop => &[Act::Opens, Act::Says("/stop")],
            Flow::Start => &[Act::Opens, Act::Says("/stop"), Act::Says("/start")],
        }
    }
}

/// How long all must be as it should be before a run goes on, in milliseconds.
pub(super) fn stays(known: &Known, flow: Flow) -> u64 {
    let over = known.acts == flow.acts().len();
    if over { AFTERWARDS } else { BETWEEN }
}

/// Does what comes next, the last with the server to end at the boundary of this number; `false` when nothing comes.
pub(super) fn goes_on(world: &World, flow: Flow, at: Option<usize>) -> bool {
    let done = world.known().acts;
    let Some(act) = flow.acts().get(done) else {
        return false;
    };
    if done + 1 == flow.acts().len() {
        world.crashes().count(at);
    }
    let mut github = world.github();
    let said = perform(world, &mut github, *act).unwrap();
    script::note(world, &github);
    let mut known = world.known();
    known.acts = done + 1;
    known.calm = Some(clock::now());
    known.settled = None;
    drop(known);
    world.tell(said);
    world.post(&mut github);
    true
}

fn perform(world: &World, github: &mut State, act: Act) -> Result<String> {
    let home = github.repositories[&world.town.repository.0].full_name();
    let said = match act {
        Act::Opens => {
            let change = [Change::file("basket.js", "1")];
            github.push(&home, "basket", "ann", &change)?;
            let number = github.open_pull_request(&home, Opening::of("basket", "ann"))?;
            format!("ann opens #{number}")
        }
        Act::Pushes => {
            let change = [Change::file("basket.js", "2")];
            let commit = github.push(&home, "basket", "ann", &change)?;
            format!("ann pushes {}", &commit[..7])
        }
        Act::Closes => {
            github.close(&home, 1, "ann")?;
            "ann closes #1".to_owned()
        }
        Act::Says(words) => {
            github.comment(&home, 1, "ann", words)?;
            world.known().ordered.insert(1);
            format!("ann comments {words}")
        }
    };
    Ok(said)
}

/// Runs a flow once without an end of the server, and once for each boundary with the server ended there; fails where the
/// world comes out otherwise. `expected`: words that one line of what comes out has all of. `least`: fewer boundaries than
/// that would mean that they are not counted any more.
fn ends_the_same(flow: Flow, least: usize, expected: &[&[&str]]) {
    let whole = run(SEED, None, Scene::Flow(flow, None));
    assert!(whole.violations.is_empty(), "{}", whole.told());
    for words in expected {
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        let shown = whole.end.join("\n");
        assert!(whole.end.iter().any(has_all), "no {words:?} in\n{shown}");
    }
    let boundaries = whole.passed.len();
    eprintln!("{flow:?}: {boundaries} boundaries");
    assert!(boundaries >= least, "fewer than {least} boundaries");
    let mut wrong = Vec::new();
    for (at, name) in whole.passed.iter().enumerate() {
        let run = run(SEED, None, Scene::Flow(flow, Some(at)));
        assert_eq!(run.passed.last(), Some(name), "{}", run.lines.join("\n"));
        let differs = difference(&whole.end, &run.end);
        if run.violations.is_empty() && differs.is_empty() {
            continue;
        }
        let violations = run.violations.join("; ");
        wrong.push(format!(
            "{flow:?}, ended {at}: {name}: {violations}\n{differs}"
        ));
        if wrong.len() == 1 {
            eprintln!("{}", run.lines.join("\n"));
        }
    }
    let (count, all) = (wrong.len(), wrong.join("\n"));
    assert!(wrong.is_empty(), "{count} of {boundaries} differ:\n{all}");
}

/// The lines that only one of two ends has.
fn difference(whole: &[String], ended: &[String]) -> String {
    let only = |some: &[String], others: &[String], sign: &str| {
        let lines = some.iter().filter(|line| !others.contains(line));
        let lines = lines.map(|line| format!("  {sign} {line}\n"));
        lines.collect::<String>()
    };
    let missing = only(whole, ended, "without an end:");
    let more = only(ended, whole, "with it:");
    let doubled = if whole.len() == ended.len() || !(missing.is_empty() && more.is_empty()) {
        String::new()
    } else {
        format!("  {} lines, and {} with it\n", whole.len(), ended.len())
    };
    missing + &more + &doubled
}

/// What a preview that runs looks like to people.
const RUNS: &[&str] = &["comment on #1 by nestling", "Running"];

#[test]
fn a_pull_request_is_opened_and_the_server_ends_at_each_boundary_until_it_runs() {
    let expected = [RUNS, &["machine of pr-1 1 ", "runs"]];
    ends_the_same(Flow::Create, 100, &expected);
}

#[test]
fn a_commit_is_pushed_and_the_server_ends_at_each_boundary_until_it_runs() {
    let machines: [&[&str]; 2] = [
        &["machine of pr-1 1 ", "is gone"],
        &["machine of pr-1 2 ", "runs"],
    ];
    ends_the_same(Flow::Push, 90, &[RUNS, machines[0], machines[1]]);
}

#[test]
fn a_person_redeploys_and_the_server_ends_at_each_boundary_until_it_runs() {
    let answered = &["eyes", "rocket", ": /redeploy"];
    let runs = &["machine of pr-1 2 ", "runs"];
    ends_the_same(Flow::Redeploy, 80, &[RUNS, answered, runs]);
}

#[test]
fn a_pull_request_is_closed_and_the_server_ends_at_each_boundary_until_nothing_is_left() {
    let removed = &["comment on #1 by nestling", "Removed"];
    let gone = &["machine of pr-1 1 ", "is gone"];
    ends_the_same(Flow::Close, 30, &[removed, gone]);
}

#[test]
fn a_person_stops_it_and_the_server_ends_at_each_boundary_until_nothing_runs() {
    let stopped = &["comment on #1 by nestling", "Stopped"];
    let gone = &["machine of pr-1 1 ", "is gone"];
    let answered = &["eyes", "rocket", ": /stop"];
    ends_the_same(Flow::Stop, 30, &[stopped, gone, answered]);
}

#[test]
fn a_person_starts_it_again_and_the_server_ends_at_each_boundary_until_it_runs() {
    let runs = &["machine of pr-1 2 ", "runs"];
    let answered = &["eyes", "rocket", ": /start"];
    ends_the_same(Flow::Start, 80, &[RUNS, runs, answered]);
}
