//! Installing dependencies: from the cache, from a lockfile, or as well as it goes.

use std::path::Path;

use nestling_protocol::report::{Exit, Failure, Step as StepName};
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::again::{self, Again};
use super::manager::{Manager, Tool};
use super::packages::{Package, install_roots};
use super::{finish, node, reuse};
use crate::machine::Machine;
use crate::process::Capture;
use crate::read;

/// The lockfiles of bun, which is not supported.
const BUN: [&str; 2] = ["bun.lock", "bun.lockb"];
/// More of a lockfile is not searched for conflicts, in bytes: ten times of the longest that are known.
const LOCKFILE_LIMIT: u64 = 64 * 1024 * 1024;

/// Installs whatever the app's packages need; whether all of it was reused.
pub(super) async fn all(machine: &Machine, deadline: Instant) -> Result<bool, Failure> {
    let roots = install_roots(&machine.app(), &machine.checkout());
    if roots.is_empty() && Package::of(machine).is_none() && !node::is_wished(machine) {
        return Ok(false);
    }
    let node = node::choose(machine).await?;
    let mut reused = !roots.is_empty();
    for package in &roots {
        reused &= one(machine, package, &node, deadline).await?;
    }
    Ok(reused)
}

async fn one(
    machine: &Machine,
    package: &Package,
    node: &str,
    deadline: Instant,
) -> Result<bool, Failure> {
    let manager = Manager::of(package);
    let shown = package
        .folder
        .strip_prefix(machine.checkout())
        .unwrap_or(&package.folder)
        .display()
        .to_string();
    let place = if shown.is_empty() {
        "the root".to_owned()
    } else {
        shown
    };
    manager.make_ready(machine, deadline).await?;
    let own = reuse::own(package, &machine.checkout());
    let told = reuse::telling(machine).map(|(name, _)| name);
    let reusable = match manager.lockfile {
        // What was installed then need not be what would be now, and files that are committed below `node_modules` stay.
        None => Err("no lockfile says which they are".into()),
        Some(_) => again::needed(&own, &manager, told).and_then(|again| {
            let key = reuse::key(machine, package, &own, &manager, node)?;
            Ok((key, again))
        }),
    };
    if let Ok((key, again)) = &reusable
        && reuse::take(machine, package, key, deadline).await
    {
        let said = format!("dependencies of {place} are unchanged: reused");
        match reused(machine, (package, &own), &manager, (again, said), deadline).await {
            // It may be a script that is good for one run only, which a fresh install tells.
            Err(failure) if matches!(failure.exit, Some(Exit::Code(_))) => {
                machine.deployment.say(format!(
                    "that failed over reused dependencies of {place}, so they are installed anew"
                ));
                reuse::clear(machine, &own, deadline).await;
            }
            done => return done.map(|()| true),
        }
    }
    if let Err(why) = &reusable {
        machine.deployment.say(format!(
            "dependencies of {place} are installed anew in each deployment, because {why}"
        ));
    }
    let bun = BUN
        .into_iter()
        .find(|file| package.folder.join(file).exists());
    if let (None, Some(bun)) = (manager.lockfile, bun) {
        let why = format!(
            "{bun} in {place} is not read, because bun is not supported: npm install picks the versions of today; commit package-lock.json, pnpm-lock.yaml or yarn.lock instead (npm install --package-lock-only makes the first)"
        );
        machine.note(&machine.deployment, &why);
    } else if manager.lockfile.is_none() {
        machine.deployment.say(format!("no lockfile in {place}: npm install picks the versions of today; commit package-lock.json to fix them"));
    } else {
        machine.deployment.say(format!(
            "installing dependencies of {place} with {}",
            manager.install().join(" ")
        ));
    }
    install(machine, package, &manager, deadline).await?;
    if let Ok((key, _)) = reusable {
        let packages = (package, &*own);
        reuse::keep(machine, packages, manager.lockfile, &key, deadline).await;
    }
    Ok(false)
}

/// Does over reused dependencies what an install would do beside putting them in place.
async fn reused(
    machine: &Machine,
    (package, own): (&Package, &[Package]),
    manager: &Manager,
    (again, said): (&Again, String),
    deadline: Instant,
) -> Result<(), Failure> {
    match again {
        Again::Nothing => machine.deployment.say(said),
        Again::Scripts(scripts) => {
            let why = "; the install scripts of the app's own packages run again";
            machine.deployment.say(said + why);
            again::scripts(machine, own, scripts, deadline).await?;
        }
        Again::Install => {
            let install = manager.install().join(" ");
            machine.deployment.say(format!(
                "{said}; {install} runs the install scripts of the app's own packages again"
            ));
            self::install(machine, package, manager, deadline).await?;
        }
    }
    Ok(())
}

async fn install(
    machine: &Machine,
    package: &Package,
    manager: &Manager,
    deadline: Instant,
) -> Result<(), Failure> {
    let command = |argv: &[&str]| {
        let mut step = machine.app_step(argv.iter().map(|&part| part.to_owned()).collect());
        step.folder.clone_from(&package.folder);
        if manager.tool.name == "pnpm" && !package.is_workspace_root() {
            // Below a workspace that it is not part of, pnpm would install that one instead.
            let alone = ("npm_config_ignore_workspace".into(), "true".into());
            step.environment.extend([alone]);
        }
        step
    };
    let (step, shown) = (command(manager.install()), manager.install().join(" "));
    let Some(lockfile) = manager.lockfile else {
        return finish(machine, &step, &shown, deadline).await;
    };
    machine.deployment.begin_step();
    let Tool {
        name,
        free,
        refusal: (said_on, words),
        ..
    } = manager.tool;
    let said = Capture::of(*said_on);
    let exit = match machine.start(&step, &machine.deployment, Some(said.clone())) {
        Ok(mut running) => running.ended_by(deadline).await,
        Err(error) => return Err(machine.failure(StepName::Setup, error.to_string(), None)),
    };
    let damage = damage(&package.folder.join(lockfile), &machine.checkout());
    let refused = words.iter().any(|words| said.text().contains(words));
    match exit {
        Exit::Code(0) => Ok(()),
        Exit::Code(_) if refused || damage.is_some() => {
            let folder = package.folder.strip_prefix(machine.checkout());
            let at = folder.unwrap_or(&package.folder).join(lockfile);
            let what =
                damage.unwrap_or_else(|| "is out of date: it does not fit package.json".to_owned());
            let why = format!(
                "{} {what} and {shown} refused it, so {name} install picks the versions of today; run {name} install beside it and commit it",
                at.display(),
            );
            machine.note(&machine.deployment, &why);
            finish(machine, &command(free), &free.join(" "), deadline).await
        }
        Exit::Code(_) | Exit::Signal(_) | Exit::Memory | Exit::Timeout => {
            Err(machine.setup_failure(&shown, exit))
        }
    }
}

/// Why no tool could read a lockfile: a merge left its conflicts, or it is JSON that is cut off.
fn damage(lockfile: &Path, checkout: &Path) -> Option<String> {
    let text = read::within(lockfile, checkout, LOCKFILE_LIMIT)?;
    let at = |mark: &str| text.lines().position(|line| line.starts_with(mark));
    if let (Some(ours), Some(theirs)) = (at("<<<<<<< "), at(">>>>>>> "))
        && ours < theirs
    {
        let line = ours + 1;
        return Some(format!(
            "holds the conflict markers of a merge (line {line})"
        ));
    }
    let is_json = lockfile.extension().is_some_and(|kind| kind == "json");
    let error = serde_json::from_str::<IgnoredAny>(text.trim_start_matches('\u{feff}')).err();
    let error = error.filter(|_| is_json)?;
    let (line, column) = (error.line(), error.column());
    Some(format!(
        "is damaged: it is not valid JSON (line {line}, column {column})"
    ))
}
