//! Which user and group a machine runs as, when the server is root.
//!
//! Each environment gets a user of its own and each cache group a group of its own; a machine runs with its
//! environment's user and, as its one group, its cache group. So `state`, `work` and `run` open to that
//! environment alone (0700), and a cache to the machines of its group alone (2770, umask 002), without ACLs.
//! Production and previews are different cache groups, hence different gids, and never share.
//!
//! Numbers are never given twice in the life of a data folder: files of an ended environment (in a cache, say)
//! never turn up as somebody else's.

use std::{collections::BTreeMap, io, path::PathBuf};

use nestling_domain::ids::EnvironmentId;
use serde::{Deserialize, Serialize};

use super::layout;

/// The register, kept in `numbers.json`.
#[derive(Debug)]
pub(super) struct Numbers {
    path: PathBuf,
    base: u32,
    given: Given,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Given {
    last: u32,
    environments: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Numbers {
    /// Reads the register. A register that cannot be read is an error: starting afresh would give numbers twice.
    pub(super) fn load(path: PathBuf, base: u32) -> io::Result<Self> {
        let given = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Given::default(),
            bytes => serde_json::from_slice(&bytes?).map_err(|error| {
                io::Error::other(format!(
                    "{} is damaged ({error}): restore it from a backup",
                    path.display()
                ))
            })?,
        };
        Ok(Numbers { path, base, given })
    }

    /// The numbers of this environment and cache group; recorded durably before they are answered.
    pub(super) fn of(&mut self, environment: &EnvironmentId, group: &str) -> io::Result<Owner> {
        let mut given = self.given.clone();
        let mut last = given.last;
        let mut next = || {
            last += 1;
            last
        };
        let uid = *given
            .environments
            .entry(environment.0.clone())
            .or_insert_with(&mut next);
        let gid = *given
            .groups
            .entry(group.to_owned())
            .or_insert_with(&mut next);
        given.last = last;
        if given.last != self.given.last {
            let bytes = serde_json::to_vec_pretty(&given).map_err(io::Error::other)?;
            layout::write_durably(&self.path, &bytes)?;
            self.given = given;
        }
        Ok(Owner {
            uid: self.base + uid,
            gid: self.base + gid,
        })
    }

    /// Forgets who had a number; the number itself stays given.
    pub(super) fn forget(&mut self, environment: &EnvironmentId) -> io::Result<()> {
        let mut given = self.given.clone();
        if given.environments.remove(&environment.0).is_some() {
            let bytes = serde_json::to_vec_pretty(&given).map_err(io::Error::other)?;
            layout::write_durably(&self.path, &bytes)?;
            self.given = given;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outlive_the_server_and_are_never_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.json");
        let (shop, blog) = (
            EnvironmentId("shop".to_owned()),
            EnvironmentId("blog".to_owned()),
        );
        let mut numbers = Numbers::load(path.clone(), 200_000).unwrap();
        let first = numbers.of(&shop, "shop-trusted").unwrap();
        let sibling = numbers.of(&blog, "shop-trusted").unwrap();
        assert_eq!(first.gid, sibling.gid);
        assert_ne!(first.uid, sibling.uid);

        let mut numbers = Numbers::load(path.clone(), 200_000).unwrap();
        assert_eq!(numbers.of(&shop, "shop-trusted").unwrap(), first);
        numbers.forget(&shop).unwrap();
        let again = Numbers::load(path, 200_000)
            .unwrap()
            .of(&shop, "shop-trusted")
            .unwrap();
        assert!(again.uid > sibling.uid, "{again:?} was somebody's before");
    }
}
