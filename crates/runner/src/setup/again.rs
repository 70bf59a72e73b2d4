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
///
/// `told` are the variables of the app that managers listen to, by name.
pub(super) fn needed<'n>(
    own: &[Package],
    manager: &Manager,
    mut told: impl Iterator<Item = &'n String>,
) -> Result<Again, String> {
    let Some((root, members)) = own.split_first() else {
        return Ok(Again::Nothing);
    };
    let in_members = members.iter().any(Package::has_install_scripts);
    if !root.has_install_scripts() && !in_members {
        return Ok(Again::Nothing);
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
    // Some of npm's settings name scripts that do not run, or none that do.
    let settings = read::within(&root.folder.join(".npmrc"), &root.folder, SETTINGS_LIMIT);
    if settings.is_some_and(|text| text.contains("scripts")) {
        return Err(".npmrc says which install scripts may run".into());
    }
    if let Some(name) = told.find(|name| name.to_lowercase().contains("scripts")) {
        return Err(format!("{name} says which install scripts may run"));
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What runs for a workspace whose root and library have these scripts, in words.
    fn told(lockfile: &str, files: &[(&str, &str)], variable: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let all = r#"{"preinstall":"x","install":"x","postinstall":"x","prepublish":"x","prepare":"x","postprepare":"x","build":"x"}"#;
        let root = format!(r#"{{"workspaces":["packages/*"],"scripts":{all}}}"#);
        let library = format!(r#"{{"scripts":{all}}}"#);
        let own = [
            ("package.json", &*root),
            ("packages/b/package.json", &*library),
            ("packages/a/package.json", r#"{"scripts":{"prepare":"x"}}"#),
            (lockfile, ""),
        ];
        for (path, content) in own.iter().chain(files) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let root = Package::read(folder.path(), folder.path()).unwrap();
        let own = super::super::reuse::own(&root, folder.path());
        let variable = variable.to_owned();
        match needed(&own, &Manager::of(&root), std::iter::once(&variable)) {
            Ok(Again::Nothing) => "nothing".into(),
            Ok(Again::Install) => "its install".into(),
            Ok(Again::Scripts(scripts)) => {
                let place = |number: usize| {
                    let place = own[number].folder.strip_prefix(folder.path());
                    place.unwrap().display().to_string()
                };
                let words = scripts
                    .iter()
                    .map(|(number, name)| format!("{}:{name}", place(*number)));
                words.collect::<Vec<_>>().join(" ")
            }
            Err(why) => why,
        }
    }

    #[test]
    fn scripts_run_in_the_order_of_the_manager() {
        assert_eq!(
            told("package-lock.json", &[], "NODE_ENV"),
            "packages/b:preinstall packages/a:prepare packages/b:prepare packages/b:install packages/b:postinstall :preinstall :install :postinstall :prepublish :prepare :postprepare"
        );
        let none = [("package.json", "{}")];
        assert_eq!(told("package-lock.json", &none, "NODE_ENV"), "nothing");
        assert_eq!(told("pnpm-lock.yaml", &[], "NODE_ENV"), "its install");
        let modern = [("yarn.lock", "__metadata:\n")];
        assert_eq!(told("yarn.lock", &modern, "NODE_ENV"), "its install");
    }

    #[test]
    fn where_a_fresh_install_alone_would_tell_nothing_is_reused() {
        let quiet = [(".npmrc", "ignore-scripts=true\n")];
        assert_eq!(
            told("package-lock.json", &quiet, "NODE_ENV"),
            ".npmrc says which install scripts may run"
        );
        assert_eq!(
            told("package-lock.json", &[], "npm_config_ignore_scripts"),
            "npm_config_ignore_scripts says which install scripts may run"
        );
        assert_eq!(
            told("yarn.lock", &[], "NODE_ENV"),
            "yarn 1 runs install scripts of a workspace only in a fresh install"
        );
    }
}
