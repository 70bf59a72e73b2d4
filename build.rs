//! Embeds the sample apps, so that the one binary can make its demo anywhere.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let examples = root.join("examples");
    println!("cargo::rerun-if-changed={}", examples.display());
    let mut code = fs::File::create(out.join("samples.rs"))?;
    let base = [("shop", "wing-shop"), ("notes", "node-notes")];
    let base: Vec<_> = base
        .iter()
        .map(|(folder, sample)| (*folder, examples.join(sample)))
        .collect();
    let change: Vec<_> = base
        .iter()
        .map(|(folder, path)| (*folder, overlay(&examples, path)))
        .collect();
    embed(&mut code, "BASE", "The sample's default branch.", &base)?;
    embed(
        &mut code,
        "CHANGE",
        "What its pull request changes.",
        &change,
    )
}

fn overlay(examples: &Path, sample: &Path) -> PathBuf {
    examples
        .join("demo-pull-request")
        .join(sample.file_name().unwrap_or_default())
}

fn embed(
    code: &mut fs::File,
    name: &str,
    says: &str,
    folders: &[(&str, PathBuf)],
) -> io::Result<()> {
    writeln!(code, "/// {says}\nconst {name}: &[File] = &[")?;
    for (folder, path) in folders {
        for file in files(path)? {
            let inside = file.strip_prefix(path).map_err(io::Error::other)?;
            writeln!(
                code,
                "    ({:?}, include_bytes!(r#\"{}\"#)),",
                format!("{folder}/{}", inside.display()),
                file.display()
            )?;
        }
    }
    writeln!(code, "];")
}

/// Every file below a folder, in order; what an app's own tools leave behind is not part of the sample.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "node_modules" && name != "target" {
                found.extend(files(&entry.path())?);
            }
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
