//! Installed dependencies kept for the next deployment, as copies.
//!
//! All copying and removing is done by commands inside a sandbox: the cache is writable for the app's own
//! code, which may have left links there that lead elsewhere.
//!
//! Never may code of an older commit come alive under the name of a newer one. What of an install comes from the commit
//! is told in [`tree`]; what scripts of the app's own packages make is made again ([`super::again`]); what those of
//! dependencies make is of the variables and secrets that they saw ([`scripts`]). ADRs 18 and 20 say more.

mod scripts;
mod tree;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nestling_protocol::report::Exit;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::manager::Manager;
use super::packages::{Package, below};
use super::workspaces::is_member;
use crate::clock::now_millis;
use crate::machine::Machine;
use crate::read;
use tree::Doubt;

/// How many installs are kept: two branches, what they were before, and one to spare.
const KEPT: usize = 5;
/// What decides over an install beside the lockfile, whichever manager it is.
const CONFIGURATIONS: [&str; 5] = [
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    "pnpm-workspace.yaml",
    ".pnpmfile.cjs",
];
/// How variables begin that managers listen to, in lower case.
const MANAGERS: [&str; 3] = ["npm_config_", "yarn_", "pnpm_config_"];
/// More of a file is not read to see whether it changed, in bytes: the longest lockfiles have a tenth of that.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;
/// The folder of the kept installs in the cache.
const FOLDER: &str = "dependencies";
/// How much of the hash names an install: enough that no two meet.
const KEY_BYTES: usize = 16;
/// A copy that is not whole so long after it was begun was cut short: a whole setup ends before.
const CUT_SHORT: Duration = Duration::from_hours(2);
/// The rules by which a key is made: what was kept by others is not taken.
const RULES: &[u8] = b"2";
/// Says that a copy is whole.
const MARK: &str = "complete";

/// What an install is known by.
pub(super) struct Key {
    name: String,
    /// Its name if scripts of dependencies ran: the app's variables and secrets count.
    scripted: String,
    /// Files of the tree that managers let programs be.
    programs: Vec<PathBuf>,
}

/// The packages that one install is for: the package, or a workspace's root and its members.
pub(super) fn own(package: &Package, checkout: &Path) -> Vec<Package> {
    if !package.is_workspace_root() {
        return vec![package.clone()];
    }
    let all = below(&package.folder, checkout).into_iter();
    let is_own = |one: &Package| one.folder == package.folder || is_member(package, &one.folder);
    all.filter(is_own).collect()
}

/// A name for an install that changes whenever its result might; or why nothing can be such a name.
pub(super) fn key(
    machine: &Machine,
    package: &Package,
    own: &[Package],
    manager: &Manager,
    node: &str,
) -> Result<Key, Doubt> {
    let checkout = machine.checkout();
    let inputs = tree::inputs(package, own, manager.lockfile, &checkout)?;
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(RULES);
    add(manager.tool.name.as_bytes());
    add(manager.version.as_bytes());
    add(manager.install().join(" ").as_bytes());
    add(node.as_bytes());
    for (name, value) in telling(machine) {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    let content = |file: &Path| read::bytes_within(file, &checkout, FILE_LIMIT).unwrap_or_default();
    for file in manager.lockfile.into_iter().chain(CONFIGURATIONS) {
        add(&content(&package.folder.join(file)));
    }
    let folders = inputs.folders.iter();
    let folders = folders.filter_map(|folder| Package::read(folder, &checkout));
    let mut programs = Vec::new();
    for member in own.iter().cloned().chain(folders) {
        programs.extend(member.programs(&checkout));
        add(relative(&member.folder, &package.folder).as_bytes());
        add(member.install_relevant().as_bytes());
        for file in script_files(&member) {
            add(&content(&file));
        }
    }
    for file in &inputs.files {
        add(relative(file, &checkout).as_bytes());
        add(&tree::contents(file, &checkout)?);
    }
    let name = shown(hash);
    Ok(Key {
        scripted: format!("{name}-{}", environment(machine)),
        name,
        programs,
    })
}

/// A digest of all variables and secrets. Code of any deployment of the app reads the names of kept installs, so
/// nobody may learn from one what is in it: only the app's runners have the key.
fn environment(machine: &Machine) -> String {
    let bundle = &machine.bundle;
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(&bundle.digest_key);
    for values in [&bundle.variables, &bundle.secrets] {
        add(&values.len().to_string());
        for (name, value) in values {
            add(name);
            add(value);
        }
    }
    shown(hash)
}

/// The beginning of a hash: nothing can be said of a longer text from it.
fn shown(hash: Sha256) -> String {
    let mut shown = String::new();
    for byte in hash.finalize().iter().take(KEY_BYTES) {
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

/// The app's variables that managers listen to.
pub(super) fn telling(machine: &Machine) -> impl Iterator<Item = (&String, &String)> {
    let listened = |name: &str| {
        let name = name.to_lowercase();
        name == "node_env" || MANAGERS.iter().any(|manager| name.starts_with(manager))
    };
    let all = machine.bundle.variables.iter();
    let all = all.chain(&machine.bundle.secrets);
    all.filter(move |(name, _)| listened(name))
}

/// Puts a kept install in place; whether there was one.
pub(super) async fn take(
    machine: &Machine,
    package: &Package,
    key: &Key,
    deadline: Instant,
) -> bool {
    let kept = [&key.name, &key.scripted].map(|name| folder(machine).join(name));
    let Some(kept) = kept.into_iter().find(|kept| kept.join(MARK).is_file()) else {
        return false;
    };
    let from = kept.join("files/.").display().to_string();
    let to = format!("{}/", package.folder.display());
    let copied = run(
        machine,
        &["cp", "-a", "--reflink=auto", &from, &to],
        deadline,
    )
    .await;
    run(
        machine,
        &["touch", &kept.join(MARK).display().to_string()],
        deadline,
    )
    .await;
    // Each manager sees to it that the programs of linked packages can be run, however they were committed.
    if copied && !key.programs.is_empty() {
        let programs = key.programs.iter().map(|file| file.display().to_string());
        let programs: Vec<String> = programs.collect();
        let mut chmod = vec!["chmod", "a+x"];
        chmod.extend(programs.iter().map(String::as_str));
        run(machine, &chmod, deadline).await;
    }
    copied
}

/// Takes away what was put in place.
pub(super) async fn clear(machine: &Machine, own: &[Package], deadline: Instant) {
    for package in own {
        let modules = package.folder.join("node_modules").display().to_string();
        run(machine, &["rm", "-rf", &modules], deadline).await;
    }
}

/// Keeps an install for later. That it cannot be kept is no failure: the next one installs again.
///
/// One that holds a copy of a folder of the tree is not: the copy would stay when the folder changes.
pub(super) async fn keep(
    machine: &Machine,
    (package, own): (&Package, &[Package]),
    lockfile: Option<&str>,
    key: &Key,
    deadline: Instant,
) {
    if let Some(name) = tree::copy(own, &machine.checkout()) {
        machine.deployment.say(format!(
            "the installed dependencies are not kept for the next deployment, because {name} among them is a copy of a folder of this commit"
        ));
        return;
    }
    let installed: Vec<PathBuf> = own
        .iter()
        .map(|member| member.folder.join("node_modules"))
        .filter(|path| path.is_dir())
        .collect();
    if installed.is_empty() {
        return;
    }
    let lockfile = lockfile.map(|file| package.folder.join(file));
    let key = if scripts::ran(&installed, lockfile.as_deref(), &machine.checkout()) {
        &key.scripted
    } else {
        &key.name
    };
    let folder = folder(machine);
    let making = folder.join(format!("{key}.{}", machine.bundle.generation));
    let shown = making.display().to_string();
    let mut whole = run(machine, &["rm", "-rf", &shown], deadline).await;
    for modules in installed {
        let place = making.join("files").join(relative(
            modules.parent().unwrap_or(&modules),
            &package.folder,
        ));
        let place = place.display().to_string();
        whole = whole
            && run(machine, &["mkdir", "-p", &place], deadline).await
            && run(
                machine,
                &[
                    "cp",
                    "-a",
                    "--reflink=auto",
                    &modules.display().to_string(),
                    &place,
                ],
                deadline,
            )
            .await;
    }
    let finished = folder.join(key).display().to_string();
    whole = whole
        && run(
            machine,
            &["touch", &making.join(MARK).display().to_string()],
            deadline,
        )
        .await;
    whole = whole
        && run(
            machine,
            &["mv", "-T", "--no-clobber", &shown, &finished],
            deadline,
        )
        .await;
    if !whole {
        run(machine, &["rm", "-rf", &shown], deadline).await;
        machine
            .deployment
            .say("the installed dependencies could not be kept for the next deployment");
    }
    prune(machine, &folder, deadline).await;
}

/// Removes the kept installs that were not used for the longest time, and copies that were cut short.
async fn prune(machine: &Machine, folder: &Path, deadline: Instant) {
    let used = |path: &Path| fs::symlink_metadata(path)?.modified();
    let begun = SystemTime::UNIX_EPOCH + Duration::from_millis(now_millis());
    let (mut kept, mut surplus) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Ok(at) = used(&path.join(MARK)) {
            kept.push((at, path));
        } else if used(&path).is_ok_and(|at| at < begun - CUT_SHORT) {
            surplus.push(path);
        }
    }
    kept.sort();
    let beyond = kept.len().saturating_sub(KEPT);
    surplus.extend(kept.into_iter().take(beyond).map(|(_, path)| path));
    for path in surplus {
        let shown = path.display().to_string();
        run(machine, &["rm", "-rf", &shown], deadline).await;
    }
}

async fn run(machine: &Machine, argv: &[&str], deadline: Instant) -> bool {
    let step = machine.plain_step(argv, &machine.checkout());
    matches!(machine.run(&step, deadline).await, Ok(Exit::Code(0)))
}

fn folder(machine: &Machine) -> PathBuf {
    machine.options.cache_dir.join(FOLDER)
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Files that install scripts read: those that they name, and patches.
fn script_files(package: &Package) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = package
        .install_scripts()
        .flat_map(|script| {
            script.split(|letter: char| letter.is_whitespace() || "\"'&|;".contains(letter))
        })
        .filter(|word| !word.is_empty())
        .map(|word| package.folder.join(word))
        .filter(|path| path.is_file())
        .collect();
    files.extend(
        fs::read_dir(package.folder.join("patches"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path()),
    );
    files.sort();
    files
}
