//! What a path that somebody gave us is.

use std::path::{Path, PathBuf};

use super::{
    Git, GitError,
    call::{Call, path_of},
};

/// A repository that can be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its folder, without links: what its number is made of. Of a linked worktree, the main one's.
    pub path: PathBuf,
    /// Where its refs and objects are.
    pub git_dir: PathBuf,
    /// What people call it: its folder's name without `.git`.
    pub name: String,
}

/// Why a path is no repository that can be watched. Each says the place and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// Nothing is there.
    #[error("{} does not exist: give the folder of a git repository, or put it back", .0.display())]
    Missing(PathBuf),
    /// It cannot be looked at.
    #[error("{} cannot be read: {source}; let the user that runs nestling read it", path.display())]
    Forbidden {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file.
    #[error("{} is a file: give the folder of a git repository", .0.display())]
    NotAFolder(PathBuf),
    /// A folder inside a repository.
    #[error("{} is a folder inside the repository {}: give that one", path.display(), repository.display())]
    Inside {
        /// The path.
        path: PathBuf,
        /// The repository.
        repository: PathBuf,
    },
    /// A folder, and no repository.
    #[error("{} is not a git repository: run `git init` there and commit, or give another folder", .0.display())]
    NotARepository(PathBuf),
    /// Its name cannot be written down.
    #[error("{} is not UTF-8: rename the folder", .0.display())]
    NotText(PathBuf),
    /// Git cannot say, or not now.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Git {
    /// Finds out what repository lies at `path`: a work tree, a linked one, a bare repository, or a `.git` folder.
    pub async fn open(&self, path: &Path) -> Result<Opened, NotOpened> {
        let path = real_folder(path).await?;
        if path.to_str().is_none() {
            return Err(NotOpened::NotText(path));
        }
        let shape = path.clone();
        let shape = tokio::task::spawn_blocking(move || Shape::of(&shape));
        match shape.await.unwrap_or(Shape::Neither) {
            Shape::WorkTree | Shape::GitFolder => {}
            Shape::Within(repository) => return Err(NotOpened::Inside { path, repository }),
            Shape::Neither => return Err(NotOpened::NotARepository(path)),
        }
        let git_dir = match self.git_dir(&path, "--git-common-dir").await {
            Ok(git_dir) => git_dir,
            Err(GitError::Refused { said, .. }) if said.contains("not a git repository") => {
                return Err(NotOpened::NotARepository(path));
            }
            Err(error) => return Err(error.into()),
        };
        // A linked worktree shares its refs with the main one: they are one repository.
        let own = self.git_dir(&path, "--git-dir").await?;
        let path = if git_dir.file_name() == Some(".git".as_ref())
            && (own != git_dir || path == git_dir)
        {
            git_dir.parent().unwrap_or(&git_dir).to_owned()
        } else if own == git_dir {
            path
        } else {
            git_dir.clone()
        };
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name
            .as_deref()
            .map(|name| name.strip_suffix(".git").unwrap_or(name));
        let name = name
            .filter(|name| !name.is_empty())
            .unwrap_or("repository")
            .to_owned();
        Ok(Opened {
            path,
            git_dir,
            name,
        })
    }

    async fn git_dir(&self, path: &Path, which: &str) -> Result<PathBuf, GitError> {
        let answer = self.run(Call::within(path, "rev-parse", [which])).await?;
        let found = path.join(path_of(&answer));
        tokio::fs::canonicalize(&found)
            .await
            .map_err(|source| GitError::Broken {
                what: "rev-parse".to_owned(),
                source,
            })
    }
}

/// What a folder looks like from outside.
enum Shape {
    WorkTree,
    GitFolder,
    Within(PathBuf),
    Neither,
}

impl Shape {
    fn of(path: &Path) -> Self {
        let is_git = |path: &Path| path.join("HEAD").is_file() && path.join("objects").is_dir();
        if path.join(".git").exists() {
            return Shape::WorkTree;
        }
        if is_git(path) {
            return Shape::GitFolder;
        }
        let above = path.ancestors().skip(1);
        above
            .filter(|above| above.join(".git").exists() || is_git(above))
            .map(|above| Shape::Within(above.to_owned()))
            .next()
            .unwrap_or(Shape::Neither)
    }
}

async fn real_folder(path: &Path) -> Result<PathBuf, NotOpened> {
    let failed = |source: std::io::Error| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::NotFound {
            return NotOpened::Missing(path);
        }
        NotOpened::Forbidden { path, source }
    };
    let real = tokio::fs::canonicalize(path).await.map_err(failed)?;
    let about = tokio::fs::metadata(&real).await.map_err(failed)?;
    if !about.is_dir() {
        return Err(NotOpened::NotAFolder(real));
    }
    let _ = tokio::fs::read_dir(&real).await.map_err(failed)?;
    Ok(real)
}
