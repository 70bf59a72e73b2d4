//! Setup: dependencies installed, the app built.

mod again;
mod install;
mod manager;
mod node;
mod node_version;
mod packages;
mod reuse;
pub(crate) mod tool;
mod workspaces;

use nestling_protocol::bundle::Kind;
use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::Instant;

use crate::config::{Config, Run};
use crate::machine::Machine;
pub(crate) use packages::Package;

/// The script with which a Wing app prepares itself.
const WING_SCRIPT: &str = "wing.sh";

/// Sets the app up; whether installed dependencies of an earlier deployment were reused.
///
/// An app of its own kind (`any`) that says `[setup] run` is set up by that alone. Otherwise dependencies
/// are installed first, and `[setup] run` stands in the place of the build.
pub(crate) async fn set_up(
    machine: &Machine,
    config: &Config,
    deadline: Instant,
) -> Result<bool, Failure> {
    let kind = machine.bundle.app.kind;
    let alone = kind == Kind::Any && config.setup.is_some();
    let reused = if alone {
        false
    } else {
        install::all(machine, deadline).await?
    };
    if let Some(run) = &config.setup {
        own_command(machine, run, deadline).await?;
        return Ok(reused);
    }
    if kind == Kind::Wing && machine.app().join(WING_SCRIPT).is_file() {
        own_command(
            machine,
            &Run::in_shell(&format!("sh ./{WING_SCRIPT}")),
            deadline,
        )
        .await?;
    }
    let package = Package::of(machine);
    if let Some(package) = package.filter(|package| package.script("build").is_some()) {
        for run in package.lifecycle("build") {
            run_script(machine, &package, "build", &run, deadline).await?;
        }
    }
    Ok(reused)
}

async fn run_script(
    machine: &Machine,
    package: &Package,
    name: &str,
    script: &str,
    deadline: Instant,
) -> Result<(), Failure> {
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
    step.environment.extend(package.script_environment(
        name,
        &step.environment,
        &machine.checkout(),
    ));
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
