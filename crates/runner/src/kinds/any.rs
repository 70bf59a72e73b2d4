//! Apps of their own kind: all that is known of them stands in `nestling.toml`.

use crate::config::FILE;
use crate::machine::Machine;

/// What such an app lacks; asked only when it says no `[start] run`.
#[allow(clippy::unnecessary_wraps, reason = "the same shape for every kind")]
pub(crate) fn missing(machine: &Machine) -> Option<String> {
    let app = &machine.bundle.app.name;
    Some(format!(
        "app {app} does not say how it starts: write `[start]` with `run = \"…\"` into {}",
        machine.place(FILE)
    ))
}
