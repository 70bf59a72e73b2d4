//! What a commit holds.

use std::{collections::BTreeMap, path::Path};

use nestling_domain::ids::Commit;

use super::{Git, GitError, call::Call};

/// The most of one file that is read: a package.json of a big monorepo has 30 KB.
const MOST_OF_A_FILE: u64 = 256 * 1024;
/// The most of all files together that is read in one call: five hundred big ones.
const MOST_OF_ALL: u64 = 16 * 1024 * 1024;

/// A regular file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, with `/`.
    pub path: String,
    /// How git writes its mode: `100644`, or `100755` when it can be executed.
    pub(super) mode: String,
    /// Its content's name.
    pub(super) object: String,
    /// Its size in bytes.
    pub size: u64,
}

impl File {
    /// The same file under another name.
    #[must_use]
    pub fn at(&self, path: String) -> Self {
        File {
            path,
            ..self.clone()
        }
    }
}

/// A place where a commit holds a commit of another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its path, with `/`.
    pub path: String,
    /// The other repository's commit.
    pub commit: Commit,
}

/// What a commit holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Its regular files. Names that are not UTF-8 are left out.
    pub files: Vec<File>,
    /// Its submodules. Names that are not UTF-8 are left out.
    pub links: Vec<Link>,
    /// Its symbolic links, each a file that holds where it leads. Names that are not UTF-8 are left out.
    pub symbolic: Vec<File>,
    /// Bytes of all that it holds itself.
    pub bytes: u64,
    /// Whether the content of some file is not there, as in a partial clone.
    pub lacks: bool,
}

/// What was read of some files: by path, those that are text and not too big.
pub type Content = BTreeMap<String, String>;

impl Git {
    /// What a commit holds.
    pub async fn tree(&self, git_dir: &Path, commit: &Commit) -> Result<Tree, GitError> {
        let args = ["-r", "-z", "--long", "--full-tree", commit.as_str()];
        let answer = self.run(Call::at(git_dir, "ls-tree", args)).await?;
        // Half a million names are too much work between two messages of an actor.
        let read = tokio::task::spawn_blocking(move || tree(&answer)).await;
        read.map_err(|error| GitError::Unreadable {
            what: "ls-tree".to_owned(),
            detail: error.to_string(),
        })
    }

    /// The contents of these files, in one call. What is too big or not text is left out.
    pub async fn contents(&self, git_dir: &Path, files: &[&File]) -> Result<Content, GitError> {
        let mut room = MOST_OF_ALL;
        let mut read: Vec<&File> = Vec::new();
        for file in files {
            if file.size <= MOST_OF_A_FILE && file.size <= room {
                room -= file.size;
                read.push(file);
            }
        }
        if read.is_empty() {
            return Ok(Content::new());
        }
        let mut asked = String::new();
        for file in &read {
            asked.push_str(&file.object);
            asked.push('\n');
        }
        let call = Call::at(git_dir, "cat-file", ["--batch"]).stdin(asked);
        let answer = self.run(call).await?;
        let mut rest = answer.as_slice();
        let mut contents = Content::new();
        for file in read {
            let (content, after) = batch_entry(rest, &file.path)?;
            rest = after;
            if let Some(text) = content.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()) {
                contents.insert(file.path.clone(), text);
            }
        }
        Ok(contents)
    }
}

fn tree(answer: &[u8]) -> Tree {
    let mut tree = Tree::default();
    for line in answer.split(|byte| *byte == 0) {
        tree.add(line);
    }
    tree
}

impl Tree {
    /// `mode type object size<TAB>path`, where a submodule has `-` for its size.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let head = std::str::from_utf8(&line[..tab]).ok()?;
        let mut words = head.split_ascii_whitespace();
        let (mode, what, object) = (words.next()?, words.next()?, words.next()?);
        let path = String::from_utf8(line[tab + 1..].to_vec()).ok();
        if what == "commit" {
            let commit = Commit::parse(object).ok()?;
            self.links.push(Link {
                path: path?,
                commit,
            });
            return Some(());
        }
        let Ok(size) = words.next()?.parse() else {
            // Where the size would be, git says `BAD`.
            self.lacks = true;
            return None;
        };
        self.bytes = self.bytes.saturating_add(size);
        let list = match mode {
            "100644" | "100755" | "100664" => &mut self.files,
            "120000" => &mut self.symbolic,
            _ => return None,
        };
        list.push(File {
            path: path?,
            mode: mode.to_owned(),
            object: object.to_owned(),
            size,
        });
        Some(())
    }
}

/// One answer of `cat-file --batch` and what follows it: `object type size`, newline, content, newline.
fn batch_entry<'a>(rest: &'a [u8], path: &str) -> Result<(Option<&'a [u8]>, &'a [u8]), GitError> {
    let unreadable = || GitError::Unreadable {
        what: "cat-file".to_owned(),
        detail: format!("no content for {path}"),
    };
    let line = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(unreadable)?;
    let head = std::str::from_utf8(&rest[..line]).map_err(|_| unreadable())?;
    let after = &rest[line + 1..];
    if head.ends_with(" missing") {
        return Ok((None, after));
    }
    let size = head
        .rsplit(' ')
        .next()
        .and_then(|size| size.parse::<usize>().ok());
    let size = size
        .filter(|size| *size < after.len())
        .ok_or_else(unreadable)?;
    Ok((Some(&after[..size]), &after[size + 1..]))
}
