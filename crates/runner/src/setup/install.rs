//! Installing dependencies: from the cache, from a lockfile, or as well as it goes.

use std::time::Duration;

use nestling_protocol::report::{Exit, Failure, Step as StepName};
use semver::Version;
use tokio::time::Instant;

use super::manager::Manager;
use super::packages::{Package, install_roots};
use super::{finish, node_version, reuse};
use crate::machine::Machine;
use crate::process::Capture;

/// Long enough for `node --version` on the busiest machine.
const ASK_NODE: Duration = Duration::from_secs(30);

/// Installs whatever the app's packages need; whether all of it was reused.
pub(super) async fn all(machine: &Machine, deadline: Instant) -> Result<bool, Failure> {
    let roots = install_roots(&machine.app(), &machine.checkout());
    if roots.is_empty() && Package::read(&machine.app()).is_none() {
        return Ok(false);
    }
    let node = check_node(machine).await?;
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
    let key = reuse::key(package, &manager, node);
    if reuse::take(machine, package, &key, deadline).await {
        machine
            .deployment
            .say(format!("dependencies of {place} are unchanged: reused"));
        return Ok(true);
    }
    if manager.lockfile.is_none() {
        machine.deployment.say(format!("no lockfile in {place}: npm install picks the versions of today; commit package-lock.json to fix them"));
    } else {
        machine.deployment.say(format!(
            "installing dependencies of {place} with {}",
            manager.install.join(" ")
        ));
    }
    install(machine, package, &manager, deadline).await?;
    reuse::keep(machine, package, &key, deadline).await;
    Ok(false)
}

async fn install(
    machine: &Machine,
    package: &Package,
    manager: &Manager,
    deadline: Instant,
) -> Result<(), Failure> {
    let argv = argv(machine, manager, deadline).await?;
    let mut step = machine.app_step(argv);
    step.folder.clone_from(&package.folder);
    if manager.name != "npm" || manager.lockfile.is_none() {
        return finish(machine, &step, &manager.install.join(" "), deadline).await;
    }
    machine.deployment.begin_step();
    let errors = Capture::of_errors();
    let exit = match machine.start(&step, &machine.deployment, Some(errors.clone())) {
        Ok(mut running) => running.ended_by(deadline).await,
        Err(error) => return Err(machine.failure(StepName::Setup, error.to_string(), None)),
    };
    match exit {
        Exit::Code(0) => Ok(()),
        _ if lockfile_refused(&errors.text()) => {
            let lockfile = manager.lockfile.unwrap_or_default();
            let folder = package.folder.strip_prefix(machine.checkout());
            let at = folder.unwrap_or(&package.folder).join(lockfile);
            let why = format!(
                "{} is out of date: it does not fit package.json and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it",
                at.display(),
            );
            machine.note(&machine.deployment, &why);
            step.argv = vec!["npm".into(), "install".into(), "--no-save".into()];
            finish(machine, &step, "npm install", deadline).await
        }
        Exit::Code(_) | Exit::Signal(_) | Exit::Memory | Exit::Timeout => {
            Err(machine.setup_failure("npm ci", exit))
        }
    }
}

/// Whether `npm ci` said that lockfile and package do not fit, rather than that something broke.
fn lockfile_refused(errors: &str) -> bool {
    errors.contains("code EUSAGE") || errors.contains("are in sync")
}

/// The command of a manager; one that is not installed comes through npm.
async fn argv(
    machine: &Machine,
    manager: &Manager,
    deadline: Instant,
) -> Result<Vec<String>, Failure> {
    let own: Vec<String> = manager
        .install
        .iter()
        .map(|part| (*part).to_owned())
        .collect();
    let path = machine
        .plain_environment()
        .remove("PATH")
        .unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(manager.name).is_file()) {
        return Ok(own);
    }
    let package = format!("--package={}@{}", manager.name, manager.version);
    machine.deployment.say(format!(
        "{} is not installed: taking {}@{} from the registry",
        manager.name, manager.name, manager.version
    ));
    let ask = [
        "npm",
        "exec",
        "--yes",
        &package,
        "--",
        manager.name,
        "--version",
    ];
    let exit = machine
        .run(&machine.plain_step(&ask, &machine.control()), deadline)
        .await;
    if !matches!(exit, Ok(Exit::Code(0))) {
        let reason = format!(
            "{} is needed for {}, is not installed and could not be fetched from the registry: install {} on the machine or commit a package-lock.json",
            manager.name,
            manager.lockfile.unwrap_or_default(),
            manager.name
        );
        return Err(machine.failure(StepName::Setup, reason, None));
    }
    let through = ["npm", "exec", "--yes", &package, "--"].map(str::to_owned);
    Ok(through.into_iter().chain(own).collect())
}

/// The installed Node, if every wish of the app allows it.
async fn check_node(machine: &Machine) -> Result<String, Failure> {
    let step = machine.plain_step(&["node", "--version"], &machine.checkout());
    let asked = machine.ask(&step, Instant::now() + ASK_NODE).await;
    let refused = |reason: String| machine.failure(StepName::Setup, reason, None);
    let app = &machine.bundle.app.name;
    let found = match asked {
        Ok((Exit::Code(0), text)) => text.trim().to_owned(),
        _ => {
            return Err(refused(format!(
                "app {app} needs Node, but `node --version` does not work on this machine: install Node 20 or newer"
            )));
        }
    };
    let Ok(version) = Version::parse(found.trim_start_matches('v')) else {
        return Ok(found);
    };
    for wish in node_version::wishes(&machine.app(), &machine.checkout()) {
        if !node_version::satisfies(&version, &wish.wanted) {
            return Err(refused(format!(
                "app {app} wishes Node {} ({}), but this machine has {found}: widen the wish or install that Node on the machine",
                wish.wanted, wish.place
            )));
        }
    }
    Ok(found)
}
