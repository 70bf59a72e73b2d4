//! The Node that an app gets: the machine's first one, or the first of its others that is all that the app wishes.

use std::path::PathBuf;
use std::time::Duration;

use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::Instant;

use super::node_version::{Wish, Wishes, wishes};
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
    let (musts, all) = (by_must(&wishes.count), &wishes.count);
    let mut there = vec![(first.clone(), None)];
    if !fits(all, &first) {
        for program in others(machine) {
            if let Some(found) = ask(machine, &program.display().to_string()).await {
                there.push((found, Some(program)));
            }
        }
    }
    // One that is all that is wished, else one that is all that must be.
    let best = there.iter().find(|(found, _)| fits(all, found));
    let best = best.or_else(|| there.iter().find(|(found, _)| fits(&musts, found)));
    let mut versions: Vec<&str> = there.iter().map(|(found, _)| found.as_str()).collect();
    versions.dedup();
    let versions = versions.join(", ");
    let Some((found, program)) = best else {
        let wished = shown(&musts);
        return Err(refused(format!(
            "app {app} wishes Node {wished}, but this machine has {versions}: widen the wish or install that Node on the machine"
        )));
    };
    let missed: Vec<Wish> = all
        .iter()
        .filter(|wish| !wish.fits(found))
        .cloned()
        .collect();
    if !missed.is_empty() {
        let why = format!(
            "app {app} wishes Node {}, but this machine has {versions}, so it runs with {found}: widen the wish or install that Node on the machine",
            shown(&missed)
        );
        machine.note(&machine.deployment, &why);
    }
    if let Some(program) = program {
        let met: Vec<String> = all
            .iter()
            .filter(|wish| wish.fits(found))
            .map(|wish| format!("{} wishes ({})", wish.place, wish.text))
            .collect();
        let said = format!("using Node {found}, as {}", met.join(" and "));
        machine.deployment.say(said);
        let folder = program.parent().unwrap_or(program).to_owned();
        machine.add_tools(folder, vec![]);
    }
    let _ = machine.node.set(found.clone());
    Ok(found.clone())
}

/// Whether the app says anything about its Node.
pub(super) fn is_wished(machine: &Machine) -> bool {
    wishes(&machine.app(), &machine.checkout()) != Wishes::default()
}

fn by_must(all: &[Wish]) -> Vec<Wish> {
    all.iter().filter(|wish| wish.must).cloned().collect()
}

fn fits(wishes: &[Wish], found: &str) -> bool {
    wishes.iter().all(|wish| wish.fits(found))
}

/// Wishes with their places, for people.
fn shown(wishes: &[Wish]) -> String {
    let one = |wish: &Wish| {
        let at_best = if wish.must {
            ""
        } else {
            ", with onFail `warn`"
        };
        format!("{} ({}{at_best})", wish.text, wish.place)
    };
    let all: Vec<String> = wishes.iter().map(one).collect();
    all.join(" and ")
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
