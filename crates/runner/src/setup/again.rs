//! The install scripts of the app's own packages, once more over dependencies that were reused: what they make is of
//! this commit, and what they make outside of `node_modules` was not kept.

use nestling_protocol::report::Failure;
use tokio::time::Instant;

use super::manager::Manager;
use super::packages::{INSTALL_SCRIPTS, Package};
use super::run_script;
use crate::machine::Machine;
use crate::read;

/// The scripts of a workspace's member that npm runs, in its order: each in all members before the next.
const OF_MEMBERS: [&str; 4] = ["preinstall", "prepare", "install", "postinstall"];
/// More of an `.npmrc` is not read, in bytes: it has a few lines.
const SETTINGS_LIMIT: u64 = 64 * 1024;

/// What is to be done over reused dependencies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing: no own package has a script that an install runs.
    Nothing,
    /// These scripts run, each in the package with this number.
    Scripts(Vec<(usize, &'static str)>),
    /// The manager's own install runs once more: it finds nothing to do but these scripts.
    Install,
}

/// What an install of these packages, the root the first of them, would run; or why that cannot be told.
pub(super) fn needed(own: &[Package], manager: &Manager) -> Result<Again, String> {
    let Some((root, members)) = own.split_first() else {
        return Ok(Again::Nothing);
    };
    let in_members = members.iter().any(Package::has_install_scripts);
    if !root.has_install_scripts() && !in_members {
        return Ok(Again::Nothing);
    }
    let settings = read::within(&root.folder.join(".npmrc"), &root.folder, SETTINGS_LIMIT);
    if settings.is_some_and(|text| text.contains("scripts")) {
        return Err(".npmrc says which install scripts may run".into());
    }
    match manager.tool.name {
        "npm" => {}
        // Where its lockfile fits, yarn 1 asks nothing but its root for scripts.
        "yarn" if manager.is_classic_yarn() && in_members => {
            return Err(
                "yarn 1 runs install scripts of a workspace only in a fresh install".into(),
            );
        }
        _ => return Ok(Again::Install),
    }
    let mut order: Vec<usize> = (1..own.len()).collect();
    order.sort_by_key(|&number| &own[number].folder);
    let of_members = OF_MEMBERS.into_iter().flat_map(|name| {
        let order = order.clone();
        order.into_iter().map(move |number| (number, name))
    });
    let all = of_members.chain(INSTALL_SCRIPTS.into_iter().map(|name| (0, name)));
    let there = |(number, name): &(usize, &str)| own[*number].script(name).is_some();
    Ok(Again::Scripts(all.filter(there).collect()))
}

/// Runs them.
pub(super) async fn scripts(
    machine: &Machine,
    own: &[Package],
    scripts: &[(usize, &'static str)],
    deadline: Instant,
) -> Result<(), Failure> {
    let Some(root) = own.first() else {
        return Ok(());
    };
    for &(number, name) in scripts {
        run_script(machine, &own[number], name, &root.folder, deadline).await?;
    }
    Ok(())
}
