//! Whether scripts of dependencies ran while they were installed: these may have read the app's variables and secrets,
//! and do not say so.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::FILE_LIMIT;
use crate::read;

/// More packages are not looked at; among so many some have scripts.
const PACKAGES: usize = 20_000;
/// A larger `package.json` is not read.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;
/// The scripts of a dependency from a registry that an install runs.
const SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];
/// A build of native code that an install begins without any script.
const NATIVE: &str = "binding.gyp";
/// What lockfiles say of dependencies that are taken from git. They are built where they are taken.
const GIT: [&str; 4] = ["git+", "git@", "git://", "codeload.github.com"];

/// Whether any did, of what stands in these `node_modules`. In doubt they did.
pub(super) fn ran(installed: &[PathBuf], lockfile: Option<&Path>, checkout: &Path) -> bool {
    let lockfile = lockfile.and_then(|file| read::within(file, checkout, FILE_LIMIT));
    if lockfile.is_some_and(|text| GIT.iter().any(|words| text.contains(words))) {
        return true;
    }
    let mut packages = Vec::new();
    let mut open = installed.to_vec();
    let mut looked_at = 0;
    while let Some(modules) = open.pop() {
        packages.extend(inside(&modules));
        while let Some(package) = packages.pop() {
            open.push(package.join("node_modules"));
            looked_at += 1;
            if looked_at > PACKAGES || has_scripts(&package, checkout) {
                return true;
            }
        }
    }
    false
}

/// The packages of one `node_modules`; with those that pnpm and yarn keep below it, to link them.
fn inside(modules: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders(modules) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        match &*name {
            ".pnpm" => found.extend(folders(&folder)),
            ".store" => found.extend(folders(&folder).map(|one| one.join("package"))),
            name if name.starts_with('@') => found.extend(folders(&folder)),
            name if name.starts_with('.') => {}
            _ => found.push(folder),
        }
    }
    found
}

/// The folders in a folder; links lead to what is looked at where it stands, or to the app's own.
fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    let all = all.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    all.map(|entry| entry.path())
}

fn has_scripts(package: &Path, checkout: &Path) -> bool {
    let file = package.join("package.json");
    if package.join(NATIVE).exists() {
        return true;
    }
    if !file.exists() {
        return false;
    }
    let text = read::within(&file, checkout, SIZE_LIMIT).unwrap_or_default();
    let Ok(json) = serde_json::from_str::<Value>(&text) else {
        return true;
    };
    let scripts = json.get("scripts");
    let has = |name: &str| scripts.is_some_and(|all| all.get(name).is_some());
    SCRIPTS.iter().any(|name| has(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(files: &[(&str, &str)], lockfile: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join("node_modules").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let file = folder.path().join("lock");
        fs::write(&file, lockfile).unwrap();
        ran(
            &[folder.path().join("node_modules")],
            Some(&file),
            folder.path(),
        )
    }

    #[test]
    fn scripts_are_found_wherever_managers_put_packages() {
        let with = r#"{"scripts":{"postinstall":"node make.js"}}"#;
        for place in [
            "a",
            "@of/a",
            "a/node_modules/b",
            ".pnpm/a@1.0.0/node_modules/a",
            ".pnpm/a@1.0.0/node_modules/@of/a",
            ".store/a-npm-1.0.0-123/package",
        ] {
            let file = format!("{place}/package.json");
            assert!(did(&[(&file, with)], ""), "{place}");
        }
    }

    #[test]
    fn what_only_its_author_runs_is_no_script_of_an_install() {
        let without = r#"{"scripts":{"prepare":"husky","test":"jest"}}"#;
        let files = [("a/package.json", without), (".bin/a", ""), ("b/c", "")];
        assert!(!did(&files, "resolved https://registry.npmjs.org/a"));
        assert!(did(&files, "resolved git+ssh://git@github.com/a/a.git"));
    }

    #[test]
    fn native_code_and_what_cannot_be_read_count_as_scripts() {
        assert!(did(
            &[("a/package.json", "{}"), ("a/binding.gyp", "{}")],
            ""
        ));
        assert!(did(&[("a/package.json", "{")], ""));
    }
}
