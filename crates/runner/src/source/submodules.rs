//! Submodules whose commits came with the bundle.
//!
//! Each gets a git directory where git itself would keep it, which takes its objects from the checkout's own. Git finds
//! it there, fetches nothing, and checks out by its own rules for hostile paths, names and links.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

use nestling_protocol::report::{Exit, Failure};

use super::{Git, uses_lfs};

/// The file that names submodules.
pub(super) const LIST: &str = ".gitmodules";
/// What a bundle has in place of a remote, where relative addresses begin: nothing is ever fetched from it.
const NO_REMOTE: &str = "remote.origin.url=bundle://nestling/source";

/// A submodule of one repository.
struct Submodule {
    name: String,
    /// Its path in that repository.
    path: String,
    commit: String,
}

/// Puts those submodules in their places whose commits are `packed`, with the ones within them; whether others are left.
pub(super) async fn of_bundle(git: &Git<'_>, packed: &BTreeSet<String>) -> Result<bool, Failure> {
    if packed.is_empty() {
        return Ok(true);
    }
    git.machine.deployment.say("checking out submodules");
    let mut left = false;
    let checkout = git.machine.checkout();
    let objects = checkout.join(".git/objects");
    let mut owners = vec![(checkout.clone(), checkout.join(".git"))];
    while let Some((folder, git_dir)) = owners.pop() {
        let mut found = listed(git, &folder).await?;
        let all = found.len();
        found.retain(|submodule| packed.contains(&submodule.commit));
        left |= found.len() < all;
        if found.is_empty() {
            continue;
        }
        let place = |submodule: &Submodule| git_dir.join("modules").join(&submodule.name);
        for submodule in &found {
            let place = place(submodule);
            make(&place, &objects, &submodule.commit)
                .map_err(|error| git.failure(format!("{}: {error}", place.display()), None))?;
        }
        let update = ["--literal-pathspecs", "-c", NO_REMOTE, "submodule"];
        let order = ["update", "--quiet", "--init", "--no-fetch", "--"];
        let paths = found.iter().map(|submodule| submodule.path.as_str());
        let order: Vec<&str> = update.into_iter().chain(order).chain(paths).collect();
        let mut step = git.step(&order);
        step.folder.clone_from(&folder);
        match git.run_step(&step).await? {
            Exit::Code(0) => {}
            exit @ (Exit::Code(_) | Exit::Signal(_) | Exit::Memory | Exit::Timeout) => {
                return Err(git.explain(&["submodule"], exit));
            }
        }
        for submodule in &found {
            let folder = folder.join(&submodule.path);
            say_what_lacks(git, &checkout, &folder);
            owners.push((folder, place(submodule)));
        }
    }
    Ok(left)
}

/// The submodules that the repository in this folder has, and names.
async fn listed(git: &Git<'_>, folder: &Path) -> Result<Vec<Submodule>, Failure> {
    let about = std::fs::symlink_metadata(folder.join(LIST));
    if !about.is_ok_and(|about| about.is_file()) {
        return Ok(Vec::new());
    }
    let keys = r"^submodule\..*\.path$";
    let order = ["config", "--file", LIST, "-z", "--get-regexp", keys];
    let names = names(&ask_in(git, folder, &order).await?);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let order = ["--literal-pathspecs", "ls-files", "-z", "--stage", "--"];
    let paths = names.keys().map(String::as_str);
    let order: Vec<&str> = order.into_iter().chain(paths).collect();
    let staged = ask_in(git, folder, &order).await?;
    let link = |line: &str| {
        let (about, path) = line.split_once('\t')?;
        let mut about = about.strip_prefix("160000 ")?.split(' ');
        Some(Submodule {
            name: names.get(path)?.clone(),
            path: path.to_owned(),
            commit: about.next()?.to_owned(),
        })
    };
    Ok(staged.split('\0').filter_map(link).collect())
}

/// What git says in this folder; nothing, where it has nothing to say.
async fn ask_in(git: &Git<'_>, folder: &Path, order: &[&str]) -> Result<String, Failure> {
    let mut step = git.step(order);
    step.folder = folder.to_owned();
    match git.machine.ask_quietly(&step, git.deadline).await {
        Ok((Exit::Code(0), text)) => Ok(text),
        Ok((Exit::Code(1), _)) => Ok(String::new()),
        Ok((exit, _)) => Err(git.explain(order, exit)),
        Err(error) => Err(git.failure(error.to_string(), None)),
    }
}

/// Names by path, of `submodule.NAME.path`, newline, path, zero, and so on. Those that could lead elsewhere are left to
/// git, which refuses them.
fn names(listing: &str) -> BTreeMap<String, String> {
    let named = |text: &str| {
        let (key, path) = text.split_once('\n')?;
        let name = key.strip_prefix("submodule.")?.strip_suffix(".path")?;
        (stays_below(name) && stays_below(path)).then(|| (path.to_owned(), name.to_owned()))
    };
    listing.split('\0').filter_map(named).collect()
}

fn stays_below(place: &str) -> bool {
    let mut parts = Path::new(place).components();
    !place.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Makes the git directory of a submodule at this commit, which is among these objects.
/// See <https://git-scm.com/docs/gitrepository-layout>.
fn make(git_dir: &Path, objects: &Path, commit: &str) -> io::Result<()> {
    let write = |file: &str, text: String| std::fs::write(git_dir.join(file), text);
    std::fs::create_dir_all(git_dir.join("objects/info"))?;
    std::fs::create_dir_all(git_dir.join("refs/heads"))?;
    write("HEAD", "ref: refs/heads/nestling\n".into())?;
    // Git fetches a commit that no ref leads to, even when it is there.
    write("refs/heads/nestling", format!("{commit}\n"))?;
    // Its parents are left out on purpose.
    write("shallow", format!("{commit}\n"))?;
    write(
        "objects/info/alternates",
        format!("{}\n", objects.display()),
    )?;
    let format = if commit.len() == 40 {
        "\trepositoryformatversion = 0\n"
    } else {
        "\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n[core]\n"
    };
    write("config", format!("[core]\n{format}\tbare = false\n"))
}

/// Says it, where files of a submodule are in Git LFS.
fn say_what_lacks(git: &Git<'_>, checkout: &Path, folder: &Path) {
    if uses_lfs(folder) {
        let path = folder.strip_prefix(checkout).unwrap_or(folder);
        let why = format!(
            "submodule {} keeps files in Git LFS: they stay pointers, because only such files of the repository itself come along",
            path.display()
        );
        git.machine.note(&git.machine.deployment, &why);
    }
}
