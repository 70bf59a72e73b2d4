//! Setup: dependencies installed, the app built.

mod again;
mod install;
mod manager;
mod node;
mod node_version;
mod packages;
mod reuse;
mod script_environment;
pub(crate) mod tool;
mod workspaces;

use std::path::Path;

use nestling_protocol::bundle::Kind;
use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::Instant;

use crate::config::{Config, FILE, Run};
use crate::machine::Machine;
pub(crate) use packages::Package;
pub(crate) use script_environment::script_environment;

/// The script with which an app prepares itself.
const OWN_SCRIPT: &str = "wing.sh";

/// Sets the app up; whether installed dependencies of an earlier deployment were reused.
///
/// Dependencies are installed, the `build` script runs if there is one, then what the app says itself: `[setup] run`,
/// else its `wing.sh`. An app of its own kind (`any`) that says `[setup] run` is set up by that alone.
pub(crate) async fn set_up(
    machine: &Machine,
    config: &Config,
    deadline: Instant,
) -> Result<bool, Failure> {
    if let (Kind::Any, Some(run)) = (machine.bundle.app.kind, &config.setup) {
        if node::is_wished(machine) {
            node::choose(machine).await?;
        }
        if Package::of(machine).is_some() {
            machine.deployment.say(format!(
                "[setup] run in {} is the whole setup: nothing is installed or built beside it",
                machine.place(FILE)
            ));
        }
        own_command(machine, run, deadline).await?;
        return Ok(false);
    }
    let reused = install::all(machine, deadline).await?;
    if let Some(package) = Package::of(machine)
        && package.script("build").is_some()
    {
        for name in ["prebuild", "build", "postbuild"] {
            if package.script(name).is_some() {
                run_script(machine, &package, name, &package.folder, deadline).await?;
            }
        }
    }
    let script = machine.app().join(OWN_SCRIPT).is_file();
    match &config.setup {
        Some(run) => {
            if script {
                let file = machine.place(FILE);
                let why = format!("{OWN_SCRIPT} does not run: [setup] run in {file} stands for it");
                machine.deployment.say(why);
            }
            own_command(machine, run, deadline).await?;
        }
        None if script => {
            let run = Run::in_shell(&format!("sh ./{OWN_SCRIPT}"));
            own_command(machine, &run, deadline).await?;
        }
        None => {}
    }
    Ok(reused)
}

/// Runs a script of a package as its manager would, called in the folder `begun_in`.
async fn run_script(
    machine: &Machine,
    package: &Package,
    name: &str,
    begun_in: &Path,
    deadline: Instant,
) -> Result<(), Failure> {
    let script = package.script(name).unwrap_or_default();
    let place = package.folder.strip_prefix(machine.checkout());
    let of = match place {
        _ if package.folder == machine.app() => String::new(),
        Ok(place) if place.as_os_str().is_empty() => " of the root".to_owned(),
        place => format!(" of {}", place.unwrap_or(&package.folder).display()),
    };
    machine
        .deployment
        .say(format!("running script {name}{of}: {script}"));
    let mut step = machine.app_step(Run::in_shell(script).argv);
    step.folder.clone_from(&package.folder);
    let told = script_environment(machine, package, name, &step.environment, begun_in);
    step.environment.extend(told);
    finish(machine, &step, script, deadline).await
}

async fn own_command(machine: &Machine, run: &Run, deadline: Instant) -> Result<(), Failure> {
    machine.deployment.say(format!("running {}", run.shown));
    finish(
        machine,
        &machine.app_step(run.argv.clone()),
        &run.shown,
        deadline,
    )
    .await
}

/// Runs a command of the setup; anything but success is a failure.
pub(super) async fn finish(
    machine: &Machine,
    step: &crate::sandbox::Step,
    shown: &str,
    deadline: Instant,
) -> Result<(), Failure> {
    machine.deployment.begin_step();
    match machine.run(step, deadline).await {
        Ok(Exit::Code(0)) => Ok(()),
        Ok(exit) => Err(machine.setup_failure(shown, exit)),
        Err(error) => Err(machine.failure(StepName::Setup, error.to_string(), None)),
    }
}
