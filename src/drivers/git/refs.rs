//! Refs and commits.

use std::{collections::BTreeSet, path::Path};

use nestling_domain::{
    deployment::CommitInfo,
    ids::{Commit, Timestamp},
};

use super::{Git, GitError, call::Call};

/// How much of a commit's subject and author is kept: what a page shows.
const LONGEST_TEXT: usize = 200;
/// The most that the name of a ref may be: git itself stops at the longest path.
const LONGEST_NAME: usize = 8 * 1024;
/// One head: name, commit, type, when, who, what; each ends with NUL, which no ref and no header can hold.
const FORMAT: &str = "--format=%(refname)%00%(objectname)%00%(objecttype)%00%(committerdate:unix)%00%(authorname)%00%(contents:subject)%00";
/// The fields of [`FORMAT`].
const FIELDS: usize = 6;

/// What git says of a ref whose file holds no commit's name, as after a loss of power.
const BROKEN: &str = "ignoring broken ref";

/// A branch and its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Its head.
    pub commit: CommitInfo,
    /// When its head was committed.
    pub committed_at: Timestamp,
}

/// All branches of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// Those that can be followed.
    pub heads: Vec<Head>,
    /// Those that cannot.
    pub left_out: Vec<LeftOut>,
}

/// A branch that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, for people.
    pub branch: String,
    /// Why, and what would be right, for people.
    pub why: String,
}

/// Which branches the repository itself points at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Current {
    /// The branch that `origin/HEAD` names.
    pub origin: Option<String>,
    /// The branch that is checked out, or would be.
    pub head: Option<String>,
}

impl Git {
    /// All branches, complete: an error when even one cannot be read.
    pub async fn heads(&self, git_dir: &Path) -> Result<Heads, GitError> {
        let ended = self
            .succeed(Call::at(git_dir, "for-each-ref", [FORMAT, "refs/heads/"]))
            .await?;
        let mut all = read_heads(&ended.stdout)?;
        let warnings = String::from_utf8_lossy(&ended.stderr);
        // Git goes on without it, and it would look deleted.
        if let Some(damaged) = warnings.lines().find(|line| line.contains(BROKEN)) {
            return Err(GitError::Refused {
                what: "for-each-ref".to_owned(),
                said: shown(damaged),
            });
        }
        all.left_out.extend(warnings.lines().filter_map(no_name));
        Ok(all)
    }

    /// Of the branches, those that have no commit which `than` lacks. One call for all of them.
    pub async fn merged(
        &self,
        git_dir: &Path,
        than: &Commit,
    ) -> Result<BTreeSet<(String, Commit)>, GitError> {
        self.pairs(git_dir, &format!("--merged={than}")).await
    }

    /// The branches that hold this commit, which is there. One call for all of them.
    pub async fn holding(
        &self,
        git_dir: &Path,
        commit: &Commit,
    ) -> Result<BTreeSet<(String, Commit)>, GitError> {
        self.pairs(git_dir, &format!("--contains={commit}")).await
    }

    /// Branches and their heads, as an option of `for-each-ref` chooses them.
    async fn pairs(
        &self,
        git_dir: &Path,
        choice: &str,
    ) -> Result<BTreeSet<(String, Commit)>, GitError> {
        let format = "--format=%(refname)%00%(objectname)%00";
        let call = Call::at(git_dir, "for-each-ref", [choice, format, "refs/heads/"]);
        let answer = self.run(call).await?;
        let fields = fields(&answer, 2)?;
        let pairs = fields.into_iter().filter_map(|pair| {
            Some((
                branch_of(pair[0])?,
                Commit::parse(std::str::from_utf8(pair[1]).ok()?).ok()?,
            ))
        });
        Ok(pairs.collect())
    }

    /// Which branches the repository points at.
    pub async fn current(&self, git_dir: &Path) -> Result<Current, GitError> {
        let origin = self.symbolic(git_dir, "refs/remotes/origin/HEAD").await?;
        let head = self.symbolic(git_dir, "HEAD").await?;
        let after =
            |name: Option<String>, prefix: &str| name?.strip_prefix(prefix).map(ToOwned::to_owned);
        Ok(Current {
            origin: after(origin, "refs/remotes/origin/"),
            head: after(head, "refs/heads/"),
        })
    }

    /// Whether this commit is there.
    pub async fn has_commit(&self, git_dir: &Path, commit: &Commit) -> Result<bool, GitError> {
        let object = format!("{commit}^{{commit}}");
        let ended = self
            .ask(Call::at(git_dir, "cat-file", ["-e", &object]))
            .await?;
        Ok(ended.code == Some(0))
    }

    async fn symbolic(&self, git_dir: &Path, name: &str) -> Result<Option<String>, GitError> {
        let ended = self
            .ask(Call::at(git_dir, "symbolic-ref", ["--quiet", name]).most(LONGEST_NAME))
            .await?;
        let answer = String::from_utf8(ended.stdout)
            .ok()
            .filter(|_| ended.code == Some(0));
        Ok(answer.map(|name| name.trim_end_matches('\n').to_owned()))
    }
}

/// A branch that git itself leaves out, because only a hand in its folder can have made it.
fn no_name(warning: &str) -> Option<LeftOut> {
    let (_, name) = warning.split_once("ignoring ref with broken name refs/heads/")?;
    Some(LeftOut {
        branch: shown(name),
        why: "git takes no branch of such a name; rename its file below refs/heads".to_owned(),
    })
}

/// A name for people: it may hold anything.
fn shown(name: &str) -> String {
    let name = name.trim_end().chars().filter(|c| !c.is_control());
    name.take(LONGEST_TEXT).collect()
}

fn read_heads(answer: &[u8]) -> Result<Heads, GitError> {
    let mut all = Heads::default();
    for field in fields(answer, FIELDS)? {
        let Some(branch) = branch_of(field[0]) else {
            let name = String::from_utf8_lossy(field[0]);
            all.left_out.push(LeftOut {
                branch: shown(&name),
                why: "its name is not UTF-8; rename it with `git branch -m`".to_owned(),
            });
            continue;
        };
        let text = |field: &[u8]| -> String {
            let text = String::from_utf8_lossy(field);
            text.chars()
                .filter(|c| !c.is_control())
                .take(LONGEST_TEXT)
                .collect()
        };
        if field[2] != b"commit" {
            all.left_out.push(LeftOut {
                branch: shown(&branch),
                why: format!("it names a {} in place of a commit", text(field[2])),
            });
            continue;
        }
        let unreadable = |detail: String| GitError::Unreadable {
            what: "for-each-ref".to_owned(),
            detail,
        };
        let id = Commit::parse(&text(field[1])).map_err(|error| unreadable(error.to_string()))?;
        // A date before 1970 is negative; it is as old as any.
        let seconds = text(field[3])
            .parse::<i64>()
            .unwrap_or(0)
            .max(0)
            .unsigned_abs();
        all.heads.push(Head {
            branch,
            commit: CommitInfo {
                id,
                message: text(field[5]),
                author: text(field[4]),
                trust: nestling_domain::deployment::Trust::Member,
            },
            committed_at: Timestamp(seconds.saturating_mul(1000)),
        });
    }
    Ok(all)
}

/// Records of `count` fields that each end with NUL, and each record with a newline.
fn fields(answer: &[u8], count: usize) -> Result<Vec<Vec<&[u8]>>, GitError> {
    let mut parts: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
    // What follows the last NUL is the last newline.
    parts.pop();
    let records: Vec<Vec<&[u8]>> = parts
        .chunks(count)
        .map(|record| {
            let mut record = record.to_vec();
            record[0] = record[0].strip_prefix(b"\n").unwrap_or(record[0]);
            record
        })
        .collect();
    match records.iter().find(|record| record.len() != count) {
        None => Ok(records),
        Some(record) => Err(GitError::Unreadable {
            what: "for-each-ref".to_owned(),
            detail: format!("a record of {} fields in place of {count}", record.len()),
        }),
    }
}

fn branch_of(refname: &[u8]) -> Option<String> {
    let branch = refname.strip_prefix(b"refs/heads/")?;
    String::from_utf8(branch.to_vec()).ok()
}
