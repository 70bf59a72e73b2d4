//! Package managers, told by their lockfiles.
//!
//! npm comes with Node. The others come from npm's registry, as packages of an exact version: the one that the app's
//! `packageManager` names, else ours. What may be installed on this computer is not asked: it differs from one to the next.

use std::path::{Path, PathBuf};

use nestling_protocol::log::Source;
use nestling_protocol::report::Failure;
use semver::Version;
use tokio::time::Instant;

use super::packages::Package;
use super::tool;
use crate::machine::Machine;
use crate::read;

/// A package manager of some generation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tool {
    /// How it is called.
    pub(super) name: &'static str,
    /// The package that it comes in, and the version that is taken where the app wishes none; nothing for what comes
    /// with Node.
    package: Option<(&'static str, &'static str)>,
    /// What an install is that takes a lockfile as it is.
    pub(super) exact: &'static [&'static str],
    /// What an install is that picks versions where the lockfile has none.
    pub(super) free: &'static [&'static str],
    /// Where it says, and in which words, that a lockfile does not fit, rather than that something broke.
    pub(super) refusal: (Source, &'static [&'static str]),
    /// What it is told beside that, in scripts, too.
    environment: &'static [(&'static str, &'static str)],
    /// The variable that says where its downloads are kept, and their folder in the cache. Npm's own and yarn's are
    /// told to every step: they disturb nobody, but npm complains of what is pnpm's.
    store: Option<(&'static str, &'static str)>,
}

const NPM: Tool = Tool {
    name: "npm",
    package: None,
    exact: &["npm", "ci"],
    free: &["npm", "install", "--no-save"],
    refusal: (Source::Err, &["code EUSAGE", "are in sync"]),
    environment: &[],
    store: None,
};
/// 9 reads lockfiles of version 6 and 9, and runs the scripts of dependencies as npm does. Older lockfiles count as out
/// of date: no pnpm takes the one before its own as it is.
const PNPM: Tool = Tool {
    name: "pnpm",
    package: Some(("pnpm", "9.15.9")),
    exact: &["pnpm", "install", "--frozen-lockfile"],
    free: &["pnpm", "install", "--no-frozen-lockfile"],
    refusal: (
        Source::Out,
        &[
            "ERR_PNPM_OUTDATED_LOCKFILE",
            "ERR_PNPM_LOCKFILE_BREAKING_CHANGE",
            "ERR_PNPM_LOCKFILE_CONFIG_MISMATCH",
            "ERR_PNPM_FROZEN_LOCKFILE_WITH_OUTDATED_LOCKFILE",
        ],
    ),
    // The version is chosen already; a wish that is no exact version must not end the install.
    environment: &[
        ("npm_config_package_manager_strict", "false"),
        ("npm_config_manage_package_manager_versions", "false"),
        // Copies, never hard links: what one deployment writes must not reach another.
        ("npm_config_package_import_method", "copy"),
        // Over reused packages an install is there for the app's own scripts: it must not end before them, nor ask.
        ("npm_config_optimistic_repeat_install", "false"),
        ("npm_config_confirm_modules_purge", "false"),
    ],
    store: Some(("npm_config_store_dir", "pnpm")),
};
const CLASSIC_YARN: Tool = Tool {
    name: "yarn",
    package: Some(("yarn", "1.22.22")),
    exact: &["yarn", "install", "--frozen-lockfile"],
    free: &["yarn", "install"],
    refusal: (Source::Err, &["Your lockfile needs to be updated"]),
    environment: &[],
    store: None,
};
const MODERN_YARN: Tool = Tool {
    name: "yarn",
    package: Some(("@yarnpkg/cli-dist", "4.9.4")),
    exact: &["yarn", "install", "--immutable"],
    free: &["yarn", "install", "--no-immutable"],
    refusal: (Source::Out, &["YN0028"]),
    // Scripts are run by `sh` and find packages in `node_modules`, which is not its own default.
    environment: &[
        ("YARN_NODE_LINKER", "node-modules"),
        ("YARN_ENABLE_TELEMETRY", "0"),
    ],
    store: None,
};

/// The lockfiles, in the order in which they are believed.
const LOCKFILES: [&str; 4] = [
    "pnpm-lock.yaml",
    "yarn.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
];
/// How much of a lockfile is looked at to tell who wrote it: its head.
const HEAD: u64 = 4096;

/// Who installs a package, and from which lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) tool: &'static Tool,
    /// The lockfile's name, if there is one.
    pub(super) lockfile: Option<&'static str>,
    /// The exact version; empty for what comes with Node.
    pub(super) version: String,
}

impl Manager {
    /// Who installs this package.
    pub(super) fn of(package: &Package) -> Self {
        let there = |file: &&str| package.folder.join(file).is_file();
        let lockfile = LOCKFILES.into_iter().find(there);
        let wished = package.text(&["packageManager"]).unwrap_or_default();
        let tool = match lockfile {
            Some("pnpm-lock.yaml") => &PNPM,
            Some("yarn.lock") if is_modern_yarn(&package.folder, wished) => &MODERN_YARN,
            Some("yarn.lock") => &CLASSIC_YARN,
            _ => &NPM,
        };
        let version = tool.package.map(|(_, ours)| {
            let wished = wished_version(wished, tool.name);
            wished.map_or_else(|| ours.to_owned(), |wished| wished.to_string())
        });
        Manager {
            tool,
            lockfile,
            version: version.unwrap_or_default(),
        }
    }

    /// Who installs this package, or the workspace that it is in: the nearest folder with a lockfile says it.
    pub(super) fn around(package: &Package, checkout: &Path) -> Self {
        let folders = package.folder.ancestors();
        let folders = folders.take_while(|folder| folder.starts_with(checkout));
        let locked = |folder: &&Path| LOCKFILES.iter().any(|file| folder.join(file).is_file());
        let nearest = folders
            .filter(locked)
            .find_map(|folder| Package::read(folder, checkout));
        Manager::of(nearest.as_ref().unwrap_or(package))
    }

    /// The command that installs.
    pub(super) fn install(&self) -> &'static [&'static str] {
        if self.lockfile.is_some() {
            self.tool.exact
        } else {
            &["npm", "install"]
        }
    }

    /// Whether this is yarn 1.
    pub(super) fn is_classic_yarn(&self) -> bool {
        *self.tool == CLASSIC_YARN
    }

    /// Sees to it that the tool can be run by its name, in the install and in scripts.
    pub(super) async fn make_ready(
        &self,
        machine: &Machine,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Some((package, _)) = self.tool.package else {
            return Ok(());
        };
        let Manager { tool, version, .. } = self;
        let home = self.home(machine);
        let program = home.join("node_modules/.bin").join(tool.name);
        if !program.is_file() {
            machine.deployment.say(format!(
                "taking {} {version} from the registry, once for this app",
                tool.name
            ));
            let package = format!("{package}@{version}");
            let taken = tool::install(machine, &home, &package, deadline).await;
            taken.map_err(|failure| Failure {
                reason: format!(
                    "{} {version}, which {} needs, could not be taken from the registry: name a version that exists as packageManager in package.json, or commit a package-lock.json; {}",
                    tool.name,
                    self.lockfile.unwrap_or_default(),
                    failure.reason
                ),
                ..failure
            })?;
        }
        let cache = &machine.options.cache_dir;
        let store = tool
            .store
            .map(|(name, folder)| (name, cache.join(folder).display().to_string()));
        let told = tool.environment.iter();
        let told = told.map(|&(name, value)| (name, value.to_owned()));
        machine.add_tools(home.join("node_modules/.bin"), told.chain(store).collect());
        Ok(())
    }

    fn home(&self, machine: &Machine) -> PathBuf {
        machine.tool_home(&format!("{}-{}", self.tool.name, self.version))
    }
}

/// The version in `pnpm@9.1.0+sha512.…`, if it names this tool and is exact.
fn wished_version(wished: &str, tool: &str) -> Option<Version> {
    let version = wished.strip_prefix(tool)?.strip_prefix('@')?;
    let version = Version::parse(version).ok()?;
    Some(Version {
        // A checksum of the tool, which npm checks by itself.
        build: semver::BuildMetadata::EMPTY,
        ..version
    })
}

/// Whether this is for yarn 2 or newer: its lockfile says so, unless the app wishes a version outright.
fn is_modern_yarn(folder: &Path, wished: &str) -> bool {
    if let Some(version) = wished_version(wished, "yarn") {
        return version.major > 1;
    }
    let head = read::within(&folder.join("yarn.lock"), folder, HEAD).unwrap_or_default();
    head.lines().any(|line| line.starts_with("__metadata:"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_runners_image_brings_what_is_taken_where_the_app_wishes_no_version() {
        for (name, package) in [&PNPM, &CLASSIC_YARN, &MODERN_YARN].map(|t| (t.name, t.package)) {
            let (package, version) = package.unwrap();
            let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/images/tools");
            let brought = format!("{tools}/{name}-{version}/package.json");
            let brought = fs::read_to_string(&brought).expect(&brought);
            assert!(brought.contains(&format!(r#""{package}": "{version}""#)));
        }
    }

    fn manager(wished: &str, lockfile: (&str, &str)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let package = format!(r#"{{"packageManager":"{wished}"}}"#);
        fs::write(folder.path().join("package.json"), package).unwrap();
        fs::write(folder.path().join(lockfile.0), lockfile.1).unwrap();
        let manager = Manager::of(&Package::read(folder.path(), folder.path()).unwrap());
        format!("{} of {}", manager.install().join(" "), manager.version)
    }

    #[test]
    fn a_lockfile_names_its_manager_and_an_exact_wish_its_version() {
        let classic = ("yarn.lock", "# yarn lockfile v1\n");
        let modern = ("yarn.lock", "# This file\n\n__metadata:\n  version: 8\n");
        let pnpm = ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
        let frozen = "pnpm install --frozen-lockfile of";
        assert_eq!(manager("", pnpm), format!("{frozen} 9.15.9"));
        assert_eq!(manager("pnpm@9.1.0", pnpm), format!("{frozen} 9.1.0"));
        let checked = "pnpm@10.2.1+sha512.ab12";
        assert_eq!(manager(checked, pnpm), format!("{frozen} 10.2.1"));
        for odd in [
            "pnpm@9",
            "pnpm@latest",
            "pnpm@9.1.0 || id",
            "npm@9.1.0",
            "pnpm@file:../x",
        ] {
            assert_eq!(manager(odd, pnpm), format!("{frozen} 9.15.9"), "{odd}");
        }
        let frozen = "yarn install --frozen-lockfile of";
        assert_eq!(manager("", classic), format!("{frozen} 1.22.22"));
        assert_eq!(manager("yarn@1.22.19", modern), format!("{frozen} 1.22.19"));
        let frozen = "yarn install --immutable of";
        assert_eq!(manager("", modern), format!("{frozen} 4.9.4"));
        assert_eq!(manager("yarn@3.8.7", classic), format!("{frozen} 3.8.7"));
        assert_eq!(manager("", ("package-lock.json", "{}")), "npm ci of ");
    }
}
