//! Static sites: a folder of files that the runner serves itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::Instant;

use crate::config::FILE;
use crate::machine::Machine;
use crate::setup::Package;

/// Where build scripts leave a site, in the order in which they are believed.
const OUTPUTS: [&str; 5] = ["dist", "build", "out", "public", "_site"];
/// What makes a folder a site.
const INDEX: &str = "index.html";
/// How deep below the app's folder an output is looked for where it is in none of the usual ones: `dist/shop/browser`
/// is the deepest that is known.
const DEPTH: usize = 3;
/// Folders of one depth beyond these are not looked at: an output has few beside it.
const FOLDERS: usize = 2000;

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
///
/// A build's output is one of the usual folders, else the topmost folder whose index is no file of the commit, else one
/// of the usual folders as it was committed. An app's own folder is served after a build only with a note.
pub(crate) async fn folder(machine: &Machine, deadline: Instant) -> Result<PathBuf, Failure> {
    let (app, own) = (&machine.bundle.app.name, machine.app());
    let own_is_site = own.join(INDEX).is_file();
    let builds = Package::of(machine).is_some_and(|package| package.script("build").is_some());
    if !builds && own_is_site {
        return Ok(own);
    }
    let committed = committed(machine, deadline).await;
    let there = || OUTPUTS.iter().map(|output| own.join(output));
    let is_site = |folder: &PathBuf| folder.join(INDEX).is_file();
    let is_made = |folder: &PathBuf| !committed.contains(&folder.join(INDEX));
    if let Some(made) = there().filter(is_site).find(is_made) {
        return Ok(made);
    }
    if let Some(made) = sites_below(&own).into_iter().find(is_made) {
        let place = made.strip_prefix(&own).unwrap_or(&made).display();
        let said = format!("serving {place}, which the build made and which has an {INDEX}");
        machine.deployment.say(said);
        return Ok(made);
    }
    if let Some(usual) = there().find(is_site) {
        return Ok(usual);
    }
    let (outputs, file) = (OUTPUTS.join(", "), machine.place(FILE));
    let remedy = format!(
        "let it write its output to one of them, or say with `[start] run` in {file} how the app starts"
    );
    let lacks = format!(
        "the build of app {app} left no {INDEX} in {outputs}, nor in another folder of its own"
    );
    if own_is_site {
        let why = format!("{lacks}, so the app's own folder is served: {remedy}");
        machine.note(&machine.deployment, &why);
        return Ok(own);
    }
    Err(machine.failure(StepName::Setup, format!("{lacks}: {remedy}"), None))
}

/// The indexes that are files of the commit.
async fn committed(machine: &Machine, deadline: Instant) -> BTreeSet<PathBuf> {
    // Inside of the sandbox: by now the app's code may have changed what git finds there.
    let all = [INDEX, &format!("**/{INDEX}")].map(|glob| format!(":(glob){glob}"));
    let mut argv = vec!["git", "ls-files", "-z", "--"];
    argv.extend(all.iter().map(String::as_str));
    let step = machine.plain_step(&argv, &machine.app());
    let text = match machine.ask_quietly(&step, deadline).await {
        Ok((Exit::Code(0), text)) => text,
        Ok(_) | Err(_) => String::new(),
    };
    let own = machine.app();
    text.split('\0').map(|file| own.join(file)).collect()
}

/// The folders below one that have an index, the topmost first, then by name.
fn sites_below(own: &Path) -> Vec<PathBuf> {
    let looked_into = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        // Not through links, which may lead anywhere.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_folder && !hidden && name != "node_modules"
    };
    let (mut found, mut level) = (Vec::new(), vec![own.to_owned()]);
    for _ in 0..DEPTH {
        let entries = level.iter().filter_map(|folder| fs::read_dir(folder).ok());
        let folders = entries.flatten().flatten().filter(looked_into);
        let mut next: Vec<PathBuf> = folders.map(|entry| entry.path()).take(FOLDERS).collect();
        next.sort();
        let sites = next.iter().filter(|folder| folder.join(INDEX).is_file());
        found.extend(sites.cloned());
        level = next;
    }
    found
}
