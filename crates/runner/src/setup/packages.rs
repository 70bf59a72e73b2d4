//! Packages of the app: what their `package.json` says, and which folders need an install.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::workspaces::{PNPM_FILE, is_member};
use crate::machine::Machine;
use crate::read;

/// Folders with a package below the app's that are looked at; more is not an app but a collection.
pub(super) const PACKAGES: usize = 50;
/// How deep below the app's folder a package may lie.
const DEPTH: usize = 5;
/// A larger `package.json` is not read.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;
/// Programs of one package that are looked at: those who offer more are no part of an app.
const PROGRAMS: usize = 100;
/// The fields of a `package.json` that decide what an install puts in place.
const INSTALL_FIELDS: [&str; 21] = [
    "name",
    "version",
    "bin",
    "directories",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "overrides",
    "resolutions",
    "workspaces",
    "pnpm",
    "packageManager",
    "os",
    "cpu",
    "allowScripts",
    "dependenciesMeta",
    "installConfig",
    // What generators of dependencies are told.
    "prisma",
];
/// The fields of a `package.json` that name packages to put in place.
pub(super) const DEPENDENCIES: [&str; 3] =
    ["dependencies", "devDependencies", "optionalDependencies"];
/// Scripts that run while a package is installed, in the order in which npm runs those of a root.
pub(super) const INSTALL_SCRIPTS: [&str; 7] = [
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
];

/// A folder with a `package.json`.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) folder: PathBuf,
    json: Value,
}

impl Package {
    /// Reads the package of a folder; none where there is no readable one inside of the folder `within`.
    pub(crate) fn read(folder: &Path, within: &Path) -> Option<Self> {
        let text = read::within(&folder.join("package.json"), within, SIZE_LIMIT)?;
        let json = serde_json::from_str(&text).ok()?;
        Some(Package {
            folder: folder.to_owned(),
            json,
        })
    }

    /// The app's own package.
    pub(crate) fn of(machine: &Machine) -> Option<Self> {
        Package::read(&machine.app(), &machine.checkout())
    }

    /// A script by name, if it says anything.
    pub(crate) fn script(&self, name: &str) -> Option<&str> {
        self.json
            .get("scripts")?
            .get(name)?
            .as_str()
            .filter(|script| !script.trim().is_empty())
    }

    /// A field, by its path.
    pub(super) fn value(&self, path: &[&str]) -> Option<&Value> {
        path.iter()
            .try_fold(&self.json, |value, key| value.get(key))
    }

    /// A text field, by its path.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        self.value(path)?.as_str()
    }

    /// Whether it names packages that it needs itself.
    fn has_dependencies(&self) -> bool {
        let filled = |field: &&str| {
            let named = self.value(&[*field]).and_then(Value::as_object);
            named.is_some_and(|all| !all.is_empty())
        };
        DEPENDENCIES.iter().any(filled)
    }

    /// Whether an install would put anything in place.
    pub(super) fn needs_install(&self) -> bool {
        self.has_dependencies()
            || self.json.get("workspaces").is_some()
            || self.has_install_scripts()
    }

    /// Whether this package names workspaces, and so is installed for all of them at once.
    pub(super) fn is_workspace_root(&self) -> bool {
        self.json.get("workspaces").is_some() || self.folder.join(PNPM_FILE).is_file()
    }

    /// What of this package decides over an install, as text that changes whenever that does.
    pub(super) fn install_relevant(&self) -> String {
        let fields: Vec<String> = INSTALL_FIELDS
            .iter()
            .filter_map(|field| Some(format!("{field}={}", self.json.get(field)?)))
            .chain(
                INSTALL_SCRIPTS
                    .iter()
                    .filter_map(|name| Some(format!("script {name}={}", self.script(name)?))),
            )
            .collect();
        fields.join("\n")
    }

    /// The scripts that run during an install.
    pub(super) fn install_scripts(&self) -> impl Iterator<Item = &str> {
        INSTALL_SCRIPTS.iter().filter_map(|name| self.script(name))
    }

    /// The files that it offers as programs, where they are in the checkout.
    pub(super) fn programs(&self, checkout: &Path) -> Vec<PathBuf> {
        let one = self.text(&["bin"]).map(str::to_owned);
        let named = self.value(&["bin"]).and_then(Value::as_object);
        let named = named.into_iter().flat_map(|all| all.values());
        let all = one
            .into_iter()
            .chain(named.filter_map(Value::as_str).map(str::to_owned));
        let mut files: Vec<PathBuf> = all.map(|file| self.folder.join(file)).collect();
        let folder = self.text(&["directories", "bin"]);
        let folder = folder.and_then(|folder| fs::read_dir(self.folder.join(folder)).ok());
        files.extend(
            folder
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path()),
        );
        let checkout = checkout.canonicalize().unwrap_or_default();
        files
            .iter()
            .filter_map(|file| file.canonicalize().ok())
            .filter(|file| file.starts_with(&checkout) && file.is_file())
            .take(PROGRAMS)
            .collect()
    }

    /// Whether it has a script that an install runs.
    pub(super) fn has_install_scripts(&self) -> bool {
        self.install_scripts().next().is_some()
    }
}

/// The packages that are installed each on its own: the workspace that the app belongs to, else every package in the
/// app's folder.
///
/// A workspace above that does not count the app among its own is installed before these where its root names
/// dependencies: Node finds them from every folder below, and a build may.
pub(super) fn install_roots(app: &Path, checkout: &Path) -> Vec<Package> {
    let above = app
        .ancestors()
        .take_while(|folder| folder.starts_with(checkout));
    let above: Vec<Package> = above
        .filter_map(|folder| Package::read(folder, checkout))
        .collect();
    let roots = || above.iter().filter(|package| package.is_workspace_root());
    let belongs = |root: &&Package| {
        let own = &above[0].folder;
        root.folder == *own || is_member(root, own)
    };
    if let Some(root) = roots().find(belongs) {
        return vec![root.clone()];
    }
    let nearest = roots().next().filter(|root| root.has_dependencies());
    let own = below(app, checkout)
        .into_iter()
        .filter(Package::needs_install);
    nearest.cloned().into_iter().chain(own).collect()
}

/// Every package in a folder and below, the folder's own first; `node_modules` and hidden folders are not
/// looked into.
pub(super) fn below(folder: &Path, within: &Path) -> Vec<Package> {
    let mut found = Vec::new();
    collect(folder, within, DEPTH, &mut found);
    found
}

fn collect(folder: &Path, within: &Path, depth: usize, found: &mut Vec<Package>) {
    if found.len() >= PACKAGES {
        return;
    }
    found.extend(Package::read(folder, within));
    if depth == 0 {
        return;
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        // Not through links: they may lead anywhere.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name != "node_modules" && !name.starts_with('.'))
        })
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for folder in folders {
        collect(&folder, within, depth - 1, found);
    }
}
