//! Static sites: a folder of files that the runner serves itself.

use std::path::PathBuf;

use nestling_protocol::report::{Failure, Step as StepName};

use crate::machine::Machine;
use crate::setup::Package;

/// Where build scripts leave a site, in the order in which they are believed.
const OUTPUTS: [&str; 5] = ["dist", "build", "out", "public", "_site"];
/// What makes a folder a site.
const INDEX: &str = "index.html";

/// What a static site lacks.
pub(crate) fn missing(machine: &Machine) -> Option<String> {
    let builds = Package::of(machine).is_some_and(|package| package.script("build").is_some());
    if builds || machine.app().join(INDEX).is_file() {
        return None;
    }
    let app = &machine.bundle.app.name;
    Some(format!(
        "app {app} has no {INDEX} and no package.json with a `build` script: commit one of them"
    ))
}

/// The folder that is served: what the build made, else the app's own.
pub(crate) fn folder(machine: &Machine) -> Result<PathBuf, Failure> {
    let builds = Package::of(machine).is_some_and(|package| package.script("build").is_some());
    let outputs = if builds { &OUTPUTS[..] } else { &[] };
    let found = outputs
        .iter()
        .map(|output| machine.app().join(output))
        .chain([machine.app()])
        .find(|folder| folder.join(INDEX).is_file());
    found.ok_or_else(|| {
        let app = &machine.bundle.app.name;
        let reason = format!(
            "the build of app {app} left no {INDEX} in {}: let it write its output to one of them",
            OUTPUTS.join(", ")
        );
        machine.failure(StepName::Setup, reason, None)
    })
}
