//! Which apps a tree holds: found from the names of its files and the contents of a few, without configuration.
//!
//! A folder is an app when it has, in this order, a `nestling.toml` with `[start] run` (any), a `main.w` (Wing), a
//! `package.json` with a `start` script (Node) or else a `build` script (static), or an `index.html` (static).
//! Then, from the root downwards:
//!
//! - A folder inside an app belongs to that app (the `website/` of a Wing app, the `client/` of a server), unless
//!   it says otherwise with `main.w` or `[start] run`. A static app owns less: what starts a server inside it is
//!   an app of its own.
//! - A `package.json` with `workspaces`, or with `packages` in a `pnpm-workspace.yaml` beside it, and no `start` script
//!   is the roof of others: it is an app only when nothing below it is.
//! - A library is no site, although it is built. A package is one when it has a `build` script and neither a `start`
//!   script nor an `index.html`, and says what others take from it: by `exports`, `module`, `types` or `bin`, while it
//!   lies in a workspace or another package of the tree depends on it; by `main` alone, which `npm init` writes into
//!   every package, only while another one depends on it. A mere `index.html` inside of it belongs to it.
//! - Samples and outputs (`examples`, `dist`, …) count only when nothing else is found, tests and fixtures only
//!   when not even those are; `node_modules`, `vendor` and folders beginning with a dot never count.

mod folder;
pub mod links;
mod package;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use nestling_protocol::bundle;

use crate::policy::Policy;
use folder::Folder;
use package::Package;

/// How many folders deep an app may lie: deeper ones are parts of something.
pub const DEEPEST: usize = 4;
/// How many apps one repository may hold: each costs an environment per pull request.
pub const MOST_APPS: usize = 20;
/// How many files not taken the reason on the page names: enough to find one's own.
const NAMED_IN_REASON: usize = 5;
/// How much of a path is shown.
const LONGEST_SHOWN: usize = 200;

/// An app that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundApp {
    /// Its folder, with `/`, no leading one; empty for the root.
    pub root: String,
    /// What it is.
    pub kind: bundle::Kind,
    /// What its makers call it: `name` of `nestling.toml`, else of `package.json` (without its scope), else the
    /// folder's name, else the repository's. Not yet a slug.
    pub name: String,
    /// The path that the health probe asks for, if `nestling.toml` names one.
    pub health: Option<String>,
    /// What its owners want to run: `[policy]` of `nestling.toml`, the defaults where it has none. None when the file cannot
    /// be read: what is known from an earlier one stays, because the defaults may let more run.
    pub policy: Option<Policy>,
}

/// A file that might have made an app and did not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// The file.
    pub path: String,
    /// Why, for people.
    pub reason: String,
    /// Whether somebody meant it to be an app: then it is told although others were found.
    pub meant: bool,
}

/// What was found in a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The apps, by folder.
    pub apps: Vec<FoundApp>,
    /// What was looked at and not taken, by path.
    pub not_taken: Vec<NotTaken>,
}

/// The files whose contents decide; hand them to [`discover`]. `paths` are all regular files of the tree, and the [`links`]
/// that lead to one.
pub fn wanted<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let decides = |path: &&str| {
        folder::candidate(path)
            .is_some_and(|(folder, file)| file.has_content() && folder::rank(folder).is_ok())
    };
    paths.into_iter().filter(decides).collect()
}

/// Finds the apps of a tree. `repository` is the name of the repository, for an app at its root. A wanted file
/// without contents counts as unreadable.
pub fn discover<'a>(
    repository: &str,
    paths: impl IntoIterator<Item = &'a str>,
    contents: &BTreeMap<String, String>,
) -> Discovery {
    let mut found = Discovery::default();
    let mut folders: BTreeMap<&str, Folder<'_>> = BTreeMap::new();
    for path in paths {
        let Some((folder, file)) = folder::candidate(path) else {
            continue;
        };
        match folder::rank(folder) {
            Ok(rank) => folders
                .entry(folder)
                .or_insert_with(|| Folder::new(folder, rank))
                .add(path, file, contents),
            Err(Some(reason)) => found.refuse(path, reason, false),
            Err(None) => {}
        }
    }
    let chosen = choose(folders, &mut found);
    for folder in chosen {
        found.take(folder.app(repository));
    }
    found.apps.sort_by(|a, b| a.root.cmp(&b.root));
    found.not_taken.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Discovery {
    /// Adds links that might have made an app and lead to no file, each with its path and why.
    pub fn add_refused_links(&mut self, links: Vec<(String, String)>) {
        for (path, reason) in links {
            self.refuse(&path, reason, false);
        }
        self.not_taken.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// What is wrong with the apps of a tree, for the page: why there is none, or which files were meant to make one and
    /// do not. `place` says where was looked.
    pub fn trouble(&self, place: &str) -> Option<String> {
        if self.apps.is_empty() {
            return Some(self.why_none(place));
        }
        let meant: Vec<&NotTaken> = self.not_taken.iter().filter(|one| one.meant).collect();
        (!meant.is_empty()).then(|| format!("in {place} not taken as an app: {}", named(&meant)))
    }

    /// Why there is no app in the folder `root`, for a person who looks for one there: what of it was not taken, and
    /// where apps were found instead.
    pub fn why_not(&self, root: &str, place: &str) -> String {
        if self.apps.is_empty() {
            return self.why_none(place);
        }
        let lies_there = |one: &&NotTaken| {
            let folder = one.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            folder == root || one.path == root
        };
        let refused: Vec<&NotTaken> = self.not_taken.iter().filter(lies_there).collect();
        let why = if refused.is_empty() {
            String::new()
        } else {
            format!("; not taken: {}", named(&refused))
        };
        let found: Vec<&str> = self.apps.iter().map(|app| shown(&app.root)).collect();
        format!(
            "there is no app in folder {} of {place}{why}; apps were found in {}",
            shown(root),
            found.join(", ")
        )
    }

    fn why_none(&self, place: &str) -> String {
        let mut why = format!(
            "no app of a known kind in {place}: an app is a folder, at most {DEEPEST} deep, with a main.w, a package.json that has a start or build script, or an index.html. For any other kind, commit a nestling.toml with [start] and run = \"how it starts, listening on $PORT\""
        );
        if !self.not_taken.is_empty() {
            let all: Vec<&NotTaken> = self.not_taken.iter().collect();
            why.push_str("; not taken: ");
            why.push_str(&named(&all));
        }
        why
    }

    fn take(&mut self, app: FoundApp) {
        if self.apps.len() < MOST_APPS {
            self.apps.push(app);
        } else {
            let place = shown(&app.root);
            let reason = format!("a repository may hold {MOST_APPS} apps, and has them already");
            self.refuse(place, reason, true);
        }
    }

    fn refuse(&mut self, path: &str, reason: impl Into<String>, meant: bool) {
        // It goes to pages and logs.
        let shown = |c: char| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        self.not_taken.push(NotTaken {
            path: path.chars().map(shown).take(LONGEST_SHOWN).collect(),
            reason: reason.into(),
            meant,
        });
    }
}

/// A folder for people, who write the root as `.`.
fn shown(root: &str) -> &str {
    if root.is_empty() { "." } else { root }
}

/// The first of them with their reasons, and how many more there are.
fn named(all: &[&NotTaken]) -> String {
    let shown = all.iter().take(NAMED_IN_REASON);
    let shown: Vec<String> = shown
        .map(|n| format!("{} ({})", n.path, n.reason))
        .collect();
    match all.len().saturating_sub(NAMED_IN_REASON) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Which folders are apps, shallow ones first; the reasons for the others go to `found`.
fn choose<'a>(folders: BTreeMap<&'a str, Folder<'a>>, found: &mut Discovery) -> Vec<Folder<'a>> {
    let libraries = libraries(&folders);
    let mut candidates = Vec::new();
    for (_, folder) in folders {
        for (path, reason, meant) in folder.complaints() {
            found.refuse(path, reason, meant);
        }
        if let Some(reason) = part_of_a_library(&folder, &libraries) {
            found.refuse(folder.path_of_kind(), reason, false);
        } else if folder.kind().is_some() {
            candidates.push(folder);
        }
    }
    let best = candidates.iter().map(|folder| folder.rank).min();
    candidates.retain(|folder| {
        let fits = Some(folder.rank) == best;
        if !fits {
            found.refuse(folder.path_of_kind(), folder.rank.reason(), false);
        }
        fits
    });
    let roofs = roofs(&candidates);
    candidates.sort_by_key(|folder| (folder.depth(), folder.path));
    let mut chosen: Vec<Folder<'a>> = Vec::new();
    for folder in candidates {
        if roofs.contains(folder.path) {
            let reason = "it has workspaces and no start script: its packages are the apps";
            found.refuse(folder.path_of_kind(), reason, false);
            continue;
        }
        let owner = chosen.iter().find(|app| app.owns(&folder));
        if let Some(owner) = owner {
            let reason = format!("it belongs to the app in {}", place(owner.path));
            found.refuse(folder.path_of_kind(), reason, false);
        } else {
            chosen.push(folder);
        }
    }
    chosen
}

/// The folders that are libraries, each with the field of its package that says so.
fn libraries<'a>(folders: &BTreeMap<&'a str, Folder<'a>>) -> BTreeMap<&'a str, &'static str> {
    let packages = || folders.values().filter_map(Folder::package);
    let needed: BTreeSet<&str> = packages().flat_map(Package::needs).collect();
    let is_root = |path: &str| folders.get(path).is_some_and(Folder::is_workspace_root);
    let library = |folder: &Folder<'a>| {
        let name = folder.package().and_then(Package::name);
        let needed = name.is_some_and(|name| needed.contains(name));
        let field = folder.library(needed, above(folder.path).any(is_root))?;
        Some((folder.path, field))
    };
    folders.values().filter_map(library).collect()
}

/// Why a folder is no app, if it is a library or a mere page inside one.
fn part_of_a_library(folder: &Folder<'_>, libraries: &BTreeMap<&str, &str>) -> Option<String> {
    if let Some(field) = libraries.get(folder.path) {
        return Some(format!(
            "it is a library: it has `{field}`, and no index.html beside it"
        ));
    }
    let library = above(folder.path).find(|path| libraries.contains_key(path));
    let library = library.filter(|_| folder.is_page())?;
    Some(format!("it belongs to the library in {}", place(library)))
}

/// The folders that this one lies in, from the nearest to the root.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(folder, _)| folder))
    })
    .skip(1)
}

/// Folders that only bind others together.
fn roofs<'a>(candidates: &[Folder<'a>]) -> BTreeSet<&'a str> {
    candidates
        .iter()
        .filter(|roof| roof.binds_workspaces())
        .filter(|roof| candidates.iter().any(|other| roof.holds(other)))
        .map(|roof| roof.path)
        .collect()
}

/// A folder within a sentence.
fn place(path: &str) -> &str {
    if path.is_empty() {
        "the repository's root"
    } else {
        path
    }
}
