//! The Node that an app gets: the machine's first one, or the first of its others that is what the app wishes.

use std::path::PathBuf;
use std::time::Duration;

use nestling_protocol::report::{Exit, Failure, Step as StepName};
use semver::Version;
use tokio::time::Instant;

use super::node_version::wishes;
use crate::machine::Machine;

/// Long enough for `node --version` on the busiest machine.
const ASK_NODE: Duration = Duration::from_secs(30);
/// A machine has one Node, or a few that its operator put into `PATH`; further ones are not asked.
const MOST: usize = 8;

/// Sees to it that the app runs with a Node that it wishes; says that Node's version as Node does.
pub(super) async fn choose(machine: &Machine) -> Result<String, Failure> {
    let app = &machine.bundle.app.name;
    let refused = |reason: String| machine.failure(StepName::Setup, reason, None);
    let Some(first) = ask(machine, "node").await else {
        return Err(refused(format!(
            "app {app} needs Node, but `node --version` does not work on this machine: install Node 20 or newer"
        )));
    };
    let wishes = wishes(&machine.app(), &machine.checkout());
    for odd in &wishes.odd {
        machine.note(&machine.deployment, &format!("app {app}: {odd}"));
    }
    let Some(wish) = wishes.decides else {
        return Ok(first);
    };
    let fits = |found: &str| {
        // One that does not say its version cannot be held against a wish.
        Version::parse(found.trim_start_matches('v')).map_or(true, |found| wish.accepts(&found))
    };
    if fits(&first) {
        return Ok(first);
    }
    let mut there = vec![first.clone()];
    for program in others(machine) {
        let Some(found) = ask(machine, &program.display().to_string()).await else {
            continue;
        };
        if fits(&found) {
            let said = format!(
                "using Node {found}, as {} wishes ({})",
                wish.place, wish.text
            );
            machine.deployment.say(said);
            let folder = program.parent().unwrap_or(&program).to_owned();
            machine.add_tools(folder, vec![]);
            return Ok(found);
        }
        there.push(found);
    }
    there.dedup();
    let (wished, place, there) = (&wish.text, &wish.place, there.join(", "));
    if wish.must {
        return Err(refused(format!(
            "app {app} wishes Node {wished} ({place}), but this machine has {there}: widen the wish or install that Node on the machine"
        )));
    }
    let why = format!(
        "app {app} wishes Node {wished} ({place}, with onFail `warn`), but this machine has {there}, so it runs with {first}: widen the wish or install that Node on the machine"
    );
    machine.note(&machine.deployment, &why);
    Ok(first)
}

/// The version of a Node, if it can be run.
async fn ask(machine: &Machine, program: &str) -> Option<String> {
    let step = machine.plain_step(&[program, "--version"], &machine.checkout());
    match machine.ask(&step, Instant::now() + ASK_NODE).await {
        Ok((Exit::Code(0), text)) => Some(text.trim().to_owned()),
        Ok(_) | Err(_) => None,
    }
}

/// The Nodes in `PATH` behind the first, each once although folders may be links to each other.
fn others(machine: &Machine) -> Vec<PathBuf> {
    let environment = machine.plain_environment();
    let path = environment.get("PATH").map_or("", String::as_str);
    let mut seen = Vec::new();
    let mut others = Vec::new();
    for program in std::env::split_paths(path).map(|folder| folder.join("node")) {
        let real = program.canonicalize().ok();
        if program.is_absolute() && program.is_file() && !seen.contains(&real) {
            seen.push(real);
            others.push(program);
        }
    }
    others.into_iter().skip(1).take(MOST).collect()
}
