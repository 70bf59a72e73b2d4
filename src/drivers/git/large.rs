//! Files that a repository keeps in Git LFS.
//!
//! A commit holds only a pointer to each of them; the content lies beside git's own objects, in
//! `lfs/objects` (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>). A machine sees nothing of that
//! folder, so a bundle carries a second tree: the same paths, with the content in the pointer's place.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Git, GitError, call::Call, tree::File};

/// A pointer has fewer bytes than this, says the specification.
const LONGEST_POINTER: u64 = 1024;
/// The first line of a pointer.
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";
/// The most that the large files of one commit may hold together: each deployment copies them.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
/// The index that the second tree is made in; a mirror has no other.
const INDEX: &str = "nestling-large-files";

/// A file whose content lies elsewhere.
#[derive(Debug)]
pub struct LargeFile {
    file: File,
    /// SHA-256 of the content, in hex.
    id: String,
    /// Bytes of the content.
    size: u64,
}

impl Git {
    /// Which of a commit's files are kept in Git LFS.
    pub async fn large_files(
        &self,
        mirror: &Path,
        files: &[File],
    ) -> Result<Vec<LargeFile>, GitError> {
        if !self.uses_large_files(mirror, files).await? {
            return Ok(Vec::new());
        }
        let small: Vec<&File> = files
            .iter()
            .filter(|file| file.size < LONGEST_POINTER)
            .collect();
        let contents = self.contents(mirror, &small).await?;
        let pointers = small.into_iter().filter_map(|file| {
            let (id, size) = pointer(contents.get(&file.path)?)?;
            let file = file.clone();
            Some(LargeFile { file, id, size })
        });
        Ok(pointers.collect())
    }

    async fn uses_large_files(&self, mirror: &Path, files: &[File]) -> Result<bool, GitError> {
        let attributes = |file: &&File| file.path.rsplit('/').next() == Some(".gitattributes");
        let attributes: Vec<&File> = files.iter().filter(attributes).collect();
        let contents = self.contents(mirror, &attributes).await?;
        Ok(contents.values().any(|text| text.contains("filter=lfs")))
    }

    /// Copies the content of these files from the repository at `git_dir` into the mirror. Answers their tree.
    pub async fn copy_large_files(
        &self,
        git_dir: &Path,
        mirror: &Path,
        files: &[LargeFile],
    ) -> Result<String, GitError> {
        let places = places(git_dir, files)?;
        let mut paths = Vec::new();
        for place in &places {
            paths.extend_from_slice(place.as_os_str().as_encoded_bytes());
            paths.push(b'\n');
        }
        let args = ["-w", "--no-filters", "--stdin-paths"];
        let call = Call::at(mirror, "hash-object", args).stdin(paths).long();
        let written = String::from_utf8_lossy(&self.run(call).await?).into_owned();
        let mut index = String::new();
        for (LargeFile { file, .. }, object) in files.iter().zip(written.lines()) {
            let File { path, mode, .. } = file;
            // Writing to a string cannot fail.
            let _ = write!(index, "{mode} {object}\t{path}\0");
        }
        let file = mirror.join(INDEX);
        // What a crash left would be in this tree, too.
        let _ = tokio::fs::remove_file(&file).await;
        let call = Call::at(mirror, "update-index", ["-z", "--index-info"]).stdin(index);
        self.run(call.index(&file)).await?;
        let call = Call::at(mirror, "write-tree", [""; 0]).index(&file);
        let tree = self.run(call).await?;
        Ok(String::from_utf8_lossy(&tree).trim().to_owned())
    }
}

/// The content's name and size, if this text is a pointer.
fn pointer(text: &str) -> Option<(String, u64)> {
    let rest = text.strip_prefix(VERSION)?;
    let value = |key: &str| rest.lines().find_map(|line| line.strip_prefix(key));
    let id = value("oid sha256:")?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let named = id.len() == 64 && id.bytes().all(hex);
    Some((named.then(|| id.to_owned())?, value("size ")?.parse().ok()?))
}

/// Where the contents lie; an error when one does not, or when they are too much.
fn places(git_dir: &Path, files: &[LargeFile]) -> Result<Vec<PathBuf>, GitError> {
    let objects = git_dir.join("lfs/objects");
    let place = |LargeFile { id, .. }: &LargeFile| {
        let (first, second) = (&id[..2], &id[2..4]);
        objects.join(first).join(second).join(id)
    };
    let there = |path: &Path, size: u64| {
        let about = std::fs::symlink_metadata(path);
        about.is_ok_and(|about| about.is_file() && about.len() == size)
    };
    let places: Vec<PathBuf> = files.iter().map(place).collect();
    let both = || files.iter().zip(&places);
    let mut absent = both().filter(|(file, place)| !there(place, file.size));
    if let Some((LargeFile { file, .. }, _)) = absent.next() {
        return Err(GitError::LargeFileAbsent {
            path: file.path.clone(),
            others: absent.count(),
        });
    }
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    if bytes > MOST_BYTES {
        return Err(GitError::LargeFilesTooBig {
            mib: bytes.div_ceil(1 << 20),
            most: MOST_BYTES >> 20,
        });
    }
    Ok(places)
}
