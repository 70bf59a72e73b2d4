//! Tools that come from the registry, installed once into the cache of an app.

use std::path::{Path, PathBuf};

use nestling_protocol::report::Failure;
use tokio::time::Instant;

use super::finish;
use crate::machine::Machine;

/// Installs a package (`name@version`) into a folder of the cache, whose name holds the version.
pub(crate) async fn install(
    machine: &Machine,
    home: &Path,
    package: &str,
    deadline: Instant,
) -> Result<(), Failure> {
    let making = making(home, machine.bundle.generation)
        .display()
        .to_string();
    let commands: [&[&str]; 4] = [
        &["rm", "-rf", &making],
        &["mkdir", "-p", &making],
        &["npm", "install", "--no-save", "--prefix", &making, package],
        &[
            "mv",
            "-T",
            "--no-clobber",
            &making,
            &home.display().to_string(),
        ],
    ];
    for argv in commands {
        let step = machine.plain_step(argv, &machine.control());
        finish(machine, &step, &argv.join(" "), deadline).await?;
    }
    // Where another deployment was quicker, its install stands and ours is not needed.
    let _ = machine
        .run(
            &machine.plain_step(&["rm", "-rf", &making], &machine.control()),
            deadline,
        )
        .await;
    Ok(())
}

/// Where a generation installs before it puts the result in place. No version has a `~`: it is nobody's place.
fn making(home: &Path, generation: u32) -> PathBuf {
    let mut name = home.as_os_str().to_owned();
    name.push(format!("~{generation}"));
    name.into()
}
