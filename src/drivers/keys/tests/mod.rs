//! What is special about keys in files.

mod kms;
mod local;
mod signing;
mod token;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn make_readable_for_others(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// A text with the folder's random name taken out.
fn shown(text: &str, folder: &TempDir) -> String {
    text.replace(&folder.path().display().to_string(), "DATA")
}
