//! What an install takes from the commit itself beside the lockfile: what decides whether it may be taken again for
//! another commit.
//!
//! What comes from a registry is what the lockfile says. What comes from the tree is not, so:
//!
//! - a *file* that a dependency names (a tarball, a patch) counts with its contents;
//! - a *folder* may stay where the manager links it, for then the next commit's folder stands there. Where it is
//!   copied, nothing is kept ([`copy`]);
//! - scripts of dependencies may read anything of the tree, and do not say what. Of those that are known, the
//!   generator of Prisma reads `*.prisma`: these count with their contents. Others are the app's to name: a lockfile,
//!   `.npmrc` or a script that changes makes an install of its own;
//! - where none of this can be told, nothing is kept: right before quick.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::super::packages::{DEPENDENCIES, PACKAGES, Package, below};
use super::super::workspaces::PNPM_FILE;
use super::FILE_LIMIT;
use crate::read;

/// More entries of the tree are not looked through for inputs of generators: it would take longer than an install.
const ENTRIES: usize = 50_000;
/// Fields that put other packages in the place of what dependencies ask for.
const REPLACING: [&[&str]; 3] = [&["overrides"], &["resolutions"], &["pnpm", "overrides"]];
/// Where pnpm names patches, in `package.json` below `pnpm` and in its own file.
const PATCHED: &str = "patchedDependencies";
/// A build of native code that an install begins without any script.
const NATIVE: &str = "binding.gyp";
/// What packages of Prisma have in their names.
const PRISMA: &str = "prisma";

/// Why an install may not be kept, for people: the end of a sentence that begins with `because`.
pub(super) type Doubt = String;

/// What of the tree an install takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inputs {
    /// Files whose contents count.
    pub(super) files: BTreeSet<PathBuf>,
    /// Packages in folders that are dependencies, beside the own ones.
    pub(super) folders: BTreeSet<PathBuf>,
}

/// What the value of a dependency names.
#[derive(Debug, PartialEq, Eq)]
enum Named<'v> {
    /// Something of a registry, or another package of the workspace.
    Elsewhere,
    /// A file or folder of the tree, as seen from the package.
    Place(&'v str),
    /// A patch for something of a registry, as seen from the root.
    Patch(&'v str),
    /// What nobody can tell without running it.
    Unknown,
}

/// What the own packages (`own`, the root among them) take from the tree.
pub(super) fn inputs(
    root: &Package,
    own: &[Package],
    lockfile: Option<&str>,
    checkout: &Path,
) -> Result<Inputs, Doubt> {
    let mut inputs = Inputs::default();
    // Those beyond were not looked at.
    if root.is_workspace_root() && below(&root.folder, checkout).len() >= PACKAGES {
        return Err(format!("there are {PACKAGES} packages or more"));
    }
    for package in own {
        for field in DEPENDENCIES {
            let stated = package.value(&[field]).and_then(Value::as_object);
            for (name, value) in stated.into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                match named(value) {
                    Named::Patch(_) => inputs.replacing(value, root, checkout)?,
                    _ => inputs.dependency((name, value), package, own, checkout)?,
                }
            }
        }
        let gyp = package.value(&["gypfile"]).and_then(Value::as_bool);
        let own_way = package.script("install").or(package.script("preinstall"));
        if package.folder.join(NATIVE).exists() && gyp != Some(false) && own_way.is_none() {
            return Err(format!("an install builds its {NATIVE}"));
        }
    }
    for text in REPLACING
        .into_iter()
        .flat_map(|field| texts(root.value(field)))
    {
        inputs.replacing(text, root, checkout)?;
    }
    inputs.patches(root.value(&["pnpm", PATCHED]), root, checkout)?;
    inputs.pnpm_file(root, checkout)?;
    let lockfile = lockfile.map(|file| root.folder.join(file));
    let lockfile = lockfile.and_then(|file| read::bytes_within(&file, checkout, FILE_LIMIT));
    let lockfile = String::from_utf8_lossy(&lockfile.unwrap_or_default()).contains(PRISMA);
    if lockfile
        || own
            .iter()
            .any(|package| package.install_relevant().contains(PRISMA))
    {
        inputs.schemas(checkout)?;
    }
    Ok(inputs)
}

impl Inputs {
    fn dependency(
        &mut self,
        (name, value): (&str, &str),
        package: &Package,
        own: &[Package],
        checkout: &Path,
    ) -> Result<(), Doubt> {
        let unknown = || format!("it cannot be told where {name} comes from");
        let place = match named(value) {
            Named::Elsewhere => return Ok(()),
            Named::Unknown | Named::Patch(_) => return Err(unknown()),
            Named::Place(place) => inside(&package.folder, place, checkout).ok_or_else(unknown)?,
        };
        if place.is_file() {
            self.files.insert(place);
            return Ok(());
        }
        let same = |package: &&Package| package.folder.canonicalize().is_ok_and(|own| own == place);
        if own.iter().any(|package| same(&package)) {
            return Ok(());
        }
        let folder = Package::read(&place, checkout).ok_or_else(unknown)?;
        if folder.needs_install() {
            return Err(format!(
                "{name} is a folder with dependencies or install scripts of its own"
            ));
        }
        self.folders.insert(place);
        Ok(())
    }

    /// Whatever replaces other packages must not be a folder: who gets it, and how, is the manager's affair.
    fn replacing(&mut self, text: &str, root: &Package, checkout: &Path) -> Result<(), Doubt> {
        let file = match named(text) {
            Named::Elsewhere => return Ok(()),
            Named::Unknown => None,
            Named::Place(place) | Named::Patch(place) => inside(&root.folder, place, checkout),
        };
        let file = file.filter(|place| place.is_file());
        let file = file.ok_or_else(|| format!("it cannot be told what `{text}` puts in place"))?;
        self.files.insert(file);
        Ok(())
    }

    fn patches(
        &mut self,
        value: Option<&Value>,
        root: &Package,
        checkout: &Path,
    ) -> Result<(), Doubt> {
        for text in texts(value) {
            let file = inside(&root.folder, text, checkout).filter(|place| place.is_file());
            let file = file.ok_or_else(|| format!("there is no patch {text}"))?;
            self.files.insert(file);
        }
        Ok(())
    }

    /// pnpm's own file says what `package.json` may say, and whether packages of the workspace are copied.
    fn pnpm_file(&mut self, root: &Package, checkout: &Path) -> Result<(), Doubt> {
        let file = root.folder.join(PNPM_FILE);
        if !file.exists() {
            return Ok(());
        }
        let text = read::within(&file, checkout, FILE_LIMIT).unwrap_or_default();
        let stated: Value = serde_saphyr::from_str(&text)
            .map_err(|_| format!("{PNPM_FILE} cannot be understood"))?;
        for text in texts(stated.get("overrides")) {
            self.replacing(text, root, checkout)?;
        }
        self.patches(stated.get(PATCHED), root, checkout)
    }

    /// The schemas of Prisma, wherever in the tree.
    fn schemas(&mut self, checkout: &Path) -> Result<(), Doubt> {
        let mut open = vec![checkout.to_owned()];
        let mut seen = 0;
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                seen += 1;
                if seen > ENTRIES {
                    return Err("it is too large to look for schemas of Prisma".into());
                }
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && name != "node_modules" && name != ".git" {
                    open.push(entry.path());
                } else if name.ends_with(".prisma") || name.starts_with("prisma.config.") {
                    self.files.insert(entry.path());
                }
            }
        }
        Ok(())
    }
}

/// The contents of an input; a doubt where they cannot be had whole.
pub(super) fn contents(file: &Path, checkout: &Path) -> Result<Vec<u8>, Doubt> {
    let size = fs::metadata(file).map_or(0, |data| data.len());
    let bytes = read::bytes_within(file, checkout, FILE_LIMIT).filter(|_| size <= FILE_LIMIT);
    bytes.ok_or_else(|| {
        let place = file.strip_prefix(checkout).unwrap_or(file);
        format!("{} cannot be read", place.display())
    })
}

/// A folder of the tree that an install put in place as a copy, or as what is no link into the tree: the next commit's
/// would not stand there. By the name of its package.
pub(super) fn copy(own: &[Package], checkout: &Path) -> Option<String> {
    let checkout = checkout.canonicalize().ok()?;
    let names: BTreeSet<&str> = own
        .iter()
        .filter_map(|package| package.text(&["name"]))
        .collect();
    for package in own {
        for field in DEPENDENCIES {
            let stated = package.value(&[field]).and_then(Value::as_object);
            for (name, value) in stated.into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                let local = match named(value) {
                    // A tarball is unpacked, and its contents count.
                    Named::Place(place) => !package.folder.join(place).is_file(),
                    Named::Unknown => true,
                    Named::Patch(_) => false,
                    Named::Elsewhere => {
                        names.contains(name.as_str()) || value.starts_with("workspace:")
                    }
                };
                if local && is_copied(&package.folder, name, &checkout) {
                    return Some(name.clone());
                }
            }
        }
    }
    None
}

/// Whether what a package finds under a name stands in a `node_modules` rather than in the tree.
fn is_copied(folder: &Path, name: &str, checkout: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        return true;
    };
    let found = folder
        .ancestors()
        .take_while(|folder| folder.starts_with(checkout))
        .map(|folder| folder.join("node_modules").join(name))
        .find_map(|place| place.canonicalize().ok());
    // What was not put in place (a development dependency, say) is no copy of anything.
    found.is_some_and(|found| {
        let place = found.strip_prefix(checkout);
        let modules = Component::Normal("node_modules".as_ref());
        place.map_or(true, |place| place.components().any(|part| part == modules))
    })
}

/// What the value of a dependency names.
fn named(value: &str) -> Named<'_> {
    if value.starts_with("exec:") {
        return Named::Unknown;
    }
    if let Some(patched) = value.strip_prefix("patch:") {
        let patch = patched.split_once('#').map_or("", |(_, patch)| patch);
        let patch = patch.split("::").next().unwrap_or_default();
        let patch = patch.strip_prefix("optional!").unwrap_or(patch);
        return match patch.strip_prefix("~/") {
            _ if patch.contains("builtin<") => Named::Elsewhere,
            Some(of_root) if !of_root.contains('&') => Named::Patch(of_root),
            _ => Named::Unknown,
        };
    }
    for protocol in ["file:", "link:", "portal:"] {
        if let Some(place) = value.strip_prefix(protocol) {
            let end = place.find("::").or(place.find('#')).unwrap_or(place.len());
            return Named::Place(&place[..end]);
        }
    }
    if value.starts_with(['.', '/']) || value.starts_with("~/") {
        return Named::Place(value);
    }
    Named::Elsewhere
}

/// A place of the tree, without links; nothing where there is none.
fn inside(folder: &Path, place: &str, checkout: &Path) -> Option<PathBuf> {
    let place = folder.join(place).canonicalize().ok()?;
    place
        .starts_with(checkout.canonicalize().ok()?)
        .then_some(place)
}

/// Every text in a value.
fn texts(value: Option<&Value>) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open: Vec<&Value> = value.into_iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => found.push(text.as_str()),
            Value::Array(all) => open.extend(all),
            Value::Object(all) => open.extend(all.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
